package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// month is a socket on which requests and their answers come from ever new
// processes, with new sequence numbers, SPIs and keys.
type month struct {
	n, end uint32
	kinds  [][]byte
	batch  [16][]byte
	at     func(n uint32) // called with each message
}

func newMonth(t *testing.T, messages uint32) *month {
	c := hostCodec()
	m := &month{end: messages}
	src, dst := netip.MustParseAddrPort("192.0.2.1:0"), netip.MustParseAddrPort("198.51.100.2:0")
	for _, typ := range []uint8{layers.ADD, layers.GET, layers.DUMP, layers.FLUSH} {
		exts := []layers.Extension{&layers.SA{SPI: 1, Auth: 3, Encrypt: 12}, c.NewAddress(layers.LayerTypeAddressSrc, src, 32, 0),
			c.NewAddress(layers.LayerTypeAddressDst, dst, 32, 0), c.NewKey(layers.LayerTypeKeyAuth, make([]byte, 20))}
		if typ == layers.FLUSH || typ == layers.DUMP {
			exts = nil
		}
		msg, err := c.Encode(&layers.Base{Type: typ, SAType: layers.SATypeESP}, exts...)
		if err != nil {
			t.Fatal(err)
		}
		m.kinds = append(m.kinds, msg)
	}
	return m
}

func (m *month) Receive() (record.Batch, error) {
	if m.n >= m.end {
		return nil, io.EOF
	}
	for i := range m.batch {
		m.batch[i] = m.make(m.batch[i])
	}
	return m, nil
}

// make makes the next message: every second one is an answer to the one before.
func (m *month) make(dst []byte) []byte {
	msg := append(dst[:0], m.kinds[m.n/2%uint32(len(m.kinds))]...)
	order := binary.NativeEndian
	msg[2] = byte(m.n % 2 * 3)             // sadb_msg_errno
	order.PutUint32(msg[8:], m.n/2)        // sadb_msg_seq
	order.PutUint32(msg[12:], 1000+m.n/64) // sadb_msg_pid
	if len(msg) > layers.BaseLen {
		order.PutUint32(msg[20:], m.n)          // sadb_sa_spi
		order.PutUint32(msg[len(msg)-12:], m.n) // in the key
	}
	m.at(m.n)
	m.n++
	return msg
}

func (m *month) Len() int             { return len(m.batch) }
func (m *month) Message(i int) []byte { return m.batch[i] }
func (m *month) Time() time.Time      { return time.Unix(1_800_000_000+int64(m.n), 0) }

func (m *month) TryReceive() (record.Batch, error) { return nil, nil }
func (m *month) Interrupt()                        {}
func (m *month) Queue() (int, int) {
	if m.n/1000%2 == 0 {
		return 1 << 24, 1 << 24 // full, again and again
	}
	return 0, 1 << 24
}

// TestLongRun: all that a recording consists of takes no more memory, files and
// goroutines after many messages than after some.
func TestLongRun(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const messages, settled = 300_000, 60_000
	dir := t.TempDir()
	m := newMonth(t, messages)
	rec := &recording{name: filepath.Join(dir, "x"), stderr: io.Discard, plan: &filePlan{naming: record.Stamped, compress: true, ring: 4}}
	rec.Recorder = record.Recorder{Socket: m, Codec: hostCodec(), SyncEvery: 10 * time.Millisecond}
	rec.OnLoss = rec.sayLoss
	rec.tracer = trace.New(trace.Options{Promisc: record.Yes, Lossless: true})
	rec.who = &who{names: map[uint32]*processName{}, hints: make(chan uint32, 64), say: rec.say, note: rec.Note}
	rec.start = &start{ended: make(chan *trace.Dump, 1)}
	rec.Annotate = rec.annotate
	salt := record.NewSalt()
	f, err := filter.Compile(`spi != 3 || type == "FLUSH"`, filter.Options{ID: record.NewHider(salt).ID})
	if err != nil {
		t.Fatal(err)
	}
	rec.Keep = f.Match
	text := render.New(render.Options{ID: record.NewHider(salt).ID, Why: explain})
	var line []byte
	rec.OnRecord = func(r *record.Record) error {
		line = text.Append(line[:0], r)
		return nil
	}

	series, err := record.NewSeries(record.SeriesOptions{Path: rec.name, Naming: rec.plan.naming, Ring: rec.plan.ring, Compress: true,
		Writer: record.WriterOptions{Salt: salt, Meta: record.Meta{Dialect: rec.Codec.Dialect, Order: rec.Codec.Order, Keys: record.KeysBeside}}})
	if err != nil {
		t.Fatal(err)
	}
	if rec.Writer, err = series.Next(time.Now(), false); err != nil {
		t.Fatal(err)
	}
	rec.Rotation = &record.Rotation{Next: series.Next, MaxRecords: 2000}
	rec.after = &postrotate{plan: rec.plan, series: series, names: io.Discard, out: io.Discard, say: rec.say}
	rec.after.start()
	rec.Finished = rec.after.add

	type usage struct {
		heap              uint64
		goroutines, files int
	}
	use := func() (u usage) {
		for rec.after.left.Load() > 0 { // compression is slower than this socket
			time.Sleep(time.Millisecond)
		}
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		u.heap, u.goroutines = s.HeapAlloc, runtime.NumGoroutine()
		if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
			u.files = len(fds)
		}
		return u
	}
	var before, after usage
	m.at = func(n uint32) {
		switch n {
		case settled:
			before = use()
		case messages - 1:
			after = use()
		}
	}
	if err := rec.Run(context.Background()); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := rec.Recorder.Close(); err != nil {
		t.Fatal(err)
	}
	rec.after.wait()
	if rec.after.failed {
		t.Error("a file could not be compressed")
	}
	t.Logf("after %d messages %+v, after %d %+v", settled, before, messages, after)
	const closing = 2 * 6 // captures and side files that the disk is still asked to keep
	// Each of them has the memory of a batch until then.
	room := int64(1<<20 + max(0, after.files-before.files)*256<<10)
	if int64(after.heap-before.heap) > room || after.goroutines > before.goroutines+2 || after.files > before.files+closing {
		t.Errorf("after %d messages %+v, after %d %+v", settled, before, messages, after)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 2*rec.plan.ring {
		t.Errorf("%d files, %v", len(names), fmt.Sprint(names))
	}
}
