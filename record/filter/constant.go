package filter

import (
	"encoding/hex"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/pfkeycap/pfkeycap/layers"
)

// constant is a literal: a number, a range of them, or a text.
type constant struct {
	at     int
	lo, hi *big.Int // a number is a range of one; nil if it is none
	float  float64  // if isFloat
	text   string   // if isText

	isFloat, isText bool
}

func (k *constant) isRange() bool { return k.lo != nil && k.lo.Cmp(k.hi) != 0 }

func single(k constant) operand { return operand{at: k.at, list: []constant{k}, isOne: true} }

func (k constant) number(u *big.Int) constant {
	k.lo, k.hi = u, u
	return k
}

// number compiles a constant integer.
func (c *compiler) number(n ast.Node) (*big.Int, error) {
	o, err := c.operand(n)
	switch {
	case err != nil:
		return nil, err
	case o.isPath():
		return nil, c.errorAt(o.at, "want a constant here, and %v is a field", o.ref)
	case !o.isOne || o.list[0].lo == nil || o.list[0].isRange():
		return nil, c.errorAt(o.at, "want an integer here")
	}
	return o.list[0].lo, nil
}

// sum compiles arithmetic with constants. x is nil for a sign.
func (c *compiler) sum(at int, op string, x, y ast.Node) (operand, error) {
	a := new(big.Int)
	if x != nil {
		u, err := c.number(x)
		if err != nil {
			return operand{}, err
		}
		a.Set(u)
		at = where(x)
	}
	b, err := c.number(y)
	if err != nil {
		return operand{}, err
	}
	switch op {
	case "+":
		a.Add(a, b)
	case "-":
		a.Sub(a, b)
	case "*":
		a.Mul(a, b)
	}
	if a.BitLen() > 64 {
		return operand{}, c.errorAt(at, "a number of more than 64 bits")
	}
	return single(constant{at: at}.number(a)), nil
}

// orAll is hint, or if nothing is similar and there are few names, all of them.
func orAll(written string, names []string) string {
	if h := hint(written, names); h != "" {
		return h
	}
	const few = 12
	if len(names) > 0 && len(names) <= few {
		return "; there are " + strings.Join(names, ", ")
	}
	return ""
}

// octets returns what a text or octets are compared with.
func (c *compiler) octets(r ref, k constant) ([]byte, error) {
	if !k.isText {
		return nil, c.wrongType(r, k)
	}
	if r.kind == Text {
		return []byte(k.text), nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(strings.NewReplacer(":", "", " ", "").Replace(k.text), "0x"))
	if err != nil {
		return nil, c.wrongType(r, k)
	}
	return b, nil
}

// addNumber adds a constant to what a number may be.
func (c *compiler) addNumber(is *numberIs, r ref, k constant) error {
	switch {
	case r.kind == Time:
		lo, hi, err := c.moment(r, k)
		if err != nil {
			return err
		}
		is.spans = append(is.spans, span{lo, hi})
		return nil
	case r.closed || r.asNames:
		if !k.isText {
			return c.wrongType(r, k)
		}
	case k.lo != nil:
		is.spans = append(is.spans, clamp(k.lo, k.hi)...)
		return nil
	case k.isText:
		if u, isInt, err := parseNumber(k.text); err == nil && isInt {
			is.spans = append(is.spans, span{u, u})
			return nil
		}
	}
	tables := r.tables()
	if !k.isText || len(tables) == 0 || r.isFlags() {
		return c.wrongType(r, k)
	}
	if is.names == nil {
		is.names = new([nDialects][]namedNumber)
	}
	found, all := false, []string{}
	for d := range r.in {
		for _, t := range r.in[d].tables {
			for _, u := range t.numbers(layers.Dialect(d), k.text) {
				is.names[d], found = append(is.names[d], namedNumber{t, u}), true
			}
			for _, n := range t.names(layers.Dialect(d)) {
				if !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
		}
	}
	if !found {
		return c.errorAt(k.at, "no dialect has the name %q for %s%s", k.text, r.path, orAll(k.text, all))
	}
	return nil
}

// clamp returns the part of a range that is not negative. Constants have no more
// than 64 bits.
func clamp(lo, hi *big.Int) []span {
	if hi.Sign() < 0 {
		return nil
	}
	s := span{0, hi.Uint64()}
	if lo.Sign() > 0 {
		s.lo = lo.Uint64()
	}
	return []span{s}
}

// moment returns a constant as time, which is a range if it is a whole day.
func (c *compiler) moment(r ref, k constant) (lo, hi uint64, err error) {
	var from, to time.Time
	switch {
	case k.isText:
		from, to, _ = ParseTime(k.text, time.UTC)
	case k.isFloat && math.Abs(k.float) < maxSeconds:
		s, part := math.Modf(k.float)
		from = time.Unix(int64(s), int64(math.Round(part*1e9)))
		to = from
	case k.lo != nil && k.lo.IsInt64() && k.hi.IsInt64():
		from, to = time.Unix(k.lo.Int64(), 0), time.Unix(k.hi.Int64(), 0)
	}
	if from.IsZero() {
		return 0, 0, c.wrongType(r, k)
	}
	if from.Unix() < -maxSeconds || to.Unix() > maxSeconds {
		return 0, 0, c.errorAt(k.at, "a time that no capture can have")
	}
	return clock(from), clock(to), nil
}

// ParseTime reads a time as it may stand in an expression: as RFC 3339 has it, or
// without a zone, which is the one given then, or a date alone, which is all of that
// day. from is the first moment that the text may mean, to the last one.
func ParseTime(text string, zone *time.Location) (from, to time.Time, ok bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, t, true
		}
	}
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return time.Time{}, time.Time{}, false
	}
	return t, t.AddDate(0, 0, 1).Add(-1), true
}

// maxSeconds bounds times to what is sure to fit into 64 bits of nanoseconds.
const maxSeconds = 9e9

// wrongType says what a path can be compared with.
func (c *compiler) wrongType(r ref, k constant) error {
	want := ""
	switch {
	case r.asNames || r.closed:
		want = "a name in quotes"
	case r.kind == Number && r.isFlags():
		want = "a number such as 0x1, or flag(" + r.path + ", \"NAME\")"
	case r.kind == Number && len(r.tables()) > 0:
		want = "a number, or a name in quotes"
	case r.kind == Number:
		want = "a number such as 42 or 0x2a"
	case r.kind == Address:
		want = "an address such as \"10.0.0.1\""
		if _, err := netip.ParsePrefix(k.text); err == nil {
			want = "an address, or cidr(" + r.String() + ", " + strconv.Quote(k.text) + ")"
		}
	case r.kind == Text:
		want = "a text in quotes"
	case r.kind == Octets:
		want = "hex digits in quotes"
	case r.kind == Time:
		want = "a time such as \"2026-05-01T10:00:00Z\", or seconds since 1970"
	}
	have := "this"
	switch {
	case k.isText:
		have = strconv.Quote(k.text)
	case k.isRange():
		have = "a range"
	case k.lo != nil:
		have = k.lo.String()
	case k.isFloat:
		have = "a fraction"
	}
	return c.errorAt(k.at, "%v can't be compared with %s: want %s", r, have, want)
}
