package gen_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/fuzz/seed"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
)

// The known framing bugs of PF_KEY parsers: kernels', with their CVE numbers or
// commits, and what every parser should be tried with. Each has a detector that
// looks at the bytes of a message and at nothing that the generator says of it.

// bug is one of them.
type bug struct {
	id   string
	what string
	in   string // the dialects whose systems have, or had, it; "" is all
	// hit reports whether a message would trigger it.
	hit func(m *message) bool
}

// message is a message as the detectors see it, divided by a walk of their own.
type message struct {
	layers.Codec
	order binary.ByteOrder
	b     []byte
	exts  []ext
	rest  []byte  // what the walk could not divide
	last  []uint8 // types of the messages before, latest first
}

type ext struct {
	typ  uint16
	name string
	b    []byte
}

func (m *message) parse(b []byte) {
	m.b, m.exts, m.rest = b, m.exts[:0], nil
	m.order = binary.LittleEndian
	if m.Order == layers.BigEndian {
		m.order = binary.BigEndian
	}
	for p := b[min(16, len(b)):]; len(p) > 0; {
		if len(p) < 4 {
			m.rest = p
			return
		}
		n := int(m.order.Uint16(p)) * 8
		if n == 0 || n > len(p) {
			m.rest = p
			return
		}
		typ := m.order.Uint16(p[2:])
		m.exts = append(m.exts, ext{typ, m.Dialect.ExtName(typ), p[:n]})
		p = p[n:]
	}
}

func (m *message) typ() string {
	if len(m.b) < 16 {
		return ""
	}
	return m.Dialect.EnumName(layers.EnumMsgType, uint64(m.b[1]))
}

func (m *message) is(types ...string) bool { return slices.Contains(types, m.typ()) }

func (m *message) len() int { return int(m.order.Uint16(m.b[4:])) }

// any reports whether f is true for an extension whose name begins so.
func (m *message) any(prefix string, f func(b []byte) bool) bool {
	return slices.ContainsFunc(m.exts, func(x ext) bool { return strings.HasPrefix(x.name, prefix) && f(x.b) })
}

// u16 reads a number, -1 if it is beyond the end.
func (m *message) u16(b []byte, at int) int {
	if at+2 > len(b) {
		return -1
	}
	return int(m.order.Uint16(b[at:]))
}

func (m *message) u32(b []byte, at int) int64 {
	if at+4 > len(b) {
		return -1
	}
	return int64(m.order.Uint32(b[at:]))
}

// bsd reports whether sockaddrs have a length.
func (m *message) bsd() bool {
	switch m.Dialect {
	case layers.FreeBSD, layers.NetBSD, layers.OpenBSD, layers.MacOS, layers.DragonFly:
		return true
	}
	return false
}

func (m *message) family(b []byte) int {
	if m.bsd() {
		if len(b) < 2 {
			return -1
		}
		return int(b[1])
	}
	return m.u16(b, 0)
}

func (m *message) inet6() int {
	n, _ := m.Dialect.Family("inet6")
	return int(n)
}

// address is true for the families that mean something.
func (m *message) knows(family int) bool { return family == 2 || family == m.inet6() }

// requests calls f with the requests of policies until it returns true; b is what
// the policy has from the request on, n its length field.
func (m *message) requests(f func(b []byte, n int) bool) bool {
	return m.any("POLICY", func(b []byte) bool {
		head := m.requestHead()
		for b = b[min(16, len(b)):]; len(b) >= head; {
			n := m.u16(b, 0)
			if f(b, n) {
				return true
			}
			if n < head || n > len(b) {
				return false
			}
			b = b[n:]
		}
		return false
	})
}

func (m *message) requestHead() int {
	if m.bsd() {
		return 8
	}
	return 16
}

// pairSize is how long two addresses of a family are.
func (m *message) pairSize(family int) int {
	if family == 2 {
		return 32
	}
	return 56
}

const (
	onLinux = "linux"
	onKAME  = "freebsd netbsd macos dragonfly"
)

var bugs = []bug{
	// Linux, net/key/af_key.c.
	{"CVE-2026-31515", "MIGRATE with an unknown address family", onLinux, func(m *message) bool {
		return m.is("MIGRATE") && m.requests(func(b []byte, n int) bool {
			f := m.u16(b, 16)
			return n > 18 && f >= 0 && f < 256 && !m.knows(f)
		})
	}},
	{"CVE-2026-31515", "MIGRATE with an address family above 255", onLinux, func(m *message) bool {
		return m.is("MIGRATE") && m.requests(func(b []byte, n int) bool { return n > 18 && m.u16(b, 16) > 255 })
	}},
	{"CVE-2026-43088", "MIGRATE, ACQUIRE or NEW_MAPPING with an IPv6 address", onLinux, func(m *message) bool {
		return m.is("MIGRATE", "ACQUIRE", "NAT_T_NEW_MAPPING") && m.any("ADDRESS", func(b []byte) bool { return len(b) == 40 && m.u16(b, 8) == 10 })
	}},
	{"CVE-2022-1353", "REGISTER, and a SUPPORTED whose reserved word is not 0", onLinux, func(m *message) bool {
		return m.is("REGISTER") && m.any("SUPPORTED", func(b []byte) bool { return m.u32(b, 4) > 0 })
	}},
	{"CVE-2022-3028", "REGISTER again and again", "", func(m *message) bool {
		return m.is("REGISTER") && len(m.b) == 16 && slices.Contains(m.last, m.b[1])
	}},
	{"CVE-2013-2234", "FLUSH", "", func(m *message) bool { return m.is("FLUSH") && len(m.b) == 16 }},
	{"CVE-2013-2237", "SPDFLUSH", onLinux, func(m *message) bool { return m.is("SPDFLUSH") && len(m.b) == 16 }},
	{"4e765b4972af", "1 to 3 bytes after the last extension", "", func(m *message) bool {
		return len(m.rest) > 0 && len(m.rest) < 4 && m.len() == len(m.b)/8
	}},
	{"06b335cb51af", "ADDRESS without room for a family", "", func(m *message) bool {
		return m.any("ADDRESS", func(b []byte) bool { return len(b) == 8 })
	}},
	{"096f41d3a8fc", "request shorter than its structure", onLinux + " " + onKAME, func(m *message) bool {
		return m.requests(func(b []byte, n int) bool { return n < m.requestHead() })
	}},
	{"096f41d3a8fc", "tunnel request shorter than its addresses", onLinux + " " + onKAME, func(m *message) bool {
		return m.requests(func(b []byte, n int) bool {
			head := m.requestHead()
			return b[4] == 2 && n > head && n < head+m.pairSize(m.family(b[head:]))
		})
	}},
	{"d90c902449a7", "POLICY longer than the buffer", onLinux + " " + onKAME, func(m *message) bool {
		return len(m.rest) >= 4 && m.Dialect.ExtName(m.order.Uint16(m.rest[2:])) == "POLICY" && int(m.order.Uint16(m.rest))*8 > len(m.rest)
	}},
	{"75065a892906", "FILTER with a prefix above 128", onLinux, func(m *message) bool {
		return m.any("FILTER", func(b []byte) bool { return len(b) >= 40 && (b[38] > 128 || b[39] > 128) })
	}},
	{"75065a892906", "FILTER with an IPv4 prefix above 32", onLinux, func(m *message) bool {
		return m.any("FILTER", func(b []byte) bool { return m.u16(b, 36) == 2 && (b[38] > 32 || b[39] > 32) })
	}},
	{"75065a892906", "FILTER of no known family", onLinux, func(m *message) bool {
		return m.any("FILTER", func(b []byte) bool { return len(b) >= 40 && !m.knows(m.u16(b, 36)) })
	}},
	{"verify_key_len", "KEY with more bits than octets", "", func(m *message) bool {
		return m.any("KEY_", func(b []byte) bool { return m.u16(b, 4) > 8*(len(b)-8) })
	}},
	{"2005 SEC_CTX", "context longer than its extension", onLinux, func(m *message) bool {
		return m.any("SEC_CTX", func(b []byte) bool { n := m.u16(b, 6); return n > len(b)-8 && n <= 4096 })
	}},
	{"2005 SEC_CTX", "context shorter than its extension", onLinux, func(m *message) bool {
		return m.any("SEC_CTX", func(b []byte) bool { n := m.u16(b, 6); return n >= 0 && n <= len(b)-16 })
	}},
	{"2005 SEC_CTX", "context longer than a page", onLinux, func(m *message) bool {
		return m.any("SEC_CTX", func(b []byte) bool { return m.u16(b, 6) > 4096 })
	}},

	// FreeBSD and the KAME family, sys/netipsec/key.c.
	{"NEW_ADDRESS", "UPDATE whose new address has the length of its extension and more than a sockaddr", "freebsd", func(m *message) bool {
		return m.is("UPDATE") && m.any("NEW_ADDRESS", oversized)
	}},
	{"oversized sa_len", "another address than SRC and DST of that kind", onKAME, func(m *message) bool {
		return slices.ContainsFunc(m.exts, func(x ext) bool {
			switch x.name {
			case "ADDRESS_PROXY", "NAT_T_OAI", "NAT_T_OAR", "ADDR_RANGE_SRC_START", "ADDR_RANGE_SRC_END",
				"ADDR_RANGE_DST_START", "ADDR_RANGE_DST_END", "MIGRATE_ADDRESS_SRC", "MIGRATE_ADDRESS_DST":
				return oversized(x.b)
			}
			return false
		})
	}},
	{"ipsecrequest", "second address of another family or length", onKAME, func(m *message) bool {
		return m.pair(func(a, z []byte) bool { return a[0] >= 16 && (z[0] != a[0] || z[1] != a[1]) })
	}},
	{"ipsecrequest", "sa_len 0", onKAME, func(m *message) bool {
		return m.requests(func(b []byte, n int) bool { return n > 8 && len(b) > 8 && b[8] == 0 })
	}},
	{"ipsecrequest", "addresses that overrun the request", onKAME, func(m *message) bool {
		return m.requests(func(b []byte, n int) bool { return n > 9 && len(b) > 9 && 8+int(b[8]) > n }) ||
			m.pair(func(a, z []byte) bool { return int(z[0]) > len(z) })
	}},

	// OpenBSD, sys/net/pfkeyv2_parsemessage.c.
	{"PROPOSAL", "a combination after a good first one makes no sense", "openbsd", func(m *message) bool {
		return m.any("PROPOSAL", func(b []byte) bool {
			bad := func(c []byte) bool {
				return c[0] > 14 && c[0] < 249 || c[1] > 22 && c[1] < 249 || m.u16(c, 4) > m.u16(c, 6) || m.u16(c, 8) > m.u16(c, 10)
			}
			for i := 8 + 72; i+72 <= len(b); i += 72 {
				if !bad(b[8:80]) && bad(b[i:]) {
					return true
				}
			}
			return false
		})
	}},
	{"SUPPORTED_COMP", "an algorithm above the highest for compression", "openbsd", func(m *message) bool {
		return m.any("SUPPORTED_COMP", func(b []byte) bool { return len(b) >= 16 && b[8] > 3 || len(b) >= 24 && b[16] > 3 })
	}},

	// illumos, usr/src/uts/common/inet/ip/keysock.c.
	{"ext_check", "a key that is all zeros", "", func(m *message) bool {
		return m.any("KEY_", func(b []byte) bool { return len(b) >= 16 && allZero(b[8:]) })
	}},
	{"EREG", "no zero up to the end of the message", "illumos", func(m *message) bool {
		if len(m.exts) == 0 || len(m.rest) > 0 || !m.is("REGISTER") {
			return false
		}
		x := m.exts[len(m.exts)-1]
		return x.name == "EREG" && !slices.Contains(x.b[4:], 0)
	}},
	{"ext_check", "SA shorter than its structure", "", func(m *message) bool {
		return m.any("SA", func(b []byte) bool { return len(b) == 8 && m.u16(b, 2) == 1 })
	}},
	{"ext_check", "IDENTITY shorter than its structure", "", func(m *message) bool {
		return m.any("IDENTITY", func(b []byte) bool { return len(b) < 16 })
	}},
	{"ext_check", "SPIRANGE shorter than its structure", "", func(m *message) bool {
		return m.any("SPIRANGE", func(b []byte) bool { return len(b) < 16 })
	}},

	// Every parser.
	{"generic", "extension of length 0", "", func(m *message) bool { return len(m.rest) >= 4 && m.order.Uint16(m.rest) == 0 }},
	{"generic", "extension of length 0xffff", "", func(m *message) bool { return len(m.rest) >= 4 && m.order.Uint16(m.rest) == 0xffff }},
	{"generic", "extension twice", "", func(m *message) bool {
		for i, x := range m.exts {
			for _, y := range m.exts[:i] {
				if x.typ == y.typ {
					return true
				}
			}
		}
		return false
	}},
	{"generic", "extension of type 0", "", func(m *message) bool { return slices.ContainsFunc(m.exts, func(x ext) bool { return x.typ == 0 }) }},
	{"generic", "extension of type 0xffff", "", func(m *message) bool { return slices.ContainsFunc(m.exts, func(x ext) bool { return x.typ == 0xffff }) }},
	{"generic", "sadb_msg_len 0 with a body", "", func(m *message) bool { return len(m.b) > 16 && m.len() == 0 }},
	{"generic", "sadb_msg_len 1 with a body", "", func(m *message) bool { return len(m.b) > 16 && m.len() == 1 }},
	{"generic", "sadb_msg_len 2 with a body", "", func(m *message) bool { return len(m.b) > 16 && m.len() == 2 }},
	{"generic", "sadb_msg_len one too large", "", func(m *message) bool { return len(m.b) > 16 && m.len() == len(m.b)/8+1 }},
	{"generic", "sadb_msg_len one too small", "", func(m *message) bool { return len(m.b) > 24 && m.len() == len(m.b)/8-1 }},
	{"generic", "the other byte order throughout", "", func(m *message) bool {
		if len(m.b) < 24 {
			return false
		}
		var other binary.ByteOrder = binary.BigEndian
		if m.Order == layers.BigEndian {
			other = binary.LittleEndian
		}
		return int(other.Uint16(m.b[4:]))*8 == len(m.b) && int(other.Uint16(m.b[16:]))*8 <= len(m.b)-16 && m.order.Uint16(m.b[16:])*8 > uint16(len(m.b))
	}},
	{"generic", "PROMISC inside PROMISC, a hundred times", "", func(m *message) bool {
		n := 0
		for b := m.b; len(b) >= 16 && b[0] == 2 && b[1] == 11; b = b[16:] {
			n++
		}
		return n >= 100
	}},
	{"generic", "SENSITIVITY with bitmaps of 255 and 255 words", "", func(m *message) bool {
		return m.any("SENSITIVITY", func(b []byte) bool { return len(b) >= 16 && b[9] == 255 && b[11] == 255 })
	}},
	{"generic", "IDENTITY without NUL", "", func(m *message) bool {
		return m.any("IDENTITY", func(b []byte) bool { return len(b) > 16 && !slices.Contains(b[16:], 0) })
	}},
	{"generic", "KEY of 0 bits with octets", "", func(m *message) bool {
		return m.any("KEY_", func(b []byte) bool { return len(b) > 8 && m.u16(b, 4) == 0 })
	}},
	{"generic", "KEY of 65535 bits", "", func(m *message) bool {
		return m.any("KEY_", func(b []byte) bool { return m.u16(b, 4) == 65535 })
	}},
	{"generic", "PROPOSAL with a part of a combination", "", func(m *message) bool {
		return m.any("PROPOSAL", func(b []byte) bool { return len(b) > 8 && (len(b)-8)%72 != 0 })
	}},
	{"generic", "TAG with taglen beyond its extension", "openbsd", func(m *message) bool {
		return m.any("TAG", func(b []byte) bool { return m.u32(b, 4) > int64(len(b)-8) })
	}},
	{"generic", "numecombs beyond the extension", "illumos", func(m *message) bool {
		return m.any("EPROP", func(b []byte) bool { return m.u16(b, 6)*64 > len(b)-8 })
	}},
	{"generic", "numalgs beyond the extension", "illumos", func(m *message) bool {
		return m.any("EPROP", func(b []byte) bool { return len(b) >= 72 && 64+8*int(b[8]) > len(b)-8 })
	}},
	{"generic", "list_len beyond the extension", "macos", func(m *message) bool {
		return m.any("SASTAT", func(b []byte) bool { return m.u32(b, 12)*40 > int64(len(b)-16) })
	}},
	{"generic", "request of 1 to 15 bytes", onLinux, func(m *message) bool {
		return m.requests(func(b []byte, n int) bool { return n > 0 && n < 16 })
	}},
	{"generic", "request of 1 to 7 bytes", onKAME, func(m *message) bool {
		return m.requests(func(b []byte, n int) bool { return n > 0 && n < 8 })
	}},
	{"generic", "address family 0", "", func(m *message) bool {
		return m.any("ADDRESS_", func(b []byte) bool { return len(b) >= 24 && m.family(b[8:]) == 0 })
	}},
}

// oversized tells an address whose sa_len is that of its extension and more than
// any sockaddr of IP has.
func oversized(b []byte) bool {
	return len(b) > 40 && b[8] > 28 && (8+int(b[8])+7)/8*8 == len(b)
}

// pair calls f with the two addresses of requests, each with what follows it in
// its request.
func (m *message) pair(f func(a, z []byte) bool) bool {
	return m.requests(func(b []byte, n int) bool {
		if n < 10 || n > len(b) {
			return false
		}
		a := b[8:n]
		if a[0] == 0 || int(a[0])+2 > len(a) {
			return false
		}
		return f(a, a[a[0]:])
	})
}

func allZero(b []byte) bool { return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 }) }

var write = flag.String("write", "", "write the first message for each known bug into this directory, as an input of a fuzz target")

// store writes a message for a bug as an input of a native target.
func store(t *testing.T, b *bug, c layers.Codec, msg []byte) {
	name := strings.Trim(regexp.MustCompile("[^A-Za-z0-9]+").ReplaceAllString(b.id+" "+b.what, "-"), "-")
	path := filepath.Join(*write, strings.ToLower(name))
	if _, err := os.Stat(path); err == nil || len(msg) > 4096 {
		return
	}
	if err := os.WriteFile(path, seed.AppendGo(nil, engine.Number(c), msg), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestBugs counts how often each known bug would be triggered by the first 10,000
// messages of every dialect that has it.
func TestBugs(t *testing.T) {
	least := map[string]int{}
	for _, c := range codecs() {
		for seed := range uint64(3) {
			g := gen.New(c, seed, gen.Options{})
			count := make([]int, len(bugs))
			m := &message{Codec: c}
			var buf []byte
			for range 10000 {
				buf, _ = g.Next(buf[:0])
				m.parse(buf)
				for i := range bugs {
					if bugs[i].hit(m) {
						count[i]++
						if b := &bugs[i]; *write != "" && (b.in == "" || slices.Contains(strings.Fields(b.in), c.Dialect.String())) {
							store(t, b, c, buf)
						}
					}
				}
				if len(buf) > 1 {
					m.last = slices.Insert(m.last[:min(len(m.last), 15)], 0, buf[1])
				}
			}
			for i, b := range bugs {
				if b.in != "" && !slices.Contains(strings.Fields(b.in), c.Dialect.String()) {
					continue
				}
				name := fmt.Sprintf("%s: %s", b.id, b.what)
				if count[i] == 0 {
					t.Errorf("%v, seed %d: none of 10000 messages is for %s", c, seed, name)
				}
				if n, ok := least[name]; !ok || count[i] < n {
					least[name] = count[i]
				}
			}
		}
	}
	for _, b := range bugs {
		name := fmt.Sprintf("%s: %s", b.id, b.what)
		t.Logf("%4d %s", least[name], name)
	}
}
