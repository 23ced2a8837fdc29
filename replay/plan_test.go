package replay_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
)

func TestPlanGolden(t *testing.T) {
	for _, test := range []struct{ name, capture string }{
		{"iked-left", "linux/uml-x86_64-iked/iked-left-promisc/promisc.pcapng"},
		{"acquire-v4", "linux/uml-x86_64/acquire-v4/P-promisc.pcapng"},
		{"netlink-cross", "linux/uml-x86_64/netlink-cross/P-promisc.pcapng"},
		{"sa-lifecycle-s390x", "linux/s390x/sa-lifecycle-v4/A.pcapng"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, promisc := load(t, filepath.Join("../fixtures", test.capture), true)
			plan := planOf(t, list, promisc)
			var b bytes.Buffer
			if err := plan.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", test.name+".plan")
			if *update {
				if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("the plan is not that of %s (-update writes it anew):\n%s", golden, b.Bytes())
			}
			var back replay.Plan
			j, err := json.Marshal(plan)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(j, &back); err != nil || len(back.Steps) != len(plan.Steps) || back.Steps[1].Message != plan.Steps[1].Message {
				t.Errorf("the plan as JSON: %v", err)
			}
		})
	}
}

func steps(p *replay.Plan) string {
	var b strings.Builder
	p.WriteText(&b)
	return b.String()
}

func TestPlanSockets(t *testing.T) {
	register := func(seq uint32, errno uint8) []byte {
		return enc(layers.Base{Type: layers.REGISTER, SAType: layers.SATypeESP, Seq: seq, Errno: errno})
	}
	of := func(pid uint32, msg []byte) []byte {
		msg = bytes.Clone(msg)
		msg[12], msg[13], msg[14], msg[15] = byte(pid), byte(pid>>8), 0, 0
		return msg
	}
	s := &said{}
	s.ask(of(7, request(layers.GET, 1, spi1)), of(7, header(layers.GET, 1, 3)))
	s.ask(of(8, register(1, 0)), of(8, register(1, 0)))
	s.ask(of(7, request(layers.GET, 2, spi1)), of(7, header(layers.GET, 2, 3)))
	s.ask(of(8, register(2, 0)), of(8, register(2, 0)))   // so it has two sockets
	s.ask(of(8, register(3, 17)), of(8, register(3, 17))) // and on one of them it had
	s.ask(of(8, request(layers.GET, 4, spi1)), of(8, header(layers.GET, 4, 3)))
	p := s.plan(t)
	var got []int
	for _, st := range p.Steps {
		got = append(got, st.Socket)
	}
	if want := []int{0, 1, 0, 2, 1, 1}; !equal(got, want) {
		t.Errorf("sockets %v, want %v", got, want)
	}
	if len(p.Sockets) != 3 || p.Sockets[0].PID != 7 || p.Sockets[1].PID != 8 || p.Sockets[2].PID != 8 || p.Sockets[2].First != 7 {
		t.Errorf("sockets %+v", p.Sockets)
	}
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		name string
		talk func(s *said)
		want []string
		not  []string
	}{
		{"X_PROMISC switches are not sent", func(s *said) {
			s.ask(enc(layers.Base{Type: layers.PROMISC, SAType: 1}), enc(layers.Base{Type: layers.PROMISC, SAType: 1}))
			s.ask(header(layers.FLUSH, 1, 0), header(layers.FLUSH, 1, 0))
			s.ask(enc(layers.Base{Type: layers.PROMISC, SAType: 7}), enc(layers.Base{Type: layers.PROMISC, SAType: 7, Errno: 22}))
			s.ask(enc(layers.Base{Type: layers.PROMISC, SAType: 0}))
		}, []string{"plan: 2 requests to send on 1 sockets, 0 messages that cannot be brought about, 2 ignored",
			"#1 ignore PROMISC", "#5 send socket=0 PROMISC", "#7 ignore PROMISC"}, nil},
		{"what was cut short is not sent", func(s *said) {
			n := s.ask(request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 1))
			s.list[n-1].OrigLen += 8
			s.ask(request(layers.GET, 2, spi1), state(layers.GET, 2, spi1, 1))
		}, []string{"#1 expect ADD", "cut short in the capture", "#3 send", "not-reproducible: #2 made it, and the request was cut short in the capture"}, nil},
		{"sadb_msg_reserved", func(s *said) {
			b := request(layers.GET, 1, spi1)
			b[6] = 9
			s.ask(b, header(layers.GET, 1, 3))
		}, []string{"msg.reserved 9 → 0 (kernels refuse any other value)"}, nil},
		{"but not where it was refused", func(s *said) {
			b := request(layers.GET, 1, spi1)
			b[6] = 9
			s.ask(b)
		}, nil, []string{"msg.reserved"}},
		{"a failed GETSPI is not narrowed", func(s *said) {
			s.ask(getspi(1, 0x100, 0x100), header(layers.GETSPI, 1, 2))
			s.ask(getspi(2, spi1, spi1), state(layers.GETSPI, 2, spi1, 1))
		}, nil, []string{"spirange"}},
		{"time goes by", func(s *said) {
			limited := stateExts(spi1, 1)
			limited[1] = &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), AddTime: 3}
			limited[2] = &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeSoft), AddTime: 2}
			s.ask(request(layers.ADD, 1, spi1), enc(layers.Base{Type: layers.ADD, SAType: layers.SATypeESP, Seq: 1}, limited...))
			for i := range uint32(3) {
				n := s.ask(request(layers.GET, 2+i, spi1), header(layers.GET, 2+i, 3))
				s.list[n-1].Time = t0.Add(time.Second + time.Duration(i)*1500*time.Millisecond)
			}
		}, []string{"#3 send socket=0 GET esp 10.0.0.1 > 10.0.0.2 spi=0x00001001 seq=2 pid=412 answers=#4\n",
			"#5 send socket=0 GET esp 10.0.0.1 > 10.0.0.2 spi=0x00001001 seq=3 pid=412 answers=#6; not-reproducible: its soft lifetime was over before that",
			"#7 send socket=0 GET esp 10.0.0.1 > 10.0.0.2 spi=0x00001001 seq=4 pid=412 answers=#8; not-reproducible: its hard lifetime was over before that"}, nil},
		{"what used it up is not in the capture", func(s *said) {
			limited := stateExts(spi1, 1)
			limited[1] = &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), Bytes: 1000}
			s.ask(request(layers.ADD, 1, spi1), enc(layers.Base{Type: layers.ADD, SAType: layers.SATypeESP, Seq: 1}, limited...))
			s.ask(request(layers.GET, 2, spi1), header(layers.GET, 2, 3))
		}, []string{"not-reproducible: it had a limit on its use"}, nil},
		{"unless it would show", func(s *said) {
			limited := stateExts(spi1, 1)
			limited[1] = &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), Bytes: 1000}
			s.ask(request(layers.ADD, 1, spi1), enc(layers.Base{Type: layers.ADD, SAType: layers.SATypeESP, Seq: 1}, limited...))
			s.event(expire(spi2, false))
			s.ask(request(layers.GET, 2, spi1), header(layers.GET, 2, 3))
		}, nil, []string{"limit on its use"}},
		{"a GETSPI for an ACQUIRE", func(s *said) {
			s.event(acquire(5))
			s.ask(getspi(5, 0x100, 0xffff), state(layers.GETSPI, 5, spi1, 1))
			s.ask(request(layers.GET, 6, spi1), state(layers.GET, 6, spi1, 1))
			s.ask(request(layers.UPDATE, 7, spi1), state(layers.UPDATE, 7, spi1, 1))
			s.ask(request(layers.GET, 8, spi1), state(layers.GET, 8, spi1, 1))
		}, []string{"#2 send socket=0 GETSPI", "not-reproducible: it answers the kernel's ACQUIRE #1", "seq=7 pid=412 answers=#7\n", "seq=8 pid=412 answers=#9\n"}, nil},
		{"an unknown direction", func(s *said) {
			s.add(trace.Unknown, record.Unknown, 0, header(layers.FLUSH, 1, 0))
			s.ask(header(layers.FLUSH, 2, 0), header(layers.FLUSH, 2, 0))
		}, []string{"#1 expect FLUSH esp seq=1 pid=412; whether it is a request or an answer cannot be known"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &said{}
			test.talk(s)
			got := steps(s.plan(t))
			for _, w := range test.want {
				if !strings.Contains(got, w) {
					t.Errorf("no %q in\n%s", w, got)
				}
			}
			for _, w := range test.not {
				if strings.Contains(got, w) {
					t.Errorf("%q in\n%s", w, got)
				}
			}
		})
	}
}

func TestPlanKeys(t *testing.T) {
	path := "../fixtures/linux/uml-x86_64-iked/iked-left-promisc/promisc.pcapng"
	for _, test := range []struct {
		keys bool
		want string
	}{{true, "true"}, {false, "stand-ins"}} {
		list, promisc := load(t, path, test.keys)
		if got := planOf(t, list, promisc).Keys; got != test.want {
			t.Errorf("keys %q, want %q", got, test.want)
		}
	}
	// If only some true bytes are there, none are used: what is sent and what is
	// compared must go together.
	list, promisc := load(t, path, true)
	list[55].True = nil
	if got := planOf(t, list, promisc).Keys; got != "stand-ins" {
		t.Errorf("keys %q with one missing", got)
	}
}

func TestPlanDestroys(t *testing.T) {
	add := func(s *said) { s.ask(request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 1)) }
	for _, test := range []struct {
		name string
		talk func(s *said)
		want uint64
	}{
		{"nothing", add, 0},
		{"its own", func(s *said) { add(s); s.ask(request(layers.DELETE, 2, spi1), state(layers.DELETE, 2, spi1, 1)) }, 0},
		{"its own, twice", func(s *said) {
			add(s)
			s.ask(request(layers.DELETE, 2, spi1), state(layers.DELETE, 2, spi1, 1))
			s.ask(request(layers.DELETE, 3, spi1), header(layers.DELETE, 3, 3))
		}, 5},
		{"another's", func(s *said) { add(s); s.ask(request(layers.DELETE, 2, spi2), header(layers.DELETE, 2, 3)) }, 3},
		{"flush", func(s *said) { s.ask(header(layers.FLUSH, 1, 0), header(layers.FLUSH, 1, 0)) }, 1},
		{"policy flush", func(s *said) { add(s); s.ask(header(layers.SPDFLUSH, 1, 0), header(layers.SPDFLUSH, 1, 0)) }, 3},
		{"policy by id", func(s *said) {
			s.ask(spd(layers.SPDADD, 1, 0, 7, false), spd(layers.SPDADD, 1, 8, 7, true))
			s.ask(byID(layers.SPDDELETE2, 2, 8), spd(layers.SPDDELETE2, 2, 8, 7, true))
			s.ask(byID(layers.SPDDELETE2, 3, 16), header(layers.SPDDELETE2, 3, 2))
		}, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &said{}
			test.talk(s)
			if got := s.plan(t).Destroys(); got != test.want {
				t.Errorf("#%d, want #%d", got, test.want)
			}
		})
	}
}

func TestNoRequests(t *testing.T) {
	freebsd := layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
	for _, test := range []struct {
		name  string
		list  []*record.Record
		words string
	}{
		{"empty", nil, "it is empty"},
		{"linux", []*record.Record{{Number: 1, Codec: little, Data: expire(spi1, true)}}, "without promiscuous mode"},
		{"kame", []*record.Record{{Number: 1, Codec: freebsd, Data: header(layers.FLUSH, 1, 0)}}, "freebsd shows no socket what others send"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := replay.NewPlan(traced(test.list, record.No), replay.PlanOptions{})
			if !errors.Is(err, replay.ErrNoRequests) || !strings.Contains(err.Error(), test.words) {
				t.Errorf("error %v", err)
			}
			if p == nil || len(p.Steps) != len(test.list) {
				t.Errorf("plan %+v", p)
			}
		})
	}
	s := &said{}
	s.ask(header(layers.FLUSH, 1, 0), header(layers.FLUSH, 1, 0))
	_, err := replay.NewPlan(s, replay.PlanOptions{Select: func(*record.Record) bool { return false }})
	if !errors.Is(err, replay.ErrNoRequests) || !strings.Contains(err.Error(), "selected") {
		t.Errorf("error %v", err)
	}
}

func TestPlanOfDamagedCapture(t *testing.T) {
	damage := errors.New("damage")
	src := trace.NewReader(&source{list: []*record.Record{{Number: 1, Codec: little, Dir: record.ToKernel, Data: request(layers.GET, 1, spi1)}}, err: damage}, trace.Options{})
	p, err := replay.NewPlan(src, replay.PlanOptions{})
	if !errors.Is(err, damage) || p == nil || len(p.Steps) != 1 {
		t.Errorf("plan %+v, error %v", p, err)
	}
	if errors.Is(err, io.EOF) {
		t.Error("the error is io.EOF")
	}
}

// What is not selected is left out, an answer goes with its request, and what was
// left out is not forgotten.
func TestSelect(t *testing.T) {
	for _, test := range []struct {
		name  string
		o     replay.PlanOptions
		event string
	}{
		{"an expression", replay.PlanOptions{Select: func(r *record.Record) bool { return r.Data[1] == layers.GET && r.Dir == record.ToKernel }}, "#3 ignore EXPIRE"},
		{"from a record", replay.PlanOptions{From: 3}, "#3 expect EXPIRE"},
		{"one record", replay.PlanOptions{From: 4, To: 4}, "#3 ignore EXPIRE"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &said{}
			s.ask(request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 1))
			s.event(expire(spi2, true))
			s.ask(request(layers.GET, 2, spi1), state(layers.GET, 2, spi1, 1))
			p, err := replay.NewPlan(s, test.o)
			if err != nil {
				t.Fatal(err)
			}
			got := steps(p)
			for _, w := range []string{"#1 ignore ADD", "; the request was not selected\n", test.event,
				"#4 send", "answers=#5; not-reproducible: #2 made it, and the request was not selected"} {
				if !strings.Contains(got, w) {
					t.Errorf("no %q in\n%s", w, got)
				}
			}
		})
	}
}

func addrMap(t testing.TB, s string) replay.AddrMap {
	t.Helper()
	m, err := replay.ParseAddrMap(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
