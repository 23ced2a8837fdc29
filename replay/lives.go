package replay

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// lives follows, through a recording, which SAs and policies exist in the recorded
// kernel and which will exist in the target at the same place of the replay. The
// two part where the recorded kernel did something that no request made it do:
// where an SA expired, or netlink changed one. From then on an answer about it
// cannot be expected of the target, until both agree again: after a DELETE neither
// has it.
type lives struct {
	// watched says that the recording shows what the kernel says of its own accord:
	// what expires, expires in it.
	watched bool

	sas      map[saID]*life
	policies map[policyID]*life
	byIndex  map[uint32]policyID // by policy id
	acquires map[uint32]acquire  // by sadb_msg_seq
	reading  []*listing          // dumps whose answers are not all read
	msg      layers.Message
}

func newLives() *lives {
	return &lives{
		sas:      map[saID]*life{},
		policies: map[policyID]*life{},
		byIndex:  map[uint32]policyID{},
		acquires: map[uint32]acquire{},
	}
}

// saID is what a kernel finds an SA by. The SPI of larval SAs that an ACQUIRE made
// is 0; only they have a source.
type saID struct {
	satype   uint8
	spi      uint32
	dst, src netip.Addr
}

// acquire is an ACQUIRE of the recorded kernel.
type acquire struct {
	record uint64
	dst    netip.Addr
}

// policyID is what a kernel finds a policy by.
type policyID struct {
	dir, proto       uint8
	src, dst         netip.Prefix
	srcPort, dstPort uint16
	ctx              string // security context
}

// life is what is known of an SA or policy.
type life struct {
	recorded bool      // the recorded kernel has it
	target   bool      // the target will have it
	same     bool      // and it is made of the same messages
	larval   bool      // it has only been promised
	maybe    bool      // or is not there at all, but then in neither kernel
	stale    bool      // that of the target is an older one
	count    int       // of larval SAs with SPI 0, how many there are
	why      string    // what made the two kernels part
	vague    string    // why not all that a kernel tells of it can be expected, or ""
	made     time.Time // zero if that is not known, or the capture shows what expires
	hard     time.Time // when it expires, if that counts from its making
	soft     time.Time
	hardUse  bool // it has limits that count from its use
	softUse  bool
}

// hangs says why an answer about it cannot be expected of the target, or returns
// "".
func (x *life) hangs() string {
	if x == nil || x.recorded == x.target && (x.same || !x.recorded) {
		return ""
	}
	return x.why
}

// state says why an answer that tells its state cannot be expected.
func (x *life) state() string {
	if x == nil {
		return ""
	}
	if why := x.hangs(); why != "" {
		return why
	}
	return x.vague
}

func (x *life) part(why string) { x.same, x.why = false, why }

func (x *life) gone() bool { return !x.recorded && !x.target }

// at lets time go by for it: what must have expired by now has, also where the
// recording does not show it. Of policies Linux says nothing when they expire.
func (x *life) at(now time.Time) *life {
	if x == nil || now.IsZero() {
		return x
	}
	if x.recorded && !x.hard.IsZero() && now.After(x.hard) {
		x.recorded = false
		x.part("its hard lifetime was over before that")
	}
	if !x.soft.IsZero() && now.After(x.soft) && x.vague == "" {
		x.vague = "its soft lifetime was over before that"
	}
	return x
}

// clocks sets when it expires, from the lifetimes in the kernel's answer.
func (x *life) clocks(m *layers.Message) {
	x.hard, x.soft, x.vague = time.Time{}, time.Time{}, ""
	x.hardUse, x.softUse = false, false
	if h := m.LifetimeHard(); h != nil {
		x.hard, x.hardUse = after(x.made, h.AddTime), onUse(h)
	}
	if s := m.LifetimeSoft(); s != nil {
		x.soft, x.softUse = after(x.made, s.AddTime), onUse(s)
	}
}

// born is the making of an SA as its clocks count it. They need not be watched
// where the kernel itself says what expires.
func (l *lives) born(req *heard) time.Time {
	if l.watched {
		return time.Time{}
	}
	return req.time
}

func onUse(l *layers.Lifetime) bool { return l.Allocations != 0 || l.Bytes != 0 || l.UseTime != 0 }

// used takes note of the end of an SA that the recording does not show: it had a
// limit on its use, and is gone.
func (x *life) used() {
	x.recorded = false
	x.part("it had a limit on its use, and the capture shows neither the use nor the end")
}

func after(t time.Time, seconds uint64) time.Time {
	if t.IsZero() || seconds == 0 || seconds > 1<<32 {
		return time.Time{}
	}
	return t.Add(time.Duration(seconds) * time.Second)
}

const beforeRecording = "it was there before the recording began: no message of the capture makes it"

// The errno of these is the same on all systems.
const (
	errnoENOENT = 2
	errnoESRCH  = 3
	errnoEBUSY  = 16
	errnoEEXIST = 17
	errnoEINVAL = 22
)

// numbersLikeKAME reports whether a dialect numbers messages about policies as
// KAME does. OpenBSD and illumos give these numbers other meanings.
func numbersLikeKAME(d layers.Dialect) bool {
	switch d {
	case layers.OpenBSD, layers.Illumos, layers.RFC2367:
		return false
	}
	return true
}

func isPolicyType(d layers.Dialect, typ uint8) bool {
	return typ >= layers.SPDUPDATE && typ <= layers.SPDDELETE2 && numbersLikeKAME(d)
}

// isDump reports whether a message type is answered with a series of messages.
func isDump(d layers.Dialect, typ uint8) bool {
	return typ == layers.DUMP || typ == layers.SPDDUMP && numbersLikeKAME(d)
}

func isFlush(d layers.Dialect, typ uint8) bool {
	return typ == layers.FLUSH || typ == layers.SPDFLUSH && numbersLikeKAME(d)
}

func saIDOf(m *layers.Message) (id saID, ok bool) {
	sa, dst := m.SA(), m.AddressDst()
	if sa == nil || dst == nil {
		return id, false
	}
	id = saID{satype: m.SAType, spi: sa.SPI, dst: dst.Addr()}
	if src := m.AddressSrc(); sa.SPI == 0 && src != nil {
		id.src = src.Addr()
	}
	return id, true
}

// larvalOf is the SA that the kernel itself made for an ACQUIRE between the
// addresses of m.
func larvalOf(m *layers.Message) saID {
	id := saID{satype: m.SAType}
	if dst := m.AddressDst(); dst != nil {
		id.dst = dst.Addr()
	}
	if src := m.AddressSrc(); src != nil {
		id.src = src.Addr()
	}
	return id
}

func policyIDOf(m *layers.Message) (id policyID, ok bool) {
	p, src, dst := m.Policy(), m.AddressSrc(), m.AddressDst()
	if p == nil || src == nil || dst == nil {
		return id, false
	}
	// Linux takes the protocol from the destination; the others want both to be the
	// same. 255 is any, and Linux takes 0 for that too.
	proto := dst.Proto
	if proto == 255 {
		proto = 0
	}
	id = policyID{dir: p.Dir, proto: proto, src: prefixOf(src), dst: prefixOf(dst), srcPort: src.Port(), dstPort: dst.Port()}
	if c := m.SecCtx(); c != nil {
		// Linux ends what it tells with a NUL, whether or not it was told one.
		id.ctx = fmt.Sprintf("%d %d %s", c.CtxAlg, c.CtxDOI, bytes.TrimRight(c.Context[:min(int(c.CtxLen), len(c.Context))], "\x00"))
	}
	return id, true
}

// prefixOf is the address of a selector with the length of its prefix. The bits
// behind that count: kernels compare selectors octet by octet.
func prefixOf(a *layers.Address) netip.Prefix {
	return netip.PrefixFrom(a.Addr(), int(a.PrefixLen))
}

// heard is one message of the recording.
type heard struct {
	number uint64
	time   time.Time
	codec  layers.Codec
	data   []byte
}

// decode reads a message into l.msg, which is valid until the next call.
func (l *lives) decode(h *heard) *layers.Message {
	l.msg.Codec = h.codec
	_ = l.msg.DecodeFromBytes(h.data, nil) // as far as it goes
	return &l.msg
}

// forecast says what cannot be expected of the target in one exchange.
type forecast struct {
	hangs    string   // why nothing can, or ""
	unsure   string   // why what is different may not be the target's doing, or ""
	entries  *listing // of a dump
	destroys bool     // the request removes or changes what the replay has not made
	fresh    bool     // both kernels choose anew what the answer names
}

// listing says which entries of a dump cannot be expected, and why.
type listing struct {
	last     uint64 // number of its last answer
	all      string
	sas      map[saID]string
	policies map[policyID]string
}

// touch takes note of a change while dumps are being read: Linux walks on only when
// their reader has made room.
func (l *lives) touch(h *heard) {
	if len(l.reading) == 0 {
		return
	}
	l.reading = slices.DeleteFunc(l.reading, func(x *listing) bool { return x.last < h.number })
	if len(l.reading) == 0 {
		return
	}
	m := l.decode(h)
	d := h.codec.Dialect
	why := fmt.Sprintf("#%d changed it while the dump was being read", h.number)
	for _, x := range l.reading {
		if id, ok := saIDOf(m); ok && (m.Type <= layers.DELETE || m.Type == layers.EXPIRE) {
			x.sas[id] = why
		}
		if id, ok := policyIDOf(m); ok && isPolicyType(d, m.Type) {
			x.policies[id] = why
		}
		switch {
		case isFlush(d, m.Type), m.Type == layers.MIGRATE && d == layers.Linux, m.Type == layers.SPDDELETE2 && isPolicyType(d, m.Type):
			x.all = why
		case m.Type == layers.ACQUIRE, m.Type == layers.GETSPI:
			x.sas[larvalOf(m)] = why
		}
	}
}

// exchange takes note of a request and its recorded answers, and says what can be
// expected when the request is replayed here.
func (l *lives) exchange(req *heard, answers []heard) (f forecast) {
	m := l.decode(req)
	d, typ, satype, seq := req.codec.Dialect, m.Type, m.SAType, m.Seq
	errno := uint8(0)
	if len(answers) > 0 {
		errno = l.decode(&answers[0]).Errno
	}
	// A request without an answer will do to the target what it did to the recorded
	// kernel, which is most probably what it asks for.
	done := errno == 0
	f.destroys = l.destroys(req)
	if l.touch(req); len(answers) > 0 {
		l.touch(&answers[0])
	}
	switch {
	case isDump(d, typ) && errno == errnoEBUSY:
		return forecast{hangs: "it tells that the process had not yet read an earlier dump"}
	case isDump(d, typ):
		return l.dump(req, answers)
	case typ == layers.FLUSH:
		f.hangs, f.unsure = flush(l.sas, req.time, len(answers), done, func(id saID) bool { return satype == 0 || id.satype == satype })
	case isFlush(d, typ):
		f.hangs, f.unsure = flush(l.policies, req.time, len(answers), done, func(policyID) bool { return true })
	case isPolicyType(d, typ):
		f.hangs, f.fresh = l.policy(req, answers, done, errno)
	case typ == layers.MIGRATE && d == layers.Linux:
		f.hangs = l.migrate(l.decode(req), req.time, done)
	case typ == layers.GETSPI:
		if len(answers) > 0 {
			f.hangs = l.getspi(req, &answers[0], seq)
		}
		f.fresh = true
	default:
		f.hangs = l.sa(req, answers, done, errno)
	}
	return f
}

// outcome is the first answer, or the request itself if there is none.
func outcome(req *heard, answers []heard) *heard {
	if len(answers) > 0 {
		return &answers[0]
	}
	return req
}

// destroys reports whether a request removes or changes what no request before it
// made. An SPDUPDATE makes a policy too.
func (l *lives) destroys(req *heard) bool {
	m := l.decode(req)
	d := req.codec.Dialect
	switch {
	case isFlush(d, m.Type), changesUnseen(d, m.Type):
		return true
	case m.Type == layers.DELETE, m.Type == layers.UPDATE:
		id, ok := saIDOf(m)
		x := l.sas[id]
		return !ok || x == nil || !x.target
	case isPolicyType(d, m.Type) && (m.Type == layers.SPDDELETE || m.Type == layers.SPDDELETE2):
		id, ok := policyIDOf(m)
		if p := m.Policy(); !ok && p != nil {
			id, ok = l.byIndex[p.ID]
		}
		x := l.policies[id]
		return !ok || x == nil || !x.target
	}
	return false
}

// getspi takes note of the answer to a GETSPI.
func (l *lives) getspi(req, answer *heard, seq uint32) string {
	m := l.decode(answer)
	if errno := m.Errno; errno != 0 {
		// Linux makes the larval SA before it looks at the range, and leaves it with
		// SPI 0 if it can find no SPI (pfkey_getspi in net/key/af_key.c).
		m = l.decode(req)
		if sure := errno == errnoENOENT; sure || errno == errnoEINVAL && mayBeLarval(m) {
			l.addLarval(larvalOf(m), &life{recorded: true, target: true, same: true, maybe: !sure})
		}
		return ""
	}
	id, ok := saIDOf(m)
	if !ok {
		return ""
	}
	why := l.sas[larvalOf(m)].at(req.time).hangs()
	// By the number Linux finds the larval SA, and takes it if it has the same
	// destination (pfkey_getspi).
	if a, ok := l.acquires[seq]; ok && seq != 0 && a.dst == id.dst {
		why = fmt.Sprintf("it answers the kernel's ACQUIRE #%d", a.record)
	}
	l.useLarval(larvalOf(m))
	old := l.sas[id].at(req.time)
	x := &life{recorded: true, target: true, larval: true, made: l.born(req)}
	x.clocks(m)
	if old != nil && old.target {
		// The target still has one with this SPI. It gives another, if it may.
		x.vague = orElse(old.why, beforeRecording)
		if r := l.decode(req).SPIRange(); r != nil && r.Min == r.Max {
			why, x.stale = orElse(why, x.vague), true
			l.addLarval(larvalOf(m), &life{target: true, maybe: true, why: why}) // if it gives none
		}
	}
	x.same, x.why = why == "", why
	l.sas[id] = x
	return why
}

// mayBeLarval reports whether a GETSPI that was refused may have got as far as to
// make a larval SA.
func mayBeLarval(m *layers.Message) bool {
	src, dst := m.AddressSrc(), m.AddressDst()
	if m.Rest != nil || src == nil || dst == nil || !src.Addr().IsValid() || src.Addr().Is4() != dst.Addr().Is4() {
		return false
	}
	switch m.SAType {
	case layers.SATypeUnspec, layers.SATypeAH, layers.SATypeESP, layers.SATypeIPComp:
		return true
	}
	return false
}

// addLarval takes note of one more larval SA with SPI 0.
func (l *lives) addLarval(id saID, x *life) {
	if old := l.sas[id]; old != nil {
		x.count = old.count
		if old.hangs() != "" {
			*x = *old
		}
	}
	x.count++
	l.sas[id] = x
}

// dropLarval takes note that one of them is gone.
func (l *lives) dropLarval(id saID) {
	if x := l.sas[id]; x != nil {
		if x.count--; x.count <= 0 {
			delete(l.sas, id)
		}
	}
}

// useLarval takes note that one of them may have become another SA: it does if it
// has the same mode and request id too (net/xfrm/xfrm_state.c, __find_acq_core).
func (l *lives) useLarval(id saID) {
	if x := l.sas[id]; x != nil {
		x.maybe = true
	}
}

const unsetPorts = "the request gives no NAT-T ports, and Linux then tells what its memory held before"

// sa takes note of a request about one SA.
func (l *lives) sa(req *heard, answers []heard, done bool, errno uint8) string {
	m := l.decode(req)
	typ := m.Type
	id, ok := saIDOf(m)
	if !ok {
		return ""
	}
	vague := ""
	if req.codec.Dialect == layers.Linux && m.NATTType() != nil && (m.NATTSrcPort() == nil || m.NATTDstPort() == nil) {
		vague = unsetPorts
	}
	larval := larvalOf(m)
	x := l.sas[id].at(req.time)
	if x != nil && x.recorded && x.hardUse && !l.watched && errno == errnoESRCH {
		x.used()
	}
	why := x.hangs()
	proof := done && len(answers) > 0 // that it was there
	before := func() string {
		l.sas[id] = &life{recorded: true, why: beforeRecording}
		return beforeRecording
	}
	switch typ {
	case layers.ADD:
		switch {
		case done:
			if x == nil {
				x = &life{same: true}
				l.sas[id] = x
			}
			x.same = x.same && !x.target
			x.recorded, x.target, x.larval, x.made = true, true, false, l.born(req)
			x.clocks(l.decode(outcome(req, answers)))
			x.vague, why = vague, orElse(why, vague)
			l.useLarval(larval)
		case x == nil && errno == errnoEEXIST:
			why = before()
			l.sas[id].target = true
		case x != nil && errno == errnoEEXIST:
			x.target = true
		}
	case layers.UPDATE:
		switch {
		case x == nil && proof:
			why = before()
		case x != nil && done:
			before := x.vague // Linux keeps a dying SA dying
			if x.larval && x.recorded && x.target && !x.stale {
				// What was promised is made of this message now.
				x.same, why, before, x.made = true, "", "", l.born(req)
			}
			x.larval = false
			x.clocks(l.decode(outcome(req, answers)))
			x.vague, why = orElse(vague, before), orElse(why, vague)
		}
	case layers.DELETE:
		why = orElse(why, x.leaks())
		if proof && x == nil {
			why = beforeRecording
		}
		if ends(done, errno) && id.spi != 0 { // larval SAs with SPI 0 cannot be found
			delete(l.sas, id)
		}
	case layers.GET:
		if x != nil && x.softUse && !l.watched && proof && l.dying(&answers[0]) {
			x.vague = "it had a limit on its use, and the capture does not show the use"
		}
		why = x.state()
		if proof && x == nil {
			why = before()
		}
	default:
		why = ""
	}
	return why
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// ends reports whether a deletion, with what came of it in the recorded kernel, is
// the end of it in both: it was done, or there was nothing to delete.
func ends(done bool, errno uint8) bool {
	return done || errno == errnoESRCH || errno == errnoENOENT
}

// leaks says why even the last that a kernel tells of it cannot be expected.
func (x *life) leaks() string {
	if x != nil && x.vague == unsetPorts {
		return x.vague
	}
	return ""
}

// saStateDying is SADB_SASTATE_DYING (RFC 2367 3.2).
const saStateDying = 2

func (l *lives) dying(h *heard) bool {
	sa := l.decode(h).SA()
	return sa != nil && sa.State == saStateDying
}

// flush takes note of a FLUSH or SPDFLUSH, which is answered with one message, and
// with another one if something was there.
func flush[K comparable](all map[K]*life, now time.Time, answers int, done bool, in func(K) bool) (hangs, unsure string) {
	if !done {
		return "", ""
	}
	var why string
	both, maybe, recorded, target := false, false, false, false // what is there
	for id, x := range all {
		if !in(id) {
			continue
		}
		x.at(now)
		h := x.hangs()
		switch {
		case h == "" && x.maybe:
			maybe = maybe || x.recorded
		case h == "":
			both = both || x.recorded
		case x.recorded && x.target:
			both = true
		default:
			recorded = recorded || x.recorded
			target = target || x.target && !x.maybe
		}
		if h != "" && (why == "" || h < why) {
			why = h
		}
		delete(all, id)
	}
	removed := answers > 1
	switch {
	case both:
		return "", ""
	case removed && !recorded && !maybe && !target:
		return "what it removed was there before the recording began", ""
	case removed && target:
		return "", ""
	case maybe && !recorded && !target:
		return "", "whether a GETSPI that was refused left an SA for it to remove is not known"
	}
	return why, ""
}

// dump takes note of what a DUMP or SPDDUMP shows.
func (l *lives) dump(req *heard, answers []heard) forecast {
	f := &listing{sas: map[saID]string{}, policies: map[policyID]string{}}
	seen := map[saID]bool{}
	whole := len(answers) > 0
	for i := range answers {
		m := l.decode(&answers[i])
		if m.Errno != 0 {
			continue
		}
		whole = i < len(answers)-1 || m.Seq == 0
		f.last = answers[i].number
		if id, ok := saIDOf(m); ok {
			seen[id] = true
			x := l.sas[id]
			switch {
			case x == nil && id.spi == 0:
				l.sas[id] = &life{recorded: true, count: 1, why: "an ACQUIRE of the kernel made it"}
			case x == nil:
				l.sas[id] = &life{recorded: true, why: beforeRecording}
			case x.softUse && !l.watched && m.SA().State == saStateDying:
				x.vague = "it had a limit on its use, and the capture does not show the use"
			}
		}
		if id, ok := policyIDOf(m); ok && l.policies[id] == nil {
			l.policies[id] = &life{recorded: true, why: beforeRecording}
			l.byIndex[m.Policy().ID] = id
		}
	}
	m := l.decode(req)
	if m.Type == layers.DUMP && whole && !l.watched && m.Filter() == nil {
		for id, x := range l.sas {
			if x.recorded && x.hardUse && !seen[id] && (m.SAType == 0 || m.SAType == id.satype) {
				x.used()
			}
		}
	}
	for id, x := range l.sas {
		if why := x.at(req.time).state(); why != "" {
			f.sas[id] = why
		}
	}
	for id, x := range l.policies {
		if why := x.at(req.time).hangs(); why != "" {
			f.policies[id] = why
		}
	}
	if f.last > req.number+uint64(len(answers)) { // something came between
		l.reading = append(l.reading, f)
	}
	return forecast{entries: f}
}

// policy takes note of a request about one policy. fresh says that it makes one.
func (l *lives) policy(req *heard, answers []heard, done bool, errno uint8) (why string, fresh bool) {
	m := l.decode(req)
	typ := m.Type
	id, ok := policyIDOf(m)
	if p := m.Policy(); !ok && p != nil {
		id, ok = l.byIndex[p.ID]
	}
	proof := done && len(answers) > 0 // that it was there
	if proof {
		a := l.decode(&answers[0])
		if id, ok = policyIDOf(a); !ok {
			return "", true
		}
		l.byIndex[a.Policy().ID] = id
	}
	if !ok {
		return "", true
	}
	x := l.policies[id].at(req.time)
	why = x.hangs()
	before := func() string {
		l.policies[id] = &life{recorded: true, why: beforeRecording}
		return beforeRecording
	}
	switch typ {
	case layers.SPDADD, layers.SPDSETIDX:
		switch {
		case done:
			fresh = true
			if x == nil {
				x = &life{same: true}
				l.policies[id] = x
			}
			x.same = x.same && !x.target
			x.recorded, x.target, x.made = true, true, req.time
			x.clocks(l.decode(outcome(req, answers)))
		case len(answers) > 0 && l.decode(&answers[0]).Errno == errnoEEXIST:
			if x == nil {
				why = before()
				x = l.policies[id]
			}
			x.target = true
		}
	case layers.SPDUPDATE: // makes it if need be, and the same everywhere
		fresh = x == nil || why != "" || x.gone()
		why = ""
		if done {
			x = &life{recorded: true, target: true, same: true, made: req.time}
			x.clocks(l.decode(outcome(req, answers)))
			l.policies[id] = x
		}
	case layers.SPDDELETE, layers.SPDDELETE2:
		if proof && x == nil {
			why = beforeRecording
		}
		switch {
		case !ends(done, errno):
		case !done && why != "" && typ == layers.SPDDELETE2:
			// That the recorded kernel did not know the id says nothing of what the target
			// makes of it.
			x.maybe = true
		default:
			delete(l.policies, id)
		}
	case layers.SPDGET:
		if proof && x == nil {
			why = before()
		}
	}
	return why, fresh
}

// migrate takes note of a MIGRATE, which gives a policy and its SAs other ends.
// Its requests are pairs of old and new ones.
func (l *lives) migrate(m *layers.Message, now time.Time, done bool) string {
	id, ok := policyIDOf(m)
	if !ok {
		return ""
	}
	// It is found whatever its security context is (net/xfrm/xfrm_policy.c,
	// xfrm_migrate_policy_find).
	var x *life
	why := ""
	for other, y := range l.policies {
		if other.ctx = id.ctx; other == id {
			x = y.at(now)
			if h := x.hangs(); h != "" && (why == "" || h < why) {
				why = h
			}
		}
	}
	if !done {
		return why
	}
	if x == nil {
		why = beforeRecording
		l.policies[id] = &life{recorded: true, why: why}
	}
	requests := m.Policy().Requests()
	for i := 0; i+1 < len(requests); i += 2 {
		_, from, ok1 := requests[i].Addrs(m.Codec)
		_, to, ok2 := requests[i+1].Addrs(m.Codec)
		if !ok1 || !ok2 || from.Addr == to.Addr {
			continue
		}
		for id, x := range l.sas {
			if id.dst == from.Addr {
				// Whether it is moved hangs on its mode and request id too.
				x.maybe = true
				moved := *x
				id.dst = to.Addr
				if l.sas[id] == nil {
					l.sas[id] = &moved
				}
			}
		}
	}
	return why
}

// event takes note of what the recorded kernel said of its own accord.
func (l *lives) event(h *heard) {
	l.touch(h)
	m := l.decode(h)
	switch m.Type {
	case layers.ACQUIRE:
		l.acquires[m.Seq] = acquire{h.number, larvalOf(m).dst}
		l.addLarval(larvalOf(m), &life{recorded: true, why: fmt.Sprintf("the kernel's ACQUIRE #%d made it", h.number)})
	case layers.EXPIRE:
		id, ok := saIDOf(m)
		x := l.sas[id]
		if !ok || x == nil {
			return
		}
		if m.LifetimeHard() == nil {
			x.vague = fmt.Sprintf("the soft EXPIRE #%d made it dying", h.number)
			return
		}
		if id.spi == 0 {
			l.dropLarval(id)
			return
		}
		x.recorded = false
		x.part(fmt.Sprintf("the hard EXPIRE #%d removed it", h.number))
		if x.gone() {
			delete(l.sas, id)
		}
	}
}

// foreign takes note of a change that no request makes which is sent, for the
// reason in without.
func (l *lives) foreign(h *heard, without string) {
	l.touch(h)
	m := l.decode(h)
	if m.Errno != 0 {
		return // nothing was changed
	}
	d := h.codec.Dialect
	by := func(did string) string {
		return fmt.Sprintf("#%d %s it, %s", h.number, did, without)
	}
	switch {
	case m.Type == layers.FLUSH:
		satype := m.SAType
		removeAll(l.sas, by("removed"), func(id saID) bool { return satype == 0 || id.satype == satype })
		return
	case isFlush(d, m.Type):
		removeAll(l.policies, by("removed"), func(policyID) bool { return true })
		return
	}
	if id, ok := policyIDOf(m); ok && isPolicyType(d, m.Type) {
		l.byIndex[m.Policy().ID] = id
		change(l.policies, id, m.Type == layers.SPDDELETE || m.Type == layers.SPDDELETE2, by)
		return
	}
	if id, ok := saIDOf(m); ok && m.Type >= layers.GETSPI && m.Type <= layers.DELETE {
		change(l.sas, id, m.Type == layers.DELETE, by)
	}
}

func change[K comparable](all map[K]*life, id K, removed bool, by func(string) string) {
	x := all[id]
	if x == nil {
		x = &life{}
		all[id] = x
	}
	x.recorded = !removed
	did := "made"
	if removed {
		did = "removed"
	}
	x.part(by(did))
	x.hard, x.soft = time.Time{}, time.Time{}
	if x.gone() {
		delete(all, id)
	}
}

func removeAll[K comparable](all map[K]*life, why string, in func(K) bool) {
	for id, x := range all {
		if !in(id) {
			continue
		}
		x.recorded = false
		x.part(why)
		if x.gone() {
			delete(all, id)
		}
	}
}
