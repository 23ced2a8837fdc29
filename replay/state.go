package replay

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// State is what the target has when the plan was run, compared with what the
// recorded kernel had at the end of the recording: with its last answer that tells of
// each SA and policy. It holds no secrets.
type State struct {
	SAs      int `json:"sas"`      // of the recorded kernel
	Policies int `json:"policies"` // likewise

	// How many of Entries have each verdict.
	Equal           int `json:"equal"`
	Volatile        int `json:"volatile"`
	NotReproducible int `json:"not_reproducible"`
	Different       int `json:"different"`

	// Skipped says why nothing was compared, or is empty.
	Skipped string `json:"skipped,omitempty"`
	// Entries are the SAs and policies that either kernel has. Record is the number of
	// the message that told of it last, 0 if no message of the recording did.
	Entries []Exchange `json:"entries"`
}

// telling is what is known of the contents of an SA or policy: what a DUMP or SPDDUMP
// would say of it.
type telling struct {
	number uint64
	codec  layers.Codec
	data   []byte
	listed bool // as it is; else it was told when it was made or changed
}

// tellings follow the contents of all SAs and policies; which of them there are,
// lives knows.
type tellings struct {
	sas      map[saID]*telling
	policies map[policyID]*telling
	msg      layers.Message
	last     time.Time // of the last record
}

func newTellings() *tellings {
	return &tellings{sas: map[saID]*telling{}, policies: map[policyID]*telling{}}
}

func (t *tellings) decode(h *heard) *layers.Message {
	t.msg.Codec = h.codec
	_ = t.msg.DecodeFromBytes(h.data, nil)
	return &t.msg
}

// request takes note of a request that is sent, whose answers tell of what it made.
// larval says that the SA it is about has only been promised.
func (t *tellings) request(it *item, larval bool) {
	m := t.decode(&it.heard)
	typ := m.Type
	if len(it.replies) == 0 && it.errno == 0 {
		if id, ok := saIDOf(m); ok && (typ == layers.ADD || typ == layers.UPDATE) {
			delete(t.sas, id)
		}
		if id, ok := policyIDOf(m); ok && isPolicyType(it.codec.Dialect, typ) {
			delete(t.policies, id)
		}
	}
	for i := range it.replies {
		a := &it.replies[i]
		if a.cut {
			continue
		}
		t.answer(&a.heard, larval)
	}
}

func (t *tellings) answer(a *heard, larval bool) {
	m := t.decode(a)
	if m.Errno != 0 || m.Contents == nil {
		return
	}
	d := a.codec.Dialect
	if id, ok := policyIDOf(m); ok && isPolicyType(d, m.Type) {
		switch m.Type {
		case layers.SPDADD, layers.SPDUPDATE, layers.SPDSETIDX, layers.SPDGET, layers.SPDDUMP:
			t.policies[id] = &telling{a.number, a.codec, a.data, m.Type == layers.SPDDUMP}
		}
		return
	}
	id, ok := saIDOf(m)
	if !ok {
		return
	}
	switch m.Type {
	case layers.GETSPI, layers.ADD, layers.GET, layers.DUMP:
		t.sas[id] = &telling{a.number, a.codec, a.data, m.Type == layers.GET || m.Type == layers.DUMP}
	case layers.UPDATE:
		old := t.sas[id]
		switch {
		case larval || old == nil:
			t.sas[id] = &telling{a.number, a.codec, a.data, false}
		default:
			t.sas[id] = &telling{a.number, a.codec, updated(a, old), false}
		}
	}
}

// updated is an SA after an UPDATE, which changes not all that its answer says.
func updated(answer *heard, old *telling) []byte {
	base, exts, rest := answer.codec.Extensions(answer.data)
	_, before, rest2 := old.codec.Extensions(old.data)
	if base == nil || rest != nil || rest2 != nil {
		return answer.data
	}
	kept := func(x layers.Extension) bool { return trace.KeptByUpdate(answer.codec.Dialect, x.LayerType()) }
	// Both come in the order in which the kernel writes extensions.
	out := slices.Clone(answer.data[:layers.BaseLen])
	put := func(x layers.Extension) { out = append(out, x.Head().Contents...) }
	take := func(until func(layers.Extension) bool) {
		for len(before) > 0 && !until(before[0]) {
			if kept(before[0]) {
				put(before[0])
			}
			before = before[1:]
		}
	}
	for _, x := range exts {
		if kept(x) {
			continue
		}
		if i := slices.IndexFunc(before, func(b layers.Extension) bool { return b.LayerType() == x.LayerType() }); i >= 0 {
			n := len(before) - i
			take(func(layers.Extension) bool { return len(before) == n })
		}
		put(x)
	}
	take(func(layers.Extension) bool { return false })
	answer.codec.Order.Binary().PutUint16(out[4:], uint16(len(out)/layers.Word))
	return out
}

// The state is compared by a step for each table. They are not in Plan.Steps.
const stateTables = 2

// state makes the steps that ask for the final state, whose answers are put together
// from what the recording tells.
func (p *planner) state() (steps [stateTables]Step) {
	if p.requests == 0 {
		return steps // there is no replay
	}
	l, t := p.lives, p.tellings
	codec := layers.Codec{Dialect: p.plan.dialect, Order: p.order}
	// Without the kernel's first message, the byte order is the processes'.
	for i := 0; codec.Order == layers.NoOrder && i < len(p.items); i++ {
		codec.Order = p.items[i].codec.Order
	}
	for i, typ := range [stateTables]uint8{layers.DUMP, layers.SPDDUMP} {
		if i > 0 && !numbersLikeKAME(codec.Dialect) {
			break
		}
		msg, err := codec.Encode(&layers.Base{Type: typ})
		if err != nil {
			return steps
		}
		steps[i] = Step{Action: Send, typ: typ, codec: codec, msg: msg, needs: -1,
			forecast: forecast{entries: &listing{sas: map[saID]string{}, policies: map[policyID]string{}}}}
	}
	for id, x := range l.sas {
		expected(&steps[0], x.at(t.last), t.sas[id], func(why string) { steps[0].forecast.entries.sas[id] = why })
	}
	if steps[1].msg != nil {
		for id, x := range l.policies {
			expected(&steps[1], x.at(t.last), t.policies[id], func(why string) { steps[1].forecast.entries.policies[id] = why })
		}
	}
	for i := range steps {
		slices.SortFunc(steps[i].answers, func(a, b answer) int { return int(int64(a.number) - int64(b.number)) })
	}
	return steps
}

// expected adds an SA or policy to what the recorded kernel has at the end.
func expected(s *Step, x *life, told *telling, excuse func(why string)) {
	why := x.state()
	switch {
	case why != "":
	case x.maybe:
		why = "whether it was there, or as it is told, is not known"
	case x.count > 1:
		why = "there was more than one of them"
	case !x.recorded:
	case told == nil:
		why = "no message of the capture tells what it was like"
	case !told.listed && told.codec.Dialect != layers.Linux:
		why = "what this system lists of it is more than it tells when it is made"
	}
	if why != "" {
		excuse(why)
	}
	if x.recorded && told != nil {
		data := slices.Clone(told.data)
		data[1] = s.typ
		s.answers = append(s.answers, answer{heard: heard{number: told.number, codec: told.codec, data: data}})
	}
}

// state asks the target for its SAs and policies and compares them.
func (x *run) state(ctx context.Context) error {
	x.report.State = &State{}
	for i := range x.plan.state {
		if x.plan.state[i].msg == nil {
			continue
		}
		if err := x.stateOf(ctx, &x.plan.state[i], i == len(x.plan.state)-1); err != nil {
			return fmt.Errorf("comparing the state: %w", err)
		}
	}
	return nil
}

func (x *run) stateOf(ctx context.Context, table *Step, last bool) error {
	s := *table
	s.Socket = len(x.plan.Sockets)
	st := x.report.State
	if s.typ == layers.SPDDUMP {
		st.Policies = len(s.answers)
	} else {
		st.SAs = len(s.answers)
	}
	msg, err := layers.Transcode(nil, s.codec, x.codec, s.msg)
	if err != nil {
		return err
	}
	a, err := x.tell(ctx, Request{Socket: x.first + s.Socket, Message: msg, Last: last})
	if err != nil {
		return err
	}
	own := slices.Clone(x.split(&s, msg, a))
	if len(own) == 0 {
		return fmt.Errorf("the target does not answer %s", (&layers.Base{Codec: x.codec, Type: s.typ}).TypeName())
	}
	if m := x.decode(own[0]); m.Errno != 0 {
		if m.Errno != errnoENOENT {
			return fmt.Errorf("the target answers %s with errno %d", m.TypeName(), m.Errno)
		}
		own = nil // there is nothing
	}
	list := x.judgeEntries(&s, s.answers, own, true, nil)
	for _, e := range list.entries {
		switch e.Verdict {
		case Equal:
			st.Equal++
		case Volatile:
			st.Volatile++
		case NotReproducible:
			st.NotReproducible++
		default:
			st.Different++
		}
	}
	st.Entries = append(st.Entries, list.entries...)
	return nil
}

// entrySummary describes an entry of a list on one line.
func entrySummary(m *layers.Message) string {
	text := summary(m)
	text, _, _ = strings.Cut(text, " seq=")
	for of, is := range map[string]string{"SPDDUMP": "policy", "DUMP": "SA"} {
		if rest, ok := strings.CutPrefix(text, of); ok {
			return is + rest
		}
	}
	return text
}

// writeText writes what of the state is not as it was, and the counts.
func (st *State) writeText(w io.Writer, all bool) {
	if st.Skipped != "" {
		fmt.Fprintf(w, "state: not compared: %s\n", st.Skipped)
		return
	}
	for i := range st.Entries {
		e := &st.Entries[i]
		for k := range e.Differences {
			d := &e.Differences[k]
			if d.Verdict == Volatile && !all {
				continue
			}
			fmt.Fprintf(w, "state: %v: %s: %v\n", d.Verdict, e.Message, d)
		}
	}
	fmt.Fprintf(w, "state: %d SAs and %d policies recorded: %d equal, %d volatile, %d not-reproducible, %d different\n",
		st.SAs, st.Policies, st.Equal, st.Volatile, st.NotReproducible, st.Different)
}
