package check

import (
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Lint returns what is wrong with a message of c's dialect as a socket read or wrote
// it. For by it takes
//
//   - [layers.NoDialect]: what the kernel of the message's own system objects to, and
//     in what is not from the kernel also the errors and warnings by RFC 2367. Of what
//     both say it names only what the kernel does. Kernels do not keep to the RFC in
//     what they send: their answers have keys, and extensions in an order of their own.
//   - the message's own dialect: what its kernel objects to;
//   - [layers.RFC2367]: all that the RFC objects to, whoever sent it;
//   - another system: what stands in the way of the message there, namely what that
//     kernel objects to if the message goes to one, and what would be read differently
//     there ([Differences]), whichever way it goes. Of numbers that the other system
//     does not have only those are listed that its kernel does not object to itself.
//
// A message in an X_PROMISC wrapper is judged as what it is: OpenBSD wraps requests.
// The problems do not alias msg.
func Lint(by layers.Dialect, c layers.Codec, msg []byte, dir Direction) []Problem {
	inner := c.Unwrap(msg)
	at := len(msg) - len(inner)
	var sender uint32
	if at > 0 {
		dir, sender = wrappedBy(c, msg, dir)
	}
	own := kernelOf(c.Dialect)
	if own == nil {
		own = kernelOf(layers.RFC2367)
	}
	var list []Problem
	switch by {
	case layers.NoDialect:
		list = own.checkFrom(sender, c, inner, dir)
		if own != &rfcKernel && dir != FromKernel {
			list = appendRFC(list, c, inner, dir)
		}
	case layers.RFC2367:
		list = kernelOf(layers.RFC2367).check(c, inner, dir)
	case c.Dialect:
		list = own.checkFrom(sender, c, inner, dir)
	default:
		if dir == ToKernel {
			list = Judge(by, c, inner, dir)
		}
	}
	for i := range list {
		list[i].Offset += at
	}
	if by != layers.RFC2367 {
		list = appendDifferences(list, by, c, msg)
	}
	return list
}

// wrappedBy says which way the message in a wrapper goes, and who sent it if that is
// known.
func wrappedBy(c layers.Codec, msg []byte, dir Direction) (Direction, uint32) {
	s := kernelOf(c.Dialect)
	if s == nil || s.inner == nil || s == &rfcKernel {
		return dir, 0
	}
	var outer layers.Message
	outer.Codec = c
	_ = outer.DecodeFromBytes(msg[:layers.BaseLen], nil) // of what follows nothing is read
	if dir = s.inner(&outer); dir == ToKernel {
		return dir, outer.Seq
	}
	return dir, 0
}

// appendDifferences appends what another system would take for something else.
func appendDifferences(list []Problem, there layers.Dialect, c layers.Codec, msg []byte) []Problem {
	refused := len(list)
	for _, p := range Differences(there, c, msg) {
		if p.rule.id == pUnknown && objectsTo(list[:refused], p.Offset) {
			continue
		}
		list = append(list, p)
	}
	return list
}

// objectsTo tells whether one of the problems is about the extension, or the field of
// the header, that begins at an offset, and brings an errno.
func objectsTo(list []Problem, offset int) bool {
	return slices.ContainsFunc(list, func(p Problem) bool { return p.Errno != 0 && p.Offset == offset && p.Len > 0 })
}

// appendRFC appends the errors and warnings by RFC 2367 that a kernel has not said.
func appendRFC(list []Problem, c layers.Codec, msg []byte, dir Direction) []Problem {
	said := len(list)
	for _, p := range kernelOf(layers.RFC2367).check(c, msg, dir) {
		if p.Severity != Note && !slices.ContainsFunc(list[:said], func(k Problem) bool {
			return k.Offset == p.Offset && k.Ext == p.Ext && slices.Contains(sameObjection[p.rule.id], k.rule.id)
		}) {
			list = append(list, p)
		}
	}
	return list
}

// sameObjection names the objections of kernels that say what one of the RFC says.
var sameObjection = [numCodes][]code{
	rShortHeader:   {cShortHeader},
	rVersion:       {cVersion},
	rLength:        {cLength, cReplyLength},
	rReserved:      {cReserved},
	rErrno:         {cErrnoSet},
	rPID:           {cPID},
	rType:          {cType},
	rFraming:       {cTrailing, cZeroLength, cOverrun},
	rExtType:       {cExtType},
	rExtShort:      {cExtShort, cExtCut},
	rDuplicate:     {cDuplicate},
	rReservedField: {cReservedField},
	rAddress:       {cAddressShort, cAddressFamily, cAddressLength, cSockaddrLength},
	rAddressZero:   {cAddressZero},
	rPrefix:        {cAddressPrefix},
	rPort:          {cAddressPort},
	rAddressPair:   {cAddressMissing, cReplyMissing},
	rFamilies:      {cFamilies},
	rKeyBits:       {cKeyEmpty},
	rKeyLength:     {cKeyOverrun, cExtLong},
	rIdentity:      {cIdentity, cIdentityCut},
	rProposal:      {cProposal},
	rSPIRange:      {cSPIRange},
	rSAType:        {cSAType, cSATypeUnspec, cSATypeEmpty},
	rState:         {cState, cStateIgnored},
	rAlgMissing:    {cAlgMissing},
	rRequired:      {cSAMissing, cAddressMissing, cSPIRangeMissing, cKeyMissing, cExtMissing, cReplyMissing},
	rForbidden:     {cExtForbidden, cExtIgnored, cReplyExtra},
	rErrorBody:     {cReplyError},
	rLifetimeOrder: {cLifetimeOrder},
	rAcquire:       {cAcquire},
	rPromisc:       {cPromisc},
}
