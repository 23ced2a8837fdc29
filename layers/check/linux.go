package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Numbers of Linux that are no layout and no name (include/uapi/linux/pfkeyv2.h,
// include/uapi/linux/ipsec.h, net/core/sock.c).
const (
	maxType     = layers.MIGRATE       // SADB_MAX
	maxSAType   = 9                    // SADB_SATYPE_MAX
	pageSize    = 4096                 // the smallest, as on x86 and s390
	sendReserve = 32                   // what pfkey_sendmsg keeps back of SO_SNDBUF
	sendBuffer  = 212992 - sendReserve // with the default on 64-bit systems
)

// linuxKernel is af_key of Linux 6.1.
var linuxKernel = kernel{
	dialect: layers.Linux,
	rules:   linuxRules,
	judge:   (*checker).linux,
	silent: func(k *checker) bool {
		return k.m.Type == layers.ACQUIRE && len(k.msg) == layers.BaseLen
	},
	outcomes: linuxOutcomes,
	always:   linuxAlways,
	preempts: linuxPreempts,
}

func (k *checker) linux(dir Direction) {
	if dir != ToKernel {
		k.linuxReply(dir)
		return
	}
	if k.linuxHeader() && k.linuxExtensions() {
		k.linuxIgnored()
		k.linuxMessage()
	}
}

// linuxHeader is pfkey_sendmsg and pfkey_get_base_msg.
func (k *checker) linuxHeader() (ok bool) {
	n := len(k.msg)
	if size := k.traits.orNone().SendBuffer; size > 0 {
		if n > size-sendReserve {
			k.header(cSendBufferKnown, 0, n, fmt.Sprintf("%d bytes exceed the %d that the socket's send buffer allows", n, size-sendReserve))
			return false
		}
	} else if n > sendBuffer {
		k.header(cSendBuffer, 0, n, fmt.Sprintf("%d bytes exceed the %d that a socket's default send buffer allows", n, sendBuffer))
	}
	if n < layers.BaseLen {
		k.shortHeader()
		return false
	}
	m, ok := &k.m, true
	if m.Version != layers.Version {
		k.header(cVersion, 0, 1, fmt.Sprintf("sadb_msg_version is %d, not 2", m.Version))
		ok = false
	}
	if m.Reserved != 0 {
		k.header(cReserved, 6, 2, fmt.Sprintf("sadb_msg_reserved is %d, not 0", m.Reserved))
		ok = false
	}
	if m.Type == 0 || m.Type > maxType {
		k.header(cType, 1, 1, fmt.Sprintf("sadb_msg_type is %d, not one of 1 to %d", m.Type, maxType))
		ok = false
	}
	if words := int(m.Len); words != n/layers.Word || words < layers.BaseLen/layers.Word {
		k.messageLength()
		ok = false
	}
	return ok
}

// linuxExtensions is parse_exthdrs. ok is false if it stops before the end.
func (k *checker) linuxExtensions() (ok bool) {
	for i := range k.m.Extensions {
		h := &k.m.Extensions[i]
		number := h.Number()
		kind := k.kindOf(number)
		switch {
		case number == 0:
			k.extension(cExtType, h, "an extension of the reserved type 0")
			continue
		case kind == 0:
			k.extension(cUnknownExt, h, fmt.Sprintf("type %d is above 26: Linux skips the extension", number))
			continue
		}
		size := k.m.Codec.Dialect.LayoutOf(number).Size
		twice := k.seen&kind != 0
		k.seen |= kind
		switch {
		case len(h.Contents) < size:
			k.extension(cExtShort, h, fmt.Sprintf("%d bytes, its structure has %d", len(h.Contents), size))
			continue
		case twice:
			k.extension(cDuplicate, h, "it occurs a second time")
			continue
		}
		switch {
		case kind&(kSrc|kDst|kProxy|kNATTOA) != 0:
			k.linuxAddress(h)
		case kind&(kKeyAuth|kKeyEncrypt) != 0:
			k.linuxKey(h)
		case kind == kSecCtx:
			x := k.m.SecCtx()
			if need := (8 + int(x.CtxLen) + 7) / layers.Word; x.CtxLen > pageSize || int(x.Len) != need {
				k.extension(cContextLength, h, fmt.Sprintf("a context of %d bytes needs %d words, the extension has %d", x.CtxLen, need, x.Len))
			}
		case kind&fixedSize != 0 && len(h.Contents) > size:
			k.extension(cExtLong, h, fmt.Sprintf("%d bytes, of which the kernel reads %d", len(h.Contents), size))
		}
	}
	return k.framing()
}

// fixedSize are the extensions that nothing follows.
const fixedSize = kSA | kCurrent | kHard | kSoft | kSPIRange | kSA2 | kNATTType | kNATTSrcPort | kNATTDstPort | kFilter

// linuxAddress is verify_address_len.
func (k *checker) linuxAddress(h *layers.Header) {
	x := k.m.Extension(h.LayerType()).(*layers.Address)
	if x.Len < 2 {
		k.extension(cAddressShort, h, "8 bytes have no room for a sockaddr")
		return
	}
	s, _ := x.Parse()
	words, bits := 3, 32
	switch k.m.Codec.Dialect.FamilyName(s.Family) {
	case "inet":
	case "inet6":
		words, bits = 5, 128
	default:
		k.extension(cAddressFamily, h, fmt.Sprintf("address family %d is neither 2 (AF_INET) nor 10 (AF_INET6)", s.Family))
		return
	}
	if int(x.Len) != words {
		k.extension(cAddressLength, h, fmt.Sprintf("%d words, an address of this family has %d", x.Len, words))
	} else if int(x.PrefixLen) > bits {
		k.extension(cAddressPrefix, h, fmt.Sprintf("a prefix of %d bits, the address has %d", x.PrefixLen, bits))
	}
}

// linuxKey is verify_key_len.
func (k *checker) linuxKey(h *layers.Header) {
	x := k.m.Extension(h.LayerType()).(*layers.Key)
	need := 8 + octets(x.Bits)
	switch words := (need + layers.Word - 1) / layers.Word; {
	case words > int(x.Len):
		k.extension(cKeyOverrun, h, fmt.Sprintf("%d bits need %d bytes, the extension has %d", x.Bits, need, len(h.Contents)))
	case words < int(x.Len):
		k.extension(cExtLong, h, fmt.Sprintf("%d bytes, %d bits need %d", len(h.Contents), x.Bits, words*layers.Word))
	}
}

// octets is how many octets a key of so many bits takes.
func octets(bits uint16) int { return (int(bits) + 7) / 8 }

// linuxReads is what the handler of each message type reads. Types that have no
// handler, and X_PROMISC, which passes everything on, are not here.
var linuxReads = [...]kinds{
	layers.GETSPI:     kSrc | kDst | kSPIRange | kSA2,
	layers.UPDATE:     readsSA,
	layers.ADD:        readsSA,
	layers.DELETE:     kSA | kSrc | kDst,
	layers.GET:        kSA | kSrc | kDst,
	layers.REGISTER:   0,
	layers.FLUSH:      0,
	layers.DUMP:       kFilter,
	layers.SPDUPDATE:  readsPolicy,
	layers.SPDADD:     readsPolicy,
	layers.SPDDELETE:  kSrc | kDst | kPolicy | kSecCtx,
	layers.SPDGET:     kPolicy,
	layers.SPDDUMP:    0,
	layers.SPDFLUSH:   0,
	layers.SPDSETIDX:  readsPolicy,
	layers.SPDDELETE2: kPolicy,
	layers.MIGRATE:    kSrc | kDst | kPolicy | kKMAddress,
}

const (
	readsSA = kSA | kHard | kSoft | kSrc | kDst | kProxy | kKeyAuth | kKeyEncrypt |
		kSA2 | kNATTType | kNATTSrcPort | kNATTDstPort | kSecCtx
	readsPolicy = kSrc | kDst | kHard | kSoft | kPolicy | kSecCtx
)

// linuxIgnored reports what is there and not read.
func (k *checker) linuxIgnored() {
	switch t := k.m.Type; t {
	case layers.ACQUIRE, layers.EXPIRE, layers.PROMISC, layers.PCHANGE,
		layers.SPDACQUIRE, layers.SPDEXPIRE, layers.NEWMAPPING:
	default:
		if k.seen&^linuxReads[t] == 0 {
			break
		}
		for i := range k.m.Extensions {
			h := &k.m.Extensions[i]
			if k.kindOf(h.Number())&^linuxReads[t] != 0 {
				k.extension(cExtIgnored, h, "Linux does not read it in "+k.m.TypeName())
			}
		}
	}
	if k.m.Errno != 0 && k.m.Type != layers.ACQUIRE {
		k.header(cErrnoSet, 2, 1, fmt.Sprintf("sadb_msg_errno is %d in a request", k.m.Errno))
	}
}

// linuxMessage is the handlers in pfkey_funcs.
func (k *checker) linuxMessage() {
	m := &k.m
	switch m.Type {
	case layers.GETSPI:
		k.linuxGetSPI()
	case layers.UPDATE, layers.ADD:
		k.linuxSA()
	case layers.DELETE, layers.GET:
		k.missing(cSAMissing, kSA, "missing: its SPI names the SA")
		k.linuxPair()
		if !isSAProto(m.SAType) {
			k.header(cSATypeEmpty, 3, 1, "there are no SAs of type "+k.number(layers.EnumSAType, uint64(m.SAType)))
		}
	case layers.ACQUIRE:
		if int(m.Len) != layers.BaseLen/layers.Word {
			k.header(cAcquire, 4, 2, fmt.Sprintf("an ACQUIRE of %d words: Linux takes the bare header only, 2 words", m.Len))
		}
	case layers.REGISTER:
		if m.SAType > maxSAType {
			k.header(cRegister, 3, 1, fmt.Sprintf("SA type %d is above %d", m.SAType, maxSAType))
		}
	case layers.FLUSH:
		k.linuxAnySAType()
	case layers.DUMP:
		k.linuxAnySAType()
		if x := m.Filter(); x != nil && max(x.SrcPrefixLen, x.DstPrefixLen) > 128 {
			k.extension(cFilter, &x.Header, fmt.Sprintf("a prefix of %d bits, an address has at most 128", max(x.SrcPrefixLen, x.DstPrefixLen)))
		}
	case layers.PROMISC:
		if int(m.Len) == layers.BaseLen/layers.Word && m.SAType > 1 {
			k.header(cPromisc, 3, 1, fmt.Sprintf("SA type %d is neither 1 (on) nor 0 (off)", m.SAType))
		}
	case layers.SPDUPDATE, layers.SPDADD, layers.SPDSETIDX:
		k.linuxPair()
		k.missing(cPolicyMissing, kPolicy, "missing")
		k.linuxPolicy()
	case layers.SPDDELETE:
		k.linuxPair()
		k.missing(cPolicyMissing, kPolicy, "missing: it names the direction")
		if x := m.Policy(); x != nil {
			k.linuxDirection(x)
		}
		k.linuxContext()
	case layers.SPDGET, layers.SPDDELETE2:
		k.missing(cPolicyMissing, kPolicy, "missing: it names the policy's id")
		if x := m.Policy(); x != nil && x.ID&7 > 2 {
			k.extension(cPolicyID, &x.Header, fmt.Sprintf("policy id %d names direction %d", x.ID, x.ID&7))
		}
	case layers.MIGRATE:
		k.linuxPair()
		k.missing(cPolicyMissing, kPolicy, "missing")
		k.linuxMigrate()
	case layers.SPDDUMP, layers.SPDFLUSH:
	default:
		k.header(cKernelOnly, 1, 1, k.m.TypeName()+" comes from the kernel: Linux takes none")
	}
}

// isSAProto tells the SA types that Linux has SAs of.
func isSAProto(satype uint8) bool {
	return satype == layers.SATypeAH || satype == layers.SATypeESP || satype == layers.SATypeIPComp
}

// linuxAnySAType is pfkey_satype2proto where 0 stands for all.
func (k *checker) linuxAnySAType() {
	if t := k.m.SAType; t != layers.SATypeUnspec && !isSAProto(t) {
		k.header(cSAType, 3, 1, fmt.Sprintf("SA type %s is none of 2 (AH), 3 (ESP), 9 (IPCOMP)", k.number(layers.EnumSAType, uint64(t))))
	}
}

// linuxPair is present_and_same_family.
func (k *checker) linuxPair() {
	k.missing(cAddressMissing, kSrc|kDst, "missing")
	src, dst := k.m.AddressSrc(), k.m.AddressDst()
	if src == nil || dst == nil {
		return
	}
	a, _ := src.Parse()
	z, _ := dst.Parse()
	if a.Family != z.Family {
		k.extension(cFamilies, &dst.Header, fmt.Sprintf("address family %d, the source's is %d", z.Family, a.Family))
	}
}

// linuxContext is selinux_xfrm_alloc_user.
func (k *checker) linuxContext() {
	x := k.m.SecCtx()
	if x == nil {
		return
	}
	switch how := k.traits.orNone().Contexts; {
	case how == ContextsIgnored:
	case how == ContextsNotKnown:
		k.extension(cContext, &x.Header, "whether it is accepted depends on the kernel's security module")
	case x.CtxDOI != 1 || x.CtxAlg != 1:
		k.extension(cContextRefused, &x.Header, fmt.Sprintf("domain of interpretation %d and algorithm %d are not SELinux's 1 and 1", x.CtxDOI, x.CtxAlg))
	case x.CtxLen >= pageSize:
		k.extension(cContextLong, &x.Header, fmt.Sprintf("a context of %d bytes", x.CtxLen))
	case x.CtxLen == 0:
		k.extension(cContextRefused, &x.Header, "an empty context")
	}
}
