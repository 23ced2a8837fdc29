package replaytest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

var codec = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}

func flush(seq uint32) []byte {
	b, err := codec.Encode(&layers.Base{Type: layers.FLUSH, SAType: layers.SATypeESP, Seq: seq, PID: 1})
	if err != nil {
		panic(err)
	}
	return b
}

// exchange sends one message and takes the answer.
func exchange(t replay.Target, socket int, msg []byte) (replay.Answer, error) {
	ctx := context.Background()
	if err := t.Send(ctx, replay.Request{Socket: socket, Message: msg}); err != nil {
		return replay.Answer{}, err
	}
	return t.Recv(ctx)
}

func TestScript(t *testing.T) {
	target := replaytest.Script(codec,
		replaytest.Step{Want: flush(1), Answers: [][]byte{flush(1), flush(2)}, Others: []replay.Message{{Socket: 7, Data: flush(3)}}},
		replaytest.Step{Socket: 2, Errno: 90},
		replaytest.Step{Want: flush(4)},
	)
	if target.Codec() != codec {
		t.Errorf("codec %v", target.Codec())
	}
	a, err := exchange(target, 0, flush(1))
	if err != nil || len(a.Messages) != 3 || a.Messages[1].Socket != 0 || a.Messages[2].Socket != 7 {
		t.Errorf("answer %+v, error %v", a, err)
	}
	if err := target.Done(); err == nil || !strings.Contains(err.Error(), "2 of the script's 3") {
		t.Errorf("Done: %v", err)
	}
	a, err = exchange(target, 2, []byte("anything"))
	if err != nil || a.Errno != 90 {
		t.Errorf("answer %+v, error %v", a, err)
	}
	if _, err = exchange(target, 0, flush(4)); err != nil {
		t.Error(err)
	}
	if err := target.Done(); err != nil {
		t.Errorf("Done: %v", err)
	}
	if _, err = exchange(target, 0, flush(5)); err == nil {
		t.Error("a message after the script's end was taken")
	}
}

func TestScriptRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		socket int
		msg    []byte
		words  string
	}{
		{"another message", 0, flush(2), "the first difference is at byte 8"},
		{"a shorter one", 0, flush(1)[:12], "12 bytes came, want 16"},
		{"another socket", 3, flush(1), "came on socket 3, want 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := replaytest.Script(codec, replaytest.Step{Want: flush(1)})
			if _, err := exchange(target, test.socket, test.msg); err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	ctx := context.Background()
	failed := errors.New("failed")
	target := replaytest.New(codec, func(replay.Request) (replay.Answer, error) { return replay.Answer{}, failed })
	if _, err := target.Recv(ctx); err == nil {
		t.Error("Recv without Send")
	}
	for range replay.MaxOutstanding {
		if err := target.Send(ctx, replay.Request{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := target.Send(ctx, replay.Request{}); err == nil {
		t.Error("one more than MaxOutstanding was taken")
	}
	if err := target.Done(); err == nil {
		t.Error("Done with requests waiting")
	}
	if _, err := target.Recv(ctx); !errors.Is(err, failed) {
		t.Errorf("Recv: %v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := target.Recv(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv: %v", err)
	}
	target.Close()
	if target.Send(ctx, replay.Request{}) == nil {
		t.Error("Send after Close")
	}
	if _, err := target.Recv(ctx); err == nil {
		t.Error("Recv after Close")
	}
}

// A message that is sent may be changed at once.
func TestSendCopies(t *testing.T) {
	target := replaytest.New(codec, func(r replay.Request) (replay.Answer, error) {
		return replay.Answer{Messages: []replay.Message{{Data: r.Message}}}, nil
	})
	msg := flush(1)
	target.Send(context.Background(), replay.Request{Message: msg})
	msg[8] = 99
	a, err := target.Recv(context.Background())
	if err != nil || a.Messages[0].Data[8] != 1 {
		t.Errorf("%v, %v", a, err)
	}
}

// talk is a capture of FLUSHes, each answered.
type talk struct {
	n, i int
	err  error
}

func (s *talk) Next() (*record.Record, error) {
	if s.i == 2*s.n {
		if s.err != nil {
			return nil, s.err
		}
		return nil, io.EOF
	}
	s.i++
	r := &record.Record{Number: uint64(s.i), Codec: codec, Data: flush(uint32(s.i+1) / 2), OrigLen: layers.BaseLen, Dir: record.ToKernel}
	if s.i%2 == 0 {
		r.Dir, r.ReplyTo = record.FromKernel, uint64(s.i-1)
	}
	return r, nil
}

func (s *talk) Role() trace.Role {
	if s.i%2 == 0 {
		return trace.Reply
	}
	return trace.Request
}

func TestRecording(t *testing.T) {
	target, err := replaytest.Recording(&talk{n: 2})
	if err != nil {
		t.Fatal(err)
	}
	if target.Codec() != codec {
		t.Errorf("codec %v", target.Codec())
	}
	a, err := exchange(target, 5, flush(1))
	if err != nil || len(a.Messages) != 1 || a.Messages[0].Socket != 5 {
		t.Errorf("%v, %v", a, err)
	}
	if target.Done() == nil {
		t.Error("Done before the end")
	}
	if _, err := exchange(target, 5, flush(9)); err == nil {
		t.Error("another request was taken")
	}
	if _, err := exchange(target, 5, flush(3)); err == nil {
		t.Error("one request too many was taken")
	}
	broken := errors.New("broken")
	if _, err := replaytest.Recording(&talk{n: 1, err: broken}); !errors.Is(err, broken) {
		t.Errorf("Recording: %v", err)
	}
}

func ExampleScript() {
	// A program that flushes, and the kernel's two answers.
	target := replaytest.Script(codec, replaytest.Step{Want: flush(1), Answers: [][]byte{flush(1), flush(1)}})
	ctx := context.Background()
	target.Send(ctx, replay.Request{Message: flush(1)})
	answer, err := target.Recv(ctx)
	fmt.Println(len(answer.Messages), err, target.Done())
	// Output: 2 <nil> <nil>
}

// A program under test that speaks PF_KEY by way of a replay.Target can be held to what
// it said when it was recorded.
func ExampleRecording() {
	target, err := replaytest.Recording(&talk{n: 2}) // or a trace.Reader over a capture
	if err != nil {
		fmt.Println(err)
		return
	}
	// The program:
	ctx := context.Background()
	for seq := range uint32(2) {
		target.Send(ctx, replay.Request{Message: flush(seq + 1)})
		answer, err := target.Recv(ctx)
		fmt.Println(len(answer.Messages), err)
	}
	fmt.Println(target.Done())
	// Output:
	// 1 <nil>
	// 1 <nil>
	// <nil>
}
