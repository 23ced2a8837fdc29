package sniff_test

import (
	"math/rand"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
)

// kernel makes messages as the kernel of a dialect sends them, for the systems of
// which there are no captures too. It knows the order of extensions, the numbers of
// algorithms and the flags, and uses no more than the dialect's own names.
type kernel struct {
	t   *testing.T
	c   layers.Codec
	rng *rand.Rand
	six bool // some addresses are IPv6
}

func (k *kernel) number(e layers.Enum, names ...string) uint8 {
	k.t.Helper()
	for _, n := range names {
		if v, ok := k.c.Dialect.EnumValue(e, n); ok {
			return uint8(v)
		}
	}
	k.t.Fatalf("%v has none of %v", k.c, names)
	return 0
}

func (k *kernel) kame() bool {
	switch k.c.Dialect {
	case layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly:
		return true
	}
	return false
}

func (k *kernel) addresses() (src, dst *layers.Address) {
	addr := func(t gopacket.LayerType) *layers.Address {
		if k.six {
			a := [16]byte{0: 0x20, 1: 1, 15: byte(k.rng.Intn(256))}
			return k.c.NewAddress(t, netip.AddrPortFrom(netip.AddrFrom16(a), 0), 128, 255)
		}
		a := [4]byte{10, 0, 0, byte(k.rng.Intn(256))}
		return k.c.NewAddress(t, netip.AddrPortFrom(netip.AddrFrom4(a), 0), 32, 255)
	}
	return addr(layers.LayerTypeAddressSrc), addr(layers.LayerTypeAddressDst)
}

func (k *kernel) encode(b *layers.Base, exts ...layers.Extension) []byte {
	k.t.Helper()
	b.Seq, b.PID = uint32(k.rng.Intn(1000)), 412
	m, err := k.c.Encode(b, exts...)
	if err != nil {
		k.t.Fatal(err)
	}
	return m
}

// message makes one of several kinds.
func (k *kernel) message() []byte {
	c, d := k.c, k.c.Dialect
	esp := k.number(layers.EnumSAType, "ESP")
	octets := func(n int) []byte { b := make([]byte, n); k.rng.Read(b); return b }
	sha1, des3 := k.number(layers.EnumAuth, "SHA1HMAC"), k.number(layers.EnumEncrypt, "3DESCBC")
	sa := &layers.SA{SPI: 0x100 + k.rng.Uint32()>>1, Replay: 4, State: 1, Auth: sha1, Encrypt: des3}
	src, dst := k.addresses()
	life := func(t gopacket.LayerType) *layers.Lifetime {
		return &layers.Lifetime{Header: layers.For(t), AddTime: uint64(k.rng.Intn(5000))}
	}
	hard, soft, current := life(layers.LayerTypeLifetimeHard), life(layers.LayerTypeLifetimeSoft), life(layers.LayerTypeLifetimeCurrent)
	auth, encrypt := c.NewKey(layers.LayerTypeKeyAuth, octets(20)), c.NewKey(layers.LayerTypeKeyEncrypt, octets(24))
	sa2 := &layers.SA2{Mode: uint8(1 + k.rng.Intn(2)), ReqID: uint32(k.rng.Intn(100))}
	kind := k.rng.Intn(5)
	switch kind {
	case 0:
		return k.encode(&layers.Base{Type: layers.FLUSH, SAType: esp})
	case 1: // REGISTER
		iv, min, max := uint8(8), uint16(160), uint16(160)
		ivBits := d == layers.OpenBSD || d == layers.Illumos
		if ivBits {
			iv = 64
		}
		a := c.AppendAlg(nil, layers.Alg{ID: k.number(layers.EnumAuth, "MD5HMAC"), MinBits: 128, MaxBits: 128})
		a = c.AppendAlg(a, layers.Alg{ID: sha1, MinBits: min, MaxBits: max})
		e := c.AppendAlg(nil, layers.Alg{ID: des3, IVLen: iv, MinBits: 192, MaxBits: 192})
		e = c.AppendAlg(e, layers.Alg{ID: k.number(layers.EnumEncrypt, "AESCBC", "RIJNDAELCBC", "AES"), IVLen: 2 * iv, MinBits: 128, MaxBits: 256})
		return k.encode(&layers.Base{Type: layers.REGISTER, SAType: esp},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedAuth), List: a},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedEncrypt), List: e})
	case 2: // an answer to ADD
		switch {
		case d == layers.Linux:
			return k.encode(&layers.Base{Type: layers.ADD, SAType: esp}, sa, hard, soft, current, src, dst, auth, encrypt, sa2)
		case k.kame():
			return k.encode(&layers.Base{Type: layers.ADD, SAType: esp}, sa, sa2, src, dst)
		case d == layers.Illumos:
			return k.encode(&layers.Base{Type: layers.ADD, SAType: esp}, sa, src, dst, &layers.KMCookie{Proto: 1, Cookie: 7})
		}
		return k.encode(&layers.Base{Type: layers.ADD, SAType: esp}, sa, src, dst)
	case 3: // an answer to GET
		b := &layers.Base{Type: layers.GET, SAType: esp}
		switch {
		case d == layers.Linux:
			return k.encode(b, sa, hard, soft, current, src, dst, auth, encrypt, sa2)
		case k.kame():
			b.Reserved = 2 // references
			return k.encode(b, sa, sa2, hard, soft, current, src, dst, auth, encrypt)
		case d == layers.Illumos:
			return k.encode(b, sa, current, hard, soft, src, dst, auth, encrypt, &layers.Pair{SPI: 77})
		}
		return k.encode(b, sa, current, hard, soft, src, dst, auth, encrypt)
	default: // EXPIRE
		switch {
		case d == layers.Linux:
			return k.encode(&layers.Base{Type: layers.EXPIRE, SAType: esp}, sa, soft, current, src, dst, sa2)
		case k.kame():
			return k.encode(&layers.Base{Type: layers.EXPIRE, SAType: esp}, sa, sa2, current, soft, src, dst)
		}
		return k.encode(&layers.Base{Type: layers.EXPIRE, SAType: esp}, sa, current, soft, src, dst)
	}
}

// TestKernels decides on what kernels send. Without IPv6, some systems write the same.
func TestKernels(t *testing.T) {
	for _, d := range layers.Dialects() {
		if d == layers.RFC2367 {
			continue
		}
		for _, c := range []layers.Codec{le(d), be(d)} {
			for _, six := range []bool{false, true} {
				name := c.String() + " IPv4"
				if six {
					name = c.String() + " IPv6"
				}
				t.Run(name, func(t *testing.T) {
					rng := rand.New(rand.NewSource(int64(d)))
					decided, last := 0, 0
					for range 40 {
						k := &kernel{t: t, c: c, rng: rng, six: six}
						var s sniff.Sniffer
						for range 12 {
							m := k.message()
							s.Add(m, len(m))
							if list := sniff.Contradictions(c, m); len(list) > 0 {
								t.Fatalf("%x contradicts %v: %q", m, c, list)
							}
							if got, ok := s.Decided(); ok && got != c {
								t.Fatalf("decided on %v: %q", got, s.Candidates()[0].Reasons)
							} else if ok {
								decided++
							}
						}
						last++
						if _, ok := s.Decided(); !ok {
							last--
						}
					}
					// FreeBSD and NetBSD differ from each other and from macOS and DragonFly
					// in little that is here.
					tells := map[layers.Dialect]bool{layers.Linux: true, layers.OpenBSD: true, layers.Illumos: true,
						layers.NetBSD: six, layers.MacOS: six, layers.FreeBSD: six}[d]
					t.Logf("%d of 40 decided", last)
					if tells && last < 36 {
						t.Errorf("only %d of 40 decided", last)
					}
				})
			}
		}
	}
}
