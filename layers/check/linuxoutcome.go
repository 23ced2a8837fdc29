package check

import "github.com/pfkeycap/pfkeycap/layers"

// linuxOutcomes are the answers of Linux that the bytes of a request do not tell, by
// message type.
var linuxOutcomes = map[uint8][]outcome{
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

var linuxAlways = []outcome{
	{eNOMEM, noMemory},
	{eNOBUFS, noMemory},
}

// linuxPreempts are the answers that come before the kernel has looked at what a
// problem is about.
var linuxPreempts = map[uint8][]uint8{
	layers.GETSPI: {eNOENT},
	layers.DUMP:   {eBUSY},
}
