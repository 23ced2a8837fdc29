package check

import (
	"slices"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
)

// kernel is how one system judges messages, as data and functions. RFC 2367 is
// one of them, which has no errnos.
type kernel struct {
	dialect layers.Dialect

	// rules are all objections the kernel has; what it has no rule for is not
	// reported, so that systems with common ancestors can share functions. Code,
	// Dialect, Text and Instead are filled in from objections, and a rule with an
	// Errno is an Error.
	rules []Rule

	// judge reports what the kernel objects to in k.m, which has been decoded with
	// its dialect, in the order in which the kernel finds it.
	judge func(k *checker, dir Direction)

	// inner gives the direction of a message in an X_PROMISC wrapper that the
	// kernel sent; a request's sender is the outer sadb_msg_seq. Without it there
	// are no wrappers: then, and in every request, the inner header is read as an
	// extension, as all kernels do.
	inner func(outer *layers.Message) Direction

	echoes bool // a refusal is the request with the errno put in, not the header alone

	silent func(k *checker) bool // if it accepts the message, nothing is sent in answer; nil: never

	outcomes map[uint8][]outcome // answers that the bytes of a request do not tell, by message type
	always   []outcome           // of them, what may come whatever the message
	preempts map[uint8][]uint8   // answers that may come before the kernel finds a problem, besides always

	mayAnswer, mayPreempt map[uint8][]uint8 // Verdict.Possible, made from the above
	alwaysErrnos          []uint8

	family *kame     // that rules, outcomes and preempts are made by; nil if they are written down
	filled sync.Once // by kernelOf
}

// kernels are the systems whose rules are known, as they are written down.
var kernels = [256]*kernel{
	layers.RFC2367:   &rfcKernel,
	layers.Linux:     &linuxKernel,
	layers.FreeBSD:   freeBSDKernel,
	layers.NetBSD:    netBSDKernel,
	layers.OpenBSD:   &openBSDKernel,
	layers.MacOS:     macOSKernel,
	layers.Illumos:   &illumosKernel,
	layers.DragonFly: dragonFlyKernel,
}

// kernelOf returns a system whose rules are known, or nil. What is written down of it
// is completed when it is first asked for, since few programs ask for any.
func kernelOf(d layers.Dialect) *kernel {
	s := kernels[d]
	if s != nil {
		s.filled.Do(s.fill)
	}
	return s
}

// fill completes what is written down about a kernel.
func (s *kernel) fill() {
	if s.family != nil {
		s.rules, s.outcomes, s.preempts = s.family.rules(), s.family.outcomes(), s.family.preempts()
	}
	for i := range s.rules {
		r := &s.rules[i]
		o := &objections[r.id]
		r.Dialect, r.Code = s.dialect, o.code
		if r.Text == "" {
			r.Text = o.text
		}
		if r.Instead == "" {
			r.Instead = o.instead
		}
		if r.Errno != 0 {
			r.Severity = Error
		}
	}
	s.mayAnswer, s.mayPreempt = map[uint8][]uint8{}, map[uint8][]uint8{}
	s.alwaysErrnos = addErrnos(nil, s.always)
	for t, list := range s.outcomes {
		s.mayAnswer[t] = addErrnos(addErrnos(nil, list), s.always)
	}
	for t, list := range s.preempts {
		s.mayPreempt[t] = append(list[:len(list):len(list)], s.alwaysErrnos...)
	}
}

// addErrnos adds the errnos of outcomes that are not in the list yet.
func addErrnos(list []uint8, outcomes []outcome) []uint8 {
	for _, o := range outcomes {
		if !contains(list, o.errno) {
			list = append(list, o.errno)
		}
	}
	return list
}

// possible returns the errnos that may come instead of an answer: a refusal, or a
// success.
func (s *kernel) possible(msgType uint8, refused bool) []uint8 {
	table := s.mayAnswer
	if refused {
		table = s.mayPreempt
	}
	if list, ok := table[msgType]; ok {
		return list
	}
	return s.alwaysErrnos
}

// rule returns the kernel's rule of a code, or nil.
func (s *kernel) rule(id code) *Rule {
	for i := range s.rules {
		if s.rules[i].id == id {
			return &s.rules[i]
		}
	}
	return nil
}

// check judges a message and, if it is a wrapper, what is in it.
func (s *kernel) check(c layers.Codec, msg []byte, dir Direction) []Problem {
	return s.checkFrom(0, c, msg, dir)
}

// checkFrom is check of a message that a process has sent, 0: it is not known which.
func (s *kernel) checkFrom(from uint32, c layers.Codec, msg []byte, dir Direction) []Problem {
	var found []Problem
	whole := msg
	for depth := 0; ; depth++ {
		k := newChecker(s, c, msg, dir)
		k.base, k.found, k.sender = depth*layers.BaseLen, found, from
		s.judge(k, dir)
		inner := k.m.Inner
		var sender uint32
		if inner != nil {
			if dir = s.inner(&k.m); dir == ToKernel {
				sender = k.m.Seq
			}
		}
		found = k.free()
		if inner == nil || depth == maxWrappers {
			break
		}
		msg, from = inner, sender
	}
	if len(found) > 0 && c.Dialect != s.dialect && s != &rfcKernel {
		hide(c, whole, found)
	}
	return found
}

// hide takes the numbers out of what is said of extensions that c's dialect keeps
// secret: the kernel may take KMPRIVATE for an address.
func hide(c layers.Codec, msg []byte, found []Problem) {
	var spans []layers.Span
	for _, span := range c.AppendSecrets(nil, msg) {
		if !inKey(found, span) {
			spans = append(spans, span)
		}
	}
	for i := range found {
		p := &found[i]
		if p.Ext == "" || p.Len == 0 || slices.Contains(aboutHeaders, p.rule.id) {
			continue
		}
		for _, span := range spans {
			if span.Offset < p.Offset+p.Len && p.Offset < span.Offset+span.Len || p.rule.id == cFamilies {
				p.Text = p.rule.Text
			}
		}
	}
}

// aboutHeaders are the objections that say nothing of an extension's body.
var aboutHeaders = []code{
	cExtType, cUnknownExt, cExtShort, cExtCut, cExtLong, cDuplicate, cExtForbidden, cExtOption, cExtIgnored,
	cAddressShort, cReplyForbidden, cReplyExtra,
}

// inKey tells whether a secret is in what the kernel, too, takes for a key, of which
// only lengths are said.
func inKey(found []Problem, span layers.Span) bool {
	for i := range found {
		p := &found[i]
		if (p.Ext == "KEY_AUTH" || p.Ext == "KEY_ENCRYPT") && p.Offset <= span.Offset && span.Offset+span.Len <= p.Offset+p.Len {
			return true
		}
	}
	return false
}

// maxWrappers bounds the X_PROMISC headers inside each other that are looked at,
// as it does in package layers.
const maxWrappers = 8

// Judge returns what the kernel of a dialect objects to in a message, and for
// [layers.RFC2367] what RFC 2367 does, to which every system's messages can be
// held. The message is read in c's byte order: for RFC2367 with the numbers of c's
// dialect, for a kernel with its own, whatever c's dialect. The problems of a
// message to the kernel are in the order in which the kernel finds them, so the
// first with an Errno is its answer. Of messages from the kernel it says what
// differs from those of a real one; then no problem has an Errno. Where the
// framing breaks, nothing beyond is judged. In an X_PROMISC wrapper from the
// kernel the wrapped message is judged, too: OpenBSD wraps requests, whose problems
// have their Errno. It returns nil if there is nothing to say.
//
// The problems do not alias msg.
func Judge(by layers.Dialect, c layers.Codec, msg []byte, dir Direction) []Problem {
	if s := kernelOf(by); s != nil {
		return s.check(c, msg, dir)
	}
	return kernelOf(layers.RFC2367).check(c, msg, dir)
}
