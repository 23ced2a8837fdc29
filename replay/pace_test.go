package replay

import (
	"slices"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name     string
		pace     Pace
		recorded []time.Duration // negative is unknown
		want     []time.Duration // after the first; nil is at once
	}{
		{"lockstep", Pace{}, []time.Duration{0, 1, 2}, nil},
		{"top speed", Pace{TopSpeed: true}, []time.Duration{0, 1, 2}, nil},
		{"as recorded", Pace{Multiplier: 1}, []time.Duration{5 * ms, 15 * ms, 1015 * ms}, []time.Duration{0, 10 * ms, 1010 * ms}},
		{"ten times as fast", Pace{Multiplier: 10}, []time.Duration{0, 10 * ms, 110 * ms}, []time.Duration{0, ms, 11 * ms}},
		{"half as fast", Pace{Multiplier: 0.5}, []time.Duration{0, 10 * ms}, []time.Duration{0, 20 * ms}},
		{"no long waits", Pace{Multiplier: 1, MaxSleep: 20 * ms}, []time.Duration{0, 10 * ms, 5000 * ms, 5001 * ms}, []time.Duration{0, 10 * ms, 30 * ms, 31 * ms}},
		{"a clock that was set back", Pace{Multiplier: 1}, []time.Duration{10 * ms, 5 * ms, 12 * ms}, []time.Duration{0, 0, 2 * ms}},
		{"unknown times", Pace{Multiplier: 1}, []time.Duration{0, -1, 7 * ms}, []time.Duration{0, 0, 7 * ms}},
		{"no times", Pace{Multiplier: 1}, []time.Duration{-1, -1, -1}, []time.Duration{0, 0, 0}},
		{"times of which the first is unknown", Pace{Multiplier: 1}, []time.Duration{-1, 10 * ms, 20 * ms}, []time.Duration{0, 0, 10 * ms}},
		{"100 in a second", Pace{PerSecond: 100}, []time.Duration{0, 1, -1}, []time.Duration{0, 10 * ms, 20 * ms}},
		{"one in 10 seconds, but sooner", Pace{PerSecond: 0.1, MaxSleep: ms}, []time.Duration{0, 1, 2}, []time.Duration{0, ms, 2 * ms}},
		{"for ever", Pace{Multiplier: 1e-9}, []time.Duration{0, time.Hour}, []time.Duration{0, maxGap}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.pace.Check(); err != nil {
				t.Fatal(err)
			}
			c := clock{pace: test.pace}
			begin := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
			var got []time.Duration
			var first time.Time
			for i, r := range test.recorded {
				at := begin.Add(r)
				if r < 0 {
					at = time.Time{}
				}
				due := c.next(at)
				if i == 0 {
					first = due
				}
				if !due.IsZero() {
					got = append(got, due.Sub(first))
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("due after %v, want %v", got, test.want)
			}
		})
	}
}

// The first request of another loop does not wait for the time that has gone back.
func TestClockLoops(t *testing.T) {
	c := clock{pace: Pace{Multiplier: 1}}
	begin := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	first := c.next(begin)
	c.next(begin.Add(time.Second))
	c.again()
	if d := c.next(begin).Sub(first); d != time.Second {
		t.Errorf("the second loop begins after %v", d)
	}
	if d := c.next(begin.Add(time.Second)).Sub(first); d != 2*time.Second {
		t.Errorf("and ends after %v", d)
	}
}

func TestPaceCheck(t *testing.T) {
	nan := 0.0
	nan /= nan
	for _, p := range []Pace{
		{Multiplier: 1, PerSecond: 1}, {Multiplier: 1, TopSpeed: true}, {PerSecond: 1, TopSpeed: true},
		{Multiplier: -1}, {PerSecond: -1}, {Multiplier: nan}, {PerSecond: 2e9},
		{MaxSleep: time.Second}, {MaxSleep: -1, Multiplier: 1}, {TopSpeed: true, MaxSleep: 1},
	} {
		if p.Check() == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
}
