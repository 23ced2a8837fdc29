package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"time"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// firstTime is the time of the first message; the others follow in steps.
var firstTime = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

const step = 10 * time.Microsecond

// writeCapture writes a capture of n messages, those of package benchtest in turn: an ADD
// by a process and three from the kernel. No two of a kind have the same sequence
// number, and no two ADDs the same SPI. Keys are replaced by stand-ins, as in the
// captures that record writes.
func writeCapture(out io.Writer, n int) error {
	w, err := record.NewWriter(out, record.WriterOptions{
		Application: "bench",
		Meta:        record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Promisc: record.No},
	})
	if err != nil {
		return err
	}
	mix := benchtest.Mix()
	const batch = 64
	rs := make([]*record.Record, batch)
	for i := range rs {
		rs[i] = &record.Record{Codec: benchtest.Codec, Data: make([]byte, 0, 512)}
	}
	for done := 0; done < n; {
		m := min(batch, n-done)
		for _, r := range rs[:m] {
			msg := mix[done%len(mix)]
			r.Data = append(r.Data[:0], msg...)
			r.OrigLen = len(msg)
			r.Number = uint64(done + 1)
			r.Time = firstTime.Add(time.Duration(done) * step)
			r.Dir = record.FromKernel
			binary.LittleEndian.PutUint32(r.Data[8:], uint32(done/len(mix)+1))
			if msg[1] == layers.ADD {
				r.Dir = record.ToKernel
				binary.BigEndian.PutUint32(r.Data[layers.BaseLen+4:], uint32(0x1000+done/len(mix)))
			}
			done++
		}
		if err := w.WriteBatch(rs[:m]); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeISAKMP writes a classic pcap file of n Ethernet frames, as long as the messages
// of package benchtest in turn. Each is the first message of IKEv1's main mode: one
// proposal with as many transforms as fit, and the rest a vendor id.
func writeISAKMP(out io.Writer, n int) error {
	w := bufio.NewWriterSize(out, 1<<20)
	le, be := binary.LittleEndian, binary.BigEndian
	var b []byte
	b = le.AppendUint32(b, 0xa1b23c4d) // nanoseconds
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, 262144)
	b = le.AppendUint32(b, 1) // Ethernet
	var frames [][]byte
	for _, msg := range benchtest.Mix() {
		frames = append(frames, isakmp(len(msg)))
	}
	for i := range n {
		f := frames[i%len(frames)]
		at := firstTime.Add(time.Duration(i) * step)
		b = le.AppendUint32(b, uint32(at.Unix()))
		b = le.AppendUint32(b, uint32(at.Nanosecond()))
		b = le.AppendUint32(b, uint32(len(f)))
		b = le.AppendUint32(b, uint32(len(f)))
		be.PutUint32(f[42:], uint32(i+1)) // part of the initiator's cookie
		if _, err := w.Write(append(b, f...)); err != nil {
			return err
		}
		b = b[:0]
	}
	return w.Flush()
}

// isakmp makes a frame of size bytes.
func isakmp(size int) []byte {
	be := binary.BigEndian
	const (
		linkAndUDP = 14 + 20 + 8
		header     = 28
		saFixed    = 12 // generic header, DOI, situation
		proposal   = 8
		transform  = 8 + 6*4 // with six attributes of four bytes
	)
	count := (size - linkAndUDP - header - saFixed - proposal - 4) / transform
	sa := saFixed + proposal + count*transform
	vendor := size - linkAndUDP - header - sa

	b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0}
	b = be.AppendUint16(b, uint16(size-14))
	b = append(b, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(be.Uint16(b[i:]))
	}
	be.PutUint16(b[24:], ^uint16(sum+sum>>16))
	b = be.AppendUint16(b, 500)
	b = be.AppendUint16(b, 500)
	b = be.AppendUint16(b, uint16(size-34))
	b = append(b, 0, 0) // no checksum

	b = append(b, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, 1, 0x10, 2, 0, 0, 0, 0, 0) // an SA first, version 1.0, identity protection
	b = be.AppendUint32(b, uint32(size-linkAndUDP))
	b = append(b, 13, 0) // a vendor id follows
	b = be.AppendUint16(b, uint16(sa))
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1) // IPsec, identity only
	b = append(b, 0, 0)
	b = be.AppendUint16(b, uint16(proposal+count*transform))
	b = append(b, 1, 1, 0, byte(count)) // ISAKMP, no SPI
	for i := range count {
		next := byte(3)
		if i == count-1 {
			next = 0
		}
		b = append(b, next, 0, 0, transform, byte(i+1), 1, 0, 0)
		for _, a := range [...][2]uint16{{1, 7}, {14, 128}, {2, 2}, {3, 1}, {4, 14}, {11, 1}} {
			b = be.AppendUint16(b, 0x8000|a[0])
			b = be.AppendUint16(b, a[1])
		}
	}
	b = append(b, 0, 0)
	b = be.AppendUint16(b, uint16(vendor))
	return append(b, make([]byte, vendor-4)...)
}
