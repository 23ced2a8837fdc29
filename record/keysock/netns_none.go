//go:build !linux

package keysock

// NetNS is a handle on a network namespace, which only Linux has. None can be
// made here.
type NetNS struct{}

// OpenNetNS is for Linux; here the error matches errors.ErrUnsupported.
func OpenNetNS(string) (*NetNS, error) { return nil, errNotBuilt(opNetNS) }

// NewNetNS is for Linux; here the error matches errors.ErrUnsupported.
func NewNetNS() (*NetNS, error) { return nil, errNotBuilt(opNetNS) }

// Inode returns 0.
func (*NetNS) Inode() uint64 { return 0 }

// Close does nothing.
func (*NetNS) Close() error { return nil }

// Do does not run f; the error matches errors.ErrUnsupported.
func (*NetNS) Do(f func() error) error { return errNotBuilt(opNetNS) }

// NetNSInode is for Linux; here the error matches errors.ErrUnsupported.
func NetNSInode() (uint64, error) { return 0, errNotBuilt(opNetNS) }
