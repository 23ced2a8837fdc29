//go:build linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// waiting lets one reader wait for a descriptor to become readable, and others
// wake it: through a pipe, which it waits for as well, and which is made when a
// reader waits for the first time.
type waiting struct {
	fds    [2]unix.PollFd // the descriptor and the end of the pipe to read
	poke   int            // the end to write
	ready  bool
	asleep atomic.Bool // a reader waits, or is about to
}

// prepare comes before wait. When it returns, wake will wake the wait to come.
func (w *waiting) prepare() error {
	if !w.ready {
		r, p, err := pipe()
		if err != nil {
			return fmt.Errorf("a pipe to wake readers with: %w", err)
		}
		w.fds[1], w.poke, w.ready = unix.PollFd{Fd: int32(r), Events: unix.POLLIN}, p, true
	}
	w.asleep.Store(true)
	return nil
}

// wait returns when there is something to read, when so much time has passed,
// unless it is negative, or when somebody has called wake since prepare.
func (w *waiting) wait(fd int, limit time.Duration) error {
	ms := -1
	if limit >= 0 {
		ms = int(min((limit + time.Millisecond - 1).Milliseconds(), math.MaxInt32))
	}
	w.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	n, err := unix.Poll(w.fds[:], ms)
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	if n > 0 && w.fds[1].Revents != 0 {
		// It is emptied before the reader looks again at what it was woken for.
		var b [64]byte
		for {
			if n, _ := unix.Read(int(w.fds[1].Fd), b[:]); n < len(b) {
				break
			}
		}
	}
	return nil
}

// wake makes a reader that waits look again. A pipe that is full does so already.
func (w *waiting) wake() {
	if w.asleep.Load() {
		_, _ = unix.Write(w.poke, []byte{0})
	}
}

// close may be called when no reader waits.
func (w *waiting) close() {
	if w.ready {
		unix.Close(int(w.fds[1].Fd))
		unix.Close(w.poke)
	}
}

// mustNotBlock refuses a descriptor that a reader could hang in.
func mustNotBlock(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil && flags&unix.O_NONBLOCK == 0 {
		err = errors.New("it blocks, so nothing could wake its readers")
	}
	if err != nil {
		return fmt.Errorf("descriptor %d: %w", fd, err)
	}
	return nil
}

func closeNow(fd int) error { return unix.Close(fd) }

func writeNow(fd int, msg []byte) (int, error) {
	for {
		n, err := unix.Write(fd, msg)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
