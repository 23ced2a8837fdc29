//go:build !(linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris)

package keysock

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	adviceAbsent     = adviceElsewhere
	advicePermission = ""
)

func openSocket() (int, error) { return -1, errNoSystem(runtime.GOOS, runtime.GOARCH) }

func mustNotBlock(int) error { return errNotBuilt(opOpen) }

func closeNow(int) error { return errNotBuilt(opClose) }

func writeNow(int, []byte) (int, error) { return 0, errNotBuilt(opWrite) }

// waiting has nothing to wait for.
type waiting struct{ asleep atomic.Bool }

func (*waiting) prepare() error { return errNotBuilt(opRead) }

func (*waiting) wait(int, time.Duration) error { return errNotBuilt(opRead) }

func (*waiting) wake() {}

func (*waiting) close() {}

func readNow(int, []byte) (int, error) { return 0, errNotBuilt(opRead) }

func isEmpty(error) bool { return false }

// SetReceiveBuffer has nothing to work on here.
func (c *Conn) SetReceiveBuffer(int) (int, error) { return 0, errNotBuilt(opRcvbuf) }

// SetSendBuffer has nothing to work on here.
func (c *Conn) SetSendBuffer(int) (int, error) { return 0, errNotBuilt(opSndbuf) }
