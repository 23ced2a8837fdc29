package pfjson

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSecret is the cause of an Error about secret octets that a line leaves out.
var ErrSecret = errors.New("the line holds no secret octets: write it with --show-keys, on a machine that has the capture's side file CAPTURE.keys")

// Error says why a line is no record. It never holds what a secret member says.
type Error struct {
	Record uint64 // number of the record, if the line says it
	Path   string // where in the object, such as ext[2](KEY_AUTH).key; "" is the whole
	Offset int    // bytes from the start of the line
	Err    error
}

// Error describes the fault and its place.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Record != 0 {
		fmt.Fprintf(&b, "record %d, ", e.Record)
	}
	if e.Path != "" {
		fmt.Fprintf(&b, "%s, ", e.Path)
	}
	fmt.Fprintf(&b, "byte %d of the line: %v", e.Offset, e.Err)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
