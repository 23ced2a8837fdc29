package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
	"github.com/pfkeycap/pfkeycap/record"
)

// lookAhead is how many messages are looked at for their dialect before the first
// is decoded, and how many of a source that says its dialect are held against it.
const lookAhead = 512

// judge holds what is read against the dialect and byte order it is read with.
type judge struct {
	over   overrides
	ev     sniff.Sniffer
	closed bool // the dialect is judged
	order  bool // the byte order is known to be wrong, and that was said
	wrong  bool // another dialect is what the bytes speak for
	notice func(string)
}

// told is who says the dialect that --dialect names.
const told = "as told"

// look looks at one more message.
func (j *judge) look(data []byte, length int) {
	j.ev.Add(data, length)
	if j.order || j.over.order == layers.NoOrder || len(data) < layers.BaseLen {
		return
	}
	if o := layers.OrderOf(data, length); o != layers.NoOrder && o != j.over.order {
		j.order = true
		j.notice(fmt.Sprintf("read %v-endian as told, but the length in message %d is right only in %v-endian order",
			j.over.order, j.ev.Messages(), o))
	}
}

// contradict says it if the bytes speak for another dialect than the one that they
// are read as because someone says so. Nothing contradicts RFC 2367: whoever
// recorded it knew no better name for the system.
func (j *judge) contradict(d layers.Dialect, who string) {
	c, ok := j.ev.Decided()
	j.closed = j.closed || ok
	if !ok || c.Dialect == d || d == layers.RFC2367 && who != told {
		return
	}
	j.wrong = d != layers.RFC2367
	j.notice(fmt.Sprintf("read as %v %s, but the bytes speak for %v: %s", d, who, c, reason(j.ev.Candidates(), d)))
}

// speaksAgainst reports whether the bytes of the whole speak against the dialect that
// they are read with.
func (j *judge) speaksAgainst() bool { return j != nil && j.wrong }

// appendContradictions appends what speaks against the dialect of a record.
func appendContradictions(dst []pfjson.Problem, r *record.Record) []pfjson.Problem {
	for _, x := range sniff.Contradictions(r.Codec, r.Data) {
		dst = append(dst, pfjson.Problem{Code: "other-dialect", Offset: x.Offset, Text: fmt.Sprintf("%s, unlike %v", x.Text, r.Codec.Dialect)})
	}
	return dst
}

// reason is the heaviest reason for the first candidate that tells it from another
// dialect, or else one that tells its dialect from any.
func reason(list []sniff.Candidate, other layers.Dialect) string {
	best := "nothing speaks against it"
	for _, r := range slices.Backward(list[0].Reasons) {
		if strings.Contains(r, "unlike ") {
			best = r
		}
	}
	for _, r := range list[0].Reasons {
		if _, unlike, is := strings.Cut(r, "unlike "); is && slices.Contains(strings.Fields(unlike), other.String()) {
			return r
		}
	}
	return best
}

// watched is a source that says its dialect, held against the bytes as they come.
type watched struct {
	record.Source
	judge *judge
	who   string // says the dialect
}

// Next returns the next record.
func (w *watched) Next() (*record.Record, error) {
	r, err := w.Source.Next()
	if err == nil && !w.judge.closed && w.judge.ev.Messages() < lookAhead {
		w.judge.look(r.Data, r.OrigLen)
		w.judge.contradict(r.Codec.Dialect, w.who)
	}
	return r, err
}

// sniffed reads ahead in a source that does not say its dialect and gives its
// records the one that their bytes tell. Where they do not tell, that is said, and
// what could not be told apart is named.
type sniffed struct {
	src   record.Source
	judge *judge
	held  []*record.Record
	err   error
	codec layers.Codec
}

// newSniffed reads the first messages of src.
func newSniffed(src record.Source, j *judge) *sniffed {
	s := &sniffed{src: src, judge: j}
	for len(s.held) < lookAhead {
		r, err := src.Next()
		if err != nil {
			s.err = err
			break
		}
		s.held = append(s.held, r.Clone())
		j.look(r.Data, r.OrigLen)
		if _, ok := j.ev.Decided(); ok && j.ev.Messages() >= 8 {
			break
		}
	}
	if len(s.held) > 0 {
		s.decide()
	}
	return s
}

func (s *sniffed) decide() {
	j := s.judge
	c, ok := j.ev.Decided()
	list := j.ev.Candidates()
	switch {
	case j.over.dialect != layers.NoDialect:
		j.contradict(j.over.dialect, told)
		c.Dialect = j.over.dialect
	case ok:
		j.notice(fmt.Sprintf("dialect %v, from the bytes: %s", c, reason(list, list[1].Codec.Dialect)))
	default:
		var equal []string
		for _, x := range list {
			if x.Score == list[0].Score {
				equal = append(equal, x.Codec.String())
			}
		}
		c = list[0].Codec
		for _, x := range list { // of equal ones, the system that most have
			if x.Score == list[0].Score && x.Codec.Dialect == layers.Linux {
				c = x.Codec
				break
			}
		}
		if len(equal) > 1 {
			j.notice(fmt.Sprintf("the bytes do not tell %s apart: read as %v (--dialect chooses)", strings.Join(equal, ", "), c))
		} else {
			j.notice(fmt.Sprintf("read as %v, which the bytes speak for but do not prove: %s (--dialect chooses)", c, reason(list, list[1].Codec.Dialect)))
		}
	}
	s.codec = c
}

// Next returns the next record, its dialect decided.
func (s *sniffed) Next() (*record.Record, error) {
	var r *record.Record
	switch {
	case len(s.held) > 0:
		r, s.held = s.held[0], s.held[1:]
	case s.err != nil:
		return nil, s.err
	default:
		var err error
		if r, err = s.src.Next(); err != nil {
			if err != io.EOF {
				s.err = err
			}
			return nil, err
		}
	}
	r.Codec.Dialect = s.codec.Dialect
	if s.judge.over.order == layers.NoOrder && layers.OrderOf(r.Data, r.OrigLen) == layers.NoOrder && s.codec.Order != layers.NoOrder {
		r.Codec.Order = s.codec.Order // the length field is the same in both orders
	}
	return r, nil
}
