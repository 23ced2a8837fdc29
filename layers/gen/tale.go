package gen

import "net/netip"

// tale is a story with all that its messages have in common.
type tale struct {
	told   bool
	number uint64
	name   string
	steps  [storyLen]*form

	satype                       satype
	spi, spi2                    uint32
	firstSeq, seq, pid           uint32
	v6                           bool
	src, dst, newSrc, newDst     netip.Addr
	proxy                        netip.Addr
	selSrc, selDst               netip.Addr // of the policy
	srcPrefix, dstPrefix         uint8
	ulproto                      uint8
	port                         uint16
	auth, cipher                 algorithm
	mode                         uint8
	reqid                        uint16
	natt                         bool
	authKey, cipherKey, otherKey [64]byte

	policyType uint16
	dir        uint8
	policyID   uint32
	requests   int
	tunnel     bool // the first request is for a tunnel
}

// Numbers of modes, policy types and levels, the same on every system that has
// them (netipsec/ipsec.h, include/uapi/linux/ipsec.h).
const (
	modeTransport = 1
	modeTunnel    = 2

	policyNone  = 1
	policyIPsec = 2

	dirInbound  = 1
	dirOutbound = 2

	levelDefault = 0
	levelUse     = 1
	levelRequire = 2
	levelUnique  = 3
)

// tell makes the story with a number the current one.
func (g *Generator) tell(number uint64) {
	r := newRNG(g.seed, domainStory, number)
	d := g.dialect
	t := &g.tale
	*t = tale{told: true, number: number}
	g.cast(t, &r)
	t.v6 = r.percent(40)
	t.src, t.dst, t.proxy = g.address(t, &r), g.address(t, &r), g.address(t, &r)
	t.newSrc, t.newDst = g.address(t, &r), g.address(t, &r)
	t.selSrc, t.selDst = g.address(t, &r), g.address(t, &r)

	t.satype = pick(&r, d.satypes)
	if t.satype.kind != kindESP && r.percent(40) {
		t.satype = d.satypes[0] // most SAs in the world are ESP
	}
	t.spi, t.spi2 = g.newSPI(t, &r), g.newSPI(t, &r)
	t.firstSeq, t.pid = uint32(r.next()), uint32(r.between(2, 1<<22))
	if g.options.PID != 0 {
		t.pid = g.options.PID
	}
	bits := 32
	if t.v6 {
		bits = 128
	}
	t.srcPrefix, t.dstPrefix = uint8(r.between(8, bits)), uint8(r.between(8, bits))
	t.ulproto = pick(&r, []uint8{255, 255, 6, 17, 1, 58, 47, 4})
	if (t.ulproto == 6 || t.ulproto == 17) && r.percent(50) {
		t.port = uint16(r.between(1, 65535))
	}
	if len(d.auths) > 0 {
		t.auth = pick(&r, d.auths)
	}
	t.cipher = pick(&r, d.ciphers)
	r.fill(t.authKey[:])
	r.fill(t.cipherKey[:])
	r.fill(t.otherKey[:])
	t.mode = uint8(r.between(0, 2))
	t.reqid = uint16(r.n(0x4000))
	t.natt = t.satype.kind == kindESP && r.percent(25)

	t.policyType = pick(&r, []uint16{0, policyNone, policyIPsec, policyIPsec, policyIPsec, policyIPsec})
	t.dir = uint8(r.between(dirInbound, dirOutbound))
	if g.dialect.forward && r.percent(25) {
		t.dir++
	}
	// The first policies of a kernel have these ids: a running number of 8 steps and
	// the direction on Linux, which finds no forwarding policy by its id.
	t.policyID = uint32(8*r.n(32) + min(int(t.dir), dirOutbound))
	t.requests, t.tunnel = r.between(1, 4), r.percent(60)
}

// cast chooses the story and its steps.
func (g *Generator) cast(t *tale, r *rng) {
	d := g.dialect
	scripts := d.scripts
	if g.options.Requests {
		scripts = d.requests
	}
	sum := formsWeight + anyWeight
	for i := range scripts {
		sum += scripts[i].weight
	}
	k := r.n(sum)
	for i := range scripts {
		s := &scripts[i]
		if k < s.weight {
			t.name = s.name
			for j := range t.steps {
				t.steps[j] = s.steps[j%len(s.steps)]
			}
			return
		}
		k -= s.weight
	}
	if k < anyWeight {
		t.name = whateverStory
		for j := range t.steps {
			t.steps[j] = &whatever
		}
		return
	}
	t.name = formsStory
	for j := range t.steps {
		for t.steps[j] == nil || g.options.Requests && t.steps[j].fromKernel {
			t.steps[j] = &d.forms[r.n(len(d.forms))]
		}
	}
}

// address makes an address of the story's family that is nothing special.
func (g *Generator) address(t *tale, r *rng) netip.Addr {
	if !t.v6 {
		v := uint32(10)<<24 | uint32(r.next())&0xffffff
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	r.fill(b[8:])
	return netip.AddrFrom16(b)
}

// newSPI makes an SPI that no system reserves; the index of IPCOMP has 16 bits.
func (g *Generator) newSPI(t *tale, r *rng) uint32 {
	if t.satype.kind == kindIPComp {
		return uint32(r.between(0x100, 0xefff))
	}
	return uint32(r.between(0x100, 0x0fffffff))
}
