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

	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/kernel"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "send a capture's requests to a kernel and compare its answers",
		ArgsUsage: "FILE",
		Description: `Sends the recorded requests, one after the other, to a fresh kernel in the sandbox
(--target here: to the running one) and compares what it answers with what was
recorded, field by field:

  equal              the same bytes
  volatile           only fields differ that never agree: times, counters, pids …
  not-reproducible   events and changes that no request made, and what hangs on them
  different          the kernel does something else: exit status 1

True keys are sent if the side file is there, else stand-ins.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print the plan, send nothing"},
			&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text or json", Value: "text"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "volatile differences too"},
			&cli.BoolFlag{Name: "allow-flush", Usage: "with --target here: let the replay flush, and delete what it did not make"},
			&cli.DurationFlag{Name: "timeout", Usage: "give up after `TIME`", Value: 5 * time.Minute},
			targetFlag(), sandboxFlag(),
		}, inputFlags()...),
		Action: replayAction,
	}
}

func replayAction(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("want one FILE")
	}
	asJSON := false
	switch f := c.String("format"); f {
	case "text":
	case "json":
		asJSON = true
	default:
		return usagef("unknown format %q: want text or json", f)
	}
	t, err := target(c, "sandbox")
	if err != nil {
		return err
	}
	plan, err := planOf(c, c.Args().First())
	if err != nil {
		return err
	}
	w := c.App.Writer
	if c.Bool("dry-run") {
		if asJSON {
			return json.NewEncoder(w).Encode(plan)
		}
		return plan.WriteText(w)
	}
	if t == "here" && !c.Bool("allow-flush") {
		if n := plan.Destroys(); n != 0 {
			return usagef("record %d removes what the replay did not make: --allow-flush lets it do that to the running kernel (the default target is a throwaway one)", n)
		}
	}
	report, err := replayPlan(c, plan, t)
	if report != nil {
		if asJSON {
			err = errors.Join(err, json.NewEncoder(w).Encode(report))
		} else {
			err = errors.Join(err, report.WriteText(w, c.Bool("verbose")))
		}
	}
	if err != nil {
		return err
	}
	if report.Different > 0 {
		return found()
	}
	return nil
}

// planOf makes the plan of a capture.
func planOf(c *cli.Context, name string) (*replay.Plan, error) {
	in, err := openInput(c, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	plan, err := replay.NewPlan(in, replay.PlanOptions{})
	if errors.Is(err, replay.ErrNoRequests) {
		return nil, usagef("%s: %w", in.name, err)
	}
	if err != nil {
		return nil, err
	}
	if plan.Keys == "stand-ins" {
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: replay: %s has no side file: its stand-ins are sent in place of keys\n", in.name)
	}
	return plan, nil
}

// replayPlan runs a plan against a target.
func replayPlan(c *cli.Context, plan *replay.Plan, where string) (*replay.Report, error) {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	if d := c.Duration("timeout"); d > 0 {
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	var t replay.Target
	var err error
	if where == "here" {
		t, err = openKernel()
	} else {
		t, err = openSandbox(ctx, c.App.ErrWriter)
	}
	if err != nil {
		return nil, err
	}
	p := newProgress(c.App.ErrWriter)
	send, _, _ := plan.Counts()
	n := 0
	report, err := replay.Run(ctx, plan, t, replay.RunOptions{Before: func(context.Context, *replay.Step) error {
		n++
		p.say("%d of %d messages", n, send)
		return nil
	}})
	p.end()
	if cerr := t.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("gave up after %v: %w", c.Duration("timeout"), err)
	}
	if err != nil {
		err = &statusError{exitDamage, err}
	}
	return report, err
}

// openKernel is the running kernel as a target.
func openKernel() (replay.Target, error) {
	t, err := kernel.Open(kernel.Options{})
	if errors.Is(err, keysock.ErrNoPFKEY) || errors.Is(err, keysock.ErrPermission) {
		return nil, machinef("%w%s", err, sandboxAdvice())
	}
	return t, err
}

// targetCommand serves the kernel of the sandbox to a replay outside of it, over
// its standard streams.
func targetCommand() *cli.Command {
	return &cli.Command{
		Name:   "serve-target",
		Hidden: true,
		Action: func(c *cli.Context) error {
			t, err := openKernel()
			if err != nil {
				return err
			}
			defer t.Close()
			return replay.Serve(c.Context, c.App.Reader, c.App.Writer, t)
		},
	}
}

// sandboxTarget is the kernel of a sandbox as a target.
type sandboxTarget struct {
	replay.Target
	cmd    *sandbox.Cmd
	stdin  io.Closer
	stderr *strings.Builder
}

// openSandbox boots a fresh kernel and talks to it through a copy of this program
// inside.
func openSandbox(ctx context.Context, stderr io.Writer) (replay.Target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, machinef("%w", err)
	}
	t := &sandboxTarget{stderr: new(strings.Builder)}
	t.cmd = &sandbox.Cmd{Args: []string{self, "serve-target"}, Stderr: t.stderr}
	in, err := t.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.stdin = in
	if err := t.cmd.Start(ctx); err != nil {
		if errors.Is(err, sandbox.ErrNoKernel) {
			return nil, machinef("%w; or name another target: --target here is the running kernel", err)
		}
		return nil, machinef("%w", err)
	}
	if t.Target, err = replay.NewRemote(ctx, out, in); err != nil {
		in.Close()
		_, werr := t.cmd.Wait()
		return nil, machinef("the sandbox does not answer: %w", errors.Join(err, werr, errors.New(strings.TrimSpace(t.stderr.String()))))
	}
	return t, nil
}

// Close ends the sandbox.
func (t *sandboxTarget) Close() error {
	err := t.Target.Close()
	t.stdin.Close()
	status, werr := t.cmd.Wait()
	if werr != nil {
		return werr
	}
	if status != 0 {
		return fmt.Errorf("the target in the sandbox ended with status %d: %s", status, strings.TrimSpace(t.stderr.String()))
	}
	return err
}
