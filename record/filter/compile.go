package filter

import (
	"bytes"
	"math"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// compiler makes conditions of a syntax tree.
type compiler struct {
	s *syntax
	g *gatherer
}

// operand is what stands on one side of an operator: a path, or constants.
type operand struct {
	at    int // characters from the start of the expression
	ref   ref // of a path
	list  []constant
	isOne bool // list is one constant, not a list in brackets
}

func (o *operand) isPath() bool { return o.ref.node != nil }

func (c *compiler) errorAt(at int, format string, args ...any) error {
	return c.s.errorAt(at, format, args...)
}

// where returns the place of a node. A path begins at its first part.
func where(n ast.Node) int {
	for {
		m, ok := n.(*ast.MemberNode)
		if !ok {
			return n.Location().From
		}
		n = m.Node
	}
}

// condition compiles a node that is to be true or false.
func (c *compiler) condition(n ast.Node) (condition, error) {
	switch n := n.(type) {
	case *ast.BoolNode:
		v := n.Value
		return func(*gatherer) bool { return v }, nil
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			x, err := c.condition(n.Node)
			if err != nil {
				return nil, err
			}
			return func(g *gatherer) bool { return !x(g) }, nil
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "and", "||", "or":
			return c.logic(n)
		case "+", "-", "*", "..":
		default:
			return c.relation(n)
		}
	case *ast.CallNode:
		return c.call(n)
	}
	o, err := c.operand(n)
	if err != nil {
		return nil, err
	}
	if o.isPath() {
		return nil, c.errorAt(o.at, "%v is no condition: compare it, or test has(%q)", o.ref, o.ref)
	}
	return nil, c.errorAt(where(n), "want a condition, such as a comparison, not a constant")
}

func (c *compiler) logic(n *ast.BinaryNode) (condition, error) {
	x, err := c.condition(n.Left)
	if err != nil {
		return nil, err
	}
	y, err := c.condition(n.Right)
	if err != nil {
		return nil, err
	}
	if n.Operator == "&&" || n.Operator == "and" {
		return func(g *gatherer) bool { return x(g) && y(g) }, nil
	}
	return func(g *gatherer) bool { return x(g) || y(g) }, nil
}

// operand compiles a node that is to be a value.
func (c *compiler) operand(n ast.Node) (operand, error) {
	at := where(n)
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if u, ok := c.s.big[at]; ok {
			return single(constant{at: at}.number(new(big.Int).SetUint64(u))), nil
		}
		return c.path(n)
	case *ast.MemberNode:
		return c.path(n)
	case *ast.ArrayNode:
		o := operand{at: at}
		for _, x := range n.Nodes {
			e, err := c.operand(x)
			switch {
			case err != nil:
				return o, err
			case e.isPath():
				return o, c.errorAt(e.at, "%v in a list: want constants", e.ref)
			case !e.isOne:
				return o, c.errorAt(e.at, "a list in a list: want constants")
			}
			o.list = append(o.list, e.list[0])
		}
		if len(o.list) == 0 {
			return o, c.errorAt(at, "an empty list")
		}
		return o, nil
	case *ast.IntegerNode:
		return single(constant{at: at}.number(big.NewInt(int64(n.Value)))), nil
	case *ast.FloatNode:
		return single(constant{at: at, float: n.Value, isFloat: true}), nil
	case *ast.StringNode:
		return single(constant{at: at, text: n.Value, isText: true}), nil
	case *ast.UnaryNode:
		if n.Operator == "-" || n.Operator == "+" {
			return c.sum(at, n.Operator, nil, n.Node)
		}
		if x, err := c.operand(n.Node); err == nil && x.isPath() {
			return operand{}, c.errorAt(at, "%s here negates %v alone: put brackets around the comparison", n.Operator, x.ref)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "+", "-", "*":
			return c.sum(at, n.Operator, n.Left, n.Right)
		case "..":
			lo, err := c.number(n.Left)
			if err != nil {
				return operand{}, err
			}
			hi, err := c.number(n.Right)
			if err != nil {
				return operand{}, err
			}
			if lo.Cmp(hi) > 0 {
				return operand{}, c.errorAt(at, "an empty range: %v is more than %v", lo, hi)
			}
			return single(constant{at: where(n.Left), lo: lo, hi: hi}), nil
		}
	case *ast.NilNode:
		return operand{}, c.errorAt(at, "no nil in filters: write has(\"…\") or !has(\"…\")")
	}
	return operand{}, c.errorAt(at, "want a field or a constant here, not a condition")
}

// path compiles a path.
func (c *compiler) path(n ast.Node) (operand, error) {
	var parts []string
	var places []int
	for n != nil {
		switch x := n.(type) {
		case *ast.IdentifierNode:
			parts, places = append(parts, x.Value), append(places, x.Location().From)
			n = nil
		case *ast.MemberNode:
			p, ok := x.Property.(*ast.StringNode)
			if !ok {
				return operand{}, c.errorAt(x.Location().From, "no index in paths: a comparison is true if it is for any of several values")
			}
			parts, places = append(parts, p.Value), append(places, x.Location().From)
			n = x.Node
		default:
			return operand{}, c.errorAt(where(n), "want the name of a field before the point")
		}
	}
	slices.Reverse(parts)
	slices.Reverse(places)
	r, err := c.lookup(strings.Join(parts, "."), func(part int) int { return places[min(part, len(places)-1)] })
	return operand{at: places[0], ref: r}, err
}

// lookup finds a path. place gives the place of one of its parts.
func (c *compiler) lookup(path string, place func(part int) int) (ref, error) {
	r, missing := findRef(path)
	if missing == nil {
		return r, nil
	}
	return ref{}, c.errorAt(place(missing.at), "%s", missing.describe(path))
}

// describe says what is wrong with a path, with what it may have been meant to be.
func (m *notFound) describe(path string) string {
	parts := strings.Split(path, ".")
	part := parts[min(m.at, len(parts)-1)]
	if m.within == nil {
		names := []string{}
		for _, a := range aliases {
			names = append(names, a.name)
		}
		for _, n := range top() {
			names = append(names, n.path)
		}
		found := similar(part, names)
		if len(parts) == 1 && len(found) < 3 { // perhaps the last part alone
			paths := Paths()
			slices.SortStableFunc(paths, func(a, b Path) int { return len(b.Dialects) - len(a.Dialects) })
			for _, p := range paths {
				if strings.HasSuffix(p.Name, "."+strings.ToLower(part)) && len(found) < 3 {
					found = append(found, p.Name)
				}
			}
		}
		if len(found) > 0 {
			return "unknown field " + strconv.Quote(part) + "; similar: " + strings.Join(found, ", ")
		}
		return "unknown field " + strconv.Quote(part)
	}
	var names []string
	for _, k := range m.within.kids {
		names = append(names, k.name)
		if s := k.namesSuffix(); s != "" {
			names = append(names, k.name+s)
		}
	}
	if len(names) == 0 {
		return m.within.path + " has no fields in it, so no " + strconv.Quote(part)
	}
	if h := hint(part, names); h != "" {
		return m.within.path + " has no field " + strconv.Quote(part) + h
	}
	return m.within.path + " has no field " + strconv.Quote(part) + "; it has " + strings.Join(names, ", ")
}

// relation compiles a comparison.
func (c *compiler) relation(n *ast.BinaryNode) (condition, error) {
	op, at := n.Operator, n.Location().From
	l, err := c.operand(n.Left)
	if err != nil {
		return nil, err
	}
	r, err := c.operand(n.Right)
	if err != nil {
		return nil, err
	}
	for _, o := range []*operand{&l, &r} {
		if o.isPath() {
			if err := c.comparable(o); err != nil {
				return nil, err
			}
		}
	}
	switch op {
	case "in":
		if r.isPath() || r.isOne && !r.list[0].isRange() {
			if l.isPath() || !r.isPath() || !l.isOne {
				return nil, c.errorAt(r.at, "in wants a list or a range after it, as in [1, 2] or 1..9")
			}
			l, r = r, l // "PFS" in sa.flags_names
		}
		if !l.isPath() {
			return nil, c.errorAt(l.at, "in wants a field before it")
		}
		return c.equal(l.ref, r.list)
	case "matches", "contains", "startsWith", "endsWith":
		if !l.isPath() || r.isPath() || !r.isOne || !r.list[0].isText {
			return nil, c.errorAt(at, "%s wants a field before it and a text in quotes after it", op)
		}
		return c.part(op, l.ref, r.list[0])
	}
	switch {
	case l.isPath() && r.isPath():
		return c.pair(op, at, l.ref, r.ref)
	case !l.isPath() && !r.isPath():
		return nil, c.errorAt(l.at, "two constants are compared: want a field on one side")
	case r.isPath():
		l, r, op = r, l, mirrored[op]
	}
	if !r.isOne || r.list[0].isRange() {
		return nil, c.errorAt(r.at, "a list: compare it with in")
	}
	switch op {
	case "==":
		return c.equal(l.ref, r.list)
	case "!=":
		slot, t, err := c.test(l.ref, r.list)
		if err != nil {
			return nil, err
		}
		return noneOf(slot, t), nil
	}
	return c.order(op, l.ref, r.list[0])
}

var mirrored = map[string]string{"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

// comparable refuses paths that have no values to compare.
func (c *compiler) comparable(o *operand) error {
	switch o.ref.kind {
	case Secret:
		var parts []string
		if o.ref.root != nil && o.ref.root.kid("key_id") != nil {
			parts = append(parts, o.ref.root.path+".bits", o.ref.root.path+".key_id")
		}
		for _, k := range o.ref.kids {
			parts = append(parts, k.path)
		}
		return c.errorAt(o.at, "secrets can't be compared: use %s, or has(%q)", strings.Join(parts, " or "), o.ref)
	case Group:
		var names []string
		for _, k := range o.ref.kids {
			names = append(names, k.name)
		}
		return c.errorAt(o.at, "%v is a group: name one of its fields (%s), or test has(%q)", o.ref, strings.Join(names, ", "), o.ref)
	}
	return c.needsID(o.ref, o.at)
}

// equal compiles path == constant, and path in constants.
func (c *compiler) equal(r ref, list []constant) (condition, error) {
	slot, t, err := c.test(r, list)
	if err != nil {
		return nil, err
	}
	return anyOf(slot, t), nil
}

// test makes a test for being equal to one of some constants.
func (c *compiler) test(r ref, list []constant) (slot int, t test, err error) {
	switch {
	case r.asNames && r.isFlags():
		all := &[nDialects][]namedNumber{}
		for _, k := range list {
			if !k.isText {
				return 0, nil, c.wrongType(r, k)
			}
			names, err := c.flagNames(r, k.text, k.at)
			if err != nil {
				return 0, nil, err
			}
			for d := range names {
				all[d] = append(all[d], names[d]...)
			}
		}
		return c.g.slotOf(r.node, true), &flagsHave{names: all}, nil
	case r.kind == Number || r.kind == Time:
		var is numberIs
		for _, k := range list {
			if err := c.addNumber(&is, r, k); err != nil {
				return 0, nil, err
			}
		}
		return c.g.slotOf(r.node, is.names != nil), &is, nil
	case r.kind == Address:
		var t addrIs
		for _, k := range list {
			a, err := netip.ParseAddr(k.text)
			if !k.isText || err != nil || a.Zone() != "" {
				return 0, nil, c.wrongType(r, k)
			}
			t = append(t, a)
		}
		return c.g.slotOf(r.node, false), t, nil
	}
	var are bytesAre
	for _, k := range list {
		b, err := c.octets(r, k)
		if err != nil {
			return 0, nil, err
		}
		are = append(are, b)
	}
	return c.g.slotOf(r.node, false), are, nil
}

// order compiles path < constant and the like.
func (c *compiler) order(op string, r ref, k constant) (condition, error) {
	if r.asNames || r.closed || r.kind != Number && r.kind != Time {
		return nil, c.errorAt(k.at, "%v has no order: compare it with == and !=", r)
	}
	var is numberIs
	if err := c.addNumber(&is, r, k); err != nil {
		return nil, err
	}
	if is.names != nil {
		return nil, c.errorAt(k.at, "names have no order: compare %v with a number, or use == and !=", r)
	}
	s := everything
	empty := false
	switch {
	case len(is.spans) == 0: // a negative number
		empty = op == "<" || op == "<="
	default:
		u := is.spans[0]
		switch op {
		case "<":
			empty = u.lo == 0
			s.hi = u.lo - 1
		case "<=":
			s.hi = u.hi
		case ">":
			empty = u.hi == math.MaxUint64
			s.lo = u.hi + 1
		case ">=":
			s.lo = u.lo
		}
	}
	is.spans = []span{s}
	if empty {
		is.spans = nil
	}
	return anyOf(c.g.slotOf(r.node, false), &is), nil
}

// part compiles path contains constant and the like.
func (c *compiler) part(op string, r ref, k constant) (condition, error) {
	isNames := r.asNames || r.closed
	if !isNames && r.kind != Text && (r.kind != Octets || op == "matches") {
		s := ""
		if n := r.namesSuffix(); n != "" {
			s = ": use " + r.path + n
		}
		return nil, c.errorAt(k.at, "%s is for text, and %v is no text%s", op, r, s)
	}
	var t test
	if op == "matches" {
		if len(k.text) > maxPattern {
			return nil, c.errorAt(k.at, "a regular expression of %d bytes: want at most %d", len(k.text), maxPattern)
		}
		re, err := regexp.Compile(k.text)
		if err != nil {
			return nil, c.errorAt(k.at, "%v", err)
		}
		t = matches{re}
	} else {
		b := []byte(k.text)
		if !isNames {
			var err error
			if b, err = c.octets(r, k); err != nil {
				return nil, err
			}
		}
		t = bytesHave{map[string]func(b, part []byte) bool{
			"contains": bytes.Contains, "startsWith": bytes.HasPrefix, "endsWith": bytes.HasSuffix,
		}[op], b}
	}
	if isNames {
		t = &nameIs{text: t, flags: r.isFlags()}
	}
	return anyOf(c.g.slotOf(r.node, isNames), t), nil
}

// pair compiles a comparison of two paths.
func (c *compiler) pair(op string, at int, l, r ref) (condition, error) {
	if l.asNames || r.asNames {
		return nil, c.errorAt(at, "names of fields are not compared with each other: compare %s and %s", l.path, r.path)
	}
	if l.closed && r.closed && l.node != r.node {
		return nil, c.errorAt(at, "%v and %v have no values in common", l, r)
	}
	if l.kind != r.kind || l.closed != r.closed {
		return nil, c.errorAt(at, "%v (%v) can't be compared with %v (%v)", l, l.export().Kind, r, r.export().Kind)
	}
	isNumber := (l.kind == Number || l.kind == Time) && !l.closed
	equal := func(x, y *value) bool { return x.u == y.u && x.addr == y.addr && bytes.Equal(x.b, y.b) }
	a, b := c.g.slotOf(l.node, false), c.g.slotOf(r.node, false)
	switch {
	case op == "==":
		return pair(a, b, equal), nil
	case op == "!=":
		some := pair(a, b, func(x, y *value) bool { return true })
		one := pair(a, b, equal)
		return func(g *gatherer) bool { return some(g) && !one(g) }, nil
	case !isNumber:
		return nil, c.errorAt(at, "%v and %v have no order: compare them with == and !=", l, r)
	}
	return pair(a, b, map[string]func(x, y *value) bool{
		"<":  func(x, y *value) bool { return x.u < y.u },
		"<=": func(x, y *value) bool { return x.u <= y.u },
		">":  func(x, y *value) bool { return x.u > y.u },
		">=": func(x, y *value) bool { return x.u >= y.u },
	}[op]), nil
}
