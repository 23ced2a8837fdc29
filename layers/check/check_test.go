package check_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// judgeAll tries the rules of every dialect on a message and holds them to what
// they promise for any bytes. It returns the problems of all.
func judgeAll(t testing.TB, c layers.Codec, msg []byte) []check.Problem {
	t.Helper()
	var all []check.Problem
	for _, by := range layers.Dialects() {
		all = append(all, judge(t, by, c, msg)...)
		for _, dir := range []check.Direction{check.Unknown, check.FromKernel, check.ToKernel} {
			for _, p := range check.Lint(by, c, msg, dir) {
				if p.Offset < 0 || p.Len < 0 || p.Offset+p.Len > len(msg) || p.Text == "" || p.Source == "" {
					t.Errorf("lint by %v: %s: bytes %d to %d of %d", by, p.Code, p.Offset, p.Offset+p.Len, len(msg))
				}
				all = append(all, p)
			}
		}
	}
	return all
}

func judge(t testing.TB, by layers.Dialect, c layers.Codec, msg []byte) []check.Problem {
	t.Helper()
	var all []check.Problem
	first := check.Problem{}
	for _, dir := range []check.Direction{check.Unknown, check.FromKernel, check.ToKernel} {
		list := check.Judge(by, c, msg, dir)
		for _, p := range list {
			if p.Offset < 0 || p.Len < 0 || p.Offset+p.Len > len(msg) {
				t.Errorf("%s: bytes %d to %d of %d", p.Code, p.Offset, p.Offset+p.Len, len(msg))
			}
			if p.Code == "" || p.Text == "" || p.Instead == "" || p.Source == "" {
				t.Errorf("%+v", p)
			}
			wrapped := by == layers.OpenBSD && len(msg) > 1 && msg[1] == layers.PROMISC // a request
			if p.Errno != 0 && (dir != check.ToKernel && !wrapped || by == layers.RFC2367 || p.Severity != check.Error) {
				t.Errorf("%s has errno %d in direction %d", p.Code, p.Errno, dir)
			}
			if p.Errno != 0 && first.Errno == 0 && dir == check.ToKernel {
				first = p
			}
		}
		all = append(all, list...)
	}
	v := check.Predict(by, c, msg)
	if v.Errno != first.Errno || v.ByWrite != first.ByWrite || v.Problem.Code != first.Code || v.Problem.Offset != first.Offset {
		t.Errorf("%v: verdict %d of %q, the first problem is %d of %q", by, v.Errno, v.Problem.Code, first.Errno, first.Code)
	}
	if !v.Allows(v.Errno) || v.Silent && v.Errno != 0 {
		t.Errorf("%v: verdict %+v contradicts itself", by, v)
	}
	own := c.Dialect == by // otherwise what is secret here may be told there
	c.Dialect = by
	if own && len(msg) > 0 && v.Errno != 0 && check.Explain(c, msg, v.Errno) != first.String() {
		t.Errorf("%v: errno %d explained as %q, not %q", by, v.Errno, check.Explain(c, msg, v.Errno), first.String())
	}
	for _, e := range v.Possible {
		if len(msg) >= layers.BaseLen && check.Explain(c, msg, e) == "" && !maybePreempted(v) {
			t.Errorf("%v: type %d: possible errno %d is not explained", by, msg[1], e)
		}
	}
	return all
}

// maybePreempted: what may come before a predicted error is not explained by the
// problem.
func maybePreempted(v check.Verdict) bool { return v.Errno != 0 }

// TestObservedHold tries every observed request.
func TestObservedHold(t *testing.T) {
	for _, o := range requests(t) {
		judgeAll(t, o.codec, o.msg)
	}
}

// TestPrefixes tries every prefix of messages, as it is and with a length that
// fits. A prefix with its old length is never accepted; one that ends inside an
// extension neither.
func TestPrefixes(t *testing.T) {
	for _, c := range codecs {
		m := &maker{t, c}
		for _, b := range [][]byte{goodADD(m), goodMigrate(m), goodPolicy(m), goodGETSPI(m)} {
			boundary := map[int]bool{}
			for at := 16; at < len(b); at += 8 * int(byteOrder(c).Uint16(b[at:])) {
				boundary[at] = true
			}
			for n := range len(b) {
				cut := append([]byte(nil), b[:n]...)
				judgeAll(t, c, cut)
				if v := check.Predict(layers.Linux, c, cut); v.Errno != 90 || !v.ByWrite {
					t.Errorf("%v: %d of %d bytes: %d", c, n, len(b), v.Errno)
				}
				if n < 16 {
					continue
				}
				byteOrder(c).PutUint16(cut[4:], uint16(n/8))
				judgeAll(t, c, cut)
				if v := check.Predict(layers.Linux, c, cut); !boundary[n] && v.Errno != 22 {
					t.Errorf("%v: %d of %d bytes, not between extensions: %d", c, n, len(b), v.Errno)
				}
			}
		}
	}
}

// TestNoSecrets fills everything that may be secret with marks, and looks for them
// in all that is said.
func TestNoSecrets(t *testing.T) {
	const mark = "KeY#"
	for _, o := range append(requests(t), kameRequests(t)...) {
		for _, change := range []func(b []byte){
			func([]byte) {},
			func(b []byte) { b[0] = 9 },
			func(b []byte) { byteOrder(o.codec).PutUint16(b[4:], 2) },
			func(b []byte) {
				if len(b) > 18 {
					byteOrder(o.codec).PutUint16(b[18:], 8) // a KEY where the first extension was
				}
			},
		} {
			b := append([]byte(nil), o.msg...)
			if len(b) < 16 {
				continue
			}
			change(b)
			for _, s := range o.codec.AppendSecrets(nil, b) {
				for i := range s.Len {
					b[s.Offset+i] = mark[i%len(mark)]
				}
			}
			var said strings.Builder
			for _, p := range judgeAll(t, o.codec, b) {
				// Not %+v: the address of the rule in it has any digits.
				all, err := json.Marshal(p)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&said, "%s %s\n", all, p.String())
			}
			for e := range 134 {
				said.WriteString(check.Explain(o.codec, b, uint8(e)))
			}
			echo := slices.Clone(b)
			if len(echo) > 2 {
				echo[2] = 22
			}
			said.WriteString(check.ExplainReply(o.codec, nil, echo))
			// Windows of two: what one field of a length or number would show.
			for i := range mark {
				two := mark[i%4:i%4+1] + mark[(i+1)%4:(i+1)%4+1]
				for _, s := range []string{two, hex.EncodeToString([]byte(two)), fmt.Sprint(uint16(two[0])<<8 | uint16(two[1])), fmt.Sprint(uint16(two[1])<<8 | uint16(two[0]))} {
					if strings.Contains(said.String(), s) {
						t.Errorf("%s: %q in %s", o.name, s, said.String())
					}
				}
			}
		}
	}
}

// TestNoAllocation holds that judging a sound message allocates nothing.
func TestNoAllocation(t *testing.T) {
	if benchtest.Racing {
		t.Skip("the race detector empties pools")
	}
	m := &maker{t, codecs[0]}
	reply := m.msg(replyADD())
	rfcReply := m.msg(rfcADD())
	acq := m.msg(acquire(proposal(layers.Comb{Auth: 3, AuthMinBits: 160, AuthMaxBits: 160}), policy(layers.Policy{Type: 2, Dir: 2})))
	for name, f := range map[string]func() []check.Problem{
		"Linux ADD": func(b []byte) func() []check.Problem {
			return func() []check.Problem { return check.Judge(layers.Linux, m.c, b, to) }
		}(goodADD(m)),
		"RFC ADD": func(b []byte) func() []check.Problem {
			return func() []check.Problem { return check.Judge(layers.RFC2367, m.c, b, to) }
		}(goodADD(m)),
		"Linux MIGRATE": func(b []byte) func() []check.Problem {
			return func() []check.Problem { return check.Judge(layers.Linux, m.c, b, to) }
		}(goodMigrate(m)),
		"Linux reply":   func() []check.Problem { return check.Judge(layers.Linux, m.c, reply, from) },
		"Linux ACQUIRE": func() []check.Problem { return check.Judge(layers.Linux, m.c, acq, from) },
		"RFC ADD reply": func() []check.Problem { return check.Judge(layers.RFC2367, m.c, rfcReply, from) },
		"Predict SPDADD": func(b []byte) func() []check.Problem {
			return func() []check.Problem { check.Predict(layers.Linux, m.c, b); return nil }
		}(goodPolicy(m)),
		"Predict ADD": func(b []byte) func() []check.Problem {
			return func() []check.Problem { check.Predict(layers.Linux, m.c, b); return nil }
		}(goodADD(m)),
		"Predict ACQUIRE": func(b []byte) func() []check.Problem {
			return func() []check.Problem { check.Predict(layers.Linux, m.c, b); return nil }
		}(bare(layers.ACQUIRE, 3)(m)),
	} {
		if list := f(); list != nil {
			t.Errorf("%s: %v", name, texts(list))
		}
		if n := testing.AllocsPerRun(100, func() { f() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestExplain gives answers and what is to be said of them.
func TestExplain(t *testing.T) {
	linux := &maker{t, codecs[0]}
	freebsd := layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
	bsd := &maker{t, freebsd}
	overrun := linux.edit(goodADD(linux), func(_ []byte, put16 func(int, uint16)) { put16(84, 513) })
	for _, tc := range []struct {
		name  string
		codec layers.Codec
		msg   []byte
		errno uint8
		want  string
	}{
		{"no error", linux.c, goodADD(linux), 0, ""},
		{"no request", linux.c, nil, 22, ""},
		{"key too long", linux.c, overrun, 22, "KEY_AUTH@80: 513 bits need 73 bytes, the extension has 72"},
		{"no key", linux.c, linux.msg(add(2, sa(0x1000, 3, 0), src4(), dst4())), 22, "KEY_AUTH missing: every AH SA needs it"},
		{"kernel differs", linux.c, linux.msg(espADD().add(natt(1))), 22, "NAT_T_TYPE@176: not every kernel has encapsulation type 1"},
		{"exists", linux.c, goodADD(linux), 17, "an SA with this SPI, destination and protocol exists already"},
		{"no SA", linux.c, goodGET(linux), 3, "no such SA: none has this SPI, destination and SA type, or it has a mark"},
		{"empty", linux.c, bare(layers.DUMP, 0)(linux), 2, "there are no SAs of this type"},
		{"dump running", linux.c, bare(layers.SPDDUMP, 0)(linux), 16, "a dump on this socket has not been read to its end"},
		{"no memory", linux.c, bare(layers.SPDDUMP, 0)(linux), 12, "the kernel is out of memory"},
		{"unheard of", linux.c, goodADD(linux), 71, ""},
		{"wrong byte order", layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}, goodGET(linux), 90,
			"sadb_msg_len is 2560 words, the message has 10 (80 bytes); in the other byte order it would match"},
		{"FreeBSD, no such SA", freebsd, goodGET(bsd), 3, "no such SA: none has this SPI, destination and SA type"},
		{"FreeBSD, range", freebsd, bsd.msg(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(2, 1))), 22,
			"SPIRANGE@64: 0x00000002 to 0x00000001: the range ends before it begins"},
		{"FreeBSD, SPI taken", freebsd, goodGETSPI(bsd), 17, "no SPI of the range is free for this destination and protocol"},
		{"FreeBSD, unknown", freebsd, goodGETSPI(bsd), 45, ""},
		{"FreeBSD, policy", freebsd, bsd.edit(goodGET(bsd), func(b []byte, _ func(int, uint16)) { b[1] = 16 }), 17, ""},
	} {
		if got := check.Explain(tc.codec, tc.msg, tc.errno); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestExplainObserved holds that every refusal seen is explained.
func TestExplainObserved(t *testing.T) {
	for _, o := range requests(t) {
		if o.errno != 0 && check.Explain(o.codec, o.msg, o.errno) == "" {
			t.Errorf("%s: errno %d is not explained", o.name, o.errno)
		}
	}
}

// TestDialects holds that the RFC's rules suit what other systems' codecs make.
func TestDialects(t *testing.T) {
	for _, d := range layers.Dialects() {
		for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			m := &maker{t, layers.Codec{Dialect: d, Order: order}}
			satype, ok := d.EnumValue(layers.EnumSAType, "ESP")
			if !ok {
				t.Fatalf("%v has no ESP", d)
			}
			x := add(uint8(satype), sa(0x1000, 3, 3), src4(), dst4(), authKey(160), encKey(192))
			for _, b := range [][]byte{m.msg(x), bare(layers.FLUSH, 0)(m)} {
				if list := check.Judge(layers.RFC2367, m.c, b, to); list != nil {
					t.Errorf("%v: %v", m.c, texts(list))
				}
			}
			get := m.msg(newMessage(layers.GET, 0).add(sa(0x1000, 0, 0), src4(), dst6()))
			list := check.Judge(layers.RFC2367, m.c, get, to)
			if find(list, "rfc-families") == nil || find(list, "rfc-satype") == nil {
				t.Errorf("%v: %v", m.c, texts(list))
			}
		}
	}
}

// TestJudge holds that each system's own rules are applied to its messages.
func TestJudge(t *testing.T) {
	for by, code := range map[layers.Dialect]string{
		layers.Linux: "spirange", layers.NetBSD: "spirange", layers.RFC2367: "rfc-spirange",
	} {
		m := &maker{t, layers.Codec{Dialect: by, Order: layers.LittleEndian}}
		b := m.msg(newMessage(layers.GETSPI, 3).add(src4(), dst4(), spiRange(0x300, 0x200)))
		list := check.Judge(by, m.c, b, to)
		if len(list) != 1 || list[0].Code != code {
			t.Errorf("%v: %v", by, texts(list))
		}
	}
	if check.Error.String() != "error" || check.Warning.String() != "warning" || check.Note.String() != "note" {
		t.Error("names of severities")
	}
}

func FuzzCheck(f *testing.F) {
	for i, o := range requests(f) {
		if i%7 == 0 {
			f.Add(o.msg, uint8(o.codec.Dialect), o.codec.Order == layers.BigEndian)
		}
	}
	for i, o := range kameRequests(f) {
		if i%5 == 0 {
			f.Add(o.msg, uint8(o.codec.Dialect), false)
		}
	}
	m := &maker{f, codecs[1]}
	f.Add(append(bare(layers.PROMISC, 0)(m), goodADD(m)...), uint8(layers.OpenBSD), true)
	f.Fuzz(func(t *testing.T, msg []byte, dialect uint8, big bool) {
		c := layers.Codec{Dialect: layers.Dialect(dialect), Order: layers.LittleEndian}
		if big {
			c.Order = layers.BigEndian
		}
		judgeAll(t, c, msg)
		for _, e := range []uint8{2, 17, 22, 90, 255} {
			check.Explain(c, msg, e)
		}
		check.ExplainReply(c, nil, msg)
	})
}

func BenchmarkPredict(b *testing.B) {
	m := &maker{b, codecs[0]}
	overrun := m.edit(goodADD(m), func(_ []byte, put16 func(int, uint16)) { put16(84, 513) })
	for _, bc := range []struct {
		name string
		msg  []byte
	}{{"ADD", goodADD(m)}, {"SPDADD", goodPolicy(m)}, {"FLUSH", bare(layers.FLUSH, 0)(m)}, {"refused", overrun}} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check.Predict(layers.Linux, m.c, bc.msg)
			}
		})
	}
}

func BenchmarkRFC(b *testing.B) {
	m := &maker{b, codecs[0]}
	msg := goodADD(m)
	b.ReportAllocs()
	for b.Loop() {
		check.Judge(layers.RFC2367, m.c, msg, to)
	}
}

// TestNoSecretsElsewhere holds that no octet shows of what is secret in a message's
// own dialect when another system takes it for something else.
func TestNoSecretsElsewhere(t *testing.T) {
	for _, d := range layers.Dialects() {
		for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			m := &maker{t, layers.Codec{Dialect: d, Order: order}}
			for number := uint16(1); number <= 45; number++ {
				for _, msgType := range []uint8{layers.GETSPI, layers.ADD, layers.GET, layers.ACQUIRE, 12, layers.SPDADD} {
					b := m.msg(newMessage(msgType, 2).add(sa(0x1000, 7, 12), src4(), dst4(), raw(number, bytes.Repeat([]byte{0x7b}, 36)...)))
					at := len(b) - 40
					if spans := m.c.AppendSecrets(nil, b); len(spans) == 0 || spans[len(spans)-1].Len < 34 {
						continue
					}
					for _, by := range layers.Dialects() {
						for _, p := range check.Judge(by, m.c, b, to) {
							for _, number := range []string{"123", "31611", "2071690107", "7b7b"} {
								if p.Offset >= at && strings.Contains(p.Text, number) {
									t.Fatalf("%v by %v, type %d, extension %d: %s", m.c, by, msgType, binary.BigEndian.Uint16(b[at+2:]), p.String())
								}
							}
						}
					}
				}
			}
		}
	}
}
