package judge

import (
	"regexp"
	"sync"
)

// known are the faults of kernels that are understood: what is found of them is
// counted and kept, and explained.
var known = sync.OnceValue(func() []fault {
	return []fault{
		{Leak, regexp.MustCompile(`^(ADD|UPDATE|GET|DELETE|DUMP): NAT_T_[SD]PORT\.port`),
			"kernel memory: pfkey_msg2xfrm_state takes the encapsulation template from kmalloc and sets a port only if its extension is there (net/key/af_key.c of Linux 6.1; later kernels clear it)"},
		{Leak, regexp.MustCompile(`^MIGRATE: ADDRESS_(SRC|DST)\.pad$`),
			"kernel memory: set_sadb_address does not clear the 4 octets after a sockaddr_in6 (net/key/af_key.c of Linux 6.1; CVE-2026-43088)"},
		{Leak, regexp.MustCompile(`^(ACQUIRE|NAT_T_NEW_MAPPING): ADDRESS_(SRC|DST)\.pad$`),
			"kernel memory: pfkey_send_acquire and pfkey_send_new_mapping do not clear the 4 octets after a sockaddr_in6 (net/key/af_key.c of Linux 6.1; CVE-2026-43088)"},
		{Crash, regexp.MustCompile(`^WARNING at net/xfrm/xfrm_state\.c __xfrm_state_destroy in pfkey_migrate$`),
			"xfrm_state_migrate puts the copy of an SA away that it could not make ready or insert, without marking it dead: MIGRATE of a larval SA, or to where its SPI is taken (net/xfrm/xfrm_state.c of Linux 6.1)"},
		{Crash, regexp.MustCompile(`^WARNING at mm/page_alloc\.c __alloc_pages in pfkey_migrate$`),
			"xfrm_algo_clone copies as many octets of an IPCOMP SA's algorithm as alg_key_len says, which pfkey_msg2xfrm_state leaves as kmalloc gave it: a MIGRATE reads beyond the allocation (net/key/af_key.c and include/net/xfrm.h of Linux 6.1)"},
		{Reply, regexp.MustCompile(`^(GETSPI|ADD|UPDATE|GET|DELETE|DUMP): address-prefix$`),
			"ADDRESS_PROXY of another family than the SA, which a tunnel may have, is given back as an address of the SA's family, with its prefix (__pfkey_xfrm_state2msg in net/key/af_key.c)"},
		{Reply, regexp.MustCompile(`^SPD[A-Z0-9]*: reply-length$`),
			"pfkey_xfrm_policy2msg corrects the length by the family of the last tunnel it saw, which need not be that of the request (net/key/af_key.c)"},
	}
})

// fault is one of them.
type fault struct {
	kind Kind
	name *regexp.Regexp
	why  string
}

// explain says what is known of a class, or "".
func explain(k Kind, name string) string {
	for _, x := range known() {
		if x.kind == k && x.name.MatchString(name) {
			return x.why
		}
	}
	return ""
}
