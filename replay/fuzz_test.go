package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// pack puts records into a form that a fuzzer can change: for each a byte with its
// direction and whether it was cut short, a byte with the time since the one
// before, the length as two bytes, the message.
func pack(list []*record.Record) []byte {
	var b []byte
	for _, r := range list {
		b = append(b, byte(r.Dir), 1, byte(len(r.Data)), byte(len(r.Data)>>8))
		b = append(b, r.Data...)
	}
	return b
}

func unpack(b []byte, c layers.Codec) []*record.Record {
	var list []*record.Record
	now := t0
	for len(b) >= 4 && len(list) < 200 {
		n := min(int(b[2])|int(b[3])<<8, len(b)-4)
		now = now.Add(time.Duration(b[1]) * 100 * time.Millisecond)
		r := &record.Record{Number: uint64(len(list) + 1), Time: now, Codec: c, Data: b[4 : 4+n : 4+n], OrigLen: n}
		r.Dir = []record.Direction{record.Unknown, record.FromKernel, record.ToKernel, record.Unknown}[b[0]&3]
		if b[0]&4 != 0 {
			r.OrigLen += 8
		}
		if o := layers.OrderOf(r.Data, r.OrigLen); o != layers.NoOrder {
			r.Codec.Order = o
		}
		list = append(list, r)
		b = b[4+n:]
	}
	return list
}

// Any records make a plan, or an error. Replayed against what the same records say,
// nothing is different, and every exchange has one verdict.
func FuzzPlan(f *testing.F) {
	number := func(d layers.Dialect) uint8 { return uint8(d) - 1 }
	for _, path := range []string{
		"../fixtures/linux/uml-x86_64-iked/iked-left-promisc/promisc.pcapng",
		"../fixtures/linux/uml-x86_64/flush/P-promisc.pcapng",
		"../fixtures/linux/uml-x86_64/netlink-cross/P-promisc.pcapng",
		"../fixtures/linux/uml-x86_64/migrate/P-promisc.pcapng",
		"../fixtures/linux/uml-x86_64/sa-natt/A.pcapng",
		"../fixtures/linux/uml-x86_64/register/A.pcapng",
	} {
		list, _ := load(f, path, true)
		f.Add(pack(list[:min(len(list), 40)]), number(layers.Linux), uint8(record.Yes))
	}
	f.Add(pack([]*record.Record{{Dir: record.ToKernel, Data: getspi(1, 2, 3)}, {Dir: record.FromKernel, Data: state(layers.GETSPI, 1, spi1, 1)}}), number(layers.OpenBSD), uint8(record.No))
	unknownType := header(0, 1, 22)
	unknownType[3] = layers.SATypeAH // illumos does not keep it
	f.Add(pack([]*record.Record{{Dir: record.ToKernel, Data: request(layers.GET, 1, spi1)}, {Dir: record.FromKernel, Data: unknownType}}), number(layers.Illumos), uint8(record.NotKnown))
	f.Fuzz(func(t *testing.T, b []byte, dialect, promisc uint8) {
		c := layers.Codec{Dialect: layers.Dialect(dialect%8) + 1, Order: layers.LittleEndian}
		list := unpack(b, c)
		answer := record.Answer(promisc % 3)
		plan, err := replay.NewPlan(traced(list, answer), replay.PlanOptions{})
		if plan == nil {
			t.Fatal("no plan")
		}
		var out bytes.Buffer
		if err := plan.WriteText(&out); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(plan); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			if !errors.Is(err, replay.ErrNoRequests) {
				t.Fatal(err)
			}
			return
		}
		target, err := replaytest.Recording(traced(list, answer))
		if err != nil {
			t.Fatal(err)
		}
		r, err := replay.Run(context.Background(), plan, target, replay.RunOptions{})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
		check(t, plan, r)
		if r.Different != 0 {
			t.Fatalf("%s\n%s", out.Bytes(), text(t, r, true))
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatal(err)
		}
	})
}
