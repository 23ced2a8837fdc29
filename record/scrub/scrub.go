// Package scrub takes out of a recording what names people and machines, so that it
// can be given to others.
//
// Keys are not its business: a Writer puts stand-ins in their place (record.Hider).
// What remains after scrubbing is listed by Remains.
package scrub

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// Options say what is scrubbed besides identities, process names, comments and what
// no structure accounts for.
type Options struct {
	// Addresses replaces IP addresses, such that two that share a prefix share one of
	// the same length afterwards (Crypto-PAn). Addresses that name nobody stay:
	// unspecified, loopback and multicast ones.
	Addresses bool
}

// Cleared is a run of bytes that a message carried for nothing and that were set to
// zero: padding or reserved fields that a kernel or daemon has not initialised, or what
// lies beyond a structure.
type Cleared struct {
	Record    uint64 // number
	Extension string // name
	Field     string
	Offset    int // bytes from the start of the message
	Bytes     int // that were not zero
}

// maxListed bounds the memory of a list of what was cleared.
const maxListed = 10000

// Counts say what a Scrubber has done.
type Counts struct {
	Records, Identities, Processes, Comments, Addresses int

	Cleared []Cleared // the first ones, at most 10,000
	Runs    int       // all of them
	Bytes   int       // that were not zero, in all
}

// Scrubber scrubs the records of one recording. Equal identities and addresses stay
// equal within it, and are others in the next one. It is for one goroutine.
type Scrubber struct {
	Counts

	o    Options
	salt [32]byte
	anon *anonymizer

	r    *record.Record
	data []byte
	ext  string
}

// New returns a Scrubber with random salts.
func New(o Options) *Scrubber {
	s := &Scrubber{o: o}
	rand.Read(s.salt[:]) // never fails
	if o.Addresses {
		var key [32]byte
		rand.Read(key[:])
		s.anon = newAnonymizer(key)
	}
	return s
}

// Record scrubs a record, whose slices it replaces or changes.
func (s *Scrubber) Record(r *record.Record) {
	s.Records++
	if r.Process != "" {
		s.Processes++
		r.Process = ""
	}
	s.Comments += len(r.Comments)
	r.Comments = nil
	r.Data = s.bytes(r, r.Data)
	if r.True != nil { // the same of the message with its keys
		counts := s.Counts
		r.True = s.bytes(r, r.True)
		s.Counts = counts
	}
}

func (s *Scrubber) bytes(r *record.Record, msg []byte) []byte {
	s.r, s.data = r, append([]byte(nil), msg...)
	r.Codec.Walk(msg, s)
	return s.data
}

// The methods of layers.Visitor.

func (s *Scrubber) Base(*layers.Base, int, int) {}

func (s *Scrubber) Extension(_ *layers.Header, _ uint16, name string, _ int, _ bool) { s.ext = name }

func (s *Scrubber) Field(f *layers.Field, v *layers.Value) {
	switch {
	case v.Kind == layers.Hidden:
		s.clear(f.Name, v.Offset+v.Key, v.Bytes[min(v.Key, len(v.Bytes)):])
	case f.Sem == layers.SemReserved && !v.Zero():
		s.clear(f.Name, v.Offset, s.data[v.Offset:v.Offset+v.Size])
	case v.Kind == layers.Addr && s.anon != nil:
		s.address(v)
	case isIdentity(f) && (v.Kind == layers.Text || v.Kind == layers.Hex):
		s.identity(v)
	}
}

// isIdentity reports whether a field holds who or what a key manager calls an end.
func isIdentity(f *layers.Field) bool {
	return f.Name == "identity" || f.Name == "identity_hex"
}

func (s *Scrubber) Open(layers.NodeKind, string) {}
func (s *Scrubber) Close(layers.NodeKind)        {}
func (s *Scrubber) EndExtension()                {}
func (s *Scrubber) End()                         {}

func (s *Scrubber) Malformed(rest []byte, offset int, _ layers.Reason) {
	s.ext = "MALFORMED"
	s.clear("rest", offset, rest)
}

// clear zeroes the bytes at an offset.
func (s *Scrubber) clear(field string, offset int, b []byte) {
	n := 0
	for i := range b {
		if b[i] != 0 {
			n++
		}
	}
	if n == 0 {
		return
	}
	clear(s.data[offset : offset+len(b)])
	s.Runs++
	s.Bytes += n
	if len(s.Cleared) < maxListed {
		s.Cleared = append(s.Cleared, Cleared{s.r.Number, s.ext, field, offset, n})
	}
}

// identity replaces all but the zeros at the end by digits that equal identities
// share.
func (s *Scrubber) identity(v *layers.Value) {
	b := s.data[v.Offset : v.Offset+min(v.Size, len(s.data)-v.Offset)]
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return
	}
	mac := hmac.New(sha256.New, s.salt[:])
	mac.Write(b)
	name := hex.EncodeToString(mac.Sum(nil)[:8])
	for i := range b {
		b[i] = name[i%len(name)]
	}
	s.Identities++
}

func (s *Scrubber) address(v *layers.Value) {
	if v.Addr.IsUnspecified() || v.Addr.IsLoopback() || v.Addr.IsMulticast() {
		return
	}
	b := s.anon.addr(v.Addr.Unmap()).AsSlice()
	if v.Offset+len(b) > len(s.data) || v.Size < len(b) {
		return
	}
	copy(s.data[v.Offset:], b)
	s.Addresses++
}

// Remains lists what is still in a scrubbed recording, for people to decide whether
// they may give it away.
func (s *Scrubber) Remains() []string {
	list := []string{"times, message types, SPIs, sequence numbers and process ids", "algorithms, lifetimes and policies", "security contexts, tags and interface names"}
	if s.anon == nil {
		return append(list, "IP addresses and ports (--anon-addr replaces the addresses)")
	}
	return append(list, "ports, prefix lengths, and which addresses share a prefix")
}

var _ layers.Visitor = (*Scrubber)(nil)
