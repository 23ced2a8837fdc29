package layers

import "fmt"

// Secret is bytes that are not to be shown: key octets, and whatever may hold
// some. Every way of printing it gives its length only. To see the bytes,
// convert it to []byte.
type Secret []byte

const redacted = "··"

// String gives the length, not the bytes.
func (s Secret) String() string { return fmt.Sprintf("%s(%d bytes)", redacted, len(s)) }

// GoString gives the length, not the bytes.
func (s Secret) GoString() string { return "layers.Secret(" + s.String() + ")" }

// Format gives the length for every verb.
func (s Secret) Format(f fmt.State, verb rune) { fmt.Fprint(f, s.String()) }

// MarshalJSON gives the length, not the bytes.
func (s Secret) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"bytes":%d}`, len(s)), nil
}

// MarshalText gives the length, not the bytes.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
