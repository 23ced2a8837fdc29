//go:build linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// openSocket opens the socket in the namespace of the calling thread.
func openSocket() (int, error) {
	fd, err := rawSocket(domain)
	if err != nil {
		return -1, openError(err)
	}
	return fd, nil
}

// openError says what the errno of socket(2) means for PF_KEY.
func openError(err error) error {
	e := &OpError{Op: opOpen, Err: err}
	switch {
	case errors.Is(err, unix.EAFNOSUPPORT):
		e.Err, e.Advice = fmt.Errorf("%w (%w)", ErrNoPFKEY, err), adviceAbsent
	case errors.Is(err, unix.ESOCKTNOSUPPORT), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EPROTOTYPE):
		// The family is there, but not as raw socket with version 2: a kernel
		// whose IPsec is not compiled in, or something else under that number.
		e.Err, e.Advice = fmt.Errorf("%w: it knows the family but not PF_KEYv2 (%w)", ErrNoPFKEY, err), adviceAbsent
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		e.Err, e.Advice = fmt.Errorf("%w (%w)", ErrPermission, err), advicePermission
	}
	return e
}

// readNow reads one message without waiting.
//
// It is read(2) for a reason: the BSDs deliver a PF_KEY source address of two
// octets with every message, which the Recvfrom and Recvmsg of x/sys turn into
// EAFNOSUPPORT after the message is gone.
func readNow(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Read(fd, buf)
		if n == 0 && err == nil {
			err = io.EOF
		}
		if err == nil {
			return n, nil
		}
		if err != unix.EINTR {
			return 0, err
		}
	}
}

// isEmpty tells whether err only says that nothing is queued.
func isEmpty(err error) bool {
	return err == unix.EAGAIN
}
