//go:build linux && amd64

package sandbox_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/replay/sandbox"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// BenchmarkTrue is a sandbox from start to finish.
func BenchmarkTrue(b *testing.B) {
	sandboxtest.Require(b)
	for b.Loop() {
		if status, err := (&sandbox.Cmd{Args: []string{"true"}}).Run(b.Context()); status != 0 || err != nil {
			b.Fatal(status, err)
		}
	}
}

// BenchmarkBareKernel is what BenchmarkTrue is to be compared with: the kernel
// until the first line of an init that only switches it off, on one core, with the
// arguments a user of Debian's package would give and with this package's.
func BenchmarkBareKernel(b *testing.B) {
	sandboxtest.Require(b)
	kernel, err := sandbox.Find()
	if err != nil {
		b.Fatal(err)
	}
	common := []string{"mem=256M", `init="` + executable(b) + `"`, helperVariable + "=poweroff"}
	var ours []string
	for _, arg := range sandbox.KernelArgs {
		// Without the mark for InitIfGuest, and consoles on descriptors.
		if !strings.HasSuffix(arg, "_INIT=1") && (!strings.HasPrefix(arg, "con") || strings.HasPrefix(arg, "con0")) {
			ours = append(ours, arg)
		}
	}
	for _, bench := range []struct {
		name string
		args []string
	}{
		{"usual", []string{"root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "con=null", "con0=null,fd:1", "quiet", "uml_dir=/dev/null/"}},
		{"ours", append(ours, "con=null")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			runtime.LockOSThread() // and never unlock: the core is this thread's for good
			sandbox.PinThread()
			for b.Loop() {
				preload, err := sandbox.PreloadFile()
				if err != nil {
					b.Fatal(err)
				}
				cmd := exec.Command(kernel.Path, append(bench.args, common...)...)
				cmd.Env = []string{"LD_PRELOAD=/proc/self/fd/3"}
				cmd.ExtraFiles = []*os.File{preload}
				// Now and then it aborts when all is over.
				if out, err := cmd.CombinedOutput(); err != nil && !bytes.Contains(out, []byte("reboot:")) {
					b.Fatalf("%v\n%s", err, out)
				}
				preload.Close()
			}
		})
	}
}

// BenchmarkRoundTrip is a message to the command in a sandbox and back, by its
// standard input and output.
func BenchmarkRoundTrip(b *testing.B) {
	sandboxtest.Require(b)
	for _, size := range []int{1, 200, 4000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			cmd := &sandbox.Cmd{Args: []string{executable(b)}, Env: []string{helperVariable + "=echo"}}
			in, out := pipes(b, cmd)
			if err := cmd.Start(b.Context()); err != nil {
				b.Fatal(err)
			}
			message := make([]byte, size)
			roundTrip := func() {
				if _, err := in.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(out, message); err != nil {
					b.Fatal(err)
				}
			}
			roundTrip()
			for b.Loop() {
				roundTrip()
			}
			in.Close()
			if status, err := cmd.Wait(); status != 0 || err != nil {
				b.Fatal(status, err)
			}
		})
	}
}

// BenchmarkStdin and BenchmarkStdout count bytes.
func BenchmarkStdin(b *testing.B) {
	benchmarkStream(b, "cat >/dev/null", func(in io.Writer, _ io.Reader, n int64) error {
		_, err := io.CopyN(in, zeros{}, n)
		return err
	})
}

func BenchmarkStdout(b *testing.B) {
	benchmarkStream(b, "cat /dev/zero", func(_ io.Writer, out io.Reader, n int64) error {
		_, err := io.CopyN(io.Discard, out, n)
		return err
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func benchmarkStream(b *testing.B, script string, move func(in io.Writer, out io.Reader, n int64) error) {
	sandboxtest.Require(b)
	const chunk = 1 << 20
	cmd := &sandbox.Cmd{Args: []string{"/bin/sh", "-c", "echo; " + script}}
	in, out := pipes(b, cmd)
	if err := cmd.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(chunk)
	for b.Loop() {
		if err := move(in, out, chunk); err != nil {
			b.Fatal(err)
		}
	}
	in.Close()
	out.Close()
	if _, err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}
