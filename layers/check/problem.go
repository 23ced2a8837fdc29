package check

import (
	"strconv"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Severity tells how bad a problem is.
type Severity uint8

// The severities.
const (
	Note    Severity = iota // allowed, but it does not do what it may seem to do
	Warning                 // allowed, and probably a mistake
	Error                   // against the rules; the message is refused or makes no sense
)

// String returns "note", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	}
	return "error"
}

// Direction says which way a message goes. Its values are those of package
// record's type of the same name.
type Direction uint8

// The directions. Of a message whose direction is unknown only what holds both
// ways is judged.
const (
	Unknown Direction = iota
	FromKernel
	ToKernel
)

// Problem is one objection to a message.
type Problem struct {
	Code     string // of the rule, such as "key-overrun"
	Severity Severity
	Errno    uint8 // the kernel's answer, an error number of its system; 0: accepted nevertheless
	ByWrite  bool  // write(2) itself fails, and nothing is delivered to anybody

	// Diagnostic is what illumos puts into sadb_msg_reserved of its refusal; names
	// are in layers.EnumDiagnostic. 0: none, as everywhere else.
	Diagnostic uint16

	Offset  int    // bytes from the start of the message
	Len     int    // bytes concerned; 0 if something is missing
	Ext     string // name of the extension, or "" for the message header
	Text    string // what is wrong; begins with "missing" if Len is 0 and Ext is set
	Instead string // what would work
	Source  string // where the rule is from

	rule *Rule
}

// String returns the place and what is wrong there, for example
// "KEY_AUTH@56: 160 bits need 28 bytes, the extension has 24" or "KEY_AUTH
// missing: every AH SA needs it". Problems of the header have no place.
func (p *Problem) String() string {
	switch {
	case p.Ext == "":
		return p.Text
	case p.Len == 0:
		return p.Ext + " " + p.Text
	}
	return p.Ext + "@" + strconv.Itoa(p.Offset) + ": " + p.Text
}

// checker holds a message while it is judged.
type checker struct {
	by     *kernel
	m      layers.Message
	msg    []byte
	found  []Problem
	seen   kinds                  // every known kind in the message, also if short or broken
	ask    bool                   // it goes to a kernel, whose errno counts
	sender uint32                 // pid of the process that sent the request, 0: not known
	traits *Traits                // of the kernel, if they are known
	moves  [maxRequests]migration // the pairs of a Linux MIGRATE
	nmoves int
	base   int // offset of the message in the record, for one inside a wrapper

	// While RFC walks the fields.
	ext     string
	minBits uint64
}

var checkers = sync.Pool{New: func() any { return new(checker) }}

func newChecker(by *kernel, c layers.Codec, msg []byte, dir Direction) *checker {
	k := checkers.Get().(*checker)
	if by.dialect != layers.RFC2367 {
		c.Dialect = by.dialect
	}
	k.by, k.m.Codec, k.msg, k.ask = by, c, msg, dir == ToKernel
	// What it returns is in k.m.RestReason, too.
	_ = k.m.DecodeFromBytes(msg, nil)
	if k.m.Inner != nil && (by.inner == nil || by.dialect != layers.RFC2367 && dir == ToKernel) {
		// The kernel reads the message inside as extensions. Any type that is not
		// X_PROMISC makes our decoder do the same.
		plain := append([]byte(nil), msg...)
		plain[1] = 0
		_ = k.m.DecodeFromBytes(plain, nil)
		k.m.Type = layers.PROMISC
	}
	return k
}

// free gives k back and returns what it found.
func (k *checker) free() []Problem {
	p := k.found
	_ = k.m.DecodeFromBytes(nil, nil)
	k.by, k.msg, k.found, k.seen, k.sender, k.base, k.ext, k.traits, k.nmoves = nil, nil, nil, 0, 0, 0, "", nil, 0
	checkers.Put(k)
	return p
}

func (k *checker) has(set kinds) bool { return k.seen&set == set }

// report adds a problem with length bytes at off, if the kernel has such a rule.
func (k *checker) report(id code, ext string, off, length int, text string) {
	r := k.by.rule(id)
	if r == nil {
		return
	}
	p := Problem{
		Code: r.Code, Severity: r.Severity,
		Offset: k.base + off, Len: length, Ext: ext,
		Text: text, Instead: r.Instead, Source: r.Source, rule: r,
	}
	if k.ask {
		p.Errno, p.ByWrite = r.Errno, r.ByWrite
	}
	k.found = append(k.found, p)
}

// header reports a problem with length bytes of the message header.
func (k *checker) header(id code, off, length int, text string) {
	k.report(id, "", off, length, text)
}

// extension reports a problem with an extension.
func (k *checker) extension(id code, h *layers.Header, text string) {
	k.report(id, h.Name(), int(h.Offset), len(h.Contents), text)
}

// number writes a number with its name in the dialect, as 12(AESCBC).
func (k *checker) number(e layers.Enum, v uint64) string {
	s := strconv.FormatUint(v, 10)
	if n := k.m.Codec.Dialect.EnumName(e, v); n != "" {
		s += "(" + n + ")"
	}
	return s
}
