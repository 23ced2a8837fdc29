package xfrmname

import "github.com/pfkeycap/pfkeycap/layers"

// ICVOf returns the length in bits of the integrity check value of an algorithm on a
// system: what it cuts the output of the algorithm to. On Linux that is ICV. Elsewhere
// HMACs of SHA-2 have half their length (RFC 4868 2.3): key_authsize in
// netipsec/xform_ah.c of FreeBSD 14, opencrypto/cryptosoft_xform.c of NetBSD 10,
// crypto/xform.c of OpenBSD 7, ah_core.c of XNU; DragonFly's netinet6/ah_core.c cuts
// all of them to 96 bits.
func (a Algorithm) ICVOf(d layers.Dialect) int {
	if a.Kind != Auth {
		return a.ICV
	}
	switch a.PFKEY {
	case "SHA2_256HMAC", "SHA2_384HMAC", "SHA2_512HMAC":
		switch d {
		case layers.FreeBSD, layers.NetBSD, layers.OpenBSD, layers.MacOS, layers.Illumos:
			return a.FullICV / 2
		case layers.DragonFly:
			return 96
		}
	}
	return a.ICV
}
