package ipseckey

import "github.com/pfkeycap/pfkeycap/layers"

// algorithms are the names of /etc/inet/ipsecalgs of illumos, the first of each the one
// that is written, with the names that the dialects' tables have.
type algorithm struct {
	names   []string
	dialect []string
}

var authentications = []algorithm{
	{[]string{"hmac-md5", "md5"}, []string{"MD5HMAC"}},
	{[]string{"hmac-sha1", "sha", "sha1", "sha-1", "hmac-sha", "hmac-sha-1"}, []string{"SHA1HMAC"}},
	{[]string{"hmac-sha256", "sha256", "sha-256", "hmac-sha-256"}, []string{"SHA256HMAC", "SHA2_256HMAC", "SHA2_256"}},
	{[]string{"hmac-sha384", "sha384", "sha-384", "hmac-sha-384"}, []string{"SHA384HMAC", "SHA2_384HMAC", "SHA2_384"}},
	{[]string{"hmac-sha512", "sha512", "sha-512", "hmac-sha-512"}, []string{"SHA512HMAC", "SHA2_512HMAC", "SHA2_512"}},
}

var encryptions = []algorithm{
	{[]string{"des-cbc", "des"}, []string{"DESCBC"}},
	{[]string{"3des-cbc", "3des"}, []string{"3DESCBC"}},
	{[]string{"blowfish-cbc", "blowfish"}, []string{"BLOWFISH", "BLOWFISHCBC", "BLF"}},
	{[]string{"null"}, []string{"NULL"}},
	{[]string{"aes-cbc", "aes"}, []string{"AES", "AESCBC", "RIJNDAELCBC"}},
	{[]string{"aes-ccm8"}, []string{"AES_CCM_8", "AES_CCM_ICV8"}},
	{[]string{"aes-ccm12"}, []string{"AES_CCM_12", "AES_CCM_ICV12"}},
	{[]string{"aes-ccm16", "aes-ccm"}, []string{"AES_CCM_16", "AES_CCM_ICV16"}},
	{[]string{"aes-gcm8"}, []string{"AES_GCM_8", "AES_GCM_ICV8", "AESGCM8"}},
	{[]string{"aes-gcm12"}, []string{"AES_GCM_12", "AES_GCM_ICV12", "AESGCM12"}},
	{[]string{"aes-gcm16", "aes-gcm"}, []string{"AES_GCM_16", "AES_GCM_ICV16", "AESGCM16"}},
}

// find returns the algorithm that has the name.
func find(list []algorithm, name string) *algorithm {
	for i := range list {
		for _, n := range list[i].names {
			if n == name {
				return &list[i]
			}
		}
	}
	return nil
}

// of returns the algorithm that has a number in a dialect.
func of(list []algorithm, d layers.Dialect, e layers.Enum, v uint8) *algorithm {
	name := d.EnumName(e, uint64(v))
	for i := range list {
		for _, n := range list[i].dialect {
			if n == name {
				return &list[i]
			}
		}
	}
	return nil
}

// identities are the types of identities by name, with the names of the dialects'
// tables; the first of several names is the one that is written.
var identities = []struct {
	name    string
	dialect []string
}{
	{"prefix", []string{"PREFIX"}},
	{"fqdn", []string{"FQDN"}},
	{"domain", []string{"FQDN"}},
	{"domainname", []string{"FQDN"}},
	{"user_fqdn", []string{"USER_FQDN", "USERFQDN"}},
	{"mailbox", []string{"USER_FQDN", "USERFQDN"}},
	{"der_dn", []string{"DN"}},
	{"der_gn", []string{"GN"}},
}

// commands are those that make messages, with PF_KEY's names of these.
var commands = map[string]string{
	"add": "ADD", "update": "UPDATE", "update-pair": "UPDATEPAIR", "delete": "DELETE", "delete-pair": "DELPAIR",
	"get": "GET", "flush": "FLUSH", "dump": "DUMP",
}

// PF_KEY's SA types have the same numbers everywhere (RFC 2367 3.3.1).
var saTypes = map[string]uint8{"all": 0, "ah": 2, "esp": 3}

// arguments are the words of a command, by all their names, with what follows: n a
// number, a an address, 6 an IPv6 address, p an address and maybe a prefix length, k a key,
// i an identity, s a word.
var arguments = map[string]struct {
	name string
	next byte
}{
	"spi": {"spi", 'n'}, "pair-spi": {"pair-spi", 'n'}, "replay": {"replay", 'n'}, "state": {"state", 's'},
	"auth_alg": {"auth_alg", 's'}, "authalg": {"auth_alg", 's'}, "encr_alg": {"encr_alg", 's'}, "encralg": {"encr_alg", 's'},
	"encap": {"encap", 's'}, "inbound": {"inbound", 0}, "outbound": {"outbound", 0},
	"reserved_bits": {"reserved_bits", 'n'}, "replay_value": {"replay_value", 'n'},
	"soft_alloc": {"soft_alloc", 'n'}, "soft_bytes": {"soft_bytes", 'n'}, "soft_addtime": {"soft_addtime", 'n'}, "soft_usetime": {"soft_usetime", 'n'},
	"hard_alloc": {"hard_alloc", 'n'}, "hard_bytes": {"hard_bytes", 'n'}, "hard_addtime": {"hard_addtime", 'n'}, "hard_usetime": {"hard_usetime", 'n'},
	"idle_addtime": {"idle_addtime", 'n'}, "idle_usetime": {"idle_usetime", 'n'},
	"saddr": {"src", 'a'}, "srcaddr": {"src", 'a'}, "src": {"src", 'a'}, "saddr6": {"src", '6'}, "srcaddr6": {"src", '6'}, "src6": {"src", '6'},
	"daddr": {"dst", 'a'}, "dstaddr": {"dst", 'a'}, "dst": {"dst", 'a'}, "daddr6": {"dst", '6'}, "dstaddr6": {"dst", '6'}, "dst6": {"dst", '6'},
	"proxyaddr": {"isrc", 'p'}, "proxy": {"isrc", 'p'}, "innersrc": {"isrc", 'p'}, "isrc": {"isrc", 'p'},
	"proxyaddr6": {"isrc", 'q'}, "proxy6": {"isrc", 'q'}, "innersrc6": {"isrc", 'q'}, "isrc6": {"isrc", 'q'},
	"innerdst": {"idst", 'p'}, "idst": {"idst", 'p'}, "innerdst6": {"idst", 'q'}, "idst6": {"idst", 'q'},
	"sport": {"sport", 'n'}, "dport": {"dport", 'n'}, "innersport": {"isport", 'n'}, "isport": {"isport", 'n'},
	"innerdport": {"idport", 'n'}, "idport": {"idport", 'n'},
	"proto": {"proto", 'n'}, "ulp": {"proto", 'n'}, "iproto": {"iproto", 'n'}, "iulp": {"iproto", 'n'},
	"authkey": {"authkey", 'k'}, "encrkey": {"encrkey", 'k'}, "srcidtype": {"srcidtype", 'i'}, "dstidtype": {"dstidtype", 'i'},
	"nat_loc": {"nat_loc", 'a'}, "nat_rem": {"nat_rem", 'a'}, "nat_lport": {"nat_lport", 'n'}, "nat_rport": {"nat_rport", 'n'},
}

// refused are words that ipseckey knows and takes in no command, or that need what only
// a system with labels has.
var refused = map[string]string{
	"flags": "is taken by no command", "dpd": "is taken by no command",
	"current_alloc": "is taken by no command", "current_bytes": "is taken by no command", "current_addtime": "is taken by no command", "current_usetime": "is taken by no command",
	"sens_level": "is taken by no command", "sens_map": "is taken by no command", "integ_level": "is taken by no command", "integ_map": "is taken by no command",
	"label":       "needs the label encodings of a Trusted Extensions system",
	"outer-label": "needs the label encodings of a Trusted Extensions system", "implicit-label": "needs the label encodings of a Trusted Extensions system",
}
