// Package statementtest tests languages of statements.
package statementtest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
)

// Statement is a statement of a language.
type Statement interface {
	Messages(layers.Codec) ([]statement.Message, error)
	Append(dst []byte, showKeys bool) []byte
}

// All returns the statements that a parser's Next gives.
func All[S Statement](next func() (S, error)) (list []S, err error) {
	for {
		s, err := next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, s)
	}
}

// Encode makes the messages of statements, with their notes.
func Encode[S Statement](t *testing.T, c layers.Codec, list []S) (msgs [][]byte, notes []string) {
	t.Helper()
	for _, s := range list {
		ms, err := s.Messages(c)
		if err != nil {
			t.Fatalf("%s\n%v", s.Append(nil, true), err)
		}
		for _, m := range ms {
			b, err := m.Encode(c)
			if err != nil {
				t.Fatalf("%s\n%v", s.Append(nil, true), err)
			}
			msgs = append(msgs, b)
			if m.Note != "" {
				notes = append(notes, m.Note)
			}
		}
	}
	return msgs, notes
}

// ThereAndBack fails if the error of parsing a text does not say where, or if what is
// made of a message that its statements make, and loses nothing, makes another one.
func ThereAndBack[S Statement](t *testing.T, text string, codecs []layers.Codec,
	parse func(string) ([]S, error), from func(layers.Codec, []byte) (S, []string, error)) {
	list, err := parse(text)
	var e *statement.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("error %v does not say where", err)
	}
	for _, s := range list {
		for _, c := range codecs {
			ms, err := s.Messages(c)
			if err != nil {
				continue
			}
			for _, m := range ms {
				b, err := m.Encode(c)
				if err != nil {
					continue // it does not fit a message
				}
				back, lost, err := from(c, b)
				if err != nil || len(lost) > 0 {
					continue
				}
				text := string(back.Append(nil, true))
				again, err := parse(text)
				if err != nil || len(again) != 1 {
					t.Fatalf("%q of\n%q cannot be read: %v", text, s.Append(nil, true), err)
				}
				ms, err := again[0].Messages(c)
				if err != nil {
					t.Fatalf("%q: %v", text, err)
				}
				if x, err := ms[0].Encode(c); err != nil || !bytes.Equal(x, b) {
					t.Fatalf("%q makes\n% x (%v), not\n% x", text, x, err, b)
				}
			}
		}
	}
}
