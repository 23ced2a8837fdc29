package layers_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

// agree checks that the three ways of decoding say the same about data:
// gopacket.NewPacket, Codec.Extensions and Message.
func agree(tb testing.TB, c layers.Codec, data []byte) {
	tb.Helper()
	_, ls := packetLayers(tb, c, data)
	var outer, inner *layers.Base
	var exts []layers.Extension
	var bad *layers.Malformed
	for i, l := range ls {
		switch l := l.(type) {
		case *layers.Base:
			switch {
			case i == 0:
				outer = l
			case inner == nil:
				inner = l
			}
		case layers.Extension:
			exts = append(exts, l)
		case *layers.Malformed:
			bad = l
		default:
			tb.Fatalf("layer %T", l)
		}
	}

	m := layers.Message{Base: layers.Base{Codec: c}}
	err := m.DecodeFromBytes(data, nil)
	if (err != nil) != (m.RestReason != layers.Sound) {
		tb.Fatalf("error %v, reason %v", err, m.RestReason)
	}
	if outer == nil {
		if bad == nil || bad.Reason != layers.ShortHeader || m.RestReason != layers.ShortHeader || !bytes.Equal(m.Rest, data) {
			tb.Fatalf("short message: layer %v, flat %v", bad, err)
		}
		return
	}
	if diff := diffFields(&m.Base, outer); diff != "" {
		tb.Fatalf("flat header: %s", diff)
	}
	base, list, rest := c.Extensions(data)
	if diff := diffFields(base, outer); diff != "" {
		tb.Fatalf("Extensions' header: %s", diff)
	}
	if inner != nil {
		if !bytes.Equal(m.Inner, outer.Payload) || len(m.Extensions) != 0 || len(list) != 0 || rest != nil {
			tb.Fatalf("wrapper: Inner %d bytes, want %d", len(m.Inner), len(outer.Payload))
		}
		if inner.LayerType() != layers.LayerTypeInnerMessage {
			tb.Fatalf("inner message has layer type %v", inner.LayerType())
		}
		agree(tb, c, m.Inner)
		return
	}
	if m.Inner != nil {
		tb.Fatal("flat message has an inner one")
	}

	if len(list) != len(exts) || len(m.Extensions) != len(exts) {
		tb.Fatalf("extensions: packet %d, list %d, flat %d", len(exts), len(list), len(m.Extensions))
	}
	first := map[gopacket.LayerType]bool{}
	duplicate := false
	for i, x := range exts {
		if list[i].LayerType() != x.LayerType() {
			tb.Fatalf("extension %d: %v and %v", i, list[i].LayerType(), x.LayerType())
		}
		if diff := diffFields(list[i], x); diff != "" {
			tb.Fatalf("extension %d (%v): %s", i, x.LayerType(), diff)
		}
		h, flat := x.Head(), &m.Extensions[i]
		if h.Offset != flat.Offset || h.Len != flat.Len || !bytes.Equal(h.Contents, flat.Contents) ||
			flat.LayerType() != x.LayerType() || flat.Number() != x.Number() || flat.Name() != x.Name() || flat.Codec() != c {
			tb.Fatalf("extension %d (%v): headers differ", i, x.LayerType())
		}
		if x.LayerType() == layers.LayerTypeUnknown {
			continue
		}
		if first[x.LayerType()] {
			duplicate = true
			continue
		}
		first[x.LayerType()] = true
		slot := m.Extension(x.LayerType())
		if slot == nil || !m.Has(x.LayerType()) {
			tb.Fatalf("flat message has no %v", x.LayerType())
		}
		if diff := diffFields(slot, x); diff != "" {
			tb.Fatalf("flat %v: %s", x.LayerType(), diff)
		}
		if slot.Head().Offset != h.Offset {
			tb.Fatalf("flat %v is the one at %d, want %d", x.LayerType(), slot.Head().Offset, h.Offset)
		}
	}
	if m.Duplicate != duplicate {
		tb.Fatalf("Duplicate = %v, want %v", m.Duplicate, duplicate)
	}
	switch {
	case bad == nil && (rest != nil || m.Rest != nil || err != nil):
		tb.Fatalf("packet is sound, list has %v, flat %v", rest, err)
	case bad != nil && (rest == nil || *bad.Error().(*layers.DecodeError) != *err.(*layers.DecodeError) ||
		bad.Offset != rest.Offset || !bytes.Equal(bad.Rest, m.Rest) || !bytes.Equal(rest.Rest, m.Rest)):
		tb.Fatalf("packet has %v, list %v, flat %v", bad, rest, err)
	}
}

// TestRecords decodes what real kernels wrote and read in every way, and encodes
// it again.
func TestRecords(t *testing.T) {
	types := map[string]bool{}
	for _, r := range linuxRecords(t) {
		t.Run(r.name, func(t *testing.T) {
			p := roundTrip(t, r.codec, r.data)
			agree(t, r.codec, r.data)
			checkWalk(t, r.codec, r.data)
			for _, l := range p.Layers() {
				types[fmt.Sprint(r.codec.Order, " ", l.LayerType())] = true
				if b, ok := l.(*layers.Base); ok {
					types[fmt.Sprint(r.codec.Order, " type ", b.Type)] = true
				}
			}
		})
	}
	// The file must go on covering what it was chosen for.
	for n := range uint16(25) {
		if !types[fmt.Sprint("little type ", n)] {
			t.Errorf("testdata/linux.txt has no message of type %d", n)
		}
	}
	for _, n := range layers.Linux.ExtNumbers() {
		if !types[fmt.Sprint("little ", layers.Linux.ExtType(n))] {
			t.Errorf("testdata/linux.txt has no extension %s", layers.Linux.ExtName(n))
		}
	}
	for _, n := range []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 18, 19} {
		if !types[fmt.Sprint("big ", layers.Linux.ExtType(n))] {
			t.Errorf("testdata/linux.txt has no big-endian extension %s", layers.Linux.ExtName(n))
		}
	}
}

// TestPrefixes cuts messages at every byte. A cut between extensions leaves a
// shorter sound message; any other one leaves a rest and an error layer.
func TestPrefixes(t *testing.T) {
	for _, r := range linuxRecords(t) {
		t.Run(r.name, func(t *testing.T) {
			sound := soundEnds(r.codec, r.data)
			for n := range len(r.data) {
				cut := r.data[:n:n]
				p := roundTrip(t, r.codec, cut)
				agree(t, r.codec, cut)
				checkWalk(t, r.codec, cut)
				if n >= 16 && r.data[1] == layers.PROMISC {
					continue // what follows may be a message or extensions, and a cut makes one the other
				}
				e := p.ErrorLayer()
				if (e == nil) != sound[n] {
					t.Fatalf("cut to %d bytes: error layer %v, want a sound message: %v", n, e, sound[n])
				}
				if e != nil && e.Error() == nil {
					t.Fatalf("cut to %d bytes: the error layer has no error", n)
				}
				if n >= 16 {
					base := p.Layer(layers.LayerTypeMessage).(*layers.Base)
					if want := int(base.Len)*8 > n; p.Metadata().Truncated != want {
						t.Fatalf("cut to %d bytes: Truncated = %v, sadb_msg_len %d", n, !want, base.Len)
					}
				}
			}
		})
	}
}

// soundEnds are the lengths to which a message can be cut and still be divided
// into extensions.
func soundEnds(c layers.Codec, data []byte) map[int]bool {
	order := binary.ByteOrder(binary.LittleEndian)
	if c.Order == layers.BigEndian {
		order = binary.BigEndian
	}
	ends := map[int]bool{}
	for off := 16; off <= len(data); {
		ends[off] = true
		if len(data)-off < 8 {
			break
		}
		n := int(order.Uint16(data[off:])) * 8
		if typ := order.Uint16(data[off+2:]); n == 0 || off+n > len(data) {
			break
		} else if (typ == 8 || typ == 9) && (int(order.Uint16(data[off+4:]))+7)/8 > n-8 {
			ends[off+n] = true // the key overruns, so only the end may follow
			break
		}
		off += n
	}
	return ends
}

// mutate changes a message in one of the ways that break decoders.
func mutate(r *rand.Rand, c layers.Codec, data []byte) []byte {
	b := bytes.Clone(data)
	put16 := func(off int, v uint16) {
		copy(b[off:], wire(c.Order, host16(v)))
	}
	for range 1 + r.IntN(4) {
		switch k := r.IntN(7); {
		case k == 0 && len(b) > 0: // a byte
			b[r.IntN(len(b))] = byte(r.Uint32())
		case k == 1 && len(b) >= 20: // a length or number where an extension may begin
			put16(16+r.IntN((len(b)-16)/4)*4, []uint16{0, 1, 2, 3, 4, 0x7fff, 0xffff}[r.IntN(7)])
		case k == 2 && len(b) > 0: // cut
			b = b[:r.IntN(len(b))]
		case k == 3 && len(b) >= 24: // repeat or drop words
			at, end := 16+r.IntN((len(b)-16)/8)*8, len(b)&^7
			if r.IntN(2) == 0 {
				b = append(b[:end:end], b[at:]...)
			} else {
				b = append(b[:at:at], b[min(at+8, len(b)):]...)
			}
		case k == 4 && len(b) >= 8: // another type, SA type, length
			b[1], b[3] = byte(r.IntN(30)), byte(r.IntN(10))
			put16(4, uint16(r.IntN(64)))
		case k == 5: // trailing bytes
			for range r.IntN(9) {
				b = append(b, byte(r.Uint32()))
			}
		case k == 6 && len(b) >= 16: // into a wrapper
			b = append(wire(c.Order, octets(2, layers.PROMISC, 0, 0), host16(uint16(len(b)/8+2)), host16(0), host32(0), host32(0)), b...)
		}
	}
	return b
}

// TestMutations changes real messages and holds every law: nothing panics,
// nothing is lost, the ways of decoding agree, the walk stays inside.
func TestMutations(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	codecs := allCodecs()
	for i, rec := range linuxRecords(t) {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		for n := range rounds {
			c := rec.codec
			if n%3 == 2 { // as if it came from somewhere else
				c = codecs[r.IntN(len(codecs))]
			}
			data := mutate(r, rec.codec, rec.data)
			func() {
				defer func() {
					if e := recover(); e != nil {
						t.Fatalf("%s, %v: panic %v\n%x", rec.name, c, e, data)
					}
				}()
				roundTrip(t, c, data)
				agree(t, c, data)
				checkWalk(t, c, data)
			}()
		}
	}
}

// randomMessage is a header and extensions of random numbers, lengths and bytes.
func randomMessage(r *rand.Rand, c layers.Codec) []byte {
	b := wire(c.Order, octets(2, byte(r.IntN(28)), byte(r.IntN(100)), byte(r.IntN(10))), host16(uint16(r.IntN(40))), host16(0), host32(r.Uint32()), host32(r.Uint32()))
	for range r.IntN(8) {
		words := r.IntN(14)
		ext := make([]byte, max(8, words*8))
		for i := range ext {
			switch r.IntN(3) {
			case 0:
				ext[i] = byte(r.Uint32())
			case 1:
				ext[i] = byte(r.IntN(4))
			}
		}
		copy(ext, wire(c.Order, host16(uint16(words)), host16(uint16(r.IntN(46)))))
		if r.IntN(2) == 0 { // a family of some system where an address has one
			ext[min(8, len(ext)-1)] = []byte{2, 10, 16, 28}[r.IntN(4)]
			if len(ext) > 9 {
				ext[9] = []byte{0, 2, 10, 24, 26, 28, 30}[r.IntN(7)]
			}
		}
		b = append(b, ext...)
	}
	for range r.IntN(3) {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// TestRandom decodes random messages of every dialect, and random bytes.
func TestRandom(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	for _, c := range allCodecs() {
		t.Run(c.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, uint64(c.Dialect)))
			for range rounds {
				data := randomMessage(r, c)
				if r.IntN(4) == 0 {
					data = make([]byte, r.IntN(200))
					for i := range data {
						data[i] = byte(r.Uint32())
					}
				}
				roundTrip(t, c, data)
				agree(t, c, data)
				checkWalk(t, c, data)
			}
		})
	}
}

// TestReuse holds a Message that is used again to showing nothing of the message
// before.
func TestReuse(t *testing.T) {
	m := layers.Message{Base: layers.Base{Codec: linuxLE}}
	for _, r := range linuxRecords(t) {
		m.Codec = r.codec
		m.DecodeFromBytes(r.data, nil)
		fresh := layers.Message{Base: layers.Base{Codec: r.codec}}
		fresh.DecodeFromBytes(r.data, nil)
		if m.Duplicate != fresh.Duplicate || m.RestReason != fresh.RestReason || (m.Rest == nil) != (fresh.Rest == nil) ||
			(m.Inner == nil) != (fresh.Inner == nil) || len(m.Extensions) != len(fresh.Extensions) {
			t.Fatalf("%s: reused %v, fresh %v", r.name, &m, &fresh)
		}
		for _, n := range layers.Linux.ExtNumbers() {
			typ := layers.Linux.ExtType(n)
			old, want := m.Extension(typ), fresh.Extension(typ)
			if (old == nil) != (want == nil) || m.Has(typ) != (old != nil) {
				t.Fatalf("%s: %v: reused %v, fresh %v", r.name, typ, old, want)
			}
			if old != nil {
				if diff := diffFields(old, want); diff != "" {
					t.Fatalf("%s: %v: %s", r.name, typ, diff)
				}
			}
		}
	}
}
