package record

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// openBlock begins a block in the batch and returns where.
func (w *Writer) openBlock(typ uint32) int {
	at := len(w.batch)
	w.batch = append32(w.batch, w.big, typ)
	w.batch = append32(w.batch, w.big, 0) // the length, set by closeBlock
	return at
}

// closeBlock ends the options and the block that begins at at.
func (w *Writer) closeBlock(at int) error {
	b := (*[8]byte)(w.extend(8))
	n := len(w.batch) - at
	if n > maxBlock {
		return fmt.Errorf("a block of %d bytes: at most %d is possible", n, maxBlock)
	}
	put32(b[0:], w.big, optEnd)
	put32(b[4:], w.big, uint32(n))
	put32(w.batch[at+4:], w.big, uint32(n))
	return nil
}

// extend makes the batch n bytes longer and returns these, to be written to.
func (w *Writer) extend(n int) []byte {
	at := len(w.batch)
	w.batch = slices.Grow(w.batch, n)[:at+n]
	return w.batch[at:]
}

func (w *Writer) pad() {
	if len(w.batch)%4 != 0 { // the batch begins with a block, so this is right within one too
		w.batch = append(w.batch, "\x00\x00\x00"[:-len(w.batch)&3]...)
	}
}

func (w *Writer) optionHeader(code uint32, n int) {
	w.batch = append32(w.batch, w.big, optionHead(code, uint32(n), w.big))
}

// text appends an option that is a text, in two parts, unless it is empty.
func (w *Writer) text(code uint32, prefix, s string) error {
	n := len(prefix) + len(s)
	if n == 0 {
		return nil
	}
	if n > maxOptionValue {
		return fmt.Errorf("a text of %d bytes, beginning %.32q: at most %d is possible", n, prefix+s[:min(len(s), 32)], maxOptionValue)
	}
	w.optionHeader(code, n)
	w.batch = append(w.batch, prefix...)
	w.batch = append(w.batch, s...)
	w.pad()
	return nil
}

func (w *Writer) option64(code uint32, v uint64) {
	b := (*[12]byte)(w.extend(12))
	put32(b[0:], w.big, optionHead(code, 8, w.big))
	put64(b[4:], w.big, v)
}

// timestamp appends a time as packets and statistics have it: the upper half
// first in both byte orders.
func (w *Writer) timestamp(ts uint64) {
	w.batch = append32(w.batch, w.big, uint32(ts>>32))
	w.batch = append32(w.batch, w.big, uint32(ts))
}

// nanoseconds converts a time. The zero Time is unknown and becomes 0.
func nanoseconds(t time.Time) (uint64, error) {
	if t.IsZero() {
		return 0, nil
	}
	const maxSeconds = math.MaxUint64/1_000_000_000 - 1
	sec := t.Unix()
	if sec < 0 || sec > maxSeconds {
		return 0, fmt.Errorf("time %s: pcapng with nanoseconds holds 1970 to 2554", t.Format(time.RFC3339))
	}
	return uint64(sec)*1e9 + uint64(t.Nanosecond()), nil
}

// appendSection appends a section header. The length of the section is left
// open, so that there is nothing to go back for.
func (w *Writer) appendSection() error {
	at := w.openBlock(blockSection)
	w.batch = append32(w.batch, w.big, byteOrderMagic)
	w.batch = append16(w.batch, w.big, 1) // version 1.0
	w.batch = append16(w.batch, w.big, 0)
	w.batch = append64(w.batch, w.big, math.MaxUint64)
	err := errors.Join(
		w.text(optHardware, "", w.opts.Hardware),
		w.text(optOS, "", w.opts.OS),
		w.text(optApplication, "", w.opts.Application),
	)
	if err != nil {
		return fmt.Errorf("section header: %w", err)
	}
	return w.closeBlock(at)
}

// appendInterface appends the description of the socket for messages of a codec.
func (w *Writer) appendInterface(c layers.Codec) error {
	m := w.opts.Meta
	m.Dialect, m.Order = c.Dialect, c.Order
	at := w.openBlock(blockInterface)
	w.batch = append16(w.batch, w.big, w.opts.LinkType)
	w.batch = append16(w.batch, w.big, 0)
	// The same on every interface, whatever records are cut to: libpcap refuses
	// files in which it differs.
	w.batch = append32(w.batch, w.big, DefaultSnapLen)
	err := errors.Join(
		w.text(optIfName, "", "pfkey"),
		w.text(optIfDescription, "", m.String()),
	)
	w.optionHeader(optIfTSResol, 1)
	w.batch = append(w.batch, tsResolNano)
	w.pad()
	err = errors.Join(err, w.text(optIfOS, "", w.opts.OS))
	// Not as if_filter: that is for filters of libpcap.
	if w.opts.Filter != "" {
		err = errors.Join(err, w.text(optComment, commentFilter, w.opts.Filter))
	}
	if err != nil {
		return fmt.Errorf("interface description: %w", err)
	}
	return w.closeBlock(at)
}

// interfaceOf returns the number of the interface for messages of a codec. What
// the codec leaves open is as in WriterOptions.Meta.
func (w *Writer) interfaceOf(c layers.Codec) (int, error) {
	first := w.sockets[0].codec
	if c.Dialect == layers.NoDialect {
		c.Dialect = first.Dialect
	}
	if c.Order == layers.NoOrder {
		c.Order = first.Order
	}
	for i := range w.sockets {
		if w.sockets[i].codec == c {
			return i, nil
		}
	}
	if err := w.appendInterface(c); err != nil {
		return 0, err
	}
	w.endBlock(false)
	w.sockets = append(w.sockets, socket{codec: c})
	return len(w.sockets) - 1, nil
}

// appendPacket appends an enhanced packet block.
func (w *Writer) appendPacket(p *packet, id int) error {
	ts, err := nanoseconds(p.Time)
	if err != nil {
		return err
	}
	at := len(w.batch)
	head := (*[28]byte)(w.extend(28))
	put32(head[0:], w.big, blockEnhanced)
	put32(head[4:], w.big, 0) // the length, set by closeBlock
	put32(head[8:], w.big, uint32(id))
	put32(head[12:], w.big, uint32(ts>>32))
	put32(head[16:], w.big, uint32(ts))
	put32(head[20:], w.big, uint32(p.captured))
	put32(head[24:], w.big, uint32(min(p.original, math.MaxInt32)))
	if err := w.appendData(p); err != nil {
		return err
	}
	w.pad()
	flags := (*[8]byte)(w.extend(8))
	put32(flags[0:], w.big, optionHead(optFlags, 4, w.big))
	put32(flags[4:], w.big, uint32(p.Dir&3))
	if p.Dropped > 0 {
		w.option64(optDropCount, p.Dropped)
	}
	w.option64(optPacketID, p.number)
	if p.Process != "" {
		if err := w.text(optComment, commentProcess, p.Process); err != nil {
			return err
		}
	}
	if p.WriteErrno != 0 {
		if err := w.text(optComment, commentWriteErrno, strconv.Itoa(int(p.WriteErrno))); err != nil {
			return err
		}
	}
	for _, c := range p.Comments {
		if err := w.text(optComment, "", c); err != nil {
			return err
		}
	}
	if err := w.closeBlock(at); err != nil {
		return err
	}
	w.endBlock(true)
	return nil
}

// appendStatistics appends the statistics of an interface. What SetStatistics was
// told is about the first one.
func (w *Writer) appendStatistics(id int) {
	var s Statistics
	if id == 0 {
		s = w.stats
	}
	socket := &w.sockets[id]
	if s.Start.IsZero() {
		s.Start = socket.first
	}
	if s.End.IsZero() {
		s.End = socket.last
	}
	if !s.Delivered.Known {
		s.Delivered = Count(socket.count)
	}
	// Times that cannot be expressed are as good as unknown here.
	start, _ := nanoseconds(s.Start)
	end, _ := nanoseconds(s.End)
	at := w.openBlock(blockStatistics)
	w.batch = append32(w.batch, w.big, uint32(id))
	w.timestamp(end)
	for _, o := range [...]struct {
		code uint32
		ts   uint64
	}{{optStartTime, start}, {optEndTime, end}} {
		if o.ts != 0 {
			w.optionHeader(o.code, 8)
			w.timestamp(o.ts)
		}
	}
	for _, o := range [...]struct {
		code uint32
		Counter
	}{{optReceived, s.Received}, {optDropped, s.Dropped}, {optAccepted, s.Accepted}, {optOSDropped, s.OSDropped}, {optDelivered, s.Delivered}} {
		if o.Known {
			w.option64(o.code, o.N)
		}
	}
	w.closeBlock(at) // it is short
	w.endBlock(false)
}
