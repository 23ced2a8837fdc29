package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

var exchangeColumns = []string{
	"number", "time", "type", "satype", "src", "dst", "spi", "seq", "pid", "process",
	"outcome", "errno", "errno_name", "latency", "latency_last", "replies", "copies",
}

func exchangesCommand() *cli.Command {
	return &cli.Command{
		Usage:     "list requests with their answers, and what nobody asked for",
		ArgsUsage: "FILE",
		Description: `Prints a line for each request with how it went:

  #10 07:56:32.009180 > GETSPI esp 10.10.0.2 > 10.10.0.1 … pid=929 answered=#11 +226us spi=0x8fad8e3d

answered, with the records of the answers, how long the first one took and, of a dump,
the last; refused, with the errno and why; unanswered; incomplete, a dump whose end is
not recorded; write-failed; or silent, which the kernel never answers. Messages that
answer nothing in the recording have a line too: event (ACQUIRE, EXPIRE), foreign
(done over netlink or a socket that is not heard) or unknown.

What belongs together is found by the rules of the system: sequence numbers and
processes, dumps to their end. On FreeBSD, NetBSD, macOS, DragonFly and illumos a
listener does not hear requests, so there are only answers there. Lines come in the
order in which exchanges end. -Y chooses those of which any message matches.`,
		Flags:  listingFlags(exchangeColumns, lineFlags()...),
		Action: exchanges,
	}
}

func exchanges(c *cli.Context) error {
	in, l, err := openListing(c, exchangeColumns)
	if err != nil {
		return err
	}
	defer in.Close()
	for x, err := range trace.Exchanges(in, trace.Options{}) {
		if err != nil {
			if derr := l.done(); derr != nil {
				return derr
			}
			return err
		}
		if !l.exchangeMatches(x) {
			continue
		}
		if err := l.addExchange(x); err != nil {
			return err
		}
	}
	return l.done()
}

func (l *listing) exchangeMatches(x *trace.Exchange) bool {
	if l.match == nil || x.Request != nil && l.match.Match(x.Request) {
		return true
	}
	for _, a := range x.Answers {
		if l.match.Match(a) {
			return true
		}
	}
	return false
}

// exchangeOutcome is how a request went, in a word.
func exchangeOutcome(x *trace.Exchange) string {
	switch {
	case x.Request == nil:
		return x.Role.String()
	case x.Request.WriteErrno != 0:
		return "write-failed"
	case refusedBy(x) != nil:
		return "refused"
	case len(x.Answers) == 0 && x.Complete:
		return "silent"
	case len(x.Answers) == 0:
		return "unanswered"
	case !x.Complete:
		return "incomplete"
	}
	return "answered"
}

func (l *listing) addExchange(x *trace.Exchange) error {
	first := x.Request
	if first == nil {
		first = x.Answers[0]
	}
	m := decodedRecord(first)
	outcome := exchangeOutcome(x)
	errno := first.WriteErrno
	if x.Request == nil {
		errno = m.Errno
	} else if r := refusedBy(x); r != nil {
		errno = decodedRecord(r).Errno
	}
	var replies []uint64
	if x.Request != nil {
		for _, a := range x.Answers {
			replies = append(replies, a.Number)
		}
	}
	spi := spiOf(m)
	var given any // an SPI that the request did not have
	if spi == nil && len(replies) > 0 && m.Type == layers.GETSPI {
		spi = spiOf(decodedRecord(x.Answers[0]))
		given = spi
	}
	var latency, last any
	if n := len(replies); n > 0 {
		latency = latencyOf(first, x.Answers[0])
		if n > 1 {
			last = latencyOf(first, x.Answers[n-1])
		}
	}
	var text []byte
	if l.isText() {
		text = l.lines.Append(nil, first)
		text = fmt.Appendf(text[:len(text)-1], " %s", outcome)
		if len(replies) > 0 {
			text = numberList(append(text, '='), replies)
		}
		if errno != 0 && x.Request != nil && x.Request.WriteErrno == 0 {
			text = fmt.Appendf(text, " errno=%d(%s)", errno, first.Codec.Dialect.ErrnoName(errno))
		}
		if latency != nil {
			text = fmt.Appendf(text, " +%s", render.AppendShort(nil, latency.(time.Duration)))
		}
		if last != nil {
			text = fmt.Appendf(text, "..+%s", render.AppendShort(nil, last.(time.Duration)))
		}
		if given != nil {
			text = fmt.Appendf(text, " spi=%s", given)
		}
		if r := refusedBy(x); r != nil {
			if why := explain(first.Codec, first.Codec.Unwrap(first.Bytes()), r.Codec.Unwrap(r.Data), errno); why != "" {
				text = fmt.Appendf(text, " why=%q", why)
			}
		}
		text = append(text, '\n')
	}
	var replyCell any
	if len(replies) > 0 {
		replyCell = replies
	}
	return l.add(text, first.Number, some(first.Time), m.TypeName(), satypeCell(m), addrCell(m.AddressSrc()), addrCell(m.AddressDst()),
		spi, uint64(m.Seq), uint64(m.PID), some(first.Process), outcome, some(uint64(errno)), some(first.Codec.Dialect.ErrnoName(errno)),
		latency, last, replyCell, some(uint64(x.Twins)))
}

// latencyOf is how long an answer took, or nil if that is not known.
func latencyOf(request, answer *record.Record) any {
	if request.Time.IsZero() || answer.Time.IsZero() {
		return nil
	}
	return answer.Time.Sub(request.Time)
}

// decodedRecord decodes a record's message, the inner one if it is wrapped. What does
// not fit is left out of it.
func decodedRecord(r *record.Record) *layers.Message {
	m := &layers.Message{}
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Codec.Unwrap(r.Data), nil) // a malformed message has what precedes the fault
	return m
}

// spiOf is the SPI that a message names as text, or nil.
func spiOf(m *layers.Message) any {
	if sa := m.SA(); sa != nil {
		return fmt.Sprintf("0x%08x", sa.SPI)
	}
	return nil
}

func satypeCell(m *layers.Message) any {
	if m.Type == layers.PROMISC {
		return nil
	}
	return some(m.SATypeName())
}

func addrCell(a *layers.Address) any {
	if a == nil || !a.Addr().IsValid() {
		return nil
	}
	return a.Addr().String()
}
