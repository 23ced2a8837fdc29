package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// startTimeout bounds the time until the command runs. It is a hundred times
	// what is usual, for machines that are busy or slow.
	startTimeout = 30 * time.Second

	// endTimeout bounds the time a kernel takes to go once the command has ended.
	endTimeout = 2 * time.Second

	// endGrace bounds the time to write out what a dead guest has left.
	endGrace = 200 * time.Millisecond

	defaultMemory = 256
)

// kernelArgs are the kernel's arguments that are always the same.
//
// The kernel spends most of a second on things no sandbox needs. These are left
// out (names a kernel does not know do no harm): the choice of the fastest RAID-6
// code (0.8 s; Btrfs and MD would fail), 256 old-style pseudo-terminals, and the
// measurement of its delay loop. The last four serve devices the guest does not
// have; what matters is that ubd and rng start helper processes on the host, which
// would outlive a kernel that is killed, and that mconsole makes files there. The
// directory for the same (uml_dir) is one that cannot be made.
//
// nohz=off keeps the timer ticking while the guest is idle, a hundred times a
// second. Between the idle loop's last look for work and its sleep, an interrupt
// goes unnoticed (os_idle_sleep, arch/um/os-Linux/time.c, Linux 6.1): a guest whose
// next timer is far off then hangs, on a busy host once in some hundred megabytes.
var kernelArgs = []string{
	"root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
	"con=null", "con0=null,fd:1", "con1=null,fd:4", "con2=null,fd:5", "con3=fd:6,null", "con4=fd:7",
	"quiet", "panic=-1", "nohz=off",
	"pty.legacy_count=0", "lpj=20000000",
	"initcall_blacklist=raid6_select_algo,ubd_init,ubd_driver_init,rng_init,mconsole_init,ssl_init",
	"uml_dir=/dev/null/",
	guestMarker + "=1",
}

// Find returns the sandbox kernel of this machine: the executable that the
// environment variable PFKEYCAP_UML names, else linux.uml in PATH or /usr/bin.
// Modules are looked for where they lie in Debian's package, seen from there.
// The error wraps [ErrNoKernel].
func Find() (Kernel, error) {
	if Inside() {
		return Kernel{}, fmt.Errorf("sandbox: %w: this is the inside of a sandbox, and they do not nest", ErrNoKernel)
	}
	if raceDetector {
		return Kernel{}, fmt.Errorf("sandbox: %w for a program built with -race: ThreadSanitizer needs addresses that a guest does not have", ErrNoKernel)
	}
	if path := os.Getenv(KernelVariable); path != "" {
		k, err := KernelAt(path)
		if err != nil {
			return k, fmt.Errorf("sandbox: %w: %s: %w", ErrNoKernel, KernelVariable, err)
		}
		return k, nil
	}
	for _, name := range [2]string{"linux.uml", "/usr/bin/linux.uml"} {
		if path, err := exec.LookPath(name); err == nil {
			return KernelAt(path)
		}
	}
	return Kernel{}, fmt.Errorf("sandbox: %w: User-Mode Linux is not installed; on Debian: apt-get install user-mode-linux, elsewhere name its executable in %s", ErrNoKernel, KernelVariable)
}

// KernelAt is the kernel whose executable path is, with the modules that lie where
// Debian's package has them, seen from there, or else those of that package: a kernel
// takes only those of its own release.
func KernelAt(path string) (Kernel, error) {
	if err := executable(path); err != nil {
		return Kernel{}, err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Kernel{}, err
	}
	modules := filepath.Join(filepath.Dir(path), "../lib/uml/modules")
	if _, err := os.Stat(modules); err != nil {
		modules = "/usr/lib/uml/modules"
	}
	return Kernel{path, modules}, nil
}

func executable(path string) error {
	fi, err := os.Stat(path)
	if err == nil && fi.IsDir() {
		err = &os.PathError{Op: "execute", Path: path, Err: syscall.EISDIR}
	}
	if err == nil {
		if err = unix.Access(path, unix.X_OK); err != nil {
			err = &os.PathError{Op: "execute", Path: path, Err: err}
		}
	}
	return err
}

// Run starts the command and waits for it; see Start and Wait.
func (c *Cmd) Run(ctx context.Context) (exitStatus int, err error) {
	if err := c.Start(ctx); err != nil {
		return -1, err
	}
	return c.Wait()
}

// Start starts a guest with the command, and returns without waiting until it
// runs. The guest dies with ctx, and with this process. The caller must call Wait.
func (c *Cmd) Start(ctx context.Context) error {
	if c.run != nil {
		return errors.New("sandbox: the command was already started")
	}
	r := &guestRun{cmd: c, done: make(chan struct{}), stopInput: func() {}, giveBack: func() {}}
	if err := r.prepare(); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	c.run = r
	return nil
}

// Wait waits until the guest is gone and all output is written. It returns the
// command's exit status: 128+n if signal n ended it, 127 if there is no such
// command, 126 if it cannot be run (a message is on its standard error). The error
// is an [*Error] if the sandbox failed, and the status then -1; or else the first
// error of reading Stdin or writing Stdout or Stderr. It may be called often.
func (c *Cmd) Wait() (exitStatus int, err error) {
	if c.run == nil {
		return -1, errors.New("sandbox: Wait before Start")
	}
	<-c.run.done
	return c.run.code, c.run.err
}

// Signal sends a signal to the command. One sent before the command runs is
// delivered then, one sent after its end is lost.
func (c *Cmd) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok || s <= 0 || s > 64 {
		return fmt.Errorf("sandbox: cannot send signal %v", sig)
	}
	if c.run == nil {
		return errors.New("sandbox: Signal before Start")
	}
	return c.run.send(frameSignal, []byte{byte(s)})
}

// guestRun is the host's side of one guest.
type guestRun struct {
	cmd    *Cmd
	kernel Kernel
	task   task
	argv   []string
	env    []string

	process                      *exec.Cmd
	control, stdout, stderr, log *os.File // our ends
	input                        [2]*flow // on control, and the command's
	console                      tail

	mu      sync.Mutex
	reaped  bool    // the process id is no longer ours
	reason  error   // why the guest was killed
	status  *status // what it reported, if it was not
	copyErr error   // the first one of reading or writing the caller's streams

	sending sync.Mutex
	ready   bool         // the guest has been told its task
	pending bytes.Buffer // frames to send then

	stopInput, giveBack func()

	done chan struct{} // closed when code and err are set
	code int
	err  error
}

// prepare checks and completes what the caller gave.
func (r *guestRun) prepare() (err error) {
	c := r.cmd
	if r.kernel = c.Kernel; r.kernel.Path == "" {
		if r.kernel, err = Find(); err != nil {
			return err
		}
	} else if Inside() {
		return fmt.Errorf("sandbox: %w: this is the inside of a sandbox, and they do not nest", ErrNoKernel)
	}
	init := c.Init
	if init == "" {
		if init, err = os.Executable(); err != nil {
			return fmt.Errorf("sandbox: this process's executable, to be the guest's init: %w", err)
		}
	}
	if init, err = filepath.EvalSymlinks(init); err != nil {
		return fmt.Errorf("sandbox: the guest's init: %w", err)
	}
	if err := executable(init); err != nil {
		return fmt.Errorf("sandbox: the guest's init: %w", err)
	}
	if strings.Contains(init, `"`) {
		return fmt.Errorf("sandbox: the guest's init %s: a kernel's command line cannot hold a quotation mark", init)
	}

	t := &r.task
	if t.Env = c.Env; t.Env == nil {
		t.Env = os.Environ()
	}
	if t.Args = c.Args; len(t.Args) == 0 {
		shell := lookup(t.Env, "SHELL")
		if shell == "" {
			shell = "/bin/sh"
		}
		t.Args = []string{shell}
	}
	if t.Dir = c.Dir; t.Dir == "" {
		t.Dir = "."
	}
	if t.Dir, err = filepath.Abs(t.Dir); err == nil {
		t.Dir, err = filepath.EvalSymlinks(t.Dir)
	}
	if err != nil {
		return fmt.Errorf("sandbox: working directory: %w", err)
	}
	t.Modules = r.kernel.Modules
	t.Umask = umask()

	writable, err := realDirectories(t.Dir, c.Writable)
	if err != nil {
		return err
	}
	if t.Dir != "/" {
		writable = append(writable, t.Dir)
	}
	scratch := []string{"/tmp", "/run"}
	if dir := lookup(t.Env, "TMPDIR"); dir != "" {
		// A directory that is not there is the command's own affair.
		if dirs, err := realDirectories(t.Dir, []string{dir}); err == nil {
			scratch = append(scratch, dirs...)
		}
	}
	if t.Mounts, err = planMounts(writable, scratch); err != nil {
		return err
	}

	t.Stdin = c.Stdin != nil
	if in, out := terminal(c.Stdin), terminal(c.Stdout); in != nil && out != nil {
		t.Terminal = true
		t.Window = windowOf(out)
		t.StderrToStdout = terminal(c.Stderr) != nil
	} else {
		t.StderrToStdout = c.Stdout != nil && same(c.Stdout, c.Stderr)
	}

	memory := c.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	if memory < 32 {
		return fmt.Errorf("sandbox: %d MiB of memory are too little for a guest, 32 is the least", memory)
	}
	r.argv = append([]string{r.kernel.Path}, kernelArgs...)
	r.argv = append(r.argv, "mem="+strconv.Itoa(memory)+"M", `init="`+init+`"`)
	r.env = []string{"LD_PRELOAD=/proc/self/fd/3", "TMPDIR=" + memoryDirectory(memory), "HOME=/dev/null"}
	return nil
}

// same reports whether two values are one, as far as can be said.
func same(a, b any) bool {
	return a != nil && b != nil && reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// umask returns this process's umask, without changing it for a moment as
// umask(2) would.
func umask() int {
	b, _ := os.ReadFile("/proc/self/status")
	if _, after, ok := bytes.Cut(b, []byte("\nUmask:\t")); ok {
		text, _, _ := bytes.Cut(after, []byte("\n"))
		if n, err := strconv.ParseUint(string(text), 8, 12); err == nil {
			return int(n)
		}
	}
	return 0o022
}

// memoryDirectory returns a directory for the file that is the guest's memory,
// which has no name once it is made: one in memory if it has room.
func memoryDirectory(mebibytes int) string {
	const shm = "/dev/shm"
	var fs unix.Statfs_t
	if unix.Statfs(shm, &fs) == nil && fs.Type == unix.TMPFS_MAGIC && fs.Flags&unix.ST_NOEXEC == 0 &&
		fs.Bavail*uint64(fs.Bsize)>>20 >= uint64(mebibytes) && unix.Access(shm, unix.W_OK) == nil {
		return shm
	}
	return os.TempDir()
}

// nextCore is advanced by each guest of this process, from a start that differs
// between processes.
var nextCore atomic.Uint32

func init() { nextCore.Store(uint32(os.Getpid())) }

// pinThread binds the calling thread to one of the cores it may use, a different
// one each time. The threads of a kernel and its programs take turns all the time:
// on one core that takes a third to a quarter of the time. It is not worth failing
// for.
func pinThread() {
	var allowed, one unix.CPUSet
	if unix.SchedGetaffinity(0, &allowed) != nil {
		return
	}
	n := allowed.Count()
	if n < 2 {
		return
	}
	skip := int(nextCore.Add(1)) % n
	for core := range len(allowed) * 64 {
		if !allowed.IsSet(core) {
			continue
		}
		if skip == 0 {
			one.Set(core)
			_ = unix.SchedSetaffinity(0, &one)
			return
		}
		skip--
	}
}

// preloadFile returns the preload object as a file that has no name.
func preloadFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("pfkeycap-ptrace", unix.MFD_CLOEXEC)
	if err == unix.EACCES {
		// The system wants it said that nobody will execute it as a program.
		fd, err = unix.MemfdCreate("pfkeycap-ptrace", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox: memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "pfkeycap-ptrace")
	if _, err := f.Write(preloadObject()); err != nil {
		f.Close()
		return nil, fmt.Errorf("sandbox: the kernel's ptrace: %w", err)
	}
	return f, nil
}

// start starts the kernel, and what serves it.
func (r *guestRun) start(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return r.fault("start", context.Cause(ctx))
	}
	var files []*os.File
	defer func() {
		if err != nil {
			closeFiles(files)
		}
	}()
	var pipes [4][2]*os.File
	for i := range pipes {
		p := &pipes[i]
		if p[0], p[1], err = os.Pipe(); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
		files = append(files, p[0], p[1])
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("sandbox: socketpair: %w", err)
	}
	control := [2]*os.File{os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")}
	files = append(files, control[0], control[1])
	preload, err := preloadFile()
	if err != nil {
		return err
	}
	files = append(files, preload)

	r.log, r.stdout, r.stderr, r.control = pipes[0][0], pipes[1][0], pipes[2][0], control[0]
	r.input = [2]*flow{controlInput: newFlow(r.control), commandInput: newFlow(pipes[3][1])}
	log := pipes[0][1]
	theirs := []*os.File{preload, pipes[1][1], pipes[2][1], pipes[3][0], control[1]} // from 3 on, see kernelArgs
	r.process = &exec.Cmd{
		Path: r.kernel.Path, Args: r.argv, Env: r.env,
		Stdout: log, Stderr: log, ExtraFiles: theirs,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	}
	r.console.max = 64 << 10
	started := make(chan error)
	exited := make(chan struct{})
	go func() {
		// The kernel gets the core of the thread that starts it, and dies with that
		// thread. So the thread is this goroutine's alone, and ends with it.
		runtime.LockOSThread()
		pinThread()
		err := r.process.Start()
		started <- err
		if err == nil {
			r.reap()
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("sandbox: start the kernel: %w", err)
	}
	closeFiles(append(theirs, log))
	// A panic is no reason to leave a core file.
	_ = unix.Prlimit(r.process.Process.Pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil)
	go r.serve(ctx, exited)
	return nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// reap waits for the kernel's end, and leaves no process of its session.
func (r *guestRun) reap() {
	pid := r.process.Process.Pid
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	r.mu.Lock()
	r.kill()
	r.reaped = true
	r.mu.Unlock()
	_ = r.process.Wait() // it says nothing that the console does not
}

// kill ends the kernel and its programs at once. The caller holds mu.
func (r *guestRun) kill() {
	if !r.reaped {
		_ = unix.Kill(-r.process.Process.Pid, unix.SIGKILL)
	}
}

// end kills the guest for a reason, unless there was one already or the guest has
// reported its end.
func (r *guestRun) end(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == nil && r.status == nil {
		r.reason = reason
		r.kill()
		// Nothing should keep the kernel from dying, but if something does:
		_ = r.control.SetReadDeadline(time.Now().Add(endTimeout))
	}
}

// serve sees the guest through to its end.
func (r *guestRun) serve(ctx context.Context, exited <-chan struct{}) {
	c := r.cmd
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("%w: the limit was %v", ErrTimeout, c.Timeout))
		defer cancel()
	}
	defer context.AfterFunc(ctx, func() { r.end(context.Cause(ctx)) })()

	log := background(func() { _, _ = io.Copy(&r.console, r.log) })
	var counts [2]int64
	stderr := c.Stderr
	if r.task.StderrToStdout {
		stderr = nil // so nothing comes, and nobody else must touch the writer
	}
	output := background(func() {
		stderr := background(func() { counts[1] = r.copyOutput("error", stderr, r.stderr) })
		counts[0] = r.copyOutput("output", c.Stdout, r.stdout)
		<-stderr
	})
	stage := r.converse()
	r.stopInput()

	// A guest that has reported has synced its files and drained its consoles:
	// letting it switch itself off would take 20 ms more.
	r.mu.Lock()
	r.kill()
	st, err := r.status, r.reason
	r.mu.Unlock()
	within(endTimeout, exited) // unless a process cannot be killed now
	within(endTimeout, log)
	switch {
	case err != nil:
	case st == nil:
		err = r.crash(stage)
	case st.Failed != "":
		err = errors.New(st.Failed)
	default:
		// All that was written is in our pipes, however long the reader takes.
		stage = "end"
		select {
		case <-output:
		case <-ctx.Done():
		}
	}
	switch {
	case !within(endGrace, output):
		if err == nil {
			err = context.Cause(ctx)
		}
	case err == nil:
		for i, want := range []int64{st.Stdout, st.Stderr} {
			if counts[i] >= 0 && counts[i] != want {
				err = fmt.Errorf("%w: of %d bytes of output %d arrived", ErrCrashed, want, counts[i])
			}
		}
	}
	if err != nil {
		r.code, r.err = -1, r.fault(stage, err)
	} else {
		r.code, r.err = st.Code, r.copyError()
	}
	r.giveBack()
	closeFiles([]*os.File{r.log, r.stdout, r.stderr})
	for _, f := range r.input {
		f.Close()
	}
	for _, f := range c.closers {
		f(r.err)
	}
	close(r.done)
}

// crash says why the kernel ended early, as far as it is known.
func (r *guestRun) crash(stage string) error {
	console := r.console.String()
	switch {
	case stage == "start" && strings.Contains(console, "Attempted to kill init") && !strings.Contains(console, consoleMark):
		return fmt.Errorf("%w: its init did not take over: does the program's main call sandbox.InitIfGuest first?", ErrCrashed)
	case stage == "start" && strings.Contains(console, "ptrace: Operation not permitted"):
		return fmt.Errorf("%w: it may not trace its processes here: a debugger holds it, or a container's profile or kernel.yama.ptrace_scope forbids that", ErrCrashed)
	}
	return ErrCrashed
}

// within reports whether done is closed within d.
func within(d time.Duration, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

func (r *guestRun) fault(stage string, err error) *Error {
	return &Error{Stage: stage, Command: r.task.Args[0], Err: err, Console: r.console.String()}
}

// background runs f, and closes the channel when it has ended.
func background(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

// converse exchanges frames with the guest until it has reported its end or is
// dead, and returns how far it got.
func (r *guestRun) converse() (stage string) {
	stage = "start"
	start := time.AfterFunc(startTimeout, func() {
		r.end(fmt.Errorf("%w: no command was running after %v", ErrTimeout, startTimeout))
	})
	defer start.Stop()
	in := bufio.NewReader(r.control)
	for {
		kind, b, err := readFrame(in)
		if err != nil {
			return stage
		}
		switch kind {
		case frameHello:
			if string(b) != protocolVersion {
				r.end(fmt.Errorf("the guest's init is another version of this package: it speaks %q, this is %q", b, protocolVersion))
				continue
			}
			b, err := r.task.encode()
			if err != nil {
				r.end(fmt.Errorf("hand over the command: %w", err))
				continue
			}
			// Not here: it waits for frames from the guest.
			go func() { _ = r.send(frameTask, b) }()
		case frameStarted:
			stage = "run"
			start.Stop()
			r.startInput()
		case frameRead:
			if input, n, ok := parseReadReport(b); ok && int(input) < len(r.input) {
				r.input[input].hasRead(n)
			}
		case frameStatus:
			var st status
			if err := json.Unmarshal(b, &st); err != nil {
				r.end(fmt.Errorf("the guest's report: %w", err))
				continue
			}
			r.mu.Lock()
			if r.reason == nil {
				r.status = &st
			}
			r.mu.Unlock()
			return stage
		}
	}
}

// send sends a frame to the guest, frames other than the task after that.
func (r *guestRun) send(kind frameKind, payload []byte) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	if kind != frameTask && !r.ready {
		return writeFrame(&r.pending, kind, payload)
	}
	err := writeFrame(r.input[controlInput], kind, payload)
	if err == nil && !r.ready {
		r.ready = true
		_, err = r.pending.WriteTo(r.input[controlInput])
	}
	if err != nil {
		return fmt.Errorf("sandbox: send to the guest: %w", err)
	}
	return nil
}

// copyOutput copies one of the guest's streams to the caller's, and returns how
// much, or -1 if that did not take it all. Then nobody reads the stream any more.
func (r *guestRun) copyOutput(name string, to io.Writer, from *os.File) int64 {
	if to == nil {
		to = io.Discard
	}
	n, err := io.Copy(to, from)
	from.Close()
	if err != nil {
		// A reader of StdoutPipe may have enough.
		if !errors.Is(err, io.ErrClosedPipe) {
			r.copyFailed(fmt.Errorf("sandbox: standard %s: %w", name, err))
		}
		return -1
	}
	return n
}

func (r *guestRun) copyFailed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.copyErr == nil {
		r.copyErr = err
	}
}

func (r *guestRun) copyError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copyErr
}

// startInput starts to copy the caller's input to the command, in raw mode if the
// command has a terminal. stopInput ends that, and giveBack the raw mode.
func (r *guestRun) startInput() {
	in := r.cmd.Stdin
	if in == nil {
		return
	}
	if r.task.Terminal {
		r.giveBack = r.takeTerminal()
	}
	copied := background(func() { r.copyInput(in) })
	r.stopInput = func() {
		r.input[commandInput].Close()
		if d, ok := in.(interface{ SetReadDeadline(time.Time) error }); ok && d.SetReadDeadline(time.Now()) == nil {
			within(endGrace, copied) // a file in blocking mode keeps reading
			_ = d.SetReadDeadline(time.Time{})
		}
	}
}

func (r *guestRun) copyInput(in io.Reader) {
	b := make([]byte, frameHeader+32<<10)
	for {
		n, err := in.Read(b[frameHeader:])
		if n > 0 {
			putFrameHeader(b, frameData, n)
			if _, err := r.input[commandInput].Write(b[:frameHeader+n]); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
				r.copyFailed(fmt.Errorf("sandbox: standard input: %w", err))
			}
			_ = writeFrame(r.input[commandInput], frameEOF, nil)
			return
		}
	}
}

// control calls f with the descriptor of a file. Unlike Fd, it leaves the file's
// mode as it is.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := conn.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

func getTermios(file *os.File) (t *unix.Termios, err error) {
	err = control(file, func(fd int) (err error) {
		t, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	return t, err
}

func setTermios(file *os.File, t *unix.Termios) error {
	return control(file, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETSW, t) })
}

// terminal returns the file that v is, if that is a terminal.
func terminal(v any) *os.File {
	f, ok := v.(*os.File)
	if !ok || f == nil {
		return nil
	}
	if _, err := getTermios(f); err != nil {
		return nil
	}
	return f
}

func windowOf(file *os.File) (w window) {
	_ = control(file, func(fd int) error {
		ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil {
			w = window{ws.Row, ws.Col}
		}
		return err
	})
	return w
}

// takeTerminal sets the caller's terminal to raw mode and tells the guest about
// changes of its size, until the function it returns is called.
func (r *guestRun) takeTerminal() (giveBack func()) {
	in, out := terminal(r.cmd.Stdin), terminal(r.cmd.Stdout)
	if in == nil || out == nil {
		return func() {}
	}
	old, err := getTermios(in)
	if err != nil {
		return func() {}
	}
	raw := *old
	makeRaw(&raw)
	_ = setTermios(in, &raw)
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGWINCH)
	told := background(func() {
		for range changes {
			_ = r.send(frameWindow, windowOf(out).bytes())
		}
	})
	return func() {
		signal.Stop(changes)
		close(changes)
		<-told
		_ = setTermios(in, old)
	}
}
