// Package ipseckey reads and writes the commands of ipseckey(8) of illumos and Solaris:
// what its save command writes, and what people put into the files for -f.
//
// The syntax is that of illumos cmd/cmd-inet/usr.sbin/ipsecutils/ipseckey.c and
// lib/libipsecutil/common/ipsec_util.c (2016): one command a line, lines that end in a
// backslash go on in the next, lines that begin with # are comments. Two things are
// our own. A comment between the lines of one command is passed over, as save writes
// one of an SA that is not mature (ipseckey itself takes it for the command's end).
// And an IPv4 address makes a sockaddr_in, where ipseckey sends the address mapped into
// IPv6 and the kernel takes it out again.
//
// A Parser gives one Statement after the other; Statement.Messages makes the messages
// that ipseckey would send.
package ipseckey

import (
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Statement is one command with its arguments. What was not said is zero.
type Statement struct {
	Line, Column int // where it begins, from 1

	// Command is add, update, update-pair, delete, delete-pair, get, flush or dump.
	Command string
	SAType  uint8 // of PF_KEY; 0 is all

	SPI     uint32 // host byte order
	PairSPI uint32 // of the SA in the other direction
	Replay  uint8  // packets
	State   string // larval, mature, dying, dead; "" is mature

	Auth, Encrypt *Algorithm
	AuthKey       *Key
	EncryptKey    *Key
	Reserved      uint16 // bits of salt at the end of EncryptKey
	ReplayValue   uint32
	ReplayCounter bool // ReplayValue was said

	Hard, Soft, Idle *Limit

	Src, Dst           Address
	InnerSrc, InnerDst Address
	NATLocal           Address
	NATRemote          Address
	Proto, InnerProto  uint8 // IP protocol; 0 is any

	Inbound, Outbound bool
	EncapUDP          bool

	SrcID, DstID *Identity
}

// Algorithm is an algorithm by a name of ipsecalgs(8), or by its number.
type Algorithm struct {
	Name   string // "" if by number
	Number uint8  // as on illumos
	line   int
	column int
}

// Key is a key whose last octet may be used in part, from its highest bit.
type Key struct {
	Octets layers.Secret
	Bits   int
}

// Limit is when an SA expires; 0 is never.
type Limit struct {
	Allocations uint32
	Bytes       uint64
	AddTime     uint64 // seconds since it was made
	UseTime     uint64 // seconds since it was used first
}

// Address is one or more addresses, or none, with a port and a prefix length.
type Address struct {
	Addrs  []netip.Addr
	Port   uint16
	Prefix int // bits, or -1 for the whole address; 0 where no prefix can be said
}

func (a Address) said() bool { return len(a.Addrs) > 0 }

// Identity is an identity of a type by its name (prefix, fqdn, user_fqdn, der_dn,
// der_gn), or by its number.
type Identity struct {
	Type   string
	Number uint16 // if Type is ""
	Text   string
}
