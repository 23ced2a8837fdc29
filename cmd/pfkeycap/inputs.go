package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
)

// inputs are the inputs that follow another one.
type inputs struct {
	names   []string
	open    func(name string) (*input, error)
	say     func(text string)
	oneSalt bool   // stand-ins are to be comparable
	base    uint64 // is added to record numbers, so that they ascend through all
	last    uint64 // the last one given out
	failed  int    // status for the errors of inputs before, which have been said

	next    *input // opened, if nextErr is nil, but not begun
	nextErr error
}

// look opens the first of them, which stays there until drop.
func (rest *inputs) look() (*input, error) {
	if rest.next == nil && rest.nextErr == nil {
		rest.next, rest.nextErr = rest.open(rest.names[0])
	}
	return rest.next, rest.nextErr
}

func (rest *inputs) drop() {
	rest.names, rest.next, rest.nextErr = rest.names[1:], nil, nil
}

// openInputs opens several inputs that are read one after the other, such as the
// files of one recording. Each is opened when its turn comes. What is wrong with
// one is said, and the others are read all the same; then the error comes at the
// end. Record numbers go on where those of a file begin anew. A file that goes on
// with the recording of the one before is read as if they were one.
func openInputs(c *cli.Context, names []string) (*input, error) {
	names, err := expand(names)
	if err != nil {
		return nil, err
	}
	if i := slices.Index(names, "-"); i >= 0 && slices.Contains(names[i+1:], "-") {
		return nil, usagef("standard input can be read once")
	}
	if len(names) == 0 {
		return nil, usagef("no captures among these files")
	}
	in, err := openInput(c, names[0])
	if err != nil || len(names) == 1 {
		return in, err
	}
	oneSalt := c.IsSet("write") || strings.HasPrefix(c.String("output-format"), "pcap")
	in.rest = inputs{names: names[1:], oneSalt: oneSalt}
	in.rest.say = func(text string) { fmt.Fprintf(c.App.ErrWriter, "pfkeycap: %s: %s\n", c.Command.Name, text) }
	in.rest.open = func(name string) (*input, error) { return openInput(c, name) }
	if c.Bool("merge") {
		return in, in.merge(c, names)
	}
	in.join(in)
	return in, nil
}

// Next returns the next record.
func (in *input) Next() (*record.Record, error) {
	select {
	case <-in.interrupted:
		return nil, &statusError{exitInterrupted, errInterrupted}
	default:
	}
	if m := in.merged; m != nil {
		r, err := m.next(in.fail)
		if err == nil {
			in.name, in.judge = m.current.in.name, m.current.in.judge
		} else if err == io.EOF && in.rest.failed != 0 {
			err = &statusError{status: in.rest.failed}
		}
		return r, err
	}
	for {
		r, err := in.tracedSource.Next()
		rest := &in.rest
		switch {
		case err == nil && rest.open == nil:
			return r, nil
		case err == nil:
			if r.Number+rest.base <= rest.last {
				rest.base = rest.last
			}
			for _, n := range [...]*uint64{&r.Number, &r.TwinOf, &r.ReplyTo} {
				if *n != 0 {
					*n += rest.base
				}
			}
			rest.last = r.Number
			return r, nil
		case len(rest.names) == 0 && err == io.EOF && rest.failed != 0:
			return nil, &statusError{status: rest.failed}
		case len(rest.names) == 0:
			return nil, err
		case err != io.EOF:
			in.fail(err)
		}
		if err := in.follow(); err != nil {
			return nil, err
		}
	}
}

// fail says what is wrong with an input that others follow.
func (in *input) fail(err error) {
	in.rest.say(err.Error())
	status := exitDamage
	var se *statusError
	if errors.As(err, &se) {
		status = se.status
	}
	in.rest.failed = max(in.rest.failed, status)
}

// follow goes on with the next input that can be opened.
func (in *input) follow() error {
	rest := &in.rest
	for len(rest.names) > 0 {
		in.Close()
		in.close = nil
		next, err := rest.look()
		rest.drop()
		if err != nil {
			in.fail(err)
			continue
		}
		if rest.oneSalt && next.meta.SaltID != in.meta.SaltID {
			next.Close()
			return usagef("%s: its keys are hidden under another salt than those of %s: they do not fit into one capture", next.name, in.name)
		}
		in.take(next)
		in.join(next)
		return nil
	}
	return nil
}

// take makes another input the present one.
func (in *input) take(next *input) {
	in.name, in.close, in.judge, in.meta, in.promisc = next.name, next.close, next.judge, next.meta, next.promisc
}

// join traces an input together with those that go on with it.
func (in *input) join(first *input) {
	unheard := first.unheard // first may be in
	in.tracedSource = traced(&joined{in: in, src: first.src}, first.name, first.promisc)
	in.unheard = unheard
}

// joined is a source that goes on in the next file of the same recording.
type joined struct {
	in   *input
	src  record.Source
	last uint64 // record number
}

// Next returns the next record.
func (j *joined) Next() (*record.Record, error) {
	for {
		r, err := j.src.Next()
		if err == nil {
			j.last = r.Number
			return r, nil
		}
		var se *statusError
		if err != io.EOF && !errors.As(err, &se) {
			err = inputError(j.in.name, err)
		}
		if err != io.EOF || !j.more() {
			return nil, err
		}
	}
}

// more goes on with the next input if it is of the same recording: numbers ascend,
// and keys are hidden under the same salt.
func (j *joined) more() bool {
	in := j.in
	if len(in.rest.names) == 0 || in.rest.names[0] == "-" || in.meta.SaltID == "" {
		return false
	}
	next, err := in.rest.look()
	if err != nil {
		return false // follow will say it
	}
	first := peek(next.src)
	next.src = first
	if first.first == nil || first.first.Number <= j.last || !record.Comparable(next.meta, in.meta) || next.meta.NetNS != in.meta.NetNS || next.promisc != in.promisc {
		return false // follow will take it
	}
	in.Close()
	in.rest.drop()
	in.take(next)
	j.src = first
	return true
}

// hasKeys reports whether a side file lies beside any of the inputs.
func (in *input) hasKeys() bool {
	return slices.ContainsFunc(in.names(), func(name string) bool { return record.KeysFileOf(name) != "" })
}

// regular reports whether all inputs are files, which need not be waited for.
func (in *input) regular() bool {
	return in.file && !slices.ContainsFunc(in.names(), func(name string) bool {
		st, err := os.Stat(name)
		return name == "-" || err == nil && !st.Mode().IsRegular()
	})
}

// names are those of the inputs that are not read to the end.
func (in *input) names() []string {
	names := append([]string{in.name}, in.rest.names...)
	if in.merged != nil {
		for _, f := range in.merged.waiting {
			names = append(names, f.name)
		}
	}
	return names
}
