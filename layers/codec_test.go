package layers_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
)

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		order        layers.Order
		long, abbrev string
		parsesItself bool
	}{
		{layers.LittleEndian, "little", "le", true},
		{layers.BigEndian, "big", "be", true},
		{layers.NoOrder, "unknown", "", false},
	} {
		if tt.order.String() != tt.long || tt.order.Abbrev() != tt.abbrev {
			t.Errorf("%d: %s, %s", tt.order, tt.order, tt.order.Abbrev())
		}
		for _, s := range []string{tt.long, tt.abbrev} {
			if got, err := layers.ParseOrder(s); (err == nil) != tt.parsesItself || err == nil && got != tt.order {
				t.Errorf("ParseOrder(%q) = %v, %v", s, got, err)
			}
		}
	}
	if got := layers.NativeEndian == layers.BigEndian; got != (binary.NativeEndian.Uint16([]byte{0, 1}) == 1) {
		t.Errorf("NativeEndian = %v", layers.NativeEndian)
	}
	if linuxBE.String() != "linux/be" || linuxBE.IsZero() || !(layers.Codec{}).IsZero() {
		t.Errorf("codec %v", linuxBE)
	}
}

func TestOrderOf(t *testing.T) {
	header := func(a, b byte) []byte { return []byte{2, 3, 0, 3, a, b, 0, 0} }
	for _, tt := range []struct {
		name   string
		msg    []byte
		length int
		want   layers.Order
	}{
		{"little", header(2, 0), 16, layers.LittleEndian},
		{"big", header(0, 2), 16, layers.BigEndian},
		{"neither", header(3, 0), 16, layers.NoOrder},
		{"both", header(1, 1), 257 * 8, layers.NoOrder},
		{"cut short", header(40, 0), 320, layers.LittleEndian},
		{"too short to say", header(2, 0)[:5], 16, layers.NoOrder},
		{"nothing", nil, 0, layers.NoOrder},
	} {
		if got := layers.OrderOf(tt.msg, tt.length); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	for _, r := range linuxRecords(t) {
		if got := layers.OrderOf(r.data, len(r.data)); got != r.codec.Order && !strings.Contains(r.name, "malformed") {
			t.Errorf("%s: %v, want %v", r.name, got, r.codec.Order)
		}
	}
}

// TestSockaddrs holds the sockaddrs of every dialect, from the headers of each.
func TestSockaddrs(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	six := octets(db8one[:]...)
	in6 := func(head part) []part { return []part{head, net16(500), net32(0xabcde), six, host32(3)} }
	for _, d := range layers.Dialects() {
		var head4, head6 part
		tail := zeros(0)
		switch d {
		case layers.RFC2367, layers.Linux:
			head4, head6 = host16(2), host16(10)
		case layers.Illumos:
			head4, head6, tail = host16(2), host16(26), host32(9)
		case layers.FreeBSD, layers.DragonFly:
			head4, head6 = octets(16, 2), octets(28, 28)
		case layers.NetBSD, layers.OpenBSD:
			head4, head6 = octets(16, 2), octets(28, 24)
		case layers.MacOS:
			head4, head6 = octets(16, 2), octets(28, 30)
		}
		for _, o := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			c := layers.Codec{Dialect: d, Order: o}
			t.Run(c.String(), func(t *testing.T) {
				four := wire(o, head4, net16(500), octets(192, 0, 2, 1), octets(1, 2, 3, 4, 5, 6, 7, 8))
				s, ok := c.ParseSockaddr(append(four, 0xff))
				if !ok || s.Addr != v4 || s.Port != 500 || s.Size != 16 || s.Zero != [8]byte{1, 2, 3, 4, 5, 6, 7, 8} || d.FamilyName(s.Family) != "inet" {
					t.Errorf("IPv4: %+v, %v", s, ok)
				}
				if got := c.AppendSockaddr([]byte{0xee}, s); !bytes.Equal(got, append([]byte{0xee}, four...)) {
					t.Errorf("IPv4 appended: %x, want %x", got, four)
				}
				whole := wire(o, append(in6(head6), tail)...)
				s, ok = c.ParseSockaddr(whole)
				if !ok || s.Addr != v6 || s.Port != 500 || s.FlowInfo != 0xabcde || s.ScopeID != 3 || s.Size != len(whole) || d.FamilyName(s.Family) != "inet6" {
					t.Errorf("IPv6: %+v, %v", s, ok)
				}
				if got := c.AppendSockaddr(nil, s); !bytes.Equal(got, whole) {
					t.Errorf("IPv6 appended: %x, want %x", got, whole)
				}
				for n := range whole {
					if s, ok := c.ParseSockaddr(whole[:n]); ok || s.Addr.IsValid() || s.Size != 0 {
						t.Errorf("IPv6 cut to %d bytes: %+v", n, s)
					}
				}
				for n := range four {
					if s, ok := c.ParseSockaddr(four[:n]); ok || s.Addr.IsValid() {
						t.Errorf("IPv4 cut to %d bytes: %+v", n, s)
					}
				}
				if s, ok := c.ParseSockaddr(bytes.Repeat([]byte{0x77}, 64)); ok || s.Family == 0 {
					t.Errorf("of an unknown family: %+v", s)
				}
				if a, z, ok := c.ParsePair(append(bytes.Clone(four), whole...)); !ok || a.Addr != v4 || z.Addr != v6 {
					t.Errorf("pair: %+v, %+v, %v", a, z, ok)
				}
				if _, _, ok := c.ParsePair(four); ok {
					t.Error("a pair of one")
				}
				mixed := c.AppendPair([]byte{1}, netip.AddrPortFrom(v4, 0), netip.AddrPortFrom(v6, 0))
				if want := 1 + (16+len(whole)+7)&^7; len(mixed) != want {
					t.Errorf("a pair of both families has %d bytes, want %d", len(mixed)-1, want-1)
				}
				pair := c.AppendPair([]byte{1}, netip.AddrPortFrom(v6, 1), netip.AddrPortFrom(v6, 2))
				if want := 1 + (2*len(whole)+7)&^7; len(pair) != want {
					t.Errorf("a pair has %d bytes, want %d", len(pair)-1, want-1)
				}
			})
		}
	}
}

// TestMappedAddress keeps an IPv4 address in IPv6 form what it is on the wire.
func TestMappedAddress(t *testing.T) {
	a := netip.MustParseAddr("::ffff:10.0.0.1")
	s, ok := linuxLE.ParseSockaddr(linuxLE.AppendSockaddr(nil, layers.Sockaddr{Addr: a}))
	if !ok || s.Addr != a || s.Family != 10 {
		t.Errorf("%+v, %v", s, ok)
	}
}

// TestParser decodes with gopacket's DecodingLayerParser.
func TestParser(t *testing.T) {
	m := layers.Message{Base: layers.Base{Codec: linuxLE}}
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeMessage, &m)
	var types []gopacket.LayerType
	data := benchtest.Mix()[0]
	if err := parser.DecodeLayers(data, &types); err != nil || len(types) != 1 || types[0] != layers.LayerTypeMessage {
		t.Fatalf("%v, %v", types, err)
	}
	if m.SA() == nil || m.SA().SPI != 0x1234 || parser.Truncated {
		t.Errorf("%v, truncated %v", m.SA(), parser.Truncated)
	}
	// A cut message gives an error and what could be decoded.
	err := parser.DecodeLayers(data[:len(data)-4], &types)
	var d *layers.DecodeError
	if err == nil || !parser.Truncated || m.SA() == nil || m.SA2() != nil {
		t.Errorf("cut: %v, truncated %v", err, parser.Truncated)
	} else if e, ok := err.(*layers.DecodeError); !ok || e.Offset != 200 || e.Len != 12 || e.Reason != layers.Overrun {
		t.Errorf("cut: %v (%T)", err, d)
	}
	if err := parser.DecodeLayers(data[:15], &types); err == nil || !parser.Truncated || m.SA() != nil {
		t.Errorf("cut to 15 bytes: %v", err)
	}
	if m.LayerType() != layers.LayerTypeMessage || m.LayerPayload() != nil || m.CanDecode() != layers.LayerTypeMessage {
		t.Error("a Message is not the layer it should be")
	}
}

// TestDecodeOptions decodes with gopacket's ways of decoding.
func TestDecodeOptions(t *testing.T) {
	data := benchtest.Mix()[0]
	for _, o := range []gopacket.DecodeOptions{gopacket.Default, gopacket.Lazy, gopacket.NoCopy, gopacket.DecodeStreamsAsDatagrams} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			p := gopacket.NewPacket(data, linuxLE, o)
			a, ok := p.Layer(layers.LayerTypeAddressDst).(*layers.Address)
			if !ok || a.Addr().String() != "10.0.0.2" || len(p.Layers()) != 9 || p.ErrorLayer() != nil {
				t.Errorf("%v", p)
			}
			if aliases := &a.Contents[0] == &data[a.Offset]; aliases != o.NoCopy {
				t.Errorf("the layers alias the input: %v", aliases)
			}
		})
	}
}

// TestMalformedLayer says what the last layer of a broken message is.
func TestMalformedLayer(t *testing.T) {
	sa := []part{host16(2), host16(1), net32(1), zeros(8)}
	for _, tt := range []struct {
		name   string
		data   []part
		reason layers.Reason
		code   string
		offset int
	}{
		{"no header", []part{octets(2, 3, 0)}, layers.ShortHeader, "short-header", 0},
		{"bytes that are less than a header", cat(header(3, 3, 0), sa, octets(1, 2, 3)), layers.TrailingBytes, "trailing-bytes", 32},
		{"a length of zero", cat(header(3, 3, 0), host16(0), host16(1), zeros(12)), layers.ZeroLength, "extension-length-zero", 16},
		{"a length beyond the end", cat(header(3, 3, 0), sa, host16(2), host16(1), zeros(8)), layers.Overrun, "extension-overrun", 32},
		{"a key that overruns", cat(header(3, 3, 0), host16(2), host16(8), host16(65), host16(0), zeros(8), sa), layers.KeyOverrun, "key-overrun", 32},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bothOrders(t, func(t *testing.T, c layers.Codec) {
				data := wire(c.Order, tt.data...)
				p := roundTrip(t, c, data)
				m, ok := p.ErrorLayer().(*layers.Malformed)
				if !ok || m != p.Layers()[len(p.Layers())-1] {
					t.Fatalf("error layer %v", p.ErrorLayer())
				}
				if m.Reason != tt.reason || m.Offset != tt.offset || !bytes.Equal(m.Rest, data[tt.offset:]) || !bytes.Equal(m.LayerPayload(), data[tt.offset:]) {
					t.Errorf("%v", m)
				}
				if m.LayerType() != layers.LayerTypeMalformed || len(m.LayerContents()) != 0 || m.Reason.Code() != tt.code {
					t.Errorf("%v, code %s", m.LayerType(), m.Reason.Code())
				}
				want := layers.DecodeError{Reason: tt.reason, Offset: tt.offset, Len: len(data) - tt.offset}
				if e, ok := m.Error().(*layers.DecodeError); !ok || *e != want {
					t.Errorf("error %v", m.Error())
				}
				t.Logf("OK error: %v", m.Error())
			})
		})
	}
}
