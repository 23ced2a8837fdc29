package filter

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
)

// The fields of an extension are not written down here: specimens of it are
// walked, and what the walk gives is what there is. So the table of paths cannot
// name anything else than the walk does.

// roots are the extensions of all dialects by name in lower case. One whose number
// no dialect has is "unknown".
var roots = sync.OnceValue(func() map[string]*root {
	m := map[string]*root{unknownName: newRoot(unknownName)}
	for _, d := range layers.Dialects() {
		for _, number := range d.ExtNumbers() {
			name := strings.ToLower(d.ExtName(number))
			r := m[name]
			if r == nil {
				r = newRoot(name)
				m[name] = r
			}
			l := d.LayoutOf(number)
			r.node.in[d] = traits{here: true, number: number, size: l.Size}
			if r.node.doc == "" {
				r.node.doc = l.Doc
			}
		}
	}
	m[unknownName].node.doc = "extension that the dialect does not have"
	m[unknownName].node.everywhere()
	return m
})

const unknownName = "unknown"

// root is an extension whose fields are found out when they are first asked for.
type root struct {
	once sync.Once
	node *node
}

func newRoot(name string) *root {
	n := &node{path: name, name: name, src: fromExtension, member: isGroup}
	n.root = n
	return &root{node: n}
}

// extensionNode returns the node of an extension with its fields, or nil.
func extensionNode(name string) *node {
	r := roots()[name]
	if r == nil {
		return nil
	}
	r.once.Do(r.explore)
	return r.node
}

// extensionNames lists the extensions, "unknown" last.
func extensionNames() []string {
	var list []string
	for name := range roots() {
		if name != unknownName {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return append(list, unknownName)
}

// unknownNumber is the number of no extension in any dialect.
const unknownNumber = 65535

func (r *root) explore() {
	n := r.node
	n.add("exttype", Number, eNumber, "extension number").size = 2
	n.add("offset", Number, eOffset, "bytes from the start of the record")
	n.add("len", Number, eLen, "8-byte words").size = 2
	header := slices.Clone(n.kids)
	for _, d := range layers.Dialects() {
		if !n.in[d].here {
			continue
		}
		for _, k := range header {
			k.in[d].here = true
		}
		c := layers.Codec{Dialect: d, Order: layers.LittleEndian}
		number, size := n.in[d].number, n.in[d].size
		if n.name == unknownName {
			number, size = unknownNumber, layers.ExtLen
		}
		satypes := []byte{layers.SATypeESP, layers.SATypeIPComp}
		whole := 0 // walks through specimens that are not too short
		for i, body := range specimens(c, number, size) {
			for _, satype := range satypes {
				msg := make([]byte, layers.BaseLen, layers.BaseLen+layers.ExtLen+len(body)+layers.Word)
				msg[0], msg[1], msg[3] = layers.Version, layers.GET, satype
				msg = binary.LittleEndian.AppendUint16(msg, 0)
				msg = binary.LittleEndian.AppendUint16(msg, number)
				msg = append(msg, body...)
				for len(msg)%layers.Word != 0 {
					msg = append(msg, 0)
				}
				binary.LittleEndian.PutUint16(msg[layers.BaseLen:], uint16((len(msg)-layers.BaseLen)/layers.Word))
				if len(msg)-layers.BaseLen >= size {
					whole++
				}
				c.Walk(msg, &explorer{dialect: d, size: size, msg: msg, first: i == 0, stack: []*node{n}})
			}
		}
		for _, k := range n.kids {
			if in := &k.in[d]; in.at.kind == moving || in.at.kind == fixed && in.shown != whole {
				in.at = place{}
			}
		}
	}
}

// specimens makes bodies of an extension (what follows its four bytes of header)
// that show every field it can have. size is that of its fixed part.
func specimens(c layers.Codec, number uint16, size int) [][]byte {
	// In the first, different bytes everywhere, so that it is seen where a number
	// stands and in which byte order. In the others the numbers, among which are
	// counts and lengths, have the value 2, and the address families are known ones.
	counting := make([]byte, size-layers.ExtLen)
	for i := range counting {
		counting[i] = byte(i + 1)
	}
	inet, inet6 := slices.Clone(counting), slices.Clone(counting)
	clear(inet)
	clear(inet6)
	if l := c.Dialect.LayoutOf(number); l != nil {
		for i := range l.Fields {
			f := &l.Fields[i]
			at := int(f.Off) - layers.ExtLen
			inet[at], inet6[at] = 2, 2
			if f.Sem == layers.SemFamily {
				v4, _ := c.Dialect.Family("inet")
				v6, _ := c.Dialect.Family("inet6")
				inet[at], inet6[at] = byte(v4), byte(v6)
			}
		}
	}
	ones := slices.Repeat([]byte{0xff}, 96)
	pair4, pair6 := dirtyPair(c, 16), dirtyPair(c, 28)
	requests := c.AppendRequest(nil, layers.Request{Sockaddrs: slices.Concat(pair4, ones[:8])})
	requests = c.AppendRequest(requests, layers.Request{Sockaddrs: pair6})
	requests = c.AppendRequest(requests, layers.Request{Sockaddrs: ones[:72]})
	half := slices.Concat(pair4[:16], ones) // the second is of an unknown family
	requests = c.AppendRequest(requests, layers.Request{Sockaddrs: half[:56]})
	combs := make([]byte, 64+3*8) // an extended one with three algorithms, of each type
	combs[0] = 3
	for i := range 3 {
		combs[64+8*i+1] = byte(i + 1)
	}
	list := [][]byte{slices.Concat(counting, ones), nil, inet, inet6}
	if l := c.Dialect.LayoutOf(number); l != nil && l.Fields[0].Enum == layers.EnumKMProto {
		ikev2 := slices.Clone(inet) // whose cookie has 64 bits
		ikev2[0] = 3
		list = append(list, ikev2)
	}
	for _, trailer := range [][]byte{ones, {'a', 0}, slices.Concat(pair4, ones), slices.Concat(pair6, ones), half, requests, combs} {
		list = append(list, slices.Concat(inet, trailer))
	}
	return list
}

// dirtyPair makes two sockaddrs of which every member is different from what it
// should be.
func dirtyPair(c layers.Codec, size int) []byte {
	family := "inet"
	if size > 16 {
		family = "inet6"
		size = len(c.AppendSockaddr(nil, layers.Sockaddr{Addr: netip.IPv6Unspecified()}))
	}
	one := slices.Repeat([]byte{0xff}, size)
	number, _ := c.Dialect.Family(family)
	if c.AppendSockaddr(nil, layers.Sockaddr{})[1] == 0 { // no length octet
		binary.LittleEndian.PutUint16(one, number)
	} else {
		one[1] = byte(number)
	}
	return slices.Concat(one, one)
}

// explorer is the layers.Visitor that adds what it sees to the node of an
// extension.
type explorer struct {
	dialect layers.Dialect
	size    int
	msg     []byte
	first   bool    // this is the first specimen
	stack   []*node // the groups that were begun, from the extension's
}

func (e *explorer) top() *node { return e.stack[len(e.stack)-1] }

// kid returns the node of a name, which it makes if need be.
func (e *explorer) kid(name string, kind Kind, doc string) *node {
	k := e.top().kid(name)
	if k == nil {
		k = e.top().add(name, kind, isField, doc)
	}
	k.in[e.dialect].here = true
	return k
}

// Field implements layers.Visitor.
func (e *explorer) Field(f *layers.Field, v *layers.Value) {
	k := e.top()
	if f.Name != "" {
		k = e.kid(f.Name, kindOf(v.Kind), f.Doc)
	} else { // an element of a list of numbers
		k.kind, k.list = Number, true
	}
	if v.Kind == layers.Hidden {
		if v.Key > 0 {
			id := e.kid("key_id", Octets, "tells one key from another")
			id.member = sKeyID
			return
		}
		k.addParts()
		return
	}
	if k.sem == layers.SemPlain || f.Sem == layers.SemFlags {
		k.sem = f.Sem
	}
	if v.Kind == layers.Number {
		k.size = max(k.size, v.Size)
	}
	in := &k.in[e.dialect]
	t := tableOf(f, v)
	if !slices.Contains(in.tables, t) {
		in.tables = addTable(in.tables, t)
	}
	if len(e.stack) == 1 {
		e.locate(f, v, in)
	}
}

func kindOf(k layers.ValueKind) Kind {
	switch k {
	case layers.Addr:
		return Address
	case layers.Text:
		return Text
	case layers.Hex:
		return Octets
	case layers.Hidden:
		return Secret
	}
	return Number
}

// tableOf returns the table that a value's name, or its flags' names, are from.
func tableOf(f *layers.Field, v *layers.Value) table {
	switch f.Sem {
	case layers.SemFlags:
		return table(f.Enum)
	case layers.SemFamily:
		return tFamily
	}
	return table(v.Enum)
}

// locate notes where a field stands, if that is always the same place. The first
// specimen, whose bytes all differ, tells the byte order of a number.
func (e *explorer) locate(f *layers.Field, v *layers.Value, in *traits) {
	off := v.Offset - layers.BaseLen
	at := place{kind: moving}
	switch {
	case v.Kind == layers.Number && off+v.Size <= e.size:
		b := e.msg[v.Offset : v.Offset+v.Size]
		at = place{kind: fixed, off: uint8(off), size: uint8(v.Size), net: in.at.net}
		if e.first {
			at.net = v.Size > 1 && v.Uint == load(b, true)
		}
		if v.Size == 0 || v.Uint != load(b, at.net) {
			at = place{kind: moving}
		}
		in.shown++
	case v.Kind == layers.Addr && off == e.size+4+v.Size/16*4: // sin_addr, sin6_addr
		at = place{kind: sockAddr, off: uint8(e.size)}
	case v.Kind == layers.Number && f.Name == "port" && off == e.size+2:
		at = place{kind: sockPort, off: uint8(e.size)}
	}
	if in.at.kind == nowhere && (e.first || at.kind != fixed) || in.at == at {
		in.at = at
	} else {
		in.at = place{kind: moving}
	}
}

// load reads an unsigned integer of 1, 2, 4 or 8 bytes.
func load(b []byte, big bool) uint64 {
	if big {
		switch len(b) {
		case 2:
			return uint64(binary.BigEndian.Uint16(b))
		case 4:
			return uint64(binary.BigEndian.Uint32(b))
		case 8:
			return binary.BigEndian.Uint64(b)
		}
		return uint64(b[0])
	}
	switch len(b) {
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	case 8:
		return binary.LittleEndian.Uint64(b)
	}
	return uint64(b[0])
}

// Open implements layers.Visitor.
func (e *explorer) Open(k layers.NodeKind, name string) {
	n := e.top()
	if k != layers.Item {
		n = e.kid(name, Group, "")
	}
	e.stack = append(e.stack, n)
}

// Close implements layers.Visitor.
func (e *explorer) Close(layers.NodeKind) { e.stack = e.stack[:len(e.stack)-1] }

// The other methods of layers.Visitor.

func (e *explorer) Base(*layers.Base, int, int)                         {}
func (e *explorer) Extension(*layers.Header, uint16, string, int, bool) {}
func (e *explorer) EndExtension()                                       {}
func (e *explorer) Malformed([]byte, int, layers.Reason)                {}
func (e *explorer) End()                                                {}
