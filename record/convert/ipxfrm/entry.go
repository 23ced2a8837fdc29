package ipxfrm

import (
	"net/netip"
	"slices"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
	"github.com/pfkeycap/pfkeycap/record/convert/xfrmname"
)

// Error says where the text cannot be understood. It never quotes what may be a key.
type Error = statement.Error

// Entry is one SA or policy of the text.
type Entry struct {
	Line   int  // where it begins, from 1
	Policy bool // else an SA

	// Beyond is what the text says of it that PF_KEY has no word for, where that is not
	// what everything has.
	Beyond []Attribute

	// Unsaid is what a PF_KEY listing says and the text does not: a field as filters name
	// it, or an extension.
	Unsaid []Unsaid

	// ICV is how many bits of the authentication's value are sent, 0 if the text does not
	// say it; Auth is the algorithm then.
	ICV  int
	Auth xfrmname.Algorithm
	// AEAD says that the SA has an algorithm that PF_KEY can number, but of which Linux
	// shows nothing in its listings: neither number nor key.
	AEAD bool

	said *layers.SA // of an SA, among exts
	aead xfrmname.Algorithm
	key  *layers.Key // of the AEAD, nil if it is hidden

	c    layers.Codec
	base layers.Base
	exts []layers.Extension
}

// Attribute is something that PF_KEY has no word for.
type Attribute struct {
	Name  string // as in ip-xfrm(8), such as "mark"
	Value string
}

// Unsaid is something that the text does not say.
type Unsaid struct {
	Path string // as filters name it, such as "sa.state", or an extension, such as "lifetime_hard"
	Why  string
}

// Message returns the octets of the message in which PF_KEY would list the entry:
// SADB_DUMP's or SADB_X_SPDDUMP's answer.
func (e *Entry) Message() ([]byte, error) {
	base := e.base
	return e.c.Encode(&base, e.exts...)
}

// WithAEAD returns the SA as a system would list it that does show an AEAD over PF_KEY, as
// the BSDs do: with its number and key. ok is false if PF_KEY has no number for it.
func (e *Entry) WithAEAD() (other *Entry, ok bool) {
	n, known := e.aead.Number(e.c.Dialect)
	if !e.AEAD || !known {
		return nil, false
	}
	c := *e
	sa := *e.said
	sa.Encrypt = n
	c.AEAD, c.said = false, &sa
	c.exts = slices.Clone(e.exts)
	c.exts[slices.Index(c.exts, layers.Extension(e.said))] = &sa
	c.Beyond = slices.DeleteFunc(slices.Clone(e.Beyond), func(a Attribute) bool { return a.Name == "aead" })
	c.Unsaid = slices.DeleteFunc(slices.Clone(e.Unsaid), func(u Unsaid) bool { return u.Path == "sa.encrypt" || u.Path == "key_encrypt" })
	if e.key != nil {
		c.exts = append(c.exts, e.key)
	} else {
		c.unsaid("key_encrypt", hiddenKeys)
	}
	return &c, true
}

const hiddenKeys = "the text does not show keys"

// Codec is that of Message: Linux, in the byte order that the parser was told.
func (e *Entry) Codec() layers.Codec { return e.c }

func (e *Entry) beyond(name, value string) {
	e.Beyond = append(e.Beyond, Attribute{name, value})
}

func (e *Entry) unsaid(path, why string) {
	for _, u := range e.Unsaid {
		if u.Path == path {
			return
		}
	}
	e.Unsaid = append(e.Unsaid, Unsaid{path, why})
}

// draft is an entry while it is read.
type draft struct {
	Entry
	src, dst netip.Addr // of an SA
	sa       layers.SA
	sa2      layers.SA2
	protocol bool
	hasSel   bool
	sel      selector

	hard, soft, current layers.Lifetime
	limits, used        bool
	auth, encrypt       *layers.Key
	encap               string
	sport, dport        uint16
	original            netip.Addr

	policy    layers.Policy
	templates []template
}

// selector is what packets an SA or policy is for.
type selector struct {
	src, dst     netip.Prefix
	proto        uint8
	sport, dport uint16
}

// upper is the protocol as PF_KEY has it.
func (s *selector) upper() uint8 {
	if s.proto == 0 {
		return anyProtocol
	}
	return s.proto
}

// template is what a policy requires of packets.
type template struct {
	src, dst netip.Addr
	request  layers.Request
	optional bool
}

// finish makes the extensions, in the order of the kernel.
func (d *draft) finish() *Entry {
	e := &d.Entry
	if d.Policy {
		d.finishPolicy()
		return e
	}
	if !d.limits {
		const why = "lifetimes are printed with -s only"
		e.unsaid("lifetime_hard", why)
		e.unsaid("lifetime_soft", why)
	}
	e.unsaid("sa.state", "ip xfrm does not print it")
	d.sa.State = 1 // what it lists is no longer larval, nor dead
	e.said = &d.sa
	e.exts = append(e.exts, e.said)
	d.lifetimes()
	host := func(t gopacket.LayerType, a netip.Addr) *layers.Address {
		return e.c.NewAddress(t, netip.AddrPortFrom(a, 0), uint8(a.BitLen()), 0)
	}
	e.exts = append(e.exts, host(layers.LayerTypeAddressSrc, d.src), host(layers.LayerTypeAddressDst, d.dst))
	if !d.hasSel { // ip does not print the one that fits everything and says of no family
		d.sel.src = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if d.src.Is4() {
			d.sel.src = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		}
	}
	if proto := d.sel.upper(); d.sel.src.Addr() != d.src {
		e.exts = append(e.exts, e.c.NewAddress(layers.LayerTypeAddressProxy, netip.AddrPortFrom(d.sel.src.Addr(), d.sel.sport), uint8(d.sel.src.Bits()), proto))
	}
	if d.hasSel && d.sel.dst.Bits() != 0 && d.sel.dst != netip.PrefixFrom(d.dst, d.dst.BitLen()) {
		e.beyond("sel dst", d.sel.dst.String())
	}
	if d.auth != nil {
		e.exts = append(e.exts, d.auth)
	}
	if d.encrypt != nil {
		e.exts = append(e.exts, d.encrypt)
	}
	e.exts = append(e.exts, &d.sa2)
	if d.encap != "" {
		typ, _ := e.c.Dialect.EnumValue(layers.EnumNATTType, xfrmname.EncapOf(d.encap))
		e.exts = append(e.exts,
			&layers.NATTType{Type: uint8(typ)},
			&layers.NATTPort{Header: layers.For(layers.LayerTypeNATTSrcPort), Port: d.sport},
			&layers.NATTPort{Header: layers.For(layers.LayerTypeNATTDstPort), Port: d.dport})
	}
	return e
}

func (d *draft) lifetimes() {
	if d.limits {
		d.hard.Header, d.soft.Header = layers.For(layers.LayerTypeLifetimeHard), layers.For(layers.LayerTypeLifetimeSoft)
		d.exts = append(d.exts, &d.hard, &d.soft)
	}
	if d.used {
		d.current.Header = layers.For(layers.LayerTypeLifetimeCurrent)
		d.exts = append(d.exts, &d.current)
	}
}

// anyProtocol stands for every protocol in the addresses of policies
// (IPSEC_PROTO_ANY).
const anyProtocol = 255

func (d *draft) finishPolicy() {
	e := &d.Entry
	if !d.limits {
		const why = "lifetimes are printed with -s only"
		e.unsaid("lifetime_hard", why)
		e.unsaid("lifetime_soft", why)
	}
	proto := d.sel.upper()
	address := func(t gopacket.LayerType, p netip.Prefix, port uint16) *layers.Address {
		return e.c.NewAddress(t, netip.AddrPortFrom(p.Addr(), port), uint8(p.Bits()), proto)
	}
	e.exts = append(e.exts, address(layers.LayerTypeAddressSrc, d.sel.src, d.sel.sport), address(layers.LayerTypeAddressDst, d.sel.dst, d.sel.dport))
	d.lifetimes()
	for i := range d.templates {
		t := &d.templates[i]
		level := "REQUIRE"
		switch {
		case t.optional:
			level = "USE"
		case t.request.ReqID != 0:
			level = "UNIQUE"
		}
		l, _ := e.c.Dialect.EnumValue(layers.EnumLevel, level)
		t.request.Level = uint8(l)
		// Linux lists the ends of tunnels only.
		if tunnel, _ := e.c.Dialect.EnumValue(layers.EnumMode, "TUNNEL"); uint64(t.request.Mode) == tunnel {
			t.request.Sockaddrs = e.c.AppendPair(nil, netip.AddrPortFrom(t.src, 0), netip.AddrPortFrom(t.dst, 0))
		} else if !t.src.IsUnspecified() || !t.dst.IsUnspecified() {
			e.beyond("tmpl", t.src.String()+" > "+t.dst.String()+" in another mode than tunnel")
		}
		d.policy.List = e.c.AppendRequest(d.policy.List, t.request)
	}
	typ := "NONE"
	switch {
	case d.policy.Type == blocked:
		typ = "DISCARD"
	case len(d.templates) > 0:
		typ = "IPSEC"
	}
	v, _ := e.c.Dialect.EnumValue(layers.EnumPolicyType, typ)
	d.policy.Type = uint16(v)
	e.exts = append(e.exts, &d.policy)
}

// blocked is a policy type that stands for action block until the entry is finished.
const blocked = 0xffff
