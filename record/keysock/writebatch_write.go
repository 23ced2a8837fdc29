//go:build !linux

package keysock

// writeSome sends one message.
func writeSome(fd int, msgs [][]byte) (int, error) {
	if _, err := writeNow(fd, msgs[0]); err != nil {
		return 0, err
	}
	return 1, nil
}
