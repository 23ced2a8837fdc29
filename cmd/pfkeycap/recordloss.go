package main

import (
	"fmt"

	"github.com/pfkeycap/pfkeycap/record"
)

// sayLoss says at once where messages may be missing: whoever watches the
// recording may still do something about it.
func (rec *recording) sayLoss(l record.Loss) {
	if l.Over {
		fmt.Fprintf(rec.stderr, "pfkeycap: record: the receive queue has been read: nothing is missing from record %d on\n", l.Number)
		return
	}
	fmt.Fprintf(rec.stderr, "pfkeycap: record: the receive queue was full (%d of %d KiB still are): messages may be missing from record %d on; -B makes it larger\n",
		l.Queued>>10, l.Limit>>10, l.Number)
}

// summarizeLoss ends a summary with what is not in the capture.
func (rec *recording) summarizeLoss(n record.Counts) {
	if n.Missing > 0 {
		fmt.Fprintf(rec.stderr, "%d messages are known to be missing\n", n.Missing)
	}
	if n.Suspected > 0 {
		fmt.Fprintf(rec.stderr, "messages may be missing: the receive queue was full %d times (comments in the capture say where; -B makes it larger)\n", n.Suspected)
	}
}
