package sandbox

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Host and guest talk over consoles of the guest's kernel, byte streams that never
// end by themselves. What is more than a plain stream is cut into frames: a byte
// that says what it is, the length of the rest as four bytes, little-endian, and
// the rest.
type frameKind byte

const (
	// From the guest, on the control console.
	frameHello   frameKind = 'h' // the consoles are ready: the protocol's version
	frameStarted frameKind = 's' // the command runs
	frameStatus  frameKind = 'x' // it has ended: status, as JSON
	frameRead    frameKind = 'r' // so much of an input has been read, see flow.go

	// From the host, on the control console.
	frameTask   frameKind = 't' // what to do: task, as JSON
	frameSignal frameKind = 'k' // a signal for the command: its number, one byte
	frameWindow frameKind = 'w' // the terminal's rows and columns, two bytes each

	// From the host, on the console of standard input.
	frameData frameKind = 'd'
	frameEOF  frameKind = 'e'
)

// protocolVersion tells an Init of another build apart.
const protocolVersion = "1"

// maxFrame bounds what a frame may hold: arguments and environment can be some
// megabytes on Linux.
const maxFrame = 64 << 20

const frameHeader = 5

func putFrameHeader(b []byte, kind frameKind, length int) {
	b[0] = byte(kind)
	binary.LittleEndian.PutUint32(b[1:frameHeader], uint32(length))
}

// writeFrame writes a frame with one Write.
func writeFrame(w io.Writer, kind frameKind, payload []byte) error {
	b := make([]byte, frameHeader+len(payload))
	putFrameHeader(b, kind, len(payload))
	copy(b[frameHeader:], payload)
	_, err := w.Write(b)
	return err
}

// readFrameHeader reads the start of a frame; length bytes follow it.
func readFrameHeader(r io.Reader) (kind frameKind, length int, err error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, 0, err
	}
	n := binary.LittleEndian.Uint32(h[1:])
	if n > maxFrame {
		return 0, 0, fmt.Errorf("frame %q of %d bytes: longer than %d", h[0], n, maxFrame)
	}
	return frameKind(h[0]), int(n), nil
}

func readFrame(r io.Reader) (frameKind, []byte, error) {
	kind, n, err := readFrameHeader(r)
	if err != nil {
		return 0, nil, err
	}
	// The buffer grows with what arrives, not with what is announced.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return 0, nil, fmt.Errorf("frame %q of %d bytes, after %d: %w", kind, n, b.Len(), err)
	}
	return kind, b.Bytes(), nil
}

// task is what the guest is to do.
type task struct {
	Args, Env []string
	Dir       string
	Umask     int
	Modules   string  // directory on the host
	Mounts    []mount // in the order they are to be made

	Stdin    bool // else /dev/null
	Terminal bool // stdin and stdout are one
	Window   window

	// StderrToStdout says that both are one file; else stderr is a pipe.
	StderrToStdout bool
}

type window struct{ Rows, Cols uint16 }

func (w window) bytes() []byte {
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, w.Rows), w.Cols)
}

func parseWindow(b []byte) (w window, ok bool) {
	if len(b) != 4 {
		return w, false
	}
	return window{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])}, true
}

// status is how the command ended.
type status struct {
	// Code is the exit status, 128+n for signal n.
	Code int
	// Failed says why the guest could not be prepared; then nothing ran.
	Failed string
	// Stdout and Stderr are the numbers of bytes written, which must have arrived.
	Stdout, Stderr int64
}

// encode writes the task for the guest. JSON's strings are UTF-8; arguments and paths
// may be any bytes, so they go as hex digits.
func (t task) encode() ([]byte, error) {
	return json.Marshal(t.each(func(s string) string { return hex.EncodeToString([]byte(s)) }))
}

func decodeTask(b []byte) (t task, err error) {
	if err := json.Unmarshal(b, &t); err != nil {
		return task{}, err
	}
	t = t.each(func(s string) string {
		b, e := hex.DecodeString(s)
		if e != nil {
			err = e
		}
		return string(b)
	})
	return t, err
}

// each returns a copy of the task with f's results instead of its strings.
func (t task) each(f func(string) string) task {
	all := func(list []string) []string {
		list = slices.Clone(list)
		for i, s := range list {
			list[i] = f(s)
		}
		return list
	}
	t.Args, t.Env, t.Dir, t.Modules = all(t.Args), all(t.Env), f(t.Dir), f(t.Modules)
	t.Mounts = slices.Clone(t.Mounts)
	for i := range t.Mounts {
		t.Mounts[i].Path = f(t.Mounts[i].Path)
	}
	return t
}
