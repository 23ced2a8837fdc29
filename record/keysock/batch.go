package keysock

import (
	"fmt"
	"io"
	"time"
)

// DefaultBatch is the number of messages a Batch holds unless told otherwise.
const DefaultBatch = 32

// Batch is the reusable memory of ReadBatch: as many slots of MaxMessage bytes
// as it holds messages. It belongs to one goroutine at a time and may be used
// with any Conn.
type Batch struct {
	arena []byte
	lens  []int
	n     int
	at    time.Time

	vectors vectors
	memory  memory
	bare    bool
}

// NewBatch returns a Batch for up to size messages, DefaultBatch if size is not
// positive.
//
// Every slot takes the largest message, since recvmmsg throws away what does
// not fit and gives no second chance. That is half a mebibyte of address space
// per message, of which memory is used only where messages have been. Make one
// Batch and keep it: the memory of an earlier one has to be cleared before it
// can serve again.
func NewBatch(size int) *Batch {
	if size <= 0 {
		size = DefaultBatch
	}
	b := &Batch{
		arena: make([]byte, size*MaxMessage),
		lens:  make([]int, size),
	}
	b.vectors.point(b)
	return b
}

// MessagesOnly makes reads bring messages and nothing else: Time and Queue then say
// nothing. That saves the system calls which ask for them, and in a User-Mode Linux
// kernel, where asking for the time is two, each costs as much as the read.
func (b *Batch) MessagesOnly() *Batch {
	b.bare = true
	return b
}

// Len returns the number of messages the last read brought.
func (b *Batch) Len() int { return b.n }

// Message returns message i, exactly as the kernel delivered it and in the
// order of the queue. The slice is the Batch's own memory and holds until the
// next read into the Batch. It panics if i is not below Len.
func (b *Batch) Message(i int) []byte {
	if i < 0 || i >= b.n {
		panic(fmt.Sprintf("keysock: message %d of a batch of %d", i, b.n))
	}
	return b.slot(i)[:b.lens[i]:b.lens[i]]
}

// Time returns when the last read came back, one time for all its messages.
// It is the time of receiving, not of the event: PF_KEY stamps nothing when it
// queues a message, and a time taken per message of a batch would only add the
// time spent copying the ones before.
func (b *Batch) Time() time.Time { return b.at }

// Queue returns how full the receive queue was right after the last read, and
// false where that is not known. Linux only; see Conn.Meminfo.
//
// What was lost in the queue before that moment can be told from it: until this
// program reads, a queue only grows, so one that was above its limit since the
// read before still holds the limit less what the last read has taken out.
func (b *Batch) Queue() (m Meminfo, ok bool) { return b.memory.info, b.memory.info.Limit > 0 }

// slot returns the whole memory of message i.
func (b *Batch) slot(i int) []byte {
	return b.arena[i*MaxMessage:][:MaxMessage]
}

// ReadBatch reads what the queue holds into b, at most as many messages as b
// was made for, and returns how many. It waits only while the queue is empty,
// like Read and with the same errors. Where the system can, it takes one
// system call per batch (recvmmsg on Linux), else one per message. Nothing is
// allocated.
//
// Messages that came before an error stay in b and are counted: the error then
// belongs to what follows them.
func (c *Conn) ReadBatch(b *Batch) (int, error) {
	b.n = 0
	c.reading.Lock()
	defer c.reading.Unlock()
	if err := c.use(); err != nil {
		return 0, failed(opRead, err)
	}
	defer c.done()
	for {
		if err := c.expired(); err != nil {
			return 0, failed(opRead, err)
		}
		empty, err := b.receive(c)
		if empty {
			if err = c.wait(); err == nil {
				continue
			}
		}
		if err != nil {
			return b.n, failed(opRead, err)
		}
		return b.n, nil
	}
}

// TryReadBatch is ReadBatch without waiting and whatever the deadline: with an
// empty queue it returns 0 and no error. Nothing is allocated.
func (c *Conn) TryReadBatch(b *Batch) (int, error) {
	b.n = 0
	if err := c.use(); err != nil {
		return 0, failed(opRead, err)
	}
	defer c.done()
	if _, err := b.receive(c); err != nil {
		return b.n, failed(opRead, err)
	}
	return b.n, nil
}

// receive fills b from the queue without waiting, and reports whether there was
// nothing.
func (b *Batch) receive(c *Conn) (empty bool, err error) {
	b.n, err = b.vectors.receive(c, b)
	if !b.bare {
		b.at = time.Now()
	}
	if isEmpty(err) {
		b.memory.info.Queued = 0
		return true, nil
	}
	if !b.bare {
		b.memory.ask(c.fd)
	}
	for i, n := range b.lens[:b.n] {
		// Neither can happen with PF_KEY; if it does, it is not passed over.
		switch {
		case n == 0:
			b.n = i
			return false, io.EOF
		case n > MaxMessage:
			b.n = i
			return false, fmt.Errorf("a message longer than MaxMessage (%d bytes) was cut: %w", MaxMessage, io.ErrShortBuffer)
		}
	}
	return false, err
}

// receiveEach reads message by message until the queue is empty or b is full.
func (b *Batch) receiveEach(fd int) (int, error) {
	for i := range b.lens {
		n, err := readNow(fd, b.slot(i))
		if err != nil {
			if i > 0 && isEmpty(err) {
				err = nil
			}
			return i, err
		}
		b.lens[i] = n
	}
	return len(b.lens), nil
}
