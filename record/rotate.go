package record

import (
	"context"
	"fmt"
	"time"
)

// Rotation says when a Recorder ends a capture and begins the next one. Each
// capture stands alone: it has its own header, statistics about itself, and side
// file. The numbers of the records go on through all of them.
//
// A condition that is 0 does not count; those that are not count each by itself.
type Rotation struct {
	// Next creates the capture that follows. timed says that Period is over, which
	// begins the numbering of files anew. An error ends the recording; the capture
	// before is whole then.
	Next func(at time.Time, timed bool) (*Writer, error)

	MaxSize    int64         // bytes in a capture: the record that reaches it is the last one
	MaxRecords uint64        // records in a capture
	MaxAge     time.Duration // since the capture was begun
	Interval   time.Duration // at the multiples of this of the clock, counted from 1970 in UTC
	Period     time.Duration // at the multiples of this since the recording began

	// MaxFiles ends the recording when so many captures are full, or over.
	MaxFiles int
}

// turn is the state of a Rotation. All of it is guarded by Recorder.mu.
type turn struct {
	on      bool         // Run is under way
	closing chan *Writer // captures that are to be closed
	files   int          // captures before this one

	begun    time.Time // this capture
	deadline time.Time // of MaxAge; zero if there is none
	clock    time.Time // of Interval
	period   time.Time // of Period

	received, kept uint64 // before this capture
}

// maxClosing is how many captures may wait to be closed by a slow disk before
// the recording waits too.
const maxClosing = 4

// maxNap is how long a wall clock is trusted to go on evenly.
const maxNap = 10 * time.Second

// startFile notes the beginning of a capture.
func (r *Recorder) startFile(t time.Time) {
	r.turn.begun = t
	r.turn.received, r.turn.kept = r.counts.Received, r.counts.Kept
	o := r.Rotation
	if o == nil {
		return
	}
	if o.MaxAge > 0 {
		r.turn.deadline = t.Add(o.MaxAge)
	}
	if o.Interval > 0 {
		r.turn.clock = t.Round(0).Truncate(o.Interval).Add(o.Interval)
	}
	if o.Period > 0 && r.turn.period.IsZero() {
		r.turn.period = t.Add(o.Period)
	}
}

// statistics are those of the present capture.
func (r *Recorder) statistics(end time.Time) Statistics {
	s := Statistics{Start: r.turn.begun, End: end, Received: Count(r.counts.Received - r.turn.received)}
	if r.Keep != nil {
		s.Accepted = Count(r.counts.Kept - r.turn.kept)
	}
	return s
}

// startRotation starts what closes captures and watches the clock. The function
// that it returns ends the former when Run is done.
func (r *Recorder) startRotation(ctx context.Context, bg *background) (end func()) {
	closing := make(chan *Writer, maxClosing)
	r.mu.Lock()
	r.turn.on, r.turn.closing = true, closing
	r.mu.Unlock()
	bg.start(func() {
		for w := range closing {
			if err := w.Close(); err != nil {
				bg.fail(fmt.Errorf("closing %s: %w", w.Name(), err))
			} else if r.Finished != nil {
				r.Finished(w)
			}
		}
	})
	if o := r.Rotation; o.MaxAge > 0 || o.Interval > 0 || o.Period > 0 {
		bg.start(func() { r.watchClock(ctx, bg) })
	}
	return func() {
		r.mu.Lock()
		r.turn.on = false
		r.mu.Unlock()
		close(closing)
	}
}

// watchClock rotates when it is time, whether messages come or not.
func (r *Recorder) watchClock(ctx context.Context, bg *background) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		r.mu.Lock()
		wait, err := r.tick(time.Now())
		r.mu.Unlock()
		switch {
		case err == errEnough:
			bg.cancel()
			return
		case err != nil:
			bg.fail(err)
			return
		}
		timer.Reset(wait)
	}
}

// tick rotates if it is time to, and returns how long to wait until the next look.
func (r *Recorder) tick(now time.Time) (time.Duration, error) {
	t := &r.turn
	if !t.on || r.err != nil || r.full {
		return maxNap, nil // Run is about to end
	}
	period := !t.period.IsZero() && !now.Before(t.period)
	// A time of Interval is one of the wall clock, which can be set: Round(0) makes
	// the comparison do without the monotonic one.
	if period || !t.deadline.IsZero() && !now.Before(t.deadline) || !t.clock.IsZero() && !now.Round(0).Before(t.clock) {
		if period {
			o := r.Rotation.Period
			t.period = t.period.Add(o * (now.Sub(t.period)/o + 1))
		}
		if err := r.rotate(now, period); err != nil {
			return 0, err
		}
		if r.full {
			return 0, errEnough
		}
	}
	wait := maxNap
	if !t.clock.IsZero() {
		// Set back, the clock would keep us waiting.
		if clock := now.Round(0).Truncate(r.Rotation.Interval).Add(r.Rotation.Interval); clock.Before(t.clock) {
			t.clock = clock
		}
		wait = min(wait, t.clock.Sub(now.Round(0)))
	}
	for _, at := range [...]time.Time{t.deadline, t.period} {
		if !at.IsZero() {
			wait = min(wait, at.Sub(now))
		}
	}
	return max(wait, time.Millisecond), nil
}

// turnDue reports whether the present capture is full.
func (r *Recorder) turnDue() bool {
	o := r.Rotation
	return o.MaxSize > 0 && r.Writer.Size() >= o.MaxSize ||
		o.MaxRecords > 0 && r.counts.Kept-r.turn.kept >= o.MaxRecords
}

// rotate ends the present capture and begins the next one, or the end of the
// recording if there are to be no more. The old one is brought to the disk and
// closed in the background.
func (r *Recorder) rotate(now time.Time, timed bool) error {
	if err := r.flush(); err != nil {
		return err
	}
	t := &r.turn
	t.files++
	if o := r.Rotation; o.MaxFiles > 0 && t.files >= o.MaxFiles {
		r.full = true
		return nil
	}
	old := r.Writer
	old.SetStatistics(r.statistics(now))
	old.appendEnd()
	if err := r.flush(); err != nil {
		return err
	}
	next, err := r.Rotation.Next(now, timed)
	if err == nil {
		if err = next.Flush(); err != nil {
			next.Close()
		}
	}
	if err != nil {
		r.err = fmt.Errorf("beginning the next capture: %w", err)
		return r.err
	}
	r.counts.Written += old.Records()
	r.counts.Bytes += old.Size()
	r.counts.Files++
	r.Writer = next
	if r.loss.suspect {
		r.Note(lossBegins) // each capture stands alone
	}
	r.startFile(now)
	t.closing <- old
	return nil
}
