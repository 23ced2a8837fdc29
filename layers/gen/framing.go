package gen

import (
	"github.com/pfkeycap/pfkeycap/layers"
)

// framingMutations are about which extensions there are and how they are divided.
var framingMutations = []mutation{
	{"", "bare", "all extensions are missing", func(g *Generator, _ int) bool {
		ok := g.cut(layers.BaseLen)
		g.fixLengths()
		return ok
	}},
	{"*", "ext-missing", "an extension is missing", func(g *Generator, k int) bool {
		g.drop(k)
		g.fixLengths()
		return true
	}},
	{"*", "ext-repeated", "an extension occurs twice", func(g *Generator, k int) bool {
		g.tmp = append(g.tmp[:0], g.body(k)...)
		g.place(g.tmp)
		return true
	}},
	{"*", "exts-swapped", "two extensions have changed places", func(g *Generator, k int) bool {
		if len(g.exts) < 2 {
			return false
		}
		g.tmp = append(g.tmp[:0], g.body(k)...)
		g.drop(k)
		g.place(g.tmp)
		return true
	}},
	{"*", "exts-reversed", "the extensions are in the reverse order", func(g *Generator, _ int) bool {
		if len(g.exts) < 2 || g.innerAt > 0 {
			return false
		}
		g.tmp = append(g.tmp[:0], g.buf...)
		first, total := g.exts[0], len(g.buf)
		g.buf = g.buf[:first]
		for k := len(g.exts) - 1; k >= 0; k-- {
			end := total
			if k+1 < len(g.exts) {
				end = g.exts[k+1]
			}
			g.buf = append(g.buf, g.tmp[g.exts[k]:end]...)
		}
		g.reindex(first)
		return true
	}},
	{"", "ext-unknown", "an extension that the dialect does not have", func(g *Generator, _ int) bool {
		n := layers.Word * g.rng.between(1, 4)
		g.tmp = append(g.tmp[:0], zeros[:n]...)
		g.rng.fill(g.tmp)
		g.put.PutUint16(g.tmp, uint16(n/layers.Word))
		g.put.PutUint16(g.tmp[2:], pick(&g.rng, []uint16{g.dialect.maxExt + 1, g.dialect.maxExt + 2, 63, 64, 127, 128, 255, 256, 0x7fff, 0x8000, 0xfffe, 0xffff}))
		g.place(g.tmp)
		return true
	}},
	{"", "ext-foreign", "an extension that this type of message does not have", func(g *Generator, _ int) bool {
		g.ext(pick(&g.rng, g.dialect.items))
		g.fixLengths()
		return true
	}},
	{"", "exts-many", "the same or any extensions over and over", func(g *Generator, _ int) bool {
		same, it := g.rng.percent(30), pick(&g.rng, g.dialect.items)
		for range g.rng.between(10, 60) {
			if !same {
				it = pick(&g.rng, g.dialect.items)
			}
			g.ext(it)
		}
		g.fixLengths()
		return true
	}},
	{"", "large", "an extension of up to 64 KiB", func(g *Generator, _ int) bool {
		if !g.rng.percent(10) {
			return false // they cost time
		}
		n := layers.Word * g.rng.between(1<<8, 1<<13)
		at := len(g.buf)
		g.exts = append(g.exts, at)
		for len(g.buf) < at+n {
			g.buf = append(g.buf, zeros[:min(len(zeros), at+n-len(g.buf))]...)
		}
		g.put.PutUint16(g.buf[at:], uint16(n/layers.Word))
		number := uint16(g.dialect.number[pick(&g.rng, g.dialect.items)])
		if g.rng.percent(50) {
			number = g.dialect.maxExt + 1
		}
		g.put.PutUint16(g.buf[at+2:], number)
		g.fixLengths()
		return true
	}},
	{"", "wrapped", "an X_PROMISC header in front", func(g *Generator, _ int) bool { return g.wrap(1, 0) }},
	{"", "wrapped-long", "an X_PROMISC header in front, two words longer than the bytes, as NetBSD makes it", func(g *Generator, _ int) bool { return g.wrap(1, 2) }},
	{"", "wrapped-deep", "X_PROMISC inside X_PROMISC, some or a hundred times", func(g *Generator, _ int) bool {
		if !g.rng.percent(50) {
			return false
		}
		if g.rng.percent(50) {
			return g.wrap(g.rng.between(2, 40), 0)
		}
		return g.wrap(g.rng.between(100, 120), 0)
	}},
}

// place puts an extension, which must not be in buf, before or behind a random one.
func (g *Generator) place(ext []byte) {
	k := g.rng.n(len(g.exts) + 1)
	at := len(g.buf)
	if k < len(g.exts) {
		at = g.exts[k]
	}
	copy(g.insert(k-1, at, len(ext)), ext)
	g.exts = append(g.exts, 0)
	copy(g.exts[k+1:], g.exts[k:])
	g.exts[k] = at
	g.fixLengths()
}

// reindex finds the extensions again, the first of which is at an offset.
func (g *Generator) reindex(at int) {
	g.exts = g.exts[:0]
	for at+layers.ExtLen <= len(g.buf) {
		n := int(g.put.Uint16(g.buf[at:])) * layers.Word
		if n == 0 || at+n > len(g.buf) {
			return
		}
		g.exts = append(g.exts, at)
		at += n
	}
}

// wrap puts depth X_PROMISC headers in front of the message, whose lengths are more
// words too large.
func (g *Generator) wrap(depth, more int) bool {
	if g.innerAt > 0 {
		return false
	}
	const n = layers.BaseLen
	total := len(g.buf) + depth*n
	g.insert(-1, 0, depth*n)
	for i := range depth {
		b := g.buf[i*n:]
		b[0], b[1] = layers.Version, layers.PROMISC
		g.put.PutUint16(b[4:], uint16((total-i*n)/layers.Word+more))
	}
	g.innerAt = depth * n
	return true
}

// extensionMutations are for any extension.
var extensionMutations = []mutation{
	extLen("ext-len-zero", "the length of an extension is 0", func(g *Generator, n int) int { return 0 }),
	extLen("ext-len-one", "the length of an extension is 1: its header only", func(g *Generator, n int) int { return 1 }),
	extLen("ext-len-plus", "the length of an extension is one word too large", func(g *Generator, n int) int { return n + 1 }),
	extLen("ext-len-minus", "the length of an extension is one word too small", func(g *Generator, n int) int { return n - 1 }),
	extLen("ext-len-max", "the length of an extension is 0xffff", func(g *Generator, n int) int { return 0xffff }),
	extLen("ext-len-sign", "the length of an extension has its highest bit set", func(g *Generator, n int) int { return 0x8000 | n }),
	extLen("ext-len-bytes", "the length of an extension counts bytes", func(g *Generator, n int) int { return n * layers.Word }),
	extType("ext-type-zero", "an extension is of type 0", func(g *Generator) uint16 { return 0 }),
	extType("ext-type-above", "an extension is of a type above the highest", func(g *Generator) uint16 { return g.dialect.maxExt + 1 }),
	extType("ext-type-max", "an extension is of type 0xffff", func(g *Generator) uint16 { return 0xffff }),
	extType("ext-type-other", "an extension says that it is another one", func(g *Generator) uint16 {
		return g.dialect.number[pick(&g.rng, g.dialect.items)]
	}),
	{"*", "ext-grown", "an extension has words too many, and lengths that fit", func(g *Generator, k int) bool {
		n := layers.Word * pick(&g.rng, []int{1, 1, 1, 2, 3, 8, 32})
		b := g.insert(k, g.end(k), n)
		if g.rng.percent(50) {
			g.rng.fill(b)
		}
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"*", "ext-shrunk", "an extension has words too few, and lengths that fit", func(g *Generator, k int) bool {
		words := (g.end(k) - g.exts[k]) / layers.Word
		if words < 2 {
			return false
		}
		n := layers.Word
		if g.rng.percent(40) {
			n *= g.rng.between(1, words-1)
		}
		g.remove(k, g.end(k)-n, n)
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"*", "ext-header-only", "an extension has one word, and lengths that fit", func(g *Generator, k int) bool {
		n := g.end(k) - g.exts[k] - layers.Word
		if n <= 0 {
			return false
		}
		g.remove(k, g.exts[k]+layers.Word, n)
		g.fixExt(k)
		g.fixLengths()
		return true
	}},
	{"*", "ext-filled", "the contents of an extension are anything", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) <= layers.ExtLen {
			return false
		}
		g.rng.fill(b[layers.ExtLen:])
		return true
	}},
	{"*", "ext-blank", "the contents of an extension are zeros", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) <= layers.ExtLen {
			return false
		}
		clear(b[layers.ExtLen:])
		return true
	}},
	{"*", "field", "a field has an extreme value", func(g *Generator, k int) bool {
		lay := g.layoutAt(k)
		if lay == nil || len(lay.Fields) == 0 {
			return false
		}
		f := &lay.Fields[g.rng.n(len(lay.Fields))]
		return g.poke(k, f)
	}},
	{"*", "reserved", "a reserved field is not 0", func(g *Generator, k int) bool {
		lay := g.layoutAt(k)
		if lay == nil {
			return false
		}
		at := g.exts[k]
		for i := range lay.Fields {
			f := &lay.Fields[i]
			if f.Sem == reservedField && at+int(f.Off+f.Size) <= g.end(k) {
				b := g.buf[at+int(f.Off):][:f.Size]
				g.rng.fill(b)
				b[0] |= 1
				return true
			}
		}
		return false
	}},
	{"*", "padding", "the last octets of an extension are not 0", func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) <= layers.Word {
			return false
		}
		b = b[len(b)-g.rng.between(1, 4):]
		g.rng.fill(b)
		b[len(b)-1] |= 1
		return true
	}},
}

const reservedField = layers.SemReserved

// poke gives a field of an extension an extreme value.
func (g *Generator) poke(k int, f *layers.Field) bool {
	at := g.exts[k] + int(f.Off)
	if at+int(f.Size) > g.end(k) {
		return false
	}
	b := g.buf[at:][:f.Size]
	switch f.Size {
	case 1, 2, 4, 8:
		var v uint64
		for _, x := range b {
			v = v<<8 | uint64(x)
		}
		v = g.edge(v, int(f.Size))
		g.putField(g.exts[k], f, v)
	default:
		if g.rng.percent(50) {
			g.rng.fill(b)
		} else {
			clear(b)
		}
	}
	return true
}

// extLen is a mutation of an extension's length, n words of which would be true.
func extLen(name, doc string, f func(g *Generator, n int) int) mutation {
	return mutation{"*", name, doc, func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < layers.ExtLen {
			return false
		}
		g.put.PutUint16(b, uint16(f(g, len(b)/layers.Word)))
		return true
	}}
}

func extType(name, doc string, f func(g *Generator) uint16) mutation {
	return mutation{"*", name, doc, func(g *Generator, k int) bool {
		b := g.body(k)
		if len(b) < layers.ExtLen {
			return false
		}
		g.put.PutUint16(b[2:], f(g))
		return true
	}}
}
