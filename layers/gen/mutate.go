package gen

import (
	"slices"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Mutation describes one way in which messages are broken.
type Mutation struct {
	Name string // as in Info.Mutations
	Doc  string
	// Ext is the Go name of the extensions' struct that it is for, such as "Key";
	// "*" is any extension, "" the message.
	Ext string
}

// Mutations lists all mutations.
func Mutations() []Mutation {
	list := make([]Mutation, len(mutations))
	for i := range mutations {
		m := &mutations[i]
		list[i] = Mutation{m.name, m.doc, m.on}
	}
	return list
}

// mutation breaks the message in buf. apply gets the index in exts of the
// extension that it is for; it returns false, and leaves the message alone, if
// there is nothing that it could do.
type mutation struct {
	on    string
	name  string
	doc   string
	apply func(g *Generator, k int) bool
}

// mutations are in the order of their subjects: the message, any extension, one
// kind of extension.
var mutations = slices.Concat(messageMutations, framingMutations, extensionMutations, kindMutations)

// subjects are the mutations by what they are for.
type subjects struct {
	message, any []*mutation
	kind         [shape.NumMeanings][]*mutation
}

// mutationsOf are made when the first message is, because every program that has this
// package would start later.
var mutationsOf = sync.OnceValue(func() *subjects {
	s := &subjects{message: mutationsOn(""), any: mutationsOn("*")}
	for m := range s.kind {
		s.kind[m] = mutationsOn(shape.Meanings[m].Struct)
	}
	return s
})

func mutationsOn(on string) (list []*mutation) {
	for i := range mutations {
		if mutations[i].on == on {
			list = append(list, &mutations[i])
		}
	}
	return list
}

// mutate breaks the message in one place, or now and then in a few.
func (g *Generator) mutate() {
	n := 1
	for n < 4 && g.rng.percent(25) {
		n++
	}
	for range n {
		// Not every mutation suits every message; some always do.
		for range 20 {
			if m := g.mutateOnce(); m != nil {
				g.done = append(g.done, m.name)
				break
			}
		}
	}
}

func (g *Generator) mutateOnce() *mutation {
	if len(g.buf) < layers.BaseLen {
		return nil // cut to pieces already
	}
	list, k := mutationsOf().message, 0
	if len(g.exts) > 0 && !g.rng.percent(25) {
		k = g.victim()
		list = mutationsOf().any
		if kind := mutationsOf().kind[g.meaning(k)]; len(kind) > 0 && g.rng.percent(75) {
			list = kind
		}
	}
	m := pick(&g.rng, list)
	if !m.apply(g, k) {
		return nil
	}
	return m
}

// victim chooses an extension: one for which there are many mutations is taken
// more often.
func (g *Generator) victim() int {
	sum := 0
	for k := range g.exts {
		sum += g.interest(k)
	}
	n := g.rng.n(sum)
	for k := range g.exts {
		if n -= g.interest(k); n < 0 {
			return k
		}
	}
	return 0
}

func (g *Generator) interest(k int) int { return 1 + 2*len(mutationsOf().kind[g.meaning(k)]) }

// meaning is what an extension was made as, if its number is still the dialect's.
func (g *Generator) meaning(k int) shape.Meaning {
	at := g.exts[k]
	if at+layers.ExtLen > len(g.buf) {
		return 0
	}
	n := g.put.Uint16(g.buf[at+2:])
	for _, it := range g.dialect.items {
		if g.dialect.number[it] == n {
			return shape.Meaning(it)
		}
	}
	return 0
}

// layoutAt is the layout of an extension; nil if it has none or not the bytes for
// it.
func (g *Generator) layoutAt(k int) *layers.Layout {
	lay := g.dialect.layout[g.meaning(k)]
	if lay == nil || g.end(k)-g.exts[k] < lay.Size {
		return nil
	}
	return lay
}

// end is the offset behind an extension, whatever its length field says.
func (g *Generator) end(k int) int {
	if k+1 < len(g.exts) {
		return g.exts[k+1]
	}
	return len(g.buf)
}

// body returns the bytes of an extension.
func (g *Generator) body(k int) []byte { return g.buf[g.exts[k]:g.end(k)] }

// insert makes room for n zero bytes at an offset inside or behind extension k.
func (g *Generator) insert(k, at, n int) []byte {
	g.buf = slices.Grow(g.buf, n)[:len(g.buf)+n]
	copy(g.buf[at+n:], g.buf[at:])
	clear(g.buf[at : at+n])
	for j := k + 1; j < len(g.exts); j++ {
		g.exts[j] += n
	}
	return g.buf[at : at+n]
}

// remove takes n bytes at an offset inside extension k out.
func (g *Generator) remove(k, at, n int) {
	g.buf = append(g.buf[:at], g.buf[at+n:]...)
	for j := k + 1; j < len(g.exts); j++ {
		g.exts[j] -= n
	}
}

// drop takes a whole extension out.
func (g *Generator) drop(k int) {
	g.remove(k, g.exts[k], g.end(k)-g.exts[k])
	g.exts = append(g.exts[:k], g.exts[k+1:]...)
}

// fixExt makes the length of an extension true.
func (g *Generator) fixExt(k int) {
	b := g.body(k)
	if len(b) >= 2 {
		g.put.PutUint16(b, uint16((len(b)+layers.Word-1)/layers.Word))
	}
}

// fixLengths makes sadb_msg_len true, of a wrapped message too.
func (g *Generator) fixLengths() {
	if len(g.buf) >= 6 {
		g.fixLength(0)
	}
	if g.innerAt > 0 && g.innerAt+6 <= len(g.buf) {
		g.fixLength(g.innerAt)
	}
}

// edge returns a number that is likely to be looked at wrongly, of size bytes; v is
// the one that stands there now.
func (g *Generator) edge(v uint64, size int) uint64 {
	top := uint64(1)<<(8*size-1) - 1 + uint64(1)<<(8*size-1)
	switch g.rng.n(8) {
	case 0:
		return 0
	case 1:
		return 1
	case 2:
		return top
	case 3:
		return top >> 1 // the largest signed number
	case 4:
		return top>>1 + 1 // the smallest
	case 5:
		return v + 1
	case 6:
		return v - 1
	}
	return g.rng.next()
}

// messageMutations are about the header and the number of bytes.
var messageMutations = []mutation{
	{"", "version", "sadb_msg_version is not 2", func(g *Generator, _ int) bool {
		g.buf[0] = pick(&g.rng, []byte{0, 1, 3, 4, 255})
		return true
	}},
	{"", "type-zero", "sadb_msg_type is 0", func(g *Generator, _ int) bool {
		g.buf[1] = 0
		return true
	}},
	{"", "type-above", "sadb_msg_type is above the highest", func(g *Generator, _ int) bool {
		g.buf[1] = pick(&g.rng, []byte{g.dialect.maxType + 1, g.dialect.maxType + 2, 128, 255})
		return true
	}},
	{"", "type-other", "the extensions are those of another type of message", func(g *Generator, _ int) bool {
		g.buf[1] = pick(&g.rng, g.dialect.types)
		return true
	}},
	{"", "satype", "an SA type that does not exist, or not for this message", func(g *Generator, _ int) bool {
		g.buf[3] = pick(&g.rng, []byte{0, 1, 4, 5, 10, 128, 255, byte(g.rng.next())})
		return true
	}},
	{"", "errno", "sadb_msg_errno is set", func(g *Generator, _ int) bool {
		g.buf[2] = byte(g.rng.between(1, 255))
		return true
	}},
	{"", "msg-reserved", "sadb_msg_reserved is not 0", func(g *Generator, _ int) bool {
		g.put.PutUint16(g.buf[6:], uint16(g.rng.between(1, 65535)))
		return true
	}},
	{"", "seq", "sadb_msg_seq is 0 or extreme", func(g *Generator, _ int) bool {
		g.put.PutUint32(g.buf[8:], uint32(g.edge(0, 4)))
		return true
	}},
	{"", "pid", "sadb_msg_pid is 0, extreme or another's", func(g *Generator, _ int) bool {
		g.put.PutUint32(g.buf[12:], uint32(g.edge(uint64(g.tale.pid), 4)))
		return true
	}},
	msgLen("msg-len-zero", "sadb_msg_len is 0", func(g *Generator, n int) int { return 0 }),
	msgLen("msg-len-one", "sadb_msg_len is 1", func(g *Generator, n int) int { return 1 }),
	msgLen("msg-len-two", "sadb_msg_len is 2 though there are extensions", func(g *Generator, n int) int { return 2 }),
	msgLen("msg-len-plus", "sadb_msg_len is one word too large", func(g *Generator, n int) int { return n + 1 }),
	msgLen("msg-len-minus", "sadb_msg_len is one word too small", func(g *Generator, n int) int { return n - 1 }),
	msgLen("msg-len-max", "sadb_msg_len is 0xffff", func(g *Generator, n int) int { return 0xffff }),
	msgLen("msg-len-swapped", "sadb_msg_len is in the other byte order", func(g *Generator, n int) int { return n<<8&0xff00 | n>>8 }),
	msgLen("msg-len-random", "sadb_msg_len is any number", func(g *Generator, n int) int { return g.rng.n(1 << 16) }),
	{"", "truncated", "the message is cut, its length is not", func(g *Generator, _ int) bool {
		return g.cut(g.rng.between(layers.BaseLen, len(g.buf)))
	}},
	{"", "truncated-header", "fewer than the 16 bytes of a header", func(g *Generator, _ int) bool {
		return g.cut(g.rng.n(layers.BaseLen))
	}},
	{"", "cut", "the message is cut, and its length fits", func(g *Generator, _ int) bool {
		ok := g.cut(g.rng.between(layers.BaseLen, len(g.buf)))
		g.fixLengths()
		return ok
	}},
	{"", "trailing-bytes", "1 to 7 bytes after the last extension, not in the length", func(g *Generator, _ int) bool {
		n := g.rng.between(1, 7)
		if g.rng.percent(60) {
			n = g.rng.between(1, 3) // fewer than an extension's header
		}
		return g.extend(n, false)
	}},
	{"", "trailing-words", "words of zeros or anything after the last extension", func(g *Generator, _ int) bool {
		ok := g.extend(layers.Word*g.rng.between(1, 8), g.rng.percent(50))
		g.fixLengths()
		return ok
	}},
	{"", "bits", "a few bits are flipped", func(g *Generator, _ int) bool {
		for range g.rng.between(1, 4) {
			g.buf[g.rng.n(len(g.buf))] ^= 1 << g.rng.n(8)
		}
		return true
	}},
	{"", "octets", "a few octets are others", func(g *Generator, _ int) bool {
		for range g.rng.between(1, 4) {
			g.buf[g.rng.n(len(g.buf))] = byte(g.rng.next())
		}
		return true
	}},
	{"", "other-order", "the message is in the other byte order", otherOrder},
}

// msgLen is a mutation of sadb_msg_len, n words of which would be true.
func msgLen(name, doc string, f func(g *Generator, n int) int) mutation {
	return mutation{"", name, doc, func(g *Generator, _ int) bool {
		if len(g.buf) < layers.BaseLen {
			return false
		}
		g.put.PutUint16(g.buf[4:], uint16(f(g, len(g.buf)/layers.Word)))
		return true
	}}
}

// cut shortens the message to n bytes.
func (g *Generator) cut(n int) bool {
	if n >= len(g.buf) {
		return false
	}
	g.buf = g.buf[:n]
	for len(g.exts) > 0 && g.exts[len(g.exts)-1]+layers.ExtLen > n {
		g.exts = g.exts[:len(g.exts)-1]
	}
	return true
}

// extend appends n bytes that belong to no extension.
func (g *Generator) extend(n int, zero bool) bool {
	at := len(g.buf)
	g.buf = append(g.buf, zeros[:n]...)
	if !zero {
		g.rng.fill(g.buf[at:])
	}
	return true
}

// otherOrder turns the integers round that a framing loop reads; what is inside of
// the extensions is turned round by layers.Transcode, where it can be.
func otherOrder(g *Generator, _ int) bool {
	to := g.codec
	to.Order = layers.LittleEndian + layers.BigEndian - g.codec.Order
	turned, err := layers.Transcode(g.tmp[:0], g.codec, to, g.buf)
	if err != nil {
		return false
	}
	g.tmp = turned
	copy(g.buf, turned)
	return true
}
