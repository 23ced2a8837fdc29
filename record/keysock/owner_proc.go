//go:build linux

package keysock

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ProcessName returns the name of a running process of this process' PID
// namespace, at most 15 bytes (/proc/PID/comm). Any byte may be in it but NUL.
func ProcessName(pid uint32) (string, error) {
	var path [32]byte
	p := append(path[:0], "/proc/"...)
	p = strconv.AppendUint(p, uint64(pid), 10)
	p = append(p, "/comm"...)
	fd, err := unix.Open(string(p), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", opError(opOwners, err)
	}
	defer unix.Close(fd)
	var name [64]byte
	n, err := unix.Read(fd, name[:])
	if err != nil {
		return "", opError(opOwners, err)
	}
	return string(bytes.TrimSuffix(name[:n], []byte("\n"))), nil
}

// SocketOwners finds the processes that hold sockets with the given inode numbers
// (ProcSocket.Inode) among their descriptors, ordered by PID. If pids are given,
// only those processes are looked at: to go through all takes milliseconds on a
// machine with many. Processes of other users are seen with CAP_SYS_PTRACE only; a
// socket that nobody is seen to hold is not in the result.
func SocketOwners(inodes []uint64, pids ...uint32) (map[uint64][]Owner, error) {
	owners := map[uint64][]Owner{}
	var err error
	if len(pids) == 0 {
		pids, err = processes()
	}
	for _, pid := range pids {
		holds(pid, inodes, owners)
	}
	for _, o := range owners {
		slices.SortFunc(o, func(a, b Owner) int { return cmp.Compare(a.PID, b.PID) })
	}
	return owners, opError(opOwners, err)
}

// processes lists the processes that /proc shows.
func processes() (pids []uint32, err error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.ParseUint(name, 10, 32); err == nil {
			pids = append(pids, uint32(pid))
		}
	}
	return pids, err
}

// holds adds a process to the owners of those of the sockets that it has. A process
// that is gone, or may not be looked at, has none.
func holds(pid uint32, inodes []uint64, owners map[uint64][]Owner) {
	dir := "/proc/" + strconv.FormatUint(uint64(pid), 10) + "/fd"
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	defer f.Close()
	fds, _ := f.Readdirnames(-1)
	var found []uint64
	for _, fd := range fds {
		// Readlink, which asks nothing of what the descriptor stands for.
		target, err := os.Readlink(dir + "/" + fd)
		if err != nil {
			continue
		}
		text, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 64)
		if err == nil && slices.Contains(inodes, inode) && !slices.Contains(found, inode) {
			found = append(found, inode)
		}
	}
	if found == nil {
		return
	}
	name, _ := ProcessName(pid)
	for _, inode := range found {
		owners[inode] = append(owners[inode], Owner{pid, name})
	}
}

// Inode returns the number that identifies the socket in /proc/net/pfkey and in
// /proc/PID/fd.
func (c *Conn) Inode() (uint64, error) {
	if err := c.use(); err != nil {
		return 0, failed(opOwners, err)
	}
	defer c.done()
	inode, err := socketInode(c.fd)
	if err != nil {
		return 0, failed(opOwners, err)
	}
	return inode, nil
}
