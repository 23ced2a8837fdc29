package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/replay"
	kernjudge "github.com/pfkeycap/pfkeycap/replay/judge"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

// minimizable returns an error if --minimize is set with flags that do not go with it.
func minimizable(c *cli.Context, target string) error {
	if !c.Bool("minimize") {
		if c.IsSet("tries") {
			return usagef("--tries is for --minimize")
		}
		return nil
	}
	for _, name := range []string{"dry-run", "loop", "limit", "duration"} {
		if c.IsSet(name) {
			return usagef("--%s and --minimize exclude each other", name)
		}
	}
	switch {
	case c.String("write") == "":
		return usagef("--minimize wants the FILE to write to: -w FILE")
	case target != "sandbox":
		return usagef("--minimize needs a fresh kernel for every try, and has no use for --target %s: only the sandbox is one", target)
	case c.Int("tries") <= 0:
		return usagef("--tries wants a positive number")
	}
	return nil
}

// minimize looks for the fewest requests of a plan whose replay into a sandbox still
// shows what that of all of them does, and writes them to the capture of -w. damage is
// what kept the rest of the capture from being in the plan.
func minimize(c *cli.Context, plan *planned, damage error, o replay.RunOptions, asJSON bool) error {
	kernel, err := sandboxKernel(c)
	if err != nil {
		return err
	}
	small, err := newAnswers(c, plan)
	if err != nil {
		return err
	}
	patience := c.Duration("timeout")
	if !c.IsSet("timeout") {
		patience = minimizePatience
	}
	ctx, cancel := interruptible(c)
	defer cancel()
	p := newProgress(c.App.ErrWriter)
	m, err := replay.Minimize(ctx, plan.Plan, replay.MinimizeOptions{
		Tries: c.Int("tries"),
		Try: func(ctx context.Context, part *replay.Plan) (*replay.Report, error) {
			return runPlan(ctx, patience, part, o, func(ctx context.Context) (runner, error) {
				return openSandbox(ctx, part, kernel, "--"+strictFlag)
			})
		},
		Failure: targetEnd,
		Progress: func(tries, requests int) {
			p.say("%d tries, %d requests are enough", tries, requests)
		},
	})
	p.end()
	nothing := errors.Is(err, replay.ErrNothingFound)
	chance := errors.Is(err, replay.ErrNotAgain)
	if m.Finding != "" && !chance {
		for _, r := range m.Records {
			small.append(r)
		}
	}
	if cerr := small.close(); cerr != nil {
		return errors.Join(err, cerr)
	}
	switch {
	case nothing:
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: replay: nothing is different, so there is nothing to minimize, and %s is not written\n", small.name)
		if asJSON {
			return errors.Join(encodeJSON(c.App.Writer, m.Report), damage)
		}
		return errors.Join(m.Report.WriteText(c.App.Writer, c.Bool("verbose")), damage)
	case chance:
		return errors.Join(damage, &statusError{exitFound, fmt.Errorf("%s: %w, and %s is not written", m.Finding, err, small.name)})
	case m.Finding == "" && ctx.Err() != nil:
		return errors.Join(&statusError{exitDamage, err}, damage)
	case m.Finding == "":
		return errors.Join(err, damage)
	}
	if m.Err != nil {
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: replay: the whole capture: %v\n", m.Err)
	}
	if asJSON {
		err = errors.Join(err, encodeJSON(c.App.Writer, m))
	} else {
		fewer := "none of them can be left out"
		if !m.Minimal {
			fewer = "fewer may be enough"
		}
		_, werr := fmt.Fprintf(c.App.Writer, "finding: %s\nminimized: %d of %d requests are enough, with their answers %d records in %s; after %d tries, %s\n",
			m.Finding, m.After, m.Before, len(m.Numbers), small.name, m.Tries, fewer)
		err = errors.Join(err, werr)
	}
	if err = errors.Join(err, damage); err != nil {
		return &statusError{exitDamage, err}
	}
	return found()
}

// targetEnd names the end of a sandbox kernel that a replay brought about, or returns
// "" for an error that is none.
func targetEnd(err error) string {
	var silent *silentError
	var end *sandbox.Error
	switch {
	case errors.As(err, new(*openError)):
	case errors.As(err, &silent):
		return "the kernel hangs"
	case errors.As(err, &end) && errors.Is(end.Err, sandbox.ErrCrashed):
		name := kernjudge.LastWords(end.Console)
		if name == "" {
			return "the kernel ended without a word"
		}
		return "the kernel ended: " + name
	}
	return ""
}

// minimizePatience is how long a kernel may say nothing while a capture is minimized:
// each try of one that hangs takes so long.
const minimizePatience = 30 * time.Second
