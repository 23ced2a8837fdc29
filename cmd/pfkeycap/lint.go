package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
)

// linter prints a record and what is wrong with it.
type linter struct {
	p        *printer
	on       bool
	verbose  bool
	by       layers.Dialect // as check.Lint takes it
	problems int
	faulty   int // messages that have one
	messages int
}

func newLinter(c *cli.Context, p *printer) (*linter, error) {
	l := &linter{p: p, on: c.IsSet("lint"), verbose: p.opt.Verbose > 0}
	if s := c.String("lint"); s != "" {
		d, err := layers.ParseDialect(s)
		if err != nil {
			return nil, usagef("--lint=%s: %w", s, err)
		}
		l.by = d
	}
	return l, nil
}

func (l *linter) record(r *record.Record) error {
	if !l.on {
		return l.p.print(r)
	}
	list := check.Lint(l.by, r.Codec, r.Data, check.Direction(r.Dir))
	slices.SortStableFunc(list, func(a, b check.Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	l.messages++
	if l.problems += len(list); len(list) > 0 {
		l.faulty++
	}
	by := l.by
	if by == layers.NoDialect {
		by = r.Codec.Dialect
	}
	l.p.problems = l.p.problems[:0]
	for i := range list {
		l.p.problems = append(l.p.problems, jsonProblem(&list[i], by))
	}
	if err := l.p.print(r); err != nil {
		return err
	}
	if l.p.isText() {
		for i := range list {
			l.p.buf = appendProblem(l.p.buf, &list[i], by, l.verbose)
		}
	}
	return nil
}

// jsonProblem is a problem as -T json writes it. Its errno is one of the system by.
func jsonProblem(p *check.Problem, by layers.Dialect) pfjson.Problem {
	j := pfjson.Problem{
		Code: p.Code, Offset: p.Offset, Text: p.String(),
		Severity: p.Severity.String(), Len: p.Len, Ext: p.Ext,
		Errno: p.Errno, ByWrite: p.ByWrite, Instead: p.Instead, Source: p.Source,
	}
	if p.Errno != 0 {
		j.ErrnoName = by.ErrnoName(p.Errno)
	}
	if p.Diagnostic != 0 {
		j.Diagnostic = by.EnumName(layers.EnumDiagnostic, uint64(p.Diagnostic))
	}
	return j
}

// appendProblem appends a problem's line, which goes below the message's.
func appendProblem(dst []byte, p *check.Problem, by layers.Dialect, verbose bool) []byte {
	dst = fmt.Appendf(dst, "  %s: %s [%s", p.Severity, p.String(), p.Code)
	if p.Errno != 0 {
		dst = fmt.Appendf(dst, ", errno=%d(%s)", p.Errno, by.ErrnoName(p.Errno))
		if p.ByWrite {
			dst = append(dst, " by write"...)
		}
	}
	if p.Diagnostic != 0 {
		dst = fmt.Appendf(dst, ", diagnostic=%d(%s)", p.Diagnostic, by.EnumName(layers.EnumDiagnostic, uint64(p.Diagnostic)))
	}
	dst = fmt.Appendf(dst, ", %s]\n", p.Source)
	if verbose {
		dst = fmt.Appendf(dst, "    instead: %s\n", p.Instead)
	}
	return dst
}

// done says what was found, and returns the error that sets the exit status.
func (l *linter) done(w io.Writer) error {
	if !l.on {
		return nil
	}
	by := "the kernel and RFC 2367"
	if l.by != layers.NoDialect {
		by = l.by.String()
	}
	fmt.Fprintf(w, "pfkeycap: decode: lint by %s: %d problems in %d of %d messages\n", by, l.problems, l.faulty, l.messages)
	if l.problems > 0 {
		return found()
	}
	return nil
}
