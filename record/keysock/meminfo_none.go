//go:build !linux

package keysock

// Meminfo is known on Linux only; elsewhere the error matches
// errors.ErrUnsupported.
func (c *Conn) Meminfo() (Meminfo, error) { return Meminfo{}, errNotBuilt(opMeminfo) }
