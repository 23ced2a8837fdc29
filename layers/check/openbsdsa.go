package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// openBSDCiphers are the ciphers of esp_init by sadb_alg_id, with the key sizes in
// octets that they take (sys/netinet/ip_esp.c, sys/crypto/xform.c). Keys of the AES
// modes and of ChaCha20 but CBC have a salt of 4 octets.
var openBSDCiphers = [...]cipher{
	3:       {true, 24, 24, 1}, // 3DESCBC
	6:       {true, 5, 16, 1},  // CAST
	7:       {true, 5, 56, 1},  // BLF
	encNull: {true, 0, 256, 1},
	12:      {true, 16, 32, 8}, // AES
	13:      {true, 20, 36, 8}, // AESCTR
	20:      {true, 20, 36, 8}, // AESGCM16
	21:      {true, 20, 36, 8}, // AESGMAC
	22:      {true, 36, 36, 1}, // CHACHA20POLY1305
}

// openBSDAuth are the key sizes in octets of the authentication algorithms, by
// sadb_alg_id (sys/crypto/xform.c). Those from 9 are ESP's only.
var openBSDAuth = [...]int{
	2: 16, 3: 20, 5: 32, 6: 48, 7: 64, 8: 20,
	9: 20, 10: 28, 11: 36, 12: 36,
}

const (
	openBSDLastHMAC  = 8
	openBSDMinAEAD   = 20 // AESGCM16, and two more
	openBSDDESCBC    = 2
	openBSDMaxTCPKey = 80
)

// openBSDInit is tdb_init: esp_init, ah_init, ipcomp_init, tcp_signature_tdb_init.
func (k *checker) openBSDInit(sa *layers.SA) {
	auth, encrypt := k.m.KeyAuth(), k.m.KeyEncrypt()
	switch k.m.SAType {
	case openBSDESP:
		switch {
		case sa.Encrypt == 0 && sa.Auth == 0:
			k.extension(cAlgMissing, &sa.Header, "an ESP SA with neither encryption nor authentication")
			return
		case sa.Encrypt != 0:
			k.openBSDCipher(sa, encrypt)
		}
		// A combined-mode cipher brings its own authentication.
		if sa.Auth != 0 && sa.Encrypt < openBSDMinAEAD {
			k.openBSDHash(sa, auth, len(openBSDAuth)-1)
		}
	case openBSDAH:
		if sa.Auth == 0 {
			k.extension(cAlgMissing, &sa.Header, "an AH SA without authentication")
			return
		}
		k.openBSDHash(sa, auth, openBSDLastHMAC)
	case openBSDIPComp:
		switch sa.Encrypt {
		case compDefl:
		case 0:
			k.extension(cAlgMissing, &sa.Header, "an IPCOMP SA without compression")
		default:
			k.extension(cAlgUnknown, &sa.Header, fmt.Sprintf("OpenBSD has no compression algorithm %s", k.number(layers.EnumComp, uint64(sa.Encrypt))))
		}
	case openBSDTCP:
		switch {
		case auth == nil:
			k.missing(cKeyMissing, kKeyAuth, "missing: TCP signatures need it")
		case auth.Bits < 8 || auth.Bits/8 > openBSDMaxTCPKey:
			k.extension(cKeySize, &auth.Header, fmt.Sprintf("%d bits, TCP signatures take 8 to %d", auth.Bits, openBSDMaxTCPKey*8))
		}
	}
}

func (k *checker) openBSDCipher(sa *layers.SA, key *layers.Key) {
	c := cipher{}
	if int(sa.Encrypt) < len(openBSDCiphers) {
		c = openBSDCiphers[sa.Encrypt]
	}
	name := k.number(layers.EnumEncrypt, uint64(sa.Encrypt))
	switch {
	case sa.Encrypt == openBSDDESCBC:
		k.extension(cRelease, &sa.Header, "OpenBSD 4.4 has the cipher "+name+", recent releases do not")
	case !c.known:
		k.extension(cAlgUnknown, &sa.Header, "OpenBSD has no cipher "+name)
	case key == nil && c.min > 0:
		k.missing(cKeyMissing, kKeyEncrypt, "missing: the cipher "+name+" needs it")
	case key != nil && !c.takes(int(key.Bits)/8):
		k.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits, the cipher %s takes %s", key.Bits, name, c.sizes()))
	}
}

func (k *checker) openBSDHash(sa *layers.SA, key *layers.Key, last int) {
	size := 0
	if int(sa.Auth) <= last {
		size = openBSDAuth[sa.Auth]
	}
	name := k.number(layers.EnumAuth, uint64(sa.Auth))
	switch {
	case size == 0:
		k.extension(cAlgUnknown, &sa.Header, "OpenBSD has no authentication algorithm "+name+" for this SA type")
	case key == nil:
		k.missing(cKeyMissing, kKeyAuth, "missing: the algorithm "+name+" needs it")
	case int(key.Bits)/8 != size:
		k.extension(cKeySize, &key.Header, fmt.Sprintf("%d bits, the algorithm %s takes %d", key.Bits, name, size*8))
	}
}
