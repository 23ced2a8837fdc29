// Package replaytest has targets for tests of programs that replay or speak PF_KEY:
// no kernel is needed.
//
// A [Target] answers with a function. [Script] makes one of expected messages and
// their answers, [Recording] one that says what the kernel of a capture said.
package replaytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
)

// Target is a replay.Target that is played by a function. It is for one goroutine.
type Target struct {
	codec  layers.Codec
	answer func(replay.Request) (replay.Answer, error)
	rest   func() error
	queue  []replay.Request
	closed bool
}

var _ replay.Target = (*Target)(nil)

// New returns a target whose messages are of the codec and whose answers come from
// the function. The request belongs to the function; the answer must not change
// until the function is called again. An error ends the replay.
func New(c layers.Codec, answer func(replay.Request) (replay.Answer, error)) *Target {
	return &Target{codec: c, answer: answer}
}

// Codec returns the codec that the target was made with.
func (t *Target) Codec() layers.Codec { return t.codec }

// Send queues a request. As any target it refuses more than replay.MaxOutstanding,
// and a closed one refuses all.
func (t *Target) Send(ctx context.Context, r replay.Request) error {
	switch {
	case t.closed:
		return errors.New("replaytest: Send after Close")
	case len(t.queue) >= replay.MaxOutstanding:
		return fmt.Errorf("replaytest: more than %d requests without Recv", replay.MaxOutstanding)
	}
	r.Message = bytes.Clone(r.Message)
	t.queue = append(t.queue, r)
	return ctx.Err()
}

// Recv answers the oldest request.
func (t *Target) Recv(ctx context.Context) (replay.Answer, error) {
	switch {
	case t.closed:
		return replay.Answer{}, errors.New("replaytest: Recv after Close")
	case len(t.queue) == 0:
		return replay.Answer{}, errors.New("replaytest: Recv without Send")
	case ctx.Err() != nil:
		return replay.Answer{}, ctx.Err()
	}
	r := t.queue[0]
	t.queue = append(t.queue[:0], t.queue[1:]...)
	return t.answer(r)
}

// Close ends the target.
func (t *Target) Close() error {
	t.closed = true
	return nil
}

// Done returns an error if the script or recording was not played to its end.
func (t *Target) Done() error {
	if n := len(t.queue); n > 0 {
		return fmt.Errorf("replaytest: %d requests were never received", n)
	}
	if t.rest == nil {
		return nil
	}
	return t.rest()
}

// Step is one part of a script.
type Step struct {
	// Want is the message that must come, byte for byte; nil takes any.
	Want []byte
	// Socket is the socket it must come on.
	Socket int
	// Answers are given on the socket of the request, in order.
	Answers [][]byte
	// Others are messages for other sockets.
	Others []replay.Message
	// Errno is that of write(2); there are no answers then.
	Errno int
}

// Script returns a target that expects the steps in their order. What comes
// otherwise gives an error from Recv that says what, by length and first differing
// byte, since messages may hold keys.
func Script(c layers.Codec, steps ...Step) *Target {
	next := 0
	t := New(c, func(r replay.Request) (replay.Answer, error) {
		if next == len(steps) {
			return replay.Answer{}, fmt.Errorf("replaytest: a message of %d bytes after the script's %d steps", len(r.Message), len(steps))
		}
		s := &steps[next]
		next++
		if s.Want != nil && !bytes.Equal(s.Want, r.Message) {
			at := 0
			for at < len(r.Message) && at < len(s.Want) && r.Message[at] == s.Want[at] {
				at++
			}
			return replay.Answer{}, fmt.Errorf("replaytest: step %d: a message of %d bytes came, want %d; the first difference is at byte %d",
				next, len(r.Message), len(s.Want), at)
		}
		if s.Socket != r.Socket {
			return replay.Answer{}, fmt.Errorf("replaytest: step %d: came on socket %d, want %d", next, r.Socket, s.Socket)
		}
		a := replay.Answer{Errno: s.Errno}
		for _, b := range s.Answers {
			a.Messages = append(a.Messages, replay.Message{Socket: r.Socket, Data: b})
		}
		a.Messages = append(a.Messages, s.Others...)
		return a, nil
	})
	t.rest = func() error {
		if next < len(steps) {
			return fmt.Errorf("replaytest: %d of the script's %d steps did not happen", len(steps)-next, len(steps))
		}
		return nil
	}
	return t
}

// Recording returns a target that answers as the kernel of a capture did, with the
// recorded bytes: the n-th request gets the answers to the n-th recorded one, which
// must have its type, SA type, sequence number and process. A replay of the same
// capture must find everything equal. What a replay does not send is left out:
// X_PROMISC switches, and what was cut short.
func Recording(src replay.Source) (*Target, error) {
	var requests [][]byte
	var answers [][][]byte
	var errnos []int
	var codec layers.Codec // of the kernel; a request may have come in the wrong byte order
	kernel := false        // codec is its own
	index := map[uint64]int{}
	for {
		r, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("replaytest: %w", err)
		}
		b := bytes.Clone(r.Bytes())
		if r.Dir == record.FromKernel && !kernel {
			codec, kernel = r.Codec, true
		}
		switch src.Role() {
		case trace.Request:
			if codec.IsZero() {
				codec = r.Codec
			}
			if r.OrigLen > len(r.Data) || switches(r.Codec, b) {
				continue
			}
			index[r.Number] = len(requests)
			requests, answers = append(requests, r.Codec.Unwrap(b)), append(answers, nil)
			errnos = append(errnos, int(r.WriteErrno))
		case trace.Reply:
			if i, ok := index[r.ReplyTo]; ok {
				answers[i] = append(answers[i], r.Codec.Unwrap(b))
			}
		}
	}
	next := 0
	t := New(codec, func(r replay.Request) (replay.Answer, error) {
		if next == len(requests) {
			return replay.Answer{}, fmt.Errorf("replaytest: more than the %d requests of the recording", len(requests))
		}
		want, got := requests[next], r.Message
		next++
		if !sameHeader(want, got) {
			return replay.Answer{}, fmt.Errorf("replaytest: request %d has another header than the recorded one", next)
		}
		a := replay.Answer{Errno: errnos[next-1]}
		if a.Errno == 0 && codec.Dialect == layers.Linux && len(answers[next-1]) == 0 {
			a.Errno = refusal(codec, got)
		}
		for _, b := range answers[next-1] {
			a.Messages = append(a.Messages, replay.Message{Socket: r.Socket, Data: b})
		}
		return a, nil
	})
	t.rest = func() error {
		if next < len(requests) {
			return fmt.Errorf("replaytest: %d of %d recorded requests did not come", len(requests)-next, len(requests))
		}
		return nil
	}
	return t, nil
}

// switches reports whether a message switches X_PROMISC.
func switches(c layers.Codec, b []byte) bool {
	return len(b) == layers.BaseLen && b[1] == layers.PROMISC && (b[3] <= 1 || c.Dialect != layers.Linux)
}

// sameHeader compares headers, but for lengths and sadb_msg_reserved, which a
// replay may set.
func sameHeader(a, b []byte) bool {
	if len(a) < layers.BaseLen || len(b) < layers.BaseLen {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(a[:4], b[:4]) && bytes.Equal(a[8:layers.BaseLen], b[8:layers.BaseLen])
}

// refusal is the errno with which Linux refuses a message in write(2), or 0.
func refusal(c layers.Codec, b []byte) int {
	const einval, emsgsize = 22, 90
	base, _, _ := c.Extensions(b)
	switch {
	case base == nil:
		return emsgsize
	case base.Version != layers.Version, base.Reserved != 0, base.Type == 0, base.Type > layers.MIGRATE:
		return einval
	case base.Len < 2, int(base.Len) != len(b)/layers.Word:
		return emsgsize
	}
	return 0
}
