//go:build linux

package keysock

import "golang.org/x/sys/unix"

// The forms of the buffer options that pass over the system's limits, for
// CAP_NET_ADMIN in the first user namespace.
const (
	rcvbufForce = unix.SO_RCVBUFFORCE
	sndbufForce = unix.SO_SNDBUFFORCE
)
