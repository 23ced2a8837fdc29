package layers

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// Order is the byte order of the host-order fields of a message: that of the
// machine that made it. The zero value is no order.
type Order uint8

// The byte orders.
const (
	NoOrder Order = iota
	LittleEndian
	BigEndian
)

// NativeEndian is the byte order of this machine.
var NativeEndian = func() Order {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return BigEndian
	}
	return LittleEndian
}()

// String returns "little", "big" or "unknown".
func (o Order) String() string {
	switch o {
	case LittleEndian:
		return "little"
	case BigEndian:
		return "big"
	}
	return "unknown"
}

// Abbrev returns "le", "be" or "".
func (o Order) Abbrev() string {
	switch o {
	case LittleEndian:
		return "le"
	case BigEndian:
		return "be"
	}
	return ""
}

// Binary returns the order as encoding/binary has it; what is not big is little.
func (o Order) Binary() binary.ByteOrder {
	if o == BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// ParseOrder reads what String and Abbrev write.
func ParseOrder(s string) (Order, error) {
	switch strings.ToLower(s) {
	case "le", "little":
		return LittleEndian, nil
	case "be", "big":
		return BigEndian, nil
	}
	return NoOrder, fmt.Errorf("unknown byte order %q: want le or be", s)
}

// Codec says how a message is to be read or written: whose numbers and layouts,
// and in which byte order. It is a small value to be passed around; it is a
// [gopacket.Decoder]. The zero value decodes as RFC 2367, little-endian.
type Codec struct {
	Dialect Dialect
	Order   Order
}

// String returns, for example, "linux/le".
func (c Codec) String() string {
	return c.Dialect.String() + "/" + c.Order.Abbrev()
}

// IsZero reports whether c says nothing.
func (c Codec) IsZero() bool { return c == Codec{} }

func (c Codec) big() bool { return c.Order == BigEndian }

// packed is a Codec in one byte, to keep Header small.
type packed uint8

func (c Codec) pack() packed { return packed(c.Dialect)<<2 | packed(c.Order) }

func (p packed) codec() Codec { return Codec{Dialect(p >> 2), Order(p & 3)} }

// OrderOf finds the byte order in which the length field of a message agrees
// with the number of bytes: sadb_msg_len*8 == length. It returns NoOrder when
// neither or both agree. length is that of the message on the wire, which is
// more than len(msg) if the record was cut short.
func OrderOf(msg []byte, length int) Order {
	if len(msg) < 6 {
		return NoOrder
	}
	l := int(binary.LittleEndian.Uint16(msg[4:]))*8 == length
	b := int(binary.BigEndian.Uint16(msg[4:]))*8 == length
	switch {
	case l && !b:
		return LittleEndian
	case b && !l:
		return BigEndian
	}
	return NoOrder
}

func get16(b []byte, big bool) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func get32(b []byte, big bool) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func get64(b []byte, big bool) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

func put16(b []byte, big bool, v uint16) {
	if big {
		v = bits.ReverseBytes16(v)
	}
	binary.LittleEndian.PutUint16(b, v)
}

func put32(b []byte, big bool, v uint32) {
	if big {
		v = bits.ReverseBytes32(v)
	}
	binary.LittleEndian.PutUint32(b, v)
}

func put64(b []byte, big bool, v uint64) {
	if big {
		v = bits.ReverseBytes64(v)
	}
	binary.LittleEndian.PutUint64(b, v)
}
