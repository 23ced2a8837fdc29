package gen_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/layers/gen"
)

// codecs are all dialects in both byte orders.
func codecs() (list []layers.Codec) {
	for _, d := range layers.Dialects() {
		list = append(list, layers.Codec{Dialect: d, Order: layers.LittleEndian}, layers.Codec{Dialect: d, Order: layers.BigEndian})
	}
	return list
}

// TestValid holds valid messages to what the word means: the framing is sound, the
// lengths are those that the encoder computes, and there are messages of every type
// and extensions of every number that the dialect has.
func TestValid(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.String(), func(t *testing.T) {
			g := gen.New(c, 1, gen.Options{Valid: true})
			types, exts := map[uint8]bool{}, map[string]bool{}
			var m layers.Message
			m.Codec = c
			var msg []byte
			for range 6000 {
				var info gen.Info
				msg, info = g.Next(msg[:0])
				if len(info.Mutations) != 0 {
					t.Fatalf("%+v is not valid", info)
				}
				if err := m.DecodeFromBytes(msg, nil); err != nil {
					t.Fatalf("%+v: %v", info, err)
				}
				if info.Type != m.Type || int(m.Len)*layers.Word != len(msg) || m.Version != layers.Version {
					t.Fatalf("%+v: header %v of %d bytes", info, &m.Base, len(msg))
				}
				if info.Story != "whatever" {
					types[m.Type] = true
				}
				for i := range m.Extensions {
					if info.Story != "whatever" {
						exts[m.Extensions[i].Name()] = true
					}
				}
				if m.Duplicate && info.Story != "whatever" {
					t.Fatalf("%+v: an extension occurs twice", info)
				}
				b := gopacket.NewSerializeBuffer()
				if err := c.Serialize(b, gopacket.SerializeOptions{FixLengths: true}, decoded(c, msg)...); err != nil {
					t.Fatalf("%+v: %v", info, err)
				}
				if !bytes.Equal(b.Bytes(), msg) {
					t.Fatalf("%+v: the encoder makes other lengths:\n%x\n%x", info, msg, b.Bytes())
				}
			}
			for n, name := range c.Dialect.EnumNames(layers.EnumMsgType) {
				if n != 0 && name != "" && !types[uint8(n)] {
					t.Errorf("no message of type %s", name)
				}
			}
			for _, n := range c.Dialect.ExtNumbers() {
				if name := c.Dialect.ExtName(n); !exts[name] {
					t.Errorf("no extension %s outside of the story whatever", name)
				}
			}
		})
	}
}

func decoded(c layers.Codec, msg []byte) (list []gopacket.SerializableLayer) {
	p := gopacket.NewPacket(msg, c, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: true})
	for _, l := range p.Layers() {
		list = append(list, l.(gopacket.SerializableLayer))
	}
	return list
}

// TestLinuxAccepts wants no objection of Linux to the valid requests that follow
// its rules: what they say is what a kernel takes.
func TestLinuxAccepts(t *testing.T) {
	for _, c := range codecs()[2:4] {
		g := gen.New(c, 7, gen.Options{Valid: true, Requests: true})
		for range 20000 {
			msg, info := g.Next(nil)
			if info.Story == "whatever" {
				continue
			}
			if info.FromKernel {
				t.Fatalf("%+v is no request", info)
			}
			if v := check.Predict(c.Dialect, c, msg); v.Errno != 0 {
				t.Fatalf("%v %+v: errno %d, %v", c, info, v.Errno, &v.Problem)
			}
		}
	}
}

// TestRFC wants none of the valid messages that RFC 2367 knows to break its rules:
// only the order of the extensions, which no system looks at.
func TestRFC(t *testing.T) {
	c := layers.Codec{Dialect: layers.RFC2367, Order: layers.LittleEndian}
	g := gen.New(c, 3, gen.Options{Valid: true})
	for range 20000 {
		msg, info := g.Next(nil)
		if info.Story == "whatever" {
			continue
		}
		dir := check.ToKernel
		if info.FromKernel {
			dir = check.FromKernel
		}
		for _, p := range check.Judge(c.Dialect, c, msg, dir) {
			if p.Severity == check.Error && !strings.Contains(p.Code, "order") {
				t.Fatalf("%+v: %v", info, &p)
			}
		}
	}
}
