//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"os"
	"syscall"
)

// infoSignals is what control-T sends.
var infoSignals = []os.Signal{syscall.SIGINFO}
