package filter

import (
	"bytes"
	"math"
	"net/netip"
	"regexp"

	"github.com/pfkeycap/pfkeycap/layers"
)

// condition is a compiled expression that is true or false of the record that a
// gatherer has begun.
type condition func(g *gatherer) bool

// test is true or false of one value.
type test interface {
	match(v *value, d layers.Dialect) bool
}

// anyOf is true if the test is true of some value of the slot.
func anyOf(slot int, t test) condition {
	return func(g *gatherer) bool {
		vs := g.values(slot)
		for i := range vs {
			if t.match(&vs[i], g.dialect) {
				return true
			}
		}
		return false
	}
}

// noneOf is true if there are values and the test is true of none of them. Of a
// message in an X_PROMISC wrapper the wrapper's header does not count, but for its
// type: where the message has an errno, the wrapper has 0.
func noneOf(slot int, t test) condition {
	return func(g *gatherer) bool {
		vs := g.values(slot)
		if node := g.slots[slot].node; len(vs) > 1 && node.src == fromHeader && node.member != hType {
			vs = vs[len(vs)-1:]
		}
		for i := range vs {
			if t.match(&vs[i], g.dialect) {
				return false
			}
		}
		return len(vs) > 0
	}
}

// present is true if the slot has a value.
func present(slot int) condition {
	return func(g *gatherer) bool { return len(g.values(slot)) > 0 }
}

// span is a range of numbers, both ends included.
type span struct{ lo, hi uint64 }

var everything = span{0, math.MaxUint64}

// numberIs is a test for numbers: in one of the spans, or with the name that one
// of the lists has.
type numberIs struct {
	spans []span
	names *[nDialects][]namedNumber
}

// namedNumber is a number with a name in some table.
type namedNumber struct {
	table table
	u     uint64
}

func (t *numberIs) match(v *value, d layers.Dialect) bool {
	for i := range t.spans {
		if s := &t.spans[i]; v.u >= s.lo && v.u <= s.hi {
			return true
		}
	}
	if t.names == nil {
		return false
	}
	for _, n := range t.names[d] {
		if n.table == v.table && n.u == v.u {
			return true
		}
	}
	return false
}

// flagsHave is a test for sets of flags: all bits of a mask, or the bit with a
// name.
type flagsHave struct {
	mask  uint64 // 0 if there is a name
	names *[nDialects][]namedNumber
}

func (t *flagsHave) match(v *value, d layers.Dialect) bool {
	if t.names == nil {
		return v.u&t.mask == t.mask
	}
	for _, n := range t.names[d] {
		if n.table == v.table && v.u&n.u == n.u {
			return true
		}
	}
	return false
}

// addrIs is a test for addresses.
type addrIs []netip.Addr

func (t addrIs) match(v *value, _ layers.Dialect) bool {
	for _, a := range t {
		if v.addr == a {
			return true
		}
	}
	return false
}

// addrIn is a test for addresses by prefixes.
type addrIn []netip.Prefix

func (t addrIn) match(v *value, _ layers.Dialect) bool {
	for _, p := range t {
		if p.Contains(v.addr) {
			return true
		}
	}
	return false
}

// bytesAre is a test for texts and octets.
type bytesAre [][]byte

func (t bytesAre) match(v *value, _ layers.Dialect) bool {
	for _, b := range t {
		if bytes.Equal(v.b, b) {
			return true
		}
	}
	return false
}

// bytesHave is a test for texts and octets by a part of them.
type bytesHave struct {
	has  func(b, part []byte) bool
	part []byte
}

func (t bytesHave) match(v *value, _ layers.Dialect) bool { return t.has(v.b, t.part) }

// matches is a test for texts.
type matches struct{ *regexp.Regexp }

func (t matches) match(v *value, _ layers.Dialect) bool { return t.Match(v.b) }

// nameIs is a test for the names of numbers and flags, as text.
type nameIs struct {
	text  test
	flags bool
	list  []string
	name  value
}

func (t *nameIs) match(v *value, d layers.Dialect) bool {
	t.list = appendNames(t.list[:0], v, d, t.flags)
	for _, n := range t.list {
		t.name.b = append(t.name.b[:0], n...)
		if t.text.match(&t.name, d) {
			return true
		}
	}
	return false
}

// appendNames appends the names of a number or of a set of flags, if it has any. In
// some dialects what is a set of flags in others is a number.
func appendNames(dst []string, v *value, d layers.Dialect, flags bool) []string {
	if v.table == noTable {
		return dst
	}
	if flags {
		return appendFlags(dst, v.table.flags(d), v.u)
	}
	if n := v.table.name(d, v.u); n != "" {
		dst = append(dst, n)
	}
	return dst
}

// pair compares the values of two slots, each with each.
func pair(a, b int, equal func(x, y *value) bool) condition {
	return func(g *gatherer) bool {
		xs, ys := g.values(a), g.values(b)
		for i := range xs {
			for j := range ys {
				if equal(&xs[i], &ys[j]) {
					return true
				}
			}
		}
		return false
	}
}
