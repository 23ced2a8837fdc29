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

// pipe makes a pipe that is close-on-exec and non-blocking at both ends.
func pipe() (r, w int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, -1, err
	}
	return p[0], p[1], nil
}
