package sniff

import (
	"encoding/binary"

	"github.com/pfkeycap/pfkeycap/layers"
)

// wrapperExcess is how much too long NetBSD, macOS and DragonFly say that an
// X_PROMISC wrapper is, bytes: the length is enlarged by the header's once in
// M_PREPEND and once more after it (keysock.c).
const wrapperExcess = 16

// orderOf finds the byte order of a message and the rule that found it: by
// sadb_msg_len or, if that agrees in both orders or in neither, by the lengths of
// the extensions.
func orderOf(msg []byte, length int) (layers.Order, rule) {
	o := layers.OrderOf(msg, length)
	if o == layers.NoOrder && msg[1] == layers.PROMISC {
		o = layers.OrderOf(msg, length+wrapperExcess)
	}
	if o != layers.NoOrder {
		return o, ruleLength
	}
	little, big := framed(msg, binary.LittleEndian), framed(msg, binary.BigEndian)
	switch {
	case little && !big:
		return layers.LittleEndian, ruleFraming
	case big && !little:
		return layers.BigEndian, ruleFraming
	}
	return layers.NoOrder, noRule
}

// framed reports whether extensions fill what follows the header, or the two
// headers of a wrapped message.
func framed(msg []byte, order binary.ByteOrder) bool {
	rest := msg[layers.BaseLen:]
	if msg[1] == layers.PROMISC && len(rest) >= layers.BaseLen && rest[0] == layers.Version {
		rest = rest[layers.BaseLen:]
	}
	if len(rest) == 0 {
		return false // which says nothing
	}
	for len(rest) >= layers.ExtLen {
		n := int(order.Uint16(rest)) * layers.Word
		if n == 0 || n > len(rest) {
			return false
		}
		rest = rest[n:]
	}
	return len(rest) == 0
}

// step is how the sequence number of a dump's message follows the one before.
type step struct {
	kind     stepKind
	from, to uint32
}

type stepKind uint8

const (
	stepNone stepKind = iota
	stepUp            // Linux: 1, 2, 3 …, the last 0
	stepDown          // KAME: … 2, 1, 0
	stepSame          // OpenBSD: the request's
	stepEnd           // illumos: a bare header with 0 after the last
)

var noStep step

// dump follows the sequence numbers of DUMP answers.
type dump struct {
	sa       [layers.BaseLen]byte // SA extension of the message before
	seq, pid uint32
	order    layers.Order
	running  bool
}

// step looks at the next message.
func (d *dump) step(msg []byte, order layers.Order) step {
	if msg[1] != layers.DUMP || msg[2] != 0 || order == layers.NoOrder {
		return noStep
	}
	seq, pid := word(msg[8:], order), word(msg[12:], order)
	before, same := *d, d.running && d.order == order && d.pid == pid
	if len(msg) == layers.BaseLen {
		d.running = false
		if same && seq == 0 && before.seq != 0 {
			return step{stepEnd, before.seq, seq}
		}
		return noStep
	}
	if len(msg) < layers.BaseLen+len(d.sa) {
		return noStep
	}
	*d = dump{seq: seq, pid: pid, order: order, running: true}
	copy(d.sa[:], msg[layers.BaseLen:])
	if !same || d.sa == before.sa { // another dump, or the second copy of a message
		return noStep
	}
	switch {
	case seq == before.seq:
		return step{stepSame, before.seq, seq}
	case seq == before.seq+1 && before.seq != 0:
		return step{stepUp, before.seq, seq}
	case seq == before.seq-1 && before.seq > 1:
		return step{stepDown, before.seq, seq}
	}
	return noStep
}

func word(b []byte, o layers.Order) uint32 {
	if o == layers.BigEndian {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}
