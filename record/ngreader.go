package record

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// maxInterfaces bounds the memory that a file of interface blocks can claim.
const maxInterfaces = 4096

// maxComments is how many comments of a record are kept.
const maxComments = 256

// Section is a pcapng section: what its header says.
type Section struct {
	Order       layers.Order
	Hardware    string
	OS          string
	Application string
	Comments    []string
}

// Interface is a pcapng interface: where records come from.
type Interface struct {
	ID        int
	Name      string
	OS        string
	LinkType  uint16
	SnapLen   uint32 // bytes; 0 is no limit
	Described bool   // the description is ours; Meta is what it says
	Meta      Meta
	// Filter is the text of the filter that chose the records; "" if the capture
	// does not tell of one.
	Filter string
	// Dialect is the one its records are decoded with, for the reason given by
	// DialectFrom.
	Dialect     layers.Dialect
	DialectFrom DialectSource

	units    uint64 // per second
	tsOffset int64  // seconds
	ids      *Hider // for records with true bytes
	notOurs  bool   // its packets are not PF_KEY
}

// ngDecoder reads the blocks of a pcapng file.
type ngDecoder struct {
	r       *Reader
	in      *input
	big     bool
	section Section
	ifaces  []Interface
	current int // index of the interface of the last record, or the last declared
	stats   Statistics
	hasStat bool
	foreign Interface // the first interface that is not ours, with notOurs set
	ours    bool      // there has been an interface of ours

	lastProcess, lastComment string // so that repeated strings are not allocated again
}

// next reads up to the next record. The error is io.EOF at the end of the file
// between two blocks.
func (d *ngDecoder) next(rec *Record) error {
	for {
		b, err := d.in.ahead(), error(nil)
		if len(b) < 8 {
			if b, err = d.in.peek(8); err != nil {
				return d.noBlock(b, err)
			}
		}
		typ := get32(b, d.big)
		if typ == blockSection {
			if err := d.order(); err != nil {
				return err
			}
			b = d.in.ahead()
		}
		total := get32(b[4:], d.big)
		least, known := leastLen(typ)
		if total < least || total > maxBlock || total%4 != 0 {
			return d.badLength(typ, total)
		}
		n := int(total)
		if !known {
			if err := d.skip(n); err != nil {
				return err
			}
			continue
		}
		if len(b) < n {
			if b, err = d.in.peek(n); err != nil {
				return d.short(err, "the file ends inside a block of %d bytes, after %d", n, len(b))
			}
		}
		if end := get32(b[n-4:], d.big); end != total {
			return d.damage("block length is %d at its start and %d at its end", total, end)
		}
		found := false
		switch body := b[8 : n-4]; typ {
		case blockEnhanced, blockPacket:
			found, err = d.packet(body, rec, typ == blockEnhanced)
		case blockSimple:
			found, err = d.simple(body, rec)
		case blockSection:
			err = d.startSection(body)
		case blockInterface:
			err = d.addInterface(body)
		case blockStatistics:
			err = d.statistics(body)
		}
		if err != nil {
			return err
		}
		d.in.discard(n)
		if found {
			return nil
		}
	}
}

// noBlock is the error where there are only the bytes h before the end of the file,
// or before what cannot be read.
func (d *ngDecoder) noBlock(h []byte, cause error) error {
	switch {
	case cause != io.EOF || len(h) > 0:
		return d.short(cause, "the file ends inside a block header of 8 bytes, after %d", len(h))
	case d.foreign.notOurs && !d.ours:
		return d.refuse(&d.foreign)
	}
	return io.EOF
}

func (d *ngDecoder) damage(format string, args ...any) error {
	return d.r.damage(false, format, args...)
}

// short is the error for a file that ends too early, or cannot be read further.
func (d *ngDecoder) short(cause error, format string, args ...any) error {
	if cause != io.EOF {
		return d.r.readError(cause)
	}
	return d.r.damage(true, format, args...)
}

// order finds the byte order of the section that begins here.
func (d *ngDecoder) order() error {
	h, err := d.in.peek(blockOverhead)
	if err != nil {
		return d.short(err, "the file ends inside a section header")
	}
	for _, big := range [2]bool{false, true} {
		if get32(h[8:], big) == byteOrderMagic {
			d.big = big
			return nil
		}
	}
	return d.damage("section header without a byte-order magic")
}

// leastLen is the length below which a block of a type cannot be. known is false
// for one of no interest.
func leastLen(typ uint32) (n uint32, known bool) {
	switch typ {
	case blockPacket, blockEnhanced:
		return packetLen, true
	case blockSection:
		return sectionLen, true
	case blockInterface:
		return interfaceLen, true
	case blockSimple:
		return simpleLen, true
	case blockStatistics:
		return statisticsLen, true
	}
	return blockOverhead, false
}

// badLength is the error for a length that a block of a type cannot have.
func (d *ngDecoder) badLength(typ, total uint32) error {
	switch {
	case total > maxBlock:
		return d.damage("block length %d: at most %d is possible", total, maxBlock)
	case total%4 != 0:
		return d.damage("block length %d is not a multiple of 4", total)
	case typ == 0 && total == 0:
		return d.damage("block length 0 of type 0: zeros where a block should be")
	}
	least, _ := leastLen(typ)
	return d.damage("block length %d: a block of type %#x has at least %d", total, typ, least)
}

// skip passes over a block of no interest. Its length has been checked.
func (d *ngDecoder) skip(n int) error {
	start := d.in.off
	h, _ := d.in.peek(8)
	total := get32(h[4:], d.big)
	if got, err := d.in.skip(n - 4); err != nil {
		return d.r.at(start, d.short(err, "the file ends inside a block of %d bytes, after %d", n, got))
	}
	b, err := d.in.peek(4)
	if err != nil {
		return d.r.at(start, d.short(err, "the file ends inside a block of %d bytes, after %d", n, n-4+len(b)))
	}
	if end := get32(b, d.big); end != total {
		return d.r.at(start, d.damage("block length is %d at its start and %d at its end", total, end))
	}
	d.in.discard(4)
	return nil
}

// option cuts the first option off o, which has a length that is a multiple of 4.
// A code of optEnd means that there are no more.
func (d *ngDecoder) option(o []byte) (code uint16, value, rest []byte, err error) {
	n, padded := 0, 0
	if len(o) >= 4 {
		code, n = get16(o, d.big), int(get16(o[2:], d.big))
		padded = (n + 3) &^ 3
	}
	switch {
	case code == optEnd:
		return optEnd, nil, nil, nil
	case padded > len(o)-4:
		return 0, nil, nil, d.pastEnd(code, n, o)
	}
	return code, o[4 : 4+n], o[4+padded:], nil
}

func (d *ngDecoder) pastEnd(code uint16, n int, o []byte) error {
	return d.damage("option %d of %d bytes goes past the end of its block, %d bytes on", code, n, len(o)-4)
}

// fixed checks the length of an option that has only one.
func (d *ngDecoder) fixed(name string, value []byte, want int) error {
	if len(value) != want {
		return d.damage("option %s has %d bytes: want %d", name, len(value), want)
	}
	return nil
}

// maxText bounds what is kept of the texts of sections and interfaces.
const maxText = 4096

// keep makes a string of an option that is kept while the section lasts.
func keep(value []byte) string {
	return strings.TrimRight(string(value[:min(len(value), maxText)]), "\x00")
}

func (d *ngDecoder) startSection(body []byte) error {
	if major := get16(body[4:], d.big); major != 1 {
		return fmt.Errorf("%w: section at byte %d has pcapng version %d.%d, only 1.x is known", ErrNotCapture, d.in.off, major, get16(body[6:], d.big))
	}
	d.section = Section{Order: layers.LittleEndian}
	if d.big {
		d.section.Order = layers.BigEndian
	}
	d.ifaces, d.current = d.ifaces[:0], 0
	for o := body[16:]; ; {
		code, value, rest, err := d.option(o)
		if err != nil {
			return err
		}
		o = rest
		switch code {
		case optEnd:
			return nil
		case optHardware:
			d.section.Hardware = keep(value)
		case optOS:
			d.section.OS = keep(value)
		case optApplication:
			d.section.Application = keep(value)
		case optComment:
			if len(d.section.Comments) < 16 {
				d.section.Comments = append(d.section.Comments, keep(value))
			}
		}
	}
}

func (d *ngDecoder) addInterface(body []byte) error {
	if d.section.Order == layers.NoOrder {
		return d.damage("interface block before any section header")
	}
	if len(d.ifaces) == maxInterfaces {
		return d.damage("more than %d interfaces", maxInterfaces)
	}
	f := Interface{
		ID:       len(d.ifaces),
		LinkType: get16(body, d.big),
		SnapLen:  get32(body[4:], d.big),
		units:    1e6,
	}
	var description string
	var err error
	for o, more := body[8:], true; more; {
		code, value, rest, oerr := d.option(o)
		if oerr != nil {
			return oerr
		}
		o = rest
		switch code {
		case optEnd:
			more = false
		case optIfName:
			f.Name = keep(value)
		case optIfDescription:
			description = keep(value)
		case optIfOS:
			f.OS = keep(value)
		case optComment:
			if text, ok := strings.CutPrefix(keep(value), commentFilter); ok {
				f.Filter = text
			}
		case optIfTSResol:
			if err := d.fixed("if_tsresol", value, 1); err != nil {
				return err
			}
			if f.units, err = d.unitsPerSecond(value[0]); err != nil {
				return err
			}
		case optIfTSOffset:
			if err := d.fixed("if_tsoffset", value, 8); err != nil {
				return err
			}
			f.tsOffset = int64(get64(value, d.big))
		}
	}
	f.notOurs = !ourLinkType(f.LinkType)
	if f.notOurs {
		if !d.foreign.notOurs {
			d.foreign = f
		}
	} else {
		d.ours = true
		var merr error
		if f.Meta, f.Described, merr = ParseMeta(description); merr != nil {
			d.r.notice("meta", "interface %d: %v", f.ID, merr)
		}
		d.r.settle(&f)
		d.current = f.ID
	}
	d.ifaces = append(d.ifaces, f)
	return nil
}

// unitsPerSecond reads if_tsresol: a power of ten, or of two if the top bit is
// set. Units of which a 64-bit time does not hold one second are refused.
func (d *ngDecoder) unitsPerSecond(resol byte) (uint64, error) {
	e := resol & 0x7f
	if resol&0x80 != 0 {
		if e > 63 {
			return 0, d.damage("if_tsresol %#x is 2^-%d seconds: 2^-63 is the finest possible", resol, e)
		}
		return 1 << e, nil
	}
	if e > 19 {
		return 0, d.damage("if_tsresol %#x is 10^-%d seconds: 10^-19 is the finest possible", resol, e)
	}
	units := uint64(1)
	for range e {
		units *= 10
	}
	return units, nil
}

// time converts a timestamp. Zero means that the time is not known.
func (f *Interface) time(ts uint64) time.Time {
	if ts == 0 && f.tsOffset == 0 {
		return time.Time{}
	}
	if f.units == 1e9 {
		return time.Unix(int64(ts/1e9)+f.tsOffset, int64(ts%1e9)).UTC()
	}
	sec, frac := ts/f.units, ts%f.units
	hi, lo := bits.Mul64(frac, 1e9)
	ns, _ := bits.Div64(hi, lo, f.units) // frac < units, so the quotient is below 1e9
	return time.Unix(int64(min(sec, math.MaxInt64))+f.tsOffset, int64(ns)).UTC()
}

// iface finds the interface of a packet. It is nil if the packet is to be passed
// over.
func (d *ngDecoder) iface(id uint32) *Interface {
	if uint64(id) >= uint64(len(d.ifaces)) || d.ifaces[id].notOurs {
		return nil
	}
	d.current = int(id)
	return &d.ifaces[id]
}

// passOver says that packets of an interface are left out, which is an error if it
// is not there, or if there is none of ours.
func (d *ngDecoder) passOver(id uint32) error {
	switch {
	case uint64(id) >= uint64(len(d.ifaces)):
		return d.damage("packet of interface %d: the section has %d so far", id, len(d.ifaces))
	case !d.ours:
		return d.refuse(&d.ifaces[id])
	}
	d.r.notice("foreign", "packets of interface %d are left out: %s", id, linkTypeName(d.ifaces[id].LinkType))
	return nil
}

// refuse is the error for a file without an interface of ours.
func (d *ngDecoder) refuse(f *Interface) error {
	name := f.Name
	if name != "" {
		name = fmt.Sprintf(" of interface %q", name)
	}
	return fmt.Errorf("%w: record %d at byte %d: packets%s have %s, those of PF_KEY %d to %d",
		ErrNotCapture, d.r.count+1, d.in.off, name, linkTypeName(f.LinkType), LinkTypeUser0, LinkTypeUser15)
}

// packet reads the body of an enhanced packet block, or of an obsolete one.
func (d *ngDecoder) packet(body []byte, rec *Record, enhanced bool) (bool, error) {
	const fixedLen = packetLen - blockOverhead
	big, head, data := d.big, (*[fixedLen]byte)(body), body[fixedLen:]
	id, drops := get32(head[:], big), uint16(0)
	if !enhanced {
		id, drops = uint32(get16(head[:], big)), get16(head[2:], big)
	}
	f := d.iface(id)
	if f == nil {
		return false, d.passOver(id)
	}
	ts := uint64(get32(head[4:], big))<<32 | uint64(get32(head[8:], big))
	captured, original := get32(head[12:], big), get32(head[16:], big)
	if captured > uint32(len(data)) {
		return false, d.overfull(captured, data)
	}
	n := int(captured)
	o := data[(n+3)&^3:] // body and data have a length that is a multiple of 4
	d.r.start(rec, data[:n:n], int(min(max(original, captured), math.MaxInt32)))
	if drops != 0xffff { // which is unknown
		rec.Dropped = uint64(drops)
	}
	// A Writer gives two options to every packet, and few have more: epb_flags and
	// epb_packetid. Not to go from one to the next saves a tenth of the time.
	if len(o) == 24 && get32(o, big) == optionHead(optFlags, 4, big) &&
		get32(o[8:], big) == optionHead(optPacketID, 8, big) && get32(o[20:], big) == optEnd && enhanced {
		rec.setDirection(get32(o[4:], big))
		rec.Number = get64(o[12:], big)
		o = nil
	}
	for len(o) >= 4 { // as option does, without a call for each
		code, n := get16(o, big), int(get16(o[2:], big))
		if code == optEnd {
			break
		}
		padded := (n + 3) &^ 3
		if padded > len(o)-4 {
			return false, d.pastEnd(code, n, o)
		}
		value := o[4 : 4+n]
		o = o[4+padded:]
		switch code {
		case optComment:
			d.comment(rec, value)
		case optFlags:
			if err := d.fixed("epb_flags", value, 4); err != nil {
				return false, err
			}
			rec.setDirection(get32(value, big))
		case optDropCount:
			if enhanced {
				if err := d.fixed("epb_dropcount", value, 8); err != nil {
					return false, err
				}
				rec.Dropped = get64(value, big)
			}
		case optPacketID:
			if enhanced {
				if err := d.fixed("epb_packetid", value, 8); err != nil {
					return false, err
				}
				rec.Number = get64(value, big)
			}
		}
	}
	rec.Time = f.time(ts)
	d.r.finish(rec, f, d.section.Order)
	return true, nil
}

// setDirection takes the direction from epb_flags. One of the values means nothing.
func (r *Record) setDirection(flags uint32) {
	if dir := Direction(flags & 3); dir <= ToKernel {
		r.Dir = dir
	}
}

// simple reads the body of a simple packet block.
func (d *ngDecoder) simple(body []byte, rec *Record) (bool, error) {
	f := d.iface(0)
	if f == nil {
		return false, d.passOver(0)
	}
	original, data := get32(body, d.big), body[4:]
	captured := original
	if f.SnapLen != 0 {
		captured = min(captured, f.SnapLen)
	}
	if captured > uint32(len(data)) {
		return false, d.overfull(captured, data)
	}
	d.r.start(rec, data[:captured:captured], int(min(original, math.MaxInt32)))
	d.r.finish(rec, f, d.section.Order)
	return true, nil
}

func (d *ngDecoder) overfull(captured uint32, room []byte) error {
	return d.damage("packet of %d captured bytes in a block that has room for %d", captured, len(room))
}

func (d *ngDecoder) comment(rec *Record, value []byte) {
	if len(value) > len(commentProcess) && string(value[:len(commentProcess)]) == commentProcess && rec.Process == "" {
		if string(value[len(commentProcess):]) != d.lastProcess {
			d.lastProcess = string(value[len(commentProcess):])
		}
		rec.Process = d.lastProcess
		return
	}
	if number, ok := bytes.CutPrefix(value, []byte(commentWriteErrno)); ok && rec.WriteErrno == 0 {
		if n, err := strconv.ParseUint(string(number), 10, 8); err == nil && n > 0 {
			rec.WriteErrno = uint8(n)
			return
		}
	}
	if len(rec.Comments) == maxComments {
		d.r.notice("comments", "record %d at byte %d has more than %d comments", d.r.count+1, d.in.off, maxComments)
		return
	}
	if string(value) != d.lastComment {
		d.lastComment = string(value)
	}
	rec.Comments = append(rec.Comments, d.lastComment)
}

func (d *ngDecoder) statistics(body []byte) error {
	id := get32(body, d.big)
	if uint64(id) >= uint64(len(d.ifaces)) {
		return d.damage("statistics of interface %d: the section has %d so far", id, len(d.ifaces))
	}
	f := &d.ifaces[id]
	if f.notOurs {
		return nil
	}
	var s Statistics
	for o := body[12:]; ; {
		code, value, rest, err := d.option(o)
		if err != nil {
			return err
		}
		o = rest
		if code == optEnd {
			break
		}
		if code < optStartTime || code > optDelivered {
			continue
		}
		if err := d.fixed("of interface statistics", value, 8); err != nil {
			return err
		}
		n := get64(value, d.big)
		ts := uint64(get32(value, d.big))<<32 | uint64(get32(value[4:], d.big))
		switch code {
		case optStartTime:
			s.Start = f.time(ts)
		case optEndTime:
			s.End = f.time(ts)
		case optReceived:
			s.Received = Count(n)
		case optDropped:
			s.Dropped = Count(n)
		case optAccepted:
			s.Accepted = Count(n)
		case optOSDropped:
			s.OSDropped = Count(n)
		case optDelivered:
			s.Delivered = Count(n)
		}
	}
	d.stats, d.hasStat = s, true
	return nil
}
