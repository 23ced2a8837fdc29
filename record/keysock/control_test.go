package keysock_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pfkeycap/pfkeycap/record/keysock"
)

func TestControlMessage(t *testing.T) {
	little := []byte{
		2, 11, 0, 1, // version, type, errno, satype
		2, 0, 0, 0, // len in words, reserved
		0x04, 0x03, 0x02, 0x01, // seq
		0x9c, 0x01, 0, 0, // pid 412
	}
	big := []byte{
		2, 11, 0, 1,
		0, 2, 0, 0,
		0x01, 0x02, 0x03, 0x04,
		0, 0, 0x01, 0x9c,
	}
	want := little
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		want = big
	}
	if got := keysock.ControlMessage(11, 1, 0x01020304, 412); !bytes.Equal(got, want) {
		t.Errorf("got  % x\nwant % x", got, want)
	}
}
