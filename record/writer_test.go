package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// TestRoundTrip: what is written is read, in all formats, orders and places of
// keys.
func TestRoundTrip(t *testing.T) {
	for _, c := range []layers.Codec{le, be, {Dialect: layers.FreeBSD, Order: layers.BigEndian}} {
		for _, keys := range []record.Keys{record.KeysBeside, record.KeysInside, record.KeysNone} {
			for _, format := range []record.Format{record.PcapNG, record.PcapNano, record.PcapMicro} {
				if format != record.PcapNG && keys == record.KeysBeside {
					continue
				}
				t.Run(fmt.Sprint(format, " ", c, " ", keys), func(t *testing.T) {
					rs := conversation(t, c, 20)
					rs[3].Comments = []string{"one", "two"}
					rs[4].Process, rs[4].Dropped, rs[4].WriteErrno = "charon", 1<<40, 22
					rs[5].Number, rs[5].OrigLen = 100, 5000
					for _, r := range rs[6:] {
						r.Number += 100
					}
					path := create(t, record.WriterOptions{Format: format, LinkType: 150, Salt: record.Salt{1}, Meta: record.Meta{Dialect: c.Dialect, Order: c.Order, Keys: keys}}, rs...)
					got, notices := open(t, path, record.ReaderOptions{Dialect: c.Dialect})
					if len(got) != len(rs) || len(notices) != 0 {
						t.Fatalf("%d records, want %d; notices %q", len(got), len(rs), notices)
					}
					h := record.NewHider(record.Salt{1})
					for i, g := range got {
						want := rs[i].Clone()
						if format != record.PcapNG {
							want.Number, want.Dir, want.Dropped, want.Process, want.WriteErrno, want.Comments = uint64(i+1), record.Unknown, 0, "", 0, nil
						}
						if format == record.PcapMicro {
							want.Time = want.Time.Truncate(time.Microsecond)
						}
						if keys == record.KeysNone {
							h.Hide(want.Data, c)
						}
						same(t, g, want)
						h.Hide(want.Data, c)
						if keys == record.KeysBeside && !bytes.Equal(g.Data, want.Data) {
							t.Errorf("record %d: Data is not the message with stand-ins", g.Number)
						}
					}
				})
			}
		}
	}
}

// TestNoSecretInCapture: no 4 bytes of a secret get into the capture, and with
// the side file every byte comes back.
func TestNoSecretInCapture(t *testing.T) {
	var rs []*record.Record
	var secrets [][][]byte
	for i := range 200 {
		auth, encrypt := secret(1000+2*i, 8+i%57), secret(1001+2*i, 8+i*7%80)
		c := []layers.Codec{le, be}[i%2]
		data := add(t, c, uint32(i), auth, encrypt)
		windows := [][]byte{auth, encrypt}
		switch i % 5 {
		case 1: // the padding holds the key of someone else
			s := c.AppendSecrets(nil, data)[0]
			pad := (s.Offset + s.Len + 7) &^ 7
			junk := secret(5000+i, 8)
			copy(data[s.Offset+s.Len:pad], junk)
			windows = append(windows, junk[:pad-s.Offset-s.Len])
		case 2: // cut in the middle of a key, so that the rest cannot be decoded
			data = data[:len(data)-len(encrypt)/2]
			windows[1] = encrypt[:len(encrypt)/2]
		}
		rs = append(rs, &record.Record{Number: uint64(i + 1), Time: t0, Codec: c, Data: data, OrigLen: len(data)})
		secrets = append(secrets, windows)
	}
	for _, snap := range []int{0, 150, 17} {
		path := create(t, record.WriterOptions{SnapLen: snap, Salt: record.Salt{9}, Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysBeside}}, rs...)
		got, notices := open(t, path, record.ReaderOptions{})
		if len(got) != len(rs) || len(notices) != 0 {
			t.Fatalf("%d records, want %d; notices %q", len(got), len(rs), notices)
		}
		if !bytes.Contains(readFile(t, path), idb[8:16]) { // link type and snapshot length
			t.Error("the snapshot length in the file is not 262144")
		}
		for i, g := range got {
			want := rs[i].Data
			if snap != 0 {
				want = want[:min(len(want), snap)]
			}
			if g.OrigLen != len(rs[i].Data) || !bytes.Equal(g.Bytes(), want) {
				t.Errorf("record %d: capture and side file do not give the bytes back", g.Number)
			}
			for _, s := range secrets[i] {
				for at := 0; at+4 <= len(s); at++ {
					if bytes.Contains(g.Data, s[at:at+4]) {
						t.Errorf("record %d (cut to %d): 4 bytes at %d of a secret are in the capture", g.Number, snap, at)
					}
				}
			}
		}
	}
}

// TestWriteAgain: records read from a capture go into another one as they are,
// with or without their true bytes, and their ids stay.
func TestWriteAgain(t *testing.T) {
	rs := conversation(t, le, 9)
	first := create(t, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysBeside}}, rs...)
	withTrue, _ := open(t, first, record.ReaderOptions{})
	without, _ := open(t, first, record.ReaderOptions{NoKeys: true})
	r, err := record.Open(first, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Next()
	meta := r.Meta()
	meta.CaptureID = "" // of the new capture

	second := create(t, record.WriterOptions{Meta: meta}, withTrue[2:]...)
	got, notices := open(t, second, record.ReaderOptions{})
	if len(got) != 7 || len(notices) != 0 {
		t.Fatalf("%d records, notices %q", len(got), notices)
	}
	for i, g := range got {
		same(t, g, rs[i+2])
		if !bytes.Equal(g.Data, withTrue[i+2].Data) {
			t.Errorf("record %d: its stand-ins changed", g.Number)
		}
	}

	meta.Keys = record.KeysNone
	third := create(t, record.WriterOptions{Meta: meta}, without...)
	got, notices = open(t, third, record.ReaderOptions{})
	if len(got) != 9 || len(notices) != 0 {
		t.Fatalf("%d records, notices %q", len(got), notices)
	}
	for i, g := range got {
		same(t, g, without[i])
	}

	inside := create(t, record.WriterOptions{Meta: record.Meta{Keys: record.KeysInside}}, withTrue...)
	got, _ = open(t, inside, record.ReaderOptions{})
	for i, g := range got {
		same(t, g, rs[i])
		if g.StandIns {
			t.Error("keys inside, and yet stand-ins")
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	good := &record.Record{Time: t0, Codec: le, Data: add(t, le, 1, secret(1, 20), secret(2, 16))}
	hidden := good.Clone()
	record.NewHider(record.NewSalt()).Hide(hidden.Data, le)
	hidden.StandIns = true
	bare := &record.Record{Time: t0, Codec: le, Data: msg, StandIns: true}
	with := func(f func(*record.Record)) *record.Record {
		r := good.Clone()
		f(r)
		return r
	}
	none := record.WriterOptions{}
	inside := record.WriterOptions{Meta: record.Meta{Keys: record.KeysInside}}
	kept := record.WriterOptions{Meta: record.Meta{Keys: record.KeysNone, SaltID: "00112233"}}
	pcap := record.WriterOptions{Format: record.PcapNano}
	long := strings.Repeat("x", 65536)
	var many []string
	for range 300 {
		many = append(many, long[:65000])
	}
	tests := []struct {
		name string
		opts record.WriterOptions
		rec  *record.Record
		want string // "" is no error
	}{
		{"true bytes", none, good, ""},
		{"stand-ins of another salt", none, hidden, "another salt"},
		{"a message without secrets from such a capture", none, bare, ""},
		{"stand-ins of the same salt", kept, hidden, ""},
		{"true bytes among stand-ins", kept, good, "true secret bytes"},
		{"no secrets among stand-ins", kept, &record.Record{Codec: le, Data: msg}, ""},
		{"stand-ins among true bytes", inside, hidden, "stand-ins"},
		{"no secrets among true bytes", inside, bare, ""},
		{"comment of 64 KiB", none, with(func(r *record.Record) { r.Comments = []string{long} }), "65536 bytes"},
		{"process of 64 KiB", none, with(func(r *record.Record) { r.Process = long[:65530] }), "65538 bytes"},
		{"comments of 19 MiB", none, with(func(r *record.Record) { r.Comments = many }), "at most 16777216"},
		{"before 1970", none, with(func(r *record.Record) { r.Time = time.Unix(-1, 0) }), "1970"},
		{"after 2554", none, with(func(r *record.Record) { r.Time = time.Unix(1<<40, 0) }), "2554"},
		{"in 2300", none, with(func(r *record.Record) { r.Time = time.Date(2300, 1, 1, 0, 0, 0, 1, time.UTC) }), ""},
		{"in 2300, pcap", pcap, with(func(r *record.Record) { r.Time = time.Date(2300, 1, 1, 0, 0, 0, 1, time.UTC) }), "2106"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			w, err := record.NewWriter(&b, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			err = w.Append(tt.rec)
			if (err != nil) != (tt.want != "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "record 1: ")) {
				t.Fatalf("%.300v, want %q", err, tt.want)
			}
			if err := w.Append(&record.Record{Codec: be, Data: msg}); err != nil { // on an interface of its own
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			want := 1
			if tt.want == "" {
				want = 2
			}
			rs := sound(t, b.Bytes(), record.ReaderOptions{})
			if len(rs) != want || w.Records() != uint64(want) || w.Size() != int64(b.Len()) {
				t.Errorf("%d records (%d counted), want %d; %d bytes, %d counted", len(rs), w.Records(), want, b.Len(), w.Size())
			}
			if tt.want == "" && !rs[0].Time.Equal(tt.rec.Time) {
				t.Errorf("time %v, want %v", rs[0].Time, tt.rec.Time)
			}
		})
	}
}

// TestTrueBytesOfAnotherLength cannot be put into a side file.
func TestTrueBytesOfAnotherLength(t *testing.T) {
	o := record.WriterOptions{KeysFile: filepath.Join(t.TempDir(), "k"), Meta: record.Meta{Keys: record.KeysBeside, SaltID: "00112233"}}
	w, err := record.NewWriter(io.Discard, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Append(&record.Record{Number: 5, Codec: le, Data: msg, True: msg[:8], StandIns: true}); err == nil || !strings.Contains(err.Error(), "record 5: ") {
		t.Error(err)
	}
}

// TestNumbersAscend: a capture never has two records of one number, and not a
// lower one after a higher.
func TestNumbersAscend(t *testing.T) {
	var rs []*record.Record
	for _, n := range []uint64{0, 0, 7, 7, 3, 0, 100} {
		rs = append(rs, &record.Record{Number: n, Codec: le, Data: msg})
	}
	var got []uint64
	for _, r := range sound(t, write(t, record.WriterOptions{}, rs...), record.ReaderOptions{}) {
		got = append(got, r.Number)
	}
	if want := "[1 2 7 8 9 10 100]"; fmt.Sprint(got) != want {
		t.Errorf("numbers %v, want %s", got, want)
	}
	if rs[3].Number != 7 {
		t.Error("Append changed the record")
	}
}

// TestCodecsOfTheirOwn: messages of several systems in one capture, even such
// whose length field does not tell the byte order.
func TestCodecsOfTheirOwn(t *testing.T) {
	unclear := bytes.Clone(msg)
	unclear[4], unclear[5] = 7, 7
	codecs := []layers.Codec{le, be, {Dialect: layers.OpenBSD, Order: layers.BigEndian}, le, {}}
	var rs []*record.Record
	for _, c := range codecs {
		rs = append(rs, &record.Record{Time: t0, Codec: c, Data: unclear})
	}
	b := write(t, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian}}, rs...)
	got := sound(t, b, record.ReaderOptions{})
	codecs[4] = le // what is open is as in Meta
	for i, g := range got {
		if g.Codec != codecs[i] {
			t.Errorf("record %d: %v, want %v", i+1, g.Codec, codecs[i])
		}
	}
}

// counting counts writes and remembers the last.
type counting struct {
	bytes.Buffer
	writes int
}

func (c *counting) Write(b []byte) (int, error) {
	c.writes++
	return c.Buffer.Write(b)
}

func TestOneWritePerBatch(t *testing.T) {
	var out counting
	w, err := record.NewWriter(&out, record.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if out.writes != 0 {
		t.Error("a write before the first Flush")
	}
	for i := range 5 {
		if err := w.WriteBatch(conversation(t, le, 64)); err != nil {
			t.Fatal(err)
		}
		if out.writes != i+1 {
			t.Fatalf("%d writes after %d batches", out.writes, i+1)
		}
		if rs := sound(t, out.Bytes(), record.ReaderOptions{}); len(rs) != 64*(i+1) || w.Records() != uint64(len(rs)) {
			t.Fatalf("%d records after %d batches, %d counted", len(rs), i+1, w.Records())
		}
	}
	if err := w.Flush(); err != nil || out.writes != 5 {
		t.Errorf("Flush of nothing: %v, %d writes", err, out.writes)
	}
	big := &record.Record{Codec: le, Data: make([]byte, 100<<10)}
	for range 30 { // without Flush: memory stays bounded
		if err := w.Append(big); err != nil {
			t.Fatal(err)
		}
	}
	if out.writes < 10 || out.writes > 16 {
		t.Errorf("%d writes for 3 MB", out.writes)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if err := w.Append(big); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	if err := w.Flush(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Flush after Close: %v", err)
	}
}

// failing takes some bytes and then fails.
type failing struct {
	bytes.Buffer
	left int
	err  error
}

func (f *failing) Write(b []byte) (int, error) {
	n := min(len(b), f.left)
	f.left -= n
	f.Buffer.Write(b[:n])
	if n < len(b) {
		return n, f.err
	}
	return n, nil
}

func TestWriteError(t *testing.T) {
	cause := errors.New("no room")
	rs := conversation(t, le, 10)
	whole := write(t, record.WriterOptions{Salt: record.Salt{1}}, rs...)
	for _, room := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
		for _, err := range []error{cause, nil} {
			out := failing{left: room, err: err}
			w, nerr := record.NewWriter(&out, record.WriterOptions{Salt: record.Salt{1}})
			if nerr != nil {
				t.Fatal(nerr)
			}
			werr := w.WriteBatch(rs)
			if werr == nil {
				werr = w.Close()
			}
			want := cause
			if err == nil {
				want = io.ErrShortWrite
			}
			if !errors.Is(werr, want) {
				t.Fatalf("room for %d bytes: %v", room, werr)
			}
			got, _ := parse(out.Bytes(), record.ReaderOptions{})
			if uint64(len(got)) != w.Records() || !strings.Contains(werr.Error(), fmt.Sprintf("after %d records", len(got))) {
				t.Errorf("room for %d bytes: %d records there, %d counted: %v", room, len(got), w.Records(), werr)
			}
			if err := w.Append(rs[0]); err == nil {
				t.Error("Append after a failed write")
			}
			if err := w.Flush(); err == nil {
				t.Error("Flush after a failed write")
			}
		}
	}
}

func TestWriterOptions(t *testing.T) {
	tests := []struct {
		name string
		opts record.WriterOptions
		want string
	}{
		{"link type of Ethernet", record.WriterOptions{LinkType: 1}, "147 to 162"},
		{"link type 163", record.WriterOptions{LinkType: 163}, "147 to 162"},
		{"snapshot length too long", record.WriterOptions{SnapLen: 262145}, "16 to 262144"},
		{"snapshot length negative", record.WriterOptions{SnapLen: -1}, "16 to 262144"},
		{"format unknown", record.WriterOptions{Format: 9}, "format"},
		{"keys beside a stream", record.WriterOptions{Meta: record.Meta{Keys: record.KeysBeside}}, "side file"},
		{"keys beside classic pcap", record.WriterOptions{Format: record.PcapNano, KeysFile: "x", Meta: record.Meta{Keys: record.KeysBeside}}, "side file"},
		{"capture id of two words", record.WriterOptions{Meta: record.Meta{CaptureID: "a b"}}, "captureid"},
		{"application of 64 KiB", record.WriterOptions{Application: strings.Repeat("x", 65536)}, "section header"},
		{"system of 64 KiB", record.WriterOptions{OS: strings.Repeat("x", 65536)}, "section header"},
	}
	for _, tt := range tests {
		if _, err := record.NewWriter(io.Discard, tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestWriterSalt(t *testing.T) {
	salt := record.NewSalt()
	tests := []struct {
		name   string
		opts   record.WriterOptions
		saltID string // "" is any
		salt   bool   // in Meta
		hider  bool
	}{
		{"none given", record.WriterOptions{}, "", false, true},
		{"given", record.WriterOptions{Salt: salt}, salt.ID(), false, true},
		{"given against Meta", record.WriterOptions{Salt: salt, Meta: record.Meta{SaltID: "00112233"}}, salt.ID(), false, true},
		{"stand-ins come with the records", record.WriterOptions{Meta: record.Meta{SaltID: "00112233"}}, "00112233", false, false},
		{"inside", record.WriterOptions{Meta: record.Meta{Keys: record.KeysInside}}, "", true, true},
		{"inside, given", record.WriterOptions{Salt: salt, Meta: record.Meta{Keys: record.KeysInside}}, salt.ID(), true, true},
		{"inside, from another capture", record.WriterOptions{Meta: record.Meta{Keys: record.KeysInside, SaltID: salt.ID(), Salt: salt}}, salt.ID(), true, true},
		{"inside, from a capture with stand-ins", record.WriterOptions{Meta: record.Meta{Keys: record.KeysInside, SaltID: "00112233"}}, "", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, err := record.NewWriter(io.Discard, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			m := w.Meta()
			if m.SaltID == "" || tt.saltID != "" && m.SaltID != tt.saltID || m.Salt.IsZero() == tt.salt || (w.Hider() != nil) != tt.hider {
				t.Errorf("saltid=%s, salt %v, hider %v", m.SaltID, m.Salt, w.Hider() != nil)
			}
			if tt.salt && m.Salt.ID() != m.SaltID {
				t.Error("saltid= is not that of the salt")
			}
		})
	}
}

func TestWriteAllocations(t *testing.T) {
	rs := conversation(t, le, 32)
	path := filepath.Join(t.TempDir(), "x")
	w, err := record.Create(path, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysBeside}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	next := uint64(0)
	batch := func() {
		for _, r := range rs {
			next++
			r.Number = next
		}
		if err := w.WriteBatch(rs); err != nil {
			t.Error(err)
		}
	}
	batch()
	if n := allocations(t, 50, batch); n != 0 {
		t.Errorf("writing a batch: %v allocations", n)
	}
}

func TestReadAllocations(t *testing.T) {
	rs := conversation(t, le, 4000)
	for _, r := range rs {
		r.Process = "iked"
	}
	for _, keys := range []record.Keys{record.KeysBeside, record.KeysNone} {
		path := create(t, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: keys}}, rs...)
		r, err := record.Open(path, record.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		n := allocations(t, 3000, func() {
			if _, err := r.Next(); err != nil {
				t.Error(err)
			}
		})
		if n != 0 {
			t.Errorf("keys=%v: %v allocations per record", keys, n)
		}
	}
}
