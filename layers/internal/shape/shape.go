// Package shape holds the wire layout of every PF_KEYv2 structure as data: the
// one place where an offset, a size or a field's meaning is written down. The
// Go structs of package layers are generated from it (see ../genshapes), and
// everything that names fields (JSON, text, filters, comparison, Wireshark)
// walks the same tables.
package shape

import (
	"encoding/binary"
	"math/bits"
)

// Order says how the bytes of a field are arranged.
type Order uint8

const (
	Host  Order = iota // unsigned integer in the byte order of the machine that made the message
	Net                // unsigned integer in network (big-endian) byte order
	Bytes              // octets as they are
)

// String returns "host", "net" or "octets".
func (o Order) String() string { return [...]string{"host", "net", "octets"}[o%3] }

// Sem says what a field means, and so how it is shown, named and compared.
type Sem uint8

const (
	Plain    Sem = iota // a number
	SPI                 // shown as 0x%08x
	Enum                // a number with a name, see Field.Enum
	Flags               // a set of named bits, see Field.Enum
	Reserved            // no meaning: shown only when it is not zero
	IPProto             // an IP protocol number
	Family              // an address family of the dialect
	Count               // a number of things (packets, flows)
	Octets              // a number of bytes
	Seconds             // a duration, or a moment in the CURRENT lifetime
	Bits                // a number of bits
	Port                // a transport port
	Address             // the 16 octets of an address without its sockaddr (sadb_x_filter)
	Name                // a NUL-padded name in a fixed array
	Embedded            // a whole extension inside another structure (sastat)
)

// EnumID names one of a dialect's tables of numbers.
type EnumID uint8

const (
	NoEnum EnumID = iota
	MsgType
	SAType
	Auth
	Encrypt // in an IPCOMP message the number is one of Comp
	Comp
	State
	SAFlags
	IdentType
	PolicyType
	PolicyDir
	PolicyLevel
	PolicyScope
	PolicyFlags
	Mode
	NATTType
	FlowType
	FlowDir
	KMProto
	AlgType
	Diagnostic
	SA2Flags
	SensFlags
	CredType
	AuthType
	NumEnums

	// Not tables of their own: which one is meant depends on what stands around
	// the field.
	AlgID      // sadb_alg_id: by the SUPPORTED extension it is in
	ProtoField // sadb_protocol_proto: by the extension
	DescAlg    // sadb_x_algdesc_alg: by its algtype
	CredField  // sadb_x_cred_type: by the extension
)

// Trailer says what follows the fixed part of a structure, up to its end.
type Trailer uint8

const (
	None         Trailer = iota
	Sockaddr             // one sockaddr, zero-padded to 8 bytes
	SockaddrPair         // two sockaddrs without padding between them, the pair padded to 8 bytes
	Key                  // secret octets, ceil(bits/8) of them, padded to 8 bytes
	Secret               // secret octets without a length of their own
	Ident                // a NUL-terminated string, or octets, padded to 8 bytes
	Bitmaps              // u64[sens_len] then u64[integ_len]
	Combs                // sadb_comb[]
	EComb                // sadb_x_ecomb[], each followed by its sadb_x_algdesc[]
	Algs                 // sadb_alg[]
	Requests             // ipsecrequest[], their lengths in bytes
	Context              // ctx_len octets, padded to 8 bytes
	Tag                  // taglen octets, padded to 8 bytes
	SATypes              // more satype octets
	Stats                // sastat[list_len]
)

var trailers = [...]string{"none", "sockaddr", "sockaddrs", "key", "secret", "ident", "bitmaps", "combs", "ecombs",
	"algs", "requests", "context", "tag", "satypes", "stats"}

// String returns a word for what follows, such as "sockaddr".
func (t Trailer) String() string {
	if int(t) < len(trailers) {
		return trailers[t]
	}
	return "unknown"
}

// Field is one member of a structure.
type Field struct {
	Name  string // as in the header, without the sadb_<struct>_ prefix
	Go    string // name of the Go struct's field
	Off   uint8  // bytes from the start of the structure
	Size  uint8  // bytes
	Order Order
	Sem   Sem
	Enum  EnumID
	Doc   string
}

// Place says where an integer is: in the eight octets around it, which every structure
// has, so that to load it takes no branches by its size.
type Place struct {
	at     uint8 // where the eight begin
	before uint8 // bits in them that come before the field
	others uint8 // and with those after it
	net    bool  // four members are as many as the compiler keeps in registers
}

// Place returns the place of an integer.
func (f *Field) Place() Place {
	at := max(f.Off+f.Size, 8) - 8
	return Place{at: at, before: (f.Off - at) * 8, others: 64 - f.Size*8, net: f.Order == Net}
}

// Load reads the integer of a structure that b begins with. big is the byte order of
// the machine that made the message.
func (p Place) Load(b []byte, big bool) uint64 {
	v, drop := binary.LittleEndian.Uint64(b[p.at:]), p.others-p.before
	if big || p.net {
		v, drop = bits.ReverseBytes64(v), p.before
	}
	return v << (drop & 63) >> (p.others & 63)
}

// Shape is the layout of one structure: an extension (its fixed part starts
// with the four bytes len and exttype, which are not listed as fields) or an
// element of a list inside one.
type Shape struct {
	Name    string // C name; name@dialect where one system's layout differs
	Go      string // Go struct; several layouts may share one
	Size    int    // bytes of the fixed part, for an extension including its header
	Element bool   // not an extension: an element of a trailer
	Trailer Trailer
	Fields  []Field
	Doc     string
	Source  string
}

// ByName returns the shape with this C name, or nil.
func ByName(name string) *Shape {
	for i := range Table {
		if Table[i].Name == name {
			return &Table[i]
		}
	}
	return nil
}

// MemberVisitor is what a visitor of a walk may be besides: one that takes the
// members of a structure together, which is faster than a call and a value for each.
type MemberVisitor interface {
	// Members gives the members from..to of Table[layout], a structure that b begins
	// with, and returns the number of the first that is not taken, or to. That one is
	// given by itself, as to any visitor, and then those after it. Numbers of AlgID are
	// of the table alg, those of Encrypt are of that table and never of Comp.
	Members(layout int, b []byte, alg EnumID, from, to int) int
}
