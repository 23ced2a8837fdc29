package check

import "github.com/pfkeycap/pfkeycap/layers"

// What the answers of the KAME family mean where the bytes of a request do not tell.
const (
	otherPID    = "the SA was made with another sadb_msg_pid"
	noPolicy    = "no policy has this selector and direction"
	noPolicyID  = "no policy has this id"
	havePolicy  = "a policy with this selector and direction exists already"
	noSAs       = "there are no SAs of this type"
	noPolicies  = "there are no policies"
	haveHead    = "there are SAs for these addresses already"
	weakDES     = "the key is one of the weak keys of DES"
	saIsDying   = "the SA is being deleted"
	noSAHead    = "no SA has these addresses, SA type, mode and reqid"
	customIPsec = "the SA of these addresses belongs to an interface of the system"
)

// outcomes are the answers that hang on the kernel's state, by message type.
func (s *kame) outcomes() map[uint8][]outcome {
	list := map[uint8][]outcome{
		layers.REGISTER:   {{eEXIST, registered}},
		layers.DUMP:       {{eNOENT, noSAs}},
		layers.SPDADD:     {{eEXIST, havePolicy}},
		layers.SPDSETIDX:  {{eEXIST, havePolicy}},
		layers.SPDDELETE:  {{eINVAL, noPolicy}},
		layers.SPDDELETE2: {{eINVAL, noPolicyID}},
		layers.SPDGET:     {{eNOENT, noPolicyID}},
		layers.SPDDUMP:    {{eNOENT, noPolicies}},
		layers.ACQUIRE:    {{eEXIST, haveHead}},
		layers.ADD:        {{eEXIST, haveSA}},
		layers.GETSPI:     {{eINVAL, noSPI}},
		layers.DELETE:     {{eNOENT, noSuchSA}},
		layers.GET:        {{eNOENT, noSuchSA}},
		layers.UPDATE:     {{eNOENT, noSAHead}, {eINVAL, "no SA of these addresses has this SPI, or " + otherPID}},
	}
	switch s.set {
	case onFreeBSD:
		list[layers.GETSPI] = []outcome{{eEXIST, noSPI}}
		list[layers.ADD] = []outcome{
			{eEXIST, "an SA with this SPI exists already, whatever its addresses; of TCPSIGNATURE one with these addresses"},
			{bsdOPNOTSUPP, "no driver of the kernel's crypto has the algorithms"},
		}
		list[layers.UPDATE] = []outcome{
			{eINVAL, "no SA has this SPI, " + otherPID + ", or it is in use already and the message has keys"},
			{eSRCH, "the SA with this SPI is of other addresses, SA type, mode or reqid"},
			{bsdOPNOTSUPP, "no driver of the kernel's crypto has the algorithms"},
		}
		list[layers.DELETE] = []outcome{{eSRCH, noSuchSA}}
		list[layers.GET] = []outcome{{eSRCH, noSuchSA}}
		list[layers.SPDDELETE2] = append(list[layers.SPDDELETE2], outcome{eACCES, "the policy is an interface's own"})
	case onNetBSD:
		list[layers.ADD] = append(list[layers.ADD], outcome{eINVAL, "no driver of the kernel's crypto has the algorithms"})
	case onMacOS:
		list[layers.GETSPI] = append(list[layers.GETSPI], outcome{eEXIST, customIPsec})
		list[layers.ADD] = append(list[layers.ADD], outcome{eINVAL, weakDES + ", or " + saIsDying})
		list[layers.UPDATE][1].text += ", or " + weakDES
		list[layers.DUMP] = append(list[layers.DUMP], outcome{eNOMEM, noMemory})
		list[layers.SPDDUMP] = append(list[layers.SPDDUMP], outcome{eNOMEM, noMemory})
		list[macGetSAStat] = []outcome{{eNOENT, "none of the SAs exists"}, {eNOMEM, noMemory}}
		list[macSPDEnable] = []outcome{{eINVAL, noPolicyID}}
		list[macSPDDisable] = []outcome{{eINVAL, noPolicyID}}
		list[macMigrate] = []outcome{{eNOENT, noSuchSA}, {eEXIST, customIPsec}, {eINVAL, saIsDying}}
	case onDragonFly:
		list[layers.ADD] = append(list[layers.ADD], outcome{eINVAL, weakDES})
		list[layers.SPDDELETE2] = []outcome{{eINVAL, noPolicyID + "; the kernel follows a null pointer after this answer"}}
	}
	return list
}

// preempts are the answers that come before the kernel has looked at what a problem
// is about.
func (s *kame) preempts() map[uint8][]uint8 {
	update := []uint8{eNOENT, eINVAL}
	if s.set == onFreeBSD {
		update = []uint8{eINVAL, eSRCH}
	}
	list := map[uint8][]uint8{
		layers.ADD:       {eEXIST},
		layers.UPDATE:    update,
		layers.SPDADD:    {eEXIST},
		layers.SPDSETIDX: {eEXIST},
		layers.ACQUIRE:   {eEXIST},
	}
	switch s.set {
	case onFreeBSD:
		list[layers.GETSPI] = []uint8{eEXIST}
	case onMacOS:
		list[macGetSAStat] = []uint8{eNOENT}
		list[macMigrate] = []uint8{eNOENT}
	}
	return list
}
