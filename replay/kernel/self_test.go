package kernel_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/kernel"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// talk lets several processes talk to a kernel in turns, and returns what
// a promiscuous listener hears, and what each process says and hears.
func talk(t *testing.T, batch *keysock.Batch, seed uint64, processes, messages int, o gen.Options) (heard []*record.Record, own [][]*record.Record) {
	t.Helper()
	ns, err := keysock.NewNetNS()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var open []*keysock.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	socket := func() *keysock.Conn {
		c, err := keysock.Open(keysock.Options{NetNS: ns, ReceiveBuffer: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		return c
	}
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
	read := func(c *keysock.Conn, list []*record.Record) []*record.Record {
		for {
			n, err := c.TryReadBatch(batch)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				b := bytes.Clone(batch.Message(i))
				list = append(list, &record.Record{Number: uint64(len(list) + 1), Time: time.Now(), Dir: record.Unknown, Codec: codec, Data: b, OrigLen: len(b)})
			}
			if n < keysock.DefaultBatch {
				return list
			}
		}
	}
	listener := socket()
	if _, err := listener.Promiscuous(true, 0, 1); err != nil {
		t.Fatal(err)
	}
	heard = read(listener, heard)[:0]
	var socks []*keysock.Conn
	var gens []*gen.Generator
	for i := range processes {
		o.PID = uint32(1000 + i)
		socks = append(socks, socket())
		gens = append(gens, gen.New(codec, seed*100+uint64(i), o))
	}
	own = make([][]*record.Record, processes)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range messages {
		i := rng.IntN(processes)
		msg, info := gens[i].Next(nil)
		if len(msg) < layers.BaseLen {
			continue
		}
		switch msg[1] {
		case layers.PROMISC:
			continue // a promiscuous process hears what others say
		case layers.FLUSH, layers.SPDFLUSH:
			if len(info.Mutations) > 0 {
				continue // whose is which of equal messages then cannot be told
			}
		}
		if _, err := socks[i].Write(msg); err != nil {
			continue // nobody hears of it
		}
		heard = read(listener, heard)
		own[i] = append(own[i], &record.Record{Number: uint64(len(own[i]) + 1), Time: time.Now(), Dir: record.ToKernel, Codec: codec, Data: msg, OrigLen: len(msg)})
		for k := range socks {
			before := len(own[k])
			own[k] = read(socks[k], own[k])
			for _, r := range own[k][before:] {
				r.Dir = record.FromKernel
			}
		}
	}
	return heard, own
}

// What one kernel did, the same kernel does again: nothing is different, whatever
// processes say to it, be it replayed from what a promiscuous listener heard or from
// what one process heard, who does not hear what others asked for. With
// PFKEYCAP_SEEDS and PFKEYCAP_SEED in the environment, more is said; conversations
// of which a replay is different are kept in the directory PFKEYCAP_KEEP.
func TestKernelEqualsItself(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		seeds, first := 2, uint64(1)
		if n, err := strconv.Atoi(os.Getenv("PFKEYCAP_SEEDS")); err == nil {
			seeds = n
		}
		if n, err := strconv.Atoi(os.Getenv("PFKEYCAP_SEED")); err == nil {
			first = uint64(n)
		}
		batch := keysock.NewBatch(0)
		reasons := map[string]int{}
		verdicts := [4]int{}
		for seed := first; seed < first+uint64(seeds); seed++ {
			for _, o := range []gen.Options{{Requests: true, Valid: true}, {Requests: true, Mutants: 1}, {Requests: true, Mutants: 3}} {
				heard, own := talk(t, batch, seed, 3, 300, o)
				check := func(what string, list []*record.Record, promisc record.Answer) {
					plan, err := replay.NewPlan(trace.NewReader(&source{list}, trace.Options{Promisc: promisc}), replay.PlanOptions{})
					if errors.Is(err, replay.ErrNoRequests) {
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					r := runFresh(t, plan, replay.Pace{})
					if fast := runFresh(t, plan, replay.Pace{TopSpeed: true}); fast.Different > 0 {
						t.Errorf("seed %d, %+v, %s, at top speed: %s", seed, o, what, firstLines(different(text(fast)), 12))
					}
					for i, n := range []int{r.Equal, r.Volatile, r.NotReproducible, r.Different} {
						verdicts[i] += n
					}
					for _, e := range r.Exchanges {
						if e.Reason != "" {
							reasons[what+" "+strings.Fields(e.Message)[0]+" "+digits.Replace(e.Reason)]++
						}
					}
					if r.Different > 0 || r.State.Different > 0 {
						if dir := os.Getenv("PFKEYCAP_KEEP"); dir != "" {
							keep(t, fmt.Sprintf("%s/%d-%v-%d-%s.pcapng", dir, seed, o.Valid, o.Mutants, what), list, promisc)
						}
						t.Errorf("seed %d, %+v, %s: %s", seed, o, what, firstLines(different(text(r)), 12))
					}
				}
				check("promisc", heard, record.Yes)
				for i := range own {
					check(fmt.Sprint("own", i), own[i], record.No)
				}
			}
		}
		t.Log(verdicts)
		for r, n := range reasons {
			t.Log(n, r)
		}
	})
}

// A long dump goes on while its reader makes room, and shows what others change
// meanwhile. A replay dumps at once: what they changed is not held against it, and
// the rest is.
func TestChangedWhileDumped(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		ns, err := keysock.NewNetNS()
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		open := func(buffer int) *keysock.Conn {
			c, err := keysock.Open(keysock.Options{NetNS: ns, ReceiveBuffer: buffer})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		codec := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
		listener, changer, dumper := open(8<<20), open(1<<20), open(64<<10)
		if _, err := listener.Promiscuous(true, 0, 1); err != nil {
			t.Fatal(err)
		}
		var heard []*record.Record
		batch := keysock.NewBatch(0)
		read := func(c *keysock.Conn, each func([]byte)) {
			for {
				n, err := c.TryReadBatch(batch)
				if err != nil {
					t.Fatal(err)
				}
				for i := range n {
					each(batch.Message(i))
				}
				if n < keysock.DefaultBatch {
					return
				}
			}
		}
		read(listener, func([]byte) {})
		write := func(c *keysock.Conn, msg []byte) {
			if _, err := c.Write(msg); err != nil {
				t.Fatal(err)
			}
			read(listener, func(b []byte) {
				heard = append(heard, &record.Record{Number: uint64(len(heard) + 1), Time: time.Now(), Codec: codec, Data: bytes.Clone(b), OrigLen: len(b)})
			})
			if c == changer {
				read(changer, func([]byte) {})
			}
		}
		adds := manySAs(t, 300)[:300]
		message := func(typ uint8, i int) []byte {
			b := bytes.Clone(adds[i])
			b[1] = typ
			return b
		}
		for i := range 200 {
			write(changer, message(layers.ADD, i))
		}
		read(dumper, func([]byte) {}) // it hears of what others do too
		dump := control(layers.DUMP, 0, 7)
		binary.NativeEndian.PutUint32(dump[12:], 4242)
		write(dumper, dump)
		for i := range 40 { // some of them listed already, some not
			write(changer, message(layers.DELETE, 5*i))
		}
		for i := 200; i < 230; i++ {
			write(changer, message(layers.ADD, i))
		}
		entries := 0
		for {
			before := entries
			read(dumper, func(b []byte) {
				if b[1] == layers.DUMP {
					entries++
				}
			})
			write(listener, message(layers.GET, 299)) // which fails: only to hear what was dumped
			if entries == before {
				break
			}
		}
		plan := planOf(t, heard, record.Yes)
		r := runFresh(t, plan, replay.Pace{})
		if r.Different != 0 {
			t.Error(firstLines(different(text(r)), 10))
		}
		for _, e := range r.Exchanges {
			if !strings.HasPrefix(e.Message, "DUMP") {
				continue
			}
			excused := map[string]int{}
			for _, d := range e.Differences {
				excused[d.Verdict.String()+" "+string(d.What)]++
			}
			t.Log(entries, excused)
			if len(e.Answers) != entries || excused["not-reproducible dropped"] == 0 && excused["not-reproducible added"] == 0 {
				t.Errorf("%d entries, %d answers, %v: nothing was changed while the dump was read", entries, len(e.Answers), excused)
			}
		}
		// An entry that nobody changed counts.
		for i, r := range heard {
			if r.Data[1] == layers.DUMP && len(r.Data) > layers.BaseLen && binary.BigEndian.Uint32(r.Data[layers.BaseLen+4:]) == 0x10000+2 {
				heard = append(heard[:i:i], heard[i+1:]...)
				break
			}
		}
		if r := runFresh(t, planOf(t, heard, record.Yes), replay.Pace{}); r.Different != 1 || !strings.Contains(different(text(r)), "added: DUMP") {
			t.Errorf("an entry is missing: %s\n%s", r.Counts(), different(text(r)))
		}
	})
}

// runFresh runs a plan in a network namespace that is there only for that.
func runFresh(t *testing.T, plan *replay.Plan, pace replay.Pace) *replay.Report {
	t.Helper()
	ns, err := keysock.NewNetNS()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	k, err := kernel.Open(kernel.Options{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	return runAt(t, plan, k, pace)
}

var digits = strings.NewReplacer("0", "", "1", "", "2", "", "3", "", "4", "", "5", "", "6", "", "7", "", "8", "", "9", "")

func different(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "different") || strings.HasPrefix(line, "state: different") {
			b.WriteString("\n\t" + strings.TrimSuffix(line, "\n"))
		}
	}
	return b.String()
}

func firstLines(s string, n int) string {
	lines := strings.SplitAfterN(s, "\n", n+2)
	if len(lines) > n+1 {
		lines[n+1] = fmt.Sprintf("… %d more lines", strings.Count(lines[n+1], "\n")+1)
	}
	return strings.Join(lines, "")
}

// keep writes a conversation into a capture, to be looked at.
func keep(t *testing.T, name string, list []*record.Record, promisc record.Answer) {
	w, err := record.Create(name, record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Promisc: promisc, Keys: record.KeysInside}, Overwrite: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteBatch(list); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
