// Package fuzz holds black-box fuzz targets, one law each. Their seeds are the
// fixtures and messages made by the encoders, so they cannot rot.
//
//	go test -fuzz FuzzRoundTrip -fuzztime 1m ./fuzz
package fuzz

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
	"github.com/pfkeycap/pfkeycap/record"
)

// codec chooses one of all codecs.
func codec(n uint8) layers.Codec {
	all := layers.Dialects()
	c := layers.Codec{Dialect: all[int(n>>1)%len(all)], Order: layers.LittleEndian}
	if n&1 != 0 {
		c.Order = layers.BigEndian
	}
	return c
}

func number(c layers.Codec) uint8 {
	for n := range uint8(2 * len(layers.Dialects())) {
		if codec(n) == c {
			return n
		}
	}
	return 0
}

// seeds gives f one message for each kind there is in the fixtures, and messages
// of every type from the encoders.
func seeds(f *testing.F) {
	kinds := map[string]bool{}
	for _, path := range captures(f) {
		r, err := record.Open(path, record.ReaderOptions{})
		if err != nil {
			f.Fatal(err)
		}
		for {
			rec, err := r.Next()
			if err != nil {
				break
			}
			data := bytes.Clone(rec.Bytes())
			var m layers.Message
			m.Codec = rec.Codec
			_ = m.DecodeFromBytes(data, nil)
			kind := m.Codec.String() + m.TypeName()
			for i := range m.Extensions {
				kind += m.Extensions[i].Name()
			}
			if !kinds[kind] {
				kinds[kind] = true
				f.Add(number(rec.Codec), data)
			}
		}
		r.Close()
	}
	if len(kinds) < 100 {
		f.Fatalf("only %d kinds of messages in the fixtures", len(kinds))
	}
	for n := range uint8(2 * len(layers.Dialects())) {
		c := codec(n)
		for typ := range uint8(30) {
			msg, err := c.Encode(&layers.Base{Type: typ, SAType: 3, Seq: 1, PID: 1},
				&layers.SA{SPI: 0x1234, State: 1}, &layers.SPIRange{Min: 1, Max: 2},
				c.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("[2001:db8::1]:500"), 128, 17),
				c.NewKey(layers.LayerTypeKeyAuth, []byte("0123456789")))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(n, msg)
			f.Add(n, append([]byte{2, layers.PROMISC, 0, 0, byte(len(msg)/8 + 2), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, msg...))
		}
	}
}

func captures(f *testing.F) (list []string) {
	err := filepath.WalkDir("../fixtures", func(path string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcapng") {
			list = append(list, path)
		}
		return err
	})
	if err != nil || len(list) == 0 {
		f.Fatal(len(list), " fixtures: ", err)
	}
	return list
}

// FuzzDecode: any bytes give layers that cover all of them; the flat path finds
// the same; checking and naming secrets stay inside the message.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		c := codec(n)
		p := gopacket.NewPacket(data, c, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: true})
		var m layers.Message
		m.Codec = c
		err := m.DecodeFromBytes(data, nil)
		if m.Inner == nil {
			if (err != nil) != (p.ErrorLayer() != nil) {
				t.Fatalf("flat: %v, gopacket: %v", err, p.ErrorLayer())
			}
			var exts []layers.Extension
			for _, l := range p.Layers() {
				if x, ok := l.(layers.Extension); ok {
					exts = append(exts, x)
				}
				_ = gopacket.LayerString(l)
			}
			if len(exts) != len(m.Extensions) {
				t.Fatalf("flat: %d extensions, gopacket: %d", len(m.Extensions), len(exts))
			}
			for i, x := range exts {
				h := &m.Extensions[i]
				if h.LayerType() != x.LayerType() || h.Offset != x.Head().Offset || !bytes.Equal(h.Contents, x.Head().Contents) {
					t.Fatalf("extension %d: flat %v@%d, gopacket %v@%d", i, h.LayerType(), h.Offset, x.LayerType(), x.Head().Offset)
				}
				if y := m.Extension(h.LayerType()); y != nil && y.Head().Offset == h.Offset && x.String() != y.String() {
					t.Fatalf("extension %d: flat %v, gopacket %v", i, y, x)
				}
			}
		}
		end := 0
		for _, s := range c.AppendSecrets(nil, data) {
			if s.Offset < end || s.Len <= 0 || s.Key > s.Len || s.Offset+s.Len > len(data) {
				t.Fatalf("secret at %d+%d (key %d) of %d bytes, after %d", s.Offset, s.Len, s.Key, len(data), end)
			}
			end = s.Offset + s.Len
		}
		for _, d := range []check.Direction{check.Unknown, check.ToKernel, check.FromKernel} {
			for _, x := range check.Judge(c.Dialect, c, data, d) {
				if x.Offset < 0 || x.Len < 0 || x.Offset+x.Len > max(len(data), layers.BaseLen) {
					t.Fatalf("problem %q at %d+%d of %d bytes", x.Code, x.Offset, x.Len, len(data))
				}
			}
		}
	})
}

// FuzzRoundTrip: layers serialize to the bytes they were decoded from.
func FuzzRoundTrip(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint8, data []byte) { roundTrip(t, codec(n), data) })
}

func roundTrip(t *testing.T, c layers.Codec, data []byte) {
	p := gopacket.NewPacket(data, c, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: true})
	var ls []gopacket.SerializableLayer
	for _, l := range p.Layers() {
		ls = append(ls, l.(gopacket.SerializableLayer))
	}
	b := gopacket.NewSerializeBuffer()
	if err := c.Serialize(b, gopacket.SerializeOptions{}, ls...); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), data) {
		t.Fatalf("%v\n%x became\n%x", c, data, b.Bytes())
	}
}

// FuzzPrefix: a message cut anywhere decodes, round-trips, and never shows more
// extensions than the whole.
func FuzzPrefix(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		c := codec(n)
		var whole, part layers.Message
		whole.Codec, part.Codec = c, c
		_ = whole.DecodeFromBytes(data, nil)
		for i := range min(len(data), 600) {
			err := part.DecodeFromBytes(data[:i], nil)
			if i < layers.BaseLen && err == nil {
				t.Fatalf("%d bytes are a message", i)
			}
			if part.Inner == nil && whole.Inner == nil && len(part.Extensions) > len(whole.Extensions) {
				t.Fatalf("the first %d bytes have %d extensions, the whole %d", i, len(part.Extensions), len(whole.Extensions))
			}
			roundTrip(t, c, data[:i])
		}
	})
}

// FuzzJSON: bytes to JSON with keys to bytes is the identity, and JSON without
// keys is refused rather than guessed.
func FuzzJSON(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		c := codec(n)
		line := pfjson.Append(nil, &pfjson.Record{Codec: c, Data: data}, pfjson.Options{ShowKeys: true})
		r, err := pfjson.Parse(line, pfjson.ParseOptions{})
		if err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
		if !bytes.Equal(r.Data, data) || r.Codec != c {
			t.Fatalf("%v\n%x became\n%x\n%s", c, data, r.Data, line)
		}
		line = pfjson.Append(nil, &pfjson.Record{Codec: c, Data: data}, pfjson.Options{})
		r, err = pfjson.Parse(line, pfjson.ParseOptions{})
		switch secrets := c.AppendSecrets(nil, data); {
		case len(secrets) == 0 && (err != nil || !bytes.Equal(r.Data, data)):
			t.Fatalf("no secrets, but %v\n%s", err, line)
		case len(secrets) > 0 && !errors.Is(err, pfjson.ErrSecret):
			t.Fatalf("secrets are missing, but %v\n%s", err, line)
		}
	})
}

// FuzzCapture: any bytes read as a capture give records and at most one error,
// without taking memory that they do not pay for.
func FuzzCapture(f *testing.F) {
	for _, path := range captures(f)[:12] {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 4096)])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		r, err := record.NewReader(bytes.NewReader(data), record.ReaderOptions{})
		for err == nil {
			var rec *record.Record
			if rec, err = r.Next(); err == nil {
				n += len(rec.Data)
				var m layers.Message
				m.Codec = rec.Codec
				_ = m.DecodeFromBytes(rec.Data, nil)
			}
		}
		if err != io.EOF && err.Error() == "" {
			t.Fatal("an error without a text")
		}
		if n > 2*len(data) {
			t.Fatalf("%d bytes of messages from %d bytes", n, len(data))
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20+64*uint64(len(data)) {
			t.Fatalf("%d bytes allocated for a capture of %d", grown, len(data))
		}
	})
}
