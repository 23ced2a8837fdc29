package filter

import (
	"net/netip"

	"github.com/expr-lang/expr/ast"
)

// Prefix returns a prefix that the address at a path must lie in for the expression
// to be true, for who can ask for less in the first place. ok is false if the
// expression does not say one on its top level, joined by "and". What it leaves open
// is still Match's to decide.
func (f *Filter) Prefix(path string) (p netip.Prefix, ok bool) {
	want, err := findRef(path)
	if err != nil {
		return p, false
	}
	s, perr := parse(f.expr)
	if perr != nil { // it was parsed before
		return p, false
	}
	c := compiler{s: s, g: &gatherer{}}
	var walk func(n ast.Node)
	walk = func(n ast.Node) {
		switch n := n.(type) {
		case *ast.BinaryNode:
			switch n.Operator {
			case "&&", "and":
				walk(n.Left)
				walk(n.Right)
			case "==":
				c.address(n.Left, n.Right, want, &p, &ok)
				c.address(n.Right, n.Left, want, &p, &ok)
			}
		case *ast.CallNode:
			name, isName := n.Callee.(*ast.IdentifierNode)
			if !isName || name.Value != "cidr" || len(n.Arguments) != 2 || !c.isAt(n.Arguments[0], want) {
				return
			}
			text, isText := n.Arguments[1].(*ast.StringNode)
			if !isText {
				return
			}
			if q, err := netip.ParsePrefix(text.Value); err == nil {
				narrow(q.Masked(), &p, &ok)
			}
		}
	}
	walk(s.root)
	return p, ok
}

func (c *compiler) isAt(n ast.Node, want ref) bool {
	o, err := c.operand(n)
	return err == nil && o.isPath() && o.ref.node == want.node && !o.ref.asNames
}

func (c *compiler) address(path, value ast.Node, want ref, p *netip.Prefix, ok *bool) {
	text, isText := value.(*ast.StringNode)
	if !isText || !c.isAt(path, want) {
		return
	}
	if a, err := netip.ParseAddr(text.Value); err == nil {
		narrow(netip.PrefixFrom(a.WithZone(""), a.BitLen()), p, ok)
	}
}

// narrow keeps the longer of two prefixes: what must lie in both lies in it, or
// nowhere.
func narrow(q netip.Prefix, p *netip.Prefix, ok *bool) {
	if !*ok || q.Bits() > p.Bits() {
		*p, *ok = q, true
	}
}
