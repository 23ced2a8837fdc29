package gen

import (
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// dialect is what the generator looks up in a dialect, once.
type dialect struct {
	d       layers.Dialect
	number  [shape.NumMeanings]uint16
	layout  [shape.NumMeanings]*layers.Layout
	items   []item // every extension, in the order of their numbers
	maxExt  uint16
	maxType uint8
	types   []uint8 // every message type
	enums   [shape.NumEnums][]uint64
	auths   []algorithm
	ciphers []algorithm
	comps   []algorithm
	satypes []satype
	forward bool // there is a policy direction FWD

	forms             []form
	scripts, requests []script
}

// algorithm is one that an SA can have, with a key size that it takes.
type algorithm struct {
	id   uint8
	bits uint16
}

// satype is an SA type that a kernel has SAs of.
type satype struct {
	number uint8
	kind   saKind
	proto  uint16 // IP protocol
}

type saKind uint8

const (
	kindESP saKind = iota
	kindAH
	kindIPComp
	kindTCP
)

// dialectOf returns the tables of a dialect.
func dialectOf(d layers.Dialect) *dialect { return dialects[d]() }

var dialects = func() (list [layers.NumDialects]func() *dialect) {
	for i := range list {
		list[i] = sync.OnceValue(func() *dialect { return newDialect(layers.Dialect(i)) })
	}
	return list
}()

func newDialect(d layers.Dialect) *dialect {
	t := &dialect{d: d}
	for _, n := range d.ExtNumbers() {
		m := shape.Meaning(d.ExtType(n)-layers.LayerTypeSA) + shape.MSA
		t.number[m], t.layout[m] = n, d.LayoutOf(n)
		t.items = append(t.items, item(m))
		t.maxExt = max(t.maxExt, n)
	}
	for e := range t.enums {
		for v, name := range d.EnumNames(layers.Enum(e)) {
			if name != "" {
				t.enums[e] = append(t.enums[e], uint64(v))
			}
		}
	}
	for _, v := range t.enums[shape.MsgType] {
		if v != 0 {
			t.types = append(t.types, uint8(v))
			t.maxType = max(t.maxType, uint8(v))
		}
	}
	t.auths = algorithmsOf(d, layers.EnumAuth, authBits)
	t.ciphers = algorithmsOf(d, layers.EnumEncrypt, cipherBits)
	for _, v := range t.enums[shape.Comp] {
		if v != 0 {
			t.comps = append(t.comps, algorithm{id: uint8(v)})
		}
	}
	for _, x := range []struct {
		name string
		satype
	}{
		{"ESP", satype{kind: kindESP, proto: 50}}, {"AH", satype{kind: kindAH, proto: 51}},
		{"IPCOMP", satype{kind: kindIPComp, proto: 108}},
		{"TCPSIGNATURE", satype{kind: kindTCP, proto: 6}}, {"TCPSIG", satype{kind: kindTCP, proto: 6}},
	} {
		if v, ok := d.EnumValue(layers.EnumSAType, x.name); ok {
			x.number = uint8(v)
			t.satypes = append(t.satypes, x.satype)
		}
	}
	t.forward = d.EnumName(layers.EnumDir, 3) != ""
	t.forms = formsOf(d)
	t.scripts, t.requests = scriptsOf(t.forms, false), scriptsOf(t.forms, true)
	return t
}

// keyBits gives the key sizes of the algorithms whose names contain a text. The
// first that fits counts.
type keyBits struct {
	part string
	bits []uint16
}

var authBits = []keyBits{
	{"NONE", nil}, {"TCP_MD5", nil}, {"NULL", []uint16{0}},
	{"CHACHA", []uint16{288}}, {"128GMAC", []uint16{160}}, {"192GMAC", []uint16{224}}, {"256GMAC", []uint16{288}},
	{"XCBC", []uint16{128}}, {"SM3", []uint16{256}}, {"RIPEMD", []uint16{160}}, {"MD5", []uint16{128}},
	{"256", []uint16{256}}, {"384", []uint16{384}}, {"512", []uint16{512}}, {"SHA", []uint16{160}},
}

var cipherBits = []keyBits{
	{"NONE", nil}, {"NULL_AES", []uint16{160}}, {"NULL", []uint16{0}}, {"3DES", []uint16{192}}, {"DES", []uint16{64}},
	{"CHACHA", []uint16{288}}, {"CCM", []uint16{152, 216, 280}}, {"GCM", []uint16{160, 224, 288}}, {"GMAC", []uint16{160, 224, 288}},
	{"CTR", []uint16{160, 224, 288}}, {"AES", []uint16{128, 192, 256}}, {"RIJNDAEL", []uint16{128, 192, 256}},
	{"CAMELLIA", []uint16{128, 192, 256}}, {"TWOFISH", []uint16{128, 192, 256}}, {"SERPENT", []uint16{128, 192, 256}},
	{"CAST", []uint16{128}}, {"BLOWFISH", []uint16{128, 192, 448}}, {"BLF", []uint16{160}}, {"SM4", []uint16{128}},
}

// algorithmsOf lists the algorithms of a table that an SA can have. Linux does not
// take combined-mode ciphers over PF_KEY; RFC 2367 wants a key with every cipher.
func algorithmsOf(d layers.Dialect, e layers.Enum, table []keyBits) (list []algorithm) {
	for id, name := range d.EnumNames(e) {
		combined := strings.Contains(name, "CCM") || strings.Contains(name, "GCM") || strings.Contains(name, "GMAC")
		if name == "" || combined && d == layers.Linux || name == "NULL" && d == layers.RFC2367 {
			continue
		}
		for _, k := range table {
			if strings.Contains(name, k.part) {
				for _, bits := range k.bits {
					list = append(list, algorithm{uint8(id), bits})
				}
				break
			}
		}
	}
	return list
}
