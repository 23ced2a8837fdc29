//go:build linux

package keysock_test

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// BenchmarkKernelExchange is the lockstep of a replay: a request, handled
// inside the write, and its answer, which is queued by then.
func BenchmarkKernelExchange(b *testing.B) {
	c := kernelConn(b)
	// A GET without extensions, answered with an error of 16 bytes.
	msg, buf := keysock.ControlMessage(5, 3, 1, 1), make([]byte, keysock.MaxMessage)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := c.Write(msg); err != nil {
			b.Fatal(err)
		}
		if n, err := c.Read(buf); n != 16 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkKernelRead has messages queued in lots of 64 and read with and
// without recvmmsg. One op is one message, written and read.
func BenchmarkKernelRead(b *testing.B) {
	const lot = 64
	for _, oneByOne := range []bool{false, true} {
		name := map[bool]string{false: "ReadBatch", true: "ReadBatchOneByOne"}[oneByOne]
		b.Run(name, func(b *testing.B) {
			c := kernelConn(b)
			if oneByOne {
				c.ReadOneByOne()
			}
			msg, batch := mute(1), keysock.NewBatch(0)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += lot {
				for range lot {
					if _, err := c.Write(msg); err != nil {
						b.Fatal(err)
					}
				}
				for read := 0; read < lot; {
					n, err := c.ReadBatch(batch)
					if err != nil {
						b.Fatal(err)
					}
					read += n
				}
			}
		})
	}
}
