package record_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

var beside = record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysBeside, CaptureID: "0123456789abcdef"}

func TestGoldenKeysFile(t *testing.T) {
	rs := conversation(t, le, 3) // the third has no secrets
	spans := le.AppendSecrets(nil, rs[0].Data)
	path := create(t, record.WriterOptions{Meta: beside}, rs...)
	want := fmt.Sprintf("pfkeycap-keys 1 captureid=0123456789abcdef\n1 %d %d:%x %d:%x\n2 %d %d:%x %d:%x\n",
		len(rs[0].Data), spans[0].Offset, secret(0, 20), spans[1].Offset, secret(1, 16),
		len(rs[1].Data), spans[0].Offset, secret(2, 20), spans[1].Offset, secret(3, 16))
	if got := string(readFile(t, path+".keys")); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if !regexp.MustCompile(`\bcaptureid=0123456789abcdef\b`).Match(readFile(t, path)) {
		t.Error("the capture does not name its side file")
	}
}

func TestKeysFileUse(t *testing.T) {
	rs := conversation(t, le, 6)
	path := create(t, record.WriterOptions{Meta: beside}, rs...)
	count := func(got []*record.Record) (n int) {
		for _, g := range got {
			if g.True != nil {
				n++
			}
		}
		return n
	}
	r, err := record.Open(path, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.KeysFile() != "" {
		t.Error("a side file in use before it is")
	}
	got, _ := all(r)
	if count(got) != 4 || r.KeysFile() != path+".keys" {
		t.Errorf("%d records with true bytes, from %q", count(got), r.KeysFile())
	}
	r.Close()

	if got, notices := open(t, path, record.ReaderOptions{NoKeys: true}); count(got) != 0 || len(notices) != 0 {
		t.Errorf("NoKeys: %d records with true bytes, notices %q", count(got), notices)
	}
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(path+".keys", moved); err != nil {
		t.Fatal(err)
	}
	if got, notices := open(t, path, record.ReaderOptions{}); count(got) != 0 || len(notices) != 0 {
		t.Errorf("without side file: %d records with true bytes, notices %q", count(got), notices)
	}
	if got, _ := open(t, path, record.ReaderOptions{KeysFile: moved}); count(got) != 4 {
		t.Errorf("KeysFile: %d records with true bytes", count(got))
	}
	in, err := record.NewReader(bytes.NewReader(readFile(t, path)), record.ReaderOptions{KeysFile: moved})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := all(in); count(got) != 4 {
		t.Errorf("from a stream: %d records with true bytes", count(got))
	}
	if _, err := record.Open(path, record.ReaderOptions{KeysFile: moved + "x"}); !os.IsNotExist(unwrapped(err)) {
		t.Errorf("a side file that is not there: %v", err)
	}
}

// unwrapped is the last error of a chain, which os.IsNotExist wants.
func unwrapped(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if _, isPath := err.(*os.PathError); isPath || !ok {
			return err
		}
		err = u.Unwrap()
	}
}

// TestKeysFileOfSubset: a capture of which some records were taken out still
// finds the bytes of the others.
func TestKeysFileOfSubset(t *testing.T) {
	rs := conversation(t, le, 9)
	path := create(t, record.WriterOptions{Meta: beside}, rs...)
	hidden, _ := open(t, path, record.ReaderOptions{NoKeys: true})
	_, r, _ := strings.Cut(string(readFile(t, path)), "saltid=")
	meta := beside
	meta.SaltID = r[:8]
	part := create(t, record.WriterOptions{Meta: meta}, hidden[1], hidden[4], hidden[5], hidden[7])
	got, notices := open(t, part, record.ReaderOptions{KeysFile: path + ".keys"})
	if len(got) != 4 || len(notices) != 0 {
		t.Fatalf("%d records, notices %q", len(got), notices)
	}
	for i, n := range []int{1, 4, 5, 7} {
		same(t, got[i], rs[n])
	}
}

// TestKeysFileFaults: a side file that does not fit never panics, never gives
// wrong bytes, says so naming the record, and quotes no key.
func TestKeysFileFaults(t *testing.T) {
	rs := conversation(t, le, 6) // 1 2 4 5 have secrets
	path := create(t, record.WriterOptions{Meta: beside}, rs...)
	whole := string(readFile(t, path+".keys"))
	line := strings.SplitAfter(whole, "\n") // header, 1, 2, 4, 5
	first := strings.Fields(line[1])
	replace := func(i int, s string) string {
		l := append([]string(nil), line...)
		l[i] = s
		return strings.Join(l, "")
	}
	tests := []struct {
		name   string
		data   string
		want   int // records with true bytes
		notice string
	}{
		{"whole", whole, 4, ""},
		{"more lines than records", whole + "99 8 0:ff\n", 4, ""},
		{"of another capture", replace(0, "pfkeycap-keys 1 captureid=fedcba9876543210\n"), 0, "another capture"},
		{"without id", replace(0, "pfkeycap-keys 1\n"), 0, "without a captureid"},
		{"of the future", replace(0, "pfkeycap-keys 2 captureid=0123456789abcdef\n"), 0, "version"},
		{"with new words in its header", replace(0, "pfkeycap-keys 1 colour=blue captureid=0123456789abcdef\n"), 4, ""},
		{"not one", "hello\n", 0, "does not begin"},
		{"empty", "", 0, "does not begin"},
		{"header torn", line[0][:20], 0, "does not begin"},
		{"header without end", strings.Repeat("x", 1000), 0, "does not begin"},
		{"header only", line[0], 0, "record 1: "},
		{"a line is missing", replace(2, ""), 3, "record 2: "},
		{"torn in the last line", whole[:len(whole)-5], 3, "record 5: "},
		{"torn before the last newline", whole[:len(whole)-1], 3, "inside line 5"},
		{"another length", replace(1, "1 999 "+strings.Join(first[2:], " ")+"\n"), 3, "record 1: "},
		{"no length", replace(1, "1\n"), 3, "record 1: "},
		{"an offset outside", replace(1, fmt.Sprintf("1 %s %d:00112233\n", first[1], len(rs[0].Data)-3)), 3, "record 1: "},
		{"an offset far outside", replace(1, "1 "+first[1]+" 9223372036854775807:00\n"), 3, "record 1: "},
		{"a negative offset", replace(1, "1 "+first[1]+" -1:00\n"), 3, "record 1: "},
		{"an offset that is no number", replace(1, "1 "+first[1]+" x:00\n"), 3, "record 1: "},
		{"an offset where there is no stand-in", replace(1, "1 "+first[1]+" 0:0011223344\n"), 3, "record 1: "},
		{"offsets that go back", replace(1, strings.Join([]string{"1", first[1], first[3], first[2]}, " ")+"\n"), 3, "record 1: "},
		{"odd hex", replace(1, strings.TrimSuffix(line[1], "\n")[:len(line[1])-2]+"\n"), 3, "record 1: "},
		{"no hex", replace(1, strings.Join([]string{"1", first[1], first[2][:20] + "zz" + first[2][22:]}, " ")+"\n"), 3, "record 1: "},
		{"two spaces", replace(1, strings.Join(first, "  ")+"\n"), 3, "record 1: "},
		{"numbers that go back", replace(2, line[1]), 1, "line 3"},
		{"no number", replace(2, "two "+first[1]+"\n"), 1, "line 3"},
		{"an endless line", replace(2, "2 "+strings.Repeat("0", 5<<20)+"\n"), 1, "line too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(path+".keys", []byte(tt.data), 0o600); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, notices := open(t, path, record.ReaderOptions{})
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 12<<20 {
				t.Errorf("%d bytes allocated", used)
			}
			if len(got) != len(rs) {
				t.Fatalf("%d records, want %d", len(got), len(rs))
			}
			n := 0
			for i, g := range got {
				if g.True != nil {
					n++
					if !bytes.Equal(g.True, rs[i].Data) {
						t.Errorf("record %d: wrong bytes", g.Number)
					}
				}
			}
			all := strings.Join(notices, "\n")
			if n != tt.want || (all != "") != (tt.notice != "") || !strings.Contains(all, tt.notice) {
				t.Errorf("%d records with true bytes, want %d; notices %q, want %q", n, tt.want, notices, tt.notice)
			}
			for i := range 8 {
				for _, form := range []string{hex.EncodeToString(secret(i, 20)[:4]), hex.EncodeToString(secret(i, 16)[12:])} {
					if strings.Contains(all, form) {
						t.Errorf("a notice quotes a key: %q", notices)
					}
				}
			}
		})
	}
}

// TestKeysFileLateRecord: a record that comes after its line was passed has no
// true bytes, and that is said.
func TestKeysFileLateRecord(t *testing.T) {
	rs := conversation(t, le, 4)
	path := create(t, record.WriterOptions{Meta: beside}, rs...)
	b := readFile(t, path)
	// Give record 1 the number 3, so that record 2 comes after the line of it.
	id := cat(option(5, 8, 1, 0, 0, 0, 0, 0, 0, 0))
	b = bytes.Replace(b, id, option(5, 8, 3, 0, 0, 0, 0, 0, 0, 0), 1)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	got, notices := open(t, path, record.ReaderOptions{})
	if got[1].Number != 2 || got[1].True != nil || !strings.Contains(strings.Join(notices, "\n"), "record 2: ") {
		t.Errorf("record %d has true bytes: %v; notices %q", got[1].Number, got[1].True != nil, notices)
	}
	if !bytes.Equal(got[3].True, rs[3].Data) {
		t.Error("a later record did not get its true bytes")
	}
}

// TestNoticesAreFew however many records have a fault.
func TestNoticesAreFew(t *testing.T) {
	path := create(t, record.WriterOptions{Meta: beside}, conversation(t, le, 100)...)
	if err := os.WriteFile(path+".keys", []byte("pfkeycap-keys 1 captureid=0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, notices := open(t, path, record.ReaderOptions{})
	if len(notices) != 9 || !strings.Contains(notices[8], "left out") {
		t.Errorf("%d notices, the last %q", len(notices), notices[len(notices)-1])
	}
}

func TestKeysFileIsNoDirectory(t *testing.T) {
	path := create(t, record.WriterOptions{}, conversation(t, le, 1)...)
	if err := os.Mkdir(path+".keys", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, notices := open(t, path, record.ReaderOptions{}); len(notices) != 1 || !strings.Contains(notices[0], "no regular file") {
		t.Errorf("notices %q", notices)
	}
}

// TestKeysFileFirst: what fails before the capture is written loses no key: every
// record in the capture has its line.
func TestKeysFileFirst(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "k")
	w, err := record.NewWriter(&failing{left: 0, err: io.ErrClosedPipe}, record.WriterOptions{KeysFile: keys, Meta: beside})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(conversation(t, le, 2)); err == nil {
		t.Fatal("no error")
	}
	w.Close()
	if n := strings.Count(string(readFile(t, keys)), "\n"); n != 3 {
		t.Errorf("%d lines in the side file, want 3", n)
	}
}
