package judge

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// How often a case is tried while it is cut down: on a kernel that lives on, and when
// every try needs a fresh one.
const (
	tries      = 200
	crashTries = 40
)

// first is the first case of a class.
type first struct {
	finding
	last    int     // index in the session of the message that shows it
	records capture // of that message and its answers
}

// patience is how often requests are sent to see a finding again. What leaks is what
// happens to be in memory.
func (f *finding) patience() int {
	if f.kind == Leak {
		return 8
	}
	return 1
}

// keep cuts the first case of a class down and saves it.
func (r *runner) keep(ctx context.Context, f *first) error {
	class := r.sum.class(f.finding)
	all := r.msgs[:f.last+1]
	var c *capture
	var n int
	var err error
	if r.player == nil { // the case before was the end of the kernel
		r.player, r.cancel, err = r.boot(ctx)
	}
	if err == nil {
		c, n, err = r.again(ctx, f, all)
	}
	switch {
	case ctx.Err() != nil:
		class.Note = "the run was stopped before the case was cut down"
	case errors.Is(err, errDead): // what was tried is another case
		class.Note = "the kernel died while the case was cut down"
		r.kill()
	case err != nil:
		return err
	case c == nil:
		class.Note = "it did not come again when the same messages were sent once more"
	}
	if c == nil {
		c, n = &capture{codec: r.codec()}, len(all)
		for _, b := range all[:f.last] {
			c.add(record.ToKernel, b, "")
		}
		c.records = append(c.records, f.records.records...)
	}
	class.Messages, class.File = n, class.fileName()+".pcapng"
	return errors.Join(c.write(r.Dir, class.File), ctx.Err())
}

// again cuts requests down to n of them that still show a finding, and records them.
// The capture is nil if it is not seen again, or not to the end.
func (r *runner) again(ctx context.Context, f *first, requests [][]byte) (c *capture, n int, err error) {
	holds := func(list [][]byte) (bool, error) {
		for range f.patience() {
			if again, err := r.shows(ctx, f.finding, list, nil); again || err != nil {
				return again, err
			}
		}
		return false, nil
	}
	if ok, err := holds(requests); !ok || err != nil {
		return nil, 0, err
	}
	if requests, err = minimize(r.codec(), requests, tries, holds); err != nil {
		return nil, 0, err
	}
	for range 4 * f.patience() {
		c := &capture{codec: r.codec()}
		if ok, err := r.shows(ctx, f.finding, requests, c); err != nil {
			return nil, 0, err
		} else if ok {
			return c, len(requests), nil
		}
	}
	return nil, 0, nil
}

// codec is that of the kernels.
func (r *runner) codec() layers.Codec {
	if r.player != nil {
		return r.player.kernel.Codec()
	}
	return layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
}

// shows sends requests in a session of their own and reports whether the last one shows
// a finding. to, if not nil, records them.
func (r *runner) shows(ctx context.Context, f finding, requests [][]byte, to *capture) (bool, error) {
	if err := r.player.begin(ctx); err != nil {
		return false, err
	}
	shown := false
	for at := 0; at < len(requests); at += r.Batch {
		batch := requests[at:min(at+r.Batch, len(requests))]
		err := r.player.play(ctx, batch, func(i int, j *judgement) bool {
			shown = slices.Contains(j.found, f)
			if to != nil {
				to.exchange(batch[i], j)
			}
			return true
		})
		if err != nil {
			return false, err
		}
	}
	return shown, nil
}

// died deals with a kernel that did not answer: it finds out to which message, cuts
// the case down and goes on behind it with a fresh kernel.
func (r *runner) died(ctx context.Context, cause error) error {
	console := r.kill()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if r.deaths = append(r.deaths, r.sum.Next); len(r.deaths) > maxCrashes {
		r.deaths = r.deaths[1:]
		if r.sum.Next-r.deaths[0] < crashWindow {
			return fmt.Errorf("%w: %d times within %d messages; the last time: %w", ErrGivenUp, maxCrashes+1, crashWindow, cause)
		}
	}
	f := crashOf(console, cause)
	k, last, err := r.dies(ctx, r.msgs, func(i int, j *judgement) {
		// Its answers were lost with the kernel.
		if r.first+uint64(i) == r.sum.Next {
			for _, g := range r.sum.count(j) {
				r.sum.class(g).Note = "seen only while a dead kernel was looked into"
			}
		}
	})
	if err != nil {
		return err
	}
	requests, note := r.msgs, ""
	if k < 0 {
		note = "it did not come again when the same messages were sent once more"
		r.sum.skip(r.first + uint64(len(r.msgs)))
	} else {
		f, console = last, r.console
		requests = r.msgs[:k+1]
		r.sum.skip(r.first + uint64(k) + 1)
	}
	if !r.sum.add(f, r.sum.Next-1) {
		return nil
	}
	if k >= 0 {
		requests, err = minimize(r.codec(), requests, crashTries, func(list [][]byte) (bool, error) {
			at, g, err := r.dies(ctx, list, nil)
			if err == nil && at == len(list)-1 && g == f {
				console = r.console
				return true, nil
			}
			return false, err
		})
		if err != nil {
			return err
		}
	}
	class := r.sum.class(f)
	class.Note, class.Messages = note, len(requests)
	class.File, class.Console = class.fileName()+".pcapng", class.fileName()+".console.txt"
	c := &capture{codec: r.codec()}
	for _, b := range requests {
		c.add(record.ToKernel, b, "")
	}
	return errors.Join(c.write(r.Dir, class.File), writePrivate(filepath.Join(r.Dir, class.Console), console))
}

// dies sends requests one by one to a fresh kernel and returns the index of the one it
// dies of, or -1, and what kind of end that is; its last words are in r.console. each
// gets what is answered.
func (r *runner) dies(ctx context.Context, requests [][]byte, each func(i int, j *judgement)) (int, finding, error) {
	p, cancel, err := r.boot(ctx)
	if err != nil {
		return -1, finding{}, err
	}
	at := -1
	err = p.begin(ctx)
	for i := 0; err == nil && i < len(requests); i++ {
		err = p.play(ctx, requests[i:i+1], func(_ int, j *judgement) bool {
			if each != nil {
				each(i, j)
			}
			return true
		})
		if errors.Is(err, errDead) {
			at = i
		}
	}
	if err == nil {
		if err = p.begin(ctx); errors.Is(err, errDead) { // it died a little later
			at = len(requests) - 1
		}
	}
	r.console = bury(p, cancel)
	if at >= 0 {
		return at, crashOf(r.console, err), nil
	}
	return -1, finding{}, err
}

// What kernels say when they die, the more telling first. What stands in parentheses
// makes the name.
var deathMarks = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`(kernel BUG at \S+)`),
		regexp.MustCompile(`(BUG: .*)`),
		regexp.MustCompile(`(WARNING): .*( at \S+ \S+)`),
		regexp.MustCompile(`(Oops.*)`),
		regexp.MustCompile(`(general protection fault.*)`),
		regexp.MustCompile(`(Kernel panic - .*)`),
	}
})

var (
	// varying is what differs from one end of the same kind to the next.
	varying = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`\+?\b0x[0-9a-f]+(/0x[0-9a-f]+)?| ?\[#\d+\]|:\d+`)
	})
	// handler is a function of af_key in a stack trace that takes messages.
	handler = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\] (pfkey_[a-z_]+)\+0x`) })
)

// LastWords names the end of a kernel by what it has printed, or returns "" if it has
// said nothing of it. Ends of one kind have one name.
func LastWords(console string) string {
	for _, mark := range deathMarks() {
		m := mark.FindStringSubmatch(console)
		if m == nil {
			continue
		}
		name := strings.TrimSpace(varying().ReplaceAllString(strings.Join(m[1:], ""), ""))
		if h := handler().FindStringSubmatch(console); h != nil {
			name += " in " + h[1]
		}
		return name
	}
	return ""
}

// crashOf is the end of a kernel as a finding.
func crashOf(console string, cause error) finding {
	if name := LastWords(console); name != "" {
		return finding{Crash, name}
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return finding{Hang, "no answer"}
	}
	return finding{Crash, "the kernel ended without a word"}
}

// skip moves on to a message that has not been reached, over ones that could not be
// judged.
func (s *Summary) skip(to uint64) {
	if to > s.Next {
		s.Unjudged += to - s.Next
		s.Next = to
	}
}

// capture collects the records of a case.
type capture struct {
	codec   layers.Codec
	records []*record.Record
}

func (c *capture) add(d record.Direction, b []byte, comment string) {
	r := &record.Record{Time: time.Now(), Dir: d, Codec: c.codec, Data: slices.Clone(b), OrigLen: len(b)}
	if comment != "" {
		r.Comments = []string{comment}
	}
	c.records = append(c.records, r)
}

func (c *capture) exchange(request []byte, j *judgement) {
	note := "predicted " + predicted(&j.verdict) + ", kernel " + answered(&j.outcome)
	for _, f := range j.found {
		note += "; " + string(f.kind) + ": " + f.name
	}
	c.add(record.ToKernel, request, note)
	for _, list := range [2][][]byte{j.outcome.replies, j.outcome.events} {
		for _, b := range list {
			c.add(record.FromKernel, b, "")
		}
	}
}

// write saves the case. Its keys are made up, so they are inside, and the file is
// private all the same.
func (c *capture) write(dir, name string) error {
	w, err := record.Create(filepath.Join(dir, name), record.WriterOptions{
		Application: "pfkeycap fuzz kernel", Overwrite: true,
		Meta: record.Meta{Dialect: c.codec.Dialect, Order: c.codec.Order, Keys: record.KeysInside},
	})
	if err != nil {
		return err
	}
	return errors.Join(w.WriteBatch(c.records), w.Close())
}

func writePrivate(name, text string) error {
	f, err := record.CreatePrivate(name, true)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
