package main

import (
	"errors"
	"os"
	"time"

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
	conn, err := openSocket(keysock.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()

	pid := uint32(os.Getpid())
	base.PID, base.Seq = pid, 1
	msg, err := codec.Encode(base)
	if err != nil {
		return err
	}
	verbose := c.Count("verbose") > 0
	number := uint64(0)
	show := func(data []byte, dir record.Direction) error {
		number++
		return printer.print(&record.Record{Number: number, Time: time.Now(), Dir: dir, Codec: codec, Data: data, OrigLen: len(data)})
	}
	if verbose {
		if err := show(msg, record.ToKernel); err != nil {
			return err
		}
	}
	if _, err := conn.Write(msg); err != nil {
		return err
	}
	return readDump(c, conn, codec, base.Type, pid, func(b []byte) error { return show(b, record.FromKernel) })
}

// dumpPatience is how long a dump may be silent before it is called incomplete.
// The kernel makes the next record while we read, so it is never long.
const dumpPatience = 10 * time.Second

// readDump reads the answers to a dump request of ours until the last one, which
// has sequence number 0, or an error. Messages for others are passed over: the
// book's program took any sequence number 0 for the end.
func readDump(c *cli.Context, conn *keysock.Conn, codec layers.Codec, typ uint8, pid uint32, each func([]byte) error) error {
	buf := make([]byte, keysock.MaxMessage)
	var m layers.Base
	count := 0
	for {
		if err := conn.SetReadDeadline(time.Now().Add(dumpPatience)); err != nil {
			return err
		}
		n, err := conn.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return damagef("the kernel stopped answering after %d records, without the last one: the list is incomplete", count)
		}
		if err != nil {
			return err
		}
		base, _, _ := codec.Extensions(buf[:n])
		if base == nil || base.Type != typ || base.PID != pid {
			continue
		}
		m = *base
		if m.Errno != 0 {
			name := codec.Dialect.ErrnoName(m.Errno)
			if name == "ENOENT" && count == 0 {
				return nil // nothing in the database
			}
			return machinef("the kernel answers %s with errno %d (%s)", m.TypeName(), m.Errno, name)
		}
		if n == layers.BaseLen && m.Seq == 0 {
			return nil // illumos ends with a bare header
		}
		count++
		if err := each(buf[:n]); err != nil {
			return err
		}
		if m.Seq == 0 {
			return nil
		}
	}
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
