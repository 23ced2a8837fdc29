package check_test

import (
	"math"
	"slices"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
)

// kameCase is a case of the rules of some systems.
type kameCase struct {
	on []layers.Dialect
	ruleCase
}

var (
	onFreeBSD   = []layers.Dialect{layers.FreeBSD}
	onNetBSD    = []layers.Dialect{layers.NetBSD}
	onMacOS     = []layers.Dialect{layers.MacOS}
	onDragonFly = []layers.Dialect{layers.DragonFly}
	onNetIPsec  = []layers.Dialect{layers.FreeBSD, layers.NetBSD}
	onNetKey    = []layers.Dialect{layers.MacOS, layers.DragonFly}
	onQuiet     = []layers.Dialect{layers.NetBSD, layers.DragonFly}
	onKAME      = []layers.Dialect{layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly}
	notMacOS    = []layers.Dialect{layers.FreeBSD, layers.NetBSD, layers.DragonFly}
	notFreeBSD  = []layers.Dialect{layers.NetBSD, layers.MacOS, layers.DragonFly}
)

func kameCasesOf(d layers.Dialect) []ruleCase {
	var list []ruleCase
	for _, c := range kameCases {
		if slices.Contains(c.on, d) {
			list = append(list, c.ruleCase)
		}
	}
	return list
}

const aes = 12 // AESCBC, the same on every system of the family

// sha1 is HMAC-SHA1, which KAME's own numbering calls 2.
func sha1(c layers.Codec) uint8 {
	v, _ := c.Dialect.EnumValue(layers.EnumAuth, "SHA1HMAC")
	return uint8(v)
}

// kameSA is an SA with HMAC-SHA1 and the given cipher, changed.
func kameSA(encrypt uint8, change func(x *layers.SA)) extFunc {
	return func(c layers.Codec) layers.Extension {
		x := &layers.SA{SPI: 0x1000, Replay: 4, State: 1, Auth: sha1(c), Encrypt: encrypt}
		if change != nil {
			change(x)
		}
		return x
	}
}

// kameESP is a request of an ESP SA that nobody objects to, with another SA
// extension if one is given.
func kameESP(msgType uint8, exts ...extFunc) *message {
	return newMessage(msgType, 3).add(kameSA(aes, nil), src4(), dst4(), authKey(160), encKey(128)).add(exts...)
}

func espWith(change func(x *layers.SA), exts ...extFunc) *message {
	return newMessage(layers.ADD, 3).add(kameSA(aes, change), src4(), dst4(), authKey(160), encKey(128)).add(exts...)
}

var (
	kameADD    = with(kameESP(layers.ADD))
	kameUPDATE = with(kameESP(layers.UPDATE))
	kameAH     = with(newMessage(layers.ADD, 2).add(kameSA(0, nil), src4(), dst4(), authKey(160)))
	kameIPComp = with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 2}), src4(), dst4()))
	kameGETSPI = with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x100, 0x200)))
)

// tcpSA is an SA for TCP signatures.
func tcpSA(change func(x *layers.SA), bits int) func(*maker) []byte {
	x := layers.SA{SPI: 0x1000, State: 1, Auth: 252}
	if change != nil {
		change(&x)
	}
	m := newMessage(layers.ADD, 11).add(saWith(x), src4(), dst4())
	if bits > 0 {
		m.add(authKey(bits))
	}
	return with(m)
}

// esp4 is an ESP SA with no authentication.
func espOnly(encrypt uint8, bits int, exts ...extFunc) func(*maker) []byte {
	return with(newMessage(layers.ADD, 3).add(sa(0x1000, 0, encrypt), src4(), dst4(), encKey(bits)).add(exts...))
}

func ident(t gopacket.LayerType, kind uint16, data ...byte) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.Identity{Header: layers.For(t), Type: kind, Data: data}
	}
}

func idents(src, dst uint16) []extFunc {
	name := []byte("a.example.org\x00\x00\x00")
	return []extFunc{ident(layers.LayerTypeIdentitySrc, src, name...), ident(layers.LayerTypeIdentityDst, dst, name...)}
}

// nattPorts are the extensions of an encapsulated SA.
func nattPorts(t uint8, sport, dport uint16) []extFunc {
	port := func(lt gopacket.LayerType, p uint16) extFunc {
		return func(layers.Codec) layers.Extension { return &layers.NATTPort{Header: layers.For(lt), Port: p} }
	}
	return []extFunc{natt(t), port(layers.LayerTypeNATTSrcPort, sport), port(layers.LayerTypeNATTDstPort, dport)}
}

// at is the offset of an extension.
func (m *maker) at(b []byte, number uint16) int {
	order := byteOrder(m.c)
	for off := 16; off < len(b); off += 8 * int(order.Uint16(b[off:])) {
		if order.Uint16(b[off+2:]) == number {
			return off
		}
	}
	m.t.Fatalf("no extension %d", number)
	return 0
}

// patched changes octets of an extension.
func patched(make func(*maker) []byte, number uint16, change func(ext []byte, put16 func(at int, v uint16))) func(*maker) []byte {
	return func(m *maker) []byte {
		b := make(m)
		e := b[m.at(b, number):]
		change(e, func(at int, v uint16) { byteOrder(m.c).PutUint16(e[at:], v) })
		return b
	}
}

// broken changes the length of an extension that does not fit its sockaddr.
func sockaddrOf(n int, family byte) []byte {
	b := make([]byte, (n+7)&^7)
	b[0], b[1] = byte(n), family
	return b
}

func address(t extFunc, sockaddrBytes []byte) extFunc {
	return sockaddr(t, func(x *layers.Address) { x.Sockaddr = sockaddrBytes })
}

// kamePolicy is an SPDADD with a policy.
func kamePolicyOf(msgType uint8, p layers.Policy, requests ...layers.Request) func(*maker) []byte {
	return with(newMessage(msgType, 0).add(src4(), dst4(), policy(p, requests...)))
}

func kameSPDADD(requests ...layers.Request) func(*maker) []byte {
	return kamePolicyOf(layers.SPDADD, ipsec, requests...)
}

// tunnels is an SPDADD with requests that need a codec.
func tunnels(f func(c layers.Codec) []layers.Request) func(*maker) []byte {
	return with(newMessage(layers.SPDADD, 0).add(src4(), dst4(), requestsOf(ipsec, f)))
}

func oneTunnel(change func(r *layers.Request)) func(*maker) []byte {
	return tunnels(func(c layers.Codec) []layers.Request {
		r := tunnel(c, "192.0.2.1", "192.0.2.2")
		if change != nil {
			change(&r)
		}
		return []layers.Request{r}
	})
}

var goodSPDADD = kameSPDADD(esp)

// kameReply is an answer to GET.
func kameReply(exts ...extFunc) *message {
	return kameESP(layers.GET, sa2(1), lifetime(layers.LayerTypeLifetimeCurrent, 5)).add(exts...)
}

func saStats(n uint32, entries int) *message {
	return newMessage(23, 0).add(
		func(layers.Codec) layers.Extension { return &layers.SessionID{V0: 1} },
		func(layers.Codec) layers.Extension {
			return &layers.SAStats{ListLen: n, List: make([]byte, 40*entries)}
		})
}

var goodMacMigrate = with(newMessage(26, 3).add(macSA(0, 0), src4(), dst4(),
	addr(layers.LayerTypeMigrateAddressSrc, "192.0.2.3", 0, 32, 0), addr(layers.LayerTypeMigrateAddressDst, "192.0.2.4", 0, 32, 0)))

// macSA is the SA of macOS with the fields for NAT traversal.
func macSA(flags byte, port uint16) extFunc {
	return func(c layers.Codec) layers.Extension {
		b := append(shortSA(flags)(c).(*layers.Unknown).Data, make([]byte, 8)...)
		byteOrder(c).PutUint16(b[12:], port)
		return &layers.Unknown{Type: 1, Data: b}
	}
}

// shortSA is the SA of RFC 2367 with flags, 16 bytes also on macOS.
func shortSA(flags byte) extFunc {
	return func(c layers.Codec) layers.Extension {
		b := make([]byte, 12)
		byteOrder(c).PutUint32(b[8:], uint32(flags))
		b[2], b[5], b[6], b[7] = 0x10, 1, sha1(c), aes
		return &layers.Unknown{Type: 1, Data: b}
	}
}

func kase(on []layers.Dialect, code string, bad, good func(*maker) []byte) kameCase {
	return kameCase{on, ruleCase{code, to, bad, good}}
}

func answer(on []layers.Dialect, code string, bad, good func(*maker) []byte) kameCase {
	return kameCase{on, ruleCase{code, from, bad, good}}
}

var kameCases = []kameCase{
	kase(onKAME, "send-buffer", with(newMessage(layers.REGISTER, 3).add(raw(13, make([]byte, 9000)...))), bare(layers.REGISTER, 3)),
	kase(onKAME, "short-header", func(m *maker) []byte { return kameADD(m)[:15] }, kameADD),
	kase(onKAME, "message-length", edited(kameADD, func(_ []byte, put16 func(int, uint16)) { put16(4, 2) }), kameADD),
	kase(onKAME, "message-version", edited(kameADD, func(b []byte, _ func(int, uint16)) { b[0] = 3 }), kameADD),
	kase(onKAME, "message-type", edited(bare(layers.FLUSH, 0), func(b []byte, _ func(int, uint16)) { b[1] = 0 }), bare(layers.FLUSH, 0)),
	kase(onKAME, "message-type", edited(kameADD, func(b []byte, _ func(int, uint16)) { b[1] = 27 }), bare(layers.SPDFLUSH, 0)),
	kase(onKAME, "message-size", with(newMessage(layers.REGISTER, 3).add(raw(13, make([]byte, 2044)...))),
		with(newMessage(layers.REGISTER, 3).add(raw(13, make([]byte, 2028)...)))),

	kase(onKAME, "extension-type", with(kameESP(layers.ADD, raw(0, 0, 0, 0, 0))), kameADD),
	kase(onKAME, "unknown-extension", with(kameESP(layers.ADD, raw(200, 0, 0, 0, 0))), kameADD),
	kase(onKAME, "unknown-extension", with(kameESP(layers.ADD, raw(17, 0, 0, 0, 0))), kameADD),
	kase(onFreeBSD, "release", with(kameESP(layers.ADD, raw(29, make([]byte, 28)...))), kameADD),
	kase(onFreeBSD, "release", espOnly(15, 288), espOnly(20, 288)),
	kase(onKAME, "unknown-extension", func(m *maker) []byte { // which also runs past the end
		b := with(kameESP(layers.ADD, raw(200, 0, 0, 0, 0)))(m)
		byteOrder(m.c).PutUint16(b[len(b)-8:], 3)
		return b
	}, kameADD),
	kase(onKAME, "extension-duplicate", with(kameESP(layers.ADD, src4())), kameADD),
	kase(onKAME, "extension-length-zero", patched(kameADD, 6, func(_ []byte, put16 func(int, uint16)) { put16(0, 0) }), kameADD),
	kase(onKAME, "extension-short", with(kameESP(layers.ADD, raw(3, make([]byte, 20)...))), kameADD),
	kase(onKAME, "extension-long", with(kameESP(layers.ADD, raw(19, make([]byte, 20)...))), with(kameESP(layers.ADD, sa2(1)))),
	kase(onKAME, "address-short", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), src4(), raw(6, 0, 32, 0, 0))), goodGET),
	kase(onKAME, "address-length", patched(goodGET, 6, func(e []byte, _ func(int, uint16)) { e[8] = 28 }), goodGET),
	kase(notMacOS, "address-length", patched(goodGET, 6, func(_ []byte, put16 func(int, uint16)) { put16(0, 4) }), goodGET),
	kase(onKAME, "identity-address", with(kameESP(layers.ADD, ident(layers.LayerTypeIdentitySrc, 4), ident(layers.LayerTypeIdentityDst, 4))),
		with(kameESP(layers.ADD, ident(layers.LayerTypeIdentitySrc, 4, sockaddrOf(16, 2)...), ident(layers.LayerTypeIdentityDst, 4, sockaddrOf(16, 2)...)))),
	kase(onMacOS, "key-overrun", patched(kameADD, 9, func(_ []byte, put16 func(int, uint16)) { put16(4, 129) }), kameADD),
	kase(notMacOS, "key-overrun", with(newMessage(layers.GET, 3).add(sa(0x1000, 0, 0), func(c layers.Codec) layers.Extension {
		return &layers.Key{Header: layers.For(layers.LayerTypeKeyAuth), Bits: 129, Octets: make([]byte, 16)}
	}, src4(), dst4())), goodGET),
	kase(onKAME, "extension-overrun", patched(kameADD, 9, func(_ []byte, put16 func(int, uint16)) { put16(0, 1000) }), kameADD),

	kase(onFreeBSD, "dump-scope", bare(layers.SPDDUMP, 3), bare(layers.SPDDUMP, 4)),
	kase(onKAME, "satype-unspec", with(newMessage(layers.GET, 0).add(kameSA(aes, nil), src4(), dst4())), goodGET),
	kase(onKAME, "satype-policy", bare(layers.SPDFLUSH, 3), bare(layers.SPDFLUSH, 0)),
	kase(onMacOS, "satype-policy", with(newMessage(24, 3).add(policy(layers.Policy{ID: 8}))), with(newMessage(24, 0).add(policy(layers.Policy{ID: 8})))),
	kase(onKAME, "satype-unsupported", bare(layers.FLUSH, 5), bare(layers.FLUSH, 0)),
	kase(onKAME, "satype", bare(layers.REGISTER, 77), bare(layers.REGISTER, 3)),
	kase(onKAME, "satype", bare(layers.FLUSH, 1), bare(layers.PROMISC, 1)),
	kase(onNetKey, "satype", bare(layers.REGISTER, 11), bare(layers.REGISTER, 2)),
	kase(onMacOS, "satype", bare(layers.REGISTER, 9), bare(layers.REGISTER, 2)),
	kase(onKAME, "address-protocol", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), src4(), addr(layers.LayerTypeAddressDst, "198.51.100.2", 0, 32, 17))), goodGET),
	kase(onKAME, "address-families", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), src4(), dst6())), goodGET),
	kase(onMacOS, "address-families", with(newMessage(layers.SPDADD, 0).add(src4(), policy(layers.Policy{Type: 1, Dir: 2}),
		addr(layers.LayerTypeAddrRangeDstStart, "2001:db8::1", 0, 128, 0), addr(layers.LayerTypeAddrRangeDstEnd, "2001:db8::2", 0, 128, 0))),
		with(newMessage(layers.SPDADD, 0).add(src4(), policy(layers.Policy{Type: 1, Dir: 2}),
			addr(layers.LayerTypeAddrRangeDstStart, "192.0.2.1", 0, 32, 0), addr(layers.LayerTypeAddrRangeDstEnd, "192.0.2.9", 0, 32, 0)))),
	kase(onMacOS, "address-families", with(newMessage(layers.SPDADD, 0).add(policy(layers.Policy{Type: 1, Dir: 2}),
		addr(layers.LayerTypeAddrRangeSrcStart, "192.0.2.1", 0, 32, 0), addr(layers.LayerTypeAddrRangeSrcEnd, "192.0.2.9", 0, 32, 0),
		addr(layers.LayerTypeAddrRangeDstStart, "2001:db8::1", 0, 128, 0), addr(layers.LayerTypeAddrRangeDstEnd, "2001:db8::2", 0, 128, 0))), goodSPDADD),
	kase(onFreeBSD, "address-families", with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4(), addr(layers.LayerTypeNewAddressSrc, "2001:db8::1", 0, 128, 0))),
		with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4(), addr(layers.LayerTypeNewAddressSrc, "192.0.2.9", 0, 32, 0)))),
	kase(onKAME, "sockaddr-length", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), address(src4(), sockaddrOf(15, 2)), address(dst4(), sockaddrOf(15, 2)))), goodGET),
	kase(onKAME, "sockaddr-length", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), address(src4(), sockaddrOf(16, 1)), address(dst4(), sockaddrOf(14, 1)))), goodGET),
	kase(onKAME, "address-family", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), address(src4(), sockaddrOf(16, 1)), address(dst4(), sockaddrOf(16, 1)))), goodGET),
	kase(onKAME, "address-prefix", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), src4(), addr(layers.LayerTypeAddressDst, "192.0.2.9", 0, 33, 0))),
		with(newMessage(layers.GET, 3).add(kameSA(aes, nil), addr(layers.LayerTypeAddressSrc, "2001:db8::1", 0, 33, 0), dst6()))),
	kase(onMacOS, "address-prefix", with(newMessage(layers.SPDADD, 0).add(src4(), dst4(), policy(layers.Policy{Type: 1, Dir: 2}),
		addr(layers.LayerTypeAddrRangeSrcStart, "192.0.2.1", 0, 99, 0), addr(layers.LayerTypeAddrRangeSrcEnd, "192.0.2.9", 0, 32, 0))), goodSPDADD),
	kase(onKAME, "kernel-only", with(newMessage(layers.EXPIRE, 3)), bare(layers.DUMP, 3)),

	kase(onKAME, "extension-ignored", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), src4(), dst4(), lifetime(layers.LayerTypeLifetimeHard, 5))), goodGET),
	kase(onKAME, "errno-set", edited(goodGET, func(b []byte, _ func(int, uint16)) { b[2] = 5 }), edited(bare(layers.ACQUIRE, 3), func(b []byte, _ func(int, uint16)) { b[2] = 5 })),
	kase(onKAME, "acquire-empty", bare(layers.ACQUIRE, 3), edited(bare(layers.ACQUIRE, 3), func(b []byte, _ func(int, uint16)) { b[2] = 22 })),
	kase(onKAME, "promisc-data", with(newMessage(layers.PROMISC, 0).add(src4())), bare(layers.PROMISC, 0)),

	kase(onKAME, "sa-missing", with(newMessage(layers.GET, 3).add(src4(), dst4())), goodGET),
	kase(onKAME, "address-missing", with(newMessage(layers.GET, 3).add(kameSA(aes, nil), dst4())), goodGET),
	kase(onKAME, "address-missing", with(newMessage(layers.SPDADD, 0).add(src4(), policy(layers.Policy{Type: 1, Dir: 2}))), goodSPDADD),
	kase(onMacOS, "address-missing", with(newMessage(layers.SPDADD, 0).add(policy(layers.Policy{Type: 1, Dir: 2}))), with(newMessage(layers.SPDADD, 0).add(policy(layers.Policy{Type: 1, Dir: 2}),
		addr(layers.LayerTypeAddrRangeSrcStart, "192.0.2.1", 0, 32, 0), addr(layers.LayerTypeAddrRangeSrcEnd, "192.0.2.9", 0, 32, 0),
		addr(layers.LayerTypeAddrRangeDstStart, "192.0.2.1", 0, 32, 0), addr(layers.LayerTypeAddrRangeDstEnd, "192.0.2.9", 0, 32, 0)))),
	kase(onKAME, "policy-missing", bare(layers.SPDGET, 0), with(newMessage(layers.SPDGET, 0).add(policy(layers.Policy{ID: 8})))),
	kase(onKAME, "extension-missing", with(newMessage(layers.ACQUIRE, 3).add(src4(), dst4())), with(acquire(proposal(layers.Comb{})))),
	kase(onNetBSD, "extension-missing", bare(23, 3), with(newMessage(23, 3).add(nattPorts(2, 4500, 4500)...))),
	kase(onMacOS, "extension-missing", bare(23, 0), with(saStats(1, 1))),
	kase(onMacOS, "extension-missing", with(newMessage(26, 3).add(macSA(0, 0), src4(), dst4())), goodMacMigrate),
	kase(onKAME, "key-missing", with(newMessage(layers.ADD, 3).add(kameSA(11, nil), src4(), dst4(), authKey(160))), kameADD),
	kase(onKAME, "key-missing", with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4(), authKey(160))), kameUPDATE),
	kase(notFreeBSD, "key-missing", with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4())), kameUPDATE),
	kase(onFreeBSD, "key-missing-larval", with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4())), kameUPDATE),
	kase(onKAME, "lifetime-pair", with(kameESP(layers.ADD, lifetimes(20, 10)[:1]...)), with(kameESP(layers.ADD, lifetimes(20, 10)...))),
	kase(onKAME, "delete-all", with(newMessage(layers.DELETE, 3).add(src4(), dst4())), with(newMessage(layers.DELETE, 3).add(kameSA(aes, nil), src4(), dst4()))),
	kase(onKAME, "message-not-bare", with(newMessage(layers.SPDFLUSH, 0).add(src4())), bare(layers.SPDFLUSH, 0)),
	kase(onKAME, "promisc-satype", bare(layers.PROMISC, 2), bare(layers.PROMISC, 1)),
	kase(onNetBSD, "mapping-ignored", with(newMessage(23, 3).add(nattPorts(2, 4500, 4500)...)), kameADD),
	kase(onMacOS, "sastat-empty", with(saStats(0, 1)), with(saStats(1, 1))),
	kase(onMacOS, "sastat-length", with(saStats(2, 1)), with(saStats(2, 2))),

	kase(onKAME, "mode", with(kameESP(layers.ADD, sa2(4))), with(kameESP(layers.ADD, sa2(2)))),
	kase(notMacOS, "spirange-cpi", with(newMessage(layers.GETSPI, 9).add(src4(), dst4(), spiRange(0x20000, 0x100))),
		with(newMessage(layers.GETSPI, 9).add(src4(), dst4(), spiRange(0x100, 0xffff)))),
	kase(onKAME, "spirange-zero", with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0, 0))), kameGETSPI),
	kase(notMacOS, "spirange-division", with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x101, 0x100))), kameGETSPI),
	kase(notMacOS, "spirange-division", with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0, math.MaxUint32))), kameGETSPI),
	kase(onKAME, "spirange", with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x200, 0x100))), kameGETSPI),
	kase(onKAME, "spirange-low", with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0xff, 0x100))), kameGETSPI),
	kase(notFreeBSD, "spirange-low", with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(1, 0xff))), kameGETSPI),
	kase(onFreeBSD, "spi-reserved", with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(1, 0xff))), kameGETSPI),

	kase(onKAME, "state-ignored", with(espWith(func(x *layers.SA) { x.State = 0 })), kameADD),
	kase(onKAME, "spi-reserved", with(espWith(func(x *layers.SA) { x.SPI = 255 })), kameADD),
	kase(notMacOS, "identity-pair", with(kameESP(layers.ADD, idents(2, 3)...)), with(kameESP(layers.ADD, idents(2, 2)...))),
	kase(notMacOS, "identity-pair", with(kameESP(layers.ADD, idents(2, 2)[:1]...)), with(kameESP(layers.ADD, idents(2, 2)...))),
	kase(onFreeBSD, "sa-flags", with(espWith(func(x *layers.SA) { x.Flags = 0x1000 })), with(espWith(func(x *layers.SA) { x.Flags = 0x40 }))),
	kase(onFreeBSD, "sa-flags", with(espWith(func(x *layers.SA) { x.Flags = 1 })), kameADD),
	kase(onKAME, "sa-flags", with(newMessage(layers.ADD, 2).add(kameSA(0, func(x *layers.SA) { x.Flags = 0x20 }), src4(), dst4(), authKey(160))), kameAH),
	kase(onKAME, "sa-flags", with(espWith(func(x *layers.SA) { x.Flags = 0x21 })), kameADD),
	kase(onNetIPsec, "sa-flags", with(espWith(func(x *layers.SA) { x.Flags = 0x10 })), kameADD),
	kase(onNetKey, "sa-flags", with(espWith(func(x *layers.SA) { x.Flags = 1 })), kameADD),
	kase(onNetKey, "sa-flags", with(espWith(func(x *layers.SA) { x.Flags = 0x20 })), kameADD),
	kase(onNetKey, "sa-flags", with(newMessage(layers.ADD, 3).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 1, Flags: 0x10}), src4(), dst4(), encKey(64))),
		with(newMessage(layers.ADD, 3).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 1, Flags: 0x11}), src4(), dst4(), encKey(64)))),
	kase(onFreeBSD, "replay-window", with(kameESP(layers.ADD, func(layers.Codec) layers.Extension { return &layers.SAReplay{Replay: math.MaxUint32} })),
		with(kameESP(layers.ADD, func(layers.Codec) layers.Extension { return &layers.SAReplay{Replay: 8192} }))),
	kase(onMacOS, "sa-short", with(newMessage(layers.ADD, 3).add(shortSA(2), src4(), dst4(), authKey(160), encKey(128))),
		with(newMessage(layers.ADD, 3).add(shortSA(0), src4(), dst4(), authKey(160), encKey(128)))),
	kase(onMacOS, "sa-short", with(newMessage(26, 3).add(shortSA(0), src4(), dst4(),
		addr(layers.LayerTypeMigrateAddressSrc, "192.0.2.3", 0, 32, 0), addr(layers.LayerTypeMigrateAddressDst, "192.0.2.4", 0, 32, 0))), goodMacMigrate),
	kase(onMacOS, "key-long", espOnly(3, 8*264), espOnly(3, 8*256)),
	kase(onMacOS, "key-long", with(newMessage(layers.ADD, 3).add(kameSA(aes, nil), src4(), dst4(), authKey(8*257), encKey(128))), kameADD),
	kase(onKAME, "key-satype", with(newMessage(layers.ADD, 2).add(kameSA(0, nil), src4(), dst4(), authKey(160), encKey(128))), kameAH),
	kase(notMacOS, "key-satype", with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 2}), src4(), dst4(), encKey(64))), kameIPComp),
	kase(notMacOS, "key-satype", with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 2}), src4(), dst4(), authKey(64))),
		with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 2}), src4(), dst4(), encKey(0)))),
	kase(onKAME, "key-empty", with(newMessage(layers.ADD, 3).add(kameSA(aes, nil), src4(), dst4(), authKey(0), encKey(128))), kameADD),
	kase(onKAME, "key-empty", with(newMessage(layers.ADD, 3).add(kameSA(aes, nil), src4(), dst4(), authKey(160), encKey(0))), kameADD),
	kase(onFreeBSD, "key-empty", with(newMessage(layers.ADD, 3).add(kameSA(aes, nil), src4(), dst4(), authKey(0), encKey(128))),
		with(newMessage(layers.ADD, 3).add(kameSA(11, func(x *layers.SA) { x.Auth = 251 }), src4(), dst4(), authKey(0), encKey(0)))),
	kase(onMacOS, "lifetime-overflow", with(kameESP(layers.ADD, lifetimes(math.MaxUint64, 10)...)), with(kameESP(layers.ADD, lifetimes(18446744073, 10)...))),
	kase(onMacOS, "lifetime-overflow", with(newMessage(layers.SPDADD, 0).add(src4(), dst4(), policy(layers.Policy{Type: 1, Dir: 2}),
		func(layers.Codec) layers.Extension {
			return &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), UseTime: math.MaxUint64}
		})), goodSPDADD),
	kase(onKAME, "algorithm-satype", with(newMessage(layers.ADD, 2).add(kameSA(aes, nil), src4(), dst4(), authKey(160))), kameAH),
	kase(notMacOS, "algorithm-satype", with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 2, Auth: 2}), src4(), dst4())), kameIPComp),
	kase(onNetIPsec, "algorithm-satype", tcpSA(func(x *layers.SA) { x.Encrypt = 2 }, 128), tcpSA(nil, 128)),
	kase(onNetKey, "algorithm-satype", with(newMessage(layers.ADD, 2).add(sa(0x1000, 5, 0), src4(), dst4(), authKey(160))), kameAH),
	kase(notMacOS, "cpi-size", with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x10000, State: 1, Encrypt: 2}), src4(), dst4())),
		with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x10000, State: 1, Encrypt: 2, Flags: 0x80}), src4(), dst4()))),

	kase(onKAME, "algorithm-unknown", with(newMessage(layers.ADD, 3).add(kameSA(99, nil), src4(), dst4(), authKey(160), encKey(128))), kameADD),
	kase(onKAME, "algorithm-unknown", with(espWith(func(x *layers.SA) { x.Auth = 99 })), kameADD),
	kase(notMacOS, "algorithm-unknown", with(newMessage(layers.ADD, 9).add(saWith(layers.SA{SPI: 0x1000, State: 1, Encrypt: 3}), src4(), dst4())), kameIPComp),
	kase(onNetIPsec, "algorithm-unknown", tcpSA(func(x *layers.SA) { x.Auth = 2 }, 128), tcpSA(nil, 128)),
	kase(onFreeBSD, "algorithm-unknown", espOnly(23, 160), espOnly(20, 160)),
	kase(onNetBSD, "algorithm-unknown", with(newMessage(layers.ADD, 2).add(sa(0x1000, 249, 0), src4(), dst4(), authKey(128))), kameAH),
	kase(onKAME, "algorithm-missing", espOnly(0, 128), espOnly(aes, 128)),
	kase(onKAME, "algorithm-missing", with(newMessage(layers.ADD, 2).add(sa(0x1000, 0, 0), src4(), dst4(), authKey(160))), kameAH),
	kase(onKAME, "key-absent", with(newMessage(layers.ADD, 3).add(kameSA(aes, nil), src4(), dst4(), encKey(128))), espOnly(aes, 128)),
	kase(onNetIPsec, "key-absent", tcpSA(nil, 0), tcpSA(nil, 8)),
	kase(onKAME, "key-size", espOnly(aes, 120), espOnly(aes, 192)),
	kase(onKAME, "key-size", espOnly(aes, 160), espOnly(aes, 256)),
	kase(onKAME, "key-size", with(newMessage(layers.ADD, 2).add(kameSA(0, nil), src4(), dst4(), authKey(520))), kameAH),
	kase(onFreeBSD, "key-size", with(newMessage(layers.ADD, 2).add(kameSA(0, nil), src4(), dst4(), authKey(7))), kameAH),
	kase(onFreeBSD, "key-size", with(newMessage(layers.ADD, 2).add(sa(0x1000, 13, 0), src4(), dst4(), authKey(160))), kameAH),
	kase(onNetIPsec, "key-size", espOnly(20, 159), espOnly(20, 160)),
	kase(onNetIPsec, "key-size", espOnly(13, 168), espOnly(13, 224)),
	kase(onNetIPsec, "key-size", tcpSA(nil, 648), tcpSA(nil, 640)),
	kase(onNetKey, "key-size", espOnly(aes, 129), espOnly(aes, 128)),
	kase(onNetBSD, "key-size", with(newMessage(layers.ADD, 2).add(kameSA(0, nil), src4(), dst4(), authKey(128))), kameAH),
	kase(onNetBSD, "key-size", with(newMessage(layers.ADD, 3).add(kameSA(20, nil), src4(), dst4(), authKey(160), encKey(168))), espOnly(23, 159)),
	kase(onNetBSD, "key-size-crash", espOnly(20, 168), espOnly(20, 160)),
	kase(onNetBSD, "key-size-crash", espOnly(23, 192), espOnly(23, 224)),
	kase(onFreeBSD, "aead-authentication", with(newMessage(layers.ADD, 3).add(kameSA(20, nil), src4(), dst4(), authKey(160), encKey(160))), espOnly(20, 160)),
	kase(onFreeBSD, "aead-authentication", with(newMessage(layers.ADD, 3).add(kameSA(20, func(x *layers.SA) { x.Auth = 11 }), src4(), dst4(), authKey(128), encKey(160))), espOnly(20, 160)),
	kase(onNetBSD, "aead-authentication", with(newMessage(layers.ADD, 3).add(kameSA(20, nil), src4(), dst4(), authKey(160), encKey(160))), espOnly(20, 160)),
	kase(onFreeBSD, "algorithm-unsupported", with(newMessage(layers.ADD, 2).add(sa(0x1000, 11, 0), src4(), dst4(), authKey(128))), kameAH),
	kase(onFreeBSD, "algorithm-unsupported", with(newMessage(layers.ADD, 3).add(sa(0x1000, 12, aes), src4(), dst4(), authKey(192), encKey(128))), kameADD),
	kase(onFreeBSD, "auth-key-size", with(newMessage(layers.ADD, 2).add(kameSA(0, nil), src4(), dst4(), authKey(128))), kameAH),
	kase(onNetIPsec, "key-bits", espOnly(aes, 129), espOnly(aes, 128)),
	kase(onNetKey, "key-bits", espOnly(3, 129), espOnly(3, 128)),
	kase(onKAME, "key-unused", with(espWith(func(x *layers.SA) { x.Auth = 0 })), kameADD),
	kase(onNetBSD, "spi-tcp", tcpSA(func(x *layers.SA) { x.SPI = 0x1001 }, 128), tcpSA(nil, 128)),
	kase(onQuiet, "sa-immature", with(newMessage(layers.UPDATE, 2).add(kameSA(aes, nil), src4(), dst4(), authKey(160))),
		with(newMessage(layers.UPDATE, 2).add(kameSA(0, nil), src4(), dst4(), authKey(160)))),
	kase(onDragonFly, "sa-immature", with(newMessage(layers.UPDATE, 3).add(kameSA(99, nil), src4(), dst4(), authKey(160), encKey(128))), kameUPDATE),
	kase(onKAME, "lifetime-order", with(kameESP(layers.ADD, lifetimes(20, 20)...)), with(kameESP(layers.ADD, lifetimes(20, 19)...))),

	kase(onNetIPsec, "encapsulation-partial", with(kameESP(layers.ADD, natt(2))), with(kameESP(layers.ADD, nattPorts(2, 4500, 4500)...))),
	kase(onNetIPsec, "encapsulation-satype", with(newMessage(layers.ADD, 2).add(kameSA(0, nil), src4(), dst4(), authKey(160)).add(nattPorts(2, 4500, 4500)...)),
		with(kameESP(layers.ADD, nattPorts(2, 4500, 4500)...))),
	kase(onNetIPsec, "encapsulation-type", with(kameESP(layers.ADD, nattPorts(7, 4500, 4500)...)), with(kameESP(layers.ADD, nattPorts(2, 4500, 4500)...))),
	kase(onFreeBSD, "encapsulation-type", with(kameESP(layers.ADD, nattPorts(1, 4500, 4500)...)), with(kameESP(layers.ADD, nattPorts(2, 4500, 4500)...))),
	kase(onNetIPsec, "encapsulation-port", with(kameESP(layers.ADD, nattPorts(2, 0, 4500)...)), with(kameESP(layers.ADD, nattPorts(2, 4500, 4500)...))),
	kase(onMacOS, "encapsulation-port", with(newMessage(layers.ADD, 3).add(macSA(2, 0), src4(), dst4(), authKey(160), encKey(128))),
		with(newMessage(layers.ADD, 3).add(macSA(2, 4500), src4(), dst4(), authKey(160), encKey(128)))),
	kase(onFreeBSD, "encapsulation-original", with(kameESP(layers.ADD, nattPorts(2, 4500, 4500)...).add(addr(layers.LayerTypeNATTOA, "2001:db8::1", 0, 128, 0))),
		with(kameESP(layers.ADD, nattPorts(2, 4500, 4500)...).add(sa2(2), addr(layers.LayerTypeNATTOA, "2001:db8::1", 0, 128, 0)))),
	kase(onFreeBSD, "encapsulation-update", with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4(), natt(2))),
		with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4()).add(nattPorts(2, 4500, 4500)...))),
	kase(onFreeBSD, "new-address-overrun", with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4(), address(addr(layers.LayerTypeNewAddressDst, "192.0.2.1", 0, 32, 0), sockaddrOf(32, 2)))),
		with(newMessage(layers.UPDATE, 3).add(kameSA(aes, nil), src4(), dst4(), addr(layers.LayerTypeNewAddressDst, "192.0.2.1", 0, 32, 0)))),

	kase([]layers.Dialect{layers.FreeBSD, layers.MacOS}, "policy-direction", kamePolicyOf(layers.SPDADD, layers.Policy{Type: 1, Dir: 3}), goodSPDADD),
	kase(onKAME, "policy-direction", kamePolicyOf(layers.SPDDELETE, layers.Policy{Type: 1, Dir: 3}), kamePolicyOf(layers.SPDDELETE, layers.Policy{Type: 1, Dir: 1})),
	kase(onQuiet, "policy-direction-unanswered", kamePolicyOf(layers.SPDADD, layers.Policy{Type: 1, Dir: 0}), goodSPDADD),
	kase(onKAME, "policy-type", kamePolicyOf(layers.SPDADD, layers.Policy{Type: 3, Dir: 2}), goodSPDADD),
	kase(onFreeBSD, "policy-type", kamePolicyOf(layers.SPDDELETE, layers.Policy{Type: 4, Dir: 2}), kamePolicyOf(layers.SPDDELETE, layers.Policy{Dir: 2})),
	kase(notMacOS, "policy-type", kamePolicyOf(layers.SPDADD, layers.Policy{Type: 5, Dir: 2}), goodSPDADD),
	kase(onMacOS, "policy-type", kamePolicyOf(layers.SPDADD, layers.Policy{Type: 6, Dir: 2}), kamePolicyOf(layers.SPDADD, layers.Policy{Type: 5, Dir: 2})),
	kase(onKAME, "policy-empty", kameSPDADD(), goodSPDADD),
	kase(onFreeBSD, "policy-empty", kamePolicyOf(layers.SPDSETIDX, ipsec), goodSPDADD),
	kase(notFreeBSD, "policy-empty", kamePolicyOf(layers.SPDUPDATE, ipsec), kamePolicyOf(layers.SPDSETIDX, ipsec)),
	kase(onKAME, "policy-unused", kamePolicyOf(layers.SPDADD, layers.Policy{Type: 1, Dir: 2}, esp), goodSPDADD),
	kase(onKAME, "request-length", kameSPDADD(layers.Request{Len: 7, Proto: 50, Mode: 1, Level: 2}), goodSPDADD),
	kase(onKAME, "request-length", kameSPDADD(layers.Request{Len: 64, Proto: 50, Mode: 1, Level: 2}), goodSPDADD),
	kase(onFreeBSD, "request-depth", kameSPDADD(esp, esp, esp, esp, esp), kameSPDADD(esp, esp, esp, esp)),
	kase(onKAME, "request-protocol", kameSPDADD(layers.Request{Proto: 3, Mode: 1, Level: 2}), goodSPDADD),
	kase(onMacOS, "request-protocol", kameSPDADD(layers.Request{Proto: 108, Mode: 1, Level: 2}), kameSPDADD(layers.Request{Proto: 51, Mode: 1, Level: 2})),
	kase(notMacOS, "request-protocol", kameSPDADD(layers.Request{Proto: 17, Mode: 1, Level: 2}), kameSPDADD(layers.Request{Proto: 108, Mode: 1, Level: 2})),
	kase(onKAME, "request-mode", kameSPDADD(layers.Request{Proto: 50, Mode: 0, Level: 2}), goodSPDADD),
	kase(onKAME, "request-level", kameSPDADD(layers.Request{Proto: 50, Mode: 1, Level: 4}), kameSPDADD(layers.Request{Proto: 50, Mode: 1, Level: 1})),
	kase(onKAME, "request-reqid", kameSPDADD(layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: 0x4000}), kameSPDADD(layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: 0x3fff})),
	kase(onKAME, "request-addresses", oneTunnel(func(r *layers.Request) { r.Sockaddrs[0] = 129 }), oneTunnel(nil)),
	kase(onKAME, "request-addresses", oneTunnel(func(r *layers.Request) { r.Sockaddrs[16] = 129 }), oneTunnel(nil)),
	kase([]layers.Dialect{layers.FreeBSD, layers.MacOS}, "request-addresses", oneTunnel(func(r *layers.Request) { r.Sockaddrs = r.Sockaddrs[:16] }), oneTunnel(nil)),
	kase(onFreeBSD, "request-addresses", oneTunnel(func(r *layers.Request) { r.Sockaddrs[17] = 28 }), oneTunnel(nil)),
	kase(onKAME, "request-tunnel", kameSPDADD(layers.Request{Proto: 50, Mode: 2, Level: 2}), oneTunnel(nil)),
	kase(onNetKey, "request-family", tunnels(func(c layers.Codec) []layers.Request {
		r := tunnel(c, "2001:db8::1", "2001:db8::2")
		r.Proto = 51
		return []layers.Request{r}
	}), oneTunnel(nil)),
	kase(onDragonFly, "request-family", tunnels(func(c layers.Codec) []layers.Request {
		return []layers.Request{tunnel(c, "2001:db8::1", "2001:db8::2")}
	}), oneTunnel(nil)),
	kase(onMacOS, "request-repeated", kameSPDADD(esp, layers.Request{Proto: 51, Mode: 1, Level: 2}), tunnels(func(c layers.Codec) []layers.Request {
		return []layers.Request{tunnel(c, "2001:db8::1", "2001:db8::2")}
	})),
	kase(onMacOS, "request-remainder", tunnels(func(c layers.Codec) []layers.Request {
		return []layers.Request{tunnel(c, "192.0.2.1", "192.0.2.2"), {Proto: 51, Mode: 1, Level: 2}}
	}), oneTunnel(nil)),

	answer(onKAME, "reply-missing", with(kameESP(layers.GET)), with(kameReply())),
	answer(onKAME, "reply-missing", with(newMessage(layers.EXPIRE, 3).add(kameSA(aes, nil), sa2(1), lifetime(layers.LayerTypeLifetimeCurrent, 1), src4(), dst4())),
		with(newMessage(layers.EXPIRE, 3).add(kameSA(aes, nil), sa2(1), lifetime(layers.LayerTypeLifetimeCurrent, 1), lifetime(layers.LayerTypeLifetimeSoft, 1), src4(), dst4()))),
	answer(onKAME, "reply-length", edited(with(kameReply()), func(_ []byte, put16 func(int, uint16)) { put16(4, 3) }), with(kameReply())),
	answer(onFreeBSD, "reply-length", wrappedReply(2), wrappedReply(0)),
	answer(notFreeBSD, "reply-length", wrappedReply(1), wrappedReply(2)),
}

// wrappedReply is an answer in an X_PROMISC wrapper that counts some words too many.
func wrappedReply(excess uint16) func(*maker) []byte {
	return func(m *maker) []byte {
		b := append(bare(layers.PROMISC, 0)(m), with(kameReply())(m)...)
		byteOrder(m.c).PutUint16(b[4:], uint16(len(b)/8)+excess)
		return b
	}
}
