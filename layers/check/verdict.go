package check

import "github.com/pfkeycap/pfkeycap/layers"

// Verdict is what a kernel will answer to a request.
type Verdict struct {
	Errno   uint8   // 0: accepted as far as the bytes tell
	ByWrite bool    // write(2) fails with Errno, and nothing is delivered
	Silent  bool    // if it is accepted, nothing is sent in answer: a bare ACQUIRE
	Problem Problem // what the kernel objects to; its Code is "" if Errno is 0

	// Possible lists other errnos that may come instead, by an answer or by
	// write(2): what only the kernel's state tells (the SA exists already, a
	// cipher's module is missing), what the kernel checks before it finds Problem,
	// and where kernels differ. The caller must not change it.
	Possible []uint8
}

// Allows reports whether the verdict has room for the answer of a kernel, 0 for a
// success.
func (v *Verdict) Allows(errno uint8) bool {
	if errno == v.Errno {
		return true
	}
	for _, e := range v.Possible {
		if e == errno {
			return true
		}
	}
	return false
}

// FromState reports whether only what the kernel holds brings the problem about, as a
// Model knows it: the message itself is sound.
func (p *Problem) FromState() bool { return p.rule != nil && p.rule.State }

// Predict says what the kernel of a dialect will answer to a message that a process
// writes. The message is read in c's byte order, with the numbers of by, whatever
// c's dialect. For RFC2367, which leaves errnos to the systems, and for a dialect
// that is none the verdict is the zero Verdict.
//
// On Linux an X_PROMISC with extensions is passed on to all sockets as it was
// sent, with the sender's own sadb_msg_errno: that errno is no answer to it.
func Predict(by layers.Dialect, c layers.Codec, msg []byte) Verdict {
	s := kernelOf(by)
	if s == nil || s == &rfcKernel {
		return Verdict{}
	}
	k := newChecker(s, c, msg, ToKernel)
	s.judge(k, ToKernel)
	v := Verdict{Silent: s.silent != nil && s.silent(k)}
	t := k.m.Type
	problems := k.free()
	for i := range problems {
		if p := &problems[i]; p.Errno != 0 {
			v.Errno, v.ByWrite, v.Problem = p.Errno, p.ByWrite, *p
			v.Silent = false
			break
		}
	}
	if v.Errno == 0 || v.Problem.rule.id > lastHeader {
		v.Possible = s.possible(t, v.Errno != 0)
	}
	for i := range problems {
		p := &problems[i]
		if p.Errno != 0 {
			break
		}
		if may := p.rule.May; len(may) > 0 {
			v.Possible = append(v.Possible[:len(v.Possible):len(v.Possible)], may...)
		}
	}
	return v
}
