package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// outputFlags are the options of every command that prints messages. Time has the
// letter t where the command has no other use for it.
func outputFlags(timeAliases ...string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text, tree (= text -v), json (one object a line), fields or csv (with -e)", Value: "text"},
		&cli.StringSliceFlag{Name: "field", Aliases: []string{"e"}, Usage: "with -T fields or csv: a column of `PATH`, such as sa.spi; repeat it"},
		&cli.StringSliceFlag{Name: "fields-option", Aliases: []string{"E"}, Usage: "with -T fields or csv: `OPT` as tshark's: header=y, separator=,, quote=d, occurrence=f, aggregator=;"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Count: new(int), Usage: "every field; twice: reserved fields and padding too"},
		&cli.BoolFlag{Name: "hexdump", Aliases: []string{"x"}, Usage: "the bytes of every message too, secrets hidden"},
		&cli.BoolFlag{Name: "time", Aliases: timeAliases, Count: new(int), Usage: "no time; -tt seconds since 1970, -ttt since the one before, -tttt date, -ttttt since the first"},
		&cli.StringFlag{Name: "color", Usage: "colours in text: `WHEN` is auto (on a terminal, unless NO_COLOR is set), always or never", Value: "auto"},
		&cli.BoolFlag{Name: "show-keys", Usage: "show keys and other secrets"},
	}
}

// formatOf reads --format, which is one of forms; ndjson is another name of json.
func formatOf(c *cli.Context, forms ...string) (string, error) {
	f := c.String("format")
	switch f {
	case "":
		f = "text"
	case "ndjson":
		f = "json"
	}
	if !slices.Contains(forms, f) {
		last := len(forms) - 1
		return "", usagef("unknown format %q: want %s or %s", f, strings.Join(forms[:last], ", "), forms[last])
	}
	return f, nil
}

// printer prints records as the flags of a command say.
type printer struct {
	w     io.Writer
	buf   []byte
	json  bool
	text  *render.Printer
	opt   render.Options
	jopt  pfjson.Options
	ids   func(r *record.Record, secret []byte, key int) [4]byte
	flush int // bytes to gather before writing

	jrec     pfjson.Record    // what JSON is made of
	current  *record.Record   // that is being written as JSON
	problems []pfjson.Problem // of the next record, for JSON
	judge    func() *judge    // says problems too; may be nil
	fields   *filter.Fields   // the columns of -T fields and csv

	_ [128]byte // two cache lines: what one goroutine's printer writes must not slow another's down
}

// newPrinter makes one. ids names secrets without showing them; nil makes names
// that mean something within this output only.
func newPrinter(c *cli.Context, ids func(*record.Record, []byte, int) [4]byte) (*printer, error) {
	p := &printer{w: c.App.Writer}
	p.opt = render.Options{
		Verbose:  c.Count("verbose"),
		Hex:      c.Bool("hexdump"),
		Time:     render.ParseTimeFormat(c.Count("time")),
		ShowKeys: c.Bool("show-keys"),
		Why:      explain,
	}
	var err error
	if p.opt.Color, err = useColor(c); err != nil {
		return nil, err
	}
	f, err := formatOf(c, "text", "tree", "json", "fields", "csv")
	if err != nil {
		return nil, err
	}
	switch f {
	case "tree":
		p.opt.Verbose = max(1, p.opt.Verbose)
	case "json":
		p.json = true
		p.jopt.ShowKeys = p.opt.ShowKeys
	case "fields", "csv":
		if err := p.setFields(c, f == "csv", ids); err != nil {
			return nil, err
		}
	}
	if ids == nil {
		ids = record.NewHider(record.NewSalt()).ID
	}
	p.setIDs(ids)
	return p, nil
}

func (p *printer) setIDs(ids func(*record.Record, []byte, int) [4]byte) {
	p.ids = ids
	p.opt.ID = ids
	p.jopt.ID = func(secret []byte, key int) [4]byte { return p.ids(p.current, secret, key) }
	p.text = render.New(p.opt)
}

// setFields makes the columns that -e names.
func (p *printer) setFields(c *cli.Context, csv bool, ids func(*record.Record, []byte, int) [4]byte) error {
	paths := c.StringSlice("field")
	if len(paths) == 0 {
		return usagef("-T %s wants columns: -e PATH", c.String("format"))
	}
	var o filter.FieldsOptions
	if csv {
		o = filter.CSV()
	}
	o.ShowKeys, o.ID = p.opt.ShowKeys, ids
	if c.IsSet("lint") {
		o.More = []filter.Column{{Name: "problems", Values: func(*record.Record) []string {
			var list []string
			for _, x := range p.problems {
				list = append(list, fmt.Sprintf("%s@%d", x.Code, x.Offset))
			}
			return list
		}}}
	}
	for _, s := range c.StringSlice("fields-option") {
		if err := o.Set(s); err != nil {
			return usagef("-E %s: %w", s, err)
		}
	}
	f, err := filter.NewFields(paths, o)
	if err != nil {
		return usagef("%w", err)
	}
	p.fields = f
	p.buf = f.AppendHeader(p.buf)
	return nil
}

// explain says why the kernel refused a request, by an answer or, if reply is nil, by
// the errno of write(2), as far as the bytes tell.
func explain(c layers.Codec, request, reply []byte, errno uint8) string {
	if reply != nil {
		return check.ExplainReply(c, request, reply)
	}
	return check.Explain(c, request, errno)
}

// print prints one record at once, or when enough has come together.
func (p *printer) print(r *record.Record) error {
	past := p.past(r)
	p.format(r, &past)
	p.remember(r)
	return p.printed()
}

// printed writes what has come together, if it is enough.
func (p *printer) printed() error {
	if len(p.buf) < p.flush {
		return nil
	}
	return p.done()
}

// past is what the output of a record takes from what was read before it.
type past struct {
	text  render.Past
	wrong bool // the bytes speak for another dialect, as far as they were read
}

// past looks it up. Records that are not printed go to remember only, all in order.
func (p *printer) past(r *record.Record) (x past) {
	if p.isText() {
		x.text = p.text.Past(r)
	}
	x.wrong = p.judge != nil && p.judge().speaksAgainst()
	return x
}

// remember notes what the output of later records takes from r.
func (p *printer) remember(r *record.Record) {
	if p.isText() {
		p.text.Remember(r)
	}
}

// format appends a record to the buffer. It goes by past, and by no record that this
// printer has seen.
func (p *printer) format(r *record.Record, past *past) {
	switch {
	case p.json:
		if past.wrong {
			p.problems = appendContradictions(p.problems, r)
		}
		p.buf = p.appendJSON(p.buf, r)
	case p.fields != nil:
		p.buf = p.fields.AppendRow(p.buf, r)
	default:
		p.buf = p.text.AppendAfter(p.buf, r, &past.text)
	}
}

// isText reports whether people read the output: then second copies are left out.
func (p *printer) isText() bool { return !p.json && p.fields == nil }

// done writes what is left.
func (p *printer) done() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := p.w.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

func (p *printer) appendJSON(dst []byte, r *record.Record) []byte {
	data := r.Data
	if p.opt.ShowKeys {
		data = r.Bytes()
	}
	p.current = r
	p.jrec = pfjson.Record{
		Number: r.Number, Time: r.Time, Direction: r.Dir.String(), Codec: r.Codec,
		Data: data, Length: r.OrigLen, TwinOf: r.TwinOf, ReplyTo: r.ReplyTo,
		Process: r.Process, WriteErrno: r.WriteErrno, Comments: r.Comments, Problems: p.problems,
	}
	dst = pfjson.Append(dst, &p.jrec, p.jopt)
	p.problems = p.problems[:0]
	return append(dst, '\n')
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// useColor reads --color.
func useColor(c *cli.Context) (bool, error) {
	switch when := c.String("color"); when {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto", "":
		term := os.Getenv("TERM")
		return os.Getenv("NO_COLOR") == "" && term != "" && term != "dumb" && isTerminal(standardOutput(c)), nil
	default:
		return false, usagef("--color %s: want auto, always or never", when)
	}
}

// progress is a line on a terminal that says how far something is. As a writer it
// makes way for other lines. A nil progress does nothing but for writing.
type progress struct {
	mu   sync.Mutex
	w    io.Writer
	next time.Time
	last bool // the line is there
}

// newProgress returns nil if w is no terminal.
func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		return nil
	}
	return &progress{w: w, next: time.Now().Add(time.Second)}
}

// say shows the line, or changes it, if it is time to.
func (p *progress) say(format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.next) {
		return
	}
	p.next = time.Now().Add(time.Second / 4)
	p.last = true
	fmt.Fprintf(p.w, "\r\033[K"+format, args...)
}

// end removes the line.
func (p *progress) end() {
	if p != nil {
		p.Write(nil)
	}
}

// Write writes lines in its place.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last {
		p.last = false
		if _, err := fmt.Fprint(p.w, "\r\033[K"); err != nil {
			return 0, err
		}
	}
	if len(b) == 0 {
		return 0, nil
	}
	return p.w.Write(b)
}

// encodeJSON writes a value on one line. What is no page of the web needs no escapes
// for one.
func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
