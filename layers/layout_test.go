package layers_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// cStruct is a structure as a compiler laid it out.
type cStruct struct {
	size    int
	members []cMember
	used    bool
}

type cMember struct {
	name      string
	off, size int
}

// compiled reads testdata/offsets.txt: by dialect and name of the structure.
func compiled(t *testing.T) map[string]*cStruct {
	t.Helper()
	file, err := os.ReadFile("testdata/offsets.txt")
	if err != nil {
		t.Fatal(err)
	}
	structs := map[string]*cStruct{}
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		for _, system := range strings.Split(f[0], ",") {
			s := &cStruct{}
			if s.size, err = strconv.Atoi(f[2]); err != nil {
				t.Fatal(err)
			}
			for _, m := range f[3:] {
				name, place, _ := strings.Cut(m, "@")
				c := cMember{name: name}
				if _, err := fmt.Sscanf(place, "%d:%d", &c.off, &c.size); err != nil {
					t.Fatalf("%s: %v", m, err)
				}
				s.members = append(s.members, c)
			}
			structs[system+" "+f[1]] = s
		}
	}
	return structs
}

// TestCompiledOffsets compares the tables with what compilers make of the headers.
func TestCompiledOffsets(t *testing.T) {
	structs := compiled(t)
	// Structures of headers newer than the ones that were compiled, and those of
	// systems whose headers were not at hand.
	notCompiled := map[string]bool{
		"freebsd sadb_x_if_hw_offl": true,
	}
	// Members that a newer header has given a name, or that the table splits.
	renamed := map[string]string{
		"netbsd sadb_x_policy reserved":  "flags",
		"macos sadb_x_sa2 reserved1":     "alwaysexpire",
		"macos sadb_x_sa2 reserved2":     "flags",
		"macos sadb_session_id v[0]":     "v0",
		"macos sadb_session_id v[1]":     "v1",
		"macos sastat sadb_lifetime_len": "lft_c",
		"illumos sadb_x_ereg satypes[0]": "satypes",
	}
	check := func(d layers.Dialect, sh *shape.Shape) {
		if d == layers.Illumos && (sh.Name == "sadb_prop" || sh.Name == "sadb_alg@illumos") {
			return // a union with EPROP's form; members added since
		}
		name, _, _ := strings.Cut(sh.Name, "@")
		id := d.String() + " " + name
		c := structs[id]
		if c == nil {
			if !notCompiled[id] {
				t.Errorf("%s: testdata/offsets.txt does not have it", id)
			}
			return
		}
		c.used = true
		if c.size != sh.Size {
			t.Errorf("%s: %d bytes, want %d", id, sh.Size, c.size)
		}
		at := map[int]*shape.Field{}
		for i := range sh.Fields {
			f := &sh.Fields[i]
			if int(f.Off)+int(f.Size) > c.size || at[int(f.Off)] != nil {
				t.Errorf("%s: %s is outside, or another is there", id, f.Name)
			}
			at[int(f.Off)] = f
		}
		end := 0
		for _, m := range c.members {
			if !sh.Element && (m.name == "len" || m.name == "exttype") {
				continue
			}
			want := m.name
			if n := renamed[id+" "+m.name]; n != "" {
				want = n
			}
			f := at[m.off]
			if f == nil && m.off < end { // inside of a member that the table has as one
				continue
			}
			whole := want == "lft_c" || want == "satypes" // the table has the array or structure
			if f == nil || f.Name != want || int(f.Size) != m.size && !whole {
				t.Errorf("%s: the table has %+v at %d, want %s of %d bytes", id, f, m.off, want, m.size)
				continue
			}
			end = m.off + int(f.Size)
			delete(at, m.off)
		}
		// What the compiler did not list are arrays of reserved octets.
		for _, f := range at {
			if f.Sem != shape.Reserved || f.Order != shape.Bytes && id != "macos sadb_x_ipsecif" {
				t.Errorf("%s: the table has %+v, the compiler nothing there", id, f)
			}
		}
	}
	for _, d := range layers.Dialects() {
		switch d {
		case layers.RFC2367, layers.DragonFly: // no header of theirs was compiled
			continue
		}
		for _, n := range d.ExtNumbers() {
			check(d, d.LayoutOf(n))
		}
		for _, element := range []string{"sadb_comb", "sadb_alg", "sadb_x_ipsecrequest", "sadb_sa_2", "sastat", "sadb_x_ecomb", "sadb_x_algdesc"} {
			if structs[d.String()+" "+element] == nil {
				continue
			}
			for _, variant := range []string{"@" + d.String(), "@kame", ""} {
				if variant == "@kame" && (d == layers.Linux || d == layers.Illumos) {
					continue
				}
				if sh := shape.ByName(element + variant); sh != nil {
					check(d, sh)
					break
				}
			}
		}
	}
	structs["illumos sadb_alg"].used = true // see check
	for id, c := range structs {
		if strings.HasSuffix(id, " sadb_msg") {
			want := []cMember{{"version", 0, 1}, {"type", 1, 1}, {"errno", 2, 1}, {"satype", 3, 1}, {"len", 4, 2}, {"reserved", 6, 2}, {"seq", 8, 4}, {"pid", 12, 4}}
			if c.size != layers.BaseLen || !slices.Equal(c.members, want) {
				t.Errorf("%s: %+v", id, c)
			}
			continue
		}
		if !c.used {
			t.Errorf("%s: compiled, but no extension of the dialect has it", id)
		}
	}
}

// loads is a Visitor that remembers the values of each extension.
type loads struct {
	*places
	exts []*load
}

type load struct {
	name string
	num  map[string]uint64 // by path, as loaded in the byte order of an amd64
	txt  map[string]string
	oct  string // octets and elements of bitmaps, hex, one run after the other
}

func (v *loads) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	v.places.Extension(h, number, name, offset, short)
	v.exts = append(v.exts, &load{name: name, num: map[string]uint64{}, txt: map[string]string{}})
}

func (v *loads) Field(f *layers.Field, x *layers.Value) {
	n := len(v.list)
	v.places.Field(f, x)
	if len(v.list) == n {
		return
	}
	l := v.exts[len(v.exts)-1]
	path := strings.TrimPrefix(v.list[n].path, l.name+".")
	raw := v.data[x.Offset : x.Offset+x.Size]
	switch {
	case x.Kind == layers.Text:
		l.txt[path] = string(x.Bytes)
	case x.Kind == layers.Addr:
		l.txt[path] = x.Addr.String()
	case x.Kind == layers.Number || f.Sem == shape.Reserved && f.Order != shape.Bytes: // that of a key is hidden
		var u uint64
		for i, b := range raw {
			u |= uint64(b) << (8 * i)
		}
		l.num[path] = u
		if f.Name == "port" { // the C programs turn those of sockaddrs round
			l.num[path+" turned"] = x.Uint
		}
		if strings.Contains(path, "_bitmap.") {
			l.oct += hex.EncodeToString(raw)
		}
	default:
		l.oct += hex.EncodeToString(raw)
	}
}

// TestCompiledValues compares the values of a walk with those that C programs put
// into the structures.
func TestCompiledValues(t *testing.T) {
	file, err := os.ReadFile("testdata/layouts.txt")
	if err != nil {
		t.Fatal(err)
	}
	// Names of an older header.
	renamed := map[string]string{"macos SA2 reserved1": "alwaysexpire", "macos SA2 reserved2": "flags"}
	var v *loads
	var d layers.Dialect
	next := 0
	checked := map[layers.Dialect]int{}
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if line[0] != ' ' {
			if d, err = layers.ParseDialect(f[0]); err != nil {
				t.Fatal(err)
			}
			c := layers.Codec{Dialect: d, Order: layers.LittleEndian}
			data := unhex(t, f[1])
			v = &loads{places: &places{data: data, codec: c, seen: make([]bool, len(data))}}
			c.Walk(data, v)
			if len(v.errs) > 0 {
				t.Fatalf("%.40s: %v", line, v.errs)
			}
			roundTrip(t, c, data)
			agree(t, c, data)
			next = 0
			continue
		}
		if next == len(v.exts) {
			t.Fatalf("%v: the walk gave %d extensions, the file has more: %.40s", d, next, line)
		}
		x := v.exts[next]
		next++
		if number, err := strconv.Atoi(f[0]); err != nil || d.ExtName(uint16(number)) != x.name {
			t.Fatalf("%v: extension %s, want number %s", d, x.name, f[0])
		}
		for _, kv := range f[1:] {
			key, want, _ := strings.Cut(kv, "=")
			checked[d]++
			switch key {
			case "text": // of an identity or a tag
				if x.txt["identity"] != want && x.txt["tag"] != want {
					t.Errorf("%v %s: no text %q in %v", d, x.name, want, x.txt)
				}
				continue
			case "bytes":
				if _, isNumber := x.num[key]; !isNumber {
					if !strings.Contains(x.oct, want) {
						t.Errorf("%v %s: octets %s are not in %s", d, x.name, want, x.oct)
					}
					continue
				}
			case "port": // of a sockaddr, and not a member
				if _, ok := x.txt["addr"]; ok {
					key += " turned"
				}
			}
			if n := renamed[fmt.Sprintf("%v %s %s", d, x.name, key)]; n != "" {
				key = n
			}
			if strings.HasSuffix(key, ".port") {
				key += " turned"
			}
			key = strings.NewReplacer("v[0]", "v.0", "v[1]", "v.1").Replace(key)
			if txt, ok := x.txt[key]; ok {
				if txt != want {
					t.Errorf("%v %s.%s = %q, want %s", d, x.name, key, txt, want)
				}
				continue
			}
			got, ok := x.num[key]
			if w, err := strconv.ParseUint(want, 10, 64); err != nil || got != w || !ok {
				t.Errorf("%v %s.%s = %d (%v), want %s", d, x.name, key, got, ok, want)
			}
		}
	}
	for _, d := range []layers.Dialect{layers.FreeBSD, layers.OpenBSD, layers.MacOS} {
		if checked[d] < 150 {
			t.Errorf("%v: only %d values compared", d, checked[d])
		}
	}
}
