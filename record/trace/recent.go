package trace

// maxRecent is how many entries a recent list has.
const maxRecent = 64

// recent keeps the slots of an array in the order in which they were used, so
// that what is looked for, which nearly always is one of the newest, is found
// without going through all of them.
type recent struct {
	slots [maxRecent]uint8 // those in use, newest first, then free ones
	n     int              // in use
	used  int              // slots that were ever in use
}

// at returns the slot of the entry that is the k-th newest, from 0.
func (r *recent) at(k int) int { return int(r.slots[k]) }

// front makes the k-th newest entry the newest.
func (r *recent) front(k int) {
	if k == 0 {
		return
	}
	s := r.slots[k]
	copy(r.slots[1:k+1], r.slots[:k])
	r.slots[0] = s
}

// add takes a free slot and makes it the newest entry, and returns false if there
// is none.
func (r *recent) add() (slot int, ok bool) {
	if r.n == maxRecent {
		return 0, false
	}
	if r.n == r.used {
		r.slots[r.used] = uint8(r.used)
		r.used++
	}
	r.n++
	r.front(r.n - 1)
	return r.at(0), true
}

// keep frees the entries whose slots are not to be kept.
func (r *recent) keep(is func(slot int) bool) {
	var gone [maxRecent]uint8
	n, g := 0, 0
	for _, s := range r.slots[:r.n] {
		if is(int(s)) {
			r.slots[n] = s
			n++
		} else {
			gone[g] = s
			g++
		}
	}
	copy(r.slots[n:r.n], gone[:g])
	r.n = n
}
