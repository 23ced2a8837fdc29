package replay

import (
	"context"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Target is what a replay talks to: a kernel or a script. It answers requests one
// after the other, in the order of Send.
//
// A Target is used by one goroutine at a time.
type Target interface {
	// Codec says how the target's messages are to be read and written.
	Codec() layers.Codec

	// Send hands over the next request, of which the target keeps no memory. It
	// may, but need not, wait until the target has taken it. Up to MaxOutstanding
	// requests may be waiting for Recv.
	Send(ctx context.Context, r Request) error

	// Recv returns the answer to the oldest request that has none yet. Its memory
	// is the target's and valid until the next call of Recv. An error means that
	// the target cannot go on; a kernel that refuses a message gives an Answer.
	Recv(ctx context.Context) (Answer, error)

	// Close closes all sockets. It may be called while Recv waits.
	Close() error
}

// MaxOutstanding is how many requests a Target takes without a Recv between.
const MaxOutstanding = 256

// Request is one message for a target.
type Request struct {
	// Socket is the socket to write to. Sockets are numbered from 0; one is opened
	// when it is used first.
	Socket int
	// Message is what to write. Without any, nothing is written and the answer
	// holds what has come by itself.
	Message []byte
	// Last says that the socket is not needed afterwards: it is closed when the
	// answer is complete.
	Last bool
}

// Answer is everything a target has to say to a request.
type Answer struct {
	// Errno is that of write(2), in the numbers of the target's dialect; 0 if the
	// kernel took the message.
	Errno int
	// Messages are those that can be read once the request is handled: the answer
	// on the socket of the request, first and in order, then what the other sockets
	// got. A kernel answers inside write(2), and a DUMP is read to its end.
	Messages []Message
}

// Message is a message that came from a target.
type Message struct {
	Socket int
	Data   []byte
}
