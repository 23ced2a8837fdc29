package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// who finds out whose messages are recorded. A message carries the process that
// its sender claims to be; its name is looked up while it lives. Which processes
// really have PF_KEY sockets is known from /proc/net/pfkey and their descriptors:
// that is looked at once a second and when a process is heard of for the first
// time, and what changes becomes a comment on the next record.
type who struct {
	own  uint64               // inode of the recording socket
	say  func(string, ...any) // tells whoever watches the recording
	note func(string)         // makes a comment in the capture

	// Of annotate.
	names map[uint32]*processName
	last  *processName

	hints chan uint32 // processes that were heard of

	// Of look, which is never run twice at the same time.
	sockets map[uint64]*pfkeySocket
	unread  uint64 // bytes waiting in a queue that are worth a word
	blind   error  // why there is nothing to look at

	some atomic.Bool    // there are gone ones
	mu   sync.Mutex     // for what follows
	open []*pfkeySocket // copies, by inode
	gone []goneProcess
}

// processName is the name of a process and when it was asked for.
type processName struct {
	pid         uint32
	name        string
	asked, seen time.Time
}

// pfkeySocket is a PF_KEY socket of somebody else.
type pfkeySocket struct {
	inode  uint64
	uid    uint32
	owners []keysock.Owner
	slow   bool // it was said that its owner does not read it
}

// goneProcess is a process that has no PF_KEY socket any more.
type goneProcess struct {
	pid uint32
	at  time.Time
}

const (
	// nameTrust is how long a process keeps its name without a look: it may start
	// another program, and one that gets its number after it another name.
	nameTrust = time.Second
	// nameLasts is how long a name is used that cannot be asked for any more,
	// because the process is gone when its messages are read.
	nameLasts = time.Minute
	// maxProcessNames bounds the memory for names.
	maxProcessNames = 1024
	// lookEvery and lookPause are the times between two looks: without a reason,
	// and with one.
	lookEvery = time.Second
	lookPause = 20 * time.Millisecond
	// goneFor is how long after a socket was closed its messages may still wait in
	// our queue.
	goneFor = 2 * time.Second
)

// newWho takes a first look, which is to be before privileges are given up: with
// them the sockets of all users are seen.
func newWho(conn *keysock.Conn, say func(string, ...any), note func(string)) *who {
	w := &who{names: map[uint32]*processName{}, hints: make(chan uint32, 64), say: say, note: note}
	w.own, _ = conn.Inode()
	w.unread = defaultReceiveBuffer() / 2
	w.blind = w.look()
	return w
}

// defaultReceiveBuffer is how much a socket holds that nobody made larger.
func defaultReceiveBuffer() uint64 {
	b, err := os.ReadFile("/proc/sys/net/core/rmem_default")
	if err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil {
			return n
		}
	}
	return 212992 // what Linux has unless the administrator changes it
}

// annotate sets the name of the process with the message's pid.
func (w *who) annotate(r *record.Record) {
	if runtime.GOOS == "linux" && len(r.Data) >= layers.BaseLen {
		if pid := claimedPID(r); pid != 0 {
			r.Process = w.name(pid, r.Time)
		}
	}
}

// claimedPID is the process that the sender of a message says it is.
func claimedPID(r *record.Record) uint32 { return binary.NativeEndian.Uint32(r.Data[12:]) }

// goneBefore returns a process that has had no socket for so long that nothing of
// it can wait in the queue at the time now, or 0.
func (w *who) goneBefore(now time.Time) uint32 {
	if !w.some.Load() {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.gone) == 0 || now.Sub(w.gone[0].at) < goneFor {
		return 0
	}
	pid := w.gone[0].pid
	w.gone = w.gone[1:]
	w.some.Store(len(w.gone) > 0)
	return pid
}

func (w *who) name(pid uint32, now time.Time) string {
	n := w.last
	if n == nil || n.pid != pid {
		if n = w.names[pid]; n == nil {
			if len(w.names) >= maxProcessNames {
				clear(w.names)
			}
			n = &processName{pid: pid}
			w.names[pid] = n
			select {
			case w.hints <- pid:
			default: // the regular look will do
			}
		}
		w.last = n
	}
	if now.Sub(n.asked) >= nameTrust {
		if name, err := keysock.ProcessName(pid); err == nil {
			n.name, n.seen = name, now
		} else if now.Sub(n.seen) >= nameLasts {
			n.name = ""
		}
		n.asked = now
	}
	return n.name
}

// watch looks at the sockets until ctx is done.
func (w *who) watch(ctx context.Context) {
	if w.blind != nil {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var pids []uint32
	for {
		pids = pids[:0]
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case pid := <-w.hints:
			pids = append(pids, pid)
			for more := true; more; {
				select {
				case pid := <-w.hints:
					pids = append(pids, pid)
				default:
					more = false
				}
			}
		}
		if w.look(pids...) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookPause):
		}
	}
}

// look compares the sockets that are open with those that were. Processes that
// were heard of are looked at first: they may be gone soon. It fails where there is
// nothing to look at, as on other systems than Linux.
func (w *who) look(pids ...uint32) error {
	list, err := keysock.ProcSockets()
	if err != nil {
		return err
	}
	first := w.sockets == nil
	if first {
		w.sockets = map[uint64]*pfkeySocket{}
	}
	var fresh, all []uint64
	for _, p := range list {
		if p.Inode == w.own {
			continue
		}
		all = append(all, p.Inode)
		s := w.sockets[p.Inode]
		if s == nil {
			s = &pfkeySocket{inode: p.Inode, uid: p.UID}
			w.sockets[p.Inode] = s
			fresh = append(fresh, p.Inode)
		}
	}
	for inode, s := range w.sockets {
		if !slices.Contains(all, inode) {
			delete(w.sockets, inode)
			w.closed(s)
		}
	}
	if len(pids) > 0 && len(all) > 0 {
		// One may have got a socket from another process.
		owners, _ := keysock.SocketOwners(all, pids...)
		for inode, list := range owners {
			s := w.sockets[inode]
			for _, o := range list {
				if s.has(o.PID) {
					continue
				}
				s.owners = append(s.owners, o)
				if !slices.Contains(fresh, inode) {
					w.note("PF_KEY socket handed on: " + s.text())
				}
			}
		}
	}
	var rest []uint64
	for _, inode := range fresh {
		if len(w.sockets[inode].owners) == 0 {
			rest = append(rest, inode)
		}
	}
	if len(rest) > 0 {
		owners, _ := keysock.SocketOwners(rest) // those that can be seen
		for inode, list := range owners {
			w.sockets[inode].owners = list
		}
	}
	for _, inode := range fresh {
		if !first {
			w.note("PF_KEY socket opened: " + w.sockets[inode].text())
		}
	}
	for _, p := range list {
		if s := w.sockets[p.Inode]; s != nil {
			w.judge(s, p.Rmem)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = w.open[:0]
	for _, s := range w.sockets {
		c := *s
		w.open = append(w.open, &c)
	}
	slices.SortFunc(w.open, func(a, b *pfkeySocket) int { return cmp.Compare(a.inode, b.inode) })
	return nil
}

// judge looks whether the owner of a socket reads it. What does not fit is lost to
// it, and neither it nor the kernel will say so.
func (w *who) judge(s *pfkeySocket, waiting uint64) {
	switch {
	case !s.slow && waiting > w.unread:
		s.slow = true
		text := fmt.Sprintf("PF_KEY socket with %d KiB unread, which may be losing messages: %s", waiting>>10, s.text())
		w.note(text)
		w.say("%s", text)
	case s.slow && waiting < w.unread/2:
		s.slow = false
		w.note("PF_KEY socket read again: " + s.text())
	}
}

func (w *who) closed(s *pfkeySocket) {
	w.note("PF_KEY socket closed: " + s.text())
	for _, o := range s.owners {
		open := false
		for _, other := range w.sockets {
			open = open || other.has(o.PID)
		}
		if open {
			continue
		}
		w.mu.Lock()
		if len(w.gone) == maxProcessNames { // nothing has been recorded for long
			w.gone = slices.Delete(w.gone, 0, 1)
		}
		w.gone = append(w.gone, goneProcess{o.PID, time.Now()})
		w.some.Store(true)
		w.mu.Unlock()
	}
}

// state says which sockets are open with the next record, the first of a file.
func (w *who) state() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.open {
		w.note("PF_KEY socket: " + s.text())
	}
}

// users lists the processes that have sockets, for people.
func (w *who) users() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var words []string
	for _, s := range w.open {
		if t := s.who(); !slices.Contains(words, t) {
			words = append(words, t)
		}
	}
	return strings.Join(words, ", ")
}

func (s *pfkeySocket) has(pid uint32) bool {
	return slices.ContainsFunc(s.owners, func(o keysock.Owner) bool { return o.PID == pid })
}

// text describes the socket.
func (s *pfkeySocket) text() string {
	return fmt.Sprintf("%s, uid %d, inode %d", s.who(), s.uid, s.inode)
}

// who names the socket's owners as text output names the process of a message.
func (s *pfkeySocket) who() string {
	if len(s.owners) == 0 {
		return "a process that cannot be seen"
	}
	var words []string
	for _, o := range s.owners {
		words = append(words, processText(o.PID, o.Name))
	}
	return strings.Join(words, " ")
}

// processText is a process as the text output writes it.
func processText(pid uint32, name string) string {
	if name == "" {
		return fmt.Sprintf("pid=%d", pid)
	}
	q := strconv.Quote(name) // a process may call itself what plays tricks on a terminal
	return fmt.Sprintf("pid=%d(%s)", pid, q[1:len(q)-1])
}
