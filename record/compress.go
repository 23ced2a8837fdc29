package record

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// CompressedSuffix is appended to the name of a capture that has been compressed
// with zstd (RFC 8878).
const CompressedSuffix = ".zst"

// compress writes what is in a file into a new one, compressed. What is there
// already is not touched.
func compress(ctx context.Context, to string, in *os.File) (err error) {
	out, err := CreatePrivate(to, false)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := out.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(to)
		}
	}()
	// One thread, and little memory: this runs beside a recording.
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	_, err = io.Copy(z, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return in.Read(p)
	}))
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = dataSync(out)
	}
	if st, serr := in.Stat(); err == nil && serr == nil {
		_ = os.Chtimes(to, st.ModTime(), st.ModTime()) // its time is the recording's
	}
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// maxWindow is how far back compressed data may refer. A decoder allocates as much
// as a file claims to need, so this bounds it: 8 MiB is what every decoder should
// support (RFC 8878 section 3.1.1.1.2) and what zstd(1) needs up to level 19
// without --long. gzip needs 32 KiB.
const maxWindow = 8 << 20

// compression tells from the first bytes of a file with what it is compressed:
// "zstd", "gzip", or "" if it is not or that is not known.
func compression(b []byte) string {
	switch {
	case len(b) >= 4 && binary.LittleEndian.Uint32(b) == 0xfd2fb528, // a frame
		len(b) >= 4 && binary.LittleEndian.Uint32(b)&^0xf == 0x184d2a50: // a skippable one
		return "zstd"
	case len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b:
		return "gzip"
	}
	return ""
}

// Decompress returns a reader of what r holds: decompressed if it begins like a
// zstd or gzip file, otherwise as it is. Memory does not grow with the data. It
// reads the beginning of r. Errors of r are returned as they are; that compressed
// data is damaged or ends too early is a *DamageError, whose offset counts the
// decompressed bytes.
func Decompress(r io.Reader) (io.Reader, error) {
	in := &input{r: r}
	b, err := in.peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	kind := compression(b)
	if kind == "" {
		return in, nil
	}
	return newDecompressor(in, kind)
}

// decompressor reads compressed data. With one goroutine zstd.Decoder needs no
// Close.
type decompressor struct {
	kind string
	src  *input
	z    io.Reader
	off  int64 // decompressed so far
}

func newDecompressor(src *input, kind string) (*decompressor, error) {
	d := &decompressor{kind: kind, src: src}
	var err error
	if kind == "zstd" {
		d.z, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	} else {
		d.z, err = gzip.NewReader(src)
	}
	if err != nil {
		return nil, d.explain(err)
	}
	return d, nil
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.z.Read(p)
	d.off += int64(n)
	if err != nil && err != io.EOF {
		err = d.explain(err)
	}
	return n, err
}

// explain tells errors of the compressed data from those of the file.
func (d *decompressor) explain(err error) error {
	if cause := d.src.err; cause != nil && cause != io.EOF {
		return cause
	}
	e := &DamageError{Offset: d.off}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		e.Torn, e.Reason = true, "its "+d.kind+" data ends too early"
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("its zstd data needs a window of more than %d MiB: decompress it first (zstd -dc --long=31 FILE)", maxWindow>>20)
	default:
		e.Reason = fmt.Sprintf("its %s data is damaged: %v", d.kind, err)
	}
	return e
}
