package check

import "github.com/pfkeycap/pfkeycap/layers"

const (
	obsdParse  = "OpenBSD 7.6 sys/net/pfkeyv2_parsemessage.c"
	obsdSend   = "OpenBSD 7.6 sys/net/pfkeyv2.c pfkeyv2_dosend"
	obsdOutput = "OpenBSD 7.6 sys/net/pfkeyv2.c pfkeyv2_output"
	obsdProto  = "OpenBSD 7.6 sys/net/pfkeyv2.c pfkeyv2_get_proto_alg"
	obsdFlow   = "OpenBSD 7.6 sys/net/pfkeyv2_convert.c import_flow"
	obsdInit   = "OpenBSD 7.6 sys/netinet/ip_esp.c esp_init, ip_ah.c ah_init, ip_ipcomp.c ipcomp_init, tcp_subr.c tcp_signature_tdb_init"
	obsdSPI    = "OpenBSD 7.6 sys/netinet/ip_ipsp.c reserve_spi"
)

// openBSDRules are in the order in which the kernel applies them. EINVAL is always
// the errno of write(2); most others go to all sockets.
var openBSDRules = []Rule{
	{id: cMessageSize, Errno: bsdMSGSIZE, ByWrite: true, Instead: "use at most 4096 bytes", Source: obsdOutput + ", PFKEY_MSG_MAXSZ"},
	{id: cShortHeader, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cLength, Errno: eINVAL, ByWrite: true, Text: "sadb_msg_len is not the number of 8-byte words written", Source: obsdParse},
	{id: cReserved, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cType, Errno: eINVAL, ByWrite: true, Text: "sadb_msg_type is 0 or above 16", Instead: "use a type from 1 (GETSPI) to 15 (X_ASKPOLICY)", Source: obsdParse + ", SADB_MAX"},
	{id: cPID, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cErrnoSet, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cVersion, Severity: Warning, Text: "sadb_msg_version is not 2; OpenBSD does not look at it", Source: obsdParse},

	{id: cTrailing, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cZeroLength, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cOverrun, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cUnknownExt, Errno: eINVAL, ByWrite: true, Text: "an extension has a type above 40, which OpenBSD refuses", Source: obsdParse + ", SADB_EXT_MAX"},
	{id: cExtType, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cExtForbidden, Errno: eINVAL, ByWrite: true, Source: obsdParse + ", sadb_exts_allowed_in"},
	{id: cRelease, Severity: Warning, May: []uint8{eINVAL}, Source: obsdParse + "; seen on 4.4"},
	{id: cDuplicate, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cExtShort, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cExtLong, Errno: eINVAL, ByWrite: true, Text: "an extension is longer than what it holds, its padding included", Source: obsdParse},
	{id: cExtOption, Severity: Note, May: []uint8{eINVAL}, Source: obsdParse + ", NPF; seen on 4.4"},
	{id: cState, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cAlgRange, Errno: eINVAL, ByWrite: true, Text: "the number of an algorithm is too large: above 12 for authentication, 22 for encryption", Source: obsdParse + ", SADB_AALG_MAX, SADB_EALG_MAX"},
	{id: cReplay, Errno: eINVAL, ByWrite: true, Text: "a replay window above 64", Instead: "use at most 64", Source: obsdParse},
	{id: cAddressShort, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cReservedField, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cSockaddrLength, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cAddressFamily, Errno: eINVAL, ByWrite: true, Instead: "use 2 (AF_INET) or 24 (AF_INET6), the second octet of the sockaddr", Source: obsdParse},
	{id: cAddressLength, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cAddressZero, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cAddressPort, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cKeyEmpty, Errno: eINVAL, ByWrite: true, Text: "a key has 0 bits", Instead: "give the key, or leave the extension out; NULL encryption needs none", Source: obsdParse},
	{id: cKeyOverrun, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cIdentType, Errno: eINVAL, ByWrite: true, Instead: "use 1 (PREFIX), 2 (FQDN), 3 (USERFQDN) or 4 (ASN1_DN)", Source: obsdParse + ", SADB_IDENTTYPE_MAX"},
	{id: cIdentity, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cProposal, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cSPIRange, Errno: eINVAL, ByWrite: true, Source: obsdParse},
	{id: cSAMissing, Errno: eINVAL, ByWrite: true, Source: obsdParse + ", sadb_exts_required_in"},
	{id: cAddressMissing, Errno: eINVAL, ByWrite: true, Text: "there is no destination address, or in GETSPI and UPDATE no source address", Instead: "add it", Source: obsdParse + ", sadb_exts_required_in"},
	{id: cSPIRangeMissing, Errno: eINVAL, ByWrite: true, Source: obsdParse + ", sadb_exts_required_in"},
	{id: cPolicyMissing, Errno: eINVAL, ByWrite: true, Source: obsdParse + ", sadb_exts_required_in"},
	{id: cExtMissing, Errno: eINVAL, ByWrite: true, Source: obsdParse + ", sadb_exts_required_in; pfkeyv2.c pfkeyv2_dosend"},

	{id: cRDomain, Severity: Note, May: []uint8{eINVAL}, Source: obsdSend},
	{id: cSAType, Errno: bsdOPNOTSUPP, Instead: "use 1 (AH), 2 (ESP), 7 (IPIP), 8 (TCPSIGNATURE) or 9 (IPCOMP)", Source: obsdProto},
	{id: cSPIRangeLow, Errno: eINVAL, ByWrite: true, Text: "the range holds only reserved SPIs, below 256", Source: obsdSPI},
	{id: cSPIRangeCPI, Errno: eINVAL, ByWrite: true, Text: "the range of an IPCOMP index reaches the private ones, from 61440", Instead: "use a range that ends between 0x100 and 0xefff", Source: obsdSPI},
	{id: cEncapSAType, Errno: eINVAL, ByWrite: true, Instead: "leave UDPENCAP out", Source: obsdSend},
	{id: cEncapKernel, Severity: Note, May: []uint8{eINVAL}, Text: "UDP encapsulation may be switched off", Instead: "sysctl net.inet.esp.udpencap=1", Source: obsdSend},
	{id: cFamilies, Errno: eINVAL, ByWrite: true, Text: "flows and masks are of different address families", Instead: "give all four in the same family", Source: obsdFlow},
	{id: cAlgMissing, Errno: eINVAL, ByWrite: true, Source: obsdInit},
	{id: cAlgUnknown, Errno: eINVAL, ByWrite: true, Text: "OpenBSD has no such algorithm for the SA type", Source: obsdInit},
	{id: cKeyMissing, Errno: eINVAL, ByWrite: true, Text: "an algorithm has no key", Instead: "add the key", Source: obsdInit},
	{id: cKeySize, Errno: eINVAL, ByWrite: true, Source: obsdInit + "; sys/crypto/xform.c"},
	{id: cSATypeEmpty, Severity: Warning, May: []uint8{eSRCH}, Text: "an SA type that OpenBSD does not know is taken for IPIP", Instead: "use 1 (AH), 2 (ESP), 7 (IPIP), 8 (TCPSIGNATURE) or 9 (IPCOMP)", Source: "OpenBSD 7.6 sys/net/pfkeyv2.h SADB_X_GETSPROTO"},
	{id: cRegister, Severity: Warning, Text: "OpenBSD has SA types up to 9", Instead: "use 1 (AH), 2 (ESP) or 9 (IPCOMP)", Source: obsdSend},
	{id: cFlushSAType, Errno: eINVAL, ByWrite: true, Source: obsdSend},
	{id: cPolicyDir, Errno: eINVAL, ByWrite: true, Text: "the flow's direction is neither 1 (IN) nor 2 (OUT)", Source: obsdSend},
	{id: cPolicyType, Errno: eINVAL, ByWrite: true, Text: "the flow's type is none of 1 (USE) to 6 (DONTACQ)", Instead: "use one of these", Source: obsdSend},
	{id: cKernelOnly, Errno: eINVAL, ByWrite: true, Text: "policies are given by sysctl(2) only", Instead: "use sysctl(2) with NET_KEY_SPD_DUMP", Source: obsdSend},
	{id: cReplyForbidden, Errno: ePERM, ByWrite: true, Source: obsdSend + ", sadb_exts_allowed_out"},

	{id: cReplyMissing, Severity: Warning, Text: "an extension is missing that OpenBSD puts into every such message", Source: obsdParse + ", sadb_exts_required_out"},
	{id: cReplyExtra, Severity: Warning, Source: obsdParse + ", sadb_exts_allowed_out"},
	{id: cReplyError, Severity: Warning, Text: "an error answer of OpenBSD is the bare header", Source: obsdSend},
	{id: cReplyLength, Severity: Warning, Text: "sadb_msg_len is not the number of 8-byte words read", Source: "OpenBSD 7.6 sys/net/pfkeyv2.c pfkeyv2_sendmessage"},
}

// openBSDOutcomes are the answers of OpenBSD that the bytes of a request do not
// tell, by message type.
var openBSDOutcomes = map[uint8][]outcome{
	layers.GETSPI: {
		{eEXIST, noSPI},
		openBSDDisabled,
	},
	layers.UPDATE: {
		{eSRCH, noSuchSA},
		{eINVAL, "the SA is mature, and the request has keys or identities; or it is larval, and the request has not what its algorithms need"},
		openBSDDisabled,
	},
	layers.ADD: {
		{eEXIST, haveSA},
		openBSDDisabled,
	},
	layers.DELETE: {{eSRCH, noSuchSA}},
	layers.GET: {
		{eSRCH, noSuchSA},
		{ePERM, "the SA is one of a group: the kernel refuses to put the other SAs into the answer"},
	},
	layers.DUMP:      {{eNOENT, "there are no SAs"}},
	openBSDAddFlow:   {{eEXIST, "a flow with this selector exists already"}},
	openBSDDelFlow:   {{eSRCH, "no flow has this selector"}},
	openBSDGrpSPIs:   {{eSRCH, "one of the two SAs does not exist, or they are a group already"}},
	openBSDAskPolicy: {{eSRCH, "no ACQUIRE of this number is pending"}},
}

var openBSDDisabled = outcome{bsdOPNOTSUPP, "the protocol is switched off: sysctl net.inet.esp.enable, net.inet.ah.enable or net.inet.ipcomp.enable"}
