package replay_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// A target that has what the capture makes keeps it, and what is made is removed.
func TestGuard(t *testing.T) {
	added, updated, deleted := state(layers.ADD, 1, spi1, 100), state(layers.UPDATE, 2, spi1, 100), state(layers.DELETE, 3, spi1, 100)
	addUpdateDelete := func(s *said) {
		s.ask(request(layers.ADD, 1, spi1), added)
		s.ask(request(layers.UPDATE, 2, spi1), updated)
		s.ask(request(layers.DELETE, 3, spi1), deleted)
	}
	policies := func(typ uint8) func(s *said) {
		return func(s *said) {
			s.ask(spd(typ, 1, 0, 5, false), spd(typ, 1, 9, 5, true))
			s.ask(spd(layers.SPDDELETE, 2, 0, 5, false), spd(layers.SPDDELETE, 2, 9, 5, true))
			s.ask(byID(layers.SPDDELETE2, 3, 9), header(layers.SPDDELETE2, 3, 2))
		}
	}
	getspis := func(s *said) {
		s.ask(getspi(1, spi1, spi1), state(layers.GETSPI, 1, spi1, 100))
		s.ask(request(layers.UPDATE, 2, spi1), updated)
		s.ask(request(layers.DELETE, 3, spi1), deleted)
	}
	const has, lacks = true, false
	for _, test := range []struct {
		name string
		has  bool // the target has already what is made
		talk func(s *said)
		sent string // types of what is sent, those of questions of the replay's own too
		not  int    // requests that are not sent
	}{
		{"an SA that is made", lacks, addUpdateDelete, "ADD UPDATE DELETE", 0},
		{"an SA that is there", has, addUpdateDelete, "ADD", 2},
		{"an SPI that is given", lacks, getspis, "GETSPI UPDATE DELETE", 0},
		{"a DELETE again", lacks, func(s *said) {
			addUpdateDelete(s)
			s.ask(request(layers.DELETE, 4, spi1), header(layers.DELETE, 4, 3))
		}, "ADD UPDATE DELETE", 1},
		{"a policy that is made", lacks, policies(layers.SPDADD), "SPDADD SPDDELETE", 1},
		{"a policy that is there", has, policies(layers.SPDADD), "SPDADD", 2},
		{"a policy that is made by SPDUPDATE", lacks, policies(layers.SPDUPDATE), "SPDDUMP SPDUPDATE SPDDELETE", 1},
		{"a policy that SPDUPDATE would replace", has, policies(layers.SPDUPDATE), "SPDDUMP", 3},
		{"a policy by its id", lacks, func(s *said) {
			s.ask(spd(layers.SPDADD, 1, 0, 5, false), spd(layers.SPDADD, 1, 9, 5, true))
			s.ask(byID(layers.SPDDELETE2, 2, 9), spd(layers.SPDDELETE2, 2, 9, 5, true))
		}, "SPDADD SPDDELETE2", 0},
		{"flushes", lacks, func(s *said) {
			s.ask(header(layers.FLUSH, 1, 0), header(layers.FLUSH, 1, 0))
			s.ask(header(layers.SPDFLUSH, 2, 0), header(layers.SPDFLUSH, 2, 0))
		}, "", 2},
		{"what may end a negotiation, and what moves SAs", lacks, func(s *said) {
			s.ask(enc(layers.Base{Type: layers.ACQUIRE, SAType: layers.SATypeESP, Seq: 7, Errno: 5}))
			migrate := spd(layers.SPDADD, 2, 0, 5, false)
			migrate[1] = layers.MIGRATE
			s.ask(migrate, header(layers.MIGRATE, 2, 2))
		}, "", 2},
		{"what only asks", has, func(s *said) {
			s.ask(request(layers.GET, 1, spi1), state(layers.GET, 1, spi1, 100))
			s.ask(byID(layers.SPDGET, 2, 9), spd(layers.SPDGET, 2, 9, 5, true))
			s.ask(header(layers.DUMP, 3, 0), listed(layers.DUMP, added)...)
		}, "GET SPDGET DUMP", 0},
	} {
		for _, pace := range []replay.Pace{{}, {TopSpeed: true}} {
			s := new(said)
			test.talk(s)
			p := s.plan(t)
			var types []string
			gone := false
			target := replaytest.New(little, func(r replay.Request) (replay.Answer, error) {
				if len(r.Message) == 0 {
					return replay.Answer{}, nil
				}
				var m layers.Message
				m.Codec = little
				_ = m.DecodeFromBytes(r.Message, nil)
				types = append(types, m.TypeName())
				var a [][]byte
				switch typ := m.Type; typ {
				case layers.ADD, layers.SPDADD:
					switch {
					case test.has:
						a = [][]byte{header(typ, m.Seq, 17)}
					case typ == layers.ADD:
						a = [][]byte{added}
					default:
						a = [][]byte{spd(typ, m.Seq, 9, 5, true)}
					}
				case layers.SPDDUMP:
					a = listed(typ)
					if test.has {
						a = listed(typ, spd(layers.SPDADD, 0, 9, 5, true))
					}
				case layers.SPDUPDATE, layers.SPDDELETE, layers.SPDDELETE2, layers.SPDGET:
					a = [][]byte{spd(typ, m.Seq, 9, 5, true)}
				case layers.DUMP:
					a = listed(typ, added)
				case layers.DELETE:
					if a = [][]byte{deleted}; gone {
						a = [][]byte{header(typ, m.Seq, 3)}
					}
					gone = true
				default:
					a = [][]byte{state(typ, m.Seq, spi1, 100)}
				}
				var answer replay.Answer
				for _, b := range a {
					answer.Messages = append(answer.Messages, replay.Message{Socket: r.Socket, Data: b})
				}
				return answer, nil
			})
			r, err := replay.Run(t.Context(), p, target, replay.RunOptions{Guard: true, Pace: pace})
			if err != nil {
				t.Fatal(err)
			}
			not := 0
			for _, e := range r.Exchanges {
				if !e.Sent {
					not++
					if e.Verdict != replay.NotReproducible || !strings.Contains(e.Reason, "it was not sent") {
						t.Errorf("%s: %+v", test.name, e)
					}
				}
			}
			if got := strings.Join(types, " "); got != test.sent || not != test.not {
				t.Errorf("%s (top speed %v): sent %s, want %s; not sent %d, want %d\n%s", test.name, pace.TopSpeed, got, test.sent, not, test.not, text(t, r, false))
			}
			check(t, p, r)
		}
	}
	s := new(said)
	addUpdateDelete(s)
	if _, err := replay.Run(t.Context(), s.plan(t), replaytest.Script(little), replay.RunOptions{Guard: true, Clear: true}); err == nil {
		t.Error("a target was to be guarded and cleared")
	}
}

// A plan says what of it touches what it does not make.
func TestDestroys(t *testing.T) {
	for _, test := range []struct {
		name string
		talk func(s *said)
		want bool
	}{
		{"nothing", func(s *said) {
			s.ask(request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 100))
			s.ask(request(layers.UPDATE, 2, spi1), state(layers.UPDATE, 2, spi1, 100))
			s.ask(request(layers.DELETE, 3, spi1), state(layers.DELETE, 3, spi1, 100))
			s.ask(spd(layers.SPDUPDATE, 4, 0, 5, false), spd(layers.SPDUPDATE, 4, 9, 5, true))
			s.ask(spd(layers.SPDDELETE, 5, 0, 5, false), spd(layers.SPDDELETE, 5, 9, 5, true))
		}, false},
		{"an UPDATE", func(s *said) { s.ask(request(layers.UPDATE, 2, spi1), state(layers.UPDATE, 2, spi1, 100)) }, true},
		{"a DELETE", func(s *said) { s.ask(request(layers.DELETE, 2, spi1), state(layers.DELETE, 2, spi1, 100)) }, true},
		{"an SPDDELETE", func(s *said) {
			s.ask(spd(layers.SPDDELETE, 5, 0, 5, false), spd(layers.SPDDELETE, 5, 9, 5, true))
		}, true},
		{"a FLUSH of one SA type", func(s *said) { s.ask(header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0)) }, true},
		{"an SPDFLUSH", func(s *said) { s.ask(header(layers.SPDFLUSH, 2, 0), header(layers.SPDFLUSH, 2, 0)) }, true},
		{"a MIGRATE", func(s *said) {
			migrate := spd(layers.SPDADD, 2, 0, 5, false)
			migrate[1] = layers.MIGRATE
			s.ask(migrate, header(layers.MIGRATE, 2, 2))
		}, true},
	} {
		s := new(said)
		test.talk(s)
		if got := s.plan(t).Destroys(); (got != 0) != test.want {
			t.Errorf("%s: record %d", test.name, got)
		}
	}
	// OpenBSD's promiscuous sockets get requests in a wrapper.
	openbsd := layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian}
	flush, err := openbsd.Encode(&layers.Base{Type: layers.FLUSH, Seq: 1, PID: process})
	if err != nil {
		t.Fatal(err)
	}
	wrapped := append(slices.Clone(flush), flush...)
	wrapped[1], wrapped[4], wrapped[8], wrapped[9] = layers.PROMISC, 4, process&255, process>>8
	s := new(said)
	s.ask(wrapped)
	s.list[0].Codec = openbsd
	if s.plan(t).Destroys() != 1 {
		t.Error("a wrapped FLUSH destroys nothing")
	}
}

// Where the target refuses what the recorded kernel did not, it is said why.
func TestWhy(t *testing.T) {
	s := new(said)
	s.ask(request(layers.ADD, 1, 0x101), state(layers.ADD, 1, 0x101, 100)) // it is refused
	s.ask(request(layers.ADD, 2, 0x102), header(layers.ADD, 2, 38))        // and so it was recorded
	s.ask(request(layers.ADD, 3, 0x103))                                   // and here no answer is known
	s.ask(request(layers.ADD, 4, 0x104), state(layers.ADD, 4, 0x104, 100)) // write fails
	target := replaytest.Script(little,
		replaytest.Step{Answers: [][]byte{header(layers.ADD, 1, 38)}},
		replaytest.Step{Answers: [][]byte{header(layers.ADD, 2, 38)}},
		replaytest.Step{Answers: [][]byte{header(layers.ADD, 3, 38)}},
		replaytest.Step{Errno: 22},
	)
	r, err := replay.Run(context.Background(), s.plan(t), target, replay.RunOptions{Why: func(c layers.Codec, request []byte, errno uint8) string {
		if c != little || request[1] != layers.ADD {
			t.Errorf("%v, a request of type %d", c, request[1])
		}
		return "because of " + c.Dialect.ErrnoName(errno)
	}})
	if err != nil {
		t.Fatal(err)
	}
	out := text(t, r, false)
	for _, want := range []string{
		`#2 msg.errno recorded 0, target 38(ENOSYS) why="because of ENOSYS"`,
		`the capture holds no answer to it; the target refuses it, ENOSYS: because of ENOSYS`,
		`target write: EINVAL why="because of EINVAL"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "because"); n != 3 {
		t.Errorf("%d reasons in\n%s", n, out)
	}
}
