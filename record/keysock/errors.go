package keysock

import (
	"errors"
	"fmt"
	"runtime"
)

// ErrNoPFKEY means that PF_KEY sockets do not exist here: the kernel was built
// without them, their module is not loaded and cannot be, or this program was
// built for a system that has none. Test for it with errors.Is.
var ErrNoPFKEY = errors.New("this kernel has no PF_KEY")

// ErrPermission means that the kernel has PF_KEY but this process may not open
// it, or may not enter the network namespace asked for. Test for it with
// errors.Is.
var ErrPermission = errors.New("no permission")

// The operation names an OpError can carry, so that no verb is ever misspelt.
const (
	opOpen        = "open"
	opRead        = "read"
	opWrite       = "write"
	opClose       = "close"
	opDeadline    = "set deadline"
	opRcvbuf      = "setsockopt SO_RCVBUF"
	opSndbuf      = "setsockopt SO_SNDBUF"
	opMeminfo     = "getsockopt SO_MEMINFO"
	opNetNS       = "network namespace"
	opProcSockets = "read /proc/net/pfkey"
	opOwners      = "owners of sockets"
)

// OpError says which operation on the PF_KEY socket failed, why, and, where
// something is known to help, what would work instead.
type OpError struct {
	// Op is the operation: open, read, write, a setsockopt and so on.
	Op string
	// Err is the cause. For a system call it is or wraps the errno
	// (unix.EPERM and so on); a closed Conn gives os.ErrClosed and a passed
	// deadline os.ErrDeadlineExceeded.
	Err error
	// Advice says in words what would work instead, or is empty.
	Advice string
}

// Error returns operation, cause and advice on one line.
func (e *OpError) Error() string {
	s := "PF_KEY " + e.Op + ": " + e.Err.Error()
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// opError wraps err, and returns nil for nil.
func opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Err: err}
}

// errNotBuilt is the error of an operation this system does not have at all.
func errNotBuilt(op string) error {
	return &OpError{
		Op:  op,
		Err: fmt.Errorf("%w on %s", errors.ErrUnsupported, runtime.GOOS),
	}
}

// adviceElsewhere is for systems without PF_KEY sockets.
const adviceElsewhere = "record on the machine that has PF_KEY, over ssh if need be, and read the capture here; on Linux, the sandbox brings a kernel of its own (pfkeycap sandbox)"

// errNoSystem is what Open says on a system without PF_KEY sockets.
func errNoSystem(goos, goarch string) error {
	return &OpError{
		Op:     opOpen,
		Err:    fmt.Errorf("%w (%w on %s/%s)", ErrNoPFKEY, errors.ErrUnsupported, goos, goarch),
		Advice: adviceElsewhere,
	}
}
