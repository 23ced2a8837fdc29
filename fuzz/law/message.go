package law

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
)

func packet(c layers.Codec, data []byte) gopacket.Packet {
	return gopacket.NewPacket(data, c, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: true})
}

// Decode: any bytes give layers that lie one behind the other and cover all of
// them, and everything that looks at messages takes any.
func Decode(t T, n uint8, data []byte) {
	c := engine.Codec(n)
	p := packet(c, data)
	at := 0
	for _, l := range p.Layers() {
		switch x := l.(type) {
		case *layers.Base:
			at += layers.BaseLen
		case layers.Extension:
			h := x.Head()
			if p.Layer(layers.LayerTypeInnerMessage) == nil && int(h.Offset) != at || !bytes.Equal(h.Contents, data[at:at+len(h.Contents)]) {
				t.Fatalf("%v at %d says %d", l.LayerType(), at, h.Offset)
			}
			at += len(h.Contents)
		case *layers.Malformed:
			if !bytes.Equal(x.Rest, data[at:]) {
				t.Fatalf("malformed at %d says %d", at, x.Offset)
			}
			at += len(x.Rest)
		default:
			t.Fatalf("a layer of type %T", l)
		}
		if fmt.Sprint(l) == "" || gopacket.LayerString(l) == "" {
			t.Fatalf("%T says nothing", l)
		}
	}
	if at != len(data) {
		t.Fatalf("layers cover %d of %d bytes", at, len(data))
	}

	v := visits{t: t, data: data}
	c.Walk(data, &v)
	if v.depth != 0 {
		t.Fatalf("%d parts of the message were begun and not ended", v.depth)
	}
	end := 0
	for _, s := range c.AppendSecrets(nil, data) {
		if s.Offset < end || s.Len <= 0 || s.Key > s.Len || s.Offset+s.Len > len(data) {
			t.Fatalf("secret at %d+%d (key %d) of %d bytes, after %d", s.Offset, s.Len, s.Key, len(data), end)
		}
		end = s.Offset + s.Len
	}
	for _, by := range []layers.Dialect{c.Dialect, layers.RFC2367, layers.Linux} {
		for _, d := range []check.Direction{check.Unknown, check.ToKernel, check.FromKernel} {
			for _, x := range check.Judge(by, c, data, d) {
				if x.Offset < 0 || x.Len < 0 || x.Offset+x.Len > max(len(data), layers.BaseLen) {
					t.Fatalf("problem %q at %d+%d of %d bytes", x.Code, x.Offset, x.Len, len(data))
				}
			}
		}
		v := check.Predict(by, c, data)
		if !v.Allows(v.Errno) {
			t.Fatalf("the verdict has no room for its own errno %d", v.Errno)
		}
	}
	var s sniff.Sniffer
	s.Add(data, len(data))
	_, _ = s.Decided()
}

// visits checks that what a walk gives lies inside the message.
type visits struct {
	t     T
	data  []byte
	depth int
}

func (v *visits) Base(b *layers.Base, offset, depth int) {
	v.depth++
	if offset < 0 || offset+layers.BaseLen > len(v.data) {
		v.t.Fatalf("header at %d of %d bytes", offset, len(v.data))
	}
}

func (v *visits) End() { v.depth-- }

func (v *visits) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	v.depth++
	if offset < 0 || offset+len(h.Contents) > len(v.data) {
		v.t.Fatalf("extension %q at %d+%d of %d bytes", name, offset, len(h.Contents), len(v.data))
	}
}

func (v *visits) EndExtension()                       { v.depth-- }
func (v *visits) Open(k layers.NodeKind, name string) { v.depth++ }
func (v *visits) Close(k layers.NodeKind)             { v.depth-- }

func (v *visits) Field(f *layers.Field, x *layers.Value) {
	if x.Offset < 0 || x.Size < 0 || x.Offset+x.Size > len(v.data) {
		v.t.Fatalf("field %q at %d+%d of %d bytes", f.Name, x.Offset, x.Size, len(v.data))
	}
}

func (v *visits) Malformed(rest []byte, offset int, r layers.Reason) {
	if offset < 0 || offset+len(rest) > len(v.data) || r == layers.Sound {
		v.t.Fatalf("malformed (%v) at %d+%d of %d bytes", r, offset, len(rest), len(v.data))
	}
}

// Flat: the flat path and gopacket's find the same.
func Flat(t T, n uint8, data []byte) {
	c := engine.Codec(n)
	p := packet(c, data)
	m := layers.Message{}
	m.Codec = c
	err := m.DecodeFromBytes(data, nil)
	if m.Inner != nil {
		return // the flat path leaves the inner message to another call
	}
	if (err != nil) != (p.ErrorLayer() != nil) {
		t.Fatalf("flat: %v, gopacket: %v", err, p.ErrorLayer())
	}
	var exts []layers.Extension
	for _, l := range p.Layers() {
		if x, ok := l.(layers.Extension); ok {
			exts = append(exts, x)
		}
	}
	if len(exts) != len(m.Extensions) {
		t.Fatalf("flat: %d extensions, gopacket: %d", len(m.Extensions), len(exts))
	}
	seen := map[gopacket.LayerType]bool{}
	twice := false
	for i, x := range exts {
		h := &m.Extensions[i]
		if h.LayerType() != x.LayerType() || h.Offset != x.Head().Offset || !bytes.Equal(h.Contents, x.Head().Contents) {
			t.Fatalf("extension %d: flat %v@%d, gopacket %v@%d", i, h.LayerType(), h.Offset, x.LayerType(), x.Head().Offset)
		}
		if y := m.Extension(h.LayerType()); y != nil && y.Head().Offset == h.Offset && x.String() != y.String() {
			t.Fatalf("extension %d: flat %v, gopacket %v", i, y, x)
		}
		if h.LayerType() != layers.LayerTypeUnknown {
			twice = twice || seen[h.LayerType()]
			seen[h.LayerType()] = true
		}
	}
	if twice && !m.Duplicate {
		t.Fatal("flat: an extension that is there twice is not noticed")
	}
}

// RoundTrip: layers serialize to the bytes they were decoded from.
func RoundTrip(t T, n uint8, data []byte) { roundTrip(t, engine.Codec(n), data) }

func roundTrip(t T, c layers.Codec, data []byte) {
	t.Helper()
	var ls []gopacket.SerializableLayer
	for _, l := range packet(c, data).Layers() {
		ls = append(ls, l.(gopacket.SerializableLayer))
	}
	b := gopacket.NewSerializeBuffer()
	if err := c.Serialize(b, gopacket.SerializeOptions{}, ls...); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), data) {
		t.Fatalf("%v\n%x became\n%x", c, data, b.Bytes())
	}
}

// longest is how much of an input a law looks at whose work grows with the square
// of it.
const longest = 600

// Prefix: a message cut anywhere decodes, round-trips, and never shows more
// extensions than the whole.
func Prefix(t T, n uint8, data []byte) {
	c := engine.Codec(n)
	var whole, part layers.Message
	whole.Codec, part.Codec = c, c
	_ = whole.DecodeFromBytes(data, nil)
	for i := range min(len(data), longest) {
		err := part.DecodeFromBytes(data[:i], nil)
		if i < layers.BaseLen && err == nil {
			t.Fatalf("%d bytes are a message", i)
		}
		if part.Inner == nil && whole.Inner == nil && len(part.Extensions) > len(whole.Extensions) {
			t.Fatalf("the first %d bytes have %d extensions, the whole %d", i, len(part.Extensions), len(whole.Extensions))
		}
		roundTrip(t, c, data[:i])
	}
}

// JSON: bytes to JSON with keys to bytes is the identity, and JSON without keys is
// refused rather than guessed.
func JSON(t T, n uint8, data []byte) {
	c := engine.Codec(n)
	line := pfjson.Append(nil, &pfjson.Record{Codec: c, Data: data}, pfjson.Options{ShowKeys: true})
	r, err := pfjson.Parse(line, pfjson.ParseOptions{})
	if err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	if !bytes.Equal(r.Data, data) || r.Codec != c {
		t.Fatalf("%v\n%x became\n%x\n%s", c, data, r.Data, line)
	}
	line = pfjson.Append(nil, &pfjson.Record{Codec: c, Data: data}, pfjson.Options{})
	r, err = pfjson.Parse(line, pfjson.ParseOptions{})
	switch secrets := c.AppendSecrets(nil, data); {
	case len(secrets) == 0 && (err != nil || !bytes.Equal(r.Data, data)):
		t.Fatalf("no secrets, but %v\n%s", err, line)
	case len(secrets) > 0 && !errors.Is(err, pfjson.ErrSecret):
		t.Fatalf("secrets are missing, but %v\n%s", err, line)
	}
}

// Transcode: a message in the other byte order and back is the same, and says the
// same.
func Transcode(t T, n uint8, data []byte) {
	from := engine.Codec(n)
	to := from
	to.Order = layers.LittleEndian + layers.BigEndian - from.Order
	there, err := layers.Transcode(nil, from, to, data)
	if err != nil {
		var e *layers.TranscodeError
		if !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
		return
	}
	back, err := layers.Transcode(nil, to, from, there)
	if err != nil || !bytes.Equal(back, data) {
		t.Fatalf("%v: %v\n%x became\n%x and then\n%x", from, err, data, there, back)
	}
}
