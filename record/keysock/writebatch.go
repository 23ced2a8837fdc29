package keysock

// WriteBatch sends messages one after the other, in as few system calls as the
// system allows (sendmmsg on Linux), and returns how many the kernel took. If that
// is not all of them, the error is about the first that it refused, and the rest
// were not sent. Nobody reads between the messages: their answers must fit into the
// receive queue together.
func (c *Conn) WriteBatch(msgs [][]byte) (int, error) {
	if err := c.use(); err != nil {
		return 0, failed(opWrite, err)
	}
	defer c.done()
	sent := 0
	for sent < len(msgs) {
		// A message that is refused in the middle ends a call without an error, which
		// the next call then gives.
		n, err := writeSome(c.fd, msgs[sent:])
		sent += n
		if err != nil {
			return sent, failed(opWrite, err)
		}
	}
	return sent, nil
}
