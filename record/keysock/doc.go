// Package keysock is the PF_KEYv2 socket of the running kernel: opening it,
// reading and writing whole messages, its buffers, and the network namespace
// it lives in. It is the only package of this module that talks to a kernel,
// and it knows nothing of what is inside a message beyond the sixteen octets
// of the two control messages it can send itself.
//
// # Messages
//
// A PF_KEY socket (RFC 2367 section 1) carries messages, not a stream: one
// read is one message, one write is one message, and the kernel handles a
// request inside the write call, so an answer is usually queued before Write
// returns. Conn.Read therefore tries the queue first and waits only when it
// is empty. All integers in a message are in the byte order of the kernel.
//
// # What a listener cannot know
//
// On Linux a message that does not fit in the receive buffer of a socket is
// dropped for that socket without any trace: no error, no drop counter
// (SO_RXQ_OVFL and the drops word of SO_MEMINFO stay 0). The only sign comes
// before the loss: Conn.Meminfo shows the queue growing towards its limit.
// Messages carry no time either: SO_TIMESTAMPNS is accepted, but the stamp is
// made when the message is read, so Batch.Time, taken right after the read,
// is as good and says honestly what it is.
//
// # Systems
//
// The socket is built for Linux, FreeBSD, NetBSD, OpenBSD, DragonFly, macOS,
// illumos and Solaris. Everywhere else Open returns an error that matches
// ErrNoPFKEY and says what would work instead; the rest of the API is there,
// so that programs which only read captures build unchanged.
package keysock
