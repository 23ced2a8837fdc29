//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// soakVariable is how long TestSoak goes on, as time.ParseDuration has it.
const soakVariable = "PFKEYCAP_SOAK"

// TestSoak: several programs write for a while, with thousands of SAs, while two
// recorders listen: one with default settings, files that rotate and a ring of them;
// and one with a small buffer that is stopped now and then. What was sent is what was
// recorded, and of the second recorder what it explains besides.
func TestSoak(t *testing.T) { sandboxtest.Run(t, testSoak) }

func testSoak(t *testing.T) {
	duration := 2 * time.Second
	if v := os.Getenv(soakVariable); v != "" {
		var err error
		if duration, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	dir := openDir(t)
	const ring = 4
	good := startRecorder(t, "-w", filepath.Join(dir, "good.pcapng"), "-b", "filesize:400", "-b", fmt.Sprint("files:", ring))
	lossy := startRecorder(t, "-w", filepath.Join(dir, "lossy.pcapng"), "-B", "128")

	const writers = 4
	var programs []*exec.Cmd
	var outs []io.Reader
	for i := range writers {
		cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"soak-writer", fmt.Sprint(i), duration.String()}, Stderr: os.Stderr}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		programs, outs = append(programs, cmd), append(outs, out)
	}
	early := lookAt(t, good.Process.Pid)
	for end := time.Now().Add(duration); time.Now().Before(end); {
		lossy.Process.Signal(syscall.SIGSTOP)
		time.Sleep(100 * time.Millisecond)
		lossy.Process.Signal(syscall.SIGCONT)
		if time.Sleep(300 * time.Millisecond); time.Until(end) > duration*3/4 {
			early = lookAt(t, good.Process.Pid)
		}
	}
	var all soakCount
	last := map[uint32]uint32{} // sequence number by process
	for i, cmd := range programs {
		var c soakCount
		if err := json.NewDecoder(outs[i]).Decode(&c); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		last[c.PID] = c.Requests
		all.Requests += c.Requests
		all.Messages += c.Messages
		all.SAs += c.SAs
	}
	late := lookAt(t, good.Process.Pid)
	goodSaid, lossySaid := good.stop(t), lossy.stop(t)

	// X_PROMISC is announced to everybody, twice to who is promiscuous. Of the second
	// recorder's the first one sees the request too.
	received := soakReceived(t, goodSaid)
	if want := all.Messages + 2 + 3; received != want {
		t.Errorf("%d messages received, want %d\n%.2000s", received, want, goodSaid)
	}
	for _, word := range []string{"full", "missing", "ncomplete"} {
		if strings.Contains(goodSaid, word) {
			t.Errorf("%q is said: %.2000s", word, goodSaid)
			break
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "good_*.pcapng"))
	if err != nil || len(files) == 0 || len(files) > ring {
		t.Fatalf("%d files, %v", len(files), err)
	}
	slices.Sort(files)
	s := newSoakReader(t)
	for _, f := range files {
		if _, err := os.Stat(f + record.KeysSuffix); err != nil {
			t.Error(err)
		}
		s.read(f)
	}
	if s.lastNumber != received+1 {
		t.Errorf("the last record is %d, %d were received and 1 sent", s.lastNumber, received)
	}
	if s.missing != 0 || s.doubtful != 0 || s.unknown != 0 {
		t.Errorf("%d requests are missing, %d records are in doubt, of %d the direction is not known", s.missing, s.doubtful, s.unknown)
	}
	for pid, seq := range last {
		if got, left := s.seq[pid]; left && got != seq {
			t.Errorf("the last request of process %d is %d, it sent %d", pid, s.seq[pid], seq)
		}
	}
	if late.memory > early.memory+8<<10 || late.files > early.files+2 {
		t.Errorf("the recorder has grown from %+v to %+v", early, late)
	}

	l := newSoakReader(t)
	l.read(filepath.Join(dir, "lossy.pcapng"))
	lossyReceived := soakReceived(t, lossySaid)
	if want := all.Messages + 2; lossyReceived >= want || l.missing == 0 {
		t.Errorf("nothing was lost: %d received, want fewer than %d", lossyReceived, want)
	}
	if l.unexplained != 0 {
		t.Errorf("%d of %d missing requests are where nothing may be missing", l.unexplained, l.missing)
	}
	if l.lastNumber != lossyReceived+1 || l.firstNumber != 1 || l.records != lossyReceived+1 {
		t.Errorf("%d records from %d to %d, %d received", l.records, l.firstNumber, l.lastNumber, lossyReceived)
	}
	t.Logf("%v: %d requests about at most %d SAs, %d messages; %d records in %d files are left of %d; the recorder had %d KiB and %d files, then %d KiB and %d files",
		duration, all.Requests, all.SAs, all.Messages, s.records, len(files), received+1, early.memory, early.files, late.memory, late.files)
	t.Logf("small buffer: %d of %d messages recorded; all %d requests that are missing are explained by %d records in doubt",
		lossyReceived, all.Messages+2, l.missing, l.doubtful)
}

// usage is what a process has.
type usage struct{ memory, files int } // KiB, descriptors

func lookAt(t *testing.T, pid int) (u usage) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(b); m != nil {
		u.memory, _ = strconv.Atoi(string(m[1]))
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(fds)
	return u
}

func soakReceived(t *testing.T, said string) uint64 {
	t.Helper()
	m := regexp.MustCompile(`Packets received/dropped on interface 'pfkey': (\d+)/unknown`).FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("no count:\n%s", said)
	}
	n, _ := strconv.ParseUint(m[1], 10, 64)
	return n
}

// soakReader follows the requests in captures of one recording.
type soakReader struct {
	t                       *testing.T
	firstNumber, lastNumber uint64
	records                 uint64
	seq                     map[uint32]uint32 // of the last request of each process
	number                  map[uint32]uint64 // of its record
	missing                 int               // requests
	unexplained             int               // of them, where nothing is said to be missing
	doubtful                int               // records between the comments that say where messages may be missing
	lastDoubtful            uint64
	unknown                 int // directions
	doubt                   bool
}

func newSoakReader(t *testing.T) *soakReader {
	return &soakReader{t: t, seq: map[uint32]uint32{}, number: map[uint32]uint64{}}
}

func (s *soakReader) read(file string) {
	s.t.Helper()
	r, err := record.Open(file, record.ReaderOptions{Notice: func(n string) { s.t.Errorf("%s: %s", file, n) }})
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			s.t.Fatalf("%s: %v", file, err)
		}
		if s.records > 0 && rec.Number != s.lastNumber+1 {
			s.t.Fatalf("%s: record %d comes after %d", file, rec.Number, s.lastNumber)
		}
		if s.records == 0 {
			s.firstNumber = rec.Number
		}
		s.lastNumber = rec.Number
		s.records++
		ends := false
		for _, c := range rec.Comments {
			s.doubt = s.doubt || strings.Contains(c, "missing from here on")
			ends = ends || strings.Contains(c, "missing up to here")
		}
		if s.doubt {
			s.doubtful++
			s.lastDoubtful = rec.Number
		}
		m := layers.Message{Base: layers.Base{Codec: rec.Codec}}
		m.DecodeFromBytes(rec.Data, nil)
		if rec.Dir == record.Unknown {
			s.unknown++
		}
		if rec.Dir == record.ToKernel && m.Type != layers.PROMISC {
			if before, known := s.seq[m.PID]; known || s.firstNumber == 1 {
				if skipped := int(m.Seq) - int(before) - 1; skipped != 0 {
					s.missing += skipped
					if s.lastDoubtful <= s.number[m.PID] {
						s.unexplained += skipped
					}
				}
			}
			s.seq[m.PID], s.number[m.PID] = m.Seq, rec.Number
		}
		if ends {
			s.doubt = false
		}
	}
}

// soakCount is what a writer has done.
type soakCount struct {
	PID      uint32
	Requests uint32
	Messages uint64 // that a promiscuous listener gets
	SAs      int    // at most
}

func init() { programs["soak-writer"] = soakWriter }

// soakWriter is the program that TestSoak starts: its arguments are a number of its
// own and how long to go on.
func soakWriter() {
	id, _ := strconv.Atoi(os.Args[1])
	duration, err := time.ParseDuration(os.Args[2])
	if err != nil {
		panic(err)
	}
	w := &soaker{peer: openPeer(), rng: rand.New(rand.NewPCG(uint64(id), 1)), id: uint32(id)}
	if _, err := w.peer.conn.SetReceiveBuffer(8 << 20); err != nil {
		panic(err)
	}
	for end := time.Now().Add(duration); time.Now().Before(end); {
		w.step()
		if len(w.sas) >= soakSAs/2 {
			// One processor has to do for the writers, the kernel and the recorders:
			// writers that never wait leave these too little of it.
			time.Sleep(soakPause)
		}
	}
	w.count.PID = w.peer.pid
	json.NewEncoder(os.Stdout).Encode(w.count)
}

type soaker struct {
	peer  *peer
	rng   *rand.Rand
	id    uint32
	spi   uint32
	sas   []uint32
	sps   []uint32
	count soakCount
}

const (
	soakSAs   = 1000 // that each writer has at most
	soakPause = 4 * time.Millisecond
)

func (w *soaker) step() {
	p := w.peer
	w.spi++
	spi := w.id<<20 | 0x1000 + w.spi
	any := func() uint32 { return w.sas[w.rng.IntN(len(w.sas))] }
	switch k := w.rng.IntN(100); {
	case len(w.sas) < soakSAs/2 || k < 40 && len(w.sas) < soakSAs:
		w.send(p.ah(layers.ADD, spi, w.next()), 0, 3)
		w.sas = append(w.sas, spi)
		w.count.SAs = max(w.count.SAs, len(w.sas))
	case k < 50:
		w.send(p.ah(layers.GET, any(), w.next()), 0, 2)
	case k < 55:
		w.send(p.ah(layers.GET, spi, w.next()), uint8(syscall.ESRCH), 2)
	case k < 60:
		w.send(p.ah(layers.UPDATE, any(), w.next()), 0, 3)
	case k < 65:
		w.send(p.ah(layers.ADD, any(), w.next()), uint8(syscall.EEXIST), 2)
	case k < 75:
		w.send(p.policy(layers.SPDADD, spi, w.next()), 0, 3)
		w.sps = append(w.sps, spi)
	case k < 85 && len(w.sps) > 0:
		w.send(p.policy(layers.SPDDELETE, w.sps[0], w.next()), 0, 3)
		w.sps = w.sps[1:]
	case k == 85 && w.rng.IntN(10) == 0:
		n, err := p.list(w.next(), 0, nil)
		if err != nil {
			panic(err)
		}
		w.count.Messages += 1 + uint64(n)
	default:
		i := w.rng.IntN(len(w.sas))
		w.send(p.ah(layers.DELETE, w.sas[i], w.next()), 0, 3)
		w.sas[i] = w.sas[len(w.sas)-1]
		w.sas = w.sas[:len(w.sas)-1]
	}
}

func (w *soaker) next() uint32 {
	w.count.Requests++
	return w.count.Requests
}

// send sends a request that must be answered with errno, and counts the messages
// that a promiscuous listener gets because of it.
func (w *soaker) send(msg []byte, errno uint8, messages uint64) {
	got, err := w.peer.exchange(msg)
	if err != nil {
		panic(err)
	}
	if got != errno {
		panic(fmt.Sprintf("message of type %d: errno %d, want %d", msg[1], got, errno))
	}
	w.count.Messages += messages
}

// policy makes a message about a policy for one address.
func (p *peer) policy(typ uint8, spi, seq uint32) []byte {
	x := &layers.Policy{Type: 2, Dir: 2}
	if typ == layers.SPDADD {
		x.List = p.codec.AppendRequest(nil, layers.Request{Proto: 51, Mode: 1, Level: 1})
	}
	return p.encode(&layers.Base{Type: typ, Seq: seq}, x,
		p.codec.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("10.0.0.1:0"), 32, 17),
		p.codec.NewAddress(layers.LayerTypeAddressDst, netip.AddrPortFrom(peerAddress(spi), 0), 32, 17))
}
