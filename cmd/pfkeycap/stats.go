package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// statistics counts what decode --stats prints. Its memory is bounded, whatever
// comes.
type statistics struct {
	messages, octets, copies, lost uint64
	first, last                    time.Time
	second                         int64 // the one that inSecond counts
	inSecond, busiest              uint64

	types  map[string]*typeStatistics
	errnos map[string]uint64
	pids   map[uint32]*pidStatistics
	others uint64 // messages of processes beyond maxStatPIDs

	requests [4096]struct { // that wait for their first answer, at number%len
		number uint64
		time   time.Time
	}
	msg layers.Message
}

type typeStatistics struct {
	toKernel, fromKernel, unknown, copies, failed uint64
	latency                                       histogram
}

type pidStatistics struct {
	process          string
	messages, failed uint64
}

const (
	maxStatPIDs  = 1024
	maxStatNames = 1024 // of types, which 256 numbers in eight dialects cannot exceed by much
)

func newStatistics() *statistics {
	return &statistics{types: map[string]*typeStatistics{}, errnos: map[string]uint64{}, pids: map[uint32]*pidStatistics{}}
}

// add counts a record. A second copy counts as one only.
func (s *statistics) add(r *record.Record) {
	m := &s.msg
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Codec.Unwrap(r.Data), nil) // what is malformed counts by its header
	s.messages++
	s.octets += uint64(max(r.OrigLen, len(r.Data)))
	s.lost += r.Dropped
	s.pace(r.Time)
	name := "(no header)"
	if len(m.Contents) == layers.BaseLen {
		name = m.TypeName()
	}
	t := s.types[name]
	if t == nil {
		if len(s.types) >= maxStatNames {
			name = "(others)"
		}
		if t = s.types[name]; t == nil {
			t = &typeStatistics{}
			s.types[name] = t
		}
	}
	if r.TwinOf != 0 {
		s.copies++
		t.copies++
		return
	}
	switch r.Dir {
	case record.ToKernel:
		t.toKernel++
		e := &s.requests[r.Number%uint64(len(s.requests))]
		e.number, e.time = r.Number, r.Time
	case record.FromKernel:
		t.fromKernel++
	default:
		t.unknown++
	}
	if e := &s.requests[r.ReplyTo%uint64(len(s.requests))]; r.ReplyTo != 0 && e.number == r.ReplyTo {
		if !e.time.IsZero() && !r.Time.IsZero() {
			t.latency.add(r.Time.Sub(e.time))
		}
		e.number = 0 // of a dump the first answer counts
	}
	errno := m.Errno
	if r.WriteErrno != 0 {
		errno = r.WriteErrno
	}
	if errno != 0 {
		t.failed++
		name := r.Codec.Dialect.ErrnoName(errno)
		if name == "" {
			name = fmt.Sprint(errno)
		}
		if r.WriteErrno != 0 {
			name += " by write"
		}
		s.errnos[name]++
	}
	if len(m.Contents) < layers.BaseLen {
		return
	}
	p := s.pids[m.PID]
	if p == nil {
		if len(s.pids) >= maxStatPIDs {
			s.others++
			return
		}
		p = &pidStatistics{}
		s.pids[m.PID] = p
	}
	if p.process == "" {
		p.process = strings.Clone(r.Process)
	}
	p.messages++
	if errno != 0 {
		p.failed++
	}
}

// pace counts messages by time.
func (s *statistics) pace(t time.Time) {
	if t.IsZero() {
		return
	}
	if s.first.IsZero() || t.Before(s.first) {
		s.first = t
	}
	if t.After(s.last) {
		s.last = t
	}
	if u := t.Unix(); u != s.second {
		s.second, s.inSecond = u, 0
	}
	s.inSecond++
	s.busiest = max(s.busiest, s.inSecond)
}

// rate is how many messages there were in a second on average, or 0 if the time is
// not known.
func (s *statistics) rate() float64 {
	if d := s.last.Sub(s.first); d > 0 {
		return float64(s.messages) / d.Seconds()
	}
	return 0
}

// histogram counts durations in steps of at most 1/16 of their size.
type histogram struct {
	n        uint64
	counts   [64 * 16]uint32
	min, max time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	if h.n == 0 || d < h.min {
		h.min = d
	}
	h.max = max(h.max, d)
	h.n++
	h.counts[histogramStep(uint64(d))]++
}

// histogramStep is the place of a value: values below 16 have their own, and from
// each power of two to the next there are 16.
func histogramStep(v uint64) int {
	if v < 16 {
		return int(v)
	}
	e := bits.Len64(v) - 5
	return 16*(e+1) + int(v>>e) - 16
}

// histogramValue is the greatest value of a place.
func histogramValue(step int) uint64 {
	if step < 16 {
		return uint64(step)
	}
	e := step/16 - 1
	return (uint64(step%16)+17)<<e - 1
}

// percentile is the duration that p of 100 are not above, to 1/16.
func (h *histogram) percentile(p uint64) time.Duration {
	if h.n == 0 {
		return 0
	}
	want := (h.n*p + 99) / 100
	var seen uint64
	for i, n := range h.counts {
		if seen += uint64(n); seen >= want && n > 0 {
			return min(max(time.Duration(histogramValue(i)), h.min), h.max)
		}
	}
	return h.max
}

// print writes the counts for people.
func (s *statistics) print(w io.Writer) error {
	fmt.Fprintf(w, "messages  %d, %d octets", s.messages, s.octets)
	if s.copies > 0 {
		fmt.Fprintf(w, ", %d of them second copies", s.copies)
	}
	if s.lost > 0 {
		fmt.Fprintf(w, "; %d lost", s.lost)
	}
	fmt.Fprintln(w)
	if !s.first.IsZero() {
		fmt.Fprintf(w, "time      %s to %s, %s\n", s.first.Local().Format("2006-01-02 15:04:05.000000"), s.last.Local().Format("15:04:05.000000"), s.last.Sub(s.first).Round(time.Microsecond))
	}
	if r := s.rate(); r > 0 {
		fmt.Fprintf(w, "rate      %.4g messages a second, %d in the busiest second\n", r, s.busiest)
	}
	if s.messages == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "type\tto kernel\tfrom kernel\tunknown\tcopies\tfailed\tanswered\tp50\tp90\tp99\tmax\t")
	for _, name := range slices.Sorted(maps.Keys(s.types)) {
		x := s.types[name]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t", name, x.toKernel, x.fromKernel, x.unknown, x.copies, x.failed, x.latency.n)
		if x.latency.n > 0 {
			for _, d := range []time.Duration{x.latency.percentile(50), x.latency.percentile(90), x.latency.percentile(99), x.latency.max} {
				fmt.Fprintf(t, "%s\t", render.AppendShort(nil, d))
			}
		} else {
			fmt.Fprint(t, "\t\t\t\t")
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(s.errnos) > 0 {
		fmt.Fprintln(w)
		t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "errno\tmessages\t")
		for _, name := range slices.Sorted(maps.Keys(s.errnos)) {
			fmt.Fprintf(t, "%s\t%d\t\n", name, s.errnos[name])
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "pid\tmessages\tfailed\t  process")
	for _, pid := range slices.Sorted(maps.Keys(s.pids)) {
		x := s.pids[pid]
		fmt.Fprintf(t, "%d\t%d\t%d\t  %s\n", pid, x.messages, x.failed, quoted(x.process))
	}
	if s.others > 0 {
		fmt.Fprintf(t, "others\t%d\t\t\n", s.others)
	}
	return t.Flush()
}

// printJSON writes the counts as one object. Durations are seconds.
func (s *statistics) printJSON(w io.Writer) error {
	type object = map[string]any
	o := object{"messages": s.messages, "bytes": s.octets, "copies": s.copies, "lost": s.lost, "busiest_second": s.busiest, "rate": s.rate()}
	if !s.first.IsZero() {
		o["first"], o["last"] = s.first.UTC(), s.last.UTC()
	}
	types := object{}
	for name, x := range s.types {
		t := object{"to_kernel": x.toKernel, "from_kernel": x.fromKernel, "unknown": x.unknown, "copies": x.copies, "failed": x.failed}
		if h := &x.latency; h.n > 0 {
			t["latency"] = object{"count": h.n, "min": h.min.Seconds(), "p50": h.percentile(50).Seconds(), "p90": h.percentile(90).Seconds(),
				"p99": h.percentile(99).Seconds(), "max": h.max.Seconds()}
		}
		types[name] = t
	}
	var pids []object
	for _, pid := range slices.Sorted(maps.Keys(s.pids)) {
		x := s.pids[pid]
		p := object{"pid": pid, "messages": x.messages, "failed": x.failed}
		if x.process != "" {
			p["process"] = x.process
		}
		pids = append(pids, p)
	}
	o["types"], o["errnos"], o["pids"] = types, s.errnos, pids
	if s.others > 0 {
		o["messages_of_other_pids"] = s.others
	}
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// quoted is a name that may hold what plays tricks on a terminal, without quotes.
func quoted(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}
