package layers

import (
	"fmt"
	"slices"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Extension is a layer that holds one extension. The structs of this package
// are the only ones.
type Extension interface {
	gopacket.Layer
	gopacket.SerializableLayer
	fmt.Stringer
	// Head returns the header.
	Head() *Header
	// Number returns the extension number.
	Number() uint16
	// Name returns the extension's name in its dialect, or "UNKNOWN".
	Name() string

	// measure returns how many bytes the extension takes, its number and its layout, or
	// 0 if it has another codec or is none of the dialect.
	measure(d *dialect, code packed) (n int, number uint16, id layout)
	encode(id layout, big bool, number uint16, b []byte) // fills in b, which has the padded size
	standsFor() shape.Meaning                            // the one thing the struct is for, or NoMeaning
}

// Decode adds the layers of a message to p: a Base, a layer for each extension,
// a Malformed if there is a rest that cannot be framed. It always returns nil,
// because an error would lose the bytes; a Malformed layer is the error layer of
// the packet. Layers alias data.
func (c Codec) Decode(data []byte, p gopacket.PacketBuilder) error {
	msg := data
	for depth := 0; ; depth++ {
		if len(msg) < BaseLen || depth > MaxNesting {
			reason := ShortHeader
			if len(msg) >= BaseLen {
				reason = TooDeep
			}
			addMalformed(p, msg, 0, reason)
			return nil
		}
		base := &Base{inner: depth > 0}
		base.decode(c, msg)
		p.AddLayer(base)
		if int(base.Len)*Word > len(msg) {
			p.SetTruncated()
		}
		if !base.wraps() {
			break
		}
		msg = base.Payload
	}
	var cur cursor
	cur.init(c, msg)
	var heads [4]Header
	for n := len(heads); n == len(heads); {
		n = cur.frame(heads[:])
		for i := range heads[:n] {
			p.AddLayer(cur.extension(&heads[i]))
		}
	}
	if cur.reason != Sound {
		addMalformed(p, cur.rest(), cur.off, cur.reason)
	}
	return nil
}

func addMalformed(p gopacket.PacketBuilder, rest []byte, off int, r Reason) {
	m := &Malformed{Rest: rest, Offset: off, Reason: r}
	p.AddLayer(m)
	p.SetErrorLayer(m)
}

// extension makes the layer of an extension that c has framed.
func (c *cursor) extension(h *Header) Extension {
	e := c.d.known(h.kind.meaning())
	if e == nil {
		return &Unknown{Header: *h, Type: get16(h.Contents[2:], c.big), Data: h.Contents[ExtLen:]}
	}
	return newExtension(h, e.layoutFor(h.Contents, c.big), c.big)
}

// Extensions decodes a message into its header and extensions, for those who do
// not use gopacket's packets. rest is what could not be framed, or nil. Only the
// outer message of a wrapper is decoded; base.Payload holds the inner one.
func (c Codec) Extensions(msg []byte) (base *Base, exts []Extension, rest *Malformed) {
	if len(msg) < BaseLen {
		return nil, nil, &Malformed{Rest: msg, Reason: ShortHeader}
	}
	base = new(Base)
	base.decode(c, msg)
	if base.wraps() {
		return base, nil, nil
	}
	var cur cursor
	cur.init(c, msg)
	var heads [8]Header
	for n := len(heads); n == len(heads); {
		n = cur.frame(heads[:])
		exts = slices.Grow(exts, n)
		for i := range heads[:n] {
			exts = append(exts, cur.extension(&heads[i]))
		}
	}
	if cur.reason != Sound {
		rest = &Malformed{Rest: cur.rest(), Offset: cur.off, Reason: cur.reason}
	}
	return base, exts, rest
}
