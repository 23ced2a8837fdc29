//go:build linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// bothWays runs a test with recvmmsg, where there is one, and without.
func bothWays(t *testing.T, f func(t *testing.T, oneByOne bool)) {
	t.Run("batched", func(t *testing.T) { f(t, false) })
	t.Run("one by one", func(t *testing.T) { f(t, true) })
}

func TestReadBatch(t *testing.T) {
	sizes := []int{16, 72, 4096, 65536, 16, 100000, 24}
	bothWays(t, func(t *testing.T, oneByOne bool) {
		c, peer := standIn(t)
		if oneByOne {
			c.ReadOneByOne()
		}
		b := keysock.NewBatch(3)
		go func() {
			for i, size := range sizes {
				send(t, peer, message(i, size))
			}
		}()
		read := 0
		for read < len(sizes) {
			before := time.Now()
			n, err := c.ReadBatch(b)
			if err != nil {
				t.Fatal(err)
			}
			if n < 1 || n > 3 || n != b.Len() {
				t.Fatalf("%d messages, Len %d", n, b.Len())
			}
			if b.Time().Before(before) || b.Time().After(time.Now()) {
				t.Errorf("received at %v, read between %v and now", b.Time(), before)
			}
			for i := range n {
				if got, want := b.Message(i), message(read, sizes[read]); !bytes.Equal(got, want) {
					t.Errorf("message %d: %d bytes, want %d", read, len(got), len(want))
				}
				read++
			}
		}
		if runtime.GOOS == "linux" && c.OneByOne() != oneByOne {
			t.Errorf("OneByOne = %v, want %v", c.OneByOne(), oneByOne)
		}
	})
}

// TestReadBatchFull: with more queued than fit, the batch is full and the rest
// stays for the next.
func TestReadBatchFull(t *testing.T) {
	bothWays(t, func(t *testing.T, oneByOne bool) {
		c, peer := standIn(t)
		if oneByOne {
			c.ReadOneByOne()
		}
		for i := range 5 {
			send(t, peer, message(i, 16))
		}
		b := keysock.NewBatch(4)
		for _, want := range []int{4, 1} {
			if n, err := c.ReadBatch(b); n != want || err != nil {
				t.Errorf("%d messages, %v, want %d", n, err, want)
			}
		}
		if got := b.Message(0); !bytes.Equal(got, message(4, 16)) {
			t.Errorf("the last one is % x", got)
		}
	})
}

// TestReadBatchEnd: PF_KEY knows no end of file; a stand-in that has one shows
// that it is an error and not an endless row of empty messages.
func TestReadBatchEnd(t *testing.T) {
	bothWays(t, func(t *testing.T, oneByOne bool) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SetNonblock(fds[0], true); err != nil {
			t.Fatal(err)
		}
		c, err := keysock.NewConn(fds[0])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if oneByOne {
			c.ReadOneByOne()
		}
		unix.Close(fds[1])
		if n, err := c.ReadBatch(keysock.NewBatch(4)); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("ReadBatch: %d, %v", n, err)
		}
		buf := make([]byte, keysock.MaxMessage)
		if n, err := c.Read(buf); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Read: %d, %v", n, err)
		}
		if n, err := c.TryRead(buf); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("TryRead: %d, %v", n, err)
		}
	})
}

func TestBatchDefaults(t *testing.T) {
	c, peer := standIn(t)
	b := keysock.NewBatch(0)
	if b.Len() != 0 || !b.Time().IsZero() {
		t.Errorf("a new batch has Len %d, Time %v", b.Len(), b.Time())
	}
	go func() {
		for i := range keysock.DefaultBatch {
			send(t, peer, message(i, 16))
		}
	}()
	for read := 0; read < keysock.DefaultBatch; {
		n, err := c.ReadBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		read += n
	}
}

// TestBatchMessageOwnMemory: appending to a message must not reach into the
// next one.
func TestBatchMessageOwnMemory(t *testing.T) {
	c, peer := standIn(t)
	b := keysock.NewBatch(2)
	send(t, peer, message(0, 16))
	if _, err := c.ReadBatch(b); err != nil {
		t.Fatal(err)
	}
	if m := b.Message(0); cap(m) != len(m) {
		t.Errorf("message of %d bytes has capacity %d", len(m), cap(m))
	}
	for _, i := range []int{-1, 1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Message(%d) of a batch of 1 did not panic", i)
				}
			}()
			b.Message(i)
		}()
	}
}

func TestReadAllocations(t *testing.T) {
	bothWays(t, func(t *testing.T, oneByOne bool) {
		c, peer := standIn(t)
		if oneByOne {
			c.ReadOneByOne()
		}
		b, buf, msg := keysock.NewBatch(8), make([]byte, keysock.MaxMessage), message(1, 216)
		for _, tt := range []struct {
			name string
			step func() error
		}{
			{"Read", func() error { _, err := c.Read(buf); return err }},
			{"TryRead", func() error { _, err := c.TryRead(buf); return err }},
			{"ReadBatch", func() error { _, err := c.ReadBatch(b); return err }},
			{"TryReadBatch", func() error { _, err := c.TryReadBatch(b); return err }},
		} {
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := unix.Write(peer, msg); err != nil {
					t.Error(err)
				}
				if err := tt.step(); err != nil {
					t.Error(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s: %v allocations per message", tt.name, allocs)
			}
		}
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := c.Write(msg); err != nil {
				t.Error(err)
			}
			if _, err := unix.Read(peer, buf); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 {
			t.Errorf("Write: %v allocations per message", allocs)
		}
	})
}
