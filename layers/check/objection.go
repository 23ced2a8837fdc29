package check

import "github.com/pfkeycap/pfkeycap/layers"

// code names an objection. It is the same for every system that has it; what the
// system answers, and where that is from, is in the system's own list of rules.
type code uint16

const (
	_ code = iota

	// The message header.
	cSendBuffer
	cMessageSize
	cShortHeader
	cVersion
	cReserved
	cType
	cLength
	cPID
	cErrnoSet

	// The extensions one by one.
	cTrailing
	cZeroLength
	cOverrun
	cExtType
	cExtShort
	cExtCut
	cDuplicate
	cExtForbidden
	cRelease
	cExtOption
	cReservedField
	cAddressShort
	cAddressFamily
	cAddressLength
	cAddressPrefix
	cSockaddrLength
	cAddressZero
	cAddressValue
	cAddressPort
	cAddressProto
	cKeyOverrun
	cIdentType
	cIdentity
	cIdentityCut
	cProposal
	cContextLength
	cUnknownExt
	cExtLong
	cExtIgnored

	// Message by message.
	cKernelOnly
	cMessageSAType
	cAcquire
	cSAMissing
	cAddressMissing
	cFamilies
	cPolicyMissing
	cSPIRangeMissing
	cExtMissing
	cKeyMissing
	cLifetimePair
	cSAType
	cSATypeEmpty
	cAlgRange
	cKeyEmpty
	cKeyZero
	cContext
	cLabel
	cAlgUnknown
	cAlgAEAD
	cMode
	cProxyFamily
	cInnerProto
	cSATypeUnspec
	cAlgMissing
	cAlgUnused
	cKeySize
	cIPCompMode
	cEncapSAType
	cEncapType
	cEncapKernel
	cSPIReserved
	cCPI
	cStateIgnored
	cState
	cReplay
	cKeyAbsent
	cKeyUnused
	cAuthKeySize
	cKeyBits
	cTruncation
	cLifetimeOrder
	cCurrent
	cSPIRange
	cSPIRangeCPI
	cSPIRangeLow
	cRDomain
	cRegister
	cERegEnd
	cFlushSAType
	cFilter
	cPromisc
	cPolicyType
	cPolicyDir
	cPolicyID
	cPolicyEmpty
	cPolicyUnused
	cRequestLength
	cRequestDepth
	cRequestMode
	cRequestProto
	cRequestLevel
	cRequestAddresses
	cRequestUnused
	cRequestTrailing
	cRequestReqID
	cMigratePairs
	cMigrateMatch
	cMigrateAny
	cMigrateTwice
	cMigrateTwice4
	cKMAddress

	// The KAME family only.
	cNotBare
	cIdentityAddress
	cSATypePolicy
	cSATypeUnsupported
	cDumpScope
	cIdentityPair
	cSAFlags
	cSAShort
	cKeySAType
	cKeyLong
	cKeySizeCrash
	cKeyMissingLarval
	cAlgSAType
	cAlgUnsupported
	cAlgAEADAuth
	cSPITCP
	cImmature
	cLifetimeOverflow
	cSPIRangeZero
	cSPIRangeDivision
	cEncapPartial
	cEncapUpdate
	cEncapPort
	cEncapOriginal
	cNewAddress
	cDeleteAll
	cAcquireEmpty
	cPromiscData
	cMappingIgnored
	cPolicyDirSilent
	cRequestTunnel
	cRequestFamily
	cRequestRepeated
	cRequestRemainder
	cSAStatEmpty
	cSAStatLength

	// What hangs on what the kernel has and holds, so that only a Model finds it.
	cSendBufferKnown
	cContextRefused
	cContextLong
	cSPINone
	cSPIAll
	cSAExists
	cSAUnknown
	cSAEncap
	cRegistered
	cDumpEmpty
	cPolicyExists
	cPolicyUnknown
	cMigrateNothing
	cMigrateAbsent

	// What comes from the kernel.
	cReplyMissing
	cReplyExtra
	cReplyForbidden
	cReplyError
	cReplyLength

	// RFC 2367.
	rShortHeader
	rVersion
	rLength
	rReserved
	rErrno
	rPID
	rType
	rFraming
	rExtType
	rExtShort
	rDuplicate
	rOrder
	rReservedField
	rPadding
	rAddress
	rAddressZero
	rPrefix
	rPort
	rPortProto
	rAddressPair
	rFamilies
	rKeyBits
	rKeyLength
	rIdentity
	rSensitivity
	rProposal
	rBits
	rSPIRange
	rSAType
	rState
	rAlgMissing
	rRequired
	rForbidden
	rErrorBody
	rLifetimeOrder
	rExpire
	rAcquire
	rPromisc

	// Portability, which is no kernel's.
	pNumber
	pUnknown
	pLayout
	pOrder
	pSockaddr
	pUnit

	numCodes

	lastHeader = cErrnoSet // what is found before the kernel looks at its own state
)

// objection is what all systems' rules of one code have in common.
type objection struct {
	code    string
	text    string // what is wrong; a system's rule may say it more exactly
	instead string // what would work
}

var objections = [numCodes]objection{
	cSendBuffer: {"send-buffer",
		"the message is longer than a socket's default send buffer allows",
		"enlarge SO_SNDBUF before sending (SO_SNDBUFFORCE as root)"},
	cMessageSize: {"message-size",
		"the message is longer than the kernel takes",
		"send a shorter one"},
	cShortHeader: {"short-header",
		"the message is shorter than its 16-byte header",
		"write a whole message with one write(2)"},
	cVersion: {"message-version",
		"sadb_msg_version is not 2",
		"set it to PF_KEY_V2, 2"},
	cReserved: {"message-reserved",
		"sadb_msg_reserved is not 0",
		"set it to 0; in a policy message from the kernel it holds a reference count, which must not be sent back"},
	cType: {"message-type",
		"sadb_msg_type is 0 or above 24",
		"use a type from 1 (GETSPI) to 24 (MIGRATE)"},
	cLength: {"message-length",
		"sadb_msg_len is not the number of 8-byte words written, or is below 2",
		"set it to the bytes written divided by 8, in the kernel's byte order"},
	cPID: {"message-pid",
		"sadb_msg_pid is not the pid of the process that sends the message",
		"set it to getpid()"},
	cErrnoSet: {"errno-set",
		"a request has sadb_msg_errno set",
		"set it to 0"},
	cTrailing: {layers.TrailingBytes.Code(),
		"one to three bytes are left where an extension should begin",
		"write nothing after the last extension, whose length is a multiple of 8 bytes"},
	cZeroLength: {layers.ZeroLength.Code(),
		"an extension's length is 0",
		"set sadb_ext_len to the 8-byte words of the extension, its header included"},
	cOverrun: {layers.Overrun.Code(),
		"an extension is longer than what is left of the message",
		"set sadb_ext_len to the 8-byte words of the extension, its header included"},
	cExtType: {"extension-type",
		"an extension's type is 0",
		"leave the extension out, or give it its type"},
	cExtShort: {"extension-short",
		"an extension is shorter than its structure",
		"fill the whole structure and set the length accordingly"},
	cExtCut: {"extension-cut",
		"an extension is shorter than its structure; the kernel reads on in what follows",
		"fill the whole structure and set the length accordingly"},
	cDuplicate: {"extension-duplicate",
		"an extension occurs twice",
		"send one of each type"},
	cExtForbidden: {"extension-forbidden",
		"an extension is not taken in this message",
		"leave it out"},
	cRelease: {"release",
		"some releases take it and others refuse it",
		"leave it out"},
	cExtOption: {"extension-option",
		"whether the extension is taken depends on how the kernel is built",
		"leave it out"},
	cReservedField: {"extension-reserved",
		"a reserved field of an extension is not 0",
		"set it to 0"},
	cAddressShort: {"address-short",
		"an address extension has no room for an address family",
		"append a sockaddr_in (3 words in all) or a sockaddr_in6 (5 words)"},
	cAddressFamily: {"address-family",
		"the family of an address is neither AF_INET nor AF_INET6",
		"use 2 (AF_INET) or 10 (AF_INET6), in the kernel's byte order"},
	cAddressLength: {"address-length",
		"an address extension has not exactly the length for its family",
		"use 3 words for IPv4 and 5 for IPv6"},
	cAddressPrefix: {"address-prefix",
		"a prefix is longer than the address",
		"use at most 32 bits for IPv4 and 128 for IPv6"},
	cSockaddrLength: {"sockaddr-length",
		"sa_len is not the length of the sockaddr",
		"set it to 16 for IPv4 and 28 for IPv6"},
	cAddressZero: {"address-zero",
		"what is not address in a sockaddr (sin_zero, sin6_flowinfo) is not zero",
		"clear it"},
	cAddressValue: {"address-value",
		"an address is none that can be here: multicast as a source, unspecified as a destination",
		"use the address of a host"},
	cAddressPort: {"address-port",
		"an address has a port",
		"set it to 0"},
	cAddressProto: {"address-protocol",
		"source and destination have different protocols",
		"set sadb_address_proto of both to the same"},
	cKeyOverrun: {layers.KeyOverrun.Code(),
		"a key has more bits than its extension holds",
		"set sadb_key_bits to the bits that are there, or sadb_key_len to (8 + ceil(bits/8)) bytes rounded up to words"},
	cIdentType: {"identity-type",
		"the type of an identity is none that the system knows",
		"use one that its header defines"},
	cIdentity: {"identity-string",
		"an identity is no NUL-terminated string padded to 8 bytes",
		"append the terminating NUL and zeros up to the next 8 bytes"},
	cIdentityCut: {"identity-cut",
		"an identity is not NUL-terminated: the kernel sets its last octet to zero",
		"append the terminating NUL and zeros up to the next 8 bytes"},
	cProposal: {"proposal-size",
		"a proposal does not consist of whole combinations",
		"append whole combinations"},
	cContextLength: {"context-length",
		"the length of a security context does not match its extension's, or exceeds a page",
		"set sadb_x_sec_len to (8 + sadb_x_ctx_len) bytes rounded up to words"},
	cUnknownExt: {"unknown-extension",
		"an extension has a type above 26, which Linux skips",
		"leave it out"},
	cExtLong: {"extension-long",
		"an extension is longer than what it holds; the kernel does not look at the rest",
		"set the length to that of the structure"},
	cExtIgnored: {"extension-ignored",
		"Linux does not read this extension in this message, nor gives it back",
		"leave it out"},
	cKernelOnly: {"kernel-only",
		"messages of this type come from the kernel; Linux takes none",
		"send none"},
	cMessageSAType: {"message-satype",
		"the SA type knows no messages of this type",
		"use another SA type"},
	cAcquire: {"acquire-not-bare",
		"an ACQUIRE to Linux may be the bare header only",
		"send the 16-byte header with the kernel's seq and an errno, to say that key management failed"},
	cSAMissing: {"sa-missing",
		"there is no SA extension",
		"add one; GET and DELETE need its SPI"},
	cAddressMissing: {"address-missing",
		"there is no source or no destination address",
		"add both; GET and DELETE need the source as well"},
	cFamilies: {"address-families",
		"source and destination are of different address families",
		"give both in the same family"},
	cPolicyMissing: {"policy-missing",
		"there is no POLICY extension",
		"add one"},
	cSPIRangeMissing: {"spirange-missing",
		"there is no SPIRANGE extension",
		"add one, such as 0x100 to 0x0fffffff"},
	cExtMissing: {"extension-missing",
		"an extension that this message must have is not there",
		"add it"},
	cKeyMissing: {"key-missing",
		"an ESP SA has no KEY_ENCRYPT, or an AH SA no KEY_AUTH",
		"add the key; for NULL encryption a KEY_ENCRYPT of 0 bits"},
	cLifetimePair: {"lifetime-pair",
		"only one of LIFETIME_HARD and LIFETIME_SOFT is there",
		"send both (zeros stand for no limit) or neither"},
	cSAType: {"satype",
		"the SA type is none that the message takes",
		"use 2 (AH), 3 (ESP) or 9 (IPCOMP), or in FLUSH and DUMP 0 for all"},
	cSATypeEmpty: {"satype-empty",
		"there are no SAs of this SA type, so none is found",
		"use 2 (AH), 3 (ESP) or 9 (IPCOMP)"},
	cAlgRange: {"algorithm-range",
		"the number of an algorithm is too large: above 251 for authentication, 253 for encryption, 4 for compression",
		"use an algorithm that REGISTER lists"},
	cKeyEmpty: {"key-empty",
		"a key has 0 bits, and its algorithm is not NULL",
		"give the key, or leave KEY_AUTH out"},
	cKeyZero: {"key-zero",
		"a key of zeros is refused if what follows it in memory is zero, too",
		"use a random key"},
	cContext: {"context-unchecked",
		"whether a security context is accepted depends on the kernel's security module",
		"leave SEC_CTX out where no SELinux is active"},
	cLabel: {"label-unchecked",
		"whether a sensitivity label is accepted depends on the system",
		"leave SENSITIVITY and OUTER_SENS out where no Trusted Extensions are active"},
	cAlgUnknown: {"algorithm-unknown",
		"Linux has no such algorithm for PF_KEY",
		"use an algorithm that REGISTER lists"},
	cAlgAEAD: {"algorithm-aead",
		"Linux takes no combined-mode cipher (GCM, CCM, GMAC) over PF_KEY",
		"use NETLINK_XFRM (ip xfrm) for it, or AESCBC with SHA1HMAC or SHA2_512HMAC"},
	cMode: {"mode",
		"sadb_x_sa2_mode is none of 0 (any), 1 (transport), 2 (tunnel), 3 (BEET)",
		"use one of these"},
	cProxyFamily: {"proxy-family",
		"ADDRESS_PROXY is of another family than the SA, which is in transport mode",
		"use tunnel or BEET mode, or a proxy address of the SA's family"},
	cInnerProto: {"inner-protocol",
		"the protocol of the outer addresses is not that of a tunnel of the inner ones",
		"set it to 0, or to 4 for inner IPv4 and 41 for inner IPv6"},
	cSATypeUnspec: {"satype-unspec",
		"an SA of type 0 cannot be made",
		"use 2 (AH), 3 (ESP) or 9 (IPCOMP)"},
	cAlgMissing: {"algorithm-missing",
		"an ESP SA names no encryption, an AH SA no authentication, or an IPCOMP SA no compression",
		"name one; 11 is NULL encryption"},
	cAlgUnused: {"algorithm-unused",
		"an AH SA names an encryption",
		"set sadb_sa_encrypt to 0"},
	cKeySize: {"key-size",
		"the algorithm takes no key of this size",
		"use a key size that REGISTER lists for the algorithm"},
	cIPCompMode: {"ipcomp-mode",
		"IPCOMP has no BEET mode",
		"use transport or tunnel mode"},
	cEncapSAType: {"encapsulation-satype",
		"only ESP can be encapsulated",
		"leave NAT_T_TYPE out"},
	cEncapType: {"encapsulation-type",
		"sadb_x_nat_t_type_type is no encapsulation that the kernel has",
		"use 2 (ESPINUDP), or leave NAT_T_TYPE out"},
	cEncapKernel: {"encapsulation-kernel",
		"not every kernel has this encapsulation: 1 (ESPINUDP_NON_IKE) is gone since 6.12, 7 (ESPINTCP) must be configured",
		"use 2 (ESPINUDP)"},
	cSPIReserved: {"spi-reserved",
		"SPIs below 256 are reserved; Linux takes them nevertheless",
		"use an SPI from 0x00000100"},
	cCPI: {"cpi-size",
		"an IPCOMP index has 16 bits; Linux takes more nevertheless, and no packet can match",
		"use one up to 0x0000ffff"},
	cStateIgnored: {"state-ignored",
		"Linux does not read sadb_sa_state: the SA will be MATURE",
		"set it to 1 (MATURE)"},
	cState: {"state",
		"sadb_sa_state is none that a request may have",
		"set it to 1 (MATURE)"},
	cReplay: {"replay-window",
		"Linux cuts a PF_KEY replay window down to 32 packets",
		"use at most 32, or NETLINK_XFRM for a larger window"},
	cKeyAbsent: {"key-absent",
		"authentication without a key: Linux computes the HMAC with an empty one",
		"add KEY_AUTH"},
	cKeyUnused: {"key-unused",
		"a key for which the SA names no algorithm: it is not used",
		"name the algorithm in the SA extension, or leave the key out"},
	cAuthKeySize: {"auth-key-size",
		"the authentication key is not of the size the algorithm's RFC demands; Linux takes any for HMAC",
		"use the size that REGISTER lists for the algorithm"},
	cKeyBits: {"key-bits",
		"a key's bits are no multiple of 8; Linux uses whole octets",
		"count in multiples of 8"},
	cTruncation: {"sha256-truncation",
		"Linux truncates SHA2_256HMAC to 96 bits over PF_KEY, not to RFC 4868's 128: other systems drop such packets",
		"use SHA2_384HMAC, SHA2_512HMAC or SHA1HMAC, or NETLINK_XFRM with a truncation of 128"},
	cLifetimeOrder: {"lifetime-order",
		"a soft limit is not below its hard limit, so no soft EXPIRE will come",
		"make the soft limit smaller"},
	cCurrent: {"lifetime-current",
		"a request has LIFETIME_CURRENT",
		"leave it out"},
	cSPIRange: {"spirange",
		"the SPI range ends before it begins",
		"make min at most max, both in the kernel's byte order"},
	cSPIRangeCPI: {"spirange-cpi",
		"the range of an IPCOMP index goes beyond 16 bits, as it does by default",
		"add a SPIRANGE up to 0xffff"},
	cSPIRangeLow: {"spirange-low",
		"the range holds reserved SPIs below 256; of the range 0 to 0 some kernels choose none, others SPI 0",
		"begin at 0x100"},
	cRDomain: {"rdomain-unchecked",
		"whether the routing domains exist is known to the kernel only",
		"use domains that exist, or leave RDOMAIN out"},
	cRegister: {"register-satype",
		"REGISTER takes SA types up to 9",
		"use 2 (AH), 3 (ESP) or 9 (IPCOMP), or 0 to list algorithms without registering"},
	cERegEnd: {"ereg-end",
		"the SA types of EREG do not end with a 0",
		"append a 0"},
	cFlushSAType: {"flush-satype",
		"there are no SAs of this SA type to flush",
		"use 0 for all, or an SA type that the system has"},
	cFilter: {"filter-prefix",
		"a prefix of the dump's filter is longer than 128 bits",
		"use at most 32 bits for IPv4 and 128 for IPv6"},
	cPromisc: {"promisc-satype",
		"X_PROMISC is switched with SA type 1 (on) or 0 (off)",
		"use 1 or 0"},
	cPolicyType: {"policy-type",
		"the policy's type is none of 0 (DISCARD), 1 (NONE), 2 (IPSEC)",
		"use one of these; ENTRUST and BYPASS are for sockets only"},
	cPolicyDir: {"policy-direction",
		"the policy's direction is none of 1 (INBOUND), 2 (OUTBOUND), 3 (FWD)",
		"use one of these"},
	cPolicyID: {"policy-id",
		"the lowest three bits of a policy id name its direction, 0 to 2",
		"use an id as the kernel gave it; ids of socket policies cannot be asked for"},
	cPolicyEmpty: {"policy-empty",
		"an IPSEC policy without requests protects nothing: traffic passes in the clear",
		"add a request, or say NONE"},
	cPolicyUnused: {"policy-unused",
		"the requests of a policy that is not IPSEC are not read",
		"leave them out"},
	cRequestLength: {"request-length",
		"a request's length is below 16 or more than what is left of the policy; it counts bytes, not words",
		"set it to 16 plus the bytes of its two addresses"},
	cRequestDepth: {"request-depth",
		"a policy has more than 6 requests",
		"use at most 6"},
	cRequestMode: {"request-mode",
		"a request's mode is none of 1 (transport), 2 (tunnel), 3 (BEET)",
		"use one of these"},
	cRequestProto: {"request-protocol",
		"a request's protocol is none of 50 (ESP), 51 (AH), 108 (IPCOMP), 43 and 60 (IPv6 routing and destination options)",
		"use the IP protocol number, not the SA type"},
	cRequestLevel: {"request-level",
		"level USE is not possible for tunnel or BEET mode in an outbound policy",
		"use level REQUIRE or UNIQUE"},
	cRequestAddresses: {"request-addresses",
		"a request of a tunnel or of MIGRATE has not two addresses of one family",
		"append two sockaddrs without padding between them, 32 bytes for IPv4, 56 for IPv6"},
	cRequestUnused: {"request-unused",
		"the addresses in a request are read for tunnel mode only",
		"leave them out"},
	cRequestTrailing: {"request-trailing",
		"up to 15 bytes after the last request are not read",
		"end the extension with the last request"},
	cRequestReqID: {"request-reqid",
		"the reqid will not be used: it counts for level UNIQUE only, and only up to 16383",
		"use level UNIQUE and a reqid from 1 to 16383"},
	cMigratePairs: {"migrate-pairs",
		"MIGRATE needs one to six pairs of requests, each the old and then the new endpoints",
		"append both requests of each pair"},
	cMigrateMatch: {"migrate-mismatch",
		"the two requests of a pair differ in protocol, mode or reqid, or have no known mode",
		"change only the addresses"},
	cMigrateAny: {"migrate-any",
		"a new endpoint is the unspecified address",
		"give the address to move to"},
	cMigrateTwice: {"migrate-twice",
		"two pairs of IPv6 have the same old endpoints, protocol, mode and reqid",
		"send each pair once"},
	cMigrateTwice4: {"migrate-twice-ipv4",
		"two pairs of IPv4 have the same old endpoints, protocol, mode and reqid; the kernel compares octets it has not set, so it may not notice",
		"send each pair once"},
	cKMAddress: {"kmaddress",
		"KMADDRESS has not two addresses of one family",
		"append two sockaddrs without padding between them, 32 bytes for IPv4, 56 for IPv6"},
	cNotBare: {"message-not-bare",
		"there is something after the header of a message that is a header only",
		"send the bare header"},
	cIdentityAddress: {"identity-address",
		"an identity that is an address has not exactly the length for its sockaddr",
		"append the whole sockaddr, padded to 8 bytes"},
	cSATypePolicy: {"satype-policy",
		"a message about policies has an SA type",
		"use SA type 0 (UNSPEC)"},
	cSATypeUnsupported: {"satype-unsupported",
		"SA types 5 (RSVP) to 8 (MIP) are known and not supported",
		"use an SA type that the system has SAs of"},
	cDumpScope: {"dump-scope",
		"the SA type of SPDDUMP says which policies: 0 (all), 1 (global), 2 (of interfaces) or 4 (of sockets)",
		"use one of these"},
	cIdentityPair: {"identity-pair",
		"only one identity is there, or the two are of different types",
		"give both in the same type, or leave them out"},
	cSAFlags: {"sa-flags",
		"sadb_sa_flags has a flag that is not possible here",
		"clear it"},
	cSAShort: {"sa-short",
		"the SA extension lacks the fields for NAT traversal",
		"use the 24 bytes of struct sadb_sa_2"},
	cKeySAType: {"key-satype",
		"an SA of this type has no such key",
		"leave the key out"},
	cKeyLong: {"key-long",
		"a key has more than 256 bytes",
		"give the key the algorithm takes"},
	cKeySizeCrash: {"key-size-crash",
		"with a key of this size the kernel follows a null pointer",
		"use a key size that REGISTER lists for the algorithm"},
	cKeyMissingLarval: {"key-missing-larval",
		"an UPDATE without keys: it may change lifetimes and addresses of an SA in use, and is refused for one that GETSPI has made",
		"add the keys, if the SA is to be made"},
	cAlgSAType: {"algorithm-satype",
		"the SA names an algorithm of another SA type",
		"set sadb_sa_encrypt of AH and sadb_sa_auth of IPCOMP to 0"},
	cAlgUnsupported: {"algorithm-unsupported",
		"the kernel knows the algorithm and has nothing that computes it",
		"use an HMAC for authentication, or AESGCM16 alone"},
	cAlgAEADAuth: {"aead-authentication",
		"a combined-mode cipher and an authentication besides",
		"set sadb_sa_auth to 0 and leave KEY_AUTH out"},
	cSPITCP: {"spi-tcp",
		"an SA for TCP signatures has SPI 0x00001000",
		"use that SPI"},
	cImmature: {"sa-immature",
		"the kernel does not make the SA, and its answer has errno 0 nevertheless",
		"correct what is said to be wrong; GET tells whether the SA is MATURE"},
	cLifetimeOverflow: {"lifetime-overflow",
		"a lifetime in nanoseconds exceeds 64 bits",
		"use at most 18446744073 seconds; 0 stands for no limit"},
	cSPIRangeZero: {"spirange-zero",
		"the range holds SPI 0 only, which stands for none",
		"use a range from 0x100"},
	cSPIRangeDivision: {"spirange-division",
		"the kernel counts the SPIs of the range, gets 0, and divides by it",
		"make min at most max, and less than the whole range of 32 bits"},
	cEncapPartial: {"encapsulation-partial",
		"NAT_T_TYPE, NAT_T_SPORT and NAT_T_DPORT are used together only",
		"give all three"},
	cEncapUpdate: {"encapsulation-update",
		"NAT_T_TYPE alone, or of an SA that is not ESP, in an UPDATE",
		"give NAT_T_TYPE, NAT_T_SPORT and NAT_T_DPORT of an ESP SA"},
	cEncapPort: {"encapsulation-port",
		"a port for encapsulation is 0",
		"use the port of the peer; 4500 where no NAT changes it"},
	cEncapOriginal: {"encapsulation-original",
		"an original address is not IPv4, and the SA is not in tunnel mode",
		"leave NAT_T_OAI and NAT_T_OAR out"},
	cNewAddress: {"new-address-overrun",
		"the sockaddr of a new address is longer than what the kernel has for it: other memory is overwritten",
		"append a sockaddr_in or sockaddr_in6"},
	cDeleteAll: {"delete-all",
		"a DELETE without SA deletes all SAs between the two addresses",
		"add an SA extension with the SPI, if one is meant"},
	cAcquireEmpty: {"acquire-empty",
		"a bare ACQUIRE without the kernel's seq and an errno says nothing",
		"set sadb_msg_seq to the kernel's and sadb_msg_errno"},
	cPromiscData: {"promisc-data",
		"what follows the header of X_PROMISC is read as extensions, not as a message",
		"do not wrap messages"},
	cMappingIgnored: {"mapping-ignored",
		"NAT_T_NEW_MAPPING is taken, has no effect and no answer",
		"use UPDATE"},
	cPolicyDirSilent: {"policy-direction-unanswered",
		"the policy's direction is neither 1 (INBOUND) nor 2 (OUTBOUND): nothing happens, and no answer comes",
		"use 1 or 2; there are no forwarding policies"},
	cRequestTunnel: {"request-tunnel",
		"a tunnel has no endpoints",
		"append two sockaddrs without padding between them, 32 bytes for IPv4, 56 for IPv6"},
	cRequestFamily: {"request-family",
		"the endpoints of the first request are of another address family than the policy's traffic",
		"give both in the same family; on macOS an ESP tunnel may differ"},
	cRequestRepeated: {"request-repeated",
		"of several requests the kernel reads the first one each time",
		"use one request"},
	cRequestRemainder: {"request-remainder",
		"the kernel reads the first request each time, and the policy's length is no multiple of its length",
		"use one request"},
	cSAStatEmpty: {"sastat-empty",
		"SASTAT asks for no SA",
		"give the SPIs of at least one, and their number"},
	cSAStatLength: {"sastat-length",
		"SASTAT has less entries than it says",
		"set sadb_sastat_list_len to the number of 40-byte entries"},
	cSendBufferKnown: {"send-buffer-exceeded",
		"the message is longer than the socket's send buffer allows",
		"enlarge SO_SNDBUF before sending (SO_SNDBUFFORCE as root)"},
	cContextRefused: {"context-refused",
		"the security context is none of SELinux (domain of interpretation 1, algorithm 1), or empty",
		"leave SEC_CTX out, or give an SELinux context"},
	cContextLong: {"context-long",
		"the security context fills a whole page",
		"give a shorter one"},
	cSPINone: {"spi-exhausted", noSPI,
		"give a wider SPIRANGE, or delete SAs"},
	cSPIAll: {"spirange-all",
		"the range of all 32-bit numbers has a size that is 0 in 32 bits, so no SPI is tried",
		"begin at 0x100"},
	cSAExists: {"sa-exists", haveSA,
		"use another SPI, or UPDATE"},
	cSAUnknown: {"sa-unknown", noSuchSA,
		"look at the SAs with DUMP"},
	cSAEncap: {"encapsulation-changed",
		"an UPDATE gives an SA another encapsulation than it has, or takes it away",
		"repeat NAT_T_TYPE as it was, or add a new SA"},
	cRegistered: {"registered", registered,
		"register once, or with a socket of its own"},
	cDumpEmpty: {"dump-empty",
		"there is nothing to dump",
		"take ENOENT for an empty list"},
	cPolicyExists: {"policy-exists", "a policy with this selector and direction exists already",
		"use SPDUPDATE"},
	cPolicyUnknown: {"policy-unknown",
		"no policy has this selector and direction, or this id",
		"look at the policies with SPDDUMP"},
	cMigrateNothing: {"migrate-nothing",
		"no SA could be moved, or no request of the policy has the old endpoints",
		"give the endpoints, mode, protocol and reqid of a request of the policy"},
	cMigrateAbsent: {"migrate-absent",
		"the kernel is built without CONFIG_NET_KEY_MIGRATE",
		"use NETLINK_XFRM, or delete and add"},
	cReplyMissing: {"reply-missing",
		"an extension is missing that Linux puts into every such message",
		"check whether the message was changed or comes from another system"},
	cReplyExtra: {"reply-extra",
		"an extension that the kernel never puts into such a message",
		"check whether the message was changed or comes from another system"},
	cReplyForbidden: {"reply-forbidden",
		"the kernel takes the extension, but write(2) fails although all was done",
		"leave it out"},
	cReplyError: {"reply-error-body",
		"an error answer of Linux is the bare header",
		"check whether the message was changed or comes from another system"},
	cReplyLength: {"reply-length",
		"sadb_msg_len is not the number of 8-byte words read; Linux miscounts policies whose tunnels are of another family",
		"read with a larger buffer if the record was cut short, and trust the bytes otherwise"},
	rShortHeader: {"rfc-short-header",
		"the message is shorter than its 16-byte header",
		"write a whole message with one write(2)"},
	rVersion: {"rfc-version",
		"sadb_msg_version is not 2",
		"set it to PF_KEY_V2, 2"},
	rLength: {"rfc-length",
		"sadb_msg_len is not the number of 8-byte words of the message",
		"count the whole message, its header included"},
	rReserved: {"rfc-reserved",
		"sadb_msg_reserved is not 0",
		"set it to 0"},
	rErrno: {"rfc-errno",
		"a request has sadb_msg_errno set",
		"set it to 0; only a failed ACQUIRE carries one"},
	rPID: {"rfc-pid",
		"a request has not its process's pid, or a message of the kernel's own has one",
		"set sadb_msg_pid to getpid()"},
	rType: {"rfc-type",
		"the dialect has no such message type",
		"use a type the system's header defines"},
	rFraming: {"rfc-framing",
		"the message cannot be divided into extensions",
		"make every sadb_ext_len the 8-byte words of its extension"},
	rExtType: {"rfc-extension-type",
		"an extension has the reserved type 0",
		"give it its type"},
	rExtShort: {"rfc-extension-short",
		"an extension is shorter than its structure",
		"fill the whole structure"},
	rDuplicate: {"rfc-duplicate",
		"an extension occurs twice",
		"send one of each type"},
	rOrder: {"rfc-order",
		"extensions are not in the order of their numbers, which a system may insist on",
		"send them in that order"},
	rReservedField: {"rfc-reserved-field",
		"a reserved field of an extension is not 0",
		"set it to 0"},
	rPadding: {"rfc-padding",
		"padding is not zero: it may hold what was not meant to be sent",
		"clear the buffer before filling it"},
	rAddress: {"rfc-address",
		"an address extension does not hold a whole IPv4 or IPv6 sockaddr of this system",
		"append the system's sockaddr, padded to 8 bytes"},
	rAddressZero: {"rfc-address-zero",
		"what is not address in a sockaddr (sin_zero, sin6_flowinfo) is not zero",
		"clear it"},
	rPrefix: {"rfc-prefix",
		"a prefix is longer than the address",
		"use at most 32 bits for IPv4 and 128 for IPv6"},
	rPort: {"rfc-port",
		"an address has a port, which only ACQUIRE may have",
		"set it to 0"},
	rPortProto: {"rfc-port-proto",
		"an address has a port and no protocol",
		"set sadb_address_proto to the transport protocol"},
	rAddressPair: {"rfc-address-pair",
		"source and destination must come together, and with every SA",
		"add the other address"},
	rFamilies: {"rfc-families",
		"source and destination are of different address families",
		"give both in the same family"},
	rKeyBits: {"rfc-key-bits",
		"a key has 0 bits",
		"give the key or leave the extension out"},
	rKeyLength: {"rfc-key-length",
		"a key's bits do not match its extension's length",
		"pad the key to the next 8 bytes, no more and no less"},
	rIdentity: {"rfc-identity",
		"an identity is no NUL-terminated string padded to 8 bytes",
		"append the terminating NUL and zeros up to the next 8 bytes"},
	rSensitivity: {"rfc-sensitivity",
		"the lengths of the sensitivity bitmaps do not add up to the extension's",
		"make them 8-byte words each, together all that follows"},
	rProposal: {"rfc-proposal",
		"a proposal does not consist of whole 72-byte combinations",
		"append whole combinations"},
	rBits: {"rfc-bits",
		"a smallest key size is above the largest",
		"swap them"},
	rSPIRange: {"rfc-spirange",
		"the SPI range ends before it begins",
		"make min at most max"},
	rSAType: {"rfc-satype",
		"no SA has the type 0",
		"name the SA type"},
	rState: {"rfc-state",
		"only MATURE SAs may be submitted",
		"set sadb_sa_state to 1 (MATURE)"},
	rAlgMissing: {"rfc-algorithm-missing",
		"an AH SA names no authentication, or an ESP SA no encryption",
		"name one; 11 is NULL encryption"},
	rRequired: {"rfc-required",
		"an extension is missing that the message must have",
		"add it"},
	rForbidden: {"rfc-forbidden",
		"an extension is none that the message has",
		"leave it out"},
	rErrorBody: {"rfc-error-body",
		"an error answer must be the bare header",
		"expect extensions after it from KAME systems, which echo the request"},
	rLifetimeOrder: {"rfc-lifetime-order",
		"a soft limit is above its hard limit, so the soft one never expires",
		"make the soft limit smaller"},
	rExpire: {"rfc-expire",
		"EXPIRE must have one of LIFETIME_HARD and LIFETIME_SOFT: the one that expired",
		"send the one that expired"},
	rAcquire: {"rfc-acquire",
		"a bare ACQUIRE reports a failure, so it needs the kernel's seq and an errno",
		"set sadb_msg_seq and sadb_msg_errno"},
	rPromisc: {"rfc-promisc",
		"X_PROMISC is a bare header with SA type 1 (on) or 0 (off), or a header and a whole message",
		"use one of these forms"},

	pNumber: {"number-differs",
		"a number means something else on the other system",
		"translate it: both systems' numbers are in pfkeycap dialects"},
	pUnknown: {"number-unknown",
		"a number means nothing on the other system",
		"leave it out, or use what the other system has for it: see pfkeycap dialects"},
	pLayout: {"layout-differs",
		"a structure is laid out otherwise on the other system",
		"build the structure of the other system's header"},
	pOrder: {"byte-order-differs",
		"an integer is in another byte order on the other system",
		"turn its octets round"},
	pSockaddr: {"sockaddr-differs",
		"a sockaddr is laid out otherwise, or has another family's number, on the other system",
		"build the other system's sockaddr"},
	pUnit: {"unit-differs",
		"a number counts in another unit on the other system",
		"convert it"},
}
