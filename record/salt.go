package record

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Salt is the secret under which stand-ins are made. Whoever has it can test a
// guess of a key against its stand-in, so it is not written where stand-ins
// protect something. Printing it gives nothing away.
type Salt [32]byte

// NewSalt returns a random salt.
func NewSalt() Salt {
	var s Salt
	rand.Read(s[:]) // never fails (crypto/rand)
	return s
}

// ParseSalt reads 64 hex digits.
func ParseSalt(s string) (Salt, error) {
	var salt Salt
	if len(s) != 2*len(salt) {
		return Salt{}, fmt.Errorf("a salt has %d hex digits, not %d characters", 2*len(salt), len(s))
	}
	if _, err := hex.Decode(salt[:], []byte(s)); err != nil {
		return Salt{}, errors.New("a salt has only hex digits") // the cause would quote one of its bytes
	}
	return salt, nil
}

// maxSaltFile is how many bytes of a salt file are read; more are an error.
const maxSaltFile = 4096

// ReadSaltFile reads a salt: a text of at least 64 hex digits, white space
// around them ignored, or any other 32 bytes or more. What is longer than a salt
// is hashed.
func ReadSaltFile(path string) (Salt, error) {
	f, err := os.Open(path)
	if err != nil {
		return Salt{}, fmt.Errorf("salt: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSaltFile+1))
	if err != nil {
		return Salt{}, fmt.Errorf("salt: %w", err)
	}
	if len(b) > maxSaltFile {
		return Salt{}, fmt.Errorf("salt file %s has more than %d bytes", path, maxSaltFile)
	}
	if text := strings.TrimSpace(string(b)); len(text) >= 2*len(Salt{}) {
		if raw, err := hex.DecodeString(text); err == nil {
			b = raw
		}
	}
	switch n := len(b); {
	case n < len(Salt{}):
		return Salt{}, fmt.Errorf("salt file %s has %d bytes: want 32 or more, or 64 or more hex digits", path, n)
	case n == len(Salt{}):
		return Salt(b), nil
	}
	return sha256.Sum256(b), nil
}

// CreateSaltFile writes a new random salt as hex digits into a file that does not
// exist yet, with mode 0600.
func CreateSaltFile(path string) (Salt, error) {
	f, err := CreatePrivate(path, false)
	if err != nil {
		return Salt{}, fmt.Errorf("salt: %w", err)
	}
	s := NewSalt()
	_, err = f.WriteString(s.hex() + "\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return Salt{}, fmt.Errorf("salt: %w", err)
	}
	return s, nil
}

// IsZero reports whether there is no salt.
func (s Salt) IsZero() bool { return s == Salt{} }

// ID returns 8 hex digits that tell salts apart and say nothing about them.
func (s Salt) ID() string {
	mac := hmac.New(sha256.New, s[:])
	io.WriteString(mac, "saltid")
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

func (s Salt) hex() string { return hex.EncodeToString(s[:]) }

// String gives the id, not the salt.
func (s Salt) String() string {
	if s.IsZero() {
		return "no salt"
	}
	return "salt " + s.ID()
}

// Format gives the id for every verb.
func (s Salt) Format(f fmt.State, verb rune) { io.WriteString(f, s.String()) }

// MarshalText gives the id.
func (s Salt) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
