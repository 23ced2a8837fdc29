package main

import (
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/pfkeycap/pfkeycap/record"
)

// pipeline prints the records of files on several processors, in order. The goroutine
// that reads gathers them in batches, with what their text takes from earlier records;
// it and the workers, whoever comes first, make text of these; it writes that.
type pipeline struct {
	own     *linter                 // of the goroutine that reads
	another func() (*linter, error) // makes one that prints as own does
	workers int
	others  []*linter // those of the workers, once they are started
	ended   sync.WaitGroup

	filling *batch
	queue   []*batch // those before it that are not written, oldest first
	limit   int      // of queue
	work    chan *batch
	free    []*batch
}

const (
	// A batch is as much: handing it on costs little then, and it stays in a cache.
	batchBytes   = 16 << 10
	batchRecords = 512
	// maxWorkers are as many as reading can feed: making JSON takes four times as long.
	maxWorkers = 4
)

// newPipeline returns nil if there is nothing to gain, with one processor; if output is
// not to wait, for input or on a terminal; and if more of the text depends on what is
// being read: what --lint=xfrm says of a record, and the ids of its secrets if inputs
// take turns.
func newPipeline(in *input, own *linter, another func() (*linter, error)) *pipeline {
	workers := min(runtime.GOMAXPROCS(0)-1, maxWorkers)
	if workers < 1 || own.p.flush == 0 || own.xfrm != nil || in.merged != nil || !in.regular() {
		return nil
	}
	// Enough that workers do not run out of batches while the one that reads makes text.
	limit := 4 * (workers + 1)
	return &pipeline{own: own, another: another, workers: workers, limit: limit, work: make(chan *batch, limit), filling: newBatch(0, 0)}
}

// record takes a record that is to be printed.
func (q *pipeline) record(r *record.Record) error {
	b := q.filling
	if b.add(r, q.own.p); !b.full() {
		return nil
	}
	if n := len(q.free); n > 0 {
		q.filling, q.free = q.free[n-1], q.free[:n-1]
	} else {
		q.filling = newBatch(len(b.items), len(b.bytes))
	}
	q.send(b)
	if q.others == nil && len(q.queue) == q.limit/2 { // a small file does without
		if err := q.start(); err != nil {
			return err
		}
	}
	for len(q.queue) == q.limit || len(q.queue) > 0 && q.queue[0].ready() {
		if err := q.write(); err != nil {
			return err
		}
	}
	return nil
}

// start starts the workers.
func (q *pipeline) start() error {
	for range q.workers {
		l, err := q.another()
		if err != nil {
			return err
		}
		q.others = append(q.others, l)
		q.ended.Add(1)
		go func() {
			defer q.ended.Done()
			for b := range q.work {
				b.format(l)
			}
		}()
	}
	return nil
}

func (q *pipeline) send(b *batch) {
	q.queue = append(q.queue, b)
	q.work <- b // which has room for all of queue
}

// write writes the oldest batch. Until its text is there it makes that of others.
func (q *pipeline) write() error {
	b := q.queue[0]
	for !b.ready() {
		select {
		case <-b.made:
			b.isMade = true
		case x := <-q.work:
			x.format(q.own)
		}
	}
	q.queue = slices.Delete(q.queue, 0, 1)
	err := q.own.p.done() // the header of columns
	if err == nil {
		_, err = q.own.p.w.Write(b.text)
	}
	b.reset()
	q.free = append(q.free, b)
	return err
}

// done writes what is left and adds up what was found.
func (q *pipeline) done() error {
	if len(q.filling.items) > 0 {
		q.send(q.filling)
	}
	var err error
	for len(q.queue) > 0 && err == nil {
		err = q.write()
	}
	q.stop()
	for _, l := range q.others {
		q.own.count(l)
	}
	return errors.Join(err, q.own.p.done())
}

// stop ends the workers.
func (q *pipeline) stop() {
	if q.work != nil {
		close(q.work)
		q.ended.Wait()
		q.work = nil
	}
}

// batch is records that follow each other, and their text.
type batch struct {
	items    []item
	bytes    []byte   // what these refer to
	comments []string // as well
	text     []byte
	made     chan struct{} // receives once text is there
	isMade   bool          // it has received
}

// item is a record and what its text takes from those before it.
type item struct {
	record record.Record
	past   past
}

// newBatch makes a batch with room for n records of so many bytes.
func newBatch(n, bytes int) *batch {
	return &batch{items: make([]item, 0, n), bytes: make([]byte, 0, bytes), made: make(chan struct{}, 1)}
}

// add copies a record. p is the printer that sees all records in their order.
func (b *batch) add(r *record.Record, p *printer) {
	n := len(b.items)
	b.items = slices.Grow(b.items, 1)[:n+1]
	x := &b.items[n]
	x.record, x.past = *r, p.past(r)
	x.record.Data, x.record.True = keep(&b.bytes, r.Data), keep(&b.bytes, r.True)
	x.record.Comments = keep(&b.comments, r.Comments)
	x.past.text.Request = keep(&b.bytes, x.past.text.Request)
	p.remember(r)
}

// keep appends s to all and returns the copy. If all moves for want of room, earlier
// copies stay where they are.
func keep[T any](all *[]T, s []T) []T {
	if s == nil {
		return nil
	}
	from := len(*all)
	*all = append(*all, s...)
	return (*all)[from:len(*all):len(*all)]
}

func (b *batch) full() bool { return len(b.bytes) >= batchBytes || len(b.items) >= batchRecords }

// format makes the text.
func (b *batch) format(l *linter) {
	mine := l.p.buf
	l.p.buf = slices.Grow(b.text, l.most)
	for i := range b.items {
		l.format(&b.items[i].record, &b.items[i].past)
	}
	b.text, l.p.buf = l.p.buf, mine
	l.most = max(l.most, len(b.text))
	b.made <- struct{}{}
}

// ready reports whether the text is there.
func (b *batch) ready() bool {
	select {
	case <-b.made:
		b.isMade = true
	default:
	}
	return b.isMade
}

// reset empties a batch and keeps its memory.
func (b *batch) reset() {
	clear(b.comments)
	b.items, b.bytes, b.comments, b.text, b.isMade = b.items[:0], b.bytes[:0], b.comments[:0], b.text[:0], false
}
