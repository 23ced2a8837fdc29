package main

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

func startFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "snapshot", Usage: "first let the kernel list its SAs and policies; their records have the comment \"snapshot\""},
		&cli.StringSliceFlag{Name: "register", Usage: "register for `SATYPE` (esp, ah, …; repeatable): the kernel then takes the recorder for a key manager"},
	}
}

// start is what a recording says itself before it only listens.
type start struct {
	satypes []uint8 // to register for

	// Of the snapshot's dump that is under way.
	heard atomic.Int64 // when its last record came, in nanoseconds since 1970
	ended chan *trace.Dump
}

// parseStart reads the flags of startFlags.
func parseStart(c *cli.Context) (*start, error) {
	s := &start{ended: make(chan *trace.Dump, 1)}
	for _, name := range c.StringSlice("register") {
		t, err := parseSAType(hostCodec().Dialect, name)
		if err != nil {
			return nil, usagef("--register: %w", err)
		}
		s.satypes = append(s.satypes, t)
	}
	return s, nil
}

// open makes the socket listen as the flags say, and says what that changes.
func (rec *recording) open(promisc bool) error {
	if promisc {
		if err := rec.request("switching X_PROMISC on", func() ([]byte, error) { return rec.conn.Promiscuous(true, 0, ownPID) }); err != nil {
			return err
		}
	} else {
		rec.say("not promiscuous: only what the kernel tells everybody is recorded, no requests, no errors and no answers to others")
	}
	for i, t := range rec.start.satypes {
		if err := rec.request("REGISTER", func() ([]byte, error) { return rec.conn.Register(t, uint32(i), ownPID) }); err != nil {
			return err
		}
	}
	if len(rec.start.satypes) > 0 {
		rec.say("registered: the kernel takes this for a key manager, so packets that need an SA wait for one, and nobody will make it unless a key manager runs too")
	}
	return nil
}

// request sends a request without which there is no recording. What this machine
// refuses is one error, what the capture cannot take another.
func (rec *recording) request(what string, do func() ([]byte, error)) error {
	var refused error
	err := rec.Send(func() (msg []byte, err error) {
		msg, err = do()
		refused = err
		return msg, err
	})
	switch {
	case refused != nil:
		return machinef("%s: %w", what, refused)
	case err != nil:
		return &statusError{exitDamage, err}
	}
	return nil
}

// snapshotPatience is how long the kernel may be silent within a dump. It makes the
// next record while we read, so it is never long.
const snapshotPatience = 5 * time.Second

// snapshotComment marks the records of a snapshot.
const snapshotComment = "snapshot"

// ownPID is this process. To ask for it is a system call.
var ownPID = uint32(os.Getpid())

var snapshotComments = []string{snapshotComment} // one for all, they are many

// snapshot lets the kernel list its SAs and policies, while Run reads.
func (rec *recording) snapshot(ctx context.Context) {
	rec.dump(ctx, layers.DUMP)
	if where := policiesElsewhere(rec.Codec.Dialect); where != "" {
		rec.say("snapshot: %v does not list its policies over PF_KEY; %s does", rec.Codec.Dialect, where)
		return
	}
	rec.dump(ctx, layers.SPDDUMP)
}

func (rec *recording) dump(ctx context.Context, typ uint8) {
	base := &layers.Base{Type: typ, PID: ownPID, Seq: uint32(typ)}
	msg, err := rec.Codec.Encode(base)
	if err == nil {
		err = rec.Send(func() ([]byte, error) { _, err := rec.conn.Write(msg); return msg, err })
	}
	if err != nil {
		rec.say("snapshot: %s: %v", base.TypeName(), err)
		return
	}
	rec.start.heard.Store(time.Now().UnixNano())
	tick := time.NewTicker(snapshotPatience / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-rec.start.ended:
			if d.Policies != (typ == layers.SPDDUMP) {
				continue // the one before, which was given up
			}
			if name := rec.Codec.Dialect.ErrnoName(d.Errno); d.Refused && name != "ENOENT" {
				rec.say("snapshot: the kernel answers %s with errno %d (%s)", base.TypeName(), d.Errno, name)
			}
			return
		case <-tick.C:
			if heard := time.Unix(0, rec.start.heard.Load()); time.Since(heard) > snapshotPatience {
				rec.say("snapshot: the kernel has stopped answering %s: incomplete", base.TypeName())
				return
			}
		}
	}
}

// followStart marks the records of the snapshot, and says if the kernel does not
// register us. d is the dump that the record belongs to, or nil.
func (rec *recording) followStart(r *record.Record, d *trace.Dump) {
	if len(r.Data) < layers.BaseLen {
		return
	}
	switch r.Data[1] {
	case layers.DUMP, layers.SPDDUMP:
	case layers.REGISTER:
		if r.Data[2] != 0 && r.TwinOf == 0 && claimedPID(r) == ownPID {
			rec.say("REGISTER for SA type %d: the kernel answers with errno %d (%s)", r.Data[3], r.Data[2], r.Codec.Dialect.ErrnoName(r.Data[2]))
		}
		return
	default:
		return
	}
	if claimedPID(r) != ownPID {
		return
	}
	if r.Comments == nil {
		r.Comments = snapshotComments[:1:1]
	} else {
		r.Comments = append(r.Comments, snapshotComment)
	}
	rec.start.heard.Store(time.Now().UnixNano())
	if d != nil && d.Ended {
		c := *d
		select {
		case rec.start.ended <- &c:
		default:
		}
	}
}
