package layers_test

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
)

// The benchmarks decode the messages of package benchtest in turn. Only ratios
// between benchmarks of one run mean anything; the plain parsers, of which one is in
// C, and gopacket's own TCP path (tcp_bench_test.go) are what to compare with.

// plainMessage and its decode are what one would write by hand for the
// extensions of the benchmark, to copy the same fields in the same way.
type plainMessage struct {
	version, typ, errno, satype uint8
	len, reserved               uint16
	seq, pid                    uint32

	present uint32
	exts    []plainExt

	sa struct {
		spi                          uint32
		replay, state, auth, encrypt uint8
		flags                        uint32
		tail                         []byte
	}
	life [3]struct {
		allocations             uint32
		bytes, addtime, usetime uint64
		tail                    []byte
	}
	addr [3]struct {
		proto, prefixlen uint8
		reserved         uint16
		sockaddr         []byte
	}
	key [2]struct {
		bits, reserved uint16
		octets         []byte
	}
	supported [2]struct {
		reserved uint32
		list     []byte
	}
	prop struct {
		replay   uint8
		reserved [3]byte
		list     []byte
	}
	policy struct {
		typ           uint16
		dir, reserved uint8
		id, priority  uint32
		list          []byte
	}
	sa2 struct {
		mode, reserved1 uint8
		reserved2       uint16
		sequence, reqid uint32
		tail            []byte
	}
}

type plainExt struct {
	bytes []byte
	off   uint32
	typ   uint16
}

func (m *plainMessage) u16(b []byte, big bool) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if big {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (m *plainMessage) u32(b []byte, big bool) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if big {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (m *plainMessage) u64(b []byte, big bool) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if big {
		v = bits.ReverseBytes64(v)
	}
	return v
}

func (m *plainMessage) decode(b []byte, big bool) bool {
	if len(b) < 16 {
		return false
	}
	m.version, m.typ, m.errno, m.satype = b[0], b[1], b[2], b[3]
	m.len, m.reserved = m.u16(b[4:], big), m.u16(b[6:], big)
	m.seq, m.pid = m.u32(b[8:], big), m.u32(b[12:], big)
	m.present, m.exts = 0, m.exts[:0]
	for off := 16; off < len(b); {
		rest := b[off:]
		if len(rest) < 4 {
			return false
		}
		n := int(m.u16(rest, big)) * 8
		if n == 0 || n > len(rest) {
			return false
		}
		e, typ := rest[:n:n], m.u16(rest[2:], big)
		m.exts = append(m.exts, plainExt{e, uint32(off), typ})
		off += n
		if typ >= 32 {
			continue
		}
		if m.present&(1<<typ) != 0 {
			continue
		}
		m.present |= 1 << typ
		switch typ {
		case 1:
			if n < 16 {
				return false
			}
			x := &m.sa
			x.spi = bits.ReverseBytes32(binary.LittleEndian.Uint32(e[4:]))
			x.replay, x.state, x.auth, x.encrypt = e[8], e[9], e[10], e[11]
			x.flags, x.tail = m.u32(e[12:], big), e[16:]
		case 2, 3, 4:
			if n < 32 {
				return false
			}
			x := &m.life[typ-2]
			x.allocations = m.u32(e[4:], big)
			x.bytes, x.addtime, x.usetime = m.u64(e[8:], big), m.u64(e[16:], big), m.u64(e[24:], big)
			x.tail = e[32:]
		case 5, 6, 7:
			x := &m.addr[typ-5]
			x.proto, x.prefixlen, x.reserved, x.sockaddr = e[4], e[5], m.u16(e[6:], big), e[8:]
		case 8, 9:
			x := &m.key[typ-8]
			x.bits, x.reserved, x.octets = m.u16(e[4:], big), m.u16(e[6:], big), e[8:]
			if int(x.bits+7)/8 > len(x.octets) {
				return false
			}
		case 13:
			m.prop.replay, m.prop.reserved, m.prop.list = e[4], [3]byte(e[5:8]), e[8:]
		case 14, 15:
			x := &m.supported[typ-14]
			x.reserved, x.list = m.u32(e[4:], big), e[8:]
		case 18:
			if n < 16 {
				return false
			}
			x := &m.policy
			x.typ, x.dir, x.reserved = m.u16(e[4:], big), e[6], e[7]
			x.id, x.priority, x.list = m.u32(e[8:], big), m.u32(e[12:], big), e[16:]
		case 19:
			if n < 16 {
				return false
			}
			x := &m.sa2
			x.mode, x.reserved1, x.reserved2 = e[4], e[5], m.u16(e[6:], big)
			x.sequence, x.reqid, x.tail = m.u32(e[8:], big), m.u32(e[12:], big), e[16:]
		}
	}
	return true
}

func BenchmarkDecode(b *testing.B) {
	mix := benchtest.Mix()
	run := func(name string, f func(data []byte)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, data := range mix {
					f(data)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(mix)), "ns/msg")
		})
	}
	b.Run("C", func(b *testing.B) {
		program := benchtest.Compile(b, "testdata/bench/decode.c")
		out, err := exec.Command(program, "5", "200000", benchtest.MessageFile(b, mix)).Output()
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(ns, "ns/msg")
	})
	var plain plainMessage
	run("Plain", func(data []byte) {
		if !plain.decode(data, false) {
			b.Fatal("plain parser refused a message")
		}
	})
	flat := layers.Message{Base: layers.Base{Codec: linuxLE}}
	run("Flat", func(data []byte) {
		if err := flat.DecodeFromBytes(data, nil); err != nil {
			b.Fatal(err)
		}
	})
	var decoded []gopacket.LayerType
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeMessage)
	parser.SetDecodingLayerContainer(gopacket.DecodingLayerSparse(nil))
	parser.AddDecodingLayer(&flat)
	run("ParserSparse", func(data []byte) {
		if err := parser.DecodeLayers(data, &decoded); err != nil {
			b.Fatal(err)
		}
	})
	run("Extensions", func(data []byte) {
		if _, _, rest := linuxLE.Extensions(data); rest != nil {
			b.Fatal(rest)
		}
	})
	noCopy := gopacket.DecodeOptions{NoCopy: true}
	run("NewPacket", func(data []byte) {
		if p := gopacket.NewPacket(data, linuxLE, noCopy); p.ErrorLayer() != nil {
			b.Fatal(p.ErrorLayer())
		}
	})
	var spans []layers.Span
	run("Secrets", func(data []byte) { spans = linuxLE.AppendSecrets(spans[:0], data) })
}

// BenchmarkHostile decodes 64 KiB of the shortest unknown extensions.
func BenchmarkHostile(b *testing.B) {
	data := hostile(linuxLE, 64<<10)
	b.Run("Flat", func(b *testing.B) {
		m := layers.Message{Base: layers.Base{Codec: linuxLE}}
		b.ReportAllocs()
		for b.Loop() {
			if err := m.DecodeFromBytes(data, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("NewPacket", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			gopacket.NewPacket(data, linuxLE, gopacket.NoCopy)
		}
	})
}

// plainADD appends the bytes of the benchmark's ADD as one would by hand.
func plainADD(b []byte) []byte {
	le := binary.LittleEndian
	ext := func(words, number uint16) {
		b = le.AppendUint16(b, words)
		b = le.AppendUint16(b, number)
	}
	b = append(b, 2, 3, 0, 3)
	b = le.AppendUint16(b, 27)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, 9)
	b = le.AppendUint32(b, 412)
	ext(2, 1)
	b = binary.BigEndian.AppendUint32(b, 0x1234)
	b = append(b, 32, 1, 3, 12)
	b = le.AppendUint32(b, 0)
	lifetime := func(number uint16, bytes, addtime uint64) {
		ext(4, number)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, bytes)
		b = le.AppendUint64(b, addtime)
		b = le.AppendUint64(b, 0)
	}
	lifetime(3, 1<<30, 3600)
	lifetime(4, 1<<29, 3000)
	address := func(number uint16, last byte) {
		ext(3, number)
		b = append(b, 0, 32, 0, 0)
		b = le.AppendUint16(b, 2)
		b = append(b, 0, 0, 10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	address(5, 1)
	address(6, 2)
	var key [24]byte
	ext(4, 8)
	b = le.AppendUint16(b, 160)
	b = append(b, 0, 0)
	b = append(b, key[:24]...)
	ext(3, 9)
	b = le.AppendUint16(b, 128)
	b = append(b, 0, 0)
	b = append(b, key[:16]...)
	ext(2, 19)
	b = append(b, 1, 0, 0, 0)
	b = le.AppendUint32(b, 0)
	return le.AppendUint32(b, 7)
}

// append is the inverse of decode for the extensions of the benchmark's ADD: what one
// would write by hand to make a message from fields, where plainADD has constants.
func (m *plainMessage) append(b []byte, big bool) []byte {
	start := len(b)
	b = append(b, m.version, m.typ, m.errno, m.satype)
	b = m.append16(b, 0, big)
	b = m.append16(b, m.reserved, big)
	b = m.append32(b, m.seq, big)
	b = m.append32(b, m.pid, big)
	for i := range m.exts {
		switch typ := m.exts[i].typ; typ {
		case 1:
			x := &m.sa
			b = m.appendHead(b, 16+len(x.tail), typ, big)
			b = binary.BigEndian.AppendUint32(b, x.spi)
			b = append(b, x.replay, x.state, x.auth, x.encrypt)
			b = m.append32(b, x.flags, big)
			b = append(b, x.tail...)
		case 2, 3, 4:
			x := &m.life[typ-2]
			b = m.appendHead(b, 32+len(x.tail), typ, big)
			b = m.append32(b, x.allocations, big)
			b = m.append64(b, x.bytes, big)
			b = m.append64(b, x.addtime, big)
			b = m.append64(b, x.usetime, big)
			b = append(b, x.tail...)
		case 5, 6, 7:
			x := &m.addr[typ-5]
			b = m.appendHead(b, 8+len(x.sockaddr), typ, big)
			b = append(b, x.proto, x.prefixlen)
			b = m.append16(b, x.reserved, big)
			b = append(b, x.sockaddr...)
		case 8, 9:
			x := &m.key[typ-8]
			b = m.appendHead(b, 8+len(x.octets), typ, big)
			b = m.append16(b, x.bits, big)
			b = m.append16(b, x.reserved, big)
			b = append(b, x.octets...)
		case 19:
			x := &m.sa2
			b = m.appendHead(b, 16+len(x.tail), typ, big)
			b = append(b, x.mode, x.reserved1)
			b = m.append16(b, x.reserved2, big)
			b = m.append32(b, x.sequence, big)
			b = m.append32(b, x.reqid, big)
			b = append(b, x.tail...)
		}
		for len(b)&7 != 0 {
			b = append(b, 0)
		}
	}
	m.append16(b[:start+4], uint16((len(b)-start)/8), big)
	return b
}

func (m *plainMessage) appendHead(b []byte, n int, typ uint16, big bool) []byte {
	return m.append16(m.append16(b, uint16((n+7)/8), big), typ, big)
}

func (m *plainMessage) append16(b []byte, v uint16, big bool) []byte {
	if big {
		v = bits.ReverseBytes16(v)
	}
	return binary.LittleEndian.AppendUint16(b, v)
}

func (m *plainMessage) append32(b []byte, v uint32, big bool) []byte {
	if big {
		v = bits.ReverseBytes32(v)
	}
	return binary.LittleEndian.AppendUint32(b, v)
}

func (m *plainMessage) append64(b []byte, v uint64, big bool) []byte {
	if big {
		v = bits.ReverseBytes64(v)
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

func TestPlainADD(t *testing.T) {
	want := benchtest.Mix()[0]
	if got := plainADD(nil); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	var m plainMessage
	if ok := m.decode(want, false); !ok || !bytes.Equal(m.append(nil, false), want) {
		t.Errorf("decoded %v, appended %x, want %x", ok, m.append(nil, false), want)
	}
}

// BenchmarkSerialize writes the ADD: Append and Reused from the structs of this
// package, Plain from those of plainMessage, Constants from nothing.
func BenchmarkSerialize(b *testing.B) {
	_, ls := packetLayers(b, linuxLE, benchtest.Mix()[0])
	fix := gopacket.SerializeOptions{FixLengths: true}
	b.Run("Constants", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = plainADD(buf[:0])
		}
	})
	b.Run("Plain", func(b *testing.B) {
		b.ReportAllocs()
		var m plainMessage
		if !m.decode(benchtest.Mix()[0], false) {
			b.Fatal("plain parser refused the message")
		}
		var buf []byte
		for b.Loop() {
			buf = m.append(buf[:0], false)
		}
	})
	base, exts, _ := linuxLE.Extensions(benchtest.Mix()[0])
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			var err error
			if buf, err = linuxLE.Append(buf[:0], base, exts...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Reused", func(b *testing.B) {
		b.ReportAllocs()
		buf := gopacket.NewSerializeBuffer()
		for b.Loop() {
			if err := linuxLE.Serialize(buf, fix, ls...); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("New", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := linuxLE.Serialize(gopacket.NewSerializeBufferExpectedSize(512, 0), fix, ls...); err != nil {
				b.Fatal(err)
			}
		}
	})
}
