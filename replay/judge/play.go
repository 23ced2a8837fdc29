package judge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/replay"
)

// Kernel is a target that may die of what it is asked.
type Kernel interface {
	replay.Target
	// Console returns the end of what the kernel has printed. It is complete after
	// Close.
	Console() string
}

// player sends requests to a kernel whose state it models. A session begins with
// empty tables and a fresh socket.
type player struct {
	kernel Kernel
	model  *check.Model
	look   *inspector
	hang   time.Duration
	start  time.Time // of the session
	open   bool      // the session's socket is open
}

// socket is the number of the one socket that is used at a time.
const socket = 0

func newPlayer(k Kernel, t check.Traits, hang time.Duration) *player {
	c := k.Codec()
	return &player{kernel: k, model: check.NewModel(c.Order, t), look: newInspector(c), hang: hang}
}

// errDead says that the kernel did not answer any more. What it wraps is the target's
// error.
var errDead = errors.New("the kernel does not answer")

func (p *player) exchange(ctx context.Context, r replay.Request) (replay.Answer, error) {
	if err := p.send(ctx, r); err != nil {
		return replay.Answer{}, err
	}
	return p.receive(ctx)
}

func (p *player) send(ctx context.Context, r replay.Request) error {
	limited, cancel := context.WithTimeout(ctx, p.hang)
	defer cancel()
	return dead(ctx, p.kernel.Send(limited, r))
}

func (p *player) receive(ctx context.Context) (replay.Answer, error) {
	limited, cancel := context.WithTimeout(ctx, p.hang)
	defer cancel()
	a, err := p.kernel.Recv(limited)
	return a, dead(ctx, err)
}

// dead tells a kernel's end from that of the run.
func dead(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", errDead, err)
}

// begin empties the kernel's tables and opens a fresh socket.
func (p *player) begin(ctx context.Context) error {
	if p.open {
		if _, err := p.exchange(ctx, replay.Request{Socket: socket, Last: true}); err != nil {
			return err
		}
		p.open = false
	}
	p.start = time.Now()
	for _, t := range [2]uint8{layers.FLUSH, layers.SPDFLUSH} {
		msg, err := p.kernel.Codec().Encode(&layers.Base{Type: t})
		if err != nil {
			return err
		}
		a, err := p.exchange(ctx, replay.Request{Socket: socket, Message: msg})
		if err != nil {
			return err
		}
		if o := read(p.kernel.Codec(), msg, a, false); o.errno != 0 || o.silent {
			return fmt.Errorf("the kernel does not flush its tables: %s", answered(&o))
		}
	}
	p.open = true
	p.model.Reset()
	return nil
}

// judgement is what became of one request. Its slices are valid until the next one.
type judgement struct {
	name    string // type of the request
	verdict check.Verdict
	outcome outcome
	how     how
	found   []finding
	after   time.Duration // when it was answered, from the start of the session
}

// play sends requests, all of them before the first answer is taken, and calls each
// with what became of every one until it returns false; what is left is then neither
// judged nor learnt. At most replay.MaxOutstanding may be given.
func (p *player) play(ctx context.Context, requests [][]byte, each func(i int, j *judgement) bool) error {
	from := time.Since(p.start)
	for _, b := range requests {
		if err := p.send(ctx, replay.Request{Socket: socket, Message: b}); err != nil {
			return err
		}
	}
	going := true
	for i, b := range requests {
		a, err := p.receive(ctx)
		if err != nil {
			return err
		}
		if going {
			j := p.judge(b, a, from)
			going = each(i, &j)
		}
	}
	return nil
}

// judge compares an answer with its prediction and tells the model.
func (p *player) judge(request []byte, a replay.Answer, from time.Duration) (j judgement) {
	// A decoder that panics is what is searched for: it must not end the search.
	defer func() {
		if v := recover(); v != nil {
			j.found = append(j.found, finding{DecoderPanic, fmt.Sprintf("%s: %v", j.name, v)})
		}
	}()
	j.name = typeName(p.kernel.Codec(), request)
	j.after = time.Since(p.start)
	p.model.At(from, j.after)
	j.verdict = p.model.Predict(socket, request)
	j.outcome = read(p.kernel.Codec(), request, a, p.model.Promiscuous(socket))
	o := &j.outcome
	j.how = compare(&j.verdict, o)
	p.model.Learn(socket, request, o.errno, o.byWrite, o.replies)
	j.found = p.look.look(request, o)
	if j.how == disagreement {
		j.found = append(j.found, finding{Disagreement,
			fmt.Sprintf("%s: predicted %s, kernel %s", j.name, predicted(&j.verdict), answered(o))})
	}
	return j
}
