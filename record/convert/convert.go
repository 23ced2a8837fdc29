// Package convert reads what other tools, and people, write down of PF_KEY
// messages, as a source of records like a capture.
//
// A Form is one way to write messages down. Sniff tells it from the first bytes of
// a text, NewSource reads it. A source never holds more than one line or statement
// of its text, whose length is bounded, and its errors name the line and, where
// that helps, the column.
package convert

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
	"github.com/pfkeycap/pfkeycap/record/convert/ipseckey"
	"github.com/pfkeycap/pfkeycap/record/convert/ipxfrm"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
)

// Form is the name of a way to write messages down, as users give it.
type Form string

// None is no form that this package reads: a capture, for instance.
const None Form = ""

// form is what there is to know of a Form. Adding one is adding a line to forms.
type form struct {
	name   Form
	about  string                 // one line for people
	looks  func(head []byte) bool // whether the beginning of a text is of this form
	source func(r io.Reader, o Options) record.Source
	// silent forms do not say whose messages they hold: dialect and byte order come
	// from the bytes or the user, and nothing says that a message was heard on a
	// socket.
	silent bool
	// directed forms say all the same which way a message went.
	directed bool
}

var forms = []form{
	{name: JSON, about: "JSON lines, as decode -T json writes them", looks: looksLikeJSON, source: newJSON},
	{name: Hex, about: "hex, one message a line; spaces and # comments are allowed", looks: looksLikeHex, source: newHex, silent: true},
	{name: Setkey, about: "a script for setkey(8): the messages that it would send", looks: setkey.Looks, source: newSetkey},
	{name: Ipseckey, about: "commands for ipseckey(8), as its save writes them: the messages that it would send", looks: ipseckey.Looks, source: newIpseckey},
	{name: IPXfrm, about: "what ip xfrm state and ip xfrm policy print: the messages in which PF_KEY would list the same", looks: ipxfrm.Looks, source: newIPXfrm},
	{name: Kdump, about: "text of kdump(1) -T, on NetBSD and OpenBSD -x too: a ktrace of what programs sent and received", looks: looksLikeKdump, source: newKdump, silent: true, directed: true},
	{name: Truss, about: "a log of truss(1) -f, of FreeBSD with -s 65536, of illumos with -d -rall -wall", looks: looksLikeTruss, source: newTruss, silent: true, directed: true},
	{name: Strace, about: "a log of strace(1) -f -ttt -xx -s 65536: what programs sent and received", looks: looksLikeStrace, source: newStrace},
}

// pattern is a regular expression that is compiled when it is first used: to compile
// all of them takes longer than to decode a small capture.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

func lookup(name Form) (form, bool) {
	for _, f := range forms {
		if f.name == name {
			return f, true
		}
	}
	return form{}, false
}

// Forms returns the names of all forms, in the order in which Sniff tries them.
func Forms() []Form {
	list := make([]Form, len(forms))
	for i, f := range forms {
		list[i] = f.name
	}
	return list
}

// About returns one line of text about a form.
func (f Form) About() string {
	x, _ := lookup(f)
	return x.about
}

// Silent reports whether the form does not say the dialect and byte order of its
// messages, nor that they were heard on a socket.
func (f Form) Silent() bool {
	x, _ := lookup(f)
	return x.silent
}

// Directed reports whether the form says which way its messages went, even if it is
// Silent about whose they are.
func (f Form) Directed() bool {
	x, _ := lookup(f)
	return x.directed || !x.silent
}

// ParseForm returns the form of that name. The error lists the names.
func ParseForm(name string) (Form, error) {
	if f, ok := lookup(Form(name)); ok {
		return f.name, nil
	}
	var names []string
	for _, f := range forms {
		names = append(names, string(f.name))
	}
	return None, fmt.Errorf("%q is not a form that can be read: use %s", name, strings.Join(names, ", "))
}

// SniffLen is how many bytes Sniff wants to see, if there are so many.
const SniffLen = 4096

// Sniff returns the form of a text that begins with head, or None.
func Sniff(head []byte) Form {
	head = trimMark(head)
	if bytes.IndexByte(head, 0) >= 0 { // no text, and most often a capture
		return None
	}
	for _, f := range forms {
		if f.looks(head) {
			return f.name
		}
	}
	return None
}

// Options say how a text is read.
type Options struct {
	// Codec is what the messages are read or made as. Where its Dialect or Order is
	// not set, what the text says counts, then Linux and this machine's order.
	Codec layers.Codec

	// Number is the record number before the first; the first record has Number+1,
	// unless the form has numbers of its own.
	Number uint64
}

// codec fills in what neither the user nor the text says.
func (o Options) codec(msg []byte) layers.Codec {
	c := o.Codec
	if c.Dialect == layers.NoDialect {
		c.Dialect = layers.Linux
	}
	if c.Order == layers.NoOrder {
		c.Order = layers.OrderOf(msg, len(msg))
	}
	if c.Order == layers.NoOrder {
		c.Order = layers.NativeEndian
	}
	return c
}

// NewSource reads messages in a form other than None. The source's errors wrap
// *SyntaxError for a text that cannot be understood, record.ErrDamaged for one that
// cannot be read.
func NewSource(f Form, r io.Reader, o Options) (record.Source, error) {
	x, ok := lookup(f)
	if !ok {
		return nil, fmt.Errorf("%q is not a form that can be read", f)
	}
	return x.source(r, o), nil
}

// SyntaxError says where a text cannot be understood.
type SyntaxError = statement.Error

// trimMark takes away the byte order mark that some editors put before a text.
func trimMark(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\ufeff")) }

// maxLine is more than the longest message takes in hex, or as JSON.
const maxLine = 64 << 20

// lines reads lines of bounded length.
type lines struct {
	s      *bufio.Scanner
	number int // of the line read last
}

func newLines(r io.Reader) lines {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return lines{s: s}
}

// next returns the next line that is not empty, without white space around it. The
// bytes are valid until the next call.
func (l *lines) next() ([]byte, error) {
	for {
		b, err := l.raw()
		if b = bytes.TrimSpace(b); len(b) > 0 || err != nil {
			return b, err
		}
	}
}

// raw returns the next line as it is, valid until the next call.
func (l *lines) raw() ([]byte, error) {
	if l.s.Scan() {
		l.number++
		if l.number == 1 {
			return trimMark(l.s.Bytes()), nil
		}
		return l.s.Bytes(), nil
	}
	if err := l.s.Err(); err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", record.ErrDamaged, l.number+1, err)
	}
	return nil, io.EOF
}

// wrong says what is wrong with the line read last.
func (l *lines) wrong(err error) error { return &SyntaxError{Line: max(1, l.number), Err: err} }
