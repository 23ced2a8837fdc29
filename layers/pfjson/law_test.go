package pfjson_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

// codecs are all there are.
func codecs() (list []layers.Codec) {
	for _, d := range append([]layers.Dialect{layers.NoDialect}, layers.Dialects()...) {
		for _, o := range []layers.Order{layers.LittleEndian, layers.BigEndian, layers.NoOrder} {
			list = append(list, layers.Codec{Dialect: d, Order: o})
		}
	}
	return list
}

// checkLaw checks that a record survives the way to JSON and back.
func checkLaw(t testing.TB, r pfjson.Record) {
	t.Helper()
	line := pfjson.Append(nil, &r, pfjson.Options{ShowKeys: true, ID: testID})
	got, err := pfjson.Parse(line, pfjson.ParseOptions{})
	if err != nil {
		t.Fatalf("%v: Parse: %v\ndata %x\nline %s", r.Codec, err, r.Data, line)
	}
	if !bytes.Equal(got.Data, r.Data) {
		t.Fatalf("%v:\n got %x\nwant %x\nline %s", r.Codec, got.Data, r.Data, line)
	}
	want := r
	if want.Direction == "" {
		want.Direction = pfjson.UnknownDirection
	}
	if want.Length == 0 {
		want.Length = len(want.Data)
	}
	if got.Codec != want.Codec || got.Direction != want.Direction || got.Number != want.Number ||
		!got.Time.Equal(want.Time) || got.Length != want.Length || got.TwinOf != want.TwinOf || got.ReplyTo != want.ReplyTo {
		t.Fatalf("got  %v %v %v %v %v %v %v\nwant %v %v %v %v %v %v %v\nline %s",
			got.Codec, got.Direction, got.Number, got.Time, got.Length, got.TwinOf, got.ReplyTo,
			want.Codec, want.Direction, want.Number, want.Time, want.Length, want.TwinOf, want.ReplyTo, line)
	}
}

// testID stands for what package record gives: octets that say nothing.
func testID(secret []byte, key int) [4]byte { return [4]byte{0x1d, byte(len(secret)), byte(key), 0x1d} }

func FuzzLaw(f *testing.F) {
	all := codecs()
	for i, c := range all {
		whole, _ := everyExtension(c)
		for _, m := range whole {
			f.Add(m, uint8(i), int64(1_777_629_600_123_456_789), uint64(7), int64(0))
		}
	}
	for _, r := range readRecords(f) {
		f.Add(r.Data, uint8(slices.Index(all, r.Codec)), r.Time.UnixNano(), r.Number, int64(8))
	}
	f.Add([]byte{}, uint8(0), int64(0), uint64(0), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, codec uint8, nanos int64, number uint64, more int64) {
		r := pfjson.Record{
			Number:    number,
			Direction: []string{pfjson.ToKernel, pfjson.FromKernel, pfjson.UnknownDirection, ""}[number&3],
			Codec:     all[int(codec)%len(all)],
			Data:      data,
			TwinOf:    number >> 1,
			ReplyTo:   number >> 3,
		}
		if nanos != 0 {
			r.Time = time.Unix(0, nanos)
		}
		if more != 0 {
			r.Length = len(data) + int(more&0xffff)
		}
		checkLaw(t, r)
	})
}
