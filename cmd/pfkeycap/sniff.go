package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
	"github.com/pfkeycap/pfkeycap/record"
)

// lookAhead is how many messages are looked at for their dialect before the first
// is decoded.
const lookAhead = 512

// sniffed reads ahead in a source that does not say its dialect and gives its
// records the one that their bytes tell. Where they do not tell, that is said, and
// what could not be told apart is named.
type sniffed struct {
	src    record.Source
	over   overrides
	held   []*record.Record
	err    error
	codec  layers.Codec
	notice func(string)
}

// newSniffed reads the first messages of src.
func newSniffed(src record.Source, over overrides, notice func(string)) *sniffed {
	s := &sniffed{src: src, over: over, notice: notice}
	var ev sniff.Sniffer
	for len(s.held) < lookAhead {
		r, err := src.Next()
		if err != nil {
			s.err = err
			break
		}
		s.held = append(s.held, r.Clone())
		ev.Add(r.Data, r.OrigLen)
		if _, ok := ev.Decided(); ok && ev.Messages() >= 8 {
			break
		}
	}
	s.decide(&ev)
	return s
}

func (s *sniffed) decide(ev *sniff.Sniffer) {
	c, ok := ev.Decided()
	list := ev.Candidates()
	switch {
	case len(s.held) == 0:
		return
	case s.over.dialect != layers.NoDialect:
		if ok && c.Dialect != s.over.dialect {
			s.notice(fmt.Sprintf("read as %v as told, but the bytes speak for %v: %s", s.over.dialect, c, reason(list)))
		}
		c.Dialect = s.over.dialect
	case ok:
		s.notice(fmt.Sprintf("dialect %v, from the bytes: %s", c, reason(list)))
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
			s.notice(fmt.Sprintf("the bytes do not tell %s apart: read as %v (--dialect chooses)", strings.Join(equal, ", "), c))
		} else {
			s.notice(fmt.Sprintf("read as %v, which the bytes speak for but do not prove: %s (--dialect chooses)", c, reason(list)))
		}
	}
	s.codec = c
}

// reason is the heaviest reason for the first candidate that tells its dialect, not
// only its byte order.
func reason(list []sniff.Candidate) string {
	for _, r := range list[0].Reasons {
		if strings.Contains(r, "unlike") {
			return r
		}
	}
	return "nothing speaks against it"
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
	if s.over.order == layers.NoOrder && layers.OrderOf(r.Data, r.OrigLen) == layers.NoOrder && s.codec.Order != layers.NoOrder {
		r.Codec.Order = s.codec.Order // the length field is the same in both orders
	}
	return r, nil
}
