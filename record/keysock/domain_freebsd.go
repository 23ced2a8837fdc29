package keysock

// domain is the PF_KEY family: PF_KEY is pseudo_AF_KEY of sys/socket.h.
const domain = 27

const (
	adviceAbsent     = "load IPsec (kldload ipsec as root, or options IPSEC in the kernel); captures of other machines can be read here"
	advicePermission = "be root (the privilege is PRIV_NET_RAW)"
)
