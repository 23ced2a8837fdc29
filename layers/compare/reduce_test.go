package compare

import (
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record"
)

// What a comparison of the parts that are not the same octets finds is what one of
// the whole messages finds: of all messages of the fixtures and of a generator, with
// octets changed, words put in, and parts taken from other messages.
func TestReduce(t *testing.T) {
	var messages []*record.Record
	err := filepath.WalkDir("../../fixtures", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pcapng") {
			return err
		}
		r, err := record.Open(path, record.ReaderOptions{})
		if err != nil {
			return err
		}
		defer r.Close()
		for {
			x, err := r.Next()
			if err != nil {
				return nil // damaged ones are there on purpose
			}
			if len(x.Data) <= 2000 {
				messages = append(messages, x.Clone())
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []layers.Dialect{layers.Linux, layers.OpenBSD, layers.NetBSD, layers.Illumos} {
		g := gen.New(layers.Codec{Dialect: d, Order: layers.BigEndian}, 1, gen.Options{})
		for range 500 {
			b, _ := g.Next(nil)
			messages = append(messages, &record.Record{Codec: g.Codec(), Data: b})
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	reduced := 0
	for i, r := range messages {
		for range 2 {
			other := append([]byte(nil), r.Data...)
			for range 1 + rng.IntN(3) {
				if len(other) == 0 {
					break
				}
				at := rng.IntN(len(other))
				switch rng.IntN(8) {
				case 0:
					from := messages[rng.IntN(len(messages))].Data
					at &^= 7
					other = append(other[:at:at], from[min(at, len(from)):]...)
				case 1:
					at &^= 7
					other = append(other[:at:at], append([]byte{1, 0, 77, 0, 0, 0, 0, 0}, other[at:]...)...)
				case 2:
					at &^= 7
					other = append(other[:at:at], other[min(at+8, len(other)):]...)
				default:
					other[at] ^= 1 << rng.IntN(8)
				}
			}
			if len(other) >= layers.BaseLen && rng.IntN(4) > 0 {
				r.Codec.Order.Binary().PutUint16(other[4:], uint16(len(other)/layers.Word))
			}
			var got, want []Difference
			m := Comparer{Each: func(d *Difference) { got = append(got, plain(d)) }}
			m.Compare(r.Codec, r.Data, r.Codec, other)
			if m.reducedA != nil && m.n > 0 && m.reduce(r.Codec, r.Data, other) {
				reduced++
			}
			whole := Comparer{whole: true, Each: func(d *Difference) { want = append(want, plain(d)) }}
			whole.Compare(r.Codec, r.Data, r.Codec, other)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("message %d (%v): got\n%v\nwant\n%v", i, r.Codec, got, want)
			}
		}
	}
	if reduced < 1000 {
		t.Error("hardly any comparison was shortened:", reduced)
	}
	t.Log(len(messages), "messages,", reduced, "shortened comparisons")
}

// plain is a difference without the fields, whose offsets are other ones.
func plain(d *Difference) Difference {
	x := *d
	x.X, x.Y = nil, nil
	return x
}
