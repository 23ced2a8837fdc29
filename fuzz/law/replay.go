package law

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// Replay: any capture gives a plan or says that it has no requests. Against the
// kernel that it records nothing is different, and against one that says anything
// at all the run ends, after no more requests than there are steps, repeats
// included.
func Replay(t T, data []byte) {
	list, meta := records(data)
	if len(list) == 0 {
		return
	}
	plan, err := replay.NewPlan(traced(list, meta), replay.PlanOptions{})
	if plan == nil {
		t.Fatal("no plan")
	}
	var text bytes.Buffer
	if err := plan.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(plan); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		if !errors.Is(err, replay.ErrNoRequests) && !oneCodec(list) {
			return // records of two systems are no conversation
		}
		if !errors.Is(err, replay.ErrNoRequests) {
			t.Fatal(err)
		}
		return
	}
	if !oneCodec(list) {
		return
	}
	recorded, err := replaytest.Recording(traced(list, meta))
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, plan, recorded, text.Bytes())
	if r.Different != 0 {
		var out bytes.Buffer
		_ = r.WriteText(&out, true)
		t.Fatalf("%s\n%s", text.Bytes(), out.Bytes())
	}

	// A kernel gone mad: it says what the capture holds, in any order, with any errno.
	k := 0
	run(t, plan, replaytest.New(list[0].Codec, func(q replay.Request) (replay.Answer, error) {
		var a replay.Answer
		for range k % 4 {
			x := list[(k*7+len(q.Message))%len(list)]
			a.Messages = append(a.Messages, replay.Message{Socket: k % 3 * q.Socket, Data: x.Bytes()})
			k++
		}
		if k++; k%5 == 0 {
			a.Errno = k % 130
		}
		return a, nil
	}), text.Bytes())
}

// run runs a plan and counts what it sends.
func run(t T, plan *replay.Plan, target replay.Target, text []byte) *replay.Report {
	t.Helper()
	counted := &counter{Target: target}
	r, err := replay.Run(context.Background(), plan, counted, replay.RunOptions{})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	// A GETSPI is repeated when the target's choice is not the recorded one.
	if send, _, _ := plan.Counts(); counted.n > 4*send+16 {
		t.Fatalf("%d requests for %d steps\n%s", counted.n, send, text)
	}
	if r.Equal+r.Volatile+r.NotReproducible+r.Different != len(r.Exchanges) {
		t.Fatalf("%s, but %d exchanges", r.Counts(), len(r.Exchanges))
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	return r
}

type counter struct {
	replay.Target
	n int
}

func (c *counter) Send(ctx context.Context, r replay.Request) error {
	c.n++
	return c.Target.Send(ctx, r)
}

// oneCodec reports whether all records are of one system.
func oneCodec(list []*record.Record) bool {
	for _, r := range list {
		if r.Codec != list[0].Codec {
			return false
		}
	}
	return true
}

func traced(list []*record.Record, meta record.Meta) replay.Source {
	return trace.NewReader(&source{list: list}, trace.Options{Promisc: meta.Promisc})
}

// source gives records of a list, numbered from 1 without gaps.
type source struct {
	list []*record.Record
	n    int
}

func (s *source) Next() (*record.Record, error) {
	if s.n == len(s.list) {
		return nil, io.EOF
	}
	r := s.list[s.n].Clone()
	s.n++
	r.Number, r.TwinOf, r.ReplyTo = uint64(s.n), 0, 0
	if o := layers.OrderOf(r.Data, r.OrigLen); o != layers.NoOrder {
		r.Codec.Order = o
	}
	return r, nil
}
