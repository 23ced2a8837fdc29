package convert

import (
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// calls makes records of the system calls that a trace of processes shows: it knows
// which descriptors are PF_KEY sockets, and keeps records in the order in which their
// calls began to write or ended to read.
type calls struct {
	o     Options
	n     uint64
	codec layers.Codec // what the text says; where it says nothing, zero

	threads map[int]*thread
	names   map[int]string // of processes
	sockets int            // PF_KEY descriptors that are open
	seen    bool           // whether there has ever been one
	flight  []flying
	queue   []*slot
	held    int // bytes in queue
	spare   []*slot
	rec     record.Record
	note    string // is added to the next record
}

// thread is whoever makes calls, under the number that the trace gives it.
type thread struct {
	pid   int // of its process
	files *files
}

// files are the descriptors of a process, or of several that share them.
type files struct {
	key   map[int]descriptor
	other map[int]bool // known to be something else
	// whole means that the trace shows the process from its beginning. Else a
	// descriptor may have been a PF_KEY socket before.
	whole bool
}

type descriptor struct {
	s       *socket
	cloexec bool
}

type socket struct {
	promisc bool // it has asked for all messages
}

// flying is a socket that was sent to another process and not received yet.
type flying struct {
	payload []byte // the beginning of what it was sent with
	sockets []*socket
}

// slot is a place in the order of records.
type slot struct {
	recs []record.Record
	open bool // its call has not ended
}

// What a trace that was made up must not exceed.
const (
	maxThreads = 1 << 16
	maxSockets = 1 << 16
	maxFlying  = 256
	maxQueue   = 1 << 12 // calls that may end while one is under way
	maxHeld    = 64 << 20
)

func newCalls(o Options) calls {
	return calls{o: o, n: o.Number, threads: map[int]*thread{}, names: map[int]string{}}
}

func newFiles(whole bool) *files {
	return &files{key: map[int]descriptor{}, other: map[int]bool{}, whole: whole}
}

// thread returns the thread of that number. One that was not made before our eyes is
// a process of its own.
func (c *calls) thread(id int) (*thread, error) {
	t := c.threads[id]
	if t == nil {
		if len(c.threads) >= maxThreads {
			return nil, fmt.Errorf("more than %d processes", maxThreads)
		}
		t = &thread{pid: id, files: newFiles(false)}
		c.threads[id] = t
	}
	return t, nil
}

// fork makes the thread child of t, in the same process or not, with the same
// descriptors or copies of them. A child that has made calls already is left alone.
func (c *calls) fork(t *thread, child int, process, share bool) error {
	if c.threads[child] != nil {
		return nil
	}
	n, err := c.thread(child)
	if err != nil {
		return err
	}
	if process {
		c.name(child, c.names[t.pid])
	} else {
		n.pid = t.pid
	}
	if share {
		n.files = t.files
		return nil
	}
	n.files = newFiles(t.files.whole)
	for fd, d := range t.files.key {
		if err := c.put(n.files, fd, d); err != nil {
			return err
		}
	}
	for fd := range t.files.other {
		n.files.other[fd] = true
	}
	return nil
}

// name notes what runs in a process.
func (c *calls) name(pid int, name string) {
	if name != "" && len(c.names) < maxThreads {
		c.names[pid] = name
	}
}

// exec notes that a process begins anew with the program in a file.
func (c *calls) exec(t *thread, file string) {
	if file != "" {
		name := path.Base(file)
		c.name(t.pid, name[:min(len(name), 15)]) // as the kernel names it
	}
	for fd, d := range t.files.key {
		if d.cloexec {
			c.close(t, fd)
		}
	}
	if len(t.files.key) == 0 && !c.seen {
		t.files.whole = true
	}
}

// exit forgets a thread.
func (c *calls) exit(id int) {
	t := c.threads[id]
	if t == nil {
		return
	}
	delete(c.threads, id)
	for _, other := range c.threads {
		if other.files == t.files {
			return
		}
	}
	c.sockets -= len(t.files.key)
}

// opened notes a PF_KEY socket.
func (c *calls) opened(t *thread, fd int, cloexec bool) error {
	return c.put(t.files, fd, descriptor{&socket{}, cloexec})
}

func (c *calls) put(f *files, fd int, d descriptor) error {
	if _, had := f.key[fd]; !had {
		if c.sockets >= maxSockets {
			return fmt.Errorf("more than %d PF_KEY sockets at once", maxSockets)
		}
		c.sockets++
	}
	delete(f.other, fd)
	f.key[fd] = d
	c.seen = true
	return nil
}

// is notes that a descriptor is something else than a PF_KEY socket.
func (c *calls) is(t *thread, fd int) {
	c.drop(t.files, fd)
	if len(t.files.other) < maxSockets {
		t.files.other[fd] = true
	}
}

func (c *calls) drop(f *files, fd int) {
	if _, had := f.key[fd]; had {
		delete(f.key, fd)
		c.sockets--
	}
}

func (c *calls) close(t *thread, fd int) {
	c.drop(t.files, fd)
	delete(t.files.other, fd)
}

func (c *calls) dup(t *thread, from, to int, cloexec bool) error {
	if d, ok := t.files.key[from]; ok {
		return c.put(t.files, to, descriptor{d.s, cloexec})
	}
	if c.drop(t.files, to); t.files.other[from] {
		c.is(t, to)
	}
	return nil
}

// mark is how much of what a descriptor is sent with tells it from others.
const mark = 256

// pass notes descriptors that are sent with a payload.
func (c *calls) pass(t *thread, payload []byte, fds []int) {
	f := flying{payload: append([]byte(nil), payload[:min(len(payload), mark)]...)}
	for _, fd := range fds {
		f.sockets = append(f.sockets, t.files.key[fd].s)
	}
	for _, s := range f.sockets {
		if s != nil {
			if len(c.flight) == maxFlying {
				c.flight = append(c.flight[:0], c.flight[1:]...)
			}
			c.flight = append(c.flight, f)
			return
		}
	}
}

// take notes descriptors that are received with a payload: those that were sent with
// the same.
func (c *calls) take(t *thread, payload []byte, fds []int) error {
	for i, f := range c.flight {
		n := min(len(f.payload), len(payload))
		if len(f.sockets) != len(fds) || n == 0 && len(f.payload)+len(payload) > 0 || string(f.payload[:n]) != string(payload[:n]) {
			continue
		}
		c.flight = append(c.flight[:i], c.flight[i+1:]...)
		for j, s := range f.sockets {
			if s == nil {
				continue
			}
			if err := c.put(t.files, fds[j], descriptor{s: s}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, fd := range fds {
		c.is(t, fd)
	}
	return nil
}

// reserve takes the next place in the order, for a call that has begun.
func (c *calls) reserve() *slot {
	s := &slot{open: true}
	if k := len(c.spare); k > 0 {
		s, c.spare = c.spare[k-1], c.spare[:k-1]
		s.open = true
	}
	c.queue = append(c.queue, s)
	return s
}

// transfer is what a call moved through a descriptor.
type transfer struct {
	fd    int
	time  time.Time
	write bool
	data  []byte // what the text shows of it; not kept
	n     int    // bytes that were moved, or were to be
	room  int    // bytes that a reader had room for; 0 if that is not known
	errno uint8  // of a write that failed
	note  string
}

// key reports whether a descriptor is a PF_KEY socket, as far as is known.
func (t *thread) key(fd int) bool { return t.files.key[fd].s != nil }

// foreign reports whether nothing is known of a descriptor because the trace began
// after it was made.
func (t *thread) foreign(fd int) bool { return !t.files.whole && !t.key(fd) && !t.files.other[fd] }

// move adds the record of a transfer to a slot, if it is one of a PF_KEY socket: one
// that we saw made, or one from before the trace whose octets are a message.
func (c *calls) move(s *slot, t *thread, x transfer) error {
	codec := c.o.codec(x.data)
	if c.o.Codec.Dialect == layers.NoDialect && c.codec.Dialect != layers.NoDialect {
		codec.Dialect = c.codec.Dialect
	}
	d, known := t.files.key[x.fd]
	if !known {
		if !t.foreign(x.fd) || !looksLikeMessage(x.data, x.n) {
			return nil
		}
		d.s = &socket{}
		if err := c.put(t.files, x.fd, d); err != nil {
			return err
		}
		x.note = fmt.Sprintf("descriptor %d was opened before the trace began: taken for a PF_KEY socket by this message", x.fd)
	}
	r := record.Record{Time: x.time, Codec: codec, OrigLen: x.n, WriteErrno: x.errno}
	r.Data = append(r.Data, x.data[:min(len(x.data), x.n)]...)
	var m layers.Base
	head := len(r.Data) >= layers.BaseLen
	if head {
		m = header(codec, r.Data)
		if whole := 8 * int(m.Len); !x.write && x.n == x.room && whole > x.n {
			r.OrigLen = whole // the rest was thrown away: the reader had no room
		}
		if m.PID != 0 {
			r.Process = c.names[int(m.PID)]
		}
	}
	switch {
	case x.write:
		r.Dir = record.ToKernel
		if head && x.errno == 0 && m.Type == uint8(promisc(codec.Dialect)) && int(m.Len)*8 == layers.BaseLen {
			d.s.promisc = m.SAType != 0
		}
	case d.s.promisc && c.codec.Dialect == layers.Linux:
		// It hears the requests of others too, which look as if it came from them.
	default:
		r.Dir = record.FromKernel
		if head && m.PID != 0 && int(m.PID) != t.pid && t.pid != 0 {
			r.Comments = append(r.Comments, "read by "+c.who(t.pid))
		}
	}
	if x.note != "" {
		r.Comments = append(r.Comments, x.note)
	}
	s.recs = append(s.recs, r)
	c.held += len(r.Data)
	return nil
}

func (c *calls) who(pid int) string {
	if name := c.names[pid]; name != "" {
		return fmt.Sprintf("%d(%s)", pid, name)
	}
	return fmt.Sprint(pid)
}

// promisc returns the dialect's number of X_PROMISC.
func promisc(d layers.Dialect) uint64 {
	v, _ := d.EnumValue(layers.EnumMsgType, "PROMISC")
	return v
}

// header reads the header of a message that has one.
func header(c layers.Codec, b []byte) layers.Base {
	order := c.Order.Binary()
	return layers.Base{Version: b[0], Type: b[1], Errno: b[2], SAType: b[3], Len: order.Uint16(b[4:]), Seq: order.Uint32(b[8:]), PID: order.Uint32(b[12:])}
}

// looksLikeMessage reports whether octets are the whole of a PF_KEY message, or as
// much of it as is shown: they begin with a header that gives their number.
func looksLikeMessage(b []byte, n int) bool {
	const mostTypes, mostSATypes = 40, 20 // more than any system has
	return len(b) >= layers.BaseLen && b[0] == 2 && b[1] > 0 && b[1] < mostTypes && b[3] < mostSATypes && layers.OrderOf(b, n) != layers.NoOrder
}

// next returns the first record whose turn it is; flush does not wait for calls that
// have not ended.
func (c *calls) next(flush bool) (*record.Record, error) {
	for len(c.queue) > 0 {
		s := c.queue[0]
		switch {
		case len(s.recs) > 0 && (!s.open || flush):
			c.rec = s.recs[0]
			s.recs = s.recs[1:]
			c.held -= len(c.rec.Data)
			c.n++
			c.rec.Number = c.n
			if c.note != "" {
				c.rec.Comments = append(c.rec.Comments, c.note)
				c.note = ""
			}
			return &c.rec, nil
		case s.open && !flush && len(c.queue) < maxQueue && c.held < maxHeld:
			return nil, io.EOF
		}
		// An open one that is given up is filled when its call ends, out of turn.
		c.queue = append(c.queue[:0], c.queue[1:]...)
		if !s.open && len(c.spare) < 16 {
			s.recs = nil
			c.spare = append(c.spare, s)
		}
	}
	return nil, io.EOF
}

// finish fills a slot that was given up in the order of what is ready now.
func (c *calls) finish(s *slot) {
	s.open = false
	for _, q := range c.queue {
		if q == s {
			return
		}
	}
	if len(s.recs) > 0 {
		c.queue = append(c.queue, s)
	}
}

// describe notes what a call of a BSD or illumos did to descriptors and processes.
func (c *calls) describe(t *thread, name string, args []straceValue, file string, ret int, failed bool) error {
	fd, ok := 0, false
	if len(args) > 0 {
		fd, ok = args[0].number()
	}
	word := func(i int) string {
		if i < len(args) {
			return args[i].word + args[i].added
		}
		return ""
	}
	switch name {
	case "close":
		if ok {
			c.close(t, fd)
		}
		return nil
	case "exit", "_exit", "sys_exit":
		c.exit(t.pid)
		return nil
	}
	if failed {
		return nil
	}
	switch name {
	case "socket", "__socket30", "so_socket":
		if keyFamilies[word(0)] && (word(2) == "2" || word(2) == "0x2" || word(2) == "PF_KEY_V2") {
			return c.opened(t, ret, strings.Contains(word(1), "CLOEXEC"))
		}
		c.is(t, ret)
	case "open", "openat", "open64", "openat64", "accept", "accept4", "paccept", "kqueue", "so_accept":
		c.is(t, ret)
	case "fork", "vfork", "rfork", "pdfork", "__vfork14", "__clone", "fork1", "forkall", "forkx", "vforkx", "forkallx":
		if ret > 0 {
			return c.fork(t, ret, true, false)
		}
	case "execve", "exec":
		c.exec(t, file)
	case "dup":
		if ok {
			return c.dup(t, fd, ret, false)
		}
	case "dup2", "dup3":
		if ok && fd != ret {
			return c.dup(t, fd, ret, strings.Contains(word(2), "CLOEXEC"))
		}
	case "fcntl", "fcntl64":
		switch cmd := word(1); {
		case !ok:
		case strings.Contains(cmd, "F_DUPFD") || strings.Contains(cmd, "F_DUP2FD") || cmd == "0":
			return c.dup(t, fd, ret, strings.Contains(cmd, "CLOEXEC"))
		case strings.Contains(cmd, "F_SETFD") && t.key(fd):
			return c.put(t.files, fd, descriptor{t.files.key[fd].s, strings.Contains(word(2), "FD_CLOEXEC") || word(2) == "1" || word(2) == "0x1"})
		}
	}
	return nil
}

// keyFamilies are the ways in which tools write the address family of PF_KEY: by name,
// or by number on FreeBSD and NetBSD (29), OpenBSD (30) and illumos (27).
var keyFamilies = map[string]bool{
	"PF_KEY": true, "AF_KEY": true, "pseudo_AF_KEY": true, "pseudo_PF_KEY": true,
	"29": true, "0x1d": true, "30": true, "0x1e": true, "27": true, "0x1b": true,
}
