package law

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// id names every secret alike, as if all were the same.
func id(*record.Record, []byte, int) [4]byte { return [4]byte{0x1d, 0x1d, 0x1d, 0x1d} }

// plausible is a number of bytes that any count or length in a stand-in exceeds: of
// the algorithms of an illumos proposal, which are counted in one byte, 2048 fit at
// the most.
const plausible = 2048

// Twins are two messages that differ from data in their secrets, and from each
// other in nothing else. Whatever shows no secrets must show the same of both:
// that holds an output to the law without knowing what a secret may look like.
func Twins(t T, c layers.Codec, data []byte) (a, z []byte) {
	t.Helper()
	spans := c.AppendSecrets(nil, data)
	for i, salt := range []record.Salt{{1}, {2}} {
		b := bytes.Clone(data)
		record.NewHider(salt).Hide(b, c)
		if len(data) < plausible && !slices.Equal(c.AppendSecrets(nil, b), spans) {
			t.Fatalf("%v: stand-ins change what is secret\n%x\n%x", c, data, b)
		}
		if i == 0 {
			a = b
		} else {
			z = b
		}
	}
	return a, z
}

// Secrets: nothing that is not asked to shows a secret: JSON, columns, what
// gopacket prints, errors, problems, JSON of the layers themselves. (Text is in
// cmd/pfkeycap/internal/render.)
func Secrets(t T, n uint8, data []byte) {
	c := engine.Codec(n)
	a, z := Twins(t, c, data)
	if x, y := shown(c, a), shown(c, z); x != y {
		t.Fatalf("%v: outputs differ with the secrets of the message\n%x\n%s", c, data, firstDifference(x, y))
	}
	for _, d := range []check.Direction{check.Unknown, check.ToKernel, check.FromKernel} {
		problems(t, c, check.Judge(c.Dialect, c, a, d), check.Judge(c.Dialect, c, z, d))
	}
}

// problems wants the objections to two messages to say the same where they are the
// same. Which there are may depend on secrets: a kernel reads on behind a request
// that is longer than its policy, and what it finds there it refuses or does not.
func problems(t T, c layers.Codec, a, z []check.Problem) {
	t.Helper()
	texts := func(list []check.Problem) map[string][]string {
		m := map[string][]string{}
		for _, x := range list {
			key := fmt.Sprint(x.Code, " ", x.Ext, "@", x.Offset)
			m[key] = append(m[key], x.String()+" "+x.Instead)
		}
		return m
	}
	of := texts(z)
	for key, x := range texts(a) {
		if y := of[key]; len(x) == len(y) && !slices.Equal(x, y) {
			t.Fatalf("%v: a problem differs with the secrets of the message\n%v\n%v", c, x, y)
		}
	}
}

// shown is everything that this module can say of a message without showing keys.
func shown(c layers.Codec, data []byte) string {
	var b strings.Builder
	r := &record.Record{Number: 1, Codec: c, Data: data, OrigLen: len(data)}
	b.Write(pfjson.Append(nil, &pfjson.Record{Codec: c, Data: data}, pfjson.Options{ID: func([]byte, int) [4]byte { return id(nil, nil, 0) }}))
	b.Write(columns()(r))
	fmt.Fprintf(&b, "\n%v %+v %#v\n", r, *r, r)
	for _, l := range packet(c, data).Layers() {
		fmt.Fprintf(&b, "%v\n%s%s", l, gopacket.LayerString(l), gopacket.LayerDump(l))
		if e, ok := l.(gopacket.ErrorLayer); ok {
			fmt.Fprintf(&b, "%v %+v\n", e.Error(), e)
		}
	}
	var m layers.Message
	m.Codec = c
	fmt.Fprintln(&b, m.DecodeFromBytes(data, nil))
	_, err := layers.Transcode(nil, c, layers.Codec{Dialect: c.Dialect, Order: layers.LittleEndian + layers.BigEndian - c.Order}, data)
	fmt.Fprintln(&b, err)
	return b.String()
}

// columns makes rows of every path there is.
var columns = sync.OnceValue(func() func(*record.Record) []byte {
	var paths []string
	for _, p := range filter.Paths() {
		if p.Kind != filter.Group {
			paths = append(paths, p.Name)
		}
	}
	var mu sync.Mutex
	f, err := filter.NewFields(paths, filter.FieldsOptions{ID: id})
	if err != nil {
		panic(err) // a path that is listed
	}
	return func(r *record.Record) []byte {
		mu.Lock()
		defer mu.Unlock()
		return f.AppendRow(nil, r)
	}
})

// firstDifference shows the two lines that differ first.
func firstDifference(x, y string) string {
	a, z := strings.Split(x, "\n"), strings.Split(y, "\n")
	for i := range min(len(a), len(z)) {
		if a[i] != z[i] {
			k := 0
			for k < min(len(a[i]), len(z[i])) && a[i][k] == z[i][k] {
				k++
			}
			return fmt.Sprintf("%.200s\n%.200s", a[i][max(0, k-60):], z[i][max(0, k-60):])
		}
	}
	return fmt.Sprintf("%d lines and %d", len(a), len(z))
}

// memoryDir is a directory in memory, where the system has one: a Writer waits for
// the disk when it closes its files, and a fuzzer makes thousands of them.
func memoryDir() string {
	const shm = "/dev/shm"
	if st, err := os.Stat(shm); err == nil && st.IsDir() {
		return shm
	}
	return ""
}

// Beside: a capture whose secrets lie beside it holds stand-ins, the same whatever
// is done to it, and gives the message back with its side file and only with it.
func Beside(t T, n uint8, data []byte) {
	c := engine.Codec(n)
	data = data[:min(len(data), record.DefaultSnapLen)]
	dir, err := os.MkdirTemp(memoryDir(), "law")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	keys := filepath.Join(dir, "keys")
	var file bytes.Buffer
	w, err := record.NewWriter(&file, record.WriterOptions{
		Meta:     record.Meta{Dialect: c.Dialect, Order: c.Order, Keys: record.KeysBeside},
		Salt:     record.Salt{7},
		KeysFile: keys,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch([]*record.Record{{Codec: c, Data: data, OrigLen: len(data)}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(data)
	record.NewHider(record.Salt{7}).Hide(want, c)
	for _, o := range []record.ReaderOptions{{}, {KeysFile: keys}} {
		o.Dialect, o.Order = c.Dialect, c.Order
		r, err := record.NewReader(bytes.NewReader(file.Bytes()), o)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(rec.Data, want) {
			t.Fatalf("%v: the capture has not the stand-ins\n%x\n%x", c, rec.Data, want)
		}
		if o.KeysFile != "" && !bytes.Equal(rec.Bytes(), data) || o.KeysFile == "" && rec.True != nil {
			t.Fatalf("%v: side file %q: %v\n%x became\n%x", c, o.KeysFile, rec.True != nil, data, rec.Bytes())
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(keys)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, span := range c.AppendSecrets(nil, data) {
		if h := hex.EncodeToString(data[span.Offset : span.Offset+span.Len]); !bytes.Contains(text, []byte(h)) {
			t.Fatalf("%v: the side file lacks the secret at %d", c, span.Offset)
		}
	}
}
