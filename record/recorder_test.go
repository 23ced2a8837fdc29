package record_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// batch is a record.Batch.
type batch struct {
	msgs [][]byte
	time time.Time
}

func (b *batch) Len() int             { return len(b.msgs) }
func (b *batch) Message(i int) []byte { return b.msgs[i] }
func (b *batch) Time() time.Time      { return b.time }

// socket is a record.Socket that a test feeds.
type socket struct {
	in          chan []([]byte)
	interrupted chan struct{}
	once        sync.Once
	err         error // of Receive, when in is closed
	used, limit int
	b           batch
}

func newSocket() *socket {
	return &socket{in: make(chan [][]byte, 100), interrupted: make(chan struct{}), err: io.ErrUnexpectedEOF}
}

func (s *socket) Receive() (record.Batch, error) {
	select {
	case <-s.interrupted:
		return nil, os.ErrDeadlineExceeded
	default:
	}
	select {
	case <-s.interrupted:
		return nil, os.ErrDeadlineExceeded
	case msgs, ok := <-s.in:
		if !ok {
			return nil, s.err
		}
		s.b = batch{msgs, t0}
		return &s.b, nil
	}
}

func (s *socket) TryReceive() (record.Batch, error) {
	select {
	case msgs := <-s.in:
		s.b = batch{msgs, t0}
	default:
		s.b = batch{}
	}
	return &s.b, nil
}

func (s *socket) Interrupt()        { s.once.Do(func() { close(s.interrupted) }) }
func (s *socket) Queue() (int, int) { return s.used, s.limit }

// messages makes n messages with sequence numbers from first.
func messages(t testing.TB, first, n int) (msgs [][]byte) {
	for i := range n {
		msgs = append(msgs, add(t, le, uint32(first+i), secret(first+i, 20), secret(-first-i, 16)))
	}
	return msgs
}

// recorder makes a Recorder into memory.
func recorder(t testing.TB, out io.Writer, s *socket) *record.Recorder {
	t.Helper()
	w, err := record.NewWriter(out, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysInside}})
	if err != nil {
		t.Fatal(err)
	}
	return &record.Recorder{Socket: s, Writer: w, Codec: le}
}

func TestRecorder(t *testing.T) {
	var out counting
	s := newSocket()
	r := recorder(t, &out, s)
	r.Annotate = func(rec *record.Record) {
		rec.Dir = record.FromKernel
		rec.Process = fmt.Sprint("p", rec.Number)
	}
	r.Keep = func(rec *record.Record) bool { return rec.Number%4 != 0 }
	ctx, cancel := context.WithCancel(context.Background())
	var shown []string
	r.OnRecord = func(rec *record.Record) error {
		shown = append(shown, fmt.Sprint(rec.Number, " ", rec.Process, " ", rec.Codec))
		if n := len(sound(t, out.Bytes(), record.ReaderOptions{})); n < len(shown) {
			t.Errorf("record %d shown, %d in the capture", len(shown), n)
		}
		if rec.Number == 30 {
			cancel()
		}
		return nil
	}
	s.in <- messages(t, 1, 10)
	s.in <- messages(t, 11, 20)
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if out.writes != 4 { // header, two batches, statistics
		t.Errorf("%d writes", out.writes)
	}
	in, err := record.NewReader(bytes.NewReader(out.Bytes()), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := all(in)
	if err != io.EOF {
		t.Fatal(err)
	}
	want := messages(t, 1, 30)
	for i, rec := range rs {
		n := i + i/3 + 1 // every fourth was left out
		same(t, rec, &record.Record{Number: uint64(n), Time: t0, Dir: record.FromKernel, Codec: le, Data: want[n-1], OrigLen: len(want[n-1]), Process: fmt.Sprint("p", n)})
		if got := fmt.Sprint(n, " p", n, " linux/le"); shown[i] != got {
			t.Errorf("shown %q, want %q", shown[i], got)
		}
	}
	if len(rs) != 23 || len(shown) != 23 {
		t.Errorf("%d records, %d shown, want 23", len(rs), len(shown))
	}
	c := r.Counts()
	if want := (record.Counts{Received: 30, Kept: 23, Written: 23, Bytes: int64(out.Len()), Files: 1}); c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
	st, ok := in.Statistics()
	if !ok || st.Received != record.Count(30) || st.Accepted != record.Count(23) || st.Delivered != record.Count(23) || st.OSDropped.Known ||
		st.Dropped.Known || st.Start.IsZero() || st.End.Before(st.Start) {
		t.Errorf("statistics %+v", st)
	}
}

// TestRecorderDrains: what waits in the queue when the recording ends is recorded.
func TestRecorderDrains(t *testing.T) {
	var out bytes.Buffer
	s := newSocket()
	r := recorder(t, &out, s)
	for i := range 5 {
		s.in <- messages(t, 3*i, 3)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if rs := sound(t, out.Bytes(), record.ReaderOptions{}); len(rs) != 15 {
		t.Errorf("%d records, want 15", len(rs))
	}
}

func TestRecorderStops(t *testing.T) {
	tests := []struct {
		name string
		set  func(*record.Recorder)
		want int
	}{
		{"count within a batch", func(r *record.Recorder) { r.MaxRecords = 13 }, 13},
		{"count at the end of a batch", func(r *record.Recorder) { r.MaxRecords = 20 }, 20},
		{"count of those kept", func(r *record.Recorder) {
			r.MaxRecords = 3
			r.Keep = func(rec *record.Record) bool { return rec.Number%10 == 0 }
		}, 3},
		{"size", func(r *record.Recorder) { r.MaxSize = 3000 }, 15}, // the header has 160 bytes, a record 196
		{"size reached exactly", func(r *record.Recorder) { r.MaxSize = 160 + 14*196 }, 14},
		{"size of the header", func(r *record.Recorder) { r.MaxSize = 1 }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			s := newSocket()
			r := recorder(t, &out, s)
			shown := 0
			r.OnRecord = func(*record.Record) error { shown++; return nil }
			tt.set(r)
			for i := range 10 {
				s.in <- messages(t, 10*i, 10)
			}
			if err := r.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			rs := sound(t, out.Bytes(), record.ReaderOptions{})
			if len(rs) != tt.want || shown != tt.want || r.Counts().Written != uint64(tt.want) {
				t.Errorf("%d records, %d shown, %+v; want %d", len(rs), shown, r.Counts(), tt.want)
			}
			select {
			case <-s.interrupted:
				t.Error("the socket was made useless")
			case <-time.After(5 * time.Millisecond): // it would happen in the background
			}
		})
	}
}

func TestRecorderDuration(t *testing.T) {
	var out bytes.Buffer
	s := newSocket()
	r := recorder(t, &out, s)
	r.MaxDuration = 10 * time.Millisecond
	s.in <- messages(t, 1, 2)
	if err := r.Run(context.Background()); err != nil { // which would not end otherwise
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if rs := sound(t, out.Bytes(), record.ReaderOptions{}); len(rs) != 2 {
		t.Errorf("%d records, want 2", len(rs))
	}
}

func TestRecorderErrors(t *testing.T) {
	cause := errors.New("the cause")
	tests := []struct {
		name string
		room int // bytes for the capture
		set  func(*record.Recorder, *socket)
		want int
		text string
	}{
		{"socket", 1 << 20, func(r *record.Recorder, s *socket) { s.err = cause; close(s.in) }, 20, "reading the PF_KEY socket"},
		{"disk", 3000, func(r *record.Recorder, s *socket) {}, 14, "after 14 records"},
		{"disk at once", 0, func(r *record.Recorder, s *socket) {}, 0, "after 0 records"},
		{"printer", 1 << 20, func(r *record.Recorder, s *socket) {
			r.OnRecord = func(rec *record.Record) error {
				if rec.Number == 5 {
					return cause
				}
				return nil
			}
		}, 10, "the cause"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := failing{left: tt.room, err: cause}
			s := newSocket()
			r := recorder(t, &out, s)
			s.in <- messages(t, 1, 10)
			s.in <- messages(t, 11, 10)
			tt.set(r, s)
			err := r.Run(context.Background())
			if !errors.Is(err, cause) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Run: %v", err)
			}
			r.Close()
			rs, err := parse(out.Bytes(), record.ReaderOptions{})
			if tt.room == 1<<20 && err != io.EOF {
				t.Error(err)
			}
			if len(rs) != tt.want || r.Counts().Written != uint64(tt.want) {
				t.Errorf("%d records, %+v; want %d", len(rs), r.Counts(), tt.want)
			}
		})
	}
}

// TestRecorderBatchBeforeError: messages that came with an error are recorded.
func TestRecorderBatchBeforeError(t *testing.T) {
	var out bytes.Buffer
	s := &lastWords{socket: newSocket(), msgs: messages(t, 1, 3)}
	w, err := record.NewWriter(&out, record.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Recorder{Socket: s, Writer: w, Codec: le}
	if err := r.Run(context.Background()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Run: %v", err)
	}
	r.Close()
	if rs := sound(t, out.Bytes(), record.ReaderOptions{}); len(rs) != 3 {
		t.Errorf("%d records, want 3", len(rs))
	}
}

// lastWords is a socket whose first read brings messages and an error.
type lastWords struct {
	*socket
	msgs [][]byte
}

func (s *lastWords) Receive() (record.Batch, error) {
	return &batch{s.msgs, t0}, io.ErrUnexpectedEOF
}

// TestRecorderSendErrno: the error number of a refused write is in the capture.
func TestRecorderSendErrno(t *testing.T) {
	var out bytes.Buffer
	r := recorder(t, &out, newSocket())
	invalid := syscall.EINVAL // no constant that fits everywhere
	err := r.Send(func() ([]byte, error) { return flush(t, le, 1), fmt.Errorf("PF_KEY write: %w", invalid) })
	if !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Send: %v", err)
	}
	r.Close()
	if rs := sound(t, out.Bytes(), record.ReaderOptions{}); len(rs) != 1 || rs[0].WriteErrno != uint8(invalid) || len(rs[0].Comments) != 0 {
		t.Errorf("%v, errno %d, comments %q", rs, rs[0].WriteErrno, rs[0].Comments)
	}
}

// TestRecorderSend: own traffic is in the capture as sent, before its answer, and
// so are refused attempts.
func TestRecorderSend(t *testing.T) {
	var out bytes.Buffer
	s := newSocket()
	r := recorder(t, &out, s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	refused := errors.New("invalid argument")
	const rounds = 50
	for i := range rounds {
		msg := flush(t, le, uint32(i))
		err := r.Send(func() ([]byte, error) {
			if i%10 == 9 {
				return msg, refused
			}
			s.in <- [][]byte{msg} // the answer is there before the write returns
			return msg, nil
		})
		if (i%10 == 9) != errors.Is(err, refused) {
			t.Fatalf("Send: %v", err)
		}
	}
	if err := r.Send(func() ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("Send of nothing: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	rs := sound(t, out.Bytes(), record.ReaderOptions{})
	sent, last := 0, uint64(0)
	for _, rec := range rs {
		if rec.Number != last+1 {
			t.Errorf("record %d after %d", rec.Number, last)
		}
		last = rec.Number
		seq := int(rec.Data[8])
		if rec.Dir == record.ToKernel {
			if seq != sent {
				t.Errorf("record %d: sent message %d, want %d", rec.Number, seq, sent)
			}
			sent++
			if refusedOne := seq%10 == 9; refusedOne != (len(rec.Comments) == 1 && rec.Comments[0] == "write failed: invalid argument") {
				t.Errorf("record %d: comments %q", rec.Number, rec.Comments)
			}
		} else if seq >= sent {
			t.Errorf("record %d: answer to message %d before it", rec.Number, seq)
		}
	}
	if c := r.Counts(); c.Sent != rounds || c.Received != rounds-rounds/10 || len(rs) != int(c.Sent+c.Received) {
		t.Errorf("%d records, %+v", len(rs), c)
	}
}

// TestRecorderHides: a recording with keys beside is like one made by hand, and
// ids shown live are those of the capture.
func TestRecorderHides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	w, err := record.Create(path, record.WriterOptions{Meta: beside})
	if err != nil {
		t.Fatal(err)
	}
	s := newSocket()
	var live [][4]byte
	r := &record.Recorder{Socket: s, Writer: w, Codec: le, MaxRecords: 5, SyncEvery: time.Millisecond}
	r.OnRecord = func(rec *record.Record) error {
		span := le.AppendSecrets(nil, rec.Data)[0]
		live = append(live, w.Hider().ID(rec, rec.Data[span.Offset:span.Offset+span.Len], span.Key))
		return nil
	}
	msgs := messages(t, 1, 5)
	s.in <- msgs
	if err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	rs, notices := open(t, path, record.ReaderOptions{})
	if len(rs) != 5 || len(notices) != 0 {
		t.Fatalf("%d records, notices %q", len(rs), notices)
	}
	for i, rec := range rs {
		at := le.AppendSecrets(nil, rec.Data)[0].Offset
		if !bytes.Equal(rec.True, msgs[i]) || bytes.Equal(rec.Data, msgs[i]) || [4]byte(rec.Data[at:]) != live[i] {
			t.Errorf("record %d", rec.Number)
		}
	}
}

func TestRecorderWithoutWriter(t *testing.T) {
	s := newSocket()
	n := 0
	r := &record.Recorder{Socket: s, Codec: le, MaxRecords: 3, OnRecord: func(*record.Record) error { n++; return nil }}
	s.in <- messages(t, 1, 5)
	if err := r.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil || n != 3 || r.Counts().Kept != 3 || r.Counts().Written != 0 {
		t.Errorf("%v, %d shown, %+v", err, n, r.Counts())
	}
}

// TestRecorderRefusedRecord: a record that cannot be written ends the recording,
// and the ones before it are in the capture.
func TestRecorderRefusedRecord(t *testing.T) {
	var out bytes.Buffer
	s := newSocket()
	r := recorder(t, &out, s)
	r.Annotate = func(rec *record.Record) {
		if rec.Number == 3 {
			rec.Comments = append(rec.Comments, strings.Repeat("x", 1<<16))
		}
	}
	s.in <- messages(t, 1, 5)
	if err := r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "record 3: ") {
		t.Errorf("Run: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if rs := sound(t, out.Bytes(), record.ReaderOptions{}); len(rs) != 2 {
		t.Errorf("%d records, want 2", len(rs))
	}
}

// steady is a socket that gives the same batch again and again.
type steady struct {
	batch
	left int
}

func (s *steady) Receive() (record.Batch, error) {
	if s.left == 0 {
		return nil, io.EOF
	}
	s.left--
	return &s.batch, nil
}
func (s *steady) TryReceive() (record.Batch, error) { return nil, nil }
func (s *steady) Interrupt()                        {}
func (s *steady) Queue() (int, int)                 { return 80, 1 << 20 }

func TestRecorderAllocations(t *testing.T) {
	w, err := record.Create(filepath.Join(t.TempDir(), "x"), record.WriterOptions{Meta: beside})
	if err != nil {
		t.Fatal(err)
	}
	s := &steady{batch: batch{messages(t, 1, 32), t0}}
	r := &record.Recorder{Socket: s, Writer: w, Codec: le}
	r.Annotate = func(rec *record.Record) { rec.Dir = record.FromKernel }
	r.OnRecord = func(*record.Record) error { return nil }
	run := func(batches int) float64 {
		return allocations(t, 1, func() {
			s.left = batches
			if err := r.Run(context.Background()); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
		})
	}
	run(10)
	if few, many := run(10), run(510); many > few+5 { // Run itself makes a context
		t.Errorf("%v allocations for 500 batches", many-few)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
