//go:build linux

package keysock_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// TestRecvmmsgRefused: where recvmmsg is answered with ENOSYS or EINVAL, the
// batch is read message by message and nothing is lost.
func TestRecvmmsgRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EINVAL} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			c, peer := standIn(t)
			for i := range 3 {
				send(t, peer, message(i, 16))
			}
			done := make(chan error)
			go func() {
				// Never unlocked: the thread takes its filter along when it ends.
				runtime.LockOSThread()
				done <- func() error {
					if err := refuseRecvmmsg(errno); err != nil {
						return err
					}
					b := keysock.NewBatch(8)
					n, err := c.ReadBatch(b)
					if n != 3 || err != nil {
						return fmt.Errorf("%d messages, %w", n, err)
					}
					for i := range n {
						if !bytes.Equal(b.Message(i), message(i, 16)) {
							return fmt.Errorf("message %d is % x", i, b.Message(i))
						}
					}
					return nil
				}()
			}()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if !c.OneByOne() {
				t.Error("recvmmsg was not refused")
			}
		})
	}
}

// TestReadBatchTruncated: PF_KEY has no message this long; from a stand-in that
// has, the cut is an error and what came before it is kept.
func TestReadBatchTruncated(t *testing.T) {
	c, peer := standIn(t)
	require(t, "the right to force a send buffer", unix.SetsockoptInt(peer, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4*keysock.MaxMessage))
	want := message(0, keysock.MaxMessage)
	send(t, peer, want)
	send(t, peer, message(1, keysock.MaxMessage+1))
	b := keysock.NewBatch(4)
	n, err := c.ReadBatch(b)
	if n != 1 || !errors.Is(err, io.ErrShortBuffer) || !bytes.Equal(b.Message(0), want) {
		t.Errorf("%d messages, %v, want 1 whole and io.ErrShortBuffer", n, err)
	}
}

// refuseRecvmmsg makes recvmmsg fail with errno on the calling thread for good.
func refuseRecvmmsg(errno unix.Errno) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_RECVMMSG},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&filter)), 0, 0)
}
