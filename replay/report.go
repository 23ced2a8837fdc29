package replay

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Report is what a replay found out. Package encoding/json writes it; it holds no
// secrets.
type Report struct {
	Dialect string `json:"dialect"`
	Order   string `json:"order"` // byte order of the target
	Keys    string `json:"keys"`  // which secrets were sent, see Plan.Keys

	Sent     int `json:"sent"`     // messages, repeated GETSPIs not counted
	Answered int `json:"answered"` // of those, to how many the target said something

	// How many of Exchanges have each verdict.
	Equal           int `json:"equal"`
	Volatile        int `json:"volatile"`
	NotReproducible int `json:"not_reproducible"`
	Different       int `json:"different"`

	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
	// Loops is how often the plan was run, the last time perhaps not to its end.
	Loops int `json:"loops"`
	// Stopped says what ended the replay before the end of the plan: "limit" or
	// "duration".
	Stopped string `json:"stopped,omitempty"`

	// Exchanges are those of the first loop, and those of later ones whose verdict
	// is another than that of the first.
	Exchanges []Exchange `json:"exchanges"`
	// Omitted is how many more of the latter there are.
	Omitted int `json:"omitted,omitempty"`
	// State is what the target has at the end, nil unless RunOptions.State.
	State *State `json:"state,omitempty"`
	// Bindings are those of the first loop.
	Bindings []Binding `json:"bindings,omitempty"`
	// Unasked is what the target said without being asked, on one line each, and
	// UnaskedMore how many more messages of that kind there were.
	Unasked     []string `json:"unasked,omitempty"`
	UnaskedMore int      `json:"unasked_more,omitempty"`
}

// What a report holds of things that can be without end.
const (
	maxLater   = 1000 // exchanges of later loops
	maxUnasked = 1000
)

// bindings notes what was bound in a loop.
func (r *Report) bindings(loop int, list []Binding) {
	if loop == 1 {
		r.Bindings = append(r.Bindings, list...)
	}
}

// unasked notes a message that nobody asked for.
func (r *Report) unasked(m *layers.Message) {
	if len(r.Unasked) >= maxUnasked {
		r.UnaskedMore++
		return
	}
	r.Unasked = append(r.Unasked, summary(m))
}

// take counts the exchanges of a loop and keeps those that say something new.
func (r *Report) take(loop int, list []Exchange) {
	for i := range list {
		r.count(list[i].Verdict)
	}
	if loop == 1 {
		r.Exchanges = list
		return
	}
	first := slices.IndexFunc(r.Exchanges, func(e Exchange) bool { return e.Loop != 0 })
	if first < 0 {
		first = len(r.Exchanges)
	}
	for i := range list {
		e := &list[i]
		switch {
		case i < first && r.Exchanges[i].Verdict == e.Verdict:
		case len(r.Exchanges)-first >= maxLater:
			r.Omitted++
		default:
			e.Loop = loop
			r.Exchanges = append(r.Exchanges, *e)
		}
	}
}

// Exchange is a request with its answers, or one message of the recorded kernel
// that belongs to no request.
type Exchange struct {
	Loop    int      `json:"loop,omitempty"` // from 2
	Record  uint64   `json:"record"`         // number of the request, or of that message
	Message string   `json:"message"`
	Sent    bool     `json:"sent"`
	Answers []uint64 `json:"answers,omitempty"` // numbers of the recorded answers
	Got     int      `json:"got"`               // how many messages the target answered with
	Verdict Verdict  `json:"verdict"`
	// Reason says why it is not reproducible.
	Reason      string       `json:"reason,omitempty"`
	Rewrites    []Rewrite    `json:"rewrites,omitempty"` // what was sent otherwise than it was recorded
	Bindings    []Binding    `json:"bindings,omitempty"` // what its answers bound
	Differences []Difference `json:"differences,omitempty"`

	refused bool // Reason says that the target has refused it
}

func (e *Exchange) differ(d Difference) {
	e.Differences = append(e.Differences, d)
	e.Verdict = max(e.Verdict, d.Verdict)
}

// unknown notes that an answer could not be compared.
func (e *Exchange) unknown(record uint64, why string) {
	e.differ(Difference{Record: record, What: Octets, Verdict: NotReproducible, Reason: why})
}

// excuse makes the differences from index on, which are those of one entry of a
// dump, not reproducible, and the entry itself if it has none.
func (e *Exchange) excuse(from int, record uint64, why string) {
	if from == len(e.Differences) {
		e.unknown(record, why)
	}
	for i := from; i < len(e.Differences); i++ {
		e.Differences[i].Verdict, e.Differences[i].Reason = NotReproducible, why
	}
	e.Verdict = Worst(e.Differences)
}

func (r *Report) count(v Verdict) {
	switch v {
	case Equal:
		r.Equal++
	case Volatile:
		r.Volatile++
	case NotReproducible:
		r.NotReproducible++
	default:
		r.Different++
	}
}

// Counts returns the five numbers and the number of answers on one line.
func (r *Report) Counts() string {
	return fmt.Sprintf("sent %d, answered %d: %d equal, %d volatile, %d not-reproducible, %d different",
		r.Sent, r.Answered, r.Equal, r.Volatile, r.NotReproducible, r.Different)
}

// maxLines is how many differences of one verdict of one exchange are shown as text.
const maxLines = 10

// WriteText writes the report, one line for each difference, binding, and what
// cannot be reproduced, and the counts in the last line. Volatile differences, and what
// was sent otherwise than it was recorded, are written only if all is set.
func (r *Report) WriteText(w io.Writer, all bool) error {
	var b bytes.Buffer
	for i := range r.Exchanges {
		e := &r.Exchanges[i]
		loop := ""
		if e.Loop != 0 {
			loop = fmt.Sprintf("loop %d: ", e.Loop)
		}
		for _, x := range e.Rewrites {
			if all {
				fmt.Fprintf(&b, "rewritten: %s#%d %s: %v\n", loop, e.Record, e.Message, x)
			}
		}
		for _, x := range e.Bindings {
			fmt.Fprintf(&b, "binding: %s#%d %v\n", loop, e.Record, x)
		}
		switch {
		case e.Verdict == NotReproducible && e.Reason != "":
			fmt.Fprintf(&b, "not-reproducible: %s#%d %s: %s\n", loop, e.Record, e.Message, e.Reason)
			if !all {
				continue
			}
		case e.Verdict == Volatile && !all:
			continue
		}
		for _, v := range []Verdict{Different, NotReproducible, Volatile} { // the worst first
			lines, more := 0, 0
			for k := range e.Differences {
				d := &e.Differences[k]
				switch {
				case d.Verdict != v || v == Volatile && !all:
				case lines == maxLines && !all:
					more++
				default:
					lines++
					fmt.Fprintf(&b, "%v: %s#%d %s: %v\n", v, loop, e.Record, e.Message, d)
				}
			}
			if more > 0 {
				fmt.Fprintf(&b, "%v: %s#%d %s: and %d more\n", v, loop, e.Record, e.Message, more)
			}
		}
		if b.Len() > 64<<10 {
			if _, err := w.Write(b.Bytes()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "loops: %d more exchanges came out otherwise than in the first loop\n", r.Omitted)
	}
	for _, u := range r.Unasked {
		fmt.Fprintf(&b, "unasked: the target said %s\n", u)
	}
	if r.UnaskedMore > 0 {
		fmt.Fprintf(&b, "unasked: and %d more messages\n", r.UnaskedMore)
	}
	if r.State != nil {
		r.State.writeText(&b, all)
	}
	if r.Stopped != "" {
		fmt.Fprintf(&b, "stopped: by the %s, in loop %d\n", r.Stopped, r.Loops)
	}
	fmt.Fprintf(&b, "%s\n", r.Counts())
	_, err := w.Write(b.Bytes())
	return err
}
