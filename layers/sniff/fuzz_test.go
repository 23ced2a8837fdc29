package sniff_test

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
)

// FuzzSniff reads any bytes with every codec. Whatever they are, all candidates are
// there, in order, and equal ones are not decided between.
func FuzzSniff(f *testing.F) {
	for _, c := range captures(f) {
		for i, m := range c.msgs {
			if i%9 == 0 {
				f.Add(m, len(m))
			}
		}
	}
	f.Fuzz(func(t *testing.T, msg []byte, length int) {
		var s sniff.Sniffer
		for n := range 4 {
			s.Add(msg, length)
			list := s.Candidates()
			if len(list) != 14 || list[13].Score != 0 || s.Messages() != n+1 {
				t.Fatalf("%d candidates of %d messages, the last with %d points", len(list), s.Messages(), list[13].Score)
			}
			for i := range list[1:] {
				if list[i].Score < list[i+1].Score {
					t.Fatalf("%v %d before %v %d", list[i].Codec, list[i].Score, list[i+1].Codec, list[i+1].Score)
				}
			}
			c, ok := s.Decided()
			if ok && (c != list[0].Codec || list[0].Score == list[1].Score) || !ok && !c.IsZero() {
				t.Fatalf("decided on %v, %v; best are %v", c, ok, best(list))
			}
			if len(list[0].Reasons) == 0 && list[0].Score > 0 && list[0].Score != list[13].Score && ok {
				t.Fatalf("decided on %v without a reason", c)
			}
		}
		for _, d := range layers.Dialects() {
			sniff.Contradictions(le(d), msg)
			sniff.Contradictions(be(d), msg)
		}
		new(sniff.Sniffer).Dialect(msg, layers.BigEndian)
	})
}
