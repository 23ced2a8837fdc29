package main

import (
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// followed is a source that has of another one only what belongs to an SPI, a
// process or a sequence number: messages that name it, the requests that they
// answer, and the answers to such requests.
type followed struct {
	source record.Source
	spi    bool
	pid    bool
	number uint32
	msg    layers.Message

	// A request that does not name an SPI yet (GETSPI) waits for its answer, and what
	// comes after it waits with it.
	held []waiting
	seen uint64 // records of the source
	out  int    // of held, given away at the next call
	err  error

	requests [followedRequests]uint64 // numbers of those that belong, at number%len
}

// waiting is a record that is held back.
type waiting struct {
	*record.Record
	verdict verdict
	at      uint64 // which one of the source it is
}

type verdict uint8

const (
	undecided verdict = iota
	belongs
	foreign
)

const (
	followedRequests = 1024
	followedWait     = 64 // records that a request waits for its answer
)

// parseFollow reads the operand of --follow: spi=N, pid=N or seq=N, or an SPI as
// 0xN.
func parseFollow(s string) (*followed, error) {
	what, number, ok := strings.Cut(s, "=")
	if !ok && (strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X")) {
		what, number, ok = "spi", s, true
	}
	f := &followed{spi: strings.EqualFold(what, "spi"), pid: strings.EqualFold(what, "pid")}
	n, err := strconv.ParseUint(number, 0, 32)
	if !ok || err != nil || !f.spi && !f.pid && !strings.EqualFold(what, "seq") {
		return nil, usagef("--follow %s: want spi=0xN (or 0xN), pid=N or seq=N", s)
	}
	f.number = uint32(n)
	return f, nil
}

// Next returns the next record that belongs. It is valid until the next call.
func (f *followed) Next() (*record.Record, error) {
	f.drop(f.out)
	f.out = 0
	for {
		for len(f.held) > 0 && f.held[0].verdict == foreign {
			f.drop(1)
		}
		if len(f.held) > 0 && f.held[0].verdict == belongs {
			f.out = 1
			return f.held[0].Record, nil
		}
		if f.err != nil {
			if len(f.held) > 0 {
				f.drop(1) // its answer never came
				continue
			}
			return nil, f.err
		}
		if len(f.held) > 0 && f.seen-f.held[0].at > followedWait {
			f.held[0].verdict = foreign
			continue
		}
		r, err := f.source.Next()
		if err != nil {
			f.err = err
			continue
		}
		f.seen++
		v := f.judge(r)
		if v == belongs && len(f.held) == 0 {
			return r, nil
		}
		if v != foreign {
			f.held = append(f.held, waiting{r.Clone(), v, f.seen})
		}
	}
}

func (f *followed) drop(n int) {
	clear(f.held[:n])
	if f.held = f.held[n:]; len(f.held) == 0 {
		f.held = nil
	}
}

// judge decides about a record, and about a request that it answers.
func (f *followed) judge(r *record.Record) verdict {
	m := &f.msg
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Codec.Unwrap(r.Data), nil) // what is malformed has what precedes the fault
	named := false
	switch {
	case len(m.Contents) < layers.BaseLen:
	case f.spi:
		named = m.SA() != nil && m.SA().SPI == f.number || m.SecondSA() != nil && m.SecondSA().SPI == f.number
	case f.pid:
		named = m.PID == f.number
	default:
		named = m.Seq == f.number
	}
	switch {
	case named:
		if r.Dir == record.ToKernel {
			f.add(r.Number)
		}
		f.resolve(r.ReplyTo)
		return belongs
	case f.has(r.ReplyTo) || f.has(r.TwinOf):
		return belongs
	case f.spi && r.Dir == record.ToKernel && m.Type == layers.GETSPI:
		return undecided
	case r.ReplyTo != 0: // the answer to a GETSPI that was for another SPI, or failed
		for i, h := range f.held {
			if h.Number == r.ReplyTo && f.held[i].verdict == undecided {
				f.held[i].verdict = foreign
			}
		}
	}
	return foreign
}

// resolve decides that a request that waits belongs.
func (f *followed) resolve(number uint64) {
	if number == 0 {
		return
	}
	f.add(number)
	for i, h := range f.held {
		if h.Number == number {
			f.held[i].verdict = belongs
		}
	}
}

func (f *followed) add(number uint64) { f.requests[number%followedRequests] = number }

func (f *followed) has(number uint64) bool {
	return number != 0 && f.requests[number%followedRequests] == number
}
