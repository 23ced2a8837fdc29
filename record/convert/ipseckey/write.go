package ipseckey

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
)

// ErrNoStatement is the error for a message that no command stands for.
var ErrNoStatement = errors.New("no ipseckey command for it")

// FromMessage makes the command that asks for what a message asks for, or, of a kernel's
// answer that describes an SA (GET, DUMP), the one that makes it again, as ipseckey's
// save does. lost names what the command cannot say; LIFETIME_CURRENT is not counted,
// since it is a state and no wish. The statement's keys alias msg.
//
// The error wraps ErrNoStatement.
func FromMessage(c layers.Codec, msg []byte) (s *Statement, lost []string, err error) {
	m := layers.Message{}
	m.Codec = c
	if err := m.DecodeFromBytes(msg, gopacket.NilDecodeFeedback); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoStatement, err)
	}
	name := c.Dialect.EnumName(layers.EnumMsgType, uint64(m.Type))
	w := writer{c: c, m: &m, s: &Statement{SAType: m.SAType}}
	for command, n := range commands {
		if n == name {
			w.s.Command = command
		}
	}
	state := m.KeyAuth() != nil || m.KeyEncrypt() != nil || m.LifetimeCurrent() != nil
	switch {
	case w.s.Command == "":
		if name == "" {
			name = fmt.Sprintf("message type %d", m.Type)
		}
		return nil, nil, fmt.Errorf("%w: %s", ErrNoStatement, name)
	case w.s.Command == "flush" || w.s.Command == "dump" && !state:
		return w.s, w.rest(), nil
	case m.SAType != saTypes["ah"] && m.SAType != saTypes["esp"]:
		return nil, nil, fmt.Errorf("%w: SA type %d", ErrNoStatement, m.SAType)
	case state && (w.s.Command == "get" || w.s.Command == "dump"):
		w.s.Command = "add"
	}
	if err := w.sa(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoStatement, err)
	}
	return w.s, w.rest(), nil
}

type writer struct {
	c layers.Codec
	m *layers.Message
	s *Statement
	statement.Account
}

// rest returns what is lost, with the extensions that nothing was made of.
func (w *writer) rest() []string { return w.Lost(w.m) }

func (w *writer) sa() error {
	m, s, d := w.m, w.s, w.c.Dialect
	sa := m.SA()
	if sa == nil || sa.SPI == 0 {
		return errors.New("no SPI")
	}
	w.Say(layers.LayerTypeSA)
	s.SPI = sa.SPI
	making := s.Command == "add" || strings.HasPrefix(s.Command, "update")
	var err error
	if s.Src, s.Proto, err = w.end(layers.LayerTypeAddressSrc, m.AddressSrc()); err != nil {
		return err
	}
	var proto uint8
	if s.Dst, proto, err = w.end(layers.LayerTypeAddressDst, m.AddressDst()); err != nil {
		return err
	}
	if s.Proto = max(s.Proto, proto); making && !s.Dst.said() {
		return errors.New("no ADDRESS_DST")
	}
	flags := sa.Flags
	take := func(name string) bool {
		v, ok := d.FlagValue(layers.EnumSAFlags, name)
		if !ok || flags&v != v {
			return false
		}
		flags &^= v
		return true
	}
	s.Inbound, s.Outbound = take("INBOUND"), take("OUTBOUND")
	if making {
		if err := w.making(sa); err != nil {
			return err
		}
		if s.PairSPI != 0 {
			take("PAIRED")
		}
		if s.tunnel() {
			take("TUNNEL")
		}
		if s.NATRemote.said() {
			take("NATT_REM")
		}
		if s.NATLocal.said() {
			take("NATT_LOC")
		}
		// What a kernel notes of an SA that it has.
		for _, state := range []string{"USED", "UNIQUE", "NATTED", "KRES1", "KRES2"} {
			take(state)
		}
	}
	if flags != 0 {
		w.Lose("flags %s", strings.Join(d.FlagNames(layers.EnumSAFlags, flags), ","))
	}
	return nil
}

// end reads an address of an SA.
func (w *writer) end(t gopacket.LayerType, a *layers.Address) (x Address, proto uint8, err error) {
	if a == nil {
		return x, 0, nil
	}
	w.Say(t)
	addr := a.Addr().Unmap()
	if !addr.IsValid() {
		return x, 0, errors.New("an address that is neither IPv4 nor IPv6")
	}
	if p := int(a.PrefixLen); p != 0 && p != addr.BitLen() && p != 128 {
		w.Lose("prefix length %d of an end", p)
	}
	if addr.Zone() != "" {
		w.Lose("scope of an address")
	}
	return Address{Addrs: []netip.Addr{addr.WithZone("")}, Port: a.Port()}, a.Proto, nil
}

func (w *writer) making(sa *layers.SA) error {
	m, s, d := w.m, w.s, w.c.Dialect
	s.Replay = sa.Replay
	switch state := strings.ToLower(d.EnumName(layers.EnumState, uint64(sa.State))); state {
	case "mature":
	case "dying", "dead":
		s.State = state
	default:
		w.Lose("state %d", sa.State)
	}
	var err error
	if s.Auth, err = w.algorithm(sa.Auth, authentications, layers.EnumAuth); err != nil {
		return err
	}
	if s.Encrypt, err = w.algorithm(sa.Encrypt, encryptions, layers.EnumEncrypt); err != nil {
		return err
	}
	if s.SAType == saTypes["ah"] && s.Encrypt != nil {
		return errors.New("AH with an encryption algorithm")
	}
	if p := m.Pair(); p != nil && s.Command != "update-pair" {
		w.Say(layers.LayerTypePair)
		s.PairSPI = p.SPI
	}
	for _, x := range []struct {
		t    gopacket.LayerType
		name string
		l    *layers.Lifetime
		to   **Limit
	}{
		{layers.LayerTypeLifetimeHard, "HARD", m.LifetimeHard(), &s.Hard},
		{layers.LayerTypeLifetimeSoft, "SOFT", m.LifetimeSoft(), &s.Soft},
		{layers.LayerTypeLifetimeIdle, "IDLE", m.LifetimeIdle(), &s.Idle},
	} {
		if x.l == nil {
			continue
		}
		w.Say(x.t)
		*x.to = &Limit{Allocations: x.l.Allocations, Bytes: x.l.Bytes, AddTime: x.l.AddTime, UseTime: x.l.UseTime}
		if x.name == "IDLE" && (x.l.Allocations != 0 || x.l.Bytes != 0 || x.l.AddTime>>32 != 0 || x.l.UseTime>>32 != 0) {
			**x.to = Limit{AddTime: x.l.AddTime & 0xffffffff, UseTime: x.l.UseTime & 0xffffffff}
			w.Lose("LIFETIME_IDLE but for its times")
		}
	}
	for _, x := range []struct {
		t  gopacket.LayerType
		k  *layers.Key
		to **Key
	}{{layers.LayerTypeKeyAuth, m.KeyAuth(), &s.AuthKey}, {layers.LayerTypeKeyEncrypt, m.KeyEncrypt(), &s.EncryptKey}} {
		if x.k == nil {
			continue
		}
		w.Say(x.t)
		n := (int(x.k.Bits) + 7) / 8
		if n == 0 || n > len(x.k.Octets) {
			if n > 0 || w.c.Dialect == layers.Illumos {
				return errors.New("a key of the wrong length")
			}
			continue // of null encryption, which Linux wants one of
		}
		*x.to = &Key{Octets: x.k.Octets[:n], Bits: int(x.k.Bits)}
		if rest := x.k.Bits % 8; rest != 0 && x.k.Octets[n-1]&(0xff>>rest) != 0 {
			w.Lose("the bits behind a key")
		}
		if x.k.Reserved != 0 {
			if s.Reserved = x.k.Reserved; x.t == layers.LayerTypeKeyAuth {
				s.Reserved = 0
				w.Lose("reserved bits of KEY_AUTH")
			}
		}
	}
	if s.EncryptKey != nil && s.Encrypt != nil && s.Encrypt.Name == "null" {
		return errors.New("a key of null encryption")
	}
	if s.Command == "add" && (s.AuthKey == nil && s.EncryptKey == nil || s.Auth == nil && s.Encrypt == nil) {
		return errors.New("no key or no algorithm")
	}
	for _, x := range []struct {
		t  gopacket.LayerType
		id *layers.Identity
		to **Identity
	}{{layers.LayerTypeIdentitySrc, m.IdentitySrc(), &s.SrcID}, {layers.LayerTypeIdentityDst, m.IdentityDst(), &s.DstID}} {
		if x.id != nil {
			w.identity(x.t, x.id, x.to)
		}
	}
	w.inner()
	w.natt()
	if r := m.ReplayValue(); r != nil {
		w.Say(layers.LayerTypeReplayValue)
		s.ReplayValue, s.ReplayCounter = r.Replay32, true
		if r.Replay64 != 0 {
			w.Lose("the 64-bit counter of REPLAY_VALUE")
		}
	}
	return nil
}

func (w *writer) algorithm(v uint8, list []algorithm, e layers.Enum) (*Algorithm, error) {
	if v == 0 {
		return nil, nil
	}
	if found := of(list, w.c.Dialect, e, v); found != nil {
		return &Algorithm{Name: found.names[0]}, nil
	}
	if w.c.Dialect != layers.Illumos {
		return nil, fmt.Errorf("algorithm %d, which illumos does not have", v)
	}
	return &Algorithm{Number: v}, nil
}

func (w *writer) identity(t gopacket.LayerType, id *layers.Identity, to **Identity) {
	text, rest, ok := bytes.Cut(id.Data, []byte{0})
	printable := ok
	for _, c := range text {
		printable = printable && c > ' ' && c < 0x7f && c != '"'
	}
	if !printable || len(bytes.Trim(rest, "\x00")) > 0 || id.ID != 0 || len(text) > 4096 || len(text) == 0 || text[0] == '#' || text[len(text)-1] == '\\' {
		return // counted as lost
	}
	w.Say(t)
	x := &Identity{Number: id.Type, Text: string(text)}
	for _, known := range identities {
		if v, ok := statement.Value(w.c.Dialect, layers.EnumIdentType, known.dialect...); ok && uint16(v) == id.Type {
			x.Type, x.Number = known.name, 0
			break
		}
	}
	*to = x
}

// inner reads the selectors of tunnel mode.
func (w *writer) inner() {
	m, s := w.m, w.s
	if w.c.Dialect.ExtNumberOf(layers.LayerTypeAddressInnerDst) == 0 {
		return
	}
	for _, x := range []struct {
		t  gopacket.LayerType
		a  *layers.Address
		to *Address
	}{{layers.LayerTypeAddressProxy, m.AddressProxy(), &s.InnerSrc}, {layers.LayerTypeAddressInnerDst, m.AddressInnerDst(), &s.InnerDst}} {
		if x.a == nil {
			continue
		}
		addr, prefix := x.a.Addr(), int(x.a.PrefixLen)
		if addr.Is4In6() && prefix >= 96 {
			addr, prefix = addr.Unmap(), prefix-96
		}
		if !addr.IsValid() || prefix > addr.BitLen() || addr.Is4In6() {
			continue
		}
		w.Say(x.t)
		if s.InnerProto = max(s.InnerProto, x.a.Proto); prefix == addr.BitLen() {
			prefix = -1
		}
		*x.to = Address{Addrs: []netip.Addr{addr.WithZone("")}, Port: x.a.Port(), Prefix: prefix}
	}
}

func (w *writer) natt() {
	m, s := w.m, w.s
	for _, x := range []struct {
		t  gopacket.LayerType
		a  *layers.Address
		to *Address
	}{{layers.LayerTypeAddressNATTLocal, m.AddressNATTLocal(), &s.NATLocal}, {layers.LayerTypeAddressNATTRemote, m.AddressNATTRemote(), &s.NATRemote}} {
		if x.a == nil || !x.a.Addr().IsValid() {
			continue
		}
		w.Say(x.t)
		*x.to = Address{Addrs: []netip.Addr{x.a.Addr().Unmap().WithZone("")}, Port: x.a.Port()}
		s.EncapUDP = true
	}
}

// Append appends the command as text that Parser reads, a line for each kind of thing,
// with a newline at its end. Without showKeys the keys are left out, and what is written
// cannot be read again.
func (s *Statement) Append(dst []byte, showKeys bool) []byte {
	lines := []string{s.Command}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch s.SAType {
	case saTypes["all"]:
		lines[0] += " all"
	case saTypes["ah"]:
		lines[0] += " ah"
	case saTypes["esp"]:
		lines[0] += " esp"
	default:
		lines[0] += fmt.Sprintf(" %d", s.SAType)
	}
	if s.Command == "flush" || s.Command == "dump" {
		return append(append(dst, lines[0]...), '\n')
	}
	words := []string{fmt.Sprintf("spi 0x%x", s.SPI)}
	word := func(yes bool, format string, args ...any) {
		if yes {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	for _, x := range []struct {
		name string
		a    *Algorithm
	}{{"encr_alg", s.Encrypt}, {"auth_alg", s.Auth}} {
		switch {
		case x.a == nil:
		case x.a.Name != "":
			word(true, "%s %s", x.name, x.a.Name)
		default:
			word(true, "%s %d", x.name, x.a.Number)
		}
	}
	word(s.Replay != 0, "replay %d", s.Replay)
	word(s.State != "", "state %s", s.State)
	word(s.Inbound, "inbound")
	word(s.Outbound, "outbound")
	word(s.EncapUDP, "encap udp")
	word(s.PairSPI != 0, "pair-spi 0x%x", s.PairSPI)
	add("%s", strings.Join(words, " "))
	for _, x := range []struct {
		name string
		l    *Limit
	}{{"hard", s.Hard}, {"soft", s.Soft}, {"idle", s.Idle}} {
		if x.l == nil {
			continue
		}
		words = nil
		word(x.l.Allocations != 0, "%s_alloc %d", x.name, x.l.Allocations)
		word(x.l.Bytes != 0, "%s_bytes %d", x.name, x.l.Bytes)
		word(x.l.UseTime != 0, "%s_usetime %d", x.name, x.l.UseTime)
		// The extension is there even if all of it is 0.
		word(x.l.AddTime != 0 || len(words) == 0, "%s_addtime %d", x.name, x.l.AddTime)
		add("%s", strings.Join(words, " "))
	}
	for _, x := range []struct {
		name string
		k    *Key
	}{{"encrkey", s.EncryptKey}, {"authkey", s.AuthKey}} {
		if x.k == nil {
			continue
		}
		reserved := ""
		if x.name == "encrkey" && s.Reserved != 0 {
			reserved = fmt.Sprintf("reserved_bits %d ", s.Reserved)
		}
		key := "··"
		if showKeys {
			key = hex.EncodeToString(x.k.Octets)
		}
		add("%s%s %s/%d", reserved, x.name, key, x.k.Bits)
	}
	for _, x := range []struct {
		name string
		id   *Identity
	}{{"srcidtype", s.SrcID}, {"dstidtype", s.DstID}} {
		switch {
		case x.id == nil:
		case x.id.Type != "":
			add(`%s %s "%s"`, x.name, x.id.Type, x.id.Text)
		default:
			add(`%s %d "%s"`, x.name, x.id.Number, x.id.Text)
		}
	}
	if s.ReplayCounter {
		add("replay_value %d", s.ReplayValue)
	}
	if s.Proto != 0 {
		add("proto %d", s.Proto)
	}
	if s.InnerProto != 0 {
		add("iproto %d", s.InnerProto)
	}
	for _, x := range []struct {
		name, port string
		a          Address
		prefix     bool
	}{
		{"src", "sport", s.Src, false}, {"dst", "dport", s.Dst, false},
		{"isrc", "isport", s.InnerSrc, true}, {"idst", "idport", s.InnerDst, true},
		{"nat_loc", "nat_lport", s.NATLocal, false}, {"nat_rem", "nat_rport", s.NATRemote, false},
	} {
		words = nil
		if x.a.said() {
			text := x.a.Addrs[0].String()
			if x.prefix && x.a.Prefix >= 0 {
				text += fmt.Sprintf("/%d", x.a.Prefix)
			}
			word(true, "%s %s", x.name, text)
		}
		if word(x.a.Port != 0, "%s %d", x.port, x.a.Port); len(words) > 0 {
			add("%s", strings.Join(words, " "))
		}
	}
	return append(append(dst, strings.Join(lines, " \\\n    ")...), '\n')
}
