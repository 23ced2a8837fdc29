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

	// Arguments and results across RawConn, whose function would cost an
	// allocation per call as a closure.
	c     *Conn
	wait  func(fd uintptr) bool
	now   func(fd uintptr)
	empty bool
	err   error
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
	b.wait = func(fd uintptr) bool { b.receive(int(fd)); return !b.empty }
	b.now = func(fd uintptr) { b.receive(int(fd)) }
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
	b.begin(c)
	err := c.rawErr(c.raw.Read(b.wait))
	return b.end(err)
}

// TryReadBatch is ReadBatch without waiting and whatever the deadline: with an
// empty queue it returns 0 and no error. Nothing is allocated.
func (c *Conn) TryReadBatch(b *Batch) (int, error) {
	b.begin(c)
	err := c.rawErr(c.raw.Control(b.now))
	return b.end(err)
}

func (b *Batch) begin(c *Conn) {
	b.c, b.n, b.empty, b.err = c, 0, false, nil
}

func (b *Batch) end(err error) (int, error) {
	b.c = nil
	if err == nil {
		err = b.err
	}
	if err != nil {
		return b.n, failed(opRead, err)
	}
	return b.n, nil
}

// receive fills b from the queue without waiting. It sets b.empty when there
// was nothing.
func (b *Batch) receive(fd int) {
	b.n, b.err = b.vectors.receive(fd, b)
	if !b.bare {
		b.at = time.Now()
	}
	b.empty = isEmpty(b.err)
	if b.empty {
		b.memory.info.Queued = 0
		b.err = nil
		return
	}
	if !b.bare {
		b.memory.ask(fd)
	}
	for i, n := range b.lens[:b.n] {
		// Neither can happen with PF_KEY; if it does, it is not passed over.
		switch {
		case n == 0:
			b.n, b.err = i, io.EOF
			return
		case n > MaxMessage:
			b.n, b.err = i, fmt.Errorf("a message longer than MaxMessage (%d bytes) was cut: %w", MaxMessage, io.ErrShortBuffer)
			return
		}
	}
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
