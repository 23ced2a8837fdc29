package check

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// saKey is what Linux finds an SA by: __xfrm_state_lookup. The family is the
// address's.
type saKey struct {
	dst   netip.Addr
	spi   uint32
	proto uint8
}

// modelSA is a struct xfrm_state, as far as answers hang on it.
type modelSA struct {
	saKey
	src    netip.Addr
	mode   uint8 // 1 transport, 2 tunnel, 3 BEET
	reqid  uint32
	larval bool  // made by GETSPI
	encap  uint8 // NAT_T_TYPE, 0: none
	// selV6 is the family of its selector, which counts when it is migrated.
	selV6  bool
	hazy   bool // octets of its addresses beyond IPv4's four are not known
	expiry time.Duration
}

// An SA with SPI 0 is in no table by SPI: it is never found, and any number of them
// is taken.
func (m *Model) insert(x *modelSA) {
	m.sas = append(m.sas, x)
	if x.spi != 0 {
		m.byKey[x.saKey] = x
	}
}

func (m *Model) remove(x *modelSA) {
	m.sas = slices.DeleteFunc(m.sas, func(y *modelSA) bool { return x == y })
	if m.byKey[x.saKey] == x {
		delete(m.byKey, x.saKey)
	}
}

// alive reports whether something that may be gone from a moment on is certainly
// there.
func (m *Model) alive(expiry time.Duration) bool { return m.to < expiry }

// lookup is pfkey_xfrm_state_lookup.
func (m *Model) lookup(k *checker) *modelSA {
	sa, dst := k.m.SA(), k.m.AddressDst()
	if sa == nil || dst == nil {
		return nil
	}
	return m.byKey[saKey{dst.Addr(), sa.SPI, protoOf(k.m.SAType)}]
}

// find looks up the SA that a GET or DELETE names.
func (m *Model) find(k *checker) (x *modelSA, possible []uint8) {
	x = m.lookup(k)
	switch sa := k.m.SA(); {
	case x == nil && sa != nil:
		k.extension(cSAUnknown, &sa.Header, noSuchSA)
	case x != nil && !m.alive(x.expiry):
		return x, outcomeOf(cSAUnknown)
	}
	return x, nil
}

// larvalOf is __find_acq_core: an SA that GETSPI made and could give no SPI.
func (m *Model) larvalOf(want *modelSA) *modelSA {
	for i := len(m.sas) - 1; i >= 0; i-- {
		x := m.sas[i]
		if x.larval && x.spi == 0 && x.proto == want.proto && x.mode == want.mode && x.reqid == want.reqid &&
			x.dst == want.dst && x.src == want.src {
			return x
		}
	}
	return nil
}

// wanted is the SA that a GETSPI, ADD or UPDATE is about, as the request gives it.
func (m *Model) wanted(k *checker) *modelSA {
	x := &modelSA{mode: modeTransport, expiry: forever}
	x.proto = protoOf(k.m.SAType)
	x.dst, x.src = k.m.AddressDst().Addr(), k.m.AddressSrc().Addr()
	x.selV6 = x.src.Is6()
	if sa2 := k.m.SA2(); sa2 != nil {
		x.reqid = sa2.ReqID
		if sa2.Mode != modeAny {
			x.mode = sa2.Mode
		}
	}
	return x
}

// spiRange is the range that a GETSPI asks for, as numbers and as their count.
func spiRange(k *checker) (low, high uint32, count uint64) {
	low, high = 0x100, 0x0fffffff
	if x := k.m.SPIRange(); x != nil {
		low, high = x.Min, x.Max
	}
	return low, high, uint64(high) - uint64(low) + 1
}

// predictGetSPI is xfrm_alloc_spi.
func (m *Model) predictGetSPI(k *checker) []uint8 {
	low, high, count := spiRange(k)
	dst, proto := k.m.AddressDst().Addr(), protoOf(k.m.SAType)
	used, unsure := uint64(0), uint64(0)
	for _, x := range m.sas {
		if x.dst == dst && x.proto == proto && x.spi != 0 && x.spi >= low && x.spi <= high {
			if m.alive(x.expiry) {
				used++
			} else {
				unsure++
			}
		}
	}
	none := func() {
		text := fmt.Sprintf("of 0x%08x to 0x%08x no SPI is free", low, high)
		if x := k.m.SPIRange(); x != nil {
			k.extension(cSPINone, &x.Header, text)
		} else {
			k.header(cSPINone, 1, 1, text)
		}
	}
	if low == 0 && high == 0 {
		switch m.traits.ZeroSPI {
		case NotKnown:
			return outcomeOf(cSPINone)
		case No:
			none()
		}
		return nil
	}
	if used == count {
		none()
		return nil
	}
	if used+unsure == 0 && low > 0 {
		return nil
	}
	// It draws as many numbers as the range has and takes the first that is free; 0 is
	// free, and is no SPI.
	taken := float64(used+unsure) / float64(count)
	all := math.Pow(taken, float64(count))
	fail := all
	if low == 0 && m.traits.ZeroSPI != Yes {
		fail += (1 - all) / (1 - taken) / float64(count)
	}
	if fail > 1e-7 {
		return outcomeOf(cSPINone)
	}
	return nil
}

// learnGetSPI is pfkey_getspi. A GETSPI that fails late leaves a larval SA without SPI
// behind.
func (m *Model) learnGetSPI(k *checker, errno uint8, answers [][]byte) {
	if errno != 0 {
		for i := range k.found {
			switch p := &k.found[i]; {
			case p.Errno == 0:
			case p.rule.id == cSPIRange, p.rule.id == cSPIRangeCPI, p.rule.id == cSPIAll, p.rule.id == cSAType && k.m.SAType == layers.SATypeUnspec:
			default:
				return
			}
		}
	}
	want := m.wanted(k)
	x := m.larvalOf(want)
	if x == nil {
		x = want
		x.larval = true
		x.expiry = m.from + acquireTTL
		m.insert(x)
	}
	if errno != 0 {
		return
	}
	spi, ok := m.chosenSPI(answers)
	if !ok {
		m.lost = true
		return
	}
	m.remove(x)
	x.spi = spi
	m.insert(x)
}

// chosenSPI takes the SPI out of the answer to a GETSPI.
func (m *Model) chosenSPI(answers [][]byte) (uint32, bool) {
	var msg layers.Message
	msg.Codec = m.codec()
	for _, b := range answers {
		if msg.DecodeFromBytes(b, nil) == nil && msg.Type == layers.GETSPI && msg.SA() != nil {
			return msg.SA().SPI, true
		}
	}
	return 0, false
}

func (m *Model) predictAdd(k *checker) []uint8 {
	switch x := m.lookup(k); {
	case x == nil:
	case m.alive(x.expiry):
		k.extension(cSAExists, &k.m.SA().Header, haveSA)
	default:
		return outcomeOf(cSAExists)
	}
	return nil
}

// predictUpdate is xfrm_state_update.
func (m *Model) predictUpdate(k *checker) []uint8 {
	x := m.lookup(k)
	if x == nil {
		k.extension(cSAUnknown, &k.m.SA().Header, noSuchSA)
		return nil
	}
	if !m.alive(x.expiry) {
		return []uint8{eSRCH, eINVAL}
	}
	if encap := encapOf(k); !x.larval && encap != x.encap {
		text := fmt.Sprintf("the SA has encapsulation type %d, not %d", x.encap, encap)
		if n := k.m.NATTType(); n != nil {
			k.extension(cSAEncap, &n.Header, text)
		} else {
			k.missing(cSAEncap, kNATTType, fmt.Sprintf("missing: the SA has encapsulation type %d", x.encap))
		}
	}
	return nil
}

func encapOf(k *checker) uint8 {
	if x := k.m.NATTType(); x != nil {
		return x.Type
	}
	return 0
}

// learnSA is xfrm_state_add and xfrm_state_update.
func (m *Model) learnSA(k *checker, errno uint8) {
	switch x := m.lookup(k); {
	case errno == eSRCH && x != nil && k.m.Type == layers.UPDATE:
		m.remove(x)
		return
	case errno != 0:
		return
	case x == nil && k.m.Type == layers.UPDATE:
		m.lost = true // there was one that the Model does not know
		return
	case x != nil && k.m.Type == layers.UPDATE && !x.larval:
		// It may be counted from when it was made.
		x.expiry = min(x.expiry, m.from+firstTimer)
		if hard := k.m.LifetimeHard(); hard == nil || hard.AddTime == 0 && hard.UseTime == 0 {
			x.expiry = forever
		}
		return
	case x != nil:
		m.remove(x)
	}
	x := m.wanted(k)
	x.spi = k.m.SA().SPI
	x.encap = encapOf(k)
	x.expiry = m.endOf(k.m.LifetimeHard())
	if proxy := k.m.AddressProxy(); proxy != nil {
		x.selV6 = proxy.Addr().Is6()
	}
	if k.m.Type == layers.ADD {
		if old := m.larvalOf(x); old != nil {
			m.remove(old)
		}
	}
	m.insert(x)
}

// flush is xfrm_state_flush.
func (m *Model) flush(proto uint8) {
	for _, x := range slices.Clone(m.sas) {
		if matches(x.proto, proto) {
			m.remove(x)
		}
	}
}

// matches is xfrm_id_proto_match.
func matches(proto, user uint8) bool {
	return proto == user || user == protoAny && (proto == protoAH || proto == protoESP || proto == protoIPComp)
}

func (m *Model) predictDump(k *checker) []uint8 {
	n, certain := 0, 0
	for _, x := range m.sas {
		switch dumped := dumps(k, x); {
		case dumped == No:
			continue
		case dumped == Yes && m.alive(x.expiry):
			certain++
		}
		n++
	}
	return m.predictEmpty(k, n, certain)
}

// dumps reports whether a DUMP gives an SA: xfrm_state_walk and
// __xfrm_state_filter_match, which compares 16 octets whatever the family.
func dumps(k *checker, x *modelSA) Answer {
	if !matches(x.proto, protoOf(k.m.SAType)) {
		return No
	}
	f := k.m.Filter()
	if f == nil {
		return Yes
	}
	switch name := k.m.Codec.Dialect.FamilyName(f.Family); {
	case name == "inet" && x.src.Is6(), name == "inet6" && x.src.Is4():
		return No
	}
	if x.hazy && max(f.SrcPrefixLen, f.DstPrefixLen) > 32 {
		return NotKnown
	}
	if samePrefix(wide(x.src), f.SrcAddr, f.SrcPrefixLen) && samePrefix(wide(x.dst), f.DstAddr, f.DstPrefixLen) {
		return Yes
	}
	return No
}

// wide is an address as an xfrm_address_t.
func wide(a netip.Addr) (b [16]byte) {
	if a.Is4() {
		four := a.As4()
		copy(b[:], four[:])
		return b
	}
	return a.As16()
}

// samePrefix is addr_match.
func samePrefix(a, b [16]byte, bits uint8) bool {
	for i := range a {
		switch n := int(bits) - i*8; {
		case n <= 0:
			return true
		case n < 8:
			return (a[i]^b[i])>>(8-n) == 0
		case a[i] != b[i]:
			return false
		}
	}
	return true
}

// dumpedNothing drops what a DUMP should have given and did not.
func (m *Model) dumpedNothing(k *checker) {
	for _, x := range slices.Clone(m.sas) {
		if dumps(k, x) == Yes {
			m.remove(x)
		}
	}
}
