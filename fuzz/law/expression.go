package law

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// Filter: any text is an error that points into it, or an expression that says yes
// or no of any message, its negation the opposite.
func Filter(t T, expr string, index uint64) {
	f, err := filter.Compile(expr, filter.Options{ID: id})
	if err != nil {
		var e *filter.Error
		if !errors.As(err, &e) || e.Message == "" {
			t.Fatalf("%q: %T: %v", expr, err, err)
		}
		lines := strings.Split(e.Expr, "\n")
		if e.Expr == expr && (e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1) {
			t.Fatalf("%q: the error is in line %d, column %d", expr, e.Line, e.Column)
		}
		return
	}
	not, err := filter.Compile("!("+expr+"\n)", filter.Options{ID: id})
	if err != nil {
		not = nil // a limit of size or depth
	}
	for k := range uint8(4) {
		c := engine.Codec(k*7 + uint8(index))
		msg, _ := gen.New(c, 1, gen.Options{}).At(index>>2+uint64(k), nil)
		r := &record.Record{Number: index, Codec: c, Data: msg, OrigLen: len(msg)}
		yes := f.Match(r)
		if yes != f.Match(r) {
			t.Fatalf("%q: two answers about %v", expr, r)
		}
		if not != nil && not.Match(r) == yes {
			t.Fatalf("%q: it and its negation are %v of %v", expr, yes, r)
		}
	}
}

// Generate: a generator gives the same message for the same numbers, whatever it
// made before, a valid one is sound, and what it made decodes and round-trips.
func Generate(t T, n uint8, seed, index uint64, options uint8) {
	c := engine.Codec(n)
	o := gen.Options{Valid: options&1 != 0, Requests: options&2 != 0, Mutants: int(options >> 2 & 7)}
	g := gen.New(c, seed, o)
	msg, info := g.At(index, nil)
	name := strings.Join(info.Mutations, " ")
	_, _ = g.At(index/3, nil)
	again, info2 := g.At(index, nil)
	if string(again) != string(msg) || strings.Join(info2.Mutations, " ") != name || info2.Index != index {
		t.Fatalf("%v, seed %d: message %d is\n%x (%s), and then\n%x (%v)", c, seed, index, msg, name, again, info2.Mutations)
	}
	if o.Valid && name != "" || o.Requests && info.FromKernel {
		t.Fatalf("%+v of %+v", info, o)
	}
	Decode(t, n, msg)
	roundTrip(t, c, msg)
	if len(info.Mutations) == 0 && packet(c, msg).ErrorLayer() != nil {
		t.Fatalf("%v, seed %d: message %d is valid and malformed\n%x", c, seed, index, msg)
	}
}
