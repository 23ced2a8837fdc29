package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// TestCauses: of every distinct refusal in the captures of requests that were made to
// be refused, testdata/causes.txt has the cause that is named first, after a "+" if
// that is the true one, which the capture's comment tells, or a "-" if it is not. Who
// reads the file has the list of those that are wrong. With -update a cause that has
// changed gets a "?", which has to be judged by eye.
func TestCauses(t *testing.T) {
	const file = "testdata/causes.txt"
	old, err := os.ReadFile(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	marks := map[string]string{}
	for _, l := range strings.Split(string(old), "\n") {
		if mark, rest, ok := strings.Cut(l, " "); ok {
			marks[rest] = mark
		}
	}
	var lines []string
	right, wrong := 0, 0
	seen := map[string]bool{}
	for _, capture := range []string{"errors", "malformed"} {
		src, err := record.Open("../../fixtures/linux/uml-x86_64/"+capture+"/A.pcapng", record.ReaderOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		for x, err := range trace.Exchanges(src, trace.Options{}) {
			if err != nil {
				t.Fatal(err)
			}
			e := explanationOf(x, layers.NoDialect)
			if e == nil || e.Errno == 0 {
				continue
			}
			text := "nothing"
			if len(e.Causes) > 0 {
				text = e.Causes[0].Text
			}
			if seen[e.Name+text] {
				continue // not distinct
			}
			seen[e.Name+text] = true
			rest := fmt.Sprintf("%s #%d %q %s: %s", capture, e.Number, strings.Join(x.Request.Comments, " "), e.Name, text)
			mark := marks[rest]
			switch mark {
			case "+":
				right++
			case "-":
				wrong++
			default:
				mark = "?"
				if !*update {
					t.Errorf("not in %s: %s", file, rest)
				}
			}
			delete(marks, rest)
			lines = append(lines, mark+" "+rest)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	} else {
		for rest := range marks {
			t.Errorf("%s has what is no longer said: %s", file, rest)
		}
	}
	t.Logf("the true cause comes first for %d of %d distinct refusals", right, right+wrong)
	if right+wrong < 60 || 10*right < 9*(right+wrong) {
		t.Errorf("%d of %d is less than 90 %%", right, right+wrong)
	}
}
