package check

import "github.com/pfkeycap/pfkeycap/layers"

// outcome is an answer that hangs on the kernel's state, and what it means.
type outcome struct {
	errno uint8
	text  string
}

// What RFC 2367 gives the same meaning on every system.
const (
	noSPI      = "no SPI of the range is free for this destination and protocol"
	noSuchSA   = "no such SA: none has this SPI, destination and SA type"
	haveSA     = "an SA with this SPI, destination and protocol exists already"
	registered = "this socket is registered for the SA type already"
	noMemory   = "the kernel is out of memory"
)

func contains(list []uint8, e uint8) bool {
	for _, x := range list {
		if x == e {
			return true
		}
	}
	return false
}

// Explain gives the most likely reason why a kernel answered a request with an
// errno of c's dialect, by a message or by write(2): the first rule the request
// breaks that brings this errno, such as "KEY_AUTH@56: 160 bits need 28 bytes, the
// extension has 24", else what the errno means for this type of message when only
// the kernel's state can tell. It returns "" if nothing sensible can be said.
//
// What is known of c's dialect counts; where no dialect is named, Linux is meant. RFC
// 2367, which leaves errnos to the systems, is looked at for EINVAL and EMSGSIZE.
func Explain(c layers.Codec, request []byte, errno uint8) string {
	return explain(c, request, 0, errno)
}

// explain is Explain for a request that begins at an offset of a record.
func explain(c layers.Codec, request []byte, at int, errno uint8) string {
	if errno == 0 || len(request) == 0 {
		return ""
	}
	if c.Dialect == layers.NoDialect {
		c.Dialect = layers.Linux
	}
	s := kernelOf(c.Dialect)
	if s == nil || s == &rfcKernel {
		return explainRFC(c, request, errno)
	}
	problems := s.check(c, request, ToKernel)
	for i := range problems {
		problems[i].Offset += at
	}
	for i := range problems {
		if problems[i].Errno == errno {
			return problems[i].String()
		}
	}
	for i := range problems {
		if contains(problems[i].rule.May, errno) {
			return problems[i].String()
		}
	}
	if len(request) < layers.BaseLen {
		return ""
	}
	for _, list := range [2][]outcome{s.outcomes[request[1]], s.always} {
		for _, o := range list {
			if o.errno == errno {
				return o.text
			}
		}
	}
	return ""
}

// ExplainReply is Explain for an answer of the kernel, of which it reads all it says
// about the reason: the errno, and on illumos the diagnostic in sadb_msg_reserved. It
// returns "" if nothing sensible can be said, as of what is shorter than a header.
//
// The request may be nil if it is not known, as to a promiscuous socket, whose answer may
// be in an X_PROMISC wrapper: the kernels of the KAME family refuse a request by sending
// it back as a whole, so there the answer tells it. Others send the header only, by
// which nothing can be said.
func ExplainReply(c layers.Codec, request, reply []byte) string {
	at := 0
	if len(request) == 0 {
		inner := c.Unwrap(reply)
		at = len(reply) - len(inner)
		reply = inner
	}
	if len(reply) < layers.BaseLen {
		return ""
	}
	var m layers.Message
	m.Codec = c
	_ = m.DecodeFromBytes(reply[:layers.BaseLen], nil) // of what follows nothing is read
	if s := kernelOf(c.Dialect); len(request) == 0 && s != nil && s.echoes {
		// An ACQUIRE may be one that a key manager gave up. Of what a capture has cut
		// off the rest looks as if it were missing in the request.
		if m.Type == layers.ACQUIRE || int(m.Len)*layers.Word != len(reply) {
			return ""
		}
		return explain(c, reply, at, m.Errno)
	}
	if c.Dialect != layers.Illumos || m.Errno == 0 || m.Reserved == 0 {
		return Explain(c, request, m.Errno)
	}
	for _, p := range Judge(layers.Illumos, c, request, ToKernel) {
		if p.Errno == m.Errno && p.Diagnostic == m.Reserved {
			return p.String()
		}
	}
	if text := illumosDiagnostics[m.Reserved]; text != "" {
		return text
	}
	if name := c.Dialect.EnumName(layers.EnumDiagnostic, uint64(m.Reserved)); name != "" {
		return "the kernel says " + name
	}
	return Explain(c, request, m.Errno)
}

// explainRFC is Explain for messages of no system.
func explainRFC(c layers.Codec, request []byte, errno uint8) string {
	name := c.Dialect.ErrnoName(errno)
	problems := kernelOf(layers.RFC2367).check(c, request, ToKernel)
	for i := range problems {
		p := &problems[i]
		if p.Severity == Error && (name == "EMSGSIZE") == (p.rule.id == rLength) && (name == "EINVAL" || name == "EMSGSIZE") {
			return p.String()
		}
	}
	if len(request) < layers.BaseLen {
		return ""
	}
	switch t := request[1]; {
	case name == "EEXIST" && t == layers.GETSPI:
		return noSPI
	case name == "EEXIST" && t == layers.ADD:
		return haveSA
	case name == "EEXIST" && t == layers.REGISTER:
		return registered
	case name == "ESRCH" && (t == layers.UPDATE || t == layers.DELETE || t == layers.GET):
		return noSuchSA
	case name == "ENOMEM" || name == "ENOBUFS":
		return noMemory
	}
	return ""
}
