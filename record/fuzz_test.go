package record_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// FuzzReader: any bytes give records and one error, the same ones however the
// bytes arrive.
func FuzzReader(f *testing.F) {
	rs := conversation(f, le, 3)
	rs[0].Comments, rs[0].Process, rs[1].Dropped = []string{"x"}, "iked", 2
	meta := record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian}
	for _, format := range []record.Format{record.PcapNG, record.PcapNano, record.PcapMicro} {
		for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			meta.Order = order
			f.Add(write(f, record.WriterOptions{Format: format, OS: "Linux 6.1", Meta: meta}, rs...))
		}
	}
	f.Add(cat(shb, idb, block(lo, 3, cat([]byte{16, 0, 0, 0}, msg)...), block(lo, 2, cat(make([]byte, 12), []byte{16, 0, 0, 0, 16, 0, 0, 0}, msg)...)))
	f.Add(cat(shb, block(lo, 1, cat(idb[8:16], option(9, 1, 0x8a), option(14, 8, 1, 2, 3, 4, 5, 6, 7, 8))...), packet(), block(lo, 77, 1, 2, 3, 4)))
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, err := parse(b, record.ReaderOptions{Notice: func(string) {}})
		if err == nil {
			t.Fatal("no end")
		}
		if len(rs) > len(b)/16 {
			t.Fatalf("%d records in %d bytes", len(rs), len(b))
		}
		for _, r := range rs {
			if r.OrigLen < len(r.Data) || r.Codec.Order == layers.NoOrder || r.Codec.Dialect == layers.NoDialect || r.Dir > record.ToKernel {
				t.Fatalf("%v: %d of %d bytes", r, len(r.Data), r.OrigLen)
			}
		}
		var d *record.DamageError
		if errors.As(err, &d) && (d.Offset < 0 || d.Offset > int64(len(b)) || d.Record != uint64(len(rs)+1)) {
			t.Fatalf("%d records in %d bytes: %v", len(rs), len(b), err)
		}
		if len(b) > 1<<14 {
			return
		}
		r, err2 := record.NewReader(iotest.OneByteReader(bytes.NewReader(b)), record.ReaderOptions{})
		var rs2 []*record.Record
		if err2 == nil {
			rs2, err2 = all(r)
		}
		if err.Error() != err2.Error() || len(rs) != len(rs2) {
			t.Fatalf("%d records and %v at once, %d and %v byte by byte", len(rs), err, len(rs2), err2)
		}
		for i := range rs {
			same(t, rs[i], rs2[i])
		}
	})
}

// FuzzRoundTrip: what is written is read, also with its secrets beside it.
func FuzzRoundTrip(f *testing.F) {
	m := add(f, le, 1, secret(1, 20), secret(2, 16))
	f.Add(m, int64(1), uint8(1), false, uint64(0), "comment", uint16(0))
	f.Add(add(f, be, 1, secret(1, 20), secret(2, 16)), int64(1e18), uint8(2), true, uint64(7), "", uint16(100))
	f.Add(m[:50], int64(0), uint8(0), false, uint64(1), "\x00\xff", uint16(20))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, ns int64, dirn uint8, big bool, dropped uint64, comment string, snap uint16) {
		c := le
		if big {
			c = be
		}
		rec := &record.Record{
			Time: time.Unix(0, ns), Dir: record.Direction(dirn % 3), Codec: c, Data: data, OrigLen: len(data) + int(dirn),
			Dropped: dropped, Process: "iked", WriteErrno: uint8(dropped),
		}
		if comment != "" {
			rec.Comments = []string{comment}
		}
		if ns == 0 {
			rec.Time = time.Time{}
		}
		keys := filepath.Join(dir, "k")
		var b bytes.Buffer
		w, err := record.NewWriter(&b, record.WriterOptions{
			KeysFile: keys, Overwrite: true, SnapLen: max(16, int(snap)),
			Meta: record.Meta{Dialect: c.Dialect, Order: c.Order, Keys: record.KeysBeside},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteBatch([]*record.Record{rec, rec}); err != nil {
			w.Close()
			if ns < 0 || len(comment) > 0xffff {
				return
			}
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		rs, err := parse(b.Bytes(), record.ReaderOptions{KeysFile: keys, Order: c.Order, Notice: func(s string) { t.Error(s) }})
		if err != io.EOF || len(rs) != 2 {
			t.Fatalf("%d records, %v", len(rs), err)
		}
		for i, got := range rs {
			want := rec.Clone()
			want.Number = uint64(i + 1)
			want.Data = want.Data[:min(len(data), max(16, int(snap)))]
			if len(comment) > len("process=") && comment[:len("process=")] == "process=" {
				want.Comments = got.Comments // the first of them is the process
			}
			if strings.HasPrefix(comment, "write failed with errno ") {
				want.Comments, want.WriteErrno = got.Comments, got.WriteErrno
			}
			same(t, got, want)
			for _, s := range c.AppendSecrets(nil, data) {
				for at := s.Offset; at+8 <= min(s.Offset+s.Len, len(got.Data)); at++ {
					if bytes.Equal(got.Data[at:at+8], data[at:at+8]) {
						t.Fatalf("8 bytes of a secret at %d are in the capture", at)
					}
				}
			}
		}
	})
}

// FuzzKeysFile: any side file leaves the records as they are or gives them bytes
// of the same length.
func FuzzKeysFile(f *testing.F) {
	path := create(f, record.WriterOptions{Salt: record.Salt{1}, Meta: beside}, conversation(f, le, 5)...)
	capture := readFile(f, path)
	f.Add(readFile(f, path+".keys"))
	f.Add([]byte("pfkeycap-keys 1 captureid=0123456789abcdef\n1 144 104:00\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path+".keys", b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := record.NewReader(bytes.NewReader(capture), record.ReaderOptions{KeysFile: path + ".keys", Notice: func(string) {}})
		if err != nil {
			return
		}
		defer r.Close()
		rs, err := all(r)
		if err != io.EOF || len(rs) != 5 {
			t.Fatalf("%d records, %v", len(rs), err)
		}
		for _, rec := range rs {
			if rec.True != nil && len(rec.True) != len(rec.Data) {
				t.Fatalf("record %d: %d true bytes for %d", rec.Number, len(rec.True), len(rec.Data))
			}
		}
	})
}

// FuzzMeta: a description that is read and written says the same.
func FuzzMeta(f *testing.F) {
	f.Add("PF_KEYv2 dialect=linux byteorder=le netns=4026531840 promisc=1 keys=beside saltid=00112233 captureid=x")
	f.Add("PF_KEYv2 keys=inside salt=0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20")
	f.Fuzz(func(t *testing.T, s string) {
		m, ok, _ := record.ParseMeta(s)
		if !ok {
			return
		}
		if m.Keys != record.KeysInside {
			m.Salt = record.Salt{} // not written
		}
		if again, ok, err := record.ParseMeta(m.String()); !ok || err != nil || again != m {
			t.Fatalf("%q: %v, then %v, %v", s, m, again, err)
		}
	})
}
