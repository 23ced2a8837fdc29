package pfjson_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

var update = flag.Bool("update", false, "write the golden files")

// readRecords reads testdata/records.txt.
func readRecords(t testing.TB) (list []pfjson.Record) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "records.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := time.Date(2026, 5, 1, 10, 0, 0, 123456789, time.UTC)
	s := bufio.NewScanner(f)
	for s.Scan() {
		w := strings.Fields(s.Text())
		if len(w) == 0 || w[0] == "#" {
			continue
		}
		if len(w) != 4 {
			t.Fatalf("line %q: want 4 words", s.Text())
		}
		d, err := layers.ParseDialect(w[0])
		if err != nil {
			t.Fatal(err)
		}
		o, err := layers.ParseOrder(w[1])
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(w[3])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, pfjson.Record{
			Number:    uint64(len(list) + 1),
			Time:      at.Add(time.Duration(len(list)) * time.Millisecond),
			Direction: w[2],
			Codec:     layers.Codec{Dialect: d, Order: o},
			Data:      data,
		})
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// hashID is as good an id as the one that package record makes.
func hashID(secret []byte, _ int) [4]byte {
	sum := sha256.Sum256(append([]byte("salt of this test"), secret...))
	return [4]byte(sum[:])
}

// TestGolden compares with the golden files: records.json is what is shown by
// default, records.keys.json the lines that hold more with ShowKeys.
func TestGolden(t *testing.T) {
	records := readRecords(t)
	var hidden, shown []byte
	for i := range records {
		r := &records[i]
		h := pfjson.Append(nil, r, pfjson.Options{ID: hashID})
		s := pfjson.Append(nil, r, pfjson.Options{ID: hashID, ShowKeys: true})
		hidden = append(append(hidden, h...), '\n')
		if !bytes.Equal(h, s) {
			shown = append(append(shown, s...), '\n')
		}
	}
	golden(t, "records.json", hidden)
	golden(t, "records.keys.json", shown)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	w, g := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(w) || i >= len(g):
			t.Fatalf("%s: %d lines, want %d (go test -update writes them)", name, len(g), len(w))
		case !bytes.Equal(w[i], g[i]):
			t.Fatalf("%s:%d:\n got %s\nwant %s\n(go test -update writes it)", name, i+1, g[i], w[i])
		}
	}
}

// TestGoldenBack reads the golden lines, so that a change of Append and Parse
// together does not go unseen.
func TestGoldenBack(t *testing.T) {
	records := readRecords(t)
	shown := map[uint64][]byte{}
	for _, name := range []string{"records.json", "records.keys.json"} { // the second takes the place of the first
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
			var n uint64
			for _, c := range line[len(`{"schema":1,"number":`):] {
				if c < '0' || c > '9' {
					break
				}
				n = n*10 + uint64(c-'0')
			}
			shown[n] = line
		}
	}
	for i := range records {
		want := &records[i]
		got, err := pfjson.Parse(shown[want.Number], pfjson.ParseOptions{})
		if err != nil {
			t.Errorf("%d: %v", want.Number, err)
			continue
		}
		if !bytes.Equal(got.Data, want.Data) || got.Codec != want.Codec || !got.Time.Equal(want.Time) || got.Direction != want.Direction {
			t.Errorf("%d: got %x, want %x", want.Number, got.Data, want.Data)
		}
	}
}

func TestLaw(t *testing.T) {
	for _, r := range readRecords(t) {
		checkLaw(t, r)
		for i := range r.Data { // cut anywhere
			cut := r
			cut.Data = r.Data[:i]
			cut.Length = len(r.Data)
			checkLaw(t, cut)
		}
	}
	for _, c := range codecs() {
		t.Run(c.String(), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(uint64(c.Dialect), uint64(c.Order)))
			_, list := everyExtension(c)
			for i, m := range list {
				if (testing.Short() || benchtest.Racing) && i%10 != 0 {
					continue
				}
				r := pfjson.Record{Number: uint64(i + 1), Codec: c, Data: m}
				checkLaw(t, r)
				// The same with a few octets changed.
				r.Data = bytes.Clone(m)
				for range 1 + rnd.IntN(3) {
					r.Data[rnd.IntN(len(m))] = byte(rnd.Uint32() >> rnd.IntN(8))
				}
				checkLaw(t, r)
			}
		})
	}
}

// TestLawOfLongRecords holds for zeros, of which a few characters say many, up to
// the bound.
func TestLawOfLongRecords(t *testing.T) {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	var exts [][]byte
	for range 30 { // just under 16 MiB
		exts = append(exts, extension(c, 1, make([]byte, 65535*8-4)...))
	}
	checkLaw(t, pfjson.Record{Codec: c, Data: message(c, 3, 3, exts...)})
}

func TestAppendMembers(t *testing.T) {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	m := message(c, 5, 3)
	const msg = `"msg":{"version":2,"type":5,"type_name":"GET","errno":0,"satype":3,"satype_name":"ESP","len":2,"seq":9,"pid":412},"ext":[],"problems":[`
	for _, test := range []struct {
		name string
		r    pfjson.Record
		want string
	}{
		{"nothing known", pfjson.Record{Data: m},
			`{"schema":1,"number":0,"direction":"unknown","dialect":"unknown","order":"unknown","length":16,` + msg + `]}`},
		{"all known", pfjson.Record{Number: 1 << 60, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)),
			Direction: pfjson.FromKernel, Codec: c, Data: m, Length: 16, TwinOf: 6, ReplyTo: 5,
			Process: "iked \"x\"", WriteErrno: 22, Comments: []string{"a\x00\x1b\u009b\xff", "ü\u2028"},
			Problems: []pfjson.Problem{{Code: "key-missing", Offset: 16, Text: "no <key>"}, {Code: "x", Text: "y"}}},
			`{"schema":1,"number":"1152921504606846976","time":"2026-01-02T02:04:05.000000006Z","direction":"from-kernel","dialect":"linux","order":"little","length":16,` +
				`"twin_of":6,"reply_to":5,"process":"iked \"x\"","write_errno":22,"write_errno_name":"EINVAL","comment":["a\u0000\u001b\u009b\ufffd","ü\u2028"],` +
				msg + `{"code":"key-missing","offset":16,"text":"no <key>"},{"code":"x","offset":0,"text":"y"}]}`},
		{"cut short", pfjson.Record{Codec: c, Data: m, Length: 32},
			`{"schema":1,"number":0,"direction":"unknown","dialect":"linux","order":"little","length":32,"caplen":16,` + msg +
				`{"code":"truncated","offset":16,"text":"16 of the message's 32 bytes are in the record"},` +
				`{"code":"message-length","offset":4,"text":"sadb_msg_len says 16 bytes, the message has 32"}]}`},
		{"what a rule knows of a problem, also of one that the decoder sees", pfjson.Record{Codec: c, Data: m, Length: 32, Problems: []pfjson.Problem{
			{Code: "message-length", Offset: 4, Text: "no", Severity: "error", Ext: "SA", Len: 2, Errno: 22, ErrnoName: "EINVAL", ByWrite: true,
				Diagnostic: "NO_EXT", Instead: "do", Source: "RFC"}}},
			`{"schema":1,"number":0,"direction":"unknown","dialect":"linux","order":"little","length":32,"caplen":16,` + msg +
				`{"code":"truncated","offset":16,"text":"16 of the message's 32 bytes are in the record"},` +
				`{"code":"message-length","offset":4,"text":"no","severity":"error","ext":"SA","len":2,"errno":22,"errno_name":"EINVAL","by_write":true,` +
				`"diagnostic":"NO_EXT","instead":"do","source":"RFC"}]}`},
		{"a year that RFC 3339 has not", pfjson.Record{Codec: c, Data: m, Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
			`{"schema":1,"number":0,"direction":"unknown","dialect":"linux","order":"little","length":16,` + msg + `]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := pfjson.Append(nil, &test.r, pfjson.Options{}); string(got) != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestAppendWithoutIDs gives neither octets nor ids.
func TestAppendWithoutIDs(t *testing.T) {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	m := message(c, 3, 3, extension(c, 8, 16, 0, 0, 0, 'a', 'b'), extension(c, 77, 'c'), []byte("d"))
	got := string(pfjson.Append(nil, &pfjson.Record{Codec: c, Data: m}, pfjson.Options{}))
	for _, want := range []string{
		`{"name":"KEY_AUTH","exttype":8,"offset":16,"len":2,"bits":16}`,
		`{"name":"UNKNOWN","exttype":77,"offset":32,"len":1,"data":{"bytes":4}}`,
		`"rest":{"bytes":1}}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// TestFlagNames compares the table of single bits with layers' own names.
func TestFlagNames(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, c := range codecs() {
		for range 200 {
			v := rnd.Uint32() >> rnd.IntN(32)
			m := message(c, 3, 3, extension(c, 1, append(make([]byte, 8), byteOrder(c).AppendUint32(nil, v)...)...))
			var want []string
			c.Walk(m, visit(func(f *layers.Field, x *layers.Value) {
				if f.Sem == layers.SemFlags {
					want = c.Dialect.FlagNames(f.Enum, uint32(x.Uint))
				}
			}))
			line := pfjson.Append(nil, &pfjson.Record{Codec: c, Data: m}, pfjson.Options{})
			if s := `"flags_names":["` + strings.Join(want, `","`) + `"]`; len(want) > 0 && !bytes.Contains(line, []byte(s)) {
				t.Fatalf("%v %#x: no %s in %s", c, v, s, line)
			}
		}
	}
}

// visit makes a visitor of what to do with a field.
type visit func(*layers.Field, *layers.Value)

func (v visit) Base(*layers.Base, int, int)                         {}
func (v visit) Extension(*layers.Header, uint16, string, int, bool) {}
func (v visit) Field(f *layers.Field, x *layers.Value)              { v(f, x) }
func (v visit) Open(layers.NodeKind, string)                        {}
func (v visit) Close(layers.NodeKind)                               {}
func (v visit) EndExtension()                                       {}
func (v visit) Malformed([]byte, int, layers.Reason)                {}
func (v visit) End()                                                {}

func TestAppendDoesNotAllocate(t *testing.T) {
	if benchtest.Racing {
		t.Skip("the race detector makes sync.Pool forget")
	}
	records := readRecords(t)
	id := func(secret []byte, key int) [4]byte { return [4]byte{byte(len(secret)), byte(key)} }
	var dst []byte
	for _, opts := range []pfjson.Options{{}, {ID: id}, {ID: id, ShowKeys: true}} {
		for i := range records {
			dst = pfjson.Append(dst[:0], &records[i], opts)
		}
		if n := testing.AllocsPerRun(20, func() {
			for i := range records {
				dst = pfjson.Append(dst[:0], &records[i], opts)
			}
		}); n > 0 {
			t.Errorf("%v allocations for %d records, want none", n, len(records))
		}
	}
}
