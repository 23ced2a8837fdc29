//go:build freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock

// There is no form of the buffer options that passes over the limits here.
const (
	rcvbufForce = 0
	sndbufForce = 0
)
