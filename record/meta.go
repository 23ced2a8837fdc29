package record

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Keys says where the secret bytes of a capture are. The zero value is that of a
// capture which does not say; its bytes are then taken for true ones.
type Keys uint8

// The places of secrets.
const (
	KeysUnsaid Keys = iota
	KeysBeside      // stand-ins in the capture, true bytes in a side file
	KeysInside      // true bytes in the capture
	KeysNone        // stand-ins in the capture, true bytes nowhere
)

var keysNames = [...]string{"", "beside", "inside", "none"}

// String returns "beside", "inside", "none" or "".
func (k Keys) String() string {
	if int(k) < len(keysNames) {
		return keysNames[k]
	}
	return ""
}

// ParseKeys reads what String writes.
func ParseKeys(s string) (Keys, error) {
	for k := KeysBeside; k <= KeysNone; k++ {
		if s == k.String() {
			return k, nil
		}
	}
	return KeysUnsaid, fmt.Errorf("unknown place of keys %q: want beside, inside or none", s)
}

// standIns reports whether a capture that says k holds stand-ins.
func (k Keys) standIns() bool { return k == KeysBeside || k == KeysNone }

// metaWord begins every interface description that is ours.
const metaWord = "PF_KEYv2"

// Meta is what a capture says of the socket it was recorded from: the words of
// the pcapng option if_description, the one place that survives other tools and
// that a Wireshark dissector can see. Zero values are unknown and are not
// written.
type Meta struct {
	Dialect   layers.Dialect // dialect=
	Order     layers.Order   // byteorder=, of the messages
	NetNS     uint64         // netns=, inode number of the network namespace
	Promisc   Answer         // promisc=, whether the socket was promiscuous
	Keys      Keys           // keys=
	SaltID    string         // saltid=, Salt.ID of the salt of the stand-ins
	Salt      Salt           // salt=, written with KeysInside only
	CaptureID string         // captureid=, which the side file repeats
}

// Answer is a yes or no that may be unknown.
type Answer uint8

// The answers.
const (
	NotKnown Answer = iota
	No
	Yes
)

// AnswerOf returns Yes or No.
func AnswerOf(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

// String returns the interface description, for example
// "PF_KEYv2 dialect=linux byteorder=le netns=4026531840 promisc=1 keys=beside".
func (m Meta) String() string { return string(m.append(nil)) }

func (m Meta) append(b []byte) []byte {
	b = append(b, metaWord...)
	word := func(key, value string) {
		if value != "" {
			b = append(b, ' ')
			b = append(b, key...)
			b = append(b, '=')
			b = append(b, value...)
		}
	}
	if m.Dialect != layers.NoDialect {
		word("dialect", m.Dialect.String())
	}
	word("byteorder", m.Order.Abbrev())
	if m.NetNS != 0 {
		word("netns", strconv.FormatUint(m.NetNS, 10))
	}
	switch m.Promisc {
	case Yes:
		word("promisc", "1")
	case No:
		word("promisc", "0")
	}
	word("keys", m.Keys.String())
	word("saltid", m.SaltID)
	if m.Keys == KeysInside && !m.Salt.IsZero() {
		word("salt", m.Salt.hex())
	}
	word("captureid", m.CaptureID)
	return b
}

// ParseMeta reads an interface description. ok is false if it is not one of
// ours. Unknown words are ignored; err says which known words have values that
// make no sense, and m holds the rest.
func ParseMeta(s string) (m Meta, ok bool, err error) {
	words := strings.Fields(s)
	if len(words) == 0 || words[0] != metaWord {
		return Meta{}, false, nil
	}
	var bad []string
	for _, w := range words[1:] {
		key, value, found := strings.Cut(w, "=")
		if !found || value == "" {
			continue
		}
		var e error
		switch key {
		case "dialect":
			m.Dialect, e = layers.ParseDialect(value)
		case "byteorder":
			m.Order, e = layers.ParseOrder(value)
		case "netns":
			m.NetNS, e = strconv.ParseUint(value, 10, 64)
		case "promisc":
			switch value {
			case "0":
				m.Promisc = No
			case "1":
				m.Promisc = Yes
			default:
				e = strconv.ErrSyntax
			}
		case "keys":
			m.Keys, e = ParseKeys(value)
		case "saltid":
			if e = checkWord(key, value); e == nil {
				m.SaltID = value
			}
		case "salt":
			m.Salt, e = ParseSalt(value)
		case "captureid":
			if e = checkWord(key, value); e == nil {
				m.CaptureID = value
			}
		}
		if e != nil {
			bad = append(bad, strconv.Quote(w))
		}
	}
	if m.Keys == KeysInside && m.SaltID == "" && !m.Salt.IsZero() {
		m.SaltID = m.Salt.ID()
	}
	if bad != nil {
		err = fmt.Errorf("interface description: cannot make sense of %s", strings.Join(bad, ", "))
	}
	return m, true, err
}

// Comparable reports whether the key ids of two captures were made under the
// same salt, so that different ids mean different keys. If not, the keys are not
// comparable, which is not the same as different.
func Comparable(a, b Meta) bool { return a.SaltID != "" && a.SaltID == b.SaltID }

// check refuses words that would not survive being written.
func (m Meta) check() error {
	if err := checkWord("saltid", m.SaltID); err != nil {
		return err
	}
	return checkWord("captureid", m.CaptureID)
}

func checkWord(key, value string) error {
	if len(value) > 64 || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%s=%q: want at most 64 printable characters without spaces", key, value)
	}
	return nil
}
