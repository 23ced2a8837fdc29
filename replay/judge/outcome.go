package judge

import (
	"bytes"
	"strconv"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/replay"
)

// outcome is what a kernel made of a request.
type outcome struct {
	errno   uint8    // of write(2) or of the answer; 0: accepted
	byWrite bool     // write(2) failed
	silent  bool     // accepted, and nothing came
	replies [][]byte // what came in answer, without promiscuous copies
	events  [][]byte // what came besides
	odd     string   // what should not be, or ""
}

// read takes the outcome of a request out of a target's answer. promisc says that the
// socket was promiscuous before: then the request comes first, and each answer twice.
func read(c layers.Codec, request []byte, a replay.Answer, promisc bool) outcome {
	o := outcome{errno: uint8(a.Errno), byWrite: a.Errno != 0}
	if a.Errno > 255 {
		o.odd = "errno " + strconv.Itoa(a.Errno)
	}
	list := a.Messages
	if promisc && !o.byWrite {
		if len(list) == 0 || !bytes.Equal(list[0].Data, request) {
			o.odd = "no promiscuous copy of the request"
		} else {
			list = list[1:]
		}
	}
	if o.byWrite {
		for _, m := range list {
			if answers(m.Data, request) {
				o.odd = "an answer to a write that failed"
			} else {
				o.events = append(o.events, m.Data)
			}
		}
		return o
	}
	refused := false
	for _, m := range list {
		switch b := m.Data; {
		case !answers(b, request):
			o.events = append(o.events, b)
		case isError(b, request):
			refused = true
			o.errno = b[2]
			o.replies = append(o.replies, b)
		default:
			o.replies = append(o.replies, b)
		}
	}
	if refused {
		for _, b := range o.replies {
			if !isError(b, request) || b[2] != o.errno {
				o.odd = "an error and something else"
			}
		}
	}
	o.silent = o.errno == 0 && len(o.replies) == 0
	return o
}

// answers reports whether a message is of the type that answers a request.
func answers(b, request []byte) bool {
	if len(b) < layers.BaseLen || len(request) < layers.BaseLen {
		return false
	}
	want := request[1]
	if want == layers.SPDSETIDX {
		return b[1] == layers.SPDADD || b[1] == want
	}
	return b[1] == want
}

// isError reports whether a message is pfkey_error's answer to a request: its header
// with an errno.
func isError(b, request []byte) bool {
	return len(b) == layers.BaseLen && b[2] != 0 && b[0] == request[0] && b[1] == request[1] && b[3] == request[3] &&
		bytes.Equal(b[8:], request[8:layers.BaseLen])
}

// how says how a prediction stands to an outcome.
type how uint8

const (
	exact        how = iota // one outcome was predicted, and came
	undetermined            // more were predicted, and one of them came
	disagreement
)

func compare(v *check.Verdict, o *outcome) how {
	same := v.Errno == o.errno && v.ByWrite == o.byWrite && (o.errno != 0 || v.Silent == o.silent)
	switch {
	case same && len(v.Possible) == 0:
		return exact
	case same, (!o.byWrite || v.ByWrite) && v.Allows(o.errno) && (o.errno != 0 || v.Silent == o.silent):
		return undetermined
	}
	return disagreement
}

// predicted and answered name a side of a disagreement, such as "EINVAL (key-size)".
func predicted(v *check.Verdict) string {
	s := result(v.Errno, v.ByWrite, v.Silent)
	if v.Problem.Code != "" {
		s += " (" + v.Problem.Code + ")"
	}
	for _, e := range v.Possible {
		s += " or " + result(e, false, false)
	}
	return s
}

func answered(o *outcome) string { return result(o.errno, o.byWrite, o.silent) }

func result(errno uint8, byWrite, silent bool) string {
	switch {
	case errno == 0 && silent:
		return "accepted silently"
	case errno == 0:
		return "accepted"
	}
	name := layers.Linux.ErrnoName(errno)
	if name == "" {
		name = "errno " + strconv.Itoa(int(errno))
	}
	if byWrite {
		name += " by write"
	}
	return name
}
