package replay

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
)

// AddrMap gives the addresses of one prefix those of another one of the same
// length: the bits behind the prefix stay.
type AddrMap struct {
	Old, New netip.Prefix
}

// ReqIDMap gives a request id another one.
type ReqIDMap struct {
	Old, New uint32
}

// ErrMap means that addresses or request ids cannot be given others. The error that
// wraps it says why.
var ErrMap = errors.New("cannot be mapped")

// ParseAddrMap reads "OLD=NEW", two prefixes of the same family and length, or two
// addresses.
func ParseAddrMap(s string) (m AddrMap, err error) {
	from, to, ok := strings.Cut(s, "=")
	if !ok {
		return m, fmt.Errorf("%q: want OLD=NEW, such as 10.0.0.0/24=192.0.2.0/24", s)
	}
	if m.Old, err = parsePrefix(from); err != nil {
		return m, err
	}
	if m.New, err = parsePrefix(to); err != nil {
		return m, err
	}
	if m.Old.Addr().Is4() != m.New.Addr().Is4() {
		return m, fmt.Errorf("%q: both have to be IPv4 or both IPv6, since a message keeps its length", s)
	}
	if m.Old.Bits() != m.New.Bits() {
		return m, fmt.Errorf("%q: a /%d and a /%d: the prefixes have to be of the same length", s, m.Old.Bits(), m.New.Bits())
	}
	return m, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is no address", s)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is no prefix", s)
	}
	if m := p.Masked(); m != p {
		return p, fmt.Errorf("%q has bits behind the prefix: did you mean %v?", s, m)
	}
	return p, nil
}

// String returns OLD=NEW.
func (m AddrMap) String() string { return m.Old.String() + "=" + m.New.String() }

// apply returns the address that stands for a.
func (m *AddrMap) apply(a netip.Addr) netip.Addr {
	from, to := a.AsSlice(), m.New.Addr().AsSlice()
	for i := range to {
		keep := byte(0xff) // the bits of from that stay
		if n := m.Old.Bits() - 8*i; n >= 8 {
			keep = 0
		} else if n > 0 {
			keep >>= n
		}
		to[i] |= from[i] & keep
	}
	b, _ := netip.AddrFromSlice(to)
	return b
}

// ParseReqIDMap reads "OLD=NEW", two numbers. A policy can only ask for request ids
// from 1 to 16383 (Linux include/uapi/linux/ipsec.h, IPSEC_MANUAL_REQID_MAX), so NEW
// has to be one.
func ParseReqIDMap(s string) (m ReqIDMap, err error) {
	from, to, ok := strings.Cut(s, "=")
	if !ok {
		return m, fmt.Errorf("%q: want OLD=NEW, two request ids", s)
	}
	parse := func(s string, max uint64) uint32 {
		n, perr := strconv.ParseUint(s, 0, 32)
		if perr != nil || n == 0 || n > max {
			err = fmt.Errorf("%q is no request id from 1 to %d", s, max)
		}
		return uint32(n)
	}
	m.Old, m.New = parse(from, 1<<32-1), 0
	if err == nil {
		m.New = parse(to, maxManualReqID)
	}
	return m, err
}

// String returns OLD=NEW.
func (m ReqIDMap) String() string { return fmt.Sprintf("%d=%d", m.Old, m.New) }

// names gives addresses and request ids others.
type names struct {
	addrs  []AddrMap
	reqids []ReqIDMap

	fields compare.Fields
	from   map[netip.Addr]netip.Addr // which address has become this one
	ids    map[uint32]uint32
	err    error
}

// change gives the names in a message others, in place, and says which.
func (n *names) change(c layers.Codec, msg []byte) (done []Rewrite) {
	if len(n.addrs) == 0 && len(n.reqids) == 0 {
		return nil
	}
	n.fields.Fill(c, msg)
	for path, cell := range n.fields.All() {
		v := &cell.Value
		switch {
		case v.Kind == layers.Addr:
			if a, b := v.Addr.WithZone(""), n.addr(v.Addr.WithZone("")); a != b {
				copy(msg[v.Offset:][:v.Size], b.AsSlice())
				done = append(done, Rewrite{path.String(), a.String(), b.String(), "--map-addr"})
			}
		case isReqID(path) && v.Kind == layers.Number && v.Size == 4:
			if a, b := uint32(v.Uint), n.reqid(uint32(v.Uint)); a != b {
				c.Order.Binary().PutUint32(msg[v.Offset:], b)
				done = append(done, Rewrite{path.String(), fmt.Sprint(a), fmt.Sprint(b), "--map-reqid"})
			}
		}
	}
	return done
}

// isReqID reports whether a path is that of a request id.
func isReqID(path compare.Path) bool {
	p := path.Plain()
	return p == "sa2.reqid" || p == "policy.requests.reqid"
}

// addr returns the address that stands for a, and notes if it stands for two.
func (n *names) addr(a netip.Addr) netip.Addr {
	b := a
	for i := range n.addrs {
		if n.addrs[i].Old.Contains(a) {
			b = n.addrs[i].apply(a)
			break
		}
	}
	if n.from == nil {
		n.from = map[netip.Addr]netip.Addr{}
	}
	if other, ok := n.from[b]; ok && other != a && n.err == nil {
		n.err = fmt.Errorf("addresses %w: %v and %v would both be %v", ErrMap, other, a, b)
	}
	n.from[b] = a
	return b
}

func (n *names) reqid(a uint32) uint32 {
	b := a
	for _, m := range n.reqids {
		if m.Old == a {
			b = m.New
			break
		}
	}
	if n.ids == nil {
		n.ids = map[uint32]uint32{}
	}
	if other, ok := n.ids[b]; ok && other != a && n.err == nil {
		n.err = fmt.Errorf("request ids %w: %d and %d would both be %d", ErrMap, other, a, b)
	}
	n.ids[b] = a
	return b
}

// clash returns an error if two names became one.
func (n *names) clash() error { return n.err }
