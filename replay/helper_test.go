package replay_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	little = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	big    = layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
)

// fixtures lists the captures of real kernels.
func fixtures(t testing.TB) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir("../fixtures", func(path string, d os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcapng") && !strings.Contains(path, "bugs") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("only %d fixtures", len(list))
	}
	return list
}

// load reads a fixture, with its true keys or without.
func load(t testing.TB, path string, keys bool) ([]*record.Record, record.Answer) {
	t.Helper()
	r, err := record.Open(path, record.ReaderOptions{NoKeys: !keys})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var list []*record.Record
	for {
		x, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, r.Meta().Promisc
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, x.Clone())
	}
}

// source gives out copies of records.
type source struct {
	list []*record.Record
	err  error // in place of io.EOF
}

func (s *source) Next() (*record.Record, error) {
	if len(s.list) == 0 {
		if s.err != nil {
			return nil, s.err
		}
		return nil, io.EOF
	}
	r := s.list[0].Clone()
	s.list = s.list[1:]
	return r, nil
}

func traced(list []*record.Record, promisc record.Answer) replay.Source {
	return trace.NewReader(&source{list: list}, trace.Options{Promisc: promisc})
}

func planOf(t testing.TB, list []*record.Record, promisc record.Answer) *replay.Plan {
	t.Helper()
	p, err := replay.NewPlan(traced(list, promisc), replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// said is a source of records whose parts are given.
type said struct {
	list  []*record.Record
	roles []trace.Role
	n     int
}

func (s *said) Next() (*record.Record, error) {
	if s.n == len(s.list) {
		return nil, io.EOF
	}
	s.n++
	return s.list[s.n-1].Clone(), nil
}

func (s *said) Role() trace.Role { return s.roles[s.n-1] }

var t0 = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

func (s *said) add(role trace.Role, dir record.Direction, to uint64, msg []byte) uint64 {
	n := uint64(len(s.list) + 1)
	s.list = append(s.list, &record.Record{Number: n, Time: t0.Add(time.Duration(n) * time.Millisecond), Dir: dir,
		Codec: little, Data: msg, OrigLen: len(msg), ReplyTo: to})
	s.roles = append(s.roles, role)
	return n
}

// ask adds a request and its answers.
func (s *said) ask(msg []byte, answers ...[]byte) uint64 {
	n := s.add(trace.Request, record.ToKernel, 0, msg)
	for _, a := range answers {
		s.add(trace.Reply, record.FromKernel, n, a)
	}
	return n
}

func (s *said) event(msg []byte) uint64   { return s.add(trace.Event, record.FromKernel, 0, msg) }
func (s *said) foreign(msg []byte) uint64 { return s.add(trace.Foreign, record.FromKernel, 0, msg) }

func (s *said) plan(t testing.TB) *replay.Plan {
	t.Helper()
	p, err := replay.NewPlan(s, replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run replays the plan against the steps of a script, which must happen all.
func run(t testing.TB, p *replay.Plan, steps ...replaytest.Step) *replay.Report {
	t.Helper()
	target := replaytest.Script(little, steps...)
	r, err := replay.Run(context.Background(), p, target, replay.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Done(); err != nil {
		t.Error(err)
	}
	check(t, p, r)
	return r
}

// check holds a report to its law: there is one verdict for each step that counts.
func check(t testing.TB, p *replay.Plan, r *replay.Report) {
	t.Helper()
	send, expect, _ := p.Counts()
	if got := r.Equal + r.Volatile + r.NotReproducible + r.Different; got != send+expect || got != len(r.Exchanges) {
		t.Errorf("%d verdicts and %d exchanges for %d requests and %d other messages", got, len(r.Exchanges), send, expect)
	}
}

func text(t testing.TB, r *replay.Report, all bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Messages of Linux, made by hand.

const (
	spi1, spi2 = 0x1001, 0x2002
	process    = 412
)

var (
	left  = netip.MustParseAddrPort("10.0.0.1:0")
	right = netip.MustParseAddrPort("10.0.0.2:0")
)

func enc(b layers.Base, exts ...layers.Extension) []byte {
	if b.PID == 0 {
		b.PID = process
	}
	return event(b, exts...)
}

// event is enc without a process.
func event(b layers.Base, exts ...layers.Extension) []byte {
	msg, err := little.Encode(&b, exts...)
	if err != nil {
		panic(err)
	}
	return msg
}

func srcDst() []layers.Extension {
	return []layers.Extension{
		little.NewAddress(layers.LayerTypeAddressSrc, left, 32, 0),
		little.NewAddress(layers.LayerTypeAddressDst, right, 32, 0),
	}
}

func with(list []layers.Extension, more ...layers.Extension) []layers.Extension {
	return append(list[:len(list):len(list)], more...)
}

// request is a request about an SA: ADD, UPDATE, GET, DELETE.
func request(typ uint8, seq, spi uint32, more ...layers.Extension) []byte {
	exts := with([]layers.Extension{&layers.SA{SPI: spi, Auth: 3, Encrypt: 12}}, srcDst()...)
	return enc(layers.Base{Type: typ, SAType: layers.SATypeESP, Seq: seq}, with(exts, more...)...)
}

// state is what the kernel tells of an SA, made at the given time.
func state(typ uint8, seq, spi uint32, addtime uint64, more ...layers.Extension) []byte {
	return enc(layers.Base{Type: typ, SAType: layers.SATypeESP, Seq: seq}, stateExts(spi, addtime, more...)...)
}

func stateExts(spi uint32, addtime uint64, more ...layers.Extension) []layers.Extension {
	exts := with([]layers.Extension{
		&layers.SA{SPI: spi, State: 1, Auth: 3, Encrypt: 12},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard)},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeSoft)},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), AddTime: addtime},
	}, srcDst()...)
	return with(exts, more...)
}

func key(octets string) layers.Extension {
	return little.NewKey(layers.LayerTypeKeyAuth, []byte(octets))
}

func header(typ uint8, seq uint32, errno uint8) []byte {
	satype := uint8(layers.SATypeESP)
	if typ >= layers.SPDUPDATE {
		satype = 0
	}
	return enc(layers.Base{Type: typ, SAType: satype, Seq: seq, Errno: errno})
}

func getspi(seq, min, max uint32) []byte {
	return enc(layers.Base{Type: layers.GETSPI, SAType: layers.SATypeESP, Seq: seq}, with(srcDst(), &layers.SPIRange{Min: min, Max: max})...)
}

func expire(spi uint32, hard bool) []byte {
	limit := layers.LayerTypeLifetimeSoft
	if hard {
		limit = layers.LayerTypeLifetimeHard
	}
	exts := with([]layers.Extension{
		&layers.SA{SPI: spi, State: 2, Auth: 3, Encrypt: 12},
		&layers.Lifetime{Header: layers.For(limit), AddTime: 1},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), AddTime: 1},
	}, srcDst()...)
	return event(layers.Base{Type: layers.EXPIRE, SAType: layers.SATypeESP}, exts...)
}

func acquire(seq uint32) []byte {
	return event(layers.Base{Type: layers.ACQUIRE, SAType: layers.SATypeESP, Seq: seq}, with(srcDst(), &layers.Policy{Type: 2, Dir: 2, ID: 1})...)
}

// spd is a message about the policy between the two addresses.
func spd(typ uint8, seq, id, reqid uint32, fromKernel bool) []byte {
	list := little.AppendRequest(nil, layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: reqid})
	exts := srcDst()
	reserved := uint16(0)
	if fromKernel {
		reserved = 3
		exts = with(exts,
			&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard)},
			&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeSoft)},
			&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), AddTime: 5})
	}
	return enc(layers.Base{Type: typ, Seq: seq, Reserved: reserved}, with(exts, &layers.Policy{Type: 2, Dir: 2, ID: id, List: list})...)
}

// byID is a message that names a policy by its id alone.
func byID(typ uint8, seq, id uint32) []byte {
	return enc(layers.Base{Type: typ, Seq: seq}, &layers.Policy{Type: 2, Dir: 2, ID: id})
}
