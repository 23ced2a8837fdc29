// Package kernel is a replay.Target over PF_KEY sockets of the running kernel.
//
// It changes the SAs and policies of the network namespace that it works in, as
// any PF_KEY program does: see package replay/sandbox for a kernel that nobody
// needs.
package kernel

import (
	"context"
	"encoding/binary"
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
	opts  Options
	codec layers.Codec
	socks map[int]*keysock.Conn
	order []int           // numbers of the open sockets, in the order of opening
	conns []*keysock.Conn // the same
	spare *keysock.Conn

	queue []replay.Request // from head on: not yet handled
	head  int

	// Of the requests that were handled last:
	answers []replay.Answer // from taken on: not yet taken
	taken   int
	errnos  []int
	found   []found
	data    []byte // of all messages
	list    []replay.Message

	batch *keysock.Batch
	poll  keysock.Poll
	ready []int
	lot   [][]byte
	keys  []key
}

// found is a message that was read.
type found struct {
	request  int // the one of those handled together that it is given to
	socket   int
	from, to int // in Target.data
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
	if len(t.queue)-t.head+len(t.answers)-t.taken >= replay.MaxOutstanding {
		return fmt.Errorf("more than %d requests without an answer taken", replay.MaxOutstanding)
	}
	if t.head >= replay.MaxOutstanding { // the memory of those handled is kept for later ones
		for i := t.head; i < len(t.queue); i++ {
			t.queue[i-t.head], t.queue[i] = t.queue[i], t.queue[i-t.head]
		}
		t.queue, t.head = t.queue[:len(t.queue)-t.head], 0
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
// long DUMP when it is read. If more requests are queued of which it can be told
// whose answer is whose, they are written before anything is read.
func (t *Target) Recv(ctx context.Context) (replay.Answer, error) {
	if t.taken == len(t.answers) {
		if t.head == len(t.queue) {
			return replay.Answer{}, errors.New("no request is waiting for an answer")
		}
		if err := ctx.Err(); err != nil {
			return replay.Answer{}, err
		}
		n := t.together()
		if err := t.handle(t.queue[t.head : t.head+n]); err != nil {
			return replay.Answer{}, err
		}
		if t.head += n; t.head == len(t.queue) {
			t.queue, t.head = t.queue[:0], 0
		}
	}
	t.taken++
	return t.answers[t.taken-1], nil
}

// key tells whose answer is whose, as far as Linux copies the header of a request
// into its answer.
type key struct {
	typ      uint8
	pid, seq uint32
}

func keyOf(msg []byte) key {
	k := key{msg[1], binary.NativeEndian.Uint32(msg[12:]), binary.NativeEndian.Uint32(msg[8:])}
	if k.typ == layers.SPDSETIDX { // which is answered as SPDADD
		k.typ = layers.SPDADD
	}
	return k
}

// maxTogether is how many requests are written before their answers are read. Those
// must fit into the receive queue.
const maxTogether = 64

// together returns how many of the queued requests can be handled at once: on one
// socket, each with a key of its own, and none whose answers are many or have
// another key.
func (t *Target) together() int {
	t.keys = t.keys[:0]
	queue := t.queue[t.head:]
	if t.codec.Dialect != layers.Linux {
		return 1
	}
	for i := range queue[:min(len(queue), maxTogether)] {
		q := &queue[i]
		if q.Socket != queue[0].Socket || len(q.Message) < layers.BaseLen {
			break
		}
		k := keyOf(q.Message)
		switch k.typ {
		case layers.DUMP, layers.SPDDUMP, layers.FLUSH, layers.SPDFLUSH, layers.PROMISC, layers.MIGRATE:
			return max(i, 1)
		}
		if slices.Contains(t.keys, k) {
			break
		}
		t.keys = append(t.keys, k)
		if q.Last {
			break
		}
	}
	return max(len(t.keys), 1)
}

// handle writes requests, all on one socket, and reads what is said then.
func (t *Target) handle(list []replay.Request) error {
	t.data, t.found, t.errnos = t.data[:0], t.found[:0], t.errnos[:0]
	t.answers, t.taken = t.answers[:0], 0
	socket := list[0].Socket
	c, err := t.socket(socket)
	if err != nil {
		return err
	}
	if len(list) == 1 {
		errno := 0
		if len(list[0].Message) > 0 {
			if errno, err = refusal(c.Write(list[0].Message)); err != nil {
				return err
			}
		}
		t.errnos = append(t.errnos, errno)
	} else if err := t.writeAll(c, list); err != nil {
		return err
	}
	if err := t.drain(socket, c); err != nil {
		return err
	}
	if err := t.drainOthers(socket); err != nil {
		return err
	}
	if list[len(list)-1].Last {
		if err := t.drop(socket); err != nil {
			return err
		}
	}
	t.divide(len(list))
	return nil
}

// writeAll writes several requests, and notes which errno each was refused with.
func (t *Target) writeAll(c *keysock.Conn, list []replay.Request) error {
	t.lot = t.lot[:0]
	for i := range list {
		t.lot = append(t.lot, list[i].Message)
		t.errnos = append(t.errnos, 0)
	}
	for done := 0; done < len(t.lot); {
		n, werr := c.WriteBatch(t.lot[done:])
		done += n
		errno, err := refusal(n, werr)
		if err != nil {
			return err
		}
		if errno != 0 {
			t.errnos[done] = errno
			done++
		}
	}
	return nil
}

// drainOthers reads what the other sockets hold.
func (t *Target) drainOthers(socket int) error {
	if len(t.order) < 3 { // asking whether there is something costs as much
		for i, n := range t.order {
			if n != socket {
				return t.drain(n, t.conns[i])
			}
		}
		return nil
	}
	var err error
	if t.ready, err = t.poll.Ready(t.ready[:0], t.conns); err != nil {
		return err
	}
	for _, i := range t.ready {
		if t.order[i] != socket {
			if err := t.drain(t.order[i], t.conns[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// divide gives each of n requests that were handled together its messages: those
// with its key. What has none of the keys the kernel said of its own accord, after
// it had handled the request whose answer stands before.
func (t *Target) divide(n int) {
	t.list = slices.Grow(t.list[:0], len(t.found))[:len(t.found)]
	last, socket := 0, -1
	if n > 1 {
		for i := range t.found {
			f := &t.found[i]
			if f.socket != socket {
				last, socket = 0, f.socket
			}
			if f.to-f.from >= layers.BaseLen {
				if k := slices.Index(t.keys, keyOf(t.data[f.from:f.to])); k >= 0 {
					last = k
				}
			}
			f.request = last
		}
		slices.SortStableFunc(t.found, func(a, b found) int { return a.request - b.request })
	}
	next := 0
	for i := range n {
		from := next
		for ; next < len(t.found) && t.found[next].request == i; next++ {
			f := &t.found[next]
			t.list[next] = replay.Message{Socket: f.socket, Data: t.data[f.from:f.to:f.to]}
		}
		t.answers = append(t.answers, replay.Answer{Errno: t.errnos[i], Messages: t.list[from:next:next]})
	}
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
	t.order, t.conns = append(t.order, n), append(t.conns, c)
	return c, nil
}

func (t *Target) drop(n int) error {
	c := t.socks[n]
	delete(t.socks, n)
	i := slices.Index(t.order, n)
	t.order, t.conns = slices.Delete(t.order, i, i+1), slices.Delete(t.conns, i, i+1)
	return c.Close()
}

// refusal returns the errno with which the kernel refused a message, or an error if
// the socket itself failed.
func refusal(_ int, err error) (int, error) {
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
			from := len(t.data)
			t.data = append(t.data, t.batch.Message(i)...)
			t.found = append(t.found, found{socket: n, from: from, to: len(t.data)})
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
	t.order, t.conns = nil, nil
	return errors.Join(errs...)
}
