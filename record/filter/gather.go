package filter

import (
	"net/netip"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// value is one value of a path. What it holds depends on the node's kind: u and
// table for numbers (and for ids, which are 4 octets, and times, see clock), addr
// for addresses, b for the rest.
type value struct {
	u     uint64
	table table
	addr  netip.Addr
	b     []byte
}

// clock maps a moment to a number so that later moments are larger ones.
func clock(t time.Time) uint64 { return uint64(t.UnixNano()) ^ 1<<63 }

// unclock is the inverse of clock.
func unclock(u uint64) time.Time { return time.Unix(0, int64(u^1<<63)).UTC() }

// idFunc names a secret of a record without showing it (record.Hider.ID).
type idFunc = func(r *record.Record, secret []byte, key int) [4]byte

// slot holds the values of one path in the current record.
type slot struct {
	node   *node
	named  bool   // tables of the values are asked for
	record uint64 // the record, counted by gatherer, that values are of
	values []value
	buf    []byte // what a value's b points to, if that is no part of the message
}

// gatherer finds the values of some paths in one record after the other. It does
// no more than is asked for: header fields are read where they stand; the message
// is divided into extensions only for others; fields in the fixed part of an
// extension are read where they stand; and only extensions in which something else
// is asked for are walked. It belongs to one goroutine.
type gatherer struct {
	slots   []slot
	trueKey bool // gather from the bytes with true secrets, if they are at hand
	id      idFunc

	r       *record.Record
	data    []byte
	dialect layers.Dialect
	count   uint64 // of records
	wrapped bool   // maybe: the message is in an X_PROMISC wrapper, or has no whole header

	msg   layers.Message
	plans [nDialects]*plan
	walk  collector
	one   []byte // messages of one extension each, to be walked
}

// slotOf returns the slot of a node, which it makes if need be.
func (g *gatherer) slotOf(n *node, named bool) int {
	for i := range g.slots {
		if g.slots[i].node == n {
			g.slots[i].named = g.slots[i].named || named
			return i
		}
	}
	g.slots = append(g.slots, slot{node: n, named: named})
	return len(g.slots) - 1
}

// begin turns to a record. Everything that was returned before is void.
func (g *gatherer) begin(r *record.Record) {
	g.r, g.data, g.dialect = r, r.Data, dialectOf(r)
	if g.trueKey {
		g.data = r.Bytes()
	}
	g.count++
	g.wrapped = len(g.data) < layers.BaseLen || g.data[1] == layers.PROMISC
}

// values returns the values of a slot.
func (g *gatherer) values(i int) []value {
	s := &g.slots[i]
	if s.record == g.count {
		return s.values
	}
	switch {
	case s.node.src == fromRecord:
		s.record, s.values = g.count, s.values[:0]
		g.ofRecord(s)
	case s.node.src == fromHeader && !g.wrapped:
		s.record, s.values = g.count, s.values[:0]
		s.add(headerValue(s.node, g.data, g.r.Codec))
	default:
		g.fill()
	}
	return s.values
}

func (s *slot) add(v value) { s.values = append(s.values, v) }

func (s *slot) addUint(u uint64) { s.values = append(s.values, value{u: u}) }

// addBytes adds a text that is no part of the message.
func (s *slot) addBytes(text string) {
	from := len(s.buf)
	s.buf = append(s.buf, text...)
	s.values = append(s.values, value{b: s.buf[from:len(s.buf):len(s.buf)]})
}

// ofRecord adds a member of the record.
func (g *gatherer) ofRecord(s *slot) {
	r := g.r
	s.buf = s.buf[:0]
	notZero := func(u uint64) {
		if u != 0 {
			s.addUint(u)
		}
	}
	switch s.node.member {
	case rNumber:
		notZero(r.Number)
	case rTime:
		if !r.Time.IsZero() {
			s.addUint(clock(r.Time))
		}
	case rDirection:
		s.add(value{u: uint64(r.Dir), table: tDirection})
	case rDialect:
		s.add(value{u: uint64(r.Codec.Dialect), table: tDialect})
	case rOrder:
		s.add(value{u: uint64(r.Codec.Order), table: tOrder})
	case rLength:
		s.addUint(uint64(r.OrigLen))
		if r.OrigLen == 0 {
			s.values[0].u = uint64(len(r.Data))
		}
	case rCapLen:
		s.addUint(uint64(len(r.Data)))
	case rTwinOf:
		notZero(r.TwinOf)
	case rReplyTo:
		notZero(r.ReplyTo)
	case rProcess:
		if r.Process != "" {
			s.addBytes(r.Process)
		}
	case rWriteErrno:
		if r.WriteErrno != 0 {
			s.add(value{u: uint64(r.WriteErrno), table: tErrno})
		}
	case rComment:
		for _, c := range r.Comments {
			s.addBytes(c)
		}
	}
}

// headerValue reads a member of the message header, struct sadb_msg (RFC 2367
// 2.1), of which b holds 16 bytes at least.
func headerValue(n *node, b []byte, c layers.Codec) value {
	big := c.Order == layers.BigEndian
	switch n.member {
	case hVersion:
		return value{u: uint64(b[0])}
	case hType:
		return value{u: uint64(b[1]), table: table(layers.EnumMsgType)}
	case hErrno:
		return value{u: uint64(b[2]), table: tErrno}
	case hSAType:
		return value{u: uint64(b[3]), table: table(c.Dialect.SATypeEnum(b[1], b[3]))}
	case hLen:
		return value{u: load(b[4:6], big)}
	case hReserved:
		v := value{u: load(b[6:8], big)}
		if v.u != 0 { // no diagnosis
			v.table = table(layers.EnumDiagnostic)
		}
		return v
	case hSeq:
		return value{u: load(b[8:12], big)}
	case hPID:
		return value{u: load(b[12:16], big)}
	}
	return value{} // the header itself
}

// fill gathers everything but what is from the record itself.
func (g *gatherer) fill() {
	header, rest := false, false
	for i := range g.slots {
		s := &g.slots[i]
		if s.node.src == fromRecord {
			continue
		}
		s.record, s.values, s.buf = g.count, s.values[:0], s.buf[:0]
		header = header || s.node.src == fromHeader
		rest = rest || s.node.src == fromRest
	}
	p := g.plans[g.dialect]
	if p == nil {
		p = g.makePlan(g.dialect)
		g.plans[g.dialect] = p
	}
	m := &g.msg
	m.Codec = g.r.Codec
	if err := m.DecodeFromBytes(g.data, nil); m.Inner != nil || err != nil && rest {
		g.collect(g.data, p, nil)
		return
	}
	if len(g.data) < layers.BaseLen {
		return
	}
	g.one = g.one[:0]
	for i := range m.Extensions {
		g.extension(&m.Extensions[i], p)
	}
	if !header {
		return
	}
	for i := range g.slots {
		if s := &g.slots[i]; s.node.src == fromHeader {
			s.add(headerValue(s.node, g.data, g.r.Codec))
		}
	}
}

// plan says what is to be gathered from the messages of a dialect.
type plan struct {
	exts    []*extPlan // by number; nil for those that the dialect does not have
	unknown *extPlan
	header  []int // slots of header fields
	rest    *want
}

// extPlan says what is to be gathered from an extension.
type extPlan struct {
	size  int    // bytes of the fixed part
	reads []read // what is in places that are always the same
	walk  bool   // there is more
	want  want
}

// read is a value in a place that is always the same.
type read struct {
	slot   int
	member member
	place  place
	table  table
}

// want is a tree of the names that are to be gathered from a walk.
type want struct {
	name   string
	member member
	slot   int // or -1
	kids   []*want
}

func (w *want) find(name string) *want {
	for _, k := range w.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// path returns the want of a node, which it makes if need be.
func (w *want) path(n *node) *want {
	for _, p := range strings.Split(n.path, ".")[1:] {
		k := w.find(p)
		if k == nil {
			k = &want{name: p, slot: -1}
			w.kids = append(w.kids, k)
		}
		w = k
	}
	w.member = n.member
	return w
}

func (g *gatherer) makePlan(d layers.Dialect) *plan {
	p := &plan{unknown: &extPlan{want: want{slot: -1}}}
	ignored := &extPlan{want: want{slot: -1}}
	for _, number := range d.ExtNumbers() {
		for len(p.exts) <= int(number) {
			p.exts = append(p.exts, nil)
		}
		p.exts[number] = ignored
	}
	for i := range g.slots {
		n := g.slots[i].node
		switch n.src {
		case fromHeader:
			p.header = append(p.header, i)
		case fromRest:
			if p.rest == nil {
				p.rest = &want{slot: -1}
			}
			p.rest.path(n).slot = i
		case fromExtension:
			e := p.unknown
			if n.root.name != unknownName {
				if !n.root.in[d].here {
					continue
				}
				number := n.root.in[d].number
				if p.exts[number] == ignored {
					p.exts[number] = &extPlan{size: n.root.in[d].size, want: want{slot: -1}}
				}
				e = p.exts[number]
			}
			e.add(d, n, i, g.slots[i].named)
		}
	}
	return p
}

// add plans for a node of the extension.
func (e *extPlan) add(d layers.Dialect, n *node, slot int, named bool) {
	e.want.path(n).slot = slot
	in := &n.in[d]
	switch {
	case n.member == isGroup || n.member == eNumber || n.member == eOffset || n.member == eLen:
		e.reads = append(e.reads, read{slot: slot, member: n.member})
	case in.at.kind != nowhere && !(named && len(in.tables) > 1):
		r := read{slot: slot, member: n.member, place: in.at}
		if len(in.tables) == 1 {
			r.table = in.tables[0]
		}
		e.reads = append(e.reads, r)
	default:
		e.walk = true
	}
}

// extension adds what is asked for of an extension.
func (g *gatherer) extension(h *layers.Header, p *plan) {
	number := h.Number()
	e := p.unknown
	if int(number) < len(p.exts) && p.exts[number] != nil {
		e = p.exts[number]
	}
	if e.walk {
		// A walk of this one alone. What the meaning of its fields depends on is in the
		// header; only an X_PROMISC might seem to wrap what is left of it.
		from := len(g.one)
		g.one = append(append(g.one, g.data[:layers.BaseLen]...), h.Contents...)
		msg := g.one[from:]
		msg[1] = layers.GET
		g.collect(msg, p, h)
		return
	}
	for i := range e.reads {
		r := &e.reads[i]
		s := &g.slots[r.slot]
		switch r.member {
		case isGroup:
			s.addUint(0)
		case eNumber:
			s.addUint(uint64(number))
		case eOffset:
			s.addUint(uint64(h.Offset))
		case eLen:
			s.addUint(uint64(h.Len))
		default:
			if len(h.Contents) >= e.size {
				r.field(s, h, g.r.Codec)
			}
		}
	}
}

// field adds a field in an extension that is long enough.
func (r *read) field(s *slot, h *layers.Header, c layers.Codec) {
	if r.place.kind == fixed {
		b := h.Contents[r.place.off : r.place.off+r.place.size]
		s.add(value{u: load(b, r.place.net || c.Order == layers.BigEndian), table: r.table})
		return
	}
	sa, ok := c.ParseSockaddr(h.Contents[r.place.off:])
	switch {
	case !ok:
	case r.place.kind == sockAddr:
		s.add(value{addr: sa.Addr})
	default:
		s.addUint(uint64(sa.Port))
	}
}

// collect gathers from a walk through a message, or through a message of the one
// extension whose header is given.
func (g *gatherer) collect(msg []byte, p *plan, one *layers.Header) {
	c := &g.walk
	c.g, c.plan, c.one, c.at = g, p, one, nil
	g.r.Codec.Walk(msg, c)
	c.one = nil
}

// collector is the layers.Visitor of a gatherer.
type collector struct {
	g     *gatherer
	plan  *plan
	one   *layers.Header // if only one extension is walked: as it is in its message
	at    *want          // the group that was begun last, nil if nothing in it is asked for
	stack []*want        // those around it
}

func (c *collector) add(w *want, v value) {
	if w != nil && w.slot >= 0 {
		c.g.slots[w.slot].add(v)
	}
}

// Base implements layers.Visitor.
func (c *collector) Base(b *layers.Base, _, _ int) {
	if c.one != nil {
		return
	}
	for _, i := range c.plan.header {
		s := &c.g.slots[i]
		s.add(headerValue(s.node, b.Contents, b.Codec))
	}
}

// Extension implements layers.Visitor.
func (c *collector) Extension(h *layers.Header, number uint16, name string, offset int, _ bool) {
	if c.one != nil {
		offset = int(c.one.Offset)
	}
	e := c.plan.unknown
	if name != "" {
		e = c.plan.exts[number]
	}
	c.at = &e.want
	c.add(c.at, value{})
	for _, k := range c.at.kids {
		switch k.member {
		case eNumber:
			c.add(k, value{u: uint64(number)})
		case eOffset:
			c.add(k, value{u: uint64(offset)})
		case eLen:
			c.add(k, value{u: uint64(h.Len)})
		}
	}
}

// EndExtension implements layers.Visitor.
func (c *collector) EndExtension() { c.at = nil }

// Open implements layers.Visitor.
func (c *collector) Open(k layers.NodeKind, name string) {
	c.stack = append(c.stack, c.at)
	switch {
	case c.at == nil:
	case k == layers.Item:
		c.add(c.at, value{})
	default:
		c.at = c.at.find(name)
		if k == layers.Object {
			c.add(c.at, value{})
		}
	}
}

// Close implements layers.Visitor.
func (c *collector) Close(layers.NodeKind) {
	c.at = c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
}

// Field implements layers.Visitor.
func (c *collector) Field(f *layers.Field, v *layers.Value) {
	if c.at == nil {
		return
	}
	if v.Kind == layers.Hidden {
		c.secret(c.at, f.Name, v.Bytes, v.Key)
		return
	}
	w := c.at
	if f.Name != "" { // else an element of a list of numbers
		w = w.find(f.Name)
	}
	c.add(w, value{u: v.Uint, table: tableOf(f, v), addr: v.Addr, b: v.Bytes})
}

// secret adds a secret and what may be known of it. key is how many of its bytes
// are the octets of a key.
func (c *collector) secret(in *want, name string, b []byte, key int) {
	for _, w := range in.kids {
		switch {
		case w.member == sKeyID && key > 0:
			c.addID(w, b, key)
		case w.name != name:
		default:
			c.add(w, value{b: b})
			for _, k := range w.kids {
				switch k.member {
				case sBytes:
					c.add(k, value{u: uint64(len(b))})
				case sID:
					c.addID(k, b, key)
				}
			}
		}
	}
}

func (c *collector) addID(w *want, b []byte, key int) {
	if c.g.id == nil || w.slot < 0 {
		return
	}
	id := c.g.id(c.g.r, b, key)
	s := &c.g.slots[w.slot]
	s.addBytes(string(id[:]))
}

// Malformed implements layers.Visitor.
func (c *collector) Malformed(rest []byte, offset int, reason layers.Reason) {
	w := c.plan.rest
	if w == nil || c.one != nil {
		return
	}
	c.add(w, value{})
	for _, k := range w.kids {
		switch k.member {
		case mCode:
			c.add(k, value{u: uint64(reason), table: tMalformed})
		case mOffset:
			c.add(k, value{u: uint64(offset)})
		}
	}
	c.secret(w, restName, rest, 0)
}

// End implements layers.Visitor.
func (c *collector) End() {}
