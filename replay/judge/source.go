package judge

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
)

// Source makes the messages of a run: those of package gen, some of them with a few
// octets changed at random, and, if there are any, recorded requests in their order,
// half of them changed.
type Source struct {
	codec    layers.Codec
	seed     uint64
	gen      *gen.Generator
	recorded [][]byte
	again    *rand.PCG
}

// stretch is how many messages in a row are generated, or recorded.
const stretch = defaultSession

// NewSource returns the messages of a seed for a kernel's codec. recorded are requests
// in its byte order, which the Source keeps.
func NewSource(c layers.Codec, seed uint64, recorded [][]byte) *Source {
	return &Source{
		codec: c, seed: seed, recorded: recorded, again: rand.NewPCG(0, 0),
		gen: gen.New(c, seed, gen.Options{Requests: true}),
	}
}

// String names the Source, the seed aside: what a run that is resumed must be of too.
func (s *Source) String() string {
	if len(s.recorded) == 0 {
		return "generated"
	}
	h := sha256.New()
	for _, b := range s.recorded {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	return fmt.Sprintf("generated and %d recorded requests, %x", len(s.recorded), h.Sum(nil)[:8])
}

// Append appends message i to dst. It has at least one byte: a write of none is no
// message.
func (s *Source) Append(i uint64, dst []byte) []byte {
	from := len(dst)
	every := uint64(8) // how many messages there are to one that is changed at random
	if n := i / stretch; len(s.recorded) > 0 && n%2 == 1 {
		i = n/2*stretch + i%stretch // without the stretches between
		dst = append(dst, s.recorded[i%uint64(len(s.recorded))]...)
		every = 2
	} else {
		dst, _ = s.gen.At(i, dst)
	}
	if len(dst) == from {
		return append(dst, 0)
	}
	if i%every == 1 {
		s.noise(i, dst[from:])
	}
	return dst
}

// noise changes a few octets of a message, as a generator that knows the structures
// would not think of.
func (s *Source) noise(i uint64, msg []byte) {
	s.again.Seed(s.seed, i)
	r := rand.New(s.again)
	order := s.codec.Order.Binary()
	for range 1 + r.IntN(3) {
		at := r.IntN(len(msg))
		// Half of the time it is what an extension begins with.
		if _, exts, _ := s.codec.Extensions(msg); r.IntN(2) == 0 && len(exts) > 0 {
			h := exts[r.IntN(len(exts))].Head()
			at = int(h.Offset) + r.IntN(min(len(h.Contents), 16))
		}
		switch r.IntN(6) {
		case 0:
			msg[at] ^= 1 << r.IntN(8)
		case 1:
			msg[at] = byte(r.Uint32())
		case 2:
			msg[at] = byte(r.IntN(32))
		case 3:
			msg[at] += byte(1 - 2*r.IntN(2))
		case 4:
			if at &^= 1; at+2 <= len(msg) {
				order.PutUint16(msg[at:], uint16(r.IntN(32)))
			}
		case 5: // what stands elsewhere
			other := r.IntN(len(msg))
			n := min(layers.Word, len(msg)-at, len(msg)-other)
			copy(msg[at:at+n], bytes.Clone(msg[other:other+n]))
		}
	}
}
