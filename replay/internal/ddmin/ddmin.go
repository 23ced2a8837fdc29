// Package ddmin leaves out of a list what is not needed: delta debugging (A. Zeller,
// R. Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE Transactions
// on Software Engineering 28, 2002), by complements only.
package ddmin

import "slices"

// Reduce returns a part of list, in its order, for which holds still is true, as it is
// for the whole. It leaves out halves, then quarters, and so on to single elements, and
// begins these anew until none can be left out. What holds gets is valid until it
// returns. An error of holds ends it; what was reached until then is returned with it.
func Reduce[T any](list []T, holds func([]T) (bool, error)) ([]T, error) {
	rest := slices.Clone(list)
	for size := len(rest); size > 0; {
		cut := false
		for at := 0; at < len(rest); {
			to := min(at+size, len(rest))
			shorter := slices.Concat(rest[:at], rest[to:])
			ok, err := holds(shorter)
			if err != nil {
				return rest, err
			}
			if ok {
				rest, cut = shorter, true
			} else {
				at = to
			}
		}
		switch {
		case size > 1:
			size = min(size/2, max(1, len(rest)))
		case !cut:
			size = 0
		}
	}
	return rest, nil
}
