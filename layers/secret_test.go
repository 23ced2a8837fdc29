package layers_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

// shows reports whether out shows four octets of secret that follow each other:
// raw, in hex of either case, as Go prints byte slices and in dumps.
func shows(out string, secret []byte) bool {
	lower := strings.ToLower(out)
	for i := 0; i+4 <= len(secret); i++ {
		w := secret[i : i+4]
		for _, form := range []string{
			hex.EncodeToString(w),
			fmt.Sprintf("% x", w),
			strings.Trim(fmt.Sprint(w), "[]"),
			strings.ToLower(strings.Trim(fmt.Sprintf("%#v", w), "[]byte{}")),
			fmt.Sprintf("%d, %d, %d, %d", w[0], w[1], w[2], w[3]),
		} {
			if strings.Contains(lower, form) {
				return true
			}
		}
		if strings.Contains(out, string(w)) {
			return true
		}
	}
	return false
}

func TestShows(t *testing.T) { // the test of the test
	secret := []byte("\x01\xf2~KEY!\x80\x90")
	for _, out := range []string{
		"01f27e4b", "xx01F27E4Bxx", "01 f2 7e 4b", "[1 242 126 75]", "[]byte{0x1, 0xf2, 0x7e, 0x4b}", "1, 242, 126, 75", "…KEY!…",
	} {
		if !shows(out, secret) {
			t.Errorf("does not find the secret in %q", out)
		}
	}
	if shows("KEY 01f27e ··(10 bytes)", secret) {
		t.Error("finds the secret where it is not")
	}
}

// verbs are all but %p, and %w of what is no error, which package fmt does not let
// a type answer.
var verbs = []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%c", "%U", "%t", "%e", "%z"}

func TestSecret(t *testing.T) {
	raw := []byte("0123456789abcdefghijklm")
	s := layers.Secret(raw)
	for _, v := range verbs {
		for what, x := range map[string]any{"value": s, "pointer": &s, "field": struct{ S layers.Secret }{s}, "list": []layers.Secret{s}, "map": map[string]layers.Secret{"k": s}} {
			if out := fmt.Sprintf(v, x); shows(out, raw) || what == "value" && out != "··(23 bytes)" {
				t.Errorf("%s of a %s: %s", v, what, out)
			}
		}
	}
	out, err := json.Marshal(map[string]any{"key": s, "list": []layers.Secret{s}})
	if err != nil || string(out) != `{"key":{"bytes":23},"list":[{"bytes":23}]}` {
		t.Errorf("JSON: %s, %v", out, err)
	}
	if text, err := s.MarshalText(); err != nil || shows(string(text), raw) {
		t.Errorf("text: %s, %v", text, err)
	}
	if s.String() != "··(23 bytes)" || shows(s.GoString(), raw) {
		t.Errorf("String %s, GoString %s", s, s.GoString())
	}
	if !bytes.Equal([]byte(s), raw) {
		t.Error("the bytes of a secret are not to be had")
	}
}

// withSecrets is a message that has a secret in every place where one can be.
// secrets are the bytes of each.
func withSecrets(c layers.Codec) (data []byte, secrets [][]byte) {
	r := rand.New(rand.NewPCG(3, 4))
	secret := func(n int) part {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(255)) + 1
		}
		secrets = append(secrets, b)
		return octets(b...)
	}
	body := wire(c.Order, cat(
		host16(2), host16(1), net32(0x1234), octets(32, 1, 3, 12), host32(0), // SA
		host16(4), host16(8), host16(160), secret(2), secret(20), secret(4), // KEY_AUTH: reserved, key, padding
		host16(4), host16(9), host16(128), host16(0), secret(16), secret(8), // KEY_ENCRYPT: key, more bytes
		host16(4), host16(5), octets(0, 32), host16(0), sockaddrIn(0, 10, 0, 0, 1), secret(8), // ADDRESS_SRC: tail
		host16(3), host16(6), octets(0, 32), host16(0), host16(2), net16(0), octets(10, 0, 0, 2), secret(8), // ADDRESS_DST: sin_zero
		host16(5), host16(7), octets(0, 128), host16(0), sockaddrIn6(0, 0, db8one, 0), secret(4), // ADDRESS_PROXY: padding
		host16(2), host16(17), secret(4), secret(8), // KMPRIVATE
		host16(3), host16(19), octets(2, 0), host16(0), host32(0), host32(7), secret(8), // SA2: tail
		host16(3), host16(18), host16(2), octets(2, 0), host32(0), host32(0), secret(8), // POLICY: no request
		host16(4), host16(24), octets(1, 1), host16(5), text("ctx:0"), zeros(3), secret(16), // SEC_CTX: tail
		host16(4), host16(10), host16(2), host16(0), host64(0), text("a.b"), zeros(5), secret(8), // IDENTITY_SRC: tail
		host16(1), host16(2), secret(4), // LIFETIME_CURRENT, too short
		host16(3), host16(99), secret(20), // unknown
		host16(2), host16(14), host32(0), octets(3, 0), host16(160), host16(160), host16(0),
		host16(0xfff0), host16(9), host16(256), host16(0), secret(30), // an extension that overruns
	)...)
	return append(wire(c.Order, header(layers.ADD, 3, len(body))...), body...), secrets
}

// TestSecretsAreFound holds AppendSecrets to exactly the secrets.
func TestSecretsAreFound(t *testing.T) {
	bothOrders(t, func(t *testing.T, c layers.Codec) {
		data, secrets := withSecrets(c)
		spans := c.AppendSecrets(nil, data)
		masked := bytes.Clone(data)
		for _, s := range spans {
			clear(masked[s.Offset : s.Offset+s.Len])
		}
		for i, secret := range secrets {
			at := bytes.Index(data, secret)
			if at < 0 || shows(string(masked), secret) || !bytes.Equal(masked[at:at+len(secret)], make([]byte, len(secret))) {
				t.Errorf("secret %d at %d is not covered by %v", i, at, spans)
			}
		}
		total := 0
		for _, s := range spans {
			total += s.Len
		}
		// Of what overruns all is covered, the eight bytes before the secret too, and so
		// is the padding between a security context and its tail.
		want := 8 + 3
		for _, s := range secrets {
			want += len(s)
		}
		if total != want {
			t.Errorf("%d bytes are covered, want %d: %v", total, want, spans)
		}
		checkWalk(t, c, data)
	})
}

// TestKeySpans says where the octets of keys are, to the byte.
func TestKeySpans(t *testing.T) {
	c := linuxLE
	key := func(number, bits uint16, body ...part) []part {
		n := len(wire(c.Order, body...))
		return cat(host16(uint16(n/8+1)), host16(number), host16(bits), host16(0), body)
	}
	for _, tt := range []struct {
		name string
		body []part
		want []layers.Span
	}{
		{"a key and zero padding", key(8, 160, text("0123456789abcdefghij"), zeros(4)), []layers.Span{{24, 20, 20}}},
		{"padding that is not zero", key(8, 160, text("0123456789abcdefghij"), octets(0, 0, 0, 1)), []layers.Span{{24, 20, 20}, {44, 4, 0}}},
		{"fewer bits than octets", key(8, 128, text("0123456789abcdefghij"), zeros(4)), []layers.Span{{24, 16, 16}, {40, 8, 0}}},
		{"bits that are no whole octet", key(8, 121, text("0123456789abcdef")), []layers.Span{{24, 16, 16}}},
		{"a key of zeros", key(9, 64, zeros(8)), []layers.Span{{24, 8, 8}}},
		{"no key", key(9, 0), nil},
		{"no bits but octets", key(9, 0, text("01234567")), []layers.Span{{24, 8, 0}}},
		{"two keys", cat(key(8, 64, text("01234567")), key(9, 64, text("89abcdef"))), []layers.Span{{24, 8, 8}, {40, 8, 8}}},
		// Where the key ends is not known, so nothing after it is taken for an extension.
		{"more bits than octets", cat(key(8, 256, text("0123456789abcdef")), key(9, 64, text("ghijklmn"))), []layers.Span{{24, 16, 16}, {40, 16, 0}}},
		{"more bits than octets, at the end", key(8, 65535, text("01234567")), []layers.Span{{24, 8, 8}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body := wire(c.Order, tt.body...)
			data := append(wire(c.Order, header(layers.ADD, 3, len(body))...), body...)
			if got := c.AppendSecrets(nil, data); !slices.Equal(got, tt.want) {
				t.Errorf("secrets %v, want %v", got, tt.want)
			}
			if got := c.AppendSecrets([]layers.Span{{1, 2, 3}}, data); len(got) != len(tt.want)+1 || got[0] != (layers.Span{Offset: 1, Len: 2, Key: 3}) {
				t.Errorf("appended to a span: %v", got)
			}
			roundTrip(t, c, data)
			agree(t, c, data)
			checkWalk(t, c, data)
		})
	}
}

// TestNothingShows prints every layer of messages with keys in every way and
// looks for four octets of a secret.
func TestNothingShows(t *testing.T) {
	check := func(t *testing.T, c layers.Codec, data []byte, secrets [][]byte) {
		look := func(what, out string) {
			t.Helper()
			for i, s := range secrets {
				if shows(out, s) {
					t.Errorf("%s shows secret %d (%d bytes)", what, i, len(s))
				}
			}
		}
		p, _ := packetLayers(t, c, data)
		look("Packet.String", p.String())
		for _, l := range p.Layers() {
			name := l.LayerType().String()
			look(name+": LayerString", gopacket.LayerString(l))
			look(name+": LayerDump", gopacket.LayerDump(l))
			look(name+": LayerContents", string(l.LayerContents()))
			look(name+": %v", fmt.Sprintf("%v %+v %s %q %x %X", l, l, l, l, l, l))
			if s, ok := l.(fmt.Stringer); !ok || s.String() == "" {
				t.Errorf("%s has no String", name)
			}
			if x, ok := l.(layers.Extension); ok {
				if n := len(x.LayerContents()) + len(x.LayerPayload()); n != len(x.Head().Contents) {
					t.Errorf("%s: contents and payload have %d bytes, want %d", name, n, len(x.Head().Contents))
				}
			}
			if key, ok := l.(*layers.Key); ok {
				for _, v := range verbs {
					look("a Key with "+v, fmt.Sprintf(v+v, key, *key))
				}
				look("GoString of a Key", gopacket.LayerGoString(l))
				out, err := json.Marshal(l)
				if err != nil {
					t.Error(err)
				}
				look("JSON of a Key", string(out))
			}
			if base, ok := l.(*layers.Base); ok {
				for _, v := range verbs {
					look("a Base with "+v, fmt.Sprintf(v+v, base, *base))
				}
				look("GoString of a Base", gopacket.LayerGoString(l))
				out, _ := json.Marshal(l)
				look("JSON of a Base", string(out))
			}
			if e, ok := l.(gopacket.ErrorLayer); ok {
				look("the error", fmt.Sprintf("%v %+v %#v", e.Error(), e.Error(), e.Error()))
				for _, v := range verbs {
					look("the error layer with "+v, fmt.Sprintf(v, e))
				}
			}
		}
		m := layers.Message{Base: layers.Base{Codec: c}}
		err := m.DecodeFromBytes(data, nil)
		look("the error of a Message", fmt.Sprintf("%v %#v", err, err))
		for _, v := range verbs {
			look("a Message with "+v, fmt.Sprintf(v+v, &m, m))
			look("the headers of a Message with "+v, fmt.Sprintf(v, m.Extensions))
			look("the rest of a Message with "+v, fmt.Sprintf(v, m.Rest))
		}
		look("LayerGoString of a Message", gopacket.LayerGoString(&m))
		for _, v := range walk(c, data).flat() {
			look("the walk", v)
		}
	}
	bothOrders(t, func(t *testing.T, c layers.Codec) {
		data, secrets := withSecrets(c)
		check(t, c, data, secrets)
		wrapped := wrap(c, data, 0)
		check(t, c, wrapped, secrets)
	})
	for _, r := range linuxRecords(t) {
		t.Run(r.name, func(t *testing.T) {
			check(t, r.codec, r.data, testKeys(r.data))
		})
	}
}

// testKeys finds the keys of the recordings wherever they are, in tails that
// cannot be decoded too: each octet is 7 more than the one before.
func testKeys(data []byte) [][]byte {
	var keys [][]byte
	start := 0
	for i := 1; i <= len(data); i++ {
		if i < len(data) && data[i] == data[i-1]+7 {
			continue
		}
		if i-start >= 4 {
			keys = append(keys, data[start:i])
		}
		start = i
	}
	return keys
}
