package layers

import "sync"

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
	f := finders.Get().(*secretFinder)
	f.spans = dst
	c.walk(msg, f, true)
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
