package convert

import (
	"errors"
	"io"

	"github.com/pfkeycap/pfkeycap/record"
)

// callLog is what a tool that traces system calls wrote, as a source of records.
type callLog struct {
	lines lines
	calls calls
	err   error

	line func(b []byte) error // reads a line, without its newline
	end  func() error         // after the last one
	// unseen says what to do about a log that shows no PF_KEY socket.
	unseen string
}

func newCallLog(r io.Reader, o Options, unseen string) callLog {
	return callLog{lines: newLines(r), calls: newCalls(o), unseen: unseen}
}

// Next returns the next record.
func (s *callLog) Next() (*record.Record, error) {
	for {
		if r, err := s.calls.next(s.err != nil); err == nil {
			return r, nil
		}
		if s.err != nil {
			return nil, s.err
		}
		line, err := s.lines.raw()
		last := err == io.EOF
		switch {
		case last:
			if err = s.end(); err == nil && !s.calls.seen {
				err = errors.New(s.unseen)
			}
		case err != nil:
			s.err = err
			continue
		default:
			err = s.line(line)
		}
		switch {
		case err != nil:
			s.err = s.lines.wrong(err)
		case last:
			s.err = io.EOF
		}
	}
}
