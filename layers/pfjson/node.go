package pfjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is a JSON value with its place in the line.
type node struct {
	kind   kind
	used   bool   // an object asked for it
	offset int    // where it begins, bytes from the start of the line
	text   string // a string's value, a number's digits
	key    string // its name, in an object
	index  int    // its place, in an array
	parent *node
	kids   []*node
}

type kind uint8

const (
	otherKind kind = iota // null, true, false
	numberKind
	stringKind
	arrayKind
	objectKind
)

func (k kind) String() string {
	return [...]string{"a null or boolean", "a number", "a string", "an array", "an object"}[k]
}

// path gives the way to n, such as ext[2].addr; an extension's name is added to it.
func (n *node) path() string {
	if n == nil || n.parent == nil {
		return ""
	}
	before := n.parent.path()
	if n.parent.kind == objectKind {
		if before == "" {
			return n.key
		}
		return before + "." + n.key
	}
	s := before + "[" + strconv.Itoa(n.index) + "]"
	if n.parent.key == "ext" {
		if name := n.find("name"); name != nil && name.kind == stringKind {
			s += "(" + clip(name.text) + ")"
		}
	}
	return s
}

// find returns the member of this name, or nil.
func (n *node) find(name string) *node {
	for _, k := range n.kids {
		if k.key == name {
			return k
		}
	}
	return nil
}

// clip shortens what a line says before it goes into an error.
func clip(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// maxDepth bounds the nesting of JSON values. A wrapped message in each of the
// wrappers that layers follows stays far below it.
const maxDepth = 64

// tree reads a line that is one JSON object. The error is a *Error without a
// record number.
func tree(line []byte) (*node, error) {
	if !json.Valid(line) {
		e := &Error{Err: errors.New("no JSON")}
		var syntax *json.SyntaxError
		if err := json.Unmarshal(line, new(json.RawMessage)); errors.As(err, &syntax) {
			e.Offset, e.Err = int(syntax.Offset), syntax
		}
		return nil, e
	}
	r := reader{line: line}
	r.space()
	if c := line[r.at]; c != '{' {
		return nil, &Error{Offset: r.at, Err: errors.New("no object: want one for each record, on a line of its own")}
	}
	n := r.value(nil, "", 0, 0)
	return n, r.err
}

// reader makes nodes of a line that is valid JSON.
type reader struct {
	line []byte
	at   int // the next octet to read
	slab []node
	err  error
}

func (r *reader) fail(n *node, at int, err error) {
	if r.err == nil {
		r.err = &Error{Path: n.path(), Offset: at, Err: err}
	}
}

func (r *reader) space() {
	for r.at < len(r.line) && strings.IndexByte(" \t\r\n,:", r.line[r.at]) >= 0 {
		r.at++
	}
}

// value reads one value: the member key or the element index of parent.
func (r *reader) value(parent *node, key string, index, depth int) *node {
	if len(r.slab) == 0 {
		r.slab = make([]node, 64)
	}
	n := &r.slab[0]
	r.slab = r.slab[1:]
	n.parent, n.key, n.index, n.offset = parent, key, index, r.at
	switch c := r.line[r.at]; c {
	case '"':
		n.kind, n.text = stringKind, r.string(n)
	case '[', '{':
		n.kind = arrayKind
		if c == '{' {
			n.kind = objectKind
		}
		if depth == maxDepth {
			r.fail(n, r.at, fmt.Errorf("more than %d values inside each other", maxDepth))
			return n
		}
		r.at++
		r.kids(n, depth)
	default:
		for r.at < len(r.line) && strings.IndexByte(" \t\r\n,]}", r.line[r.at]) < 0 {
			r.at++
		}
		if c == '-' || c >= '0' && c <= '9' {
			n.kind, n.text = numberKind, string(r.line[n.offset:r.at])
		}
	}
	return n
}

// kids reads the values in an array or object up to its end.
func (r *reader) kids(n *node, depth int) {
	var seen map[string]bool // only if there are many
	for r.space(); r.err == nil && r.line[r.at] != ']' && r.line[r.at] != '}'; r.space() {
		if n.kind == arrayKind {
			n.kids = append(n.kids, r.value(n, "", len(n.kids), depth+1))
			continue
		}
		at := r.at
		key := r.string(n)
		r.space()
		kid := r.value(n, key, 0, depth+1)
		if len(n.kids) == 32 {
			seen = map[string]bool{}
			for _, k := range n.kids {
				seen[k.key] = true
			}
		}
		if seen[key] || seen == nil && n.find(key) != nil {
			r.fail(kid, at, errors.New("a second member of this name"))
		}
		if seen != nil {
			seen[key] = true
		}
		n.kids = append(n.kids, kid)
	}
	r.at++
}

// string reads a string. Package json puts U+FFFD where a string is no text, which
// would change it, so that is an error here.
func (r *reader) string(n *node) string {
	from, plain := r.at, true
	for r.at++; r.line[r.at] != '"'; r.at++ {
		if r.line[r.at] == '\\' {
			plain = false
			r.at++
		}
	}
	r.at++
	raw := r.line[from:r.at]
	if !utf8.Valid(raw) {
		r.fail(n, from, errors.New("a string that is not UTF-8"))
	}
	if plain {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		r.fail(n, from, err)
	}
	meant := bytes.Count(raw, []byte("\uFFFD")) + bytes.Count(bytes.ToLower(raw), []byte(`\ufffd`))
	if strings.Count(s, "\uFFFD") > meant {
		r.fail(n, from, errors.New(`half a surrogate pair (\ud800 to \udfff)`))
	}
	return s
}
