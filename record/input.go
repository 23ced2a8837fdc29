package record

import (
	"bytes"
	"errors"
	"io"
)

// inputSize is the size of a read, and of the buffer until a block needs more.
const inputSize = 64 << 10

// input is a reader that shows what comes next without consuming it. Unlike a
// bufio.Reader it knows its offset and grows, but only as far as bytes have
// really arrived: a length that a file merely claims costs nothing.
type input struct {
	r        io.Reader
	buf      []byte
	pos, end int   // buf[pos:end] has been read and not consumed
	off      int64 // of buf[pos] in the file
	err      error // why there is no more
}

// ahead returns what has been read and not consumed.
func (in *input) ahead() []byte { return in.buf[in.pos:in.end] }

// peek returns the next n bytes, which are valid until the next call, or fewer
// and the reason: io.EOF or the error of the underlying reader.
func (in *input) peek(n int) ([]byte, error) {
	if in.end-in.pos < n {
		return in.fill(n)
	}
	return in.buf[in.pos : in.pos+n], nil
}

func (in *input) fill(n int) ([]byte, error) {
	for in.end-in.pos < n {
		if in.err != nil {
			return in.buf[in.pos:in.end], in.err
		}
		in.more(n)
	}
	return in.buf[in.pos : in.pos+n], nil
}

// more reads once, making room before, up to what n bytes need.
func (in *input) more(n int) {
	if in.pos > 0 {
		in.end = copy(in.buf, in.buf[in.pos:in.end])
		in.pos = 0
	}
	if in.end == len(in.buf) {
		bigger := make([]byte, max(inputSize, min(2*len(in.buf), n)))
		copy(bigger, in.buf)
		in.buf = bigger
	}
	for range 100 {
		got, err := in.r.Read(in.buf[in.end:])
		if got < 0 || got > len(in.buf)-in.end {
			in.err = errors.New("the reader returned an impossible count")
			return
		}
		in.end += got
		in.err = err
		if got > 0 || err != nil {
			return
		}
	}
	in.err = io.ErrNoProgress
}

// discard consumes n bytes that peek has shown.
func (in *input) discard(n int) {
	in.pos += n
	in.off += int64(n)
}

// Read reads what has not been consumed.
func (in *input) Read(p []byte) (int, error) {
	if in.pos == in.end {
		if in.err != nil {
			return 0, in.err
		}
		if in.more(1); in.pos == in.end {
			return 0, in.err
		}
	}
	n := copy(p, in.buf[in.pos:in.end])
	in.discard(n)
	return n, nil
}

// errLongLine is returned by line.
var errLongLine = errors.New("line too long")

// line consumes the next line and returns it without its newline, valid until
// the next call. If no newline comes within limit bytes or before the end, the
// bytes there are come with the reason.
func (in *input) line(limit int) ([]byte, error) {
	for searched := 0; ; {
		b := in.buf[in.pos:in.end]
		if i := bytes.IndexByte(b[searched:], '\n'); i >= 0 {
			in.discard(searched + i + 1)
			return b[:searched+i], nil
		}
		searched = len(b)
		if searched >= limit {
			return b, errLongLine
		}
		if in.err != nil {
			return b, in.err
		}
		in.more(limit)
	}
}

// skip consumes n bytes without keeping them. It returns how many there were and
// the reason if there were fewer.
func (in *input) skip(n int) (int, error) {
	for left := n; left > 0; {
		have := min(left, in.end-in.pos)
		in.discard(have)
		if left -= have; left == 0 {
			break
		}
		if in.err != nil {
			return n - left, in.err
		}
		in.more(1)
	}
	return n, nil
}
