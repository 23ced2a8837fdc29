package convert

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// Kdump is what kdump(1) of FreeBSD, NetBSD, OpenBSD and DragonFly BSD writes of a
// ktrace(1): calls, their results and the octets that they moved. kdump should be told
// -T, for times, and on NetBSD and OpenBSD -x. A write that failed leaves no octets in
// a trace; the next record says that there was one.
//
// The forms of lines are those of usr.bin/kdump/kdump.c of FreeBSD 10, NetBSD 10 and
// OpenBSD 7.3.
const Kdump Form = "kdump"

type kdumpSource struct {
	callLog
	now  map[int]*kdumpCall // what each thread is doing
	held int                // bytes in now
	io   *kdumpCall         // whose octets the lines show that come next, or nil
	dump kdumpData
}

// kdumpCall is a call that has not returned.
type kdumpCall struct {
	t    *thread
	name string // "" if the trace shows only what was moved
	args []straceValue
	time time.Time // of the call, or of what was read
	file string    // that it names
	slot *slot
	fd   int
	n    int // octets that were moved; 0 if none
	data []byte
	cut  bool // fewer octets are shown
	out  bool // written
}

func newKdump(r io.Reader, o Options) record.Source {
	s := &kdumpSource{
		callLog: newCallLog(r, o, "the dump shows no PF_KEY socket: run ktrace -i from the program's start, and kdump without -t or with -t cnipw"),
		now:     map[int]*kdumpCall{},
	}
	s.line, s.end = s.read, s.last
	return s
}

// last is for what was under way at the end.
func (s *kdumpSource) last() error {
	if err := s.shown(); err != nil {
		return err
	}
	for _, c := range s.now {
		if err := s.moved(c); err != nil {
			return err
		}
	}
	return nil
}

// kdumpLine is what begins the line of an event: process, thread, command, time, event.
var kdumpLine = pattern(`^ *([0-9]{1,9})(?:(?:/| +)([0-9]{1,9}) *)? (\S[^\t]{0,40}?) +(?:([0-9]{1,10})\.([0-9]{3,9}) +)?(CALL|RET|GIO|NAMI|PSIG|CSW|USER|STRU|SCTL|CAP|PFLT|PRET|ARGS|ENV|PLDG|STRT|EMUL|MIB|EXEC|ARG|SAUP|UNKNOWN\([0-9]+\)) +`)

const kdumpHead = 160

func (s *kdumpSource) read(b []byte) error {
	m := kdumpLine().FindSubmatch(b[:min(len(b), kdumpHead)])
	if m == nil || s.io != nil && s.dump.within() {
		if s.io != nil {
			return s.dump.line(b)
		}
		return nil
	}
	if err := s.shown(); err != nil {
		return err
	}
	pid, _ := strconv.Atoi(string(m[1])) // at most nine digits
	id := pid
	if len(m[2]) > 0 {
		id, _ = strconv.Atoi(string(m[2]))
	}
	var at time.Time
	if len(m[4]) > 0 {
		sec, _ := strconv.ParseInt(string(m[4]), 10, 64)
		at = time.Unix(sec, int64(fraction(m[5])))
	}
	t, err := s.thread(pid)
	if err != nil {
		return err
	}
	s.calls.name(pid, string(bytes.TrimSpace(m[3])))
	rest := string(bytes.TrimRight(b[len(m[0]):], "\r"))
	switch c := s.now[id]; string(m[6]) {
	case "CALL":
		return s.call(id, t, rest, at)
	case "NAMI":
		if c != nil && c.file == "" {
			c.file = strings.Trim(rest, `"`)
		}
	case "GIO":
		return s.gio(id, t, rest, at)
	case "RET":
		if c == nil || c.name == "" {
			return nil
		}
		name, result, _ := strings.Cut(rest, " ")
		if name != c.name {
			return nil
		}
		delete(s.now, id)
		s.held -= len(c.data)
		return s.ret(c, result, at)
	}
	return nil
}

// fraction returns what digits behind a point are of a second.
func fraction(digits []byte) time.Duration {
	d, _ := time.ParseDuration("0." + string(digits) + "s") // digits only
	return d
}

// thread returns a process. One that is unknown was forked by a call that has not
// returned, if there is one.
func (s *kdumpSource) thread(pid int) (*thread, error) {
	if s.calls.threads[pid] == nil {
		for _, c := range s.now {
			if kdumpFork[c.name] {
				if err := s.calls.fork(c.t, pid, true, false); err != nil {
					return nil, err
				}
				break
			}
		}
	}
	return s.calls.thread(pid)
}

var kdumpFork = map[string]bool{"fork": true, "vfork": true, "rfork": true, "pdfork": true, "__vfork14": true, "__clone": true}

// call begins a call.
func (s *kdumpSource) call(id int, t *thread, text string, at time.Time) error {
	name, args, _ := strings.Cut(text, "(")
	if old := s.now[id]; old != nil {
		if err := s.moved(old); err != nil {
			return err
		}
		s.held -= len(old.data)
	} else if len(s.now) >= maxThreads {
		return fmt.Errorf("more than %d calls at once", maxThreads)
	}
	c := &kdumpCall{t: t, name: name, time: at}
	c.args, _, _ = straceArgs(args)
	s.now[id] = c
	switch name {
	case "write", "writev", "sendto", "sendmsg", "sendmmsg":
		if len(c.args) > 0 {
			if fd, ok := c.args[0].number(); ok && (t.key(fd) || t.foreign(fd)) {
				c.slot = s.calls.reserve()
			}
		}
	}
	return nil
}

var kdumpGIO = pattern(`^(?:fd (-?[0-9]{1,9}) )?(read|wrote) ([0-9]{1,9}) bytes?`)

// gio begins what a call moved. A call of several buffers or many octets has several.
func (s *kdumpSource) gio(id int, t *thread, text string, at time.Time) error {
	m := kdumpGIO().FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	fd, _ := strconv.Atoi(m[1]) // at most nine digits, or none
	n, _ := strconv.Atoi(m[3])
	out := m[2] == "wrote"
	c := s.now[id]
	if c != nil && m[1] == "" {
		fd = c.fd
	}
	if c != nil && c.name == "" && (c.fd != fd || c.out != out || looksLikeMessage(c.data, c.n)) {
		if err := s.moved(c); err != nil {
			return err
		}
		s.held -= len(c.data)
		c = nil
	}
	if c == nil {
		if len(s.now) >= maxThreads {
			return fmt.Errorf("more than %d processes", maxThreads)
		}
		c = &kdumpCall{t: t, time: at}
		s.now[id] = c
	}
	if !out && c.n == 0 {
		c.time = at
	}
	c.fd, c.out = fd, out
	c.n += n
	if c.n > maxMoved {
		c.cut = true
		return nil
	}
	s.io, s.dump = c, kdumpData{want: n}
	return nil
}

// maxMoved is more than the longest message.
const maxMoved = 1 << 20

// shown ends what the lines before showed of the octets that a call moved.
func (s *kdumpSource) shown() error {
	c := s.io
	if c == nil {
		return nil
	}
	s.io = nil
	got := s.dump.octets()
	if !c.cut {
		c.data = append(c.data, got...)
		s.held += len(got)
	}
	if len(got) < s.dump.want {
		c.cut = true // kdump -m
	}
	s.dump = kdumpData{}
	if s.held > maxHeld {
		return errors.New("too much that was moved by calls that do not return")
	}
	return nil
}

// ret ends a call.
func (s *kdumpSource) ret(c *kdumpCall, result string, at time.Time) error {
	word, rest, _ := strings.Cut(result, " ")
	number, _, _ := strings.Cut(word, "/")
	ret, err := strconv.ParseInt(number, 0, 32)
	if word == "JUSTRETURN" {
		ret, err = 0, nil
	}
	failed := err != nil || ret < 0
	fd, isFD := 0, false
	if len(c.args) > 0 {
		fd, isFD = c.args[0].number()
	}
	switch c.name {
	case "write", "writev", "sendto", "sendmsg", "sendmmsg", "read", "readv", "recvfrom", "recvmsg", "recvmmsg":
		if failed {
			if c.slot != nil {
				s.calls.finish(c.slot)
			}
			if no, ok := strings.CutPrefix(rest, "errno "); ok && c.slot != nil && c.t.key(fd) {
				s.calls.note = fmt.Sprintf("before this, process %s failed to write to its PF_KEY socket: errno %s", s.calls.who(c.t.pid), no)
			}
			return nil
		}
		if c.n == 0 {
			if c.slot != nil {
				s.calls.finish(c.slot)
			}
			return nil
		}
		if !c.out {
			c.time = at
		}
		if c.name == "recvmsg" && isFD && !c.t.key(fd) {
			c.t.files.whole = false // it may have been passed a descriptor, which is not shown
		}
		return s.moved(c)
	}
	return s.calls.describe(c.t, c.name, c.args, c.file, int(ret), failed)
}

// moved makes the record of what a call moved.
func (s *kdumpSource) moved(c *kdumpCall) error {
	if c.n == 0 || kdumpPeeks(c) {
		if c.slot != nil {
			s.calls.finish(c.slot)
		}
		return nil
	}
	if c.slot == nil {
		c.slot = s.calls.reserve()
	}
	defer s.calls.finish(c.slot)
	if len(c.data) == 0 {
		if c.t.key(c.fd) {
			return errors.New("the dump does not show the bytes of this message: run kdump without -s and -m 0")
		}
		return nil
	}
	x := transfer{fd: c.fd, time: c.time, write: c.out, data: c.data, n: c.n}
	switch c.name {
	case "read", "recvfrom":
		if len(c.args) > 2 {
			x.room, _ = c.args[2].number()
		}
	}
	n := c.n
	c.n = 0
	x.n = n
	return s.calls.move(c.slot, c.t, x)
}

// kdumpPeeks reports whether what was read will be read again.
func kdumpPeeks(c *kdumpCall) bool {
	i := 3
	switch c.name {
	case "recvmsg":
		i = 2
	case "recvfrom":
	default:
		return false
	}
	if len(c.args) <= i {
		return false
	}
	const peek = 2 // MSG_PEEK of all BSDs
	n, ok := c.args[i].number()
	return ok && n&peek != 0 || strings.Contains(c.args[i].word+c.args[i].added, "MSG_PEEK")
}

// kdumpData reads the lines that show what was moved.
type kdumpData struct {
	want int
	got  []byte
	text bool // it is shown as a string
	pad  bool // the line before ended in an octet: a tab stands for nothing
	star bool // lines were left out that repeat the one before (NetBSD)
	done bool
}

// within reports whether more lines must come: text may look like anything.
func (d *kdumpData) within() bool { return d.text && !d.done }

var (
	kdumpHex1 = pattern(`^ {7}0x([0-9a-f]{4,8}) ([0-9a-f ]+?) {2,}\|`)      // FreeBSD
	kdumpHex2 = pattern(`^ {3}[0-9a-f]{4,8}:  ((?:[0-9a-f]{2} )+)`)         // OpenBSD -X
	kdumpHex3 = pattern(`^\t([0-9a-f]{2}(?: [0-9a-f]{2})*)$`)               // OpenBSD -x
	kdumpHex4 = pattern(`^\t([0-9a-f]{3,5}) {0,2} ((?:[0-9a-f]{2}| | $)+)`) // NetBSD -x
)

func (d *kdumpData) line(b []byte) error {
	b = bytes.TrimRight(b, "\r")
	add := func(digits []byte) error {
		raw, err := hex.DecodeString(strings.ReplaceAll(string(digits), " ", ""))
		if err != nil {
			return errors.New("not the octets of a dump")
		}
		d.got = append(d.got, raw[:max(0, min(len(raw), d.want-len(d.got)))]...)
		return nil
	}
	switch {
	case d.text:
		d.string(b)
		return nil
	case len(d.got) >= d.want:
		return nil
	}
	if m := kdumpHex1().FindSubmatch(b); m != nil {
		return add(m[2])
	}
	if m := kdumpHex2().FindSubmatch(b); m != nil {
		return add(m[1])
	}
	if m := kdumpHex3().FindSubmatch(b); m != nil {
		return add(m[1])
	}
	if bytes.Equal(bytes.TrimSpace(b), []byte("*****")) {
		d.star = true
		return nil
	}
	if m := kdumpHex4().FindSubmatch(b); m != nil {
		const bytesAt, width = 6, 50 // after a tab and a number of five columns
		at, err := strconv.ParseUint(string(m[1]), 16, 31)
		if err != nil || len(b) < bytesAt+width {
			return errors.New("not the octets of a dump")
		}
		for n := len(d.got); d.star && n >= 16 && len(d.got) < min(int(at), d.want); n = len(d.got) {
			d.got = append(d.got, d.got[n-16:n]...)
		}
		d.star = false
		return add(bytes.TrimSpace(b[bytesAt : bytesAt+width]))
	}
	if text, ok := bytes.CutPrefix(b, []byte(`       "`)); ok && len(d.got) == 0 {
		d.text = true
		d.string(text)
	}
	return nil
}

// string reads a line of what vis(3) makes of octets: a backslash at its end says that
// the next line goes on, after a tab; a line that ends without one ends in a newline.
func (d *kdumpData) string(b []byte) {
	if d.done {
		return
	}
	if d.pad {
		b = bytes.TrimPrefix(b, []byte("\t"))
	}
	d.pad = true
	if last, ok := bytes.CutSuffix(b, []byte(`"`)); ok {
		if got := unvis(last); len(d.got)+len(got) >= d.want {
			d.got = append(d.got, got...)[:d.want]
			d.done = true
			return
		}
	}
	if visContinues(b) {
		d.got = append(d.got, unvis(b[:len(b)-1])...)
	} else {
		d.got = append(append(d.got, unvis(b)...), '\n')
	}
	d.done = len(d.got) > d.want // it does not end where it should
}

// octets returns what was shown.
func (d *kdumpData) octets() []byte {
	got := d.got
	if d.text && !d.done { // kdump -m: it ends before all is shown
		got = bytes.TrimSuffix(bytes.TrimSuffix(got, []byte("\n")), []byte(`"`))
	}
	return got[:min(len(got), d.want)]
}

// visContinues reports whether a line of what vis(3) writes ends in a backslash that
// begins no escape.
func visContinues(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		if i++; i == len(b) {
			return true
		}
		switch { // \M-x, \M^x and \^x may end in a backslash
		case b[i] == 'M':
			i += 2
		case b[i] == '^':
			i++
		}
	}
	return false
}

// octal reads up to three octal digits, of which the first stands at i, and says where
// they end.
func octal[T string | []byte](text T, i int) (n byte, end int) {
	for end = i; end < i+3 && end < len(text) && text[end] >= '0' && text[end] <= '7'; end++ {
		n = n<<3 | (text[end] - '0')
	}
	return n, end
}

// unvis reads what vis(3) writes with VIS_CSTYLE.
func unvis(text []byte) (b []byte) {
	for i := 0; i < len(text); {
		c := text[i]
		i++
		if c != '\\' || i == len(text) {
			b = append(b, c)
			continue
		}
		c = text[i]
		i++
		control := func() byte {
			if i >= len(text) {
				return 0
			}
			c := text[i]
			i++
			if c == '?' {
				return 0x7f
			}
			return c & 0x1f
		}
		switch {
		case c >= '0' && c <= '7':
			var n byte
			n, i = octal(text, i-1)
			b = append(b, n)
		case c == '^':
			b = append(b, control())
		case c == 'M' && i+1 < len(text) && text[i] == '-':
			b = append(b, text[i+1]|0x80)
			i += 2
		case c == 'M' && i < len(text) && text[i] == '^':
			i++
			b = append(b, control()|0x80)
		case c == 's':
			b = append(b, ' ')
		case c == 'E':
			b = append(b, 0x1b)
		default:
			if k := strings.IndexByte("abtnvfr", c); k >= 0 {
				c = byte('\a' + k)
			}
			b = append(b, c)
		}
	}
	return b
}

// looksLikeKdump reports whether one of the first lines is that of an event.
func looksLikeKdump(head []byte) bool {
	for n := 0; len(head) > 0 && n < 20; n++ {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		if m := kdumpLine().FindSubmatch(line[:min(len(line), kdumpHead)]); m != nil {
			tail := line[len(m[0]):]
			switch string(m[6]) {
			case "CALL":
				return bytes.ContainsAny(tail, "(") || len(tail) > 0
			case "RET", "NAMI", "GIO", "EMUL", "STRT", "ARGS", "STRU":
				return true
			}
		}
		head = rest
	}
	return false
}
