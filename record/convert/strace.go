package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// Strace is what strace(1) of Linux writes: what programs sent to and received from
// their PF_KEY sockets. It should be told -f, -xx, -s 65536 and, for times, -ttt. Of
// -tt, which gives a time of day, and -r, which gives differences, the date is
// 1 January 1970.
const Strace Form = "strace"

// straceSource follows the descriptors of the processes in the log (see calls) and
// takes the messages out of what is shown of each call.
type straceSource struct {
	callLog
	begun  map[int]*begun // calls that have not ended, by thread
	bytes  int            // of their text
	clock  time.Time      // of the last line, where the log gives differences or times of day
	errnos map[string]uint8

	// Without -o strace leaves out the number of the first process while there is no
	// other. Such lines count as those of thread 0.
	first     int          // the first process, once it is known
	announced map[int]bool // threads that strace has attached to
}

// begun is a call whose end is on another line.
type begun struct {
	name string
	text string
	time time.Time
	slot *slot
}

func newStrace(r io.Reader, o Options) record.Source {
	s := &straceSource{
		callLog: newCallLog(r, o, "the log shows no PF_KEY socket: run strace -f from the program's start, with socket, read, write, sendmsg and recvmsg among what -e trace= lists"),
		begun:   map[int]*begun{}, errnos: map[string]uint8{}, announced: map[int]bool{},
	}
	s.line, s.end = s.read, s.last
	s.calls.codec.Dialect = layers.Linux
	for n := range uint8(255) {
		if name := layers.Linux.ErrnoName(n); name != "" {
			s.errnos[name] = n
		}
	}
	return s
}

// last shows writes that did not end: they may have been the last thing that a kernel
// heard.
func (s *straceSource) last() error {
	for _, b := range s.begun {
		if b.slot != nil {
			b.slot.open = false
		}
	}
	return nil
}

var (
	// who makes the call, and the name of its thread (-Y)
	straceThread = pattern(`^(?:\[pid +([0-9]{1,9})(?:<([^>]*)>)?\] |([0-9]{1,9})(?:<([^>]*)>)? +)`)
	// when: a time of day, or seconds
	straceTime     = pattern(`^(?:([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?|([0-9]{1,10})\.([0-9]{1,9}))(?: \(\+ *[0-9.]+\))? +`)
	straceCall     = pattern(`^([a-z_][a-z_0-9]*)\(`)
	straceAttached = pattern(`^(?:strace: )?Process ([0-9]{1,9}) attached`)
	straceMore     = pattern(`^<\.\.\. ([a-z_][a-z_0-9]*) resumed> ?`)
)

const straceHead = 512 // no line has more before its call

// read reads one line. What is no call, like the output of the program that is
// traced, is passed over.
func (s *straceSource) read(b []byte) error {
	b = bytes.TrimSpace(b)
	head := b[:min(len(b), straceHead)]
	id, name := 0, ""
	if m := straceThread().FindSubmatchIndex(head); m != nil {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return string(head[m[2*i]:m[2*i+1]])
		}
		id, _ = strconv.Atoi(part(1) + part(3)) // at most nine digits
		name = unescape(part(2) + part(4))
		b = bytes.TrimLeft(b[m[1]:], " ")
		head = b[:min(len(b), straceHead)]
		id = s.number(id)
	}
	if m := straceAttached().FindSubmatch(head); m != nil {
		if n, _ := strconv.Atoi(string(m[1])); len(s.announced) < maxThreads {
			s.announced[n] = true
		}
		return nil
	}
	var at time.Time
	if m := straceTime().FindSubmatch(head); m != nil {
		at = s.time(m)
		b = b[len(m[0]):]
		head = b[:min(len(b), straceHead)]
	}
	if bytes.HasPrefix(head, []byte("+++ ")) { // exited or killed
		s.calls.exit(id)
		s.forget(id)
		return nil
	}
	if m := straceMore().FindSubmatch(head); m != nil {
		u := s.begun[id]
		if u == nil || u.name != string(m[1]) {
			return nil
		}
		text := u.text + string(b[len(m[0]):])
		s.forget(id)
		if u.slot != nil {
			at = u.time
		}
		return s.call(id, name, u.name, text, at, u.slot)
	}
	m := straceCall().FindSubmatch(head)
	if m == nil || !straceKnown[string(m[1])] {
		return nil
	}
	text := string(b[len(m[0]):])
	if begin, ok := strings.CutSuffix(text, "<unfinished ...>"); ok {
		return s.begin(id, name, string(m[1]), strings.TrimRight(begin, " "), at)
	}
	return s.call(id, name, string(m[1]), text, at, nil)
}

// number returns the number under which a thread is known here.
func (s *straceSource) number(id int) int {
	zero := s.calls.threads[0]
	if zero != nil && s.first == 0 && s.calls.threads[id] == nil && !s.announced[id] {
		s.first = id
		zero.pid = id
		s.calls.name(id, s.calls.names[0])
	}
	if id == s.first {
		return 0
	}
	return id
}

func (s *straceSource) forget(id int) {
	if u := s.begun[id]; u != nil {
		s.bytes -= len(u.text)
		delete(s.begun, id)
	}
}

// time returns the time of a line.
func (s *straceSource) time(m [][]byte) time.Time {
	if len(m[1]) > 0 {
		d := time.Duration(0)
		for i, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
			n, _ := strconv.Atoi(string(m[i+1])) // two digits
			d += time.Duration(n) * unit
		}
		if len(m[4]) > 0 {
			d += fraction(m[4][1:])
		}
		t := time.Date(1970, 1, 1, 0, 0, 0, 0, time.Local).Add(d)
		for t.Before(s.clock.Add(-12 * time.Hour)) {
			t = t.AddDate(0, 0, 1) // midnight has passed
		}
		s.clock = t
		return t
	}
	n, _ := strconv.ParseInt(string(m[5]), 10, 64) // at most ten digits
	d := time.Duration(n)*time.Second + fraction(m[6])
	if n >= 100_000_000 { // seconds since 1970; no difference is three years
		return time.Unix(0, 0).Add(d)
	}
	if s.clock.IsZero() {
		s.clock = time.Unix(0, 0)
	}
	s.clock = s.clock.Add(d)
	return s.clock
}

// straceKnown are the calls that matter.
var straceKnown = map[string]bool{
	"socket": true, "socketpair": true, "open": true, "openat": true, "openat2": true, "creat": true, "pipe": true, "pipe2": true, "accept": true, "accept4": true, "eventfd2": true, "epoll_create1": true,
	"close": true, "close_range": true, "dup": true, "dup2": true, "dup3": true, "fcntl": true, "fcntl64": true,
	"fork": true, "vfork": true, "clone": true, "clone3": true, "execve": true, "execveat": true,
	"write": true, "writev": true, "send": true, "sendto": true, "sendmsg": true, "sendmmsg": true,
	"read": true, "readv": true, "recv": true, "recvfrom": true, "recvmsg": true, "recvmmsg": true, "recvmmsg_time64": true,
}

// begin keeps the beginning of a call. A write takes its place in the order now: its
// answers can be read before the log says that it ended.
func (s *straceSource) begin(id int, thread, name, text string, at time.Time) error {
	t, err := s.thread(id, thread)
	if err != nil {
		return err
	}
	s.forget(id)
	if s.bytes += len(text); s.bytes > maxHeld || len(s.begun) >= maxThreads {
		return fmt.Errorf("too many calls that do not end")
	}
	u := &begun{name: name, text: text, time: at}
	s.begun[id] = u
	args, _, _ := straceArgs(text)
	if len(args) == 0 {
		return nil
	}
	fd, ok := args[0].fd()
	switch name {
	case "write", "writev", "send", "sendto", "sendmsg", "sendmmsg":
		if !ok || !t.key(fd) && !t.foreign(fd) {
			if name == "sendmsg" {
				s.rights(t, args, true) // may be received before this ends
			}
			return nil
		}
		u.slot = s.calls.reserve()
		if t.key(fd) {
			// What is shown if the call never ends.
			if err := s.transfers(t, name, args, straceResult{ret: -1, none: true}, at, u.slot); err != nil {
				return err
			}
		}
	}
	return nil
}

// thread returns who makes a call. One that is unknown was made by a call that is
// still under way, if there is one.
func (s *straceSource) thread(id int, name string) (*thread, error) {
	if s.calls.threads[id] == nil {
		for parent, u := range s.begun {
			if u.name == "fork" || u.name == "vfork" || u.name == "clone" || u.name == "clone3" {
				if err := s.fork(s.calls.threads[parent], u.name, u.text, id); err != nil {
					return nil, err
				}
				break
			}
		}
	}
	t, err := s.calls.thread(id)
	if err == nil && name != "" {
		s.calls.name(t.pid, name)
	}
	return t, err
}

func (s *straceSource) fork(t *thread, name, text string, child int) error {
	cloned := strings.HasPrefix(name, "clone")
	return s.calls.fork(t, child, !cloned || !strings.Contains(text, "CLONE_THREAD"), cloned && strings.Contains(text, "CLONE_FILES"))
}

// straceResult is what stands behind the "=" of a call.
type straceResult struct {
	ret   int
	errno string
	none  bool // no result, or none that is a number
}

func parseStraceResult(text string) (r straceResult, ok bool) {
	text, ok = strings.CutPrefix(strings.TrimLeft(text, " "), "= ")
	if !ok {
		return r, false
	}
	word, rest, _ := strings.Cut(text, " ")
	number, _, _ := strings.Cut(word, "<")
	n, err := strconv.ParseInt(number, 0, 32)
	if err != nil {
		return straceResult{none: true}, true
	}
	r.ret = int(n)
	if n < 0 {
		r.errno, _, _ = strings.Cut(rest, " ")
	}
	return r, true
}

// call reads a whole call.
func (s *straceSource) call(id int, thread, name, text string, at time.Time, place *slot) error {
	if place != nil {
		for i := range place.recs {
			s.calls.held -= len(place.recs[i].Data)
		}
		place.recs = place.recs[:0]
		defer s.calls.finish(place)
	}
	t, err := s.thread(id, thread)
	if err != nil {
		return err
	}
	args, rest, ok := straceArgs(text)
	if !ok {
		return nil
	}
	r, ok := parseStraceResult(rest)
	if !ok {
		return nil
	}
	fd, isFD := 0, false
	if len(args) > 0 {
		fd, isFD = args[0].fd()
	}
	switch name {
	case "write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "read", "readv", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64":
		if !isFD {
			return nil
		}
		if args[0].decorated("KEY") && !t.key(fd) { // -yy names the protocol
			if err := s.calls.opened(t, fd, false); err != nil {
				return err
			}
		}
		if !r.none && r.ret >= 0 && (name == "sendmsg" && place == nil || name == "recvmsg") {
			if err := s.rights(t, args, name == "sendmsg"); err != nil {
				return err
			}
		}
		if !t.key(fd) && !t.foreign(fd) {
			return nil
		}
		if place == nil {
			place = s.calls.reserve()
			defer s.calls.finish(place)
		}
		return s.transfers(t, name, args, r, at, place)
	case "fork", "vfork", "clone", "clone3":
		if !r.none && r.ret > 0 {
			return s.fork(t, name, text, r.ret)
		}
		return nil
	case "execve", "execveat":
		if !r.none && r.ret == 0 {
			file := ""
			for _, a := range args {
				if a.quoted {
					file = string(a.data)
					break
				}
			}
			s.calls.exec(t, file)
		}
		return nil
	case "close":
		if isFD {
			s.calls.close(t, fd)
		}
		return nil
	}
	if r.none || r.ret < 0 {
		return nil
	}
	switch name {
	case "socket":
		if len(args) > 1 && (args[0].word == "AF_KEY" || args[0].word == "PF_KEY" || args[0].word == "0xf" || args[0].word == "15") {
			return s.calls.opened(t, r.ret, strings.Contains(args[1].word, "SOCK_CLOEXEC"))
		}
		s.calls.is(t, r.ret)
	case "dup":
		if isFD {
			return s.calls.dup(t, fd, r.ret, false)
		}
	case "dup2", "dup3":
		if isFD && fd != r.ret {
			return s.calls.dup(t, fd, r.ret, len(args) > 2 && strings.Contains(args[2].word, "O_CLOEXEC"))
		}
	case "fcntl", "fcntl64":
		switch {
		case !isFD || len(args) < 2:
		case args[1].word == "F_DUPFD" || args[1].word == "F_DUPFD_CLOEXEC":
			return s.calls.dup(t, fd, r.ret, args[1].word == "F_DUPFD_CLOEXEC")
		case args[1].word == "F_SETFD" && len(args) > 2 && t.key(fd):
			return s.calls.put(t.files, fd, descriptor{t.files.key[fd].s, strings.Contains(args[2].word, "FD_CLOEXEC")})
		}
	case "close_range":
		last, ok := fd, false
		if len(args) > 2 && !strings.Contains(args[2].word, "CLOEXEC") {
			if last, ok = args[1].fd(); !ok {
				last = 1<<31 - 1
			}
			for open := range t.files.key {
				if isFD && open >= fd && open <= last {
					s.calls.close(t, open)
				}
			}
		}
	case "socketpair", "pipe", "pipe2":
		for _, a := range args {
			if a.kind == '[' {
				for _, x := range a.list {
					if n, ok := x.fd(); ok {
						s.calls.is(t, n)
					}
				}
			}
		}
	default: // it makes a descriptor
		s.calls.is(t, r.ret)
	}
	return nil
}

// rights follows descriptors that are passed to other processes.
func (s *straceSource) rights(t *thread, args []straceValue, send bool) error {
	if len(args) < 2 {
		return nil
	}
	for _, c := range args[1].member("msg_control").list {
		if c.member("cmsg_type").word != "SCM_RIGHTS" {
			continue
		}
		var fds []int
		for _, x := range c.member("cmsg_data").list {
			if n, ok := x.fd(); ok {
				fds = append(fds, n)
			}
		}
		data, _, _ := args[1].member("msg_iov").gather()
		if send {
			s.calls.pass(t, data, fds)
		} else if err := s.calls.take(t, data, fds); err != nil {
			return err
		}
	}
	return nil
}

// transfers makes the records of a call that moved messages. Without a result it is
// one that did not end.
func (s *straceSource) transfers(t *thread, name string, args []straceValue, r straceResult, at time.Time, place *slot) error {
	if len(args) < 2 {
		return nil
	}
	x := transfer{time: at, write: name[0] == 'w' || name[0] == 's'}
	x.fd, _ = args[0].fd()
	flags := ""
	switch name {
	case "send", "sendto", "recv", "recvfrom", "sendmmsg", "recvmmsg", "recvmmsg_time64":
		if len(args) > 3 {
			flags = args[3].word
		}
	case "sendmsg", "recvmsg":
		if len(args) > 2 {
			flags = args[2].word
		}
	}
	if strings.Contains(flags, "MSG_PEEK") {
		return nil // it is read again
	}
	under := r.none && r.ret < 0 // way
	switch {
	case under:
		x.note = "the log does not say how this call ended"
	case r.none:
		return nil // interrupted, and begun again later
	case r.ret < 0 && !x.write:
		return nil
	case r.ret < 0:
		if x.errno = s.errnos[r.errno]; x.errno == 0 {
			x.note = "write failed: " + r.errno
		}
	}
	many := strings.HasSuffix(name, "mmsg") || strings.HasSuffix(name, "_time64")
	if !many {
		var data []byte
		var shown bool
		switch v := args[1]; {
		case v.quoted:
			data, x.n, shown = v.data, len(v.data), true
			if len(args) > 2 && !strings.HasSuffix(name, "msg") {
				if n, ok := args[2].number(); ok {
					x.room = n
					if x.write {
						x.n = n
					}
				}
			}
		case v.kind == '[': // writev, readv
			data, x.n, shown = v.gather()
		case v.kind == '{':
			data, x.n, shown = v.member("msg_iov").gather()
			if strings.Contains(v.member("msg_flags").word, "MSG_TRUNC") && r.ret >= 0 {
				x.room = r.ret
			}
		}
		if !x.write {
			x.n = r.ret
		} else if r.ret >= 0 && !under {
			x.n = r.ret
		}
		if x.n == 0 {
			return nil
		}
		if !shown {
			return s.hidden(t, x)
		}
		x.data = data
		return s.calls.move(place, t, x)
	}
	count := len(args[1].list)
	if r.ret >= 0 && !under {
		count = min(count, r.ret)
	} else {
		count = min(count, 1) // the first is the one that failed
	}
	for _, m := range args[1].list[:count] {
		y := x
		var shown bool
		h := m.member("msg_hdr")
		y.data, y.n, shown = h.member("msg_iov").gather()
		if n, ok := m.member("msg_len").number(); ok && (!under && r.ret >= 0) {
			y.n = n
		}
		if strings.Contains(h.member("msg_flags").word, "MSG_TRUNC") {
			y.room = y.n
		}
		if y.n == 0 {
			continue
		}
		if !shown {
			return s.hidden(t, y)
		}
		if err := s.calls.move(place, t, y); err != nil {
			return err
		}
	}
	return nil
}

// hidden is the error for a message that the log does not show. A write from memory
// that is not there never was a message.
func (s *straceSource) hidden(t *thread, x transfer) error {
	if !t.key(x.fd) || x.errno != 0 {
		return nil
	}
	return errors.New("the log does not show the bytes of this message: run strace with -xx -s 65536 and without -e raw")
}

// straceValue is an argument, a member of a structure or an element of an array.
type straceValue struct {
	name   string // of a member
	kind   byte   // '[' array, '{' structure, 0 else
	word   string // what it is, without what -y adds, if it is none of these
	added  string // what -y adds to a descriptor
	quoted bool
	data   []byte // of a string
	cut    bool   // strace left out the string's end
	list   []straceValue
}

// fd returns the number of a descriptor.
func (v *straceValue) fd() (int, bool) { return v.number() }

func (v *straceValue) number() (int, bool) {
	n, err := strconv.ParseInt(v.word, 0, 32)
	return int(n), err == nil && n >= 0
}

// decorated reports whether -yy says that a descriptor is a socket of that protocol.
func (v *straceValue) decorated(protocol string) bool {
	return strings.HasPrefix(v.added, protocol+":[") || strings.HasPrefix(v.added, "PF_"+protocol+":[")
}

func (v *straceValue) member(name string) *straceValue {
	for i := range v.list {
		if v.list[i].name == name {
			return &v.list[i]
		}
	}
	return &straceValue{}
}

// gather joins the parts of an array of struct iovec: the octets up to where strace
// left some out, the length of all, and whether any were shown.
func (v *straceValue) gather() (data []byte, n int, shown bool) {
	cut := false
	for _, p := range v.list {
		if p.kind != '{' && p.kind != '[' || len(p.list) == 0 {
			continue
		}
		base := &p.list[0] // iov_base; old versions name neither
		if base.quoted {
			if !cut {
				data, shown = append(data, base.data...), true
			}
			cut = cut || base.cut
		}
		length := len(base.data)
		if len(p.list) > 1 {
			if k, ok := p.list[1].number(); ok {
				length = k
			}
		}
		n += max(length, 0)
	}
	return data, n, shown
}

// straceArgs reads arguments up to the parenthesis that closes them. whole is false if
// there is none; args are then those that are there.
func straceArgs(text string) (args []straceValue, rest string, whole bool) {
	p := straceParser{text: text}
	args = p.list(')', 0)
	return args, p.text, p.closed
}

type straceParser struct {
	text   string
	closed bool // the list read last ended as it should
}

const straceDepth = 16 // structures in one another

func (p *straceParser) list(end byte, depth int) (list []straceValue) {
	for {
		p.text = strings.TrimLeft(p.text, " ")
		if p.text == "" {
			p.closed = false
			return list
		}
		switch c := p.text[0]; {
		case c == end:
			p.text, p.closed = p.text[1:], true
			return list
		case c == ',':
			p.text = p.text[1:]
		case depth == straceDepth, c == ')' || c == ']' || c == '}':
			p.text, p.closed = "", false
			return list
		default:
			list = append(list, p.value(depth))
		}
	}
}

var straceName = pattern(`^([a-z_][a-z_0-9]*)(?:\([0-9]+\))?=`)

func (p *straceParser) value(depth int) (v straceValue) {
	if m := straceName().FindStringSubmatch(p.text[:min(len(p.text), 64)]); m != nil {
		v.name = m[1]
		p.text = p.text[len(m[0]):]
	}
	if p.text == "" {
		return v
	}
	switch c := p.text[0]; c {
	case '"':
		v.quoted = true
		v.data, p.text = straceString(p.text[1:])
		if rest, ok := strings.CutPrefix(p.text, "..."); ok {
			v.cut, p.text = true, rest
		}
	case '{', '[':
		v.kind = c
		p.text = p.text[1:]
		v.list = p.list(map[byte]byte{'{': '}', '[': ']'}[c], depth+1)
	}
	n := straceSkip(p.text)
	word := strings.TrimSpace(p.text[:n])
	p.text = p.text[n:]
	if v.kind == 0 && !v.quoted {
		if i := strings.IndexByte(word, '<'); i > 0 && strings.HasSuffix(word, ">") {
			word, v.added = word[:i], unescape(word[i+1:len(word)-1])
		}
		v.word = word
	}
	return v
}

// straceSkip returns where what belongs to a value ends: at a comma or a bracket that
// closes what is around it.
func straceSkip(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '<': // -y: a path or an address
			if i > 0 && text[i-1] != ' ' && text[i-1] != '<' {
				for i++; i < len(text) && (text[i] != '>' || text[i-1] == '-'); i++ {
				}
			}
		}
	}
	return len(text)
}

// straceString reads a string up to the quote that ends it, in strace's own escapes:
// \xHH of -xx, octal numbers and letters without it.
func straceString(text string) (data []byte, rest string) {
	if end := strings.IndexByte(text, '"'); end >= 0 && strings.HasPrefix(text, `\x`) {
		data = make([]byte, 0, end/4) // -xx
	}
	for i := 0; i < len(text); {
		c := text[i]
		i++
		switch {
		case c == '"':
			return data, text[i:]
		case c != '\\' || i == len(text):
			data = append(data, c)
			continue
		}
		c = text[i]
		i++
		switch {
		case c == 'x' && i+2 <= len(text):
			n, err := strconv.ParseUint(text[i:i+2], 16, 8)
			if err != nil {
				return data, text[i:]
			}
			data = append(data, byte(n))
			i += 2
		case c >= '0' && c <= '7':
			var n byte
			n, i = octal(text, i-1)
			data = append(data, n)
		default:
			if k := strings.IndexByte("abtnvfr", c); k >= 0 {
				c = byte('\a' + k)
			}
			data = append(data, c)
		}
	}
	return data, ""
}

// unescape reads what -xx makes of names.
func unescape(name string) string {
	if !strings.Contains(name, `\`) {
		return name
	}
	b, _ := straceString(name)
	return string(b)
}

// looksLikeStrace reports whether one of the first lines is a call with its result, or
// the beginning of one, as strace writes them.
func looksLikeStrace(head []byte) bool {
	for n := 0; len(head) > 0 && n < 20; n++ {
		line, rest, whole := bytes.Cut(head, []byte("\n"))
		head = rest
		line = bytes.TrimSpace(line)
		if m := straceThread().Find(line); m != nil {
			line = bytes.TrimLeft(line[len(m):], " ")
		}
		line = line[len(straceTime().Find(line)):]
		m := straceCall().Find(line)
		if m == nil {
			continue
		}
		args, tail, closed := straceArgs(string(line[len(m):]))
		switch {
		case !closed && (!whole || bytes.HasSuffix(line, []byte("<unfinished ...>"))):
			return len(args) > 0
		case closed && straceEnd().MatchString(tail):
			return true
		}
	}
	return false
}

// straceEnd is what stands behind a call. (truss of FreeBSD adds the result in hex,
// truss of illumos a tab and no name in parentheses.)
var straceEnd = pattern(`^ *= (?:-1 E[A-Z0-9]+ \(|\?$|-?[0-9]+(?:<[^>]*>)?(?: \([a-z]+ [^)]*\))?(?: <[0-9.]+>)?$|0x[0-9a-f]+(?: \([a-z]+ [^)]*\))?$)`)
