package pfjson

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// ParseOptions change how a line is read.
type ParseOptions struct {
	// Fix computes every length and count, whatever the line says.
	Fix bool

	// Codec takes the place of the line's dialect and order, each if it is set.
	// Octets that the line gives as hex are not translated.
	Codec layers.Codec
}

// maxRecord bounds what a line can become: few characters can say many zeros. It
// is far more than sadb_msg_len can say.
const maxRecord = 16 << 20

// Parse reads the JSON object of one record. The record is its own: it does not
// alias line. An error is a *[Error], with the cause [ErrSecret] if octets are
// needed that Append left out because they are secret.
func Parse(line []byte, opts ParseOptions) (Record, error) {
	root, err := tree(line)
	if err != nil {
		return Record{}, err
	}
	p := parser{fix: opts.Fix}
	r := p.record(root, opts.Codec)
	if p.err != nil {
		return Record{}, p.err
	}
	return r, nil
}

// parser makes the bytes of a record. The first error stays.
type parser struct {
	codec  layers.Codec
	fix    bool
	number uint64
	out    []byte // the record so far
	satype uint8  // of the message whose extensions are being made
	names  []name // of the extension being made
	walk   []byte // a message of one extension, to resolve names in
	err    error
}

func (p *parser) fail(n *node, err error) {
	if p.err == nil {
		p.err = &Error{Record: p.number, Path: n.path(), Offset: n.offset, Err: err}
	}
}

func (p *parser) big() bool { return p.codec.Order == layers.BigEndian }

func (p *parser) record(root *node, codec layers.Codec) (r Record) {
	o := p.object(root)
	r.Number, _ = o.uint("number", 8)
	p.number = r.Number
	if v, n := o.uint("schema", 8); n != nil && v != schemaVersion {
		p.fail(n, fmt.Errorf("schema %d: this program knows %d", v, schemaVersion))
	}
	if s, n := o.text("time"); n != nil {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || !hasTime(t) && !t.IsZero() {
			p.fail(n, fmt.Errorf("%q is no time of RFC 3339, such as 2026-05-01T10:00:00.5Z", clip(s)))
		}
		r.Time = t.UTC()
	}
	s, n := o.text("direction")
	switch r.Direction = s; {
	case n == nil:
		r.Direction = UnknownDirection
	case s != ToKernel && s != FromKernel && s != UnknownDirection:
		p.fail(n, fmt.Errorf("direction %q: want to-kernel, from-kernel or unknown", clip(s)))
	}
	p.codec = p.codecOf(&o, codec)
	r.Codec = p.codec
	length, _ := o.uint("length", 4)
	_, cut := o.uint("caplen", 4)
	r.TwinOf, _ = o.uint("twin_of", 8)
	r.ReplyTo, _ = o.uint("reply_to", 8)
	r.Process, _ = o.text("process")
	r.WriteErrno = p.errno(&o, "write_errno")
	comments, _ := o.array("comment")
	for _, c := range comments {
		if c.kind != stringKind {
			p.fail(c, fmt.Errorf("%v where a string should be", c.kind))
		}
		r.Comments = append(r.Comments, c.text)
	}
	if p.err == nil {
		p.message(&o)
		o.done()
	}
	r.Data, r.Length = p.out, len(p.out)
	if cut != nil && !p.fix {
		r.Length = int(min(length, math.MaxInt32))
	}
	return r
}

// codecOf reads dialect and order, unless they are given.
func (p *parser) codecOf(o *object, given layers.Codec) layers.Codec {
	c := given
	if s, n := o.text("dialect"); c.Dialect == layers.NoDialect && s != unknownCodec {
		d, err := layers.ParseDialect(s)
		switch c.Dialect = d; {
		case n == nil:
			p.fail(o.n, errors.New("no member dialect: add it, or say --dialect"))
		case err != nil:
			p.fail(n, err)
		}
	}
	if s, n := o.text("order"); c.Order == layers.NoOrder && s != unknownCodec {
		order, err := layers.ParseOrder(s)
		switch c.Order = order; {
		case n == nil:
			p.fail(o.n, errors.New("no member order: add little or big, or say --order"))
		case err != nil:
			p.fail(n, err)
		}
	}
	return c
}

// unknownCodec is how a codec without dialect or order says so.
const unknownCodec = "unknown"

// message appends the message of an object with msg, ext, inner and rest.
func (p *parser) message(o *object) {
	start := len(p.out)
	exts, extNode := o.array("ext")
	inner := o.get("inner")
	o.get("problems")
	var base object
	if n := o.get("msg"); n != nil {
		base = p.object(n)
		p.base(&base)
		p.put(start+6, 2, false, p.reserved(&base))
	} else if len(exts) > 0 || inner != nil {
		p.fail(o.n, errors.New("no member msg before the extensions"))
	}
	for _, n := range exts {
		if p.err != nil {
			return
		}
		p.extension(n)
	}
	if inner != nil {
		switch {
		case len(exts) > 0:
			p.fail(extNode, errors.New("ext beside inner: a wrapper's extensions are those of the message in it"))
		case o.has("rest"):
			p.fail(o.n.find("rest"), errors.New("rest beside inner: it belongs to the message in it"))
		case len(p.out) > start && p.out[start+1] != layers.PROMISC:
			p.fail(inner, errors.New("inner in a message that is no X_PROMISC"))
		}
		if p.err != nil {
			return
		}
		io := p.object(inner)
		p.message(&io)
		io.done()
	}
	rest, n := o.octets("rest")
	p.append(n, rest)
	if base.n != nil {
		p.baseLen(&base, len(p.out)-start, start+4)
		base.done()
	}
}

// base appends a message header without its length.
func (p *parser) base(o *object) {
	version, n := o.uint("version", 1)
	if n == nil {
		version = layers.Version
	}
	typ, ok := p.enum(o, "type", layers.EnumMsgType, 1)
	if !ok {
		p.fail(o.n, errors.New("no member type or type_name"))
	}
	errno := p.errno(o, "errno")
	satype := p.saType(o, uint8(typ))
	seq, _ := o.uint("seq", 4)
	pid, _ := o.uint("pid", 4)
	at := len(p.out)
	p.zeros(o.n, layers.BaseLen)
	if p.err != nil {
		return
	}
	b := p.out[at:]
	b[0], b[1], b[2], b[3] = byte(version), byte(typ), errno, byte(satype)
	p.satype = byte(satype)
	p.put(at+8, 4, false, seq)
	p.put(at+12, 4, false, pid)
}

func (p *parser) reserved(o *object) uint64 {
	v, _ := p.enum(o, "reserved", shape.Diagnostic, 2)
	return v
}

// baseLen fills in the length of a message of so many bytes.
func (p *parser) baseLen(o *object, size, at int) {
	words, n := o.uint("len", 2)
	if n == nil || p.fix {
		if size%layers.Word != 0 || size > layers.MaxMessage {
			p.fail(o.n, fmt.Errorf("a message of %d bytes has no right len: want a multiple of 8, at most %d; else say len, and do not fix it", size, layers.MaxMessage))
		}
		words = uint64(size / layers.Word)
	}
	p.put(at, 2, false, words)
}

// saType reads the SA type, which in some messages is something else.
func (p *parser) saType(o *object, msgType uint8) uint64 {
	v, n := o.uint("satype", 1)
	s, named := o.text("satype_name")
	if named == nil {
		return v
	}
	d := p.codec.Dialect
	e := d.SATypeEnum(msgType, uint8(v))
	if n == nil {
		if _, is := d.EnumValue(e, s); !is {
			e = d.SATypeEnum(msgType, 1) // a name that is not the one of 0
		}
	}
	return p.nameValue(named, s, e, v, n != nil)
}

// enum reads a number and its name in a table that does not depend on anything
// else. ok means that one of them is there.
func (p *parser) enum(o *object, field string, e layers.Enum, size int) (v uint64, ok bool) {
	v, n := o.uint(field, size)
	s, named := o.text(field + "_name")
	if named == nil {
		return v, n != nil
	}
	return p.nameValue(named, s, e, v, n != nil), true
}

// nameValue returns the number of a name, which is v if there is already one.
func (p *parser) nameValue(n *node, s string, e layers.Enum, v uint64, has bool) uint64 {
	d := p.codec.Dialect
	if has && strings.EqualFold(d.EnumName(e, v), s) {
		return v
	}
	named, ok := d.EnumValue(e, s)
	switch {
	case has && (!ok || named != v):
		p.fail(n, fmt.Errorf("%q is not the name of %d: leave one of them out", clip(s), v))
	case !ok:
		p.fail(n, fmt.Errorf("%v has no such name %q: want %s", d, clip(s), known(d.EnumNames(e))))
	}
	return named
}

// known lists names for an error.
func known(names []string) string {
	var list []string
	for _, n := range names {
		if n != "" {
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		return "a number, which has no names here"
	}
	return "one of " + strings.Join(list, " ")
}

// errno reads a member with an error number of the dialect's system, and the one with
// its name.
func (p *parser) errno(o *object, member string) uint8 {
	d := p.codec.Dialect
	errno, n := o.uint(member, 1)
	if s, named := o.text(member + "_name"); named != nil {
		switch e, known := errnoOf(d, s); {
		case n != nil && !strings.EqualFold(d.ErrnoName(uint8(errno)), s):
			p.fail(named, fmt.Errorf("%q is not the name of errno %d", clip(s), errno))
		case !known:
			p.fail(named, fmt.Errorf("%v has no errno %q", d, clip(s)))
		default:
			errno = uint64(e)
		}
	}
	return uint8(errno)
}

func errnoOf(d layers.Dialect, name string) (uint8, bool) {
	for e := range 256 {
		if n := d.ErrnoName(uint8(e)); n != "" && strings.EqualFold(n, name) {
			return uint8(e), true
		}
	}
	return 0, false
}

// append appends octets to the record; n is what said them.
func (p *parser) append(n *node, b []byte) {
	if len(b) > maxRecord-len(p.out) {
		p.fail(n, errTooLong)
		return
	}
	p.out = append(p.out, b...)
}

// zeros appends that many zeros.
func (p *parser) zeros(n *node, count int) {
	if count > maxRecord-len(p.out) {
		p.fail(n, errTooLong)
		return
	}
	p.out = append(p.out, make([]byte, count)...)
}

var errTooLong = fmt.Errorf("the record is longer than %d bytes", maxRecord)

// put writes a number into the record, in network order or in the codec's.
func (p *parser) put(at, size int, net bool, v uint64) {
	if p.err != nil {
		return
	}
	store(p.out[at:at+size], net || p.big(), v)
}

// store writes a number into the whole of b.
func store(b []byte, big bool, v uint64) {
	for i := range b {
		shift := 8 * i
		if big {
			shift = 8 * (len(b) - 1 - i)
		}
		b[i] = byte(v >> shift)
	}
}
