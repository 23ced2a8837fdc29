package keysock_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

// TestMain runs all tests of the package inside the sandbox where this machine's
// own kernel has no PF_KEY and a sandbox kernel is installed: most of them ask a
// kernel something.
func TestMain(m *testing.M) {
	sandbox.InitIfGuest()
	fuzzing := slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.fuzz") })
	if _, err := sandbox.Find(); err == nil && !fuzzing && keysock.Probe().Present != keysock.Yes {
		os.Exit(runInSandbox())
	}
	os.Exit(m.Run())
}

func runInSandbox() int {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := sandbox.Cmd{Args: []string{self}, Stdout: os.Stdout, Stderr: os.Stderr, Timeout: 5 * time.Minute}
	for _, a := range os.Args[1:] {
		// Files of the go command's own, in a directory that the guest cannot write.
		if !strings.HasPrefix(a, "-test.testlogfile=") && !strings.HasPrefix(a, "-test.gocoverdir=") {
			cmd.Args = append(cmd.Args, a)
		}
	}
	status, err := cmd.Run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}
