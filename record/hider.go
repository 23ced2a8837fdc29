package record

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/bits"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Hider makes stand-ins for secrets: bytes of the same length that are a
// pseudo-random function of the secret under a salt. Equal keys have equal
// stand-ins, whatever pads them in their extensions; without the salt a stand-in
// says nothing else. A Hider belongs to one goroutine, but ID may be called from several
// at once.
type Hider struct {
	naming  sync.Mutex // of ID
	mac     hash.Hash  // HMAC-SHA256 keyed with the salt
	sum     [sha256.Size]byte
	scratch [8]byte
	spans   []layers.Span
	recent  *recentKeys // a pointer, so that printing a Hider prints no key
}

// recentKeys are the last keys that were hidden. A key comes with every message
// about its SA: the request, the answer, the copies of both.
type recentKeys struct {
	keys [8]recentKey
	next int // the one to be replaced
}

type recentKey struct {
	n            int // bytes
	key, standIn [64]byte
}

// NewHider returns a Hider under a salt.
func NewHider(s Salt) *Hider {
	return &Hider{mac: hmac.New(sha256.New, s[:]), recent: new(recentKeys)}
}

// The first byte of what is hashed keeps the uses of the salt apart. Salt.ID has
// its own, 's'.
const (
	domainKey    = 'k' // the octets of one key
	domainOther  = 'o' // secret bytes of no known structure
	domainExpand = 'x' // output after the first 32 bytes
)

// Hide replaces the secret bytes of a message with stand-ins, in place.
func (h *Hider) Hide(msg []byte, c layers.Codec) {
	h.spans = c.AppendSecrets(h.spans[:0], msg)
	h.hideSpans(msg, h.spans)
}

func (h *Hider) hideSpans(msg []byte, spans []layers.Span) {
	for _, s := range spans {
		b := msg[s.Offset : s.Offset+s.Len]
		h.hideKey(b[:s.Key])
		h.standIn(b[s.Key:], b[s.Key:], domainOther)
	}
}

// hideKey replaces a key with its stand-in.
func (h *Hider) hideKey(b []byte) {
	if s := h.ofKey(b); s != nil {
		copy(b, s)
		return
	}
	h.standIn(b, b, domainKey)
}

// ofKey returns the stand-in of a key, valid until the next call, or nil if the key is
// longer than what is remembered.
func (h *Hider) ofKey(key []byte) []byte {
	r := h.recent
	for i := range r.keys {
		if k := &r.keys[i]; k.n == len(key) && bytes.Equal(k.key[:k.n], key) {
			return k.standIn[:k.n]
		}
	}
	k := &r.keys[r.next]
	if len(key) == 0 || len(key) > len(k.key) {
		return nil
	}
	r.next = (r.next + 1) % len(r.keys)
	k.n = copy(k.key[:], key)
	h.standIn(k.standIn[:k.n], k.key[:k.n], domainKey)
	return k.standIn[:k.n]
}

// StandIn returns the stand-in of a secret. key is how many of its bytes, from
// the first, are the octets of one key (layers.Span).
func (h *Hider) StandIn(secret []byte, key int) []byte {
	out := bytes.Clone(secret)
	h.hideSpans(out, []layers.Span{{Len: len(out), Key: min(max(key, 0), len(out))}})
	return out
}

// standIn writes the stand-in of secret to dst, which has its length and may be
// its memory.
func (h *Hider) standIn(dst, secret []byte, domain byte) {
	if len(secret) == 0 {
		return
	}
	h.first(secret, domain)
	n := copy(dst, h.sum[:])
	if n < len(dst) {
		seed := h.sum
		for i := uint32(1); n < len(dst); i++ {
			h.mac.Reset()
			h.scratch[0] = domainExpand
			binary.BigEndian.PutUint32(h.scratch[1:], i)
			h.mac.Write(h.scratch[:5])
			h.sum = seed
			h.mac.Write(h.sum[:])
			h.mac.Sum(h.sum[:0])
			n += copy(dst[n:], h.sum[:])
		}
	}
	oddParity(dst)
}

// first sets h.sum to the first 32 bytes of a stand-in, without parity.
//
// What could not be divided into extensions, requests or combinations begins with a
// length or a count that did not fit. Its stand-in must not fit by chance: it would be
// divided, and other bytes would count as secret. So what is no key begins with two
// large bytes, of which any length is made that messages do not have.
func (h *Hider) first(secret []byte, domain byte) {
	h.mac.Reset()
	h.scratch[0] = domain
	h.mac.Write(h.scratch[:1])
	h.mac.Write(secret)
	h.mac.Sum(h.sum[:0])
	if domain == domainOther {
		h.sum[0] |= 0xf8
		h.sum[1] |= 0xf0
	}
}

// oddParity gives every byte odd parity, as the octets of a DES key have, for
// which a kernel may check. No byte is zero then, so what was secret for not
// being zero stays so.
func oddParity(b []byte) {
	for i, x := range b {
		b[i] = x ^ byte(^bits.OnesCount8(x)&1)
	}
}

// isOdd reports whether every byte has odd parity, as those of stand-ins have.
func isOdd(b []byte) bool {
	for _, x := range b {
		if bits.OnesCount8(x)&1 == 0 {
			return false
		}
	}
	return true
}

// ID names a secret of a record without showing it: the first 4 bytes of its
// stand-in, followed by zeros if it is shorter. secret is bytes of r.Data or of
// r.True, key as in StandIn. A record that holds stand-ins has its ids in the
// file; for other ones they are made here, the same under the same salt.
func (h *Hider) ID(r *Record, secret []byte, key int) (id [4]byte) {
	if r.StandIns && r.True == nil {
		copy(id[:], secret)
		return id
	}
	h.naming.Lock()
	defer h.naming.Unlock()
	if r.StandIns {
		copy(id[:], h.inCapture(r, secret, key))
		return id
	}
	key = min(max(key, 0), len(secret))
	n := 0
	if key > 0 {
		standIn := h.ofKey(secret[:key])
		if standIn == nil {
			h.first(secret[:key], domainKey)
			standIn = h.sum[:]
		}
		n = copy(id[:min(key, len(id))], standIn)
	}
	if rest := secret[key:]; len(rest) > 0 && n < len(id) {
		h.first(rest, domainOther)
		n += copy(id[n:min(n+len(rest), len(id))], h.sum[:])
	}
	oddParity(id[:n])
	return id
}

// inCapture returns the bytes that stand in the capture for a secret, which may
// be bytes of the capture already. Equal secrets have equal stand-ins, so any
// place in the message that holds the secret will do.
func (h *Hider) inCapture(r *Record, secret []byte, key int) []byte {
	h.spans = r.Codec.AppendSecrets(h.spans[:0], r.True)
	for _, s := range h.spans {
		end := s.Offset + s.Len
		if s.Key == key && end <= len(r.Data) && bytes.Equal(r.True[s.Offset:end], secret) {
			return r.Data[s.Offset:end]
		}
	}
	return secret
}
