//go:build linux && amd64

package sandbox_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/replay/sandbox"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
	"golang.org/x/sys/unix"
)

// helperVariable makes this binary a command for the tests to run.
const helperVariable = "SANDBOX_TEST_HELPER"

func TestMain(m *testing.M) {
	sandbox.InitIfGuest()
	switch helper := os.Getenv(helperVariable); helper {
	case "":
		os.Exit(m.Run())
	case "echo":
		_, err := io.Copy(os.Stdout, os.Stdin)
		exitOn(err)
	case "poweroff":
		exitOn(unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	case "start":
		// Runs its arguments in a sandbox, until it is killed.
		cmd := &sandbox.Cmd{Args: os.Args[1:], Env: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}
		status, err := cmd.Run(context.Background())
		if err != nil {
			exitOn(err)
		}
		os.Exit(status)
	default:
		exitOn(fmt.Errorf("no helper %q", helper))
	}
}

// exitOn exits with status 0, or for an error with 125 and its text.
func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(125)
	}
	os.Exit(0)
}

func executable(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// run runs a command whose sandbox must not fail.
func run(t *testing.T, cmd *sandbox.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if cmd.Timeout == 0 {
		cmd.Timeout = time.Minute
	}
	status, err := cmd.Run(t.Context())
	if err != nil {
		t.Fatalf("%v\nstdout: %.300q\nstderr: %.300q", err, out.String(), errOut.String())
	}
	return status, out.String(), errOut.String()
}

// sh runs a shell script that must succeed, and returns its output.
func sh(t *testing.T, cmd sandbox.Cmd, script string, args ...string) string {
	t.Helper()
	cmd.Args = append([]string{"/bin/sh", "-c", script}, args...)
	status, stdout, stderr := run(t, &cmd)
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d, stdout %.300q, stderr %.300q", status, stdout, stderr)
	}
	return stdout
}

// processes returns the processes of guests of this binary, except zombies: those
// are for the system's process 1 to reap.
func processes(t *testing.T) (pids []int) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	mark := []byte(`init="` + executable(t) + `"`)
	for _, dir := range dirs {
		// The command line of a zombie is empty.
		if b, err := os.ReadFile(dir + "/cmdline"); err == nil && bytes.Contains(b, mark) {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// wantNoProcess fails if processes of guests are left. They may take a moment to
// die.
func wantNoProcess(t *testing.T) {
	t.Helper()
	var left []int
	for range 100 {
		if left = processes(t); len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("processes left behind: %v", left)
}

// wantNoFile fails if there are files below dir, or a guest's memory has a name.
func wantNoFile(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			t.Errorf("file left behind: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	var left []string
	for range 100 {
		// Guests of others have such a file for a moment.
		if left, err = filepath.Glob("/dev/shm/vm_file-*"); err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("files left behind: %v", left)
}

func TestStdioIsBinaryClean(t *testing.T) {
	sandboxtest.Require(t)
	var input []byte
	for b := range 256 {
		input = append(input, byte(b), '\r', '\n', byte(b))
	}
	input = append(input, make([]byte, 1_000_000)...)
	input = append(input, "\x04\x03\x1a\x11\x13 no newline at the end"...)
	for _, test := range []struct {
		name   string
		script string
		stdin  []byte
		stdout []byte
		stderr []byte
	}{
		{"stdin to stdout", "cat", input, input, nil},
		{"stdin to stderr", "cat >&2", input, nil, input},
		{"both, of different lengths", "tee /dev/stderr; echo end", input, append(bytes.Clone(input), "end\n"...), input},
		{"empty stdin", "cat; echo end", []byte{}, []byte("end\n"), nil},
		{"no stdin", "cat; echo end", nil, []byte("end\n"), nil},
		{"unread stdin", "head -c 3", input, input[:3], nil},
		{"stdin read late", "sleep 0.3; cat", input, input, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := &sandbox.Cmd{Args: []string{"/bin/sh", "-c", test.script}}
			if test.stdin != nil {
				cmd.Stdin = bytes.NewReader(test.stdin)
			}
			status, stdout, stderr := run(t, cmd)
			if status != 0 {
				t.Errorf("exit status %d", status)
			}
			wantBytes(t, "stdout", stdout, test.stdout)
			wantBytes(t, "stderr", stderr, test.stderr)
		})
	}
}

func wantBytes(t *testing.T, name, got string, want []byte) {
	t.Helper()
	if got != string(want) {
		t.Errorf("%s: %d bytes, SHA-256 %x; want %d, %x", name, len(got), sha256.Sum256([]byte(got)), len(want), sha256.Sum256(want))
	}
}

// slowWriter takes its time.
type slowWriter struct{ got bytes.Buffer }

func (w *slowWriter) Write(b []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return w.got.Write(b)
}

func TestSlowReader(t *testing.T) {
	sandboxtest.Require(t)
	const size = 2 << 20
	var w slowWriter
	cmd := &sandbox.Cmd{Args: []string{"head", "-c", strconv.Itoa(size), "/dev/zero"}, Stdout: &w, Timeout: time.Minute}
	if status, err := cmd.Run(t.Context()); status != 0 || err != nil {
		t.Fatal(status, err)
	}
	wantBytes(t, "stdout", w.got.String(), make([]byte, size))
}

// soleWriter notices when two use it at once.
type soleWriter struct {
	got  bytes.Buffer
	busy atomic.Bool
	both atomic.Bool
}

func (w *soleWriter) use(f func() (int64, error)) (int64, error) {
	if w.busy.Swap(true) {
		w.both.Store(true)
	}
	defer w.busy.Store(false)
	return f()
}

func (w *soleWriter) Write(b []byte) (int, error) {
	n, err := w.use(func() (int64, error) { n, err := w.got.Write(b); return int64(n), err })
	return int(n), err
}

// ReadFrom is what io.Copy calls, and lasts as long as the output.
func (w *soleWriter) ReadFrom(r io.Reader) (int64, error) {
	return w.use(func() (int64, error) { return w.got.ReadFrom(r) })
}

func TestOneWriterForBothOutputs(t *testing.T) {
	sandboxtest.Require(t)
	var w soleWriter
	cmd := &sandbox.Cmd{Args: []string{"/bin/sh", "-c", "for i in 1 2 3; do echo out; echo err >&2; done"}, Stdout: &w, Stderr: &w}
	if status, err := cmd.Run(t.Context()); status != 0 || err != nil {
		t.Fatal(status, err)
	}
	if got, want := w.got.String(), strings.Repeat("out\nerr\n", 3); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if w.both.Load() {
		t.Error("two goroutines used the writer at once")
	}
}

// brokenWriter cannot be written after its first bytes.
type brokenWriter struct{ taken int }

var errBroken = errors.New("broken for the test")

func (w *brokenWriter) Write(b []byte) (int, error) {
	if w.taken > 0 {
		return 0, errBroken
	}
	w.taken += len(b)
	return len(b), nil
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	sandboxtest.Require(t)
	cmd := &sandbox.Cmd{Args: []string{"yes"}, Stdout: new(brokenWriter), Timeout: 20 * time.Second}
	status, err := cmd.Run(t.Context())
	if !errors.Is(err, errBroken) {
		t.Errorf("error %v, want %v", err, errBroken)
	}
	if want := 128 + int(unix.SIGPIPE); status != want {
		t.Errorf("exit status %d, want %d", status, want)
	}
}

func TestKernelMessagesStayOutOfTheOutput(t *testing.T) {
	sandboxtest.Require(t)
	_, stdout, stderr := run(t, &sandbox.Cmd{Args: []string{"/bin/sh", "-c", "echo '<0>an emergency' >/dev/kmsg; echo out; echo err >&2"}})
	if stdout != "out\n" || stderr != "err\n" {
		t.Errorf("stdout %q, stderr %q", stdout, stderr)
	}
}

func TestArguments(t *testing.T) {
	sandboxtest.Require(t)
	args := []string{"", "two words", "-- init=/bin/sh", "new\nline", `"quoted" \ $HOME`, "\xff\xfe", strings.Repeat("long", 20000)}
	got := sh(t, sandbox.Cmd{}, `printf '%s\0' "$0" "$@"`, append([]string{"zero"}, args...)...)
	if want := "zero\x00" + strings.Join(args, "\x00") + "\x00"; got != want {
		t.Errorf("got %.200q, want %.200q", got, want)
	}
}

func TestEnvironment(t *testing.T) {
	sandboxtest.Require(t)
	t.Run("given", func(t *testing.T) {
		env := []string{"A=", "B=two\nlines", "PATH=" + os.Getenv("PATH"), "LONG=" + strings.Repeat("x", 100_000), "BYTES=\xff"}
		_, stdout, _ := run(t, &sandbox.Cmd{Args: []string{"env", "-0"}, Env: env})
		if want := strings.Join(env, "\x00") + "\x00"; stdout != want {
			t.Errorf("got %.200q, want %.200q", stdout, want)
		}
	})
	t.Run("without PATH", func(t *testing.T) {
		if _, stdout, _ := run(t, &sandbox.Cmd{Args: []string{"echo", "found"}, Env: []string{}}); stdout != "found\n" {
			t.Errorf("got %q", stdout)
		}
	})
	t.Run("inherited", func(t *testing.T) {
		t.Setenv("SANDBOX_TEST_INHERITED", "yes")
		if got := sh(t, sandbox.Cmd{}, "echo $SANDBOX_TEST_INHERITED; env | grep -c PFKEYCAP_SANDBOX || true"); got != "yes\n0\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestShellIfThereIsNoCommand(t *testing.T) {
	sandboxtest.Require(t)
	cmd := &sandbox.Cmd{Env: []string{"PATH=" + os.Getenv("PATH")}, Stdin: strings.NewReader("echo $0; exit 4\n")}
	if status, stdout, _ := run(t, cmd); status != 4 || stdout != "/bin/sh\n" {
		t.Errorf("exit status %d, output %q", status, stdout)
	}
}

func TestExitStatus(t *testing.T) {
	sandboxtest.Require(t)
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("script", "exit 5\n", 0o755)
	write("unexecutable", "exit 5\n", 0o644)
	for _, test := range []struct {
		name   string
		args   []string
		status int
		stderr string // part of it
	}{
		{"success", []string{"true"}, 0, ""},
		{"failure", []string{"sh", "-c", "exit 200"}, 200, ""},
		{"signal", []string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{"signal that cannot be caught", []string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		{"no such command in PATH", []string{"no-such-command"}, 127, `"no-such-command"`},
		{"no such file", []string{"./no-such-file"}, 127, `"./no-such-file"`},
		{"not executable", []string{"./unexecutable"}, 126, `"./unexecutable"`},
		{"a directory", []string{"/"}, 126, `"/"`},
		{"script without an interpreter line", []string{"./script"}, 5, ""},
		{"signals to everybody", []string{"sh", "-c", "trap '' TERM HUP; kill -TERM -1; kill -HUP 1; kill -TERM 1; kill -KILL 1; exit 6"}, 6, ""},
		{"a process left behind holds the output", []string{"sh", "-c", "sleep 1000 & exit 7"}, 7, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, stdout, stderr := run(t, &sandbox.Cmd{Args: test.args, Dir: dir, Timeout: 20 * time.Second})
			if status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			if stdout != "" || !strings.Contains(stderr, test.stderr) || (stderr != "") != (test.stderr != "") {
				t.Errorf("stdout %q, stderr %q, want %q in stderr", stdout, stderr, test.stderr)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	sandboxtest.Require(t)
	// All below the host's /tmp, or wherever TMPDIR is.
	dir, writable, other := t.TempDir(), t.TempDir(), t.TempDir()
	for _, d := range []string{dir, writable, other} {
		if err := os.WriteFile(filepath.Join(d, "here"), []byte("from the host\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	if err := os.Symlink(writable, "link"); err != nil {
		t.Fatal(err)
	}
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	out := sh(t, sandbox.Cmd{Writable: []string{"link"}, Dir: dir}, `
		pwd
		cat here "$1/here" "$2/here"
		echo dir >new
		echo writable >"$1/new"
		echo other >"$2/new" && cat "$2/new"
		rm "$2/here"
		echo temporary >/tmp/sandbox-test-$$ && cat /tmp/sandbox-test-$$
		touch /run/sandbox-test-$$ /dev/shm/sandbox-test-$$
		for d in /etc /usr /var /; do
			touch $d/sandbox-test-$$ 2>/dev/null && echo "$d can be written"
		done
		mkdir sub && echo deep >sub/deep && mv here moved
		head -c 5000000 /dev/zero | tr '\0' x >large
		umask
	`, "sh", writable, other)
	if want := dir + "\n" + strings.Repeat("from the host\n", 3) + "other\ntemporary\n0027\n"; out != want {
		t.Errorf("output %q, want %q", out, want)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "new"):      "dir\n",
		filepath.Join(dir, "sub/deep"): "deep\n",
		filepath.Join(dir, "moved"):    "from the host\n",
		filepath.Join(writable, "new"): "writable\n",
		filepath.Join(other, "here"):   "from the host\n",
	} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
	if large, err := os.ReadFile(filepath.Join(dir, "large")); err != nil || !bytes.Equal(large, bytes.Repeat([]byte("x"), 5_000_000)) {
		t.Errorf("a large file has %d bytes, %v", len(large), err)
	}
	if fi, err := os.Stat(filepath.Join(dir, "new")); err == nil && fi.Mode() != 0o640 {
		t.Errorf("mode of a new file %v, want -rw-r-----", fi.Mode())
	}
	for _, path := range []string{filepath.Join(other, "new"), filepath.Join(dir, "here")} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
}

func TestWorkingDirectoryThatIsNotShared(t *testing.T) {
	sandboxtest.Require(t)
	if got := sh(t, sandbox.Cmd{Dir: "/"}, "pwd; touch /sandbox-test 2>/dev/null || echo read-only"); got != "/\nread-only\n" {
		t.Errorf("got %q", got)
	}
	if _, err := (&sandbox.Cmd{Args: []string{"true"}, Writable: []string{"/"}}).Run(t.Context()); err == nil {
		t.Error("the whole host can be made writable")
	}
}

// TestWorkingDirectoryBelowAMountOfTheGuest: /dev/shm is the guest's own, but for
// the working directory.
func TestWorkingDirectoryBelowAMountOfTheGuest(t *testing.T) {
	sandboxtest.Require(t)
	dir, err := os.MkdirTemp("/dev/shm", "sandbox-test")
	if err != nil {
		t.Log("not here:", err)
		return
	}
	defer os.RemoveAll(dir)
	if got := sh(t, sandbox.Cmd{Dir: dir}, "pwd; echo new >new"); got != dir+"\n" {
		t.Errorf("got %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "new")); string(got) != "new\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestGuestSystem(t *testing.T) {
	sandboxtest.Require(t)
	got := sh(t, sandbox.Cmd{}, `
		id -u
		cat /proc/sys/net/ipv4/conf/lo/disable_xfrm
		ls /sys/class/net
		cat /sys/class/net/lo/flags
		cut -d' ' -f1 /proc/net/if_inet6
		ls -d /dev/fd /dev/stdin /dev/ptmx /proc/net/pfkey
	`)
	want := "0\n0\nlo\n0x9\n00000000000000000000000000000001\n/dev/fd\n/dev/ptmx\n/dev/stdin\n/proc/net/pfkey\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPFKEY(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		const pfKeyV2 = 2
		fd, err := unix.Socket(unix.AF_KEY, unix.SOCK_RAW, pfKeyV2)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		// SADB_REGISTER for ESP (RFC 2367, 3.1.6): the answer lists algorithms.
		req := []byte{pfKeyV2, 7, 0, 3, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}
		if _, err := unix.Write(fd, req); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := unix.Read(fd, b)
		if err != nil || n < 16 || b[1] != 7 || b[2] != 0 {
			t.Fatalf("answer % x, %v", b[:max(n, 0)], err)
		}
		// SUPPORTED_AUTH and SUPPORTED_ENCRYPT, by the numbers of linux/pfkeyv2.h:
		// all that af_key of Linux 6.1 offers.
		want := map[byte][]byte{
			14: {251, 2, 3, 5, 6, 7, 8, 9},
			15: {11, 2, 3, 6, 7, 12, 252, 22, 253, 13},
		}
		got := make(map[byte][]byte)
		for ext := b[16:n]; len(ext) >= 8; {
			length := int(ext[0]) * 8
			if length < 8 || length > len(ext) {
				t.Fatalf("extension % x", ext)
			}
			for a := ext[8:length]; len(a) >= 8; a = a[8:] {
				got[ext[2]] = append(got[ext[2]], a[0])
			}
			ext = ext[length:]
		}
		for kind := range want {
			if !bytes.Equal(got[kind], want[kind]) {
				t.Errorf("extension %d: algorithms %d, want %d", kind, got[kind], want[kind])
			}
		}
	})
}

// TestVectorRegisters: threads of one program keep their registers apart, also
// where the kernel needs the help of its preloaded ptrace.
func TestVectorRegisters(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
		deadline := time.Now().Add(600 * time.Millisecond)
		wrong := make(chan int)
		for thread := range 4 {
			go func() {
				runtime.LockOSThread()
				// IndexByte compares 32 bytes at a time with a vector register that
				// holds nothing but the byte it looks for, all the time.
				sought := byte('a' + thread)
				haystack := make([]byte, 256<<10)
				n, found := 0, len(haystack)-1-16*(thread%2)
				haystack[found] = sought
				for time.Now().Before(deadline) {
					if bytes.IndexByte(haystack, sought) != found {
						n++
					}
				}
				wrong <- n
			}()
		}
		for range 4 {
			if n := <-wrong; n > 0 {
				t.Errorf("%d searches went wrong", n)
			}
		}
	})
}

func TestSignal(t *testing.T) {
	sandboxtest.Require(t)
	cmd := &sandbox.Cmd{Args: []string{"sh", "-c", "trap 'echo caught; exit 9' USR1; echo ready; while :; do sleep 0.05; done"}, Timeout: 20 * time.Second}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Signal(unix.SIGUSR1); err == nil {
		t.Error("no error before Start")
	}
	if err := cmd.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Signal(unix.SIGUSR1); err != nil {
		t.Error(err)
	}
	rest, err := io.ReadAll(out)
	if string(rest) != "caught\n" || err != nil {
		t.Errorf("output %q, %v", rest, err)
	}
	if status, err := cmd.Wait(); status != 9 || err != nil {
		t.Error(status, err)
	}
}

func TestConversation(t *testing.T) {
	sandboxtest.Require(t)
	cmd := &sandbox.Cmd{Args: []string{executable(t)}, Env: []string{helperVariable + "=echo"}, Timeout: time.Minute}
	in, out := pipes(t, cmd)
	if err := cmd.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	for i := range 50 {
		// Up to more than a console holds.
		ping := bytes.Repeat([]byte{byte(i)}, 1+i*200)
		if _, err := in.Write(ping); err != nil {
			t.Fatal(err)
		}
		pong := make([]byte, len(ping))
		if _, err := io.ReadFull(out, pong); err != nil || !bytes.Equal(ping, pong) {
			t.Fatalf("message %d: % x, %v", i, pong, err)
		}
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(out); len(rest) > 0 || err != nil {
		t.Errorf("at the end % x, %v", rest, err)
	}
	for range 2 {
		if status, err := cmd.Wait(); status != 0 || err != nil {
			t.Error(status, err)
		}
	}
	wantNoProcess(t)
}

func pipes(t testing.TB, cmd *sandbox.Cmd) (io.WriteCloser, io.ReadCloser) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}

// TestFaults: a sandbox that fails does so soon, says why, and leaves nothing.
func TestFaults(t *testing.T) {
	sandboxtest.Require(t)
	errCause := errors.New("cancelled for the test")
	for _, test := range []struct {
		name    string
		script  string
		timeout time.Duration
		meddle  func(t *testing.T, cancel context.CancelCauseFunc) // when the command has written a line
		is      error
		text    string
	}{
		{name: "panic", script: "echo; echo c >/proc/sysrq-trigger; sleep 100", is: sandbox.ErrCrashed, text: "Kernel panic - not syncing: sysrq triggered crash"},
		{name: "power off", script: "echo; echo o >/proc/sysrq-trigger; sleep 100", is: sandbox.ErrCrashed, text: "Power down"},
		{name: "timeout", script: "echo; sleep 100", timeout: 700 * time.Millisecond, is: sandbox.ErrTimeout, text: "700ms"},
		{name: "busy", script: "echo; while :; do :; done", timeout: 700 * time.Millisecond, is: sandbox.ErrTimeout, text: "700ms"},
		{name: "endless output", script: "yes", timeout: 700 * time.Millisecond, is: sandbox.ErrTimeout, text: "700ms"},
		{name: "cancel", script: "echo; sleep 100", is: errCause,
			meddle: func(_ *testing.T, cancel context.CancelCauseFunc) { cancel(errCause) }},
		{name: "hung kernel", script: "echo; sleep 100", timeout: 3 * time.Second, is: sandbox.ErrTimeout,
			meddle: func(t *testing.T, _ context.CancelCauseFunc) { signalKernel(t, unix.SIGSTOP) }},
		{name: "killed kernel", script: "echo; sleep 100 & while :; do :; done", is: sandbox.ErrCrashed,
			meddle: func(t *testing.T, _ context.CancelCauseFunc) { signalKernel(t, unix.SIGKILL) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"TMPDIR", "HOME", "XDG_RUNTIME_DIR"} {
				t.Setenv(name, dir)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			cmd := &sandbox.Cmd{Args: []string{"/bin/sh", "-c", test.script}, Dir: "/", Timeout: test.timeout}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if err := cmd.Start(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := out.Read(make([]byte, 1)); err != nil && test.meddle != nil {
				t.Error(err)
			}
			if test.meddle != nil {
				test.meddle(t, cancel)
			}
			if _, err := io.Copy(io.Discard, out); !errors.Is(err, test.is) {
				t.Errorf("the output's end: %v, want %v", err, test.is)
			}
			status, err := cmd.Wait()
			var fault *sandbox.Error
			if status != -1 || !errors.As(err, &fault) || !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("status %d, error %v; want %v and %q", status, err, test.is, test.text)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			wantNoProcess(t)
			wantNoFile(t, dir)
		})
	}
}

// signalKernel signals the kernel of the only guest, and none of its programs.
func signalKernel(t *testing.T, sig unix.Signal) {
	t.Helper()
	for _, pid := range processes(t) {
		if pgid, err := unix.Getpgid(pid); err == nil && pgid == pid {
			if err := unix.Kill(pid, sig); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Error("found no kernel")
}

func TestFaultsBeforeTheCommandRuns(t *testing.T) {
	sandboxtest.Require(t)
	dir := t.TempDir()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		cmd  sandbox.Cmd
		is   error
		text string
	}{
		{"context has ended", cancelled, sandbox.Cmd{}, context.Canceled, "true"},
		{"no such init", t.Context(), sandbox.Cmd{Init: filepath.Join(dir, "none")}, fs.ErrNotExist, "init"},
		{"no such kernel", t.Context(), sandbox.Cmd{Kernel: sandbox.Kernel{Path: filepath.Join(dir, "none")}}, fs.ErrNotExist, "start the kernel"},
		{"no such directory", t.Context(), sandbox.Cmd{Dir: filepath.Join(dir, "none")}, fs.ErrNotExist, "working directory"},
		{"no such writable directory", t.Context(), sandbox.Cmd{Writable: []string{"none"}, Dir: dir}, fs.ErrNotExist, "writable directory"},
		{"init without InitIfGuest", t.Context(), sandbox.Cmd{Init: "/bin/true"}, sandbox.ErrCrashed, "InitIfGuest"},
		{"kernel that is something else", t.Context(), sandbox.Cmd{Kernel: sandbox.Kernel{Path: "/bin/false"}}, sandbox.ErrCrashed, ""},
		{"too little memory", t.Context(), sandbox.Cmd{Memory: 1}, nil, "MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.cmd.Args = []string{"true"}
			status, err := test.cmd.Run(test.ctx)
			if status != -1 || err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("status %d, error %v; want %v and %q", status, err, test.is, test.text)
			}
			wantNoProcess(t)
		})
	}
}

func TestNoProcessSurvivesTheCaller(t *testing.T) {
	sandboxtest.Require(t)
	cmd := exec.Command(executable(t), "/bin/sh", "-c", "echo running; sleep 1000 & while :; do :; done")
	cmd.Env = append(os.Environ(), helperVariable+"=start")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, len("running\n"))
	if _, err := io.ReadFull(out, line); err != nil {
		t.Error(err)
	}
	if len(processes(t)) == 0 {
		t.Error("found no process of the guest")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("killed, and no error")
	}
	wantNoProcess(t)
}

func TestSeveralAtOnce(t *testing.T) {
	sandboxtest.Require(t)
	type result struct {
		status int
		err    error
		out    string
	}
	results := make([]result, 4)
	done := make(chan int)
	for i := range results {
		go func() {
			var out bytes.Buffer
			cmd := &sandbox.Cmd{
				Args:  []string{"/bin/sh", "-c", `cat; test ! -e /tmp/mark || exit 1; touch /tmp/mark; sleep 0.5; exit $0`, strconv.Itoa(10 + i)},
				Stdin: strings.NewReader(strconv.Itoa(i)), Stdout: &out, Timeout: time.Minute,
			}
			status, err := cmd.Run(t.Context())
			results[i] = result{status, err, out.String()}
			done <- i
		}()
	}
	for range results {
		<-done
	}
	for i, r := range results {
		if r != (result{10 + i, nil, strconv.Itoa(i)}) {
			t.Errorf("sandbox %d: %+v", i, r)
		}
	}
	wantNoProcess(t)
}

func TestTerminal(t *testing.T) {
	sandboxtest.Require(t)
	master, slave := openTerminal(t)
	setWindow := func(rows, cols uint16) {
		t.Helper()
		control(t, slave, func(fd int) error {
			return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
		})
	}
	setWindow(33, 77)
	termios := func() (tio unix.Termios) {
		t.Helper()
		control(t, slave, func(fd int) error {
			p, err := unix.IoctlGetTermios(fd, unix.TCGETS)
			if err == nil {
				tio = *p
			}
			return err
		})
		return tio
	}
	before := termios()
	screen := make(chan string)
	go func() {
		defer close(screen)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			screen <- string(b[:n])
		}
	}()
	var seen string
	expect := func(text string) {
		t.Helper()
		timeout := time.After(time.Minute)
		for {
			if _, after, ok := strings.Cut(seen, text); ok {
				seen = after
				return
			}
			select {
			case s, open := <-screen:
				if !open {
					t.Fatalf("the terminal is closed after %q, before %q", seen, text)
				}
				seen += s
			case <-timeout:
				t.Fatalf("the screen shows %q, and not %q", seen, text)
			}
		}
	}
	write := func(text string) {
		t.Helper()
		if _, err := master.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}

	script := `
		test -t 0 && test -t 1 && test -t 2 && echo three terminals
		tty; stty size
		read line; echo "line: $line"
		while test "$(stty size)" = "33 77"; do sleep 0.01; done # the change and the line take different ways
		stty size
		cat
		trap 'echo interrupted; exit 3' INT
		echo waiting
		while :; do sleep 0.05; done
	`
	cmd := &sandbox.Cmd{Args: []string{"/bin/sh", "-c", script}, Stdin: slave, Stdout: slave, Stderr: slave, Timeout: time.Minute}
	if err := cmd.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("three terminals\r\n/dev/pts/0\r\n33 77\r\n")
	if tio := termios(); tio.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
		t.Errorf("the terminal is not in raw mode: lflag %#x", tio.Lflag)
	}
	setWindow(44, 88)
	if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	write("typed\r")
	expect("typed\r\nline: typed\r\n44 88\r\n")
	write("to cat\r")
	expect("to cat\r\nto cat\r\n")
	write("\x04") // the end of the input, for cat
	expect("waiting\r\n")
	write("\x03") // interrupt
	expect("interrupted\r\n")
	if status, err := cmd.Wait(); status != 3 || err != nil {
		t.Error(status, err)
	}
	if after := termios(); after != before {
		t.Errorf("the terminal was %+v and is %+v", before, after)
	}
}

// control calls f with a file's descriptor. File.Fd would take it from the poller.
func control(t *testing.T, file *os.File, f func(fd int) error) {
	t.Helper()
	conn, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ferr error
	if err := conn.Control(func(fd uintptr) { ferr = f(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if ferr != nil {
		t.Fatal(ferr)
	}
}

// openTerminal returns both ends of a new terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	var n int
	control(t, master, func(fd int) error {
		err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
		if err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestAsAnOrdinaryUser runs the other tests as a user who owns nothing.
func TestAsAnOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("the tests run as an ordinary user anyway")
		return
	}
	sandboxtest.Require(t)
	const nobody = 65534
	// t.TempDir is below a directory that only root can enter.
	dir, err := os.MkdirTemp("", "sandbox test")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary, err := os.ReadFile(executable(t))
	if err != nil {
		t.Fatal(err)
	}
	exe, tmp := filepath.Join(dir, "sandbox.test"), filepath.Join(dir, "tmp")
	if err := errors.Join(
		os.Chmod(dir, 0o755),
		os.WriteFile(exe, binary, 0o755), os.Chmod(exe, 0o755),
		os.Mkdir(tmp, 0o700), os.Chown(tmp, nobody, nobody),
	); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^(TestFiles|TestGuestSystem|TestPFKEY|TestConversation|TestTerminal|TestNoProcessSurvivesTheCaller|TestSeveralAtOnce)$", "-test.v")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tmp, sandboxtest.RequireVariable + "=1"}
	if kernel := os.Getenv(sandbox.KernelVariable); kernel != "" {
		cmd.Env = append(cmd.Env, sandbox.KernelVariable+"="+kernel)
	}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wantNoFile(t, tmp)
}

func TestFind(t *testing.T) {
	sandboxtest.Require(t)
	for _, test := range []struct {
		name, kernel, path string
		is                 []error
		text               string
	}{
		{"named and missing", "/nonexistent/linux", "", []error{sandbox.ErrNoKernel, fs.ErrNotExist}, sandbox.KernelVariable},
		{"named and not executable", "/etc/passwd", "", []error{sandbox.ErrNoKernel, fs.ErrPermission}, "/etc/passwd"},
		{"named and a directory", "/etc", "", []error{sandbox.ErrNoKernel, syscall.EISDIR}, "/etc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(sandbox.KernelVariable, test.kernel)
			_, err := sandbox.Find()
			for _, want := range test.is {
				if !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
			}
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("error %v does not name %s", err, test.text)
			}
			if _, err := (&sandbox.Cmd{Args: []string{"true"}}).Run(t.Context()); !errors.Is(err, sandbox.ErrNoKernel) {
				t.Errorf("Run: %v, want %v", err, sandbox.ErrNoKernel)
			}
		})
	}
}

func TestSandboxesDoNotNest(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		if !sandbox.Inside() {
			t.Error("Inside is false inside")
		}
		if _, err := sandbox.Find(); !errors.Is(err, sandbox.ErrNoKernel) {
			t.Errorf("Find: %v, want %v", err, sandbox.ErrNoKernel)
		}
		cmd := &sandbox.Cmd{Args: []string{"true"}, Kernel: sandbox.Kernel{Path: "/bin/true"}}
		if err := cmd.Start(t.Context()); !errors.Is(err, sandbox.ErrNoKernel) {
			t.Errorf("Start: %v, want %v", err, sandbox.ErrNoKernel)
		}
	})
}
