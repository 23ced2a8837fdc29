package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/report"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// pageData is the JSON of a page.
func pageData(t testing.TB, page string) string {
	t.Helper()
	_, after, ok := strings.Cut(page, `<script type="application/json" id="data">`)
	data, _, ok2 := strings.Cut(after, "</script>")
	if !ok || !ok2 {
		t.Fatalf("a page without data: %.200s", page)
	}
	return data
}

// TestReportData holds what the script of the page gets to a golden file, an object a
// line.
func TestReportData(t *testing.T) {
	got := pageData(t, command(t, "report", "-o", "-", "../../fixtures/linux/uml-x86_64/flush/P-promisc.pcapng"))
	got = strings.NewReplacer("},{", "},\n{", `],"`, "],\n\"", `","  `, "\",\n\"  ").Replace(got)
	golden(t, "testdata/report/flush.json", got)
}

// capture are the records of a capture again and again, with numbers and times that go
// on and the roles they play.
func capture(t testing.TB, name string) func(g *gathering, n int) {
	t.Helper()
	in := trace.NewReader(&slice{records(t, filepath.Join("../../fixtures/linux", name))}, trace.Options{Promisc: record.Yes})
	var list []*record.Record
	var roles []trace.Role
	for {
		r, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		list, roles = append(list, r.Clone()), append(roles, in.Role())
	}
	var number uint64
	return func(g *gathering, n int) {
		for range n {
			i := number % uint64(len(list))
			r := *list[i]
			round := number - i
			number++
			r.Number = number
			r.Time = r.Time.Add(time.Duration(round) * 100 * time.Millisecond)
			if r.ReplyTo != 0 {
				r.ReplyTo += round
			}
			if r.TwinOf != 0 {
				r.TwinOf += round
			}
			g.Add(&r, roles[i])
		}
	}
}

// slice is a source of records.
type slice struct{ list []*record.Record }

func (s *slice) Next() (*record.Record, error) {
	if len(s.list) == 0 {
		return nil, io.EOF
	}
	r := s.list[0]
	s.list = s.list[1:]
	return r, nil
}

// TestReportLeavesOut: what is left out is in the middle, and is said.
func TestReportLeavesOut(t *testing.T) {
	g, err := newGathering(100, "", record.NewHider(record.Salt{1}).ID)
	if err != nil {
		t.Fatal(err)
	}
	capture(t, "uml-x86_64-iked/iked-left-promisc/promisc.pcapng")(g, 5700)
	g.Finish()
	p := g.page(&input{name: "x.pcapng", file: true}, nil)
	m := p.Data.Messages
	if len(m) != 100 || m[0].Number != 1 || m[99].Number != 5699 {
		t.Fatalf("%d messages, from %d to %d", len(m), m[0].Number, m[len(m)-1].Number)
	}
	if len(p.Data.Gaps) != 1 || p.Data.Gaps[0] != (report.Gap{After: m[49].Number, Count: 4300 - 100}) {
		t.Errorf("gaps %+v after #%d", p.Data.Gaps, m[49].Number)
	}
	if len(p.Notes) == 0 || !strings.HasPrefix(p.Notes[0], "4200 messages between #") {
		t.Errorf("notes %q", p.Notes)
	}
	if len(p.Data.Lives) != 100 || !strings.Contains(strings.Join(p.Notes, "\n"), "500 SAs are not on the timeline") {
		t.Errorf("%d lives, notes %q", len(p.Data.Lives), p.Notes)
	}
	if s := p.Tiles[2]; s.Value != "4300" || s.More != "and 1400 second copies" {
		t.Errorf("%+v", s)
	}
}

// TestReportMemory: more messages take no more memory.
func TestReportMemory(t *testing.T) {
	g, err := newGathering(200, "", record.NewHider(record.Salt{1}).ID)
	if err != nil {
		t.Fatal(err)
	}
	add := capture(t, "uml-x86_64/expire/P-promisc.pcapng")
	used := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	add(g, 220_000) // as many SAs as are remembered
	before := used()
	add(g, 60_000)
	if grown := used() - before; grown > 4<<20 {
		t.Errorf("%d bytes more in use after 60,000 more records", grown)
	}
	runtime.KeepAlive(g)
}

// BenchmarkReport makes the page of 10,000 messages.
func BenchmarkReport(b *testing.B) {
	var n int64
	for b.Loop() {
		g, err := newGathering(10_000, "", record.NewHider(record.Salt{1}).ID)
		if err != nil {
			b.Fatal(err)
		}
		capture(b, "uml-x86_64/expire/P-promisc.pcapng")(g, 11_304) // with second copies
		g.Finish()
		if n, err = g.page(&input{name: "x.pcapng", file: true}, nil).WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n), "bytes/page")
}

// TestReportFails: a page that cannot be written leaves nothing behind, and does not
// take away what was there.
func TestReportFails(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.html")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	if status := run(context.Background(), []string{"pfkeycap", "report", "../../fixtures/demo/demo.pcapng", "-o", old}, strings.NewReader(""), &out, &errs); status != exitUsage || !strings.Contains(errs.String(), "--overwrite") {
		t.Errorf("exit status %d, %s", status, errs.String())
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("%q, %v", b, err)
	}
}
