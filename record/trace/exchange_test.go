package trace_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// describe writes an exchange as "request 1: 2 3 +1", with "..." if it is not
// complete.
func describe(x *trace.Exchange) string {
	var b strings.Builder
	fmt.Fprint(&b, x.Role)
	if x.Request != nil {
		fmt.Fprintf(&b, " %d", x.Request.Number)
	}
	b.WriteByte(':')
	for _, a := range x.Answers {
		fmt.Fprintf(&b, " %d", a.Number)
	}
	if x.Twins > 0 {
		fmt.Fprintf(&b, " +%d", x.Twins)
	}
	if !x.Complete {
		b.WriteString(" ...")
	}
	return b.String()
}

func TestExchanges(t *testing.T) {
	const p, q = 412, 500
	yes := trace.Options{Promisc: record.Yes}
	var dumped []any
	dumped = append(dumped, bare(layers.DUMP, 0, 0, 5, p))
	for i := range uint32(100) {
		dumped = append(dumped, state(layers.DUMP, i+1, p, 0))
	}
	var many []any // requests that nobody answers
	for i := range uint32(70) {
		many = append(many, get(i, p))
	}
	for _, tc := range []struct {
		name string
		in   []any
		want []string
	}{
		{"one", []any{get(1, p), state(layers.GET, 1, p, 0)}, []string{"request 1: 2"}},
		{"broadcast, event and foreign", []any{add(1, p), state(layers.ADD, 1, p, 0), state(layers.ADD, 1, p, 0),
			with(header(layers.ACQUIRE, 0, 3, 21, 0), 0, extSrc, extDst, extPolicy), policy(layers.SPDADD, 9, 0, 2), policy(layers.SPDADD, 9, 0, 2)},
			[]string{"request 1: 2 +1", "event: 4", "foreign: 5 +1"}},
		{"overtaking", []any{get(1, p), get(1, q), state(layers.GET, 1, q, 0), bare(layers.GET, 3, 3, 1, p)}, []string{"request 1: 4", "request 2: 3"}},
		{"flush with two answers", []any{state(layers.ADD, 3, q, 0), state(layers.ADD, 3, q, 0), flush(0, p), flush(0, p), flush(0, p), flush(0, p)},
			[]string{"foreign: 1 +1", "request 3: 4 5 +1"}},
		{"no answer to a failure report", []any{bare(layers.ACQUIRE, 110, 3, 9, p)}, []string{"request 1:"}},
		{"no answer", []any{get(1, p)}, []string{"request 1: ..."}},
		{"dump", []any{bare(layers.DUMP, 0, 0, 5, p), state(layers.DUMP, 1, p, 0), get(1, q), state(layers.GET, 1, q, 0), state(layers.DUMP, 0, p, 0)},
			[]string{"request 1: 2 5", "request 3: 4"}},
		{"unfinished dump", dumped[:4], []string{"request 1: 2 3 4 ..."}},
		{"not decided", []any{flush(201, p), flush(201, p)}, []string{"unknown: 1", "unknown: 2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for x, err := range trace.Exchanges(source(linux, tc.in), yes) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, describe(x))
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q\nwant %q", got, tc.want)
			}
		})
	}
	t.Run("many without an answer", func(t *testing.T) {
		n := 0
		for x, err := range trace.Exchanges(source(linux, many), yes) {
			if err != nil || x.Complete || x.Request.Number != uint64(n+1) {
				t.Fatalf("exchange %d: %s, %v", n+1, describe(x), err)
			}
			n++
		}
		if n != len(many) {
			t.Errorf("%d exchanges, want %d", n, len(many))
		}
	})
	t.Run("stop early", func(t *testing.T) {
		for range trace.Exchanges(source(linux, many), yes) {
			break
		}
	})
}

// TestExchangesGolden accounts for every record of the real streams.
func TestExchangesGolden(t *testing.T) {
	for _, g := range loadGolden(t) {
		n := 0
		for x, err := range trace.Exchanges(g.play(-1), trace.Options{Promisc: record.No}) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(x.Answers) + x.Twins
			if x.Request != nil {
				n++
			}
			if x.Role == trace.Request && x.Complete == g.refused[x.Request.Number] && g.name != "iked-left-own" {
				t.Errorf("%s: %s", g.name, describe(x))
			}
			for _, a := range x.Answers {
				if string(a.Data) != string(g.messages[a.Number-1].data) {
					t.Fatalf("%s: record %d has other bytes than it came with", g.name, a.Number)
				}
			}
		}
		if n != len(g.messages) {
			t.Errorf("%s: %d records in exchanges, want %d", g.name, n, len(g.messages))
		}
	}
}

var errTorn = errors.New("torn")

type torn struct{ *play }

func (s torn) Next() (*record.Record, error) {
	r, err := s.play.Next()
	if err == io.EOF {
		err = errTorn
	}
	return r, err
}

// TestSourceError passes an error on, after all records.
func TestSourceError(t *testing.T) {
	in := []any{get(1, 412), flush(2, 412)} // the second is held back
	r := trace.NewReader(torn{source(linux, in)}, trace.Options{Promisc: record.Yes})
	for i := range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatalf("record %d: %v", i+1, err)
		}
	}
	for range 2 {
		if _, err := r.Next(); err != errTorn {
			t.Fatalf("after the last record: %v", err)
		}
	}
	var last error
	n := 0
	for x, err := range trace.Exchanges(torn{source(linux, in)}, trace.Options{Promisc: record.Yes}) {
		if x != nil {
			n++
		}
		last = err
	}
	if n != 2 || last != errTorn {
		t.Errorf("%d exchanges, then %v", n, last)
	}
}

func TestAnswers(t *testing.T) {
	const pid, setidx = 412, layers.SPDSETIDX
	ask := func(typ uint8) []byte { return bare(typ, 0, 3, 7, pid) }
	for _, tc := range []struct {
		name       string
		dialect    layers.Dialect
		request, m []byte
		want       bool
	}{
		{"the type", layers.Linux, ask(layers.GET), bare(layers.GET, 3, 3, 7, pid), true},
		{"another type", layers.Linux, ask(layers.GET), bare(layers.ADD, 0, 3, 7, pid), false},
		{"another process", layers.Linux, ask(layers.GET), bare(layers.GET, 0, 3, 7, pid+1), false},
		{"dumps count", layers.Linux, ask(layers.DUMP), bare(layers.DUMP, 0, 3, 1, pid), true},
		{"no header", layers.Linux, ask(layers.GET), nil, false},
		{"Linux renames SPDSETIDX", layers.Linux, ask(setidx), policy(layers.SPDADD, 7, pid, 2), true},
		{"but not if it refuses it", layers.Linux, ask(setidx), bare(layers.SPDADD, 22, 0, 7, pid), false},
		{"nobody else does", layers.FreeBSD, ask(setidx), policy(layers.SPDADD, 7, pid, 2), false},
		{"what Linux tells of a MIGRATE", layers.Linux, ask(layers.MIGRATE), bare(layers.MIGRATE, 0, 0, 0, 0), true},
		{"when there was none", layers.Linux, ask(layers.GET), bare(layers.MIGRATE, 0, 0, 0, 0), false},
		{"its refusal", layers.Linux, ask(layers.MIGRATE), bare(layers.MIGRATE, 22, 0, 7, pid), true},
		{"illumos and a type that it does not know", layers.Illumos, ask(99), bare(0, 22, 3, 7, pid), true},
		{"not without an error", layers.Illumos, ask(99), bare(0, 0, 3, 7, pid), false},
		{"not from others", layers.NetBSD, ask(99), bare(0, 22, 3, 7, pid), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var request, m layers.Message
			for _, x := range []struct {
				m *layers.Message
				b []byte
			}{{&request, tc.request}, {&m, tc.m}} {
				x.m.Codec = layers.Codec{Dialect: tc.dialect, Order: layers.LittleEndian}
				_ = x.m.DecodeFromBytes(x.b, nil)
			}
			if got := trace.Answers(&request, &m); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestLateDump has a dump whose first answer comes late, because its sender has other
// answers to read first, while another process asks.
func TestLateDump(t *testing.T) {
	const p, q = 412, 500
	for _, between := range []uint32{10, 70, 1000} {
		in := []any{bare(layers.DUMP, 0, 0, 5, p)}
		for i := range between {
			in = append(in, get(i+1, q), state(layers.GET, i+1, q, 0))
		}
		in = append(in, state(layers.DUMP, 1, p, 0), state(layers.DUMP, 0, p, 0))
		for x, err := range trace.Exchanges(source(linux, in), trace.Options{Promisc: record.Yes}) {
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("request 1: %d %d", len(in)-1, len(in))
			if x.Role != trace.Request || x.Request.Number == 1 && describe(x) != want {
				t.Errorf("%d exchanges between: %s, want %s", between, describe(x), want)
			}
		}
	}
}

// TestAbandonedDumps has dumps that are never answered: they must not take the room of
// requests that are.
func TestAbandonedDumps(t *testing.T) {
	var in []any
	for i := range uint32(200) {
		in = append(in, bare(layers.DUMP, 0, 0, 5, 1000+i))
	}
	for i := range uint32(100) {
		in = append(in, get(i+1, 412), get(i+1, 413), bare(layers.GET, 3, 3, i+1, 412), bare(layers.GET, 3, 3, i+1, 413))
	}
	complete := 0
	for x, err := range trace.Exchanges(source(linux, in), trace.Options{Promisc: record.Yes}) {
		if err != nil {
			t.Fatal(err)
		}
		if x.Complete {
			complete++
		}
	}
	if complete != 200 {
		t.Errorf("%d exchanges are complete, want 200", complete)
	}
}
