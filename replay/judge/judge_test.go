package judge

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/replaytest"
)

var testCodec = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}

// fake is a kernel that does what a Model says, but for what a test makes it do.
type fake struct {
	*replaytest.Target
	model   *check.Model
	console string
	// fault looks at a request before it is handled; armed is a mark of its own that
	// goes with the socket. Without an answer the request is handled as usual.
	fault func(f *fake, msg []byte) (a *replay.Answer, err error)
	armed bool
	hangs bool
}

func newFake(fault func(*fake, []byte) (*replay.Answer, error)) *fake {
	f := &fake{fault: fault}
	f.model = check.NewModel(testCodec.Order, check.Traits{
		Comp: map[uint8]bool{2: true}, Encap: map[uint8]bool{2: true}, Contexts: check.ContextsIgnored,
		ZeroSPI: check.No, Migrate: check.Yes,
	})
	f.Target = replaytest.New(testCodec, f.answer)
	return f
}

func (f *fake) Console() string { return f.console }

func (f *fake) Recv(ctx context.Context) (replay.Answer, error) {
	a, err := f.Target.Recv(ctx)
	if f.hangs {
		<-ctx.Done()
		return replay.Answer{}, ctx.Err()
	}
	return a, err
}

func (f *fake) answer(r replay.Request) (a replay.Answer, err error) {
	if r.Last {
		defer func() {
			f.model.CloseSocket(r.Socket)
			f.armed = false
		}()
	}
	if len(r.Message) == 0 {
		return a, nil
	}
	if f.fault != nil {
		if a, err := f.fault(f, r.Message); a != nil || err != nil || f.hangs {
			if a == nil {
				a = new(replay.Answer)
			}
			return *a, err
		}
	}
	v := f.model.Predict(r.Socket, r.Message)
	copies := 1
	if f.model.Promiscuous(r.Socket) && !v.ByWrite {
		a.Messages = append(a.Messages, replay.Message{Socket: r.Socket, Data: r.Message})
		copies = 2
	}
	f.model.Learn(r.Socket, r.Message, v.Errno, v.ByWrite, nil)
	if v.ByWrite {
		a.Errno = int(v.Errno)
		return a, nil
	}
	if r.Message[1] == layers.PROMISC && v.Errno == 0 && len(r.Message) == layers.BaseLen {
		copies = 1 // it is a broadcast
		if f.model.Promiscuous(r.Socket) {
			copies = 2
		}
	}
	if v.Silent {
		copies = 0
	}
	for range copies {
		a.Messages = append(a.Messages, replay.Message{Socket: r.Socket, Data: header(r.Message, v.Errno)})
	}
	return a, nil
}

// header is a message's header with an errno, and nothing behind it.
func header(msg []byte, errno uint8) []byte {
	b := bytes.Clone(msg[:layers.BaseLen])
	b[2] = errno
	binary.LittleEndian.PutUint16(b[4:], 2)
	return b
}

func errorAnswer(msg []byte, errno uint8) *replay.Answer {
	return &replay.Answer{Messages: []replay.Message{{Data: header(msg, errno)}}}
}

// testMessages are requests whose answers are headers: some accepted, some refused
// by rule, by state and by write(2).
func testMessages(i uint64, dst []byte) []byte {
	base := &layers.Base{Seq: uint32(i), PID: 7}
	src := testCodec.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("192.0.2.1:0"), 32, 0)
	dest := testCodec.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("192.0.2.2:0"), 32, 0)
	var exts []layers.Extension
	switch i % 8 {
	case 0:
		base.Type, base.SAType = layers.GET, layers.SATypeESP
		exts = []layers.Extension{&layers.SA{SPI: 0x1000}, src, dest}
	case 1:
		base.Type, base.SAType = layers.GET, layers.SATypeESP
		exts = []layers.Extension{src, dest}
	case 2:
		base.Type = layers.REGISTER
		exts = []layers.Extension{src, &layers.SPIRange{Min: 1, Max: 2}, dest}
	case 3:
		base.Type = layers.FLUSH
	case 4:
		base.Type, base.Version = layers.FLUSH, 3
	case 5:
		base.Type, base.SAType = layers.PROMISC, 1
	case 6:
		base.Type = layers.DUMP
	case 7:
		base.Type = layers.PROMISC
	}
	b, err := testCodec.Encode(base, exts...)
	if err != nil {
		panic(err)
	}
	return append(dst, b...)
}

func seqOf(msg []byte) uint32 { return binary.LittleEndian.Uint32(msg[8:]) }

// testRun is a run of n test messages against fakes with a fault.
func testRun(t *testing.T, n uint64, dir string, fault func(*fake, []byte) (*replay.Answer, error)) Options {
	t.Helper()
	return Options{
		Count: n, Seed: 1, Source: "test", Message: testMessages, Dir: dir, Session: 64, Batch: 8,
		Open: func(context.Context) (Kernel, error) { return newFake(fault), nil },
	}
}

func run(t *testing.T, o Options) *Summary {
	t.Helper()
	s, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// requestsIn are the requests in a saved case.
func requestsIn(t *testing.T, name string) (list [][]byte) {
	t.Helper()
	r, err := record.Open(name, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.Dir == record.ToKernel {
			list = append(list, bytes.Clone(rec.Data))
		}
	}
}

// one returns the only class of a summary.
func one(t *testing.T, s *Summary) *Class {
	t.Helper()
	if len(s.Classes) != 1 {
		var b strings.Builder
		s.WriteText(&b)
		t.Fatalf("%d classes, want 1:\n%s", len(s.Classes), b.String())
	}
	return s.Classes[0]
}

func TestRunAgrees(t *testing.T) {
	s := run(t, testRun(t, 1000, t.TempDir(), nil))
	if s.Next != 1000 || s.Exact != 1000 || len(s.Classes) != 0 || s.Kernels != 1 {
		t.Errorf("%+v", s)
	}
	if s.Accepted != 500 || s.Refused != 375 || s.Unwritten != 125 || s.ByState != 250 {
		t.Errorf("%d accepted, %d refused, %d by write, %d by state", s.Accepted, s.Refused, s.Unwritten, s.ByState)
	}
	if s.Agreement() != 1 || s.News() != 0 {
		t.Errorf("agreement %v, %d new", s.Agreement(), s.News())
	}
}

// TestDisagreement makes a kernel refuse a REGISTER after a DUMP with a certain seq,
// and expects these two, without the extensions, in the saved case.
func TestDisagreement(t *testing.T) {
	dir := t.TempDir()
	s := run(t, testRun(t, 640, dir, func(f *fake, msg []byte) (*replay.Answer, error) {
		switch seq := seqOf(msg); {
		case msg[1] == layers.DUMP && seq == 134:
			f.armed = true
		case msg[1] == layers.REGISTER && seq == 154 && f.armed && !f.model.Promiscuous(0):
			return errorAnswer(msg, 17), nil
		}
		return nil, nil
	}))
	c := one(t, s)
	if c.Kind != Disagreement || c.Name != "REGISTER: predicted accepted, kernel EEXIST" || c.Count != 1 || c.First != 154 || c.Messages != 2 || c.Note != "" {
		t.Errorf("%+v", c)
	}
	if s.Disagreements != 1 || s.Exact != 639 || s.Next != 640 || s.News() != 1 {
		t.Errorf("%d disagreements, %d exact of %d, %d new", s.Disagreements, s.Exact, s.Next, s.News())
	}
	list := requestsIn(t, filepath.Join(dir, c.File))
	if len(list) != 2 || seqOf(list[0]) != 134 || seqOf(list[1]) != 154 {
		t.Fatalf("%d requests", len(list))
	}
	if len(list[1]) != layers.BaseLen || binary.LittleEndian.Uint16(list[1][4:]) != 2 {
		t.Errorf("the last request has %d bytes: % x", len(list[1]), list[1])
	}
	if st, err := os.Stat(filepath.Join(dir, c.File)); err != nil || st.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("mode %v, error %v", st.Mode(), err)
	}
}

// TestUnrepeatable makes a kernel do something once.
func TestUnrepeatable(t *testing.T) {
	dir, once := t.TempDir(), true
	s := run(t, testRun(t, 320, dir, func(_ *fake, msg []byte) (*replay.Answer, error) {
		if seqOf(msg) == 200 && once {
			once = false
			return errorAnswer(msg, 105), nil
		}
		return nil, nil
	}))
	c := one(t, s)
	if c.Name != "GET: predicted ESRCH (sa-unknown), kernel ENOBUFS" || !strings.Contains(c.Note, "did not come again") {
		t.Errorf("%+v", c)
	}
	list := requestsIn(t, filepath.Join(dir, c.File))
	if len(list) != c.Messages || c.Messages != 200%64+1 || seqOf(list[len(list)-1]) != 200 {
		t.Errorf("%d requests are saved, %d said", len(list), c.Messages)
	}
}

// TestHang makes a kernel not answer.
func TestHang(t *testing.T) {
	dir := t.TempDir()
	o := testRun(t, 320, dir, func(f *fake, msg []byte) (*replay.Answer, error) {
		f.hangs = seqOf(msg) == 203 && msg[1] == layers.FLUSH
		return nil, nil
	})
	o.Hang = 500 * time.Millisecond
	s := run(t, o)
	c := one(t, s)
	if c.Kind != Hang || c.Count != 1 || c.First != 203 || c.Messages != 1 || c.Console == "" {
		t.Errorf("%+v", c)
	}
	if s.Next != 320 || s.Unjudged != 1 || s.Exact != 319 {
		t.Errorf("%d of 320 judged, %d not, %d exact", s.Next, s.Unjudged, s.Exact)
	}
	// One kernel to begin with, one to find the message, some to cut the case down,
	// one to go on.
	if s.Kernels < 4 {
		t.Errorf("%d kernels", s.Kernels)
	}
	if list := requestsIn(t, filepath.Join(dir, c.File)); len(list) != 1 || seqOf(list[0]) != 203 {
		t.Errorf("saved: %d requests", len(list))
	}
}

const panicked = `random: crng init done
WARNING: CPU: 0 PID: 134 at net/xfrm/xfrm_state.c:667 some_function+0x3a/0xbc
Kernel panic - not syncing: kernel: panic_on_warn set ...
Call Trace:
 [<606931e5>] panic+0x197/0x376
 [<7253db3c>] ? pfkey_doubtful+0x1/0x2 [af_key]
 [<7253db3c>] pfkey_migrate+0x336/0x349 [af_key]
 [<7253db3c>] pfkey_sendmsg+0x336/0x349 [af_key]
`

// TestPanic makes a kernel end when a message comes after another.
func TestPanic(t *testing.T) {
	dir := t.TempDir()
	s := run(t, testRun(t, 320, dir, func(f *fake, msg []byte) (*replay.Answer, error) {
		if f.console != "" {
			return nil, io.ErrUnexpectedEOF
		}
		switch seqOf(msg) {
		case 195:
			f.armed = true
		case 216:
			if f.armed {
				f.console = panicked
				return nil, io.ErrUnexpectedEOF
			}
		}
		return nil, nil
	}))
	c := one(t, s)
	if c.Kind != Crash || c.Name != "WARNING at net/xfrm/xfrm_state.c some_function in pfkey_migrate" || c.First != 216 || c.Messages != 2 {
		t.Errorf("%+v", c)
	}
	if s.Next != 320 || s.Unjudged != 1 || s.Exact != 319 {
		t.Errorf("%d of 320 judged, %d not, %d exact", s.Next, s.Unjudged, s.Exact)
	}
	if b, err := os.ReadFile(filepath.Join(dir, c.Console)); err != nil || string(b) != panicked {
		t.Errorf("console %q, error %v", b, err)
	}
	if list := requestsIn(t, filepath.Join(dir, c.File)); len(list) != 2 || seqOf(list[0]) != 195 || seqOf(list[1]) != 216 {
		t.Errorf("saved: %d requests", len(list))
	}
}

// TestPanicOnce makes a kernel end in a way that does not come again.
func TestPanicOnce(t *testing.T) {
	once := true
	s := run(t, testRun(t, 320, t.TempDir(), func(f *fake, msg []byte) (*replay.Answer, error) {
		if seqOf(msg) == 200 && once {
			once = false
			f.console = "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"
			return nil, io.ErrUnexpectedEOF
		}
		return nil, nil
	}))
	c := one(t, s)
	if c.Name != "Kernel panic - not syncing: Attempted to kill init! exitcode=" || !strings.Contains(c.Note, "did not come again") {
		t.Errorf("%+v", c)
	}
	// All messages are judged: what was lost was answered the second time.
	if s.Exact != 320 || s.Unjudged != 0 {
		t.Errorf("%d exact, %d not judged", s.Exact, s.Unjudged)
	}
}

// TestGivenUp makes kernels die of everything.
func TestGivenUp(t *testing.T) {
	s, err := Run(context.Background(), testRun(t, 32000, t.TempDir(), func(f *fake, msg []byte) (*replay.Answer, error) {
		if msg[1] == layers.GET && len(msg) == 80 {
			return nil, io.ErrUnexpectedEOF
		}
		return nil, nil
	}))
	if !errors.Is(err, ErrGivenUp) {
		t.Fatalf("error %v", err)
	}
	if c := one(t, s); c.Name != "the kernel ended without a word" || c.Count != maxCrashes || s.Next == 0 || s.Next > crashWindow {
		t.Errorf("%d of %+v", s.Next, c)
	}
}

// TestLeak makes a kernel put something into padding, and into a reserved field.
func TestLeak(t *testing.T) {
	s := run(t, testRun(t, 320, t.TempDir(), func(_ *fake, msg []byte) (*replay.Answer, error) {
		if msg[1] != layers.REGISTER {
			return nil, nil
		}
		b := header(msg, 0)
		b[6] = 1
		six := testCodec.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("[2001:db8::1]:0"), 128, 0)
		six.Sockaddr = append(six.Sockaddr[:28:28], 0, 7, 0, 0)
		e, err := testCodec.Encode(&layers.Base{}, six)
		if err != nil {
			return nil, err
		}
		b = append(b, e[layers.BaseLen:]...)
		binary.LittleEndian.PutUint16(b[4:], uint16(len(b)/layers.Word))
		return &replay.Answer{Messages: []replay.Message{{Data: b}}}, nil
	}))
	names := map[string]uint64{}
	for _, c := range s.Classes {
		if c.Kind != Leak || c.Messages != 1 {
			t.Errorf("%+v", c)
		}
		names[c.Name] = c.Count
	}
	if want := map[string]uint64{"REGISTER: msg.reserved": 40, "REGISTER: ADDRESS_SRC.pad": 40}; !maps.Equal(names, want) {
		t.Errorf("found %v, want %v", names, want)
	}
	if s.Exact != 320 {
		t.Errorf("%d of 320 as predicted", s.Exact)
	}
}

// TestDecoderFindings makes a kernel send what does not decode.
func TestDecoderFindings(t *testing.T) {
	s := run(t, testRun(t, 64, t.TempDir(), func(_ *fake, msg []byte) (*replay.Answer, error) {
		if msg[1] != layers.FLUSH || seqOf(msg) != 3 {
			return nil, nil
		}
		b := append(header(msg, 0), 1, 2)
		return &replay.Answer{Messages: []replay.Message{{Data: b}}}, nil
	}))
	var names []string
	for _, c := range s.Classes {
		names = append(names, string(c.Kind)+" "+c.Name)
	}
	slices.Sort(names)
	want := []string{"decoder FLUSH: trailing-bytes", "reply FLUSH: reply-length", "reply FLUSH: trailing-bytes"}
	if !slices.Equal(names, want) {
		t.Errorf("found %q, want %q", names, want)
	}
}

// TestResume stops a run again and again and expects what one run to the end finds.
func TestResume(t *testing.T) {
	fault := func(_ *fake, msg []byte) (*replay.Answer, error) {
		if msg[1] == layers.GET && seqOf(msg)%100 == 0 && len(msg) == 80 {
			return errorAnswer(msg, 2), nil
		}
		return nil, nil
	}
	whole := run(t, testRun(t, 1000, t.TempDir(), fault))
	dir := t.TempDir()
	var last *Summary
	for runs := 0; last == nil || last.Next < 1000; runs++ {
		if runs > 50 {
			t.Fatal("no progress")
		}
		ctx, stop := context.WithCancel(context.Background())
		o := testRun(t, 1000, dir, fault)
		sessions := 0
		o.Progress = func(*Summary) {
			if sessions++; sessions == 3 {
				stop()
			}
		}
		var err error
		if last, err = Run(ctx, o); err != nil {
			t.Fatal(err)
		}
		stop()
	}
	if last.Exact != whole.Exact || last.Accepted != whole.Accepted || last.Refused != whole.Refused || last.Disagreements != whole.Disagreements {
		t.Errorf("in pieces %+v, in one %+v", last, whole)
	}
	a, b := one(t, whole), one(t, last)
	if a.Count != 5 || b.Count != 5 || a.First != b.First || a.Name != b.Name {
		t.Errorf("in pieces %+v, in one %+v", b, a)
	}
	if s := run(t, testRun(t, 1000, dir, fault)); s.Next != 1000 || s.Kernels != last.Kernels {
		t.Errorf("a finished run begins anew: %+v", s)
	}
	if s := run(t, testRun(t, 1100, dir, fault)); s.Next != 1100 || s.Exact != last.Exact+99 {
		t.Errorf("a longer run: %d messages, %d exact", s.Next, s.Exact)
	}
	other := testRun(t, 1000, dir, fault)
	other.Seed = 2
	if _, err := Run(context.Background(), other); !errors.Is(err, ErrOtherRun) {
		t.Errorf("another seed: error %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), testRun(t, 1000, dir, fault)); err == nil || !strings.Contains(err.Error(), stateFile) {
		t.Errorf("a damaged state: error %v", err)
	}
}

// TestOpenFails gives on why there is no kernel.
func TestOpenFails(t *testing.T) {
	o := testRun(t, 10, t.TempDir(), nil)
	why := errors.New("no kernel today")
	o.Open = func(context.Context) (Kernel, error) { return nil, why }
	if _, err := Run(context.Background(), o); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

func TestMinimize(t *testing.T) {
	msg := func(n byte) []byte { return testMessages(uint64(n)*8+3, nil) } // bare headers
	var list [][]byte
	for n := range byte(40) {
		list = append(list, msg(n))
	}
	has := func(l [][]byte, n byte) bool {
		return slices.ContainsFunc(l, func(b []byte) bool { return bytes.Equal(b, msg(n)) })
	}
	calls := 0
	got, err := minimize(testCodec, list, 1000, func(l [][]byte) (bool, error) {
		calls++
		return has(l, 3) && has(l, 17) && bytes.Equal(l[len(l)-1], msg(39)), nil
	})
	if err != nil || len(got) != 3 || !has(got, 3) || !has(got, 17) {
		t.Errorf("%d messages left after %d tries, error %v", len(got), calls, err)
	}
	if calls > 100 {
		t.Errorf("%d tries", calls)
	}
	calls = 0
	if got, _ := minimize(testCodec, list, 5, func(l [][]byte) (bool, error) { calls++; return false, nil }); calls != 5 || len(got) != len(list) {
		t.Errorf("%d tries of 5, %d messages", calls, len(got))
	}
	stop := errors.New("stop")
	if _, err := minimize(testCodec, list, 5, func([][]byte) (bool, error) { return false, stop }); !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
}

func TestCrashNames(t *testing.T) {
	for _, c := range []struct {
		console string
		cause   error
		want    finding
	}{
		{panicked, io.EOF, finding{Crash, "WARNING at net/xfrm/xfrm_state.c some_function in pfkey_migrate"}},
		{"kernel BUG at net/core/skbuff.c:112!\nOops: 0000 [#1]", io.EOF, finding{Crash, "kernel BUG at net/core/skbuff.c!"}},
		{"[   1.5] BUG: unable to handle page fault for address: 0xffff8880\n", io.EOF, finding{Crash, "BUG: unable to handle page fault for address: "}},
		{"Oops: 0002 [#1] PREEMPT", io.EOF, finding{Crash, "Oops: 0002 PREEMPT"}},
		{"Kernel panic - not syncing: Segfault with no mm", io.EOF, finding{Crash, "Kernel panic - not syncing: Segfault with no mm"}},
		{"", context.DeadlineExceeded, finding{Hang, "no answer"}},
		{"", io.EOF, finding{Crash, "the kernel ended without a word"}},
	} {
		got := crashOf(c.console, c.cause)
		got.name, c.want.name = strings.TrimSpace(got.name), strings.TrimSpace(c.want.name)
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.console, got, c.want)
		}
	}
}

func TestFileNames(t *testing.T) {
	for name, want := range map[string]string{
		"ADD: predicted EINVAL (key-size), kernel accepted": "disagreement_ADD-predicted-EINVAL-key-size-kernel-accepted",
		"../../etc/passwd: x":                               "disagreement_etc-passwd-x",
		strings.Repeat("a", 500):                            "disagreement_" + strings.Repeat("a", 107),
	} {
		if got := (&Class{Kind: Disagreement, Name: name}).fileName(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
