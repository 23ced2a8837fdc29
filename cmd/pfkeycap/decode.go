package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

func decodeCommand() *cli.Command {
	return &cli.Command{
		Usage:     "print the messages of a capture",
		ArgsUsage: "FILE…",
		Description: `Reads captures (pcapng, pcap), JSON lines as -T json writes them, or with --hex one
message a line; "-" is standard input. Files may be compressed (zstd, gzip), and a
pattern in quotes stands for many. Those of one recording are read as one; --merge reads
several side by side, by time. Prints one line for each message:

  #43 10:00:00.123501 < ADD esp 10.0.0.1 > 10.0.0.2 spi=0x00001234 … re=#42 +45us

">" is to the kernel, "<" from it, "?" not known. Lifetimes are there when they are
set: soft=50m hard=1h,1000000B (from the start, use:TIME from the first use, bytes,
allocations:N), and of what lives age=, left= until the hard limit, and bytes=. The second copies that a
promiscuous socket gets are left out of text (--keep-duplicates shows them); what it
gets wrapped, on other systems than Linux, comes after "holds". Keys are never shown
without --show-keys.

Whose numbers and which byte order they are a capture says, or else the bytes tell,
or --dialect and --order do. What the bytes contradict is said on standard error and,
with -T json, as the problem other-dialect; what they do not tell apart is said, too.

--lint names below each message what is wrong with it: what the kernel of its system
objects to, and in requests what RFC 2367 does. --lint=OS asks for another system:
what its kernel would refuse (with its errno), and what would mean something else
there: numbers, structures, address families, byte order. --lint=xfrm asks what is lost
on the way off PF_KEY, as convert -F ip-xfrm says it. With -T json problems have
all of it; -T fields and csv get a last column, problems, of CODE@OFFSET. -v says what
would work instead. The exit status is 1 if anything is found.

--follow spi=N (or 0xN), pid=N or seq=N shows only what belongs to an SPI, a process
or a sequence number: the messages that name it, the requests that such a message
answers, and all answers to them. --stats counts instead of printing messages: by
type, errno and process, how many a second, and how long answers took (percentiles,
to 1/16; of a dump the first answer); -T json has the same as one object.

A malformed message is no error. A damaged file is: what is whole is printed, the
place is named, and the exit status is 4.`,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "read", Aliases: []string{"r"}, Usage: "read `FILE` (as an operand)"},
			&cli.Uint64Flag{Name: "count", Aliases: []string{"c"}, Usage: "stop after `N` messages", DefaultText: "all"},
			&optional{StringFlag: &cli.StringFlag{Name: "lint", Usage: "name what the kernel and RFC 2367 object to (=`OS`: what another system would refuse or read differently; =xfrm: what ip-xfrm(8) cannot say); exit 1 if there is anything"}},
			&cli.StringFlag{Name: "display-filter", Aliases: []string{"Y"}, Usage: "only what `EXPR` is true for, such as 'type == \"ACQUIRE\" && cidr(dst, \"10.0.0.0/8\")'"},
			&cli.StringFlag{Name: "follow", Usage: "only what belongs to `WHAT`: spi=N, pid=N or seq=N"},
			&cli.BoolFlag{Name: "stats", Usage: "count by type, errno and process, with rates and latencies, instead of printing messages"},
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write the messages to the capture `FILE` instead, numbers and keys kept"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE of -w and its side file"},
			mergeFlag(),
			&cli.BoolFlag{Name: "keep-duplicates", Usage: "print the second copies too"},
		}, outputFlags("t")...), inputFlags()...),
		Action: decode,
	}
}

func decode(c *cli.Context) error {
	files := c.Args().Slice()
	if f := c.String("read"); f != "" {
		files = append(files, f)
	}
	if len(files) == 0 {
		return usagef("which file? (\"-\" is standard input)")
	}
	in, err := openInputs(c, files)
	if err != nil {
		return err
	}
	defer in.Close()
	var match *filter.Filter
	if expr := c.String("display-filter"); expr != "" {
		if match, err = filter.Compile(expr, filter.Options{ID: in.ids}); err != nil {
			return usagef("%w", err)
		}
	}
	var source record.Source = in
	if what := c.String("follow"); what != "" {
		f, err := parseFollow(what)
		if err != nil {
			return err
		}
		f.source, source = in, f
	}
	if c.Bool("stats") {
		if c.IsSet("lint") || c.IsSet("write") {
			return usagef("--stats counts messages: it goes neither with --lint nor with -w")
		}
		return count(c, source, match)
	}
	if c.IsSet("write") {
		if c.IsSet("lint") {
			return usagef("--lint prints, -w does not: use one of them")
		}
		return cut(c, in, source, match)
	}
	newLinter := func() (*linter, error) {
		p, err := newPrinter(c, in.ids)
		if err != nil {
			return nil, err
		}
		return newLinter(c, p)
	}
	lint, err := newLinter()
	if err != nil {
		return err
	}
	p := lint.p
	if in.file && !isTerminal(standardOutput(c)) {
		p.flush = 64 << 10
	}
	p.judge = func() *judge { return in.judge }
	print, done := lint.record, p.done
	if !c.IsSet("count") {
		if q := newPipeline(in, lint, newLinter); q != nil {
			defer q.stop()
			print, done = q.record, q.done
		}
	}
	limit := c.Uint64("count")
	var n uint64
	for limit == 0 || n < limit {
		r, err := source.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(done(), err)
		}
		if r.TwinOf != 0 && p.isText() && !c.Bool("keep-duplicates") || match != nil && !match.Match(r) {
			p.remember(r)
			continue
		}
		n++
		if err := print(r); err != nil {
			return err
		}
	}
	if err := done(); err != nil {
		return err
	}
	return lint.done(c.App.ErrWriter)
}

// cut copies the records that match into a capture. Second copies stay in it: what
// is one is found out again.
func cut(c *cli.Context, in *input, source record.Source, match *filter.Filter) error {
	w, err := newCut(c, in)
	if err != nil {
		return err
	}
	limit := c.Uint64("count")
	var rerr error
	for n := uint64(0); limit == 0 || n < limit; {
		var r *record.Record
		if r, rerr = source.Next(); rerr != nil {
			break
		}
		if match != nil && !match.Match(r) {
			continue
		}
		if err := w.Append(r); err != nil {
			return errors.Join(&statusError{exitDamage, err}, w.Close())
		}
		n++
	}
	if rerr == io.EOF {
		rerr = nil
	}
	if err := w.Close(); err != nil {
		return &statusError{exitDamage, err}
	}
	fmt.Fprintf(c.App.ErrWriter, "pfkeycap: decode: %d messages written to %s\n", w.Records(), c.String("write"))
	return rerr
}

// count prints statistics of the records that match.
func count(c *cli.Context, source record.Source, match *filter.Filter) error {
	format, err := formatOf(c, "text", "tree", "json")
	if err != nil {
		return fmt.Errorf("--stats: %w", err)
	}
	s := newStatistics()
	limit := c.Uint64("count")
	var rerr error
	for limit == 0 || s.messages < limit {
		var r *record.Record
		if r, rerr = source.Next(); rerr != nil {
			break
		}
		if match == nil || match.Match(r) {
			s.add(r)
		}
	}
	if rerr == io.EOF {
		rerr = nil
	}
	if format == "json" {
		err = s.printJSON(c.App.Writer)
	} else {
		err = s.print(c.App.Writer)
	}
	return errors.Join(err, rerr)
}
