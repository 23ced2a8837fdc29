package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
)

var update = flag.Bool("update", false, "write the expected output of the fixtures")

const fixtureDir = "../../fixtures"

// fixtures lists the captures that are fixtures.
func fixtureFiles(t testing.TB) []string {
	var list []string
	err := filepath.WalkDir(fixtureDir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcapng") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 80 {
		t.Fatalf("only %d fixtures", len(list))
	}
	return list
}

func records(t testing.TB, path string) []*record.Record {
	r, err := record.Open(path, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var list []*record.Record
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rec.Clone())
	}
}

// command runs the program in this process.
func command(t testing.TB, args ...string) (stdout string) {
	var out, errs bytes.Buffer
	if status := run(context.Background(), append([]string{"pfkeycap"}, args...), strings.NewReader(""), &out, &errs); status > exitFound {
		t.Fatalf("pfkeycap %s: exit status %d\n%s", strings.Join(args, " "), status, errs.String())
	}
	return out.String()
}

func golden(t *testing.T, path, got string) {
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s: line %d is\n%s\nwant\n%s", path, i+1, g[i], w[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d", path, len(g), len(w))
}

// TestFixtureOutput holds each fixture to its expected text, and those that have
// one to their expected JSON.
func TestFixtureOutput(t *testing.T) {
	defer func(l *time.Location) { time.Local = l }(time.Local)
	time.Local = time.UTC
	withJSON := 0
	for _, path := range fixtureFiles(t) {
		base := strings.TrimSuffix(path, ".pcapng")
		golden(t, base+".txt", command(t, "decode", "--keep-duplicates", path))
		if _, err := os.Stat(base + ".json"); err == nil {
			withJSON++
			golden(t, base+".json", command(t, "decode", "-T", "json", path))
		}
	}
	if withJSON < 20 {
		t.Errorf("only %d fixtures have expected JSON", withJSON)
	}
}

// TestFixturesAreLossless: every record of every real kernel gives layers and one
// JSON object, and both give its bytes back.
func TestFixturesAreLossless(t *testing.T) {
	n := 0
	for _, path := range fixtureFiles(t) {
		for _, r := range records(t, path) {
			n++
			data := r.Bytes()
			p := gopacket.NewPacket(data, r.Codec, gopacket.Default)
			var ls []gopacket.SerializableLayer
			for _, l := range p.Layers() {
				ls = append(ls, l.(gopacket.SerializableLayer))
			}
			b := gopacket.NewSerializeBuffer()
			if err := r.Codec.Serialize(b, gopacket.SerializeOptions{}, ls...); err != nil {
				t.Fatalf("%s #%d: %v", path, r.Number, err)
			}
			if !bytes.Equal(b.Bytes(), data) {
				t.Errorf("%s #%d: layers do not give the same bytes", path, r.Number)
			}
			line := pfjson.Append(nil, &pfjson.Record{Number: r.Number, Codec: r.Codec, Data: data}, pfjson.Options{ShowKeys: true})
			if bytes.Count(line, []byte("\n")) != 0 {
				t.Errorf("%s #%d: more than one line", path, r.Number)
			}
			j, err := pfjson.Parse(line, pfjson.ParseOptions{})
			if err != nil {
				t.Fatalf("%s #%d: %v", path, r.Number, err)
			}
			if !bytes.Equal(j.Data, data) {
				t.Errorf("%s #%d: JSON does not give the same bytes", path, r.Number)
			}
		}
	}
	if n < 4000 {
		t.Errorf("only %d records", n)
	}
}

// TestFixtureSecrets: no 4-byte window of any key is in a capture or in any output
// that was not asked to show keys, malformed messages included. The kernels' captures
// are held against all their keys. The numbers that the layouts were filled with are
// a key in one of them and something public in another, so each is held against its
// own.
func TestFixtureSecrets(t *testing.T) {
	groups := map[string][]string{}
	for _, path := range fixtureFiles(t) {
		group := "kernels"
		if strings.Contains(path, "layout") {
			group = path
		}
		groups[group] = append(groups[group], path)
	}
	for group, paths := range groups {
		windows := keyWindows(t, paths)
		if least := map[bool]int{true: 400, false: 10}[group == "kernels"]; len(windows) < least {
			t.Errorf("%s: only %d windows of keys to look for", group, len(windows))
		}
		for _, path := range paths {
			checkSecrets(t, path, windows)
		}
	}
}

// keyWindows returns the 4-byte windows of all keys in the captures.
func keyWindows(t *testing.T, paths []string) map[[4]byte]bool {
	windows, public := map[[4]byte]bool{}, map[[4]byte]bool{}
	for _, path := range paths {
		for _, r := range records(t, path) {
			data := bytes.Clone(r.Bytes())
			spans := r.Codec.AppendSecrets(nil, data)
			if len(spans) > 0 && r.True == nil {
				t.Fatalf("%s #%d: the side file does not have its secrets", path, r.Number)
			}
			for _, s := range spans {
				for i := s.Offset; i+4 <= s.Offset+s.Key; i++ {
					// What is nearly all one byte occurs everywhere, and so do digits.
					if w := [4]byte(data[i:]); distinct(w) > 2 && len(bytes.Trim(w[:], "0123456789:")) > 0 {
						windows[w] = true
					}
				}
				clear(data[s.Offset : s.Offset+s.Len])
			}
			for i := range len(data) - 3 {
				public[[4]byte(data[i:])] = true
			}
		}
	}
	// Some keys and some labels and texts for the tests count up alike.
	maps.DeleteFunc(windows, func(w [4]byte, _ bool) bool {
		return public[w] && w[1] == w[0]+1 && w[2] == w[1]+1 && w[3] == w[2]+1
	})
	return windows
}

func checkSecrets(t *testing.T, path string, windows map[[4]byte]bool) {
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for w := range windows {
		if bytes.Contains(file, w[:]) {
			t.Errorf("%s holds %x of a key", path, w)
			break
		}
	}
	for _, args := range [][]string{
		{"decode", "-vvx", "--keep-duplicates", "--lint"},
		{"decode", "-T", "json", "--lint"},
		{"decode", "-T", "json", "--lint=rfc2367"},
		{"report", "-o", "-"},
	} {
		if w, found := findWindow(command(t, append(args, path)...), windows); found {
			t.Errorf("pfkeycap %s %s shows %x of a key", strings.Join(args, " "), path, w)
		}
	}
}

func distinct(w [4]byte) int {
	seen := map[byte]bool{}
	for _, b := range w {
		seen[b] = true
	}
	return len(seen)
}

// findWindow looks for 4 bytes of a secret in text: as they are, in hex with or
// without spaces, and as decimal numbers of 32 bits.
func findWindow(text string, windows map[[4]byte]bool) (w [4]byte, found bool) {
	for i := 0; i+4 <= len(text); i++ {
		if w = [4]byte([]byte(text[i : i+4])); windows[w] {
			return w, true
		}
	}
	packed := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	for i := 0; i+8 <= len(packed); i++ {
		b, err := hex.DecodeString(packed[i : i+8])
		if err == nil && windows[[4]byte(b)] {
			return [4]byte(b), true
		}
	}
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		v, err := strconv.ParseUint(f, 10, 32)
		if err != nil || v < 1<<16 {
			continue
		}
		binary.BigEndian.PutUint32(w[:], uint32(v))
		if windows[w] {
			return w, true
		}
		binary.LittleEndian.PutUint32(w[:], uint32(v))
		if windows[w] {
			return w, true
		}
	}
	return w, false
}

// TestBigEndianTwins: the scenarios that ran on s390x and on x86_64 decode to the
// same, but for what two runs never share.
func TestBigEndianTwins(t *testing.T) {
	for _, name := range []string{"acquire-v4/A", "acquire-v4/P-promisc", "acquire-v4/R-esp", "acquire-v4/R2-ah", "sa-lifecycle-v4/A"} {
		big := records(t, filepath.Join(fixtureDir, "linux/s390x", name+".pcapng"))
		little := records(t, filepath.Join(fixtureDir, "linux/uml-x86_64", name+".pcapng"))
		if len(big) != len(little) {
			t.Errorf("%s: %d records in big-endian, %d in little-endian", name, len(big), len(little))
			continue
		}
		for i := range big {
			if big[i].Codec.Order != layers.BigEndian || little[i].Codec.Order != layers.LittleEndian {
				t.Fatalf("%s #%d: orders %v and %v", name, i+1, big[i].Codec, little[i].Codec)
			}
			b, l := masked(big[i]), masked(little[i])
			if b != l {
				t.Errorf("%s #%d:\nbig    %s\nlittle %s", name, i+1, b, l)
			}
		}
	}
}

// TestReencodedTwins: what was re-encoded in the other byte order says the same.
func TestReencodedTwins(t *testing.T) {
	n := 0
	for _, path := range fixtureFiles(t) {
		name, is := strings.CutSuffix(path, "-be.pcapng")
		if !is {
			continue
		}
		little := map[uint64]*record.Record{}
		for _, r := range records(t, name+".pcapng") {
			little[r.Number] = r
		}
		for _, b := range records(t, path) {
			if !slices.Contains(b.Comments, "re-encoded from le byte order") {
				break // made so
			}
			l := little[b.Number]
			if l == nil || b.Codec.Order != layers.BigEndian || l.Codec.Order != layers.LittleEndian {
				t.Fatalf("%s #%d: %v, and its twin %v", path, b.Number, b, l)
			}
			n++
			if got, want := values(b), values(l); got != want {
				t.Errorf("%s #%d:\nbig    %s\nlittle %s", path, b.Number, got, want)
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d records were re-encoded", n)
	}
}

// values is all that a message says, and not in which byte order.
func values(r *record.Record) string {
	line := string(pfjson.Append(nil, &pfjson.Record{Codec: r.Codec, Data: r.Bytes()}, pfjson.Options{ShowKeys: true}))
	line = strings.Replace(line, `"order":"`+r.Codec.Order.String(), `"order":"`, 1)
	return secretReserved.ReplaceAllString(line, `"reserved":`)
}

// secretReserved is the reserved number beside a secret, which is given as octets.
var secretReserved = regexp.MustCompile(`"reserved":"[0-9a-f]+"`)

// masked is a message without what differs between two runs: process ids, times,
// SPIs that a kernel chose, keys.
func masked(r *record.Record) string {
	v := maskVisitor{}
	r.Codec.Walk(r.Data, &v)
	return v.String()
}

type maskVisitor struct {
	strings.Builder
	ext string
}

func (v *maskVisitor) Base(b *layers.Base, offset, depth int) {
	b.PID = 0
	v.WriteString(b.String())
}

func (v *maskVisitor) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	v.ext = name
	v.WriteString(" | " + name)
}

func (v *maskVisitor) Field(f *layers.Field, val *layers.Value) {
	switch {
	case val.Kind == layers.Hidden, f.Sem == layers.SemSPI, v.ext == "LIFETIME_CURRENT":
		return
	}
	v.WriteString(" " + f.Name + "=")
	v.Write(layers.AppendValue(nil, layers.Linux, f, val))
}

func (v *maskVisitor) Open(layers.NodeKind, string)         {}
func (v *maskVisitor) Close(layers.NodeKind)                {}
func (v *maskVisitor) EndExtension()                        {}
func (v *maskVisitor) End()                                 {}
func (v *maskVisitor) Malformed([]byte, int, layers.Reason) {}

// TestManualPage: the page in the repository is what the commands say, and what "man"
// prints.
func TestManualPage(t *testing.T) {
	page := md2man.Render([]byte(manual(wholeApp(strings.NewReader(""), io.Discard, io.Discard))))
	golden(t, "pfkeycap.1", string(page))
	if !*update && command(t, "man") != string(page) {
		t.Error("man prints another page")
	}
}
