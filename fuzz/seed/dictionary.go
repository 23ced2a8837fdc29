package seed

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Dictionary returns tokens of PF_KEY for a fuzzing engine, in the syntax that
// libFuzzer (-dict) and AFL++ (-x) share: a name, "=", octets between quotes. There
// are the headers of messages and extensions of each dialect in each byte order,
// the sockaddrs' beginnings, lengths that parsers get wrong, and block types of
// pcapng.
func Dictionary() string {
	tokens := map[string]string{} // octets to name
	add := func(name string, b []byte) {
		if _, ok := tokens[string(b)]; !ok {
			tokens[string(b)] = name
		}
	}
	for _, d := range layers.Dialects() {
		for _, o := range []struct {
			name  string
			order layers.Order
			binary.AppendByteOrder
		}{{"le", layers.LittleEndian, binary.LittleEndian}, {"be", layers.BigEndian, binary.BigEndian}} {
			for v, name := range d.EnumNames(layers.EnumMsgType) {
				if name != "" && v != 0 {
					add(fmt.Sprintf("msg_%v_%s", d, name), []byte{layers.Version, byte(v)})
				}
			}
			for _, n := range d.ExtNumbers() {
				words := (d.LayoutOf(n).Size + layers.Word - 1) / layers.Word
				add(fmt.Sprintf("ext_%v_%s_%s", d, d.ExtName(n), o.name), o.AppendUint16(o.AppendUint16(nil, uint16(words)), n))
			}
			for _, a := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
				name := "inet"
				if a.Is6() {
					name = "inet6"
				}
				sockaddr := layers.Codec{Dialect: d, Order: o.order}.AppendSockaddr(nil, layers.Sockaddr{Addr: a})
				add(fmt.Sprintf("sockaddr_%v_%s_%s", d, name, o.name), sockaddr[:2])
			}
		}
	}
	for _, n := range []uint16{0, 1, 2, 3, 5, 16, 4095, 4096, 4097, 0x7fff, 0x8000, 0xfff8, 0xffff} {
		add(fmt.Sprintf("len_%d_le", n), binary.LittleEndian.AppendUint16(nil, n))
		add(fmt.Sprintf("len_%d_be", n), binary.BigEndian.AppendUint16(nil, n))
	}
	for _, block := range []struct {
		name string
		n    uint32
	}{{"shb", 0x0a0d0d0a}, {"idb", 1}, {"spb", 3}, {"isb", 5}, {"epb", 6}, {"byteorder", 0x1a2b3c4d}, {"us", 0xa1b2c3d4}, {"ns", 0xa1b23c4d}} {
		add("pcap_"+block.name+"_le", binary.LittleEndian.AppendUint32(nil, block.n))
		add("pcap_"+block.name+"_be", binary.BigEndian.AppendUint32(nil, block.n))
	}
	var lines []string
	for octets, name := range tokens {
		var b strings.Builder
		for i := range len(octets) {
			fmt.Fprintf(&b, `\x%02x`, octets[i])
		}
		lines = append(lines, fmt.Sprintf("%s=\"%s\"", strings.ToLower(strings.NewReplacer("-", "_", "/", "_").Replace(name)), b.String()))
	}
	slices.Sort(lines)
	return "# Tokens of PF_KEY version 2, made by \"pfkeycap fuzz export\".\n" + strings.Join(lines, "\n") + "\n"
}
