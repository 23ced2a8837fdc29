package seed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// goHeader is the first line of a file in the corpus of a native target.
const goHeader = "go test fuzz v1"

// AppendGo appends the arguments of a target as the file of a native corpus: what
// "go test" reads from testdata/fuzz and from its cache (internal/fuzz/encoding.go
// of Go 1.18 and later).
func AppendGo(dst []byte, args ...any) []byte {
	dst = append(dst, goHeader...)
	dst = append(dst, '\n')
	for _, a := range args {
		switch x := a.(type) {
		case uint8:
			dst = fmt.Appendf(dst, "byte(%q)\n", rune(x))
		case uint64:
			dst = fmt.Appendf(dst, "uint64(%d)\n", x)
		case string:
			dst = fmt.Appendf(dst, "string(%q)\n", x)
		case []byte:
			dst = fmt.Appendf(dst, "[]byte(%q)\n", x)
		default:
			panic(fmt.Sprintf("seed: no target has an argument of type %T", a))
		}
	}
	return dst
}

// ParseGo reads what AppendGo writes, and what "go test -fuzz" writes of such
// arguments.
func ParseGo(file []byte) (args []any, err error) {
	lines := strings.Split(strings.TrimRight(string(file), "\r\n"), "\n")
	if strings.TrimSpace(lines[0]) != goHeader {
		return nil, fmt.Errorf("the first line is not %q", goHeader)
	}
	for i, line := range lines[1:] {
		a, err := parseValue(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		args = append(args, a)
	}
	return args, nil
}

var errValue = errors.New("not a value that a target has: want byte, uint64, string or []byte of a literal")

func parseValue(s string) (any, error) {
	x, err := parser.ParseExpr(s)
	if err != nil {
		return nil, err
	}
	call, ok := x.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil, errValue
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return nil, errValue
	}
	name := s[:strings.IndexByte(s, '(')]
	switch {
	case (name == "byte" || name == "uint8") && lit.Kind == token.CHAR:
		r, _, _, err := strconv.UnquoteChar(lit.Value[1:len(lit.Value)-1], '\'')
		if err != nil || r > 0xff {
			return nil, errValue
		}
		return uint8(r), nil
	case (name == "byte" || name == "uint8") && lit.Kind == token.INT:
		v, err := strconv.ParseUint(lit.Value, 0, 8)
		return uint8(v), err
	case name == "uint64" && lit.Kind == token.INT:
		return strconv.ParseUint(lit.Value, 0, 64)
	case (name == "string" || name == "[]byte") && lit.Kind == token.STRING:
		v, err := strconv.Unquote(lit.Value)
		if name == "string" {
			return v, err
		}
		return []byte(v), err
	}
	return nil, errValue
}

// AppendLibFuzzer appends the arguments of a target as the one buffer that
// libFuzzer and AFL++ give to a native target that go-118-fuzz-build has compiled
// (its input/reader.go, version 2, which OSS-Fuzz uses): first the arguments of
// fixed size, big-endian; then a byte with the weight of each argument of variable
// size, of which our targets have at most one; then that one.
func AppendLibFuzzer(dst []byte, args ...any) []byte {
	for _, a := range args {
		switch x := a.(type) {
		case uint8:
			dst = append(dst, x)
		case uint64:
			dst = binary.BigEndian.AppendUint64(dst, x)
		}
	}
	for _, a := range args {
		switch x := a.(type) {
		case string:
			dst = append(append(dst, 1), x...)
		case []byte:
			dst = append(append(dst, 1), x...)
		}
	}
	return dst
}
