//go:build linux

package keysock

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The words of SO_MEMINFO: SK_MEMINFO_RMEM_ALLOC, SK_MEMINFO_RCVBUF and their
// number, SK_MEMINFO_VARS, in linux/sock_diag.h.
const (
	meminfoRmemAlloc = 0
	meminfoRcvbuf    = 1
	meminfoVars      = 9
)

// Meminfo asks the kernel how full the receive queue is (SO_MEMINFO,
// Linux 4.12). It is the only warning of loss that PF_KEY gives, and it comes
// before the loss.
func (c *Conn) Meminfo() (Meminfo, error) {
	var vars [meminfoVars]uint32
	var errno unix.Errno
	err := c.rawErr(c.raw.Control(func(fd uintptr) {
		size := uint32(unsafe.Sizeof(vars))
		_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&vars)), uintptr(unsafe.Pointer(&size)), 0)
	}))
	if err == nil && errno != 0 {
		err = errno
	}
	if err != nil {
		return Meminfo{}, failed(opMeminfo, err)
	}
	return Meminfo{Queued: vars[meminfoRmemAlloc], Limit: vars[meminfoRcvbuf]}, nil
}
