package record_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// unhex drops comments and spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		for f := range strings.FieldsSeq(line) {
			digits.WriteString(f)
		}
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// text is a string in hex, for use in golden bytes.
func text(s string) string { return hex.EncodeToString([]byte(s)) + " " }

func TestGoldenPcapNG(t *testing.T) {
	const (
		le = "PF_KEYv2 dialect=linux byteorder=le netns=4026531840 promisc=1 keys=none saltid=17c766bd" // 88 bytes
		be = "PF_KEYv2 dialect=linux byteorder=be netns=4026531840 promisc=1 keys=none saltid=17c766bd"
	)
	tests := []struct {
		name  string
		order layers.Order
		want  string
	}{
		{"little-endian", layers.LittleEndian, `
			# section header
			0a0d0d0a 4c000000 4d3c2b1a 0100 0000 ffffffffffffffff
			0200 0600 783836 5f3634 0000                    # shb_hardware "x86_64"
			0300 0b00 ` + text("Linux 6.1.0") + ` 00         # shb_os
			0400 0c00 ` + text("pfkeycap 1.0") + `           # shb_userappl
			00000000 4c000000
			# interface description
			01000000 98000000 9300 0000 00000400            # USER0, 262144
			0200 0500 ` + text("pfkey") + ` 000000           # if_name
			0300 5800 ` + text(le) + `
			0900 0100 09 000000                             # if_tsresol: nanoseconds
			0c00 0b00 ` + text("Linux 6.1.0") + ` 00         # if_os
			00000000 98000000
			# enhanced packet: record 7, a FLUSH of 16 bytes
			06000000 70000000 00000000
			b368ab18 150d94f9                               # time, upper half first
			10000000 14000000                               # captured, original
			02 09 00 03 0200 0000 01000000 9c010000
			0200 0400 02000000                              # epb_flags: outbound, to the kernel
			0400 0800 0300000000000000                      # epb_dropcount
			0500 0800 0700000000000000                      # epb_packetid
			0100 0c00 ` + text("process=iked") + `
			0100 0600 ` + text("hello!") + ` 0000
			00000000 70000000
			# interface statistics
			05000000 4c000000 00000000
			b368ab18 150d94f9
			0200 0800 b368ab18 150d94f9                     # isb_starttime
			0300 0800 b368ab18 150d94f9                     # isb_endtime
			0400 0800 0900000000000000                      # isb_ifrecv
			0800 0800 0100000000000000                      # isb_usrdeliv
			00000000 4c000000`},
		{"big-endian", layers.BigEndian, `
			0a0d0d0a 0000004c 1a2b3c4d 0001 0000 ffffffffffffffff
			0002 0006 783836 5f3634 0000
			0003 000b ` + text("Linux 6.1.0") + ` 00
			0004 000c ` + text("pfkeycap 1.0") + `
			00000000 0000004c
			00000001 00000098 0093 0000 00040000
			0002 0005 ` + text("pfkey") + ` 000000
			0003 0058 ` + text(be) + `
			0009 0001 09 000000
			000c 000b ` + text("Linux 6.1.0") + ` 00
			00000000 00000098
			00000006 00000070 00000000
			18ab68b3 f9940d15
			00000010 00000014
			02 09 00 03 0002 0000 00000001 0000019c
			0002 0004 00000002
			0004 0008 0000000000000003
			0005 0008 0000000000000007
			0001 000c ` + text("process=iked") + `
			0001 0006 ` + text("hello!") + ` 0000
			00000000 00000070
			00000005 0000004c 00000000
			18ab68b3 f9940d15
			0002 0008 18ab68b3 f9940d15
			0003 0008 18ab68b3 f9940d15
			0004 0008 0000000000000009
			0008 0008 0000000000000001
			00000000 0000004c`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := layers.Codec{Dialect: layers.Linux, Order: tt.order}
			rec := &record.Record{
				Number: 7, Time: t0, Dir: record.ToKernel, Codec: c, Data: flush(t, c, 1), OrigLen: 20,
				Dropped: 3, Process: "iked", Comments: []string{"hello!"},
			}
			var b bytes.Buffer
			w, err := record.NewWriter(&b, record.WriterOptions{
				Hardware: "x86_64", OS: "Linux 6.1.0", Application: "pfkeycap 1.0",
				Salt: record.Salt{1},
				Meta: record.Meta{Dialect: layers.Linux, Order: tt.order, NetNS: 4026531840, Promisc: record.Yes},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Append(rec); err != nil {
				t.Fatal(err)
			}
			w.SetStatistics(record.Statistics{Received: record.Count(9)})
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			want := unhex(t, tt.want)
			if !bytes.Equal(b.Bytes(), want) {
				t.Fatalf("got\n%swant\n%s", hex.Dump(b.Bytes()), hex.Dump(want))
			}

			r, err := record.NewReader(bytes.NewReader(want), record.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			rs, _ := all(r)
			if len(rs) != 1 {
				t.Fatalf("%d records, want 1", len(rs))
			}
			same(t, rs[0], rec)
			if s := r.Section(); s.Order != tt.order || s.Hardware != "x86_64" || s.OS != "Linux 6.1.0" || s.Application != "pfkeycap 1.0" {
				t.Errorf("section %+v", s)
			}
			f := r.Interface()
			if f.Name != "pfkey" || f.OS != "Linux 6.1.0" || f.LinkType != 147 || f.SnapLen != 262144 || !f.Described || f.DialectFrom != record.DialectDescribed {
				t.Errorf("interface %+v", f)
			}
			if f.Meta != w.Meta() {
				t.Errorf("meta %v, want %v", f.Meta, w.Meta())
			}
			s, ok := r.Statistics()
			if !ok || !s.Start.Equal(t0) || !s.End.Equal(t0) || s.Received != record.Count(9) || s.Delivered != record.Count(1) || s.OSDropped.Known {
				t.Errorf("statistics %+v, %v", s, ok)
			}
		})
	}
}

// same compares what a capture keeps of a record.
func same(t testing.TB, got, want *record.Record) {
	t.Helper()
	if got.Number != want.Number || !got.Time.Equal(want.Time) || got.Dir != want.Dir || got.Codec != want.Codec ||
		got.OrigLen != want.OrigLen || got.Dropped != want.Dropped || got.Process != want.Process || got.WriteErrno != want.WriteErrno {
		t.Errorf("got %+v %v orig %d dropped %d process %q, want %+v %v orig %d dropped %d process %q",
			got, got.Time, got.OrigLen, got.Dropped, got.Process, want, want.Time, want.OrigLen, want.Dropped, want.Process)
	}
	if strings.Join(got.Comments, "|") != strings.Join(want.Comments, "|") {
		t.Errorf("comments %q, want %q", got.Comments, want.Comments)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("record %d: other bytes", want.Number)
	}
}

func TestGoldenPcap(t *testing.T) {
	tests := []struct {
		name   string
		format record.Format
		order  layers.Order
		want   string
	}{
		{"nanoseconds little-endian", record.PcapNano, layers.LittleEndian, `
			4d3cb2a1 0200 0400 00000000 00000000 00000400 93000000
			a079f469 15cd5b07 10000000 14000000
			02 09 00 03 0200 0000 01000000 9c010000`},
		{"nanoseconds big-endian", record.PcapNano, layers.BigEndian, `
			a1b23c4d 0002 0004 00000000 00000000 00040000 00000093
			69f479a0 075bcd15 00000010 00000014
			02 09 00 03 0002 0000 00000001 0000019c`},
		{"microseconds little-endian", record.PcapMicro, layers.LittleEndian, `
			d4c3b2a1 0200 0400 00000000 00000000 00000400 93000000
			a079f469 40e20100 10000000 14000000
			02 09 00 03 0200 0000 01000000 9c010000`},
		{"microseconds big-endian", record.PcapMicro, layers.BigEndian, `
			a1b2c3d4 0002 0004 00000000 00000000 00040000 00000093
			69f479a0 0001e240 00000010 00000014
			02 09 00 03 0002 0000 00000001 0000019c`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := layers.Codec{Dialect: layers.Linux, Order: tt.order}
			rec := &record.Record{Number: 7, Time: t0, Dir: record.ToKernel, Codec: c, Data: flush(t, c, 1), OrigLen: 20, Comments: []string{"lost"}}
			got := write(t, record.WriterOptions{Format: tt.format, Meta: record.Meta{Order: tt.order}}, rec)
			want := unhex(t, tt.want)
			if !bytes.Equal(got, want) {
				t.Fatalf("got\n%swant\n%s", hex.Dump(got), hex.Dump(want))
			}
			rs := sound(t, want, record.ReaderOptions{})
			if len(rs) != 1 {
				t.Fatalf("%d records, want 1", len(rs))
			}
			if tt.format == record.PcapMicro {
				rec.Time = rec.Time.Truncate(time.Microsecond)
			}
			rec.Number, rec.Dir, rec.Comments = 1, record.Unknown, nil // what the format does not hold
			same(t, rs[0], rec)
			if tt.format.Losses() == "" {
				t.Error("no notice of what is lost")
			}
		})
	}
}
