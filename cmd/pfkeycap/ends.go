package main

// ends keeps the first and the last items of a stream within limits on their number
// and size, and counts what it has left out between.
type ends[T any] struct {
	max      int // items, of which each end gets half
	maxBytes int
	size     func(T) int

	first, last           []T // last is a queue
	firstBytes, lastBytes int
	full                  bool // first takes no more
	left                  uint64
}

func (e *ends[T]) add(x T) {
	n := e.size(x)
	if !e.full && len(e.first) < (e.max+1)/2 && e.firstBytes+n <= e.maxBytes/2 {
		e.first = append(e.first, x)
		e.firstBytes += n
		return
	}
	e.full = true
	e.last = append(e.last, x)
	e.lastBytes += n
	for len(e.last) > e.max/2 || e.lastBytes > e.maxBytes/2 {
		e.lastBytes -= e.size(e.last[0])
		e.last[0] = *new(T)
		e.last = e.last[1:]
		e.left++
	}
}
