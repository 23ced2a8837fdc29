package convert

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/ipxfrm"
)

// IPXfrm is what ip-xfrm(8) prints of SAs and policies.
const IPXfrm Form = "ip-xfrm-list"

// listing gives the messages in which PF_KEY would list what a text lists.
type listing struct {
	p     *ipxfrm.Parser
	codec layers.Codec
	other layers.Dialect // that the user insists on
	n     uint64
	rec   record.Record
}

func newIPXfrm(r io.Reader, o Options) record.Source {
	other := o.Codec.Dialect
	o.Codec.Dialect = layers.Linux
	c := o.codec(nil)
	return &listing{p: ipxfrm.NewParser(r, c.Order), codec: c, other: other, n: o.Number}
}

func (l *listing) Next() (*record.Record, error) {
	if l.other != layers.NoDialect && l.other != layers.Linux {
		return nil, fmt.Errorf("ip xfrm is of linux: it cannot be read as %v", l.other)
	}
	e, err := l.p.Next()
	if err != nil {
		var se *SyntaxError
		if err != io.EOF && !errors.As(err, &se) {
			err = fmt.Errorf("%w: %w", record.ErrDamaged, err)
		}
		return nil, err
	}
	b, err := e.Message()
	if err != nil {
		return nil, &SyntaxError{Line: e.Line, Err: err}
	}
	l.n++
	l.rec = record.Record{Number: l.n, Dir: record.FromKernel, Codec: l.codec, Data: b, OrigLen: len(b),
		Comments: []string{fmt.Sprintf("%s line %d", IPXfrm, e.Line)}}
	var beyond []string
	for _, a := range e.Beyond {
		beyond = append(beyond, a.Name+" "+a.Value)
	}
	if e.ICV != 0 && e.ICV != e.Auth.ICV {
		beyond = append(beyond, fmt.Sprintf("auth-trunc %d", e.ICV))
	}
	if len(beyond) > 0 {
		l.rec.Comments = append(l.rec.Comments, "PF_KEY cannot say: "+strings.Join(beyond, ", "))
	}
	return &l.rec, nil
}
