package trace

import (
	"container/list"
	"net/netip"
	"time"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// Point is a place in a recording. The zero Point is none.
type Point struct {
	Number uint64    // of the record
	Time   time.Time // of the record; zero if it has none
}

// IsZero reports whether there is no such place.
func (p Point) IsZero() bool { return p.Number == 0 }

// Since returns the time from q to p; ok is false if one of them is not known.
func (p Point) Since(q Point) (d time.Duration, ok bool) {
	if p.Time.IsZero() || q.Time.IsZero() {
		return 0, false
	}
	return p.Time.Sub(q.Time), true
}

// Ending is how an SA or a policy came to its end.
type Ending uint8

// The endings.
const (
	Alive    Ending = iota // it was there when the recording ended
	Deleted                // by a DELETE or SPDDELETE
	Expired                // the kernel removed it: its hard limit, or a larval SA that got no keys
	Flushed                // by a FLUSH or SPDFLUSH
	Replaced               // another one was made in its place, so its end is not in the recording
	Gone                   // the kernel no longer knows it (ESRCH, ENOENT); its end is not in the recording
	Dropped                // too many are alive: it was not followed any further
)

// String returns the name of the ending in lower case.
func (e Ending) String() string {
	return [...]string{"alive", "deleted", "expired", "flushed", "replaced", "gone", "dropped"}[e]
}

// Relative is another SA that a Life speaks of.
type Relative struct {
	SPI    uint32
	Number uint64 // of the record it was born with, or 0: there is none
}

// Life is what a recording tells of one SA, from the first message about it to the
// last. Only what the kernel says counts; requests tell no more than keys and limits
// that its answers leave out. A member that the recording does not tell is zero.
type Life struct {
	Codec    layers.Codec
	SAType   uint8 // by dialect
	TypeName string
	SPI      uint32
	Src, Dst netip.Addr
	Mode     uint8
	ReqID    uint32
	Auth     uint8 // by dialect, as sadb_sa_auth
	Encrypt  uint8 // by dialect, as sadb_sa_encrypt; of IPComp the compression

	Birth   *record.Record // the message it was born with: a copy, without secrets' true bytes
	Born    Point
	By      string // the type of that message, such as GETSPI or ADD; GET and DUMP list what is older
	Foreign bool   // made over netlink, or through a socket that is not heard
	PID     uint32 // who made it
	Process string

	Larval  bool  // it has had no keys so far
	Mature  Point // when it got its keys; unlike Born if GETSPI made it
	Updates int   // UPDATEs after that

	Soft    Point // the soft EXPIRE
	EndPID  uint32
	Ended   Ending
	End     Point
	EndType string // the type of the message that told of the end

	HardLimit, SoftLimit Limit
	Used                 Limit // counters as last seen
	UsedAt               Point // when that was

	// Prev and Next are the SAs before and after it in a chain of rekeyings: the same
	// ends, type and reqid. Chain is how many were before it.
	Prev, Next Relative
	Chain      int
	Pair       Relative // the one in the other direction
	Acquire    uint64   // record of the ACQUIRE that asked for it, or 0

	// Late is how long after the soft EXPIRE its successor had its keys, Margin how
	// long before its own hard limit, less than 0 if it was after. HasLate and
	// HasMargin say that they are known.
	Late, Margin       time.Duration
	HasLate, HasMargin bool

	NATT     string // UDP encapsulation: "4500>4501", source and destination port
	Mappings int    // NAT_T_NEW_MAPPINGs, and updates that changed the ports
	Mapped   Point  // the last of them

	// AuthKey and EncryptKey name its keys without showing them, where there are any
	// and LifeOptions.ID was given.
	AuthKey, EncryptKey KeyID

	ends      saEnds // since it has keys
	candidate *Life  // the first one with the same ends after it, while it lives
	element   *list.Element
}

// KeyID names a key without showing it.
type KeyID struct {
	Bits uint16 // 0: there is no key
	ID   [4]byte
}

// Limit is what an SA or policy may use up, or has: sadb_lifetime without its header. A
// member that is 0 limits nothing.
type Limit struct {
	Allocations uint32
	Bytes       uint64
	AddTime     uint64 // seconds; of counters seconds since 1970
	UseTime     uint64
}

func limitOf(x *layers.Lifetime) Limit {
	if x == nil {
		return Limit{}
	}
	return Limit{x.Allocations, x.Bytes, x.AddTime, x.UseTime}
}

// LifeOptions say what is wanted of the lives in a recording.
type LifeOptions struct {
	// SA and Policy get every life once it can tell no more: mostly in the order of
	// birth at the end of the recording, earlier where there are very many. They may keep
	// it. Either may be nil.
	SA     func(*Life)
	Policy func(*PolicyLife)

	// SATold and PolicyTold get every message that tells of one as it is, with what is
	// known once it has been read. They must not keep r. Either may be nil.
	SATold     func(x *Life, r *record.Record)
	PolicyTold func(x *PolicyLife, r *record.Record)

	// ID names a secret without showing it, as record.Reader and record.Hider do. May
	// be nil.
	ID func(r *record.Record, secret []byte, key int) [4]byte

	// Max is how many SAs, and how many policies, are remembered; 0 stands for 16,384.
	Max int
}

// Lives follows the SAs and policies in a recording. Its memory is bounded by
// LifeOptions.Max. It is for one goroutine.
type Lives struct {
	opts LifeOptions
	msg  layers.Message

	all   *list.List // of *Life, by birth
	bySPI map[saNumber][]*Life
	ends  map[saEnds][]*Life // those of late with these ends, in the order they got keys

	policies policyLives
	flushed  func(n int) // gets how many SAs or policies a flush has ended; may be nil
	requests [256]askedSA
	acquires [256]askedSA // by sadb_msg_seq
}

// saNumber is what SAs are looked for by; which of several with one number is meant
// depends on the destination.
type saNumber struct {
	satype uint8
	spi    uint32
}

// saEnds is what SAs that follow each other have in common.
type saEnds struct {
	satype, mode uint8
	src, dst     netip.Addr
	reqid        uint32
	encapsulated bool // in UDP
}

// askedSA is what a request or an ACQUIRE says of an SA.
type askedSA struct {
	number               uint64
	seq                  uint32
	sa                   saNumber
	src, dst             netip.Addr
	policy               uint32
	natt                 string
	hard, soft           Limit
	authKey, encryptKey  KeyID
	knowsHard, knowsSoft bool
}

const (
	maxLives    = 1 << 14
	maxSameEnds = 8                // SAs with the same ends that may be each other's successors
	pairWithin  = 30 * time.Second // the two SAs of a pair get their keys within this
	retireFirst = 64               // among how many of the oldest an ended one is looked for
)

// NewLives returns a tracker for one recording.
func NewLives(o LifeOptions) *Lives {
	if o.Max <= 0 {
		o.Max = maxLives
	}
	l := &Lives{opts: o, all: list.New(), bySPI: map[saNumber][]*Life{}, ends: map[saEnds][]*Life{}}
	l.policies.init(&l.opts)
	return l
}

// Add follows a record that was annotated, which plays a role. It does not keep r.
func (l *Lives) Add(r *record.Record, role Role) {
	m := &l.msg
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Codec.Unwrap(r.Data), nil) // what is malformed has what precedes the fault
	if r.TwinOf != 0 || r.WriteErrno != 0 || len(m.Contents) < layers.BaseLen {
		return
	}
	if r.Dir == record.ToKernel {
		l.requests[r.Number%uint64(len(l.requests))] = l.asked(r)
		return
	}
	what := m.TypeName()
	at := Point{r.Number, r.Time}
	switch { // a flush cannot fail, whether it is the request or the answer
	case m.Errno != 0:
		l.refused(r, at)
		return
	case what == "FLUSH":
		l.flush(at)
		return
	case what == "SPDFLUSH":
		if n := l.policies.flush(m, at); l.flushed != nil {
			l.flushed(n)
		}
		return
	case r.Dir != record.FromKernel:
		return
	}
	if l.policies.add(r, role, m, what, at) {
		return
	}
	sa := m.SA()
	switch what {
	case "ACQUIRE":
		a := l.asked(r)
		l.acquires[m.Seq%uint32(len(l.acquires))] = a
	case "GETSPI", "ADD", "UPDATE", "UPDATEPAIR", "GET", "DUMP":
		if sa != nil && sa.SPI != 0 {
			l.told(r, role, what, at)
		}
	case "EXPIRE":
		if sa != nil && sa.SPI != 0 {
			l.expire(r, role, at)
		}
	case "DELETE", "DELPAIR":
		l.deleted(what, at)
	case "NAT_T_NEW_MAPPING":
		if x := l.find(addrOf(m.AddressSrc()), netip.Addr{}); x != nil {
			if p := m.NATTDstPort(); p != nil {
				x.Mappings++
				x.Mapped = at
				x.NATT = nattPorts(m.NATTDstPort(), nil) + ">" + afterPorts(x.NATT)
				if a := addrOf(m.AddressDst()); a.IsValid() {
					x.Src = a
				}
			}
		}
	}
}

// Finish gives away all lives that are left.
func (l *Lives) Finish() {
	for e := l.all.Front(); e != nil; e = e.Next() {
		if x := e.Value.(*Life); l.opts.SA != nil {
			l.opts.SA(x)
		}
	}
	l.all.Init()
	clear(l.bySPI)
	clear(l.ends)
	l.policies.finish()
}

// asked reads what a request says of an SA.
func (l *Lives) asked(r *record.Record) askedSA {
	m := &l.msg
	a := askedSA{number: r.Number, seq: m.Seq, src: addrOf(m.AddressSrc()), dst: addrOf(m.AddressDst())}
	a.sa.satype = m.SAType
	if sa := m.SA(); sa != nil {
		a.sa.spi = sa.SPI
	}
	if p := m.Policy(); p != nil {
		a.policy = p.ID
	}
	a.hard, a.knowsHard = limitOf(m.LifetimeHard()), m.LifetimeHard() != nil
	a.soft, a.knowsSoft = limitOf(m.LifetimeSoft()), m.LifetimeSoft() != nil
	a.authKey, a.encryptKey = l.keyID(r, m.KeyAuth()), l.keyID(r, m.KeyEncrypt())
	a.natt = l.natt()
	return a
}

func (l *Lives) keyID(r *record.Record, k *layers.Key) (id KeyID) {
	if k == nil || k.Bits == 0 || l.opts.ID == nil {
		return id
	}
	return KeyID{k.Bits, l.opts.ID(r, k.Octets, len(k.Key()))}
}

// natt describes the UDP encapsulation that a message has, or "".
func (l *Lives) natt() string {
	m := &l.msg
	switch {
	case m.NATTSrcPort() != nil || m.NATTDstPort() != nil:
		return nattPorts(m.NATTSrcPort(), m.NATTDstPort())
	case m.UDPEncap() != nil:
		return ">" + portText(m.UDPEncap().Port)
	}
	return ""
}

// find finds the living SA that the message is about. Where a message has no
// destination, or none is known, any will do; src is asked for if it is valid.
func (l *Lives) find(src, dst netip.Addr) *Life {
	m := &l.msg
	if m.SA() == nil {
		return nil
	}
	for _, x := range l.bySPI[saNumber{m.SAType, m.SA().SPI}] {
		if (!src.IsValid() || !x.Src.IsValid() || x.Src == src) && (!dst.IsValid() || !x.Dst.IsValid() || x.Dst == dst) {
			return x
		}
	}
	return nil
}

// born begins a life with the message.
func (l *Lives) born(r *record.Record, role Role, what string, at Point) *Life {
	m := &l.msg
	c := r.Clone()
	c.True = nil
	x := &Life{
		Codec: r.Codec, SAType: m.SAType, TypeName: m.SATypeName(), SPI: m.SA().SPI,
		Src: addrOf(m.AddressSrc()), Dst: addrOf(m.AddressDst()),
		Birth: c, Born: at, By: what, Foreign: role == Foreign, PID: m.PID, Process: c.Process, Larval: true,
	}
	if a := &l.acquires[m.Seq%uint32(len(l.acquires))]; m.Seq != 0 && a.number != 0 && a.seq == m.Seq && a.sa.satype == x.SAType &&
		(a.dst == x.Dst && a.src == x.Src || a.dst == x.Src && a.src == x.Dst) {
		x.Acquire = a.number
	}
	x.element = l.all.PushBack(x)
	n := saNumber{x.SAType, x.SPI}
	l.bySPI[n] = append(l.bySPI[n], x)
	l.retire()
	return x
}

// retire gives lives away where there are too many: the oldest that have ended, or
// the oldest.
func (l *Lives) retire() {
	for l.all.Len() > l.opts.Max {
		e := l.all.Front()
		k := 0
		for f := e; f != nil && k < retireFirst; f, k = f.Next(), k+1 {
			if f.Value.(*Life).Ended != Alive {
				e = f
				break
			}
		}
		x := e.Value.(*Life)
		if x.Ended == Alive {
			l.end(x, Dropped, Point{}, "")
		}
		l.all.Remove(e)
		if same := without(l.ends[x.ends], x); len(same) > 0 {
			l.ends[x.ends] = same
		} else {
			delete(l.ends, x.ends)
		}
		if l.opts.SA != nil {
			l.opts.SA(x)
		}
	}
}

// told learns from a message that describes an SA as it is.
func (l *Lives) told(r *record.Record, role Role, what string, at Point) {
	m := &l.msg
	sa := m.SA()
	x := l.find(netip.Addr{}, addrOf(m.AddressDst()))
	listing := what == "GET" || what == "DUMP"
	fresh := x == nil
	switch {
	case fresh:
		x = l.born(r, role, what, at)
	case what == "GETSPI" || what == "ADD" && !x.Larval:
		l.end(x, Replaced, Point{}, "")
		x, fresh = l.born(r, role, what, at), true
	}
	x.learn(m)
	a := &l.requests[r.ReplyTo%uint64(len(l.requests))]
	known := r.ReplyTo != 0 && a.number == r.ReplyTo && !listing
	// KAME leaves limits out of some answers, and keys out of all.
	if m.LifetimeHard() == nil && known && a.knowsHard {
		x.HardLimit = a.hard
	}
	if m.LifetimeSoft() == nil && known && a.knowsSoft {
		x.SoftLimit = a.soft
	}
	auth, encrypt := l.keyID(r, m.KeyAuth()), l.keyID(r, m.KeyEncrypt())
	if known && auth.Bits == 0 {
		auth = a.authKey
	}
	if known && encrypt.Bits == 0 {
		encrypt = a.encryptKey
	}
	if auth.Bits != 0 {
		x.AuthKey = auth
	}
	if encrypt.Bits != 0 {
		x.EncryptKey = encrypt
	}
	natt := l.natt()
	if natt == "" && known {
		natt = a.natt
	}
	if natt != "" && natt != x.NATT {
		if x.NATT != "" && !fresh {
			x.Mappings++
			x.Mapped = at
		}
		x.NATT = natt
	}
	switch {
	case what == "GETSPI":
	case listing && sa.State == 0, what == "UPDATE" && sa.State == 0 && m.LifetimeCurrent() != nil: // larval
	case x.Larval:
		x.Larval = false
		if !listing {
			x.Mature = at
			x.PID, x.Process, x.Foreign = m.PID, orElse(r.Process, x.Process), role == Foreign
		}
		l.ripe(x)
	case !listing:
		x.Updates++
	}
	if l.opts.SATold != nil {
		l.opts.SATold(x, r)
	}
}

// KeptByUpdate reports whether an SA keeps an extension of that kind through an UPDATE
// that is not its first, whatever its answer says: Linux takes lifetimes and NAT-T ports,
// but neither keys nor algorithms nor the proxied address, although it answers with
// those that were asked for (net/xfrm/xfrm_state.c, xfrm_state_update).
func KeptByUpdate(d layers.Dialect, t gopacket.LayerType) bool {
	if d != layers.Linux {
		return false
	}
	switch t {
	case layers.LayerTypeSA, layers.LayerTypeAddressProxy, layers.LayerTypeKeyAuth, layers.LayerTypeKeyEncrypt,
		layers.LayerTypeSA2, layers.LayerTypeSecCtx:
		return true
	}
	return false
}

func orElse(s, t string) string {
	if s == "" {
		return t
	}
	return s
}

// learn takes over what a message says of an SA.
func (x *Life) learn(m *layers.Message) {
	if sa := m.SA(); sa.Auth != 0 || sa.Encrypt != 0 {
		x.Auth, x.Encrypt = sa.Auth, sa.Encrypt
	}
	if !x.Src.IsValid() {
		x.Src = addrOf(m.AddressSrc())
	}
	if a := m.SA2(); a != nil {
		x.Mode = a.Mode
		if a.ReqID != 0 {
			x.ReqID = a.ReqID
		}
	}
	if p := m.Pair(); p != nil {
		x.Pair.SPI = p.SPI
	}
	if m.LifetimeHard() != nil {
		x.HardLimit = limitOf(m.LifetimeHard())
	}
	if m.LifetimeSoft() != nil {
		x.SoftLimit = limitOf(m.LifetimeSoft())
	}
}

// count notes the counters that a message has.
func (x *Life) count(m *layers.Message, at Point) {
	if c := m.LifetimeCurrent(); c != nil {
		x.Used, x.UsedAt = limitOf(c), at
	}
}

// ripe finds the relatives of an SA that has got its keys.
func (l *Lives) ripe(x *Life) {
	x.ends = saEnds{x.SAType, x.Mode, x.Src, x.Dst, x.ReqID, x.NATT != ""}
	same := l.ends[x.ends]
	if !x.Mature.IsZero() {
		for i := len(same) - 1; i >= 0; i-- {
			if p := same[i]; p.Next.Number == 0 && (!p.Soft.IsZero() && p.Ended != Flushed || p.Ended == Expired) {
				link(p, x)
				break
			}
		}
		for _, p := range same {
			if p.candidate == nil && p.Ended == Alive {
				p.candidate = x
			}
		}
	}
	if len(same) == maxSameEnds {
		same = same[1:]
	}
	l.ends[x.ends] = append(same[:len(same):len(same)], x)
	opposite := x.ends
	opposite.src, opposite.dst = x.ends.dst, x.ends.src
	back := l.ends[opposite]
	for i := len(back) - 1; i >= 0; i-- {
		y := back[i]
		if y == x || y.Ended != Alive || y.Pair.Number != 0 {
			continue
		}
		named := x.Pair.SPI == y.SPI && y.SPI != 0
		if d, ok := x.Mature.Since(y.Mature); !named && (!ok || d > pairWithin) {
			continue
		}
		x.Pair, y.Pair = Relative{y.SPI, y.Born.Number}, Relative{x.SPI, x.Born.Number}
		break
	}
}

// link makes x the successor of p.
func link(p, x *Life) {
	p.Next, x.Prev = Relative{x.SPI, x.Born.Number}, Relative{p.SPI, p.Born.Number}
	x.Chain = p.Chain + 1
	p.candidate = nil
	if !p.Soft.IsZero() {
		p.Late, p.HasLate = x.Mature.Since(p.Soft)
	}
	if hard, ok := p.hardAt(); ok && !x.Mature.Time.IsZero() {
		p.Margin, p.HasMargin = hard.Sub(x.Mature.Time), true
	}
}

// hardAt is when the SA expires or has expired, as far as time is its limit.
func (x *Life) hardAt() (t time.Time, ok bool) {
	if x.Ended == Expired {
		return x.End.Time, !x.End.Time.IsZero()
	}
	if s := x.HardLimit.AddTime; s != 0 && s < 1<<32 && !x.Mature.Time.IsZero() {
		t = x.Mature.Time.Add(time.Duration(s) * time.Second)
	}
	if s := x.HardLimit.UseTime; s != 0 && s < 1<<32 && x.Used.UseTime != 0 && x.Used.UseTime < 1<<40 {
		if u := time.Unix(int64(x.Used.UseTime+s), 0); t.IsZero() || u.Before(t) {
			t = u
		}
	}
	return t, !t.IsZero()
}

// expire notes an EXPIRE: a hard one removes the SA.
func (l *Lives) expire(r *record.Record, role Role, at Point) {
	m := &l.msg
	x := l.find(netip.Addr{}, addrOf(m.AddressDst()))
	if x == nil {
		x = l.born(r, role, "EXPIRE", at)
		x.Larval = false
		x.learn(m)
		l.ripe(x)
	}
	x.count(m, at)
	switch {
	case m.LifetimeHard() != nil || m.LifetimeSoft() == nil && m.SA().State == 3: // DEAD
		l.end(x, Expired, at, "EXPIRE")
	case x.Soft.IsZero():
		x.Soft = at
	}
}

// deleted notes a DELETE. One that names no SA is about all between two ends, on KAME.
func (l *Lives) deleted(what string, at Point) {
	m := &l.msg
	if m.SA() != nil {
		if x := l.find(netip.Addr{}, addrOf(m.AddressDst())); x != nil {
			x.count(m, at)
			x.EndPID = m.PID
			l.end(x, Deleted, at, what)
			if what == "DELPAIR" && x.Pair.SPI != 0 {
				for _, y := range l.bySPI[saNumber{x.SAType, x.Pair.SPI}] {
					if y.Dst == x.Src {
						y.EndPID = m.PID
						l.end(y, Deleted, at, what)
						break
					}
				}
			}
		}
		return
	}
	src, dst := addrOf(m.AddressSrc()), addrOf(m.AddressDst())
	if dst.IsValid() {
		l.endAll(Deleted, at, what, func(x *Life) bool { return x.SAType == m.SAType && x.Src == src && x.Dst == dst })
	}
}

// endAll ends those of the living that a message is about.
func (l *Lives) endAll(how Ending, at Point, what string, is func(*Life) bool) {
	var list []*Life // ending them changes the table
	for _, same := range l.bySPI {
		for _, x := range same {
			if is(x) {
				list = append(list, x)
			}
		}
	}
	for _, x := range list {
		x.EndPID = l.msg.PID
		l.end(x, how, at, what)
	}
	if how == Flushed && l.flushed != nil {
		l.flushed(len(list))
	}
}

// flush ends all SAs of a type, or of all.
func (l *Lives) flush(at Point) {
	m := &l.msg
	l.endAll(Flushed, at, "FLUSH", func(x *Life) bool { return m.SAType == layers.SATypeUnspec || m.SAType == x.SAType })
}

// refused learns from an answer that says no: what cannot be found is gone.
func (l *Lives) refused(r *record.Record, at Point) {
	m := &l.msg
	a := &l.requests[r.ReplyTo%uint64(len(l.requests))]
	name := r.Codec.Dialect.ErrnoName(m.Errno)
	if r.ReplyTo == 0 || a.number != r.ReplyTo || name != "ESRCH" && name != "ENOENT" {
		return
	}
	switch m.TypeName() {
	case "GET", "DELETE", "UPDATE":
		for _, x := range l.bySPI[a.sa] {
			if x.Dst == a.dst && a.sa.spi != 0 && !x.maybeMarked() {
				l.end(x, Gone, at, m.TypeName())
				return
			}
		}
	case "SPDGET", "SPDDELETE2":
		l.policies.gone(a.policy, at, m.TypeName())
	}
}

// maybeMarked reports whether a request over PF_KEY may fail to find the SA though it
// is there: Linux looks for those without a mark only, which netlink may have given it.
func (x *Life) maybeMarked() bool {
	return x.Codec.Dialect == layers.Linux && (x.Foreign || x.By == "DUMP" || x.By == "EXPIRE")
}

// end ends a life.
func (l *Lives) end(x *Life, how Ending, at Point, what string) {
	if x.Ended != Alive {
		return
	}
	x.Ended, x.End, x.EndType = how, at, what
	n := saNumber{x.SAType, x.SPI}
	if rest := without(l.bySPI[n], x); len(rest) > 0 {
		l.bySPI[n] = rest
	} else {
		delete(l.bySPI, n)
	}
	// Its traffic goes on with one that was made before it had to be.
	if c := x.candidate; c != nil && x.Next.Number == 0 && c.Prev.Number == 0 && c.Ended == Alive && (how == Deleted || how == Expired) {
		link(x, c)
	}
	x.candidate = nil
}

// without returns a list without one of its items. It changes the list.
func without[T comparable](list []T, x T) []T {
	for i, y := range list {
		if y == x {
			copy(list[i:], list[i+1:])
			clear(list[len(list)-1:])
			return list[:len(list)-1]
		}
	}
	return list
}

func addrOf(a *layers.Address) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return a.Addr()
}
