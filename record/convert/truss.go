package convert

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// Truss is what truss(1) writes: that of FreeBSD, which should be told -f and -s 65536,
// or that of illumos, which should be told -f, -rall and -wall to show more than the
// first twelve octets. Times are those of -d: seconds since the trace began, which
// FreeBSD does not date (it is 1 January 1970 then).
//
// The forms of lines are those of usr.bin/truss/{setup,syscalls}.c of FreeBSD 12 and
// cmd/truss/{main,print,actions,expound}.c of illumos.
const Truss Form = "truss"

type trussSource struct {
	callLog
	base time.Time // of illumos
	dump *trussDump
}

// trussDump is a message of which illumos shows the octets on the lines after the call.
type trussDump struct {
	slot *slot
	t    *thread
	x    transfer
	data []byte
}

func newTruss(r io.Reader, o Options) record.Source {
	s := &trussSource{callLog: newCallLog(r, o, "the log shows no PF_KEY socket: run truss -f from the program's start")}
	s.line, s.end = s.read, s.dumped
	return s
}

var (
	// process and thread: FreeBSD " 413 100123: ", illumos "413/1:\t\t"
	trussThread = pattern(`^ *([0-9]{1,9})(?:[ /]+([0-9]{1,9}))?:[ \t]+`)
	trussTime   = pattern(`^ *([0-9]{1,10})\.([0-9]{4,9})[ \t]+`)
	trussCall   = pattern(`^([a-zA-Z_][a-zA-Z_0-9]*)\(`)
	trussBase   = pattern(`^Base time stamp:  ([0-9]{1,10})\.([0-9]{4}) `)
	// the result, at the end of a line
	trussResult = pattern(`\)[ \t]*(?: *= (-?(?:0x)?[0-9A-Fa-f]{1,18})(?: \(0x[0-9a-f]+\)| \[.*\])?|[ \t]*E(?:RR|rr)#([0-9]{1,3}) .*)[ \t]*\r?$`)
)

const trussHead = 256

func (s *trussSource) read(b []byte) error {
	whole := b
	if m := trussBase().FindSubmatch(b[:min(len(b), trussHead)]); m != nil {
		sec, _ := strconv.ParseInt(string(m[1]), 10, 64) // at most ten digits
		s.base = time.Unix(sec, int64(fraction(m[2])))
		return nil
	}
	id := 0
	if m := trussThread().FindSubmatch(b[:min(len(b), trussHead)]); m != nil {
		id, _ = strconv.Atoi(string(m[1])) // at most nine digits
		b = b[len(m[0]):]
	}
	if s.dump != nil && s.octets(id, whole) {
		return nil
	}
	if err := s.dumped(); err != nil {
		return err
	}
	var at time.Time
	if m := trussTime().FindSubmatch(b[:min(len(b), trussHead)]); m != nil {
		sec, _ := strconv.ParseInt(string(m[1]), 10, 64) // at most ten digits
		base := s.base
		if base.IsZero() {
			base = time.Unix(0, 0)
		}
		at = base.Add(time.Duration(sec)*time.Second + fraction(m[2]))
		b = b[len(m[0]):]
	}
	m := trussCall().FindSubmatch(b[:min(len(b), trussHead)])
	if m == nil {
		return nil
	}
	name, text := string(m[1]), b[len(m[0]):]
	t, err := s.calls.thread(id)
	if err != nil {
		return err
	}
	e := trussResult().FindSubmatchIndex(text)
	if name == "execve" && (e == nil || e[4] < 0) { // it returns in another program
		list, _, _ := straceArgs(string(text))
		if len(list) > 0 && list[0].quoted {
			s.calls.exec(t, string(list[0].data))
		}
		return nil
	}
	if e == nil {
		return nil // interrupted, asleep or its end
	}
	ret, errno := 0, 0
	if e[2] >= 0 {
		n, err := strconv.ParseInt(string(text[e[2]:e[3]]), 0, 64)
		if err != nil || n != int64(int32(n)) {
			return nil // an address
		}
		ret = int(n)
	} else {
		errno, _ = strconv.Atoi(string(text[e[4]:e[5]])) // at most three digits
	}
	args := text[:e[0]]
	switch name {
	case "write", "send", "sendto", "read", "recv", "recvfrom":
		return s.moved(t, name, args, ret, errno, at)
	}
	list, _, _ := straceArgs(string(args) + ")")
	file := ""
	if len(list) > 0 && list[0].quoted {
		file = string(list[0].data)
	}
	if name == "recvmsg" && errno == 0 && len(list) > 0 {
		if fd, ok := list[0].number(); ok && !t.key(fd) {
			t.files.whole = false // it may have been passed a descriptor, which is not shown
		}
	}
	return s.calls.describe(t, name, list, file, ret, errno != 0)
}

// trussData is a descriptor, octets or where they lie, their number, and the rest.
var trussData = pattern(`(?s)^(0x[0-9A-Fa-f]{1,8}|[0-9]{1,9}), ?(?:"(.*)"(\.{2,3})?|(0x[0-9A-Fa-f]+)), ?(0x[0-9A-Fa-f]{1,8}|[0-9]{1,9})((?:, ?[^"]*)?)$`)

// moved reads a call that moved octets.
func (s *trussSource) moved(t *thread, name string, args []byte, ret, errno int, at time.Time) error {
	m := trussData().FindSubmatch(args)
	if m == nil {
		return nil
	}
	number := func(b []byte) int {
		n, _ := strconv.ParseInt(string(b), 0, 64) // at most nine digits
		return int(n)
	}
	x := transfer{fd: number(m[1]), time: at, write: name == "write" || strings.HasPrefix(name, "send"), n: ret}
	if !t.key(x.fd) && !t.foreign(x.fd) || !x.write && (errno != 0 || ret <= 0) {
		return nil
	}
	const peek = 2 // MSG_PEEK of FreeBSD and illumos
	if flags, _, _ := bytes.Cut(bytes.TrimLeft(m[6], ", "), []byte(",")); !x.write && (number(flags)&peek != 0 || bytes.Contains(flags, []byte("MSG_PEEK"))) {
		return nil // it is read again
	}
	switch size := number(m[5]); {
	case !x.write:
		x.room = size
	case errno != 0:
		x.n, x.errno = size, uint8(min(errno, 255))
	}
	// illumos has a space before every argument, and two characters for every octet.
	illumos := bytes.HasPrefix(args[len(m[1]):], []byte(", "))
	d := &trussDump{slot: s.calls.reserve(), t: t, x: x}
	switch {
	case m[4] != nil:
	case illumos:
		d.data, _ = trussOctets(m[2])
	default:
		d.data = unvis(m[2])
	}
	if !illumos || errno != 0 {
		s.dump = d
		return s.dumped()
	}
	d.x.data = d.data // if no more is shown
	d.data = nil
	s.dump = d
	return nil
}

// octets reads a line of -r or -w. ok is false if it is none.
func (s *trussSource) octets(id int, line []byte) (ok bool) {
	d := s.dump
	if m := trussThread().Find(line); m != nil {
		// What stands before the octets is the thread, a tab or two, and two spaces.
		line = line[len(m):]
		if id != d.t.pid {
			return false
		}
		if want := 2 * min(32, d.x.n-len(d.data)); len(line) < want {
			// The expression took spaces that belong to the octets.
			line = append(bytes.Repeat([]byte(" "), want-len(line)), line...)
		}
	} else if line, ok = bytes.CutPrefix(line, []byte("  ")); !ok {
		return false
	}
	line = bytes.TrimRight(line, "\r")
	want := 2 * min(32, d.x.n-len(d.data))
	if want == 0 || len(line) != want {
		return false
	}
	b, ok := trussOctets(line)
	if ok {
		d.data = append(d.data, b...)
	}
	return ok
}

// trussOctets reads two characters for each octet: a space and a letter, a backslash
// and what C has for it, or two hex digits.
func trussOctets(text []byte) (b []byte, ok bool) {
	for ; len(text) >= 2; text = text[2:] {
		switch c := text[1]; text[0] {
		case ' ':
			b = append(b, c)
		case '\\':
			k := bytes.IndexByte([]byte("0......abtnvfr"), c)
			if k < 0 || c == '.' {
				return b, false
			}
			b = append(b, byte(k))
		default:
			var x [1]byte
			if _, err := hex.Decode(x[:], text[:2]); err != nil {
				return b, false
			}
			b = append(b, x[0])
		}
	}
	return b, len(text) == 0
}

// dumped makes the record of a message whose last line was read.
func (s *trussSource) dumped() error {
	d := s.dump
	if d == nil {
		return nil
	}
	s.dump = nil
	defer s.calls.finish(d.slot)
	if d.data != nil {
		d.x.data = d.data
	}
	if d.x.n <= 0 {
		return nil
	}
	if len(d.x.data) == 0 {
		if !d.t.key(d.x.fd) || d.x.errno != 0 {
			return nil
		}
		return errors.New("the log does not show the bytes of this message: run truss of FreeBSD with -s 65536, that of illumos with -rall -wall")
	}
	return s.calls.move(d.slot, d.t, d.x)
}

// trussLine is a call as truss writes it: FreeBSD gives results in hex too and errors a
// number, illumos has tabs before results.
var trussLine = pattern(`^(?: *[0-9]+(?:[ /]+[0-9]+)?:[ \t]+)?(?: *[0-9]+\.[0-9]{4,9}[ \t]+)?[a-zA-Z_][a-zA-Z_0-9]*\(.*\)(?:[ \t]*= -?[0-9]+ \(0x[0-9a-f]+\)|[ \t]* E(?:RR|rr)#[0-9]+ .*|[ \t]*\tE(?:RR|rr)#[0-9]+ .*|\t+= -?(?:0x)?[0-9A-F]+(?: \[.*\])?|  argc = [0-9]+)[ \t]*\r?$`)

// looksLikeTruss reports whether one of the first lines is a call with its result.
func looksLikeTruss(head []byte) bool {
	for n := 0; len(head) > 0 && n < 20; n++ {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		if trussBase().Match(line) || trussLine().Match(line) {
			return true
		}
		head = rest
	}
	return false
}
