package check

import (
	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
)

// kinds is a set of kinds of extensions, a bit for each layer type counted from
// LayerTypeSA. Its first 17 are the extensions of RFC 2367, its first 26 those of
// Linux. There are more layer types than bits: the last ones, of macOS and illumos,
// share bits with types that these systems do not have.
type kinds uint64

const (
	kindBits  = 64
	kindShare = 34 // what the first type without a bit of its own comes after the type whose bit it shares
)

// The kinds that rules speak of, in the order of the layer types.
const (
	kSA kinds = 1 << iota
	kCurrent
	kHard
	kSoft
	kSrc
	kDst
	kProxy
	kKeyAuth
	kKeyEncrypt
	kIdentSrc
	kIdentDst
	kSensitivity
	kProposal
	kSupportedAuth
	kSupportedEncrypt
	kSPIRange
	kKMPrivate
	kPolicy
	kSA2
	kNATTType
	kNATTSrcPort
	kNATTDstPort
	kNATTOA
	kSecCtx
	kKMAddress
	kFilter
	kNATTOAR
	kNATTFrag
	kSAReplay
	kNewSrc
	kNewDst
	kSWOffload
	kHWOffload
	kIfOffload
	kSrcMask
	kDstMask
	kProtocol
	kFlowType
	kSrcFlow
	kDstFlow
	kSecondSA
	kDst2
	kPolicySeq
	kLocalCredentials
	kRemoteCredentials
	kLocalAuth
	kRemoteAuth
	kSupportedComp
	kUDPEncap
	kLastUse
	kTag
	kTap
	kSAType2
	kCounter
	kRDomain
	kMTU
	kReplayCount
	kIface
	kSessionID
	kSAStats
	kIPsecIf
	kRangeSrcStart
	kRangeSrcEnd
	kRangeDstStart

	kRFC = kKMPrivate<<1 - 1 // every extension that RFC 2367 has
)

// The kinds that share a bit.
const (
	kRangeDstEnd kinds = 1 << (kindBits - kindShare + iota)
	kMigrateSrc
	kMigrateDst
	kMigrateIPsecIf
	kEReg
	kEProp
	kKMCookie
	kNATTLocal
	kNATTRemote
	kInnerDst
	kPair
	kReplayValue
	kEDump
	kIdle
	kOuterSens
	kStrAuth
)

// kindOfType returns the kind of a layer type, 0 if it is no extension's.
func kindOfType(t gopacket.LayerType) kinds {
	t -= layers.LayerTypeSA
	if t >= kindBits {
		t -= kindShare
	}
	if t < 0 || t >= kindBits {
		return 0
	}
	return 1 << t
}

// kindOf returns the kind of an extension number, or 0.
func (k *checker) kindOf(number uint16) kinds {
	return kindOfType(k.m.Codec.Dialect.ExtType(number))
}

// numberOf returns the extension number that a dialect gives to the kind of one
// bit, or 0.
func numberOf(d layers.Dialect, bit int) uint16 {
	t := layers.LayerTypeSA + gopacket.LayerType(bit)
	if n := d.ExtNumberOf(t); n != 0 || bit < kindBits-kindShare {
		return n
	}
	return d.ExtNumberOf(t + kindShare)
}

// missing reports that extensions that must be there are not.
func (k *checker) missing(id code, set kinds, text string) {
	set &^= k.seen
	for bit := 0; set != 0; bit, set = bit+1, set>>1 {
		if set&1 != 0 {
			d := k.m.Codec.Dialect
			k.report(id, d.ExtName(numberOf(d, bit)), len(k.msg), 0, text)
		}
	}
}

// missingCodes say under which code the lack of an extension is reported, the same
// on every system.
var missingCodes = [...]struct {
	set kinds
	id  code
}{
	{kSA, cSAMissing},
	{kSrc | kDst, cAddressMissing},
	{kSPIRange, cSPIRangeMissing},
	{kPolicy | kPolicySeq, cPolicyMissing},
	{kKeyAuth | kKeyEncrypt, cKeyMissing},
}

// require reports what must be there and is not, each under the code for it.
func (k *checker) require(must kinds, text string) {
	must &^= k.seen
	if must == 0 {
		return
	}
	for _, m := range missingCodes {
		k.missing(m.id, must&m.set, text)
		must &^= m.set
	}
	k.missing(cExtMissing, must, text)
}
