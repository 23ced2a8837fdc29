//go:build !(linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris)

package keysock

// Poll has no sockets to ask about here.
type Poll struct{}

// Ready fails.
func (*Poll) Ready(dst []int, _ []*Conn) ([]int, error) { return dst, errNotBuilt(opRead) }
