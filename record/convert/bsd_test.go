package convert_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert"
)

// There are no BSD or illumos kernels to trace here. What follows writes messages that
// came from real kernels (or, of illumos, from its own headers) as the tools' sources
// say that the tools do.

// vis writes an octet as vis(3) does (FreeBSD 10 contrib/libc-vis, OpenBSD
// lib/libc/gen/vis.c): VIS_CSTYLE, and with white VIS_TAB|VIS_NL.
func vis(c, next byte, white bool) string {
	graph := c > ' ' && c < 0x7f
	switch {
	case c == '\\':
		return `\\`
	case graph, c == ' ', !white && (c == '\t' || c == '\n'):
		return string(rune(c))
	}
	if k := strings.IndexByte("\a\b\t\n\v\f\r", c); k >= 0 {
		return `\` + "abtnvfr"[k:k+1]
	}
	switch {
	case c == 0 && next >= '0' && next <= '7':
		return `\000`
	case c == 0:
		return `\0`
	case c&0x7f == ' ':
		return fmt.Sprintf(`\%03o`, c)
	}
	s := `\`
	if c&0x80 != 0 {
		s, c = s+"M", c&0x7f
	}
	switch {
	case c == 0x7f:
		return s + "^?"
	case c < ' ':
		return s + "^" + string(rune(c+'@'))
	}
	return s + "-" + string(rune(c))
}

func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// folded writes what showbufc of OpenBSD and visdump_buf of NetBSD print, from column 7.
func folded(b []byte, quotes bool) string {
	out, col := `       "`, 8
	for i, c := range b {
		v := vis(c, at(b, i+1), false)
		if quotes && c == '"' { // NetBSD
			v = `\"`
		}
		if quotes && c == '\n' {
			v = `\n`
		}
		if col == 0 {
			out += "\t"
			col = 8
		}
		if v == "\n" {
			out += v
			col = 0
			continue
		}
		width := len(v)
		if v == "\t" {
			width = 8 - col&7
		}
		if col+width > 78 {
			out += "\\\n\t"
			col = 8
		}
		col += width
		out += v
	}
	if col == 0 {
		out += "       "
	}
	return out + "\"\n"
}

// The ways in which kdump prints octets.
var dumps = map[string]func(b []byte) string{
	"FreeBSD": func(b []byte) (out string) {
		const width = 16 // of a window of 80 columns
		for n := 0; n < len(b); n += width {
			out += fmt.Sprintf("       0x%04x", n)
			for i := n; i < n+width; i++ {
				if i%2 == 0 {
					out += " "
				}
				if i < len(b) {
					out += fmt.Sprintf("%02x", b[i])
				} else {
					out += "  "
				}
			}
			out += "  |"
			for i := n; i < min(n+width, len(b)); i++ {
				out += printable(b[i])
			}
			out += "|\n"
		}
		return out
	},
	"OpenBSD -x": func(b []byte) string {
		out, col := "\t", 8
		for i, c := range b {
			out += fmt.Sprintf("%02x", c)
			if col += 3; i < len(b)-1 {
				if col+3 > 80 {
					out += "\n\t"
					col = 8
				} else {
					out += " "
				}
			}
		}
		return out + "\n"
	},
	"OpenBSD -X": func(b []byte) (out string) {
		const width = (80 - 13) / 4
		for i := 0; i < len(b); i += width {
			out += fmt.Sprintf("   %04x:  ", i)
			for j := i; j < i+width; j++ {
				if j < len(b) {
					out += fmt.Sprintf("%02x ", b[j])
				} else {
					out += "   "
				}
			}
			out += " "
			for j := i; j < min(i+width, len(b)); j++ {
				out += printable(b[j])
			}
			out += "\n"
		}
		return out
	},
	"OpenBSD": func(b []byte) string { return folded(b, false) },
	"NetBSD":  func(b []byte) string { return folded(b, true) },
	"NetBSD -x": func(b []byte) (out string) {
		dupl, prev := 0, []byte(nil)
		var last string
		for n := 0; n < len(b); n += 16 {
			row := b[n:min(n+16, len(b))]
			if n+16 >= len(b) || dupl == 0 || !bytes.Equal(row, prev) {
				dupl |= 1
			}
			if dupl&1 == 0 {
				dupl += 2
				continue
			}
			switch {
			case dupl == 5:
				out += fmt.Sprintf("\t%-5s%s", fmt.Sprintf("%03x", n-16), last)
			case dupl > 5:
				out += fmt.Sprintf("\t%s\n", "*****"[:3])
			}
			cols := []byte(strings.Repeat(" ", 50))
			chars := ""
			for l, c := range row {
				copy(cols[1+l/8+3*l:], fmt.Sprintf("%02x", c))
				if c > ' ' && c < 0x7f {
					chars += string(rune(c))
				} else {
					chars += "."
				}
			}
			last = fmt.Sprintf("%s%s\n", cols, chars)
			out += fmt.Sprintf("\t%-5s%s", fmt.Sprintf("%03x", n), last)
			prev, dupl = row, 2
		}
		return out
	},
}

func printable(c byte) string {
	if c >= ' ' && c < 0x7f {
		return string(rune(c))
	}
	return "."
}

// messages returns messages of fixtures with the direction that they are to have.
func messages(t testing.TB, name string) (list []record.Record) {
	t.Helper()
	c, err := record.Open(filepath.Join("../../fixtures", name), record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		r, err := c.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Dir = []record.Direction{record.ToKernel, record.FromKernel}[len(list)%2]
		list = append(list, *r.Clone())
	}
}

var began = time.Unix(1767261600, 0)

// kdump writes a dump of one process that sends and receives messages.
func kdump(system string, list []record.Record, calls bool) string {
	var b strings.Builder
	n := 0
	event := func(kind, text string) {
		n++
		stamp := fmt.Sprintf("%d.%06d", began.Unix(), n)
		switch {
		case strings.HasPrefix(system, "OpenBSD"):
			fmt.Fprintf(&b, "%6d %-8s %s %-4s  %s\n", 413, "isakmpd", stamp, kind, text)
		case strings.HasPrefix(system, "NetBSD"):
			fmt.Fprintf(&b, "%6d %6d %-8s %s %-4s  %s\n", 413, 1, "racoon", stamp, kind, text)
		default:
			fmt.Fprintf(&b, "%6d %-8s %s %-4s  %s\n", 413, "racoon", stamp, kind, text)
		}
	}
	event("CALL", "socket(0x1d,0x3<SOCK_RAW>,0x2)")
	event("RET", "socket 3")
	for _, r := range list {
		call, verb := "sendto(0x3,0x7f7ffffd,0x1000,0,0,0)", "wrote"
		if r.Dir == record.FromKernel {
			call, verb = "recvfrom(0x3,0x7f7ffffd,0x10000,0,0,0)", "read"
		}
		if calls {
			event("CALL", call)
		}
		// OpenBSD and NetBSD trace pieces of a page.
		const page = 4000
		for rest := r.Data; len(rest) > 0; {
			k := min(len(rest), page)
			event("GIO", fmt.Sprintf("fd 3 %s %d bytes", verb, k))
			b.WriteString(dumps[system](rest[:k]))
			rest = rest[k:]
		}
		if calls {
			event("RET", fmt.Sprintf("%s %d/%#x", call[:strings.Index(call, "(")], len(r.Data), len(r.Data)))
		}
	}
	return b.String()
}

func same(t *testing.T, got, want []record.Record) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i].Dir != want[i].Dir || !bytes.Equal(got[i].Data, want[i].Data) || got[i].OrigLen != len(want[i].Data) {
			t.Fatalf("record %d is %v\n% x\nwant %v\n% x", i+1, got[i], got[i].Data, want[i], want[i].Data)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
}

var everyByte = func() record.Record {
	b := []byte{2, 10, 0, 0, 34, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}
	for c := range 256 {
		b = append(b, byte(c))
	}
	return record.Record{Dir: record.ToKernel, Data: b}
}()

func TestKdump(t *testing.T) {
	for system := range dumps {
		for _, calls := range []bool{true, false} {
			t.Run(fmt.Sprint(system, calls), func(t *testing.T) {
				var want []record.Record
				for _, name := range []string{"freebsd/13.0-amd64/A.pcapng", "openbsd/4.4-amd64/A.pcapng", "netbsd/7.99.34-amd64/A.pcapng", "illumos/layout/layout-be.pcapng"} {
					want = append(want, messages(t, name)...)
				}
				want = append(want, everyByte)
				for i := range want {
					if l := layers.OrderOf(want[i].Data, len(want[i].Data)); l == layers.NoOrder && !calls {
						want[i] = everyByte // what does not say its length cannot be told apart
					}
				}
				text := kdump(system, want, calls)
				if got := convert.Sniff([]byte(text[:convert.SniffLen])); got != convert.Kdump {
					t.Errorf("looks like %q", got)
				}
				got, err := read(t, convert.Kdump, text, convert.Options{})
				if err != nil {
					t.Fatal(err)
				}
				same(t, got, want)
				if calls && (!got[0].Time.Equal(began.Add(3*time.Microsecond)) || !got[1].Time.Equal(began.Add(8*time.Microsecond))) {
					t.Errorf("times %v, %v", got[0].Time, got[1].Time)
				}
			})
		}
	}
}

func TestKdumpLines(t *testing.T) {
	const (
		open  = "   413 setkey   CALL  socket(PF_KEY,SOCK_RAW,0x2)\n   413 setkey   RET   socket 3\n"
		bytes = "       0x0000 020a 0000 0200 0000 0700 0000 b409 0000                  |................|\n"
	)
	for _, tt := range []struct{ name, text, want string }{
		{"write", open + "   413 setkey   CALL  write(0x3,0x800,0x10)\n   413 setkey   GIO   fd 3 wrote 16 bytes\n" + bytes + "   413 setkey   RET   write 16/0x10\n", "> " + dump},
		{"peek", open + "   413 setkey   CALL  recvfrom(0x3,0x800,0x10,0x2<MSG_PEEK>,0,0)\n   413 setkey   GIO   fd 3 read 16 bytes\n" + bytes + "   413 setkey   RET   recvfrom 16/0x10\n", ""},
		{"cut by -m", open + "   413 setkey   CALL  read(0x3,0x800,0x1000)\n   413 setkey   GIO   fd 3 read 240 bytes\n" + bytes + "   413 setkey   RET   read 240/0xf0\n", "< " + dump + " of 240 read by 413(setkey)"},
		{"a write that failed", open + "   413 setkey   CALL  write(0x3,0x800,0x10)\n   413 setkey   RET   write -1 errno 22 Invalid argument\n" +
			"   413 setkey   CALL  read(0x3,0x800,0x10)\n   413 setkey   GIO   fd 3 read 16 bytes\n" + bytes + "   413 setkey   RET   read 16/0x10\n", "< " + dump + " before this, process 413(setkey) failed to write to its PF_KEY socket: errno 22 Invalid argument read by 413(setkey)"},
		{"another file", open + "   413 setkey   GIO   fd 4 wrote 5 bytes\n       \"hello\"\n   413 setkey   RET   write 5\n", ""},
		{"closed", open + "   413 setkey   CALL  close(0x3)\n   413 setkey   RET   close 0\n   413 setkey   CALL  execve(0x1,0x2,0x3)\n   413 setkey   RET   execve 0\n" +
			"   413 setkey   CALL  open(0x3,0x800)\n   413 setkey   RET   open 3\n   413 setkey   CALL  write(0x3,0x800,0x10)\n   413 setkey   GIO   fd 3 wrote 16 bytes\n" + bytes + "   413 setkey   RET   write 16/0x10\n", ""},
		{"forked, threads", "   413 100077 setkey   CALL  socket(0x1e,0x3,0x2)\n   413 100077 setkey   RET   socket 3\n   413 100077 setkey   CALL  fork\n   414 100078 setkey   RET   fork 0\n" +
			"   414 100078 setkey   CALL  write(0x3,0x800,0x10)\n   413 100077 setkey   RET   fork 414/0x19e\n   414 100078 setkey   GIO   fd 3 wrote 16 bytes\n" + bytes + "   414 100078 setkey   RET   write 16/0x10\n", "> " + dump},
		{"OpenBSD's threads", "   413/100077  iked     CALL  socket(PF_KEY,0x3<SOCK_RAW>,2)\n   413/100077  iked     RET   socket 3\n   413/100077  iked     CALL  write(3,0x800,0x10)\n   413/100077  iked     GIO   fd 3 wrote 16 bytes\n\t02 0a 00 00 02 00 00 00 07 00 00 00 b4 09 00 00\n   413/100077  iked     RET   write 16/0x10\n", "> " + dump},
	} {
		t.Run(tt.name, func(t *testing.T) { lines(t, convert.Kdump, tt.text, tt.want) })
	}
}

// line is a record in a line, without its comments.
func line(r record.Record) string {
	s := fmt.Sprintf("%c %x", "?<>"[r.Dir], r.Data)
	if r.OrigLen != len(r.Data) {
		s += fmt.Sprint(" of ", r.OrigLen)
	}
	if r.WriteErrno != 0 {
		s += fmt.Sprint(" errno ", r.WriteErrno)
	}
	return s
}

// lines holds what a form gives to a line for each record.
func lines(t *testing.T, f convert.Form, text, want string) {
	t.Helper()
	list, err := read(t, f, text, convert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		s := line(r)
		for i := range r.Comments {
			s += " " + r.Comments[len(r.Comments)-1-i]
		}
		got = append(got, s)
	}
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// truss writes a log of FreeBSD's.
func trussFreeBSD(list []record.Record) string {
	var b strings.Builder
	line := func(call, result string) {
		fmt.Fprintf(&b, "  413: 0.000000%03d %s%s %s\n", b.Len()%1000, call, strings.Repeat("\t", max(0, 6-len(call)/8)), result)
	}
	line(`execve("/sbin/setkey",0x7fffffffe4b8,0x7fffffffe4d0)`, "EJUSTRETURN")
	line("socket(PF_KEY,SOCK_RAW,2)", "= 3 (0x3)")
	for _, r := range list {
		text := ""
		for i, c := range r.Data {
			text += vis(c, at(r.Data, i+1), true)
		}
		call := fmt.Sprintf(`sendto(3,"%s",%d,0,NULL,0)`, text, len(r.Data))
		if r.Dir == record.FromKernel {
			call = fmt.Sprintf(`recvfrom(3,"%s",32768,0,NULL,0x0)`, text)
		}
		line(call, fmt.Sprintf("= %d (0x%x)", len(r.Data), len(r.Data)))
	}
	return b.String()
}

// show writes octets as showbytes of illumos does.
func show(b []byte) (out string) {
	for _, c := range b {
		k := strings.IndexByte("\x00\b\t\n\v\f\r", c)
		switch {
		case k >= 0:
			out += `\` + "0btnvfr"[k:k+1]
		case c >= ' ' && c < 0x7f:
			out += " " + string(rune(c))
		default:
			out += fmt.Sprintf("%.2X", c)
		}
	}
	return out
}

// trussIllumos writes a log of truss -f -d -rall -wall.
func trussIllumos(list []record.Record, pname string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Base time stamp:  1767261600.0000  [ Thu Jan  1 10:00:00 UTC 2026 ]\n")
	fmt.Fprintf(&b, "%s 0.0000\texecve(\"/usr/sbin/ipseckey\", 0x08047B9C, 0x08047BA4)  argc = 2\n", pname)
	fmt.Fprintf(&b, "%s 0.0010\tso_socket(PF_KEY, SOCK_RAW, 2, 0x00000000, SOV_DEFAULT) = 3\n", pname)
	for _, r := range list {
		name, size := "write", len(r.Data)
		if r.Dir == record.FromKernel {
			name, size = "read", 8192
		}
		arg := `"` + show(r.Data[:min(12, len(r.Data))]) + `"`
		if len(r.Data) > 12 {
			arg = "0x08067A60"
		}
		fmt.Fprintf(&b, "%s 0.0020\t%s(3, %s, %d)\t\t\t= %d\n", pname, name, arg, size, len(r.Data))
		for rest := r.Data; len(rest) > 0; rest = rest[min(32, len(rest)):] {
			fmt.Fprintf(&b, "%s  %s\n", pname, show(rest[:min(32, len(rest))]))
		}
	}
	return b.String()
}

func TestTruss(t *testing.T) {
	var want []record.Record
	for _, name := range []string{"freebsd/13.0-amd64/A.pcapng", "illumos/layout/layout.pcapng", "illumos/layout/layout-be.pcapng"} {
		want = append(want, messages(t, name)...)
	}
	want = append(want, everyByte)
	for name, text := range map[string]string{
		"FreeBSD":          trussFreeBSD(want),
		"illumos":          trussIllumos(want, ""),
		"illumos -f":       trussIllumos(want, "413:\t"),
		"illumos -f, lwps": trussIllumos(want, "413/1:\t\t"),
	} {
		t.Run(name, func(t *testing.T) {
			if got := convert.Sniff([]byte(text[:convert.SniffLen])); got != convert.Truss {
				t.Errorf("looks like %q", got)
			}
			got, err := read(t, convert.Truss, text, convert.Options{})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, want)
			if strings.HasPrefix(name, "illumos") && !got[0].Time.Equal(began.Add(2*time.Millisecond)) {
				t.Errorf("time %v", got[0].Time)
			}
		})
	}
}

func TestTrussLines(t *testing.T) {
	const (
		bsd = "socket(PF_KEY,SOCK_RAW,2)\t\t\t = 3 (0x3)\n"
		sun = "so_socket(PF_KEY, SOCK_RAW, 2, 0x00000000, SOV_DEFAULT) = 3\n"
		vis = `"\^B\n\0\0\^B\0\0\0\a\0\0\0\M-4\t\0\0"`
	)
	ok := "> " + dump
	for _, tt := range []struct{ name, text, want string }{
		{"write", bsd + "write(3," + vis + ",16)\t\t = 16 (0x10)\n", ok},
		{"refused", bsd + "write(3," + vis + ",16)\t\t ERR#22 'Invalid argument'\n", ok + " errno 22"},
		{"cut", bsd + `read(3,"\^B\n\0\0"...,4096)` + "\t\t = 240 (0xf0)\n", "< 020a0000 of 240"},
		{"peek", bsd + `recvfrom(3,` + vis + `,16,MSG_PEEK,NULL,0x0)` + "\t\t = 16 (0x10)\n", ""},
		{"a quote and a comma", bsd + `sendto(3,"\^B\n\0\0\^B\0\0\0\a\0\0\0", "x",17,0,NULL,0)` + "\t = 17 (0x11)\n", "> 020a0000020000000700000022" + "2c2022" + "78"},
		{"forked", "  413: " + bsd + "  413: fork()\t\t\t = 414 (0x19e)\n  414: write(3," + vis + ",16)\t\t = 16 (0x10)\n", ok},
		{"closed", bsd + "close(3)\t\t = 0 (0x0)\nopen(\"/a\",O_WRONLY,00)\t\t = 3 (0x3)\nwrite(3," + vis + ",16)\t\t = 16 (0x10)\n", ""},
		{"illumos, refused", sun + `write(3, "02\n\0\003\0\0\0\0\0\0\0"..., 16)` + "\t\tErr#22 EINVAL\n", "> 020a00000300000000000000 of 16 errno 22"},
		{"illumos without -w", sun + `write(3, "02\n\0\002\0\0\007\0\0\0".., 16)` + "\t\t= 16\nclose(3)\t\t= 0\n", "> 020a00000200000007000000 of 16"},
		{"illumos, -w cut short", sun + `write(3, 0x08067A60, 40)` + "\t\t= 40\n  02\\n\\0\\002\\0\\0\\007\\0\\0\\0B4\\t\\0\\0 a b c d e f g h i j k l m n o p\nclose(3)\t\t= 0\n", "> " + dump + "6162636465666768696a6b6c6d6e6f70 of 40"},
	} {
		t.Run(tt.name, func(t *testing.T) { lines(t, convert.Truss, tt.text, tt.want) })
	}
}

func TestTraceErrors(t *testing.T) {
	for _, tt := range []struct {
		form       convert.Form
		text, want string
	}{
		{convert.Kdump, "   413 sh       CALL  close(0x3)\n", "line 1: the dump shows no PF_KEY socket"},
		{convert.Kdump, "   413 sh       CALL  socket(PF_KEY,SOCK_RAW,0x2)\n   413 sh       RET   socket 3\n   413 sh       CALL  write(0x3,0x1,0x10)\n   413 sh       GIO   fd 3 wrote 16 bytes\n   413 sh       RET   write 16/0x10\n", "line 5: the dump does not show the bytes"},
		{convert.Truss, "close(3)\t\t = 0 (0x0)\n", "line 1: the log shows no PF_KEY socket"},
		{convert.Truss, "so_socket(PF_KEY, SOCK_RAW, 2, 0x00000000, SOV_DEFAULT) = 3\nwrite(3, 0x08067A60, 40)\t\t= 40\n", "line 2: the log does not show the bytes"},
	} {
		_, err := read(t, tt.form, tt.text, convert.Options{})
		var e *convert.SyntaxError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.form, err, tt.want)
		}
	}
}

// Logs that are sniffed are not taken for one another.
func TestSniffLogs(t *testing.T) {
	list := []record.Record{everyByte}
	strace, err := os.ReadFile("testdata/strace/send.strace")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]convert.Form{
		string(strace):         convert.Strace,
		trussFreeBSD(list):     convert.Truss,
		trussIllumos(list, ""): convert.Truss,
		"mmap(0x00000000, 4096, PROT_READ, MAP_PRIVATE|MAP_ANON, -1, 0) = 0xFEFB0000\nclose(3)\t\t\t= 0\n": convert.Truss,
		kdump("NetBSD", list, true):        convert.Kdump,
		kdump("OpenBSD", list, true):       convert.Kdump,
		"   413 ktrdump  RET   ktrace 0\n": convert.Kdump,
	} {
		if got := convert.Sniff([]byte(text[:min(len(text), convert.SniffLen)])); got != want {
			t.Errorf("%.60q looks like %q, want %q", text, got, want)
		}
	}
}

func FuzzKdump(f *testing.F) {
	for system := range dumps {
		f.Add(kdump(system, []record.Record{everyByte}, true))
		f.Add(kdump(system, []record.Record{everyByte}, false))
	}
	f.Fuzz(func(t *testing.T, text string) { anyText(t, convert.Kdump, text) })
}

func FuzzTruss(f *testing.F) {
	f.Add(trussFreeBSD([]record.Record{everyByte}))
	f.Add(trussIllumos([]record.Record{everyByte}, "413/1:\t\t"))
	f.Fuzz(func(t *testing.T, text string) { anyText(t, convert.Truss, text) })
}
