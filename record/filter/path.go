package filter

import (
	"slices"
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Kind says what the values of a path are.
type Kind uint8

// The kinds.
const (
	Group   Kind = iota // holds other paths; may be there or not
	Number              // unsigned integer of at most 64 bits, perhaps with a name
	Address             // IPv4 or IPv6 address
	Text                // UTF-8
	Octets              // shown as hex
	Time                // moment, in nanoseconds
	Secret              // may be there or not, but not be compared
)

var kindNames = [...]string{"group", "number", "address", "text", "octets", "time", "secret"}

// String returns the kind in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Path is an entry of the table of paths: the name of something in a record.
type Path struct {
	Name  string // such as "sa.spi"
	Alias string // the path that this one is short for, or ""
	Names string // the path of the number or flags whose names this one gives, or ""
	Kind  Kind
	Sem   layers.Sem // of a number
	Size  int        // bytes that a number takes in a message at most; 0 of one that is in none

	// Enums are the tables that names of the number are from: none for most, more
	// than one where it depends on the message or on the dialect.
	Enums []layers.Enum

	Doc      string
	Dialects []layers.Dialect // that have it
}

// Paths returns the table of paths, in the order of the JSON form: aliases,
// members of the record, the message header, extensions by name. The caller owns
// it.
func Paths() []Path {
	var list []Path
	for _, a := range aliases {
		n, _ := find(a.path)
		p := n.export()
		p.Name, p.Alias = a.name, a.path
		list = append(list, p)
	}
	var add func(n *node)
	add = func(n *node) {
		p := n.export()
		list = append(list, p)
		if s := n.namesSuffix(); s != "" {
			p.Name, p.Names, p.Kind, p.Size = p.Name+s, p.Name, Text, 0
			p.Doc = "name of " + p.Names
			if n.isFlags() {
				p.Doc = "names of the bits of " + p.Names
			}
			list = append(list, p)
		}
		for _, k := range n.kids {
			add(k)
		}
	}
	for _, n := range top() {
		add(n)
	}
	return list
}

// aliases are short names for paths that are used often.
var aliases = []struct{ name, path string }{
	{"type", "msg.type"},
	{"satype", "msg.satype"},
	{"errno", "msg.errno"},
	{"seq", "msg.seq"},
	{"pid", "msg.pid"},
	{"spi", "sa.spi"},
	{"src", "address_src.addr"},
	{"dst", "address_dst.addr"},
}

// The last parts of paths that give names, as in the JSON form: of a number, of a
// set of flags.
const (
	suffixName  = "_name"
	suffixNames = "_names"
)

// source says where the value of a node comes from.
type source uint8

const (
	fromRecord    source = iota
	fromHeader           // the message header
	fromExtension        // an extension; member and what follows are the walk's
	fromRest             // what could not be framed
)

// member tells nodes apart that are not fields of the walk.
type member uint8

const (
	isField member = iota
	isGroup        // the header, an extension, or the rest itself

	// Of a record.
	rNumber
	rTime
	rDirection
	rDialect
	rOrder
	rLength
	rCapLen
	rTwinOf
	rReplyTo
	rProcess
	rWriteErrno
	rComment

	// Of a header.
	hVersion
	hType
	hErrno
	hSAType
	hLen
	hReserved
	hSeq
	hPID

	// Of every extension.
	eNumber
	eOffset
	eLen

	// Of a secret.
	sBytes
	sID
	sKeyID

	// Of the rest.
	mCode
	mOffset
	mRest
)

// node is a path with what is known of it.
type node struct {
	path   string // the whole path
	name   string // its last part
	kids   []*node
	src    source
	member member
	root   *node // the extension that it is in, or nil
	kind   Kind
	sem    layers.Sem
	size   int  // bytes of a number
	closed bool // its names are all there is to say about its numbers
	list   bool // of numbers
	doc    string
	in     [nDialects]traits
}

// traits are what a dialect makes of a node.
type traits struct {
	here   bool
	number uint16  // of an extension
	size   int     // of the fixed part of an extension
	tables []table // that names of the numbers may be from
	at     place
	shown  int // while exploring: in how many specimens
}

// place says where a field stands in every extension that is long enough, so that
// it can be read without a walk.
type place struct {
	kind placeKind
	off  uint8 // bytes from the start of the extension
	size uint8 // bytes
	net  bool  // network byte order
}

type placeKind uint8

const (
	nowhere  placeKind = iota // only the walk finds it
	fixed                     // in the fixed part
	sockAddr                  // the address of a sockaddr after it
	sockPort                  // its port
	moving                    // while exploring: not always in the same place
)

func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// add makes a kid, which is where its parent is from.
func (n *node) add(name string, kind Kind, m member, doc string) *node {
	k := &node{path: n.path + "." + name, name: name, src: n.src, member: m, root: n.root, kind: kind, doc: doc}
	n.kids = append(n.kids, k)
	return k
}

func (n *node) tables() []table {
	var list []table
	for d := range n.in {
		for _, t := range n.in[d].tables {
			list = addTable(list, t)
		}
	}
	return list
}

// isFlags reports whether the numbers are sets of flags in some dialect.
func (n *node) isFlags() bool { return n.kind == Number && n.sem == layers.SemFlags }

// namesSuffix returns what is to be added to the path for the names of its
// numbers, or "".
func (n *node) namesSuffix() string {
	switch {
	case n.isFlags():
		return suffixNames
	case n.kind != Number || n.closed || n.sem == layers.SemFamily || len(n.tables()) == 0:
		return ""
	case n.list:
		return suffixNames
	}
	return suffixName
}

func (n *node) export() Path {
	p := Path{Name: n.path, Kind: n.kind, Doc: n.doc}
	switch {
	case n.closed:
		p.Kind = Text
	case n.kind == Number:
		p.Sem, p.Size = n.sem, n.size
	}
	for _, t := range n.tables() {
		if t < firstOther {
			p.Enums = append(p.Enums, layers.Enum(t))
		}
	}
	for d := range n.in {
		if n.in[d].here {
			p.Dialects = append(p.Dialects, layers.Dialect(d))
		}
	}
	return p
}

// everywhere marks a node as one that every dialect has.
func (n *node) everywhere(tables ...table) *node {
	for _, d := range layers.Dialects() {
		n.in[d].here = true
		n.in[d].tables = tables
	}
	return n
}

// basic are the nodes that are no extensions.
type basic struct {
	record []*node // members of a record
	header *node   // the message header
	rest   *node   // what could not be framed
}

// basics are made when they are first asked for, so that programs that never do
// start without them.
var basics = sync.OnceValue(func() *basic {
	var list []*node
	for _, m := range []struct {
		name  string
		kind  Kind
		m     member
		table table
		doc   string
	}{
		{"number", Number, rNumber, 0, "running number in the capture"},
		{"time", Time, rTime, 0, "when the message passed the socket"},
		{"direction", Number, rDirection, tDirection, "which way it went"},
		{"dialect", Number, rDialect, tDialect, "whose numbers and layouts it has"},
		{"order", Number, rOrder, tOrder, "byte order"},
		{"length", Number, rLength, 0, "bytes it had on the socket"},
		{"caplen", Number, rCapLen, 0, "bytes of it in the capture"},
		{"twin_of", Number, rTwinOf, 0, "number of the record that this is a second copy of"},
		{"reply_to", Number, rReplyTo, 0, "number of the request that this answers"},
		{"process", Text, rProcess, 0, "name of the process with the message's pid"},
		{"write_errno", Number, rWriteErrno, tErrno, "error number of the write that was to send it, and failed"},
		{"comment", Text, rComment, 0, "comment for people"},
	} {
		n := &node{path: m.name, name: m.name, src: fromRecord, member: m.m, kind: m.kind, doc: m.doc}
		n.closed = m.table != noTable
		if m.m == rWriteErrno { // a number with a name, like msg.errno
			n.closed, n.sem = false, layers.SemEnum
		}
		n.everywhere(addTable(nil, m.table)...)
		list = append(list, n)
	}

	header := &node{path: headerName, name: headerName, src: fromHeader, member: isGroup, doc: "message header"}
	header.everywhere()
	for _, m := range []struct {
		name   string
		m      member
		size   int
		tables []table
		doc    string
	}{
		{"version", hVersion, 1, nil, "2"},
		{"type", hType, 1, []table{table(layers.EnumMsgType)}, "message type"},
		{"errno", hErrno, 1, []table{tErrno}, "error number of the system that made the message"},
		{"satype", hSAType, 1, []table{table(layers.EnumSAType), table(layers.EnumPolicyScope)},
			"SA type; in X_PROMISC, on or off; in FreeBSD's SPDDUMP, scopes"},
		{"len", hLen, 2, nil, "8-byte words"},
		{"reserved", hReserved, 2, []table{table(layers.EnumDiagnostic)}, "a reference count or diagnostic code on some systems"},
		{"seq", hSeq, 4, nil, "sequence number"},
		{"pid", hPID, 4, nil, "process"},
	} {
		n := header.add(m.name, Number, m.m, m.doc)
		n.size = m.size
		n.everywhere(m.tables...)
		if m.tables != nil {
			n.sem = layers.SemEnum
		}
	}

	rest := &node{path: malformedName, name: malformedName, src: fromRest, member: isGroup, doc: "what could not be divided into extensions"}
	rest.everywhere()
	code := rest.add("code", Number, mCode, "why, such as extension-overrun").everywhere(tMalformed)
	code.closed = true
	rest.add("offset", Number, mOffset, "bytes from the start of the record").everywhere()
	bytes := rest.add(restName, Secret, mRest, "its bytes").everywhere()
	bytes.addParts()
	for _, k := range bytes.kids {
		k.everywhere()
	}
	return &basic{list, header, rest}
})

const (
	headerName    = "msg"
	malformedName = "malformed"
	restName      = "rest"
)

// addParts adds what may be known of a secret. They are there where it is.
func (n *node) addParts() {
	if n.kid("bytes") == nil {
		n.add("bytes", Number, sBytes, "how many bytes the secret has")
		n.add("id", Octets, sID, "tells one secret from another")
	}
	for _, k := range n.kids {
		for d := range k.in {
			k.in[d].here = n.in[d].here
		}
	}
}

// top returns every node that has no parent, in order.
func top() []*node {
	b := basics()
	list := append(slices.Clone(b.record), b.header)
	for _, name := range extensionNames() {
		list = append(list, extensionNode(name))
	}
	return append(list, b.rest)
}

// find returns the node of a path, or where that fails the index of the part of
// the path at which it does and the node of the parts before.
func find(path string) (n *node, err *notFound) {
	parts := strings.Split(path, ".")
	for _, a := range aliases {
		if a.name == parts[0] {
			n, _ = find(a.path)
		}
	}
	switch first := parts[0]; {
	case n != nil:
	case first == headerName:
		n = basics().header
	case first == malformedName:
		n = basics().rest
	default:
		if n = extensionNode(first); n != nil {
			break
		}
		for _, k := range basics().record {
			if k.name == first {
				n = k
			}
		}
	}
	if n == nil {
		return nil, &notFound{}
	}
	for i, p := range parts[1:] {
		k := n.kid(p)
		if k == nil {
			return nil, &notFound{at: i + 1, within: n}
		}
		n = k
	}
	return n, nil
}

// notFound says where a path leaves the table.
type notFound struct {
	at     int
	within *node
}

// ref is a path as used: a node, or the names of its numbers.
type ref struct {
	*node
	asNames bool
	alias   string // as it was written, if that is an alias
}

// String returns the path as it was written.
func (r ref) String() string {
	switch {
	case r.asNames:
		return r.path + r.namesSuffix()
	case r.alias != "":
		return r.alias
	}
	return r.path
}

// findRef is find for paths that may end in _name or _names.
func findRef(path string) (ref, *notFound) {
	n, err := find(path)
	if err == nil {
		r := ref{node: n}
		if n.path != path {
			r.alias = path
		}
		return r, nil
	}
	for _, s := range []string{suffixName, suffixNames} {
		if base, ok := strings.CutSuffix(path, s); ok {
			if n, _ := find(base); n != nil && n.namesSuffix() == s {
				return ref{node: n, asNames: true}, nil
			}
		}
	}
	return ref{}, err
}
