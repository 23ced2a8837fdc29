package render

import (
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// benchRecords are the messages of package benchtest in turn, and what prints them.
func benchRecords(verbose int) (*Printer, []record.Record) {
	mix := benchtest.Mix()
	rs := make([]record.Record, 0, 1000)
	for at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC); len(rs) < cap(rs); at = at.Add(10 * time.Microsecond) {
		m := mix[len(rs)%len(mix)]
		r := record.Record{Number: uint64(len(rs) + 1), Time: at, Dir: record.FromKernel, Codec: benchtest.Codec, Data: m, OrigLen: len(m)}
		if m[1] == layers.ADD {
			r.Dir = record.ToKernel
		}
		rs = append(rs, r)
	}
	return New(Options{Verbose: verbose, Why: func(layers.Codec, []byte, []byte, uint8) string { return "" }}), rs
}

// BenchmarkAppend prints a message.
func BenchmarkAppend(b *testing.B) {
	for name, verbose := range map[string]int{"line": 0, "tree": 1} {
		b.Run(name, func(b *testing.B) {
			p, rs := benchRecords(verbose)
			var dst []byte
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				dst = p.Append(dst[:0], &rs[n%len(rs)])
				n++
			}
		})
	}
}

// TestAppendAllocates nothing once buffers have grown.
func TestAppendAllocates(t *testing.T) {
	if benchtest.Racing {
		t.Skip("pools forget on purpose")
	}
	for name, verbose := range map[string]int{"line": 0, "tree": 1} {
		t.Run(name, func(t *testing.T) {
			p, rs := benchRecords(verbose)
			var dst []byte
			all := func() {
				for i := range rs {
					dst = p.Append(dst[:0], &rs[i])
				}
			}
			all()
			if n := testing.AllocsPerRun(5, all); n > 1 { // a collection may empty a pool
				t.Errorf("%v allocations for %d records", n, len(rs))
			}
		})
	}
}
