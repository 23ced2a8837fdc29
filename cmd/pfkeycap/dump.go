package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
)

func dumpCommand() *cli.Command {
	return &cli.Command{
		Name:      "dump",
		Usage:     "list the kernel's security associations, or its policies",
		ArgsUsage: " ",
		Description: `Sends SADB_DUMP (with -P: SADB_X_SPDDUMP) and prints what the kernel answers, one
line for each SA or policy. With -v it also prints the message that it sends. An
empty database is no error.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "type", Aliases: []string{"t"}, Usage: "only SAs of this `SATYPE` (esp, ah, ipcomp)"},
			&cli.BoolFlag{Name: "policies", Aliases: []string{"P"}, Usage: "policies instead of SAs"},
			targetFlag(), sandboxFlag(),
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
		if codec.Dialect == layers.OpenBSD || codec.Dialect == layers.Illumos {
			return machinef("%v keeps its policies elsewhere: see ipsecctl -s flow (OpenBSD), ipsecconf (illumos)", codec.Dialect)
		}
		base.Type = layers.SPDDUMP
	} else if c.IsSet("type") {
		t, err := parseSAType(codec.Dialect, c.String("type"))
		if err != nil {
			return usagef("%w", err)
		}
		base.SAType = t
	}
	if elsewhere, err := inTarget(c); elsewhere {
		return err
	}
	printer, err := newPrinter(c, nil)
	if err != nil {
		return err
	}
	verbose := c.Count("verbose") > 0
	show := showWith(printer)
	t, err := newTalk(keysock.Options{}, func(r *record.Record) error {
		if r.Dir == record.ToKernel && !verbose {
			return nil
		}
		return show(r)
	})
	if err != nil {
		return err
	}
	defer t.close()
	base.PID, base.Seq = t.pid, 1
	msg, err := codec.Encode(base)
	if err != nil {
		return err
	}
	err = t.ask(msg)
	var no *refusal
	if errors.As(err, &no) {
		return machinef("%w", err)
	}
	return err
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
