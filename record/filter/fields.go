package filter

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// Occurrence says which of several values of a path are shown.
type Occurrence uint8

// The occurrences.
const (
	All Occurrence = iota
	First
	Last
)

// FieldsOptions say how the columns of -T fields look. The zero value is what
// tshark does without options.
type FieldsOptions struct {
	Header     bool
	BOM        bool   // a UTF-8 byte order mark first
	Separator  string // between columns; "" stands for a tab
	Occurrence Occurrence
	Aggregator string // between the values of one column; "" stands for a comma
	Quote      byte   // around values, '"' or '\''; 0 for none
	NoEscape   bool   // do not write control characters and backslashes as \n, \x1b and \\

	// ShowKeys shows the bytes of secrets as hex, the true ones if they are at hand.
	ShowKeys bool
	// More are columns of the caller's own, after those of the paths.
	More []Column

	// ID names a secret without showing it, as record.Reader and record.Hider do. If
	// it is nil the columns of ids are empty.
	ID func(r *record.Record, secret []byte, key int) [4]byte
}

// Column is a column that is no path.
type Column struct {
	Name   string                          // in the header
	Values func(r *record.Record) []string // shown as the values of a path are
}

// CSV returns the options for comma-separated values (RFC 4180) with a header.
func CSV() FieldsOptions {
	return FieldsOptions{Header: true, Separator: ",", Aggregator: ";", Quote: '"'}
}

// Set changes an option that is written as for tshark's -E: header=y|n, bom=y|n,
// separator=/t|/s|CHARACTER, occurrence=f|l|a, aggregator=,|/s|CHARACTER,
// quote=d|s|n, escape=y|n.
func (o *FieldsOptions) Set(option string) error {
	name, value, ok := strings.Cut(option, "=")
	bad := func(want string) error {
		return fmt.Errorf("option %q of fields: want %s=%s", option, name, want)
	}
	choice := func(choices string) (int, bool) {
		i := strings.Index(choices, value)
		return i, len(value) == 1 && i >= 0
	}
	char := func(dst *string) bool {
		switch value {
		case "/t":
			*dst = "\t"
		case "/s":
			*dst = " "
		default:
			if utf8.RuneCountInString(value) != 1 {
				return false
			}
			*dst = value
		}
		return true
	}
	if !ok {
		name = ""
	}
	switch name {
	case "header", "bom", "escape":
		i, ok := choice("ny")
		if !ok {
			return bad("y or n")
		}
		switch name {
		case "header":
			o.Header = i == 1
		case "bom":
			o.BOM = i == 1
		case "escape":
			o.NoEscape = i == 0
		}
	case "separator":
		if !char(&o.Separator) {
			return bad("/t (tab), /s (space) or one character")
		}
	case "aggregator":
		if !char(&o.Aggregator) {
			return bad("/s (space) or one character")
		}
	case "occurrence":
		i, ok := choice("afl")
		if !ok {
			return bad("f (first), l (last) or a (all)")
		}
		o.Occurrence = Occurrence(i)
	case "quote":
		i, ok := choice("nds")
		if !ok {
			return bad("d (double), s (single) or n (none)")
		}
		o.Quote = [...]byte{0, '"', '\''}[i]
	default:
		return fmt.Errorf("unknown option %q of fields: want header=, separator=, occurrence=, aggregator=, quote=, escape= or bom=", option)
	}
	return nil
}

// Fields writes columns of records. It has memory of its own, so it may not be
// used by two goroutines at once.
type Fields struct {
	paths []string
	refs  []ref
	slots []int
	opts  FieldsOptions
	g     gatherer
	names []string
	one   []byte
}

// NewFields makes Fields for a list of paths, one for each column. The error names
// the path that is not in the table, and similar ones.
func NewFields(paths []string, opts FieldsOptions) (*Fields, error) {
	if opts.Separator == "" {
		opts.Separator = "\t"
	}
	if opts.Aggregator == "" {
		opts.Aggregator = ","
	}
	f := &Fields{paths: paths, opts: opts}
	f.g.id = opts.ID
	f.g.trueKey = opts.ShowKeys
	for _, p := range paths {
		r, missing := findRef(p)
		if missing != nil {
			return nil, fmt.Errorf("column %q: %s", p, missing.describe(p))
		}
		if r.kind == Group {
			var names []string
			for _, k := range r.kids {
				names = append(names, k.name)
			}
			return nil, fmt.Errorf("column %q: a group, want one of its fields: %s", p, strings.Join(names, ", "))
		}
		f.refs = append(f.refs, r)
		f.slots = append(f.slots, f.g.slotOf(r.node, true))
	}
	return f, nil
}

// AppendHeader appends what comes before the first row, which may be nothing: the
// byte order mark and the line of the paths.
func (f *Fields) AppendHeader(dst []byte) []byte {
	if f.opts.BOM {
		dst = append(dst, "\ufeff"...)
	}
	if !f.opts.Header {
		return dst
	}
	for i, p := range f.paths {
		if i > 0 {
			dst = append(dst, f.opts.Separator...)
		}
		dst = append(dst, p...)
	}
	for _, c := range f.opts.More {
		dst = append(dst, f.opts.Separator...)
		dst = append(dst, c.Name...)
	}
	return append(dst, '\n')
}

// AppendRow appends a record's line. Of a path without a value the column is empty,
// without quotes too. Values look as in the JSON form; a secret is "··" unless
// ShowKeys is set. It does not use r afterwards.
func (f *Fields) AppendRow(dst []byte, r *record.Record) []byte {
	f.g.begin(r)
	for i := range f.refs {
		if i > 0 {
			dst = append(dst, f.opts.Separator...)
		}
		dst = f.appendColumn(dst, i)
	}
	for _, c := range f.opts.More {
		dst = append(dst, f.opts.Separator...)
		values := c.Values(r)
		from, to := f.choose(len(values))
		for j := from; j < to; j++ {
			dst = f.begin(dst, j == from)
			dst = f.appendText(dst, []byte(values[j]))
		}
		dst = f.end(dst, from < to)
	}
	return append(dst, '\n')
}

func (f *Fields) appendColumn(dst []byte, i int) []byte {
	ref := &f.refs[i]
	vs := f.g.values(f.slots[i])
	if ref.asNames || ref.closed {
		f.names = f.names[:0]
		for j := range vs {
			f.names = appendNames(f.names, &vs[j], f.g.dialect, ref.isFlags())
		}
		from, to := f.choose(len(f.names))
		for j := from; j < to; j++ {
			dst = f.begin(dst, j == from)
			dst = append(dst, f.names[j]...)
		}
		return f.end(dst, from < to)
	}
	from, to := f.choose(len(vs))
	for j := from; j < to; j++ {
		dst = f.begin(dst, j == from)
		if ref.kind == Text {
			dst = f.appendText(dst, vs[j].b)
			continue
		}
		dst = appendValue(dst, ref.node, &vs[j], f.g.dialect, f.opts.ShowKeys)
	}
	return f.end(dst, from < to)
}

// choose returns which of n values are shown.
func (f *Fields) choose(n int) (from, to int) {
	switch {
	case n > 0 && f.opts.Occurrence == First:
		return 0, 1
	case n > 0 && f.opts.Occurrence == Last:
		return n - 1, n
	}
	return 0, n
}

func (f *Fields) begin(dst []byte, first bool) []byte {
	switch {
	case !first:
		return append(dst, f.opts.Aggregator...)
	case f.opts.Quote != 0:
		return append(dst, f.opts.Quote)
	}
	return dst
}

func (f *Fields) end(dst []byte, any bool) []byte {
	if any && f.opts.Quote != 0 {
		dst = append(dst, f.opts.Quote)
	}
	return dst
}

// appendText appends a text. What a terminal may take for a command, and what
// would end the line or the column, is escaped; a quote is doubled.
func (f *Fields) appendText(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case f.opts.Quote != 0 && r == rune(f.opts.Quote):
			dst = append(dst, f.opts.Quote, f.opts.Quote)
		case f.opts.NoEscape:
			dst = append(dst, text[:n]...)
		case r == '\\':
			dst = append(dst, `\\`...)
		case r == utf8.RuneError && n == 1 || unicode.IsControl(r):
			q := strconv.AppendQuote(f.one[:0], string(text[:n]))
			dst = append(dst, q[1:len(q)-1]...)
			f.one = q
		default:
			dst = append(dst, text[:n]...)
		}
		text = text[n:]
	}
	return dst
}

// appendTime appends t, which is in UTC, with nine decimals. For RFC 3339 without any
// package time has code of its own, much faster than that for other layouts.
func appendTime(dst []byte, t time.Time) []byte {
	dst = t.AppendFormat(dst, time.RFC3339)
	dst = append(dst[:len(dst)-1], ".000000000Z"...)
	for i, n := len(dst)-2, t.Nanosecond(); n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// appendValue appends a value as in the JSON form, without quotes.
func appendValue(dst []byte, n *node, v *value, d layers.Dialect, showKeys bool) []byte {
	switch n.kind {
	case Address:
		return v.addr.AppendTo(dst)
	case Text:
		return append(dst, v.b...)
	case Octets:
		return hex.AppendEncode(dst, v.b)
	case Time:
		return appendTime(dst, unclock(v.u))
	case Secret:
		if showKeys {
			return hex.AppendEncode(dst, v.b)
		}
		return append(dst, "··"...)
	}
	switch n.sem {
	case layers.SemSPI:
		const digits = "0123456789abcdef"
		dst = append(dst, "0x"...)
		for s := 28; s >= 0; s -= 4 {
			dst = append(dst, digits[v.u>>s&15])
		}
		return dst
	case layers.SemFamily:
		if name := v.table.name(d, v.u); name != "" {
			return append(dst, name...)
		}
	}
	return strconv.AppendUint(dst, v.u, 10)
}

// Values returns the values of a path in a record as texts, as in the JSON form; of
// a secret only "··". It makes a Fields each time: for many records use that.
func Values(r *record.Record, path string) ([]string, error) {
	f, err := NewFields([]string{path}, FieldsOptions{})
	if err != nil {
		return nil, err
	}
	f.g.begin(r)
	ref, vs := f.refs[0], f.g.values(f.slots[0])
	var list []string
	for i := range vs {
		if ref.asNames || ref.closed {
			list = appendNames(list, &vs[i], f.g.dialect, ref.isFlags())
		} else {
			list = append(list, string(appendValue(nil, ref.node, &vs[i], f.g.dialect, false)))
		}
	}
	return list, nil
}
