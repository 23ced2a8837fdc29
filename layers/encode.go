package layers

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// ErrNoCodec is the cause of an error about serializing something that has no
// codec.
var ErrNoCodec = errors.New("no codec: use Codec.Serialize")

// writing says how extensions are to be written: the packed codec, and whether
// lengths are to be computed.
type writing uint16

const fixLengths writing = 1 << 8

func (c Codec) writing(fix bool) writing {
	w := writing(c.pack())
	if fix {
		w |= fixLengths
	}
	return w
}

func (w writing) code() packed { return packed(w) }

// keeps reports whether an extension keeps the length that its header says.
func (w writing) keeps(h *Header) bool {
	return w&fixLengths == 0 && (h.Contents != nil || h.Len != 0)
}

func (w writing) big() bool { return w&3 == writing(BigEndian) }

// Append appends a message to dst, with correct lengths, and returns the longer
// slice. The header and the extensions get codec c unless they have one; another
// one than c is refused, since their bytes would be in another order or layout.
// Version is set to 2 if it is 0, and Len to the message's. With room in dst, which
// must not be what the extensions alias, it does not allocate. After an error dst is
// returned as it was.
func (c Codec) Append(dst []byte, base *Base, exts ...Extension) ([]byte, error) {
	if err := c.whole(); err != nil {
		return dst, err
	}
	if base.Version == 0 {
		base.Version = Version
	}
	if err := c.adopt(base); err != nil {
		return dst, layerError(0, base, err)
	}
	start := len(dst)
	var header [BaseLen]byte
	out, i, err := appendExtensions(append(dst, header[:]...), exts, c.Dialect.table(), c.writing(true))
	if err != nil {
		return dst, layerError(i+1, exts[i], err)
	}
	if err := base.fix(len(out) - start); err != nil {
		return dst, layerError(0, base, err)
	}
	base.put(out[start:], c.big())
	return out, nil
}

// Encode makes a message with correct lengths, as Append does.
func (c Codec) Encode(base *Base, exts ...Extension) ([]byte, error) {
	msg, err := c.Append(make([]byte, 0, 256), base, exts...)
	if err != nil {
		return nil, err
	}
	return msg, nil
}

// Serialize writes a message into b, replacing what is there: its layers are a
// *Base, extensions, and perhaps a *Malformed. Layers that have no codec yet get
// c; one that has another codec is refused, since its bytes would be in another
// order or layout. With opts.FixLengths every length is computed, else decoded
// layers keep theirs.
func (c Codec) Serialize(b gopacket.SerializeBuffer, opts gopacket.SerializeOptions, ls ...gopacket.SerializableLayer) error {
	if err := c.whole(); err != nil {
		return err
	}
	if err := b.Clear(); err != nil {
		return err
	}
	w := c.writing(opts.FixLengths)
	exts := make([]Extension, 0, 16)
	for end := len(ls); end > 0; {
		i := end - 1
		if exts = lastExtensions(exts[:0], ls[:end]); len(exts) > 0 { // which are written in one go
			i = end - len(exts)
			if bad, err := prependExtensions(b, exts, w); err != nil {
				return layerError(i+bad, ls[i+bad], err)
			}
		} else {
			if base, ok := ls[i].(*Base); ok {
				if err := c.adopt(base); err != nil {
					return layerError(i, base, err)
				}
			}
			if err := ls[i].SerializeTo(b, opts); err != nil {
				return layerError(i, ls[i], err)
			}
		}
		for end > i {
			end--
			b.PushLayer(ls[end].LayerType())
		}
	}
	return nil
}

// lastExtensions appends the extensions that layers end with to dst.
func lastExtensions(dst []Extension, ls []gopacket.SerializableLayer) []Extension {
	from := len(ls)
	for from > 0 {
		if _, ok := ls[from-1].(Extension); !ok {
			break
		}
		from--
	}
	for _, l := range ls[from:] {
		dst = append(dst, l.(Extension))
	}
	return dst
}

// whole refuses a codec that does not say enough to write by.
func (c Codec) whole() error {
	if c.Dialect == NoDialect || c.Order == NoOrder {
		return fmt.Errorf("codec %v: want a dialect and a byte order", c)
	}
	return nil
}

func layerError(i int, l gopacket.SerializableLayer, err error) error {
	return fmt.Errorf("layer %d (%v): %w", i, l.LayerType(), err)
}

func (c Codec) adopt(m *Base) error {
	if m.Codec.IsZero() {
		m.Codec = c
	}
	if m.Codec != c {
		return fmt.Errorf("has codec %v, the message %v", m.Codec, c)
	}
	return nil
}

// serializeExtension prepends one extension to b.
func serializeExtension(x Extension, b gopacket.SerializeBuffer, opts gopacket.SerializeOptions) error {
	code := x.Head().kind.code()
	if code == 0 {
		return ErrNoCodec
	}
	_, err := prependExtensions(b, []Extension{x}, code.codec().writing(opts.FixLengths))
	return err
}

// encodeBuffers are for prependExtensions.
var encodeBuffers = sync.Pool{New: func() any { return new([]byte) }}

// prependExtensions writes extensions in front of what is in b. A SerializeBuffer
// grows at its front, so they are made elsewhere first. After an error the extension of
// that index could not be written.
func prependExtensions(b gopacket.SerializeBuffer, exts []Extension, w writing) (index int, err error) {
	buf := encodeBuffers.Get().(*[]byte)
	out, index, err := appendExtensions((*buf)[:0], exts, w.code().codec().Dialect.table(), w)
	if err == nil {
		var p []byte
		if p, err = b.PrependBytes(len(out)); err == nil {
			copy(p, out)
		}
	}
	clear(out) // there may be keys
	*buf = out
	encodeBuffers.Put(buf)
	return index, err
}

// appendExtensions appends extensions to dst, padded. d is the dialect of w's codec.
// After an error the extension of that index could not be written.
func appendExtensions(dst []byte, exts []Extension, d *dialect, w writing) (_ []byte, index int, err error) {
	if w&fixLengths == 0 {
		return appendOthers(dst, exts, 0, d, w)
	}
	for i, x := range exts {
		n, number, id := x.measure(d, w.code())
		at, size := len(dst), padded(n)
		if uint(n-1) >= maxExtension || size > cap(dst)-at {
			return appendOthers(dst, exts, i, d, w)
		}
		dst = dst[:at+size]
		x.encode(id, w.big(), number, dst[at:])
	}
	return dst, 0, nil
}

// appendOthers does what is left for appendExtensions from extension i on, one that
// there is no room for, that has no codec or meaning yet, keeps its length, or is
// refused.
func appendOthers(dst []byte, exts []Extension, i int, d *dialect, w writing) (_ []byte, index int, err error) {
	for ; i < len(exts); i++ {
		x := exts[i]
		n, number, id, err := adopt(x, d, w)
		if err != nil {
			return dst, i, err
		}
		at, size := len(dst), padded(n)
		dst = slices.Grow(dst, size)[:at+size]
		x.encode(id, w.big(), number, dst[at:])
		if h := x.Head(); w.keeps(h) {
			put16(dst[at:], w.big(), h.Len)
		}
	}
	return dst, 0, nil
}

// adopt gives an extension the codec of the message and its meaning, if it has none
// yet, and measures it.
func adopt(x Extension, d *dialect, w writing) (n int, number uint16, id layout, err error) {
	h := x.Head()
	if h.kind.code() == 0 {
		h.kind |= kind(w.code())
	}
	if h.kind.code() != w.code() {
		return 0, 0, 0, fmt.Errorf("has codec %v, the message %v", h.Codec(), w.code().codec())
	}
	if h.kind.meaning() == shape.NoMeaning {
		h.kind = newKind(x.standsFor(), w.code())
	}
	n, number, id = x.measure(d, w.code())
	switch {
	case n == 0:
		err = refused(x, d)
	case n > maxExtension && !w.keeps(h):
		err = fmt.Errorf("%s extension of %d bytes: want at most %d", x.Name(), n, maxExtension)
	}
	return n, number, id, err
}

// refused says why x cannot be written in a dialect.
func refused(x Extension, d *dialect) error {
	m := x.Head().kind.meaning()
	e := d.known(m)
	switch {
	case m == shape.NoMeaning:
		return fmt.Errorf("%T does not say which extension it is: set Header to layers.For(LayerType…)", x)
	case e == nil:
		return fmt.Errorf("dialect %s has no extension %s", d.name, shape.Meanings[m].Go)
	}
	return fmt.Errorf("%T cannot be the extension %s: want *layers.%s", x, e.name, e.layout.shape().Go)
}

// maxExtension is the most bytes that sadb_ext_len can say.
const maxExtension = 0xffff * Word

// padded is the size of an extension of n bytes.
func padded(n int) int { return (n + Word - 1) &^ (Word - 1) }

// putHead writes the header of the extension that b is, and its last word as padding:
// what is written after it may overwrite that.
func putHead(b []byte, big bool, number uint16) {
	binary.LittleEndian.PutUint64(b[len(b)-Word:], 0)
	v := uint32(uint(len(b))/Word) | uint32(number)<<16
	if big {
		v = bits.ReverseBytes32(bits.RotateLeft32(v, 16))
	}
	binary.LittleEndian.PutUint32(b, v)
}

// form is the layout in which x is to be written: macOS has a longer one.
func (x *SA) form(e *ext, _ packed) layout {
	if e.longMin != 0 && (len(x.Contents) >= int(e.longMin) || x.NATTPort|x.NATTInterval|x.NATTOffloadInterval|x.NATTSrcPort != 0) {
		return e.long
	}
	return e.layout
}

// form is the layout in which x is to be written: that in which it was read.
func (x *SessionID) form(e *ext, code packed) layout {
	if e.layout == layoutSadbSessionId && isILP32(x.Contents, code.codec().big()) {
		return layoutSadbSessionIdIlp32
	}
	return e.layout
}

func (x *Unknown) measure(_ *dialect, code packed) (n int, number uint16, id layout) {
	if x.kind.code() != code {
		return 0, 0, 0
	}
	return ExtLen + len(x.Data), x.Type, 0
}

func (x *Unknown) encode(_ layout, big bool, number uint16, b []byte) {
	putHead(b, big, number)
	copy(b[ExtLen:], x.Data)
}

func (x *Unknown) standsFor() shape.Meaning { return shape.NoMeaning }
