package keysock

import "encoding/binary"

// The only header this package builds: struct sadb_msg of RFC 2367
// section 2.1, whose numbers below are the same on every system.
const (
	headerLen   = 16
	pfKeyV2     = 2  // PF_KEY_V2, section 2.1.
	msgRegister = 7  // SADB_REGISTER, section 3.1.7.
	msgPromisc  = 11 // SADB_X_PROMISC, appendix A.
)

// Promiscuous sends the SADB_X_PROMISC control message (RFC 2367 appendix A)
// that makes this socket receive the messages of all others, or stops that,
// and returns the bytes of the message, which belong to the caller, so that a
// recorder can put its own traffic into the capture. They are returned also
// when writing them failed.
//
// The kernel announces the message to every PF_KEY socket, this one included:
// a 16-byte answer is to be read. What is shown differs by system: Linux adds
// a raw copy of everything, requests included; FreeBSD, NetBSD and OpenBSD wrap
// copies into an SADB_X_PROMISC message; all but Linux and OpenBSD hide
// requests.
//
// OpenBSD refuses a pid that is not the caller's.
func (c *Conn) Promiscuous(on bool, seq, pid uint32) ([]byte, error) {
	satype := uint8(0)
	if on {
		satype = 1
	}
	return c.control(msgPromisc, satype, seq, pid)
}

// Register sends SADB_REGISTER for one SA type (RFC 2367 section 3.1.7), which
// asks the kernel to send this socket its ACQUIREs and EXPIREs, and returns the
// bytes of the message, which belong to the caller, also when writing them
// failed. The answer, to be read, lists the algorithms of the type, or carries
// EEXIST when the socket was registered before.
//
// A registered socket changes what the kernel does: an ACQUIRE that nobody
// takes fails the packet at once, one that is taken makes it wait for a key.
func (c *Conn) Register(satype uint8, seq, pid uint32) ([]byte, error) {
	return c.control(msgRegister, satype, seq, pid)
}

func (c *Conn) control(msgType, satype uint8, seq, pid uint32) ([]byte, error) {
	msg := controlMessage(msgType, satype, seq, pid)
	_, err := c.Write(msg)
	return msg, err
}

// controlMessage is a message without extensions, in native byte order.
func controlMessage(msgType, satype uint8, seq, pid uint32) []byte {
	b := make([]byte, 0, headerLen)
	b = append(b, pfKeyV2, msgType, 0, satype)
	b = binary.NativeEndian.AppendUint16(b, headerLen/8)
	b = binary.NativeEndian.AppendUint16(b, 0)
	b = binary.NativeEndian.AppendUint32(b, seq)
	return binary.NativeEndian.AppendUint32(b, pid)
}
