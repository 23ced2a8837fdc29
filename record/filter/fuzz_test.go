package filter_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pfkeycap/pfkeycap/record/filter"
)

// FuzzCompile: any string is an error that points into it, or a filter that gives
// an answer about any record, twice the same.
func FuzzCompile(f *testing.F) {
	text, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if expr, ok := strings.CutPrefix(line, "> "); ok {
			f.Add(expr)
		}
	}
	for _, expr := range []string{
		`type == "ACQUIRE" && cidr(dst, "10.0.0.0/8")`,
		`errno != 0 or not has("sa")`,
		`sa.spi in [0x1234, 5..9] and flag(sa.flags, "PFS")`,
		`1 < seq <= 0xffffffffffffffff and lifetime_hard.addtime > 8*3600-1`,
		`identity_src.identity matches "^a.*$" and key_auth.key_id == "00112233"`,
		`time > "2026-05-01" and direction not in ["to-kernel"] and src == dst`,
		`policy.requests.src.addr == "2001:db8::1" or unknown.exttype == 77`,
		`msg.type_name startsWith "SPD" or sa.flags_names contains "P" // comment`,
	} {
		f.Add(expr)
	}
	records := benchRecords()
	f.Fuzz(func(t *testing.T, expr string) {
		x, err := filter.Compile(expr, filter.Options{ID: id})
		if err != nil {
			var e *filter.Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %T", expr, err)
			}
			lines := strings.Split(e.Expr, "\n")
			if len(expr) < 1000 && (e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1) {
				t.Fatalf("%q: line %d, column %d", expr, e.Line, e.Column)
			}
			return
		}
		if x.String() != expr {
			t.Fatalf("%q became %q", expr, x)
		}
		var first []bool
		for _, r := range records {
			first = append(first, x.Match(r))
		}
		for i, r := range records {
			if x.Match(r) != first[i] {
				t.Fatalf("%q: two answers about record %d", expr, i)
			}
		}
	})
}
