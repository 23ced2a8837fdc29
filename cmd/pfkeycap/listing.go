package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// listingFlags are the options of the commands that say what a capture means, in
// rows of columns.
func listingFlags(columns []string, flags ...cli.Flag) []cli.Flag {
	return append(append([]cli.Flag{
		&cli.StringFlag{Name: "display-filter", Aliases: []string{"Y"}, Usage: "only what `EXPR` is true for, as for decode"},
		&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text, json (one object a line) or csv", Value: "text"},
		&cli.StringFlag{Name: "sort", Usage: "by `COLUMN`, the smallest first, or with --sort=-COLUMN the greatest; nothing is printed before the end then: " + strings.Join(columns, ", ")},
	}, flags...), inputFlags()...)
}

// lineFlags are the options of those whose text shows messages.
func lineFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "time", Aliases: []string{"t"}, Count: new(int), Usage: "no time; -tt seconds since 1970, -ttt since the one before, -tttt date, -ttttt since the first"},
		&cli.StringFlag{Name: "color", Usage: "colours in text: `WHEN` is auto (on a terminal, unless NO_COLOR is set), always or never", Value: "auto"},
	}
}

// listing prints rows as text, JSON lines or CSV, sorted if that is wanted. In JSON
// a column without a value is left out; in CSV it is empty.
type listing struct {
	c        *cli.Context
	columns  []string
	format   string
	sort     int // index of a column, or -1
	descend  bool
	match    *filter.Filter // nil if all
	lines    *render.Printer
	timeless bool // no clock in text
	csv      *csv.Writer
	rows     []listed
}

type listed struct {
	text  []byte
	cells []any
}

// openListing opens the one capture that a command lists, and the list.
func openListing(c *cli.Context, columns []string) (*input, *listing, error) {
	args := c.Args().Slice()
	if len(args) == 0 {
		return nil, nil, usagef("which file? (\"-\" is standard input)")
	}
	if len(args) > 1 {
		return nil, nil, usagef("one file at a time: %q is one too many", args[1])
	}
	in, err := openInput(c, args[0])
	if err != nil {
		return nil, nil, err
	}
	l, err := newListing(c, in, columns)
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, l, nil
}

func newListing(c *cli.Context, in *input, columns []string) (*listing, error) {
	l := &listing{c: c, columns: columns, sort: -1, timeless: c.Count("time") == 1}
	var err error
	if l.format, err = formatOf(c, "text", "json", "csv"); err != nil {
		return nil, err
	}
	if by := c.String("sort"); by != "" {
		name, descend := strings.CutPrefix(by, "-")
		l.descend = descend
		if l.sort = slices.Index(columns, name); l.sort < 0 {
			return nil, usagef("--sort %s: no such column: want one of %s", by, strings.Join(columns, ", "))
		}
	}
	if expr := c.String("display-filter"); expr != "" {
		if l.match, err = filter.Compile(expr, filter.Options{ID: in.ids}); err != nil {
			return nil, usagef("%w", err)
		}
	}
	o := render.Options{Time: render.ParseTimeFormat(c.Count("time")), ID: in.ids, Why: explain}
	if o.Color, err = useColor(c); err != nil {
		return nil, err
	}
	l.lines = render.New(o)
	if l.format == "csv" {
		l.csv = csv.NewWriter(c.App.Writer)
		if err := l.csv.Write(columns); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// isText reports whether add wants text.
func (l *listing) isText() bool { return l.format == "text" }

// add adds a row: whole lines of text, which are copied, and a value for each
// column, nil where there is none.
func (l *listing) add(text []byte, cells ...any) error {
	if len(cells) != len(l.columns) {
		panic("pfkeycap: a row has not as many cells as there are columns")
	}
	if l.sort < 0 {
		return l.write(listed{text, cells})
	}
	l.rows = append(l.rows, listed{slices.Clone(text), cells})
	return nil
}

func (l *listing) write(r listed) error {
	switch l.format {
	case "text":
		_, err := l.c.App.Writer.Write(r.text)
		return err
	case "csv":
		fields := make([]string, len(r.cells))
		for i, v := range r.cells {
			fields[i] = cellText(v)
		}
		return l.csv.Write(fields)
	}
	b := []byte{'{'}
	for i, v := range r.cells {
		if v == nil {
			continue
		}
		switch x := v.(type) {
		case time.Duration:
			v = x.Seconds()
		case time.Time:
			v = x.UTC()
		}
		j, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, l.columns[i]), ':')
		b = append(b, j...)
	}
	_, err := l.c.App.Writer.Write(append(b, "}\n"...))
	return err
}

// done writes what was held back.
func (l *listing) done() error {
	if l.sort >= 0 {
		slices.SortStableFunc(l.rows, func(a, b listed) int {
			return compareCells(a.cells[l.sort], b.cells[l.sort], l.descend)
		})
		for _, r := range l.rows {
			if err := l.write(r); err != nil {
				return err
			}
		}
		l.rows = nil
	}
	if l.csv != nil {
		l.csv.Flush()
		return l.csv.Error()
	}
	return nil
}

// compareCells compares two values of a column, which are of one type. What has
// none comes last either way.
func compareCells(a, b any, descend bool) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	n := 0
	switch x := a.(type) {
	case uint64:
		n = cmp.Compare(x, b.(uint64))
	case int:
		n = cmp.Compare(x, b.(int))
	case time.Duration:
		n = cmp.Compare(x, b.(time.Duration))
	case time.Time:
		n = x.Compare(b.(time.Time))
	case []uint64:
		n = slices.Compare(x, b.([]uint64))
	default:
		n = cmp.Compare(cellText(a), cellText(b))
	}
	if descend {
		return -n
	}
	return n
}

// cellText is a value in CSV: durations in seconds, times in UTC, items of lists
// with ";" between them.
func cellText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case time.Duration:
		return strconv.FormatFloat(x.Seconds(), 'f', -1, 64)
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case []uint64:
		list := make([]string, len(x))
		for i, n := range x {
			list[i] = strconv.FormatUint(n, 10)
		}
		return strings.Join(list, ";")
	case []string:
		return strings.Join(x, ";")
	}
	return fmt.Sprint(v)
}

// some is v, or nil if it is the zero value: a cell without a value.
func some[T comparable](v T) any {
	if v == *new(T) {
		return nil
	}
	return v
}

// numberList appends numbers of records, runs of them as #19-#26.
func numberList(dst []byte, list []uint64) []byte {
	for i := 0; i < len(list); {
		k := i
		for k+1 < len(list) && list[k+1] == list[k]+1 {
			k++
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(append(dst, '#'), list[i], 10)
		if k > i {
			dst = strconv.AppendUint(append(dst, "-#"...), list[k], 10)
		}
		i = k + 1
	}
	return dst
}
