package convert

import (
	"errors"
	"fmt"
	"io"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
)

// Setkey is a script for setkey(8): what it asks of a kernel.
const Setkey Form = "setkey"

// setkeySource gives the messages that setkey would send. Host names are not
// resolved and no files are read: a text to look at has no business with either.
type setkeySource struct {
	p     *setkey.Parser
	codec layers.Codec
	stmt  *setkey.Statement
	queue []setkey.Message
	n     uint64
	rec   record.Record
}

func newSetkey(r io.Reader, o Options) record.Source {
	return &setkeySource{p: setkey.NewParser(r, setkey.Options{}), codec: o.codec(nil), n: o.Number}
}

func (s *setkeySource) Next() (*record.Record, error) {
	for len(s.queue) == 0 {
		var err error
		if s.stmt, err = s.p.Next(); err != nil {
			return nil, setkeyError(err)
		}
		if s.queue, err = s.stmt.Messages(s.codec); err != nil {
			return nil, setkeyError(err)
		}
	}
	m := s.queue[0]
	s.queue = s.queue[1:]
	s.n++
	// setkey leaves seq 0; numbers tell the answers apart.
	m.Base.Seq = uint32(s.n)
	b, err := m.Encode(s.codec)
	if err != nil {
		return nil, &SyntaxError{Line: s.stmt.Line, Column: s.stmt.Column, Err: err}
	}
	s.rec = record.Record{
		Number: s.n, Dir: record.ToKernel, Codec: s.codec, Data: b, OrigLen: len(b),
		Comments: []string{fmt.Sprintf("setkey line %d", s.stmt.Line)},
	}
	if m.Note != "" {
		s.rec.Comments = append(s.rec.Comments, m.Note)
	}
	return &s.rec, nil
}

func setkeyError(err error) error {
	var e *setkey.Error
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &e):
		return &SyntaxError{Line: e.Line, Column: e.Column, Err: e.Err}
	}
	return fmt.Errorf("%w: %w", record.ErrDamaged, err)
}
