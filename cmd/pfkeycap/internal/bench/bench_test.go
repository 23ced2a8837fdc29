package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/record"
)

// TestSameSizes holds that both programs get as many packets of the same sizes.
func TestSameSizes(t *testing.T) {
	const n = 130
	mix := benchtest.Mix()
	var capture, frames bytes.Buffer
	if err := writeCapture(&capture, n); err != nil {
		t.Fatal(err)
	}
	if err := writeISAKMP(&frames, n); err != nil {
		t.Fatal(err)
	}
	r, err := record.NewReader(&capture, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rest := frames.Bytes()[24:]
	for i := range n {
		want := len(mix[i%len(mix)])
		rec, err := r.Next()
		if err != nil || len(rec.Data) != want || rec.Number != uint64(i+1) {
			t.Fatalf("record %d: %v, %v", i+1, rec, err)
		}
		size := int(binary.LittleEndian.Uint32(rest[8:]))
		if frame := rest[16:]; size != want || len(frame) < size || int(binary.BigEndian.Uint16(frame[16:])) != size-14 {
			t.Fatalf("packet %d: %d bytes, want %d", i+1, size, want)
		}
		rest = rest[16+size:]
	}
	if _, err := r.Next(); err != io.EOF || len(rest) != 0 {
		t.Errorf("%v and %d bytes after the last", err, len(rest))
	}
}

// TestBenchmarkLines reads what benchmarks print, and keeps the least.
func TestBenchmarkLines(t *testing.T) {
	list := parse("goos: linux\nBenchmarkRead/pcapng-2  \t 2428093\t  47.38 ns/op\t5529.84 MB/s\t 4 B/op\nBenchmarkRead/pcapng-2 10 50 ns/op\nPASS\n")
	list.join(parse("BenchmarkRead/pcapng 10 46 ns/op\nBenchmarkOne-16 1 2 ns/msg\n"))
	if len(list) != 2 || list["BenchmarkRead/pcapng"]["ns/op"] != 46 || list["BenchmarkRead/pcapng"]["B/op"] != 4 || list["BenchmarkOne"]["ns/msg"] != 2 {
		t.Errorf("%v", list)
	}
}

func TestDurations(t *testing.T) {
	for ns, want := range map[float64]string{14.84: "14.8 ns", 793: "793 ns", 29300: "29.3 µs", 3.02e6: "3.02 ms", 442e6: "442 ms"} {
		if got := duration(ns); got != want {
			t.Errorf("%v is %q, want %q", ns, got, want)
		}
	}
}
