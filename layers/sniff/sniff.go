package sniff

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// candidates are the codecs that bytes are read with, in the order of equals.
var candidates = func() (list []layers.Codec) {
	for _, d := range layers.Dialects() {
		if d == layers.RFC2367 {
			continue
		}
		for _, o := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			list = append(list, layers.Codec{Dialect: d, Order: o})
		}
	}
	return list
}()

// numCandidates is len(candidates): seven dialects in two byte orders.
const numCandidates = 14

// margin is how many points a candidate must be ahead of every other to be
// decided on: more than any one weak rule gives, however often it applies.
const margin = 7

// maxReasons is how many reasons a Candidate has at most.
const maxReasons = 12

// Candidate is a codec that the bytes may have.
type Candidate struct {
	Codec layers.Codec
	// Score is greater the more speaks for the codec. Candidates of the same score
	// have equal evidence. It is 0 for the one that least speaks for.
	Score int
	// Reasons are what tells the codec from others, the heaviest first, such as
	// "byte 24: a sockaddr of length 28 and family 28, unlike linux netbsd". Those of
	// a Sniffer begin with the number of the message.
	Reasons []string
}

// A Sniffer gathers evidence over messages. The zero value is ready for use, by
// one goroutine. It does not grow with the messages.
type Sniffer struct {
	messages int
	against  [numCandidates][numRules]evidence
	dump     dump
	reading  reading // of the message being added, to spare an allocation
}

// evidence is how often a rule spoke against a candidate, and how it did first.
type evidence struct {
	times   uint8
	message int
	fact    fact
}

// Add looks at one more message. length is how many bytes it had on the wire,
// more than len(msg) if it was cut short. msg is not kept.
func (s *Sniffer) Add(msg []byte, length int) { s.add(msg, length, layers.NoOrder) }

// add looks at a message whose byte order is known or not.
func (s *Sniffer) add(msg []byte, length int, known layers.Order) {
	s.messages++
	if len(msg) < layers.BaseLen {
		return
	}
	order, why := orderOf(msg, length)
	if order == layers.NoOrder {
		if order = known; order == layers.NoOrder {
			return // in the wrong order anything may seem to be an extension
		}
	}
	step := s.dump.step(msg, order)
	r := &s.reading
	r.msg, r.length = msg, length
	for i, c := range candidates {
		r.read(c, order, why, step)
		for k := range r.found {
			if r.found[k].rule != noRule {
				s.count(i, r.found[k])
			}
		}
	}
	r.msg = nil
}

func (s *Sniffer) count(candidate int, f fact) {
	e := &s.against[candidate][f.rule]
	if e.times == 0 {
		e.message, e.fact = s.messages, f
	}
	if e.times < rules[f.rule].most {
		e.times++
	}
}

// Messages returns how many messages were added.
func (s *Sniffer) Messages() int { return s.messages }

// penalties returns what speaks against each candidate.
func (s *Sniffer) penalties() (p [numCandidates]int) {
	for i := range p {
		for r := range s.against[i] {
			p[i] += int(s.against[i][r].times) * rules[r].weight
		}
	}
	return p
}

// Candidates returns all candidates, the best first. Those of equal score are in
// the order of [layers.Dialects].
func (s *Sniffer) Candidates() []Candidate {
	p := s.penalties()
	worst := slices.Max(p[:])
	list := make([]Candidate, numCandidates)
	for i, c := range candidates {
		list[i] = Candidate{Codec: c, Score: worst - p[i], Reasons: s.reasons(i)}
	}
	slices.SortStableFunc(list, func(a, b Candidate) int { return b.Score - a.Score })
	return list
}

// Decided returns the codec that the messages have. ok is false as long as the
// evidence for another one is nearly as good.
func (s *Sniffer) Decided() (c layers.Codec, ok bool) { return s.decide(layers.NoOrder) }

// decide chooses among the candidates of a byte order, or among all.
func (s *Sniffer) decide(order layers.Order) (c layers.Codec, ok bool) {
	p := s.penalties()
	best, next := -1, -1 // the least and the second least
	for i := range p {
		switch {
		case order != layers.NoOrder && candidates[i].Order != order:
		case best < 0 || p[i] < p[best]:
			best, next = i, best
		case next < 0 || p[i] < p[next]:
			next = i
		}
	}
	// What is no PF_KEY message at all speaks against everything.
	if p[next] < p[best]+margin || 2*p[next] < 3*p[best] {
		return layers.Codec{}, false
	}
	return candidates[best], true
}

// Dialect adds a message of a known byte order and returns the dialect that all
// messages so far have, or layers.NoDialect while that is not decided. As a method
// value it fits record.ReaderOptions.Sniff.
func (s *Sniffer) Dialect(msg []byte, order layers.Order) layers.Dialect {
	s.add(msg, len(msg), order)
	c, _ := s.decide(order)
	return c.Dialect
}

// reasons says what speaks against others and not against candidate i.
func (s *Sniffer) reasons(i int) (list []string) {
	type reason struct {
		e      *evidence
		unlike []string
		order  bool
	}
	var found []reason
	for r := range s.against[i] {
		if s.against[i][r].times > 0 {
			continue
		}
		first := len(found)
		for k, c := range candidates {
			e := &s.against[k][r]
			// Of the other byte order only the rule about the length says anything.
			other := c.Order != candidates[i].Order
			if e.times == 0 || other != rules[r].order {
				continue
			}
			at := slices.IndexFunc(found[first:], func(x reason) bool { return x.e.message == e.message && x.e.fact == e.fact })
			if at < 0 {
				at = len(found) - first
				found = append(found, reason{e: e, order: other})
			}
			found[first+at].unlike = append(found[first+at].unlike, c.Dialect.String())
		}
	}
	slices.SortStableFunc(found, func(a, b reason) int {
		return rules[b.e.fact.rule].weight - rules[a.e.fact.rule].weight
	})
	for _, f := range found[:min(len(found), maxReasons)] {
		var b strings.Builder
		if s.messages > 1 {
			b.WriteString("message " + strconv.Itoa(f.e.message) + ", ")
		}
		b.WriteString(f.e.fact.String())
		if !f.order {
			b.WriteString(", unlike " + strings.Join(f.unlike, " "))
		}
		list = append(list, b.String())
	}
	return list
}

// Sniff looks at one message, as a [Sniffer] would.
func Sniff(msg []byte, length int) []Candidate {
	var s Sniffer
	s.Add(msg, length)
	return s.Candidates()
}

// Contradiction is something in a message that a system would not have written.
type Contradiction struct {
	Offset int    // bytes from the start of the message
	Text   string // such as "SA type 77"; it shows no secrets
}

// String says the place and the text.
func (c Contradiction) String() string { return fmt.Sprintf("byte %d: %s", c.Offset, c.Text) }

// Contradictions says what in a message a system of the codec would not have
// written, while one of another dialect or byte order would: that the codec is
// wrong, not the message. It is empty if nothing does. A message by itself may be a
// process's mistake; what many of them say is for a [Sniffer].
func Contradictions(c layers.Codec, msg []byte) []Contradiction {
	if len(msg) < layers.BaseLen || c.Dialect == layers.NoDialect || c.Dialect >= layers.NumDialects || c.Order == layers.NoOrder {
		return nil
	}
	order, why := orderOf(msg, len(msg))
	if order == layers.NoOrder {
		order = c.Order
	}
	r := reading{msg: msg, length: len(msg)}
	r.read(c, order, why, noStep)
	found := r.found
	var list []Contradiction
	for k := range found {
		rule := found[k].rule
		if rule == noRule || rules[rule].weight < strong {
			continue
		}
		for _, other := range candidates {
			if other.Order != order {
				continue
			}
			if r.read(other, order, why, noStep); r.found[rule].rule == noRule {
				list = append(list, Contradiction{found[k].offset, found[k].text()})
				break
			}
		}
	}
	return list
}
