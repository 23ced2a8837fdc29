package judge

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pfkeycap/pfkeycap/record"
)

// Summary is what a run has found. It is kept in the run's directory as state.json,
// from which the run can be resumed.
type Summary struct {
	Version int
	Seed    uint64
	Source  string
	Count   uint64
	Next    uint64 // index of the next message: so many are judged

	Exact         uint64 // one outcome was predicted, and came
	Undetermined  uint64 // several were possible, and one of them came
	Disagreements uint64 // something else came
	Unjudged      uint64 // lost with a kernel that died
	Accepted      uint64
	Refused       uint64 // by an answer
	Unwritten     uint64 // refused by write(2)
	ByState       uint64 // refused for what the kernel held
	Replies       uint64 // messages that came, and were looked at
	Kernels       int    // booted
	Elapsed       time.Duration

	Classes []*Class
	// Open are the undetermined outcomes by what was predicted.
	Open map[string]uint64
}

const (
	stateVersion = 1
	stateFile    = "state.json"
)

// ErrOtherRun means that a directory holds the state of another run.
var ErrOtherRun = errors.New("the state of another run")

// load reads the state of a run that is to be resumed, or begins one.
func load(o *Options) (*Summary, error) {
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, err
	}
	name := filepath.Join(o.Dir, stateFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &Summary{Version: stateVersion, Seed: o.Seed, Source: o.Source, Count: o.Count, Open: map[string]uint64{}}, nil
	}
	if err != nil {
		return nil, err
	}
	s := new(Summary)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: not the state of a run: %w", name, err)
	}
	if s.Version != stateVersion || s.Seed != o.Seed || s.Source != o.Source {
		return nil, fmt.Errorf("%s: %w (seed %d, %s): resume that one, or name another directory", name, ErrOtherRun, s.Seed, s.Source)
	}
	if s.Open == nil {
		s.Open = map[string]uint64{}
	}
	s.Count = o.Count
	return s, nil
}

// save writes the state, replacing the old one in one step.
func (s *Summary) save(dir string) error {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, stateFile)
	f, err := record.CreatePrivate(name+".new", true)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// count adds a judgement and returns the findings that are the first of their class.
func (s *Summary) count(j *judgement) (fresh []finding) {
	o := &j.outcome
	switch {
	case o.byWrite:
		s.Unwritten++
	case o.errno != 0:
		s.Refused++
	default:
		s.Accepted++
	}
	if o.errno != 0 && j.verdict.Problem.FromState() {
		s.ByState++
	}
	switch j.how {
	case exact:
		s.Exact++
	case undetermined:
		s.Undetermined++
		s.Open[j.name+": "+predicted(&j.verdict)]++
	case disagreement:
		s.Disagreements++
	}
	s.Replies += uint64(len(o.replies) + len(o.events))
	for _, f := range j.found {
		if s.add(f, s.Next) {
			fresh = append(fresh, f)
		}
	}
	s.Next++
	return fresh
}

// add counts a finding and reports whether it is the first of its class.
func (s *Summary) add(f finding, index uint64) bool {
	if c := s.class(f); c != nil {
		c.Count++
		return false
	}
	s.Classes = append(s.Classes, &Class{Kind: f.kind, Name: f.name, Count: 1, First: index, Known: explain(f.kind, f.name)})
	return true
}

func (s *Summary) class(f finding) *Class {
	for _, c := range s.Classes {
		if c.Kind == f.kind && c.Name == f.name {
			return c
		}
	}
	return nil
}

// Agreement is the share of messages whose one predicted outcome came.
func (s *Summary) Agreement() float64 {
	if s.Next == 0 {
		return 0
	}
	return float64(s.Exact) / float64(s.Next)
}

// News returns how many classes there are that nobody has explained.
func (s *Summary) News() (n int) {
	for _, c := range s.Classes {
		if c.Known == "" {
			n++
		}
	}
	return n
}

// Rate is how many messages were judged per second.
func (s *Summary) Rate() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Next) / s.Elapsed.Seconds()
}

// WriteText writes the summary for people.
func (s *Summary) WriteText(w io.Writer) error {
	e := &errWriter{w: w}
	e.printf("%d of %d messages judged (seed %d), %.0f a second, %s\n", s.Next, s.Count, s.Seed, s.Rate(), counted(uint64(s.Kernels), "kernel"))
	e.printf("agreement %.4f %%: %d as predicted, %d undetermined, %s", 100*s.Agreement(), s.Exact, s.Undetermined, counted(s.Disagreements, "disagreement"))
	if s.Unjudged > 0 {
		e.printf(", %d lost with kernels that died", s.Unjudged)
	}
	e.printf("\nthe kernel accepted %d, refused %d by an answer (%d for what it held) and %d by write(2); %d messages of it looked at\n",
		s.Accepted, s.Refused, s.ByState, s.Unwritten, s.Replies)
	for _, k := range sortedKeys(s.Open) {
		e.printf("%8d  undetermined: %s\n", s.Open[k], k)
	}
	for _, c := range s.Classes {
		known := ""
		if c.Known != "" {
			known = " (known)"
		}
		e.printf("%8d  %s%s: %s\n", c.Count, c.Kind, known, c.Name)
		e.printf("%8s  first #%d", "", c.First)
		if c.File != "" {
			e.printf("; %s in %s", counted(uint64(c.Messages), "message"), c.File)
		}
		if c.Console != "" {
			e.printf("; console in %s", c.Console)
		}
		e.printf("\n")
		for _, text := range [2]string{c.Note, c.Known} {
			if text != "" {
				e.printf("%8s  %s\n", "", text)
			}
		}
	}
	if len(s.Classes) == 0 && s.Next > 0 {
		e.printf("nothing found\n")
	}
	return e.err
}

// counted is a number with a noun, such as "1 kernel".
func counted(n uint64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func sortedKeys(m map[string]uint64) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(-cmp.Compare(m[a], m[b]), cmp.Compare(a, b)) })
}

type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, a ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, a...)
	}
}
