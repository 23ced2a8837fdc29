package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

const (
	policyGenerate = 5 // IPSEC_POLICY_GENERATE of macOS
	kameLevels     = levelUnique
)

// selector reports which addresses a policy lacks, where ranges may stand for them.
func (x kameCheck) selector() {
	if x.set != onMacOS {
		return
	}
	if !x.has(kRangeSrcStart | kRangeSrcEnd) {
		x.missing(cAddressMissing, kSrc, "missing, as is a range")
	}
	if !x.has(kRangeDstStart | kRangeDstEnd) {
		x.missing(cAddressMissing, kDst, "missing, as is a range")
	}
}

// traffic returns the addresses that a policy is for: those that macOS compares.
func (x kameCheck) traffic() (src, dst *layers.Address) {
	m := &x.m
	src, dst = m.AddressSrc(), m.AddressDst()
	if x.set == onMacOS && x.has(kRangeSrcStart|kRangeSrcEnd) {
		src = m.AddrRangeSrcStart()
	}
	if x.set == onMacOS && x.has(kRangeDstStart|kRangeDstEnd) {
		dst = m.AddrRangeDstStart()
	}
	if src != nil && len(src.Sockaddr) < 2 {
		src = nil
	}
	if dst != nil && len(dst.Sockaddr) < 2 {
		dst = nil
	}
	return src, dst
}

// direction reports a policy direction that is neither of the two.
func (x kameCheck) direction(id code, p *layers.Policy) {
	if p.Dir != dirInbound && p.Dir != dirOutbound {
		x.extension(id, &p.Header, "direction "+x.number(layers.EnumDir, uint64(p.Dir)))
	}
}

// policyType reports a policy type that is not for the policy database.
func (x kameCheck) policyType(p *layers.Policy) {
	if p.Type > policyIPsec && !(x.generate && p.Type == policyGenerate) {
		x.extension(cPolicyType, &p.Header, "policy type "+x.number(layers.EnumPolicyType, uint64(p.Type)))
	}
}

// spdAdd is key_spdadd and key_msg2sp.
func (x kameCheck) spdAdd() {
	m, p := &x.m, x.m.Policy()
	if p == nil {
		return
	}
	src, dst := x.traffic()
	if src != nil && dst != nil && x.set == onMacOS && !x.compared(src, dst) {
		x.sockaddrPair(src, dst)
	}
	id := cPolicyDir
	if x.by.rule(cPolicyDirSilent) != nil {
		id = cPolicyDirSilent
	}
	x.direction(id, p)
	x.policyType(p)
	switch {
	case p.Type == policyIPsec && len(p.List) == 0:
		if m.Type != layers.SPDSETIDX || x.set == onFreeBSD {
			x.extension(cPolicyEmpty, &p.Header, "an IPSEC policy without requests")
		}
	case p.Type == policyIPsec:
		x.requests(p, src, dst)
	case len(p.List) > 0:
		x.extension(cPolicyUnused, &p.Header, fmt.Sprintf("%d bytes of requests are not read: the policy is not IPSEC", len(p.List)))
	}
	if hard := m.LifetimeHard(); hard != nil {
		x.nanoseconds(hard, hard.AddTime)
		if hard.UseTime != hard.AddTime {
			x.nanoseconds(hard, hard.UseTime)
		}
	}
}

// compared reports whether key_parse has compared two addresses.
func (x kameCheck) compared(src, dst *layers.Address) bool {
	m := &x.m
	return src == m.AddressSrc() && dst == m.AddressDst() ||
		src == m.AddrRangeSrcStart() && dst == m.AddrRangeDstStart() && (m.AddressSrc() == nil || m.AddressDst() == nil)
}

// spdDelete is key_spddelete.
func (x kameCheck) spdDelete() {
	p := x.m.Policy()
	if p == nil {
		return
	}
	x.direction(cPolicyDir, p)
	if x.set == onFreeBSD {
		x.policyType(p)
	}
}

// requests goes through the requests of a policy as key_msg2sp does.
func (x kameCheck) requests(p *layers.Policy, src, dst *layers.Address) {
	q := x.requestsOf(p)
	for n := 0; len(q.list) > 0; n++ {
		left := q.list
		if len(left) < q.size {
			x.report(cRequestLength, "POLICY", q.offset, len(left), fmt.Sprintf("request: %d bytes are less than the %d of its structure", len(left), q.size))
			return
		}
		r, ok := q.next()
		short := r.len < q.size
		if !ok && (short || x.set == onFreeBSD) {
			x.badLength(&r, &q)
			return
		}
		if x.maxRequests > 0 && n == x.maxRequests {
			x.badRequest(cRequestDepth, &r, fmt.Sprintf("it is number %d, a policy has at most %d", n+1, x.maxRequests))
			return
		}
		// FreeBSD alone has made sure that the request ends within the policy.
		x.request(&r, ok)
		if !ok {
			x.badLength(&r, &q)
			return
		}
		x.requestAddresses(&r, left[q.size:])
		if n == 0 {
			x.requestFamily(&r, src, dst)
		}
		if x.set == onMacOS && len(q.list) > 0 {
			id := cRequestRepeated
			if len(q.list)%r.len != 0 {
				id = cRequestRemainder
			}
			x.report(id, "POLICY", q.offset, len(q.list), "request: the first one is read again instead")
			return
		}
	}
}

// request is the checks of one request's fields. What they hold is not said unless
// it is a whole request: else it may be anything.
func (x kameCheck) request(r *request, say bool) {
	n := len(x.found)
	defer func() {
		for i := n; i < len(x.found) && !say; i++ {
			x.found[i].Text = "request: " + x.found[i].rule.Text
		}
	}()
	switch {
	case r.proto == 50, r.proto == 51: // ESP, AH
	case r.proto == 108 && x.set != onMacOS: // IPCOMP
	default:
		x.badRequest(cRequestProto, r, fmt.Sprintf("IP protocol %d", r.proto))
	}
	if r.mode != modeTransport && r.mode != modeTunnel {
		x.badRequest(cRequestMode, r, fmt.Sprintf("mode %d is neither 1 nor 2", r.mode))
	}
	switch {
	case r.level > kameLevels:
		x.badRequest(cRequestLevel, r, fmt.Sprintf("level %d is none of 0 to 3", r.level))
	case r.reqid != 0 && (r.level != levelUnique || r.reqid > maxManualReqID):
		x.badRequest(cRequestReqID, r, fmt.Sprintf("reqid %d is not used: it takes level UNIQUE and at most %d", r.reqid, maxManualReqID))
	}
}

// requestAddresses is the checks of a request's addresses. left is all that comes
// after the request's structure in the policy.
func (x kameCheck) requestAddresses(r *request, left []byte) {
	if len(r.addrs) == 0 {
		if r.mode == modeTunnel {
			x.badRequest(cRequestTunnel, r, "a tunnel without endpoints")
		}
		return
	}
	ok := true
	n := int(left[0])
	switch x.set {
	case onFreeBSD:
		ok = len(left) >= 16 && n <= x.maxSockaddr && len(r.addrs) >= 2*n
		if ok {
			family := byte(0)
			if n >= 2 {
				family = left[1]
			}
			ok = int(left[n]) == n && left[n+1] == family
		}
	case onMacOS:
		ok = len(r.addrs) >= 16 && n <= x.maxSockaddr && len(r.addrs) >= n+16
		ok = ok && int(left[n]) <= x.maxSockaddr && len(r.addrs) >= n+int(left[n])
	default:
		ok = n <= x.maxSockaddr && (n >= len(left) || int(left[n]) <= x.maxSockaddr)
	}
	if !ok {
		x.badRequest(cRequestAddresses, r, fmt.Sprintf("its %d bytes are not two addresses of one size", len(r.addrs)))
	}
}

// requestFamily is what netkey demands of the first request: endpoints of the same
// family as the traffic, on macOS unless it is an ESP tunnel.
func (x kameCheck) requestFamily(r *request, src, dst *layers.Address) {
	if x.by.rule(cRequestFamily) == nil || x.set == onMacOS && r.mode == modeTunnel && r.proto == 50 {
		return
	}
	b := r.addrs
	for _, a := range []*layers.Address{src, dst} {
		if len(b) < 2 {
			return
		}
		if n, family := int(b[0]), b[1]; n >= 2 && family != 0 && a != nil && a.Sockaddr[1] != family {
			x.badRequest(cRequestFamily, r, fmt.Sprintf("its address family is %d, the traffic's is %d", family, a.Sockaddr[1]))
			return
		}
		b = b[min(len(b), int(b[0])):]
	}
}
