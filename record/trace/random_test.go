package trace_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// TestRandom holds the rules to a model of the kernel: of a recording that lacks
// nothing nearly everything is decided, and rightly.
func TestRandom(t *testing.T) {
	for _, tc := range []struct {
		name     string
		counting bool
		share    float64
	}{
		{"requests are numbered", true, 0.99},
		{"some programs use one number", false, 0.98},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var decided, all int
			for seed := range uint64(300) {
				ms := recording(seed, 40, tc.counting)
				name := fmt.Sprintf("seed %d", seed)
				got := read(t, &play{codec: linux, messages: ms, lost: -1}, trace.Options{})
				d, a := judge(t, name, ms, -1, got)
				decided, all = decided+d, all+a
				judgeRoles(t, name, ms, got)

				ahead := live(&play{codec: linux, messages: ms, lost: -1}, trace.Options{})
				judge(t, name+" live", ms, -1, ahead)
				judgeRoles(t, name+" live", ms, ahead)
				ahead = live(&play{codec: linux, messages: ms, lost: -1}, trace.Options{Lossless: true})
				judge(t, name+" live lossless", ms, -1, ahead)
				judgeRoles(t, name+" live lossless", ms, ahead)
			}
			t.Logf("%d of %d directions decided (%.2f%%)", decided, all, 100*float64(decided)/float64(all))
			if float64(decided) < tc.share*float64(all) {
				t.Errorf("want %.0f%%", 100*tc.share)
			}
		})
	}
}

// TestRandomLoss leaves out every message in turn, and says nothing of it: then
// less may be decided, but nothing wrongly.
func TestRandomLoss(t *testing.T) {
	var decided, all int
	for seed := range uint64(60) {
		ms := recording(seed, 25, seed%2 == 0)
		name := fmt.Sprintf("seed %d", seed)
		for lost := range ms {
			if ms[lost].own {
				continue
			}
			for _, p := range []record.Answer{record.No, record.NotKnown} {
				d, a := judge(t, name, ms, lost, read(t, &play{codec: linux, messages: ms, lost: lost}, trace.Options{Promisc: p}))
				decided, all = decided+d, all+a
			}
			judge(t, name+" live", ms, lost, live(&play{codec: linux, messages: ms, lost: lost}, trace.Options{}))
		}
	}
	t.Logf("%d of %d directions decided (%.2f%%)", decided, all, 100*float64(decided)/float64(all))
}

// TestRandomGaps leaves out whole stretches and says so. A recorder that promises
// to say so is believed (Lossless), so this must be as safe as silence about one.
func TestRandomGaps(t *testing.T) {
	var decided, all int
	for seed := range uint64(300) {
		whole := recording(seed, 40, seed%2 == 0)
		rng := rand.New(rand.NewPCG(seed, 5))
		var ms []message
		gap := false
		for i := 0; i < len(whole); i++ {
			if i > 3 && rng.IntN(12) == 0 && !whole[i].own {
				i += rng.IntN(6)
				gap = true
				continue
			}
			m := whole[i]
			m.gap, gap = gap, false
			ms = append(ms, m)
		}
		name := fmt.Sprintf("seed %d", seed)
		for _, lossless := range []bool{true, false} {
			o := trace.Options{Lossless: lossless}
			d, a := judge(t, name, ms, -1, read(t, &play{codec: linux, messages: ms, lost: -1}, o))
			decided, all = decided+d, all+a
			judge(t, name+" live", ms, -1, live(&play{codec: linux, messages: ms, lost: -1}, o))
		}
	}
	t.Logf("%d of %d directions decided (%.2f%%)", decided, all, 100*float64(decided)/float64(all))
}

// TestAgain annotates what was annotated before, as when a capture is read: then
// directions come with the records, and the roles must come out the same.
func TestAgain(t *testing.T) {
	for seed := range uint64(100) {
		ms := recording(seed, 40, seed%2 == 0)
		first := read(t, &play{codec: linux, messages: ms, lost: -1}, trace.Options{})
		dirs := make([]record.Direction, len(ms))
		for i := range first {
			dirs[i] = first[i].dir
		}
		again := read(t, &play{codec: linux, messages: ms, lost: -1, dirs: dirs}, trace.Options{Promisc: record.Yes})
		for i := range ms {
			if again[i] != first[i] {
				t.Errorf("seed %d: message %d (type %d): first %+v, again %+v", seed, i+1, ms[i].data[1], first[i], again[i])
			}
		}
	}
}
