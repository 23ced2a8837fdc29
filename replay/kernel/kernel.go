// Package kernel is a replay.Target over PF_KEY sockets of the running kernel.
//
// It changes the SAs and policies of the network namespace that it works in, as
// any PF_KEY program does: see package replay/sandbox for a kernel that nobody
// needs.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay"
)

// Options says where the sockets are opened. The zero value is the network
// namespace of the calling thread.
type Options struct {
	// NetNS is the network namespace to work in. It must stay open as long as the
	// target.
	NetNS *keysock.NetNS
	// ReceiveBuffer is the size of the sockets' receive buffers in bytes, 0 for
	// 2 MiB. What does not fit is lost without a trace on Linux, but the queues are
	// emptied after every request, and a long DUMP waits for its reader.
	ReceiveBuffer int
}

const defaultBuffer = 2 << 20

// Target is a replay.Target. Its methods are for one goroutine, except Close.
type Target struct {
	opts    Options
	codec   layers.Codec
	socks   map[int]*keysock.Conn
	order   []int // numbers of the open sockets, in the order of opening
	spare   *keysock.Conn
	queue   []replay.Request
	batch   *keysock.Batch
	data    []byte // of the messages of the last answer
	answer  []replay.Message
	offsets []int
}

var _ replay.Target = (*Target)(nil)

// Open opens the first socket, to find out whether it can be done: the error is
// that of keysock.Open and says what would work.
func Open(o Options) (*Target, error) {
	d, err := dialect()
	if err != nil {
		return nil, err
	}
	if o.ReceiveBuffer == 0 {
		o.ReceiveBuffer = defaultBuffer
	}
	t := &Target{
		opts:  o,
		codec: layers.Codec{Dialect: d, Order: layers.NativeEndian},
		socks: map[int]*keysock.Conn{},
		batch: keysock.NewBatch(0).MessagesOnly(),
	}
	if t.spare, err = t.open(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Target) open() (*keysock.Conn, error) {
	return keysock.Open(keysock.Options{NetNS: t.opts.NetNS, ReceiveBuffer: t.opts.ReceiveBuffer})
}

// dialect is that of the system this program was built for.
func dialect() (layers.Dialect, error) {
	name := runtime.GOOS
	if name == "android" {
		name = "linux"
	}
	d, err := layers.ParseDialect(name)
	if err != nil {
		return layers.NoDialect, fmt.Errorf("%w on %s", keysock.ErrNoPFKEY, runtime.GOOS)
	}
	return d, nil
}

// Codec is the dialect of this system in the byte order of this machine.
func (t *Target) Codec() layers.Codec { return t.codec }

// Send queues a request; Recv hands it to the kernel.
func (t *Target) Send(ctx context.Context, r replay.Request) error {
	if len(t.queue) >= replay.MaxOutstanding {
		return fmt.Errorf("more than %d requests without an answer taken", replay.MaxOutstanding)
	}
	n := len(t.queue)
	t.queue = slices.Grow(t.queue, 1)[:n+1]
	q := &t.queue[n]
	r.Message = append(q.Message[:0], r.Message...)
	*q = r
	return ctx.Err()
}

// Recv writes the oldest request and reads what all sockets have to say then. It
// does not wait: a kernel handles a request inside write(2), and goes on with a
// long DUMP when it is read.
func (t *Target) Recv(ctx context.Context) (replay.Answer, error) {
	if len(t.queue) == 0 {
		return replay.Answer{}, errors.New("no request is waiting for an answer")
	}
	if err := ctx.Err(); err != nil {
		return replay.Answer{}, err
	}
	r := t.queue[0]
	defer func() { // keep the memory of its message for a later one
		copy(t.queue, t.queue[1:])
		t.queue[len(t.queue)-1] = r
		t.queue = t.queue[:len(t.queue)-1]
	}()
	t.data, t.answer, t.offsets = t.data[:0], t.answer[:0], t.offsets[:0]
	c, err := t.socket(r.Socket)
	if err != nil {
		return replay.Answer{}, err
	}
	var a replay.Answer
	if len(r.Message) > 0 {
		if a.Errno, err = write(c, r.Message); err != nil {
			return replay.Answer{}, err
		}
	}
	if err := t.drain(r.Socket, c); err != nil {
		return replay.Answer{}, err
	}
	for _, n := range t.order {
		if n != r.Socket {
			if err := t.drain(n, t.socks[n]); err != nil {
				return replay.Answer{}, err
			}
		}
	}
	if r.Last {
		if err := t.drop(r.Socket); err != nil {
			return replay.Answer{}, err
		}
	}
	for i := range t.answer { // only now does the memory stay where it is
		end := len(t.data)
		if i+1 < len(t.offsets) {
			end = t.offsets[i+1]
		}
		t.answer[i].Data = t.data[t.offsets[i]:end:end]
	}
	a.Messages = t.answer
	return a, nil
}

// socket returns a socket by number, which is opened if need be.
func (t *Target) socket(n int) (*keysock.Conn, error) {
	if c := t.socks[n]; c != nil {
		return c, nil
	}
	c := t.spare
	t.spare = nil
	if c == nil {
		var err error
		if c, err = t.open(); err != nil {
			return nil, fmt.Errorf("socket %d: %w", n, err)
		}
	}
	t.socks[n] = c
	t.order = append(t.order, n)
	return c, nil
}

func (t *Target) drop(n int) error {
	c := t.socks[n]
	delete(t.socks, n)
	t.order = slices.DeleteFunc(t.order, func(x int) bool { return x == n })
	return c.Close()
}

// write returns the errno with which the kernel refused a message, or an error if
// the socket itself failed.
func write(c *keysock.Conn, msg []byte) (int, error) {
	_, err := c.Write(msg)
	if err == nil {
		return 0, nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) && !errors.Is(err, os.ErrClosed) {
		return int(errno), nil
	}
	return 0, err
}

// drain reads what a socket holds.
func (t *Target) drain(n int, c *keysock.Conn) error {
	for {
		got, err := c.TryReadBatch(t.batch)
		for i := range got {
			t.offsets = append(t.offsets, len(t.data))
			t.data = append(t.data, t.batch.Message(i)...)
			t.answer = append(t.answer, replay.Message{Socket: n})
		}
		if err != nil {
			return fmt.Errorf("socket %d: %w", n, err)
		}
		if got < keysock.DefaultBatch {
			return nil
		}
	}
}

// Close closes all sockets.
func (t *Target) Close() error {
	var errs []error
	if t.spare != nil {
		errs = append(errs, t.spare.Close())
		t.spare = nil
	}
	for n, c := range t.socks {
		errs = append(errs, c.Close())
		delete(t.socks, n)
	}
	t.order = nil
	return errors.Join(errs...)
}
