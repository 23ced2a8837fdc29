package trace

import (
	"container/list"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// PolicyLife is what a recording tells of one policy, or on OpenBSD of one flow.
type PolicyLife struct {
	Codec   layers.Codec
	ID      uint32         // the kernel's number; 0 where it has none
	Birth   *record.Record // a copy of the message it was born with
	Born    Point
	By      string // the type of that message; SPDGET and SPDDUMP list what is older
	Foreign bool   // made over netlink, or through a socket that is not heard
	PID     uint32
	Process string

	Updates int
	Updated Point // the last one

	Ended   Ending
	End     Point
	EndType string
	EndPID  uint32

	HardLimit, SoftLimit Limit
	Used                 Limit // counters as last seen

	key     policyKey
	element *list.Element
}

// policyKey is what a kernel finds a policy by, apart from its number.
type policyKey struct {
	dir, proto     uint8
	src, dst       netip.Addr
	srcLen, dstLen uint8
	srcPort        uint16
	dstPort        uint16
	masks          [2]netip.Addr // OpenBSD
}

// policyLives follows policies. What a kernel calls a policy by, its number, is what
// it is found by first.
type policyLives struct {
	opts  *LifeOptions
	all   *list.List // of *PolicyLife, by birth
	byID  map[uint32]*PolicyLife
	byKey map[policyKey]*PolicyLife
}

func (l *policyLives) init(o *LifeOptions) {
	*l = policyLives{opts: o, all: list.New(), byID: map[uint32]*PolicyLife{}, byKey: map[policyKey]*PolicyLife{}}
}

// add follows a message from the kernel and reports whether it was about a policy.
func (l *policyLives) add(r *record.Record, role Role, m *layers.Message, what string, at Point) bool {
	switch what {
	case "SPDADD", "SPDUPDATE", "SPDSETIDX", "ADDFLOW", "SPDGET", "SPDDUMP":
		l.told(r, role, m, what, at)
	case "SPDDELETE", "SPDDELETE2", "DELFLOW", "SPDEXPIRE":
		x := l.find(m)
		if x == nil {
			break
		}
		x.learn(m)
		x.EndPID = m.PID
		how := Deleted
		if what == "SPDEXPIRE" {
			if m.LifetimeHard() == nil {
				break
			}
			how = Expired
		}
		l.end(x, how, at, what)
	default:
		return false
	}
	return true
}

func (l *policyLives) told(r *record.Record, role Role, m *layers.Message, what string, at Point) {
	if m.Policy() == nil && m.DstFlow() == nil {
		return
	}
	x := l.find(m)
	listing := what == "SPDGET" || what == "SPDDUMP"
	if x != nil && (what == "SPDADD" || what == "ADDFLOW") {
		l.end(x, Replaced, Point{}, "")
		x = nil
	}
	if x != nil {
		if !listing {
			x.Updates++
			x.Updated = at
		}
		x.learn(m)
		l.say(x, r)
		return
	}
	c := r.Clone()
	c.True = nil
	x = &PolicyLife{
		Codec: r.Codec, Birth: c, Born: at, By: what, Foreign: role == Foreign, PID: m.PID, Process: c.Process, key: keyOfPolicy(m),
	}
	if p := m.Policy(); p != nil {
		x.ID = p.ID
	}
	x.learn(m)
	x.element = l.all.PushBack(x)
	if x.ID != 0 {
		l.byID[x.ID] = x
	}
	l.byKey[x.key] = x
	l.say(x, r)
	for l.all.Len() > l.opts.Max {
		e := l.all.Front()
		k := 0
		for f := e; f != nil && k < retireFirst; f, k = f.Next(), k+1 {
			if f.Value.(*PolicyLife).Ended != Alive {
				e = f
				break
			}
		}
		old := e.Value.(*PolicyLife)
		l.end(old, Dropped, Point{}, "")
		l.all.Remove(e)
		l.give(old)
	}
}

func (l *policyLives) say(x *PolicyLife, r *record.Record) {
	if l.opts.PolicyTold != nil {
		l.opts.PolicyTold(x, r)
	}
}

func (x *PolicyLife) learn(m *layers.Message) {
	if h := m.LifetimeHard(); h != nil {
		x.HardLimit = limitOf(h)
	}
	if s := m.LifetimeSoft(); s != nil {
		x.SoftLimit = limitOf(s)
	}
	if c := m.LifetimeCurrent(); c != nil {
		x.Used = limitOf(c)
	}
}

func keyOfPolicy(m *layers.Message) (k policyKey) {
	src, dst := m.AddressSrc(), m.AddressDst()
	if m.DstFlow() != nil {
		src, dst = m.SrcFlow(), m.DstFlow()
		k.masks = [2]netip.Addr{addrOf(m.SrcMask()), addrOf(m.DstMask())}
		if p := m.Protocol(); p != nil {
			k.proto = p.Proto
		}
		if f := m.FlowType(); f != nil {
			k.dir = f.Direction
		}
	}
	if p := m.Policy(); p != nil {
		k.dir = p.Dir
	}
	if src != nil {
		k.src, k.srcLen, k.srcPort = src.Addr(), src.PrefixLen, src.Port()
		k.proto = max(k.proto, src.Proto)
	}
	if dst != nil {
		k.dst, k.dstLen, k.dstPort = dst.Addr(), dst.PrefixLen, dst.Port()
	}
	return k
}

// find finds the living policy that a message is about. One with another number than
// the kernel's is another policy, but for those that a request to replace gives anew.
func (l *policyLives) find(m *layers.Message) *PolicyLife {
	if p := m.Policy(); p != nil && p.ID != 0 {
		if x := l.byID[p.ID]; x != nil {
			return x
		}
	}
	k := keyOfPolicy(m)
	x := l.byKey[k]
	if x != nil && m.Policy() != nil && m.Policy().ID != 0 && x.ID != 0 && x.ID != m.Policy().ID && m.TypeName() != "SPDUPDATE" {
		return nil
	}
	if x != nil && m.Policy() != nil && m.Policy().ID != 0 && x.ID != m.Policy().ID {
		delete(l.byID, x.ID) // Linux gives a policy that is put in the place of another a new number
		x.ID = m.Policy().ID
		l.byID[x.ID] = x
	}
	return x
}

// gone ends the policy that the kernel says it does not have.
func (l *policyLives) gone(id uint32, at Point, what string) {
	if x := l.byID[id]; x != nil && id != 0 {
		l.end(x, Gone, at, what)
	}
}

// flush ends all policies, but not those of sockets, which stay, and returns how many.
func (l *policyLives) flush(m *layers.Message, at Point) (n int) {
	alive := slices.Collect(maps.Values(l.byKey)) // ending them changes the tables
	for _, x := range l.byID {
		alive = append(alive, x)
	}
	for _, x := range alive {
		if x.Ended == Alive && x.key.dir <= 3 {
			x.EndPID = m.PID
			l.end(x, Flushed, at, "SPDFLUSH")
			n++
		}
	}
	return n
}

func (l *policyLives) end(x *PolicyLife, how Ending, at Point, what string) {
	if x.Ended != Alive {
		return
	}
	x.Ended, x.End, x.EndType = how, at, what
	if l.byID[x.ID] == x {
		delete(l.byID, x.ID)
	}
	if l.byKey[x.key] == x {
		delete(l.byKey, x.key)
	}
}

func (l *policyLives) give(x *PolicyLife) {
	if l.opts.Policy != nil {
		l.opts.Policy(x)
	}
}

func (l *policyLives) finish() {
	for e := l.all.Front(); e != nil; e = e.Next() {
		l.give(e.Value.(*PolicyLife))
	}
	l.init(l.opts)
}

// nattPorts describes the ports of a UDP encapsulation, source and destination; of
// one alone only that.
func nattPorts(src, dst *layers.NATTPort) string {
	port := func(p *layers.NATTPort) string {
		if p == nil {
			return ""
		}
		return portText(p.Port)
	}
	if dst == nil {
		return port(src)
	}
	return port(src) + ">" + port(dst)
}

func portText(p uint16) string { return strconv.Itoa(int(p)) }

// afterPorts is the destination's part of what nattPorts wrote.
func afterPorts(s string) string {
	_, dst, _ := strings.Cut(s, ">")
	return dst
}
