package check_test

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

func dialectOf(t testing.TB, s string) layers.Dialect {
	t.Helper()
	d, err := layers.ParseDialect(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func kameRequests(t testing.TB) []observed {
	t.Helper()
	var list []observed
	for _, f := range lines(t, "kame.txt") {
		msg, err := hex.DecodeString(f[4])
		if err != nil {
			t.Fatalf("%s: %v", f[0], err)
		}
		o := observed{name: f[0], codec: codecOf(t, f[2]), msg: msg}
		o.codec.Dialect = dialectOf(t, f[1])
		o.errno, o.byWrite, o.silent = parseAnswer(t, f[3])
		list = append(list, o)
	}
	return list
}

// TestPredictKAME compares predictions with what kernels of FreeBSD and NetBSD
// answered.
func TestPredictKAME(t *testing.T) {
	count := map[string]int{}
	for _, o := range kameRequests(t) {
		v := check.Predict(o.codec.Dialect, o.codec, o.msg)
		a := agrees(&v, &o)
		count[a]++
		if a == "wrong" {
			t.Errorf("%s: predicted errno %d (by write %v, silent %v, %s), the kernel answered %d (by write %v)",
				o.name, v.Errno, v.ByWrite, v.Silent, v.Problem.String(), o.errno, o.byWrite)
		}
	}
	t.Logf("%v", count)
	if count["exact"] < 105 || count["possible"] > 4 {
		t.Errorf("%v: less is predicted than should be", count)
	}
}

// TestRepliesKAME holds the rules for messages from the kernel to what those kernels
// sent.
func TestRepliesKAME(t *testing.T) {
	for _, f := range lines(t, "kame-replies.txt") {
		msg, err := hex.DecodeString(f[3])
		if err != nil {
			t.Fatal(err)
		}
		c := codecOf(t, f[2])
		by := dialectOf(t, f[1])
		for _, dir := range []check.Direction{check.FromKernel, check.Unknown} {
			for _, p := range check.Judge(by, c, msg, dir) {
				t.Errorf("%s, type %d, direction %d: %s (%s)", f[0], msg[1], dir, p.String(), p.Code)
			}
		}
	}
}

// TestExplainKAME holds that the cause of every refusal seen comes first.
func TestExplainKAME(t *testing.T) {
	causes := map[string]string{ // by record; the rule's code, or what only the kernel's state tells
		"freebsd 21": "satype", "freebsd 60": "key-missing", "freebsd 78": "algorithm-unknown", "freebsd 81": "algorithm-unknown",
		"freebsd 84": "algorithm-unknown", "freebsd 87": "algorithm-unknown", "freebsd 90": "algorithm-unknown", "freebsd 128": "identity-pair",
		"freebsd 161": "an SA with this SPI exists already, whatever its addresses; of TCPSIGNATURE one with these addresses",
		"freebsd 169": "lifetime-pair", "freebsd 172": "algorithm-unknown", "freebsd 175": "algorithm-unknown", "freebsd 178": "address-missing",
		"freebsd 181": "address-families", "freebsd 184": "message-type", "freebsd 187": "message-type", "freebsd 190": "message-version",
		"freebsd 193": "message-length", "freebsd 194": "message-length", "freebsd 195": "short-header", "freebsd 196": "extension-length-zero",
		"freebsd 197": "unknown-extension", "freebsd 198": "extension-duplicate",
		"freebsd 217": "no such SA: none has this SPI, destination and SA type",

		"netbsd 21": "satype", "netbsd 60": "key-missing", "netbsd 63": "algorithm-unknown", "netbsd 96": "algorithm-unknown", "netbsd 134": "identity-pair",
		"netbsd 162": "an SA with this SPI, destination and protocol exists already",
		// It lacks both: the kernel looks for the key first.
		"netbsd 170": "key-missing",
		"netbsd 173": "key-size", "netbsd 176": "algorithm-unknown", "netbsd 179": "address-missing", "netbsd 182": "address-families",
		"netbsd 185": "message-type", "netbsd 188": "message-type", "netbsd 191": "message-version", "netbsd 194": "message-length",
		"netbsd 195": "message-length", "netbsd 196": "short-header", "netbsd 197": "extension-length-zero", "netbsd 198": "unknown-extension",
		"netbsd 199": "extension-duplicate",
	}
	for _, o := range kameRequests(t) {
		record, _, _ := strings.Cut(o.name, ":")
		want, refused := causes[record]
		if refused != (o.errno != 0) {
			t.Errorf("%s: errno %d, cause %q", o.name, o.errno, want)
		}
		if !refused {
			continue
		}
		delete(causes, record)
		got := check.Explain(o.codec, o.msg, o.errno)
		if !o.byWrite {
			explainEcho(t, o, got)
		}
		if got == want {
			continue
		}
		v := check.Predict(o.codec.Dialect, o.codec, o.msg)
		if v.Problem.Code != want || got != v.Problem.String() {
			t.Errorf("%s: errno %d explained as %q, predicted %q; the cause is %q", o.name, o.errno, got, v.Problem.Code, want)
		}
	}
	for record := range causes {
		t.Errorf("%s is not among the requests", record)
	}
}

// explainEcho tries what is told to who does not know the request but by the answer.
func explainEcho(t *testing.T, o observed, want string) {
	t.Helper()
	echo := slices.Clone(o.msg)
	echo[2] = o.errno
	if got := check.ExplainReply(o.codec, nil, echo); got != want {
		t.Errorf("%s: by the answer alone %q, not %q", o.name, got, want)
	}
	if got := check.ExplainReply(o.codec, nil, echo[:len(echo)-8]); got != "" {
		t.Errorf("%s: by what is left of the answer %q", o.name, got)
	}
	wrapped, err := o.codec.Encode(&layers.Base{Type: layers.PROMISC})
	if err != nil {
		t.Fatal(err)
	}
	if words := byte((layers.BaseLen + len(echo)) / layers.Word); o.codec.Order == layers.BigEndian {
		wrapped[5] = words
	} else {
		wrapped[4] = words
	}
	// Offsets are those of the record, as everywhere.
	if at := strings.IndexByte(want, '@'); at > 0 {
		text, rest, _ := strings.Cut(want[at+1:], ":")
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %q", o.name, want)
		}
		want = want[:at+1] + strconv.Itoa(n+layers.BaseLen) + ":" + rest
	}
	if got := check.ExplainReply(o.codec, nil, append(wrapped, echo...)); got != want {
		t.Errorf("%s: in a wrapper %q, not %q", o.name, got, want)
	}
}

// TestKAMEHolds tries what holds for any bytes on every request seen, and every
// prefix of it, with its length put right.
func TestKAMEHolds(t *testing.T) {
	for _, o := range kameRequests(t) {
		judgeAll(t, o.codec, o.msg)
	}
	for _, by := range onKAME {
		for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			m := &maker{t, layers.Codec{Dialect: by, Order: order}}
			for _, b := range [][]byte{kameADD(m), goodSPDADD(m), kameGETSPI(m)} {
				boundary := map[int]bool{16: true}
				for at := 16; at < len(b); boundary[at] = true {
					at += 8 * int(byteOrder(m.c).Uint16(b[at:]))
				}
				for n := range len(b) {
					cut := append([]byte(nil), b[:n]...)
					if v := check.Predict(by, m.c, cut); v.Errno != 22 || !v.ByWrite {
						t.Errorf("%v: %d of %d bytes: %d", m.c, n, len(b), v.Errno)
					}
					if n < 16 || n%8 != 0 {
						continue
					}
					byteOrder(m.c).PutUint16(cut[4:], uint16(n/8))
					judge(t, by, m.c, cut)
					if v := check.Predict(by, m.c, cut); !boundary[n] && (v.Errno != 22 && v.Errno != 55 || !v.ByWrite) {
						t.Errorf("%v: %d of %d bytes, not between extensions: %d", m.c, n, len(b), v.Errno)
					}
				}
			}
		}
	}
}

// TestKAMESound holds that nobody objects to what is sound on every system of the
// family.
func TestKAMESound(t *testing.T) {
	for _, by := range onKAME {
		for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			m := &maker{t, layers.Codec{Dialect: by, Order: order}}
			for name, b := range map[string][]byte{
				"ADD": kameADD(m), "UPDATE": kameUPDATE(m), "ADD AH": kameAH(m), "GETSPI": kameGETSPI(m), "SPDADD": goodSPDADD(m),
				"tunnel": oneTunnel(nil)(m), "GET": goodGET(m), "FLUSH": bare(layers.FLUSH, 0)(m), "DUMP": bare(layers.DUMP, 3)(m),
				"SPDDUMP": bare(layers.SPDDUMP, 0)(m), "REGISTER": bare(layers.REGISTER, 3)(m), "X_PROMISC": bare(layers.PROMISC, 1)(m),
			} {
				for _, dir := range []check.Direction{to, unknown} {
					if list := check.Judge(by, m.c, b, dir); list != nil {
						t.Errorf("%v %s: %v", m.c, name, texts(list))
					}
				}
				if v := check.Predict(by, m.c, b); v.Errno != 0 || v.Silent {
					t.Errorf("%v %s: %+v", m.c, name, v)
				}
				if benchtest.Racing {
					continue // the race detector empties pools
				}
				if n := testing.AllocsPerRun(20, func() { check.Predict(by, m.c, b) }); n != 0 {
					t.Errorf("%v %s: %v allocations", m.c, name, n)
				}
			}
		}
	}
}

// TestKAMESilent holds which requests get no answer.
func TestKAMESilent(t *testing.T) {
	for _, tc := range []struct {
		name string
		on   []layers.Dialect
		msg  func(*maker) []byte
	}{
		{"bare ACQUIRE", onKAME, bare(layers.ACQUIRE, 3)},
		{"ACQUIRE", onFreeBSD, with(acquire(proposal(layers.Comb{})))},
		{"NAT_T_NEW_MAPPING", onNetBSD, with(newMessage(23, 3).add(nattPorts(2, 4500, 4500)...))},
		{"direction 3", onQuiet, kamePolicyOf(layers.SPDADD, layers.Policy{Type: 1, Dir: 3})},
		{"FLUSH", nil, bare(layers.FLUSH, 0)},
	} {
		for _, by := range onKAME {
			m := &maker{t, layers.Codec{Dialect: by, Order: layers.LittleEndian}}
			want := slices.Contains(tc.on, by)
			if tc.name == "NAT_T_NEW_MAPPING" && !want {
				continue // no other has the message
			}
			v := check.Predict(by, m.c, tc.msg(m))
			if v.Silent != want {
				t.Errorf("%v %s: silent %v (errno %d), want %v", by, tc.name, v.Silent, v.Errno, want)
			}
		}
	}
}

// TestKAMEAfterOverrun holds that the kernels but macOS's go on after a key with too
// many bits, and that nothing of what follows is said.
func TestKAMEAfterOverrun(t *testing.T) {
	for _, by := range notMacOS {
		m := &maker{t, layers.Codec{Dialect: by, Order: layers.LittleEndian}}
		overrun := patched(with(newMessage(layers.GET, 3).add(func(layers.Codec) layers.Extension {
			return &layers.Key{Header: layers.For(layers.LayerTypeKeyAuth), Bits: 64, Octets: make([]byte, 8)}
		}, src4(), dst6())), 8, func(_ []byte, put16 func(int, uint16)) { put16(4, 999) })(m)
		list := check.Judge(by, m.c, overrun, to)
		families, missing := find(list, "address-families"), find(list, "sa-missing")
		if families == nil || missing == nil || find(list, "address-missing") != nil {
			t.Fatalf("%v: %v", by, texts(list))
		}
		if families.Ext != "" || strings.ContainsAny(families.Text, "0123456789") {
			t.Errorf("%v: %+v", by, families)
		}
	}
}

func BenchmarkPredictKAME(b *testing.B) {
	for _, by := range onKAME {
		m := &maker{b, layers.Codec{Dialect: by, Order: layers.LittleEndian}}
		msg := kameADD(m)
		b.Run(by.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check.Predict(by, m.c, msg)
			}
		})
	}
}
