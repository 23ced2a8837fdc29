package check_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

// message is a message being built. The extensions are made anew for every codec,
// because they keep the one they were encoded with.
type message struct {
	base layers.Base
	exts []func(layers.Codec) layers.Extension
}

func newMessage(msgType, satype uint8) *message {
	return &message{base: layers.Base{Type: msgType, SAType: satype, Seq: 7, PID: 1234}}
}

type extFunc = func(layers.Codec) layers.Extension

func (m *message) add(exts ...extFunc) *message {
	m.exts = append(m.exts, exts...)
	return m
}

// bytes encodes the message with correct lengths.
func (m *message) bytes(t testing.TB, c layers.Codec) []byte {
	t.Helper()
	base := m.base
	var exts []layers.Extension
	for _, f := range m.exts {
		exts = append(exts, f(c))
	}
	b, err := c.Encode(&base, exts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sa(spi uint32, auth, encrypt uint8) extFunc {
	return saWith(layers.SA{SPI: spi, Replay: 32, State: 1, Auth: auth, Encrypt: encrypt})
}

func saWith(x layers.SA) extFunc {
	return func(layers.Codec) layers.Extension { y := x; return &y }
}

func addr(t gopacket.LayerType, s string, port uint16, prefixLen, proto uint8) extFunc {
	return func(c layers.Codec) layers.Extension {
		return c.NewAddress(t, netip.AddrPortFrom(netip.MustParseAddr(s), port), prefixLen, proto)
	}
}

func src4() extFunc { return addr(layers.LayerTypeAddressSrc, "192.0.2.1", 0, 32, 0) }
func dst4() extFunc { return addr(layers.LayerTypeAddressDst, "198.51.100.2", 0, 32, 0) }
func dst6() extFunc { return addr(layers.LayerTypeAddressDst, "2001:db8::2", 0, 128, 0) }

func key(t gopacket.LayerType, bits int) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.Key{Header: layers.For(t), Bits: uint16(bits), Octets: make([]byte, (bits+7)/8)}
	}
}

func lifetime(t gopacket.LayerType, seconds uint64) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.Lifetime{Header: layers.For(t), AddTime: seconds}
	}
}

// raw is an extension with any number and any octets after its header.
func raw(number uint16, data ...byte) extFunc {
	return func(layers.Codec) layers.Extension { return &layers.Unknown{Type: number, Data: data} }
}

func policy(p layers.Policy, requests ...layers.Request) extFunc {
	return func(c layers.Codec) layers.Extension {
		x := p
		for _, r := range requests {
			x.List = c.AppendRequest(x.List, r)
		}
		return &x
	}
}

// tunnel is a request with two endpoints.
func tunnel(c layers.Codec, src, dst string) layers.Request {
	return layers.Request{Proto: 50, Mode: 2, Level: 2, Sockaddrs: pairOf(c, src, dst)}
}

func pairOf(c layers.Codec, src, dst string) []byte {
	return c.AppendPair(nil, netip.AddrPortFrom(netip.MustParseAddr(src), 0), netip.AddrPortFrom(netip.MustParseAddr(dst), 0))
}

func byteOrder(c layers.Codec) binary.ByteOrder {
	if c.Order == layers.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
