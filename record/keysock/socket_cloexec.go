//go:build linux || freebsd || netbsd || openbsd || dragonfly || solaris

package keysock

import "golang.org/x/sys/unix"

// rawSocket opens a socket of the family that is close-on-exec and
// non-blocking from the start.
func rawSocket(family int) (int, error) {
	for {
		fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, pfKeyV2)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
