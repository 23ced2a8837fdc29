package trace_test

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// FuzzAnnotate cuts bytes into messages: nothing panics, no record is lost, a
// direction that was given stays, and links point backwards to what they should.
func FuzzAnnotate(f *testing.F) {
	for seed := range uint64(6) {
		var b []byte
		for _, m := range recording(seed, 6, seed%2 == 0) {
			b = append(b, byte(len(m.data)), byte(m.dir))
			b = append(b, m.data...)
		}
		f.Add(b, uint8(layers.Linux), uint8(0), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, b []byte, dialect, promisc uint8, lossless bool) {
		p := &play{codec: layers.Codec{Dialect: layers.Dialect(dialect % 9), Order: layers.LittleEndian}, lost: -1}
		for len(b) >= 2 && len(p.messages) < 500 {
			n, flags := int(b[0]), b[1]
			b = b[2:]
			n = min(n, len(b))
			p.messages = append(p.messages, message{data: b[:n], own: flags&8 != 0, gap: flags&16 != 0})
			p.dirs = append(p.dirs, record.Direction(flags>>6%3))
			b = b[n:]
		}
		o := trace.Options{Promisc: record.Answer(promisc % 3), Lossless: lossless}
		again := *p
		check := func(got []found) {
			for i, f := range got {
				n := uint64(i + 1)
				if d := p.dirs[i]; d != record.Unknown && f.dir != d {
					t.Fatalf("record %d came as %v and is %v now", n, d, f.dir)
				}
				switch f.role {
				case trace.Request:
					if f.dir != record.ToKernel || f.twinOf+f.replyTo != 0 {
						t.Fatalf("record %d: %+v", n, f)
					}
				case trace.Reply:
					if f.dir != record.FromKernel || f.twinOf != 0 || f.replyTo == 0 || f.replyTo >= n || got[f.replyTo-1].role != trace.Request {
						t.Fatalf("record %d: %+v", n, f)
					}
				case trace.Twin:
					if f.replyTo != 0 || f.twinOf == 0 || f.twinOf >= n || got[f.twinOf-1].role == trace.Twin || got[f.twinOf-1].dir != f.dir {
						t.Fatalf("record %d: %+v of %+v", n, f, got[f.twinOf-1])
					}
				default:
					if f.twinOf+f.replyTo != 0 {
						t.Fatalf("record %d: %+v", n, f)
					}
				}
			}
		}
		check(live(p, o))
		check(read(t, &again, o))
	})
}
