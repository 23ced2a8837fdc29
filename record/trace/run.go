package trace

import (
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// A run is a series of messages with the same bytes that nothing but messages
// that may come at any time stands between: the requests, answers and
// notifications of FLUSH, SPDFLUSH and X_PROMISC look like that. Which of them are
// requests is found by going through everything that could have happened, one lost
// message included.

// What can happen is written as one letter for each message that a promiscuous
// socket gets: t to the kernel, f from it, e an error.
var (
	// pfkey_flush answers the sender, and tells everyone if something was removed.
	flushed     = []string{"tf", "tfff"}
	flushedFull = []string{"tfff"} // there was something for certain
	flushAgain  = []string{"tf"}   // and after that nothing
	// The sender is the listener: every message that is for it comes twice.
	flushedOwn     = []string{"tff", "tffff"}
	flushedOwnFull = []string{"tffff"}
	flushAgainOwn  = []string{"tff"}
	// It may be, if not all of the listener's own messages are recorded.
	flushedBoth    = []string{"tf", "tfff", "ff", "tff", "tffff"}
	flushAgainBoth = []string{"tf", "tff"}
	// It was done over netlink: everyone is told, if something was removed.
	flushedNetlink    = []string{"ff"}
	flushedAnyhow     = []string{"tf", "tfff", "ff"}
	flushedAnyhowFull = []string{"tfff", "ff"}
	// The request had other bytes and came before.
	flushAnswers = []string{"f", "fff"}
	flushAnswer  = []string{"f"} // the notification has other bytes too
	// pfkey_promisc sends the message on to everyone.
	relayed    = []string{"tff", "te"}
	relayedOwn = []string{"tff", "tee"}
	switching  = []string{"tff"}
	// The listener switched itself: its state before and after decides what it gets.
	switchedOn    = []string{"ff"}
	switchedOff   = []string{"tf"}
	switchedMaybe = []string{"ff", "tff"}
	stayedOff     = []string{"f"}
)

const (
	maxRun   = 8  // messages of a run; of a longer one nothing is known
	maxReach = 32 // messages looked at to each side
)

const (
	bitTo   = 1
	bitFrom = 2
	bitFail = 4
)

// run is a run around one message.
type run struct {
	n       int
	at      int           // index of that message
	allowed [maxRun]uint8 // what is known of each already: bits
	open    bool          // more may come
	long    bool          // more messages than maxRun
	suspect bool          // messages may have been lost before or in it
	mixed   bool          // some directions came with the records, and not because the messages are own ones
	first   *fact         // its first message
	own     *fact         // the listener sent it
	prev    *fact         // what came before
}

func (r *run) add(bits uint8, front bool) {
	if r.n == maxRun {
		r.long = true
		return
	}
	if front {
		copy(r.allowed[1:], r.allowed[:r.n])
		r.allowed[0] = bits
		r.at++
	} else {
		r.allowed[r.n] = bits
	}
	r.n++
}

// runAt finds the run around message i.
func (t *Tracer) runAt(i uint64) (r run) {
	f := t.fact(i)
	see := func(g *fact, front bool) (stop bool) {
		switch {
		case g.own():
			if g.hash == f.hash {
				r.mixed = r.mixed || t.before
				if front && r.own == nil {
					r.own = g
				}
			}
			return false
		case g.shape == echo && g.hash == f.hash:
			r.add(bitsOf(g.dir), front)
			if front || r.first == nil {
				r.first = g
			}
		case g.shape == failure && g.sameKey(f):
			if f.flushes() { // none that looks like f is refused: it is another request, or the answer to one
				return true
			}
			r.add(bitFail, front)
		case g.later():
			return false
		default:
			return true
		}
		r.suspect = r.suspect || g.suspect || g.gap
		return false
	}
	see(f, false)
	r.open = !t.ended
	for j := i + 1; j <= t.head; j++ {
		g := t.fact(j)
		r.suspect = r.suspect || g.gap
		if see(g, false) {
			r.open = false
			break
		}
		if j-i > maxReach {
			r.long = true
			break
		}
	}
	for j := i; j > t.oldest(); {
		j--
		g := t.fact(j)
		if see(g, true) {
			r.prev = g
			// The listener may have written its request before it read this far.
			for k := 0; r.own == nil && j > t.oldest() && k < maxReach; k++ {
				j--
				if g := t.fact(j); g.hash == f.hash {
					if g.own() {
						r.own = g
					}
					break
				}
			}
			break
		}
		if i-j > maxReach {
			r.long = true
			break
		}
	}
	return r
}

// hazy reports whether there is a message before the one at r.at whose direction
// is not known.
func (r *run) hazy() bool {
	for _, b := range r.allowed[:r.at] {
		if b == bitTo|bitFrom {
			return true
		}
	}
	return r.long
}

func bitsOf(d record.Direction) uint8 {
	switch d {
	case record.ToKernel:
		return bitTo
	case record.FromKernel:
		return bitFrom
	}
	return bitTo | bitFrom
}

// direction finds the direction of the run's message at r.at, if everything that
// may have happened agrees on it. byPID is the direction if all messages with this
// process's number come from PF_KEY sockets.
func (t *Tracer) direction(f *fact, r *run) (d, byPID record.Direction) {
	if r.suspect || r.long || r.mixed {
		return record.Unknown, record.Unknown
	}
	p := t.processes.of(f.pid)
	h := hypotheses{run: r, many: p.repeats(f.seq)}
	again := r.prev != nil && r.prev.sameKey(f) && r.prev.hash != f.hash
	asked := again && r.prev.shape != echo && r.prev.dir == record.ToKernel // with other bytes
	switch {
	case t.opts.Lossless:
	case t.lossy || !asked && t.requests.unanswered(t.last, f.hash):
		h.losses = 3 // where something is missing already, more will be
	default:
		h.losses = 1
	}
	if f.typ == layers.PROMISC {
		switch {
		case f.switches() && r.own != nil:
			h.rest = switched(r.own)
		case f.switches():
			h.rest = switching
		case r.own != nil:
			h.rest = relayedOwn
		default:
			h.rest = relayed
		}
		h.first = h.rest
		d = h.direction()
		return d, d
	}
	if r.first == f {
		f.full = t.contents.concern(f)
	}
	full := r.first.full
	f.full = full
	h.rest = flushAgain
	switch {
	case f.typ == layers.SPDFLUSH && f.satype != 0:
		// The notification has SA type 0 and so other bytes.
		switch {
		case r.own != nil:
			h.first, h.rest = flushAgainOwn, flushAgainOwn
		case asked:
			h.first = flushAnswer
		default:
			h.first = flushAgain
		}
	case f.typ == layers.SPDFLUSH && again && r.prev.shape == echo && r.prev.satype != 0:
		// It is just that, unless the process asks again with the number.
		h.first = pick(r.prev.full || !h.many, flushedNetlink, flushedAnyhow)
	case r.own != nil:
		h.first, h.rest = pick(full, flushedOwnFull, flushedOwn), flushAgainOwn
	case p.listens:
		h.first, h.rest = flushedBoth, flushAgainBoth
	case asked:
		h.first = flushAnswers
	default:
		h.first = pick(full, flushedFull, flushed)
		byPID = h.direction()
		switch netlink := p.foreign > 1; {
		case netlink && !p.pfkey:
			h.first, h.rest = flushedNetlink, flushedNetlink
		case netlink, !p.pfkey && (f.seq != 0 || f.pid == 0):
			// No known netlink program uses number 0; a PF_KEY one may use any.
			h.first = pick(full, flushedAnyhowFull, flushedAnyhow)
		default:
			return byPID, byPID
		}
		return h.direction(), byPID
	}
	d = h.direction()
	return d, d
}

func pick(yes bool, a, b []string) []string {
	if yes {
		return a
	}
	return b
}

// switched says what a listener gets of its own X_PROMISC.
func switched(own *fact) []string {
	on := own.satype == 1
	switch own.before {
	case record.Yes:
		if on {
			return switching
		}
		return switchedOff
	case record.No:
		if on {
			return switchedOn
		}
		return stayedOff
	}
	if on {
		return switchedMaybe
	}
	return switchedOff
}

// hypotheses goes through all ways in which a run can have come about.
type hypotheses struct {
	run    *run
	first  []string // what the run begins with
	rest   []string // what it goes on with, perhaps
	many   bool     // it may go on
	losses int      // messages that may be missing

	path  [maxRun]uint8
	found [maxRun]uint8
}

func (h *hypotheses) direction() record.Direction {
	h.found = [maxRun]uint8{}
	h.begin(0, h.losses, h.first)
	switch h.found[h.run.at] {
	case bitTo:
		return record.ToKernel
	case bitFrom:
		return record.FromKernel
	}
	return record.Unknown
}

func (h *hypotheses) begin(pos, losses int, ways []string) {
	for _, w := range ways {
		h.follow(w, pos, losses)
	}
}

// follow matches what is left of one way against the run from pos on.
func (h *hypotheses) follow(way string, pos, losses int) {
	if h.found[h.run.at] == bitTo|bitFrom {
		return // it cannot be decided any more
	}
	if way == "" {
		if pos == h.run.n {
			h.accept()
		} else if h.many {
			h.begin(pos, losses, h.rest)
		}
		return
	}
	if pos == h.run.n && h.run.open {
		h.accept() // the rest may still come
		return
	}
	if pos < h.run.n {
		bit := uint8(bitFail)
		switch way[0] {
		case 't':
			bit = bitTo
		case 'f':
			bit = bitFrom
		}
		if h.run.allowed[pos]&bit != 0 {
			h.path[pos] = bit
			h.follow(way[1:], pos+1, losses)
		}
	}
	if losses > 0 {
		h.follow(way[1:], pos, losses-1)
	}
}

func (h *hypotheses) accept() {
	for i := range h.run.n {
		h.found[i] |= h.path[i]
	}
}
