package layers_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

// place is a value as a Visitor got it.
type place struct {
	path         string
	offset, size int
	kind         layers.ValueKind
	key          int
	text         string // the value
}

// places is a Visitor that checks where it is led and remembers it.
type places struct {
	data  []byte
	codec layers.Codec
	seen  []bool // bytes that some call gave
	list  []place
	errs  []string

	depth, ext, extEnd int // ext is 0 outside an extension
	path               []string
	index              []int // items and elements so far, by nesting of groups
	malformed          []place
}

func (p *places) fail(format string, a ...any) { p.errs = append(p.errs, fmt.Sprintf(format, a...)) }

func (p *places) cover(from, n int) {
	if from < 0 || n < 0 || from+n > len(p.data) {
		p.fail("bytes %d to %d of %d", from, from+n, len(p.data))
		return
	}
	for i := from; i < from+n; i++ {
		p.seen[i] = true
	}
}

func (p *places) Base(b *layers.Base, offset, depth int) {
	if depth != p.depth || offset != depth*16 {
		p.fail("Base at %d depth %d, want %d deep", offset, depth, p.depth)
	}
	p.depth++
	p.cover(offset, 16)
}

func (p *places) End() {
	if p.depth--; p.depth < 0 || p.ext != 0 {
		p.fail("End without Base, or in an extension")
	}
}

func (p *places) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	if p.ext != 0 {
		p.fail("an extension in another")
	}
	p.ext, p.extEnd = offset, offset+len(h.Contents)
	p.cover(offset, 4)
	if !bytes.Equal(h.Contents, p.data[p.ext:p.extEnd]) || h.Number() != number || p.codec.Dialect.ExtName(number) != name {
		p.fail("extension %d (%s) at %d", number, name, offset)
	}
	if known := h.LayerType() != layers.LayerTypeUnknown; known == (short || name == "") {
		p.fail("extension %d (%s): known %v, short %v", number, name, known, short)
	}
	if name == "" {
		name = "UNKNOWN"
	}
	p.path, p.index = []string{name}, []int{0}
}

func (p *places) EndExtension() {
	if p.ext == 0 || len(p.path) != 1 {
		p.fail("EndExtension in %v", p.path)
	}
	p.ext = 0
}

func (p *places) Open(k layers.NodeKind, name string) {
	if (name == "") != (k == layers.Item) {
		p.fail("a group of kind %d is named %q", k, name)
	}
	if k == layers.Item {
		name = fmt.Sprint(p.index[len(p.index)-1])
		p.index[len(p.index)-1]++
	}
	p.path, p.index = append(p.path, name), append(p.index, 0)
}

func (p *places) Close(layers.NodeKind) {
	if len(p.path) < 2 {
		p.fail("Close without Open")
		return
	}
	p.path, p.index = p.path[:len(p.path)-1], p.index[:len(p.index)-1]
}

func (p *places) Field(f *layers.Field, v *layers.Value) {
	name := f.Name
	if name == "" {
		name = fmt.Sprint(p.index[len(p.index)-1])
		p.index[len(p.index)-1]++
	}
	pl := place{strings.Join(append(slices.Clone(p.path), name), "."), v.Offset, v.Size, v.Kind, v.Key, string(layers.AppendValue(nil, p.codec.Dialect, f, v))}
	if p.ext == 0 || v.Offset < p.ext+4 || v.Size < 0 || v.Offset+v.Size > p.extEnd {
		p.fail("%s at %d, %d bytes, in an extension from %d to %d", pl.path, v.Offset, v.Size, p.ext, p.extEnd)
		return
	}
	switch v.Kind {
	case layers.Text, layers.Hex, layers.Hidden:
		if !bytes.Equal(v.Bytes, p.data[v.Offset:v.Offset+v.Size]) {
			p.fail("%s: the value is not the bytes at its place", pl.path)
		}
	}
	if v.Kind == layers.Hidden && v.Size == 0 || v.Key > v.Size || v.Key > 0 && v.Kind != layers.Hidden {
		p.fail("%s: a secret of %d bytes with a key of %d", pl.path, v.Size, v.Key)
	}
	p.cover(v.Offset, v.Size)
	if f.Name == "family" && v.Size == 1 {
		p.cover(v.Offset-1, 1) // sa_len, which is given only when it is wrong
	}
	p.list = append(p.list, pl)
}

func (p *places) Malformed(rest []byte, offset int, r layers.Reason) {
	if p.ext != 0 || r == layers.Sound || r.Code() == "" || r.String() == "" || !bytes.Equal(rest, p.data[offset:]) {
		p.fail("Malformed at %d: %v", offset, r)
	}
	p.cover(offset, len(rest))
	p.malformed = append(p.malformed, place{offset: offset, size: len(rest)})
}

func walk(c layers.Codec, data []byte) *places {
	p := &places{data: data, codec: c, seen: make([]bool, len(data))}
	c.Walk(data, p)
	return p
}

// checkWalk holds the walk to its laws: values lie in their extension, do not
// overlap, and between them give every byte that is not zero; AppendSecrets gives
// what is hidden, in order.
func checkWalk(tb testing.TB, c layers.Codec, data []byte) {
	tb.Helper()
	p := walk(c, data)
	if p.depth != 0 || p.ext != 0 {
		p.fail("the walk ended in a message or extension")
	}
	for i, ok := range p.seen {
		if !ok && data[i] != 0 {
			p.fail("byte %d is not zero and was not visited", i)
		}
	}
	list := slices.Clone(p.list)
	slices.SortStableFunc(list, func(a, b place) int { return a.offset - b.offset })
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		// A sockaddr of an unknown family is given whole after its family.
		if a.offset+a.size > b.offset && a.size > 0 && b.size > 0 && !strings.HasSuffix(b.path, ".sockaddr") && !strings.HasSuffix(a.path, ".sockaddr") {
			p.fail("%s (%d+%d) and %s (%d+%d) overlap", a.path, a.offset, a.size, b.path, b.offset, b.size)
		}
	}
	var want []layers.Span
	for _, pl := range p.list {
		if pl.kind == layers.Hidden {
			want = append(want, layers.Span{Offset: pl.offset, Len: pl.size, Key: pl.key})
		}
	}
	for _, pl := range p.malformed {
		if len(bytes.Trim(data[pl.offset:], "\x00")) > 0 {
			want = append(want, layers.Span{Offset: pl.offset, Len: pl.size})
		}
	}
	got := c.AppendSecrets(nil, data)
	if !slices.Equal(got, want) {
		p.fail("secrets %v, want %v", got, want)
	}
	end := 0
	for _, s := range got {
		if s.Offset < end || s.Len <= 0 {
			p.fail("secrets out of order: %v", got)
		}
		end = s.Offset + s.Len
	}
	if len(p.errs) > 0 {
		tb.Fatalf("%v: %s\n%x", c, strings.Join(p.errs, "\n"), data)
	}
}

// flat lists the values of a walk as path=value.
func (p *places) flat() []string {
	var list []string
	for _, pl := range p.list {
		list = append(list, pl.path+"="+pl.text)
	}
	return list
}

// TestWalkValues says what the walk gives for the extensions of golden_test.go.
func TestWalkValues(t *testing.T) {
	want := map[string]string{
		"RESERVED": `UNKNOWN.data=··(4 bytes)`,
		"SA":       `SA.spi=0x00001234 SA.replay=32 SA.state=1(MATURE) SA.auth=3(SHA1HMAC) SA.encrypt=12(AESCBC) SA.flags=0x40000001(PFS|DECAP_DSCP)`,
		"LIFETIME_HARD": `LIFETIME_HARD.allocations=1000 LIFETIME_HARD.bytes=1234605616436508552 ` +
			`LIFETIME_HARD.addtime=1777629600 LIFETIME_HARD.usetime=1777629660`,
		"ADDRESS_SRC": `ADDRESS_SRC.proto=17 ADDRESS_SRC.prefixlen=24 ADDRESS_SRC.reserved=0 ADDRESS_SRC.family=2(inet) ADDRESS_SRC.addr=10.0.0.1 ADDRESS_SRC.port=500`,
		"ADDRESS_PROXY": `ADDRESS_PROXY.proto=58 ADDRESS_PROXY.prefixlen=64 ADDRESS_PROXY.reserved=43981 ADDRESS_PROXY.family=10(inet6) ` +
			`ADDRESS_PROXY.addr=2001:db8::1 ADDRESS_PROXY.port=128 ADDRESS_PROXY.flowinfo=703710 ADDRESS_PROXY.scope_id=3`,
		"KEY_AUTH":            `KEY_AUTH.bits=160 KEY_AUTH.key=··(20 bytes)`,
		"KEY_ENCRYPT":         `KEY_ENCRYPT.bits=127 KEY_ENCRYPT.reserved=··(2 bytes) KEY_ENCRYPT.key=··(16 bytes)`,
		"KEY_ENCRYPT of NULL": `KEY_ENCRYPT.bits=0`,
		"IDENTITY_SRC":        `IDENTITY_SRC.type=2(FQDN) IDENTITY_SRC.reserved=0 IDENTITY_SRC.id=72623859790382856 IDENTITY_SRC.identity="left.example.org"`,
		"IDENTITY_DST":        `IDENTITY_DST.type=3(USERFQDN) IDENTITY_DST.reserved=0 IDENTITY_DST.id=1000`,
		"SENSITIVITY": `SENSITIVITY.dpd=7 SENSITIVITY.sens_level=1 SENSITIVITY.sens_len=1 SENSITIVITY.integ_level=2 SENSITIVITY.integ_len=2 SENSITIVITY.reserved=0 ` +
			`SENSITIVITY.sens_bitmap.0=9223372036854775809 SENSITIVITY.integ_bitmap.0=2 SENSITIVITY.integ_bitmap.1=3`,
		"SUPPORTED_AUTH": `SUPPORTED_AUTH.reserved=0 SUPPORTED_AUTH.algs.0.id=3(SHA1HMAC) SUPPORTED_AUTH.algs.0.ivlen=0 SUPPORTED_AUTH.algs.0.minbits=160 ` +
			`SUPPORTED_AUTH.algs.0.maxbits=160 SUPPORTED_AUTH.algs.0.reserved=0 SUPPORTED_AUTH.algs.1.id=5(SHA2_256HMAC) SUPPORTED_AUTH.algs.1.ivlen=0 ` +
			`SUPPORTED_AUTH.algs.1.minbits=256 SUPPORTED_AUTH.algs.1.maxbits=256 SUPPORTED_AUTH.algs.1.reserved=0 SUPPORTED_AUTH.algs.2.id=251(NULL) ` +
			`SUPPORTED_AUTH.algs.2.ivlen=8 SUPPORTED_AUTH.algs.2.minbits=0 SUPPORTED_AUTH.algs.2.maxbits=2040 SUPPORTED_AUTH.algs.2.reserved=0`,
		"SUPPORTED_ENCRYPT": `SUPPORTED_ENCRYPT.reserved=0 SUPPORTED_ENCRYPT.algs.0.id=3(3DESCBC) SUPPORTED_ENCRYPT.algs.0.ivlen=0 SUPPORTED_ENCRYPT.algs.0.minbits=160 ` +
			`SUPPORTED_ENCRYPT.algs.0.maxbits=160 SUPPORTED_ENCRYPT.algs.0.reserved=0 SUPPORTED_ENCRYPT.algs.1.id=5 SUPPORTED_ENCRYPT.algs.1.ivlen=0 ` +
			`SUPPORTED_ENCRYPT.algs.1.minbits=256 SUPPORTED_ENCRYPT.algs.1.maxbits=256 SUPPORTED_ENCRYPT.algs.1.reserved=0 SUPPORTED_ENCRYPT.algs.2.id=251 ` +
			`SUPPORTED_ENCRYPT.algs.2.ivlen=8 SUPPORTED_ENCRYPT.algs.2.minbits=0 SUPPORTED_ENCRYPT.algs.2.maxbits=2040 SUPPORTED_ENCRYPT.algs.2.reserved=0`,
		"SPIRANGE":  `SPIRANGE.min=0x00000100 SPIRANGE.max=0x0fffffff SPIRANGE.reserved=0`,
		"KMPRIVATE": `KMPRIVATE.reserved=··(4 bytes) KMPRIVATE.data=··(8 bytes)`,
		"POLICY with requests": `POLICY.type=2(IPSEC) POLICY.dir=2(OUTBOUND) POLICY.reserved=0 POLICY.id=329 POLICY.priority=2000000 ` +
			`POLICY.requests.0.len=48 POLICY.requests.0.proto=50 POLICY.requests.0.mode=2(TUNNEL) POLICY.requests.0.level=3(UNIQUE) POLICY.requests.0.reserved1=0 ` +
			`POLICY.requests.0.reqid=16385 POLICY.requests.0.reserved2=1286 ` +
			`POLICY.requests.0.src.family=2(inet) POLICY.requests.0.src.addr=192.0.2.1 POLICY.requests.0.src.port=0 ` +
			`POLICY.requests.0.dst.family=2(inet) POLICY.requests.0.dst.addr=198.51.100.2 POLICY.requests.0.dst.port=0 ` +
			`POLICY.requests.1.len=16 POLICY.requests.1.proto=51 POLICY.requests.1.mode=1(TRANSPORT) POLICY.requests.1.level=2(REQUIRE) POLICY.requests.1.reserved1=0 ` +
			`POLICY.requests.1.reqid=0 POLICY.requests.1.reserved2=0 ` +
			`POLICY.requests.2.len=72 POLICY.requests.2.proto=50 POLICY.requests.2.mode=2(TUNNEL) POLICY.requests.2.level=1(USE) POLICY.requests.2.reserved1=0 ` +
			`POLICY.requests.2.reqid=7 POLICY.requests.2.reserved2=0 ` +
			`POLICY.requests.2.src.family=10(inet6) POLICY.requests.2.src.addr=2001:db8::1 POLICY.requests.2.src.port=0 ` +
			`POLICY.requests.2.dst.family=10(inet6) POLICY.requests.2.dst.addr=2001:db8::2 POLICY.requests.2.dst.port=0`,
		"POLICY by id":                      `POLICY.type=0(DISCARD) POLICY.dir=5(SOCKET_OUT) POLICY.reserved=1 POLICY.id=258 POLICY.priority=0`,
		"SA2":                               `SA2.mode=2(TUNNEL) SA2.reserved1=0 SA2.reserved2=0 SA2.sequence=99 SA2.reqid=16385`,
		"NAT_T_TYPE":                        `NAT_T_TYPE.type=2(ESPINUDP) NAT_T_TYPE.reserved=000007`,
		"NAT_T_SPORT":                       `NAT_T_SPORT.port=4500 NAT_T_SPORT.reserved=0`,
		"NAT_T_OA":                          `NAT_T_OA.proto=0 NAT_T_OA.prefixlen=32 NAT_T_OA.reserved=0 NAT_T_OA.family=2(inet) NAT_T_OA.addr=10.0.0.7 NAT_T_OA.port=0`,
		"SEC_CTX":                           `SEC_CTX.ctx_alg=1 SEC_CTX.ctx_doi=2 SEC_CTX.ctx_len=33 SEC_CTX.ctx="system_u:object_r:ipsec_spd_t:s0"`,
		"KMADDRESS IPv4":                    `KMADDRESS.reserved=0 KMADDRESS.local.family=2(inet) KMADDRESS.local.addr=192.0.2.1 KMADDRESS.local.port=0 KMADDRESS.remote.family=2(inet) KMADDRESS.remote.addr=198.51.100.2 KMADDRESS.remote.port=0`,
		"KMADDRESS IPv6":                    `KMADDRESS.reserved=0 KMADDRESS.local.family=10(inet6) KMADDRESS.local.addr=2001:db8::1 KMADDRESS.local.port=0 KMADDRESS.remote.family=10(inet6) KMADDRESS.remote.addr=2001:db8::2 KMADDRESS.remote.port=0`,
		"FILTER":                            `FILTER.saddr=2001:db8::1 FILTER.daddr=2001:db8::2 FILTER.family=10(inet6) FILTER.splen=64 FILTER.dplen=128`,
		"SA too short for its structure":    `SA.data=··(4 bytes)`,
		"SA with bytes after its structure": `SA.spi=0xffffffff SA.replay=0 SA.state=0(LARVAL) SA.auth=0(NONE) SA.encrypt=0(NONE) SA.flags=0x0 SA.tail=··(8 bytes)`,
		"a number that Linux does not have": `UNKNOWN.data=··(12 bytes)`,
	}
	for _, g := range goldens {
		if want[g.name] == "" {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			bothOrders(t, func(t *testing.T, c layers.Codec) {
				ext := wire(c.Order, g.wire...)
				data := append(wire(c.Order, header(layers.ADD, 3, len(ext))...), ext...)
				if got := strings.Join(walk(c, data).flat(), " "); got != want[g.name] {
					t.Errorf("got  %s\nwant %s", got, want[g.name])
				}
				checkWalk(t, c, data)
			})
		})
		delete(want, g.name)
	}
	for name := range want {
		t.Errorf("no golden extension %q", name)
	}
}

// TestWalkOdd visits what is allowed on the wire but is not what it seems.
func TestWalkOdd(t *testing.T) {
	sa := []part{host16(2), host16(1), net32(0x1234), octets(32, 1, 0, 2), host32(0)}
	for _, tt := range []struct {
		name string
		typ  uint8
		sat  uint8
		wire []part
		want string
	}{
		{"the encryption of an IPCOMP SA is a compression", layers.ADD, 9, sa,
			`SA.spi=0x00001234 SA.replay=32 SA.state=1(MATURE) SA.auth=0(NONE) SA.encrypt=2(DEFLATE) SA.flags=0x0`},
		{"that of an ESP SA is not", layers.ADD, 3, sa,
			`SA.spi=0x00001234 SA.replay=32 SA.state=1(MATURE) SA.auth=0(NONE) SA.encrypt=2(DESCBC) SA.flags=0x0`},
		{"an address without a sockaddr", layers.ADD, 3, []part{host16(1), host16(5), octets(0, 32), host16(0)},
			`ADDRESS_SRC.proto=0 ADDRESS_SRC.prefixlen=32 ADDRESS_SRC.reserved=0`},
		{"an address of a family that Linux does not have", layers.ADD, 3, []part{host16(3), host16(5), octets(0, 32), host16(0), host16(99), text("fourteen bytes")},
			`ADDRESS_SRC.proto=0 ADDRESS_SRC.prefixlen=32 ADDRESS_SRC.reserved=0 ADDRESS_SRC.family=99 ADDRESS_SRC.sockaddr=@63 666f75727465656e206279746573`},
		{"sin_zero that is not zero", layers.ADD, 3, []part{host16(3), host16(5), octets(0, 32), host16(0), host16(2), net16(1), octets(10, 0, 0, 1), text("leaked!!")},
			`ADDRESS_SRC.proto=0 ADDRESS_SRC.prefixlen=32 ADDRESS_SRC.reserved=0 ADDRESS_SRC.family=2(inet) ADDRESS_SRC.addr=10.0.0.1 ADDRESS_SRC.port=1 ADDRESS_SRC.zero=··(8 bytes)`},
		{"padding of a sockaddr that is not zero", layers.ADD, 3, cat(host16(5), host16(5), octets(0, 128), host16(0), sockaddrIn6(0, 0, db8one, 0), text("leak")),
			`ADDRESS_SRC.proto=0 ADDRESS_SRC.prefixlen=128 ADDRESS_SRC.reserved=0 ADDRESS_SRC.family=10(inet6) ADDRESS_SRC.addr=2001:db8::1 ADDRESS_SRC.port=0 ADDRESS_SRC.pad=··(4 bytes)`},
		{"bytes after the sockaddr", layers.ADD, 3, cat(host16(4), host16(5), octets(0, 32), host16(0), sockaddrIn(0, 10, 0, 0, 1), text("the tail")),
			`ADDRESS_SRC.proto=0 ADDRESS_SRC.prefixlen=32 ADDRESS_SRC.reserved=0 ADDRESS_SRC.family=2(inet) ADDRESS_SRC.addr=10.0.0.1 ADDRESS_SRC.port=0 ADDRESS_SRC.tail=··(8 bytes)`},
		{"padding of a key that is not zero", layers.ADD, 3, []part{host16(3), host16(8), host16(100), host16(0), text("thirteen byte"), octets(0, 1, 0)},
			`KEY_AUTH.bits=100 KEY_AUTH.key=··(13 bytes) KEY_AUTH.pad=··(3 bytes)`},
		{"an identity without its NUL", layers.ADD, 3, []part{host16(3), host16(10), host16(2), host16(0), host64(0), text("8 octets")},
			`IDENTITY_SRC.type=2(FQDN) IDENTITY_SRC.reserved=0 IDENTITY_SRC.id=0 IDENTITY_SRC.identity_hex=38206f6374657473`},
		{"an identity that is no UTF-8", layers.ADD, 3, []part{host16(3), host16(10), host16(2), host16(0), host64(0), octets(0xff, 0xfe, 0, 0, 0, 0, 0, 0)},
			`IDENTITY_SRC.type=2(FQDN) IDENTITY_SRC.reserved=0 IDENTITY_SRC.id=0 IDENTITY_SRC.identity_hex=fffe000000000000`},
		{"bytes after the identity", layers.ADD, 3, []part{host16(4), host16(10), host16(2), host16(0), host64(0), text("a.b"), zeros(5), text("the tail")},
			`IDENTITY_SRC.type=2(FQDN) IDENTITY_SRC.reserved=0 IDENTITY_SRC.id=0 IDENTITY_SRC.identity="a.b" IDENTITY_SRC.tail=··(8 bytes)`},
		{"bitmaps longer than the extension", layers.ADD, 3, []part{host16(3), host16(12), host32(0), octets(0, 255, 0, 255), host32(0), host64(5)},
			`SENSITIVITY.dpd=0 SENSITIVITY.sens_level=0 SENSITIVITY.sens_len=255 SENSITIVITY.integ_level=0 SENSITIVITY.integ_len=255 SENSITIVITY.reserved=0 SENSITIVITY.sens_bitmap.0=5`},
		{"a security context longer than the extension", layers.ADD, 3, []part{host16(2), host16(24), octets(1, 1), host16(0xffff), text("context"), octets(0)},
			`SEC_CTX.ctx_alg=1 SEC_CTX.ctx_doi=1 SEC_CTX.ctx_len=65535 SEC_CTX.ctx_hex=636f6e7465787400`},
		{"a request whose length is that of words", layers.SPDADD, 0, []part{host16(4), host16(18), host16(2), octets(2, 0), host32(0), host32(0),
			host16(2), host16(50), octets(1, 2), host16(0), host32(0), host32(0)},
			`POLICY.type=2(IPSEC) POLICY.dir=2(OUTBOUND) POLICY.reserved=0 POLICY.id=0 POLICY.priority=0 POLICY.tail=··(16 bytes)`},
		{"a request with an address of an unknown family", layers.SPDADD, 0, []part{host16(5), host16(18), host16(2), octets(2, 0), host32(0), host32(0),
			host16(24), host16(50), octets(2, 2), host16(0), host32(0), host32(0), host16(99), octets(1, 2, 3, 4, 5, 6)},
			`POLICY.type=2(IPSEC) POLICY.dir=2(OUTBOUND) POLICY.reserved=0 POLICY.id=0 POLICY.priority=0 ` +
				`POLICY.requests.0.len=24 POLICY.requests.0.proto=50 POLICY.requests.0.mode=2(TUNNEL) POLICY.requests.0.level=2(REQUIRE) POLICY.requests.0.reserved1=0 POLICY.requests.0.reqid=0 POLICY.requests.0.reserved2=0 ` +
				`POLICY.requests.0.src.family=99 POLICY.requests.0.src.sockaddr=@63 010203040506`},
		{"an IPv4 filter", layers.DUMP, 0, []part{host16(5), host16(26), octets(10, 0, 0, 0), zeros(12), octets(10, 1, 0, 0), zeros(12), host16(2), octets(8, 16)},
			`FILTER.saddr=10.0.0.0 FILTER.daddr=10.1.0.0 FILTER.family=2(inet) FILTER.splen=8 FILTER.dplen=16`},
		{"an IPv4 filter with more octets", layers.DUMP, 0, []part{host16(5), host16(26), octets(10, 0, 0, 0), zeros(11), octets(1), octets(10, 1, 0, 0), zeros(12), host16(2), octets(8, 16)},
			`FILTER.saddr_hex=0a000000000000000000000000000001 FILTER.daddr=10.1.0.0 FILTER.family=2(inet) FILTER.splen=8 FILTER.dplen=16`},
		{"two of the same", layers.DUMP, 0, cat(portWire(21, 1), portWire(21, 2)),
			`NAT_T_SPORT.port=1 NAT_T_SPORT.reserved=0 NAT_T_SPORT.port=2 NAT_T_SPORT.reserved=0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bothOrders(t, func(t *testing.T, c layers.Codec) {
				body := wire(c.Order, tt.wire...)
				data := append(wire(c.Order, header(tt.typ, tt.sat, len(body))...), body...)
				// @63 is the host-order family 99, which is in the octets of the sockaddr.
				want := strings.ReplaceAll(tt.want, "@63 ", fmt.Sprintf("%x", wire(c.Order, host16(99))))
				if got := strings.Join(walk(c, data).flat(), " "); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				checkWalk(t, c, data)
				roundTrip(t, c, data)
			})
		})
	}
}

// TestWalkDialects visits the structures that only other systems have.
func TestWalkDialects(t *testing.T) {
	for _, tt := range []struct {
		name  string
		codec layers.Codec
		data  string // extensions
		want  string
	}{
		{"BSD sockaddrs have a length and an octet of family", layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian},
			"0300 0500 ff 20 0000" + "10 02 01f4 0a000001 0000000000000000",
			`ADDRESS_SRC.proto=255 ADDRESS_SRC.prefixlen=32 ADDRESS_SRC.reserved=0 ADDRESS_SRC.family=2(inet) ADDRESS_SRC.addr=10.0.0.1 ADDRESS_SRC.port=500`},
		{"a wrong sa_len is given", layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian},
			"0300 0500 ff 20 0000" + "1c 02 01f4 0a000001 0000000000000000",
			`ADDRESS_SRC.proto=255 ADDRESS_SRC.prefixlen=32 ADDRESS_SRC.reserved=0 ADDRESS_SRC.family=2(inet) ADDRESS_SRC.addr=10.0.0.1 ADDRESS_SRC.port=500 ADDRESS_SRC.sa_len=28`},
		{"OpenBSD has no prefix length", layers.Codec{Dialect: layers.OpenBSD, Order: layers.BigEndian},
			"0005 0006 01020304" + "1c 18 0000 00000000 20010db8000000000000000000000001 00000002 00000000",
			`ADDRESS_DST.reserved=16909060 ADDRESS_DST.family=24(inet6) ADDRESS_DST.addr=2001:db8::1 ADDRESS_DST.port=0 ADDRESS_DST.scope_id=2`},
		{"illumos has a source id and SPI ranges in network order", layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian},
			"0500 0600 00 80 0000" + "1a00 0000 00000000 20010db8000000000000000000000001 00000000 07000000" + "0200 1000 00000100 0fffffff 00000000",
			`ADDRESS_DST.proto=0 ADDRESS_DST.prefixlen=128 ADDRESS_DST.reserved=0 ADDRESS_DST.family=26(inet6) ADDRESS_DST.addr=2001:db8::1 ADDRESS_DST.port=0 ADDRESS_DST.src_id=7 ` +
				`SPIRANGE.min=0x00000100 SPIRANGE.max=0x0fffffff SPIRANGE.reserved=0`},
		{"KAME requests have 8 bytes", layers.Codec{Dialect: layers.NetBSD, Order: layers.LittleEndian},
			"0300 1200 0200 02 00 00000000 00000000" + "0800 3200 01 02 0500",
			`POLICY.type=2(IPSEC) POLICY.dir=2(OUTBOUND) POLICY.flags=0x0 POLICY.id=0 POLICY.reserved2=0 ` +
				`POLICY.requests.0.len=8 POLICY.requests.0.proto=50 POLICY.requests.0.mode=1(TRANSPORT) POLICY.requests.0.level=2(REQUIRE) POLICY.requests.0.reqid=5`},
		{"the longer SA of macOS", layers.Codec{Dialect: layers.MacOS, Order: layers.LittleEndian},
			"0300 0100 00001234 20 01 02 03 00000000 9411 1400 0500 f401",
			`SA.spi=0x00001234 SA.replay=32 SA.state=1(MATURE) SA.auth=2(SHA1HMAC) SA.encrypt=3(NULL) SA.flags=0x0 SA.natt_port=4500 SA.natt_interval=20 SA.natt_offload_interval=5 SA.natt_src_port=500`},
		{"the protocols of OpenBSD's flows", layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian},
			"0100 1300 06 00 00 00" + "0100 1400 03 02 01 00" + "0100 2300 02 00 00 00",
			`PROTOCOL.proto=6 PROTOCOL.direction=0 PROTOCOL.flags=0x0 PROTOCOL.reserved2=0 ` +
				`FLOW_TYPE.proto=3(REQUIRE) FLOW_TYPE.direction=2(OUT) FLOW_TYPE.flags=0x1(POLICY) FLOW_TYPE.reserved2=0 ` +
				`SATYPE2.proto=2(ESP) SATYPE2.direction=0 SATYPE2.flags=0x0 SATYPE2.reserved2=0`},
		{"illumos' extended proposals", layers.Codec{Dialect: layers.Illumos, Order: layers.BigEndian},
			"000c 0012 20 00 0001" + "03 00 0001 00000000" + strings.Repeat("00", 56) +
				"03 01 03 00 00a0 00a0" + "03 02 0c 00 0080 0100" + "03 09 01 00 0000 0000",
			`EPROP.replay=32 EPROP.ereserved=0 EPROP.numecombs=1 EPROP.ecombs.0.numalgs=3 EPROP.ecombs.0.reserved=0 EPROP.ecombs.0.flags=0x1(PFS) EPROP.ecombs.0.reserved2=0 ` +
				`EPROP.ecombs.0.soft_allocations=0 EPROP.ecombs.0.hard_allocations=0 EPROP.ecombs.0.soft_bytes=0 EPROP.ecombs.0.hard_bytes=0 ` +
				`EPROP.ecombs.0.soft_addtime=0 EPROP.ecombs.0.hard_addtime=0 EPROP.ecombs.0.soft_usetime=0 EPROP.ecombs.0.hard_usetime=0 ` +
				`EPROP.ecombs.0.algs.0.satype=3(ESP) EPROP.ecombs.0.algs.0.algtype=1(AUTH) EPROP.ecombs.0.algs.0.alg=3(SHA1HMAC) EPROP.ecombs.0.algs.0.reserved=0 EPROP.ecombs.0.algs.0.minbits=160 EPROP.ecombs.0.algs.0.maxbits=160 ` +
				`EPROP.ecombs.0.algs.1.satype=3(ESP) EPROP.ecombs.0.algs.1.algtype=2(CRYPT) EPROP.ecombs.0.algs.1.alg=12(AES) EPROP.ecombs.0.algs.1.reserved=0 EPROP.ecombs.0.algs.1.minbits=128 EPROP.ecombs.0.algs.1.maxbits=256 ` +
				`EPROP.ecombs.0.algs.2.satype=3(ESP) EPROP.ecombs.0.algs.2.algtype=9 EPROP.ecombs.0.algs.2.alg=1 EPROP.ecombs.0.algs.2.reserved=0 EPROP.ecombs.0.algs.2.minbits=0 EPROP.ecombs.0.algs.2.maxbits=0`},
		{"algorithms that the extension has no room for", layers.Codec{Dialect: layers.Illumos, Order: layers.BigEndian},
			"000a 0012 20 00 0001" + "ff 00 0001 00000000" + strings.Repeat("00", 64),
			`EPROP.replay=32 EPROP.ereserved=0 EPROP.numecombs=1 EPROP.tail=··(72 bytes)`},
		{"illumos' extended REGISTER", layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian},
			"0200 1100 02 03 00 00 0000000000000000",
			`EREG.satypes.0=2(AH) EREG.satypes.1=3(ESP) ` + func() string {
				var s []string
				for i := 2; i < 12; i++ {
					s = append(s, fmt.Sprintf("EREG.satypes.%d=0(UNSPEC)", i))
				}
				return strings.Join(s, " ")
			}()},
		{"the SPI of illumos' other direction is in network order", layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian},
			"0100 1700 00001234", `PAIR.spi=0x00001234`},
		{"OpenBSD's UDP port is in network order", layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian},
			"0100 1f00 1194 0000", `UDPENCAP.port=4500 UDPENCAP.reserved=0`},
		{"the SPI in macOS' statistics is in network order", layers.Codec{Dialect: layers.MacOS, Order: layers.LittleEndian},
			"0700 1500 01000000 00000000 01000000" + "00001234 10000000" + "0400 0200 05000000 0600000000000000 0700000000000000 0800000000000000",
			`SASTAT.dir=1(INBOUND) SASTAT.reserved=0 SASTAT.list_len=1 SASTAT.list.0.spi=0x00001234 SASTAT.list.0.created=16 ` +
				`SASTAT.list.0.lft_c.len=4 SASTAT.list.0.lft_c.exttype=2 SASTAT.list.0.lft_c.allocations=5 SASTAT.list.0.lft_c.bytes=6 SASTAT.list.0.lft_c.addtime=7 SASTAT.list.0.lft_c.usetime=8`},
		{"a tag longer than its extension", layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian},
			"0200 2100 ffffffff 6162630000000000",
			`TAG.taglen=4294967295 TAG.tag_hex=6162630000000000`},
		{"more statistics than there is room for", layers.Codec{Dialect: layers.MacOS, Order: layers.LittleEndian},
			"0200 1500 01000000 00000000 ffffffff",
			`SASTAT.dir=1(INBOUND) SASTAT.reserved=0 SASTAT.list_len=4294967295`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := unhex(t, tt.data)
			data := append(wire(tt.codec.Order, header(layers.ADD, 3, len(body))...), body...)
			if got := strings.Join(walk(tt.codec, data).flat(), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			checkWalk(t, tt.codec, data)
			roundTrip(t, tt.codec, data)
		})
	}
}

// TestWalkPlaces says exactly where some values are.
func TestWalkPlaces(t *testing.T) {
	c := linuxLE
	data := encode(t, c, &layers.Base{Type: layers.ADD, SAType: 3}, &layers.SA{SPI: 0x1234},
		c.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("[2001:db8::2]:4500"), 128, 0))
	// The same in a wrapper is 16 bytes later.
	wrapped := append(wire(c.Order, octets(2, layers.PROMISC, 0, 0), host16(uint16(len(data)/8+2)), host16(0), host32(0), host32(0)), data...)
	for at, data := range map[int][]byte{0: data, 16: wrapped} {
		for path, want := range map[string][2]int{
			"SA.spi":                {20, 4},
			"SA.encrypt":            {27, 1},
			"ADDRESS_DST.prefixlen": {37, 1},
			"ADDRESS_DST.family":    {40, 2},
			"ADDRESS_DST.port":      {42, 2},
			"ADDRESS_DST.addr":      {48, 16},
		} {
			found := false
			for _, pl := range walk(c, data).list {
				if pl.path == path {
					found = true
					if pl.offset != at+want[0] || pl.size != want[1] {
						t.Errorf("%s is at %d, %d bytes, want %d, %d", path, pl.offset, pl.size, at+want[0], want[1])
					}
				}
			}
			if !found {
				t.Errorf("%s was not visited", path)
			}
		}
		checkWalk(t, c, data)
	}
}

type idle struct{}

func (idle) Base(*layers.Base, int, int)                         {}
func (idle) Extension(*layers.Header, uint16, string, int, bool) {}
func (idle) Field(*layers.Field, *layers.Value)                  {}
func (idle) Open(layers.NodeKind, string)                        {}
func (idle) Close(layers.NodeKind)                               {}
func (idle) EndExtension()                                       {}
func (idle) Malformed([]byte, int, layers.Reason)                {}
func (idle) End()                                                {}

// TestAllocations holds the fast paths to none, on every message of the kernels.
func TestAllocations(t *testing.T) {
	records := linuxRecords(t)
	m := layers.Message{}
	var spans []layers.Span
	var v idle
	for name, f := range map[string]func(r *record){
		"Message": func(r *record) { m.Codec = r.codec; m.DecodeFromBytes(r.data, nil) },
		"Walk":    func(r *record) { r.codec.Walk(r.data, v) },
		"Secrets": func(r *record) { spans = r.codec.AppendSecrets(spans[:0], r.data) },
	} {
		all := func() {
			for i := range records {
				f(&records[i])
			}
		}
		all()
		// A pool may lose what it holds to the garbage collector, so one is not yet
		// wrong.
		if n := testing.AllocsPerRun(20, all); n > 1 && !poolsForget() {
			t.Errorf("%s: %v allocations for %d messages, want none", name, n, len(records))
		}
	}
}

// poolsForget reports whether sync.Pool drops what it is given, as it does under
// the race detector.
func poolsForget() bool {
	var p sync.Pool
	for range 100 {
		if p.Put(new(int)); p.Get() == nil {
			return true
		}
	}
	return false
}
