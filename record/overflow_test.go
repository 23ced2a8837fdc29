package record_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// afKey is a socket whose receive queue is like Linux': a message is dropped if
// the queue is above its limit before. Messages arrive at any time, also while
// others are read, and have their numbers in sadb_msg_seq.
type afKey struct {
	rng         *rand.Rand
	limit, used int
	rate        int // messages that come between two reads, about
	left        int // messages still to come
	next        uint32
	queue       [][]byte
	sizes       []int
	dropped     []uint32
	b           batch
}

func (s *afKey) arrive(n int) {
	for ; n > 0 && s.left > 0; n, s.left = n-1, s.left-1 {
		msg := make([]byte, layers.BaseLen+8*s.rng.IntN(60))
		binary.LittleEndian.PutUint32(msg[8:], s.next)
		s.next++
		if s.used > s.limit {
			s.dropped = append(s.dropped, s.next-1)
			continue
		}
		// The least is that of a kernel that rounds nothing up.
		size := len(msg) + 576 + s.rng.IntN(len(msg)+2048-576)
		s.queue, s.sizes = append(s.queue, msg), append(s.sizes, size)
		s.used += size
	}
}

func (s *afKey) read(some bool) *batch {
	s.b = batch{time: t0}
	for len(s.b.msgs) < 32 {
		if some {
			s.arrive(s.rng.IntN(3) * s.rng.IntN(1+s.rate/16))
		}
		if len(s.queue) == 0 {
			break
		}
		s.b.msgs = append(s.b.msgs, s.queue[0])
		s.used -= s.sizes[0]
		s.queue, s.sizes = s.queue[1:], s.sizes[1:]
	}
	return &s.b
}

func (s *afKey) Receive() (record.Batch, error) {
	for len(s.queue) == 0 && s.left > 0 {
		s.arrive(1)
	}
	s.arrive(s.rng.IntN(2 * s.rate))
	b := s.read(true)
	if len(b.msgs) == 0 {
		return nil, io.EOF
	}
	s.arrive(s.rng.IntN(2)) // before the question how full it is
	return b, nil
}

func (s *afKey) TryReceive() (record.Batch, error) { return s.read(false), nil }
func (s *afKey) Interrupt()                        {}
func (s *afKey) Queue() (int, int)                 { return s.used, s.limit }

// TestRecorderLoss: whatever the kernel drops lies between two records of which
// the second says that something may be missing before it, and comments say where
// that begins and ends.
func TestRecorderLoss(t *testing.T) {
	lost, alarms, quiet := 0, 0, 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		s := &afKey{rng: rng, limit: 8192 << rng.IntN(10), rate: 1 + rng.IntN(120), left: 3000, next: 1}
		var out bytes.Buffer
		r := recorder(t, &out, nil)
		r.Socket = s
		gaps := map[uint32]bool{}
		var said []record.Loss
		r.Annotate = func(rec *record.Record) {
			if rec.Gap {
				gaps[binary.LittleEndian.Uint32(rec.Data[8:])] = true
			}
		}
		r.OnLoss = func(l record.Loss) { said = append(said, l) }
		if err := r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), io.EOF.Error()) {
			t.Fatal(err)
		}
		r.Close()
		rs := sound(t, out.Bytes(), record.ReaderOptions{})
		if len(rs)+len(s.dropped) != 3000 {
			t.Fatalf("seed %d: %d records, %d dropped", seed, len(rs), len(s.dropped))
		}
		// What the comments say, record by record.
		doubt, begun, ended := false, 0, 0
		last := uint32(0)
		for _, rec := range rs {
			begins := slices.ContainsFunc(rec.Comments, func(c string) bool { return strings.Contains(c, "from here on") })
			ends := slices.ContainsFunc(rec.Comments, func(c string) bool { return strings.Contains(c, "up to here") })
			if begins {
				if doubt {
					t.Fatalf("seed %d, record %d: begins again", seed, rec.Number)
				}
				doubt = true
				begun++
			}
			seq := binary.LittleEndian.Uint32(rec.Data[8:])
			if seq != last+1 && !doubt {
				t.Fatalf("seed %d: %d to %d are missing before record %d, without a comment", seed, last+1, seq-1, rec.Number)
			}
			if gaps[seq] != doubt {
				t.Fatalf("seed %d, record %d: Gap is %v, the comments say %v", seed, rec.Number, gaps[seq], doubt)
			}
			last = seq
			if ends {
				if !doubt {
					t.Fatalf("seed %d, record %d: ends what has not begun", seed, rec.Number)
				}
				doubt = false
				ended++
			}
		}
		c := r.Counts()
		if len(s.dropped) > 0 && c.Suspected == 0 || c.Suspected != uint64(begun) || len(said) != begun+ended || c.Missing != 0 {
			t.Fatalf("seed %d: %d dropped, %d begun, %d ended, %d said, %+v", seed, len(s.dropped), begun, ended, len(said), c)
		}
		lost += len(s.dropped)
		alarms += begun
		if begun == 0 {
			quiet++
		}
	}
	t.Logf("%d messages lost, %d alarms, %d of 200 recordings without any", lost, alarms, quiet)
	if lost < 1000 || quiet < 40 {
		t.Error("the model shows too little")
	}
}

// TestRecorderLossOf: when an alarm is raised and when it ends.
func TestRecorderLossOf(t *testing.T) {
	// Batches of 10 messages of 136 bytes, each of which takes at most 2*136+2048.
	const bytes, takes = 10 * 136, 10 * 2320
	for _, tt := range []struct {
		name  string
		limit int
		used  []int // after each read
		want  string
	}{
		{"not known", 0, []int{1 << 30, 1 << 30}, ""},
		{"empty", 100_000, []int{0, 0, 0}, ""},
		{"just not full", 100_000, []int{100_000 - takes, 0}, ""},
		{"just full", 100_000, []int{0, 100_001 - takes, 0, 0, 0}, "begins 11, ends 31"},
		{"full and full again", 100_000, []int{99_000, 99_000, 0, 0}, "begins 1, ends 31"},
		{"again while it is read", 100_000, []int{99_000, 0, 99_000, 0, 0}, "begins 1, ends 41"},
		{"never seen empty, but read", 100_000, []int{100_001 - takes, 70_000, 70_000, 70_000, 70_000}, "begins 1"},
		{"small", 1000, []int{0, 0}, "begins 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scripted{used: tt.used, limit: tt.limit, b: batch{messages(t, 1, 10), t0}}
			r := recorder(t, io.Discard, nil)
			r.Socket = s
			var got []string
			r.OnLoss = func(l record.Loss) {
				word := "begins"
				if l.Over {
					word = "ends"
				}
				got = append(got, fmt.Sprint(word, " ", l.Number))
				if l.Limit != tt.limit || l.Queued != tt.used[s.i-1] {
					t.Errorf("%+v", l)
				}
			}
			r.Run(context.Background())
			if g := strings.Join(got, ", "); g != tt.want {
				t.Errorf("%s, want %s", g, tt.want)
			}
		})
	}
	// The queue is never seen empty, but as many bytes were read as were in it.
	const queued = 100_001 - takes
	s := &scripted{limit: 100_000, used: []int{queued}, b: batch{messages(t, 1, 10), t0}}
	reads := (queued + bytes - 1) / bytes
	for range reads + 5 {
		s.used = append(s.used, 70_000)
	}
	r := recorder(t, io.Discard, nil)
	r.Socket = s
	ended := uint64(0)
	r.OnLoss = func(l record.Loss) {
		if l.Over {
			ended = l.Number
		}
	}
	r.Run(context.Background())
	if want := uint64(10*(1+reads) + 1); ended != want {
		t.Errorf("ended at record %d, want %d", ended, want)
	}
}

// scripted is a socket whose queue is as the test says.
type scripted struct {
	b     batch
	used  []int
	limit int
	i     int
}

func (s *scripted) Receive() (record.Batch, error) {
	if s.i == len(s.used) {
		return nil, io.EOF
	}
	s.i++
	return &s.b, nil
}
func (s *scripted) TryReceive() (record.Batch, error) { return nil, nil }
func (s *scripted) Interrupt()                        {}
func (s *scripted) Queue() (int, int)                 { return s.used[s.i-1], s.limit }

// TestRecorderNotes: a comment, and what is known to be missing, wait for a record
// that is kept.
func TestRecorderNotes(t *testing.T) {
	var out bytes.Buffer
	r := recorder(t, &out, nil)
	r.Socket = &scripted{b: batch{messages(t, 1, 3), t0}, used: []int{9000, 0}, limit: 10_000}
	r.Keep = func(rec *record.Record) bool { return rec.Number != 1 && rec.Number != 5 }
	r.Annotate = func(rec *record.Record) {
		switch rec.Number {
		case 1, 2:
			rec.Dropped = 2
			r.Note(fmt.Sprint("from ", rec.Number))
		case 3:
			rec.Comments = append(rec.Comments, "own")
			r.Note("noted")
		}
	}
	r.Note("before")
	r.Run(context.Background())
	r.Close()
	rs := sound(t, out.Bytes(), record.ReaderOptions{})
	var got []string
	for _, rec := range rs {
		got = append(got, fmt.Sprintf("%d %d %q", rec.Number, rec.Dropped, rec.Comments))
	}
	want := []string{
		`2 4 ["before" "receive queue full: messages may be missing from here on" "from 1" "from 2"]`,
		`3 0 ["own" "noted"]`,
		`4 0 []`,
		`6 0 []`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if c := r.Counts(); c.Missing != 4 || c.Suspected != 1 {
		t.Errorf("%+v", c)
	}
}

// TestRecorderLossRotated: a capture that begins while messages may be missing
// says so.
func TestRecorderLossRotated(t *testing.T) {
	var outs []*bytes.Buffer
	next := func(time.Time, bool) (*record.Writer, error) {
		outs = append(outs, new(bytes.Buffer))
		return record.NewWriter(outs[len(outs)-1], record.WriterOptions{})
	}
	w, err := next(t0, false)
	if err != nil {
		t.Fatal(err)
	}
	r := &record.Recorder{Socket: &scripted{b: batch{messages(t, 1, 4), t0}, used: []int{9000, 0, 0}, limit: 10_000}, Writer: w, Codec: le,
		Rotation: &record.Rotation{Next: next, MaxRecords: 5}}
	r.Run(context.Background())
	r.Close()
	var got []string
	for _, out := range outs {
		rs := sound(t, out.Bytes(), record.ReaderOptions{})
		if len(rs) > 0 {
			got = append(got, fmt.Sprintf("%d %q", rs[0].Number, rs[0].Comments))
		}
	}
	want := []string{`1 ["receive queue full: messages may be missing from here on"]`, `6 ["receive queue full: messages may be missing from here on"]`, `11 []`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRecorderNotesBounded: a filter that keeps nothing does not make comments pile
// up.
func TestRecorderNotesBounded(t *testing.T) {
	var out bytes.Buffer
	r := recorder(t, &out, nil)
	r.Socket = &scripted{b: batch{messages(t, 1, 1), t0}, used: []int{0}}
	for i := range 1000 {
		r.Note(fmt.Sprint(i))
	}
	r.Run(context.Background())
	r.Close()
	rs := sound(t, out.Bytes(), record.ReaderOptions{})
	if n := len(rs[0].Comments); n != 256 || rs[0].Comments[n-1] != "999" {
		t.Errorf("%d comments, %q", n, rs[0].Comments)
	}
}
