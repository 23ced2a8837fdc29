package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/replay"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Usage:     "send a capture's requests to a kernel and compare its answers",
		ArgsUsage: "FILE",
		Description: `Sends the recorded requests, one after the other, to a fresh kernel in the sandbox (see
--target for others: here is the running one) and compares what it answers with what
was recorded, field by field:

  equal              the same bytes
  volatile           only fields differ that never agree: times, counters, pids …
  not-reproducible   events and changes that no request made, and what hangs on them
  different          the kernel does something else: exit status 1

Each request waits for the answers to the one before, unless a pace is given. What
a kernel chooses (SPIs, policy ids, request ids, ACQUIREs' numbers) is put into later
requests as the target chose it. True keys are sent if the side file is there, else
stand-ins.

With --minimize the capture is replayed again and again, each time into a fresh kernel
and with fewer requests, to find those that it takes to see the first difference, or
the kernel's end: a panic, a warning, or no answer for the time of --timeout (30s then).
They are written to FILE of -w with their answers; replay FILE shows the same.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print the plan, send nothing"},
			&cli.StringFlag{Name: "format", Aliases: []string{"T"}, Usage: "`FORM`: text or json", Value: "text"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "volatile differences too"},
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write what was sent and answered to the capture `FILE`"},
			&cli.StringFlag{Name: "keys", Usage: "`WHERE` the secrets of -w go: beside, inside or none", DefaultText: "beside"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE of -w and its side file"},
			&cli.StringFlag{Name: "select", Usage: "only messages that `EXPR` is true for, and answers to them (see decode -Y)"},
			&cli.Uint64Flag{Name: "from", Usage: "only from record number `N` on", DefaultText: "first"},
			&cli.Uint64Flag{Name: "to", Usage: "only up to record number `N`", DefaultText: "last"},
			&cli.StringSliceFlag{Name: "map-addr", Usage: "`OLD=NEW`: put addresses of prefix NEW for those of OLD, everywhere; repeat it"},
			&cli.StringSliceFlag{Name: "map-reqid", Usage: "`OLD=NEW`: put request id NEW for OLD; repeat it"},
			&cli.StringFlag{Name: "multiplier", Aliases: []string{"x"}, Usage: "keep the recorded times, `MULT` times as fast"},
			&cli.StringFlag{Name: "pps", Aliases: []string{"p"}, Usage: "send `N` requests per second"},
			&cli.BoolFlag{Name: "topspeed", Aliases: []string{"t"}, Usage: "send requests without waiting for answers, as far as these can be told apart"},
			&cli.StringFlag{Name: "maxsleep", Usage: "with -x or -p: wait no longer than `TIME` between requests (milliseconds, or with a unit)"},
			&cli.IntFlag{Name: "loop", Aliases: []string{"l"}, Usage: "replay `N` times, the target cleared between; 0 is for ever", Value: 1},
			&cli.IntFlag{Name: "limit", Aliases: []string{"L"}, Usage: "stop after `N` requests", DefaultText: "never"},
			&cli.StringFlag{Name: "duration", Usage: "stop after `TIME` (seconds, or with a unit)"},
			&cli.BoolFlag{Name: "state", Usage: "compare the SAs and policies that are there afterwards with those at the end of the recording"},
			&cli.BoolFlag{Name: "minimize", Usage: "write to FILE of -w the fewest requests whose replay still differs, or crashes or hangs the sandbox kernel"},
			&cli.IntFlag{Name: "tries", Usage: "with --minimize: boot at most `N` kernels", Value: 1000},
			&cli.BoolFlag{Name: "allow-flush", Usage: "with --target here or netns:NAME: let the replay flush, and change or delete what it did not make"},
			&cli.DurationFlag{Name: "timeout", Usage: "give up when the target says nothing for `TIME`", Value: 5 * time.Minute},
			targetFlag(), sandboxFlag(), kernelFlag(),
		}, inputFlags()...),
		Action: replayAction,
	}
}

func replayAction(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("want one FILE")
	}
	format, err := formatOf(c, "text", "json")
	if err != nil {
		return err
	}
	t, err := target(c, "sandbox")
	if err != nil {
		return err
	}
	o, err := runOptions(c)
	if err != nil {
		return err
	}
	if err := minimizable(c, t); err != nil {
		return err
	}
	if strings.HasPrefix(t, inNetNS) && !c.Bool("dry-run") {
		return runIn(c, t)
	}
	plan, damage := planOf(c, c.Args().First())
	if plan == nil {
		return damage
	}
	w := c.App.Writer
	if c.Bool("dry-run") {
		if format == "json" {
			err = encodeJSON(w, plan.Plan)
		} else {
			err = plan.WriteText(w)
		}
		return errors.Join(err, damage)
	}
	if c.Bool("minimize") {
		return minimize(c, plan, damage, o, format == "json")
	}
	if t == "here" && !c.Bool("allow-flush") {
		if n := plan.Destroys(); n != 0 {
			return usagef("record %d removes or changes what the replay did not make: --allow-flush lets it do that to the running kernel (the default target is a throwaway one)", n)
		}
		if o.Loops != 0 {
			return usagef("-l clears the target between loops: --allow-flush lets it do that to the running kernel (the default target is a throwaway one)")
		}
	}
	o.Guard = t == "here" && !c.Bool("allow-flush")
	o.Why = check.Explain
	answers, err := newAnswers(c, plan)
	if err != nil {
		return err
	}
	if answers != nil {
		o.Observe = answers.observe
	}
	o.Progress = func(int) { answers.flush() }
	report, err := replayPlan(c, plan, t, o)
	err = errors.Join(err, answers.close())
	if report != nil && (err == nil || len(report.Exchanges) > 0) { // a kernel that died has left none
		if format == "json" {
			err = errors.Join(err, encodeJSON(w, report))
		} else {
			err = errors.Join(err, report.WriteText(w, c.Bool("verbose")))
		}
	}
	if report != nil && report.Sent > 0 {
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: replay: %d requests in %.3f s, %.0f per second\n",
			report.Sent, report.Seconds, float64(report.Sent)/max(report.Seconds, 1e-9))
	}
	if targetEnd(err) != "" {
		fmt.Fprintln(c.App.ErrWriter, "pfkeycap: replay: the kernel did not survive it: --minimize -w FILE finds the requests that it takes")
	}
	if err = errors.Join(err, damage); err != nil {
		return err
	}
	if report.Different > 0 || report.State != nil && report.State.Different > 0 {
		return found()
	}
	return nil
}

// runOptions reads the flags that say how a plan is run.
func runOptions(c *cli.Context) (o replay.RunOptions, err error) {
	rate := func(name string) (f float64) {
		s := c.String(name)
		if s == "" || err != nil {
			return 0
		}
		f, perr := strconv.ParseFloat(s, 64)
		if perr != nil || !(f > 0) || math.IsInf(f, 0) {
			err = usagef("--%s wants a number above 0, not %q", name, s)
		}
		return f
	}
	span := func(name string, unit time.Duration) (d time.Duration) {
		s := c.String(name)
		if s == "" || err != nil {
			return 0
		}
		if f, perr := strconv.ParseFloat(s, 64); perr == nil && math.Abs(f) < 1e9 {
			d = time.Duration(f * float64(unit))
		} else if d, perr = time.ParseDuration(s); perr != nil {
			err = usagef("--%s wants a time, such as 10s, 500ms or 2m, not %q", name, s)
			return 0
		}
		if d <= 0 {
			err = usagef("--%s wants a time above 0, not %q", name, s)
		}
		return d
	}
	o.Pace = replay.Pace{Multiplier: rate("multiplier"), PerSecond: rate("pps"), TopSpeed: c.Bool("topspeed"), MaxSleep: span("maxsleep", time.Millisecond)}
	o.Duration = span("duration", time.Second)
	if err != nil {
		return o, err
	}
	if err := o.Pace.Check(); err != nil {
		return o, usagef("%w", err)
	}
	switch n := c.Int("loop"); {
	case n < 0:
		return o, usagef("-l wants 0 or a positive number")
	case n == 0:
		o.Loops = -1
	case n > 1:
		o.Loops = n
	}
	o.Clear = o.Loops != 0
	o.State = c.Bool("state")
	if c.IsSet("limit") {
		if o.Limit = c.Int("limit"); o.Limit <= 0 {
			return o, usagef("-L wants a positive number")
		}
	}
	return o, nil
}

// planned is a plan and the name of the salt of its stand-ins.
type planned struct {
	*replay.Plan
	saltID string
}

// planOf makes the plan of a capture. Of a damaged one, the plan of what is whole
// comes with the error.
func planOf(c *cli.Context, name string) (*planned, error) {
	in, err := openInput(c, name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	o := replay.PlanOptions{From: c.Uint64("from"), To: c.Uint64("to")}
	if o.To != 0 && o.To < o.From {
		return nil, usagef("--to %d is before --from %d", o.To, o.From)
	}
	for _, s := range c.StringSlice("map-addr") {
		m, err := replay.ParseAddrMap(s)
		if err != nil {
			return nil, usagef("--map-addr %w", err)
		}
		o.Addrs = append(o.Addrs, m)
	}
	for _, s := range c.StringSlice("map-reqid") {
		m, err := replay.ParseReqIDMap(s)
		if err != nil {
			return nil, usagef("--map-reqid %w", err)
		}
		o.ReqIDs = append(o.ReqIDs, m)
	}
	if expr := c.String("select"); expr != "" {
		f, err := filter.Compile(expr, filter.Options{ID: in.ids})
		if err != nil {
			return nil, usagef("--select: %w", err)
		}
		o.Select = f.Match
	}
	plan, err := replay.NewPlan(in, o)
	if errors.Is(err, replay.ErrNoRequests) || errors.Is(err, replay.ErrMap) {
		return nil, usagef("%s: %w", in.name, err)
	}
	if send, _, _ := plan.Counts(); err != nil && send == 0 {
		return nil, err
	}
	if plan.Keys == "stand-ins" {
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: replay: %s has no side file: its stand-ins are sent in place of keys\n", in.name)
	}
	return &planned{plan, in.meta.SaltID}, err
}

// replayPlan runs a plan against a target.
func replayPlan(c *cli.Context, plan *planned, where string, o replay.RunOptions) (*replay.Report, error) {
	ctx, cancel := interruptible(c)
	defer cancel()
	p := newProgress(c.App.ErrWriter)
	send, _, _ := plan.Counts()
	total := ""
	if o.Loops == 0 {
		total = fmt.Sprintf(" of %d", send)
	}
	also := o.Progress
	o.Progress = func(sent int) {
		p.say("%d%s requests", sent, total)
		also(sent)
	}
	report, err := runPlan(ctx, c.Duration("timeout"), plan.Plan, o, func(ctx context.Context) (runner, error) {
		return openTarget(ctx, c, where, plan.Plan)
	})
	p.end()
	if o.Loops < 0 && errors.Is(err, errInterrupted) {
		err = nil // there is no other end
	}
	return report, err
}

// interruptible returns a context that ends by errInterrupted with that of c.
func interruptible(c *cli.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(c.Context))
	stop := context.AfterFunc(c.Context, func() { cancel(errInterrupted) })
	return ctx, func() { stop(); cancel(nil) }
}

// runPlan opens a target, runs a plan against it and closes it. A target that says
// nothing for as long as patience is given up with a *silentError; 0 is for ever.
func runPlan(ctx context.Context, patience time.Duration, plan *replay.Plan, o replay.RunOptions, open func(context.Context) (runner, error)) (*replay.Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(math.MaxInt64, func() { cancel(&silentError{patience}) })
	defer watch.Stop()
	alive := func() {
		if patience > 0 {
			watch.Reset(patience)
		}
	}
	show := o.Progress
	o.Progress = func(sent int) {
		alive()
		if show != nil {
			show(sent)
		}
	}
	t, err := open(ctx)
	if err != nil {
		return nil, &openError{err}
	}
	alive()
	report, err := t.Run(ctx, plan, o)
	if cerr := t.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		err = &statusError{exitDamage, err}
	}
	return report, err
}

// openError is what kept a target from being opened.
type openError struct{ error }

func (e *openError) Unwrap() error { return e.error }

// silentError means that a target has said nothing for too long.
type silentError struct{ patience time.Duration }

func (e *silentError) Error() string {
	return fmt.Sprintf("the target said nothing for %v", e.patience)
}

var errInterrupted = errors.New("interrupted")
