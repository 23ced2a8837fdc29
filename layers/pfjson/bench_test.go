package pfjson_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

// The model of a typical ADD for encoding/json.
type (
	modelRecord struct {
		Schema    int           `json:"schema"`
		Number    uint64        `json:"number"`
		Time      time.Time     `json:"time"`
		Direction string        `json:"direction"`
		Dialect   string        `json:"dialect"`
		Order     string        `json:"order"`
		Length    int           `json:"length"`
		Msg       modelMsg      `json:"msg"`
		Ext       []any         `json:"ext"`
		Problems  []modelString `json:"problems"`
	}
	modelString struct{}
	modelMsg    struct {
		Version    uint8  `json:"version"`
		Type       uint8  `json:"type"`
		TypeName   string `json:"type_name"`
		Errno      uint8  `json:"errno"`
		SAType     uint8  `json:"satype"`
		SATypeName string `json:"satype_name"`
		Len        uint16 `json:"len"`
		Seq        uint32 `json:"seq"`
		PID        uint32 `json:"pid"`
	}
	modelHead struct {
		Name    string `json:"name"`
		ExtType uint16 `json:"exttype"`
		Offset  int    `json:"offset"`
		Len     uint16 `json:"len"`
	}
	modelSA struct {
		modelHead
		SPI         string   `json:"spi"`
		Replay      uint8    `json:"replay"`
		State       uint8    `json:"state"`
		StateName   string   `json:"state_name"`
		Auth        uint8    `json:"auth"`
		AuthName    string   `json:"auth_name"`
		Encrypt     uint8    `json:"encrypt"`
		EncryptName string   `json:"encrypt_name"`
		Flags       uint32   `json:"flags"`
		FlagsNames  []string `json:"flags_names"`
	}
	modelLifetime struct {
		modelHead
		Allocations uint32 `json:"allocations"`
		Bytes       uint64 `json:"bytes"`
		AddTime     uint64 `json:"addtime"`
		UseTime     uint64 `json:"usetime"`
	}
	modelAddress struct {
		modelHead
		Proto     uint8  `json:"proto"`
		PrefixLen uint8  `json:"prefixlen"`
		Family    string `json:"family"`
		Addr      string `json:"addr"`
		Port      uint16 `json:"port"`
	}
	modelKey struct {
		modelHead
		Bits  uint16 `json:"bits"`
		KeyID string `json:"key_id"`
	}
)

// benchRecord is an ADD of 200 bytes.
func benchRecord() pfjson.Record {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	a := sockaddrs(c)[0]
	u64 := func(v ...uint64) (b []byte) {
		for _, x := range v {
			b = byteOrder(c).AppendUint64(b, x)
		}
		return b
	}
	m := message(c, 3, 3,
		extension(c, 1, 0, 0, 0x12, 0x34, 32, 1, 3, 12, 1, 0, 0, 0),
		extension(c, 3, append([]byte{10, 0, 0, 0}, u64(1<<30, 3600, 1800)...)...),
		extension(c, 4, append([]byte{9, 0, 0, 0}, u64(1<<29, 3000, 1500)...)...),
		extension(c, 5, append([]byte{17, 32, 0, 0}, a...)...),
		extension(c, 6, append([]byte{17, 32, 0, 0}, a...)...),
		extension(c, 8, append([]byte{160, 0, 0, 0}, "twenty octets of key"...)...),
		extension(c, 9, append([]byte{128, 0, 0, 0}, "sixteen of a key"...)...),
	)
	at := time.Date(2026, 5, 1, 10, 0, 0, 123456789, time.UTC)
	return pfjson.Record{Number: 7, Time: at, Direction: pfjson.ToKernel, Codec: c, Data: m}
}

// modelOf fills in the model, the way a program without Append would.
func modelOf(r *pfjson.Record, m *layers.Message) *modelRecord {
	m.Codec = r.Codec
	if err := m.DecodeFromBytes(r.Data, nil); err != nil {
		panic(err)
	}
	d := r.Codec.Dialect
	model := &modelRecord{
		Schema: 1, Number: r.Number, Time: r.Time, Direction: r.Direction,
		Dialect: d.String(), Order: r.Codec.Order.String(), Length: len(r.Data),
		Msg: modelMsg{m.Version, m.Type, m.TypeName(), m.Errno, m.Base.SAType, m.SATypeName(), m.Len, m.Seq, m.PID},
		Ext: make([]any, 0, len(m.Extensions)), Problems: []modelString{},
	}
	for i := range m.Extensions {
		h := &m.Extensions[i]
		head := modelHead{h.Name(), h.Number(), int(h.Offset), h.Len}
		var x any
		switch l := m.Extension(h.LayerType()).(type) {
		case *layers.SA:
			x = &modelSA{head, fmt.Sprintf("0x%08x", l.SPI), l.Replay, l.State, d.EnumName(layers.EnumState, uint64(l.State)),
				l.Auth, d.EnumName(layers.EnumAuth, uint64(l.Auth)), l.Encrypt, d.EnumName(layers.EnumEncrypt, uint64(l.Encrypt)),
				l.Flags, d.FlagNames(shape.SAFlags, l.Flags)}
		case *layers.Lifetime:
			x = &modelLifetime{head, l.Allocations, l.Bytes, l.AddTime, l.UseTime}
		case *layers.Address:
			s, _ := l.Parse()
			x = &modelAddress{head, l.Proto, l.PrefixLen, d.FamilyName(s.Family), s.Addr.String(), s.Port}
		case *layers.Key:
			id := testID(l.Key(), len(l.Key()))
			x = &modelKey{head, l.Bits, hex.EncodeToString(id[:])}
		}
		model.Ext = append(model.Ext, x)
	}
	return model
}

// TestModel makes sure that the benchmarks compare the same thing.
func TestModel(t *testing.T) {
	r := benchRecord()
	want, err := json.Marshal(modelOf(&r, new(layers.Message)))
	if err != nil {
		t.Fatal(err)
	}
	if got := pfjson.Append(nil, &r, pfjson.Options{ID: testID}); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func BenchmarkAppend(b *testing.B) {
	r := benchRecord()
	var dst []byte
	dst = pfjson.Append(dst, &r, pfjson.Options{ID: testID})
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		dst = pfjson.Append(dst[:0], &r, pfjson.Options{ID: testID})
	}
}

// BenchmarkEncodingJSON does the same with the standard library.
func BenchmarkEncodingJSON(b *testing.B) {
	r := benchRecord()
	msg := new(layers.Message)
	model := modelOf(&r, msg)
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	run := func(b *testing.B, model func() *modelRecord) {
		b.ReportAllocs()
		for b.Loop() {
			w.Reset()
			if err := e.Encode(model()); err != nil {
				b.Fatal(err)
			}
		}
		b.SetBytes(int64(w.Len()))
	}
	b.Run("from bytes", func(b *testing.B) { run(b, func() *modelRecord { return modelOf(&r, msg) }) })
	b.Run("model at hand", func(b *testing.B) { run(b, func() *modelRecord { return model }) })
}

func BenchmarkParse(b *testing.B) {
	r := benchRecord()
	line := pfjson.Append(nil, &r, pfjson.Options{ShowKeys: true})
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pfjson.Parse(line, pfjson.ParseOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMix writes the messages of package benchtest in turn; an op is one of them.
func BenchmarkMix(b *testing.B) {
	for i, m := range append([][]byte{nil}, benchtest.Mix()...) {
		name, mix := "all", benchtest.Mix()
		if i > 0 {
			name, mix = benchtest.Codec.Dialect.EnumName(layers.EnumMsgType, uint64(m[1])), [][]byte{m}
		}
		b.Run(name, func(b *testing.B) {
			r := benchRecord()
			r.Codec = benchtest.Codec
			var dst []byte
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				r.Data = mix[n%len(mix)]
				dst = pfjson.Append(dst[:0], &r, pfjson.Options{ID: testID})
				n++
			}
		})
	}
}
