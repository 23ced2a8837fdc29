package sniff_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
)

// Messages of 2 words have nothing but a header.
const (
	flushLE = "02090003 02000000 01000000 9c010000"
	flushBE = "02090003 00020000 00000001 0000019c"
)

// TestEqualEvidence gives messages that many systems write.
func TestEqualEvidence(t *testing.T) {
	all := []layers.Dialect{layers.Linux, layers.FreeBSD, layers.NetBSD, layers.OpenBSD, layers.MacOS, layers.Illumos, layers.DragonFly}
	without := func(out ...layers.Dialect) (list []layers.Dialect) {
		for _, d := range all {
			if !slices.Contains(out, d) {
				list = append(list, d)
			}
		}
		return list
	}
	for _, tt := range []struct {
		name, msg string
		order     layers.Order
		want      []layers.Dialect
	}{
		{"FLUSH, little-endian", flushLE, layers.LittleEndian, all},
		{"FLUSH, big-endian", flushBE, layers.BigEndian, all},
		{"X_PROMISC", "020b0001 02000000 01000000 07000000", layers.LittleEndian, all},
		{"SPDFLUSH", "02130000 02000000 01000000 07000000", layers.LittleEndian, without(layers.OpenBSD, layers.Illumos)},
		{"GET of IPCOMP", "02050009 02000000 01000000 07000000", layers.LittleEndian, without(layers.Illumos)},
		{"SA type 1", "02050001 00020000 00000001 00000007", layers.BigEndian, []layers.Dialect{layers.OpenBSD}},
		{"an errno of Linux and illumos", "02055f03 02000000 01000000 07000000", layers.LittleEndian, []layers.Dialect{layers.Linux}},
		{"an IPv4 address, a length before the family", "02050003 05000000 01000000 07000000" +
			"03000500 ff200000 10020000 0a000001 0000000000000000", layers.LittleEndian, []layers.Dialect{layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly}},
		{"no length", "02050003 05000000 01000000 07000000" +
			"03000500 00200000 02000000 0a000001 0000000000000000", layers.LittleEndian, []layers.Dialect{layers.Linux, layers.Illumos}},
		{"family 28", "02050003 00070000 00000001 00000007" +
			"00050005 ff800000 1c1c0000 00000000 20010db8000000000000000000000001 00000000 00000000", layers.BigEndian, []layers.Dialect{layers.FreeBSD, layers.DragonFly}},
		{"family 24", "02050003 07000000 01000000 07000000" +
			"05000500 ff800000 1c180000 00000000 20010db8000000000000000000000001 00000000 00000000", layers.LittleEndian, []layers.Dialect{layers.NetBSD}},
		{"family 30", "02050003 07000000 01000000 07000000" +
			"05000500 ff800000 1c1e0000 00000000 20010db8000000000000000000000001 00000000 00000000", layers.LittleEndian, []layers.Dialect{layers.MacOS}},
		{"family 10", "02050003 00070000 00000001 00000007" +
			"00050005 ff800000 000a0000 00000000 20010db8000000000000000000000001 00000000 00000000", layers.BigEndian, []layers.Dialect{layers.Linux}},
		{"family 26, with a source id", "02050003 00070000 00000001 00000007" +
			"00050005 ff800000 001a0000 00000000 20010db8000000000000000000000001 00000000 00000009", layers.BigEndian, []layers.Dialect{layers.Illumos}},
		{"a wrapper", "020b0000 04000000 00000000 00000000" + flushLE, layers.LittleEndian, []layers.Dialect{layers.FreeBSD, layers.OpenBSD}},
		{"a wrapper that says too much", "020b0000 06000000 00000000 00000000" + flushLE, layers.LittleEndian, []layers.Dialect{layers.NetBSD, layers.MacOS, layers.DragonFly}},
		{"a wrapper with who sent the request", "020b0000 00040000 0000019c 00000000" + flushBE, layers.BigEndian, []layers.Dialect{layers.OpenBSD}},
		{"a diagnostic", "02031602 00020029 00000009 0000019c", layers.BigEndian, []layers.Dialect{layers.Illumos}},
		{"a long SA", "02050003 05000000 01000000 07000000" +
			"03000100 00001234 20010203 00000000 9411 1400 0000 9411", layers.LittleEndian, []layers.Dialect{layers.MacOS}},
		{"ESP by the number of OpenBSD", "02050002 07000000 01000000 07000000" +
			"02000100 00001234 2001030c 00000000" + "03000900 80000000 0102030405060708090a0b0c0d0e0f10", layers.LittleEndian, []layers.Dialect{layers.OpenBSD}},
		{"a policy of Linux", "020e0000 06000000 01000000 07000000" +
			"04001200 02000200 08000000 00000000" + "10003200 01020000 00000000 00000000", layers.LittleEndian, []layers.Dialect{layers.Linux}},
		{"a policy of the KAME family, for all interfaces", "020e0000 05000000 01000000 07000000" +
			"03001200 02000201 08000000 00000000" + "08003200 01020000", layers.LittleEndian, []layers.Dialect{layers.FreeBSD}},
		{"IV lengths in bits", "02070003 06000000 01000000 07000000" +
			"02000f00 00000000 0340c000 c0000000" + "02000e00 00000000 0300a000 a0000000", layers.LittleEndian, []layers.Dialect{layers.Illumos}},
		{"old algorithm numbers", "02070003 04000000 01000000 07000000" +
			"02000e00 00000000 0200a000 a0000000", layers.LittleEndian, []layers.Dialect{layers.MacOS, layers.DragonFly}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			msg := unhex(t, tt.msg)
			list := sniff.Sniff(msg, len(msg))
			var got []layers.Dialect
			for _, c := range best(list) {
				if c.Order != tt.order {
					t.Errorf("%v among the best", c)
				}
				got = append(got, c.Dialect)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("best are %v, want %v", got, tt.want)
				for _, c := range list {
					t.Logf("%v %d %q", c.Codec, c.Score, c.Reasons)
				}
			}
			for i, c := range list[:len(got)] {
				if c.Score != list[0].Score || !reflect.DeepEqual(c.Reasons, list[0].Reasons) && len(got) == len(all) {
					t.Errorf("%d: %v %d %q, not as the first", i, c.Codec, c.Score, c.Reasons)
				}
			}
			if list[len(list)-1].Score != 0 || len(list) != 2*len(all) {
				t.Errorf("%d candidates, the last with %d points", len(list), list[len(list)-1].Score)
			}
			if len(got) > 1 {
				var s sniff.Sniffer
				s.Add(msg, len(msg))
				if c, ok := s.Decided(); ok {
					t.Errorf("decided on %v among equals", c)
				}
			}
		})
	}
}

// TestReasons shows what a user reads.
func TestReasons(t *testing.T) {
	msg := unhex(t, "02050002 0a000000 01000000 07000000"+
		"02000100 00001234 20010203 00000000"+
		"05000500 00000000 1c180000 00000000 20010db8000000000000000000000001 00000000 00000000"+
		"01002600 dc050000")
	list := sniff.Sniff(msg, len(msg))
	want := []string{
		"byte 4: sadb_msg_len is the message's length only in little-endian order",
		"byte 40: a sockaddr of length 28 and family 24, unlike linux freebsd macos illumos dragonfly",
		"byte 72: extension 38 of 8 bytes, unlike linux freebsd netbsd macos illumos dragonfly",
		"byte 3: SA type 2 with encryption algorithm 3, unlike linux freebsd netbsd macos illumos dragonfly",
		"byte 36: an address without protocol and prefix length, unlike netbsd",
	}
	if list[0].Codec != le(layers.OpenBSD) || !slices.Equal(list[0].Reasons, want) {
		t.Errorf("%v %q, want %q", list[0].Codec, list[0].Reasons, want)
	}
	// Of a second message they say which one it was.
	var s sniff.Sniffer
	s.Add(unhex(t, flushLE), 16)
	s.Add(msg, len(msg))
	if got := s.Candidates()[0].Reasons[1]; got != "message 2, "+want[1] {
		t.Errorf("reason %q, want that of message 2", got)
	}
	if c, ok := s.Decided(); !ok || c != le(layers.OpenBSD) {
		t.Errorf("decided on %v, %v", c, ok)
	}
}

// TestContradictions notices that a codec was said wrongly.
func TestContradictions(t *testing.T) {
	byName := map[string]capture{}
	for _, c := range captures(t) {
		byName[c.name] = c
	}
	for _, tt := range []struct {
		capture string
		said    layers.Codec
		want    string // in one of the sentences
	}{
		{"openbsd/openbsd-4.4", le(layers.Linux), "a sockaddr of length 16 and family 2"},
		{"openbsd/openbsd-4.4", le(layers.FreeBSD), "an X_PROMISC wrapper with seq 4242"},
		{"openbsd/openbsd-4.4", le(layers.NetBSD), "an address without protocol and prefix length"},
		{"openbsd/openbsd-4.4", le(layers.RFC2367), "extension 30 of"},
		{"openbsd/openbsd-4.4", be(layers.OpenBSD), "sadb_msg_len is the message's length only in little-endian order"},
		{"linux/acquire-v6", le(layers.OpenBSD), "a sockaddr of family 10 in little-endian order, without a length"},
		{"linux/spd-v4", le(layers.Illumos), "message type 18"},
		{"linux-s390x/acquire-v4", be(layers.NetBSD), "a sockaddr of family 2 in big-endian order, without a length"},
		{"linux-s390x/acquire-v4", le(layers.Linux), "only in big-endian order"},
		{"netbsd/netbsd-7.99", le(layers.FreeBSD), "a sockaddr of length 28 and family 24"},
		{"freebsd/freebsd-13", le(layers.MacOS), "a sockaddr of length 28 and family 28"},
		{"layout/darwin", le(layers.FreeBSD), "extension 1 of 24 bytes"},
	} {
		t.Run(fmt.Sprintf("%s as %v", tt.capture, tt.said), func(t *testing.T) {
			c := byName[tt.capture]
			found := 0
			for _, m := range c.msgs {
				for _, c := range sniff.Contradictions(tt.said, m) {
					s := c.String()
					if !strings.HasPrefix(s, "byte ") {
						t.Errorf("%q does not begin with a place", s)
					}
					if strings.Contains(s, tt.want) {
						found++
					}
				}
			}
			if found == 0 {
				t.Errorf("none of %d messages says %q", len(c.msgs), tt.want)
			}
		})
	}

	// Nothing that kernels wrote contradicts its own codec, and only what nobody
	// writes does: malformed requests, a register for an SA type that is none.
	for _, c := range byName {
		if strings.HasPrefix(c.name, "layout/") || c.name == "linux/malformed" {
			continue
		}
		for i, m := range c.msgs {
			if list := sniff.Contradictions(c.codec, m); len(list) > 0 && c.name != "linux/errors" {
				t.Errorf("%s message %d: %q", c.name, i+1, list)
			}
		}
	}

	// What is wrong in every dialect speaks against none.
	for name, msg := range map[string]string{
		"extension 200":            "02050000 03000000 01000000 07000000 0100c800 00000000",
		"message type 99":          "02630000 02000000 01000000 07000000",
		"an extension of no bytes": "02050000 04000000 01000000 07000000 00000100 00000000 00000000 00000000",
		"fewer than 16 bytes":      "020a0000",
	} {
		for _, d := range layers.Dialects() {
			if list := sniff.Contradictions(le(d), unhex(t, msg)); len(list) > 0 {
				t.Errorf("%s, %v: %q", name, d, list)
			}
		}
	}
	if list := sniff.Contradictions(layers.Codec{}, unhex(t, flushLE)); list != nil {
		t.Errorf("no codec: %q", list)
	}
}

// TestDump follows the numbering of dumps.
func TestDump(t *testing.T) {
	for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
		c := layers.Codec{Dialect: layers.Linux, Order: order}
		// No system's SA alone: satype ESP, an SA and nothing else.
		msg := func(seq, spi uint32) []byte {
			b, err := c.Encode(&layers.Base{Type: layers.DUMP, SAType: 3, Seq: seq, PID: 7}, &layers.SA{SPI: spi, State: 1, Auth: 3, Encrypt: 3})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		end, err := c.Encode(&layers.Base{Type: layers.DUMP, SAType: 3, PID: 7})
		if err != nil {
			t.Fatal(err)
		}
		other := slices.Clone(msg(3, 9))
		if order == layers.LittleEndian {
			other[12] = 8
		} else {
			other[15] = 8
		}
		all := "linux freebsd netbsd macos illumos dragonfly"
		for _, tt := range []struct {
			name string
			msgs [][]byte
			want string // the dialects that are best
		}{
			{"upwards", [][]byte{msg(1, 5), msg(2, 6), msg(0, 7)}, "linux illumos"},
			{"downwards", [][]byte{msg(2, 5), msg(1, 6), msg(0, 7)}, "freebsd netbsd macos illumos dragonfly"},
			{"the same", [][]byte{msg(9, 5), msg(9, 6), msg(9, 7)}, "openbsd illumos"},
			{"a bare end", [][]byte{msg(9, 5), end}, "illumos"},
			{"second copies", [][]byte{msg(1, 5), msg(1, 5)}, all},
			{"a last message of a dump, and a request", [][]byte{msg(0, 5), end}, all},
			{"two dumps", [][]byte{msg(2, 5), other}, all},
			{"one message", [][]byte{msg(2, 5)}, all},
		} {
			var s sniff.Sniffer
			for range 2 { // OpenBSD has no such SA type
				for _, m := range tt.msgs {
					s.Add(m, len(m))
				}
				if tt.want == all {
					break
				}
			}
			var got []string
			for _, b := range best(s.Candidates()) {
				got = append(got, b.Dialect.String())
			}
			if tt.name == "the same" { // where everything else speaks against OpenBSD
				got = append([]string{"openbsd"}, got...)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%v, %s: best are %v, want %s", order, tt.name, got, tt.want)
			}
		}
	}
}

// TestLength gives messages whose length does not say the byte order.
func TestLength(t *testing.T) {
	sa := "02000100 00001234 20010203 00000000"
	msg := unhex(t, "02050003 04000000 01000000 07000000"+sa)
	for _, tt := range []struct {
		name   string
		msg    []byte
		length int
		want   int // candidates that are equal
		order  layers.Order
	}{
		{"cut short", msg[:20], len(msg), 5, layers.LittleEndian},
		{"a length of its own", unhex(t, "02050003 09000000 01000000 07000000"+sa), 32, 5, layers.LittleEndian},
		{"a length of its own, nothing after the header", unhex(t, "02050003 09000000 01000000 07000000"), 16, 14, 0},
		{"a length of its own, extensions of no order", unhex(t, "02050003 09000000 01000000 07000000"+"0909090909090909"), 24, 14, 0},
		{"less than a header", msg[:15], 15, 14, 0},
		{"nothing", nil, 0, 14, 0},
	} {
		list := sniff.Sniff(tt.msg, tt.length)
		top := best(list)
		if len(list) != 14 || tt.want == 14 && len(top) != 14 {
			t.Errorf("%s: %d equal candidates of %d, want %d", tt.name, len(top), len(list), tt.want)
		}
		for _, c := range top {
			if tt.order != 0 && c.Order != tt.order {
				t.Errorf("%s: %v is among the best", tt.name, c)
			}
		}
	}
}

// TestDialect uses a Sniffer as record.ReaderOptions.Sniff.
func TestDialect(t *testing.T) {
	for _, c := range captures(t) {
		var sniffDialect func([]byte, layers.Order) layers.Dialect = new(sniff.Sniffer).Dialect
		decided := 0
		for i, m := range c.msgs {
			switch sniffDialect(m, c.codec.Order) {
			case c.codec.Dialect:
				decided++
			case layers.NoDialect:
			default:
				t.Fatalf("%s: message %d decides wrongly", c.name, i+1)
			}
		}
		if decided == 0 {
			t.Errorf("%s: never decided", c.name)
		}
	}
	var s sniff.Sniffer
	if d := s.Dialect(nil, layers.BigEndian); d != layers.NoDialect {
		t.Errorf("no bytes are of %v", d)
	}
	// Cut short, a message has only the order that the caller knows.
	m := unhex(t, "02050003 00070000 00000001 00000007"+
		"00050005 ff800000 001a0000 00000000 20010db8000000000000000000000001 00000000 00000009")
	if d := s.Dialect(m, layers.BigEndian); d != layers.Illumos {
		t.Errorf("a message of illumos is of %v", d)
	}
}

// TestAddAllocates nothing, so that a Sniffer can look at every message.
func TestAddAllocates(t *testing.T) {
	c := captures(t)[0]
	var s sniff.Sniffer
	for _, m := range c.msgs {
		s.Add(m, len(m))
	}
	if n := testing.AllocsPerRun(20, func() {
		for _, m := range c.msgs {
			s.Add(m, len(m))
		}
	}); n > 0 && !benchtest.Racing {
		t.Errorf("%v allocations in %d messages", n, len(c.msgs))
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, c := range captures(b)[:4] {
		b.Run(c.name, func(b *testing.B) {
			var s sniff.Sniffer
			b.ReportAllocs()
			for i := range b.N {
				m := c.msgs[i%len(c.msgs)]
				s.Add(m, len(m))
			}
		})
	}
}

func BenchmarkCandidates(b *testing.B) {
	c := captures(b)[0]
	var s sniff.Sniffer
	for _, m := range c.msgs {
		s.Add(m, len(m))
	}
	b.ReportAllocs()
	for range b.N {
		s.Candidates()
	}
}

// TestBareTypes: headers with message types that only one system has decide nothing
// by themselves, since programs try such (Linux 6.1 refuses types 25 and 26).
func TestBareTypes(t *testing.T) {
	var s sniff.Sniffer
	for _, typ := range []byte{23, 24, 25, 26, 25, 26} {
		s.Add([]byte{2, typ, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, 16)
	}
	if c, ok := s.Decided(); ok {
		t.Errorf("decided on %v: %q", c, s.Candidates()[0].Reasons)
	}
	if c := s.Candidates()[0].Codec; c != le(layers.MacOS) {
		t.Errorf("the best candidate is %v", c)
	}
}
