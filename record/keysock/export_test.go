package keysock

// ReadOneByOne makes the Conn behave as on a system without recvmmsg.
func (c *Conn) ReadOneByOne() { c.oneByOne.Store(true) }

// OneByOne tells whether recvmmsg is in use no longer.
func (c *Conn) OneByOne() bool { return c.oneByOne.Load() }

// Control calls f with the descriptor.
func (c *Conn) Control(f func(fd int)) error {
	if err := c.use(); err != nil {
		return err
	}
	defer c.done()
	f(c.fd)
	return nil
}

var (
	ControlMessage = controlMessage
	ErrNoSystem    = errNoSystem
)
