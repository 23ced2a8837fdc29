package ddmin

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestReduce(t *testing.T) {
	list := make([]int, 1000)
	for i := range list {
		list[i] = i
	}
	for _, test := range []struct {
		need []int
		most int // calls
	}{
		{nil, 1},
		{[]int{0}, 40},
		{[]int{999}, 40},
		{[]int{17, 500, 501}, 100},
		{[]int{1, 2, 3, 400, 998, 999}, 200},
	} {
		t.Run(fmt.Sprint(test.need), func(t *testing.T) {
			calls := 0
			got, err := Reduce(list, func(part []int) (bool, error) {
				calls++
				if !slices.IsSorted(part) {
					t.Errorf("not in order: %v", part)
				}
				for _, n := range test.need {
					if !slices.Contains(part, n) {
						return false, nil
					}
				}
				return true, nil
			})
			if err != nil || !slices.Equal(got, test.need) {
				t.Errorf("%v, %v", got, err)
			}
			if calls > test.most {
				t.Errorf("%d calls, want at most %d", calls, test.most)
			}
		})
	}
}

func TestReduceError(t *testing.T) {
	enough := errors.New("enough")
	calls := 0
	got, err := Reduce([]int{1, 2, 3, 4}, func(part []int) (bool, error) {
		if calls++; calls == 3 {
			return false, enough
		}
		return slices.Contains(part, 4), nil
	})
	if err != enough || !slices.Equal(got, []int{3, 4}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Reduce[int](nil, nil); len(got) != 0 || err != nil {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}
