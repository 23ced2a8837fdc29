package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

// TestFlushIsAskedFor: what makes a running kernel forget everything is refused before
// it is written. (The talk has no socket: writing would fail differently.)
func TestFlushIsAskedFor(t *testing.T) {
	talk := &talk{codec: hostCodec()}
	types := []uint8{layers.FLUSH}
	if v, ok := talk.codec.Dialect.EnumValue(layers.EnumMsgType, "SPDFLUSH"); ok {
		types = append(types, uint8(v))
	}
	for _, typ := range types {
		msg, err := talk.codec.Encode(&layers.Base{Type: typ})
		if err != nil {
			t.Fatal(err)
		}
		err = talk.send(msg, "")
		var se *statusError
		if !errors.As(err, &se) || se.status != exitUsage || !strings.Contains(err.Error(), "--allow-flush") {
			t.Errorf("message type %d: %v", typ, err)
		}
	}
}
