package layers

import (
	"net/netip"

	"github.com/google/gopacket"
)

// NewAddress makes an address extension of one of the layer types whose struct
// is Address. prefixLen is in bits; proto 0 or 255 stands for any.
func (c Codec) NewAddress(t gopacket.LayerType, ap netip.AddrPort, prefixLen, proto uint8) *Address {
	return &Address{Header: For(t), Proto: proto, PrefixLen: prefixLen, Sockaddr: c.sockaddrOf(ap)}
}

// NewKey makes KEY_AUTH or KEY_ENCRYPT from octets, which it keeps. The number of
// bits has 16 bits itself, so a key can have 8191 octets at most.
func (c Codec) NewKey(t gopacket.LayerType, octets []byte) *Key {
	return &Key{Header: For(t), Bits: uint16(len(octets) * 8), Octets: octets}
}

// Parse decodes the sockaddr. ok is false if it is not IPv4 or IPv6.
func (x *Address) Parse() (s Sockaddr, ok bool) { return x.Codec().ParseSockaddr(x.Sockaddr) }

// Addr returns the IP address, or the zero Addr if there is none.
func (x *Address) Addr() netip.Addr {
	s, _ := x.Parse()
	return s.Addr
}

// Port returns the port in the sockaddr.
func (x *Address) Port() uint16 {
	s, _ := x.Parse()
	return s.Port
}

// Key returns the octets of the key without padding: ceil(Bits/8) of them, or
// as many as there are.
func (x *Key) Key() Secret { return x.Octets[:min(keyOctets(x.Bits), len(x.Octets))] }

// Combs returns the combinations of the proposal.
func (x *Proposal) Combs() []Comb {
	size := layoutSadbComb.shape().Size
	list := make([]Comb, len(x.List)/size)
	for i := range list {
		list[i].decode(layoutSadbComb, x.Codec().big(), x.List[i*size:])
	}
	return list
}

// AppendComb appends a combination to the List of a Proposal.
func (c Codec) AppendComb(list []byte, comb Comb) []byte {
	return comb.encode(layoutSadbComb, c.big(), list)
}

// Algs returns the supported algorithms.
func (x *Supported) Algs() []Alg {
	c := x.Codec()
	id := c.Dialect.table().alg
	size := id.shape().Size
	list := make([]Alg, len(x.List)/size)
	for i := range list {
		list[i].decode(id, c.big(), x.List[i*size:])
	}
	return list
}

// AppendAlg appends an algorithm to the List of a Supported.
func (c Codec) AppendAlg(list []byte, a Alg) []byte {
	return a.encode(c.Dialect.table().alg, c.big(), list)
}

// Requests returns the requests of the policy that are whole.
func (x *Policy) Requests() []Request { return x.AppendRequests(nil) }

// AppendRequests appends the requests of the policy that are whole to dst, for those
// who read many policies.
func (x *Policy) AppendRequests(dst []Request) []Request {
	c := x.Codec()
	id := c.Dialect.table().request
	for rest := x.List; ; {
		one, more := splitRequest(rest, id, c.big())
		if one == nil {
			return dst
		}
		var r Request
		r.decode(id, c.big(), one)
		dst = append(dst, r)
		rest = more
	}
}

// Addrs decodes the two addresses of a request, which only those of tunnels
// have.
func (x *Request) Addrs(c Codec) (src, dst Sockaddr, ok bool) { return c.ParsePair(x.Sockaddrs) }

// ParsePair decodes two sockaddrs that follow each other without padding.
func (c Codec) ParsePair(b []byte) (a, z Sockaddr, ok bool) {
	if a, ok = c.ParseSockaddr(b); !ok {
		return a, z, false
	}
	z, ok = c.ParseSockaddr(b[a.Size:])
	return a, z, ok
}

// AppendRequest appends a request to the List of a Policy. Its Len is computed
// if it is 0.
func (c Codec) AppendRequest(list []byte, r Request) []byte {
	id := c.Dialect.table().request
	if r.Len == 0 {
		r.Len = uint16(id.shape().Size + len(r.Sockaddrs))
	}
	return r.encode(id, c.big(), list)
}

// AppendPair appends two addresses as they stand in a request or a KMAddress,
// padded to 8 bytes together.
func (c Codec) AppendPair(dst []byte, a, z netip.AddrPort) []byte {
	n := len(dst)
	dst = c.AppendSockaddr(dst, Sockaddr{Addr: a.Addr(), Port: a.Port()})
	dst = c.AppendSockaddr(dst, Sockaddr{Addr: z.Addr(), Port: z.Port()})
	for (len(dst)-n)%Word != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// splitRequest takes the next request off a list. one is nil at the end or where
// the length, which counts bytes, makes no sense.
func splitRequest(list []byte, id layout, big bool) (one, rest []byte) {
	size := id.shape().Size
	if len(list) < size {
		return nil, list
	}
	n := int(get16(list, big))
	if n < size || n > len(list) {
		return nil, list
	}
	return list[:n:n], list[n:]
}

// splitExtendedComb takes the next extended combination with its algorithms off a list.
func splitExtendedComb(list []byte) (one, rest []byte) {
	size := layoutSadbXEcomb.shape().Size
	if len(list) < size {
		return nil, list
	}
	n := size + int(list[0])*layoutSadbXAlgdesc.shape().Size
	if n > len(list) {
		return nil, list
	}
	return list[:n:n], list[n:]
}

// kmpIKEv2 is SADB_X_KMP_IKEV2 (illumos uts/common/net/pfkeyv2.h).
const kmpIKEv2 = 3

// Cookie64 returns the cookie of IKEv2 (Proto is 3), a number of 64 bits that
// takes the place of Cookie and Reserved. x must have been decoded or have a
// codec.
func (x *KMCookie) Cookie64() uint64 {
	if x.Codec().big() {
		return uint64(x.Cookie)<<32 | uint64(x.Reserved)
	}
	return uint64(x.Reserved)<<32 | uint64(x.Cookie)
}

// identIsText tells the identity types whose data is text on every system that has
// them: PREFIX, FQDN, USERFQDN (RFC 2367 3.5).
func identIsText(t uint16) bool { return t >= 1 && t <= 3 }
