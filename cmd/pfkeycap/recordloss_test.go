//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/record/trace"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// TestLoss records dumps of 10,000 SAs, on a real kernel.
func TestLoss(t *testing.T) { sandboxtest.Run(t, testLoss) }

func testLoss(t *testing.T) {
	const sas = 10_000
	p := newPeer(t)
	for i := range sas {
		p.ask(t, p.ah(layers.ADD, uint32(0x1000+i), uint32(i+1)))
	}
	for _, tt := range []struct {
		name   string
		args   []string
		stop   bool // the recorder does not run during the dump
		lost   bool
		stderr []string
	}{
		{name: "default settings"},
		{name: "default settings, stopped meanwhile", stop: true},
		// Linux counts twice what is asked for, so this holds some 200 messages.
		{name: "small buffer, stopped during one half", args: []string{"-B", "128"}, stop: true, lost: true, stderr: []string{
			"the receive queue was full", "messages may be missing from record ", "nothing is missing from record ",
			"DUMP #", " missing", ": incomplete\n", "Packets known to be missing: ", "Incomplete dumps: 1\n", "Receive queue full: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(openDir(t), "x.pcapng")
			rec := startRecorder(t, append([]string{"-w", file}, tt.args...)...)
			if tt.stop {
				rec.Process.Signal(syscall.SIGSTOP)
			}
			n, err := p.list(77, sas/2, func() {
				if tt.lost { // of the second half something may be seen
					rec.Process.Signal(syscall.SIGCONT)
					time.Sleep(200 * time.Millisecond)
				}
			})
			if n != sas || err != nil {
				t.Fatalf("the kernel lists %d SAs, %v", n, err)
			}
			rec.Process.Signal(syscall.SIGCONT)
			// What follows a queue that has been read empty ends the doubt.
			time.Sleep(200 * time.Millisecond)
			p.ask(t, p.ah(layers.GET, 0x1000, 1))
			stderr := rec.stop(t)

			var answers, dropped uint64
			var comments []string
			complete := false
			each(t, file, func(r *record.Record) {
				if r.Data[1] == layers.DUMP && r.Dir == record.FromKernel && r.TwinOf == 0 {
					answers++
					complete = bytes.Equal(r.Data[8:12], make([]byte, 4))
				}
				dropped += r.Dropped
				comments = append(comments, r.Comments...)
			})
			if !tt.lost {
				if answers != sas || !complete || dropped != 0 {
					t.Errorf("%d answers, %d dropped, complete: %v", answers, dropped, complete)
				}
				for _, word := range []string{"full", "missing", "ncomplete"} {
					if strings.Contains(stderr, word) || strings.Contains(strings.Join(comments, "\n"), word) {
						t.Errorf("%q is said:\n%s\n%q", word, stderr, comments)
					}
				}
				return
			}
			if answers == sas {
				t.Fatal("nothing was lost")
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("not said: %q\n%s", want, stderr)
				}
			}
			said := strings.Join(comments, "\n")
			for _, want := range []string{"messages may be missing from here on", "messages may be missing up to here", "of a dump: "} {
				if !strings.Contains(said, want) {
					t.Errorf("no comment says %q: %q", want, comments)
				}
			}
			if dropped == 0 || dropped+answers > sas {
				t.Errorf("%d answers, and %d are missing for certain", answers, dropped)
			}
			t.Logf("%d of %d recorded, %d known to be missing", answers, sas, dropped)
		})
	}
}

// TestGoneDump: a dump whose reader closes its socket is over, when nothing of it can
// wait in our queue any more.
func TestGoneDump(t *testing.T) {
	var said bytes.Buffer
	rec := &recording{stderr: &said, tracer: trace.New(trace.Options{Promisc: record.Yes, Lossless: true})}
	rec.Codec = hostCodec()
	rec.who = &who{sockets: map[uint64]*pfkeySocket{}, names: map[uint32]*processName{}, hints: make(chan uint32, 1), note: rec.Note}
	rec.start = &start{}
	p := &peer{codec: rec.Codec, pid: 412}
	number := uint64(0)
	record := func(at time.Time, msg []byte) {
		number++
		rec.annotate(&record.Record{Number: number, Time: at, Codec: rec.Codec, Data: msg, OrigLen: len(msg)})
	}
	now := time.Now()
	record(now, p.encode(&layers.Base{Type: layers.DUMP}))
	record(now, p.encode(&layers.Base{Type: layers.DUMP, SAType: layers.SATypeAH, Seq: 1}, &layers.SA{SPI: 1},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard)}, &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeSoft)},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent)},
		p.codec.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("10.0.0.1:0"), 32, 0),
		p.codec.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("10.0.0.2:0"), 32, 0)))
	rec.who.closed(&pfkeySocket{inode: 7, owners: []keysock.Owner{{PID: 412, Name: "setkey"}}})
	other := &peer{codec: rec.Codec, pid: 500}
	record(time.Now().Add(goneFor/2), other.encode(&layers.Base{Type: layers.FLUSH}))
	if said.Len() > 0 {
		t.Errorf("said too early: %s", said.String())
	}
	record(time.Now().Add(goneFor), other.encode(&layers.Base{Type: layers.FLUSH}))
	if got, want := said.String(), "pfkeycap: record: DUMP #1 of pid=412: 1 record, not the last one (seq 0): incomplete\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

// recorder is a record command under way.
type recorder struct {
	*exec.Cmd
	stderr bytes.Buffer
	ready  chan struct{}
}

// startRecorder starts one, and returns when it listens.
func startRecorder(t *testing.T, args ...string) *recorder {
	t.Helper()
	r := &recorder{Cmd: pfkeycap(append([]string{"record"}, args...)...), ready: make(chan struct{})}
	pipe, err := r.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan struct{})
	go func() {
		defer close(r.ready)
		b := make([]byte, 4096)
		for {
			n, err := pipe.Read(b)
			r.stderr.Write(b[:n])
			if listening != nil && bytes.Contains(r.stderr.Bytes(), []byte("counts no lost messages\n")) { // the last it says at the start
				close(listening)
				listening = nil
			}
			if err != nil {
				if listening != nil {
					close(listening)
				}
				return
			}
		}
	}()
	<-listening
	t.Cleanup(func() { r.Process.Kill() })
	return r
}

// stop ends the recording and returns what it said.
func (r *recorder) stop(t *testing.T) string {
	t.Helper()
	r.Process.Signal(os.Interrupt)
	<-r.ready
	if err := r.Wait(); err != nil {
		t.Errorf("the recorder: %v\n%s", err, r.stderr.String())
	}
	return r.stderr.String()
}

// each reads a capture.
func each(t *testing.T, file string, f func(*record.Record)) {
	t.Helper()
	r, err := record.Open(file, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in := trace.NewReader(r, trace.Options{Promisc: record.Yes})
	for {
		rec, err := in.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		f(rec)
	}
}

// peer is a program that speaks PF_KEY.
type peer struct {
	conn  *keysock.Conn
	codec layers.Codec
	buf   []byte
	pid   uint32
}

func newPeer(t *testing.T) *peer {
	t.Helper()
	p := openPeer()
	t.Cleanup(func() { p.conn.Close() })
	return p
}

func openPeer() *peer {
	conn, err := keysock.Open(keysock.Options{})
	if err != nil {
		panic(err)
	}
	return &peer{conn: conn, codec: hostCodec(), buf: make([]byte, keysock.MaxMessage), pid: uint32(os.Getpid())}
}

// peerAddress is the destination of an SA. Each has one of its own: those to one
// destination are in one list of the kernel's, which is gone through for every ADD.
func peerAddress(spi uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24|spi&0xffffff)
	return netip.AddrFrom4(b)
}

// ah makes a message about an AH SA, the cheapest for a kernel to make.
func (p *peer) ah(typ uint8, spi, seq uint32) []byte {
	exts := []layers.Extension{&layers.SA{SPI: spi, State: 1, Auth: 2},
		p.codec.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("10.0.0.1:0"), 32, 0),
		p.codec.NewAddress(layers.LayerTypeAddressDst, netip.AddrPortFrom(peerAddress(spi), 0), 32, 0)}
	if typ == layers.ADD || typ == layers.UPDATE {
		exts = append(exts, p.codec.NewKey(layers.LayerTypeKeyAuth, []byte("0123456789abcdef")))
	}
	return p.encode(&layers.Base{Type: typ, SAType: layers.SATypeAH, Seq: seq}, exts...)
}

func (p *peer) encode(base *layers.Base, exts ...layers.Extension) []byte {
	base.PID = p.pid
	msg, err := p.codec.Encode(base, exts...)
	if err != nil {
		panic(err)
	}
	return msg
}

// exchange sends a request and reads its answer, which is queued when it is sent.
// What others are told is passed over.
func (p *peer) exchange(msg []byte) (errno uint8, err error) {
	if _, err := p.conn.Write(msg); err != nil {
		return 0, err
	}
	for {
		n, err := p.conn.TryRead(p.buf)
		if err != nil || n == 0 {
			return 0, fmt.Errorf("no answer to a message of type %d: %w", msg[1], err)
		}
		if p.buf[1] == msg[1] && bytes.Equal(p.buf[8:16], msg[8:16]) {
			return p.buf[2], nil
		}
	}
}

func (p *peer) ask(t testing.TB, msg []byte) {
	t.Helper()
	errno, err := p.exchange(msg)
	if err != nil || errno != 0 {
		t.Fatalf("message of type %d: errno %d, %v", msg[1], errno, err)
	}
}

// list lists all SAs and returns how many there are. then is called after some.
func (p *peer) list(seq uint32, some int, then func()) (n int, err error) {
	if _, err := p.conn.Write(p.encode(&layers.Base{Type: layers.DUMP, Seq: seq})); err != nil {
		return 0, err
	}
	p.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		size, err := p.conn.Read(p.buf)
		if err != nil {
			return n, fmt.Errorf("after %d records: %w", n, err)
		}
		base, _, _ := p.codec.Extensions(p.buf[:size])
		if base.Type != layers.DUMP || base.PID != p.pid {
			continue
		}
		if base.Errno != 0 {
			return n, fmt.Errorf("after %d records: %w", n, syscall.Errno(base.Errno))
		}
		if n++; n == some {
			then()
		}
		if base.Seq == 0 {
			return n, nil
		}
	}
}
