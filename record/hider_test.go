package record_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// standIn is the definition, written down a second time.
func standIn(salt record.Salt, domain string, secret []byte) []byte {
	sum := func(parts ...[]byte) []byte {
		mac := hmac.New(sha256.New, salt[:])
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	first := sum([]byte(domain), secret)
	if domain == "o" { // no length or count that fits anything
		first[0] |= 0xf8
		first[1] |= 0xf0
	}
	out := bytes.Clone(first)
	for i := byte(1); len(out) < len(secret); i++ {
		out = append(out, sum([]byte{'x', 0, 0, 0, i}, first)...)
	}
	out = out[:len(secret)]
	for i := range out {
		if bits.OnesCount8(out[i])%2 == 0 {
			out[i] ^= 1
		}
	}
	return out
}

// TestStandInAgain hides a few keys again and again, more than are remembered.
func TestStandInAgain(t *testing.T) {
	salt := record.Salt{1, 2, 3}
	h := record.NewHider(salt)
	for i := range 500 {
		n := 1 + i*i%23
		s := secret(n, 8+5*n) // 13 to 123 octets
		if got := h.StandIn(s, len(s)); !bytes.Equal(got, standIn(salt, "k", s)) {
			t.Fatalf("key %d, the %dth: not the stand-in of the definition", n, i)
		}
	}
}

func TestStandIn(t *testing.T) {
	salt := record.Salt{1, 2, 3}
	h := record.NewHider(salt)
	for n := range 200 {
		s := secret(n, n)
		if got := h.StandIn(s, n); !bytes.Equal(got, standIn(salt, "k", s)) {
			t.Fatalf("key of %d octets: not the stand-in of the definition", n)
		}
		if got := h.StandIn(s, 0); !bytes.Equal(got, standIn(salt, "o", s)) {
			t.Fatalf("%d other octets: not the stand-in of the definition", n)
		}
		for _, key := range []int{1, n / 2, n - 1} {
			if key < 0 || key > n {
				continue
			}
			want := append(standIn(salt, "k", s[:key]), standIn(salt, "o", s[key:])...)
			if got := h.StandIn(s, key); !bytes.Equal(got, want) {
				t.Fatalf("%d octets, %d of them a key: not the stand-in of the definition", n, key)
			}
		}
	}
	if got := h.StandIn(secret(1, 8), 99); len(got) != 8 {
		t.Error("a key longer than its bytes")
	}
	if got := h.StandIn(secret(1, 8), -1); len(got) != 8 {
		t.Error("a key of negative length")
	}
}

// TestHidePadding: equal keys have equal stand-ins whatever pads them, whichever
// extension they are in, and whatever is around them.
func TestHidePadding(t *testing.T) {
	h := record.NewHider(record.NewSalt())
	key := secret(7, 20) // 4 bytes of padding
	zero := add(t, le, 1, key, secret(8, 16))
	junk := bytes.Clone(zero)
	spans := le.AppendSecrets(nil, zero)
	if len(spans) != 2 || spans[0].Key != 20 {
		t.Fatalf("spans %v", spans)
	}
	at := spans[0].Offset
	copy(junk[at+20:], "JUNK") // where the padding of KEY_AUTH is
	other := add(t, le, 99, secret(9, 32), key)
	find := func(msg []byte, i int) []byte {
		msg = bytes.Clone(msg)
		h.Hide(msg, le)
		s := le.AppendSecrets(nil, msg)[i]
		return msg[s.Offset : s.Offset+20]
	}
	a, b, c := find(zero, 0), find(junk, 0), find(other, 1)
	if !bytes.Equal(a, b) || !bytes.Equal(a, c) {
		t.Error("equal keys have different stand-ins")
	}
	if bytes.Equal(a, key) {
		t.Error("the stand-in is the key")
	}
	hidden := bytes.Clone(junk)
	h.Hide(hidden, le)
	if bytes.Contains(hidden, []byte("JUNK")) {
		t.Error("the padding still shows what it held")
	}
	hidden = bytes.Clone(zero)
	h.Hide(hidden, le)
	if !bytes.Equal(hidden[at+20:at+24], make([]byte, 4)) {
		t.Error("padding of zeros became something else")
	}
}

// TestHideKeepsTheRest: a hidden message has the same length, the same secrets in
// the same places, and every other byte as it was.
func TestHideKeepsTheRest(t *testing.T) {
	h := record.NewHider(record.NewSalt())
	for _, c := range []layers.Codec{le, be} {
		for _, msg := range odd(t, c) {
			t.Run(fmt.Sprint(c, " ", msg.name), func(t *testing.T) {
				before := c.AppendSecrets(nil, msg.data)
				hidden := bytes.Clone(msg.data)
				h.Hide(hidden, c)
				after := c.AppendSecrets(nil, hidden)
				if fmt.Sprint(before) != fmt.Sprint(after) {
					t.Errorf("secrets at %v, afterwards at %v", before, after)
				}
				secret := make([]bool, len(hidden))
				for _, s := range before {
					for i := range s.Len {
						secret[s.Offset+i] = true
					}
				}
				for i := range hidden {
					if !secret[i] && hidden[i] != msg.data[i] {
						t.Fatalf("byte %d is no secret and changed", i)
					}
					if secret[i] && bits.OnesCount8(hidden[i])%2 == 0 {
						t.Fatalf("byte %d of a stand-in has even parity", i)
					}
				}
			})
		}
	}
}

type named struct {
	name string
	data []byte
}

// odd are messages with secrets in unusual places.
func odd(t testing.TB, c layers.Codec) []named {
	base := add(t, c, 1, secret(1, 20), secret(2, 24))
	put16 := func(b []byte, at, v int) []byte {
		b = bytes.Clone(b)
		b[at], b[at+1] = byte(v), byte(v>>8)
		if c.Order == layers.BigEndian {
			b[at], b[at+1] = b[at+1], b[at]
		}
		return b
	}
	ext := c.AppendSecrets(nil, base)[0].Offset - 8 // KEY_AUTH
	ms := []named{
		{"ADD", base},
		{"zero-length extension", put16(base, ext, 0)},
		{"key longer than its extension", put16(base, ext+4, 400)},
		{"extension longer than the message", put16(base, ext, 60)},
		{"unknown extension", put16(base, ext+2, 77)},
		{"reserved of a key", put16(base, ext+6, 0x1234)},
		{"cut in a key", base[:ext+11]},
		{"short header", secret(3, 7)},
		{"empty", nil},
	}
	return ms
}

// TestID: a secret has one id, however the capture holds it and whichever of its
// bytes are shown.
func TestID(t *testing.T) {
	salt := record.NewSalt()
	h := record.NewHider(salt)
	for n := 1; n < 40; n++ {
		key := secret(n, n)
		want := [4]byte{}
		copy(want[:], standIn(salt, "k", key))
		if got := h.ID(&record.Record{Codec: le, Data: key}, key, n); got != want {
			t.Fatalf("key of %d octets: id %x, want %x", n, got, want)
		}
		want = [4]byte{}
		copy(want[:], standIn(salt, "o", key))
		if got := h.ID(&record.Record{Codec: le, Data: key}, key, 0); got != want {
			t.Fatalf("%d other octets: id %x, want %x", n, got, want)
		}
	}

	auth, encrypt := secret(50, 20), secret(51, 16)
	data := add(t, le, 1, auth, encrypt)
	rec := &record.Record{Codec: le, Data: data, OrigLen: len(data)}
	want := [4]byte(h.StandIn(auth, 20)[:4])
	for _, keys := range []record.Keys{record.KeysInside, record.KeysBeside, record.KeysNone} {
		path := create(t, record.WriterOptions{Salt: salt, Meta: record.Meta{Keys: keys}}, rec)
		r, err := record.Open(path, record.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if (got.True != nil) != (keys == record.KeysBeside) || got.StandIns != (keys != record.KeysInside) {
			t.Fatalf("keys=%v: StandIns %v, True %v", keys, got.StandIns, got.True != nil)
		}
		for _, bytes := range [][]byte{got.Data, got.Bytes()} {
			s := le.AppendSecrets(nil, bytes)[0]
			if id := r.ID(got, bytes[s.Offset:s.Offset+s.Len], s.Key); id != want {
				t.Errorf("keys=%v: id %x, want %x", keys, id, want)
			}
			if id := r.ID(got.Clone(), bytes[s.Offset:s.Offset+s.Len], s.Key); id != want {
				t.Errorf("keys=%v: id of a clone %x, want %x", keys, id, want)
			}
		}
	}

	// What says nothing of a salt has ids all the same.
	b := cat(shb, idb, epb(0, uint32(len(data)), uint32(len(data)), data))
	for _, salt := range []record.Salt{{}, salt} {
		r, err := record.NewReader(bytes.NewReader(b), record.ReaderOptions{Salt: salt})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		id := r.ID(got, auth, 20)
		if (id == want) != !salt.IsZero() || id == [4]byte{} || id != r.ID(got, auth, 20) {
			t.Errorf("salt %v: id %x, the one under a known salt %x", salt, id, want)
		}
	}
}

func TestHideAllocations(t *testing.T) {
	h := record.NewHider(record.NewSalt())
	msg := add(t, le, 1, secret(1, 20), secret(2, 64))
	h.Hide(msg, le)
	if n := allocations(t, 100, func() { h.Hide(msg, le) }); n != 0 {
		t.Errorf("Hide: %v allocations", n)
	}
	rec := &record.Record{Codec: le, Data: msg}
	key := secret(1, 20)
	if n := allocations(t, 100, func() { h.ID(rec, key, 20) }); n != 0 {
		t.Errorf("ID: %v allocations", n)
	}
}
