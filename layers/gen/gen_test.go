package gen_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
)

var linux = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}

// TestAt holds random access to the sequence: message i is the same whoever made
// what before it.
func TestAt(t *testing.T) {
	for _, o := range []gen.Options{{}, {Valid: true}, {Requests: true, Mutants: 1, PID: 99}} {
		g := gen.New(linux, 5, o)
		var want [][]byte
		var names [][]string
		for i := range uint64(500) {
			msg, info := g.Next(nil)
			if info.Index != i {
				t.Fatalf("message %d says that it is %d", i, info.Index)
			}
			want = append(want, msg)
			names = append(names, slices.Clone(info.Mutations))
		}
		fresh := gen.New(linux, 5, o)
		for k := range 500 {
			i := uint64(k*211) % 500
			msg, info := fresh.At(i, []byte("before"))
			if !bytes.Equal(msg[:6], []byte("before")) || !bytes.Equal(msg[6:], want[i]) || info.Index != i || !slices.Equal(info.Mutations, names[i]) {
				t.Fatalf("%+v: message %d is another one out of order: %x, not %x", o, i, msg, want[i])
			}
		}
		fresh.Seek(123)
		if msg, info := fresh.Next(nil); !bytes.Equal(msg, want[123]) || info.Index != 123 {
			t.Fatalf("%+v: after Seek(123) comes %+v", o, info)
		}
	}
}

// TestSeeds: another seed gives other messages, the pid is the one asked for.
func TestSeeds(t *testing.T) {
	a, z := gen.New(linux, 1, gen.Options{}), gen.New(linux, 2, gen.Options{Valid: true, PID: 4711})
	same := 0
	var m layers.Message
	m.Codec = linux
	for range 1000 {
		x, _ := a.Next(nil)
		y, info := z.Next(nil)
		if bytes.Equal(x, y) {
			same++
		}
		if err := m.DecodeFromBytes(y, nil); err != nil || m.PID != 4711 && !info.FromKernel {
			t.Fatalf("%+v: pid %d, %v", info, m.PID, err)
		}
	}
	if same > 10 {
		t.Errorf("%d of 1000 messages of two seeds are the same", same)
	}
}

// TestGolden fixes the messages of two dialects: a seed in a report of a bug should
// give the same bytes tomorrow. They change with the generator and with the tables
// of a dialect; then the hashes do.
func TestGolden(t *testing.T) {
	for _, c := range []layers.Codec{linux, {Dialect: layers.Linux, Order: layers.BigEndian}, {Dialect: layers.RFC2367, Order: layers.LittleEndian}} {
		g := gen.New(c, 1, gen.Options{})
		h := sha256.New()
		var msg []byte
		for range 1000 {
			msg, _ = g.Next(msg[:0])
			h.Write(msg)
		}
		if got := hex.EncodeToString(h.Sum(nil))[:16]; got != golden[c.String()] {
			t.Errorf("%q: %q,", c.String(), got)
		}
	}
}

var golden = map[string]string{
	"linux/le":   "423d420398538f66",
	"linux/be":   "17b1a2579336a271",
	"rfc2367/le": "02df725832ecacb4",
}

// TestMutations: every mutation has a name and a text of its own, and happens.
func TestMutations(t *testing.T) {
	happened := map[string]int{}
	for _, c := range codecs() {
		g := gen.New(c, 1, gen.Options{})
		valid := 0
		for range 8000 {
			_, info := g.Next(nil)
			if len(info.Mutations) == 0 {
				valid++
			}
			for _, m := range info.Mutations {
				happened[m]++
			}
		}
		if valid != 2000 {
			t.Errorf("%v: %d of 8000 messages are valid, not a quarter", c, valid)
		}
	}
	seen := map[string]bool{}
	for _, m := range gen.Mutations() {
		if m.Name == "" || m.Doc == "" || seen[m.Name] || seen[m.Ext+m.Doc] {
			t.Errorf("%+v: no name, no text or not its own", m)
		}
		seen[m.Name], seen[m.Ext+m.Doc] = true, true
		if happened[m.Name] < 5 {
			t.Errorf("%s happened %d times", m.Name, happened[m.Name])
		}
		delete(happened, m.Name)
	}
	for name := range happened {
		t.Errorf("%s is not in the list", name)
	}
}

func BenchmarkNext(b *testing.B) {
	g := gen.New(linux, 1, gen.Options{})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = g.Next(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}
