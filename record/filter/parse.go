package filter

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"
)

// Bounds on expressions, so that one from a stranger costs little.
const (
	maxExpr    = 32 << 10 // bytes
	maxPattern = 1 << 10  // bytes of a regular expression
	maxDepth   = 100      // brackets inside each other
)

// source is an expression with its syntax tree.
type syntax struct {
	expr string
	root ast.Node

	// big holds the numbers that do not fit into an int of every machine, by their
	// place. The parser sees a name instead.
	big map[int]uint64
}

// operators are those of the library's language that have a meaning here.
var operators = map[string]bool{
	"==": true, "!=": true, "<": true, "<=": true, ">": true, ">=": true,
	"in": true, "matches": true, "contains": true, "startsWith": true, "endsWith": true,
	"&&": true, "||": true, "!": true, "and": true, "or": true, "not": true,
	"+": true, "-": true, "*": true, "..": true, ".": true, ",": true,
}

// instead says what to write for an operator of other languages.
var instead = map[string]string{
	"=": "==", "&": "&&", "|": "||", "===": "==", "~=": "matches",
}

// parse makes the syntax tree. What the library's language has and filters have
// not is refused here, token by token, with its place.
func parse(expr string) (*syntax, error) {
	s := &syntax{expr: expr}
	if len(expr) > maxExpr {
		return nil, errorAt(expr[:0], 0, "an expression of %d bytes: want at most %d", len(expr), maxExpr)
	}
	tokens, err := lexer.Lex(file.NewSource(expr))
	if err != nil {
		return nil, s.wrap(err, nil)
	}
	if len(tokens) <= 1 {
		return nil, errorAt(expr, 0, "an empty expression: want a condition such as type == \"ADD\"")
	}
	chars := []rune(expr)
	names := map[string]string{} // what stands for big numbers in chars
	depth := 0
	for i, t := range tokens {
		member := i > 0 && tokens[i-1].Is(lexer.Operator, ".")
		switch t.Kind {
		case lexer.Operator:
			if operators[t.Value] || member {
				break
			}
			if w := instead[t.Value]; w != "" {
				return nil, s.errorAt(t.From, "no operator %q here: write %s", t.Value, w)
			}
			return nil, s.errorAt(t.From, "no operator %q in filters", t.Value)
		case lexer.Bracket:
			switch t.Value {
			case "(", "[":
				if depth++; depth > maxDepth {
					return nil, s.errorAt(t.From, "more than %d brackets inside each other", maxDepth)
				}
			case ")", "]":
				depth--
			default:
				return nil, s.errorAt(t.From, "no %q in filters: lists are written [1, 2]", t.Value)
			}
		case lexer.Bytes:
			return nil, s.errorAt(t.From, "no b\"…\" in filters: octets are written as hex in a string")
		case lexer.Identifier:
			if tokens[i+1].Is(lexer.Bracket, "(") && functions[t.Value] == nil {
				return nil, s.errorAt(t.From, "unknown function %q; want %s", t.Value, functionList())
			}
		case lexer.Number:
			u, isInt, err := parseNumber(t.Value)
			if err != nil {
				return nil, s.errorAt(t.From, "number %s: %v", t.Value, err)
			}
			if !isInt || u <= 1<<31-1 {
				break
			}
			if s.big == nil {
				s.big = map[int]uint64{}
			}
			s.big[t.From] = u
			name := []rune(fmt.Sprintf("n%d", len(s.big)))
			for len(name) < t.To-t.From {
				name = append(name, '_')
			}
			copy(chars[t.From:t.To], name)
			names[string(name)] = t.Value
		}
	}
	source := expr
	if s.big != nil {
		source = string(chars)
	}
	tree, err := parser.Parse(source)
	if err != nil {
		return nil, s.wrap(err, names)
	}
	s.root = tree.Node
	return s, nil
}

var errNumber = errors.New("want an integer such as 42 or 0x2a, of at most 64 bits")

// parseNumber reads a number token. isInt is false for one with a point or an
// exponent.
func parseNumber(text string) (u uint64, isInt bool, err error) {
	text = strings.ToLower(strings.ReplaceAll(text, "_", ""))
	base := 10
	for prefix, b := range map[string]int{"0x": 16, "0o": 8, "0b": 2} {
		if digits, ok := strings.CutPrefix(text, prefix); ok {
			text, base = digits, b
		}
	}
	if base == 10 && strings.ContainsAny(text, ".e") {
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return 0, false, errNumber
		}
		return 0, false, nil
	}
	if u, err = strconv.ParseUint(text, base, 64); err != nil {
		return 0, false, errNumber
	}
	return u, true, nil
}

func (s *syntax) errorAt(at int, format string, args ...any) *Error {
	return errorAt(s.expr, at, format, args...)
}

// wrap makes an Error of one of the library's.
func (s *syntax) wrap(err error, names map[string]string) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return errorAt(s.expr, 0, "%v", err)
	}
	text := e.Message
	if text == "unexpected token EOF" {
		text = "the expression ends too early"
	}
	for name, number := range names {
		text = strings.ReplaceAll(text, fmt.Sprintf("Identifier(%q)", name), fmt.Sprintf("Number(%q)", number))
	}
	return s.errorAt(e.From, "%s", text)
}
