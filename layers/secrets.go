package layers

import (
	"encoding/binary"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Span is a run of secret bytes in a message.
type Span struct {
	Offset, Len int
	// Key is how many of the bytes, from the first, are the octets of one key; the
	// rest are of no known structure.
	Key int
}

// AppendSecrets appends the secret spans of a message to dst, in order, and
// returns it: the octets and padding of keys, private bodies, the data of unknown
// extensions, and everything that could not be decoded. It is the list that hides,
// replaces and stores secrets; nothing else decides what is one.
func (c Codec) AppendSecrets(dst []Span, msg []byte) []Span {
	if len(msg) < BaseLen || msg[1] == PROMISC { // which may hold another message
		return c.walkSecrets(dst, func(w *walker) { w.message(msg, 0, 0) })
	}
	var cur cursor
	cur.init(c, msg)
	var heads [8]Header
	for n := len(heads); n == len(heads); {
		n = cur.frame(heads[:])
		for i := range heads[:n] {
			dst = cur.appendSecrets(dst, &heads[i])
		}
	}
	if rest := cur.rest(); cur.reason != Sound && !allZero(rest) {
		dst = append(dst, Span{cur.off, len(rest), 0})
	}
	return dst
}

// appendSecrets appends the secret spans of an extension that cur has framed.
func (c *cursor) appendSecrets(dst []Span, h *Header) []Span {
	e := c.d.known(h.kind.meaning())
	if e == nil {
		return append(dst, Span{int(h.Offset) + ExtLen, len(h.Contents) - ExtLen, 0})
	}
	// The usual forms of what makes up nearly every message need no walk.
	codec := h.Codec()
	sh := e.layoutFor(h.Contents, c.big).shape()
	switch body := h.Contents[sh.Size:]; {
	case sh.Trailer == shape.None && len(body) == 0:
	case sh.Trailer == shape.Sockaddr && codec.bareSockaddr(body):
	case sh.Trailer == shape.Key && get16(h.Contents[6:], c.big) == 0: // reserved
		at, n := int(h.Offset)+sh.Size, min(keyOctets(get16(h.Contents[4:], c.big)), len(body))
		if n > 0 {
			dst = append(dst, Span{at, n, n})
		}
		if pad := body[n:]; !allZero(pad) {
			dst = append(dst, Span{at + n, len(pad), 0})
		}
	default:
		dst = codec.walkSecrets(dst, func(w *walker) {
			w.ext, w.extOff = h.Contents, int(h.Offset)
			w.extension(e)
		})
	}
	return dst
}

// bareSockaddr reports whether b is a sockaddr with its padding and nothing that
// should not be in them.
func (c Codec) bareSockaddr(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	d := c.Dialect.table()
	family := get16(b, c.big())
	if d.saLen {
		family = uint16(b[1])
	}
	switch family {
	case d.inet:
		return len(b) == 16 && binary.NativeEndian.Uint64(b[8:]) == 0 // sin_zero
	case d.inet6:
		return len(b) == 32 && (d.srcID || binary.NativeEndian.Uint32(b[28:]) == 0)
	}
	return false
}

// walkSecrets appends the secrets that a walk comes upon.
func (c Codec) walkSecrets(dst []Span, walk func(*walker)) []Span {
	f := finders.Get().(*secretFinder)
	f.spans = dst
	w := newWalker(c, f)
	w.hiddenOnly = true
	walk(w)
	w.release()
	dst, f.spans = f.spans, nil
	finders.Put(f)
	return dst
}

// secretFinder is a Visitor that collects what is secret.
type secretFinder struct {
	noVisit
	spans []Span
}

// finders keeps AppendSecrets from allocating: a Visitor is always on the heap.
var finders = sync.Pool{New: func() any { return new(secretFinder) }}

func (s *secretFinder) Field(_ *Field, v *Value) {
	if v.Kind == Hidden {
		s.spans = append(s.spans, Span{v.Offset, v.Size, v.Key})
	}
}

func (s *secretFinder) Malformed(rest []byte, off int, _ Reason) {
	if !allZero(rest) {
		s.spans = append(s.spans, Span{off, len(rest), 0})
	}
}
