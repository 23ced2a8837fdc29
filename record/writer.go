package record

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"sync/atomic"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// WriterOptions says what a capture looks like. The zero value is pcapng in the
// byte order of this machine with stand-ins for secrets and no side file.
type WriterOptions struct {
	Format   Format
	LinkType uint16 // LinkTypeUser0 (what 0 means) to LinkTypeUser15
	SnapLen  int    // bytes kept of a message; 0 is DefaultSnapLen, which is the most

	Hardware    string // the machine, for the section header
	OS          string // its system and release, such as "Linux 6.12.9"
	Application string // the program, such as "pfkeycap 1.0"

	// Meta describes the socket. Its Order is also that of the file; NoOrder is
	// that of this machine. Keys says what becomes of secrets, KeysUnsaid being
	// KeysNone. CaptureID is made up if a side file needs one.
	Meta Meta

	// Salt is what stand-ins and ids are made under. Zero is a new random one;
	// but if Meta.SaltID is set, it says that records come with stand-ins made
	// under that salt, and ones that hold true bytes are refused unless they are
	// to be written as they are (KeysInside).
	Salt Salt

	// KeysFile is the side file for KeysBeside. Create fills it in.
	KeysFile string
	// Overwrite lets the side file, and with Create the capture, replace a file
	// that is there.
	Overwrite bool

	// Filter is the text of the filter that chooses the records, if there is one.
	// It becomes a comment of the interface.
	Filter string
}

// Writer writes records into a capture: whole blocks only, a batch in one write.
// A file that could not be written to the end still ends after a whole record.
type Writer struct {
	opts     WriterOptions
	out      output
	keys     *output // side file
	inSeries *seriesFile
	big      bool
	hider    *Hider
	sockets  []socket // interfaces; more than one if records differ in their codec
	spans    []layers.Span

	batch []byte // blocks not yet written
	ends  []end  // where each ends
	lines []byte // lines of the side file not yet written

	last    uint64 // number of the last record appended
	written atomic.Uint64
	size    atomic.Int64 // bytes appended
	stats   Statistics
	err     error
	ended   bool // the statistics are in the batch, or written
	closed  bool
}

// socket is an interface of a capture being written.
type socket struct {
	codec       layers.Codec
	count       uint64
	first, last time.Time
}

// end is the end of a block in a batch.
type end struct {
	at      int
	records uint64 // in the batch up to here
}

// flushSize is when a batch is written without being asked.
const flushSize = 256 << 10

// Create creates a capture file, and with KeysBeside the side file, both with mode
// 0600 whatever the umask. Symbolic links are not followed; a file that is there
// is an error (fs.ErrExist) unless Overwrite is set.
func Create(path string, o WriterOptions) (*Writer, error) {
	if o.KeysFile == "" {
		o.KeysFile = path + KeysSuffix
	}
	f, err := CreatePrivate(path, o.Overwrite)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	w, err := NewWriter(f, o)
	if err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}
	w.out.own(f)
	return w, nil
}

// NewWriter returns a Writer to a stream, which stays the caller's. Nothing is
// written before the first Flush. With KeysInside a regular file that others may
// read is refused.
func NewWriter(out io.Writer, o WriterOptions) (*Writer, error) {
	if o.LinkType == 0 {
		o.LinkType = LinkTypeUser0
	}
	if !ourLinkType(o.LinkType) {
		return nil, fmt.Errorf("link type %d: want %d to %d", o.LinkType, LinkTypeUser0, LinkTypeUser15)
	}
	if o.SnapLen == 0 {
		o.SnapLen = DefaultSnapLen
	}
	if o.SnapLen < layers.BaseLen || o.SnapLen > DefaultSnapLen {
		return nil, fmt.Errorf("snapshot length of %d bytes: want %d to %d", o.SnapLen, layers.BaseLen, DefaultSnapLen)
	}
	if o.Format > PcapMicro {
		return nil, fmt.Errorf("unknown capture format %d", o.Format)
	}
	if err := o.Meta.check(); err != nil {
		return nil, err
	}
	if o.Meta.Order == layers.NoOrder {
		o.Meta.Order = layers.NativeEndian
	}
	w := &Writer{opts: o, out: output{w: out}, big: o.Meta.Order == layers.BigEndian}
	if err := w.secrets(out); err != nil {
		return nil, err
	}
	w.sockets = append(w.sockets, socket{codec: layers.Codec{Dialect: o.Meta.Dialect, Order: o.Meta.Order}})
	if o.Format == PcapNG {
		if err := w.appendSection(); err != nil {
			return nil, err
		}
		if err := w.appendInterface(w.sockets[0].codec); err != nil {
			return nil, err
		}
	} else {
		w.appendPcapHeader()
	}
	if w.opts.Meta.Keys == KeysBeside {
		f, err := CreatePrivate(o.KeysFile, o.Overwrite)
		if err != nil {
			return nil, fmt.Errorf("side file for keys: %w", err)
		}
		w.keys = &output{w: f}
		w.keys.own(f)
		w.lines = appendKeysHeader(w.lines, w.opts.Meta.CaptureID)
	}
	w.endBlock(false)
	w.size.Store(int64(len(w.batch)))
	return w, nil
}

// secrets settles what becomes of secrets.
func (w *Writer) secrets(out io.Writer) error {
	o := &w.opts
	m := &o.Meta
	switch m.Keys {
	case KeysUnsaid:
		m.Keys = KeysNone
	case KeysInside:
		if f, ok := out.(*os.File); ok {
			if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && othersMayRead(st) {
				return fmt.Errorf("%s would hold keys and others may read it (mode %04o): chmod 600 it, or keep the keys out", f.Name(), st.Mode().Perm())
			}
		}
	case KeysBeside:
		if o.Format != PcapNG {
			return fmt.Errorf("%v has no room for the id of a side file: keep keys inside or nowhere", o.Format)
		}
		if o.KeysFile == "" {
			return errors.New("keys beside a stream need the name of a side file")
		}
		if m.CaptureID == "" {
			var id [8]byte
			rand.Read(id[:]) // never fails (crypto/rand)
			m.CaptureID = hex.EncodeToString(id[:])
		}
	}
	salt := o.Salt
	o.Salt = Salt{} // not to be printed with a Writer
	switch {
	case salt.IsZero() && m.Keys.standIns() && m.SaltID != "":
		return nil
	case salt.IsZero() && m.Keys == KeysInside && !m.Salt.IsZero():
		salt = m.Salt
	case salt.IsZero():
		salt = NewSalt()
	}
	m.SaltID, m.Salt = salt.ID(), Salt{}
	if m.Keys == KeysInside {
		m.Salt = salt
	}
	w.hider = NewHider(salt)
	return nil
}

// Name returns the name of the file that Create has made, or "".
func (w *Writer) Name() string {
	if w.out.file == nil {
		return ""
	}
	return w.out.file.Name()
}

// Meta returns the description the capture has.
func (w *Writer) Meta() Meta { return w.opts.Meta }

// Hider returns what the Writer makes stand-ins with, to name the secrets of
// records as the capture will. It is nil if records come with their stand-ins,
// and not to be used while another goroutine uses the Writer.
func (w *Writer) Hider() *Hider { return w.hider }

// KeysFile returns the name of the side file, or "".
func (w *Writer) KeysFile() string {
	if w.keys != nil {
		return w.opts.KeysFile
	}
	return ""
}

// Records returns how many records are in the capture. It may be called at any
// time.
func (w *Writer) Records() uint64 { return w.written.Load() }

// Size returns how many bytes the capture has, those that wait for Flush
// included. It may be called at any time.
func (w *Writer) Size() int64 { return w.size.Load() }

// SetStatistics says what is to be told at the end of the capture; the Writer
// fills in what is not given: the times of the first and last record and the
// number delivered.
func (w *Writer) SetStatistics(s Statistics) { w.stats = s }

// Append adds a record to the batch, which is written by Flush or when it has
// grown large. The record stays the caller's and is not changed. Numbers ascend
// in a capture: a record without a number, or with one that is not above the one
// before, gets the next.
//
// A record that is refused leaves the capture as it was: it has stand-ins made
// elsewhere, or true bytes though Meta.SaltID says otherwise (see WriterOptions),
// or more text than a block can hold, or a time that the format cannot express.
// After an error of writing, every further call returns that error.
func (w *Writer) Append(r *Record) error {
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return os.ErrClosed
	}
	number := r.Number
	if number <= w.last {
		number = w.last + 1
	}
	data, hide, err := w.choose(r)
	if err != nil {
		return fmt.Errorf("record %d: %w", number, err)
	}
	batch, ends, lines, sockets := len(w.batch), len(w.ends), len(w.lines), len(w.sockets)
	if err := w.appendRecord(r, number, data, hide); err != nil {
		w.batch, w.ends, w.lines, w.sockets = w.batch[:batch], w.ends[:ends], w.lines[:lines], w.sockets[:sockets]
		return fmt.Errorf("record %d: %w", number, err)
	}
	w.last = number
	w.size.Add(int64(len(w.batch) - batch))
	if len(w.batch)+len(w.lines) >= flushSize {
		return w.Flush()
	}
	return nil
}

// WriteBatch appends records and flushes.
func (w *Writer) WriteBatch(rs []*Record) error {
	for _, r := range rs {
		if err := w.Append(r); err != nil {
			return err
		}
	}
	return w.Flush()
}

// Errors about records that do not fit to what the capture says of its secrets.
var (
	errNoTrueBytes    = errors.New("it has stand-ins for its secrets, and the true bytes that are to be written are not at hand")
	errOtherStandIns  = errors.New("it has stand-ins made under another salt: name that salt, or give its true bytes as its data")
	errNotYetStandIns = errors.New("it has true secret bytes, though the salt for stand-ins is not known")
)

// choose returns the bytes of a record to be written, and whether secrets are to
// be hidden in them.
func (w *Writer) choose(r *Record) (data []byte, hide bool, err error) {
	if w.opts.Meta.Keys == KeysInside {
		if r.StandIns && r.True == nil {
			if w.spans = r.Codec.AppendSecrets(w.spans[:0], r.Data); len(w.spans) > 0 {
				return nil, false, errNoTrueBytes
			}
		}
		return r.Bytes(), false, nil
	}
	switch {
	case r.StandIns && w.hider != nil:
		if w.spans = r.Codec.AppendSecrets(w.spans[:0], r.Data); len(w.spans) > 0 {
			return nil, false, errOtherStandIns
		}
		return r.Data, false, nil
	case r.StandIns:
		return r.Data, false, nil
	case w.hider == nil:
		if w.spans = r.Codec.AppendSecrets(w.spans[:0], r.Data); len(w.spans) > 0 {
			return nil, false, errNotYetStandIns
		}
		return r.Data, false, nil
	}
	return r.Data, true, nil
}

func (w *Writer) appendRecord(r *Record, number uint64, data []byte, hide bool) error {
	var p packet // not a literal, which would be made elsewhere and copied
	p.Record, p.number, p.data, p.hide = r, number, data, hide
	p.captured, p.original = min(len(data), w.opts.SnapLen), max(r.OrigLen, len(data))
	id := 0
	var err error
	if w.opts.Format == PcapNG {
		if id, err = w.interfaceOf(r.Codec); err == nil {
			err = w.appendPacket(&p, id)
		}
	} else {
		err = w.appendPcapPacket(&p)
	}
	if err != nil {
		return err
	}
	s := &w.sockets[id]
	s.count++
	if t := r.Time; t != s.last && !t.IsZero() {
		if s.first.IsZero() || t.Before(s.first) {
			s.first = t
		}
		if t.After(s.last) {
			s.last = t
		}
	}
	return nil
}

// packet is a record on its way into the batch.
type packet struct {
	*Record
	number             uint64
	data               []byte // with true bytes if hide is set
	captured, original int
	hide               bool
}

// appendData appends the captured bytes of a packet to the batch, and its line to
// that of the side file. Secrets are hidden before the message is cut, so that a
// key that is cut short still has the stand-in of the whole one.
func (w *Writer) appendData(p *packet) error {
	at := len(w.batch)
	w.batch = append(w.batch, p.data...)
	secret := p.data
	switch {
	case p.hide:
		w.spans = p.Codec.AppendSecrets(w.spans[:0], p.data)
		w.hider.hideSpans(w.batch[at:], w.spans)
	case w.keys != nil && p.StandIns && p.True != nil:
		if len(p.True) != len(p.data) {
			return fmt.Errorf("its true bytes are %d, those of the capture %d", len(p.True), len(p.data))
		}
		secret, w.spans = p.True, appendDifferences(w.spans[:0], p.True, p.data)
	default:
		w.spans = w.spans[:0]
	}
	if w.keys != nil {
		w.lines = appendKeysLine(w.lines, p.number, secret, p.captured, w.spans)
	}
	w.batch = w.batch[:at+p.captured]
	return nil
}

// appendDifferences appends the runs of bytes in which a and b, which have one
// length, differ. Runs with little between them are joined.
func appendDifferences(dst []layers.Span, a, b []byte) []layers.Span {
	const near = 4
	for i := 0; i < len(a); i++ {
		if a[i] == b[i] {
			continue
		}
		if n := len(dst); n > 0 && i-(dst[n-1].Offset+dst[n-1].Len) < near {
			dst[n-1].Len = i + 1 - dst[n-1].Offset
			continue
		}
		dst = append(dst, layers.Span{Offset: i, Len: 1})
	}
	return dst
}

// endBlock notes that the batch is whole up to here.
func (w *Writer) endBlock(record bool) {
	e := end{at: len(w.batch)}
	if n := len(w.ends); n > 0 {
		e.records = w.ends[n-1].records
	}
	if record {
		e.records++
	}
	w.ends = append(w.ends, e)
}

// Flush writes the batch: first the lines of the side file, then the blocks, each
// with one write. If that fails, the capture ends after the last block that was
// written as a whole.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	if w.closed {
		return os.ErrClosed
	}
	if len(w.lines) > 0 {
		_, err := w.keys.write(w.lines, func(n int) int { return bytes.LastIndexByte(w.lines[:n], '\n') + 1 })
		w.lines = w.lines[:0]
		if err != nil {
			w.err = fmt.Errorf("side file for keys: the capture ends after %d records: %w", w.Records(), err)
			return w.err
		}
	}
	if len(w.batch) == 0 {
		return nil
	}
	kept, err := w.out.write(w.batch, w.whole)
	if i := w.endsUpTo(kept); i > 0 {
		w.written.Add(w.ends[i-1].records)
	}
	if err != nil {
		w.size.Store(w.out.off)
		w.err = fmt.Errorf("capture ends after %d records: %w", w.Records(), err)
	}
	w.batch, w.ends = w.batch[:0], w.ends[:0]
	return w.err
}

// endsUpTo returns how many blocks of the batch end within its first n bytes.
func (w *Writer) endsUpTo(n int) int {
	return sort.Search(len(w.ends), func(i int) bool { return w.ends[i].at > n })
}

// whole returns how many of the first n bytes of the batch are whole blocks.
func (w *Writer) whole(n int) int {
	if i := w.endsUpTo(n); i > 0 {
		return w.ends[i-1].at
	}
	return 0
}

// Sync waits until what has been written is on the disk, if it is in files made
// by Create. It may be called while another goroutine uses the Writer.
func (w *Writer) Sync() error {
	if w.keys != nil {
		if err := w.keys.sync(); err != nil {
			return err
		}
	}
	return w.out.sync()
}

// removed returns an error if a file made by Create is not in any directory any
// more. It may be called while another goroutine uses the Writer.
func (w *Writer) removed() error {
	if w.keys != nil {
		if err := w.keys.removed(); err != nil {
			return err
		}
	}
	return w.out.removed()
}

// appendEnd appends the statistics, once.
func (w *Writer) appendEnd() {
	if w.opts.Format != PcapNG || w.ended {
		return
	}
	w.ended = true
	before := len(w.batch)
	for id := range w.sockets {
		w.appendStatistics(id)
	}
	w.size.Add(int64(len(w.batch) - before))
}

// Close writes what waits and the statistics, and closes the files that Create
// has made. After an error of writing it only closes them, and removes them if
// not even the header of the capture could be written.
func (w *Writer) Close() error {
	if w.closed {
		return os.ErrClosed
	}
	err := w.err
	if err == nil {
		w.appendEnd()
		if err = w.Flush(); err == nil {
			err = w.Sync()
		}
	}
	w.closed = true
	w.batch, w.ends, w.lines = nil, nil, nil // a Writer may be kept for its name
	if w.keys != nil {
		if cerr := w.keys.close(); err == nil {
			err = cerr
		}
	}
	if cerr := w.out.close(); err == nil {
		err = cerr
	}
	if w.err != nil && w.out.off == 0 && w.Name() != "" {
		os.Remove(w.Name())
		if w.keys != nil {
			os.Remove(w.opts.KeysFile)
		}
	}
	return err
}
