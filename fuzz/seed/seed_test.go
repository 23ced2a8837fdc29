package seed_test

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/fuzz/seed"
	"github.com/pfkeycap/pfkeycap/layers"
)

// TestSeeds: every target has seeds of its own types, which are read back from a
// native corpus as they were written.
func TestSeeds(t *testing.T) {
	set := seed.NewSet(true)
	for _, target := range seed.Targets() {
		n := 0
		target.Each(set, func(args ...any) {
			n++
			var types seed.Args
			for _, a := range args {
				name := reflect.TypeOf(a).String()
				types = append(types, strings.ReplaceAll(name, "[]uint8", "[]byte"))
			}
			if !slices.Equal(types, target.Args) {
				t.Fatalf("%s: a seed of %v, want %v", target.Name, types, target.Args)
			}
			back, err := seed.ParseGo(seed.AppendGo(nil, args...))
			if err != nil || !reflect.DeepEqual(back, args) {
				t.Fatalf("%s: %v: %x became %x", target.Name, err, args, back)
			}
		})
		if n < 9 {
			t.Errorf("%s: %d seeds", target.Name, n)
		}
	}
	kinds := map[layers.Codec]int{}
	set.Messages(func(c layers.Codec, data []byte) { kinds[c]++ })
	for _, d := range layers.Dialects() {
		little, big := kinds[layers.Codec{Dialect: d, Order: layers.LittleEndian}], kinds[layers.Codec{Dialect: d, Order: layers.BigEndian}]
		if little < 75 || big < 15 {
			t.Errorf("%d and %d messages of %v", little, big, d)
		}
	}
}

// TestGoEncoding holds the native form to bytes written by "go test -fuzz" of Go
// 1.26, for each type that a target has.
func TestGoEncoding(t *testing.T) {
	want, err := os.ReadFile("testdata/native")
	if err != nil {
		t.Fatal(err)
	}
	args := []any{uint8(0x81), uint8('a'), uint64(1<<64 - 1), "a\x00\xffé\"`", []byte("\x02\x0b\x80 \n\\")}
	if got := seed.AppendGo(nil, args...); !bytes.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got, err := seed.ParseGo(want); err != nil || !reflect.DeepEqual(got, args) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "go test fuzz v2\n", "go test fuzz v1\nint(1)\n", "go test fuzz v1\nbyte(256)\n", "go test fuzz v1\nbyte('\u0100')\n", "go test fuzz v1\n[]byte(1)\n", "go test fuzz v1\nstring(\"a\n"} {
		if got, err := seed.ParseGo([]byte(bad)); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}

// TestLibFuzzerEncoding holds the other form to what the reader of go-118-fuzz-build
// takes apart: fixed sizes first and big-endian, a weight, the rest.
func TestLibFuzzerEncoding(t *testing.T) {
	for _, c := range []struct {
		args []any
		want string
	}{
		{[]any{uint8(5), []byte("abc")}, "\x05\x01abc"},
		{[]any{[]byte{}}, "\x01"},
		{[]any{"expr", uint64(0x0102)}, "\x00\x00\x00\x00\x00\x00\x01\x02\x01expr"},
		{[]any{uint8(1), uint64(2), uint64(3), uint8(4)}, "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x04"},
	} {
		if got := string(seed.AppendLibFuzzer(nil, c.args...)); got != c.want {
			t.Errorf("%v: %q, want %q", c.args, got, c.want)
		}
	}
}

// TestDictionary holds every line to the syntax of libFuzzer and AFL++.
func TestDictionary(t *testing.T) {
	d := seed.Dictionary()
	if d != seed.Dictionary() {
		t.Error("it is another one every time")
	}
	lines := strings.Split(strings.TrimSpace(d), "\n")
	tokens := map[string]bool{}
	for _, line := range lines {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || !strings.HasPrefix(value, `"\x`) || !strings.HasSuffix(value, `"`) || len(value) > 2+4*8 {
			t.Errorf("bad line %q", line)
		}
		if tokens[value] {
			t.Errorf("%s is there twice", value)
		}
		tokens[value] = true
	}
	if len(tokens) < 150 {
		t.Errorf("only %d tokens", len(tokens))
	}
	if !tokens[`"\x02\x00\x12\x00"`] { // the header of a POLICY of two words
		t.Error("no header of a POLICY on Linux")
	}
}
