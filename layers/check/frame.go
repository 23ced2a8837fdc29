package check

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// What is said of the header and of the division into extensions is the same on
// every system.

func (k *checker) shortHeader() {
	n := len(k.msg)
	k.header(cShortHeader, 0, n, fmt.Sprintf("%d bytes are less than a message header's 16", n))
}

// messageLength reports that sadb_msg_len is not the message's.
func (k *checker) messageLength() {
	n, words := len(k.msg), int(k.m.Len)
	text := fmt.Sprintf("sadb_msg_len is %d words, the message has %d (%d bytes)", words, n/layers.Word, n)
	if swapped := words>>8 | words&0xff<<8; swapped == n/layers.Word {
		text += "; in the other byte order it would match"
	}
	k.header(cLength, 4, 2, text)
}

// replyHeader judges the header of a message that does not go to the kernel. ok is
// false if there is none.
func (k *checker) replyHeader(maxType uint8) (ok bool) {
	m, n := &k.m, len(k.msg)
	if n < layers.BaseLen {
		k.shortHeader()
		return false
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
	return true
}

// framing reports why the division into extensions stopped.
func (k *checker) framing() (ok bool) {
	rest := len(k.m.Rest)
	at := len(k.msg) - rest
	switch k.m.RestReason {
	case layers.Sound:
		return true
	case layers.TrailingBytes:
		k.header(cTrailing, at, rest, fmt.Sprintf("%d bytes after the last extension, at byte %d", rest, at))
	case layers.ZeroLength:
		k.header(cZeroLength, at, rest, fmt.Sprintf("the extension at byte %d has length 0", at))
	case layers.Overrun:
		k.header(cOverrun, at, rest, fmt.Sprintf("the extension at byte %d is longer than the %d bytes left", at, rest))
	}
	// After a KeyOverrun, which is reported with the key, kernels do not go on
	// either.
	return false
}
