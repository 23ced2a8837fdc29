package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
)

func registerCommand() *cli.Command {
	return &cli.Command{
		Usage:     "be told of ACQUIREs and EXPIREs, and perhaps answer them",
		ArgsUsage: " ",
		Description: `Registers for an SA type, prints the algorithms that the kernel supports for it, and
then what the kernel tells key managers: ACQUIRE, EXPIRE, new NAT-T mappings. While a
socket is registered, the kernel expects it to bring the SAs that it asks for.

With --respond POLICY.yaml it brings them: each ACQUIRE gets an SA for each direction,
with keys from files, and a soft EXPIRE gets their successors before the hard one. It
negotiates with nobody. The other end is this kernel itself, or with --peer another
network namespace of this machine. A tool for the lab: static keys protect nothing.

  sas:
    - src: 10.0.0.0/24        # which ACQUIREs; left out: any
      dst: 10.0.0.0/24
      mode: transport         # or tunnel
      reqid: 0
      encrypt: aes-cbc        # setkey's names
      encrypt_key: enc.key    # files, beside POLICY.yaml: hex digits, a "string", or octets
      auth: hmac-sha1
      auth_key: auth.key
      window: 32
      soft: 20s
      hard: 30s

Ends after -c events, after --duration, or when told to, and leaves the SAs.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "type", Aliases: []string{"t"}, Usage: "register for `SATYPE`", Value: "esp"},
			&cli.StringFlag{Name: "respond", Usage: "answer ACQUIREs as `POLICY.yaml` says"},
			&cli.StringSliceFlag{Name: "peer", Usage: "with --respond: the other end is network namespace `NAME`, a pid or a path"},
			&cli.Uint64Flag{Name: "count", Aliases: []string{"c"}, Usage: "end after `N` events"},
			&cli.DurationFlag{Name: "duration", Usage: "end after `TIME` (30s, 5m)"},
			targetFlag(), sandboxFlag(), kernelFlag(),
		}, outputFlags()...),
		Action: register,
	}
}

func register(c *cli.Context) error {
	if err := noOperands(c); err != nil {
		return err
	}
	codec := hostCodec()
	satype, err := parseSAType(codec.Dialect, c.String("type"))
	if err != nil {
		return usagef("%w", err)
	}
	if c.Duration("duration") < 0 {
		return usagef("--duration %v: want a positive time", c.Duration("duration"))
	}
	if len(c.StringSlice("peer")) > 1 {
		return usagef("--peer: there is one other end")
	}
	if c.IsSet("peer") && !c.IsSet("respond") {
		return usagef("--peer is for --respond")
	}
	if elsewhere, err := inTarget(c); elsewhere {
		return err
	}
	var rules []saRule
	if name := c.String("respond"); name != "" {
		if rules, err = readRules(name, codec.Dialect, c.String("type")); err != nil {
			return usagef("%w", err)
		}
	}
	printer, err := newPrinter(c, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	if d := c.Duration("duration"); d > 0 {
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}

	// Everything that is said and heard is printed by one goroutine, numbered together.
	out := &commonOutput{show: showWith(printer)}
	ends := []*end{}
	for _, ns := range append([]string{""}, c.StringSlice("peer")...) {
		e, err := newEnd(ns, satype, out)
		if err != nil {
			return err
		}
		defer e.close()
		ends = append(ends, e)
	}
	// The algorithms are what one registers for: they are shown field by field.
	if printer.isText() && printer.opt.Verbose == 0 {
		printer.opt.Verbose = 1
		printer.setIDs(printer.ids)
	}
	for i, e := range ends {
		if i == 1 {
			out.show = func(*record.Record) error { return nil } // the same algorithms again
		}
		if err := e.register(satype); err != nil {
			return err
		}
	}
	if printer.isText() {
		printer.opt.Verbose = c.Count("verbose")
		printer.setIDs(printer.ids)
	}
	out.show = showWith(printer)
	if err := printer.done(); err != nil {
		return err
	}

	events := make(chan event)
	for _, e := range ends {
		go e.listen(ctx, events)
	}
	r := newResponder(rules, ends, satype)
	for n := uint64(0); ; {
		select {
		case <-ctx.Done():
			r.summary(c.App.ErrWriter)
			return nil
		case ev := <-events:
			if ev.err != nil {
				return ev.err
			}
			if err := out.print(ev.rec, ev.end.name); err != nil {
				return err
			}
			if rules != nil {
				var no *refusal
				if err := r.handle(ev); errors.As(err, &no) { // the next one may go better
					r.failed++
					reportf(c.App.ErrWriter, "not answered: %v", err)
				} else if err != nil {
					return err
				}
			}
			if n++; n == c.Uint64("count") {
				r.summary(c.App.ErrWriter)
				return nil
			}
		}
	}
}

// commonOutput numbers and prints what several sockets say.
type commonOutput struct {
	show    func(*record.Record) error
	number  uint64
	request struct{ theirs, ours uint64 } // the numbers of the last request
}

func (o *commonOutput) print(r *record.Record, from string) error {
	o.number++
	shift := *r
	if r.Dir == record.ToKernel {
		o.request.theirs, o.request.ours = r.Number, o.number
	}
	// A request is answered before the next one is made, but what others say may have
	// been heard, and numbered, between them.
	if shift.ReplyTo = 0; r.ReplyTo != 0 && r.ReplyTo == o.request.theirs {
		shift.ReplyTo = o.request.ours
	}
	shift.Number = o.number
	if from != "" {
		shift.Comments = append([]string{"in " + from}, r.Comments...)
	}
	return o.show(&shift)
}

// end is one kernel that key managers are told of SAs by: a registered socket that
// listens, and another to ask with, so that answers and events do not mix.
type end struct {
	name    string // of its namespace; "" is ours
	hearing *talk
	ask     *talk
}

// event is what a kernel says unasked.
type event struct {
	end *end
	rec *record.Record
	err error
}

func newEnd(ns string, satype uint8, out *commonOutput) (*end, error) {
	e := &end{name: ns}
	var o keysock.Options
	if ns != "" {
		handle, err := keysock.OpenNetNS(ns)
		if err != nil {
			return nil, machinef("--peer %s: %w", ns, err)
		}
		defer handle.Close()
		o.NetNS = handle
	}
	var err error
	show := func(r *record.Record) error { return out.print(r, ns) }
	if e.hearing, err = newTalk(o, show); err != nil {
		return nil, err
	}
	if e.ask, err = newTalk(o, show); err != nil {
		e.hearing.close()
		return nil, err
	}
	return e, nil
}

func (e *end) close() {
	e.hearing.close()
	e.ask.close()
}

func (e *end) register(satype uint8) error {
	msg, err := e.hearing.codec.Encode(&layers.Base{Type: layers.REGISTER, SAType: satype, Seq: 1, PID: e.hearing.pid})
	if err != nil {
		return err
	}
	err = e.hearing.ask(msg)
	var no *refusal
	if errors.As(err, &no) {
		return machinef("%w", err)
	}
	return err
}

// listen sends what the kernel says unasked to events until ctx ends.
func (e *end) listen(ctx context.Context, events chan<- event) {
	t := e.hearing
	t.conn.SetReadDeadline(time.Time{}) // before what ends it may set it
	stop := context.AfterFunc(ctx, func() { t.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	send := func(ev event) bool {
		select {
		case events <- ev:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		n, err := t.conn.Read(t.buf)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				send(event{end: e, err: err})
			}
			return
		}
		r := t.heard(t.buf[:n])
		m, _, _ := t.codec.Extensions(r.Data)
		if m == nil || !unasked(m) {
			continue // what others ask, ours included
		}
		if !send(event{end: e, rec: r}) {
			return
		}
	}
}

// unasked reports whether a message is one that kernels send by themselves.
func unasked(m *layers.Base) bool {
	switch m.TypeName() {
	case "ACQUIRE", "EXPIRE", "NAT_T_NEW_MAPPING":
		return m.Errno == 0
	}
	return false
}

// reportf says something beside the messages.
func reportf(w interface{ Write([]byte) (int, error) }, format string, args ...any) {
	fmt.Fprintf(w, "pfkeycap: register: "+format+"\n", args...)
}
