package main

import (
	"io"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// follower is what is told every record of a capture and its end.
type follower interface {
	Add(*record.Record, trace.Role)
	Finish()
}

// followLives tells a follower the records of an input, and then its end. If the
// input is damaged what came before counts, and the error is returned. stop ends it
// early by returning an error.
func followLives(in *input, f follower, stop func() error) error {
	for {
		r, err := in.Next()
		if err != nil {
			f.Finish()
			if err == io.EOF {
				err = nil
			}
			return err
		}
		f.Add(r, in.Role())
		if err := stop(); err != nil {
			return err
		}
	}
}
