// Package compare finds out in which fields two messages differ, and knows which
// fields never agree between two runs of one conversation.
//
// Messages of two systems are compared by meaning: numbers by their names, extensions
// by what they are for, whatever their numbers and order. What the other system cannot
// say is not missing there, see Absent.
package compare

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// What says in which way two messages differ.
type What string

// The ways.
const (
	Value   What = "value"   // a field has another value, or only one of the two has it
	Added   What = "added"   // an extension or message that only B has
	Dropped What = "dropped" // an extension or message that only A has
	Order   What = "order"   // the same parts in another order
	Octets  What = "octets"  // no field differs, but octets do that no field shows
	Absent  What = "absent"  // an extension or field that only one of the two systems has
)

// Difference is one way in which message B is not message A. Secret octets never stand
// in it, only how many they are.
type Difference struct {
	Path
	What   What
	A, B   string // the values, empty if there is none
	Reason string // more about it, or ""

	// X and Y are the fields, nil where there is none. They are valid until the next
	// comparison.
	X, Y *Cell
}

// Comparer compares messages. Its memory is used again. The zero value is ready.
type Comparer struct {
	A, B Fields // what was compared last; perhaps only extensions that are not the same octets

	// Each gets the differences in the order of the wire. It must not keep them.
	Each func(*Difference)

	// Secret says of two secret values that are not the same octets whether that is no
	// difference, because they are not to be compared. May be nil.
	Secret func(x, y *Cell) bool

	msg layers.Message

	reducedA, reducedB []byte
	whole              bool // nothing is left out, for a test
	cross              bool // the messages are of two systems

	used  []bool
	names map[string]string // of fields: there are few, and many differences

	labels map[string]string // of extensions, by name
	path   []byte            // of a field, without indices

	n int // differences so far
}

func (m *Comparer) add(d Difference) {
	m.n++
	m.Each(&d)
}

// Compare finds how message y, of codec b, is not x, of codec a. Without any
// difference they are the same byte for byte, or if the codecs differ, the same in
// meaning. If errno or type differ, the rest is not compared.
func (m *Comparer) Compare(a layers.Codec, x []byte, b layers.Codec, y []byte) {
	m.n = 0
	m.cross = a.Dialect != b.Dialect
	m.A.byName, m.B.byName = m.cross, m.cross
	if a == b && bytes.Equal(x, y) {
		return
	}
	if a != b || m.whole || !m.reduce(a, x, y) {
		m.A.Fill(a, x)
		m.B.Fill(b, y)
	}
	if m.headDiffers() {
		return
	}
	m.matchSections()
	if m.n == 0 && a == b {
		at := firstDifference(x, y)
		m.add(Difference{What: Octets, A: fmt.Sprintf("%d bytes", len(x)), B: fmt.Sprintf("%d bytes", len(y)),
			Reason: fmt.Sprintf("first at byte %d", at)})
	}
}

// reduce fills in the headers of two messages and those of their extensions that
// are not the same octets, which are few: mostly that with the times. It reports
// whether that is enough to tell all their differences: that is so if both have the
// same extensions in the same order, and can be divided into them to the end.
func (m *Comparer) reduce(c layers.Codec, recorded, target []byte) bool {
	for _, b := range [][]byte{recorded, target} {
		m.msg.Codec = c
		if m.msg.DecodeFromBytes(b, nil) != nil || m.msg.Rest != nil || m.msg.Inner != nil || int(m.msg.Len)*layers.Word != len(b) {
			return false
		}
	}
	m.reducedA, m.reducedB = append(m.reducedA[:0], recorded[:layers.BaseLen]...), append(m.reducedB[:0], target[:layers.BaseLen]...)
	a, b := recorded[layers.BaseLen:], target[layers.BaseLen:]
	for len(a) > 0 && len(b) > 0 {
		x, y := extension(a, c.Order), extension(b, c.Order)
		if x == nil || y == nil || !bytes.Equal(x[2:4], y[2:4]) {
			return false
		}
		if !bytes.Equal(x, y) {
			if c.Order.Binary().Uint16(x[2:]) == extSA {
				return false // what its SPI stands for takes the addresses to tell
			}
			m.reducedA, m.reducedB = append(m.reducedA, x...), append(m.reducedB, y...)
		}
		a, b = a[len(x):], b[len(y):]
	}
	if len(a) > 0 || len(b) > 0 {
		return false
	}
	c.Order.Binary().PutUint16(m.reducedA[4:], uint16(len(m.reducedA)/layers.Word))
	c.Order.Binary().PutUint16(m.reducedB[4:], uint16(len(m.reducedB)/layers.Word))
	m.A.Fill(c, m.reducedA)
	m.B.Fill(c, m.reducedB)
	return true
}

// extSA is the number of the SA extension, which is the same everywhere (RFC 2367).
const extSA = 1

// extension returns the extension that b begins with, or nil.
func extension(b []byte, o layers.Order) []byte {
	if len(b) < layers.ExtLen {
		return nil
	}
	n := int(o.Binary().Uint16(b)) * layers.Word
	if n < layers.ExtLen || n > len(b) {
		return nil
	}
	return b[:n]
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// headDiffers compares what makes two messages incomparable otherwise.
func (m *Comparer) headDiffers() bool {
	a, b := m.A.sections, m.B.sections
	if len(a) == 0 || len(b) == 0 || a[0].kind != sectionBase || b[0].kind != sectionBase {
		return false
	}
	for _, f := range []*layers.Field{baseType, baseErrno} {
		x, y := m.A.find(&a[0], f), m.B.find(&b[0], f)
		if !m.same(x, y) {
			m.cells(&a[0], x, y)
		}
	}
	return m.n > 0
}

func (m *Fields) find(s *section, f *layers.Field) *Cell {
	for i := s.from; i < s.to; i++ {
		if m.cells[i].Field == f {
			return &m.cells[i]
		}
	}
	return nil
}

// matchSections compares each section with the one of the other message that is
// about the same thing; of several of one kind the first goes with the first.
func (m *Comparer) matchSections() {
	a, b := m.A.sections, m.B.sections
	if slices.EqualFunc(a, b, func(x, y section) bool { return x.same(&y) }) {
		for i := range a {
			m.sections(&a[i], &b[i])
		}
		return
	}
	used := resize(&m.used, len(b))
	var places map[section][]int // in b, by what it is about
	next, ordered := 0, true
	for i := range a {
		k := -1
		if next < len(b) && !used[next] && a[i].same(&b[next]) {
			k = next
		} else {
			if places == nil {
				places = map[section][]int{}
				for n := range b {
					places[b[n].about()] = append(places[b[n].about()], n)
				}
			}
			k = FirstUnused(places, a[i].about(), used)
		}
		if k < 0 {
			m.presence(&m.A, &a[i], Dropped)
			continue
		}
		used[k] = true
		ordered = ordered && k >= next
		next = k + 1
		m.sections(&a[i], &b[k])
	}
	for n := range b {
		if !used[n] {
			m.presence(&m.B, &b[n], Added)
		}
	}
	if !ordered && !m.cross {
		m.add(Difference{Path: Path{Ext: "msg"}, What: Order,
			A: sectionOrder(a), B: sectionOrder(b)})
	}
}

// FirstUnused takes the first place that is not used off a list.
func FirstUnused[K comparable](places map[K][]int, key K, used []bool) int {
	list := places[key]
	for len(list) > 0 && used[list[0]] {
		list = list[1:]
	}
	places[key] = list
	if len(list) == 0 {
		return -1
	}
	return list[0]
}

func resize(s *[]bool, n int) []bool {
	*s = slices.Grow((*s)[:0], n)[:n]
	clear(*s)
	return *s
}

func sectionOrder(list []section) string {
	var b strings.Builder
	for i := range list {
		if b.Len() >= maxText {
			break
		}
		if list[i].kind == sectionBase {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(list[i].label())
	}
	return b.String()
}

// label names a section as in paths.
func (s *section) label() string {
	name := strings.ToLower(s.name)
	if name == "" {
		name = fmt.Sprintf("unknown(%d)", s.number)
	}
	return strings.Repeat("inner.", int(s.depth)) + name
}

func (m *Comparer) presence(in *Fields, s *section, what What) {
	d := Difference{Path: Path{Ext: s.label()}, What: what}
	size := int(s.words) * layers.Word
	if s.kind == sectionRest {
		size = in.cells[s.from].Value.Size
	}
	text := fmt.Sprintf("%d bytes", size)
	other := m.B.Codec.Dialect
	if what == Added {
		other = m.A.Codec.Dialect
	}
	if m.cross && s.kind == sectionExtension && (s.meaning == layers.LayerTypeUnknown || other.ExtNumberOf(s.meaning) == 0) {
		d.What, d.Reason = Absent, fmt.Sprintf("%v does not have it", other)
	}
	if what == Added {
		d.B = text
	} else {
		d.A = text
	}
	m.add(d)
}

// sections compares two sections about the same thing.
func (m *Comparer) sections(a, b *section) {
	before := m.n
	if a.to-a.from == b.to-b.from && m.samePaths(a, b) {
		for i := range a.to - a.from {
			x, y := &m.A.cells[a.from+i], &m.B.cells[b.from+i]
			if !m.same(x, y) {
				m.cells(a, x, y)
			}
		}
	} else {
		m.align(a, b)
	}
	if m.n == before && !m.cross && a.words != b.words && a.kind == sectionExtension {
		m.add(Difference{Path: Path{Ext: a.label(), Field: fieldWords.Name}, What: Value,
			A: fmt.Sprint(a.words), B: fmt.Sprint(b.words)})
	}
}

func (m *Comparer) samePaths(a, b *section) bool {
	for i := range a.to - a.from {
		x, y := &m.A.cells[a.from+i], &m.B.cells[b.from+i]
		if !bytes.Equal(m.A.path(x), m.B.path(y)) {
			return false
		}
	}
	return true
}

// align compares sections whose fields are not the same ones, field by path.
func (m *Comparer) align(a, b *section) {
	used := make([]bool, b.to-b.from)
	var places map[string][]int // in b, by path
	before, next := m.n, 0
	for i := a.from; i < a.to; i++ {
		x := &m.A.cells[i]
		k := -1
		if next < len(used) && !used[next] && bytes.Equal(m.A.path(x), m.B.path(&m.B.cells[b.from+next])) {
			k = next
		} else {
			if places == nil {
				places = map[string][]int{}
				for n := range used {
					p := string(m.B.path(&m.B.cells[b.from+n]))
					places[p] = append(places[p], n)
				}
			}
			k = FirstUnused(places, string(m.A.path(x)), used)
		}
		if k < 0 {
			m.cells(a, x, nil)
			continue
		}
		used[k] = true
		next = k + 1
		if y := &m.B.cells[b.from+k]; !m.same(x, y) {
			m.cells(a, x, y)
		}
	}
	for k := range used {
		if !used[k] {
			m.cells(b, nil, &m.B.cells[b.from+k])
		}
	}
	if m.n == before && !m.cross {
		m.add(Difference{Path: Path{Ext: a.label()}, What: Order,
			A: m.A.cellOrder(a), B: m.B.cellOrder(b)})
	}
}

// maxText bounds how much of a list is shown.
const maxText = 240

// cellOrder lists the items of a section's list of algorithms.
func (m *Fields) cellOrder(s *section) string {
	var b strings.Builder
	for i := s.from; i < s.to && b.Len() < maxText; i++ {
		if p, ok := bytes.CutSuffix(m.path(&m.cells[i]), []byte(".id")); ok {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.Write(p)
		}
	}
	return b.String()
}

// same reports whether two fields of one path have the same value, or are not to be
// compared.
func (m *Comparer) same(x, y *Cell) bool {
	a, b := &x.Value, &y.Value
	if a.Kind == layers.Hidden && b.Kind == layers.Hidden {
		return bytes.Equal(a.Bytes, b.Bytes) || m.cross && meaningless(x) || m.Secret != nil && m.Secret(x, y)
	}
	if m.cross {
		return m.sameMeaning(x, y)
	}
	return a.Kind == b.Kind && a.Uint == b.Uint && a.Addr == b.Addr && bytes.Equal(a.Bytes, b.Bytes)
}

// sameMeaning compares values of two systems.
func (m *Comparer) sameMeaning(x, y *Cell) bool {
	a, b := &x.Value, &y.Value
	c, d := m.A.Codec.Dialect, m.B.Codec.Dialect
	switch {
	case meaningless(x):
		return true
	case a.Kind != b.Kind:
		return false
	case x.Field.Sem == layers.SemFamily:
		return c.FamilyName(uint16(a.Uint)) == d.FamilyName(uint16(b.Uint))
	case x.Field == baseErrno:
		return c.ErrnoName(uint8(a.Uint)) == d.ErrnoName(uint8(b.Uint))
	case x.Field.Sem == layers.SemEnum && a.Name != "" && b.Name != "":
		return layers.CanonicalName(a.Name) == layers.CanonicalName(b.Name)
	case x.Field.Sem == layers.SemEnum:
		return a.Name == b.Name && a.Uint == b.Uint
	case x.Field.Sem == layers.SemFlags:
		return slices.Equal(c.FlagNames(x.Field.Enum, uint32(a.Uint)), d.FlagNames(y.Field.Enum, uint32(b.Uint)))
	case x.Field.Name == "replay" && x.Value.Size == 1:
		return a.Uint*perReplay(c) == b.Uint*perReplay(d)
	case a.Kind == layers.Addr:
		return a.Addr.WithZone("") == b.Addr.WithZone("") // KAME puts the zone into the address
	}
	return a.Uint == b.Uint && bytes.Equal(a.Bytes, b.Bytes)
}

// perReplay is how many packets sadb_sa_replay counts by: KAME's systems have the octets
// of a bitmap there (struct secreplay in their netipsec/keydb.h), the others packets.
func perReplay(d layers.Dialect) uint64 {
	switch d {
	case layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly:
		return 8
	}
	return 1
}

// flags makes a difference in flags that only one of two systems has one in words.
func (m *Comparer) flags(d *Difference, x, y *Cell) {
	p, q := m.A.Codec.Dialect, m.B.Codec.Dialect
	a, b := p.FlagNames(x.Field.Enum, uint32(x.Value.Uint)), q.FlagNames(y.Field.Enum, uint32(y.Value.Uint))
	var lacking []string
	both := func(list, other []string, of *Cell, there layers.Dialect) bool {
		for _, name := range list {
			if slices.Contains(other, name) {
				continue
			}
			if _, has := there.FlagValue(of.Field.Enum, name); has {
				return false
			}
			lacking = append(lacking, fmt.Sprintf("%v does not have %s", there, name))
		}
		return true
	}
	if both(a, b, y, q) && both(b, a, x, p) {
		d.What, d.Reason = Absent, strings.Join(lacking, ", ")
	}
}

// meaningless reports whether a field says nothing to another system: what is reserved,
// padding, and what a sockaddr has besides family, address and port.
func meaningless(c *Cell) bool {
	switch c.Field.Name {
	case "sa_len", "zero", "pad", "scope_id", "flowinfo", "src_id", "tail":
		return true
	}
	return c.Field.Sem == layers.SemReserved
}

// absent reports whether a system cannot have a field in an extension of that meaning.
func absent(d layers.Dialect, s *section, c *Cell, path string) bool {
	if s.kind != sectionExtension || strings.ContainsAny(path, ".[") {
		return false
	}
	// What is a member of no structure comes after it, on every system.
	there := d.LayoutOf(d.ExtNumberOf(s.meaning))
	return there != nil && hasMember(s.dialect.LayoutOf(s.number), c.Field.Name) && !hasMember(there, c.Field.Name)
}

func hasMember(l *layers.Layout, name string) bool {
	return l != nil && slices.ContainsFunc(l.Fields, func(f layers.Field) bool { return f.Name == name })
}

// maxNames bounds how many names are kept, since lists have as many paths as items.
const maxNames = 1000

// name makes a string of a name, which is shared with others of its kind.
func (m *Comparer) name(b []byte) string {
	if s, ok := m.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if m.names == nil || len(m.names) >= maxNames {
		m.names = map[string]string{}
	}
	m.names[s] = s
	return s
}

// label is that of the section, which is shared too.
func (m *Comparer) label(s *section) string {
	if s.depth != 0 || s.name == "" {
		return s.label()
	}
	if l, ok := m.labels[s.name]; ok {
		return l
	}
	if m.labels == nil {
		m.labels = map[string]string{}
	}
	l := s.label()
	m.labels[s.name] = l
	return l
}

// cells adds the difference of two fields; one of them may be nil.
func (m *Comparer) cells(s *section, x, y *Cell) {
	d := Difference{Path: Path{Ext: m.label(s)}, What: Value, X: x, Y: y}
	if x != nil {
		d.Field = m.name(m.A.path(x))
		d.A = m.A.render(x)
	} else {
		d.Field = m.name(m.B.path(y))
	}
	if y != nil {
		d.B = m.B.render(y)
	}
	if x != nil && y != nil && x.Value.Kind == layers.Hidden && d.A == d.B {
		d.Reason = "the octets differ"
	}
	if m.cross && x != nil && y != nil {
		p, q := m.A.Codec.Dialect, m.B.Codec.Dialect
		switch {
		case x.Field.Sem == layers.SemFlags:
			m.flags(&d, x, y)
		case x.Field.Name == "replay" && perReplay(p) != perReplay(q):
			d.Reason = fmt.Sprintf("%d and %d packets", x.Value.Uint*perReplay(p), y.Value.Uint*perReplay(q))
		}
	}
	if m.cross && (x == nil || y == nil) {
		one, other := x, m.B.Codec.Dialect
		if x == nil {
			one, other = y, m.A.Codec.Dialect
		}
		if meaningless(one) {
			return
		}
		if absent(other, s, one, d.Field) {
			d.What, d.Reason = Absent, fmt.Sprintf("%v does not have it", other)
		}
	}
	m.add(d)
}

func (m *Fields) render(c *Cell) string {
	if c.Field == baseErrno && c.Value.Uint == 0 {
		return "0"
	}
	m.text = layers.AppendValue(m.text[:0], m.Codec.Dialect, c.Field, &c.Value)
	return string(m.text)
}
