package layers_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

// TestSessionID reads the one structure whose layout depends on the word size of
// the process that made it.
func TestSessionID(t *testing.T) {
	at8 := []part{host16(3), host16(20), zeros(4), host64(0x1111), host64(0x2222)}
	at4 := []part{host16(3), host16(20), host64(0x1111), host64(0x2222), zeros(4)}
	for _, tt := range []struct {
		name   string
		order  layers.Order
		ext    []part
		v0, v1 uint64
		pad    string // 4 octets
		ilp32  bool
		turns  bool // there is a message of the other byte order that says the same
	}{
		{"64 bits", layers.LittleEndian, at8, 0x1111, 0x2222, "\x00\x00\x00\x00", false, true},
		{"32 bits", layers.LittleEndian, at4, 0x1111, 0x2222, "\x00\x00\x00\x00", true, false},
		{"32 bits, large values", layers.LittleEndian, []part{host16(3), host16(20), host64(1<<63 + 1), host64(1<<62 + 2), zeros(4)}, 1<<63 + 1, 1<<62 + 2, "\x00\x00\x00\x00", true, false},
		{"a hole with something in it", layers.LittleEndian, []part{host16(3), host16(20), text("junk"), host64(1), host64(1 << 40)}, 1, 1 << 40, "junk", false, false},
		{"nothing", layers.LittleEndian, []part{host16(3), host16(20), zeros(20)}, 0, 0, "\x00\x00\x00\x00", false, true},
		{"big-endian, 64 bits", layers.BigEndian, at8, 0x1111, 0x2222, "\x00\x00\x00\x00", false, true},
		{"big-endian, a hole with something in it", layers.BigEndian, []part{host16(3), host16(20), text("junk"), host64(1), host64(1 << 40)}, 1, 1 << 40, "junk", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := layers.Codec{Dialect: layers.MacOS, Order: tt.order}
			msg := wire(c.Order, append([]part{octets(2, layers.GET, 0, 0), host16(5), zeros(10)}, tt.ext...)...)
			m := layers.Message{Base: layers.Base{Codec: c}}
			if err := m.DecodeFromBytes(msg, nil); err != nil {
				t.Fatal(err)
			}
			s := m.SessionID()
			if s.V0 != tt.v0 || s.V1 != tt.v1 || string(s.Pad[:]) != tt.pad {
				t.Errorf("%#x %#x %x, want %#x %#x %x", s.V0, s.V1, s.Pad, tt.v0, tt.v1, tt.pad)
			}
			roundTrip(t, c, msg)
			agree(t, c, msg)
			checkWalk(t, c, msg)
			list := sessionVisitor{}
			c.Walk(msg, &list)
			at := 8
			if tt.ilp32 {
				at = 4
			}
			if want := fmt.Sprint([]uint64{tt.v0, tt.v1}, 16+at); list.String() != want {
				t.Errorf("the walk gives %v, want %v", list.String(), want)
			}

			other := layers.Codec{Dialect: layers.MacOS, Order: layers.LittleEndian + layers.BigEndian - c.Order}
			turned, err := layers.Transcode(nil, c, other, msg)
			if !tt.turns {
				var e *layers.TranscodeError
				if !errors.As(err, &e) || e.Offset != 20 || len(turned) != 0 {
					t.Fatalf("Transcode: %x, %v", turned, err)
				}
				return
			}
			back, err2 := layers.Transcode(nil, other, c, turned)
			if err != nil || err2 != nil || !bytes.Equal(back, msg) {
				t.Errorf("Transcode there and back: %v, %v\n got %x\nwant %x", err, err2, back, msg)
			}
		})
	}
	// One made by hand is of a 64-bit process, whatever it holds.
	for _, c := range []layers.Codec{{Dialect: layers.MacOS, Order: layers.LittleEndian}, {Dialect: layers.MacOS, Order: layers.BigEndian}} {
		msg := encode(t, c, &layers.Base{Type: layers.GET}, &layers.SessionID{V0: 0x1111, V1: 0x2222})
		if want := wire(c.Order, at8...); !bytes.Equal(msg[16:], want) {
			t.Errorf("made by hand: %x, want %x", msg[16:], want)
		}
	}
}

// sessionVisitor collects the values of a session id.
type sessionVisitor struct {
	v  []uint64
	at int
}

func (s *sessionVisitor) String() string { return fmt.Sprint(s.v, s.at) }

func (s *sessionVisitor) Field(f *layers.Field, v *layers.Value) {
	if f.Name == "" {
		if s.v = append(s.v, v.Uint); len(s.v) == 1 {
			s.at = v.Offset
		}
	}
}
func (*sessionVisitor) Base(*layers.Base, int, int)                         {}
func (*sessionVisitor) Extension(*layers.Header, uint16, string, int, bool) {}
func (*sessionVisitor) Open(layers.NodeKind, string)                        {}
func (*sessionVisitor) Close(layers.NodeKind)                               {}
func (*sessionVisitor) EndExtension()                                       {}
func (*sessionVisitor) Malformed([]byte, int, layers.Reason)                {}
func (*sessionVisitor) End()                                                {}

// TestCookie64 reads the two forms of illumos' cookie, of which IKEv2's is one
// number of 64 bits.
func TestCookie64(t *testing.T) {
	for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
		c := layers.Codec{Dialect: layers.Illumos, Order: order}
		msg := wire(order, octets(2, layers.ADD, 0, 3), host16(4), zeros(10), host16(2), host16(19), host32(3), host64(0x1122334455667788))
		m := layers.Message{Base: layers.Base{Codec: c}}
		if err := m.DecodeFromBytes(msg, nil); err != nil {
			t.Fatal(err)
		}
		if got := m.KMCookie().Cookie64(); got != 0x1122334455667788 {
			t.Errorf("%v: cookie %#x", c, got)
		}
		roundTrip(t, c, msg)
		agree(t, c, msg)
		checkWalk(t, c, msg)
		other := layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian + layers.BigEndian - order}
		turned, err := layers.Transcode(nil, c, other, msg)
		if want := wire(other.Order, octets(2, layers.ADD, 0, 3), host16(4), zeros(10), host16(2), host16(19), host32(3), host64(0x1122334455667788)); err != nil || !bytes.Equal(turned, want) {
			t.Errorf("%v: turned %x, %v, want %x", c, turned, err, want)
		}
		exts := gopacket.NewPacket(msg, c, gopacket.Default).Layers()
		if got := exts[1].(*layers.KMCookie).Cookie64(); got != 0x1122334455667788 {
			t.Errorf("%v: cookie %#x of the packet", c, got)
		}
		// IKEv1 has 32 bits, and a word that is reserved.
		msg[16+4] ^= wire(order, host32(3))[0] ^ wire(order, host32(1))[0]
		msg[16+7] ^= wire(order, host32(3))[3] ^ wire(order, host32(1))[3]
		if err := m.DecodeFromBytes(msg, nil); err != nil || m.KMCookie().Proto != 1 {
			t.Fatal(err, m.KMCookie())
		}
		checkWalk(t, c, msg)
	}
}
