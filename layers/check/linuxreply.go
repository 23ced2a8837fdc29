package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// linuxReplies is what Linux puts into every message of a type, unless it reports
// an error.
var linuxReplies = [maxType + 1]kinds{
	layers.GETSPI:     saReply,
	layers.UPDATE:     saReply,
	layers.ADD:        saReply,
	layers.DELETE:     saReply,
	layers.GET:        saReply,
	layers.ACQUIRE:    kSrc | kDst | kPolicy,
	layers.EXPIRE:     kSA | kCurrent | kSrc | kDst | kSA2,
	layers.DUMP:       saReply,
	layers.SPDUPDATE:  policyReply,
	layers.SPDADD:     policyReply,
	layers.SPDDELETE:  policyReply,
	layers.SPDGET:     policyReply,
	layers.SPDDUMP:    policyReply,
	layers.SPDDELETE2: policyReply,
	layers.NEWMAPPING: kSA | kSrc | kDst | kNATTSrcPort | kNATTDstPort,
	layers.MIGRATE:    kSrc | kDst | kPolicy,
}

const (
	saReply     = kSA | kHard | kSoft | kCurrent | kSrc | kDst | kSA2
	policyReply = kSrc | kDst | kHard | kSoft | kCurrent | kPolicy
)

// linuxReply judges a message that does not go to the kernel.
func (k *checker) linuxReply(dir Direction) {
	m, n := &k.m, len(k.msg)
	if n < layers.BaseLen {
		k.header(cShortHeader, 0, n, fmt.Sprintf("%d bytes are less than a message header's 16", n))
		return
	}
	if m.Version != layers.Version {
		k.header(cVersion, 0, 1, fmt.Sprintf("sadb_msg_version is %d, not 2", m.Version))
	}
	if m.Type == 0 || m.Type > maxType {
		k.header(cType, 1, 1, fmt.Sprintf("sadb_msg_type is %d, not one of 1 to %d", m.Type, maxType))
	}
	if int(m.Len)*layers.Word != n {
		k.header(cReplyLength, 4, 2, fmt.Sprintf("sadb_msg_len is %d words (%d bytes), the message has %d bytes", m.Len, int(m.Len)*layers.Word, n))
	}
	if !k.linuxExtensions() || dir == Unknown || m.Type > maxType {
		return
	}
	if m.Errno != 0 {
		switch m.Type {
		case layers.DUMP, layers.SPDDUMP: // the last of a dump that was broken off
		case layers.PROMISC: // passed on as it was sent
		default:
			if n > layers.BaseLen {
				k.header(cReplyError, 2, 1, fmt.Sprintf("errno %d and %d bytes after the header", m.Errno, n-layers.BaseLen))
			}
		}
		return
	}
	must := linuxReplies[m.Type]
	if m.Type == layers.ACQUIRE && m.SAType != layers.SATypeIPComp {
		must |= kProposal
	}
	if must&^k.seen != 0 {
		k.missing(cReplyMissing, must, "missing: Linux puts it into every "+k.m.TypeName())
	}
	if m.Type == layers.EXPIRE && k.seen&(kHard|kSoft) == 0 {
		k.missing(cReplyMissing, kHard|kSoft, "missing: Linux puts the one that expired into every EXPIRE")
	}
}
