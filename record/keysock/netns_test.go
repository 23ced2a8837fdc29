//go:build linux

package keysock_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

func TestNetNSInode(t *testing.T) {
	got, err := keysock.NetNSInode()
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("net:[%d]", got); link != want {
		t.Errorf("inode %d, link %s", got, link)
	}
}

func TestOpenNetNS(t *testing.T) {
	want, err := keysock.NetNSInode()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fmt.Sprint(os.Getpid()), "/proc/self/ns/net"} {
		ns, err := keysock.OpenNetNS(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ns.Inode() != want {
			t.Errorf("%s: inode %d, want %d", name, ns.Inode(), want)
		}
		if err := ns.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := ns.Do(func() error { t.Error("ran"); return nil }); err == nil {
			t.Errorf("%s: a closed handle can be entered", name)
		}
	}
}

func TestOpenNetNSBad(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		want  error
		words string
	}{
		{"", nil, "bad name"},
		{".", nil, "bad name"},
		{"..", nil, "bad name"},
		{"no-namespace-of-this-name", fs.ErrNotExist, "/run/netns/no-namespace-of-this-name"},
		{"4294967295", fs.ErrNotExist, "/proc/4294967295/ns/net"},
		{plain, nil, "is not a network namespace"},
		{"/proc/self/ns/uts", nil, "is not a network namespace"},
		{filepath.Dir(plain), nil, "is not a network namespace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ns, err := keysock.OpenNetNS(tt.name)
			if err == nil {
				ns.Close()
				t.Fatal("opened")
			}
			var op *keysock.OpError
			if !errors.As(err, &op) || !strings.Contains(err.Error(), tt.words) || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %q and %v", err, tt.words, tt.want)
			}
		})
	}
}

func TestNetNSDo(t *testing.T) {
	ns := freshNetNS(t)
	home, err := keysock.NetNSInode()
	if err != nil {
		t.Fatal(err)
	}
	if ns.Inode() == home {
		t.Fatal("the new namespace is the old one")
	}
	broken := errors.New("broken")
	for range 20 {
		var inside uint64
		err := ns.Do(func() (err error) {
			if inside, err = keysock.NetNSInode(); err != nil {
				return err
			}
			return broken
		})
		if err != broken {
			t.Fatalf("got %v, want the function's own error", err)
		}
		if inside != ns.Inode() {
			t.Fatalf("ran in %d, want %d", inside, ns.Inode())
		}
	}
	// No thread may be left behind in the namespace.
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, task := range tasks {
		link, err := os.Readlink(task)
		if err == nil && link != fmt.Sprintf("net:[%d]", home) {
			t.Errorf("%s is %s", task, link)
		}
	}
}

func TestNetNSDoGoexit(t *testing.T) {
	ns := freshNetNS(t)
	err := ns.Do(func() error { runtime.Goexit(); return nil })
	if err == nil || !strings.Contains(err.Error(), "ended its goroutine") {
		t.Errorf("got %v", err)
	}
}
