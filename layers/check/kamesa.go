package check

import (
	"fmt"
	"math"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Flags of SAs (net/pfkeyv2.h).
const (
	saFlagOld     = 0x001  // SADB_X_EXT_OLD
	saFlagMacNATT = 0x002  // SADB_X_EXT_NATT of macOS
	saFlagIV4B    = 0x010  // SADB_X_EXT_IV4B
	saFlagDeriv   = 0x020  // SADB_X_EXT_DERIV
	saFlagRawCPI  = 0x080  // SADB_X_EXT_RAWCPI
	saFlagsKnown  = 0x0fff // SADB_KEY_FLAGS_MAX of FreeBSD
)

const (
	modeTCPMD5  = 3      // IPSEC_MODE_TCPMD5 of FreeBSD and NetBSD
	tcpSPI      = 0x1000 // TCP_SIG_SPI of NetBSD
	natTraverse = 2      // UDP_ENCAP_ESPINUDP
	minSPI      = 256    // those below are reserved
)

// getSPI is key_getspi and key_do_getnewspi.
func (x kameCheck) getSPI() {
	m := &x.m
	x.mode()
	r := m.SPIRange()
	if r == nil {
		return
	}
	low, high := r.Min, r.Max
	if m.SAType == layers.SATypeIPComp && max(low, high) > 0xffff {
		x.extension(cSPIRangeCPI, &r.Header, fmt.Sprintf("0x%08x to 0x%08x: an IPCOMP index has 16 bits", low, high))
		low, high = min(low, 0xffff), min(high, 0xffff)
	}
	if m.SAType == layers.SATypeIPComp && low > high {
		low, high = high, low
	}
	between := func() string { return fmt.Sprintf("0x%08x to 0x%08x", r.Min, r.Max) }
	switch {
	case low == 0 && high == 0:
		x.extension(cSPIRangeZero, &r.Header, "0x00000000 to 0x00000000: SPI 0 stands for none")
	case low == high+1:
		x.extension(cSPIRangeDivision, &r.Header, between()+": the number of SPIs, counted in 32 bits, is 0")
	}
	if low > high {
		x.extension(cSPIRange, &r.Header, between()+": the range ends before it begins")
		return
	}
	if low < minSPI && high != 0 && m.SAType != layers.SATypeIPComp && m.SAType != satypeTCP {
		if high < minSPI && x.set == onFreeBSD {
			x.extension(cSPIReserved, &r.Header, between()+": SPIs below 0x00000100 are reserved")
		} else {
			x.extension(cSPIRangeLow, &r.Header, between()+": SPIs below 0x00000100 are reserved")
		}
	}
}

// mode reports a mode that no packet is sent or received in.
func (x kameCheck) mode() {
	sa2 := x.m.SA2()
	if sa2 == nil || sa2.Mode <= modeTunnel || sa2.Mode == modeTCPMD5 && x.m.SAType == satypeTCP {
		return
	}
	x.extension(cMode, &sa2.Header, "mode "+x.number(layers.EnumMode, uint64(sa2.Mode)))
}

// store is key_add and key_update. An UPDATE is judged as one of a larval SA, which
// GETSPI has made, unless it is to FreeBSD and has no key.
func (x kameCheck) store() {
	m := &x.m
	var key kinds
	switch m.SAType {
	case layers.SATypeESP:
		key = kKeyEncrypt
	case layers.SATypeAH:
		key = kKeyAuth
	}
	mature := m.Type == layers.UPDATE && x.set == onFreeBSD && key != 0 && x.seen&kKeys == 0
	switch {
	case mature:
		x.missing(cKeyMissingLarval, key, "missing: without it only an SA that is in use already can be updated")
	case !x.has(key):
		x.require(key, "missing: every "+x.m.Codec.Dialect.EnumName(layers.EnumSAType, uint64(m.SAType))+" SA needs it")
	}
	if pair := x.seen & (kHard | kSoft); pair != 0 && pair != kHard|kSoft {
		x.missing(cLifetimePair, kHard|kSoft, "missing: both limits come together")
	}
	x.mode()
	sa := m.SA()
	if sa == nil {
		return
	}
	if sa.State != 1 {
		x.extension(cStateIgnored, &sa.Header, fmt.Sprintf("state %s, the SA will be MATURE", x.number(layers.EnumState, uint64(sa.State))))
	}
	if mature {
		x.updateMature()
	} else {
		for i, step := range x.sa {
			n := len(x.found)
			step(x)
			if m.Type == layers.UPDATE && x.immature != 0 && i >= x.immature {
				x.quiet(n)
			}
		}
	}
	if hard, soft := m.LifetimeHard(), m.LifetimeSoft(); hard != nil && soft != nil && softNeverExpires(hard, soft, true) {
		x.extension(cLifetimeOrder, &soft.Header, "a limit is not below the hard one")
	}
}

// quiet changes the refusals from the n-th on to what they come to in an UPDATE: the
// kernel sends the request back with errno 0, and the SA stays larval.
func (x kameCheck) quiet(n int) {
	r := x.by.rule(cImmature)
	for i := n; i < len(x.found); i++ {
		if p := &x.found[i]; p.rule.Errno != 0 {
			p.Code, p.Severity, p.Errno, p.Instead, p.Source, p.rule = r.Code, r.Severity, 0, r.Instead, r.Source, r
		}
	}
}

// updateMature is what key_update of FreeBSD does with an SA that is in use.
func (x kameCheck) updateMature() {
	m := &x.m
	src, dst := m.AddressSrc(), m.AddressDst()
	moved := false
	for _, a := range []struct {
		fresh *layers.Address
		used  **layers.Address
	}{{m.NewAddressSrc(), &src}, {m.NewAddressDst(), &dst}} {
		if a.fresh == nil || len(a.fresh.Sockaddr) < 2 {
			continue
		}
		if n := int(a.fresh.Sockaddr[0]); n > x.maxSockaddr {
			x.extension(cNewAddress, &a.fresh.Header, fmt.Sprintf("sa_len is %d, the kernel has room for %d bytes", n, x.maxSockaddr))
			return
		}
		moved, *a.used = true, a.fresh
	}
	switch {
	case moved:
		if src != nil && dst != nil && len(src.Sockaddr) >= 2 && len(dst.Sockaddr) >= 2 {
			x.sockaddrPair(src, dst)
		}
	case x.has(kNATTType) && (m.SAType != layers.SATypeESP || !x.has(kameNATT)):
		x.extension(cEncapUpdate, &m.NATTType().Header, "it takes an ESP SA, NAT_T_SPORT and NAT_T_DPORT")
		return
	}
	x.natt()
}

// spi is the check of the SPI in key_newsav of FreeBSD and key_mature of the others.
func (x kameCheck) spi() {
	m := &x.m
	if x.set == onFreeBSD && m.Type == layers.UPDATE {
		return // the SA has its SPI already
	}
	if sa := m.SA(); sa.SPI < minSPI && (m.SAType == layers.SATypeESP || m.SAType == layers.SATypeAH) {
		x.extension(cSPIReserved, &sa.Header, fmt.Sprintf("SPI 0x%08x is reserved", sa.SPI))
	}
}

// identities is key_setident.
func (x kameCheck) identities() {
	m := &x.m
	if pair := x.seen & kIdentities; pair != 0 && pair != kIdentities {
		x.missing(cIdentityPair, kIdentities, "missing: both identities come together")
	}
	src, dst := m.IdentitySrc(), m.IdentityDst()
	if src != nil && dst != nil && src.Type != dst.Type {
		x.extension(cIdentityPair, &dst.Header, fmt.Sprintf("type %d, the source's is %d", dst.Type, src.Type))
	}
}

// flags is the checks of sadb_sa_flags in key_setsaval and key_mature.
func (x kameCheck) flags() {
	sa := x.m.SA()
	if x.set == onFreeBSD && sa.Flags&^saFlagsKnown != 0 {
		x.extension(cSAFlags, &sa.Header, fmt.Sprintf("flags 0x%08x, of which only 0x%08x may be set", sa.Flags, saFlagsKnown))
	}
	switch {
	case x.m.SAType == layers.SATypeAH && sa.Flags&saFlagDeriv != 0:
		x.extension(cSAFlags, &sa.Header, "the flag DERIV in an AH SA")
	case x.m.SAType == layers.SATypeESP && sa.Flags&saFlagOld != 0 && sa.Flags&saFlagDeriv != 0:
		x.extension(cSAFlags, &sa.Header, "the flags OLD and DERIV together")
	}
}

// replay is the check of SA_REPLAY in key_setsaval of FreeBSD.
func (x kameCheck) replay() {
	if r := x.m.SAReplay(); r != nil && r.Replay > math.MaxUint32-32 {
		x.extension(cReplay, &r.Header, fmt.Sprintf("a window of %d packets", r.Replay))
	}
}

// authKey is the check of KEY_AUTH in key_setsaval.
func (x kameCheck) authKey() {
	key := x.m.KeyAuth()
	if key == nil {
		return
	}
	n := len(key.Contents)
	if n > maxMacKey {
		x.extension(cKeyLong, &key.Header, fmt.Sprintf("%d bytes", n))
	}
	switch {
	case x.m.SAType == layers.SATypeIPComp:
		x.extension(cKeySAType, &key.Header, "an IPCOMP SA has no authentication")
	case n == 8 && x.m.SA().Auth != x.nullAuth:
		x.extension(cKeyEmpty, &key.Header, "no key, and the authentication is "+x.authName())
	}
}

// maxMacKey is how long a KEY extension to macOS may be (bsd/netinet6/ipsec.h
// IPSEC_KEY_AUTH_MAX_BYTES, IPSEC_KEY_ENCRYPT_MAX_BYTES).
const maxMacKey = 8 + 256

// encryptKey is the check of KEY_ENCRYPT in key_setsaval.
func (x kameCheck) encryptKey() {
	key := x.m.KeyEncrypt()
	if key == nil {
		return
	}
	n := len(key.Contents)
	if n > maxMacKey {
		x.extension(cKeyLong, &key.Header, fmt.Sprintf("%d bytes", n))
	}
	switch x.m.SAType {
	case layers.SATypeESP:
		if n == 8 && x.m.SA().Encrypt != x.null {
			x.extension(cKeyEmpty, &key.Header, "no key, and the encryption is "+x.encryptName())
		}
	case layers.SATypeIPComp:
		if n != 8 {
			x.extension(cKeySAType, &key.Header, "an IPCOMP SA has no key")
		}
	default:
		x.extension(cKeySAType, &key.Header, "only an ESP SA has a key for encryption")
	}
}

func (x kameCheck) authName() string {
	return x.number(layers.EnumAuth, uint64(x.m.SA().Auth))
}

func (x kameCheck) encryptName() string {
	e := layers.EnumEncrypt
	if x.m.SAType == layers.SATypeIPComp {
		e = layers.EnumComp
	}
	return x.number(e, uint64(x.m.SA().Encrypt))
}

// algorithms is the checks in key_setsaval of FreeBSD and key_mature of the others
// that an SA names no algorithm of another SA type.
func (x kameCheck) algorithms() {
	m, sa := &x.m, x.m.SA()
	switch m.SAType {
	case layers.SATypeAH, satypeTCP:
		if sa.Encrypt != 0 {
			x.extension(cAlgSAType, &sa.Header, "encryption "+x.encryptName()+", which only an ESP SA has")
		}
	case layers.SATypeIPComp:
		if sa.Auth != 0 {
			x.extension(cAlgSAType, &sa.Header, "authentication "+x.authName()+", which an IPCOMP SA has not")
		}
		if sa.Flags&saFlagRawCPI == 0 && sa.SPI > 0xffff {
			x.extension(cCPI, &sa.Header, fmt.Sprintf("0x%08x has more than 16 bits, and the flag RAWCPI is not set", sa.SPI))
		}
	}
}

// natt is key_setnatt of FreeBSD and key_handle_natt_info of NetBSD.
func (x kameCheck) natt() {
	m := &x.m
	have := x.seen & kameNATT
	if have == 0 {
		return
	}
	t, sport, dport := m.NATTType(), m.NATTSrcPort(), m.NATTDstPort()
	switch {
	case have != kameNATT:
		x.missing(cEncapPartial, kameNATT, "missing: without it the other NAT_T extensions are not used")
		return
	case t == nil || sport == nil || dport == nil: // too short
		return
	case m.SAType != layers.SATypeESP:
		x.extension(cEncapSAType, &t.Header, "only an ESP SA can be encapsulated")
		if x.set == onFreeBSD {
			return
		}
	}
	if t.Type != natTraverse && (x.set == onFreeBSD || t.Type != 1) {
		x.extension(cEncapType, &t.Header, fmt.Sprintf("no encapsulation has type %d", t.Type))
	}
	for _, p := range []*layers.NATTPort{sport, dport} {
		if p.Port == 0 {
			x.extension(cEncapPort, &p.Header, "port 0")
		}
	}
	if sa2 := m.SA2(); sa2 != nil && sa2.Mode == modeTunnel {
		return
	}
	for _, a := range []*layers.Address{m.NATTOA(), m.NATTOAR()} {
		if a != nil && len(a.Sockaddr) >= 2 && (m.Codec.Dialect.FamilyName(uint16(a.Sockaddr[1])) != "inet" || a.Sockaddr[0] != 16) {
			x.extension(cEncapOriginal, &a.Header, fmt.Sprintf("address family %d in a sockaddr of %d bytes is not IPv4", a.Sockaddr[1], a.Sockaddr[0]))
		}
	}
}

// macNATT is the check of the flag NATT in key_setsaval of macOS.
func (x kameCheck) macNATT() {
	sa := x.m.SA()
	if sa.Flags&saFlagMacNATT == 0 {
		return
	}
	switch {
	case len(sa.Contents) < 24:
		x.extension(cSAShort, &sa.Header, fmt.Sprintf("%d bytes, with the flag NATT it needs the 24 of sadb_sa_2", len(sa.Contents)))
	case sa.NATTPort == 0:
		x.extension(cEncapPort, &sa.Header, "the flag NATT and port 0")
	}
}

// lifetimeRange is the check of lifetimes in key_setsaval of macOS, which keeps them
// in nanoseconds.
func (x kameCheck) lifetimeRange() {
	for _, l := range []*layers.Lifetime{x.m.LifetimeHard(), x.m.LifetimeSoft()} {
		if l != nil {
			x.nanoseconds(l, l.AddTime)
		}
	}
}

func (x kameCheck) nanoseconds(l *layers.Lifetime, seconds uint64) {
	if seconds > math.MaxUint64/1_000_000_000 {
		x.extension(cLifetimeOverflow, &l.Header, fmt.Sprintf("%d seconds", seconds))
	}
}
