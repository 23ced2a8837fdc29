package ipseckey

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
)

// Message is one message of a statement.
type Message = statement.Message

// Messages makes the messages that ipseckey sends for a statement, with the numbers and
// structures of a dialect: their extensions in ipseckey's order, their seq and pid 0.
// A host name with several addresses as the destination makes a message for each; one
// as the source that has more than one address of a destination's family is left
// unspecified.
//
// Dialects other than illumos' have no word for some things. An SA with inner addresses
// is then one of tunnel mode, without its selectors; UDP encapsulation keeps its ports.
//
// The error is a *Error if the dialect has no number for something that matters.
func (s *Statement) Messages(c layers.Codec) ([]Message, error) {
	b := builder{s: s, c: c}
	list := b.messages()
	return b.Result(list, nil, s.Line, s.Column)
}

type builder struct {
	s *Statement
	c layers.Codec
	statement.Making
}

func (b *builder) lost(what string) {
	note := fmt.Sprintf("%v has no %s: left out", b.c.Dialect, what)
	for _, n := range b.Notes {
		if n == note {
			return
		}
	}
	b.Notes = append(b.Notes, note)
}

func (b *builder) number(e layers.Enum, what string, names ...string) uint64 {
	v, ok := statement.Value(b.c.Dialect, e, names...)
	if !ok && b.Err == nil {
		b.Err = fmt.Errorf("%v has no %s", b.c.Dialect, what)
	}
	return v
}

func (b *builder) has(e layers.Extension) bool {
	return b.c.Dialect.ExtNumberOf(e.LayerType()) != 0
}

// add appends an extension if the dialect has it, and else notes what is lost.
func (b *builder) add(list []layers.Extension, e layers.Extension, lost string) []layers.Extension {
	if !b.has(e) {
		b.lost(lost)
		return list
	}
	return append(list, e)
}

func (b *builder) messages() []Message {
	s := b.s
	base := layers.Base{Type: uint8(b.number(layers.EnumMsgType, "message for "+s.Command, commands[s.Command])), SAType: s.SAType}
	if s.Command == "flush" || s.Command == "dump" {
		return []Message{{Base: base}}
	}
	making := s.Command == "add" || strings.HasPrefix(s.Command, "update")
	head := []layers.Extension{b.association(making)}
	if making {
		head = b.tail(head)
	}
	dsts := s.Dst.Addrs
	if !s.Dst.said() {
		dsts = []netip.Addr{{}}
	}
	var list []Message
	for _, dst := range dsts {
		src, ok := b.source(dst, making)
		if !ok {
			continue
		}
		exts := append([]layers.Extension(nil), head...)
		if making {
			exts = append(exts, b.address(layers.LayerTypeAddressDst, dst, s.Dst, s.Proto))
			exts = b.natt(exts)
			exts = append(exts, b.address(layers.LayerTypeAddressSrc, src, s.Src, s.Proto))
			exts = b.inner(exts)
			if s.ReplayCounter {
				exts = b.add(exts, &layers.ReplayCounter{Header: layers.For(layers.LayerTypeReplayValue), Replay32: s.ReplayValue}, "replay_value")
			}
		} else {
			if src.IsValid() || s.Src.Port != 0 {
				exts = append(exts, b.address(layers.LayerTypeAddressSrc, src, s.Src, s.Proto))
			}
			if dst.IsValid() || s.Dst.Port != 0 {
				exts = append(exts, b.address(layers.LayerTypeAddressDst, dst, s.Dst, s.Proto))
			}
		}
		list = append(list, Message{Base: base, Exts: exts})
	}
	if len(list) == 0 && b.Err == nil {
		b.Err = fmt.Errorf("source and destination are of different address families")
	}
	return list
}

func unspecified(six bool) netip.Addr {
	if six {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// source chooses the source for a destination.
func (b *builder) source(dst netip.Addr, making bool) (src netip.Addr, ok bool) {
	s := b.s
	if !s.Src.said() {
		if making {
			return unspecified(dst.Is6()), true
		}
		return netip.Addr{}, true
	}
	if !dst.IsValid() {
		return s.Src.Addrs[0], true
	}
	n := 0
	for _, a := range s.Src.Addrs {
		if a.Is4() == dst.Is4() || a.IsUnspecified() {
			src = a
			n++
		}
	}
	if n > 1 {
		src = unspecified(dst.Is6())
	}
	return src, n > 0
}

// address makes an address of an SA. illumos wants no prefix length in it, the others
// that of a host.
func (b *builder) address(t gopacket.LayerType, a netip.Addr, said Address, proto uint8) *layers.Address {
	if !a.IsValid() {
		a = netip.IPv6Unspecified() // ports alone
	}
	prefix := uint8(0)
	if b.c.Dialect != layers.Illumos {
		prefix = uint8(a.BitLen())
	}
	return b.c.NewAddress(t, netip.AddrPortFrom(a, said.Port), prefix, proto)
}

func (b *builder) flag(name, lost string) uint32 {
	v, ok := b.c.Dialect.FlagValue(layers.EnumSAFlags, name)
	if !ok && lost != "" {
		b.lost(lost)
	}
	return v
}

func (b *builder) association(making bool) *layers.SA {
	s := b.s
	sa := &layers.SA{SPI: s.SPI}
	if s.Inbound {
		sa.Flags |= b.flag("INBOUND", "inbound")
	}
	if s.Outbound {
		sa.Flags |= b.flag("OUTBOUND", "outbound")
	}
	if !making {
		return sa
	}
	sa.Replay = s.Replay
	state := s.State
	if state == "" {
		state = "mature"
	}
	sa.State = uint8(b.number(layers.EnumState, "state "+state, strings.ToUpper(state)))
	sa.Auth = b.algorithm(s.Auth, authentications, layers.EnumAuth)
	sa.Encrypt = b.algorithm(s.Encrypt, encryptions, layers.EnumEncrypt)
	if s.SAType == saTypes["esp"] && s.Encrypt == nil {
		sa.Encrypt = b.algorithm(&Algorithm{Name: "null"}, encryptions, layers.EnumEncrypt)
	}
	if s.PairSPI != 0 && b.has(&layers.Pair{}) {
		sa.Flags |= b.flag("PAIRED", "")
	}
	if s.NATRemote.said() || s.NATRemote.Port != 0 {
		sa.Flags |= b.flag("NATT_REM", "")
	}
	if s.NATLocal.said() || s.NATLocal.Port != 0 {
		sa.Flags |= b.flag("NATT_LOC", "")
	}
	if s.tunnel() {
		sa.Flags |= b.flag("TUNNEL", "")
	}
	return sa
}

// tunnel reports whether the SA is one of tunnel mode: whether anything inner is said.
func (s *Statement) tunnel() bool {
	return s.InnerSrc.said() || s.InnerDst.said() || s.InnerSrc.Port != 0 || s.InnerDst.Port != 0 || s.InnerProto != 0
}

// algorithm returns the dialect's number. One by number is illumos'.
func (b *builder) algorithm(a *Algorithm, list []algorithm, e layers.Enum) uint8 {
	if a == nil {
		return 0
	}
	if a.Name == "" && b.c.Dialect == layers.Illumos {
		return a.Number
	}
	name := a.Name
	var found *algorithm
	if name != "" {
		found = find(list, name)
	} else if found = of(list, layers.Illumos, e, a.Number); found != nil {
		name = found.names[0]
	} else {
		name = fmt.Sprintf("algorithm that is number %d on illumos", a.Number)
	}
	if found != nil {
		if v, ok := statement.Value(b.c.Dialect, e, found.dialect...); ok {
			return uint8(v)
		}
	}
	if b.Err == nil {
		b.Err, b.Line, b.Column = fmt.Errorf("%v has no %s", b.c.Dialect, name), a.line, a.column
	}
	return 0
}

// tail makes what stands between the SA and the addresses.
func (b *builder) tail(exts []layers.Extension) []layers.Extension {
	s := b.s
	if s.PairSPI != 0 {
		exts = b.add(exts, &layers.Pair{SPI: s.PairSPI}, "pair-spi")
	}
	for _, x := range []struct {
		t gopacket.LayerType
		l *Limit
	}{{layers.LayerTypeLifetimeHard, s.Hard}, {layers.LayerTypeLifetimeSoft, s.Soft}, {layers.LayerTypeLifetimeIdle, s.Idle}} {
		if x.l != nil {
			exts = b.add(exts, &layers.Lifetime{Header: layers.For(x.t), Allocations: x.l.Allocations, Bytes: x.l.Bytes, AddTime: x.l.AddTime, UseTime: x.l.UseTime}, "idle limit")
		}
	}
	if sa2 := (&layers.SA2{}); s.tunnel() && b.c.Dialect != layers.Illumos && b.has(sa2) {
		sa2.Mode = uint8(b.number(layers.EnumMode, "tunnel mode", "TUNNEL"))
		exts = append(exts, sa2)
	}
	for _, x := range []struct {
		t gopacket.LayerType
		k *Key
	}{{layers.LayerTypeKeyEncrypt, s.EncryptKey}, {layers.LayerTypeKeyAuth, s.AuthKey}} {
		if x.k == nil {
			continue
		}
		key := &layers.Key{Header: layers.For(x.t), Bits: uint16(x.k.Bits), Octets: x.k.Octets}
		if x.t == layers.LayerTypeKeyEncrypt && s.Reserved != 0 {
			if b.c.Dialect == layers.Illumos {
				key.Reserved = s.Reserved
			} else {
				b.lost("reserved_bits")
			}
		}
		exts = append(exts, key)
	}
	for _, x := range []struct {
		t  gopacket.LayerType
		id *Identity
	}{{layers.LayerTypeIdentitySrc, s.SrcID}, {layers.LayerTypeIdentityDst, s.DstID}} {
		if x.id == nil {
			continue
		}
		id := &layers.Identity{Header: layers.For(x.t), Type: x.id.Number, Data: append([]byte(x.id.Text), 0)}
		for _, known := range identities {
			if known.name == x.id.Type {
				v, ok := statement.Value(b.c.Dialect, layers.EnumIdentType, known.dialect...)
				if id.Type = uint16(v); !ok {
					b.lost("identity of type " + known.name)
					id = nil
				}
				break
			}
		}
		if id != nil {
			exts = b.add(exts, id, "identity")
		}
	}
	return exts
}

// defaultNATTPort is where ESP in UDP is sent (RFC 3948).
const defaultNATTPort = 4500

// natt adds the addresses of UDP encapsulation, or its ports where there are none.
func (b *builder) natt(exts []layers.Extension) []layers.Extension {
	s := b.s
	if !s.EncapUDP {
		return exts
	}
	ends := []struct {
		t    gopacket.LayerType
		port gopacket.LayerType
		a    Address
	}{
		{layers.LayerTypeAddressNATTRemote, layers.LayerTypeNATTDstPort, s.NATRemote},
		{layers.LayerTypeAddressNATTLocal, layers.LayerTypeNATTSrcPort, s.NATLocal},
	}
	if b.c.Dialect.ExtNumberOf(layers.LayerTypeAddressNATTLocal) != 0 {
		for _, x := range ends {
			switch {
			case x.a.said():
				exts = append(exts, b.c.NewAddress(x.t, netip.AddrPortFrom(x.a.Addrs[0], x.a.Port), 0, 0))
			case x.a.Port != 0:
				exts = append(exts, b.c.NewAddress(x.t, netip.AddrPortFrom(netip.IPv4Unspecified(), x.a.Port), 0, 0))
			}
		}
		return exts
	}
	const inUDP = 2 // UDP_ENCAP_ESPINUDP
	exts = b.add(exts, &layers.NATTType{Type: inUDP}, "UDP encapsulation by type and ports")
	for _, x := range ends {
		port := x.a.Port
		if port == 0 {
			port = defaultNATTPort
		}
		exts = b.add(exts, &layers.NATTPort{Header: layers.For(x.port), Port: port}, "UDP encapsulation by type and ports")
		if x.a.said() {
			b.lost("NAT-T addresses of illumos' kind")
		}
	}
	return exts
}

// inner adds the selectors of tunnel mode.
func (b *builder) inner(exts []layers.Extension) []layers.Extension {
	s := b.s
	if !s.tunnel() {
		return exts
	}
	if b.c.Dialect.ExtNumberOf(layers.LayerTypeAddressInnerDst) == 0 {
		b.lost("selectors in an SA")
		return exts
	}
	for _, x := range []struct {
		t gopacket.LayerType
		a Address
	}{{layers.LayerTypeAddressProxy, s.InnerSrc}, {layers.LayerTypeAddressInnerDst, s.InnerDst}} {
		addr, prefix := netip.IPv6Unspecified(), 0
		if x.a.said() {
			addr, prefix = x.a.Addrs[0], x.a.Prefix
			if prefix < 0 {
				prefix = addr.BitLen()
			}
		}
		exts = append(exts, b.c.NewAddress(x.t, netip.AddrPortFrom(addr, x.a.Port), uint8(prefix), s.InnerProto))
	}
	return exts
}
