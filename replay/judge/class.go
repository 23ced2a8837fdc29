package judge

import (
	"sort"
	"strings"
)

// Kind is a kind of finding.
type Kind string

// The kinds of findings.
const (
	Disagreement Kind = "disagreement" // the kernel answers otherwise than predicted
	Content      Kind = "content"      // an answer, decoded, does not say what the request said
	Reply        Kind = "reply"        // an answer is not as those of this kernel are
	Decoder      Kind = "decoder"      // an answer cannot be decoded, or encodes to other bytes
	DecoderPanic Kind = "decoder-panic"
	Leak         Kind = "leak"  // an answer holds octets that nobody has set
	Crash        Kind = "crash" // the kernel panicked, oopsed or warned
	Hang         Kind = "hang"  // the kernel did not answer
)

// Class is what was found, as often as it was.
type Class struct {
	Kind  Kind
	Name  string
	Count uint64
	First uint64 // index of the first message it was found with
	// Messages are the requests that the saved case has.
	Messages int    `json:",omitempty"`
	File     string `json:",omitempty"` // the capture of the case, in the directory of the run
	Console  string `json:",omitempty"` // the kernel's last words, likewise
	Note     string `json:",omitempty"`
	// Known explains a fault of the kernel that is understood; "" is something new.
	Known string `json:",omitempty"`
}

// fileName makes a file name of a class's name, without its ending.
func (c *Class) fileName() string {
	var b strings.Builder
	b.WriteString(string(c.Kind) + "_")
	last := '-'
	for _, r := range c.Name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
		default:
			r = '-'
		}
		if r == '-' && last == '-' {
			continue
		}
		b.WriteRune(r)
		last = r
	}
	s := strings.TrimRight(b.String(), "-")
	return s[:min(len(s), 120)]
}

// sortClasses orders classes by kind and frequency.
func sortClasses(list []*Class) {
	order := map[Kind]int{Crash: 0, Hang: 1, DecoderPanic: 2, Decoder: 3, Disagreement: 4, Content: 5, Reply: 6, Leak: 7}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if order[a.Kind] != order[b.Kind] {
			return order[a.Kind] < order[b.Kind]
		}
		return a.Count > b.Count
	})
}
