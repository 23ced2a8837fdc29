package keysock

// domain is the PF_KEY family: PF_KEY is pseudo_AF_KEY of bsd/sys/socket.h (xnu).
const domain = 29

const (
	adviceAbsent     = "the kernels Apple ships have it; captures of other machines can be read here"
	advicePermission = "be root"
)
