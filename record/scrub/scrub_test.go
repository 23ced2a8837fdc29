package scrub_test

import (
	"bytes"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/scrub"
)

var linux = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}

func address(t layers.Extension, a string) *layers.Address {
	addr := netip.MustParseAddr(a)
	return linux.NewAddress(t.LayerType(), netip.AddrPortFrom(addr, 7), uint8(addr.BitLen()), 0)
}

var (
	src = &layers.Address{Header: layers.For(layers.LayerTypeAddressSrc)}
	dst = &layers.Address{Header: layers.For(layers.LayerTypeAddressDst)}
)

func encode(t *testing.T, exts ...layers.Extension) []byte {
	t.Helper()
	b, err := linux.Encode(&layers.Base{Type: layers.ADD, SAType: layers.SATypeESP}, exts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecord(t *testing.T) {
	id := &layers.Identity{Header: layers.For(layers.LayerTypeIdentitySrc), Type: 3, Data: []byte("alice@example.com\x00\x00\x00\x00\x00\x00\x00")}
	key := linux.NewKey(layers.LayerTypeKeyEncrypt, []byte("0123456789"))
	key.Octets = append(key.Octets, "leaked"...) // in the padding
	msg := encode(t, &layers.SA{SPI: 0x1234}, address(src, "192.0.2.1"), address(dst, "192.0.2.77"), key, id)
	r := &record.Record{Number: 3, Codec: linux, Data: msg, OrigLen: len(msg), Process: "iked", Comments: []string{"on gw.example.com"}}
	before := bytes.Clone(msg)
	s := scrub.New(scrub.Options{Addresses: true})
	s.Record(r)
	if !bytes.Equal(before, msg) {
		t.Error("the caller's bytes were changed")
	}
	for _, secret := range []string{"alice", "example", "leaked", "\xc0\x00\x02\x01", "\xc0\x00\x02\x4d"} {
		if bytes.Contains(r.Data, []byte(secret)) {
			t.Errorf("%q is still there", secret)
		}
	}
	if r.Process != "" || r.Comments != nil {
		t.Errorf("process %q, comments %q", r.Process, r.Comments)
	}
	if s.Records != 1 || s.Identities != 1 || s.Processes != 1 || s.Comments != 1 || s.Addresses != 2 || s.Bytes != 6 {
		t.Errorf("counts %+v", s.Counts)
	}
	if len(s.Cleared) != 1 || s.Cleared[0].Record != 3 || s.Cleared[0].Extension != "KEY_ENCRYPT" || s.Cleared[0].Bytes != 6 || string(before[s.Cleared[0].Offset:][:6]) != "leaked" {
		t.Errorf("cleared %+v", s.Cleared)
	}
	var m layers.Message
	m.Codec = linux
	if err := m.DecodeFromBytes(r.Data, nil); err != nil {
		t.Fatal(err)
	}
	if string(m.KeyEncrypt().Key()) != "0123456789" || m.SA().SPI != 0x1234 || m.AddressSrc().Port() != 7 {
		t.Error("what should stay has not")
	}
	a, b := m.AddressSrc().Addr(), m.AddressDst().Addr()
	if p, _ := a.Prefix(25); !p.Contains(b) {
		t.Errorf("%v and %v had 25 bits in common", a, b)
	}
	// The same once more is the same again; another Scrubber makes another.
	again := &record.Record{Number: 4, Codec: linux, Data: before, OrigLen: len(before)}
	s.Record(again)
	if !bytes.Equal(again.Data, r.Data) {
		t.Error("equal messages are no longer equal")
	}
	other := &record.Record{Number: 4, Codec: linux, Data: before, OrigLen: len(before)}
	scrub.New(scrub.Options{Addresses: true}).Record(other)
	if bytes.Equal(other.Data, r.Data) {
		t.Error("two recordings can be compared")
	}
}

func TestAddressesThatStay(t *testing.T) {
	msg := encode(t, address(src, "127.0.0.1"), address(dst, "224.0.0.5"))
	r := &record.Record{Codec: linux, Data: msg, OrigLen: len(msg)}
	s := scrub.New(scrub.Options{Addresses: true})
	s.Record(r)
	if !bytes.Equal(r.Data, msg) || s.Addresses != 0 {
		t.Errorf("%d addresses replaced", s.Addresses)
	}
	keep := encode(t, address(src, "192.0.2.1"))
	r = &record.Record{Codec: linux, Data: keep, OrigLen: len(keep)}
	scrub.New(scrub.Options{}).Record(r)
	if !bytes.Equal(r.Data, keep) {
		t.Error("an address was replaced without being asked for")
	}
}

// Every message of every fixture: scrubbing keeps lengths and framing, leaves nothing
// that it would clear again, and never fails.
func TestFixtures(t *testing.T) {
	n := 0
	err := filepath.WalkDir("../../fixtures", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".pcapng") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := record.NewReader(f, record.ReaderOptions{})
		if err != nil {
			return err
		}
		s := scrub.New(scrub.Options{Addresses: true})
		for {
			rec, err := r.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			size := len(rec.Data)
			c := rec.Clone()
			s.Record(c)
			if len(c.Data) != size {
				t.Errorf("%s: %v: %d bytes of %d", path, rec, len(c.Data), size)
			}
			once := s.Bytes
			s.Record(c)
			if s.Bytes != once {
				t.Errorf("%s: %v: %d bytes were left to clear", path, rec, s.Bytes-once)
			}
			n++
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 1000 {
		t.Errorf("only %d records", n)
	}
}
