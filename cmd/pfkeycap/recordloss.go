package main

import (
	"fmt"
	"sync/atomic"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// losses is what a recording knows of messages that are missing.
type losses struct {
	dumps      trace.Dumps
	incomplete atomic.Uint64 // dumps
}

// sayLoss says at once where messages may be missing: whoever watches the
// recording may still do something about it.
func (rec *recording) sayLoss(l record.Loss) {
	if l.Over {
		rec.say("the receive queue has been read: nothing is missing from record %d on", l.Number)
		return
	}
	rec.say("the receive queue was full (%d of %d KiB still are): messages may be missing from record %d on; -B makes it larger",
		l.Queued>>10, l.Limit>>10, l.Number)
}

// followDumps counts what is missing of dumps, and says which are incomplete. It
// returns the dump that the record belongs to, or nil.
func (rec *recording) followDumps(r *record.Record) *trace.Dump {
	for pid := rec.who.goneBefore(r.Time); pid != 0; pid = rec.who.goneBefore(r.Time) {
		for d := rec.losses.dumps.Gone(pid); d != nil; d = rec.losses.dumps.Gone(pid) {
			rec.incomplete(d)
		}
	}
	d, missing := rec.losses.dumps.Add(r)
	if missing > 0 {
		r.Dropped += missing
		rec.Note(fmt.Sprintf("missing before record %d, of a dump: %d records", r.Number, missing))
	}
	if d != nil && d.Ended && d.Incomplete() {
		rec.incomplete(d)
	}
	return d
}

// endDumps says which dumps were still under way when the recording ended.
func (rec *recording) endDumps() {
	for d := rec.losses.dumps.End(); d != nil; d = rec.losses.dumps.End() {
		rec.incomplete(d)
	}
}

func (rec *recording) incomplete(d *trace.Dump) {
	rec.losses.incomplete.Add(1)
	rec.say("%v", d)
	rec.Note(d.String())
}

// summarizeLoss ends a summary with what is not in the capture.
func (rec *recording) summarizeLoss(n record.Counts) {
	if d := rec.losses.incomplete.Load(); d > 0 {
		fmt.Fprintf(rec.stderr, "Incomplete dumps: %d\n", d)
	}
	if n.Missing > 0 {
		fmt.Fprintf(rec.stderr, "Packets known to be missing: %d\n", n.Missing)
	}
	if n.Suspected > 0 {
		fmt.Fprintf(rec.stderr, "Receive queue full: %s; packets may be missing, comments in the capture say where (-B makes it larger)\n", plural(int(n.Suspected), "time"))
	}
}
