// Package espsa writes the keys of ESP SAs as Wireshark reads them: lines of the file
// esp_sa of a profile, its user accessible table of ESP SAs.
//
// The names of algorithms are those of epan/dissectors/packet-ipsec.c of Wireshark 4.0,
// whose records have eight columns; later versions fill in the rest.
package espsa

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
	"github.com/pfkeycap/pfkeycap/record/convert/xfrmname"
)

// ErrNotESP is the error for a message that is not about an SA of ESP with its
// algorithms.
var ErrNotESP = errors.New("not an SA of ESP")

// ErrUnknown is the error for an SA whose packets Wireshark cannot decrypt.
var ErrUnknown = errors.New("not decrypted by Wireshark")

// ErrNoKeys is the error for a message without a key that the algorithms need, as many
// kernels send it.
var ErrNoKeys = errors.New("no key in the message")

// SA is an SA as a line of the file says it.
type SA struct {
	Src, Dst   netip.Addr // Src is unspecified if the message does not say it: any
	SPI        uint32     // host byte order
	Encrypt    string     // Wireshark's name
	EncryptKey layers.Secret
	Auth       string // Wireshark's name
	AuthKey    layers.Secret
	// Ports are those of UDP encapsulation, zero without.
	SrcPort, DstPort uint16
	// Notes say what Wireshark cannot check, one sentence each.
	Notes []string
}

// cipher is an encryption of Wireshark's. Keys are as PF_KEY has them: those of CTR, GCM
// and ChaCha20 with their nonce or salt at the end.
type cipher struct {
	name string
	bits []int // the lengths of keys that it takes
}

// ciphers are by XFRM's names.
var ciphers = map[string]cipher{
	"ecb(cipher_null)":              {"NULL", nil},
	"cbc(des3_ede)":                 {"TripleDES-CBC [RFC2451]", []int{192}},
	"cbc(aes)":                      {"AES-CBC [RFC3602]", []int{128, 192, 256}},
	"rfc3686(ctr(aes))":             {"AES-CTR [RFC3686]", []int{160, 224, 288}},
	"cbc(des)":                      {"DES-CBC [RFC2405]", []int{64}},
	"cbc(cast5)":                    {"CAST5-CBC [RFC2144]", []int{128}},
	"cbc(blowfish)":                 {"BLOWFISH-CBC [RFC2451]", []int{128}},
	"cbc(twofish)":                  {"TWOFISH-CBC", []int{128, 256}},
	"rfc4106(gcm(aes))":             {"AES-GCM with %d octet ICV [RFC4106]", []int{160, 224, 288}},
	"rfc7539esp(chacha20,poly1305)": {"ChaCha20 with Poly1305 [RFC7634]", []int{288}},
}

type authentication struct {
	xfrm string
	icv  int // bits
}

var authentications = map[authentication]string{
	{"digest_null", 0}:    "NULL",
	{"hmac(md5)", 96}:     "HMAC-MD5-96 [RFC2403]",
	{"hmac(sha1)", 96}:    "HMAC-SHA-1-96 [RFC2404]",
	{"hmac(sha256)", 96}:  "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]",
	{"hmac(sha256)", 128}: "HMAC-SHA-256-128 [RFC4868]",
	{"hmac(sha384)", 192}: "HMAC-SHA-384-192 [RFC4868]",
	{"hmac(sha512)", 256}: "HMAC-SHA-512-256 [RFC4868]",
	{"hmac(rmd160)", 96}:  "MAC-RIPEMD-160-96 [RFC2857]",
}

// unchecked are the lengths in bits of integrity check values that Wireshark passes over.
var unchecked = map[int]bool{64: true, 96: true, 128: true, 192: true, 256: true}

// FromMessage makes the line of the SA that a message adds, changes or shows. The keys
// alias msg. The error wraps ErrNotESP, ErrNoKeys or ErrUnknown; with the last two the
// SA's names are set.
func FromMessage(c layers.Codec, msg []byte) (sa SA, err error) {
	m := layers.Message{}
	m.Codec = c
	if err := m.DecodeFromBytes(msg, gopacket.NilDecodeFeedback); err != nil {
		return sa, fmt.Errorf("%w: %w", ErrNotESP, err)
	}
	d := c.Dialect
	x, dst := m.SA(), m.AddressDst()
	if d.EnumName(d.SATypeEnum(m.Type, m.SAType), uint64(m.SAType)) != "ESP" || x == nil || x.SPI == 0 || dst == nil || !dst.Addr().IsValid() {
		return sa, ErrNotESP
	}
	sa.Dst, sa.SPI = dst.Addr().WithZone(""), x.SPI
	if a := m.AddressSrc(); a != nil && a.Addr().IsValid() {
		sa.Src = a.Addr().WithZone("")
	} else {
		sa.Src = netip.IPv6Unspecified()
	}
	if m.KeyEncrypt() == nil && m.KeyAuth() == nil {
		return sa, ErrNoKeys
	}
	switch t := m.NATTType(); {
	case t != nil && t.Type != 0:
		if p := m.NATTSrcPort(); p != nil {
			sa.SrcPort = p.Port
		}
		if p := m.NATTDstPort(); p != nil {
			sa.DstPort = p.Port
		}
	case m.UDPEncap() != nil:
		sa.DstPort = m.UDPEncap().Port
	}
	return sa, sa.algorithms(d, x, m.KeyEncrypt(), m.KeyAuth())
}

func (sa *SA) algorithms(d layers.Dialect, x *layers.SA, encryptKey, authKey *layers.Key) error {
	if x.Encrypt == 0 {
		return fmt.Errorf("%w: it has no encryption algorithm", ErrUnknown)
	}
	e, ok := xfrmname.OfNumber(d, layers.EnumEncrypt, x.Encrypt)
	known := ciphers[e.Name]
	if !ok || known.name == "" {
		return fmt.Errorf("%w: encryption algorithm %s", ErrUnknown, named(d, layers.EnumEncrypt, x.Encrypt))
	}
	if sa.Encrypt = known.name; e.Name == "rfc4106(gcm(aes))" {
		sa.Encrypt = fmt.Sprintf(known.name, e.ICV/8)
	}
	if len(known.bits) > 0 {
		if encryptKey == nil {
			return ErrNoKeys
		}
		key := statement.KeyOctets(d, encryptKey)
		if bits := 8 * len(key); !slices.Contains(known.bits, bits) {
			return fmt.Errorf("%w: %s with a key of %d bits (it takes %v)", ErrUnknown, named(d, layers.EnumEncrypt, x.Encrypt), bits, known.bits)
		}
		sa.EncryptKey = key
	}
	if v, ok := d.FlagValue(layers.EnumSAFlags, "ESN"); ok && x.Flags&v != 0 {
		sa.Notes = append(sa.Notes, "the upper half of an extended sequence number (ESN) is not in the packets: Wireshark 4.0 takes it for 0")
	}
	sa.Auth = "NULL"
	if e.Kind == xfrmname.AEAD || x.Auth == 0 {
		return nil
	}
	a, ok := xfrmname.OfNumber(d, layers.EnumAuth, x.Auth)
	if !ok {
		return fmt.Errorf("%w: authentication algorithm %s, whose length is not known", ErrUnknown, named(d, layers.EnumAuth, x.Auth))
	}
	icv := a.ICVOf(d)
	if name, known := authentications[authentication{a.Name, icv}]; known {
		sa.Auth = name
		if authKey == nil && name != "NULL" {
			return ErrNoKeys
		}
		if authKey != nil && name != "NULL" {
			sa.AuthKey = authKey.Key()
		}
		return nil
	}
	if !unchecked[icv] {
		return fmt.Errorf("%w: authentication algorithm %s of %d bits", ErrUnknown, named(d, layers.EnumAuth, x.Auth), icv)
	}
	sa.Auth = fmt.Sprintf("ANY %d bit authentication [no checking]", icv)
	sa.Notes = append(sa.Notes, fmt.Sprintf("Wireshark does not check %s of %d bits: its packets are decrypted only", named(d, layers.EnumAuth, x.Auth), icv))
	return nil
}

func named(d layers.Dialect, e layers.Enum, v uint8) string {
	if name := d.EnumName(e, uint64(v)); name != "" {
		return name
	}
	return fmt.Sprint(v)
}

// Append appends the line, with its newline.
func (sa *SA) Append(dst []byte) []byte {
	family := "IPv4"
	if sa.Dst.Is6() {
		family = "IPv6"
	}
	src := "*"
	if !sa.Src.IsUnspecified() {
		src = sa.Src.String()
	}
	dst = fmt.Appendf(dst, `"%s","%s","%v","0x%08x","%s","`, family, src, sa.Dst, sa.SPI, sa.Encrypt)
	dst = appendKey(dst, sa.EncryptKey)
	dst = fmt.Appendf(dst, `","%s","`, sa.Auth)
	dst = appendKey(dst, sa.AuthKey)
	return append(dst, '"', '\n')
}

func appendKey(dst []byte, k layers.Secret) []byte {
	if len(k) == 0 {
		return dst
	}
	return hex.AppendEncode(append(dst, "0x"...), k)
}
