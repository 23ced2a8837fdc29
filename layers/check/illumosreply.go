package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// illumosReplies is what illumos puts into every message of a type, unless it
// reports an error.
var illumosReplies = [illumosDelPairState + 1]kinds{
	layers.GETSPI:   kSA | kAddresses,
	layers.ADD:      kSA | kAddresses,
	layers.UPDATE:   kAddresses,
	layers.GET:      kSA | kAddresses,
	layers.DUMP:     kSA | kAddresses,
	layers.EXPIRE:   kSA | kCurrent | kAddresses,
	layers.ACQUIRE:  kAddresses,
	layers.REGISTER: kSupportedAuth,
}

// illumosReply judges a message that does not go to the kernel.
func (k *checker) illumosReply(dir Direction) {
	m, n := &k.m, len(k.msg)
	// The type of a refused request of an unknown type becomes 0.
	if n >= layers.BaseLen && m.Type == 0 && m.Errno != 0 {
		return
	}
	if !k.replyHeader(illumosDelPairState) {
		return
	}
	for i := range m.Extensions {
		h := &m.Extensions[i]
		number := h.Number()
		kind := k.kindOf(number)
		switch {
		case number == 0:
			k.extension(cExtType, h, "an extension of the reserved type 0")
			continue
		case kind == 0:
			k.extension(cUnknownExt, h, fmt.Sprintf("illumos has no extension of type %d", number))
			continue
		case k.seen&kind != 0:
			k.extension(cDuplicate, h, "it occurs a second time")
		}
		k.seen |= kind
		if size := m.Codec.Dialect.LayoutOf(number).Size; len(h.Contents) < size {
			k.extension(cExtCut, h, fmt.Sprintf("%d bytes, its structure has %d", len(h.Contents), size))
		}
	}
	if !k.framing() || dir == Unknown || m.Type > illumosDelPairState {
		return
	}
	switch {
	case m.Errno != 0:
		if n > layers.BaseLen {
			k.header(cReplyError, 2, 1, fmt.Sprintf("errno %d and %d bytes after the header", m.Errno, n-layers.BaseLen))
		}
		return
	case n == layers.BaseLen && m.Type == layers.DUMP: // it ends a dump
		return
	case n == layers.BaseLen && m.SAType == illumosTCPSig: // their answers are all like this
		return
	}
	if must := illumosReplies[m.Type]; must&^k.seen != 0 {
		k.missing(cReplyMissing, must, "missing: illumos puts it into every "+m.TypeName())
	}
}
