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

// outcomes are the answers of Linux that the bytes of a request do not tell, by
// message type. Lack of memory, possible everywhere, is in anyOutcomes.
var outcomes = [maxType + 1][]outcome{
	layers.GETSPI: {
		{eNOENT, noSPI},
	},
	layers.UPDATE: append([]outcome{
		{eSRCH, noSuchSA},
		{eEXIST, "the SA is in use by the kernel itself"},
		{eINVAL, "the SA is not valid any more: it is about to expire or be deleted"},
	}, initOutcomes...),
	layers.ADD: append([]outcome{
		{eEXIST, haveSA},
	}, initOutcomes...),
	layers.DELETE: {
		{eSRCH, noSuchSA},
		{ePERM, "the SA is in use by the kernel itself, or a security module forbids it"},
	},
	layers.GET: {
		{eSRCH, noSuchSA + ", or it has a mark"},
	},
	layers.REGISTER: {
		{eEXIST, registered},
	},
	layers.FLUSH: {
		{ePERM, "a security module forbids it"},
	},
	layers.DUMP: {
		{eNOENT, "there are no SAs of this type"},
		{eBUSY, "a dump on this socket has not been read to its end"},
	},
	layers.SPDUPDATE: {
		{eNOBUFS, "no reqid is left for level UNIQUE, or the kernel is out of memory"},
	},
	layers.SPDADD:    policyAdded,
	layers.SPDSETIDX: policyAdded,
	layers.SPDDELETE: {
		{eNOENT, "no policy has this selector and direction"},
		{ePERM, "a security module forbids it"},
	},
	layers.SPDGET: {
		{eNOENT, "no policy has this id"},
	},
	layers.SPDDUMP: {
		{eNOENT, "there are no policies"},
		{eBUSY, "a dump on this socket has not been read to its end"},
	},
	layers.SPDFLUSH: {
		{ePERM, "a security module forbids it"},
	},
	layers.SPDDELETE2: {
		{eNOENT, "no policy has this id"},
		{ePERM, "a security module forbids it"},
	},
	layers.MIGRATE: {
		{eNOENT, "no policy has this selector and direction"},
		{eNODATA, "no SA could be moved, or no request of the policy has the old endpoints"},
		{eINVAL, "old and new endpoints are the same, or the kernel does not take them"},
		{eNOPROTOOPT, "the kernel is built without CONFIG_NET_KEY_MIGRATE"},
	},
}

// initOutcomes are what may go wrong in making an SA ready.
var initOutcomes = []outcome{
	{eNOSYS, "the kernel has not one of the algorithms: load its module (REGISTER lists what it has)"},
	{eNOENT, "the kernel's crypto lacks a driver or a template for the algorithms: load the modules authenc, echainiv, seqiv, cbc or the cipher's"},
	{ePROTONOSUPPORT, "the kernel has no such protocol for the address family: load the module esp4, esp6, ah4, ah6, ipcomp or ipcomp6"},
}

var policyAdded = []outcome{
	{eEXIST, "a policy with this selector and direction exists already"},
	{eNOBUFS, "no reqid is left for level UNIQUE, or the kernel is out of memory"},
}

var anyOutcomes = []outcome{
	{eNOMEM, noMemory},
	{eNOBUFS, noMemory},
}

// preempts are the answers that come before the kernel has looked at what a
// problem is about.
var preempts = [maxType + 1][]uint8{
	layers.GETSPI: {eNOENT},
	layers.DUMP:   {eBUSY},
}

// mayAnswer and mayPreempt are Verdict.Possible by message type, made once from
// the tables above.
var (
	mayAnswer  [maxType + 1][]uint8
	mayPreempt [maxType + 2][]uint8
)

func init() {
	for t := range outcomes {
		for _, o := range append(outcomes[t][:len(outcomes[t]):len(outcomes[t])], anyOutcomes...) {
			if !contains(mayAnswer[t], o.errno) {
				mayAnswer[t] = append(mayAnswer[t], o.errno)
			}
		}
		mayPreempt[t] = append([]uint8{eNOMEM, eNOBUFS}, preempts[t]...)
	}
}

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
// Only Linux's rules bring errnos; of other systems it looks at the rules of RFC
// 2367 for EINVAL and EMSGSIZE.
func Explain(c layers.Codec, request []byte, errno uint8) string {
	if errno == 0 || len(request) == 0 {
		return ""
	}
	if c.Dialect != layers.Linux && c.Dialect != layers.NoDialect {
		return explainRFC(c, request, errno)
	}
	problems := Linux(c, request, ToKernel)
	for i := range problems {
		if problems[i].Errno == errno {
			return problems[i].String()
		}
	}
	for i := range problems {
		if contains(rules[problems[i].rule].May, errno) {
			return problems[i].String()
		}
	}
	if len(request) >= layers.BaseLen && request[1] <= maxType {
		for _, list := range [2][]outcome{outcomes[request[1]], anyOutcomes} {
			for _, o := range list {
				if o.errno == errno {
					return o.text
				}
			}
		}
	}
	return ""
}

// explainRFC is Explain for systems whose kernels have no rules here.
func explainRFC(c layers.Codec, request []byte, errno uint8) string {
	name := c.Dialect.ErrnoName(errno)
	problems := RFC(c, request, ToKernel)
	for i := range problems {
		p := &problems[i]
		if p.Severity == Error && (name == "EMSGSIZE") == (p.rule == rLength) && (name == "EINVAL" || name == "EMSGSIZE") {
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
