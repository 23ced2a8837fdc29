package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/fixtures"
	"github.com/pfkeycap/pfkeycap/fuzz/seed"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

func fuzzExportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write seeds and a dictionary for a fuzzing engine",
		ArgsUsage: "[INPUT…]",
		Description: `Writes inputs to begin fuzzing with: a message of every type and one of every mutation
in each dialect and byte order, and what is in the captures INPUT, of each kind of
message one, with its true keys if they are at hand.

  -F go         for "go test -fuzz": a directory for each target of this project's
                package fuzz; DIR is fuzz/testdata/fuzz there, or $(go env GOCACHE)/fuzz/…
  -F libfuzzer  the same targets compiled by go-118-fuzz-build (OSS-Fuzz)
  -F afl        messages as they are, one a file, for AFL++, libFuzzer or honggfuzz and
                any other program that reads PF_KEY; pfkey.dict are its tokens (-x, -dict)

A file is named after what is in it, so the same seeds give the same files.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "form", Aliases: []string{"F"}, Usage: "`FORM`: go, libfuzzer or afl"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write into the directory `DIR`, which is made if it is not there"},
			&cli.StringSliceFlag{Name: "target", Usage: "with -F go and libfuzzer: only for `NAME`, such as Decode; repeat it"},
			&cli.StringFlag{Name: "dialect", Aliases: []string{"d"}, Usage: "with -F afl: only messages of `OS`"},
			&cli.StringFlag{Name: "order", Usage: "with -F afl: only messages in byte `ORDER` le or be"},
		},
		Action: fuzzExport,
	}
}

func fuzzExport(c *cli.Context) error {
	dir := c.String("output")
	if dir == "" {
		return usagef("where to? -o DIR")
	}
	over, err := parseOverrides(c)
	if err != nil {
		return err
	}
	set, err := seedSet(c)
	if err != nil {
		return err
	}
	out := exporter{dir: dir, paths: map[[sha256.Size]byte]string{}}
	switch form := c.String("form"); form {
	case "go", "libfuzzer":
		err = out.targets(c, set, form)
	case "afl":
		set.Messages(func(codec layers.Codec, data []byte) {
			if (over.dialect == layers.NoDialect || codec.Dialect == over.dialect) && (over.order == layers.NoOrder || codec.Order == over.order) {
				out.put("messages", data)
			}
		})
		out.write("pfkey.dict", []byte(seed.Dictionary()))
	case "":
		return usagef("for which engine? -F go, libfuzzer or afl")
	default:
		return usagef("unknown form %q: want go, libfuzzer or afl", form)
	}
	if err == nil {
		err = out.err
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "pfkeycap: fuzz export: %d files in %s\n", out.files, dir)
	return nil
}

// seedSet gathers seeds: those of the encoders, of the capture that is part of the
// program, and of the inputs.
func seedSet(c *cli.Context) (*seed.Set, error) {
	set := seed.NewSet(true)
	demo := fixtures.Demo()
	for {
		r, err := demo.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		set.Record(r)
	}
	for _, name := range c.Args().Slice() {
		file, err := os.ReadFile(name)
		if err != nil {
			return nil, &statusError{exitUsage, err}
		}
		if err := set.Capture(name, file); err != nil {
			if errors.Is(err, record.ErrNotCapture) {
				return nil, &statusError{exitUsage, err}
			}
			return nil, &statusError{exitDamage, err}
		}
	}
	return set, nil
}

// exporter writes files into a directory. Keys of the inputs are in them, so nobody
// else may read them.
type exporter struct {
	dir   string
	files int
	err   error
	paths map[[sha256.Size]byte]string // of files by what is in them
}

func (e *exporter) targets(c *cli.Context, set *seed.Set, form string) error {
	wanted := c.StringSlice("target")
	var names []string
	for _, t := range seed.Targets() {
		names = append(names, t.Name)
	}
	for _, name := range wanted {
		if _, ok := seed.Of(strings.TrimPrefix(name, "Fuzz")); !ok {
			return usagef("unknown target %q: want %s", name, strings.Join(names, ", "))
		}
	}
	for _, t := range seed.Targets() {
		if !wants(wanted, t.Name) {
			continue
		}
		t.Each(set, func(args ...any) {
			if form == "go" {
				e.put("Fuzz"+t.Name, seed.AppendGo(nil, args...))
			} else {
				e.put("Fuzz"+t.Name, seed.AppendLibFuzzer(nil, args...))
			}
		})
	}
	return nil
}

func wants(list []string, name string) bool {
	for _, w := range list {
		if strings.TrimPrefix(w, "Fuzz") == name {
			return true
		}
	}
	return len(list) == 0
}

// put writes a file that is named after its contents, as Go's fuzzer names them.
func (e *exporter) put(sub string, data []byte) {
	sum := sha256.Sum256(data)
	name := filepath.Join(sub, fmt.Sprintf("%x", sum[:8]))
	if first, ok := e.paths[sum]; ok && e.err == nil {
		// Most targets take the same inputs.
		if os.MkdirAll(filepath.Join(e.dir, sub), 0o700) == nil && os.Link(first, filepath.Join(e.dir, name)) == nil {
			e.files++
			return
		}
	}
	e.write(name, data)
	e.paths[sum] = filepath.Join(e.dir, name)
}

func (e *exporter) write(name string, data []byte) {
	if e.err != nil {
		return
	}
	path := filepath.Join(e.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		e.err = &statusError{exitDamage, err}
		return
	}
	f, err := record.CreatePrivate(path, true)
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		e.err = &statusError{exitDamage, err}
		return
	}
	e.files++
}
