package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
)

// CreatePrivate creates a file for writing with mode 0600, whatever the umask: a
// file for keys, or for what may hold some. It follows no symbolic link. A file
// that is there already is an error (fs.ErrExist) unless overwrite is set; then a
// regular file is removed first, so that who has the old one open does not see
// the new one. Anything but a regular file is never replaced.
func CreatePrivate(path string, overwrite bool) (*os.File, error) {
	if overwrite {
		switch st, err := os.Lstat(path); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case !st.Mode().IsRegular():
			return nil, fmt.Errorf("%s is no regular file: it is not replaced", path)
		default:
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil { // the umask may have taken bits away
		f.Close()
		os.Remove(path)
		return nil, err
	}
	return f, nil
}

// output writes batches. If a batch does not fit on the disk, it cuts a file that
// is ours back to what is whole.
type output struct {
	w     io.Writer
	file  *os.File // w, if it is a regular file made by us
	off   int64    // bytes written
	dirty atomic.Bool
	named bool // the file system counts the names of the file

	bringToDisk func(*os.File) error // nil is dataSync; for tests
}

// own says that the file written to is ours.
func (o *output) own(f *os.File) {
	o.file = f
	st, err := f.Stat()
	o.named = err == nil && links(st) > 0
}

// write writes a batch with one call. After an error it returns how many bytes of
// the batch stay: whole tells how much of the first n bytes is worth keeping.
func (o *output) write(b []byte, whole func(n int) int) (int, error) {
	n, err := o.w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if n > 0 {
		o.dirty.Store(true)
	}
	if err == nil {
		o.off += int64(n)
		return n, nil
	}
	kept := whole(min(max(n, 0), len(b)))
	if o.file != nil && kept != n {
		if terr := o.file.Truncate(o.off + int64(kept)); terr != nil {
			err = fmt.Errorf("%w (and what was written of it stays: %v)", err, terr)
		}
	}
	o.off += int64(kept)
	return kept, err
}

// sync brings what has been written to the disk. It may be called while another
// goroutine writes.
func (o *output) sync() error {
	if o.file == nil || !o.dirty.Swap(false) {
		return nil
	}
	sync := dataSync
	if o.bringToDisk != nil {
		sync = o.bringToDisk
	}
	if err := sync(o.file); err != nil {
		o.dirty.Store(true)
		return err
	}
	return nil
}

// ErrRemoved matches the error about a capture, or its side file, that has been
// removed while it was written.
var ErrRemoved = errors.New("has been removed, what is recorded would be lost")

func (o *output) removed() error {
	if o.file == nil || !o.named {
		return nil
	}
	st, err := o.file.Stat()
	if err == nil && links(st) == 0 {
		err = fmt.Errorf("%s %w", o.file.Name(), ErrRemoved)
	}
	return err
}

func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}
