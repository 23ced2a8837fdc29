// Package sandbox runs a command inside a throwaway Linux kernel.
//
// The kernel is User-Mode Linux (Debian's package user-mode-linux), an ordinary
// program: it needs no root, no virtualisation and no devices, and is up within
// a tenth of a second. A [Cmd] is used like an [os/exec.Cmd]; its standard
// streams, arguments, environment, working directory, umask and exit status are
// as if the command had run here.
//
// The program that uses this package is its own guest: the kernel starts the
// same executable as process 1, where [InitIfGuest], to be called first thing in
// main (in tests: in TestMain, or by [sandboxtest.Main]), takes over.
//
// # What the guest shares with the host
//
//   - All files the user may read, at the same paths, read-only. What changes on
//     the host while the guest runs may be seen late or not at all.
//   - The working directory and [Cmd.Writable] can be written: files appear on
//     the host when they are closed or synced, and belong to the user.
//   - /tmp, /run and the directory of TMPDIR can be written too, but what is
//     written there goes with the guest (unless they lie in a directory that is
//     shared for writing).
//   - The processor, the clock and the environment.
//
// Not shared: processes, sockets, FIFOs and devices (/proc, /sys and /dev are
// the guest's), and the network. There is none but the loopback interface, which
// is up, with IPsec processing enabled on it (net.ipv4.conf.lo.disable_xfrm is 0),
// so traffic between local addresses can use SAs and policies. The command runs as
// the guest's root; on the host it is and remains the user.
//
// Everything PF_KEY and XFRM need is loaded (see modules.go); nothing is loaded on
// demand, so that the same algorithms are there each time.
//
// # Where it works
//
// On linux/amd64. Elsewhere the package compiles, and [Find] says so.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// KernelVariable is the environment variable that names the sandbox kernel's
// executable where it is not Debian's.
const KernelVariable = "PFKEYCAP_UML"

var (
	// ErrNoKernel says that this machine has no sandbox kernel. The error that
	// wraps it says what to do.
	ErrNoKernel = errors.New("no sandbox kernel")

	// ErrCrashed says that the kernel ended before the command did: it panicked,
	// was switched off from inside, or could not start.
	ErrCrashed = errors.New("the sandbox kernel ended early")

	// ErrTimeout says that the guest did not start, or the command did not end,
	// in time.
	ErrTimeout = errors.New("the sandbox ran out of time")
)

// Kernel is an installed sandbox kernel.
type Kernel struct {
	// Path is the kernel's executable.
	Path string

	// Modules is the directory that holds its modules, in a directory named after
	// the kernel's release. The kernel may have what it needs built in.
	Modules string
}

// Error is what went wrong with a sandbox, rather than with the command in it.
// Err is, or wraps, [ErrCrashed], [ErrTimeout], the cause of the context's end, or
// what kept the guest from being prepared.
type Error struct {
	// Stage is what was being done: "start", "run" or "end".
	Stage string
	// Command is the command that was to run.
	Command string
	Err     error
	// Console holds the last 64 KiB of what the kernel printed.
	Console string
}

func (e *Error) Unwrap() error { return e.Err }

// Error returns one line that says what happened, and the lines of the console
// that explain it, unless it was cancelled.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sandbox: %s %s: %v", e.Stage, e.Command, e.Err)
	if !errors.Is(e.Err, context.Canceled) {
		for _, line := range consoleExtract(e.Console) {
			b.WriteString("\n\tconsole: ")
			b.WriteString(line)
		}
	}
	return b.String()
}

// consoleLines is how many lines of the console an error shows.
const consoleLines = 12

// consoleMark is the first thing that init prints: what the kernel says before is
// of use only if it does not get that far.
const consoleMark = "sandbox: init"

// consoleExtract returns the lines that tell most: those around the first panic,
// whose stack trace would push it out of the last lines, or else the last ones.
func consoleExtract(console string) []string {
	if _, after, ok := strings.Cut(console, consoleMark); ok {
		console = after
	}
	var lines []string
	panicked := -1
	for line := range strings.Lines(console) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if panicked < 0 && strings.Contains(line, "Kernel panic") {
			panicked = len(lines)
		}
		lines = append(lines, line)
	}
	if panicked >= 0 {
		return lines[max(0, panicked-consoleLines+2):min(len(lines), panicked+2)]
	}
	return lines[max(0, len(lines)-consoleLines):]
}

// Cmd is a command to run in a guest of its own. Its exported fields must not be
// changed once it was started; it cannot be started twice. Several may run at once.
type Cmd struct {
	// Args is the command and its arguments. The command is looked up as env(1)
	// does: in the PATH of Env, or relative to Dir if it has a slash. Without any,
	// the user's SHELL runs, or /bin/sh.
	Args []string

	// Env is the command's environment in the form "key=value", by default this
	// process's.
	Env []string

	// Dir is the working directory, by default this process's.
	Dir string

	// Stdin is the command's standard input; nil is /dev/null. It is passed on as
	// it comes. Reading ends with the command, except that a Read which is then
	// under way and cannot be interrupted by SetReadDeadline takes its data along.
	//
	// If Stdin and Stdout are files that are terminals, the command gets a terminal
	// of its own, and Stdin is in raw mode while it runs.
	Stdin io.Reader

	// Stdout and Stderr take the command's output; nil discards it. If both are
	// the same comparable value, one goroutine writes to it, in the order in which
	// the command wrote. When a Write fails the command finds its output closed.
	Stdout, Stderr io.Writer

	// Writable are further directories whose files can be written.
	Writable []string

	// Timeout limits the time from Start to the end; 0 is no limit.
	Timeout time.Duration

	// Kernel is the kernel to run, by default the one that Find finds.
	Kernel Kernel

	// Memory is the guest's, in MiB, by default 256. Untouched memory costs nothing.
	Memory int

	// Init is the executable that becomes the guest's process 1, by default this
	// process's own. Its main must call InitIfGuest.
	Init string

	run     *guestRun
	closers []func(error) // called with Wait's error when that is known
}

// StdinPipe returns a pipe to the command's standard input. It must be called
// before Start. Closing it is the end of the input.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil || c.run != nil {
		return nil, errors.New("sandbox: StdinPipe after Stdin was set or the command started")
	}
	r, w := io.Pipe()
	c.Stdin = r
	c.closers = append(c.closers, func(err error) {
		if err == nil {
			err = io.ErrClosedPipe
		}
		r.CloseWithError(err)
	})
	return w, nil
}

// StdoutPipe returns a pipe from the command's standard output. It must be called
// before Start, and be read to its end or closed for Wait to return. It ends with
// io.EOF, or with Wait's error.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) {
	if c.Stdout != nil || c.run != nil {
		return nil, errors.New("sandbox: StdoutPipe after Stdout was set or the command started")
	}
	r, w := io.Pipe()
	c.Stdout = w
	c.closers = append(c.closers, func(err error) { w.CloseWithError(err) })
	return r, nil
}

// tail is a Writer that keeps the last bytes written to it.
type tail struct {
	max int
	mu  sync.Mutex
	b   []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*t.max {
		t.b = append(t.b[:0], t.b[len(t.b)-t.max:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.b[max(0, len(t.b)-t.max):], []byte("?")))
}
