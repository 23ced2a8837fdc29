package replay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// serve connects a Remote with a target over pipes, and returns what Serve returns.
func serve(t testing.TB, target replay.Target) (*replay.Remote, <-chan error) {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- replay.Serve(context.Background(), there, there, target)
		there.Close()
	}()
	r, err := replay.NewRemote(context.Background(), here, here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, done
}

// echo answers with what the request says of itself.
func echo(r replay.Request) (replay.Answer, error) {
	a := replay.Answer{Errno: len(r.Message)}
	if r.Last {
		a.Errno = -a.Errno & 0xffff
	}
	for i := range min(len(r.Message), 3) {
		a.Messages = append(a.Messages, replay.Message{Socket: r.Socket + i, Data: r.Message})
	}
	return a, nil
}

func TestRemote(t *testing.T) {
	remote, done := serve(t, replaytest.New(big, echo))
	if remote.Codec() != big {
		t.Errorf("codec %v", remote.Codec())
	}
	ctx := context.Background()
	requests := []replay.Request{
		{Socket: 0, Message: []byte("x")},
		{Socket: 1, Message: bytes.Repeat([]byte("y"), layers.MaxMessage)},
		{Socket: 70000, Message: nil},
		{Socket: 2, Message: []byte("last"), Last: true},
	}
	for _, q := range requests {
		if err := remote.Send(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	for i, q := range requests {
		a, err := remote.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := echo(q)
		if a.Errno != want.Errno || len(a.Messages) != len(want.Messages) {
			t.Fatalf("answer %d: errno %d and %d messages, want %d and %d", i, a.Errno, len(a.Messages), want.Errno, len(want.Messages))
		}
		for k := range a.Messages {
			if a.Messages[k].Socket != want.Messages[k].Socket || !bytes.Equal(a.Messages[k].Data, want.Messages[k].Data) {
				t.Errorf("answer %d: message %d differs", i, k)
			}
		}
	}
	if _, err := remote.Recv(ctx); err == nil {
		t.Error("Recv without Send")
	}
	if err := remote.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// As many requests as are allowed can be under way, however long the answers are,
// and no more.
func TestRemoteOutstanding(t *testing.T) {
	long := bytes.Repeat([]byte("answer"), 40000)
	remote, _ := serve(t, replaytest.New(little, func(r replay.Request) (replay.Answer, error) {
		return replay.Answer{Messages: []replay.Message{{Data: long}}}, nil
	}))
	ctx := context.Background()
	for range 3 {
		for range replay.MaxOutstanding {
			if err := remote.Send(ctx, replay.Request{Message: bytes.Repeat([]byte("q"), 10000)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := remote.Send(ctx, replay.Request{}); err == nil {
			t.Fatal("one more than MaxOutstanding was taken")
		}
		for range replay.MaxOutstanding {
			a, err := remote.Recv(ctx)
			if err != nil || len(a.Messages) != 1 || len(a.Messages[0].Data) != len(long) {
				t.Fatal(err)
			}
		}
	}
}

// A replay over the wire finds what a replay here finds.
func TestRemoteReplay(t *testing.T) {
	for _, path := range []string{"../fixtures/linux/uml-x86_64/visibility/promisc.pcapng", "../fixtures/linux/s390x/sa-lifecycle-v4/A.pcapng"} {
		list, promisc := load(t, path, true)
		plan := planOf(t, list, promisc)
		target, err := replaytest.Recording(traced(list, promisc))
		if err != nil {
			t.Fatal(err)
		}
		remote, _ := serve(t, target)
		r, err := replay.Run(context.Background(), plan, remote, replay.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		check(t, plan, r)
		if r.Sent == 0 || r.Different+r.Volatile > 0 {
			t.Error(text(t, r, true))
		}
		if err := target.Done(); err != nil {
			t.Error(err)
		}
	}
}

func TestRemoteFailures(t *testing.T) {
	ctx := context.Background()
	t.Run("the target fails", func(t *testing.T) {
		remote, done := serve(t, replaytest.New(little, func(replay.Request) (replay.Answer, error) {
			return replay.Answer{}, errors.New("no more sockets")
		}))
		if err := remote.Send(ctx, replay.Request{Message: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		if _, err := remote.Recv(ctx); err == nil || !strings.Contains(err.Error(), "no more sockets") {
			t.Errorf("Recv: %v", err)
		}
		if err := <-done; err == nil {
			t.Error("Serve returned nil")
		}
		if err := remote.Send(ctx, replay.Request{}); err == nil {
			t.Error("Send after the failure")
		}
	})
	t.Run("the server goes away", func(t *testing.T) {
		here, there := net.Pipe()
		go func() {
			hello(there, little)
			io.ReadFull(there, make([]byte, 10))
			there.Close()
		}()
		remote, err := replay.NewRemote(ctx, here, here)
		if err != nil {
			t.Fatal(err)
		}
		remote.Send(ctx, replay.Request{Message: []byte("x")})
		if _, err := remote.Recv(ctx); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Recv: %v", err)
		}
	})
	t.Run("the context ends while an answer is waited for", func(t *testing.T) {
		here, there := net.Pipe()
		go func() {
			hello(there, little)
			io.Copy(io.Discard, there)
		}()
		remote, err := replay.NewRemote(ctx, here, here)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		remote.Send(ctx, replay.Request{Message: []byte("x")})
		if _, err := remote.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Recv: %v", err)
		}
	})
	t.Run("the context ends while a request is written", func(t *testing.T) {
		here, there := net.Pipe()
		go hello(there, little) // and reads nothing
		remote, err := replay.NewRemote(ctx, here, here)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := remote.Send(ctx, replay.Request{Message: make([]byte, 200000)}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send: %v", err)
		}
	})
	for _, test := range []struct{ name, says string }{
		{"not our protocol", "HTTP/1.1 400 Bad Request\r\n\r\n"},
		{"no hello", frame('m', 0, "x")},
		{"another version", frame('h', 2<<8|1, "pfkeycap target 99")},
		{"unknown dialect", frame('h', 77<<8|1, "pfkeycap target 1")},
		{"no byte order", frame('h', 2<<8, "pfkeycap target 1")},
		{"too long", "h\x00\x00\x00\x00\xff\xff\xff\xff"},
		{"nothing", ""},
		{"half a hello", frame('h', 2<<8|1, "pfkeycap target 1")[:12]},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := replay.NewRemote(ctx, strings.NewReader(test.says), nopCloser{io.Discard})
			if err == nil {
				t.Fatal("no error")
			}
			t.Log(err)
		})
	}
	t.Run("no hello in time", func(t *testing.T) {
		here, _ := net.Pipe()
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := replay.NewRemote(ctx, here, here); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("NewRemote: %v", err)
		}
	})
	t.Run("Serve is told nonsense", func(t *testing.T) {
		for _, say := range []string{frame('m', 0, "x"), "q", frame('q', 0, "abc")[:10], "q\x00\x00\x00\x00\xff\xff\xff\x7f"} {
			err := replay.Serve(ctx, strings.NewReader(say), io.Discard, replaytest.New(little, echo))
			if err == nil {
				t.Errorf("%q: no error", say)
			}
		}
		if err := replay.Serve(ctx, strings.NewReader(""), io.Discard, replaytest.New(little, echo)); err != nil {
			t.Errorf("an empty stream: %v", err)
		}
	})
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func frame(kind byte, number uint32, payload string) string {
	b := binary.LittleEndian.AppendUint32([]byte{kind}, number)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	return string(b) + payload
}

func hello(w io.Writer, c layers.Codec) {
	io.WriteString(w, frame('h', uint32(c.Dialect)<<8|uint32(c.Order), "pfkeycap target 1"))
}

// What a server can say never makes a Remote panic or hang.
func FuzzRemote(f *testing.F) {
	good := frame('h', uint32(layers.Linux)<<8|1, "pfkeycap target 1")
	f.Add([]byte(good + frame('m', 1, "hello") + frame('e', 22, "")))
	f.Add([]byte(good + frame('x', 0, "sorry")))
	f.Add([]byte(good + frame('e', 0, "") + frame('e', 0, "") + frame('e', 0, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r, err := replay.NewRemote(ctx, bytes.NewReader(b), nopCloser{io.Discard})
		if err != nil {
			return
		}
		defer r.Close()
		for range 4 {
			if err := r.Send(ctx, replay.Request{Message: []byte("x")}); err != nil {
				return
			}
			if _, err := r.Recv(ctx); err != nil {
				if errors.Is(err, context.DeadlineExceeded) {
					t.Fatal("it hangs")
				}
				return
			}
		}
	})
}

// What a client can say never makes Serve panic or allocate without end.
func FuzzServe(f *testing.F) {
	f.Add([]byte(frame('q', 1, "hello") + frame('l', 1, "hello")))
	f.Add([]byte(frame('q', 1, "")[:5]))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = replay.Serve(context.Background(), bytes.NewReader(b), io.Discard, replaytest.New(little, echo))
	})
}

func BenchmarkRemote(b *testing.B) {
	msg := state(layers.GET, 1, spi1, 100, key("0123456789abcdefghij"))
	answer := replay.Answer{Messages: []replay.Message{{Data: msg}}}
	for _, window := range []int{1, 32} {
		b.Run(fmt.Sprint("window=", window), func(b *testing.B) {
			remote, _ := serve(b, replaytest.New(little, func(replay.Request) (replay.Answer, error) { return answer, nil }))
			ctx := context.Background()
			open := 0
			b.ReportAllocs()
			for b.Loop() {
				if open == window {
					if _, err := remote.Recv(ctx); err != nil {
						b.Fatal(err)
					}
					open--
				}
				if err := remote.Send(ctx, replay.Request{Message: msg}); err != nil {
					b.Fatal(err)
				}
				open++
			}
		})
	}
}
