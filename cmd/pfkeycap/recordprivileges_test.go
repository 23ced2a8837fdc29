//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

const nobody = 65534

// TestPrivileges looks at recorders while they record, on a real kernel.
func TestPrivileges(t *testing.T) { sandboxtest.Run(t, testPrivileges) }

func testPrivileges(t *testing.T) {
	asNobody := &syscall.Credential{Uid: nobody, Gid: nobody}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}}
	const none = "0 0 0 - 0, no new privileges 1" // bounding ones are of no use with that
	for _, tt := range []struct {
		name string
		args []string
		attr *syscall.SysProcAttr
		want string // user and group, capabilities inheritable, permitted, effective, bounding, ambient
		cut  bool   // the receive buffer is not what was asked for
	}{
		{name: "root stays root", want: "0 0"},
		{name: "-Z", args: []string{"-Z", "nobody"}, want: "65534 65534, " + none},
		{name: "-Z with numbers", args: []string{"-Z", "65534:7"}, want: "65534 7, " + none},
		{name: "-Z root", args: []string{"-Z", "root"}, want: "0 0, " + none},
		{name: "CAP_NET_ADMIN alone", attr: &syscall.SysProcAttr{Credential: asNobody, AmbientCaps: []uintptr{unix.CAP_NET_ADMIN}},
			want: "65534 65534, " + none},
		{name: "CAP_NET_ADMIN alone, -Z oneself", args: []string{"-Z", "nobody"},
			attr: &syscall.SysProcAttr{Credential: asNobody, AmbientCaps: []uintptr{unix.CAP_NET_ADMIN}},
			want: "65534 65534, " + none},
		{name: "user and network namespace", attr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
			UidMappings: ids, GidMappings: ids, Credential: &syscall.Credential{NoSetGroups: true}}, want: "65534 65534", cut: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := openDir(t)
			file := filepath.Join(dir, "x.pcapng")
			cmd := pfkeycap(append([]string{"record", "-w", file}, tt.args...)...)
			cmd.SysProcAttr = tt.attr
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for s := bufio.NewScanner(stderr); s.Scan(); {
				fmt.Fprintln(&said, s.Text())
				if strings.Contains(s.Text(), "counts no lost messages") {
					break // the last it says at the start
				}
			}
			states := threadStates(t, cmd.Process.Pid)
			cmd.Process.Signal(os.Interrupt)
			rest, _ := io.ReadAll(stderr)
			said.Write(rest)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, said.String())
			}
			for _, got := range states {
				if !like(got, tt.want) {
					t.Errorf("a thread is %s, want %s", got, tt.want)
				}
			}
			if cut := strings.Contains(said.String(), "receive buffer"); cut != tt.cut {
				t.Errorf("of the receive buffer, want %v:\n%s", tt.cut, said.String())
			}
			st, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if uid := st.Sys().(*syscall.Stat_t).Uid; st.Mode().Perm() != 0o600 || !strings.HasPrefix(tt.want, fmt.Sprint(uid)+" ") {
				t.Errorf("the file has mode %04o, owner %d", st.Mode().Perm(), uid)
			}
			r, err := record.Open(file, record.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n := 0
			for ; err == nil; n++ {
				_, err = r.Next()
			}
			if n < 3 || err != io.EOF {
				t.Errorf("%d records, %v", n, err)
			}
		})
	}

	run := func(cmd *exec.Cmd) (status int, out string) {
		t.Helper()
		var b bytes.Buffer
		cmd.Stdout, cmd.Stderr = &b, &b
		cmd.Run()
		return cmd.ProcessState.ExitCode(), b.String()
	}
	t.Run("a command keeps its privileges", func(t *testing.T) {
		dir := openDir(t)
		file := filepath.Join(dir, "x.pcapng")
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		other, err := keysock.Open(keysock.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		status, out := run(pfkeycap("record", "-w", file, "-Z", "nobody", "--", "sh", "-c", "id -u; grep CapEff /proc/self/status; exit 7"))
		if status != 7 || !strings.Contains(out, "\n0\n") || strings.Contains(out, "CapEff:\t0000000000000000") {
			t.Errorf("%s: status %d\n%s", self, status, out)
		}
		st, err := os.Stat(file)
		if err != nil || st.Sys().(*syscall.Stat_t).Uid != nobody {
			t.Errorf("the file: %v, %v", st, err)
		}
		if status, out := run(pfkeycap("record", "-w", file, "--overwrite", "-Z", "nobody", "--", "sh", "-c", "kill -TERM $$")); status != 128+15 {
			t.Errorf("of a signal: %d\n%s", status, out)
		}
		if status, out := run(pfkeycap("record", "-w", file, "--overwrite", "-Z", "nobody", "--", "no-such-command")); status != 127 || strings.Count(out, "not found") != 1 {
			t.Errorf("of none: %d\n%s", status, out)
		}
		if status, out := run(pfkeycap("record", "-w", file, "-Z", "nobody", "--", "echo", "ran")); status != 2 || strings.Contains(out, "ran") {
			t.Errorf("where the file cannot be made: %d\n%s", status, out)
		}
		// It ends with the recording, though the recorder may not signal it.
		status, out = run(pfkeycap("record", "-w", file, "--overwrite", "-Z", "nobody", "-c", "1", "--", "sleep", "60"))
		if status != 128+2 {
			t.Errorf("ended by the recorder: %d\n%s", status, out)
		}
	})
	t.Run("a command without -Z keeps them too", func(t *testing.T) {
		cmd := pfkeycap("record", "--", "grep", "CapEff", "/proc/self/status")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: asNobody, AmbientCaps: []uintptr{unix.CAP_NET_ADMIN}}
		if status, out := run(cmd); status != 0 || !strings.Contains(out, "CapEff:\t0000000000001000") {
			t.Errorf("status %d\n%s", status, out)
		}
	})
	t.Run("none at all", func(t *testing.T) {
		cmd := pfkeycap("record")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: asNobody}
		if status, out := run(cmd); status != exitMachine || !strings.Contains(out, "CAP_NET_ADMIN") {
			t.Errorf("status %d\n%s", status, out)
		}
	})
	t.Run("where it is not possible", func(t *testing.T) {
		cmd := pfkeycap("record", "-Z", "root")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: asNobody, AmbientCaps: []uintptr{unix.CAP_NET_ADMIN}}
		if status, out := run(cmd); status != exitMachine || !strings.Contains(out, "becoming user 0") {
			t.Errorf("status %d\n%s", status, out)
		}
		if status, out := run(pfkeycap("record", "-Z", "nobody", "-w", "/etc/x.pcapng")); status == 0 || !strings.Contains(out, "/etc/x.pcapng") {
			t.Errorf("status %d\n%s", status, out)
		}
	})
}

// pfkeycap is this program in the present process' place.
func pfkeycap(args ...string) *exec.Cmd {
	// By this name everybody may execute it wherever it lies.
	return &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{"pfkeycap"}, args...), Dir: "/"}
}

// openDir is a directory that everybody may write in.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "privileges")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// threadStates describes user, group and privileges of each thread of a process.
func threadStates(t *testing.T, pid int) (states []string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d threads, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		field := func(name string) string {
			m := regexp.MustCompile(`(?m)^` + name + `:\s*(.*)$`).FindSubmatch(b)
			if m == nil {
				return "?"
			}
			words := strings.Fields(string(m[1]))
			for i, w := range words {
				words[i] = strings.TrimLeft(w, "0")
				if words[i] == "" {
					words[i] = "0"
				}
			}
			for _, w := range words {
				if w != words[0] {
					return strings.Join(words, "/")
				}
			}
			return words[0]
		}
		states = append(states, fmt.Sprintf("%s %s, %s %s %s %s %s, no new privileges %s", field("Uid"), field("Gid"),
			field("CapInh"), field("CapPrm"), field("CapEff"), field("CapBnd"), field("CapAmb"), field("NoNewPrivs")))
	}
	return states
}

// like reports whether got begins with the words of want, "-" being any.
func like(got, want string) bool {
	g, w := strings.Fields(got), strings.Fields(want)
	if len(g) < len(w) {
		return false
	}
	for i := range w {
		if w[i] != "-" && strings.Trim(w[i], ",") != strings.Trim(g[i], ",") {
			return false
		}
	}
	return true
}
