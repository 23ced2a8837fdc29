package record

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-strftime"
)

// SeriesOptions says how the files of a Series are named and how many are kept.
type SeriesOptions struct {
	// Path is the name of the files, to which Naming adds.
	Path   string
	Naming Naming

	// Ring is how many files are kept, if it is not 0: the oldest goes, together
	// with its side file, before the next one is made.
	Ring int

	// Compress says that finished files are to be compressed (Series.Compress), so
	// that the names of the results have to be free too.
	Compress bool

	// Writer is what the captures look like. KeysFile must be "": side files lie
	// beside each capture. All captures have one salt, so that equal keys look
	// alike in all of them; each has a CaptureID of its own.
	Writer WriterOptions

	// Notice receives what is worth knowing though it is no error, one sentence
	// each. May be nil.
	Notice func(text string)
}

// Naming is a way of naming the files of a Series.
type Naming uint8

// The ways of naming. All times are local.
const (
	// Single is one file with the name Path.
	Single Naming = iota
	// Numbered is tcpdump's with -C: Path, Path1, Path2 and so on; in a ring of 12
	// it is Path00 to Path11.
	Numbered
	// Timed is tcpdump's with -G: Path is a format of strftime(3) for the time at
	// which a period began, and within a period files are numbered.
	Timed
	// Stamped is dumpcap's: the number of the file and the time of its creation
	// stand before the extension of Path, as in x_00001_20260501100000.pcapng.
	Stamped
)

// maxStamp is where the numbers of Stamped begin again, as dumpcap's do.
const maxStamp = 100000

// Series makes the files of a recording that a Rotation divides. It is safe for
// use by several goroutines.
type Series struct {
	opts SeriesOptions

	mu     sync.Mutex
	begun  bool
	number int       // of the present file
	stamp  time.Time // of the present period (Timed)
	ring   []*seriesFile
}

// seriesFile is a file of a Series, which a ring may remove.
type seriesFile struct {
	capture string // its present name
	keys    string // the side file; "" if there is none
	gone    bool
}

// NewSeries returns a Series. Nothing is created yet.
func NewSeries(o SeriesOptions) (*Series, error) {
	switch {
	case o.Path == "":
		return nil, errors.New("a capture needs a name")
	case o.Writer.KeysFile != "" && o.Naming != Single:
		return nil, errors.New("every capture of a series has a side file of its own: it cannot be named")
	case o.Ring < 0 || o.Ring >= maxStamp:
		return nil, fmt.Errorf("a ring of %d files: want 1 to %d", o.Ring, maxStamp-1)
	case o.Naming == Timed && !changes(o.Path):
		return nil, fmt.Errorf("%s would be the name of every file: put a time into it, such as %s", o.Path, insert(o.Path, "-%Y%m%d%H%M%S"))
	}
	if o.Writer.Salt.IsZero() {
		o.Writer.Salt = NewSalt()
	}
	return &Series{opts: o}, nil
}

// changes reports whether a format of strftime gives different names at different
// times.
func changes(format string) bool {
	a := time.Date(2001, time.February, 3, 4, 5, 6, 0, time.Local)
	b := time.Date(2012, time.November, 16, 17, 48, 59, 0, time.Local)
	return strftime.Format(format, a) != strftime.Format(format, b)
}

// insert puts s before the extension of the last element of a path.
func insert(path, s string) string {
	ext := filepath.Ext(path)
	if ext == filepath.Base(path) { // .name
		ext = ""
	}
	return strings.TrimSuffix(path, ext) + s + ext
}

// name is the name of a file.
func (o *SeriesOptions) name(number int, stamp time.Time) string {
	path := o.Path
	switch o.Naming {
	case Stamped:
		return insert(path, fmt.Sprintf("_%05d_%s", number%maxStamp, stamp.Format("20060102150405")))
	case Timed:
		path = strftime.Format(path, stamp)
	}
	width := 0
	if o.Ring > 1 && o.Naming != Single {
		width = len(strconv.Itoa(o.Ring - 1))
	}
	if number == 0 && width == 0 {
		return path
	}
	return fmt.Sprintf("%s%0*d", path, width, number)
}

// Next creates the next capture, or the first one. It is what Rotation.Next
// wants.
//
// A file that is there is not touched unless WriterOptions.Overwrite is set: the
// first capture is not made then (fs.ErrExist), later ones get another name, with
// a notice.
func (s *Series) Next(at time.Time, timed bool) (*Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &s.opts
	first := !s.begun
	s.advance(at, timed)
	name := o.name(s.number, s.stamp)
	if first {
		if err := s.checkRing(name); err != nil {
			return nil, err
		}
	}
	if o.Ring > 0 && len(s.ring) >= o.Ring {
		s.remove(s.ring[0])
		s.ring = append(s.ring[:0], s.ring[1:]...)
	}
	w, err := s.create(name)
	var there *fs.PathError
	if !first && errors.Is(err, fs.ErrExist) && errors.As(err, &there) {
		w, err = s.substitute(name, there.Path)
	}
	if err != nil {
		return nil, err
	}
	s.begun = true
	w.inSeries = &seriesFile{capture: w.Name(), keys: w.KeysFile()}
	if o.Ring > 0 {
		s.ring = append(s.ring, w.inSeries)
	}
	return w, nil
}

// substitute creates a capture with another name than one that is in use.
func (s *Series) substitute(name, there string) (w *Writer, err error) {
	const tries = 1000
	for n := 1; n <= tries; n++ {
		free := insert(name, fmt.Sprintf("-%d", n))
		if w, err = s.create(free); err == nil {
			s.notice("%s is there already: recording goes on in %s", there, free)
			return w, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return nil, err
}

// advance counts.
func (s *Series) advance(at time.Time, timed bool) {
	switch o := &s.opts; {
	case o.Naming == Stamped:
		s.number++
		s.stamp = at
	case !s.begun:
		s.stamp = at
	case timed && o.Naming == Timed:
		s.number, s.stamp = 0, at
		clear(s.ring)
		s.ring = s.ring[:0] // what belongs to another period stays
	case o.Ring > 0:
		s.number = (s.number + 1) % o.Ring
	default:
		s.number++
	}
}

// checkRing refuses to begin a ring over files that are there, whose turn would
// come only later.
func (s *Series) checkRing(first string) error {
	o := &s.opts
	if o.Naming != Numbered || o.Writer.Overwrite {
		return nil
	}
	for n := range o.Ring {
		name := o.name(n, time.Time{})
		for _, name := range [...]string{name, name + KeysSuffix, name + CompressedSuffix} {
			if _, err := os.Lstat(name); err == nil && name != first {
				return inTheWay(name)
			}
		}
	}
	return nil
}

// inTheWay is the error about a file whose name is needed.
func inTheWay(name string) error {
	return fmt.Errorf("capture: %w", &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist})
}

// create creates a capture.
func (s *Series) create(name string) (*Writer, error) {
	o := &s.opts
	if o.Compress {
		// Better now than when the recording is done.
		to := name + CompressedSuffix
		if st, err := os.Lstat(to); err == nil {
			if !o.Writer.Overwrite || !st.Mode().IsRegular() {
				return nil, inTheWay(to)
			}
			if err := os.Remove(to); err != nil {
				return nil, fmt.Errorf("capture: %w", err)
			}
		}
	}
	w := o.Writer
	if s.begun || o.Naming != Single {
		w.Meta.CaptureID = ""
	}
	return Create(name, w)
}

// remove deletes a file of the ring.
func (s *Series) remove(f *seriesFile) {
	f.gone = true
	for _, name := range [...]string{f.capture, f.keys} {
		if name == "" {
			continue
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.notice("the ring cannot do away with an old file: %v", err)
		}
	}
}

func (s *Series) notice(format string, args ...any) {
	if s.opts.Notice != nil {
		s.opts.Notice(fmt.Sprintf(format, args...))
	}
}

// Name returns the present name of a capture of the Series: "" if the ring has
// removed it.
func (s *Series) Name(w *Writer) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.inSeries == nil || w.inSeries.gone {
		return ""
	}
	return w.inSeries.capture
}

// Compress compresses a finished capture of the Series and puts the result, whose
// name it returns, in its place. The side file stays as it is: readers find it.
// If that fails, or ctx ends it, the capture is as it was. For one that the ring
// has removed the name is "".
func (s *Series) Compress(ctx context.Context, w *Writer) (string, error) {
	f := w.inSeries
	if f == nil {
		return "", errors.New("it is not a capture of this series")
	}
	s.mu.Lock()
	if f.gone {
		s.mu.Unlock()
		return "", nil
	}
	name := f.capture
	// Opened now, it is still this file when the ring uses the name again.
	in, err := os.Open(name)
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	defer in.Close()
	to := name + CompressedSuffix
	if err := compress(ctx, to, in); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.gone {
		return "", os.Remove(to)
	}
	f.capture = to
	return to, os.Remove(name)
}
