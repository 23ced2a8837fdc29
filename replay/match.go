package replay

import (
	"fmt"
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// runner compares what a target answers with what was recorded. Its state is what
// one run has learned.
type runner struct {
	codec   layers.Codec // of the target
	bound   bindings
	cmp     comparer
	msg     layers.Message
	request layers.Message
	report  *Report
	why     Explainer // or nil
	guard   *guard    // nil if nothing is to be guarded

	// Of one loop:
	loop     int             // from 1
	first    int             // number of its first socket
	late     map[saID]string // SAs that the target itself let expire
	acquires map[saID][]acquired

	// Of the last answer:
	own   [][]byte
	parts []part // of its messages
}

// begin forgets what the loop before has learned.
func (r *runner) begin(loop int) {
	r.loop = loop
	r.bound = bindings{}
	r.late, r.acquires = map[saID]string{}, map[saID][]acquired{}
}

// acquired is an ACQUIRE of the recorded kernel.
type acquired struct {
	seq    uint32
	record uint64
}

func (r *runner) decode(b []byte) *layers.Message {
	r.msg.Codec = r.codec
	_ = r.msg.DecodeFromBytes(b, nil)
	return &r.msg
}

// part is what a message of an answer is.
type part uint8

const (
	partOther part = iota // the target says it of its own accord
	partOwn               // it answers the request
	partCopy              // another socket gets it too
)

// split finds out what each message of an answer is, and returns those that answer
// the step, in order and valid until the next call.
func (r *runner) split(s *Step, sent []byte, a Answer) [][]byte {
	r.request.Codec = r.codec
	_ = r.request.DecodeFromBytes(sent, nil)
	r.own, r.parts = r.own[:0], r.parts[:0]
	var copies map[string]bool
	for _, m := range a.Messages {
		p := partOther
		switch {
		case m.Socket-r.first == s.Socket:
			if trace.Answers(&r.request, r.decode(m.Data)) {
				p = partOwn
				r.own = append(r.own, m.Data)
			}
		case len(r.own) > 0:
			if copies == nil {
				copies = map[string]bool{}
				for _, o := range r.own {
					copies[string(o)] = true
				}
			}
			if copies[string(m.Data)] {
				p = partCopy
			}
		}
		r.parts = append(r.parts, p)
	}
	return r.own
}

// heed takes note of what the target says of its own accord.
func (r *runner) heed(a Answer) {
	for i, o := range a.Messages {
		if r.parts[i] != partOther {
			continue
		}
		m := r.decode(o.Data)
		r.report.unasked(m)
		switch m.Type {
		case layers.EXPIRE:
			if id, ok := saIDOf(m); ok {
				r.late[id] = "the target said EXPIRE of it"
			}
		case layers.ACQUIRE:
			id := larvalOf(m)
			if list := r.acquires[id]; len(list) > 0 {
				before := len(r.bound.list)
				r.bound.bind(boundValue{kind: bindSeq, value: list[0].seq}, m.Seq, list[0].record)
				r.report.bindings(r.loop, r.bound.list[before:])
				r.acquires[id] = list[1:]
				if r.guard != nil {
					r.guard.acquires[m.Seq] = true
				}
			}
		}
	}
}

// judge compares the answers to a step and fills in e.
func (r *runner) judge(s *Step, e *Exchange, a Answer, own [][]byte) {
	e.Got = len(own)
	hangs := s.Reason
	if hangs == "" && s.hasID {
		hangs = r.late[r.onTarget(s.id)]
	}
	switch {
	case s.errno != 0 && a.Errno != s.errno:
		target := "a message that was taken"
		if a.Errno != 0 {
			target = r.errnoText(a.Errno)
		}
		e.differ(Difference{Record: s.Record, What: Errno, Verdict: Different, Recorded: r.errnoText(s.errno), Target: target})
	case len(s.answers) == 0:
		r.judgeSilence(s, e, a, own)
	case a.Errno != 0 && s.errno == 0:
		e.differ(Difference{Record: s.answers[0].number, What: Errno, Verdict: Different,
			Recorded: "a message that was taken", Target: r.errnoText(a.Errno)})
	case isDump(r.codec.Dialect, s.typ):
		r.judgeDump(s, e, own)
	default:
		r.judgeSeries(s, e, own)
	}
	if e.Verdict == Different && hangs == "" {
		hangs = s.forecast.unsure
	}
	if hangs != "" {
		e.Verdict, e.Reason, e.refused = NotReproducible, hangs, false
		for i := range e.Differences {
			e.Differences[i].Verdict = NotReproducible
		}
	}
}

// explain says why the target refused a request, where the recorded kernel did not, or
// otherwise.
func (r *runner) explain(e *Exchange, sent []byte, a Answer, own [][]byte) {
	if r.why == nil || e.Verdict == Equal {
		return
	}
	errno := a.Errno
	if errno == 0 && len(own) > 0 {
		errno = int(r.decode(own[0]).Errno)
	}
	if errno == 0 || errno > 255 {
		return
	}
	for i := range e.Differences {
		if d := &e.Differences[i]; d.ofErrno() {
			d.Why = r.why(r.codec, sent, uint8(errno))
			return
		}
	}
	if e.refused {
		if why := r.why(r.codec, sent, uint8(errno)); why != "" {
			e.Reason += ": " + why
		}
	}
}

// onTarget is the target's name for an SA of the recorded kernel.
func (r *runner) onTarget(id saID) saID {
	id.spi = r.bound.target(boundValue{kind: bindSPI, satype: id.satype, dst: id.dst, value: id.spi})
	return id
}

func (r *runner) errnoText(errno int) string {
	name := ""
	if errno > 0 && errno < 256 {
		name = r.codec.Dialect.ErrnoName(uint8(errno))
	}
	if name == "" {
		return fmt.Sprintf("write: errno %d", errno)
	}
	return "write: " + name
}

// judgeSilence judges a request to which the recording has no answer.
func (r *runner) judgeSilence(s *Step, e *Exchange, a Answer, own [][]byte) {
	switch {
	case s.refused && a.Errno != 0:
	case s.refused:
		e.differ(Difference{What: Errno, Verdict: Different, Recorded: "refused by write", Target: "a message that was taken"})
	case !s.silent:
		e.Verdict, e.Reason = NotReproducible, "the capture holds no answer to it"
		switch {
		case a.Errno != 0:
			e.refused = true
			e.Reason += "; the target refuses it, " + r.errnoText(a.Errno)
		case len(own) > 0:
			if m := r.decode(own[0]); m.Errno != 0 {
				e.refused = true
				e.Reason += "; the target refuses it, " + orElse(m.Codec.Dialect.ErrnoName(m.Errno), fmt.Sprintf("errno %d", m.Errno))
			}
		}
	case a.Errno != 0:
		e.differ(Difference{What: Errno, Verdict: Different, Recorded: "a message that was taken", Target: r.errnoText(a.Errno)})
	default:
		for _, b := range own {
			e.differ(Difference{What: Added, Verdict: Different, Target: summary(r.decode(b))})
		}
	}
}

// judgeSeries compares answers one by one, in order.
func (r *runner) judgeSeries(s *Step, e *Exchange, own [][]byte) {
	for i := range s.answers {
		a := &s.answers[i]
		switch {
		case i >= len(own):
			e.differ(Difference{Record: a.number, What: Dropped, Verdict: Different, Recorded: r.recordedSummary(a)})
		case a.cut:
			e.unknown(a.number, "the recorded answer was cut short")
		default:
			r.pair(s, e, a, own[i])
		}
	}
	for _, b := range own[min(len(s.answers), len(own)):] {
		e.differ(Difference{What: Added, Verdict: Different, Target: summary(r.decode(b))})
	}
}

// recordedData returns a recorded answer as a kernel of the target's byte order
// would have written it, or why that is not known.
func (r *runner) recordedData(a *answer) ([]byte, error) {
	if a.codec == r.codec {
		return a.data, nil
	}
	return layers.Transcode(nil, a.codec, r.codec, a.data)
}

func (r *runner) recordedSummary(a *answer) string {
	m := layers.Message{}
	m.Codec = a.codec
	_ = m.DecodeFromBytes(a.data, nil)
	return summary(&m)
}

// pair compares one recorded answer with one of the target's.
func (r *runner) pair(s *Step, e *Exchange, a *answer, got []byte) {
	want, err := r.recordedData(a)
	if err != nil {
		e.unknown(a.number, err.Error())
		return
	}
	r.cmp.rec = a.number
	before := len(r.bound.list)
	if s.forecast.fresh {
		r.bindFresh(want, got, a.number)
	}
	list := r.cmp.compare(r.codec, want, got, &r.bound)
	if e.Differences == nil && len(list) > 0 {
		e.Differences = make([]Difference, 0, len(list))
	}
	for _, d := range list {
		d.Record = a.number
		e.differ(d)
	}
	e.Bindings = append(e.Bindings, r.bound.list[before:]...)
}

// bindFresh binds what both kernels have chosen in the answers to one request: the
// SPI of a GETSPI, the id of a new policy and the ids of its requests.
func (r *runner) bindFresh(want, got []byte, record uint64) {
	r.request.Codec = r.codec // it is decoded anew for each answer
	_ = r.request.DecodeFromBytes(want, nil)
	recorded, target := &r.request, r.decode(got)
	if recorded.Errno != 0 || target.Errno != 0 {
		return
	}
	if recorded.Type == layers.GETSPI {
		x, y := recorded.SA(), target.SA()
		id, ok := saIDOf(recorded)
		if ok && x != nil && y != nil {
			r.bound.rebind(boundValue{kind: bindSPI, satype: id.satype, dst: id.dst, value: x.SPI}, y.SPI, record)
		}
		return
	}
	x, y := recorded.Policy(), target.Policy()
	if x == nil || y == nil {
		return
	}
	r.bound.rebind(boundValue{kind: bindPolicyID, value: x.ID}, y.ID, record)
	list, others := x.Requests(), y.Requests()
	for i := range min(len(list), len(others)) {
		if a, b := list[i].ReqID, others[i].ReqID; a > maxManualReqID && b > maxManualReqID {
			r.bound.rebind(boundValue{kind: bindReqID, value: a}, b, record)
		}
	}
}

// entryID is what one entry of a dump is known by, in the target's values.
type entryID struct {
	sa     saID
	policy policyID
}

// judgeDump compares the entries of a dump by what they are about. Kernels list
// them in the order in which they were made, but promise nothing.
func (r *runner) judgeDump(s *Step, e *Exchange, own [][]byte) {
	first := s.answers[0]
	failed := func(b []byte) bool { return len(b) == layers.BaseLen && b[2] != 0 }
	recordedFailed := failed(first.data)
	targetFailed := len(own) > 0 && failed(own[0])
	if recordedFailed && targetFailed || len(own) == 0 {
		r.judgeSeries(s, e, own)
		return
	}
	recorded := s.answers
	if recordedFailed { // an empty table is an error
		recorded = nil
	}
	if targetFailed {
		own = nil
	}
	complete := slices.ContainsFunc(recorded, func(a answer) bool {
		return r.decodeRecorded(&a).Seq == 0 || r.codec.Dialect == layers.OpenBSD
	})
	r.judgeEntries(s, recorded, own, complete, e)
}

// entries are the verdicts on the entries of a list, one each.
type entries struct {
	whole   *Exchange // takes all differences, if it is not nil
	entries []Exchange
}

// next returns where the differences of the next entry go.
func (l *entries) next(record uint64, message func() string) *Exchange {
	if l.whole != nil {
		return l.whole
	}
	l.entries = append(l.entries, Exchange{Record: record, Message: message()})
	return &l.entries[len(l.entries)-1]
}

// summary describes an entry: as a message of the whole, or by itself.
func (l *entries) summary(m *layers.Message) string {
	if l.whole != nil {
		return summary(m)
	}
	return entrySummary(m)
}

// judgeEntries compares lists, of which the recorded one may not be complete. The
// verdicts are those of whole, or if that is nil of each entry.
func (r *runner) judgeEntries(s *Step, recorded []answer, own [][]byte, complete bool, whole *Exchange) (list entries) {
	list.whole = whole
	places := map[entryID][]int{} // in own
	for i, b := range own {
		id := r.entryOf(r.decode(b))
		places[id] = append(places[id], i)
	}
	used := make([]bool, len(own))
	next, ordered := 0, true
	for i := range recorded {
		a := &recorded[i]
		m := r.decodeRecorded(a)
		plain := r.entryOf(m)
		id := plain
		id.sa = r.onTarget(id.sa)
		why := r.parted(s, plain, id)
		k := compare.FirstUnused(places, id, used)
		e := list.next(a.number, func() string { return entrySummary(r.decodeRecorded(a)) })
		before := len(e.Differences)
		switch {
		case a.cut:
			e.unknown(a.number, "the recorded answer was cut short")
		case k < 0:
			e.differ(Difference{Record: a.number, What: Dropped, Verdict: Different, Recorded: list.summary(r.decodeRecorded(a))})
		default:
			ordered = ordered && k >= next
			next = k + 1
			r.pair(s, e, a, own[k])
		}
		if k >= 0 {
			used[k] = true
		}
		if whole == nil {
			// The header is that of a message in a list, and no part of the entry.
			e.Differences = slices.DeleteFunc(e.Differences, func(d Difference) bool { return d.Ext == extMsg && d.Verdict == Volatile })
			e.Verdict = Worst(e.Differences)
		}
		if why != "" {
			e.excuse(before, a.number, why)
		}
	}
	for k, b := range own {
		if used[k] {
			continue
		}
		m := r.decode(b)
		id := r.entryOf(m)
		d := Difference{What: Added, Verdict: Different, Target: list.summary(m)}
		if why := r.parted(s, id, id); why != "" {
			d.Verdict, d.Reason = NotReproducible, why
		} else if !complete && len(recorded) > 0 {
			d.Verdict, d.Reason = NotReproducible, "the recorded dump has no end"
		}
		list.next(0, func() string { return entrySummary(m) }).differ(d)
	}
	if !ordered && whole != nil {
		whole.differ(Difference{What: Order, Verdict: Volatile, Recorded: "entries in the recorded order", Target: "the same ones in another",
			Reason: "kernels promise no order"})
	}
	return list
}

func (r *runner) decodeRecorded(a *answer) *layers.Message {
	r.msg.Codec = a.codec
	_ = r.msg.DecodeFromBytes(a.data, nil)
	return &r.msg
}

func (r *runner) entryOf(m *layers.Message) (id entryID) {
	id.sa, _ = saIDOf(m)
	id.policy, _ = policyIDOf(m)
	return id
}

// parted says why an entry of a dump cannot be expected of the target, or that it
// is there; recorded and target are its ids in both kernels' values.
func (r *runner) parted(s *Step, recorded, target entryID) string {
	if f := s.forecast.entries; f != nil {
		if why := orElse(f.all, orElse(f.sas[recorded.sa], f.policies[recorded.policy])); why != "" {
			return why
		}
	}
	return r.late[target.sa]
}
