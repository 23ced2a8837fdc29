package replay_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// serve connects a Remote with a target over pipes, and returns what Serve returns.
func serve(t testing.TB, target replay.Target) (*replay.Remote, <-chan error) {
	t.Helper()
	in, requests := io.Pipe()
	results, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- replay.Serve(context.Background(), in, out, target, nil)
		out.Close()
	}()
	r, err := replay.NewRemote(context.Background(), results, requests)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, done
}

// remotePlan is a plan of n requests, and what answers them.
func remotePlan(t testing.TB, n int) (*replay.Plan, func(replay.Request) (replay.Answer, error)) {
	s := &said{}
	for i := range uint32(n) {
		s.ask(request(layers.GET, i, spi1), header(layers.GET, i, 3))
	}
	return s.plan(t), func(q replay.Request) (replay.Answer, error) {
		return replay.Answer{Messages: []replay.Message{{Socket: q.Socket, Data: header(layers.GET, binary.LittleEndian.Uint32(q.Message[8:]), 3)}}}, nil
	}
}

// A replay elsewhere finds what a replay here finds, of every fixture, and shows
// the same messages on their way.
func TestRemoteReplay(t *testing.T) {
	type seen struct {
		dir    record.Direction
		socket int
		record uint64
		copy   bool
		data   string
	}
	for _, path := range fixtures(t) {
		list, promisc := load(t, path, true)
		// Requests in another order than they were recorded in give differences.
		o := replay.PlanOptions{
			Select: func(r *record.Record) bool { return r.Number%7 != 0 },
			Addrs:  []replay.AddrMap{addrMap(t, "192.0.2.0/24=10.9.8.0/24")},
		}
		plan, err := replay.NewPlan(traced(list, promisc), o)
		if errors.Is(err, replay.ErrNoRequests) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if plan.Dialect != layers.Linux.String() {
			continue // no fixture of its own system's answers is needed here
		}
		answer := func() func(replay.Request) (replay.Answer, error) {
			n := 0
			return func(q replay.Request) (replay.Answer, error) {
				// Not what was recorded, but the same each time.
				m := bytes.Clone(q.Message)
				if n++; len(m) >= layers.BaseLen && n%3 != 0 {
					m[2] = byte(n)
				}
				return replay.Answer{Messages: []replay.Message{{Socket: q.Socket, Data: m}, {Socket: q.Socket + 1, Data: m}}}, nil
			}
		}
		var here, there []seen
		watch := func(list *[]seen) func(o *replay.Observed) {
			return func(o *replay.Observed) {
				if o.Time.IsZero() || o.Codec.IsZero() {
					t.Errorf("observed %+v", o)
				}
				*list = append(*list, seen{o.Dir, o.Socket, o.Record, o.Copy, string(o.Data)})
			}
		}
		opts := replay.RunOptions{Limit: 40, Loops: 2, Clear: true, Observe: watch(&here)}
		want, err := replay.Run(t.Context(), plan, replaytest.New(little, answer()), opts)
		if err != nil {
			t.Fatal(err)
		}
		remote, done := serve(t, replaytest.New(little, answer()))
		opts.Observe = watch(&there)
		got, err := remote.Run(t.Context(), plan, opts)
		if err != nil {
			t.Fatal(err)
		}
		want.Seconds, got.Seconds = 0, 0
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: here\n%s\nthere\n%s", path, a, b)
		}
		if fmt.Sprint(here) != fmt.Sprint(there) || len(here) == 0 {
			t.Errorf("%s: observed %d messages here and %d there", path, len(here), len(there))
		}
		remote.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

// One connection runs several plans.
func TestRemoteTwice(t *testing.T) {
	plan, answer := remotePlan(t, 3)
	remote, _ := serve(t, replaytest.New(little, answer))
	for range 3 {
		r, err := remote.Run(t.Context(), plan, replay.RunOptions{})
		if err != nil || r.Equal != 3 {
			t.Fatalf("%v, %v", r.Counts(), err)
		}
	}
}

func TestRemoteStopped(t *testing.T) {
	plan, answer := remotePlan(t, 1000)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	n := 0
	remote, done := serve(t, replaytest.New(little, func(q replay.Request) (replay.Answer, error) {
		if n++; n == 5 {
			cancel(enough)
		}
		time.Sleep(time.Millisecond) // the news take a moment
		return answer(q)
	}))
	r, err := remote.Run(ctx, plan, replay.RunOptions{})
	if !errors.Is(err, enough) || !strings.Contains(err.Error(), "replay stopped at #") {
		t.Errorf("error %v", err)
	}
	if r.Sent < 5 || r.Sent == 1000 || r.Equal != len(r.Exchanges) || r.Equal < 5 {
		t.Errorf("%s", r.Counts())
	}
	if _, err := remote.Run(t.Context(), plan, replay.RunOptions{}); err == nil {
		t.Error("a Remote that was stopped runs another plan")
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// While the pace makes a run wait, it is alive; while the target is waited for, it
// is not.
func TestRemoteProgress(t *testing.T) {
	plan, answer := remotePlan(t, 2)
	hang := make(chan bool)
	remote, _ := serve(t, replaytest.New(little, func(q replay.Request) (replay.Answer, error) {
		<-hang
		return answer(q)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	beats := make(chan int, 100)
	over := make(chan error)
	go func() {
		_, err := remote.Run(ctx, plan, replay.RunOptions{Pace: replay.Pace{PerSecond: 0.01}, Progress: func(n int) { beats <- n }})
		over <- err
	}()
	hang <- true
	for range 2 { // there would be none without the wait
		if n := <-beats; n > 1 {
			t.Errorf("%d sent", n)
		}
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestRemoteFailures(t *testing.T) {
	ctx := context.Background()
	plan, answer := remotePlan(t, 5)
	t.Run("the target fails", func(t *testing.T) {
		n := 0
		remote, _ := serve(t, replaytest.New(little, func(q replay.Request) (replay.Answer, error) {
			if n++; n == 3 {
				return replay.Answer{}, errors.New("no more sockets")
			}
			return answer(q)
		}))
		r, err := remote.Run(ctx, plan, replay.RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "#5") || !strings.Contains(err.Error(), "no more sockets") || r.Equal != 2 {
			t.Errorf("%s, %v", r.Counts(), err)
		}
	})
	t.Run("another system", func(t *testing.T) {
		remote, _ := serve(t, replaytest.New(layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}, answer))
		if _, err := remote.Run(ctx, plan, replay.RunOptions{}); err == nil || !strings.Contains(err.Error(), "of freebsd") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		remote, _ := serve(t, replaytest.New(little, answer))
		if _, err := remote.Run(ctx, plan, replay.RunOptions{Limit: -1}); err == nil {
			t.Error("no error")
		}
	})
	for _, test := range []struct{ name, says, want string }{
		{"the server goes away", "", "unexpected EOF"},
		{"in the middle", frame('y', 0, "{")[:5], "unexpected EOF"},
		{"a bad report", frame('y', 0, "{") + frame('z', 0, ""), "not a server of replays"},
		{"no report", frame('z', 0, ""), "not a server of replays"},
		{"a short message", frame('o', 0, "short"), "not a server of replays"},
		{"another frame", frame('h', 0, ""), "not a server of replays"},
		{"its end while it is observed", frame('o', 0, "\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x02\x00"), "after the request of #7: unexpected EOF"},
		{"its error", frame('y', 0, "{}") + frame('z', 0, "sorry"), "sorry"},
	} {
		t.Run(test.name, func(t *testing.T) {
			remote, err := replay.NewRemote(ctx, strings.NewReader(hello(little)+test.says), nopCloser{io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := remote.Run(ctx, plan, replay.RunOptions{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("the server hangs", func(t *testing.T) {
		here, there := net.Pipe()
		go func() {
			io.WriteString(there, hello(little))
			io.Copy(io.Discard, there)
		}()
		remote, err := replay.NewRemote(ctx, here, here)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := remote.Run(ctx, plan, replay.RunOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
	for _, test := range []struct{ name, says string }{
		{"not our protocol", "HTTP/1.1 400 Bad Request\r\n\r\n"},
		{"no hello", frame('y', 0, "x")},
		{"another version", frame('h', 2<<8|1, "pfkeycap replay 99")},
		{"unknown dialect", frame('h', 77<<8|1, "pfkeycap replay 3")},
		{"no byte order", frame('h', 2<<8, "pfkeycap replay 3")},
		{"too long", "h\x00\x00\x00\x00\xff\xff\xff\xff"},
		{"nothing", ""},
		{"half a hello", hello(little)[:12]},
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
		for _, say := range []string{
			frame('m', 0, "x"), "q", frame('j', 0, "abc")[:10], "j\x00\x00\x00\x00\xff\xff\xff\x7f",
			frame('g', 0, ""), frame('j', 0, "abc") + frame('g', 0, ""),
			job("") + frame('g', 0, ""), job("\x02{}") + frame('j', 0, "x") + frame('g', 0, ""),
			job("\x02{}x") + frame('g', 0, ""), job("\x0d{\"records\":1}") + frame('g', 0, ""),
		} {
			if err := replay.Serve(ctx, strings.NewReader(say), io.Discard, replaytest.New(little, answer), nil); err == nil {
				t.Errorf("%q: no error", say)
			}
		}
		for _, say := range []string{"", job("\x02{}") + frame('g', 0, "")} {
			if err := replay.Serve(ctx, strings.NewReader(say), io.Discard, replaytest.New(little, answer), nil); err != nil {
				t.Errorf("%q: %v", say, err)
			}
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

func hello(c layers.Codec) string {
	return frame('h', uint32(c.Dialect)<<8|uint32(c.Order), "pfkeycap replay 3")
}

// job is a piece with a whole compressed job.
func job(text string) string {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, flate.BestSpeed)
	io.WriteString(z, text)
	z.Close()
	return frame('j', 0, b.String())
}

// What a server can say never makes a Remote panic or hang.
func FuzzRemote(f *testing.F) {
	plan, _ := remotePlan(f, 2)
	f.Add([]byte(hello(little) + frame('s', 1, "") + frame('o', 0, strings.Repeat("o", 40)) + frame('y', 0, `{"sent":2}`) + frame('z', 0, "")))
	f.Add([]byte(hello(big) + frame('y', 0, "{}") + frame('z', 0, "sorry")))
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r, err := replay.NewRemote(ctx, bytes.NewReader(b), nopCloser{io.Discard})
		if err != nil {
			return
		}
		defer r.Close()
		if _, err := r.Run(ctx, plan, replay.RunOptions{Observe: func(*replay.Observed) {}}); errors.Is(err, context.DeadlineExceeded) {
			t.Fatal("it hangs")
		}
	})
}

// What a client can say never makes Serve panic or allocate without end.
func FuzzServe(f *testing.F) {
	f.Add([]byte("\x02{}"))
	f.Add([]byte("\x0d{\"records\":1}\x04\x02\x01\x01\x00\x01\x02\x00\x00"))
	list, promisc := load(f, "../fixtures/linux/uml-x86_64/flush/P-promisc.pcapng", true)
	f.Add(jobOf(f, planOf(f, list, promisc)))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := job(string(b)) + frame('g', 0, "")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = replay.Serve(ctx, strings.NewReader(in), io.Discard, replaytest.New(little, func(replay.Request) (replay.Answer, error) {
			return replay.Answer{}, nil
		}), nil)
	})
}

// jobOf is what a Remote sends to have a plan run.
func jobOf(t testing.TB, plan *replay.Plan) []byte {
	var sent bytes.Buffer
	r, err := replay.NewRemote(context.Background(), strings.NewReader(hello(little)+frame('y', 0, "{}")+frame('z', 0, "")), nopCloser{&sent})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(context.Background(), plan, replay.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	var packed []byte
	for b := sent.Bytes(); len(b) > 9; {
		n := binary.LittleEndian.Uint32(b[5:])
		packed = append(packed, b[9:9+n]...)
		b = b[9+n:]
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func BenchmarkJob(b *testing.B) {
	list, promisc := load(b, "../fixtures/linux/uml-x86_64/visibility/promisc.pcapng", true)
	plan := planOf(b, list, promisc)
	n := 0
	for b.Loop() {
		n = len(jobOf(b, plan))
	}
	b.SetBytes(int64(n))
}
