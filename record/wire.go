package record

import (
	"encoding/binary"
	"math/bits"
)

// Integers in the byte order of a section or file. A bool is cheaper than the
// interface values of encoding/binary, whose calls cannot be inlined.

func get16(b []byte, big bool) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func get32(b []byte, big bool) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func get64(b []byte, big bool) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

func append16(b []byte, big bool, v uint16) []byte {
	if big {
		v = bits.ReverseBytes16(v)
	}
	return binary.LittleEndian.AppendUint16(b, v)
}

func append32(b []byte, big bool, v uint32) []byte {
	if big {
		v = bits.ReverseBytes32(v)
	}
	return binary.LittleEndian.AppendUint32(b, v)
}

func append64(b []byte, big bool, v uint64) []byte {
	if big {
		v = bits.ReverseBytes64(v)
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

// put32 overwrites four bytes.
func put32(b []byte, big bool, v uint32) {
	if big {
		v = bits.ReverseBytes32(v)
	}
	binary.LittleEndian.PutUint32(b, v)
}

func put64(b []byte, big bool, v uint64) {
	if big {
		v = bits.ReverseBytes64(v)
	}
	binary.LittleEndian.PutUint64(b, v)
}

// optionHead is the code and length of an option of pcapng as one number for get32
// and put32.
func optionHead(code, n uint32, big bool) uint32 {
	if big {
		return code<<16 | n
	}
	return n<<16 | code
}
