package check_test

import (
	"encoding/hex"
	"testing"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// TestOpenBSDObserved compares predictions with what a real kernel answered.
func TestOpenBSDObserved(t *testing.T) {
	count := observe(t, layers.OpenBSD, "openbsd.txt", map[string]bool{
		"A: REGISTER with foreign pid (EINVAL)": true, // the bytes do not say who sends
		"A: ADD ESP with pf TAG":                true, // this kernel has no pf
		"A: ADD duplicate (EEXIST)":             true,
	})
	if count["exact"] != 23 || count["possible"] != 3 {
		t.Errorf("%v", count)
	}
}

// observe holds the predictions for a dialect to a file of requests and answers.
// Answers that hang on the kernel's state may be possible rather than predicted.
func observe(t *testing.T, by layers.Dialect, file string, state map[string]bool) map[string]int {
	t.Helper()
	count := map[string]int{}
	for _, f := range lines(t, file) {
		msg, err := hex.DecodeString(f[3])
		if err != nil {
			t.Fatalf("%s: %v", f[0], err)
		}
		o := observed{name: f[0], codec: codecOf(t, f[1]), msg: msg}
		o.errno, o.byWrite, o.silent = parseAnswer(t, f[2])
		o.codec.Dialect = by
		judge(t, by, o.codec, msg)
		v := check.Predict(by, o.codec, msg)
		a := agrees(&v, &o)
		count[a]++
		switch {
		case a == "wrong", a == "possible" && !state[o.name]:
			t.Errorf("%s: predicted errno %d (by write %v, silent %v, %s), the kernel answered %d (by write %v, silent %v): %s",
				o.name, v.Errno, v.ByWrite, v.Silent, v.Problem.String(), o.errno, o.byWrite, o.silent, a)
		case o.errno != 0 && check.Explain(o.codec, msg, o.errno) == "":
			t.Errorf("%s: errno %d is not explained", o.name, o.errno)
		}
	}
	t.Logf("%v", count)
	return count
}

// TestOpenBSDReplies holds the rules for messages from the kernel to what a real
// kernel sent. What it wrapped are requests, judged as such.
func TestOpenBSDReplies(t *testing.T) {
	for _, f := range lines(t, "openbsdreplies.txt") {
		msg, err := hex.DecodeString(f[2])
		if err != nil {
			t.Fatal(err)
		}
		c := codecOf(t, f[1])
		c.Dialect = layers.OpenBSD
		if msg[1] == layers.PROMISC && len(msg) > layers.BaseLen {
			// A request, which TestOpenBSDObserved judges.
			inner := check.Judge(layers.OpenBSD, c, msg[layers.BaseLen:], check.ToKernel)
			outer := check.Judge(layers.OpenBSD, c, msg, check.FromKernel)
			if len(outer) < len(inner) {
				t.Errorf("%s: %v, in a wrapper %v", f[0], texts(inner), texts(outer))
			}
			continue
		}
		for _, p := range check.Judge(layers.OpenBSD, c, msg, check.FromKernel) {
			t.Errorf("%s, type %d: %s (%s)", f[0], msg[1], p.String(), p.Code)
		}
	}
}

// oADD is an ADD that OpenBSD does not object to: SA at byte 16, ADDRESS_SRC at 32,
// ADDRESS_DST at 56, KEY_AUTH at 80, KEY_ENCRYPT at 152.
func oADD(exts ...extFunc) *message {
	return newMessage(layers.ADD, 2).add(sa(0x1000, 7, 12), src4(), dst4(), authKey(512), encKey(128)).add(exts...)
}

func oMessage(msgType, satype uint8, exts ...extFunc) func(*maker) []byte {
	return with(newMessage(msgType, satype).add(exts...))
}

// flow has the five extensions that every flow has, with a direction and a type.
func flow(direction, kind uint8) []extFunc {
	return []extFunc{
		addr(layers.LayerTypeSrcFlow, "10.0.0.0", 0, 0, 0), addr(layers.LayerTypeSrcMask, "255.0.0.0", 0, 0, 0),
		addr(layers.LayerTypeDstFlow, "10.1.0.0", 80, 0, 0), addr(layers.LayerTypeDstMask, "255.255.0.0", 0, 0, 0),
		protocol(layers.LayerTypeFlowType, kind, direction),
	}
}

func protocol(t gopacket.LayerType, proto, direction uint8) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.Protocol{Header: layers.For(t), Proto: proto, Direction: direction}
	}
}

func ext[T any, P interface {
	*T
	layers.Extension
}](x T) extFunc {
	return func(layers.Codec) layers.Extension { y := x; return P(&y) }
}

// group is a GRPSPIS.
func group() *message {
	second := func(layers.Codec) layers.Extension {
		return &layers.SA{Header: layers.For(layers.LayerTypeSecondSA), SPI: 0x2000, State: 1}
	}
	return newMessage(14, 2).add(sa(0x1000, 0, 0), second, dst4(), addr(layers.LayerTypeDst2, "192.0.2.7", 0, 0, 0),
		protocol(layers.LayerTypeSAType2, 1, 0))
}

// wrapped puts a message into what a promiscuous socket of OpenBSD gets, with
// another sender than sadb_msg_pid says.
func wrapped(f func(*maker) []byte) func(*maker) []byte {
	return func(m *maker) []byte {
		outer := newMessage(layers.PROMISC, 0)
		outer.base.Seq = 4711
		return m.edit(append(m.msg(outer), f(m)...), func(b []byte, put16 func(int, uint16)) { put16(4, uint16(len(b)/8)) })
	}
}

func put32(m *maker, b []byte, at int, v uint32) []byte {
	byteOrder(m.c).PutUint32(b[at:], v)
	return b
}

var (
	goodOADD   = with(oADD())
	goodOGET   = oMessage(layers.GET, 2, sa(0x1000, 0, 0), dst4())
	goodOSPI   = oMessage(layers.GETSPI, 2, src4(), dst4(), spiRange(0x100, 0x200))
	goodOFlow  = oMessage(12, 2, flow(1, 3)...)
	goodGroup  = func(m *maker) []byte { return m.msg(group()) }
	goodAskPol = oMessage(15, 0, ext(layers.PolicySeq{Seq: 7}))
)

// withSA is an ADD of another SA extension.
func withSA(change func(x *layers.SA)) func(*maker) []byte {
	x := layers.SA{SPI: 0x1000, State: 1, Auth: 7, Encrypt: 12}
	change(&x)
	return oMessage(layers.ADD, 2, saWith(x), src4(), dst4(), authKey(512), encKey(128))
}

// withDst is a GET of a changed destination address.
func withDst(change func(x *layers.Address)) func(*maker) []byte {
	return oMessage(layers.GET, 2, sa(0x1000, 0, 0), sockaddr(dst4(), change))
}

var openBSDCases = []ruleCase{
	{"message-size", to, with(oADD(raw(33, make([]byte, 5000)...))), goodOADD},
	{"short-header", to, func(m *maker) []byte { return goodOADD(m)[:15] }, goodOADD},
	{"message-length", to, edited(goodOADD, func(_ []byte, put16 func(int, uint16)) { put16(4, 2) }), goodOADD},
	{"message-reserved", to, edited(goodOADD, func(_ []byte, put16 func(int, uint16)) { put16(6, 1) }), goodOADD},
	{"message-type", to, edited(goodOADD, func(b []byte, _ func(int, uint16)) { b[1] = 17 }), goodOADD},
	{"message-pid", to, edited(goodOADD, func(b []byte, _ func(int, uint16)) { clear(b[12:16]) }), goodOADD},
	{"errno-set", to, edited(goodOADD, func(b []byte, _ func(int, uint16)) { b[2] = 3 }), goodOADD},
	{"message-version", to, edited(goodOADD, func(b []byte, _ func(int, uint16)) { b[0] = 3 }), goodOADD},
	{"trailing-bytes", from, func(m *maker) []byte { return append(bare(layers.FLUSH, 0)(m), 1, 2, 3) }, bare(layers.FLUSH, 0)},
	{"extension-length-zero", to, edited(goodOADD, func(_ []byte, put16 func(int, uint16)) { put16(80, 0) }), goodOADD},
	{"extension-overrun", to, edited(goodOADD, func(_ []byte, put16 func(int, uint16)) { put16(152, 4) }), goodOADD},
	{"unknown-extension", to, with(oADD(raw(41, 1, 2, 3, 4))), goodOADD},
	{"unknown-extension", from, oMessage(layers.DELETE, 2, sa(1, 0, 0), dst4(), raw(41, 1, 2, 3, 4)), goodOGET},
	{"extension-type", to, edited(goodOADD, func(_ []byte, put16 func(int, uint16)) { put16(82, 0) }), goodOADD},
	{"extension-type", from, edited(goodOGET, func(_ []byte, put16 func(int, uint16)) { put16(18, 0) }), goodOGET},
	{"extension-forbidden", to, with(newMessage(layers.GET, 2).add(sa(0x1000, 0, 0), dst4(), authKey(160))), goodOGET},
	{"extension-forbidden", to, oMessage(layers.PROMISC, 1, dst4()), bare(layers.PROMISC, 1)},
	{"release", to, with(oADD(addr(layers.LayerTypeAddressProxy, "192.0.2.9", 0, 0, 0))), goodOADD},
	{"release", to, with(newMessage(layers.ADD, 2).add(sa(0x1000, 7, 2), src4(), dst4(), authKey(512), encKey(64))), goodOADD},
	{"extension-duplicate", to, with(newMessage(layers.GET, 2).add(sa(0x1000, 0, 0), dst4(), dst4())), goodOGET},
	{"extension-duplicate", from, with(newMessage(layers.GET, 2).add(sa(0x1000, 0, 0), dst4(), dst4())), goodOGET},
	{"extension-short", to, with(newMessage(layers.GET, 2).add(raw(1, 0, 0, 0x10, 0), dst4())), goodOGET},
	{"extension-long", to, oMessage(layers.GETSPI, 2, src4(), dst4(), raw(16, make([]byte, 20)...)), goodOSPI},
	{"extension-long", to, with(oADD(raw(33, make([]byte, 76)...))), with(oADD(raw(33, make([]byte, 68)...)))},
	{"extension-long", to, oMessage(layers.ADD, 1, sa(0x1000, 3, 0), src4(), dst4(), func(layers.Codec) layers.Extension {
		return &layers.Key{Header: layers.For(layers.LayerTypeKeyAuth), Bits: 160, Octets: make([]byte, 32)}
	}), oMessage(layers.ADD, 1, sa(0x1000, 3, 0), src4(), dst4(), authKey(160))},
	{"extension-option", to, with(oADD(ext(layers.Tap{Unit: 1}))), goodOADD},
	{"state", to, withSA(func(x *layers.SA) { x.State = 3 }), goodOADD},
	{"state", to, withSA(func(x *layers.SA) { x.State = 2 }), goodOADD},
	{"algorithm-range", to, withSA(func(x *layers.SA) { x.Auth = 13 }), goodOADD},
	{"algorithm-range", to, withSA(func(x *layers.SA) { x.Encrypt = 23 }), goodOADD},
	{"algorithm-range", to, oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{Auth: 13})), oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{Auth: 12}))},
	{"algorithm-range", to, oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{Encrypt: 23})), oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{Encrypt: 22}))},
	{"replay-window", to, withSA(func(x *layers.SA) { x.Replay = 65 }), withSA(func(x *layers.SA) { x.Replay = 64 })},
	{"address-short", to, with(newMessage(layers.GET, 2).add(sa(0x1000, 0, 0), raw(6, 0, 0, 0, 0))), goodOGET},
	{"extension-reserved", to, withDst(func(x *layers.Address) { x.Reserved = 0x2000 }), goodOGET},
	{"extension-reserved", to, oMessage(layers.ADD, 1, sa(0x1000, 3, 0), src4(), dst4(), func(layers.Codec) layers.Extension {
		return &layers.Key{Header: layers.For(layers.LayerTypeKeyAuth), Bits: 160, Reserved: 1, Octets: make([]byte, 20)}
	}), goodOADD},
	{"extension-reserved", to, with(oADD(func(layers.Codec) layers.Extension {
		return &layers.Identity{Header: layers.For(layers.LayerTypeIdentitySrc), Type: 1, Reserved: 1}
	})), with(oADD(identity(1, "")))},
	{"extension-reserved", to, oMessage(layers.ACQUIRE, 2, ext(layers.Proposal{Reserved: [3]byte{1}})), oMessage(layers.ACQUIRE, 2, ext(layers.Proposal{}))},
	{"extension-reserved", to, oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{Reserved: 1})), oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{}))},
	{"sockaddr-length", to, withDst(func(x *layers.Address) { x.Sockaddr[0] = 17 }), goodOGET},
	{"sockaddr-length", to, withDst(func(x *layers.Address) { x.Sockaddr[0] = 0 }), goodOGET},
	{"address-family", to, withDst(func(x *layers.Address) { x.Sockaddr[1] = 10 }),
		oMessage(layers.GET, 8, sa(0x1000, 0, 0), sockaddr(dst4(), func(x *layers.Address) { x.Sockaddr[1] = 0 }))},
	{"address-length", to, oMessage(layers.GET, 2, sa(0x1000, 0, 0), sockaddr(dst6(), func(x *layers.Address) { x.Sockaddr[1] = 2 })),
		oMessage(layers.GET, 2, sa(0x1000, 0, 0), dst6())},
	{"address-zero", to, withDst(func(x *layers.Address) { x.Sockaddr[15] = 1 }), goodOGET},
	{"address-zero", to, oMessage(layers.GET, 2, sa(0x1000, 0, 0), sockaddr(dst6(), func(x *layers.Address) { x.Sockaddr[4] = 1 })),
		oMessage(layers.GET, 2, sa(0x1000, 0, 0), dst6())},
	{"address-port", to, oMessage(layers.GET, 2, sa(0x1000, 0, 0), addr(layers.LayerTypeAddressDst, "192.0.2.9", 53, 0, 0)), goodOFlow},
	{"key-empty", to, oMessage(layers.ADD, 2, sa(0x1000, 7, 11), src4(), dst4(), authKey(512), encKey(0)),
		oMessage(layers.ADD, 2, sa(0x1000, 7, 11), src4(), dst4(), authKey(512))},
	{"key-overrun", to, edited(goodOADD, func(_ []byte, put16 func(int, uint16)) { put16(84, 513) }), goodOADD},
	{"identity-type", to, with(oADD(identity(5, "a.example.org\x00\x00\x00"))), with(oADD(identity(4, "a.example.org\x00\x00\x00")))},
	{"identity-string", to, with(oADD(identity(2, "a.example.org123"))), with(oADD(identity(2, "")))},
	{"identity-string", to, with(oADD(identity(2, "a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))), with(oADD(identity(2, "a\x00\x00\x00\x00\x00\x00\x00")))},
	{"proposal-size", to, oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{}, make([]byte, 8)...)), oMessage(layers.ACQUIRE, 2, proposal(layers.Comb{}))},
	{"spirange", to, oMessage(layers.GETSPI, 2, src4(), dst4(), spiRange(0x200, 0x100)), goodOSPI},
	{"sa-missing", to, oMessage(layers.GET, 2, dst4()), goodOGET},
	{"address-missing", to, oMessage(layers.GET, 2, sa(0x1000, 0, 0), src4()), goodOGET},
	{"address-missing", to, oMessage(layers.GETSPI, 2, dst4(), spiRange(0x100, 0x200)), goodOSPI},
	{"spirange-missing", to, oMessage(layers.GETSPI, 2, src4(), dst4()), goodOSPI},
	{"policy-missing", to, bare(15, 0), goodAskPol},
	{"extension-missing", to, oMessage(12, 2, flow(1, 3)[1:]...), goodOFlow},
	{"extension-missing", to, with(oADD(flow(1, 3)...)), with(oADD(flow(1, 3)...).add(protocol(layers.LayerTypeProtocol, 6, 0)))},
	{"extension-missing", to, oMessage(14, 2, sa(0x1000, 0, 0), dst4()), goodGroup},
	{"rdomain-unchecked", to, with(oADD(ext(layers.RDomain{Dom1: 1, Dom2: 2}))), goodOADD},
	{"satype", to, oMessage(layers.GETSPI, 3, src4(), dst4(), spiRange(0x100, 0x200)), goodOSPI},
	{"satype", to, oMessage(layers.ADD, 0, sa(0x1000, 7, 12), dst4(), authKey(512), encKey(128)), oMessage(layers.ADD, 7, sa(0x1000, 0, 0), dst4())},
	{"spirange-low", to, oMessage(layers.GETSPI, 2, src4(), dst4(), spiRange(1, 0xff)), goodOSPI},
	{"spirange-cpi", to, oMessage(layers.GETSPI, 9, src4(), dst4(), spiRange(0x100, 0xf000)), oMessage(layers.GETSPI, 9, src4(), dst4(), spiRange(0x100, 0xefff))},
	{"encapsulation-satype", to, oMessage(layers.ADD, 1, sa(0x1000, 3, 0), dst4(), authKey(160), ext(layers.UDPEncap{Port: 4500})), goodOADD},
	{"encapsulation-kernel", to, with(oADD(ext(layers.UDPEncap{Port: 4500}))), goodOADD},
	{"address-families", to, oMessage(12, 2, append(flow(1, 3)[:3:3], addr(layers.LayerTypeDstMask, "ffff::", 0, 0, 0), flow(1, 3)[4])...), goodOFlow},
	{"algorithm-missing", to, oMessage(layers.ADD, 2, sa(0x1000, 0, 0), dst4()), goodOADD},
	{"algorithm-missing", to, oMessage(layers.ADD, 1, sa(0x1000, 0, 0), dst4(), authKey(160)), oMessage(layers.ADD, 1, sa(0x1000, 3, 0), dst4(), authKey(160))},
	{"algorithm-missing", to, oMessage(layers.ADD, 9, sa(0x1000, 0, 0), dst4()), oMessage(layers.ADD, 9, sa(0x1000, 0, 2), dst4())},
	{"algorithm-unknown", to, oMessage(layers.ADD, 9, sa(0x1000, 0, 3), dst4()), oMessage(layers.ADD, 9, sa(0x1000, 0, 2), dst4())},
	{"algorithm-unknown", to, withSA(func(x *layers.SA) { x.Encrypt = 14 }), goodOADD},
	{"algorithm-unknown", to, oMessage(layers.ADD, 1, sa(0x1000, 12, 0), dst4(), authKey(288)), oMessage(layers.ADD, 2, sa(0x1000, 12, 22), dst4(), encKey(288))},
	{"key-missing", to, oMessage(layers.ADD, 2, sa(0x1000, 7, 12), dst4(), encKey(128)), goodOADD},
	{"key-missing", to, oMessage(layers.ADD, 2, sa(0x1000, 7, 12), dst4(), authKey(512)), oMessage(layers.UPDATE, 2, sa(0x1000, 7, 12), src4(), dst4())},
	{"key-missing", to, oMessage(layers.ADD, 8, sa(0x1000, 0, 0), dst4()), oMessage(layers.ADD, 8, sa(0x1000, 0, 0), dst4(), authKey(8))},
	{"key-size", to, oMessage(layers.ADD, 8, sa(0x1000, 0, 0), dst4(), authKey(648)), oMessage(layers.ADD, 8, sa(0x1000, 0, 0), dst4(), authKey(640))},
	{"key-size", to, oMessage(layers.ADD, 2, sa(0x1000, 7, 12), dst4(), authKey(512), encKey(136)), goodOADD},
	{"key-size", to, oMessage(layers.ADD, 2, sa(0x1000, 7, 12), dst4(), authKey(504), encKey(128)), goodOADD},
	{"satype-empty", to, oMessage(layers.GET, 3, sa(0x1000, 0, 0), dst4()), oMessage(layers.GET, 7, sa(0x1000, 0, 0), dst4())},
	{"register-satype", to, bare(layers.REGISTER, 10), bare(layers.REGISTER, 9)},
	{"flush-satype", to, bare(layers.FLUSH, 3), bare(layers.FLUSH, 2)},
	{"policy-direction", to, oMessage(12, 2, flow(3, 3)...), goodOFlow},
	{"policy-type", to, oMessage(12, 2, flow(2, 7)...), oMessage(13, 2, flow(2, 7)...)},
	{"kernel-only", to, bare(16, 0), bare(layers.DUMP, 0)},
	{"reply-forbidden", to, with(oADD(ext(layers.Counter{}))), goodOADD},
	{"reply-forbidden", to, with(newMessage(layers.UPDATE, 2).add(sa(0x1000, 0, 0), src4(), dst4(), ext(layers.ReplayCount{Count: 1}))),
		with(newMessage(layers.UPDATE, 2).add(sa(0x1000, 0, 0), src4(), dst4()))},
	{"reply-missing", from, oMessage(layers.GET, 2, sa(0x1000, 0, 0), dst4()), oMessage(layers.DELETE, 2, sa(0x1000, 0, 0), dst4())},
	{"reply-extra", from, oMessage(layers.DELETE, 2, sa(0x1000, 0, 0), dst4(), ext(layers.MTU{})), oMessage(layers.DELETE, 2, sa(0x1000, 0, 0), dst4())},
	{"reply-error-body", from, edited(goodOGET, func(b []byte, _ func(int, uint16)) { b[2] = 3 }), edited(bare(layers.GET, 2), func(b []byte, _ func(int, uint16)) { b[2] = 3 })},
	{"reply-length", from, edited(bare(layers.FLUSH, 2), func(_ []byte, put16 func(int, uint16)) { put16(4, 3) }), bare(layers.FLUSH, 2)},
}

// TestOpenBSDWrapped holds that the request in a wrapper is judged as one, with the
// sender that the wrapper names.
func TestOpenBSDWrapped(t *testing.T) {
	for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
		m := &maker{t, layers.Codec{Dialect: layers.OpenBSD, Order: order}}
		list := check.Judge(layers.OpenBSD, m.c, wrapped(oMessage(layers.GET, 2, dst4()))(m), check.FromKernel)
		if len(list) != 2 || list[0].Code != "message-pid" || list[0].Offset != 16+12 || list[1].Code != "sa-missing" || list[1].Errno != 22 {
			t.Errorf("%v", texts(list))
		}
		reply := wrapped(bare(layers.FLUSH, 0))(m)
		if list := check.Judge(layers.OpenBSD, m.c, put32(m, reply, 8, 0), check.FromKernel); list != nil {
			t.Errorf("a wrapped answer: %v", texts(list))
		}
	}
}
