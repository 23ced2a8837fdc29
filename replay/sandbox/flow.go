package sandbox

import (
	"encoding/binary"
	"io"
	"os"
	"sync"
)

// A console that has more unread input than its line discipline wants to hold
// (4096 bytes less 128, n_tty.c) throttles its driver, and User-Mode Linux's driver
// does not come back from that: line_unthrottle (arch/um/drivers/line.c, Linux 4.x
// to 6.x) reads what is there, but leaves the interrupt off. So the host never sends
// more than flowWindow bytes that the guest has not read, which it tells by frames
// on the control console.
const (
	flowWindow = 3584
	flowReport = 1024 // bytes read that are worth a report
)

// flow is the host's end of a console's input.
type flow struct {
	w io.WriteCloser

	mu     sync.Mutex
	change sync.Cond // room or closed have changed; its lock is mu
	room   int
	closed bool
}

func newFlow(w io.WriteCloser) *flow {
	f := &flow{w: w, room: flowWindow}
	f.change.L = &f.mu
	return f
}

// Write writes b as the guest reads. There must be one Write at a time.
func (f *flow) Write(b []byte) (written int, err error) {
	for written < len(b) {
		f.mu.Lock()
		for f.room == 0 && !f.closed {
			f.change.Wait()
		}
		n := min(f.room, len(b)-written)
		f.room -= n
		closed := f.closed
		f.mu.Unlock()
		if closed {
			return written, os.ErrClosed
		}
		n, err = f.w.Write(b[written : written+n])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// hasRead makes room for n bytes more.
func (f *flow) hasRead(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room = min(f.room+n, flowWindow)
	f.change.Broadcast()
}

// Close ends the writing, also a Write that waits.
func (f *flow) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.change.Broadcast()
	return f.w.Close()
}

// flowReader is the guest's end: it reports what it reads.
type flowReader struct {
	io.Reader
	report func(n int) error
	unsaid int
}

func (r *flowReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if r.unsaid += n; r.unsaid >= flowReport && err == nil {
		err = r.report(r.unsaid)
		r.unsaid = 0
	}
	return n, err
}

// The payload of frameRead is one of these consoles and the number of bytes.
const (
	controlInput = iota
	commandInput
)

func readReport(input byte, n int) []byte {
	return binary.LittleEndian.AppendUint32([]byte{input}, uint32(n))
}

func parseReadReport(b []byte) (input byte, n int, ok bool) {
	if len(b) != 5 {
		return 0, 0, false
	}
	return b[0], int(min(binary.LittleEndian.Uint32(b[1:]), flowWindow)), true
}
