//go:build linux

package keysock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of linux/socket.h.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// vectors are the headers recvmmsg(2) wants, pointing into the arena of the
// Batch for good.
type vectors struct {
	msgs []mmsghdr
	iovs []unix.Iovec
}

func (v *vectors) point(b *Batch) {
	v.msgs = make([]mmsghdr, len(b.lens))
	v.iovs = make([]unix.Iovec, len(b.lens))
	for i := range v.msgs {
		slot := b.slot(i)
		v.iovs[i].Base = &slot[0]
		v.iovs[i].SetLen(len(slot))
		v.msgs[i].hdr.Iov = &v.iovs[i]
		v.msgs[i].hdr.SetIovlen(1)
	}
	// With huge pages always on, the first byte of a slot would bring in 2 MiB.
	// A refusal costs memory, nothing else.
	_ = unix.Madvise(b.arena, unix.MADV_NOHUGEPAGE)
}

// receive takes one batch from the queue.
//
// No flags: AF_KEY answers EINVAL to every one but MSG_PEEK, MSG_DONTWAIT and
// MSG_TRUNC (pfkey_recvmsg in net/key/af_key.c), and the descriptor is
// non-blocking as it is. MSG_TRUNC, which asks for the true length of a message
// that was cut, is not needed with slots of MaxMessage bytes.
func (v *vectors) receive(c *Conn, b *Batch) (int, error) {
	for !c.oneByOne.Load() {
		// x/sys has no recvmmsg. A full Syscall, not a raw one: reading lets
		// the kernel go on with a dump that waited for room.
		r, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(c.fd),
			uintptr(unsafe.Pointer(&v.msgs[0])), uintptr(len(v.msgs)), 0, 0, 0)
		switch errno {
		case 0:
			n := int(r)
			for i := range v.msgs[:n] {
				m := &v.msgs[i]
				b.lens[i] = int(m.len)
				if m.hdr.Flags&unix.MSG_TRUNC != 0 {
					b.lens[i] = MaxMessage + 1
				}
			}
			return n, nil
		case unix.EINTR:
		case unix.EINVAL, unix.ENOSYS:
			// A kernel or a filter of system calls that does not know it.
			c.oneByOne.Store(true)
		default:
			return 0, errno
		}
	}
	return b.receiveEach(c.fd)
}
