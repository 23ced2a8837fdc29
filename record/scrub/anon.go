package scrub

import (
	"crypto/aes"
	"crypto/cipher"
	"net/netip"
)

// anonymizer replaces addresses and keeps their common prefixes: Crypto-PAn (Xu, Fan,
// Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002), for IPv6 with
// 128 steps instead of 32.
type anonymizer struct {
	block cipher.Block
	pad   [16]byte
	seen  map[netip.Addr]netip.Addr
}

// maxSeen bounds the memory for addresses that were replaced before.
const maxSeen = 1 << 16

// newAnonymizer takes 16 bytes of key and 16 that become the pad.
func newAnonymizer(key [32]byte) *anonymizer {
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err) // 16 bytes are a key
	}
	a := &anonymizer{block: block, seen: map[netip.Addr]netip.Addr{}}
	block.Encrypt(a.pad[:], key[16:])
	return a
}

func (a *anonymizer) addr(in netip.Addr) netip.Addr {
	if out, ok := a.seen[in]; ok {
		return out
	}
	b := in.AsSlice()
	flips := make([]byte, len(b))
	for i := range 8 * len(b) {
		// Whether bit i is turned over hangs on the bits before it, and on nothing else.
		var x, y [16]byte
		x = a.pad
		whole, rest := i/8, i%8
		copy(x[:whole], b[:whole])
		if rest > 0 {
			mask := byte(0xff) << (8 - rest)
			x[whole] = b[whole]&mask | a.pad[whole]&^mask
		}
		a.block.Encrypt(y[:], x[:])
		flips[i/8] |= y[0] >> 7 << (7 - i%8)
	}
	for i := range b {
		b[i] ^= flips[i]
	}
	out, _ := netip.AddrFromSlice(b)
	if len(a.seen) < maxSeen {
		a.seen[in] = out
	}
	return out
}
