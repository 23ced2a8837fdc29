package keysock

// Owner is a process that holds a socket open. A socket may have several: they are
// inherited, and handed on over other sockets (SCM_RIGHTS).
type Owner struct {
	PID  uint32
	Name string // as ProcessName gives it, or ""
}
