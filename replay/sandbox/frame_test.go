package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	payloads := [][]byte{nil, {1}, bytes.Repeat([]byte("xyz"), 100_000)}
	for _, p := range payloads {
		if err := writeFrame(&b, frameData, p); err != nil {
			t.Fatal(err)
		}
	}
	wire := bytes.Clone(b.Bytes())
	if want := []byte{'d', 0, 0, 0, 0, 'd', 1, 0, 0, 0, 1, 'd', 0xe0, 0x93, 0x04, 0}; !bytes.HasPrefix(wire, want) {
		t.Errorf("on the wire % x, want % x", wire[:len(want)], want)
	}
	r := iotest.HalfReader(bytes.NewReader(wire))
	for i, want := range payloads {
		if kind, got, err := readFrame(r); kind != frameData || !bytes.Equal(got, want) || err != nil {
			t.Errorf("frame %d: %q of %d bytes, %v", i, byte(kind), len(got), err)
		}
	}
	if _, _, err := readFrame(r); err != io.EOF {
		t.Errorf("at the end %v, want %v", err, io.EOF)
	}
	for n := 1; n < 11; n++ {
		r := bytes.NewReader(wire[:n])
		_, _, err := readFrame(r)
		if n > frameHeader && err == nil {
			_, _, err = readFrame(r)
		}
		if n != frameHeader && (err == nil || err == io.EOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

func TestFrameTooLong(t *testing.T) {
	if _, _, err := readFrame(strings.NewReader("d\xff\xff\xff\xff")); err == nil || !strings.Contains(err.Error(), "4294967295") {
		t.Errorf("4 GiB announced: %v", err)
	}
	// As long as allowed, but not there: no memory is taken for what may come.
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := readFrame(strings.NewReader("d\x00\x00\x00\x03short"))
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("no error for a frame that ends early")
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated for a frame that ends early", n)
	}
}

func TestTaskKeepsAllBytes(t *testing.T) {
	want := task{
		Args: []string{"", "\xff\x00\n"}, Env: []string{"A=\xfe"}, Dir: "/d\xff", Umask: 0o77, Modules: "/m",
		Mounts: []mount{{"/tmp", true}, {"/w\xfd", false}}, Stdin: true, Terminal: true, Window: window{1, 65535}, StderrToStdout: true,
	}
	b, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeTask(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := decodeTask([]byte(`{"Dir":"/"}`)); err == nil {
		t.Error("a path that is not in hex digits passes")
	}
}

func TestWindow(t *testing.T) {
	want := window{Rows: 24, Cols: 1000}
	if got, ok := parseWindow(want.bytes()); got != want || !ok {
		t.Error(got, ok)
	}
	if got, ok := parseWindow(nil); ok {
		t.Error(got, ok)
	}
}

// consoleModel is a console that must not hold more than unread has room for.
type consoleModel struct {
	t      *testing.T
	unread chan byte
}

func (c *consoleModel) Write(b []byte) (int, error) {
	for _, x := range b {
		select {
		case c.unread <- x:
		default:
			c.t.Errorf("more than %d bytes unread", cap(c.unread))
			return 0, io.ErrShortWrite
		}
	}
	return len(b), nil
}

func (c *consoleModel) Close() error { return nil }

func (c *consoleModel) Read(b []byte) (n int, err error) {
	for n < len(b) {
		if n > 0 && len(c.unread) == 0 {
			return n, nil
		}
		b[n] = <-c.unread
		n++
	}
	return n, nil
}

func TestFlowNeverFillsTheConsole(t *testing.T) {
	c := &consoleModel{t, make(chan byte, flowWindow)}
	f := newFlow(c)
	want := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	done := make(chan error)
	go func() {
		_, err := f.Write(want)
		done <- err
	}()
	r := bufio.NewReader(&flowReader{Reader: c, report: func(n int) error {
		input, n, ok := parseReadReport(readReport(commandInput, n))
		if input != commandInput || !ok {
			t.Errorf("report %d %v", input, ok)
		}
		f.hasRead(n)
		return nil
	}})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read something else, %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}

	// Nobody reads any more: only Close ends the writing.
	go func() {
		_, err := f.Write(make([]byte, 2*flowWindow))
		done <- err
	}()
	for len(c.unread) < flowWindow-flowReport {
		runtime.Gosched()
	}
	f.Close()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed while it waits: %v, want %v", err, os.ErrClosed)
	}
}

func TestErrorShowsTheLinesThatTell(t *testing.T) {
	lines := func(n int) string { return strings.Repeat("noise\r\n", n) }
	for _, test := range []struct {
		name, console string
		has, hasNot   string
	}{
		{"the last lines", lines(100) + "the end\r\n", "the end", "\r"},
		{"a panic rather than its stack trace", "before\nKernel panic - not syncing: x\nCPU: 0\n" + lines(100), "before\n\tconsole: Kernel panic - not syncing: x\n\tconsole: CPU: 0", "noise"},
		{"not what the kernel says before init", "SELinux: …\nsandbox: init\r\nlast", "last", "SELinux"},
		{"nothing", "", "sandbox: run cmd: the sandbox kernel ended early", "console"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := &Error{Stage: "run", Command: "cmd", Err: ErrCrashed, Console: test.console}
			s := e.Error()
			if !strings.Contains(s, test.has) || strings.Contains(s, test.hasNot) || !errors.Is(e, ErrCrashed) {
				t.Errorf("want %q and not %q in\n%s", test.has, test.hasNot, s)
			}
			if n := strings.Count(s, "\n"); n > consoleLines {
				t.Errorf("%d lines", n)
			}
		})
	}
}

func TestTail(t *testing.T) {
	w := tail{max: 10}
	for _, s := range []string{"", "0123456789", "abc", strings.Repeat("x", 25), "yz\xff"} {
		if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
			t.Error(n, err)
		}
	}
	if got, want := w.String(), "xxxxxxxyz?"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
