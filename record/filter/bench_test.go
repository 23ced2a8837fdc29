package filter_test

import (
	"net/netip"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// benchRecords are an ADD of 216 bytes, an ACQUIRE of 232, a REGISTER of 152 and an
// SPDDUMP of 224, as in the benchmarks of package layers.
func benchRecords(tb testing.TB) []*record.Record {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	v4 := netip.MustParseAddrPort
	src := c.NewAddress(layers.LayerTypeAddressSrc, v4("10.0.0.1:0"), 32, 0)
	dst := c.NewAddress(layers.LayerTypeAddressDst, v4("10.0.0.2:0"), 32, 0)
	hard := &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), AddTime: 3600, Bytes: 1 << 30}
	soft := &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeSoft), AddTime: 3000, Bytes: 1 << 29}
	current := &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), AddTime: 1777629600}
	comb := c.AppendComb(nil, layers.Comb{Auth: 3, Encrypt: 12, AuthMinBits: 160, HardAddTime: 86400})
	comb = c.AppendComb(comb, layers.Comb{Auth: 5, Encrypt: 12, AuthMinBits: 256, HardAddTime: 86400})
	var algs []byte
	for i := range uint8(7) {
		algs = c.AppendAlg(algs, layers.Alg{ID: 2 + i, MinBits: 160, MaxBits: 160})
	}
	request := c.AppendRequest(nil, layers.Request{Proto: 50, Mode: 2, Level: 3, ReqID: 16385,
		Sockaddrs: c.AppendPair(nil, v4("192.0.2.1:0"), v4("192.0.2.2:0"))})
	return []*record.Record{
		rec(tb, c, &layers.Base{Type: layers.ADD, SAType: 3, Seq: 9, PID: 412},
			&layers.SA{SPI: 0x1234, Replay: 32, State: 1, Auth: 3, Encrypt: 12}, hard, soft, src, dst,
			c.NewKey(layers.LayerTypeKeyAuth, make([]byte, 20)), c.NewKey(layers.LayerTypeKeyEncrypt, make([]byte, 16)),
			&layers.SA2{Mode: 1, ReqID: 7}),
		rec(tb, c, &layers.Base{Type: layers.ACQUIRE, SAType: 3, Seq: 1}, src, dst,
			&layers.Policy{Type: 2, Dir: 2, ID: 9}, &layers.Proposal{Replay: 32, List: comb}),
		rec(tb, c, &layers.Base{Type: layers.REGISTER, SAType: 3, Seq: 2, PID: 412},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedAuth), List: algs},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedEncrypt), List: append(algs, algs[:8]...)}),
		rec(tb, c, &layers.Base{Type: layers.SPDDUMP, Seq: 1, PID: 412}, src, dst, hard, soft, current,
			&layers.Policy{Type: 2, Dir: 2, ID: 9, List: request}),
	}
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
	records := benchRecords(b)
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
