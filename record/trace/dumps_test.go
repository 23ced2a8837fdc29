package trace_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// follow annotates messages and gives what Dumps says of them: "N missing at #R",
// dumps that are over, and those that are not at the end.
func follow(p *play) (said []string, ds *trace.Dumps) {
	t := trace.New(trace.Options{Promisc: record.Yes, Lossless: true})
	ds = new(trace.Dumps)
	for {
		r, err := p.Next()
		if err != nil {
			return said, ds
		}
		t.Annotate(r)
		r.Process = "setkey"
		d, missing := ds.Add(r)
		if missing > 0 {
			said = append(said, fmt.Sprintf("%d missing at #%d", missing, r.Number))
		}
		if d != nil && d.Ended {
			said = append(said, d.String())
		}
	}
}

func TestDumps(t *testing.T) {
	const p, q = 412, 500
	sa := func(seq, pid, stamp uint32) []byte { return state(layers.DUMP, seq, pid, stamp) }
	sp := func(seq, pid, stamp uint32) []byte { return policy(layers.SPDDUMP, seq, pid, stamp) }
	ask := func(pid uint32) []byte { return bare(layers.DUMP, 0, 0, 7, pid) }
	no := func(errno uint8, pid uint32) []byte { return bare(layers.DUMP, errno, 0, 7, pid) }
	aborted := append([]byte{2, 10, 234}, sa(0, p, 3)[3:]...)
	wrap := func(b []byte) []byte {
		h := header(layers.PROMISC, 0, 0, 0, 0)
		h[4] = byte((len(b) + 16) / 8)
		return append(h, b...)
	}
	for _, tc := range []struct {
		name    string
		dialect layers.Dialect
		in      []any
		want    string // what is said at once, "|", what is left at the end
	}{
		{"one", layers.Linux, []any{ask(p), sa(0, p, 1)}, "DUMP #1 of pid=412(setkey): 1 record |"},
		{"three", layers.Linux, []any{ask(p), sa(1, p, 1), sa(2, p, 2), sa(0, p, 3)}, "DUMP #1 of pid=412(setkey): 3 records |"},
		{"nothing in the table", layers.Linux, []any{ask(p), no(2, p)}, "DUMP #1 of pid=412(setkey): 0 records, refused with errno 2 |"},
		{"policies", layers.Linux, []any{bare(layers.SPDDUMP, 0, 0, 1, p), sp(1, p, 1), sp(0, p, 2)}, "SPDDUMP #1 of pid=412(setkey): 2 records |"},
		{"two are missing", layers.Linux, []any{ask(p), sa(1, p, 1), sa(4, p, 2), sa(0, p, 3)},
			"2 missing at #3; DUMP #1 of pid=412(setkey): 3 records, 2 missing: incomplete |"},
		{"the first is missing", layers.Linux, []any{ask(p), sa(2, p, 1), sa(0, p, 3)},
			"1 missing at #2; DUMP #1 of pid=412(setkey): 2 records, 1 missing: incomplete |"},
		{"the last is missing", layers.Linux, []any{ask(p), sa(1, p, 1), sa(2, p, 1)},
			"| DUMP #1 of pid=412(setkey): 2 records, not the last one (seq 0): incomplete"},
		{"no answer", layers.Linux, []any{ask(p)}, "|"},
		{"ended by the kernel", layers.Linux, []any{ask(p), sa(1, p, 1), aborted},
			"DUMP #1 of pid=412(setkey): 2 records, ended by the kernel with errno 234: incomplete |"},
		{"begun before the recording", layers.Linux, []any{sa(501, p, 1), sa(502, p, 2), sa(504, p, 3), sa(0, p, 4)},
			"1 missing at #3; DUMP #1 of pid=412(setkey): 4 records, 1 missing: incomplete |"},
		{"request not seen", layers.Linux, []any{sa(1, p, 1), sa(0, p, 2)}, "DUMP #1 of pid=412(setkey): 2 records |"},
		{"two processes", layers.Linux, []any{ask(p), ask(q), sa(1, p, 1), sa(1, q, 1), sa(2, p, 2), sa(0, p, 3), sa(0, q, 2)},
			"DUMP #1 of pid=412(setkey): 3 records; DUMP #2 of pid=500(setkey): 2 records |"},
		{"busy", layers.Linux, []any{ask(p), sa(1, p, 1), ask(p), no(16, p), sa(2, p, 2), sa(0, p, 3)},
			"DUMP #3 of pid=412(setkey): 0 records, refused with errno 16; DUMP #1 of pid=412(setkey): 3 records |"},
		{"two sockets of one process", layers.Linux, []any{ask(p), sa(1, p, 1), sa(2, p, 2), ask(p), sa(1, p, 11), sa(3, p, 3), sa(2, p, 12), sa(4, p, 4), sa(0, p, 13), sa(5, p, 5), sa(0, p, 6)},
			// Whose end the first one is cannot be told, but nothing is missing.
			"DUMP #1 of pid=412(setkey): 5 records; DUMP #4 of pid=412(setkey): 4 records |"},
		{"given up, and again", layers.Linux, []any{ask(p), sa(1, p, 1), sa(2, p, 2), ask(p), sa(1, p, 1), sa(2, p, 2), sa(3, p, 3), sa(0, p, 4)},
			"DUMP #4 of pid=412(setkey): 4 records | DUMP #1 of pid=412(setkey): 2 records, not the last one (seq 0): incomplete"},
		{"second copies", layers.Linux, []any{own(ask(p)), ask(p), sa(1, p, 1), sa(1, p, 1), sa(0, p, 2), sa(0, p, 2)}, "DUMP #1 of pid=412(setkey): 2 records |"},
		{"other messages", layers.Linux, []any{ask(p), sa(1, p, 1), get(4, p), state(layers.GET, 4, p, 0), flush(5, p), flush(5, p), sa(0, p, 2)},
			"DUMP #1 of pid=412(setkey): 2 records |"},
		{"short", layers.Linux, []any{ask(p)[:15], []byte{}}, "|"},

		{"KAME counts down", layers.FreeBSD, []any{sa(2, p, 1), sa(1, p, 2), sa(0, p, 3)}, "DUMP #1 of pid=412(setkey): 3 records |"},
		{"KAME, own request", layers.NetBSD, []any{own(ask(p)), sa(1, p, 2), sa(0, p, 3)}, "DUMP #1 of pid=412(setkey): 2 records |"},
		{"KAME, wrapped copies", layers.FreeBSD, []any{wrap(sa(1, p, 1)), wrap(sa(0, p, 2))}, "DUMP #1 of pid=412(setkey): 2 records |"},
		{"KAME, one is missing", layers.MacOS, []any{sa(3, p, 1), sa(1, p, 2), sa(0, p, 3)},
			"1 missing at #2; DUMP #1 of pid=412(setkey): 3 records, 1 missing: incomplete |"},
		{"KAME, the end is missing", layers.FreeBSD, []any{sa(3, p, 1), sa(2, p, 2), sa(3, p, 3), sa(2, p, 4), sa(1, p, 5), sa(0, p, 6)},
			"DUMP #3 of pid=412(setkey): 4 records | DUMP #1 of pid=412(setkey): 2 records, not the last one (seq 0): incomplete"},
		{"OpenBSD", layers.OpenBSD, []any{sa(7, p, 1), sa(7, p, 2), sa(0, p, 3)}, "DUMP #1 of pid=412(setkey): 3 records |"},
		{"illumos", layers.Illumos, []any{sa(9, p, 1), sa(4, p, 2), bare(layers.DUMP, 0, 0, 7, p)}, "DUMP #1 of pid=412(setkey): 2 records |"},
		{"RFC 2367 does not tell", layers.RFC2367, []any{sa(2, p, 1)}, "|"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			said, ds := follow(source(layers.Codec{Dialect: tc.dialect, Order: layers.LittleEndian}, tc.in))
			said = []string{strings.Join(said, "; "), "|", ""}
			var left []string
			for d := ds.End(); d != nil; d = ds.End() {
				left = append(left, d.String())
			}
			said[2] = strings.Join(left, "; ")
			if got := strings.TrimSpace(strings.Join(said, " ")); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// TestDumpsGone: what a process that is gone did not read to its end.
func TestDumpsGone(t *testing.T) {
	_, ds := follow(source(linux, []any{bare(layers.DUMP, 0, 0, 1, 412), state(layers.DUMP, 1, 412, 1),
		bare(layers.SPDDUMP, 0, 0, 1, 412), policy(layers.SPDDUMP, 1, 412, 1), bare(layers.DUMP, 0, 0, 2, 412), state(layers.DUMP, 1, 500, 1)}))
	var got []string
	for d := ds.Gone(412); d != nil; d = ds.Gone(412) {
		got = append(got, fmt.Sprint(d.Number, d.Policies, d.Records, d.Incomplete()))
	}
	if want := "[1 false 1 true 3 true 1 true]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if d := ds.End(); d == nil || d.PID != 500 || ds.End() != nil {
		t.Errorf("left: %v", d)
	}
}

// TestDumpsMemory: dumps that nobody finishes do not pile up, and the oldest goes
// first.
func TestDumpsMemory(t *testing.T) {
	var ms []any
	for i := range uint32(1000) {
		ms = append(ms, state(layers.DUMP, 1, i, 1))
	}
	_, ds := follow(source(linux, ms))
	n := 0
	for d := ds.End(); d != nil; d = ds.End() {
		if n == 0 && d.PID != 936 {
			t.Errorf("the oldest is that of %d", d.PID)
		}
		n++
	}
	if n != 64 {
		t.Errorf("%d are remembered", n)
	}
}

// TestDumpsGolden: in real streams every dump is complete, and if any one answer is
// left out, just that is said.
func TestDumpsGolden(t *testing.T) {
	dumps, cuts := 0, 0
	for _, g := range loadGolden(t) {
		said, ds := follow(g.play(-1))
		for _, s := range said {
			dumps++
			if strings.Contains(s, "incomplete") || strings.Contains(s, "missing") {
				t.Errorf("%s: %s", g.name, s)
			}
		}
		if d := ds.End(); d != nil {
			t.Errorf("%s: at the end %v", g.name, d)
		}
		for i, m := range g.messages {
			dump := m.data[1] == layers.DUMP || m.data[1] == layers.SPDDUMP
			if !dump || len(m.data) == layers.BaseLen || g.want[i].role != trace.Reply || i+1 < len(g.want) && g.want[i+1].role == trace.Twin {
				continue
			}
			if next := g.after(i); next != nil && next[8]|next[9]|next[10]|next[11] == 0 {
				continue // right before the last one
			}
			answers := 0
			for _, w := range g.want {
				if w.role == trace.Reply && w.replyTo == g.want[i].replyTo {
					answers++
				}
			}
			if answers == 1 {
				continue // nothing is left of it
			}
			cuts++
			said, ds := follow(g.play(i))
			var bad []string
			for _, s := range said {
				if strings.Contains(s, "incomplete") {
					bad = append(bad, s)
				}
			}
			for d := ds.End(); d != nil; d = ds.End() {
				bad = append(bad, d.String())
			}
			if len(bad) != 1 {
				t.Errorf("%s without message %d: %q", g.name, i+1, bad)
			}
		}
	}
	t.Logf("%d dumps, %d answers left out", dumps, cuts)
	if dumps < 10 || cuts < 40 {
		t.Error("the streams show too little")
	}
}

// after finds the next message with the type and process of message i.
func (g *golden) after(i int) []byte {
	for _, m := range g.messages[i+1:] {
		if m.data[1] == g.messages[i].data[1] && string(m.data[12:16]) == string(g.messages[i].data[12:16]) {
			return m.data
		}
	}
	return nil
}

// TestDumpsRandom: no false alarm, and every answer that is left out in the middle
// is counted.
func TestDumpsRandom(t *testing.T) {
	for seed := range uint64(100) {
		ms := recording(seed, 400, false)
		p := &play{codec: linux, messages: ms, lost: -1}
		said, ds := follow(p)
		for _, s := range said {
			if strings.Contains(s, "incomplete") || strings.Contains(s, "missing") {
				t.Fatalf("seed %d: %s", seed, s)
			}
		}
		if d := ds.End(); d != nil {
			t.Fatalf("seed %d: at the end %v", seed, d)
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		var kept []message
		lost := 0
		for _, m := range ms {
			dump := m.data[1] == layers.DUMP || m.data[1] == layers.SPDDUMP
			if dump && len(m.data) > layers.BaseLen && m.data[8] != 0 && rng.IntN(5) == 0 {
				lost++
				continue
			}
			kept = append(kept, m)
		}
		said, _ = follow(&play{codec: linux, messages: kept, lost: -1})
		counted := 0
		for _, s := range said {
			var n, at int
			if k, _ := fmt.Sscanf(s, "%d missing at #%d", &n, &at); k == 2 {
				counted += n
			}
		}
		// What is missing right before the last one cannot be counted.
		if counted > lost || lost > 20 && counted < lost/2 {
			t.Fatalf("seed %d: %d left out, %d counted", seed, lost, counted)
		}
	}
}

func TestDumpsAllocs(t *testing.T) {
	ms := []any{bare(layers.DUMP, 0, 0, 1, 412)}
	for i := range uint32(50) {
		ms = append(ms, state(layers.DUMP, i+1, 412, i))
	}
	ms = append(ms, state(layers.DUMP, 0, 412, 99))
	p := source(linux, ms)
	tr := trace.New(trace.Options{Promisc: record.Yes, Lossless: true})
	var ds trace.Dumps
	run := func() {
		for p.i = 0; ; {
			r, err := p.Next()
			if err != nil {
				return
			}
			tr.Annotate(r)
			ds.Add(r)
		}
	}
	run()
	if n := testing.AllocsPerRun(20, run); n > 0 {
		t.Errorf("%v allocations for a dump", n)
	}
}
