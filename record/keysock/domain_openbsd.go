package keysock

import "golang.org/x/sys/unix"

// domain is the PF_KEY family: AF_KEY of sys/socket.h (PF_KEY is the same).
const domain = unix.AF_KEY

const (
	adviceAbsent     = "it needs a kernel with options IPSEC and KEY, as GENERIC has; captures of other machines can be read here"
	advicePermission = "be root"
)
