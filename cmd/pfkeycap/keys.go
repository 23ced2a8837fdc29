package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/espsa"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

func keysCommand() *cli.Command {
	return &cli.Command{
		Usage:     "write the keys of a capture's ESP SAs for Wireshark",
		ArgsUsage: "FILE…",
		Description: `Writes the ESP SAs in a capture as Wireshark's table of ESP SAs (--wireshark): algorithms
by Wireshark's names, with the length of the integrity check value that the system of the
capture uses. The keys are those of the side file, or of the capture if it holds them.
The file goes into the folder of a Wireshark profile under the name esp_sa, or:

  pfkeycap keys x.pcapng --wireshark -o esp_sa
  WIRESHARK_CONFIG_DIR=. tshark -o esp.enable_encryption_decode:TRUE \
    -o esp.enable_authentication_check:TRUE -r wire.pcapng

--since and --until choose the SAs that were there between two times, such as those of a
recording of packets: an SA counts from the message that gave it keys to its DELETE, hard
EXPIRE or flush. They take a date and time (2026-05-01T10:00:00Z; without a zone it is
local), or seconds since 1970.

What Wireshark cannot decrypt or check is said, SA by SA. FILE of -o has mode 0600; there
is no other output, for keys belong on no terminal.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "wireshark", Usage: "write the table esp_sa of Wireshark and tshark (4.0 and later)"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE`, which gets mode 0600"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE"},
			&cli.StringFlag{Name: "since", Usage: "only SAs that were there at `TIME` or later"},
			&cli.StringFlag{Name: "until", Usage: "only SAs that were there at `TIME` or before"},
		}, inputFlags()...),
		Action: exportKeys,
	}
}

func exportKeys(c *cli.Context) (err error) {
	output := c.String("output")
	switch {
	case c.NArg() == 0:
		return usagef("which file? (\"-\" is standard input)")
	case !c.Bool("wireshark"):
		return usagef("for what program? --wireshark")
	case output == "" || output == "-":
		return usagef("keys go into a file: -o FILE, which gets mode 0600")
	}
	x := espKeys{by: map[espID]int{}, pending: map[uint64]espKey{}}
	if x.since, err = timeFlag(c, "since"); err != nil {
		return err
	}
	if x.until, err = timeFlag(c, "until"); err != nil {
		return err
	}
	in, err := openInputs(c, c.Args().Slice())
	if err != nil {
		return err
	}
	defer in.Close()
	var damage error
	for {
		r, err := in.Next()
		if err != nil {
			if err != io.EOF {
				damage = err // what came before it counts
			}
			break
		}
		x.record(r)
	}
	x.settle()
	say := func(format string, args ...any) {
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: keys: "+format+"\n", args...)
	}
	list, missing := x.chosen(say)
	if len(list) == 0 {
		switch {
		case damage != nil:
			return damage
		case missing != 0:
			return &statusError{exitUsage, &missingKeys{in, missing}}
		}
		return usagef("%s: no ESP SA that Wireshark could decrypt%s", in.name, map[bool]string{true: " in that time"}[!x.since.IsZero() || !x.until.IsZero()])
	}
	f, err := record.CreatePrivate(output, c.Bool("overwrite"))
	if err != nil {
		return createError(err)
	}
	var buf []byte
	for _, k := range list {
		buf = k.sa.Append(buf)
	}
	_, err = f.Write(buf)
	if err := errors.Join(err, f.Close()); err != nil {
		return &statusError{exitDamage, err}
	}
	say("%d SAs written to %s", len(list), output)
	return damage
}

// timeFlag reads a time; zero is not given.
func timeFlag(c *cli.Context, name string) (time.Time, error) {
	text := c.String(name)
	if text == "" {
		return time.Time{}, nil
	}
	if t, _, ok := filter.ParseTime(text, time.Local); ok {
		return t, nil
	}
	if sec, rest, _ := strings.Cut(text, "."); len(rest) <= 9 {
		s, err := strconv.ParseInt(sec, 10, 64)
		ns, err2 := strconv.ParseUint((rest + "000000000")[:9], 10, 32)
		if err == nil && err2 == nil {
			return time.Unix(s, int64(ns)), nil
		}
	}
	return time.Time{}, usagef("--%s %q is no time: use 2026-05-01T10:00:00Z, or seconds since 1970", name, text)
}

// espKeys gathers the SAs of a recording with their keys.
type espKeys struct {
	since, until time.Time
	list         []espKey
	by           map[espID]int // the last one in list
	pending      map[uint64]espKey
}

// espID is what tells one ESP SA from others.
type espID struct {
	dst netip.Addr
	spi uint32
}

// espKey is an SA from when it had keys to its end; times are zero if they are not known.
type espKey struct {
	sa       espsa.SA
	err      error
	number   uint64 // of the message that shows its keys
	missing  bool   // its keys are stand-ins
	from, to time.Time
	ended    bool
}

// maxPending is how many requests wait for their answers.
const maxPending = 4096

func (x *espKeys) record(r *record.Record) {
	m := decodedRecord(r)
	if r.TwinOf != 0 {
		return
	}
	name := m.Codec.Dialect.EnumName(layers.EnumMsgType, uint64(m.Type))
	request := r.Dir == record.ToKernel
	if request && r.WriteErrno != 0 {
		return
	}
	from := r.Time
	if !request && r.ReplyTo != 0 {
		k, waits := x.pending[r.ReplyTo]
		if waits {
			from = k.from
		}
		// An answer with keys is what the kernel has, whatever was asked for.
		if delete(x.pending, r.ReplyTo); waits && m.Errno == 0 && m.KeyEncrypt() == nil && m.KeyAuth() == nil {
			x.add(k)
		}
	}
	if m.Errno != 0 {
		return
	}
	switch name {
	case "ADD", "UPDATE", "GET", "DUMP":
		k := espKey{number: r.Number, from: from}
		k.sa, k.err = espsa.FromMessage(r.Codec, r.Codec.Unwrap(r.Clone().Bytes()))
		k.missing = r.StandIns && r.True == nil && len(k.sa.EncryptKey)+len(k.sa.AuthKey) > 0
		switch {
		case errors.Is(k.err, espsa.ErrNotESP) || errors.Is(k.err, espsa.ErrNoKeys):
		case !request:
			x.add(k)
		case len(x.pending) < maxPending:
			x.pending[r.Number] = k
		}
	case "DELETE":
		if dst := m.AddressDst(); !request && dst != nil && m.SA() != nil {
			x.end(espID{dst.Addr().WithZone(""), m.SA().SPI}, r.Time)
		}
	case "EXPIRE":
		if dst := m.AddressDst(); dst != nil && m.SA() != nil && m.LifetimeHard() != nil {
			x.end(espID{dst.Addr().WithZone(""), m.SA().SPI}, r.Time)
		}
	case "FLUSH":
		if typ := m.SATypeName(); !request && (m.SAType == 0 || typ == "ESP") {
			for id := range x.by {
				x.end(id, r.Time)
			}
		}
	}
}

// add notes an SA, or what else is told of one.
func (x *espKeys) add(k espKey) {
	id := espID{k.sa.Dst, k.sa.SPI}
	if i, ok := x.by[id]; ok {
		if old := &x.list[i]; old.same(k) {
			if old.missing && !k.missing {
				old.sa, old.missing, old.number = k.sa, false, k.number
			}
			return
		}
		x.end(id, k.from)
	}
	x.by[id] = len(x.list)
	x.list = append(x.list, k)
}

func (k *espKey) same(o espKey) bool {
	a, b := k.sa, o.sa
	return a.Encrypt == b.Encrypt && a.Auth == b.Auth &&
		(k.missing != o.missing || string(a.EncryptKey) == string(b.EncryptKey) && string(a.AuthKey) == string(b.AuthKey))
}

func (x *espKeys) end(id espID, at time.Time) {
	if i, ok := x.by[id]; ok {
		x.list[i].to, x.list[i].ended = at, true
		delete(x.by, id)
	}
}

// settle takes requests that were not answered in the recording for granted.
func (x *espKeys) settle() {
	var numbers []uint64
	for n := range x.pending {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		x.add(x.pending[n])
	}
}

// chosen gives the SAs of the time that is wanted, and says what cannot be written of
// them. missing is the number of a message whose keys are not at hand, or 0.
func (x *espKeys) chosen(say func(string, ...any)) (list []espKey, missing uint64) {
	seen := map[espID]bool{}
	left := 0
	for _, k := range x.list {
		if !x.until.IsZero() && k.from.After(x.until) || !x.since.IsZero() && k.ended && k.to.Before(x.since) {
			continue
		}
		name := fmt.Sprintf("SPI 0x%08x to %v (message #%d)", k.sa.SPI, k.sa.Dst, k.number)
		switch {
		case k.err != nil:
			say("%s is left out: %v", name, k.err)
			continue
		case k.missing:
			missing, left = k.number, left+1
			continue
		}
		for _, note := range k.sa.Notes {
			say("%s: %s", name, note)
		}
		if id := (espID{k.sa.Dst, k.sa.SPI}); seen[id] {
			say("%s has other keys than one before it, which Wireshark takes: --since and --until choose", name)
		} else {
			seen[id] = true
		}
		const known = 4500
		for _, p := range []uint16{k.sa.SrcPort, k.sa.DstPort} {
			if p != 0 && p != known && k.sa.SrcPort != known && k.sa.DstPort != known {
				say("%s is carried over UDP port %d: tshark -d udp.port==%d,udpencap", name, p, p)
				break
			}
		}
		list = append(list, k)
	}
	if left > 0 && len(list) > 0 {
		say("left out, since their keys are not at hand: %d SAs", left)
	}
	return list, missing
}
