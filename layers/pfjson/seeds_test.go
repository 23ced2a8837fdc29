package pfjson_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
)

func byteOrder(c layers.Codec) binary.AppendByteOrder {
	if c.Order == layers.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// message puts extensions, or anything else, behind a header.
func message(c layers.Codec, typ, satype byte, body ...[]byte) []byte {
	size := layers.BaseLen
	for _, b := range body {
		size += len(b)
	}
	o := byteOrder(c)
	m := []byte{2, typ, 0, satype}
	m = o.AppendUint16(m, uint16(size/8))
	m = o.AppendUint16(m, 0)
	m = o.AppendUint32(m, 9)
	m = o.AppendUint32(m, 412)
	for _, b := range body {
		m = append(m, b...)
	}
	return m
}

// extension makes one of a body, which it pads.
func extension(c layers.Codec, number uint16, body ...byte) []byte {
	o := byteOrder(c)
	e := o.AppendUint16(nil, uint16((4+len(body)+7)/8))
	e = o.AppendUint16(e, number)
	e = append(e, body...)
	for len(e)%8 != 0 {
		e = append(e, 0)
	}
	return e
}

func sockaddrs(c layers.Codec) [][]byte {
	var list [][]byte
	for _, a := range []string{"10.0.0.1", "2001:db8::1", "::ffff:10.0.0.1"} {
		list = append(list, c.AppendSockaddr(nil, layers.Sockaddr{Addr: netip.MustParseAddr(a), Port: 500}))
	}
	scoped := layers.Sockaddr{Addr: netip.MustParseAddr("fe80::1"), FlowInfo: 5, ScopeID: 6, SrcID: 7, Len: 3}
	odd := layers.Sockaddr{Addr: netip.MustParseAddr("10.0.0.2"), Zero: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Len: 99}
	return append(list, c.AppendSockaddr(nil, scoped), c.AppendSockaddr(nil, odd))
}

// everyExtension makes messages that hold every extension of a codec in many
// fillings, right and wrong ones. For each extension number whole has one message
// with all fillings, and list one message for each.
func everyExtension(c layers.Codec) (whole, list [][]byte) {
	rnd := rand.New(rand.NewPCG(2367, 19))
	addrs := sockaddrs(c)
	for _, number := range append(c.Dialect.ExtNumbers(), 0, 77, 65535) {
		fixed := 8
		if sh := c.Dialect.LayoutOf(number); sh != nil {
			fixed = sh.Size
		}
		var exts [][]byte
		add := func(body ...byte) { exts = append(exts, extension(c, number, body...)) }
		add()
		add(make([]byte, fixed-4)...)
		add(make([]byte, fixed+76)...)
		for _, n := range []int{fixed - 4, fixed + 4, fixed + 20, fixed + 100} {
			body := make([]byte, n)
			for i := range body {
				body[i] = byte(i + 1)
			}
			add(body...)
			for i := range body {
				body[i] = byte(rnd.Uint32())
			}
			add(body...)
			for i := range body { // small numbers are lengths and counts
				body[i] = byte(rnd.Uint32() % 4 * (rnd.Uint32() % 2))
			}
			add(body...)
		}
		for i, a := range addrs {
			body := make([]byte, fixed-4)
			body = append(body, a...)
			add(body...)
			add(append(body, addrs[(i+1)%len(addrs)]...)...)
			add(append(body, 1, 2, 3, 4, 5)...)
		}
		for _, s := range []string{"", "a", "left.example", "\"\\\x01\u0085\u2028 ü", "\xff\xfe", "a\x00b", "12345678"} {
			body := make([]byte, fixed-4)
			if fixed == 8 { // lengths of context and tag
				body[2], body[3] = byte(len(s)+1), byte(len(s)+1)
			}
			if fixed == 16 {
				body[0], body[1] = 2, 2
			}
			add(append(body, s...)...)
			copy(body, s)
			add(body...)
		}
		// Requests, whose own length is in bytes, with two addresses.
		for _, size := range []int{8, 16} {
			body := make([]byte, fixed-4)
			for _, a := range addrs {
				r := byteOrder(c).AppendUint16(nil, uint16(size+2*len(a)+4))
				r = append(r, make([]byte, size-2)...)
				r[4], r[5] = 2, 3
				r = append(append(append(r, a...), a...), 0, 0, 0, byte(len(a)))
				body = append(body, r...)
			}
			add(body...)
		}
		for _, e := range exts {
			list = append(list, message(c, 3, 3, e))
		}
		whole = append(whole, message(c, 3, 9, exts...))
	}
	m := list[len(list)/2]
	wrapped := m
	for range 11 {
		wrapped = message(c, layers.PROMISC, 1, wrapped)
		whole = append(whole, wrapped)
	}
	whole = append(whole, wrapped[:len(wrapped)-5], m[:3], m[:16], append(m, 0), append(m, make([]byte, 9)...))
	return whole, append(list, whole...)
}
