package pfjson

import (
	"errors"
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// The structures whose layout the extension number alone does not say.
var (
	longSA        = shape.ByName("sadb_sa_2")
	comb          = shape.ByName("sadb_comb")
	ecomb         = shape.ByName("sadb_x_ecomb")
	algdesc       = shape.ByName("sadb_x_algdesc")
	sastat        = shape.ByName("sastat")
	lifetimeShape = shape.ByName("sadb_lifetime")
)

// layoutOf chooses the structure of an extension. macOS has two for SA: the long
// one is meant if the length has room for it or, without a length, if a member of
// it is there.
func (p *parser) layoutOf(number uint16, o *object, words int) *shape.Shape {
	sh := p.codec.Dialect.LayoutOf(number)
	if sh == nil || sh.Name != "sadb_sa" || p.codec.Dialect != layers.MacOS {
		return sh
	}
	if words > 0 && words*layers.Word < longSA.Size {
		return sh
	}
	for _, f := range longSA.Fields[len(sh.Fields):] {
		if words > 0 || o.has(f.Name) {
			return longSA
		}
	}
	return sh
}

// extension appends the extension that n says.
func (p *parser) extension(n *node) {
	o := p.object(n)
	start := len(p.out)
	number := p.extNumber(&o)
	words, lenNode := o.uint("len", 2)
	o.get("offset")
	if lenNode != nil && words == 0 {
		p.fail(lenNode, errors.New("len 0: an extension has at least one word; without len it is computed, and rest holds what is none"))
	}
	if p.fix {
		words = 0
	}
	p.zeros(n, layers.ExtLen)
	if p.err != nil {
		return
	}
	p.names = p.names[:0]
	sh := p.layoutOf(number, &o, int(words))
	if sh == nil || sh.Trailer != shape.Secret && o.has("data") {
		data, at := o.octets("data")
		p.append(at, data)
	} else {
		if words > 0 && int(words)*layers.Word < sh.Size {
			p.fail(lenNode, fmt.Errorf("len %d: its structure has %d bytes; as a shorter one it has only the member data", words, sh.Size))
			return
		}
		p.structure(&o, sh, start)
	}
	o.done()
	if p.err != nil {
		return
	}
	p.align(n, start)
	size := len(p.out) - start
	switch {
	case words == 0 && size > 0xffff*layers.Word:
		p.fail(n, fmt.Errorf("an extension of %d bytes: want at most %d", size, 0xffff*layers.Word))
	case words == 0:
		words = uint64(size / layers.Word)
	case size > int(words)*layers.Word:
		p.fail(lenNode, fmt.Errorf("len %d is too small for %d bytes: leave it out and it is computed", words, size))
	default:
		p.zeros(n, int(words)*layers.Word-size)
	}
	p.put(start, 2, false, words)
	p.put(start+2, 2, false, uint64(number))
	p.resolveNames(start)
}

// extNumber reads name and exttype.
func (p *parser) extNumber(o *object) uint16 {
	d := p.codec.Dialect
	number, n := o.uint("exttype", 2)
	name, named := o.text("name")
	switch {
	case named == nil && n == nil:
		p.fail(o.n, errors.New("no member name or exttype"))
	case named == nil:
	case n != nil && name == unknownName:
		if is := d.ExtName(uint16(number)); is != "" {
			p.fail(named, fmt.Errorf("%q is not the name of exttype %d: %v has %s there", name, number, d, is))
		}
	default:
		v, ok := d.ExtNumber(name)
		switch {
		case n != nil && (!ok || uint64(v) != number):
			p.fail(named, fmt.Errorf("%q is not the name of exttype %d: leave one of them out", clip(name), number))
		case !ok:
			p.fail(named, fmt.Errorf("%v has no extension %q: want %s", d, clip(name), known(extNames(d))))
		}
		number = uint64(v)
	}
	return uint16(number)
}

func extNames(d layers.Dialect) (names []string) {
	for _, n := range d.ExtNumbers() {
		names = append(names, d.ExtName(n))
	}
	return names
}

// align appends zeros to the next word of what begins at start.
func (p *parser) align(n *node, start int) {
	p.zeros(n, -(len(p.out)-start)&(layers.Word-1))
}

// structure appends a known extension after its header, which begins at start:
// the inverse of what layers.Codec.Walk visits.
func (p *parser) structure(o *object, sh *shape.Shape, start int) {
	p.zeros(o.n, sh.Size-layers.ExtLen)
	if p.err != nil {
		return
	}
	switch sh.Trailer {
	case shape.Key, shape.Secret:
		p.secretBody(o, sh, start)
		return
	case shape.SATypes:
		p.out = p.out[:start+layers.ExtLen]
		p.saTypes(o)
		return
	}
	switch sh.Name {
	case "sadb_x_filter":
		p.filter(o, sh, start)
	case "sadb_session_id":
		p.sessionID(o, start)
	default:
		p.fields(o, sh.Fields, start)
		if sh.Name == "sadb_x_kmc" {
			p.cookie64(o, start)
		}
	}
	switch sh.Trailer {
	case shape.Sockaddr:
		if p.sockaddr(o) {
			p.padding(o, start)
		}
	case shape.SockaddrPair:
		p.pair(o, "local", "remote")
	case shape.Ident:
		p.identity(o, start)
	case shape.Bitmaps:
		p.bitmap(o, "sens_bitmap", "sens_len", start+9)
		p.bitmap(o, "integ_bitmap", "integ_len", start+11)
	case shape.Combs:
		n := p.list(o, "combs", comb)
		if f := &sh.Fields[0]; f.Name == "num" {
			p.count(o, f.Name, start+int(f.Off), int(f.Size), n)
		}
	case shape.Algs:
		p.list(o, "algs", p.codec.Dialect.AlgLayout())
	case shape.Stats:
		p.count(o, "list_len", start+12, 4, p.list(o, "list", sastat))
	case shape.EComb:
		p.extendedCombs(o, start)
	case shape.Requests:
		p.requests(o)
	case shape.Context:
		p.count(o, "ctx_len", start+6, 2, p.textOrHex(o, "ctx"))
	case shape.Tag:
		p.count(o, "taglen", start+4, 4, p.textOrHex(o, "tag"))
	}
	p.tail(o)
}

// tail appends what stands beyond the structure.
func (p *parser) tail(o *object) {
	b, n := o.octets("tail")
	p.append(n, b)
}

// count writes a count that the line leaves out. One that is there was written
// with the other fields.
func (p *parser) count(o *object, name string, at, size, n int) {
	if o.has(name) && !p.fix {
		return
	}
	if size < 4 && n >= 1<<(8*size) {
		p.fail(o.n, fmt.Errorf("%d of them: %s cannot count more than %d", n, name, 1<<(8*size)-1))
	}
	p.put(at, size, false, uint64(n))
}

// fields writes the members of the structure that begins at at.
func (p *parser) fields(o *object, fields []shape.Field, at int) {
	for i := range fields {
		f := &fields[i]
		if f.Order == shape.Bytes {
			p.byteField(o, f, at+int(f.Off))
			continue
		}
		v, n := o.uint(f.Name, int(f.Size))
		switch f.Sem {
		case shape.Flags:
			v = p.flags(o, f, v, n != nil)
		case shape.Enum:
			if s, named := o.text(f.Name + "_name"); named != nil {
				p.names = append(p.names, name{named, s, f.Name, at + int(f.Off), f.Order == shape.Net, n != nil})
			}
		}
		p.put(at+int(f.Off), int(f.Size), f.Order == shape.Net, v)
	}
}

// flags reads the names of a set of flags, which is v if there is already a number.
func (p *parser) flags(o *object, f *shape.Field, v uint64, has bool) uint64 {
	list, n := o.array(f.Name + "_names")
	if n == nil {
		return v
	}
	var set uint32
	for _, k := range list {
		bit, ok := flagValue(p.codec.Dialect, f.Enum, k.text)
		if k.kind != stringKind || !ok {
			p.fail(k, fmt.Errorf("%v has no such flag: want %s, or hex after 0x", p.codec.Dialect, known(flagsOf(p.codec.Dialect, f.Enum)[:])))
		}
		set |= bit
	}
	switch {
	case has && uint64(set) != v:
		p.fail(n, fmt.Errorf("they make %#x, not %s %#x: leave one of them out", set, f.Name, v))
	case uint64(set)>>(8*f.Size) != 0:
		p.fail(n, fmt.Errorf("they make %#x, more than %d bytes hold", set, f.Size))
	}
	return uint64(set)
}

// byteField writes a member that is an array of octets.
func (p *parser) byteField(o *object, f *shape.Field, at int) {
	switch f.Sem {
	case shape.Embedded:
		if n := o.get(f.Name); n != nil {
			in := p.object(n)
			words, present := in.uint("len", 2)
			if present == nil || p.fix {
				words = uint64(lifetimeShape.Size / layers.Word)
			}
			number, present := in.uint("exttype", 2)
			if present == nil {
				number = uint64(p.codec.Dialect.ExtNumberOf(layers.LayerTypeLifetimeCurrent))
			}
			p.put(at, 2, false, words)
			p.put(at+2, 2, false, number)
			p.fields(&in, lifetimeShape.Fields, at)
			in.done()
		}
	case shape.Name:
		s, n := o.text(f.Name)
		b, h := o.octets(f.Name + "_hex")
		if n != nil && h != nil {
			p.fail(h, fmt.Errorf("%s beside %s: want one of them", h.key, n.key))
		}
		if h == nil {
			b = []byte(s)
			if len(b) >= int(f.Size) {
				p.fail(n, fmt.Errorf("%d octets and a NUL: there is room for %d", len(b), f.Size))
			}
		} else {
			p.exactly(h, b, int(f.Size))
		}
		if p.err == nil {
			copy(p.out[at:at+int(f.Size)], b)
		}
	default:
		if b, n := o.octets(f.Name); n != nil && p.exactly(n, b, int(f.Size)) {
			copy(p.out[at:], b)
		}
	}
}

// exactly fails unless b has that many octets, or there was an error before.
func (p *parser) exactly(n *node, b []byte, size int) bool {
	if len(b) != size {
		p.fail(n, fmt.Errorf("%d octets where there are %d", len(b), size))
	}
	return p.err == nil
}

// secretBody appends what is secret of a key or a private extension.
func (p *parser) secretBody(o *object, sh *shape.Shape, start int) {
	for i := range sh.Fields {
		f := &sh.Fields[i]
		at := start + int(f.Off)
		if f.Sem != shape.Reserved {
			p.fields(o, sh.Fields[i:i+1], start)
		} else if b, n := o.octets(f.Name); n != nil && p.exactly(n, b, sh.Size-int(f.Off)) {
			copy(p.out[at:], b)
		}
	}
	if sh.Trailer == shape.Secret {
		b, n := o.octets("data")
		p.append(n, b)
		return
	}
	p.key(o, start)
}

// key appends the octets of a key. If they are not there but should be, they were
// left out because they are secret.
func (p *parser) key(o *object, start int) {
	bits, hasBits := o.uint("bits", 2)
	id := o.get("key_id")
	key, n := o.octets("key")
	want := (int(bits) + 7) / 8
	if words := o.n.find("len"); words != nil && !p.fix {
		// A wrong length may leave less room than the bits need.
		want = min(want, int(p.uint(words, 2))*layers.Word-layers.ExtLen*2)
	}
	switch {
	case n == nil && (want > 0 || id != nil):
		p.fail(o.n, ErrSecret)
	case hasBits == nil || p.fix && n != nil && want != len(key):
		if len(key) > 0xffff/8 {
			p.fail(n, fmt.Errorf("%d octets: a key has at most %d", len(key), 0xffff/8))
		}
		p.put(start+4, 2, false, uint64(len(key)*8))
	case n != nil && want != len(key):
		p.fail(n, fmt.Errorf("%d octets where bits and len make %d", len(key), want))
	}
	p.append(n, key)
	pad, n := o.octets("pad")
	p.append(n, pad)
}

// saTypes appends a list of SA types, one octet each, which takes up the rest of
// the extension.
func (p *parser) saTypes(o *object) {
	list, n := o.array("satypes")
	names, named := o.array("satypes_names")
	if n == nil {
		list = names
	}
	if named != nil && len(names) != len(list) {
		p.fail(named, fmt.Errorf("%d names of %d satypes", len(names), len(list)))
		return
	}
	for i, k := range list {
		var v uint64
		if n != nil {
			v = p.uint(k, 1)
		}
		if named != nil && (n == nil || names[i].text != "") {
			if names[i].kind != stringKind {
				p.fail(names[i], fmt.Errorf("%v where a string should be", names[i].kind))
			}
			v = p.nameValue(names[i], names[i].text, layers.EnumSAType, v, n != nil)
		}
		p.append(k, []byte{byte(v)})
	}
}

// cookie64 writes the cookie of IKEv2, which takes two words of illumos' sadb_x_kmc.
func (p *parser) cookie64(o *object, start int) {
	v, n := o.uint("cookie64", 8)
	if n == nil {
		return
	}
	if o.has("cookie") || o.has("reserved") {
		p.fail(n, errors.New("cookie64 beside cookie or reserved: want one of them"))
		return
	}
	p.put(start+8, 8, false, v)
}

// sessionID writes the two numbers of macOS' sadb_session_id and its hole, which
// comes before them or, in a 32-bit process, after them.
func (p *parser) sessionID(o *object, start int) {
	hole, values := start+4, start+8
	if v, n := o.uint("v_offset", 1); v == 4 {
		hole, values = start+20, start+4
	} else if n != nil && v != 8 {
		p.fail(n, fmt.Errorf("%d: want 4, as in a 32-bit process, or 8", v))
		return
	}
	if b, n := o.octets("pad"); n != nil && p.exactly(n, b, 4) {
		copy(p.out[hole:], b)
	}
	list, n := o.array("v")
	if n != nil && len(list) != 2 {
		p.fail(n, fmt.Errorf("%d numbers where there are 2", len(list)))
		return
	}
	for i, k := range list {
		p.put(values+8*i, 8, false, p.uint(k, 8))
	}
}

// identity appends a string with its NUL and padding, or octets.
func (p *parser) identity(o *object, start int) {
	s, n := o.text("identity")
	b, h := o.octets("identity_hex")
	switch {
	case n != nil && h != nil:
		p.fail(h, errors.New("identity_hex beside identity: want one of them"))
	case n != nil:
		p.string(n, s)
		p.align(n, start)
	case h != nil:
		p.append(h, b)
	}
}

// string appends a string and a NUL.
func (p *parser) string(n *node, s string) {
	for i := range len(s) {
		if s[i] == 0 {
			p.fail(n, fmt.Errorf(`a NUL inside the text: give it as %s_hex`, n.key))
			return
		}
	}
	p.append(n, append([]byte(s), 0))
}

// textOrHex appends a string and a NUL, or octets, and returns how many.
func (p *parser) textOrHex(o *object, name string) int {
	start := len(p.out)
	s, n := o.text(name)
	b, h := o.octets(name + "_hex")
	switch {
	case n != nil && h != nil:
		p.fail(h, fmt.Errorf("%s_hex beside %s: want one of them", name, name))
	case n != nil:
		p.string(n, s)
	case h != nil:
		p.append(h, b)
	}
	return len(p.out) - start
}

func (p *parser) bitmap(o *object, name, length string, at int) {
	list, n := o.array(name)
	for _, k := range list {
		p.zeros(n, 8)
		p.put(len(p.out)-8, 8, false, p.uint(k, 8))
	}
	p.count(o, length, at, 1, len(list))
}

// list appends structures of one size and returns how many.
func (p *parser) list(o *object, name string, sh *shape.Shape) int {
	items, _ := o.array(name)
	for _, n := range items {
		in := p.object(n)
		p.item(&in, sh)
		in.done()
	}
	return len(items)
}

// item appends a structure and returns where it begins.
func (p *parser) item(o *object, sh *shape.Shape) int {
	at := len(p.out)
	p.zeros(o.n, sh.Size)
	if p.err == nil {
		p.fields(o, sh.Fields, at)
	}
	return at
}

func (p *parser) extendedCombs(o *object, start int) {
	items, _ := o.array("ecombs")
	for _, n := range items {
		in := p.object(n)
		at := p.item(&in, ecomb)
		p.count(&in, "numalgs", at, 1, p.list(&in, "algs", algdesc))
		in.done()
	}
	p.count(o, "numecombs", start+6, 2, len(items))
}

// requests appends the requests of a policy, whose lengths count bytes.
func (p *parser) requests(o *object) {
	sh := p.codec.Dialect.RequestLayout()
	items, _ := o.array("requests")
	for _, n := range items {
		in := p.object(n)
		at := p.item(&in, sh)
		p.pair(&in, "src", "dst")
		p.tail(&in)
		in.done()
		if p.err != nil {
			return
		}
		lenNode := in.n.find("len")
		if lenNode == nil || p.fix {
			p.align(n, at)
			size := len(p.out) - at
			if size > 0xffff {
				p.fail(n, fmt.Errorf("a request of %d bytes: want at most %d", size, 0xffff))
			}
			p.put(at, 2, false, uint64(size))
			continue
		}
		size, want := len(p.out)-at, int(p.uint(lenNode, 2))
		if size > want {
			p.fail(lenNode, fmt.Errorf("len %d is too small for %d bytes: leave it out and it is computed", want, size))
			return
		}
		p.zeros(n, want-size)
	}
}
