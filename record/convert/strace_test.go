package convert_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

func readLog(t *testing.T, f convert.Form, name string) []record.Record {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if got := convert.Sniff(b[:min(len(b), convert.SniffLen)]); got != f {
		t.Errorf("%s looks like %q", name, got)
	}
	list, err := read(t, f, string(b), convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// readCapture returns the records of a capture without second copies.
func readCapture(t *testing.T, name string) (list []record.Record) {
	t.Helper()
	c, err := record.Open(filepath.Join("testdata", name), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := trace.NewReader(c, trace.Options{Promisc: c.Meta().Promisc})
	for {
		x, err := r.Next()
		if err != nil {
			return list
		}
		if x.TwinOf == 0 {
			list = append(list, *x.Clone())
		}
	}
}

// What a recorder heard of the same programs at the same time is what their logs hold,
// in the same order; except for what no recorder hears.
func TestStraceAgainstCapture(t *testing.T) {
	for _, tt := range []struct {
		capture string
		logs    []string
	}{
		{"strace/send.pcapng", []string{"strace/send.strace", "strace/raw.strace", "strace/time-of-day.strace", "strace/cut.strace", "strace/no-times.strace"}},
		{"strace/iked.pcapng", []string{"strace/iked.strace"}},
	} {
		t.Run(tt.capture, func(t *testing.T) {
			var want []record.Record
			for _, r := range readCapture(t, tt.capture) {
				if r.Data[1] != layers.PROMISC { // the recorder's own
					want = append(want, r)
				}
			}
			for _, log := range tt.logs {
				for i, got := range readLog(t, convert.Strace, log) {
					if got.WriteErrno != 0 {
						continue
					}
					if len(want) == 0 {
						t.Fatalf("%s: %v is not in the capture", log, got)
					}
					w := want[0]
					want = want[1:]
					if got.Dir != w.Dir || got.Codec != w.Codec || got.OrigLen != w.OrigLen || got.OrigLen == len(got.Data) && string(got.Data) != string(w.Data) {
						t.Fatalf("%s: record %d is %v, in the capture %v", log, i+1, got, w)
					}
					if !strings.HasPrefix(string(w.Data), string(got.Data)) {
						t.Errorf("%s: record %d holds other bytes", log, i+1)
					}
					if got.Process != w.Process {
						t.Errorf("%s: record %d is of %q, in the capture of %q", log, i+1, got.Process, w.Process)
					}
					// strace gives the time before a call, the recorder that of the copy.
					if d := w.Time.Sub(got.Time); log == "strace/send.strace" && (d < -time.Second || d > time.Second) {
						t.Errorf("%s: record %d was at %v, in the capture at %v", log, i+1, got.Time, w.Time)
					}
				}
			}
			if len(want) > 0 {
				t.Errorf("%d records of the capture are not in the logs, the first %v", len(want), want[0])
			}
		})
	}
}

func TestStraceFailedWrite(t *testing.T) {
	r := readLog(t, convert.Strace, "strace/raw.strace")[0]
	if r.WriteErrno != 90 || r.Dir != record.ToKernel || len(r.Data) != 16 {
		t.Errorf("%v, errno %d", r, r.WriteErrno)
	}
}

func TestStraceTimes(t *testing.T) {
	at := func(log string) time.Time { return readLog(t, convert.Strace, log)[0].Time }
	if got := at("strace/send.strace"); got.Year() != 2026 {
		t.Errorf("epoch: %v", got)
	}
	if got := at("strace/time-of-day.strace"); got.Year() != 1970 || got.Hour() != 15 || got.Minute() != 47 {
		t.Errorf("time of day: %v", got)
	}
	if got := at("strace/cut.strace").Sub(time.Unix(0, 0)); got < 100*time.Millisecond || got > time.Second {
		t.Errorf("differences: %v", got)
	}
	if got := at("strace/no-times.strace"); !got.IsZero() {
		t.Errorf("no times: %v", got)
	}
}

const (
	sock  = "socket(AF_KEY, SOCK_RAW, 2) = 3\n"
	dump3 = `"\2\n\0\0\2\0\0\0\7\0\0\0\264\t\0\0"`
	dumpX = `"\x02\x0a\x00\x00\x02\x00\x00\x00\x07\x00\x00\x00\xb4\x09\x00\x00"`
)

// Lines and what they give: direction and bytes, and what else is notable.
func TestStraceLines(t *testing.T) {
	ok := "> " + dump
	for _, tt := range []struct{ name, log, want string }{
		{"octal", sock + `write(3, ` + dump3 + `, 16) = 16`, ok},
		{"hex", sock + `write(3, ` + dumpX + `, 16) = 16`, ok},
		{"letters", sock + `sendto(3, "\2\n\f\r\t\v\"\\\0\0\0\0\0\0\0\0", 16, 0, NULL, 0) = 16`, "> 020a0c0d090b225c0000000000000000"},
		{"octal before a digit", sock + `write(3, "\2\n\0\0\2\0\0\0\7\0\0\0\0011\0\0", 16) = 16`, "> 020a0000020000000700000001310000"},
		{"old numbers", "socket(0xf, 0x3, 0x2) = 0x3\n" + `write(3, ` + dumpX + `, 0x10) = 0x10`, ok},
		{"read", sock + `read(3, ` + dumpX + `, 4096) = 16`, "< " + dump},
		{"peek", sock + `recvfrom(3, ` + dumpX + `, 16, MSG_PEEK|MSG_DONTWAIT, NULL, NULL) = 16`, ""},
		{"nothing to read", sock + `read(3, 0x7ffd0, 4096) = -1 EAGAIN (Resource temporarily unavailable)`, ""},
		{"no room", sock + `read(3, "\x02\x0a\x00\x00\x04\x00\x00\x00\x07\x00\x00\x00\xb4\x09\x00\x00", 16) = 16`, "< 020a00000400000007000000b4090000 of 32"},
		{"truncated by the kernel", sock + `recvmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=` + dumpX + `, iov_len=16}], msg_iovlen=1, msg_controllen=0, msg_flags=MSG_TRUNC}, MSG_TRUNC) = 32`, "< " + dump + " of 32"},
		{"cut by strace", sock + `read(3, "\x02\x0a\x00\x00"..., 4096) = 240`, "< 020a0000 of 240"},
		{"parts", sock + `writev(3, [{iov_base="\2\n\0\0\2\0\0\0", iov_len=8}, {iov_base="\7\0\0\0\264\t\0\0", iov_len=8}], 2) = 16`, ok},
		{"parts of strace 4", sock + `sendmsg(3, {msg_name(0)=NULL, msg_iov(2)=[{"\2\n\0\0\2\0\0\0", 8}, {"\7\0\0\0\264\t\0\0", 8}], msg_controllen=0, msg_flags=0}, 0) = 16`, ok},
		{"several", sock + `recvmmsg(3, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=` + dumpX + `, iov_len=4096}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=16}, {msg_hdr={msg_iov=[{iov_base=` + dumpX + `, iov_len=4096}]}, msg_len=16}], 8, 0, NULL) = 2`, "< " + dump + "\n< " + dump},
		{"refused", sock + `write(3, ` + dumpX + `, 16) = -1 EINVAL (Invalid argument)`, ok + " errno 22"},
		{"interrupted", sock + `write(3, ` + dumpX + `, 16) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)`, ""},
		{"not readable", sock + `write(3, 0x0, 16) = -1 EFAULT (Bad address)`, ""},
		{"time in the call", sock + `write(3, ` + dumpX + `, 16) = 16 <0.000021>`, ok},
		{"another socket", "socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM) = 3\n" + `write(3, ` + dumpX + `, 16) = 16` + "\n" + sock + sock, ""},
		{"closed", sock + "close(3) = 0\nsocket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3\n" + `write(3, ` + dumpX + `, 16) = 16`, ""},
		{"duplicates", sock + "dup(3) = 4\ndup2(4, 9) = 9\nfcntl(9, F_DUPFD_CLOEXEC, 10) = 10\nclose(3) = 0\n" + `write(10, ` + dumpX + `, 16) = 16`, ok},
		{"replaced", sock + "dup2(0, 3) = 3\nsocket(AF_UNIX, SOCK_STREAM, 0) = 3\n" + `write(3, ` + dumpX + `, 16) = 16`, ""},
		{"what -y adds", "socket(AF_KEY, SOCK_RAW, 2) = 3<socket:[196]>\nclose(7</a,b>) = 0\n" + `write(3<socket:[196]>, ` + dumpX + `, 16) = 16`, ok},
		{"what -yy adds", "execve(\"/bin/x\", [], 0x0) = 0\n" + `write(5<KEY:[196]>, ` + dumpX + `, 16) = 16`, ok},
		{"attached", `write(5, ` + dumpX + `, 16) = 16`, ok + " note"},
		{"attached, something else", `write(5, "\x02\x0a\x00\x00\x05\x00\x00\x00\x07\x00\x00\x00\xb4\x09\x00\x00", 16) = 16` + "\n" + sock, ""},
		{"forked", "1 " + sock + "1 clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x1) = 2\n1 close(3) = 0\n2 write(3, " + dumpX + ", 16) = 16", ok},
		{"child first", "1 " + sock + "1 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>\n2 write(3, " + dumpX + ", 16) = 16\n1 <... clone resumed>) = 2", ok},
		{"threads", "1 clone3({flags=CLONE_VM|CLONE_FILES|CLONE_THREAD, exit_signal=0} => {parent_tid=[2]}, 88) = 2\n2 " + sock + "1 write(3, " + dumpX + ", 16) = 16", ok},
		{"closed by exec", "socket(AF_KEY, SOCK_RAW|SOCK_CLOEXEC, 2) = 3\nexecve(\"/bin/true\", [\"true\"], 0x1 /* 2 vars */) = 0\n" + `write(3, "\x00", 1) = 1`, ""},
		{"two writers", "1 " + sock + "2 " + sock + `1 write(3, ` + dumpX + `, 16 <unfinished ...>` + "\n" + `2 read(3, ` + dumpX + `, 4096) = 16` + "\n1 <... write resumed>) = 16", "> " + dump + "\n< " + dump + " note"},
		{"resumed read", "[pid 1] " + sock + "[pid 1] read(3,  <unfinished ...>\n[pid 2] close(9) = 0\n[pid 1] <... read resumed>" + dumpX + ", 4096) = 16", "< " + dump + " note"},
		{"never resumed", "1 " + sock + `1 write(3, ` + dumpX + `, 16 <unfinished ...>`, ok + " note"},
		{"the program's own output", sock + "hello, world(\nwrite(3\n" + `write(3, ` + dumpX + `, 16) = 16` + "\nwrite(\n", ok},
		{"promiscuous", sock + `write(3, "\x02\x0b\x00\x01\x02\x00\x00\x00\x07\x00\x00\x00\xb4\x09\x00\x00", 16) = 16` + "\n" + `read(3, ` + dumpX + `, 4096) = 16`, "> 020b00010200000007000000b4090000\n? " + dump},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := read(t, convert.Strace, tt.log, convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, r := range list {
				s := line(r)
				if len(r.Comments) > 0 {
					s += " note"
				}
				if r.Number != uint64(i+1) {
					t.Errorf("record %d has number %d", i+1, r.Number)
				}
				got = append(got, s)
			}
			if strings.Join(got, "\n") != tt.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), tt.want)
			}
		})
	}
}

func TestStraceErrors(t *testing.T) {
	for _, tt := range []struct{ name, log, want string }{
		{"no socket", "write(1, \"a\", 1) = 1\n", "line 1: the log shows no PF_KEY socket"},
		{"bytes not shown", sock + "\nwrite(3, 0x7ffd0, 0x10) = 0x10\n", "line 3: the log does not show the bytes"},
	} {
		_, err := read(t, convert.Strace, tt.log, convert.Options{})
		var e *convert.SyntaxError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// Midnight in a log of -tt is followed by the next day.
func TestStraceMidnight(t *testing.T) {
	list, err := read(t, convert.Strace, "23:59:59.5 "+sock+"23:59:59.6 write(3, "+dumpX+", 16) = 16\n00:00:00.1 read(3, "+dumpX+", 16) = 16\n", convert.Options{})
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if d := list[1].Time.Sub(list[0].Time); d != 500*time.Millisecond {
		t.Errorf("%v between them", d)
	}
}

// A call that never ends does not hold back the others for ever.
func TestStraceHeldBack(t *testing.T) {
	var b strings.Builder
	b.WriteString("1 " + sock + "2 " + sock + "1 write(3, " + dumpX + ", 16 <unfinished ...>\n")
	const n = 10000
	for range n {
		b.WriteString("2 write(3, " + dumpX + ", 16) = 16\n")
	}
	b.WriteString("1 <... write resumed>) = 16\n")
	list, err := read(t, convert.Strace, b.String(), convert.Options{})
	if err != nil || len(list) != n+1 {
		t.Errorf("%d records, %v", len(list), err)
	}
}

// logSeeds gives a fuzz target a form's logs.
func logSeeds(f *testing.F, dir string) {
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
	if err != nil || len(files) == 0 {
		f.Fatal(len(files), err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && len(b) < 8<<10 && !strings.HasSuffix(name, ".pcapng") {
			f.Add(string(b))
		}
	}
}

// anyText holds a reader to what is promised of any text: records with numbers that
// rise, no more bytes than the text could show, and errors that say where.
func anyText(t *testing.T, form convert.Form, text string) {
	for _, d := range []layers.Dialect{layers.NoDialect, layers.OpenBSD} {
		list, err := read(t, form, text, convert.Options{Codec: layers.Codec{Dialect: d}})
		var e *convert.SyntaxError
		if err != nil && !errors.As(err, &e) && !errors.Is(err, record.ErrDamaged) {
			t.Fatalf("error %v does not say where", err)
		}
		bytes := 0
		for i, r := range list {
			bytes += len(r.Data)
			if r.Number != uint64(i+1) || r.OrigLen < len(r.Data) || r.Codec.Dialect == layers.NoDialect || r.Codec.Order == layers.NoOrder {
				t.Fatalf("record %d: %v, %d of %d bytes", i+1, r, len(r.Data), r.OrigLen)
			}
		}
		if bytes > 4*len(text) {
			t.Fatalf("%d bytes of records in %d bytes of text", bytes, len(text))
		}
	}
	_ = convert.Sniff([]byte(text))
}

func FuzzStrace(f *testing.F) {
	logSeeds(f, "strace")
	f.Add("1 " + sock + "1 sendmsg(3, {msg_iov=[{iov_base=" + dumpX + ", iov_len=16}], msg_control=[{cmsg_type=SCM_RIGHTS, cmsg_data=[3]}]}, 0 <unfinished ...>\n1 <... sendmsg resumed>) = 16\n")
	f.Fuzz(func(t *testing.T, text string) { anyText(t, convert.Strace, text) })
}
