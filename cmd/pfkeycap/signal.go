package main

import (
	"os"
	"os/signal"
	"syscall"
)

// stopSignals are the signals that end the program cleanly. SIGHUP is not among
// them if it is ignored, as nohup(1) has it: the recording is to outlive its
// terminal then.
func stopSignals() []os.Signal {
	s := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		s = append(s, syscall.SIGHUP)
	}
	return s
}

// onSignal calls f on each of some signals. With none of them it does nothing.
func onSignal(f func(), sigs []os.Signal) (stop func()) {
	if len(sigs) == 0 {
		return func() {}
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, sigs...)
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
