package main

import (
	"io"
	"sync"
	"time"
)

// beside is a writer that never keeps its caller waiting: what it writes waits in
// memory for a slow reader, such as a terminal that has been stopped, and what
// finds no room there is left out and counted.
type beside struct {
	w    io.Writer
	room int // bytes that may wait

	mu      sync.Mutex
	wake    sync.Cond // something waits, or it is the end
	waiting []byte
	left    uint64 // writes that were left out
	err     error  // of w
	ended   bool
	done    chan struct{}
}

func newBeside(w io.Writer, room int) *beside {
	b := &beside{w: w, room: room, done: make(chan struct{})}
	b.wake.L = &b.mu
	go b.run()
	return b
}

func (b *beside) run() {
	defer close(b.done)
	var writing []byte
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for len(b.waiting) == 0 && !b.ended {
			b.wake.Wait()
		}
		if len(b.waiting) == 0 || b.err != nil {
			return
		}
		writing, b.waiting = b.waiting, writing[:0]
		b.mu.Unlock()
		_, err := b.w.Write(writing)
		b.mu.Lock()
		b.err = err
	}
}

// Write takes a copy of p, as a whole or not at all. Its error is that of an
// earlier write.
func (b *beside) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return 0, b.err
	case len(b.waiting)+len(p) > b.room:
		b.left++
	default:
		b.waiting = append(b.waiting, p...)
		b.wake.Signal()
	}
	return len(p), nil
}

// end writes what waits, for as long as patience lasts. It returns how many writes
// were left out, and whether more was not written.
func (b *beside) end(patience time.Duration) (left uint64, cut bool) {
	b.mu.Lock()
	b.ended = true
	b.wake.Signal()
	b.mu.Unlock()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-b.done:
	case <-t.C:
		cut = true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left, cut
}
