package espsa

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record/convert/ipseckey"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
)

var (
	linux     = layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
	freebsd   = layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
	netbsd    = layers.Codec{Dialect: layers.NetBSD, Order: layers.LittleEndian}
	openbsd   = layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian}
	dragonfly = layers.Codec{Dialect: layers.DragonFly, Order: layers.LittleEndian}
	illumos   = layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian}
)

const (
	key128 = "0x00112233445566778899aabbccddeeff"
	salt   = "01020304"
)

func TestLines(t *testing.T) {
	const ends = "add 10.0.0.1 10.0.0.2 esp 0x1234 "
	const head = `"IPv4","10.0.0.1","10.0.0.2","0x00001234",`
	for _, tt := range []struct {
		name  string
		codec layers.Codec
		text  string
		want  string // the line, or the error
		notes int
	}{
		{"sha-1", linux, ends + "-E aes-cbc " + key128 + " -A hmac-sha1 " + key128 + ";", head + `"AES-CBC [RFC3602]","` + key128 + `","HMAC-SHA-1-96 [RFC2404]","` + key128 + `"`, 0},
		{"IPv6", linux, "add 2001:db8::1 2001:db8::2 esp 1 -E null -A hmac-md5 " + key128 + ";", `"IPv6","2001:db8::1","2001:db8::2","0x00000001","NULL","","HMAC-MD5-96 [RFC2403]","` + key128 + `"`, 0},
		{"sha-256 of Linux", linux, ends + "-E null -A hmac-sha2-256 " + key128 + ";", head + `"NULL","","HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]","` + key128 + `"`, 0},
		{"sha-256 of FreeBSD", freebsd, ends + "-E null -A hmac-sha2-256 " + key128 + ";", head + `"NULL","","HMAC-SHA-256-128 [RFC4868]","` + key128 + `"`, 0},
		{"sha-512 of NetBSD", netbsd, ends + "-E null -A hmac-sha2-512 " + key128 + ";", head + `"NULL","","HMAC-SHA-512-256 [RFC4868]","` + key128 + `"`, 0},
		{"sha-384 of DragonFly", dragonfly, ends + "-E null -A hmac-sha2-384 " + key128 + ";", head + `"NULL","","ANY 96 bit authentication [no checking]",""`, 1},
		{"ctr", linux, ends + "-E aes-ctr " + key128 + salt + " -A null;", head + `"AES-CTR [RFC3686]","` + key128 + salt + `","NULL",""`, 0},
		{"gcm", freebsd, ends + "-E aes-gcm-16 " + key128 + salt + ";", head + `"AES-GCM with 16 octet ICV [RFC4106]","` + key128 + salt + `","NULL",""`, 0},
		{"chacha20", openbsd, ends + "-E chacha20-poly1305 " + key128 + key128[2:] + salt + ";", head + `"ChaCha20 with Poly1305 [RFC7634]","` + key128 + key128[2:] + salt + `","NULL",""`, 0},
		{"esn", freebsd, ends + "-esn -E null -A null;", head + `"NULL","","NULL",""`, 1},
		{"xcbc", linux, ends + "-E null -A aes-xcbc-mac " + key128 + ";", head + `"NULL","","ANY 96 bit authentication [no checking]",""`, 1},
		{"camellia", linux, ends + "-E camellia-cbc " + key128 + ";", "not decrypted by Wireshark: encryption algorithm CAMELLIACBC", 0},
		{"short blowfish", linux, ends + "-E blowfish-cbc 0x0011223344;", "not decrypted by Wireshark: BLOWFISHCBC with a key of 40 bits (it takes [128])", 0},
		{"ah", linux, "add 10.0.0.1 10.0.0.2 ah 1 -A hmac-md5 " + key128 + ";", "not an SA of ESP", 0},
		{"no keys", linux, "get 10.0.0.1 10.0.0.2 esp 1;", "no key in the message", 0},
		{"illumos", illumos, "add esp spi 0x1234 src 10.0.0.1 dst 10.0.0.2 encr_alg aes encrkey 00112233445566778899aabbccddeeff auth_alg sha256 authkey 00112233445566778899aabbccddeeff", head + `"AES-CBC [RFC3602]","` + key128 + `","HMAC-SHA-256-128 [RFC4868]","` + key128 + `"`, 0},
		{"from anywhere", openbsd, "", `"IPv4","*","10.0.0.2","0x00001234","NULL","","NULL",""`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var msg []byte
			var err error
			switch {
			case tt.text == "": // OpenBSD does not want a source
				msg, err = tt.codec.Encode(&layers.Base{Type: layers.ADD, SAType: 2}, &layers.SA{SPI: 0x1234, State: 1, Encrypt: 11},
					tt.codec.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("10.0.0.2:0"), 0, 0), tt.codec.NewKey(layers.LayerTypeKeyAuth, []byte{1}))
			default:
				var s interface {
					Messages(layers.Codec) ([]setkey.Message, error)
				}
				if tt.codec.Dialect == layers.Illumos {
					s, err = ipseckey.NewParser(strings.NewReader(tt.text), ipseckey.Options{}).Next()
				} else {
					s, err = setkey.NewParser(strings.NewReader(tt.text), setkey.Options{}).Next()
				}
				if err != nil {
					t.Fatal(err)
				}
				ms, merr := s.Messages(tt.codec)
				if merr != nil {
					t.Fatal(merr)
				}
				msg, err = ms[0].Encode(tt.codec)
			}
			if err != nil {
				t.Fatal(err)
			}
			sa, err := FromMessage(tt.codec, msg)
			got := strings.TrimSuffix(string(sa.Append(nil)), "\n")
			if err != nil {
				got = err.Error()
			}
			if got != tt.want || len(sa.Notes) != tt.notes {
				t.Errorf("got\n%s %q\nwant\n%s", got, sa.Notes, tt.want)
			}
		})
	}
}

// On illumos the salt is behind the bits of the key.
func TestSalt(t *testing.T) {
	octets := []byte("0123456789abcdefSALT\x00\x00\x00\x00")
	msg, err := illumos.Encode(&layers.Base{Type: layers.ADD, SAType: 3}, &layers.SA{SPI: 1, State: 1, Encrypt: 20},
		illumos.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("10.0.0.2:0"), 32, 0),
		&layers.Key{Header: layers.For(layers.LayerTypeKeyEncrypt), Bits: 128, Reserved: 32, Octets: octets})
	if err != nil {
		t.Fatal(err)
	}
	if sa, err := FromMessage(illumos, msg); err != nil || string(sa.EncryptKey) != "0123456789abcdefSALT" {
		t.Errorf("%d bytes, %v", len(sa.EncryptKey), err)
	}
}

// Whatever the message, there is a line of eight columns or an error, which shows no key.
func TestAnyMessage(t *testing.T) {
	for i := range uint64(4000) {
		c := layers.Codec{Dialect: layers.Dialects()[i%uint64(len(layers.Dialects()))], Order: layers.LittleEndian}
		msg, _ := gen.New(c, 2, gen.Options{}).At(i, nil)
		sa, err := FromMessage(c, msg)
		if err != nil {
			if !errors.Is(err, ErrNotESP) && !errors.Is(err, ErrNoKeys) && !errors.Is(err, ErrUnknown) {
				t.Fatalf("%d: %v", i, err)
			}
			continue
		}
		if line := string(sa.Append(nil)); strings.Count(line, `","`) != 7 || strings.Count(line, "\n") != 1 {
			t.Fatalf("%d: %q", i, line)
		}
	}
}
