package wireshark_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

const fixtures = "../../../../fixtures"

// captures lists every capture among the fixtures.
func captures(t *testing.T) (list []string) {
	err := filepath.WalkDir(fixtures, func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcapng") {
			list = append(list, path)
		}
		return err
	})
	if err != nil || len(list) < 80 {
		t.Fatalf("%d captures among the fixtures: %v", len(list), err)
	}
	return list
}

// values are those of each path, in the order of the message.
type values map[string][]string

// merged are the packets of all fixtures as tshark shows them, by capture. One
// process does for all of them: each is an interface of one file.
func merged(t *testing.T) map[string][][]field {
	t.Helper()
	once.Do(func() {
		list := captures(t)
		file := filepath.Join(t.TempDir(), "all.pcapng")
		cmd := exec.Command(tool(t, "mergecap"), append([]string{"-a", "-w", file}, list...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("mergecap: %v\n%s", err, out)
		}
		all := packets(t, dissect(t, file, "-T", "pdml"))
		fixture = map[string][][]field{}
		for _, path := range list {
			n := len(fromJSON(t, path))
			if n > len(all) {
				t.Fatalf("%s: %d packets are left for %d records", path, len(all), n)
			}
			fixture[path], all = all[:n], all[n:]
		}
		if len(all) > 0 {
			t.Fatalf("%d packets too many", len(all))
		}
	})
	if fixture == nil {
		t.FailNow()
	}
	return fixture
}

var (
	once    sync.Once
	fixture map[string][][]field
)

// TestFixtures holds what tshark shows of every fixture against our JSON form,
// field by field.
func TestFixtures(t *testing.T) {
	tool(t, "tshark")
	var c comparison
	for path, got := range merged(t) {
		c.compare(t, path, got)
	}
	t.Logf("%d values of %d paths compared", c.values, len(c.paths))
	if c.values < 200_000 || len(c.paths) < 700 {
		t.Errorf("%d values of %d paths: that is not all", c.values, len(c.paths))
	}
}

// comparison counts what was compared.
type comparison struct {
	values int
	paths  map[string]bool
}

// kinds are those of the paths that are no aliases.
var kinds = sync.OnceValue(func() map[string]filter.Kind {
	m := map[string]filter.Kind{}
	for _, p := range filter.Paths() {
		if p.Alias == "" {
			m[p.Name] = p.Kind
		}
	}
	return m
})

// compare holds packets that tshark shows against the JSON forms of a capture's
// records.
func (c *comparison) compare(t *testing.T, path string, got [][]field) {
	t.Helper()
	if c.paths == nil {
		c.paths = map[string]bool{}
	}
	records := fromJSON(t, path)
	if len(records) != len(got) {
		t.Fatalf("%s: %d packets, %d records", path, len(got), len(records))
	}
	for i, want := range records {
		shown := values{}
		for _, f := range got[i] {
			kind, is := kinds()[f.name]
			switch {
			case !is || kind == filter.Group || kind == filter.Secret || f.name == "twin_of" || f.name == "reply_to":
				continue
			case kind == filter.Octets:
				f.show = strings.ReplaceAll(f.show, ":", "")
			case kind == filter.Number && f.name != "direction" && f.name != "dialect" && f.name != "order":
				n, err := strconv.ParseUint(f.show, 0, 64)
				if err != nil {
					t.Errorf("%s: record %d: %s is shown as %q", path, i+1, f.name, f.show)
				}
				f.show = strconv.FormatUint(n, 10)
			}
			shown[f.name] = append(shown[f.name], f.show)
		}
		for name, w := range want {
			if _, is := kinds()[name]; !is {
				t.Fatalf("%s: record %d: JSON has %s, which is no path", path, i+1, name)
			}
			if g := shown[name]; !slices.Equal(g, w) {
				t.Errorf("%s: record %d: %s is %q, JSON says %q", path, i+1, name, g, w)
			}
			c.values += len(w)
			c.paths[name] = true
			delete(shown, name)
		}
		for name, g := range shown {
			t.Errorf("%s: record %d: %s %q is not in the JSON", path, i+1, name, g)
		}
	}
}

// fromJSON reads the records of a capture and returns the values of their JSON
// forms.
func fromJSON(t *testing.T, path string) (list []values) {
	t.Helper()
	r, err := record.Open(path, record.ReaderOptions{NoKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		opts := pfjson.Options{ID: func(secret []byte, key int) [4]byte { return r.ID(rec, secret, key) }}
		line := pfjson.Append(nil, &pfjson.Record{
			Number: rec.Number, Time: rec.Time, Direction: rec.Dir.String(), Codec: rec.Codec,
			Data: rec.Data, Length: rec.OrigLen, Process: rec.Process, WriteErrno: rec.WriteErrno, Comments: rec.Comments,
		}, opts)
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		v := values{}
		for name, x := range o {
			switch name {
			case "schema", "time", "comment", "msg", "ext", "problems", "rest", "inner":
			default:
				v.add(rec.Codec.Dialect, name, x)
			}
		}
		v.message(rec.Codec.Dialect, o)
		list = append(list, v)
	}
}

// message adds what the JSON form of a message says, and of the one inside it.
func (v values) message(d layers.Dialect, o map[string]any) {
	if msg, ok := o["msg"]; ok { // a record shorter than a header has none
		v.add(d, "msg", msg)
	}
	exts, _ := o["ext"].([]any)
	for _, x := range exts {
		e := x.(map[string]any)
		name := strings.ToLower(e["name"].(string))
		delete(e, "name")
		v.add(d, name, e)
	}
	if inner, ok := o["inner"].(map[string]any); ok {
		v.message(d, inner)
	}
	reasons := map[string]bool{}
	for r := layers.ShortHeader; r <= layers.TooDeep; r++ {
		reasons[r.Code()] = true
	}
	problems, _ := o["problems"].([]any)
	for _, x := range problems {
		if p := x.(map[string]any); reasons[p["code"].(string)] {
			v.add(d, "malformed.code", p["code"])
			v.add(d, "malformed.offset", p["offset"])
		}
	}
	switch rest := o["rest"].(type) {
	case string: // zeros, which are no secret in JSON
		v.add(d, "malformed.rest", map[string]any{"bytes": json.Number(fmt.Sprint(len(rest) / 2)), "id": (rest + "00000000")[:8]})
	case map[string]any:
		v.add(d, "malformed.rest", rest)
	}
}

// add adds a value by its path, as package filter names it.
func (v values) add(d layers.Dialect, path string, x any) {
	switch x := x.(type) {
	case map[string]any:
		for name, y := range x {
			v.add(d, path+"."+name, y)
		}
	case []any:
		for _, y := range x {
			v.add(d, path, y)
		}
	case json.Number:
		v[path] = append(v[path], x.String())
	case string:
		switch last := path[strings.LastIndexByte(path, '.')+1:]; last {
		case "spi", "min", "max":
			n, err := strconv.ParseUint(x, 0, 32)
			if err != nil {
				panic(err)
			}
			x = strconv.FormatUint(n, 10)
		case "family":
			n, ok := d.Family(x)
			if !ok {
				panic(x)
			}
			x = strconv.Itoa(int(n))
		}
		v[path] = append(v[path], x)
	default:
		panic(fmt.Sprintf("%s: %T", path, x))
	}
}

// TestLinks holds the requests that answers are linked to, and the second copies,
// against what package trace makes of the capture, which looks at much more and
// ahead: what the dissector says must be so; it may say less.
func TestLinks(t *testing.T) {
	tool(t, "tshark")
	same, missing := 0, 0
	first := 0 // frame of the capture's first record in the merged file
	all := merged(t)
	for _, path := range captures(t) {
		src, err := record.Open(path, record.ReaderOptions{NoKeys: true})
		if err != nil {
			t.Fatal(err)
		}
		r := trace.NewReader(src, trace.Options{Promisc: src.Meta().Promisc})
		frameOf := map[uint64]int{}
		for i := range all[path] {
			rec, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			frameOf[rec.Number] = first + i + 1
			for name, number := range map[string]uint64{"reply_to": rec.ReplyTo, "twin_of": rec.TwinOf} {
				want, is := "", ""
				if number != 0 {
					want = strconv.Itoa(frameOf[number])
				}
				for _, f := range all[path][i] {
					if f.name == name {
						is = f.show
					}
				}
				switch {
				case is == want:
					if is != "" {
						same++
					}
				case is == "":
					missing++
				default:
					t.Errorf("%s: record %d: %s %s, trace says %q", path, rec.Number, name, is, want)
				}
			}
		}
		src.Close()
		first += len(all[path])
	}
	t.Logf("%d links like those of trace, which has %d more: most where the capture says no direction", same, missing)
	if same < 900 {
		t.Errorf("%d links are like those of trace: that is too few", same)
	}
}
