package check

import (
	"fmt"
	"math"

	"github.com/pfkeycap/pfkeycap/layers"
)

// authAlg is what Linux knows of an authentication algorithm for PF_KEY.
type authAlg struct {
	known bool
	bits  uint16 // the key size the algorithm's RFC demands; 0: any
}

// authAlgs are the entries of aalg_list that PF_KEY may use, by sadb_alg_id
// (net/xfrm/xfrm_algo.c). What a kernel really has depends on its modules; 10 came
// with Linux 5.17.
var authAlgs = [...]authAlg{
	2:        {true, 128}, // MD5HMAC
	3:        {true, 160}, // SHA1HMAC
	5:        {true, 256}, // SHA2_256HMAC
	6:        {true, 384}, // SHA2_384HMAC
	7:        {true, 512}, // SHA2_512HMAC
	8:        {true, 160}, // RIPEMD160HMAC
	authXCBC: {true, 128},
	10:       {true, 256}, // SM3_256HMAC
	authNull: {true, 0},
}

const (
	authSHA256 = 5
	authXCBC   = 9
	authNull   = 251 // also SADB_AALG_MAX
	maxAuth    = 251
	encNull    = 11
	maxEncrypt = 253 // SADB_EALG_MAX
	maxComp    = 4   // SADB_X_CALG_MAX
	compDefl   = 2
)

// cipher is what Linux knows of a cipher for PF_KEY: the key sizes in octets that
// its setkey accepts, from min to max in steps.
type cipher struct {
	known          bool
	min, max, step int
}

func (c cipher) takes(n int) bool {
	return n >= c.min && n <= c.max && (n-c.min)%c.step == 0
}

// sizes writes the key sizes in bits.
func (c cipher) sizes() string {
	switch {
	case c.min == c.max:
		return fmt.Sprintf("%d bits", c.min*8)
	case c.step > 1:
		return fmt.Sprintf("%d to %d bits in steps of %d", c.min*8, c.max*8, c.step*8)
	}
	return fmt.Sprintf("%d to %d bits", c.min*8, c.max*8)
}

// ciphers are the entries of ealg_list that PF_KEY may use, by sadb_alg_id
// (net/xfrm/xfrm_algo.c), with the key sizes of their drivers in crypto/. 24 came
// with Linux 5.17.
var ciphers = [...]cipher{
	2:       {true, 8, 8, 1},   // DESCBC
	3:       {true, 24, 24, 1}, // 3DESCBC
	6:       {true, 5, 16, 1},  // CASTCBC
	7:       {true, 4, 56, 1},  // BLOWFISHCBC
	encNull: {true, 0, 0, 1},
	12:      {true, 16, 32, 8}, // AESCBC
	13:      {true, 20, 36, 8}, // AESCTR: with a nonce of 4 octets
	22:      {true, 16, 32, 8}, // CAMELLIACBC
	24:      {true, 16, 16, 1}, // SM4CBC
	252:     {true, 0, 32, 1},  // SERPENTCBC
	253:     {true, 16, 32, 8}, // TWOFISHCBC
}

// isAEAD tells the combined-mode ciphers: CCM, GCM, GMAC. Linux knows their
// numbers (aead_list) but looks for a PF_KEY SA's cipher elsewhere.
func isAEAD(encrypt uint8) bool {
	return encrypt >= 14 && encrypt <= 16 || encrypt >= 18 && encrypt <= 20 || encrypt == 23
}

// Modes (include/uapi/linux/ipsec.h).
const (
	modeAny = iota
	modeTransport
	modeTunnel
	modeBEET
)

// linuxGetSPI is pfkey_getspi.
func (k *checker) linuxGetSPI() {
	m := &k.m
	k.linuxPair()
	// Type 0 passes the first check for it and fails in verify_spi_info, unless
	// seq names a larval SA, whose type then counts.
	if !isSAProto(m.SAType) {
		k.header(cSAType, 3, 1, fmt.Sprintf("SA type %s is none of 2 (AH), 3 (ESP), 9 (IPCOMP)", k.number(layers.EnumSAType, uint64(m.SAType))))
	}
	k.linuxSA2Mode()
	x := m.SPIRange()
	ipcomp := m.SAType == layers.SATypeIPComp
	switch {
	case x == nil && ipcomp && !k.has(kSPIRange):
		k.missing(cSPIRangeCPI, kSPIRange, "missing: without it the range goes up to 0x0fffffff, an IPCOMP index has 16 bits")
	case x == nil:
	case ipcomp && x.Max > 0xffff:
		k.extension(cSPIRangeCPI, &x.Header, fmt.Sprintf("0x%08x to 0x%08x, an IPCOMP index has 16 bits", x.Min, x.Max))
	case x.Min > x.Max:
		k.extension(cSPIRange, &x.Header, fmt.Sprintf("0x%08x to 0x%08x: the range ends before it begins", x.Min, x.Max))
	case x.Min == 0 && x.Max == math.MaxUint32:
		k.extension(cSPIAll, &x.Header, "0x00000000 to 0xffffffff: no SPI is tried in a range of this size")
	case x.Min < 256 && !ipcomp || x.Max == 0:
		k.extension(cSPIRangeLow, &x.Header, fmt.Sprintf("0x%08x to 0x%08x: SPIs below 0x00000100 are reserved", x.Min, x.Max))
	}
}

// linuxSA2Mode is pfkey_mode_to_xfrm; it returns the mode.
func (k *checker) linuxSA2Mode() uint8 {
	x := k.m.SA2()
	if x == nil {
		return modeAny
	}
	if x.Mode > modeBEET {
		k.extension(cMode, &x.Header, fmt.Sprintf("mode %d is none of 0 to 3", x.Mode))
	}
	return x.Mode
}

// linuxSA is pfkey_msg2xfrm_state and xfrm_init_state.
func (k *checker) linuxSA() {
	m := &k.m
	esp, ah, ipcomp := m.SAType == layers.SATypeESP, m.SAType == layers.SATypeAH, m.SAType == layers.SATypeIPComp

	k.missing(cSAMissing, kSA, "missing")
	k.linuxPair()
	if esp {
		k.missing(cKeyMissing, kKeyEncrypt, "missing: every ESP SA needs it, for NULL encryption with 0 bits")
	}
	if ah {
		k.missing(cKeyMissing, kKeyAuth, "missing: every AH SA needs it")
	}
	if pair := k.seen & (kHard | kSoft); pair != 0 && pair != kHard|kSoft {
		k.missing(cLifetimePair, kHard|kSoft, "missing: Linux takes hard and soft limits together or none")
	}
	k.linuxAnySAType()
	sa := m.SA()
	if sa == nil {
		return
	}

	if sa.Auth > maxAuth {
		k.extension(cAlgRange, &sa.Header, fmt.Sprintf("authentication algorithm %d is above %d", sa.Auth, maxAuth))
	}
	encMax, encEnum := uint8(maxEncrypt), layers.Enum(layers.EnumEncrypt)
	if ipcomp {
		encMax, encEnum = maxComp, layers.EnumComp
	}
	if sa.Encrypt > encMax {
		k.extension(cAlgRange, &sa.Header, fmt.Sprintf("algorithm %d is above %d", sa.Encrypt, encMax))
	}
	keyAuth, keyEncrypt := m.KeyAuth(), m.KeyEncrypt()
	if keyAuth != nil && keyAuth.Bits == 0 && sa.Auth != authNull {
		k.extension(cKeyEmpty, &keyAuth.Header, "a key of 0 bits for "+k.number(layers.EnumAuth, uint64(sa.Auth)))
	}
	if keyEncrypt != nil && keyEncrypt.Bits == 0 && sa.Encrypt != encNull {
		k.extension(cKeyEmpty, &keyEncrypt.Header, "a key of 0 bits for "+k.number(encEnum, uint64(sa.Encrypt)))
	}
	k.linuxContext()

	if sa.Auth != 0 && sa.Auth <= maxAuth && !k.takes((*Traits).auth, sa.Auth, authAlgs[sa.Auth].known) {
		k.extension(cAlgUnknown, &sa.Header, fmt.Sprintf("Linux has no authentication algorithm %d for PF_KEY", sa.Auth))
	}
	switch {
	case sa.Encrypt == 0 || sa.Encrypt > encMax:
	case ipcomp:
		if !k.takes((*Traits).comp, sa.Encrypt, sa.Encrypt == compDefl) {
			k.extension(cAlgUnknown, &sa.Header, fmt.Sprintf("Linux has no compression algorithm %s", k.number(encEnum, uint64(sa.Encrypt))))
		}
	case isAEAD(sa.Encrypt):
		k.extension(cAlgAEAD, &sa.Header, k.number(encEnum, uint64(sa.Encrypt))+" is a combined-mode cipher, which Linux does not take over PF_KEY")
	case !k.takes((*Traits).encrypt, sa.Encrypt, ciphers[sa.Encrypt].known):
		k.extension(cAlgUnknown, &sa.Header, fmt.Sprintf("Linux has no encryption algorithm %d for PF_KEY", sa.Encrypt))
	}
	mode := k.linuxSA2Mode()

	if proxy, src := m.AddressProxy(), m.AddressSrc(); proxy != nil && src != nil && mode <= modeTransport {
		a, _ := src.Parse()
		p, _ := proxy.Parse()
		if a.Family != p.Family {
			k.extension(cProxyFamily, &proxy.Header, fmt.Sprintf("address family %d, the SA's is %d and its mode transport", p.Family, a.Family))
		}
	}
	switch {
	case m.SAType == layers.SATypeUnspec:
		k.header(cSATypeUnspec, 3, 1, "an SA of type 0(UNSPEC) cannot be made")
	case esp:
		k.linuxESP(sa)
	case ah:
		k.linuxAH(sa)
	case ipcomp:
		k.linuxIPComp(sa, mode)
	}
	k.linuxDubious(sa)
}

// takes reports whether the kernel takes a number: as its traits say, if they do, else
// as Linux does in general.
func (k *checker) takes(of func(*Traits) map[uint8]bool, number uint8, general bool) bool {
	if set := of(k.traits); set != nil {
		return set[number]
	}
	return general
}

// linuxESP is esp_init_state.
func (k *checker) linuxESP(sa *layers.SA) {
	if sa.Encrypt == 0 {
		k.extension(cAlgMissing, &sa.Header, "an ESP SA without encryption; 11(NULL) would do")
	} else if key := k.m.KeyEncrypt(); key != nil && int(sa.Encrypt) < len(ciphers) {
		if c := ciphers[sa.Encrypt]; c.known && !c.takes(octets(key.Bits)) {
			k.extension(cKeySize, &key.Header, fmt.Sprintf("a key of %d bits, %s takes %s", key.Bits, k.number(layers.EnumEncrypt, uint64(sa.Encrypt)), c.sizes()))
		}
	}
	k.linuxXCBC(sa)
	x := k.m.NATTType()
	if x == nil {
		return
	}
	optional := x.Type == 1 || x.Type == 7 // UDP_ENCAP_ESPINUDP_NON_IKE, TCP_ENCAP_ESPINTCP
	switch {
	case k.takes((*Traits).encap, x.Type, x.Type == 2): // UDP_ENCAP_ESPINUDP
	case optional && (*Traits).encap(k.traits) == nil:
		k.extension(cEncapKernel, &x.Header, fmt.Sprintf("not every kernel has encapsulation type %d", x.Type))
	default:
		k.extension(cEncapType, &x.Header, fmt.Sprintf("type %d is no encapsulation that Linux has; 2 is ESP in UDP", x.Type))
	}
}

// linuxXCBC is the setkey of xcbc(aes), the one authentication algorithm that
// does not take every key.
func (k *checker) linuxXCBC(sa *layers.SA) {
	if sa.Auth != authXCBC {
		return
	}
	aes := cipher{true, 16, 32, 8}
	if key := k.m.KeyAuth(); key != nil && !aes.takes(octets(key.Bits)) {
		k.extension(cKeySize, &key.Header, fmt.Sprintf("a key of %d bits, AES_XCBC_MAC takes %s", key.Bits, aes.sizes()))
	} else if !k.has(kKeyAuth) {
		k.missing(cKeySize, kKeyAuth, "missing: AES_XCBC_MAC takes no empty key")
	}
}

// linuxAH is ah_init_state.
func (k *checker) linuxAH(sa *layers.SA) {
	if sa.Auth == 0 {
		k.extension(cAlgMissing, &sa.Header, "an AH SA without authentication")
	}
	k.linuxNoEncap()
	k.linuxXCBC(sa)
}

// linuxIPComp is ipcomp4_init_state and ipcomp_init_state.
func (k *checker) linuxIPComp(sa *layers.SA, mode uint8) {
	if mode == modeBEET {
		k.extension(cIPCompMode, &k.m.SA2().Header, "IPCOMP has no BEET mode")
	}
	if sa.Encrypt == 0 {
		k.extension(cAlgMissing, &sa.Header, "an IPCOMP SA without compression; 2(DEFLATE) would do")
	}
	k.linuxNoEncap()
}

func (k *checker) linuxNoEncap() {
	if x := k.m.NATTType(); x != nil {
		k.extension(cEncapSAType, &x.Header, "only ESP can be encapsulated, not "+k.m.SATypeName())
	}
}

// linuxDubious reports what Linux accepts in an SA and an operator would rather
// know of.
func (k *checker) linuxDubious(sa *layers.SA) {
	m := &k.m
	switch {
	case m.SAType != layers.SATypeIPComp && sa.SPI < 256:
		k.extension(cSPIReserved, &sa.Header, fmt.Sprintf("SPI 0x%08x is reserved", sa.SPI))
	case m.SAType == layers.SATypeIPComp && sa.SPI > 0xffff:
		k.extension(cCPI, &sa.Header, fmt.Sprintf("index 0x%08x has more than 16 bits", sa.SPI))
	}
	if sa.State != 1 {
		k.extension(cStateIgnored, &sa.Header, fmt.Sprintf("state %s is not read: the SA will be MATURE", k.number(layers.EnumState, uint64(sa.State))))
	}
	if sa.Replay > 32 {
		k.extension(cReplay, &sa.Header, fmt.Sprintf("a replay window of %d packets is cut down to 32", sa.Replay))
	}
	k.linuxDubiousKeys(sa)
	if hard, soft := m.LifetimeHard(), m.LifetimeSoft(); hard != nil && soft != nil && softNeverExpires(hard, soft, true) {
		k.extension(cLifetimeOrder, &soft.Header, "a limit is not below the hard one")
	}
}

func (k *checker) linuxDubiousKeys(sa *layers.SA) {
	keyAuth, keyEncrypt := k.m.KeyAuth(), k.m.KeyEncrypt()
	auth := authAlg{}
	if sa.Auth <= maxAuth {
		auth = authAlgs[sa.Auth]
	}
	name := func() string { return k.number(layers.EnumAuth, uint64(sa.Auth)) }
	switch {
	case k.m.SAType == layers.SATypeIPComp:
		if keyAuth != nil {
			k.extension(cKeyUnused, &keyAuth.Header, "IPCOMP uses no key")
		}
		if keyEncrypt != nil {
			k.extension(cKeyUnused, &keyEncrypt.Header, "IPCOMP uses no key")
		}
		return
	case keyAuth != nil && sa.Auth == 0:
		k.extension(cKeyUnused, &keyAuth.Header, "the SA names no authentication: the key is not used")
	case !k.has(kKeyAuth) && auth.bits != 0 && sa.Auth != authXCBC:
		k.report(cKeyAbsent, "KEY_AUTH", len(k.msg), 0, "missing: Linux will use an empty key for "+name())
	case keyAuth != nil && auth.bits != 0 && keyAuth.Bits != auth.bits && keyAuth.Bits != 0:
		k.extension(cAuthKeySize, &keyAuth.Header, fmt.Sprintf("a key of %d bits, %s is to have %d", keyAuth.Bits, name(), auth.bits))
	}
	for _, key := range [2]*layers.Key{keyAuth, keyEncrypt} {
		if key != nil && key.Bits%8 != 0 {
			k.extension(cKeyBits, &key.Header, fmt.Sprintf("%d bits are no multiple of 8: Linux uses %d octets", key.Bits, octets(key.Bits)))
		}
	}
	if sa.Auth == authSHA256 {
		k.extension(cTruncation, &sa.Header, "Linux truncates "+name()+" to 96 bits over PF_KEY, RFC 4868 demands 128")
	}
}

// softNeverExpires reports whether a soft limit is above its hard one, or with
// equal also if they are the same; 0 is no limit.
func softNeverExpires(hard, soft *layers.Lifetime, equal bool) bool {
	late := func(hard, soft uint64) bool { return hard != 0 && (soft > hard || equal && soft == hard) }
	return late(uint64(hard.Allocations), uint64(soft.Allocations)) || late(hard.Bytes, soft.Bytes) ||
		late(hard.AddTime, soft.AddTime) || late(hard.UseTime, soft.UseTime)
}
