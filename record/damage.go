package record

import (
	"errors"
	"fmt"
)

// ErrDamaged matches the errors of a Reader about a capture that is not whole:
// a *DamageError. Every whole record before the damage has been given out.
var ErrDamaged = errors.New("damaged capture")

// ErrTorn matches the errors about a capture that ends in the middle of
// something, as it does when its recorder was killed or its disk was full. An
// ErrTorn is also an ErrDamaged.
var ErrTorn = errors.New("torn capture")

// ErrNotCapture matches the errors about files that hold something else, or
// packets that are not PF_KEY messages.
var ErrNotCapture = errors.New("not a PF_KEY capture")

// DamageError says where a capture stops making sense.
type DamageError struct {
	Offset int64  // bytes from the start of the file to the block that is damaged
	Record uint64 // how many records were read before, plus one
	Reason string
	Torn   bool // the file ends inside the block
}

// Error gives place and reason.
func (e *DamageError) Error() string {
	kind := "damaged"
	if e.Torn {
		kind = "torn"
	}
	return fmt.Sprintf("capture is %s at byte %d, record %d: %s", kind, e.Offset, e.Record, e.Reason)
}

// Is matches ErrDamaged, and ErrTorn if the file is torn.
func (e *DamageError) Is(target error) bool {
	return target == ErrDamaged || target == ErrTorn && e.Torn
}
