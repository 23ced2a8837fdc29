package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/ipbatch"
	"github.com/pfkeycap/pfkeycap/record/convert/ipseckey"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// commands are what a language has for a message.
type commands struct {
	text    []func(dst []byte, showKeys bool) []byte // each without what ends a line
	hasKeys bool
	lost    []string
	notes   []string
	nothing bool // err says that the message changes nothing
	err     error
}

// statementSink writes what messages ask for in a language that has comments behind #.
type statementSink struct {
	x       *conversion
	out     io.WriteCloser
	say     func(r, answer *record.Record) commands
	text    *render.Printer
	waiting []*asked
	known   map[thing]bool // SAs and policies that are there; true if an SA has keys
	buf     []byte

	written, asking, refused, lossy, none int
}

// asked is a message that waits for the kernel's answer to it.
type asked struct {
	r, answer *record.Record
	waits     bool
	role      trace.Role
}

const (
	// maxWaiting is how many messages may come between a request and its answer.
	maxWaiting = 256
	// maxKnown is how many SAs and policies are remembered.
	maxKnown = 1 << 20
)

// thing names an SA or, by its addresses, ports and direction, a policy.
type thing struct {
	satype, dir uint8
	src, dst    netip.AddrPort
	lens        [2]uint8
	proto       uint8
	spi         uint32
}

func newStatementSink(x *conversion) (recordSink, error) {
	s := &statementSink{x: x, known: map[thing]bool{}, text: render.New(render.Options{ID: x.in.ids, Why: explain})}
	switch x.form.name {
	case "ip-xfrm":
		s.say = ipXfrm(&ipbatch.Converter{})
	case "setkey":
		s.say = s.setkey
	default:
		s.say = s.ipseckey
	}
	var err error
	s.out, err = x.create()
	if err == nil {
		load := map[string]string{"ip-xfrm": "ip -batch FILE", "setkey": "setkey -f FILE", "ipseckey": "ipseckey -f FILE"}[x.form.name]
		s.buf = fmt.Appendf(s.buf, "# What the messages in %q asked for. To do it again: %s\n", x.in.name, load)
	}
	return s, err
}

func ipXfrm(b *ipbatch.Converter) func(r, answer *record.Record) commands {
	return func(r, answer *record.Record) (x commands) {
		var reply []byte
		if answer != nil {
			reply = answer.Codec.Unwrap(answer.Bytes())
		}
		list, lost, notes, err := b.FromMessage(r.Codec, r.Codec.Unwrap(r.Bytes()), reply)
		x.lost, x.notes, x.err, x.nothing = lost, notes, err, errors.Is(err, ipbatch.ErrAsksOnly)
		for _, cmd := range list {
			x.text = append(x.text, cmd.Append)
			x.hasKeys = x.hasKeys || cmd.HasKeys()
		}
		return x
	}
}

// setkey and ipseckey know neither GETSPI nor, of an SA that has had no keys, UPDATE:
// the two are an add together.

func (s *statementSink) setkey(r, _ *record.Record) (x commands) {
	msg := r.Codec.Unwrap(r.Bytes())
	st, lost, err := setkey.FromMessage(r.Codec, msg)
	if x.lost, x.err = lost, err; err != nil {
		return x
	}
	switch st.Command {
	case "getspi":
		x.nothing, x.err = true, errors.New("setkey(8) has no getspi: the add of this SA names its SPI")
		return x
	case "get", "dump", "spddump":
		x.nothing, x.err = true, errors.New("a question")
		return x
	case "update":
		if !s.matured(r.Codec, msg) {
			st.Command = "add"
		} else {
			x.notes = append(x.notes, "update is no word of setkey(8), but of pfkeycap send: the kernel changes the lifetimes of an SA, not its keys")
		}
	case "spdadd", "spdupdate", "spddelete":
		if r.Codec.Dialect != layers.Linux {
			break
		}
		t, _, ok := thingOf(r.Codec, msg)
		in := t
		in.dir = 1
		if _, there := s.known[in]; ok && t.dir == 3 && there && st.Command != "spddelete" {
			x.nothing, x.err = true, errors.New("on Linux setkey(8) adds it together with the policy for what comes in")
			return x
		}
		if ok && t.dir == 1 && st.Command != "spddelete" {
			x.notes = append(x.notes, "on Linux setkey(8) adds the same for what is forwarded (-P fwd)")
		}
		if st.Command == "spdupdate" {
			x.notes = append(x.notes, "on Linux setkey(8) takes spdupdate, elsewhere spdadd does the same")
		}
	}
	x.text = append(x.text, st.Append)
	for _, a := range []*setkey.Algorithm{st.Encrypt, st.Auth} {
		x.hasKeys = x.hasKeys || a != nil && len(a.Key) > 0
	}
	return x
}

func (s *statementSink) ipseckey(r, _ *record.Record) (x commands) {
	msg := r.Codec.Unwrap(r.Bytes())
	st, lost, err := ipseckey.FromMessage(r.Codec, msg)
	if x.lost, x.err = lost, err; err != nil {
		return x
	}
	switch st.Command {
	case "get", "dump":
		x.nothing, x.err = true, errors.New("a question")
		return x
	case "update":
		if !s.matured(r.Codec, msg) {
			st.Command = "add"
		}
	}
	x.text = append(x.text, func(dst []byte, showKeys bool) []byte {
		return bytes.TrimSuffix(st.Append(dst, showKeys), []byte("\n"))
	})
	for _, k := range []*ipseckey.Key{st.EncryptKey, st.AuthKey} {
		x.hasKeys = x.hasKeys || k != nil
	}
	return x
}

// matured reports whether the SA of a message is there and has keys.
func (s *statementSink) matured(c layers.Codec, msg []byte) bool {
	t, _, ok := thingOf(c, msg)
	return ok && s.known[t]
}

// thingOf names what a message is about, if it names one SA or policy.
func thingOf(c layers.Codec, msg []byte) (t thing, m *layers.Message, ok bool) {
	m = &layers.Message{}
	m.Codec = c
	if m.DecodeFromBytes(msg, nil) != nil {
		return t, m, false
	}
	src, dst := m.AddressSrc(), m.AddressDst()
	switch {
	case dst == nil:
	case m.SA() != nil:
		return thing{satype: m.SAType, dst: netip.AddrPortFrom(dst.Addr(), 0), spi: m.SA().SPI}, m, true
	case m.Policy() != nil && src != nil:
		return thing{dir: m.Policy().Dir, src: netip.AddrPortFrom(src.Addr(), src.Port()), dst: netip.AddrPortFrom(dst.Addr(), dst.Port()), lens: [2]uint8{src.PrefixLen, dst.PrefixLen}, proto: dst.Proto}, m, true
	}
	return t, m, false
}

func (s *statementSink) add(r *record.Record) error {
	role := s.x.in.Role()
	if r.TwinOf != 0 || role == trace.Event {
		return nil
	}
	if r.ReplyTo != 0 {
		for _, w := range s.waiting {
			if w.r.Number == r.ReplyTo && w.answer == nil {
				w.answer, w.waits = r.Clone(), false
			}
		}
		if describes(r) {
			s.waiting = append(s.waiting, &asked{r: r.Clone(), role: role})
		}
	} else {
		s.waiting = append(s.waiting, &asked{r: r.Clone(), waits: r.Dir == record.ToKernel && r.WriteErrno == 0, role: role})
	}
	return s.settle(maxWaiting)
}

// describes reports whether a message lists an SA or a policy that is there.
func describes(r *record.Record) bool {
	m := decodedRecord(r)
	switch m.TypeName() {
	case "GET", "DUMP", "SPDGET", "SPDDUMP", "X_SPDGET", "X_SPDDUMP":
		return r.Dir != record.ToKernel && m.Errno == 0 && m.AddressDst() != nil
	}
	return false
}

// asksOnly reports whether a message only asks, listens or tells.
func asksOnly(m *layers.Message) bool {
	switch strings.TrimPrefix(m.TypeName(), "X_") {
	case "GET", "DUMP", "SPDGET", "SPDDUMP", "REGISTER", "ACQUIRE", "EXPIRE", "PROMISC", "NAT_T_NEW_MAPPING", "SPDACQUIRE", "SPDEXPIRE":
		return true
	}
	return false
}

// settle writes the messages that need not wait any longer, and those before more than
// so many that do.
func (s *statementSink) settle(most int) error {
	for len(s.waiting) > 0 && (!s.waiting[0].waits || len(s.waiting) > most) {
		w := s.waiting[0]
		s.waiting = append(s.waiting[:0], s.waiting[1:]...)
		if err := s.write(w); err != nil {
			return err
		}
	}
	if len(s.buf) < 64<<10 && s.x.in.file {
		return nil
	}
	return s.flush()
}

func (s *statementSink) flush() error {
	_, err := s.out.Write(s.buf)
	s.buf = s.buf[:0]
	if err != nil {
		return &statusError{exitDamage, err}
	}
	return nil
}

// write writes what a message asks for.
func (s *statementSink) write(w *asked) error {
	r := w.r
	msg := r.Codec.Unwrap(r.Bytes())
	t, m, named := thingOf(r.Codec, msg)
	_, there := s.known[t]
	if w.role != trace.Request && describes(r) && named && there {
		return nil // it is there already
	}
	line := bytes.TrimRight(s.text.Append([]byte("# "), r), "\n")
	s.buf = append(append(s.buf, line...), '\n')
	errno := r.WriteErrno
	if errno == 0 && w.answer != nil {
		errno = decodedRecord(w.answer).Errno
	}
	if errno == 0 && r.Dir != record.ToKernel {
		errno = m.Errno
	}
	if errno != 0 {
		s.refused++
		name := r.Codec.Dialect.ErrnoName(errno)
		if name == "" {
			name = fmt.Sprintf("errno %d", errno)
		}
		s.buf = fmt.Appendf(s.buf, "# refused (%s): left out\n", name)
		return nil
	}
	if r.Dir == record.Unknown && named {
		// It may be the kernel's answer to the one before: what was done is not done twice.
		switch typ := m.Codec.Dialect.EnumName(layers.EnumMsgType, uint64(m.Type)); typ {
		case "ADD", "GETSPI", "SPDADD", "DELETE", "SPDDELETE":
			if gone := strings.HasSuffix(typ, "DELETE"); there != gone {
				s.asking++
				s.buf = fmt.Appendf(s.buf, "# none: it is %s, and nothing says which way this message went\n", map[bool]string{true: "not known to be there", false: "there already"}[gone])
				return nil
			}
		}
	}
	x := s.say(r, w.answer)
	if x.err != nil && !x.nothing && asksOnly(m) {
		x.nothing, x.err = true, errors.New("changes no SA and no policy")
	}
	if x.err != nil {
		x.lost = nil
	}
	switch {
	case x.nothing:
		s.asking++
		s.buf = fmt.Appendf(s.buf, "# none: %v\n", x.err)
	case x.err != nil:
		s.none++
		s.buf = fmt.Appendf(s.buf, "# LOST: %v\n", x.err)
	case x.hasKeys && s.x.showKeys && r.StandIns && r.True == nil:
		return &statusError{exitUsage, &missingKeys{s.x.in, r.Number}}
	case x.hasKeys && !s.x.showKeys && s.x.output != "" && s.x.output != "-":
		return usagef("%s would have keys, which only --show-keys writes (message #%d): add it, or leave -o out to look at the rest", s.x.output, r.Number)
	}
	if x.err == nil && w.role == trace.Foreign && r.Dir == record.FromKernel && !describes(r) {
		x.notes = append(x.notes, "nobody in the recording asked for it")
	}
	for _, note := range x.notes {
		s.buf = fmt.Appendf(s.buf, "# note: %s\n", note)
	}
	for _, lost := range x.lost {
		s.buf = fmt.Appendf(s.buf, "# lost: %s\n", lost)
	}
	if len(x.lost) > 0 {
		s.lossy++
	}
	for _, text := range x.text {
		// Append puts a space before its words if something stands on the line.
		s.buf = append(append(s.buf, text(nil, s.x.showKeys)...), '\n')
		s.written++
	}
	s.follow(t, m, w, named)
	return nil
}

// follow notes what there is after a message.
func (s *statementSink) follow(t thing, m *layers.Message, w *asked, named bool) {
	switch name := m.Codec.Dialect.EnumName(layers.EnumMsgType, uint64(m.Type)); name {
	case "FLUSH", "SPDFLUSH":
		for k := range s.known {
			if policy := k.dir != 0; policy == (name == "SPDFLUSH") && (policy || m.SAType == 0 || m.SAType == k.satype) {
				delete(s.known, k)
			}
		}
	case "DELETE", "SPDDELETE":
		delete(s.known, t)
	case "GETSPI":
		if w.answer != nil {
			t, _, named = thingOf(w.answer.Codec, w.answer.Codec.Unwrap(w.answer.Bytes()))
		}
		s.learn(t, named, false)
	case "ADD", "UPDATE", "SPDADD", "SPDUPDATE", "SPDSETIDX", "GET", "DUMP", "SPDGET", "SPDDUMP":
		if name == "GET" && m.AddressSrc() != nil && m.LifetimeCurrent() == nil && m.KeyAuth() == nil && m.KeyEncrypt() == nil {
			return // a question
		}
		s.learn(t, named, true)
	}
}

func (s *statementSink) learn(t thing, named, keys bool) {
	if named && (len(s.known) < maxKnown || s.known[t]) {
		s.known[t] = keys
	}
}

func (s *statementSink) close() error {
	err := s.settle(0)
	for err == nil && len(s.waiting) > 0 {
		s.waiting[0].waits = false
		err = s.settle(0)
	}
	err = errors.Join(err, s.flush(), s.out.Close())
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d commands", s.written)
	for _, x := range []struct {
		n    int
		what string
	}{
		{s.refused, "left out, since the kernel refused it"}, {s.asking, "changes nothing"},
		{s.lossy, `loses something (see "# lost:")`}, {s.none, `has no command (see "# LOST:")`},
	} {
		if x.n > 0 {
			text += fmt.Sprintf("; %s: %d", x.what, x.n)
		}
	}
	s.x.say("%s", text)
	return nil
}
