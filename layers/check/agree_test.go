package check_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// observed is a request and what a kernel answered.
type observed struct {
	name    string
	codec   layers.Codec
	msg     []byte
	errno   uint8
	byWrite bool
	silent  bool
}

// lines returns the lines of a file in testdata, divided at tabs, without comments.
func lines(t testing.TB, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list [][]string
	s := bufio.NewScanner(f)
	for s.Scan() {
		if !strings.HasPrefix(s.Text(), "#") {
			list = append(list, strings.Split(s.Text(), "\t"))
		}
	}
	if err := s.Err(); err != nil || len(list) == 0 {
		t.Fatalf("%s: %d lines, error %v", name, len(list), err)
	}
	return list
}

func codecOf(t testing.TB, order string) layers.Codec {
	t.Helper()
	o, err := layers.ParseOrder(order)
	if err != nil {
		t.Fatal(err)
	}
	return layers.Codec{Dialect: layers.Linux, Order: o}
}

func parseAnswer(t testing.TB, s string) (errno uint8, byWrite, silent bool) {
	t.Helper()
	kind, number, _ := strings.Cut(s, " ")
	switch kind {
	case "ok":
		return 0, false, false
	case "silent":
		return 0, false, true
	}
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil || kind != "reply" && kind != "write" {
		t.Fatalf("answer %q", s)
	}
	return uint8(n), kind == "write", false
}

func requests(t testing.TB) []observed {
	t.Helper()
	var list []observed
	for _, f := range lines(t, "requests.txt") {
		msg, err := hex.DecodeString(f[3])
		if err != nil {
			t.Fatalf("%s: %v", f[0], err)
		}
		o := observed{name: f[0], codec: codecOf(t, f[1]), msg: msg}
		o.errno, o.byWrite, o.silent = parseAnswer(t, f[2])
		list = append(list, o)
	}
	return list
}

// agrees says how a prediction stands to an answer: exact, possible, or wrong.
func agrees(v *check.Verdict, o *observed) string {
	switch {
	case v.Errno == o.errno && v.ByWrite == o.byWrite && (v.Errno != 0 || v.Silent == o.silent):
		return "exact"
	case v.Errno == 0 && (!o.byWrite || o.codec.Dialect != layers.Linux) && v.Allows(o.errno):
		return "possible"
	}
	return "wrong"
}

// TestPredictObserved compares predictions with what real kernels answered.
func TestPredictObserved(t *testing.T) {
	count, rows := map[string]int{}, map[string]int{}
	for _, o := range requests(t) {
		table, _, _ := strings.Cut(o.name, ":")
		rows[table]++
		v := check.Predict(layers.Linux, o.codec, o.msg)
		a := agrees(&v, &o)
		count[a]++
		if a == "wrong" {
			t.Errorf("%s: predicted errno %d (by write %v, silent %v, %s), the kernel answered %d (by write %v, silent %v)",
				o.name, v.Errno, v.ByWrite, v.Silent, v.Problem.String(), o.errno, o.byWrite, o.silent)
		}
		if v.Problem.Errno != v.Errno || v.Problem.ByWrite != v.ByWrite {
			t.Errorf("%s: verdict %d, problem %d", o.name, v.Errno, v.Problem.Errno)
		}
	}
	t.Logf("%v", count)
	if count["exact"] < 480 || count["possible"] < 50 {
		t.Errorf("%v: testdata holds less than it should", count)
	}
	if rows["errors"] != 88 || rows["malformed"] != 55 {
		t.Errorf("%d rows of the table of errors, want 88, and %d of malformed ones, want 55", rows["errors"], rows["malformed"])
	}
}

// TestPredictAlgorithms builds an ADD for each algorithm number and key size and
// compares with what a real kernel answered.
func TestPredictAlgorithms(t *testing.T) {
	count := map[string]int{}
	for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
		c := layers.Codec{Dialect: layers.Linux, Order: order}
		for _, f := range lines(t, "algorithms.txt") {
			var auth, authBits, enc, encBits int
			satype := uint8(layers.SATypeESP)
			name := f[0]
			switch {
			case scan(name, "ADD AH auth alg %d key %d", &auth, &authBits):
				satype = layers.SATypeAH
			case scan(name, "ADD ESP aes-cbc auth alg %d key %d", &auth, &authBits):
				enc, encBits = 12, 128
			case scan(name, "ADD ESP enc alg %d key %d auth alg %d", &enc, &encBits, &auth):
				if auth == 3 {
					authBits = 160
				}
			case scan(name, "ADD IPCOMP calg %d", &enc):
				satype = layers.SATypeIPComp
			default:
				t.Fatalf("row %q", name)
			}
			m := newMessage(layers.ADD, satype)
			m.add(sa(0x1000, uint8(auth), uint8(enc)), src4(), dst4())
			if authBits > 0 {
				m.add(key(layers.LayerTypeKeyAuth, authBits))
			}
			if encBits > 0 {
				m.add(key(layers.LayerTypeKeyEncrypt, encBits))
			}
			o := observed{name: name, codec: c, msg: m.bytes(t, c)}
			o.errno, o.byWrite, o.silent = parseAnswer(t, f[1])
			v := check.Predict(layers.Linux, c, o.msg)
			a := agrees(&v, &o)
			count[a]++
			if a == "wrong" || a == "possible" && auth != 10 && enc != 24 {
				t.Errorf("%s: predicted %d (%s), the kernel answered %d", name, v.Errno, v.Problem.String(), o.errno)
			}
		}
	}
	t.Logf("%v", count)
}

func scan(s, format string, a ...any) bool {
	n, err := fmt.Sscanf(s, format, a...)
	return err == nil && n == len(a)
}

// TestRepliesObserved holds the rules for messages from the kernel to what real
// kernels sent.
func TestRepliesObserved(t *testing.T) {
	for _, f := range lines(t, "replies.txt") {
		msg, err := hex.DecodeString(f[2])
		if err != nil {
			t.Fatal(err)
		}
		c := codecOf(t, f[1])
		for _, dir := range []check.Direction{check.FromKernel, check.Unknown} {
			for _, p := range check.Judge(layers.Linux, c, msg, dir) {
				t.Errorf("%s, type %d, direction %d: %s (%s)", f[0], msg[1], dir, p.String(), p.Code)
			}
		}
	}
}
