package check

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Message types, SA types, states and flags of illumos (usr/src/uts/common/net/pfkeyv2.h).
const (
	illumosInverseAcquire = 12
	illumosUpdatePair     = 13
	illumosDelPair        = 14
	illumosDelPairState   = 15 // also SADB_MAX
	illumosTCPSig         = 4

	illumosActiveElsewhere = 4

	illumosTunnel  = 0x00020000 // SADB_X_SAFLAGS_TUNNEL
	illumosNATTRem = 0x00080000
	illumosNATTLoc = 0x00100000

	// AH_ADD_SETTABLE_FLAGS and ESP_ADD_SETTABLE_FLAGS (usr/src/uts/common/inet/sadb.h).
	illumosAHFlags  = 0x00010000 | 0x2 | 0x8000 | 0x4000 | 0x03c00000 | 0x30000000 | illumosTunnel
	illumosESPFlags = illumosAHFlags | illumosNATTRem | illumosNATTLoc | 0x1000 | 0x0c000000
)

// The diagnostics, which the kernel gives in sadb_msg_reserved of a refusal, by
// number (usr/src/uts/common/net/pfkeyv2.h, SADB_X_DIAGNOSTIC_).
const (
	diagUnknownMsg    = 1
	diagUnknownExt    = 2
	diagBadExtLen     = 3
	diagUnknownSAType = 4
	diagSATypeNeeded  = 5
	diagNoSADBs       = 6
	diagNoExt         = 7
	diagBadSrcAF      = 8
	diagBadDstAF      = 9
	diagBadInnerSrcAF = 10
	diagAFMismatch    = 11
	diagBadSrc        = 12
	diagBadDst        = 13
	diagAllocHS       = 14
	diagBytesHS       = 15
	diagAddTimeHS     = 16
	diagUseTimeHS     = 17
	diagMissingSrc    = 18
	diagMissingDst    = 19
	diagMissingSA     = 20
	diagMissingEKey   = 21
	diagMissingAKey   = 22
	diagMissingRange  = 23
	diagDuplicateSrc  = 24
	diagDuplicateDst  = 25
	diagDuplicateSA   = 26
	diagDuplicateEKey = 27
	diagDuplicateAKey = 28
	diagDuplicateRng  = 29
	diagMalformedSrc  = 30
	diagMalformedDst  = 31
	diagMalformedEKey = 33
	diagMalformedAKey = 34
	diagMalformedRng  = 35
	diagAKeyPresent   = 36
	diagEKeyPresent   = 37
	diagPropPresent   = 38
	diagSuppPresent   = 39
	diagBadAAlg       = 40
	diagBadEAlg       = 41
	diagBadFlags      = 42
	diagBadState      = 43
	diagBadAKeyBits   = 44
	diagBadEKeyBits   = 45
	diagEncrNotSupp   = 46
	diagWeakEKey      = 47
	diagMissingLoc    = 51
	diagMissingRem    = 52
	diagMalformedLoc  = 55
	diagMalformedRem  = 56
	diagMissingISrc   = 58
	diagMissingIDst   = 59
	diagDuplicateISrc = 60
	diagDuplicateIDst = 61
	diagMalformedISrc = 62
	diagMalformedIDst = 63
	diagPrefixISrc    = 64
	diagPrefixIDst    = 65
	diagBadInnerDstAF = 66
	diagInnerMismatch = 67
	diagBadRemAF      = 68
	diagBadLocAF      = 69
	diagProtoMismatch = 70
	diagDualPorts     = 72
	diagPairNotFound  = 76
	diagSANotFound    = 78
	diagMissingAStr   = 84
)

// illumosKernel is keysock with ipsecah, ipsecesp and the TCP signatures of illumos.
// Every refusal is a message: write(2) does not fail. Policies are no business of
// this socket: they go to one of the family PF_POLICY, to spdsock.
var illumosKernel = kernel{
	dialect:  layers.Illumos,
	rules:    illumosRules,
	judge:    (*checker).illumos,
	silent:   func(k *checker) bool { return k.m.Type == layers.ACQUIRE && k.m.Errno != 0 },
	outcomes: illumosOutcomes,
	always:   []outcome{{eNOMEM, noMemory}},
	preempts: map[uint8][]uint8{
		layers.UPDATE:     {eSRCH},
		illumosUpdatePair: {eSRCH},
	},
}

// illumos judges a message as keysock and its consumers do.
func (k *checker) illumos(dir Direction) {
	if dir != ToKernel {
		k.illumosReply(dir)
		return
	}
	if k.illumosHeader() && k.illumosExtensions() {
		k.illumosMessage()
	}
}

// refuse reports a problem with an extension for which the kernel gives a
// diagnostic.
func (k *checker) refuse(id code, h *layers.Header, diagnostic uint16, text string) {
	at := len(k.found)
	k.extension(id, h, text)
	k.diagnose(at, diagnostic)
}

// diagnose gives the problems from the one of an index on a diagnostic.
func (k *checker) diagnose(from int, diagnostic uint16) {
	for ; from < len(k.found); from++ {
		k.found[from].Diagnostic = diagnostic
	}
}

// refusedSince tells whether one of the problems from the one of an index on has an
// errno.
func (k *checker) refusedSince(from int) bool {
	for i := range k.found[from:] {
		if k.found[from+i].rule.Errno != 0 {
			return true
		}
	}
	return false
}

// refuseHeader does the same with a field of the message header.
func (k *checker) refuseHeader(id code, off, length int, diagnostic uint16, text string) {
	at := len(k.found)
	k.header(id, off, length, text)
	k.diagnose(at, diagnostic)
}

// refuseMissing does the same for an extension that is not there.
func (k *checker) refuseMissing(id code, kind kinds, diagnostic uint16, text string) (missing bool) {
	if k.seen&kind != 0 {
		return false
	}
	at := len(k.found)
	k.missing(id, kind, "missing: "+text)
	k.diagnose(at, diagnostic)
	return true
}

// illumosHeader is the beginning of keysock_parse.
func (k *checker) illumosHeader() (ok bool) {
	m, n := &k.m, len(k.msg)
	if n < layers.BaseLen {
		k.shortHeader()
		return false
	}
	ok = true
	if int(m.Len)*layers.Word != n {
		k.messageLength()
		ok = false
	}
	if m.Version != layers.Version {
		k.header(cVersion, 0, 1, fmt.Sprintf("sadb_msg_version is %d, not 2", m.Version))
	}
	if m.Errno != 0 && m.Type != layers.ACQUIRE {
		k.header(cErrnoSet, 2, 1, fmt.Sprintf("sadb_msg_errno is %d in a request", m.Errno))
	}
	return ok
}

// illumosParts are the diagnostics about one extension.
var illumosParts = map[kinds]struct{ duplicate, malformed uint16 }{
	kSrc:        {diagDuplicateSrc, diagMalformedSrc},
	kDst:        {diagDuplicateDst, diagMalformedDst},
	kProxy:      {diagDuplicateISrc, diagMalformedISrc},
	kInnerDst:   {diagDuplicateIDst, diagMalformedIDst},
	kSA:         {diagDuplicateSA, 0},
	kSPIRange:   {diagDuplicateRng, diagMalformedRng},
	kKeyAuth:    {diagDuplicateAKey, diagMalformedAKey},
	kKeyEncrypt: {diagDuplicateEKey, diagMalformedEKey},
}

// illumosExtensions is keysock_get_ext and ext_check. ok is false if the kernel goes
// no further.
func (k *checker) illumosExtensions() (ok bool) {
	ok = true
	for i := range k.m.Extensions {
		h := &k.m.Extensions[i]
		number := h.Number()
		kind := k.kindOf(number)
		switch {
		case number == 0:
			k.refuse(cExtType, h, diagUnknownExt, "an extension of the reserved type 0")
			ok = false
			continue
		case kind == 0:
			k.refuse(cUnknownExt, h, diagUnknownExt, fmt.Sprintf("illumos has no extension of type %d", number))
			ok = false
			continue
		case k.seen&kind != 0:
			k.refuse(cDuplicate, h, illumosParts[kind].duplicate, "it occurs a second time")
			ok = false
			continue
		}
		k.seen |= kind
		if !k.illumosExtension(h, number, kind) {
			ok = false
		}
	}
	at := len(k.found)
	if !k.framing() {
		ok = false
		k.diagnose(at, diagBadExtLen)
	}
	return ok
}

// illumosExtension is ext_check.
func (k *checker) illumosExtension(h *layers.Header, number uint16, kind kinds) (ok bool) {
	size, n := k.m.Codec.Dialect.LayoutOf(number).Size, len(h.Contents)
	if n < size {
		// Whatever is too short for what the kernel looks at is judged by octets that
		// are no part of it.
		if kind&kLifetimes != 0 {
			k.refuse(cExtShort, h, 0, fmt.Sprintf("%d bytes, its structure has %d", n, size))
			return false
		}
		k.extension(cExtCut, h, fmt.Sprintf("%d bytes, its structure has %d: the kernel reads on in what follows", n, size))
		return true
	}
	at := len(k.found)
	switch x := k.m.Extension(h.LayerType()).(type) {
	case *layers.Lifetime:
		if kind&kLifetimes != 0 && n > size {
			k.refuse(cExtLong, h, 0, fmt.Sprintf("%d bytes, its structure has %d", n, size))
		}
	case *layers.Address:
		if len(x.Sockaddr) == 0 && kind&(kAddresses|kProxy|kInnerDst) != 0 {
			k.refuse(cAddressShort, h, illumosParts[kind].malformed, "8 bytes have no room for a sockaddr")
			return false
		}
		k.illumosSockaddr(h, x)
	case *layers.Key:
		if kind&kKeys != 0 {
			k.illumosKey(h, x, illumosParts[kind].malformed)
		}
	case *layers.SPIRange:
		if x.Min > x.Max {
			k.refuse(cSPIRange, h, diagMalformedRng, fmt.Sprintf("0x%08x to 0x%08x: the range ends before it begins", x.Min, x.Max))
		}
	case *layers.Identity:
		if len(x.Data) > 0 && x.Data[len(x.Data)-1] != 0 {
			k.extension(cIdentityCut, h, "its last octet is not zero: unless the string ends before, the kernel sets it to zero")
		}
	}
	return !k.refusedSince(at)
}

// illumosSockaddr says where the kernel reads beyond an extension.
func (k *checker) illumosSockaddr(h *layers.Header, x *layers.Address) {
	s, ok := x.Parse()
	if family := k.m.Codec.Dialect.FamilyName(s.Family); !ok && family != "" {
		k.extension(cAddressLength, h, fmt.Sprintf("%d words are too few for an address of this family", x.Len))
	}
}

func (k *checker) illumosKey(h *layers.Header, x *layers.Key, malformed uint16) {
	need, n := 8+padded(octets(x.Bits)), len(h.Contents)
	switch {
	case x.Bits == 0:
		k.refuse(cKeyEmpty, h, malformed, "a key of 0 bits")
	case need > n:
		k.refuse(cKeyOverrun, h, malformed, fmt.Sprintf("%d bits need %d bytes, the extension has %d", x.Bits, need, n))
	case need < n:
		k.refuse(cExtLong, h, malformed, fmt.Sprintf("%d bytes, %d bits need %d", n, x.Bits, need))
	case allZero(x.Octets):
		k.extension(cKeyZero, h, "a key of zeros")
	}
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// illumosMessage is the rest of keysock_parse.
func (k *checker) illumosMessage() {
	m := &k.m
	switch m.Type {
	case layers.REGISTER:
		if m.SAType == layers.SATypeUnspec {
			if x := m.ExtendedRegister(); x == nil {
				k.refuseMissing(cExtMissing, kEReg, diagSATypeNeeded, "a REGISTER without SA type is an extended one")
			} else {
				k.illumosExtendedRegister(x)
			}
			return
		}
		if k.illumosConsumer() {
			k.illumosPassedDown()
		}
	case layers.GETSPI, layers.ADD, layers.UPDATE, illumosUpdatePair, layers.DELETE, illumosDelPair, layers.GET:
		if k.illumosNeeded() && k.illumosConsumer() {
			k.illumosPassedDown()
		}
	case illumosDelPairState:
		if m.SAType == layers.SATypeUnspec || k.illumosConsumer() {
			k.illumosPassedDown()
		}
	case layers.ACQUIRE:
		switch {
		case m.Errno == 0:
			k.illumosNeeded() // if there is one, it is passed on to registered sockets
		case m.SAType != layers.SATypeUnspec:
			k.illumosConsumer()
		}
	case layers.EXPIRE:
		k.header(cKernelOnly, 1, 1, "EXPIRE comes from the kernel: illumos takes none")
	case layers.FLUSH:
		if len(m.Extensions) > 0 {
			k.refuse(cExtForbidden, &m.Extensions[0], diagNoExt, "illumos takes a bare FLUSH only")
		} else if m.SAType != layers.SATypeUnspec {
			k.illumosConsumer()
		}
	case layers.DUMP:
		for i := range m.Extensions {
			if h := &m.Extensions[i]; k.kindOf(h.Number()) != kEDump || len(m.Extensions) > 1 {
				k.refuse(cExtForbidden, h, diagNoExt, "illumos takes nothing but EDUMP in DUMP")
				return
			}
		}
		if m.SAType != layers.SATypeUnspec {
			k.illumosConsumer()
		}
	case layers.PROMISC:
	case illumosInverseAcquire:
		if k.refuseMissing(cAddressMissing, kSrc, diagMissingSrc, "an inverse ACQUIRE asks for it") ||
			k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "an inverse ACQUIRE asks for it") {
			return
		}
		k.illumosInnerPair()
	default:
		k.refuseHeader(cType, 1, 1, diagUnknownMsg, fmt.Sprintf("sadb_msg_type is %d, not one of 1 to %d", m.Type, illumosDelPairState))
	}
}

// illumosNeeded reports an SA type of 0 where there must be one.
func (k *checker) illumosNeeded() (ok bool) {
	if k.m.SAType != layers.SATypeUnspec {
		return true
	}
	k.refuseHeader(cSATypeUnspec, 3, 1, diagSATypeNeeded, "SA type 0(UNSPEC) in "+k.m.TypeName())
	return false
}

// illumosConsumer is what keysock_passdown checks: who has the SA type.
func (k *checker) illumosConsumer() (ok bool) {
	switch t := k.m.SAType; t {
	case layers.SATypeAH, layers.SATypeESP:
		return true
	case illumosTCPSig:
		k.header(cRelease, 3, 1, "SA type 4(TCPSIG) came to illumos in 2024")
		return true
	default:
		k.refuseHeader(cSAType, 3, 1, diagUnknownSAType, fmt.Sprintf("SA type %s is none of 2 (AH), 3 (ESP), 4 (TCPSIG)", k.number(layers.EnumSAType, uint64(t))))
		return false
	}
}

func (k *checker) illumosExtendedRegister(x *layers.ExtendedRegister) {
	for _, t := range slices.Concat(x.SATypes[:], x.More) {
		if t == layers.SATypeUnspec {
			return
		}
		if t != layers.SATypeAH && t != layers.SATypeESP {
			k.refuse(cSAType, &x.Header, diagUnknownSAType, fmt.Sprintf("SA type %s is neither 2 (AH) nor 3 (ESP)", k.number(layers.EnumSAType, uint64(t))))
			return
		}
	}
	k.extension(cERegEnd, &x.Header, "its SA types do not end with a 0: the kernel reads on in what follows")
}

// illumosPassedDown is ah_parse_pfkey, esp_parse_pfkey and tcpsig_sa_handler.
func (k *checker) illumosPassedDown() {
	m := &k.m
	if m.SAType == illumosTCPSig {
		k.illumosTCPSignature()
		return
	}
	if !k.illumosAddresses() || !k.illumosReality() {
		return
	}
	switch m.Type {
	case layers.GETSPI:
		_ = k.refuseMissing(cAddressMissing, kSrc, diagMissingSrc, "GETSPI needs it") ||
			k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "GETSPI needs it") ||
			k.refuseMissing(cSPIRangeMissing, kSPIRange, diagMissingRange, "GETSPI needs it")
	case layers.ADD:
		k.illumosADD()
	case layers.UPDATE, illumosUpdatePair:
		if k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "it names the SA") ||
			k.refuseMissing(cAddressMissing, kSrc, diagMissingSrc, "it names the SA") ||
			k.refuseMissing(cSAMissing, kSA, diagMissingSA, "its SPI names the SA") {
			return
		}
		// The SA of an UPDATE that has no keys is mature, and only its limits change.
		if k.seen&kKeys != 0 {
			k.illumosADD()
		}
	case layers.DELETE, illumosDelPair:
		switch {
		case k.has(kSA):
			k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "it names the SA")
		case k.seen&kAddresses == 0:
			k.refuseMissing(cSAMissing, kSA, diagMissingSA, "without addresses its SPI names the SA")
		}
	case layers.GET:
		_ = k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "it names the SA") ||
			k.refuseMissing(cSAMissing, kSA, diagMissingSA, "its SPI names the SA")
	case illumosDelPairState:
		_ = k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "it names the SAs") ||
			k.refuseMissing(cAddressMissing, kSrc, diagMissingSrc, "it names the SAs")
	}
}

// illumosAddr is an address as sadb_addrcheck leaves it: those of IPv4 in IPv6 are
// taken for IPv4.
func (k *checker) illumosAddr(x *layers.Address) (family string, s layers.Sockaddr) {
	s, ok := x.Parse()
	if !ok {
		return k.m.Codec.Dialect.FamilyName(s.Family), s
	}
	s.Addr = s.Addr.Unmap()
	if s.Addr.Is4() {
		return "inet", s
	}
	return "inet6", s
}

// illumosFamily is what sadb_addrcheck says of a family.
func (k *checker) illumosFamily(x *layers.Address, bad uint16) (family string, s layers.Sockaddr) {
	family, s = k.illumosAddr(x)
	if family == "" {
		k.refuse(cAddressFamily, &x.Header, bad, fmt.Sprintf("address family %d is neither 2 (AF_INET) nor 26 (AF_INET6)", s.Family))
	}
	return family, s
}

// illumosAddresses is sadb_addrfix. ok is false if the kernel goes no further.
func (k *checker) illumosAddresses() (ok bool) {
	m := &k.m
	var srcFamily, dstFamily string
	var src, dst layers.Sockaddr
	if x := m.AddressSrc(); x != nil {
		if srcFamily, src = k.illumosFamily(x, diagBadSrcAF); srcFamily == "" {
			return false
		}
		if src.Addr.IsMulticast() {
			k.refuse(cAddressValue, &x.Header, diagBadSrc, "the source is a multicast address")
			return false
		}
	}
	if x := m.AddressDst(); x != nil {
		if dstFamily, dst = k.illumosFamily(x, diagBadDstAF); dstFamily == "" {
			return false
		}
		if dst.Addr.IsValid() && dst.Addr.IsUnspecified() {
			k.refuse(cAddressValue, &x.Header, diagBadDst, "the destination is the unspecified address")
			return false
		}
	}
	if !k.illumosNATT(m.AddressNATTLocal(), diagBadLocAF, diagMalformedLoc, true) ||
		!k.illumosNATT(m.AddressNATTRemote(), diagBadRemAF, diagMalformedRem, m.AddressProxy() != nil) {
		return false
	}
	innerPorts, ok := k.illumosInnerPair()
	if !ok {
		return false
	}
	if m.AddressSrc() == nil || m.AddressDst() == nil {
		return true
	}
	if innerPorts && (src.Port != 0 || dst.Port != 0) {
		k.refuse(cAddressPort, &m.AddressDst().Header, diagDualPorts, "both the outer and the inner addresses have ports")
		return false
	}
	if srcFamily == dstFamily {
		return true
	}
	if a, z := m.AddressSrc().Proto, m.AddressDst().Proto; a != z && a != 0 && z != 0 {
		k.refuse(cAddressProto, &m.AddressDst().Header, diagProtoMismatch, fmt.Sprintf("protocol %d, the source's is %d", z, a))
		return false
	}
	if srcFamily == "inet" || src.Addr != netip.IPv6Unspecified() {
		k.refuse(cFamilies, &m.AddressDst().Header, diagAFMismatch, fmt.Sprintf("address family %d, the source's is %d", dst.Family, src.Family))
		return false
	}
	return true
}

// illumosNATT is what sadb_addrfix says of an address of NAT traversal.
func (k *checker) illumosNATT(x *layers.Address, badFamily, malformed uint16, mayBeAny bool) (ok bool) {
	if x == nil {
		return true
	}
	family, s := k.illumosFamily(x, badFamily)
	switch {
	case family == "":
		return false
	case s.Addr.IsMulticast(), s.Addr.IsValid() && s.Addr.IsUnspecified() && !mayBeAny:
		k.refuse(cAddressValue, &x.Header, malformed, "an address of NAT traversal is none of a host")
		return false
	case family != "inet":
		k.refuse(cAddressFamily, &x.Header, badFamily, "NAT traversal takes addresses of IPv4 only")
		return false
	}
	return true
}

// illumosInnerPair judges the inner addresses, of which ADDRESS_PROXY is the source.
func (k *checker) illumosInnerPair() (ports, ok bool) {
	src, dst := k.m.AddressProxy(), k.m.AddressInnerDst()
	switch {
	case src == nil && dst == nil:
		return false, true
	case dst == nil:
		k.refuseMissing(cAddressMissing, kInnerDst, diagMissingIDst, "there is an inner source")
		return false, false
	case src == nil:
		k.refuseMissing(cAddressMissing, kProxy, diagMissingISrc, "there is an inner destination")
		return false, false
	}
	dstFamily, d := k.illumosFamily(dst, diagBadInnerDstAF)
	if dstFamily == "" || !k.illumosPrefix(dst, d, diagPrefixIDst) {
		return false, false
	}
	srcFamily, s := k.illumosFamily(src, diagBadInnerSrcAF)
	if srcFamily == "" || !k.illumosPrefix(src, s, diagPrefixISrc) {
		return false, false
	}
	if srcFamily != dstFamily {
		k.refuse(cFamilies, &dst.Header, diagInnerMismatch, fmt.Sprintf("address family %d, the inner source's is %d", d.Family, s.Family))
		return false, false
	}
	return s.Port != 0 || d.Port != 0, true
}

// illumosPrefix judges the prefix of an inner address, which counts the 96 bits in
// front of an IPv4 address that came as one of IPv6.
func (k *checker) illumosPrefix(x *layers.Address, s layers.Sockaddr, bad uint16) (ok bool) {
	if !s.Addr.IsValid() {
		return true
	}
	least, most := 0, s.Addr.BitLen()
	if s.Addr.Is4() && s.Size > 16 {
		least, most = 96, 128
	}
	if n := int(x.PrefixLen); n < least || n > most {
		k.refuse(cAddressPrefix, &x.Header, bad, fmt.Sprintf("a prefix of %d bits, it must be %d to %d", n, least, most))
		return false
	}
	return true
}

// illumosReality is ah_pfkey_reality_failures and esp_pfkey_reality_failures.
func (k *checker) illumosReality() (ok bool) {
	m := &k.m
	if x := m.KeyEncrypt(); x != nil && m.SAType == layers.SATypeAH {
		k.refuse(cKeyUnused, &x.Header, diagEKeyPresent, "AH takes no key for encryption")
		return false
	}
	for i := range m.Extensions {
		h := &m.Extensions[i]
		switch kind := k.kindOf(h.Number()); {
		case kind == kProposal:
			k.refuse(cExtForbidden, h, diagPropPresent, "illumos takes none in "+m.TypeName())
			return false
		case kind&(kSupportedAuth|kSupportedEncrypt) != 0:
			k.refuse(cExtForbidden, h, diagSuppPresent, "illumos takes none in "+m.TypeName())
			return false
		}
	}
	return true
}
