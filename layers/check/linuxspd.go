package check

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// selector is a struct xfrm_selector as PF_KEY fills it. Addresses are compared as
// they were given, octets beyond the prefix included.
type selector struct {
	src, dst             netip.Addr
	srcPrefix, dstPrefix uint8
	proto                uint8 // of the destination address; 0: any
	srcPort, dstPort     uint16
}

// modelPolicy is a struct xfrm_policy, as far as answers hang on it.
type modelPolicy struct {
	selector
	dir       uint8
	context   string // its label, "" without one
	index     uint32
	priority  uint32
	templates []modelTemplate
	expiry    time.Duration
}

// modelTemplate is a struct xfrm_tmpl.
type modelTemplate struct {
	proto, mode uint8
	reqid       uint32
	src, dst    netip.Addr // of a tunnel, else none
}

// selectorOf is the selector in a message that has its addresses.
func selectorOf(k *checker) selector {
	src, dst := k.m.AddressSrc(), k.m.AddressDst()
	a, _ := src.Parse()
	z, _ := dst.Parse()
	s := selector{
		src: a.Addr, dst: z.Addr, srcPrefix: src.PrefixLen, dstPrefix: dst.PrefixLen,
		proto: dst.Proto, srcPort: a.Port, dstPort: z.Port,
	}
	if s.proto == protoAny {
		s.proto = 0
	}
	return s
}

// initialSIDs are the labels that SELinux knows before it has a policy
// (security/selinux/include/initial_sid_to_string.h); all others are one label then.
var initialSIDs = []string{"kernel", "security", "unlabeled", "file", "any_socket", "port", "netif", "netmsg", "node", "devnull"}

// contextOf is the label that a message's security context gives. ok is false if that
// is not known.
func (m *Model) contextOf(k *checker) (label string, ok bool) {
	x := k.m.SecCtx()
	if x == nil || m.traits.Contexts == ContextsIgnored {
		return "", true
	}
	if m.traits.Contexts != ContextsUnlabeled {
		return "", false
	}
	text, _, _ := bytes.Cut(x.Context[:min(int(x.CtxLen), len(x.Context))], []byte{0})
	if slices.Contains(initialSIDs, string(text)) {
		return string(text), true
	}
	return initialSIDs[0], true
}

// policiesAlive counts the policies that a predicate takes, nil all, and that are
// certainly there.
func (m *Model) policiesAlive(is func(*modelPolicy) bool) (n int) {
	for _, p := range m.spd {
		if m.alive(p.expiry) && (is == nil || is(p)) {
			n++
		}
	}
	return n
}

// bySelector returns the policy with the selector, direction and label of a message.
// sure is false if the label is not known and decides.
func (m *Model) bySelector(k *checker) (found *modelPolicy, sure bool) {
	sel, dir := selectorOf(k), k.m.Policy().Dir
	label, known := m.contextOf(k)
	sure = true
	for _, p := range m.spd {
		switch {
		case p.selector != sel || p.dir != dir:
		case !known:
			found, sure = p, false
		case p.context == label:
			return p, sure
		}
	}
	return found, sure
}

func (m *Model) predictSPDAdd(k *checker) []uint8 {
	switch p, sure := m.bySelector(k); {
	case p == nil:
	case sure && m.alive(p.expiry):
		k.extension(cPolicyExists, &k.m.Policy().Header, "a policy with this selector and direction exists already")
	default:
		return outcomeOf(cPolicyExists)
	}
	return nil
}

// findPolicy looks up the policy that an SPDDELETE, SPDGET or SPDDELETE2 names.
func (m *Model) findPolicy(k *checker) (p *modelPolicy, possible []uint8) {
	x := k.m.Policy()
	if x == nil {
		return nil, nil
	}
	sure := true
	if k.m.Type == layers.SPDDELETE {
		if k.m.AddressSrc() == nil || k.m.AddressDst() == nil {
			return nil, nil
		}
		p, sure = m.bySelector(k)
	} else if i := slices.IndexFunc(m.spd, func(p *modelPolicy) bool { return p.index == x.ID }); i >= 0 {
		p = m.spd[i]
	}
	switch {
	case p == nil:
		k.extension(cPolicyUnknown, &x.Header, "no policy has this selector and direction, or this id")
	case !sure || !m.alive(p.expiry):
		return p, outcomeOf(cPolicyUnknown)
	}
	return p, nil
}

func (m *Model) removePolicy(p *modelPolicy) {
	m.spd = slices.DeleteFunc(m.spd, func(q *modelPolicy) bool { return p == q })
}

// learnPolicy is xfrm_policy_insert.
func (m *Model) learnPolicy(k *checker, errno uint8, answers [][]byte) {
	if errno != 0 {
		return
	}
	label, ok := m.contextOf(k)
	if !ok {
		m.lost = true
		return
	}
	old, _ := m.bySelector(k)
	p := &modelPolicy{
		selector: selectorOf(k), dir: k.m.Policy().Dir, context: label,
		priority: k.m.Policy().Priority, expiry: m.endOf(k.m.LifetimeHard()),
	}
	if !m.chosen(p, answers) {
		m.lost = true
		return
	}
	if old != nil && old.priority == p.priority { // it takes its place
		*old = *p
		return
	}
	if old != nil {
		m.removePolicy(old)
	}
	m.spd = append(m.spd, p)
}

// chosen takes a policy's id and its requests, with the reqids that the kernel chose,
// out of the answer.
func (m *Model) chosen(p *modelPolicy, answers [][]byte) bool {
	var msg layers.Message
	msg.Codec = m.codec()
	for _, b := range answers {
		// The header's length may be wrong: see reply-length.
		_ = msg.DecodeFromBytes(b, nil)
		x := msg.Policy()
		if msg.Type != layers.SPDADD && msg.Type != layers.SPDUPDATE || msg.Errno != 0 || x == nil || len(b) == layers.BaseLen {
			continue
		}
		p.index = x.ID
		for _, r := range x.Requests() {
			t := modelTemplate{proto: uint8(r.Proto), mode: r.Mode, reqid: r.ReqID}
			if r.Mode == modeTunnel {
				a, z, _ := r.Addrs(msg.Codec)
				t.src, t.dst = a.Addr, z.Addr
			}
			p.templates = append(p.templates, t)
		}
		return true
	}
	return false
}

// migratePlan is what a MIGRATE does when it works.
type migratePlan struct {
	policy    *modelPolicy
	templates []modelTemplate
	old, new  []*modelSA
	sure      bool // this, and nothing else
}

// migrate is xfrm_migrate, for a message that is sound. Without a plan it fails, or
// what it does is not known.
func (m *Model) migrate(k *checker) (plan *migratePlan, possible []uint8) {
	if k.m.AddressSrc() == nil || k.m.AddressDst() == nil || k.m.Policy() == nil {
		return nil, nil
	}
	policy := &k.m.Policy().Header
	sel, dir := selectorOf(k), k.m.Policy().Dir
	var found *modelPolicy // the most important one, of several the oldest
	unsure := false
	for _, p := range m.spd { // whatever their labels
		if p.selector == sel && p.dir == dir {
			unsure = unsure || !m.alive(p.expiry)
			if found == nil || p.priority < found.priority {
				found = p
			}
		}
	}
	switch {
	case found == nil:
		k.extension(cPolicyUnknown, policy, "no policy has this selector and direction")
		return nil, nil
	case unsure:
		return nil, []uint8{eNOENT, eNODATA}
	}
	plan = &migratePlan{policy: found, sure: true}
	for i := range k.moves[:k.nmoves] {
		if ok, certain := m.moveSA(plan, &k.moves[i]); !certain {
			return nil, []uint8{eNODATA}
		} else if !ok {
			k.extension(cMigrateNothing, policy, "an SA could not be moved")
			return nil, nil
		}
	}
	plan.templates = slices.Clone(plan.policy.templates)
	n := 0
	for i := range plan.templates {
		t := &plan.templates[i]
		for j := range k.moves[:k.nmoves] {
			if mv := &k.moves[j]; mv.matches(t) {
				n++
				if t.mode == modeTunnel || t.mode == modeBEET {
					t.src, t.dst = mv.newSrc, mv.newDst
				}
			}
		}
	}
	if n == 0 {
		k.extension(cMigrateNothing, policy, "no request of the policy has these endpoints, mode, protocol and reqid")
		return nil, nil
	}
	if !plan.sure {
		return nil, nil // it works, but which SA moves is not known
	}
	return plan, nil
}

// matches is migrate_tmpl_match.
func (p *migration) matches(t *modelTemplate) bool {
	if t.mode != p.mode || t.proto != p.proto || p.reqid != 0 && t.reqid != p.reqid {
		return false
	}
	return t.mode == modeTransport || sameAs(t.dst, p.dst) && sameAs(t.src, p.src)
}

// sameAs is xfrm_addr_equal in the family of b: other addresses are compared by octets
// only.
func sameAs(a, b netip.Addr) bool {
	var x [16]byte // of a template without addresses
	if a.IsValid() {
		x = wide(a)
	}
	y := wide(b)
	if b.Is4() {
		return [4]byte(x[:4]) == [4]byte(y[:4])
	}
	return x == y
}

// moveSA is xfrm_migrate_state_find and xfrm_state_migrate. ok is false if there is an
// SA and it cannot be moved.
func (m *Model) moveSA(plan *migratePlan, mv *migration) (ok, certain bool) {
	var found []*modelSA
	for _, list := range [2][]*modelSA{m.sas, plan.new} {
		for _, x := range list {
			if x.mode == mv.mode && x.proto == mv.proto && (mv.reqid == 0 || x.reqid == mv.reqid) && x.dst == mv.dst && x.src == mv.src {
				found = append(found, x)
			}
		}
	}
	if len(found) == 0 {
		return true, true
	}
	for i, x := range found {
		one := m.moves(plan, mv, x)
		if i > 0 && one != ok || !m.alive(x.expiry) {
			return false, false
		}
		// Of a compression algorithm xfrm_algo_clone copies as many octets as a length
		// says that pfkey_msg2xfrm_state has not set.
		if x.proto == protoIPComp && !x.larval {
			return false, false
		}
		ok = one
	}
	if !ok {
		return false, true
	}
	// The one that was made last is found first, unless the table has grown meanwhile.
	plan.sure = plan.sure && len(found) == 1
	x := found[len(found)-1]
	y := *x
	y.src, y.dst = mv.newSrc, mv.newDst
	y.hazy = y.dst.Is4()
	plan.old, plan.new = append(plan.old, x), append(plan.new, &y)
	return true, true
}

// moves reports whether an SA can be moved.
func (m *Model) moves(plan *migratePlan, mv *migration, x *modelSA) bool {
	if x.larval || x.mode == modeTransport && x.selV6 != mv.newDst.Is6() {
		return false
	}
	if x.spi == 0 || sameAs(x.dst, mv.newDst) {
		return true
	}
	key := saKey{mv.newDst, x.spi, x.proto}
	return m.byKey[key] == nil && !slices.ContainsFunc(plan.new, func(y *modelSA) bool { return y.saKey == key })
}

// learnMigrate applies a MIGRATE that worked.
func (m *Model) learnMigrate(k *checker) {
	plan, _ := m.migrate(k)
	if plan == nil {
		m.lost = true
		return
	}
	plan.policy.templates = plan.templates
	for _, x := range plan.new {
		if old := m.larvalOf(x); old != nil {
			m.remove(old)
		}
	}
	for _, x := range plan.old {
		m.remove(x)
	}
	for _, x := range plan.new {
		if !slices.Contains(plan.old, x) { // it may have been moved on
			m.insert(x)
		}
	}
}
