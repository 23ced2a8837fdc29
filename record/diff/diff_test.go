package diff_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/ipxfrm"
	"github.com/pfkeycap/pfkeycap/record/diff"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// list is a source of records.
type list struct {
	records []*record.Record
	next    int
}

func (l *list) Next() (*record.Record, error) {
	if l.next == len(l.records) {
		return nil, io.EOF
	}
	l.next++
	return l.records[l.next-1].Clone(), nil
}

// talk makes a recording of requests with their answers.
type talk struct {
	t     testing.TB
	codec layers.Codec
	pid   uint32
	start time.Time
	list  []*record.Record
}

func newTalk(t testing.TB, d layers.Dialect, o layers.Order, pid uint32) *talk {
	return &talk{t: t, codec: layers.Codec{Dialect: d, Order: o}, pid: pid, start: time.Unix(1_700_000_000+int64(pid), 0)}
}

func (k *talk) say(dir record.Direction, base layers.Base, exts ...layers.Extension) {
	k.t.Helper()
	n := uint64(len(k.list) + 1)
	b, err := k.codec.Encode(&base, exts...)
	if err != nil {
		k.t.Fatal(err)
	}
	k.list = append(k.list, &record.Record{Number: n, Time: k.start.Add(time.Duration(n) * time.Millisecond), Dir: dir, Codec: k.codec, Data: b, OrigLen: len(b)})
}

func (k *talk) number(e layers.Enum, names ...string) uint8 {
	k.t.Helper()
	for _, name := range names {
		if v, ok := k.codec.Dialect.EnumValue(e, name); ok {
			return uint8(v)
		}
	}
	k.t.Fatalf("%v has none of %q", k.codec.Dialect, names)
	return 0
}

// what an SA is made of.
type made struct {
	spi, reqid    uint32
	key           string
	hard          uint64
	errno         uint8
	src, dst      string
	replay        uint8
	auth, encrypt []string
}

func esp(spi uint32) made {
	return made{spi: spi, key: "0123456789abcdef", hard: 3600, src: "192.0.2.1", dst: "192.0.2.2", auth: []string{"SHA1HMAC"}, encrypt: []string{"AESCBC", "AES"}}
}

// add asks for an SA, and the kernel makes it.
func (k *talk) add(m made) {
	c := k.codec
	base := layers.Base{Type: layers.ADD, SAType: k.number(layers.EnumSAType, "ESP"), Seq: uint32(len(k.list) + 1), PID: k.pid}
	host := func(t *layers.Address, s string) *layers.Address {
		a := netip.MustParseAddr(s)
		return c.NewAddress(t.LayerType(), netip.AddrPortFrom(a, 0), uint8(a.BitLen()), 0)
	}
	exts := func() []layers.Extension {
		x := []layers.Extension{
			&layers.SA{SPI: m.spi, State: 1, Replay: m.replay, Auth: k.number(layers.EnumAuth, m.auth...), Encrypt: k.number(layers.EnumEncrypt, m.encrypt...)},
			&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), AddTime: m.hard},
			host(&layers.Address{Header: layers.For(layers.LayerTypeAddressSrc)}, m.src), host(&layers.Address{Header: layers.For(layers.LayerTypeAddressDst)}, m.dst),
			c.NewKey(layers.LayerTypeKeyAuth, []byte(m.key+"0123")), c.NewKey(layers.LayerTypeKeyEncrypt, []byte(m.key)),
		}
		if c.Dialect.ExtNumberOf(layers.LayerTypeSA2) != 0 && c.Dialect != layers.OpenBSD {
			x = append(x, &layers.SA2{Mode: k.number(layers.EnumMode, "TRANSPORT"), ReqID: m.reqid})
		}
		return x
	}
	k.say(record.ToKernel, base, exts()...)
	base.Errno = m.errno
	if m.errno != 0 {
		k.say(record.FromKernel, base)
		return
	}
	answer := slices.Insert(exts(), 2, layers.Extension(&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent), AddTime: uint64(k.start.Unix())}))
	k.say(record.FromKernel, base, answer...)
}

func (k *talk) side() *diff.Side {
	return &diff.Side{Name: k.codec.Dialect.String(), Source: trace.NewReader(&list{records: k.list}, trace.Options{Promisc: record.Yes})}
}

func (k *talk) adds(list ...made) *talk {
	for _, m := range list {
		k.add(m)
	}
	return k
}

func text(t testing.TB, r *diff.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b, false); err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func with(m made, f func(*made)) made {
	f(&m)
	return m
}

func TestMessages(t *testing.T) {
	linux := func(pid uint32) *talk { return newTalk(t, layers.Linux, layers.LittleEndian, pid) }
	for _, test := range []struct {
		name string
		a, b *talk
		want []string // in the text, in this order
		same bool
	}{
		{"itself", linux(1).adds(esp(0x100), esp(0x200)), linux(1).adds(esp(0x100), esp(0x200)),
			[]string{"equal: no field differs\n", ": 2 equal, 0 volatile,"}, true},
		{"another run", linux(1).adds(esp(0x100), esp(0x200)), linux(2).adds(esp(0x100), esp(0x200)),
			[]string{"equal: nothing differs but what never agrees between two runs: msg.pid", "2 volatile"}, true},
		{"another byte order", linux(1).adds(esp(0x100)), newTalk(t, layers.Linux, layers.BigEndian, 1).adds(esp(0x100)),
			[]string{"equal: no field differs"}, true},
		{"SPIs and keys made anew", linux(1).adds(esp(0x1111), with(esp(0x2222), func(m *made) { m.key = "fedcba9876543210" })),
			linux(1).adds(with(esp(0x3333), func(m *made) { m.key = "aaaaaaaaaaaaaaaa" }), with(esp(0x4444), func(m *made) { m.key = "bbbbbbbbbbbbbbbb" })),
			[]string{"what never agrees between two runs: sa.spi, key_auth.key, key_encrypt.key"}, true},
		{"one key for two SAs", linux(1).adds(esp(0x1111), with(esp(0x2222), func(m *made) { m.key = "fedcba9876543210" })),
			linux(1).adds(with(esp(0x3333), func(m *made) { m.key = "aaaaaaaaaaaaaaaa" }), with(esp(0x4444), func(m *made) { m.key = "aaaaaaaaaaaaaaaa" })),
			[]string{"different: A#3 B#3 ADD esp 192.0.2.1 > 192.0.2.2 spi=0x00002222 (in B 0x00004444): key_auth.key: ", "stands for another one elsewhere"}, false},
		{"another key of the same SA", linux(1).adds(esp(0x100)), linux(1).adds(with(esp(0x100), func(m *made) { m.key = "fedcba9876543210" })),
			[]string{"key_auth.key: A id ", " (another key)", "key_encrypt.key: A id "}, false},
		{"a lifetime", linux(1).adds(esp(0x100)), linux(1).adds(with(esp(0x100), func(m *made) { m.hard = 7200 })),
			[]string{"different: A#1 B#1 ADD esp 192.0.2.1 > 192.0.2.2 spi=0x00000100: lifetime_hard.addtime: A 3600, B 7200\n", "different: A#2 B#2 "}, false},
		{"refused", linux(1).adds(esp(0x100)), linux(1).adds(with(esp(0x100), func(m *made) { m.errno = 22 })),
			[]string{"different: A#2 B#2 ADD esp ", "msg.errno: A 0, B 22(EINVAL)"}, false},
		{"one in the middle is missing", linux(1).adds(esp(0x100), esp(0x200), esp(0x300)), linux(1).adds(esp(0x100), esp(0x300)),
			[]string{"only-a: A#3-#4 ADD esp 192.0.2.1 > 192.0.2.2 spi=0x00000200\n", ": 1 equal, 1 volatile, 0 not-comparable, 0 different, 1 only-a, 0 only-b"}, false},
		{"one in the middle is more", linux(1).adds(esp(0x100), esp(0x300)), linux(1).adds(esp(0x100), esp(0x200), esp(0x300)),
			[]string{"only-b: B#3-#4 ADD esp 192.0.2.1 > 192.0.2.2 spi=0x00000200\n"}, false},
		{"another order", linux(1).adds(esp(0x100), esp(0x200), esp(0x300)), linux(1).adds(esp(0x300), esp(0x100), esp(0x200)),
			[]string{"moved: A#5-#6 B#1-#2 ADD esp 192.0.2.1 > 192.0.2.2 spi=0x00000300: not in the same order", "1 moved"}, false},
		{"nothing", linux(1), linux(1), []string{"equal: there is nothing on either side"}, true},
		{"OpenBSD", linux(1).adds(esp(0x100)), newTalk(t, layers.OpenBSD, layers.LittleEndian, 1).adds(esp(0x100)),
			[]string{"absent: sa2: openbsd does not have it", "equal: no field differs"}, true},
		{"FreeBSD", linux(1).adds(with(esp(0x100), func(m *made) { m.auth = []string{"SHA2_256HMAC"} })),
			newTalk(t, layers.FreeBSD, layers.BigEndian, 1).adds(with(esp(0x100), func(m *made) { m.auth = []string{"SHA2_256"} })),
			[]string{"equal: no field differs"}, true},
		{"illumos, another algorithm", linux(1).adds(esp(0x100)), newTalk(t, layers.Illumos, layers.BigEndian, 1).adds(with(esp(0x100), func(m *made) { m.encrypt = []string{"BLOWFISH"} })),
			[]string{"sa.encrypt: A 12(AESCBC), B 7(BLOWFISH)"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := diff.Messages(test.a.side(), test.b.side(), diff.Options{ID: func(s []byte, n int) [4]byte { return [4]byte{s[0], byte(n)} }})
			if err != nil {
				t.Fatal(err)
			}
			check(t, text(t, r), test.want)
			if r.Differs() == test.same {
				t.Errorf("differs: %v\n%s", r.Differs(), text(t, r))
			}
		})
	}
}

func check(t *testing.T, text string, want []string) {
	t.Helper()
	rest := text
	for _, w := range want {
		_, after, ok := strings.Cut(rest, w)
		if !ok {
			t.Fatalf("no %q, or in another order, in\n%s", w, text)
		}
		rest = after
	}
}

// Across systems the same SAs are the same at the end, by meaning.
func TestStates(t *testing.T) {
	systems := []layers.Dialect{layers.Linux, layers.FreeBSD, layers.NetBSD, layers.OpenBSD, layers.Illumos, layers.MacOS}
	make := func(d layers.Dialect, hard uint64) *talk {
		k := newTalk(t, d, layers.LittleEndian, 5)
		k.add(with(esp(0x100), func(m *made) { m.hard = hard }))
		k.add(esp(0x200))
		return k
	}
	for _, c := range systems {
		for _, d := range systems {
			r, err := diff.States(make(c, 3600).side(), make(d, 3600).side(), diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Differs() || r.A.SAs != r.B.SAs {
				t.Errorf("%v and %v:\n%s", c, d, text(t, r))
			}
			if r.A.SAs == 0 && c == layers.Linux { // what a kernel with other rules makes of such a recording is not ours to say
				t.Errorf("%v: no SAs", c)
			}
			r, err = diff.States(make(c, 3600).side(), make(d, 0).side(), diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.A.SAs == 2 && r.B.SAs == 2 {
				check(t, text(t, r), []string{"spi=0x00000100: lifetime_hard.addtime: A 3600, B 0", " 1 different"})
			}
		}
	}
}

// Keys under two salts are not comparable, which is not the same as different, nor as
// equal.
func TestSalts(t *testing.T) {
	hidden := func(salt byte, key string) *diff.Side {
		k := newTalk(t, layers.Linux, layers.LittleEndian, 1)
		k.add(with(esp(0x100), func(m *made) { m.key = key }))
		h := record.NewHider(record.Salt{salt})
		for _, r := range k.list {
			h.Hide(r.Data, r.Codec)
			r.StandIns = true
		}
		s := k.side()
		s.SaltID = fmt.Sprint("s", salt)
		return s
	}
	plain := func() *diff.Side {
		k := newTalk(t, layers.Linux, layers.LittleEndian, 1)
		k.add(esp(0x100))
		return k.side()
	}
	const key = "0123456789abcdef"
	for _, test := range []struct {
		name               string
		a, b               func() *diff.Side
		different, unknown bool
		why                string
	}{
		{"one salt", func() *diff.Side { return hidden(1, key) }, func() *diff.Side { return hidden(1, key) }, false, false, ""},
		{"one salt, another key", func() *diff.Side { return hidden(1, key) }, func() *diff.Side { return hidden(1, "fedcba9876543210") }, true, false, "another key"},
		{"two salts", func() *diff.Side { return hidden(1, key) }, func() *diff.Side { return hidden(2, key) }, false, true, "both hold stand-ins, under different salts"},
		{"true and hidden", plain, func() *diff.Side { return hidden(1, key) }, false, true, "B holds stand-ins, and A the true ones"},
		{"hidden and true", func() *diff.Side { return hidden(1, key) }, plain, false, true, "A holds stand-ins, and B the true ones"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, compare := range map[string]func(a, b *diff.Side, o diff.Options) (*diff.Report, error){"messages": diff.Messages, "state": diff.States} {
				r, err := compare(test.a(), test.b(), diff.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if r.Differs() != test.different || (r.NotComparable > 0) != test.unknown || !strings.Contains(text(t, r), test.why) {
					t.Errorf("%s:\n%s", what, text(t, r))
				}
			}
		})
	}
}

// Every fixture is equal to itself, and its report shows no secret.
func TestFixtures(t *testing.T) {
	n := 0
	err := filepath.WalkDir("../../fixtures", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pcapng") || strings.Contains(path, "bugs") {
			return err
		}
		open := func() (*diff.Side, func() error) {
			r, err := record.Open(path, record.ReaderOptions{})
			if err != nil {
				return nil, nil
			}
			return &diff.Side{Name: path, Source: trace.NewReader(r, trace.Options{Promisc: r.Meta().Promisc}), SaltID: r.Meta().SaltID}, r.Close
		}
		for _, compare := range []func(a, b *diff.Side, o diff.Options) (*diff.Report, error){diff.Messages, diff.States} {
			a, closeA := open()
			b, closeB := open()
			if a == nil || b == nil {
				return nil
			}
			r, err := compare(a, b, diff.Options{All: true})
			closeA()
			closeB()
			if err != nil {
				if errors.Is(err, record.ErrDamaged) {
					return nil
				}
				return fmt.Errorf("%s: %w", path, err)
			}
			n++
			if r.Differs() || r.Volatile+r.NotComparable > 0 {
				t.Errorf("%s:\n%s", path, text(t, r))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 40 {
		t.Errorf("only %d comparisons", n)
	}
}

// listing is a text of ip-xfrm(8) as a side.
func listing(t testing.TB, names ...string) *diff.Side {
	var all string
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("../convert/ipxfrm/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return &diff.Side{Name: names[0], Listing: &diff.Listing{Next: ipxfrm.NewParser(strings.NewReader(all), layers.LittleEndian).Next}}
}

func capture(t testing.TB, name string) *diff.Side {
	r, err := record.Open(filepath.Join("../convert/ipxfrm/testdata", name), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &diff.Side{Name: name, Source: trace.NewReader(r, trace.Options{Promisc: r.Meta().Promisc}), SaltID: r.Meta().SaltID}
}

func TestListing(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b func() *diff.Side
		want []string
		same bool
	}{
		{"the same", func() *diff.Side { return capture(t, "snap.pcapng") }, func() *diff.Side { return listing(t, "s-state.txt", "s-policy.txt") },
			[]string{"equal: no field differs\nstate: 5 SAs and 6 policies in A, 5 SAs and 6 policies in B: 11 equal,"}, true},
		{"without -s", func() *diff.Side { return capture(t, "snap.pcapng") }, func() *diff.Side { return listing(t, "state.txt", "policy.txt") },
			[]string{"not-comparable: lifetime_hard: lifetimes are printed with -s only (11 times", "equal as far as it can be compared: 11 of 11 hold"}, true},
		{"without keys and policies", func() *diff.Side { return capture(t, "snap.pcapng") }, func() *diff.Side { return listing(t, "nokeys.txt") },
			[]string{"not-comparable: policies: B lists none: is the output of ip -s xfrm policy in it? (6 times", "not-comparable: key_auth: the text does not show keys (4 times", "equal as far"}, true},
		{"changed", func() *diff.Side { return capture(t, "snap.pcapng") }, func() *diff.Side { return listing(t, "alt-state.txt", "alt-policy.txt") },
			[]string{"spi=0x00001002: key_encrypt.key: ", "spi=0x00001001: lifetime_hard.addtime: A 3600, B 7200", "only-b: B#1 SA esp 192.0.2.9 > 192.0.2.11 spi=0x00002002",
				"only-b: B#18 SA esp 192.0.2.9 > 192.0.2.10 spi=0x00002001", " 9 equal, 0 volatile, 0 not-comparable, 2 different, 0 only-a, 3 only-b"}, false},
		{"beyond PF_KEY", func() *diff.Side { return capture(t, "alt.pcapng") }, func() *diff.Side { return listing(t, "alt-state.txt", "alt-policy.txt") },
			[]string{"not-comparable: auth-trunc: PF_KEY does not say it; what it makes on Linux has 96", "not-comparable: mark: PF_KEY cannot say it (2 times", "not-comparable: aead: ",
				"equal as far as it can be compared: 3 of 14"}, true},
		{"two texts", func() *diff.Side { return listing(t, "alt-state.txt", "alt-policy.txt") }, func() *diff.Side { return listing(t, "s-state.txt", "s-policy.txt") },
			[]string{"lifetime_hard.addtime: A 7200, B 3600", "only-a: "}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := diff.States(test.a(), test.b(), diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, text(t, r), test.want)
			if r.Differs() == test.same {
				t.Errorf("differs: %v\n%s", r.Differs(), text(t, r))
			}
			// The same, the other way round.
			back, err := diff.States(test.b(), test.a(), diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if back.Equal != r.Equal || back.Different != r.Different || back.NotComparable != r.NotComparable || back.OnlyA != r.OnlyB || back.OnlyB != r.OnlyA {
				t.Errorf("the other way round:\n%s", text(t, back))
			}
		})
	}
}

// Other systems than Linux show AEADs over PF_KEY.
func TestAEADOfFreeBSD(t *testing.T) {
	const text1 = "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0x00000100 reqid 0 mode transport\n\treplay-window 0 \n" +
		"\taead rfc4106(gcm(aes)) 0x30313233343536373839616263646566 128\n"
	for _, test := range []struct {
		name, text string
		system     layers.Dialect
		want       []string
		same       bool
	}{
		{"the same", text1, layers.FreeBSD, []string{"equal as far as it can be compared"}, true},
		{"another key", strings.Replace(text1, "0x3031", "0x3131", 1), layers.FreeBSD, []string{"key_encrypt.key: ", "(another key)"}, false},
		{"another length", strings.Replace(text1, " 128\n", " 64\n", 1), layers.FreeBSD, []string{"sa.encrypt: A 20(AESGCM16), B 18(AES_GCM_ICV8)"}, false},
		{"hidden", strings.Replace(text1, "0x30313233343536373839616263646566", "<<Keys hidden>>", 1), layers.FreeBSD, []string{"not-comparable: key_encrypt: the text does not show keys"}, true},
		{"Linux", text1, layers.Linux, []string{"not-comparable: aead: PF_KEY cannot say it"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newTalk(t, test.system, layers.LittleEndian, 1)
			m := with(esp(0x100), func(m *made) { m.hard, m.auth, m.encrypt = 0, []string{"NONE"}, []string{"AESGCM16", "AES_GCM_ICV16"} })
			k.add(m)
			for _, r := range k.list { // an AEAD has no other key
				cutExtension(r, layers.LayerTypeKeyAuth)
				if test.system == layers.Linux { // what it lists
					cutExtension(r, layers.LayerTypeKeyEncrypt)
				}
			}
			text2 := &diff.Side{Name: "text", Listing: &diff.Listing{Next: ipxfrm.NewParser(strings.NewReader(test.text), layers.LittleEndian).Next}}
			r, err := diff.States(k.side(), text2, diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			check(t, text(t, r), test.want)
			if r.Differs() == test.same {
				t.Errorf("differs: %v\n%s", r.Differs(), text(t, r))
			}
		})
	}
}

// cutExtension takes an extension out of a message.
func cutExtension(r *record.Record, kind gopacket.LayerType) {
	_, exts, _ := r.Codec.Extensions(r.Data)
	out := slices.Clone(r.Data[:layers.BaseLen])
	for _, x := range exts {
		if x.LayerType() != kind {
			out = append(out, x.Head().Contents...)
		}
	}
	r.Codec.Order.Binary().PutUint16(out[4:], uint16(len(out)/layers.Word))
	r.Data, r.OrigLen = out, len(out)
}

func TestTooMuch(t *testing.T) {
	many := func() *diff.Side {
		k := newTalk(t, layers.Linux, layers.LittleEndian, 1)
		for i := range uint32(20) {
			k.add(esp(0x100 + i))
		}
		return k.side()
	}
	for what, compare := range map[string]func(a, b *diff.Side, o diff.Options) (*diff.Report, error){"messages": diff.Messages, "state": diff.States} {
		var most *diff.TooMuch
		if _, err := compare(many(), many(), diff.Options{Max: 10}); !errors.As(err, &most) || most.Max != 10 {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// 10,000 messages on either side, of which one in a hundred is missing or other.
func BenchmarkMessages(b *testing.B) { benchmark(b, diff.Messages) }
func BenchmarkStates(b *testing.B)   { benchmark(b, diff.States) }

func benchmark(b *testing.B, compare func(a, z *diff.Side, o diff.Options) (*diff.Report, error)) {
	one, two := newTalk(b, layers.Linux, layers.LittleEndian, 1), newTalk(b, layers.Linux, layers.LittleEndian, 2)
	for i := range uint32(5000) {
		m := esp(0x1000 + i)
		one.add(m)
		if i%100 == 99 {
			continue
		}
		if i%100 == 50 {
			m.hard++
		}
		two.add(m)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := compare(one.side(), two.side(), diff.Options{})
		if err != nil || r.OnlyA != 50 || r.Different != 50 {
			b.Fatal(err, r.OnlyA, r.Different)
		}
	}
}
