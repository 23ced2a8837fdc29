//go:build linux

package keysock_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// Messages of a batch are handled in order, up to one that is refused.
func TestKernelWriteBatch(t *testing.T) {
	c := kernelConn(t)
	var msgs [][]byte
	for seq := range uint32(100) {
		msgs = append(msgs, keysock.ControlMessage(5, 3, seq, 1)) // GET, which fails
	}
	batch := keysock.NewBatch(200)
	answers := func(want, first int) {
		t.Helper()
		n, err := c.TryReadBatch(batch)
		if n != want || err != nil {
			t.Fatalf("%d answers, %v, want %d", n, err, want)
		}
		for i := range n {
			if m := batch.Message(i); m[4] != 2 || int(m[8]) != first+i {
				t.Fatalf("answer %d: % x", i, m)
			}
		}
	}
	if n, err := c.WriteBatch(msgs); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	answers(100, 0)
	msgs[7] = msgs[7][:8]
	if n, err := c.WriteBatch(msgs); n != 7 || !errors.Is(err, syscall.EMSGSIZE) {
		t.Fatal(n, err)
	}
	answers(7, 0)
	if n, err := c.WriteBatch(msgs[7:]); n != 0 || !errors.Is(err, syscall.EMSGSIZE) {
		t.Fatal(n, err)
	}
	if n, err := c.WriteBatch(msgs[8:]); n != 92 || err != nil {
		t.Fatal(n, err)
	}
	answers(92, 8)
	if n, err := c.WriteBatch([][]byte{nil}); n != 0 || err == nil {
		t.Fatal(n, err)
	}
	if n, err := c.WriteBatch(nil); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	c.Close()
	if n, err := c.WriteBatch(msgs); n != 0 || err == nil {
		t.Fatal(n, err)
	}
}

// Of several sockets those with something to read are named.
func TestKernelPoll(t *testing.T) {
	requireKernel(t)
	ns := freshNetNS(t)
	var conns []*keysock.Conn
	for range 4 {
		conns = append(conns, openIn(t, ns))
	}
	for _, i := range []int{1, 3} {
		if _, err := conns[i].Write(keysock.ControlMessage(5, 3, 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	var p keysock.Poll
	for range 2 {
		ready, err := p.Ready(nil, conns)
		if len(ready) != 2 || ready[0] != 1 || ready[1] != 3 || err != nil {
			t.Fatal(ready, err)
		}
	}
	buf := make([]byte, keysock.MaxMessage)
	if _, err := conns[1].TryRead(buf); err != nil {
		t.Fatal(err)
	}
	if ready, err := p.Ready([]int{9}, conns); len(ready) != 2 || ready[1] != 3 || err != nil {
		t.Fatal(ready, err)
	}
	conns[0].Close()
	if ready, err := p.Ready(nil, conns); err == nil {
		t.Fatal(ready, err)
	}
	conns[1].Close() // which waits for nobody
}
