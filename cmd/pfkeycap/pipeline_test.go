package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// onProcessors runs pfkeycap as if there were n processors, and returns whether there
// were workers when it wrote something.
func onProcessors(t *testing.T, n int, stdout io.Writer, args []string) (status int, stderr string, worked bool) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	var e bytes.Buffer
	w := &watching{Writer: stdout}
	status = run(t.Context(), append([]string{"pfkeycap"}, args...), strings.NewReader(""), w, &e)
	for start := time.Now(); workers(); time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("workers that do not end")
		}
	}
	return status, e.String(), w.seen
}

// watching looks for workers while something is written.
type watching struct {
	io.Writer
	seen bool
}

func (w *watching) Write(b []byte) (int, error) {
	w.seen = w.seen || workers()
	return w.Writer.Write(b)
}

// workers reports whether a pipeline has any.
func workers() bool {
	stacks := make([]byte, 64<<10)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*pipeline).start"))
}

// TestPipeline: what several processors print is what one prints, all fixtures read one
// after the other, with what is said of them.
func TestPipeline(t *testing.T) {
	files := fixtureFiles(t)
	dir := t.TempDir()
	damaged, inside := filepath.Join(dir, "damaged.pcapng"), filepath.Join(dir, "inside.pcapng")
	growthCapture(t, damaged, 3000, record.KeysNone)
	growthCapture(t, inside, 3000, record.KeysInside)
	if err := os.Truncate(damaged, 600001); err != nil {
		t.Fatal(err)
	}
	salt := []string{"--salt-file", filepath.Join(fixtureDir, "salt")}
	for _, tt := range []struct {
		name   string
		args   string
		files  []string
		serial bool // all the same
	}{
		{name: "text"},
		{name: "second copies", args: "--keep-duplicates"},
		{name: "colours", args: "--color always"},
		{name: "tree", args: "-v"},
		{name: "all of it", args: "-vv -x"},
		{name: "hex", args: "-x"},
		{name: "keys", args: "-v -x --show-keys"},
		{name: "no time", args: "-t"},
		{name: "time since the one before", args: "-ttt"},
		{name: "time since the first", args: "-ttttt"},
		{name: "json", args: "-T json"},
		{name: "json with keys", args: "-T json --show-keys"},
		{name: "fields", args: "-T fields -e number -e key_auth.key_id -e errno -E header=y"},
		{name: "csv", args: "-T csv -e number -e spi -e comment --lint"},
		{name: "filter", args: "-Y errno!=0||type==\"REGISTER\"||type==\"ADD\"||type==\"ACQUIRE\"||type==\"SPDDUMP\""},
		{name: "lint", args: "--lint"},
		{name: "lint, verbosely", args: "-v --lint=illumos"},
		{name: "lint as json", args: "-T json --lint"},
		{name: "lint in order", args: "--lint=xfrm", serial: true},
		{name: "other dialect", args: "-T json --dialect netbsd"},
		{name: "follow", args: "--follow pid=412", files: []string{damaged}},
		{name: "merge", args: "--merge -T json", serial: true},
		{name: "damaged", files: []string{damaged}},
		{name: "damaged, as json", args: "-T json", files: []string{damaged}},
		{name: "damaged, and others", args: "-T json", files: append([]string{damaged, damaged}, files...)},
		{name: "keys inside", args: "-T json", files: []string{inside}},
		{name: "standard input", files: []string{damaged, "-"}, serial: true},
		{name: "a number of messages", args: "-c 3000", serial: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.files == nil {
				tt.files = files
			}
			args := append(append(append([]string{"decode"}, strings.Fields(tt.args)...), salt...), tt.files...)
			var one, many bytes.Buffer
			wantStatus, wantSaid, worked := onProcessors(t, 1, &one, args)
			if worked {
				t.Error("workers with one processor")
			}
			status, said, worked := onProcessors(t, 4, &many, args)
			if !bytes.Equal(one.Bytes(), many.Bytes()) {
				t.Error("other output:", firstDifference(one.String(), many.String()))
			}
			if status != wantStatus || said != wantSaid {
				t.Errorf("status %d, want %d; %s", status, wantStatus, firstDifference(wantSaid, said))
			}
			if worked == tt.serial {
				t.Errorf("workers: %v", worked)
			}
		})
	}
}

// firstDifference is the first line in which two texts differ.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "line " + w[i] + "\nis now " + g[i]
		}
	}
	return "one is longer"
}

// closing is an output that takes some bytes and then fails.
type closing struct {
	left int
	err  error
}

func (w *closing) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, w.err
	}
	return len(b), nil
}

// TestPipelineCloses: an output that fails ends all of it.
func TestPipelineCloses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "some.pcapng")
	growthCapture(t, file, 8000, record.KeysNone)
	for _, err := range []error{syscall.EPIPE, syscall.ENOSPC} {
		for _, left := range []int{0, 100 << 10, 1 << 20} {
			args := []string{"decode", "-T", "json", file}
			wantStatus, wantSaid, _ := onProcessors(t, 1, &closing{left, err}, args)
			status, said, _ := onProcessors(t, 4, &closing{left, err}, args)
			if status != wantStatus || said != wantSaid {
				t.Errorf("%v after %d bytes: status %d, want %d; %s, want %s", err, left, status, wantStatus, said, wantSaid)
			}
		}
	}
}
