package replay_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay"
)

func TestCompare(t *testing.T) {
	base := state(layers.GET, 9, spi1, 100, key("0123456789abcdefghij"))
	supported := func(order ...uint8) []byte {
		var list []byte
		for _, id := range order {
			list = little.AppendAlg(list, layers.Alg{ID: id, MinBits: uint16(id) * 10})
		}
		return enc(layers.Base{Type: layers.REGISTER, SAType: layers.SATypeESP, Seq: 1},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedAuth), List: list})
	}
	change := func(msg []byte, at int, b byte) []byte {
		c := bytes.Clone(msg)
		c[at] ^= b
		return c
	}
	for _, test := range []struct {
		name             string
		recorded, target []byte
		verdict          replay.Verdict
		want             []string // String of each difference
	}{
		{"equal", base, base, replay.Equal, nil},
		{"time", base, state(layers.GET, 9, spi1, 101, key("0123456789abcdefghij")), replay.Volatile,
			[]string{"lifetime_current.addtime recorded 100, target 101 (a time)"}},
		{"reference count", spd(layers.SPDGET, 1, 8, 0, true), change(spd(layers.SPDGET, 1, 8, 0, true), 6, 1), replay.Volatile,
			[]string{"msg.reserved recorded 3, target 2 (a reference count)"}},
		{"sequence number", base, change(base, 8, 3), replay.Volatile, []string{"msg.seq recorded 9, target 10 (a sequence number)"}},
		{"errno alone counts", base, header(layers.GET, 9, 3), replay.Different, []string{"msg.errno recorded 0, target 3(ESRCH)"}},
		{"type alone counts", base, state(layers.DELETE, 9, spi1, 100), replay.Different, []string{"msg.type recorded 5(GET), target 4(DELETE)"}},
		{"field", base, change(base, layers.BaseLen+8, 32), replay.Different, []string{"sa.replay recorded 0, target 32"}},
		{"address", base, change(base, layers.BaseLen+16+3*32+12, 1), replay.Different, []string{"address_src.addr recorded 10.0.0.1, target 11.0.0.1"}},
		{"key", base, state(layers.GET, 9, spi1, 100, key("0123456789abcdefghiX")), replay.Different,
			[]string{"key_auth.key recorded ··(20 bytes), target ··(20 bytes) (the octets differ)"}},
		{"shorter key", base, state(layers.GET, 9, spi1, 100, key("0123456789abcdef")), replay.Different,
			[]string{"key_auth.bits recorded 160, target 128", "key_auth.key recorded ··(20 bytes), target ··(16 bytes)"}},
		{"kernel-chosen SPI is no excuse alone", base, state(layers.GET, 9, spi2, 100, key("0123456789abcdefghij")), replay.Different,
			[]string{"sa.spi recorded 0x00001001, target 0x00002002"}},
		{"dropped", base, state(layers.GET, 9, spi1, 100), replay.Different, []string{"key_auth dropped: 32 bytes"}},
		{"added", state(layers.GET, 9, spi1, 100), base, replay.Different, []string{"key_auth added: 32 bytes"}},
		{"reordered", enc(layers.Base{Type: layers.GET}, srcDst()...), enc(layers.Base{Type: layers.GET}, srcDst()[1], srcDst()[0]), replay.Different,
			[]string{"msg order recorded address_src address_dst, target address_dst address_src"}},
		{"algorithm added in front", supported(2, 3, 5), supported(9, 2, 3, 5), replay.Different, []string{
			"supported_auth.algs[9].id recorded nothing, target 9(AES_XCBC_MAC)",
			"supported_auth.algs[9].ivlen recorded nothing, target 0",
			"supported_auth.algs[9].minbits recorded nothing, target 90",
			"supported_auth.algs[9].maxbits recorded nothing, target 0",
			"supported_auth.algs[9].reserved recorded nothing, target 0"}},
		{"algorithms in another order", supported(2, 3, 5), supported(5, 2, 3), replay.Different,
			[]string{"supported_auth order recorded algs[2] algs[3] algs[5], target algs[5] algs[2] algs[3]"}},
		{"request of a policy", spd(layers.SPDGET, 1, 8, 7, true), spd(layers.SPDGET, 1, 8, 9, true), replay.Different,
			[]string{"policy.requests[0].reqid recorded 7, target 9"}},
		{"unknown extension", append(bytes.Clone(base), 2, 0, 77, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), append(bytes.Clone(base), 2, 0, 77, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13), replay.Different,
			[]string{"unknown(77).data recorded ··(12 bytes), target ··(12 bytes) (the octets differ)"}},
		{"rest", append(bytes.Clone(base), 1, 2), append(bytes.Clone(base), 1, 3), replay.Different,
			[]string{"rest.rest recorded ··(2 bytes), target ··(2 bytes) (the octets differ)"}},
		{"zero bytes at the end", base, append(bytes.Clone(base), 0, 0, 0, 0, 0, 0, 0, 0), replay.Different, []string{
			"msg.len recorded nothing, target 26", "rest added: 8 bytes"}},
		{"extension with more zero padding", append(enc(layers.Base{Type: layers.GET}), 2, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
			append(enc(layers.Base{Type: layers.GET}), 3, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), replay.Different,
			[]string{"kmprivate.data recorded ··(8 bytes), target ··(16 bytes)"}},
		{"no message at all", base, []byte{2, 5}, replay.Different, nil},
		{"both too short", []byte{2, 5, 1}, []byte{2, 5, 2}, replay.Different, []string{"rest.rest recorded ··(3 bytes), target ··(3 bytes) (the octets differ)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := replay.Compare(little, test.recorded, test.target)
			if v := replay.Worst(got); v != test.verdict {
				t.Errorf("verdict %v, want %v", v, test.verdict)
			}
			var lines []string
			for i := range got {
				lines = append(lines, got[i].String())
			}
			if test.want != nil && strings.Join(lines, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(lines, "\n\t"), strings.Join(test.want, "\n\t"))
			}
			if len(got) == 0 != bytes.Equal(test.recorded, test.target) {
				t.Errorf("%d differences", len(got))
			}
		})
	}
}

// Every changed bit of every recorded message is found, and named by its field.
func TestCompareEveryBit(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, path := range fixtures(t) {
		list, _ := load(t, path, true)
		for _, r := range list {
			msg := r.Bytes()
			for range 12 {
				if len(msg) == 0 {
					break
				}
				bit := rnd.IntN(8 * len(msg))
				other := bytes.Clone(msg)
				other[bit/8] ^= 1 << (bit % 8)
				got := replay.Compare(r.Codec, msg, other)
				if len(got) == 0 {
					t.Fatalf("%s: %v: bit %d of byte %d changed, and nothing was found", path, r, bit%8, bit/8)
				}
				for i := range got {
					if got[i].Path() == "" && got[i].What != replay.Octets {
						t.Fatalf("%s: %v: byte %d: a difference without a place: %v", path, r, bit/8, &got[i])
					}
				}
			}
		}
	}
}

func TestVolatileFields(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range replay.VolatileFields() {
		if f.Path == "" || f.Reason == "" || seen[f.Path] || f.Path != strings.ToLower(f.Path) {
			t.Errorf("bad entry %+v", f)
		}
		seen[f.Path] = true
	}
	replay.VolatileFields()[0].Path = "x"
	if replay.VolatileFields()[0].Path == "x" {
		t.Error("the list can be changed from outside")
	}
}

func FuzzCompare(f *testing.F) {
	a := state(layers.GET, 9, spi1, 100, key("0123456789abcdefghij"))
	f.Add(a, state(layers.GET, 9, spi2, 101), uint8(2), false)
	f.Add(spd(layers.SPDGET, 1, 8, 7, true), spd(layers.SPDGET, 1, 8, 9, true), uint8(2), true)
	f.Add(a, a[:40], uint8(5), false)
	f.Fuzz(func(t *testing.T, a, b []byte, dialect uint8, bigEndian bool) {
		c := layers.Codec{Dialect: layers.Dialect(dialect % 9), Order: layers.LittleEndian}
		if bigEndian {
			c.Order = layers.BigEndian
		}
		got := replay.Compare(c, a, b)
		if len(got) == 0 != bytes.Equal(a, b) {
			t.Fatalf("%d differences of %x and %x", len(got), a, b)
		}
		if len(replay.Compare(c, b, a)) == 0 != (len(got) == 0) {
			t.Fatal("the other way round says otherwise")
		}
		for i := range got {
			if got[i].Verdict != replay.Volatile && got[i].Verdict != replay.Different {
				t.Fatalf("verdict of %v: %v", &got[i], got[i].Verdict)
			}
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	x := state(layers.GET, 9, spi1, 100, key("0123456789abcdefghij"))
	y := state(layers.GET, 9, spi1, 101, key("0123456789abcdefghij"))
	for _, bench := range []struct {
		name string
		y    []byte
	}{{"equal", x}, {"volatile", y}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				replay.Compare(little, x, bench.y)
			}
		})
	}
}

// A hostile answer gives a bounded report, which still says the worst.
func TestCompareManyDifferences(t *testing.T) {
	supported := func(bits uint16) []byte {
		var list []byte
		for i := range 20000 {
			list = little.AppendAlg(list, layers.Alg{ID: uint8(i), IVLen: uint8(i >> 8), MinBits: bits})
		}
		return enc(layers.Base{Type: layers.REGISTER, Seq: uint32(bits)},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedAuth), List: list})
	}
	got := replay.Compare(little, supported(1), supported(2))
	if len(got) < 100 || len(got) > 300 || replay.Worst(got) != replay.Different {
		t.Fatalf("%d differences, worst %v", len(got), replay.Worst(got))
	}
	if last := got[len(got)-1].Reason; !strings.Contains(last, "more differences of this message") {
		t.Errorf("the last says %q", last)
	}
}

func TestVerdictText(t *testing.T) {
	for v := replay.Equal; v <= replay.Different; v++ {
		b, err := v.MarshalText()
		var back replay.Verdict
		if err != nil || back.UnmarshalText(b) != nil || back != v {
			t.Errorf("%v became %s and then %v", v, b, back)
		}
	}
	var v replay.Verdict
	if v.UnmarshalText([]byte("fine")) == nil {
		t.Error("a verdict that does not exist was read")
	}
	if got := replay.Verdict(9).String(); got != "Verdict(9)" {
		t.Error(got)
	}
}
