package replay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pace says when requests are sent. The zero value is lockstep: each request as
// soon as the answers to the one before have been read. Whatever the pace, a
// request waits for the answers that it depends on.
type Pace struct {
	// Multiplier, if not 0, keeps the recorded times, so many times as fast. A
	// request that is late because an answer was is sent at once, and those after it
	// are not.
	Multiplier float64 `json:"multiplier,omitempty"`
	// PerSecond, if not 0, is how many requests are sent in a second.
	PerSecond float64 `json:"per_second,omitempty"`
	// MaxSleep, if not 0, is the longest wait between two requests; the time that a
	// longer one would have taken is left out.
	MaxSleep time.Duration `json:"max_sleep,omitempty"`
	// TopSpeed sends requests without waiting for the answers to earlier ones, where
	// it can be told which answer belongs to which request: where type, process and
	// sequence number differ, and no dump or flush is among them.
	TopSpeed bool `json:"top_speed,omitempty"`
}

// Check returns an error if p says two things at once, or nonsense.
func (p Pace) Check() error {
	ways := 0
	for _, set := range []bool{p.Multiplier != 0, p.PerSecond != 0, p.TopSpeed} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		return errors.New("recorded times, a number per second, and top speed exclude each other")
	case !(p.Multiplier >= 0 && p.Multiplier <= maxRate), !(p.PerSecond >= 0 && p.PerSecond <= maxRate):
		return fmt.Errorf("a pace has to be a number above 0, and at most %g", float64(maxRate))
	case p.MaxSleep < 0:
		return errors.New("the longest wait cannot be negative")
	case p.MaxSleep > 0 && p.Multiplier == 0 && p.PerSecond == 0:
		return errors.New("without a pace there is no wait that could have a limit")
	}
	return nil
}

const maxRate = 1e9

// clock says when the next request is due.
type clock struct {
	pace Pace
	due  time.Time // of the request before
	last time.Time // when that was recorded
}

// next returns when a request that was recorded at the given time is due; the zero
// time is at once.
func (c *clock) next(recorded time.Time) time.Time {
	if c.pace.Multiplier == 0 && c.pace.PerSecond == 0 {
		return time.Time{}
	}
	if c.due.IsZero() {
		c.due, c.last = time.Now(), recorded
		return c.due
	}
	gap := 0.0 // nanoseconds
	switch {
	case c.pace.PerSecond != 0:
		gap = float64(time.Second) / c.pace.PerSecond
	case !c.last.IsZero() && recorded.After(c.last):
		gap = float64(recorded.Sub(c.last)) / c.pace.Multiplier
	}
	if recorded.After(c.last) {
		c.last = recorded
	}
	if c.pace.MaxSleep > 0 {
		gap = min(gap, float64(c.pace.MaxSleep))
	}
	c.due = c.due.Add(time.Duration(min(gap, float64(maxGap))))
	return c.due
}

// again begins another loop: its first request follows the last one at once.
func (c *clock) again() { c.last = time.Time{} }

// maxGap is longer than any replay.
const maxGap = 100 * 365 * 24 * time.Hour

// wait waits until a time, and says meanwhile that it is alive.
func (x *run) wait(ctx context.Context, until time.Time) error {
	for {
		d := time.Until(until)
		if d <= 0 {
			return nil
		}
		t := time.NewTimer(min(d, beat))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
		if d > beat && x.opts.Progress != nil {
			x.opts.Progress(x.report.Sent)
		}
	}
}
