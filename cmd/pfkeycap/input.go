package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// inputFlags are the options of every command that reads captures.
func inputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "dialect", Aliases: []string{"d"}, Usage: "read as `OS`: rfc2367, linux, freebsd, netbsd, openbsd, macos, illumos, dragonfly"},
		&cli.StringFlag{Name: "order", Usage: "read in byte `ORDER` le or be"},
		&cli.StringFlag{Name: "read-format", Usage: "input is in `FORM`: capture, " + formNames() + " (found out if not said)"},
		&cli.BoolFlag{Name: "hex", Usage: "input is hex, one message a line; spaces and # comments are allowed (--read-format hex)"},
		&cli.StringFlag{Name: "salt-file", Usage: "name keys under the salt in `FILE`, to compare outputs"},
	}
}

func formNames() string {
	var names []string
	for _, f := range convert.Forms() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// input is any readable form of a recording.
type input struct {
	*tracedSource
	name   string
	file   bool // not live: output may be gathered
	ids    func(r *record.Record, secret []byte, key int) [4]byte
	close  func() error
	meta   record.Meta // what a capture says of itself
	filter string      // by which its records were chosen when it was recorded
	salt   record.Salt // of --salt-file; zero if there is none
	judge  *judge      // whether it is read with the right dialect

	noKeys bool // side files are left alone

	interrupted <-chan struct{} // closed when the user stops the program

	src     record.Source // that is traced
	promisc record.Answer
	rest    inputs  // those that follow
	merged  *merger // reads several side by side, or nil
}

func (in *input) Close() error {
	if in.merged != nil {
		for _, x := range in.merged.reading {
			x.in.Close()
		}
	}
	if in.close == nil {
		return nil
	}
	return in.close()
}

// overrides are the codec that the user insists on.
type overrides struct {
	dialect layers.Dialect
	order   layers.Order
}

func parseOverrides(c *cli.Context) (o overrides, err error) {
	if s := c.String("dialect"); s != "" {
		if o.dialect, err = layers.ParseDialect(s); err != nil {
			return o, usagef("%w", err)
		}
	}
	if s := c.String("order"); s != "" {
		if o.order, err = layers.ParseOrder(s); err != nil {
			return o, usagef("%w", err)
		}
	}
	return o, nil
}

// saltOf reads the salt file, if there is one; the zero Salt means there is none.
func saltOf(c *cli.Context) (salt record.Salt, err error) {
	if f := c.String("salt-file"); f != "" {
		if salt, err = record.ReadSaltFile(f); err != nil {
			err = usagef("%w", err)
		}
	}
	return salt, err
}

// openInput opens a file, or standard input for "-", in any form that can be
// read, and finds out directions and twins.
func openInput(c *cli.Context, name string) (*input, error) { return openInputWith(c, name, true) }

// openInputWith is openInput; without keys, side files are left alone.
func openInputWith(c *cli.Context, name string, keys bool) (*input, error) {
	over, err := parseOverrides(c)
	if err != nil {
		return nil, err
	}
	salt, err := saltOf(c)
	if err != nil {
		return nil, err
	}
	in := &input{name: name, file: name != "-", salt: salt, noKeys: !keys}
	var stream io.Reader
	switch {
	case name == "-":
		in.name = "standard input"
		stream = c.App.Reader
		// The first signal is for those at the other end of a pipe, whose last words
		// are still printed; the second one is for us.
		context.AfterFunc(c.Context, func() { signal.Reset(stopSignals()...) })
	default:
		f, err := os.Open(name)
		if err != nil {
			return nil, &statusError{exitUsage, err}
		}
		stream, in.close = f, f.Close
		in.interrupted = c.Context.Done()
	}
	in.judge = &judge{over: over, notice: in.notice(c)}
	var src record.Source
	promisc := record.NotKnown
	if stream, err = record.Decompress(stream); err != nil {
		in.Close()
		return nil, inputError(in.name, err)
	}
	br := bufio.NewReaderSize(stream, 64<<10)
	form, err := formOf(c, br)
	if err != nil {
		in.Close()
		return nil, err
	}
	switch {
	case form != convert.None:
		src, err = convert.NewSource(form, br, convert.Options{Codec: layers.Codec{Dialect: over.dialect, Order: over.order}})
		if err != nil {
			in.Close()
			return nil, inputError(in.name, err)
		}
		if form.Silent() {
			src = newSniffed(src, in.judge)
		} else {
			src = &watched{src, in.judge, "as the input says"}
		}
	default:
		r, err := openCapture(c, name, br, in, over)
		if err != nil {
			in.Close()
			return nil, inputError(in.name, err)
		}
		// What a capture says of itself is known once its first record is read.
		src, in.ids = peek(r), r.ID
		in.meta, in.filter = r.Meta(), r.Interface().Filter
		promisc = in.meta.Promisc
		if unsaid(r) {
			src = newSniffed(src, in.judge)
		} else {
			src = &watched{src, in.judge, "as the capture says"}
		}
	}
	if in.ids == nil { // a form without stand-ins of its own
		if salt.IsZero() {
			salt = record.NewSalt()
		}
		in.ids = record.NewHider(salt).ID
	}
	in.src, in.promisc = src, promisc
	in.tracedSource = traced(src, in.name, promisc)
	in.unheard = form.Silent() && !form.Directed()
	return in, nil
}

// openCapture opens a capture file together with its side file, or reads a
// capture from a stream.
func openCapture(c *cli.Context, name string, br *bufio.Reader, in *input, over overrides) (*record.Reader, error) {
	opt := record.ReaderOptions{Dialect: over.dialect, Order: over.order, Salt: in.salt, NoKeys: in.noKeys, Notice: in.notice(c)}
	if st, err := os.Stat(name); name != "-" && err == nil && st.Mode().IsRegular() {
		in.Close() // it is opened again, with what lies beside it
		r, err := record.Open(name, opt)
		if err == nil {
			in.close = r.Close
		}
		return r, err
	}
	return record.NewReader(br, opt)
}

// notice says something about the input that is no error.
func (in *input) notice(c *cli.Context) func(string) {
	return func(text string) { fmt.Fprintf(c.App.ErrWriter, "pfkeycap: %s: %s\n", in.name, text) }
}

// peeked is a source whose first record has been read already.
type peeked struct {
	record.Source
	first *record.Record
	err   error
}

func peek(src record.Source) *peeked {
	p := &peeked{Source: src}
	r, err := src.Next()
	if err != nil {
		p.err = err
	} else {
		p.first = r.Clone()
	}
	return p
}

func (p *peeked) Next() (*record.Record, error) {
	if r, err := p.first, p.err; r != nil || err != nil {
		p.first = nil
		return r, err
	}
	return p.Source.Next()
}

// unsaid reports whether a capture does not say its dialect, or is to be read as
// another one.
func unsaid(r *record.Reader) bool {
	switch r.Interface().DialectFrom {
	case record.DialectDescribed, record.DialectOfOS:
		return false
	}
	return true
}

// formOf returns the form that the user names or the text looks like; None is a
// capture.
func formOf(c *cli.Context, br *bufio.Reader) (convert.Form, error) {
	switch name := c.String("read-format"); {
	case c.Bool("hex") && name != "" && name != string(convert.Hex):
		return convert.None, usagef("--hex and --read-format %s contradict each other", name)
	case c.Bool("hex"):
		return convert.Hex, nil
	case name == "capture":
		return convert.None, nil
	case name == "":
		// What the first read gave is enough: a live stream has no more to look at
		// until its next message.
		br.Peek(1)
		head, _ := br.Peek(min(br.Buffered(), convert.SniffLen))
		return convert.Sniff(head), nil
	default:
		form, err := convert.ParseForm(name)
		if err != nil {
			err = usagef("%w", err)
		}
		return form, err
	}
}

// inputError gives an error about a file the file's name and its exit status.
func inputError(name string, err error) error {
	status := exitUsage
	if errors.Is(err, record.ErrDamaged) {
		status = exitDamage
	}
	if !strings.HasPrefix(err.Error(), name+": ") { // opening a file says it already
		err = fmt.Errorf("%s: %w", name, err)
	}
	return &statusError{status, err}
}

// traced adds what record/trace finds out to each record, and the file's name and
// an exit status to errors.
func traced(src record.Source, name string, promisc record.Answer) *tracedSource {
	return &tracedSource{Reader: trace.NewReader(src, trace.Options{Promisc: promisc}), name: name}
}

type tracedSource struct {
	*trace.Reader
	name string
	// unheard means that nothing says the messages were read from a socket. Only
	// what they themselves tell then counts, as Linux messages do; that everything
	// heard on a BSD comes from the kernel does not.
	unheard bool
}

func (s *tracedSource) Next() (*record.Record, error) {
	r, err := s.Reader.Next()
	if err != nil {
		return r, s.explain(err)
	}
	if s.unheard && r.Codec.Dialect != layers.Linux {
		r.Dir, r.TwinOf, r.ReplyTo = record.Unknown, 0, 0
	}
	return r, nil
}

// explain gives an error the file's name and an exit status. It is a function of its own
// because what errors.As fills in is on the heap, which every record would pay for.
func (s *tracedSource) explain(err error) error {
	var se *statusError
	if err == io.EOF || errors.As(err, &se) {
		return err
	}
	return inputError(s.name, err)
}
