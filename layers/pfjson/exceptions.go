package pfjson

// Name is a JSON member that is not named after a C member by the rule: take the
// prefix sadb_<struct>_ away.
type Name struct {
	JSON   string
	Struct string // C struct, or where the member occurs
	Member string // C member; "" if it stands for none
	Note   string
}

// Names lists every exception to the rule of names, the one table of them.
func Names() []Name {
	return []Name{
		{"exttype", "sadb_ext", "sadb_ext_type", "so that type is free for the structures' own"},
		{"reserved_name", "sadb_msg", "sadb_msg_reserved", "illumos keeps a diagnostic code there"},

		// Other prefixes, or none.
		{"len", "sadb_x_sec_ctx", "sadb_x_sec_len", ""},
		{"exttype", "sadb_x_sec_ctx", "sadb_x_sec_exttype", ""},
		{"ctx_alg", "sadb_x_sec_ctx", "sadb_x_ctx_alg", "ctx_ stays, since len would be another one"},
		{"ctx_doi", "sadb_x_sec_ctx", "sadb_x_ctx_doi", ""},
		{"ctx_len", "sadb_x_sec_ctx", "sadb_x_ctx_len", "octets"},
		{"ereserved", "sadb_prop", "sadb_x_prop_ereserved", "illumos"},
		{"numecombs", "sadb_prop", "sadb_x_prop_numecombs", "illumos; of meaning in EPROP only"},
		{"increment", "sadb_alg", "sadb_x_alg_increment", "illumos: the first octet of sadb_alg_reserved"},
		{"saltbits", "sadb_alg", "sadb_x_alg_saltbits", "illumos: the second octet of sadb_alg_reserved"},
		{"replay32", "sadb_x_replay_ctr", "sadb_x_rc_replay32", ""},
		{"replay64", "sadb_x_replay_ctr", "sadb_x_rc_replay64", ""},
		{"spi", "sastat", "spi", "without a prefix in the header too"},
		{"created", "sastat", "created", "without a prefix in the header too"},
		{"lft_c", "sastat", "lft_c", "an object: a whole sadb_lifetime with its own len and exttype"},
		{"reserved", "sadb_x_ipsecif", "reserved", "without a prefix in the header too"},
		{"pad", "sadb_session_id", "_pad", "octets that align what follows"},
		{"natt_port", "sadb_sa_2", "sadb_sa_natt_port", "and its three successors: the prefix is that of sadb_sa"},

		// Members that a newer or a private header gives a name.
		{"alwaysexpire", "sadb_x_sa2", "sadb_x_sa2_reserved1", "macOS"},
		{"flags", "sadb_x_sa2", "sadb_x_sa2_reserved2", "macOS"},
		{"flags", "sadb_x_policy", "sadb_x_policy_reserved", "NetBSD, from version 10"},

		// Arrays and texts.
		{"v", "sadb_session_id", "sadb_session_id_v", "two numbers"},
		{"v_offset", "sadb_session_id", "", "where they begin, if that is 4, as in a 32-bit process, and not 8"},
		{"cookie64", "sadb_x_kmc", "sadb_x_kmc_cookie64", "illumos, in place of cookie and reserved if proto is IKEV2"},
		{"satypes", "sadb_x_ereg", "sadb_x_ereg_satypes", "the octets up to the end of the extension"},
		{"satypes_names", "sadb_x_ereg", "", "their names"},
		{"internal_if_hex", "sadb_x_ipsecif", "sadb_x_ipsecif_internal_if", "in place of internal_if if it is not text that zeros follow; so for outgoing_if, ipsec_if and if"},
		{"saddr_hex", "sadb_x_filter", "sadb_x_filter_saddr", "in place of saddr if it is no address of the family; so for daddr"},

		// The members of a socket address. Of a pair they are in objects.
		{"family", "sockaddr", "sa_family", "inet or inet6, else the dialect's number"},
		{"addr", "sockaddr_in, sockaddr_in6", "sin_addr, sin6_addr", ""},
		{"port", "sockaddr_in, sockaddr_in6", "sin_port, sin6_port", ""},
		{"sa_len", "sockaddr", "sa_len", "the BSDs and macOS, if it is not the size"},
		{"zero", "sockaddr_in", "sin_zero", "if it is not zero"},
		{"flowinfo", "sockaddr_in6", "sin6_flowinfo", "if it is not zero"},
		{"scope_id", "sockaddr_in6", "sin6_scope_id", "if it is not zero"},
		{"src_id", "sockaddr_in6", "__sin6_src_id", "illumos, if it is not zero"},
		{"sockaddr", "sockaddr", "", "octets of one of another family, or of one that is cut short"},
		{"reserved", "sadb_key, sadb_x_kmprivate, sadb_x_cred", "sadb_key_reserved and so on", "octets, and as secret as what follows them: elsewhere it is a number"},
		{"pad", "sadb_address, sadb_key", "", "what fills the last word, if it is not zero"},
		{"src", "sadb_x_ipsecrequest", "", "first address of a tunnel, an object"},
		{"dst", "sadb_x_ipsecrequest", "", "second address of a tunnel, an object"},
		{"local", "sadb_x_kmaddress", "", "first address, an object"},
		{"remote", "sadb_x_kmaddress", "", "second address, an object"},

		// What follows a structure.
		{"key", "sadb_key", "", "the key's octets, only with Options.ShowKeys"},
		{"key_id", "sadb_key", "", "tells one key from another"},
		{"identity", "sadb_ident", "", "the text, if it is UTF-8 with one NUL and zeros after it"},
		{"identity_hex", "sadb_ident", "", "else the octets"},
		{"ctx", "sadb_x_sec_ctx", "", "the text, if it is UTF-8 whose one NUL ends it"},
		{"ctx_hex", "sadb_x_sec_ctx", "", "else the octets"},
		{"tag", "sadb_x_tag", "", "the text, if it is UTF-8 whose one NUL ends it"},
		{"tag_hex", "sadb_x_tag", "", "else the octets"},
		{"sens_bitmap", "sadb_sens", "", "an array of sens_len numbers"},
		{"integ_bitmap", "sadb_sens", "", "an array of integ_len numbers"},
		{"combs", "sadb_prop", "", "an array of sadb_comb"},
		{"ecombs", "sadb_prop", "", "an array of sadb_x_ecomb, illumos"},
		{"algs", "sadb_supported, sadb_x_ecomb", "", "an array of sadb_alg or sadb_x_algdesc"},
		{"requests", "sadb_x_policy", "", "an array of sadb_x_ipsecrequest, whose len counts bytes"},
		{"list", "sadb_sastat", "", "an array of sastat"},
		{"data", "sadb_x_kmprivate, sadb_x_cred", "", "the octets after the structure; all of them if the extension is unknown or too short for its structure"},
		{"tail", "any", "", "octets beyond the structure, if they are not zero"},
	}
}
