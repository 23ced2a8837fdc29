package replay_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// listed makes a list of what kernel messages tell of, or the error for an empty one.
func listed(typ uint8, entries ...[]byte) [][]byte {
	if len(entries) == 0 {
		return [][]byte{failed(typ, 2)}
	}
	var list [][]byte
	for i, b := range entries {
		b = append([]byte(nil), b...)
		b[1] = typ
		binary.LittleEndian.PutUint32(b[8:], uint32((i+1)%len(entries)))
		binary.LittleEndian.PutUint32(b[12:], 0)
		list = append(list, b)
	}
	return list
}

// failed is the error that answers ask.
func failed(typ, errno uint8) []byte {
	b := ask(typ)
	b[2] = errno
	return b
}

func TestState(t *testing.T) {
	secret := key("0123456789abcdefghij")
	add, added := request(layers.ADD, 1, spi1, secret), state(layers.ADD, 1, spi1, 100, secret)
	add2, added2 := request(layers.ADD, 2, spi2, secret), state(layers.ADD, 2, spi2, 100, secret)
	hard := func(msg []byte, seconds uint64) []byte { // gives it that hard lifetime
		msg = append([]byte(nil), msg...)
		_, exts, _ := little.Extensions(msg)
		for _, x := range exts {
			if x.LayerType() == layers.LayerTypeLifetimeHard {
				binary.LittleEndian.PutUint64(msg[x.Head().Offset+16:], seconds)
			}
		}
		return msg
	}
	hour := hard(added, 3600)
	other := key("another key is there")
	update, updated := request(layers.UPDATE, 2, spi1, other), hard(state(layers.UPDATE, 2, spi1, 100, other), 7200)
	sp := spd(layers.SPDADD, 3, 0, 7, false)
	spAdded := spd(layers.SPDADD, 3, 9, 7, true)
	for _, test := range []struct {
		name          string
		talk          func(s *said)
		answers       []replaytest.Step // of the plan
		sas, policies [][]byte          // what the target has then
		want          [4]int            // equal, volatile, not reproducible, different
		lines         []string
	}{
		{
			name: "nothing",
			talk: func(s *said) { s.ask(header(layers.GET, 1, 0), header(layers.GET, 1, 22)) },
			answers: []replaytest.Step{
				{Answers: [][]byte{header(layers.GET, 1, 22)}}},
			lines: []string{"state: 0 SAs and 0 policies recorded: 0 equal"},
		},
		{
			name:    "all there",
			talk:    func(s *said) { s.ask(add, added); s.ask(sp, spAdded) },
			answers: []replaytest.Step{{Answers: [][]byte{added}}, {Answers: [][]byte{spAdded}}},
			sas:     [][]byte{added}, policies: [][]byte{spAdded},
			want:  [4]int{2, 0, 0, 0},
			lines: []string{"state: 1 SAs and 1 policies recorded: 2 equal, 0 volatile, 0 not-reproducible, 0 different"},
		},
		{
			name:    "one key bit, one missing, one more",
			talk:    func(s *said) { s.ask(add, added); s.ask(sp, spAdded) },
			answers: []replaytest.Step{{Answers: [][]byte{added}}, {Answers: [][]byte{spAdded}}},
			sas:     [][]byte{state(layers.ADD, 1, spi1, 101, key("0123456789abcdefghik")), added2},
			want:    [4]int{0, 0, 0, 3},
			lines: []string{
				"state: different: SA esp 10.0.0.1 > 10.0.0.2 spi=0x00001001: #2 key_auth.key recorded ··(20 bytes), target ··(20 bytes) (the octets differ)",
				"state: different: SA esp 10.0.0.1 > 10.0.0.2 spi=0x00002002: added: SA esp",
				"state: different: policy ", "#4 dropped: policy",
			},
		},
		{
			name: "a DELETE that is missing on the target",
			talk: func(s *said) {
				s.ask(add, added)
				s.ask(add2, added2)
				s.ask(request(layers.DELETE, 3, spi1), request(layers.DELETE, 3, spi1))
			},
			answers: []replaytest.Step{{Answers: [][]byte{added}}, {Answers: [][]byte{added2}}, {Answers: [][]byte{request(layers.DELETE, 3, spi1)}}},
			sas:     [][]byte{added, added2},
			want:    [4]int{1, 0, 0, 1},
			lines:   []string{"state: different: SA esp 10.0.0.1 > 10.0.0.2 spi=0x00001001: added"},
		},
		{
			name:    "an UPDATE changes lifetimes, but no keys",
			talk:    func(s *said) { s.ask(add, hour); s.ask(update, updated) },
			answers: []replaytest.Step{{Answers: [][]byte{hour}}, {Answers: [][]byte{updated}}},
			sas:     [][]byte{hard(added, 7200)},
			want:    [4]int{1, 0, 0, 0},
		},
		{
			name:    "the last DUMP tells",
			talk:    func(s *said) { s.ask(add, added); s.ask(header(layers.DUMP, 2, 0), listed(layers.DUMP, hour)...) },
			answers: []replaytest.Step{{Answers: [][]byte{added}}, {Answers: listed(layers.DUMP, hour)}},
			sas:     [][]byte{added},
			want:    [4]int{0, 0, 0, 1},
			lines:   []string{"spi=0x00001001: #4 lifetime_hard.addtime recorded 3600, target 0"},
		},
		{
			name: "what no request did is no matter of the target",
			talk: func(s *said) {
				s.ask(add, added)
				s.foreign(added2)
				s.event(expire(spi1, true))
			},
			answers: []replaytest.Step{{Answers: [][]byte{added}}},
			sas:     [][]byte{added},
			want:    [4]int{0, 0, 1, 0},
			lines:   []string{"state: not-reproducible: SA esp 10.0.0.1 > 10.0.0.2 spi=0x00001001: added", "the hard EXPIRE #4 removed it"},
		},
		{
			name:    "an answer that was lost does not tell",
			talk:    func(s *said) { s.ask(add) },
			answers: []replaytest.Step{{Answers: [][]byte{added}}},
			sas:     [][]byte{added},
			want:    [4]int{0, 0, 1, 0},
			lines:   []string{"no message of the capture tells what it was like"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &said{}
			test.talk(s)
			plan := s.plan(t)
			own := len(plan.Sockets)
			steps := append(test.answers,
				replaytest.Step{Want: ask(layers.DUMP), Socket: own, Answers: listed(layers.DUMP, test.sas...)},
				replaytest.Step{Want: ask(layers.SPDDUMP), Socket: own, Answers: listed(layers.SPDDUMP, test.policies...)})
			target := replaytest.Script(little, steps...)
			r, err := replay.Run(context.Background(), plan, target, replay.RunOptions{State: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := target.Done(); err != nil {
				t.Error(err)
			}
			st := r.State
			if got := [4]int{st.Equal, st.Volatile, st.NotReproducible, st.Different}; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if n := st.Equal + st.Volatile + st.NotReproducible + st.Different; n != len(st.Entries) {
				t.Errorf("%d verdicts of %d entries", n, len(st.Entries))
			}
			out := text(t, r, false)
			for _, line := range test.lines {
				if !strings.Contains(out, line) {
					t.Errorf("no %q in\n%s", line, out)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
			b, err := json.Marshal(r)
			var back replay.Report
			if err == nil {
				err = json.Unmarshal(b, &back)
			}
			if err != nil || back.State == nil || len(back.State.Entries) != len(st.Entries) {
				t.Errorf("%v: %s", err, b)
			}
		})
	}
}

// ask is the request for a list.
func ask(typ uint8) []byte {
	b, err := little.Encode(&layers.Base{Type: typ})
	if err != nil {
		panic(err)
	}
	return b
}

func TestStateNotCompared(t *testing.T) {
	s := &said{}
	add, added := request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 100)
	s.ask(add, added)
	s.ask(add, header(layers.ADD, 1, 17))
	target := replaytest.Script(little, replaytest.Step{Answers: [][]byte{added}})
	r, err := replay.Run(context.Background(), s.plan(t), target, replay.RunOptions{State: true, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if out := text(t, r, false); !strings.Contains(out, "state: not compared: the replay was stopped by the limit") {
		t.Error(out)
	}
	// A target that does not tell is an error.
	target = replaytest.Script(little, replaytest.Step{Answers: [][]byte{added}}, replaytest.Step{Answers: [][]byte{header(layers.ADD, 1, 17)}},
		replaytest.Step{Socket: 1, Answers: [][]byte{failed(layers.DUMP, 12)}})
	if _, err := replay.Run(context.Background(), s2(s).plan(t), target, replay.RunOptions{State: true}); err == nil || !strings.Contains(err.Error(), "comparing the state: the target answers DUMP with errno 12") {
		t.Error(err)
	}
}

func s2(s *said) *said { return &said{list: s.list, roles: s.roles} }
