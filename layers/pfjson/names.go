package pfjson

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/layers"
)

// name is the name of a number in the extension being made, which has been
// written if it was there. Which table the name is from may depend on what stands
// around it.
type name struct {
	node  *node
	text  string
	field string
	at    int // where the number stands in the record
	net   bool
	has   bool // the number was there
}

// resolveNames looks up the names of the extension that begins at start and ends
// the record, by the same walk that writes them.
func (p *parser) resolveNames(start int) {
	if len(p.names) == 0 || p.err != nil {
		return
	}
	p.walk = append(p.walk[:0], make([]byte, layers.BaseLen)...)
	p.walk[0], p.walk[1], p.walk[3] = layers.Version, layers.DUMP, p.satype
	p.walk = append(p.walk, p.out[start:]...)
	r := resolver{p: p, names: p.names, shift: layers.BaseLen - start}
	p.codec.Walk(p.walk, &r)
	for _, n := range r.names {
		p.fail(n.node, fmt.Errorf("%s is not where a reader would look for it: is a count wrong?", n.field))
	}
	copy(p.out[start:], p.walk[layers.BaseLen:])
}

// resolver is the layers.Visitor that does it.
type resolver struct {
	p     *parser
	names []name // not yet met, in wire order
	shift int    // from a place in the record to one in the walk
}

// Field implements layers.Visitor.
func (r *resolver) Field(f *layers.Field, v *layers.Value) {
	if len(r.names) == 0 || r.names[0].at+r.shift != v.Offset || r.names[0].field != f.Name {
		return
	}
	n := r.names[0]
	r.names = r.names[1:]
	u := r.p.nameValue(n.node, n.text, v.Enum, v.Uint, n.has)
	if !n.has && r.p.err == nil {
		store(r.p.walk[v.Offset:v.Offset+v.Size], n.net || r.p.big(), u)
	}
}

// The other methods of layers.Visitor.

func (r *resolver) Base(*layers.Base, int, int)                         {}
func (r *resolver) Extension(*layers.Header, uint16, string, int, bool) {}
func (r *resolver) EndExtension()                                       {}
func (r *resolver) Open(layers.NodeKind, string)                        {}
func (r *resolver) Close(layers.NodeKind)                               {}
func (r *resolver) Malformed([]byte, int, layers.Reason)                {}
func (r *resolver) End()                                                {}
