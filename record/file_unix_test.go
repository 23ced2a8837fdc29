//go:build unix

package record_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// role makes the test binary a helper process, see TestMain.
const role = "PFKEYCAP_RECORD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "write for ever":
		writeForEver(os.Args[1])
	case "write with a limit":
		writeWithLimit(os.Args[1])
	case "record for ever":
		recordForEver(os.Args[1])
	}
	os.Exit(m.Run())
}

// helper prepares the test binary to run in a role.
func helper(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], path)
	cmd.Env = append(os.Environ(), role+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// made makes the record of a number, for a process that cannot be asked.
func made(t testing.TB, number uint64) *record.Record {
	data := add(t, le, uint32(number), secret(int(number), 20), secret(int(number)+1, 16+int(number%30)))
	return &record.Record{Number: number, Time: t0, Codec: le, Data: data, OrigLen: len(data)}
}

func writeForEver(path string) {
	t := &testing.B{}
	w, err := record.Create(path, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysBeside}})
	check(err)
	for number := uint64(1); ; {
		for range 1 + number%40 {
			check(w.Append(made(t, number)))
			number++
		}
		check(w.Flush())
		_, err := fmt.Println(number - 1)
		check(err)
	}
}

// TestKilled: after kill -9 everything that was flushed is there, with its keys,
// and what is there is whole but for a torn end.
func TestKilled(t *testing.T) {
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "x.pcapng")
		cmd := helper(t, "write for ever", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		last := uint64(0)
		for lines.Scan() {
			if last, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				t.Fatal(err)
			}
			if last > uint64(1000*(round+1)) {
				break
			}
		}
		cmd.Process.Kill()
		for lines.Scan() { // what it had said before it died
			if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				last = n
			}
		}
		cmd.Wait()

		var notices []string
		r, err := record.Open(path, record.ReaderOptions{Notice: func(s string) { notices = append(notices, s) }})
		if err != nil {
			t.Fatal(err)
		}
		n := uint64(0)
		for {
			rec, err := r.Next()
			if err != nil {
				if err != io.EOF && !errors.Is(err, record.ErrTorn) {
					t.Errorf("after record %d: %v", n, err)
				}
				break
			}
			n++
			same(t, rec, made(t, n))
		}
		r.Close()
		if n < last || len(notices) != 0 {
			t.Errorf("%d records in the capture, %d had been written; notices %q", n, last, notices)
		}
	}
}

// endless is a socket that always has messages.
type endless struct {
	t      *testing.B
	number uint64
	batch
}

func (s *endless) Receive() (record.Batch, error) {
	s.msgs, s.time = s.msgs[:0], t0
	for range 1 + s.number%40 {
		s.number++
		s.msgs = append(s.msgs, made(s.t, s.number).Data)
	}
	return &s.batch, nil
}
func (s *endless) TryReceive() (record.Batch, error) { return nil, nil }
func (s *endless) Interrupt()                        {}
func (s *endless) Queue() (int, int)                 { return 0, 0 }

// recordForEver keeps a ring of five captures. What it prints is how many records
// have been written.
func recordForEver(path string) {
	series, err := record.NewSeries(record.SeriesOptions{Path: path, Naming: record.Stamped, Ring: 5,
		Writer: record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysBeside}}})
	check(err)
	w, err := series.Next(t0, false)
	check(err)
	r := record.Recorder{Socket: &endless{t: &testing.B{}}, Writer: w, Codec: le, Rotation: &record.Rotation{Next: series.Next, MaxRecords: 53}, SyncEvery: 1e6}
	r.OnRecord = func(rec *record.Record) error {
		_, err := fmt.Println(rec.Number)
		return err
	}
	check(r.Run(context.Background()))
}

// TestKilledWhileRotating: after kill -9 the captures of the ring have every record
// that had been written since the oldest of them began, with its keys, and all
// but the last one are whole.
func TestKilledWhileRotating(t *testing.T) {
	for round := range 4 {
		dir := t.TempDir()
		cmd := helper(t, "record for ever", filepath.Join(dir, "x"))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		last := uint64(0)
		for lines.Scan() {
			if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
				last = n
			}
			if last == uint64(300*(round+1)+17*round) {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()

		n := uint64(0)
		names, err := filepath.Glob(filepath.Join(dir, "x_*[0-9]"))
		if err != nil || len(names) < 4 || len(names) > 5 {
			t.Fatalf("captures %q, %v", names, err)
		}
		for i, name := range names {
			var notices []string
			r, err := record.Open(name, record.ReaderOptions{Notice: func(s string) { notices = append(notices, s) }})
			if errors.Is(err, record.ErrTorn) && i == len(names)-1 {
				continue // its header is not there yet
			}
			if err != nil {
				t.Fatal(err)
			}
			for {
				rec, err := r.Next()
				if err != nil {
					if err != io.EOF && !(errors.Is(err, record.ErrTorn) && i == len(names)-1) {
						t.Errorf("%s: after record %d: %v", name, n, err)
					}
					break
				}
				if n++; n != rec.Number && n > 1 {
					t.Fatalf("%s: record %d, want %d", name, rec.Number, n)
				}
				n = rec.Number
				same(t, rec, made(t, n))
			}
			if _, ok := r.Statistics(); !ok && i < len(names)-1 {
				t.Errorf("%s has no statistics", name)
			}
			if len(notices) > 0 {
				t.Errorf("%s: notices %q", name, notices)
			}
			r.Close()
		}
		if n < last {
			t.Errorf("the last record is %d, %d had been written", n, last)
		}
	}
}

// writeWithLimit writes until the file size limit stops it. What it prints last
// is how many records are in the capture.
func writeWithLimit(path string) {
	signal.Ignore(syscall.SIGXFSZ) // the write fails instead
	t := &testing.B{}
	keys := record.KeysNone
	if strings.HasSuffix(path, "beside") {
		keys = record.KeysBeside
	}
	w, err := record.Create(path, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: keys}})
	check(err)
	limit := unix.Rlimit{Cur: 10007, Max: unix.RLIM_INFINITY}
	check(unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	for number := uint64(1); ; {
		for range 16 {
			check(w.Append(made(t, number)))
			number++
		}
		if err := w.Flush(); err != nil {
			if cerr := w.Close(); cerr != err {
				check(fmt.Errorf("Flush: %w, Close: %w", err, cerr))
			}
			fmt.Println(w.Records(), w.Size(), errors.Is(err, syscall.EFBIG))
			os.Exit(0)
		}
	}
}

// TestFull: when the disk is full in the middle of a batch, the capture ends
// after a whole record and every record has its keys. A file size limit stands
// in for the disk.
func TestFull(t *testing.T) {
	for _, name := range []string{"none", "beside"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			out, err := helper(t, "write with a limit", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			rs, notices := open(t, path, record.ReaderOptions{})
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintln(len(rs), st.Size(), true); string(out) != want || len(rs) < 16 {
				t.Errorf("the writer says %q, there are %q", out, want)
			}
			if name == "beside" {
				for i, r := range rs {
					same(t, r, made(t, uint64(i+1)))
				}
				if b := readFile(t, path+".keys"); len(b) > 10007 || b[len(b)-1] != '\n' {
					t.Errorf("side file of %d bytes, ending in %q", len(b), b[len(b)-1])
				}
			}
			if len(notices) != 0 {
				t.Errorf("notices %q", notices)
			}
		})
	}
}

func TestNoRoomAtAll(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full: %v", err)
	}
	defer full.Close()
	w, err := record.NewWriter(full, record.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(conversation(t, le, 2)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v, want ENOSPC", err)
	}
}

func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o777} {
		t.Run(fmt.Sprintf("umask %03o", umask), func(t *testing.T) {
			dir := t.TempDir()
			old := syscall.Umask(umask)
			defer syscall.Umask(old)
			path := filepath.Join(dir, "x")
			w, err := record.Create(path, record.WriterOptions{Meta: beside})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := record.CreateSaltFile(filepath.Join(dir, "salt")); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"x", "x.keys", "salt"} {
				st, err := os.Stat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if st.Mode().Perm() != 0o600 {
					t.Errorf("%s has mode %v", name, st.Mode())
				}
			}
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	name := func(s string) string { return filepath.Join(dir, s) }
	old := []byte("precious")
	for _, f := range []string{"file", "target", "other.keys", "linked"} {
		if err := os.WriteFile(name(f), old, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": "target", "dangling": "nowhere", "linked2.keys": "linked"} {
		if err := os.Symlink(target, name(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(name("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path      string
		overwrite bool
		gone      string // what must not be there afterwards
	}{
		{"file", false, "file.keys"},
		{"link", false, "link.keys"},
		{"link", true, "link.keys"},
		{"dangling", false, "nowhere"},
		{"dangling", true, "nowhere"},
		{"fifo", false, "fifo.keys"},
		{"fifo", true, "fifo.keys"},
		{".", true, ".keys"},
		{"other", false, "other"},     // its side file is there
		{"linked2", false, "linked2"}, // its side file is a link
		{"linked2", true, "linked2"},
		{"no/such/directory", false, "no"},
	}
	for _, tt := range tests {
		_, err := record.Create(name(tt.path), record.WriterOptions{Overwrite: tt.overwrite, Meta: beside})
		if err == nil {
			t.Errorf("%s (overwrite %v): no error", tt.path, tt.overwrite)
		}
		if _, err := os.Lstat(name(tt.gone)); err == nil {
			t.Errorf("%s (overwrite %v): %s was made", tt.path, tt.overwrite, tt.gone)
		}
	}
	if _, err := record.Create(name("file"), record.WriterOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("an existing file: %v", err)
	}
	for _, f := range []string{"file", "target", "other.keys", "linked"} {
		if !bytes.Equal(readFile(t, name(f)), old) {
			t.Errorf("%s was changed", f)
		}
	}
}

// TestOverwrite: the new file is another one, which who has the old one open
// cannot see.
func TestOverwrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, name := range []string{path, path + ".keys"} {
		if err := os.WriteFile(name, []byte("old"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.Open(path + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	w, err := record.Create(path, record.WriterOptions{Overwrite: true, Meta: beside})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(conversation(t, le, 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(old); err != nil || string(b) != "old" {
		t.Errorf("the old file reads %d bytes, %v", len(b), err)
	}
	for _, name := range []string{path, path + ".keys"} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", st, err)
		}
	}
}

// TestKeysToOpenFile: keys do not go into a file that others may read, nor does
// reading a side file that others may read go without a notice.
func TestKeysToOpenFile(t *testing.T) {
	inside := record.WriterOptions{Meta: record.Meta{Keys: record.KeysInside}}
	path := filepath.Join(t.TempDir(), "x")
	for _, tt := range []struct {
		mode os.FileMode
		opts record.WriterOptions
		ok   bool
	}{{0o644, inside, false}, {0o620, inside, false}, {0o600, inside, true}, {0o644, record.WriterOptions{}, true}} {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Chmod(tt.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := record.NewWriter(f, tt.opts); (err == nil) != tt.ok {
			t.Errorf("mode %v, keys=%v: %v", tt.mode, tt.opts.Meta.Keys, err)
		}
		f.Close()
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	defer pw.Close()
	if _, err := record.NewWriter(pw, inside); err != nil {
		t.Errorf("a pipe: %v", err)
	}

	capture := create(t, record.WriterOptions{Meta: beside}, conversation(t, le, 1)...)
	if err := os.Chmod(capture+".keys", 0o640); err != nil {
		t.Fatal(err)
	}
	rs, notices := open(t, capture, record.ReaderOptions{})
	if len(notices) != 1 || !strings.Contains(notices[0], "chmod 600") || rs[0].True == nil {
		t.Errorf("notices %q, true bytes %v", notices, rs[0].True != nil)
	}
}

func TestSync(t *testing.T) {
	w, err := record.Create(filepath.Join(t.TempDir(), "x"), record.WriterOptions{Meta: beside})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { // while records are written, as a timer does
		var err error
		for range 20 {
			err = errors.Join(err, w.Sync())
		}
		done <- err
	}()
	for i := range 200 {
		if err := w.WriteBatch([]*record.Record{made(t, uint64(i+1))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
