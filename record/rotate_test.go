package record_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// rotating makes a Recorder into a Series in a directory of its own. done gets the
// names of finished captures.
func rotating(t testing.TB, s record.Socket, o record.SeriesOptions, rot record.Rotation) (r *record.Recorder, dir string, done func() []string) {
	t.Helper()
	dir = t.TempDir()
	o.Path = filepath.Join(dir, "x")
	if o.Naming == record.Timed {
		o.Path += "-%S%N-"
	}
	series, err := record.NewSeries(o)
	if err != nil {
		t.Fatal(err)
	}
	w, err := series.Next(t0, false)
	if err != nil {
		t.Fatal(err)
	}
	if rot.Next == nil {
		rot.Next = series.Next
	}
	var mu sync.Mutex
	var names []string
	r = &record.Recorder{Socket: s, Writer: w, Codec: le, Rotation: &rot, SyncEvery: time.Millisecond}
	r.Finished = func(w *record.Writer) {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, filepath.Base(w.Name()))
	}
	return r, dir, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), names...)
	}
}

// counted reads a capture that must be whole, with its statistics.
func counted(t testing.TB, path string) ([]*record.Record, record.Statistics) {
	t.Helper()
	in, err := record.Open(path, record.ReaderOptions{Notice: func(s string) { t.Errorf("%s: %s", path, s) }})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	rs, err := all(in)
	if err != io.EOF {
		t.Fatalf("%s: %v", path, err)
	}
	st, ok := in.Statistics()
	if !ok {
		t.Errorf("%s has no statistics", path)
	}
	return rs, st
}

// TestRotation: every capture stands alone, the record that reaches a limit is its
// last, and together they have every record once.
func TestRotation(t *testing.T) {
	tests := []struct {
		name string
		rot  record.Rotation
		set  func(*record.Recorder)
		want string // records in each
	}{
		{"records", record.Rotation{MaxRecords: 7}, nil, "7 7 7 7 2"},
		{"records, of those kept", record.Rotation{MaxRecords: 7}, func(r *record.Recorder) {
			r.Keep = func(rec *record.Record) bool { return rec.Number%2 == 0 }
		}, "7 7 1"},
		{"size within a batch", record.Rotation{MaxSize: 1500}, nil, "7 7 7 7 2"}, // the header has 204 bytes, a record 196
		{"size, and the last record fills one", record.Rotation{MaxRecords: 10}, nil, "10 10 10 0"},
		{"records or size", record.Rotation{MaxSize: 1500, MaxRecords: 5}, nil, "5 5 5 5 5 5 0"},
		{"a size that the header has", record.Rotation{MaxSize: 1}, func(r *record.Recorder) { r.MaxRecords = 3 }, "1 1 1"},
		{"the number of files", record.Rotation{MaxRecords: 7, MaxFiles: 3}, nil, "7 7 7"},
		{"one file", record.Rotation{MaxRecords: 7, MaxFiles: 1}, nil, "7"},
		{"the end of the recording comes first", record.Rotation{MaxRecords: 7}, func(r *record.Recorder) { r.MaxRecords = 14 }, "7 7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSocket()
			r, dir, done := rotating(t, s, record.SeriesOptions{Naming: record.Numbered, Writer: record.WriterOptions{Meta: beside}}, tt.rot)
			if tt.set != nil {
				tt.set(r)
			}
			for i := range 3 {
				s.in <- messages(t, 10*i+1, 10)
			}
			close(s.in)
			s.err = io.EOF // the end of this socket
			if err := r.Run(context.Background()); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			want := messages(t, 1, 30)
			var got []string
			last := uint64(0)
			var received uint64
			var size int64
			for i, name := range done() {
				if (i == 0 && name != "x") || (i > 0 && name != fmt.Sprint("x", i)) {
					t.Errorf("capture %d is %s", i, name)
				}
				rs, st := counted(t, filepath.Join(dir, name))
				for _, rec := range rs {
					if rec.Number <= last || string(rec.True) != string(want[rec.Number-1]) {
						t.Errorf("%s: %v after record %d", name, rec, last)
					}
					last = rec.Number
				}
				if st.Delivered != record.Count(uint64(len(rs))) || st.Accepted.Known != (r.Keep != nil) || st.Accepted.Known && st.Accepted.N != uint64(len(rs)) {
					t.Errorf("%s: %d records, statistics %+v", name, len(rs), st)
				}
				received += st.Received.N
				fi, err := os.Stat(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				size += fi.Size()
				got = append(got, fmt.Sprint(len(rs)))
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("records %s, want %s", g, tt.want)
			}
			c := r.Counts()
			if c.Files != len(got) || c.Bytes != size || c.Received != received || c.Written != c.Kept {
				t.Errorf("%+v; there are %d captures with %d bytes that tell of %d messages", c, len(got), size, received)
			}
			if n := len(files(t, dir)); n != 2*len(got) {
				t.Errorf("%d files for %d captures", n, len(got))
			}
		})
	}
}

// TestRotationByTime: the clock turns the page though no message comes.
func TestRotationByTime(t *testing.T) {
	tests := []struct {
		name   string
		naming record.Naming
		rot    record.Rotation
	}{
		{"age", record.Numbered, record.Rotation{MaxAge: 20 * time.Millisecond}},
		{"period", record.Timed, record.Rotation{Period: 20 * time.Millisecond}},
		{"clock", record.Stamped, record.Rotation{Interval: 20 * time.Millisecond}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSocket()
			tt.rot.MaxFiles = 4
			r, dir, done := rotating(t, s, record.SeriesOptions{Naming: tt.naming}, tt.rot)
			s.in <- messages(t, 1, 3)
			if err := r.Run(context.Background()); err != nil { // which would not end otherwise
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			names := done()
			n := 0
			var end time.Time
			for i, name := range names {
				rs, st := counted(t, filepath.Join(dir, name))
				n += len(rs)
				if st.Start.Before(end) || st.End.Before(st.Start) {
					t.Errorf("%s is from %v to %v, the one before ended at %v", name, st.Start, st.End, end)
				}
				if age := st.End.Sub(st.Start); i > 0 && tt.name == "age" && age < 20*time.Millisecond {
					t.Errorf("%s ended after %v", name, age)
				}
				end = st.End
			}
			if n != 3 || len(names) != 4 {
				t.Errorf("%d records in %q", n, names)
			}
		})
	}
}

// TestRotationPeriod: within a period captures are numbered, and each period begins
// anew. Captures that are full do not move its end.
func TestRotationPeriod(t *testing.T) {
	s := newSocket()
	r, _, done := rotating(t, s, record.SeriesOptions{Naming: record.Timed}, record.Rotation{MaxRecords: 5, Period: 50 * time.Millisecond})
	next := r.Rotation.Next
	full, number := 0, 0
	over := make(chan struct{})
	r.Rotation.Next = func(at time.Time, timed bool) (*record.Writer, error) {
		w, err := next(at, timed)
		want := "-"
		if number++; !timed {
			full++
			want = fmt.Sprint("-", number)
		} else if number = 0; full == 2 && over != nil {
			close(over)
			over = nil
		}
		if err != nil || !strings.HasSuffix(w.Name(), want) {
			t.Errorf("%v, %v; want a name that ends in %q", w, err, want)
		}
		return w, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.in <- messages(t, 1, 10)
	go func(over chan struct{}) {
		<-over
		s.in <- messages(t, 11, 5)
		cancel()
	}(over)
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if full != 3 || len(done()) < 5 {
		t.Errorf("%d captures were full, there are %q", full, done())
	}
}

// TestRotationFails: the recording ends with an error, and what there is can be
// read.
func TestRotationFails(t *testing.T) {
	cause := errors.New("the cause")
	tests := []struct {
		name  string
		next  func(dir string) (*record.Writer, error)
		files string
	}{
		{"no next file", func(string) (*record.Writer, error) { return nil, cause }, "x x.keys"},
		{"no room for its header", func(dir string) (*record.Writer, error) {
			w, err := record.NewWriter(&failing{err: cause}, record.WriterOptions{})
			return w, err
		}, "x x.keys"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSocket()
			var dir string
			rot := record.Rotation{MaxRecords: 5, Next: func(time.Time, bool) (*record.Writer, error) { return tt.next(dir) }}
			r, dir, done := rotating(t, s, record.SeriesOptions{Naming: record.Numbered, Writer: record.WriterOptions{Meta: beside}}, rot)
			s.in <- messages(t, 1, 10)
			if err := r.Run(context.Background()); !errors.Is(err, cause) || !strings.Contains(err.Error(), "beginning the next capture") {
				t.Errorf("Run: %v", err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if rs, st := counted(t, filepath.Join(dir, "x")); len(rs) != 5 || st.Received.N != 5 {
				t.Errorf("%d records, %+v", len(rs), st)
			}
			if g := strings.Join(files(t, dir), " "); g != tt.files || len(done()) != 1 {
				t.Errorf("files %s, finished %q", g, done())
			}
		})
	}

	// No room for the statistics.
	s := newSocket()
	r, dir, done := rotating(t, s, record.SeriesOptions{Naming: record.Numbered}, record.Rotation{MaxRecords: 5})
	w, err := record.NewWriter(&failing{left: 1300, err: cause}, record.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.Writer = w
	s.in <- messages(t, 1, 7)
	if err := r.Run(context.Background()); !errors.Is(err, cause) || r.Counts().Written != 5 {
		t.Errorf("Run: %v, %+v", err, r.Counts())
	}
	if err := r.Close(); !errors.Is(err, cause) {
		t.Error(err)
	}
	if g := files(t, dir); len(g) != 1 || len(done()) != 0 {
		t.Errorf("files %q, finished %q", g, done())
	}
}

// TestNothingWritten: a capture of which not even the header could be written does
// not stay, nor does its side file.
func TestNothingWritten(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip(err)
	}
	s := newSocket()
	r, dir, _ := rotating(t, s, record.SeriesOptions{Writer: record.WriterOptions{Meta: beside}}, record.Rotation{})
	record.SetOutput(r.Writer, "/dev/full")
	if err := r.Run(context.Background()); err == nil {
		t.Error("no error")
	}
	if err := r.Close(); err == nil {
		t.Error("no error of Close")
	}
	if g := files(t, dir); len(g) != 0 {
		t.Errorf("files %q", g)
	}
}

// TestSyncWhileRotating: the disk is asked to keep captures that end meanwhile.
func TestSyncWhileRotating(t *testing.T) {
	s := newSocket()
	r, _, done := rotating(t, s, record.SeriesOptions{Naming: record.Numbered, Writer: record.WriterOptions{Meta: beside}}, record.Rotation{MaxRecords: 1})
	r.MaxRecords = 200
	go func() {
		for i := range 200 {
			s.in <- messages(t, i, 1)
		}
	}()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for {
			select {
			case <-stop:
				return
			default:
				if err := r.Sync(); err != nil {
					t.Error(err)
					return
				}
				r.Counts()
			}
		}
	}()
	err := r.Run(context.Background())
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil || len(done()) != 200 {
		t.Errorf("%v, %d captures", err, len(done()))
	}
}

// TestFilterText: a capture says by what its records were chosen, on every
// interface.
func TestFilterText(t *testing.T) {
	const text = `type == "ACQUIRE" && cidr(dst, "10.0.0.0/8")`
	b := write(t, record.WriterOptions{Meta: record.Meta{Order: le.Order}, Filter: text}, conversation(t, le, 2)...)
	in, err := record.NewReader(bytes.NewReader(b), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := all(in); err != io.EOF || in.Interface().Filter != text {
		t.Errorf("%q, %v", in.Interface().Filter, err)
	}
}
