package check

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Numbers of policies (include/uapi/linux/ipsec.h, include/net/xfrm.h).
const (
	policyIPsec    = 2
	dirInbound     = 1
	dirOutbound    = 2
	dirForward     = 3
	levelUse       = 1
	levelUnique    = 3
	maxRequests    = 6      // XFRM_MAX_DEPTH
	maxManualReqID = 0x3fff // IPSEC_MANUAL_REQID_MAX
	policySize     = 16     // struct sadb_x_policy
)

// request is one requirement of a policy as the kernels' loops see it, before
// anything says that it is sound: struct sadb_x_ipsecrequest (net/pfkeyv2.h;
// Linux: include/uapi/linux/pfkeyv2.h).
type request struct {
	offset      int // bytes from the start of the message
	size        int // bytes of the structure: 16 on Linux, 8 on KAME systems
	len         int // bytes, as the request says
	proto       uint16
	mode, level uint8
	reqid       uint32
	addrs       []byte // what follows the structure
}

// requests goes through the requests of a policy.
type requests struct {
	list   []byte
	offset int // of list, bytes from the start of the message
	size   int // of a request's structure
	order  binary.ByteOrder
}

func (k *checker) requestsOf(x *layers.Policy) requests {
	c := k.m.Codec
	return requests{x.List, int(x.Offset) + policySize, c.Dialect.RequestLayout().Size, c.Order.Binary()}
}

// next takes a request off a list of at least size bytes. ok is false if its length
// is less than that or more than the list has.
func (q *requests) next() (r request, ok bool) {
	b := q.list
	r = request{
		offset: q.offset,
		size:   q.size,
		len:    int(q.order.Uint16(b)),
		proto:  q.order.Uint16(b[2:]),
		mode:   b[4], level: b[5],
	}
	if q.size == 8 {
		r.reqid = uint32(q.order.Uint16(b[6:]))
	} else {
		r.reqid = q.order.Uint32(b[8:])
	}
	if r.len < q.size || r.len > len(b) {
		return r, false
	}
	r.addrs = b[q.size:r.len]
	q.list, q.offset = b[r.len:], q.offset+r.len
	return r, true
}

// badRequest reports a problem with a request.
func (k *checker) badRequest(id code, r *request, text string) {
	n := r.size + len(r.addrs)
	k.report(id, "POLICY", r.offset, n, "request: "+text)
}

// badLength reports a request whose length makes no sense. It does not say which:
// if this is no request at all, it may be octets of a key.
func (k *checker) badLength(r *request, q *requests) {
	if r.len < r.size {
		k.badRequest(cRequestLength, r, fmt.Sprintf("its length, in bytes, is below the %d of its structure", r.size))
		return
	}
	k.badRequest(cRequestLength, r, fmt.Sprintf("its length, in bytes, is above the %d left of the policy", len(q.list)))
}

// addressPair is parse_sockaddr_pair.
func (k *checker) addressPair(b []byte) (src, dst netip.Addr, ok bool) {
	a, z, ok := k.m.Codec.ParsePair(b)
	return a.Addr, z.Addr, ok && a.Family == z.Family
}

// linuxDirection reports a policy direction that is none of the three.
func (k *checker) linuxDirection(x *layers.Policy) {
	if x.Dir < dirInbound || x.Dir > dirForward {
		k.extension(cPolicyDir, &x.Header, fmt.Sprintf("direction %s is none of 1 to 3", k.number(layers.EnumDir, uint64(x.Dir))))
	}
}

// linuxPolicy is pfkey_spdadd and parse_ipsecrequests.
func (k *checker) linuxPolicy() {
	x := k.m.Policy()
	if x == nil {
		return
	}
	if x.Type > policyIPsec {
		k.extension(cPolicyType, &x.Header, fmt.Sprintf("policy type %d is none of 0 to 2", x.Type))
	}
	k.linuxDirection(x)
	k.linuxContext()
	if x.Type != policyIPsec {
		if len(x.List) > 0 {
			k.extension(cPolicyUnused, &x.Header, fmt.Sprintf("%d bytes of requests are not read: the policy is not IPSEC", len(x.List)))
		}
		return
	}
	q := k.requestsOf(x)
	for n := 0; len(q.list) >= q.size; n++ {
		r, ok := q.next()
		if !ok {
			k.badLength(&r, &q)
			return
		}
		if n == maxRequests {
			k.badRequest(cRequestDepth, &r, fmt.Sprintf("it is number %d, a policy has at most %d", n+1, maxRequests))
			return
		}
		k.linuxRequest(x, &r)
	}
	switch {
	case len(x.List) < q.size:
		k.extension(cPolicyEmpty, &x.Header, "an IPSEC policy without requests: traffic passes in the clear")
	case len(q.list) > 0:
		k.report(cRequestTrailing, "POLICY", q.offset, len(q.list), fmt.Sprintf("%d bytes after the last request are not read", len(q.list)))
	}
}

// linuxRequest is parse_ipsecrequest.
func (k *checker) linuxRequest(x *layers.Policy, r *request) {
	if r.mode == modeAny || r.mode > modeBEET {
		k.badRequest(cRequestMode, r, fmt.Sprintf("mode %d is none of 1 to 3", r.mode))
	}
	switch uint8(r.proto) { // the kernel drops the upper octet
	case 50, 51, 108, 43, 60: // ESP, AH, IPCOMP; with IPv6 routing and destination options
	default:
		k.badRequest(cRequestProto, r, fmt.Sprintf("IP protocol %d is none of 50 (ESP), 51 (AH), 108 (IPCOMP)", r.proto))
	}
	if r.level == levelUse && x.Dir == dirOutbound && (r.mode == modeTunnel || r.mode == modeBEET) {
		k.badRequest(cRequestLevel, r, "level USE is not possible for a tunnel of an outbound policy")
	}
	if r.mode == modeTunnel {
		if _, _, ok := k.addressPair(r.addrs); !ok {
			k.badRequest(cRequestAddresses, r, fmt.Sprintf("its %d bytes are not two addresses of one family", len(r.addrs)))
		}
	} else if len(r.addrs) > 0 {
		k.badRequest(cRequestUnused, r, "its addresses are not read: the mode is not tunnel")
	}
	if r.reqid != 0 && (r.level != levelUnique || r.reqid > maxManualReqID) {
		k.badRequest(cRequestReqID, r, fmt.Sprintf("reqid %d is not used: it takes level UNIQUE and at most %d", r.reqid, maxManualReqID))
	}
}

// migration is a pair of requests of MIGRATE, a struct xfrm_migrate.
type migration struct {
	request              // the old one, for its place
	proto, mode    uint8 // as the kernel keeps them: mode 0 is transport
	src, dst       netip.Addr
	newSrc, newDst netip.Addr
}

// linuxMigrate is pfkey_migrate and xfrm_migrate_check. It leaves the pairs in
// k.moves.
func (k *checker) linuxMigrate() {
	x := k.m.Policy()
	if x == nil {
		return
	}
	k.linuxDirection(x)
	if a := k.m.KMAddress(); a != nil {
		if _, _, ok := k.addressPair(a.Sockaddrs); !ok {
			k.extension(cKMAddress, &a.Header, fmt.Sprintf("its %d bytes are not two addresses of one family", len(a.Sockaddrs)))
		}
	}
	q := k.requestsOf(x)
	if len(q.list) == 0 {
		k.extension(cMigratePairs, &x.Header, "no requests: MIGRATE needs pairs of old and new endpoints")
		return
	}
	for k.nmoves = 0; len(q.list) > 0; k.nmoves++ {
		if k.nmoves == maxRequests {
			k.extension(cMigratePairs, &x.Header, fmt.Sprintf("more than %d pairs of requests", maxRequests))
			return
		}
		var ok bool
		if k.moves[k.nmoves], ok = k.linuxMigration(x, &q); !ok {
			return
		}
	}
	for i := range k.moves[:k.nmoves] {
		p := &k.moves[i]
		for j := range k.moves[:i] {
			o := &k.moves[j]
			switch {
			case p.src != o.src || p.dst != o.dst || p.proto != o.proto || p.mode != o.mode || p.reqid != o.reqid:
			case p.dst.Is6():
				k.badRequest(cMigrateTwice, &p.request, "the same old endpoints as in a pair before")
			default:
				k.badRequest(cMigrateTwice4, &p.request, "the same old endpoints as in a pair before")
			}
		}
	}
}

// linuxMigration is ipsecrequests_to_migrate. ok is false if the list makes no
// sense from there on.
func (k *checker) linuxMigration(x *layers.Policy, q *requests) (m migration, ok bool) {
	// The kernel wants more than an empty second request, and has compared the
	// length with that of the first only.
	if len(q.list) < q.size {
		k.extension(cMigratePairs, &x.Header, fmt.Sprintf("%d bytes after the last pair of requests", len(q.list)))
		return m, false
	}
	if m.request, ok = q.next(); !ok {
		k.badLength(&m.request, q)
		return m, false
	}
	old := &m.request
	if m.src, m.dst, ok = k.addressPair(old.addrs); !ok {
		k.badRequest(cRequestAddresses, old, fmt.Sprintf("its %d bytes are not two addresses of one family", len(old.addrs)))
		return m, false
	}
	if len(q.list) <= q.size {
		k.badRequest(cMigratePairs, old, "there is no second request with the new endpoints")
		return m, false
	}
	fresh, ok := q.next()
	if !ok {
		k.badLength(&fresh, q)
		return m, false
	}
	if m.newSrc, m.newDst, ok = k.addressPair(fresh.addrs); !ok {
		k.badRequest(cRequestAddresses, &fresh, fmt.Sprintf("its %d bytes are not two addresses of one family", len(fresh.addrs)))
		return m, false
	}
	switch {
	case fresh.proto != old.proto || fresh.mode != old.mode || fresh.reqid != old.reqid:
		k.badRequest(cMigrateMatch, &fresh, "protocol, mode or reqid differ from the request with the old endpoints")
	case old.mode > modeBEET:
		k.badRequest(cMigrateMatch, &fresh, fmt.Sprintf("mode %d is none of 0 to 3", old.mode))
	}
	if m.newSrc.IsUnspecified() || m.newDst.IsUnspecified() {
		k.badRequest(cMigrateAny, &fresh, "a new endpoint is the unspecified address")
	}
	m.proto, m.mode = uint8(old.proto), max(old.mode, modeTransport)
	return m, true
}
