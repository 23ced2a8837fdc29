package diff

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// exchange is a trace.Exchange while it is compared.
type exchange struct {
	*trace.Exchange
	first  *layers.Message // the request, or the first answer
	sa     sa
	hasSA  bool
	numbrs []uint64
}

func (x *exchange) number() uint64 { return x.numbrs[0] }

// Messages compares what was said in two recordings.
//
// Exchanges are aligned by what they are about: type, SA type, addresses, and the SPI if
// both sides have it for that type and destination. As many as can be are brought
// together in order; what is left over on both sides and about the same thing has moved.
// Answers are compared in order, entries of a dump by what they are about. Of a side that
// is damaged (record.ErrDamaged) what is whole is compared, and the error returned with
// the report.
func Messages(a, b *Side, o Options) (*Report, error) {
	r := &Report{Schema: 1, Of: "messages", Entries: []Entry{}, Aside: []Aside{}}
	x, err := read(a, &o, &r.A)
	y, berr := read(b, &o, &r.B)
	if err = errors.Join(err, berr); err != nil && !damage(err) {
		return nil, err
	}
	j := newJudge(&o, r, a, b)
	j.fix(x, y)
	m := &matcher{judge: j, ids: map[string]int32{}, asking: [2]bool{asking(x), asking(y)}}
	m.match(x, y)
	return r, err
}

// damage reports whether an error is about no more than damaged input.
func damage(err error) bool {
	var most *TooMuch
	return errors.Is(err, record.ErrDamaged) && !errors.As(err, &most)
}

// asking reports whether there are requests only, as in a script.
func asking(list []exchange) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(x exchange) bool { return x.Request == nil || len(x.Answers) > 0 })
}

// read reads the exchanges of a side, in the order in which they begin.
func read(s *Side, o *Options, t *Total) ([]exchange, error) {
	t.Name = s.Name
	counted := &counter{Source: s.Source, name: s.Name, max: o.max(), total: t}
	var source record.Source = counted
	if a, ok := s.Source.(trace.Annotated); ok {
		source = &annotated{counter: counted, a: a}
	}
	var list []exchange
	var failed error
	for x, err := range trace.Exchanges(source, trace.Options{}) {
		if err != nil {
			failed = err
			break
		}
		if !matches(x, o.Match) {
			continue
		}
		e := exchange{Exchange: x}
		first := x.Request
		if first != nil {
			e.numbrs = append(e.numbrs, first.Number)
		} else {
			first = x.Answers[0]
		}
		for _, answer := range x.Answers {
			e.numbrs = append(e.numbrs, answer.Number)
		}
		e.first = decode(first)
		if e.first.TypeName() != "GETSPI" {
			e.sa, e.hasSA = saOf(e.first)
		}
		list = append(list, e)
	}
	slices.SortStableFunc(list, func(a, b exchange) int { return cmp.Compare(a.number(), b.number()) })
	t.Exchanges = len(list)
	return list, failed
}

func matches(x *trace.Exchange, match func(*record.Record) bool) bool {
	return match == nil || x.Request != nil && match(x.Request) || slices.ContainsFunc(x.Answers, match)
}

// counter counts the records of a source and stops where there are too many.
type counter struct {
	record.Source
	name  string
	max   int
	total *Total
}

func (c *counter) Next() (*record.Record, error) {
	r, err := c.Source.Next()
	if err != nil {
		return nil, err
	}
	if c.total.Records++; c.total.Records > uint64(c.max) {
		return nil, &TooMuch{c.name, c.max}
	}
	if c.total.Dialect == "" {
		c.total.Dialect = r.Codec.Dialect.String()
	}
	return r, nil
}

// annotated is a counter of a source that says which part a record plays.
type annotated struct {
	*counter
	a trace.Annotated
}

func (a *annotated) Role() trace.Role { return a.a.Role() }

// fix finds the SAs that both sides call by the same SPI.
func (j *judge) fix(x, y []exchange) {
	seen := map[sa]bool{}
	each(x, func(s sa) { seen[s] = true })
	each(y, func(s sa) {
		if seen[s] {
			j.fixed[s] = true
		}
	})
}

// each names the SAs of all messages.
func each(list []exchange, f func(sa)) {
	for i := range list {
		if list[i].hasSA {
			f(list[i].sa)
		}
		for _, a := range list[i].Answers {
			if s, ok := saOf(decode(a)); ok {
				f(s)
			}
		}
	}
}

// matcher brings exchanges together.
type matcher struct {
	*judge
	ids  map[string]int32 // of what exchanges are about
	last string           // the kind of the entry before, if only one side has it

	asking [2]bool // the side holds requests only
}

// anyProtocol stands for every protocol, as 0 does (IPSEC_ULPROTO_ANY).
const anyProtocol = 255

// about is what a message is about, as text. SPIs that only one side has are left out.
func (j *judge) about(m *layers.Message) string {
	s := m.TypeName() + " " + satypeOf(m)
	src, dst := m.AddressSrc(), m.AddressDst()
	if m.DstFlow() != nil {
		src, dst = m.SrcFlow(), m.DstFlow()
	}
	for _, a := range []*layers.Address{src, dst} {
		if a != nil {
			s += " " + compare.Address(a)
		}
		if a != nil && a.Proto != anyProtocol && a.Proto != 0 {
			s += fmt.Sprint(" proto ", a.Proto)
		}
	}
	if p := m.Policy(); p != nil {
		s += " " + m.Codec.Dialect.EnumName(layers.EnumDir, uint64(p.Dir))
	}
	if f := m.FlowType(); f != nil {
		s += fmt.Sprint(" flow ", f.Direction)
	}
	if m.TypeName() == "EXPIRE" && m.LifetimeHard() != nil {
		s += " hard"
	}
	if x, ok := saOf(m); ok && j.fixed[x] && m.TypeName() != "GETSPI" {
		s += fmt.Sprintf(" 0x%08x", x.spi)
	}
	return s
}

func (m *matcher) tokens(list []exchange) []int32 {
	out := make([]int32, len(list))
	for i := range list {
		s := m.about(list[i].first)
		id, ok := m.ids[s]
		if !ok {
			id = int32(len(m.ids))
			m.ids[s] = id
		}
		out[i] = id
	}
	return out
}

func (m *matcher) match(x, y []exchange) {
	a, b := m.tokens(x), m.tokens(y)
	partner := make([]int, len(x)) // in y
	for i := range partner {
		partner[i] = -1
	}
	used := make([]bool, len(y))
	for _, p := range align(a, b) {
		partner[p[0]], used[p[1]] = p[1], true
	}
	left := map[int32][]int{}
	for k := range y {
		if !used[k] {
			left[b[k]] = append(left[b[k]], k)
		}
	}
	moved := map[int]bool{}
	for i := range x {
		if partner[i] >= 0 {
			continue
		}
		if k := compare.FirstUnused(left, a[i], used); k >= 0 {
			partner[i], used[k], moved[i] = k, true, true
		}
	}
	next := 0
	for i := range x {
		k := partner[i]
		if k < 0 {
			m.only("only-a", &x[i])
			continue
		}
		for ; !moved[i] && next < k; next++ {
			if !used[next] {
				m.only("only-b", &y[next])
			}
		}
		m.pair(&x[i], &y[k], moved[i])
	}
	for ; next < len(y); next++ {
		if !used[next] {
			m.only("only-b", &y[next])
		}
	}
}

func (m *matcher) only(what string, x *exchange) {
	m.report.only(what, x.numbrs, compare.About(x.first)+outcome(x), m.about(x.first), &m.last)
}

// outcome says of what only one side has what the message does not show.
func outcome(x *exchange) string {
	switch {
	case x.Request == nil:
		return " (" + x.Role.String() + ")"
	case x.Request.WriteErrno != 0:
		return " (refused by write)"
	case len(x.Answers) == 0 && !x.Complete:
		return " (unanswered)"
	}
	for _, a := range x.Answers {
		if d := decode(a); d.Errno != 0 {
			return fmt.Sprintf(" (refused: %s)", orNumber(a.Codec.Dialect.ErrnoName(d.Errno), d.Errno))
		}
	}
	return ""
}

func orNumber(name string, n uint8) string {
	if name == "" {
		return fmt.Sprint(n)
	}
	return name
}

func (m *matcher) pair(x, y *exchange, moved bool) {
	e := Entry{What: "pair", A: x.numbrs, B: y.numbrs, Message: compare.About(x.first) + otherSPI(x.sa, y.sa)}
	if moved {
		// When a kernel says something of its own accord is a matter of time.
		if x.Role == trace.Request && y.Role == trace.Request {
			e.What = "moved"
		} else {
			m.report.differ(&e, Difference{Ext: "msg", What: compare.Order, ARecord: x.number(), BRecord: y.number(), Verdict: Volatile, Reason: "when events come"})
		}
	}
	if x.Request != nil && y.Request != nil {
		m.records(&e, x.Request, y.Request)
		c, d := x.Request.Codec.Dialect, y.Request.Codec.Dialect
		if p, q := c.ErrnoName(x.Request.WriteErrno), d.ErrnoName(y.Request.WriteErrno); p != q {
			m.report.differ(&e, Difference{Ext: "write", Field: "errno", What: compare.Value, ARecord: x.Request.Number, BRecord: y.Request.Number, A: p, B: q, Verdict: Different})
		}
	} else if x.Role != y.Role && m.report.A.Dialect == m.report.B.Dialect {
		m.report.differ(&e, Difference{Ext: "role", What: compare.Value, ARecord: x.number(), BRecord: y.number(), A: x.Role.String(), B: y.Role.String(),
			Verdict: NotComparable, Reason: "on one side the request was not heard"})
	}
	switch {
	case m.asking[0] != m.asking[1]:
		name := "A"
		if m.asking[1] {
			name = "B"
		}
		m.report.differ(&e, Difference{Ext: "answers", What: compare.Value, ARecord: x.number(), BRecord: y.number(), Verdict: NotComparable, Reason: name + " holds requests only"})
	case isDump(x.first):
		m.entries(&e, x.Answers, y.Answers)
	default:
		m.series(&e, x.Answers, y.Answers)
	}
	m.report.count(&e, m.o.All)
	if e.Verdict == Different || e.What == "moved" {
		m.last = ""
	}
}

func isDump(m *layers.Message) bool {
	n := m.TypeName()
	return n == "DUMP" || n == "SPDDUMP"
}

func (m *matcher) records(e *Entry, a, b *record.Record) {
	x, y := secretsOf(a), secretsOf(b)
	m.compare(e, &x, &y, func(string) (uint64, uint64) { return a.Number, b.Number })
}

// series compares answers in order.
func (m *matcher) series(e *Entry, a, b []*record.Record) {
	for i := range min(len(a), len(b)) {
		m.records(e, a[i], b[i])
	}
	m.rest(e, a[min(len(a), len(b)):], b[min(len(a), len(b)):])
}

// rest notes answers that only one side has.
func (m *matcher) rest(e *Entry, a, b []*record.Record) {
	for _, r := range a {
		m.report.differ(e, Difference{ARecord: r.Number, What: compare.Dropped, A: compare.Summary(decode(r)), Verdict: Different, Reason: "an answer"})
	}
	for _, r := range b {
		m.report.differ(e, Difference{BRecord: r.Number, What: compare.Added, B: compare.Summary(decode(r)), Verdict: Different, Reason: "an answer"})
	}
}

// entries compares the entries of a dump, which kernels list in any order.
func (m *matcher) entries(e *Entry, a, b []*record.Record) {
	places := map[string][]int{}
	for k, r := range b {
		id := m.about(decode(r))
		places[id] = append(places[id], k)
	}
	used := make([]bool, len(b))
	var restA, restB []*record.Record
	for _, r := range a {
		k := compare.FirstUnused(places, m.about(decode(r)), used)
		if k < 0 {
			restA = append(restA, r)
			continue
		}
		used[k] = true
		m.records(e, r, b[k])
	}
	for k, r := range b {
		if !used[k] {
			restB = append(restB, r)
		}
	}
	m.rest(e, restA, restB)
}
