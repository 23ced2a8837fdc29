//go:build linux

package keysock_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

// requireKernel skips a test unless PF_KEY can be opened here, and fails it
// instead when PFKEYCAP_REQUIRE_KERNEL=1, so that a skip cannot hide a bug
// where a kernel is known to be there.
func requireKernel(t testing.TB) {
	t.Helper()
	require(t, "a kernel with PF_KEY", keysock.CanOpen())
}

// require skips, or with PFKEYCAP_REQUIRE_KERNEL=1 fails, unless err is nil.
func require(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("PFKEYCAP_REQUIRE_KERNEL") == "1" {
		t.Fatalf("PFKEYCAP_REQUIRE_KERNEL=1 asks for %s, but %v", what, err)
	}
	t.Skipf("needs %s: %v", what, err)
}

// freshNetNS returns a new network namespace, so that a test neither disturbs
// nor sees the PF_KEY of the machine it runs on.
func freshNetNS(t testing.TB) *keysock.NetNS {
	t.Helper()
	ns, err := keysock.NewNetNS()
	require(t, "the right to make network namespaces", err)
	t.Cleanup(func() { ns.Close() })
	return ns
}

// kernelConn returns a real PF_KEY socket in a namespace of its own.
func kernelConn(t testing.TB) *keysock.Conn {
	t.Helper()
	requireKernel(t)
	return openIn(t, freshNetNS(t))
}

func openIn(t testing.TB, ns *keysock.NetNS) *keysock.Conn {
	t.Helper()
	c, err := keysock.Open(keysock.Options{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// next reads the message that is already queued, and fails if there is none.
func next(t testing.TB, c *keysock.Conn) []byte {
	t.Helper()
	buf := make([]byte, keysock.MaxMessage)
	n, err := c.TryRead(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// mute is a message that any PF_KEY socket may send and that only brings
// itself back: X_PROMISC off.
func mute(seq uint32) []byte { return keysock.ControlMessage(11, 0, seq, 1) }

func TestKernelSocketFlags(t *testing.T) {
	c := kernelConn(t)
	if err := c.Control(func(fd int) {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags %#x, %v: not close-on-exec", flags, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("file flags %#x, %v: not non-blocking", flags, err)
		}
		if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_KEY {
			t.Errorf("domain %d, %v", domain, err)
		}
		// Why net.FileConn cannot be used.
		if _, err := unix.Getsockname(fd); err != unix.EOPNOTSUPP {
			t.Errorf("getsockname: %v, want EOPNOTSUPP", err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestKernelPromiscuous(t *testing.T) {
	requireKernel(t)
	ns := freshNetNS(t)
	c, other := openIn(t, ns), openIn(t, ns)
	sent, err := c.Promiscuous(true, 77, 412)
	if err != nil {
		t.Fatal(err)
	}
	// Not promiscuous yet when the kernel began: two copies of the answer.
	for i := range 2 {
		if got := next(t, c); !bytes.Equal(got, sent) {
			t.Errorf("answer %d: % x, want % x", i, got, sent)
		}
	}
	if got := next(t, other); !bytes.Equal(got, sent) {
		t.Errorf("announced to the other socket: % x, want % x", got, sent)
	}
	// From now on the request of another socket is seen.
	get := keysock.ControlMessage(5, 3, 8, 9)
	if _, err := other.Write(get); err != nil {
		t.Fatal(err)
	}
	if got := next(t, c); !bytes.Equal(got, get) {
		t.Errorf("request: % x, want % x", got, get)
	}
	answer := next(t, c)
	if len(answer) != 16 || answer[2] != byte(unix.EINVAL) {
		t.Errorf("answer: % x, want the header with EINVAL", answer)
	}
	if _, err := c.Promiscuous(false, 78, 412); err != nil {
		t.Fatal(err)
	}
	for len(next(t, c)) > 0 {
	}
	if _, err := other.Write(get); err != nil {
		t.Fatal(err)
	}
	if got := next(t, c); len(got) > 0 {
		t.Errorf("still promiscuous: % x", got)
	}
}

func TestKernelRegister(t *testing.T) {
	c := kernelConn(t)
	const esp = 3
	for i, errno := range []byte{0, byte(unix.EEXIST)} {
		sent, err := c.Register(esp, 5, 6)
		if err != nil {
			t.Fatal(err)
		}
		got := next(t, c)
		if len(got) < 16 {
			t.Fatalf("answer %d: %d bytes", i, len(got))
		}
		if got[1] != 7 || got[2] != errno || got[3] != esp || !bytes.Equal(got[8:16], sent[8:]) {
			t.Errorf("answer %d: header % x to % x", i, got[:16], sent)
		}
		if (len(got) > 16) != (errno == 0) {
			t.Errorf("answer %d: %d bytes with errno %d", i, len(got), errno)
		}
	}
}

// TestKernelWake is TestReadWaits on the real thing, where shutdown(2), which
// other sockets would be woken with, does not exist.
func TestKernelWake(t *testing.T) {
	requireKernel(t)
	for _, r := range readers {
		for _, w := range wakers {
			t.Run(r.name+"/"+w.name, func(t *testing.T) {
				ns := freshNetNS(t)
				c, other := openIn(t, ns), openIn(t, ns)
				wake(t, c, r.read, w.wake, func() { other.Write(mute(1)) }, w.want)
			})
		}
	}
}

// TestKernelReadBatch: recvmmsg works on PF_KEY, and reading one by one gives
// the same.
func TestKernelReadBatch(t *testing.T) {
	requireKernel(t)
	bothWays(t, func(t *testing.T, oneByOne bool) {
		c := openIn(t, freshNetNS(t))
		if oneByOne {
			c.ReadOneByOne()
		}
		const messages = 70
		for i := range messages {
			if _, err := c.Write(mute(uint32(i))); err != nil {
				t.Fatal(err)
			}
		}
		b := keysock.NewBatch(32)
		var sizes []int
		read := 0
		for {
			n, err := c.TryReadBatch(b)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			sizes = append(sizes, n)
			for i := range n {
				if got, want := b.Message(i), mute(uint32(read)); !bytes.Equal(got, want) {
					t.Errorf("message %d: % x, want % x", read, got, want)
				}
				read++
			}
		}
		if got, want := fmt.Sprint(sizes), "[32 32 6]"; got != want {
			t.Errorf("batches of %s, want %s", got, want)
		}
		if c.OneByOne() != oneByOne {
			t.Error("recvmmsg does not work on this kernel's PF_KEY sockets")
		}
	})
}

// TestKernelRecvFlags pins what this package relies on and why it passes no
// flags: every flag but these three is EINVAL, the ones the net package adds
// included.
func TestKernelRecvFlags(t *testing.T) {
	c := kernelConn(t)
	const size = 16
	for _, tt := range []struct {
		name  string
		flags int
		buf   int
		n     int
		errno error
	}{
		{"none", 0, 64, size, nil},
		{"MSG_DONTWAIT", unix.MSG_DONTWAIT, 64, size, nil},
		{"MSG_PEEK", unix.MSG_PEEK, 64, size, nil},
		{"MSG_TRUNC", unix.MSG_TRUNC, 64, size, nil},
		{"MSG_PEEK|MSG_DONTWAIT|MSG_TRUNC", unix.MSG_PEEK | unix.MSG_DONTWAIT | unix.MSG_TRUNC, 64, size, nil},
		{"short buffer", 0, 6, 6, nil},
		{"short buffer, MSG_TRUNC gives the true length", unix.MSG_TRUNC, 6, size, nil},
		{"no buffer, MSG_PEEK|MSG_TRUNC gives the true length", unix.MSG_PEEK | unix.MSG_TRUNC, 0, size, nil},
		{"MSG_OOB", unix.MSG_OOB, 64, 0, unix.EINVAL},
		{"MSG_DONTROUTE", unix.MSG_DONTROUTE, 64, 0, unix.EINVAL},
		{"MSG_CTRUNC", unix.MSG_CTRUNC, 64, 0, unix.EINVAL},
		{"MSG_EOR", unix.MSG_EOR, 64, 0, unix.EINVAL},
		{"MSG_WAITALL", unix.MSG_WAITALL, 64, 0, unix.EINVAL},
		{"MSG_ERRQUEUE", unix.MSG_ERRQUEUE, 64, 0, unix.EINVAL},
		{"MSG_NOSIGNAL", unix.MSG_NOSIGNAL, 64, 0, unix.EINVAL},
		{"MSG_MORE", unix.MSG_MORE, 64, 0, unix.EINVAL},
		{"MSG_WAITFORONE", unix.MSG_WAITFORONE, 64, 0, unix.EINVAL},
		{"MSG_CMSG_CLOEXEC", unix.MSG_CMSG_CLOEXEC, 64, 0, unix.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.Write(mute(1)); err != nil {
				t.Fatal(err)
			}
			if err := c.Control(func(fd int) {
				n, _, err := unix.Recvfrom(fd, make([]byte, tt.buf), tt.flags)
				if err != tt.errno || err == nil && n != tt.n {
					t.Errorf("%d, %v, want %d, %v", n, err, tt.n, tt.errno)
				}
			}); err != nil {
				t.Fatal(err)
			}
			// A refused or peeked message is still there, any other is gone.
			left := tt.errno != nil || tt.flags&unix.MSG_PEEK != 0
			if got := next(t, c); (len(got) > 0) != left {
				t.Errorf("%d bytes left in the queue, want some: %v", len(got), left)
			}
		})
	}
}

// TestKernelRecvmmsgFlags: recvmmsg keeps MSG_WAITFORONE to itself but hands on
// MSG_CMSG_CLOEXEC.
func TestKernelRecvmmsgFlags(t *testing.T) {
	c := kernelConn(t)
	for _, tt := range []struct {
		name  string
		flags uintptr
		errno unix.Errno
	}{
		{"none", 0, 0},
		{"MSG_WAITFORONE", unix.MSG_WAITFORONE, 0},
		{"MSG_CMSG_CLOEXEC", unix.MSG_CMSG_CLOEXEC, unix.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.Write(mute(1)); err != nil {
				t.Fatal(err)
			}
			var buf [64]byte
			iov := unix.Iovec{Base: &buf[0]}
			iov.SetLen(len(buf))
			var m struct {
				hdr unix.Msghdr
				len uint32
			}
			m.hdr.Iov = &iov
			m.hdr.SetIovlen(1)
			if err := c.Control(func(fd int) {
				n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), 1, tt.flags, 0, 0)
				if errno != tt.errno || errno == 0 && (n != 1 || m.len != 16) {
					t.Errorf("%d messages, %d bytes, errno %v, want %v", int(n), m.len, errno, tt.errno)
				}
			}); err != nil {
				t.Fatal(err)
			}
			for len(next(t, c)) > 0 {
			}
		})
	}
}

// TestKernelLargestMessage: what MaxMessage says is true, and the largest
// message comes through whole by every way of reading.
func TestKernelLargestMessage(t *testing.T) {
	requireKernel(t)
	const words = 65535
	for _, r := range readers {
		for _, size := range []int{words * 8, words*8 + 7} {
			t.Run(fmt.Sprintf("%s/%d", r.name, size), func(t *testing.T) {
				ns := freshNetNS(t)
				c, sender := openIn(t, ns), openIn(t, ns)
				if _, err := c.Promiscuous(true, 1, 1); err != nil {
					t.Fatal(err)
				}
				for len(next(t, c)) > 0 {
				}
				if _, err := sender.SetSendBuffer(2 * keysock.MaxMessage); err != nil {
					t.Fatal(err)
				}
				want := make([]byte, size)
				for i := range want {
					want[i] = byte(i * 7)
				}
				copy(want, keysock.ControlMessage(5, 3, 1, 1))
				binary.NativeEndian.PutUint16(want[4:], words)
				if _, err := sender.Write(want); err != nil {
					t.Fatal(err)
				}
				if got, err := r.read(c); err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %d bytes, %v, want %d", len(got), err, size)
				}
			})
		}
	}
	t.Run("longer", func(t *testing.T) {
		sender := openIn(t, freshNetNS(t))
		if _, err := sender.SetSendBuffer(2 * keysock.MaxMessage); err != nil {
			t.Fatal(err)
		}
		msg := make([]byte, keysock.MaxMessage)
		copy(msg, keysock.ControlMessage(5, 3, 1, 1))
		binary.NativeEndian.PutUint16(msg[4:], words)
		if _, err := sender.Write(msg); !errors.Is(err, unix.EMSGSIZE) {
			t.Errorf("%d bytes: %v, want EMSGSIZE", len(msg), err)
		}
	})
}

func TestKernelWriteErrors(t *testing.T) {
	c := kernelConn(t)
	badVersion := mute(1)
	badVersion[0] = 1
	for _, tt := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"empty", nil, unix.EMSGSIZE},
		{"short", mute(1)[:15], unix.EMSGSIZE},
		{"length does not fit", append(mute(1), make([]byte, 8)...), unix.EMSGSIZE},
		{"version 1", badVersion, unix.EINVAL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Write(tt.msg)
			var op *keysock.OpError
			if !errors.Is(err, tt.want) || !errors.As(err, &op) || op.Op != "write" {
				t.Errorf("got %v, want %v of write", err, tt.want)
			}
			if got := next(t, c); len(got) > 0 {
				t.Errorf("a refused message brought % x", got)
			}
		})
	}
}

// TestKernelLoss shows the loss nobody reports, and that Meminfo warns of it.
func TestKernelLoss(t *testing.T) {
	c := kernelConn(t)
	limit, err := c.SetReceiveBuffer(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	before, err := c.Meminfo()
	if err != nil {
		t.Fatal(err)
	}
	if before.Queued != 0 || int(before.Limit) != limit {
		t.Errorf("empty queue: %+v, limit %d", before, limit)
	}
	const messages = 1000
	warned := -1
	for i := range messages {
		if _, err := c.Write(mute(uint32(i))); err != nil {
			t.Fatal(err)
		}
		m, err := c.Meminfo()
		if err != nil {
			t.Fatal(err)
		}
		if warned < 0 && m.Queued > m.Limit/2 {
			warned = i
		}
	}
	if m, err := c.Meminfo(); err != nil || m.Queued <= m.Limit {
		t.Errorf("full queue: %+v, %v", m, err)
	}
	got := 0
	for b := keysock.NewBatch(0); ; {
		n, err := c.TryReadBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		want, err := c.Meminfo()
		if m, ok := b.Queue(); !ok || err != nil || m != want {
			t.Errorf("the batch says %+v %v, Meminfo %+v, %v", m, ok, want, err)
		}
		if n == 0 {
			break
		}
		for i := range n {
			if !bytes.Equal(b.Message(i), mute(uint32(got))) {
				t.Fatalf("message %d is % x", got, b.Message(i))
			}
			got++
		}
	}
	t.Logf("%d of %d messages kept in %d bytes; half full after %d", got, messages, limit, warned)
	if got >= messages || warned < 0 || warned >= got {
		t.Errorf("%d messages kept, half full after %d", got, warned)
	}
	if m, err := c.Meminfo(); err != nil || m.Queued != 0 {
		t.Errorf("drained queue: %+v, %v", m, err)
	}
}

func TestKernelBuffers(t *testing.T) {
	c := kernelConn(t)
	// Root gets what it asks for, and Linux reports twice that.
	got, err := c.SetReceiveBuffer(16 << 20)
	if err != nil || got < 16<<20 {
		t.Errorf("16 MiB gave %d, %v", got, err)
	}
	m, err := c.Meminfo()
	if err != nil || int(m.Limit) != got {
		t.Errorf("Meminfo says %d, SetReceiveBuffer %d, %v", m.Limit, got, err)
	}
	o, err := keysock.Open(keysock.Options{ReceiveBuffer: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if m, err := o.Meminfo(); err != nil || int(m.Limit) != got {
		t.Errorf("Options.ReceiveBuffer gave %d, %v, want %d", m.Limit, err, got)
	}
	if _, err := keysock.Open(keysock.Options{ReceiveBuffer: -1}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a negative size gave %v", err)
	}
}

func TestKernelProcSockets(t *testing.T) {
	requireKernel(t)
	ns := freshNetNS(t)
	c := openIn(t, ns)
	if _, err := c.Write(mute(1)); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := c.Control(func(fd int) { unix.Fstat(fd, &st) }); err != nil {
		t.Fatal(err)
	}
	m, err := c.Meminfo()
	if err != nil {
		t.Fatal(err)
	}
	// What kernels without SO_MEMINFO are asked with.
	var old keysock.Meminfo
	if err := ns.Do(func() (err error) {
		c.Control(func(fd int) { old, err = keysock.ProcMeminfo(fd) })
		return err
	}); err != nil || old != m || m.Queued == 0 {
		t.Errorf("/proc/net/pfkey says %+v, SO_MEMINFO %+v, %v", old, m, err)
	}
	// It is asked in the namespace of the thread, where this socket is not.
	c.Control(func(fd int) { old, err = keysock.ProcMeminfo(fd) })
	if err == nil || !strings.Contains(err.Error(), "is not in") {
		t.Errorf("in another namespace: %+v, %v", old, err)
	}
	var sockets []keysock.ProcSocket
	if err := ns.Do(func() (err error) { sockets, err = keysock.ProcSockets(); return err }); err != nil {
		t.Fatal(err)
	}
	if len(sockets) != 1 {
		t.Fatalf("%d sockets: %+v", len(sockets), sockets)
	}
	s := sockets[0]
	if s.Inode != st.Ino || s.Rmem != uint64(m.Queued) || s.Rmem == 0 || int(s.UID) != os.Getuid() || s.RefCnt == 0 {
		t.Errorf("%+v, want inode %d, rmem %d, uid %d", s, st.Ino, m.Queued, os.Getuid())
	}
}

func TestKernelNetNS(t *testing.T) {
	requireKernel(t)
	one, two := freshNetNS(t), freshNetNS(t)
	a, b, c := openIn(t, one), openIn(t, one), openIn(t, two)
	// The sockets keep their namespaces.
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	sent := mute(42)
	if _, err := a.Write(sent); err != nil {
		t.Fatal(err)
	}
	if got := next(t, b); !bytes.Equal(got, sent) {
		t.Errorf("same namespace: % x, want % x", got, sent)
	}
	if got := next(t, c); len(got) > 0 {
		t.Errorf("other namespace: % x", got)
	}
	if _, err := keysock.Open(keysock.Options{NetNS: one}); err == nil {
		t.Error("opened in a closed namespace")
	} else {
		t.Logf("OK error: %v", err)
	}
}

// TestKernelPermission runs this test binary as nobody, in three ways.
func TestKernelPermission(t *testing.T) {
	requireKernel(t)
	if os.Getuid() != 0 {
		require(t, "root, to become nobody", errors.New("not root"))
	}
	const nobody = 65534
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: nobody, Size: 1}}
	inside := &syscall.Credential{NoSetGroups: true} // Root there, nobody here.
	for _, tt := range []struct {
		name string
		attr *syscall.SysProcAttr
		want string
	}{
		{"nobody", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}},
			"permitted no, open ErrPermission, new namespace ErrPermission, buffer cut"},
		{"user namespace", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, Credential: inside},
			"permitted no, open ErrPermission, new namespace ok, buffer cut"},
		{"user and network namespace", &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET, UidMappings: ids, GidMappings: ids, Credential: inside},
			"permitted yes, open ok, new namespace ok, buffer cut"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// By this name nobody may execute it wherever it lies.
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestReportPermission$", "-test.count=1")
			cmd.Env = append(os.Environ(), reportPermission+"=1")
			cmd.SysProcAttr = tt.attr
			cmd.Dir = "/"
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got, _, _ := strings.Cut(string(out), "\n"); got != tt.want {
				t.Errorf("got  %q\nwant %q\n%s", got, tt.want, out)
			}
		})
	}
}

const reportPermission = "KEYSOCK_TEST_REPORT_PERMISSION"

// TestReportPermission is the process that TestKernelPermission starts.
func TestReportPermission(t *testing.T) {
	if os.Getenv(reportPermission) == "" {
		return
	}
	class := func(err error) string {
		switch {
		case err == nil:
			return "ok"
		case errors.Is(err, keysock.ErrPermission):
			return "ErrPermission"
		}
		return err.Error()
	}
	_, err := keysock.NewNetNS()
	f := keysock.Probe()
	// Root of a user namespace may not force the size either.
	c, _ := standIn(t)
	const size = 64 << 20
	buffer := "cut"
	if got, err := c.SetReceiveBuffer(size); err != nil {
		buffer = err.Error()
	} else if got >= size {
		buffer = "forced"
	}
	fmt.Printf("permitted %v, open %s, new namespace %s, buffer %s\n", f.Permitted, class(keysock.CanOpen()), class(err), buffer)
	fmt.Println(strings.Join(f.Evidence, "\n"))
	fmt.Println(keysock.CanOpen())
}

func TestKernelProbe(t *testing.T) {
	requireKernel(t)
	f := keysock.Probe()
	if f.Present != keysock.Yes || f.Permitted != keysock.Yes {
		t.Errorf("present %v, permitted %v\n%s", f.Present, f.Permitted, strings.Join(f.Evidence, "\n"))
	}
	for _, line := range []string{"/proc/net/pfkey: exists", "/proc/net/protocols: lists KEY", "CAP_NET_ADMIN is among"} {
		if !strings.Contains(strings.Join(f.Evidence, "\n"), line) {
			t.Errorf("no %q in\n%s", line, strings.Join(f.Evidence, "\n"))
		}
	}
}

// TestKernelAllocations: an exchange with the kernel allocates nothing.
func TestKernelAllocations(t *testing.T) {
	c := kernelConn(t)
	msg, buf, b := mute(1), make([]byte, keysock.MaxMessage), keysock.NewBatch(4)
	for name, read := range map[string]func() error{
		"Read":         func() error { _, err := c.Read(buf); return err },
		"TryRead":      func() error { _, err := c.TryRead(buf); return err },
		"ReadBatch":    func() error { _, err := c.ReadBatch(b); return err },
		"TryReadBatch": func() error { _, err := c.TryReadBatch(b); return err },
	} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := c.Write(msg); err != nil {
				t.Error(err)
			}
			if err := read(); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations per exchange", name, allocs)
		}
	}
}
