//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// onUSR1 calls f on each SIGUSR1, as tcpdump prints its counts.
func onUSR1(f func()) (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	go func() {
		for range ch {
			f()
		}
	}()
	return func() {
		signal.Stop(ch)
		close(ch)
	}
}
