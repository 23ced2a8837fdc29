package gen

import (
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// item is an extension of a form, by its meaning; a negative one is left out now
// and then. Above the meanings are groups of extensions that go together.
type item int16

const (
	sa         = item(shape.MSA)
	current    = item(shape.MLifetimeCurrent)
	hard       = item(shape.MLifetimeHard)
	soft       = item(shape.MLifetimeSoft)
	src        = item(shape.MAddressSrc)
	dst        = item(shape.MAddressDst)
	proxy      = item(shape.MAddressProxy)
	keyAuth    = item(shape.MKeyAuth)
	keyEncrypt = item(shape.MKeyEncrypt)
	sens       = item(shape.MSensitivity)
	proposal   = item(shape.MProposal)
	supAuth    = item(shape.MSupportedAuth)
	supEncrypt = item(shape.MSupportedEncrypt)
	spiRange   = item(shape.MSPIRange)
	kmPrivate  = item(shape.MKMPrivate)
	policy     = item(shape.MPolicy)
	sa2        = item(shape.MSA2)
	natType    = item(shape.MNATTType)
	natSport   = item(shape.MNATTSrcPort)
	natDport   = item(shape.MNATTDstPort)
	natOA      = item(shape.MNATTOA)
	secCtx     = item(shape.MSecCtx)
	kmAddress  = item(shape.MKMAddress)
	filter     = item(shape.MFilter)
	natOAR     = item(shape.MNATTOAR)
	natFrag    = item(shape.MNATTFrag)
	saReplay   = item(shape.MSAReplay)
	newSrc     = item(shape.MNewAddressSrc)
	newDst     = item(shape.MNewAddressDst)
	curSW      = item(shape.MLifetimeCurrentSWOffload)
	curHW      = item(shape.MLifetimeCurrentHWOffload)
	ifHW       = item(shape.MIfHWOffload)
	srcMask    = item(shape.MSrcMask)
	dstMask    = item(shape.MDstMask)
	protocol   = item(shape.MProtocol)
	flowType   = item(shape.MFlowType)
	srcFlow    = item(shape.MSrcFlow)
	dstFlow    = item(shape.MDstFlow)
	secondSA   = item(shape.MSecondSA)
	dst2       = item(shape.MDst2)
	policySeq  = item(shape.MPolicySeq)
	localCred  = item(shape.MLocalCredentials)
	remoteCred = item(shape.MRemoteCredentials)
	localAuth  = item(shape.MLocalAuth)
	remoteAuth = item(shape.MRemoteAuth)
	supComp    = item(shape.MSupportedComp)
	udpEncap   = item(shape.MUDPEncap)
	lastUse    = item(shape.MLifetimeLastUse)
	tag        = item(shape.MTag)
	tap        = item(shape.MTap)
	saType2    = item(shape.MSAType2)
	counter    = item(shape.MCounter)
	rdomain    = item(shape.MRDomain)
	mtu        = item(shape.MMTU)
	replayCnt  = item(shape.MReplayCount)
	iface      = item(shape.MIface)
	sessionID  = item(shape.MSessionID)
	saStats    = item(shape.MSAStats)
	ipsecIf    = item(shape.MIPsecIf)
	migrateSrc = item(shape.MMigrateAddressSrc)
	migrateDst = item(shape.MMigrateAddressDst)
	migrateIf  = item(shape.MMigrateIPsecIf)
	eReg       = item(shape.MExtendedRegister)
	eProposal  = item(shape.MExtendedProposal)
	kmCookie   = item(shape.MKMCookie)
	natLocal   = item(shape.MAddressNATTLocal)
	natRemote  = item(shape.MAddressNATTRemote)
	innerDst   = item(shape.MAddressInnerDst)
	pair       = item(shape.MPair)
	replayVal  = item(shape.MReplayValue)
	eDump      = item(shape.MExtendedDump)
	idle       = item(shape.MLifetimeIdle)
	outerSens  = item(shape.MOuterSensitivity)
	strAuth    = item(shape.MStrAuth)
)

const (
	limits       = item(shape.NumMeanings) + iota // HARD and SOFT, which Linux and KAME want both or neither
	limit                                         // one of the two
	keys                                          // those that the SA type needs
	identities                                    // both
	natt                                          // NAT_T_TYPE with both ports
	newAddresses                                  // both
	policyID                                      // POLICY naming a policy by its id
	policyBare                                    // POLICY without requests
	policyPairs                                   // POLICY of MIGRATE: old and new requests in turn
	ranges                                        // ADDR_RANGE_*, all four
	flow                                          // the selectors of OpenBSD
	inner                                         // no extension: a message inside X_PROMISC
	anything                                      // whatever the dialect has
)

// satypeOf says what stands in sadb_msg_satype.
type satypeOf uint8

const (
	ofSA   satypeOf = iota // the SA's
	ofNone                 // 0
	ofAll                  // the SA's, or 0 for all
	ofBoth                 // 1 or 0: on or off
)

// form is what a message of a type is made of. Extensions that a dialect does not
// have are left out.
type form struct {
	name       string // as in the dialect's header
	fromKernel bool
	satype     satypeOf
	exts       []item
	selector   bool // addresses are a policy's selector, not an SA's
	failure    bool // sadb_msg_errno is set

	number uint8 // filled in by dialectOf
}

// Forms of RFC 2367, Linux and the KAME family. The orders are those of the
// kernels' answers and of what setkey and iked send.
var commonForms = []form{
	{name: "GETSPI", exts: []item{-sa2, src, dst, spiRange}},
	{name: "GETSPI", fromKernel: true, exts: []item{sa, src, dst}},
	{name: "UPDATE", exts: []item{sa, -sa2, -limits, src, dst, -proxy, keys, -identities, -sens, -natt, -natOA, -natOAR, -natFrag, -secCtx, -kmPrivate, -saReplay, -newAddresses, -ifHW, -ipsecIf}},
	{name: "UPDATE", fromKernel: true, exts: []item{sa, hard, soft, current, src, dst, -proxy, keys, sa2, -natt, -secCtx}},
	{name: "ADD", exts: []item{sa, -sa2, -limits, src, dst, -proxy, keys, -identities, -sens, -natt, -natOA, -natOAR, -natFrag, -secCtx, -kmPrivate, -saReplay, -ifHW, -ipsecIf}},
	{name: "ADD", fromKernel: true, exts: []item{sa, hard, soft, current, src, dst, -proxy, keys, sa2, -natt, -saReplay, -secCtx}},
	{name: "DELETE", exts: []item{sa, src, dst}},
	{name: "DELETE", fromKernel: true, exts: []item{sa, hard, soft, current, src, dst, keys, sa2}},
	{name: "GET", exts: []item{sa, src, dst}},
	{name: "GET", fromKernel: true, exts: []item{sa, hard, soft, current, src, dst, -proxy, keys, -identities, sa2, -curSW, -curHW, -ifHW, -natt}},
	{name: "ACQUIRE", satype: ofAll, failure: true},
	{name: "ACQUIRE", fromKernel: true, exts: []item{src, dst, -proxy, policyBare, -identities, -sens, proposal, -secCtx}},
	{name: "REGISTER"},
	{name: "REGISTER", fromKernel: true, exts: []item{supAuth, supEncrypt}},
	{name: "EXPIRE", fromKernel: true, exts: []item{sa, limit, current, src, dst, -proxy, sa2, -natt}},
	{name: "FLUSH", satype: ofAll},
	{name: "DUMP", satype: ofAll, exts: []item{-filter, -sessionID}},
	{name: "DUMP", fromKernel: true, exts: []item{sa, hard, soft, current, src, dst, -proxy, keys, sa2, -natt, -natOA, -natOAR, -saReplay, -curSW, -curHW, -ifHW}},
	{name: "PROMISC", satype: ofBoth},
	{name: "PROMISC", fromKernel: true, satype: ofNone, exts: []item{inner}},
	{name: "PCHANGE", fromKernel: true, exts: []item{src, dst, -identities, -sens, -proposal}},

	{name: "SPDADD", satype: ofNone, selector: true, exts: []item{-limits, src, dst, policy, -secCtx, -ranges, -ipsecIf, -ifHW}},
	{name: "SPDADD", satype: ofNone, selector: true, fromKernel: true, exts: []item{src, dst, hard, soft, current, policy, -secCtx}},
	{name: "SPDUPDATE", satype: ofNone, selector: true, exts: []item{-limits, src, dst, policy, -sa2, -secCtx, -ranges, -ipsecIf}},
	{name: "SPDSETIDX", satype: ofNone, selector: true, exts: []item{-limits, src, dst, policy}},
	{name: "SPDDELETE", satype: ofNone, selector: true, exts: []item{src, dst, policyBare, -ranges}},
	{name: "SPDDELETE", satype: ofNone, selector: true, fromKernel: true, exts: []item{src, dst, hard, soft, current, policy}},
	{name: "SPDGET", satype: ofNone, exts: []item{policyID}},
	{name: "SPDDELETE2", satype: ofNone, exts: []item{policyID}},
	{name: "SPDACQUIRE", satype: ofNone, fromKernel: true},
	{name: "SPDDUMP", satype: ofNone},
	{name: "SPDDUMP", satype: ofNone, selector: true, fromKernel: true, exts: []item{src, dst, hard, soft, current, policy, -ipsecIf}},
	{name: "SPDFLUSH", satype: ofNone},
	{name: "SPDEXPIRE", satype: ofNone, selector: true, fromKernel: true, exts: []item{src, dst, current, hard, policy}},
	{name: "NAT_T_NEW_MAPPING", fromKernel: true, exts: []item{sa, src, natSport, dst, natDport}},
	{name: "GETSASTAT", exts: []item{sessionID, saStats}},
	{name: "SPDENABLE", satype: ofNone, exts: []item{policyID}},
	{name: "SPDDISABLE", satype: ofNone, exts: []item{policyID}},
}

// MIGRATE of Linux and of macOS have only the name in common.
var (
	linuxForms = []form{{name: "MIGRATE", satype: ofNone, selector: true, exts: []item{-kmAddress, src, dst, policyPairs}}}
	macOSForms = []form{{name: "MIGRATE", exts: []item{sa, src, dst, -ipsecIf, migrateSrc, migrateDst, -migrateIf}}}
)

// Forms of OpenBSD, after the masks of sys/net/pfkeyv2_parsemessage.c.
var openBSDForms = []form{
	{name: "GETSPI", exts: []item{src, dst, spiRange}},
	{name: "GETSPI", fromKernel: true, exts: []item{sa, src, dst}},
	{name: "UPDATE", exts: []item{sa, -limits, src, dst, -proxy, keys, -identities, -flow, -udpEncap, -tag, -tap, -rdomain, -counter, -replayCnt, -iface}},
	{name: "UPDATE", fromKernel: true, exts: []item{sa, -hard, -soft, src, dst, -udpEncap}},
	{name: "ADD", exts: []item{sa, -limits, -src, dst, keys, -identities, -flow, -udpEncap, -lastUse, -tag, -tap, -rdomain, -replayCnt, -iface}},
	{name: "ADD", fromKernel: true, exts: []item{sa, -hard, -soft, src, dst, -udpEncap, -rdomain}},
	{name: "DELETE", exts: []item{sa, src, dst, -rdomain}},
	{name: "GET", exts: []item{sa, src, dst}},
	{name: "GET", fromKernel: true, exts: []item{sa, current, -hard, -soft, src, dst, keys, -identities, -secondSA, -dst2, -udpEncap, -lastUse, -tag, -tap, -saType2, -counter, -rdomain, -mtu, -replayCnt, -iface}},
	{name: "ACQUIRE", fromKernel: true, exts: []item{src, dst, -identities, proposal, -localCred, -remoteCred, -localAuth, -remoteAuth}},
	{name: "REGISTER"},
	{name: "REGISTER", fromKernel: true, exts: []item{supAuth, supEncrypt, supComp}},
	{name: "EXPIRE", fromKernel: true, exts: []item{sa, limit, current, src, dst}},
	{name: "FLUSH", satype: ofAll},
	{name: "DUMP", satype: ofAll},
	{name: "DUMP", fromKernel: true, exts: []item{sa, current, -hard, -soft, -lastUse, src, dst, keys, -identities, -counter, -replayCnt, -mtu, -rdomain}},
	{name: "PROMISC", satype: ofBoth},
	{name: "PROMISC", fromKernel: true, satype: ofNone, exts: []item{inner}},
	{name: "ADDFLOW", exts: []item{-src, -dst, -identities, srcMask, dstMask, -protocol, flowType, srcFlow, dstFlow, -rdomain}},
	{name: "DELFLOW", exts: []item{srcMask, dstMask, -protocol, flowType, srcFlow, dstFlow, -rdomain}},
	{name: "GRPSPIS", exts: []item{sa, dst, secondSA, dst2, saType2, -rdomain}},
	{name: "ASKPOLICY", exts: []item{policySeq}},
	{name: "ASKPOLICY", fromKernel: true, exts: []item{srcMask, dstMask, flowType, srcFlow, dstFlow, -policySeq}},
	{name: "SPDDUMP", fromKernel: true, exts: []item{-src, -dst, -identities, srcMask, dstMask, -protocol, flowType, srcFlow, dstFlow, -rdomain, -sens, -kmPrivate}},
}

// Forms of illumos (usr/src/uts/common/inet/ip/keysock.c, sadb.c).
var illumosForms = []form{
	{name: "GETSPI", exts: []item{src, dst, spiRange, -kmCookie}},
	{name: "GETSPI", fromKernel: true, exts: []item{sa, src, dst}},
	{name: "UPDATE", exts: []item{sa, -limits, -idle, src, dst, keys, -identities, -natLocal, -natRemote, -pair, -replayVal, -kmCookie}},
	{name: "ADD", exts: []item{sa, -limits, -idle, src, dst, -proxy, -innerDst, keys, -strAuth, -identities, -sens, -outerSens, -natLocal, -natRemote, -pair, -replayVal, -kmCookie}},
	{name: "ADD", fromKernel: true, exts: []item{sa, -hard, -soft, src, dst, -identities, -pair}},
	{name: "DELETE", exts: []item{sa, -src, dst}},
	{name: "GET", exts: []item{sa, -src, dst}},
	{name: "GET", fromKernel: true, exts: []item{sa, current, -hard, -soft, -idle, src, dst, -proxy, -innerDst, keys, -identities, -sens, -outerSens, -natLocal, -natRemote, -pair, -replayVal, -kmCookie}},
	{name: "ACQUIRE", satype: ofAll, failure: true},
	{name: "ACQUIRE", fromKernel: true, exts: []item{src, dst, -proxy, -innerDst, -identities, -sens, proposal, -kmCookie}},
	{name: "ACQUIRE", fromKernel: true, satype: ofNone, exts: []item{src, dst, -innerDst, eProposal, -sens}},
	{name: "REGISTER", exts: []item{-eReg}},
	{name: "REGISTER", fromKernel: true, exts: []item{supAuth, supEncrypt}},
	{name: "EXPIRE", fromKernel: true, exts: []item{sa, limit, current, src, dst, -idle}},
	{name: "FLUSH", satype: ofAll},
	{name: "DUMP", satype: ofAll, exts: []item{-eDump}},
	{name: "DUMP", fromKernel: true, exts: []item{sa, current, -hard, -soft, src, dst, keys, -replayVal, -pair}},
	{name: "PROMISC", satype: ofBoth},
	{name: "PROMISC", fromKernel: true, satype: ofNone, exts: []item{inner}},
	{name: "INVERSE_ACQUIRE", satype: ofNone, exts: []item{src, dst, -proxy, -innerDst}},
	{name: "UPDATEPAIR", exts: []item{sa, -limits, src, dst, pair}},
	{name: "DELPAIR", exts: []item{sa, -src, dst, pair}},
	{name: "DELPAIR_STATE", exts: []item{sa, src, dst}},
}

// whatever is any extensions under any type: sound to the eye of a framing loop
// and to no other.
var whatever = form{name: "", satype: ofAll, exts: []item{anything}}

// formsOf are the forms of a dialect, with their types' numbers.
func formsOf(d layers.Dialect) []form {
	var list []form
	tables := [][]form{commonForms}
	switch d {
	case layers.Linux:
		tables = append(tables, linuxForms)
	case layers.MacOS:
		tables = append(tables, macOSForms)
	case layers.OpenBSD:
		tables = [][]form{openBSDForms}
	case layers.Illumos:
		tables = [][]form{illumosForms}
	}
	for _, t := range tables {
		for _, f := range t {
			number, ok := d.EnumValue(layers.EnumMsgType, f.name)
			if !ok {
				continue // a type of another system
			}
			f.number = uint8(number)
			if f.name == "PCHANGE" && d == layers.RFC2367 {
				f.fromKernel = false // the RFC lets processes send it too, Linux and KAME do not
			}
			list = append(list, f)
		}
	}
	return list
}

// story is a sequence of storyLen valid messages, by the names of their types, in
// a row; one that begins with "<" is from the kernel. A type that the dialect does
// not have is passed over, and the row begins again at its end.
type story struct {
	name   string
	weight int
	row    string
}

var stories = []story{
	{"sa", 4, "GETSPI UPDATE GET UPDATE DUMP GET DELETE GET"},
	{"manual-sa", 4, "ADD GET UPDATE GET ADD DUMP DELETE ADD"},
	{"policy", 4, "SPDADD SPDDUMP SPDUPDATE SPDGET SPDDELETE SPDSETIDX SPDDELETE2 SPDDELETE"},
	{"migrate", 2, "SPDADD MIGRATE ADD MIGRATE MIGRATE DELETE SPDDELETE MIGRATE"},
	{"flow", 3, "ADDFLOW ADDFLOW ADD ASKPOLICY DELFLOW GRPSPIS ADDFLOW DELFLOW"},
	{"pair", 2, "ADD ADD UPDATEPAIR GET INVERSE_ACQUIRE DELPAIR DELPAIR_STATE DELETE"},
	{"house", 2, "REGISTER REGISTER ACQUIRE PROMISC PROMISC DUMP SPDFLUSH FLUSH"},
	{"events", 2, "<ACQUIRE <EXPIRE <NAT_T_NEW_MAPPING <REGISTER <SPDEXPIRE <SPDACQUIRE <ACQUIRE <EXPIRE"},
	{"answers", 2, "<GETSPI <ADD <GET <UPDATE <DUMP <SPDADD <SPDDUMP <DELETE"},
	{"wrapped", 1, "<PROMISC"},
}

// The stories that have no row: any form of the dialect, and whatever.
const (
	formsStory    = "forms"
	formsWeight   = 3
	whateverStory = "whatever"
	anyWeight     = 2
)

// script is a story as a dialect tells it.
type script struct {
	name   string
	weight int
	steps  []*form
}

// scriptsOf makes the scripts of a dialect, without those of which it has not even
// half.
func scriptsOf(forms []form, requests bool) (list []script) {
	for _, s := range stories {
		sc := script{name: s.name, weight: s.weight}
		row := strings.Fields(s.row)
		for _, name := range row {
			name, fromKernel := strings.CutPrefix(name, "<")
			for i := range forms {
				if f := &forms[i]; f.name == name && f.fromKernel == fromKernel && !(requests && fromKernel) {
					sc.steps = append(sc.steps, f)
					break
				}
			}
		}
		if 2*len(sc.steps) > len(row) {
			list = append(list, sc)
		}
	}
	return list
}
