//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/fixtures"
	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// benchLot is how many messages are queued at a time: a few batches, and no more
// than an ordinary user's socket holds.
const benchLot = 128

// BenchmarkRecorder measures the processor time that recording a message takes,
// against a C program that only reads and writes (testdata/bench/recvloop.c). Both
// find lots of messages queued in a socket that stands in for PF_KEY; queueing
// them is not measured, and neither is waiting. One operation is one message;
// cpu-ns/op is to be compared, xC is the ratio to the C program.
//
//   - pump reads, and writes what was read;
//   - inside is all that the record command does, with --keys inside, which makes
//     it write the same bytes;
//   - beside is what it does by default: it also finds the secrets of every message,
//     replaces them and writes the side file.
func BenchmarkRecorder(b *testing.B) {
	dir := b.TempDir()
	msgs := benchMessages(b)
	var c float64
	b.Run("C", func(b *testing.B) {
		loop := benchtest.Compile(b, "testdata/bench/recvloop.c")
		n := (b.N + benchLot - 1) / benchLot * benchLot
		out, err := exec.Command(loop, filepath.Join(dir, "c.pcapng"), fmt.Sprint(n), fmt.Sprint(benchLot), benchtest.MessageFile(b, msgs)).Output()
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			b.Fatal(err)
		}
		c = ns / float64(n)
		b.ReportMetric(c, "cpu-ns/op")
	})
	for _, mode := range []string{"pump", "inside", "beside"} {
		b.Run(mode, func(b *testing.B) {
			keys := record.KeysInside
			if mode == "beside" {
				keys = record.KeysBeside
			}
			s := newBenchSocket(b, msgs, b.N)
			rec := &recording{conn: s.conn, stderr: io.Discard}
			rec.Recorder = record.Recorder{Socket: s, Codec: hostCodec(), SyncEvery: 5 * time.Second}
			rec.tracer = trace.New(trace.Options{Promisc: record.Yes, Lossless: true})
			rec.who = newWho(s.conn, rec.say, rec.Note)
			if mode != "pump" {
				rec.Annotate = rec.annotate
			}
			var err error
			rec.Writer, err = record.Create(filepath.Join(dir, mode+".pcapng"), record.WriterOptions{
				Overwrite: true,
				Meta:      record.Meta{Dialect: rec.Codec.Dialect, Order: rec.Codec.Order, Keys: keys},
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			if err := rec.Run(context.Background()); !errors.Is(err, errBenchEnd) {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := rec.close(); err != nil {
				b.Fatal(err)
			}
			ns := float64(s.cpu) / float64(s.read)
			b.ReportMetric(ns, "cpu-ns/op")
			if c > 0 {
				b.ReportMetric(ns/c, "xC")
			}
		})
	}
}

// benchSocket is the record command's socket with lots of messages queued in it
// while no time is measured.
type benchSocket struct {
	socket
	peer        int
	msgs        [][]byte
	keys        [][]byte // in them
	n, queued   int
	read, count int
	cpu, start  time.Duration
}

var errBenchEnd = errors.New("all messages read")

func newBenchSocket(b *testing.B, msgs [][]byte, count int) *benchSocket {
	b.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(pair[1]) })
	unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20)
	conn, err := keysock.NewConn(pair[0])
	if err != nil {
		b.Fatal(err)
	}
	s := &benchSocket{socket: socket{conn: conn, batch: keysock.NewBatch(recordBatch)}, peer: pair[1], count: count}
	for _, msg := range msgs {
		msg = bytes.Clone(msg)
		s.msgs = append(s.msgs, msg)
		for _, secret := range hostCodec().AppendSecrets(nil, msg) {
			if secret.Key >= 8 {
				s.keys = append(s.keys, msg[secret.Offset:])
			}
		}
	}
	return s
}

// renew makes other keys of those in the messages: each round of the conversation
// has its own, which occur as often as those of a real one.
func (s *benchSocket) renew() {
	for _, key := range s.keys {
		binary.NativeEndian.PutUint64(key, binary.NativeEndian.Uint64(key)+1)
	}
}

func processorTime() time.Duration {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

func (s *benchSocket) Receive() (record.Batch, error) {
	if s.queued == 0 {
		if s.read > 0 {
			s.cpu += processorTime() - s.start
		}
		if s.read >= s.count {
			return nil, errBenchEnd
		}
		for range benchLot {
			if s.n%len(s.msgs) == 0 {
				s.renew()
			}
			if _, err := unix.Write(s.peer, s.msgs[s.n%len(s.msgs)]); err != nil {
				return nil, err
			}
			s.n++
		}
		s.queued = benchLot
		s.start = processorTime()
	}
	b, err := s.socket.Receive()
	s.queued -= b.Len()
	s.read += b.Len()
	return b, err
}

// benchMessages are those of a real recording.
func benchMessages(b *testing.B) (msgs [][]byte) {
	b.Helper()
	r := fixtures.Demo()
	defer r.Close()
	bytes := 0
	for {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		msgs = append(msgs, append([]byte(nil), rec.Bytes()...))
		bytes += len(rec.Bytes())
	}
	b.Logf("%d different messages of %d bytes on average", len(msgs), bytes/len(msgs))
	return msgs
}
