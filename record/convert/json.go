package convert

import (
	"bytes"
	"io"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
)

// JSON is one object of package pfjson a line.
const JSON Form = "json"

type jsonSource struct {
	lines lines
	o     Options
	n     uint64
	rec   record.Record
}

func newJSON(r io.Reader, o Options) record.Source {
	return &jsonSource{lines: newLines(r), o: o, n: o.Number}
}

func (s *jsonSource) Next() (*record.Record, error) {
	line, err := s.lines.next()
	if err != nil {
		return nil, err
	}
	j, err := pfjson.Parse(line, pfjson.ParseOptions{})
	if err != nil {
		return nil, s.lines.wrong(err)
	}
	s.n++
	dir, err := record.ParseDirection(j.Direction)
	if err != nil {
		return nil, s.lines.wrong(err)
	}
	// The octets were laid out as the line says; what is overridden is how they are
	// read.
	if d := s.o.Codec.Dialect; d != layers.NoDialect {
		j.Codec.Dialect = d
	}
	if o := s.o.Codec.Order; o != layers.NoOrder {
		j.Codec.Order = o
	}
	if j.Number == 0 {
		j.Number = s.n
	}
	s.rec = record.Record{
		Number: j.Number, Time: j.Time, Dir: dir, Codec: j.Codec, Data: j.Data, OrigLen: max(j.Length, len(j.Data)),
		TwinOf: j.TwinOf, ReplyTo: j.ReplyTo, Process: j.Process, WriteErrno: j.WriteErrno, Comments: j.Comments,
	}
	return &s.rec, nil
}

// looksLikeJSON reports whether the first character is that of an object.
func looksLikeJSON(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	return len(head) > 0 && head[0] == '{'
}
