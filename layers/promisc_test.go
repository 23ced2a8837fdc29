package layers_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

// wrap puts a message into an X_PROMISC header whose length is off by so many words.
func wrap(c layers.Codec, msg []byte, words int) []byte {
	return append(wire(c.Order, octets(2, layers.PROMISC, 0, 0), host16(uint16(len(msg)/8+2+words)), host16(0), host32(0), host32(0)), msg...)
}

func TestWrapper(t *testing.T) {
	bothOrders(t, func(t *testing.T, c layers.Codec) {
		inner := encode(t, c, &layers.Base{Type: layers.GET, SAType: 3, Seq: 9, PID: 412}, &layers.SA{SPI: 0x1234})
		wrong := bytes.Clone(inner)
		copy(wrong[4:], wire(c.Order, host16(5)))
		versioned := bytes.Clone(inner)
		versioned[0] = 3
		for _, tt := range []struct {
			name  string
			data  []byte
			types []gopacket.LayerType
			inner []byte
		}{
			{"a control message", wrap(c, nil, 0), []gopacket.LayerType{layers.LayerTypeMessage}, nil},
			{"a message inside", wrap(c, inner, 0), []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage, layers.LayerTypeSA}, inner},
			// NetBSD's kernel writes 16 bytes too much into the outer length.
			{"an outer length that is wrong", wrap(c, inner, 2), []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage, layers.LayerTypeSA}, inner},
			{"a wrapper inside", wrap(c, wrap(c, inner, 0), 0),
				[]gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage, layers.LayerTypeInnerMessage, layers.LayerTypeSA}, wrap(c, inner, 0)},
			{"a control message inside", wrap(c, wrap(c, nil, 0), 0), []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage}, wrap(c, nil, 0)},
			// Then the bytes are extensions like any others.
			{"extensions instead", wrap(c, inner[16:], 0), []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeSA}, nil},
			{"an inner length that is wrong", wrap(c, wrong, 0), []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeMalformed}, nil},
			// KAME kernels answer a request of another version with a copy of it.
			{"an inner version that is not 2", wrap(c, versioned, 0), []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage, layers.LayerTypeSA}, versioned},
			{"an extension that begins like such a message", wrap(c, wire(c.Order, host16(3), host16(1), host16(3), zeros(18)), 0),
				[]gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeSA}, nil},
			{"a message cut short inside", wrap(c, inner, 0)[:40], []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage, layers.LayerTypeMalformed}, inner[:24]},
			{"the same, the outer length wrong too", wrap(c, inner, 2)[:40], []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage, layers.LayerTypeMalformed}, inner[:24]},
			{"a wrapper inside, both lengths wrong", wrap(c, wrap(c, inner, 2), 2),
				[]gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeInnerMessage, layers.LayerTypeInnerMessage, layers.LayerTypeSA}, wrap(c, inner, 2)},
			{"less than a header", wrap(c, inner[:8], 0), []gopacket.LayerType{layers.LayerTypeMessage, layers.LayerTypeMalformed}, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p := roundTrip(t, c, tt.data)
				var types []gopacket.LayerType
				for _, l := range p.Layers() {
					types = append(types, l.LayerType())
				}
				if len(types) != len(tt.types) {
					t.Fatalf("layers %v, want %v", types, tt.types)
				}
				for i := range types {
					if types[i] != tt.types[i] {
						t.Fatalf("layers %v, want %v", types, tt.types)
					}
				}
				m := layers.Message{Base: layers.Base{Codec: c}}
				m.DecodeFromBytes(tt.data, nil)
				if !bytes.Equal(m.Inner, tt.inner) {
					t.Errorf("Inner is %d bytes, want %d", len(m.Inner), len(tt.inner))
				}
				agree(t, c, tt.data)
				checkWalk(t, c, tt.data)
			})
		}
		// The other byte order's length is no sane one.
		other := linuxLE
		if c == linuxLE {
			other = linuxBE
		}
		p := roundTrip(t, c, wrap(c, encode(t, other, &layers.Base{Type: layers.GET}, &layers.SA{}), 0))
		if p.Layer(layers.LayerTypeInnerMessage) != nil {
			t.Error("an inner message of another byte order was decoded")
		}
	})
}

func TestWrapperByHand(t *testing.T) {
	c := linuxBE
	outer, inner := &layers.Base{Version: 2, Type: layers.PROMISC}, &layers.Base{Version: 2, Type: layers.GET}
	inner.SetInner(true)
	got, err := serialize(c, true, outer, inner, &layers.SA{SPI: 1})
	want := wrap(c, encode(t, c, &layers.Base{Type: layers.GET}, &layers.SA{SPI: 1}), 0)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\n got %x\nwant %x", err, got, want)
	}
}

// TestNesting bounds wrappers inside each other, and loses nothing beyond.
func TestNesting(t *testing.T) {
	bothOrders(t, func(t *testing.T, c layers.Codec) {
		msg := encode(t, c, &layers.Base{Type: layers.FLUSH})
		for n := range 120 {
			p := roundTrip(t, c, msg)
			ls := p.Layers()
			deep := n > 8
			if bad := p.Layer(layers.LayerTypeMalformed); (bad != nil) != deep {
				t.Fatalf("%d wrappers: %v", n, bad)
			} else if deep && (bad.(*layers.Malformed).Reason != layers.TooDeep || len(ls) != 10) {
				t.Fatalf("%d wrappers: %d layers, %v", n, len(ls), bad)
			} else if !deep && len(ls) != n+1 {
				t.Fatalf("%d wrappers: %d layers", n, len(ls))
			}
			checkWalk(t, c, msg)
			if rest := walk(c, msg).malformed; deep && (len(rest) != 1 || rest[0].offset != 9*16) || !deep && len(rest) != 0 {
				t.Fatalf("%d wrappers: the walk gives up at %v, want byte %d", n, rest, 9*16)
			}
			msg = wrap(c, msg, 0)
		}
		wide := bytes.Repeat(wire(c.Order, octets(2, layers.PROMISC, 0, 0), host16(0), host16(0), host32(0), host32(0)), 1<<14)
		for i := 0; i < len(wide); i += 16 { // every tail of it is a whole message
			copy(wide[i+4:], wire(c.Order, host16(uint16((len(wide)-i)/8))))
		}
		roundTrip(t, c, wide)
		checkWalk(t, c, wide)
	})
}

func TestUnwrap(t *testing.T) {
	for _, c := range []layers.Codec{{Dialect: layers.OpenBSD, Order: layers.LittleEndian}, {Dialect: layers.NetBSD, Order: layers.BigEndian}} {
		inner := encode(t, c, &layers.Base{Type: layers.FLUSH, SAType: 2, Seq: 7, PID: 412})
		for _, words := range []int{0, 2} {
			if got := c.Unwrap(wrap(c, inner, words)); !bytes.Equal(got, inner) {
				t.Errorf("%v: in the wrapper is %x", c, got)
			}
		}
		for _, msg := range [][]byte{inner, inner[:8], nil, wrap(c, inner, 0)[:24]} {
			if got := c.Unwrap(msg); !bytes.Equal(got, msg) {
				t.Errorf("%v: %x became %x", c, msg, got)
			}
		}
		c.Dialect = layers.Linux
		if got := c.Unwrap(wrap(c, inner, 0)); len(got) != 32 {
			t.Errorf("Linux wrapped %x", got)
		}
	}
}
