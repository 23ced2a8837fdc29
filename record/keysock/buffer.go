//go:build linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// leastBuffer is where the search for an accepted buffer size ends, in bytes.
// Below 64 KiB a Linux dump may never get on.
const leastBuffer = 64 << 10

// SetReceiveBuffer asks for a receive queue of size bytes and returns the size
// in force, as getsockopt reports it: Linux reports twice what was set, since
// it counts its own overhead too (some 1280 bytes for a message of 300). It
// first asks with privilege (SO_RCVBUFFORCE, Linux, for which being root of a
// user namespace is not enough), then without, where Linux cuts to
// net.core.rmem_max silently and BSD kernels refuse, so that smaller sizes are
// tried there. A recorder wants 16 MiB.
func (c *Conn) SetReceiveBuffer(size int) (int, error) {
	return c.setBuffer(opRcvbuf, size, rcvbufForce, unix.SO_RCVBUF)
}

// SetSendBuffer is SetReceiveBuffer for the send buffer, which on Linux limits
// the size of one message: sendmsg refuses with EMSGSIZE what is longer than
// the size in force less 32 bytes.
func (c *Conn) SetSendBuffer(size int) (int, error) {
	return c.setBuffer(opSndbuf, size, sndbufForce, unix.SO_SNDBUF)
}

func (c *Conn) setBuffer(op string, size, force, plain int) (got int, err error) {
	if size <= 0 {
		return 0, opError(op, fmt.Errorf("%d bytes: %w", size, unix.EINVAL))
	}
	if err := c.use(); err != nil {
		return 0, failed(op, err)
	}
	defer c.done()
	if force == 0 || unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, force, size) != nil {
		for {
			err = unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, plain, size)
			if err != unix.ENOBUFS || size/2 < leastBuffer {
				break
			}
			size /= 2
		}
	}
	if err == nil {
		got, err = unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, plain)
	}
	if err != nil {
		return 0, failed(op, err)
	}
	return got, nil
}
