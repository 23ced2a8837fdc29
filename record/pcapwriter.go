package record

import (
	"fmt"
	"math"
	"time"
)

// appendPcapHeader appends the header of a classic pcap file.
func (w *Writer) appendPcapHeader() {
	magic := uint32(magicNano)
	if w.opts.Format == PcapMicro {
		magic = magicMicro
	}
	w.batch = append32(w.batch, w.big, magic)
	w.batch = append16(w.batch, w.big, 2) // version 2.4
	w.batch = append16(w.batch, w.big, 4)
	w.batch = append64(w.batch, w.big, 0)
	w.batch = append32(w.batch, w.big, DefaultSnapLen)
	w.batch = append32(w.batch, w.big, uint32(w.opts.LinkType))
}

// appendPcapPacket appends a packet of a classic pcap file.
func (w *Writer) appendPcapPacket(p *packet) error {
	var sec, frac uint32
	if t := p.Time; !t.IsZero() {
		if t.Unix() < 0 || t.Unix() > math.MaxUint32 {
			return fmt.Errorf("time %s: classic pcap holds 1970 to 2106", t.Format(time.RFC3339))
		}
		sec, frac = uint32(t.Unix()), uint32(t.Nanosecond())
		if w.opts.Format == PcapMicro {
			frac /= 1000
		}
	}
	w.batch = append32(w.batch, w.big, sec)
	w.batch = append32(w.batch, w.big, frac)
	w.batch = append32(w.batch, w.big, uint32(p.captured))
	w.batch = append32(w.batch, w.big, uint32(min(p.original, math.MaxInt32)))
	if err := w.appendData(p); err != nil {
		return err
	}
	w.endBlock(true)
	return nil
}
