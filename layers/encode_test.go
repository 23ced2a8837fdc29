package layers_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
)

func serialize(c layers.Codec, fix bool, ls ...gopacket.SerializableLayer) ([]byte, error) {
	b := gopacket.NewSerializeBuffer()
	err := c.Serialize(b, gopacket.SerializeOptions{FixLengths: fix}, ls...)
	return b.Bytes(), err
}

// decoded returns the only extension of a message that holds it.
func decoded(t *testing.T, c layers.Codec, x layers.Extension) layers.Extension {
	t.Helper()
	_, exts, rest := c.Extensions(encode(t, c, &layers.Base{Type: layers.ADD}, x))
	if len(exts) != 1 || rest != nil {
		t.Fatalf("%d extensions, rest %v", len(exts), rest)
	}
	return exts[0]
}

func TestSerializeRefuses(t *testing.T) {
	freeBSD := layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
	base := func() *layers.Base { return &layers.Base{Version: 2, Type: layers.ADD} }
	for _, tt := range []struct {
		name  string
		codec layers.Codec
		ls    []gopacket.SerializableLayer
		want  []string // parts of the error
	}{
		{"no dialect", layers.Codec{Order: layers.LittleEndian}, []gopacket.SerializableLayer{base()}, []string{"dialect", "byte order"}},
		{"no byte order", layers.Codec{Dialect: layers.Linux}, []gopacket.SerializableLayer{base()}, []string{"dialect", "byte order"}},
		{"an extension of the other byte order", linuxLE, []gopacket.SerializableLayer{base(), decoded(t, linuxBE, &layers.SA{SPI: 1})},
			[]string{"layer 1", "linux/be", "linux/le"}},
		{"an extension of another dialect", linuxLE, []gopacket.SerializableLayer{base(), decoded(t, freeBSD, &layers.SA{SPI: 1})},
			[]string{"layer 1", "freebsd/le", "linux/le"}},
		{"a header of the other byte order", linuxLE, []gopacket.SerializableLayer{&layers.Base{Codec: linuxBE}}, []string{"layer 0", "linux/be", "linux/le"}},
		{"an address that is not said to be which", linuxLE, []gopacket.SerializableLayer{base(), &layers.Address{}}, []string{"layer 1", "layers.For", "*layers.Address"}},
		{"a struct that is for something else", linuxLE, []gopacket.SerializableLayer{base(), &layers.SA{Header: layers.For(layers.LayerTypeAddressSrc)}},
			[]string{"layer 1", "*layers.SA", "ADDRESS_SRC", "*layers.Address"}},
		{"an unknown extension's struct for a known one", linuxLE, []gopacket.SerializableLayer{base(), &layers.Lifetime{Header: layers.For(layers.LayerTypeSA)}},
			[]string{"*layers.Lifetime", "*layers.SA"}},
		{"an extension that the dialect does not have", linuxLE, []gopacket.SerializableLayer{base(), &layers.SAReplay{}}, []string{"layer 1", "linux", "SAReplay"}},
		{"a policy for OpenBSD", layers.Codec{Dialect: layers.OpenBSD, Order: layers.BigEndian}, []gopacket.SerializableLayer{base(), &layers.Policy{}}, []string{"openbsd", "Policy"}},
		{"a Message", linuxLE, []gopacket.SerializableLayer{&layers.Message{Base: layers.Base{Codec: linuxLE}}}, []string{"Codec.Extensions"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, fix := range []bool{false, true} {
				b, err := serialize(tt.codec, fix, tt.ls...)
				if err == nil {
					t.Fatalf("wrote %x", b)
				}
				for _, part := range tt.want {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error %q does not say %q", err, part)
					}
				}
				t.Logf("OK error: %v", err)
			}
		})
	}
}

// TestSerializeAlone uses gopacket's own function, which knows no codec.
func TestSerializeAlone(t *testing.T) {
	b := gopacket.NewSerializeBuffer()
	for _, l := range []gopacket.SerializableLayer{&layers.Base{Version: 2}, &layers.SA{}, &layers.Unknown{Type: 99}} {
		err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, l)
		if !errors.Is(err, layers.ErrNoCodec) {
			t.Errorf("%T: error %v, want ErrNoCodec", l, err)
		}
	}
	data := encode(t, linuxBE, &layers.Base{Type: layers.GET}, &layers.SA{SPI: 1})
	_, ls := packetLayers(t, linuxBE, data) // which have one
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{}, ls...); err != nil || !bytes.Equal(b.Bytes(), data) {
		t.Errorf("error %v, %x, want %x", err, b.Bytes(), data)
	}
}

func TestTooLong(t *testing.T) {
	// The greatest length that the 16 bits of sadb_ext_len can say is more than that
	// of a message has room for.
	most := make([]byte, layers.MaxMessage-layers.ExtLen)
	x := &layers.Unknown{Type: 99, Data: most}
	if _, err := linuxLE.Encode(&layers.Base{Type: layers.ADD}, x); err == nil || !strings.Contains(err.Error(), "524280") {
		t.Errorf("a message with the greatest extension: error %v, want one that says what is allowed", err)
	}
	x = &layers.Unknown{Type: 99, Data: append(most, 0)}
	if _, err := linuxLE.Encode(&layers.Base{Type: layers.ADD}, x); err == nil || !strings.Contains(err.Error(), "layer 1") {
		t.Errorf("an extension that is too long: error %v, want one that says which", err)
	}
	x = &layers.Unknown{Type: 99, Data: most[:layers.MaxMessage-layers.BaseLen-layers.ExtLen+8]}
	if _, err := linuxLE.Encode(&layers.Base{Type: layers.ADD}, x); err == nil {
		t.Error("a message of 8 bytes too many: no error")
	}
	x = &layers.Unknown{Type: 99, Data: most[:layers.MaxMessage-layers.BaseLen-layers.ExtLen]}
	msg := encode(t, linuxLE, &layers.Base{Type: layers.ADD}, x)
	if len(msg) != layers.MaxMessage || !bytes.Equal(msg[4:6], []byte{0xff, 0xff}) {
		t.Errorf("the greatest message has %d bytes, length field %x", len(msg), msg[4:6])
	}
	odd := &layers.Malformed{Rest: []byte{1, 2, 3}}
	if _, err := serialize(linuxLE, true, &layers.Base{Type: layers.ADD}, odd); err == nil || !strings.Contains(err.Error(), "multiple of 8") {
		t.Errorf("a message of 19 bytes: error %v", err)
	}
	if b, err := serialize(linuxLE, false, &layers.Base{Type: layers.ADD, Len: 2}, odd); err != nil || len(b) != 19 {
		t.Errorf("without FixLengths: error %v, %d bytes", err, len(b))
	}
}

func TestFixLengths(t *testing.T) {
	bothOrders(t, func(t *testing.T, c layers.Codec) {
		good := encode(t, c, &layers.Base{Type: layers.ADD, SAType: 3}, &layers.SA{SPI: 1}, c.NewKey(layers.LayerTypeKeyAuth, make([]byte, 20)))
		// The same with every length wrong in its layer.
		_, ls := packetLayers(t, c, good)
		ls[0].(*layers.Base).Len = 99
		ls[1].(*layers.SA).Len = 0
		ls[2].(*layers.Key).Len = 0xffff
		fixed, err := serialize(c, true, ls...)
		if err != nil || !bytes.Equal(fixed, good) {
			t.Errorf("with FixLengths: %v\n got %x\nwant %x", err, fixed, good)
		}
		if ls[0].(*layers.Base).Len != uint16(len(good)/8) {
			t.Errorf("Len is %d after FixLengths", ls[0].(*layers.Base).Len)
		}
		ls[0].(*layers.Base).Len = 99
		kept, err := serialize(c, false, ls...)
		want := bytes.Clone(good)
		copy(want[4:], wire(c.Order, host16(99)))
		copy(want[16:], wire(c.Order, host16(0)))
		copy(want[32:], wire(c.Order, host16(0xffff)))
		if err != nil || !bytes.Equal(kept, want) {
			t.Errorf("without FixLengths: %v\n got %x\nwant %x", err, kept, want)
		}
		// A change of content changes the length.
		key := ls[2].(*layers.Key)
		key.Octets, key.Bits = make([]byte, 32), 256
		longer, err := serialize(c, true, ls...)
		if err != nil || len(longer) != len(good)+8 {
			t.Errorf("with a longer key: %v, %d bytes, want %d", err, len(longer), len(good)+8)
		}
		if _, exts, rest := c.Extensions(longer); rest != nil || len(exts) != 2 || exts[1].(*layers.Key).Bits != 256 {
			t.Errorf("with a longer key: %v, rest %v", exts, rest)
		}
	})
}

// TestByHandLength keeps a length that the maker set, to make broken messages.
func TestByHandLength(t *testing.T) {
	sa := &layers.SA{SPI: 1}
	sa.Len = 7
	b, err := serialize(linuxLE, false, &layers.Base{Version: 2, Type: layers.ADD, Len: 4}, sa)
	if err != nil || !bytes.Equal(b[16:18], []byte{7, 0}) || len(b) != 32 {
		t.Errorf("%v, %x", err, b)
	}
	sa.Len = 0 // stands for the right one
	b, err = serialize(linuxLE, false, &layers.Base{Version: 2, Type: layers.ADD, Len: 4}, sa)
	if err != nil || !bytes.Equal(b[16:18], []byte{2, 0}) {
		t.Errorf("%v, %x", err, b)
	}
}

// TestPaddingIsZero serializes into a buffer that holds something else.
func TestPaddingIsZero(t *testing.T) {
	b := gopacket.NewSerializeBuffer()
	dirty, _ := b.PrependBytes(4096)
	for i := range dirty {
		dirty[i] = 0xaa
	}
	ident := &layers.Identity{Header: layers.For(layers.LayerTypeIdentitySrc), Type: 2, Data: []byte("a.example\x00")}
	err := linuxLE.Serialize(b, gopacket.SerializeOptions{FixLengths: true}, &layers.Base{Version: 2, Type: layers.ADD}, ident)
	want := unhex(t, "0203000006000000 0000000000000000"+"04000a0002000000 0000000000000000 612e6578616d706c 6500000000000000")
	if err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%v\n got %x\nwant %x", err, b.Bytes(), want)
	}
	if got := b.Layers(); len(got) != 2 || got[0] != layers.LayerTypeIdentitySrc || got[1] != layers.LayerTypeMessage {
		t.Errorf("layers of the buffer: %v", got)
	}
}

func TestEncode(t *testing.T) {
	base := &layers.Base{Type: layers.ADD}
	sa := &layers.SA{SPI: 0x1234}
	if sa.Name() != "UNKNOWN" || sa.LayerType() != layers.LayerTypeSA {
		t.Errorf("before: %s %v", sa.Name(), sa.LayerType())
	}
	msg := encode(t, linuxLE, base, sa)
	if base.Version != 2 || base.Len != uint16(len(msg)/8) || base.Codec != linuxLE {
		t.Errorf("base after Encode: %v", base)
	}
	// An extension that was encoded knows what it is.
	if sa.Name() != "SA" || sa.Number() != 1 || sa.Codec() != linuxLE || sa.LayerType() != layers.LayerTypeSA {
		t.Errorf("after: %s %d %v", sa.Name(), sa.Number(), sa.Codec())
	}
	if got, want := sa.String(), "SA spi=0x00001234 replay=0 state=0(LARVAL) auth=0(NONE) encrypt=0(NONE) flags=0x0"; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
	if _, err := linuxBE.Encode(&layers.Base{Type: layers.ADD}, sa); err == nil {
		t.Error("encoded the same extension in the other byte order")
	}
	odd := encode(t, linuxLE, &layers.Base{Version: 3, Type: layers.ADD})
	if odd[0] != 3 {
		t.Errorf("version %d, want the 3 that was asked for", odd[0])
	}
}

// TestMacOSForms chooses between the two forms of macOS' SA.
func TestMacOSForms(t *testing.T) {
	c := layers.Codec{Dialect: layers.MacOS, Order: layers.LittleEndian}
	for _, tt := range []struct {
		name string
		sa   layers.SA
		want int
	}{
		{"short", layers.SA{SPI: 1}, 16},
		{"long", layers.SA{SPI: 1, NATTPort: 4500}, 24},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := decoded(t, c, &tt.sa).(*layers.SA)
			if len(x.Contents) != tt.want {
				t.Errorf("%d bytes, want %d", len(x.Contents), tt.want)
			}
			if diff := diffFields(x, &tt.sa); diff != "" {
				t.Error(diff)
			}
			if x.NATTPort != 0 { // a decoded long form stays long
				x.NATTPort = 0
				if b, err := serialize(c, true, x); err != nil || len(b) != 24 {
					t.Errorf("%v, %d bytes", err, len(b))
				}
			}
		})
	}
}

// TestReusedBuffer allocates nothing when the buffer and the layers are reused.
func TestReusedBuffer(t *testing.T) {
	_, ls := packetLayers(t, linuxLE, benchtest.Mix()[0])
	b := gopacket.NewSerializeBuffer()
	write := func() {
		if err := linuxLE.Serialize(b, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
			t.Fatal(err)
		}
	}
	write()
	if n := testing.AllocsPerRun(100, write); n != 0 && !benchtest.Racing { // when a Pool forgets on purpose
		t.Errorf("%v allocations, want none", n)
	}
}

// TestAppend: a message is appended behind what is there, the same one that Encode and
// Serialize make, without an allocation if there is room, and with an error not at all.
func TestAppend(t *testing.T) {
	for _, c := range []layers.Codec{linuxLE, linuxBE} {
		want := encode(t, c, &layers.Base{Type: layers.ADD, SAType: 3, Seq: 9}, &layers.SA{SPI: 7, Flags: 2},
			&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), Bytes: 1 << 40},
			c.NewKey(layers.LayerTypeKeyAuth, []byte{1, 2, 3, 4, 5}), &layers.Unknown{Type: 99, Data: []byte{1, 2, 3, 4, 5}})
		base, exts, rest := c.Extensions(want)
		if rest != nil {
			t.Fatal(rest)
		}
		for room := range len(want) + 10 { // it runs out at every place
			dst := append(make([]byte, 0, 3+room), "abc"...)
			for i := range dst[3:cap(dst)] {
				dst[3:cap(dst)][i] = 0xee
			}
			got, err := c.Append(dst, base, exts...)
			if err != nil || string(got[:3]) != "abc" || !bytes.Equal(got[3:], want) {
				t.Fatalf("%v, room for %d: %v\n got %x\nwant %x", c, room, err, got, want)
			}
		}
		buf := make([]byte, 0, len(want))
		if n := testing.AllocsPerRun(100, func() { buf, _ = c.Append(buf[:0], base, exts...) }); n != 0 {
			t.Errorf("%v: %v allocations, want none", c, n)
		}
		exts = append(exts, &layers.Address{})
		got, err := c.Append(buf[:2], base, exts...)
		if err == nil || !strings.Contains(err.Error(), "layer 5") || len(got) != 2 {
			t.Errorf("%v: an address that is not said to be which: %v, %d bytes", c, err, len(got))
		}
	}
	if _, err := linuxBE.Append(nil, &layers.Base{Codec: linuxLE}); err == nil || !strings.Contains(err.Error(), "layer 0") {
		t.Errorf("a header of the other byte order: %v", err)
	}
	if _, err := (layers.Codec{}).Append(nil, &layers.Base{}); err == nil {
		t.Error("no codec: no error")
	}
}
