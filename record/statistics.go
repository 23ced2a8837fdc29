package record

import "time"

// Counter is a count that may be unknown, which is not the same as zero: Linux,
// for one, does not count the PF_KEY messages it drops.
type Counter struct {
	N     uint64
	Known bool
}

// Count is a known counter.
func Count(n uint64) Counter { return Counter{n, true} }

// Statistics is what a recorder says at the end of a capture: the interface
// statistics block of pcapng. Zero times are unknown.
type Statistics struct {
	Start, End time.Time
	Received   Counter // messages read from the socket (isb_ifrecv)
	Dropped    Counter // messages the recorder left out for want of resources (isb_ifdrop)
	Accepted   Counter // messages a filter let through (isb_filteraccept)
	OSDropped  Counter // messages the kernel says it dropped (isb_osdrop)
	Delivered  Counter // messages in the capture (isb_usrdeliv)
}
