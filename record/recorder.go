package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Batch is what one read of a Socket brought: messages in the order of its queue,
// all read at one time. The slices are valid until the next read.
type Batch interface {
	Len() int
	Message(i int) []byte
	Time() time.Time
}

// Socket is what a Recorder reads. Package record/keysock has the real one.
type Socket interface {
	// Receive waits for messages. Messages that came before an error are in the
	// Batch, which may be nil if there are none.
	Receive() (Batch, error)
	// TryReceive is Receive without waiting: the Batch may be empty. It works after
	// Interrupt too.
	TryReceive() (Batch, error)
	// Interrupt makes Receive return an error now and later on. It may be called
	// at any time from any goroutine.
	Interrupt()
	// Queue says how many bytes were in the receive queue right after the last
	// read, and how many it holds, as the kernel counts them to drop messages. A
	// limit of 0 means that this is not known.
	Queue() (used, limit int)
}

// Recorder pumps messages from a socket into a capture. Set the fields, call Run,
// and then Close. Send, Note and Counts may be called at any time from any goroutine,
// the functions in the fields are never called at the same time.
type Recorder struct {
	Socket Socket
	Writer *Writer      // may be nil: nothing is written then
	Codec  layers.Codec // of the messages

	// Annotate completes a record: direction, process, comments. May be nil.
	Annotate func(*Record)
	// Keep says whether a record goes into the capture and to OnRecord. Numbers
	// count the others too, so a capture shows where something was left out. May
	// be nil.
	Keep func(*Record) bool
	// OnRecord gets every record kept, after it has been written. The record holds
	// true bytes and is valid during the call. An error ends the recording. May be
	// nil.
	OnRecord func(*Record) error
	// OnLoss is told when messages may be lost, which no system says: Linux drops
	// them silently when the receive queue is full. May be nil. A comment on the
	// next record says it too, and Record.Gap.
	OnLoss func(Loss)

	// When to stop, if not 0: after so many records kept, when the capture has so
	// many bytes, after so much time.
	MaxRecords  uint64
	MaxSize     int64
	MaxDuration time.Duration

	// Rotation divides the recording into several captures, Writer being the first.
	// May be nil.
	Rotation *Rotation
	// Finished is called with each capture after it has been closed without an
	// error, in the order in which they were begun: by a goroutine of its own, the
	// last one by Close. It must not call the Recorder. May be nil.
	Finished func(*Writer)

	// SyncEvery is the interval at which what has been written is brought to the
	// disk; 0 leaves that to Close.
	SyncEvery time.Duration

	mu      sync.Mutex
	started time.Time
	scratch Record   // the one in hand
	records []Record // those of the batch, for OnRecord
	loss    overflow
	notes   notes
	dropped uint64 // messages that are missing before the next record that is kept
	counts  Counts
	full    bool // MaxRecords or MaxSize has been reached, or a Rotation has ended
	err     error
	turn    turn // of the Rotation
}

// Counts is what a Recorder has done so far.
type Counts struct {
	Received uint64 // messages read from the socket
	Sent     uint64 // messages recorded by Send
	Kept     uint64 // records that Keep let through
	Written  uint64 // records in the capture, or in all of them
	Bytes    int64  // size of the capture, or of all of them
	Files    int    // captures begun
	// Missing is how many messages are known to be missing, because Annotate has
	// found out (Record.Dropped). Suspected is how often the receive queue was full,
	// so that any number may be missing.
	Missing, Suspected uint64
}

// errEnough ends Run when there is enough.
var errEnough = errors.New("enough recorded")

// Run records until ctx is done, enough has been recorded or something fails. At
// the end it empties the receive queue. It returns nil unless something failed;
// the cause is wrapped (syscall.ENOSPC, syscall.EPIPE and so on). The capture
// then ends after a whole record. Call Close in either case.
func (r *Recorder) Run(ctx context.Context) error {
	if r.MaxDuration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.MaxDuration)
		defer cancel()
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, r.Socket.Interrupt)
	bg := background{cancel: cancel}

	r.mu.Lock()
	if r.started.IsZero() {
		r.started = time.Now()
		r.startFile(r.started)
	}
	err := r.flush() // so that who reads a pipe sees the header
	r.mu.Unlock()
	if r.Writer != nil && r.SyncEvery > 0 {
		bg.start(func() { r.sync(ctx, bg.fail) })
	}
	endRotation := func() {}
	if r.Writer != nil && r.Rotation != nil {
		endRotation = r.startRotation(ctx, &bg)
	}
	for err == nil && ctx.Err() == nil {
		err = r.step(ctx)
	}
	if err == nil {
		err = r.drain(ctx)
	}
	stop() // the socket stays usable if there is merely enough
	cancel()
	endRotation()
	if berr := bg.wait(); err == nil || err == errEnough {
		err = berr
	}
	return err
}

// background is what goes on beside the reading of the socket.
type background struct {
	cancel context.CancelFunc // ends the recording
	wg     sync.WaitGroup
	mu     sync.Mutex
	err    error // the first
}

func (b *background) start(f func()) {
	b.wg.Add(1)
	go func() {
		defer b.wg.Done()
		f()
	}()
}

// fail ends the recording with an error.
func (b *background) fail(err error) {
	b.mu.Lock()
	if b.err == nil {
		b.err = err
	}
	b.mu.Unlock()
	b.cancel()
}

func (b *background) wait() error {
	b.wg.Wait()
	return b.err
}

// step records one batch.
func (r *Recorder) step(ctx context.Context) error {
	b, err := r.Socket.Receive()
	if rerr := r.record(b); rerr != nil {
		return rerr
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("reading the PF_KEY socket: %w", err)
	}
	return nil
}

// maxDrain bounds the emptying of the queue at the end: others may fill it as
// fast as it is emptied.
const maxDrain = time.Second

// drain records what waits in the queue when the recording ends.
func (r *Recorder) drain(ctx context.Context) error {
	for deadline := time.Now().Add(maxDrain); time.Now().Before(deadline); {
		b, err := r.Socket.TryReceive()
		if rerr := r.record(b); rerr != nil {
			return rerr
		}
		if err != nil || b == nil || b.Len() == 0 {
			return nil // an error of a socket that is being left is of no interest
		}
	}
	return nil
}

// Sync waits until what has been recorded so far is on the disk. It is an error
// (ErrRemoved) if the capture, or its side file, has been removed meanwhile. It may be called at any time from any goroutine.
func (r *Recorder) Sync() error {
	r.mu.Lock()
	w := r.Writer
	err := r.flush()
	r.mu.Unlock()
	if w == nil || err != nil {
		return err
	}
	// Not under the lock: messages come in while a slow disk works.
	err = w.Sync()
	r.mu.Lock()
	defer r.mu.Unlock()
	if w != r.Writer {
		if errors.Is(err, os.ErrClosed) {
			err = nil // a Rotation has closed it, and Close brings it to the disk
		}
		return err // a ring may have removed it
	}
	if err == nil {
		err = w.removed()
	}
	return err
}

// sync brings the capture to the disk now and then.
func (r *Recorder) sync(ctx context.Context, fail func(error)) {
	tick := time.NewTicker(r.SyncEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.Sync(); err != nil {
				fail(fmt.Errorf("bringing the capture to the disk: %w", err))
				return
			}
		}
	}
}

// record records a batch with one write.
func (r *Recorder) record(b Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b == nil || b.Len() == 0 {
		return nil
	}
	ended := r.watch(b)
	t := b.Time()
	for i := range b.Len() {
		if r.full {
			break
		}
		msg := b.Message(i)
		r.counts.Received++
		rec := &r.scratch
		*rec = Record{} // and then field by field: a literal would be made elsewhere and copied
		rec.Time, rec.Data, rec.OrigLen = t, msg, len(msg)
		rec.Gap = r.loss.suspect || ended && i == 0
		if err := r.add(rec); err != nil {
			return err
		}
	}
	return r.done()
}

// watch looks whether messages may have been lost before or among those of a
// batch, and reports whether they may have been before its first for the last
// time.
func (r *Recorder) watch(b Batch) (ends bool) {
	used, limit := r.Socket.Queue()
	begins, ends := r.loss.read(b, used, limit)
	l := Loss{Over: ends, Number: r.counts.Received + r.counts.Sent + 1, Queued: used, Limit: limit}
	switch {
	case begins:
		r.counts.Suspected++
		r.Note(lossBegins)
	case ends:
		r.Note(lossEnds)
	default:
		return false
	}
	if r.OnLoss != nil {
		r.OnLoss(l)
	}
	return ends
}

// Send records a message of our own: do writes it to the socket and returns it,
// as the methods of record/keysock do, and the error of writing, which becomes the
// record's WriteErrno, or a comment on it, and is returned. Its answer cannot get
// into the capture before it. do must not call the Recorder.
func (r *Recorder) Send(do func() (msg []byte, err error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := time.Now()
	msg, err := do()
	if len(msg) == 0 || r.full {
		return err
	}
	r.scratch = Record{Time: t, Dir: ToKernel, Data: msg, OrigLen: len(msg)}
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno) && errno > 0 && errno < 256:
		r.scratch.WriteErrno = uint8(errno)
	case err != nil:
		r.scratch.Comments = []string{"write failed: " + err.Error()}
	}
	r.counts.Sent++
	rerr := r.add(&r.scratch)
	if rerr == nil {
		rerr = r.done()
	}
	if rerr == errEnough {
		rerr = nil // Run will find that out
	}
	return errors.Join(err, rerr)
}

// Note makes text a comment on the next record that is kept, which is the one in
// hand if Annotate, Keep or OnLoss call it. If none is kept for long, the last 256
// texts are.
func (r *Recorder) Note(text string) { r.notes.add(text) }

// notes are comments that wait for a record.
type notes struct {
	some atomic.Bool
	mu   sync.Mutex
	list []string
}

// maxNotes bounds them: where a filter keeps nothing for long, the last ones are
// what matters.
const maxNotes = 256

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.list) == maxNotes {
		n.list = append(n.list[:0], n.list[1:]...)
	}
	n.list = append(n.list, text)
	n.some.Store(true)
}

// take appends the comments to dst.
func (n *notes) take(dst []string) []string {
	if !n.some.Load() {
		return dst
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	dst = append(dst, n.list...)
	n.list = n.list[:0]
	n.some.Store(false)
	return dst
}

// add gives a message its number and takes it into the batch.
func (r *Recorder) add(rec *Record) error {
	if r.err != nil {
		return r.err
	}
	rec.Number = r.counts.Received + r.counts.Sent
	rec.Codec = r.Codec
	if r.Annotate != nil {
		r.Annotate(rec)
	}
	r.counts.Missing += rec.Dropped
	if r.Keep != nil && !r.Keep(rec) {
		r.dropped += rec.Dropped
		return nil
	}
	rec.Dropped += r.dropped
	r.dropped = 0
	rec.Comments = r.notes.take(rec.Comments)
	r.counts.Kept++
	if r.Writer != nil {
		if r.err = r.Writer.Append(rec); r.err != nil {
			return r.err
		}
	}
	if r.OnRecord != nil {
		r.records = append(r.records, *rec)
	}
	r.full = r.full || r.MaxRecords > 0 && r.counts.Kept >= r.MaxRecords ||
		r.MaxSize > 0 && r.Writer != nil && r.Writer.Size() >= r.MaxSize
	if r.turn.on && !r.full && r.turnDue() {
		return r.rotate(time.Now(), false)
	}
	return nil
}

// done writes the batch and shows it.
func (r *Recorder) done() error {
	if err := r.flush(); err != nil {
		r.records = r.records[:0]
		return err
	}
	defer func() {
		clear(r.records)
		r.records = r.records[:0]
	}()
	for i := range r.records {
		if err := r.OnRecord(&r.records[i]); err != nil {
			r.err = err
			return err
		}
	}
	if r.full {
		return errEnough
	}
	return nil
}

func (r *Recorder) flush() error {
	if r.Writer == nil || r.err != nil {
		return r.err
	}
	r.err = r.Writer.Flush()
	return r.err
}

// Counts returns what has been done so far.
func (r *Recorder) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.counts
	if r.Writer != nil {
		c.Written += r.Writer.Records()
		c.Bytes += r.Writer.Size()
		c.Files++
	}
	return c
}

// Close ends the capture with its statistics and closes it. What the kernel
// dropped is not among them, because no system says.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Writer == nil {
		return nil
	}
	r.Writer.SetStatistics(r.statistics(time.Now()))
	err := r.Writer.removed()
	if cerr := r.Writer.Close(); err == nil {
		err = cerr
	}
	if err == nil && r.Finished != nil {
		r.Finished(r.Writer)
	}
	return err
}
