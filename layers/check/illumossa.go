package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// illumosAuth and illumosCiphers are the algorithms that ipsecalgs(8) gives the
// kernel at boot, with the key sizes in octets that they take (/etc/inet/ipsecalgs as
// it is installed). Those of the combined modes have a salt: 3 octets for CCM, 4 for
// GCM. sadb_key_reserved says how many bits of an initialization vector follow the key.
var (
	illumosAuth = [...]cipher{
		2: {true, 16, 16, 1}, // MD5HMAC
		3: {true, 20, 20, 1}, // SHA1HMAC
		5: {true, 32, 32, 1}, // SHA256HMAC
		6: {true, 48, 48, 1}, // SHA384HMAC
		7: {true, 64, 64, 1}, // SHA512HMAC
	}
	illumosCiphers = [...]cipher{
		2:  {true, 8, 8, 1},   // DESCBC
		3:  {true, 24, 24, 1}, // 3DESCBC
		7:  {true, 4, 56, 1},  // BLOWFISH
		12: {true, 16, 32, 8}, // AES
		14: {true, 19, 35, 8}, // AES_CCM_8
		15: {true, 19, 35, 8}, // AES_CCM_12
		16: {true, 19, 35, 8}, // AES_CCM_16
		18: {true, 20, 36, 8}, // AES_GCM_8
		19: {true, 20, 36, 8}, // AES_GCM_12
		20: {true, 20, 36, 8}, // AES_GCM_16
	}
)

// illumosADD is ah_add_sa, esp_add_sa and what of sadb_common_add the bytes tell.
func (k *checker) illumosADD() {
	m := &k.m
	ah := m.SAType == layers.SATypeAH
	if k.refuseMissing(cAddressMissing, kSrc, diagMissingSrc, "every SA needs it") ||
		k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "every SA needs it") ||
		k.refuseMissing(cSAMissing, kSA, diagMissingSA, "ADD is about one") {
		return
	}
	sa, auth, encrypt := m.SA(), m.KeyAuth(), m.KeyEncrypt()
	if sa == nil {
		return // too short to be read
	}
	if ah && k.refuseMissing(cKeyMissing, kKeyAuth, diagMissingAKey, "every AH SA needs it") ||
		!ah && sa.Encrypt != encNull && k.refuseMissing(cKeyMissing, kKeyEncrypt, diagMissingEKey, "every ESP SA needs it, but one with encryption 11(NULL)") {
		return
	}
	if sa.State != 1 && sa.State != illumosActiveElsewhere {
		k.refuse(cState, &sa.Header, diagBadState, fmt.Sprintf("state %s, not 1(MATURE)", k.number(layers.EnumState, uint64(sa.State))))
	}
	flags := uint32(illumosESPFlags)
	switch {
	case ah:
		flags = illumosAHFlags
		if sa.Encrypt != 0 {
			k.refuse(cAlgUnused, &sa.Header, diagEncrNotSupp, "an AH SA with encryption "+k.number(layers.EnumEncrypt, uint64(sa.Encrypt)))
		}
	case sa.Encrypt == 0:
		k.refuse(cAlgMissing, &sa.Header, diagBadEAlg, "an ESP SA without encryption; 11(NULL) would do")
	case sa.Encrypt == encNull && sa.Auth == 0:
		k.refuse(cAlgMissing, &sa.Header, diagBadAAlg, "an ESP SA with neither encryption nor authentication")
	}
	if extra := sa.Flags &^ flags; extra != 0 {
		k.refuse(cSAFlags, &sa.Header, diagBadFlags, fmt.Sprintf("flags 0x%08x may not be set", extra))
	}
	k.illumosLimits()
	if sa.Flags&illumosNATTLoc != 0 && !ah {
		k.refuseMissing(cAddressMissing, kNATTLocal, diagMissingLoc, "the flag NATT_LOC says there is one")
	}
	if sa.Flags&illumosNATTRem != 0 && !ah {
		k.refuseMissing(cAddressMissing, kNATTRemote, diagMissingRem, "the flag NATT_REM says there is one")
	}
	if x := m.LifetimeCurrent(); x != nil {
		k.extension(cCurrent, &x.Header, "illumos takes none in a request")
	}
	if x := m.Sensitivity(); x != nil {
		k.extension(cLabel, &x.Header, "only a system with Trusted Extensions takes labels")
	}
	if auth != nil {
		k.illumosAlg(sa, auth, sa.Auth, illumosAuth[:], layers.EnumAuth, diagBadAAlg, diagBadAKeyBits)
	}
	switch {
	case encrypt == nil || ah:
	case sa.Encrypt == encNull:
		k.refuse(cKeyUnused, &encrypt.Header, diagBadEKeyBits, "a key for NULL encryption")
	case sa.Encrypt != 0:
		k.illumosAlg(sa, encrypt, sa.Encrypt, illumosCiphers[:], layers.EnumEncrypt, diagBadEAlg, diagBadEKeyBits)
	}
	if inner := m.AddressProxy(); inner != nil {
		k.illumosInnerProto(inner)
	} else if sa.Flags&illumosTunnel != 0 {
		k.refuseMissing(cAddressMissing, kProxy, diagMissingISrc, "the flag TUNNEL says there is one")
	}
}

// illumosInnerProto is the one check of sadb_common_add with an errno of its own.
func (k *checker) illumosInnerProto(inner *layers.Address) {
	src := k.m.AddressSrc()
	family, _ := k.illumosAddr(inner)
	want := uint8(4) // IPPROTO_ENCAP
	if family == "inet6" {
		want = 41 // IPPROTO_IPV6
	}
	if src.Proto != 0 && src.Proto != want {
		k.refuse(cInnerProto, &src.Header, diagInnerMismatch, fmt.Sprintf("protocol %d, tunnels of these inner addresses have %d", src.Proto, want))
	}
}

// illumosAlg judges the algorithm of a key.
func (k *checker) illumosAlg(sa *layers.SA, key *layers.Key, id uint8, known []cipher, names layers.Enum, badAlg, badBits uint16) {
	c := cipher{}
	if int(id) < len(known) {
		c = known[id]
	}
	// An initialization vector's bits do not count. How many it says there are lies
	// where capture files have a stand-in, and so no text may depend on it.
	bits, text := int(key.Bits), fmt.Sprintf("%d bits", key.Bits)
	if names == layers.EnumEncrypt {
		bits -= int(key.Reserved)
		if key.Bits%8 == 0 && c.takes(int(key.Bits)/8) {
			text += " less those of its initialization vector"
		}
	}
	switch name := k.number(names, uint64(id)); {
	case !c.known:
		k.refuse(cAlgUnknown, &sa.Header, badAlg, "illumos has no algorithm "+name)
	case bits < 0 || bits%8 != 0 || !c.takes(bits/8):
		k.refuse(cKeySize, &key.Header, badBits, fmt.Sprintf("%s, the algorithm %s takes %s", text, name, c.sizes()))
	}
}

// illumosLimits is sadb_hardsoftchk.
func (k *checker) illumosLimits() {
	hard, soft := k.m.LifetimeHard(), k.m.LifetimeSoft()
	if hard == nil || soft == nil {
		return
	}
	for _, l := range [...]struct {
		hard, soft uint64
		diagnostic uint16
		name       string
	}{
		{uint64(hard.Allocations), uint64(soft.Allocations), diagAllocHS, "allocations"},
		{hard.Bytes, soft.Bytes, diagBytesHS, "bytes"},
		{hard.AddTime, soft.AddTime, diagAddTimeHS, "addtime"},
		{hard.UseTime, soft.UseTime, diagUseTimeHS, "usetime"},
	} {
		if l.hard != 0 && l.soft > l.hard {
			k.refuse(cLifetimeOrder, &soft.Header, l.diagnostic, "its "+l.name+" is above that of the hard limit")
			return
		}
	}
	idle := k.m.LifetimeIdle()
	if idle == nil {
		return
	}
	above := func(limit, idle uint64) bool { return limit != 0 && idle > limit }
	switch {
	case above(hard.AddTime, idle.AddTime), above(soft.AddTime, idle.AddTime):
		k.refuse(cLifetimeOrder, &idle.Header, diagAddTimeHS, "its addtime is above that of another limit")
	case above(hard.UseTime, idle.UseTime), above(soft.UseTime, idle.UseTime):
		k.refuse(cLifetimeOrder, &idle.Header, diagUseTimeHS, "its usetime is above that of another limit")
	}
}

// illumosTCPSignature is tcpsig_sa_handler.
func (k *checker) illumosTCPSignature() {
	m := &k.m
	switch m.Type {
	case layers.ADD, layers.UPDATE, layers.GET, layers.DELETE:
	default:
		k.header(cMessageSAType, 1, 1, "TCP signatures know ADD, UPDATE, GET, DELETE, FLUSH and DUMP, not "+m.TypeName())
		return
	}
	if m.Type == layers.ADD && k.refuseMissing(cSAMissing, kSA, diagMissingSA, "ADD is about one") ||
		k.refuseMissing(cAddressMissing, kSrc, diagMissingSrc, "it names the SA") ||
		k.refuseMissing(cAddressMissing, kDst, diagMissingDst, "it names the SA") ||
		m.Type == layers.ADD && k.refuseMissing(cKeyMissing, kStrAuth, diagMissingAStr, "TCP signatures need it") {
		return
	}
	if m.Type == layers.ADD || m.Type == layers.UPDATE {
		k.illumosLimits()
	}
	sa, src, dst := m.SA(), m.AddressSrc(), m.AddressDst()
	if m.Type != layers.ADD || sa == nil || src == nil || dst == nil {
		return
	}
	a, _ := src.Parse()
	z, _ := dst.Parse()
	switch {
	case a.Family != z.Family:
		k.refuse(cFamilies, &dst.Header, diagAFMismatch, fmt.Sprintf("address family %d, the source's is %d", z.Family, a.Family))
	case m.Codec.Dialect.FamilyName(a.Family) == "":
		k.refuse(cAddressFamily, &src.Header, diagBadSrcAF, fmt.Sprintf("address family %d is neither 2 (AF_INET) nor 26 (AF_INET6)", a.Family))
	}
	if key := m.StrAuth(); key != nil && key.Bits%8 != 0 {
		k.refuse(cKeySize, &key.Header, diagMalformedAKey, fmt.Sprintf("%d bits are no whole octets", key.Bits))
	}
}
