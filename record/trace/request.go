package trace

import "github.com/pfkeycap/pfkeycap/layers"

// overtaken is how many messages may come between a request and its error answer
// to reckon with other threads.
const overtaken = 8

// request is one that answers may still come to.
type request struct {
	num  uint64 // Record.Number
	at   uint64 // which message of the recording it was
	hash uint64

	pid, seq    uint32
	typ, satype uint8

	own      bool // the direction came with the record
	copied   bool // its second copy was seen: the listener sent it itself
	silent   bool // no answer comes to it
	late     bool // its first answer comes when its sender reads
	switches bool // X_PROMISC on or off
	closed   bool // no further answer comes

	answers    uint8  // different answers seen
	copies     uint8  // copies of the last one
	wrapped    bool   // the last one was inside an SADB_X_PROMISC
	answer     uint64 // Record.Number of the last one
	answerHash uint64
	active     uint64 // which message the last answer was
	next       uint32 // of a dump on Linux: the sadb_msg_seq to come
}

// requests are the remembered ones. Answers come at once, but for errors, which
// at most one request of every other running thread overtakes, and dumps.
type requests struct {
	all    [maxRecent]request
	recent recent
	own    int // how many are own ones whose second copy was not seen
	// How many there are of each type, or of several that have these bits: most of
	// what the kernel says on its own answers nothing, which is then known at once.
	types [typeClasses]uint8
}

const typeClasses = 32 // more than there are types

func (rs *requests) ofType(typ uint8) *uint8 { return &rs.types[typ%typeClasses] }

// perhaps returns how many requests at most have a type that f answers.
func (rs *requests) perhaps(f *fact) int {
	switch f.typ {
	case 0: // of illumos: see fact.answers
		return rs.recent.n
	case layers.SPDADD:
		return int(*rs.ofType(layers.SPDADD)) + int(*rs.ofType(layers.SPDSETIDX))
	}
	return int(*rs.ofType(f.typ))
}

// nth returns the k-th newest request.
func (rs *requests) nth(k int) *request { return &rs.all[rs.recent.at(k)] }

// add remembers a request, in the place of the one that is missed least.
func (rs *requests) add(f *fact, at uint64) *request {
	if _, ok := rs.recent.add(); !ok {
		victim, worth := 0, 0
		for k := rs.recent.n - 1; k >= 0; k-- {
			w := rs.nth(k).worth(at)
			if k == rs.recent.n-1 || w < worth {
				victim, worth = k, w
			}
			if w == least {
				break
			}
		}
		rs.leave(rs.nth(victim))
		rs.recent.front(victim)
	}
	q := rs.nth(0)
	*q = request{}
	q.num, q.at, q.hash, q.pid, q.seq, q.typ, q.satype = f.num, at, f.hash, f.pid, f.seq, f.typ, f.satype
	q.own, q.silent, q.late, q.next = f.own(), f.unheard(), f.waits(), 1
	*rs.ofType(q.typ)++
	if q.own {
		rs.own++
	}
	return q
}

// leave is for a request that is not remembered any more.
func (rs *requests) leave(q *request) {
	*rs.ofType(q.typ)--
	if q.own && !q.copied {
		rs.own--
	}
}

// worth orders requests by how much is still to come to them, when message now
// has come. One that nobody has answered for long will not be answered, and a dump
// that nobody reads on is given up: abandoned ones must not fill the memory.
func (q *request) worth(now uint64) int {
	switch {
	case q.closed || q.silent || q.answers > 0 && q.next == 1:
		return least
	case q.answers == 0 && (now-q.at <= maxWait || q.late && now-q.at <= maxPause):
		return least + 1
	case q.answers > 0 && now-q.active <= maxPause:
		return least + 2 // a dump under way
	}
	return least
}

const (
	// least is the worth of a request that nothing is to come to.
	least = 0
	// maxPause is how many messages later the next one of a dump comes at most, also
	// its first one.
	maxPause = 1 << 16
)

// echoed finds the request that f is the promiscuous copy of, one that the
// recording program wrote itself, and notes that it was copied. If f's direction
// is also given, both come from a recording that was annotated before, and what
// tells the copy from a further request is that there was no answer in between.
func (rs *requests) echoed(f *fact, at uint64) *request {
	for k, left := 0, rs.own; left > 0; k++ {
		q := rs.nth(k)
		if !q.own || q.copied {
			continue
		}
		left--
		if q.hash != f.hash || f.given && (q.answers > 0 || q.closed || q.silent || at-q.at > overtaken) {
			continue
		}
		q.copied = true
		rs.own--
		return q
	}
	return nil
}

// of finds the request that f, message at from the kernel, belongs to: the newest
// with f's type, process and sequence number. If f is an error and there is
// another such request that was not answered yet, two threads of the process may
// be at work; it is one of several then. last is the newest request of all that
// was not an own one.
func (rs *requests) of(f *fact, at, last uint64) (q *request, several bool) {
	if f.migrated() {
		return rs.migration(at, last), false
	}
	if f.dumps() && !f.failed() {
		return rs.dump(f), false
	}
	unanswered := 0
	for k, left := 0, rs.perhaps(f); left > 0 && k < rs.recent.n; k++ {
		r := rs.nth(k)
		if q != nil && at-r.at > overtaken {
			break
		}
		if !f.answers(r.typ) {
			continue
		}
		left--
		if r.pid != f.pid || r.seq != f.seq || r.silent {
			continue
		}
		if q == nil {
			q = r
		}
		if !f.failed() {
			break
		}
		if r.answers == 0 && at-r.at <= overtaken {
			unanswered++
		}
	}
	return q, unanswered > 1
}

// migration finds the MIGRATE request whose notification comes, with process and
// sequence number 0, under the lock that the request holds: nothing but messages
// that may come at any time is in between.
func (rs *requests) migration(at, last uint64) *request {
	for k := range rs.recent.n {
		q := rs.nth(k)
		if q.at < last || at-q.at > overtaken {
			return nil
		}
		if q.typ == layers.MIGRATE {
			return q
		}
	}
	return nil
}

// dump finds the dump that f goes on with. Its messages have the process of the
// request but sequence numbers of their own. Of two dumps by one process at once
// it is the one that waits for this number; if both do, nothing is found.
func (rs *requests) dump(f *fact) *request {
	var best *request
	tie := false
	for k, left := 0, *rs.ofType(f.typ); left > 0 && k < rs.recent.n; k++ {
		q := rs.nth(k)
		if q.typ != f.typ {
			continue
		}
		left--
		if q.pid != f.pid {
			continue
		}
		if q.closed && !(q.answerHash == f.hash && q.copies < 2) {
			continue
		}
		switch {
		case best == nil:
			best, tie = q, false
		case f.rules == linuxRules && fits(q, f) != fits(best, f):
			if fits(q, f) {
				best, tie = q, false
			}
		case q.at > best.at:
			best, tie = q, best.active > q.at
		default:
			tie = q.active > best.at
		}
	}
	if tie {
		return nil
	}
	return best
}

// fits reports whether the message may be the next of the dump, or is another
// copy of its last.
func fits(q *request, f *fact) bool {
	return f.seq == 0 && !q.closed || f.seq == q.next || q.answers > 0 && q.answerHash == f.hash && q.copies < 2
}

// unanswered reports whether the request that was message at has no answer yet.
// One with the hash does not count.
func (rs *requests) unanswered(at, hash uint64) bool {
	for k := range rs.recent.n {
		q := rs.nth(k)
		if q.at < at {
			break
		}
		if q.at == at {
			return q.answers == 0 && !q.closed && !q.silent && q.hash != hash
		}
	}
	return false
}

// take accepts f as an answer to q, or as a further copy of the last answer.
// promisc says that everything meant for the socket comes to it twice.
func (q *request) take(f *fact, at uint64, promisc bool) Role {
	copies := uint8(1)
	if promisc {
		copies = f.copies()
		if f.rules == linuxRules && f.flushes() && q.answers == 1 && !q.copied {
			// The answer goes to the sender only, the notification that comes after
			// it, with the same bytes, to everyone.
			copies = 1
		}
	}
	if q.answers > 0 && q.answerHash == f.hash && q.copies < copies && f.copyOf(q.wrapped) {
		q.copies++
		q.active = at
		return Twin
	}
	switch {
	case q.closed:
		return Unknown
	case f.failed():
		if q.answers > 0 {
			return Unknown
		}
		q.closed = true
	case f.dumps():
		q.next = f.seq + 1
		if f.ends(q.seq) {
			q.next, q.closed = 2, true
		}
	case f.rules == linuxRules && f.flushes():
		if q.answers == 2 {
			return Unknown
		}
	case q.answers > 0:
		return Unknown
	}
	q.answers = min(q.answers+1, 3)
	q.answer, q.answerHash, q.copies, q.wrapped, q.active = f.num, f.hash, 1, f.wrapped, at
	return Reply
}

// switching reports whether an own request to switch the listener is not answered.
func (rs *requests) switching() bool {
	for k := range rs.recent.n {
		if q := rs.nth(k); q.own && q.switches && q.answers == 0 && !q.closed {
			return true
		}
	}
	return false
}

// forget drops the requests whose answers, if they are lost, could be taken for
// those to later ones: of processes that use one sequence number for all.
func (rs *requests) forget(ps *processes) {
	rs.recent.keep(func(slot int) bool {
		q := &rs.all[slot]
		kept := ps.of(q.pid).varies
		if !kept {
			rs.leave(q)
		}
		return kept
	})
}
