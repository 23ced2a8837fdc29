package layers

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Message is a whole message decoded into one flat struct, to be used again and
// again: decoding does not allocate once Extensions has grown. Set Codec before
// the first use. It is a [gopacket.DecodingLayer].
//
// The typed accessors (SA, AddressSrc, …) return the first extension of their
// kind, or nil; they point into the Message. Of a kind that occurs twice all are
// in Extensions. A Message is for one goroutine, and aliases the bytes it was
// decoded from.
type Message struct {
	Base
	Extensions []Header // every extension in wire order, also unknown and duplicate ones
	Inner      Secret   // the message inside an X_PROMISC wrapper, or nil
	Rest       Secret   // what could not be framed, or nil
	RestReason Reason
	Duplicate  bool // some kind of extension occurs more than once

	present [shape.NumMeanings]bool
	slots   slots
	err     DecodeError
}

func (m *Message) has(k shape.Meaning) bool { return m.present[k] }

// Has reports whether there is an extension of the layer type.
func (m *Message) Has(t gopacket.LayerType) bool {
	k := meaningOf(t)
	return k != shape.NoMeaning && m.has(k)
}

// Extension returns the first extension of the layer type, or nil. It points
// into m.
func (m *Message) Extension(t gopacket.LayerType) Extension {
	if k := meaningOf(t); k != shape.NoMeaning && m.has(k) {
		return m.slots.slot(k)
	}
	return nil
}

// CanDecode is LayerTypeMessage.
func (m *Message) CanDecode() gopacket.LayerClass { return LayerTypeMessage }

// NextLayerType is LayerTypeZero: a message is the last layer.
func (m *Message) NextLayerType() gopacket.LayerType { return gopacket.LayerTypeZero }

// LayerPayload is nil: nothing comes after a message.
func (m *Message) LayerPayload() []byte { return nil }

// LayerContents returns the 16 bytes of the header.
func (m *Message) LayerContents() []byte { return m.Contents }

// DecodeFromBytes decodes data, which m then aliases. It decodes as much as it
// can and then returns a *DecodeError, which is valid until the next call, if
// there is a rest. df may be nil.
func (m *Message) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	clear(m.present[:])
	m.Extensions = m.Extensions[:0]
	m.Duplicate = false
	if m.Inner != nil { // the branches cost less than clearing slices that are nil
		m.Inner = nil
	}
	if m.RestReason != Sound {
		m.Rest, m.RestReason = nil, Sound
	}
	if len(data) < BaseLen {
		codec := m.Codec
		m.Base = Base{Codec: codec}
		if df != nil {
			df.SetTruncated()
		}
		return m.fail(data, 0, ShortHeader)
	}
	c := m.Codec
	m.Base.decode(c, data)
	if df != nil && int(m.Len)*Word > len(data) {
		df.SetTruncated()
	}
	if m.Type == PROMISC && m.wraps() {
		m.Inner = m.Payload
		return nil
	}
	var cur cursor
	cur.init(c, data)
	list := m.Extensions[:cap(m.Extensions)]
	n := cur.frame(list)
	for n == len(list) { // perhaps there are more
		list = slices.Grow(list, 8)
		list = list[:cap(list)]
		n += cur.frame(list[n:])
	}
	m.Extensions = list[:n]
	m.decode(cur.d, cur.big)
	if cur.reason != Sound {
		return m.fail(cur.rest(), cur.off, cur.reason)
	}
	return nil
}

// SerializeTo refuses: a Message is for reading. Serialize the layers that
// [Codec.Extensions] or [gopacket.NewPacket] give.
func (m *Message) SerializeTo(gopacket.SerializeBuffer, gopacket.SerializeOptions) error {
	return errors.New("a layers.Message cannot be serialized: serialize the layers that Codec.Extensions returns")
}

// Format shows the header for every verb, so that no key is printed.
func (m Message) Format(f fmt.State, _ rune) { io.WriteString(f, m.Base.String()) }

// GoString shows the header, so that no key is printed.
func (m Message) GoString() string { return m.Base.String() }

func (m *Message) fail(rest []byte, off int, r Reason) error {
	m.Rest, m.RestReason = rest, r
	m.err = DecodeError{r, off, len(rest)}
	return &m.err
}
