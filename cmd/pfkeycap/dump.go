package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

func dumpCommand() *cli.Command {
	return &cli.Command{
		Usage:     "list the kernel's security associations, or its policies",
		ArgsUsage: " ",
		Description: `Sends SADB_DUMP (with -P: SADB_X_SPDDUMP) and prints what the kernel answers, one
line for each SA or policy. With -v it also prints the message that it sends. An
empty database is no error; a list whose last record does not come is, with status 4.

With --watch it dumps again and again, and prints what is new (+), gone (-) or other
than before (~); counters alone are no change. With --load it fills a fresh sandbox
with what FILE asks for and lists that.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "type", Aliases: []string{"t"}, Usage: "only SAs of this `SATYPE` (esp, ah, ipcomp)"},
			&cli.BoolFlag{Name: "policies", Aliases: []string{"P"}, Usage: "policies instead of SAs"},
			&cli.StringFlag{Name: "display-filter", Aliases: []string{"Y"}, Usage: "only what `EXPR` is true for; Linux is asked for less where it says src or dst"},
			&cli.Float64Flag{Name: "watch", Usage: "print what changes, every `SECONDS`"},
			&cli.Uint64Flag{Name: "count", Aliases: []string{"c"}, Usage: "with --watch: dump `N` times"},
			&cli.StringFlag{Name: "load", Usage: "in a sandbox, send what `FILE` holds first, as send does"},
			targetFlag(), sandboxFlag(), kernelFlag(),
		}, outputFlags()...),
		Action: dump,
	}
}

func dump(c *cli.Context) error {
	if err := noOperands(c); err != nil {
		return err
	}
	codec := hostCodec()
	base := &layers.Base{Type: layers.DUMP}
	if c.Bool("policies") {
		if c.IsSet("type") {
			return usagef("-t chooses among SAs, -P shows policies: use one of them")
		}
		if where := policiesElsewhere(codec.Dialect); where != "" {
			return machinef("%v does not list its policies over PF_KEY: see %s", codec.Dialect, where)
		}
		base.Type = layers.SPDDUMP
	} else if c.IsSet("type") {
		t, err := parseSAType(codec.Dialect, c.String("type"))
		if err != nil {
			return usagef("%w", err)
		}
		base.SAType = t
	}
	d := &dumper{c: c, base: base, every: time.Duration(c.Float64("watch") * float64(time.Second))}
	switch {
	case c.IsSet("watch") && d.every <= 0:
		return usagef("--watch wants a positive number of seconds")
	case c.IsSet("watch") && c.String("format") != "text":
		return usagef("--watch prints text only")
	case c.IsSet("count") && !c.IsSet("watch"):
		return usagef("-c is for --watch")
	}
	if load := c.String("load"); load != "" && !sandbox.Inside() {
		if t, err := target(c, "sandbox"); err != nil || t != "sandbox" {
			return usagef("--load fills a sandbox, not a running kernel: see send")
		}
		if err := c.Set("target", "sandbox"); err != nil {
			return err
		}
	}
	if elsewhere, err := inTarget(c); elsewhere {
		return err
	}
	var err error
	if d.printer, err = newPrinter(c, nil); err != nil {
		return err
	}
	if expr := c.String("display-filter"); expr != "" {
		if d.match, err = filter.Compile(expr, filter.Options{ID: d.printer.ids}); err != nil {
			return usagef("%w", err)
		}
	}
	if d.talk, err = newTalk(keysock.Options{}, nil); err != nil {
		return err
	}
	defer d.talk.close()
	d.talk.stderr = c.App.ErrWriter
	if load := c.String("load"); load != "" {
		d.talk.show, d.talk.flush = func(*record.Record) error { return nil }, true
		if err := d.talk.file(c, load); err != nil {
			return err
		}
		if n := d.talk.refused; n > 0 {
			return machinef("%d of %d requests of %s were refused: see send -v --sandbox %s", n, d.talk.sent, load, load)
		}
	}
	if d.every > 0 {
		return d.watch()
	}
	show := showWith(d.printer)
	return d.once(func(r *record.Record) error {
		if r.Dir == record.ToKernel && c.Count("verbose") == 0 {
			return nil
		}
		return show(r)
	})
}

// dumper lists one of a kernel's databases.
type dumper struct {
	c       *cli.Context
	talk    *talk
	base    *layers.Base
	printer *printer
	match   *filter.Filter
	every   time.Duration
}

// once asks for all records and hands those that match to each.
func (d *dumper) once(each func(*record.Record) error) error {
	d.talk.show = func(r *record.Record) error {
		if r.Dir != record.ToKernel && d.match != nil && !d.match.Match(r) {
			return nil
		}
		return each(r)
	}
	base := *d.base
	msg, err := d.talk.codec.Encode(&base, d.narrow()...)
	if err != nil {
		return err
	}
	d.talk.own(msg)
	err = d.talk.ask(msg)
	var no *refusal
	if errors.As(err, &no) {
		return machinef("%w", err)
	}
	return err
}

// narrow makes the FILTER extension of Linux, if the expression says what may be left
// out. Other systems dump everything; so do policies.
func (d *dumper) narrow() []layers.Extension {
	x := &layers.Filter{}
	if d.match == nil || d.base.Type != layers.DUMP || d.talk.codec.Dialect != layers.Linux {
		return nil
	}
	src, haveSrc := d.match.Prefix("src")
	dst, haveDst := d.match.Prefix("dst")
	if !haveSrc && !haveDst || haveSrc && haveDst && src.Addr().Is4() != dst.Addr().Is4() {
		return nil
	}
	one := src
	if haveSrc {
		copy(x.SrcAddr[:], src.Addr().AsSlice())
		x.SrcPrefixLen = uint8(src.Bits())
	}
	if haveDst {
		one = dst
		copy(x.DstAddr[:], dst.Addr().AsSlice())
		x.DstPrefixLen = uint8(dst.Bits())
	}
	name := "inet6"
	if one.Addr().Is4() {
		name = "inet"
	}
	x.Family, _ = d.talk.codec.Dialect.Family(name)
	return []layers.Extension{x}
}

// watch lists the database again and again and prints what has changed.
func (d *dumper) watch() error {
	ctx := d.c.Context
	var before map[string]*record.Record
	var listed []string // its keys in the kernel's order
	for n := uint64(1); ; n++ {
		now := map[string]*record.Record{}
		var order []string
		err := d.once(func(r *record.Record) error {
			if r.Dir != record.ToKernel {
				key := identity(r)
				order = append(order, key)
				now[key] = r
			}
			return nil
		})
		if err != nil {
			return err
		}
		print := func(sign byte, r *record.Record) error {
			d.printer.buf = append(d.printer.buf, sign, ' ')
			return showWith(d.printer)(r)
		}
		for _, key := range order {
			old, r := before[key], now[key]
			switch {
			case old == nil:
				err = errors.Join(err, print('+', r))
			case !bytes.Equal(lasting(old), lasting(r)):
				err = errors.Join(err, print('~', r))
			}
		}
		for _, key := range listed {
			if now[key] == nil {
				err = errors.Join(err, print('-', before[key]))
			}
		}
		if err != nil || n == d.c.Uint64("count") {
			return err
		}
		before, listed = now, order
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(d.every):
		}
	}
}

// identity is what stays the same of an SA or policy while it lives.
func identity(r *record.Record) string {
	var m layers.Message
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Data, nil) // what there is
	id := fmt.Sprint(m.Type, " ", m.SAType)
	if p := m.Policy(); p != nil {
		return fmt.Sprint(id, " policy ", p.ID, " ", p.Dir)
	}
	if sa := m.SA(); sa != nil {
		id += fmt.Sprint(" ", sa.SPI)
	}
	if a := m.AddressDst(); a != nil {
		id += fmt.Sprint(" ", a.Addr())
	}
	return id
}

// lasting returns the extensions of a message that are no counters.
func lasting(r *record.Record) []byte {
	var m layers.Message
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Data, nil)
	var list []byte
	for i := range m.Extensions {
		h := &m.Extensions[i]
		if !compare.Counters(r.Codec.Dialect.ExtType(h.Number())) {
			list = append(list, h.Contents...)
		}
	}
	return list
}

// openSocket opens a PF_KEY socket; the error says what would work instead.
func openSocket(o keysock.Options) (*keysock.Conn, error) {
	conn, err := keysock.Open(o)
	if errors.Is(err, keysock.ErrNoPFKEY) || errors.Is(err, keysock.ErrPermission) {
		return nil, machinef("%w%s", err, sandboxAdvice())
	}
	return conn, err
}

func noOperands(c *cli.Context) error {
	if c.Args().Present() {
		return usagef("unexpected operand %q", c.Args().First())
	}
	return nil
}
