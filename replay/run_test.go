package replay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// A replay of a capture against what the capture itself says finds nothing but
// equal answers, with true keys and with stand-ins, in any window.
func TestRecordingEqualsItself(t *testing.T) {
	for _, path := range fixtures(t) {
		for _, keys := range []bool{true, false} {
			for _, topSpeed := range []bool{false, true} {
				name := fmt.Sprintf("%s keys=%v topspeed=%v", strings.TrimPrefix(path, "../fixtures/"), keys, topSpeed)
				t.Run(name, func(t *testing.T) {
					list, promisc := load(t, path, keys)
					plan, err := replay.NewPlan(traced(list, promisc), replay.PlanOptions{})
					if errors.Is(err, replay.ErrNoRequests) {
						t.Log(err)
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					target, err := replaytest.Recording(traced(list, promisc))
					if err != nil {
						t.Fatal(err)
					}
					r, err := replay.Run(context.Background(), plan, target, replay.RunOptions{Pace: replay.Pace{TopSpeed: topSpeed}})
					if err != nil {
						t.Fatal(err)
					}
					if err := target.Done(); err != nil {
						t.Error(err)
					}
					check(t, plan, r)
					if r.Different != 0 || r.Volatile != 0 || r.Sent == 0 {
						t.Error(text(t, r, true))
					}
					for _, e := range r.Exchanges {
						for i := range e.Differences {
							if d := &e.Differences[i]; d.What != replay.Octets || d.Verdict != replay.NotReproducible {
								t.Errorf("#%d: %v", e.Record, d)
							}
						}
					}
				})
			}
		}
	}
}

func counts(r *replay.Report) [6]int {
	return [6]int{r.Sent, r.Answered, r.Equal, r.Volatile, r.NotReproducible, r.Different}
}

func TestRun(t *testing.T) {
	answers := func(b ...[]byte) [][]byte { return b }
	type test struct {
		name  string
		talk  func(s *said)
		steps []replaytest.Step
		want  [6]int   // sent, answered, equal, volatile, not reproducible, different
		lines []string // that the text report has
		not   []string // that it has not
	}
	add, added := request(layers.ADD, 1, spi1, key("0123456789abcdefghij")), state(layers.ADD, 1, spi1, 100, key("0123456789abcdefghij"))
	get := request(layers.GET, 2, spi1)
	for _, test := range []test{
		{
			name:  "equal",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{Want: add, Answers: answers(added)}},
			want:  [6]int{1, 1, 1, 0, 0, 0},
			lines: []string{"sent 1, answered 1: 1 equal, 0 volatile, 0 not-reproducible, 0 different"},
		},
		{
			name:  "volatile",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{Want: add, Answers: answers(state(layers.ADD, 1, spi1, 101, key("0123456789abcdefghij")))}},
			want:  [6]int{1, 1, 0, 1, 0, 0},
			not:   []string{"addtime"},
		},
		{
			name:  "another key",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{Want: add, Answers: answers(state(layers.ADD, 1, spi1, 101, key("0123456789abcdefghiX")))}},
			want:  [6]int{1, 1, 0, 0, 0, 1},
			lines: []string{"different: #1 ADD esp 10.0.0.1 > 10.0.0.2 spi=0x00001001 seq=1 pid=412: #2 key_auth.key recorded ··(20 bytes), target ··(20 bytes) (the octets differ)"},
			not:   []string{"addtime"},
		},
		{
			name:  "refused",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{Answers: answers(header(layers.ADD, 1, 38))}},
			want:  [6]int{1, 1, 0, 0, 0, 1},
			lines: []string{": #2 msg.errno recorded 0, target 38(ENOSYS)"},
			not:   []string{"dropped"},
		},
		{
			name:  "write fails",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{Errno: 90}},
			want:  [6]int{1, 0, 0, 0, 0, 1},
			lines: []string{"errno recorded a message that was taken, target write: EMSGSIZE"},
		},
		{
			name:  "write failed, and fails",
			talk:  func(s *said) { s.ask(add); s.list[0].WriteErrno = 90 },
			steps: []replaytest.Step{{Errno: 90}},
			want:  [6]int{1, 0, 1, 0, 0, 0},
		},
		{
			name:  "write failed otherwise",
			talk:  func(s *said) { s.ask(add); s.list[0].WriteErrno = 90 },
			steps: []replaytest.Step{{Errno: 22}},
			want:  [6]int{1, 0, 0, 0, 0, 1},
			lines: []string{"different: #1 ADD esp 10.0.0.1 > 10.0.0.2 spi=0x00001001 seq=1 pid=412: #1 errno recorded write: EMSGSIZE, target write: EINVAL"},
		},
		{
			name:  "write failed, and does not",
			talk:  func(s *said) { s.ask(add); s.list[0].WriteErrno = 90; s.ask(get, header(layers.GET, 2, 3)) },
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(header(layers.GET, 2, 3))}},
			want:  [6]int{2, 2, 1, 0, 0, 1},
			lines: []string{"#1 errno recorded write: EMSGSIZE, target a message that was taken"},
		},
		{
			name:  "the target says nothing",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{}},
			want:  [6]int{1, 0, 0, 0, 0, 1},
			lines: []string{"#2 dropped: ADD esp 10.0.0.1 > 10.0.0.2 spi=0x00001001"},
		},
		{
			name:  "the answer was lost",
			talk:  func(s *said) { s.ask(add) },
			steps: []replaytest.Step{{Answers: answers(added)}},
			want:  [6]int{1, 1, 0, 0, 1, 0},
			lines: []string{"not-reproducible: #1 ADD", "the capture holds no answer to it"},
		},
		{
			name:  "what has no answer may be refused",
			talk:  func(s *said) { s.ask(add); s.ask(get) },
			steps: []replaytest.Step{{Answers: answers(header(layers.ADD, 1, 38))}, {Errno: 90}},
			want:  [6]int{2, 1, 0, 0, 2, 0},
			lines: []string{"the capture holds no answer to it; the target refuses it, ENOSYS\n", "the capture holds no answer to it; the target refuses it, write: EMSGSIZE\n"},
		},
		{
			name:  "a failed ACQUIRE has no answer",
			talk:  func(s *said) { s.ask(header(layers.ACQUIRE, 7, 22)) },
			steps: []replaytest.Step{{}},
			want:  [6]int{1, 0, 1, 0, 0, 0},
		},
		{
			name:  "but now it has",
			talk:  func(s *said) { s.ask(header(layers.ACQUIRE, 7, 0)) },
			steps: []replaytest.Step{{Answers: answers(header(layers.ACQUIRE, 7, 22))}},
			want:  [6]int{1, 1, 0, 0, 0, 1},
			lines: []string{"added: ACQUIRE esp seq=7"},
		},
		{
			name:  "a header the kernel refuses is sent as it is",
			talk:  func(s *said) { s.ask(append([]byte{3}, get[1:]...)) },
			steps: []replaytest.Step{{Want: append([]byte{3}, get[1:]...), Errno: 22}},
			want:  [6]int{1, 0, 1, 0, 0, 0},
		},
		{
			name:  "the target takes it",
			talk:  func(s *said) { s.ask(append([]byte{3}, get[1:]...)) },
			steps: []replaytest.Step{{}},
			want:  [6]int{1, 0, 0, 0, 0, 1},
			lines: []string{"errno recorded refused by write, target a message that was taken"},
		},
		{
			name: "a FLUSH is not compared with itself",
			talk: func(s *said) {
				s.ask(add, added)
				s.ask(header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Want: header(layers.FLUSH, 2, 0), Answers: answers(header(layers.FLUSH, 2, 0))}},
			want:  [6]int{2, 2, 1, 0, 0, 1},
			lines: []string{"different: #3 FLUSH esp seq=2 pid=412: #5 dropped: FLUSH esp seq=2 pid=412"},
		},
		{
			name:  "a FLUSH that removes more",
			talk:  func(s *said) { s.ask(header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0)) },
			steps: []replaytest.Step{{Answers: answers(header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0))}},
			want:  [6]int{1, 1, 0, 0, 0, 1},
			lines: []string{"added: FLUSH"},
		},
		{
			name: "a FLUSH of what was there before",
			talk: func(s *said) {
				s.ask(header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0))
			},
			steps: []replaytest.Step{{Answers: answers(header(layers.FLUSH, 2, 0))}},
			want:  [6]int{1, 1, 0, 0, 1, 0},
			lines: []string{"before the recording began"},
		},
		{
			name: "SPDSETIDX is answered as SPDADD",
			talk: func(s *said) {
				s.ask(spd(layers.SPDSETIDX, 1, 0, 7, false), spd(layers.SPDADD, 1, 8, 7, true))
			},
			steps: []replaytest.Step{{Answers: answers(spd(layers.SPDADD, 1, 8, 7, true))}},
			want:  [6]int{1, 1, 1, 0, 0, 0},
		},
		{
			name: "MIGRATE is answered without seq and pid",
			talk: func(s *said) {
				s.ask(spd(layers.SPDADD, 1, 0, 7, false), spd(layers.SPDADD, 1, 8, 7, true))
				s.ask(spd(layers.MIGRATE, 2, 0, 7, false), event(layers.Base{Type: layers.MIGRATE}, srcDst()...))
			},
			steps: []replaytest.Step{{Answers: answers(spd(layers.SPDADD, 1, 8, 7, true))}, {Answers: answers(event(layers.Base{Type: layers.MIGRATE}, srcDst()...))}},
			want:  [6]int{2, 2, 2, 0, 0, 0},
		},
		{
			name:  "what other sockets hear of an answer is no answer",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{Answers: answers(added), Others: []replay.Message{{Socket: 1, Data: added}}}},
			want:  [6]int{1, 1, 1, 0, 0, 0},
			not:   []string{"unasked"},
		},
		{
			name:  "an event of the target is no answer",
			talk:  func(s *said) { s.ask(add, added) },
			steps: []replaytest.Step{{Answers: answers(expire(spi2, false), added)}},
			want:  [6]int{1, 1, 1, 0, 0, 0},
			lines: []string{"unasked: the target said EXPIRE esp 10.0.0.1 > 10.0.0.2 spi=0x00002002"},
		},
		{
			name:  "the target lets an SA expire",
			talk:  func(s *said) { s.ask(add, added); s.ask(get, state(layers.GET, 2, spi1, 100)) },
			steps: []replaytest.Step{{Answers: answers(added, expire(spi1, true))}, {Answers: answers(header(layers.GET, 2, 3))}},
			want:  [6]int{2, 2, 0, 0, 2, 0}, // the ADD too: it may have expired at once
			lines: []string{"not-reproducible: #3 GET", "the target said EXPIRE of it"},
		},
		{
			name: "an SA that expired",
			talk: func(s *said) {
				s.ask(add, added)
				s.event(expire(spi1, true))
				s.ask(get, header(layers.GET, 2, 3))
				s.ask(request(layers.DELETE, 3, spi1), header(layers.DELETE, 3, 3))
				s.ask(request(layers.GET, 4, spi1), header(layers.GET, 4, 3))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(state(layers.GET, 2, spi1, 100))},
				{Answers: answers(state(layers.DELETE, 3, spi1, 100))}, {Answers: answers(header(layers.GET, 4, 3))}},
			want:  [6]int{4, 4, 2, 0, 3, 0},
			lines: []string{"#3 EXPIRE", "the kernel said it of its own accord", "not-reproducible: #4 GET", "not-reproducible: #6 DELETE", "the hard EXPIRE #3 removed it"},
		},
		{
			name: "a dying SA can be deleted",
			talk: func(s *said) {
				s.ask(add, added)
				s.event(expire(spi1, false))
				s.ask(get, state(layers.GET, 2, spi1, 100))
				s.ask(request(layers.DELETE, 3, spi1), state(layers.DELETE, 3, spi1, 100))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(state(layers.GET, 2, spi1, 100))}, {Answers: answers(state(layers.DELETE, 3, spi1, 100))}},
			want:  [6]int{3, 3, 2, 0, 2, 0},
			lines: []string{"not-reproducible: #4 GET", "the soft EXPIRE #3 made it dying"},
		},
		{
			name: "made over netlink",
			talk: func(s *said) {
				s.foreign(state(layers.ADD, 99, spi1, 100))
				s.ask(get, state(layers.GET, 2, spi1, 100))
				s.ask(header(layers.DUMP, 3, 0), state(layers.DUMP, 0, spi1, 100))
				s.foreign(state(layers.DELETE, 100, spi1, 100))
				s.ask(request(layers.GET, 4, spi1), header(layers.GET, 4, 3))
			},
			steps: []replaytest.Step{{Answers: answers(header(layers.GET, 2, 3))}, {Answers: answers(header(layers.DUMP, 3, 2))}, {Answers: answers(header(layers.GET, 4, 3))}},
			want:  [6]int{3, 3, 1, 0, 4, 0},
			lines: []string{"#1 made it, without a request in the capture"},
		},
		{
			name: "removed over netlink",
			talk: func(s *said) {
				s.ask(add, added)
				s.foreign(header(layers.FLUSH, 99, 0))
				s.ask(get, header(layers.GET, 2, 3))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(state(layers.GET, 2, spi1, 100))}},
			want:  [6]int{2, 2, 1, 0, 2, 0},
			lines: []string{"#3 removed it, without a request in the capture"},
		},
		{
			name: "policies made over netlink",
			talk: func(s *said) {
				s.foreign(spd(layers.SPDADD, 99, 8, 7, true))
				s.ask(byID(layers.SPDGET, 2, 8), spd(layers.SPDGET, 2, 8, 7, true))
				s.ask(header(layers.SPDDUMP, 3, 0), spd(layers.SPDDUMP, 0, 8, 7, true))
				s.ask(spd(layers.SPDADD, 4, 0, 7, false), header(layers.SPDADD, 4, 17))
				s.ask(spd(layers.SPDDELETE, 5, 0, 7, false), spd(layers.SPDDELETE, 5, 8, 7, true))
				s.ask(byID(layers.SPDGET, 6, 8), header(layers.SPDGET, 6, 2))
			},
			steps: []replaytest.Step{{Answers: answers(header(layers.SPDGET, 2, 2))}, {Answers: answers(header(layers.SPDDUMP, 3, 2))},
				{Answers: answers(spd(layers.SPDADD, 4, 16, 7, true))}, {Answers: answers(spd(layers.SPDDELETE, 5, 16, 7, true))}, {Answers: answers(header(layers.SPDGET, 6, 2))}},
			want: [6]int{5, 5, 1, 0, 5, 0},
		},
		{
			name: "an id that the recorded kernel does not have is none of the target's",
			talk: func(s *said) {
				s.ask(spd(layers.SPDADD, 1, 0, 7, false), spd(layers.SPDADD, 1, 80, 7, true))
				s.ask(byID(layers.SPDGET, 2, 16), header(layers.SPDGET, 2, 2))
			},
			steps: []replaytest.Step{{Answers: answers(spd(layers.SPDADD, 1, 16, 7, true))},
				{Want: byID(layers.SPDGET, 2, 80), Answers: answers(header(layers.SPDGET, 2, 2))}},
			want:  [6]int{2, 2, 1, 1, 0, 0},
			lines: []string{"binding: #1 policy-id 80 is 16 on the target (#2)"},
		},
		{
			name: "an id is bound anew with each policy",
			talk: func(s *said) {
				for seq := uint32(1); seq < 6; seq += 2 {
					s.ask(spd(layers.SPDADD, seq, 0, 7, false), spd(layers.SPDADD, seq, 8*seq, 7, true))
					s.ask(spd(layers.SPDDELETE, seq+1, 0, 7, false), spd(layers.SPDDELETE, seq+1, 8*seq, 7, true))
				}
			},
			steps: []replaytest.Step{ // this kernel gives them out again
				{Answers: answers(spd(layers.SPDADD, 1, 24, 7, true))}, {Answers: answers(spd(layers.SPDDELETE, 2, 24, 7, true))},
				{Answers: answers(spd(layers.SPDADD, 3, 24, 7, true))}, {Answers: answers(spd(layers.SPDDELETE, 4, 24, 7, true))},
				{Answers: answers(spd(layers.SPDADD, 5, 24, 7, true))}, {Answers: answers(spd(layers.SPDDELETE, 6, 32, 7, true))},
			},
			want:  [6]int{6, 6, 2, 3, 0, 1},
			lines: []string{"different: #11 SPDDELETE", "policy.id recorded 40, target 32"},
		},
		{
			name: "an SPI is bound anew with each GETSPI",
			talk: func(s *said) {
				for seq := uint32(1); seq < 4; seq += 2 {
					s.ask(getspi(seq, spi1, spi2), state(layers.GETSPI, seq, spi1, 100))
					s.ask(request(layers.DELETE, seq+1, spi1), state(layers.DELETE, seq+1, spi1, 100))
				}
			},
			steps: []replaytest.Step{
				{Answers: answers(header(layers.GETSPI, 1, 2))}, {Answers: answers(state(layers.GETSPI, 1, spi1+1, 100))},
				{Want: request(layers.DELETE, 2, spi1+1), Answers: answers(state(layers.DELETE, 2, spi1+1, 100))},
				{Answers: answers(header(layers.GETSPI, 3, 2))}, {Answers: answers(state(layers.GETSPI, 3, spi1+2, 100))},
				{Want: request(layers.DELETE, 4, spi1+2), Answers: answers(state(layers.DELETE, 4, spi1+2, 100))},
			},
			want:  [6]int{4, 4, 0, 4, 0, 0},
			lines: []string{"spi 0x00001001 is 0x00001002 on the target (#2)", "spi 0x00001001 is 0x00001003 on the target (#6)"},
		},
		{
			name: "registered before",
			talk: func(s *said) {
				s.ask(header(layers.REGISTER, 1, 0), header(layers.REGISTER, 1, 17))
				s.ask(header(layers.REGISTER, 2, 0), header(layers.REGISTER, 2, 17))
			},
			steps: []replaytest.Step{{Answers: answers(header(layers.REGISTER, 1, 0))}, {Answers: answers(header(layers.REGISTER, 2, 17))}},
			want:  [6]int{2, 2, 1, 0, 1, 0},
			lines: []string{"it tells that the socket was registered before, which the capture does not show"},
		},
		{
			name: "a policy has its host bits and its protocol",
			talk: func(s *said) {
				other := spd(layers.SPDADD, 1, 8, 7, true)
				other[27] ^= 1 // the last octet of the source
				s.foreign(other)
				s.ask(spd(layers.SPDADD, 2, 0, 7, false), spd(layers.SPDADD, 2, 16, 7, true))
				s.ask(spd(layers.SPDDELETE, 3, 0, 7, false), spd(layers.SPDDELETE, 3, 16, 7, true))
			},
			steps: []replaytest.Step{{Answers: answers(spd(layers.SPDADD, 2, 16, 7, true))}, {Answers: answers(spd(layers.SPDDELETE, 3, 16, 7, true))}},
			want:  [6]int{2, 2, 2, 0, 1, 0},
		},
		{
			name: "a refused GETSPI may leave an SA",
			talk: func(s *said) {
				s.ask(getspi(1, 9, 8), header(layers.GETSPI, 1, 22))
				s.ask(header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0))
				s.ask(getspi(3, 8, 9), header(layers.GETSPI, 3, 2)) // this one does
				s.ask(header(layers.FLUSH, 4, 0), header(layers.FLUSH, 4, 0), header(layers.FLUSH, 4, 0))
			},
			steps: []replaytest.Step{{Answers: answers(header(layers.GETSPI, 1, 22))}, {Answers: answers(header(layers.FLUSH, 2, 0))},
				{Answers: answers(header(layers.GETSPI, 3, 2))}, {Answers: answers(header(layers.FLUSH, 4, 0))}},
			want:  [6]int{4, 4, 2, 0, 1, 1},
			lines: []string{"not-reproducible: #3 FLUSH", "whether a GETSPI that was refused left an SA", "different: #8 FLUSH"},
		},
		{
			name: "a missing DELETE is noticed",
			talk: func(s *said) {
				s.ask(add, added)
				s.ask(request(layers.ADD, 2, spi1), state(layers.ADD, 2, spi1, 101))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(header(layers.ADD, 2, 17))}},
			want:  [6]int{2, 2, 1, 0, 0, 1},
			lines: []string{"different: #3 ADD", "#4 msg.errno recorded 0, target 17(EEXIST)"},
		},
		{
			name: "an SA from before",
			talk: func(s *said) {
				s.ask(get, state(layers.GET, 2, spi1, 100))
				s.ask(request(layers.DELETE, 3, spi1), state(layers.DELETE, 3, spi1, 100))
			},
			steps: []replaytest.Step{{Answers: answers(header(layers.GET, 2, 3))}, {Answers: answers(header(layers.DELETE, 3, 3))}},
			want:  [6]int{2, 2, 0, 0, 2, 0},
			lines: []string{"it was there before the recording began"},
		},
		{
			name: "dumps are compared by what they list",
			talk: func(s *said) {
				s.ask(add, added)
				s.ask(request(layers.ADD, 2, spi2), state(layers.ADD, 2, spi2, 100))
				s.ask(header(layers.DUMP, 3, 0), state(layers.DUMP, 1, spi2, 100), state(layers.DUMP, 0, spi1, 100))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(state(layers.ADD, 2, spi2, 100))},
				{Answers: answers(state(layers.DUMP, 1, spi1, 100), state(layers.DUMP, 0, spi2, 100))}},
			want: [6]int{3, 3, 2, 1, 0, 0},
		},
		{
			name: "an entry too few, one too many",
			talk: func(s *said) {
				s.ask(add, added)
				s.ask(header(layers.DUMP, 3, 0), state(layers.DUMP, 0, spi1, 100))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(state(layers.DUMP, 0, spi2, 100))}},
			want:  [6]int{2, 2, 1, 0, 0, 1},
			lines: []string{"#4 dropped: DUMP esp 10.0.0.1 > 10.0.0.2 spi=0x00001001", "added: DUMP esp 10.0.0.1 > 10.0.0.2 spi=0x00002002"},
		},
		{
			name: "a dump with a hole",
			talk: func(s *said) {
				s.ask(add, added)
				s.ask(request(layers.ADD, 2, spi2), state(layers.ADD, 2, spi2, 100))
				s.ask(header(layers.DUMP, 3, 0), state(layers.DUMP, 1, spi2, 100))
			},
			steps: []replaytest.Step{{Answers: answers(added)}, {Answers: answers(state(layers.ADD, 2, spi2, 100))},
				{Answers: answers(state(layers.DUMP, 1, spi2, 100), state(layers.DUMP, 0, spi1, 100))}},
			want:  [6]int{3, 3, 2, 0, 1, 0},
			lines: []string{"the recorded dump has no end"},
		},
		{
			name:  "the table is empty in both",
			talk:  func(s *said) { s.ask(header(layers.DUMP, 3, 0), header(layers.DUMP, 3, 2)) },
			steps: []replaytest.Step{{Answers: answers(header(layers.DUMP, 3, 2))}},
			want:  [6]int{1, 1, 1, 0, 0, 0},
		},
		{
			name:  "a dump that was in the way",
			talk:  func(s *said) { s.ask(header(layers.DUMP, 3, 0), header(layers.DUMP, 3, 16)) },
			steps: []replaytest.Step{{Answers: answers(header(layers.DUMP, 3, 2))}},
			want:  [6]int{1, 1, 0, 0, 1, 0},
			lines: []string{"an earlier dump"},
		},
		{
			name: "ports that were not given",
			talk: func(s *said) {
				s.ask(request(layers.ADD, 1, spi1, &layers.NATTType{Type: 2}), state(layers.ADD, 1, spi1, 1, &layers.NATTType{Type: 2}, &layers.NATTPort{Header: layers.For(layers.LayerTypeNATTSrcPort), Port: 9}))
			},
			steps: []replaytest.Step{{Answers: answers(state(layers.ADD, 1, spi1, 1, &layers.NATTType{Type: 2}, &layers.NATTPort{Header: layers.For(layers.LayerTypeNATTSrcPort), Port: 10}))}},
			want:  [6]int{1, 1, 0, 0, 1, 0},
			lines: []string{"the request gives no NAT-T ports"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &said{}
			test.talk(s)
			r := run(t, s.plan(t), test.steps...)
			if got := counts(r); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			out := text(t, r, false)
			for _, l := range test.lines {
				if !strings.Contains(out, l) {
					t.Errorf("no line with %q", l)
				}
			}
			for _, l := range test.not {
				if strings.Contains(out, l) {
					t.Errorf("a line with %q", l)
				}
			}
			if t.Failed() {
				t.Log(text(t, r, true))
			}
		})
	}
}

func TestLateBinding(t *testing.T) {
	const other = 0x7777
	answers := func(b ...[]byte) [][]byte { return b }
	t.Run("GETSPI is narrowed", func(t *testing.T) {
		s := &said{}
		s.ask(getspi(1, 0x100, 0xffff), state(layers.GETSPI, 1, spi1, 1))
		r := run(t, s.plan(t), replaytest.Step{Want: getspi(1, spi1, spi1), Answers: answers(state(layers.GETSPI, 1, spi1, 1))})
		if r.Equal != 1 || len(r.Bindings) != 0 {
			t.Error(text(t, r, true))
		}
		want := "spirange 0x00000100-0x0000ffff → 0x00001001 (the SPI that the recorded kernel chose, #2)"
		if got := r.Exchanges[0].Rewrites; len(got) != 1 || got[0].String() != want {
			t.Errorf("rewrites %v, want %s", got, want)
		}
	})
	t.Run("a range is added", func(t *testing.T) {
		s := &said{}
		bare := enc(layers.Base{Type: layers.GETSPI, SAType: layers.SATypeESP, Seq: 1}, srcDst()...)
		s.ask(bare, state(layers.GETSPI, 1, spi1, 1))
		want := enc(layers.Base{Type: layers.GETSPI, SAType: layers.SATypeESP, Seq: 1}, with(srcDst(), &layers.SPIRange{Min: spi1, Max: spi1})...)
		run(t, s.plan(t), replaytest.Step{Want: want, Answers: answers(state(layers.GETSPI, 1, spi1, 1))})
	})
	t.Run("an SPI that is taken", func(t *testing.T) {
		s := &said{}
		s.ask(getspi(1, 0x100, 0xffff), state(layers.GETSPI, 1, spi1, 1))
		s.ask(request(layers.UPDATE, 2, spi1), state(layers.UPDATE, 2, spi1, 1))
		s.ask(request(layers.GET, 3, spi2), header(layers.GET, 3, 3)) // is no business of it
		s.ask(header(layers.DUMP, 4, 0), state(layers.DUMP, 0, spi1, 1))
		s.ask(request(layers.DELETE, 5, spi1), state(layers.DELETE, 5, spi1, 1))
		r := run(t, s.plan(t),
			replaytest.Step{Want: getspi(1, spi1, spi1), Answers: answers(header(layers.GETSPI, 1, 2))},
			replaytest.Step{Want: getspi(1, 0x100, 0xffff), Answers: answers(state(layers.GETSPI, 1, other, 1))},
			replaytest.Step{Want: request(layers.UPDATE, 2, other), Answers: answers(state(layers.UPDATE, 2, other, 1))},
			replaytest.Step{Want: request(layers.GET, 3, spi2), Answers: answers(header(layers.GET, 3, 3))},
			replaytest.Step{Answers: answers(state(layers.DUMP, 0, other, 1))},
			replaytest.Step{Want: request(layers.DELETE, 5, other), Answers: answers(state(layers.DELETE, 5, other, 1))},
		)
		if got := counts(r); got != [6]int{5, 5, 1, 4, 0, 0} {
			t.Errorf("%v\n%s", got, text(t, r, true))
		}
		if want := "binding: #1 spi 0x00001001 is 0x00007777 on the target (#2)"; !strings.Contains(text(t, r, false), want) {
			t.Errorf("no line %q in\n%s", want, text(t, r, false))
		}
		if len(r.Bindings) != 1 {
			t.Errorf("bindings %v", r.Bindings)
		}
	})
	t.Run("a wrong SPI is a difference all the same", func(t *testing.T) {
		s := &said{}
		s.ask(getspi(1, 0x100, 0xffff), state(layers.GETSPI, 1, spi1, 1))
		s.ask(request(layers.GET, 2, spi1), state(layers.GET, 2, spi1, 1))
		r := run(t, s.plan(t),
			replaytest.Step{Answers: answers(state(layers.GETSPI, 1, other, 1))},
			replaytest.Step{Want: request(layers.GET, 2, other), Answers: answers(state(layers.GET, 2, spi2, 1))})
		if r.Different != 1 || r.Volatile != 1 {
			t.Error(text(t, r, true))
		}
	})
	t.Run("policy ids and request ids", func(t *testing.T) {
		s := &said{}
		s.ask(spd(layers.SPDADD, 1, 0, 0, false), spd(layers.SPDADD, 1, 8, 0x4001, true))
		s.ask(byID(layers.SPDGET, 2, 8), spd(layers.SPDGET, 2, 8, 0x4001, true))
		s.ask(request(layers.ADD, 3, spi1, &layers.SA2{Mode: 1, ReqID: 0x4001}), state(layers.ADD, 3, spi1, 1, &layers.SA2{Mode: 1, ReqID: 0x4001}))
		s.ask(byID(layers.SPDDELETE2, 4, 8), spd(layers.SPDDELETE2, 4, 8, 0x4001, true))
		r := run(t, s.plan(t),
			replaytest.Step{Answers: answers(spd(layers.SPDADD, 1, 16, 0x4007, true))},
			replaytest.Step{Want: byID(layers.SPDGET, 2, 16), Answers: answers(spd(layers.SPDGET, 2, 16, 0x4007, true))},
			replaytest.Step{Want: request(layers.ADD, 3, spi1, &layers.SA2{Mode: 1, ReqID: 0x4007}),
				Answers: answers(state(layers.ADD, 3, spi1, 1, &layers.SA2{Mode: 1, ReqID: 0x4007}))},
			replaytest.Step{Want: byID(layers.SPDDELETE2, 4, 16), Answers: answers(spd(layers.SPDDELETE2, 4, 24, 0x4007, true))},
		)
		if got := counts(r); got != [6]int{4, 4, 0, 3, 0, 1} {
			t.Errorf("%v\n%s", got, text(t, r, true))
		}
		for _, want := range []string{"policy-id 8 is 16", "reqid 16385 is 16391", "policy.id recorded 8, target 24"} {
			if !strings.Contains(text(t, r, false), want) {
				t.Errorf("no line with %q in\n%s", want, text(t, r, false))
			}
		}
	})
	t.Run("a request id that was asked for is no choice of the kernel", func(t *testing.T) {
		s := &said{}
		s.ask(spd(layers.SPDADD, 1, 0, 7, false), spd(layers.SPDADD, 1, 8, 7, true))
		r := run(t, s.plan(t), replaytest.Step{Answers: answers(spd(layers.SPDADD, 1, 8, 0x4001, true))})
		if r.Different != 1 {
			t.Error(text(t, r, true))
		}
	})
	t.Run("two ids do not become one", func(t *testing.T) {
		s := &said{}
		s.ask(spd(layers.SPDADD, 1, 0, 7, false), spd(layers.SPDADD, 1, 8, 7, true))
		s.ask(spd(layers.SPDUPDATE, 2, 0, 7, false), spd(layers.SPDUPDATE, 2, 16, 7, true))
		r := run(t, s.plan(t),
			replaytest.Step{Answers: answers(spd(layers.SPDADD, 1, 24, 7, true))},
			replaytest.Step{Answers: answers(spd(layers.SPDUPDATE, 2, 24, 7, true))})
		if r.Volatile != 1 || r.Different != 1 {
			t.Error(text(t, r, true))
		}
	})
	t.Run("an ACQUIRE", func(t *testing.T) {
		s := &said{}
		s.ask(header(layers.REGISTER, 1, 0), header(layers.REGISTER, 1, 0))
		s.event(acquire(5))
		s.ask(getspi(5, 0x100, 0xffff), state(layers.GETSPI, 5, spi1, 1))
		other := getspi(70, spi1, spi1)
		r := run(t, s.plan(t),
			replaytest.Step{Answers: answers(header(layers.REGISTER, 1, 0)), Others: []replay.Message{{Socket: 0, Data: acquire(70)}}},
			replaytest.Step{Want: getspi(5, spi1, spi1), Answers: answers(state(layers.GETSPI, 5, spi1, 1))})
		_ = other
		if got := counts(r); got != [6]int{2, 2, 1, 0, 2, 0} { // it came before it was expected
			t.Errorf("%v\n%s", got, text(t, r, true))
		}
		r = run2(t, s, func(n int, q replay.Request) replay.Answer {
			switch n {
			case 0:
				return replay.Answer{Messages: []replay.Message{{Socket: q.Socket, Data: header(layers.REGISTER, 1, 0)}}}
			case 1:
				return replay.Answer{Messages: []replay.Message{{Socket: q.Socket, Data: header(layers.REGISTER, 2, 0)}, {Socket: 0, Data: acquire(70)}}}
			}
			if !bytes.Equal(q.Message, other) {
				t.Errorf("GETSPI was not bound: %x", q.Message)
			}
			return replay.Answer{Messages: []replay.Message{{Socket: 0, Data: state(layers.GETSPI, 70, spi1, 1)}}}
		})
		if len(r.Bindings) != 1 || r.Bindings[0].Kind != "acquire-seq" || r.Different != 0 {
			t.Error(text(t, r, true))
		}
	})
}

// run2 replays s with one more REGISTER after the first ACQUIRE, and without
// requests under way.
func run2(t *testing.T, s *said, answer func(int, replay.Request) replay.Answer) *replay.Report {
	t.Helper()
	again := &said{}
	again.ask(header(layers.REGISTER, 1, 0), header(layers.REGISTER, 1, 0))
	again.event(acquire(5))
	again.ask(header(layers.REGISTER, 2, 0), header(layers.REGISTER, 2, 0))
	again.ask(getspi(5, 0x100, 0xffff), state(layers.GETSPI, 5, spi1, 1))
	n := 0
	target := replaytest.New(little, func(q replay.Request) (replay.Answer, error) {
		n++
		return answer(n-1, q), nil
	})
	r, err := replay.Run(context.Background(), again.plan(t), target, replay.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A big-endian capture is sent in the target's byte order, and its answers are
// compared in it.
func TestByteOrder(t *testing.T) {
	s := &said{}
	s.ask(getspi(1, 0x100, 0xffff), state(layers.GETSPI, 1, spi1, 1))
	s.ask(request(layers.UPDATE, 2, spi1, key("0123456789abcdefghij")), state(layers.UPDATE, 2, spi1, 1, key("0123456789abcdefghij")))
	s.ask(header(layers.DELETE, 3, 0), header(layers.DELETE, 3, 22))
	for _, r := range s.list {
		r.Codec = big
		r.Data, _ = layers.Transcode(nil, little, big, r.Data)
	}
	s.list[4].Data = append(s.list[4].Data, 0, 2, 0, 77, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	s.list[4].Data[5] = 4
	r := run(t, s.plan(t),
		replaytest.Step{Want: getspi(1, spi1, spi1), Answers: [][]byte{header(layers.GETSPI, 1, 2)}},
		replaytest.Step{Want: getspi(1, 0x100, 0xffff), Answers: [][]byte{state(layers.GETSPI, 1, spi2, 1)}},
		replaytest.Step{Want: request(layers.UPDATE, 2, spi2, key("0123456789abcdefghij")), Answers: [][]byte{state(layers.UPDATE, 2, spi2, 1, key("0123456789abcdefghij"))}},
	)
	if got := counts(r); got != [6]int{2, 2, 0, 2, 1, 0} {
		t.Errorf("%v\n%s", got, text(t, r, true))
	}
	if want := "the data of an unknown extension (12 bytes) cannot be put into another byte order"; !strings.Contains(text(t, r, false), want) {
		t.Errorf("no line with %q in\n%s", want, text(t, r, false))
	}
}

func TestRunErrors(t *testing.T) {
	s := &said{}
	for i := range uint32(10) {
		s.ask(request(layers.GET, i, spi1), header(layers.GET, i, 3))
	}
	plan := s.plan(t)
	t.Run("the target fails", func(t *testing.T) {
		broken := errors.New("broken")
		n := 0
		r, err := replay.Run(context.Background(), plan, replaytest.New(little, func(q replay.Request) (replay.Answer, error) {
			if n++; n == 4 {
				return replay.Answer{}, broken
			}
			return replay.Answer{Messages: []replay.Message{{Data: header(layers.GET, uint32(n-1), 3)}}}, nil
		}), replay.RunOptions{})
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "#7") {
			t.Errorf("error %v", err)
		}
		if len(r.Exchanges) != 3 || r.Equal != 3 {
			t.Errorf("%d exchanges: %s", len(r.Exchanges), r.Counts())
		}
	})
	t.Run("stopped", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		r, err := replay.Run(ctx, plan, replaytest.New(little, func(q replay.Request) (replay.Answer, error) {
			if n++; n == 4 {
				cancel()
			}
			return replay.Answer{Messages: []replay.Message{{Data: header(layers.GET, uint32(n-1), 3)}}}, nil
		}), replay.RunOptions{})
		if !errors.Is(err, context.Canceled) || len(r.Exchanges) != 4 {
			t.Errorf("error %v, %d exchanges", err, len(r.Exchanges))
		}
	})
	t.Run("another system", func(t *testing.T) {
		c := layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
		_, err := replay.Run(context.Background(), plan, replaytest.New(c, nil), replay.RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "freebsd") {
			t.Errorf("error %v", err)
		}
	})
}

func TestObserve(t *testing.T) {
	add, added := request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 100)
	s := &said{}
	s.ask(add, added)
	var got [][]byte
	var dirs []record.Direction
	_, err := replay.Run(context.Background(), s.plan(t), replaytest.Script(little, replaytest.Step{Answers: [][]byte{added}}), replay.RunOptions{
		Observe: func(o *replay.Observed) {
			if o.Record != 1 || o.Socket != 0 || o.Copy || o.Codec != little || o.Time.IsZero() {
				t.Errorf("observed %+v", o)
			}
			dirs, got = append(dirs, o.Dir), append(got, bytes.Clone(o.Data))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !bytes.Equal(got[0], add) || !bytes.Equal(got[1], added) || dirs[0] != record.ToKernel || dirs[1] != record.FromKernel {
		t.Errorf("observed %d messages, %v", len(got), dirs)
	}
}

// No four octets in a row of any key of the fixtures get into a plan or a report,
// whatever the target answers; also not where a message is malformed and they
// stand in the wrong place.
func TestNoSecrets(t *testing.T) {
	secrets := map[string]bool{}
	for _, path := range fixtures(t) {
		list, _ := load(t, path, true)
		for _, r := range list {
			b := r.Bytes()
			for _, s := range r.Codec.AppendSecrets(nil, b) {
				for i := s.Offset; i+4 <= s.Offset+s.Key; i++ {
					// Numbers that count up are keys in tests, and occur elsewhere.
					w := string(b[i : i+4])
					if strings.Trim(w, w[:1]) != "" && (w[1] != w[0]+1 || w[2] != w[1]+1 || w[3] != w[2]+1) {
						secrets[w] = true
					}
				}
			}
		}
	}
	if len(secrets) < 300 {
		t.Fatalf("only %d pieces of keys", len(secrets))
	}
	for _, path := range fixtures(t) {
		list, promisc := load(t, path, true)
		plan, err := replay.NewPlan(traced(list, promisc), replay.PlanOptions{})
		if err != nil {
			continue
		}
		// The target answers with the recorded messages, their secrets turned round.
		honest, err := replaytest.Recording(traced(list, promisc))
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		target := replaytest.New(honest.Codec(), func(q replay.Request) (replay.Answer, error) {
			if err := honest.Send(ctx, q); err != nil {
				return replay.Answer{}, err
			}
			a, err := honest.Recv(ctx)
			for i := range a.Messages {
				m := bytes.Clone(a.Messages[i].Data)
				for _, s := range honest.Codec().AppendSecrets(nil, m) {
					m[s.Offset] ^= 0x55
				}
				a.Messages[i].Data = m
			}
			return a, err
		})
		report, err := replay.Run(ctx, plan, target, replay.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		plan.WriteText(&out)
		report.WriteText(&out, true)
		for _, v := range []any{plan, report} {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(b)
		}
		fmt.Fprintf(&out, "%v %+v", report, plan.Sockets)
		for w := range secrets {
			if strings.Contains(out.String(), w) || strings.Contains(out.String(), fmt.Sprintf("%x", w)) {
				t.Fatalf("%s: %x is secret, and shows", path, w)
			}
		}
	}
}

func BenchmarkRun(b *testing.B) {
	const n = 1000
	s := &said{}
	for i := range uint32(n) {
		s.ask(request(layers.GET, i, spi1, key("0123456789abcdefghij")), state(layers.GET, i, spi1, 100, key("0123456789abcdefghij")))
	}
	plan := s.plan(b)
	for _, bench := range []struct {
		name string
		time uint64
	}{{"equal", 100}, {"volatile", 101}} {
		answers := make([]replay.Answer, n)
		for i := range answers {
			answers[i].Messages = []replay.Message{{Data: state(layers.GET, uint32(i), spi1, bench.time, key("0123456789abcdefghij"))}}
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i := 0
				_, err := replay.Run(context.Background(), plan, replaytest.New(little, func(replay.Request) (replay.Answer, error) {
					i++
					return answers[i-1], nil
				}), replay.RunOptions{})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/exchange")
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	list, promisc := load(b, "../fixtures/linux/uml-x86_64/visibility/promisc.pcapng", true)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := replay.NewPlan(traced(list, promisc), replay.PlanOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(list)), "ns/record")
}

// OpenBSD shows requests and answers wrapped in X_PROMISC: what is in the wrapper
// is sent and compared.
func TestWrappedMessages(t *testing.T) {
	c := layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian}
	wrap := func(seq uint32, msg []byte) []byte {
		outer, err := c.Encode(&layers.Base{Type: layers.PROMISC, Seq: seq})
		if err != nil {
			t.Fatal(err)
		}
		outer = append(outer, msg...)
		binary.LittleEndian.PutUint16(outer[4:], uint16(len(outer)/8))
		return outer
	}
	asked, answered := header(layers.FLUSH, 1, 0), header(layers.FLUSH, 1, 0)
	list := []*record.Record{
		{Number: 1, Codec: c, Data: wrap(process, asked)},
		{Number: 2, Codec: c, Data: wrap(0, answered)},
	}
	for _, r := range list {
		r.OrigLen = len(r.Data)
	}
	plan := planOf(t, list, record.Yes)
	target := replaytest.Script(c, replaytest.Step{Want: asked, Answers: [][]byte{answered}})
	r, err := replay.Run(context.Background(), plan, target, replay.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := counts(r); got != [6]int{1, 1, 1, 0, 0, 0} {
		t.Errorf("%v\n%s", got, text(t, r, true))
	}
}
