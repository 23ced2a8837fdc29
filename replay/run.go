package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// RunOptions says how a plan is run. The zero value runs it once, in lockstep.
type RunOptions struct {
	Pace Pace
	// Loops is how often the plan is run, 0 for once; a negative number is for ever.
	// Each time has sockets of its own and knows nothing of the one before.
	Loops int
	// Clear removes all SAs and policies of the target between two loops, so that
	// each finds what the first did.
	Clear bool
	// State says that the target's SAs and policies are compared with those of the
	// recorded kernel when the plan was run to its end: Report.State.
	State bool
	// Guard keeps what the target had before, or gets from others, as it is: what would
	// change or remove anything that the run has not made itself is not sent, and counts
	// as not reproducible. Clear and Guard exclude each other.
	Guard bool
	// Limit, if not 0, is how many requests are sent in all.
	Limit int
	// Duration, if not 0, is the time after which no further request is sent.
	Duration time.Duration

	// Why, if not nil, says why a kernel refuses a request with an errno, when the
	// recorded one did not: what it returns becomes Difference.Why.
	Why Explainer
	// Observe, if not nil, is called with each message as it is sent and as it
	// comes. What it is given holds true keys if the plan does.
	Observe func(o *Observed)
	// Progress, if not nil, is called now and then with the number of requests sent
	// so far, also while the pace makes the run wait, but not while the target is
	// waited for.
	Progress func(sent int)
}

func (o *RunOptions) check() error {
	switch {
	case o.Limit < 0 || o.Duration < 0:
		return errors.New("a limit cannot be negative")
	case o.Clear && o.Guard:
		return errors.New("the target cannot be cleared and be guarded")
	}
	return o.Pace.Check()
}

// Observed is a message on its way to or from a target. It is valid during the call
// that has it.
type Observed struct {
	Time   time.Time
	Dir    record.Direction
	Socket int          // index of Plan.Sockets; one more for what is sent between loops and for the state
	Record uint64       // number of the recorded request that is sent or answered, or 0
	Copy   bool         // what another socket gets of an answer that is there already
	Codec  layers.Codec // the target's
	Data   []byte
}

// Explainer gives the most likely reason why a kernel with the codec answers a request
// with an errno, or "". check.Explain of package layers/check is one. It must not tell
// secrets.
type Explainer func(c layers.Codec, request []byte, errno uint8) string

// topSpeedWindow is how many requests are under way at top speed: their answers
// must fit into a receive queue.
const topSpeedWindow = 64

// Run sends the plan's requests to the target, one after the other, and compares
// the answers with the recorded ones.
//
// If the target fails or ctx ends, the report holds what was compared until then
// and is returned with the error. A difference is no error.
func Run(ctx context.Context, p *Plan, t Target, o RunOptions) (*Report, error) {
	codec := t.Codec()
	rep := &Report{Dialect: codec.Dialect.String(), Order: codec.Order.String(), Keys: p.Keys}
	if err := o.check(); err != nil {
		return rep, err
	}
	if p.dialect != codec.Dialect && p.dialect != layers.NoDialect {
		return rep, fmt.Errorf("the capture is of %v and the target is of %v: replay it against a kernel of its own system", p.dialect, codec.Dialect)
	}
	x := &run{
		runner: runner{codec: codec, report: rep},
		plan:   p, target: t, opts: o,
		window: 1,
		clock:  clock{pace: o.Pace},
	}
	x.why = o.Why
	if o.Guard {
		x.guard = newGuard()
	}
	if o.Pace.TopSpeed {
		x.window = topSpeedWindow
	}
	start := time.Now()
	if o.Duration > 0 {
		timer := time.AfterFunc(o.Duration, func() { x.overtime.Store(true) })
		defer timer.Stop()
		x.deadline = start.Add(o.Duration)
	}
	err := x.runLoops(ctx)
	rep.Seconds = time.Since(start).Seconds()
	return rep, err
}

// run is one run of a plan.
type run struct {
	runner
	plan     *Plan
	target   Target
	opts     RunOptions
	window   int
	clock    clock
	deadline time.Time
	overtime atomic.Bool // a timer, because asking for the time takes longer
	now      time.Time   // when the last answer came, if somebody wants to know

	// Of one loop:
	open      []bool    // its sockets that the target has
	done      []bool    // steps
	due       time.Time // of the next request
	exchanges []Exchange
	pending   []pending
}

// pending is a request whose answer has not come.
type pending struct {
	step     int
	exchange int
	msg      []byte
	again    bool // it is a GETSPI without the narrow range
}

// The reasons of Report.Stopped.
const (
	stoppedByLimit    = "limit"
	stoppedByDuration = "duration"
)

func (x *run) runLoops(ctx context.Context) error {
	loops := max(x.opts.Loops, 1)
	for loop := 1; (x.opts.Loops < 0 || loop <= loops) && x.report.Stopped == ""; loop++ {
		if loop > 1 {
			x.clock.again()
			if err := x.between(ctx); err != nil {
				return fmt.Errorf("between loops: %w", err)
			}
		}
		x.begin(loop)
		sent := x.report.Sent
		err := x.run(ctx)
		if loop == 1 || x.report.Sent > sent {
			x.report.Loops = loop
		}
		x.report.take(loop, x.exchanges)
		if err != nil {
			return err
		}
		if x.report.Sent == sent {
			break // nothing to send: for ever would be for nothing
		}
	}
	switch {
	case !x.opts.State:
		return nil
	case x.report.Stopped != "":
		x.report.State = &State{Skipped: "the replay was stopped by the " + x.report.Stopped}
		return nil
	}
	return x.state(ctx)
}

// begin forgets what the loop before knew.
func (x *run) begin(loop int) {
	x.runner.begin(loop)
	x.open = make([]bool, len(x.plan.Sockets))
	x.done = make([]bool, len(x.plan.Steps))
	x.exchanges = make([]Exchange, 0, len(x.plan.Steps))
}

// between closes the sockets of a loop, and clears the target if that is wanted.
func (x *run) between(ctx context.Context) error {
	for i, open := range x.open {
		if open {
			if _, err := x.tell(ctx, Request{Socket: x.first + i, Last: true}); err != nil {
				return err
			}
		}
	}
	x.first += len(x.plan.Sockets)
	if x.opts.Clear {
		types := []uint8{layers.FLUSH}
		if numbersLikeKAME(x.codec.Dialect) {
			types = append(types, layers.SPDFLUSH)
		}
		for i, typ := range types {
			msg, err := x.codec.Encode(&layers.Base{Type: typ})
			if err != nil {
				return err
			}
			if _, err := x.tell(ctx, Request{Socket: x.first, Message: msg, Last: i == len(types)-1}); err != nil {
				return err
			}
		}
		x.first++
	}
	return nil
}

// tell hands over a request that is not in the plan, and returns what comes of it.
func (x *run) tell(ctx context.Context, r Request) (Answer, error) {
	if len(r.Message) > 0 && x.opts.Observe != nil {
		x.observe(&Observed{Time: time.Now(), Dir: record.ToKernel, Socket: len(x.plan.Sockets), Data: r.Message})
	}
	if err := x.target.Send(ctx, r); err != nil {
		return Answer{}, err
	}
	a, err := x.target.Recv(ctx)
	if err != nil {
		return a, err
	}
	if a.Errno != 0 {
		return a, errors.New(x.errnoText(a.Errno))
	}
	if x.opts.Observe != nil {
		now := time.Now()
		for _, m := range a.Messages {
			if m.Socket == r.Socket {
				x.observe(&Observed{Time: now, Dir: record.FromKernel, Socket: len(x.plan.Sockets), Data: m.Data})
			}
		}
	}
	return a, nil
}

// run is one loop.
func (x *run) run(ctx context.Context) error {
	for i := range x.plan.Steps {
		s := &x.plan.Steps[i]
		if s.Action == Ignore {
			continue
		}
		if s.Action == Expect {
			x.exchanges = append(x.exchanges, Exchange{Record: s.Record, Message: s.Message, Verdict: NotReproducible, Reason: s.Reason})
			if s.seq != 0 {
				x.acquires[s.larval] = append(x.acquires[s.larval], acquired{s.seq, s.Record})
			}
			continue
		}
		if x.report.Stopped = x.stop(s); x.report.Stopped != "" {
			break
		}
		x.exchanges = append(x.exchanges, Exchange{Record: s.Record, Message: s.Message, Answers: s.Answers})
		if err := x.send(ctx, i); err != nil {
			return x.abandon(ctx, err, s)
		}
	}
	for len(x.pending) > 0 {
		s := &x.plan.Steps[x.pending[0].step]
		if err := x.receive(ctx); err != nil {
			return x.abandon(ctx, err, s)
		}
	}
	return nil
}

// stop says why the next request is not to be sent, or returns "".
func (x *run) stop(s *Step) string {
	switch {
	case x.opts.Limit > 0 && x.report.Sent >= x.opts.Limit:
		return stoppedByLimit
	case x.overtime.Load():
		return stoppedByDuration
	}
	x.due = x.clock.next(s.Time)
	if !x.deadline.IsZero() && x.due.After(x.deadline) {
		return stoppedByDuration
	}
	return ""
}

// abandon drops the exchanges that were not finished.
func (x *run) abandon(ctx context.Context, err error, s *Step) error {
	open := map[int]bool{}
	for _, p := range x.pending {
		open[p.exchange] = true
	}
	kept := x.exchanges[:0]
	for i := range x.exchanges {
		if e := &x.exchanges[i]; e.Verdict == NotReproducible && !e.Sent || e.Sent && !open[i] {
			kept = append(kept, *e)
		}
	}
	x.exchanges, x.pending = kept, nil
	if ctx.Err() != nil {
		return fmt.Errorf("replay stopped at #%d: %w", s.Record, context.Cause(ctx))
	}
	return fmt.Errorf("replay of #%d (%s): %w", s.Record, s.Message, err)
}

// send sends the request of step i, once it is due, its answers can be waited for
// and what it depends on is known.
func (x *run) send(ctx context.Context, i int) error {
	s := &x.plan.Steps[i]
	exchange := len(x.exchanges) - 1
	for len(x.pending) > 0 && (len(x.pending) >= x.window || s.needs >= 0 && !x.done[s.needs]) {
		if err := x.receive(ctx); err != nil {
			return err
		}
	}
	if !x.due.IsZero() {
		if err := x.wait(ctx, x.due); err != nil {
			return err
		}
	}
	e := &x.exchanges[exchange]
	e.Rewrites = append(e.Rewrites, s.Rewrites...)
	msg, err := x.message(s, s.msg, e)
	if err != nil {
		e.Verdict, e.Reason = NotReproducible, err.Error()
		x.done[i] = true
		return nil
	}
	why, err := x.guards(ctx, msg)
	if err != nil {
		return err
	}
	if why != "" {
		e.Verdict, e.Reason = NotReproducible, why
		x.done[i] = true
		return nil
	}
	// The socket of a GETSPI that may have to be sent again stays open for that.
	if err := x.hand(ctx, s, msg, s.last && s.original == nil); err != nil {
		return err
	}
	e.Sent = true
	x.report.Sent++
	if x.opts.Progress != nil {
		x.opts.Progress(x.report.Sent)
	}
	x.pending = append(x.pending, pending{step: i, exchange: exchange, msg: msg})
	if x.window == 1 {
		return x.receive(ctx)
	}
	return nil
}

// hand gives a step's message to the target.
func (x *run) hand(ctx context.Context, s *Step, msg []byte, last bool) error {
	if x.opts.Observe != nil {
		if !x.due.IsZero() || x.now.IsZero() {
			x.now = time.Now()
		} // else it goes out when the answer before has come
		x.observe(&Observed{Time: x.now, Dir: record.ToKernel, Socket: s.Socket, Record: s.Record, Data: msg})
	}
	x.open[s.Socket] = !last
	return x.target.Send(ctx, Request{Socket: x.first + s.Socket, Message: msg, Last: last})
}

// message makes what is sent: in the target's byte order, with its values.
func (x *run) message(s *Step, from []byte, e *Exchange) ([]byte, error) {
	if s.codec == x.codec && !s.binds(&x.bound) {
		return from, nil
	}
	msg, err := layers.Transcode(nil, s.codec, x.codec, from)
	if err != nil {
		return nil, err
	}
	e.Rewrites = append(e.Rewrites, s.bindInto(msg, x.codec.Order, &x.bound)...)
	return msg, nil
}

// observe tells the caller, who wants to know, of a message.
func (x *run) observe(o *Observed) {
	o.Codec = x.codec
	x.opts.Observe(o)
}

// receive takes the next answer and compares it.
func (x *run) receive(ctx context.Context) error {
	a, err := x.target.Recv(ctx)
	if err != nil {
		return err
	}
	p := x.pending[0]
	x.pending = append(x.pending[:0], x.pending[1:]...)
	s := &x.plan.Steps[p.step]
	own := x.split(s, p.msg, a)
	if x.opts.Observe != nil {
		x.now = time.Now()
		for i, m := range a.Messages {
			o := Observed{Time: x.now, Dir: record.FromKernel, Socket: m.Socket - x.first, Copy: x.parts[i] == partCopy, Data: m.Data}
			if x.parts[i] != partOther {
				o.Record = s.Record
			}
			x.observe(&o)
		}
	}
	x.heed(a)
	e := &x.exchanges[p.exchange]
	if s.original != nil && !p.again && a.Errno == 0 && len(own) > 0 && x.decode(own[0]).Errno != 0 {
		// The recorded SPI is taken, or out of the target's range.
		return x.sendAgain(ctx, p, s, e)
	}
	if len(own) > 0 {
		x.report.Answered++
		if x.guard != nil {
			x.guard.learn(x.codec, s.typ, own[0])
		}
	}
	x.judge(s, e, a, own)
	x.explain(e, p.msg, a, own)
	x.report.bindings(x.loop, e.Bindings)
	x.done[p.step] = true
	return nil
}

// sendAgain sends a GETSPI as it was recorded.
func (x *run) sendAgain(ctx context.Context, p pending, s *Step, e *Exchange) error {
	e.Rewrites = slices.DeleteFunc(e.Rewrites[:len(s.Rewrites)], func(w Rewrite) bool { return w.Field == fieldRange })
	msg, err := x.message(s, s.original, e)
	if err != nil {
		return err
	}
	if err := x.hand(ctx, s, msg, s.last); err != nil {
		return err
	}
	p.msg, p.again = msg, true
	x.pending = append(x.pending, p)
	if x.window == 1 {
		return x.receive(ctx)
	}
	return nil
}
