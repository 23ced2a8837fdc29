package pfjson

import "github.com/pfkeycap/pfkeycap/layers"

// AppendByField is Append by a visitor that takes every member by itself.
func AppendByField(dst []byte, r *Record, opts Options) []byte {
	w := new(writer)
	return w.append(dst, r, opts, struct{ layers.Visitor }{w})
}
