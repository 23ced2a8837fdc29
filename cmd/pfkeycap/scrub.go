package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/scrub"
)

func scrubCommand() *cli.Command {
	return &cli.Command{
		Usage:     "copy a capture without what names people and machines",
		ArgsUsage: "IN OUT",
		Description: `Writes a capture that can be shared: identities replaced (equal ones stay equal), process
names, comments and host names removed, stand-ins for all keys and no side file. What no
structure accounts for, such as padding that a kernel has not initialised, is listed and
set to zero: the list is evidence of a leak, the bytes may be anybody's. With --anon-addr
IP addresses are replaced, too, such that common prefixes stay common. What remains is
said at the end. OUT "-" is standard output.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "anon-addr", Usage: "replace IP addresses, keeping common prefixes (Crypto-PAn)"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace an existing OUT"},
		}, inputFlags()...),
		Action: scrubFile,
	}
}

func scrubFile(c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("want two files: IN OUT")
	}
	if a, err := os.Stat(c.Args().Get(0)); err == nil {
		if b, err := os.Stat(c.Args().Get(1)); err == nil && os.SameFile(a, b) {
			return usagef("%s would lose its original, and be left with its keys beside it: name another OUT", c.Args().Get(0))
		}
	}
	in, err := openInput(c, c.Args().Get(0))
	if err != nil {
		return err
	}
	defer in.Close()
	o := record.WriterOptions{
		Application: "pfkeycap " + versionString(),
		Meta:        in.meta,
		Overwrite:   c.Bool("overwrite"),
	}
	o.Meta.CaptureID, o.Meta.NetNS, o.Meta.Keys = "", 0, record.KeysNone
	o.Salt = in.meta.Salt // of a capture with keys inside: its key ids stay what they are
	w, err := createCapture(c, c.Args().Get(1), o)
	if err != nil {
		return err
	}
	defer w.Close()
	s := scrub.New(scrub.Options{Addresses: c.Bool("anon-addr")})
	var damage error
	for {
		r, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			damage = err // what came before it is written
			break
		}
		copied := *r
		s.Record(&copied)
		copied.True = nil
		if err := w.Append(&copied); err != nil {
			return &statusError{exitDamage, err}
		}
	}
	if err := w.Close(); err != nil {
		return &statusError{exitDamage, err}
	}
	sayScrubbed(c.App.ErrWriter, s)
	return damage
}

func sayScrubbed(w io.Writer, s *scrub.Scrubber) {
	for _, x := range s.Cleared {
		fmt.Fprintf(w, "cleared: record %d, %s@%d: %d bytes of %s that were not zero\n", x.Record, x.Extension, x.Offset, x.Bytes, x.Field)
	}
	if n := s.Runs - len(s.Cleared); n > 0 {
		fmt.Fprintf(w, "cleared: and %d more places\n", n)
	}
	fmt.Fprintf(w, "%d records: %d identities and %d addresses replaced, %d process names and %d comments removed, %d bytes cleared\n",
		s.Records, s.Identities, s.Addresses, s.Processes, s.Comments, s.Bytes)
	fmt.Fprintf(w, "What remains: %s.\n", strings.Join(s.Remains(), "; "))
}
