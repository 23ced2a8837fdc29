package convert

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"

	"github.com/pfkeycap/pfkeycap/record"
)

// Hex is one message a line in hex digits. Spaces, tabs, colons and commas between
// them are ignored, and what follows a #.
const Hex Form = "hex"

type hexSource struct {
	lines lines
	o     Options
	n     uint64
	rec   record.Record
}

func newHex(r io.Reader, o Options) record.Source {
	return &hexSource{lines: newLines(r), o: o, n: o.Number}
}

func (s *hexSource) Next() (*record.Record, error) {
	for {
		line, err := s.lines.next()
		if err != nil {
			return nil, err
		}
		text := hexDigits(line)
		if len(text) == 0 {
			continue
		}
		b := make([]byte, hex.DecodedLen(len(text)))
		if _, err := hex.Decode(b, text); err != nil {
			return nil, s.lines.wrong(err)
		}
		s.n++
		s.rec = record.Record{Number: s.n, Codec: s.o.codec(b), Data: b, OrigLen: len(b)}
		return &s.rec, nil
	}
}

// hexDigits returns what is left of a line without its comment and what may stand
// between digits.
func hexDigits(line []byte) []byte {
	line, _, _ = bytes.Cut(line, []byte("#"))
	return bytes.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r:,", r) {
			return -1
		}
		return r
	}, line)
}

// looksLikeHex reports whether the first line that is not a comment has the digits
// of a message header, or as much of one as head shows, and nothing else.
func looksLikeHex(head []byte) bool {
	for len(head) > 0 {
		line, rest, whole := bytes.Cut(head, []byte("\n"))
		digits := hexDigits(line)
		if len(digits) == 0 {
			head = rest
			continue
		}
		for _, c := range digits {
			if !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
				return false
			}
		}
		return len(digits) >= 32 && (len(digits)%2 == 0 || !whole)
	}
	return false
}
