package judge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// connected is a Remote whose server answers with a function.
func connected(t *testing.T, answer func(replay.Request) (replay.Answer, error)) (*Remote, chan error) {
	t.Helper()
	reqR, reqW := io.Pipe()
	ansR, ansW := io.Pipe()
	served := make(chan error, 1)
	go func() {
		err := Serve(context.Background(), reqR, ansW, replaytest.New(testCodec, answer))
		ansW.Close()
		served <- err
	}()
	r, err := Connect(context.Background(), ansR, reqW)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, served
}

// TestWire sends requests ahead of their answers, small and large ones, and expects
// each answer whole and in its place.
func TestWire(t *testing.T) {
	r, served := connected(t, func(q replay.Request) (replay.Answer, error) {
		n := len(q.Message)
		a := replay.Answer{Errno: n % 200}
		for i := range n % 4 {
			a.Messages = append(a.Messages, replay.Message{Socket: i, Data: bytes.Clone(q.Message)})
		}
		return a, nil
	})
	if r.Codec() != testCodec {
		t.Fatalf("codec %v", r.Codec())
	}
	ctx := context.Background()
	size := func(i int) int { return i * i * 7 % 200_000 }
	for from := 0; from < 300; from += 100 {
		for i := from; i < from+100; i++ {
			if err := r.Send(ctx, replay.Request{Socket: i % 3, Message: bytes.Repeat([]byte{byte(i)}, size(i)), Last: i%5 == 0}); err != nil {
				t.Fatal(err)
			}
		}
		for i := from; i < from+100; i++ {
			a, err := r.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			n := size(i)
			if a.Errno != n%200 || len(a.Messages) != n%4 {
				t.Fatalf("answer %d: errno %d, %d messages", i, a.Errno, len(a.Messages))
			}
			for k, m := range a.Messages {
				if m.Socket != k || !bytes.Equal(m.Data, bytes.Repeat([]byte{byte(i)}, n)) {
					t.Fatalf("answer %d: message %d is another", i, k)
				}
			}
		}
	}
	if _, err := r.Recv(ctx); err == nil {
		t.Error("an answer to nothing")
	}
	if err := r.Send(ctx, replay.Request{Message: make([]byte, maxWireMessage+1)}); err == nil {
		t.Error("a message longer than any is sent")
	}
	r.Close()
	if err := <-served; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func TestWireLimits(t *testing.T) {
	r, _ := connected(t, func(replay.Request) (replay.Answer, error) { return replay.Answer{}, nil })
	for range replay.MaxOutstanding {
		if err := r.Send(context.Background(), replay.Request{Message: []byte{1}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Send(context.Background(), replay.Request{Message: []byte{1}}); err == nil {
		t.Error("more requests than may be outstanding")
	}
}

// TestWireEnds holds what a Remote says when the server ends, hangs, or is none.
func TestWireEnds(t *testing.T) {
	why := errors.New("out of order")
	r, served := connected(t, func(replay.Request) (replay.Answer, error) { return replay.Answer{}, why })
	ctx := context.Background()
	if err := r.Send(ctx, replay.Request{Message: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Recv(ctx); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the server ended, and Recv says %v", err)
	}
	if err := <-served; !errors.Is(err, why) {
		t.Errorf("the server says %v", err)
	}
	if err := r.Send(ctx, replay.Request{Message: []byte{1}}); err == nil {
		t.Error("Send after the end")
	}

	stuck := make(chan bool)
	defer close(stuck)
	r, _ = connected(t, func(replay.Request) (replay.Answer, error) { <-stuck; return replay.Answer{}, nil })
	limited, stop := context.WithTimeout(ctx, 10*time.Millisecond)
	defer stop()
	if err := r.Send(limited, replay.Request{Message: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Recv(limited); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the server hangs, and Recv says %v", err)
	}

	for name, hello := range map[string]string{
		"nothing":       "",
		"half a hello":  wireMagic[:5],
		"another":       strings.Repeat("x", 100),
		"no dialect":    wireMagic + "\xff\x01",
		"no byte order": wireMagic + "\x02\x09",
	} {
		if _, err := Connect(ctx, strings.NewReader(hello), nopCloser{io.Discard}); err == nil {
			t.Errorf("%s is a kernel", name)
		}
	}
	pr, _ := io.Pipe()
	if _, err := Connect(limited, pr, nopCloser{io.Discard}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing comes, and Connect says %v", err)
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// FuzzWire holds both ends to any bytes: no panic, no memory that was only announced.
func FuzzWire(f *testing.F) {
	f.Add([]byte(wireMagic + "\x02\x01\x00\x01\x00\x02ab"))
	f.Add([]byte("\x00\x00\x03abc\x01\x00\x00"))
	f.Add([]byte("\x00\x00\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		_ = Serve(context.Background(), bytes.NewReader(b), &out, replaytest.New(layers.Codec{}, func(q replay.Request) (replay.Answer, error) {
			return replay.Answer{Messages: []replay.Message{{Data: q.Message}}}, nil
		}))
		r, err := Connect(context.Background(), bytes.NewReader(b), nopCloser{io.Discard})
		if err != nil {
			return
		}
		defer r.Close()
		for range 10 {
			if err := r.Send(context.Background(), replay.Request{Message: []byte{1}}); err != nil {
				return
			}
			if _, err := r.Recv(context.Background()); err != nil {
				return
			}
		}
	})
}
