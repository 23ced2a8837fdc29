package convert_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
)

// A DUMP request, little-endian.
const dump = "020a00000200000007000000b4090000"

func read(t *testing.T, f convert.Form, text string, o convert.Options) ([]record.Record, error) {
	t.Helper()
	src, err := convert.NewSource(f, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	var list []record.Record
	for {
		r, err := src.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, *r.Clone())
	}
}

func TestSniff(t *testing.T) {
	for _, tt := range []struct {
		name, head string
		want       convert.Form
	}{
		{"nothing", "", convert.None},
		{"capture", "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", convert.None},
		{"words", "dead beef\n", convert.None},
		{"object", " \n{\"schema\":1}", convert.JSON},
		{"object after a byte order mark", "\ufeff{", convert.JSON},
		{"hex", dump + "\n", convert.Hex},
		{"hex with comments", "# dumps\n\n02 0a:00,00 02000000 07000000b4090000 # one\n", convert.Hex},
		{"hex cut in a line", dump + "0", convert.Hex},
		{"odd hex", dump + "0\n", convert.None},
		{"too short for a header", dump[:30] + "\n", convert.None},
		{"a letter that is no digit", dump + "x\n", convert.None},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := convert.Sniff([]byte(tt.head)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHex(t *testing.T) {
	list, err := read(t, convert.Hex, "# a comment\n\n"+dump+" # one\n02:0a,00 00"+dump[8:]+"\n", convert.Options{Number: 4})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Number != 5 || list[1].Number != 6 || string(list[0].Data) != string(list[1].Data) || len(list[0].Data) != 16 {
		t.Errorf("got %v", list)
	}
	if want := (layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}); list[0].Codec != want {
		t.Errorf("codec %v, want %v", list[0].Codec, want)
	}
	_, err = read(t, convert.Hex, "\n"+dump+"\n0g\n", convert.Options{})
	var se *convert.SyntaxError
	if !errors.As(err, &se) || se.Line != 3 {
		t.Errorf("error %v is not about line 3", err)
	}
}

func TestLineTooLong(t *testing.T) {
	src, err := convert.NewSource(convert.Hex, io.LimitReader(zeros{}, 100<<20), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Next(); !errors.Is(err, record.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestParseForm(t *testing.T) {
	for _, f := range convert.Forms() {
		if got, err := convert.ParseForm(string(f)); err != nil || got != f || f.About() == "" {
			t.Errorf("%s: %v, %v, %q", f, got, err, f.About())
		}
	}
	if _, err := convert.ParseForm("snoop"); err == nil || !strings.Contains(err.Error(), "hex") {
		t.Errorf("an unknown form: %v", err)
	}
}
