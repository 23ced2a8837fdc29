package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay/internal/ddmin"
)

// MinimizeOptions says how Minimize tries.
type MinimizeOptions struct {
	// Try runs a plan against a fresh target, which knows nothing of the tries before.
	Try func(ctx context.Context, p *Plan) (*Report, error)
	// Failure says what it is if a try ends by an error, "the kernel panicked", say, if
	// that is a finding, and "" if it is none: then it ends Minimize. Nil says that none
	// is.
	Failure func(error) string
	// Tries is how often Try is called at most; 0 is 1000.
	Tries int
	// Progress, if not nil, is called before each try with the number of tries before
	// it and of the requests that are known to be enough.
	Progress func(tries, requests int)
}

// Minimized is what Minimize found. Package encoding/json writes it; it holds no
// secrets.
type Minimized struct {
	// Finding is what the replay of the whole plan showed, on one line. If there are
	// several differences, it is the first.
	Finding string `json:"finding"`
	Before  int    `json:"before"` // requests of the plan
	After   int    `json:"after"`  // requests that are enough for the finding
	Tries   int    `json:"tries"`
	// Minimal says that without any one of the requests the finding is not there; else
	// the tries were not enough to know.
	Minimal bool `json:"minimal"`
	// Numbers are those of the records that are enough, as they were in the capture.
	Numbers []uint64 `json:"records"`

	// Records are these, without the copies of promiscuous sockets: the requests, their
	// answers, and what the recorded kernel said besides that must stay. Addresses and
	// request ids are those of PlanOptions, and keys are the true ones if the plan has
	// them. A plan of them, made with trace.Options.Promisc of record.No, shows the
	// finding by itself.
	Records []*record.Record `json:"-"`
	// Report is that of the first try, nil if it ended without one.
	Report *Report `json:"-"`
	// Err is the error that the try of the whole plan ended by.
	Err error `json:"-"`
}

var (
	// ErrNothingFound means that a replay shows nothing that could be minimized.
	ErrNothingFound = errors.New("nothing is different")
	// ErrNotAgain means that what a replay showed hangs on chance.
	ErrNotAgain = errors.New("it did not come again when the same requests were sent once more")
)

const defaultTries = 1000

// Minimize looks for the fewest requests of a plan whose replay still shows what that
// of the whole plan shows first: a difference, or the end of the target.
//
// The same field of the same recorded answer must differ, and not because a request
// was left out that it depends on. If ctx ends, what was reached until then is returned
// with the error; so it is, as far as it goes, with ErrNothingFound and ErrNotAgain.
func Minimize(ctx context.Context, p *Plan, o MinimizeOptions) (*Minimized, error) {
	if o.Tries == 0 {
		o.Tries = defaultTries
	}
	m := &minimizer{ctx: ctx, plan: p, opts: o, found: new(Minimized)}
	var requests, others []int // indices of items, as those of steps
	for i := range p.Steps {
		switch p.Steps[i].Action {
		case Send:
			requests = append(requests, i)
		case Expect:
			others = append(others, i)
		}
	}
	m.found.Before = len(requests)
	m.keep(requests, others)
	report, err := m.try(p)
	m.found.Report, m.found.Err = report, err
	ended := m.ends(err)
	if err != nil && ended == "" {
		return m.found, err
	}
	if m.finding = findingOf(report, ended); m.finding.text == "" {
		return m.found, ErrNothingFound
	}
	m.found.Finding = m.finding.text
	again, err := m.holds(p, len(requests))
	switch {
	case err == nil && !again:
		return m.found, ErrNotAgain
	case err == nil:
		err = m.reduce(requests, others)
	}
	m.found.Minimal = err == nil
	if errors.Is(err, errTries) {
		err = nil
	}
	return m.found, err
}

// errTries means that there are no tries left.
var errTries = errors.New("no tries left")

type minimizer struct {
	ctx     context.Context
	plan    *Plan
	opts    MinimizeOptions
	finding finding
	found   *Minimized
}

// keep takes note of what is known to be enough.
func (m *minimizer) keep(requests, others []int) {
	m.found.After = len(requests)
	m.found.Records = m.plan.records(slices.Concat(requests, others))
	m.found.Numbers = nil
	for _, r := range m.found.Records {
		m.found.Numbers = append(m.found.Numbers, r.Number)
	}
}

// reduce leaves out what is not needed. As long as requests are left out, the plan
// still knows of them, so that answers that hang on them are not held against the
// target. What is left must show the finding by itself; where it does not, requests are
// left out as if they had never been.
func (m *minimizer) reduce(requests, others []int) error {
	all := requests
	if at := slices.IndexFunc(requests, func(i int) bool { return m.plan.Steps[i].Record == m.finding.record }); at >= 0 && !m.finding.state {
		ok, err := m.holds(m.plan.only(requests[:at+1]), at+1) // what comes after it
		if err != nil {
			return err
		}
		if ok {
			requests = requests[:at+1]
			m.keep(requests, others)
		}
	}
	requests, err := ddmin.Reduce(requests, func(part []int) (bool, error) {
		return m.holds(m.plan.only(part), len(part))
	})
	if m.keep(requests, others); err != nil {
		return err
	}
	alone, err := m.alone(requests, others)
	if err != nil {
		return err
	}
	if !alone {
		m.keep(all, others)
		requests, err = ddmin.Reduce(all, func(part []int) (bool, error) { return m.alone(part, others) })
		if m.keep(requests, others); err != nil {
			return err
		}
	}
	others, err = ddmin.Reduce(others, func(part []int) (bool, error) { return m.alone(requests, part) })
	m.keep(requests, others)
	return err
}

// finding is what must stay.
type finding struct {
	text  string
	ended string // what ended the target; else:

	state      bool // it is of the final state
	message    string
	record     uint64
	difference Difference
}

// findingOf returns the first finding of a report; its text is empty if there is none.
func findingOf(r *Report, ended string) (f finding) {
	if ended != "" {
		return finding{text: ended, ended: ended}
	}
	first := func(list []Exchange) *Exchange {
		i := slices.IndexFunc(list, func(e Exchange) bool { return e.Verdict == Different })
		if i < 0 {
			return nil
		}
		return &list[i]
	}
	e := first(r.Exchanges)
	if e == nil && r.State != nil {
		e = first(r.State.Entries)
		f.state = true
	}
	if e == nil {
		return finding{}
	}
	f.record, f.message = e.Record, e.Message
	i := slices.IndexFunc(e.Differences, func(d Difference) bool { return d.Verdict == Different })
	f.difference = e.Differences[i]
	if f.state {
		f.text = fmt.Sprintf("state: %s: %v", e.Message, &f.difference)
	} else {
		f.text = fmt.Sprintf("#%d %s: %v", e.Record, e.Message, &f.difference)
	}
	return f
}

// in reports whether a report has the finding, or the target ended as it says.
func (f *finding) in(r *Report, ended string) bool {
	if f.ended != "" || ended != "" {
		return f.ended == ended
	}
	if r == nil {
		return false
	}
	list := r.Exchanges
	if f.state {
		if r.State == nil {
			return false
		}
		list = r.State.Entries
	}
	return slices.ContainsFunc(list, func(e Exchange) bool {
		if e.Verdict != Different || f.state && e.Message != f.message || !f.state && e.Record != f.record {
			return false
		}
		return slices.ContainsFunc(e.Differences, func(d Difference) bool { return d.Verdict == Different && f.difference.like(&d, f.state) })
	})
}

// like reports whether d tells the same: that the same field of the same message
// differs. The target's value need not be the same, but another errno is another
// difference. state says that they are of the final state, which any message may tell.
func (f *Difference) like(d *Difference, state bool) bool {
	same := d.What == f.What && d.Ext == f.Ext && d.Field == f.Field && (state || d.Record == f.Record)
	if f.ofErrno() {
		same = same && d.Target == f.Target
	}
	return same
}

// ends says what the end by an error is.
func (m *minimizer) ends(err error) string {
	if err == nil || m.opts.Failure == nil || m.ctx.Err() != nil {
		return ""
	}
	return m.opts.Failure(err)
}

func (m *minimizer) try(p *Plan) (*Report, error) {
	if m.ctx.Err() != nil {
		return nil, context.Cause(m.ctx)
	}
	if m.found.Tries >= m.opts.Tries {
		return nil, errTries
	}
	if m.opts.Progress != nil {
		m.opts.Progress(m.found.Tries, m.found.After)
	}
	m.found.Tries++
	r, err := m.opts.Try(m.ctx, p)
	if m.ctx.Err() != nil {
		err = context.Cause(m.ctx)
	}
	return r, err
}

// holds reports whether a plan of n requests shows the finding.
func (m *minimizer) holds(p *Plan, n int) (bool, error) {
	if n == 0 {
		return false, nil // there is nothing to send
	}
	r, err := m.try(p)
	ended := m.ends(err)
	if err != nil && ended == "" {
		return false, err
	}
	ok := m.finding.in(r, ended)
	if ok {
		m.found.After = min(m.found.After, n)
	}
	return ok, nil
}

// alone reports whether the records of some items, without any others, show the
// finding.
func (m *minimizer) alone(requests, others []int) (bool, error) {
	src := &given{list: m.plan.records(slices.Concat(requests, others))}
	p, err := NewPlan(trace.NewReader(src, trace.Options{Promisc: record.No}), PlanOptions{})
	if errors.Is(err, ErrNoRequests) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return m.holds(p, len(requests))
}

// given is a source of records.
type given struct{ list []*record.Record }

func (g *given) Next() (*record.Record, error) {
	if len(g.list) == 0 {
		return nil, io.EOF
	}
	r := g.list[0]
	g.list = g.list[1:]
	return r, nil
}

// only makes a plan in which, of all requests, some take part.
func (p *Plan) only(requests []int) *Plan {
	b := newPlanner(PlanOptions{})
	b.plan.Keys = p.Keys
	b.lives.watched = p.watched
	b.items = slices.Clone(p.items)
	for i := range b.items {
		if p.Steps[i].Action == Send {
			b.items[i].selected = false
		}
	}
	for _, i := range requests {
		b.items[i].selected = true
	}
	b.build()
	return b.plan
}

// records makes records of some items, in the order in which they were recorded.
func (p *Plan) records(items []int) (list []*record.Record) {
	add := func(a *answer, dir record.Direction, process string) *record.Record {
		r := &record.Record{Number: a.number, Time: a.time, Dir: dir, Codec: a.codec, Data: slices.Clone(a.data), OrigLen: len(a.data),
			Process: process, StandIns: p.Keys == "stand-ins"}
		if a.cut { // of its length only what it says itself is known
			m := layers.Message{}
			m.Codec = a.codec
			_ = m.DecodeFromBytes(a.data, nil)
			r.OrigLen = max(len(a.data)+1, int(m.Len)*layers.Word)
		}
		list = append(list, r)
		return r
	}
	for _, i := range items {
		it := &p.items[i]
		r := add(&it.answer, it.dir, it.process)
		r.WriteErrno, r.Comments = it.errno, it.comments
		for k := range it.replies {
			add(&it.replies[k], record.FromKernel, "")
		}
	}
	slices.SortStableFunc(list, func(a, b *record.Record) int {
		return cmp.Compare(a.Number, b.Number)
	})
	return list
}
