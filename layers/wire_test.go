package layers_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

var (
	linuxLE = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	linuxBE = layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
)

// part is some bytes of a message, written for both byte orders. The tests spell
// out what they expect with parts, from the headers and not with the encoder.
type part [2][]byte // little-endian, big-endian

func octets(b ...byte) part { return part{b, b} }

func text(s string) part { return octets([]byte(s)...) }

func zeros(n int) part { return octets(make([]byte, n)...) }

func host16(v uint16) part {
	return part{binary.LittleEndian.AppendUint16(nil, v), binary.BigEndian.AppendUint16(nil, v)}
}

func host32(v uint32) part {
	return part{binary.LittleEndian.AppendUint32(nil, v), binary.BigEndian.AppendUint32(nil, v)}
}

func host64(v uint64) part {
	return part{binary.LittleEndian.AppendUint64(nil, v), binary.BigEndian.AppendUint64(nil, v)}
}

func net16(v uint16) part { return octets(binary.BigEndian.AppendUint16(nil, v)...) }

func net32(v uint32) part { return octets(binary.BigEndian.AppendUint32(nil, v)...) }

func wire(o layers.Order, parts ...part) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p[o-layers.LittleEndian]...)
	}
	return b
}

// header is the sadb_msg before a body of n bytes.
func header(typ, satype uint8, n int) []part {
	return []part{octets(2, typ, 0, satype), host16(uint16((16 + n) / 8)), host16(0), host32(7), host32(412)}
}

func bothOrders(t *testing.T, f func(t *testing.T, c layers.Codec)) {
	t.Helper()
	for _, c := range []layers.Codec{linuxLE, linuxBE} {
		t.Run(c.Order.String(), func(t *testing.T) { f(t, c) })
	}
}

func allCodecs() []layers.Codec {
	var list []layers.Codec
	for _, d := range layers.Dialects() {
		list = append(list, layers.Codec{Dialect: d, Order: layers.LittleEndian}, layers.Codec{Dialect: d, Order: layers.BigEndian})
	}
	return list
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func encode(tb testing.TB, c layers.Codec, base *layers.Base, exts ...layers.Extension) []byte {
	tb.Helper()
	b, err := c.Encode(base, exts...)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// packetLayers decodes with gopacket and returns the layers so that they can be
// serialized.
func packetLayers(tb testing.TB, c layers.Codec, data []byte) (gopacket.Packet, []gopacket.SerializableLayer) {
	tb.Helper()
	p := gopacket.NewPacket(data, c, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: true})
	var ls []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		s, ok := l.(gopacket.SerializableLayer)
		if !ok {
			tb.Fatalf("layer %v (%T) cannot be serialized", l.LayerType(), l)
		}
		ls = append(ls, s)
	}
	return p, ls
}

// roundTrip decodes and encodes data, which must give the same bytes.
func roundTrip(tb testing.TB, c layers.Codec, data []byte) gopacket.Packet {
	tb.Helper()
	p, ls := packetLayers(tb, c, data)
	b := gopacket.NewSerializeBuffer()
	if err := c.Serialize(b, gopacket.SerializeOptions{}, ls...); err != nil {
		tb.Fatalf("%v: %v\n%x", c, err, data)
	}
	if !bytes.Equal(b.Bytes(), data) {
		tb.Fatalf("%v: encoded again differs\n got %x\nwant %x", c, b.Bytes(), data)
	}
	return p
}

// diffFields compares the exported fields of two structs of the same type, but
// not the Header, and says what differs. Empty and nil slices are the same.
func diffFields(got, want any) string {
	g, w := reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()
	if g.Type() != w.Type() {
		return fmt.Sprintf("is a %v, want a %v", g.Type(), w.Type())
	}
	var diff []string
	for i := range g.NumField() {
		f := g.Type().Field(i)
		if f.Name == "Header" || !f.IsExported() {
			continue
		}
		a, b := g.Field(i), w.Field(i)
		if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			diff = append(diff, fmt.Sprintf("%s = %v, want %v", f.Name, a, b))
		}
	}
	return strings.Join(diff, "\n")
}

// record is a line of testdata/linux.txt.
type record struct {
	codec layers.Codec
	name  string // recording:line direction type
	data  []byte
}

// linuxRecords reads the messages of real kernels.
func linuxRecords(tb testing.TB) []record {
	tb.Helper()
	file, err := os.ReadFile("testdata/linux.txt")
	if err != nil {
		tb.Fatal(err)
	}
	var list []record
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 5 {
			tb.Fatalf("testdata/linux.txt: %d columns, want 5: %.60s", len(f), line)
		}
		order, err := layers.ParseOrder(f[0])
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, record{layers.Codec{Dialect: layers.Linux, Order: order}, strings.Join(f[1:4], " "), unhex(tb, f[4])})
	}
	if len(list) < 100 {
		tb.Fatalf("testdata/linux.txt: %d messages, want more than 100", len(list))
	}
	return list
}
