//go:build linux

package keysock

import (
	"fmt"
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

// memory asks for the state of a receive queue. It keeps the memory for the
// answer, so that asking allocates nothing.
type memory struct {
	info Meminfo
	vars [meminfoVars]uint32
	size uint32
	ways int // that turned out not to work
}

// ask sets info. Where it cannot be known its Limit is 0.
func (m *memory) ask(fd int) {
	if m.ways == 0 && m.sockopt(fd) != nil {
		m.ways = 1
	}
	if m.ways == 1 {
		var err error
		if m.info, err = procMeminfo(fd); err != nil {
			m.ways = 2
		}
	}
}

// sockopt asks with SO_MEMINFO (Linux 4.12).
func (m *memory) sockopt(fd int) error {
	m.size = uint32(unsafe.Sizeof(m.vars))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&m.vars)), uintptr(unsafe.Pointer(&m.size)), 0)
	if errno != 0 {
		return errno
	}
	m.info = Meminfo{Queued: m.vars[meminfoRmemAlloc], Limit: m.vars[meminfoRcvbuf]}
	return nil
}

// procMeminfo finds the socket in /proc/net/pfkey, for kernels before 4.12.
func procMeminfo(fd int) (Meminfo, error) {
	inode, err := socketInode(fd)
	if err != nil {
		return Meminfo{}, err
	}
	limit, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return Meminfo{}, err
	}
	sockets, err := ProcSockets()
	for _, s := range sockets {
		if s.Inode == inode {
			return Meminfo{Queued: uint32(s.Rmem), Limit: uint32(limit)}, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("socket %d is not in %s", inode, procPFKEY)
	}
	return Meminfo{}, err
}

// socketInode returns the number that identifies a socket in /proc.
func socketInode(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}

// Meminfo asks the kernel how full the receive queue is: with SO_MEMINFO, before
// Linux 4.12 by looking it up in /proc/net/pfkey. It is the only warning of loss
// that PF_KEY gives, and it comes before the loss.
func (c *Conn) Meminfo() (Meminfo, error) {
	if err := c.use(); err != nil {
		return Meminfo{}, failed(opMeminfo, err)
	}
	defer c.done()
	var m memory
	err := m.sockopt(c.fd)
	if err == unix.ENOPROTOOPT {
		m.info, err = procMeminfo(c.fd)
	}
	if err != nil {
		return Meminfo{}, failed(opMeminfo, err)
	}
	return m.info, nil
}
