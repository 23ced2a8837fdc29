package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Format is a file format of captures.
type Format uint8

// The formats. Both byte orders of each can be read and written.
const (
	PcapNG    Format = iota // pcapng, which holds everything
	PcapNano                // classic pcap with nanoseconds
	PcapMicro               // classic pcap with microseconds
)

// String names the format.
func (f Format) String() string {
	switch f {
	case PcapNG:
		return "pcapng"
	case PcapNano:
		return "pcap (nanoseconds)"
	case PcapMicro:
		return "pcap (microseconds)"
	}
	return "unknown format"
}

// Losses says what a capture in this format cannot hold, for a notice to the
// user; it is empty for pcapng.
func (f Format) Losses() string {
	switch f {
	case PcapNano:
		return "classic pcap holds no directions, drop counts, record numbers, comments, process names, errors of write(2), dialect or namespace, and does not say where its keys are"
	case PcapMicro:
		return PcapNano.Losses() + "; its times end at microseconds"
	}
	return ""
}

// Sizes that hold for both formats.
const (
	// DefaultSnapLen is the most bytes of a message a capture holds. Wireshark and
	// libpcap refuse whole files that have a longer packet (MAXIMUM_SNAPLEN).
	DefaultSnapLen = 262144

	// maxBlock is the longest block or packet that is read, libpcap's limit too.
	maxBlock = 16 << 20
)

// Magic numbers of pcap files (draft-ietf-opsawg-pcap section 4).
const (
	magicMicro = 0xa1b2c3d4
	magicNano  = 0xa1b23c4d
)

// detect tells the format and byte order of a file from its first bytes, at
// least 4. For pcapng the order is that of the first section, found later.
func detect(b []byte) (f Format, big, ok bool) {
	if bytes.Equal(b[:4], []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		return PcapNG, false, true
	}
	for _, big := range [2]bool{false, true} {
		switch get32(b, big) {
		case magicMicro:
			return PcapMicro, big, true
		case magicNano:
			return PcapNano, big, true
		}
	}
	return 0, false, false
}

// maybeTorn reports whether fewer than 4 bytes are the beginning of a capture.
func maybeTorn(b []byte) bool {
	magics := [][]byte{
		{0x0a, 0x0d, 0x0d, 0x0a},
		binary.BigEndian.AppendUint32(nil, magicMicro), binary.LittleEndian.AppendUint32(nil, magicMicro),
		binary.BigEndian.AppendUint32(nil, magicNano), binary.LittleEndian.AppendUint32(nil, magicNano),
	}
	for _, m := range magics {
		if bytes.HasPrefix(m, b) {
			return true
		}
	}
	return false
}

// otherFiles are the beginnings of files that people mistake for captures.
var otherFiles = []struct{ magic, what string }{
	{"\x1f\x8b", "it is gzip-compressed: decompress it first (gzip -dc FILE)"},
	{"\x28\xb5\x2f\xfd", "it is zstd-compressed: decompress it first (zstd -dc FILE)"},
	{"\xfd7zXZ\x00", "it is xz-compressed: decompress it first (xz -dc FILE)"},
	{"BZh", "it is bzip2-compressed: decompress it first (bzip2 -dc FILE)"},
	{"\x04\x22\x4d\x18", "it is lz4-compressed: decompress it first (lz4 -dc FILE)"},
	{"snoop\x00", "it is a snoop capture"},
	{"PK\x03\x04", "it is a zip archive"},
	{"\x7fELF", "it is a program"},
	{keysMagic + " ", "it is a side file with keys: name the capture it lies beside"},
}

// whatIs says what a file that is no capture begins with. Text is not quoted: it
// may hold a key.
func whatIs(b []byte) string {
	for _, o := range otherFiles {
		if bytes.HasPrefix(b, []byte(o.magic)) {
			return o.what
		}
	}
	text := bytes.TrimLeft(b, " \t\r\n")
	switch {
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		return "it is JSON"
	case len(text) >= 8 && isHexText(text):
		return "it is text in hex"
	case isText(b):
		return "it is text"
	}
	return fmt.Sprintf("it begins with % x", b[:min(4, len(b))])
}

func isHexText(b []byte) bool {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F', c == ' ', c == '\t', c == '\n', c == '\r':
		default:
			return false
		}
	}
	return true
}

func isText(b []byte) bool {
	for len(b) > 0 && utf8.FullRune(b) { // the end may have cut a letter
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
		b = b[n:]
	}
	return true
}
