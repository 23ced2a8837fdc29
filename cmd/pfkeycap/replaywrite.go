package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
)

// answers is the capture that -w writes.
type answers struct {
	w       *record.Writer
	name    string
	plan    *planned
	number  uint64
	standIn bool
	flushed time.Time
	err     error
}

// flushEvery is how much of the latest a capture that is written may miss when this
// program is killed.
const flushEvery = 100 * time.Millisecond

// newAnswers creates the capture of -w; without that it returns nil.
func newAnswers(c *cli.Context, plan *planned) (*answers, error) {
	name := c.String("write")
	if name == "" {
		if c.IsSet("keys") {
			return nil, usagef("--keys says where the secrets of -w go, which is not there")
		}
		return nil, nil
	}
	if name == "-" {
		return nil, usagef("standard output cannot take both the capture and the report: name a file")
	}
	a := &answers{plan: plan, name: name}
	o := record.WriterOptions{
		Application: "pfkeycap " + versionString(),
		Meta:        record.Meta{Promisc: record.No, Keys: record.KeysBeside},
		Overwrite:   c.Bool("overwrite"),
	}
	if k := c.String("keys"); k != "" {
		var err error
		if o.Meta.Keys, err = record.ParseKeys(k); err != nil {
			return nil, usagef("%w", err)
		}
	}
	var err error
	if o.Salt, err = saltOf(c); err != nil {
		return nil, err
	}
	if plan.Keys == "stand-ins" { // so they are what is sent, and what comes back
		a.standIn = true
		o.Salt, o.Meta.SaltID, o.Meta.Keys = record.Salt{}, plan.saltID, record.KeysNone
	}
	a.w, err = createCapture(c, name, o)
	return a, err
}

// observe writes one message. What several sockets get of an answer is written once.
func (a *answers) observe(o *replay.Observed) {
	if o.Copy || a.err != nil {
		return
	}
	r := &record.Record{
		Number: a.number + 1, Time: o.Time, Dir: o.Dir, Codec: o.Codec, Data: o.Data, OrigLen: len(o.Data), StandIns: a.standIn,
	}
	if o.Dir == record.ToKernel {
		switch {
		case o.Record != 0:
			r.Comments = []string{fmt.Sprintf("replay of #%d", o.Record)}
		default:
			r.Comments = []string{"sent by the replay itself"}
		}
	}
	if o.Socket < len(a.plan.Sockets) {
		r.Process = a.plan.Sockets[o.Socket].Process
	}
	a.append(r)
	a.flush()
}

// flush writes what waits to the file, now and then. There may be no capture.
func (a *answers) flush() {
	if a == nil || a.err != nil || time.Since(a.flushed) < flushEvery {
		return
	}
	a.err = a.w.Flush()
	a.flushed = time.Now()
}

// append writes a record.
func (a *answers) append(r *record.Record) {
	if a.err != nil {
		return
	}
	a.number++
	a.err = a.w.Append(r)
}

func (a *answers) close() error {
	if a == nil {
		return nil
	}
	err := a.err
	if cerr := a.w.Close(); err == nil {
		err = cerr
	}
	if a.number == 0 { // nothing was sent: it would only be in the way
		os.Remove(a.name)
		if f := a.w.KeysFile(); f != "" {
			os.Remove(f)
		}
	}
	if err != nil {
		err = damagef("writing the capture: %w", err)
	}
	return err
}
