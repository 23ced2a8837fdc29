package xfrmname

// name pairs a word of ip-xfrm(8) with a name in Linux' tables of package layers.
type name struct{ xfrm, pfkey string }

var (
	// pfkey_mode_to_xfrm in net/key/af_key.c takes ANY for transport mode.
	modes = []name{{"transport", "TRANSPORT"}, {"tunnel", "TUNNEL"}, {"beet", "BEET"}, {"transport", "ANY"}}

	protocols  = []name{{"esp", "ESP"}, {"ah", "AH"}, {"comp", "IPCOMP"}}
	encaps     = []name{{"espinudp-nonike", "ESPINUDP_NON_IKE"}, {"espinudp", "ESPINUDP"}, {"espintcp", "ESPINTCP"}}
	directions = []name{{"in", "INBOUND"}, {"out", "OUTBOUND"}, {"fwd", "FWD"}}
	levels     = []name{{"required", "REQUIRE"}, {"use", "USE"}, {"required", "UNIQUE"}, {"required", "DEFAULT"}}
	flags      = []name{{"noecn", "NOECN"}, {"decap-dscp", "DECAP_DSCP"}, {"nopmtudisc", "NOPMTUDISC"}}
)

func toXFRM(list []name, pfkey string) string {
	for _, n := range list {
		if n.pfkey == pfkey {
			return n.xfrm
		}
	}
	return ""
}

func toPFKEY(list []name, xfrm string) string {
	for _, n := range list {
		if n.xfrm == xfrm {
			return n.pfkey
		}
	}
	return ""
}

// Mode returns the mode of an SA or template by the name of PF_KEY's: transport (also
// for ANY, as Linux does), tunnel or beet; "" if XFRM has none. ModeOf is the inverse.
func Mode(pfkey string) string { return toXFRM(modes, pfkey) }

// ModeOf returns PF_KEY's name of a mode of ip-xfrm(8), "" for ro and in_trigger, which
// are for mobile IPv6.
func ModeOf(xfrm string) string { return toPFKEY(modes, xfrm) }

// Protocol returns esp, ah or comp by the name of the SA type, else "". ProtocolOf is
// the inverse.
func Protocol(pfkey string) string { return toXFRM(protocols, pfkey) }

// ProtocolOf returns the name of the SA type of a protocol of ip-xfrm(8), or "".
func ProtocolOf(xfrm string) string { return toPFKEY(protocols, xfrm) }

// Encap returns the word for a kind of encapsulation in UDP or TCP by the name of
// NAT_T_TYPE's value, or "". EncapOf is the inverse.
func Encap(pfkey string) string { return toXFRM(encaps, pfkey) }

// EncapOf returns the name of NAT_T_TYPE's value of a kind of encapsulation, or "".
func EncapOf(xfrm string) string { return toPFKEY(encaps, xfrm) }

// Direction returns in, out or fwd by the name of a policy's direction, or "".
// DirectionOf is the inverse.
func Direction(pfkey string) string { return toXFRM(directions, pfkey) }

// DirectionOf returns the name of a policy's direction, or "".
func DirectionOf(xfrm string) string { return toPFKEY(directions, xfrm) }

// Level returns required or use by the name of a policy request's level. UNIQUE is
// required, with the request's id as reqid, and so is DEFAULT: Linux only asks whether it
// is USE (parse_ipsecrequest in net/key/af_key.c). LevelOf is the inverse.
func Level(pfkey string) string { return toXFRM(levels, pfkey) }

// LevelOf returns the name of a policy request's level, or "".
func LevelOf(xfrm string) string { return toPFKEY(levels, xfrm) }

// Flag returns the word for a flag of an SA that PF_KEY can say, or "". FlagOf is the
// inverse.
func Flag(pfkey string) string { return toXFRM(flags, pfkey) }

// FlagOf returns the name of a flag of sadb_sa_flags, or "" for those that only XFRM
// has.
func FlagOf(xfrm string) string { return toPFKEY(flags, xfrm) }
