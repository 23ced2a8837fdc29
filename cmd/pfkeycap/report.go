package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/report"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

func reportCommand() *cli.Command {
	return &cli.Command{
		Usage:     "make a page to look at: one HTML file that needs nothing else",
		ArgsUsage: "FILE -o OUT.html",
		Description: `Writes one HTML file that shows a capture in a browser: numbers and findings, the lives
of the SAs on a timeline, and the messages as a ladder between processes and the kernel,
each with its tree. It has everything in it and asks nobody for anything, so it can be
sent around; no key is in it, only key ids.

The ladder shows at most --max messages, the first and the last half of them, and the
timeline as many SAs; second copies are left out. The page says so where it leaves
something out, and what is counted and found is always of the whole capture. With -Y
the ladder shows only messages that EXPR is true for.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the page to `FILE`, - for standard output"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE"},
			&cli.StringFlag{Name: "display-filter", Aliases: []string{"Y"}, Usage: "show only messages that `EXPR` is true for, as for decode"},
			&cli.IntFlag{Name: "max", Usage: "show at most `N` messages, and as many SAs", Value: 10_000},
		}, inputFlags()...),
		Action: reportAction,
	}
}

const (
	reportBytes = 64 << 20 // of messages that are shown
	reportTree  = 400      // lines of one message's tree
	reportText  = 4 << 10  // bytes of one message's line
)

func reportAction(c *cli.Context) error {
	args := c.Args().Slice()
	out := c.String("output")
	switch {
	case len(args) == 0:
		return usagef("which file? (\"-\" is standard input)")
	case len(args) > 1:
		return usagef("one file at a time: %q is one too many", args[1])
	case out == "":
		return usagef("where to? -o OUT.html (or -o - for standard output)")
	case out == "-" && isTerminal(standardOutput(c)):
		return usagef("a page is not for a terminal: redirect standard output, or name a file with -o")
	case c.Int("max") < 2:
		return usagef("--max %d: want at least 2", c.Int("max"))
	}
	in, err := openInput(c, args[0])
	if err != nil {
		return err
	}
	defer in.Close()
	g, err := newGathering(c.Int("max"), c.String("display-filter"), in.ids)
	if err != nil {
		return err
	}
	rerr := followLives(in, g, func() error { return nil })
	page := g.page(in, rerr)
	if err := writePage(c, out, page); err != nil {
		return err
	}
	return rerr
}

// writePage writes the page to a file that nobody else may read: it has no keys, but
// says who talks to whom.
func writePage(c *cli.Context, name string, page *report.Page) error {
	if name == "-" {
		_, err := page.WriteTo(c.App.Writer)
		return err
	}
	f, err := record.CreatePrivate(name, c.Bool("overwrite"))
	if err != nil {
		return createError(err)
	}
	_, err = page.WriteTo(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return &statusError{exitDamage, errors.Join(err, os.Remove(name))}
	}
	return nil
}

// gathering gathers what a page shows. Its memory is bounded.
type gathering struct {
	max      int            // messages that are shown
	match    *filter.Filter // nil if all
	expr     string         // its source
	stats    *statistics
	findings *trace.Findings
	lives    *trace.Lives
	shown    ends[*record.Record]
	roles    map[uint64]trace.Role // of those that are shown
	sas      ends[*trace.Life]
	ended    map[trace.Ending]int
	policies int
	hidden   uint64 // by the filter
	dialects map[layers.Codec]bool
	ids      func(*record.Record, []byte, int) [4]byte
}

// newGathering shows at most n messages, and of these only those that expr is true
// for. ids names keys.
func newGathering(n int, expr string, ids func(*record.Record, []byte, int) [4]byte) (*gathering, error) {
	g := &gathering{
		max: n, expr: expr, stats: newStatistics(), ids: ids,
		findings: trace.NewFindings(trace.FindingOptions{ID: ids}),
		roles:    map[uint64]trace.Role{}, ended: map[trace.Ending]int{}, dialects: map[layers.Codec]bool{},
	}
	if expr != "" {
		var err error
		if g.match, err = filter.Compile(expr, filter.Options{ID: ids}); err != nil {
			return nil, usagef("%w", err)
		}
	}
	g.shown = ends[*record.Record]{max: n, maxBytes: reportBytes, size: func(r *record.Record) int { return len(r.Data) + len(r.True) + 256 }}
	g.sas = ends[*trace.Life]{max: n, maxBytes: reportBytes, size: func(x *trace.Life) int { return len(x.Birth.Data) + 512 }}
	g.lives = trace.NewLives(trace.LifeOptions{ID: ids, SA: func(x *trace.Life) {
		g.ended[x.Ended]++
		g.sas.add(x)
	}, Policy: func(*trace.PolicyLife) { g.policies++ }})
	return g, nil
}

// Add takes a record.
func (g *gathering) Add(r *record.Record, role trace.Role) {
	g.stats.add(r)
	g.findings.Add(r, role)
	g.lives.Add(r, role)
	if len(g.dialects) < 16 {
		g.dialects[r.Codec] = true
	}
	switch {
	case r.TwinOf != 0:
		return
	case g.match != nil && !g.match.Match(r):
		g.hidden++
		return
	}
	g.shown.add(r.Clone())
	g.roles[r.Number] = role
	if len(g.roles) > 4*g.max+1024 { // most are of records that are shown no more
		kept := make(map[uint64]trace.Role, g.max)
		for _, list := range [][]*record.Record{g.shown.first, g.shown.last} {
			for _, r := range list {
				kept[r.Number] = g.roles[r.Number]
			}
		}
		g.roles = kept
	}
}

// Finish ends the recording.
func (g *gathering) Finish() {
	g.findings.Finish()
	g.lives.Finish()
}

// page makes the page. err is how reading the input has ended.
func (g *gathering) page(in *input, err error) *report.Page {
	name := in.name
	if in.file {
		name = filepath.Base(in.name)
	}
	p := &report.Page{Title: name, About: g.about(in), Foot: "pfkeycap " + versionString() + ", from " + name + ". Keys are named by key ids; no key is in this page."}
	p.Data = report.Data{Schema: 1, File: name, Show: "pfkeycap decode -v -Y 'number == N' " + shellWord(name)}
	since := g.stats.first
	if !since.IsZero() {
		p.Data.First = since.UTC().Format(time.RFC3339Nano)
	}
	g.messages(&p.Data, since)
	g.timeline(&p.Data, since)
	g.found(p)
	g.notes(p, err)
	p.Tiles = g.tiles(p)
	p.Tables = g.stats.tables()
	return p
}

// shellWord quotes a word for a POSIX shell where that is needed.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == "" && s != "" && s[0] != '-' {
		return s
	}
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (g *gathering) about(in *input) []string {
	var list []string
	var codecs []string
	for c := range g.dialects {
		codecs = append(codecs, c.String())
	}
	slices.Sort(codecs)
	if len(codecs) > 0 {
		list = append(list, strings.Join(codecs, ", "))
	}
	s := g.stats
	if !s.first.IsZero() {
		list = append(list, s.first.UTC().Format("2006-01-02 15:04:05.000000")+" UTC", "for "+s.last.Sub(s.first).Round(time.Microsecond).String())
	}
	switch in.meta.Promisc {
	case record.Yes:
		list = append(list, "promiscuous listener")
	case record.No:
		list = append(list, "listener that was not promiscuous: requests of others are not in it")
	}
	if in.filter != "" {
		list = append(list, "recorded with the filter "+strconv.Quote(in.filter))
	}
	return list
}

// messages decodes what is shown.
func (g *gathering) messages(d *report.Data, since time.Time) {
	w := messageWriter{
		data: d, since: since, index: map[string]int{},
		text: render.New(render.Options{Time: render.NoTime, ID: g.ids, Why: explain}),
		tree: render.New(render.Options{Time: render.NoTime, ID: g.ids, Verbose: 1}),
	}
	for _, r := range g.shown.first {
		w.add(r, g.roles[r.Number])
	}
	if g.shown.left > 0 {
		d.Gaps = append(d.Gaps, report.Gap{After: w.last, Count: g.shown.left})
	}
	for _, r := range g.shown.last {
		w.add(r, g.roles[r.Number])
	}
}

// messageWriter turns records into messages of a page.
type messageWriter struct {
	data       *report.Data
	since      time.Time
	last       uint64
	index      map[string]int // of lines
	text, tree *render.Printer
	buf        []byte
}

func (w *messageWriter) add(r *record.Record, role trace.Role) {
	m := decodedRecord(r)
	x := report.Message{
		Number: r.Number, Time: micros(r.Time, w.since), Dir: "?<>"[r.Dir%3 : r.Dir%3+1], Role: role.String(),
		Process: r.Process, ReplyTo: r.ReplyTo, Lost: r.Dropped, Tree: []int{},
	}
	if r.Gap && x.Lost == 0 {
		x.Lost = 1
	}
	errno := r.WriteErrno
	if len(m.Contents) >= layers.BaseLen {
		x.Type, x.Seq, x.PID = m.TypeName(), m.Seq, m.PID
		if s, ok := satypeCell(m).(string); ok && m.SAType != layers.SATypeUnspec {
			x.SAType = s
		}
		x.Src, x.Dst = addrWord(m.AddressSrc()), addrWord(m.AddressDst())
		if m.SA() != nil {
			x.SPI = spiText(m.SA().SPI)
		}
		if errno == 0 {
			errno = m.Errno
		}
	} else {
		x.Type = "(no header)"
	}
	if errno != 0 {
		if x.Errno = r.Codec.Dialect.ErrnoName(errno); x.Errno == "" {
			x.Errno = strconv.Itoa(int(errno))
		}
	}
	w.buf = w.text.Append(w.buf[:0], r)
	line := strings.TrimSuffix(string(w.buf), "\n")
	_, line, _ = strings.Cut(line, " ") // the number
	line = strings.TrimPrefix(line, x.Dir+" ")
	x.Text = cutText(line, reportText)
	w.buf = w.tree.Append(w.buf[:0], r)
	lines := strings.Split(strings.TrimSuffix(string(w.buf), "\n"), "\n")[1:]
	if len(lines) > reportTree {
		more := len(lines) - reportTree
		lines = append(lines[:reportTree:reportTree], fmt.Sprintf("… %d more lines: pfkeycap decode -v shows them", more))
	}
	for _, s := range lines {
		s = cutText(s, reportText)
		i, ok := w.index[s]
		if !ok {
			i = len(w.data.Lines)
			w.data.Lines = append(w.data.Lines, s)
			w.index[s] = i
		}
		x.Tree = append(x.Tree, i)
	}
	w.data.Messages = append(w.data.Messages, x)
	w.last = r.Number
}

// cutText shortens a text that is too long to be read, and says so.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return fmt.Sprintf("%s… (%d more bytes)", strings.ToValidUTF8(s[:n], ""), len(s)-n)
}

func addrWord(a *layers.Address) string {
	if a == nil || !a.Addr().IsValid() {
		return ""
	}
	return a.Addr().String()
}

// micros is a time on the page's clock, or nil.
func micros(t, since time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	n := t.UnixMicro() - since.UnixMicro() // as clocks show them, cut and not rounded
	return &n
}

// timeline describes the lives that are shown, by birth.
func (g *gathering) timeline(d *report.Data, since time.Time) {
	l := &listing{timeless: true}
	mark := func(p trace.Point) *report.Mark {
		if p.IsZero() {
			return nil
		}
		return &report.Mark{Number: p.Number, Time: micros(p.Time, since)}
	}
	list := slices.Concat(g.sas.first, g.sas.last)
	slices.SortStableFunc(list, func(a, b *trace.Life) int { return int(int64(a.Born.Number) - int64(b.Born.Number)) })
	for _, x := range list {
		encrypt, auth, mode := saNames(x)
		satype := strings.ToLower(x.TypeName)
		a, b := x.Src, x.Dst
		if b.Less(a) {
			a, b = b, a
		}
		name := fmt.Sprintf("%s %s > %s", satype, addrText(x.Src), addrText(x.Dst))
		line := string(l.saLine(x, encrypt, auth, mode))
		d.Lives = append(d.Lives, report.Life{
			Number: x.Born.Number, Name: name, SPI: spiText(x.SPI),
			Src: wordOf(x.Src), Dst: wordOf(x.Dst), Tunnel: fmt.Sprintf("%s %s %s %d", satype, addrText(a), addrText(b), x.ReqID), PID: x.PID,
			Text: line[strings.IndexByte(line, ' ')+1:], // without the number
			Born: *mark(x.Born), Mature: mark(x.Mature), Soft: mark(x.Soft), End: mark(x.End), Ended: x.Ended.String(),
			Larval: x.Larval, Older: madeOver(false, x.By) == "older", Prev: x.Prev.Number, Next: x.Next.Number, Pair: x.Pair.Number,
		})
	}
}

func wordOf(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (g *gathering) found(p *report.Page) {
	list, more := g.findings.All()
	slices.SortStableFunc(list, func(a, b trace.Finding) int { // warnings first
		switch {
		case a.Warning == b.Warning:
			return 0
		case a.Warning:
			return -1
		}
		return 1
	})
	for _, x := range list {
		f := report.Finding{Level: report.Note, Kind: string(x.Kind), Text: x.Text, Why: x.Why, Records: x.Records, Count: x.Count}
		if x.Warning {
			f.Level = report.Warning
		}
		if len(x.Records) == trace.MaxFindingRecords {
			f.MoreToShow = x.Count
		}
		p.Finding = append(p.Finding, f)
		p.Data.Findings = append(p.Data.Findings, x.Records)
	}
	if more > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d more findings are not listed.", more))
	}
}

// notes says what the page does not show.
func (g *gathering) notes(p *report.Page, err error) {
	if err != nil {
		p.Notes = append(p.Notes, "The capture is damaged; what came before is here: "+err.Error())
	}
	if n := g.shown.left; n > 0 {
		where := ""
		if m := p.Data.Messages; len(m) > 0 {
			after := slices.IndexFunc(m, func(m report.Message) bool { return m.Number > p.Data.Gaps[0].After })
			where = fmt.Sprintf(" between #%d and #%d", p.Data.Gaps[0].After, m[max(after, 0)].Number)
		}
		p.Notes = append(p.Notes, fmt.Sprintf("%s%s not shown, only counted: report --max shows more, -Y EXPR others.", plural(int(n), "message"), where))
	}
	if g.match != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("The ladder shows messages that %s is true for; %d others are only counted.", strconv.Quote(g.expr), g.hidden))
	}
	if n := g.sas.left; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d SAs are not on the timeline, only counted.", n))
	}
	if n := g.ended[trace.Dropped]; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("Too many SAs were alive at once: %d were not followed to their end.", n))
	}
	if g.stats.lost > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d messages were lost while recording.", g.stats.lost))
	}
}

func (g *gathering) tiles(p *report.Page) []report.Tile {
	s := g.stats
	var failed, events uint64
	for name, t := range s.types {
		failed += t.failed
		if name == "ACQUIRE" || name == "EXPIRE" {
			events += t.fromKernel
		}
	}
	var warnings, sas int
	for _, f := range p.Finding {
		if f.Level == report.Warning {
			warnings++
		}
	}
	for _, n := range g.ended {
		sas += n
	}
	level := func(bad bool) report.Level {
		if bad {
			return report.Warning
		}
		return report.Plain
	}
	processes := len(s.pids)
	if s.pids[0] != nil { // the kernel
		processes--
	}
	t := []report.Tile{
		{Value: strconv.Itoa(len(p.Finding)), Label: nounFor(len(p.Finding), "finding"), More: plural(warnings, "warning"), Level: level(warnings > 0)},
		{Value: strconv.FormatUint(failed, 10), Label: nounFor(int(failed), "error"), More: topErrnos(s.errnos), Level: level(failed > 0)},
		{Value: strconv.FormatUint(s.messages-s.copies, 10), Label: nounFor(int(s.messages-s.copies), "message")},
		{Value: strconv.Itoa(sas), Label: nounFor(sas, "SA"), More: fmt.Sprintf("%d there at the end", g.ended[trace.Alive])},
		{Value: strconv.Itoa(g.policies), Label: nounFor(g.policies, "policy")},
		{Value: strconv.FormatUint(events, 10), Label: "ACQUIRE, EXPIRE"},
		{Value: strconv.Itoa(processes), Label: nounFor(processes, "process")},
	}
	if s.copies > 0 {
		t[2].More = "and " + plural(int(s.copies), "second copy")
	}
	if s.others > 0 {
		t[6].Value += "+"
	}
	return t
}

// topErrnos names the most frequent ones.
func topErrnos(errnos map[string]uint64) string {
	names := slices.Sorted(maps.Keys(errnos))
	slices.SortStableFunc(names, func(a, b string) int { return int(int64(errnos[b]) - int64(errnos[a])) })
	if len(names) > 3 {
		names = append(names[:3], "…")
	}
	return strings.Join(names, ", ")
}

// tables are the counts for a page.
func (s *statistics) tables() []report.Table {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	types := report.Table{Title: "by type", Columns: []string{"type", "to kernel", "from kernel", "unknown", "copies", "failed", "answered", "p50", "p90", "p99", "max"}}
	for _, name := range slices.Sorted(maps.Keys(s.types)) {
		x := s.types[name]
		row := []string{name, number(x.toKernel), number(x.fromKernel), number(x.unknown), number(x.copies), number(x.failed), number(x.latency.n), "", "", "", ""}
		if h := &x.latency; h.n > 0 {
			for i, d := range []time.Duration{h.percentile(50), h.percentile(90), h.percentile(99), h.max} {
				row[7+i] = string(render.AppendShort(nil, d))
			}
		}
		types.Rows = append(types.Rows, row)
	}
	pids := report.Table{Title: "by process", Columns: []string{"pid", "process", "messages", "failed"}}
	for _, pid := range slices.Sorted(maps.Keys(s.pids)) {
		x := s.pids[pid]
		pids.Rows = append(pids.Rows, []string{fmt.Sprint(pid), quoted(x.process), number(x.messages), number(x.failed)})
	}
	if s.others > 0 {
		pids.Rows = append(pids.Rows, []string{"others", "", number(s.others), ""})
	}
	list := []report.Table{types, pids}
	if len(s.errnos) > 0 {
		errnos := report.Table{Title: "by errno", Columns: []string{"errno", "messages"}}
		for _, name := range slices.Sorted(maps.Keys(s.errnos)) {
			errnos.Rows = append(errnos.Rows, []string{name, number(s.errnos[name])})
		}
		list = append(list, errnos)
	}
	return list
}
