package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
	"github.com/pfkeycap/pfkeycap/record/keysock"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// talk is a conversation of ours with this machine's kernel: a request, its answers,
// the next request. What is said is numbered and traced like a recording.
type talk struct {
	conn   *keysock.Conn
	codec  layers.Codec
	tracer *trace.Tracer
	show   func(*record.Record) error // gets every message of ours and every answer
	number uint64
	pid    uint32
	seq    uint32
	buf    []byte
	dry    bool           // print what would be sent
	match  *filter.Filter // what is to be sent; nil: all
	limit  uint64         // messages to be sent at most; 0: all
	flush  bool           // FLUSH and SPDFLUSH may be sent
	stderr io.Writer      // what is said besides the messages

	supported map[uint8]*supported // by SA type, once asked for

	sent    int
	refused int // requests that write(2) or an answer refused
}

// patience is how long the kernel may be silent before an answer is given up. It
// makes answers while we wait, so it is never silent for long.
const patience = 10 * time.Second

func newTalk(o keysock.Options, show func(*record.Record) error) (*talk, error) {
	conn, err := openSocket(o)
	if err != nil {
		return nil, err
	}
	return &talk{
		conn: conn, codec: hostCodec(), show: show, pid: uint32(os.Getpid()),
		tracer: trace.New(traceOptions),
		buf:    make([]byte, keysock.MaxMessage),
	}, nil
}

func (t *talk) close() {
	if t.conn != nil {
		t.conn.Close()
	}
}

// refusal is a request that the kernel did not accept.
type refusal struct {
	request string // type of the message
	errno   uint8
	name    string
	byWrite bool
	why     string
}

func (r *refusal) Error() string {
	s := fmt.Sprintf("the kernel answers %s with errno %d (%s)", r.request, r.errno, r.name)
	if r.byWrite {
		s = fmt.Sprintf("writing %s fails with errno %d (%s), and nobody has seen it", r.request, r.errno, r.name)
	}
	if r.why != "" {
		s += ": " + r.why
	}
	return s
}

// ask writes a request and reads until it is answered; of a dump, until its last
// record. A *refusal is the kernel's own error; the conversation can go on after it.
func (t *talk) ask(msg []byte) error {
	t.number++
	request := &record.Record{Number: t.number, Time: time.Now(), Dir: record.ToKernel, Codec: t.codec, Data: msg, OrigLen: len(msg)}
	t.tracer.Annotate(request)
	t.sent++
	base, _, _ := t.codec.Extensions(msg)
	refused := func(errno uint8, byWrite bool) error {
		t.refused++
		r := &refusal{request: "a message", errno: errno, name: t.codec.Dialect.ErrnoName(errno), byWrite: byWrite, why: check.Explain(t.codec, msg, errno)}
		if base != nil {
			r.request = base.TypeName()
		}
		return r
	}
	if err := t.forget(); err != nil {
		return err
	}
	_, err := t.conn.Write(msg)
	var errno syscall.Errno
	if errors.As(err, &errno) && errno <= 255 {
		request.WriteErrno = uint8(errno)
	} else if err != nil {
		return err
	}
	if err := t.show(request); err != nil {
		return err
	}
	if request.WriteErrno != 0 {
		return refused(request.WriteErrno, true)
	}
	if check.Predict(t.codec.Dialect, t.codec, msg).Silent {
		return nil
	}
	for count := 0; ; {
		if err := t.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		n, err := t.conn.Read(t.buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if count > 0 {
				return damagef("the kernel stopped answering after %d records, without the last one: the list is incomplete", count)
			}
			return damagef("the kernel has not answered within %v", patience)
		}
		if err != nil {
			return err
		}
		r := t.heard(t.buf[:n])
		if r.ReplyTo != request.Number {
			continue // for others
		}
		m, _, _ := t.codec.Extensions(r.Data)
		dumping := isDump(m)
		if dumping && m.Errno != 0 && count == 0 && t.codec.Dialect.ErrnoName(m.Errno) == "ENOENT" {
			return nil // nothing in the database
		}
		if dumping && n == layers.BaseLen && m.Seq == 0 && m.Errno == 0 {
			return nil // illumos ends with a bare header
		}
		if err := t.show(r); err != nil {
			return err
		}
		count++
		if m.Errno != 0 {
			return refused(m.Errno, false)
		}
		if !dumping || m.Seq == 0 {
			return nil
		}
	}
}

// asked is ask that hands each answer without an error to got, which may be nil.
func (t *talk) asked(msg []byte, got func(*layers.Message)) error {
	show := t.show
	defer func() { t.show = show }()
	t.show = func(r *record.Record) error {
		if r.Dir == record.FromKernel && got != nil {
			m := decodedRecord(r)
			if m.Errno == 0 {
				got(m)
			}
		}
		return show(r)
	}
	return t.ask(msg)
}

// forget reads what others said since the last answer. Left unread it would fill the
// socket's buffer, and kernels drop what does not fit, our answer too.
func (t *talk) forget() error {
	for {
		if n, err := t.conn.TryRead(t.buf); n == 0 || err != nil {
			return err
		}
	}
}

// heard makes a record of what was read.
func (t *talk) heard(b []byte) *record.Record {
	t.number++
	r := &record.Record{Number: t.number, Time: time.Now(), Codec: t.codec, Data: append([]byte(nil), b...), OrigLen: len(b)}
	t.tracer.Annotate(r)
	return r
}

// traceOptions are those of a socket of ours, which is not promiscuous.
var traceOptions = trace.Options{Promisc: record.No}

// isDump reports whether a message belongs to a list of many, whose last record has
// sequence number 0.
func isDump(m *layers.Base) bool {
	switch m.TypeName() {
	case "DUMP", "SPDDUMP":
		return true
	}
	return false
}

// showWith makes a function that prints what passes the text form's choice.
func showWith(p *printer) func(*record.Record) error {
	return func(r *record.Record) error {
		if err := p.print(r); err != nil {
			return err
		}
		if out, ok := p.w.(*output); ok && out.err != nil {
			return out.err
		}
		return nil
	}
}

// summary says how a conversation of several requests went.
func (t *talk) summary(w io.Writer, c *cli.Context) error {
	if t.refused == 0 {
		return nil
	}
	if t.sent > 1 {
		fmt.Fprintf(w, "pfkeycap: %s: %d of %d requests refused\n", c.Command.Name, t.refused, t.sent)
	}
	return found()
}
