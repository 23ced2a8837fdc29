package record_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

var (
	le = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	be = layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}

	t0 = time.Date(2026, 5, 1, 10, 0, 0, 123456789, time.UTC)
)

// secret returns n octets that depend on seed and look like nothing else.
func secret(seed, n int) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 12345
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// add makes an ADD message with two keys.
func add(t testing.TB, c layers.Codec, seq uint32, auth, encrypt []byte) []byte {
	t.Helper()
	src, dst := netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("198.51.100.2:0")
	msg, err := c.Encode(&layers.Base{Type: layers.ADD, SAType: layers.SATypeESP, Seq: seq, PID: 412},
		&layers.SA{SPI: 0x1000 + seq, Replay: 32, State: 1, Auth: 3, Encrypt: 12},
		c.NewAddress(layers.LayerTypeAddressSrc, src, 32, 0),
		c.NewAddress(layers.LayerTypeAddressDst, dst, 32, 0),
		c.NewKey(layers.LayerTypeKeyAuth, auth),
		c.NewKey(layers.LayerTypeKeyEncrypt, encrypt),
	)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// flush makes a message without secrets.
func flush(t testing.TB, c layers.Codec, seq uint32) []byte {
	t.Helper()
	msg, err := c.Encode(&layers.Base{Type: layers.FLUSH, SAType: layers.SATypeESP, Seq: seq, PID: 412})
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// conversation makes n records, every third one without secrets.
func conversation(t testing.TB, c layers.Codec, n int) []*record.Record {
	t.Helper()
	var rs []*record.Record
	for i := range n {
		r := &record.Record{
			Number: uint64(i + 1),
			Time:   t0.Add(time.Duration(i) * 1500 * time.Microsecond),
			Dir:    record.Direction(i % 3),
			Codec:  c,
		}
		if i%3 == 2 {
			r.Data = flush(t, c, uint32(i))
		} else {
			r.Data = add(t, c, uint32(i), secret(2*i, 20), secret(2*i+1, 16))
		}
		r.OrigLen = len(r.Data)
		rs = append(rs, r)
	}
	return rs
}

// write makes a capture in memory.
func write(t testing.TB, o record.WriterOptions, rs ...*record.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := record.NewWriter(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(rs); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// create makes a capture file, with its side file if the options say so.
func create(t testing.TB, o record.WriterOptions, rs ...*record.Record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	w, err := record.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(rs); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// all reads the rest of a capture.
func all(r *record.Reader) (rs []*record.Record, err error) {
	for {
		rec, err := r.Next()
		if err != nil {
			return rs, err
		}
		rs = append(rs, rec.Clone())
	}
}

// parse reads a capture from memory.
func parse(b []byte, o record.ReaderOptions) ([]*record.Record, error) {
	r, err := record.NewReader(bytes.NewReader(b), o)
	if err != nil {
		return nil, err
	}
	return all(r)
}

// sound is parse for a capture that must be whole.
func sound(t testing.TB, b []byte, o record.ReaderOptions) []*record.Record {
	t.Helper()
	rs, err := parse(b, o)
	if err != io.EOF {
		t.Fatalf("after %d records: %v, want io.EOF", len(rs), err)
	}
	return rs
}

// open reads a capture file that must be whole, with the notices it gave.
func open(t testing.TB, path string, o record.ReaderOptions) (rs []*record.Record, notices []string) {
	t.Helper()
	o.Notice = func(s string) { notices = append(notices, s) }
	r, err := record.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if rs, err = all(r); err != io.EOF {
		t.Fatal(err)
	}
	return rs, notices
}

// damaged asserts a DamageError and returns it.
func damaged(t testing.TB, err error) *record.DamageError {
	t.Helper()
	var d *record.DamageError
	if !errors.As(err, &d) || !errors.Is(err, record.ErrDamaged) {
		t.Fatalf("error %v (%T), want a *DamageError", err, err)
	}
	if errors.Is(err, record.ErrTorn) != d.Torn {
		t.Fatalf("errors.Is(err, ErrTorn) is %v, Torn %v", !d.Torn, d.Torn)
	}
	return d
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// allocations is testing.AllocsPerRun, if that means anything.
func allocations(t *testing.T, runs int, f func()) float64 {
	t.Helper()
	if benchtest.Racing {
		t.Skip("allocations are not counted under the race detector")
	}
	return testing.AllocsPerRun(runs, f)
}
