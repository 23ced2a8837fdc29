package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/record"
)

// FindingKind is what sort of thing was found, in the words of the command line.
type FindingKind string

// The kinds.
const (
	UnansweredAcquire FindingKind = "unanswered-acquire"
	FailedAcquire     FindingKind = "failed-acquire"
	AcquireFlood      FindingKind = "acquire-flood"
	LeakedLarval      FindingKind = "leaked-larval"
	DeletedInUse      FindingKind = "deleted-in-use"
	ExpiredInUse      FindingKind = "expired-in-use"
	LifetimeNever     FindingKind = "lifetime-never"
	DuplicateSPI      FindingKind = "duplicate-spi"
	KeyReuse          FindingKind = "key-reuse"
	MemoryLeak        FindingKind = "memory-leak"
	WeakAlgorithm     FindingKind = "weak-algorithm"
	FlushedBy         FindingKind = "flush"
)

// Finding is something about a recording that somebody should know. What concerns one
// subject for one reason is one Finding, however often it was seen.
type Finding struct {
	Kind    FindingKind
	Warning bool     // something is wrong or was lost; else it is worth knowing
	Text    string   // what was found, of the first time where there are several
	Why     string   // why it matters
	Records []uint64 // numbers of the records that show it, at most 16
	Count   uint64   // how often it was seen
}

// MaxFindingRecords is how many records a Finding names.
const MaxFindingRecords = 16

// FindingOptions are what Findings needs to know.
type FindingOptions struct {
	// ID names keys without showing them, as for LifeOptions. Without it no reuse is
	// found.
	ID func(r *record.Record, secret []byte, key int) [4]byte

	// Max is how many SAs and keys are remembered; 0 stands for 16,384.
	Max int
}

// Findings looks for what is wrong or worth knowing in a recording. Its memory is
// bounded. It is for one goroutine.
type Findings struct {
	opts  FindingOptions
	lives *Lives
	msg   layers.Message
	unset check.Unset

	found map[findingKey]*Finding
	order []*Finding
	more  uint64 // kept no more

	pending []acquired // ACQUIREs that nobody has answered so far
	recent  [512]acquired
	nRecent int
	floods  map[acquireEnds]*flood
	reqids  map[uint32]uint32 // of policies that want SAs of their own, by number
	keys    map[usedKey]keyUser
	keyList []usedKey // the order they came in

	flushes [64]uint64 // numbers of the FLUSH requests that were noted, at number%len
	hears   bool       // there are EXPIREs
	ended   int        // SAs and policies that the record at hand has ended
	last    Point
}

type findingKey struct {
	kind    FindingKind
	subject string
}

type acquireEnds struct {
	satype   uint8
	src, dst netip.Addr
	policy   uint32
}

func (a *acquired) between(satype uint8, x, y netip.Addr) bool {
	return a.satype == satype && (a.src == x && a.dst == y || a.src == y && a.dst == x)
}

// acquired is an ACQUIRE of the kernel.
type acquired struct {
	acquireEnds
	Point
	seq   uint32
	reqid uint32 // that the SA must have; 0: any
	name  string
}

// flood holds the last ACQUIREs of a kind, at n % floodCount.
type flood struct {
	last [floodCount]Point
	n    int
}

// usedKey is a key between two ends, in either direction.
type usedKey struct {
	id   KeyID
	a, b netip.Addr
}

type keyUser struct {
	spi  uint32
	born uint64 // records
	keys uint64
}

const (
	maxFindings = 1000
	maxPending  = 1024
	maxFloods   = 1024
	maxReqIDs   = 1 << 14

	floodCount   = 10 // ACQUIREs for the same ends and policy
	floodWithin  = 10 * time.Second
	larvalFor    = 5 * time.Second  // a key exchange takes less
	neededWithin = 10 * time.Second // after a DELETE, an ACQUIRE shows that the SA was in use
	expireGrace  = 3 * time.Second  // kernels run their timers by the second
)

// NewFindings returns Findings for one recording.
func NewFindings(o FindingOptions) *Findings {
	if o.Max <= 0 {
		o.Max = maxLives
	}
	f := &Findings{opts: o, found: map[findingKey]*Finding{}, floods: map[acquireEnds]*flood{}, reqids: map[uint32]uint32{}, keys: map[usedKey]keyUser{}}
	f.lives = NewLives(LifeOptions{ID: o.ID, SA: f.life, Max: o.Max})
	f.lives.flushed = func(n int) { f.ended += n }
	return f
}

// All returns what was found, in the order of the first records, once Finish was
// called, and how many findings more there were than are kept.
func (f *Findings) All() (list []Finding, more uint64) {
	for _, x := range f.order {
		slices.Sort(x.Records)
		list = append(list, *x)
	}
	slices.SortStableFunc(list, func(a, b Finding) int { return slices.Compare(a.Records, b.Records) })
	return list, f.more
}

// Add follows a record that was annotated, which plays a role. It does not keep r.
func (f *Findings) Add(r *record.Record, role Role) {
	m := &f.msg
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Codec.Unwrap(r.Data), nil) // what is malformed has what precedes the fault
	f.ended = 0
	f.lives.Add(r, role)
	if r.TwinOf != 0 || r.WriteErrno != 0 || len(m.Contents) < layers.BaseLen {
		return
	}
	at := Point{r.Number, r.Time}
	f.last = at
	what := m.TypeName()
	switch {
	case what == "FLUSH" || what == "SPDFLUSH":
		f.flushed(r, what, at)
	case what == "ACQUIRE":
		f.acquire(r, role, at)
	case m.Errno == 0 && r.Dir == record.FromKernel && (what == "GETSPI" || what == "ADD" || what == "UPDATE"):
		f.answered()
	case m.Policy() != nil && strings.HasPrefix(what, "SPD"):
		f.policy()
	case what == "EXPIRE":
		f.hears = true
	}
	if r.Dir != record.FromKernel {
		return
	}
	if r.Codec.Dialect.ErrnoName(m.Errno) == "EEXIST" && (what == "ADD" || what == "GETSPI" || what == "UPDATE") {
		f.exists(r, what)
	}
	if m.Errno == 0 {
		f.leak(r, what)
	}
}

// Finish ends the recording.
func (f *Findings) Finish() {
	for i := range f.pending {
		f.unanswered(&f.pending[i])
	}
	f.pending = nil
	f.lives.Finish()
}

// add notes a finding. text is made for the first of a subject only.
func (f *Findings) add(kind FindingKind, warning bool, subject, why string, text func() string, records ...uint64) {
	k := findingKey{kind, subject}
	x := f.found[k]
	if x == nil {
		if len(f.order) == maxFindings {
			f.more++
			return
		}
		x = &Finding{Kind: kind, Warning: warning, Text: text(), Why: why}
		f.found[k] = x
		f.order = append(f.order, x)
	}
	x.Warning = x.Warning || warning
	x.Count++
	for _, n := range records {
		if n != 0 && len(x.Records) < MaxFindingRecords && !slices.Contains(x.Records, n) {
			x.Records = append(x.Records, n)
		}
	}
}

func ends(name string, src, dst netip.Addr) string {
	text := func(a netip.Addr) string {
		if !a.IsValid() {
			return "*"
		}
		return a.String()
	}
	return fmt.Sprintf("%s %s > %s", strings.ToLower(name), text(src), text(dst))
}

// acquire follows an ACQUIRE: of the kernel, or of a key manager that has failed.
func (f *Findings) acquire(r *record.Record, role Role, at Point) {
	m := &f.msg
	if m.AddressDst() == nil {
		if m.Errno != 0 && r.Dir != record.FromKernel {
			f.failed(r, at)
		}
		return
	}
	if r.Dir != record.FromKernel || m.Errno != 0 || role == Reply || m.PID != 0 {
		return
	}
	a := acquired{Point: at, seq: m.Seq, name: m.SATypeName()}
	a.satype, a.src, a.dst = m.SAType, addrOf(m.AddressSrc()), addrOf(m.AddressDst())
	if p := m.Policy(); p != nil {
		a.policy, a.reqid = p.ID, f.reqids[p.ID]
	}
	if len(f.pending) == maxPending {
		f.unanswered(&f.pending[0])
		f.pending = f.pending[1:]
	}
	f.pending = append(f.pending, a)
	f.recent[f.nRecent%len(f.recent)] = a
	f.nRecent++
	x := f.floods[a.acquireEnds]
	if x == nil {
		if len(f.floods) == maxFloods {
			clear(f.floods)
		}
		x = &flood{}
		f.floods[a.acquireEnds] = x
	}
	x.last[x.n%floodCount] = at
	x.n++
	first := x.last[x.n%floodCount] // once there are so many
	if d, ok := at.Since(first); ok && x.n >= floodCount && d <= floodWithin {
		f.add(AcquireFlood, true, fmt.Sprint(a.acquireEnds),
			"the kernel asks for keys again and again: no key manager answers, or its SAs do not fit the policy, or they end at once",
			func() string {
				return fmt.Sprintf("%d ACQUIREs within %v for %s%s", floodCount, d.Round(time.Millisecond), ends(a.name, a.src, a.dst), a.forPolicy())
			}, first.Number, at.Number)
	}
}

// forPolicy names the policy, where it has a number.
func (a *acquired) forPolicy() string {
	if a.policy == 0 {
		return ""
	}
	return fmt.Sprintf(", policy %d", a.policy)
}

// policy remembers the reqid of SAs that a policy insists on.
func (f *Findings) policy() {
	p := f.msg.Policy()
	if p.ID == 0 {
		return
	}
	list := p.Requests()
	if len(list) != 1 || list[0].ReqID == 0 { // of several, each asks for its own
		delete(f.reqids, p.ID)
		return
	}
	if len(f.reqids) == maxReqIDs {
		clear(f.reqids)
	}
	f.reqids[p.ID] = uint32(list[0].ReqID)
}

// failed notes that a key manager gave an ACQUIRE up.
func (f *Findings) failed(r *record.Record, at Point) {
	m := &f.msg
	for i := range f.pending {
		if a := &f.pending[i]; a.seq == m.Seq && a.satype == m.SAType {
			errno := r.Codec.Dialect.ErrnoName(m.Errno)
			f.add(FailedAcquire, true, fmt.Sprint(a.acquireEnds), "the key manager could not agree with the peer: what the policy protects is not sent",
				func() string {
					return fmt.Sprintf("the key manager (pid %d) gave up %s with errno %d(%s)", m.PID, ends(a.name, a.src, a.dst), m.Errno, errno)
				}, a.Number, at.Number)
			f.pending = slices.Delete(f.pending, i, i+1)
			return
		}
	}
}

// answered takes the ACQUIREs away that an SA answers: the one with its sequence
// number, else all with its ends whose policies it fits.
func (f *Findings) answered() {
	m := &f.msg
	if len(f.pending) == 0 {
		return
	}
	src, dst := addrOf(m.AddressSrc()), addrOf(m.AddressDst())
	for i := range f.pending {
		if a := &f.pending[i]; m.Seq != 0 && a.seq == m.Seq && a.between(m.SAType, src, dst) {
			f.pending = slices.Delete(f.pending, i, i+1)
			return
		}
	}
	for _, a := range f.recent[:min(f.nRecent, len(f.recent))] {
		if m.Seq != 0 && a.seq == m.Seq && a.between(m.SAType, src, dst) {
			return // it goes on with one that was answered
		}
	}
	var reqid uint32
	if m.SA2() != nil {
		reqid = m.SA2().ReqID
	}
	f.pending = slices.DeleteFunc(f.pending, func(a acquired) bool {
		return a.between(m.SAType, src, dst) && (a.reqid == 0 || a.reqid == reqid)
	})
}

func (f *Findings) unanswered(a *acquired) {
	f.add(UnansweredAcquire, true, fmt.Sprint(a.acquireEnds),
		"nobody made the SA that the kernel asked for: no key manager is registered or it hangs, and what the policy protects is not sent",
		func() string {
			text := "no SA comes for the ACQUIRE for " + ends(a.name, a.src, a.dst) + a.forPolicy()
			if d, ok := f.last.Since(a.Point); ok {
				text += fmt.Sprintf(", in the %v to the end", d.Round(time.Millisecond))
			}
			return text
		}, a.Number)
}

// flushed notes who flushed. Linux tells of one FLUSH several times.
func (f *Findings) flushed(r *record.Record, what string, at Point) {
	m := &f.msg
	if r.Dir == record.ToKernel {
		return
	}
	if n := r.ReplyTo; n != 0 {
		e := &f.flushes[n%uint64(len(f.flushes))]
		if *e == n {
			return
		}
		*e = n
	}
	who := fmt.Sprintf("pid %d", m.PID)
	if m.PID == 0 {
		who = "netlink (pid 0)"
	}
	if r.Process != "" {
		who += fmt.Sprintf(" (%q)", r.Process)
	}
	things := "policies"
	if what == "FLUSH" {
		things = "SAs"
		if m.SAType != layers.SATypeUnspec {
			things = m.SATypeName() + " SAs"
		}
	}
	n := f.ended
	why := "everybody's are gone, those of other key managers too: until there are new ones traffic is dropped, or goes unprotected where policies are gone"
	if n == 0 {
		why = "key managers do so when they start; what others had made before the recording is gone too"
	}
	f.add(FlushedBy, n > 0, fmt.Sprint(what, m.PID, m.SAType, n > 0), why,
		func() string {
			text := fmt.Sprintf("%s flushed all %s", who, things)
			if n > 0 {
				return text + fmt.Sprintf(", %d that were seen before", n)
			}
			return text + "; none was seen before"
		}, r.ReplyTo, at.Number)
}

// exists notes that an SPI was taken.
func (f *Findings) exists(r *record.Record, what string) {
	m := &f.msg
	name := ""
	a := &f.lives.requests[r.ReplyTo%uint64(len(f.lives.requests))]
	if r.ReplyTo != 0 && a.number == r.ReplyTo {
		name = fmt.Sprintf(" 0x%08x", a.sa.spi)
	}
	f.add(DuplicateSPI, true, fmt.Sprint(what, m.PID, name), "an SPI, destination and protocol name one SA: the new keys are not in use, the old ones are",
		func() string {
			return fmt.Sprintf("%s of SPI%s by pid %d was refused: there is such an SA", what, name, m.PID)
		}, r.ReplyTo, r.Number)
}

// leak notes memory of the kernel in a message.
func (f *Findings) leak(r *record.Record, what string) {
	for _, where := range f.unset.In(r.Codec, r.Codec.Unwrap(r.Data)) {
		f.add(MemoryLeak, true, what+" "+where, "octets that nobody set are kernel memory, which any PF_KEY listener gets: update the kernel, and do not share captures of this with the keys inside",
			func() string {
				return fmt.Sprintf("%s from the kernel has octets that mean nothing in %s", what, where)
			}, r.Number)
	}
}

// life judges an SA that can tell no more.
func (f *Findings) life(x *Life) {
	name := fmt.Sprintf("%s spi=0x%08x", ends(x.TypeName, x.Src, x.Dst), x.SPI)
	unit := strings.ToUpper(x.TypeName)
	until := x.End
	if x.Ended == Alive || until.Time.IsZero() {
		until = f.last
	}
	if x.Larval {
		d, ok := until.Since(x.Born)
		if x.By == "GETSPI" && (x.Ended == Expired || x.Ended == Alive && ok && d >= larvalFor) {
			f.add(LeakedLarval, x.Ended == Expired, fmt.Sprint(x.PID, x.Ended), "an SPI was taken for a negotiation that came to nothing: many of them use up SPIs and memory, and slow the kernel down",
				func() string {
					return fmt.Sprintf("%s, which pid %d had chosen, got no keys in %v (%s)", name, x.PID, d.Round(time.Millisecond), x.Ended)
				}, x.Born.Number, x.End.Number)
		}
		return
	}
	if x.Ended == Replaced {
		f.add(DuplicateSPI, true, name, "an SPI, destination and protocol name one SA: one of the two is not in use, or records of its end are missing",
			func() string { return name + " was made twice, and its end between is not recorded" }, x.Born.Number)
	}
	f.inUse(x, name)
	if unit == "AH" || unit == "ESP" {
		f.limits(x, name, until)
		f.weak(x, unit)
		f.reuse(x, x.EncryptKey)
		f.reuse(x, x.AuthKey)
	}
}

// inUse judges the end of an SA that has no successor, or had none in time.
func (f *Findings) inUse(x *Life, name string) {
	const why = "what it protected is dropped, or waits, until there is another one"
	kind, how := DeletedInUse, fmt.Sprintf("was %s by pid %d", x.Ended, x.EndPID)
	switch x.Ended {
	case Deleted, Flushed:
	case Expired:
		kind, how = ExpiredInUse, "reached its hard limit"
		if x.Next.Number != 0 && x.HasMargin && x.Margin < 0 {
			f.add(kind, true, name, why, func() string {
				return fmt.Sprintf("%s %s %v before its successor 0x%08x had keys", name, how, -x.Margin.Round(time.Microsecond), x.Next.SPI)
			}, x.Soft.Number, x.End.Number, x.Next.Number)
			return
		}
	default:
		return
	}
	if x.Next.Number != 0 {
		return
	}
	for i := max(0, f.nRecent-len(f.recent)); i < f.nRecent; i++ {
		a := &f.recent[i%len(f.recent)]
		if d, ok := a.Since(x.End); ok && a.Number > x.End.Number && d <= neededWithin &&
			a.satype == x.SAType && a.src == x.Src && a.dst == x.Dst && (a.reqid == 0 || a.reqid == x.ReqID) {
			f.add(kind, true, name, why, func() string {
				return fmt.Sprintf("%s %s, and %v later the kernel asked for another one", name, how, d.Round(time.Microsecond))
			}, x.End.Number, a.Number)
			return
		}
	}
	if x.Used.Bytes > 0 {
		f.add(kind, false, name, why, func() string {
			return fmt.Sprintf("%s %s with no successor; it had carried %d bytes", name, how, x.Used.Bytes)
		}, x.End.Number)
	}
}

// made is the record with the keys and limits of an SA.
func made(x *Life) uint64 {
	if !x.Mature.IsZero() {
		return x.Mature.Number
	}
	return x.Born.Number
}

// limits judges lifetimes.
func (f *Findings) limits(x *Life, name string, until Point) {
	hard, soft := x.HardLimit, x.SoftLimit
	switch {
	case hard == Limit{} && soft == Limit{}:
		if x.Codec.Dialect == layers.Linux || x.By == "ADD" || x.By == "UPDATE" {
			f.add(LifetimeNever, false, "none", "its keys are used for ever: nobody is told to change them", func() string {
				return name + " has no limit, soft or hard"
			}, made(x))
		}
		return
	case soft == Limit{}:
		f.add(LifetimeNever, true, "no soft", "no key manager is told to rekey before the SA ends: traffic stops then", func() string {
			return name + " has a hard limit and no soft one"
		}, made(x))
	case neverSoft(soft.AddTime, hard.AddTime) || neverSoft(soft.UseTime, hard.UseTime) || neverSoft(soft.Bytes, hard.Bytes) || neverSoft(uint64(soft.Allocations), uint64(hard.Allocations)):
		f.add(LifetimeNever, true, "soft after hard", "the SA ends before a key manager is told to rekey: traffic stops then", func() string {
			return name + " reaches its hard limit before, or with, its soft one"
		}, made(x))
	}
	if !f.hears || x.Mature.IsZero() || !x.Soft.IsZero() || x.Ended == Expired || soft.AddTime == 0 || soft.AddTime >= 1<<32 {
		return
	}
	if d, ok := until.Since(x.Mature); ok && d > time.Duration(soft.AddTime)*time.Second+expireGrace {
		f.add(LifetimeNever, true, "overdue", "the kernel has not said that it is time to rekey: a key manager that waits for it is late", func() string {
			return fmt.Sprintf("%s is %v old, and no soft EXPIRE has come after %d s", name, d.Round(time.Millisecond), soft.AddTime)
		}, made(x))
	}
}

func neverSoft(soft, hard uint64) bool { return hard != 0 && soft >= hard }

// reuse judges a key: one that another SA between the same ends has had.
func (f *Findings) reuse(x *Life, id KeyID) {
	if id.Bits == 0 {
		return
	}
	k := usedKey{id, x.Src, x.Dst}
	if k.b.Less(k.a) {
		k.a, k.b = k.b, k.a
	}
	if y, ok := f.keys[k]; ok {
		f.add(KeyReuse, true, fmt.Sprint(k), "rekeying that keeps keys protects nothing, and counter modes break when a key is used from the start again",
			func() string {
				how := "has a key that"
				if x.Prev.Number == y.born {
					how = "was rekeyed with the key that"
				}
				return fmt.Sprintf("%s spi=0x%08x %s spi=0x%08x has had (%d bits, key id %x)", ends(x.TypeName, x.Src, x.Dst), x.SPI, how, y.spi, id.Bits, id.ID)
			}, y.keys, made(x))
		return
	}
	if len(f.keyList) == f.opts.Max {
		delete(f.keys, f.keyList[0])
		f.keyList = f.keyList[1:]
	}
	f.keys[k] = keyUser{x.SPI, x.Born.Number, made(x)}
	f.keyList = append(f.keyList, k)
}

// weakCiphers and weakAuths are what RFC 8221 says must not or should not be used, by
// the beginning of the names in the headers.
var (
	weakCiphers = []struct{ prefix, why string }{
		{"DES", "56-bit keys are found by trying all (RFC 8221: MUST NOT)"},
		{"3DES", "64-bit blocks repeat within what an SA carries (RFC 8221: SHOULD NOT)"},
		{"BLOWFISH", "64-bit blocks repeat within what an SA carries (RFC 8221: MUST NOT)"},
		{"BLF", "64-bit blocks repeat within what an SA carries (RFC 8221: MUST NOT)"},
		{"CAST", "64-bit blocks repeat within what an SA carries"},
		{"IDEA", "64-bit blocks repeat within what an SA carries"},
		{"RC5", "64-bit blocks repeat within what an SA carries"},
		{"RC4", "it is broken"},
		{"SKIPJACK", "80-bit keys and 64-bit blocks"},
		{"NULL", "nothing is encrypted: everybody on the way reads it"},
	}
	weakAuths = []struct{ prefix, why string }{
		{"MD5", "it is broken (RFC 8221: MUST NOT)"},
		{"DES", "56-bit keys are found by trying all (RFC 8221: MUST NOT)"},
		{"KPDK", "it is broken (RFC 8221: MUST NOT)"},
	}
)

func (f *Findings) weak(x *Life, unit string) {
	d := x.Codec.Dialect
	encrypt, auth := d.EnumName(layers.EnumEncrypt, uint64(x.Encrypt)), d.EnumName(layers.EnumAuth, uint64(x.Auth))
	shown := x.Encrypt != 0 || x.Auth != 0 // what netlink made with AEAD shows nothing
	who := func(what string) func() string {
		return func() string {
			return fmt.Sprintf("%s uses %s", fmt.Sprintf("%s spi=0x%08x", ends(x.TypeName, x.Src, x.Dst), x.SPI), what)
		}
	}
	if unit == "ESP" {
		for _, w := range weakCiphers {
			if strings.HasPrefix(encrypt, w.prefix) {
				f.add(WeakAlgorithm, w.prefix != "NULL", "encrypt "+encrypt, w.why, who(encrypt+" encryption"), made(x))
			}
		}
		if shown && (x.Auth == 0 || auth == "NULL") && !aead(encrypt) {
			f.add(WeakAlgorithm, true, "no auth", "anybody on the way may change what is sent without being noticed (RFC 8221: MUST NOT without an AEAD)", who("no authentication"), made(x))
		}
	}
	for _, w := range weakAuths {
		if strings.HasPrefix(auth, w.prefix) {
			f.add(WeakAlgorithm, true, "auth "+auth, w.why, who(auth+" authentication"), made(x))
		}
	}
	if d == layers.Linux && auth == "SHA2_256HMAC" && !x.Foreign && (x.By == "ADD" || x.By == "UPDATE" || x.By == "GETSPI") {
		f.add(WeakAlgorithm, true, "truncated", "Linux cuts it to 96 bits when it is asked for over PF_KEY; RFC 4868 says 128, so other systems do not understand it",
			who("SHA2_256HMAC, truncated to 96 bits"), made(x))
	}
}

// aead reports whether a cipher authenticates too.
func aead(name string) bool {
	for _, s := range []string{"GCM", "CCM", "CHACHA20", "GMAC"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}
