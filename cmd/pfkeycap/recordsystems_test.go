package main

import (
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

// TestSystems: of every system is said, at the start of a recording and in the
// manual, what it hides and which trace shows it.
func TestSystems(t *testing.T) {
	manual := manRecord()
	for _, d := range layers.Dialects() {
		if d == layers.RFC2367 {
			continue // no system speaks just that
		}
		text := hidden(d)
		if text == "" {
			t.Errorf("%v: nothing", d)
			continue
		}
		if !strings.Contains(text, "trace") && !strings.Contains(text, "truss") {
			t.Errorf("%v: no trace is named: %q", d, text)
		}
	}
	for _, s := range systems {
		if !strings.Contains(manual, s.names) || !strings.Contains(s.manual, "of the program") {
			t.Errorf("%s: the manual is %q", s.names, s.manual)
		}
	}
}
