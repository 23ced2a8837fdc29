package layers

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Reason says why the rest of a message cannot be divided into extensions.
type Reason uint8

// The reasons.
const (
	Sound         Reason = iota
	ShortHeader          // fewer than 16 bytes: not even a base header
	TrailingBytes        // fewer than 4 bytes where an extension should begin
	ZeroLength           // the extension's length is 0
	Overrun              // the extension's length runs past the end
	KeyOverrun           // the key before says it has more octets than its extension: where the next begins is not known
	TooDeep              // too many X_PROMISC headers inside each other
)

var reasons = [...]struct{ code, text string }{
	Sound:         {"", ""},
	ShortHeader:   {"short-header", "fewer than the 16 bytes of a message header"},
	TrailingBytes: {"trailing-bytes", "fewer than the 4 bytes of an extension header are left"},
	ZeroLength:    {"extension-length-zero", "an extension of length 0"},
	Overrun:       {"extension-overrun", "an extension that runs past the end of the message"},
	KeyOverrun:    {"key-overrun", "the key before has more bits than its extension holds, so where the next extension begins is not known"},
	TooDeep:       {"too-deep", "more than 8 messages inside each other"},
}

// Code returns a short fixed name for the reason, such as "extension-overrun".
func (r Reason) Code() string { return reasons[r].code }

// String describes the reason.
func (r Reason) String() string { return reasons[r].text }

// MaxNesting is how many X_PROMISC wrappers inside each other are decoded; what is
// deeper is Malformed, for the reason TooDeep. No kernel makes more
// than two.
const MaxNesting = 8

// Header is what every extension has: struct sadb_ext (RFC 2367 2.2) and where
// it was found.
type Header struct {
	Contents Secret // the whole extension, aliasing the input; nil if made by hand
	Offset   uint32 // bytes from the start of the message that the extension is in
	Len      uint16 // sadb_ext_len as on the wire, 8-byte words
	kind     kind
}

// kind is the meaning of an extension in the upper octet and its packed codec in
// the lower one. They share a field because the compiler passes structs of at
// most four fields in registers, and Headers are copied for every extension.
type kind uint16

func newKind(m shape.Meaning, c packed) kind { return kind(m)<<8 | kind(c) }

func (k kind) meaning() shape.Meaning { return shape.Meaning(k >> 8) }

func (k kind) code() packed { return packed(k) }

// For returns the header of an extension to be made by hand:
//
//	&layers.Address{Header: layers.For(layers.LayerTypeAddressSrc), …}
//
// Structs that serve for one thing only (SA, Policy, SPIRange and so on) do not
// need it.
func For(t gopacket.LayerType) Header { return Header{kind: newKind(meaningOf(t), 0)} }

// Head returns the header.
func (h *Header) Head() *Header { return h }

// Codec returns the codec that the extension was decoded with.
func (h *Header) Codec() Codec { return h.kind.code().codec() }

// LayerType returns the layer type of the extension's meaning.
func (h *Header) LayerType() gopacket.LayerType { return layerTypeOf(h.kind.meaning()) }

// Number returns the extension number: the one on the wire, or for an extension
// made by hand the one its dialect gives it.
func (h *Header) Number() uint16 {
	c := h.Codec()
	if len(h.Contents) >= ExtLen {
		return get16(h.Contents[2:], c.big())
	}
	return c.Dialect.ExtNumberOf(h.LayerType())
}

// Name returns the extension's name in its dialect, or "UNKNOWN".
func (h *Header) Name() string {
	if n := h.Codec().Dialect.ExtName(h.Number()); n != "" {
		return n
	}
	return "UNKNOWN"
}

// visible is how many bytes of the extension come before its first secret one,
// for gopacket's hex dumps of layers.
func (h *Header) visible() int {
	n := len(h.Contents)
	if h.kind.meaning() == shape.NoMeaning {
		return min(n, ExtLen)
	}
	v := firstHidden{at: n}
	walkExtension(h, &v)
	return v.at
}

// firstHidden is a Visitor that looks for the first secret of an extension.
type firstHidden struct {
	noVisit
	at int
}

func (f *firstHidden) Field(_ *Field, v *Value) {
	if v.Kind == Hidden {
		f.at = min(f.at, v.Offset)
	}
}

// LayerContents returns the bytes of the extension up to the first that is
// secret by the rules of [Codec.AppendSecrets].
func (h *Header) LayerContents() []byte { return h.Contents[:h.visible()] }

// LayerPayload returns the bytes of the extension from the first that is secret:
// key octets, the data of unknown extensions. It is nil for most.
func (h *Header) LayerPayload() []byte {
	if p := h.Contents[h.visible():]; len(p) > 0 {
		return p
	}
	return nil
}

// cursor divides a message into extensions: the one framing loop.
type cursor struct {
	msg    []byte // the whole message
	off    int    // where the next extension begins
	d      *dialect
	big    bool
	code   packed
	reason Reason // why frame stopped before the end
}

func (c *cursor) init(codec Codec, msg []byte) {
	c.msg, c.off = msg, BaseLen
	c.d = codec.Dialect.table()
	c.big, c.code = codec.big(), codec.pack()
	c.reason = Sound
}

// rest is what is not framed yet.
func (c *cursor) rest() []byte { return c.msg[c.off:] }

// frame fills list with the headers of the next extensions and returns how many
// there are. Fewer than fit mean the end of the message (reason is Sound) or a rest
// that cannot be framed. An extension whose number is unknown, or that is too short
// for its structure, has no meaning.
func (c *cursor) frame(list []Header) (n int) {
	if c.reason != Sound {
		return 0
	}
	msg, off, numbers, big := c.msg[:len(c.msg):len(c.msg)], c.off, &c.d.byNumber, c.big
	for n < len(list) {
		if off+ExtLen > len(msg) {
			if off < len(msg) {
				c.reason = TrailingBytes
			}
			break
		}
		h := &list[n]
		head := extHead(msg[off:off+ExtLen:off+ExtLen], big)
		h.Len = uint16(head)
		size := int(head << 3 & (0xffff * Word))
		if size == 0 {
			c.reason = ZeroLength
			break
		}
		end := off + size
		if end > len(msg) {
			c.reason = Overrun
			break
		}
		k := kind(c.code)
		if number := head >> 16; number < uint32(len(numbers)) {
			if e := numbers[number]; size >= int(e.size) {
				k |= e.kind
				if e.key && c.keyOverrun(off, end) {
					c.reason = KeyOverrun
					list = list[:n+1] // to be the last
				}
			}
		}
		h.kind = k
		h.Offset = uint32(off)
		h.Contents = msg[off:end:end]
		n++
		off = end
	}
	c.off = off
	return n
}

// keyOverrun reports whether a key has more bits than room. It may go on in what
// looks like the next extension, so nothing after it can be told from key octets. In
// frame it would take registers from the extensions that are no keys.
//
//go:noinline
func (c *cursor) keyOverrun(off, end int) bool {
	b := c.msg[off:end]
	return end < len(c.msg) && keyOctets(get16(b[ExtLen:], c.big)) > len(b)-layoutSadbKey.shape().Size
}

// extHead reads the length, in words, and the number of an extension, its lower and
// its upper half, with one load.
func extHead(b []byte, big bool) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if big {
		v = bits.RotateLeft32(bits.ReverseBytes32(v), 16)
	}
	return v
}

// keyOctets is how many octets a key of so many bits takes.
func keyOctets(bits uint16) int { return (int(bits) + 7) / 8 }

// layoutFor chooses between the two forms of an extension that has two.
func (e *ext) layoutFor(b []byte, big bool) layout {
	if e.twoForms { // so that the compiler inlines the rest
		return e.formOf(b, big)
	}
	return e.layout
}

func (e *ext) formOf(b []byte, big bool) layout {
	switch {
	case e.longMin != 0 && len(b) >= int(e.longMin):
		return e.long
	case e.layout == layoutSadbSessionId && isILP32(b, big):
		return layoutSadbSessionIdIlp32
	}
	return e.layout
}

// isILP32 reports whether a sadb_session_id is that of a 32-bit process (i386, the
// last 32-bit macOS), where 64-bit members are aligned to 4 octets: its values are
// at 4 and 12 and the hole is at the end, else they are at 8 and 16 and the hole
// comes first. The bytes decide: something stands at 4, where the others have their
// hole, and nothing at 20. What has zeros in both reads as of a 64-bit process, and
// so does what has zeros in neither.
func isILP32(b []byte, big bool) bool {
	return !big && len(b) >= 24 && !allZero(b[4:8]) && allZero(b[20:24])
}

// Unknown is an extension whose number the dialect does not have, or one that
// is too short for its structure. Its data may be anything, so it is secret.
type Unknown struct {
	Header
	Type uint16 // extension number
	Data Secret // everything after the four bytes of the header
}

// Number returns the extension number.
func (x *Unknown) Number() uint16 { return x.Type }

// Name returns the name of the extension number, or "UNKNOWN".
func (x *Unknown) Name() string {
	if n := x.Codec().Dialect.ExtName(x.Type); n != "" {
		return n
	}
	return "UNKNOWN"
}

// String shows the number and the length.
func (x *Unknown) String() string {
	return fmt.Sprintf("%s type=%d data=%v", x.Name(), x.Type, x.Data)
}

// SerializeTo prepends the extension to b, padded to 8 bytes.
func (x *Unknown) SerializeTo(b gopacket.SerializeBuffer, opts gopacket.SerializeOptions) error {
	return serializeExtension(x, b, opts)
}

// Malformed is the rest of a message that cannot be divided into extensions. It
// is the last layer, and the packet's error layer. Its bytes may be anything, so
// they are secret.
type Malformed struct {
	Rest   Secret // aliasing the input
	Offset int    // where Rest begins, bytes from the start of the message
	Reason Reason
}

// LayerType is LayerTypeMalformed.
func (m *Malformed) LayerType() gopacket.LayerType { return LayerTypeMalformed }

// LayerContents is empty, so that dumps of the layer show no secret.
func (m *Malformed) LayerContents() []byte { return nil }

// LayerPayload returns the bytes.
func (m *Malformed) LayerPayload() []byte { return m.Rest }

// Error returns m as a [*DecodeError].
func (m *Malformed) Error() error { return &DecodeError{m.Reason, m.Offset, len(m.Rest)} }

// String describes what is wrong and where.
func (m *Malformed) String() string { return m.Error().Error() }

// SerializeTo prepends the bytes to b as they are.
func (m *Malformed) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	p, err := b.PrependBytes(len(m.Rest))
	if err != nil {
		return err
	}
	copy(p, m.Rest)
	return nil
}

// DecodeError says where a message stops making sense.
type DecodeError struct {
	Reason Reason
	Offset int // bytes from the start of the message
	Len    int // bytes that could not be decoded
}

// Error describes the reason and the place.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("at byte %d: %v (%d bytes not decoded)", e.Offset, e.Reason, e.Len)
}
