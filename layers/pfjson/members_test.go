package pfjson_test

import (
	"bytes"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

// TestMembers holds what is written of the members of a structure at once to what
// each by itself gives, in messages whose numbers are of other tables too.
func TestMembers(t *testing.T) {
	for _, c := range codecs() {
		_, list := everyExtension(c)
		for _, satype := range []byte{0, layers.SATypeESP, layers.SATypeIPComp} {
			for _, m := range list {
				if m = bytes.Clone(m); len(m) > 3 {
					m[3] = satype
				}
				r := pfjson.Record{Codec: c, Data: m}
				opts := pfjson.Options{ShowKeys: true, ID: testID}
				if got, want := pfjson.Append(nil, &r, opts), pfjson.AppendByField(nil, &r, opts); !bytes.Equal(got, want) {
					t.Fatalf("%v %x\n got %s\nwant %s", c, m, got, want)
				}
			}
		}
	}
}
