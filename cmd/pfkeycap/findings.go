package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

var findingColumns = []string{"number", "kind", "severity", "count", "records", "text", "why"}

func findingsCommand() *cli.Command {
	return &cli.Command{
		Usage:     "say what is wrong, or worth knowing, in a capture",
		ArgsUsage: "FILE",
		Description: `Looks through a capture and lists, each with its records and why it matters:

  unanswered-acquire  the kernel asked for an SA and nobody made it, or none that fits
  failed-acquire      the key manager gave up
  acquire-flood       10 ACQUIREs for the same within 10 seconds
  leaked-larval       an SPI was taken and no keys came
  deleted-in-use      an SA was removed, its traffic was not over, and none took its place
  expired-in-use      the same, of one that was not replaced before its hard limit
  lifetime-never      no limits, a soft limit that is not reached, a soft EXPIRE that did not come
  duplicate-spi       an SPI was taken already, or an SA was made twice
  key-reuse           an SA between the same ends has had the key (compared by key id)
  memory-leak         reserved octets and padding from the kernel that are not zero
  weak-algorithm      what RFC 8221 advises against, or what Linux truncates
  flush               who removed all SAs or policies

Of one kind about one subject there is one finding, with a count and its first records.
"note" is worth knowing, "warning" is more. -Y chooses findings of which a record matches.
The exit status is 1 if there are any.`,
		Flags:  listingFlags(findingColumns),
		Action: findings,
	}
}

// matched remembers which records a filter is true for, a bit each.
type matched struct {
	*trace.Findings
	l    *listing
	bits []uint64
}

func (m *matched) Add(r *record.Record, role trace.Role) {
	m.Findings.Add(r, role)
	if m.l.match == nil || !m.l.match.Match(r) || r.Number>>6 >= 1<<26 {
		return
	}
	for uint64(len(m.bits)) <= r.Number>>6 {
		m.bits = append(m.bits, 0)
	}
	m.bits[r.Number>>6] |= 1 << (r.Number & 63)
}

func (m *matched) any(list []uint64) bool {
	if m.l.match == nil {
		return true
	}
	for _, n := range list {
		if n>>6 < uint64(len(m.bits)) && m.bits[n>>6]>>(n&63)&1 != 0 {
			return true
		}
	}
	return false
}

func findings(c *cli.Context) error {
	in, l, err := openListing(c, findingColumns)
	if err != nil {
		return err
	}
	defer in.Close()
	f := &matched{Findings: trace.NewFindings(trace.FindingOptions{ID: in.ids}), l: l}
	rerr := followLives(in, f, func() error { return nil })
	list, more := f.All()
	n := 0
	for _, x := range list {
		if !f.any(x.Records) {
			continue
		}
		n++
		severity := "note"
		if x.Warning {
			severity = "warning"
		}
		var text []byte
		if l.isText() {
			text = numberList(nil, x.Records)
			if x.Count > 1 {
				text = fmt.Appendf(text, " (%d times)", x.Count)
			}
			text = fmt.Appendf(text, " %s: %s: %s\n  %s\n", severity, x.Kind, x.Text, x.Why)
		}
		if err := l.add(text, x.Records[0], string(x.Kind), severity, x.Count, x.Records, x.Text, x.Why); err != nil {
			return err
		}
	}
	if err := l.done(); err != nil {
		return err
	}
	if rerr != nil {
		return rerr
	}
	if more > 0 {
		fmt.Fprintf(c.App.ErrWriter, "pfkeycap: findings: %d more are not listed\n", more)
	}
	if n > 0 {
		return found()
	}
	return nil
}
