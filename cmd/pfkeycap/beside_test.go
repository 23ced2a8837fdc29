package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// stopped is a terminal that stands still until it is told to go on.
type stopped struct {
	goOn  chan struct{}
	began chan struct{}
	bytes.Buffer
}

func (s *stopped) Write(p []byte) (int, error) {
	select {
	case s.began <- struct{}{}:
	default:
	}
	<-s.goOn
	return s.Buffer.Write(p)
}

func TestBeside(t *testing.T) {
	out := &stopped{goOn: make(chan struct{}), began: make(chan struct{}, 1)}
	b := newBeside(out, 100)
	fmt.Fprint(b, "first|")
	<-out.began // from now on it hangs
	want := "first|"
	for i := range 20 {
		line := fmt.Sprintf("line %05d|", i)[:10]
		if n, err := b.Write([]byte(line)); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		if i < 10 {
			want += line
		}
	}
	if left, cut := b.end(time.Millisecond); left != 10 || !cut {
		t.Errorf("%d left out, cut %v", left, cut)
	}
	close(out.goOn)
	if left, cut := b.end(time.Minute); left != 10 || cut {
		t.Errorf("%d left out, cut %v", left, cut)
	}
	if out.String() != want {
		t.Errorf("written %q, want %q", out.String(), want)
	}

	// An error is told to the next write, and nothing hangs.
	cause := errors.New("the cause")
	b = newBeside(failingWriter{cause}, 100)
	for {
		if _, err := io.Copy(b, strings.NewReader("x")); err != nil {
			if err != cause {
				t.Error(err)
			}
			break
		}
	}
	if _, cut := b.end(time.Minute); cut {
		t.Error("it does not end")
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
