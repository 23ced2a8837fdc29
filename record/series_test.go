package record_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// files lists a directory.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names
}

// series makes a Series in a directory of its own, whose notices are appended to
// *notices.
func series(t testing.TB, o record.SeriesOptions, notices *[]string) (*record.Series, string) {
	t.Helper()
	dir := t.TempDir()
	o.Path = filepath.Join(dir, o.Path)
	o.Notice = func(s string) { *notices = append(*notices, strings.ReplaceAll(s, dir+"/", "")) }
	s, err := record.NewSeries(o)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// next makes the next capture, with one record, and ends it.
func next(t testing.TB, s *record.Series, at time.Time, timed bool) *record.Writer {
	t.Helper()
	w, err := s.Next(at, timed)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(conversation(t, le, 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestSeriesNames holds the names to those that tcpdump 4.99.3 and dumpcap 4.0.17
// give.
func TestSeriesNames(t *testing.T) {
	at := time.Date(2026, time.May, 1, 10, 0, 0, 0, time.Local)
	const timed = 't' // Period is over; anything else: the file is full
	tests := []struct {
		name  string
		o     record.SeriesOptions
		turns string
		want  string
	}{
		{"single", record.SeriesOptions{Path: "x.pcapng"}, "", "x.pcapng"},
		{"-C", record.SeriesOptions{Path: "x.pcapng", Naming: record.Numbered}, "ssssssssss", "x.pcapng x.pcapng1 x.pcapng2 x.pcapng3 x.pcapng4 x.pcapng5 x.pcapng6 x.pcapng7 x.pcapng8 x.pcapng9 x.pcapng10"},
		{"-C -W 1", record.SeriesOptions{Path: "x", Naming: record.Numbered, Ring: 1}, "ss", "x x x"},
		{"-C -W 3", record.SeriesOptions{Path: "x", Naming: record.Numbered, Ring: 3}, "ssss", "x0 x1 x2 x0 x1"},
		{"-C -W 10", record.SeriesOptions{Path: "x", Naming: record.Numbered, Ring: 10}, "sssssssss", "x0 x1 x2 x3 x4 x5 x6 x7 x8 x9"},
		{"-C -W 11", record.SeriesOptions{Path: "x", Naming: record.Numbered, Ring: 11}, "s", "x00 x01"},
		{"-G 60", record.SeriesOptions{Path: "x-%H%M.pcapng", Naming: record.Timed}, "ttt", "x-1000.pcapng x-1001.pcapng x-1002.pcapng x-1003.pcapng"},
		{"-G 60 -C", record.SeriesOptions{Path: "x-%H%M", Naming: record.Timed}, "sstst", "x-1000 x-10001 x-10002 x-1003 x-10031 x-1005"},
		{"-G 60 -C -W 3", record.SeriesOptions{Path: "x-%H%M-", Naming: record.Timed, Ring: 3}, "ssst", "x-1000-0 x-1000-1 x-1000-2 x-1000-0 x-1004-0"},
		{"-b", record.SeriesOptions{Path: "x.pcapng", Naming: record.Stamped}, "sst", "x_00001_20260501100000.pcapng x_00002_20260501100100.pcapng x_00003_20260501100200.pcapng x_00004_20260501100300.pcapng"},
		{"-b without extension", record.SeriesOptions{Path: "x", Naming: record.Stamped}, "s", "x_00001_20260501100000 x_00002_20260501100100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var notices []string
			s, dir := series(t, tt.o, &notices)
			got := []string{filepath.Base(next(t, s, at, false).Name())}
			for i, turn := range tt.turns {
				w := next(t, s, at.Add(time.Duration(i+1)*time.Minute), turn == timed)
				got = append(got, filepath.Base(w.Name()))
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("got  %s\nwant %s", g, tt.want)
			}
			if len(notices) > 0 {
				t.Errorf("notices %q", notices)
			}
			for _, name := range files(t, dir) {
				if !slices.Contains(got, name) {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

// TestSeriesStampsWrap: dumpcap's numbers have five digits.
func TestSeriesStampsWrap(t *testing.T) {
	var notices []string
	s, _ := series(t, record.SeriesOptions{Path: "x", Naming: record.Stamped, Ring: 2}, &notices)
	record.SetSeriesNumber(s, 99998)
	var got []string
	for range 3 {
		got = append(got, filepath.Base(next(t, s, t0.In(time.Local), false).Name())[:7])
	}
	if g := strings.Join(got, " "); g != "x_99999 x_00000 x_00001" {
		t.Error(g)
	}
}

// TestSeriesRing: the oldest captures go with their side files, and what stays can
// be read with its keys, which are hidden alike in all of them.
func TestSeriesRing(t *testing.T) {
	for _, naming := range []record.Naming{record.Numbered, record.Stamped} {
		t.Run(fmt.Sprint(naming), func(t *testing.T) {
			var notices []string
			s, dir := series(t, record.SeriesOptions{Path: "x", Naming: naming, Ring: 3, Writer: record.WriterOptions{Meta: beside}}, &notices)
			var made []string
			ids := map[string]bool{}
			for i := range 8 {
				w := next(t, s, t0.Add(time.Duration(i)*time.Second), false)
				made = append(made, w.Name())
				ids[w.Meta().CaptureID] = true
				if n := len(files(t, dir)); n != 2*min(i+1, 3) {
					t.Errorf("%d files after %d", n, i+1)
				}
			}
			if len(ids) != 8 {
				t.Errorf("%d capture ids", len(ids))
			}
			var salts, standIns []string
			for _, name := range made[5:] {
				rs, notices := open(t, name, record.ReaderOptions{})
				if len(rs) != 1 || rs[0].True == nil || len(notices) > 0 {
					t.Fatalf("%s: %d records, notices %q", name, len(rs), notices)
				}
				standIns = append(standIns, string(rs[0].Data))
				in, err := record.Open(name, record.ReaderOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := in.Next(); err != nil {
					t.Fatal(err)
				}
				salts = append(salts, in.Meta().SaltID)
				in.Close()
			}
			if salts[0] == "" || salts[0] != salts[2] || standIns[0] != standIns[2] {
				t.Errorf("salts %q, equal stand-ins: %v", salts, standIns[0] == standIns[2])
			}
			if len(notices) > 0 {
				t.Errorf("notices %q", notices)
			}
		})
	}
}

// TestSeriesNoClash: nothing that is there already is touched.
func TestSeriesNoClash(t *testing.T) {
	hour := time.Date(2026, time.May, 1, 10, 0, 0, 0, time.Local)
	tests := []struct {
		name    string
		o       record.SeriesOptions
		there   []string
		made    string // "" if the first one is refused
		notices string
	}{
		{"the first", record.SeriesOptions{Path: "x", Naming: record.Numbered}, []string{"x"}, "", ""},
		{"its side file", record.SeriesOptions{Path: "x", Writer: record.WriterOptions{Meta: beside}}, []string{"x.keys"}, "", ""},
		{"its compressed form", record.SeriesOptions{Path: "x", Compress: true}, []string{"x.zst"}, "", ""},
		{"later in the ring", record.SeriesOptions{Path: "x", Naming: record.Numbered, Ring: 3}, []string{"x2"}, "", ""},
		{"a side file later in the ring", record.SeriesOptions{Path: "x", Naming: record.Numbered, Ring: 3}, []string{"x2.keys"}, "", ""},
		{"a later one", record.SeriesOptions{Path: "x.pcapng", Naming: record.Numbered}, []string{"x.pcapng1"},
			"x.pcapng x-1.pcapng1 x.pcapng2", "x.pcapng1 is there already: recording goes on in x-1.pcapng1"},
		{"a later one and its substitute", record.SeriesOptions{Path: "x", Naming: record.Numbered, Writer: record.WriterOptions{Meta: beside}}, []string{"x1.keys", "x1-1"},
			"x x1-2 x2", "x1.keys is there already: recording goes on in x1-2"},
		{"compressed, a later one", record.SeriesOptions{Path: "x", Naming: record.Numbered, Compress: true}, []string{"x2.zst"},
			"x x1 x2-1", "x2.zst is there already: recording goes on in x2-1"},
		{"the same time", record.SeriesOptions{Path: "x-%Y.pcapng", Naming: record.Timed}, nil,
			"x-2026.pcapng x-2026-1.pcapng x-2026-2.pcapng", "x-2026.pcapng is there already: recording goes on in x-2026-1.pcapng|x-2026.pcapng is there already: recording goes on in x-2026-2.pcapng"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var notices []string
			s, dir := series(t, tt.o, &notices)
			for _, name := range tt.there {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if tt.made == "" {
				if _, err := s.Next(hour, false); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), tt.there[0]) {
					t.Errorf("%v, want one about %s", err, tt.there[0])
				}
			} else {
				var made []string
				for i := range 3 {
					made = append(made, filepath.Base(next(t, s, hour.Add(time.Duration(i)*time.Hour), tt.o.Naming == record.Timed && i > 0).Name()))
				}
				if g := strings.Join(made, " "); g != tt.made {
					t.Errorf("made %s, want %s", g, tt.made)
				}
			}
			if g := strings.Join(notices, "|"); g != tt.notices {
				t.Errorf("notices %q, want %q", g, tt.notices)
			}
			for _, name := range tt.there {
				if b := readFile(t, filepath.Join(dir, name)); string(b) != "old" {
					t.Errorf("%s was changed", name)
				}
			}
		})
	}

	// Overwrite replaces.
	var notices []string
	s, dir := series(t, record.SeriesOptions{Path: "x", Naming: record.Numbered, Compress: true, Writer: record.WriterOptions{Overwrite: true}}, &notices)
	for _, name := range []string{"x", "x.zst", "x1.zst"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	next(t, s, hour, false)
	next(t, s, hour, false)
	if g := strings.Join(files(t, dir), " "); g != "x x1" || len(notices) > 0 {
		t.Errorf("%s, notices %q", g, notices)
	}
}

func TestSeriesRefuses(t *testing.T) {
	tests := []struct {
		name string
		o    record.SeriesOptions
		want string
	}{
		{"no name", record.SeriesOptions{}, "needs a name"},
		{"a name that does not change", record.SeriesOptions{Path: "x.pcapng", Naming: record.Timed}, "x-%Y%m%d%H%M%S.pcapng"},
		{"only a percent sign", record.SeriesOptions{Path: "x%%", Naming: record.Timed}, "put a time into it"},
		{"one side file for all", record.SeriesOptions{Path: "x", Naming: record.Numbered, Writer: record.WriterOptions{KeysFile: "k"}}, "side file of its own"},
		{"a ring that is too large", record.SeriesOptions{Path: "x", Naming: record.Stamped, Ring: 100000}, "99999"},
	}
	for _, tt := range tests {
		if _, err := record.NewSeries(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestSeriesCompress: a compressed capture takes the place of the plain one, in
// the ring too, and its side file still fits.
func TestSeriesCompress(t *testing.T) {
	var notices []string
	s, dir := series(t, record.SeriesOptions{Path: "x", Naming: record.Numbered, Ring: 3, Compress: true, Writer: record.WriterOptions{Meta: beside}}, &notices)
	var ws []*record.Writer
	for i := range 3 {
		ws = append(ws, next(t, s, t0, false))
		if i == 1 {
			continue // this one's turn has not come yet
		}
		name, err := s.Compress(context.Background(), ws[i])
		if err != nil || name != ws[i].Name()+".zst" {
			t.Fatalf("%q, %v", name, err)
		}
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", st, err)
		}
		if rs, notices := open(t, name, record.ReaderOptions{}); len(rs) != 1 || rs[0].True == nil || len(notices) > 0 {
			t.Errorf("%d records, notices %q", len(rs), notices)
		}
	}
	if g := strings.Join(files(t, dir), " "); g != "x0.keys x0.zst x1 x1.keys x2.keys x2.zst" {
		t.Error(g)
	}
	for range 2 { // over x0.zst and x1
		ws = append(ws, next(t, s, t0, false))
	}
	if g := strings.Join(files(t, dir), " "); g != "x0 x0.keys x1 x1.keys x2.keys x2.zst" {
		t.Error(g)
	}
	// The old x1 is gone; a new one has its name and is not touched.
	if name, err := s.Compress(context.Background(), ws[1]); name != "" || err != nil {
		t.Errorf("of one that is gone: %q, %v", name, err)
	}
	if g := strings.Join(files(t, dir), " "); g != "x0 x0.keys x1 x1.keys x2.keys x2.zst" {
		t.Error(g)
	}
	// What is there already is not touched, and the capture stays.
	if err := os.WriteFile(filepath.Join(dir, "x0.zst"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if name, err := s.Compress(context.Background(), ws[3]); name != "" || !errors.Is(err, fs.ErrExist) {
		t.Errorf("%q, %v", name, err)
	}
	if rs, _ := open(t, ws[3].Name(), record.ReaderOptions{}); len(rs) != 1 || string(readFile(t, filepath.Join(dir, "x0.zst"))) != "old" {
		t.Errorf("%d records", len(rs))
	}
	if len(notices) > 0 {
		t.Errorf("notices %q", notices)
	}
}
