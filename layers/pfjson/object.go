package pfjson

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// object takes the members of a JSON object out of it, one by one. What was never
// asked for is unknown there, and what was asked for is known: done compares.
type object struct {
	p     *parser
	n     *node // an object
	asked []string
}

// object returns n as an object; if it is none, an empty one after an error.
func (p *parser) object(n *node) object {
	if n.kind != objectKind {
		p.fail(n, fmt.Errorf("%v where an object should be", n.kind))
		n = &node{kind: objectKind, parent: n.parent, key: n.key, index: n.index}
	}
	return object{p: p, n: n}
}

// get returns a member, or nil.
func (o *object) get(name string) *node {
	o.asked = append(o.asked, name)
	k := o.n.find(name)
	if k != nil {
		k.used = true
	}
	return k
}

// has reports whether one of the members is there, without taking it.
func (o *object) has(names ...string) bool {
	for _, name := range names {
		if o.n.find(name) != nil {
			return true
		}
	}
	return false
}

// done fails if the object has a member that nobody asked for.
func (o *object) done() {
	for _, k := range o.n.kids {
		if !k.used {
			slices.Sort(o.asked)
			o.p.fail(k, fmt.Errorf("no member %q belongs here: want some of %s",
				clip(k.key), strings.Join(slices.Compact(o.asked), " ")))
			return
		}
	}
}

// uint returns a member that is an unsigned number of so many bytes.
func (o *object) uint(name string, size int) (v uint64, n *node) {
	if n = o.get(name); n != nil {
		v = o.p.uint(n, size)
	}
	return v, n
}

// uint reads a JSON number, or a string with a decimal number or one in hex after
// 0x.
func (p *parser) uint(n *node, size int) uint64 {
	base, digits := 10, n.text
	switch {
	case n.kind == stringKind && len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X"):
		base, digits = 16, digits[2:]
	case n.kind == stringKind || n.kind == numberKind:
	default:
		p.fail(n, fmt.Errorf("%v where a number should be", n.kind))
		return 0
	}
	v, err := strconv.ParseUint(digits, base, size*8)
	switch {
	case errors.Is(err, strconv.ErrRange):
		p.fail(n, fmt.Errorf("more than %d, the most that %d bytes hold", uint64(1)<<(size*8)-1, size))
	case err != nil:
		p.fail(n, fmt.Errorf("no whole number from 0 to %d", uint64(1)<<(size*8)-1))
	}
	return v
}

// text returns a member that is a string.
func (o *object) text(name string) (s string, n *node) {
	if n = o.get(name); n != nil {
		if n.kind != stringKind {
			o.p.fail(n, fmt.Errorf("%v where a string should be", n.kind))
		}
		s = n.text
	}
	return s, n
}

// octets returns a member that is a string of hex digits. Where Append hid the
// octets there is an object instead.
func (o *object) octets(name string) (b []byte, n *node) {
	if n = o.get(name); n == nil {
		return nil, nil
	}
	if n.kind == objectKind {
		o.p.fail(n, ErrSecret)
		return nil, n
	}
	if n.kind != stringKind {
		o.p.fail(n, fmt.Errorf("%v where a string of hex digits should be", n.kind))
		return nil, n
	}
	b, err := hex.DecodeString(n.text)
	if err != nil {
		// hex's error would show a digit of what may be a key.
		o.p.fail(n, errors.New("no string of hex digits, two for each octet"))
	}
	return b, n
}

// array returns the elements of a member that is an array.
func (o *object) array(name string) (list []*node, n *node) {
	if n = o.get(name); n == nil {
		return nil, nil
	}
	if n.kind != arrayKind {
		o.p.fail(n, fmt.Errorf("%v where an array should be", n.kind))
	}
	return n.kids, n
}

// addr returns a member that is an IP address.
func (o *object) addr(name string) (netip.Addr, *node) {
	s, n := o.text(name)
	if n == nil {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		o.p.fail(n, fmt.Errorf("%q is no IP address", clip(s)))
		return netip.Addr{}, n
	}
	return a, n
}
