package layers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// element is what the structs of list elements have in common.
type element interface {
	decode(id layout, big bool, b []byte)
	encode(id layout, big bool, dst []byte) []byte
}

var elements = map[string]func() element{
	"Comb":         func() element { return new(Comb) },
	"Alg":          func() element { return new(Alg) },
	"Request":      func() element { return new(Request) },
	"SAStat":       func() element { return new(SAStat) },
	"ExtendedComb": func() element { return new(ExtendedComb) },
	"AlgDesc":      func() element { return new(AlgDesc) },
}

// distinct fills b so that no two members have equal bytes, nor the same bytes
// in both orders.
func distinct(b []byte) {
	for i := range b {
		b[i] = byte(0x81 + 7*i)
	}
}

// memberOf is the test's own reading of a member.
func memberOf(b []byte, f *shape.Field, big bool) any {
	b = b[f.Off : f.Off+f.Size]
	if f.Order == shape.Bytes {
		return b
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if big || f.Order == shape.Net {
		order = binary.BigEndian
	}
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(order.Uint16(b))
	case 4:
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}

// checkMembers compares every Go field with the member that the table has for it.
// Fields that the layout does not have must be zero.
func checkMembers(t *testing.T, x any, sh *shape.Shape, b []byte, big bool) {
	t.Helper()
	v := reflect.ValueOf(x).Elem()
	if v.Type().Name() != sh.Go {
		t.Fatalf("%s is a %s, want %s", sh.Name, v.Type().Name(), sh.Go)
	}
	members := map[string]*shape.Field{}
	for i := range sh.Fields {
		members[sh.Fields[i].Go] = &sh.Fields[i]
	}
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		if name == "Header" {
			continue
		}
		if field.Kind() == reflect.Slice { // what follows the structure
			if !bytes.Equal(field.Bytes(), b[sh.Size:]) {
				t.Errorf("%s.%s is not what follows %s", sh.Go, name, sh.Name)
			}
			continue
		}
		f := members[name]
		delete(members, name)
		if f == nil {
			if !field.IsZero() {
				t.Errorf("%s.%s = %v, but %s does not have it", sh.Go, name, field, sh.Name)
			}
			continue
		}
		switch want := memberOf(b, f, big).(type) {
		case uint64:
			if field.Uint() != want {
				t.Errorf("%s.%s = %#x, want %#x at %d of %s", sh.Go, name, field.Uint(), want, f.Off, sh.Name)
			}
		case []byte:
			got := make([]byte, field.Len())
			reflect.Copy(reflect.ValueOf(got), field)
			if !bytes.Equal(bytes.TrimRight(got, "\x00"), want) {
				t.Errorf("%s.%s = %x, want %x at %d of %s", sh.Go, name, got, want, f.Off, sh.Name)
			}
		}
	}
	for name := range members {
		t.Errorf("%s has no field %s for %s", sh.Go, name, sh.Name)
	}
}

// TestStructsAgreeWithTable decodes every layout of every dialect, in both byte
// orders, and compares each Go field with the table; then it encodes it again.
func TestStructsAgreeWithTable(t *testing.T) {
	seen := map[layout]bool{}
	for _, d := range Dialects() {
		for _, big := range []bool{false, true} {
			c := Codec{d, LittleEndian}
			if big {
				c.Order = BigEndian
			}
			for _, def := range d.table().exts {
				e := d.table().lookup(def.number)
				ids := []layout{e.layout}
				if e.longMin != 0 {
					ids = append(ids, e.long)
				}
				for _, id := range ids {
					sh := id.shape()
					t.Run(fmt.Sprintf("%v/%s/%s", c, def.name, sh.Name), func(t *testing.T) {
						seen[id] = true
						msg := make([]byte, BaseLen+(sh.Size+7)&^7)
						for range 2 { // once without and once with what follows
							ext := msg[BaseLen:]
							distinct(ext)
							msg[1] = ADD
							put16(ext, big, uint16(len(ext)/8))
							put16(ext[2:], big, def.number)
							if id == layoutSadbKey {
								put16(ext[4:], big, uint16(len(ext)-sh.Size)*8)
							}
							_, exts, rest := c.Extensions(msg)
							if rest != nil || len(exts) != 1 {
								t.Fatalf("extensions %v, rest %v", exts, rest)
							}
							x := exts[0]
							checkMembers(t, x, sh, ext, big)
							if want := layerTypeOf(def.meaning); x.LayerType() != want || d.ExtType(def.number) != want || d.ExtNumberOf(want) != def.number {
								t.Errorf("layer type %v, want %v", x.LayerType(), want)
							}
							garbage := bytes.Repeat([]byte{0xee}, len(ext)) // all of it is to be overwritten
							if got, _, err := appendExtensions(garbage[:0], []Extension{x}, d.table(), c.writing(true)); err != nil || !bytes.Equal(got, ext) || &got[0] != &garbage[0] {
								t.Errorf("appended: %v\n got %x\nwant %x", err, got, ext)
							}
							b := gopacket.NewSerializeBuffer()
							if err := x.SerializeTo(b, gopacket.SerializeOptions{FixLengths: true}); err != nil || !bytes.Equal(b.Bytes(), ext) {
								t.Errorf("serialized: %v\n got %x\nwant %x", err, b.Bytes(), ext)
							}
							m := Message{Base: Base{Codec: c}}
							if err := m.DecodeFromBytes(msg, nil); err != nil {
								t.Fatal(err)
							}
							checkMembers(t, m.Extension(x.LayerType()), sh, ext, big)
							checkAccessors(t, &m, def.meaning)
							if id == layoutSadbSa && e.longMin != 0 { // 8 bytes more would be the long form
								return
							}
							msg = append(msg, make([]byte, 16)...)
						}
					})
				}
			}
			for id := range layout(len(shape.Table)) {
				sh := id.shape()
				if !sh.Element {
					continue
				}
				t.Run(fmt.Sprintf("%v/%s", c, sh.Name), func(t *testing.T) {
					seen[id] = true
					b := make([]byte, sh.Size)
					if sh.Trailer != shape.None {
						b = make([]byte, sh.Size+24)
					}
					distinct(b)
					x := elements[sh.Go]()
					x.decode(id, big, b)
					checkMembers(t, x, sh, b, big)
					if got := x.encode(id, big, nil); !bytes.Equal(got, b) {
						t.Errorf("encoded:\n got %x\nwant %x", got, b)
					}
				})
			}
		}
	}
	for id := range layout(len(shape.Table)) {
		if !seen[id] && id != layoutSadbSessionIdIlp32 { // which no number says: see TestSessionID
			t.Errorf("no dialect has %s", id.shape().Name)
		}
	}
}

// checkAccessors calls all the accessors of a Message that has one extension.
func checkAccessors(t *testing.T, m *Message, has shape.Meaning) {
	t.Helper()
	v := reflect.ValueOf(m)
	for k := shape.NoMeaning + 1; k < shape.NumMeanings; k++ {
		name := shape.Meanings[k].Go
		method := v.MethodByName(name)
		if !method.IsValid() {
			t.Fatalf("Message has no method %s", name)
		}
		got := method.Call(nil)[0]
		if k != has {
			if !got.IsNil() || m.Extension(layerTypeOf(k)) != nil {
				t.Errorf("%s() = %v of a message that has only %s", name, got, shape.Meanings[has].Go)
			}
			continue
		}
		if got.IsNil() || got.Pointer() != reflect.ValueOf(m.Extension(layerTypeOf(k))).Pointer() || got.Type().Elem().Name() != shape.Meanings[k].Struct {
			t.Errorf("%s() = %v, want what Extension returns", name, got)
		}
	}
}

// TestByHand makes every extension of every dialect from nothing: it is encoded,
// printed, and refused where its struct does not belong.
func TestByHand(t *testing.T) {
	for _, d := range Dialects() {
		c := Codec{d, BigEndian}
		for _, def := range d.table().exts {
			t.Run(fmt.Sprintf("%v/%s", d, def.name), func(t *testing.T) {
				typ := layerTypeOf(def.meaning)
				model := new(slots).slot(def.meaning)
				fresh := func() Extension { return reflect.New(reflect.TypeOf(model).Elem()).Interface().(Extension) }
				x := fresh()
				structName := shape.Meanings[def.meaning].Struct
				if structName != shape.Meanings[def.meaning].Go {
					forOne := slices.ContainsFunc(shape.Meanings[:], func(m struct{ Go, Struct string }) bool { return m.Go == structName })
					if _, err := c.Encode(&Base{}, x); err == nil && !forOne {
						t.Errorf("encoded a %T without For", x)
					}
					x = fresh()
					*x.Head() = For(typ)
				}
				if x.LayerType() != typ || x.String() == "" {
					t.Errorf("before: %v %q, want %v", x.LayerType(), x, typ)
				}
				msg, err := c.Encode(&Base{Type: ADD}, x)
				if err != nil {
					t.Fatal(err)
				}
				if x.LayerType() != typ || x.Number() != def.number || x.Name() != def.name || x.Head().Codec() != c {
					t.Errorf("after: %v %d %s %v", x.LayerType(), x.Number(), x.Name(), x.Head().Codec())
				}
				if !bytes.HasPrefix([]byte(x.String()), []byte(def.name)) {
					t.Errorf("String() = %q, want it to begin with %s", x, def.name)
				}
				_, exts, rest := c.Extensions(msg)
				if len(exts) != 1 || rest != nil || exts[0].LayerType() != typ || reflect.TypeOf(exts[0]) != reflect.TypeOf(x) {
					t.Fatalf("decoded %v, rest %v, want a %v", exts, rest, typ)
				}
				if exts[0].String() != x.String() {
					t.Errorf("by hand %q, decoded %q", x, exts[0])
				}
			})
		}
	}
}

// TestTables holds the tables to what the code relies on.
func TestTables(t *testing.T) {
	for m := shape.NoMeaning + 1; m < shape.NumMeanings; m++ {
		typ := layerTypeOf(m)
		if typ < 1520 || typ > 1619 || meaningOf(typ) != m || typ.String() != "PFKey"+shape.Meanings[m].Go {
			t.Errorf("meaning %d (%s): layer type %d %v", m, shape.Meanings[m].Go, typ, typ)
		}
		used := false
		for _, d := range Dialects() {
			used = used || d.table().known(m) != nil
		}
		if !used {
			t.Errorf("no dialect has the meaning %s", shape.Meanings[m].Go)
		}
	}
	for _, typ := range []gopacket.LayerType{0, 1519, LayerTypeMessage, LayerTypeMalformed, firstExtension + gopacket.LayerType(shape.NumMeanings) - 1, 1620, 1 << 30, -1} {
		if meaningOf(typ) != shape.NoMeaning {
			t.Errorf("layer type %d has meaning %d", typ, meaningOf(typ))
		}
	}
	for i := range shape.Table {
		sh := &shape.Table[i]
		end := ExtLen
		if sh.Element {
			end = 0
		}
		for k := range sh.Fields {
			f := &sh.Fields[k]
			if int(f.Off) < end {
				t.Errorf("%s: %s at %d overlaps or is out of order", sh.Name, f.Name, f.Off)
			}
			end = int(f.Off) + int(f.Size)
			if f.Order != shape.Bytes && f.Size&(f.Size-1) != 0 || f.Order != shape.Bytes && f.Size > 8 {
				t.Errorf("%s: %s has %d bytes", sh.Name, f.Name, f.Size)
			}
		}
		if end > sh.Size || !sh.Element && sh.Size%4 != 0 {
			t.Errorf("%s: the last member ends at %d of %d", sh.Name, end, sh.Size)
		}
	}
	for _, d := range Dialects() {
		last := 0
		seen := map[shape.Meaning]bool{}
		for _, e := range d.table().exts {
			if int(e.number) <= last || seen[e.meaning] {
				t.Errorf("%v: %d %s is out of order or a second %s", d, e.number, e.name, shape.Meanings[e.meaning].Go)
			}
			last, seen[e.meaning] = int(e.number), true
			if got := layoutOf(e.layout).shape().Go; got != shape.Meanings[e.meaning].Struct {
				t.Errorf("%v: %s is laid out as a %s, its meaning as a %s", d, e.name, got, shape.Meanings[e.meaning].Struct)
			}
		}
	}
}

// TestGenerated holds zshapes.go to what the generator makes of the tables.
func TestGenerated(t *testing.T) {
	out, err := exec.Command("go", "run", "./internal/genshapes", "-").Output()
	if err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			t.Logf("%s", e.Stderr)
		}
		t.Fatalf("go run ./internal/genshapes: %v", err)
	}
	want, err := os.ReadFile("zshapes.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, want) {
		t.Error("zshapes.go is not what the tables say: run go generate ./layers")
	}
}
