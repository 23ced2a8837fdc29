package layers

import (
	"fmt"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Numbers 1520 to 1619 of gopacket's layer types are ours. They follow the order
// of package shape's meanings, which only grows at its end.
const firstLayerType = 1520

// Layer types that are not extensions.
const (
	LayerTypeMessage      gopacket.LayerType = firstLayerType + iota // *Base
	LayerTypeInnerMessage                                            // *Base, of the message in an X_PROMISC wrapper
	LayerTypeUnknown                                                 // *Unknown
	LayerTypeMalformed                                               // *Malformed
	firstExtension
)

func init() {
	// The decoder of a layer type is nil: a type does not know its dialect. Use a
	// Codec.
	for t, name := range map[gopacket.LayerType]string{
		LayerTypeMessage:      "PFKey",
		LayerTypeInnerMessage: "PFKeyInner",
		LayerTypeUnknown:      "PFKeyUnknown",
		LayerTypeMalformed:    "PFKeyMalformed",
	} {
		gopacket.RegisterLayerType(int(t), gopacket.LayerTypeMetadata{Name: name})
	}
}

func layerTypeOf(m shape.Meaning) gopacket.LayerType {
	if m == shape.NoMeaning {
		return LayerTypeUnknown
	}
	return firstExtension + gopacket.LayerType(m) - 1
}

func meaningOf(t gopacket.LayerType) shape.Meaning {
	if t < firstExtension || t >= firstExtension+gopacket.LayerType(shape.NumMeanings)-1 {
		return shape.NoMeaning
	}
	return shape.Meaning(t-firstExtension) + 1
}

// Sizes and numbers that hold in every dialect.
const (
	BaseLen    = 16        // bytes of a sadb_msg
	ExtLen     = 4         // bytes of a sadb_ext
	Word       = 8         // bytes per unit of every length but the requests'
	MaxMessage = 65535 * 8 // the most bytes sadb_msg_len can say
	Version    = 2         // PF_KEY_V2
)

// Message types that every dialect numbers alike (RFC 2367 3.1 and appendix D).
const (
	GETSPI   = 1
	UPDATE   = 2
	ADD      = 3
	DELETE   = 4
	GET      = 5
	ACQUIRE  = 6
	REGISTER = 7
	EXPIRE   = 8
	FLUSH    = 9
	DUMP     = 10
	PROMISC  = 11
)

// Message types of Linux and the KAME family (net/pfkeyv2.h); OpenBSD and
// illumos give these numbers other meanings.
const (
	PCHANGE    = 12
	SPDUPDATE  = 13
	SPDADD     = 14
	SPDDELETE  = 15
	SPDGET     = 16
	SPDACQUIRE = 17
	SPDDUMP    = 18
	SPDFLUSH   = 19
	SPDSETIDX  = 20
	SPDEXPIRE  = 21
	SPDDELETE2 = 22
	NEWMAPPING = 23 // NAT_T_NEW_MAPPING on Linux and NetBSD
	MIGRATE    = 24 // Linux
)

// SA types of every dialect but OpenBSD's.
const (
	SATypeUnspec = 0
	SATypeAH     = 2
	SATypeESP    = 3
	SATypeIPComp = 9
)

// Base is the base message header, struct sadb_msg (RFC 2367 2.1), 16 bytes.
// It is the first layer of a packet, of type LayerTypeMessage; the header of a
// wrapped message has the type LayerTypeInnerMessage.
type Base struct {
	Contents []byte // the 16 bytes, aliasing the input; nil if made by hand
	Payload  Secret // what follows them, aliasing the input
	Codec    Codec
	Version  uint8 // 2
	Type     uint8 // message type, by dialect
	Errno    uint8 // of the system that made the message; 0 is success
	SAType   uint8 // by dialect; on/off in X_PROMISC
	Len      uint16
	Reserved uint16 // a reference count or diagnostic code on some systems
	Seq      uint32
	PID      uint32
	inner    bool
}

// LayerType is LayerTypeMessage or LayerTypeInnerMessage.
func (m *Base) LayerType() gopacket.LayerType {
	if m.inner {
		return LayerTypeInnerMessage
	}
	return LayerTypeMessage
}

// LayerContents returns the bytes of the header.
func (m *Base) LayerContents() []byte { return m.Contents }

// LayerPayload returns the bytes after the header.
func (m *Base) LayerPayload() []byte { return m.Payload }

// SetInner makes m serialize as the header of a wrapped message, or not.
func (m *Base) SetInner(inner bool) { m.inner = inner }

// TypeName returns the name of the message type, or its number.
func (m *Base) TypeName() string {
	if n := m.Codec.Dialect.EnumName(EnumMsgType, uint64(m.Type)); n != "" {
		return n
	}
	return fmt.Sprint(m.Type)
}

// SATypeName returns the name of the SA type (see [Dialect.SATypeEnum]), or its
// number.
func (m *Base) SATypeName() string {
	if n := m.Codec.Dialect.EnumName(m.Codec.Dialect.SATypeEnum(m.Type, m.SAType), uint64(m.SAType)); n != "" {
		return n
	}
	return fmt.Sprint(m.SAType)
}

// String shows the header on one line.
func (m *Base) String() string {
	return fmt.Sprintf("%s version=%d satype=%s errno=%d len=%d reserved=%d seq=%d pid=%d",
		m.TypeName(), m.Version, m.SATypeName(), m.Errno, m.Len, m.Reserved, m.Seq, m.PID)
}

func (m *Base) decode(c Codec, b []byte) {
	_ = b[BaseLen-1]
	m.Contents, m.Payload = b[:BaseLen:BaseLen], b[BaseLen:]
	m.Codec = c
	m.Version, m.Type, m.Errno, m.SAType = b[0], b[1], b[2], b[3]
	if c.big() {
		m.Len = get16(b[4:], true)
		m.Reserved = get16(b[6:], true)
		m.Seq = get32(b[8:], true)
		m.PID = get32(b[12:], true)
	} else {
		m.Len = get16(b[4:], false)
		m.Reserved = get16(b[6:], false)
		m.Seq = get32(b[8:], false)
		m.PID = get32(b[12:], false)
	}
}

func (m *Base) put(b []byte, big bool) {
	_ = b[BaseLen-1]
	b[0], b[1], b[2], b[3] = m.Version, m.Type, m.Errno, m.SAType
	put16(b[4:], big, m.Len)
	put16(b[6:], big, m.Reserved)
	put32(b[8:], big, m.Seq)
	put32(b[12:], big, m.PID)
}

// SerializeTo prepends the header to b. With opts.FixLengths it sets Len from
// the bytes already in b. It needs a codec: see [Codec.Serialize].
func (m *Base) SerializeTo(b gopacket.SerializeBuffer, opts gopacket.SerializeOptions) error {
	if m.Codec.IsZero() {
		return ErrNoCodec
	}
	if opts.FixLengths {
		if err := m.fix(len(b.Bytes()) + BaseLen); err != nil {
			return err
		}
	}
	h, err := b.PrependBytes(BaseLen)
	if err != nil {
		return err
	}
	m.put(h, m.Codec.big())
	return nil
}

// fix sets the length of a message of n bytes.
func (m *Base) fix(n int) error {
	if n%Word != 0 || n > MaxMessage {
		return fmt.Errorf("%s message of %d bytes: want a multiple of 8 and at most %d", m.TypeName(), n, MaxMessage)
	}
	m.Len = uint16(n / Word)
	return nil
}

// Unwrap returns the message inside msg if that is the X_PROMISC wrapper in which a
// kernel hands on messages to promiscuous sockets, else msg. It is for what a socket
// has read: Linux wraps nothing, so there msg is returned as it is. The result
// aliases msg.
func (c Codec) Unwrap(msg []byte) []byte {
	if c.Dialect == Linux || len(msg) < BaseLen {
		return msg
	}
	var b Base
	b.decode(c, msg)
	if b.wraps() {
		return msg[BaseLen:]
	}
	return msg
}

// wraps reports whether the header is that of an X_PROMISC wrapper around a
// message: whether another header with a sane length follows it. The outer length
// may be 16 bytes too large (NetBSD's key_sendup).
func (m *Base) wraps() bool {
	b := m.Payload
	if m.Type != PROMISC || len(b) < BaseLen {
		return false
	}
	big := m.Codec.big()
	n := int(get16(b[4:], big)) * Word
	switch {
	case n == len(b):
		// KAME kernels answer a request of another version with a copy of it, and
		// wrap the copy: what cannot be an extension is such a one.
		first := int(get16(b, big)) * Word
		return b[0] == Version || first == 0 || first > len(b)
	case n > len(b): // the record is cut short, or this is a wrapper of such a length itself
		room := int(m.Len)*Word - BaseLen
		return b[0] == Version && (n == room || n == room-BaseLen)
	}
	return false
}
