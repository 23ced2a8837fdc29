//go:build linux

package keysock_test

import (
	"errors"
	"os"
	"testing"
)

func TestMeminfo(t *testing.T) {
	c, _ := standIn(t)
	limit, err := c.SetReceiveBuffer(128 << 10)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Meminfo(); err != nil || int(m.Limit) != limit || m.Queued != 0 {
		t.Errorf("%+v, %v, want limit %d and nothing queued", m, err, limit)
	}
	c.Close()
	if _, err := c.Meminfo(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
