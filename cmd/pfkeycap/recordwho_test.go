//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// TestWho follows PF_KEY sockets on a real kernel.
func TestWho(t *testing.T) { sandboxtest.Run(t, testWho) }

func testWho(t *testing.T) {
	open := func() *keysock.Conn {
		t.Helper()
		c, err := keysock.Open(keysock.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	text := func(c *keysock.Conn, owners ...string) string {
		inode, err := c.Inode()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s, uid %d, inode %d", strings.Join(owners, " "), os.Getuid(), inode)
	}
	pid := uint32(os.Getpid())
	name, err := keysock.ProcessName(pid)
	if err != nil {
		t.Fatal(err)
	}
	self := fmt.Sprintf("pid=%d(%s)", pid, name)

	own, other := open(), open()
	defer own.Close()
	var said, noted []string
	w := newWho(own, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) },
		func(s string) { noted = append(noted, s) })
	if got := w.users(); got != self {
		t.Errorf("users %q, want %q", got, self)
	}
	now := time.Now()
	next := func(step string, want ...string) {
		t.Helper()
		r := record.Record{Time: now, Data: make([]byte, 16)}
		binary.NativeEndian.PutUint32(r.Data[12:], pid)
		w.annotate(&r)
		if r.Process != name || !slices.Equal(noted, want) {
			t.Errorf("%s: process %q, comments\n%q, want %q and\n%q", step, r.Process, noted, name, want)
		}
		noted = nil
	}
	next("first record")
	w.state()
	next("first record of a file", "PF_KEY socket: "+text(other, self))
	w.state()
	next("of the next file", "PF_KEY socket: "+text(other, self))

	third := open()
	w.look()
	next("opened", "PF_KEY socket opened: "+text(third, self))
	w.look()
	next("nothing new")

	// A child inherits a socket, as one of iked's does.
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{duplicate(t, third)}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	child.ExtraFiles[0].Close()
	sleeper := fmt.Sprintf("pid=%d(sleep)", child.Process.Pid)
	w.look(uint32(child.Process.Pid))
	next("handed on", "PF_KEY socket handed on: "+text(third, self, sleeper))

	// A process that is gone has closed its sockets; one that has others is not.
	gone := text(third, self, sleeper)
	third.Close()
	child.Process.Kill()
	child.Wait()
	w.look()
	next("closed", "PF_KEY socket closed: "+gone)
	if p := w.goneBefore(now.Add(time.Second)); p != 0 {
		t.Errorf("%d is given up at once", p)
	}
	later := time.Now().Add(goneFor)
	if p := w.goneBefore(later); p != uint32(child.Process.Pid) {
		t.Errorf("%d is given up, want the child", p)
	}
	if p := w.goneBefore(later); p != 0 {
		t.Errorf("%d is given up, which has another socket", p)
	}

	// A queue that nobody reads.
	for i := range 2000 {
		if _, err := other.Promiscuous(false, uint32(i), pid); err != nil {
			t.Fatal(err)
		}
	}
	w.look()
	if len(said) != 1 || !strings.Contains(said[0], "KiB unread") || !strings.Contains(said[0], text(other, self)) {
		t.Errorf("said %q", said)
	}
	next("unread", said...)
	w.look()
	next("still unread")
	for b := keysock.NewBatch(0); ; {
		if n, err := other.TryReadBatch(b); n == 0 || err != nil {
			break
		}
	}
	w.look()
	next("read again", "PF_KEY socket read again: "+text(other, self))

	// The name of a process that cannot be asked any more is kept for a while.
	w.names[1<<30] = &processName{pid: 1 << 30, name: "setkey", asked: now, seen: now}
	for _, tt := range []struct {
		after time.Duration
		want  string
	}{{0, "setkey"}, {2 * time.Second, "setkey"}, {nameLasts, ""}} {
		if got := w.name(1<<30, now.Add(tt.after)); got != tt.want {
			t.Errorf("after %v its name is %q, want %q", tt.after, got, tt.want)
		}
	}
	for i := range uint32(3 * maxProcessNames) {
		w.name(1<<29+i, now)
	}
	if len(w.names) > maxProcessNames {
		t.Errorf("%d names are remembered", len(w.names))
	}
}

// duplicate returns another descriptor of a socket.
func duplicate(t *testing.T, c *keysock.Conn) *os.File {
	t.Helper()
	inode, err := c.Inode()
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fds {
		if link, _ := os.Readlink("/proc/self/fd/" + e.Name()); link == fmt.Sprintf("socket:[%d]", inode) {
			n, _ := strconv.Atoi(e.Name())
			fd, err := syscall.Dup(n)
			if err != nil {
				t.Fatal(err)
			}
			return os.NewFile(uintptr(fd), "socket")
		}
	}
	t.Fatalf("no descriptor of socket %d", inode)
	return nil
}
