//go:build !(linux || freebsd || netbsd || openbsd || dragonfly || darwin || solaris)

package keysock_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// TestOpenWithoutPFKEY: the stubs say what is missing and what would work.
func TestOpenWithoutPFKEY(t *testing.T) {
	_, err := keysock.Open(keysock.Options{})
	for _, err := range []error{err, keysock.CanOpen()} {
		if !errors.Is(err, keysock.ErrNoPFKEY) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want ErrNoPFKEY and errors.ErrUnsupported", err)
			continue
		}
		for _, word := range []string{runtime.GOOS + "/" + runtime.GOARCH, "ssh", "pfkeycap sandbox"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not mention %q", err, word)
			}
		}
	}
}

func TestStubsAreUnsupported(t *testing.T) {
	ns := &keysock.NetNS{}
	for name, f := range map[string]func() error{
		"OpenNetNS":    func() error { _, err := keysock.OpenNetNS("1"); return err },
		"NewNetNS":     func() error { _, err := keysock.NewNetNS(); return err },
		"NetNS.Do":     func() error { return ns.Do(func() error { t.Error("ran"); return nil }) },
		"NetNSInode":   func() error { _, err := keysock.NetNSInode(); return err },
		"ProcessName":  func() error { _, err := keysock.ProcessName(1); return err },
		"SocketOwners": func() error { _, err := keysock.SocketOwners(nil); return err },
		"ProcSockets":  func() error { _, err := keysock.ProcSockets(); return err },
		"Open in a NS": func() error { _, err := keysock.Open(keysock.Options{NetNS: ns}); return err },
	} {
		if err := f(); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), runtime.GOOS) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProbeWithoutPFKEY(t *testing.T) {
	f := keysock.Probe()
	if f.Present != keysock.No || f.Loadable != keysock.No || f.Permitted != keysock.No || f.Advice() == "" || len(f.Evidence) == 0 {
		t.Errorf("%+v, advice %q", f, f.Advice())
	}
}
