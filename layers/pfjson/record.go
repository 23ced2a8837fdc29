package pfjson

import (
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Record is one captured message with what is known of it.
type Record struct {
	Number     uint64       // running number in the capture, from 1
	Time       time.Time    // when it passed the socket; the zero Time if not known
	Direction  string       // ToKernel, FromKernel or UnknownDirection; "" stands for the last
	Codec      layers.Codec // how Data is to be decoded
	Data       []byte       // the message; of one that Parse made, owned by the caller
	Length     int          // bytes it had on the socket; 0 stands for len(Data)
	TwinOf     uint64       // number of the record that this is a second copy of, or 0
	ReplyTo    uint64       // number of the request that this answers, or 0
	Process    string       // name of the process with the message's pid, or ""
	WriteErrno uint8        // of the write(2) that failed, an error number of the dialect's system, or 0
	Comments   []string     // for people

	// Problems are written after those that the decoder notices; of what both know,
	// by code and offset, only the caller's are. Parse leaves them out.
	Problems []Problem
}

// The directions.
const (
	ToKernel         = "to-kernel"
	FromKernel       = "from-kernel"
	UnknownDirection = "unknown"
)

// Problem is something wrong with a message.
type Problem struct {
	Code   string // short fixed name such as "unknown-extension"
	Offset int    // bytes from the start of the record
	Text   string // for people

	// What a rule knows more; written if it is not the zero value.
	Severity   string // "note", "warning" or "error"
	Ext        string // name of the extension, "" for the message header
	Len        int    // bytes concerned, 0 if something is missing
	Errno      uint8  // what the kernel answers for it, an error number of its system
	ErrnoName  string // its name there
	ByWrite    bool   // write(2) fails with it
	Diagnostic string // name of the illumos diagnostic that comes with it
	Instead    string // what would work
	Source     string // where the rule is from
}

// Options say what Append shows.
type Options struct {
	// ShowKeys writes secret octets. A caller whose Data holds stand-ins for them
	// must not set it.
	ShowKeys bool

	// ID returns four octets that tell one secret from another without giving it
	// away; they are written as key_id and id. key is how many octets of secret, from
	// the first, are those of one key (layers.Value.Key). It must neither keep nor
	// change secret. If it is nil no ids are written.
	ID func(secret []byte, key int) [4]byte
}

// schemaVersion is the value of the member schema.
const schemaVersion = 1

// maxExact is the largest integer up to which every one is exact in the double
// that most JSON readers keep a number in.
const maxExact = 1 << 53
