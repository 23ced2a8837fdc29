// Package setkey reads and writes the statements of setkey(8): the language in
// which people write down SAs and policies for PF_KEY.
//
// The syntax is that of ipsec-tools and NetBSD (src/setkey/parse.y, token.l and
// libipsec/policy_parse.y of ipsec-tools 0.8.2) with what FreeBSD 14 adds
// (sbin/setkey/parse.y: -esn, -natt, -natt_mtu, -hwif). Three things are our own: the
// statement update, keys that are named instead of written (see Options.Key), and that
// the other options of an SA may stand behind its algorithms.
//
// A Parser gives one Statement after the other; Statement.Messages makes the
// messages that setkey would send.
package setkey

import (
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Statement is one command with its arguments. What does not belong to the
// command, or was left out, is zero.
type Statement struct {
	Line, Column int // where it begins, from 1

	// Command is add, update, get, getspi, delete, deleteall, flush, dump, exit,
	// spdadd, spdupdate, spddelete, spddump or spdflush.
	Command string

	// Src and Dst are the two ends, or what a policy selects. A host name can stand
	// for several addresses.
	Src, Dst Selector

	Protocol  string // esp, esp-old, esp-udp, ah, ah-old, ipcomp, tcp; "" is any
	SPI       uint32 // host byte order
	Mode      string // transport, tunnel; "" is any
	ReqID     uint32
	Replay    uint32 // as written: packets on Linux, octets of bitmap elsewhere
	Hard      Limit
	Soft      Limit
	Flags     []string // zero-pad, random-pad, seq-pad, nocyclic-seq, esn
	Encrypt   *Algorithm
	Auth      *Algorithm
	Compress  string // oui, deflate, lzs
	RawCPI    bool
	Context   *Context
	NATT      *NATT
	NATTFrag  uint16 // bytes; FreeBSD's -natt_mtu
	Interface string // FreeBSD's -hwif

	Tag    string // of a policy for what a packet filter has marked
	Upper  uint8  // IP protocol that a policy selects; anyProtocol is any
	Policy *Policy
}

// anyProtocol is IPSEC_ULPROTO_ANY (KAME netipsec/ipsec.h; ipsec-tools on Linux).
const anyProtocol = 255

// Selector is one or more addresses with a port and a prefix length.
type Selector struct {
	Addrs  []netip.Addr
	Port   uint16
	Prefix int // bits, or -1 for the whole address
}

// Limit is when an SA expires; 0 is never.
type Limit struct {
	Time  uint64 // seconds since the SA was made
	Bytes uint64
}

// Algorithm is an algorithm in setkey's name for it, and its key.
type Algorithm struct {
	Name   string
	Key    layers.Secret
	column int
	line   int
}

// Context is a security context.
type Context struct {
	DOI, Alg uint8
	Text     string
}

// NATT says how ESP is carried over UDP.
type NATT struct {
	// OriginalSrc and OriginalDst are the addresses before translation, each invalid
	// if not said. ipsec-tools knows one, the peer's, which is OriginalSrc here.
	OriginalSrc, OriginalDst netip.Addr
	SrcPort, DstPort         uint16 // 0: the ports of the ends, or else 4500
}

// Policy is what follows -P.
type Policy struct {
	Direction string // in, out, fwd
	// Priority is the number that the kernel orders by, lower first; 0 is not said.
	Priority uint32
	Type     string // discard, none, ipsec, entrust, bypass
	Requests []Request
}

// Request is one protocol/mode/src-dst/level.
type Request struct {
	Protocol string // esp, ah, ipcomp
	Mode     string // transport, tunnel, any
	Src, Dst netip.AddrPort
	Level    string // default, use, require, unique
	ReqID    uint32 // of unique:N
}
