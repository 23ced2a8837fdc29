// Package statement is what the languages of setkey(8), ipseckey(8) and their like have
// in common: errors that say where a text is wrong, the messages that a statement stands
// for, and the account of what a statement leaves out of a message.
package statement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Error says where a text is wrong. It never quotes what may be a key.
type Error struct {
	Line   int // from 1; 0 in arguments of a command
	Column int // in bytes, from 1; 0 if the error is about the line
	// Argument is the index of an argument, -1 after the last, if Line is 0.
	Argument int
	Err      error
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0 && e.Argument < 0:
		return e.Err.Error()
	case e.Line == 0:
		return fmt.Sprintf("argument %d: %v", e.Argument, e.Err)
	case e.Column == 0:
		return fmt.Sprintf("line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Message is one message of a statement.
type Message struct {
	Base layers.Base
	Exts []layers.Extension
	// Note says what a statement asks for that the dialect has no word for, and that
	// was left out. It may be empty.
	Note string
}

// Making is what comes up while the messages of a statement are made.
type Making struct {
	Notes []string
	Err   error // the first thing that the dialect does not have
	// Line and Column are where that stands, if not at the statement's beginning.
	Line, Column int
}

// Result gives every message the notes, or an *Error: err, or else what came up. line and
// column are the statement's.
func (m *Making) Result(list []Message, err error, line, column int) ([]Message, error) {
	if err == nil {
		err = m.Err
	}
	if err != nil {
		if m.Line > 0 {
			line, column = m.Line, m.Column
		}
		return nil, &Error{Line: line, Column: column, Err: err}
	}
	for i := range list {
		list[i].Note = strings.Join(m.Notes, "; ")
	}
	return list, nil
}

// Encode makes the octets of a message.
func (m *Message) Encode(c layers.Codec) ([]byte, error) { return c.Encode(&m.Base, m.Exts...) }

// Value returns the first number that the dialect has under one of the names.
func Value(d layers.Dialect, e layers.Enum, names ...string) (uint64, bool) {
	for _, name := range names {
		if v, ok := d.EnumValue(e, name); ok {
			return v, true
		}
	}
	return 0, false
}

// KeyOctets returns the octets of a key with the salt or nonce that its algorithm has. On
// illumos the salt is behind the key and counted by sadb_key_reserved alone
// (sadb_x_key of net/pfkeyv2.h, SADB_KEY_SALTBITS); elsewhere it is the end of the key.
// They alias k.
func KeyOctets(d layers.Dialect, k *layers.Key) layers.Secret {
	if n := (int(k.Bits) + int(k.Reserved) + 7) / 8; d == layers.Illumos && k.Reserved > 0 && n <= len(k.Octets) {
		return k.Octets[:n]
	}
	return k.Key()
}

// Account says what of a message is in the statement that was made of it.
type Account struct {
	said []gopacket.LayerType
	lost []string
}

// Say notes kinds of extensions that the statement has the meaning of.
func (a *Account) Say(types ...gopacket.LayerType) { a.said = append(a.said, types...) }

// Lose notes something that the statement has not.
func (a *Account) Lose(format string, args ...any) {
	a.lost = append(a.lost, fmt.Sprintf(format, args...))
}

// Lost returns what is lost, with the names of the extensions of m that were not said.
// LIFETIME_CURRENT is not counted, since it is a state and no wish.
func (a *Account) Lost(m *layers.Message) []string { return append(a.lost, a.Unsaid(m)...) }

// Unsaid returns the names of the extensions of m that were not said, LIFETIME_CURRENT
// apart.
func (a *Account) Unsaid(m *layers.Message) (names []string) {
	for i := range m.Extensions {
		h := &m.Extensions[i]
		number := h.Number()
		switch t := m.Codec.Dialect.ExtType(number); {
		case t == gopacket.LayerTypeZero:
		case t == layers.LayerTypeLifetimeCurrent || slices.Contains(a.said, t):
			continue
		}
		name := m.Codec.Dialect.ExtName(number)
		if name == "" {
			name = fmt.Sprintf("extension %d", number)
		}
		names = append(names, name)
	}
	return names
}
