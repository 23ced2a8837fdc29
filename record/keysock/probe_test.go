//go:build linux

package keysock

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

const (
	release   = "6.1.0-test"
	lib       = "lib/modules/" + release + "/"
	protocols = "proc/thread-self/net/protocols"
	pfkey     = "proc/thread-self/net/pfkey"
	heading   = "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de sh ss gs se re sp bi br ha uh gp em\n"
)

func gz(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func TestLook(t *testing.T) {
	const (
		withKEY    = heading + "KEY       1104      1      -1   NI       0   no   af_key      n  n\n"
		withoutKEY = heading + "KEYSTORE   104      1      -1   NI       0   no   other       n  n\nTCP  1 1 1 no 1 yes kernel\n"
		loaded     = "xfrm_user 45056 2 - Live 0x0000000000000000\naf_key 36864 0 - Live 0x0000000000000000\n"
		others     = "af_key_other 36864 0 - Live 0x0\nxfrm_algo 16384 1 af_key, Live 0x0\n"
		dep        = "kernel/net/xfrm/xfrm_user.ko: kernel/net/key/af_key.ko\n"
		depKEY     = dep + "kernel/net/key/af_key.ko.xz: kernel/net/xfrm/xfrm_algo.ko.xz\n"
	)
	for _, tt := range []struct {
		name              string
		files             map[string]string
		present, loadable Answer
		evidence          []string
	}{
		{"nothing to be read", nil, Unknown, Unknown, []string{"/proc/modules: cannot be read"}},
		{"pfkey table", map[string]string{pfkey: ""}, Yes, Unknown, []string{"/proc/net/pfkey: exists"}},
		{"protocol", map[string]string{protocols: withKEY}, Yes, Unknown, []string{"/proc/net/protocols: lists KEY"}},
		{"module loaded", map[string]string{"proc/modules": loaded, protocols: withoutKEY}, Yes, Unknown,
			[]string{"/proc/modules: af_key is loaded", "lists no KEY"}},
		{"built in", map[string]string{lib + "modules.builtin": "kernel/net/key/af_key.ko\n"}, Yes, Unknown,
			[]string{"modules.builtin: af_key is built in"}},
		{"configured in", map[string]string{"boot/config-" + release: "CONFIG_NET=y\nCONFIG_NET_KEY=y\n"}, Yes, Unknown,
			[]string{"/boot/config-" + release + ": CONFIG_NET_KEY=y"}},
		{"module installed", map[string]string{protocols: withoutKEY, "proc/modules": others, lib + "modules.dep": depKEY}, No, Yes,
			[]string{"/proc/modules: af_key is not loaded", "modules.dep: has af_key, which is not loaded"}},
		{"module installed but forbidden", map[string]string{protocols: withoutKEY, "proc/modules": others, lib + "modules.dep": depKEY,
			"etc/modprobe.d/a.conf": "# blacklist af_key\nblacklist xfrm_user\ninstall   af_key /bin/false\n",
			"lib/modprobe.d/b.conf": "alias net-pf-15 off\noptions af_key x=1\n", "etc/modprobe.d/c.txt": "blacklist af_key\n"}, No, Yes,
			[]string{`/etc/modprobe.d/a.conf: says "install af_key /bin/false"`, `/lib/modprobe.d/b.conf: says "alias net-pf-15 off"`}},
		{"module of another only", map[string]string{protocols: withoutKEY, "proc/modules": others, lib + "modules.dep": dep}, No, No,
			[]string{"modules.dep: has no af_key"}},
		{"no modules installed", map[string]string{protocols: withoutKEY, "proc/modules": ""}, No, Unknown,
			[]string{"modules.dep: does not exist: no modules of this kernel (" + release + ")"}},
		{"configured out", map[string]string{protocols: withoutKEY, "proc/modules": "", "proc/config.gz": gz("# CONFIG_NET_KEY is not set\nCONFIG_NET_KEY_MIGRATE=y\n")}, No, No,
			[]string{"/proc/config.gz: CONFIG_NET_KEY is not set"}},
		{"configured as module", map[string]string{protocols: withoutKEY, "proc/modules": "", "proc/config.gz": gz("CONFIG_NET_KEY=m\n")}, No, Unknown,
			[]string{"/proc/config.gz: CONFIG_NET_KEY=m"}},
		{"broken configuration is passed over", map[string]string{protocols: withoutKEY, "proc/modules": "", "proc/config.gz": "no gzip",
			lib + "config": "CONFIG_NET_KEY=n\n"}, No, No, []string{lib + "config: CONFIG_NET_KEY=n"}},
		{"kernel without modules", map[string]string{protocols: withoutKEY, lib + "modules.dep": depKEY}, No, No,
			[]string{"so this kernel loads no modules"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			var f Facts
			look(&f, root, release)
			got := strings.Join(f.Evidence, "\n")
			if f.Present != tt.present || f.Loadable != tt.loadable {
				t.Errorf("present %v, loadable %v, want %v, %v\n%s", f.Present, f.Loadable, tt.present, tt.loadable, got)
			}
			for _, line := range tt.evidence {
				if !strings.Contains(got, line) {
					t.Errorf("no %q in\n%s", line, got)
				}
			}
			if strings.Contains(tt.name, "forbidden") && strings.Count(got, "says") != 2 {
				t.Errorf("lines that forbid nothing are among\n%s", got)
			}
		})
	}
}

func TestNetAdmin(t *testing.T) {
	const (
		all  = "Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n"
		none = "CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000000\n"
		// CAP_NET_ADMIN is bit 12 (linux/capability.h).
		only   = "CapEff:\t0000000000001000\n"
		allBut = "CapEff:\t000001ffffffefff\n"
	)
	fine := func() error { return nil }
	outside := func() error { return fmt.Errorf("NS_GET_USERNS: %w", unix.EPERM) }
	old := func() error { return unix.ENOTTY }
	for _, tt := range []struct {
		name   string
		status string
		owned  func() error
		want   Answer
	}{
		{"root", all, fine, Yes},
		{"the one capability", only, fine, Yes},
		{"every other capability", allBut, fine, No},
		{"none", none, fine, No},
		{"root of a user namespace in a foreign network", all, outside, No},
		{"kernel without the ioctl", all, old, Unknown},
		{"no status", "", fine, Unknown},
		{"odd status", "CapEff:\txyz\n", fine, Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{"proc/thread-self/status": &fstest.MapFile{Data: []byte(tt.status)}}
			var f Facts
			if got := netAdmin(&f, root, tt.owned); got != tt.want || len(f.Evidence) == 0 {
				t.Errorf("got %v, want %v; %q", got, tt.want, f.Evidence)
			}
		})
	}
}

func TestOpenError(t *testing.T) {
	for _, tt := range []struct {
		errno  unix.Errno
		match  error
		advice string
	}{
		{unix.EAFNOSUPPORT, ErrNoPFKEY, "modprobe af_key"},
		{unix.ESOCKTNOSUPPORT, ErrNoPFKEY, "pfkeycap sandbox"},
		{unix.EPROTONOSUPPORT, ErrNoPFKEY, "pfkeycap sandbox"},
		{unix.EPERM, ErrPermission, "unshare -rn"},
		{unix.EACCES, ErrPermission, "CAP_NET_ADMIN"},
		{unix.EMFILE, nil, ""},
		{unix.ENOBUFS, nil, ""},
	} {
		t.Run(unix.ErrnoName(tt.errno), func(t *testing.T) {
			err := openError(tt.errno)
			if !errors.Is(err, tt.errno) {
				t.Errorf("%v does not wrap the errno", err)
			}
			for _, sentinel := range []error{ErrNoPFKEY, ErrPermission} {
				if got, want := errors.Is(err, sentinel), sentinel == tt.match; got != want {
					t.Errorf("matches %q: %v, want %v", sentinel, got, want)
				}
			}
			var op *OpError
			if !errors.As(err, &op) || op.Op != "open" || !strings.Contains(op.Advice, tt.advice) || (op.Advice == "") != (tt.advice == "") {
				t.Errorf("%#v", err)
			}
		})
	}
}
