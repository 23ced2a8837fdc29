package xfrmname

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

func TestLinuxHasThemAll(t *testing.T) {
	for _, e := range []layers.Enum{layers.EnumAuth, layers.EnumEncrypt, layers.EnumComp} {
		for v, name := range layers.Linux.EnumNames(e) {
			if name == "" || name == "NONE" || name == "OUI" { // OUI: PF_KEY has a number, XFRM no algorithm
				continue
			}
			a, ok := OfNumber(layers.Linux, e, uint8(v))
			if !ok || a.PFKEY != name {
				t.Errorf("%s %d: %+v, %v", name, v, a, ok)
				continue
			}
			if n, ok := a.Number(layers.Linux); !ok || int(n) != v {
				t.Errorf("%s: number %d, %v", name, n, ok)
			}
			if b, ok := ByName(a.Kind, a.Name, a.ICV); !ok || b != a {
				t.Errorf("%s: by name %+v", a.Name, b)
			}
		}
	}
}

func TestOtherDialects(t *testing.T) {
	for _, test := range []struct {
		d      layers.Dialect
		e      layers.Enum
		number uint8
		kind   Kind
		want   string
		icv    int
	}{
		{layers.FreeBSD, layers.EnumEncrypt, 12, Encrypt, "cbc(aes)", 0},
		{layers.OpenBSD, layers.EnumEncrypt, 12, Encrypt, "cbc(aes)", 0},
		{layers.OpenBSD, layers.EnumEncrypt, 20, AEAD, "rfc4106(gcm(aes))", 128},
		{layers.OpenBSD, layers.EnumEncrypt, 21, AEAD, "rfc4543(gcm(aes))", 128},
		{layers.OpenBSD, layers.EnumEncrypt, 22, AEAD, "rfc7539esp(chacha20,poly1305)", 128},
		{layers.Illumos, layers.EnumEncrypt, 14, AEAD, "rfc4309(ccm(aes))", 64},
		{layers.MacOS, layers.EnumEncrypt, 3, Encrypt, "ecb(cipher_null)", 0},
		{layers.MacOS, layers.EnumEncrypt, 13, AEAD, "rfc4106(gcm(aes))", 128},
		{layers.MacOS, layers.EnumAuth, 6, Auth, "hmac(sha256)", 96},
		{layers.DragonFly, layers.EnumAuth, 2, Auth, "hmac(sha1)", 96},
		{layers.Illumos, layers.EnumAuth, 7, Auth, "hmac(sha512)", 256},
		{layers.NetBSD, layers.EnumComp, 2, Compress, "deflate", 0},
		{layers.FreeBSD, layers.EnumEncrypt, 7, Encrypt, "cbc(blowfish)", 0},
	} {
		a, ok := OfNumber(test.d, test.e, test.number)
		if !ok || a.Kind != test.kind || a.Name != test.want || a.ICV != test.icv {
			t.Errorf("%v %d: %+v, %v; want %v %s %d", test.d, test.number, a, ok, test.kind, test.want, test.icv)
		}
	}
	for _, test := range []struct {
		d      layers.Dialect
		e      layers.Enum
		number uint8
	}{
		{layers.FreeBSD, layers.EnumAuth, 252}, // TCP_MD5
		{layers.FreeBSD, layers.EnumAuth, 249}, // keyed MD5
		{layers.FreeBSD, layers.EnumAuth, 11},  // AES128GMAC stands beside AESGMAC
		{layers.OpenBSD, layers.EnumEncrypt, 249},
		{layers.Linux, layers.EnumEncrypt, 0},
		{layers.Linux, layers.EnumAuth, 200},
	} {
		if a, ok := OfNumber(test.d, test.e, test.number); ok {
			t.Errorf("%v %d is %+v", test.d, test.number, a)
		}
	}
}

func TestCompat(t *testing.T) {
	if a, ok := ByName(Auth, "sha256", 128); !ok || a.PFKEY != "SHA2_256HMAC" {
		t.Error(a, ok)
	}
	if _, ok := ByName(Encrypt, "", 0); ok {
		t.Error("an empty name is an algorithm")
	}
	if _, ok := ByName(AEAD, "rfc4106(gcm(aes))", 80); ok {
		t.Error("an AEAD with an ICV of 80 bits")
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct {
		got, want string
	}{
		{Mode("TUNNEL"), "tunnel"}, {Mode("ANY"), "transport"}, {Mode("TCPMD5"), ""}, {ModeOf("transport"), "TRANSPORT"}, {ModeOf("beet"), "BEET"}, {ModeOf("ro"), ""},
		{Protocol("ESP"), "esp"}, {Protocol("IPCOMP"), "comp"}, {ProtocolOf("ah"), "AH"}, {ProtocolOf("hao"), ""},
		{Encap("ESPINUDP"), "espinudp"}, {EncapOf("espinudp-nonike"), "ESPINUDP_NON_IKE"},
		{Direction("FWD"), "fwd"}, {DirectionOf("in"), "INBOUND"}, {Direction("ANY"), ""},
		{Level("UNIQUE"), "required"}, {LevelOf("required"), "REQUIRE"}, {LevelOf("use"), "USE"},
		{Flag("NOECN"), "noecn"}, {FlagOf("esn"), ""}, {FlagOf("decap-dscp"), "DECAP_DSCP"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
	// Every word names something that Linux has.
	for e, list := range map[layers.Enum][]name{
		layers.EnumMode: modes, layers.EnumSAType: protocols, layers.EnumNATTType: encaps, layers.EnumDir: directions, layers.EnumLevel: levels,
	} {
		for _, n := range list {
			if _, ok := layers.Linux.EnumValue(e, n.pfkey); !ok {
				t.Errorf("Linux has no %s", n.pfkey)
			}
		}
	}
	for _, n := range flags {
		if _, ok := layers.Linux.FlagValue(layers.EnumSAFlags, n.pfkey); !ok {
			t.Errorf("Linux has no flag %s", n.pfkey)
		}
	}
}
