package judge

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay"
	"github.com/pfkeycap/pfkeycap/replay/kernel"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// serveArg makes the test binary serve its kernel over its standard streams.
const serveArg = "serve-target"

// deadly is the sequence number of a message at which the served kernel is made to
// panic.
const deadly = 0xdeadbeef

func TestMain(m *testing.M) {
	sandbox.InitIfGuest()
	if len(os.Args) > 1 && os.Args[1] == serveArg {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	sandboxtest.Main(m)
}

func serve() error {
	if err := Strict(); err != nil {
		return err
	}
	t, err := kernel.Open(kernel.Options{})
	if err != nil {
		return err
	}
	return Serve(context.Background(), os.Stdin, os.Stdout, deadlyTarget{t})
}

// deadlyTarget is a kernel that a message can kill.
type deadlyTarget struct{ replay.Target }

func (t deadlyTarget) Send(ctx context.Context, r replay.Request) error {
	if len(r.Message) >= layers.BaseLen && binary.NativeEndian.Uint32(r.Message[8:]) == deadly {
		return os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0o200)
	}
	return t.Target.Send(ctx, r)
}

// guest is the kernel of a sandbox.
type guest struct {
	*Remote
	cmd     *sandbox.Cmd
	console string
}

func (g *guest) Console() string { return g.console }

func (g *guest) Close() error {
	err := g.Remote.Close()
	_, werr := g.cmd.Wait()
	var e *sandbox.Error
	if errors.As(werr, &e) {
		g.console = e.Console
	}
	return errors.Join(err, werr)
}

func openGuest(ctx context.Context) (Kernel, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g := &guest{cmd: &sandbox.Cmd{Args: []string{self, serveArg}, Stderr: os.Stderr}}
	in, err := g.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(ctx); err != nil {
		return nil, err
	}
	if g.Remote, err = Connect(ctx, out, in); err != nil {
		_, werr := g.cmd.Wait()
		return nil, errors.Join(err, werr)
	}
	return g, nil
}

// judged runs messages against a real kernel and expects that nothing is found but
// known faults.
func judged(t *testing.T, o Options) *Summary {
	t.Helper()
	o.Dir, o.Open = t.TempDir(), openGuest
	s := run(t, o)
	for _, c := range s.Classes {
		if c.Known == "" {
			t.Errorf("%s, %d times, first at %d: %s", c.Kind, c.Count, c.First, c.Name)
		} else {
			t.Logf("%s, %d times: %s", c.Kind, c.Count, c.Name)
		}
	}
	t.Logf("%d messages, %d as predicted, %d undetermined %v, %.0f a second", s.Next, s.Exact, s.Undetermined, s.Open, s.Rate())
	if s.Next != o.Count {
		t.Errorf("%d messages of %d were judged", s.Next, o.Count)
	}
	return s
}

// TestKernelAgrees holds the predictions for 3,000 generated messages to what a real
// kernel does with them.
func TestKernelAgrees(t *testing.T) {
	sandboxtest.Require(t)
	source := NewSource(layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}, 1, nil)
	s := judged(t, Options{Count: 3000, Seed: 1, Source: source.String(), Message: source.Append})
	if s.Agreement() < 0.999 {
		t.Errorf("agreement %.4f, want 0.999", s.Agreement())
	}
	// So that it means something: every kind of answer came, and often.
	for name, n := range map[string]uint64{"accepted": s.Accepted, "refused": s.Refused, "unwritten": s.Unwritten, "refused for what the kernel held": s.ByState} {
		if n < 100 {
			t.Errorf("%d messages were %s", n, name)
		}
	}
}

// TestKernelFixtures sends every request that was ever recorded of a Linux kernel, as
// it was, and expects each answer to be the one predicted.
func TestKernelFixtures(t *testing.T) {
	sandboxtest.Require(t)
	codec := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
	var list [][]byte
	err := filepath.WalkDir("../../fixtures/linux", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pcapng") || strings.Contains(path, "promisc") {
			return err
		}
		r, err := record.Open(path, record.ReaderOptions{NoKeys: true})
		if err != nil {
			return err
		}
		defer r.Close()
		for {
			x, err := r.Next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if x.Dir != record.ToKernel || x.OrigLen > len(x.Data) {
				continue
			}
			b, err := layers.Transcode(nil, x.Codec, codec, x.Data)
			if err == nil && len(b) > 0 {
				list = append(list, b)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 500 {
		t.Fatalf("the fixtures hold %d requests", len(list))
	}
	s := judged(t, Options{Count: uint64(len(list)), Source: "fixtures", Message: func(i uint64, dst []byte) []byte { return append(dst, list[i]...) }})
	if s.Disagreements != 0 || s.Exact+s.Undetermined != s.Next || s.Undetermined > 5 {
		t.Errorf("%d disagreements, %d undetermined of %d", s.Disagreements, s.Undetermined, s.Next)
	}
}

// TestKernelPanics kills a real kernel with one message of many and expects that this
// one is found.
func TestKernelPanics(t *testing.T) {
	sandboxtest.Require(t)
	o := Options{Count: 200, Source: "test", Dir: t.TempDir(), Open: openGuest, Message: func(i uint64, dst []byte) []byte {
		b, err := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}.Encode(&layers.Base{Type: layers.FLUSH, Seq: uint32(i)})
		if err != nil {
			panic(err)
		}
		if i == 123 {
			binary.NativeEndian.PutUint32(b[8:], deadly)
		}
		return append(dst, b...)
	}}
	s := run(t, o)
	c := one(t, s)
	if c.Kind != Crash || c.First != 123 || c.Messages != 1 || !strings.Contains(c.Name, "sysrq triggered crash") {
		t.Errorf("%+v", c)
	}
	if s.Exact != 199 || s.Unjudged != 1 {
		t.Errorf("%d as predicted, %d not judged", s.Exact, s.Unjudged)
	}
	if b, err := os.ReadFile(filepath.Join(o.Dir, c.Console)); err != nil || !bytes.Contains(b, []byte("Call Trace")) {
		t.Errorf("the console is %q, error %v", b, err)
	}
}

// list gives messages in turn, again and again.
func list(messages ...[]byte) func(uint64, []byte) []byte {
	return func(i uint64, dst []byte) []byte { return append(dst, messages[i%uint64(len(messages))]...) }
}

// migration is an SPDADD of an IPv6 tunnel, and the MIGRATE that moves it.
func migration(t *testing.T) (add, migrate []byte) {
	t.Helper()
	c := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
	request := func(list []byte, dst string) []byte {
		pair := c.AppendPair(nil, netip.MustParseAddrPort("[2001:db8::1]:0"), netip.MustParseAddrPort(dst))
		return c.AppendRequest(list, layers.Request{Proto: 50, Mode: 2, Level: 2, Sockaddrs: pair})
	}
	src := func() layers.Extension {
		return c.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("[2001:db8::1]:0"), 128, 0)
	}
	dst := func() layers.Extension {
		return c.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("[2001:db8::2]:0"), 128, 0)
	}
	old := request(nil, "[2001:db8::2]:0")
	add, err := c.Encode(&layers.Base{Type: layers.SPDADD, PID: 1}, src(), dst(), &layers.Policy{Type: 2, Dir: 2, List: old})
	if err == nil {
		migrate, err = c.Encode(&layers.Base{Type: layers.MIGRATE, PID: 1}, src(), dst(), &layers.Policy{Type: 2, Dir: 2, List: request(old, "[2001:db8::3]:0")})
	}
	if err != nil {
		t.Fatal(err)
	}
	return add, migrate
}

// TestKernelLeaks has a real kernel give away what it had in memory, which before were
// messages full of a pattern.
func TestKernelLeaks(t *testing.T) {
	sandboxtest.Require(t)
	c := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
	junk, err := c.Encode(&layers.Base{Type: layers.SPDFLUSH, PID: 1}, &layers.Unknown{Type: 99, Data: bytes.Repeat([]byte{0xa5}, 300)})
	if err != nil {
		t.Fatal(err)
	}
	add, migrate := migration(t)
	dir := t.TempDir()
	s := run(t, Options{Count: 600, Source: "leak", Dir: dir, Open: openGuest, Message: list(junk, add, migrate)})
	found := false
	for _, c := range s.Classes {
		if c.Kind != Leak || c.Known == "" || !strings.HasPrefix(c.Name, "MIGRATE: ADDRESS_") {
			t.Errorf("%+v", c)
		}
		found = true
		if st, err := os.Stat(filepath.Join(dir, c.File)); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", c.File, err)
		}
	}
	if !found || s.Exact != 600 {
		t.Errorf("found %v, %d of 600 as predicted (a kernel later than 6.1.176 may be mended)", found, s.Exact)
	}
}

// TestKernelWarns has a real kernel warn: a MIGRATE of an SA that GETSPI has made.
func TestKernelWarns(t *testing.T) {
	sandboxtest.Require(t)
	c := layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}
	getspi, err := c.Encode(&layers.Base{Type: layers.GETSPI, SAType: layers.SATypeESP, PID: 1},
		c.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("[2001:db8::1]:0"), 128, 0),
		c.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("[2001:db8::2]:0"), 128, 0), &layers.SA2{Mode: 2})
	if err != nil {
		t.Fatal(err)
	}
	flush, err := c.Encode(&layers.Base{Type: layers.FLUSH, SAType: layers.SATypeAH, PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	add, migrate := migration(t)
	s := run(t, Options{Count: 6, Source: "warn", Dir: t.TempDir(), Open: openGuest, Message: list(flush, add, flush, getspi, flush, migrate)})
	if k := one(t, s); k.Kind != Crash || k.Known == "" || k.First != 5 || k.Messages != 3 || k.Name != "WARNING at net/xfrm/xfrm_state.c __xfrm_state_destroy in pfkey_migrate" {
		t.Errorf("%+v", k)
	}
	if s.Exact != 5 || s.Unjudged != 1 {
		t.Errorf("%d as predicted, %d not judged", s.Exact, s.Unjudged)
	}
}

// BenchmarkKernel judges messages by a real kernel.
func BenchmarkKernel(b *testing.B) {
	sandboxtest.Require(b)
	source := NewSource(layers.Codec{Dialect: layers.Linux, Order: layers.NativeEndian}, 1, nil)
	_, err := Run(context.Background(), Options{Count: uint64(b.N), Source: source.String(), Message: source.Append, Dir: b.TempDir(), Open: openGuest})
	if err != nil {
		b.Fatal(err)
	}
}
