package judge

import (
	"context"
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/replay"
)

// probe finds out what a kernel has by asking it.
func probe(ctx context.Context, p *player) (t check.Traits, err error) {
	if err := p.begin(ctx); err != nil {
		return t, err
	}
	q := &prober{ctx: ctx, p: p, c: p.kernel.Codec()}
	q.algorithms(&t)

	t.Comp = map[uint8]bool{}
	for id := uint8(1); id <= 4; id++ {
		t.Comp[id] = q.takes(layers.ADD, layers.SATypeIPComp, &layers.SA{SPI: uint32(id), Encrypt: id})
	}
	t.Encap = map[uint8]bool{}
	for id := range 256 {
		key := q.c.NewKey(layers.LayerTypeKeyEncrypt, nil)
		t.Encap[uint8(id)] = q.takes(layers.ADD, layers.SATypeESP, &layers.SA{SPI: 0x1000 + uint32(id), Encrypt: 11}, key, &layers.NATTType{Type: uint8(id)})
	}
	t.ZeroSPI = answerOf(q.takes(layers.GETSPI, layers.SATypeESP, &layers.SPIRange{}))

	policy := func() layers.Extension { return &layers.Policy{Type: 1, Dir: 1} }
	context := func(doi, alg uint8, s string) layers.Extension {
		return &layers.SecCtx{CtxDOI: doi, CtxAlg: alg, CtxLen: uint16(len(s)), Context: []byte(s)}
	}
	switch {
	case q.takes(layers.SPDADD, 0, policy(), context(77, 77, "none")):
		t.Contexts = check.ContextsIgnored
	case q.takes(layers.SPDADD, 0, policy(), context(1, 1, "no such context")):
		t.Contexts = check.ContextsUnlabeled
	}
	o := q.ask(layers.MIGRATE, 0, policy())
	t.Migrate = answerOf(o.errno != enoprotoopt)
	return t, q.err
}

const enoprotoopt = 92 // include/uapi/asm-generic/errno.h

func answerOf(yes bool) check.Answer {
	if yes {
		return check.Yes
	}
	return check.No
}

type prober struct {
	ctx context.Context
	p   *player
	c   layers.Codec
	err error
}

// ask sends a request between two addresses.
func (q *prober) ask(msgType, satype uint8, exts ...layers.Extension) (o outcome) {
	if q.err != nil {
		return o
	}
	src, dst := netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("192.0.2.2:0")
	exts = append([]layers.Extension{
		q.c.NewAddress(layers.LayerTypeAddressSrc, src, 32, 0),
		q.c.NewAddress(layers.LayerTypeAddressDst, dst, 32, 0),
	}, exts...)
	var msg []byte
	if msg, q.err = q.c.Encode(&layers.Base{Type: msgType, SAType: satype, PID: 1}, exts...); q.err != nil {
		return o
	}
	var a replay.Answer
	if a, q.err = q.p.exchange(q.ctx, replay.Request{Socket: socket, Message: msg}); q.err != nil {
		return o
	}
	return read(q.c, msg, a, false)
}

func (q *prober) takes(msgType, satype uint8, exts ...layers.Extension) bool {
	return q.ask(msgType, satype, exts...).errno == 0
}

// algorithms takes the lists out of the answer to a REGISTER that registers nothing.
func (q *prober) algorithms(t *check.Traits) {
	o := q.ask(layers.REGISTER, layers.SATypeUnspec)
	var m layers.Message
	m.Codec = q.c
	for _, b := range o.replies {
		if m.DecodeFromBytes(b, nil) != nil {
			continue
		}
		if s := m.SupportedAuth(); s != nil {
			t.Auth = idsOf(s)
		}
		if s := m.SupportedEncrypt(); s != nil {
			t.Encrypt = idsOf(s)
		}
	}
}

func idsOf(s *layers.Supported) map[uint8]bool {
	set := map[uint8]bool{}
	for _, a := range s.Algs() {
		set[a.ID] = true
	}
	return set
}
