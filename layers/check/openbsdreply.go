package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// openBSDReply judges a message that does not go to the kernel.
func (k *checker) openBSDReply(dir Direction) {
	m, n := &k.m, len(k.msg)
	if !k.replyHeader(openBSDSPDDump) || m.Inner != nil {
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
			k.extension(cUnknownExt, h, fmt.Sprintf("OpenBSD has no extension of type %d", number))
			continue
		}
		if k.seen&kind != 0 {
			k.extension(cDuplicate, h, "it occurs a second time")
		}
		k.seen |= kind
		if size := m.Codec.Dialect.LayoutOf(number).Size; len(h.Contents) < size {
			k.extension(cExtShort, h, fmt.Sprintf("%d bytes, its structure has %d", len(h.Contents), size))
		}
	}
	if !k.framing() || dir == Unknown || m.Type > openBSDSPDDump {
		return
	}
	if m.Errno != 0 {
		if n > layers.BaseLen {
			k.header(cReplyError, 2, 1, fmt.Sprintf("errno %d and %d bytes after the header", m.Errno, n-layers.BaseLen))
		}
		return
	}
	f := &openBSDForms[m.Type]
	if f.rMust&^k.seen != 0 {
		k.missing(cReplyMissing, f.rMust, "missing: OpenBSD puts it into every "+m.TypeName())
	}
	// 4.4 gives back what recent releases do not take any more.
	extra := k.seen &^ (f.rMust | f.rMay | openBSDCredentials | kProxy)
	if extra == 0 {
		return
	}
	for i := range m.Extensions {
		if h := &m.Extensions[i]; k.kindOf(h.Number())&extra != 0 {
			k.extension(cReplyExtra, h, "OpenBSD puts none into "+m.TypeName())
		}
	}
}
