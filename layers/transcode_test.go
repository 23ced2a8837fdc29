package layers_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

// values lists everything that a walk gives, without the offsets of fields.
type values struct {
	dialect layers.Dialect
	out     []string
}

func (l *values) add(format string, a ...any) { l.out = append(l.out, fmt.Sprintf(format, a...)) }

func (l *values) Base(b *layers.Base, offset, depth int) { l.add("base %d %d %v", offset, depth, b) }
func (l *values) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	l.add("ext %d %d %s %d %v", h.Len, number, name, offset, short)
}
func (l *values) Field(f *layers.Field, v *layers.Value) {
	if f.Name == "sockaddr" { // of an unknown family, which is in it
		return
	}
	l.add("%s %d %d %s %s %x", f.Name, v.Offset, v.Size, v.Name, layers.AppendValue(nil, l.dialect, f, v), v.Uint)
}
func (l *values) Open(k layers.NodeKind, name string)                { l.add("open %d %s", k, name) }
func (l *values) Close(k layers.NodeKind)                            { l.add("close %d", k) }
func (l *values) EndExtension()                                      { l.add("end ext") }
func (l *values) Malformed(rest []byte, offset int, r layers.Reason) { l.add("rest %d %d", offset, r) }
func (l *values) End()                                               { l.add("end") }

func valuesOf(c layers.Codec, msg []byte) string {
	l := values{dialect: c.Dialect}
	c.Walk(msg, &l)
	return strings.Join(l.out, "\n")
}

// sample makes a message of many kinds of extensions in the given byte order.
func sample(t testing.TB, o layers.Order) []byte {
	t.Helper()
	c := layers.Codec{Dialect: layers.Linux, Order: o}
	src, dst := netip.MustParseAddrPort("10.0.0.1:500"), netip.MustParseAddrPort("[2001:db8::2]:4500")
	msg, err := c.Encode(
		&layers.Base{Type: layers.ADD, SAType: layers.SATypeESP, Reserved: 0x0102, Seq: 0x01020304, PID: 412},
		&layers.SA{SPI: 0x1234, Replay: 32, Auth: 3, Encrypt: 12, Flags: 0x20000001},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), Allocations: 7, Bytes: 1 << 40, AddTime: 3600, UseTime: 99},
		c.NewAddress(layers.LayerTypeAddressSrc, src, 32, 17),
		c.NewAddress(layers.LayerTypeAddressDst, dst, 128, 17),
		c.NewKey(layers.LayerTypeKeyAuth, bytes.Repeat([]byte{0xa1, 0xb2}, 10)),
		&layers.SPIRange{Min: 0x100, Max: 0x0fffffff},
		&layers.SA2{Mode: 2, Sequence: 5, ReqID: 0x01020304},
	)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestTranscode(t *testing.T) {
	le := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	be := layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
	little, big := sample(t, layers.LittleEndian), sample(t, layers.BigEndian)
	for _, test := range []struct {
		name      string
		from, to  layers.Codec
		msg, want []byte
	}{
		{"little to big", le, be, little, big},
		{"big to little", be, le, big, little},
		{"same", be, be, big, big},
		{"header only", le, be, []byte{2, 9, 0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, []byte{2, 9, 0, 0, 0, 2, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5}},
		{"wrapped", le, be,
			[]byte{2, 11, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 9, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0},
			[]byte{2, 11, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 2, 9, 0, 0, 0, 2, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4}},
		{"zero rest", le, be, append([]byte{2, 9, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, 0, 0), append([]byte{2, 9, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, 0, 0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := layers.Transcode([]byte("head"), test.from, test.to, test.msg)
			if err != nil {
				t.Fatal(err)
			}
			if string(got[:4]) != "head" || !bytes.Equal(got[4:], test.want) {
				t.Errorf("got  %x\nwant %x", got[4:], test.want)
			}
		})
	}
}

func TestTranscodeRefuses(t *testing.T) {
	le := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	be := layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
	head := []byte{2, 9, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}
	for _, test := range []struct {
		name   string
		rest   []byte
		offset int
	}{
		{"unknown extension", []byte{2, 0, 77, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 20},
		{"extension too short", []byte{1, 0, 1, 0, 1, 2, 3, 4}, 20},
		{"overrun", []byte{9, 0, 1, 0, 1, 2, 3, 4}, 16},
		{"trailing bytes", []byte{1, 2, 3}, 16},
		{"sockaddr of an unknown family", []byte{2, 0, 5, 0, 0, 0, 0, 0, 99, 0, 1, 2, 3, 4, 5, 6}, 24},
		{"bytes beyond SA", []byte{3, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, 32},
	} {
		t.Run(test.name, func(t *testing.T) {
			dst := []byte("head")
			got, err := layers.Transcode(dst, le, be, append(head[:16:16], test.rest...))
			var te *layers.TranscodeError
			if !errors.As(err, &te) || te.Offset != test.offset {
				t.Fatalf("error %v, want a TranscodeError at byte %d", err, test.offset)
			}
			if string(got) != "head" {
				t.Errorf("dst came back as %q", got)
			}
			t.Log(err)
		})
	}
	if _, err := layers.Transcode(nil, le, layers.Codec{Dialect: layers.FreeBSD, Order: layers.BigEndian}, head); err == nil {
		t.Error("another dialect was accepted")
	}
}

// Every field of every extension of every dialect keeps its value in the other
// byte order, and comes back.
func TestTranscodeEveryExtension(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	orders := []layers.Order{layers.LittleEndian, layers.BigEndian}
	for _, d := range layers.Dialects() {
		for _, number := range d.ExtNumbers() {
			done := 0
			for try := range 400 {
				from := layers.Codec{Dialect: d, Order: orders[try%2]}
				to := layers.Codec{Dialect: d, Order: orders[1-try%2]}
				size := (d.LayoutOf(number).Size + rnd.IntN(80) + 7) &^ 7
				msg := make([]byte, layers.BaseLen+size)
				for i := range msg {
					if rnd.IntN(3) == 0 {
						msg[i] = byte(rnd.Uint32()) >> rnd.IntN(8)
					}
				}
				msg[0], msg[1] = 2, layers.ADD
				le := []byte{byte(size / 8), 0, byte(number), 0}
				if from.Order == layers.BigEndian {
					le = []byte{0, byte(size / 8), 0, byte(number)}
				}
				copy(msg[layers.BaseLen:], le)
				there, err := layers.Transcode(nil, from, to, msg)
				if err != nil {
					continue
				}
				done++
				if a, b := valuesOf(from, msg), valuesOf(to, there); a != b {
					t.Fatalf("%v extension %d:\n%s\nbecame\n%s", d, number, a, b)
				}
				back, err := layers.Transcode(nil, to, from, there)
				if err != nil || !bytes.Equal(back, msg) {
					t.Fatalf("%v extension %d: %x came back as %x (%v)", d, number, msg, back, err)
				}
			}
			if done == 0 {
				t.Errorf("%v extension %d: no message could be transcoded", d, number)
			}
		}
	}
}

func BenchmarkTranscode(b *testing.B) {
	le := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	be := layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
	msg := sample(b, layers.LittleEndian)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = layers.Transcode(dst[:0], le, be, msg)
	}
}
