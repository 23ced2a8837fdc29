package main

import (
	"context"
	"encoding/binary"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// TestGrowth holds that what commands allocate does not grow with the number of
// messages that they read: a capture that is four times as long costs them a few
// allocations more, if a buffer has grown. There is a limit in bytes, too, for what is
// made once for many messages.
func TestGrowth(t *testing.T) {
	if benchtest.Racing {
		t.Skip("the race detector makes pools forget")
	}
	const few, many = 2000, 8000
	dir := t.TempDir()
	short, long := filepath.Join(dir, "short.pcapng"), filepath.Join(dir, "long.pcapng")
	growthCapture(t, short, few, record.KeysNone)
	growthCapture(t, long, many, record.KeysNone)
	for _, tt := range [][]string{
		{"decode"},
		{"decode", "-v"},
		{"decode", "-x"},
		{"decode", "-T", "json"},
		{"decode", "-T", "csv", "-e", "time", "-e", "sa.spi", "-e", "dst"},
		{"decode", "-Y", `sa.spi == 1`},
		{"decode", "--stats"},
	} {
		growth := func(t *testing.T, processors int) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			cost := func(file string) (allocs, bytes float64) {
				argv := append(append([]string{"pfkeycap"}, tt...), file)
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				if status := run(context.Background(), argv, strings.NewReader(""), io.Discard, io.Discard); status != 0 {
					t.Fatalf("exit status %d", status)
				}
				runtime.ReadMemStats(&after)
				return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
			}
			cost(long) // what is made once for the process
			a, b := cost(short)
			c, d := cost(long)
			if more := (c - a) / (many - few); more > 0.05 {
				t.Errorf("%.2f allocations for each further message", more)
			}
			// How many batches of a pipeline are in use at a time is left to chance.
			if more := (d - b) / (many - few); more > 16 && processors == 1 {
				t.Errorf("%.0f bytes allocated for each further message", more)
			}
		}
		t.Run(strings.Join(tt, " "), func(t *testing.T) { growth(t, 1) })
		t.Run(strings.Join(tt, " ")+", pipeline", func(t *testing.T) { growth(t, 2) })
	}
}

// growthCapture writes a capture of n messages: requests and answers, dumps, events.
func growthCapture(t *testing.T, file string, n int, keys record.Keys) {
	t.Helper()
	w, err := record.Create(file, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Promisc: record.No, Keys: keys}})
	if err != nil {
		t.Fatal(err)
	}
	mix := benchtest.Mix()
	for i := range n {
		msg := mix[i%len(mix)]
		dir := record.FromKernel
		if msg[1] == layers.ADD {
			dir = record.ToKernel
		}
		binary.LittleEndian.PutUint32(msg[8:], uint32(i/len(mix)+1))
		r := &record.Record{Number: uint64(i + 1), Time: time.Unix(1777629600, int64(i)*1000), Dir: dir, Codec: benchtest.Codec, Data: msg, OrigLen: len(msg)}
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
