package sniff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// rule is one way in which bytes can speak against a candidate.
type rule uint8

const (
	noRule rule = iota
	ruleLength
	ruleFraming
	ruleFamily
	ruleExtension
	ruleSize
	ruleRequest
	ruleWrapped
	ruleWrapperSeq
	ruleWrapperLength
	ruleWrappedKeys
	ruleType
	ruleBareType
	ruleSAType
	ruleSATypeUse
	ruleCipher
	ruleReserved
	ruleDiagnostic
	ruleErrno
	ruleEcho
	ruleBareError
	ruleNoPrefix
	ruleWithPrefix
	rulePrefix
	ruleOrder
	ruleAscending
	ruleSequence
	ruleKeyBits
	ruleIVLen
	ruleCookie
	ruleFlags
	ruleEnum
	numRules
)

// strong is the least weight of a rule that speaks against a dialect by itself.
const strong = 3

// rules says how many points each rule takes and for how many messages at most,
// so that a long capture of one kind of message does not add up to more than it
// says. The byte order comes before everything else: its rule takes more than all
// others together. The sources are those of the dialects, and for the order of extensions and
// who gets what the kernels: af_key.c of Linux 6.1, netipsec/key.c and keysock.c of
// FreeBSD 13 and NetBSD 7.99, net/pfkeyv2.c of OpenBSD, uts/common/inet/ip/keysock.c
// of illumos.
var rules = [numRules]struct {
	weight int
	most   uint8
	order  bool   // speaks about the byte order, not about the dialect
	text   string // of a fact, with its a and b
}{
	ruleLength:        {100, 3, true, "sadb_msg_len is the message's length only in %s-endian order"},
	ruleFraming:       {100, 3, true, "extensions fill the message only in %s-endian order"},
	ruleFamily:        {8, 3, false, ""},
	ruleExtension:     {6, 3, false, "extension %d of %d bytes"},
	ruleSize:          {5, 3, false, "extension %d of %d bytes"},
	ruleRequest:       {4, 3, false, "a request of %d bytes in a policy"},
	ruleWrapped:       {6, 3, false, "a message in an X_PROMISC wrapper"},
	ruleWrapperSeq:    {6, 3, false, "an X_PROMISC wrapper with seq %d"},
	ruleWrapperLength: {2, 2, false, "an X_PROMISC wrapper of %d bytes whose length says %d"},
	ruleWrappedKeys:   {3, 3, false, "a request of type %d with keys in an X_PROMISC wrapper"},
	ruleType:          {4, 3, false, "message type %d"},
	ruleBareType:      {2, 2, false, "the bare header of message type %d"}, // which anybody may try
	ruleSAType:        {4, 3, false, "SA type %d"},
	ruleSATypeUse:     {3, 3, false, "SA type %d in a message of type %d"},
	ruleCipher:        {3, 3, false, "SA type %d with encryption algorithm %d"},
	ruleReserved:      {3, 2, false, "reserved %d in a message of type %d"},
	ruleDiagnostic:    {3, 3, false, "reserved %d beside errno %d"},
	ruleErrno:         {2, 2, false, "errno %d"},
	ruleEcho:          {4, 3, false, "errno %d on a message of %d bytes"},
	ruleBareError:     {1, 2, false, "errno %d on the bare header of type %d"},
	ruleNoPrefix:      {3, 3, false, "an address without protocol and prefix length"},
	ruleWithPrefix:    {4, 3, false, "an address with protocol %d and prefix length %d"},
	rulePrefix:        {2, 2, false, "an address with protocol %d and prefix length %d"},
	ruleOrder:         {3, 3, false, "extension %d after extension %d"},
	ruleAscending:     {2, 3, false, "extension %d after extension %d"},
	ruleSequence:      {3, 3, false, "seq %d after seq %d in a dump"},
	ruleKeyBits:       {3, 3, false, "algorithm %d with %d key bits"},
	ruleIVLen:         {3, 3, false, "an IV length of %d"},
	ruleCookie:        {2, 3, false, "extension 19 with the words %d and %d"},
	ruleFlags:         {2, 2, false, "flags %#x"},
	ruleEnum:          {1, 2, false, "the number %d in extension %d"},
}

// fact is something in a message that does not depend on how it is read. a and b
// are numbers in its text. It holds no octets of which another dialect may say that
// they are secret.
type fact struct {
	rule   rule
	offset int // bytes from the start of the record
	a, b   uint32
}

// String says the fact and its place.
func (f fact) String() string { return Contradiction{f.offset, f.text()}.String() }

func (f fact) text() string {
	text := rules[f.rule].text
	switch {
	case f.rule == ruleFamily && f.a == 0:
		return fmt.Sprintf("extension %d without an address of a known family", f.b)
	case f.rule == ruleFamily:
		return fmt.Sprintf("a sockaddr of %v", sockaddrForms[f.a-1])
	case rules[f.rule].order:
		return fmt.Sprintf(text, layers.Order(f.a))
	}
	numbers := [2]any{f.a, f.b}
	return fmt.Sprintf(text, numbers[:strings.Count(text, "%")]...)
}

// sockaddrForm is how the sockaddr of some system begins.
type sockaddrForm struct{ first, second byte }

// sockaddrForms are all of them: on the BSDs and macOS a length and a family, else a
// family of 16 bits. The numbers of AF_INET6 are those of Linux (10), NetBSD and
// OpenBSD (24), illumos (26), FreeBSD and DragonFly (28) and macOS (30).
var sockaddrForms = []sockaddrForm{
	{16, 2}, {28, 24}, {28, 28}, {28, 30},
	{2, 0}, {10, 0}, {26, 0},
	{0, 2}, {0, 10}, {0, 26},
}

// String describes the sockaddr.
func (f sockaddrForm) String() string {
	switch {
	case f.second == 0:
		return fmt.Sprintf("family %d in little-endian order, without a length", f.first)
	case f.first == 0:
		return fmt.Sprintf("family %d in big-endian order, without a length", f.second)
	}
	return fmt.Sprintf("length %d and family %d", f.first, f.second)
}

// formOf returns the number of the form, from 1, that a sockaddr has, or 0.
func formOf(b []byte) uint32 {
	return uint32(slices.Index(sockaddrForms, sockaddrForm{b[0], b[1]}) + 1)
}
