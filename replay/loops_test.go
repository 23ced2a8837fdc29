package replay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// kernel is a target with a kernel's most important property: an SA can be added
// once. It keeps a log.
type kernel struct {
	has  bool
	open map[int]bool
	log  []string
	then func() // after each request
}

func (k *kernel) answer(q replay.Request) (a replay.Answer, err error) {
	say := func(m []byte) { a.Messages = append(a.Messages, replay.Message{Socket: q.Socket, Data: m}) }
	k.open[q.Socket] = !q.Last
	if len(q.Message) == 0 {
		k.log = append(k.log, fmt.Sprintf("close %d", q.Socket))
		return a, nil
	}
	switch q.Message[1] {
	case layers.ADD:
		k.log = append(k.log, fmt.Sprintf("ADD %d", q.Socket))
		if k.has {
			say(header(layers.ADD, 1, 17))
		} else {
			say(state(layers.ADD, 1, spi1, 100))
		}
		k.has = true
	case layers.REGISTER:
		k.log = append(k.log, fmt.Sprintf("REGISTER %d", q.Socket))
		say(q.Message)
	default:
		k.log = append(k.log, fmt.Sprintf("flush %d %d", q.Message[1], q.Socket))
		k.has = false
		say(q.Message)
	}
	if k.then != nil {
		k.then()
	}
	return a, nil
}

func loopPlan(t testing.TB) *replay.Plan {
	s := &said{}
	s.ask(header(layers.REGISTER, 1, 0), header(layers.REGISTER, 1, 0))
	s.event(expire(spi2, true))
	s.ask(request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 100))
	return s.plan(t)
}

func TestLoops(t *testing.T) {
	run := func(o replay.RunOptions) (*replay.Report, *kernel) {
		k := &kernel{open: map[int]bool{}}
		r, err := replay.Run(t.Context(), loopPlan(t), replaytest.New(little, k.answer), o)
		if err != nil {
			t.Fatal(err)
		}
		return r, k
	}
	t.Run("cleared between", func(t *testing.T) {
		var between []string
		r, k := run(replay.RunOptions{Loops: 3, Clear: true, Observe: func(o *replay.Observed) {
			if o.Record == 0 {
				between = append(between, fmt.Sprint(o.Dir, o.Socket, o.Data[1]))
			}
		}})
		want := "[REGISTER 0 ADD 0 close 0 flush 9 1 flush 19 1 REGISTER 2 ADD 2 close 2 flush 9 3 flush 19 3 REGISTER 4 ADD 4]"
		if got := fmt.Sprint(k.log); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		if got := counts(r); got != [6]int{6, 6, 6, 0, 3, 0} || r.Loops != 3 || len(r.Exchanges) != 3 {
			t.Errorf("%v, %d loops, %d exchanges\n%s", got, r.Loops, len(r.Exchanges), text(t, r, true))
		}
		if len(between) != 8 || between[0] != fmt.Sprint(record.ToKernel, 1, layers.FLUSH) || between[3] != fmt.Sprint(record.FromKernel, 1, layers.SPDFLUSH) {
			t.Errorf("observed between loops: %q", between)
		}
		for n, open := range k.open {
			if open != (n == 4) {
				t.Errorf("socket %d is open: %v", n, open)
			}
		}
	})
	t.Run("not cleared", func(t *testing.T) {
		r, _ := run(replay.RunOptions{Loops: 3})
		if got := counts(r); got != [6]int{6, 6, 4, 0, 3, 2} {
			t.Errorf("%v", got)
		}
		if got := text(t, r, false); strings.Count(got, "different: loop ") != 2 || !strings.Contains(got, "different: loop 2: #4 ADD") {
			t.Error(got)
		}
	})
	t.Run("for ever, until a limit", func(t *testing.T) {
		r, _ := run(replay.RunOptions{Loops: -1, Limit: 4001})
		if r.Sent != 4001 || r.Loops != 2001 || r.Stopped != "limit" || len(r.Exchanges) != 3+1000 || r.Omitted != 999 {
			t.Errorf("%d sent, %d loops, stopped %q, %d exchanges, %d omitted", r.Sent, r.Loops, r.Stopped, len(r.Exchanges), r.Omitted)
		}
		if got := text(t, r, false); !strings.Contains(got, "stopped: by the limit, in loop 2001\n") || !strings.Contains(got, "loops: 999 more") {
			t.Error(got[len(got)-200:])
		}
	})
	t.Run("for ever, until told", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		k := &kernel{open: map[int]bool{}}
		k.then = func() {
			if len(k.log) > 100 {
				cancel()
			}
		}
		r, err := replay.Run(ctx, loopPlan(t), replaytest.New(little, k.answer), replay.RunOptions{Loops: -1})
		if !errors.Is(err, context.Canceled) || r.Equal == 0 || r.Loops < 20 {
			t.Errorf("%v, %s", err, r.Counts())
		}
	})
}

func TestLimit(t *testing.T) {
	plan := loopPlan(t)
	for _, topSpeed := range []bool{false, true} {
		k := &kernel{open: map[int]bool{}}
		r, err := replay.Run(t.Context(), plan, replaytest.New(little, k.answer), replay.RunOptions{Limit: 1, Pace: replay.Pace{TopSpeed: topSpeed}})
		if err != nil {
			t.Fatal(err)
		}
		// The event before the request that is not sent counts.
		if got := counts(r); got != [6]int{1, 1, 1, 0, 1, 0} || r.Stopped != "limit" || len(k.log) != 1 {
			t.Errorf("%v, stopped %q, %v", got, r.Stopped, k.log)
		}
		// A limit that is not reached stops nothing.
		k = &kernel{open: map[int]bool{}}
		if r, err = replay.Run(t.Context(), plan, replaytest.New(little, k.answer), replay.RunOptions{Limit: 2}); err != nil || r.Stopped != "" || r.Sent != 2 {
			t.Errorf("%v, stopped %q, %v", counts(r), r.Stopped, err)
		}
	}
}

func TestDuration(t *testing.T) {
	s := &said{}
	s.ask(request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 100))
	n := s.ask(request(layers.ADD, 1, spi1), header(layers.ADD, 1, 17))
	s.list[n-1].Time = t0.Add(time.Hour)
	k := &kernel{open: map[int]bool{}}
	// The next request is due long after the end: that is not waited for.
	r, err := replay.Run(t.Context(), s.plan(t), replaytest.New(little, k.answer), replay.RunOptions{Pace: replay.Pace{Multiplier: 1}, Duration: time.Minute})
	if err != nil || r.Stopped != "duration" || r.Sent != 1 {
		t.Errorf("%v, stopped %q, %v", counts(r), r.Stopped, err)
	}
	// Nor does it go on when the time is over.
	k = &kernel{open: map[int]bool{}, then: func() { time.Sleep(5 * time.Millisecond) }}
	r, err = replay.Run(t.Context(), loopPlan(t), replaytest.New(little, k.answer), replay.RunOptions{Loops: -1, Duration: 20 * time.Millisecond})
	if err != nil || r.Stopped != "duration" || r.Sent == 0 {
		t.Errorf("%v, stopped %q, %v", counts(r), r.Stopped, err)
	}
}
