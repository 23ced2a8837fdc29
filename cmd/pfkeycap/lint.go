package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/ipbatch"
)

// linter prints a record and what is wrong with it.
type linter struct {
	p        *printer
	on       bool
	verbose  bool
	by       layers.Dialect     // as check.Lint takes it
	xfrm     *ipbatch.Converter // of --lint=xfrm, or nil
	problems int
	faulty   int // messages that have one
	messages int
	most     int // bytes that a batch of a pipeline became
}

func newLinter(c *cli.Context, p *printer) (*linter, error) {
	l := &linter{p: p, on: c.IsSet("lint"), verbose: p.opt.Verbose > 0}
	switch s := c.String("lint"); s {
	case "":
	case lintXfrm:
		l.by, l.xfrm = layers.Linux, &ipbatch.Converter{WithoutAnswers: true}
	default:
		d, err := layers.ParseDialect(s)
		if err != nil {
			return nil, usagef("--lint=%s: %w, or %s", s, err, lintXfrm)
		}
		l.by = d
	}
	return l, nil
}

// record prints a record at once, or when enough has come together.
func (l *linter) record(r *record.Record) error {
	past := l.p.past(r)
	l.format(r, &past)
	l.p.remember(r)
	return l.p.printed()
}

// format appends a record and what is wrong with it to the printer's buffer.
func (l *linter) format(r *record.Record, past *past) {
	if !l.on {
		l.p.format(r, past)
		return
	}
	var list []check.Problem
	if l.xfrm != nil {
		list = l.judgeXfrm(r)
	} else {
		list = check.Lint(l.by, r.Codec, r.Data, check.Direction(r.Dir))
	}
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
	l.p.format(r, past)
	if l.p.isText() {
		for i := range list {
			l.p.buf = appendProblem(l.p.buf, &list[i], by, l.verbose)
		}
	}
}

// count adds what another linter has found.
func (l *linter) count(other *linter) {
	l.problems += other.problems
	l.faulty += other.faulty
	l.messages += other.messages
}

// lintXfrm is the --lint= that asks what a message would be over netlink.
const lintXfrm = "xfrm"

// judgeXfrm says what of a message ip-xfrm(8) cannot say, as convert does. Answers to a
// request in the capture are not judged, unless they list what is there.
func (l *linter) judgeXfrm(r *record.Record) (list []check.Problem) {
	if r.ReplyTo != 0 && !describes(r) || r.TwinOf != 0 || r.WriteErrno != 0 || decodedRecord(r).Errno != 0 {
		return nil
	}
	_, lost, _, err := l.xfrm.FromMessage(r.Codec, r.Codec.Unwrap(r.Data), nil)
	add := func(code string, s check.Severity, text string) {
		list = append(list, check.Problem{
			Code: code, Severity: s, Text: text,
			Instead: "pfkeycap convert -F ip-xfrm writes what there is a command for",
			Source:  "ip-xfrm(8) of iproute2 6, Linux 6.1 net/key/af_key.c",
		})
	}
	if err != nil && !errors.Is(err, ipbatch.ErrAsksOnly) {
		add("xfrm-none", check.Error, err.Error())
	}
	for _, text := range lost {
		add("xfrm-lost", check.Warning, "lost over netlink: "+text)
	}
	return list
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
	if l.xfrm != nil {
		by = "ip-xfrm(8)"
	} else if l.by != layers.NoDialect {
		by = l.by.String()
	}
	fmt.Fprintf(w, "pfkeycap: decode: lint by %s: %d problems in %d of %d messages\n", by, l.problems, l.faulty, l.messages)
	if l.problems > 0 {
		return found()
	}
	return nil
}
