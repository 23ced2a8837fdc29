//go:build !linux

package keysock

// vectors is empty where there is no recvmmsg(2) to prepare for: OpenBSD and
// NetBSD have one of their own, but nothing says their PF_KEY sockets gain by
// it, and one read per message is what every system has.
type vectors struct{}

func (vectors) point(*Batch) {}

func (vectors) receive(c *Conn, b *Batch) (int, error) { return b.receiveEach(c.fd) }
