package pfjson

import (
	"encoding/hex"
	"strconv"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Append appends r to dst as one JSON object without a newline, and returns the
// extended buffer. It does not fail, and does not allocate if dst has room. It may
// be called from several goroutines at once.
func Append(dst []byte, r *Record, opts Options) []byte {
	w := writers.Get().(*writer)
	dst = w.append(dst, r, opts, w)
	writers.Put(w)
	return dst
}

// append appends r. v is w, or gives to w what it is given.
func (w *writer) append(dst []byte, r *Record, opts Options, v layers.Visitor) []byte {
	w.dst, w.codec, w.opts, w.record = dst, r.Codec, opts, r
	w.big, w.tables = r.Codec.Order == layers.BigEndian, tablesOf(r.Codec.Dialect)
	w.length = r.Length
	if w.length == 0 {
		w.length = len(r.Data)
	}
	w.head()
	r.Codec.Walk(r.Data, v)
	if len(w.levels) > 0 { // a record shorter than a header has no End
		w.End()
	}
	dst = append(w.dst, '}')
	w.dst, w.opts, w.record, w.added = nil, Options{}, nil, nil // the pool must not keep them
	clear(w.levels[:cap(w.levels)])
	w.text = w.text[:0]
	return dst
}

// writers are reused because each has buffers of its own.
var writers = sync.Pool{New: func() any { return new(writer) }}

// writer is the layers.Visitor that writes a record.
type writer struct {
	dst    []byte
	codec  layers.Codec
	big    bool
	tables *tables // of the codec's dialect
	opts   Options
	record *Record
	length int

	levels   []level   // the messages that were begun and not ended
	problems []problem // of all levels
	text     []byte    // the texts of the problems
	added    []Problem // those of the caller, until they are written

	clock clock

	list     string   // name of the list of numbers that was begun
	elements []string // names of the numbers in it
}

// level is a message, the outer one or one in a wrapper.
type level struct {
	problems  int    // the level's problems begin here
	rest      []byte // what could not be framed
	extClosed bool
}

// problem is a Problem whose text is in writer.text.
type problem struct {
	code     string
	offset   int
	from, to int
}

// head is what every object begins with.
var head = `{"schema":` + strconv.Itoa(schemaVersion) + `,"number":`

// head begins the object.
func (w *writer) head() {
	r := w.record
	w.levels, w.problems = w.levels[:0], w.problems[:0]
	w.added = r.Problems
	d := append(w.dst, head...)
	d = appendUint(d, r.Number)
	if hasTime(r.Time) {
		d = append(d, `,"time":`...)
		d = w.clock.append(d, r.Time)
	}
	d = append(d, `,"direction":`...)
	if r.Direction == "" {
		d = append(d, `"`+UnknownDirection+`"`...)
	} else {
		d = appendString(d, r.Direction)
	}
	d = append(d, w.tables.dialect...)
	d = append(d, w.codec.Order.String()...)
	d = append(d, `","length":`...)
	d = appendUint(d, uint64(w.length))
	if w.length != len(r.Data) {
		d = append(d, `,"caplen":`...)
		d = strconv.AppendInt(d, int64(len(r.Data)), 10)
		w.dst = d
		w.begin("truncated", len(r.Data))
		w.textInt(len(r.Data))
		w.textString(" of the message's ")
		w.textInt(w.length)
		w.textString(" bytes are in the record")
		w.done()
		d = w.dst
	}
	if r.TwinOf != 0 {
		d = append(d, `,"twin_of":`...)
		d = appendUint(d, r.TwinOf)
	}
	if r.ReplyTo != 0 {
		d = append(d, `,"reply_to":`...)
		d = appendUint(d, r.ReplyTo)
	}
	if r.Process != "" {
		d = append(d, `,"process":`...)
		d = appendString(d, r.Process)
	}
	if r.WriteErrno != 0 {
		d = append(d, `,"write_errno":`...)
		d = appendUint(d, uint64(r.WriteErrno))
		if name := r.Codec.Dialect.ErrnoName(r.WriteErrno); name != "" {
			d = append(d, `,"write_errno_name":`...)
			d = appendString(d, name)
		}
	}
	if len(r.Comments) > 0 {
		d = append(d, `,"comment":[`...)
		for i, c := range r.Comments {
			if i > 0 {
				d = append(d, ',')
			}
			d = appendString(d, c)
		}
		d = append(d, ']')
	}
	w.dst = d
}

// begin begins a problem; its text follows, then done.
func (w *writer) begin(code string, offset int) {
	w.problems = append(w.problems, problem{code: code, offset: offset, from: len(w.text)})
}

func (w *writer) textString(s string) { w.text = append(w.text, s...) }
func (w *writer) textInt(i int)       { w.text = strconv.AppendInt(w.text, int64(i), 10) }
func (w *writer) done()               { w.problems[len(w.problems)-1].to = len(w.text) }

// appendComma appends a comma if something stands before in the same object or array.
func appendComma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// appendKey begins a member.
func appendKey(dst []byte, name string) []byte {
	dst = append(appendComma(dst), '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendName appends the name of the number before, unless it has none.
func appendName(dst []byte, field, name string) []byte {
	if name == "" {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, field...)
	dst = append(dst, `_name":"`...)
	dst = append(dst, name...)
	return append(dst, '"')
}

// appendQuoted appends a string that needs no escapes.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

func appendHex(dst []byte, b []byte) []byte {
	dst = append(dst, '"')
	dst = hex.AppendEncode(dst, b)
	return append(dst, '"')
}

// Base implements layers.Visitor.
func (w *writer) Base(b *layers.Base, offset, depth int) {
	if depth > 0 {
		w.closeExt()
		w.dst = append(w.dst, `,"inner":{`...)
	} else {
		w.dst = append(w.dst, ',')
	}
	w.openLevel(depth)
	di := w.codec.Dialect
	d := append(w.dst, `"msg":{"version":`...)
	d = appendUint(d, uint64(b.Version))
	d = append(d, `,"type":`...)
	d = appendNamed(d, w.tables.types, uint64(b.Type))
	d = append(d, `,"errno":`...)
	d = appendUint(d, uint64(b.Errno))
	if b.Errno != 0 {
		d = appendName(d, "errno", di.ErrnoName(b.Errno))
	}
	d = append(d, `,"satype":`...)
	if e := di.SATypeEnum(b.Type, b.SAType); e == layers.EnumSAType {
		d = appendNamed(d, w.tables.satypes, uint64(b.SAType))
	} else {
		d = appendUint(d, uint64(b.SAType))
		d = appendName(d, "satype", di.EnumName(e, uint64(b.SAType)))
	}
	d = append(d, `,"len":`...)
	d = appendUint(d, uint64(b.Len))
	if b.Reserved != 0 {
		d = append(d, `,"reserved":`...)
		d = appendUint(d, uint64(b.Reserved))
		d = appendName(d, "reserved", di.EnumName(shape.Diagnostic, uint64(b.Reserved)))
	}
	d = append(d, `,"seq":`...)
	d = appendUint(d, uint64(b.Seq))
	d = append(d, `,"pid":`...)
	d = appendUint(d, uint64(b.PID))
	w.dst = append(d, `},"ext":[`...)
	if n := int(b.Len) * layers.Word; depth == 0 && n != w.length {
		w.begin("message-length", 4)
		w.textString("sadb_msg_len says ")
		w.textInt(n)
		w.textString(" bytes, the message has ")
		w.textInt(w.length)
		w.done()
	}
}

// openLevel begins a message. The problems of the record itself are among those
// of the outer one.
func (w *writer) openLevel(depth int) {
	l := level{}
	if depth > 0 {
		l.problems = len(w.problems)
	}
	w.levels = append(w.levels, l)
}

func (w *writer) closeExt() {
	if l := &w.levels[len(w.levels)-1]; !l.extClosed {
		w.dst = append(w.dst, ']')
		l.extClosed = true
	}
}

// End implements layers.Visitor.
func (w *writer) End() {
	w.closeExt()
	l := w.levels[len(w.levels)-1]
	w.levels = w.levels[:len(w.levels)-1]
	outer := len(w.levels) == 0
	w.dst = append(w.dst, `,"problems":[`...)
	for _, p := range w.problems[l.problems:] {
		if outer && w.isAdded(p) {
			continue
		}
		w.problemHead(p.code, p.offset)
		w.dst = appendString(w.dst, w.text[p.from:p.to])
		w.dst = append(w.dst, '}')
	}
	w.problems = w.problems[:l.problems]
	if outer {
		for i := range w.added {
			p := &w.added[i]
			w.problemHead(p.Code, p.Offset)
			w.dst = appendString(w.dst, p.Text)
			w.problemMore(p)
			w.dst = append(w.dst, '}')
		}
	}
	w.dst = append(w.dst, ']')
	if len(l.rest) > 0 {
		w.dst = appendKey(w.dst, "rest")
		if isZero(l.rest) {
			w.dst = appendHex(w.dst, l.rest)
		} else {
			w.dst = w.appendSecret(w.dst, l.rest)
		}
	}
	if !outer {
		w.dst = append(w.dst, '}')
	}
}

func (w *writer) problemHead(code string, offset int) {
	w.dst = append(appendComma(w.dst), `{"code":`...)
	w.dst = appendString(w.dst, code)
	w.dst = append(w.dst, `,"offset":`...)
	w.dst = strconv.AppendInt(w.dst, int64(offset), 10)
	w.dst = append(w.dst, `,"text":`...)
}

// isAdded tells whether the caller has found a problem, too, and says more of it.
func (w *writer) isAdded(p problem) bool {
	for i := range w.added {
		if w.added[i].Code == p.code && w.added[i].Offset == p.offset {
			return true
		}
	}
	return false
}

// problemMore appends what is known of a problem of the caller besides.
func (w *writer) problemMore(p *Problem) {
	text := func(key, s string) {
		if s != "" {
			w.dst = append(w.dst, key...)
			w.dst = appendString(w.dst, s)
		}
	}
	text(`,"severity":`, p.Severity)
	text(`,"ext":`, p.Ext)
	if p.Len != 0 {
		w.dst = append(w.dst, `,"len":`...)
		w.dst = strconv.AppendInt(w.dst, int64(p.Len), 10)
	}
	if p.Errno != 0 {
		w.dst = append(w.dst, `,"errno":`...)
		w.dst = strconv.AppendInt(w.dst, int64(p.Errno), 10)
	}
	text(`,"errno_name":`, p.ErrnoName)
	if p.ByWrite {
		w.dst = append(w.dst, `,"by_write":true`...)
	}
	text(`,"diagnostic":`, p.Diagnostic)
	text(`,"instead":`, p.Instead)
	text(`,"source":`, p.Source)
}

// Malformed implements layers.Visitor.
func (w *writer) Malformed(rest []byte, offset int, r layers.Reason) {
	if len(w.levels) == 0 {
		w.dst = append(w.dst, `,"ext":[`...)
		w.openLevel(0)
	}
	w.levels[len(w.levels)-1].rest = rest
	w.begin(r.Code(), offset)
	w.textString(r.String())
	w.done()
}

// Extension implements layers.Visitor.
func (w *writer) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	switch {
	case name == "":
		name = unknownName
		w.begin("unknown-extension", offset)
		w.textString("dialect ")
		w.textString(w.codec.Dialect.String())
		w.textString(" has no extension ")
		w.textInt(int(number))
		w.done()
	case short:
		w.begin("extension-too-short", offset)
		w.textString(name)
		w.textString(" of ")
		w.textInt(len(h.Contents))
		w.textString(" bytes, whose structure has ")
		w.textInt(w.codec.Dialect.LayoutOf(number).Size)
		w.done()
	}
	d := appendComma(w.dst)
	if name != unknownName {
		d = append(d, w.tables.exts[number]...)
	} else {
		d = append(d, `{"name":"`+unknownName+`","exttype":`...)
		d = appendUint(d, uint64(number))
		d = append(d, `,"offset":`...)
	}
	d = appendUint(d, uint64(offset))
	d = append(d, `,"len":`...)
	w.dst = appendUint(d, uint64(h.Len))
}

// unknownName is the name of an extension that has none.
const unknownName = "UNKNOWN"

// EndExtension implements layers.Visitor.
func (w *writer) EndExtension() { w.dst = append(w.dst, '}') }

// Open implements layers.Visitor.
func (w *writer) Open(k layers.NodeKind, name string) {
	switch k {
	case layers.List:
		w.dst = append(appendKey(w.dst, name), '[')
		w.list, w.elements = name, w.elements[:0]
	case layers.Object:
		w.dst = append(appendKey(w.dst, name), '{')
	case layers.Item:
		w.dst = append(appendComma(w.dst), '{')
	}
}

// Close implements layers.Visitor.
func (w *writer) Close(k layers.NodeKind) {
	if k != layers.List {
		w.dst = append(w.dst, '}')
		return
	}
	w.dst = append(w.dst, ']')
	if len(w.elements) == 0 {
		return
	}
	w.dst = append(w.dst, ',', '"')
	w.dst = append(w.dst, w.list...)
	w.dst = append(w.dst, `_names":[`...)
	for _, n := range w.elements {
		w.dst = appendQuoted(appendComma(w.dst), n)
	}
	w.dst = append(w.dst, ']')
	w.elements = w.elements[:0]
}

// Field implements layers.Visitor.
func (w *writer) Field(f *layers.Field, v *layers.Value) {
	if f.Sem == layers.SemReserved && v.Zero() {
		return
	}
	d := w.dst
	switch v.Kind {
	case layers.Hidden:
		d = w.appendHidden(d, f, v)
	case layers.Addr:
		d = append(appendKey(d, f.Name), '"')
		d = append(v.Addr.AppendTo(d), '"')
	case layers.Text:
		d = appendString(appendKey(d, f.Name), v.Bytes)
	case layers.Hex:
		d = appendHex(appendKey(d, f.Name), v.Bytes)
	default:
		d = w.appendNumber(d, f, v)
	}
	w.dst = d
}

func (w *writer) appendNumber(dst []byte, f *layers.Field, v *layers.Value) []byte {
	if f.Name == "" { // an element of a list of numbers
		if v.Enum != shape.NoEnum {
			w.elements = append(w.elements, v.Name)
		}
		return appendUint(appendComma(dst), v.Uint)
	}
	dst = appendKey(dst, f.Name)
	switch f.Sem {
	case layers.SemSPI:
		return appendSPI(dst, uint32(v.Uint))
	case layers.SemFlags:
		return w.appendFlags(dst, f, v.Uint)
	case layers.SemFamily:
		if v.Name != "" {
			return appendQuoted(dst, v.Name)
		}
	}
	return appendName(appendUint(dst, v.Uint), f.Name, v.Name)
}

// appendFlags appends a set of flags and their names.
func (w *writer) appendFlags(dst []byte, f *layers.Field, v uint64) []byte {
	dst = appendUint(dst, v)
	dst = append(dst, ',', '"')
	dst = append(dst, f.Name...)
	dst = append(dst, `_names":`...)
	return w.tables.flags[f.Enum].appendNames(dst, uint32(v))
}

// appendHidden appends a member that may hold secrets. Of a key, bits before it says
// the length.
func (w *writer) appendHidden(dst []byte, f *layers.Field, v *layers.Value) []byte {
	if v.Key == 0 {
		return w.appendSecret(appendKey(dst, f.Name), v.Bytes)
	}
	if w.opts.ID != nil {
		dst = appendID(appendKey(dst, "key_id"), w.opts.ID(v.Bytes, v.Key))
	}
	if w.opts.ShowKeys {
		dst = appendHex(appendKey(dst, f.Name), v.Bytes)
	}
	return dst
}

// appendSecret appends octets, or what may be known of them. None is of a key.
func (w *writer) appendSecret(dst []byte, b []byte) []byte {
	if w.opts.ShowKeys {
		return appendHex(dst, b)
	}
	dst = append(dst, `{"bytes":`...)
	dst = strconv.AppendInt(dst, int64(len(b)), 10)
	if w.opts.ID != nil {
		dst = appendID(append(dst, `,"id":`...), w.opts.ID(b, 0))
	}
	return append(dst, '}')
}

func appendID(dst []byte, id [4]byte) []byte {
	dst = append(dst, '"')
	for _, b := range id {
		dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
	}
	return append(dst, '"')
}

func isZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}
