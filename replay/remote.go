package replay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// A target can be at the other end of two byte streams, such as the standard
// streams of a process in a sandbox: Serve there, NewRemote here. What is sent
// over them are frames: a byte that says what it is, a number and the length of
// the rest as four bytes each, little-endian, and the rest.
//
// The server begins with a hello. Then it answers each request with the messages
// that came, in order, and an end. Requests may be sent ahead of their answers;
// the server only sends what it has when it would have to wait for the next
// request.
type frameKind byte

const (
	frameHello   frameKind = 'h' // from the server: number = dialect<<8 | order; the rest is remoteMagic
	frameRequest frameKind = 'q' // to the server: number = socket; the rest is the message
	frameLast    frameKind = 'l' // likewise, and the socket is not needed afterwards
	frameMessage frameKind = 'm' // from the server: number = socket; the rest is the message
	frameEnd     frameKind = 'e' // from the server, the answer is complete: number = errno of write(2)
	frameFailed  frameKind = 'x' // from the server, it cannot go on: the rest says why
)

// remoteMagic tells versions of the protocol apart.
const remoteMagic = "pfkeycap target 1"

const (
	frameHeader = 9
	// maxFrame is more than a message can have, and room for a long error.
	maxFrame = layers.MaxMessage + 64
	// maxAnswer bounds what the answer to one request may hold, in bytes.
	maxAnswer = 1 << 30
)

// ErrProtocol means that the other end does not speak the protocol of Serve.
var ErrProtocol = errors.New("not a target's answer")

type frameReader struct {
	r   *bufio.Reader
	buf bytes.Buffer
}

// next reads a frame. Its payload is valid until the next call. io.EOF means that
// the stream ended where a frame could begin.
func (f *frameReader) next() (kind frameKind, number uint32, payload []byte, err error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		return 0, 0, nil, err
	}
	kind = frameKind(h[0])
	number = binary.LittleEndian.Uint32(h[1:])
	n := binary.LittleEndian.Uint32(h[5:])
	if n > maxFrame {
		return 0, 0, nil, fmt.Errorf("%w: a frame %q of %d bytes, longer than %d", ErrProtocol, h[0], n, maxFrame)
	}
	f.buf.Reset()
	// The buffer grows with what arrives, not with what is announced.
	if _, err := io.CopyN(&f.buf, f.r, int64(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, 0, nil, err
	}
	return kind, number, f.buf.Bytes(), nil
}

func writeFrame(w *bufio.Writer, kind frameKind, number uint32, payload []byte) error {
	var h [frameHeader]byte
	h[0] = byte(kind)
	binary.LittleEndian.PutUint32(h[1:], number)
	binary.LittleEndian.PutUint32(h[5:], uint32(len(payload)))
	if _, err := w.Write(h[:]); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// Serve lets t answer the requests that come from r, until r ends. The answers go
// to w. It returns nil at the end of r, or what made it stop; the other end is told
// too. t is not closed.
func Serve(ctx context.Context, r io.Reader, w io.Writer, t Target) error {
	in := frameReader{r: bufio.NewReaderSize(r, 64<<10)}
	out := bufio.NewWriterSize(w, 64<<10)
	c := t.Codec()
	if err := writeFrame(out, frameHello, uint32(c.Dialect)<<8|uint32(c.Order), []byte(remoteMagic)); err != nil {
		return err
	}
	for {
		if in.r.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("writing answers: %w", err)
			}
		}
		kind, socket, msg, err := in.next()
		if err == io.EOF {
			return out.Flush()
		}
		if err == nil && kind != frameRequest && kind != frameLast {
			err = fmt.Errorf("%w: a frame %q", ErrProtocol, byte(kind))
		}
		if err != nil {
			return fmt.Errorf("reading requests: %w", err)
		}
		a, err := exchange(ctx, t, Request{Socket: int(socket), Message: msg, Last: kind == frameLast})
		if err != nil {
			text := err.Error()
			_ = writeFrame(out, frameFailed, 0, []byte(text[:min(len(text), 4096)]))
			_ = out.Flush()
			return err
		}
		for _, m := range a.Messages {
			if err := writeFrame(out, frameMessage, uint32(m.Socket), m.Data); err != nil {
				return fmt.Errorf("writing answers: %w", err)
			}
		}
		if err := writeFrame(out, frameEnd, uint32(a.Errno), nil); err != nil {
			return fmt.Errorf("writing answers: %w", err)
		}
	}
}

func exchange(ctx context.Context, t Target, r Request) (Answer, error) {
	if err := t.Send(ctx, r); err != nil {
		return Answer{}, err
	}
	return t.Recv(ctx)
}

// Remote is a Target at the other end of two streams.
type Remote struct {
	codec   layers.Codec
	in      io.Reader
	w       io.WriteCloser
	out     *bufio.Writer
	answers chan remoteAnswer
	open    int // requests without an answer taken
	end     error
	close   sync.Once
	closed  chan struct{}
}

type remoteAnswer struct {
	Answer
	err error
}

var _ Target = (*Remote)(nil)

// NewRemote returns the target that Serve serves at the other end of r and w. It
// waits for the server's hello. Close closes w, upon which the server ends; if ctx
// or that of a later call ends, w is closed, and r too if it is an io.Closer, and
// the target is of no further use.
func NewRemote(ctx context.Context, r io.Reader, w io.WriteCloser) (*Remote, error) {
	t := &Remote{in: r, w: w, out: bufio.NewWriterSize(w, 64<<10), answers: make(chan remoteAnswer, MaxOutstanding), closed: make(chan struct{})}
	hello := make(chan error, 1)
	go t.read(hello)
	select {
	case err := <-hello:
		if err != nil {
			t.abort()
			return nil, fmt.Errorf("waiting for the target: %w", err)
		}
		return t, nil
	case <-ctx.Done():
		t.abort()
		return nil, fmt.Errorf("waiting for the target: %w", context.Cause(ctx))
	}
}

// read hands over the answers as they come. There are never more than the channel
// holds, so it always reads on and the server can always write.
func (t *Remote) read(hello chan<- error) {
	in := frameReader{r: bufio.NewReaderSize(t.in, 64<<10)}
	kind, number, rest, err := in.next()
	t.codec = layers.Codec{Dialect: layers.Dialect(number >> 8 & 0xff), Order: layers.Order(number & 0xff)}
	switch {
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	case err == nil && (kind != frameHello || string(rest) != remoteMagic):
		err = fmt.Errorf("%w: want the hello of %q", ErrProtocol, remoteMagic)
	case err == nil && (t.codec.Dialect.String() == "unknown" || t.codec.Order.Abbrev() == ""):
		err = fmt.Errorf("%w: a hello with codec %#x", ErrProtocol, number)
	}
	hello <- err
	if err != nil {
		return
	}
	for {
		a, err := readAnswer(&in)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // Close does not wait for it
		}
		select {
		case t.answers <- remoteAnswer{a, err}:
		case <-t.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

func readAnswer(in *frameReader) (a Answer, err error) {
	total := 0
	for {
		kind, number, payload, err := in.next()
		if err != nil {
			if len(a.Messages) > 0 && err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return a, err
		}
		switch kind {
		case frameMessage:
			if total += len(payload); total > maxAnswer {
				return a, fmt.Errorf("%w: more than %d bytes to one request", ErrProtocol, maxAnswer)
			}
			a.Messages = append(a.Messages, Message{Socket: int(number), Data: bytes.Clone(payload)})
		case frameEnd:
			a.Errno = int(number)
			return a, nil
		case frameFailed:
			return a, fmt.Errorf("the target failed: %s", payload)
		default:
			return a, fmt.Errorf("%w: a frame %q", ErrProtocol, byte(kind))
		}
	}
}

// Codec is that of the served target.
func (t *Remote) Codec() layers.Codec { return t.codec }

// Send writes the request into a buffer, which goes out when it is full or an
// answer has to be waited for.
func (t *Remote) Send(ctx context.Context, r Request) error {
	if t.end != nil {
		return t.end
	}
	if t.open == MaxOutstanding {
		return fmt.Errorf("more than %d requests without an answer taken", MaxOutstanding)
	}
	if len(r.Message) > maxFrame {
		return fmt.Errorf("a message of %d bytes: no target takes more than %d", len(r.Message), maxFrame)
	}
	kind := frameRequest
	if r.Last {
		kind = frameLast
	}
	if t.out.Available() < frameHeader+len(r.Message) { // it may have to wait
		defer t.watch(ctx)()
	}
	if err := writeFrame(t.out, kind, uint32(r.Socket), r.Message); err != nil {
		return t.lost(ctx, err)
	}
	t.open++
	return nil
}

// watch makes the end of ctx end a write that waits.
func (t *Remote) watch(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, t.abort)
}

// Recv waits for the answer to the oldest request. Its memory stays valid.
func (t *Remote) Recv(ctx context.Context) (Answer, error) {
	if t.end != nil {
		return Answer{}, t.end
	}
	if t.open == 0 {
		return Answer{}, errors.New("no request is waiting for an answer")
	}
	var a remoteAnswer
	select {
	case a = <-t.answers:
	default:
		if t.out.Buffered() > 0 {
			stop := t.watch(ctx)
			err := t.out.Flush()
			stop()
			if err != nil {
				return Answer{}, t.lost(ctx, err)
			}
		}
		select {
		case a = <-t.answers:
		case <-ctx.Done():
			return Answer{}, t.fail(ctx, ctx.Err())
		}
	}
	if a.err != nil {
		return Answer{}, t.fail(ctx, a.err)
	}
	t.open--
	return a.Answer, nil
}

// patience is how long the reason for a failed write is waited for.
const patience = time.Second

// fail ends the target for good. What the server said before a write failed tells
// more than that it failed.
func (t *Remote) fail(ctx context.Context, err error) error {
	t.end = err
	if ctx.Err() != nil {
		t.end = context.Cause(ctx)
	}
	t.abort()
	return t.end
}

// lost is fail after a write that failed.
func (t *Remote) lost(ctx context.Context, err error) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case a := <-t.answers:
			if a.err != nil {
				return t.fail(ctx, a.err)
			}
		case <-timer.C:
			return t.fail(ctx, err)
		case <-ctx.Done():
			return t.fail(ctx, err)
		}
	}
}

func (t *Remote) abort() {
	_ = t.Close()
	if c, ok := t.in.(io.Closer); ok {
		_ = c.Close()
	}
}

// Close closes the stream to the server, which then ends.
func (t *Remote) Close() (err error) {
	t.close.Do(func() {
		err = t.w.Close()
		close(t.closed)
	})
	return err
}
