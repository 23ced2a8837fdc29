//go:build !linux

package keysock

// memory knows nothing here.
type memory struct{ info Meminfo }

func (*memory) ask(int) {}

// Meminfo is known on Linux only; elsewhere the error matches
// errors.ErrUnsupported.
func (c *Conn) Meminfo() (Meminfo, error) { return Meminfo{}, errNotBuilt(opMeminfo) }
