package trace

import (
	"hash/maphash"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// Options says what is known of a recording as a whole.
type Options struct {
	// Promisc says whether the recording socket was promiscuous when the recording
	// began, or is said to be by the capture (record.Meta.Promisc). On Linux one that
	// is not gets only what the kernel says. If it is NotKnown, a request that was
	// read shows it; before, less is decided. The recording program's own X_PROMISC
	// messages are followed, and if the first record is one that switches the socket
	// on, it was off before whatever Promisc says.
	Promisc record.Answer

	// Lossless says that the recorder has watched its queue and that no message can
	// be missing but where Record.Dropped or Record.Gap says so. What order alone tells
	// is then known at once, and not only once the copies have been counted.
	Lossless bool
}

// Tracer annotates the messages of one recording, that is of one socket, in
// order. Its memory does not grow. It is for one goroutine.
type Tracer struct {
	opts       Options
	seed       maphash.Seed
	msg, inner layers.Message

	facts   [ringSize]fact // message i is at i%ringSize
	head    uint64         // messages examined; they count from 1
	settled uint64         // messages whose role is decided

	promisc record.Answer
	suspect bool   // no certain request came since messages were lost
	lossy   bool   // messages are missing in this recording
	ended   bool   // no message comes any more
	before  bool   // the recording was annotated before: not only own messages come with a direction
	last    uint64 // the newest request that is not an own one

	requests  requests
	processes processes
	contents  contents
	singles   [maxSingles]single
	single    int // the oldest of them
}

const (
	// ringSize is how many messages are remembered: maxHeld undecided ones, and as
	// many to each side as a decision looks at.
	ringSize = 128
	// maxHeld is how many messages a Reader reads ahead at most.
	maxHeld = 32
)

// single is a message from the kernel that no request was found for, to know its
// second copy by.
type single struct {
	hash, num, at uint64
	copies        uint8
	wrapped       bool
}

const (
	maxSingles = 8
	singleSpan = 8 // messages from the first to the second copy at most
)

// New returns a Tracer for a recording.
func New(o Options) *Tracer {
	return &Tracer{opts: o, seed: maphash.MakeSeed(), promisc: o.Promisc}
}

// Annotate sets r.Dir unless it is known already, r.TwinOf and r.ReplyTo, and
// returns the part that r plays. It goes by the messages before r only, which
// for FLUSH, SPDFLUSH and X_PROMISC is too little unless nothing can be lost: see
// Reader, which also finds out what Annotate has left unknown in a capture.
// Records must be numbered, and one that the recording program has written itself
// must come with its direction, before its answers. r is not kept.
func (t *Tracer) Annotate(r *record.Record) Role {
	t.arrive(r)
	for t.settled < t.head {
		t.settle(t.settled+1, true)
		t.settled++
	}
	return t.apply(r, t.head)
}

// apply writes what was decided of message i into its record.
func (t *Tracer) apply(r *record.Record, i uint64) Role {
	f := t.fact(i)
	r.Dir, r.TwinOf, r.ReplyTo = f.dir, f.twinOf, f.replyTo
	return f.role
}

func (t *Tracer) fact(i uint64) *fact { return &t.facts[i%ringSize] }

// oldest is the first message that is remembered.
func (t *Tracer) oldest() uint64 {
	if t.head < ringSize {
		return 1
	}
	return t.head - ringSize + 1
}

// arrive examines a record and learns from it what does not depend on order.
func (t *Tracer) arrive(r *record.Record) {
	t.head++
	f := t.fact(t.head)
	t.examine(f, r)
	f.gap = r.Gap || r.Dropped > 0
	t.suspect = t.suspect || f.gap
	f.suspect = t.suspect
	t.before = t.before || r.Dir == record.FromKernel
	if f.rules != linuxRules || f.shape == unclear {
		return
	}
	switch {
	case f.own():
		t.processes.learn(f)
	case f.shape == toKernel && !f.given:
		// Only a promiscuous socket gets these. Where one can be seen, the exchange
		// before it is over.
		if t.promisc == record.NotKnown {
			t.promisc = record.Yes
		}
		t.suspect, f.suspect = false, f.gap
		t.processes.learn(f)
	case f.typ == layers.PROMISC:
		t.processes.learn(f)
	case f.shape == fromKernel && f.pid != 0 && !f.dumps():
		t.processes.get(f.pid).said(f.seq)
	}
}

// learn notes that the process of f uses PF_KEY.
func (ps *processes) learn(f *fact) {
	p := ps.get(f.pid)
	p.pfkey = true
	p.said(f.seq)
}

// settle decides the direction and role of message i; all before it are decided.
// It returns false if messages to come may help and last is false.
func (t *Tracer) settle(i uint64, last bool) bool {
	f := t.fact(i)
	if f.gap {
		t.lossy = true
		if t.requests.switching() {
			t.promisc = record.NotKnown // the answer may be lost
		}
		t.requests.forget(&t.processes)
		t.contents = contents{}
	}
	if f.given || f.shape == unclear || f.rules == noRules {
		if !f.given && f.rules == linuxRules && t.promisc == record.No {
			f.dir = record.FromKernel
		}
		if f.shape == echo && t.promisc != record.No {
			r := t.runAt(i)
			f.hazy = r.hazy()
		}
		t.assign(f, i)
		return true
	}
	if f.rules != linuxRules {
		if f.dir == record.Unknown {
			f.dir = record.FromKernel
		}
		t.assign(f, i)
		return true
	}
	if t.promisc == record.No {
		f.dir = record.FromKernel
		t.assign(f, i)
		return true
	}
	done := true
	switch f.shape {
	case toKernel:
		f.dir = record.ToKernel
	case event:
		f.dir = record.FromKernel
	case fromKernel:
		f.dir, done = t.statement(f, i, last)
	case failure:
		f.dir, done = t.failure(f, i, last)
	case echo:
		if t.promisc == record.NotKnown {
			done = last
			break
		}
		r := t.runAt(i)
		d, byPID := t.direction(f, &r)
		f.dir, f.hazy = d, r.hazy()
		hopeless := r.suspect || r.long || !r.open && byPID == record.Unknown
		done = last || d != record.Unknown || hopeless
	}
	if !done {
		return false
	}
	t.assign(f, i)
	return true
}

// statement decides about a message that only the kernel builds, unless a
// process sends one of its messages back, to restore an SA for example. No
// request to it is then there, and the true answer follows.
func (t *Tracer) statement(f *fact, i uint64, last bool) (d record.Direction, done bool) {
	if f.dumps() || f.typ == layers.REGISTER || f.typ == layers.MIGRATE || f.suspect || t.lossy {
		return record.FromKernel, true
	}
	switch f.typ {
	case layers.GETSPI, layers.UPDATE, layers.ADD, layers.DELETE, layers.GET:
	default:
		return record.FromKernel, true // policies show a reference count
	}
	if t.expected(f, i) || t.repeated(f, i) != nil {
		return record.FromKernel, true
	}
	g, open := t.next(i)
	switch {
	case g == nil:
		return record.FromKernel, last || !open
	case g.hash == f.hash || !g.sameKey(f) || g.shape == toKernel:
		return record.FromKernel, true
	case g.shape == failure:
		return record.ToKernel, true
	}
	return record.Unknown, true
}

// failure decides about 16 bytes with an errno: the kernel's answer to a request
// that failed, or a request whose sender has set the errno, which the kernel does
// not look at.
func (t *Tracer) failure(f *fact, i uint64, last bool) (d record.Direction, done bool) {
	if t.expected(f, i) || t.repeated(f, i) != nil {
		return record.FromKernel, true
	}
	// Where nothing is lost and nothing was asked, it is a request.
	lossless := t.opts.Lossless && !f.suspect && !t.lossy && t.last != 0
	if f.typ == layers.ACQUIRE {
		// This is how a key manager says that it failed; no answer comes. The kernel
		// itself answers only an ACQUIRE with extensions, and then says no.
		if lossless || t.acquired(f, i) || !refusal(f.errno) {
			return record.ToKernel, true
		}
		return record.Unknown, true
	}
	if lossless {
		return record.ToKernel, true
	}
	g, open := t.next(i)
	switch {
	case g == nil:
		done = last || !open
	case g.sameKey(f) && g.satype == f.satype && g.hash != f.hash && g.shape != toKernel:
		return record.ToKernel, true // it was answered
	default:
		done = true
	}
	if t.lossy {
		d = record.FromKernel
	}
	return d, done
}

// refusal reports whether the errno is one that the kernel gives to an ACQUIRE.
func refusal(errno uint8) bool {
	switch errno {
	case 12, 22, 95, 105: // ENOMEM, EINVAL, EOPNOTSUPP, ENOBUFS
		return true
	}
	return false
}

// acquired reports whether the kernel has sent an ACQUIRE with f's number lately.
func (t *Tracer) acquired(f *fact, i uint64) bool {
	for j := i; j > t.oldest(); {
		j--
		if g := t.fact(j); g.typ == layers.ACQUIRE && g.shape == event && g.seq == f.seq {
			return true
		}
	}
	return false
}

// next finds the first message after i that belongs to it, or that nothing could
// come before which belongs to it. If there is none, open says whether it may
// still come.
func (t *Tracer) next(i uint64) (g *fact, open bool) {
	f := t.fact(i)
	for j := i + 1; j <= t.head; j++ {
		g := t.fact(j)
		if g.own() {
			continue
		}
		if g.sameKey(f) || !g.later() {
			return g, false
		}
		if j-i >= maxSingles {
			return nil, false
		}
	}
	return nil, true
}

// expected reports whether f answers a request that is remembered.
func (t *Tracer) expected(f *fact, i uint64) bool {
	q, several := t.requests.of(f, i, t.last)
	if q == nil || several {
		return several
	}
	trial := *q
	return trial.take(f, i, t.promisc != record.No) != Unknown
}

// repeated finds the single message that f may be the second copy of.
func (t *Tracer) repeated(f *fact, i uint64) *single {
	if t.promisc == record.No {
		return nil
	}
	for k := range t.singles {
		s := &t.singles[k]
		if s.hash == f.hash && s.at != 0 && s.copies < f.copies() && f.copyOf(s.wrapped) && i-s.at <= singleSpan {
			return s
		}
	}
	return nil
}

// assign finds the role of a message whose direction is decided.
func (t *Tracer) assign(f *fact, i uint64) {
	if f.size == 0 {
		return
	}
	if f.rules == linuxRules {
		t.contents.note(f)
	}
	switch f.dir {
	case record.ToKernel:
		t.request(f, i)
	case record.FromKernel:
		t.answer(f, i)
	}
}

func (t *Tracer) request(f *fact, i uint64) {
	if t.promisc != record.No {
		if q := t.requests.echoed(f, i); q != nil {
			f.role, f.twinOf = Twin, q.num
			t.last = q.at
			return
		}
	}
	q := t.requests.add(f, i)
	q.switches = f.switches()
	f.before = t.promisc
	if i == 1 && q.switches && q.own && f.satype == 1 {
		f.before = record.No
	}
	if !q.own || t.before {
		t.last = i
	}
	f.role = Request
}

func (t *Tracer) answer(f *fact, i uint64) {
	twice := t.promisc != record.No
	q, several := t.requests.of(f, i, t.last)
	if f.hazy {
		// It may belong to the request before or to the message that is not known.
		if q != nil {
			q.closed = true
		}
		return
	}
	if several {
		return
	}
	if q != nil {
		first := q.answer
		skipped := f.rules == linuxRules && f.dumps() && !f.failed() && f.seq > q.next
		switch f.role = q.take(f, i, twice); f.role {
		case Twin:
			f.twinOf = first
			if f.rules == linuxRules && !q.own && f.unicast() {
				t.processes.get(f.pid).listens = true
			}
			return
		case Reply:
			f.replyTo = q.num
			t.lossy = t.lossy || skipped
			if q.switches && f.errno == 0 {
				t.switched(q, f.rules)
			}
			return
		}
	}
	if s := t.repeated(f, i); s != nil {
		s.copies++
		f.role, f.twinOf = Twin, s.num
		return
	}
	t.remember(f, i)
	switch {
	case f.shape == event:
		f.role = Event
	case t.foreign(f):
		f.role = Foreign
		if p := t.processes.get(f.pid); f.shape == fromKernel && p.foreign < 255 {
			p.foreign++
		}
	default:
		// Somebody asked for it, so the request was lost.
		f.role = Unknown
		t.lossy = t.lossy || f.rules == linuxRules && f.shape == fromKernel && t.promisc == record.Yes
	}
}

// switched notes that the recording program has switched its socket. In a
// recording that was annotated before, requests of others have a direction too;
// but on Linux only an own one is the last that a promiscuous socket gets a copy of.
func (t *Tracer) switched(q *request, rules ruleSet) {
	switch {
	case q.own && q.satype != 0:
		t.promisc = record.Yes
	case q.own && (q.copied || rules != linuxRules):
		t.promisc = record.No
	}
}

// remember keeps a message to know its second copy by.
func (t *Tracer) remember(f *fact, i uint64) {
	s := &t.singles[t.single]
	t.single = (t.single + 1) % maxSingles
	s.hash, s.num, s.at, s.copies, s.wrapped = f.hash, f.num, i, 1, f.wrapped
}

// foreign reports whether a message without a request tells of something that was
// not asked for in the recording. Where requests can be seen, it was asked for
// over netlink, unless the process is one that uses PF_KEY: then the request was
// lost.
func (t *Tracer) foreign(f *fact) bool {
	switch f.rules {
	case kameRules, illumosRules:
		return true
	case openbsdRules:
		return t.promisc != record.Yes
	}
	if f.errno != 0 {
		return false
	}
	p := t.processes.of(f.pid)
	switch f.typ {
	case layers.UPDATE, layers.ADD, layers.DELETE, layers.SPDUPDATE, layers.SPDADD, layers.SPDDELETE,
		layers.SPDDELETE2, layers.MIGRATE:
		return t.promisc == record.No || !p.pfkey
	case layers.FLUSH, layers.SPDFLUSH:
		return t.promisc == record.No || !p.pfkey && p.foreign > 1
	case layers.REGISTER, layers.PROMISC:
		return t.promisc == record.No
	}
	return false
}
