//go:build linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// standIn returns a Conn over one end of a datagram socket pair, which keeps
// message boundaries like PF_KEY, and the descriptor of the other end.
func standIn(t testing.TB) (*keysock.Conn, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fds[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 256<<10); err != nil {
		t.Fatal(err)
	}
	c, err := keysock.NewConn(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); unix.Close(fds[1]) })
	return c, fds[1]
}

func send(t testing.TB, fd int, msg []byte) {
	t.Helper()
	_, err := unix.Write(fd, msg)
	for err == unix.ENOBUFS {
		// A full queue, on the BSDs; Linux waits instead.
		time.Sleep(time.Millisecond)
		_, err = unix.Write(fd, msg)
	}
	if err != nil {
		t.Error(err)
	}
}

// message returns size bytes that begin with their own number.
func message(number, size int) []byte {
	b := bytes.Repeat([]byte{byte(number)}, size)
	binary.BigEndian.PutUint32(b, uint32(number))
	return b
}

// readers are the ways to read one message.
var readers = []struct {
	name string
	read func(c *keysock.Conn) ([]byte, error)
}{
	{"Read", func(c *keysock.Conn) ([]byte, error) {
		buf := make([]byte, keysock.MaxMessage)
		n, err := c.Read(buf)
		return buf[:n], err
	}},
	{"ReadBatch", readBatch},
	{"ReadBatch one by one", func(c *keysock.Conn) ([]byte, error) {
		c.ReadOneByOne()
		return readBatch(c)
	}},
}

func readBatch(c *keysock.Conn) ([]byte, error) {
	b := keysock.NewBatch(1)
	n, err := c.ReadBatch(b)
	if n == 0 {
		return nil, err
	}
	return b.Message(0), err
}

func TestReadQueued(t *testing.T) {
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			c, peer := standIn(t)
			want := message(1, 72)
			send(t, peer, want)
			got, err := r.read(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got % x, %v", got, err)
			}
		})
	}
}

// TestReadWaits: a reader that finds nothing is woken by a message, a deadline
// already set, a deadline set meanwhile, a context, and Close.
func TestReadWaits(t *testing.T) {
	for _, r := range readers {
		for _, w := range wakers {
			t.Run(r.name+"/"+w.name, func(t *testing.T) {
				c, peer := standIn(t)
				wake(t, c, r.read, w.wake, func() { send(t, peer, message(1, 16)) }, w.want)
			})
		}
	}
}

var wakers = []struct {
	name string
	wake func(c *keysock.Conn, deliver func())
	want error
}{
	{"message", func(c *keysock.Conn, deliver func()) { deliver() }, nil},
	{"deadline", func(c *keysock.Conn, _ func()) { c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
	{"context", func(c *keysock.Conn, _ func()) {
		ctx, cancel := context.WithCancel(context.Background())
		context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
		cancel()
	}, os.ErrDeadlineExceeded},
	{"close", func(c *keysock.Conn, _ func()) { c.Close() }, os.ErrClosed},
}

// wake starts a reader, lets it block, wakes it and compares what it got. The
// test hangs, and the test binary's timeout ends it, if nothing wakes it.
func wake(t *testing.T, c *keysock.Conn, read func(*keysock.Conn) ([]byte, error), wake func(*keysock.Conn, func()), deliver func(), want error) {
	t.Helper()
	started := make(chan struct{})
	done := make(chan error)
	go func() {
		close(started)
		_, err := read(c)
		done <- err
	}()
	<-started
	// Too short a sleep makes the test weaker, never wrong.
	time.Sleep(20 * time.Millisecond)
	select {
	case err := <-done:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	wake(c, deliver)
	if err := <-done; !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("woken with %v, want %v", err, want)
	}
}

func TestDeadlineDoesNotLose(t *testing.T) {
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			c, peer := standIn(t)
			want := message(1, 32)
			send(t, peer, want)
			if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if _, err := r.read(c); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("got %v, want os.ErrDeadlineExceeded", err)
			}
			if err := c.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
			if got, err := r.read(c); err != nil || !bytes.Equal(got, want) {
				t.Errorf("after the deadline was taken away: % x, %v", got, err)
			}
		})
	}
}

func TestAfterClose(t *testing.T) {
	c, _ := standIn(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, keysock.MaxMessage)
	for name, f := range map[string]func() error{
		"Read":             func() error { _, err := c.Read(buf); return err },
		"TryRead":          func() error { _, err := c.TryRead(buf); return err },
		"ReadBatch":        func() error { _, err := c.ReadBatch(keysock.NewBatch(1)); return err },
		"TryReadBatch":     func() error { _, err := c.TryReadBatch(keysock.NewBatch(1)); return err },
		"Write":            func() error { _, err := c.Write(buf[:16]); return err },
		"Promiscuous":      func() error { _, err := c.Promiscuous(true, 0, 0); return err },
		"SetReadDeadline":  func() error { return c.SetReadDeadline(time.Time{}) },
		"SetReceiveBuffer": func() error { _, err := c.SetReceiveBuffer(1 << 20); return err },
		"Close":            func() error { return c.Close() },
	} {
		if err := f(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v, want os.ErrClosed", name, err)
		}
	}
}

func TestReadShortBuffer(t *testing.T) {
	c, peer := standIn(t)
	want := message(1, 32)
	send(t, peer, want)
	buf := make([]byte, keysock.MaxMessage)
	for name, read := range map[string]func([]byte) (int, error){"Read": c.Read, "TryRead": c.TryRead} {
		if n, err := read(buf[:keysock.MaxMessage-1]); n != 0 || !errors.Is(err, io.ErrShortBuffer) {
			t.Errorf("%s: %d, %v, want io.ErrShortBuffer", name, n, err)
		}
	}
	if n, err := c.Read(buf); err != nil || !bytes.Equal(buf[:n], want) {
		t.Errorf("the refused message is gone: % x, %v", buf[:n], err)
	}
}

func TestTryRead(t *testing.T) {
	c, peer := standIn(t)
	// The deadline is not for these.
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	buf, b := make([]byte, keysock.MaxMessage), keysock.NewBatch(4)
	if n, err := c.TryRead(buf); n != 0 || err != nil {
		t.Errorf("TryRead of an empty queue: %d, %v", n, err)
	}
	if n, err := c.TryReadBatch(b); n != 0 || err != nil {
		t.Errorf("TryReadBatch of an empty queue: %d, %v", n, err)
	}
	for i := range 3 {
		send(t, peer, message(i, 16))
	}
	if n, err := c.TryRead(buf); err != nil || !bytes.Equal(buf[:n], message(0, 16)) {
		t.Errorf("TryRead: % x, %v", buf[:n], err)
	}
	if n, err := c.TryReadBatch(b); n != 2 || err != nil || !bytes.Equal(b.Message(1), message(2, 16)) {
		t.Errorf("TryReadBatch: %d messages, %v", n, err)
	}
}

// TestTryReadBesideReader: a blocked reader does not hold up TryRead.
func TestTryReadBesideReader(t *testing.T) {
	c, peer := standIn(t)
	done := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, keysock.MaxMessage))
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if n, err := c.TryRead(make([]byte, keysock.MaxMessage)); n != 0 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	send(t, peer, message(0, 16))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	c, peer := standIn(t)
	want := message(7, 24)
	if n, err := c.Write(want); n != len(want) || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	buf := make([]byte, 100)
	if n, err := unix.Read(peer, buf); err != nil || !bytes.Equal(buf[:n], want) {
		t.Errorf("arrived: % x, %v", buf[:n], err)
	}
}

func TestWriteErrno(t *testing.T) {
	c, peer := standIn(t)
	unix.Close(peer)
	_, err := c.Write(message(0, 16))
	var op *keysock.OpError
	var errno unix.Errno
	if !errors.As(err, &op) || op.Op != "write" || !errors.As(err, &errno) {
		t.Errorf("got %v (%T), want an OpError of write around an errno", err, err)
	}
}

func TestControlMessagesAreReturned(t *testing.T) {
	for _, tt := range []struct {
		name string
		call func(c *keysock.Conn) ([]byte, error)
		want []byte
	}{
		{"promiscuous on", func(c *keysock.Conn) ([]byte, error) { return c.Promiscuous(true, 7, 8) }, keysock.ControlMessage(11, 1, 7, 8)},
		{"promiscuous off", func(c *keysock.Conn) ([]byte, error) { return c.Promiscuous(false, 7, 8) }, keysock.ControlMessage(11, 0, 7, 8)},
		{"register", func(c *keysock.Conn) ([]byte, error) { return c.Register(3, 7, 8) }, keysock.ControlMessage(7, 3, 7, 8)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := standIn(t)
			got, err := tt.call(c)
			if err != nil || !bytes.Equal(got, tt.want) {
				t.Fatalf("returned % x, %v, want % x", got, err, tt.want)
			}
			buf := make([]byte, 100)
			if n, err := unix.Read(peer, buf); err != nil || !bytes.Equal(buf[:n], tt.want) {
				t.Errorf("sent % x, %v, want % x", buf[:n], err, tt.want)
			}
			c.Close()
			if got, err := tt.call(c); err == nil || !bytes.Equal(got, tt.want) {
				t.Errorf("after Close: % x, %v, want the bytes and an error", got, err)
			}
		})
	}
}

// TestConcurrentReaders: every message goes to exactly one reader, whatever
// they read with.
func TestConcurrentReaders(t *testing.T) {
	c, peer := standIn(t)
	const messages = 300
	var mu sync.Mutex
	seen := map[uint32]int{}
	var group sync.WaitGroup
	count := func(msg []byte) {
		mu.Lock()
		defer mu.Unlock()
		seen[binary.BigEndian.Uint32(msg)]++
		if len(seen) == messages {
			c.Close()
		}
	}
	for i := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			buf, b := make([]byte, keysock.MaxMessage), keysock.NewBatch(3)
			for {
				var err error
				if i%2 == 0 {
					var n int
					if n, err = c.Read(buf); err == nil {
						count(buf[:n])
					}
				} else {
					var n int
					n, err = c.ReadBatch(b)
					for i := range n {
						count(b.Message(i))
					}
				}
				if err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		}()
	}
	for i := range messages {
		send(t, peer, message(i, 16))
	}
	group.Wait()
	for number, n := range seen {
		if n != 1 {
			t.Errorf("message %d was read %d times", number, n)
		}
	}
}

// TestUnpollableDescriptor: a descriptor whose readers nothing could wake is
// refused at once.
func TestUnpollableDescriptor(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	if c, err := keysock.NewConn(fds[0]); err == nil {
		c.Close()
		t.Error("a blocking descriptor was accepted")
	} else {
		t.Logf("OK error: %v", err)
	}
}

func TestSetBuffers(t *testing.T) {
	c, _ := standIn(t)
	for _, tt := range []struct {
		name string
		set  func(int) (int, error)
	}{
		{"receive", c.SetReceiveBuffer},
		{"send", c.SetSendBuffer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			small, err := tt.set(64 << 10)
			if err != nil {
				t.Fatal(err)
			}
			large, err := tt.set(128 << 10)
			if err != nil {
				t.Fatal(err)
			}
			if small < 64<<10 || large <= small {
				t.Errorf("64 KiB gave %d, 128 KiB %d", small, large)
			}
			for _, size := range []int{0, -1} {
				if _, err := tt.set(size); !errors.Is(err, unix.EINVAL) {
					t.Errorf("%d bytes: %v, want EINVAL", size, err)
				}
			}
		})
	}
}
