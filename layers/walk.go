package layers

import (
	"bytes"
	"net/netip"
	"sync"
	"unicode/utf8"

	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Field describes a named part of a message: a member of a C struct, or one of
// the few that have no member of their own (the address in a sockaddr, the text
// of an identity).
type Field = shape.Field

// Sem says what a field means and so how it is to be shown.
type Sem = shape.Sem

// The meanings of fields.
const (
	SemPlain    = shape.Plain
	SemSPI      = shape.SPI
	SemEnum     = shape.Enum
	SemFlags    = shape.Flags
	SemReserved = shape.Reserved
	SemIPProto  = shape.IPProto
	SemFamily   = shape.Family
	SemCount    = shape.Count
	SemOctets   = shape.Octets
	SemSeconds  = shape.Seconds
	SemBits     = shape.Bits
	SemPort     = shape.Port
	SemAddress  = shape.Address
	SemName     = shape.Name
	SemEmbedded = shape.Embedded
)

// ValueKind says which part of a Value holds it.
type ValueKind uint8

// The kinds of values.
const (
	Number ValueKind = iota // Uint, with Name if the number has one
	Addr                    // Addr
	Text                    // Bytes, which are UTF-8
	Hex                     // Bytes, octets that are no secret
	Hidden                  // Bytes, which are secret: to be shown only if the user asks for it
)

// Value is the value of a field. It is valid only during the visit.
type Value struct {
	Kind   ValueKind
	Uint   uint64
	Name   string // of the number, in its dialect
	Enum   Enum   // the table that Name is from
	Addr   netip.Addr
	Bytes  []byte // aliasing the message
	Key    int    // Hidden: how many of Bytes are the octets of one key
	Offset int    // bytes from the start of the record
	Size   int    // bytes it takes there
}

// Zero reports whether the value is the number 0 or only zero bytes.
func (v *Value) Zero() bool {
	if v.Kind == Number {
		return v.Uint == 0
	}
	return v.Kind != Addr && allZero(v.Bytes)
}

// NodeKind tells the ways in which fields are grouped.
type NodeKind uint8

// The kinds of groups.
const (
	List   NodeKind = iota // holds items, or numbers without a name
	Item                   // one of a list, without a name
	Object                 // a named group, such as one of two addresses
)

// Visitor receives the parts of a message in wire order.
type Visitor interface {
	// Base begins a message. depth is 0 for the outer one; a deeper one is inside
	// the X_PROMISC wrapper before it, which Ends only after it. The header is
	// valid during the call.
	Base(b *Base, offset, depth int)
	// Extension begins an extension. Its header is valid during the call. short
	// means that it is too short for its structure.
	Extension(h *Header, number uint16, name string, offset int, short bool)
	// Field gives a member of the extension, item or object that was begun last.
	// The Value is the visitor's only during the call.
	Field(f *Field, v *Value)
	Open(k NodeKind, name string)
	Close(k NodeKind)
	EndExtension()
	// Malformed gives what could not be framed.
	Malformed(rest []byte, offset int, r Reason)
	// End ends the message that Base began.
	End()
}

// Fields that are not members of one of the structs in package shape.
var (
	fieldFamily   = &Field{Name: "family", Sem: shape.Family, Doc: "address family"}
	fieldAddr     = &Field{Name: "addr", Sem: shape.Plain, Doc: "address"}
	fieldPort     = &Field{Name: "port", Sem: shape.Port, Doc: "port"}
	fieldSALen    = &Field{Name: "sa_len", Doc: "sockaddr length field"}
	fieldZero     = &Field{Name: "zero", Sem: shape.Reserved, Order: shape.Bytes, Doc: "sin_zero"}
	fieldScope    = &Field{Name: "scope_id", Doc: "scope"}
	fieldFlow     = &Field{Name: "flowinfo", Doc: "flow information"}
	fieldSrcID    = &Field{Name: "src_id", Doc: "source id"}
	fieldSockaddr = &Field{Name: "sockaddr", Order: shape.Bytes, Doc: "sockaddr of an unknown family"}
	fieldPad      = &Field{Name: "pad", Sem: shape.Reserved, Order: shape.Bytes, Doc: "padding"}
	fieldTail     = &Field{Name: "tail", Order: shape.Bytes, Doc: "bytes beyond the structure"}
	fieldData     = &Field{Name: "data", Order: shape.Bytes, Doc: "data of an unknown extension"}
	fieldKey      = &Field{Name: "key", Order: shape.Bytes, Doc: "key octets"}
	fieldIdent    = &Field{Name: "identity", Order: shape.Bytes, Doc: "identity as text"}
	fieldIdentHex = &Field{Name: "identity_hex", Order: shape.Bytes, Doc: "identity as octets"}
	fieldCtx      = &Field{Name: "ctx", Order: shape.Bytes, Doc: "security context"}
	fieldCtxHex   = &Field{Name: "ctx_hex", Order: shape.Bytes, Doc: "security context as octets"}
	fieldTag      = &Field{Name: "tag", Order: shape.Bytes, Doc: "tag"}
	fieldTagHex   = &Field{Name: "tag_hex", Order: shape.Bytes, Doc: "tag as octets"}
	fieldSAddrHex = &Field{Name: "saddr_hex", Order: shape.Bytes, Doc: "source address as octets"}
	fieldDAddrHex = &Field{Name: "daddr_hex", Order: shape.Bytes, Doc: "destination address as octets"}
	fieldElement  = &Field{Doc: "element of a list of numbers"}
	fieldVOffset  = &Field{Name: "v_offset", Doc: "where the values begin, bytes: 4 in a 32-bit process"}
	fieldCookie64 = &Field{Name: "cookie64", Doc: "cookie of IKEv2"}
)

// Walk visits every part of a message, the inner one of an X_PROMISC wrapper
// too. It does not fail: what cannot be decoded is given to Malformed. It does
// not allocate.
func (c Codec) Walk(msg []byte, v Visitor) {
	w := newWalker(c, v)
	w.message(msg, 0, 0)
	w.release()
}

// walkers are reused because a visitor is handed pointers into them, which puts
// every one on the heap.
var walkers = sync.Pool{New: func() any { return new(walker) }}

// walkExtension visits the fields of one extension that its dialect knows.
// Offsets are from the start of the extension, and since the SA type of the
// message is not known, a number that depends on it is not taken for IPCOMP's.
func walkExtension(h *Header, v Visitor) {
	w := newWalker(h.Codec(), v)
	w.ext, w.m = h.Contents, h.kind.meaning()
	if e := w.d.lookup(h.Number()); e != nil && len(w.ext) >= int(e.size) {
		w.extension(e)
	}
	w.release()
}

// noVisit has the methods of a Visitor that looks at nothing.
type noVisit struct{}

func (noVisit) Base(*Base, int, int)                         {}
func (noVisit) Extension(*Header, uint16, string, int, bool) {}
func (noVisit) Field(*Field, *Value)                         {}
func (noVisit) Open(NodeKind, string)                        {}
func (noVisit) Close(NodeKind)                               {}
func (noVisit) EndExtension()                                {}
func (noVisit) Malformed([]byte, int, Reason)                {}
func (noVisit) End()                                         {}

type walker struct {
	c   Codec
	big bool
	d   *dialect
	v   Visitor

	// hiddenOnly means that the visitor looks at hidden fields and at what is
	// malformed only: most of the rest is left out.
	hiddenOnly bool

	// members is the visitor if it takes the members of a structure all at once, and
	// in this message may.
	members shape.MemberVisitor

	base   Base
	ext    []byte // the extension being visited
	extOff int    // where it begins in the record
	m      shape.Meaning
	heads  [4]Header // extensions that are framed and not yet visited

	num Value // a number; the rest of it stays empty, so that not all is set for each
	val Value // what is none
}

func newWalker(c Codec, v Visitor) *walker {
	w := walkers.Get().(*walker)
	w.c, w.big, w.d, w.v = c, c.big(), c.Dialect.table(), v
	return w
}

// release gives w back, empty: the pool must not keep the message.
func (w *walker) release() {
	*w = walker{}
	walkers.Put(w)
}

func (w *walker) message(msg []byte, off, depth int) {
	if len(msg) < BaseLen {
		w.v.Malformed(msg, off, ShortHeader)
		return
	}
	if depth > MaxNesting {
		w.v.Malformed(msg, off, TooDeep)
		return
	}
	w.base.decode(w.c, msg)
	w.members = nil
	if w.resolve(shape.Encrypt, nil, 0, 0) == shape.Encrypt {
		w.members, _ = w.v.(shape.MemberVisitor)
	}
	w.v.Base(&w.base, off, depth)
	if w.base.wraps() {
		w.message(msg[BaseLen:], off+BaseLen, depth+1)
		w.v.End()
		return
	}
	var cur cursor
	cur.init(w.c, msg)
	for n := len(w.heads); n == len(w.heads); {
		n = cur.frame(w.heads[:])
		for i := range w.heads[:n] {
			w.framed(&w.heads[i], off)
		}
	}
	if cur.reason != Sound {
		w.v.Malformed(cur.rest(), off+cur.off, cur.reason)
	}
	w.v.End()
}

// framed visits an extension of the message that begins at offset off.
func (w *walker) framed(h *Header, off int) {
	w.ext, w.extOff, w.m = h.Contents, off+int(h.Offset), h.kind.meaning()
	e := w.d.known(w.m)
	number := get16(w.ext[2:], w.big)
	switch {
	case e != nil && w.hiddenOnly:
		w.extension(e)
		return
	case e != nil:
		w.v.Extension(h, number, e.name, w.extOff, false)
		w.extension(e)
	default:
		name := w.c.Dialect.ExtName(number)
		w.v.Extension(h, number, name, w.extOff, name != "")
		w.hidden(fieldData, ExtLen, len(w.ext), 0)
	}
	w.v.EndExtension()
}

// extension visits a known extension that is long enough.
func (w *walker) extension(e *ext) {
	id := e.layoutFor(w.ext, w.big)
	sh := id.shape()
	b := w.ext
	n := sh.Size
	switch sh.Trailer {
	case shape.Key, shape.Secret:
		w.secretBody(sh)
		return
	}
	switch id {
	case layoutSadbXFilter:
		w.filter(sh)
	case layoutSadbSessionId:
		w.fields(id, b, 0, 1)
		w.sessionID(8)
	case layoutSadbSessionIdIlp32:
		w.number(fieldVOffset, 4, 4, 0)
		w.sessionID(4)
		w.byteField(&sh.Fields[2], 20)
	case layoutSadbXKmc:
		if get32(b[4:], w.big) != kmpIKEv2 {
			w.fields(id, b, 0, len(sh.Fields))
			break
		}
		w.fields(id, b, 0, 1)
		w.number(fieldCookie64, get64(b[8:], w.big), 8, 8)
	case layoutSadbXEreg:
		w.v.Open(List, "satypes")
		for i := 4; i < len(b); i++ {
			w.enum(fieldElement, shape.SAType, uint64(b[i]), i, 1)
		}
		w.v.Close(List)
		return
	default:
		w.fields(id, b, 0, len(sh.Fields))
	}
	switch sh.Trailer {
	case shape.Sockaddr:
		n = w.padded(n)
	case shape.SockaddrPair: // KMADDRESS: the local manager's address, then the remote one's
		n = w.pair(n, len(b), "local", "remote")
	case shape.Ident:
		n = w.identity(n)
	case shape.Bitmaps:
		n = w.bitmaps(n)
	case shape.Combs:
		n = w.list("combs", layoutSadbComb, n, (len(b)-n)/layoutSadbComb.shape().Size)
	case shape.Algs:
		n = w.list("algs", w.d.alg, n, (len(b)-n)/w.d.alg.shape().Size)
	case shape.Stats:
		size := layoutSastat.shape().Size
		n = w.list("list", layoutSastat, n, min((len(b)-n)/size, w.length32(12)))
	case shape.EComb:
		n = w.extendedCombs(n)
	case shape.Requests:
		n = w.requests(n)
	case shape.Context:
		n = w.text(n, int(get16(b[6:], w.big)), fieldCtx, fieldCtxHex)
	case shape.Tag:
		n = w.text(n, w.length32(4), fieldTag, fieldTagHex)
	}
	w.tail(n)
}

// sessionID gives the two numbers of a sadb_session_id, which begin at offset at.
func (w *walker) sessionID(at int) {
	w.v.Open(List, "v")
	w.number(fieldElement, get64(w.ext[at:], w.big), at, 8)
	w.number(fieldElement, get64(w.ext[at+8:], w.big), at+8, 8)
	w.v.Close(List)
}

// length32 reads a length of 32 bits, no more than that of the extension: an int
// may have no more than 32 bits either.
func (w *walker) length32(at int) int {
	return int(min(get32(w.ext[at:], w.big), uint32(len(w.ext))))
}

// number gives a plain number.
func (w *walker) number(f *Field, u uint64, at, size int) { w.named(f, shape.NoEnum, "", u, at, size) }

func (w *walker) enum(f *Field, e Enum, u uint64, at, size int) {
	name := ""
	if e < shape.NumEnums {
		if t := w.d.enums[e]; u < uint64(len(t)) {
			name = t[u]
		}
	}
	w.named(f, e, name, u, at, size)
}

// named gives a number and its name.
func (w *walker) named(f *Field, e Enum, name string, u uint64, at, size int) {
	v := &w.num
	v.Uint, v.Name, v.Enum, v.Offset, v.Size = u, name, e, w.extOff+at, size
	w.v.Field(f, v)
}

func (w *walker) address(f *Field, a netip.Addr, at, size int) {
	w.val = Value{Kind: Addr, Addr: a, Offset: w.extOff + at, Size: size}
	w.v.Field(f, &w.val)
}

func (w *walker) octets(f *Field, k ValueKind, from, to int) { w.keyed(f, k, from, to, 0) }

func (w *walker) hidden(f *Field, from, to, key int) { w.keyed(f, Hidden, from, to, key) }

// keyed gives octets, of which key are those of a key.
func (w *walker) keyed(f *Field, k ValueKind, from, to, key int) {
	w.val = Value{Kind: k, Bytes: w.ext[from:to:to], Key: key, Offset: w.extOff + from, Size: to - from}
	w.v.Field(f, &w.val)
}

// tail gives what is left of the extension unless it is zero, which the
// extension's length says well enough. It may hold what does not belong to the
// extension, so it is secret.
func (w *walker) tail(n int) {
	if n < len(w.ext) && !allZero(w.ext[n:]) {
		w.hidden(fieldTail, n, len(w.ext), 0)
	}
}

// fields gives the first n members of a structure that begins at offset at.
func (w *walker) fields(id layout, b []byte, at, n int) {
	if w.hiddenOnly {
		return
	}
	sh := id.shape()
	for i := 0; i < n; i++ {
		if w.members != nil {
			if i = w.members.Members(int(id), b[at:], w.resolve(shape.AlgID, nil, 0, 0), i, n); i == n {
				break
			}
		}
		f := &sh.Fields[i]
		p := at + int(f.Off)
		if f.Order == shape.Bytes {
			w.byteField(f, p)
			continue
		}
		u := f.Place().Load(b[at:], w.big)
		switch f.Sem {
		case shape.Enum:
			w.enum(f, w.resolve(f.Enum, b, at, u), u, p, int(f.Size))
		default:
			w.number(f, u, p, int(f.Size))
		}
	}
}

func (w *walker) byteField(f *Field, p int) {
	end := p + int(f.Size)
	switch f.Sem {
	case shape.Embedded: // a CURRENT lifetime with its own header, in sastat
		w.v.Open(Object, f.Name)
		w.number(fieldLftLen, uint64(get16(w.ext[p:], w.big)), p, 2)
		w.number(fieldLftType, uint64(get16(w.ext[p+2:], w.big)), p+2, 2)
		w.fields(layoutSadbLifetime, w.ext, p, len(layoutSadbLifetime.shape().Fields))
		w.v.Close(Object)
	case shape.Name:
		name, rest, _ := bytes.Cut(w.ext[p:end], []byte{0})
		if allZero(rest) && plainText(name) && len(name) < int(f.Size) {
			w.octets(f, Text, p, p+len(name))
			return
		}
		w.octets(nameHex(f), Hex, p, end)
	default:
		w.octets(f, Hex, p, end)
	}
}

var (
	fieldLftLen  = &Field{Name: "len", Doc: "length of the lifetime inside, words"}
	fieldLftType = &Field{Name: "exttype", Doc: "extension number of the lifetime inside"}
)

// nameHex is the field under which a name that is no text is given.
func nameHex(f *Field) *Field { return hexFields[f] }

var hexFields = func() map[*Field]*Field {
	m := map[*Field]*Field{}
	for i := range shape.Table {
		for k := range shape.Table[i].Fields {
			if f := &shape.Table[i].Fields[k]; f.Sem == shape.Name {
				h := *f
				h.Name += "_hex"
				m[f] = &h
			}
		}
	}
	return m
}()

// resolve replaces the tables that depend on the surroundings of a field.
func (w *walker) resolve(e Enum, b []byte, at int, u uint64) Enum {
	switch e {
	case shape.Encrypt:
		if w.d.enums[shape.SAType] != nil && w.c.Dialect.isIPComp(w.base.SAType) {
			return shape.Comp
		}
	case shape.AlgID:
		switch w.m {
		case shape.MSupportedAuth:
			return shape.Auth
		case shape.MSupportedComp:
			return shape.Comp
		}
		return shape.Encrypt // to a REGISTER for IPCOMP too: it lists all ciphers
	case shape.ProtoField:
		switch w.m {
		case shape.MFlowType:
			return shape.FlowType
		case shape.MSAType2:
			return shape.SAType
		}
		return shape.NoEnum
	case shape.CredField:
		switch w.m {
		case shape.MLocalAuth, shape.MRemoteAuth:
			return shape.AuthType
		}
		return shape.CredType
	case shape.DescAlg:
		switch b[at+1] { // sadb_x_algdesc_algtype
		case 1:
			return shape.Auth
		case 2:
			return shape.Encrypt
		case 3:
			return shape.Comp
		}
		return shape.NoEnum
	}
	return e
}

// isIPComp reports whether an SA type is IPCOMP, for which the encrypt field
// holds a compression algorithm. illumos has no such type.
func (d Dialect) isIPComp(satype uint8) bool {
	return satype == SATypeIPComp && d.EnumName(EnumSAType, SATypeIPComp) != ""
}

// secretBody visits a key, or an extension whose whole body is secret. A reserved
// field that is not zero is hidden too: it may hold what someone misplaced.
func (w *walker) secretBody(sh *shape.Shape) {
	b, n := w.ext, sh.Size
	for i := range sh.Fields {
		f := &sh.Fields[i]
		p := int(f.Off)
		if f.Sem == shape.Reserved {
			if !allZero(b[p:n]) {
				w.hidden(f, p, n, 0)
			}
			continue
		}
		u := f.Place().Load(b, w.big)
		if f.Sem == shape.Enum {
			w.enum(f, w.resolve(f.Enum, b, p, u), u, p, int(f.Size))
			continue
		}
		w.number(f, u, p, int(f.Size))
	}
	end := len(b)
	if sh.Trailer == shape.Secret {
		if end > n {
			w.hidden(fieldData, n, end, 0)
		}
		return
	}
	key := min(keyOctets(get16(b[4:], w.big)), end-n)
	if key > 0 {
		w.hidden(fieldKey, n, n+key, key)
	}
	if n += key; !allZero(b[n:]) {
		w.hidden(fieldPad, n, end, 0)
	}
}

// maxSockaddr is the longest sockaddr of an unknown family that is shown, the
// size of the largest known one. What comes after it may not be an address.
const maxSockaddr = 32

// padded visits the sockaddr of an address extension and its padding.
func (w *walker) padded(n int) int {
	b := w.ext
	if n == len(b) {
		return n
	}
	s, ok := w.c.ParseSockaddr(b[n:])
	if !ok {
		if len(b)-n >= 2 {
			w.family(uint64(s.Family), n)
		}
		end := min(len(b), n+maxSockaddr)
		w.octets(fieldSockaddr, Hex, n, end)
		return end
	}
	w.sockaddr(&s, n)
	n += s.Size
	if end := min(len(b), (n+Word-1)&^(Word-1)); end > n {
		// Kernels have leaked their memory here (CVE-2026-43088).
		if !allZero(b[n:end]) {
			w.hidden(fieldPad, n, end, 0)
		}
		n = end
	}
	return n
}

func (w *walker) family(u uint64, at int) {
	size := 2
	if w.d.saLen { // an octet, after that of the length
		at, size = at+1, 1
	}
	w.named(fieldFamily, shape.NoEnum, w.c.Dialect.FamilyName(uint16(u)), u, at, size)
}

func (w *walker) sockaddr(s *Sockaddr, at int) {
	if w.hiddenOnly {
		if s.Zero != [8]byte{} {
			w.hidden(fieldZero, at+8, at+16, 0)
		}
		return
	}
	w.family(uint64(s.Family), at)
	addrAt, addrLen := at+4, 4
	if s.Addr.Is6() {
		addrAt, addrLen = at+8, 16
	}
	w.address(fieldAddr, s.Addr, addrAt, addrLen)
	w.number(fieldPort, uint64(s.Port), at+2, 2)
	if s.Len != s.canonicalLen(w.d) {
		w.number(fieldSALen, uint64(s.Len), at, 1)
	}
	if s.Zero != [8]byte{} {
		w.hidden(fieldZero, at+8, at+16, 0)
	}
	if s.FlowInfo != 0 {
		w.number(fieldFlow, uint64(s.FlowInfo), at+4, 4)
	}
	if s.ScopeID != 0 {
		w.number(fieldScope, uint64(s.ScopeID), at+24, 4)
	}
	if s.SrcID != 0 {
		w.number(fieldSrcID, uint64(s.SrcID), at+28, 4)
	}
}

// pair visits two sockaddrs without padding between them, up to end.
func (w *walker) pair(n, end int, first, second string) int {
	for _, name := range [2]string{first, second} {
		if n >= end || allZero(w.ext[n:end]) {
			return n
		}
		s, ok := w.c.ParseSockaddr(w.ext[n:end])
		if !ok {
			if end-n < 2 {
				return n
			}
			stop := min(end, n+maxSockaddr)
			w.v.Open(Object, name)
			w.family(uint64(s.Family), n)
			w.octets(fieldSockaddr, Hex, n, stop)
			w.v.Close(Object)
			return stop
		}
		w.v.Open(Object, name)
		w.sockaddr(&s, n)
		w.v.Close(Object)
		n += s.Size
	}
	return n
}

// identity visits the name in an identity extension.
func (w *walker) identity(n int) int {
	b := w.ext
	if n == len(b) {
		return n
	}
	end := len(b)
	z := bytes.IndexByte(b[n:], 0)
	if z >= 0 {
		// What follows the padding of a string is not part of it.
		if stop := (n + z + Word) &^ (Word - 1); identIsText(get16(b[4:], w.big)) {
			end = min(end, stop)
		}
		if plainText(b[n:n+z]) && allZero(b[n+z:end]) && end == (n+z+Word)&^(Word-1) {
			w.octets(fieldIdent, Text, n, n+z)
			return end
		}
	}
	w.octets(fieldIdentHex, Hex, n, end)
	return end
}

func (w *walker) bitmaps(n int) int {
	for i, name := range [2]string{"sens_bitmap", "integ_bitmap"} {
		words := min(int(w.ext[9+2*i]), (len(w.ext)-n)/8)
		if words == 0 {
			continue
		}
		w.v.Open(List, name)
		for range words {
			w.number(fieldElement, get64(w.ext[n:], w.big), n, 8)
			n += 8
		}
		w.v.Close(List)
	}
	return n
}

// list visits count structures of one size.
func (w *walker) list(name string, id layout, n, count int) int {
	sh := id.shape()
	if w.hiddenOnly {
		return n + count*sh.Size
	}
	w.v.Open(List, name)
	for range count {
		w.v.Open(Item, "")
		w.fields(id, w.ext, n, len(sh.Fields))
		w.v.Close(Item)
		n += sh.Size
	}
	w.v.Close(List)
	return n
}

func (w *walker) extendedCombs(n int) int {
	sh := layoutSadbXEcomb.shape()
	w.v.Open(List, "ecombs")
	for {
		one, _ := splitExtendedComb(w.ext[n:])
		if one == nil {
			break
		}
		w.v.Open(Item, "")
		w.fields(layoutSadbXEcomb, w.ext, n, len(sh.Fields))
		count := int(w.ext[n])
		n = w.list("algs", layoutSadbXAlgdesc, n+sh.Size, count)
		w.v.Close(Item)
	}
	w.v.Close(List)
	return n
}

func (w *walker) requests(n int) int {
	id := w.d.request
	sh := id.shape()
	w.v.Open(List, "requests")
	for {
		one, _ := splitRequest(w.ext[n:], id, w.big)
		if one == nil {
			break
		}
		w.v.Open(Item, "")
		w.fields(id, w.ext, n, len(sh.Fields))
		end := n + len(one)
		n = w.pair(n+sh.Size, end, "src", "dst")
		if n < end && !allZero(w.ext[n:end]) {
			w.hidden(fieldTail, n, end, 0)
		}
		n = end
		w.v.Close(Item)
	}
	w.v.Close(List)
	return n
}

// text visits size octets that are a string if they end with their only NUL.
func (w *walker) text(n, size int, asText, asHex *Field) int {
	end := min(n+size, len(w.ext))
	if end == n {
		return n
	}
	s := w.ext[n:end]
	if len(s) == size && s[size-1] == 0 && plainText(s[:size-1]) {
		w.octets(asText, Text, n, end-1)
		return end
	}
	w.octets(asHex, Hex, n, end)
	return end
}

// filter visits the members of sadb_x_filter. Its addresses have no sockaddr: an
// IPv4 one is in the first 4 of 16 octets.
func (w *walker) filter(sh *shape.Shape) {
	family := get16(w.ext[36:], w.big)
	for i := range sh.Fields {
		f := &sh.Fields[i]
		p := int(f.Off)
		if f.Sem == shape.Family {
			w.named(f, shape.NoEnum, w.c.Dialect.FamilyName(family), uint64(family), p, 2)
			continue
		}
		if f.Sem != shape.Address {
			w.number(f, f.Place().Load(w.ext, w.big), p, int(f.Size))
			continue
		}
		switch {
		case family == w.d.inet && allZero(w.ext[p+4:p+16]):
			w.address(f, netip.AddrFrom4([4]byte(w.ext[p:])), p, 4)
		case family == w.d.inet6:
			w.address(f, netip.AddrFrom16([16]byte(w.ext[p:])), p, 16)
		case f.Off == 4:
			w.octets(fieldSAddrHex, Hex, p, p+16)
		default:
			w.octets(fieldDAddrHex, Hex, p, p+16)
		}
	}
}

// plainText reports whether b can be shown as text and read back: UTF-8 without
// NUL. An empty string is text.
func plainText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
