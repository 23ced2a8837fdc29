package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/fuzz/law"
	"github.com/pfkeycap/pfkeycap/fuzz/seed"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// FuzzText: lines, trees and hex dumps show of two messages that differ in their
// secrets the same, in text that does nothing to a terminal; and a line is one line.
func FuzzText(f *testing.F) {
	set := seed.NewSet(false)
	message, _ := seed.Of("Decode")
	k := uint8(0)
	message.Each(set, func(args ...any) {
		f.Add(args[0].(uint8), k, args[1].([]byte))
		k++
	})
	f.Fuzz(func(t *testing.T, codec, options uint8, data []byte) {
		c := engine.Codec(codec)
		a, z := law.Twins(t, c, data)
		o := Options{
			Time:    TimeFormat(options & 7 % 6),
			UTC:     true,
			Verbose: int(options >> 3 & 3 % 3),
			Hex:     options&0x20 != 0,
			Color:   options&0x40 != 0,
			ID:      func(*record.Record, []byte, int) [4]byte { return [4]byte{0x1d, 0x1d, 0x1d, 0x1d} },
			// Which rule is broken may depend on secrets, see law.Secrets.
			Why: func(c layers.Codec, request, reply []byte, errno uint8) string { return "because" },
		}
		x, y := printed(o, a, c), printed(o, z, c)
		if !bytes.Equal(x, y) {
			t.Fatalf("%v, %+v: the text differs with the secrets of\n%x\n%s\n%s", c, o, data, x, y)
		}
		if o.Verbose == 0 && !o.Hex && bytes.Count(x, []byte("\n")) != 2 {
			t.Fatalf("%v: %d lines for two messages\n%s", c, bytes.Count(x, []byte("\n")), x)
		}
		plain := strings.ReplaceAll(string(x), "\n\t", "\n") // as hex dumps begin a line
		if o.Color {
			plain = withoutColor(plain)
		}
		if i := strings.IndexFunc(plain, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 }); i >= 0 {
			t.Fatalf("%v: control character %q in\n%q", c, plain[i], plain)
		}
	})
}

// printed is what a Printer makes of a message as a request and as its refusal.
func printed(o Options, data []byte, c layers.Codec) []byte {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := New(o)
	r := &record.Record{Number: 1, Time: at, Dir: record.ToKernel, Codec: c, Data: data, OrigLen: len(data), Process: "iked"}
	b := p.Append(nil, r)
	r.Number, r.Dir, r.ReplyTo, r.Time = 2, record.FromKernel, 1, at.Add(time.Millisecond)
	return p.Append(b, r)
}

// withoutColor takes out what sets colors (ECMA-48 SGR).
func withoutColor(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i])
		s = s[i+2:]
		s = s[strings.IndexByte(s, 'm')+1:]
	}
}
