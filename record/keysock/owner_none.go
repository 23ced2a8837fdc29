//go:build !linux

package keysock

// ProcessName is for Linux; here the error matches errors.ErrUnsupported.
func ProcessName(pid uint32) (string, error) { return "", errNotBuilt(opOwners) }

// SocketOwners is for Linux; here the error matches errors.ErrUnsupported.
func SocketOwners(inodes []uint64, pids ...uint32) (map[uint64][]Owner, error) {
	return nil, errNotBuilt(opOwners)
}

// Inode is for Linux; here the error matches errors.ErrUnsupported.
func (c *Conn) Inode() (uint64, error) { return 0, errNotBuilt(opOwners) }
