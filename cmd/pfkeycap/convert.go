package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// outputForm is a form that convert writes.
type outputForm struct {
	name  string
	about string
	make  func(*conversion) (recordSink, error)
}

// recordSink takes the records of a conversion.
type recordSink interface {
	add(r *record.Record) error
	// close ends the output and says what became of it.
	close() error
}

func outputForms() []outputForm {
	return []outputForm{
		{"pcapng", "a capture", captureSink(record.PcapNG)},
		{"pcap", "a classic capture with nanoseconds, which holds less", captureSink(record.PcapNano)},
		{"json", "an object a line, as decode -T json writes them", newJSONSink},
		{"hex", "a message a line in hex", newHexSink},
		{"setkey", "a script for setkey(8)", newStatementSink},
		{"ipseckey", "commands for ipseckey(8) of illumos", newStatementSink},
		{"ip-xfrm", "commands of ip-xfrm(8) for ip -batch", newStatementSink},
	}
}

func outputFormNames() string {
	var names []string
	for _, f := range outputForms() {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

func convertCommand() *cli.Command {
	return &cli.Command{
		Usage:     "write a capture in another form: " + outputFormNames(),
		ArgsUsage: "FILE…",
		Description: `Reads what decode reads and writes it in the form that -F names, to standard output or
to the file of -o.

pcapng keeps everything: numbers, comments, keys beside it. pcap holds less, which is
said. json and hex have a message a line, with keys hidden.

setkey, ipseckey and ip-xfrm are the languages of setkey(8), of ipseckey(8) of illumos
and of ip -batch: what the requests in the capture asked for, in their order, from a
capture of any system. Requests that the kernel refused are left out, and where a kernel
chose something (an SPI, a request id) its answer tells. SAs and policies that a dump in
the capture lists, or that others made, are added where they stand. Above each command
stands the message; "note:" says what to know of it, "lost:" what it does not say, and
what has no command at all says why. A summary goes to standard error; decode --lint=xfrm
says the same of single messages.

ip-xfrm is the way off PF_KEY, which Linux will lose: "ip -batch FILE" makes the same SAs
and policies over netlink. setkey(8) has no getspi and no update: an SA that got its keys
by UPDATE is added.

An output with keys is for a file: --show-keys needs -o, and the file has mode 0600.
Without --show-keys setkey, ipseckey and ip-xfrm show dots for keys, which is for people,
so not for -o.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output-format", Aliases: []string{"F"}, Usage: "write `FORM`: " + outputFormNames()},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE`", DefaultText: "standard output"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE of -o, and the side file of a capture"},
			&cli.BoolFlag{Name: "show-keys", Usage: "write keys, into the FILE of -o"},
			mergeFlag(),
			&cli.StringFlag{Name: "display-filter", Aliases: []string{"Y"}, Usage: "only what `EXPR` is true for, as for decode"},
		}, inputFlags()...),
		Action: convertFiles,
	}
}

// conversion is a run of convert.
type conversion struct {
	c        *cli.Context
	form     outputForm
	in       *input
	showKeys bool
	output   string // "" or "-" is standard output
}

func convertFiles(c *cli.Context) (err error) {
	x := conversion{c: c, showKeys: c.Bool("show-keys"), output: c.String("output")}
	name := c.String("output-format")
	for _, f := range outputForms() {
		if f.name == name {
			x.form = f
		}
	}
	toFile := x.output != "" && x.output != "-"
	switch {
	case name == "":
		return usagef("into which form? -F %s", strings.ReplaceAll(outputFormNames(), ", ", "|"))
	case x.form.make == nil:
		return usagef("-F %s: want %s", name, outputFormNames())
	case c.NArg() == 0:
		return usagef("which file? (\"-\" is standard input)")
	case x.showKeys && !toFile:
		return usagef("--show-keys writes keys: into which file? (-o FILE, which gets mode 0600)")
	}
	if x.in, err = openInputs(c, c.Args().Slice()); err != nil {
		return err
	}
	defer x.in.Close()
	match, err := x.filter()
	if err != nil {
		return err
	}
	sink, err := x.form.make(&x)
	if err != nil {
		return err
	}
	for {
		r, rerr := x.in.Next()
		if rerr != nil {
			if rerr == io.EOF {
				rerr = nil
			}
			return errors.Join(rerr, sink.close())
		}
		if match != nil && !match(r) {
			continue
		}
		if err := sink.add(r); err != nil {
			sink.close()
			var se *statusError
			if toFile && errors.As(err, &se) && se.status == exitUsage {
				os.Remove(x.output) // half of it is no use
			}
			return err
		}
	}
}

// filter is what -Y chooses by, or nil.
func (x *conversion) filter() (func(*record.Record) bool, error) {
	expr := x.c.String("display-filter")
	if expr == "" {
		return nil, nil
	}
	m, err := filter.Compile(expr, filter.Options{ID: x.in.ids})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return m.Match, nil
}

// create opens the output of a form that is text.
func (x *conversion) create() (io.WriteCloser, error) {
	if x.output == "" || x.output == "-" {
		return nopCloser{x.c.App.Writer}, nil
	}
	f, err := record.CreatePrivate(x.output, x.c.Bool("overwrite"))
	return f, createError(err)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func (x *conversion) say(format string, args ...any) {
	fmt.Fprintf(x.c.App.ErrWriter, "pfkeycap: convert: "+format+"\n", args...)
}

// missingKeys is the error for true keys that are wanted and not there.
type missingKeys struct {
	in     *input
	number uint64
}

func (e *missingKeys) Error() string {
	const text = "%s: message #%d has keys that are not in the capture: "
	if e.in.meta.Keys == record.KeysNone {
		return fmt.Sprintf(text+"it was made without them (--keys none)", e.in.name, e.number)
	}
	side := e.in.name + record.KeysSuffix
	if e.in.name == "standard input" {
		return fmt.Sprintf(text+"read the file itself, with its side file (*%s) beside it", e.in.name, e.number, record.KeysSuffix)
	}
	if _, err := os.Stat(side); err == nil {
		return fmt.Sprintf(text+"the side file %s does not have them", e.in.name, e.number, side)
	}
	return fmt.Sprintf(text+"they are in its side file, and %s is not there", e.in.name, e.number, side)
}

// trueBytes returns the message with its keys, or an error if there are keys that are
// not at hand.
func (x *conversion) trueBytes(r *record.Record) ([]byte, error) {
	if r.StandIns && r.True == nil && len(r.Codec.AppendSecrets(nil, r.Data)) > 0 {
		return nil, &statusError{exitUsage, &missingKeys{x.in, r.Number}}
	}
	return r.Bytes(), nil
}

// captures

type captureWriter struct {
	x *conversion
	w *record.Writer
}

func captureSink(f record.Format) func(*conversion) (recordSink, error) {
	return func(x *conversion) (recordSink, error) {
		o := cutOptions(x.c, x.in)
		o.Format = f
		if o.Meta.Keys == record.KeysInside { // keys are written where they are asked for
			o.Meta.Keys, o.Salt, o.Meta.SaltID = record.KeysBeside, o.Meta.Salt, ""
		}
		name := x.output
		if name == "" {
			name = "-"
		}
		switch {
		case x.showKeys:
			// Ids are under a salt that the capture says: that of the stand-ins is not known.
			o.Meta.Keys, o.Meta.SaltID, o.Salt = record.KeysInside, "", x.in.salt
		case f != record.PcapNG || name == "-": // classic pcap cannot say where they are
			o.Meta.Keys = record.KeysNone
		}
		if lost := f.Losses(); lost != "" {
			x.say("%s", lost)
		}
		w, err := createCapture(x.c, name, o)
		return &captureWriter{x, w}, err
	}
}

func (s *captureWriter) add(r *record.Record) error {
	if s.x.showKeys {
		if _, err := s.x.trueBytes(r); err != nil {
			return err
		}
	}
	if err := s.w.Append(r); err != nil {
		return &statusError{exitDamage, err}
	}
	return nil
}

func (s *captureWriter) close() error {
	if err := s.w.Close(); err != nil {
		return &statusError{exitDamage, err}
	}
	s.x.say("%d messages", s.w.Records())
	return nil
}

// lines

type lineSink struct {
	x    *conversion
	out  io.WriteCloser
	n    int
	line func(dst []byte, r *record.Record) ([]byte, error)
	buf  []byte
}

func newLineSink(x *conversion, line func([]byte, *record.Record) ([]byte, error)) (recordSink, error) {
	out, err := x.create()
	if err != nil {
		return nil, err
	}
	return &lineSink{x: x, out: out, line: line}, nil
}

func (s *lineSink) add(r *record.Record) error {
	var err error
	if s.buf, err = s.line(s.buf, r); err != nil {
		return err
	}
	s.n++
	if len(s.buf) >= 64<<10 || !s.x.in.file {
		return s.flush()
	}
	return nil
}

func (s *lineSink) flush() error {
	_, err := s.out.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return &statusError{exitDamage, err}
	}
	return nil
}

func (s *lineSink) close() error {
	err := errors.Join(s.flush(), s.out.Close())
	if s.x.output != "" {
		s.x.say("%d messages", s.n)
	}
	return err
}

func newJSONSink(x *conversion) (recordSink, error) {
	p := &printer{json: true}
	p.jopt.ShowKeys, p.opt.ShowKeys = x.showKeys, x.showKeys
	p.ids = x.in.ids
	return newLineSink(x, func(dst []byte, r *record.Record) ([]byte, error) {
		if x.showKeys {
			if _, err := x.trueBytes(r); err != nil {
				return dst, err
			}
		}
		return p.appendJSON(dst, r), nil
	})
}

// newHexSink writes messages that this program reads again with --hex. Keys are hidden
// behind stand-ins, as in a capture.
func newHexSink(x *conversion) (recordSink, error) {
	salt := x.in.salt
	if salt.IsZero() {
		salt = record.NewSalt()
	}
	hider := record.NewHider(salt)
	text := render.New(render.Options{ID: x.in.ids})
	return newLineSink(x, func(dst []byte, r *record.Record) ([]byte, error) {
		b := r.Data
		switch {
		case x.showKeys:
			var err error
			if b, err = x.trueBytes(r); err != nil {
				return dst, err
			}
		case !r.StandIns:
			b = append([]byte(nil), b...)
			hider.Hide(b, r.Codec)
		}
		dst = text.Append(append(dst, "# "...), r)
		return append(hex.AppendEncode(dst, b), '\n'), nil
	})
}
