package judge

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay"
)

// A kernel that is judged by is at the other end of two byte streams: Serve in the
// sandbox, Connect outside. The server begins with wireMagic and a byte each for
// dialect and byte order. A request is a byte that says whether its socket is to be
// closed, the socket and the message; an answer is an errno, the number of messages,
// and the socket and bytes of each. Numbers are unsigned varints, bytes stand behind
// their number. Requests may be sent ahead; the server writes what it has when it would
// have to wait for the next one.
const wireMagic = "pfkeycap judge 1\n"

// The most that is read of a stream at once.
const (
	maxWireMessage = layers.MaxMessage + 64
	maxWireAnswer  = 1 << 20 // messages
)

// ErrProtocol means that the other end is none of Serve.
var ErrProtocol = errors.New("not a kernel to be judged by")

// Serve lets t answer the requests that come from r, until r ends. It returns nil then,
// or what made it stop. t is not closed.
func Serve(ctx context.Context, r io.Reader, w io.Writer, t replay.Target) error {
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	c := t.Codec()
	out.WriteString(wireMagic)
	out.Write([]byte{byte(c.Dialect), byte(c.Order)})
	var msg, num []byte
	for {
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("writing answers: %w", err)
			}
		}
		last, err := in.ReadByte()
		if err == io.EOF {
			return out.Flush()
		}
		var q replay.Request
		if err == nil {
			q.Last = last != 0
			q.Socket, err = readNumber(in, replay.MaxOutstanding)
		}
		if err == nil {
			msg, err = readBytes(in, msg[:0])
			q.Message = msg
		}
		if err != nil {
			return fmt.Errorf("reading requests: %w", err)
		}
		if err = t.Send(ctx, q); err != nil {
			return errors.Join(err, out.Flush())
		}
		a, err := t.Recv(ctx)
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		num = binary.AppendUvarint(num[:0], uint64(a.Errno))
		out.Write(binary.AppendUvarint(num, uint64(len(a.Messages))))
		for _, m := range a.Messages {
			num = binary.AppendUvarint(num[:0], uint64(m.Socket))
			out.Write(binary.AppendUvarint(num, uint64(len(m.Data))))
			out.Write(m.Data)
		}
	}
}

func readNumber(r *bufio.Reader, most int) (int, error) {
	n, err := binary.ReadUvarint(r)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && n > uint64(most) {
		err = fmt.Errorf("%w: %d is above %d", ErrProtocol, n, most)
	}
	return int(n), err
}

// readBytes appends bytes behind their number to dst, which grows with what arrives.
func readBytes(r *bufio.Reader, dst []byte) ([]byte, error) {
	n, err := readNumber(r, maxWireMessage)
	for n > 0 && err == nil {
		k := min(n, 64<<10)
		from := len(dst)
		dst = append(dst, make([]byte, k)...)
		_, err = io.ReadFull(r, dst[from:])
		n -= k
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return dst, err
}

// Remote is the kernel that Serve serves.
type Remote struct {
	codec   layers.Codec
	r       io.Reader
	w       io.WriteCloser
	out     *bufio.Writer
	answers chan wireAnswer
	waiting int // requests without an answer taken
	end     error
	closing sync.Once
	closed  chan struct{}
}

type wireAnswer struct {
	replay.Answer
	err error
}

var _ replay.Target = (*Remote)(nil)

// Connect returns the kernel at the other end of r and w, whose hello it waits for.
// Close closes w, upon which the server ends. If ctx, or that of a later call, ends, w
// is closed, and r too if it is an io.Closer, and the Remote is of no further use.
func Connect(ctx context.Context, r io.Reader, w io.WriteCloser) (*Remote, error) {
	t := &Remote{r: r, w: w, out: bufio.NewWriterSize(w, 64<<10), answers: make(chan wireAnswer, replay.MaxOutstanding), closed: make(chan struct{})}
	in := bufio.NewReaderSize(r, 64<<10)
	stop := context.AfterFunc(ctx, t.abort)
	err := t.hello(in)
	stop()
	if err != nil {
		t.abort()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("waiting for the kernel: %w", err)
	}
	go t.read(in)
	return t, nil
}

func (t *Remote) hello(in *bufio.Reader) error {
	var h [len(wireMagic) + 2]byte
	switch _, err := io.ReadFull(in, h[:]); {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case string(h[:len(wireMagic)]) != wireMagic:
		return fmt.Errorf("%w: want the hello of %q", ErrProtocol, wireMagic)
	}
	t.codec = layers.Codec{Dialect: layers.Dialect(h[len(wireMagic)]), Order: layers.Order(h[len(wireMagic)+1])}
	if t.codec.Dialect.String() == "unknown" || t.codec.Order.Abbrev() == "" {
		return fmt.Errorf("%w: a hello with dialect %d and byte order %d", ErrProtocol, t.codec.Dialect, t.codec.Order)
	}
	return nil
}

// read hands over the answers as they come. There are never more than the channel
// holds, so it always reads on and the server can always write.
func (t *Remote) read(in *bufio.Reader) {
	for {
		a, err := readAnswer(in)
		select {
		case t.answers <- wireAnswer{a, err}:
		case <-t.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

func readAnswer(in *bufio.Reader) (a replay.Answer, err error) {
	if a.Errno, err = readNumber(in, 1<<16); err != nil {
		return a, err
	}
	n, err := readNumber(in, maxWireAnswer)
	for ; n > 0 && err == nil; n-- {
		var m replay.Message
		if m.Socket, err = readNumber(in, replay.MaxOutstanding); err == nil {
			m.Data, err = readBytes(in, nil)
		}
		a.Messages = append(a.Messages, m)
	}
	return a, err
}

// Codec is that of the served kernel.
func (t *Remote) Codec() layers.Codec { return t.codec }

// Send writes the request into a buffer, which goes out when it is full or an answer
// has to be waited for.
func (t *Remote) Send(ctx context.Context, q replay.Request) error {
	switch {
	case t.end != nil:
		return t.end
	case t.waiting == replay.MaxOutstanding:
		return fmt.Errorf("more than %d requests without an answer taken", replay.MaxOutstanding)
	case len(q.Message) > maxWireMessage:
		return fmt.Errorf("a message of %d bytes: no kernel takes more than %d", len(q.Message), maxWireMessage)
	}
	var head [2*binary.MaxVarintLen64 + 1]byte
	b := head[:1]
	if q.Last {
		b[0] = 1
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(q.Socket)), uint64(len(q.Message)))
	if t.out.Available() < len(b)+len(q.Message) { // it may have to wait
		defer context.AfterFunc(ctx, t.abort)()
	}
	t.out.Write(b)
	if _, err := t.out.Write(q.Message); err != nil {
		return t.fail(ctx, err)
	}
	t.waiting++
	return nil
}

// Recv waits for the answer to the oldest request. Its memory stays valid.
func (t *Remote) Recv(ctx context.Context) (replay.Answer, error) {
	switch {
	case t.end != nil:
		return replay.Answer{}, t.end
	case t.waiting == 0:
		return replay.Answer{}, errors.New("no request is waiting for an answer")
	}
	var a wireAnswer
	select {
	case a = <-t.answers:
	default:
		if t.out.Buffered() > 0 {
			stop := context.AfterFunc(ctx, t.abort)
			err := t.out.Flush()
			stop()
			if err != nil {
				return replay.Answer{}, t.fail(ctx, err)
			}
		}
		select {
		case a = <-t.answers:
		case <-ctx.Done():
			return replay.Answer{}, t.fail(ctx, ctx.Err())
		}
	}
	if a.err != nil {
		return replay.Answer{}, t.fail(ctx, a.err)
	}
	t.waiting--
	return a.Answer, nil
}

// fail ends the Remote for good.
func (t *Remote) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	t.end = err
	t.abort()
	return err
}

func (t *Remote) abort() {
	_ = t.Close()
	if c, ok := t.r.(io.Closer); ok {
		_ = c.Close()
	}
}

// Close closes the stream to the server, which then ends.
func (t *Remote) Close() (err error) {
	t.closing.Do(func() {
		err = t.w.Close()
		close(t.closed)
	})
	return err
}
