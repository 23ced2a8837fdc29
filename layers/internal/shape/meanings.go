package shape

// Meaning says what an extension is for, whatever number a dialect gives it.
type Meaning uint8

// The meanings. Their order fixes the gopacket layer type numbers (see
// package layers), so new ones go to the end.
const (
	NoMeaning Meaning = iota
	MSA
	MLifetimeCurrent
	MLifetimeHard
	MLifetimeSoft
	MAddressSrc
	MAddressDst
	MAddressProxy
	MKeyAuth
	MKeyEncrypt
	MIdentitySrc
	MIdentityDst
	MSensitivity
	MProposal
	MSupportedAuth
	MSupportedEncrypt
	MSPIRange
	MKMPrivate
	MPolicy
	MSA2
	MNATTType
	MNATTSrcPort
	MNATTDstPort
	MNATTOA
	MSecCtx
	MKMAddress
	MFilter
	MNATTOAR
	MNATTFrag
	MSAReplay
	MNewAddressSrc
	MNewAddressDst
	MLifetimeCurrentSWOffload
	MLifetimeCurrentHWOffload
	MIfHWOffload
	MSrcMask
	MDstMask
	MProtocol
	MFlowType
	MSrcFlow
	MDstFlow
	MSecondSA
	MDst2
	MPolicySeq
	MLocalCredentials
	MRemoteCredentials
	MLocalAuth
	MRemoteAuth
	MSupportedComp
	MUDPEncap
	MLifetimeLastUse
	MTag
	MTap
	MSAType2
	MCounter
	MRDomain
	MMTU
	MReplayCount
	MIface
	MSessionID
	MSAStats
	MIPsecIf
	MAddrRangeSrcStart
	MAddrRangeSrcEnd
	MAddrRangeDstStart
	MAddrRangeDstEnd
	MMigrateAddressSrc
	MMigrateAddressDst
	MMigrateIPsecIf
	MExtendedRegister
	MExtendedProposal
	MKMCookie
	MAddressNATTLocal
	MAddressNATTRemote
	MAddressInnerDst
	MPair
	MReplayValue
	MExtendedDump
	MLifetimeIdle
	MOuterSensitivity
	MStrAuth

	NumMeanings
)

// Meanings lists, by meaning, the Go name used in LayerType… and the Go struct
// that holds such an extension.
var Meanings = [NumMeanings]struct{ Go, Struct string }{
	MSA:                       {"SA", "SA"},
	MLifetimeCurrent:          {"LifetimeCurrent", "Lifetime"},
	MLifetimeHard:             {"LifetimeHard", "Lifetime"},
	MLifetimeSoft:             {"LifetimeSoft", "Lifetime"},
	MAddressSrc:               {"AddressSrc", "Address"},
	MAddressDst:               {"AddressDst", "Address"},
	MAddressProxy:             {"AddressProxy", "Address"},
	MKeyAuth:                  {"KeyAuth", "Key"},
	MKeyEncrypt:               {"KeyEncrypt", "Key"},
	MIdentitySrc:              {"IdentitySrc", "Identity"},
	MIdentityDst:              {"IdentityDst", "Identity"},
	MSensitivity:              {"Sensitivity", "Sensitivity"},
	MProposal:                 {"Proposal", "Proposal"},
	MSupportedAuth:            {"SupportedAuth", "Supported"},
	MSupportedEncrypt:         {"SupportedEncrypt", "Supported"},
	MSPIRange:                 {"SPIRange", "SPIRange"},
	MKMPrivate:                {"KMPrivate", "KMPrivate"},
	MPolicy:                   {"Policy", "Policy"},
	MSA2:                      {"SA2", "SA2"},
	MNATTType:                 {"NATTType", "NATTType"},
	MNATTSrcPort:              {"NATTSrcPort", "NATTPort"},
	MNATTDstPort:              {"NATTDstPort", "NATTPort"},
	MNATTOA:                   {"NATTOA", "Address"},
	MSecCtx:                   {"SecCtx", "SecCtx"},
	MKMAddress:                {"KMAddress", "KMAddress"},
	MFilter:                   {"Filter", "Filter"},
	MNATTOAR:                  {"NATTOAR", "Address"},
	MNATTFrag:                 {"NATTFrag", "NATTFrag"},
	MSAReplay:                 {"SAReplay", "SAReplay"},
	MNewAddressSrc:            {"NewAddressSrc", "Address"},
	MNewAddressDst:            {"NewAddressDst", "Address"},
	MLifetimeCurrentSWOffload: {"LifetimeCurrentSWOffload", "Lifetime"},
	MLifetimeCurrentHWOffload: {"LifetimeCurrentHWOffload", "Lifetime"},
	MIfHWOffload:              {"IfHWOffload", "IfHWOffload"},
	MSrcMask:                  {"SrcMask", "Address"},
	MDstMask:                  {"DstMask", "Address"},
	MProtocol:                 {"Protocol", "Protocol"},
	MFlowType:                 {"FlowType", "Protocol"},
	MSrcFlow:                  {"SrcFlow", "Address"},
	MDstFlow:                  {"DstFlow", "Address"},
	MSecondSA:                 {"SecondSA", "SA"},
	MDst2:                     {"Dst2", "Address"},
	MPolicySeq:                {"PolicySeq", "PolicySeq"},
	MLocalCredentials:         {"LocalCredentials", "Credentials"},
	MRemoteCredentials:        {"RemoteCredentials", "Credentials"},
	MLocalAuth:                {"LocalAuth", "Credentials"},
	MRemoteAuth:               {"RemoteAuth", "Credentials"},
	MSupportedComp:            {"SupportedComp", "Supported"},
	MUDPEncap:                 {"UDPEncap", "UDPEncap"},
	MLifetimeLastUse:          {"LifetimeLastUse", "Lifetime"},
	MTag:                      {"Tag", "Tag"},
	MTap:                      {"Tap", "Tap"},
	MSAType2:                  {"SAType2", "Protocol"},
	MCounter:                  {"Counter", "Counter"},
	MRDomain:                  {"RDomain", "RDomain"},
	MMTU:                      {"MTU", "MTU"},
	MReplayCount:              {"ReplayCount", "ReplayCount"},
	MIface:                    {"Iface", "Iface"},
	MSessionID:                {"SessionID", "SessionID"},
	MSAStats:                  {"SAStats", "SAStats"},
	MIPsecIf:                  {"IPsecIf", "IPsecIf"},
	MAddrRangeSrcStart:        {"AddrRangeSrcStart", "Address"},
	MAddrRangeSrcEnd:          {"AddrRangeSrcEnd", "Address"},
	MAddrRangeDstStart:        {"AddrRangeDstStart", "Address"},
	MAddrRangeDstEnd:          {"AddrRangeDstEnd", "Address"},
	MMigrateAddressSrc:        {"MigrateAddressSrc", "Address"},
	MMigrateAddressDst:        {"MigrateAddressDst", "Address"},
	MMigrateIPsecIf:           {"MigrateIPsecIf", "IPsecIf"},
	MExtendedRegister:         {"ExtendedRegister", "ExtendedRegister"},
	MExtendedProposal:         {"ExtendedProposal", "ExtendedProposal"},
	MKMCookie:                 {"KMCookie", "KMCookie"},
	MAddressNATTLocal:         {"AddressNATTLocal", "Address"},
	MAddressNATTRemote:        {"AddressNATTRemote", "Address"},
	MAddressInnerDst:          {"AddressInnerDst", "Address"},
	MPair:                     {"Pair", "Pair"},
	MReplayValue:              {"ReplayValue", "ReplayCounter"},
	MExtendedDump:             {"ExtendedDump", "ExtendedDump"},
	MLifetimeIdle:             {"LifetimeIdle", "Lifetime"},
	MOuterSensitivity:         {"OuterSensitivity", "Sensitivity"},
	MStrAuth:                  {"StrAuth", "Key"},
}
