package replay

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// A plan can be run where its target is, at the other end of two byte streams such
// as the standard streams of a process in a sandbox: Serve there, NewRemote here. A
// request then costs what it costs there, and no way there and back. What goes over
// the streams are frames: a byte that says what it is, a number and the length of
// the rest as four bytes each, little-endian, and the rest.
//
// The server begins with a hello. It gets a job in pieces, runs it, tells meanwhile
// how far it is and what it observes, and ends with the report in pieces.
type frameKind byte

const (
	frameHello    frameKind = 'h' // from the server: number = dialect<<8 | order; the rest is remoteMagic
	framePiece    frameKind = 'j' // to the server: a piece of the job, which is compressed (RFC 1951)
	frameGo       frameKind = 'g' // to the server: the job is complete
	frameProgress frameKind = 's' // from the server: number = requests sent
	frameObserved frameKind = 'o' // from the server: number = socket; the rest is the head and the message
	frameReport   frameKind = 'y' // from the server: a piece of the report, which is JSON
	frameEnd      frameKind = 'z' // from the server: the report is complete; the rest is the error, if there is one
)

// remoteMagic tells versions of the protocol apart.
const remoteMagic = "pfkeycap replay 3"

const (
	frameHeader = 9
	// maxFrame is more than a message can have, with what stands before it.
	maxFrame = layers.MaxMessage + 64
	// maxReport bounds a report.
	maxReport = 1 << 30
	// observedHead is what stands before an observed message: its time in
	// nanoseconds, the recorded request, the direction and whether it is a copy.
	observedHead = 18
	pieceLen     = 32 << 10
)

// beat is how often a server tells how far it is.
const beat = 250 * time.Millisecond

// ErrProtocol means that the other end does not speak the protocol of Serve.
var ErrProtocol = errors.New("not a server of replays")

type frameReader struct {
	r   *bufio.Reader
	buf bytes.Buffer
}

// next reads a frame. Its payload is valid until the next call. io.EOF means that
// the stream ended where a frame could begin.
func (f *frameReader) next() (kind frameKind, number uint32, payload []byte, err error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		return 0, 0, nil, err
	}
	kind = frameKind(h[0])
	number = binary.LittleEndian.Uint32(h[1:])
	n := binary.LittleEndian.Uint32(h[5:])
	if n > maxFrame {
		return 0, 0, nil, fmt.Errorf("%w: a frame %q of %d bytes, longer than %d", ErrProtocol, h[0], n, maxFrame)
	}
	f.buf.Reset()
	// The buffer grows with what arrives, not with what is announced.
	if _, err := io.CopyN(&f.buf, f.r, int64(n)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, 0, nil, err
	}
	return kind, number, f.buf.Bytes(), nil
}

func writeFrame(w *bufio.Writer, kind frameKind, number uint32, parts ...[]byte) error {
	var h [frameHeader]byte
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	h[0] = byte(kind)
	binary.LittleEndian.PutUint32(h[1:], number)
	binary.LittleEndian.PutUint32(h[5:], uint32(n))
	if _, err := w.Write(h[:]); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// pieces is a Writer that makes frames of one kind of what is written to it.
type pieces struct {
	w    *bufio.Writer
	kind frameKind
}

func (p pieces) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), pieceLen)
		if err := writeFrame(p.w, p.kind, 0, rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

// Serve lets t run the plans that come from r, one after the other, until r ends.
// What is found out goes to w. When r ends while a plan is run, that is stopped, and
// its report written. Serve returns nil at the end of r, or what made it stop. t is
// not closed. why is RunOptions.Why of all plans: a function does not come along.
func Serve(ctx context.Context, r io.Reader, w io.Writer, t Target, why Explainer) error {
	s := server{target: t, why: why, in: make(chan inFrame), done: make(chan struct{}), out: bufio.NewWriterSize(w, 64<<10)}
	defer close(s.done)
	c := t.Codec()
	if err := writeFrame(s.out, frameHello, uint32(c.Dialect)<<8|uint32(c.Order), []byte(remoteMagic)); err != nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return err
	}
	go s.read(r)
	for {
		first, ok := <-s.in
		if !ok {
			return s.end
		}
		job := &jobPieces{in: s.in, frame: first}
		plan, o, h, err := readJob(flate.NewReader(job))
		if err == nil {
			err = job.finish()
		}
		if err != nil {
			return errors.Join(err, s.finish(&Report{}, err))
		}
		// What reading the plan has left behind is memory that a guest has already been
		// given, which is dear, and a collection later on would come amid the requests.
		runtime.GC()
		report, err := s.run(ctx, plan, o, h)
		if err := s.finish(report, err); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
}

// server is one call of Serve.
type server struct {
	target Target
	why    Explainer
	in     chan inFrame // closed at the end of the stream; end is then set
	done   chan struct{}
	end    error // nil at a proper end

	mu  sync.Mutex
	out *bufio.Writer
}

type inFrame struct {
	kind    frameKind
	payload []byte
}

func (s *server) read(r io.Reader) {
	defer close(s.in)
	f := frameReader{r: bufio.NewReaderSize(r, 64<<10)}
	for {
		kind, _, payload, err := f.next()
		if err == nil && kind != framePiece && kind != frameGo {
			err = fmt.Errorf("%w: a frame %q", ErrProtocol, byte(kind))
		}
		if err != nil {
			if err != io.EOF {
				s.end = fmt.Errorf("reading requests: %w", err)
			}
			return
		}
		select {
		case s.in <- inFrame{kind, bytes.Clone(payload)}:
		case <-s.done:
			return
		}
	}
}

// jobPieces reads the pieces of one job.
type jobPieces struct {
	in    chan inFrame
	frame inFrame // what is left of the last one
}

func (p *jobPieces) Read(b []byte) (int, error) {
	for len(p.frame.payload) == 0 {
		if p.frame.kind == frameGo {
			return 0, io.EOF
		}
		var ok bool
		if p.frame, ok = <-p.in; !ok {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(b, p.frame.payload)
	p.frame.payload = p.frame.payload[n:]
	return n, nil
}

// finish reads what stands behind the compressed job: nothing but its last frame.
func (p *jobPieces) finish() error {
	n, err := p.Read(make([]byte, 1))
	switch {
	case n != 0:
		return fmt.Errorf("%w: more than a job", ErrProtocol)
	case err != io.EOF:
		return err
	}
	return nil
}

// run runs a plan, until the end of the stream if that comes first.
func (s *server) run(ctx context.Context, plan *Plan, o RunOptions, h jobHeader) (*Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var ended sync.WaitGroup
	defer ended.Wait()
	over := make(chan struct{})
	defer close(over)

	var sent, alive atomic.Int64
	o.Why = s.why
	o.Progress = func(n int) { sent.Store(int64(n)); alive.Store(1) }
	if h.Observe {
		o.Observe = s.observe
	}
	ended.Add(1)
	go func() {
		defer ended.Done()
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-s.in: // the end; nothing else may come now
				cancel(errEnded)
				return
			case <-tick.C:
				// Nothing is said while the target hangs.
				if alive.Swap(0) != 0 {
					s.mu.Lock()
					if writeFrame(s.out, frameProgress, uint32(sent.Load())) == nil {
						_ = s.out.Flush() // the report meets the same error
					}
					s.mu.Unlock()
				}
			}
		}
	}()
	return Run(ctx, plan, s.target, o)
}

func (s *server) observe(o *Observed) {
	var head [observedHead]byte
	binary.LittleEndian.PutUint64(head[0:], uint64(o.Time.UnixNano()))
	binary.LittleEndian.PutUint64(head[8:], o.Record)
	head[16] = byte(o.Dir)
	if o.Copy {
		head[17] = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = writeFrame(s.out, frameObserved, uint32(o.Socket), head[:], o.Data) // the Writer keeps the error
	if o.Dir == record.ToKernel {
		_ = s.out.Flush() // it may be the end of this machine
	}
}

// finish writes the report and what made the run stop.
func (s *server) finish(report *Report, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := bufio.NewWriterSize(pieces{s.out, frameReport}, pieceLen)
	if err := json.NewEncoder(w).Encode(report); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if err := writeFrame(s.out, frameEnd, 0, []byte(text[:min(len(text), 4096)])); err != nil {
		return err
	}
	return s.out.Flush()
}

// errEnded is what a server says that was told to stop; why, the other end knows.
var errEnded = errors.New("the connection was ended")

// Remote is the other end of Serve.
type Remote struct {
	codec layers.Codec
	r     io.Reader
	in    frameReader
	w     io.WriteCloser
	end   error // why it is of no further use
	close sync.Once
}

// NewRemote connects with the server at the other end of r and w, and waits for its
// hello. If ctx ends, w is closed, and r too if it is an io.Closer.
func NewRemote(ctx context.Context, r io.Reader, w io.WriteCloser) (*Remote, error) {
	t := &Remote{r: r, w: w, in: frameReader{r: bufio.NewReaderSize(r, 64<<10)}}
	stop := context.AfterFunc(ctx, t.abort)
	err := t.hello()
	stop()
	if err != nil {
		t.abort()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("waiting for the target: %w", err)
	}
	return t, nil
}

func (t *Remote) hello() error {
	kind, number, rest, err := t.in.next()
	t.codec = layers.Codec{Dialect: layers.Dialect(number >> 8 & 0xff), Order: layers.Order(number & 0xff)}
	switch {
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case kind != frameHello || string(rest) != remoteMagic:
		return fmt.Errorf("%w: want the hello of %q", ErrProtocol, remoteMagic)
	case number>>16 != 0 || t.codec.Dialect.String() == "unknown" || t.codec.Order.Abbrev() == "":
		return fmt.Errorf("%w: a hello with codec %#x", ErrProtocol, number)
	}
	return nil
}

// Codec is that of the served target.
func (t *Remote) Codec() layers.Codec { return t.codec }

// patience is how long the report of a run that was stopped is waited for.
const patience = 3 * time.Second

// Run is the function Run, at the other end; RunOptions.Why is that of Serve. If ctx ends, the server is told, and
// its report waited for a while; the Remote is then of no further use.
func (t *Remote) Run(ctx context.Context, p *Plan, o RunOptions) (*Report, error) {
	rep := &Report{Dialect: t.codec.Dialect.String(), Order: t.codec.Order.String(), Keys: p.Keys}
	if t.end != nil {
		return rep, t.end
	}
	if err := o.check(); err != nil {
		return rep, err
	}
	stop := context.AfterFunc(ctx, func() {
		_ = t.Close()
		time.AfterFunc(patience, t.abort)
	})
	defer stop()
	var wrote error
	written := make(chan struct{})
	go func() {
		defer close(written)
		wrote = t.writeJob(p, &o)
	}()
	err := t.results(rep, &o)
	if err != nil || ctx.Err() != nil {
		t.end = errEnded
		t.abort()
	}
	<-written
	var far *remoteError
	switch {
	case err == nil:
	case errors.As(err, &far):
		if far.cause = context.Cause(ctx); far.cause != nil {
			far.text = strings.Replace(far.text, errEnded.Error(), far.cause.Error(), 1)
		}
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case wrote != nil:
		err = fmt.Errorf("%w (and %w)", err, wrote)
	}
	return rep, err
}

func (t *Remote) writeJob(p *Plan, o *RunOptions) error {
	out := bufio.NewWriterSize(t.w, 64<<10)
	z, err := flate.NewWriter(pieces{out, framePiece}, flate.BestSpeed)
	if err != nil {
		return err
	}
	if err := writeJob(z, p, o); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := writeFrame(out, frameGo, 0); err != nil {
		return err
	}
	return out.Flush()
}

// remoteError is an error of the other end.
type remoteError struct {
	text  string
	cause error // what we made it end for, or nil
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.cause }

// results reads what the server finds out.
func (t *Remote) results(rep *Report, o *RunOptions) error {
	var text bytes.Buffer
	last := uint64(0) // the record whose request was seen on its way
	for {
		kind, number, payload, err := t.in.next()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && last != 0 {
			err = fmt.Errorf("after the request of #%d: %w", last, err)
		}
		if err != nil {
			return err
		}
		switch kind {
		case frameProgress:
			if o.Progress != nil {
				o.Progress(int(number))
			}
		case frameObserved:
			if len(payload) < observedHead {
				return fmt.Errorf("%w: an observed message of %d bytes", ErrProtocol, len(payload))
			}
			seen := Observed{
				Time:   time.Unix(0, int64(binary.LittleEndian.Uint64(payload))),
				Record: binary.LittleEndian.Uint64(payload[8:]),
				Dir:    record.Direction(payload[16] & 3),
				Copy:   payload[17]&1 != 0,
				Socket: int(number),
				Codec:  t.codec,
				Data:   payload[observedHead:],
			}
			if seen.Dir == record.ToKernel && seen.Record != 0 {
				last = seen.Record
			}
			if o.Observe != nil {
				o.Observe(&seen)
			}
		case frameReport:
			if text.Len()+len(payload) > maxReport {
				return fmt.Errorf("%w: a report of more than %d bytes", ErrProtocol, maxReport)
			}
			text.Write(payload)
		case frameEnd:
			if err := json.Unmarshal(text.Bytes(), rep); err != nil {
				return fmt.Errorf("%w: the report: %w", ErrProtocol, err)
			}
			if len(payload) > 0 {
				return &remoteError{text: string(payload)}
			}
			return nil
		default:
			return fmt.Errorf("%w: a frame %q", ErrProtocol, byte(kind))
		}
	}
}

func (t *Remote) abort() {
	_ = t.Close()
	if c, ok := t.r.(io.Closer); ok {
		_ = c.Close()
	}
}

// Close closes the stream to the server, which then ends. It may be called while
// Run waits, which is then stopped.
func (t *Remote) Close() (err error) {
	t.close.Do(func() { err = t.w.Close() })
	return err
}
