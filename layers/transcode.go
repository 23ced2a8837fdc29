package layers

import (
	"fmt"
	"slices"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// TranscodeError says which bytes of a message Transcode could not carry over.
type TranscodeError struct {
	Offset int // bytes from the start of the message
	Len    int
	What   string
}

// Error describes the bytes by their place, not by their values.
func (e *TranscodeError) Error() string {
	return fmt.Sprintf("at byte %d: %s (%d bytes) cannot be put into another byte order", e.Offset, e.What, e.Len)
}

// Transcode appends msg, a message of codec from, to dst as a machine of codec
// to would have written it, and returns the longer slice. The message stays as
// long as it is: every integer in host byte order is turned round in its place,
// while SPIs, ports, addresses, keys and text are octets in every order. The
// dialects must be the same.
//
// Bytes whose structure is not known cannot be turned round. If there are any
// that are not all zero (the data of an unknown extension, what follows a known
// structure, what cannot be framed), the error is a *TranscodeError, and dst is
// returned as it was.
func Transcode(dst []byte, from, to Codec, msg []byte) ([]byte, error) {
	if from.Dialect != to.Dialect {
		return dst, fmt.Errorf("a message of %v cannot be made one of %v: only the byte order can change", from.Dialect, to.Dialect)
	}
	start := len(dst)
	out := append(dst, msg...)
	if from.big() == to.big() {
		return out, nil
	}
	t := transcoders.Get().(*transcoder)
	*t = transcoder{out: out[start:], d: from.Dialect.table()}
	from.Walk(msg, t)
	err := t.err
	*t = transcoder{} // the pool must not keep the message
	transcoders.Put(t)
	if err == nil {
		err = sameNesting(from, msg, to, out[start:])
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// sameNesting makes sure that a message holds another one in both byte orders or in
// none. Whether it does is told from a length, and a header of another version than
// 2 can look like an extension in one order and not in the other.
func sameNesting(from Codec, msg []byte, to Codec, out []byte) error {
	var a, z Base
	for offset := BaseLen; len(msg) >= BaseLen; offset += BaseLen {
		a.decode(from, msg)
		z.decode(to, out)
		msg, out = msg[BaseLen:], out[BaseLen:]
		if a.wraps() != z.wraps() {
			return &TranscodeError{Offset: offset, Len: len(msg), What: "what is a message in one order and extensions in the other"}
		}
		if !a.wraps() {
			break
		}
	}
	return nil
}

// transcoders keeps Transcode from allocating: a Visitor is always on the heap.
var transcoders = sync.Pool{New: func() any { return new(transcoder) }}

// sessionPad is the hole in macOS' session id.
var sessionPad = &layoutSadbSessionId.shape().Fields[0]

// transcoder is a Visitor that turns integers round in out, a copy of what is
// being walked.
type transcoder struct {
	noVisit
	out   []byte
	d     *dialect
	known bool // the extension's number and structure are
	err   error
}

func (t *transcoder) swap(offset, size int) { slices.Reverse(t.out[offset : offset+size]) }

func (t *transcoder) Base(_ *Base, offset, _ int) {
	t.swap(offset+4, 2)  // sadb_msg_len
	t.swap(offset+6, 2)  // sadb_msg_reserved
	t.swap(offset+8, 4)  // sadb_msg_seq
	t.swap(offset+12, 4) // sadb_msg_pid
}

func (t *transcoder) Extension(_ *Header, _ uint16, name string, offset int, short bool) {
	t.swap(offset, 2)
	t.swap(offset+2, 2)
	t.known = name != "" && !short
}

func (t *transcoder) Field(f *Field, v *Value) {
	switch {
	case v.Kind == Hidden:
		t.hidden(f, v)
	case f == fieldVOffset, f == sessionPad && !v.Zero():
		// By these octets a reader tells where the values are, and only on a
		// little-endian machine.
		t.opaque(t.out[v.Offset:v.Offset+4], v.Offset, "the session id of a 32-bit process, or octets in its hole,")
	case v.Kind != Number:
		if f == fieldSockaddr && !allZero(v.Bytes[min(2, len(v.Bytes)):]) {
			t.opaque(v.Bytes, v.Offset, "a sockaddr of an unknown family")
		}
	case f == fieldPort, f == fieldFlow:
		// In network order on every machine.
	case f == fieldFamily:
		if !t.d.saLen {
			t.swap(v.Offset, 2)
		}
	case f.Order == shape.Host:
		t.swap(v.Offset, v.Size)
	}
}

// hidden treats bytes that are secret, of which only some are integers.
func (t *transcoder) hidden(f *Field, v *Value) {
	switch {
	case f.Order == shape.Host: // a reserved member, and zero or more bytes after it
		t.swap(v.Offset, int(f.Size))
	case f == fieldTail:
		t.opaque(v.Bytes, v.Offset, "bytes beyond a known structure")
	case f == fieldData && !t.known:
		t.opaque(v.Bytes, v.Offset, "the data of an unknown extension")
	}
}

func (t *transcoder) Malformed(rest []byte, offset int, _ Reason) {
	t.opaque(rest, offset, "a rest that cannot be divided into extensions")
}

func (t *transcoder) opaque(b []byte, offset int, what string) {
	if t.err == nil && !allZero(b) {
		t.err = &TranscodeError{Offset: offset, Len: len(b), What: what}
	}
}
