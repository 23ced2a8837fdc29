package record

// overflow suspects that the kernel has dropped messages. Linux drops one, for one
// socket and without a trace, when the memory of its receive queue (sk_rmem_alloc)
// is above the limit (sk_rcvbuf) before the message is queued (pfkey_broadcast_one
// in net/key/af_key.c).
//
// Until the recorder reads, its queue only grows. So if anything was dropped since
// the read before, the queue was above its limit then, and right after this read
// it still holds at least the limit less what this read has taken out. Nothing that
// was dropped for want of room escapes this test; it may raise an alarm too many,
// because what a message takes in the queue is estimated from above.
//
// A queue is read in order. What was dropped before a suspicious read is missing
// somewhere behind what had been queued by then, so behind any of the messages of
// that read or the rest of the queue: the suspicion lasts until that has been read.
type overflow struct {
	suspect bool // messages may be missing before any of those being read
	cleared bool // but not before those of the next read, unless it is suspicious too
	behind  int  // bytes that were queued at the last suspicious read and may be unread
}

// takes bounds from above what a message of n bytes takes in the queue
// (skb->truesize): struct sk_buff and, together with the bytes in one allocation
// that is rounded up to a power of two, struct skb_shared_info. 768 to 1280 bytes
// were seen for messages of 16 to 300 bytes.
func takes(n int) int { return 2*n + 2048 }

// read judges a read: its messages, and the queue right after it. A limit of 0
// says that nothing is known.
func (o *overflow) read(b Batch, used, limit int) (begins, ends bool) {
	if limit <= 0 || b.Len() == 0 {
		return false, false
	}
	bytes, freed := 0, 0
	for i := range b.Len() {
		n := len(b.Message(i))
		bytes += n
		freed += takes(n)
	}
	if used+freed > limit {
		begins = !o.suspect
		o.suspect, o.behind = true, used
		o.cleared = used == 0
		return begins, false
	}
	if !o.suspect {
		return false, false
	}
	if o.cleared {
		o.suspect, o.cleared = false, false
		return false, true
	}
	o.behind -= bytes
	o.cleared = used == 0 || o.behind <= 0
	return false, false
}

// Loss tells where messages may be missing in a recording.
type Loss struct {
	// Over says that messages may be missing up to the record Number, after a Loss
	// without Over said that they may be from its Number on.
	Over   bool
	Number uint64
	// Queued and Limit are the bytes in the receive queue and what it holds.
	Queued, Limit int
}

// What becomes of it in the capture.
const (
	lossBegins = "receive queue full: messages may be missing from here on"
	lossEnds   = "receive queue read: messages may be missing up to here, not after"
)
