package layers_test

import (
	"net"
	"testing"

	"github.com/google/gopacket"
	tcpip "github.com/google/gopacket/layers"
)

// BenchmarkTCP is gopacket's own decoding and serialising of Ethernet, IPv4 and TCP with as many
// bytes as the mean of the PF_KEY messages, to compare BenchmarkDecode and
// BenchmarkSerialize with.
func BenchmarkTCP(b *testing.B) {
	ip := &tcpip.IPv4{Version: 4, TTL: 64, Protocol: tcpip.IPProtocolTCP, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	tcp := &tcpip.TCP{SrcPort: 500, DstPort: 4500, Seq: 1, Ack: 2, ACK: true, Window: 512, Options: []tcpip.TCPOption{
		{OptionType: tcpip.TCPOptionKindNop, OptionLength: 1},
		{OptionType: tcpip.TCPOptionKindNop, OptionLength: 1},
		{OptionType: tcpip.TCPOptionKindTimestamps, OptionLength: 10, OptionData: make([]byte, 8)},
	}}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		b.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&tcpip.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: tcpip.EthernetTypeIPv4},
		ip, tcp, gopacket.Payload(make([]byte, 140)))
	if err != nil {
		b.Fatal(err)
	}
	data := buf.Bytes()

	b.Run("Serialize", func(b *testing.B) {
		fix := gopacket.SerializeOptions{FixLengths: true}
		eth := &tcpip.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: tcpip.EthernetTypeIPv4}
		payload := gopacket.Payload(make([]byte, 140))
		buf := gopacket.NewSerializeBuffer()
		b.ReportAllocs()
		for b.Loop() {
			if err := gopacket.SerializeLayers(buf, fix, eth, ip, tcp, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("NewPacket", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p := gopacket.NewPacket(data, tcpip.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true}); p.ErrorLayer() != nil {
				b.Fatal(p.ErrorLayer())
			}
		}
	})
	b.Run("ParserSparse", func(b *testing.B) {
		var eth tcpip.Ethernet
		var ip tcpip.IPv4
		var tcp tcpip.TCP
		var payload gopacket.Payload
		var decoded []gopacket.LayerType
		parser := gopacket.NewDecodingLayerParser(tcpip.LayerTypeEthernet)
		parser.SetDecodingLayerContainer(gopacket.DecodingLayerSparse(nil))
		for _, l := range []gopacket.DecodingLayer{&eth, &ip, &tcp, &payload} {
			parser.AddDecodingLayer(l)
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := parser.DecodeLayers(data, &decoded); err != nil {
				b.Fatal(err)
			}
		}
	})
}
