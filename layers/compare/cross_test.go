package compare_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
	"github.com/pfkeycap/pfkeycap/layers/gen"
)

func differences(a layers.Codec, x []byte, b layers.Codec, y []byte) (list []string) {
	c := compare.Comparer{Each: func(d *compare.Difference) {
		list = append(list, fmt.Sprintf("%s %s: %s | %s", d.What, d.Path, d.A, d.B))
	}}
	c.Compare(a, x, b, y)
	return list
}

// Two systems are compared by meaning.
func TestAcrossDialects(t *testing.T) {
	linux := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	system := func(d layers.Dialect) layers.Codec { return layers.Codec{Dialect: d, Order: layers.BigEndian} }
	value := func(c layers.Codec, e layers.Enum, names ...string) uint8 {
		for _, n := range names {
			if v, ok := c.Dialect.EnumValue(e, n); ok {
				return uint8(v)
			}
		}
		t.Fatalf("%v has none of %q", c, names)
		return 0
	}
	message := func(c layers.Codec, errno string, exts ...layers.Extension) []byte {
		base := layers.Base{Type: layers.ADD, SAType: value(c, layers.EnumSAType, "ESP")}
		for n := range 256 {
			if errno != "" && c.Dialect.ErrnoName(uint8(n)) == errno {
				base.Errno = uint8(n)
			}
		}
		b, err := c.Encode(&base, exts...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sa := func(c layers.Codec, encrypt []string, flags uint32) *layers.SA {
		return &layers.SA{SPI: 0x100, State: 1, Auth: value(c, layers.EnumAuth, "SHA2_256HMAC", "SHA2_256", "SHA256HMAC"), Encrypt: value(c, layers.EnumEncrypt, encrypt...), Flags: flags}
	}
	replay := func(c layers.Codec, n uint8) *layers.SA {
		x := sa(c, []string{"AESCBC", "AES"}, 0)
		x.Replay = n
		return x
	}
	v6 := func(c layers.Codec) *layers.Address {
		return c.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("[2001:db8::1]:500"), 128, 0)
	}
	aes, gcm := []string{"AESCBC", "AES"}, []string{"AES_GCM_ICV16", "AESGCM16", "AES_GCM_16"}
	openbsd, freebsd, illumos := system(layers.OpenBSD), system(layers.FreeBSD), system(layers.Illumos)
	for _, test := range []struct {
		name  string
		other layers.Codec
		a, b  []byte
		want  []string
	}{
		{"algorithms, types and families", freebsd, message(linux, "", sa(linux, aes, 0), v6(linux)), message(freebsd, "", sa(freebsd, aes, 0), v6(freebsd)), nil},
		{"an AEAD", illumos, message(linux, "", sa(linux, gcm, 0), v6(linux)), message(illumos, "", sa(illumos, gcm, 0), v6(illumos)), nil},
		{"another order of extensions", freebsd, message(linux, "", sa(linux, aes, 0), v6(linux)), message(freebsd, "", v6(freebsd), sa(freebsd, aes, 0)), nil},
		{"another algorithm", freebsd, message(linux, "", sa(linux, aes, 0)), message(freebsd, "", sa(freebsd, []string{"3DESCBC"}, 0)),
			[]string{"value sa.encrypt: 12(AESCBC) | 3(3DESCBC)"}},
		{"what OpenBSD has not", openbsd, message(linux, "", sa(linux, aes, 0), v6(linux), &layers.SA2{Mode: 1}), message(openbsd, "", sa(openbsd, aes, 0), v6(openbsd)),
			[]string{"absent address_src.prefixlen: 128 | ", "absent address_src.proto: 0 | ", "absent sa2: 16 bytes | "}},
		{"a flag that is called otherwise", openbsd, message(linux, "", sa(linux, aes, 0)), message(openbsd, "", sa(openbsd, aes, 4)),
			[]string{"absent sa.flags: 0x0 | 0x4(TUNNEL)"}},
		{"a flag that both have", openbsd, message(linux, "", sa(linux, aes, 1)), message(openbsd, "", sa(openbsd, aes, 4)),
			[]string{"value sa.flags: 0x1(PFS) | 0x4(TUNNEL)"}},
		{"a replay window in octets", freebsd, message(linux, "", replay(linux, 32)), message(freebsd, "", replay(freebsd, 4)), nil},
		{"another replay window", freebsd, message(linux, "", replay(linux, 32)), message(freebsd, "", replay(freebsd, 32)), []string{"value sa.replay: 32 | 32"}},
		{"an error by name", openbsd, message(linux, "EAGAIN"), message(openbsd, "EAGAIN"), nil},
		{"an error by number", openbsd, message(linux, "EAGAIN"), message(openbsd, "EDEADLK"), []string{"value msg.errno: 11(EAGAIN) | 11(EDEADLK)"}},
		{"only there", freebsd, message(linux, "", sa(linux, aes, 0)), message(freebsd, "", sa(freebsd, aes, 0), v6(freebsd)), []string{"added address_src:  | 40 bytes"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := differences(linux, test.a, test.other, test.b)
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// Any two messages of any two systems can be compared, and what is equal one way round
// is equal the other way round.
func FuzzCompare(f *testing.F) {
	for _, d := range layers.Dialects() {
		g := gen.New(layers.Codec{Dialect: d, Order: layers.LittleEndian}, 3, gen.Options{})
		for range 20 {
			b, _ := g.Next(nil)
			f.Add(byte(d), byte(layers.Linux), b, b)
			h := gen.New(layers.Codec{Dialect: layers.OpenBSD, Order: layers.BigEndian}, 4, gen.Options{})
			c, _ := h.Next(nil)
			f.Add(byte(d), byte(layers.OpenBSD)|0x80, b, c)
		}
	}
	codec := func(b byte) layers.Codec {
		c := layers.Codec{Dialect: layers.Dialects()[int(b&0x7f)%len(layers.Dialects())], Order: layers.LittleEndian}
		if b&0x80 != 0 {
			c.Order = layers.BigEndian
		}
		return c
	}
	f.Fuzz(func(t *testing.T, p, q byte, x, y []byte) {
		a, b := codec(p), codec(q)
		if there, back := differences(a, x, b, y), differences(b, y, a, x); (len(there) == 0) != (len(back) == 0) {
			t.Fatalf("one way round %q, the other %q", there, back)
		}
		if same := differences(a, x, a, x); len(same) > 0 {
			t.Fatalf("a message is not itself: %q", same)
		}
	})
}
