package law

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
)

// memory calls f and wants it to allocate no more than what a reader may have for
// itself, and a multiple of its input.
func memory(t T, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20+64*uint64(input) {
		t.Fatalf("%d bytes allocated for an input of %d", grown, input)
	}
}

// Capture: any bytes read as a capture give records and at most one error, without
// taking memory that they do not pay for.
func Capture(t T, data []byte) {
	memory(t, len(data), func() {
		n, err := 0, error(nil)
		var r *record.Reader
		for r, err = record.NewReader(bytes.NewReader(data), record.ReaderOptions{}); err == nil; {
			var rec *record.Record
			if rec, err = r.Next(); err == nil {
				n += len(rec.Data)
				var m layers.Message
				m.Codec = rec.Codec
				_ = m.DecodeFromBytes(rec.Data, nil)
			}
		}
		if r != nil {
			if _, again := r.Next(); again == nil || again.Error() != err.Error() {
				t.Fatalf("the error %v became %v", err, again)
			}
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, record.ErrDamaged) && !errors.Is(err, record.ErrNotCapture) || err.Error() == "" {
			t.Fatalf("an error of no kind: %v", err)
		}
		if n > 2*len(data) {
			t.Fatalf("%d bytes of messages from %d bytes", n, len(data))
		}
	})
}

// most is how many records a law takes from an input.
const most = 200

// records reads what can be read of a capture.
func records(data []byte) (list []*record.Record, meta record.Meta) {
	r, err := record.NewReader(bytes.NewReader(data), record.ReaderOptions{})
	for err == nil && len(list) < most {
		var rec *record.Record
		if rec, err = r.Next(); err == nil {
			list = append(list, rec.Clone())
			meta = r.Meta()
		}
	}
	return list, meta
}

// Rewrite: the records of any capture that are written into one of each format
// are read again, as far as the format holds them.
func Rewrite(t T, data []byte) {
	list, meta := records(data)
	if len(list) == 0 {
		return
	}
	for _, format := range []record.Format{record.PcapNG, record.PcapNano, record.PcapMicro} {
		o := record.WriterOptions{Format: format, Meta: record.Meta{Dialect: list[0].Codec.Dialect, Order: list[0].Codec.Order, Keys: record.KeysInside}}
		if meta.SaltID != "" { // their secrets are stand-ins
			o.Meta.Keys, o.Meta.SaltID = record.KeysNone, meta.SaltID
		}
		var out bytes.Buffer
		w, err := record.NewWriter(&out, o)
		if err != nil {
			t.Fatal(err)
		}
		var kept []*record.Record
		for _, r := range list {
			if w.Append(r) == nil {
				kept = append(kept, r) // a refusal has left the capture as it was
			}
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%v: %v", format, err)
		}
		again, _ := records(out.Bytes())
		if len(again) != len(kept) {
			t.Fatalf("%v: %d of %d records", format, len(again), len(kept))
		}
		for i, r := range again {
			want := kept[i]
			if !bytes.Equal(r.Data, want.Data) || r.OrigLen != want.OrigLen {
				t.Fatalf("%v: record %d: %d of %d bytes became %d of %d", format, i+1, len(want.Data), want.OrigLen, len(r.Data), r.OrigLen)
			}
			if format == record.PcapNG && (r.Dir != want.Dir || r.Dropped != want.Dropped || !r.Time.Equal(want.Time)) {
				t.Fatalf("record %d: %v became %v", i+1, want, r)
			}
		}
	}
}

// Texts: any text is read in every other form as records, at most one error, and
// no more memory than it pays for.
func Texts(t T, form, n uint8, text []byte) {
	all := convert.Forms()
	f := all[int(form)%len(all)]
	memory(t, 4*len(text), func() {
		src, err := convert.NewSource(f, bytes.NewReader(text), convert.Options{Codec: engine.Codec(n)})
		if err != nil {
			t.Fatal(err) // only of a form that there is not
		}
		total := 0
		for range 10 * most {
			var r *record.Record
			if r, err = src.Next(); err != nil {
				break
			}
			if r.OrigLen < len(r.Data) || r.Codec.Dialect == layers.NoDialect || r.Codec.Order == layers.NoOrder {
				t.Fatalf("%s: %v: %d of %d bytes", f, r, len(r.Data), r.OrigLen)
			}
			var m layers.Message
			m.Codec = r.Codec
			_ = m.DecodeFromBytes(r.Data, nil)
			total += len(r.Data)
		}
		if err != nil && err != io.EOF && strings.TrimSpace(err.Error()) == "" {
			t.Fatalf("%s: an error without a text", f)
		}
		if total > 1<<12*(len(text)+1) {
			t.Fatalf("%s: %d bytes of messages from %d bytes of text", f, total, len(text))
		}
	})
	_ = convert.Sniff(text)
}
