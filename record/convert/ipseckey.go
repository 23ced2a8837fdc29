package convert

import (
	"errors"
	"fmt"
	"io"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/ipseckey"
)

// Ipseckey is a file of commands for ipseckey(8) of illumos, like its save makes: what
// it asks of a kernel, in the illumos dialect unless another is wanted.
const Ipseckey Form = "ipseckey"

// ipseckeySource gives the messages that ipseckey would send. Host names are not
// resolved: a text to look at has no business with that.
type ipseckeySource struct {
	p     *ipseckey.Parser
	codec layers.Codec
	stmt  *ipseckey.Statement
	queue []ipseckey.Message
	n     uint64
	rec   record.Record
}

func newIpseckey(r io.Reader, o Options) record.Source {
	if o.Codec.Dialect == layers.NoDialect {
		o.Codec.Dialect = layers.Illumos
	}
	return &ipseckeySource{p: ipseckey.NewParser(r, ipseckey.Options{}), codec: o.codec(nil), n: o.Number}
}

func (s *ipseckeySource) Next() (*record.Record, error) {
	for len(s.queue) == 0 {
		var err error
		if s.stmt, err = s.p.Next(); err != nil {
			return nil, ipseckeyError(err)
		}
		if s.queue, err = s.stmt.Messages(s.codec); err != nil {
			return nil, ipseckeyError(err)
		}
	}
	m := s.queue[0]
	s.queue = s.queue[1:]
	s.n++
	m.Base.Seq = uint32(s.n) // as ipseckey counts
	b, err := m.Encode(s.codec)
	if err != nil {
		return nil, &SyntaxError{Line: s.stmt.Line, Column: s.stmt.Column, Err: err}
	}
	s.rec = record.Record{
		Number: s.n, Dir: record.ToKernel, Codec: s.codec, Data: b, OrigLen: len(b),
		Comments: []string{fmt.Sprintf("ipseckey line %d", s.stmt.Line)},
	}
	if m.Note != "" {
		s.rec.Comments = append(s.rec.Comments, m.Note)
	}
	return &s.rec, nil
}

func ipseckeyError(err error) error {
	var e *ipseckey.Error
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &e):
		return &SyntaxError{Line: e.Line, Column: e.Column, Err: e.Err}
	}
	return fmt.Errorf("%w: %w", record.ErrDamaged, err)
}
