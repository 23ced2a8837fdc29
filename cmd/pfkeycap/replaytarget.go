package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay"
	kernjudge "github.com/pfkeycap/pfkeycap/replay/judge"
	"github.com/pfkeycap/pfkeycap/replay/kernel"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

// runner is a target together with the way to it.
type runner interface {
	Run(ctx context.Context, p *replay.Plan, o replay.RunOptions) (*replay.Report, error)
	Close() error
}

func openTarget(ctx context.Context, c *cli.Context, where string, plan *replay.Plan) (runner, error) {
	system := layers.Linux // in the sandbox
	if where == "here" {
		system = hostCodec().Dialect
	}
	if plan.Dialect != system.String() {
		return nil, machinef("the capture is of %s, and this kernel is of %v: replay it on %[1]s with --target here; -n prints what would be sent", plan.Dialect, system)
	}
	if where == "here" {
		t, err := openKernel()
		if err != nil {
			return nil, err
		}
		return kernelRunner{t}, nil
	}
	kernel, err := sandboxKernel(c)
	if err != nil {
		return nil, err
	}
	return openSandbox(ctx, plan, kernel)
}

// kernelRunner runs plans against the running kernel.
type kernelRunner struct{ replay.Target }

func (r kernelRunner) Run(ctx context.Context, p *replay.Plan, o replay.RunOptions) (*replay.Report, error) {
	return replay.Run(ctx, p, r.Target, o)
}

// openKernel is the running kernel as a target.
func openKernel() (replay.Target, error) {
	t, err := kernel.Open(kernel.Options{})
	if errors.Is(err, keysock.ErrNoPFKEY) || errors.Is(err, keysock.ErrPermission) {
		return nil, machinef("%w%s", err, sandboxAdvice())
	}
	return t, err
}

// serveTarget is the name of targetCommand; with the flag a warning of the kernel is
// its end.
const (
	serveTarget = "serve-target"
	strictFlag  = "strict"
)

// targetCommand runs replays inside the sandbox for one outside of it, which it
// talks to over its standard streams.
func targetCommand() *cli.Command {
	return &cli.Command{
		Hidden: true,
		Flags:  []cli.Flag{&cli.BoolFlag{Name: strictFlag}},
		Action: func(c *cli.Context) error {
			switch {
			case sandbox.Inside() && c.Bool(strictFlag):
				if err := kernjudge.Strict(); err != nil {
					return machinef("%w", err)
				}
			case sandbox.Inside():
				// An oops would end only the process that asked, and the reason be lost.
				if err := os.WriteFile("/proc/sys/kernel/panic_on_oops", []byte("1"), 0o644); err != nil {
					return machinef("%w", err)
				}
			}
			t, err := openKernel()
			if err != nil {
				return err
			}
			defer t.Close()
			// With one processor, as the guest has, the Go scheduler takes it from a thread
			// that is in a system call for long and gives it back after; with a second one
			// that is idle it does not. That makes a fourth of the rate.
			runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
			return replay.Serve(c.Context, c.App.Reader, c.App.Writer, t, check.Explain)
		},
	}
}

// sandboxRunner runs plans inside a sandbox.
type sandboxRunner struct {
	*replay.Remote
	cmd    *sandbox.Cmd
	kill   context.CancelFunc
	stderr *strings.Builder
}

// openSandbox boots a fresh kernel with a copy of this program inside, which gets the
// flags.
func openSandbox(ctx context.Context, plan *replay.Plan, kernel sandbox.Kernel, flags ...string) (runner, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, machinef("%w", err)
	}
	t := &sandboxRunner{stderr: new(strings.Builder)}
	t.cmd = &sandbox.Cmd{Args: append([]string{self, serveTarget}, flags...), Stderr: t.stderr, Kernel: kernel, Memory: 256 + plan.Memory()>>20}
	in, err := t.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// When ctx ends there still is a report to be had, so it does not kill the guest.
	var guest context.Context
	guest, t.kill = context.WithCancel(context.WithoutCancel(ctx))
	if err := t.cmd.Start(guest); err != nil {
		if errors.Is(err, sandbox.ErrNoKernel) {
			return nil, machinef("%w; or name another target: --target netns:new is the running kernel in a fresh network namespace, --target here as it is", err)
		}
		return nil, machinef("%w", err)
	}
	if t.Remote, err = replay.NewRemote(ctx, out, in); err != nil {
		t.kill()
		_, _ = t.cmd.Wait()
		if ctx.Err() != nil {
			return nil, &statusError{exitDamage, fmt.Errorf("replay stopped before the first request: %w", context.Cause(ctx))}
		}
		return nil, machinef("the sandbox does not answer: %w", errors.Join(err, errors.New(strings.TrimSpace(t.stderr.String()))))
	}
	return t, nil
}

// sandboxPatience is how long a guest may take to end.
const sandboxPatience = 3 * time.Second

// Close ends the sandbox.
func (t *sandboxRunner) Close() error {
	err := t.Remote.Close()
	defer time.AfterFunc(sandboxPatience, t.kill).Stop()
	status, werr := t.cmd.Wait()
	t.kill()
	if werr != nil {
		return werr
	}
	if status != 0 {
		return fmt.Errorf("the target in the sandbox ended with status %d: %s", status, strings.TrimSpace(t.stderr.String()))
	}
	return err
}
