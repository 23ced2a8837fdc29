package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Usage:     "say why requests were refused, or not answered",
		ArgsUsage: "FILE [NUMBER…]",
		Description: `Takes every request that the kernel refused, by an answer or by the write(2) that was
to send it, and every one that was not answered, and lists what its kernel objects to:
the likeliest cause first, each with extension, offset, rule, source, and what would
work. With NUMBERs, those of requests or of their answers, only these, and also what
was accepted. --as judges by another system's rules.`,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "as", Usage: "the rules of `OS` instead of those of the capture's"},
			&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text or json (one object a request)", Value: "text"},
		}, inputFlags()...), &cli.BoolFlag{Name: "show-keys", Usage: "show keys and other secrets"}),
		Action: explainFile,
	}
}

// cause is one reason for a refusal.
type cause struct {
	Text     string `json:"text"`
	Code     string `json:"code,omitempty"`
	Severity string `json:"severity,omitempty"`
	Ext      string `json:"ext,omitempty"`
	Offset   *int   `json:"offset,omitempty"`
	Errno    string `json:"errno_name,omitempty"`
	Instead  string `json:"instead,omitempty"`
	Source   string `json:"source,omitempty"`
}

// explanation is what there is to say of one request.
type explanation struct {
	Number   uint64  `json:"number"`
	Type     string  `json:"type"`
	Reply    uint64  `json:"reply,omitempty"`
	Outcome  string  `json:"outcome"` // refused, write-failed, unanswered, accepted
	Errno    uint8   `json:"errno,omitempty"`
	Name     string  `json:"errno_name,omitempty"`
	Causes   []cause `json:"causes"`
	request  *record.Record
	response *record.Record
}

func explainFile(c *cli.Context) error {
	args := c.Args().Slice()
	if len(args) == 0 {
		return usagef("which file? (\"-\" is standard input)")
	}
	wanted := map[uint64]bool{}
	for _, a := range args[1:] {
		n, err := strconv.ParseUint(strings.TrimPrefix(a, "#"), 10, 64)
		if err != nil || n == 0 {
			return usagef("%q is not the number of a record", a)
		}
		wanted[n] = false
	}
	var as layers.Dialect
	if s := c.String("as"); s != "" {
		var err error
		if as, err = layers.ParseDialect(s); err != nil {
			return usagef("%w", err)
		}
	}
	format, err := formatOf(c, "text", "json")
	if err != nil {
		return err
	}
	in, err := openInput(c, args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	p, err := newPrinter(c, in.ids)
	if err != nil {
		return err
	}
	for x, err := range trace.Exchanges(in, trace.Options{}) {
		if err != nil {
			return err
		}
		e := explanationOf(x, as)
		if e == nil {
			continue
		}
		chosen := len(wanted) == 0 && e.Outcome != "accepted"
		for _, n := range numbersOf(x) {
			if _, ok := wanted[n]; ok {
				wanted[n], chosen = true, true
			}
		}
		if !chosen {
			continue
		}
		if format == "json" {
			b, err := json.Marshal(e)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.App.Writer, "%s\n", b)
			if err != nil {
				return err
			}
			continue
		}
		if err := e.print(c.App.Writer, p); err != nil {
			return err
		}
	}
	var missing []string
	for n, seen := range wanted {
		if !seen {
			missing = append(missing, strconv.FormatUint(n, 10))
		}
	}
	if len(missing) > 0 {
		slices.SortFunc(missing, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
		return usagef("%s: no request, and no answer to one, has the number %s", in.name, strings.Join(missing, ", "))
	}
	return nil
}

// numbersOf are the numbers that an exchange goes by.
func numbersOf(x *trace.Exchange) []uint64 {
	list := []uint64{x.Request.Number}
	for _, a := range x.Answers {
		list = append(list, a.Number)
	}
	return list
}

// explanationOf judges an exchange by the rules of a system, or of its own. It is nil
// for what is no request.
func explanationOf(x *trace.Exchange, as layers.Dialect) *explanation {
	r := x.Request
	if r == nil {
		return nil
	}
	e := &explanation{Number: r.Number, Outcome: "accepted", request: r, Causes: []cause{}}
	base, _, _ := r.Codec.Extensions(r.Bytes())
	if base != nil {
		e.Type = base.TypeName()
	}
	by := as
	if by == layers.NoDialect {
		by = r.Codec.Dialect
	}
	likeliest := ""
	switch refused := refusedBy(x); {
	case r.WriteErrno != 0:
		e.Outcome, e.Errno = "write-failed", r.WriteErrno
		likeliest = check.Explain(r.Codec, r.Bytes(), e.Errno)
	case refused != nil:
		e.Outcome, e.Reply, e.response = "refused", refused.Number, refused
		e.Errno = refused.Data[2]
		likeliest = check.ExplainReply(r.Codec, r.Bytes(), refused.Data)
	case len(x.Answers) == 0 && !x.Complete:
		e.Outcome = "unanswered"
	case len(x.Answers) > 0:
		e.Reply = x.Answers[0].Number
	}
	if as != layers.NoDialect {
		likeliest = ""
	}
	e.Name = r.Codec.Dialect.ErrnoName(e.Errno)
	list := check.Judge(by, r.Codec, r.Bytes(), check.ToKernel)
	// What brings this errno comes first, then what brings another, then the rest.
	rank := func(p *check.Problem) int {
		switch {
		case p.String() == likeliest:
			return 0
		case p.Errno != 0 && p.Errno == e.Errno && as == layers.NoDialect:
			return 1
		case p.Errno != 0:
			return 2
		}
		return 3
	}
	slices.SortStableFunc(list, func(a, b check.Problem) int { return rank(&a) - rank(&b) })
	if likeliest != "" && (len(list) == 0 || list[0].String() != likeliest) {
		e.Causes = append(e.Causes, cause{Text: likeliest, Errno: e.Name})
	}
	for _, p := range list {
		e.Causes = append(e.Causes, cause{
			Text: p.String(), Code: p.Code, Severity: p.Severity.String(), Ext: p.Ext, Offset: &p.Offset,
			Errno: by.ErrnoName(p.Errno), Instead: p.Instead, Source: p.Source,
		})
	}
	return e
}

func refusedBy(x *trace.Exchange) *record.Record {
	for _, a := range x.Answers {
		if len(a.Data) >= layers.BaseLen && a.Data[2] != 0 {
			return a
		}
	}
	return nil
}

// print writes the request, its answer, and the causes in order.
func (e *explanation) print(w io.Writer, p *printer) error {
	for _, r := range []*record.Record{e.request, e.response} {
		if r == nil {
			continue
		}
		if err := p.print(r); err != nil {
			return err
		}
	}
	if err := p.done(); err != nil {
		return err
	}
	if e.Outcome == "unanswered" {
		fmt.Fprintf(w, "  no answer is recorded\n")
	}
	if len(e.Causes) == 0 {
		switch e.Outcome {
		case "accepted":
			fmt.Fprintf(w, "  nothing to object to\n")
		default:
			fmt.Fprintf(w, "  no cause is known: nothing in its bytes is against the rules, so it hangs on the kernel's state or configuration\n")
		}
	}
	for i, c := range e.Causes {
		fmt.Fprintf(w, "  %d. %s", i+1, c.Text)
		if c.Errno != "" && (c.Errno != e.Name || c.Code == "") && e.Outcome != "accepted" {
			fmt.Fprintf(w, " (%s)", c.Errno)
		}
		fmt.Fprintln(w)
		if c.Instead != "" {
			fmt.Fprintf(w, "     instead: %s\n", c.Instead)
		}
		if c.Code != "" {
			fmt.Fprintf(w, "     %s %s, %s\n", c.Severity, c.Code, c.Source)
		}
	}
	return nil
}
