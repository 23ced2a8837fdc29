package sniff_test

import (
	"math/rand"
	"slices"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/sniff"
)

// TestCaptures holds real messages against the truth: whatever part of a capture
// has been seen, a decision is right.
func TestCaptures(t *testing.T) {
	type want struct {
		alone int // messages that name their codec by themselves, at least
		after int // messages after which the capture is decided, at most
		wrong int // messages for which another codec looks better: only where a compiler made them up
	}
	wants := map[string]want{
		"netbsd/netbsd-7.99":          {alone: 37, after: 22},
		"freebsd/freebsd-13":          {alone: 54, after: 22},
		"openbsd/openbsd-4.4":         {alone: 88, after: 4},
		"linux/acquire-v4":            {alone: 84, after: 1},
		"linux/acquire-v6":            {alone: 86, after: 1},
		"linux/errors":                {alone: 29, after: 8},
		"linux/expire":                {alone: 130, after: 6},
		"linux/flush":                 {alone: 14, after: 14},
		"linux/malformed":             {alone: 59, after: 6},
		"linux/migrate":               {alone: 63, after: 7},
		"linux/netlink-cross":         {alone: 79, after: 6},
		"linux/register":              {alone: 22, after: 5},
		"linux/sa-ident":              {alone: 61, after: 2},
		"linux/sa-lifecycle-v6":       {alone: 60, after: 2},
		"linux/sa-natt":               {alone: 31, after: 2},
		"linux/spd-v4":                {alone: 41, after: 2},
		"linux/spd-v6":                {alone: 41, after: 2},
		"linux/iked-own-socket":       {alone: 20, after: 8},
		"linux/iked-promisc":          {alone: 47, after: 9},
		"linux-s390x/acquire-v4":      {alone: 84, after: 1},
		"linux-s390x/sa-lifecycle-v4": {alone: 60, after: 3},
		"layout/darwin":               {alone: 13, after: 3, wrong: 5},
		"layout/freebsd":              {alone: 2, after: 20, wrong: 5},
		"layout/openbsd":              {alone: 29, after: 2, wrong: 5},
	}
	list := captures(t)
	for _, c := range list {
		w, known := wants[c.name]
		if !known {
			t.Errorf("%s: what is expected of it?", c.name)
		}
		for _, c := range []capture{c, c.turned()} {
			t.Run(c.name, func(t *testing.T) {
				alone, equal, wrong, decided := 0, 0, 0, 0
				for i, m := range c.msgs {
					list := sniff.Sniff(m, len(m))
					switch top := best(list); {
					case !slices.Contains(top, c.codec):
						wrong++
					case len(top) == 1:
						alone++
					default:
						equal++
					}
					var s sniff.Sniffer
					s.Add(m, len(m))
					if got, ok := s.Decided(); ok {
						decided++
						if got != c.codec {
							t.Errorf("message %d alone: decided on %v: %q", i+1, got, list[0].Reasons)
						}
					}
				}
				var s sniff.Sniffer
				after := 0
				for i, m := range c.msgs {
					s.Add(m, len(m))
					got, ok := s.Decided()
					if ok && got != c.codec {
						t.Fatalf("after %d messages: decided on %v", i+1, got)
					}
					if ok && after == 0 {
						after = i + 1
					}
				}
				got, ok := s.Decided()
				t.Logf("%d messages: %d show %v alone, %d also others, %d rather another; %d decide; the capture: %v %v, from message %d on",
					len(c.msgs), alone, c.codec, equal, wrong, decided, got, ok, after)
				if !ok || after > w.after+2 || alone < w.alone*9/10 || wrong > w.wrong {
					t.Errorf("want at least %d alone, %d wrong, decided from message %d on", w.alone, w.wrong, w.after)
				}
				if s.Messages() != len(c.msgs) {
					t.Errorf("%d messages, want %d", s.Messages(), len(c.msgs))
				}
				sample(t, c)
			})
		}
	}
	if len(list) != len(wants) {
		t.Errorf("%d captures, want %d", len(list), len(wants))
	}
}

// sample decides on messages in any order and choice.
func sample(t *testing.T, c capture) {
	t.Helper()
	rng := rand.New(rand.NewSource(int64(len(c.msgs))))
	for range 200 {
		var s sniff.Sniffer
		n := 1 + rng.Intn(16)
		var chosen []int
		for range n {
			i := rng.Intn(len(c.msgs))
			chosen = append(chosen, i)
			s.Add(c.msgs[i], len(c.msgs[i]))
		}
		if got, ok := s.Decided(); ok && got != c.codec {
			t.Fatalf("messages %v: decided on %v", chosen, got)
		}
	}
}

// TestIPv4Only leaves IPv6 out, without which NetBSD and FreeBSD are hard to tell
// apart.
func TestIPv4Only(t *testing.T) {
	for _, c := range captures(t) {
		d := c.codec.Dialect
		if d != layers.NetBSD && d != layers.FreeBSD && d != layers.OpenBSD {
			continue
		}
		var v4 capture
		v4.name, v4.codec = c.name, c.codec
		for _, m := range c.msgs {
			if !hasIPv6(c.codec, m) {
				v4.msgs = append(v4.msgs, m)
			}
		}
		if len(v4.msgs) == len(c.msgs) {
			t.Errorf("%s has no IPv6", c.name)
		}
		sample(t, v4)
		var s sniff.Sniffer
		for i, m := range v4.msgs {
			s.Add(m, len(m))
			if got, ok := s.Decided(); ok && got != c.codec {
				t.Errorf("%s: after %d messages: decided on %v", c.name, i+1, got)
			}
		}
		if got := s.Candidates()[0].Codec; got != c.codec {
			t.Errorf("%s: the best candidate is %v", c.name, got)
		}
	}
}

func hasIPv6(c layers.Codec, msg []byte) bool {
	v := &families{}
	c.Walk(msg, v)
	return v.six
}

// families is a layers.Visitor that looks for IPv6 addresses.
type families struct {
	six bool
}

func (f *families) Field(_ *layers.Field, v *layers.Value)            { f.six = f.six || v.Addr.Is6() }
func (*families) Base(*layers.Base, int, int)                         {}
func (*families) Extension(*layers.Header, uint16, string, int, bool) {}
func (*families) Open(layers.NodeKind, string)                        {}
func (*families) Close(layers.NodeKind)                               {}
func (*families) EndExtension()                                       {}
func (*families) Malformed([]byte, int, layers.Reason)                {}
func (*families) End()                                                {}

// TestReasonsHideSecrets puts other octets in place of the secret ones, and nothing
// in the reasons changes.
func TestReasonsHideSecrets(t *testing.T) {
	changed := 0
	for _, c := range captures(t) {
		for i, m := range c.msgs {
			spans := c.codec.AppendSecrets(nil, m)
			if len(spans) == 0 {
				continue
			}
			// The rest that cannot be framed, or the reserved octets of a header, may be
			// what a message is told by.
			other := slices.Clone(m)
			for _, s := range spans {
				if s.Key == 0 && s.Len < 8 {
					continue
				}
				for k := s.Offset; k < s.Offset+s.Len; k++ {
					other[k] = 0xa5
				}
			}
			a, b := sniff.Sniff(m, len(m)), sniff.Sniff(other, len(other))
			for k := range a {
				if !slices.Equal(a[k].Reasons, b[k].Reasons) {
					t.Errorf("%s message %d: reasons for %v\n%q\n%q with other secrets", c.name, i+1, a[k].Codec, a[k].Reasons, b[k].Reasons)
					break
				}
			}
			for _, d := range layers.Dialects() {
				wrong := layers.Codec{Dialect: d, Order: c.codec.Order}
				if x, y := sniff.Contradictions(wrong, m), sniff.Contradictions(wrong, other); !slices.Equal(x, y) {
					t.Errorf("%s message %d: contradictions of %v\n%q\n%q with other secrets", c.name, i+1, d, x, y)
				}
			}
			changed++
		}
	}
	if changed < 400 {
		t.Errorf("only %d messages with secrets", changed)
	}
}
