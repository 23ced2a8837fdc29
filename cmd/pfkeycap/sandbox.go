package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func sandboxCommand() *cli.Command {
	return &cli.Command{
		Usage:     "run a command inside a throwaway Linux kernel that has PF_KEY",
		ArgsUsage: "[-- COMMAND…]",
		Description: `Boots a User-Mode Linux kernel, runs COMMAND in it (without one: a shell) and ends
with its exit status. The command sees this machine's files, read-only except for
the working directory; the network is a loopback interface with IPsec on it.
Nothing it does to its kernel lasts.`,
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "timeout", Usage: "end the command after `TIME` (30s, 5m)"},
			&cli.StringSliceFlag{Name: "writable", Usage: "let the command write in `DIR` too"},
			kernelFlag(),
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
	kernel, err := sandboxKernel(c)
	if err != nil {
		return err
	}
	cmd := &sandbox.Cmd{
		Args:     command,
		Kernel:   kernel,
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
	return &cli.StringFlag{Name: "target", Usage: "where: `T` is here, sandbox, netns:new (a fresh network namespace), or netns:NAME, netns:PID or netns:PATH"}
}

func sandboxFlag() cli.Flag {
	return &cli.BoolFlag{Name: "sandbox", Usage: "short for --target sandbox"}
}

func kernelFlag() cli.Flag {
	return &cli.StringFlag{Name: "kernel", Usage: "the sandbox's kernel: a User-Mode Linux executable `FILE`"}
}

// inNetNS begins the name of a target that is a network namespace; freshNetNS is a
// new one.
const (
	inNetNS    = "netns:"
	freshNetNS = inNetNS + "new"
)

// target returns where a command is to work, or fallback if that is not said.
func target(c *cli.Context, fallback string) (string, error) {
	t := c.String("target")
	for _, short := range [2]string{"sandbox", "kernel"} {
		if !c.IsSet(short) || short == "sandbox" && !c.Bool(short) {
			continue
		}
		if t != "" && t != "sandbox" {
			return "", usagef("--%s contradicts --target %s", short, t)
		}
		t = "sandbox"
	}
	switch {
	case t == "":
		return fallback, nil
	case t == "here", t == "sandbox", strings.HasPrefix(t, inNetNS) && t != inNetNS:
		return t, nil
	}
	return "", usagef("unknown target %q: want here, sandbox, netns:new, or netns: with the name, the pid or the path of a namespace", t)
}

// sandboxKernel is the kernel of --kernel; without that the one which is installed.
func sandboxKernel(c *cli.Context) (sandbox.Kernel, error) {
	file := c.String("kernel")
	if file == "" {
		return sandbox.Kernel{}, nil
	}
	k, err := sandbox.KernelAt(file)
	if err != nil {
		return k, usagef("--kernel: %w", err)
	}
	return k, nil
}

// inTarget runs the command that c is in another kernel or network namespace if the
// user asked for that, by starting this program there again, and reports whether it
// did.
func inTarget(c *cli.Context) (elsewhere bool, err error) {
	t, err := target(c, "here")
	if err != nil || t == "here" {
		return err != nil, err
	}
	return true, runIn(c, t)
}

// runIn runs the command that c is in the target t, which is not here.
func runIn(c *cli.Context, t string) error {
	self, err := os.Executable()
	if err != nil {
		return machinef("%w", err)
	}
	ns, isNetNS := strings.CutPrefix(t, inNetNS)
	args := []string{c.Command.Name}
	for _, above := range c.Lineage()[1:] { // of a command within another
		if above.Command != nil && above.Command.Name != "" && above.Command.Name != c.App.Name && above.Command.Name != args[0] {
			args = append([]string{above.Command.Name}, args...)
		}
	}
	args = append([]string{self}, args...)
	if isNetNS {
		args = append(args, "--target=here")
	}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		switch name {
		case "target", "sandbox", "kernel":
			continue
		case "allow-flush":
			if t == freshNetNS { // there is nothing in it to be sorry for
				args = append(args, "--"+name)
				continue
			}
		}
		if c.IsSet(name) {
			args = append(args, flagArgs(c, f)...)
		}
	}
	operands, command := split(c.Args().Slice())
	args = append(args, operands...)
	if command != nil {
		args = append(append(args, "--"), command...)
	}
	if isNetNS {
		return runInNetNS(c, ns, args)
	}
	return runInSandbox(c, args, 0, nil)
}

// flagArgs are the arguments that set a flag as it is set in c.
func flagArgs(c *cli.Context, f cli.Flag) (args []string) {
	name := f.Names()[0]
	switch list := c.StringSlice(name); {
	case !takesValue(f):
		for range max(1, c.Count(name)) {
			args = append(args, "--"+name)
		}
	case len(list) > 0:
		for _, v := range list {
			args = append(args, "--"+name+"="+v)
		}
	default:
		args = append(args, fmt.Sprintf("--%s=%v", name, c.Value(name)))
	}
	return args
}

// sandboxAdvice says whether the sandbox would do.
func sandboxAdvice() string {
	if _, err := sandbox.Find(); err == nil {
		return "; a sandbox kernel is installed: try --sandbox"
	}
	return ""
}
