package kernel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/kernel"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// serveArg makes the test binary serve its kernel over its standard streams.
const serveArg = "serve-target"

func TestMain(m *testing.M) {
	sandbox.InitIfGuest()
	if len(os.Args) > 1 && os.Args[1] == serveArg {
		t, err := kernel.Open(kernel.Options{})
		if err == nil {
			err = replay.Serve(context.Background(), os.Stdin, os.Stdout, t, nil)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	sandboxtest.Main(m)
}

const fixtures = "../../fixtures"

type source struct{ list []*record.Record }

func (s *source) Next() (*record.Record, error) {
	if len(s.list) == 0 {
		return nil, io.EOF
	}
	r := s.list[0].Clone()
	s.list = s.list[1:]
	return r, nil
}

func load(t testing.TB, name string, keys bool) ([]*record.Record, record.Answer) {
	t.Helper()
	r, err := record.Open(filepath.Join(fixtures, name), record.ReaderOptions{NoKeys: !keys})
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

func planOf(t testing.TB, list []*record.Record, promisc record.Answer) *replay.Plan {
	t.Helper()
	p, err := replay.NewPlan(trace.NewReader(&source{list}, trace.Options{Promisc: promisc}), replay.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// open returns a target in a network namespace of its own.
func open(t testing.TB) *kernel.Target {
	t.Helper()
	ns, err := keysock.NewNetNS()
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.Open(kernel.Options{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		k.Close()
		ns.Close()
	})
	return k
}

func run(t testing.TB, p *replay.Plan, target replay.Target) *replay.Report {
	t.Helper()
	return runAt(t, p, target, replay.Pace{})
}

func runAt(t testing.TB, p *replay.Plan, target replay.Target, pace replay.Pace) *replay.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := replay.Run(ctx, p, target, replay.RunOptions{Pace: pace, State: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func text(r *replay.Report) string {
	var b bytes.Buffer
	r.WriteText(&b, false)
	return b.String()
}

// pins are what a replay of each fixture into a fresh Linux 6.1 comes to: sent,
// answered, equal, volatile, not reproducible. Nothing is ever different.
var pins = map[string][5]int{
	"linux/s390x/acquire-v4/A.pcapng":                              {12, 12, 0, 10, 4},
	"linux/s390x/acquire-v4/P-promisc.pcapng":                      {9, 7, 3, 4, 14},
	"linux/s390x/acquire-v4/R-esp.pcapng":                          {9, 6, 5, 3, 14},
	"linux/s390x/acquire-v4/R2-ah.pcapng":                          {1, 1, 1, 0, 13},
	"linux/s390x/sa-lifecycle-v4/A.pcapng":                         {47, 47, 16, 31, 0},
	"linux/uml-x86_64-iked/iked-left-own-socket/iked-fd-3.pcapng":  {24, 24, 3, 15, 9},
	"linux/uml-x86_64-iked/iked-left-promisc/promisc.pcapng":       {19, 19, 3, 16, 3},
	"linux/uml-x86_64-iked/iked-right-own-socket/iked-fd-3.pcapng": {24, 24, 3, 15, 6},
	"linux/uml-x86_64-iked/iked-right-promisc/promisc.pcapng":      {19, 19, 3, 16, 0},
	"linux/uml-x86_64/acquire-v4/A.pcapng":                         {12, 12, 0, 10, 4},
	"linux/uml-x86_64/acquire-v4/P-promisc.pcapng":                 {9, 7, 3, 4, 14},
	"linux/uml-x86_64/acquire-v4/R-esp.pcapng":                     {9, 6, 5, 3, 14},
	"linux/uml-x86_64/acquire-v4/R2-ah.pcapng":                     {1, 1, 1, 0, 13},
	"linux/uml-x86_64/acquire-v6/A.pcapng":                         {12, 12, 0, 10, 4},
	"linux/uml-x86_64/acquire-v6/P-promisc.pcapng":                 {9, 7, 3, 4, 14},
	"linux/uml-x86_64/acquire-v6/R-esp.pcapng":                     {9, 6, 5, 3, 14},
	"linux/uml-x86_64/acquire-v6/R2-ah.pcapng":                     {1, 1, 1, 0, 13},
	"linux/uml-x86_64/errors/A.pcapng":                             {88, 84, 73, 15, 2},
	"linux/uml-x86_64/expire/A.pcapng":                             {35, 35, 3, 20, 12},
	"linux/uml-x86_64/expire/P-promisc.pcapng":                     {35, 35, 3, 20, 30},
	"linux/uml-x86_64/expire/R-esp.pcapng":                         {1, 1, 1, 0, 29},
	"linux/uml-x86_64/flush/A.pcapng":                              {9, 9, 5, 3, 3},
	"linux/uml-x86_64/flush/B.pcapng":                              {2, 2, 0, 0, 6},
	"linux/uml-x86_64/flush/P-promisc.pcapng":                      {11, 11, 8, 3, 0},
	"linux/uml-x86_64/malformed/A.pcapng":                          {51, 34, 40, 11, 3},
	"linux/uml-x86_64/malformed/P-promisc.pcapng":                  {34, 34, 23, 11, 0},
	"linux/uml-x86_64/migrate/A.pcapng":                            {30, 30, 22, 8, 0},
	"linux/uml-x86_64/migrate/P-promisc.pcapng":                    {30, 30, 22, 8, 0},
	"linux/uml-x86_64/migrate/R-esp.pcapng":                        {1, 1, 1, 0, 12},
	"linux/uml-x86_64/netlink-cross/A-plain.pcapng":                {6, 6, 0, 0, 22},
	"linux/uml-x86_64/netlink-cross/P-promisc.pcapng":              {6, 6, 0, 0, 22},
	"linux/uml-x86_64/netlink-cross/R-esp.pcapng":                  {1, 1, 1, 0, 16},
	"linux/uml-x86_64/register/A.pcapng":                           {13, 13, 13, 0, 5},
	"linux/uml-x86_64/register/B.pcapng":                           {4, 4, 4, 0, 2},
	"linux/uml-x86_64/register/C.pcapng":                           {2, 2, 2, 0, 0},
	"linux/uml-x86_64/sa-ident/A.pcapng":                           {43, 43, 2, 41, 0},
	"linux/uml-x86_64/sa-lifecycle-v4/A.pcapng":                    {47, 47, 16, 31, 0},
	"linux/uml-x86_64/sa-lifecycle-v6/A.pcapng":                    {47, 47, 16, 31, 0},
	"linux/uml-x86_64/sa-natt/A.pcapng":                            {18, 18, 3, 13, 2},
	"linux/uml-x86_64/sa-natt/R.pcapng":                            {1, 1, 1, 0, 11},
	"linux/uml-x86_64/sockopts/A.pcapng":                           {12, 12, 1, 0, 11},
	"linux/uml-x86_64/spd-v4/A.pcapng":                             {45, 45, 20, 24, 1},
	"linux/uml-x86_64/spd-v6/A.pcapng":                             {44, 44, 20, 24, 0},
	"linux/uml-x86_64/visibility/other-process.pcapng":             {6, 6, 2, 4, 0},
	"linux/uml-x86_64/visibility/promisc-reg.pcapng":               {90, 86, 41, 49, 9},
	"linux/uml-x86_64/visibility/promisc.pcapng":                   {89, 85, 40, 49, 9},
	"linux/uml-x86_64/visibility/reg-ah.pcapng":                    {1, 1, 1, 0, 51},
	"linux/uml-x86_64/visibility/reg-esp.pcapng":                   {1, 1, 1, 0, 52},
	"linux/uml-x86_64/visibility/sender.pcapng":                    {29, 27, 14, 15, 37},
}

// chance says how many of a fixture's equal answers may be volatile as well: Linux
// 6.1 leaves its memory in the padding of a MIGRATE about IPv6.
var chance = map[string]int{
	"linux/uml-x86_64/migrate/A.pcapng":         2,
	"linux/uml-x86_64/migrate/P-promisc.pcapng": 2,
}

// Every capture of a real kernel replays into a fresh one, with true keys in lockstep
// and with stand-ins at top speed: nothing is different, and the number of each
// verdict is known. Those of s390x are big-endian.
func TestFixtures(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		seen := map[string]bool{}
		var states [4]int // SAs, policies, volatile and not reproducible entries at the end of all
		err := filepath.WalkDir(fixtures, func(path string, _ fs.DirEntry, err error) error {
			name, _ := filepath.Rel(fixtures, path)
			name = filepath.ToSlash(name)
			if err != nil || !strings.HasPrefix(name, "linux/") || !strings.HasSuffix(name, ".pcapng") {
				return err
			}
			for _, keys := range []bool{true, false} {
				list, promisc := load(t, name, keys)
				plan, err := replay.NewPlan(trace.NewReader(&source{list}, trace.Options{Promisc: promisc}), replay.PlanOptions{})
				if errors.Is(err, replay.ErrNoRequests) {
					continue
				}
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				seen[name] = true
				r := runAt(t, plan, open(t), replay.Pace{TopSpeed: !keys})
				got := [5]int{r.Sent, r.Answered, r.Equal, r.Volatile, r.NotReproducible}
				if by := pins[name][2] - r.Equal; by > 0 && by <= chance[name] {
					got[2], got[3] = got[2]+by, got[3]-by
				}
				for _, e := range r.Exchanges {
					// What is not reproducible is named, with the reason.
					if e.Verdict == replay.NotReproducible && !strings.Contains(text(r), fmt.Sprintf("not-reproducible: #%d %s: ", e.Record, e.Message)) {
						t.Errorf("%s: nothing is said of #%d", name, e.Record)
					}
				}
				if want, ok := pins[name]; !ok || got != want || r.Different != 0 {
					t.Errorf("%q: {%d, %d, %d, %d, %d}, want %v (keys=%v)", name, got[0], got[1], got[2], got[3], got[4], want, keys)
					if r.Different > 0 {
						t.Log(text(r))
					}
				}
				if st := r.State; st.Different != 0 || st.Skipped != "" {
					t.Errorf("%q: at the end (keys=%v): %s", name, keys, text(r))
				} else {
					states[0] += st.SAs
					states[1] += st.Policies
					states[2] += st.Volatile
					states[3] += st.NotReproducible
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := [4]int{182, 92, 230, 84}; states != want {
			t.Errorf("at the end of all there are %v, want %v", states, want)
		}
		for name := range pins {
			if !seen[name] {
				t.Errorf("%s was not replayed", name)
			}
		}
	})
}

// An altered capture is found out, at the place where it was altered.
func TestAltered(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		const name = "linux/uml-x86_64/sa-lifecycle-v4/A.pcapng"
		// The ADD #4 and its answer #5, and the DELETE of the same SA.
		edit := func(t *testing.T, number uint64, change func(c layers.Codec, b []byte)) []*record.Record {
			list, _ := load(t, name, true)
			for _, r := range list {
				if r.Number == number {
					change(r.Codec, r.True)
				}
			}
			return list
		}
		find := func(t *testing.T, typ uint8, dir record.Direction) uint64 {
			list, _ := load(t, name, true)
			for _, r := range list {
				if r.Data[1] == typ && r.Dir == dir {
					return r.Number
				}
			}
			t.Fatalf("no message of type %d", typ)
			return 0
		}
		check := func(t *testing.T, list []*record.Record, want ...string) {
			t.Helper()
			_, promisc := load(t, name, true)
			r := run(t, planOf(t, list, promisc), open(t))
			var got []string
			for _, e := range r.Exchanges {
				for _, d := range e.Differences {
					if d.Verdict == replay.Different {
						got = append(got, d.String())
					}
				}
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		}
		asked, answered := find(t, layers.ADD, record.ToKernel), find(t, layers.ADD, record.FromKernel)

		t.Run("a key bit of an answer", func(t *testing.T) {
			check(t, edit(t, answered, func(c layers.Codec, b []byte) {
				b[c.AppendSecrets(nil, b)[0].Offset] ^= 1
			}), fmt.Sprintf("#%d key_auth.key recorded ··(20 bytes), target ··(20 bytes) (the octets differ)", answered))
		})
		t.Run("an SPI of an answer", func(t *testing.T) {
			check(t, edit(t, answered, func(_ layers.Codec, b []byte) {
				binary.BigEndian.PutUint32(b[layers.BaseLen+4:], 0x1234)
			}), fmt.Sprintf("#%d sa.spi recorded 0x00001234, target 0x00001001", answered))
		})
		t.Run("the replay window of a request", func(t *testing.T) {
			list := edit(t, asked, func(_ layers.Codec, b []byte) { b[layers.BaseLen+8] = 16 })
			r := run(t, planOf(t, list, record.No), open(t))
			if !strings.Contains(text(r), fmt.Sprintf("#%d sa.replay recorded 32, target 16", answered)) {
				t.Error(text(r))
			}
		})
		t.Run("a lifetime of an answer", func(t *testing.T) {
			check(t, edit(t, answered, func(_ layers.Codec, b []byte) {
				b[layers.BaseLen+16+16] ^= 1 // addtime of LIFETIME_HARD, which comes second
			}), fmt.Sprintf("#%d lifetime_hard.addtime recorded 1, target 0", answered))
		})
		t.Run("a missing DELETE", func(t *testing.T) {
			list, _ := load(t, name, true)
			first := find(t, layers.DELETE, record.ToKernel)
			var cut []*record.Record
			var again uint64 // the next DELETE of the same SA, which fails
			for _, r := range list {
				if r.Number == first || r.Number == first+1 {
					continue
				}
				if r.Data[1] == layers.DELETE && r.Dir == record.FromKernel && r.Data[2] != 0 {
					again = r.Number
				}
				cut = append(cut, r)
			}
			check(t, cut, fmt.Sprintf("#%d msg.errno recorded 3(ESRCH), target 0", again))
		})
	})
}

// Two replays into one kernel: the second finds the SPIs taken, and the SAs and
// policies of the first.
func TestTakenSPI(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		list, promisc := load(t, "linux/uml-x86_64-iked/iked-left-promisc/promisc.pcapng", true)
		// Without the FLUSH at the beginning, and what comes after the first UPDATE.
		var cut []*record.Record
		updates := 0
		for _, r := range list {
			if r.Data[1] == layers.FLUSH {
				continue
			}
			if r.Data[1] == layers.UPDATE {
				updates++
			}
			if updates == 4 {
				break
			}
			cut = append(cut, r)
		}
		plan := planOf(t, cut, promisc)
		target := open(t)
		if r := run(t, plan, target); r.Different != 0 {
			t.Fatal(text(r))
		}
		r := run(t, plan, target)
		if len(r.Bindings) == 0 || r.Bindings[0].Kind != "spi" {
			t.Errorf("bindings %v\n%s", r.Bindings, text(r))
		}
		for _, e := range r.Exchanges {
			switch {
			case strings.HasPrefix(e.Message, "GETSPI"), strings.HasPrefix(e.Message, "UPDATE"):
				if e.Verdict != replay.Volatile {
					t.Errorf("#%d %s: %v: %v", e.Record, e.Message, e.Verdict, e.Differences)
				}
			case strings.HasPrefix(e.Message, "ADD"), strings.HasPrefix(e.Message, "REGISTER"): // EEXIST
				if e.Verdict != replay.Different {
					t.Errorf("#%d %s: %v", e.Record, e.Message, e.Verdict)
				}
			}
		}
	})
}

// The kernel of a sandbox is a target for a replay outside of it.
func TestServedFromSandbox(t *testing.T) {
	sandboxtest.Require(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const name = "linux/uml-x86_64/visibility/promisc.pcapng"
	list, promisc := load(t, name, true)
	plan := planOf(t, list, promisc)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	cmd := &sandbox.Cmd{Args: []string{exe, serveArg}, Stderr: &stderr}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(ctx); err != nil {
		t.Fatal(err)
	}
	remote, err := replay.NewRemote(ctx, out, in)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	if want := (layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}); remote.Codec() != want {
		t.Errorf("codec %v, want %v", remote.Codec(), want)
	}
	r, err := remote.Run(ctx, plan, replay.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages in %.3f s", r.Sent, r.Seconds)
	if got, want := [5]int{r.Sent, r.Answered, r.Equal, r.Volatile, r.NotReproducible}, pins[name]; got != want || r.Different != 0 {
		t.Errorf("%v, want %v\n%s", got, want, text(r))
	}
	if err := remote.Close(); err != nil {
		t.Error(err)
	}
	if status, err := cmd.Wait(); status != 0 || err != nil {
		t.Errorf("status %d, %v\n%s", status, err, stderr.Bytes())
	}
}

// control makes a message without extensions.
func control(typ, satype uint8, seq uint32) []byte {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
	b, err := c.Encode(&layers.Base{Type: typ, SAType: satype, Seq: seq, PID: uint32(os.Getpid())})
	if err != nil {
		panic(err)
	}
	return b
}

func TestTarget(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		target := open(t)
		ctx := context.Background()
		exchange := func(r replay.Request) replay.Answer {
			t.Helper()
			if err := target.Send(ctx, r); err != nil {
				t.Fatal(err)
			}
			a, err := target.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		register := control(layers.REGISTER, layers.SATypeESP, 1)
		if a := exchange(replay.Request{Socket: 3, Message: register}); len(a.Messages) != 1 || a.Messages[0].Socket != 3 {
			t.Errorf("REGISTER: %+v", a)
		}
		// The registered socket hears of others' registrations, after their own answer.
		if a := exchange(replay.Request{Socket: 1, Message: control(layers.REGISTER, layers.SATypeAH, 2)}); len(a.Messages) != 2 ||
			a.Messages[0].Socket != 1 || a.Messages[1].Socket != 3 || !bytes.Equal(a.Messages[0].Data, a.Messages[1].Data) {
			t.Errorf("REGISTER: %+v", a)
		}
		// It was one socket all the time: a second registration is refused.
		if a := exchange(replay.Request{Socket: 3, Message: register, Last: true}); len(a.Messages) != 1 || a.Messages[0].Data[2] != 17 {
			t.Errorf("REGISTER again: %+v", a)
		}
		// Then it was closed: the number means another one now.
		if a := exchange(replay.Request{Socket: 3, Message: register}); len(a.Messages) != 2 || a.Messages[0].Data[2] != 0 {
			t.Errorf("REGISTER on a new socket: %+v", a)
		}
		bad := control(99, 0, 1)
		if a := exchange(replay.Request{Socket: 0, Message: bad}); a.Errno != 22 || len(a.Messages) != 0 {
			t.Errorf("bad type: %+v", a)
		}
		if a := exchange(replay.Request{Socket: 0, Message: bad[:8]}); a.Errno != 90 {
			t.Errorf("short message: %+v", a)
		}
		if a := exchange(replay.Request{Socket: 9}); a.Errno != 0 || len(a.Messages) != 0 {
			t.Errorf("no message: %+v", a)
		}
		for range replay.MaxOutstanding {
			if err := target.Send(ctx, replay.Request{Message: register}); err != nil {
				t.Fatal(err)
			}
		}
		if target.Send(ctx, replay.Request{}) == nil {
			t.Error("one more than MaxOutstanding was taken")
		}
		for range replay.MaxOutstanding {
			if _, err := target.Recv(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := target.Recv(ctx); err == nil {
			t.Error("Recv without Send")
		}
	})
}

// manySAs makes n requests about as many SAs, and the DUMP of all.
func manySAs(t testing.TB, n int) [][]byte {
	list, _ := load(t, "linux/uml-x86_64/sa-lifecycle-v4/A.pcapng", true)
	var add []byte
	for _, r := range list {
		if r.Dir == record.ToKernel && r.Data[1] == layers.ADD {
			add = r.Bytes()
			break
		}
	}
	var msgs [][]byte
	for i := range n {
		m := bytes.Clone(add)
		binary.BigEndian.PutUint32(m[layers.BaseLen+4:], uint32(0x10000+i))
		msgs = append(msgs, m)
	}
	return append(msgs, control(layers.DUMP, 0, 7))
}

// A dump that is longer than the receive buffer comes whole.
func TestLongDump(t *testing.T) {
	sandboxtest.Run(t, func(t *testing.T) {
		const n = 3000
		target := open(t)
		ctx := context.Background()
		for i, m := range manySAs(t, n) {
			if err := target.Send(ctx, replay.Request{Message: m}); err != nil {
				t.Fatal(err)
			}
			a, err := target.Recv(ctx)
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if i == n {
				want = n
			}
			if len(a.Messages) != want || a.Messages[0].Data[2] != 0 {
				t.Fatalf("message %d: %d answers, want %d", i, len(a.Messages), want)
			}
			if last := a.Messages[want-1].Data; i == n && binary.NativeEndian.Uint32(last[8:]) != 0 {
				t.Errorf("the dump does not end")
			}
		}
	})
}

func TestOpenWithoutPFKEY(t *testing.T) {
	if err := keysock.CanOpen(); err == nil {
		t.Skip("this kernel has PF_KEY and lets us use it")
	}
	_, err := kernel.Open(kernel.Options{})
	if !errors.Is(err, keysock.ErrNoPFKEY) && !errors.Is(err, keysock.ErrPermission) {
		t.Errorf("Open: %v", err)
	}
}

// What an exchange costs here, and what the bare system calls do, where the kernel
// has PF_KEY: run it inside the sandbox.
func BenchmarkExchange(b *testing.B) {
	if err := keysock.CanOpen(); err != nil {
		b.Skip(err)
	}
	msg := control(layers.GET, layers.SATypeESP, 1)
	b.Run("target", func(b *testing.B) {
		target := open(b)
		ctx := context.Background()
		b.ReportAllocs()
		for b.Loop() {
			if err := target.Send(ctx, replay.Request{Message: msg}); err != nil {
				b.Fatal(err)
			}
			if a, err := target.Recv(ctx); err != nil || len(a.Messages) != 1 {
				b.Fatal(a, err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		c, err := keysock.Open(keysock.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		buf := make([]byte, keysock.MaxMessage)
		for b.Loop() {
			if _, err := c.Write(msg); err != nil {
				b.Fatal(err)
			}
			if _, err := c.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// conversation makes a capture of n messages as a kernel and a key manager exchange
// them: an SA is made, asked for twice and removed again, then the next one.
func conversation(t testing.TB, n int) []*record.Record {
	list, _ := load(t, "linux/uml-x86_64/sa-lifecycle-v4/A.pcapng", true)
	find := func(typ uint8, dir record.Direction) *record.Record {
		for _, r := range list {
			if r.Dir == dir && r.Data[1] == typ && r.Data[2] == 0 {
				return r
			}
		}
		t.Fatalf("no message of type %d", typ)
		return nil
	}
	var out []*record.Record
	for spi := uint32(0x10000); ; spi++ {
		for _, typ := range []uint8{layers.ADD, layers.GET, layers.GET, layers.DELETE} {
			for _, dir := range []record.Direction{record.ToKernel, record.FromKernel} {
				if len(out) == n {
					return out
				}
				r := find(typ, dir).Clone()
				r.Number = uint64(len(out) + 1)
				for _, b := range [][]byte{r.Data, r.True} {
					if b != nil {
						binary.BigEndian.PutUint32(b[layers.BaseLen+4:], spi)
						binary.LittleEndian.PutUint32(b[8:], uint32(r.Number+1)/2)
					}
				}
				out = append(out, r)
			}
		}
	}
}

// BenchmarkRate is what a request of a capture of 10,000 messages costs when it is
// replayed and its answer compared, and when it is only written and its answer read,
// on one kernel: run it inside the sandbox. The ways take turns, because a machine
// is not always equally fast, and the best time of each counts.
func BenchmarkRate(b *testing.B) {
	if err := keysock.CanOpen(); err != nil {
		b.Skip(err)
	}
	const messages = 10000
	list := conversation(b, messages)
	plan := planOf(b, list, record.No)
	var requests [][]byte
	for _, r := range list {
		if r.Dir == record.ToKernel {
			requests = append(requests, r.Bytes())
		}
	}
	conn, err := keysock.Open(keysock.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, keysock.MaxMessage)
	bare := func() {
		for _, m := range requests {
			if _, err := conn.Write(m); err != nil {
				b.Fatal(err)
			}
			if n, err := conn.Read(buf); err != nil || n < layers.BaseLen || buf[2] != 0 {
				b.Fatal(n, err)
			}
		}
	}
	target := open(b)
	replayed := func(p replay.Pace) func() {
		return func() {
			r, err := replay.Run(b.Context(), plan, target, replay.RunOptions{Pace: p})
			if err != nil {
				b.Fatal(err)
			}
			if r.Different+r.NotReproducible != 0 || r.Sent != messages/2 {
				b.Fatal(text(r))
			}
		}
	}
	ways := []struct {
		name string
		run  func()
		best time.Duration
	}{
		{name: "bare", run: bare},
		{name: "lockstep", run: replayed(replay.Pace{})},
		{name: "topspeed", run: replayed(replay.Pace{TopSpeed: true})},
	}
	for b.Loop() {
		for i := range ways {
			w := &ways[i]
			start := time.Now()
			w.run()
			if d := time.Since(start); w.best == 0 || d < w.best {
				w.best = d
			}
		}
	}
	for _, w := range ways {
		b.ReportMetric(float64(w.best.Nanoseconds())/(messages/2), w.name+"-ns/request")
	}
	b.ReportMetric(100*float64(ways[0].best)/float64(ways[1].best), "lockstep-%-of-bare")
	b.ReportMetric(100*float64(ways[0].best)/float64(ways[2].best), "topspeed-%-of-bare")
}

// BenchmarkReplay is the same from outside, with the way of the plan into the
// sandbox and of the report out of it, but without its start.
func BenchmarkReplay(b *testing.B) {
	sandboxtest.Require(b)
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	const messages = 10000
	plan := planOf(b, conversation(b, messages), record.No)
	cmd := &sandbox.Cmd{Args: []string{exe, serveArg}}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer cmd.Wait()
	remote, err := replay.NewRemote(b.Context(), out, in)
	if err != nil {
		b.Fatal(err)
	}
	defer remote.Close()
	inside := 0.0
	for b.Loop() {
		r, err := remote.Run(b.Context(), plan, replay.RunOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if r.Different+r.NotReproducible != 0 || r.Sent != messages/2 {
			b.Fatal(r.Counts())
		}
		inside += r.Seconds
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(messages/2), "ns/request")
	b.ReportMetric(inside*1e9/float64(b.N)/(messages/2), "ns/request-inside")
}
