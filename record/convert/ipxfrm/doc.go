// Package ipxfrm reads what `ip xfrm state` and `ip xfrm policy` print, with any of the
// options -s, -d and -o, as the PF_KEY messages in which the same Linux would list the
// same SAs and policies (ip/ipxfrm.c of iproute2 6.1 to 6.15; pfkey_xfrm_state2msg and
// pfkey_xfrm_policy2msg in net/key/af_key.c).
//
// The text says things that PF_KEY has no word for, such as marks, and leaves out things
// that PF_KEY says, such as lifetimes without -s. Both are accounted for in each Entry.
package ipxfrm
