package trace_test

import (
	"io"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// play is a record.Source for messages. Like a record.Reader's, its records are
// valid until the next call only.
type play struct {
	codec    layers.Codec
	messages []message
	lost     int                // index of a message that is left out, or -1
	dirs     []record.Direction // directions that the records come with, or nil
	i        int
	rec      record.Record
	buf      []byte
}

func (p *play) Next() (*record.Record, error) {
	if p.i == p.lost {
		p.i++
	}
	if p.i >= len(p.messages) {
		return nil, io.EOF
	}
	m := p.messages[p.i]
	clear(p.buf[:cap(p.buf)])
	p.buf = append(p.buf[:0], m.data...)
	p.i++
	p.rec = record.Record{Number: uint64(p.i), Codec: p.codec, Data: p.buf, OrigLen: len(p.buf)}
	if m.own {
		p.rec.Dir = record.ToKernel
	}
	if p.dirs != nil {
		p.rec.Dir = p.dirs[p.i-1]
	}
	if m.gap {
		p.rec.Dropped = 1
	}
	return &p.rec, nil
}

var linux = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}

// found is what was found out about a message.
type found struct {
	dir             record.Direction
	role            trace.Role
	twinOf, replyTo uint64
}

// read annotates with a Reader, by number.
func read(t testing.TB, p *play, o trace.Options) []found {
	t.Helper()
	out := make([]found, len(p.messages))
	r := trace.NewReader(p, o)
	for n := 0; ; n++ {
		rec, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out[rec.Number-1] = found{rec.Dir, r.Role(), rec.TwinOf, rec.ReplyTo}
		if m := p.messages[rec.Number-1]; string(rec.Data) != string(m.data) {
			t.Fatalf("record %d has other bytes than it came with", rec.Number)
		}
	}
}

// live annotates without looking ahead.
func live(p *play, o trace.Options) []found {
	out := make([]found, len(p.messages))
	t := trace.New(o)
	for {
		rec, err := p.Next()
		if err != nil {
			return out
		}
		role := t.Annotate(rec)
		out[rec.Number-1] = found{rec.Dir, role, rec.TwinOf, rec.ReplyTo}
	}
}

// judge compares directions with the truth.
func judge(t testing.TB, name string, ms []message, lost int, got []found) (decided, all int) {
	t.Helper()
	for i, m := range ms {
		if i == lost || m.own {
			continue
		}
		all++
		if got[i].dir == record.Unknown {
			continue
		}
		decided++
		if got[i].dir != m.dir {
			t.Errorf("%s, lost %d: message %d (type %d, seq %d, %d bytes) is %v, found %v", name, lost+1, i+1,
				m.data[1], m.data[8], len(m.data), m.dir, got[i].dir)
		}
	}
	return decided, all
}

// judgeRoles compares roles with the truth, where both are known.
func judgeRoles(t testing.TB, name string, ms []message, got []found) {
	t.Helper()
	for i, m := range ms {
		if got[i].role == trace.Unknown || m.role == trace.Unknown {
			continue
		}
		want := found{dir: m.dir, role: m.role}
		switch m.role {
		case trace.Reply:
			want.replyTo = uint64(m.about + 1)
		case trace.Twin:
			want.twinOf = uint64(m.about + 1)
		}
		if got[i] != want {
			t.Errorf("%s: message %d (type %d): found %+v, want %+v", name, i+1, m.data[1], got[i], want)
		}
	}
}
