package keysock_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

func TestOpErrorText(t *testing.T) {
	cause := errors.New("cause")
	for _, tt := range []struct {
		name string
		err  *keysock.OpError
		want string
	}{
		{"with advice", &keysock.OpError{Op: "open", Err: cause, Advice: "do this"}, "PF_KEY open: cause: do this"},
		{"without advice", &keysock.OpError{Op: "read", Err: cause}, "PF_KEY read: cause"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("Error() = %q, want %q", got, tt.want)
			}
			if !errors.Is(tt.err, cause) {
				t.Error("the cause is not wrapped")
			}
		})
	}
}

// TestNoSystem holds the error of systems without PF_KEY to what it promises;
// the error is the same function's on every system.
func TestNoSystem(t *testing.T) {
	err := keysock.ErrNoSystem("windows", "amd64")
	if !errors.Is(err, keysock.ErrNoPFKEY) {
		t.Error("does not match ErrNoPFKEY")
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Error("does not match errors.ErrUnsupported")
	}
	if errors.Is(err, keysock.ErrPermission) {
		t.Error("matches ErrPermission")
	}
	for _, word := range []string{"windows/amd64", "ssh", "pfkeycap sandbox", "capture"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not mention %q", err, word)
		}
	}
}

// TestOpenAgreesWithProbe compares what Open does with what was to be expected
// from looking; wherever the tests run, one of the branches applies.
func TestOpenAgreesWithProbe(t *testing.T) {
	f := keysock.Probe()
	evidence := strings.Join(f.Evidence, "\n")
	t.Logf("present %v, loadable %v, permitted %v\n%s", f.Present, f.Loadable, f.Permitted, evidence)
	if f.OS != runtime.GOOS || len(f.Evidence) == 0 {
		t.Errorf("facts about %q with %d lines of evidence", f.OS, len(f.Evidence))
	}
	err := keysock.CanOpen()
	t.Logf("open: %v", err)
	var op *keysock.OpError
	switch {
	case err == nil:
		if f.Present == keysock.No && f.Loadable == keysock.No {
			t.Error("a socket opens in a kernel that has no PF_KEY")
		}
		if f.Permitted == keysock.No {
			t.Error("a socket opens without permission")
		}
		if f.Present == keysock.Yes && f.Permitted == keysock.Yes && f.Advice() != "" {
			t.Errorf("advice %q where nothing is wrong", f.Advice())
		}
	case !errors.As(err, &op):
		t.Errorf("not an OpError: %T", err)
	case errors.Is(err, keysock.ErrNoPFKEY):
		if f.Present == keysock.Yes {
			t.Error("no PF_KEY where it was seen")
		}
		if op.Advice == "" {
			t.Error("no advice")
		}
	case errors.Is(err, keysock.ErrPermission):
		if f.Permitted == keysock.Yes {
			t.Error("no permission where it was seen")
		}
		if op.Advice == "" {
			t.Error("no advice")
		}
	default:
		t.Errorf("neither ErrNoPFKEY nor ErrPermission: %v", err)
	}
}

func TestFactsAdvice(t *testing.T) {
	const no, yes, unknown = keysock.No, keysock.Yes, keysock.Unknown
	for _, tt := range []struct {
		name                         string
		present, loadable, permitted keysock.Answer
		empty                        bool
		word                         string
	}{
		{"all well", yes, unknown, yes, true, ""},
		{"nothing known", unknown, unknown, unknown, true, ""},
		{"absent", no, no, yes, false, ""},
		{"absent, module unknown", no, unknown, yes, false, ""},
		{"loadable", no, yes, yes, false, "modprobe af_key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := keysock.Facts{Present: tt.present, Loadable: tt.loadable, Permitted: tt.permitted}
			got := f.Advice()
			if (got == "") != tt.empty || !strings.Contains(got, tt.word) {
				t.Errorf("Advice() = %q", got)
			}
		})
	}
}

func TestAnswerString(t *testing.T) {
	got := fmt.Sprint(keysock.Unknown, keysock.No, keysock.Yes)
	if want := "unknown no yes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
