package keysock

// domain is the PF_KEY family: PF_KEY is pseudo_AF_KEY of sys/socket.h.
const domain = 29

const (
	adviceAbsent     = "it needs a kernel with options IPSEC; captures of other machines can be read here"
	advicePermission = "be root"
)
