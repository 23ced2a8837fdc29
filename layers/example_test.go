package layers_test

import (
	"encoding/hex"
	"fmt"
	"log"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

// acquire is what a Linux kernel sent when a packet needed an SA: 10.9.0.1 to
// 10.9.0.2, ESP.
var acquire, _ = hex.DecodeString("020600030b0000000100000000000000" +
	"0300050000200000020000000a0900010000000000000000" +
	"0300060000200000020000000a0900020000000000000000" +
	"02001200020002000100000000000000" + "01000d0020000000")

func Example() {
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	packet := gopacket.NewPacket(acquire, codec, gopacket.Default)
	for _, l := range packet.Layers() {
		fmt.Println(l)
	}
	if dst, ok := packet.Layer(layers.LayerTypeAddressDst).(*layers.Address); ok {
		fmt.Println("an SA is wanted to", dst.Addr())
	}
	// Output:
	// ACQUIRE version=2 satype=ESP errno=0 len=11 reserved=0 seq=1 pid=0
	// ADDRESS_SRC proto=0 prefixlen=32 family=2(inet) addr=10.9.0.1 port=0
	// ADDRESS_DST proto=0 prefixlen=32 family=2(inet) addr=10.9.0.2 port=0
	// POLICY type=2(IPSEC) dir=2(OUTBOUND) id=1 priority=0 requests[]
	// PROPOSAL replay=32 combs[]
	// an SA is wanted to 10.9.0.2
}

// A Message is decoded into again and again, without allocating.
func ExampleMessage() {
	m := layers.Message{Base: layers.Base{Codec: layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}}}
	for range 3 { // as a reader of many messages would
		if err := m.DecodeFromBytes(acquire, nil); err != nil {
			log.Print(err) // what could be decoded is in m
		}
		if p := m.Policy(); m.Type == layers.ACQUIRE && p != nil {
			fmt.Println(m.TypeName(), "for policy", p.ID)
		}
	}
	// Output:
	// ACQUIRE for policy 1
	// ACQUIRE for policy 1
	// ACQUIRE for policy 1
}

func ExampleCodec_Encode() {
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
	msg, err := codec.Encode(
		&layers.Base{Type: layers.GET, SAType: layers.SATypeESP, Seq: 1, PID: 412},
		&layers.SA{SPI: 0x1234},
		codec.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("10.0.0.1:0"), 32, 0),
		codec.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("10.0.0.2:0"), 32, 0),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(hex.Dump(msg))
	// Output:
	// 00000000  02 05 00 03 00 0a 00 00  00 00 00 01 00 00 01 9c  |................|
	// 00000010  00 02 00 01 00 00 12 34  00 00 00 00 00 00 00 00  |.......4........|
	// 00000020  00 03 00 05 00 20 00 00  00 02 00 00 0a 00 00 01  |..... ..........|
	// 00000030  00 00 00 00 00 00 00 00  00 03 00 06 00 20 00 00  |............. ..|
	// 00000040  00 02 00 00 0a 00 00 02  00 00 00 00 00 00 00 00  |................|
}

// Changing a decoded message and writing it again.
func ExampleCodec_Serialize() {
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	base, exts, _ := codec.Extensions(acquire)
	base.Seq = 99
	out, err := codec.Encode(base, exts[:2]...) // without the policy and the proposal
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(codec.Extensions(out))
	// Output:
	// ACQUIRE version=2 satype=ESP errno=0 len=8 reserved=0 seq=99 pid=0 [ADDRESS_SRC proto=0 prefixlen=32 family=2(inet) addr=10.9.0.1 port=0 ADDRESS_DST proto=0 prefixlen=32 family=2(inet) addr=10.9.0.2 port=0] <nil>
}

// keys is a Visitor that says where the keys of a message are.
type keys struct{ name string }

func (*keys) Base(*layers.Base, int, int) {}
func (k *keys) Extension(_ *layers.Header, _ uint16, name string, _ int, _ bool) {
	k.name = name
}
func (k *keys) Field(f *layers.Field, v *layers.Value) {
	if v.Key > 0 {
		fmt.Printf("%s.%s: %d octets at %d: %v\n", k.name, f.Name, v.Key, v.Offset, layers.Secret(v.Bytes))
	}
}
func (*keys) Open(layers.NodeKind, string)         {}
func (*keys) Close(layers.NodeKind)                {}
func (*keys) EndExtension()                        {}
func (*keys) Malformed([]byte, int, layers.Reason) {}
func (*keys) End()                                 {}

func ExampleCodec_Walk() {
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	msg, err := codec.Encode(&layers.Base{Type: layers.ADD}, codec.NewKey(layers.LayerTypeKeyAuth, make([]byte, 20)))
	if err != nil {
		log.Fatal(err)
	}
	codec.Walk(msg, new(keys))
	fmt.Println(codec.AppendSecrets(nil, msg))
	// Output:
	// KEY_AUTH.key: 20 octets at 24: ··(20 bytes)
	// [{24 20 20}]
}
