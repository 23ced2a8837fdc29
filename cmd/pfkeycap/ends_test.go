package main

import (
	"slices"
	"testing"
)

// TestEnds: what is kept are the first and the last, within both limits.
func TestEnds(t *testing.T) {
	for _, tc := range []struct {
		name          string
		max, maxBytes int
		sizes         []int
		first, last   []int
		left          uint64
	}{
		{"all", 4, 100, []int{1, 1, 1, 1}, []int{0, 1}, []int{2, 3}, 0},
		{"nothing", 4, 100, nil, nil, nil, 0},
		{"too many", 4, 100, []int{1, 1, 1, 1, 1, 1, 1}, []int{0, 1}, []int{5, 6}, 3},
		{"an odd limit", 3, 100, []int{1, 1, 1, 1}, []int{0, 1}, []int{3}, 1},
		{"too large together", 100, 20, []int{4, 4, 4, 4, 4, 4}, []int{0, 1}, []int{4, 5}, 2},
		{"one too large", 100, 20, []int{4, 50, 4, 4}, []int{0}, []int{2, 3}, 1},
		{"a large one, then small ones", 6, 20, []int{11, 1, 1}, nil, []int{1, 2}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := ends[int]{max: tc.max, maxBytes: tc.maxBytes, size: func(i int) int { return tc.sizes[i] }}
			for i := range tc.sizes {
				e.add(i)
			}
			if !slices.Equal(e.first, tc.first) || !slices.Equal(e.last, tc.last) || e.left != tc.left {
				t.Errorf("%v, %v and %d left out, want %v, %v and %d", e.first, e.last, e.left, tc.first, tc.last, tc.left)
			}
		})
	}
}
