package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
	kernjudge "github.com/pfkeycap/pfkeycap/replay/judge"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func fuzzKernelCommand() *cli.Command {
	return &cli.Command{
		Name:      "kernel",
		Usage:     "send messages to a Linux kernel and hold its verdict to the prediction",
		ArgsUsage: "[INPUT…]",
		Description: `Sends generated messages to the PF_KEY socket of a throwaway kernel in the sandbox, and
predicts for each whether it is accepted, or which errno comes and whether by answer or
by write(2). The prediction knows the rules of "decode --lint=linux" and keeps a model of
the kernel's SAs and policies. Of captures given as INPUT the requests are sent too, as
they are and changed.

What is found goes into DIR, one capture for each class of findings, cut down to the
messages it takes:

  disagreement   the kernel answers otherwise than predicted
  content        an answer, decoded, does not say what the request said
  reply          an answer is not like those of this kernel
  decoder        an answer is not decoded to its end, or encodes to other bytes
  leak           an answer has octets that nobody set: kernel memory
  crash, hang    the kernel panicked, warned, or did not answer; with its console

A run that was stopped goes on where it was when it is given the same DIR, seed and
INPUT; with a larger -n it is made longer. Exit status 1 means that something was found
that is not a known fault of the kernel.`,
		Flags: append([]cli.Flag{
			&cli.Uint64Flag{Name: "number", Aliases: []string{"n"}, Usage: "judge `N` messages", Value: 10000},
			&cli.Uint64Flag{Name: "seed", Usage: "what the messages are made from: `S` gives the same ones every time", Value: 1},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "keep findings and the state of the run in `DIR`"},
			&cli.DurationFlag{Name: "time", Usage: "stop after `D` (30s, 2h)"},
			&cli.DurationFlag{Name: "hang", Usage: "a kernel that does not answer for `D` hangs", Value: 30 * time.Second},
			&cli.DurationFlag{Name: "progress", Usage: "write a line of progress every `D` also if standard error is no terminal"},
			&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "print the summary as `FORM`: text or json", Value: "text"},
			&cli.BoolFlag{Name: "allow-flush", Usage: "with --target here: empty the running kernel's SAs and policies, again and again"},
			targetFlag(), sandboxFlag(), kernelFlag(),
		}, inputFlags()...),
		Action: fuzzKernel,
	}
}

func fuzzKernel(c *cli.Context) error {
	dir := c.String("output")
	if dir == "" {
		return usagef("where to? -o DIR")
	}
	format, err := formatOf(c, "text", "json")
	if err != nil {
		return err
	}
	where, err := target(c, "sandbox")
	if err != nil {
		return err
	}
	if where == "here" && !c.Bool("allow-flush") {
		return usagef("the running kernel's SAs and policies would be deleted: --allow-flush allows it (the default target is a throwaway kernel)")
	}
	if where != "here" && where != "sandbox" {
		return runIn(c, where)
	}
	kernel, err := sandboxKernel(c)
	if err != nil {
		return err
	}
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
	recorded, err := recordedRequests(c, codec)
	if err != nil {
		return err
	}
	source := kernjudge.NewSource(codec, c.Uint64("seed"), recorded)
	ctx := c.Context
	if d := c.Duration("time"); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	p := newFuzzProgress(c)
	sum, err := kernjudge.Run(ctx, kernjudge.Options{
		Count: c.Uint64("number"), Seed: c.Uint64("seed"), Source: source.String(), Message: source.Append,
		Dir: dir, Hang: c.Duration("hang"), Progress: p.show,
		Open: func(ctx context.Context) (kernjudge.Kernel, error) { return openJudged(ctx, where, kernel) },
	})
	p.terminal.end()
	if sum == nil {
		if errors.Is(err, kernjudge.ErrOtherRun) {
			return usagef("%w", err)
		}
		return err
	}
	if format == "json" {
		e := json.NewEncoder(c.App.Writer)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		err = errors.Join(err, e.Encode(sum))
	} else {
		err = errors.Join(err, sum.WriteText(c.App.Writer))
	}
	if err == nil && sum.Next < sum.Count {
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: fuzz kernel: stopped; the same command goes on with message %d\n", sum.Next)
	}
	switch {
	case errors.Is(err, kernjudge.ErrGivenUp):
		return &statusError{exitFound, err}
	case err != nil:
		return err
	case sum.News() > 0:
		return found()
	}
	return nil
}

// recordedRequests are the requests of the captures that were named, in the byte order
// of a codec and with stand-ins for keys, if the captures have them.
func recordedRequests(c *cli.Context, codec layers.Codec) (list [][]byte, err error) {
	for _, name := range c.Args().Slice() {
		n, skipped := len(list), 0
		in, err := openInputWith(c, name, false)
		if err != nil {
			return nil, err
		}
		for {
			r, err := in.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				in.Close()
				return nil, inputError(in.name, err)
			}
			if in.Role() != trace.Request {
				continue
			}
			b, err := layers.Transcode(nil, r.Codec, layers.Codec{Dialect: r.Codec.Dialect, Order: codec.Order}, r.Data)
			if err != nil || r.Codec.Dialect != codec.Dialect || r.OrigLen > len(r.Data) {
				skipped++
				continue
			}
			list = append(list, b)
		}
		in.Close()
		if len(list) == n || skipped > 0 {
			fmt.Fprintf(c.App.ErrWriter, "pfkeycap: fuzz kernel: %s: %d requests taken, %d left out (cut short, not of Linux, or of the other byte order and not decodable)\n",
				in.name, len(list)-n, skipped)
		}
	}
	if len(list) == 0 && c.NArg() > 0 {
		return nil, usagef("no whole request to Linux in any INPUT")
	}
	return list, nil
}

// openJudged starts a kernel that is to be judged by.
func openJudged(ctx context.Context, where string, kernel sandbox.Kernel) (kernjudge.Kernel, error) {
	if where == "sandbox" {
		return openJudgedSandbox(ctx, kernel)
	}
	t, err := openKernel()
	if err != nil {
		return nil, err
	}
	return hereKernel{t}, nil
}

// judgedSandbox is the kernel of a sandbox, which a copy of this program inside talks
// to.
type judgedSandbox struct {
	*kernjudge.Remote
	cmd     *sandbox.Cmd
	stderr  strings.Builder
	console string
}

const serveKernel = "serve-kernel"

func openJudgedSandbox(ctx context.Context, kernel sandbox.Kernel) (kernjudge.Kernel, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, machinef("%w", err)
	}
	k := new(judgedSandbox)
	k.cmd = &sandbox.Cmd{Args: []string{self, serveKernel}, Kernel: kernel, Stderr: &k.stderr}
	in, err := k.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := k.cmd.Start(ctx); err != nil {
		if errors.Is(err, sandbox.ErrNoKernel) {
			return nil, machinef("%w; or name another target: --target netns:new is the running kernel in a fresh network namespace, --target here as it is", err)
		}
		return nil, machinef("%w", err)
	}
	if k.Remote, err = kernjudge.Connect(ctx, out, in); err != nil {
		_, werr := k.cmd.Wait()
		return nil, machinef("the sandbox does not answer: %w", errors.Join(err, werr, errors.New(strings.TrimSpace(k.stderr.String()))))
	}
	return k, nil
}

// Console returns the end of what the kernel printed, once it has ended badly.
func (k *judgedSandbox) Console() string { return k.console }

// Close ends the sandbox.
func (k *judgedSandbox) Close() error {
	err := k.Remote.Close()
	_, werr := k.cmd.Wait()
	var e *sandbox.Error
	if errors.As(werr, &e) {
		k.console = e.Console
	}
	return errors.Join(err, werr)
}

// serveKernelCommand serves the kernel of the sandbox to a judge outside of it, over
// its standard streams.
func serveKernelCommand() *cli.Command {
	return &cli.Command{
		Hidden: true,
		Action: func(c *cli.Context) error {
			if !sandbox.Inside() {
				return machinef("only the kernel of a sandbox may be made to panic")
			}
			if err := kernjudge.Strict(); err != nil {
				return machinef("%w", err)
			}
			t, err := openKernel()
			if err != nil {
				return err
			}
			defer t.Close()
			return kernjudge.Serve(c.Context, c.App.Reader, c.App.Writer, t)
		},
	}
}

// hereKernel is the running kernel, whose console is nobody's to read.
type hereKernel struct{ replay.Target }

func (hereKernel) Console() string { return "" }

// fuzzProgress shows how far a run is: on a terminal all the time, elsewhere a line
// now and then if that was asked for.
type fuzzProgress struct {
	w        io.Writer
	terminal *progress
	every    time.Duration
	next     time.Time
}

func newFuzzProgress(c *cli.Context) *fuzzProgress {
	p := &fuzzProgress{w: c.App.ErrWriter, terminal: newProgress(c.App.ErrWriter), every: c.Duration("progress")}
	p.next = time.Now().Add(p.every)
	return p
}

func (p *fuzzProgress) show(s *kernjudge.Summary) {
	const format = "%d of %d messages, %.0f a second, agreement %.4f %%, %d classes found, %d of them new"
	args := []any{s.Next, s.Count, s.Rate(), 100 * s.Agreement(), len(s.Classes), s.News()}
	p.terminal.say(format, args...)
	if p.every > 0 && !time.Now().Before(p.next) {
		p.next = time.Now().Add(p.every)
		p.terminal.end()
		fmt.Fprintf(p.w, "pfkeycap: fuzz kernel: "+format+"\n", args...)
	}
}
