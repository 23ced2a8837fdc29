package filter_test

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// benchRecords are records of the messages that all benchmarks decode.
func benchRecords() []*record.Record {
	var list []*record.Record
	for _, msg := range benchtest.Mix() {
		list = append(list, &record.Record{Number: 1, Codec: benchtest.Codec, Data: msg, OrigLen: len(msg)})
	}
	return list
}

// rec makes a record of a message.
func rec(tb testing.TB, c layers.Codec, base *layers.Base, exts ...layers.Extension) *record.Record {
	tb.Helper()
	data, err := c.Encode(base, exts...)
	if err != nil {
		tb.Fatal(err)
	}
	return &record.Record{Number: 1, Codec: c, Data: data, OrigLen: len(data)}
}

// BenchmarkMatch times filters of which nothing matches. Only ratios to Decode, of
// the same run, mean anything.
func BenchmarkMatch(b *testing.B) {
	records := benchRecords()
	perRecord := func(b *testing.B, f func(r *record.Record)) {
		b.ReportAllocs()
		for b.Loop() {
			for _, r := range records {
				f(r)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/record")
	}
	b.Run("Decode", func(b *testing.B) {
		var m layers.Message
		perRecord(b, func(r *record.Record) {
			m.Codec = r.Codec
			if err := m.DecodeFromBytes(r.Data, nil); err != nil {
				b.Fatal(err)
			}
		})
	})
	for _, expr := range []string{
		`errno != 0`,
		`type == "ADD" && spi == 0x1`,
		`spi == 0x1`,
		`cidr(dst, "192.168.0.0/16")`,
		`sa2.reqid == 99 || lifetime_hard.addtime > 90000`,
		`sa.encrypt == "3DESCBC"`,
		`policy.requests.mode == "beet"`,
		`proposal.combs.auth == "md5hmac"`,
	} {
		f, err := filter.Compile(expr, filter.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(expr, func(b *testing.B) {
			perRecord(b, func(r *record.Record) {
				if f.Match(r) {
					b.Fatal("matched")
				}
			})
		})
	}
	f, err := filter.NewFields([]string{"number", "msg.type", "spi", "src", "dst"}, filter.FieldsOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var row []byte
	b.Run("fields", func(b *testing.B) {
		perRecord(b, func(r *record.Record) { row = f.AppendRow(row[:0], r) })
	})
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := filter.Compile(`type == "ACQUIRE" && cidr(dst, "10.0.0.0/8")`, filter.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
