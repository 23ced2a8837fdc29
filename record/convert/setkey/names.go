package setkey

// encryptions are setkey's names of algorithms, each with the names that the
// dialects' tables have for it.
var encryptions = map[string][]string{
	"null":         {"NULL"},
	"simple":       {"NULL"},
	"des-cbc":      {"DESCBC"},
	"des-deriv":    {"DESCBC"},
	"des-32iv":     {"DESCBC"},
	"3des-cbc":     {"3DESCBC"},
	"blowfish-cbc": {"BLOWFISHCBC", "BLOWFISH", "BLF"},
	"cast128-cbc":  {"CAST128CBC", "CASTCBC", "CAST"},
	"aes-cbc":      {"AESCBC", "RIJNDAELCBC", "AES"},
	"rijndael-cbc": {"AESCBC", "RIJNDAELCBC", "AES"},
	"aes-ctr":      {"AESCTR"},
	"twofish-cbc":  {"TWOFISHCBC"},
	"camellia-cbc": {"CAMELLIACBC"},
	"skipjack":     {"SKIPJACK"},
	// FreeBSD, and NetBSD since 6.
	"aes-gcm-16":        {"AESGCM16", "AES_GCM_ICV16", "AES_GCM_16", "AES_GCM"},
	"aes-gmac":          {"AESGMAC", "NULL_AES_GMAC", "AES_GMAC"},
	"chacha20-poly1305": {"CHACHA20POLY1305"},
}

var authentications = map[string][]string{
	"null":              {"NULL"},
	"hmac-md5":          {"MD5HMAC"},
	"hmac-sha1":         {"SHA1HMAC"},
	"keyed-md5":         {"MD5"},
	"keyed-sha1":        {"SHA", "SHA1"},
	"hmac-sha2-256":     {"SHA2_256HMAC", "SHA2_256", "SHA256HMAC"},
	"hmac-sha256":       {"SHA2_256HMAC", "SHA2_256", "SHA256HMAC"},
	"hmac-sha2-384":     {"SHA2_384HMAC", "SHA2_384", "SHA384HMAC"},
	"hmac-sha384":       {"SHA2_384HMAC", "SHA2_384", "SHA384HMAC"},
	"hmac-sha2-512":     {"SHA2_512HMAC", "SHA2_512", "SHA512HMAC"},
	"hmac-sha512":       {"SHA2_512HMAC", "SHA2_512", "SHA512HMAC"},
	"hmac-ripemd160":    {"RIPEMD160HMAC"},
	"aes-xcbc-mac":      {"AES_XCBC_MAC"},
	"aes-128-gmac":      {"AES128GMAC"},
	"aes-192-gmac":      {"AES192GMAC"},
	"aes-256-gmac":      {"AES256GMAC"},
	"chacha20-poly1305": {"CHACHA20POLY1305"},
	// FreeBSD and NetBSD number it among the algorithms; OpenBSD and illumos have an
	// SA type of their own and no algorithm.
	"tcp-md5": {"TCP_MD5", "NONE"},
}

var compressions = map[string]bool{"oui": true, "deflate": true, "lzs": true}

// upperProtocols are words of /etc/protocols, and setkey's own.
var upperProtocols = map[string]uint8{
	"any": anyProtocol, "ip4": 4, "ipencap": 4, "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41,
	"rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "ipv6-icmp": 58, "eigrp": 88, "ospf": 89, "ipip": 94,
	"etherip": 97, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132, "mh": 135, "udplite": 136,
}

// saTypes are the SA types that protocols stand for.
var saTypes = map[string][]string{
	"":       {"UNSPEC"},
	"esp":    {"ESP"},
	"ah":     {"AH"},
	"ipcomp": {"IPCOMP"},
	"tcp":    {"TCPSIGNATURE", "TCPSIG"},
}

var directions = map[string]string{"in": "INBOUND", "out": "OUTBOUND", "fwd": "FWD"}
