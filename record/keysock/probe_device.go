//go:build solaris

package keysock

import "os"

// rootOnly is false: sys_ip_config can be given to anyone (privileges(5)).
const rootOnly = false

// trace looks for the device that sock2path(5) puts behind PF_KEY sockets.
func trace() (place string, err error) {
	const name = "/dev/keysock"
	_, err = os.Stat(name)
	return name, err
}
