package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

func mergeFlag() cli.Flag {
	return &cli.BoolFlag{Name: "merge", Usage: "read several files side by side, by time, as of one day on several machines; records are numbered anew, and a comment says where each is from"}
}

// expand puts the names of files in place of patterns (*, ?, [a-z]) that a shell has left
// alone, in order.
func expand(names []string) ([]string, error) {
	var list []string
	for _, name := range names {
		if _, err := os.Lstat(name); err == nil || name == "-" || !strings.ContainsAny(name, "*?[") {
			list = append(list, name)
			continue
		}
		found, err := filepath.Glob(name)
		if err != nil {
			return nil, usagef("%s: %w", name, err)
		}
		if len(found) == 0 {
			return nil, usagef("%s: no such files", name)
		}
		// What lies beside a capture is no capture.
		found = slices.DeleteFunc(found, func(s string) bool { return strings.HasSuffix(s, record.KeysSuffix) })
		list = append(list, found...)
	}
	return list, nil
}

// merger reads inputs side by side, by time. Each must be in order of time itself.
type merger struct {
	open    func(name string) (*input, error)
	waiting []mergeFile // not open yet, by first time
	reading []*merging
	current *merging // whose record was given out last
	numbers uint64
	oneSalt bool
}

// mergeFile is an input that begins at a time.
type mergeFile struct {
	name  string
	first time.Time
}

// merging is an input that is being read.
type merging struct {
	in   *input
	r    *record.Record // its next one
	time time.Time      // of r, or the last one known
	// numbers are the new numbers of recent records, by their own.
	numbers [1024]struct{ own, given uint64 }
}

// merge reads the inputs that in would be followed by together with it. Files are looked
// at for their first record, and opened when its time comes.
func (in *input) merge(c *cli.Context, names []string) error {
	begun := *in // the first of them is open already
	begun.rest = inputs{}
	in.close = nil
	m := &merger{oneSalt: in.rest.oneSalt, open: func(name string) (*input, error) {
		if name == names[0] && begun.tracedSource != nil {
			x := begun
			begun.tracedSource = nil
			return &x, nil
		}
		return openInput(c, name)
	}}
	for _, name := range names {
		first, err := firstTime(c, name)
		if err != nil {
			in.fail(err)
			continue
		}
		m.waiting = append(m.waiting, mergeFile{name, first})
	}
	slices.SortStableFunc(m.waiting, func(a, b mergeFile) int { return a.first.Compare(b.first) })
	in.merged, in.rest.names = m, nil
	in.ids = func(r *record.Record, secret []byte, key int) [4]byte { return m.current.in.ids(r, secret, key) }
	return nil
}

// firstTime is the time of the first record of a file, zero if it has none. Standard
// input, which can be read once, comes first.
func firstTime(c *cli.Context, name string) (time.Time, error) {
	if name == "-" {
		return time.Time{}, nil
	}
	w := c.App.ErrWriter
	c.App.ErrWriter = io.Discard // it is opened again
	defer func() { c.App.ErrWriter = w }()
	in, err := openInputWith(c, name, false)
	if err != nil {
		return time.Time{}, err
	}
	defer in.Close()
	r, err := in.Next()
	if err != nil {
		return time.Time{}, nil // said when it is read
	}
	return r.Time, nil
}

// next gives the record of the least time. say takes what is wrong with an input; the
// others are read all the same.
func (m *merger) next(say func(error)) (*record.Record, error) {
	if m.current != nil {
		m.advance(m.current, say)
	}
	for {
		slices.SortStableFunc(m.reading, func(a, b *merging) int { return a.time.Compare(b.time) })
		if len(m.waiting) > 0 && (len(m.reading) == 0 || !m.waiting[0].first.After(m.reading[0].time)) {
			name := m.waiting[0].name
			m.waiting = m.waiting[1:]
			in, err := m.open(name)
			if err != nil {
				say(err)
				continue
			}
			x := &merging{in: in}
			if m.oneSalt && m.current != nil && in.meta.SaltID != m.current.in.meta.SaltID {
				in.Close()
				return nil, usagef("%s: its keys are hidden under another salt than those of %s: they do not fit into one capture", in.name, m.current.in.name)
			}
			m.reading = append(m.reading, x)
			m.advance(x, say)
			continue
		}
		break
	}
	if len(m.reading) == 0 {
		return nil, io.EOF
	}
	x := m.reading[0]
	m.current = x
	m.numbers++
	r := x.r
	own := r.Number
	r.Number = m.numbers
	r.TwinOf, r.ReplyTo = x.given(r.TwinOf), x.given(r.ReplyTo)
	at := &x.numbers[own%uint64(len(x.numbers))]
	at.own, at.given = own, r.Number
	r.Comments = append(slices.Clip(r.Comments), fmt.Sprintf("%s #%d", filepath.Base(x.in.name), own))
	return r, nil
}

// given returns the new number of a record, or 0 if it is long gone.
func (x *merging) given(own uint64) uint64 {
	if at := x.numbers[own%uint64(len(x.numbers))]; own != 0 && at.own == own {
		return at.given
	}
	return 0
}

// advance reads an input's next record.
func (m *merger) advance(x *merging, say func(error)) {
	r, err := x.in.Next()
	if err != nil {
		if err != io.EOF {
			say(err)
		}
		x.in.Close()
		m.reading = slices.DeleteFunc(m.reading, func(y *merging) bool { return y == x })
		return
	}
	x.r = r
	if !r.Time.IsZero() {
		x.time = r.Time
	}
}

// Role is the part that the record plays that Next returned last.
func (in *input) Role() trace.Role {
	if in.merged != nil {
		return in.merged.current.in.Role()
	}
	return in.tracedSource.Role()
}
