package record_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// block makes a pcapng block with a right length.
func block(order binary.AppendByteOrder, typ uint32, body ...byte) []byte {
	n := uint32(len(body) + 12)
	b := order.AppendUint32(nil, typ)
	b = order.AppendUint32(b, n)
	b = append(b, body...)
	return order.AppendUint32(b, n)
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Parts of hand-made captures, little-endian.
var (
	lo  = binary.LittleEndian
	shb = block(lo, 0x0a0d0d0a, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	idb = block(lo, 1, 147, 0, 0, 0, 0, 0, 4, 0)
	msg = []byte{2, 9, 0, 3, 2, 0, 0, 0, 1, 0, 0, 0, 0x9c, 1, 0, 0} // FLUSH
)

// option makes an option with its padding.
func option(code, n int, value ...byte) []byte {
	b := lo.AppendUint16(nil, uint16(code))
	b = lo.AppendUint16(b, uint16(n))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// epb makes an enhanced packet block that claims captured bytes.
func epb(iface, captured, original uint32, data []byte, options ...[]byte) []byte {
	b := lo.AppendUint32(nil, iface)
	b = append(b, 0, 0, 0, 0, 5, 0, 0, 0) // 5 µs
	b = lo.AppendUint32(b, captured)
	b = lo.AppendUint32(b, original)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return block(lo, 6, append(b, cat(options...)...)...)
}

func packet() []byte { return epb(0, 16, 16, msg) }

// TestCutEverywhere: a capture cut at any byte gives its whole records and then
// one error that names the place, or a clean end between two blocks.
func TestCutEverywhere(t *testing.T) {
	custom := func(b []byte) []byte { return cat(b, block(lo, 0xbad, 1, 2, 3, 4, 5, 6, 7, 8)) }
	pcapBounds := func(b []byte) (starts []int) {
		for at := 24; at < len(b); {
			starts = append(starts, at)
			at += 16 + int(lo.Uint32(b[at+8:]))
		}
		return append(starts, len(b))
	}
	ngBounds := func(b []byte) (starts []int) {
		for at := 0; at < len(b); {
			starts = append(starts, at)
			at += int(lo.Uint32(b[at+4:]))
		}
		return append(starts, len(b))
	}
	rs := conversation(t, le, 7)
	rs[1].Comments = []string{"a comment", "another one"}
	rs[2].Process = "iked"
	rs[3].Data = rs[3].Data[:len(rs[3].Data)-3]
	rs[3].OrigLen -= 3
	meta := record.Meta{Dialect: layers.Linux, Order: layers.LittleEndian}
	tests := []struct {
		name   string
		b      []byte
		bounds func([]byte) []int
		packet func(b []byte) bool // whether what begins here is a packet
	}{
		{"pcapng", custom(write(t, record.WriterOptions{OS: "Linux 6.1", Meta: meta}, rs...)), ngBounds,
			func(b []byte) bool { return lo.Uint32(b) == 6 }},
		{"pcap", write(t, record.WriterOptions{Format: record.PcapNano, Meta: meta}, rs...), pcapBounds,
			func([]byte) bool { return true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bounds := tt.bounds(tt.b)
			for cut := range len(tt.b) + 1 {
				want, clean, start := 0, false, 0
				for i, at := range bounds {
					if at > cut {
						break
					}
					start, clean = at, at == cut && cut > 0
					if at < len(tt.b) && bounds[i+1] <= cut && tt.packet(tt.b[at:]) {
						want++
					}
				}
				for _, oneByte := range []bool{false, true} {
					var in io.Reader = bytes.NewReader(tt.b[:cut])
					if oneByte {
						if cut%7 != 0 {
							continue
						}
						in = iotest.OneByteReader(in)
					}
					var got []*record.Record
					r, err := record.NewReader(in, record.ReaderOptions{})
					if err == nil {
						got, err = all(r)
						if _, again := r.Next(); again != err {
							t.Fatalf("cut at %d: %v, and then %v", cut, err, again)
						}
					}
					if len(got) != want {
						t.Fatalf("cut at %d: %d records, want %d", cut, len(got), want)
					}
					for i, g := range got {
						if g.OrigLen != len(rs[i].Data) || len(g.Data) != len(rs[i].Data) {
							t.Fatalf("cut at %d: record %d has another length", cut, i+1)
						}
					}
					if clean {
						if err != io.EOF {
							t.Fatalf("cut at %d, between blocks: %v", cut, err)
						}
						continue
					}
					d := damaged(t, err)
					if !d.Torn || d.Offset != int64(start) || d.Record != uint64(want+1) {
						t.Fatalf("cut at %d: %v (torn %v), want a tear at %d, record %d", cut, d, d.Torn, start, want+1)
					}
				}
			}
		})
	}
}

func TestDamage(t *testing.T) {
	good := cat(shb, idb, packet())
	at := int64(len(good))
	patch := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	tests := []struct {
		name    string
		b       []byte
		records int
		offset  int64
		torn    bool
		reason  string
	}{
		{"block length 4 GiB", cat(good, patch(packet(), 4, 0xfc, 0xff, 0xff, 0xff)), 1, at, false, "4294967292"},
		{"block length 16 MiB and a bit", cat(good, patch(packet(), 4, 4, 0, 0, 1)), 1, at, false, "16777220"},
		{"block length 16 MiB, not there", cat(good, patch(packet(), 4, 0, 0, 0, 1)), 1, at, true, "16777216"},
		{"block length odd", cat(good, patch(packet(), 4, 0x31)), 1, at, false, "multiple of 4"},
		{"block length 8", cat(good, patch(packet(), 4, 8)), 1, at, false, "at least 32"},
		{"unknown block of length 8", cat(good, patch(block(lo, 77), 4, 8)), 1, at, false, "at least 12"},
		{"zeros", cat(good, make([]byte, 100)), 1, at, false, "zeros"},
		{"trailer differs", cat(good, patch(packet(), len(packet())-4, 99), good), 1, at, false, "at its end"},
		{"trailer of unknown block differs", cat(good, patch(block(lo, 77, 1, 2, 3, 4), 12, 99), good), 1, at, false, "at its end"},
		{"unknown block torn", cat(good, block(lo, 77, 1, 2, 3, 4)[:10]), 1, at, true, "inside a block of 16"},
		{"unknown block torn in its trailer", cat(good, block(lo, 77, 1, 2, 3, 4)[:14]), 1, at, true, "inside a block of 16"},
		{"captured beyond block", cat(good, epb(0, 17, 17, msg)), 1, at, false, "captured"},
		{"captured 4 GiB", cat(good, epb(0, 0xffffffff, 0xffffffff, msg)), 1, at, false, "captured"},
		{"captured 4 GiB less 16", cat(good, epb(0, 0xfffffff0, 0xfffffff0, msg)), 1, at, false, "captured"},
		{"unknown interface", cat(good, epb(1, 16, 16, msg)), 1, at, false, "interface 1"},
		{"option past its block", cat(good, epb(0, 16, 16, msg, option(1, 5, 'a', 'b', 'c', 'd'))), 1, at, false, "option 1 of 5"},
		{"option of 64 KiB", cat(good, epb(0, 16, 16, msg, option(1, 0xffff, 'a', 'b', 'c', 'd'))), 1, at, false, "option 1 of 65535"},
		{"epb_flags of 2 bytes", cat(good, epb(0, 16, 16, msg, option(2, 2, 1, 0))), 1, at, false, "epb_flags"},
		{"epb_flags of 8 bytes", cat(good, epb(0, 16, 16, msg, option(2, 8, 1, 0, 0, 0, 0, 0, 0, 0))), 1, at, false, "epb_flags"},
		{"epb_dropcount of 4 bytes", cat(good, epb(0, 16, 16, msg, option(4, 4, 1, 0, 0, 0))), 1, at, false, "epb_dropcount"},
		{"epb_packetid of 0 bytes", cat(good, epb(0, 16, 16, msg, option(5, 0))), 1, at, false, "epb_packetid"},
		{"if_tsresol 0xC0", cat(good, block(lo, 1, cat(idb[8:16], option(9, 1, 0xc0))...)), 1, at, false, "if_tsresol 0xc0"},
		{"if_tsresol 64", cat(good, block(lo, 1, cat(idb[8:16], option(9, 1, 64))...)), 1, at, false, "if_tsresol 0x40"},
		{"if_tsresol 20", cat(good, block(lo, 1, cat(idb[8:16], option(9, 1, 20))...)), 1, at, false, "if_tsresol 0x14"},
		{"if_tsresol empty", cat(good, block(lo, 1, cat(idb[8:16], option(9, 0))...)), 1, at, false, "if_tsresol has 0"},
		{"if_tsoffset of 4 bytes", cat(good, block(lo, 1, cat(idb[8:16], option(14, 4, 1, 2, 3, 4))...)), 1, at, false, "if_tsoffset"},
		{"interface option past its block", cat(good, block(lo, 1, cat(idb[8:16], option(3, 9, 1, 2, 3, 4))...)), 1, at, false, "option 3"},
		{"section option past its block", cat(good, block(lo, 0x0a0d0d0a, cat(shb[8:24], option(2, 9, 1, 2, 3, 4))...)), 1, at, false, "option 2"},
		{"section without magic", cat(good, patch(shb, 8, 0)), 1, at, false, "magic"},
		{"statistics of unknown interface", cat(good, block(lo, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), 1, at, false, "interface 1"},
		{"statistics of 4 bytes", cat(good, block(lo, 5, cat(make([]byte, 12), option(4, 4, 1, 2, 3, 4))...)), 1, at, false, "statistics"},
		{"simple packet beyond block", cat(good, block(lo, 3, cat([]byte{17, 0, 0, 0}, msg)...)), 1, at, false, "captured"},
		{"packet in a section without interfaces", cat(good, shb, packet()), 1, at + int64(len(shb)), false, "interface 0"},
		{"obsolete packet beyond block", cat(good, block(lo, 2, cat(make([]byte, 12), []byte{17, 0, 0, 0, 17, 0, 0, 0}, msg)...)), 1, at, false, "captured"},
		{"empty", nil, 0, 0, true, "empty"},
		{"pcap packet of 4 GiB", unhex(t, "4d3cb2a1 0200 0400 00000000 00000000 00000400 93000000 00000000 00000000 ffffffff ffffffff"), 0, 24, false, "4294967295"},
		{"pcap packet of 16 MiB, not there", unhex(t, "4d3cb2a1 0200 0400 00000000 00000000 00000400 93000000 00000000 00000000 00000001 00000001 02"), 0, 24, true, "16777216"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rs, err := parse(tt.b, record.ReaderOptions{})
			d := damaged(t, err)
			if len(rs) != tt.records || d.Offset != tt.offset || d.Torn != tt.torn || d.Record != uint64(tt.records+1) || !strings.Contains(d.Reason, tt.reason) {
				t.Errorf("after %d records: %v (torn %v, offset %d); want %d records, torn %v, offset %d, %q",
					len(rs), d, d.Torn, d.Offset, tt.records, tt.torn, tt.offset, tt.reason)
			}
		})
	}
}

// TestReadOddities: what is unusual and yet sound.
func TestReadOddities(t *testing.T) {
	resol := func(v byte) []byte { return block(lo, 1, cat(idb[8:16], option(9, 1, v))...) }
	offset := block(lo, 1, cat(idb[8:16], option(14, 8, 0x78, 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))...) // -5000 s
	hundred := epb(0, 16, 16, msg)
	lo.PutUint32(hundred[12:], 100) // upper half of the time
	early := time.Unix(0, 5000).UTC()
	tests := []struct {
		name string
		b    []byte
		want []record.Record
	}{
		{"section without packets", shb, nil},
		{"interface without packets", cat(shb, idb), nil},
		{"bare packet", cat(shb, idb, packet()), []record.Record{{Number: 1, Time: early, OrigLen: 16}}},
		{"original shorter than captured", cat(shb, idb, epb(0, 16, 3, msg)), []record.Record{{Number: 1, Time: early, OrigLen: 16}}},
		{"cut packet", cat(shb, idb, epb(0, 16, 300, msg)), []record.Record{{Number: 1, Time: early, OrigLen: 300}}},
		{"endofopt ends the options", cat(shb, idb, epb(0, 16, 16, msg, option(2, 4, 1, 0, 0, 0), option(0, 0), option(2, 4, 2, 0, 0, 0))),
			[]record.Record{{Number: 1, Time: early, OrigLen: 16, Dir: record.FromKernel}}},
		{"direction 3", cat(shb, idb, epb(0, 16, 16, msg, option(2, 4, 3, 0, 0, 0))), []record.Record{{Number: 1, Time: early, OrigLen: 16}}},
		{"reception type", cat(shb, idb, epb(0, 16, 16, msg, option(2, 4, 0x0e, 0, 0, 0))), []record.Record{{Number: 1, Time: early, OrigLen: 16, Dir: record.ToKernel}}},
		{"numbers given, missing, zero", cat(shb, idb, epb(0, 16, 16, msg, option(5, 8, 9, 0, 0, 0, 0, 0, 0, 0)), packet(), epb(0, 16, 16, msg, option(5, 8, 0, 0, 0, 0, 0, 0, 0, 0))),
			[]record.Record{{Number: 9, Time: early, OrigLen: 16}, {Number: 10, Time: early, OrigLen: 16}, {Number: 11, Time: early, OrigLen: 16}}},
		{"empty and repeated comments", cat(shb, idb, epb(0, 16, 16, msg, option(1, 0), option(1, 1, 'x'), option(1, 1, 'x'))),
			[]record.Record{{Number: 1, Time: early, OrigLen: 16, Comments: []string{"", "x", "x"}}}},
		{"simple packet", cat(shb, idb, block(lo, 3, cat([]byte{16, 0, 0, 0}, msg)...)), []record.Record{{Number: 1, OrigLen: 16}}},
		{"simple packet cut to the snapshot length", cat(shb, block(lo, 1, 147, 0, 0, 0, 16, 0, 0, 0), block(lo, 3, cat([]byte{0, 1, 0, 0}, msg)...)),
			[]record.Record{{Number: 1, OrigLen: 256}}},
		{"obsolete packet", cat(shb, idb, block(lo, 2, cat([]byte{0, 0, 7, 0, 0, 0, 0, 0, 5, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0}, msg, option(2, 4, 1, 0, 0, 0))...)),
			[]record.Record{{Number: 1, Time: early, OrigLen: 16, Dropped: 7, Dir: record.FromKernel}}},
		{"obsolete packet with unknown drops", cat(shb, idb, block(lo, 2, cat([]byte{0, 0, 0xff, 0xff, 0, 0, 0, 0, 5, 0, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0}, msg)...)),
			[]record.Record{{Number: 1, Time: early, OrigLen: 16}}},
		{"other blocks", cat(shb, idb, block(lo, 4), block(lo, 10, make([]byte, 300<<10)...), block(lo, 0xbad, 1, 2, 3, 4), block(lo, 0x80000001), packet()),
			[]record.Record{{Number: 1, Time: early, OrigLen: 16}}},
		{"every link type for private use", cat(shb, block(lo, 1, 162, 0, 0, 0, 0, 0, 0, 0), packet()), []record.Record{{Number: 1, Time: early, OrigLen: 16}}},
		{"resolution 1 s", cat(shb, resol(0), packet()), []record.Record{{Number: 1, Time: time.Unix(5, 0), OrigLen: 16}}},
		{"resolution 2^-20", cat(shb, resol(0x80|20), packet()), []record.Record{{Number: 1, Time: time.Unix(0, 5*1e9>>20), OrigLen: 16}}},
		{"resolution 2^-63", cat(shb, resol(0x80|63), hundred), []record.Record{{Number: 1, Time: time.Unix(0, 46), OrigLen: 16}}}, // (100<<32+5)*1e9>>63
		{"resolution 10^-19", cat(shb, resol(19), hundred), []record.Record{{Number: 1, Time: time.Unix(0, 42), OrigLen: 16}}},
		{"time offset", cat(shb, offset, packet()), []record.Record{{Number: 1, Time: time.Unix(-5000, 5000), OrigLen: 16}}},
		{"second interface", cat(shb, idb, resol(0), epb(1, 16, 16, msg), packet()),
			[]record.Record{{Number: 1, Time: time.Unix(5, 0), OrigLen: 16}, {Number: 2, Time: early, OrigLen: 16}}},
		{"two sections", cat(shb, idb, packet(), shb, resol(0), packet()),
			[]record.Record{{Number: 1, Time: early, OrigLen: 16}, {Number: 2, Time: time.Unix(5, 0), OrigLen: 16}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{bytes.NewReader(tt.b), iotest.OneByteReader(bytes.NewReader(tt.b)), iotest.DataErrReader(bytes.NewReader(tt.b))} {
				r, err := record.NewReader(in, record.ReaderOptions{})
				if err != nil {
					t.Fatal(err)
				}
				rs, err := all(r)
				if err != io.EOF || len(rs) != len(tt.want) {
					t.Fatalf("%d records and %v, want %d", len(rs), err, len(tt.want))
				}
				for i := range rs {
					want := tt.want[i]
					want.Codec, want.Data = le, msg
					same(t, rs[i], &want)
				}
			}
		})
	}
}

func TestTimeUnknown(t *testing.T) {
	for _, f := range []record.Format{record.PcapNG, record.PcapNano} {
		b := write(t, record.WriterOptions{Format: f}, &record.Record{Codec: le, Data: msg})
		if rs := sound(t, b, record.ReaderOptions{}); !rs[0].Time.IsZero() {
			t.Errorf("%v: a time that is not known came back as %v", f, rs[0].Time)
		}
	}
}

func TestNotCapture(t *testing.T) {
	ethernet := block(lo, 1, cat([]byte{1, 0, 0, 0, 0, 0, 4, 0}, option(2, 4, 'e', 't', 'h', '0'))...)
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"xz", []byte("\xfd7zXZ\x00\x00"), "xz"},
		{"JSON", []byte("  {\"schema\":1}\n"), "JSON"},
		{"hex", []byte("02 0a 00 02 02 00 00 00\n"), "text in hex"},
		{"text", []byte("#!/usr/sbin/setkey -f\nadd 10.0.0.1 10.0.0.2 esp 0x1 -E aes-cbc 0x00;\n"), "it is text"},
		{"side file", []byte("pfkeycap-keys 1 captureid=00\n7 8 0:ff\n"), "side file"},
		{"snoop", []byte("snoop\x00\x00\x00\x00\x00"), "snoop"},
		{"binary", []byte{1, 2, 3, 4, 5, 6}, "01 02 03 04"},
		{"short", []byte{0xff}, "ff"},
		{"ethernet pcapng", cat(shb, ethernet, packet()), `"eth0"`},
		{"ethernet pcapng names the type", cat(shb, ethernet, packet()), "link type 1 (Ethernet)"},
		{"empty ethernet pcapng", cat(shb, ethernet), "Ethernet"},
		{"ethernet pcap", unhex(t, "4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000"), "Ethernet"},
		{"netlink pcap", unhex(t, "a1b2c3d4 0002 0004 00000000 00000000 00040000 000000fd"), "Netlink"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rs, err := parse(tt.b, record.ReaderOptions{})
			if len(rs) != 0 || !errors.Is(err, record.ErrNotCapture) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d records and %v, want %q", len(rs), err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "0x00;") {
				t.Error("the error quotes the file, which may hold keys")
			}
		})
	}
	for _, b := range [][]byte{
		unhex(t, "4d3cb2a1 0300 0400 00000000 00000000 00000400 93000000"),
		block(lo, 0x0a0d0d0a, 0x4d, 0x3c, 0x2b, 0x1a, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
	} {
		if _, err := parse(b, record.ReaderOptions{}); err == nil || !strings.Contains(err.Error(), "version") {
			t.Errorf("a version that does not exist: %v", err)
		}
	}
}

// TestMixedLinkTypes: a capture of a PF_KEY socket and a network device together
// gives the records of the socket.
func TestMixedLinkTypes(t *testing.T) {
	ethernet := block(lo, 1, 1, 0, 0, 0, 0, 0, 4, 0)
	var notices []string
	b := cat(shb, ethernet, idb, epb(0, 5, 5, []byte("frame")), epb(1, 16, 16, msg), epb(0, 5, 5, []byte("frame")), epb(1, 16, 16, msg),
		block(lo, 5, cat(make([]byte, 12), option(4, 8, 9, 0, 0, 0, 0, 0, 0, 0))...))
	r, err := record.NewReader(bytes.NewReader(b), record.ReaderOptions{Notice: func(s string) { notices = append(notices, s) }})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := all(r)
	if err != io.EOF || len(rs) != 2 || !bytes.Equal(rs[0].Data, msg) || rs[1].Number != 2 {
		t.Fatalf("%d records, %v", len(rs), err)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "Ethernet") {
		t.Errorf("notices %q", notices)
	}
	if _, ok := r.Statistics(); ok {
		t.Error("took the statistics of the other interface")
	}
}

// TestSectionsOfBothOrders: files that were put together.
func TestSectionsOfBothOrders(t *testing.T) {
	little, big := conversation(t, le, 5), conversation(t, be, 5)
	linux := func(o layers.Order) record.WriterOptions {
		return record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Order: o, Keys: record.KeysInside}}
	}
	b := cat(write(t, linux(layers.LittleEndian), little...), write(t, linux(layers.BigEndian), big...), write(t, linux(layers.LittleEndian), little...))
	rs := sound(t, b, record.ReaderOptions{})
	want := slices.Concat(little, big, little)
	if len(rs) != len(want) {
		t.Fatalf("%d records, want %d", len(rs), len(want))
	}
	for i := range rs {
		same(t, rs[i], want[i])
	}
}

// TestOrderOfTrust: what decides byte order and dialect.
func TestOrderOfTrust(t *testing.T) {
	description := func(s string) []byte { return block(lo, 1, cat(idb[8:16], option(3, len(s), []byte(s)...))...) }
	system := func(s string) []byte { return block(lo, 1, cat(idb[8:16], option(12, len(s), []byte(s)...))...) }
	bigMsg := []byte{2, 9, 0, 3, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0x9c}
	neither := []byte{2, 9, 0, 3, 7, 7, 0, 0, 1, 0, 0, 0, 0x9c, 1, 0, 0}
	sniff := func(msg []byte, order layers.Order) layers.Dialect {
		if msg[4] == 7 {
			return layers.NoDialect
		}
		return layers.NetBSD
	}
	tests := []struct {
		name   string
		iface  []byte
		msg    []byte
		opts   record.ReaderOptions
		want   layers.Codec
		from   record.DialectSource
		notice string
	}{
		{"nothing said", idb, msg, record.ReaderOptions{}, le, record.DialectAssumed, ""},
		{"the length field", idb, bigMsg, record.ReaderOptions{}, be, record.DialectAssumed, ""},
		{"the length field against byteorder=", description("PF_KEYv2 byteorder=le"), bigMsg, record.ReaderOptions{}, be, record.DialectAssumed, "big-endian"},
		{"byteorder= against the section", description("PF_KEYv2 byteorder=be"), neither, record.ReaderOptions{}, be, record.DialectAssumed, ""},
		{"the section", idb, neither, record.ReaderOptions{}, le, record.DialectAssumed, ""},
		{"an option against all", description("PF_KEYv2 byteorder=le dialect=linux"), msg, record.ReaderOptions{Order: layers.BigEndian, Dialect: layers.OpenBSD},
			layers.Codec{Dialect: layers.OpenBSD, Order: layers.BigEndian}, record.DialectGiven, ""},
		{"dialect=", description("PF_KEYv2 dialect=freebsd colour=blue empty= word"), msg, record.ReaderOptions{}, layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}, record.DialectDescribed, ""},
		{"dialect= of the future", description("PF_KEYv2 dialect=plan9 byteorder=be"), neither, record.ReaderOptions{}, be, record.DialectAssumed, "dialect=plan9"},
		{"not our description", description("PF_KEYv3 dialect=freebsd byteorder=be"), neither, record.ReaderOptions{}, le, record.DialectAssumed, ""},
		{"if_os", system("OpenBSD 7.6"), msg, record.ReaderOptions{}, layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian}, record.DialectOfOS, ""},
		{"if_os of Solaris", system("SunOS 5.11"), msg, record.ReaderOptions{}, layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian}, record.DialectOfOS, ""},
		{"if_os unknown", system("Plan 9"), msg, record.ReaderOptions{}, le, record.DialectAssumed, ""},
		{"sniffed", idb, msg, record.ReaderOptions{Sniff: sniff}, layers.Codec{Dialect: layers.NetBSD, Order: layers.LittleEndian}, record.DialectSniffed, ""},
		{"sniffed in vain", idb, neither, record.ReaderOptions{Sniff: sniff}, le, record.DialectAssumed, ""},
		{"not sniffed when said", description("PF_KEYv2 dialect=linux"), msg, record.ReaderOptions{Sniff: sniff}, le, record.DialectDescribed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var notices []string
			tt.opts.Notice = func(s string) { notices = append(notices, s) }
			b := cat(shb, tt.iface, epb(0, 16, 16, tt.msg), epb(0, 16, 16, tt.msg))
			r, err := record.NewReader(bytes.NewReader(b), tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			rs, err := all(r)
			if err != io.EOF || len(rs) != 2 {
				t.Fatalf("%d records, %v", len(rs), err)
			}
			for _, rec := range rs {
				if rec.Codec != tt.want {
					t.Errorf("codec %v, want %v", rec.Codec, tt.want)
				}
			}
			if f := r.Interface(); f.DialectFrom != tt.from {
				t.Errorf("dialect is %v, want %v", f.DialectFrom, tt.from)
			}
			switch {
			case tt.notice == "" && len(notices) > 0, tt.notice != "" && (len(notices) != 1 || !strings.Contains(notices[0], tt.notice)):
				t.Errorf("notices %q, want %q", notices, tt.notice)
			}
		})
	}
}

// TestHostileMemory: what a file claims costs nothing, and what it has little.
func TestHostileMemory(t *testing.T) {
	random := make([]byte, 10<<20)
	rng := rand.NewChaCha8([32]byte{'p', 'f'})
	rng.Read(random)
	huge := cat(shb, idb, packet())
	claim := bytes.Clone(packet())
	lo.PutUint32(claim[4:], 16<<20)
	sixteen := block(lo, 0xbad, make([]byte, 15<<20)...)
	var ifaces []byte
	for range 100000 {
		ifaces = append(ifaces, idb...)
	}
	var comments []byte
	for range 200000 {
		comments = append(comments, option(1, 0)...)
	}
	tests := []struct {
		name    string
		b       []byte
		records int
		limit   uint64 // bytes allocated
	}{
		{"random", random, 0, 1 << 20},
		{"random after a header", cat(shb, idb, random), 0, 1 << 20},
		{"random after a packet", cat(huge, random), 1, 1 << 20},
		{"random after a pcap header", cat(unhex(t, "4d3cb2a1 0200 0400 00000000 00000000 00000400 93000000"), random), 0, 40 << 20},
		{"block of 16 MiB, not there", cat(huge, claim), 1, 1 << 20},
		{"block of 16 MiB, the beginning there", cat(huge, claim, make([]byte, 300<<10)), 1, 2 << 20},
		{"skipped block of 15 MiB", cat(huge, sixteen, packet()), 2, 1 << 20},
		{"100000 interfaces", cat(shb, ifaces), 0, 4 << 20},
		{"200000 comments", cat(huge, epb(0, 16, 16, msg, comments), packet()), 3, 4 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			rs, err := parse(tt.b, record.ReaderOptions{Notice: func(string) {}})
			runtime.ReadMemStats(&after)
			if len(rs) != tt.records || err == nil {
				t.Errorf("%d records and %v, want %d", len(rs), err, tt.records)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > tt.limit {
				t.Errorf("%d bytes allocated, want at most %d", used, tt.limit)
			}
		})
	}
}

func TestReadErrorIsNotDamage(t *testing.T) {
	b := cat(shb, idb, packet(), packet())
	cause := errors.New("the disk is on fire")
	for cut := range len(b) {
		in := io.MultiReader(bytes.NewReader(b[:cut]), iotest.ErrReader(cause))
		r, err := record.NewReader(in, record.ReaderOptions{})
		if err == nil {
			_, err = all(r)
		}
		if !errors.Is(err, cause) || errors.Is(err, record.ErrDamaged) {
			t.Fatalf("after %d bytes: %v", cut, err)
		}
	}
	r, err := record.NewReader(io.MultiReader(bytes.NewReader(shb), stuck{}), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader without progress: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestReadPipe: a record comes out as soon as its last byte has come in.
func TestReadPipe(t *testing.T) {
	pr, pw := io.Pipe()
	got := make(chan uint64)
	done := make(chan error, 1)
	go func() {
		r, err := record.NewReader(pr, record.ReaderOptions{})
		for err == nil {
			var rec *record.Record
			if rec, err = r.Next(); err == nil {
				got <- rec.Number
			}
		}
		close(got)
		done <- err
	}()
	pw.Write(cat(shb, idb))
	for i := range 3 {
		pw.Write(packet())
		if n := <-got; n != uint64(i+1) {
			t.Fatalf("record %d, want %d", n, i+1)
		}
	}
	pw.Close()
	if _, ok := <-got; ok {
		t.Error("a record out of nothing")
	}
	if err := <-done; err != io.EOF {
		t.Error(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := record.Open(filepath.Join(dir, "none"), record.ReaderOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	path := filepath.Join(dir, "x")
	if err := os.WriteFile(path, []byte("hello, world"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Open(path, record.ReaderOptions{}); !errors.Is(err, record.ErrNotCapture) || !strings.Contains(err.Error(), path) {
		t.Errorf("not a capture: %v", err)
	}
	if err := os.WriteFile(path, cat(shb, idb, packet()), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := record.Open(path, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if (r.Interface() != record.Interface{}) || (r.Meta() != record.Meta{}) {
		t.Error("an interface before one was read")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Next(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestClone: what Next returns is overwritten, a clone is not.
func TestClone(t *testing.T) {
	rs := conversation(t, le, 2)
	rs[0].Comments = []string{"first"}
	b := write(t, record.WriterOptions{Meta: record.Meta{Keys: record.KeysInside}}, rs...)
	r, err := record.NewReader(iotest.OneByteReader(bytes.NewReader(b)), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	clone := got.Clone()
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	same(t, clone, &record.Record{Number: 1, Time: rs[0].Time, Codec: le, Data: rs[0].Data, OrigLen: rs[0].OrigLen, Comments: []string{"first"}})
}
