package trace_test

import (
	"io"
	"runtime"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// endless repeats messages with other processes and sequence numbers, n of them.
type endless struct {
	messages []message
	n, i     int64
	rec      record.Record
	buf      []byte
}

func (e *endless) Next() (*record.Record, error) {
	if e.i == e.n {
		return nil, io.EOF
	}
	m := e.messages[e.i%int64(len(e.messages))]
	round := e.i / int64(len(e.messages))
	e.buf = append(e.buf[:0], m.data...)
	e.buf[9], e.buf[10] = byte(round), byte(round>>8) // sadb_msg_seq
	e.buf[13] = byte(round * 7)                       // sadb_msg_pid
	e.i++
	e.rec = record.Record{Number: uint64(e.i), Codec: linux, Data: e.buf, OrigLen: len(e.buf)}
	return &e.rec, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestMemory annotates a million records.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 1_000_000
	ms := recording(3, 500, false)[1:]
	for _, tc := range []struct {
		name string
		run  func()
	}{
		{"Annotate", func() {
			before := heap()
			s := &endless{messages: ms, n: n}
			tr := trace.New(trace.Options{Promisc: record.Yes})
			for r, err := s.Next(); err == nil; r, err = s.Next() {
				tr.Annotate(r)
			}
			if grown := int64(heap()) - int64(before); grown > 1<<20 {
				t.Errorf("%d bytes more in use after %d records", grown, n)
			}
			runtime.KeepAlive(tr)
		}},
		{"Reader", func() {
			before := heap()
			r := trace.NewReader(&endless{messages: ms, n: n}, trace.Options{Promisc: record.Yes})
			for {
				if _, err := r.Next(); err != nil {
					break
				}
			}
			if grown := int64(heap()) - int64(before); grown > 1<<20 {
				t.Errorf("%d bytes more in use after %d records", grown, n)
			}
			runtime.KeepAlive(r)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run() })
	}
}

func TestAllocs(t *testing.T) {
	s := &endless{messages: recording(3, 500, false)[1:], n: 1 << 40}
	tr := trace.New(trace.Options{Promisc: record.Yes})
	annotate := func() {
		r, _ := s.Next()
		tr.Annotate(r)
	}
	for range 5000 {
		annotate()
	}
	if n := testing.AllocsPerRun(5000, annotate); n > 0 {
		t.Errorf("Annotate: %v allocations for a record", n)
	}
	r := trace.NewReader(&endless{messages: s.messages, n: 1 << 40}, trace.Options{Promisc: record.Yes})
	next := func() { r.Next() }
	for range 20000 {
		next()
	}
	if n := testing.AllocsPerRun(20000, next); n > 0 {
		t.Errorf("Reader: %v allocations for a record", n)
	}
}

func BenchmarkAnnotate(b *testing.B) {
	for _, g := range loadGolden(b) {
		if g.name != "iked-left" && g.name != "visibility-both" {
			continue
		}
		b.Run(g.name, func(b *testing.B) {
			s := &endless{messages: g.messages[1:], n: 1 << 60}
			t := trace.New(trace.Options{Promisc: record.Yes})
			b.ReportAllocs()
			for b.Loop() {
				r, _ := s.Next()
				t.Annotate(r)
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for _, g := range loadGolden(b) {
		if g.name != "iked-left" && g.name != "visibility-both" {
			continue
		}
		b.Run(g.name, func(b *testing.B) {
			r := trace.NewReader(&endless{messages: g.messages[1:], n: 1 << 60}, trace.Options{Promisc: record.Yes})
			b.ReportAllocs()
			for b.Loop() {
				r.Next()
			}
		})
	}
}

// BenchmarkLongRun is the worst case: the same ambiguous bytes again and again,
// where messages are missing and the listener may be the sender.
func BenchmarkLongRun(b *testing.B) {
	same := flush(0, 412)
	ms := []message{{data: bare(layers.DUMP, 0, 0, 0, 412)}, {data: state(layers.DUMP, 9, 412, 0)}, {data: state(layers.DUMP, 9, 412, 0)}}
	for range 8 {
		ms = append(ms, message{data: same})
	}
	p := &play{codec: linux, messages: ms, lost: -1}
	t := trace.New(trace.Options{Promisc: record.Yes})
	b.ReportAllocs()
	for b.Loop() {
		r, err := p.Next()
		if err != nil {
			p.i = 0
			continue
		}
		t.Annotate(r)
	}
}
