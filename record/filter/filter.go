package filter

import (
	"github.com/pfkeycap/pfkeycap/record"
)

// Options are what an expression needs besides the record.
type Options struct {
	// ID names a secret without showing it, as record.Reader and record.Hider do. It
	// is what paths such as key_auth.key_id are compared with; without it such a
	// comparison does not compile. It must neither keep nor change secret.
	ID func(r *record.Record, secret []byte, key int) [4]byte
}

// Filter is a compiled expression. It has memory of its own, so it may not be used
// by two goroutines at once.
type Filter struct {
	expr string
	cond condition
	g    gatherer
}

// Compile makes a Filter of an expression; see the package documentation for the
// language. The error is an *Error, which says where in the expression the fault
// is.
func Compile(expr string, opts Options) (*Filter, error) {
	s, err := parse(expr)
	if err != nil {
		return nil, err
	}
	f := &Filter{expr: expr}
	f.g.id = opts.ID
	c := compiler{s: s, g: &f.g}
	if f.cond, err = c.condition(s.root); err != nil {
		return nil, err
	}
	return f, nil
}

// Match reports whether the expression is true of a record. It does not fail: a
// comparison with what the record does not have is false. It does not use r afterwards. Once
// it has seen a few records it allocates nothing, but for the text of flags without
// a name where names of flags are asked for.
func (f *Filter) Match(r *record.Record) bool {
	f.g.begin(r)
	return f.cond(&f.g)
}

// String returns the expression.
func (f *Filter) String() string { return f.expr }
