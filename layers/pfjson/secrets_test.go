package pfjson_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

// withRandomSecrets puts random octets in the place of the secrets of a record,
// so that none occurs elsewhere by intent.
func withRandomSecrets(r pfjson.Record, rnd *rand.Rand) (pfjson.Record, []layers.Span) {
	r.Data = bytes.Clone(r.Data)
	for _, s := range r.Codec.AppendSecrets(nil, r.Data) {
		for i := range s.Len {
			r.Data[s.Offset+i] = byte(rnd.Uint32())
		}
	}
	// Other octets may now be secret: where a tail begins to make sense, or ends to.
	return r, r.Codec.AppendSecrets(nil, r.Data)
}

// forms are the ways in which four octets could show in a text.
func forms(w []byte) (list []string) {
	list = append(list, string(w), hex.EncodeToString(w), strings.ToUpper(hex.EncodeToString(w)),
		fmt.Sprint(binary.LittleEndian.Uint32(w)), fmt.Sprint(binary.BigEndian.Uint32(w)))
	for shift := range 3 { // without the characters that depend on the neighbours
		s := base64.StdEncoding.EncodeToString(append(make([]byte, shift), w...))
		list = append(list, s[(shift*8+5)/6:(shift+4)*8/6])
	}
	return list
}

// leak returns a window of the secrets that occurs in text, or "".
func leak(data []byte, secrets []layers.Span, text []byte) string {
	for _, s := range secrets {
		for i := 0; i+4 <= s.Len; i++ {
			w := data[s.Offset+i:][:4]
			for _, f := range forms(w) {
				if bytes.Contains(text, []byte(f)) {
					return fmt.Sprintf("%x as %q", w, f)
				}
			}
		}
	}
	return ""
}

// TestSecretsDoNotShow looks for every four octets of every secret, in what is
// written and in what reading it says.
func TestSecretsDoNotShow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(19, 2367))
	windows := 0
	for _, r := range readRecords(t) {
		r, secrets := withRandomSecrets(r, rnd)
		before := windows
		for _, s := range secrets {
			windows += max(0, s.Len-3)
		}
		for _, opts := range []pfjson.Options{{}, {ID: hashID}} {
			out := pfjson.Append(nil, &r, opts)
			if w := leak(r.Data, secrets, out); w != "" {
				t.Errorf("record %d: %s in %s", r.Number, w, out)
			}
			if _, err := pfjson.Parse(out, pfjson.ParseOptions{}); len(secrets) > 0 && !errors.Is(err, pfjson.ErrSecret) {
				t.Errorf("record %d: error %v, want ErrSecret", r.Number, err)
			}
		}
		shown := pfjson.Append(nil, &r, pfjson.Options{ShowKeys: true})
		if len(secrets) == 0 {
			continue
		}
		if windows > before && leak(r.Data, secrets, shown) == "" {
			t.Errorf("record %d: no secret seen where all are shown: %s", r.Number, shown)
		}
		for range 200 { // broken lines with the secrets in them
			bad := bytes.Clone(shown)
			for range 1 + rnd.IntN(2) {
				bad[rnd.IntN(len(bad))] = `"{}[],:x0g\`[rnd.IntN(11)]
			}
			if _, err := pfjson.Parse(bad[:len(bad)-rnd.IntN(2)*rnd.IntN(len(bad))], pfjson.ParseOptions{}); err != nil {
				if w := leak(r.Data, secrets, []byte(err.Error())); w != "" {
					t.Fatalf("record %d: %s in %v", r.Number, w, err)
				}
			}
		}
	}
	if windows < 500 {
		t.Errorf("only %d windows: this test sees little", windows)
	}
}

func TestHiddenIsNotRead(t *testing.T) {
	for _, test := range []struct{ name, ext, path string }{
		{"key", `{"name":"KEY_AUTH","bits":160,"key_id":"01020304"}`, "ext[0](KEY_AUTH)"},
		{"key without bits", `{"name":"KEY_AUTH","key_id":"01020304"}`, "ext[0](KEY_AUTH)"},
		{"key without anything", `{"name":"KEY_AUTH","len":4,"bits":160}`, "ext[0](KEY_AUTH)"},
		{"padding", `{"name":"KEY_AUTH","bits":8,"key":"01","pad":{"bytes":7,"id":"01020304"}}`, "ext[0](KEY_AUTH).pad"},
		{"unknown extension", `{"name":"UNKNOWN","exttype":77,"data":{"bytes":4}}`, "ext[0](UNKNOWN).data"},
		{"tail", `{"name":"SA","tail":{"bytes":4}}`, "ext[0](SA).tail"},
		{"zero", `{"name":"ADDRESS_SRC","addr":"10.0.0.1","zero":{"bytes":8}}`, "ext[0](ADDRESS_SRC).zero"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := pfjson.Parse(line("linux", "little", `"number":43,"msg":{"type":3},"ext":[`+test.ext+`]`), pfjson.ParseOptions{})
			var e *pfjson.Error
			if !errors.Is(err, pfjson.ErrSecret) || !errors.As(err, &e) || e.Path != test.path || e.Record != 43 {
				t.Fatalf("got %v, want ErrSecret at %s", err, test.path)
			}
			for _, want := range []string{"record 43", "CAPTURE.keys", "--show-keys"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
		})
	}
	_, err := pfjson.Parse(line("linux", "little", `"number":43,"rest":{"bytes":4}`), pfjson.ParseOptions{})
	if !errors.Is(err, pfjson.ErrSecret) {
		t.Errorf("rest: got %v, want ErrSecret", err)
	}
}
