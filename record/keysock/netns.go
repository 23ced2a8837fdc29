//go:build linux

package keysock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// threadNetNS is the namespace of the calling thread. /proc/self would be
	// that of the process' first thread, which another one need not share.
	threadNetNS = "/proc/thread-self/ns/net"
	// namedNetNS is where ip-netns(8) keeps namespaces by name.
	namedNetNS = "/run/netns"
)

const adviceNetNS = "entering a network namespace needs CAP_SYS_ADMIN in the user namespace that owns it: be root, or be root in namespaces of your own (unshare -rn)"

// NetNS is a handle on a network namespace. PF_KEY is one world per namespace:
// associations, policies, messages and promiscuous listeners of one are not
// seen in another. The handle keeps the namespace alive until Close.
type NetNS struct {
	f     *os.File
	inode uint64
}

// OpenNetNS returns a handle on an existing network namespace: a decimal
// number is the namespace of the process with that pid, anything with a slash
// the path of a namespace file, every other word a name in /run/netns, as
// `ip netns add` makes them.
func OpenNetNS(name string) (*NetNS, error) {
	path := filepath.Join(namedNetNS, name)
	advice := "ip netns list shows the names, a number is taken as pid, a word with a slash as path"
	switch {
	case name == "" || name == "." || name == "..":
		return nil, &OpError{Op: opNetNS, Err: fmt.Errorf("bad name %q", name), Advice: advice}
	case strings.Trim(name, "0123456789") == "":
		path = "/proc/" + name + "/ns/net"
	case strings.Contains(name, "/"):
		path = name
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, &OpError{Op: opNetNS, Err: fmt.Errorf("%w: %w", ErrPermission, err), Advice: adviceNetNS}
		}
		return nil, &OpError{Op: opNetNS, Err: err, Advice: advice}
	}
	return netNSOf(f)
}

// NewNetNS makes a fresh, empty network namespace, in which only a loopback
// device that is down exists. It ends with the handle and the sockets opened
// in it.
func NewNetNS() (*NetNS, error) {
	var f *os.File
	err := onThread(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() (err error) {
		f, err = os.Open(threadNetNS)
		return err
	})
	if err != nil {
		return nil, err
	}
	return netNSOf(f)
}

// netNSOf takes over f after making sure that it is a network namespace.
func netNSOf(f *os.File) (*NetNS, error) {
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWNET {
		defer f.Close()
		return nil, opError(opNetNS, fmt.Errorf("%s is not a network namespace", f.Name()))
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		defer f.Close()
		return nil, opError(opNetNS, fmt.Errorf("stat %s: %w", f.Name(), err))
	}
	return &NetNS{f: f, inode: st.Ino}, nil
}

// Inode returns the number that identifies the namespace on this machine until
// the next boot, as `readlink /proc/PID/ns/net` shows it.
func (n *NetNS) Inode() uint64 { return n.inode }

// Close gives the handle up. Sockets opened through it stay as they are.
func (n *NetNS) Close() error { return opError(opNetNS, n.f.Close()) }

// Do runs f in the namespace, on an operating system thread of its own, and
// returns its error. Sockets that f opens belong to the namespace for good; a
// goroutine that f starts does not run in it. The thread goes back to where it
// was afterwards, or is thrown away if it cannot.
func (n *NetNS) Do(f func() error) error {
	return onThread(func() error { return unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET) }, f)
}

// onThread runs enter and then f on a locked thread whose namespace is put
// back afterwards. Errors of f come back as they are.
func onThread(enter, f func() error) error {
	done := make(chan error, 1)
	go func() {
		// f may end the goroutine (runtime.Goexit, as t.FailNow does).
		err := opError(opNetNS, errors.New("the function ended its goroutine"))
		defer func() { done <- err }()

		runtime.LockOSThread()
		home, oerr := os.Open(threadNetNS)
		if oerr != nil {
			runtime.UnlockOSThread()
			err = opError(opNetNS, oerr)
			return
		}
		defer home.Close()
		if eerr := enter(); eerr != nil {
			runtime.UnlockOSThread()
			err = enterError(eerr)
			return
		}
		defer func() {
			// Without UnlockOSThread the runtime ends the thread together with
			// the goroutine.
			if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
		}()
		err = f()
	}()
	return <-done
}

func enterError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return &OpError{Op: opNetNS, Err: fmt.Errorf("%w (%w)", ErrPermission, err), Advice: adviceNetNS}
	}
	return opError(opNetNS, err)
}

// NetNSInode returns the inode number of the calling thread's network
// namespace, the netns= word of a capture. It tells recordings of one boot of
// one machine apart, and nothing beyond that.
func NetNSInode() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(threadNetNS, &st); err != nil {
		return 0, opError(opNetNS, fmt.Errorf("stat %s: %w", threadNetNS, err))
	}
	return st.Ino, nil
}
