package main

import (
	"errors"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
)

// newCut makes the capture that decode -w writes: records of another one, with
// their numbers, stand-ins and, where they are at hand, their keys beside it.
func newCut(c *cli.Context, in *input) (*record.Writer, error) {
	name, o := c.String("write"), cutOptions(c, in)
	if name == "-" && o.Meta.Keys == record.KeysBeside {
		o.Meta.Keys = record.KeysNone
	}
	return createCapture(c, name, o)
}

// cutOptions are those of a capture with records of an input.
func cutOptions(c *cli.Context, in *input) record.WriterOptions {
	o := record.WriterOptions{
		Application: "pfkeycap " + versionString(),
		Meta:        in.meta,
		Filter:      in.filter,
		Overwrite:   c.Bool("overwrite"),
	}
	o.Meta.CaptureID = "" // a capture of its own
	switch {
	case in.meta.Keys == record.KeysInside:
	case in.meta.SaltID != "": // the stand-ins are those of the input
		o.Meta.Keys = record.KeysNone
		if in.hasKeys() {
			o.Meta.Keys = record.KeysBeside
		}
	default:
		o.Meta.Keys = record.KeysBeside
		o.Salt = in.salt
	}
	return o
}

// createCapture creates a capture file, or writes one to standard output for "-".
func createCapture(c *cli.Context, name string, o record.WriterOptions) (*record.Writer, error) {
	if name == "-" {
		if err := notTerminal(c); err != nil {
			return nil, err
		}
		return record.NewWriter(standardOutput(c), o)
	}
	w, err := record.Create(name, o)
	return w, createError(err)
}

// notTerminal refuses to write a capture to a terminal.
func notTerminal(c *cli.Context) error {
	if isTerminal(standardOutput(c)) {
		return usagef("a capture is not for a terminal: redirect standard output, or leave -w out to print messages")
	}
	return nil
}

// createError gives an error of creating a capture its exit status.
func createError(err error) error {
	if errors.Is(err, os.ErrExist) {
		return usagef("%w (--overwrite replaces it)", err)
	}
	if err != nil {
		return &statusError{exitDamage, err}
	}
	return nil
}
