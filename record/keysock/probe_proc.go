//go:build linux

package keysock

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// module is the object file of PF_KEY in the lists that depmod(8) and the
// kernel's own build leave in /lib/modules, where it may be compressed.
const module = "/net/key/af_key.ko"

// probeLimit bounds in bytes what is read of any one file. The largest, the
// modules.dep of a distribution's kernel, has below 1 MiB.
const probeLimit = 16 << 20

func probe(f *Facts) {
	var u unix.Utsname
	release := ""
	if err := unix.Uname(&u); err == nil {
		release = unix.ByteSliceToString(u.Release[:])
	}
	look(f, os.DirFS("/"), release)
	f.Permitted = netAdmin(f, os.DirFS("/"), netNSOwned)
}

// look answers Present and Loadable from the files of root, whose kernel has
// the given release.
func look(f *Facts, root fs.FS, release string) {
	present := func(place, text string) {
		f.Present = Yes
		f.note(place, "%s", text)
	}
	// /proc/net of the thread, as everywhere in this package.
	if _, err := fs.Stat(root, "proc/thread-self/net/pfkey"); err == nil {
		present("/proc/net/pfkey", "exists, so PF_KEY works in this network namespace")
	}
	protocols := scan(root, "proc/thread-self/net/protocols", func(line string) bool {
		// The struct proto of net/key/af_key.c is called KEY.
		return first(line) == "KEY"
	})
	switch protocols {
	case found:
		present("/proc/net/protocols", "lists KEY")
	case missing:
		f.note("/proc/net/protocols", "lists no KEY")
	}
	modules := scan(root, "proc/modules", func(line string) bool { return first(line) == "af_key" })
	// Without the other file it is rather that no proc is mounted.
	static := modules == noFile && protocols == missing
	switch {
	case modules == found:
		present("/proc/modules", "af_key is loaded")
	case modules == missing:
		f.note("/proc/modules", "af_key is not loaded")
	case static:
		f.note("/proc/modules", "does not exist, so this kernel loads no modules")
	default:
		f.note("/proc/modules", "cannot be read")
	}
	dir := path.Join("lib/modules", release)
	builtin := scan(root, path.Join(dir, "modules.builtin"), func(line string) bool { return strings.Contains(line, module) })
	if builtin == found {
		present("/"+path.Join(dir, "modules.builtin"), "af_key is built in")
	}
	config := kernelConfig(f, root, release)
	if config == "y" {
		f.Present = Yes
	}
	if f.Present == Yes {
		return
	}
	if protocols == missing {
		// Every struct proto the kernel has registered is on that list.
		f.Present = No
	}

	dep := path.Join(dir, "modules.dep")
	switch scan(root, dep, func(line string) bool {
		file, _, _ := strings.Cut(line, ":")
		return strings.Contains("/"+file, module)
	}) {
	case found:
		f.Loadable = Yes
		f.note("/"+dep, "has af_key, which is not loaded")
	case missing:
		f.Loadable = No
		f.note("/"+dep, "has no af_key")
	case noFile:
		f.note("/"+dep, "does not exist: no modules of this kernel (%s) are installed", release)
	}
	if static || config == "n" {
		f.Loadable = No
	}
	blocked(f, root)
}

// kernelConfig returns what the kernel's configuration says of PF_KEY: y, m,
// n, or nothing when no configuration can be found.
func kernelConfig(f *Facts, root fs.FS, release string) string {
	const option = "CONFIG_NET_KEY"
	for _, name := range []string{"proc/config.gz", "boot/config-" + release, "lib/modules/" + release + "/config"} {
		value := ""
		got := scan(root, name, func(line string) bool {
			v, ok := strings.CutPrefix(line, option+"=")
			value = v
			return ok
		})
		switch got {
		case found:
			f.note("/"+name, "%s=%s", option, value)
			return value
		case missing:
			f.note("/"+name, "%s is not set", option)
			return "n"
		}
	}
	return ""
}

// blocked notes the lines of modprobe.d(5) that keep af_key from loading.
func blocked(f *Facts, root fs.FS) {
	for _, dir := range []string{"etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"} {
		files, err := fs.Glob(root, dir+"/*.conf")
		if err != nil {
			continue
		}
		for _, name := range files {
			scan(root, name, func(line string) bool {
				w := strings.Fields(line)
				// net-pf-15 is the alias by which the kernel asks for it.
				if len(w) < 2 || w[1] != "af_key" && w[1] != "af-key" && w[1] != "net-pf-15" {
					return false
				}
				switch w[0] {
				case "blacklist", "install", "alias":
					f.note("/"+name, "says %q", strings.Join(w, " "))
				}
				return false
			})
		}
	}
}

// netAdmin says whether this process has CAP_NET_ADMIN where its network
// namespace belongs: pfkey_create asks for it in the user namespace that owns
// the network namespace.
func netAdmin(f *Facts, root fs.FS, owned func() error) Answer {
	const place, field = "/proc/self/status", "CapEff:"
	value := ""
	scan(root, "proc/thread-self/status", func(line string) bool {
		v, ok := strings.CutPrefix(line, field)
		value = strings.TrimSpace(v)
		return ok
	})
	caps, err := strconv.ParseUint(value, 16, 64)
	if err != nil {
		f.note(place, "no effective capabilities can be read")
		return Unknown
	}
	if caps&(1<<unix.CAP_NET_ADMIN) == 0 {
		f.note(place, "CAP_NET_ADMIN is not among the effective capabilities (%s)", value)
		return No
	}
	f.note(place, "CAP_NET_ADMIN is among the effective capabilities")
	const ns = "/proc/self/ns/net"
	switch err := owned(); {
	case err == nil:
		return Yes
	case errors.Is(err, unix.EPERM):
		f.note(ns, "is owned by a user namespace outside this one, where the capability does not count")
		return No
	default:
		f.note(ns, "its owner cannot be told: %v", err)
		return Unknown
	}
}

// netNSOwned returns nil if the network namespace of the calling thread is
// owned by its user namespace or one below that, and EPERM if it is owned by
// one further out (ioctl_ns(2)).
func netNSOwned() error {
	ns, err := os.Open(threadNetNS)
	if err != nil {
		return err
	}
	defer ns.Close()
	fd, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return fmt.Errorf("NS_GET_USERNS: %w", err)
	}
	return unix.Close(fd)
}

// The outcomes of scan.
type outcome uint8

const (
	unreadable outcome = iota
	noFile
	missing
	found
)

// scan looks in the file called name for a line that match accepts.
func scan(root fs.FS, name string, match func(line string) bool) outcome {
	file, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return noFile
	}
	if err != nil {
		return unreadable
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			return unreadable
		}
	}
	limited := &io.LimitedReader{R: r, N: probeLimit}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, probeLimit)
	for lines.Scan() {
		if match(lines.Text()) {
			return found
		}
	}
	if lines.Err() != nil || limited.N == 0 {
		return unreadable
	}
	return missing
}

// first returns the first word of a line.
func first(line string) string {
	w, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return w
}
