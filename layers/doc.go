// Package layers holds PF_KEY version 2 messages (RFC 2367) as gopacket layers:
// bytes in, structs out, and back.
//
// A [Codec] is a dialect (whose numbers and layouts) and a byte order (of the
// machine that made the message). It is a [gopacket.Decoder]:
//
//	codec := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
//	packet := gopacket.NewPacket(data, codec, gopacket.Default)
//	if l := packet.Layer(layers.LayerTypeAddressSrc); l != nil {
//		fmt.Println(l.(*layers.Address).Addr())
//	}
//
// The first layer is a [Base], then comes one layer for each extension, in wire
// order. There is one layer type for each meaning and one Go struct for each
// shape: ADDRESS_SRC and ADDRESS_DST are both *[Address]. The message inside an
// SADB_X_PROMISC wrapper begins with a layer of type LayerTypeInnerMessage.
//
// Decoding is total and lossless. Any bytes give layers, nothing panics, and
// serializing the layers without FixLengths gives the same bytes again: reserved
// fields, padding and wrong lengths are kept, an unknown extension is an
// [Unknown], and what cannot be framed is one last [Malformed] layer, which is
// also the packet's error layer. Judging a message is the work of package
// layers/check.
//
// For speed there is [Message], a flat struct that is decoded into again and
// again without allocating; both ways share one framing loop and one set of
// field decoders. [Codec.Walk] visits every field of a message with its name,
// value and place, for printing and comparing.
//
// Decoded layers alias the bytes they were decoded from. Key octets and other
// secret bytes have the type [Secret], which prints only its length, and gopacket's
// String and LayerDump of a layer do not show them either. Packet.Dump is another
// matter: it begins with all the bytes of the packet.
package layers

//go:generate go run ./internal/genshapes
