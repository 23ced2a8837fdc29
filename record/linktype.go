package record

import "fmt"

// The link types that captures have. There is none for PF_KEY (pcaplinktype
// registry); 147 to 162 are left for private use.
const (
	LinkTypeUser0  = 147 // LINKTYPE_USER0, what a Writer uses unless told otherwise
	LinkTypeUser15 = 162 // LINKTYPE_USER15
)

func ourLinkType(t uint16) bool { return t >= LinkTypeUser0 && t <= LinkTypeUser15 }

// linkTypes names the link types a capture is likely to have by mistake
// (pcaplinktype registry).
var linkTypes = map[uint16]string{
	0: "BSD loopback", 1: "Ethernet", 9: "PPP", 101: "raw IP", 105: "802.11", 108: "OpenBSD loopback",
	109: "OpenBSD enc, IPsec packets", 113: "Linux cooked", 117: "OpenBSD pflog", 127: "802.11 radiotap",
	228: "IPv4", 229: "IPv6", 239: "NFLOG", 252: "Wireshark upper PDU", 253: "Netlink", 276: "Linux cooked v2",
}

func linkTypeName(t uint16) string {
	if name := linkTypes[t]; name != "" {
		return fmt.Sprintf("link type %d (%s)", t, name)
	}
	return fmt.Sprintf("link type %d", t)
}
