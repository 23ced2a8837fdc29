package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// ruleCase is a message that breaks a rule, and one like it that does not.
type ruleCase struct {
	code string
	dir  check.Direction
	bad  func(*maker) []byte
	good func(*maker) []byte
}

// maker makes messages for one codec.
type maker struct {
	t testing.TB
	c layers.Codec
}

func (m *maker) msg(x *message) []byte { return x.bytes(m.t, m.c) }

// edit changes an encoded message.
func (m *maker) edit(b []byte, change func(b []byte, put16 func(at int, v uint16))) []byte {
	change(b, func(at int, v uint16) { byteOrder(m.c).PutUint16(b[at:], v) })
	return b
}

// espADD is an ADD that nobody objects to: SA at byte 16, ADDRESS_SRC at 32,
// ADDRESS_DST at 56, KEY_AUTH at 80, KEY_ENCRYPT at 152.
func espADD() *message {
	return newMessage(layers.ADD, layers.SATypeESP).add(sa(0x1000, 7, 12), src4(), dst4(),
		key(layers.LayerTypeKeyAuth, 512), key(layers.LayerTypeKeyEncrypt, 128))
}

// add makes an ADD of other parts.
func add(satype uint8, exts ...extFunc) *message {
	return newMessage(layers.ADD, satype).add(exts...)
}

func goodADD(m *maker) []byte { return m.msg(espADD()) }

func goodGET(m *maker) []byte {
	return m.msg(newMessage(layers.GET, layers.SATypeESP).add(sa(0x1000, 0, 0), src4(), dst4()))
}

func bare(msgType, satype uint8) func(*maker) []byte {
	return func(m *maker) []byte { return m.msg(newMessage(msgType, satype)) }
}

// with makes a case of two messages.
func with(x *message) func(*maker) []byte { return func(m *maker) []byte { return m.msg(x) } }

// edited makes a message and changes octets of it.
func edited(make func(*maker) []byte, change func(b []byte, put16 func(at int, v uint16))) func(*maker) []byte {
	return func(m *maker) []byte { return m.edit(make(m), change) }
}

var (
	authKey = func(bits int) extFunc { return key(layers.LayerTypeKeyAuth, bits) }
	encKey  = func(bits int) extFunc { return key(layers.LayerTypeKeyEncrypt, bits) }
	ipsec   = layers.Policy{Type: 2, Dir: 2, Priority: 1}
	esp     = layers.Request{Proto: 50, Mode: 1, Level: 2}
)

// spdadd makes an SPDADD with the policy that p makes.
func spdadd(p func(c layers.Codec) layers.Extension) func(*maker) []byte {
	return with(newMessage(layers.SPDADD, 0).add(src4(), dst4(), p))
}

// requestsOf makes a policy whose requests need a codec.
func requestsOf(p layers.Policy, f func(c layers.Codec) []layers.Request) extFunc {
	return func(c layers.Codec) layers.Extension { return policy(p, f(c)...)(c) }
}

func migrate(exts ...extFunc) func(*maker) []byte {
	return with(newMessage(layers.MIGRATE, 0).add(src4(), dst4()).add(exts...))
}

// moves are the requests of a MIGRATE that moves an endpoint.
func moves(change func(c layers.Codec, r []layers.Request) []layers.Request) extFunc {
	return requestsOf(ipsec, func(c layers.Codec) []layers.Request {
		r := []layers.Request{tunnel(c, "192.0.2.1", "192.0.2.2"), tunnel(c, "192.0.2.1", "192.0.2.3")}
		if change != nil {
			r = change(c, r)
		}
		return r
	})
}

var goodMigrate = migrate(moves(nil))

var goodPolicy = spdadd(policy(ipsec, esp))

var goodGETSPI = with(newMessage(layers.GETSPI, layers.SATypeESP).add(src4(), dst4(), spiRange(0x100, 0x200)))

func spiRange(min, max uint32) extFunc {
	return func(layers.Codec) layers.Extension { return &layers.SPIRange{Min: min, Max: max} }
}

func sa2(mode uint8) extFunc {
	return func(layers.Codec) layers.Extension { return &layers.SA2{Mode: mode} }
}

func natt(t uint8) extFunc {
	return func(layers.Codec) layers.Extension { return &layers.NATTType{Type: t} }
}

func filter(src, dst uint8) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.Filter{Family: 2, SrcPrefixLen: src, DstPrefixLen: dst}
	}
}

func secCtx(n uint16, octets int) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.SecCtx{CtxAlg: 1, CtxDOI: 1, CtxLen: n, Context: make([]byte, octets)}
	}
}

func sockaddr(t extFunc, change func(x *layers.Address)) extFunc {
	return func(c layers.Codec) layers.Extension {
		x := t(c).(*layers.Address)
		change(x)
		return x
	}
}

func lifetimes(hard, soft uint64) []extFunc {
	return []extFunc{lifetime(layers.LayerTypeLifetimeHard, hard), lifetime(layers.LayerTypeLifetimeSoft, soft)}
}

func replyADD() *message {
	x := espADD()
	x.exts = append(x.exts, lifetime(layers.LayerTypeLifetimeHard, 0), lifetime(layers.LayerTypeLifetimeSoft, 0),
		lifetime(layers.LayerTypeLifetimeCurrent, 5), sa2(1))
	return x
}

// rfcADD is a reply by the RFC: no keys.
func rfcADD(exts ...extFunc) *message {
	return newMessage(layers.ADD, layers.SATypeESP).add(sa(0x1000, 7, 12), src4(), dst4()).add(exts...)
}

func identity(t uint16, data string) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.Identity{Header: layers.For(layers.LayerTypeIdentitySrc), Type: t, Data: []byte(data)}
	}
}

func sensitivity(sens, integ uint8, octets int) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.Sensitivity{SensLen: sens, IntegLen: integ, Bitmaps: make([]byte, octets)}
	}
}

func proposal(c layers.Comb, extra ...byte) extFunc {
	return func(codec layers.Codec) layers.Extension {
		return &layers.Proposal{Replay: 32, List: append(codec.AppendComb(nil, c), extra...)}
	}
}

func acquire(exts ...extFunc) *message {
	return newMessage(layers.ACQUIRE, layers.SATypeESP).add(src4(), dst4()).add(exts...)
}

const (
	to      = check.ToKernel
	from    = check.FromKernel
	unknown = check.Unknown
)

var linuxCases = []ruleCase{
	{"send-buffer", to, with(newMessage(layers.REGISTER, 3).add(raw(99, make([]byte, 300_000)...))), bare(layers.REGISTER, 3)},
	{"short-header", to, func(m *maker) []byte { return goodADD(m)[:15] }, goodADD},
	{"message-version", to, edited(goodADD, func(b []byte, _ func(int, uint16)) { b[0] = 3 }), goodADD},
	{"message-reserved", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(6, 1) }), goodADD},
	{"message-type", to, edited(goodADD, func(b []byte, _ func(int, uint16)) { b[1] = 25 }), bare(layers.SPDFLUSH, 0)},
	{"message-length", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(4, 2) }), goodADD},
	{"trailing-bytes", to, func(m *maker) []byte { return append(goodADD(m), 1, 2, 3) }, goodADD},
	{"extension-length-zero", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(16, 0) }), goodADD},
	{"extension-overrun", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(16, 1000) }), goodADD},
	{"extension-type", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(18, 0) }), goodADD},
	{"extension-short", to, with(add(3, raw(1, 0, 0, 0x10, 0), src4(), dst4(), authKey(512), encKey(128))), goodADD},
	{"extension-duplicate", to, with(espADD().add(sa(0x1000, 7, 12))), goodADD},
	{"address-short", to, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), raw(6, 0, 32, 0, 0))), goodGET},
	{"address-family", to, edited(goodGET, func(_ []byte, put16 func(int, uint16)) { put16(40, 99) }), goodGET},
	{"address-length", to, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(),
		sockaddr(dst4(), func(x *layers.Address) { x.Sockaddr = append(x.Sockaddr, make([]byte, 8)...) }))), goodGET},
	{"address-prefix", to, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), addr(layers.LayerTypeAddressDst, "192.0.2.9", 0, 33, 0))),
		with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), addr(layers.LayerTypeAddressDst, "192.0.2.9", 0, 0, 0)))},
	{"key-overrun", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(84, 513) }), goodADD},
	{"context-length", to, with(espADD().add(secCtx(9, 8))), with(espADD().add(secCtx(8, 8)))},
	{"unknown-extension", to, with(espADD().add(raw(27, 0, 0, 0, 0))), goodADD},
	{"extension-long", to, with(newMessage(layers.GET, 3).add(saWith(layers.SA{SPI: 0x1000, Tail: make([]byte, 8)}), src4(), dst4())), goodGET},
	{"extension-ignored", to, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), dst4(), sa2(1))), goodGET},
	{"errno-set", to, edited(goodGET, func(b []byte, _ func(int, uint16)) { b[2] = 5 }), edited(bare(layers.ACQUIRE, 3), func(b []byte, _ func(int, uint16)) { b[2] = 5 })},
	{"kernel-only", to, bare(layers.EXPIRE, 3), bare(layers.SPDDUMP, 0)},
	{"acquire-not-bare", to, with(acquire()), bare(layers.ACQUIRE, 3)},
	{"sa-missing", to, with(newMessage(layers.DELETE, 3).add(src4(), dst4())), goodGET},
	{"address-missing", to, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), dst4())), goodGET},
	{"address-families", to, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), dst6())), goodGET},
	{"policy-missing", to, bare(layers.SPDGET, 0), with(newMessage(layers.SPDGET, 0).add(policy(layers.Policy{ID: 8})))},
	{"key-missing", to, with(add(3, sa(0x1000, 7, 11), src4(), dst4(), authKey(512))), with(add(3, sa(0x1000, 7, 11), src4(), dst4(), authKey(512), encKey(0)))},
	{"lifetime-pair", to, with(espADD().add(lifetimes(20, 10)[:1]...)), with(espADD().add(lifetimes(20, 10)...))},
	{"satype", to, bare(layers.FLUSH, 5), bare(layers.FLUSH, 0)},
	{"satype-empty", to, with(newMessage(layers.GET, 0).add(sa(0x1000, 0, 0), src4(), dst4())), goodGET},
	{"algorithm-range", to, with(add(3, sa(0x1000, 7, 254), src4(), dst4(), authKey(512), encKey(128))), goodADD},
	{"key-empty", to, with(add(3, sa(0x1000, 7, 12), src4(), dst4(), authKey(0), encKey(128))), goodADD},
	{"context-unchecked", to, with(espADD().add(secCtx(8, 8))), goodADD},
	{"algorithm-unknown", to, with(add(3, sa(0x1000, 99, 12), src4(), dst4(), authKey(512), encKey(128))), goodADD},
	{"algorithm-aead", to, with(add(3, sa(0x1000, 0, 20), src4(), dst4(), encKey(160))), goodADD},
	{"mode", to, with(espADD().add(sa2(4))), with(espADD().add(sa2(3)))},
	{"proxy-family", to, with(espADD().add(sa2(1), addr(layers.LayerTypeAddressProxy, "2001:db8::9", 0, 128, 0))),
		with(espADD().add(sa2(2), addr(layers.LayerTypeAddressProxy, "2001:db8::9", 0, 128, 0)))},
	{"satype-unspec", to, with(add(0, sa(0x1000, 7, 12), src4(), dst4(), authKey(512), encKey(128))), goodADD},
	{"algorithm-missing", to, with(add(9, sa(0x1000, 0, 0), src4(), dst4())), with(add(9, sa(0x1000, 0, 2), src4(), dst4()))},
	{"key-size", to, with(add(3, sa(0x1000, 7, 12), src4(), dst4(), authKey(512), encKey(120))),
		with(add(3, sa(0x1000, 7, 12), src4(), dst4(), authKey(512), encKey(192)))},
	{"ipcomp-mode", to, with(add(9, sa(0x1000, 0, 2), src4(), dst4(), sa2(3))), with(add(9, sa(0x1000, 0, 2), src4(), dst4(), sa2(2)))},
	{"encapsulation-satype", to, with(add(2, sa(0x1000, 7, 0), src4(), dst4(), authKey(512), natt(2))), with(espADD().add(natt(2)))},
	{"encapsulation-type", to, with(espADD().add(natt(0))), with(espADD().add(natt(2)))},
	{"encapsulation-kernel", to, with(espADD().add(natt(1))), with(espADD().add(natt(2)))},
	{"spi-reserved", to, with(add(3, sa(0xff, 7, 12), src4(), dst4(), authKey(512), encKey(128))), goodADD},
	{"cpi-size", to, with(add(9, sa(0x10000, 0, 2), src4(), dst4())), with(add(9, sa(0xffff, 0, 2), src4(), dst4()))},
	{"state-ignored", to, with(add(9, saWith(layers.SA{SPI: 0x1000, Encrypt: 2}), src4(), dst4())), goodADD},
	{"replay-window", to, with(add(9, saWith(layers.SA{SPI: 0x1000, Encrypt: 2, State: 1, Replay: 33}), src4(), dst4())), goodADD},
	{"key-absent", to, with(add(3, sa(0x1000, 7, 12), src4(), dst4(), encKey(128))), goodADD},
	{"key-unused", to, with(add(3, sa(0x1000, 0, 12), src4(), dst4(), authKey(512), encKey(128))), goodADD},
	{"auth-key-size", to, with(add(3, sa(0x1000, 7, 12), src4(), dst4(), authKey(256), encKey(128))), goodADD},
	{"key-bits", to, with(add(3, sa(0x1000, 7, 12), src4(), dst4(), authKey(511), encKey(128))), goodADD},
	{"sha256-truncation", to, with(add(3, sa(0x1000, 5, 12), src4(), dst4(), authKey(256), encKey(128))), goodADD},
	{"lifetime-order", to, with(espADD().add(lifetimes(20, 20)...)), with(espADD().add(lifetimes(20, 19)...))},
	{"spirange", to, with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x200, 0x100))), goodGETSPI},
	{"spirange-cpi", to, with(newMessage(layers.GETSPI, 9).add(src4(), dst4())),
		with(newMessage(layers.GETSPI, 9).add(src4(), dst4(), spiRange(0x100, 0xffff)))},
	{"spirange-all", to, with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0, 0xffffffff))),
		with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x100, 0xffffffff)))},
	{"spirange-low", to, with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0xff, 0x100))), goodGETSPI},
	{"register-satype", to, bare(layers.REGISTER, 10), bare(layers.REGISTER, 9)},
	{"filter-prefix", to, with(newMessage(layers.DUMP, 3).add(filter(32, 129))), with(newMessage(layers.DUMP, 3).add(filter(32, 128)))},
	{"promisc-satype", to, bare(layers.PROMISC, 2), bare(layers.PROMISC, 1)},
	{"policy-type", to, spdadd(policy(layers.Policy{Type: 3, Dir: 2})), spdadd(policy(layers.Policy{Type: 1, Dir: 2}))},
	{"policy-direction", to, spdadd(policy(layers.Policy{Type: 1, Dir: 4})), spdadd(policy(layers.Policy{Type: 1, Dir: 3}))},
	{"policy-id", to, with(newMessage(layers.SPDDELETE2, 0).add(policy(layers.Policy{ID: 11}))), with(newMessage(layers.SPDDELETE2, 0).add(policy(layers.Policy{ID: 10})))},
	{"policy-empty", to, spdadd(policy(ipsec)), goodPolicy},
	{"policy-unused", to, spdadd(policy(layers.Policy{Type: 0, Dir: 1}, esp)), goodPolicy},
	{"request-length", to, spdadd(policy(ipsec, layers.Request{Len: 15, Proto: 50, Mode: 1, Level: 2})), goodPolicy},
	{"request-depth", to, spdadd(policy(ipsec, slices.Repeat([]layers.Request{esp}, 7)...)), spdadd(policy(ipsec, slices.Repeat([]layers.Request{esp}, 6)...))},
	{"request-mode", to, spdadd(policy(ipsec, layers.Request{Proto: 50, Level: 2})), goodPolicy},
	{"request-protocol", to, spdadd(policy(ipsec, layers.Request{Proto: 3, Mode: 1, Level: 2})), spdadd(policy(ipsec, layers.Request{Proto: 108, Mode: 1, Level: 2}))},
	{"request-level", to, spdadd(policy(ipsec, layers.Request{Proto: 50, Mode: 3, Level: 1})),
		spdadd(policy(layers.Policy{Type: 2, Dir: 1}, layers.Request{Proto: 50, Mode: 3, Level: 1}))},
	{"request-addresses", to, spdadd(policy(ipsec, layers.Request{Proto: 50, Mode: 2, Level: 2})),
		spdadd(requestsOf(ipsec, func(c layers.Codec) []layers.Request {
			return []layers.Request{tunnel(c, "2001:db8::1", "2001:db8::2")}
		}))},
	{"request-unused", to, spdadd(requestsOf(ipsec, func(c layers.Codec) []layers.Request {
		r := tunnel(c, "192.0.2.1", "192.0.2.2")
		r.Mode = 1
		return []layers.Request{r}
	})), goodPolicy},
	{"request-trailing", to, spdadd(func(c layers.Codec) layers.Extension {
		x := policy(ipsec, esp)(c).(*layers.Policy)
		x.List = append(x.List, make([]byte, 8)...)
		return x
	}), goodPolicy},
	{"request-reqid", to, spdadd(policy(ipsec, layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: 0x4000})),
		spdadd(policy(ipsec, layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: 0x3fff}))},
	{"migrate-pairs", to, migrate(moves(func(_ layers.Codec, r []layers.Request) []layers.Request { return r[:1] })), goodMigrate},
	{"migrate-mismatch", to, migrate(moves(func(_ layers.Codec, r []layers.Request) []layers.Request { r[1].ReqID = 1; return r })), goodMigrate},
	{"migrate-any", to, migrate(moves(func(c layers.Codec, r []layers.Request) []layers.Request {
		r[1].Sockaddrs = pairOf(c, "192.0.2.1", "0.0.0.0")
		return r
	})), goodMigrate},
	{"migrate-twice", to, migrate(moves(func(c layers.Codec, _ []layers.Request) []layers.Request {
		r := []layers.Request{tunnel(c, "2001:db8::1", "2001:db8::2"), tunnel(c, "2001:db8::1", "2001:db8::3")}
		return append(r, r...)
	})), goodMigrate},
	{"migrate-twice-ipv4", to, migrate(moves(func(_ layers.Codec, r []layers.Request) []layers.Request { return append(r, r...) })), goodMigrate},
	{"kmaddress", to, migrate(moves(nil), func(c layers.Codec) layers.Extension {
		return &layers.KMAddress{Sockaddrs: pairOf(c, "192.0.2.1", "2001:db8::1")}
	}), migrate(moves(nil), func(c layers.Codec) layers.Extension {
		return &layers.KMAddress{Sockaddrs: pairOf(c, "192.0.2.1", "192.0.2.2")}
	})},
	{"reply-missing", from, goodADD, with(replyADD())},
	{"reply-error-body", from, edited(with(replyADD()), func(b []byte, _ func(int, uint16)) { b[2] = 22 }),
		edited(bare(layers.ADD, 3), func(b []byte, _ func(int, uint16)) { b[2] = 22 })},
	{"reply-length", unknown, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(4, 2) }), goodADD},
}

var rfcCases = []ruleCase{
	{"rfc-short-header", to, func(m *maker) []byte { return goodADD(m)[:15] }, goodADD},
	{"rfc-version", to, edited(goodADD, func(b []byte, _ func(int, uint16)) { b[0] = 1 }), goodADD},
	{"rfc-length", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(4, 2) }), goodADD},
	{"rfc-reserved", to, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(6, 1) }), goodADD},
	{"rfc-errno", to, edited(goodADD, func(b []byte, _ func(int, uint16)) { b[2] = 5 }), goodADD},
	{"rfc-pid", to, edited(goodADD, func(b []byte, _ func(int, uint16)) { clear(b[12:16]) }), goodADD},
	{"rfc-type", to, edited(bare(layers.FLUSH, 0), func(b []byte, _ func(int, uint16)) { b[1] = 200 }), bare(layers.FLUSH, 0)},
	{"rfc-framing", unknown, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(16, 0) }), goodADD},
	{"rfc-extension-type", unknown, edited(goodADD, func(_ []byte, put16 func(int, uint16)) { put16(18, 0) }), goodADD},
	{"rfc-extension-short", unknown, with(newMessage(layers.GET, 3).add(raw(1, 0, 0, 0x10, 0))), goodGET},
	{"rfc-duplicate", unknown, with(espADD().add(sa(0x1000, 7, 12))), goodADD},
	{"rfc-order", unknown, with(add(3, src4(), dst4(), sa(0x1000, 7, 12), authKey(512), encKey(128))), goodADD},
	{"rfc-reserved-field", unknown, with(add(3, sa(0x1000, 7, 12), sockaddr(src4(), func(x *layers.Address) { x.Reserved = 1 }), dst4(), authKey(512), encKey(128))), goodADD},
	{"rfc-padding", unknown, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), addr(layers.LayerTypeAddressSrc, "2001:db8::1", 0, 128, 0),
		sockaddr(dst6(), func(x *layers.Address) { x.Sockaddr[31] = 1 }))), goodGET},
	{"rfc-address", unknown, edited(goodGET, func(_ []byte, put16 func(int, uint16)) { put16(40, 99) }), goodGET},
	{"rfc-address-zero", unknown, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), sockaddr(dst4(), func(x *layers.Address) { x.Sockaddr[15] = 1 }))), goodGET},
	{"rfc-prefix", unknown, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), addr(layers.LayerTypeAddressDst, "192.0.2.9", 0, 33, 0))), goodGET},
	{"rfc-port", to, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), addr(layers.LayerTypeAddressDst, "192.0.2.9", 53, 32, 17))), goodGET},
	{"rfc-port-proto", from, with(acquire(addr(layers.LayerTypeAddressProxy, "192.0.2.9", 53, 32, 0), proposal(layers.Comb{}))),
		with(acquire(addr(layers.LayerTypeAddressProxy, "192.0.2.9", 53, 32, 17), proposal(layers.Comb{})))},
	{"rfc-address-pair", unknown, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), dst4())), goodGET},
	{"rfc-families", unknown, with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), src4(), dst6())), goodGET},
	{"rfc-key-bits", to, with(add(3, sa(0x1000, 7, 11), src4(), dst4(), authKey(512), encKey(0))), goodADD},
	{"rfc-key-length", to, with(add(3, sa(0x1000, 7, 12), src4(), dst4(), authKey(512), func(layers.Codec) layers.Extension {
		return &layers.Key{Header: layers.For(layers.LayerTypeKeyEncrypt), Bits: 128, Octets: make([]byte, 24)}
	})), goodADD},
	{"rfc-identity", to, with(espADD().add(identity(2, "a.example.org123"))), with(espADD().add(identity(2, "a.example.org\x00\x00\x00")))},
	{"rfc-sensitivity", to, with(espADD().add(sensitivity(2, 0, 8))), with(espADD().add(sensitivity(1, 1, 16)))},
	{"rfc-proposal", from, with(acquire(proposal(layers.Comb{}, make([]byte, 8)...))), with(acquire(proposal(layers.Comb{})))},
	{"rfc-bits", from, with(acquire(proposal(layers.Comb{Auth: 3, AuthMinBits: 161, AuthMaxBits: 160}))),
		with(acquire(proposal(layers.Comb{Auth: 3, AuthMinBits: 160, AuthMaxBits: 160})))},
	{"rfc-spirange", to, with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x200, 0x100))), goodGETSPI},
	{"rfc-satype", to, with(newMessage(layers.GET, 0).add(sa(0x1000, 0, 0), src4(), dst4())), goodGET},
	{"rfc-state", to, with(add(3, saWith(layers.SA{SPI: 0x1000, Auth: 7, Encrypt: 12}), src4(), dst4(), authKey(512), encKey(128))), goodADD},
	{"rfc-algorithm-missing", to, with(add(2, sa(0x1000, 0, 0), src4(), dst4(), authKey(512))), with(add(2, sa(0x1000, 7, 0), src4(), dst4(), authKey(512)))},
	{"rfc-required", to, with(newMessage(layers.GETSPI, 3).add(src4(), dst4())), goodGETSPI},
	{"rfc-forbidden", from, with(rfcADD(encKey(128))), with(rfcADD())},
	{"rfc-error-body", from, edited(goodGET, func(b []byte, _ func(int, uint16)) { b[2] = 22 }), edited(bare(layers.GET, 3), func(b []byte, _ func(int, uint16)) { b[2] = 22 })},
	{"rfc-lifetime-order", to, with(espADD().add(lifetimes(20, 21)...)), with(espADD().add(lifetimes(20, 20)...))},
	{"rfc-expire", from, with(newMessage(layers.EXPIRE, 3).add(sa(0x1000, 7, 12), lifetime(layers.LayerTypeLifetimeCurrent, 1), src4(), dst4())),
		with(newMessage(layers.EXPIRE, 3).add(sa(0x1000, 7, 12), lifetime(layers.LayerTypeLifetimeCurrent, 1), lifetime(layers.LayerTypeLifetimeSoft, 1), src4(), dst4()))},
	{"rfc-acquire", to, bare(layers.ACQUIRE, 3), edited(bare(layers.ACQUIRE, 3), func(b []byte, _ func(int, uint16)) { b[2] = 22 })},
	{"rfc-promisc", to, bare(layers.PROMISC, 2), bare(layers.PROMISC, 0)},
	{"rfc-promisc", from, bare(layers.PROMISC, 2), edited(bare(layers.PROMISC, 2), func(b []byte, _ func(int, uint16)) { b[2] = 22 })},
}

// codecs are those of the messages that several tests make.
var codecs = []layers.Codec{
	{Dialect: layers.Linux, Order: layers.LittleEndian},
	{Dialect: layers.Linux, Order: layers.BigEndian},
}

func find(list []check.Problem, code string) *check.Problem {
	for i := range list {
		if list[i].Code == code {
			return &list[i]
		}
	}
	return nil
}

// ruleCases are the cases of each dialect's rules, and the dialect in whose form
// their messages are made: RFC 2367's cases are messages of Linux.
var ruleCases = []struct {
	by, form layers.Dialect
	cases    []ruleCase
}{
	{layers.Linux, layers.Linux, linuxCases},
	{layers.RFC2367, layers.Linux, rfcCases},
	{layers.OpenBSD, layers.OpenBSD, openBSDCases},
	{layers.Illumos, layers.Illumos, illumosCases},
	{layers.FreeBSD, layers.FreeBSD, kameCasesOf(layers.FreeBSD)},
	{layers.NetBSD, layers.NetBSD, kameCasesOf(layers.NetBSD)},
	{layers.MacOS, layers.MacOS, kameCasesOf(layers.MacOS)},
	{layers.DragonFly, layers.DragonFly, kameCasesOf(layers.DragonFly)},
}

type ruleKey struct {
	by   layers.Dialect
	code string
}

// TestRules tries every rule with a message that breaks it and one that does not.
func TestRules(t *testing.T) {
	rules := map[ruleKey]check.Rule{}
	for _, r := range check.Rules() {
		rules[ruleKey{r.Dialect, r.Code}] = r
	}
	tried := map[ruleKey]bool{}
	for _, set := range ruleCases {
		for _, rc := range set.cases {
			key := ruleKey{set.by, rc.code}
			rule, ok := rules[key]
			if !ok {
				t.Errorf("%v has no rule %q", set.by, rc.code)
				continue
			}
			tried[key] = true
			for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
				m := &maker{t, layers.Codec{Dialect: set.form, Order: order}}
				t.Run(set.by.String()+"/"+rc.code+"/"+order.Abbrev(), func(t *testing.T) { m.t = t; tryRule(t, m, &rule, &rc) })
			}
		}
	}
	for key, rule := range rules {
		if !tried[key] && !rule.State { // TestModel tries those
			t.Errorf("rule %v is not tried", key)
		}
	}
}

func tryRule(t *testing.T, m *maker, rule *check.Rule, rc *ruleCase) {
	bad, good := rc.bad(m), rc.good(m)
	list := check.Judge(rule.Dialect, m.c, bad, rc.dir)
	p := find(list, rc.code)
	if p == nil {
		t.Fatalf("not found; problems: %v", texts(list))
	}
	t.Log(p.String())
	if p.Severity != rule.Severity || p.Instead != rule.Instead || p.Source != rule.Source {
		t.Errorf("%+v is not of rule %+v", *p, rule)
	}
	if p.Offset < 0 || p.Len < 0 || p.Offset+p.Len > len(bad) {
		t.Errorf("bytes %d to %d of %d", p.Offset, p.Offset+p.Len, len(bad))
	}
	if (p.Len == 0 && p.Ext != "") != strings.HasPrefix(p.Text, "missing") {
		t.Errorf("%d bytes at fault, text %q", p.Len, p.Text)
	}
	if g := find(check.Judge(rule.Dialect, m.c, good, rc.dir), rc.code); g != nil {
		t.Errorf("found in a sound message: %s", g.String())
	}
	if rule.Dialect == layers.RFC2367 || rc.dir != check.ToKernel {
		if p.Errno != 0 || p.ByWrite {
			t.Errorf("errno %d in direction %d", p.Errno, rc.dir)
		}
		return
	}
	v := check.Predict(rule.Dialect, m.c, bad)
	switch {
	case p.Errno != rule.Errno || p.ByWrite != rule.ByWrite:
		t.Errorf("errno %d by write %v, the rule says %d, %v", p.Errno, p.ByWrite, rule.Errno, rule.ByWrite)
	case rule.Errno != 0 && (v.Problem.Code != rc.code || v.Errno != rule.Errno || v.ByWrite != rule.ByWrite):
		t.Errorf("verdict %d by %q (%s)", v.Errno, v.Problem.Code, v.Problem.String())
	case rule.Errno == 0 && v.Errno != 0:
		t.Errorf("verdict %d by %q", v.Errno, v.Problem.Code)
	}
	for _, e := range rule.May {
		if !v.Allows(e) {
			t.Errorf("verdict does not allow %d, possible are %v", e, v.Possible)
		}
	}
	if v := check.Predict(rule.Dialect, m.c, good); v.Errno != 0 {
		t.Errorf("the sound message is refused: %d, %s", v.Errno, v.Problem.String())
	}
}

func texts(list []check.Problem) []string {
	var s []string
	for i := range list {
		s = append(s, list[i].Code+": "+list[i].String())
	}
	return s
}

// TestSoundMessages holds that nobody objects to what is sound.
func TestSoundMessages(t *testing.T) {
	for _, c := range codecs {
		m := &maker{t, c}
		for name, b := range map[string][]byte{
			"ADD": goodADD(m), "GET": goodGET(m), "GETSPI": goodGETSPI(m), "SPDADD": goodPolicy(m), "MIGRATE": goodMigrate(m),
			"ADD AH":     m.msg(add(2, sa(0x1000, 3, 0), src4(), dst4(), authKey(160))),
			"ADD IPCOMP": m.msg(add(9, sa(0x1000, 0, 2), src4(), dst4())),
			"FLUSH":      bare(layers.FLUSH, 0)(m),
		} {
			for _, list := range [][]check.Problem{check.Judge(layers.Linux, c, b, to), check.Judge(layers.RFC2367, c, b, to), check.Judge(layers.Linux, c, b, unknown), check.Judge(layers.RFC2367, c, b, unknown)} {
				if list != nil {
					t.Errorf("%v %s: %v", c, name, texts(list))
				}
			}
		}
	}
}

// TestRulesTable holds the list of rules to what documents need.
func TestRulesTable(t *testing.T) {
	seen := map[ruleKey]bool{}
	for _, r := range check.Rules() {
		if seen[ruleKey{r.Dialect, r.Code}] {
			t.Errorf("%v has two rules %q", r.Dialect, r.Code)
		}
		seen[ruleKey{r.Dialect, r.Code}] = true
		switch {
		case r.Code == "" || r.Text == "" || r.Instead == "" || r.Source == "":
			t.Errorf("rule %+v is not documented", r)
		case strings.ToLower(r.Code) != r.Code || strings.ContainsAny(r.Code, " _"):
			t.Errorf("code %q", r.Code)
		case r.Dialect != layers.Linux && strings.Contains(r.Text+r.Instead, "Linux"):
			t.Errorf("%v %s speaks of Linux: %s; %s", r.Dialect, r.Code, r.Text, r.Instead)
		case strings.HasSuffix(r.Text, ".") || strings.HasSuffix(r.Instead, "."):
			t.Errorf("%s: a sentence ends in a full stop", r.Code)
		case strings.HasPrefix(r.Code, "rfc-") != (r.Dialect == layers.RFC2367):
			t.Errorf("%s: dialect %v", r.Code, r.Dialect)
		case r.ByWrite && r.Errno == 0, r.Errno != 0 && r.Severity != check.Error, r.Errno != 0 && r.May != nil:
			t.Errorf("%s: errno %d, by write %v, severity %v, may %v", r.Code, r.Errno, r.ByWrite, r.Severity, r.May)
		case r.Errno != 0 && r.Dialect.ErrnoName(r.Errno) == "":
			t.Errorf("%s: errno %d", r.Code, r.Errno)
		}
	}
	if list := check.Rules(); len(list) > 0 {
		list[0].Code = "changed"
		if check.Rules()[0].Code == "changed" {
			t.Error("Rules gives away its table")
		}
	}
}

// TestWrapper holds that RFC looks into an X_PROMISC wrapper, with offsets in the
// record, and that Linux reads the inner header as an extension.
func TestWrapper(t *testing.T) {
	for _, c := range codecs {
		m := &maker{t, c}
		inner := m.edit(goodADD(m), func(_ []byte, put16 func(int, uint16)) { put16(18, 0) })
		outer := bare(layers.PROMISC, 0)(m)
		outer = m.edit(append(outer, inner...), func(b []byte, put16 func(int, uint16)) { put16(4, uint16(len(b)/8)) })
		twice := m.edit(append(bare(layers.PROMISC, 0)(m), outer...), func(b []byte, put16 func(int, uint16)) { put16(4, uint16(len(b)/8)) })
		for depth, b := range [][]byte{inner, outer, twice} {
			p := find(check.Judge(layers.RFC2367, c, b, check.Unknown), "rfc-extension-type")
			if p == nil || p.Offset != 16+16*depth {
				t.Errorf("%v, %d wrappers: %+v", c, depth, p)
			}
		}
		v := check.Predict(layers.Linux, c, outer)
		if v.Errno != 22 || v.Problem.Code != "extension-overrun" {
			t.Errorf("%v: Linux answers %d (%s) to a wrapper", c, v.Errno, v.Problem.Code)
		}
	}
}
