package keysock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// MaxMessage is the size in bytes of a read buffer that no message outgrows.
// sadb_msg_len counts 64-bit words in 16 bits, so a message has at most
// 65535*8 = 524280 bytes; Linux lets up to 7 bytes more ride behind them,
// because it compares the length after an integer division (pfkey_get_base_msg
// in net/key/af_key.c).
const MaxMessage = 512 << 10

// Options says how a socket is opened. The zero value is a socket in the
// current network namespace with the kernel's default buffers.
type Options struct {
	// NetNS is the network namespace to open the socket in, nil for the one
	// of the calling thread. It can be closed once Open has returned: the
	// socket keeps its namespace alive. Linux only.
	NetNS *NetNS
	// ReceiveBuffer, if not 0, is handed to Conn.SetReceiveBuffer before the
	// socket is returned.
	ReceiveBuffer int
}

// Conn is one PF_KEYv2 socket. It is non-blocking underneath. A reader that finds
// nothing waits in poll(2), which takes a thread, and Close or a read deadline
// wakes it. To stop a reader with a context, let the context move the deadline:
//
//	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
//	defer stop()
//
// The runtime's own poller would take no thread, but it is told of every message
// that comes, also while the reader is busy with the ones before: in a burst that
// costs more than reading does.
//
// All methods may be called at the same time from different goroutines. Reads
// exclude each other, so each message goes to exactly one reader.
type Conn struct {
	fd     int
	inUse  sync.RWMutex // held for reading while fd is used, for writing to close it
	closed atomic.Bool

	reading sync.Mutex // held by the reader that may wait
	waiting waiting

	limit struct { // the read deadline
		sync.Mutex
		t    time.Time
		past atomic.Bool // it had passed when it was set
	}

	// oneByOne is set once recvmmsg turned out not to work on this socket.
	oneByOne atomic.Bool
}

// Open opens a PF_KEYv2 socket: SOCK_RAW, protocol PF_KEY_V2 (RFC 2367
// section 1.3), close-on-exec and non-blocking.
//
// The error matches ErrNoPFKEY where the kernel has no PF_KEY and ErrPermission
// where this process may not use it; its text says what would work. On Linux,
// opening a socket can make the kernel load the module af_key: Probe looks
// without that effect.
func Open(o Options) (*Conn, error) {
	fd, err := -1, error(nil)
	if o.NetNS == nil {
		fd, err = openSocket()
	} else {
		// The error is already an OpError, from openSocket or from Do.
		err = o.NetNS.Do(func() (err error) { fd, err = openSocket(); return err })
	}
	if err != nil {
		return nil, err
	}
	c, err := NewConn(fd)
	if err != nil {
		closeNow(fd)
		return nil, err
	}
	if o.ReceiveBuffer != 0 {
		if _, err := c.SetReceiveBuffer(o.ReceiveBuffer); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// CanOpen opens a PF_KEY socket and closes it again, and returns what Open
// would. Like Open it can make Linux load the module af_key.
func CanOpen() error {
	c, err := Open(Options{})
	if err != nil {
		return err
	}
	return c.Close()
}

// NewConn takes over a non-blocking descriptor: a PF_KEY socket that another
// process has opened and handed on, or a stand-in for one. Close closes it. If
// NewConn fails, it stays the caller's.
func NewConn(fd int) (*Conn, error) {
	if err := mustNotBlock(fd); err != nil {
		return nil, opError(opOpen, err)
	}
	return &Conn{fd: fd}, nil
}

// use keeps the descriptor open until done is called, unless it is closed.
func (c *Conn) use() error {
	c.inUse.RLock()
	if c.closed.Load() {
		c.inUse.RUnlock()
		return os.ErrClosed
	}
	return nil
}

func (c *Conn) done() { c.inUse.RUnlock() }

// expired is os.ErrDeadlineExceeded once a deadline that had passed was set.
func (c *Conn) expired() error {
	if c.limit.past.Load() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// wait waits for a message, or for anything else that is worth another look.
func (c *Conn) wait() error {
	if err := c.waiting.prepare(); err != nil {
		return err
	}
	defer c.waiting.asleep.Store(false)
	// Whoever changes one of these from now on sees that there is a reader to wake.
	if c.closed.Load() {
		return os.ErrClosed
	}
	c.limit.Lock()
	t := c.limit.t
	c.limit.Unlock()
	left := time.Duration(-1)
	if !t.IsZero() {
		if left = time.Until(t); left <= 0 {
			return os.ErrDeadlineExceeded
		}
	}
	return c.waiting.wait(c.fd, left)
}

// Read reads one message into buf, which must have at least MaxMessage bytes,
// and returns its length in bytes. The queue is tried first; only when it is
// empty does Read wait, for a message, for the deadline
// (os.ErrDeadlineExceeded) or for Close (os.ErrClosed). A deadline that had
// passed when it was set wins over a queue that holds something, one that passes
// later does not; TryRead and TryReadBatch look at the queue alone. Nothing is
// allocated.
//
// A shorter buf is refused with io.ErrShortBuffer before anything is read,
// because the kernel throws away what does not fit. Make one buffer and keep
// it: what no message reaches of a fresh one is address space, not memory.
func (c *Conn) Read(buf []byte) (int, error) {
	if len(buf) < MaxMessage {
		return 0, errShort(len(buf))
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if err := c.use(); err != nil {
		return 0, failed(opRead, err)
	}
	defer c.done()
	for {
		if err := c.expired(); err != nil {
			return 0, failed(opRead, err)
		}
		n, err := readNow(c.fd, buf)
		if err == nil {
			return n, nil
		}
		if isEmpty(err) {
			err = c.wait()
		}
		if err != nil {
			return 0, failed(opRead, err)
		}
	}
}

// TryRead is Read without waiting and whatever the deadline: with an empty
// queue it returns 0 and no error. Nothing is allocated.
func (c *Conn) TryRead(buf []byte) (int, error) {
	if len(buf) < MaxMessage {
		return 0, errShort(len(buf))
	}
	if err := c.use(); err != nil {
		return 0, failed(opRead, err)
	}
	defer c.done()
	n, err := readNow(c.fd, buf)
	if err != nil && !isEmpty(err) {
		return 0, failed(opRead, err)
	}
	return n, nil
}

// Write sends one message and returns its length in bytes. The kernel has
// handled the message by the time Write returns; an answer, also one that
// carries an errno, has to be read. An error means that the kernel refused the
// header or the size and nobody has seen the message. Nothing is allocated
// unless it fails.
func (c *Conn) Write(msg []byte) (int, error) {
	if err := c.use(); err != nil {
		return 0, failed(opWrite, err)
	}
	defer c.done()
	n, err := writeNow(c.fd, msg)
	if err != nil {
		return n, failed(opWrite, err)
	}
	return n, nil
}

// SetReadDeadline sets the time after which Read and ReadBatch fail with
// os.ErrDeadlineExceeded, blocked ones included; the zero time means never. It
// can be moved again afterwards, nothing is lost. Writes never wait, so there
// is no deadline for them.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if err := c.use(); err != nil {
		return failed(opDeadline, err)
	}
	defer c.done()
	c.limit.Lock()
	c.limit.t = t
	c.limit.past.Store(!t.IsZero() && !time.Now().Before(t))
	c.limit.Unlock()
	c.waiting.wake()
	return nil
}

// Close closes the socket and wakes its blocked readers, which get
// os.ErrClosed. A second Close returns os.ErrClosed.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return failed(opClose, os.ErrClosed)
	}
	c.waiting.wake()
	c.inUse.Lock()
	defer c.inUse.Unlock()
	c.waiting.close()
	if err := closeNow(c.fd); err != nil {
		return failed(opClose, err)
	}
	return nil
}

// failed makes an OpError.
func failed(op string, err error) error {
	if errors.Is(err, io.EOF) {
		// PF_KEY has no zero-length messages and no end of file: the kernel
		// has taken the socket away.
		err = io.ErrUnexpectedEOF
	}
	return opError(op, err)
}

func errShort(n int) error {
	return opError(opRead, fmt.Errorf("%w: %d bytes, MaxMessage is %d", io.ErrShortBuffer, n, MaxMessage))
}
