package diff

// align finds which items of two lists belong together, in order: pairs of indices, as
// many as there can be but where that takes too long to find out. Equal numbers are
// equal items.
func align(a, b []int32) [][2]int {
	// What only one of them has cannot be in a pair, and costs most.
	x, ax := common(a, b)
	y, by := common(b, a)
	l := aligner{a: x, b: y}
	size := len(x) + len(y) + 3
	l.forward, l.backward, l.zero = make([]int, size), make([]int, size), len(y)+1
	l.between(0, len(x), 0, len(y))
	for i, p := range l.pairs {
		l.pairs[i] = [2]int{ax[p[0]], by[p[1]]}
	}
	return l.pairs
}

// common returns the items of a list that the other one has too, and where they stand.
func common(list, other []int32) (items []int32, at []int) {
	has := make(map[int32]bool, len(other))
	for _, v := range other {
		has[v] = true
	}
	for i, v := range list {
		if has[v] {
			items, at = append(items, v), append(at, i)
		}
	}
	return items, at
}

// aligner is the algorithm of Myers, "An O(ND) Difference Algorithm and Its Variations"
// (1986), with the divisions of its section 4b: memory is linear.
type aligner struct {
	a, b              []int32
	forward, backward []int // furthest point in a on each diagonal, from the ends
	zero              int   // index of diagonal 0
	pairs             [][2]int
}

// tooFar bounds the search for a point that halves the work. Where lists have little in
// common, a point that is only good is taken then.
const tooFar = 512

func (l *aligner) between(a0, a1, b0, b1 int) {
	for a0 < a1 && b0 < b1 && l.a[a0] == l.b[b0] {
		l.pairs = append(l.pairs, [2]int{a0, b0})
		a0, b0 = a0+1, b0+1
	}
	same := 0
	for a0 < a1 && b0 < b1 && l.a[a1-1] == l.b[b1-1] {
		a1, b1, same = a1-1, b1-1, same+1
	}
	if a0 < a1 && b0 < b1 {
		x, y := l.middle(a0, a1, b0, b1)
		l.between(a0, x, b0, y)
		l.between(x, a1, y, b1)
	}
	for i := range same {
		l.pairs = append(l.pairs, [2]int{a1 + i, b1 + i})
	}
}

// middle returns a point through which a shortest way goes, or a good one. It is never
// both ends of what it divides.
func (l *aligner) middle(a0, a1, b0, b1 int) (x, y int) {
	f, b := l.forward, l.backward
	low, high := a0-b1, a1-b0
	fmid, bmid := a0-b0, a1-b1
	fmin, fmax, bmin, bmax := fmid, fmid, bmid, bmid
	odd := (fmid-bmid)&1 != 0
	f[l.zero+fmid], b[l.zero+bmid] = a0, a1
	for c := 1; ; c++ {
		if fmin > low {
			fmin--
			f[l.zero+fmin-1] = -1
		} else {
			fmin++
		}
		if fmax < high {
			fmax++
			f[l.zero+fmax+1] = -1
		} else {
			fmax--
		}
		for d := fmax; d >= fmin; d -= 2 {
			x := max(f[l.zero+d-1]+1, f[l.zero+d+1])
			y := x - d
			for x < a1 && y < b1 && l.a[x] == l.b[y] {
				x, y = x+1, y+1
			}
			f[l.zero+d] = x
			if odd && bmin <= d && d <= bmax && b[l.zero+d] <= x {
				return x, y
			}
		}
		if bmin > low {
			bmin--
			b[l.zero+bmin-1] = a1 + 1
		} else {
			bmin++
		}
		if bmax < high {
			bmax++
			b[l.zero+bmax+1] = a1 + 1
		} else {
			bmax--
		}
		for d := bmax; d >= bmin; d -= 2 {
			x := min(b[l.zero+d-1], b[l.zero+d+1]-1)
			y := x - d
			for a0 < x && b0 < y && l.a[x-1] == l.b[y-1] {
				x, y = x-1, y-1
			}
			b[l.zero+d] = x
			if !odd && fmin <= d && d <= fmax && x <= f[l.zero+d] {
				return x, y
			}
		}
		if c < tooFar {
			continue
		}
		// The point that has come furthest from either end.
		bestF, bestB := -1, a1+b1+1
		var fx, bx int
		for d := fmax; d >= fmin; d -= 2 {
			x := min(f[l.zero+d], a1)
			if x-d > b1 {
				x = b1 + d
			}
			if 2*x-d > bestF {
				bestF, fx = 2*x-d, x
			}
		}
		for d := bmax; d >= bmin; d -= 2 {
			x := max(b[l.zero+d], a0)
			if x-d < b0 {
				x = b0 + d
			}
			if 2*x-d < bestB {
				bestB, bx = 2*x-d, x
			}
		}
		if a1+b1-bestB < bestF-(a0+b0) {
			return fx, bestF - fx
		}
		return bx, bestB - bx
	}
}
