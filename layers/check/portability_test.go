package check_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// in makes a codec.
func in(d layers.Dialect, o layers.Order) layers.Codec { return layers.Codec{Dialect: d, Order: o} }

// TestDifferences gives messages and what of them another system would take for
// something else, each with its place.
func TestDifferences(t *testing.T) {
	const le, be = layers.LittleEndian, layers.BigEndian
	for _, tc := range []struct {
		name  string
		c     layers.Codec
		there layers.Dialect
		msg   func(*maker) []byte
		want  []string // offset, code and text
	}{
		{"the same system", in(layers.Linux, le), layers.Linux, goodPolicy, nil},
		{"ESP on OpenBSD", in(layers.Linux, le), layers.OpenBSD, bare(layers.FLUSH, 3),
			[]string{"3 number-differs: SA type 3 is ESP on linux, on openbsd it is RSVP; ESP is 2 there"}},
		{"ESP of OpenBSD", in(layers.OpenBSD, be), layers.FreeBSD, bare(layers.FLUSH, 2),
			[]string{"3 number-differs: SA type 2 is ESP on openbsd, on freebsd it is AH; ESP is 3 there"}},
		{"IPIP of OpenBSD", in(layers.OpenBSD, le), layers.DragonFly, bare(layers.FLUSH, 7),
			[]string{"3 number-differs: SA type 7 is IPIP on openbsd, on dragonfly it is RIPV2"}},
		{"AH of OpenBSD", in(layers.OpenBSD, le), layers.Linux, bare(layers.FLUSH, 1),
			[]string{"3 number-unknown: SA type 1 is AH on openbsd, linux has none such; AH is 2 there"}},
		{"X_PROMISC", in(layers.Linux, le), layers.OpenBSD, bare(layers.PROMISC, 1), nil},
		{"message type", in(layers.Linux, le), layers.Illumos, bare(layers.SPDUPDATE, 0),
			[]string{"1 number-differs: message type 13 is SPDUPDATE on linux, on illumos it is UPDATEPAIR"}},
		{"message type that is not there", in(layers.Linux, le), layers.Illumos, bare(layers.SPDFLUSH, 0),
			[]string{"1 number-unknown: message type 19 is SPDFLUSH on linux, illumos has none such"}},
		{"unknown message type", in(layers.OpenBSD, le), layers.Linux, bare(19, 0),
			[]string{"1 number-differs: message type 19 has no name on openbsd, on linux it is SPDFLUSH"}},
		{"errno", in(layers.Linux, le), layers.FreeBSD, edited(bare(layers.FLUSH, 0), func(b []byte, _ func(int, uint16)) { b[2] = 95 }),
			[]string{"2 number-differs: errno 95 is EOPNOTSUPP on linux, on freebsd it is ENOTRECOVERABLE"}},
		{"the same errno", in(layers.Linux, le), layers.FreeBSD, edited(bare(layers.FLUSH, 0), func(b []byte, _ func(int, uint16)) { b[2] = 22 }), nil},
		{"diagnostic", in(layers.Illumos, be), layers.Linux, edited(bare(layers.FLUSH, 0), func(_ []byte, put16 func(int, uint16)) { put16(6, 20) }),
			[]string{"6 number-unknown: sadb_msg_reserved 20 is the diagnostic MISSING_SA on illumos, linux has none"}},
		{"reference count", in(layers.NetBSD, be), layers.Illumos, edited(bare(layers.FLUSH, 0), func(_ []byte, put16 func(int, uint16)) { put16(6, 2) }),
			[]string{"6 number-differs: sadb_msg_reserved 2 is no diagnostic on netbsd, on illumos it is UNKNOWN_EXT"}},
		{"algorithms", in(layers.Linux, le), layers.MacOS, with(newMessage(layers.GET, 3).add(sa(1, 3, 11))), []string{
			"26 number-differs: auth 3 is SHA1HMAC on linux, on macos it is MD5; SHA1HMAC is 2 there",
			"27 number-unknown: encrypt 11 is NULL on linux, macos has none such; NULL is 3 there",
			"24 unit-differs: a replay window of 32 packets on linux; 32 octets, 256 packets, on macos"}},
		{"the same algorithms by other names", in(layers.FreeBSD, le), layers.NetBSD, with(newMessage(layers.GET, 3).add(sa(1, 5, 12))), nil},
		{"replay window", in(layers.FreeBSD, be), layers.Linux, with(newMessage(layers.GET, 3).add(sa(1, 3, 12))),
			[]string{"24 unit-differs: a replay window of 32 octets, 256 packets, on freebsd; 32 packets on linux"}},
		{"compression", in(layers.Linux, le), layers.OpenBSD, with(newMessage(layers.GET, 9).add(saWith(layers.SA{Encrypt: 2}))), nil},
		{"flags", in(layers.OpenBSD, le), layers.Illumos, with(newMessage(layers.GET, 0).add(saWith(layers.SA{Flags: 0x4 | 0x1}))),
			[]string{"28 number-unknown: flags 0x4: 4 is TUNNEL on openbsd, illumos has none such"}},
		{"SPI range", in(layers.Linux, le), layers.Illumos, with(newMessage(layers.GETSPI, 3).add(spiRange(0x100, 0x01000001))),
			[]string{"20 byte-order-differs: min is 0x00000100 on linux, on illumos it is read as 0x00010000: one of the two has it in network byte order",
				"24 byte-order-differs: max is 0x01000001 on linux, on illumos it is read as 0x01000001"}[:1]},
		{"SPI range of big-endian machines", in(layers.Linux, be), layers.Illumos, with(newMessage(layers.GETSPI, 3).add(spiRange(0x100, 0x200))), nil},
		{"IPv4 on a system with sa_len", in(layers.Linux, le), layers.FreeBSD, with(newMessage(layers.GET, 3).add(src4())),
			[]string{"24 sockaddr-differs: an address of inet on linux, with family 2; on freebsd with sa_len 2 and family 0"}},
		{"IPv4 on one, big-endian", in(layers.Linux, be), layers.NetBSD, with(newMessage(layers.GET, 3).add(src4())),
			[]string{"24 sockaddr-differs: an address of inet on linux, with family 2; on netbsd with sa_len 0 and family 2"}},
		{"IPv6 of another number", in(layers.FreeBSD, le), layers.NetBSD, get(dst6()),
			[]string{"40 sockaddr-differs: an address of inet6 on freebsd, with sa_len 28 and family 28; on netbsd with sa_len 28 and family 28; inet6 is 24 there"}},
		{"IPv4 among BSDs", in(layers.FreeBSD, le), layers.NetBSD, get(src4()), nil},
		{"proto and prefix", in(layers.FreeBSD, le), layers.OpenBSD, with(newMessage(layers.GET, 0).add(addr(layers.LayerTypeAddressSrc, "10.0.0.0", 0, 24, 6))), []string{
			"20 layout-differs: proto is 6 on freebsd, openbsd has reserved there",
			"21 layout-differs: prefixlen is 24 on freebsd, openbsd has reserved there"}},
		{"what OpenBSD sends has neither", in(layers.OpenBSD, le), layers.FreeBSD, with(newMessage(layers.GET, 0).add(addr(layers.LayerTypeAddressSrc, "10.0.0.0", 0, 24, 6))), nil},
		{"proposal", in(layers.OpenBSD, le), layers.FreeBSD, with(newMessage(layers.ACQUIRE, 0).add(ext(layers.Proposal{Num: 3}))),
			[]string{"20 layout-differs: num is 3 on openbsd, freebsd has replay there"}},
		{"extension number", in(layers.Linux, le), layers.OpenBSD, with(newMessage(layers.GET, 0).add(sa2(1))),
			[]string{"16 number-differs: SA2: it is extension 19 on linux, on openbsd that is PROTOCOL"}},
		{"extension that is not there", in(layers.Linux, le), layers.DragonFly, with(newMessage(layers.GET, 0).add(natt(2))),
			[]string{"16 number-unknown: NAT_T_TYPE: it is extension 20 on linux, dragonfly has none such"}},
		{"extension that has another number", in(layers.OpenBSD, le), layers.DragonFly, with(newMessage(layers.GET, 0).add(ext(layers.RDomain{Dom1: 1}))),
			[]string{"16 number-unknown: RDOMAIN: it is extension 37 on openbsd, dragonfly has none such"}},
		{"unknown extension", in(layers.RFC2367, le), layers.Linux, with(newMessage(layers.GET, 0).add(raw(19, 1, 2, 3, 4))),
			[]string{"16 number-differs: UNKNOWN: rfc2367 has no extension 19, on linux it is SA2"}},
		{"requests", in(layers.Linux, le), layers.FreeBSD, with(newMessage(layers.SPDADD, 0).add(policy(layers.Policy{Type: 2, Dir: 2}, esp))),
			[]string{"32 layout-differs: POLICY: a request begins with 16 bytes on linux, with 8 on freebsd"}},
		{"requests among BSDs", in(layers.FreeBSD, le), layers.NetBSD, with(newMessage(layers.SPDADD, 0).add(policy(layers.Policy{Type: 2, Dir: 2}, esp))), nil},
		{"policy", in(layers.Linux, le), layers.NetBSD, with(newMessage(layers.SPDADD, 0).add(policy(layers.Policy{Type: 1, Dir: 3, Priority: 9}))), []string{
			"22 number-unknown: dir 3 is FWD on linux, netbsd has none such",
			"28 layout-differs: priority is 9 on linux, netbsd has reserved2 there"}},
		{"identity", in(layers.FreeBSD, le), layers.OpenBSD, with(newMessage(layers.GET, 0).add(identity(4, ""))),
			[]string{"20 number-differs: type 4 is ADDR on freebsd, on openbsd it is ASN1_DN"}},
		{"inside a wrapper", in(layers.OpenBSD, le), layers.Linux, wrapped(bare(layers.FLUSH, 2)),
			[]string{"19 number-differs: SA type 2 is ESP on openbsd, on linux it is AH; ESP is 3 there"}},
	} {
		m := &maker{t, tc.c}
		b := tc.msg(m)
		var got []string
		for _, p := range check.Differences(tc.there, tc.c, b) {
			text := p.Text
			if strings.HasPrefix(text, "it is") || strings.Contains(text, "has no extension") || strings.HasPrefix(text, "a request") {
				text = p.Ext + ": " + text
			}
			got = append(got, strings.Join([]string{strconv.Itoa(p.Offset), p.Code + ": " + text}, " "))
			if p.Errno != 0 || p.ByWrite || p.Severity == check.Note || p.Instead == "" || p.Source != tc.there.Source() {
				t.Errorf("%s: %+v", tc.name, p)
			}
			if p.Len <= 0 || p.Offset+p.Len > len(b) {
				t.Errorf("%s: bytes %d to %d of %d", tc.name, p.Offset, p.Offset+p.Len, len(b))
			}
		}
		slices.Sort(got)
		slices.Sort(tc.want)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, strings.Join(got, "\n     "), strings.Join(tc.want, "\n     "))
		}
	}
}

// TestLintElsewhere holds that what another kernel refuses comes with its errno, only for what
// goes to one, and that nothing is said twice.
func TestLintElsewhere(t *testing.T) {
	m := &maker{t, codecs[0]}
	b := m.msg(newMessage(layers.GET, 3).add(sa(1, 0, 0), src4(), dst4(), natt(2)))
	list := check.Lint(layers.DragonFly, m.c, b, from)
	if find(list, "number-unknown") == nil || find(list, "sockaddr-differs") == nil {
		t.Errorf("%v", texts(list))
	}
	list = check.Lint(layers.Illumos, m.c, goodGET(m), to)
	for _, p := range list {
		if p.Errno != 0 {
			t.Errorf("illumos takes it: %s", p.String())
		}
	}
	b = m.msg(newMessage(layers.REGISTER, 9).add(raw(99, 1, 2, 3, 4)))
	list = check.Lint(layers.Illumos, m.c, b, to)
	p := find(list, "unknown-extension")
	if p == nil || p.Errno != 22 || p.Offset != 16 || find(list, "number-unknown") == nil || find(list, "satype") != nil {
		t.Errorf("%v", texts(list)) // the extension comes first, so the SA type is not looked at
	}
	b = m.msg(newMessage(layers.REGISTER, 9))
	if list = check.Lint(layers.Illumos, m.c, b, to); len(list) != 1 || list[0].Code != "satype" {
		t.Errorf("%v", texts(list))
	}
	for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
		m := &maker{t, in(layers.OpenBSD, order)}
		b := wrapped(oMessage(layers.ADD, 2, dst4()))(m)
		list := check.Lint(layers.Linux, m.c, b, from)
		if p := find(list, "sa-missing"); p == nil || p.Offset != len(b) || p.Errno != 22 {
			t.Errorf("%v: %v", m.c, texts(list))
		}
		if list := check.Lint(layers.Linux, m.c, put32(m, b, 8, 0), from); find(list, "sa-missing") != nil {
			t.Errorf("%v: an answer is judged as a request: %v", m.c, texts(list))
		}
	}
}

// TestLint holds that of what the kernel and the RFC both say only the kernel's is
// named, that the kernel's own messages are not held to the RFC, and what notes of the
// RFC say is left out.
func TestLint(t *testing.T) {
	m := &maker{t, codecs[0]}
	for _, tc := range []struct {
		name string
		msg  func(*maker) []byte
		dir  check.Direction
		want []string
	}{
		{"sound", goodADD, to, nil},
		{"both", edited(goodADD, func(b []byte, _ func(int, uint16)) { b[0] = 3 }), to, []string{"message-version"}},
		{"the RFC alone", edited(goodADD, func(b []byte, _ func(int, uint16)) { clear(b[12:16]) }), to, []string{"rfc-pid"}},
		{"a note", with(add(3, src4(), dst4(), sa(0x1000, 7, 12), authKey(512), encKey(128))), to, nil},
		{"from the kernel", with(replyADD()), from, nil},
		{"missing", with(newMessage(layers.GET, 3).add(src4(), dst4())), to, []string{"sa-missing"}},
	} {
		list := check.Lint(layers.NoDialect, m.c, tc.msg(m), tc.dir)
		var got []string
		for _, p := range list {
			got = append(got, p.Code)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, texts(list), tc.want)
		}
	}
	rfc := &maker{t, in(layers.RFC2367, layers.LittleEndian)}
	if list := check.Lint(layers.NoDialect, rfc.c, bare(layers.PROMISC, 2)(rfc), to); len(list) != 1 || list[0].Code != "rfc-promisc" {
		t.Errorf("RFC 2367: %v", texts(list))
	}
}
