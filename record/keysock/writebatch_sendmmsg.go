//go:build linux

package keysock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxSend is how many messages one call sends (UIO_MAXIOV in the kernel's
// net/socket.c).
const maxSend = 1024

// writeSome sends at least one message, or returns why the first was refused.
func writeSome(fd int, msgs [][]byte) (int, error) {
	msgs = msgs[:min(len(msgs), maxSend)]
	headers := make([]mmsghdr, len(msgs))
	iovs := make([]unix.Iovec, len(msgs))
	for i, m := range msgs {
		if len(m) > 0 { // the kernel refuses an empty one
			iovs[i].Base = &m[0]
			iovs[i].SetLen(len(m))
		}
		headers[i].hdr.Iov = &iovs[i]
		headers[i].hdr.SetIovlen(1)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd),
			uintptr(unsafe.Pointer(&headers[0])), uintptr(len(headers)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
