package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/wireshark"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay/sandbox"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// inWireshark runs in the guest, where it may change what it likes. $1 is this
// program's directory. Traffic goes on until both kinds are in the file.
const inWireshark = `
fail() { echo "$*"; cat log.txt; exit 1; }
dir=$(tshark -G folders 2>/dev/null | sed -n 's/^.*[Ee]xtcap path:[[:space:]]*//p' | tail -n 1)
mount --bind "$PWD/extcap" "$dir" || fail "mount on $dir"
ip link set lo up
tshark -D 2>/dev/null | grep 'pfkey (PF_KEY)' || fail 'not listed'
tshark -i pfkey -L 2>/dev/null | grep USER0 || fail 'no link type'

# record FILE WANTED OPTION…: until each of the words is an interface in the file.
record() {
	file=$1 wanted=$2
	shift 2
	tshark "$@" -w "$file" >log.txt 2>&1 &
	pid=$!
	while :; do
		kill -0 $pid 2>/dev/null || fail 'tshark has ended'
		./pfkeycap dump >/dev/null 2>&1
		ping -c 1 127.0.0.1 >/dev/null 2>&1
		got=$(tshark -r "$file" -T fields -e frame.interface_name 2>/dev/null | sort -u | tr '\n' ' ')
		[ "$got" = "$wanted" ] && break
	done
	kill -INT $pid
	wait $pid || fail "status $?"
	grep -i 'error' log.txt && fail 'an error was said'
	while grep -qx pfkeycap /proc/[0-9]*/comm 2>/dev/null; do :; done # it ends with its reader
}
record both.pcapng 'lo pfkey ' -i pfkey -i lo
record some.pcapng 'pfkey ' -i pfkey -f 'type == "DUMP" && errno != 0' -o extcap.pfkey.snapshot:true -o extcap.pfkey.buffer:512
`

// TestExtcap: Wireshark's own program captures through this one.
func TestExtcap(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		if os.Getenv("PFKEYCAP_REQUIRE_TSHARK") == "1" {
			t.Fatalf("%v, and PFKEYCAP_REQUIRE_TSHARK=1", err)
		}
		t.Skipf("%v: install tshark to check that it captures through this program", err)
	}
	sandboxtest.Require(t)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "pfkeycap")); err != nil {
		t.Fatal(err)
	}
	if _, err := wireshark.Link(filepath.Join(dir, "extcap"), filepath.Join(dir, "pfkeycap")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := &sandbox.Cmd{
		Args: []string{"sh", "-c", inWireshark}, Dir: dir, Stdout: &out, Stderr: &out, Memory: 512,
		Env: append(os.Environ(), "HOME="+dir),
	}
	if deadline, ok := t.Deadline(); ok {
		cmd.Timeout = time.Until(deadline) * 9 / 10
	}
	status, err := cmd.Run(t.Context())
	if err != nil || status != 0 {
		t.Fatalf("exit status %d, %v\n%s", status, err, out.String())
	}

	tshark := func(args ...string) string {
		script, err := wireshark.Install(dir, "test")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("tshark", append([]string{"-n", "-X", "lua_script:" + script}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir)
		got, err := cmd.Output()
		if err != nil {
			t.Fatalf("tshark %q: %v", args, err)
		}
		return string(got)
	}
	both := filepath.Join(dir, "both.pcapng")
	got := tshark("-r", both, "-T", "fields", "-e", "_ws.col.Protocol", "-e", "frame.interface_name")
	for _, want := range []string{"PF_KEY\tpfkey\n", "ICMP\tlo\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	got = tshark("-r", both, "-Y", `pfkey.msg.type_name == "DUMP"`, "-T", "fields", "-e", "frame.interface_description", "-e", "pfkey.direction", "-e", "pfkey.msg.errno_name")
	for _, want := range []string{"PF_KEYv2 dialect=linux ", " promisc=1 keys=none ", "\tto-kernel\t\n", "\tfrom-kernel\tENOENT\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}

	// The filter is ours, and the snapshot asks the empty kernel first.
	src, err := record.Open(filepath.Join(dir, "some.pcapng"), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	n, snapshot := 0, 0
	for {
		r, err := src.Next()
		if err != nil {
			break
		}
		n++
		if r.Data[1] != 10 || r.Data[2] == 0 {
			t.Errorf("record %d has type %d and errno %d", r.Number, r.Data[1], r.Data[2])
		}
		for _, c := range r.Comments {
			if c == "snapshot" {
				snapshot++
			}
		}
	}
	if n == 0 || snapshot == 0 {
		t.Errorf("%d records, %d of the snapshot", n, snapshot)
	}
}
