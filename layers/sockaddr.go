package layers

import (
	"net/netip"
)

// Sockaddr is a decoded socket address of a dialect.
type Sockaddr struct {
	Family   uint16 // the dialect's number
	Port     uint16
	Addr     netip.Addr // invalid if the bytes are not a whole sockaddr_in or sockaddr_in6
	FlowInfo uint32     // IPv6, network byte order on the wire
	ScopeID  uint32     // IPv6
	SrcID    uint32     // IPv6 on illumos
	Len      uint8      // the sa_len field, where there is one
	Zero     [8]byte    // sin_zero, IPv4
	Size     int        // bytes the sockaddr takes: 16, 28 or 32; 0 if Addr is invalid
}

// canonicalLen is what a system writes into sa_len.
func (s *Sockaddr) canonicalLen(d *dialect) uint8 {
	if !d.saLen {
		return 0
	}
	return uint8(s.Size)
}

// ParseSockaddr decodes the socket address that b begins with. ok is false, and
// only Family and Len are set, if b is too short or the family is not one of
// IPv4 and IPv6.
//
// Layouts: struct sockaddr_in and sockaddr_in6 of the dialect's system. Linux and
// illumos have a 16-bit family in host byte order, the BSDs and macOS a length
// octet and a family octet.
func (c Codec) ParseSockaddr(b []byte) (s Sockaddr, ok bool) {
	d := c.Dialect.table()
	if len(b) < 2 {
		return s, false
	}
	if d.saLen {
		s.Len, s.Family = b[0], uint16(b[1])
	} else {
		s.Family = get16(b, c.big())
	}
	switch {
	case s.Family == d.inet && len(b) >= 16:
		s.Size = 16
		s.Port = get16(b[2:], true)
		s.Addr = netip.AddrFrom4([4]byte(b[4:8]))
		copy(s.Zero[:], b[8:16])
	case s.Family == d.inet6 && d.srcID && len(b) >= 32:
		s.Size = 32
		s.SrcID = get32(b[28:], c.big())
		s.inet6(b, c.big())
	case s.Family == d.inet6 && !d.srcID && len(b) >= 28:
		s.Size = 28
		s.inet6(b, c.big())
	default:
		return s, false
	}
	return s, true
}

func (s *Sockaddr) inet6(b []byte, big bool) {
	s.Port = get16(b[2:], true)
	s.FlowInfo = get32(b[4:], true)
	s.Addr = netip.AddrFrom16([16]byte(b[8:24]))
	s.ScopeID = get32(b[24:], big)
}

// AppendSockaddr appends the bytes of s, without padding. If Addr is valid the
// family is the dialect's for it; Len 0 stands for the right length.
func (c Codec) AppendSockaddr(dst []byte, s Sockaddr) []byte {
	d := c.Dialect.table()
	big := c.big()
	var b [32]byte
	n := 16
	family := d.inet
	if s.Addr.Is6() {
		family, n = d.inet6, 28
		if d.srcID {
			n = 32
			put32(b[28:], big, s.SrcID)
		}
		put32(b[4:], true, s.FlowInfo)
		a := s.Addr.As16()
		copy(b[8:], a[:])
		put32(b[24:], big, s.ScopeID)
	} else if s.Addr.Is4() {
		a := s.Addr.As4()
		copy(b[4:], a[:])
		copy(b[8:], s.Zero[:])
	}
	if d.saLen {
		b[0], b[1] = s.Len, byte(family)
		if s.Len == 0 {
			b[0] = byte(n)
		}
	} else {
		put16(b[:], big, family)
	}
	put16(b[2:], true, s.Port)
	return append(dst, b[:n]...)
}

// sockaddrOf makes the padded sockaddr of an Address extension.
func (c Codec) sockaddrOf(ap netip.AddrPort) []byte {
	b := c.AppendSockaddr(nil, Sockaddr{Addr: ap.Addr(), Port: ap.Port()})
	for len(b)%Word != 0 {
		b = append(b, 0)
	}
	return b
}
