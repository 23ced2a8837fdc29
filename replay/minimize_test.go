package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

// toy is a kernel that has SAs and nothing else.
type toy struct {
	sas []uint32
	// fault may change the answers to a request, or be the end of the kernel; sas are
	// those before the request.
	fault func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error)
	gone  []uint32 // that were deleted
}

// handle answers a request.
func (k *toy) handle(msg []byte) ([][]byte, error) {
	var m layers.Message
	m.Codec = little
	if err := m.DecodeFromBytes(msg, nil); err != nil {
		return nil, err
	}
	typ, seq, spi := m.Type, m.Seq, uint32(0)
	if sa := m.SA(); sa != nil {
		spi = sa.SPI
	}
	at := slices.Index(k.sas, spi)
	var answers [][]byte
	switch {
	case typ == layers.ACQUIRE:
	case typ == layers.DUMP:
		for _, spi := range k.sas {
			answers = append(answers, state(layers.ADD, 0, spi, 100))
		}
		answers = listed(typ, answers...)
	case typ == layers.SPDDUMP:
		answers = listed(typ)
	case typ == layers.ADD && at >= 0:
		answers = [][]byte{header(typ, seq, 17)}
	case typ != layers.ADD && at < 0:
		answers = [][]byte{header(typ, seq, 3)}
	default:
		answers = [][]byte{state(typ, seq, spi, 100)}
	}
	if k.fault != nil {
		var err error
		if answers, err = k.fault(k, typ, spi, answers); err != nil {
			return nil, err
		}
	}
	switch {
	case typ == layers.ADD && at < 0:
		k.sas = append(k.sas, spi)
	case typ == layers.DELETE && at >= 0:
		k.sas = slices.Delete(k.sas, at, at+1)
		k.gone = append(k.gone, spi)
	}
	return answers, nil
}

// toyTarget is one whose kernel is a fresh toy with a fault.
func toyTarget(fault func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error)) replay.Target {
	k := &toy{fault: fault}
	return replaytest.New(little, func(r replay.Request) (replay.Answer, error) {
		list, err := k.handle(r.Message)
		var a replay.Answer
		for _, b := range list {
			a.Messages = append(a.Messages, replay.Message{Socket: r.Socket, Data: b})
		}
		return a, err
	})
}

// conversation is what a sound toy says to ADDs of SAs 0x100 to 0x113, the DELETEs of
// three, and, if wanted, GETs of all.
func conversation(gets bool) *said {
	s := new(said)
	k := new(toy)
	ask := func(msg []byte) {
		answers, err := k.handle(msg)
		if err != nil {
			panic(err)
		}
		s.ask(msg, answers...)
	}
	seq := uint32(0)
	for spi := uint32(0x100); spi < 0x114; spi++ {
		seq++
		ask(request(layers.ADD, seq, spi))
	}
	s.event(expire(0x999, true))
	for _, spi := range []uint32{0x110, 0x103, 0x101} {
		seq++
		ask(request(layers.DELETE, seq, spi))
	}
	for spi := uint32(0x100); gets && spi < 0x114; spi++ {
		seq++
		ask(request(layers.GET, seq, spi))
	}
	return s
}

// sent names the requests among some records.
func sent(list []*record.Record) (names []string) {
	for _, r := range list {
		if r.Dir != record.ToKernel {
			continue
		}
		var m layers.Message
		m.Codec = r.Codec
		_ = m.DecodeFromBytes(r.Data, nil)
		name := m.TypeName()
		if sa := m.SA(); sa != nil {
			name += " " + string("0123456789abcdef"[sa.SPI>>4&15]) + string("0123456789abcdef"[sa.SPI&15])
		}
		names = append(names, name)
	}
	return names
}

var errDied = errors.New("it died")

// faults of the toy, and what it takes to see them.
var faults = []struct {
	name    string
	gets    bool // the conversation has GETs
	fault   func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error)
	finding string
	need    []string
}{
	{
		"another value", true, func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error) {
			if typ == layers.GET && spi == 0x105 && slices.Contains(k.gone, 0x103) {
				answers = [][]byte{state(typ, 29, spi, 100, &layers.SA2{Mode: 2})}
			}
			return answers, nil
		},
		"#58 GET esp 10.0.0.1 > 10.0.0.2 spi=0x00000105 seq=29 pid=412: #59 sa2 added: 16 bytes",
		[]string{"ADD 03", "ADD 05", "DELETE 03", "GET 05"},
	}, {
		// It would also be there if nothing but the GET was sent, but for another reason.
		"what looks like a request left out", true, func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error) {
			if typ == layers.GET && spi == 0x105 && slices.Contains(k.gone, 0x103) {
				answers = [][]byte{header(typ, 29, 3)}
			}
			return answers, nil
		},
		"#58 GET esp 10.0.0.1 > 10.0.0.2 spi=0x00000105 seq=29 pid=412: #59 msg.errno recorded 0, target 3(ESRCH)",
		[]string{"ADD 03", "ADD 05", "DELETE 03", "GET 05"},
	}, {
		"the end of the target", true, func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error) {
			if typ == layers.DELETE && spi == 0x101 && slices.Contains(k.sas, 0x111) && slices.Contains(k.sas, 0x101) {
				return nil, errDied
			}
			return answers, nil
		},
		"its end",
		[]string{"ADD 01", "ADD 11", "DELETE 01"},
	}, {
		"at the end", false, func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error) {
			if typ == layers.DUMP && slices.Contains(k.gone, 0x103) && slices.Contains(k.sas, 0x104) {
				k.sas = slices.DeleteFunc(k.sas, func(spi uint32) bool { return spi == 0x104 })
				k.fault = nil
				return k.handle(header(layers.DUMP, 0, 0))
			}
			return answers, nil
		},
		"state: SA esp 10.0.0.1 > 10.0.0.2 spi=0x00000104: #10 dropped: SA esp 10.0.0.1 > 10.0.0.2 spi=0x00000104",
		[]string{"ADD 03", "ADD 04", "DELETE 03"},
	},
}

func minimizeOptions(fault func(k *toy, typ uint8, spi uint32, answers [][]byte) ([][]byte, error)) replay.MinimizeOptions {
	return replay.MinimizeOptions{
		Try: func(ctx context.Context, p *replay.Plan) (*replay.Report, error) {
			return replay.Run(ctx, p, toyTarget(fault), replay.RunOptions{State: true})
		},
		Failure: func(err error) string {
			if errors.Is(err, errDied) {
				return "its end"
			}
			return ""
		},
	}
}

func TestMinimize(t *testing.T) {
	for _, test := range faults {
		t.Run(test.name, func(t *testing.T) {
			p := conversation(test.gets).plan(t)
			o := minimizeOptions(test.fault)
			o.Progress = func(tries, requests int) {
				if tries > 60 || requests > 43 {
					t.Errorf("%d tries, %d requests", tries, requests)
				}
			}
			m, err := replay.Minimize(t.Context(), p, o)
			if err != nil {
				t.Fatal(err)
			}
			if m.Finding != test.finding || !m.Minimal {
				t.Errorf("finding %q, want %q; minimal %v", m.Finding, test.finding, m.Minimal)
			}
			if got := sent(m.Records); !slices.Equal(got, test.need) || m.After != len(got) {
				t.Errorf("%d requests: %s, want %s", m.After, strings.Join(got, ", "), strings.Join(test.need, ", "))
			}
			// The event is not needed, and all answers are there.
			if len(m.Records) != 2*m.After || len(m.Numbers) != len(m.Records) {
				t.Errorf("%d records, %d numbers", len(m.Records), len(m.Numbers))
			}
			if send, _, _ := p.Counts(); m.Before != send {
				t.Errorf("%d requests before, want %d", m.Before, send)
			}
			b, err := json.Marshal(m)
			if err != nil || !bytes.Contains(b, []byte(`"minimal":true,"records":[`)) {
				t.Errorf("%s, %v", b, err)
			}

			// What was found is seen in what was kept.
			p, err = replay.NewPlan(traced(m.Records, record.No), replay.PlanOptions{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := o.Try(t.Context(), p)
			switch {
			case err != nil:
				if !errors.Is(err, errDied) || test.finding != "its end" {
					t.Error(err)
				}
			case !strings.Contains(text(t, r, false), strings.TrimPrefix(test.finding, "state: ")):
				t.Errorf("not seen again:\n%s", text(t, r, false))
			}
		})
	}
}

// An ACQUIRE of the recorded kernel must stay if its number is needed: the target has
// another one.
func TestMinimizeKeepsEvents(t *testing.T) {
	s := new(said)
	s.ask(request(layers.ADD, 1, spi1), state(layers.ADD, 1, spi1, 100))
	s.event(expire(0x999, true))
	s.event(acquire(7))
	s.event(expire(0x998, true))
	s.ask(request(layers.ADD, 2, spi2), state(layers.ADD, 2, spi2, 100))
	failure := enc(layers.Base{Type: layers.ACQUIRE, SAType: layers.SATypeESP, Seq: 7, Errno: 5})
	s.ask(failure)
	m, err := replay.Minimize(t.Context(), s.plan(t), replay.MinimizeOptions{
		Try: func(ctx context.Context, p *replay.Plan) (*replay.Report, error) {
			k := new(toy)
			return replay.Run(ctx, p, replaytest.New(little, func(r replay.Request) (replay.Answer, error) {
				list, err := k.handle(r.Message)
				if slices.Contains(k.sas, spi2) && r.Message[1] == layers.ADD {
					list = append(list, acquire(77))
				}
				if r.Message[1] == layers.ACQUIRE && r.Message[8] == 77 {
					list = append(list, enc(layers.Base{Type: layers.ACQUIRE, SAType: layers.SATypeESP, Seq: 77, Errno: 22}))
				}
				var a replay.Answer
				for _, b := range list {
					a.Messages = append(a.Messages, replay.Message{Socket: r.Socket, Data: b})
				}
				return a, err
			}), replay.RunOptions{})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.After != 2 || !slices.Equal(m.Numbers, []uint64{4, 6, 7, 8}) {
		t.Errorf("%s: %v of records %v", m.Finding, sent(m.Records), m.Numbers)
	}
}

// What ends it, it ends with what was reached.
func TestMinimizeEnds(t *testing.T) {
	plan := conversation(true).plan(t)
	t.Run("nothing is different", func(t *testing.T) {
		m, err := replay.Minimize(t.Context(), plan, minimizeOptions(nil))
		if !errors.Is(err, replay.ErrNothingFound) || m.Finding != "" || m.Tries != 1 || m.Report == nil || m.Report.Sent != 43 {
			t.Errorf("%v, %+v", err, m)
		}
	})
	t.Run("it hangs on chance", func(t *testing.T) {
		o := minimizeOptions(faults[0].fault)
		try, n := o.Try, 0
		o.Try = func(ctx context.Context, p *replay.Plan) (*replay.Report, error) {
			if n++; n == 2 {
				return replay.Run(ctx, p, toyTarget(nil), replay.RunOptions{})
			}
			return try(ctx, p)
		}
		if m, err := replay.Minimize(t.Context(), plan, o); !errors.Is(err, replay.ErrNotAgain) || m.Finding != faults[0].finding || m.Tries != 2 || m.Minimal {
			t.Errorf("%v, %+v", err, m)
		}
	})
	t.Run("no tries are left", func(t *testing.T) {
		o := minimizeOptions(faults[0].fault)
		o.Tries = 6
		m, err := replay.Minimize(t.Context(), plan, o)
		if err != nil || m.Minimal || m.Finding == "" || m.Tries != 6 || m.After <= 4 || m.After >= 43 || len(sent(m.Records)) != m.After {
			t.Errorf("%v, %d requests after %d tries, %d records", err, m.After, m.Tries, len(m.Records))
		}
	})
	t.Run("there is one try", func(t *testing.T) {
		o := minimizeOptions(faults[0].fault)
		o.Tries = 1
		if m, err := replay.Minimize(t.Context(), plan, o); err != nil || m.Minimal || m.Finding == "" || m.After != 43 {
			t.Errorf("%v, %+v", err, m)
		}
	})
	t.Run("it is stopped", func(t *testing.T) {
		o := minimizeOptions(faults[0].fault)
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough")
		o.Progress = func(tries, _ int) {
			if tries == 5 {
				cancel(enough)
			}
		}
		m, err := replay.Minimize(ctx, plan, o)
		if !errors.Is(err, enough) || m.Minimal || m.Finding == "" || len(m.Records) == 0 {
			t.Errorf("%v, %+v", err, m)
		}
	})
	t.Run("the target fails", func(t *testing.T) {
		o := minimizeOptions(faults[2].fault)
		o.Failure = nil
		if m, err := replay.Minimize(t.Context(), plan, o); !errors.Is(err, errDied) || m.Finding != "" {
			t.Errorf("%v, %+v", err, m)
		}
	})
	t.Run("it fails later", func(t *testing.T) {
		errIO := errors.New("no machine for it")
		o := minimizeOptions(faults[0].fault)
		try, n := o.Try, 0
		o.Try = func(ctx context.Context, p *replay.Plan) (*replay.Report, error) {
			if n++; n == 5 {
				return nil, errIO
			}
			return try(ctx, p)
		}
		if m, err := replay.Minimize(t.Context(), plan, o); !errors.Is(err, errIO) || m.Finding == "" || m.Minimal {
			t.Errorf("%v, %+v", err, m)
		}
	})
}
