package judge

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay"
)

func encode(t *testing.T, msgType, satype uint8, exts ...layers.Extension) []byte {
	t.Helper()
	b, err := testCodec.Encode(&layers.Base{Type: msgType, SAType: satype, Seq: 9, PID: 7}, exts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func address(kind string, a string) *layers.Address {
	t := layers.LayerTypeAddressSrc
	switch kind {
	case "dst":
		t = layers.LayerTypeAddressDst
	case "proxy":
		t = layers.LayerTypeAddressProxy
	}
	ap := netip.MustParseAddrPort(a)
	return testCodec.NewAddress(t, ap, uint8(ap.Addr().BitLen()), 0)
}

func lifetime(soft bool, addTime uint64) *layers.Lifetime {
	t := layers.LayerTypeLifetimeHard
	if soft {
		t = layers.LayerTypeLifetimeSoft
	}
	return &layers.Lifetime{Header: layers.For(t), AddTime: addTime}
}

func current() *layers.Lifetime {
	return &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), AddTime: 1e9}
}

// answerOf is a kernel's answer to an ADD of one SA, changed by change.
func addAnswer(t *testing.T, change func(sa *layers.SA, exts []layers.Extension) []layers.Extension) []byte {
	sa := &layers.SA{SPI: 0x1000, Replay: 32, State: 1, Auth: 3, Encrypt: 12, Flags: 0x80000000}
	exts := []layers.Extension{
		sa, lifetime(false, 100), lifetime(true, 90), current(), address("src", "192.0.2.1:0"), address("dst", "192.0.2.2:0"),
		testCodec.NewKey(layers.LayerTypeKeyAuth, make([]byte, 20)), testCodec.NewKey(layers.LayerTypeKeyEncrypt, make([]byte, 16)),
		&layers.SA2{Mode: 1, ReqID: 5}, &layers.NATTType{Type: 2},
		&layers.NATTPort{Header: layers.For(layers.LayerTypeNATTSrcPort), Port: 4500},
		&layers.NATTPort{Header: layers.For(layers.LayerTypeNATTDstPort)},
	}
	if change != nil {
		exts = change(sa, exts)
	}
	return encode(t, layers.ADD, 3, exts...)
}

// TestContent compares an SA and a policy with the requests that made them, and
// expects each difference to be found and nothing else.
func TestContent(t *testing.T) {
	request := encode(t, layers.ADD, 3,
		&layers.SA{SPI: 0x1000, Replay: 64, Auth: 3, Encrypt: 12, Flags: 0x80000001}, address("src", "192.0.2.1:0"), address("dst", "192.0.2.2:0"),
		testCodec.NewKey(layers.LayerTypeKeyAuth, make([]byte, 20)), testCodec.NewKey(layers.LayerTypeKeyEncrypt, make([]byte, 16)),
		lifetime(false, 100), lifetime(true, 90), &layers.SA2{ReqID: 5}, &layers.NATTType{Type: 2},
		&layers.NATTPort{Header: layers.For(layers.LayerTypeNATTSrcPort), Port: 4500})
	requests := policyRequests()
	policy := encode(t, layers.SPDADD, 0, address("src", "192.0.2.1:80"), address("dst", "192.0.2.2:0"), lifetime(false, 100),
		&layers.Policy{Type: 2, Dir: 2, Priority: 7, List: requests})
	for name, c := range map[string]struct {
		request, answer []byte
		want            []finding
	}{
		"an SA": {request, addAnswer(t, nil), nil},
		"another SPI": {request, addAnswer(t, func(sa *layers.SA, e []layers.Extension) []layers.Extension { sa.SPI++; return e }),
			[]finding{{Content, "ADD: sa.spi"}}},
		"other algorithms": {request, addAnswer(t, func(sa *layers.SA, e []layers.Extension) []layers.Extension { sa.Auth, sa.Encrypt = 5, 3; return e }),
			[]finding{{Content, "ADD: sa.auth"}, {Content, "ADD: sa.encrypt"}}},
		"another window, flags, state": {request, addAnswer(t, func(sa *layers.SA, e []layers.Extension) []layers.Extension {
			sa.Replay, sa.Flags, sa.State = 64, 1, 0
			return e
		}), []finding{{Content, "ADD: sa.replay"}, {Content, "ADD: sa.flags"}, {Content, "ADD: sa.state"}}},
		"another lifetime": {request, addAnswer(t, func(_ *layers.SA, e []layers.Extension) []layers.Extension { e[1] = lifetime(false, 101); return e }),
			[]finding{{Content, "ADD: lifetime_hard"}}},
		"another address": {request, addAnswer(t, func(_ *layers.SA, e []layers.Extension) []layers.Extension {
			e[5] = address("dst", "192.0.2.3:1")
			return e
		}), []finding{{Content, "ADD: address_dst.addr"}, {Content, "ADD: address_dst.port"}}},
		"another key": {request, addAnswer(t, func(_ *layers.SA, e []layers.Extension) []layers.Extension {
			e[7] = testCodec.NewKey(layers.LayerTypeKeyEncrypt, make([]byte, 24))
			return e
		}), []finding{{Content, "ADD: key_encrypt"}}},
		"another mode": {request, addAnswer(t, func(_ *layers.SA, e []layers.Extension) []layers.Extension { e[8].(*layers.SA2).Mode = 2; return e }),
			[]finding{{Content, "ADD: sa2.mode"}}},
		"another port": {request, addAnswer(t, func(_ *layers.SA, e []layers.Extension) []layers.Extension {
			e[10].(*layers.NATTPort).Port = 1
			return e
		}), []finding{{Content, "ADD: NAT_T_SPORT.port"}}},
		"a port from nowhere": {request, addAnswer(t, func(_ *layers.SA, e []layers.Extension) []layers.Extension {
			e[11].(*layers.NATTPort).Port = 1
			return e
		}), []finding{{Leak, "ADD: NAT_T_DPORT.port, which the request does not have"}}},
		"an extension less": {request, addAnswer(t, func(_ *layers.SA, e []layers.Extension) []layers.Extension { return slices.Delete(e, 3, 4) }),
			[]finding{{Reply, "ADD: reply-missing"}}},
		"a policy": {policy, policyAnswer(t, &layers.Policy{Type: 2, Dir: 2, Priority: 7, ID: 8, List: requests}, "192.0.2.1:80"), nil},
		"another policy": {policy, policyAnswer(t, &layers.Policy{Type: 1, Dir: 1, Priority: 6, ID: 8}, "192.0.2.1:81"),
			[]finding{{Content, "SPDADD: address_src.port"}, {Content, "SPDADD: policy.type"}, {Content, "SPDADD: policy.dir"}, {Content, "SPDADD: policy.priority"}, {Content, "SPDADD: policy.requests"}}},
		"an answer too short": {request, []byte{2}, []finding{{Decoder, "short: short-header"}, {Reply, "short: short-header"}, {Reply, "ADD: answered by short"}}},
		"another event":       {request, encode(t, layers.FLUSH, 0), []finding{{Reply, "ADD: answered by FLUSH"}}},
	} {
		x := newInspector(testCodec)
		a := replay.Answer{Messages: []replay.Message{{Data: c.answer}}}
		o := read(testCodec, c.request, a, false)
		got := x.look(c.request, &o)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, want %q", name, got, c.want)
		}
	}
}

func policyRequests() []byte {
	pair := testCodec.AppendPair(nil, netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("192.0.2.2:0"))
	list := testCodec.AppendRequest(nil, layers.Request{Proto: 50, Mode: 2, Level: 2, Sockaddrs: pair})
	return testCodec.AppendRequest(list, layers.Request{Proto: 51, Mode: 1, Level: 2})
}

// policyAnswer is a kernel's answer to an SPDADD, with a reference count in its
// reserved field and any for the protocol.
func policyAnswer(t *testing.T, p *layers.Policy, src string) []byte {
	a, z := address("src", src), address("dst", "192.0.2.2:0")
	a.Proto, z.Proto = 255, 255
	b := encode(t, layers.SPDADD, 0, a, z, lifetime(false, 100), lifetime(true, 0), current(), p)
	b[6] = 3
	return b
}

// TestRead takes outcomes out of answers.
func TestRead(t *testing.T) {
	request := testMessages(0, nil)
	refused, accepted := header(request, 3), header(request, 0)
	event := encode(t, layers.EXPIRE, 3)
	type messages = []replay.Message
	msgs := func(list ...[]byte) (m messages) {
		for _, b := range list {
			m = append(m, replay.Message{Data: b})
		}
		return m
	}
	for name, c := range map[string]struct {
		answer  replay.Answer
		promisc bool
		want    string
		odd     bool
		replies int
		events  int
	}{
		"refused":                  {replay.Answer{Messages: msgs(refused)}, false, "ESRCH", false, 1, 0},
		"accepted":                 {replay.Answer{Messages: msgs(accepted)}, false, "accepted", false, 1, 0},
		"silent":                   {replay.Answer{}, false, "accepted silently", false, 0, 0},
		"by write":                 {replay.Answer{Errno: 22}, false, "EINVAL by write", false, 0, 0},
		"by write and answered":    {replay.Answer{Errno: 22, Messages: msgs(accepted)}, false, "EINVAL by write", true, 0, 0},
		"by write, and an event":   {replay.Answer{Errno: 22, Messages: msgs(event)}, false, "EINVAL by write", false, 0, 1},
		"promiscuous":              {replay.Answer{Messages: msgs(request, refused, refused)}, true, "ESRCH", false, 2, 0},
		"promiscuous without copy": {replay.Answer{Messages: msgs(refused, refused)}, true, "ESRCH", true, 2, 0},
		"with an event":            {replay.Answer{Messages: msgs(event, accepted)}, false, "accepted", false, 1, 1},
		"refused and accepted":     {replay.Answer{Messages: msgs(refused, accepted)}, false, "ESRCH", true, 2, 0},
		"an errno of 300":          {replay.Answer{Errno: 300}, false, "errno 44 by write", true, 0, 0},
		"an answer without a type": {replay.Answer{Messages: msgs([]byte{2})}, false, "accepted silently", false, 0, 1},
	} {
		o := read(testCodec, request, c.answer, c.promisc)
		if got := answered(&o); got != c.want && c.want != "errno 44 by write" || (o.odd != "") != c.odd || len(o.replies) != c.replies || len(o.events) != c.events {
			t.Errorf("%s: %s, odd %q, %d replies, %d events", name, got, o.odd, len(o.replies), len(o.events))
		}
	}
}
