package replay

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
	Added   What = "added"   // an extension or message that only the target has
	Dropped What = "dropped" // an extension or message that only the recording has
	Order   What = "order"   // the same parts in another order
	Octets  What = "octets"  // no field differs, but octets do that no field shows
	Errno   What = "errno"   // write(2) failed on the target
)

// Difference is one way in which the target's answer is not the recorded one.
// Secret octets never stand in it, only how many they are.
type Difference struct {
	Record   uint64  `json:"record,omitempty"`   // number of the recorded message, 0 if there is none
	Ext      string  `json:"ext,omitempty"`      // extension, lower case; "msg" for the header
	Field    string  `json:"field,omitempty"`    // its member, with indices of lists
	What     What    `json:"what"`               //
	Recorded string  `json:"recorded,omitempty"` // the value, empty if there is none
	Target   string  `json:"target,omitempty"`   // likewise
	Verdict  Verdict `json:"verdict"`            // Volatile, NotReproducible or Different
	Reason   string  `json:"reason,omitempty"`   // why it is volatile or not reproducible
}

// Path returns the field as filters name it, such as "sa.spi".
func (d *Difference) Path() string {
	if d.Field == "" {
		return d.Ext
	}
	return d.Ext + "." + d.Field
}

// String describes the difference on one line.
func (d *Difference) String() string {
	var b strings.Builder
	if d.Record != 0 {
		fmt.Fprintf(&b, "#%d ", d.Record)
	}
	if p := d.Path(); p != "" {
		b.WriteString(p)
		b.WriteByte(' ')
	}
	switch d.What {
	case Added, Dropped:
		fmt.Fprintf(&b, "%s: ", d.What)
		if d.What == Added {
			b.WriteString(d.Target)
		} else {
			b.WriteString(d.Recorded)
		}
	default:
		if d.Recorded == "" && d.Target == "" {
			b.WriteString("not compared")
			break
		}
		if d.What != Value {
			fmt.Fprintf(&b, "%s ", d.What)
		}
		fmt.Fprintf(&b, "recorded %s, target %s", orNone(d.Recorded), orNone(d.Target))
	}
	if d.Reason != "" {
		fmt.Fprintf(&b, " (%s)", d.Reason)
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// Compare lists how the target's message is not the recorded one, in the order of
// the wire; an empty list means that they are the same byte for byte. Each
// difference is Volatile or Different; of values a kernel chose, which only a whole
// replay can match, it is Different. Both messages are read with c: see
// layers.Transcode for another byte order. If errno or type differ, the rest is
// not compared.
func Compare(c layers.Codec, recorded, target []byte) []Difference {
	if bytes.Equal(recorded, target) {
		return nil
	}
	var m comparer
	return slices.Clone(m.compare(c, recorded, target, nil))
}

// Worst returns the greatest verdict of a list of differences.
func Worst(list []Difference) Verdict {
	v := Equal
	for i := range list {
		v = max(v, list[i].Verdict)
	}
	return v
}

// comparer compares messages. Its memory is used again.
type comparer struct {
	a, b flat // recorded, target
	msg  layers.Message

	reducedA, reducedB []byte
	out                []Difference

	bound *bindings // or nil
	rec   uint64

	used  []bool
	path  []byte            // of a field, without indices
	names map[string]string // of fields: there are few, and many differences

	labels map[string]string // of extensions, by name

	more  int     // differences that are not in out
	worst Verdict // of those in out
}

// maxDifferences is how many differences of one message are listed; further ones
// only if they are worse.
const maxDifferences = 200

func (m *comparer) add(d Difference) {
	if len(m.out) >= maxDifferences && d.Verdict <= m.worst {
		m.more++
		return
	}
	m.worst = max(m.worst, d.Verdict)
	m.out = append(m.out, d)
}

// compare returns the differences of two messages, valid until the next call.
func (m *comparer) compare(c layers.Codec, recorded, target []byte, bound *bindings) []Difference {
	m.out, m.more, m.worst = m.out[:0], 0, Equal
	if bytes.Equal(recorded, target) {
		return nil
	}
	m.bound = bound
	if !m.reduce(c, recorded, target) {
		m.a.fill(c, recorded)
		m.b.fill(c, target)
	}
	if m.headDiffers() {
		return m.out
	}
	m.matchSections()
	if len(m.out) == 0 {
		at := firstDifference(recorded, target)
		m.add(Difference{What: Octets, Verdict: Different,
			Recorded: fmt.Sprintf("%d bytes", len(recorded)), Target: fmt.Sprintf("%d bytes", len(target)),
			Reason: fmt.Sprintf("first at byte %d", at)})
	}
	if m.more > 0 {
		m.out[len(m.out)-1].Reason += fmt.Sprintf(" … and %d more differences of this message", m.more)
	}
	return m.out
}

// reduce fills in the headers of two messages and those of their extensions that
// are not the same octets, which are few: mostly that with the times. It reports
// whether that is enough to tell all their differences: that is so if both have the
// same extensions in the same order, and can be divided into them to the end.
func (m *comparer) reduce(c layers.Codec, recorded, target []byte) bool {
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
			if get16(x[2:], c.Order) == extSA {
				return false // what its SPI stands for takes the addresses to tell
			}
			m.reducedA, m.reducedB = append(m.reducedA, x...), append(m.reducedB, y...)
		}
		a, b = a[len(x):], b[len(y):]
	}
	if len(a) > 0 || len(b) > 0 {
		return false
	}
	put16(m.reducedA[4:], c.Order, uint16(len(m.reducedA)/layers.Word))
	put16(m.reducedB[4:], c.Order, uint16(len(m.reducedB)/layers.Word))
	m.a.fill(c, m.reducedA)
	m.b.fill(c, m.reducedB)
	return true
}

// extSA is the number of the SA extension, which is the same everywhere (RFC 2367).
const extSA = 1

// extension returns the extension that b begins with, or nil.
func extension(b []byte, o layers.Order) []byte {
	if len(b) < layers.ExtLen {
		return nil
	}
	n := int(get16(b, o)) * layers.Word
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
func (m *comparer) headDiffers() bool {
	a, b := m.a.sections, m.b.sections
	if len(a) == 0 || len(b) == 0 || a[0].kind != sectionBase || b[0].kind != sectionBase {
		return false
	}
	for _, f := range []*layers.Field{baseType, baseErrno} {
		x, y := m.a.find(&a[0], f), m.b.find(&b[0], f)
		if x.v.Uint != y.v.Uint {
			m.cells(&a[0], x, y)
		}
	}
	return len(m.out) > 0
}

func (m *flat) find(s *section, f *layers.Field) *cell {
	for i := s.from; i < s.to; i++ {
		if m.cells[i].f == f {
			return &m.cells[i]
		}
	}
	return nil
}

// matchSections compares each section with the one of the other message that is
// about the same thing; of several of one kind the first goes with the first.
func (m *comparer) matchSections() {
	a, b := m.a.sections, m.b.sections
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
			k = firstUnused(places, a[i].about(), used)
		}
		if k < 0 {
			m.presence(&m.a, &a[i], Dropped)
			continue
		}
		used[k] = true
		ordered = ordered && k >= next
		next = k + 1
		m.sections(&a[i], &b[k])
	}
	for n := range b {
		if !used[n] {
			m.presence(&m.b, &b[n], Added)
		}
	}
	if !ordered {
		m.add(Difference{Ext: "msg", What: Order, Verdict: Different,
			Recorded: sectionOrder(a), Target: sectionOrder(b)})
	}
}

// about is the part of a section that same compares.
func (s *section) about() section {
	return section{kind: s.kind, depth: s.depth, number: s.number}
}

// firstUnused takes the first place that is not used off a list.
func firstUnused[K comparable](places map[K][]int, key K, used []bool) int {
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

func (m *comparer) presence(in *flat, s *section, what What) {
	d := Difference{Ext: s.label(), What: what, Verdict: Different}
	size := int(s.words) * layers.Word
	if s.kind == sectionRest {
		size = in.cells[s.from].v.Size
	}
	text := fmt.Sprintf("%d bytes", size)
	if what == Added {
		d.Target = text
	} else {
		d.Recorded = text
	}
	m.add(d)
}

// sections compares two sections about the same thing.
func (m *comparer) sections(a, b *section) {
	before := len(m.out)
	if a.to-a.from == b.to-b.from && m.samePaths(a, b) {
		for i := range a.to - a.from {
			x, y := &m.a.cells[a.from+i], &m.b.cells[b.from+i]
			if !sameValue(&x.v, &y.v) {
				m.cells(a, x, y)
			}
		}
	} else {
		m.align(a, b)
	}
	if len(m.out) == before && a.words != b.words && a.kind == sectionExtension {
		m.add(Difference{Ext: a.label(), Field: fieldWords.Name, What: Value, Verdict: Different,
			Recorded: fmt.Sprint(a.words), Target: fmt.Sprint(b.words)})
	}
}

func (m *comparer) samePaths(a, b *section) bool {
	for i := range a.to - a.from {
		x, y := &m.a.cells[a.from+i], &m.b.cells[b.from+i]
		if !bytes.Equal(m.a.path(x), m.b.path(y)) {
			return false
		}
	}
	return true
}

// align compares sections whose fields are not the same ones, field by path.
func (m *comparer) align(a, b *section) {
	used := make([]bool, b.to-b.from)
	var places map[string][]int // in b, by path
	before, next := len(m.out), 0
	for i := a.from; i < a.to; i++ {
		x := &m.a.cells[i]
		k := -1
		if next < len(used) && !used[next] && bytes.Equal(m.a.path(x), m.b.path(&m.b.cells[b.from+next])) {
			k = next
		} else {
			if places == nil {
				places = map[string][]int{}
				for n := range used {
					p := string(m.b.path(&m.b.cells[b.from+n]))
					places[p] = append(places[p], n)
				}
			}
			k = firstUnused(places, string(m.a.path(x)), used)
		}
		if k < 0 {
			m.cells(a, x, nil)
			continue
		}
		used[k] = true
		next = k + 1
		if y := &m.b.cells[b.from+k]; !sameValue(&x.v, &y.v) {
			m.cells(a, x, y)
		}
	}
	for k := range used {
		if !used[k] {
			m.cells(b, nil, &m.b.cells[b.from+k])
		}
	}
	if len(m.out) == before {
		m.add(Difference{Ext: a.label(), What: Order, Verdict: Different,
			Recorded: m.a.cellOrder(a), Target: m.b.cellOrder(b)})
	}
}

// maxText bounds how much of a list is shown.
const maxText = 240

// cellOrder lists the items of a section's list of algorithms.
func (m *flat) cellOrder(s *section) string {
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

func sameValue(a, b *layers.Value) bool {
	return a.Kind == b.Kind && a.Uint == b.Uint && a.Addr == b.Addr && bytes.Equal(a.Bytes, b.Bytes)
}

// maxNames bounds how many names are kept, since lists have as many paths as items.
const maxNames = 1000

// name makes a string of a name, which is shared with others of its kind.
func (m *comparer) name(b []byte) string {
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
func (m *comparer) label(s *section) string {
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
func (m *comparer) cells(s *section, x, y *cell) {
	d := Difference{Ext: m.label(s), What: Value, Verdict: Different}
	if x != nil {
		d.Field = m.name(m.a.path(x))
		d.Recorded = m.a.render(x)
	} else {
		d.Field = m.name(m.b.path(y))
	}
	if y != nil {
		d.Target = m.b.render(y)
	}
	if x != nil && y != nil && x.v.Kind == layers.Hidden && d.Recorded == d.Target {
		d.Reason = "the octets differ"
	}
	m.judge(&d, x, y)
	m.add(d)
}

func (m *flat) render(c *cell) string {
	if c.f == baseErrno && c.v.Uint == 0 {
		return "0"
	}
	m.text = layers.AppendValue(m.text[:0], m.codec.Dialect, c.f, &c.v)
	return string(m.text)
}

// judge decides whether a difference is volatile.
func (m *comparer) judge(d *Difference, x, y *cell) {
	m.path = append(append(append(m.path[:0], d.Ext...), '.'), d.Field...)
	rule := volatileByPath[string(withoutIndices(m.path))]
	if rule == nil {
		return
	}
	if rule.bound != 0 {
		if x == nil || y == nil || m.bound == nil {
			return
		}
		v := m.a.boundValue(rule.bound, uint32(x.v.Uint))
		t := uint32(y.v.Uint)
		switch {
		case m.bound.holds(v, t):
		case rule.bound == bindSPI:
			return // GETSPI binds it, nothing else does
		case rule.bound == bindReqID && (x.v.Uint <= maxManualReqID || y.v.Uint <= maxManualReqID):
			return
		case !m.bound.bind(v, t, m.rec):
			return
		}
	}
	d.Verdict, d.Reason = Volatile, rule.Reason
}

// boundValue is a value of the kind in the recorded message.
func (m *flat) boundValue(kind bindingKind, value uint32) boundValue {
	v := boundValue{kind: kind, value: value}
	if kind == bindSPI {
		v.satype, v.dst = m.satype, m.dst
	}
	return v
}

// withoutIndices leaves the indices out of a path, in place.
func withoutIndices(p []byte) []byte {
	out, inside := p[:0], false
	for _, c := range p {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case !inside:
			out = append(out, c)
		}
	}
	return out
}
