package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// guestMarker is on the guest's kernel command line, and thus in init's
// environment.
const guestMarker = "PFKEYCAP_SANDBOX_INIT"

// The guest's consoles. Console 0 is the kernel's own, and init's.
const (
	stdoutConsole  = "/dev/tty1"
	stderrConsole  = "/dev/tty2"
	stdinConsole   = "/dev/tty3"
	controlConsole = "/dev/tty4"
)

// InitIfGuest must be the first thing a program does that starts a [Cmd] without
// an Init of its own. In process 1 of a guest it runs the guest's command, and
// never returns; in any other process it does nothing.
func InitIfGuest() {
	if os.Getpid() == 1 && os.Getenv(guestMarker) != "" {
		guestMain()
	}
}

// Inside reports whether this process runs in a guest of this package.
func Inside() bool {
	b, err := os.ReadFile("/proc/cmdline")
	return err == nil && bytes.Contains(b, []byte(guestMarker+"="))
}

// guest is process 1.
type guest struct {
	control, stdout, stderr console
	task                    task

	sending sync.Mutex // of frames
}

func (g *guest) send(kind frameKind, payload []byte) error {
	g.sending.Lock()
	defer g.sending.Unlock()
	return writeFrame(g.control, kind, payload)
}

// input returns a reader of a console of the host's input.
func (g *guest) input(c console, id byte) *bufio.Reader {
	return bufio.NewReader(&flowReader{Reader: c, report: func(n int) error {
		return g.send(frameRead, readReport(id, n))
	}})
}

// guestMain is process 1. It ends by switching the guest off. What it prints goes
// to the kernel's console, and thus into [Error.Console].
func guestMain() {
	fmt.Println(consoleMark)
	// Handlers that do nothing: the command must be able to signal all processes,
	// and unlike ignored signals handled ones are reset for it.
	signal.Notify(make(chan os.Signal, 1))

	var g guest
	var st status
	code, err := g.run(&st)
	if err != nil {
		st.Failed = err.Error()
	}
	st.Code = code
	unix.Sync()
	if b, err := json.Marshal(st); err == nil && g.control != 0 {
		if err := g.send(frameStatus, b); err != nil {
			fmt.Println("sandbox: status:", err)
		}
		g.control.drain()
	}
	err = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("sandbox: power off:", err)
	os.Exit(1) // the kernel panics
}

func (g *guest) run(st *status) (code int, err error) {
	if err := mountSystem(); err != nil {
		return 0, err
	}
	if g.control, err = openConsole(controlConsole); err != nil {
		return 0, err
	}
	if g.stdout, err = openConsole(stdoutConsole); err != nil {
		return 0, err
	}
	if g.stderr, err = openConsole(stderrConsole); err != nil {
		return 0, err
	}
	stdin, err := openConsole(stdinConsole)
	if err != nil {
		return 0, err
	}
	if err := g.send(frameHello, []byte(protocolVersion)); err != nil {
		return 0, err
	}
	control := g.input(g.control, controlInput)
	kind, b, err := readFrame(control)
	if err != nil || kind != frameTask {
		return 0, fmt.Errorf("no task from the host: frame %q, %v", byte(kind), err)
	}
	if g.task, err = decodeTask(b); err != nil {
		return 0, fmt.Errorf("the host's task: %w", err)
	}

	if err := loadModules(g.task.Modules); err != nil {
		return 0, err
	}
	if err := setUpLoopback(); err != nil {
		return 0, err
	}
	if err := makeMounts(g.task.Mounts); err != nil {
		return 0, err
	}
	return g.runCommand(st, g.input(stdin, commandInput), control)
}

// mountSystem mounts what a Linux system has besides its files. The kernel has
// mounted /dev.
func mountSystem() error {
	for _, m := range []struct{ kind, path, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"devpts", "/dev/pts", "mode=620,ptmxmode=666"},
		{"tmpfs", "/dev/shm", "mode=1777"},
	} {
		if strings.HasPrefix(m.path, "/dev/") {
			if err := os.MkdirAll(m.path, 0o755); err != nil {
				return err
			}
		}
		if err := unix.Mount(m.kind, m.path, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.path, err)
		}
	}
	for link, target := range map[string]string{
		"/dev/fd":     "/proc/self/fd",
		"/dev/stdin":  "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1",
		"/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, link); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return unix.Sethostname([]byte("sandbox"))
}

// loadModules loads moduleNames from the directory that dir has for this kernel's
// release. None is loaded on demand later on. A module that fails to load is
// reported on the console; a kernel without modules has them built in.
func loadModules(dir string) error {
	for _, helper := range []string{"modprobe", "hotplug"} {
		// A kernel without the setting has no such helper.
		err := os.WriteFile("/proc/sys/kernel/"+helper, []byte("\n"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("uname: %w", err)
	}
	dir = filepath.Join(dir, unix.ByteSliceToString(u.Release[:]))
	dep, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		fmt.Println("sandbox: no modules:", err)
		return nil
	}
	for _, file := range moduleFiles(string(dep), moduleNames) {
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.FinitModule(fd, moduleParameters[moduleName(file)], 0)
			unix.Close(fd)
		}
		if err != nil && err != unix.EEXIST {
			fmt.Printf("sandbox: module %s: %v\n", file, err)
		}
	}
	return nil
}

// setUpLoopback switches lo on, and IPsec on lo.
func setUpLoopback() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/lo/disable_xfrm", []byte("0\n"), 0); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return fmt.Errorf("lo: SIOCGIFFLAGS: %w", err)
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return fmt.Errorf("lo: SIOCSIFFLAGS: %w", err)
	}
	return nil
}

// makeMounts mounts the host's directories for writing, or overlays that take what
// is written.
func makeMounts(mounts []mount) error {
	// The overlays' upper layers: a tmpfs that has no name once they are mounted.
	const layers = "/dev/.scratch"
	if err := os.Mkdir(layers, 0o700); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", layers, "tmpfs", 0, "mode=700"); err != nil {
		return fmt.Errorf("mount tmpfs on %s: %w", layers, err)
	}
	for i, m := range mounts {
		if !m.Scratch {
			// It may lie where the guest has mounted something of its own.
			_ = os.MkdirAll(m.Path, 0o755)
			if err := unix.Mount("none", m.Path, "hostfs", 0, m.Path); err != nil {
				return fmt.Errorf("mount the host's %s for writing: %w", m.Path, err)
			}
			continue
		}
		fi, err := os.Stat(m.Path)
		if err != nil {
			fmt.Println("sandbox: not made writable:", err)
			continue
		}
		layer := filepath.Join(layers, strconv.Itoa(i))
		upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
		for _, dir := range []string{layer, upper, work} {
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
		}
		// The upper layer's root gives the merged one its mode.
		if err := os.Chmod(upper, fi.Mode()); err != nil {
			return err
		}
		err = unix.Mount("overlay", m.Path, "overlay", 0, overlayOptions(m.Path, upper, work))
		if err == unix.ENODEV {
			return fmt.Errorf("mount an overlay on %s: this kernel has no overlayfs, neither built in nor as a module", m.Path)
		}
		if err != nil {
			return fmt.Errorf("mount an overlay on %s: %w", m.Path, err)
		}
	}
	if err := unix.Unmount(layers, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", layers, err)
	}
	return os.Remove(layers)
}

// runCommand runs the task's command to its end, and until all it wrote has left
// the guest.
func (g *guest) runCommand(st *status, stdin *bufio.Reader, control io.Reader) (int, error) {
	stdio, err := g.openStdio()
	if err != nil {
		return 0, err
	}
	output := background(func() { st.Stdout = pumpOutput(stdio.stdout, g.stdout) })
	errorOutput := background(func() {
		if stdio.stderr >= 0 {
			st.Stderr = pumpOutput(stdio.stderr, g.stderr)
		}
	})
	pid, code := g.startCommand(stdio.command)
	closeAll(stdio.command)
	if pid != 0 {
		if err := g.send(frameStarted, nil); err != nil {
			return 0, err
		}
		var ended atomic.Bool
		go g.obey(control, pid, stdio, &ended)
		if stdio.stdin >= 0 {
			go pumpInput(stdin, stdio.stdin, g.task.Terminal)
		}
		code = waitFor(pid)
		ended.Store(true)
		// What it has left behind must not hold the output open.
		if err := unix.Kill(-1, unix.SIGKILL); err != nil && err != unix.ESRCH {
			fmt.Println("sandbox: kill:", err)
		}
	}
	<-output
	<-errorOutput
	g.stdout.drain()
	g.stderr.drain()
	return code, nil
}

// stdio holds the command's standard streams, and init's ends of them, -1 for none.
// The ends of a terminal's are the same descriptor.
type stdio struct {
	command               [3]int
	stdin, stdout, stderr int
}

func (g *guest) openStdio() (s stdio, err error) {
	s = stdio{stdin: -1, stderr: -1}
	if g.task.Terminal {
		master, slave, err := openTerminal(g.task.Window)
		if err != nil {
			return s, err
		}
		s.command[0], s.command[1] = slave, slave
		s.stdin, s.stdout = master, master
	} else {
		if g.task.Stdin {
			if s.command[0], s.stdin, err = pipe(); err != nil {
				return s, err
			}
		} else if s.command[0], err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return s, fmt.Errorf("/dev/null: %w", err)
		}
		if s.stdout, s.command[1], err = pipe(); err != nil {
			return s, err
		}
	}
	if g.task.StderrToStdout {
		s.command[2] = s.command[1]
	} else if s.stderr, s.command[2], err = pipe(); err != nil {
		return s, err
	}
	return s, nil
}

func pipe() (r, w int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, fmt.Errorf("pipe: %w", err)
	}
	return p[0], p[1], nil
}

// closeAll closes each of the descriptors once.
func closeAll(fds [3]int) {
	for i, fd := range fds {
		if !slices.Contains(fds[:i], fd) {
			unix.Close(fd)
		}
	}
}

// startCommand starts the task's command. If it cannot be, pid is 0, and the code
// and message are those of env(1).
func (g *guest) startCommand(files [3]int) (pid, code int) {
	unix.Umask(g.task.Umask)
	err := os.Chdir(g.task.Dir)
	name := g.task.Args[0]
	if err == nil {
		attr := &syscall.ProcAttr{
			Env:   g.task.Env,
			Files: []uintptr{uintptr(files[0]), uintptr(files[1]), uintptr(files[2])},
			Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: g.task.Terminal, Ctty: 0},
		}
		path := name
		if !strings.Contains(name, "/") {
			search := lookup(g.task.Env, "PATH")
			if search == "" {
				search = "/bin:/usr/bin" // as execvp(3)
			}
			os.Setenv("PATH", search)
			if path, err = exec.LookPath(name); errors.Is(err, exec.ErrDot) {
				err = nil
			} else if errors.Is(err, exec.ErrNotFound) {
				err = fmt.Errorf("%q: %w", name, os.ErrNotExist)
			}
		}
		if err == nil {
			pid, err = syscall.ForkExec(path, g.task.Args, attr)
			if err == syscall.ENOEXEC {
				// As execvp(3): a script without an interpreter line.
				pid, err = syscall.ForkExec("/bin/sh", append([]string{"/bin/sh", path}, g.task.Args[1:]...), attr)
			}
			if err != nil {
				err = fmt.Errorf("%q: %w", name, err)
			}
		}
	}
	if err == nil {
		return pid, 0
	}
	fmt.Fprintf(console(files[2]), "sandbox: %v\n", err)
	if errors.Is(err, os.ErrNotExist) {
		return 0, 127
	}
	return 0, 126
}

// lookup returns the value of the last setting of name in env.
func lookup(env []string, name string) (value string) {
	for _, kv := range env {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			value = v
		}
	}
	return value
}

// obey does what the host says while the command runs.
func (g *guest) obey(control io.Reader, pid int, stdio stdio, ended *atomic.Bool) {
	for {
		kind, b, err := readFrame(control)
		if err != nil {
			return
		}
		switch kind {
		case frameSignal:
			if len(b) == 1 && !ended.Load() {
				unix.Kill(pid, unix.Signal(b[0]))
			}
		case frameWindow:
			if w, ok := parseWindow(b); ok && g.task.Terminal {
				setWindow(stdio.stdout, w)
			}
		}
	}
}

// waitFor returns the exit status of pid; as process 1 it waits for orphans too.
func waitFor(pid int) int {
	for {
		var ws unix.WaitStatus
		p, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			fmt.Println("sandbox: wait:", err)
			return 255
		case p == pid && ws.Signaled():
			return 128 + int(ws.Signal())
		case p == pid && ws.Exited():
			return ws.ExitStatus()
		}
	}
}
