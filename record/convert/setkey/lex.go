package setkey

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
)

// token is a word, a "string" or the end of a statement.
type token struct {
	kind         byte // 'w', '"', ';', 0 at the end of the text
	text         string
	line, column int
	keys         bool // stands where keys stand: after -E or -A
}

func (t token) String() string {
	switch {
	case t.kind == ';':
		return `";"`
	case t.kind == 0:
		return "the end of the text"
	case t.kind == '"':
		return "a string" // which may be a key
	case t.mayBeKey():
		return "a word that may be a key"
	}
	return fmt.Sprintf("%q", t.text)
}

// mayBeKey reports whether a word is hex digits where keys stand, or so many of them
// that it is nothing else. Some of them may be mistyped.
func (t token) mayBeKey() bool {
	if !t.keys {
		return MayBeKey(t.text)
	}
	digits, hexadecimal := strings.CutPrefix(strings.ToLower(t.text), "0x")
	return hexadecimal || len(digits) >= 4 && strings.Trim(digits, "0123456789abcdef") == ""
}

// MayBeKey reports whether a word has so many hex digits that errors should not quote
// it, wherever it stands. It may begin with "@".
func MayBeKey(word string) bool {
	digits, hexadecimal := strings.CutPrefix(strings.ToLower(strings.TrimPrefix(word, "@")), "0x")
	return hexadecimal && len(digits) >= 16 || len(digits) >= 32 && strings.Trim(digits, "0123456789abcdef") == ""
}

// maxToken is longer than any key or security context that fits a message.
const maxToken = 256 << 10

// Error says where a text or, from ParseArgs, which argument is wrong. It never quotes
// what may be a key.
type Error = statement.Error

// lexer divides a text into tokens.
type lexer struct {
	r            *bufio.Reader
	line, column int // of the byte to be read next
	err          error
}

func newLexer(r io.Reader) *lexer {
	l := &lexer{r: bufio.NewReader(r), line: 1, column: 1}
	if b, _ := l.r.Peek(3); string(b) == "\ufeff" {
		l.r.Discard(3)
	}
	return l
}

// peek returns the next byte; ok is false at the end.
func (l *lexer) peek() (c byte, ok bool) {
	b, err := l.r.Peek(1)
	if err != nil {
		if err != io.EOF {
			l.err = err
		}
		return 0, false
	}
	return b[0], true
}

func (l *lexer) skip() {
	c, _ := l.r.ReadByte()
	if l.column++; c == '\n' {
		l.line, l.column = l.line+1, 1
	}
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// next returns the next token. Errors of the reader end the text; see l.err.
func (l *lexer) next() (token, error) {
	for {
		c, ok := l.peek()
		t := token{line: l.line, column: l.column}
		switch {
		case !ok:
			return t, l.err
		case space(c):
			l.skip()
		case c == '#':
			for ok && c != '\n' {
				l.skip()
				c, ok = l.peek()
			}
		case c == ';':
			l.skip()
			t.kind = ';'
			return t, nil
		case c == '"':
			l.skip()
			return l.quoted(t)
		default:
			return l.word(t)
		}
	}
}

func (l *lexer) quoted(t token) (token, error) {
	t.kind = '"'
	var b []byte
	for {
		c, ok := l.peek()
		if !ok {
			return t, errors.Join(l.err, &Error{Line: t.line, Column: t.column, Err: errors.New("the string that begins here does not end")})
		}
		l.skip()
		if c == '"' {
			t.text = string(b)
			return t, nil
		}
		if b = append(b, c); len(b) > maxToken {
			return t, &Error{Line: t.line, Column: t.column, Err: fmt.Errorf("the string that begins here is longer than %d bytes", maxToken)}
		}
	}
}

func (l *lexer) word(t token) (token, error) {
	t.kind = 'w'
	var b []byte
	for {
		c, ok := l.peek()
		if !ok || space(c) || c == ';' || c == '"' || c == '#' {
			t.text = string(b)
			return t, l.err
		}
		if c < ' ' || c >= 0x7f {
			return t, &Error{Line: l.line, Column: l.column, Err: fmt.Errorf("byte 0x%02x has no place here", c)}
		}
		l.skip()
		if b = append(b, c); len(b) > maxToken {
			return t, &Error{Line: t.line, Column: t.column, Err: fmt.Errorf("the word that begins here is longer than %d bytes", maxToken)}
		}
	}
}
