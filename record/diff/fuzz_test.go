package diff_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/diff"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// recording makes records of octets: of each a byte of direction, two of length, and the
// message.
func recording(system byte, b []byte) []*record.Record {
	c := layers.Codec{Dialect: layers.Dialects()[int(system&0x7f)%len(layers.Dialects())], Order: layers.LittleEndian}
	if system&0x80 != 0 {
		c.Order = layers.BigEndian
	}
	var records []*record.Record
	for len(b) >= 3 {
		n := min(int(binary.LittleEndian.Uint16(b[1:])), len(b)-3)
		records = append(records, &record.Record{Number: uint64(len(records) + 1), Dir: record.Direction(b[0] % 3), Codec: c, Data: b[3 : 3+n], OrigLen: n})
		b = b[3+n:]
	}
	return records
}

// FuzzDiff compares any two recordings. Each is equal to itself.
func FuzzDiff(f *testing.F) {
	for _, d := range layers.Dialects() {
		g := gen.New(layers.Codec{Dialect: d, Order: layers.LittleEndian}, 7, gen.Options{})
		var all []byte
		for i := range 30 {
			msg, _ := g.Next(nil)
			if len(msg) > 400 {
				continue
			}
			all = append(all, byte(1+i%2), byte(len(msg)), byte(len(msg)>>8))
			all = append(all, msg...)
		}
		for i, e := range layers.Dialects() {
			if e == d {
				f.Add(byte(i), byte(0), all, all[:len(all)/2])
			}
		}
	}
	f.Fuzz(func(t *testing.T, p, q byte, x, y []byte) {
		side := func(system byte, b []byte) *diff.Side {
			return &diff.Side{Name: "x", Source: trace.NewReader(&list{records: recording(system, b)}, trace.Options{})}
		}
		for _, compare := range []func(a, b *diff.Side, o diff.Options) (*diff.Report, error){diff.Messages, diff.States} {
			r, err := compare(side(p, x), side(p, x), diff.Options{All: true})
			if err != nil && !errors.Is(err, diff.ErrNoState) {
				t.Fatal(err)
			}
			if err == nil && (r.Differs() || r.Volatile+r.NotComparable > 0) {
				t.Fatalf("a recording is not itself:\n%s", text(t, r))
			}
			if r, err = compare(side(p, x), side(q, y), diff.Options{}); err == nil {
				text(t, r)
			} else if !errors.Is(err, diff.ErrNoState) {
				t.Fatal(err)
			}
		}
	})
}
