package ipbatch

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
	"github.com/pfkeycap/pfkeycap/record/convert/xfrmname"
)

// ErrNoCommand is the error for a message that no command of ip-xfrm(8) stands for.
var ErrNoCommand = errors.New("no ip-xfrm command for it")

// ErrAsksOnly is the error for a message that changes nothing in a kernel's tables: a
// question, or what listens and answers.
var ErrAsksOnly = errors.New("changes no SA and no policy")

// Converter makes commands of the messages of one recording, in their order. It
// remembers which policy has which number, since numbers differ from kernel to kernel.
// The zero value is ready.
type Converter struct {
	// WithoutAnswers says that FromMessage never gets an answer, so that what the kernel
	// chose is not missed.
	WithoutAnswers bool

	policies map[uint32]selector // by number
}

// selector is what a policy is named by in a command.
type selector struct{ words []string }

// maxPolicies is how many numbers of policies are remembered.
const maxPolicies = 1 << 16

// FromMessage makes the commands that do what a message asks for, or, of a kernel's
// message that describes an SA or policy, that make it again. answer is the kernel's
// answer to a request, or nil: it tells the SPI that GETSPI got and the request ids that
// the kernel chose. lost names what the commands do not say, notes what else there is to
// know. The commands' keys alias msg.
//
// Of other systems a policy for what comes in is two on Linux, where what is forwarded
// is judged by a policy of its own.
//
// The error wraps ErrNoCommand or ErrAsksOnly.
func (x *Converter) FromMessage(c layers.Codec, msg, answer []byte) (list []*Command, lost, notes []string, err error) {
	w := writer{x: x, c: c}
	w.m.Codec, w.answer.Codec = c, c
	if err := w.m.DecodeFromBytes(msg, gopacket.NilDecodeFeedback); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: %w", ErrNoCommand, err)
	}
	if answer != nil {
		w.answered = w.answer.DecodeFromBytes(answer, gopacket.NilDecodeFeedback) == nil
	}
	if err := w.message(); err != nil {
		return nil, nil, nil, err
	}
	lost = w.Lost(&w.m)
	if c.Dialect == layers.Linux {
		// What af_key looks at in a message of this type has been said.
		if unsaid := w.Unsaid(&w.m); len(unsaid) > 0 {
			lost = lost[:len(lost)-len(unsaid)]
			w.note("PF_KEY on Linux does not look at %s either", strings.Join(unsaid, ", "))
		}
	}
	return w.list, lost, w.notes, nil
}

type writer struct {
	x        *Converter
	c        layers.Codec
	m        layers.Message
	answer   layers.Message
	answered bool
	list     []*Command
	notes    []string
	statement.Account
}

func (w *writer) note(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

func no(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNoCommand, fmt.Sprintf(format, args...))
}

func asks(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrAsksOnly, fmt.Sprintf(format, args...))
}

func (w *writer) message() error {
	m := &w.m
	name := w.c.Dialect.EnumName(layers.EnumMsgType, uint64(m.Type))
	state := m.LifetimeCurrent() != nil || m.KeyAuth() != nil || m.KeyEncrypt() != nil
	switch name {
	case "ADD", "UPDATE":
		return w.makeState(strings.ToLower(name))
	case "GETSPI":
		return w.allocSPI()
	case "DELETE":
		return w.deleteState()
	case "GET", "DUMP":
		switch {
		case state:
			return w.makeState("add")
		case name == "GET":
			return asks("ip xfrm state get shows an SA")
		}
		return asks("ip xfrm state list shows the SAs")
	case "FLUSH":
		cmd := w.command("state", "flush")
		if m.SAType != 0 {
			p, err := w.protocol()
			if err != nil {
				return err
			}
			cmd.add("proto", p)
		}
		return nil
	case "SPDFLUSH":
		w.command("policy", "flush")
		return nil
	case "SPDADD", "SPDUPDATE", "SPDSETIDX":
		verb := map[string]string{"SPDADD": "add", "SPDUPDATE": "update", "SPDSETIDX": "add"}[name]
		if name == "SPDSETIDX" && w.c.Dialect != layers.Linux {
			return no("SPDSETIDX: a policy whose requirements are to come, which only KAME has")
		}
		return w.makePolicy(verb)
	case "SPDGET", "SPDDUMP":
		switch {
		case m.Policy() != nil && m.AddressSrc() != nil:
			return w.makePolicy("add")
		case name == "SPDGET":
			return asks("ip xfrm policy get shows a policy")
		}
		return asks("ip xfrm policy list shows the policies")
	case "SPDDELETE":
		return w.deletePolicy()
	case "SPDDELETE2":
		return w.deleteByNumber()
	case "ADDFLOW", "DELFLOW":
		return w.flow(name == "ADDFLOW")
	case "REGISTER":
		return asks("XFRM has no registering: a key manager joins the netlink group XFRMNLGRP_ACQUIRE (ip xfrm monitor acquire)")
	case "ACQUIRE":
		return asks("XFRM cannot be told that an ACQUIRE failed: the larval SA ends by itself (net.core.xfrm_acq_expires)")
	case "EXPIRE", "NAT_T_NEW_MAPPING", "SPDACQUIRE", "SPDEXPIRE":
		return asks("ip xfrm monitor shows such events")
	case "PROMISC":
		return asks("ip xfrm monitor shows what others do")
	case "":
		return no("message type %d", m.Type)
	case "MIGRATE":
		return no("MIGRATE: netlink has XFRM_MSG_MIGRATE, which ip-xfrm(8) does not send")
	}
	return no("%s", name)
}

func (w *writer) command(words ...string) *Command {
	cmd := &Command{}
	cmd.add("xfrm")
	cmd.add(words...)
	w.list = append(w.list, cmd)
	return cmd
}

func (w *writer) protocol() (string, error) {
	name := w.c.Dialect.EnumName(w.c.Dialect.SATypeEnum(w.m.Type, w.m.SAType), uint64(w.m.SAType))
	p := xfrmname.Protocol(name)
	if p == "" {
		return "", no("SA type %d%s", w.m.SAType, parenthesis(name))
	}
	return p, nil
}

func parenthesis(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

// ends gives the addresses of an SA. Some systems do not want a source.
func (w *writer) ends() (src, dst netip.Addr, err error) {
	w.Say(layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst)
	if a := w.m.AddressDst(); a != nil {
		dst = a.Addr().WithZone("")
	}
	if !dst.IsValid() {
		return src, dst, no("no address in ADDRESS_DST")
	}
	if a := w.m.AddressSrc(); a != nil {
		src = a.Addr().WithZone("")
	}
	if !src.IsValid() && w.c.Dialect != layers.OpenBSD && w.c.Dialect != layers.Illumos {
		return src, dst, no("no address in ADDRESS_SRC")
	}
	if !src.IsValid() {
		src = unspecified(dst)
	}
	if src.Is4() != dst.Is4() {
		return src, dst, no("ends of different address families")
	}
	return src, dst, nil
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// id adds what names an SA.
func (w *writer) id(cmd *Command, spi bool) (proto string, err error) {
	if proto, err = w.protocol(); err != nil {
		return "", err
	}
	src, dst, err := w.ends()
	if err != nil {
		return "", err
	}
	cmd.addf("src %v dst %v proto %s", src, dst, proto)
	if !spi {
		return proto, nil
	}
	sa := w.m.SA()
	if sa == nil {
		return "", no("no SA")
	}
	w.Say(layers.LayerTypeSA)
	if proto == "comp" && sa.SPI > 0xffff {
		return "", no("a CPI of 0x%08x: ip takes 16 bits", sa.SPI)
	}
	cmd.addf("spi 0x%08x", sa.SPI)
	return proto, nil
}

func (w *writer) deleteState() error {
	if w.m.SA() == nil { // KAME then deletes all SAs of the pair
		_, err := w.id(w.command("state", "deleteall"), false)
		return err
	}
	_, err := w.id(w.command("state", "delete"), true)
	return err
}

// allocSPI reserves the SPI that the recorded kernel chose.
func (w *writer) allocSPI() error {
	cmd := w.command("state", "allocspi")
	if _, err := w.id(cmd, false); err != nil {
		return err
	}
	w.sa2(cmd)
	lo, hi := uint32(0x100), uint32(0x0fffffff) // what Linux and KAME choose from if they are not told
	if r := w.m.SPIRange(); r != nil {
		w.Say(layers.LayerTypeSPIRange)
		lo, hi = r.Min, r.Max
	}
	given := (*layers.SA)(nil)
	if w.answered {
		given = w.answer.SA()
	}
	if sa := w.m.SA(); sa != nil { // it is the kernel's answer itself
		w.Say(layers.LayerTypeSA)
		given = sa
	}
	w.Say(layers.LayerTypeLifetimeHard, layers.LayerTypeLifetimeSoft) // the kernel's, of a larval SA
	switch {
	case given != nil:
		if lo != hi {
			w.note("the SPI that the kernel chose")
		}
		lo, hi = given.SPI, given.SPI
	case lo != hi && !w.x.WithoutAnswers:
		w.note("which SPI the kernel chose is not in the recording: what follows may not fit")
	}
	cmd.addf("min 0x%08x max 0x%08x", lo, hi)
	return nil
}

// sa2 adds mode and request id.
func (w *writer) sa2(cmd *Command) {
	x, d := w.m.SA2(), w.c.Dialect
	if x == nil {
		mode := "transport"
		if sa := w.m.SA(); sa != nil {
			if v, ok := d.FlagValue(layers.EnumSAFlags, "TUNNEL"); ok && sa.Flags&v != 0 {
				mode = "tunnel"
			}
		}
		cmd.add("mode", mode)
		return
	}
	w.Say(layers.LayerTypeSA2)
	if x.ReqID != 0 {
		cmd.addf("reqid %d", x.ReqID)
	}
	name := d.EnumName(layers.EnumMode, uint64(x.Mode))
	mode := xfrmname.Mode(name)
	switch {
	case mode == "":
		w.Lose("mode %d%s: transport here", x.Mode, parenthesis(name))
		mode = "transport"
	case name == "ANY" && d != layers.Linux:
		w.note("mode ANY, which fits transport and tunnel, is transport on Linux")
	}
	cmd.add("mode", mode)
}

func (w *writer) makeState(verb string) error {
	m, d := &w.m, w.c.Dialect
	sa := m.SA()
	cmd := w.command("state", verb)
	proto, err := w.id(cmd, true)
	if err != nil {
		return err
	}
	if listed := m.Type == layers.GET || m.Type == layers.DUMP; listed && proto != "comp" && m.KeyAuth() == nil && m.KeyEncrypt() == nil {
		if d.EnumName(layers.EnumState, uint64(sa.State)) == "LARVAL" {
			return no("a larval SA, which has no keys")
		}
		if d == layers.Linux && sa.Auth == 0 && sa.Encrypt == 0 {
			return no("an SA whose algorithms PF_KEY does not show: an AEAD made over netlink")
		}
	}
	w.sa2(cmd)
	w.replay(cmd, sa)
	w.flags(cmd, sa)
	if err := w.algorithms(cmd, proto, sa); err != nil {
		return err
	}
	if err := w.encap(cmd); err != nil {
		return err
	}
	w.context(cmd)
	w.limits(cmd)
	w.selector(cmd)
	return nil
}

// replay adds the size of the replay window in packets.
func (w *writer) replay(cmd *Command, sa *layers.SA) {
	n := uint32(sa.Replay)
	switch w.c.Dialect {
	case layers.Linux, layers.OpenBSD, layers.Illumos, layers.RFC2367:
	default:
		n *= 8 // octets of bitmap
	}
	if r := w.m.SAReplay(); r != nil {
		w.Say(layers.LayerTypeSAReplay)
		n = r.Replay
	}
	const most = 32 // the bitmap of xfrm_replay_state, to which af_key cuts what it is asked for
	if w.c.Dialect == layers.Linux && n > most {
		w.note("PF_KEY on Linux cuts a replay window of %d to %d", n, most)
		n = most
	}
	const limit = 4096 // XFRMA_REPLAY_ESN_MAX
	if n > limit {
		w.Lose("a replay window of %d: %d is the most", n, limit)
		n = limit
	}
	if v, ok := w.c.Dialect.FlagValue(layers.EnumSAFlags, "ESN"); ok && sa.Flags&v != 0 && n == 0 {
		n = most
		w.note("a replay window of %d, since ip wants one with esn", n)
	}
	if n > 0 {
		cmd.addf("replay-window %d", n)
	}
}

// flags adds the flags of an SA.
func (w *writer) flags(cmd *Command, sa *layers.SA) {
	var words, other []string
	for _, name := range w.c.Dialect.FlagNames(layers.EnumSAFlags, sa.Flags) {
		switch f := xfrmname.Flag(name); {
		case f != "":
			words = append(words, f)
		case name == "ESN":
			words = append(words, "esn")
		case slices.Contains(passing, name):
		case name == "PFS" && w.c.Dialect == layers.Linux:
			w.note("flag PFS, which PF_KEY on Linux does not look at either")
		default:
			other = append(other, name)
		}
	}
	if len(words) > 0 {
		cmd.add("flag")
		cmd.add(words...)
	}
	if len(other) > 0 {
		w.Lose("flags %s", strings.Join(other, ","))
	}
}

// passing are flags that other words say, that ask for what XFRM does anyway, or that a
// kernel notes of an SA that it has.
var passing = []string{
	"TUNNEL", "UDPENCAP", "CYCSEQ", "RAWCPI", "NATT_REM", "NATT_LOC", "INBOUND", "OUTBOUND",
	"USED", "UNIQUE", "NATTED", "KRES1", "KRES2",
}

func (w *writer) algorithms(cmd *Command, proto string, sa *layers.SA) error {
	m, d := &w.m, w.c.Dialect
	if proto == "comp" {
		a, ok := xfrmname.OfNumber(d, layers.EnumComp, sa.Encrypt)
		if !ok {
			return no("compression algorithm %d%s", sa.Encrypt, parenthesis(d.EnumName(layers.EnumComp, uint64(sa.Encrypt))))
		}
		cmd.add("comp", a.Name)
		return nil
	}
	var encrypt xfrmname.Algorithm
	if sa.Encrypt != 0 {
		var ok bool
		if encrypt, ok = xfrmname.OfNumber(d, layers.EnumEncrypt, sa.Encrypt); !ok {
			return no("encryption algorithm %d%s", sa.Encrypt, parenthesis(d.EnumName(layers.EnumEncrypt, uint64(sa.Encrypt))))
		}
	}
	switch {
	case proto == "ah" && sa.Encrypt != 0:
		w.Lose("encryption, which AH has not")
		sa.Encrypt = 0
	case proto == "esp" && sa.Encrypt == 0:
		return no("ESP without an encryption algorithm")
	}
	aead := sa.Encrypt != 0 && encrypt.Kind == xfrmname.AEAD
	if sa.Auth != 0 && !aead {
		a, ok := xfrmname.OfNumber(d, layers.EnumAuth, sa.Auth)
		if !ok {
			return no("authentication algorithm %d%s", sa.Auth, parenthesis(d.EnumName(layers.EnumAuth, uint64(sa.Auth))))
		}
		key, err := w.key(layers.LayerTypeKeyAuth, m.KeyAuth(), a.FullICV > 0, "authentication")
		if err != nil {
			return err
		}
		icv := a.ICVOf(d)
		cmd.add("auth-trunc", a.Name)
		cmd.addKey(key)
		cmd.addf("%d", icv)
		if strings.HasPrefix(a.Name, "hmac(sha256)") && icv == 96 {
			w.note("cut to 96 bits as %v does, not to the 128 of RFC 4868: both ends must do the same", d)
		}
	} else if proto == "ah" {
		return no("AH without an authentication algorithm")
	}
	if aead {
		w.Say(layers.LayerTypeKeyAuth) // FreeBSD has the one key twice
	}
	if sa.Encrypt == 0 {
		return nil
	}
	key, err := w.key(layers.LayerTypeKeyEncrypt, m.KeyEncrypt(), encrypt.PFKEY != "NULL", "encryption")
	if err != nil {
		return err
	}
	cmd.add(encrypt.Kind.String(), encrypt.Name)
	cmd.addKey(key)
	if aead {
		cmd.addf("%d", encrypt.ICV)
	}
	return nil
}

func (w *writer) key(t gopacket.LayerType, k *layers.Key, wanted bool, what string) (layers.Secret, error) {
	if k == nil && wanted {
		return nil, no("no key for the %s: this kernel's messages do not show it", what)
	}
	if k == nil {
		return nil, nil
	}
	w.Say(t)
	if k.Bits%8 != 0 {
		w.Lose("the bits of a key of %d bits behind the last whole octet: ip counts octets", k.Bits)
	}
	return statement.KeyOctets(w.c.Dialect, k), nil
}

func (w *writer) encap(cmd *Command) error {
	m := &w.m
	src, dst := uint16(0), uint16(0)
	kind := "espinudp"
	any := "0.0.0.0"
	if a := m.AddressDst(); a != nil && a.Addr().Is6() {
		any = "::"
	}
	port := func(t gopacket.LayerType, p *layers.NATTPort) uint16 {
		if p == nil {
			return 0
		}
		w.Say(t)
		return p.Port
	}
	switch t := m.NATTType(); {
	case t != nil && t.Type == 0 && w.c.Dialect != layers.Linux:
		w.Say(layers.LayerTypeNATTType, layers.LayerTypeNATTSrcPort, layers.LayerTypeNATTDstPort)
		return nil
	case t != nil:
		w.Say(layers.LayerTypeNATTType)
		name := w.c.Dialect.EnumName(layers.EnumNATTType, uint64(t.Type))
		if kind = xfrmname.Encap(name); kind == "" {
			return no("UDP encapsulation of type %d%s", t.Type, parenthesis(name))
		}
		src, dst = port(layers.LayerTypeNATTSrcPort, m.NATTSrcPort()), port(layers.LayerTypeNATTDstPort, m.NATTDstPort())
		if m.NATTSrcPort() == nil || m.NATTDstPort() == nil {
			w.note("NAT-T without a port: 0 here; PF_KEY on Linux takes what happens to be in its memory")
		}
	case m.UDPEncap() != nil:
		// OpenBSD keeps the peer's port; its own is 4500 (net.inet.esp.udpencap_port).
		w.Say(layers.LayerTypeUDPEncap)
		src, dst = 4500, m.UDPEncap().Port
	case m.AddressNATTLocal() != nil || m.AddressNATTRemote() != nil:
		w.Say(layers.LayerTypeAddressNATTLocal, layers.LayerTypeAddressNATTRemote)
		src, dst = 4500, 4500
		if a := m.AddressNATTLocal(); a != nil && a.Port() != 0 {
			src = a.Port()
		}
		if a := m.AddressNATTRemote(); a != nil && a.Port() != 0 {
			dst = a.Port()
		}
	default:
		return nil
	}
	cmd.addf("encap %s %d %d %s", kind, src, dst, any)
	return nil
}

func (w *writer) context(cmd *Command) {
	x := w.m.SecCtx()
	if x == nil {
		return
	}
	w.Say(layers.LayerTypeSecCtx)
	text, ok := strings.CutSuffix(string(x.Context[:min(int(x.CtxLen), len(x.Context))]), "\x00")
	if !ok || text == "" || strings.ContainsAny(text, "\x00\"'# \t\r\n\\") {
		w.Lose("SEC_CTX, which is no word that ip takes")
		return
	}
	if x.CtxDOI != 1 || x.CtxAlg != 1 {
		w.Lose("doi %d and algorithm %d of SEC_CTX: ip says 1 and 1", x.CtxDOI, x.CtxAlg)
	}
	cmd.add("ctx", text)
}

// limits adds lifetimes. Linux shows the largest number where there is no limit.
func (w *writer) limits(cmd *Command) {
	for _, x := range []struct {
		t    gopacket.LayerType
		name string
		l    *layers.Lifetime
	}{{layers.LayerTypeLifetimeSoft, "soft", w.m.LifetimeSoft()}, {layers.LayerTypeLifetimeHard, "hard", w.m.LifetimeHard()}} {
		if x.l == nil {
			continue
		}
		w.Say(x.t)
		for _, v := range []struct {
			word string
			n    uint64
			most uint64
		}{
			{"time-" + x.name, x.l.AddTime, 1<<64 - 1}, {"time-use-" + x.name, x.l.UseTime, 1<<64 - 1},
			{"byte-" + x.name, x.l.Bytes, 1<<64 - 1}, {"packet-" + x.name, uint64(x.l.Allocations), 1<<32 - 1},
		} {
			if v.n != 0 && v.n != v.most {
				cmd.addf("limit %s %d", v.word, v.n)
			}
		}
	}
}

// selector adds which packets an SA is for: on Linux the source, which PF_KEY has in
// ADDRESS_PROXY, on illumos both.
func (w *writer) selector(cmd *Command) {
	if w.c.Dialect != layers.Linux && w.c.Dialect != layers.Illumos {
		return
	}
	var words []string
	for _, x := range []struct {
		t    gopacket.LayerType
		word string
		a    *layers.Address
	}{{layers.LayerTypeAddressProxy, "src", w.m.AddressProxy()}, {layers.LayerTypeAddressInnerDst, "dst", w.m.AddressInnerDst()}} {
		if x.a == nil || !x.a.Addr().IsValid() {
			continue
		}
		w.Say(x.t)
		// The kernel shows a selector of everything, too.
		if a := x.a.Addr().WithZone(""); !a.IsUnspecified() || x.a.PrefixLen != 0 {
			words = append(words, x.word, fmt.Sprintf("%v/%d", a, x.a.PrefixLen))
		}
	}
	if len(words) > 0 {
		cmd.add("sel")
		cmd.add(words...)
	}
}

// policySelector makes the words for what a policy is for.
func (w *writer) policySelector() ([]string, error) {
	w.Say(layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst)
	m := &w.m
	src, dst := m.AddressSrc(), m.AddressDst()
	if src == nil || dst == nil || !src.Addr().IsValid() || !dst.Addr().IsValid() {
		return nil, no("a policy without addresses")
	}
	if src.Addr().Is4() != dst.Addr().Is4() {
		return nil, no("a policy between address families")
	}
	// Linux, for one, takes the protocol of the destination.
	return w.selectorWords(src.Addr(), int(src.PrefixLen), dst.Addr(), int(dst.PrefixLen), dst.Proto, src.Port(), dst.Port()), nil
}

func (w *writer) selectorWords(src netip.Addr, srcLen int, dst netip.Addr, dstLen int, proto uint8, sport, dport uint16) []string {
	words := []string{"src", fmt.Sprintf("%v/%d", src.WithZone(""), srcLen), "dst", fmt.Sprintf("%v/%d", dst.WithZone(""), dstLen)}
	const any = 255 // IPSEC_ULPROTO_ANY
	if proto == any {
		proto = 0
	}
	add := func(word string, n uint16) {
		if n != 0 {
			words = append(words, word, fmt.Sprint(n))
		}
	}
	add("proto", uint16(proto))
	switch proto {
	case 0, 6, 17, 33, 132: // any, TCP, UDP, DCCP, SCTP
		add("sport", sport)
		add("dport", dport)
	case 1, 58, 135: // ICMP, ICMPv6, mobility header
		if sport > 255 || dport > 255 {
			w.Lose("a type or code above 255")
			break
		}
		add("type", sport)
		add("code", dport)
	case 47: // GRE
		if sport == 0 && dport == 0 {
			break
		}
		words = append(words, "key", fmt.Sprintf("0x%08x", uint32(sport)<<16|uint32(dport)))
		if sport == 0 || dport == 0 {
			w.note("of the GRE key PF_KEY compares the half that is not 0 only")
		}
	default:
		if sport != 0 || dport != 0 {
			w.Lose("ports %d and %d: ip has none for protocol %d", sport, dport, proto)
		}
	}
	return words
}

// directions are those in which Linux has to have a policy of a direction.
func (w *writer) directions(x *layers.Policy) ([]string, error) {
	name := w.c.Dialect.EnumName(layers.EnumDir, uint64(x.Dir))
	dir := xfrmname.Direction(name)
	if dir == "" {
		return nil, no("a policy of direction %d%s", x.Dir, parenthesis(name))
	}
	if dir == "in" && w.c.Dialect != layers.Linux {
		w.note("%v judges what is forwarded by the policy for what comes in", w.c.Dialect)
		return []string{"in", "fwd"}, nil
	}
	return []string{dir}, nil
}

// chosen gives what names a policy, in each direction that it has on Linux.
func (w *writer) chosen(x *layers.Policy) (sel, dirs []string, err error) {
	if sel, err = w.policySelector(); err == nil {
		dirs, err = w.directions(x)
	}
	return sel, dirs, err
}

func (w *writer) deletePolicy() error {
	x := w.m.Policy()
	if x == nil {
		return no("SPDDELETE without POLICY")
	}
	w.Say(layers.LayerTypePolicy)
	sel, dirs, err := w.chosen(x)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		cmd := w.command("policy", "delete")
		cmd.add(sel...)
		cmd.add("dir", dir)
		w.context(cmd)
	}
	return nil
}

// deleteByNumber deletes a policy whose number an earlier message told.
func (w *writer) deleteByNumber() error {
	x := w.m.Policy()
	if x == nil {
		return no("SPDDELETE2 without POLICY")
	}
	w.Say(layers.LayerTypePolicy, layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst)
	sel, ok := w.x.policies[x.ID]
	if !ok {
		return no("SPDDELETE2 of policy %d, of which the recording does not tell what it is for", x.ID)
	}
	delete(w.x.policies, x.ID)
	cmd := w.command("policy", "delete")
	cmd.add(sel.words...)
	w.note("policy %d by what it is for, since numbers differ from kernel to kernel", x.ID)
	return nil
}

func (w *writer) remember(id uint32, words []string) {
	if id == 0 || len(w.x.policies) >= maxPolicies {
		return
	}
	if w.x.policies == nil {
		w.x.policies = map[uint32]selector{}
	}
	w.x.policies[id] = selector{words}
}

func (w *writer) makePolicy(verb string) error {
	x, d := w.m.Policy(), w.c.Dialect
	if x == nil {
		return no("a policy without POLICY")
	}
	w.Say(layers.LayerTypePolicy)
	var action string
	switch name := d.EnumName(layers.EnumPolicyType, uint64(x.Type)); name {
	case "DISCARD":
		action = "block"
	case "NONE", "IPSEC":
		action = "allow"
	default:
		return no("a policy of type %d%s, which is for sockets", x.Type, parenthesis(name))
	}
	sel, dirs, err := w.chosen(x)
	if err != nil {
		return err
	}
	given := x
	if p := w.answer.Policy(); w.answered && p != nil {
		given = p
	}
	w.remember(given.ID, append(slices.Clone(sel), "dir", dirs[0]))
	tail := Command{}
	w.context(&tail)
	tail.add("action", action)
	switch {
	case d == layers.Linux && x.Priority != 0:
		tail.addf("priority %d", x.Priority)
	case d == layers.FreeBSD && x.Priority != 0:
		w.Lose("priority %d, which FreeBSD orders by in its own way", x.Priority)
	}
	w.limits(&tail)
	if action == "allow" && d.EnumName(layers.EnumPolicyType, uint64(x.Type)) == "IPSEC" {
		if err := w.templates(&tail, x, given); err != nil {
			return err
		}
	}
	for _, dir := range dirs {
		cmd := w.command("policy", verb)
		cmd.add(sel...)
		cmd.add("dir", dir)
		cmd.words = append(cmd.words, tail.words...)
	}
	return nil
}

// templates adds what a policy requires. given is the policy with the request ids that
// the kernel chose.
func (w *writer) templates(cmd *Command, x, given *layers.Policy) error {
	d := w.c.Dialect
	chosen := given.Requests()
	for i, q := range x.Requests() {
		proto := map[uint16]string{50: "esp", 51: "ah", 108: "comp", 255: "ipsec-any"}[q.Proto]
		modeName := d.EnumName(layers.EnumMode, uint64(q.Mode))
		mode := xfrmname.Mode(modeName)
		levelName := d.EnumName(layers.EnumLevel, uint64(q.Level))
		level := xfrmname.Level(levelName)
		if proto == "" || mode == "" || level == "" {
			return no("a policy that requires protocol %d, mode %d, level %d", q.Proto, q.Mode, q.Level)
		}
		src := unspecified(w.m.AddressDst().Addr())
		dst := src
		if mode == "tunnel" {
			a, b, ok := q.Addrs(w.c)
			if !ok || !a.Addr.IsValid() || !b.Addr.IsValid() {
				return no("a tunnel without ends")
			}
			src, dst = a.Addr.WithZone(""), b.Addr.WithZone("")
		}
		if modeName == "ANY" {
			w.note("mode ANY is transport on Linux")
		}
		reqid := uint32(0)
		if levelName == "UNIQUE" {
			// The kernel chooses where the request has none, or one above
			// IPSEC_MANUAL_REQID_MAX.
			if reqid = q.ReqID; i < len(chosen) && chosen[i].ReqID != reqid && chosen[i].ReqID != 0 {
				reqid = chosen[i].ReqID
				w.note("reqid %d is what the kernel chose", reqid)
			}
			if reqid == 0 && !w.x.WithoutAnswers {
				w.Lose("level unique: which request id the kernel chose is not in the recording, so an SA of any is taken")
			}
		}
		cmd.addf("tmpl src %v dst %v proto %s reqid %d mode %s", src, dst, proto, reqid, mode)
		switch out := d.EnumName(layers.EnumDir, uint64(x.Dir)) == "OUTBOUND"; {
		case level == "use" && mode != "transport" && out:
			w.Lose("level use of a tunnel going out, which Linux does not have: required here")
		case level == "use":
			cmd.add("level", "use")
		}
		if levelName == "DEFAULT" && d != layers.Linux {
			w.note("level default, which the system's settings decide, is required on Linux")
		}
	}
	return nil
}

// flow makes the policy that is a flow of OpenBSD.
func (w *writer) flow(add bool) error {
	m, d := &w.m, w.c.Dialect
	t := m.FlowType()
	src, srcMask, dst, dstMask := m.SrcFlow(), m.SrcMask(), m.DstFlow(), m.DstMask()
	if t == nil || src == nil || srcMask == nil || dst == nil || dstMask == nil {
		return no("a flow without addresses, masks or type")
	}
	w.Say(layers.LayerTypeFlowType, layers.LayerTypeSrcFlow, layers.LayerTypeSrcMask, layers.LayerTypeDstFlow, layers.LayerTypeDstMask)
	srcLen, ok1 := prefixLen(srcMask.Addr())
	dstLen, ok2 := prefixLen(dstMask.Addr())
	if !src.Addr().IsValid() || !dst.Addr().IsValid() || !ok1 || !ok2 {
		return no("a flow whose masks are no prefixes")
	}
	proto := uint8(0)
	if p := m.Protocol(); p != nil {
		w.Say(layers.LayerTypeProtocol)
		proto = p.Proto
	}
	dirs := []string{"out"}
	if d.EnumName(layers.EnumFlowDir, uint64(t.Direction)) == "IN" {
		dirs = []string{"in", "fwd"}
	}
	verb := "delete"
	tail := Command{}
	w.Say(layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst)
	if add {
		verb = "add"
		kind := d.EnumName(layers.EnumFlowType, uint64(t.Proto))
		switch kind {
		case "DENY":
			tail.add("action", "block")
		case "BYPASS":
			tail.add("action", "allow")
		case "USE", "ACQUIRE", "REQUIRE", "DONTACQ":
			p, err := w.protocol()
			if err != nil {
				return err
			}
			// The gateways are said as seen from here: the local one is ADDRESS_SRC.
			local, peer := unspecified(dst.Addr()), unspecified(dst.Addr())
			if a := m.AddressSrc(); a != nil && a.Addr().IsValid() {
				local = a.Addr().WithZone("")
			}
			if a := m.AddressDst(); a != nil && a.Addr().IsValid() {
				peer = a.Addr().WithZone("")
			}
			mode := "tunnel"
			if peer.IsUnspecified() {
				mode = "transport"
			}
			if dirs[0] == "in" {
				local, peer = peer, local
			}
			tail.addf("action allow tmpl src %v dst %v proto %s mode %s", local, peer, p, mode)
			if kind != "REQUIRE" {
				w.Lose("flow type %s: required here", strings.ToLower(kind))
			}
		default:
			return no("a flow of type %d", t.Proto)
		}
	}
	sel := w.selectorWords(src.Addr(), srcLen, dst.Addr(), dstLen, proto, src.Port(), dst.Port())
	for _, dir := range dirs {
		cmd := w.command("policy", verb)
		cmd.add(sel...)
		cmd.add("dir", dir)
		cmd.words = append(cmd.words, tail.words...)
	}
	return nil
}

// prefixLen is the number of bits of a mask.
func prefixLen(mask netip.Addr) (n int, ok bool) {
	if !mask.IsValid() {
		return 0, false
	}
	rest := false
	for _, b := range mask.AsSlice() {
		k := bits.LeadingZeros8(^b)
		if rest && b != 0 || k < 8 && b<<k != 0 {
			return 0, false
		}
		rest = rest || k < 8
		n += k
	}
	return n, true
}
