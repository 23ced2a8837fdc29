package trace

import "github.com/pfkeycap/pfkeycap/record"

// Reader annotates the records of a capture. It reads ahead where what comes
// later tells what a message means, at most 32 records, so it knows more than
// Annotate. It is a record.Source.
type Reader struct {
	source record.Source
	t      *Tracer
	held   [maxHeld]record.Record // copies of records that are not decided
	n      int                    // how many
	first  int                    // index of the first
	out    bool                   // the first was given out
	role   Role
	err    error
}

// NewReader returns a Reader for the records of source, which must be those of
// one socket, numbered, in the order of the capture.
func NewReader(source record.Source, o Options) *Reader {
	return &Reader{source: source, t: New(o)}
}

// Role returns the part that the record which Next has returned last plays.
func (r *Reader) Role() Role { return r.role }

// Next returns the next record with Dir, TwinOf and ReplyTo set. It is valid
// until the next call. An error of the source is returned after the records
// before it.
func (r *Reader) Next() (*record.Record, error) {
	if r.out {
		r.out = false
		r.first = (r.first + 1) % maxHeld
		r.n--
	}
	for {
		if r.t.settled < r.t.head && r.t.settle(r.t.settled+1, r.n == maxHeld || r.err != nil) {
			r.t.settled++
			rec := &r.held[r.first]
			r.role = r.t.apply(rec, r.t.settled)
			r.out = true
			return rec, nil
		}
		if r.err != nil {
			r.role = Unknown
			return nil, r.err
		}
		rec, err := r.source.Next()
		if err != nil {
			r.err = err
			r.t.ended = true
			continue
		}
		r.t.arrive(rec)
		if r.n == 0 && r.t.settle(r.t.head, false) {
			r.t.settled++
			r.role = r.t.apply(rec, r.t.settled)
			return rec, nil
		}
		hold(&r.held[(r.first+r.n)%maxHeld], rec)
		r.n++
	}
}

// hold copies a record into dst, whose memory it uses again.
func hold(dst, src *record.Record) {
	data, full, comments := dst.Data, dst.True, dst.Comments
	*dst = *src
	dst.Data = append(data[:0], src.Data...)
	dst.Comments = append(comments[:0], src.Comments...)
	if src.True != nil {
		dst.True = append(full[:0], src.True...)
	}
}
