// Package archive runs the queries of ARCHIVES.md. It is a module of its own, so that
// DuckDB, an engine independent of ours, is nobody's dependency.
package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/marcboeker/go-duckdb"
)

// message is what the test reads of a line by itself.
type message struct {
	Number    uint64
	Time      string
	Direction string
	Dialect   string
	TwinOf    uint64 `json:"twin_of"`
	ReplyTo   uint64 `json:"reply_to"`
	Msg       struct {
		TypeName  string `json:"type_name"`
		Errno     int
		ErrnoName string `json:"errno_name"`
	}
	Ext []struct {
		Name, SPI string
		KeyID     string `json:"key_id"`
		Encrypt   string `json:"encrypt_name"`
		Auth      string `json:"auth_name"`
	}
}

func TestQueries(t *testing.T) {
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "pfkeycap")
	build := exec.Command("go", "build", "-o", program, "./cmd/pfkeycap")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(dir, "archive"), 0755); err != nil {
		t.Fatal(err)
	}
	files := map[string][]message{}
	for name, capture := range map[string]string{
		"demo": "demo/demo", "linux": "linux/uml-x86_64/sa-lifecycle-v4/A", "freebsd": "freebsd/13.0-amd64/A", "iked": "linux/uml-x86_64-iked/iked-left-promisc/promisc",
	} {
		lines, err := exec.Command(program, "decode", "-T", "json", filepath.Join(root, "fixtures", capture+".pcapng")).Output()
		if err != nil {
			t.Fatal(err)
		}
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		z.Write(lines)
		z.Close()
		if err := os.WriteFile(filepath.Join(dir, "archive", name+".ndjson.gz"), zipped.Bytes(), 0644); err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(bytes.NewReader(lines)); s.Scan(); {
			var m message
			if err := json.Unmarshal(s.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			files[name] = append(files[name], m)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "ARCHIVES.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := map[string][]string{}
	for _, m := range regexp.MustCompile("(?s)```sql\n-- ([^\n]*)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if got[m[1]], err = rows(db, m[2]); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	for name, want := range map[string][]string{
		"refusals by month":     refusals(files),
		"latency":               latencies(files),
		"algorithms":            algorithms(files),
		"keys of several SAs":   keys(files),
		"one SPI":               story(files),
		"view":                  nil,
		"extensions, one a row": nil,
	} {
		have, ok := got[name]
		if !ok {
			t.Errorf("the page has no query %q", name)
		}
		slices.Sort(have)
		slices.Sort(want)
		if want != nil && (len(have) == 0 || !slices.Equal(have, want)) {
			t.Errorf("%s: DuckDB says\n%s\nwant\n%s", name, strings.Join(have, "\n"), strings.Join(want, "\n"))
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("nothing is known of the answer to %q", name)
	}
}

// rows runs a query and gives what does not depend on the machine: all columns but those
// whose names end in _us.
func rows(db *sql.DB, query string) (list []string, err error) {
	r, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	columns, err := r.Columns()
	if err != nil {
		return nil, err
	}
	for r.Next() {
		values := make([]any, len(columns))
		at := make([]any, len(columns))
		for i := range values {
			at[i] = &values[i]
		}
		if err := r.Scan(at...); err != nil {
			return nil, err
		}
		var row []string
		for i, c := range columns {
			switch {
			case strings.HasSuffix(c, "_us") || c == "time" || c == "first" || c == "last" || c == "pid":
				if values[i] == nil {
					return nil, fmt.Errorf("%s is NULL", c)
				}
			default:
				row = append(row, fmt.Sprint(values[i]))
			}
		}
		list = append(list, strings.Join(row, "|"))
	}
	return list, r.Err()
}

func counted(n map[string]int) (list []string) {
	for k, v := range n {
		list = append(list, fmt.Sprintf("%s|%d", k, v))
	}
	return list
}

func refusals(files map[string][]message) []string {
	n := map[string]int{}
	for _, f := range files {
		for _, m := range f {
			if m.Msg.Errno != 0 && m.TwinOf == 0 && m.Direction == "from-kernel" {
				n[m.Time[:7]+"|"+orNil(m.Msg.TypeName)+"|"+orNil(m.Msg.ErrnoName)]++
			}
		}
	}
	return counted(n)
}

func latencies(files map[string][]message) []string {
	n := map[string]int{}
	for _, f := range files {
		for _, m := range f {
			if m.ReplyTo == 0 || m.TwinOf != 0 || m.Msg.TypeName == "" || m.Msg.TypeName == "DUMP" || m.Msg.TypeName == "SPDDUMP" {
				continue
			}
			for _, q := range f {
				if q.Number == m.ReplyTo {
					n[q.Msg.TypeName]++
				}
			}
		}
	}
	return counted(n)
}

func algorithms(files map[string][]message) []string {
	spis := map[string]map[string]bool{}
	for _, f := range files {
		for _, m := range f {
			if m.TwinOf != 0 || m.Msg.Errno != 0 || m.Msg.TypeName != "ADD" && m.Msg.TypeName != "UPDATE" {
				continue
			}
			for _, e := range m.Ext {
				if e.Name == "SA" {
					k := m.Dialect + "|" + orNil(e.Encrypt) + "|" + orNil(e.Auth)
					if spis[k] == nil {
						spis[k] = map[string]bool{}
					}
					spis[k][e.SPI] = true
				}
			}
		}
	}
	n := map[string]int{}
	for k, s := range spis {
		n[k] = len(s)
	}
	return counted(n)
}

func orNil(s string) string {
	if s == "" {
		return "<nil>"
	}
	return s
}

func keys(files map[string][]message) []string {
	spis := map[string]map[string]bool{}
	for _, f := range files {
		for _, m := range f {
			if m.TwinOf != 0 || m.Msg.Errno != 0 {
				continue
			}
			for _, s := range m.Ext {
				if s.Name != "SA" || s.SPI == "0x00000000" {
					continue
				}
				for _, k := range m.Ext {
					if k.Name == "KEY_AUTH" || k.Name == "KEY_ENCRYPT" {
						id := orNil(k.KeyID) + "|" + k.Name
						if spis[id] == nil {
							spis[id] = map[string]bool{}
						}
						spis[id][s.SPI] = true
					}
				}
			}
		}
	}
	n := map[string]int{}
	for k, s := range spis {
		if len(s) > 1 {
			n[k] = len(s)
		}
	}
	return counted(n)
}

func story(files map[string][]message) (list []string) {
	for _, f := range files {
		for _, m := range f {
			for _, e := range m.Ext {
				if m.TwinOf == 0 && e.Name == "SA" && e.SPI == "0x00001135" {
					list = append(list, m.Direction+"|"+m.Msg.TypeName)
				}
			}
		}
	}
	return list
}
