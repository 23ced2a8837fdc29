package trace_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// kernel makes messages of a kernel, a second apart.
type kernel struct {
	t     testing.TB
	codec layers.Codec
	n     uint64
	errno uint8
	to    func(*record.Record, trace.Role)
}

// event is a message that the kernel sends of its own accord.
func (k *kernel) event(typ, satype uint8, src, dst string, exts ...layers.Extension) {
	to := k.to
	k.to = func(r *record.Record, _ trace.Role) {
		clear(r.Data[12:16]) // sadb_msg_pid
		to(r, trace.Event)
	}
	k.says(typ, satype, 0, src, dst, exts...)
	k.to = to
}

func (k *kernel) says(typ, satype uint8, spi uint32, src, dst string, exts ...layers.Extension) {
	k.n++
	list := []layers.Extension{}
	if spi != 0 {
		list = append(list, &layers.SA{SPI: spi, State: 1, Encrypt: 12, Auth: 3})
	}
	if src != "" {
		list = append(list,
			k.codec.NewAddress(layers.LayerTypeAddressSrc, netip.AddrPortFrom(netip.MustParseAddr(src), 0), 32, 0),
			k.codec.NewAddress(layers.LayerTypeAddressDst, netip.AddrPortFrom(netip.MustParseAddr(dst), 0), 32, 0))
	}
	b, err := k.codec.Encode(&layers.Base{Type: typ, SAType: satype, Errno: k.errno, PID: 7}, append(list, exts...)...)
	if err != nil {
		k.t.Fatal(err)
	}
	k.to(&record.Record{
		Number: k.n, Time: time.Unix(int64(k.n), 0), Dir: record.FromKernel, Codec: k.codec, Data: b, OrigLen: len(b),
	}, trace.Reply)
}

func limit(t layers.Header, seconds uint64) layers.Extension {
	return &layers.Lifetime{Header: t, AddTime: seconds}
}

// TestLivesOfDialects: the same life, told in every system's numbers.
func TestLivesOfDialects(t *testing.T) {
	for _, d := range layers.Dialects() {
		for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			codec := layers.Codec{Dialect: d, Order: order}
			t.Run(codec.String(), func(t *testing.T) {
				esp := uint8(layers.SATypeESP)
				if v, ok := d.EnumValue(layers.EnumSAType, "ESP"); ok {
					esp = uint8(v)
				}
				var got []*trace.Life
				l := trace.NewLives(trace.LifeOptions{SA: func(x *trace.Life) { got = append(got, x) }})
				k := &kernel{t: t, codec: codec, to: l.Add}
				hard, soft := layers.For(layers.LayerTypeLifetimeHard), layers.For(layers.LayerTypeLifetimeSoft)
				const a, b = "10.0.0.1", "10.0.0.2"
				k.says(layers.GETSPI, esp, 0x100, a, b)                                  // 1
				k.says(layers.UPDATE, esp, 0x100, a, b, limit(hard, 10), limit(soft, 5)) // 2
				k.says(layers.ADD, esp, 0x200, b, a)                                     // 3
				k.says(layers.EXPIRE, esp, 0x100, a, b, limit(soft, 5))                  // 4
				k.says(layers.ADD, esp, 0x101, a, b)                                     // 5
				k.says(layers.DELETE, esp, 0x100, a, b)                                  // 6
				k.says(layers.EXPIRE, esp, 0x101, a, b, limit(hard, 10))                 // 7
				k.says(layers.ADD, esp, 0x100, a, b)                                     // 8
				k.says(layers.ADD, esp, 0x100, a, "10.0.0.3")                            // 9: another destination
				k.says(layers.FLUSH, esp, 0, "", "")                                     // 10
				k.says(layers.DUMP, esp, 0x300, a, b)                                    // 11
				l.Finish()
				if len(got) != 6 {
					t.Fatalf("%d lives, want 6", len(got))
				}
				x := got[0]
				if x.SPI != 0x100 || x.TypeName != "ESP" || x.By != "GETSPI" || x.Mature.Number != 2 || x.Soft.Number != 4 ||
					x.Next != (trace.Relative{SPI: 0x101, Number: 5}) || !x.HasLate || x.Late != time.Second || !x.HasMargin || x.Margin != 7*time.Second ||
					x.Pair.SPI != 0x200 || x.Ended != trace.Deleted || x.End.Number != 6 || x.EndPID != 7 {
					t.Errorf("the first life is %+v", x)
				}
				for i, want := range []struct {
					ended trace.Ending
					by    string
				}{{trace.Deleted, "GETSPI"}, {trace.Flushed, "ADD"}, {trace.Expired, "ADD"}, {trace.Flushed, "ADD"}, {trace.Flushed, "ADD"}, {trace.Alive, "DUMP"}} {
					if got[i].Ended != want.ended || got[i].By != want.by {
						t.Errorf("life %d: %v by %s, want %v by %s", i, got[i].Ended, got[i].By, want.ended, want.by)
					}
				}
				if got[2].Prev.SPI != 0x100 || got[2].Chain != 1 || got[3].Prev.SPI != 0x101 || got[3].Chain != 2 {
					t.Errorf("the chain is %+v, %+v", got[2].Prev, got[3].Prev)
				}
			})
		}
	}
}

// TestLivesMemory: SAs without end take no more memory than Max of them.
func TestLivesMemory(t *testing.T) {
	given := 0
	l := trace.NewLives(trace.LifeOptions{Max: 500, SA: func(*trace.Life) { given++ }, Policy: func(*trace.PolicyLife) { given++ }})
	k := &kernel{t: t, codec: linux, to: l.Add}
	const a, b = "10.0.0.1", "10.0.0.2"
	run := func(n int) {
		for range n {
			spi := uint32(k.n) + 256
			k.says(layers.ADD, layers.SATypeESP, spi, a, b, &layers.SA2{Mode: 2, ReqID: uint32(k.n) % 5000})
			if k.n%3 == 0 {
				k.says(layers.DELETE, layers.SATypeESP, spi, a, b)
			}
			k.says(layers.SPDADD, 0, 0, a, b, &layers.Policy{Type: 2, Dir: 2, ID: spi})
		}
	}
	run(5000)
	before := heap()
	run(40_000)
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes more in use after 40,000 more SAs", grown)
	}
	l.Finish()
	if given != 90_000 {
		t.Errorf("%d lives given, want 90,000", given)
	}
}

// FuzzLives: nothing panics, and every life is given once.
func FuzzLives(f *testing.F) {
	f.Add([]byte{1, 1, 0, 3, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		sas := map[*trace.Life]bool{}
		l := trace.NewLives(trace.LifeOptions{Max: 3, SA: func(x *trace.Life) {
			if sas[x] {
				t.Fatal("a life was given twice")
			}
			sas[x] = true
		}, Policy: func(*trace.PolicyLife) {}})
		k := &kernel{t: t, codec: layers.Codec{Dialect: layers.Dialects()[len(script)%len(layers.Dialects())], Order: layers.BigEndian}, to: l.Add}
		for len(script) >= 3 {
			k.says(script[0]%28, script[1]%10, uint32(script[2]%8), "10.0.0.1", "10.0.0.2")
			script = script[3:]
		}
		l.Finish()
	})
}
