package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// reply judges a message that does not go to the kernel. With an errno it is the
// request itself, sent back, however broken.
func (x kameCheck) reply(dir Direction) {
	m, n := &x.m, len(x.msg)
	if n < layers.BaseLen {
		x.shortHeader()
		return
	}
	if over := int(m.Len)*layers.Word - n; over != 0 && (m.Inner == nil || over != x.wrapperExcess) {
		x.header(cReplyLength, 4, 2, fmt.Sprintf("sadb_msg_len is %d words (%d bytes), the message has %d bytes", m.Len, int(m.Len)*layers.Word, n))
	}
	if m.Errno != 0 || m.Inner != nil {
		return
	}
	if m.Version != layers.Version {
		x.header(cVersion, 0, 1, fmt.Sprintf("sadb_msg_version is %d, not 2", m.Version))
	}
	if m.Type == 0 || m.Type > x.maxType {
		x.header(cType, 1, 1, fmt.Sprintf("sadb_msg_type is %d, not one of 1 to %d", m.Type, x.maxType))
	}
	hidden, found := x.whole(), len(x.found)
	ok := x.extensions()
	if hidden > 0 {
		x.hide(found, hidden)
	}
	if !ok || dir == Unknown {
		return
	}
	must := x.replies[m.Type]
	if must&^x.seen != 0 {
		x.missing(cReplyMissing, must, "missing: "+x.name+" puts it into every "+m.TypeName())
	}
	if m.Type == layers.EXPIRE && x.seen&(kHard|kSoft) == 0 {
		x.missing(cReplyMissing, kHard|kSoft, "missing: "+x.name+" puts the one that expired into every EXPIRE")
	}
}
