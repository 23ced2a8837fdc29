//go:build unix

package main

import (
	"os"
	"syscall"
)

// countSignals ask a recording for its counts, as tcpdump's SIGUSR1 does;
// syncSignals tell it to bring what it has to the disk, as SIGUSR2 does. A write
// to a pipe that nobody reads, or will ever read, is an error and not the end of
// the process once pipeSignals are caught.
var (
	countSignals = append([]os.Signal{syscall.SIGUSR1}, infoSignals...)
	syncSignals  = []os.Signal{syscall.SIGUSR2}
	pipeSignals  = []os.Signal{syscall.SIGPIPE}
)
