package keysock

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
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

// Conn is one PF_KEYv2 socket. It is non-blocking underneath and sits on the
// runtime's poller, so a blocked reader costs no thread, and Close or a read
// deadline wakes it. To stop a reader with a context, let the context move the
// deadline:
//
//	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
//	defer stop()
//
// All methods may be called at the same time from different goroutines. Reads
// exclude each other, so each message goes to exactly one reader.
type Conn struct {
	f      *os.File
	raw    syscall.RawConn
	closed atomic.Bool

	// oneByOne is set once recvmmsg turned out not to work on this socket.
	oneByOne atomic.Bool

	// try holds the arguments and results of TryRead across RawConn.Control,
	// whose function would cost an allocation per call as a closure.
	try struct {
		sync.Mutex
		fn  func(fd uintptr)
		buf []byte
		n   int
		err error
	}
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
// process has opened and handed on, or a stand-in for one. Close closes it.
func NewConn(fd int) (*Conn, error) {
	// net.FileConn is out of the question: it asks for the socket's name, and
	// PF_KEY has no getsockname. os.NewFile only looks whether the descriptor
	// is non-blocking and hands it to the poller.
	f := os.NewFile(uintptr(fd), "PF_KEY")
	if f == nil {
		return nil, opError(opOpen, fmt.Errorf("bad descriptor %d", fd))
	}
	// The poller's refusal is silent; without it nothing could wake a reader.
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		f.Close()
		return nil, opError(opOpen, fmt.Errorf("the socket cannot be polled: %w", err))
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, opError(opOpen, err)
	}
	c := &Conn{f: f, raw: raw}
	c.try.fn = func(fd uintptr) { c.try.n, c.try.err = readNow(int(fd), c.try.buf) }
	return c, nil
}

// Read reads one message into buf, which must have at least MaxMessage bytes,
// and returns its length in bytes. The queue is tried first; only when it is
// empty does Read wait, for a message, for the deadline
// (os.ErrDeadlineExceeded) or for Close (os.ErrClosed). A deadline that has
// passed wins over a queue that holds something; TryRead and TryReadBatch look
// at the queue alone. Nothing is allocated.
//
// A shorter buf is refused with io.ErrShortBuffer before anything is read,
// because the kernel throws away what does not fit. Make one buffer and keep
// it: what no message reaches of a fresh one is address space, not memory.
func (c *Conn) Read(buf []byte) (int, error) {
	if len(buf) < MaxMessage {
		return 0, errShort(len(buf))
	}
	n, err := c.f.Read(buf)
	if err != nil {
		return 0, failed(opRead, err)
	}
	return n, nil
}

// TryRead is Read without waiting and whatever the deadline: with an empty
// queue it returns 0 and no error. Nothing is allocated.
func (c *Conn) TryRead(buf []byte) (int, error) {
	if len(buf) < MaxMessage {
		return 0, errShort(len(buf))
	}
	c.try.Lock()
	defer c.try.Unlock()
	c.try.buf, c.try.n, c.try.err = buf, 0, nil
	err := c.rawErr(c.raw.Control(c.try.fn))
	c.try.buf = nil
	if err == nil {
		err = c.try.err
	}
	if err != nil && !isEmpty(err) {
		return 0, failed(opRead, err)
	}
	return c.try.n, nil
}

// Write sends one message and returns its length in bytes. The kernel has
// handled the message by the time Write returns; an answer, also one that
// carries an errno, has to be read. An error means that the kernel refused the
// header or the size and nobody has seen the message. Nothing is allocated
// unless it fails.
func (c *Conn) Write(msg []byte) (int, error) {
	n, err := c.f.Write(msg)
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
	if err := c.f.SetReadDeadline(t); err != nil {
		return failed(opDeadline, c.rawErr(err))
	}
	return nil
}

// Close closes the socket and wakes its blocked readers, which get
// os.ErrClosed. A second Close returns os.ErrClosed.
func (c *Conn) Close() error {
	c.closed.Store(true)
	if err := c.f.Close(); err != nil {
		return failed(opClose, err)
	}
	return nil
}

// failed makes an OpError of what os.File or RawConn returned.
func failed(op string, err error) error {
	if errors.Is(err, io.EOF) {
		// PF_KEY has no zero-length messages and no end of file: the kernel
		// has taken the socket away.
		return opError(op, io.ErrUnexpectedEOF)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return opError(op, err)
}

// rawErr puts os.ErrClosed for the unexported error, which nobody can match,
// that RawConn and SetReadDeadline return once the file is closed.
func (c *Conn) rawErr(err error) error {
	if err != nil && c.closed.Load() && !errors.Is(err, os.ErrDeadlineExceeded) {
		return os.ErrClosed
	}
	return err
}

func errShort(n int) error {
	return opError(opRead, fmt.Errorf("%w: %d bytes, MaxMessage is %d", io.ErrShortBuffer, n, MaxMessage))
}
