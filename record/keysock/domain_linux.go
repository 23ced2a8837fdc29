package keysock

import "golang.org/x/sys/unix"

// domain is the PF_KEY family: AF_KEY of linux/socket.h (PF_KEY is the same).
const domain = unix.AF_KEY

const (
	adviceAbsent     = "load its module (modprobe af_key as root; CONFIG_NET_KEY may be missing from this kernel), or use a kernel that brings it (pfkeycap sandbox)"
	advicePermission = "PF_KEY needs CAP_NET_ADMIN in the user namespace that owns the network namespace: be root, or be root in namespaces of your own (unshare -rn), or use a kernel of your own (pfkeycap sandbox)"
)
