//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// onReaderGone calls f once when nobody will read what is written to w any more:
// a pipe whose other end is closed says so though nothing is written. Other files
// have no such end.
func onReaderGone(w io.Writer, f func()) (stop func()) {
	file, ok := w.(*os.File)
	if !ok {
		return func() {}
	}
	st, err := file.Stat()
	if err != nil || st.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return func() {}
	}
	wakeR, wakeW, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer wakeR.Close()
		fds := []unix.PollFd{{Fd: int32(file.Fd())}, {Fd: int32(wakeR.Fd())}} // errors and ends are always told
		for {
			_, err := unix.Poll(fds, -1)
			switch {
			case err == unix.EINTR:
			case err != nil || fds[1].Revents != 0:
				return
			case fds[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
				f()
				return
			}
		}
	}()
	return func() {
		wakeW.Close()
		<-done
	}
}
