package setkey

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
)

// Message is one message of a statement.
type Message = statement.Message

// ErrNeedsKernel is the error for a statement that only a kernel's answers can turn
// into messages.
var ErrNeedsKernel = fmt.Errorf("needs a kernel to ask")

// Messages makes the messages that setkey sends for a statement, with the numbers
// and structures of a dialect: their extensions in setkey's order, their seq and pid
// 0. Host names with several addresses make a message for each pair of addresses of
// one family. On Linux a policy for what comes in makes a second one for what is
// forwarded, as in setkey. exit makes none.
//
// The error is a *Error if the dialect has no number for something, wrapping
// ErrNeedsKernel for deleteall on Linux, whose kernel deletes one SA at a time.
func (s *Statement) Messages(c layers.Codec) ([]Message, error) {
	b := builder{s: s, c: c}
	var list []Message
	var err error
	switch s.Command {
	case "add", "update", "get", "getspi", "delete", "deleteall":
		list, err = b.sa()
	case "flush", "dump":
		list, err = b.all()
	case "spdadd", "spdupdate", "spddelete":
		list, err = b.policies()
	case "spdflush", "spddump":
		list, err = b.bare(strings.ToUpper(s.Command), "")
	}
	return b.Result(list, err, s.Line, s.Column)
}

type builder struct {
	s *Statement
	c layers.Codec
	statement.Making
}

func (b *builder) note(format string, args ...any) {
	b.Notes = append(b.Notes, fmt.Sprintf(format, args...))
}

// number looks a name up in the dialect.
func (b *builder) number(e layers.Enum, what string, names ...string) uint64 {
	v, ok := statement.Value(b.c.Dialect, e, names...)
	if !ok && b.Err == nil {
		b.Err = fmt.Errorf("%v has no %s%s", b.c.Dialect, what, others(e, names))
	}
	return v
}

// others names the dialects that know one of the names.
func others(e layers.Enum, names []string) string {
	var list []string
	for _, d := range layers.Dialects() {
		if _, ok := statement.Value(d, e, names...); ok {
			list = append(list, d.String())
		}
	}
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", ") + " can)"
}

// noZone notes the loss of an IPv6 address's zone: SAs and policies have none.
func (b *builder) noZone(a netip.Addr) netip.Addr {
	if a.Zone() == "" {
		return a
	}
	if note := fmt.Sprintf("the zone of %v is left out", a); !slices.Contains(b.Notes, note) {
		b.Notes = append(b.Notes, note)
	}
	return a.WithZone("")
}

func (b *builder) base(typ, protocol string) layers.Base {
	family := strings.TrimSuffix(strings.TrimSuffix(protocol, "-old"), "-udp")
	base := layers.Base{
		Type: uint8(b.number(layers.EnumMsgType, "message "+typ, typ)),
	}
	if v, ok := statement.Value(b.c.Dialect, layers.EnumSAType, saTypes[family]...); ok {
		base.SAType = uint8(v)
	} else if family != "" {
		b.number(layers.EnumSAType, "SA type for "+family, saTypes[family]...)
	}
	return base
}

func (b *builder) bare(typ, protocol string) ([]Message, error) {
	return []Message{{Base: b.base(typ, protocol)}}, nil
}

func (b *builder) all() ([]Message, error) {
	return b.bare(strings.ToUpper(b.s.Command), b.s.Protocol)
}

// has reports whether the dialect has a number for a kind of extension.
func (b *builder) has(e layers.Extension) bool {
	return b.c.Dialect.ExtNumberOf(e.LayerType()) != 0
}

// add appends an extension if the dialect has it, and else notes what is lost.
func (b *builder) add(list []layers.Extension, e layers.Extension, lost string) []layers.Extension {
	if !b.has(e) {
		b.note("%v has no %s: left out", b.c.Dialect, lost)
		return list
	}
	return append(list, e)
}

// sa makes the messages about SAs.
func (b *builder) sa() ([]Message, error) {
	s := b.s
	typ := strings.ToUpper(s.Command)
	if s.Command == "deleteall" {
		if b.c.Dialect == layers.Linux {
			return nil, fmt.Errorf("deleteall %w: Linux deletes one SA at a time, by SPI", ErrNeedsKernel)
		}
		typ = "DELETE"
	}
	base := b.base(typ, s.Protocol)
	var exts []layers.Extension
	making := s.Command == "add" || s.Command == "update"
	if making {
		exts = b.keys(exts)
	}
	if making || s.Command == "getspi" {
		exts = b.limit(exts, layers.LayerTypeLifetimeHard, s.Hard)
		exts = b.limit(exts, layers.LayerTypeLifetimeSoft, s.Soft)
		exts = b.context(exts)
	}
	if s.Command == "getspi" {
		// SPI 0 leaves the choice to the kernel, among those that are not reserved and
		// that Linux and KAME choose from without a range. OpenBSD wants one.
		r := &layers.SPIRange{Min: s.SPI, Max: s.SPI}
		if s.SPI == 0 {
			r.Min, r.Max = 0x100, 0x0fffffff
		}
		exts = append(exts, r)
	}
	if s.Command != "deleteall" {
		if s.Command != "getspi" { // where SA has no place (RFC 2367 3.1.1)
			exts = append(exts, b.association())
		}
		if making || s.Command == "getspi" {
			exts = b.sa2(exts)
		}
	}
	var tail []layers.Extension
	if making && s.Interface != "" {
		off := &layers.IfHWOffload{}
		if copy(off.If[:len(off.If)-1], s.Interface) < len(s.Interface) {
			return nil, fmt.Errorf("interface name %q is too long", s.Interface)
		}
		tail = b.add(tail, off, "interface to offload to")
	}
	var list []Message
	err := b.pairs(func(src, dst netip.Addr) {
		e := append([]layers.Extension(nil), exts...)
		e = append(e,
			b.c.NewAddress(layers.LayerTypeAddressSrc, netip.AddrPortFrom(src, b.endPort(s.Src)), uint8(src.BitLen()), anyProtocol),
			b.c.NewAddress(layers.LayerTypeAddressDst, netip.AddrPortFrom(dst, b.endPort(s.Dst)), uint8(dst.BitLen()), anyProtocol))
		if making {
			e = b.natt(e)
		}
		list = append(list, Message{Base: base, Exts: append(e, tail...)})
	})
	return list, err
}

// endPort is the port in the address of an SA. With UDP encapsulation the ports
// travel in extensions of their own.
func (b *builder) endPort(s Selector) uint16 {
	if b.s.NATT != nil {
		return 0
	}
	return s.Port
}

// pairs calls f for every source and destination of one address family.
func (b *builder) pairs(f func(src, dst netip.Addr)) error {
	n := 0
	for _, src := range b.s.Src.Addrs {
		for _, dst := range b.s.Dst.Addrs {
			if src.Is4() == dst.Is4() {
				f(b.noZone(src), b.noZone(dst))
				n++
			}
		}
	}
	if n == 0 {
		return fmt.Errorf("source and destination are of different address families")
	}
	return nil
}

func (b *builder) keys(exts []layers.Extension) []layers.Extension {
	// The number of bits has 16 bits.
	const most = 8191
	for _, k := range []struct {
		a *Algorithm
		t layers.Extension
	}{
		{b.s.Encrypt, &layers.Key{Header: layers.For(layers.LayerTypeKeyEncrypt)}},
		{b.s.Auth, &layers.Key{Header: layers.For(layers.LayerTypeKeyAuth)}},
	} {
		// Of null encryption setkey sends a key of 0 bits, which Linux insists on.
		if k.a == nil || len(k.a.Key) == 0 && k.t.LayerType() != layers.LayerTypeKeyEncrypt {
			continue
		}
		if len(k.a.Key) > most && b.Err == nil {
			b.Err, b.Line, b.Column = fmt.Errorf("a key of %d bytes: a message holds %d at most", len(k.a.Key), most), k.a.line, k.a.column
		}
		exts = append(exts, b.c.NewKey(k.t.LayerType(), k.a.Key))
	}
	return exts
}

func (b *builder) limit(exts []layers.Extension, t gopacket.LayerType, l Limit) []layers.Extension {
	if l == (Limit{}) {
		return exts
	}
	return append(exts, &layers.Lifetime{Header: layers.For(t), AddTime: l.Time, Bytes: l.Bytes})
}

func (b *builder) context(exts []layers.Extension) []layers.Extension {
	c := b.s.Context
	if c == nil {
		return exts
	}
	text := append([]byte(c.Text), 0)
	return b.add(exts, &layers.SecCtx{CtxAlg: c.Alg, CtxDOI: c.DOI, CtxLen: uint16(len(text)), Context: text}, "security context")
}

// saFlags are setkey's words for flags, and the dialects' names of them.
var saFlags = map[string]string{"zero-pad": "PZERO", "random-pad": "PRAND", "seq-pad": "PSEQ", "esn": "ESN"}

// Number returns a dialect's number of the algorithm, which encrypts or, if not, only
// authenticates.
func (a *Algorithm) Number(d layers.Dialect, encrypts bool) (uint8, bool) {
	e, known := layers.EnumAuth, authentications
	if encrypts {
		e, known = layers.EnumEncrypt, encryptions
	}
	v, ok := statement.Value(d, e, known[a.Name]...)
	return uint8(v), ok
}

// association makes the SA extension.
func (b *builder) association() *layers.SA {
	s := b.s
	sa := &layers.SA{SPI: s.SPI}
	if s.Command != "add" && s.Command != "update" {
		return sa
	}
	algorithm := func(a *Algorithm, encrypts bool) uint8 {
		if a == nil {
			return 0
		}
		v, ok := a.Number(b.c.Dialect, encrypts)
		if !ok && b.Err == nil {
			b.Err, b.Line, b.Column = fmt.Errorf("%v has no %s", b.c.Dialect, a.Name), a.line, a.column
		}
		return v
	}
	sa.Auth = algorithm(s.Auth, false)
	sa.Encrypt = algorithm(s.Encrypt, true)
	if s.Compress != "" {
		sa.Encrypt = uint8(b.number(layers.EnumComp, s.Compress, strings.ToUpper(s.Compress)))
	}
	sa.Replay = uint8(min(s.Replay, 255))
	sa.State = uint8(b.number(layers.EnumState, "state MATURE", "MATURE"))
	set := func(name, lost string) {
		if v, ok := b.c.Dialect.FlagValue(layers.EnumSAFlags, name); ok {
			sa.Flags |= v
		} else if lost != "" {
			b.note("%v has no %s: left out", b.c.Dialect, lost)
		}
	}
	cyclic := true
	for _, f := range s.Flags {
		switch {
		case f == "nocyclic-seq":
			cyclic = false
		case f == "seq-pad": // the padding without a flag
		default:
			set(saFlags[f], f)
		}
	}
	if cyclic {
		set("CYCSEQ", "")
	}
	if strings.HasSuffix(s.Protocol, "-old") {
		set("OLD", s.Protocol)
	}
	if s.Encrypt != nil && s.Encrypt.Name == "des-deriv" {
		set("DERIV", "des-deriv")
	}
	if s.Encrypt != nil && s.Encrypt.Name == "des-32iv" {
		set("IV4B", "des-32iv")
	}
	if s.RawCPI {
		set("RAWCPI", "raw CPI")
	}
	return sa
}

// sa2 adds mode and request id, and a replay window that the SA extension cannot
// hold.
func (b *builder) sa2(exts []layers.Extension) []layers.Extension {
	s := b.s
	sa2 := &layers.SA2{ReqID: s.ReqID}
	if b.has(sa2) {
		if s.Mode != "" {
			sa2.Mode = uint8(b.number(layers.EnumMode, "mode "+s.Mode, strings.ToUpper(s.Mode)))
		}
		exts = append(exts, sa2)
	} else if s.Mode != "" || s.ReqID != 0 {
		b.note("%v has no mode and request id: left out", b.c.Dialect)
	}
	// FreeBSD counts packets here, eight to the octet that -r counts.
	if s.Replay > 223 && s.Command != "getspi" {
		exts = b.add(exts, &layers.SAReplay{Replay: s.Replay << 3}, fmt.Sprintf("replay window of %d", s.Replay))
	}
	return exts
}

// defaultNATTPort is where ESP in UDP is sent (RFC 3948).
const defaultNATTPort = 4500

func (b *builder) natt(exts []layers.Extension) []layers.Extension {
	s, n := b.s, b.s.NATT
	if n == nil {
		return exts
	}
	port := func(said, end uint16) uint16 {
		switch {
		case said != 0:
			return said
		case end != 0:
			return end
		}
		return defaultNATTPort
	}
	src, dst := port(n.SrcPort, s.Src.Port), port(n.DstPort, s.Dst.Port)
	if b.c.Dialect == layers.OpenBSD {
		b.note("OpenBSD keeps one port for UDP encapsulation: %d", dst)
		return append(exts, &layers.UDPEncap{Port: dst})
	}
	const inUDP = 2 // UDP_ENCAP_ESPINUDP
	exts = b.add(exts, &layers.NATTType{Type: inUDP}, "UDP encapsulation")
	exts = b.add(exts, &layers.NATTPort{Header: layers.For(layers.LayerTypeNATTSrcPort), Port: src}, "NAT-T port")
	exts = b.add(exts, &layers.NATTPort{Header: layers.For(layers.LayerTypeNATTDstPort), Port: dst}, "NAT-T port")
	for _, o := range []struct {
		a netip.Addr
		t gopacket.LayerType
	}{{n.OriginalSrc, layers.LayerTypeNATTOA}, {n.OriginalDst, layers.LayerTypeNATTOAR}} {
		if o.a.IsValid() {
			exts = b.add(exts, b.c.NewAddress(o.t, netip.AddrPortFrom(o.a, 0), uint8(o.a.BitLen()), anyProtocol), "original address of the destination")
		}
	}
	if s.NATTFrag != 0 {
		exts = b.add(exts, &layers.NATTFrag{FragLen: s.NATTFrag}, "NAT-T fragment size")
	}
	return exts
}

// policies makes the messages about policies.
func (b *builder) policies() ([]Message, error) {
	s := b.s
	base := b.base(strings.ToUpper(s.Command), "")
	pol := *s.Policy
	var list []Message
	add := func() error {
		p, err := b.policy(&pol)
		if err != nil {
			return err
		}
		if s.Tag != "" {
			tag := append([]byte(s.Tag), 0)
			list = append(list, Message{Base: base, Exts: b.add([]layers.Extension{p}, &layers.Tag{TagLen: uint32(len(tag)), Data: tag}, "tag")})
			return nil
		}
		return b.pairs(func(src, dst netip.Addr) {
			e := []layers.Extension{p,
				b.c.NewAddress(layers.LayerTypeAddressSrc, netip.AddrPortFrom(src, s.Src.Port), prefixOf(s.Src, src), s.Upper),
				b.c.NewAddress(layers.LayerTypeAddressDst, netip.AddrPortFrom(dst, s.Dst.Port), prefixOf(s.Dst, dst), s.Upper)}
			list = append(list, Message{Base: base, Exts: b.context(e)})
		})
	}
	if err := add(); err != nil {
		return nil, err
	}
	if b.c.Dialect == layers.Linux && pol.Direction == "in" {
		pol.Direction = "fwd"
		pol.Requests = append([]Request(nil), pol.Requests...)
		for i := range pol.Requests { // an SA is bound to one policy only
			if r := &pol.Requests[i]; r.Level == "unique" {
				r.Level, r.ReqID = "require", 0
			}
		}
		if err := add(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func prefixOf(s Selector, a netip.Addr) uint8 {
	if s.Prefix < 0 {
		return uint8(a.BitLen())
	}
	return uint8(s.Prefix)
}

// requestProtocols are the IP protocols of what a policy requires.
var requestProtocols = map[string]uint16{"esp": 50, "ah": 51, "ipcomp": 108}

// policy makes the POLICY extension with its requests.
func (b *builder) policy(p *Policy) (*layers.Policy, error) {
	typ := p.Type
	if typ == "" { // spddelete with a direction alone
		typ = "none"
	}
	x := &layers.Policy{
		Type: uint16(b.number(layers.EnumPolicyType, "policy "+typ, strings.ToUpper(typ))),
		Dir:  uint8(b.number(layers.EnumDir, "direction "+p.Direction, directions[p.Direction])),
	}
	switch {
	case b.c.Dialect == layers.Linux:
		x.Priority = p.Priority
		if x.Priority == 0 {
			x.Priority = priorityMiddle
		}
	case p.Priority != 0:
		b.note("%v has no priorities: left out", b.c.Dialect)
	}
	if !b.has(x) {
		return nil, fmt.Errorf("%v has no policies in PF_KEY", b.c.Dialect)
	}
	for _, r := range p.Requests {
		q := layers.Request{
			Proto: requestProtocols[r.Protocol],
			Mode:  uint8(b.number(layers.EnumMode, "mode "+r.Mode, strings.ToUpper(r.Mode))),
			Level: uint8(b.number(layers.EnumLevel, "level "+r.Level, strings.ToUpper(r.Level))),
			ReqID: r.ReqID,
		}
		if r.Src.IsValid() {
			for _, ap := range []netip.AddrPort{r.Src, r.Dst} {
				q.Sockaddrs = b.c.AppendSockaddr(q.Sockaddrs, layers.Sockaddr{Addr: ap.Addr(), Port: ap.Port()})
			}
			for len(q.Sockaddrs)%8 != 0 {
				q.Sockaddrs = append(q.Sockaddrs, 0)
			}
		}
		x.List = b.c.AppendRequest(x.List, q)
	}
	return x, nil
}
