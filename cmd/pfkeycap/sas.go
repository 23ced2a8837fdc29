package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

var saColumns = []string{
	"number", "satype", "src", "dst", "spi", "mode", "reqid", "encrypt", "auth",
	"born", "by", "made_over", "pid", "process", "acquire", "mature_number", "mature", "updates",
	"soft_number", "soft", "next_spi", "next_number", "late", "margin", "prev_spi", "chain", "pair_spi", "pair_number",
	"ended", "end_number", "end", "end_pid", "lifetime",
	"soft_limit", "hard_limit", "bytes", "allocations", "nat_t", "mappings", "key_auth", "key_encrypt",
}

var policyColumns = []string{
	"number", "id", "dir", "type", "src", "dst", "born", "by", "made_over", "pid", "process", "updates", "updated_number",
	"ended", "end_number", "end", "end_pid", "lifetime", "message",
}

func sasCommand() *cli.Command {
	columns := append(append([]string{}, saColumns...), "or with --policies: "+policyColumns[0])
	columns = append(columns, policyColumns[1:]...)
	return &cli.Command{
		Usage:     "list the SAs in a capture, or the policies, each with its life",
		ArgsUsage: "FILE",
		Description: `Prints a line for each SA, by birth:

  #29 07:56:42.157076 esp 10.10.0.2 > 10.10.0.1 spi=0x52f250ff aescbc/sha1hmac tunnel
  born=GETSPI by=929 keys=#34,+95.533ms soft-limit=10s,948961B hard-limit=12s,1048576B
  prev=0x8fad8e3d@#11 chain=1 pair=0xd036b1c3 soft=#45,+10s next=0xe026d147@#44
  late=+121.5ms margin=+1.878s end=deleted@#56,+10.123s by=929 (one line)

The number is that of the message that made the SA known, born says which it was (GET and DUMP list what is older than the
recording; "foreign" is what netlink or a socket that is not heard has made) and who
sent it; keys when a larval SA got them; soft and end when these came, after the keys.
next is the SA that took its place: the next one with the same ends, type and reqid
after its soft limit, or one from before if it was alive at the end. late is how long
after the soft EXPIRE that had its keys, margin how long before the hard limit (less
than 0: there was a gap). prev, chain and pair are the one before it, how many were,
and the one in the other direction. In JSON and CSV late, margin and lifetime are in
seconds.

Only what the kernel says counts, so requests that were refused leave no trace. EXPIREs
reach only sockets that are registered or, on Linux, promiscuous. -Y chooses by the
message that an SA was born with. More than 16,384 SAs are printed as they end.`,
		Flags: listingFlags(columns, append([]cli.Flag{
			&cli.BoolFlag{Name: "policies", Usage: "the policies (OpenBSD: flows) instead"},
		}, lineFlags()...)...),
		Action: sas,
	}
}

func sas(c *cli.Context) error {
	columns := saColumns
	if c.Bool("policies") {
		columns = policyColumns
	}
	in, l, err := openListing(c, columns)
	if err != nil {
		return err
	}
	defer in.Close()
	var werr error
	o := trace.LifeOptions{ID: in.ids}
	if c.Bool("policies") {
		o.Policy = func(x *trace.PolicyLife) {
			if werr == nil && (l.match == nil || l.match.Match(x.Birth)) {
				werr = l.addPolicy(x)
			}
		}
	} else {
		o.SA = func(x *trace.Life) {
			if werr == nil && (l.match == nil || l.match.Match(x.Birth)) {
				werr = l.addSA(x)
			}
		}
	}
	rerr := followLives(in, trace.NewLives(o), func() error { return werr })
	if werr != nil {
		return werr
	}
	if err := l.done(); err != nil {
		return err
	}
	return rerr
}

// saNames are the names of an SA's algorithms and mode, nil where there is none.
func saNames(x *trace.Life) (encrypt, auth, mode any) {
	d := x.Codec.Dialect
	name := func(e layers.Enum, v uint64) any {
		if v == 0 {
			return nil
		}
		if n := d.EnumName(e, v); n != "" {
			return n
		}
		return fmt.Sprint(v)
	}
	cipher := layers.EnumEncrypt
	if x.SAType == layers.SATypeIPComp && d != layers.Illumos && d != layers.OpenBSD {
		cipher = layers.EnumComp
	}
	return name(cipher, uint64(x.Encrypt)), name(layers.EnumAuth, uint64(x.Auth)), name(layers.EnumMode, uint64(x.Mode))
}

func (l *listing) addSA(x *trace.Life) error {
	encrypt, auth, mode := saNames(x)
	var text []byte
	if l.isText() {
		text = l.saLine(x, encrypt, auth, mode)
	}
	var late, margin, lifetime any
	if x.HasLate {
		late = x.Late
	}
	if x.HasMargin {
		margin = x.Margin
	}
	if t, ok := x.End.Since(inUse(x)); ok {
		lifetime = t
	}
	return l.add(text, x.Born.Number, some(x.TypeName), validAddr(x.Src), validAddr(x.Dst), spiText(x.SPI), mode, some(uint64(x.ReqID)), encrypt, auth,
		some(x.Born.Time), x.By, madeOver(x.Foreign, x.By), uint64(x.PID), some(x.Process), some(x.Acquire), some(x.Mature.Number), some(x.Mature.Time), some(uint64(x.Updates)),
		some(x.Soft.Number), some(x.Soft.Time), relative(x.Next), some(x.Next.Number), late, margin, relative(x.Prev), some(uint64(x.Chain)), relative(x.Pair), some(x.Pair.Number),
		x.Ended.String(), some(x.End.Number), some(x.End.Time), some(uint64(x.EndPID)), lifetime,
		limitCell(x.SoftLimit), limitCell(x.HardLimit), some(x.Used.Bytes), some(uint64(x.Used.Allocations)), some(x.NATT), some(uint64(x.Mappings)),
		keyCell(x.AuthKey), keyCell(x.EncryptKey))
}

// inUse is when an SA began to be of use, or was seen first.
func inUse(x *trace.Life) trace.Point {
	if !x.Mature.IsZero() {
		return x.Mature
	}
	return x.Born
}

func (l *listing) saLine(x *trace.Life, encrypt, auth, mode any) []byte {
	b := fmt.Appendf(nil, "#%d %s%s %s > %s spi=0x%08x", x.Born.Number, l.clock(x.Born), strings.ToLower(x.TypeName), addrText(x.Src), addrText(x.Dst), x.SPI)
	lower := func(v any) string {
		if v == nil {
			return "-"
		}
		return strings.ToLower(fmt.Sprint(v))
	}
	if encrypt != nil || auth != nil {
		b = fmt.Appendf(b, " %s/%s", lower(encrypt), lower(auth))
	}
	if mode != nil {
		b = fmt.Appendf(b, " %s", lower(mode))
	}
	if x.ReqID != 0 {
		b = fmt.Appendf(b, " reqid=%d", x.ReqID)
	}
	if x.NATT != "" {
		b = fmt.Appendf(b, " nat-t=%s", x.NATT)
		if x.Mappings > 0 {
			b = fmt.Appendf(b, "(changed %d times, last@#%d)", x.Mappings, x.Mapped.Number)
		}
	}
	b = appendBorn(b, x.By, x.Foreign, x.PID, x.Process)
	if x.Acquire != 0 {
		b = fmt.Appendf(b, " for=ACQUIRE@#%d", x.Acquire)
	}
	switch {
	case x.Larval:
		b = append(b, " larval"...)
	case !x.Mature.IsZero() && x.Mature.Number != x.Born.Number:
		b = appendPlace(b, "keys", x.Mature, x.Born)
	}
	if x.Updates > 0 {
		b = fmt.Appendf(b, " updates=%d", x.Updates)
	}
	if s := limitText(x.SoftLimit); s != "" {
		b = fmt.Appendf(b, " soft-limit=%s", s)
	}
	if s := limitText(x.HardLimit); s != "" {
		b = fmt.Appendf(b, " hard-limit=%s", s)
	}
	if x.Prev.Number != 0 {
		b = fmt.Appendf(b, " prev=0x%08x@#%d chain=%d", x.Prev.SPI, x.Prev.Number, x.Chain)
	}
	if x.Pair.SPI != 0 {
		b = fmt.Appendf(b, " pair=0x%08x", x.Pair.SPI)
	}
	if !x.Soft.IsZero() {
		b = appendPlace(b, "soft", x.Soft, inUse(x))
	}
	if x.Next.Number != 0 {
		b = fmt.Appendf(b, " next=0x%08x@#%d", x.Next.SPI, x.Next.Number)
		if x.HasLate {
			b = fmt.Appendf(b, " late=%s", signed(x.Late))
		}
		if x.HasMargin {
			b = fmt.Appendf(b, " margin=%s", signed(x.Margin))
		}
	} else if !x.Soft.IsZero() {
		b = append(b, " next=none"...)
	}
	if x.Used.Bytes > 0 || x.Used.Allocations > 0 {
		b = fmt.Appendf(b, " used=%dB,%dpackets", x.Used.Bytes, x.Used.Allocations)
	}
	return appendEnd(b, x.Ended, x.End, inUse(x), x.EndType, x.EndPID)
}

func (l *listing) addPolicy(x *trace.PolicyLife) error {
	var text []byte
	line := string(l.lines.Append(nil, x.Birth))
	line = strings.TrimSuffix(line, "\n")
	if l.isText() {
		text = appendBorn([]byte(line), x.By, x.Foreign, x.PID, x.Process)
		if x.Updates > 0 {
			text = fmt.Appendf(text, " updates=%d(last@#%d)", x.Updates, x.Updated.Number)
		}
		for i, y := range []trace.Limit{x.SoftLimit, x.HardLimit} {
			if s := limitText(y); s != "" {
				text = fmt.Appendf(text, " %s-limit=%s", [...]string{"soft", "hard"}[i], s)
			}
		}
		text = appendEnd(text, x.Ended, x.End, x.Born, x.EndType, x.EndPID)
	}
	m := decodedRecord(x.Birth)
	var dir, typ any
	if p := m.Policy(); p != nil {
		dir = some(x.Codec.Dialect.EnumName(layers.EnumDir, uint64(p.Dir)))
		typ = some(x.Codec.Dialect.EnumName(layers.EnumPolicyType, uint64(p.Type)))
	}
	src, dst := m.AddressSrc(), m.AddressDst()
	if m.DstFlow() != nil {
		src, dst = m.SrcFlow(), m.DstFlow()
	}
	var lifetime any
	if t, ok := x.End.Since(x.Born); ok {
		lifetime = t
	}
	return l.add(text, x.Born.Number, some(uint64(x.ID)), dir, typ, addrCell(src), addrCell(dst), some(x.Born.Time), x.By, madeOver(x.Foreign, x.By),
		uint64(x.PID), some(x.Process), some(uint64(x.Updates)), some(x.Updated.Number),
		x.Ended.String(), some(x.End.Number), some(x.End.Time), some(uint64(x.EndPID)), lifetime, line)
}

func (l *listing) clock(p trace.Point) string {
	if p.Time.IsZero() || l.timeless {
		return ""
	}
	return p.Time.Local().Format("15:04:05.000000") + " "
}

func appendBorn(b []byte, by string, foreign bool, pid uint32, process string) []byte {
	b = fmt.Appendf(b, " born=%s", by)
	if over := madeOver(foreign, by); over != nil {
		b = fmt.Appendf(b, "(%s)", over)
	}
	b = fmt.Appendf(b, " by=%d", pid)
	if process != "" {
		b = fmt.Appendf(b, "(%s)", quoted(process))
	}
	return b
}

// appendPlace appends where something happened, and how long after something else.
func appendPlace(b []byte, what string, at, since trace.Point) []byte {
	b = fmt.Appendf(b, " %s=#%d", what, at.Number)
	if d, ok := at.Since(since); ok {
		b = fmt.Appendf(b, ",%s", signed(d))
	}
	return b
}

func appendEnd(b []byte, how trace.Ending, at, since trace.Point, what string, pid uint32) []byte {
	b = fmt.Appendf(b, " end=%s", how)
	if !at.IsZero() {
		b = fmt.Appendf(b, "@#%d", at.Number)
		if d, ok := at.Since(since); ok {
			b = fmt.Appendf(b, ",%s", signed(d))
		}
		if pid != 0 {
			b = fmt.Appendf(b, " by=%d", pid)
		}
	}
	return append(b, '\n')
}

// madeOver says how something was made that no request in the recording made.
func madeOver(foreign bool, by string) any {
	switch {
	case by == "GET" || by == "DUMP" || by == "SPDGET" || by == "SPDDUMP" || by == "EXPIRE":
		return "older"
	case foreign:
		return "foreign"
	}
	return nil
}

func signed(d time.Duration) string {
	if d < 0 {
		return "-" + string(render.AppendShort(nil, -d))
	}
	return "+" + string(render.AppendShort(nil, d))
}

func spiText(spi uint32) string { return fmt.Sprintf("0x%08x", spi) }

func relative(r trace.Relative) any {
	if r.SPI == 0 {
		return nil
	}
	return spiText(r.SPI)
}

func keyCell(k trace.KeyID) any {
	if k.Bits == 0 {
		return nil
	}
	return fmt.Sprintf("%d:%x", k.Bits, k.ID)
}

func validAddr(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	return a.String()
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return "*"
	}
	return a.String()
}

// limitText writes what limits a life: 3600s,use:60s,1000B,5packets; "" if nothing
// does.
func limitText(x trace.Limit) string {
	var list []string
	if x.AddTime != 0 {
		list = append(list, fmt.Sprintf("%ds", x.AddTime))
	}
	if x.UseTime != 0 {
		list = append(list, fmt.Sprintf("use:%ds", x.UseTime))
	}
	if x.Bytes != 0 {
		list = append(list, fmt.Sprintf("%dB", x.Bytes))
	}
	if x.Allocations != 0 {
		list = append(list, fmt.Sprintf("%dpackets", x.Allocations))
	}
	return strings.Join(list, ",")
}

func limitCell(x trace.Limit) any { return some(limitText(x)) }
