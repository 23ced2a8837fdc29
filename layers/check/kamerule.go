package check

// kameRule is a rule of some of the systems. In its texts {os} stands for the
// system's name and {max} for its SADB_MAX, in its Source {key} and {alg} for its
// release and the directories of key.c and of the algorithms.
type kameRule struct {
	on kameSet
	Rule
}

const (
	kameParse  = "{key}key.c key_parse"
	kameAlign  = "{key}key.c key_align"
	kameSetSA  = "{key}key.c key_setsaval"
	kameMature = "{key}key.c key_mature"
	kameMsg2SP = "{key}key.c key_msg2sp"
)

// kameRules are in the order in which the kernels apply them, roughly. Where they
// differ in the errno of a rule, or in whether it is in the answer, there are several
// entries.
var kameRules = []kameRule{
	// key_output and key_parse.
	{onAll, Rule{id: cSendBuffer, Errno: bsdMSGSIZE, ByWrite: true, Text: "the message is longer than a socket's default send buffer, 8192 bytes", Instead: "send no more than 2048 bytes, which is all the kernel takes even with a larger SO_SNDBUF", Source: "{key}keysock.c key_attach; RAWSNDQ"}},
	{onAll, Rule{id: cShortHeader, Errno: eINVAL, ByWrite: true, Source: "{key}keysock.c key_output"}},
	{onAll, Rule{id: cLength, Errno: eINVAL, ByWrite: true, Text: "sadb_msg_len is not the number of 8-byte words written", Source: "{key}keysock.c key_output"}},
	{onAll, Rule{id: cVersion, Errno: eINVAL, Source: kameParse}},
	{onAll, Rule{id: cType, Errno: eINVAL, Text: "sadb_msg_type is 0 or above {max}", Instead: "use a type from 1 (GETSPI) to {max}", Source: kameParse + "; SADB_MAX"}},
	{onAll, Rule{id: cMessageSize, Errno: bsdNOBUFS, ByWrite: true, Text: "the message is longer than 2048 bytes, an mbuf cluster", Source: kameParse + "; MCLBYTES"}},

	// key_align and key_validate_ext: write fails, and no answer comes.
	{onAll, Rule{id: cExtType, Errno: eINVAL, ByWrite: true, Source: kameAlign}},
	{onFreeBSD, Rule{id: cUnknownExt, Errno: eINVAL, ByWrite: true, Text: "an extension has a type that {os} refuses: KMPRIVATE, or above 31", Source: kameAlign}},
	{onNetBSD, Rule{id: cUnknownExt, Errno: eINVAL, ByWrite: true, Text: "an extension has a type that {os} refuses: KMPRIVATE, or above 25", Source: kameAlign}},
	{onMacOS, Rule{id: cUnknownExt, Errno: eINVAL, ByWrite: true, Text: "an extension has a type that {os} refuses: KMPRIVATE, or above 29", Source: kameAlign}},
	{onDragonFly, Rule{id: cUnknownExt, Errno: eINVAL, ByWrite: true, Text: "an extension has a type that {os} refuses: KMPRIVATE, or above 19", Source: kameAlign}},
	{onFreeBSD, Rule{id: cRelease, Severity: Warning, May: []uint8{eINVAL}, Text: "CHACHA20POLY1305 came with {os} 14, the extensions 29 to 31 for inline offload with 15", Instead: "use AESGCM16; leave the extension out", Source: "{key}key.c key_align, supported_ealgs"}},
	{onAll, Rule{id: cDuplicate, Errno: eINVAL, ByWrite: true, Text: "an extension occurs twice", Source: kameAlign}},
	{onAll, Rule{id: cZeroLength, Errno: eINVAL, ByWrite: true, Source: "{key}key.c key_validate_ext"}},
	{onAll, Rule{id: cExtShort, Errno: eINVAL, ByWrite: true, Source: "{key}key.c key_validate_ext, minsize"}},
	{onAll, Rule{id: cExtLong, Errno: eINVAL, ByWrite: true, Text: "an extension that has one size is longer", Source: "{key}key.c key_validate_ext, maxsize"}},
	{onAll, Rule{id: cAddressShort, Errno: eINVAL, ByWrite: true, Source: "{key}key.c key_validate_ext"}},
	{onAll, Rule{id: cAddressLength, Errno: eINVAL, ByWrite: true, Text: "an address extension has not exactly the length for its sa_len", Source: "{key}key.c key_validate_ext"}},
	{onAll, Rule{id: cIdentityAddress, Errno: eINVAL, ByWrite: true, Source: "{key}key.c key_validate_ext"}},
	{onMacOS, Rule{id: cKeyOverrun, Errno: eINVAL, ByWrite: true, Source: "{key}key.c key_validate_ext"}},
	{onAll &^ onMacOS, Rule{id: cKeyOverrun, Severity: Error, Text: "a key has more bits than its extension holds; if the algorithm takes so many, the kernel reads them from beyond", Source: "{key}key.c key_setsaval, key_validate_ext"}},
	{onMacOS, Rule{id: cOverrun, Errno: eINVAL, ByWrite: true, Source: kameAlign}},
	{onAll &^ onMacOS, Rule{id: cOverrun, Errno: bsdNOBUFS, ByWrite: true, Source: kameAlign + ", m_pulldown"}},

	// key_parse: the SA type and the addresses.
	{onFreeBSD, Rule{id: cDumpScope, Errno: eINVAL, Source: kameParse}},
	{onAll, Rule{id: cSATypeUnspec, Errno: eINVAL, Text: "GETSPI, UPDATE, ADD, DELETE, GET and ACQUIRE need an SA type", Instead: "name the SA type: 2 (AH), 3 (ESP)", Source: kameParse}},
	{onAll, Rule{id: cSATypePolicy, Errno: eINVAL, Source: kameParse}},
	{onAll, Rule{id: cSATypeUnsupported, Errno: bsdOPNOTSUPP, Source: kameParse}},
	{onNetIPsec, Rule{id: cSAType, Errno: eINVAL, Text: "the SA type is none of 0 (all), 2 (AH), 3 (ESP), 9 (IPCOMP), 11 (TCPSIGNATURE)", Instead: "use one of these", Source: kameParse}},
	{onMacOS, Rule{id: cSAType, Errno: eINVAL, Text: "the SA type is none of 0 (all), 2 (AH), 3 (ESP)", Instead: "use one of these; {os} has no IPCOMP any more", Source: kameParse}},
	{onDragonFly, Rule{id: cSAType, Errno: eINVAL, Text: "the SA type is none of 0 (all), 2 (AH), 3 (ESP), 9 (IPCOMP)", Instead: "use one of these", Source: kameParse}},
	{onAll, Rule{id: cAddressProto, Errno: eINVAL, Source: kameParse}},
	{onAll, Rule{id: cFamilies, Errno: eINVAL, Source: kameParse}},
	{onAll, Rule{id: cSockaddrLength, Errno: eINVAL, Source: kameParse}},
	{onAll, Rule{id: cAddressFamily, Errno: bsdAFNOSUPPORT, Instead: "use AF_INET or AF_INET6 with {os}'s own numbers", Source: kameParse}},
	{onAll, Rule{id: cAddressPrefix, Errno: eINVAL, Source: kameParse}},
	{onAll, Rule{id: cKernelOnly, Errno: eINVAL, Text: "messages of this type come from the kernel; {os} takes none", Source: kameParse + ", key_typesw"}},

	// What does not count.
	{onAll, Rule{id: cExtIgnored, Severity: Note, Text: "{os} does not read this extension in this message", Source: "{key}key.c key_typesw"}},
	{onAll, Rule{id: cErrnoSet, Severity: Note, Text: "a request has sadb_msg_errno set, which {os} reads in ACQUIRE only", Source: "{key}key.c key_typesw"}},
	{onAll, Rule{id: cAcquireEmpty, Severity: Note, Source: "{key}key.c key_acquire2"}},
	{onAll, Rule{id: cPromiscData, Severity: Note, Source: "{key}key.c key_promisc"}},

	// The handlers: what must be there.
	{onAll, Rule{id: cSAMissing, Errno: eINVAL, Source: "{key}key.c key_update, key_add, key_get"}},
	{onAll, Rule{id: cAddressMissing, Errno: eINVAL, Source: "{key}key.c key_getspi, key_update, key_add, key_delete, key_get, key_acquire2, key_spdadd, key_spddelete"}},
	{onAll, Rule{id: cPolicyMissing, Errno: eINVAL, Source: "{key}key.c key_spdadd, key_spddelete, key_spddelete2, key_spdget"}},
	{onFreeBSD | onDragonFly, Rule{id: cExtMissing, Errno: eINVAL, Text: "an ACQUIRE of a process has no PROPOSAL", Source: "{key}key.c key_acquire2"}},
	{onNetBSD, Rule{id: cExtMissing, Errno: eINVAL, Text: "an ACQUIRE of a process has no PROPOSAL, or NAT_T_NEW_MAPPING not all of NAT_T_TYPE, NAT_T_SPORT and NAT_T_DPORT", Source: "{key}key.c key_acquire2, key_nat_map"}},
	{onMacOS, Rule{id: cExtMissing, Errno: eINVAL, Text: "an ACQUIRE of a process has no PROPOSAL, GETSASTAT not both SESSION_ID and SASTAT, or MIGRATE not both new addresses", Source: "{key}key.c key_acquire2, key_getsastat, key_migrate"}},
	{onAll, Rule{id: cKeyMissing, Errno: eINVAL, Source: "{key}key.c key_add, key_update"}},
	{onFreeBSD, Rule{id: cKeyMissingLarval, Severity: Warning, May: []uint8{eINVAL}, Source: "{key}key.c key_update"}},
	{onAll, Rule{id: cLifetimePair, Errno: eINVAL, Source: "{key}key.c key_add, key_update"}},
	{onAll, Rule{id: cDeleteAll, Severity: Warning, Source: "{key}key.c key_delete_all"}},
	{onAll, Rule{id: cNotBare, Errno: eINVAL, Source: "{key}key.c key_spdflush"}},
	{onAll, Rule{id: cPromisc, Errno: eINVAL, Source: "{key}key.c key_promisc"}},
	{onNetBSD, Rule{id: cMappingIgnored, Severity: Warning, Source: "{key}key.c key_nat_map"}},
	{onMacOS, Rule{id: cSAStatEmpty, Errno: eNOENT, Source: "{key}key.c key_getsastat"}},
	{onMacOS, Rule{id: cSAStatLength, Errno: eINVAL, Source: "{key}key.c key_getsastat"}},

	// GETSPI.
	{onAll, Rule{id: cMode, Severity: Warning, Text: "sadb_x_sa2_mode is none that packets are sent in; the kernel stores it nevertheless", Instead: "use 0 (any), 1 (transport) or 2 (tunnel)", Source: "{key}key.c key_getspi, key_add, key_update"}},
	{onAll &^ onMacOS, Rule{id: cSPIRangeCPI, Severity: Note, Text: "an IPCOMP index has 16 bits: the range is cut down", Instead: "use a range up to 0xffff", Source: "{key}key.c key_do_getnewspi"}},
	{onFreeBSD, Rule{id: cSPIRangeZero, Errno: eEXIST, Source: "{key}key.c key_do_getnewspi"}},
	{onAll &^ onFreeBSD, Rule{id: cSPIRangeZero, Errno: eINVAL, Source: "{key}key.c key_do_getnewspi"}},
	{onAll &^ onMacOS, Rule{id: cSPIRangeDivision, Severity: Error, Source: "{key}key.c key_do_getnewspi"}},
	{onFreeBSD, Rule{id: cSPIRange, Severity: Warning, May: []uint8{eINVAL}, Text: "the SPI range ends before it begins: the kernel chooses one outside it, and may refuse it then", Source: "{key}key.c key_do_getnewspi, key_newsav"}},
	{onAll &^ onFreeBSD, Rule{id: cSPIRange, Severity: Warning, Text: "the SPI range ends before it begins: the kernel chooses one outside it", Source: "{key}key.c key_do_getnewspi"}},
	{onFreeBSD, Rule{id: cSPIRangeLow, Severity: Warning, May: []uint8{eINVAL}, Text: "the range holds reserved SPIs below 256: if one is chosen, the kernel refuses it", Source: "{key}key.c key_do_getnewspi, key_newsav"}},
	{onAll &^ onFreeBSD, Rule{id: cSPIRangeLow, Severity: Warning, Text: "the range holds reserved SPIs below 256: the SA of one can never be MATURE", Source: "{key}key.c key_do_getnewspi, key_mature"}},

	// UPDATE and ADD: key_setsaval and key_mature.
	{onAll, Rule{id: cStateIgnored, Severity: Note, Text: "{os} does not insist on sadb_sa_state: the SA will be MATURE", Source: "{key}key.c key_add, key_update"}},
	{onFreeBSD, Rule{id: cSPIReserved, Errno: eINVAL, Text: "SPIs below 256 are reserved", Source: "{key}key.c key_newsav"}},
	{onAll &^ onFreeBSD, Rule{id: cSPIReserved, Errno: eINVAL, Text: "SPIs below 256 are reserved", Source: kameMature}},
	{onAll &^ onMacOS, Rule{id: cIdentityPair, Errno: eINVAL, Source: "{key}key.c key_setident"}},
	{onFreeBSD, Rule{id: cSAFlags, Errno: eINVAL, Source: kameSetSA + "; {alg}xform_esp.c esp_init, xform_ah.c ah_init0"}},
	{onNetBSD, Rule{id: cSAFlags, Errno: eINVAL, Source: kameMature + "; {alg}xform_esp.c esp_init"}},
	{onNetKey, Rule{id: cSAFlags, Errno: eINVAL, Source: kameMature + "; {alg}esp_core.c"}},
	{onFreeBSD, Rule{id: cReplay, Errno: eINVAL, Text: "SA_REPLAY is above 4294967263 packets", Instead: "use a window that fits in memory", Source: kameSetSA}},
	{onMacOS, Rule{id: cSAShort, Errno: eINVAL, Source: "{key}key.c key_setsaval, key_migrate"}},
	{onMacOS, Rule{id: cKeyLong, Errno: eINVAL, Source: kameSetSA + "; IPSEC_KEY_AUTH_MAX_BYTES"}},
	{onMacOS, Rule{id: cKeySAType, Errno: eINVAL, Text: "an AH SA has no key for encryption", Source: kameSetSA}},
	{onAll &^ onMacOS, Rule{id: cKeySAType, Errno: eINVAL, Source: kameSetSA}},
	{onAll, Rule{id: cKeyEmpty, Errno: eINVAL, Text: "a KEY extension holds no key, and its algorithm is not NULL", Source: kameSetSA}},
	{onMacOS, Rule{id: cLifetimeOverflow, Errno: eINVAL, Source: "{key}key.c key_setsaval, key_spdadd"}},
	{onFreeBSD, Rule{id: cAlgSAType, Errno: eINVAL, Source: kameSetSA}},
	{onNetBSD, Rule{id: cAlgSAType, Errno: eINVAL, Source: kameMature}},
	{onNetKey, Rule{id: cAlgSAType, Errno: eINVAL, Text: "the SA names an algorithm of another SA type, or an AH SA NULL authentication", Source: kameMature + "; {alg}ah_core.c ah_none_mature"}},
	{onFreeBSD, Rule{id: cCPI, Errno: eINVAL, Text: "an IPCOMP index has 16 bits", Instead: "use one up to 0x0000ffff, or set the flag RAWCPI", Source: kameSetSA}},
	{onNetBSD | onDragonFly, Rule{id: cCPI, Errno: eINVAL, Text: "an IPCOMP index has 16 bits", Instead: "use one up to 0x0000ffff, or set the flag RAWCPI", Source: kameMature}},

	// The algorithms.
	{onFreeBSD, Rule{id: cAlgUnknown, Errno: eINVAL, Text: "{os} 13 has no such algorithm for the SA type; DES, 3DES, Blowfish, CAST128, Camellia, MD5HMAC, RIPEMD160HMAC, keyed MD5 and SHA1 are gone since that release", Source: "{key}key.c supported_ealgs, supported_aalgs, supported_calgs; {alg}xform_tcp.c tcpsignature_init"}},
	{onNetBSD, Rule{id: cAlgUnknown, Errno: eINVAL, Text: "{os} has no such algorithm for the SA type; NULL authentication, keyed MD5 and keyed SHA1 are beyond its AH_ALG_MAX", Source: "{alg}xform_esp.c esp_algorithm_lookup, xform_ah.c ah_algorithm_lookup, xform_ipcomp.c ipcomp_algorithm_lookup, xform_tcp.c tcpsignature_init"}},
	{onNetKey, Rule{id: cAlgUnknown, Errno: eINVAL, Text: "{os} has no such algorithm for the SA type; its numbers of algorithms are KAME's own", Source: "{alg}esp_core.c esp_algorithm_lookup, ah_core.c ah_algorithm_lookup"}},
	{onNetIPsec, Rule{id: cAlgMissing, Errno: eINVAL, Source: "{alg}xform_esp.c esp_init, xform_ah.c ah_init0, xform_ipcomp.c ipcomp_init, xform_tcp.c tcpsignature_init"}},
	{onNetKey, Rule{id: cAlgMissing, Errno: eINVAL, Instead: "name one; 3 is NULL encryption", Source: kameMature}},
	{onNetIPsec, Rule{id: cKeyAbsent, Errno: eINVAL, Text: "authentication without a key", Source: "{alg}xform_ah.c ah_init0, xform_tcp.c tcpsignature_init"}},
	{onNetKey, Rule{id: cKeyAbsent, Errno: eINVAL, Text: "authentication without a key", Source: kameMature}},
	{onNetIPsec, Rule{id: cKeySize, Errno: eINVAL, Source: "{alg}xform_esp.c esp_init, xform_ah.c ah_init0, xform_tcp.c tcpsignature_init"}},
	{onNetKey, Rule{id: cKeySize, Errno: eINVAL, Source: kameMature + "; {alg}esp_core.c, ah_core.c"}},
	{onNetBSD, Rule{id: cKeySizeCrash, Severity: Error, Source: "{alg}xform_esp.c esp_init"}},
	{onFreeBSD, Rule{id: cAlgAEADAuth, Errno: eINVAL, Source: "{alg}xform_esp.c esp_init; FreeBSD 13.0 sys/opencrypto/crypto.c check_csp"}},
	{onNetBSD, Rule{id: cAlgAEADAuth, Severity: Warning, Text: "a combined-mode cipher and an authentication besides, which is not used", Source: "{alg}xform_esp.c esp_init"}},
	{onFreeBSD, Rule{id: cAlgUnsupported, Errno: bsdOPNOTSUPP, Source: "FreeBSD 13.0 sys/opencrypto/cryptosoft.c swcr_auth_supported, swcr_probesession"}},
	{onFreeBSD, Rule{id: cAuthKeySize, Severity: Warning, Text: "the authentication key is not of the size the algorithm's RFC demands; {os} takes any up to a block of the hash", Source: "{alg}xform_ah.c ah_init0; RFC 2404, 4868"}},
	{onNetIPsec, Rule{id: cKeyBits, Severity: Note, Text: "a key's bits are no multiple of 8", Source: "{alg}xform_esp.c esp_init, xform_ah.c ah_init0"}},
	{onNetKey, Rule{id: cKeyBits, Severity: Note, Text: "a key's bits are no multiple of 8", Source: kameMature}},
	{onAll, Rule{id: cKeyUnused, Severity: Warning, Source: kameSetSA}},
	{onNetBSD, Rule{id: cSPITCP, Errno: eINVAL, Source: "{alg}xform_tcp.c tcpsignature_init; TCP_SIG_SPI"}},
	{onNetBSD, Rule{id: cImmature, Severity: Error, May: []uint8{eINVAL}, Source: "{key}key.c key_update"}},
	{onDragonFly, Rule{id: cImmature, Severity: Error, Source: "{key}key.c key_update"}},
	{onAll, Rule{id: cLifetimeOrder, Severity: Warning, Source: rfc + "3.1.8"}},

	// NAT traversal.
	{onFreeBSD, Rule{id: cEncapPartial, Severity: Warning, Source: "{key}key.c key_setnatt"}},
	{onNetBSD, Rule{id: cEncapPartial, Severity: Warning, Source: "{key}key.c key_handle_natt_info"}},
	{onFreeBSD, Rule{id: cEncapSAType, Severity: Warning, Text: "only ESP can be encapsulated: the NAT_T extensions are not used", Source: "{key}key.c key_setnatt"}},
	{onNetBSD, Rule{id: cEncapSAType, Severity: Warning, Text: "only ESP can be encapsulated; {os} stores it nevertheless", Source: "{key}key.c key_handle_natt_info"}},
	{onFreeBSD, Rule{id: cEncapType, Errno: eINVAL, Source: "{key}key.c key_setnatt"}},
	{onNetBSD, Rule{id: cEncapType, Severity: Warning, Text: "sadb_x_nat_t_type_type is no encapsulation that {os} has; it stores it nevertheless", Instead: "use 2 (ESPINUDP), or 1 (ESPINUDP_NON_IKE)", Source: "{key}key.c key_handle_natt_info"}},
	{onFreeBSD, Rule{id: cEncapPort, Errno: eINVAL, Source: "{key}key.c key_setnatt"}},
	{onNetBSD, Rule{id: cEncapPort, Severity: Warning, Text: "a port for encapsulation is 0; {os} stores it nevertheless", Source: "{key}key.c key_handle_natt_info"}},
	{onMacOS, Rule{id: cEncapPort, Errno: eINVAL, Text: "the flag NATT is set, and sadb_sa_natt_port is 0", Instead: "set sadb_sa_natt_port to the port of the peer, 4500 where no NAT changes it", Source: kameSetSA}},
	{onFreeBSD, Rule{id: cEncapOriginal, Errno: eINVAL, Source: "{key}key.c key_setnatt"}},
	{onFreeBSD, Rule{id: cEncapUpdate, Errno: eINVAL, Source: "{key}key.c key_updateaddresses"}},
	{onFreeBSD, Rule{id: cNewAddress, Severity: Error, Source: "{key}key.c key_updateaddresses"}},

	// Policies.
	{onAll, Rule{id: cPolicyDir, Errno: eINVAL, Text: "the policy's direction is neither 1 (INBOUND) nor 2 (OUTBOUND)", Instead: "use 1 or 2; there are no forwarding policies", Source: "{key}key.c key_spdadd, key_spddelete"}},
	{onNetBSD, Rule{id: cPolicyDirSilent, Severity: Error, May: []uint8{eINVAL}, Text: "the policy's direction is neither 1 (INBOUND) nor 2 (OUTBOUND): nothing happens, and no answer comes; from NetBSD 8 on EINVAL", Source: "{key}key.c key_spdadd"}},
	{onDragonFly, Rule{id: cPolicyDirSilent, Severity: Error, Source: "{key}key.c key_spdadd"}},
	{onFreeBSD, Rule{id: cPolicyType, Errno: eINVAL, Source: "{key}key.c key_spdadd, key_spddelete"}},
	{onNetBSD | onDragonFly, Rule{id: cPolicyType, Errno: eINVAL, Source: "{key}key.c key_spdadd, key_msg2sp"}},
	{onMacOS, Rule{id: cPolicyType, Errno: eINVAL, Text: "the policy's type is none of 0 (DISCARD), 1 (NONE), 2 (IPSEC), 5 (GENERATE)", Source: "{key}key.c key_spdadd, key_msg2sp"}},
	{onFreeBSD, Rule{id: cPolicyEmpty, Errno: eINVAL, Text: "an IPSEC policy has no requests", Source: "{key}key.c key_spdadd"}},
	{onAll &^ onFreeBSD, Rule{id: cPolicyEmpty, Errno: eINVAL, Text: "an IPSEC policy has no requests, which only SPDSETIDX may lack", Source: "{key}key.c key_spdadd"}},
	{onAll, Rule{id: cPolicyUnused, Severity: Note, Source: kameMsg2SP}},
	{onAll, Rule{id: cRequestLength, Errno: eINVAL, Text: "a request's length is below 8 or more than what is left of the policy; it counts bytes, not words", Instead: "set it to 8 plus the bytes of its two addresses", Source: kameMsg2SP}},
	{onFreeBSD, Rule{id: cRequestDepth, Errno: eINVAL, Text: "a policy has more than 4 requests", Instead: "use at most 4", Source: kameMsg2SP + "; IPSEC_MAXREQ"}},
	{onAll &^ onMacOS, Rule{id: cRequestProto, Errno: bsdPROTONOSUPPORT, Text: "a request's protocol is none of 50 (ESP), 51 (AH), 108 (IPCOMP)", Source: kameMsg2SP}},
	{onMacOS, Rule{id: cRequestProto, Errno: bsdPROTONOSUPPORT, Text: "a request's protocol is neither 50 (ESP) nor 51 (AH)", Source: kameMsg2SP}},
	{onAll, Rule{id: cRequestMode, Errno: eINVAL, Text: "a request's mode is neither 1 (transport) nor 2 (tunnel)", Instead: "use 1 or 2", Source: kameMsg2SP}},
	{onAll, Rule{id: cRequestLevel, Errno: eINVAL, Text: "a request's level is none of 0 (DEFAULT), 1 (USE), 2 (REQUIRE), 3 (UNIQUE)", Instead: "use one of these", Source: kameMsg2SP}},
	{onAll, Rule{id: cRequestReqID, Severity: Warning, Source: kameMsg2SP + "; IPSEC_MANUAL_REQID_MAX"}},
	{onAll, Rule{id: cRequestAddresses, Errno: eINVAL, Text: "a request has not two addresses of a size that the kernel takes", Source: kameMsg2SP}},
	{onFreeBSD, Rule{id: cRequestTunnel, Errno: eINVAL, Source: kameMsg2SP}},
	{onAll &^ onFreeBSD, Rule{id: cRequestTunnel, Severity: Warning, Text: "a tunnel has no endpoints: those of the packet are used", Source: kameMsg2SP}},
	{onNetKey, Rule{id: cRequestFamily, Errno: eINVAL, Source: "{key}key.c key_spdadd"}},
	{onMacOS, Rule{id: cRequestRepeated, Severity: Error, Source: kameMsg2SP + "; since macOS 15"}},
	{onMacOS, Rule{id: cRequestRemainder, Errno: eINVAL, Source: kameMsg2SP + "; since macOS 15"}},

	// What comes from the kernel.
	{onAll, Rule{id: cReplyMissing, Severity: Warning, Text: "an extension is missing that {os} puts into every such message", Source: "{key}key.c key_setdumpsa, key_setdumpsp, key_getmsgbuf_x1, key_expire"}},
	{onFreeBSD, Rule{id: cReplyLength, Severity: Warning, Text: "sadb_msg_len is not the number of 8-byte words read", Source: "{key}keysock.c key_sendup0"}},
	{onAll &^ onFreeBSD, Rule{id: cReplyLength, Severity: Warning, Text: "sadb_msg_len is not the number of 8-byte words read, nor two words more in an X_PROMISC wrapper", Source: "{key}keysock.c key_sendup0"}},
}
