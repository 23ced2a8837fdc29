//go:build linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// benchMessage is the size of an ADD with eight extensions.
const benchMessage = 216

// BenchmarkRead has messages queued in lots of 8 and read in each of the ways,
// all in one thread. Every way pays the same for the queueing; what is between
// them is the read path. One op is one message.
func BenchmarkRead(b *testing.B) {
	const lot = 8
	batched := func(c *keysock.Conn, batch *keysock.Batch, _ []byte) (int, error) { return c.ReadBatch(batch) }
	single := func(c *keysock.Conn, _ *keysock.Batch, buf []byte) (int, error) { _, err := c.Read(buf); return 1, err }
	for _, way := range []struct {
		name     string
		oneByOne bool
		read     func(*keysock.Conn, *keysock.Batch, []byte) (int, error)
	}{
		{"ReadBatch", false, batched},
		{"ReadBatchOneByOne", true, batched},
		{"Read", false, single},
	} {
		b.Run(way.name, func(b *testing.B) {
			c, peer := standIn(b)
			if way.oneByOne {
				c.ReadOneByOne()
			}
			msg, batch, buf := message(1, benchMessage), keysock.NewBatch(0), make([]byte, keysock.MaxMessage)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += lot {
				for range lot {
					send(b, peer, msg)
				}
				for read := 0; read < lot; {
					n, err := way.read(c, batch, buf)
					if err != nil {
						b.Fatal(err)
					}
					read += n
				}
			}
		})
	}
}

// BenchmarkExchange is a request and an answer, with both ends in one thread as
// the kernel and a replay are: four system calls of which two are Conn's.
func BenchmarkExchange(b *testing.B) {
	for _, try := range []bool{false, true} {
		name := map[bool]string{false: "Read", true: "TryRead"}[try]
		b.Run(name, func(b *testing.B) {
			c, peer := standIn(b)
			read := c.Read
			if try {
				read = c.TryRead
			}
			msg, buf := message(1, benchMessage), make([]byte, keysock.MaxMessage)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := c.Write(msg); err != nil {
					b.Fatal(err)
				}
				n, err := unix.Read(peer, buf)
				if err != nil {
					b.Fatal(err)
				}
				send(b, peer, buf[:n])
				if n, err := read(buf); n != len(msg) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
