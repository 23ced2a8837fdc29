package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// RunOptions says how a plan is run. The zero value is right for most.
type RunOptions struct {
	// Before, if not nil, is called before each request is sent; it may wait. An
	// error ends the run.
	Before func(ctx context.Context, s *Step) error
	// Observe, if not nil, is called with each message as it is sent and as it
	// comes, in the target's byte order. msg is valid during the call, and holds
	// true keys if the plan does.
	Observe func(dir record.Direction, socket int, msg []byte)
	// Window is how many requests may be under way at once, at most
	// MaxOutstanding. The target still handles one after the other, and a request
	// that depends on an answer waits for it; so more than 1 only saves time where
	// the target is far. 0 stands for 128.
	Window int
}

const defaultWindow = 128

// Run sends the plan's requests to the target, one after the other, and compares
// the answers with the recorded ones.
//
// If the target fails or ctx ends, the report holds what was compared until then
// and is returned with the error. A difference is no error.
func Run(ctx context.Context, p *Plan, t Target, o RunOptions) (*Report, error) {
	codec := t.Codec()
	rep := &Report{Dialect: codec.Dialect.String(), Order: codec.Order.String(), Keys: p.Keys}
	if p.dialect != codec.Dialect && p.dialect != layers.NoDialect {
		return rep, fmt.Errorf("the capture is of %v and the target is of %v: replay it against a kernel of its own system", p.dialect, codec.Dialect)
	}
	x := &run{
		runner: runner{codec: codec, late: map[saID]string{}, acquires: map[saID][]acquired{}, report: rep},
		plan:   p, target: t, opts: o,
		window: o.Window,
		done:   make([]bool, len(p.Steps)),
	}
	if x.window <= 0 {
		x.window = defaultWindow
	}
	x.window = min(x.window, MaxOutstanding)
	rep.Exchanges = make([]Exchange, 0, len(p.Steps))
	err := x.run(ctx)
	for i := range rep.Exchanges {
		rep.count(rep.Exchanges[i].Verdict)
	}
	return rep, err
}

// run is one run of a plan.
type run struct {
	runner
	plan    *Plan
	target  Target
	opts    RunOptions
	window  int
	done    []bool // by step
	pending []pending
}

// pending is a request whose answer has not come.
type pending struct {
	step     int
	exchange int
	msg      []byte
	again    bool // it is a GETSPI without the narrow range
}

func (x *run) run(ctx context.Context) error {
	for i := range x.plan.Steps {
		s := &x.plan.Steps[i]
		if s.Action == Ignore {
			continue
		}
		x.report.Exchanges = append(x.report.Exchanges, Exchange{Record: s.Record, Message: s.Message, Answers: s.Answers})
		if s.Action == Expect {
			e := &x.report.Exchanges[len(x.report.Exchanges)-1]
			e.Verdict, e.Reason = NotReproducible, s.Reason
			if s.seq != 0 {
				x.acquires[s.larval] = append(x.acquires[s.larval], acquired{s.seq, s.Record})
			}
			continue
		}
		if err := x.send(ctx, i); err != nil {
			return x.abandon(err, s)
		}
	}
	for len(x.pending) > 0 {
		s := &x.plan.Steps[x.pending[0].step]
		if err := x.receive(ctx); err != nil {
			return x.abandon(err, s)
		}
	}
	return nil
}

// abandon drops the exchanges that were not finished.
func (x *run) abandon(err error, s *Step) error {
	list := x.report.Exchanges
	open := map[int]bool{}
	for _, p := range x.pending {
		open[p.exchange] = true
	}
	kept := list[:0]
	for i := range list {
		if list[i].Verdict == NotReproducible && !list[i].Sent || list[i].Sent && !open[i] {
			kept = append(kept, list[i])
		}
	}
	x.report.Exchanges = kept
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("replay stopped at #%d: %w", s.Record, err)
	}
	return fmt.Errorf("replay of #%d (%s): %w", s.Record, s.Message, err)
}

// send sends the request of step i, once its answers can be waited for and what it
// depends on is known.
func (x *run) send(ctx context.Context, i int) error {
	s := &x.plan.Steps[i]
	exchange := len(x.report.Exchanges) - 1
	for s.needs >= 0 && !x.done[s.needs] && len(x.pending) > 0 {
		if err := x.receive(ctx); err != nil {
			return err
		}
	}
	if len(x.pending) >= x.window {
		// Half of it at once, so that a far target gets many requests at once too.
		for len(x.pending) > x.window/2 {
			if err := x.receive(ctx); err != nil {
				return err
			}
		}
	}
	if x.opts.Before != nil {
		if err := x.opts.Before(ctx, s); err != nil {
			return err
		}
	}
	e := &x.report.Exchanges[exchange]
	e.Rewrites = append(e.Rewrites, s.Rewrites...)
	msg, err := x.message(s, s.msg, e)
	if err != nil {
		e.Verdict, e.Reason = NotReproducible, err.Error()
		x.done[i] = true
		return nil
	}
	// The socket of a GETSPI that may have to be sent again stays open for that.
	last := s.last && s.original == nil
	if err := x.target.Send(ctx, Request{Socket: s.Socket, Message: msg, Last: last}); err != nil {
		return err
	}
	x.observe(record.ToKernel, s.Socket, msg)
	e.Sent = true
	x.report.Sent++
	x.pending = append(x.pending, pending{step: i, exchange: exchange, msg: msg})
	return nil
}

// message makes what is sent: in the target's byte order, with its values.
func (x *run) message(s *Step, from []byte, e *Exchange) ([]byte, error) {
	msg, err := layers.Transcode(nil, s.codec, x.codec, from)
	if err != nil {
		return nil, err
	}
	e.Rewrites = append(e.Rewrites, s.bindInto(msg, x.codec.Order, &x.bound)...)
	return msg, nil
}

func (x *run) observe(d record.Direction, socket int, msg []byte) {
	if x.opts.Observe != nil {
		x.opts.Observe(d, socket, msg)
	}
}

// receive takes the next answer and compares it.
func (x *run) receive(ctx context.Context) error {
	a, err := x.target.Recv(ctx)
	if err != nil {
		return err
	}
	for _, m := range a.Messages {
		x.observe(record.FromKernel, m.Socket, m.Data)
	}
	p := x.pending[0]
	x.pending = append(x.pending[:0], x.pending[1:]...)
	s := &x.plan.Steps[p.step]
	own, other := x.split(s, p.msg, a)
	x.heed(other)
	e := &x.report.Exchanges[p.exchange]
	if s.original != nil && !p.again && a.Errno == 0 && len(own) > 0 && x.decode(own[0]).Errno != 0 {
		// The recorded SPI is taken, or out of the target's range.
		return x.sendAgain(ctx, p, s, e)
	}
	if len(own) > 0 {
		x.report.Answered++
	}
	x.judge(s, e, a, own)
	x.report.Bindings = append(x.report.Bindings, e.Bindings...)
	x.done[p.step] = true
	return nil
}

// sendAgain sends a GETSPI as it was recorded.
func (x *run) sendAgain(ctx context.Context, p pending, s *Step, e *Exchange) error {
	e.Rewrites = e.Rewrites[:0]
	msg, err := x.message(s, s.original, e)
	if err != nil {
		return err
	}
	if err := x.target.Send(ctx, Request{Socket: s.Socket, Message: msg, Last: s.last}); err != nil {
		return err
	}
	x.observe(record.ToKernel, s.Socket, msg)
	p.msg, p.again = msg, true
	x.pending = append(x.pending, p)
	return nil
}
