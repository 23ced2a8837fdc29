package diff

import (
	"math/rand/v2"
	"testing"
)

// best is how many pairs there can be.
func best(a, b []int32) int {
	before := make([]int, len(b)+1)
	for i := range a {
		now := make([]int, len(b)+1)
		for k := range b {
			now[k+1] = max(before[k+1], now[k])
			if a[i] == b[k] {
				now[k+1] = before[k] + 1
			}
		}
		before = now
	}
	return before[len(b)]
}

func check(t *testing.T, a, b []int32) [][2]int {
	t.Helper()
	pairs := align(a, b)
	last := [2]int{-1, -1}
	for _, p := range pairs {
		if p[0] <= last[0] || p[1] <= last[1] || a[p[0]] != b[p[1]] {
			t.Fatalf("%v and %v: pairs %v", a, b, pairs)
		}
		last = p
	}
	return pairs
}

func TestAlign(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 3000 {
		list := func() []int32 {
			l := make([]int32, rng.IntN(40))
			for i := range l {
				l[i] = rng.Int32N(1 + int32(n%9))
			}
			return l
		}
		a, b := list(), list()
		if pairs := check(t, a, b); len(pairs) != best(a, b) {
			t.Fatalf("%v and %v: %d pairs, want %d", a, b, len(pairs), best(a, b))
		}
	}
}

// Lists that have too little in common for the best answer still get a sound one.
func TestAlignTooFar(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	list := func(n int) []int32 {
		l := make([]int32, n)
		for i := range l {
			l[i] = rng.Int32N(50)
		}
		return l
	}
	a, b := list(3000), list(2500)
	if got, most := len(check(t, a, b)), best(a, b); got < most*8/10 {
		t.Errorf("%d pairs of %d", got, most)
	}
}
