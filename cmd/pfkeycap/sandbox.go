package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func sandboxCommand() *cli.Command {
	return &cli.Command{
		Name:      "sandbox",
		Usage:     "run a command inside a throwaway Linux kernel that has PF_KEY",
		ArgsUsage: "[-- COMMAND…]",
		Description: `Boots a User-Mode Linux kernel, runs COMMAND in it (without one: a shell) and ends
with its exit status. The command sees this machine's files, read-only except for
the working directory; the network is a loopback interface with IPsec on it.
Nothing it does to its kernel lasts.`,
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "timeout", Usage: "end the command after `TIME` (30s, 5m)"},
			&cli.StringSliceFlag{Name: "writable", Usage: "let the command write in `DIR` too"},
		},
		Action: func(c *cli.Context) error {
			operands, command := split(c.Args().Slice())
			if len(operands) > 0 {
				command = append(operands, command...)
			}
			return runInSandbox(c, command, c.Duration("timeout"), c.StringSlice("writable"))
		},
	}
}

// ownFailure is the exit status when pfkeycap itself fails while it runs another
// command, whose own statuses are any of the smaller ones (env(1)). That nothing
// could be started at all stays 2 or 3.
const ownFailure = 125

// runInSandbox runs a command line there with our streams. Its exit status
// becomes ours.
func runInSandbox(c *cli.Context, command []string, timeout time.Duration, writable []string) error {
	cmd := &sandbox.Cmd{
		Args:     command,
		Stdin:    c.App.Reader,
		Stdout:   standardOutput(c), // the sandbox has to see whether it is a terminal
		Stderr:   c.App.ErrWriter,
		Timeout:  timeout,
		Writable: writable,
	}
	status, err := runRelayed(c.Context, cmd)
	if errors.Is(err, sandbox.ErrNoKernel) {
		return machinef("%w", err)
	}
	if errors.Is(err, context.Canceled) {
		return &statusError{ownFailure, errors.New("interrupted")}
	}
	if err != nil {
		return &statusError{ownFailure, err}
	}
	if status != 0 {
		return &statusError{status: status}
	}
	return nil
}

// runRelayed runs a command whose signals are ours: it is to end as cleanly as it
// would here. The second one that asks for an end gets it.
func runRelayed(ctx context.Context, cmd *sandbox.Cmd) (status int, err error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if err := cmd.Start(ctx); err != nil {
		return -1, err
	}
	stop := stopSignals()
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, slices.Concat(stop, countSignals, syncSignals)...)
	done := make(chan struct{})
	go func() {
		asked := false
		for {
			select {
			case sig := <-ch:
				if slices.Contains(stop, sig) {
					if asked {
						cancel()
					}
					asked = true
				}
				_ = cmd.Signal(sig) // it may have ended
			case <-done:
				return
			}
		}
	}()
	defer func() {
		signal.Stop(ch)
		close(done)
	}()
	return cmd.Wait()
}

func targetFlag() cli.Flag {
	return &cli.StringFlag{Name: "target", Usage: "where: `T` is here or sandbox"}
}

func sandboxFlag() cli.Flag {
	return &cli.BoolFlag{Name: "sandbox", Usage: "short for --target sandbox"}
}

// target returns where a command is to work, or fallback if that is not said.
func target(c *cli.Context, fallback string) (string, error) {
	t := c.String("target")
	if c.Bool("sandbox") {
		if t != "" && t != "sandbox" {
			return "", usagef("--sandbox contradicts --target %s", t)
		}
		t = "sandbox"
	}
	switch t {
	case "":
		return fallback, nil
	case "here", "sandbox":
		return t, nil
	}
	return "", usagef("unknown target %q: want here or sandbox", t)
}

// inTarget runs the command that c is in the sandbox if the user asked for that,
// by starting this program there again, and reports whether it did.
func inTarget(c *cli.Context) (elsewhere bool, err error) {
	t, err := target(c, "here")
	if err != nil || t == "here" {
		return err != nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return true, machinef("%w", err)
	}
	args := []string{self, c.Command.Name}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if name == "target" || name == "sandbox" || !c.IsSet(name) {
			continue
		}
		for range max(1, c.Count(name)) {
			if !takesValue(f) {
				args = append(args, "--"+name)
				continue
			}
			if list := c.StringSlice(name); len(list) > 0 {
				for _, v := range list {
					args = append(args, "--"+name+"="+v)
				}
				continue
			}
			args = append(args, fmt.Sprintf("--%s=%v", name, c.Value(name)))
		}
	}
	operands, command := split(c.Args().Slice())
	args = append(args, operands...)
	if command != nil {
		args = append(append(args, "--"), command...)
	}
	return true, runInSandbox(c, args, 0, nil)
}

// sandboxAdvice says whether the sandbox would do.
func sandboxAdvice() string {
	if _, err := sandbox.Find(); err == nil {
		return "; a sandbox kernel is installed: try --sandbox"
	}
	return ""
}
