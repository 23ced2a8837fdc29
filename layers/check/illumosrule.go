package check

import "github.com/pfkeycap/pfkeycap/layers"

const (
	illParse  = "illumos uts/common/inet/ip/keysock.c keysock_parse"
	illGetExt = "illumos uts/common/inet/ip/keysock.c keysock_get_ext"
	illCheck  = "illumos uts/common/inet/ip/keysock.c ext_check"
	illDown   = "illumos uts/common/inet/ip/keysock.c keysock_passdown"
	illReg    = "illumos uts/common/inet/ip/keysock.c keysock_extended_register"
	illFix    = "illumos uts/common/inet/ip/sadb.c sadb_addrfix, sadb_addrcheck"
	illReal   = "illumos uts/common/inet/ip/ipsecah.c ah_pfkey_reality_failures, ipsecesp.c esp_pfkey_reality_failures"
	illQuery  = "illumos uts/common/inet/ip/sadb.c sadb_form_query, sadb_getspi; ipsecah.c ah_add_sa; ipsecesp.c esp_add_sa"
	illAdd    = "illumos uts/common/inet/ip/ipsecah.c ah_add_sa, ipsecesp.c esp_add_sa"
	illCommon = "illumos uts/common/inet/ip/sadb.c sadb_common_add"
	illTCP    = "illumos uts/common/inet/tcp/tcp_sig.c tcpsig_sa_handler"
)

// illumosRules are in the order in which the kernel applies them. All refusals are
// messages.
var illumosRules = []Rule{
	{id: cShortHeader, Errno: illMSGSIZE, Source: illParse},
	{id: cLength, Errno: illMSGSIZE, Text: "sadb_msg_len is not the number of 8-byte words written", Source: illParse},
	{id: cVersion, Severity: Warning, Text: "sadb_msg_version is not 2; illumos does not look at it", Source: illParse},
	{id: cErrnoSet, Severity: Note, Text: "a request has sadb_msg_errno set, which illumos reads in ACQUIRE only", Source: illParse},

	{id: cTrailing, Errno: eINVAL, Source: illGetExt},
	{id: cExtType, Errno: eINVAL, Source: illGetExt},
	{id: cUnknownExt, Errno: eINVAL, Text: "an extension has a type above 28, which illumos refuses", Source: illGetExt + ", SADB_EXT_MAX"},
	{id: cZeroLength, Errno: eINVAL, Source: illGetExt},
	{id: cOverrun, Errno: eINVAL, Source: illGetExt},
	{id: cDuplicate, Errno: eINVAL, Source: illGetExt + ", keysock_duplicate"},
	{id: cExtCut, Severity: Warning, Source: illCheck},
	{id: cExtShort, Errno: eINVAL, Text: "a lifetime is shorter than its structure", Source: illCheck},
	{id: cExtLong, Errno: eINVAL, Text: "a lifetime or a key is longer than what it holds, its padding included", Source: illCheck},
	{id: cAddressShort, Errno: eINVAL, Source: illCheck},
	{id: cAddressLength, Severity: Warning, Text: "an address extension is too short for its family; the kernel reads on in what follows", Instead: "use at least 3 words for IPv4 and 5 for IPv6", Source: illCheck},
	{id: cKeyEmpty, Errno: eINVAL, Text: "a key has 0 bits", Instead: "give the key, or leave the extension out", Source: illCheck},
	{id: cKeyOverrun, Errno: eINVAL, Source: illCheck},
	{id: cKeyZero, Severity: Warning, May: []uint8{eINVAL}, Source: illCheck},
	{id: cSPIRange, Errno: eINVAL, Instead: "make min at most max, both in network byte order", Source: illCheck},
	{id: cIdentityCut, Severity: Warning, Source: illCheck},

	{id: cSATypeUnspec, Errno: eINVAL, Text: "the message needs an SA type", Instead: "use 2 (AH) or 3 (ESP)", Source: illParse},
	{id: cSAType, Errno: eINVAL, Instead: "use 2 (AH) or 3 (ESP)", Source: illDown},
	{id: cRelease, Severity: Note, May: []uint8{eINVAL}, Text: "older releases have no TCP signatures", Source: illTCP},
	{id: cERegEnd, Severity: Warning, May: []uint8{eINVAL}, Source: illReg},
	{id: cKernelOnly, Errno: illOPNOTSUPP, Text: "EXPIRE comes from the kernel; illumos takes none", Source: illParse},
	{id: cExtForbidden, Errno: eINVAL, Source: illParse + "; " + "ipsecah.c ah_pfkey_reality_failures, ipsecesp.c esp_pfkey_reality_failures"},
	{id: cType, Errno: eINVAL, Text: "sadb_msg_type is 0 or above 15", Instead: "use a type from 1 (GETSPI) to 15 (X_DELPAIR_STATE); policies go to a socket of the family PF_POLICY", Source: illParse},
	{id: cMessageSAType, Errno: illOPNOTSUPP, Source: illTCP},

	{id: cAddressFamily, Errno: eINVAL, Instead: "use 2 (AF_INET) or 26 (AF_INET6), in the kernel's byte order", Source: illFix},
	{id: cAddressValue, Errno: eINVAL, Source: illFix},
	{id: cAddressPrefix, Errno: eINVAL, Text: "the prefix of an inner address is longer than the address", Source: illFix},
	{id: cAddressPort, Errno: eINVAL, Text: "both the outer and the inner addresses have ports", Instead: "give ports to the inner ones only", Source: illFix},
	{id: cAddressProto, Errno: eINVAL, Source: illFix},
	{id: cFamilies, Errno: eINVAL, Source: illFix},
	{id: cKeyUnused, Errno: eINVAL, Text: "a key that the SA has no use for", Instead: "leave it out", Source: illReal + "; esp_add_sa"},

	{id: cAddressMissing, Errno: eINVAL, Text: "an address is missing: source, destination, inner or of NAT traversal", Instead: "add it", Source: illQuery},
	{id: cSAMissing, Errno: eINVAL, Source: illQuery},
	{id: cSPIRangeMissing, Errno: eINVAL, Source: illQuery},
	{id: cExtMissing, Errno: eINVAL, Text: "a REGISTER without SA type has no EREG", Instead: "add one, or an SA type", Source: illReg},
	{id: cKeyMissing, Errno: eINVAL, Text: "an ESP SA has no KEY_ENCRYPT, an AH SA no KEY_AUTH or a TCP signature no STR_AUTH", Instead: "add the key; NULL encryption has none", Source: illAdd + "; " + "tcp_sig.c tcpsig_sa_add"},
	{id: cState, Errno: eINVAL, Instead: "set it to 1 (MATURE) or 4 (ACTIVE_ELSEWHERE)", Source: illAdd},
	{id: cAlgUnused, Errno: eINVAL, Source: illAdd},
	{id: cAlgMissing, Errno: eINVAL, Text: "an ESP SA names no encryption, or NULL encryption and no authentication", Source: illAdd},
	{id: cSAFlags, Errno: eINVAL, Source: illAdd + "; inet/sadb.h AH_ADD_SETTABLE_FLAGS, ESP_ADD_SETTABLE_FLAGS"},
	{id: cLifetimeOrder, Errno: eINVAL, Text: "a soft or idle limit is above the hard one", Source: "illumos uts/common/inet/ip/sadb.c sadb_hardsoftchk"},
	{id: cCurrent, Errno: illOPNOTSUPP, Source: illAdd},
	{id: cLabel, Severity: Note, May: []uint8{eINVAL, illOPNOTSUPP}, Source: "illumos uts/common/inet/ip/sadb.c sadb_labelchk"},
	{id: cAlgUnknown, Errno: eINVAL, Text: "illumos has no such algorithm, unless ipsecalgs(8) adds it", Source: illAdd + "; /etc/inet/ipsecalgs"},
	{id: cKeySize, Errno: eINVAL, Source: illAdd + "; /etc/inet/ipsecalgs"},
	{id: cInnerProto, Errno: illPROTOTYPE, Source: illCommon},

	{id: cReplyMissing, Severity: Warning, Text: "an extension is missing that illumos puts into every such message", Source: "illumos uts/common/inet/ip/sadb.c sadb_sa2msg, sadb_expire_assoc"},
	{id: cReplyError, Severity: Warning, Text: "an error answer of illumos is the bare header", Source: "illumos uts/common/inet/ip/keysock.c keysock_error"},
	{id: cReplyLength, Severity: Warning, Text: "sadb_msg_len is not the number of 8-byte words read", Source: illCommon},
}

// illumosOutcomes are the answers of illumos that the bytes of a request do not tell,
// by message type.
var illumosOutcomes = map[uint8][]outcome{
	layers.GETSPI: {{eEXIST, noSPI}},
	layers.UPDATE: illumosUpdates,
	layers.ADD: {
		{eEXIST, haveSA},
		{eINVAL, "the key is a weak one, or ipsecalgs(8) has changed the algorithms"},
	},
	layers.DELETE:   {{eSRCH, noSuchSA}},
	layers.GET:      {{eSRCH, noSuchSA}},
	layers.ACQUIRE:  {{eINVAL, "this socket is not registered for extended ACQUIREs, so it must say the SA type"}, {eBUSY, "this socket is not registered"}},
	layers.REGISTER: {{eBUSY, "this socket is registered already: an extended REGISTER must be its first"}, {eINVAL, "nobody in the kernel has the SA type: ipsecah or ipsecesp is not loaded"}},
	layers.FLUSH:    {{eSRCH, "ipsecah and ipsecesp are not loaded"}, {eINVAL, "nobody in the kernel has the SA type: ipsecah or ipsecesp is not loaded"}},
	layers.DUMP:     {{eSRCH, "ipsecah and ipsecesp are not loaded"}, {eINVAL, "nobody in the kernel has the SA type: ipsecah or ipsecesp is not loaded"}},
	illumosInverseAcquire: {
		{eNOENT, "no policy asks for protection between these addresses"},
		{eINVAL, "the kernel does not take these addresses"},
	},
	illumosUpdatePair:   append(illumosUpdates[:len(illumosUpdates):len(illumosUpdates)], outcome{eINVAL, "the SAs cannot be a pair"}),
	illumosDelPair:      {{eSRCH, noSuchSA}},
	illumosDelPairState: {{eSRCH, noSuchSA}},
}

var illumosUpdates = []outcome{
	{eSRCH, noSuchSA},
	{eINVAL, "the SA is mature, and the request has keys or what cannot be changed; or it is larval, and the request has not what an ADD needs"},
}

// illumosDiagnostics say what diagnostics mean that only the kernel's state brings
// (usr/src/lib/libipsecutil/common, keysock_diag).
var illumosDiagnostics = map[uint16]string{
	diagUnknownSAType: "nobody in the kernel has the SA type: ipsecah or ipsecesp is not loaded",
	diagSATypeNeeded:  "this socket is not registered for extended ACQUIREs, so it must say the SA type",
	diagNoSADBs:       "ipsecah and ipsecesp are not loaded",
	diagBadSrc:        "the source is a broadcast address",
	diagDuplicateSA:   haveSA,
	diagAKeyPresent:   "the SA is mature: its authentication key cannot be changed",
	diagEKeyPresent:   "the SA is mature: its encryption key cannot be changed",
	diagBadAAlg:       "ipsecalgs(8) has taken the authentication algorithm away",
	diagBadEAlg:       "ipsecalgs(8) has taken the encryption algorithm away",
	diagBadFlags:      "flags that cannot be changed",
	diagBadState:      "the SA cannot go into this state",
	diagBadAKeyBits:   "ipsecalgs(8) allows no authentication key of this size",
	diagBadEKeyBits:   "ipsecalgs(8) allows no encryption key of this size",
	diagWeakEKey:      "the encryption key is a weak one",
	48:                "the authentication key is a weak one",
	49:                "the SA belongs to another key management protocol",
	50:                "the SA has another key management cookie",
	diagMalformedLoc:  "the local address of NAT traversal is this host's own",
	diagMalformedRem:  "the remote address of NAT traversal is this host's own",
	73:                "an SA that is both inbound and outbound has no pair",
	74:                "the SA and its pair do not belong to the same hosts",
	75:                "the SA has a pair already",
	diagPairNotFound:  "no such SA: the one to pair with is not there",
	77:                "the direction does not match the SA",
	diagSANotFound:    noSuchSA,
	79:                "the SA has expired",
	80:                "the kernel's crypto cannot use the algorithm",
	81:                "the replay value is below the SA's",
	82:                "an idle SA needs an idle lifetime",
	83:                "only a system with Trusted Extensions takes labels",
}
