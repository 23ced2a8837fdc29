package replay

import (
	"context"

	"github.com/pfkeycap/pfkeycap/layers"
)

// guard keeps a run from changing or removing what it has not made: where the target
// refuses to make something, because it has that already, what the capture does to it
// later is not to be done to what the target had.
type guard struct {
	sas      map[saID]bool
	policies map[policyID]uint32 // their ids
	ids      map[uint32]policyID
	acquires map[uint32]bool // numbers of ACQUIREs that stand for recorded ones
	msg      layers.Message
}

func newGuard() *guard {
	return &guard{sas: map[saID]bool{}, policies: map[policyID]uint32{}, ids: map[uint32]policyID{}, acquires: map[uint32]bool{}}
}

func (g *guard) decode(c layers.Codec, msg []byte) *layers.Message {
	g.msg.Codec = c
	_ = g.msg.DecodeFromBytes(msg, nil)
	return &g.msg
}

// judgement is what a guard makes of a request.
type judgement uint8

const (
	harmless judgement = iota // it changes nothing, or what the run has made
	harmful                   // it may change or remove something else
	replaces                  // it makes a policy, or replaces one that is there
)

// judge judges a request to the target.
func (g *guard) judge(c layers.Codec, msg []byte) judgement {
	m := g.decode(c, msg)
	mine := false
	switch {
	case isFlush(c.Dialect, m.Type), changesUnseen(c.Dialect, m.Type):
	case m.Type == layers.UPDATE, m.Type == layers.DELETE:
		id, ok := saIDOf(m)
		mine = ok && g.sas[id]
	case isPolicyType(c.Dialect, m.Type):
		switch m.Type {
		case layers.SPDUPDATE:
			id, ok := policyIDOf(m)
			if _, made := g.policies[id]; ok && !made {
				return replaces
			}
			mine = true // or it is refused, for lack of what names one
		case layers.SPDDELETE, layers.SPDDELETE2:
			_, mine = g.policy(m)
		default:
			mine = true
		}
	case m.Type == layers.ACQUIRE && len(msg) == layers.BaseLen: // ends a larval SA
		mine = g.acquires[m.Seq]
	default:
		mine = true
	}
	if mine {
		return harmless
	}
	return harmful
}

// changesUnseen reports whether messages of a type change what they do not name in a
// way that a guard follows: flows and pairs of SAs of other systems, and what MIGRATE
// moves, which is every SA between two addresses.
func changesUnseen(d layers.Dialect, typ uint8) bool {
	switch d {
	case layers.Linux:
		return typ == layers.MIGRATE
	case layers.OpenBSD:
		return typ == openbsdDelFlow || typ == openbsdGroupSPIs
	case layers.Illumos:
		return typ == illumosUpdatePair || typ == illumosDelPair || typ == illumosDelPairState
	}
	return false
}

// Types of messages that only one system has (the tables of package layers have them
// with their sources).
const (
	openbsdDelFlow      = 13
	openbsdGroupSPIs    = 14
	illumosUpdatePair   = 13
	illumosDelPair      = 14
	illumosDelPairState = 15
)

// policy finds the policy that a message names, if the run has made it.
func (g *guard) policy(m *layers.Message) (id policyID, made bool) {
	id, ok := policyIDOf(m)
	if p := m.Policy(); !ok && p != nil {
		id, made = g.ids[p.ID]
		return id, made
	}
	_, made = g.policies[id]
	return id, ok && made
}

// sends takes note of a request that is sent: what it removes is no longer the run's, as
// it may be somebody else's that comes in its place.
func (g *guard) sends(c layers.Codec, msg []byte) {
	m := g.decode(c, msg)
	switch {
	case m.Type == layers.DELETE:
		id, _ := saIDOf(m)
		delete(g.sas, id)
	case isPolicyType(c.Dialect, m.Type) && (m.Type == layers.SPDDELETE || m.Type == layers.SPDDELETE2):
		if id, made := g.policy(m); made {
			delete(g.ids, g.policies[id])
			delete(g.policies, id)
		}
	}
}

// learn takes note of the target's first answer to a request.
func (g *guard) learn(c layers.Codec, typ uint8, answer []byte) {
	m := g.decode(c, answer)
	if m.Errno != 0 {
		return
	}
	if isPolicyType(c.Dialect, typ) {
		id, ok := policyIDOf(m)
		if ok && (typ == layers.SPDADD || typ == layers.SPDSETIDX || typ == layers.SPDUPDATE) {
			g.policies[id], g.ids[m.Policy().ID] = m.Policy().ID, id
		}
		return
	}
	if id, ok := saIDOf(m); ok && (typ == layers.GETSPI || typ == layers.ADD) {
		g.sas[id] = true
	}
}

// What a guard says of a request that it does not send.
const (
	guardedAway = "it was not sent: it would change or remove what the replay has not made"
	guardedHas  = "it was not sent: it would replace a policy that the target had before"
)

// guards says why a request must not be sent, or returns "". What is under way is
// answered before.
func (x *run) guards(ctx context.Context, msg []byte) (why string, err error) {
	if x.guard == nil {
		return "", nil
	}
	defer func() {
		if why == "" && err == nil {
			x.guard.sends(x.codec, msg)
		}
	}()
	if x.guard.judge(x.codec, msg) == harmless {
		return "", nil
	}
	for len(x.pending) > 0 {
		if err := x.receive(ctx); err != nil {
			return "", err
		}
	}
	switch x.guard.judge(x.codec, msg) {
	case harmless:
		return "", nil
	case harmful:
		return guardedAway, nil
	}
	id, _ := policyIDOf(x.guard.decode(x.codec, msg))
	list, err := x.codec.Encode(&layers.Base{Type: layers.SPDDUMP})
	if err != nil {
		return "", err
	}
	socket := x.first + len(x.plan.Sockets)
	a, err := x.tell(ctx, Request{Socket: socket, Message: list, Last: true})
	if err != nil {
		return "", err
	}
	for _, m := range a.Messages {
		if m.Socket != socket {
			continue
		}
		if has, ok := policyIDOf(x.guard.decode(x.codec, m.Data)); ok && has == id {
			return guardedHas, nil
		}
	}
	return "", nil
}
