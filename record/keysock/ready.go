//go:build linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock

import "golang.org/x/sys/unix"

// Poll asks which of several sockets have something to read, with one system call
// and without waiting. It keeps its memory; the zero value is ready for use.
type Poll struct{ fds []unix.PollFd }

// Ready appends the indices of those that have to dst.
func (p *Poll) Ready(dst []int, conns []*Conn) ([]int, error) {
	p.fds = p.fds[:0]
	defer func() {
		for _, c := range conns[:len(p.fds)] {
			c.done()
		}
	}()
	for _, c := range conns {
		if err := c.use(); err != nil {
			return dst, failed(opRead, err)
		}
		p.fds = append(p.fds, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLIN})
	}
	for {
		_, err := unix.Poll(p.fds, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return dst, failed(opRead, err)
		}
		for i := range p.fds {
			if p.fds[i].Revents != 0 { // an error is the reader's to find out
				dst = append(dst, i)
			}
		}
		return dst, nil
	}
}
