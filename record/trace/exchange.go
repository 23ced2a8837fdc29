package trace

import (
	"errors"
	"io"
	"iter"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// Exchange is a request with its answers, or a message that nobody in the
// recording asked for.
type Exchange struct {
	Role    Role             // Request, Event, Foreign, or Unknown
	Request *record.Record   // nil unless Role is Request
	Answers []*record.Record // in order, without twins; unless Role is Request, the message itself
	Twins   int              // second copies, which are left out

	// Complete says that all answers are there: a dump was seen to its end, and of
	// anything else an answer came, unless there is none (a header-only ACQUIRE).
	Complete bool

	last   uint64 // which message of the recording was its last
	answer uint64 // Record.Number of the last one that was no twin
}

const (
	// maxOpen is how many exchanges are kept open, and maxWait how many messages
	// later the first answer to a request comes at most, but for those that wait.
	maxOpen = 64
	maxWait = 64
)

// Annotated is a source of annotated records that says which part the one that Next
// returned last plays. A Reader is one.
type Annotated interface {
	record.Source
	Role() Role
}

// Exchanges groups the records of source, which may be Annotated. Exchanges come in
// the order in which they end; a request that was not answered ends after a while.
// The records are copies, and memory is bounded but for the answers of one dump.
// An error of the source comes last, but not io.EOF.
func Exchanges(source record.Source, o Options) iter.Seq2[*Exchange, error] {
	return func(yield func(*Exchange, error) bool) {
		r, ok := source.(Annotated)
		if !ok {
			r = NewReader(source, o)
		}
		var open []*Exchange
		for n := uint64(1); ; n++ {
			rec, err := r.Next()
			if err != nil {
				for _, x := range open {
					if !yield(x, nil) {
						return
					}
				}
				if !errors.Is(err, io.EOF) {
					yield(nil, err)
				}
				return
			}
			open = sort(open, rec, r.Role(), n)
			kept := open[:0]
			for i, x := range open {
				if !x.over(n) && len(open)-i <= maxOpen {
					kept = append(kept, x)
				} else if !yield(x, nil) {
					return
				}
			}
			clear(open[len(kept):])
			open = kept
		}
	}
}

// sort puts message n into the exchange it belongs to, or into a new one.
func sort(open []*Exchange, rec *record.Record, role Role, n uint64) []*Exchange {
	switch role {
	case Reply:
		for _, x := range open {
			if x.Request != nil && x.Request.Number == rec.ReplyTo {
				rec = rec.Clone()
				x.Answers = append(x.Answers, rec)
				x.last, x.answer = n, rec.Number
				x.Complete = x.ends(rec)
				return open
			}
		}
	case Twin:
		for _, x := range open {
			if x.answer == rec.TwinOf {
				x.Twins++
				x.last = n
				return open
			}
		}
		return open // the first copy is long gone
	}
	rec = rec.Clone()
	x := &Exchange{Role: role, last: n, answer: rec.Number}
	if role == Request {
		x.Request = rec
		x.Complete = x.silent()
	} else {
		if role == Reply {
			x.Role = Unknown // its request is not remembered
		}
		x.Answers = []*record.Record{rec}
		x.Complete = true
	}
	return append(open, x)
}

// over reports whether message n is too late to belong to the exchange.
func (x *Exchange) over(n uint64) bool {
	switch {
	case x.Complete:
		return n-x.last > overtaken
	case len(x.Answers) > 0: // a dump under way goes on when its reader reads
		return false
	}
	f := headerFact(x.Request)
	if f.waits() {
		return n-x.last > maxPause
	}
	return n-x.last > maxWait
}

// header reads the type, errno and sequence number of a record's message, the one
// inside if it is wrapped.
func header(rec *record.Record) (m layers.Message) {
	m.Codec = rec.Codec
	m.DecodeFromBytes(rec.Codec.Unwrap(rec.Data), nil)
	return m
}

// headerFact is what a record's message, the one inside if it is wrapped, has in its
// header.
func headerFact(rec *record.Record) fact {
	m := header(rec)
	return messageFact(&m)
}

// ends reports whether an answer is the last one of a dump, or the exchange is no
// dump.
func (x *Exchange) ends(answer *record.Record) bool {
	f := headerFact(answer)
	return !f.dumps() || f.errno != 0 || f.ends(header(x.Request).Seq)
}

// silent reports whether the kernel does not answer the request.
func (x *Exchange) silent() bool {
	f := headerFact(x.Request)
	return f.unheard()
}
