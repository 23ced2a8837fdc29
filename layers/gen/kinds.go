package gen

import (
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// kindMutations are each for one kind of extension.
var kindMutations = []mutation{
	// Address (RFC 2367 2.3.3): a sockaddr whose family, and on the BSDs length,
	// have to go with the extension's.
	{"Address", "address-family", "an address of a family that is not IP", func(g *Generator, k int) bool {
		b := g.sockaddrOf(k)
		return b != nil && g.breakFamily(b)
	}},
	{"Address", "address-one-word", "an address without a sockaddr", headerAlone},
	{"Address", "address-sa-len", "sa_len does not fit the family", func(g *Generator, k int) bool {
		b := g.sockaddrOf(k)
		if b == nil || !g.saLen() {
			return false
		}
		b[0] = g.wrongLen(b[0])
		return true
	}},
	{"Address", "address-sa-len-huge", "sa_len is up to 255, and the extension as long", func(g *Generator, k int) bool {
		b := g.sockaddrOf(k)
		if b == nil || !g.saLen() {
			return false
		}
		n := g.rng.between(40, 255)
		more := (8 + n + 7) &^ 7
		more -= g.end(k) - g.exts[k]
		if more <= 0 {
			return false
		}
		g.rng.fill(g.insert(k, g.end(k), more))
		g.sockaddrOf(k)[0] = byte(n)
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"Address", "address-other-family", "an address of the other family than the rest", func(g *Generator, k int) bool {
		if g.sockaddrOf(k) == nil {
			return false
		}
		a := netip.AddrFrom4([4]byte{192, 0, 2, 1})
		if !g.tale.v6 {
			a = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1})
		}
		g.tmp = g.codec.AppendSockaddr(g.tmp[:0], layers.Sockaddr{Addr: a})
		g.replace(k, 8, g.tmp)
		return true
	}},
	{"Address", "address-prefix", "a prefix longer than the address", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 8 {
			return false
		}
		b[5] = pick(&g.rng, []byte{33, 64, 129, 200, 255})
		return true
	}},
	{"Address", "address-rest", "port, scope, sin_zero or what follows the sockaddr is not 0", func(g *Generator, k int) bool {
		b := g.sockaddrOf(k)
		if len(b) < 16 {
			return false
		}
		if g.rng.percent(40) {
			g.rng.fill(b[2:4])
			return true
		}
		g.rng.fill(b[len(b)-g.rng.between(1, 8):])
		b[len(b)-1] |= 1
		return true
	}},

	// Key (RFC 2367 2.3.4): bits against octets.
	{"Key", "key-bits-zero", "a key of 0 bits that has octets", keyBitsTo(func(g *Generator, room int) int { return 0 })},
	{"Key", "key-bits-odd", "a number of bits that is no multiple of 8", keyBitsTo(func(g *Generator, room int) int { return max(1, room*8-g.rng.between(1, 7)) })},
	{"Key", "key-bits-over", "a little more bits than the extension holds", keyBitsTo(func(g *Generator, room int) int { return room*8 + g.rng.between(1, 64) })},
	{"Key", "key-bits-max", "65535 bits, or nearly", keyBitsTo(func(g *Generator, room int) int { return 65535 - g.rng.n(8)*g.rng.n(2) })},
	{"Key", "key-bits-less", "fewer bits than the extension holds", keyBitsTo(func(g *Generator, room int) int { return g.rng.n(room*8 + 1) })},
	{"Key", "key-zero", "a key that is all zeros", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) <= 8 {
			return false
		}
		clear(b[8:])
		return true
	}},
	{"Key", "key-empty", "a key without octets", headerAlone},

	// Identity (RFC 2367 2.3.5).
	{"Identity", "identity-unterminated", "the text of an identity has no NUL", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) <= 16 {
			return false
		}
		for i := 16; i < len(b); i++ {
			if b[i] == 0 {
				b[i] = 'x'
			}
		}
		return true
	}},
	{"Identity", "identity-empty", "an identity without a text", func(g *Generator, k int) bool { return g.shorten(k, 16) }},
	{"Identity", "identity-short", "an identity shorter than its structure", headerAlone},
	{"Identity", "identity-type", "an identity of an unknown type", func(g *Generator, k int) bool {
		return g.poke16(k, 4, pick(&g.rng, []uint16{0, 4, 5, 7, 8, 255, 0x8000, 0xffff}))
	}},

	// Sensitivity (RFC 2367 2.3.6): two bitmaps, counted in words.
	{"Sensitivity", "sens-counts", "the bitmaps are longer or shorter than the extension", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 16 {
			return false
		}
		switch g.rng.n(6) {
		case 0:
			b[9]++
		case 1:
			b[11]++
		case 2:
			b[9+2*g.rng.n(2)]--
		default:
			b[9], b[11] = 255, 255
		}
		return true
	}},

	// Proposal (RFC 2367 2.3.7): whole combinations, which OpenBSD counts.
	{"Proposal", "comb-remainder", "the last combination is not whole", func(g *Generator, k int) bool {
		n := layers.Word * g.rng.between(1, comb.Size/layers.Word-1)
		if g.rng.percent(50) && g.end(k)-g.exts[k] > 8+n {
			g.remove(k, g.end(k)-n, n)
		} else {
			g.insert(k, g.end(k), n)
		}
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"Proposal", "comb-later", "a combination after the first makes no sense", func(g *Generator, k int) bool {
		combs := (g.end(k) - g.exts[k] - 8) / comb.Size
		if combs < 2 {
			return false
		}
		at := g.exts[k] + 8 + g.rng.between(1, combs-1)*comb.Size
		switch g.rng.n(3) {
		case 0: // unknown algorithms
			g.buf[at], g.buf[at+1] = 255, 255
		case 1: // minima above maxima
			g.put.PutUint16(g.buf[at+4:], 0xffff)
			g.put.PutUint16(g.buf[at+8:], 0xffff)
		case 2:
			g.rng.fill(g.buf[at : at+comb.Size])
		}
		return true
	}},
	{"Proposal", "comb-count", "the number of combinations is wrong", func(g *Generator, k int) bool {
		if g.codec.Dialect != layers.OpenBSD || g.end(k)-g.exts[k] < 8 {
			return false
		}
		b := g.body(k)
		b[4] = pick(&g.rng, []byte{0, b[4] + 1, b[4] - 1, 255})
		return true
	}},
	{"Proposal", "comb-none", "a proposal without combinations", headerAlone},
	{"ExtendedProposal", "ecomb-count", "more combinations, or fewer, than there are", func(g *Generator, k int) bool {
		return g.poke16(k, 6, uint16(g.edge(1, 2)))
	}},
	{"ExtendedProposal", "ecomb-algs", "a combination has more algorithms than there is room for", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 8+extendedComb.Size {
			return false
		}
		b[8] = pick(&g.rng, []byte{0, b[8] + 1, 64, 255})
		return true
	}},

	{"Supported", "alg-edge", "an algorithm with extreme sizes", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 16 {
			return false
		}
		at := 8 * g.rng.between(1, len(b)/8-1)
		g.rng.fill(b[at : at+8])
		return true
	}},

	{"Supported", "supported-reserved", "the word before the algorithms is not 0", func(g *Generator, k int) bool { return g.poke32(k, 4) }},

	{"SPIRange", "spirange", "a range that is empty, reversed or everything", func(g *Generator, k int) bool {
		lay := g.layoutAt(k)
		if lay == nil {
			return false
		}
		r := pick(&g.rng, [][2]uint64{{0, 0}, {1, 255}, {0, 0xffffffff}, {0xffffffff, 0}, {uint64(g.tale.spi), uint64(g.tale.spi) - 1}, {0x80000000, 0x7fffffff}, {0xffffffff, 0xffffffff}, {0x10000, 0x10000}})
		g.set(lay, g.exts[k], "Min", r[0])
		g.set(lay, g.exts[k], "Max", r[1])
		return true
	}},

	// Policy: requests with lengths of their own, in bytes.
	{"Policy", "request-len-short", "a request is shorter than its structure", requestLen(func(g *Generator, n, room int) int { return g.rng.n(g.requestSize()) })},
	{"Policy", "request-len-odd", "the length of a request is off by a few bytes", requestLen(func(g *Generator, n, room int) int { return n + pick(&g.rng, []int{-7, -4, -1, 1, 3, 4, 7}) })},
	{"Policy", "request-len-pair", "a request ends inside its addresses", func(g *Generator, k int) bool {
		at := g.tunnelRequest(k)
		if at < 0 {
			return false
		}
		n := g.requestSize()
		g.put.PutUint16(g.buf[at:], uint16(g.rng.between(n, n+2*g.sockaddrSize()-1)))
		return true
	}},
	{"Policy", "request-len-long", "a request is longer than its policy", requestLen(func(g *Generator, n, room int) int { return room + g.rng.between(1, 64) })},
	{"Policy", "request-len-max", "the length of a request is 0xffff or 0x8000", requestLen(func(g *Generator, n, room int) int { return pick(&g.rng, []int{0xffff, 0x8000, 0x7fff, 0xfff8}) })},
	{"Policy", "request-mode", "a request of a mode that does not exist, or not here", requestField(4, 1)},
	{"Policy", "request-proto", "a request for a protocol that is not IPsec", requestField(2, 2)},
	{"Policy", "request-level", "a request of a level that does not exist", requestField(5, 1)},
	{"Policy", "request-family", "an address of a request is of a family that is not IP", func(g *Generator, k int) bool {
		b := g.pairOf(k)
		return b != nil && g.breakFamily(b)
	}},
	{"Policy", "request-families", "the two addresses of a request are of different families", func(g *Generator, k int) bool {
		b := g.pairOf(k)
		if b == nil {
			return false
		}
		other, _ := g.codec.Dialect.Family("inet")
		if !g.tale.v6 {
			other, _ = g.codec.Dialect.Family("inet6")
		}
		g.putFamily(b, other)
		return true
	}},
	{"Policy", "request-sa-len", "sa_len of an address in a request does not fit", func(g *Generator, k int) bool {
		b := g.pairOf(k)
		if b == nil || !g.saLen() {
			return false
		}
		b[0] = g.wrongLen(b[0])
		return true
	}},
	{"Policy", "requests-many", "more requests than a policy can have", func(g *Generator, k int) bool {
		if g.layoutAt(k) == nil {
			return false
		}
		g.tmp2 = g.tmp2[:0]
		for range g.rng.between(5, 20) {
			g.tmp2 = g.codec.AppendRequest(g.tmp2, layers.Request{Proto: 50, Mode: modeTransport, Level: levelRequire})
		}
		copy(g.insert(k, g.end(k), len(g.tmp2)), g.tmp2)
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"Policy", "request-missing", "the last request is missing", func(g *Generator, k int) bool {
		at, last := g.requestAt(k, 0), 0
		for i := 0; g.requestAt(k, i) >= 0; i++ {
			at, last = g.requestAt(k, i), i
		}
		if at < 0 || last == 0 && g.rng.percent(70) {
			return false
		}
		g.remove(k, at, g.end(k)-at)
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"Policy", "policy-trailing", "bytes after the last request", func(g *Generator, k int) bool {
		b := g.insert(k, g.end(k), layers.Word*g.rng.between(1, 3))
		if g.rng.percent(40) {
			g.rng.fill(b)
		}
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"Policy", "policy-len", "the policy is longer than the message", func(g *Generator, k int) bool {
		b := g.body(k)
		words := (len(g.buf)-g.exts[k])/layers.Word + g.rng.between(1, 64)
		g.put.PutUint16(b, uint16(words))
		return true
	}},
	{"Policy", "policy-type", "a policy of a type that does not exist, or not here", func(g *Generator, k int) bool {
		return g.poke16(k, 4, pick(&g.rng, []uint16{3, 4, 5, 255, 256, 0xffff}))
	}},
	{"Policy", "policy-dir", "a policy in a direction that does not exist, or not here", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 8 {
			return false
		}
		b[6] = pick(&g.rng, []byte{0, 3, 4, 5, 6, 7, 8, 128, 255})
		return true
	}},
	{"Policy", "policy-id", "a policy that is not there", func(g *Generator, k int) bool { return g.poke32(k, 8) }},

	{"KMAddress", "kmaddress-family", "an address of a family that is not IP", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 8+32 {
			return false
		}
		if g.rng.percent(50) {
			b = b[8+g.sockaddrSize():]
		} else {
			b = b[8:]
		}
		return g.breakFamily(b)
	}},
	{"KMAddress", "kmaddress-short", "only one address, or a part of one", func(g *Generator, k int) bool {
		return g.shorten(k, layers.Word*g.rng.between(1, 4))
	}},

	{"Filter", "filter-prefix", "a prefix longer than the address", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 40 {
			return false
		}
		b[38+g.rng.n(2)] = pick(&g.rng, []byte{33, 64, 129, 160, 255})
		return true
	}},
	{"Filter", "filter-family", "a filter for another family, or none", func(g *Generator, k int) bool {
		return g.poke16(k, 36, pick(&g.rng, []uint16{0, 1, 2, 10, 26, 28, 30, 255, 256, 0xffff}))
	}},

	{"SecCtx", "context-len", "the context is longer or shorter than the extension", func(g *Generator, k int) bool {
		n := len(context)
		return g.poke16(k, 6, uint16(pick(&g.rng, []int{0, 1, n + 8, n - 8, 4095, 4096, 4097, 0x8000, 0xffff})))
	}},
	{"Tag", "tag-len", "the tag is longer than the extension", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 8 {
			return false
		}
		g.put.PutUint32(b[4:], uint32(g.edge(uint64(len(b)), 4)))
		return true
	}},
	{"SAStats", "stats-count", "more entries, or fewer, than there are", func(g *Generator, k int) bool { return g.poke32(k, 12) }},
	{"ExtendedRegister", "ereg-unterminated", "no zero ends the list of SA types", func(g *Generator, k int) bool {
		b := g.body(k)
		for i := layers.ExtLen; i < len(b); i++ {
			b[i] = byte(g.rng.between(1, 255))
		}
		return true
	}},
	{"SPIRange", "spirange-short", "a range shorter than its structure", headerAlone},
	{"SA", "sa-short", "an SA shorter than its structure", headerAlone},

	{"SA", "sa-algorithm", "an algorithm that does not exist, or not for this SA", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 16 {
			return false
		}
		b[10+g.rng.n(2)] = pick(&g.rng, []byte{0, 1, 2, 3, 11, 14, 18, 20, 23, 249, 250, 251, 252, 253, 254, 255, byte(g.rng.next())})
		return true
	}},
	{"SA", "sa-spi", "an SPI that is reserved, extreme or another's", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 16 {
			return false
		}
		network.PutUint32(b[4:], pick(&g.rng, []uint32{0, 1, 255, 256, 0xffff, 0x10000, 0x80000000, 0xffffffff, g.tale.spi + 1}))
		return true
	}},
	{"SA", "sa-state", "a state that is not MATURE", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 16 {
			return false
		}
		b[9] = pick(&g.rng, []byte{0, 2, 3, 4, 255})
		return true
	}},
	{"SA", "sa-replay", "a replay window larger than any", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 16 {
			return false
		}
		b[8] = pick(&g.rng, []byte{33, 64, 65, 128, 255})
		return true
	}},
	{"SA2", "sa2-mode", "a mode that does not exist, or not here", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 16 {
			return false
		}
		b[4] = pick(&g.rng, []byte{3, 4, 5, 127, 128, 255})
		return true
	}},
	{"NATTType", "natt-type", "an encapsulation that does not exist", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < 8 {
			return false
		}
		b[4] = pick(&g.rng, []byte{0, 1, 3, 6, 7, 8, 255})
		return true
	}},
	{"Lifetime", "lifetime-alone", "HARD without SOFT, or the reverse", func(g *Generator, k int) bool {
		if m := g.meaning(k); m != shape.MLifetimeHard && m != shape.MLifetimeSoft {
			return false
		}
		g.drop(k)
		g.fixLengths()
		return true
	}},
	{"Lifetime", "lifetime-edge", "limits that are extreme or in the wrong order", func(g *Generator, k int) bool {
		lay := g.layoutAt(k)
		return lay != nil && g.poke(k, &lay.Fields[g.rng.n(len(lay.Fields))])
	}},
}

// headerAlone leaves only the first word of an extension.
func headerAlone(g *Generator, k int) bool { return g.shorten(k, layers.Word) }

// shorten cuts an extension to n bytes, with lengths that fit.
func (g *Generator) shorten(k, n int) bool {
	more := g.end(k) - g.exts[k] - n
	if more <= 0 {
		return false
	}
	g.remove(k, g.exts[k]+n, more)
	g.fixExt(k)
	g.fixLengths()
	return true
}

// replace puts b in the place of what follows the first n bytes of an extension,
// with lengths that fit.
func (g *Generator) replace(k, n int, b []byte) {
	size := (n + len(b) + layers.Word - 1) &^ (layers.Word - 1)
	if have := g.end(k) - g.exts[k]; have < size {
		g.insert(k, g.end(k), size-have)
	} else {
		g.remove(k, g.exts[k]+size, have-size)
	}
	body := g.body(k)
	clear(body[n:])
	copy(body[n:], b)
	g.fixExt(k)
	g.fixLengths()
}

func (g *Generator) poke16(k, at int, v uint16) bool {
	b := g.body(k)
	if at+2 > len(b) {
		return false
	}
	g.put.PutUint16(b[at:], v)
	return true
}

func (g *Generator) poke32(k, at int) bool {
	b := g.body(k)
	if at+4 > len(b) {
		return false
	}
	g.put.PutUint32(b[at:], uint32(g.edge(uint64(g.put.Uint32(b[at:])), 4)))
	return true
}

// keyBitsTo is a mutation of the number of bits of a key whose extension has room
// for so many octets.
func keyBitsTo(f func(g *Generator, room int) int) func(*Generator, int) bool {
	return func(g *Generator, k int) bool {
		room := g.end(k) - g.exts[k] - 8
		if room <= 0 {
			return false
		}
		return g.poke16(k, 4, uint16(f(g, room)))
	}
}

// saLen reports whether sockaddrs begin with their length.
func (g *Generator) saLen() bool {
	s := g.codec.AppendSockaddr(g.small[:0], layers.Sockaddr{Addr: netip.AddrFrom4([4]byte{})})
	return s[0] == 16 // else it is half of the family
}

// wrongLen is a length of a sockaddr that is not n.
func (g *Generator) wrongLen(n byte) byte {
	return pick(&g.rng, []byte{0, 1, 2, n - 1, n + 1, 28 + 16 - n, 64, 128, 255})
}

// sockaddrOf returns the sockaddr of an address extension with its padding, or nil
// if it has none.
func (g *Generator) sockaddrOf(k int) []byte {
	if b := g.body(k); len(b) >= 8+16 {
		return b[8:]
	}
	return nil
}

// sockaddrSize is the size of the story's sockaddrs.
func (g *Generator) sockaddrSize() int {
	return len(g.codec.AppendSockaddr(g.small[:0], layers.Sockaddr{Addr: g.tale.src}))
}

// putFamily writes the family of a sockaddr.
func (g *Generator) putFamily(b []byte, family uint16) {
	if g.saLen() {
		b[1] = byte(family)
	} else {
		g.put.PutUint16(b, family)
	}
}

// breakFamily makes the family of a sockaddr one that is not IP.
func (g *Generator) breakFamily(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	g.putFamily(b, pick(&g.rng, []uint16{0, 1, 3, 15, 17, 127, 255, 256, 258, 0x7fff, 0xffff}))
	return true
}

// requestSize is the size of a request without addresses.
func (g *Generator) requestSize() int { return g.codec.Dialect.RequestLayout().Size }

// requestAt is the offset of request i of a policy, -1 if there is none.
func (g *Generator) requestAt(k, i int) int {
	if g.layoutAt(k) == nil {
		return -1
	}
	at, size := g.exts[k]+16, g.requestSize()
	for at+size <= g.end(k) {
		if i == 0 {
			return at
		}
		n := int(g.put.Uint16(g.buf[at:]))
		if n < size {
			return -1
		}
		at, i = at+n, i-1
	}
	return -1
}

// anyRequest is the offset of one of a policy's requests, -1 if there is none.
func (g *Generator) anyRequest(k int) int {
	n := 0
	for g.requestAt(k, n) >= 0 {
		n++
	}
	if n == 0 {
		return -1
	}
	return g.requestAt(k, g.rng.n(n))
}

// requestLen is a mutation of the length of a request, n being the true one and
// room the bytes from its beginning to the end of the policy.
func requestLen(f func(g *Generator, n, room int) int) func(*Generator, int) bool {
	return func(g *Generator, k int) bool {
		at := g.anyRequest(k)
		if at < 0 {
			return false
		}
		g.put.PutUint16(g.buf[at:], uint16(f(g, int(g.put.Uint16(g.buf[at:])), g.end(k)-at)))
		return true
	}
}

// requestField is a mutation of a field of a request, of size bytes.
func requestField(off, size int) func(*Generator, int) bool {
	return func(g *Generator, k int) bool {
		at := g.anyRequest(k)
		if at < 0 {
			return false
		}
		v := pick(&g.rng, []uint64{0, 1, 2, 3, 4, 5, 6, 41, 255, 0xffff})
		if size == 1 {
			g.buf[at+off] = byte(v)
		} else {
			g.put.PutUint16(g.buf[at+off:], uint16(v))
		}
		return true
	}
}

// tunnelRequest is the offset of a request of a policy that has both its addresses,
// -1 if none has. One is found in most tries where there is one.
func (g *Generator) tunnelRequest(k int) int {
	for range 4 {
		at := g.anyRequest(k)
		if at < 0 {
			return -1
		}
		if n := int(g.put.Uint16(g.buf[at:])); n >= g.requestSize()+2*g.sockaddrSize() && at+n <= g.end(k) {
			return at
		}
	}
	return -1
}

// pairOf returns one of the two addresses of a request, and what follows it in the
// request.
func (g *Generator) pairOf(k int) []byte {
	at := g.tunnelRequest(k)
	if at < 0 {
		return nil
	}
	end := min(at+int(g.put.Uint16(g.buf[at:])), g.end(k))
	at += g.requestSize()
	if g.rng.percent(50) {
		at += g.sockaddrSize()
	}
	return g.buf[at:end]
}
