package keysock

import "golang.org/x/sys/unix"

// domain is the PF_KEY family: AF_KEY of sys/socket.h (PF_KEY is the same).
const domain = unix.AF_KEY

const (
	adviceAbsent     = "keysock has to be mapped in sock2path(5) and IPsec installed; captures of other machines can be read here"
	advicePermission = "have the privilege sys_ip_config, which root and the profile Network IPsec Management hold"
)
