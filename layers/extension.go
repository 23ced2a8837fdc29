package layers

import (
	"errors"
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

	encode(id layout, big bool, b []byte) // fills in b, which has size bytes, all but the header
	size(id layout) int                   // 0 if the layout is another struct's
	standsFor() shape.Meaning             // the one thing the struct is for, or NoMeaning
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

// ErrNoCodec is the cause of an error about serializing something that has no
// codec.
var ErrNoCodec = errors.New("no codec: use Codec.Serialize")

func serializeExtension(x Extension, b gopacket.SerializeBuffer, opts gopacket.SerializeOptions) error {
	h := x.Head()
	if h.kind.code() == 0 {
		return ErrNoCodec
	}
	c := h.Codec()
	big := c.big()
	var id layout
	var number uint16
	if u, ok := x.(*Unknown); ok {
		number = u.Type
	} else {
		m := h.kind.meaning()
		if m == shape.NoMeaning {
			return fmt.Errorf("%T does not say which extension it is: set Header to layers.For(LayerType…)", x)
		}
		e := c.Dialect.table().known(m)
		if e == nil {
			return fmt.Errorf("dialect %v has no extension %s", c.Dialect, shape.Meanings[m].Go)
		}
		number, id = e.number, e.layout
		if e.twoForms {
			if sa, ok := x.(*SA); ok && e.longMin != 0 && sa.isLong(int(e.longMin)) {
				id = e.long
			}
			if s, ok := x.(*SessionID); ok && isILP32(s.Contents, big) {
				id = layoutSadbSessionIdIlp32
			}
		}
	}
	n := x.size(id)
	if n == 0 {
		return fmt.Errorf("%T cannot be the extension %s: want *layers.%s", x, c.Dialect.ExtName(number), id.shape().Go)
	}
	padded := (n + Word - 1) &^ (Word - 1)
	words := h.Len
	if opts.FixLengths || h.Contents == nil && words == 0 {
		if padded/Word > 0xffff {
			return fmt.Errorf("%s extension of %d bytes: want at most %d", c.Dialect.ExtName(number), n, 0xffff*Word)
		}
		words = uint16(padded / Word)
	}
	p, err := b.PrependBytes(padded)
	if err != nil {
		return err
	}
	put16(p, big, words)
	put16(p[2:], big, number)
	x.encode(id, big, p[:n])
	if n < padded {
		clear(p[n:])
	}
	return nil
}

// isLong reports whether an SA needs the longer of macOS' two forms.
func (x *SA) isLong(min int) bool {
	return len(x.Contents) >= min ||
		x.NATTPort|x.NATTInterval|x.NATTOffloadInterval|x.NATTSrcPort != 0
}

// Serialize writes a message into b, replacing what is there: its layers are a
// *Base, extensions, and perhaps a *Malformed. Layers that have no codec yet get
// c; one that has another codec is refused, since its bytes would be in another
// order or layout. With opts.FixLengths every length is computed, else decoded
// layers keep theirs.
func (c Codec) Serialize(b gopacket.SerializeBuffer, opts gopacket.SerializeOptions, ls ...gopacket.SerializableLayer) error {
	if c.Dialect == NoDialect || c.Order == NoOrder {
		return fmt.Errorf("codec %v: want a dialect and a byte order", c)
	}
	for i, l := range ls {
		if err := c.adopt(l); err != nil {
			return fmt.Errorf("layer %d (%v): %w", i, l.LayerType(), err)
		}
	}
	if err := b.Clear(); err != nil {
		return err
	}
	for i := len(ls) - 1; i >= 0; i-- {
		if err := ls[i].SerializeTo(b, opts); err != nil {
			return fmt.Errorf("layer %d (%v): %w", i, ls[i].LayerType(), err)
		}
		b.PushLayer(ls[i].LayerType())
	}
	return nil
}

func (c Codec) adopt(l gopacket.SerializableLayer) error {
	switch l := l.(type) {
	case *Base:
		if l.Codec.IsZero() {
			l.Codec = c
		}
		if l.Codec != c {
			return fmt.Errorf("has codec %v, the message %v", l.Codec, c)
		}
	case Extension:
		h := l.Head()
		if h.kind.code() == 0 {
			h.kind |= kind(c.pack())
		}
		if h.kind.code() != c.pack() {
			return fmt.Errorf("has codec %v, the message %v", h.Codec(), c)
		}
		if h.kind.meaning() == shape.NoMeaning {
			h.kind = newKind(l.standsFor(), c.pack())
		}
	}
	return nil
}

// Encode makes a message with correct lengths. Version is set to 2 if it is 0.
func (c Codec) Encode(base *Base, exts ...Extension) ([]byte, error) {
	if base.Version == 0 {
		base.Version = Version
	}
	ls := make([]gopacket.SerializableLayer, 0, 1+len(exts))
	ls = append(ls, base)
	for _, x := range exts {
		ls = append(ls, x)
	}
	b := gopacket.NewSerializeBufferExpectedSize(512, 0)
	if err := c.Serialize(b, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
