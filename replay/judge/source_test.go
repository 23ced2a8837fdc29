package judge

import (
	"bytes"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

// TestSource holds a Source to its promise: the same messages each time and in any
// order, no message without a byte, recorded requests in every other stretch.
func TestSource(t *testing.T) {
	recorded := [][]byte{testMessages(0, nil), testMessages(3, nil), testMessages(10, nil)}
	for _, c := range []layers.Codec{testCodec, {Dialect: layers.Linux, Order: layers.BigEndian}} {
		for _, list := range [][][]byte{nil, recorded} {
			a, b := NewSource(c, 5, list), NewSource(c, 5, list)
			other := NewSource(c, 6, list)
			const n = 2 * stretch
			same, plain := 0, 0
			messages := make([][]byte, n)
			for i := range messages {
				messages[i] = a.Append(uint64(i), nil)
				if len(messages[i]) == 0 {
					t.Fatalf("message %d is empty", i)
				}
				if bytes.Equal(messages[i], other.Append(uint64(i), nil)) {
					same++
				}
				for _, r := range list {
					if bytes.Equal(messages[i], r) {
						plain++
					}
				}
			}
			if got := b.Append(7, []byte("xyz")); !bytes.Equal(got, append([]byte("xyz"), messages[7]...)) {
				t.Errorf("message 7 with something before it is another one")
			}
			for i := n - 1; i >= 0; i-- {
				if !bytes.Equal(b.Append(uint64(i), nil), messages[i]) {
					t.Fatalf("message %d differs the second time", i)
				}
			}
			// Recorded requests that are not changed do not hang on the seed.
			if list == nil && same > n/20 || list != nil && (plain < stretch/2 || plain > stretch*3/4) {
				t.Errorf("%v, %d recorded: %d messages are those of another seed, %d are recorded ones", c, len(list), same, plain)
			}
		}
	}
	if a, b := NewSource(testCodec, 1, recorded).String(), NewSource(testCodec, 1, recorded[:2]).String(); a == b || a == NewSource(testCodec, 1, nil).String() {
		t.Errorf("sources are named %q and %q", a, b)
	}
}
