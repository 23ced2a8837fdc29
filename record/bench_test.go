package record_test

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// benchRecords is how many records benchCapture has.
const benchRecords = 1 << 16

// benchCapture is a capture of the messages that all benchmarks decode.
func benchCapture(b *testing.B, format record.Format) []byte {
	b.Helper()
	mix := benchtest.Mix()
	rs := make([]*record.Record, benchRecords)
	for i := range rs {
		msg := mix[i%len(mix)]
		rs[i] = &record.Record{Number: uint64(i + 1), Time: time.Unix(1777629600, int64(i)), Dir: record.FromKernel,
			Codec: benchtest.Codec, Data: msg, OrigLen: len(msg)}
	}
	meta := record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: record.KeysInside}
	capture := write(b, record.WriterOptions{Format: format, Meta: meta}, rs...)
	b.SetBytes(int64(len(capture) / len(rs)))
	return capture
}

// BenchmarkRead reads a capture from memory; one operation is one record.
func BenchmarkRead(b *testing.B) {
	for _, bm := range []struct {
		name   string
		format record.Format
	}{{"pcapng", record.PcapNG}, {"pcap", record.PcapNano}} {
		b.Run(bm.name, func(b *testing.B) {
			capture := benchCapture(b, bm.format)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; {
				r, err := record.NewReader(bytes.NewReader(capture), record.ReaderOptions{})
				if err != nil {
					b.Fatal(err)
				}
				for ; done < b.N; done++ {
					if _, err := r.Next(); err != nil {
						if err != io.EOF {
							b.Fatal(err)
						}
						break
					}
				}
			}
		})
	}
}

// BenchmarkReadPcapgo reads the same capture as BenchmarkRead does with gopacket's
// reader, without copying and with a buffer of 1 MiB.
func BenchmarkReadPcapgo(b *testing.B) {
	capture := benchCapture(b, record.PcapNG)
	in := bufio.NewReaderSize(nil, 1<<20)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		in.Reset(bytes.NewReader(capture))
		r, err := pcapgo.NewNgReader(in, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			b.Fatal(err)
		}
		for ; done < b.N; done++ {
			if _, _, err := r.ZeroCopyReadPacketData(); err != nil {
				if err != io.EOF {
					b.Fatal(err)
				}
				break
			}
		}
	}
}

// BenchmarkReadBeside reads a capture with the side file of its keys.
func BenchmarkReadBeside(b *testing.B) {
	path := create(b, record.WriterOptions{Meta: beside}, conversation(b, le, 4096)...)
	b.ReportAllocs()
	for done := 0; done < b.N; {
		r, err := record.Open(path, record.ReaderOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := r.Next(); err != nil {
				break
			}
			done++
		}
		r.Close()
	}
}

// BenchmarkWrite writes batches of 32 records to a file; one operation is one
// batch.
func BenchmarkWrite(b *testing.B) {
	for _, keys := range []record.Keys{record.KeysInside, record.KeysNone, record.KeysBeside} {
		b.Run("keys="+keys.String(), func(b *testing.B) {
			w, err := record.Create(filepath.Join(b.TempDir(), "x"), record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, Keys: keys}})
			if err != nil {
				b.Fatal(err)
			}
			defer w.Close()
			rs := conversation(b, le, 32)
			number := uint64(0)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				for _, r := range rs {
					number++
					r.Number = number
				}
				if err := w.WriteBatch(rs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHide makes the stand-ins of an ADD message with two keys.
func BenchmarkHide(b *testing.B) {
	h := record.NewHider(record.NewSalt())
	msg := add(b, le, 1, secret(1, 20), secret(2, 16))
	b.ReportAllocs()
	for range b.N {
		h.Hide(msg, le)
	}
}

func BenchmarkAppendSecrets(b *testing.B) {
	msg := add(b, le, 1, secret(1, 20), secret(2, 16))
	var spans []layers.Span
	b.ReportAllocs()
	for range b.N {
		spans = le.AppendSecrets(spans[:0], msg)
	}
}
