package record_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// tool finds one of Wireshark's programs. Without it the test is skipped, or
// fails if PFKEYCAP_REQUIRE_TSHARK=1.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PFKEYCAP_REQUIRE_TSHARK") == "1" {
			t.Fatalf("%v, and PFKEYCAP_REQUIRE_TSHARK=1", err)
		}
		t.Skipf("%v: install tshark to check what other programs make of a capture", err)
	}
	return path
}

// run runs a program and returns its output; it must exit with status.
func run(t *testing.T, status int, path string, args ...string) string {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	var out, errout bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errout
	cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != status {
		t.Fatalf("%s %q: status %d, want %d\n%s", path, args, got, status, errout.String())
	}
	return out.String()
}

// interop is a capture with everything in it that other programs may show.
func interop(t *testing.T, c layers.Codec) (path string, rs []*record.Record) {
	rs = conversation(t, c, 6)
	rs[1].Comments = []string{"receive queue was nearly full: messages may be lost here"}
	rs[2].Process, rs[2].Dropped = "iked", 5
	rs[4].Number, rs[5].Number, rs[5].OrigLen = 10, 11, 3000
	path = create(t, record.WriterOptions{
		Hardware: "x86_64", OS: "Linux 6.1.176", Application: "pfkeycap test",
		Meta: record.Meta{Dialect: c.Dialect, Order: c.Order, NetNS: 4026531840, Promisc: record.Yes, Keys: record.KeysBeside, CaptureID: "0123456789abcdef"},
		Salt: record.Salt{1},
	}, rs...)
	return path, rs
}

func TestTshark(t *testing.T) {
	tshark := tool(t, "tshark")
	fields := []string{"frame.interface_name", "frame.interface_description", "frame.packet_flags_direction", "frame.p2p_dir", "frame.packet_id",
		"frame.drop_count", "frame.len", "frame.cap_len", "frame.time_epoch", "frame.comment", "data.data"}
	for _, c := range []layers.Codec{le, be} {
		t.Run(c.String(), func(t *testing.T) {
			path, rs := interop(t, c)
			args := []string{"-n", "-r", path, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a"}
			for _, f := range fields {
				args = append(args, "-e", f)
			}
			hidden, _ := open(t, path, record.ReaderOptions{NoKeys: true})
			description := fmt.Sprintf("PF_KEYv2 dialect=linux byteorder=%s netns=4026531840 promisc=1 keys=beside saltid=17c766bd captureid=0123456789abcdef", c.Order.Abbrev())
			var want strings.Builder
			for i, r := range rs {
				flags, p2p := fmt.Sprintf("0x%08x", uint8(r.Dir)), ""
				switch r.Dir {
				case record.FromKernel: // inbound
					p2p = "1"
				case record.ToKernel:
					p2p = "0"
				}
				drops, comment := "", strings.Join(r.Comments, ",")
				if r.Dropped > 0 {
					drops = fmt.Sprint(r.Dropped)
				}
				if r.Process != "" {
					comment = "process=" + r.Process
				}
				fmt.Fprintf(&want, "pfkey|%s|%s|%s|%d|%s|%d|%d|%d.%09d|%s|%x\n", description, flags, p2p, r.Number, drops,
					r.OrigLen, len(r.Data), r.Time.Unix(), r.Time.Nanosecond(), comment, hidden[i].Data)
			}
			if got := run(t, 0, tshark, args...); got != want.String() {
				t.Errorf("got\n%swant\n%s", got, want.String())
			}
		})
	}
}

// TestTsharkTorn: a capture cut in the middle of a record gives the ones before.
func TestTsharkTorn(t *testing.T) {
	tshark := tool(t, "tshark")
	path, _ := interop(t, le)
	b := readFile(t, path)
	if err := os.WriteFile(path, b[:len(b)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(t, 2, tshark, "-n", "-r", path, "-T", "fields", "-e", "frame.number"); got != "1\n2\n3\n4\n5\n" {
		t.Errorf("records %q", got)
	}
}

func TestTsharkPcap(t *testing.T) {
	tshark := tool(t, "tshark")
	for _, format := range []record.Format{record.PcapNano, record.PcapMicro} {
		for _, c := range []layers.Codec{le, be} {
			rs := conversation(t, c, 3)
			path := create(t, record.WriterOptions{Format: format, Meta: record.Meta{Order: c.Order, Keys: record.KeysInside}}, rs...)
			var want strings.Builder
			for _, r := range rs {
				ns := r.Time.Nanosecond()
				if format == record.PcapMicro {
					ns = ns / 1000 * 1000
				}
				fmt.Fprintf(&want, "%d.%09d\t%d\t%x\n", r.Time.Unix(), ns, len(r.Data), r.Data)
			}
			if got := run(t, 0, tshark, "-n", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "data.data"); got != want.String() {
				t.Errorf("%v %v: got\n%swant\n%s", format, c, got, want.String())
			}
		}
	}
}

func TestCapinfos(t *testing.T) {
	capinfos := tool(t, "capinfos")
	path, _ := interop(t, le)
	got := run(t, 0, capinfos, path)
	for _, want := range []string{
		"pcapng", "Number of packets:   6", "USER 0", "Capture hardware:    x86_64", "Capture oper-sys:    Linux 6.1.176", "Capture application: pfkeycap test",
		"Name = pfkey", "Description = PF_KEYv2 dialect=linux", "Operating system = Linux 6.1.176", "Time precision = nanoseconds (9)", "Number of stat entries = 1", "Number of packets = 6",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("capinfos does not say %q:\n%s", want, got)
		}
	}
}

// TestThroughOtherTools: captures that editcap and mergecap have been at are read
// with everything that they keep, and their side file still fits.
func TestThroughOtherTools(t *testing.T) {
	editcap, mergecap := tool(t, "editcap"), tool(t, "mergecap")
	for _, c := range []layers.Codec{le, be} {
		path, rs := interop(t, c)
		edited, merged, pcap := path+".edited", path+".merged", path+".pcap"
		run(t, 0, editcap, path, edited, "2") // without the second
		run(t, 0, mergecap, "-w", merged, path)
		run(t, 0, editcap, "-F", "nsecpcap", path, pcap)
		for file, want := range map[string][]*record.Record{edited: {rs[0], rs[2], rs[3], rs[4], rs[5]}, merged: rs} {
			got, notices := open(t, file, record.ReaderOptions{KeysFile: path + ".keys"})
			if len(got) != len(want) || len(notices) != 0 {
				t.Fatalf("%s: %d records, want %d; notices %q", file, len(got), len(want), notices)
			}
			for i := range got {
				same(t, got[i], want[i])
			}
		}
		got, _ := open(t, pcap, record.ReaderOptions{})
		if len(got) != len(rs) || got[0].Codec != c || !got[0].Time.Equal(rs[0].Time) || got[5].OrigLen != 3000 {
			t.Errorf("%v: %d records from a pcap file, the first %v", c, len(got), got[0])
		}
	}
}
