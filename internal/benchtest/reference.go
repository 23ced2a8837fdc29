package benchtest

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Compile makes a program of a C file that is there to be compared with, and returns
// its name. Without a C compiler the benchmark is skipped.
func Compile(b *testing.B, source string) string {
	b.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		b.Skip("needs a C compiler to compare with: ", err)
	}
	out := filepath.Join(b.TempDir(), "reference")
	if text, err := exec.Command(cc, "-O2", "-o", out, source).CombinedOutput(); err != nil {
		b.Skipf("needs a C compiler to compare with: %v\n%s", err, text)
	}
	return out
}

// MessageFile writes messages for such a program to read: each after its length in
// four bytes of this machine's order. It returns the file's name.
func MessageFile(b *testing.B, msgs [][]byte) string {
	b.Helper()
	var all []byte
	for _, m := range msgs {
		all = append(binary.NativeEndian.AppendUint32(all, uint32(len(m))), m...)
	}
	file := filepath.Join(b.TempDir(), "messages")
	if err := os.WriteFile(file, all, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}
