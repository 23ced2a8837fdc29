package check

import (
	"bytes"
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Message and SA types of OpenBSD, which its header numbers otherwise than the
// others do (sys/net/pfkeyv2.h 1.95).
const (
	openBSDAddFlow   = 12
	openBSDDelFlow   = 13
	openBSDGrpSPIs   = 14
	openBSDAskPolicy = 15
	openBSDSPDDump   = 16 // also SADB_MAX

	openBSDAH     = 1
	openBSDESP    = 2
	openBSDIPIP   = 7
	openBSDTCP    = 8
	openBSDIPComp = 9 // also SADB_SATYPE_MAX
)

// Limits of OpenBSD (sys/net/pfkeyv2.h 1.95, sys/net/pfkeyv2.c, sys/net/pfvar.h,
// sys/netinet/ip_ipsp.h).
const (
	openBSDMaxMessage = 4096 // PFKEY_MSG_MAXSZ
	openBSDMaxEncrypt = 22   // SADB_EALG_MAX
	openBSDMaxAuth    = 12   // SADB_AALG_MAX
	openBSDMaxIdent   = 4    // SADB_IDENTTYPE_MAX
	openBSDMaxReplay  = 64
	openBSDMaxTag     = 8 + 64 // PF_TAG_NAME_SIZE
	openBSDMinPrivate = 61440  // CPI_PRIVATE_MIN
	maxReservedSPI    = 255    // SPI_RESERVED_MAX, and CPI_RESERVED_MAX
)

// openBSDKernel is the pfkeyv2 of OpenBSD 7.6. What older releases take and this one
// does not is a rule without an Errno that has it in May.
var openBSDKernel = kernel{
	dialect: layers.OpenBSD,
	rules:   openBSDRules,
	judge:   (*checker).openBSD,
	inner: func(outer *layers.Message) Direction {
		// Requests have their sender's pid there, what the kernel sent has 0.
		if outer.Seq != 0 {
			return ToKernel
		}
		return FromKernel
	},
	outcomes: openBSDOutcomes,
	always: []outcome{
		{eINVAL, "sadb_msg_pid is not the pid of the process that sent the request"},
		{eNOMEM, noMemory},
		{bsdNOBUFS, noMemory},
	},
	preempts: map[uint8][]uint8{
		layers.UPDATE: {eSRCH},
		layers.ADD:    {eEXIST},
	},
}

const (
	openBSDFlow  = kSrcMask | kDstMask | kProtocol | kFlowType | kSrcFlow | kDstFlow
	openBSDFlow5 = openBSDFlow &^ kProtocol
	openBSDGroup = kSA | kSecondSA | kDst2 | kDst | kSAType2
	openBSDSA    = kSA | kLifetimes | kAddresses | kIdentities | openBSDFlow | kUDPEncap | kTag | kTap | kRDomain | kIface

	// What 4.4 took in UPDATE and ADD, and later releases do not know any more.
	openBSDCredentials = kLocalCredentials | kRemoteCredentials | kLocalAuth | kRemoteAuth
)

// openBSDForm is what a message of OpenBSD is made of (sys/net/pfkeyv2_parsemessage.c,
// sadb_exts_allowed_in and the other three).
type openBSDForm struct {
	must, may   kinds // to the kernel
	rMust, rMay kinds // from the kernel
}

var openBSDForms = [...]openBSDForm{
	layers.GETSPI: {kAddresses | kSPIRange, 0, kSA | kDst, kSrc},
	layers.UPDATE: {kSA | kAddresses, openBSDSA | kProxy | kKeys | kCounter | kReplayCount, kSA | kDst, openBSDSA | kProxy},
	layers.ADD:    {kSA | kDst, openBSDSA | kKeys | kLastUse | kCounter | kReplayCount, kSA | kDst, openBSDSA},
	layers.DELETE: {kSA | kDst, kSrc | kRDomain, kSA | kDst, kSrc | kRDomain},
	layers.GET: {kSA | kDst, kSrc | kRDomain,
		kSA | kCurrent | kDst, openBSDSA | kKeys | kLastUse | kCounter | kMTU | kReplayCount},
	layers.ACQUIRE:  {0, kAddresses | kIdentities | kProposal, 0, kAddresses | kIdentities | kProposal},
	layers.REGISTER: {0, 0, kSupportedAuth | kSupportedEncrypt | kSupportedComp, 0},
	layers.EXPIRE:   {kSA | kAddresses, 0, kSA | kDst, kLifetimes | kSrc},
	layers.FLUSH:    {},
	// Nothing holds the answers to a dump to the list the kernel has for them.
	layers.DUMP:      {0, 0, kSA | kCurrent | kDst, ^kinds(0)},
	layers.PROMISC:   {},
	openBSDAddFlow:   {openBSDFlow5, kAddresses | kIdentities | kProtocol | kRDomain, openBSDFlow5, kAddresses | kIdentities | kProtocol | kRDomain},
	openBSDDelFlow:   {openBSDFlow5, kProtocol | kRDomain, openBSDFlow5, kProtocol | kRDomain},
	openBSDGrpSPIs:   {openBSDGroup, kRDomain, openBSDGroup, kRDomain},
	openBSDAskPolicy: {kPolicySeq, 0, openBSDFlow5, kPolicySeq},
	openBSDSPDDump:   {0, 0, 0, ^kinds(0)},
}

// openBSD judges a message as sys/net/pfkeyv2.c does.
func (k *checker) openBSD(dir Direction) {
	if dir != ToKernel {
		k.openBSDReply(dir)
		return
	}
	if k.openBSDHeader() && k.openBSDExtensions() {
		k.openBSDMessage()
	}
}

// openBSDHeader is pfkeyv2_output and the beginning of pfkeyv2_parsemessage. ok is
// false if what follows makes no sense.
func (k *checker) openBSDHeader() (ok bool) {
	m, n := &k.m, len(k.msg)
	ok = true
	if n > openBSDMaxMessage {
		k.header(cMessageSize, 0, n, fmt.Sprintf("%d bytes, OpenBSD takes %d at most", n, openBSDMaxMessage))
		ok = false
	}
	if n < layers.BaseLen {
		k.shortHeader()
		return false
	}
	if int(m.Len)*layers.Word != n {
		k.messageLength()
		ok = false
	}
	if m.Reserved != 0 {
		k.header(cReserved, 6, 2, fmt.Sprintf("sadb_msg_reserved is %d, not 0", m.Reserved))
	}
	if m.Type == 0 || m.Type > openBSDSPDDump {
		k.header(cType, 1, 1, fmt.Sprintf("sadb_msg_type is %d, not one of 1 to %d", m.Type, openBSDSPDDump))
		ok = false
	}
	switch {
	case m.PID == 0:
		k.header(cPID, 12, 4, "sadb_msg_pid is 0, not the sender's pid")
	case k.sender != 0 && m.PID != k.sender:
		k.header(cPID, 12, 4, fmt.Sprintf("sadb_msg_pid is %d, the sender's pid is %d", m.PID, k.sender))
	}
	if m.Errno != 0 {
		k.header(cErrnoSet, 2, 1, fmt.Sprintf("sadb_msg_errno is %d in a request", m.Errno))
	}
	if m.Version != layers.Version {
		k.header(cVersion, 0, 1, fmt.Sprintf("sadb_msg_version is %d, not 2", m.Version))
	}
	return ok
}

// openBSDExtensions is the loop of pfkeyv2_parsemessage, and what follows it.
func (k *checker) openBSDExtensions() (ok bool) {
	ok = true
	form := &openBSDForms[k.m.Type]
	for i := range k.m.Extensions {
		h := &k.m.Extensions[i]
		number := h.Number()
		kind := k.kindOf(number)
		switch {
		case number == 0:
			k.extension(cExtType, h, "an extension of the reserved type 0")
			ok = false
			continue
		case kind == 0:
			k.extension(cUnknownExt, h, fmt.Sprintf("OpenBSD has no extension of type %d", number))
			ok = false
			continue
		}
		twice := k.seen&kind != 0
		k.seen |= kind
		switch {
		case kind&openBSDCredentials != 0 && (k.m.Type == layers.ADD || k.m.Type == layers.UPDATE),
			kind == kProxy && k.m.Type == layers.ADD:
			k.extension(cRelease, h, "OpenBSD 4.4 takes it, recent releases do not")
		case kind&^(form.must|form.may) != 0:
			k.extension(cExtForbidden, h, "OpenBSD takes none in "+k.m.TypeName())
			ok = false
		}
		if twice {
			k.extension(cDuplicate, h, "it occurs a second time")
			ok = false
			continue
		}
		if !k.openBSDExtension(h, number, kind) {
			ok = false
		}
	}
	if !k.framing() {
		return false
	}
	if missing := form.must &^ k.seen; missing != 0 {
		k.require(missing, "missing: OpenBSD takes no "+k.m.TypeName()+" without it")
		ok = false
	}
	if sa := k.m.SA(); sa != nil && sa.State != 1 && (k.m.Type == layers.ADD || k.m.Type == layers.UPDATE) {
		k.extension(cState, &sa.Header, fmt.Sprintf("state %s, not 1(MATURE)", k.number(layers.EnumState, uint64(sa.State))))
		ok = false
	}
	return ok
}

// openBSDExtension judges an extension by itself. ok is false if the kernel goes no
// further.
func (k *checker) openBSDExtension(h *layers.Header, number uint16, kind kinds) (ok bool) {
	found := len(k.found)
	size, n := k.m.Codec.Dialect.LayoutOf(number).Size, len(h.Contents)
	switch {
	case n < size:
		k.extension(cExtShort, h, fmt.Sprintf("%d bytes, its structure has %d", n, size))
		return false
	case kind == kTag && n > openBSDMaxTag:
		k.extension(cExtLong, h, fmt.Sprintf("%d bytes, at most %d are taken", n, openBSDMaxTag))
		return false
	case kind&openBSDExact != 0 && n > size:
		k.extension(cExtLong, h, fmt.Sprintf("%d bytes, its structure has %d", n, size))
		return false
	}
	switch x := k.m.Extension(h.LayerType()).(type) {
	case *layers.SA:
		k.openBSDSAFields(h, x)
	case *layers.Address:
		k.openBSDAddress(h, x, kind)
	case *layers.Key:
		k.openBSDKey(h, x)
	case *layers.Identity:
		k.openBSDIdentity(h, x)
	case *layers.Proposal:
		k.openBSDProposal(h, x)
	case *layers.SPIRange:
		if x.Min > x.Max {
			k.extension(cSPIRange, h, fmt.Sprintf("0x%08x to 0x%08x: the range ends before it begins", x.Min, x.Max))
		}
	case *layers.Tag, *layers.Tap:
		k.extension(cExtOption, h, "a kernel without pf does not take it")
		return true
	case *layers.RDomain:
		k.extension(cRDomain, h, fmt.Sprintf("routing domains %d and %d must exist", x.Dom1, x.Dom2))
		return true
	}
	return len(k.found) == found
}

// openBSDExact are the extensions that nothing may follow.
const openBSDExact = kSA | kSecondSA | kProtocol | kFlowType | kSAType2 | kPolicySeq | kLifetimes | kLastUse |
	kSPIRange | kUDPEncap | kRDomain | kReplayCount | kCounter | kTap | kIface

func (k *checker) openBSDSAFields(h *layers.Header, x *layers.SA) {
	if x.State >= 3 {
		k.extension(cState, h, fmt.Sprintf("state %s: a request may say LARVAL, MATURE or DYING", k.number(layers.EnumState, uint64(x.State))))
	}
	if x.Encrypt > openBSDMaxEncrypt {
		k.extension(cAlgRange, h, fmt.Sprintf("encryption algorithm %d is above %d", x.Encrypt, openBSDMaxEncrypt))
	}
	if x.Auth > openBSDMaxAuth {
		k.extension(cAlgRange, h, fmt.Sprintf("authentication algorithm %d is above %d", x.Auth, openBSDMaxAuth))
	}
	if x.Replay > openBSDMaxReplay {
		k.extension(cReplay, h, fmt.Sprintf("a replay window of %d, OpenBSD takes %d at most", x.Replay, openBSDMaxReplay))
	}
}

func (k *checker) openBSDAddress(h *layers.Header, x *layers.Address, kind kinds) {
	if len(x.Sockaddr) < 16 {
		k.extension(cAddressShort, h, fmt.Sprintf("%d bytes have no room for a sockaddr", len(h.Contents)))
		return
	}
	if x.Reserved != 0 {
		k.report(cReservedField, h.Name(), int(h.Offset)+4, 4,
			"its reserved word is not 0; other systems have the protocol and the prefix length there")
	}
	saLen, family := x.Sockaddr[0], x.Sockaddr[1]
	if saLen != 0 && len(x.Sockaddr) != padded(int(saLen)) {
		k.extension(cSockaddrLength, h, fmt.Sprintf("sa_len is %d in %d bytes", saLen, len(x.Sockaddr)))
		return
	}
	size := 16
	switch k.m.Codec.Dialect.FamilyName(uint16(family)) {
	case "inet":
	case "inet6":
		size = 28
	default:
		if k.m.SAType != openBSDTCP || family != 0 {
			k.extension(cAddressFamily, h, fmt.Sprintf("address family %d is neither 2 (AF_INET) nor 24 (AF_INET6)", family))
		}
		return
	}
	if len(x.Sockaddr) != padded(size) {
		k.extension(cAddressLength, h, fmt.Sprintf("%d words, an address of this family has %d", x.Len, (8+padded(size))/layers.Word))
		return
	}
	if int(saLen) != size {
		k.extension(cSockaddrLength, h, fmt.Sprintf("sa_len is %d, a sockaddr of this family has %d", saLen, size))
		return
	}
	s, _ := x.Parse()
	if s.FlowInfo != 0 {
		k.extension(cAddressZero, h, "sin6_flowinfo is not zero")
	}
	if s.Port != 0 && kind&openBSDFlow == 0 {
		k.extension(cAddressPort, h, fmt.Sprintf("port %d: only flows and masks have ports", s.Port))
	}
	if s.Zero != [8]byte{} {
		k.extension(cAddressZero, h, "sin_zero is not zero")
	}
}

// padded rounds up to whole words.
func padded(n int) int { return (n + layers.Word - 1) &^ (layers.Word - 1) }

func (k *checker) openBSDKey(h *layers.Header, x *layers.Key) {
	if x.Bits == 0 {
		k.extension(cKeyEmpty, h, "a key of 0 bits")
		return
	}
	need, n := 8+(int(x.Bits)+63)/64*8, len(h.Contents)
	switch {
	case need > n:
		k.extension(cKeyOverrun, h, fmt.Sprintf("%d bits need %d bytes, the extension has %d", x.Bits, need, n))
	case need < n:
		k.extension(cExtLong, h, fmt.Sprintf("%d bytes, %d bits need %d", n, x.Bits, need))
	}
	if x.Reserved != 0 {
		k.report(cReservedField, h.Name(), int(h.Offset)+6, 2, "its reserved field is not 0")
	}
}

func (k *checker) openBSDIdentity(h *layers.Header, x *layers.Identity) {
	if x.Type > openBSDMaxIdent {
		k.extension(cIdentType, h, fmt.Sprintf("identity type %d is above %d", x.Type, openBSDMaxIdent))
	}
	if x.Reserved != 0 {
		k.report(cReservedField, h.Name(), int(h.Offset)+6, 2, "its reserved field is not 0")
	}
	if len(x.Data) == 0 {
		return
	}
	if z := bytes.IndexByte(x.Data, 0); x.Data[len(x.Data)-1] != 0 || padded(z+1) != len(x.Data) {
		k.extension(cIdentity, h, fmt.Sprintf("its %d bytes are no NUL-terminated string padded to 8 bytes", len(x.Data)))
	}
}

// openBSDProposal looks at the first combination only, as the kernel's loop does.
func (k *checker) openBSDProposal(h *layers.Header, x *layers.Proposal) {
	if x.Reserved != [3]byte{} {
		k.report(cReservedField, h.Name(), int(h.Offset)+6, 2, "its reserved field is not 0")
	}
	if len(x.List)%combSize != 0 {
		k.extension(cProposal, h, fmt.Sprintf("%d bytes are no whole number of %d-byte combinations", len(x.List), combSize))
		return
	}
	combs := x.Combs()
	if len(combs) == 0 {
		return
	}
	c := &combs[0]
	if c.Auth > openBSDMaxAuth {
		k.extension(cAlgRange, h, fmt.Sprintf("authentication algorithm %d is above %d", c.Auth, openBSDMaxAuth))
	}
	if c.Encrypt > openBSDMaxEncrypt {
		k.extension(cAlgRange, h, fmt.Sprintf("encryption algorithm %d is above %d", c.Encrypt, openBSDMaxEncrypt))
	}
	if c.Reserved != 0 {
		k.extension(cReservedField, h, "the reserved field of its first combination is not 0")
	}
}

// openBSDMessage is pfkeyv2_dosend.
func (k *checker) openBSDMessage() {
	m := &k.m
	switch m.Type {
	case layers.GETSPI:
		if k.openBSDProto() {
			k.openBSDSPIRange()
		}
	case layers.UPDATE, layers.ADD:
		k.openBSDSubmit()
	case layers.DELETE, layers.GET:
		switch m.SAType {
		case openBSDAH, openBSDESP, openBSDIPIP, openBSDTCP, openBSDIPComp:
		default:
			k.header(cSATypeEmpty, 3, 1, fmt.Sprintf("SA type %s is taken for 7 (IPIP)", k.number(layers.EnumSAType, uint64(m.SAType))))
		}
	case layers.REGISTER:
		if m.SAType > openBSDIPComp {
			k.header(cRegister, 3, 1, fmt.Sprintf("SA type %d is above %d", m.SAType, openBSDIPComp))
		}
	case layers.FLUSH:
		switch m.SAType {
		case layers.SATypeUnspec, openBSDAH, openBSDESP, openBSDIPIP, openBSDTCP, openBSDIPComp:
		default:
			k.header(cFlushSAType, 3, 1, fmt.Sprintf("SA type %s cannot be flushed", k.number(layers.EnumSAType, uint64(m.SAType))))
		}
	case openBSDAddFlow, openBSDDelFlow:
		k.openBSDAddDelFlow()
	case openBSDSPDDump:
		k.header(cKernelOnly, 1, 1, "OpenBSD gives policies by sysctl(2) only, not to a socket")
	}
	if extra := k.seen &^ (openBSDForms[m.Type].rMust | openBSDForms[m.Type].rMay); extra != 0 {
		k.openBSDReplyMask(extra)
	}
}

// openBSDReplyMask is the end of pfkeyv2_dosend: what the kernel does not take out
// of the request goes into the answer, and may be none of what an answer may have.
func (k *checker) openBSDReplyMask(extra kinds) {
	const taken = kKeys | kSPIRange | kPolicySeq | openBSDCredentials | kProxy
	if extra &^= taken; extra == 0 {
		return
	}
	for i := range k.m.Extensions {
		if h := &k.m.Extensions[i]; k.kindOf(h.Number())&extra != 0 {
			k.extension(cReplyForbidden, h, "the kernel takes it in "+k.m.TypeName()+", does as it is told, and refuses to put it into the answer")
		}
	}
}

// openBSDProto is pfkeyv2_get_proto_alg.
func (k *checker) openBSDProto() (ok bool) {
	switch k.m.SAType {
	case openBSDAH, openBSDESP, openBSDIPIP, openBSDTCP, openBSDIPComp:
		return true
	}
	k.header(cSAType, 3, 1, fmt.Sprintf("SA type %s is none of 1 (AH), 2 (ESP), 7 (IPIP), 8 (TCPSIGNATURE), 9 (IPCOMP)",
		k.number(layers.EnumSAType, uint64(k.m.SAType))))
	return false
}

// openBSDSPIRange is reserve_spi.
func (k *checker) openBSDSPIRange() {
	x := k.m.SPIRange()
	switch {
	case x.Max <= maxReservedSPI:
		k.extension(cSPIRangeLow, &x.Header, fmt.Sprintf("0x%08x to 0x%08x: all of them are reserved", x.Min, x.Max))
	case k.m.SAType == openBSDIPComp && x.Max >= openBSDMinPrivate:
		k.extension(cSPIRangeCPI, &x.Header, fmt.Sprintf("0x%08x to 0x%08x, OpenBSD gives indexes below 0x%04x", x.Min, x.Max, openBSDMinPrivate))
	}
}

// openBSDAddDelFlow is what ADDFLOW and DELFLOW check.
func (k *checker) openBSDAddDelFlow() {
	x := k.m.FlowType()
	if x.Direction != 1 && x.Direction != 2 {
		k.extension(cPolicyDir, &x.Header, fmt.Sprintf("direction %d is neither 1 (IN) nor 2 (OUT)", x.Direction))
	}
	k.openBSDFlowFamilies()
	if k.m.Type == openBSDAddFlow && (x.Proto < 1 || x.Proto > 6) {
		k.extension(cPolicyType, &x.Header, fmt.Sprintf("flow type %d is none of 1 to 6", x.Proto))
	}
}

// openBSDFlowFamilies is import_flow.
func (k *checker) openBSDFlowFamilies() {
	first := k.m.SrcFlow()
	if first == nil {
		return
	}
	for _, x := range [...]*layers.Address{k.m.DstFlow(), k.m.SrcMask(), k.m.DstMask()} {
		if x == nil || len(x.Sockaddr) < 2 || len(first.Sockaddr) < 2 || x.Sockaddr[1] == first.Sockaddr[1] {
			continue
		}
		k.extension(cFamilies, &x.Header, fmt.Sprintf("address family %d, the source's is %d", x.Sockaddr[1], first.Sockaddr[1]))
	}
}

// openBSDSubmit is what UPDATE and ADD check before they make an SA.
func (k *checker) openBSDSubmit() {
	m := &k.m
	if some := k.seen & openBSDFlow; some != 0 && some != openBSDFlow {
		k.missing(cExtMissing, openBSDFlow, "missing: a flow has all six extensions or none")
		return
	}
	if x := m.UDPEncap(); x != nil {
		if m.SAType != openBSDESP {
			k.extension(cEncapSAType, &x.Header, "only ESP can be encapsulated")
		} else {
			k.extension(cEncapKernel, &x.Header, "it must be enabled: sysctl net.inet.esp.udpencap")
		}
	}
	// The SA of an UPDATE that has no keys is mature, and only its limits change.
	if m.Type == layers.UPDATE && k.seen&kKeys == 0 {
		return
	}
	if !k.openBSDProto() {
		return
	}
	k.openBSDFlowFamilies()
	k.openBSDInit(m.SA())
}
