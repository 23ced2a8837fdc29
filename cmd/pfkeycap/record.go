package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

func recordCommand() *cli.Command {
	return &cli.Command{
		Usage:     "record this kernel's PF_KEY traffic",
		ArgsUsage: "[-- COMMAND…]",
		Description: `Listens on a promiscuous PF_KEY socket and writes every message to FILE, or without
-w prints them. With a COMMAND it records while that runs and ends with its exit
status. It never registers: a registered listener changes what a kernel does.

Keys do not get into the capture: stand-ins of the same length do, and the true bytes
go into FILE.keys, for you alone. --keys inside puts them into the capture, --keys none
nowhere.

SIGINT, SIGTERM and SIGHUP end the recording cleanly (SIGHUP not under nohup). SIGUSR1
prints counts, SIGUSR2 waits until what has been recorded is on the disk, which
otherwise happens every 5 seconds and at the end of each file.

Files are made with mode 0600. One that is there is never overwritten without
--overwrite: the recording does not begin, or goes on under another name.`,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "write", Aliases: []string{"w"}, Usage: "write the capture to `FILE`, \"-\" is standard output"},
			&cli.BoolFlag{Name: "print", Aliases: []string{"P"}, Usage: "print the messages too"},
			&cli.BoolFlag{Name: "no-promiscuous-mode", Aliases: []string{"p"}, Usage: "only what is sent to every socket: no requests, no answers to others"},
			&cli.Uint64Flag{Name: "count", Aliases: []string{"c"}, Usage: "stop after `N` messages", DefaultText: "never"},
			&cli.IntFlag{Name: "snaplen", Aliases: []string{"s"}, Usage: "keep the first `N` bytes of a message", DefaultText: "all"},
			&cli.IntFlag{Name: "buffer", Aliases: []string{"B"}, Usage: "receive buffer in `KIB`", Value: 16384},
			&cli.StringFlag{Name: "keys", Usage: "`WHERE` secrets go: beside, inside or none (beside; none on standard output)"},
			&cli.StringFlag{Name: "keys-file", Usage: "write the secrets to `FILE` (FILE.keys of -w)"},
			&cli.StringFlag{Name: "salt-file", Usage: "make stand-ins under the salt in `FILE`, to compare recordings; made if missing"},
			&cli.BoolFlag{Name: "overwrite", Usage: "replace FILE and its side file"},
			&cli.StringFlag{Name: "filter", Aliases: []string{"f"}, Usage: "only what `EXPR` is true for, as decode -Y has it; the rest is counted"},
			targetFlag(), sandboxFlag(), kernelFlag(),
		}, startFlags(), privilegeFlags(), fileFlags(), outputFlags("t")),
		Action: recordAction,
	}
}

func recordAction(c *cli.Context) error {
	operands, command := split(c.Args().Slice())
	if len(operands) > 0 {
		return usagef("unexpected operand %q: a command stands after \"--\"", operands[0])
	}
	if c.Int("buffer") <= 0 || c.Int("snaplen") < 0 {
		return usagef("-B and -s want a positive number")
	}
	plan, err := parseFilePlan(c)
	if err != nil {
		return err
	}
	first, err := parseStart(c)
	if err != nil {
		return err
	}
	if c.String("write") == "-" {
		if c.Bool("print") {
			return usagef("standard output cannot take both the capture and -P")
		}
		if err := notTerminal(c); err != nil {
			return err
		}
	}
	if _, err := newChooser(c.String("filter"), nil); err != nil { // what is wrong with it is said without a socket
		return err
	}
	if elsewhere, err := inTarget(c); elsewhere {
		return err
	}
	rec, err := newRecording(c, plan, command)
	if err != nil {
		return err
	}
	rec.start = first
	defer rec.close()
	return rec.run(c, command)
}

// recording is a Recorder with what surrounds it on the command line.
type recording struct {
	record.Recorder
	conn   *keysock.Conn
	name   string // of the capture, or of the captures; "" if there is none
	plan   *filePlan
	after  *postrotate // nil if there is nothing to do with finished files
	stderr io.Writer
	closed bool

	printing   *beside     // for what is printed beside a capture
	readerGone atomic.Bool // of standard output

	tracer *trace.Tracer
	who    *who
	losses losses
	start  *start

	launcher *launcher // of the command, where it is to keep privileges that we give up
}

// recordBatch is how many messages are read, and then written, at a time. With half
// as many a burst costs 7 % more processor time: each of the system calls for a batch
// takes as long as several messages.
const recordBatch = 64

// annotate completes a record with what is known of its process and of what came
// before.
func (rec *recording) annotate(r *record.Record) {
	rec.tracer.Annotate(r)
	rec.who.annotate(r)
	rec.followStart(r, rec.followDumps(r))
}

func newRecording(c *cli.Context, plan *filePlan, command []string) (rec *recording, err error) {
	rec = &recording{stderr: c.App.ErrWriter, name: c.String("write"), plan: plan}
	if p := newProgress(rec.stderr); p != nil && rec.name != "" && !c.Bool("print") {
		rec.stderr = p
	}
	conn, err := openSocket(keysock.Options{})
	if err != nil {
		return nil, err
	}
	rec.conn = conn
	opened := rec
	defer func() {
		if err != nil {
			conn.Close()
			opened.launcher.close()
		}
	}()
	want := c.Int("buffer") << 10
	if got, err := conn.SetReceiveBuffer(want); err != nil || got < want {
		rec.say("the receive buffer is %d KiB, not %d: what does not fit is lost%s", got>>10, want>>10, bufferAdvice)
	}
	rec.Socket = &socket{conn: conn, batch: keysock.NewBatch(recordBatch)}
	// The batch is 32 MiB of the heap, most of which is never touched. Without this the
	// collector would wait for as much garbage again, which is.
	debug.SetGCPercent(12)
	rec.Codec = hostCodec()
	rec.OnLoss = rec.sayLoss
	rec.MaxRecords, rec.MaxSize, rec.MaxDuration = plan.maxRecords, plan.maxSize, plan.maxDuration
	rec.SyncEvery = 5 * time.Second

	promisc := !c.Bool("no-promiscuous-mode")
	rec.who = newWho(conn, rec.say, rec.Note)
	rec.who.state()
	if err := rec.givePrivilegesUp(c, command); err != nil {
		return nil, err
	}
	// The queue is watched, so order alone tells which of two equal messages is the
	// request, but where the Recorder suspects a gap.
	rec.tracer = trace.New(trace.Options{Promisc: record.No, Lossless: true})
	rec.Annotate = rec.annotate
	salt, err := recordingSalt(c)
	if err != nil {
		return nil, err
	}
	ids := record.NewHider(salt).ID // as in the captures
	choose, err := newChooser(c.String("filter"), ids)
	if err != nil {
		return nil, err
	}
	rec.Keep = choose
	if rec.name == "" || c.Bool("print") {
		p, err := newPrinter(c, ids)
		if err != nil {
			return nil, err
		}
		if choose != nil {
			rec.Keep = func(r *record.Record) bool {
				keep := choose(r)
				if !keep {
					p.text.Remember(r)
				}
				return keep
			}
		}
		if rec.name != "" { // a terminal that is stopped does not stop the recording
			rec.printing = newBeside(p.w, 1<<20)
			p.w = rec.printing
		}
		rec.OnRecord = func(r *record.Record) error {
			if r.TwinOf != 0 && p.isText() {
				p.text.Remember(r)
				return nil
			}
			if err := p.print(r); err != nil {
				return err
			}
			if out, ok := p.w.(*output); ok && out.err != nil {
				return out.err
			}
			return nil
		}
	}
	if rec.name != "" {
		if err := rec.openCapture(c, promisc, salt); err != nil {
			if name := c.String("relinquish-privileges"); name != "" && errors.Is(err, os.ErrPermission) {
				err = fmt.Errorf("%w (-Z: files are made as %s)", err, name)
			}
			return nil, err
		}
	}
	return rec, nil
}

// newChooser compiles the expression of -f; nil means everything.
func newChooser(expr string, ids func(*record.Record, []byte, int) [4]byte) (func(*record.Record) bool, error) {
	if expr == "" {
		return nil, nil
	}
	if ids == nil {
		ids = record.NewHider(record.NewSalt()).ID
	}
	f, err := filter.Compile(expr, filter.Options{ID: ids})
	if err != nil {
		return nil, usagef("-f: %w", err)
	}
	return f.Match, nil
}

// recordingSalt is the salt of --salt-file, which is made if it is missing, or a
// new one.
func recordingSalt(c *cli.Context) (record.Salt, error) {
	f := c.String("salt-file")
	if f == "" {
		return record.NewSalt(), nil
	}
	salt, err := record.ReadSaltFile(f)
	if errors.Is(err, os.ErrNotExist) {
		salt, err = record.CreateSaltFile(f)
	}
	if err != nil {
		return salt, usagef("%w", err)
	}
	return salt, nil
}

func (rec *recording) openCapture(c *cli.Context, promisc bool, salt record.Salt) error {
	o := record.WriterOptions{
		SnapLen:     c.Int("snaplen"),
		Hardware:    runtime.GOARCH,
		OS:          osName(),
		Application: "pfkeycap " + versionString(),
		KeysFile:    c.String("keys-file"),
		Overwrite:   c.Bool("overwrite"),
		Salt:        salt,
		Filter:      c.String("filter"),
	}
	o.Meta = record.Meta{Dialect: rec.Codec.Dialect, Order: rec.Codec.Order, Promisc: record.AnswerOf(promisc), Keys: record.KeysBeside}
	if ns, err := keysock.NetNSInode(); err == nil {
		o.Meta.NetNS = ns
	}
	if rec.name == "-" && o.KeysFile == "" {
		o.Meta.Keys = record.KeysNone
	}
	if k := c.String("keys"); k != "" {
		var err error
		if o.Meta.Keys, err = record.ParseKeys(k); err != nil {
			return usagef("%w", err)
		}
	}
	if rec.name == "-" {
		var err error
		rec.Writer, err = createCapture(c, rec.name, o)
		return err
	}
	return rec.openFiles(c, o)
}

// run records until it is told to stop, or while a command runs.
func (rec *recording) run(c *cli.Context, command []string) error {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	for _, on := range []struct {
		do   func()
		sigs []os.Signal
	}{{rec.summary, countSignals}, {rec.syncNow, syncSignals}, {func() {}, writeSignals}} {
		defer onSignal(on.do, on.sigs)()
	}
	if rec.name == "-" || rec.OnRecord != nil {
		defer onReaderGone(standardOutput(c), func() {
			rec.readerGone.Store(true)
			cancel()
		})()
	}

	if err := rec.open(!c.Bool("no-promiscuous-mode")); err != nil {
		return err
	}
	rec.greet()
	if p, ok := rec.stderr.(*progress); ok && command == nil { // whose lines would mingle with it
		defer rec.showProgress(p)()
	}

	go rec.who.watch(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- rec.Run(ctx)
		cancel()
	}()
	if c.Bool("snapshot") {
		rec.snapshot(ctx)
	}
	var child *childRun
	if command != nil {
		var err error
		if child, err = rec.startChild(c, command, cancel); err != nil {
			cancel()
			<-ended
			return err
		}
	}
	err := <-ended
	rec.endDumps()
	if child != nil {
		child.stop()
	}
	if cerr := rec.close(); err == nil {
		err = cerr
	}
	rec.summary()
	if gone := rec.readerGone.Load() || errors.Is(err, syscall.EPIPE); gone {
		// Of text the reader has seen enough; a capture is not whole.
		if err = nil; rec.name == "-" {
			err = fmt.Errorf("standard output: nobody reads it any more, so the recording ends: %w", syscall.EPIPE)
		} else if rec.name != "" {
			rec.say("nobody reads standard output any more, so the recording ends")
		}
	}
	if err == nil && rec.after != nil && rec.after.failed {
		err = errors.New("not every finished file could be dealt with")
	}
	if err != nil {
		status := exitDamage
		if child != nil {
			status = ownFailure
		}
		if !errors.Is(err, record.ErrRemoved) {
			err = fmt.Errorf("%w; what has been recorded stays readable", err)
		}
		return &statusError{status, err}
	}
	if child != nil {
		return child.result()
	}
	return nil
}

func (rec *recording) close() error {
	if rec.closed {
		return nil
	}
	rec.closed = true
	err := rec.Recorder.Close()
	if cerr := rec.conn.Close(); err == nil {
		err = cerr
	}
	if rec.printing != nil {
		left, cut := rec.printing.end(3 * time.Second)
		if left > 0 {
			rec.say("%d messages were not printed, because standard output was too slow", left)
		}
		if cut {
			rec.say("the last messages were not printed, because standard output stands still")
		}
	}
	if rec.after != nil {
		rec.after.wait()
	}
	return err
}

// syncNow brings what has been recorded to the disk and says so.
func (rec *recording) syncNow() {
	err := rec.Sync()
	if err != nil {
		rec.say("bringing the capture to the disk: %v", err)
		return
	}
	rec.say("%s are on the disk", plural(int(rec.Counts().Written), "message"))
}

// showProgress counts the messages on a terminal, as dumpcap does.
func (rec *recording) showProgress(p *progress) (stop func()) {
	tick := time.NewTicker(time.Second)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				p.say("Packets: %d", rec.Counts().Kept)
			case <-done:
				return
			}
		}
	}()
	return func() {
		tick.Stop()
		close(done)
		p.end()
	}
}

// greet says what is recorded and what this system hides.
func (rec *recording) greet() {
	if rec.Writer != nil {
		rec.greetFile()
	}
	if u := rec.who.users(); u != "" {
		fmt.Fprintf(rec.stderr, "pfkeycap: PF_KEY sockets of %s\n", u)
	}
	if h := hidden(rec.Codec.Dialect); h != "" {
		fmt.Fprintf(rec.stderr, "pfkeycap: %s\n", h)
	}
}

// greetFile says where the capture goes.
func (rec *recording) greetFile() {
	to := rec.Writer.Name()
	if to == "" {
		to = "standard output"
	}
	fmt.Fprintf(rec.stderr, "pfkeycap: recording PF_KEY (%v) to %s", rec.Codec, to)
	if k := rec.Writer.Meta().Keys; k == record.KeysBeside {
		fmt.Fprintf(rec.stderr, ", keys to %s", rec.Writer.KeysFile())
	} else {
		fmt.Fprintf(rec.stderr, ", keys %v", k)
	}
	if s := rec.plan.String(); s != "" {
		fmt.Fprintf(rec.stderr, "; %s", s)
	}
	fmt.Fprintln(rec.stderr)
}

// summary says what was done, in dumpcap's words. What the kernel dropped is
// unknown where it does not count, which is not the same as 0.
func (rec *recording) summary() {
	n := rec.Counts()
	var b strings.Builder
	captured := n.Kept
	if rec.Writer != nil {
		captured = n.Written
	}
	fmt.Fprintf(&b, "Packets captured: %d", captured)
	switch {
	case rec.plan.divided():
		fmt.Fprintf(&b, " (%d bytes in %s)", n.Bytes, plural(n.Files, "file"))
	case rec.Writer != nil:
		fmt.Fprintf(&b, " (%d bytes)", n.Bytes)
	}
	fmt.Fprintf(&b, "\nPackets received/dropped on interface 'pfkey': %d/unknown", n.Received)
	var also []string
	if n.Sent > 0 {
		also = append(also, fmt.Sprintf("%d sent by pfkeycap", n.Sent))
	}
	if n.Kept > captured {
		also = append(also, fmt.Sprintf("%d could not be written", n.Kept-captured))
	}
	if rec.Keep != nil {
		also = append(also, fmt.Sprintf("%d left out by the filter", n.Received+n.Sent-n.Kept))
	}
	if len(also) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(also, ", "))
	}
	fmt.Fprintln(rec.stderr, b.String())
	rec.summarizeLoss(n)
}

// plural is a number with its noun.
func plural(n int, noun string) string { return fmt.Sprintf("%d %s", n, nounFor(n, noun)) }

// nounFor is an English noun for n things.
func nounFor(n int, noun string) string {
	switch {
	case n == 1:
		return noun
	case strings.HasSuffix(noun, "y"):
		return strings.TrimSuffix(noun, "y") + "ies"
	case strings.HasSuffix(noun, "s"):
		return noun + "es"
	}
	return noun + "s"
}

// socket adapts a keysock.Conn to what a Recorder reads.
type socket struct {
	conn  *keysock.Conn
	batch *keysock.Batch
}

func (s *socket) Receive() (record.Batch, error) {
	_, err := s.conn.ReadBatch(s.batch)
	return s.batch, err
}

func (s *socket) TryReceive() (record.Batch, error) {
	_, err := s.conn.TryReadBatch(s.batch)
	return s.batch, err
}

func (s *socket) Interrupt() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) }

func (s *socket) Queue() (used, limit int) {
	m, _ := s.batch.Queue()
	return int(m.Queued), int(m.Limit)
}
