package record

import (
	"fmt"
	"io"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Bytes of the headers of a classic pcap file and of its packets
// (draft-ietf-opsawg-pcap sections 4 and 5).
const (
	pcapHeaderLen = 24
	pcapRecordLen = 16
)

// pcapDecoder reads the packets of a classic pcap file.
type pcapDecoder struct {
	r     *Reader
	in    *input
	big   bool
	nano  bool
	iface *Interface // nil until the header has been read
}

func (d *pcapDecoder) order() layers.Order {
	if d.big {
		return layers.BigEndian
	}
	return layers.LittleEndian
}

func (d *pcapDecoder) header() error {
	h, err := d.in.peek(pcapHeaderLen)
	if err != nil {
		return d.short(err, "the file ends inside its header of %d bytes, after %d", pcapHeaderLen, len(h))
	}
	if major := get16(h[4:], d.big); major != 2 {
		return fmt.Errorf("%w: pcap version %d.%d, only 2.x is known", ErrNotCapture, major, get16(h[6:], d.big))
	}
	f := Interface{SnapLen: get32(h[16:], d.big), LinkType: uint16(get32(h[20:], d.big))} // the upper half has flags
	if !ourLinkType(f.LinkType) {
		return fmt.Errorf("%w: packets have %s, those of PF_KEY %d to %d", ErrNotCapture, linkTypeName(f.LinkType), LinkTypeUser0, LinkTypeUser15)
	}
	d.r.settle(&f)
	d.iface = &f
	d.in.discard(pcapHeaderLen)
	return nil
}

func (d *pcapDecoder) next(rec *Record) error {
	if d.iface == nil {
		if err := d.header(); err != nil {
			return err
		}
	}
	h, err := d.in.peek(pcapRecordLen)
	if err != nil {
		if err == io.EOF && len(h) == 0 {
			return io.EOF
		}
		return d.short(err, "the file ends inside a packet header of %d bytes, after %d", pcapRecordLen, len(h))
	}
	captured, original := get32(h[8:], d.big), get32(h[12:], d.big)
	if captured > maxBlock {
		return d.r.damage(false, "packet of %d captured bytes: at most %d is possible", captured, maxBlock)
	}
	n := pcapRecordLen + int(captured)
	b, err := d.in.peek(n)
	if err != nil {
		return d.short(err, "the file ends inside a packet of %d bytes, after %d", captured, len(b)-pcapRecordLen)
	}
	sec, frac := int64(get32(b, d.big)), int64(get32(b[4:], d.big))
	if !d.nano {
		frac *= 1000
	}
	d.r.start(rec, b[pcapRecordLen:n:n], int(min(max(original, captured), 1<<31-1)))
	if sec != 0 || frac != 0 {
		rec.Time = time.Unix(sec, frac).UTC()
	}
	d.r.finish(rec, d.iface, d.order())
	d.in.discard(n)
	return nil
}

func (d *pcapDecoder) short(cause error, format string, args ...any) error {
	if cause != io.EOF {
		return d.r.readError(cause)
	}
	return d.r.damage(true, format, args...)
}
