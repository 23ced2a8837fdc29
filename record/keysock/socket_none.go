//go:build !(linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris)

package keysock

import "runtime"

const (
	adviceAbsent     = adviceElsewhere
	advicePermission = ""
)

func openSocket() (int, error) { return -1, errNoSystem(runtime.GOOS, runtime.GOARCH) }

func readNow(int, []byte) (int, error) { return 0, errNotBuilt(opRead) }

func isEmpty(error) bool { return false }

// SetReceiveBuffer has nothing to work on here.
func (c *Conn) SetReceiveBuffer(int) (int, error) { return 0, errNotBuilt(opRcvbuf) }

// SetSendBuffer has nothing to work on here.
func (c *Conn) SetSendBuffer(int) (int, error) { return 0, errNotBuilt(opSndbuf) }
