package layers

import "github.com/pfkeycap/pfkeycap/layers/internal/shape"

// rfc2367 has what RFC 2367 (July 1998) and its appendices A to D define.
var rfc2367 = dialect{
	name:   "rfc2367",
	source: "RFC 2367 (July 1998) with its appendices A to D",
	inet:   2, inet6: 10, // the RFC gives none: the values of the host it is read on, here Linux
	exts: []extDef{
		{1, "SA", shape.MSA, "sadb_sa"},
		{2, "LIFETIME_CURRENT", shape.MLifetimeCurrent, "sadb_lifetime"},
		{3, "LIFETIME_HARD", shape.MLifetimeHard, "sadb_lifetime"},
		{4, "LIFETIME_SOFT", shape.MLifetimeSoft, "sadb_lifetime"},
		{5, "ADDRESS_SRC", shape.MAddressSrc, "sadb_address"},
		{6, "ADDRESS_DST", shape.MAddressDst, "sadb_address"},
		{7, "ADDRESS_PROXY", shape.MAddressProxy, "sadb_address"},
		{8, "KEY_AUTH", shape.MKeyAuth, "sadb_key"},
		{9, "KEY_ENCRYPT", shape.MKeyEncrypt, "sadb_key"},
		{10, "IDENTITY_SRC", shape.MIdentitySrc, "sadb_ident"},
		{11, "IDENTITY_DST", shape.MIdentityDst, "sadb_ident"},
		{12, "SENSITIVITY", shape.MSensitivity, "sadb_sens"},
		{13, "PROPOSAL", shape.MProposal, "sadb_prop"},
		{14, "SUPPORTED_AUTH", shape.MSupportedAuth, "sadb_supported"},
		{15, "SUPPORTED_ENCRYPT", shape.MSupportedEncrypt, "sadb_supported"},
		{16, "SPIRANGE", shape.MSPIRange, "sadb_spirange"},
		{17, "KMPRIVATE", shape.MKMPrivate, "sadb_x_kmprivate"},
	},
	enums: [shape.NumEnums][]string{
		shape.MsgType:   {0: "RESERVED", 1: "GETSPI", 2: "UPDATE", 3: "ADD", 4: "DELETE", 5: "GET", 6: "ACQUIRE", 7: "REGISTER", 8: "EXPIRE", 9: "FLUSH", 10: "DUMP", 11: "PROMISC", 12: "PCHANGE"},
		shape.SAType:    {0: "UNSPEC", 2: "AH", 3: "ESP", 5: "RSVP", 6: "OSPFV2", 7: "RIPV2", 8: "MIP"},
		shape.Auth:      {0: "NONE", 2: "MD5HMAC", 3: "SHA1HMAC"},
		shape.Encrypt:   {0: "NONE", 2: "DESCBC", 3: "3DESCBC", 11: "NULL"},
		shape.State:     {0: "LARVAL", 1: "MATURE", 2: "DYING", 3: "DEAD"},
		shape.IdentType: {0: "RESERVED", 1: "PREFIX", 2: "FQDN", 3: "USERFQDN"},
	},
	flags: [shape.NumEnums][]flagName{
		shape.SAFlags: {
			{0x00000001, "PFS"},
		},
	},
}
