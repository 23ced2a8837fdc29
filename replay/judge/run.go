package judge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/replay"
)

// Options says what a run does.
type Options struct {
	// Count is how many messages are judged in all, Seed and Source name where they
	// come from; a run that is resumed must be of the same Seed and Source.
	Count  uint64
	Seed   uint64
	Source string
	// Message appends message i to dst. It must give the same one each time.
	Message func(i uint64, dst []byte) []byte
	// Dir is where findings and the state of the run are kept. It is made if need be.
	Dir string
	// Open starts a fresh kernel, which ends with ctx.
	Open func(ctx context.Context) (Kernel, error)
	// Hang is how long an answer may take; 0 is 30 seconds.
	Hang time.Duration
	// Session is how many messages are sent before the kernel's tables are emptied; 0
	// is 512.
	Session uint64
	// Batch is how many messages are sent before the first answer is taken; 0 is 64.
	Batch int
	// Progress, if not nil, is called now and then with what has been found so far.
	Progress func(*Summary)
}

const (
	defaultHang    = 30 * time.Second
	defaultSession = 512
	defaultBatch   = 64
	saveInterval   = 5 * time.Second
	// A kernel that dies maxCrashes times within crashWindow messages is given up.
	maxCrashes  = 20
	crashWindow = 4000
)

// ErrGivenUp means that the kernel died too often.
var ErrGivenUp = errors.New("the kernel died too often")

// Run judges messages until Count is reached or ctx ends, which is no error. The
// summary is never nil unless nothing could be begun.
func Run(ctx context.Context, o Options) (*Summary, error) {
	if o.Hang <= 0 {
		o.Hang = defaultHang
	}
	if o.Session == 0 {
		o.Session = defaultSession
	}
	if o.Batch <= 0 || o.Batch > replay.MaxOutstanding {
		o.Batch = defaultBatch
	}
	s, err := load(&o)
	if err != nil {
		return nil, err
	}
	r := &runner{Options: o, sum: s, saved: time.Now()}
	defer r.kill()
	err = r.run(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	sortClasses(s.Classes)
	return s, errors.Join(err, s.save(o.Dir))
}

type runner struct {
	Options
	sum    *Summary
	saved  time.Time
	deaths []uint64 // indices of the messages that kernels died at, the last maxCrashes
	traits check.Traits
	known  bool // traits are

	player *player
	cancel context.CancelFunc // ends the kernel

	console string // the last words of the kernel that died last

	first uint64   // index of the first message of the current session
	msgs  [][]byte // of the current session, from its beginning
	data  []byte   // their memory
}

func (r *runner) run(ctx context.Context) error {
	for r.sum.Next < r.Count {
		if ctx.Err() != nil {
			return nil
		}
		if r.player == nil {
			p, cancel, err := r.boot(ctx)
			if err != nil {
				return err
			}
			r.player, r.cancel = p, cancel
		}
		if err := r.session(ctx); err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress(r.sum)
		}
		if time.Since(r.saved) >= saveInterval {
			if err := r.sum.save(r.Dir); err != nil {
				return err
			}
			r.saved = time.Now()
		}
	}
	return nil
}

// boot starts a kernel. The first one is asked what it has.
func (r *runner) boot(ctx context.Context) (*player, context.CancelFunc, error) {
	kctx, cancel := context.WithCancel(ctx)
	k, err := r.Open(kctx)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	r.sum.Kernels++
	if !r.known {
		if r.traits, err = probe(ctx, newPlayer(k, check.Traits{}, r.Hang)); err != nil {
			cancel()
			k.Close()
			return nil, nil, fmt.Errorf("asking the kernel what it has: %w", err)
		}
		r.known = true
	}
	return newPlayer(k, r.traits, r.Hang), cancel, nil
}

// kill ends the current kernel and returns what it printed.
func (r *runner) kill() (console string) {
	if r.player == nil {
		return ""
	}
	console = bury(r.player, r.cancel)
	r.player, r.cancel = nil, nil
	return console
}

// bury ends a kernel, which may be dead or hang.
func bury(p *player, cancel context.CancelFunc) (console string) {
	done := make(chan struct{})
	go func() {
		p.kernel.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second): // it hangs
		cancel()
		<-done
	}
	cancel()
	return p.kernel.Console()
}

// session judges messages up to the next multiple of Session. It ends early when the
// model does not know the kernel's state any more.
func (r *runner) session(ctx context.Context) error {
	var fresh []*first // classes seen for the first time
	// What dies of the begin has been hurt by the session before.
	err := r.player.begin(ctx)
	if err == nil {
		r.first, r.msgs, r.data = r.sum.Next, r.msgs[:0], r.data[:0]
	}
	end := min(r.Count, (r.sum.Next/r.Session+1)*r.Session)
	going := true
	for i := r.sum.Next; err == nil && i < end && going; i = r.sum.Next {
		from := len(r.msgs)
		for n := i; n < min(end, i+uint64(r.Batch)); n++ {
			r.load(n)
		}
		start := time.Now()
		err = r.player.play(ctx, r.msgs[from:], func(k int, j *judgement) bool {
			for _, f := range r.sum.count(j) {
				x := &first{finding: f, last: from + k, records: capture{codec: r.codec()}}
				x.records.exchange(r.msgs[x.last], j)
				fresh = append(fresh, x)
			}
			going = j.how != disagreement && len(fresh) == 0 && !r.player.model.Lost()
			return going
		})
		r.sum.Elapsed += time.Since(start)
	}
	switch {
	case errors.Is(err, errDead):
		return r.died(ctx, err)
	case err != nil:
		return err
	}
	for _, f := range fresh {
		if err := r.keep(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// load makes message i and adds it to the session.
func (r *runner) load(i uint64) {
	from := len(r.data)
	r.data = r.Message(i, r.data)
	r.msgs = append(r.msgs, r.data[from:len(r.data):len(r.data)])
}
