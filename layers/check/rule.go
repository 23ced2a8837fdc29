package check

import (
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Rule describes one rule.
type Rule struct {
	Code     string
	Dialect  layers.Dialect // layers.Linux, or layers.RFC2367 whose rules hold in every dialect
	Severity Severity
	Errno    uint8   // the kernel's answer to a request that breaks the rule, 0: it accepts it
	ByWrite  bool    // the answer is the errno of write(2)
	May      []uint8 // answers that some kernels give where Errno is 0
	Text     string  // what the rule objects to
	Instead  string  // what would work
	Source   string  // where the rule is from
}

// Rules lists every rule, those of Linux first, in the order in which the kernel
// applies them.
func Rules() []Rule {
	list := slices.Clone(rules[1:])
	for i := range list {
		list[i].May = slices.Clone(list[i].May)
	}
	return list
}

// Linux error numbers (include/uapi/asm-generic/errno-base.h and errno.h).
const (
	ePERM           = 1
	eNOENT          = 2
	eSRCH           = 3
	eNOMEM          = 12
	eACCES          = 13
	eBUSY           = 16
	eEXIST          = 17
	eINVAL          = 22
	eNOSYS          = 38
	eLOOP           = 40
	eNODATA         = 61
	eMSGSIZE        = 90
	eNOPROTOOPT     = 92
	ePROTONOSUPPORT = 93
	eOPNOTSUPP      = 95
	eNOBUFS         = 105
)

// ruleID is an index into rules.
type ruleID uint8

const (
	_ ruleID = iota

	// Linux, the message header.
	lSendBuffer
	lShortHeader
	lVersion
	lReserved
	lType
	lLength

	// Linux, the extensions one by one.
	lTrailing
	lZeroLength
	lOverrun
	lExtType
	lExtShort
	lDuplicate
	lAddressShort
	lAddressFamily
	lAddressLength
	lAddressPrefix
	lKeyOverrun
	lContextLength
	lUnknownExt
	lExtLong
	lExtIgnored
	lErrnoSet

	// Linux, message by message.
	lKernelOnly
	lAcquire
	lSAMissing
	lAddressMissing
	lFamilies
	lPolicyMissing
	lKeyMissing
	lLifetimePair
	lSAType
	lSATypeEmpty
	lAlgRange
	lKeyEmpty
	lContext
	lAlgUnknown
	lAlgAEAD
	lMode
	lProxyFamily
	lSATypeUnspec
	lAlgMissing
	lKeySize
	lIPCompMode
	lEncapSAType
	lEncapType
	lEncapKernel
	lSPIReserved
	lCPI
	lState
	lReplay
	lKeyAbsent
	lKeyUnused
	lAuthKeySize
	lKeyBits
	lTruncation
	lLifetimeOrder
	lSPIRange
	lSPIRangeCPI
	lSPIRangeLow
	lRegister
	lFilter
	lPromisc
	lPolicyType
	lPolicyDir
	lPolicyID
	lPolicyEmpty
	lPolicyUnused
	lRequestLength
	lRequestDepth
	lRequestMode
	lRequestProto
	lRequestLevel
	lRequestAddresses
	lRequestUnused
	lRequestTrailing
	lRequestReqID
	lMigratePairs
	lMigrateMatch
	lMigrateAny
	lMigrateTwice
	lKMAddress

	// Linux, what comes from the kernel.
	lReplyMissing
	lReplyError
	lReplyLength

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

	numRules
)

const (
	afKey  = "Linux 6.1 net/key/af_key.c "
	algo   = "Linux 6.1 net/xfrm/xfrm_algo.c"
	xstate = "Linux 6.1 net/xfrm/xfrm_state.c "
	rfc    = "RFC 2367 "
)

var rules = [numRules]Rule{
	lSendBuffer: {Code: "send-buffer", Severity: Warning, May: []uint8{eMSGSIZE, eNOBUFS},
		Text:    "the message is longer than a socket's default send buffer allows",
		Instead: "enlarge SO_SNDBUF before sending (SO_SNDBUFFORCE as root)",
		Source:  afKey + "pfkey_sendmsg; net.core.wmem_default"},
	lShortHeader: {Code: "short-header", Severity: Error, Errno: eMSGSIZE, ByWrite: true,
		Text:    "the message is shorter than its 16-byte header",
		Instead: "write a whole message with one write(2)",
		Source:  afKey + "pfkey_get_base_msg"},
	lVersion: {Code: "message-version", Severity: Error, Errno: eINVAL, ByWrite: true,
		Text:    "sadb_msg_version is not 2",
		Instead: "set it to PF_KEY_V2, 2",
		Source:  afKey + "pfkey_get_base_msg"},
	lReserved: {Code: "message-reserved", Severity: Error, Errno: eINVAL, ByWrite: true,
		Text:    "sadb_msg_reserved is not 0",
		Instead: "set it to 0; in a policy message from the kernel it holds a reference count, which must not be sent back",
		Source:  afKey + "pfkey_get_base_msg"},
	lType: {Code: "message-type", Severity: Error, Errno: eINVAL, ByWrite: true,
		Text:    "sadb_msg_type is 0 or above 24",
		Instead: "use a type from 1 (GETSPI) to 24 (MIGRATE)",
		Source:  afKey + "pfkey_get_base_msg; SADB_MAX"},
	lLength: {Code: "message-length", Severity: Error, Errno: eMSGSIZE, ByWrite: true,
		Text:    "sadb_msg_len is not the number of 8-byte words written, or is below 2",
		Instead: "set it to the bytes written divided by 8, in the kernel's byte order",
		Source:  afKey + "pfkey_get_base_msg"},

	lTrailing: {Code: layers.TrailingBytes.Code(), Severity: Error, Errno: eINVAL,
		Text:    "one to three bytes are left where an extension should begin",
		Instead: "write nothing after the last extension, whose length is a multiple of 8 bytes",
		Source:  afKey + "parse_exthdrs"},
	lZeroLength: {Code: layers.ZeroLength.Code(), Severity: Error, Errno: eINVAL,
		Text:    "an extension's length is 0",
		Instead: "set sadb_ext_len to the 8-byte words of the extension, its header included",
		Source:  afKey + "parse_exthdrs"},
	lOverrun: {Code: layers.Overrun.Code(), Severity: Error, Errno: eINVAL,
		Text:    "an extension is longer than what is left of the message",
		Instead: "set sadb_ext_len to the 8-byte words of the extension, its header included",
		Source:  afKey + "parse_exthdrs"},
	lExtType: {Code: "extension-type", Severity: Error, Errno: eINVAL,
		Text:    "an extension's type is 0",
		Instead: "leave the extension out, or give it its type",
		Source:  afKey + "parse_exthdrs"},
	lExtShort: {Code: "extension-short", Severity: Error, Errno: eINVAL,
		Text:    "an extension is shorter than its structure",
		Instead: "fill the whole structure and set the length accordingly",
		Source:  afKey + "parse_exthdrs, sadb_ext_min_len"},
	lDuplicate: {Code: "extension-duplicate", Severity: Error, Errno: eINVAL,
		Text:    "an extension that Linux knows occurs twice",
		Instead: "send one of each type",
		Source:  afKey + "parse_exthdrs"},
	lAddressShort: {Code: "address-short", Severity: Error, Errno: eINVAL,
		Text:    "an address extension has no room for an address family",
		Instead: "append a sockaddr_in (3 words in all) or a sockaddr_in6 (5 words)",
		Source:  afKey + "verify_address_len"},
	lAddressFamily: {Code: "address-family", Severity: Error, Errno: eINVAL,
		Text:    "the family of an address is neither AF_INET nor AF_INET6",
		Instead: "use 2 (AF_INET) or 10 (AF_INET6), in the kernel's byte order",
		Source:  afKey + "verify_address_len"},
	lAddressLength: {Code: "address-length", Severity: Error, Errno: eINVAL,
		Text:    "an address extension has not exactly the length for its family",
		Instead: "use 3 words for IPv4 and 5 for IPv6",
		Source:  afKey + "verify_address_len"},
	lAddressPrefix: {Code: "address-prefix", Severity: Error, Errno: eINVAL,
		Text:    "a prefix is longer than the address",
		Instead: "use at most 32 bits for IPv4 and 128 for IPv6",
		Source:  afKey + "verify_address_len"},
	lKeyOverrun: {Code: layers.KeyOverrun.Code(), Severity: Error, Errno: eINVAL,
		Text:    "a key has more bits than its extension holds",
		Instead: "set sadb_key_bits to the bits that are there, or sadb_key_len to (8 + ceil(bits/8)) bytes rounded up to words",
		Source:  afKey + "verify_key_len"},
	lContextLength: {Code: "context-length", Severity: Error, Errno: eINVAL,
		Text:    "the length of a security context does not match its extension's, or exceeds a page",
		Instead: "set sadb_x_sec_len to (8 + sadb_x_ctx_len) bytes rounded up to words",
		Source:  afKey + "verify_sec_ctx_len"},
	lUnknownExt: {Code: "unknown-extension", Severity: Note,
		Text:    "an extension has a type above 26, which Linux skips",
		Instead: "leave it out",
		Source:  afKey + "parse_exthdrs, SADB_EXT_MAX"},
	lExtLong: {Code: "extension-long", Severity: Note,
		Text:    "an extension is longer than what it holds; the kernel does not look at the rest",
		Instead: "set the length to that of the structure",
		Source:  afKey + "parse_exthdrs, verify_key_len"},
	lExtIgnored: {Code: "extension-ignored", Severity: Note,
		Text:    "Linux does not read this extension in this message, nor gives it back",
		Instead: "leave it out",
		Source:  afKey + "pfkey_funcs"},
	lErrnoSet: {Code: "errno-set", Severity: Note,
		Text:    "a request has sadb_msg_errno set, which Linux reads in ACQUIRE only",
		Instead: "set it to 0",
		Source:  afKey + "pfkey_acquire, pfkey_promisc"},

	lKernelOnly: {Code: "kernel-only", Severity: Error, Errno: eOPNOTSUPP,
		Text:    "messages of this type come from the kernel; Linux takes none",
		Instead: "send none",
		Source:  afKey + "pfkey_funcs"},
	lAcquire: {Code: "acquire-not-bare", Severity: Error, Errno: eOPNOTSUPP,
		Text:    "an ACQUIRE to Linux may be the bare header only",
		Instead: "send the 16-byte header with the kernel's seq and an errno, to say that key management failed",
		Source:  afKey + "pfkey_acquire"},
	lSAMissing: {Code: "sa-missing", Severity: Error, Errno: eINVAL,
		Text:    "there is no SA extension",
		Instead: "add one; GET and DELETE need its SPI",
		Source:  afKey + "pfkey_msg2xfrm_state, pfkey_get, pfkey_delete"},
	lAddressMissing: {Code: "address-missing", Severity: Error, Errno: eINVAL,
		Text:    "there is no source or no destination address",
		Instead: "add both; GET and DELETE need the source as well",
		Source:  afKey + "present_and_same_family"},
	lFamilies: {Code: "address-families", Severity: Error, Errno: eINVAL,
		Text:    "source and destination are of different address families",
		Instead: "give both in the same family",
		Source:  afKey + "present_and_same_family"},
	lPolicyMissing: {Code: "policy-missing", Severity: Error, Errno: eINVAL,
		Text:    "there is no POLICY extension",
		Instead: "add one",
		Source:  afKey + "pfkey_spdadd, pfkey_spddelete, pfkey_spdget, pfkey_migrate"},
	lKeyMissing: {Code: "key-missing", Severity: Error, Errno: eINVAL,
		Text:    "an ESP SA has no KEY_ENCRYPT, or an AH SA no KEY_AUTH",
		Instead: "add the key; for NULL encryption a KEY_ENCRYPT of 0 bits",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lLifetimePair: {Code: "lifetime-pair", Severity: Error, Errno: eINVAL,
		Text:    "only one of LIFETIME_HARD and LIFETIME_SOFT is there",
		Instead: "send both (zeros stand for no limit) or neither",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lSAType: {Code: "satype", Severity: Error, Errno: eINVAL,
		Text:    "the SA type is none that the message takes",
		Instead: "use 2 (AH), 3 (ESP) or 9 (IPCOMP), or in FLUSH and DUMP 0 for all",
		Source:  afKey + "pfkey_satype2proto; net/xfrm/xfrm_state.c verify_spi_info"},
	lSATypeEmpty: {Code: "satype-empty", Severity: Error, Errno: eSRCH,
		Text:    "there are no SAs of this SA type, so none is found",
		Instead: "use 2 (AH), 3 (ESP) or 9 (IPCOMP)",
		Source:  afKey + "pfkey_xfrm_state_lookup"},
	lAlgRange: {Code: "algorithm-range", Severity: Error, Errno: eINVAL,
		Text:    "the number of an algorithm is too large: above 251 for authentication, 253 for encryption, 4 for compression",
		Instead: "use an algorithm that REGISTER lists",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lKeyEmpty: {Code: "key-empty", Severity: Error, Errno: eINVAL,
		Text:    "a key has 0 bits, and its algorithm is not NULL",
		Instead: "give the key, or leave KEY_AUTH out",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lContext: {Code: "context-unchecked", Severity: Note, May: []uint8{eINVAL, eACCES, eNOMEM},
		Text:    "whether a security context is accepted depends on the kernel's security module",
		Instead: "leave SEC_CTX out where no SELinux is active",
		Source:  "Linux 6.1 security/selinux/xfrm.c selinux_xfrm_alloc_user"},
	lAlgUnknown: {Code: "algorithm-unknown", Severity: Error, Errno: eNOSYS,
		Text:    "Linux has no such algorithm for PF_KEY",
		Instead: "use an algorithm that REGISTER lists",
		Source:  algo},
	lAlgAEAD: {Code: "algorithm-aead", Severity: Error, Errno: eNOSYS,
		Text:    "Linux takes no combined-mode cipher (GCM, CCM, GMAC) over PF_KEY",
		Instead: "use NETLINK_XFRM (ip xfrm) for it, or AESCBC with SHA1HMAC or SHA2_512HMAC",
		Source:  algo + ", aead_list"},
	lMode: {Code: "mode", Severity: Error, Errno: eINVAL,
		Text:    "sadb_x_sa2_mode is none of 0 (any), 1 (transport), 2 (tunnel), 3 (BEET)",
		Instead: "use one of these",
		Source:  afKey + "pfkey_mode_to_xfrm"},
	lProxyFamily: {Code: "proxy-family", Severity: Error, Errno: ePROTONOSUPPORT,
		Text:    "ADDRESS_PROXY is of another family than the SA, which is in transport mode",
		Instead: "use tunnel or BEET mode, or a proxy address of the SA's family",
		Source:  xstate + "__xfrm_init_state"},
	lSATypeUnspec: {Code: "satype-unspec", Severity: Error, Errno: ePROTONOSUPPORT,
		Text:    "an SA of type 0 cannot be made",
		Instead: "use 2 (AH), 3 (ESP) or 9 (IPCOMP)",
		Source:  xstate + "xfrm_get_type"},
	lAlgMissing: {Code: "algorithm-missing", Severity: Error, Errno: eINVAL,
		Text:    "an ESP SA names no encryption, an AH SA no authentication, or an IPCOMP SA no compression",
		Instead: "name one; 11 is NULL encryption",
		Source:  "Linux 6.1 net/ipv4/esp4.c esp_init_state, ah4.c ah_init_state, net/xfrm/xfrm_ipcomp.c ipcomp_init_state"},
	lKeySize: {Code: "key-size", Severity: Error, Errno: eINVAL,
		Text:    "the algorithm takes no key of this size",
		Instead: "use a key size that REGISTER lists for the algorithm",
		Source:  "Linux 6.1 crypto/, setkey of the cipher"},
	lIPCompMode: {Code: "ipcomp-mode", Severity: Error, Errno: eINVAL,
		Text:    "IPCOMP has no BEET mode",
		Instead: "use transport or tunnel mode",
		Source:  "Linux 6.1 net/ipv4/ipcomp.c ipcomp4_init_state"},
	lEncapSAType: {Code: "encapsulation-satype", Severity: Error, Errno: eINVAL,
		Text:    "only ESP can be encapsulated",
		Instead: "leave NAT_T_TYPE out",
		Source:  "Linux 6.1 net/ipv4/ah4.c ah_init_state, net/xfrm/xfrm_ipcomp.c ipcomp_init_state"},
	lEncapType: {Code: "encapsulation-type", Severity: Error, Errno: eINVAL,
		Text:    "sadb_x_nat_t_type_type is no encapsulation that Linux has",
		Instead: "use 2 (ESPINUDP), or leave NAT_T_TYPE out",
		Source:  "Linux 6.1 net/ipv4/esp4.c esp_init_state"},
	lEncapKernel: {Code: "encapsulation-kernel", Severity: Warning, May: []uint8{eINVAL},
		Text:    "not every kernel has this encapsulation: 1 (ESPINUDP_NON_IKE) is gone since 6.12, 7 (ESPINTCP) must be configured",
		Instead: "use 2 (ESPINUDP)",
		Source:  "Linux 6.1 net/ipv4/esp4.c esp_init_state; seen on 6.1 and 6.12"},
	lSPIReserved: {Code: "spi-reserved", Severity: Warning,
		Text:    "SPIs below 256 are reserved; Linux takes them nevertheless",
		Instead: "use an SPI from 0x00000100",
		Source:  "RFC 4303 2.1; seen on 6.1"},
	lCPI: {Code: "cpi-size", Severity: Warning,
		Text:    "an IPCOMP index has 16 bits; Linux takes more nevertheless, and no packet can match",
		Instead: "use one up to 0x0000ffff",
		Source:  "RFC 3173 3.3; seen on 6.1"},
	lState: {Code: "state-ignored", Severity: Note,
		Text:    "Linux does not read sadb_sa_state: the SA will be MATURE",
		Instead: "set it to 1 (MATURE)",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lReplay: {Code: "replay-window", Severity: Warning,
		Text:    "Linux cuts a PF_KEY replay window down to 32 packets",
		Instead: "use at most 32, or NETLINK_XFRM for a larger window",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lKeyAbsent: {Code: "key-absent", Severity: Warning,
		Text:    "authentication without a key: Linux computes the HMAC with an empty one",
		Instead: "add KEY_AUTH",
		Source:  afKey + "pfkey_msg2xfrm_state; seen on 6.1"},
	lKeyUnused: {Code: "key-unused", Severity: Warning,
		Text:    "a key for which the SA names no algorithm: it is not used",
		Instead: "name the algorithm in the SA extension, or leave the key out",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lAuthKeySize: {Code: "auth-key-size", Severity: Warning,
		Text:    "the authentication key is not of the size the algorithm's RFC demands; Linux takes any for HMAC",
		Instead: "use the size that REGISTER lists for the algorithm",
		Source:  algo + "; RFC 2403, 2404, 2857, 4868"},
	lKeyBits: {Code: "key-bits", Severity: Note,
		Text:    "a key's bits are no multiple of 8; Linux uses whole octets",
		Instead: "count in multiples of 8",
		Source:  afKey + "pfkey_msg2xfrm_state"},
	lTruncation: {Code: "sha256-truncation", Severity: Warning,
		Text:    "Linux truncates SHA2_256HMAC to 96 bits over PF_KEY, not to RFC 4868's 128: other systems drop such packets",
		Instead: "use SHA2_384HMAC, SHA2_512HMAC or SHA1HMAC, or NETLINK_XFRM with a truncation of 128",
		Source:  algo + ", icv_truncbits of hmac(sha256)"},
	lLifetimeOrder: {Code: "lifetime-order", Severity: Warning,
		Text:    "a soft limit is not below its hard limit, so no soft EXPIRE will come",
		Instead: "make the soft limit smaller",
		Source:  rfc + "3.1.8"},
	lSPIRange: {Code: "spirange", Severity: Error, Errno: eINVAL,
		Text:    "the SPI range ends before it begins",
		Instead: "make min at most max, both in the kernel's byte order",
		Source:  xstate + "verify_spi_info"},
	lSPIRangeCPI: {Code: "spirange-cpi", Severity: Error, Errno: eINVAL,
		Text:    "the range of an IPCOMP index goes beyond 16 bits, as it does by default",
		Instead: "add a SPIRANGE up to 0xffff",
		Source:  xstate + "verify_spi_info"},
	lSPIRangeLow: {Code: "spirange-low", Severity: Warning, May: []uint8{eNOENT},
		Text:    "the range holds reserved SPIs below 256; of the range 0 to 0 some kernels choose none, others SPI 0",
		Instead: "begin at 0x100",
		Source:  xstate + "xfrm_alloc_spi; seen on 6.1.176 and 6.1.192"},
	lRegister: {Code: "register-satype", Severity: Error, Errno: eINVAL,
		Text:    "REGISTER takes SA types up to 9",
		Instead: "use 2 (AH), 3 (ESP) or 9 (IPCOMP), or 0 to list algorithms without registering",
		Source:  afKey + "pfkey_register; SADB_SATYPE_MAX"},
	lFilter: {Code: "filter-prefix", Severity: Error, Errno: eINVAL,
		Text:    "a prefix of the dump's filter is longer than 128 bits",
		Instead: "use at most 32 bits for IPv4 and 128 for IPv6",
		Source:  afKey + "pfkey_dump"},
	lPromisc: {Code: "promisc-satype", Severity: Error, Errno: eINVAL,
		Text:    "X_PROMISC is switched with SA type 1 (on) or 0 (off)",
		Instead: "use 1 or 0",
		Source:  afKey + "pfkey_promisc"},
	lPolicyType: {Code: "policy-type", Severity: Error, Errno: eINVAL,
		Text:    "the policy's type is none of 0 (DISCARD), 1 (NONE), 2 (IPSEC)",
		Instead: "use one of these; ENTRUST and BYPASS are for sockets only",
		Source:  afKey + "pfkey_spdadd"},
	lPolicyDir: {Code: "policy-direction", Severity: Error, Errno: eINVAL,
		Text:    "the policy's direction is none of 1 (INBOUND), 2 (OUTBOUND), 3 (FWD)",
		Instead: "use one of these",
		Source:  afKey + "pfkey_spdadd, pfkey_spddelete, pfkey_migrate"},
	lPolicyID: {Code: "policy-id", Severity: Error, Errno: eINVAL,
		Text:    "the lowest three bits of a policy id name its direction, 0 to 2",
		Instead: "use an id as the kernel gave it; ids of socket policies cannot be asked for",
		Source:  afKey + "pfkey_spdget"},
	lPolicyEmpty: {Code: "policy-empty", Severity: Warning,
		Text:    "an IPSEC policy without requests protects nothing: traffic passes in the clear",
		Instead: "add a request, or say NONE",
		Source:  afKey + "parse_ipsecrequests, pfkey_xfrm_policy2msg"},
	lPolicyUnused: {Code: "policy-unused", Severity: Note,
		Text:    "the requests of a policy that is not IPSEC are not read",
		Instead: "leave them out",
		Source:  afKey + "pfkey_spdadd"},
	lRequestLength: {Code: "request-length", Severity: Error, Errno: eINVAL,
		Text:    "a request's length is below 16 or more than what is left of the policy; it counts bytes, not words",
		Instead: "set it to 16 plus the bytes of its two addresses",
		Source:  afKey + "parse_ipsecrequests, ipsecrequests_to_migrate"},
	lRequestDepth: {Code: "request-depth", Severity: Error, Errno: eLOOP,
		Text:    "a policy has more than 6 requests",
		Instead: "use at most 6",
		Source:  afKey + "parse_ipsecrequest; XFRM_MAX_DEPTH"},
	lRequestMode: {Code: "request-mode", Severity: Error, Errno: eINVAL,
		Text:    "a request's mode is none of 1 (transport), 2 (tunnel), 3 (BEET)",
		Instead: "use one of these",
		Source:  afKey + "parse_ipsecrequest, pfkey_mode_to_xfrm"},
	lRequestProto: {Code: "request-protocol", Severity: Error, Errno: eINVAL,
		Text:    "a request's protocol is none of 50 (ESP), 51 (AH), 108 (IPCOMP), 43 and 60 (IPv6 routing and destination options)",
		Instead: "use the IP protocol number, not the SA type",
		Source:  "Linux 6.1 include/net/xfrm.h xfrm_id_proto_valid"},
	lRequestLevel: {Code: "request-level", Severity: Error, Errno: eINVAL,
		Text:    "level USE is not possible for tunnel or BEET mode in an outbound policy",
		Instead: "use level REQUIRE or UNIQUE",
		Source:  afKey + "parse_ipsecrequest"},
	lRequestAddresses: {Code: "request-addresses", Severity: Error, Errno: eINVAL,
		Text:    "a request of a tunnel or of MIGRATE has not two addresses of one family",
		Instead: "append two sockaddrs without padding between them, 32 bytes for IPv4, 56 for IPv6",
		Source:  afKey + "parse_sockaddr_pair"},
	lRequestUnused: {Code: "request-unused", Severity: Note,
		Text:    "the addresses in a request are read for tunnel mode only",
		Instead: "leave them out",
		Source:  afKey + "parse_ipsecrequest"},
	lRequestTrailing: {Code: "request-trailing", Severity: Note,
		Text:    "up to 15 bytes after the last request are not read",
		Instead: "end the extension with the last request",
		Source:  afKey + "parse_ipsecrequests"},
	lRequestReqID: {Code: "request-reqid", Severity: Warning,
		Text:    "the reqid will not be used: it counts for level UNIQUE only, and only up to 16383",
		Instead: "use level UNIQUE and a reqid from 1 to 16383",
		Source:  afKey + "parse_ipsecrequest; IPSEC_MANUAL_REQID_MAX"},
	lMigratePairs: {Code: "migrate-pairs", Severity: Error, Errno: eINVAL,
		Text:    "MIGRATE needs one to six pairs of requests, each the old and then the new endpoints",
		Instead: "append both requests of each pair",
		Source:  afKey + "pfkey_migrate, ipsecrequests_to_migrate"},
	lMigrateMatch: {Code: "migrate-mismatch", Severity: Error, Errno: eINVAL,
		Text:    "the two requests of a pair differ in protocol, mode or reqid, or have no known mode",
		Instead: "change only the addresses",
		Source:  afKey + "ipsecrequests_to_migrate"},
	lMigrateAny: {Code: "migrate-any", Severity: Error, Errno: eINVAL,
		Text:    "a new endpoint is the unspecified address",
		Instead: "give the address to move to",
		Source:  "Linux 6.1 net/xfrm/xfrm_policy.c xfrm_migrate_check"},
	lMigrateTwice: {Code: "migrate-twice", Severity: Warning, May: []uint8{eINVAL},
		Text:    "two pairs have the same old endpoints, protocol, mode and reqid; for IPv4 the kernel compares octets it has not set, so it may not notice",
		Instead: "send each pair once",
		Source:  "Linux 6.1 net/xfrm/xfrm_policy.c xfrm_migrate_check"},
	lKMAddress: {Code: "kmaddress", Severity: Error, Errno: eINVAL,
		Text:    "KMADDRESS has not two addresses of one family",
		Instead: "append two sockaddrs without padding between them, 32 bytes for IPv4, 56 for IPv6",
		Source:  afKey + "pfkey_migrate, parse_sockaddr_pair"},

	lReplyMissing: {Code: "reply-missing", Severity: Warning,
		Text:    "an extension is missing that Linux puts into every such message",
		Instead: "check whether the message was changed or comes from another system",
		Source:  "Linux 6.1, as seen; " + afKey + "__pfkey_xfrm_state2msg, pfkey_xfrm_policy2msg, pfkey_send_acquire"},
	lReplyError: {Code: "reply-error-body", Severity: Warning,
		Text:    "an error answer of Linux is the bare header",
		Instead: "check whether the message was changed or comes from another system",
		Source:  afKey + "pfkey_error"},
	lReplyLength: {Code: "reply-length", Severity: Warning,
		Text:    "sadb_msg_len is not the number of 8-byte words read; Linux miscounts policies whose tunnels are of another family",
		Instead: "read with a larger buffer if the record was cut short, and trust the bytes otherwise",
		Source:  afKey + "pfkey_xfrm_policy2msg"},

	rShortHeader: {Code: "rfc-short-header", Severity: Error,
		Text: "the message is shorter than its 16-byte header", Instead: "write a whole message with one write(2)", Source: rfc + "2.1"},
	rVersion: {Code: "rfc-version", Severity: Error,
		Text: "sadb_msg_version is not 2", Instead: "set it to PF_KEY_V2, 2", Source: rfc + "2.1"},
	rLength: {Code: "rfc-length", Severity: Error,
		Text: "sadb_msg_len is not the number of 8-byte words of the message", Instead: "count the whole message, its header included", Source: rfc + "2.1"},
	rReserved: {Code: "rfc-reserved", Severity: Warning,
		Text: "sadb_msg_reserved is not 0", Instead: "set it to 0", Source: rfc + "2.1"},
	rErrno: {Code: "rfc-errno", Severity: Warning,
		Text: "a request has sadb_msg_errno set", Instead: "set it to 0; only a failed ACQUIRE carries one", Source: rfc + "2.1"},
	rPID: {Code: "rfc-pid", Severity: Warning,
		Text: "a request has not its process's pid, or a message of the kernel's own has one", Instead: "set sadb_msg_pid to getpid()", Source: rfc + "1.6"},
	rType: {Code: "rfc-type", Severity: Error,
		Text: "the dialect has no such message type", Instead: "use a type the system's header defines", Source: rfc + "2.1"},
	rFraming: {Code: "rfc-framing", Severity: Error,
		Text: "the message cannot be divided into extensions", Instead: "make every sadb_ext_len the 8-byte words of its extension", Source: rfc + "2.3"},
	rExtType: {Code: "rfc-extension-type", Severity: Error,
		Text: "an extension has the reserved type 0", Instead: "give it its type", Source: rfc + "2.3"},
	rExtShort: {Code: "rfc-extension-short", Severity: Error,
		Text: "an extension is shorter than its structure", Instead: "fill the whole structure", Source: rfc + "2.2"},
	rDuplicate: {Code: "rfc-duplicate", Severity: Error,
		Text: "an extension occurs twice", Instead: "send one of each type", Source: rfc + "2.3"},
	rOrder: {Code: "rfc-order", Severity: Note,
		Text: "extensions are not in the order of their numbers, which a system may insist on", Instead: "send them in that order", Source: rfc + "2.3, 2.4"},
	rReservedField: {Code: "rfc-reserved-field", Severity: Warning,
		Text: "a reserved field of an extension is not 0", Instead: "set it to 0", Source: rfc + "2.1"},
	rPadding: {Code: "rfc-padding", Severity: Note,
		Text: "padding is not zero: it may hold what was not meant to be sent", Instead: "clear the buffer before filling it", Source: rfc + "2.2"},
	rAddress: {Code: "rfc-address", Severity: Error,
		Text: "an address extension does not hold a whole IPv4 or IPv6 sockaddr of this system", Instead: "append the system's sockaddr, padded to 8 bytes", Source: rfc + "2.3.3"},
	rAddressZero: {Code: "rfc-address-zero", Severity: Warning,
		Text: "what is not address in a sockaddr (sin_zero, sin6_flowinfo) is not zero", Instead: "clear it", Source: rfc + "2.3.3"},
	rPrefix: {Code: "rfc-prefix", Severity: Error,
		Text: "a prefix is longer than the address", Instead: "use at most 32 bits for IPv4 and 128 for IPv6", Source: rfc + "2.3.3"},
	rPort: {Code: "rfc-port", Severity: Warning,
		Text: "an address has a port, which only ACQUIRE may have", Instead: "set it to 0", Source: rfc + "2.3.3"},
	rPortProto: {Code: "rfc-port-proto", Severity: Error,
		Text: "an address has a port and no protocol", Instead: "set sadb_address_proto to the transport protocol", Source: rfc + "2.3.3"},
	rAddressPair: {Code: "rfc-address-pair", Severity: Error,
		Text: "source and destination must come together, and with every SA", Instead: "add the other address", Source: rfc + "2.3.3"},
	rFamilies: {Code: "rfc-families", Severity: Error,
		Text: "source and destination are of different address families", Instead: "give both in the same family", Source: rfc + "2.3.3"},
	rKeyBits: {Code: "rfc-key-bits", Severity: Error,
		Text: "a key has 0 bits", Instead: "give the key or leave the extension out", Source: rfc + "2.3.4"},
	rKeyLength: {Code: "rfc-key-length", Severity: Error,
		Text: "a key's bits do not match its extension's length", Instead: "pad the key to the next 8 bytes, no more and no less", Source: rfc + "2.2, 2.3.4"},
	rIdentity: {Code: "rfc-identity", Severity: Error,
		Text: "an identity is no NUL-terminated string padded to 8 bytes", Instead: "append the terminating NUL and zeros up to the next 8 bytes", Source: rfc + "2.3.5, 2.4"},
	rSensitivity: {Code: "rfc-sensitivity", Severity: Error,
		Text: "the lengths of the sensitivity bitmaps do not add up to the extension's", Instead: "make them 8-byte words each, together all that follows", Source: rfc + "2.3.6"},
	rProposal: {Code: "rfc-proposal", Severity: Error,
		Text: "a proposal does not consist of whole 72-byte combinations", Instead: "append whole combinations", Source: rfc + "2.3.7"},
	rBits: {Code: "rfc-bits", Severity: Error,
		Text: "a smallest key size is above the largest", Instead: "swap them", Source: rfc + "2.3.7, 2.3.8"},
	rSPIRange: {Code: "rfc-spirange", Severity: Error,
		Text: "the SPI range ends before it begins", Instead: "make min at most max", Source: rfc + "2.3.9"},
	rSAType: {Code: "rfc-satype", Severity: Error,
		Text: "no SA has the type 0", Instead: "name the SA type", Source: rfc + "3.4"},
	rState: {Code: "rfc-state", Severity: Error,
		Text: "only MATURE SAs may be submitted", Instead: "set sadb_sa_state to 1 (MATURE)", Source: rfc + "3.1.2, 3.1.3"},
	rAlgMissing: {Code: "rfc-algorithm-missing", Severity: Error,
		Text: "an AH SA names no authentication, or an ESP SA no encryption", Instead: "name one; 11 is NULL encryption", Source: rfc + "2.3.1, 3.5"},
	rRequired: {Code: "rfc-required", Severity: Error,
		Text: "an extension is missing that the message must have", Instead: "add it", Source: rfc + "3.1"},
	rForbidden: {Code: "rfc-forbidden", Severity: Warning,
		Text: "an extension is none that the message has", Instead: "leave it out", Source: rfc + "3.1"},
	rErrorBody: {Code: "rfc-error-body", Severity: Warning,
		Text: "an error answer must be the bare header", Instead: "expect extensions after it from KAME systems, which echo the request", Source: rfc + "3.1"},
	rLifetimeOrder: {Code: "rfc-lifetime-order", Severity: Note,
		Text: "a soft limit is above its hard limit, so the soft one never expires", Instead: "make the soft limit smaller", Source: rfc + "3.1.8"},
	rExpire: {Code: "rfc-expire", Severity: Error,
		Text: "EXPIRE must have one of LIFETIME_HARD and LIFETIME_SOFT: the one that expired", Instead: "send the one that expired", Source: rfc + "3.1.8"},
	rAcquire: {Code: "rfc-acquire", Severity: Warning,
		Text: "a bare ACQUIRE reports a failure, so it needs the kernel's seq and an errno", Instead: "set sadb_msg_seq and sadb_msg_errno", Source: rfc + "3.1.6"},
	rPromisc: {Code: "rfc-promisc", Severity: Error,
		Text: "X_PROMISC is a bare header with SA type 1 (on) or 0 (off), or a header and a whole message", Instead: "use one of these forms", Source: rfc + "appendix A"},
}

func init() {
	for i := range rules {
		rules[i].Dialect = layers.Linux
		if ruleID(i) >= rShortHeader {
			rules[i].Dialect = layers.RFC2367
		}
	}
}
