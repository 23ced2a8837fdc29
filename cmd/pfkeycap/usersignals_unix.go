//go:build unix

package main

import (
	"os"
	"syscall"
)

// countSignals ask a recording for its counts, as tcpdump's SIGUSR1 does;
// syncSignals tell it to bring what it has to the disk, as SIGUSR2 does. Once
// writeSignals are caught, a write to a pipe that nobody reads, or beyond the limit
// for the size of a file, is an error and not the end of the process.
var (
	countSignals = append([]os.Signal{syscall.SIGUSR1}, infoSignals...)
	syncSignals  = []os.Signal{syscall.SIGUSR2}
	writeSignals = []os.Signal{syscall.SIGPIPE, syscall.SIGXFSZ}
)
