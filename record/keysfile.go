package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// The side file holds the true secret bytes of a capture with KeysBeside. It is
// text: a header line
//
//	pfkeycap-keys 1 captureid=0123456789abcdef
//
// whose id stands in the capture's description too, then a line for each record
// that has secrets, in the order of the capture: the record's number, the bytes
// of it in the capture, and for each run of secret bytes its offset in the record
// and the bytes in hex.
//
//	7 96 24:00112233445566778899aabbccddeeff 88:0102030405060708
//
// A batch of lines is written before the records it belongs to, so whatever stops
// the recorder, no record is in the capture without its line.

// KeysSuffix is appended to the name of a capture to give that of its side file.
const KeysSuffix = ".keys"

// KeysFileOf returns the name of the side file that lies beside a capture, which
// may have been compressed since, or "" if there is none.
func KeysFileOf(capture string) string {
	for _, suffix := range [...]string{"", CompressedSuffix, ".gz"} {
		base, ok := strings.CutSuffix(capture, suffix)
		if _, err := os.Stat(base + KeysSuffix); ok && !errors.Is(err, fs.ErrNotExist) {
			return base + KeysSuffix
		}
	}
	return ""
}

const (
	keysMagic   = "pfkeycap-keys"
	keysVersion = 1

	// maxKeysLine bounds a line: the most that a message of DefaultSnapLen bytes
	// can need is below it.
	maxKeysLine = 4 << 20
)

// appendKeysHeader appends the first line.
func appendKeysHeader(b []byte, captureID string) []byte {
	return fmt.Appendf(b, "%s %d captureid=%s\n", keysMagic, keysVersion, captureID)
}

// appendKeysLine appends the line of a record: the spans of msg, as far as they
// lie in the first captured bytes. Without secrets there is no line.
func appendKeysLine(b []byte, number uint64, msg []byte, captured int, spans []layers.Span) []byte {
	if len(spans) == 0 {
		return b
	}
	start := len(b)
	b = strconv.AppendUint(b, number, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(captured), 10)
	bare := len(b)
	for _, s := range spans {
		end := min(s.Offset+s.Len, captured)
		if s.Offset >= end {
			continue
		}
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(s.Offset), 10)
		b = append(b, ':')
		b = hex.AppendEncode(b, msg[s.Offset:end])
	}
	if len(b) == bare {
		return b[:start]
	}
	return append(b, '\n')
}

// keysReader reads a side file in step with the records of its capture.
type keysReader struct {
	name      string
	file      *os.File
	in        input
	captureID string
	notice    func(kind, format string, args ...any)
	used      bool // some record got its bytes from here

	lineNo int
	number uint64 // record of the current line
	line   []byte // what follows the number in it; nil if it has been used
	ended  bool
}

// openKeys opens a side file and reads its header.
func openKeys(name string, notice func(kind, format string, args ...any)) (*keysReader, error) {
	// A FIFO would block and a device means something else: look before opening.
	st, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	k := &keysReader{name: name, file: f, in: input{r: f}, notice: notice}
	if err := k.header(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if othersMayRead(st) {
		notice("keys", "%s holds keys and others may read it: chmod 600 it", name)
	}
	return k, nil
}

// othersMayRead reports whether a file that holds keys is open to more users than
// its owner. Windows has no such modes.
func othersMayRead(st fs.FileInfo) bool {
	return runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0
}

func (k *keysReader) header() error {
	b, err := k.in.line(256)
	if err != nil && err != io.EOF && err != errLongLine {
		return err
	}
	words := strings.Fields(string(b[:min(len(b), 256)]))
	if err != nil || len(words) < 2 || words[0] != keysMagic {
		return errors.New("it does not begin like a side file with keys")
	}
	if words[1] != strconv.Itoa(keysVersion) {
		return fmt.Errorf("side file of version %.16q: only %d is known", words[1], keysVersion)
	}
	for _, w := range words[2:] {
		if id, ok := strings.CutPrefix(w, "captureid="); ok {
			k.captureID = id
		}
	}
	if k.captureID == "" {
		return errors.New("side file without a captureid")
	}
	k.lineNo = 1
	return nil
}

func (k *keysReader) close() {
	k.ended, k.line = true, nil
	k.file.Close()
}

// restore appends the message of a record to dst and puts the true bytes into it.
// It reports false, with a notice unless the file merely has no line for the
// record, if that cannot be done.
func (k *keysReader) restore(dst []byte, rec *Record) ([]byte, bool) {
	for k.line == nil || k.number < rec.Number {
		if !k.advance() {
			return dst, false
		}
	}
	if k.number != rec.Number {
		return dst, false
	}
	line := k.line
	k.line = nil
	dst = append(dst, rec.Data...)
	if err := applyKeysLine(dst, line); err != nil {
		k.notice("keys line", "record %d: line %d of %s does not fit: %v", rec.Number, k.lineNo, k.name, err)
		return dst[:0], false
	}
	k.used = true
	return dst, true
}

// advance reads the next line.
func (k *keysReader) advance() bool {
	if k.ended {
		return false
	}
	b, err := k.in.line(maxKeysLine)
	if err != nil {
		if err != io.EOF {
			k.notice("keys", "%s cannot be read beyond line %d: %v", k.name, k.lineNo, err)
		} else if len(b) > 0 {
			k.notice("keys", "%s ends inside line %d: true bytes are missing from there on", k.name, k.lineNo+1)
		}
		k.ended, k.line = true, nil
		return false
	}
	k.lineNo++
	digits, rest, _ := bytes.Cut(b, []byte{' '})
	n, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil || n <= k.number {
		k.notice("keys", "%s is damaged at line %d, which has no ascending record number: true bytes are missing from there on", k.name, k.lineNo)
		k.ended, k.line = true, nil
		return false
	}
	k.number, k.line = n, rest
	return true
}

// applyKeysLine puts the bytes of a line (without the number) into msg, which
// holds stand-ins. The errors do not quote the line.
func applyKeysLine(msg, line []byte) error {
	digits, pairs, _ := bytes.Cut(line, []byte{' '})
	if n, err := strconv.Atoi(string(digits)); err != nil || n != len(msg) {
		return fmt.Errorf("it is not for a message of %d bytes", len(msg))
	}
	next := 0
	for len(pairs) > 0 {
		var pair []byte
		pair, pairs, _ = bytes.Cut(pairs, []byte{' '})
		digits, value, found := bytes.Cut(pair, []byte{':'})
		off, err := strconv.Atoi(string(digits))
		if err != nil || !found || off < next || len(value) == 0 || len(value)%2 != 0 {
			return errors.New("it has no ascending list of offset:hex")
		}
		n := len(value) / 2
		if off > len(msg) || n > len(msg)-off {
			return fmt.Errorf("%d bytes at offset %d are outside the message of %d bytes", n, off, len(msg))
		}
		if !isOdd(msg[off : off+n]) {
			return fmt.Errorf("the capture has no stand-in at offset %d", off)
		}
		if _, err := hex.Decode(msg[off:off+n], value); err != nil {
			return fmt.Errorf("the bytes for offset %d are not hex", off)
		}
		next = off + n
	}
	return nil
}
