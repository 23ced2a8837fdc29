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
	if !k.replyHeader(maxType) {
		return
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
