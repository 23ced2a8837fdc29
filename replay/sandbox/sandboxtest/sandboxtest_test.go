package sandboxtest_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/replay/sandbox"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

// rerun runs a test of this binary in a process of its own, and returns what it
// printed and whether it passed.
func rerun(t *testing.T, test string, env ...string) (string, bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err == nil
}

const subjectVariable = "SANDBOXTEST_SUBJECT"

// TestSubject is what the other tests run.
func TestSubject(t *testing.T) {
	subject := os.Getenv(subjectVariable)
	switch subject {
	case "":
		return // the others run it
	case "require":
		sandboxtest.Require(t)
		return
	}
	sandboxtest.Run(t, func(t *testing.T) {
		fmt.Printf("inside=%v\n", sandbox.Inside())
		switch subject {
		case "fail":
			t.Error("meant to fail")
		case "skip":
			t.Skip("meant to skip")
		case "exit":
			os.Exit(0)
		}
	})
}

func TestRun(t *testing.T) {
	sandboxtest.Require(t)
	for _, test := range []struct {
		subject, result string
		passes          bool
	}{
		{"pass", "--- PASS: TestSubject", true},
		{"fail", "--- FAIL: TestSubject", false},
		{"skip", "--- SKIP: TestSubject", true},
		{"exit", "--- FAIL: TestSubject", false},
	} {
		t.Run(test.subject, func(t *testing.T) {
			out, passed := rerun(t, "TestSubject", subjectVariable+"="+test.subject)
			if !strings.HasPrefix(lastResult(out), test.result) || passed != test.passes {
				t.Errorf("passed=%v, want %v and %q:\n%s", passed, test.passes, test.result, out)
			}
			if !strings.Contains(out, "inside=true") {
				t.Errorf("did not run in the sandbox:\n%s", out)
			}
		})
	}
}

// lastResult returns the last line about a test's result: that of the host's.
func lastResult(out string) (result string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "--- ") {
			result = line
		}
	}
	return result
}

func TestRequire(t *testing.T) {
	if sandbox.Inside() {
		t.Skip("this is about the host")
	}
	missing := sandbox.KernelVariable + "=/nonexistent/linux.uml"
	for _, test := range []struct {
		name, env, result string
		passes            bool
	}{
		{"skips without a kernel", sandboxtest.RequireVariable + "=", "--- SKIP: TestSubject", true},
		{"fails if one is required", sandboxtest.RequireVariable + "=1", "--- FAIL: TestSubject", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, passed := rerun(t, "TestSubject", subjectVariable+"=require", missing, test.env)
			if !strings.HasPrefix(lastResult(out), test.result) || passed != test.passes {
				t.Errorf("passed=%v, want %v and %q:\n%s", passed, test.passes, test.result, out)
			}
			if !strings.Contains(out, sandbox.ErrNoKernel.Error()) {
				t.Errorf("does not give the reason:\n%s", out)
			}
		})
	}
}
