package filter

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/pfkeycap/pfkeycap/layers"
)

// function compiles a call.
type function func(c *compiler, n *ast.CallNode) (condition, error)

// functions are those of the language.
var functions map[string]function

func init() { functions = map[string]function{"has": callHas, "cidr": callCIDR, "flag": callFlag} }

func functionList() string { return `has("PATH"), cidr(PATH, "PREFIX") or flag(PATH, "NAME")` }

func (c *compiler) call(n *ast.CallNode) (condition, error) {
	id, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return nil, c.errorAt(where(n.Callee), "no such call; want %s", functionList())
	}
	return functions[id.Value](c, n)
}

// callHas compiles has("PATH"): there is a value.
func callHas(c *compiler, n *ast.CallNode) (condition, error) {
	at := where(n)
	if len(n.Arguments) != 1 {
		return nil, c.errorAt(at, "has wants one path, as in has(\"nat_t_type\")")
	}
	arg := n.Arguments[0]
	var r ref
	if text, ok := arg.(*ast.StringNode); ok {
		path := extensionPath(text.Value)
		var err error
		if r, err = c.lookup(path, func(int) int { return where(arg) }); err != nil {
			return nil, err
		}
	} else {
		o, err := c.operand(arg)
		if err != nil {
			return nil, err
		}
		if !o.isPath() {
			return nil, c.errorAt(o.at, "has wants a path, as in has(\"nat_t_type\")")
		}
		r = o.ref
	}
	if err := c.needsID(r, where(arg)); err != nil {
		return nil, err
	}
	slot := c.g.slotOf(r.node, r.asNames)
	if r.asNames { // a number may have no name, a set of flags may be empty
		return anyOf(slot, &nameIs{text: bytesHave{bytes.HasPrefix, nil}, flags: r.isFlags()}), nil
	}
	return present(slot), nil
}

// extensionPath returns the path of an extension that is named as in a header.
func extensionPath(written string) string {
	if n, _ := findRef(written); n.node != nil || strings.Contains(written, ".") {
		return written
	}
	for _, d := range layers.Dialects() {
		if number, ok := d.ExtNumber(written); ok {
			return strings.ToLower(d.ExtName(number))
		}
	}
	return written
}

// needsID refuses paths of ids where nothing makes ids.
func (c *compiler) needsID(r ref, at int) error {
	if (r.member == sID || r.member == sKeyID) && c.g.id == nil {
		return c.errorAt(at, "%v: ids of secrets are not known here", r)
	}
	return nil
}

// callCIDR compiles cidr(PATH, "PREFIX", …): the address is in one of the prefixes.
func callCIDR(c *compiler, n *ast.CallNode) (condition, error) {
	at := where(n)
	if len(n.Arguments) < 2 {
		return nil, c.errorAt(at, "cidr wants a path and prefixes, as in cidr(dst, \"10.0.0.0/8\")")
	}
	o, err := c.operand(n.Arguments[0])
	if err != nil {
		return nil, err
	}
	if !o.isPath() || o.ref.kind != Address {
		return nil, c.errorAt(o.at, "cidr wants the path of an address first, as in cidr(dst, \"10.0.0.0/8\")")
	}
	var t addrIn
	for _, arg := range n.Arguments[1:] {
		text, ok := arg.(*ast.StringNode)
		if !ok {
			return nil, c.errorAt(where(arg), "cidr wants prefixes in quotes, as in cidr(dst, \"10.0.0.0/8\")")
		}
		p, err := netip.ParsePrefix(text.Value)
		if a, aerr := netip.ParseAddr(text.Value); aerr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, c.errorAt(where(arg), "%q is no prefix: want one such as \"10.0.0.0/8\" or \"2001:db8::/32\"", text.Value)
		}
		t = append(t, p.Masked())
	}
	return anyOf(c.g.slotOf(o.ref.node, false), t), nil
}

// callFlag compiles flag(PATH, "NAME"): the bit is set.
func callFlag(c *compiler, n *ast.CallNode) (condition, error) {
	at := where(n)
	if len(n.Arguments) != 2 {
		return nil, c.errorAt(at, "flag wants a path and a name, as in flag(sa.flags, \"PFS\")")
	}
	o, err := c.operand(n.Arguments[0])
	if err != nil {
		return nil, err
	}
	if !o.isPath() || o.ref.kind != Number || o.ref.closed || o.ref.asNames {
		return nil, c.errorAt(o.at, "flag wants the path of flags first, as in flag(sa.flags, \"PFS\")")
	}
	arg := n.Arguments[1]
	if text, ok := arg.(*ast.StringNode); ok {
		if !o.ref.isFlags() {
			return nil, c.errorAt(o.at, "the bits of %v have no names", o.ref)
		}
		names, err := c.flagNames(o.ref, text.Value, where(arg))
		if err != nil {
			return nil, err
		}
		return anyOf(c.g.slotOf(o.ref.node, true), &flagsHave{names: names}), nil
	}
	mask, err := c.number(arg)
	if err != nil {
		return nil, err
	}
	if mask.Sign() <= 0 {
		return nil, c.errorAt(where(arg), "want a mask such as 0x40000000")
	}
	return anyOf(c.g.slotOf(o.ref.node, false), &flagsHave{mask: mask.Uint64()}), nil
}

// flagNames finds the bits that have a name in the dialects.
func (c *compiler) flagNames(r ref, written string, at int) (*[nDialects][]namedNumber, error) {
	found, all := new([nDialects][]namedNumber), []string{}
	any := false
	for d := range r.in {
		for _, t := range r.in[d].tables {
			if mask, ok := flagMask(layers.Dialect(d), t, written); ok {
				found[d], any = append(found[d], namedNumber{t, mask}), true
			}
			for _, n := range t.flags(layers.Dialect(d)) {
				if n != "" && !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
		}
	}
	if !any {
		return nil, c.errorAt(at, "no dialect has a flag %q in %s%s", written, r.path, orAll(written, all))
	}
	return found, nil
}
