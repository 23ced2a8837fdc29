package xfrmname

import "github.com/pfkeycap/pfkeycap/layers"

// Kind is the kind of an algorithm, which in XFRM has a list and an attribute of its
// own.
type Kind uint8

// The kinds. PF_KEY numbers those of AEAD among the encryptions.
const (
	Auth Kind = iota
	Encrypt
	AEAD
	Compress
)

// String returns the word of ip-xfrm(8) before such an algorithm: auth, enc, aead or
// comp. An authentication with the length of its value is auth-trunc.
func (k Kind) String() string { return [...]string{"auth", "enc", "aead", "comp"}[k] }

// Algorithm is one that XFRM knows (net/xfrm/xfrm_algo.c of Linux 6.18).
type Algorithm struct {
	Kind   Kind
	Name   string // as the kernel shows it, such as "hmac(sha256)"
	Compat string // a second name that the kernel takes, or ""

	// PFKEY is the name in Linux' tables of package layers, such as "SHA2_256HMAC", or
	// "" if PF_KEY cannot say it.
	PFKEY string

	// ICV is the length of the integrity check value in bits: what an AEAD of this
	// number has, and what an authentication has unless auth-trunc says otherwise. So all
	// that PF_KEY makes on Linux have it.
	ICV int
	// FullICV is the length before it is truncated, of authentications, in bits.
	FullICV int
	// Salt is how many bits of the key's end are a salt or nonce, and no key of the
	// cipher.
	Salt int
}

var algorithms = []Algorithm{
	{Kind: AEAD, Name: "rfc4106(gcm(aes))", PFKEY: "AES_GCM_ICV8", ICV: 64, Salt: 32},
	{Kind: AEAD, Name: "rfc4106(gcm(aes))", PFKEY: "AES_GCM_ICV12", ICV: 96, Salt: 32},
	{Kind: AEAD, Name: "rfc4106(gcm(aes))", PFKEY: "AES_GCM_ICV16", ICV: 128, Salt: 32},
	{Kind: AEAD, Name: "rfc4309(ccm(aes))", PFKEY: "AES_CCM_ICV8", ICV: 64, Salt: 24},
	{Kind: AEAD, Name: "rfc4309(ccm(aes))", PFKEY: "AES_CCM_ICV12", ICV: 96, Salt: 24},
	{Kind: AEAD, Name: "rfc4309(ccm(aes))", PFKEY: "AES_CCM_ICV16", ICV: 128, Salt: 24},
	{Kind: AEAD, Name: "rfc4543(gcm(aes))", PFKEY: "NULL_AES_GMAC", ICV: 128, Salt: 32},
	{Kind: AEAD, Name: "rfc7539esp(chacha20,poly1305)", ICV: 128, Salt: 32},

	{Kind: Auth, Name: "digest_null", PFKEY: "NULL"},
	{Kind: Auth, Name: "hmac(md5)", Compat: "md5", PFKEY: "MD5HMAC", ICV: 96, FullICV: 128},
	{Kind: Auth, Name: "hmac(sha1)", Compat: "sha1", PFKEY: "SHA1HMAC", ICV: 96, FullICV: 160},
	{Kind: Auth, Name: "hmac(sha256)", Compat: "sha256", PFKEY: "SHA2_256HMAC", ICV: 96, FullICV: 256},
	{Kind: Auth, Name: "hmac(sha384)", PFKEY: "SHA2_384HMAC", ICV: 192, FullICV: 384},
	{Kind: Auth, Name: "hmac(sha512)", PFKEY: "SHA2_512HMAC", ICV: 256, FullICV: 512},
	// Until Linux 6.14, which took rmd160 out of XFRM.
	{Kind: Auth, Name: "hmac(rmd160)", Compat: "rmd160", PFKEY: "RIPEMD160HMAC", ICV: 96, FullICV: 160},
	{Kind: Auth, Name: "xcbc(aes)", PFKEY: "AES_XCBC_MAC", ICV: 96, FullICV: 128},
	{Kind: Auth, Name: "cmac(aes)", ICV: 96, FullICV: 128},
	{Kind: Auth, Name: "hmac(sm3)", Compat: "sm3", PFKEY: "SM3_256HMAC", ICV: 256, FullICV: 256},

	{Kind: Encrypt, Name: "ecb(cipher_null)", Compat: "cipher_null", PFKEY: "NULL"},
	{Kind: Encrypt, Name: "cbc(des)", Compat: "des", PFKEY: "DESCBC"},
	{Kind: Encrypt, Name: "cbc(des3_ede)", Compat: "des3_ede", PFKEY: "3DESCBC"},
	{Kind: Encrypt, Name: "cbc(cast5)", Compat: "cast5", PFKEY: "CASTCBC"},
	{Kind: Encrypt, Name: "cbc(blowfish)", Compat: "blowfish", PFKEY: "BLOWFISHCBC"},
	{Kind: Encrypt, Name: "cbc(aes)", Compat: "aes", PFKEY: "AESCBC"},
	{Kind: Encrypt, Name: "cbc(serpent)", Compat: "serpent", PFKEY: "SERPENTCBC"},
	{Kind: Encrypt, Name: "cbc(camellia)", Compat: "camellia", PFKEY: "CAMELLIACBC"},
	{Kind: Encrypt, Name: "cbc(twofish)", Compat: "twofish", PFKEY: "TWOFISHCBC"},
	{Kind: Encrypt, Name: "rfc3686(ctr(aes))", PFKEY: "AESCTR", Salt: 32},
	{Kind: Encrypt, Name: "cbc(sm4)", Compat: "sm4", PFKEY: "SM4CBC"},

	{Kind: Compress, Name: "deflate", PFKEY: "DEFLATE"},
	{Kind: Compress, Name: "lzs", PFKEY: "LZS"},
	{Kind: Compress, Name: "lzjh", PFKEY: "LZJH"},
}

// Algorithms returns all algorithms. The caller may change the list.
func Algorithms() []Algorithm { return append([]Algorithm(nil), algorithms...) }

// ByName finds an algorithm by one of its names in XFRM. icv is the length of an AEAD's
// integrity check value in bits; of others it does not matter.
func ByName(k Kind, name string, icv int) (Algorithm, bool) {
	for i := range algorithms {
		a := &algorithms[i]
		if a.Kind == k && (a.Name == name || a.Compat == name && name != "") && (k != AEAD || a.ICV == icv) {
			return *a, true
		}
	}
	return Algorithm{}, false
}

// OfNumber finds the algorithm that a dialect gives a number in one of its tables:
// EnumAuth, EnumEncrypt (an AEAD too) or EnumComp.
func OfNumber(d layers.Dialect, e layers.Enum, number uint8) (Algorithm, bool) {
	name := d.EnumName(e, uint64(number))
	if name == "" || name == "NONE" {
		return Algorithm{}, false
	}
	if layers.CanonicalName(name) == "CHACHA20POLY1305" { // which Linux has no number for
		return ByName(AEAD, "rfc7539esp(chacha20,poly1305)", 128)
	}
	if name == "AES_GCM" { // of macOS, which has no other
		name = "AES_GCM_ICV16"
	}
	for i := range algorithms {
		a := &algorithms[i]
		if a.enum() == e && a.PFKEY != "" && layers.CanonicalName(a.PFKEY) == layers.CanonicalName(name) {
			return *a, true
		}
	}
	return Algorithm{}, false
}

// Number is the number that a dialect gives the algorithm, in the table for its kind.
func (a Algorithm) Number(d layers.Dialect) (uint8, bool) {
	for v, name := range d.EnumNames(a.enum()) {
		if name == "" || v > 0xff {
			continue
		}
		if b, ok := OfNumber(d, a.enum(), uint8(v)); ok && b == a {
			return uint8(v), true
		}
	}
	return 0, false
}

func (a *Algorithm) enum() layers.Enum {
	switch a.Kind {
	case Auth:
		return layers.EnumAuth
	case Compress:
		return layers.EnumComp
	}
	return layers.EnumEncrypt
}
