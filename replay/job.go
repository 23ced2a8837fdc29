package replay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// A job is a plan with its options on the way to where it is run: a header as JSON,
// and after it the records that the plan was made of, from which it is made again.
// Numbers are varints, octets come with their length before them.
type jobHeader struct {
	Keys     string        `json:"keys"`
	Watched  bool          `json:"watched,omitempty"`
	Pace     Pace          `json:"pace"`
	Loops    int           `json:"loops,omitempty"`
	Clear    bool          `json:"clear,omitempty"`
	State    bool          `json:"state,omitempty"`
	Guard    bool          `json:"guard,omitempty"`
	Limit    int           `json:"limit,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	Observe  bool          `json:"observe,omitempty"`
	Records  int           `json:"records"`
}

// maxPiece is more than any piece of a job has: a message, or the header.
const maxPiece = layers.MaxMessage + 64

// Flags of a record in a job.
const (
	jobTimed = 1 << iota
	jobCut
	jobSelected
)

func writeJob(w io.Writer, p *Plan, o *RunOptions) error {
	e := jobWriter{w: bufio.NewWriterSize(w, 64<<10)}
	header, err := json.Marshal(jobHeader{
		Keys: p.Keys, Watched: p.watched, Pace: o.Pace, Loops: o.Loops, Clear: o.Clear, State: o.State, Guard: o.Guard,
		Limit: o.Limit, Duration: o.Duration, Observe: o.Observe != nil, Records: len(p.items),
	})
	if err != nil {
		return err
	}
	e.octets(header)
	for i := range p.items {
		it := &p.items[i]
		e.answer(&it.answer, it.selected)
		e.w.Write([]byte{byte(it.role), byte(it.dir), it.errno})
		e.number(uint64(len(it.mapped)))
		for _, r := range it.mapped {
			e.octets([]byte(r.Field))
			e.octets([]byte(r.From))
			e.octets([]byte(r.To))
			e.octets([]byte(r.Why))
		}
		e.number(uint64(len(it.replies)))
		for k := range it.replies {
			e.answer(&it.replies[k], false)
		}
	}
	return e.w.Flush()
}

// jobWriter writes the parts of a job. The Writer keeps the first error.
type jobWriter struct{ w *bufio.Writer }

func (e *jobWriter) number(n uint64) {
	var b [binary.MaxVarintLen64]byte
	e.w.Write(b[:binary.PutUvarint(b[:], n)])
}

func (e *jobWriter) octets(b []byte) {
	e.number(uint64(len(b)))
	e.w.Write(b)
}

func (e *jobWriter) answer(a *answer, selected bool) {
	flags := byte(0)
	if !a.time.IsZero() {
		flags |= jobTimed
	}
	if a.cut {
		flags |= jobCut
	}
	if selected {
		flags |= jobSelected
	}
	e.w.Write([]byte{flags, byte(a.codec.Dialect), byte(a.codec.Order)})
	e.number(a.number)
	if flags&jobTimed != 0 {
		e.number(uint64(a.time.Unix()))
		e.number(uint64(a.time.Nanosecond()))
	}
	e.octets(a.data)
}

// readJob reads a job and makes its plan.
func readJob(r io.Reader) (*Plan, RunOptions, jobHeader, error) {
	d := jobReader{r: bufio.NewReaderSize(r, 64<<10)}
	var h jobHeader
	if b := d.octets(); d.err == nil {
		d.err = json.Unmarshal(b, &h)
	}
	p := newPlanner(PlanOptions{})
	for range h.Records {
		it := item{}
		d.answer(&it.answer, &it.selected)
		it.role, it.dir, it.errno = trace.Role(d.octet()), record.Direction(d.octet()), d.octet()
		for range d.count() {
			it.mapped = append(it.mapped, Rewrite{d.text(), d.text(), d.text(), d.text()})
		}
		for range d.count() {
			var a answer
			d.answer(&a, new(bool))
			if d.err != nil {
				break
			}
			it.replies = append(it.replies, a)
		}
		if d.err != nil {
			break
		}
		p.items = append(p.items, it)
	}
	if d.err == nil {
		if _, err := d.r.ReadByte(); err != io.EOF {
			d.err = errors.New("it does not end")
		}
	}
	if d.err != nil {
		if d.err == io.EOF {
			d.err = io.ErrUnexpectedEOF
		}
		return nil, RunOptions{}, h, fmt.Errorf("reading the plan: %w", d.err)
	}
	p.plan.Keys = h.Keys
	p.lives.watched = h.Watched
	p.build()
	return p.plan, RunOptions{Pace: h.Pace, Loops: h.Loops, Clear: h.Clear, State: h.State, Guard: h.Guard, Limit: h.Limit, Duration: h.Duration}, h, nil
}

// jobReader reads the parts of a job. After an error all are zero.
type jobReader struct {
	r   *bufio.Reader
	buf bytes.Buffer
	err error
}

func (d *jobReader) octet() byte {
	if d.err != nil {
		return 0
	}
	var b byte
	b, d.err = d.r.ReadByte()
	return b
}

func (d *jobReader) number() (n uint64) {
	if d.err == nil {
		n, d.err = binary.ReadUvarint(d.r)
	}
	return n
}

// count reads how many parts follow. It is 0 after an error, and no memory is taken
// for what is only announced.
func (d *jobReader) count() int {
	n := d.number()
	if d.err == nil && n > 1<<31-1 {
		d.err = fmt.Errorf("%d parts are too many", n)
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

// octets returns the next ones, valid until the next call.
func (d *jobReader) octets() []byte {
	n := d.number()
	if d.err == nil && n > maxPiece {
		d.err = fmt.Errorf("a piece of %d bytes, longer than %d", n, maxPiece)
	}
	d.buf.Reset()
	if d.err == nil {
		_, d.err = io.CopyN(&d.buf, d.r, int64(n))
	}
	if d.err != nil {
		return nil
	}
	return d.buf.Bytes()
}

func (d *jobReader) text() string { return string(d.octets()) }

func (d *jobReader) answer(a *answer, selected *bool) {
	flags := d.octet()
	a.codec = layers.Codec{Dialect: layers.Dialect(d.octet()), Order: layers.Order(d.octet())}
	a.number = d.number()
	if flags&jobTimed != 0 {
		sec, nsec := int64(d.number()), int64(d.number())
		a.time = time.Unix(sec, nsec)
	}
	a.data = bytes.Clone(d.octets())
	a.cut = flags&jobCut != 0
	*selected = flags&jobSelected != 0
	if d.err == nil && (a.codec.Dialect.String() == "unknown" || a.codec.Order.Abbrev() == "") {
		d.err = fmt.Errorf("record %d has an unknown dialect or byte order", a.number)
	}
}
