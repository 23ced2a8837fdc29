package main

import (
	"testing"
	"time"
)

// TestHistogramSteps: every value lies in its step, steps follow each other, and none
// is wider than a sixteenth of what it holds.
func TestHistogramSteps(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<62; v += v/100 + 1 {
		i := histogramStep(v)
		if i < last || i > last+1 {
			t.Fatalf("value %d: step %d after %d", v, i, last)
		}
		last = i
		top := histogramValue(i)
		if v > top || top-v > v/16 {
			t.Fatalf("value %d: step %d ends at %d", v, i, top)
		}
		if top+1 < top || histogramStep(top) != i || histogramStep(top+1) != i+1 {
			t.Fatalf("step %d does not end at %d", i, top)
		}
	}
}

func TestPercentiles(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for _, tc := range []struct {
		p    uint64
		want time.Duration
	}{{0, time.Millisecond}, {50, 500 * time.Millisecond}, {90, 900 * time.Millisecond}, {99, 990 * time.Millisecond}, {100, time.Second}} {
		if got := h.percentile(tc.p); got < tc.want || got > tc.want+tc.want/16 {
			t.Errorf("percentile %d is %v, want about %v", tc.p, got, tc.want)
		}
	}
	h = histogram{}
	h.add(-time.Second) // a clock that was set back
	if h.percentile(50) != 0 || h.max != 0 {
		t.Errorf("a negative latency counts as %v", h.percentile(50))
	}
}
