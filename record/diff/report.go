package diff

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers/compare"
)

// Verdict is what the comparison of two things comes to. They are ordered: that of a
// whole is the greatest of its parts.
type Verdict uint8

// The verdicts.
const (
	Equal         Verdict = iota
	Absent                // one of the two systems has no word for it
	Volatile              // what never agrees between two runs
	NotComparable         // one side does not say it, or hides it
	Different
)

var verdictNames = [...]string{"equal", "absent", "volatile", "not-comparable", "different"}

// String returns the name of the verdict in lower case, with hyphens.
func (v Verdict) String() string { return verdictNames[v] }

// MarshalText gives what String gives.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Report is what a comparison found out. Package encoding/json writes it; it holds no
// secrets.
type Report struct {
	Schema int    `json:"schema"`
	Of     string `json:"of"` // "messages" or "state"
	A      Total  `json:"a"`
	B      Total  `json:"b"`

	// How many pairs have each verdict; Volatile counts those that are Absent too.
	Equal         int `json:"equal"`
	Volatile      int `json:"volatile"`
	NotComparable int `json:"not_comparable"`
	Different     int `json:"different"`
	Moved         int `json:"moved"` // pairs that are not in the same order, whatever their verdict
	OnlyA         int `json:"only_a"`
	OnlyB         int `json:"only_b"`

	// Entries are the pairs that differ, what only one side has, and what was moved; with
	// all other pairs if Options.All is set.
	Entries []Entry `json:"entries"`
	// Aside is what was set aside, by field and reason.
	Aside []Aside `json:"aside"`

	aside map[Aside]int // place in Aside, by what and why
}

// Total says what there is on one side.
type Total struct {
	Name    string `json:"name"`
	Dialect string `json:"dialect,omitempty"`
	Records uint64 `json:"records"`
	// Exchanges, or SAs and policies that were there at the end.
	Exchanges int `json:"exchanges,omitempty"`
	SAs       int `json:"sas,omitempty"`
	Policies  int `json:"policies,omitempty"`
}

// Entry is one pair of exchanges, SAs or policies, or what only one side has.
type Entry struct {
	What        string       `json:"what"` // "pair", "only-a", "only-b" or "moved"
	Verdict     Verdict      `json:"verdict"`
	A           []uint64     `json:"a,omitempty"` // record numbers; of the text of ip-xfrm(8) the line
	B           []uint64     `json:"b,omitempty"`
	Message     string       `json:"message"`
	Count       int          `json:"count,omitempty"` // how many there are of the kind in a row, of what only one side has
	Differences []Difference `json:"differences,omitempty"`
	More        int          `json:"more,omitempty"` // differences that are not listed
}

// Difference is one way in which B is not A.
type Difference struct {
	ARecord uint64       `json:"a_record,omitempty"`
	BRecord uint64       `json:"b_record,omitempty"`
	Ext     string       `json:"ext,omitempty"`   // extension, lower case; "msg" for the header
	Field   string       `json:"field,omitempty"` // its member, with indices of lists
	What    compare.What `json:"what"`
	A       string       `json:"a,omitempty"` // the values
	B       string       `json:"b,omitempty"`
	Verdict Verdict      `json:"verdict"`
	Reason  string       `json:"reason,omitempty"`
}

// Path returns the field as filters name it, such as "sa.spi".
func (d *Difference) Path() compare.Path { return compare.Path{Ext: d.Ext, Field: d.Field} }

// Aside is something that was set aside, in how many places.
type Aside struct {
	Verdict Verdict `json:"verdict"` // Absent, Volatile or NotComparable
	Path    string  `json:"path"`
	Reason  string  `json:"reason"`
	Count   int     `json:"count"`
	ARecord uint64  `json:"a_record,omitempty"` // the first place
	BRecord uint64  `json:"b_record,omitempty"`
}

// maxDifferences is how many differences of one entry are listed.
const maxDifferences = 200

// differ adds a difference to an entry.
func (r *Report) differ(e *Entry, d Difference) {
	e.Verdict = max(e.Verdict, d.Verdict)
	if d.Verdict != Different {
		r.setAside(&d)
	}
	if len(e.Differences) >= maxDifferences {
		e.More++
		return
	}
	e.Differences = append(e.Differences, d)
}

func (r *Report) setAside(d *Difference) {
	key := Aside{Verdict: d.Verdict, Path: d.Path().Plain(), Reason: d.Reason}
	if r.aside == nil {
		r.aside = map[Aside]int{}
	}
	i, ok := r.aside[key]
	if !ok {
		i = len(r.Aside)
		r.aside[key] = i
		key.ARecord, key.BRecord = d.ARecord, d.BRecord
		r.Aside = append(r.Aside, key)
	}
	r.Aside[i].Count++
}

// count counts a pair, and keeps it if it is of interest.
func (r *Report) count(e *Entry, all bool) {
	switch e.Verdict {
	case Equal:
		r.Equal++
	case Absent, Volatile:
		r.Volatile++
	case NotComparable:
		r.NotComparable++
	default:
		r.Different++
	}
	if e.What == "moved" {
		r.Moved++
	}
	if !all {
		e.Differences = slices.DeleteFunc(e.Differences, func(d Difference) bool { return d.Verdict != Different })
		if e.Verdict != Different && e.What == "pair" {
			return
		}
	}
	r.Entries = append(r.Entries, *e)
}

// only adds what one side has alone; one of the same kind right before is counted with
// it.
func (r *Report) only(what string, numbers []uint64, message, kind string, last *string) {
	if what == "only-a" {
		r.OnlyA++
	} else {
		r.OnlyB++
	}
	if n := len(r.Entries); n > 0 && *last == what+kind && r.Entries[n-1].What == what {
		e := &r.Entries[n-1]
		e.Count++
		if what == "only-a" {
			e.A = append(e.A, numbers...)
		} else {
			e.B = append(e.B, numbers...)
		}
		return
	}
	*last = what + kind
	e := Entry{What: what, Verdict: Different, Message: message, Count: 1}
	if what == "only-a" {
		e.A = numbers
	} else {
		e.B = numbers
	}
	r.Entries = append(r.Entries, e)
}

// Differs reports whether a difference was found.
func (r *Report) Differs() bool { return r.Different+r.OnlyA+r.OnlyB+r.Moved > 0 }

// maxLines is how many differences of one entry are shown as text.
const maxLines = 10

// WriteText writes a line for each difference, for what only one side has, and for what
// could not be compared, and the counts in the last line. What is volatile is written
// only if all is set.
func (r *Report) WriteText(out io.Writer, all bool) error {
	w := bufio.NewWriter(out)
	for i := range r.Entries {
		r.Entries[i].write(w, all)
	}
	for v := NotComparable; v > Equal; v-- {
		if v == Volatile && !all {
			continue
		}
		for i := range r.Aside {
			x := &r.Aside[i]
			if x.Verdict != v {
				continue
			}
			fmt.Fprintf(w, "%v: %s: %s (", v, x.Path, x.Reason)
			if x.Count > 1 {
				fmt.Fprintf(w, "%d times, first ", x.Count)
			}
			fmt.Fprintf(w, "%s)\n", places([]uint64{x.ARecord}, []uint64{x.BRecord}))
		}
	}
	if !r.Differs() {
		r.writeEqual(w)
	}
	unit := func(t *Total) string {
		if r.Of == "state" {
			return fmt.Sprintf("%d SAs and %d policies", t.SAs, t.Policies)
		}
		return fmt.Sprintf("%d exchanges", t.Exchanges)
	}
	fmt.Fprintf(w, "%s: %s in A, %s in B: %d equal, %d volatile, %d not-comparable, %d different, %d only-a, %d only-b",
		r.Of, unit(&r.A), unit(&r.B), r.Equal, r.Volatile, r.NotComparable, r.Different, r.OnlyA, r.OnlyB)
	if r.Moved > 0 {
		fmt.Fprintf(w, ", %d moved", r.Moved)
	}
	fmt.Fprintln(w)
	return w.Flush()
}

// writeEqual says what being equal means.
func (r *Report) writeEqual(w io.Writer) {
	var volatile []string
	for i := range r.Aside {
		if p := r.Aside[i].Path; r.Aside[i].Verdict == Volatile && !slices.Contains(volatile, p) {
			volatile = append(volatile, p)
		}
	}
	switch {
	case r.Equal+r.Volatile+r.NotComparable == 0:
		fmt.Fprintln(w, "equal: there is nothing on either side")
	case r.NotComparable > 0:
		fmt.Fprintf(w, "equal as far as it can be compared: %d of %d hold what cannot be\n", r.NotComparable, r.Equal+r.Volatile+r.NotComparable)
	case len(volatile) > 0:
		fmt.Fprintf(w, "equal: nothing differs but what never agrees between two runs: %s\n", strings.Join(volatile, ", "))
	default:
		fmt.Fprintln(w, "equal: no field differs")
	}
}

func (e *Entry) write(w io.Writer, all bool) {
	where := places(e.A, e.B)
	switch e.What {
	case "only-a", "only-b":
		fmt.Fprintf(w, "%s: %s %s", e.What, where, e.Message)
		if e.Count > 1 {
			fmt.Fprintf(w, " and %d more of the kind", e.Count-1)
		}
		fmt.Fprintln(w)
		return
	case "moved":
		fmt.Fprintf(w, "moved: %s %s: not in the same order\n", where, e.Message)
	}
	for _, v := range []Verdict{Different, NotComparable, Absent, Volatile} {
		if v != Different && !all {
			break
		}
		lines, more := 0, 0
		for i := range e.Differences {
			d := &e.Differences[i]
			switch {
			case d.Verdict != v:
			case lines == maxLines && !all:
				more++
			default:
				lines++
				fmt.Fprintf(w, "%v: %s %s: %s\n", v, places([]uint64{d.ARecord}, []uint64{d.BRecord}), e.Message, d.String())
			}
		}
		if v == Different {
			more += e.More
		}
		if more > 0 {
			fmt.Fprintf(w, "%v: %s %s: and %d more\n", v, where, e.Message, more)
		}
	}
}

// String describes the difference without its places.
func (d *Difference) String() string {
	var b strings.Builder
	if p := d.Path().String(); p != "" {
		b.WriteString(p)
		b.WriteString(": ")
	}
	switch {
	case d.What == compare.Added:
		fmt.Fprintf(&b, "only in B: %s", d.B)
	case d.What == compare.Dropped:
		fmt.Fprintf(&b, "only in A: %s", d.A)
	case d.A == "" && d.B == "":
		b.WriteString("not compared")
	case d.What == compare.Order:
		fmt.Fprintf(&b, "order: A %s, B %s", d.A, d.B)
	default:
		fmt.Fprintf(&b, "A %s, B %s", orNone(d.A), orNone(d.B))
	}
	if d.Reason != "" {
		fmt.Fprintf(&b, " (%s)", d.Reason)
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// places names records of either side: A#5 B#9-#11.
func places(a, b []uint64) string {
	var parts []string
	for i, list := range [][]uint64{a, b} {
		list = slices.DeleteFunc(slices.Clone(list), func(n uint64) bool { return n == 0 })
		if len(list) == 0 {
			continue
		}
		s := string('A'+rune(i)) + fmt.Sprintf("#%d", list[0])
		if n := len(list); n > 1 {
			if list[n-1]-list[0] == uint64(n-1) {
				s += fmt.Sprintf("-#%d", list[n-1])
			} else {
				s += fmt.Sprintf(",…#%d", list[n-1])
			}
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}
