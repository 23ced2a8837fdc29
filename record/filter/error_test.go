package filter_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/record/filter"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestErrors holds the text of errors: testdata/errors.txt has expressions after
// "> ", each followed by its error and an empty line.
func TestErrors(t *testing.T) {
	const name = "testdata/errors.txt"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	n := 0
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		first, want, _ := strings.Cut(block, "\n")
		expr, ok := strings.CutPrefix(first, "> ")
		if !ok {
			t.Fatalf("%s: %q does not begin with \"> \"", name, first)
		}
		expr = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(expr)
		_, err := filter.Compile(expr, filter.Options{})
		if err == nil {
			t.Errorf("%s: no error", expr)
			continue
		}
		var e *filter.Error
		if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Expr != expr {
			t.Errorf("%s: %#v", expr, err)
		}
		n++
		out.WriteString(first + "\n" + err.Error() + "\n\n")
		if !*update && err.Error() != want {
			t.Errorf("%s:\n%v\nwant:\n%s", expr, err, want)
		}
	}
	if n < 50 {
		t.Errorf("only %d expressions", n)
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.TrimSpace(out.String())+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
