package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
	"github.com/pfkeycap/pfkeycap/record/convert/ipxfrm"
	"github.com/pfkeycap/pfkeycap/record/diff"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Usage:     "say how two captures, or the SAs and policies at their ends, are not the same",
		ArgsUsage: "A B",
		Description: `Brings together the exchanges of A and B that are about the same thing, in order,
and prints a line for each field that differs, with the records of both:

  different: A#5 B#9 ADD esp 192.0.2.1 > 192.0.2.2 …: lifetime_hard.addtime: A 3600, B 7200
  only-a: A#12-#60 ACQUIRE esp 10.0.0.1 > 10.0.0.2 (event) and 48 more of the kind
  not-comparable: key_auth.key: secrets: both hold stand-ins, under different salts …

What never agrees between two runs is set aside: times, counters, pids, sequence numbers,
policy ids, and the SPIs and keys of SAs that were made anew, as long as one stands for
one. With -v it is printed too. Captures of two systems are compared by meaning; what one
of them has no word for is absent there, not missing. Keys are compared if both sides
hold the true ones, or stand-ins under one salt (record --salt-file).

With --state the SAs and policies are compared that were there at the end: what the
kernel said of each last. A or B may be what ip xfrm state and ip xfrm policy print (best
with -s, one after the other): a state always. Marks and the like, which PF_KEY cannot
say, and what an AEAD made over netlink hides from PF_KEY, are not comparable, which is
not the same as equal.

The status is 1 if anything differs.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "state", Usage: "compare the SAs and policies that are there at the end"},
			&cli.StringFlag{Name: "display-filter", Aliases: []string{"Y"}, Usage: "compare only exchanges of which `EXPR` is true for a message, or SAs and policies it is true for"},
			&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text or json", Value: "text"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "what was set aside too"},
			&cli.IntFlag{Name: "max", Usage: "compare up to `N` messages of each side, or SAs and policies", Value: 100_000},
		}, inputFlags()...),
		Action: diffAction,
	}
}

func diffAction(c *cli.Context) error {
	if c.NArg() != 2 {
		return usagef("want two files, A and B")
	}
	names := c.Args().Slice()
	if names[0] == "-" && names[1] == "-" {
		return usagef("standard input can be read once")
	}
	asJSON := false
	switch f := c.String("format"); f {
	case "text":
	case "json", "ndjson":
		asJSON = true
	default:
		return usagef("unknown format %q: want text or json", f)
	}
	if c.Int("max") <= 0 {
		return usagef("--max wants a positive number")
	}
	salt, err := saltOf(c)
	if err != nil {
		return err
	}
	if salt.IsZero() {
		salt = record.NewSalt()
	}
	hider := record.NewHider(salt)
	o := diff.Options{All: c.Bool("verbose"), Max: c.Int("max"), ID: func(secret []byte, key int) (id [4]byte) {
		copy(id[:], hider.StandIn(secret, key))
		return id
	}}
	if expr := c.String("display-filter"); expr != "" {
		f, err := filter.Compile(expr, filter.Options{ID: hider.ID})
		if err != nil {
			return usagef("%w", err)
		}
		o.Match = f.Match
	}
	var sides [2]diff.Side
	compare := diff.Messages
	if c.Bool("state") {
		compare = diff.States
	}
	for i, name := range names {
		s, done, err := diffSide(c, name)
		if err != nil {
			return err
		}
		defer done()
		if s.Listing != nil {
			compare = diff.States
		}
		sides[i] = s
	}
	r, err := compare(&sides[0], &sides[1], o)
	var most *diff.TooMuch
	switch {
	case errors.As(err, &most):
		return usagef("%w: choose some of them with -Y, or allow more with --max", err)
	case errors.Is(err, diff.ErrNoState):
		return usagef("%w", err)
	case r == nil:
		return err
	}
	damage := err
	if asJSON {
		err = json.NewEncoder(c.App.Writer).Encode(r)
	} else {
		err = r.WriteText(c.App.Writer, o.All)
	}
	if err = errors.Join(err, damage); err != nil {
		return err
	}
	if r.Differs() {
		return found()
	}
	return nil
}

// diffSide opens one of the two. A text of ip-xfrm(8) is read as such, because it says
// more than its messages; so is a file with nothing in it, which is what ip prints where
// there is nothing.
func diffSide(c *cli.Context, name string) (s diff.Side, done func() error, err error) {
	s.Name, done = name, func() error { return nil }
	var stream io.Reader = c.App.Reader
	if name == "-" {
		s.Name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return s, nil, &statusError{exitUsage, err}
		}
		stream, done = f, f.Close
	}
	br := bufio.NewReaderSize(stream, 64<<10)
	text, err := record.Decompress(br)
	if err != nil {
		done()
		return s, nil, inputError(s.Name, err)
	}
	tr := bufio.NewReaderSize(text, 64<<10)
	form, err := formOf(c, tr)
	if err != nil {
		done()
		return s, nil, err
	}
	if _, empty := tr.Peek(1); form == convert.IPXfrm || empty == io.EOF && form == convert.None {
		over, err := parseOverrides(c)
		if err != nil {
			done()
			return s, nil, err
		}
		if over.order == layers.NoOrder {
			over.order = layers.NativeEndian
		}
		p := ipxfrm.NewParser(tr, over.order)
		s.Listing = &diff.Listing{Next: func() (*ipxfrm.Entry, error) {
			e, err := p.Next()
			if err != nil && err != io.EOF {
				var wrong *ipxfrm.Error
				if !errors.As(err, &wrong) {
					err = fmt.Errorf("%w: %w", record.ErrDamaged, err)
				}
				err = inputError(s.Name, err)
			}
			return e, err
		}}
		return s, done, nil
	}
	if name == "-" {
		c.App.Reader = tr
	}
	if err := done(); err != nil {
		return s, nil, err
	}
	in, err := openInput(c, name)
	if err != nil {
		return s, nil, err
	}
	s.Source, s.SaltID = in, in.meta.SaltID
	return s, in.Close, nil
}
