package replay

import (
	"bytes"
	"fmt"
	"io"
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

	Exchanges []Exchange `json:"exchanges"`
	Bindings  []Binding  `json:"bindings,omitempty"`
	// Unasked is what the target said without being asked, on one line each.
	Unasked []string `json:"unasked,omitempty"`
}

// Exchange is a request with its answers, or one message of the recorded kernel
// that belongs to no request.
type Exchange struct {
	Record  uint64   `json:"record"` // number of the request, or of that message
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

// maxLines is how many differences of one exchange are shown as text.
const maxLines = 10

// WriteText writes the report, one line for each difference, binding, and what
// cannot be reproduced, and the counts in the last line. Volatile differences are
// written only if all is set.
func (r *Report) WriteText(w io.Writer, all bool) error {
	var b bytes.Buffer
	for i := range r.Exchanges {
		e := &r.Exchanges[i]
		for _, x := range e.Bindings {
			fmt.Fprintf(&b, "binding: #%d %v\n", e.Record, x)
		}
		switch {
		case e.Verdict == NotReproducible && e.Reason != "":
			fmt.Fprintf(&b, "not-reproducible: #%d %s: %s\n", e.Record, e.Message, e.Reason)
			if !all {
				continue
			}
		case e.Verdict == Volatile && !all:
			continue
		}
		lines, more := 0, 0
		for k := range e.Differences {
			d := &e.Differences[k]
			if d.Verdict == Volatile && !all {
				continue
			}
			if lines == maxLines && !all {
				more++
				continue
			}
			lines++
			fmt.Fprintf(&b, "%v: #%d %s: %v\n", d.Verdict, e.Record, e.Message, d)
		}
		if more > 0 {
			fmt.Fprintf(&b, "%v: #%d %s: and %d more\n", e.Verdict, e.Record, e.Message, more)
		}
	}
	for _, u := range r.Unasked {
		fmt.Fprintf(&b, "unasked: the target said %s\n", u)
	}
	fmt.Fprintf(&b, "%s\n", r.Counts())
	_, err := w.Write(b.Bytes())
	return err
}
