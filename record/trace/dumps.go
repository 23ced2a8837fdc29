package trace

import (
	"fmt"
	"strconv"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// Dump is a listing of a database in a recording: the answers to one SADB_DUMP or
// SADB_X_SPDDUMP.
type Dump struct {
	Number   uint64 // of the request's record, or if it is not in the recording of the first answer's
	PID      uint32 // the process that asked
	Process  string // its name, or ""
	Policies bool   // SADB_X_SPDDUMP
	Records  uint64 // answers seen, without second copies
	Missing  uint64 // answers that are missing for certain, because their numbers were left out

	// Ended says that the last answer came, the one with sequence number 0. Errno is
	// what it carries: the kernel did not get through its table if it is not 0.
	Ended bool
	Errno uint8
	// Refused says that there are no answers but one with an Errno: there was nothing
	// to list (ENOENT), or a dump was under way on the same socket (EBUSY).
	Refused bool

	order ruleSet
	next  uint32 // the number to come, where numbers tell something
	last  uint32 // the number that came last
	sized bool   // next means something
}

// Incomplete reports whether some of what was listed is not in the recording, or
// was not listed.
func (d *Dump) Incomplete() bool {
	return !d.Refused && (!d.Ended || d.Errno != 0 || d.Missing > 0)
}

// String describes the dump and what is not in it.
func (d *Dump) String() string {
	what := "DUMP"
	if d.Policies {
		what = "SPDDUMP"
	}
	s := fmt.Sprintf("%s #%d of pid=%d", what, d.Number, d.PID)
	if d.Process != "" {
		q := strconv.Quote(d.Process) // it may hold what plays tricks on a terminal
		s += "(" + q[1:len(q)-1] + ")"
	}
	s += fmt.Sprintf(": %d record", d.Records)
	if d.Records != 1 {
		s += "s"
	}
	if d.Missing > 0 {
		s += fmt.Sprintf(", %d missing", d.Missing)
	}
	switch {
	case d.Refused:
		s += fmt.Sprintf(", refused with errno %d", d.Errno)
	case !d.Ended:
		s += ", not the last one (seq 0): incomplete"
	case d.Errno != 0:
		s += fmt.Sprintf(", ended by the kernel with errno %d: incomplete", d.Errno)
	case d.Missing > 0:
		s += ": incomplete"
	}
	return s
}

// Dumps follows the dumps in a recording. On Linux and the KAME family their
// answers are numbered, so it is known how many are missing: the one place where
// PF_KEY lets a loss be counted. (Those right before the last one leave no trace,
// where numbers go up.) On Linux the numbers go up from 1 and the last
// one is 0 (pfkey_dump_sa and pfkey_dump_sp in net/key/af_key.c), on KAME they go
// down to 0 (key_dump in sys/netipsec/key.c); OpenBSD repeats the number of the
// request until the last, and illumos ends with a bare header.
//
// Its memory does not grow; it is for one goroutine. The zero value is ready.
type Dumps struct {
	all    [maxRecent]Dump
	recent recent
	msg    layers.Message
}

// Add follows a record that was annotated (Tracer.Annotate or Reader). It returns
// the dump that the record belongs to, which is over if it is Ended, or nil if it
// belongs to none or is a second copy, and how many answers are missing for certain
// right before the record. The Dump is valid until the next call.
func (ds *Dumps) Add(r *record.Record) (d *Dump, missing uint64) {
	if len(r.Data) < layers.BaseLen || r.TwinOf != 0 || r.Dir == record.Unknown || r.WriteErrno != 0 {
		return nil, 0
	}
	data, size := r.Data, max(r.OrigLen, len(r.Data))
	if data[1] == layers.PROMISC && r.Codec.Dialect != layers.Linux && len(data) >= 2*layers.BaseLen {
		data, size = data[layers.BaseLen:], size-layers.BaseLen
	}
	if data[1] != layers.DUMP && data[1] != layers.SPDDUMP {
		return nil, 0
	}
	ds.msg.Codec = r.Codec
	_ = ds.msg.DecodeFromBytes(data[:layers.BaseLen], nil) // of a message without its extensions
	m := &ds.msg.Base
	f := fact{typ: m.Type, errno: m.Errno, seq: m.Seq, size: size, rules: rulesOf(r.Codec.Dialect)}
	if !f.dumps() {
		return nil, 0
	}
	policies := m.Type == layers.SPDDUMP
	if r.Dir == record.ToKernel {
		return ds.begin(r, m.PID, policies, f.rules), 0
	}
	k, several := ds.find(m, policies, f.rules)
	if f.failed() {
		if k < 0 || ds.nth(k).Records > 0 {
			return nil, 0
		}
		d = ds.forget(k)
		d.Ended, d.Refused, d.Errno = true, true, m.Errno
		return d, 0
	}
	if k >= 0 {
		ds.recent.front(k)
		d = ds.nth(0)
	} else {
		d = ds.begin(r, m.PID, policies, f.rules)
		d.sized = m.Seq == 1 // else it began before the recording
	}
	if d.Process == "" {
		d.Process = r.Process
	}
	if d.Records > 0 && d.last == m.Seq && (d.order == linuxRules || d.order == kameRules) {
		return nil, 0 // another copy
	}
	d.last = m.Seq
	// On OpenBSD a dump that was asked for with number 0 ends with every answer.
	ends := f.ends(1)
	if !ends || d.order != illumosRules { // which ends with a header of its own
		d.Records++
	}
	switch d.order {
	case linuxRules:
		if d.sized && m.Seq > d.next && !several {
			missing = uint64(m.Seq - d.next)
		}
		d.next, d.sized = m.Seq+1, true
	case kameRules:
		if d.sized && m.Seq < d.next && !several {
			missing = uint64(d.next - m.Seq)
		}
		d.next, d.sized = m.Seq-1, true
	}
	d.Missing += missing
	if !ends {
		return d, missing
	}
	d.Ended, d.Errno = true, m.Errno
	ds.forget(0)
	for k := range ds.recent.n {
		// It may have been the end of the other one.
		if o := ds.nth(k); several && o.PID == m.PID && o.Policies == policies {
			o.sized = false
		}
	}
	return d, missing
}

func (ds *Dumps) nth(k int) *Dump { return &ds.all[ds.recent.at(k)] }

// begin remembers a dump, in the place of the one that was not spoken of for
// longest.
func (ds *Dumps) begin(r *record.Record, pid uint32, policies bool, rules ruleSet) *Dump {
	if _, ok := ds.recent.add(); !ok {
		ds.recent.front(maxRecent - 1)
	}
	d := ds.nth(0)
	*d = Dump{Number: r.Number, PID: pid, Process: r.Process, Policies: policies, order: rules, next: 1}
	d.sized = rules == linuxRules
	return d
}

// forget returns the dump as it was; it is valid until the next call.
func (ds *Dumps) forget(k int) *Dump {
	slot := ds.recent.at(k)
	ds.recent.keep(func(s int) bool { return s != slot })
	return &ds.all[slot]
}

// find finds the dump that an answer belongs to, or -1. Of several by one process
// at once it is the newest that waits for this number; several says that there are
// more that it could belong to, so that a number left out tells nothing.
func (ds *Dumps) find(m *layers.Base, policies bool, rules ruleSet) (k int, several bool) {
	k = -1
	best := false
	for i := range ds.recent.n {
		d := ds.nth(i)
		if d.PID != m.PID || d.Policies != policies {
			continue
		}
		if rules == kameRules && d.sized && m.Seq > d.next && m.Seq != d.last {
			continue // another one, whose numbers begin higher
		}
		fits := d.sized && (d.next == m.Seq || d.Records > 0 && d.last == m.Seq)
		switch {
		case k < 0:
			k, best = i, fits
		case fits && !best:
			k, best, several = i, true, true
		default:
			several = true
		}
	}
	return k, several
}

// Gone forgets a dump of a process that does not read it any more, because its
// sockets are closed, and returns it, or nil if there is none. Ask until it is nil.
// Requests without any answer are left out: they may have been refused.
func (ds *Dumps) Gone(pid uint32) *Dump {
	return ds.leave(func(d *Dump) bool { return d.PID == pid })
}

// End forgets a dump whose last answer has not come at the end of the recording,
// the oldest first, and returns it, or nil if there is none. Ask until it is nil.
// Requests without any answer are left out.
func (ds *Dumps) End() *Dump {
	return ds.leave(func(*Dump) bool { return true })
}

func (ds *Dumps) leave(which func(*Dump) bool) *Dump {
	for k := ds.recent.n - 1; k >= 0; k-- {
		if !which(ds.nth(k)) {
			continue
		}
		if d := ds.forget(k); d.Records > 0 {
			return d
		}
	}
	return nil
}
