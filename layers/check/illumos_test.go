package check_test

import (
	"testing"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// randomKey is a key that is not zero.
func randomKey(t gopacket.LayerType, bits int) extFunc {
	return func(c layers.Codec) layers.Extension {
		x := key(t, bits)(c).(*layers.Key)
		for i := range x.Octets {
			x.Octets[i] = byte(i + 1)
		}
		return x
	}
}

// withIV is an encryption key whose last bits are an initialization vector.
func withIV(bits int, iv uint16) extFunc {
	return func(c layers.Codec) layers.Extension {
		x := randomKey(layers.LayerTypeKeyEncrypt, bits)(c).(*layers.Key)
		x.Reserved = iv
		return x
	}
}

// iADD is an ADD of an ESP SA that illumos does not object to: SA at byte 16,
// ADDRESS_SRC at 32, ADDRESS_DST at 56, KEY_AUTH at 80, KEY_ENCRYPT at 152.
func iADD(exts ...extFunc) *message {
	return newMessage(layers.ADD, layers.SATypeESP).add(sa(0x1000, 7, 12), src4(), dst4(),
		randomKey(layers.LayerTypeKeyAuth, 512), randomKey(layers.LayerTypeKeyEncrypt, 128)).add(exts...)
}

// iESP is an ADD of an ESP SA with other parts, iAH one of an AH SA.
func iESP(x layers.SA, exts ...extFunc) func(*maker) []byte {
	x.SPI = 0x1000
	return with(newMessage(layers.ADD, layers.SATypeESP).add(saWith(x), src4(), dst4()).add(exts...))
}

func iAH(x layers.SA, exts ...extFunc) func(*maker) []byte {
	x.SPI = 0x1000
	return with(newMessage(layers.ADD, layers.SATypeAH).add(saWith(x), src4(), dst4()).add(exts...))
}

var (
	iAuth    = randomKey(layers.LayerTypeKeyAuth, 512)
	iEncrypt = randomKey(layers.LayerTypeKeyEncrypt, 128)
	src6     = addr(layers.LayerTypeAddressSrc, "2001:db8::1", 0, 128, 0)

	goodIADD  = with(iADD())
	goodIAH   = iAH(layers.SA{State: 1, Auth: 7}, iAuth)
	goodIGET  = with(newMessage(layers.GET, layers.SATypeESP).add(sa(0x1000, 0, 0), dst4()))
	goodITCP  = with(newMessage(layers.ADD, 4).add(sa(0x1000, 1, 0), src4(), dst4(), randomKey(layers.LayerTypeStrAuth, 64)))
	goodInner = with(iADD(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16)))
)

func inner(t gopacket.LayerType, s string, port uint16, bits uint8) extFunc {
	return addr(t, s, port, bits, 0)
}

// iInner is an ADD with two inner addresses.
func iInner(src, dst extFunc) func(*maker) []byte { return with(iADD(src, dst)) }

func family(t extFunc, f uint16) extFunc {
	return func(c layers.Codec) layers.Extension {
		x := t(c).(*layers.Address)
		byteOrder(c).PutUint16(x.Sockaddr, f)
		return x
	}
}

func ereg(types ...byte) extFunc {
	return func(layers.Codec) layers.Extension {
		x := &layers.ExtendedRegister{}
		x.More = append(x.More, types[copy(x.SATypes[:], types):]...)
		return x
	}
}

// get is a GET of these addresses.
func get(exts ...extFunc) func(*maker) []byte {
	return with(newMessage(layers.GET, layers.SATypeESP).add(sa(0x1000, 0, 0)).add(exts...))
}

var illumosCases = []ruleCase{
	{"short-header", to, func(m *maker) []byte { return goodIADD(m)[:15] }, goodIADD},
	{"message-length", to, edited(goodIADD, func(_ []byte, put16 func(int, uint16)) { put16(4, 2) }), goodIADD},
	{"message-version", to, edited(goodIADD, func(b []byte, _ func(int, uint16)) { b[0] = 1 }), goodIADD},
	{"errno-set", to, edited(goodIADD, func(b []byte, _ func(int, uint16)) { b[2] = 1 }), goodIADD},
	{"trailing-bytes", from, func(m *maker) []byte { return append(bare(layers.FLUSH, 0)(m), 1, 2, 3) }, bare(layers.FLUSH, 0)},
	{"extension-type", to, edited(goodIADD, func(_ []byte, put16 func(int, uint16)) { put16(82, 0) }), goodIADD},
	{"extension-type", from, edited(goodIGET, func(_ []byte, put16 func(int, uint16)) { put16(18, 0) }), goodIGET},
	{"unknown-extension", to, with(iADD(raw(29, 1, 2, 3, 4))), goodIADD},
	{"unknown-extension", from, with(iADD(raw(29, 1, 2, 3, 4))), goodIADD},
	{"extension-length-zero", to, edited(goodIADD, func(_ []byte, put16 func(int, uint16)) { put16(80, 0) }), goodIADD},
	{"extension-overrun", to, edited(goodIADD, func(_ []byte, put16 func(int, uint16)) { put16(152, 4) }), goodIADD},
	{"extension-duplicate", to, get(dst4(), dst4()), goodIGET},
	{"extension-duplicate", from, get(dst4(), dst4()), goodIGET},
	{"extension-cut", to, with(iADD(raw(19, 0, 0, 0, 0))), with(iADD(ext(layers.KMCookie{Proto: 1})))},
	{"extension-cut", from, get(raw(19, 0, 0, 0, 0)), goodIGET},
	{"extension-short", to, with(iADD(raw(3, make([]byte, 12)...))), with(iADD(lifetime(layers.LayerTypeLifetimeHard, 1)))},
	{"extension-long", to, with(iADD(raw(3, make([]byte, 36)...))), with(iADD(lifetime(layers.LayerTypeLifetimeHard, 1)))},
	{"extension-long", to, iAH(layers.SA{State: 1, Auth: 3}, func(layers.Codec) layers.Extension {
		return &layers.Key{Header: layers.For(layers.LayerTypeKeyAuth), Bits: 160, Octets: make([]byte, 32)}
	}), goodIAH},
	{"address-short", to, get(raw(6, 0, 0, 0, 0)), goodIGET},
	{"address-length", to, get(family(dst4(), 26)), goodIGET},
	{"key-empty", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 11}, iAuth, encKey(0)), iESP(layers.SA{State: 1, Auth: 7, Encrypt: 11}, iAuth)},
	{"key-overrun", to, edited(goodIADD, func(_ []byte, put16 func(int, uint16)) { put16(84, 513) }), goodIADD},
	{"key-zero", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12}, authKey(512), iEncrypt), goodIADD},
	{"spirange", to, with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x200, 0x100))), goodGETSPI},
	{"identity-cut", to, with(iADD(identity(2, "a.example.org123"))), with(iADD(identity(2, "a.example.org\x00\x00\x00")))},
	{"satype-unspec", to, with(newMessage(layers.GET, 0).add(sa(0x1000, 0, 0), dst4())), goodIGET},
	{"satype-unspec", to, bare(layers.ACQUIRE, 0), edited(bare(layers.ACQUIRE, 0), func(b []byte, _ func(int, uint16)) { b[2] = 22 })},
	{"satype", to, with(newMessage(layers.GET, 9).add(sa(0x1000, 0, 0), dst4())), goodIGET},
	{"satype", to, bare(layers.FLUSH, 9), bare(layers.FLUSH, 0)},
	{"satype", to, bare(layers.DUMP, 1), bare(layers.DUMP, 2)},
	{"satype", to, bare(15, 1), with(newMessage(15, 3).add(src4(), dst4()))},
	{"satype", to, edited(bare(layers.ACQUIRE, 1), func(b []byte, _ func(int, uint16)) { b[2] = 22 }), bare(layers.ACQUIRE, 3)},
	{"satype", to, with(newMessage(layers.REGISTER, 0).add(ereg(2, 9, 0, 0))), with(newMessage(layers.REGISTER, 0).add(ereg(2, 3, 0, 0)))},
	{"ereg-end", to, with(newMessage(layers.REGISTER, 0).add(ereg(2, 3, 2, 3))), with(newMessage(layers.REGISTER, 0).add(ereg(2, 3, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0)))},
	{"release", to, goodITCP, goodIADD},
	{"kernel-only", to, bare(layers.EXPIRE, 3), bare(layers.DUMP, 3)},
	{"extension-forbidden", to, with(newMessage(layers.FLUSH, 3).add(dst4())), bare(layers.FLUSH, 3)},
	{"extension-forbidden", to, with(newMessage(layers.DUMP, 3).add(dst4())), with(newMessage(layers.DUMP, 3).add(ext(layers.ExtendedDump{})))},
	{"extension-forbidden", to, with(iADD(proposal(layers.Comb{}))), goodIADD},
	{"extension-forbidden", to, with(iADD(raw(14, make([]byte, 4)...))), goodIADD},
	{"message-type", to, bare(0, 3), bare(layers.PROMISC, 1)},
	{"message-type", to, bare(layers.SPDGET, 0), bare(layers.PROMISC, 0)},
	{"message-satype", to, bare(layers.GETSPI, 4), bare(layers.FLUSH, 4)},
	{"address-family", to, get(family(dst4(), 10)), goodIGET},
	{"address-family", to, get(family(src4(), 10), dst4()), goodIGET},
	{"address-family", to, with(iADD(addr(layers.LayerTypeAddressNATTLocal, "2001:db8::5", 4500, 0, 17))), with(iADD(addr(layers.LayerTypeAddressNATTLocal, "::ffff:192.0.2.5", 4500, 0, 17)))},
	{"address-value", to, get(addr(layers.LayerTypeAddressSrc, "224.0.0.1", 0, 32, 0), dst4()), get(src4(), addr(layers.LayerTypeAddressDst, "224.0.0.1", 0, 32, 0))},
	{"address-value", to, get(addr(layers.LayerTypeAddressDst, "0.0.0.0", 0, 32, 0)), get(addr(layers.LayerTypeAddressSrc, "0.0.0.0", 0, 32, 0), dst4())},
	{"address-value", to, with(iADD(addr(layers.LayerTypeAddressNATTRemote, "0.0.0.0", 4500, 0, 17))), with(iADD(addr(layers.LayerTypeAddressNATTLocal, "0.0.0.0", 4500, 0, 17)))},
	{"address-prefix", to, iInner(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 33), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16)), goodInner},
	{"address-prefix", to, iInner(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), inner(layers.LayerTypeAddressInnerDst, "::ffff:10.2.0.0", 0, 95)),
		iInner(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), inner(layers.LayerTypeAddressInnerDst, "::ffff:10.2.0.0", 0, 112))},
	{"address-port", to, with(newMessage(layers.ADD, 3).add(sa(0x1000, 7, 12), src4(), addr(layers.LayerTypeAddressDst, "192.0.2.9", 53, 32, 17), iAuth, iEncrypt,
		inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 80, 16))),
		iInner(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 80, 16))},
	{"address-protocol", to, get(addr(layers.LayerTypeAddressSrc, "::", 0, 0, 6), addr(layers.LayerTypeAddressDst, "192.0.2.9", 0, 32, 17)),
		get(addr(layers.LayerTypeAddressSrc, "::", 0, 0, 17), addr(layers.LayerTypeAddressDst, "192.0.2.9", 0, 32, 17))},
	{"address-families", to, get(src4(), dst6()), get(src6, dst6())},
	{"address-families", to, get(src6, dst4()), get(addr(layers.LayerTypeAddressSrc, "::", 0, 0, 0), dst4())},
	{"address-families", to, iInner(inner(layers.LayerTypeAddressProxy, "2001:db8::", 0, 64), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16)), goodInner},
	{"address-families", to, with(newMessage(layers.ADD, 4).add(sa(0x1000, 1, 0), src4(), dst6(), randomKey(layers.LayerTypeStrAuth, 64))), goodITCP},
	{"key-unused", to, iAH(layers.SA{State: 1, Auth: 7}, iAuth, iEncrypt), goodIAH},
	{"key-unused", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 11}, iAuth, iEncrypt), iESP(layers.SA{State: 1, Auth: 7, Encrypt: 11}, iAuth)},
	{"address-missing", to, get(src4()), goodIGET},
	{"address-missing", to, with(newMessage(layers.GETSPI, 3).add(src4(), spiRange(0x100, 0x200))), goodGETSPI},
	{"address-missing", to, with(newMessage(12, 0).add(src4())), with(newMessage(12, 0).add(src4(), dst4()))},
	{"address-missing", to, with(iADD(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16))), goodInner},
	{"address-missing", to, with(iADD(inner(layers.LayerTypeAddressInnerDst, "10.1.0.0", 0, 16))), goodInner},
	{"address-missing", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12, Flags: 0x20000}, iAuth, iEncrypt), goodIADD},
	{"address-missing", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12, Flags: 0x100000}, iAuth, iEncrypt), goodIADD},
	{"address-missing", to, with(newMessage(13, 3).add(sa(1, 0, 0), src4())), with(newMessage(13, 3).add(sa(1, 0, 0), src4(), dst4()))},
	{"sa-missing", to, with(newMessage(layers.GET, 3).add(dst4())), goodIGET},
	{"sa-missing", to, bare(layers.DELETE, 3), with(newMessage(layers.DELETE, 3).add(src4()))},
	{"spirange-missing", to, with(newMessage(layers.GETSPI, 3).add(src4(), dst4())), goodGETSPI},
	{"extension-missing", to, bare(layers.REGISTER, 0), bare(layers.REGISTER, 2)},
	{"key-missing", to, iAH(layers.SA{State: 1, Auth: 7}), goodIAH},
	{"key-missing", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12}, iAuth), goodIADD},
	{"key-missing", to, with(newMessage(layers.ADD, 4).add(sa(0x1000, 1, 0), src4(), dst4())), goodITCP},
	{"state", to, iESP(layers.SA{State: 0, Auth: 7, Encrypt: 12}, iAuth, iEncrypt), iESP(layers.SA{State: 4, Auth: 7, Encrypt: 12}, iAuth, iEncrypt)},
	{"algorithm-unused", to, iAH(layers.SA{State: 1, Auth: 7, Encrypt: 12}, iAuth), goodIAH},
	{"algorithm-missing", to, iESP(layers.SA{State: 1, Auth: 7}, iAuth, iEncrypt), goodIADD},
	{"algorithm-missing", to, iESP(layers.SA{State: 1, Encrypt: 11}), iESP(layers.SA{State: 1, Auth: 7, Encrypt: 11}, iAuth)},
	{"sa-flags", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12, Flags: 1}, iAuth, iEncrypt), iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12, Flags: 2}, iAuth, iEncrypt)},
	{"lifetime-order", to, with(iADD(lifetimes(20, 21)...)), with(iADD(lifetimes(20, 20)...))},
	{"lifetime-order", to, with(iADD(append(lifetimes(20, 10), lifetime(layers.LayerTypeLifetimeIdle, 11))...)), with(iADD(append(lifetimes(20, 10), lifetime(layers.LayerTypeLifetimeIdle, 10))...))},
	{"lifetime-current", to, with(iADD(lifetime(layers.LayerTypeLifetimeCurrent, 1))), goodIADD},
	{"label-unchecked", to, with(iADD(sensitivity(1, 1, 16))), goodIADD},
	{"algorithm-unknown", to, iESP(layers.SA{State: 1, Auth: 8, Encrypt: 12}, iAuth, iEncrypt), goodIADD},
	{"algorithm-unknown", to, iESP(layers.SA{State: 1, Auth: 7, Encrypt: 13}, iAuth, iEncrypt), goodIADD},
	{"key-size", to, iESP(layers.SA{State: 1, Auth: 3, Encrypt: 12}, iAuth, iEncrypt), goodIADD},
	{"key-size", to, iESP(layers.SA{State: 1, Encrypt: 20}, iEncrypt), iESP(layers.SA{State: 1, Encrypt: 20}, randomKey(layers.LayerTypeKeyEncrypt, 160))},
	{"key-size", to, iESP(layers.SA{State: 1, Encrypt: 12}, withIV(192, 48)), iESP(layers.SA{State: 1, Encrypt: 12}, withIV(192, 64))},
	{"key-size", to, with(newMessage(layers.ADD, 4).add(sa(0x1000, 1, 0), src4(), dst4(), randomKey(layers.LayerTypeStrAuth, 63))), goodITCP},
	{"inner-protocol", to, with(newMessage(layers.ADD, 3).add(sa(0x1000, 7, 12), addr(layers.LayerTypeAddressSrc, "192.0.2.1", 0, 32, 41), dst4(), iAuth, iEncrypt,
		inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16))), goodInner},
	{"reply-missing", from, with(newMessage(layers.GET, 3).add(sa(1, 0, 0), dst4())), bare(layers.DUMP, 0)},
	{"reply-error-body", from, edited(goodIGET, func(b []byte, _ func(int, uint16)) { b[2] = 3 }), edited(bare(0, 3), func(b []byte, _ func(int, uint16)) { b[2] = 22 })},
	{"reply-length", from, edited(bare(layers.FLUSH, 2), func(_ []byte, put16 func(int, uint16)) { put16(4, 3) }), bare(layers.FLUSH, 2)},
}

// TestDiagnostics gives requests, what illumos is to say of them in the reserved
// field, and how a refusal that says so is explained.
func TestDiagnostics(t *testing.T) {
	for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
		m := &maker{t, layers.Codec{Dialect: layers.Illumos, Order: order}}
		for name, f := range map[string]func(*maker) []byte{
			"UNKNOWN_MSG":         bare(layers.SPDGET, 0),
			"UNKNOWN_EXT":         with(iADD(raw(29, 1, 2, 3, 4))),
			"BAD_EXTLEN":          edited(goodIADD, func(_ []byte, put16 func(int, uint16)) { put16(152, 4) }),
			"UNKNOWN_SATYPE":      bare(layers.FLUSH, 9),
			"SATYPE_NEEDED":       bare(layers.REGISTER, 0),
			"NO_EXT":              with(newMessage(layers.FLUSH, 3).add(dst4())),
			"BAD_SRC_AF":          get(family(src4(), 10), dst4()),
			"BAD_DST_AF":          get(family(dst4(), 10)),
			"BAD_INNER_SRC_AF":    iInner(family(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), 10), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16)),
			"BAD_INNER_DST_AF":    iInner(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), family(inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16), 10)),
			"AF_MISMATCH":         get(src4(), dst6()),
			"BAD_SRC":             get(addr(layers.LayerTypeAddressSrc, "224.0.0.1", 0, 32, 0), dst4()),
			"BAD_DST":             get(addr(layers.LayerTypeAddressDst, "0.0.0.0", 0, 32, 0)),
			"ADDTIME_HSERR":       with(iADD(lifetimes(20, 21)...)),
			"MISSING_SRC":         with(newMessage(layers.GETSPI, 3).add(dst4(), spiRange(0x100, 0x200))),
			"MISSING_DST":         get(src4()),
			"MISSING_SA":          with(newMessage(layers.GET, 3).add(dst4())),
			"MISSING_EKEY":        iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12}, iAuth),
			"MISSING_AKEY":        iAH(layers.SA{State: 1, Auth: 7}),
			"MISSING_RANGE":       with(newMessage(layers.GETSPI, 3).add(src4(), dst4())),
			"DUPLICATE_DST":       get(dst4(), dst4()),
			"MALFORMED_AKEY":      edited(goodIADD, func(_ []byte, put16 func(int, uint16)) { put16(84, 513) }),
			"MALFORMED_RANGE":     with(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x200, 0x100))),
			"EKEY_PRESENT":        iAH(layers.SA{State: 1, Auth: 7}, iAuth, iEncrypt),
			"PROP_PRESENT":        with(iADD(proposal(layers.Comb{}))),
			"SUPP_PRESENT":        with(iADD(raw(14, make([]byte, 4)...))),
			"BAD_AALG":            iESP(layers.SA{State: 1, Auth: 8, Encrypt: 12}, iAuth, iEncrypt),
			"BAD_EALG":            iESP(layers.SA{State: 1, Auth: 7, Encrypt: 13}, iAuth, iEncrypt),
			"BAD_SAFLAGS":         iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12, Flags: 1}, iAuth, iEncrypt),
			"BAD_SASTATE":         iESP(layers.SA{Auth: 7, Encrypt: 12}, iAuth, iEncrypt),
			"BAD_AKEYBITS":        iESP(layers.SA{State: 1, Auth: 3, Encrypt: 12}, iAuth, iEncrypt),
			"BAD_EKEYBITS":        iESP(layers.SA{State: 1, Auth: 7, Encrypt: 3}, iAuth, iEncrypt),
			"ENCR_NOTSUPP":        iAH(layers.SA{State: 1, Auth: 7, Encrypt: 12}, iAuth),
			"MISSING_NATT_LOC":    iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12, Flags: 0x100000}, iAuth, iEncrypt),
			"MISSING_NATT_REM":    iESP(layers.SA{State: 1, Auth: 7, Encrypt: 12, Flags: 0x80000}, iAuth, iEncrypt),
			"MALFORMED_NATT_REM":  with(iADD(addr(layers.LayerTypeAddressNATTRemote, "0.0.0.0", 4500, 0, 17))),
			"MISSING_INNER_SRC":   with(iADD(inner(layers.LayerTypeAddressInnerDst, "10.1.0.0", 0, 16))),
			"MISSING_INNER_DST":   with(iADD(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16))),
			"PREFIX_INNER_SRC":    iInner(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 33), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16)),
			"PREFIX_INNER_DST":    iInner(inner(layers.LayerTypeAddressProxy, "10.1.0.0", 0, 16), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 33)),
			"INNER_AF_MISMATCH":   iInner(inner(layers.LayerTypeAddressProxy, "2001:db8::", 0, 64), inner(layers.LayerTypeAddressInnerDst, "10.2.0.0", 0, 16)),
			"BAD_NATT_LOC_AF":     with(iADD(addr(layers.LayerTypeAddressNATTLocal, "2001:db8::5", 4500, 0, 17))),
			"PROTO_MISMATCH":      get(addr(layers.LayerTypeAddressSrc, "::", 0, 0, 6), addr(layers.LayerTypeAddressDst, "192.0.2.9", 0, 32, 17)),
			"MISSING_ASTR":        with(newMessage(layers.ADD, 4).add(sa(0x1000, 1, 0), src4(), dst4())),
			"MALFORMED_INNER_SRC": with(iADD(raw(7, 0, 0, 0, 0))),
		} {
			b := f(m)
			v := check.Predict(layers.Illumos, m.c, b)
			got := layers.Illumos.EnumName(layers.EnumDiagnostic, uint64(v.Problem.Diagnostic))
			if v.Errno != 22 || v.ByWrite || got != name {
				t.Errorf("%s: errno %d, diagnostic %d(%s): %s", name, v.Errno, v.Problem.Diagnostic, got, v.Problem.String())
			}
			want := v.Problem.String()
			if got := check.ExplainReply(m.c, b, refusal(m, b, 22, v.Problem.Diagnostic)); got != want {
				t.Errorf("%s: explained as %q, not %q", name, got, want)
			}
		}
		for _, tc := range []struct {
			errno      uint8
			diagnostic uint16
			want       string
		}{
			{22, 47, "the encryption key is a weak one"},
			{3, 78, "no such SA: none has this SPI, destination and SA type"},
			{17, 0, "an SA with this SPI, destination and protocol exists already"},
			{22, 7, "the kernel says NO_EXT"},
			{22, 999, "the key is a weak one, or ipsecalgs(8) has changed the algorithms"},
			{99, 0, ""},
		} {
			b := goodIADD(m)
			if got := check.ExplainReply(m.c, b, refusal(m, b, tc.errno, tc.diagnostic)); got != tc.want {
				t.Errorf("errno %d, diagnostic %d: %q, want %q", tc.errno, tc.diagnostic, got, tc.want)
			}
		}
		if got := check.ExplainReply(m.c, goodIADD(m), nil); got != "" {
			t.Errorf("no reply: %q", got)
		}
	}
}

// refusal is what a kernel answers to a request.
func refusal(m *maker, request []byte, errno uint8, reserved uint16) []byte {
	b := append([]byte(nil), request[:layers.BaseLen]...)
	return m.edit(b, func(b []byte, put16 func(int, uint16)) { b[2] = errno; put16(4, 2); put16(6, reserved) })
}
