package pfjson

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// sockaddr appends the socket address that an object's members family, addr,
// port and so on say, if they say one. known means that it is one of IPv4 or
// IPv6, so that its end is known.
func (p *parser) sockaddr(o *object) (known bool) {
	family, familyNode := p.family(o)
	raw, rawNode := o.octets("sockaddr")
	if rawNode != nil {
		if s, _ := p.codec.ParseSockaddr(raw); familyNode != nil && s.Family != family {
			p.fail(familyNode, fmt.Errorf("family %d, but sockaddr has %d", family, s.Family))
		}
		p.append(rawNode, raw)
		return false
	}
	addr, addrNode := o.addr("addr")
	if addrNode == nil {
		if familyNode != nil {
			p.fail(familyNode, errors.New("family without addr or sockaddr"))
		}
		return false
	}
	p.checkFamily(familyNode, family, addr)
	s := layers.Sockaddr{Addr: addr}
	port, _ := o.uint("port", 2)
	s.Port = uint16(port)
	plain := p.codec.AppendSockaddr(nil, s)
	if addr.Is4() {
		if b, n := o.octets("zero"); n != nil && p.exactly(n, b, len(s.Zero)) {
			copy(s.Zero[:], b)
		}
	} else {
		flow, _ := o.uint("flowinfo", 4)
		scope, _ := o.uint("scope_id", 4)
		s.FlowInfo, s.ScopeID = uint32(flow), uint32(scope)
		if len(plain) == 32 { // only illumos' has the member
			src, _ := o.uint("src_id", 4)
			s.SrcID = uint32(src)
		}
	}
	b := p.codec.AppendSockaddr(nil, s)
	if int(plain[0]) == len(plain) { // a family of that number is nowhere IPv4 or IPv6
		if l, n := o.uint("sa_len", 1); n != nil {
			b[0] = byte(l)
		}
	}
	p.append(addrNode, b)
	return true
}

// family reads the name or number of an address family.
func (p *parser) family(o *object) (uint16, *node) {
	n := o.get("family")
	if n == nil {
		return 0, nil
	}
	if n.kind == stringKind {
		if f, ok := p.codec.Dialect.Family(n.text); ok {
			return f, n
		}
	}
	return uint16(p.uint(n, 2)), n
}

// checkFamily fails if a family that is there is not that of an address.
func (p *parser) checkFamily(n *node, family uint16, a netip.Addr) uint16 {
	name := "inet"
	if a.Is6() {
		name = "inet6"
	}
	is, _ := p.codec.Dialect.Family(name)
	if n != nil && family != is && a.IsValid() {
		p.fail(n, fmt.Errorf("family %d, but %v is %s, %d", family, a, name, is))
	}
	return is
}

// padding appends what fills the word in which a sockaddr ends.
func (p *parser) padding(o *object, start int) {
	if b, n := o.octets("pad"); n != nil && p.exactly(n, b, -(len(p.out)-start)&(layers.Word-1)) {
		p.append(n, b)
	}
	p.align(o.n, start)
}

// pair appends two socket addresses without padding between them.
func (p *parser) pair(o *object, first, second string) {
	a, z := o.get(first), o.get(second)
	if a == nil && z != nil {
		p.fail(z, fmt.Errorf("%s without %s, which comes before it", second, first))
	}
	for _, n := range [2]*node{a, z} {
		if n == nil || p.err != nil {
			return
		}
		in := p.object(n)
		before := len(p.out)
		if p.sockaddr(&in); len(p.out) == before {
			p.fail(n, errors.New("no member addr or sockaddr"))
		}
		in.done()
	}
}

// filter writes the members of sadb_x_filter, whose addresses are 16 octets each.
func (p *parser) filter(o *object, sh *shape.Shape, start int) {
	family, familyNode := p.family(o)
	for i := range sh.Fields {
		f := &sh.Fields[i]
		at := start + int(f.Off)
		switch f.Sem {
		case shape.Family:
		case shape.Address:
			if a, n := o.addr(f.Name); n != nil {
				is := p.checkFamily(familyNode, family, a)
				if o.has(f.Name + "_hex") {
					p.fail(n, fmt.Errorf("%s beside %s_hex: want one of them", f.Name, f.Name))
				}
				if familyNode == nil {
					family, familyNode = is, n
				}
				if p.err == nil {
					copy(p.out[at:], a.AsSlice())
				}
			} else if b, n := o.octets(f.Name + "_hex"); n != nil && p.exactly(n, b, int(f.Size)) {
				copy(p.out[at:], b)
			}
		default:
			v, _ := o.uint(f.Name, int(f.Size))
			p.put(at, int(f.Size), false, v)
		}
	}
	p.put(start+36, 2, false, uint64(family))
}
