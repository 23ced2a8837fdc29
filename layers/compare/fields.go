package compare

import (
	"bytes"
	"iter"
	"net/netip"
	"strconv"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Fields is a message as a list of fields, in the order of the wire, to be compared
// with another one. Its memory is used again and again.
type Fields struct {
	Codec  layers.Codec
	Dst    netip.Addr // of ADDRESS_DST, to which SPIs belong
	SAType uint8

	sections []section
	cells    []Cell
	byName   bool // items of lists of algorithms are known by their names, not numbers

	text   []byte // a value, while it is made
	arena  []byte // paths of cells
	prefix []byte // of the path of the next cell
	groups []group
}

// section is the header, an extension, or what cannot be framed.
type section struct {
	kind     sectionKind
	depth    uint8 // of X_PROMISC wrappers around it
	number   uint16
	dialect  layers.Dialect
	meaning  gopacket.LayerType // of the number, in its dialect; LayerTypeUnknown if it has none
	name     string
	words    uint16
	from, to int // cells
}

type sectionKind uint8

const (
	sectionBase sectionKind = iota
	sectionExtension
	sectionRest
)

// same reports whether two sections are about the same thing.
func (s *section) same(o *section) bool {
	return s.about() == o.about()
}

// about is what a section is about.
func (s *section) about() section {
	if s.meaning != layers.LayerTypeUnknown {
		return section{kind: s.kind, depth: s.depth, meaning: s.meaning}
	}
	return section{kind: s.kind, depth: s.depth, meaning: s.meaning, number: s.number}
}

// Cell is a field with its value, which aliases the message.
type Cell struct {
	Field    *layers.Field
	Value    layers.Value
	from, to int // path in the arena
}

type group struct {
	kind   layers.NodeKind
	prefix int // length of the prefix before
	index  int // of the next item
	byID   bool
}

// Fill decodes msg, which the cells alias.
func (m *Fields) Fill(c layers.Codec, msg []byte) {
	m.Codec = c
	m.sections, m.cells, m.arena = m.sections[:0], m.cells[:0], m.arena[:0]
	m.prefix, m.groups = m.prefix[:0], m.groups[:0]
	m.Dst, m.SAType = netip.Addr{}, 0
	c.Walk(msg, (*filler)(m))
}

// All gives every field: the extension it is in, "msg" for the header, and its name
// there, with indices of lists. The path of the two is that which filters have.
func (m *Fields) All() iter.Seq2[Path, *Cell] {
	return func(yield func(Path, *Cell) bool) {
		for i := range m.sections {
			s := &m.sections[i]
			for k := s.from; k < s.to; k++ {
				if !yield(Path{s.label(), string(m.path(&m.cells[k]))}, &m.cells[k]) {
					return
				}
			}
		}
	}
}

// Path names a field.
type Path struct {
	Ext   string // extension, lower case; "msg" for the header
	Field string // its member, with indices of lists; "" for the whole extension
}

// String returns the path as filters have it, such as "sa.spi", but for indices.
func (p Path) String() string {
	if p.Field == "" {
		return p.Ext
	}
	return p.Ext + "." + p.Field
}

// filler is the Visitor that fills Fields.
type filler Fields

func (m *Fields) path(c *Cell) []byte { return m.arena[c.from:c.to] }

func (m *filler) section(kind sectionKind, number uint16, name string, words uint16) *section {
	n := len(m.cells)
	m.sections = append(m.sections, section{kind: kind, number: number, dialect: m.Codec.Dialect, meaning: meaningOf(m.Codec.Dialect, kind, number), name: name, words: words, from: n, to: n})
	return &m.sections[len(m.sections)-1]
}

func meaningOf(d layers.Dialect, k sectionKind, number uint16) gopacket.LayerType {
	if k != sectionExtension {
		return layers.LayerTypeUnknown
	}
	return d.ExtType(number)
}

// The members of the base header, which a walk gives as a whole.
var (
	baseVersion  = &layers.Field{Name: "version"}
	baseType     = &layers.Field{Name: "type", Sem: layers.SemEnum}
	baseErrno    = &layers.Field{Name: "errno"}
	baseSAType   = &layers.Field{Name: "satype", Sem: layers.SemEnum}
	baseLen      = &layers.Field{Name: "len"}
	baseReserved = &layers.Field{Name: "reserved"}
	baseSeq      = &layers.Field{Name: "seq"}
	basePID      = &layers.Field{Name: "pid"}
	fieldRest    = &layers.Field{Name: "rest"}
	fieldWords   = &layers.Field{Name: "len"} // of an extension
)

func (m *filler) Base(b *layers.Base, offset, depth int) {
	s := m.section(sectionBase, 0, "msg", b.Len)
	s.depth = uint8(depth)
	d := b.Codec.Dialect
	m.base(baseVersion, uint64(b.Version), "")
	m.base(baseType, uint64(b.Type), d.EnumName(layers.EnumMsgType, uint64(b.Type)))
	m.base(baseErrno, uint64(b.Errno), d.ErrnoName(b.Errno))
	m.base(baseSAType, uint64(b.SAType), d.EnumName(d.SATypeEnum(b.Type, b.SAType), uint64(b.SAType)))
	if int(b.Len)*layers.Word != layers.BaseLen+len(b.Payload) {
		m.base(baseLen, uint64(b.Len), "") // else the extensions say it better
	}
	m.base(baseReserved, uint64(b.Reserved), "")
	m.base(baseSeq, uint64(b.Seq), "")
	m.base(basePID, uint64(b.PID), "")
	m.SAType = b.SAType
}

func (m *filler) base(f *layers.Field, u uint64, name string) {
	m.Field(f, &layers.Value{Kind: layers.Number, Uint: u, Name: name})
}

func (m *filler) Extension(h *layers.Header, number uint16, name string, _ int, _ bool) {
	depth := m.sections[len(m.sections)-1].depth
	m.section(sectionExtension, number, name, h.Len).depth = depth
}

func (m *filler) Field(f *layers.Field, v *layers.Value) {
	from := len(m.arena)
	if n := len(m.groups); n > 0 && m.groups[n-1].byID {
		// An algorithm is known by its number, wherever in the list it stands.
		m.groups[n-1].byID = false
		m.prefix = append(m.prefix, '[')
		if m.byName && v.Name != "" {
			m.prefix = append(m.prefix, layers.CanonicalName(v.Name)...)
		} else {
			m.prefix = strconv.AppendUint(m.prefix, v.Uint, 10)
		}
		m.prefix = append(m.prefix, ']')
	}
	m.arena = append(m.arena, m.prefix...)
	if n := len(m.groups); n > 0 && m.groups[n-1].kind == layers.List {
		m.arena = m.index(m.arena, &m.groups[n-1])
	}
	if f.Name != "" {
		if len(m.arena) > from {
			m.arena = append(m.arena, '.')
		}
		m.arena = append(m.arena, f.Name...)
	}
	if v.Kind == layers.Addr && len(m.groups) == 0 && m.sections[len(m.sections)-1].name == "ADDRESS_DST" {
		m.Dst = v.Addr
	}
	m.cells = append(m.cells, Cell{Field: f, Value: *v, from: from, to: len(m.arena)})
	m.sections[len(m.sections)-1].to = len(m.cells)
}

func (m *filler) index(dst []byte, g *group) []byte {
	dst = append(strconv.AppendInt(append(dst, '['), int64(g.index), 10), ']')
	g.index++
	return dst
}

func (m *filler) Open(k layers.NodeKind, name string) {
	g := group{kind: k, prefix: len(m.prefix)}
	if k == layers.Item {
		if parent := &m.groups[len(m.groups)-1]; bytes.HasSuffix(m.prefix, []byte("algs")) {
			g.byID = true
		} else {
			m.prefix = m.index(m.prefix, parent)
		}
	} else {
		if len(m.prefix) > 0 {
			m.prefix = append(m.prefix, '.')
		}
		m.prefix = append(m.prefix, name...)
	}
	m.groups = append(m.groups, g)
}

func (m *filler) Close(layers.NodeKind) {
	last := len(m.groups) - 1
	m.prefix = m.prefix[:m.groups[last].prefix]
	m.groups = m.groups[:last]
}

func (m *filler) EndExtension() {}

func (m *filler) Malformed(rest []byte, _ int, r layers.Reason) {
	var depth uint8
	if n := len(m.sections); n > 0 {
		depth = m.sections[n-1].depth
	}
	m.section(sectionRest, uint16(r), "rest", 0).depth = depth
	m.Field(fieldRest, &layers.Value{Kind: layers.Hidden, Bytes: rest, Size: len(rest)})
}

func (m *filler) End() {}
