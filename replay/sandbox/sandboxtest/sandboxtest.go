// Package sandboxtest helps tests that need a Linux kernel they may break.
//
// A package with such tests hands its TestMain to [Main]. Then [Run] runs a test
// inside a guest, where it is root, alone, and has PF_KEY and an empty network; and
// [Require] guards a test that starts guests itself.
//
// Where there is no sandbox kernel such tests are skipped, and say why; if the
// environment variable PFKEYCAP_REQUIRE_KERNEL is 1 they fail, so that a skip
// cannot hide for long that nothing was tested.
package sandboxtest

import (
	"bytes"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

// RequireVariable is the environment variable that makes tests fail which would
// be skipped for want of a kernel.
const RequireVariable = "PFKEYCAP_REQUIRE_KERNEL"

// Main is a TestMain: it makes the test binary its own guest's process 1, and runs
// the tests in any other process.
func Main(m *testing.M) {
	sandbox.InitIfGuest()
	os.Exit(m.Run())
}

// Require skips the test, or fails it if kernels are required, where no guest can
// be started. Inside a guest it always skips: guests do not nest, and such a test
// is for the host.
func Require(t testing.TB) {
	t.Helper()
	_, err := sandbox.Find()
	switch {
	case err == nil:
	case sandbox.Inside():
		t.Skip(err)
	case os.Getenv(RequireVariable) == "1":
		t.Fatalf("%s=1, but: %v", RequireVariable, err)
	default:
		t.Skip(err)
	}
}

// Run runs body inside a guest, as the calling test, which must be a top-level one
// with nothing else in it. On the host it starts a guest that runs this test alone,
// and passes on whether it passed, failed or was skipped; in a guest it calls body.
func Run(t *testing.T, body func(t *testing.T)) {
	t.Helper()
	if sandbox.Inside() {
		body(t)
		return
	}
	Require(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{exe, "-test.run=^" + regexp.QuoteMeta(t.Name()) + "$", "-test.v", "-test.count=1"}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	var out bytes.Buffer
	cmd := &sandbox.Cmd{Args: args, Stdout: &out, Stderr: &out}
	if deadline, ok := t.Deadline(); ok {
		// Leave the time to say what happened.
		cmd.Timeout = time.Until(deadline) * 9 / 10
	}
	status, err := cmd.Run(t.Context())
	result := func(word string) bool {
		return bytes.Contains(out.Bytes(), []byte("--- "+word+": "+t.Name()+" "))
	}
	switch {
	case err != nil:
		t.Fatalf("%v\n%s", err, out.Bytes())
	case status == 0 && result("SKIP"):
		t.Skipf("in the sandbox:\n%s", out.Bytes())
	case status == 0 && result("PASS"):
		t.Logf("in the sandbox:\n%s", out.Bytes())
	default:
		t.Fatalf("in the sandbox, exit status %d:\n%s", status, out.Bytes())
	}
}
