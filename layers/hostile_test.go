package layers_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers"
)

// hostile is a message of as many extensions as there is room for in so many
// bytes, all unknown and of the least length.
func hostile(c layers.Codec, size int) []byte {
	ext := wire(c.Order, host16(1), host16(0x7777), octets(1, 2, 3, 4))
	n := (size - 16) / len(ext)
	return append(wire(c.Order, header(layers.ADD, 3, n*len(ext))...), bytes.Repeat(ext, n)...)
}

// TestHostileFlat decodes 8000 extensions without allocating.
func TestHostileFlat(t *testing.T) {
	data := hostile(linuxLE, 64<<10)
	m := layers.Message{Base: layers.Base{Codec: linuxLE}}
	decode := func() {
		if err := m.DecodeFromBytes(data, nil); err != nil || len(m.Extensions) != 8190 {
			t.Fatalf("%v, %d extensions", err, len(m.Extensions))
		}
	}
	decode()
	if n := testing.AllocsPerRun(10, decode); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestHostilePacket holds NewPacket to allocations in proportion to the
// extensions, and to a stack that does not grow with them.
func TestHostilePacket(t *testing.T) {
	allocs := func(size int) (count, bytes float64) {
		data := hostile(linuxLE, size)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p := gopacket.NewPacket(data, linuxLE, gopacket.NoCopy)
		runtime.ReadMemStats(&after)
		if want := (len(data)-16)/8 + 1; len(p.Layers()) != want {
			t.Fatalf("%d layers, want %d", len(p.Layers()), want)
		}
		return float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)
	}
	n64, b64 := allocs(64 << 10)
	n512, b512 := allocs(512<<10 - 8)
	if n64 > 8190*1.1+100 || n512 > 65533*1.1+100 {
		t.Errorf("%v and %v allocations, want about one for each of 8190 and 65533 extensions", n64, n512)
	}
	if b512 > 10*b64 {
		t.Errorf("%v bytes for 64 KiB, %v for 512 KiB: more than in proportion", b64, b512)
	}
}

// stackProbe is a packet builder that looks how deep Decode calls it.
type stackProbe struct {
	gopacket.PacketBuilder
	depth, layers int
}

func (s *stackProbe) AddLayer(gopacket.Layer) {
	var pc [64]uintptr
	s.depth = max(s.depth, runtime.Callers(0, pc[:]))
	s.layers++
}

func (s *stackProbe) SetErrorLayer(gopacket.ErrorLayer) {}

func (s *stackProbe) SetTruncated() {}

// TestNoRecursion decodes the longest message there can be, and the longest
// wrapped one, without going deeper for every layer.
func TestNoRecursion(t *testing.T) {
	var small, large stackProbe
	for data, probe := range map[string]*stackProbe{
		string(hostile(linuxLE, 32)):        &small,
		string(hostile(linuxLE, 512<<10-8)): &large,
	} {
		if err := linuxLE.Decode([]byte(data), probe); err != nil {
			t.Fatal(err)
		}
	}
	if small.layers != 3 || large.layers != 65534 || large.depth != small.depth {
		t.Errorf("%d layers at depth %d, %d layers at depth %d", small.layers, small.depth, large.layers, large.depth)
	}
}

// TestLongestExtension has the greatest length that an extension can say, which
// with its header is more than a message can say.
func TestLongestExtension(t *testing.T) {
	bothOrders(t, func(t *testing.T, c layers.Codec) {
		for _, number := range []uint16{0, 1, 17, 99} {
			ext := append(wire(c.Order, host16(0xffff), host16(number)), make([]byte, 0xffff*8-4)...)
			data := append(wire(c.Order, header(layers.ADD, 3, 0)...), ext...)
			p := roundTrip(t, c, data)
			if p.ErrorLayer() != nil || len(p.Layers()) != 2 || p.Layers()[1].LayerType() != layers.Linux.ExtType(number) {
				t.Errorf("extension %d: %d layers, error layer %v", number, len(p.Layers()), p.ErrorLayer())
			}
			agree(t, c, data)
			checkWalk(t, c, data)
		}
	})
}
