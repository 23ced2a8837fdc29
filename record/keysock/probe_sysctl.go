//go:build freebsd || netbsd || dragonfly || darwin

package keysock

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// rootOnly: the kernel asks for root (PRIV_NET_RAW on FreeBSD).
const rootOnly = true

// trace looks for a variable that the kernels of the KAME family have exactly
// when PF_KEY is compiled in or loaded (netipsec/key.c, netkey/key.c on macOS,
// netproto/key/key.c on DragonFly).
func trace() (place string, err error) {
	const name = "net.key.debug"
	if _, err = unix.SysctlRaw(name); err == unix.EINVAL {
		// What x/sys says on NetBSD of a name that is not there.
		err = fs.ErrNotExist
	}
	return "sysctl " + name, err
}
