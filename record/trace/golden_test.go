package trace_test

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// golden is a real stream with what is to be found out about it.
type golden struct {
	name     string
	codec    layers.Codec
	messages []message
	want     []found
	refused  map[uint64]bool // requests that are refused by write(2) alone, by number
}

func loadGolden(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	var all []golden
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		g := golden{name: strings.TrimSuffix(filepath.Base(name), ".txt"), codec: linux, refused: map[uint64]bool{}}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			w := strings.Fields(sc.Text())
			switch {
			case strings.HasPrefix(sc.Text(), "#"):
				continue
			case w[0] == "dialect":
				if g.codec.Dialect, err = layers.ParseDialect(w[1]); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				continue
			case w[0] == "order":
				if g.codec.Order, err = layers.ParseOrder(w[1]); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				continue
			}
			m := message{own: w[1] == ">>", dir: record.FromKernel}
			if m.own || w[1] == ">" {
				m.dir = record.ToKernel
			}
			if m.data, err = hex.DecodeString(w[4]); err != nil {
				t.Fatalf("%s: message %s: %v", name, w[0], err)
			}
			want := found{dir: m.dir}
			var about uint64
			if w[3] != "-" {
				if about, err = strconv.ParseUint(w[3], 10, 64); err != nil {
					t.Fatalf("%s: message %s: %v", name, w[0], err)
				}
			}
			switch w[2] {
			case "undecided":
				want.dir = record.Unknown
			case "request":
				want.role = trace.Request
			case "refused":
				want.role = trace.Request
				g.refused[uint64(len(g.messages)+1)] = true
			case "none":
			case "reply":
				want.role, want.replyTo = trace.Reply, about
			case "twin":
				want.role, want.twinOf = trace.Twin, about
			case "event":
				want.role = trace.Event
			case "foreign":
				want.role = trace.Foreign
			default:
				t.Fatalf("%s: message %s: role %q", name, w[0], w[2])
			}
			g.messages = append(g.messages, m)
			g.want = append(g.want, want)
		}
		if err := sc.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.Close()
		all = append(all, g)
	}
	return all
}

func (g *golden) play(lost int) *play {
	return &play{codec: g.codec, messages: g.messages, lost: lost}
}

func TestGolden(t *testing.T) {
	var decided, all int
	for _, g := range loadGolden(t) {
		t.Run(g.name, func(t *testing.T) {
			got := read(t, g.play(-1), trace.Options{Promisc: record.No})
			for i := range g.messages {
				if got[i] != g.want[i] {
					t.Errorf("message %d (type %d, %d bytes): found %+v, want %+v", i+1, g.messages[i].data[1], len(g.messages[i].data), got[i], g.want[i])
				}
			}
			d, a := judge(t, "all", g.messages, -1, got)
			decided, all = decided+d, all+a
		})
	}
	t.Logf("%d of %d directions decided (%.2f%%)", decided, all, 100*float64(decided)/float64(all))
	if float64(decided) < 0.995*float64(all) {
		t.Error("want 99.5%")
	}
}

// TestGoldenLive goes without looking ahead, and with less knowledge of the
// listener: less is decided, nothing wrongly.
func TestGoldenLive(t *testing.T) {
	for _, tc := range []struct {
		name  string
		o     trace.Options
		ahead bool
		share float64
	}{
		{"live", trace.Options{Promisc: record.No}, false, 0.95},
		{"live, nothing is lost", trace.Options{Promisc: record.No, Lossless: true}, false, 0.995},
		{"nothing is lost", trace.Options{Promisc: record.No, Lossless: true}, true, 1},
		{"nothing known of the socket", trace.Options{}, true, 0.95},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var decided, all int
			for _, g := range loadGolden(t) {
				var got []found
				if tc.ahead {
					got = read(t, g.play(-1), tc.o)
				} else {
					got = live(g.play(-1), tc.o)
				}
				d, a := judge(t, g.name, g.messages, -1, got)
				decided, all = decided+d, all+a
			}
			t.Logf("%d of %d directions decided (%.2f%%)", decided, all, 100*float64(decided)/float64(all))
			if float64(decided) < tc.share*float64(all) {
				t.Errorf("want %.1f%%", 100*tc.share)
			}
		})
	}
}

// TestGoldenLoss leaves out every single message and says nothing of it.
func TestGoldenLoss(t *testing.T) {
	var decided, all int
	for _, g := range loadGolden(t) {
		for lost := range g.messages {
			if g.messages[lost].own {
				continue
			}
			d, a := judge(t, g.name, g.messages, lost, read(t, g.play(lost), trace.Options{Promisc: record.No}))
			decided, all = decided+d, all+a
			judge(t, g.name+" live", g.messages, lost, live(g.play(lost), trace.Options{Promisc: record.No}))
		}
	}
	t.Logf("%d of %d directions decided (%.2f%%)", decided, all, 100*float64(decided)/float64(all))
	if float64(decided) < 0.99*float64(all) {
		t.Error("want 99%")
	}
}

// TestGoldenOnlyRead leaves out what the recording program wrote, its requests
// included, and every single message besides.
func TestGoldenOnlyRead(t *testing.T) {
	for _, g := range loadGolden(t) {
		var ms []message
		promisc := false
		for _, m := range g.messages {
			if !m.own {
				ms = append(ms, m)
			}
			promisc = promisc || m.own && m.data[1] == layers.PROMISC && m.data[3] == 1
		}
		p := []record.Answer{record.NotKnown, record.No}
		if promisc {
			p[1] = record.Yes
		}
		for _, p := range p {
			for lost := -1; lost < len(ms); lost++ {
				judge(t, g.name, ms, lost, read(t, &play{codec: g.codec, messages: ms, lost: lost}, trace.Options{Promisc: p}))
			}
		}
	}
}

// TestGoldenAgain reads what a live recorder has annotated.
func TestGoldenAgain(t *testing.T) {
	for _, g := range loadGolden(t) {
		for _, lossless := range []bool{true, false} {
			first := live(g.play(-1), trace.Options{Promisc: record.No, Lossless: lossless})
			dirs := make([]record.Direction, len(first))
			for i := range first {
				dirs[i] = first[i].dir
			}
			p := g.play(-1)
			p.dirs = dirs
			again := read(t, p, trace.Options{Promisc: record.Yes})
			judge(t, g.name, g.messages, -1, again)
			if !lossless {
				continue
			}
			for i := range first {
				if strings.HasSuffix(g.name, "plain") || g.name == "visibility-sender" || strings.HasSuffix(g.name, "-own") {
					continue // nobody said that it was no promiscuous socket
				}
				if g.messages[i].data[1] == layers.ACQUIRE {
					continue // without an answer a copy cannot be told from the same again
				}
				if again[i] != first[i] && first[i].role != trace.Unknown && i > 0 {
					t.Errorf("%s: message %d: first %+v, again %+v", g.name, i+1, first[i], again[i])
				}
			}
		}
	}
}
