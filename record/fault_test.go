package record_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// TestRemoved: a recording does not go on into a file that nobody can find any
// more.
func TestRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed")
	}
	tests := []struct {
		name   string
		remove func(dir string) error
		want   string
	}{
		{"the capture", func(dir string) error { return os.Remove(filepath.Join(dir, "x")) }, "x has been removed"},
		{"the side file", func(dir string) error { return os.Remove(filepath.Join(dir, "x.keys")) }, "x.keys has been removed"},
		{"the directory", os.RemoveAll, "has been removed"},
		{"moved to another name", func(dir string) error { return os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "y")) }, ""},
	}
	for _, tt := range tests {
		for _, when := range []string{"while it runs", "at the end"} {
			t.Run(tt.name+" "+when, func(t *testing.T) {
				s := newSocket()
				r, dir, _ := rotating(t, s, record.SeriesOptions{Writer: record.WriterOptions{Meta: beside}}, record.Rotation{})
				r.Rotation = nil
				if when == "at the end" {
					r.SyncEvery = 0
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				s.in <- messages(t, 1, 3)
				r.OnRecord = func(rec *record.Record) error {
					if rec.Number != 3 {
						return nil
					}
					if err := tt.remove(dir); err != nil {
						t.Error(err)
					}
					if tt.want == "" || when == "at the end" {
						cancel()
					}
					return nil
				}
				err := errors.Join(r.Run(ctx), r.Close()) // the recording would not end otherwise
				if tt.want == "" {
					if rs, _ := counted(t, filepath.Join(dir, "y")); err != nil || len(rs) != 3 {
						t.Errorf("%d records, %v", len(rs), err)
					}
				} else if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %q", err, tt.want)
				}
			})
		}
	}
}

// TestDirectoryGone: there is no next capture in a directory that is not there any
// more, or not ours.
func TestDirectoryGone(t *testing.T) {
	tests := []struct {
		name string
		lose func(dir string) error
		want error
	}{
		{"moved away", func(dir string) error { return os.Rename(dir, dir+"-moved") }, os.ErrNotExist},
		{"not to be written", func(dir string) error { return os.Chmod(dir, 0o500) }, os.ErrPermission},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == os.ErrPermission && (os.Geteuid() == 0 || runtime.GOOS == "windows") {
				t.Skip("root may write everywhere: the script faults.txt tries it as somebody else")
			}
			s := newSocket()
			r, dir, done := rotating(t, s, record.SeriesOptions{Naming: record.Numbered, Writer: record.WriterOptions{Meta: beside}}, record.Rotation{MaxRecords: 10})
			r.SyncEvery = 0
			now := dir
			s.in <- messages(t, 1, 3)
			r.OnRecord = func(rec *record.Record) error {
				if rec.Number == 3 {
					if err := tt.lose(dir); err != nil {
						t.Fatal(err)
					}
					if tt.want == os.ErrNotExist {
						now += "-moved"
					}
					s.in <- messages(t, 4, 10)
				}
				return nil
			}
			err := r.Run(context.Background())
			if cerr := r.Close(); cerr != nil {
				t.Error(cerr)
			}
			os.Chmod(dir, 0o700)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "beginning the next capture") || !strings.Contains(err.Error(), "x1") {
				t.Errorf("%v", err)
			}
			if rs, st := counted(t, filepath.Join(now, "x")); len(rs) != 10 || st.Received.N != 10 || len(done()) != 1 {
				t.Errorf("%d records, %+v, finished %q", len(rs), st, done())
			}
			os.RemoveAll(now)
		})
	}
}

// TestSlowDisk: while the disk takes its time over what has been written, messages
// are recorded, and captures end and begin.
func TestSlowDisk(t *testing.T) {
	s := newSocket()
	r, dir, done := rotating(t, s, record.SeriesOptions{Naming: record.Numbered, Writer: record.WriterOptions{Meta: beside}}, record.Rotation{MaxRecords: 10})
	asked, goOn := make(chan struct{}, 100), make(chan struct{})
	slow := func(*os.File) error {
		asked <- struct{}{}
		<-goOn
		return nil
	}
	record.SetSync(r.Writer, slow)
	next := r.Rotation.Next
	r.Rotation.Next = func(at time.Time, timed bool) (*record.Writer, error) {
		w, err := next(at, timed)
		if err == nil {
			record.SetSync(w, slow)
		}
		return w, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.in <- messages(t, 1, 5)
	r.OnRecord = func(rec *record.Record) error {
		switch rec.Number {
		case 5:
			go func() {
				<-asked // the timer, which now hangs
				s.in <- messages(t, 6, 30)
			}()
		case 35: // three captures are full
			if n := len(done()); n != 0 {
				t.Errorf("%d captures are finished already", n)
			}
			close(goOn)
			cancel()
		}
		return nil
	}
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range done() {
		rs, _ := counted(t, filepath.Join(dir, name))
		n += len(rs)
	}
	if n != 35 || len(done()) != 4 {
		t.Errorf("%d records in %q", n, done())
	}
}

// TestDiskError: a disk that does not keep what it has taken ends the recording.
func TestDiskError(t *testing.T) {
	cause := errors.New("input/output error")
	for _, when := range []string{"timer", "rotation", "end"} {
		t.Run(when, func(t *testing.T) {
			s := newSocket()
			r, _, done := rotating(t, s, record.SeriesOptions{Naming: record.Numbered}, record.Rotation{MaxRecords: 10})
			record.SetSync(r.Writer, func(*os.File) error { return cause })
			n, text := 5, "bringing the capture to the disk"
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			switch when {
			case "rotation":
				r.SyncEvery, n, text = 0, 15, "closing "
			case "end":
				r.SyncEvery, text = 0, "input/output"
				cancel()
			}
			s.in <- messages(t, 1, n)
			err := errors.Join(r.Run(ctx), r.Close()) // the recording would not end otherwise
			if !errors.Is(err, cause) || !strings.Contains(err.Error(), text) || len(done()) > 1 {
				t.Errorf("%v, finished %q", err, done())
			}
		})
	}
}
