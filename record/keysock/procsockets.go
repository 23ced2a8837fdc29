package keysock

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// procPFKEY is the table of the calling thread's namespace; /proc/net would be
// that of the process' first thread.
const procPFKEY = "/proc/thread-self/net/pfkey"

// ProcSocket is one line of /proc/net/pfkey: one open PF_KEY socket of a
// network namespace (pfkey_seq_show in net/key/af_key.c).
type ProcSocket struct {
	// Sock identifies the kernel's struct sock: a hashed address, or all
	// zeros, depending on kernel.kptr_restrict.
	Sock string
	// RefCnt is the number of references the kernel holds.
	RefCnt uint64
	// Rmem and Wmem are the bytes queued for reading and writing, the kernel's
	// overhead included. A growing Rmem is a reader that does not keep up.
	Rmem, Wmem uint64
	// UID is the user who opened the socket.
	UID uint32
	// Inode is the socket's inode: the owner is the process that has
	// socket:[Inode] among its /proc/PID/fd.
	Inode uint64
}

// ProcSockets lists the PF_KEY sockets of the calling thread's network
// namespace. The error matches fs.ErrNotExist when the kernel has no PF_KEY or
// has not loaded it, and errors.ErrUnsupported on other systems than Linux.
func ProcSockets() ([]ProcSocket, error) {
	if runtime.GOOS != "linux" {
		return nil, errNotBuilt(opProcSockets)
	}
	f, err := os.Open(procPFKEY)
	if err != nil {
		return nil, opError(opProcSockets, err)
	}
	defer f.Close()
	return ParseProcSockets(f)
}

// ParseProcSockets reads a table in the form of /proc/net/pfkey: a heading and
// then one socket per line with the columns sk, RefCnt, Rmem, Wmem, User and
// Inode. The sockets before a bad line are returned along with the error,
// which names the line.
func ParseProcSockets(r io.Reader) ([]ProcSocket, error) {
	var sockets []ProcSocket
	s := bufio.NewScanner(r)
	for line := 1; s.Scan(); line++ {
		f := strings.Fields(s.Text())
		if line == 1 {
			if len(f) < 6 || f[0] != "sk" || f[5] != "Inode" {
				return nil, opError(opProcSockets, fmt.Errorf("line 1: not the heading sk RefCnt Rmem Wmem User Inode: %q", s.Text()))
			}
			continue
		}
		if len(f) == 0 {
			continue
		}
		p, err := procSocket(f)
		if err != nil {
			return sockets, opError(opProcSockets, fmt.Errorf("line %d: %w", line, err))
		}
		sockets = append(sockets, p)
	}
	return sockets, opError(opProcSockets, s.Err())
}

// procSocket reads the columns of one line; columns a later kernel may add are
// passed over.
func procSocket(f []string) (p ProcSocket, err error) {
	if len(f) < 6 {
		return p, fmt.Errorf("%d columns, want 6", len(f))
	}
	p.Sock = f[0]
	for _, c := range []struct {
		name string
		text string
		into *uint64
	}{
		{"RefCnt", f[1], &p.RefCnt},
		{"Rmem", f[2], &p.Rmem},
		{"Wmem", f[3], &p.Wmem},
		{"Inode", f[5], &p.Inode},
	} {
		if *c.into, err = strconv.ParseUint(c.text, 10, 64); err != nil {
			return ProcSocket{}, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	uid, err := strconv.ParseUint(f[4], 10, 32)
	if err != nil {
		return ProcSocket{}, fmt.Errorf("column User: %w", err)
	}
	p.UID = uint32(uid)
	return p, nil
}
