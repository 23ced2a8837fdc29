package convert

import (
	"errors"
	"fmt"
	"io"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
	"github.com/pfkeycap/pfkeycap/record/convert/ipseckey"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
)

const (
	// Setkey is a script for setkey(8): what it asks of a kernel.
	Setkey Form = "setkey"
	// Ipseckey is a file of commands for ipseckey(8) of illumos, like its save makes:
	// what it asks of a kernel, in the illumos dialect unless another is wanted.
	Ipseckey Form = "ipseckey"
)

// Host names in statements are not resolved, and no files are read: a text to look at
// has no business with either.

func newSetkey(r io.Reader, o Options) record.Source {
	p := setkey.NewParser(r, setkey.Options{})
	return newStatements(Setkey, o, func(c layers.Codec) (at place, list []statement.Message, err error) {
		s, err := p.Next()
		if err == nil {
			at = place{s.Line, s.Column}
			list, err = s.Messages(c)
		}
		return at, list, err
	})
}

func newIpseckey(r io.Reader, o Options) record.Source {
	if o.Codec.Dialect == layers.NoDialect {
		o.Codec.Dialect = layers.Illumos
	}
	p := ipseckey.NewParser(r, ipseckey.Options{})
	return newStatements(Ipseckey, o, func(c layers.Codec) (at place, list []statement.Message, err error) {
		s, err := p.Next()
		if err == nil {
			at = place{s.Line, s.Column}
			list, err = s.Messages(c)
		}
		return at, list, err
	})
}

// place is where a statement begins, from 1.
type place struct{ line, column int }

// statements gives the messages that a tool would send for the statements of a text.
type statements struct {
	form  Form
	next  func(layers.Codec) (place, []statement.Message, error) // of the next statement
	codec layers.Codec
	at    place // of the statement that queue is of
	queue []statement.Message
	n     uint64
	rec   record.Record
}

func newStatements(f Form, o Options, next func(layers.Codec) (place, []statement.Message, error)) record.Source {
	return &statements{form: f, next: next, codec: o.codec(nil), n: o.Number}
}

func (s *statements) Next() (*record.Record, error) {
	for len(s.queue) == 0 {
		var err error
		if s.at, s.queue, err = s.next(s.codec); err != nil {
			var se *SyntaxError
			if err != io.EOF && !errors.As(err, &se) {
				err = fmt.Errorf("%w: %w", record.ErrDamaged, err)
			}
			return nil, err
		}
	}
	m := s.queue[0]
	s.queue = s.queue[1:]
	s.n++
	// As ipseckey counts; setkey leaves seq 0, and numbers tell the answers apart.
	m.Base.Seq = uint32(s.n)
	b, err := m.Encode(s.codec)
	if err != nil {
		return nil, &SyntaxError{Line: s.at.line, Column: s.at.column, Err: err}
	}
	s.rec = record.Record{
		Number: s.n, Dir: record.ToKernel, Codec: s.codec, Data: b, OrigLen: len(b),
		Comments: []string{fmt.Sprintf("%s line %d", s.form, s.at.line)},
	}
	if m.Note != "" {
		s.rec.Comments = append(s.rec.Comments, m.Note)
	}
	return &s.rec, nil
}
