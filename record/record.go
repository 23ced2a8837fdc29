// Package record gets a PF_KEY conversation into a file and out again.
//
// A Recorder reads a socket and hands records to a Writer; a Reader gives them
// back. The file is pcapng (or, with losses, classic pcap) with one raw message
// per packet and a link type of the range for private use. What decoding needs
// besides the bytes, the dialect and the byte order, stands in the interface
// description (Meta).
//
// Key material stays out of the file unless it is asked for: a Writer replaces
// secret bytes with stand-ins of the same length (Hider) and puts the true ones
// into a side file beside the capture, which a Reader finds by itself.
//
// None of the types may be used by two goroutines at once, except where a method
// says so.
package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Direction says which way a message went. The zero value is unknown: what
// cannot be known is never guessed.
type Direction uint8

// The directions. Their values are those of bits 0 and 1 of pcapng's epb_flags,
// seen from the processes: inbound is from the kernel.
const (
	Unknown    Direction = 0
	FromKernel Direction = 1
	ToKernel   Direction = 2
)

// String returns "unknown", "from-kernel" or "to-kernel".
func (d Direction) String() string {
	switch d {
	case FromKernel:
		return "from-kernel"
	case ToKernel:
		return "to-kernel"
	}
	return "unknown"
}

// ParseDirection reads what String writes.
func ParseDirection(s string) (Direction, error) {
	for _, d := range []Direction{Unknown, FromKernel, ToKernel} {
		if s == d.String() {
			return d, nil
		}
	}
	return Unknown, fmt.Errorf("unknown direction %q: want to-kernel, from-kernel or unknown", s)
}

// Record is one captured message.
type Record struct {
	Number  uint64    // running number of the recorder, from 1; 0 if it has none yet
	Time    time.Time // when it was read from or written to the socket; zero if unknown
	Dir     Direction
	Codec   layers.Codec // how Data is to be decoded
	Data    []byte       // the message as it stands in the capture
	OrigLen int          // bytes it had on the socket; more than len(Data) if it was cut short
	Dropped uint64       // messages known to be lost since the record before
	Gap     bool         // a Recorder suspects that messages were lost since the record before; not kept in a capture

	// StandIns says that the secret bytes of Data (layers.Codec.AppendSecrets) are
	// stand-ins. True is then the message with its true bytes, or nil if they are
	// not at hand or there are none.
	StandIns bool
	True     []byte

	// WriteErrno is the error number of the write(2) that was to send a request, on the
	// system of its dialect, or 0. The kernel then refused it before anybody saw it, so
	// only who traced the writer knows of it. Kept in a capture.
	WriteErrno uint8

	Comments []string // for people

	// What package record/trace found out.
	TwinOf  uint64 // number of the record that this is a second copy of, or 0
	ReplyTo uint64 // number of the request that this answers, or 0
	Process string // name of the process with the message's pid, or ""; kept in a capture

	// ids names the secrets of a record that a Reader gave out, nil for others.
	ids *Hider
}

// Bytes returns the message with its true secret bytes if they are at hand, else
// as it stands in the capture.
func (r *Record) Bytes() []byte {
	if r.True != nil {
		return r.True
	}
	return r.Data
}

// Clone returns a copy that shares no memory with r, to keep a record beyond the
// next call of Source.Next.
func (r *Record) Clone() *Record {
	c := *r
	c.Data = bytes.Clone(r.Data)
	c.True = bytes.Clone(r.True)
	c.Comments = slices.Clone(r.Comments)
	return &c
}

// String describes the record without its bytes, which may be secret.
func (r Record) String() string {
	return fmt.Sprintf("#%d %v %v %d bytes", r.Number, r.Dir, r.Codec, len(r.Data))
}

// Format writes what String gives for every verb.
func (r Record) Format(f fmt.State, verb rune) { io.WriteString(f, r.String()) }

// MarshalJSON refuses: package layers/pfjson writes records, without secrets.
func (r Record) MarshalJSON() ([]byte, error) {
	return nil, errors.New("a record is not for encoding/json, which would show its secrets: use package layers/pfjson")
}

// Source gives records one after the other. Next returns io.EOF after the last
// one. The Record and its slices belong to the source and are valid until the
// next call.
type Source interface {
	Next() (*Record, error)
}
