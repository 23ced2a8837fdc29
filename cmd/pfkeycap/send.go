package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/gopacket"
	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func sendCommand() *cli.Command {
	return &cli.Command{
		Usage:     "send messages to the kernel and print its answers",
		ArgsUsage: "FILE…|-",
		Description: `Sends the requests of a setkey script, a file of ipseckey (what its save writes),
JSON lines (as decode -T json writes them), hex, a capture or a trace, one after the
other, and prints each with its answers. What came from a kernel is left out. pid, and a sequence number of 0, become this program's own. A
refusal says why; the rest is sent nevertheless, and the status is 1.

Secrets that a capture does not hold are taken from the side file beside it; where they
are missing, nothing is sent. FLUSH and SPDFLUSH reach the running kernel only with
--allow-flush. To send a capture and compare the answers, use replay.`,
		Flags: append(append([]cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print the messages, send nothing"},
			&cli.BoolFlag{Name: "raw", Usage: "send every message as it is, whatever its pid, lengths and direction"},
			&cli.BoolFlag{Name: "fix", Usage: "compute all lengths and counts"},
			&cli.Uint64Flag{Name: "count", Aliases: []string{"c"}, Usage: "send `N` messages at most"},
			&cli.StringFlag{Name: "filter", Aliases: []string{"Y"}, Usage: "send only what `EXPR` is true for"},
			targetFlag(), sandboxFlag(), kernelFlag(), allowFlushFlag(),
		}, inputFlags()...), outputFlags()...),
		Action: send,
	}
}

func send(c *cli.Context) error {
	if !c.Args().Present() {
		return usagef("what is to be sent? Name a file, or - for standard input")
	}
	if c.Bool("raw") && c.Bool("fix") {
		return usagef("--raw and --fix contradict each other")
	}
	if !c.Bool("dry-run") {
		if elsewhere, err := inTarget(c); elsewhere {
			return err
		}
	}
	if err := sendable(c); err != nil {
		return err
	}
	return sendAll(c, func(t *talk) error {
		for _, name := range c.Args().Slice() {
			if err := t.file(c, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// sendable looks at the files before anything is sent: those that are not there, and
// those whose keys are not.
func sendable(c *cli.Context) error {
	stderr := c.App.ErrWriter
	c.App.ErrWriter = io.Discard // what is to be said is said when it is sent
	defer func() { c.App.ErrWriter = stderr }()
	for _, name := range c.Args().Slice() {
		if name == "-" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return &statusError{exitUsage, err}
		}
		if !info.Mode().IsRegular() || c.IsSet("filter") || c.IsSet("count") {
			continue // read once, or perhaps not the part without keys
		}
		f, err := os.Open(name)
		if err != nil {
			return &statusError{exitUsage, err}
		}
		form, err := formOf(c, bufio.NewReaderSize(f, 64<<10))
		f.Close()
		if err != nil {
			return err
		}
		if form != convert.None {
			continue // it holds its keys
		}
		in, err := openInput(c, name)
		if err != nil {
			return err
		}
		for {
			r, err := in.Next()
			if err != nil { // said when it is sent as far as it goes
				break
			}
			if !c.Bool("raw") && (r.Dir == record.FromKernel || r.TwinOf != 0) {
				continue
			}
			if err := keysKnown(r, in.name); err != nil {
				in.Close()
				return err
			}
		}
		in.Close()
	}
	return nil
}

// keysKnown is an error if a record's keys are stand-ins.
func keysKnown(r *record.Record, name string) error {
	if r.StandIns && r.True == nil && len(r.Codec.AppendSecrets(nil, r.Data)) > 0 {
		return usagef("%s: record %d: its keys are not in the capture and not beside it: they should be in %s", name, r.Number, name+record.KeysSuffix)
	}
	return nil
}

// sendAll makes a conversation, has it, and says how it went.
func sendAll(c *cli.Context, say func(*talk) error) error {
	p, err := newPrinter(c, nil)
	if err != nil {
		return err
	}
	var t *talk
	if c.Bool("dry-run") {
		t = &talk{codec: hostCodec(), pid: 0, show: showWith(p), dry: true}
	} else if t, err = newTalk(keysock.Options{}, showWith(p)); err != nil {
		return err
	}
	defer t.close()
	if expr := c.String("filter"); expr != "" {
		if t.match, err = filter.Compile(expr, filter.Options{ID: p.ids}); err != nil {
			return usagef("%w", err)
		}
	}
	t.limit = c.Uint64("count")
	t.stderr = c.App.ErrWriter
	t.flush = c.Bool("allow-flush") || sandbox.Inside()
	if err := say(t); err != nil {
		return err
	}
	return t.summary(c.App.ErrWriter, c)
}

// send asks the kernel, or prints what would be asked. A refusal is said, counted,
// and no error.
func (t *talk) send(msg []byte, where string) error {
	r := &record.Record{Number: t.number + 1, Dir: record.ToKernel, Codec: t.codec, Data: msg, OrigLen: len(msg)}
	if t.match != nil && !t.match.Match(r) || t.full() {
		return nil
	}
	if t.dry {
		t.number++
		t.sent++
		return t.show(r)
	}
	if needsAllowFlush(t.codec, msg) && !t.flush {
		return usagef("%sthis makes the running kernel forget its SAs or policies: say --allow-flush, or use --sandbox", where)
	}
	err := t.ask(msg)
	var no *refusal
	if errors.As(err, &no) {
		if where != "" { // the line says it, but not which line of a script
			fmt.Fprintf(t.stderr, "pfkeycap: %s%v\n", where, no)
		}
		return nil
	}
	return err
}

// full reports whether as many messages as wanted are sent.
func (t *talk) full() bool { return t.limit > 0 && uint64(t.sent) >= t.limit }

// file sends what a file holds.
func (t *talk) file(c *cli.Context, name string) error {
	stream, title := c.App.Reader, "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return &statusError{exitUsage, err}
		}
		defer f.Close()
		stream, title = f, name
	}
	br := bufio.NewReaderSize(stream, 64<<10)
	form, err := formOf(c, br)
	if err != nil {
		return err
	}
	if form == convert.Setkey {
		return t.script(br, title, &keySource{stdin: c.App.Reader, stderr: t.stderr, read: name == "-"})
	}
	if name == "-" {
		c.App.Reader = br // with what was looked at
	}
	if (form == convert.Hex || form == convert.Ipseckey) && !c.IsSet("dialect") { // written for this kernel
		if err := c.Set("dialect", t.codec.Dialect.String()); err != nil {
			return err
		}
	}
	in, err := openInput(c, name)
	if err != nil {
		return err
	}
	defer in.Close()
	raw, fix := c.Bool("raw"), c.Bool("fix")
	for !t.full() {
		r, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !raw && (r.Dir == record.FromKernel || r.TwinOf != 0) {
			continue
		}
		if form == convert.Ipseckey && len(r.Comments) > 1 { // the line, and what this kernel has no word for
			fmt.Fprintf(t.stderr, "pfkeycap: %s: %s\n", in.name, strings.Join(r.Comments, ": "))
		}
		msg, err := t.message(r, in.name, raw, fix)
		if err != nil {
			return err
		}
		if err := t.send(msg, ""); err != nil {
			return err
		}
	}
	return nil
}

// script sends what a setkey script asks for, as setkey does: host names are
// resolved, keys may be named, and after a refusal it goes on.
func (t *talk) script(r io.Reader, name string, keys *keySource) error {
	p := setkey.NewParser(r, setkey.Options{Key: keys.key, Resolve: resolve})
	for !t.full() {
		s, err := p.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return usagef("%s: %w", name, err)
		}
		where := fmt.Sprintf("%s: line %d: ", name, s.Line)
		if err := t.statement(s, where); err != nil {
			return err
		}
	}
	return nil
}

// message makes the octets to be sent of a record.
func (t *talk) message(r *record.Record, name string, raw, fix bool) ([]byte, error) {
	if err := keysKnown(r, name); err != nil {
		return nil, err
	}
	if r.OrigLen > len(r.Data) {
		return nil, usagef("%s: record %d: %d of its %d bytes were not recorded", name, r.Number, r.OrigLen-len(r.Data), r.OrigLen)
	}
	msg := append([]byte(nil), r.Bytes()...)
	if raw {
		return msg, nil
	}
	if r.Codec != t.codec {
		moved, err := layers.Transcode(nil, r.Codec, t.codec, msg)
		if err != nil {
			return nil, usagef("%s: record %d: it cannot be said in %v: %w", name, r.Number, t.codec, err)
		}
		msg = moved
	}
	if fix {
		var err error
		if msg, err = fixed(t.codec, msg); err != nil {
			return nil, usagef("%s: record %d: %w", name, r.Number, err)
		}
	}
	t.own(msg)
	return msg, nil
}

// fixed computes all lengths of a message.
func fixed(codec layers.Codec, msg []byte) ([]byte, error) {
	var ls []gopacket.SerializableLayer
	for _, l := range gopacket.NewPacket(msg, codec, gopacket.NoCopy).Layers() {
		ls = append(ls, l.(gopacket.SerializableLayer)) // all of ours are
	}
	b := gopacket.NewSerializeBuffer()
	err := codec.Serialize(b, gopacket.SerializeOptions{FixLengths: true}, ls...)
	return b.Bytes(), err
}

// own makes a message ours: our pid, and a sequence number that tells its answers
// from others' unless it has one. A message that is shorter than its header is left
// as it is.
func (t *talk) own(msg []byte) {
	if len(msg) < layers.BaseLen {
		return
	}
	order := t.codec.Order.Binary()
	if t.seq++; order.Uint32(msg[8:]) == 0 {
		order.PutUint32(msg[8:], t.seq)
	}
	order.PutUint32(msg[12:], t.pid)
}
