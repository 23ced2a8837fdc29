package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// inputFlags are the options of every command that reads captures.
func inputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "dialect", Aliases: []string{"d"}, Usage: "read as `OS`: rfc2367, linux, freebsd, netbsd, openbsd, macos, illumos, dragonfly"},
		&cli.StringFlag{Name: "order", Usage: "read in byte `ORDER` le or be"},
		&cli.BoolFlag{Name: "hex", Usage: "input is hex, one message a line; spaces and # comments are allowed"},
		&cli.StringFlag{Name: "salt-file", Usage: "name keys under the salt in `FILE`, to compare outputs"},
	}
}

// input is any readable form of a recording.
type input struct {
	*tracedSource
	name  string
	file  bool // not live: output may be gathered
	ids   func(r *record.Record, secret []byte, key int) [4]byte
	close func() error
	meta  record.Meta // what a capture says of itself
	salt  record.Salt // of --salt-file; zero if there is none
}

func (in *input) Close() error {
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
func openInput(c *cli.Context, name string) (*input, error) {
	over, err := parseOverrides(c)
	if err != nil {
		return nil, err
	}
	salt, err := saltOf(c)
	if err != nil {
		return nil, err
	}
	in := &input{name: name, file: name != "-", salt: salt}
	var stream io.Reader
	switch {
	case name == "-":
		in.name = "standard input"
		stream = c.App.Reader
	default:
		f, err := os.Open(name)
		if err != nil {
			return nil, &statusError{exitUsage, err}
		}
		stream, in.close = f, f.Close
	}
	var src record.Source
	promisc := record.NotKnown
	br := bufio.NewReaderSize(stream, 64<<10)
	head, _ := br.Peek(64)
	switch {
	case c.Bool("hex"):
		src = newSniffed(&hexSource{lines: newLines(br, in.name), over: over}, over, in.notice(c))
	case looksLikeJSON(head):
		src = &jsonSource{lines: newLines(br, in.name), over: over}
	default:
		r, err := openCapture(c, name, br, in, over)
		if err != nil {
			in.Close()
			return nil, inputError(in.name, err)
		}
		// What a capture says of itself is known once its first record is read.
		src, in.ids = peek(r), r.ID
		in.meta = r.Meta()
		promisc = in.meta.Promisc
		if unsaid(r) {
			src = newSniffed(src, over, in.notice(c))
		}
	}
	if in.ids == nil { // a form without stand-ins of its own
		if salt.IsZero() {
			salt = record.NewSalt()
		}
		in.ids = record.NewHider(salt).ID
	}
	in.tracedSource = traced(src, in.name, promisc)
	in.unheard = c.Bool("hex")
	return in, nil
}

// openCapture opens a capture file together with its side file, or reads a
// capture from a stream.
func openCapture(c *cli.Context, name string, br *bufio.Reader, in *input, over overrides) (*record.Reader, error) {
	opt := record.ReaderOptions{Dialect: over.dialect, Order: over.order, Salt: in.salt, Notice: in.notice(c)}
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

// looksLikeJSON reports whether the first character is that of an object.
func looksLikeJSON(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(head) > 0 && head[0] == '{'
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
	var se *statusError
	if err != nil && err != io.EOF && !errors.As(err, &se) {
		err = inputError(s.name, err)
	}
	if err == nil && s.unheard && r.Codec.Dialect != layers.Linux {
		r.Dir, r.TwinOf, r.ReplyTo = record.Unknown, 0, 0
	}
	return r, err
}

// lines reads lines of bounded length.
type lines struct {
	s      *bufio.Scanner
	name   string
	number int
}

// maxLine is more than the longest message takes in hex, or as JSON.
const maxLine = 64 << 20

func newLines(r io.Reader, name string) lines {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return lines{s: s, name: name}
}

// next returns the next line that is not empty.
func (l *lines) next() ([]byte, error) {
	for l.s.Scan() {
		l.number++
		if b := bytes.TrimSpace(l.s.Bytes()); len(b) > 0 {
			return b, nil
		}
	}
	if err := l.s.Err(); err != nil {
		return nil, damagef("%s: line %d: %w", l.name, l.number+1, err)
	}
	return nil, io.EOF
}

// hexSource reads one message a line.
type hexSource struct {
	lines lines
	over  overrides
	n     uint64
	rec   record.Record
}

func (s *hexSource) Next() (*record.Record, error) {
	for {
		line, err := s.lines.next()
		if err != nil {
			return nil, err
		}
		text, _, _ := strings.Cut(string(line), "#")
		text = strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t:,", r) {
				return -1
			}
			return r
		}, text)
		if text == "" {
			continue
		}
		b, err := hex.DecodeString(text)
		if err != nil {
			return nil, usagef("%s: line %d: %w", s.lines.name, s.lines.number, err)
		}
		s.n++
		codec := layers.Codec{Dialect: s.over.dialect, Order: s.over.order}
		if codec.Dialect == layers.NoDialect {
			codec.Dialect = layers.Linux
		}
		if codec.Order == layers.NoOrder {
			if codec.Order = layers.OrderOf(b, len(b)); codec.Order == layers.NoOrder {
				codec.Order = layers.NativeEndian
			}
		}
		s.rec = record.Record{Number: s.n, Codec: codec, Data: b, OrigLen: len(b)}
		return &s.rec, nil
	}
}

// jsonSource reads what -T json wrote.
type jsonSource struct {
	lines lines
	over  overrides
	n     uint64
	rec   record.Record
}

func (s *jsonSource) Next() (*record.Record, error) {
	line, err := s.lines.next()
	if err != nil {
		return nil, err
	}
	j, err := pfjson.Parse(line, pfjson.ParseOptions{})
	if err != nil {
		return nil, usagef("%s: line %d: %w", s.lines.name, s.lines.number, err)
	}
	s.n++
	dir, err := record.ParseDirection(j.Direction)
	if err != nil {
		return nil, usagef("%s: line %d: %w", s.lines.name, s.lines.number, err)
	}
	if s.over.dialect != layers.NoDialect {
		j.Codec.Dialect = s.over.dialect
	}
	if s.over.order != layers.NoOrder {
		j.Codec.Order = s.over.order
	}
	if j.Number == 0 {
		j.Number = s.n
	}
	s.rec = record.Record{
		Number: j.Number, Time: j.Time, Dir: dir, Codec: j.Codec, Data: j.Data, OrigLen: max(j.Length, len(j.Data)),
		TwinOf: j.TwinOf, ReplyTo: j.ReplyTo, Process: j.Process, Comments: j.Comments,
	}
	return &s.rec, nil
}
