package keysock_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

func TestProcessName(t *testing.T) {
	want, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	got, err := keysock.ProcessName(uint32(os.Getpid()))
	if err != nil || got+"\n" != string(want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if got, err := keysock.ProcessName(1 << 31); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no process: %q, %v", got, err)
	}
}

func TestSocketOwners(t *testing.T) {
	c, _ := standIn(t)
	inode, err := c.Inode()
	if err != nil {
		t.Fatal(err)
	}
	self := uint32(os.Getpid())
	// A child inherits it, as one of iked's does.
	child := exec.Command("sleep", "60")
	c.Control(func(fd int) {
		if fd, err = unix.Dup(fd); err == nil {
			child.ExtraFiles = []*os.File{os.NewFile(uintptr(fd), "socket")}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	child.ExtraFiles[0].Close()
	defer func() { child.Process.Kill(); child.Wait() }()
	child.ExtraFiles[0].Close()
	both := []uint32{self, uint32(child.Process.Pid)}
	slices.Sort(both)
	for _, tt := range []struct {
		name string
		pids []uint32
		want []uint32
	}{
		{"all", nil, both},
		{"one that does", []uint32{self}, []uint32{self}},
		{"one that does not", []uint32{1, 1 << 31}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owners, err := keysock.SocketOwners([]uint64{inode}, tt.pids...)
			if err != nil {
				t.Fatal(err)
			}
			var got []uint32
			for _, o := range owners[inode] {
				got = append(got, o.PID)
				if name, _ := keysock.ProcessName(o.PID); o.Name != name || name == "" {
					t.Errorf("pid %d is %q, want %q", o.PID, o.Name, name)
				}
			}
			if !slices.Equal(got, tt.want) || len(owners) != min(1, len(tt.want)) {
				t.Errorf("%v, want %v of one socket", owners, tt.want)
			}
		})
	}
	if owners, err := keysock.SocketOwners([]uint64{1 << 60}); err != nil || len(owners) != 0 {
		t.Errorf("of no socket: %v, %v", owners, err)
	}
	c.Close()
	if _, err := c.Inode(); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "owners") {
		t.Errorf("after Close: %v", err)
	}
}
