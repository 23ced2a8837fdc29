package check

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// rfcForm is what RFC 2367 says a message is made of, besides the header.
type rfcForm struct {
	section     string
	must, may   kinds // to the kernel
	rMust, rMay kinds // from the kernel
}

const (
	kAddresses  = kSrc | kDst
	kLifetimes  = kCurrent | kHard | kSoft
	kKeys       = kKeyAuth | kKeyEncrypt
	kIdentities = kIdentSrc | kIdentDst
)

// rfcForms are the messages of RFC 2367 by type. KMPRIVATE may be with every SA
// that is stored or shown (appendix C).
var rfcForms = [...]rfcForm{
	layers.GETSPI: {"3.1.1", kAddresses | kSPIRange, 0, kSA | kAddresses, 0},
	layers.UPDATE: {"3.1.2",
		kSA | kAddresses, kLifetimes | kProxy | kKeys | kIdentities | kSensitivity | kKMPrivate,
		kSA | kAddresses, kLifetimes | kProxy | kIdentities | kSensitivity | kKMPrivate},
	layers.ADD: {"3.1.3",
		kSA | kAddresses, kHard | kSoft | kProxy | kKeys | kIdentities | kSensitivity | kKMPrivate,
		kSA | kAddresses, kHard | kSoft | kIdentities | kSensitivity | kKMPrivate},
	layers.DELETE:   {"3.1.4", kSA | kAddresses, 0, kSA | kAddresses, 0},
	layers.GET:      {"3.1.5", kSA | kAddresses, 0, kSA | kAddresses, kStored},
	layers.ACQUIRE:  {"3.1.6", kAddresses | kProposal, kProxy | kIdentities | kSensitivity, kAddresses | kProposal, kProxy | kIdentities | kSensitivity},
	layers.REGISTER: {"3.1.7", 0, 0, 0, kSupportedAuth | kSupportedEncrypt},
	layers.EXPIRE:   {"3.1.8", kSA | kCurrent | kAddresses, kHard | kSoft, kSA | kCurrent | kAddresses, kHard | kSoft},
	layers.FLUSH:    {"3.1.9", 0, 0, 0, 0},
	layers.DUMP:     {"3.1.10", 0, 0, kSA | kAddresses, kStored},
	layers.PROMISC:  {"appendix A", 0, 0, 0, 0},
	layers.PCHANGE: {"appendix B",
		kAddresses, kIdentities | kSensitivity | kProposal,
		kAddresses, kIdentities | kSensitivity | kProposal},
}

const kStored = kLifetimes | kProxy | kKeys | kIdentities | kSensitivity | kKMPrivate

// rfcKernel is the text of RFC 2367. Which extensions a message must and may have
// depends on the direction; for messages and extensions that the RFC does not have
// there are no such rules. The RFC leaves errnos to the systems.
var rfcKernel = kernel{
	dialect: layers.RFC2367,
	rules:   rfcRules,
	judge:   (*checker).rfc,
	inner:   func(*layers.Message) Direction { return Unknown },
}

func (k *checker) rfc(dir Direction) {
	m, n := &k.m, len(k.msg)
	if n < layers.BaseLen {
		k.header(rShortHeader, 0, n, fmt.Sprintf("%d bytes are less than a message header's 16", n))
		return
	}
	if m.Version != layers.Version {
		k.header(rVersion, 0, 1, fmt.Sprintf("sadb_msg_version is %d, not 2", m.Version))
	}
	if int(m.Len)*layers.Word != n {
		k.header(rLength, 4, 2, fmt.Sprintf("sadb_msg_len is %d words (%d bytes), the message has %d bytes", m.Len, int(m.Len)*layers.Word, n))
	}
	if m.Reserved != 0 {
		k.header(rReserved, 6, 2, "sadb_msg_reserved is not 0")
	}
	if m.Codec.Dialect.EnumName(layers.EnumMsgType, uint64(m.Type)) == "" || m.Type == 0 {
		k.header(rType, 1, 1, fmt.Sprintf("the dialect %v has no message type %d", m.Codec.Dialect, m.Type))
	}
	if dir == ToKernel {
		if m.Errno != 0 && m.Type != layers.ACQUIRE {
			k.header(rErrno, 2, 1, fmt.Sprintf("sadb_msg_errno is %d in a request", m.Errno))
		}
		if m.PID == 0 {
			k.header(rPID, 12, 4, "sadb_msg_pid is 0 in a request")
		}
	}
	if m.Type == layers.PROMISC {
		refusal := dir == FromKernel && m.Errno != 0 && n == layers.BaseLen
		if m.Inner == nil && !refusal && (n > layers.BaseLen || m.SAType > 1) {
			k.header(rPromisc, 0, n, fmt.Sprintf("SA type %d and %d bytes after the header that are no whole message", m.SAType, n-layers.BaseLen))
		}
		return
	}
	k.rfcExtensions()
	m.Codec.Walk(k.msg, k)
	if m.RestReason != layers.Sound {
		at := n - len(m.Rest)
		k.header(rFraming, at, len(m.Rest), fmt.Sprintf("from byte %d: %v", at, m.RestReason))
		return
	}
	k.rfcWhole()
	if dir != Unknown && int(m.Type) < len(rfcForms) && m.Type != 0 {
		k.rfcForm(dir, &rfcForms[m.Type])
	}
}

// rfcExtensions judges the extensions one by one.
func (k *checker) rfcExtensions() {
	last, ordered := uint16(0), true
	for i := range k.m.Extensions {
		h := &k.m.Extensions[i]
		number := h.Number()
		kind := k.kindOf(number)
		if number == 0 {
			k.extension(rExtType, h, "an extension of the reserved type 0")
			continue
		}
		if kind&kRFC != 0 {
			if number < last && ordered {
				k.extension(rOrder, h, "it comes after one of a higher number")
				ordered = false
			}
			last = max(last, number)
		}
		if kind == 0 {
			continue // unknown ones are to be ignored (2.3)
		}
		twice := k.seen&kind != 0
		k.seen |= kind
		switch {
		case h.LayerType() == layers.LayerTypeUnknown:
			size := k.m.Codec.Dialect.LayoutOf(number).Size
			k.extension(rExtShort, h, fmt.Sprintf("%d bytes, its structure has %d", len(h.Contents), size))
		case twice:
			k.extension(rDuplicate, h, "it occurs a second time")
		default:
			k.rfcExtension(h, kind)
		}
	}
}

func (k *checker) rfcExtension(h *layers.Header, kind kinds) {
	switch x := k.m.Extension(h.LayerType()).(type) {
	case *layers.Address:
		if kind&(kSrc|kDst|kProxy) != 0 {
			k.rfcAddress(h, x, kind)
		}
	case *layers.Key:
		if kind&kKeys != 0 {
			k.rfcKey(h, x)
		}
	case *layers.Identity:
		// PREFIX, FQDN and USERFQDN are strings; other types are a system's own.
		if x.Type >= 1 && x.Type <= 3 && len(x.Data) > 0 {
			z := bytes.IndexByte(x.Data, 0)
			if z < 0 || (z+layers.Word)&^(layers.Word-1) != len(x.Data) {
				k.extension(rIdentity, h, fmt.Sprintf("its %d bytes are no NUL-terminated string padded to 8 bytes", len(x.Data)))
			}
		}
	case *layers.Sensitivity:
		if need := layers.Word * (int(x.SensLen) + int(x.IntegLen)); need != len(x.Bitmaps) {
			k.extension(rSensitivity, h, fmt.Sprintf("bitmaps of %d and %d words, there are %d bytes", x.SensLen, x.IntegLen, len(x.Bitmaps)))
		}
	case *layers.Proposal:
		if kind == kProposal && len(x.List)%combSize != 0 {
			k.extension(rProposal, h, fmt.Sprintf("%d bytes are no whole number of %d-byte combinations", len(x.List), combSize))
		}
	case *layers.SPIRange:
		if x.Min > x.Max {
			k.extension(rSPIRange, h, fmt.Sprintf("0x%08x to 0x%08x: the range ends before it begins", x.Min, x.Max))
		}
	}
}

const combSize = 72 // struct sadb_comb (RFC 2367 2.3.7)

func (k *checker) rfcAddress(h *layers.Header, x *layers.Address, kind kinds) {
	s, ok := x.Parse()
	if !ok || (s.Size+layers.Word-1)&^(layers.Word-1) != len(x.Sockaddr) {
		k.extension(rAddress, h, fmt.Sprintf("address family %d in %d bytes is no whole sockaddr", s.Family, len(x.Sockaddr)))
		return
	}
	if k.m.Codec.Dialect == layers.OpenBSD {
		return // its structure has neither prefix nor protocol
	}
	if int(x.PrefixLen) > s.Addr.BitLen() {
		k.extension(rPrefix, h, fmt.Sprintf("a prefix of %d bits, the address has %d", x.PrefixLen, s.Addr.BitLen()))
	}
	if s.Port == 0 || int(k.m.Type) >= len(rfcForms) {
		return
	}
	if k.m.Type != layers.ACQUIRE && k.m.Type != layers.PCHANGE && kind != kProxy {
		k.extension(rPort, h, fmt.Sprintf("port %d in %s", s.Port, k.m.TypeName()))
	}
	if x.Proto == 0 {
		k.extension(rPortProto, h, fmt.Sprintf("port %d and no protocol", s.Port))
	}
}

func (k *checker) rfcKey(h *layers.Header, x *layers.Key) {
	need := 8 + octets(x.Bits)
	if x.Bits == 0 {
		k.extension(rKeyBits, h, "a key of 0 bits")
	}
	if (need+layers.Word-1)&^(layers.Word-1) != len(h.Contents) {
		k.extension(rKeyLength, h, fmt.Sprintf("%d bits need %d bytes, the extension has %d", x.Bits, need, len(h.Contents)))
	}
}

// rfcWhole judges what concerns several extensions, in any direction.
func (k *checker) rfcWhole() {
	m := &k.m
	if pair := k.seen & kAddresses; pair != kAddresses && (pair != 0 || k.has(kSA)) && m.Codec.Dialect != layers.OpenBSD {
		k.missing(rAddressPair, kAddresses, "missing")
	}
	if src, dst := m.AddressSrc(), m.AddressDst(); src != nil && dst != nil {
		a, _ := src.Parse()
		z, _ := dst.Parse()
		if a.Family != z.Family {
			k.extension(rFamilies, &dst.Header, fmt.Sprintf("address family %d, the source's is %d", z.Family, a.Family))
		}
	}
	if hard, soft := m.LifetimeHard(), m.LifetimeSoft(); hard != nil && soft != nil && softNeverExpires(hard, soft, false) {
		k.extension(rLifetimeOrder, &soft.Header, "a limit is above the hard one")
	}
}

// rfcForm judges whether the message has what section 3.1 says.
func (k *checker) rfcForm(dir Direction, f *rfcForm) {
	m := &k.m
	must, may := f.must, f.may
	if dir == FromKernel {
		must, may = f.rMust, f.rMay
		switch {
		case m.Errno != 0 && m.Type != layers.ACQUIRE:
			if n := len(k.msg) - layers.BaseLen; n > 0 {
				k.header(rErrorBody, 2, 1, fmt.Sprintf("errno %d and %d bytes after the header", m.Errno, n))
			}
			return
		case m.Type == layers.DUMP && m.Seq == 0 && len(m.Extensions) == 0:
			return // illumos ends a dump so
		case m.Type == layers.REGISTER && k.seen&may == 0:
			must = kSupportedAuth
		case m.Type == layers.EXPIRE && m.PID != 0:
			k.header(rPID, 12, 4, "sadb_msg_pid is not 0 in a message of the kernel's own")
		}
	}
	if m.Type == layers.ACQUIRE && len(m.Extensions) == 0 {
		// A failure of key management, sent to the kernel and passed on by it.
		if m.Errno == 0 || m.Seq == 0 {
			k.header(rAcquire, 0, layers.BaseLen, "a bare ACQUIRE without errno or seq says nothing")
		}
		return
	}
	if must&^k.seen != 0 {
		k.missing(rRequired, must, "missing in "+k.where(f))
	}
	if extra := k.seen & kRFC &^ (must | may); extra != 0 {
		for i := range m.Extensions {
			if h := &m.Extensions[i]; k.kindOf(h.Number())&extra != 0 {
				k.extension(rForbidden, h, "not part of "+k.where(f))
			}
		}
	}
	switch m.Type {
	case layers.GETSPI, layers.UPDATE, layers.ADD, layers.DELETE, layers.GET, layers.EXPIRE:
		if m.SAType == layers.SATypeUnspec {
			k.header(rSAType, 3, 1, "SA type 0(UNSPEC) in "+k.where(f))
		}
	}
	if m.Type == layers.EXPIRE && bits.OnesCount64(uint64(k.seen&(kHard|kSoft))) != 1 {
		k.header(rExpire, 0, len(k.msg), "EXPIRE with both or none of LIFETIME_HARD and LIFETIME_SOFT")
	}
	if sa := m.SA(); sa != nil && dir == ToKernel && (m.Type == layers.ADD || m.Type == layers.UPDATE) {
		k.rfcSA(sa, f)
	}
}

// where names a message and its section of the RFC.
func (k *checker) where(f *rfcForm) string { return k.m.TypeName() + " (" + f.section + ")" }

// rfcSA judges an SA that is submitted.
func (k *checker) rfcSA(sa *layers.SA, f *rfcForm) {
	if sa.State != 1 {
		k.extension(rState, &sa.Header, fmt.Sprintf("state %s, not 1(MATURE)", k.number(layers.EnumState, uint64(sa.State))))
	}
	// OpenBSD numbers the SA types differently.
	key := kinds(0)
	switch k.m.Codec.Dialect.EnumName(layers.EnumSAType, uint64(k.m.SAType)) {
	case "AH":
		key = kKeyAuth
		if sa.Auth == 0 {
			k.extension(rAlgMissing, &sa.Header, "an AH SA without authentication")
		}
	case "ESP":
		key = kKeyEncrypt
		if sa.Encrypt == 0 {
			k.extension(rAlgMissing, &sa.Header, "an ESP SA without encryption; 11(NULL) would do")
		}
	}
	if k.m.Type == layers.ADD && k.seen&kKeys == 0 && key != 0 {
		k.missing(rRequired, key, "missing in "+k.where(f))
	}
}

// The checker is a layers.Visitor, for the rules that concern every field.

func (k *checker) Base(*layers.Base, int, int) {}

func (k *checker) Extension(_ *layers.Header, _ uint16, name string, _ int, _ bool) { k.ext = name }

func (k *checker) Field(f *layers.Field, v *layers.Value) {
	if f.Sem == layers.SemBits {
		switch {
		case strings.HasSuffix(f.Name, "minbits"):
			k.minBits = v.Uint
		case strings.HasSuffix(f.Name, "maxbits") && v.Uint < k.minBits:
			k.report(rBits, k.ext, v.Offset, v.Size, fmt.Sprintf("%s is %d, below the smallest size %d", f.Name, v.Uint, k.minBits))
		}
		return
	}
	if f.Sem != layers.SemReserved && f.Name != "flowinfo" || v.Zero() {
		return
	}
	id := rReservedField
	switch f.Name {
	case "zero", "flowinfo":
		id = rAddressZero
	case "pad":
		id = rPadding
	}
	k.report(id, k.ext, v.Offset, v.Size, f.Name+" is not zero")
}

func (k *checker) Open(layers.NodeKind, string)         {}
func (k *checker) Close(layers.NodeKind)                {}
func (k *checker) EndExtension()                        {}
func (k *checker) Malformed([]byte, int, layers.Reason) {}
func (k *checker) End()                                 {}
