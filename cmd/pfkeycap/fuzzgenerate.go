package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record"
)

// generatorFlags are the options of every subcommand that takes messages from a
// generator.
func generatorFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint64Flag{Name: "seed", Usage: "what the messages are made from: `S` gives the same ones every time", Value: 1},
		&cli.Uint64Flag{Name: "start", Usage: "begin with message `I`, counted from 0: to go on, or to divide the work"},
	}
}

func fuzzGenerateCommand() *cli.Command {
	return &cli.Command{
		Name:      "generate",
		Usage:     "write messages to a capture, or print them",
		ArgsUsage: " ",
		Description: `Prints messages as hex, one a line behind a comment that says what was done to it; or
in another form (-T), or into a capture (-w), with the comment on its record. "decode
--hex" and "fuzz kernel" read them again.

The keys in these messages come from the seed too and are nobody's: a capture has them
inside, though -T text and the others hide them as they hide any key.`,
		Flags: append(append([]cli.Flag{
			&cli.Uint64Flag{Name: "number", Aliases: []string{"n"}, Usage: "make `N` messages", Value: 1000},
			&cli.StringFlag{Name: "dialect", Aliases: []string{"d"}, Usage: "messages of `OS`: rfc2367, linux, freebsd, netbsd, openbsd, macos, illumos, dragonfly", DefaultText: "this system"},
			&cli.StringFlag{Name: "order", Usage: "in byte `ORDER` le or be", DefaultText: "this machine's"},
			&cli.BoolFlag{Name: "valid", Usage: "no broken messages"},
			&cli.BoolFlag{Name: "requests", Usage: "no messages of the kind that only kernels send"},
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write the messages to the capture `FILE` instead (\"-\" is standard output)"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE of -w"},
		}, generatorFlags()...), generateOutputFlags()...),
		Action: fuzzGenerate,
	}
}

// generateOutputFlags are those of every command that prints messages, with a form
// of their own by default.
func generateOutputFlags() []cli.Flag {
	flags := slices.DeleteFunc(outputFlags("t"), func(f cli.Flag) bool {
		return f.Names()[0] == "field" || f.Names()[0] == "fields-option" // it has no columns
	})
	for _, f := range flags {
		if s, ok := f.(*cli.StringFlag); ok && s.Name == "format" {
			s.Value, s.Usage = "hex", "`FORM`: hex, text, tree (= text -v), json (one object a line)"
		}
	}
	return flags
}

func fuzzGenerate(c *cli.Context) error {
	if err := noOperands(c); err != nil {
		return err
	}
	over, err := parseOverrides(c)
	if err != nil {
		return err
	}
	codec := hostCodec()
	if over.dialect != layers.NoDialect {
		codec.Dialect = over.dialect
	}
	if over.order != layers.NoOrder {
		codec.Order = over.order
	}
	g := gen.New(codec, c.Uint64("seed"), gen.Options{Valid: c.Bool("valid"), Requests: c.Bool("requests")})
	g.Seek(c.Uint64("start"))
	if c.IsSet("write") {
		return generateCapture(c, g)
	}
	if c.String("format") == "hex" {
		return generateHex(c, g)
	}
	p, err := newPrinter(c, record.NewHider(seedSalt(c.Uint64("seed"))).ID)
	if err != nil {
		return err
	}
	if !isTerminal(standardOutput(c)) {
		p.flush = 64 << 10
	}
	err = eachGenerated(c, g, p.print)
	if err == nil {
		err = p.done()
	}
	return err
}

// eachGenerated calls f with as many messages as -n says, as records. A record is
// valid during the call.
func eachGenerated(c *cli.Context, g *gen.Generator, f func(*record.Record) error) error {
	var buf []byte
	for range c.Uint64("number") {
		var info gen.Info
		buf, info = g.Next(buf[:0])
		r := &record.Record{
			Number: info.Index + 1, Time: generatedTime(info.Index), Dir: record.ToKernel,
			Codec: g.Codec(), Data: buf, OrigLen: len(buf), Comments: []string{describe(info)},
		}
		if info.FromKernel {
			r.Dir = record.FromKernel
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}

// generatedTime is the time of a generated message: one a millisecond from the
// beginning of 2026, so that the same seed gives the same capture.
func generatedTime(index uint64) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(index) * time.Millisecond)
}

// describe says what a generated message is.
func describe(info gen.Info) string {
	what := "valid"
	if len(info.Mutations) > 0 {
		what = strings.Join(info.Mutations, ", ")
	}
	return fmt.Sprintf("generated %d (%s): %s", info.Index, info.Story, what)
}

// seedSalt is a salt that tells nothing and is the same for the same seed: the keys
// under it are no secret.
func seedSalt(seed uint64) record.Salt {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("pfkeycap fuzz generate "), seed))
}

func generateCapture(c *cli.Context, g *gen.Generator) error {
	name := c.String("write")
	w, err := createCapture(c, name, record.WriterOptions{
		Application: "pfkeycap " + versionString(),
		Meta:        record.Meta{Dialect: g.Codec().Dialect, Order: g.Codec().Order, Keys: record.KeysInside},
		Salt:        seedSalt(c.Uint64("seed")),
		Overwrite:   c.Bool("overwrite"),
	})
	if err != nil {
		return err
	}
	if err := eachGenerated(c, g, w.Append); err != nil {
		w.Close()
		return &statusError{exitDamage, err}
	}
	if err := w.Close(); err != nil {
		return &statusError{exitDamage, err}
	}
	fmt.Fprintf(c.App.ErrWriter, "pfkeycap: fuzz generate: %d messages of seed %d written to %s; the keys in it are generated and nobody's\n", w.Records(), c.Uint64("seed"), name)
	return nil
}

func generateHex(c *cli.Context, g *gen.Generator) error {
	out := bufio.NewWriterSize(c.App.Writer, 64<<10)
	fmt.Fprintf(out, "# pfkeycap fuzz generate --seed %d --dialect %v --order %s; the keys are generated and nobody's\n", c.Uint64("seed"), g.Codec().Dialect, g.Codec().Order.Abbrev())
	var line []byte
	err := eachGenerated(c, g, func(r *record.Record) error {
		line = append(append(line[:0], "# "...), r.Comments[0]...)
		line = append(line, '\n')
		line = hex.AppendEncode(line, r.Data)
		line = append(line, '\n')
		_, err := out.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	return out.Flush()
}
