// Package kinds holds the messages that all benchmarks decode in turn, so that
// their results can be compared.
package benchtest

import (
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Codec is that of the messages: Linux, little-endian.
var Codec = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}

// Mix returns an ADD of 216 bytes, an ACQUIRE of 232, a REGISTER of 152 and an
// X_SPDDUMP of 224, in this order. Each call makes them anew.
func Mix() [][]byte {
	c := Codec
	v4 := netip.MustParseAddrPort
	src := c.NewAddress(layers.LayerTypeAddressSrc, v4("10.0.0.1:0"), 32, 0)
	dst := c.NewAddress(layers.LayerTypeAddressDst, v4("10.0.0.2:0"), 32, 0)
	hard := &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), AddTime: 3600, Bytes: 1 << 30}
	soft := &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeSoft), AddTime: 3000, Bytes: 1 << 29}
	current := &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), AddTime: 1777629600}
	comb := c.AppendComb(nil, layers.Comb{Auth: 3, Encrypt: 12, AuthMinBits: 160, AuthMaxBits: 160, EncryptMinBits: 128, EncryptMaxBits: 256, HardAddTime: 86400})
	comb = c.AppendComb(comb, layers.Comb{Auth: 5, Encrypt: 12, AuthMinBits: 256, AuthMaxBits: 256, EncryptMinBits: 128, EncryptMaxBits: 256, HardAddTime: 86400})
	var auth, enc []byte
	for i := range uint8(7) {
		auth = c.AppendAlg(auth, layers.Alg{ID: 2 + i, MinBits: 160, MaxBits: 160})
	}
	for i := range uint8(8) {
		enc = c.AppendAlg(enc, layers.Alg{ID: 2 + i, IVLen: 8, MinBits: 128, MaxBits: 256})
	}
	request := c.AppendRequest(nil, layers.Request{Proto: 50, Mode: 2, Level: 3, ReqID: 16385,
		Sockaddrs: c.AppendPair(nil, v4("192.0.2.1:0"), v4("192.0.2.2:0"))})
	return [][]byte{
		encode(&layers.Base{Type: layers.ADD, SAType: 3, Seq: 9, PID: 412},
			&layers.SA{SPI: 0x1234, Replay: 32, State: 1, Auth: 3, Encrypt: 12}, hard, soft, src, dst,
			c.NewKey(layers.LayerTypeKeyAuth, make([]byte, 20)), c.NewKey(layers.LayerTypeKeyEncrypt, make([]byte, 16)),
			&layers.SA2{Mode: 1, ReqID: 7}),
		encode(&layers.Base{Type: layers.ACQUIRE, SAType: 3, Seq: 1}, src, dst,
			&layers.Policy{Type: 2, Dir: 2, ID: 9}, &layers.Proposal{Replay: 32, List: comb}),
		encode(&layers.Base{Type: layers.REGISTER, SAType: 3, Seq: 2, PID: 412},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedAuth), List: auth},
			&layers.Supported{Header: layers.For(layers.LayerTypeSupportedEncrypt), List: enc}),
		encode(&layers.Base{Type: layers.SPDDUMP, Seq: 1, PID: 412}, src, dst, hard, soft, current,
			&layers.Policy{Type: 2, Dir: 2, ID: 9, List: request}),
	}
}

func encode(base *layers.Base, exts ...layers.Extension) []byte {
	data, err := Codec.Encode(base, exts...)
	if err != nil {
		panic(err) // of constants
	}
	return data
}
