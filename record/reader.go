package record

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/pfkeycap/pfkeycap/layers"
)

// ReaderOptions says how a capture is to be read. The zero value trusts what the
// capture says of itself.
type ReaderOptions struct {
	// Dialect and Order, if they are set, hold for all records whatever the
	// capture says.
	Dialect layers.Dialect
	Order   layers.Order

	// Sniff finds the dialect from the bytes of a message, for interfaces that do
	// not say it; NoDialect is "cannot tell", and it is asked again with the next
	// message. May be nil.
	Sniff func(msg []byte, order layers.Order) layers.Dialect

	// KeysFile is the side file with the true secret bytes. If it is "", Open looks
	// for the capture's name with KeysSuffix, and NewReader uses none.
	KeysFile string
	// NoKeys leaves the side file alone.
	NoKeys bool

	// Salt makes the ids of records that hold true bytes and come without a salt
	// (Reader.ID). If it is zero, a random one does, and ids mean something within
	// this Reader only.
	Salt Salt

	// Notice receives what is worth knowing though it is no error, one sentence
	// each: wrong byte order claimed, side file of another capture. May be nil.
	Notice func(text string)
}

// DialectSource says why records are decoded with a dialect.
type DialectSource uint8

// The sources of a dialect, most trusted first.
const (
	DialectGiven     DialectSource = iota + 1 // ReaderOptions
	DialectDescribed                          // the interface description
	DialectOfOS                               // if_os
	DialectSniffed                            // the bytes of a message
	DialectAssumed                            // nothing says; Linux
)

// String returns "given", "described", "of the OS", "sniffed" or "assumed".
func (s DialectSource) String() string {
	switch s {
	case DialectGiven:
		return "given"
	case DialectDescribed:
		return "described"
	case DialectOfOS:
		return "of the OS"
	case DialectSniffed:
		return "sniffed"
	case DialectAssumed:
		return "assumed"
	}
	return "unknown"
}

// Reader reads the records of a capture, pcapng or classic pcap, from any stream:
// memory does not grow with the file. A capture compressed with zstd or gzip is
// decompressed on the way; offsets are those of the decompressed bytes then. It is
// a Source.
type Reader struct {
	opts    ReaderOptions
	in      input
	file    io.Closer // closed by Close; nil if the stream is the caller's
	format  Format
	ng      ngDecoder
	pcap    pcapDecoder
	rec     Record
	count   uint64                // records given out
	last    uint64                // number of the last one
	err     error                 // why there are no more
	ids     atomic.Pointer[Hider] // for records without a salt of their own
	keys    *keysReader
	trueMsg []byte // memory of Record.True
	spans   []layers.Span
	notices map[string]int
}

// NewReader returns a Reader for the capture that r begins with. It reads r until
// it knows the format; what is no capture gives an error that matches
// ErrNotCapture and says what it is.
func NewReader(r io.Reader, o ReaderOptions) (*Reader, error) {
	rd := &Reader{opts: o, in: input{r: r}}
	b, err := rd.in.peek(4)
	if kind := compression(b); kind != "" {
		compressed := rd.in
		z, zerr := newDecompressor(&compressed, kind)
		if zerr != nil {
			return nil, rd.readError(zerr)
		}
		rd.in = input{r: z}
		b, err = rd.in.peek(4)
	}
	if err != nil {
		if err != io.EOF {
			return nil, rd.readError(err)
		}
		switch {
		case len(b) == 0:
			return nil, rd.damage(true, "the file is empty")
		case maybeTorn(b):
			return nil, rd.damage(true, "the file ends after %d bytes", len(b))
		}
		return nil, fmt.Errorf("%w: %s", ErrNotCapture, whatIs(b))
	}
	f, big, ok := detect(b)
	if !ok {
		b, _ := rd.in.peek(512) // fewer will do
		return nil, fmt.Errorf("%w: %s", ErrNotCapture, whatIs(b))
	}
	rd.format = f
	if f == PcapNG {
		rd.ng = ngDecoder{r: rd, in: &rd.in}
	} else {
		rd.pcap = pcapDecoder{r: rd, in: &rd.in, big: big, nano: f == PcapNano}
	}
	if o.KeysFile != "" && !o.NoKeys {
		if rd.keys, err = openKeys(o.KeysFile, rd.notice); err != nil {
			return nil, err
		}
	}
	return rd, nil
}

// Open opens a capture file, and the side file with its keys if there is one and
// the capture says that its keys are beside it.
func Open(path string, o ReaderOptions) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, o)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.file = f
	if o.KeysFile == "" && !o.NoKeys {
		if name := KeysFileOf(path); name != "" {
			if r.keys, err = openKeys(name, r.notice); err != nil {
				r.notice("keys", "the side file is of no use: %v", err)
			}
		}
	}
	return r, nil
}

// Close closes the files that Open has opened. The stream given to NewReader
// stays open.
func (r *Reader) Close() error {
	if r.err == nil {
		r.err = os.ErrClosed
	}
	if r.keys != nil {
		r.keys.close()
	}
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Next returns the next record. It is valid until the next call; its slices
// alias the buffer of the Reader. At the end the error is io.EOF; if the file is
// damaged it is a *DamageError after the last whole record. An error is returned
// again by every further call.
func (r *Reader) Next() (*Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	var err error
	if r.format == PcapNG {
		err = r.ng.next(&r.rec)
	} else {
		err = r.pcap.next(&r.rec)
	}
	if err != nil {
		r.err = err
		return nil, err
	}
	return &r.rec, nil
}

// Format returns the file format.
func (r *Reader) Format() Format { return r.format }

// Offset returns how many bytes of the file have been read as whole blocks.
func (r *Reader) Offset() int64 { return r.in.off }

// Section returns what the header of the current pcapng section says. It is read
// by the first call of Next.
func (r *Reader) Section() Section { return r.ng.section }

// Interface returns the interface of the record that Next returned last, or
// before the first one the interface that was declared last. It is the zero
// Interface as long as there is none. A classic pcap file has one.
func (r *Reader) Interface() Interface {
	if f := r.iface(); f != nil {
		return *f
	}
	return Interface{}
}

// Meta returns the description of Interface.
func (r *Reader) Meta() Meta { return r.Interface().Meta }

func (r *Reader) iface() *Interface {
	if r.format != PcapNG {
		return r.pcap.iface
	}
	if r.ng.current < len(r.ng.ifaces) {
		return &r.ng.ifaces[r.ng.current]
	}
	return nil
}

// Statistics returns what the recorder said last about its work, normally at the
// end of the file. ok is false if it said nothing.
func (r *Reader) Statistics() (s Statistics, ok bool) { return r.ng.stats, r.ng.hasStat }

// KeysFile returns the name of the side file that true secret bytes came from, or
// "" if none has been used so far.
func (r *Reader) KeysFile() string {
	if r.keys != nil && r.keys.used {
		return r.keys.name
	}
	return ""
}

// ID names a secret of a record from this Reader without showing it, as
// Hider.ID does: records of a capture have the same ids whether its secrets lie
// inside, beside or nowhere. It may be called from several goroutines at once, and while
// Next is.
func (r *Reader) ID(rec *Record, secret []byte, key int) [4]byte {
	h := rec.ids
	if h == nil {
		h = r.hider()
	}
	return h.ID(rec, secret, key)
}

func (r *Reader) hider() *Hider {
	if h := r.ids.Load(); h != nil {
		return h
	}
	s := r.opts.Salt
	if s.IsZero() {
		s = NewSalt()
	}
	r.ids.CompareAndSwap(nil, NewHider(s))
	return r.ids.Load()
}

// start begins a record. data aliases the buffer.
func (r *Reader) start(rec *Record, data []byte, origLen int) {
	comments := rec.Comments[:0]
	*rec = Record{}
	rec.Data, rec.OrigLen, rec.Comments = data, origLen, comments
}

// finish completes a record with what does not stand in its block.
func (r *Reader) finish(rec *Record, f *Interface, section layers.Order) {
	r.count++
	if rec.Number == 0 {
		rec.Number = r.last + 1
	}
	r.last = rec.Number
	order := layers.OrderOf(rec.Data, rec.OrigLen)
	if order == layers.NoOrder || order != f.Meta.Order || r.opts.Order != layers.NoOrder {
		order = r.settleOrder(order, f, rec.Number, section)
	}
	rec.Codec = layers.Codec{Dialect: f.Dialect, Order: order}
	if f.DialectFrom == DialectAssumed && r.opts.Sniff != nil {
		if d := r.opts.Sniff(rec.Data, order); d != layers.NoDialect {
			f.Dialect, f.DialectFrom = d, DialectSniffed
			rec.Codec.Dialect = d
		}
	}
	rec.ids = f.ids
	if rec.StandIns = f.Meta.Keys.standIns(); rec.StandIns && r.keys != nil && f.Meta.Keys == KeysBeside {
		rec.True = r.restore(rec, f)
	}
}

// settleOrder decides the byte order of a message by what is trusted most: the
// message itself, whose length field says own, the description, the section.
func (r *Reader) settleOrder(own layers.Order, f *Interface, number uint64, section layers.Order) layers.Order {
	claimed := f.Meta.Order
	switch {
	case r.opts.Order != layers.NoOrder:
		return r.opts.Order
	case own == layers.NoOrder && claimed == layers.NoOrder:
		return section
	case own == layers.NoOrder:
		return claimed
	case claimed != layers.NoOrder && claimed != own:
		r.notice("order", "record %d is %s-endian by its length field, though byteorder=%s", number, own, claimed.Abbrev())
	}
	return own
}

// settle decides the dialect of an interface and how its secrets are named.
func (r *Reader) settle(f *Interface) {
	switch {
	case r.opts.Dialect != layers.NoDialect:
		f.Dialect, f.DialectFrom = r.opts.Dialect, DialectGiven
	case f.Meta.Dialect != layers.NoDialect:
		f.Dialect, f.DialectFrom = f.Meta.Dialect, DialectDescribed
	default:
		if f.Dialect = dialectOfOS(f.OS); f.Dialect != layers.NoDialect {
			f.DialectFrom = DialectOfOS
			break
		}
		f.Dialect, f.DialectFrom = layers.Linux, DialectAssumed
	}
	if f.Meta.Keys == KeysInside && !f.Meta.Salt.IsZero() {
		f.ids = NewHider(f.Meta.Salt)
	}
}

// dialectOfOS reads the system's name from an if_os, such as "Linux 6.12.9" or
// "FreeBSD 14.2".
func dialectOfOS(os string) layers.Dialect {
	for _, s := range [...]struct {
		name    string
		dialect layers.Dialect
	}{
		{"linux", layers.Linux}, {"freebsd", layers.FreeBSD}, {"netbsd", layers.NetBSD}, {"openbsd", layers.OpenBSD},
		{"dragonfly", layers.DragonFly}, {"darwin", layers.MacOS}, {"macos", layers.MacOS}, {"mac os x", layers.MacOS},
		{"sunos", layers.Illumos}, {"illumos", layers.Illumos}, {"solaris", layers.Illumos},
	} {
		if len(os) >= len(s.name) && strings.EqualFold(os[:len(s.name)], s.name) {
			return s.dialect
		}
	}
	return layers.NoDialect
}

// restore returns the message with the true bytes from the side file, or nil if
// they are not there.
func (r *Reader) restore(rec *Record, f *Interface) []byte {
	if f.Meta.CaptureID != r.keys.captureID {
		r.notice("capture id", "%s belongs to another capture: it has captureid=%s, this one %s", r.keys.name, r.keys.captureID, f.Meta.CaptureID)
		return nil
	}
	msg, found := r.keys.restore(r.trueMsg[:0], rec)
	r.trueMsg = msg[:0]
	if found {
		return msg
	}
	if r.hasStandIns(rec) {
		r.notice("no line", "record %d: %s does not have its true bytes", rec.Number, r.keys.name)
	}
	return nil
}

// hasStandIns reports whether some secret of a record looks like a stand-in. The
// end of a message that was cut short is a secret too, because it cannot be
// decoded, but it need not be one.
func (r *Reader) hasStandIns(rec *Record) bool {
	r.spans = rec.Codec.AppendSecrets(r.spans[:0], rec.Data)
	for _, s := range r.spans {
		end := s.Offset + s.Len
		if rec.OrigLen > len(rec.Data) && end == len(rec.Data) {
			continue
		}
		if isOdd(rec.Data[s.Offset:end]) {
			return true
		}
	}
	return false
}

// maxNotices is how many notices of one kind are given.
const maxNotices = 8

func (r *Reader) notice(kind, format string, args ...any) {
	if r.opts.Notice == nil {
		return
	}
	if r.notices == nil {
		r.notices = map[string]int{}
	}
	limit := maxNotices
	switch kind {
	case "foreign", "order", "capture id", "comments": // the rest of the file will be like it
		limit = 1
	}
	switch n := r.notices[kind]; {
	case n < limit:
		r.opts.Notice(fmt.Sprintf(format, args...))
	case n == limit && limit > 1:
		r.opts.Notice("more notices of this kind are left out")
	case n > limit:
		return
	}
	r.notices[kind]++
}

// damage makes a DamageError about the block that comes next.
func (r *Reader) damage(torn bool, format string, args ...any) error {
	return &DamageError{Offset: r.in.off, Record: r.count + 1, Reason: fmt.Sprintf(format, args...), Torn: torn}
}

// at corrects the offset of a DamageError.
func (r *Reader) at(offset int64, err error) error {
	if d, ok := err.(*DamageError); ok {
		d.Offset = offset
	}
	return err
}

// readError is the error for a stream that cannot be read further.
func (r *Reader) readError(cause error) error {
	if d, ok := cause.(*DamageError); ok { // of compressed data
		return r.damage(d.Torn, "%s", d.Reason)
	}
	return fmt.Errorf("record %d at byte %d: %w", r.count+1, r.in.off, cause)
}
