//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

// program makes a copy of this program that is called pfkeycap, as TestMain wants it.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "pfkeycap")
	if os.Link(self, name) != nil {
		b, err := os.ReadFile(self)
		if err == nil {
			err = os.WriteFile(name, b, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// descendants are the processes that a process started, and those that they did.
func descendants(t *testing.T, pid int) (list []int) {
	t.Helper()
	parents := map[int]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it is gone
		}
		// pid (name) state ppid …
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if parents[child], err = strconv.Atoi(f[1]); err != nil {
			t.Fatal(err)
		}
	}
	for child := range parents {
		for p, ok := parents[child]; ok && p != 0; p, ok = parents[p] {
			if p == pid {
				list = append(list, child)
				break
			}
		}
	}
	return list
}

// within waits for something that must happen soon.
func within(t *testing.T, what string, f func() bool) {
	t.Helper()
	for start := time.Now(); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// recordsIn counts the whole records of a capture that may be written at the time.
func recordsIn(name string) (n int) {
	r, err := record.Open(name, record.ReaderOptions{NoKeys: true})
	if err != nil {
		return 0
	}
	defer r.Close()
	for {
		if _, err := r.Next(); err != nil {
			return n
		}
		n++
	}
}

// TestInterruptedReplay ends replays on their way: no process of the sandbox is left,
// and what was answered is in the capture.
func TestInterruptedReplay(t *testing.T) {
	if _, err := sandbox.Find(); err != nil {
		if os.Getenv("PFKEYCAP_REQUIRE_KERNEL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	pfkeycap := program(t)
	for _, test := range []struct {
		name   string
		sig    syscall.Signal
		kernel bool // that gets the signal
	}{
		{"interrupted", syscall.SIGINT, false},
		{"terminated", syscall.SIGTERM, false},
		{"killed", syscall.SIGKILL, false},
		{"the kernel is killed", syscall.SIGKILL, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			answers := filepath.Join(t.TempDir(), "answers.pcapng")
			var stderr bytes.Buffer
			cmd := exec.Command(pfkeycap, "replay", "-x", "0.01", "-w", answers, "../../fixtures/demo/demo.pcapng")
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			var started []int
			within(t, "the first answer is in the file", func() bool {
				started = descendants(t, cmd.Process.Pid)
				return recordsIn(answers) > 1 && len(started) > 1
			})
			victims := []int{cmd.Process.Pid}
			if test.kernel {
				victims = started
			}
			for _, pid := range victims {
				_ = syscall.Kill(pid, test.sig) // of the kernel's some may go with the first
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Fatalf("%v\n%s", err, &stderr)
			}
			want := "replay stopped "
			if test.kernel {
				want = "the sandbox kernel ended early"
			}
			if (test.kernel || test.sig != syscall.SIGKILL) && (exit.ExitCode() != exitDamage || !strings.Contains(stderr.String(), want)) {
				t.Errorf("exit status %d: %s", exit.ExitCode(), &stderr)
			}
			if hint := strings.Contains(stderr.String(), "--minimize"); hint != test.kernel {
				t.Errorf("minimize is proposed: %v", hint)
			}
			if n := recordsIn(answers); n < 2 {
				t.Errorf("%d records are left", n)
			}
			within(t, "all processes end", func() bool {
				return !slices.ContainsFunc(started, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
			})
		})
	}
}

// TestInterruptedDecode: reading a file ends with the signal, and what is printed ends with
// a whole line.
func TestInterruptedDecode(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "endless")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program(t), "decode", "--hex", fifo)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for k := 0; err == nil; k++ {
		if _, err = io.WriteString(w, registerLine); k == 10000 {
			cmd.Process.Signal(os.Interrupt)
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("%v\n%s", err, &stderr)
	}
	if !strings.HasSuffix(stdout.String(), " pid=25\n") {
		t.Errorf("what is printed ends with %q", stdout.String()[max(0, stdout.Len()-100):])
	}
}

const registerLine = "02070003020000000700000019000000\n"

// TestInterruptedPipe: a signal leaves what reads a pipe until the pipe ends, another one
// does not.
func TestInterruptedPipe(t *testing.T) {
	pfkeycap := program(t)
	const demo = "../../fixtures/demo/demo.pcapng"
	capture, err := os.ReadFile(demo)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Count(command(t, "decode", demo), "\n")
	for _, test := range []struct {
		name  string
		twice bool
	}{{"once", false}, {"twice", true}} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command(pfkeycap, "decode", "-")
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			stdout := bufio.NewReader(out)
			stdin.Write(capture[:len(capture)/2])
			if _, err := stdout.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			cmd.Process.Signal(os.Interrupt)
			if !test.twice {
				time.Sleep(10 * time.Millisecond) // for the signal to come first
				stdin.Write(capture[len(capture)/2:])
				stdin.Close()
				rest, _ := io.ReadAll(stdout)
				if n := strings.Count(string(rest), "\n"); n != lines-1 {
					t.Errorf("%d lines after the first, want %d", n, lines-1)
				}
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			for k := 0; ; k++ {
				select {
				case err := <-ended:
					if killed := err != nil && err.Error() == "signal: interrupt"; killed != test.twice {
						t.Error(err)
					}
					return
				case <-time.After(100 * time.Millisecond):
					if test.twice {
						cmd.Process.Signal(os.Interrupt)
					}
				}
			}
		})
	}
}
