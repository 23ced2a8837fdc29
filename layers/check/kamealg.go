package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// anyKey is the key sizes of NULL algorithms, in octets.
var anyKey = cipher{true, 0, 256, 1}

// aesKey and aesSaltKey are the key sizes of AES in octets, without and with the
// four octets of a salt or nonce.
var (
	aesKey     = cipher{true, 16, 32, 8}
	aesSaltKey = cipher{true, 20, 36, 8}
)

// What FreeBSD 13.0 has (sys/netipsec/key.c supported_ealgs, supported_aalgs;
// sys/opencrypto). CHACHA20POLY1305, 15, came with FreeBSD 14. Of an HMAC key only
// the largest size is checked, a block of the hash.
var (
	freeBSDCiphers = map[uint8]cipher{
		11: anyKey,     // NULL
		12: aesKey,     // AESCBC
		13: aesSaltKey, // AESCTR
		20: aesSaltKey, // AESGCM16
	}
	freeBSDAuths = map[uint8]cipher{
		3:   {true, 1, 64, 1},  // SHA1HMAC
		5:   {true, 1, 64, 1},  // SHA2_256
		6:   {true, 1, 128, 1}, // SHA2_384
		7:   {true, 1, 128, 1}, // SHA2_512
		11:  {true, 1, 16, 1},  // AES128GMAC
		12:  {true, 1, 24, 1},  // AES192GMAC
		13:  {true, 1, 32, 1},  // AES256GMAC
		251: {true, 0, 1 << 13, 1},
	}
)

// What NetBSD 7.99.34 has (sys/netipsec/xform_esp.c esp_algorithm_lookup, xform_ah.c
// ah_algorithm_lookup; sys/opencrypto/xform.c). AH_ALG_MAX is 16, so that keyed MD5
// and SHA1 (249, 250) and NULL authentication (251) are never found.
var (
	netBSDCiphers = map[uint8]cipher{
		2:   {true, 8, 8, 1},   // DESCBC
		3:   {true, 24, 24, 1}, // 3DESCBC
		6:   {true, 5, 16, 1},  // CAST128CBC
		7:   {true, 5, 56, 1},  // BLOWFISHCBC
		11:  anyKey,            // NULL
		12:  aesKey,            // AES
		13:  aesSaltKey,        // AESCTR
		20:  aesSaltKey,        // AESGCM16
		22:  aesKey,            // CAMELLIACBC
		23:  aesSaltKey,        // AESGMAC
		250: {true, 10, 10, 1}, // SKIPJACK
	}
	netBSDAuths = map[uint8]cipher{
		2: {true, 16, 16, 1}, // MD5HMAC
		3: {true, 20, 20, 1}, // SHA1HMAC
		5: {true, 32, 32, 1}, // SHA2_256
		6: {true, 48, 48, 1}, // SHA2_384
		7: {true, 64, 64, 1}, // SHA2_512
		8: {true, 20, 20, 1}, // RIPEMD160HMAC
		9: {true, 16, 16, 1}, // AES_XCBC_MAC
	}
)

// What macOS 15 has (XNU bsd/netinet6/esp_core.c esp_algorithm_lookup, ah_core.c
// ah_algorithm_lookup with AH_ALL_CRYPTO).
var (
	macOSCiphers = map[uint8]cipher{
		1:  {true, 8, 8, 1},   // DESCBC
		2:  {true, 24, 24, 1}, // 3DESCBC
		3:  anyKey,            // NULL
		12: aesKey,            // AESCBC
		13: aesSaltKey,        // AES_GCM
		14: {true, 36, 36, 1}, // CHACHA20POLY1305
		15: aesSaltKey,        // AES_GMAC
	}
	macOSAuths = map[uint8]cipher{
		1: {true, 16, 16, 1}, // MD5HMAC
		2: {true, 20, 20, 1}, // SHA1HMAC
		5: anyKey,            // NULL
		6: {true, 32, 32, 1}, // SHA2_256
		7: {true, 48, 48, 1}, // SHA2_384
		8: {true, 64, 64, 1}, // SHA2_512
	}
)

// What DragonFly BSD 2.4 has (sys/netinet6/esp_core.c esp_algorithm_lookup, ah_core.c
// ah_algorithm_lookup).
var (
	dragonFlyCiphers = map[uint8]cipher{
		1:  {true, 8, 8, 1},   // DESCBC
		2:  {true, 24, 24, 1}, // 3DESCBC
		3:  anyKey,            // NULL
		4:  {true, 5, 56, 1},  // BLOWFISHCBC
		5:  {true, 5, 16, 1},  // CAST128CBC
		12: aesKey,            // RIJNDAELCBC
	}
	dragonFlyAuths = map[uint8]cipher{
		1: {true, 16, 16, 1}, // MD5HMAC
		2: {true, 20, 20, 1}, // SHA1HMAC
		3: {true, 16, 16, 1}, // MD5
		4: {true, 20, 20, 1}, // SHA
		5: anyKey,            // NULL
		6: {true, 32, 32, 1}, // SHA2_256
		7: {true, 48, 48, 1}, // SHA2_384
		8: {true, 64, 64, 1}, // SHA2_512
	}
)

// Algorithms that netipsec treats in a way of their own.
const (
	netChaCha   = 15
	netAESGCM16 = 20
	netAESGMAC  = 23
	netGMACMin  = 11 // AES128GMAC
	netGMACMax  = 13 // AES256GMAC
	netTCPMD5   = 252
	netKeyDES   = 1 // with the private numbers of KAME
	maxTCPKey   = 80
)

// freeBSDHMAC are the sizes in octets that an algorithm's RFC demands of keys.
var freeBSDHMAC = map[uint8]int{3: 20, 5: 32, 6: 48, 7: 64}

// fits reports whether an algorithm takes a key of so many bits. Octets begun count
// for the limits, only whole ones for the steps between them.
func (x kameCheck) fits(c cipher, bits int) bool {
	if x.keyBits {
		return bits >= 8*c.min && bits <= 8*c.max && (c.step == 1 || (bits-8*c.min)%(8*c.step) == 0)
	}
	if c.step == 1 {
		return c.takes((bits + 7) / 8)
	}
	return (bits+7)/8 <= c.max && c.takes(bits/8)
}

// keySize reports a key that is not of a size the algorithm takes.
func (x kameCheck) keySize(c cipher, key *layers.Key) {
	bits := x.bitsOf(key)
	if x.fits(c, bits) {
		if bits%8 != 0 {
			x.extension(cKeyBits, &key.Header, fmt.Sprintf("%d bits are no whole octets", bits))
		}
		return
	}
	name := x.encryptName
	if key.LayerType() == layers.LayerTypeKeyAuth {
		name = x.authName
	}
	x.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits, %s takes %s", bits, name(), c.sizes()))
}

// unknownAlgorithm reports an algorithm that the system has not.
func (x kameCheck) unknownAlgorithm(number uint8, what, name string) {
	sa := x.m.SA()
	if number == 0 {
		x.extension(cAlgMissing, &sa.Header, "the SA names no "+what)
		return
	}
	x.extension(cAlgUnknown, &sa.Header, x.name+" has no "+what+" "+name)
}

// netIPsec is the init functions of netipsec: ah_init, esp_init, ipcomp_init,
// tcpsignature_init and, on FreeBSD, crypto_newsession.
func (x kameCheck) netIPsec() {
	m, sa := &x.m, x.m.SA()
	switch m.SAType {
	case layers.SATypeAH:
		x.netAuth()
	case layers.SATypeESP:
		x.netCipher()
		switch {
		case sa.Auth == 0:
			if key := m.KeyAuth(); key != nil {
				x.extension(cKeyUnused, &key.Header, "a key, and no authentication")
			}
		case x.netAuth() && sa.Encrypt == netAESGCM16:
			x.extension(cAlgAEADAuth, &sa.Header, "authentication "+x.authName()+" besides "+x.encryptName())
		}
	case layers.SATypeIPComp:
		if sa.Encrypt != compDefl {
			x.unknownAlgorithm(sa.Encrypt, "compression", x.encryptName())
		}
	case satypeTCP:
		x.tcpSignature()
	}
}

// netCipher is what esp_init checks of the encryption.
func (x kameCheck) netCipher() {
	m, sa := &x.m, x.m.SA()
	c, ok := x.ciphers[sa.Encrypt]
	switch {
	case ok:
	case x.set == onFreeBSD && sa.Encrypt == netChaCha:
		x.extension(cRelease, &sa.Header, x.release+" has no encryption "+x.encryptName())
		return
	default:
		x.unknownAlgorithm(sa.Encrypt, "encryption", x.encryptName())
		return
	}
	if sa.Flags&(saFlagOld|saFlagIV4B) == saFlagIV4B {
		x.extension(cSAFlags, &sa.Header, "the flag IV4B without OLD")
	}
	key := m.KeyEncrypt()
	if key == nil {
		return
	}
	bits := x.bitsOf(key)
	if aead := sa.Encrypt == netAESGCM16 || sa.Encrypt == netAESGMAC; aead && x.set == onNetBSD {
		if n := (bits + 7) / 8; n >= c.min && n <= c.max && !c.takes(n) && sa.Auth == 0 {
			x.extension(cKeySizeCrash, &key.Header, fmt.Sprintf("%d bits, %s takes %s", bits, x.encryptName(), c.sizes()))
			return
		}
		if sa.Encrypt == netAESGMAC && x.fits(cipher{true, c.min, c.max, 1}, bits) {
			return // nothing else looks at it
		}
	}
	if sa.Encrypt == netAESGCM16 && bits%8 != 0 && x.fits(c, bits) {
		x.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits, %s takes %s", bits, x.encryptName(), c.sizes()))
		return
	}
	x.keySize(c, key)
}

// netAuth is ah_init0 and what crypto_newsession of FreeBSD checks. ok is false if
// there is no such algorithm.
func (x kameCheck) netAuth() (ok bool) {
	m, sa := &x.m, x.m.SA()
	c, ok := x.auths[sa.Auth]
	if !ok {
		x.unknownAlgorithm(sa.Auth, "authentication", x.authName())
		return false
	}
	if x.set == onFreeBSD && sa.Flags&saFlagOld != 0 {
		x.extension(cSAFlags, &sa.Header, "the flag OLD with authentication")
	}
	key := m.KeyAuth()
	if key == nil {
		if m.SAType != layers.SATypeAH { // which store has reported
			x.missing(cKeyAbsent, kKeyAuth, "missing: the authentication is "+x.authName())
		}
		return true
	}
	bits := x.bitsOf(key)
	if x.set == onNetBSD || sa.Auth == x.nullAuth {
		x.keySize(c, key)
		return true
	}
	gmac := sa.Auth >= netGMACMin && sa.Auth <= netGMACMax
	switch {
	case (bits+7)/8 > c.max:
		x.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits, %s takes at most %d", bits, x.authName(), 8*c.max))
	case m.SAType == layers.SATypeESP && sa.Encrypt == netAESGCM16: // refused besides it anyway
	case gmac && !aesKey.takes(bits/8):
		x.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits, AES takes %s", bits, aesKey.sizes()))
	case gmac:
		x.extension(cAlgUnsupported, &sa.Header, "authentication "+x.authName())
	case bits < 8:
		x.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits are no octet", bits))
	default:
		if want := 8 * freeBSDHMAC[sa.Auth]; bits != want {
			x.extension(cAuthKeySize, &key.Header, fmt.Sprintf("%d bits, the RFC of %s demands %d", bits, x.authName(), want))
		}
	}
	return true
}

// tcpSignature is tcpsignature_init.
func (x kameCheck) tcpSignature() {
	m, sa := &x.m, x.m.SA()
	if x.set == onNetBSD && sa.SPI != tcpSPI {
		x.extension(cSPITCP, &sa.Header, fmt.Sprintf("SPI 0x%08x is not 0x%08x", sa.SPI, tcpSPI))
	}
	if sa.Auth != netTCPMD5 {
		x.unknownAlgorithm(sa.Auth, "authentication", x.authName())
	}
	key := m.KeyAuth()
	if key == nil {
		x.missing(cKeyAbsent, kKeyAuth, "missing: every TCPSIGNATURE SA needs it")
		return
	}
	if n := (x.bitsOf(key) + 7) / 8; n < 1 || n > maxTCPKey {
		x.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits, TCP-MD5 takes 1 to %d octets", x.bitsOf(key), maxTCPKey))
	}
}

// netKey is the algorithms' part of key_mature in netkey, with their mature
// functions.
func (x kameCheck) netKey() {
	m, sa := &x.m, x.m.SA()
	switch m.SAType {
	case layers.SATypeAH:
		x.netKeyAuth()
	case layers.SATypeESP:
		if sa.Auth != 0 {
			x.netKeyAuth()
		} else if key := m.KeyAuth(); key != nil {
			x.extension(cKeyUnused, &key.Header, "a key, and no authentication")
		}
		x.netKeyCipher()
	case layers.SATypeIPComp:
		if sa.Encrypt != compDefl && x.hasSAs() {
			x.unknownAlgorithm(sa.Encrypt, "compression", x.encryptName())
		}
	}
}

func (x kameCheck) netKeyAuth() {
	m, sa := &x.m, x.m.SA()
	c, ok := x.auths[sa.Auth]
	if !ok {
		x.unknownAlgorithm(sa.Auth, "authentication", x.authName())
		return
	}
	if sa.Auth == x.nullAuth && m.SAType == layers.SATypeAH {
		x.extension(cAlgSAType, &sa.Header, "authentication "+x.authName()+" in an AH SA")
	}
	if key := m.KeyAuth(); key != nil {
		x.keySize(c, key)
	} else if c.min > 0 && m.SAType != layers.SATypeAH {
		x.missing(cKeyAbsent, kKeyAuth, "missing: the authentication is "+x.authName())
	}
}

func (x kameCheck) netKeyCipher() {
	m, sa := &x.m, x.m.SA()
	c, ok := x.ciphers[sa.Encrypt]
	if !ok {
		x.unknownAlgorithm(sa.Encrypt, "encryption", x.encryptName())
		return
	}
	if key := m.KeyEncrypt(); key != nil {
		x.keySize(c, key)
	}
	old, deriv, short := sa.Flags&saFlagOld != 0, sa.Flags&saFlagDeriv != 0, sa.Flags&saFlagIV4B != 0
	switch {
	case sa.Encrypt == x.null:
	case sa.Encrypt == netKeyDES:
		if short && !old {
			x.extension(cSAFlags, &sa.Header, "the flag IV4B without OLD")
		}
	case old && !deriv: // both have been reported
		x.extension(cSAFlags, &sa.Header, "the flag OLD with "+x.encryptName())
	case deriv && !old:
		x.extension(cSAFlags, &sa.Header, "the flag DERIV with "+x.encryptName())
	}
}
