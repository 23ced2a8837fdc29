package record_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

func TestMeta(t *testing.T) {
	salt := record.Salt{0xab, 31: 0xcd}
	tests := []struct {
		meta record.Meta
		text string
	}{
		{record.Meta{}, "PF_KEYv2"},
		{record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian, NetNS: 4026531840, Promisc: record.Yes, Keys: record.KeysBeside, SaltID: "0a1b2c3d", CaptureID: "0123456789abcdef"},
			"PF_KEYv2 dialect=linux byteorder=le netns=4026531840 promisc=1 keys=beside saltid=0a1b2c3d captureid=0123456789abcdef"},
		{record.Meta{Dialect: layers.OpenBSD, Order: layers.BigEndian, Promisc: record.No, Keys: record.KeysNone}, "PF_KEYv2 dialect=openbsd byteorder=be promisc=0 keys=none"},
		{record.Meta{Keys: record.KeysInside, SaltID: salt.ID(), Salt: salt},
			"PF_KEYv2 keys=inside saltid=" + salt.ID() + " salt=ab" + strings.Repeat("00", 30) + "cd"},
	}
	for _, tt := range tests {
		if got := tt.meta.String(); got != tt.text {
			t.Errorf("got  %s\nwant %s", got, tt.text)
		}
		got, ok, err := record.ParseMeta(tt.text)
		if !ok || err != nil || got != tt.meta {
			t.Errorf("%s: %v, %v, %v", tt.text, got, ok, err)
		}
	}
}

func TestParseMeta(t *testing.T) {
	tests := []struct {
		text string
		want record.Meta
		ok   bool
		err  string
	}{
		{"", record.Meta{}, false, ""},
		{"PF_KEYv22 dialect=linux", record.Meta{}, false, ""},
		{"en0 PF_KEYv2", record.Meta{}, false, ""},
		{"  PF_KEYv2\tdialect=linux  new=word word =x keys= ", record.Meta{Dialect: layers.Linux}, true, ""},
		{"PF_KEYv2 dialect=darwin byteorder=big", record.Meta{Dialect: layers.MacOS, Order: layers.BigEndian}, true, ""},
		{"PF_KEYv2 dialect=linux byteorder=middle netns=-1 promisc=2 keys=everywhere salt=00", record.Meta{Dialect: layers.Linux}, true,
			`"byteorder=middle", "netns=-1", "promisc=2", "keys=everywhere", "salt=00"`},
		{"PF_KEYv2 dialect=linux dialect=netbsd", record.Meta{Dialect: layers.NetBSD}, true, ""},
	}
	for _, tt := range tests {
		got, ok, err := record.ParseMeta(tt.text)
		if got != tt.want || ok != tt.ok || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: %v, %v, %v", tt.text, got, ok, err)
		}
	}
}

func TestSaltIsNotWrittenBesideStandIns(t *testing.T) {
	for _, keys := range []record.Keys{record.KeysUnsaid, record.KeysBeside, record.KeysNone} {
		if s := (record.Meta{Keys: keys, Salt: record.Salt{1}}).String(); strings.Contains(s, "salt=") {
			t.Errorf("keys=%v: %s", keys, s)
		}
	}
}

func TestComparable(t *testing.T) {
	a, b := record.Salt{1}, record.Salt{2}
	id := func(s record.Salt) record.Meta { return record.Meta{Keys: record.KeysNone, SaltID: s.ID()} }
	tests := []struct {
		name string
		a, b record.Meta
		want bool
	}{
		{"same salt", id(a), id(a), true},
		{"other salt", id(a), id(b), false},
		{"unknown salts", record.Meta{}, record.Meta{}, false},
		{"one unknown", id(a), record.Meta{}, false},
	}
	for _, tt := range tests {
		if got := record.Comparable(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	inside, _, _ := record.ParseMeta("PF_KEYv2 keys=inside salt=01" + strings.Repeat("00", 31))
	if !record.Comparable(inside, id(a)) {
		t.Error("a capture with keys inside is not comparable to one with stand-ins under its salt")
	}
}

func TestWordsRoundTrip(t *testing.T) {
	for _, d := range []record.Direction{record.Unknown, record.FromKernel, record.ToKernel} {
		if got, err := record.ParseDirection(d.String()); err != nil || got != d {
			t.Errorf("%v: %v, %v", d, got, err)
		}
	}
	for _, k := range []record.Keys{record.KeysBeside, record.KeysInside, record.KeysNone} {
		if got, err := record.ParseKeys(k.String()); err != nil || got != k {
			t.Errorf("%v: %v, %v", k, got, err)
		}
	}
	for _, s := range []string{"", "x"} {
		if _, err := record.ParseKeys(s); err == nil {
			t.Errorf("keys %q", s)
		}
		if _, err := record.ParseDirection(s); err == nil {
			t.Errorf("direction %q", s)
		}
	}
}

// TestPrintingShowsNoSecret: whatever verb prints a salt or a record.
func TestPrintingShowsNoSecret(t *testing.T) {
	salt := record.NewSalt()
	key := secret(1, 16)
	rec := &record.Record{Number: 1, Codec: le, Data: key, True: key, OrigLen: 16}
	w, err := record.NewWriter(nil, record.WriterOptions{Salt: salt})
	if err != nil {
		t.Fatal(err)
	}
	values := []any{salt, &salt, record.Meta{Salt: salt}, record.WriterOptions{Salt: salt}, record.ReaderOptions{Salt: salt}, w, record.NewHider(salt), *rec, rec, []*record.Record{rec}, []record.Record{*rec}}
	hidden := [][]byte{salt[:], key}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			s := strings.ToLower(fmt.Sprintf(verb, v))
			for _, h := range hidden {
				for _, form := range []string{fmt.Sprintf("%x", h[4:8]), fmt.Sprintf("%d", h[4:8])[1:], fmt.Sprintf("%#x, %#x, %#x", h[4], h[5], h[6])} {
					if strings.Contains(s, strings.TrimSuffix(form, "]")) {
						t.Errorf("%s of %T shows a secret", verb, v)
					}
				}
			}
		}
	}
}
