package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// Source gives the records of a capture in order, and the part that each plays.
// A *trace.Reader is one.
type Source interface {
	record.Source
	// Role is that of the record that Next returned last.
	Role() trace.Role
}

// PlanOptions says what of a capture is to be replayed, and with which names.
type PlanOptions struct {
	// Select picks the messages that take part; nil takes all. An answer goes with
	// its request. What is left out is not counted, but what it did to the recorded
	// kernel is not forgotten: answers that hang on it are not reproducible. The
	// record is valid during the call.
	Select func(r *record.Record) bool
	// From and To are the numbers of the first and the last record that take part,
	// as Select does; 0 is no limit.
	From, To uint64
	// Addrs gives addresses others, in all that is sent and in all that is expected:
	// in address extensions, NAT-T original addresses, policies' requests, filters,
	// and wherever else a message has an address. The first that fits counts.
	Addrs []AddrMap
	// ReqIDs gives request ids others, in SAs and in policies.
	ReqIDs []ReqIDMap
}

// ErrNoRequests means that there is nothing to replay in a capture. The error that
// wraps it says why.
var ErrNoRequests = errors.New("the capture has no requests")

// Plan says what a replay sends, in which order, and what it expects. It is made
// once and can be run many times, against several targets at once too.
type Plan struct {
	// Dialect is that of the requests; a target must have the same.
	Dialect string `json:"dialect"`
	// Order is the byte order of the recorded machine, "little" or "big"; for a target
	// of the other one all is encoded anew.
	Order string `json:"order"`
	// Keys says which secrets are sent: "true" if all of them are at hand, else
	// "stand-ins"; "none" if the capture has none to hide.
	Keys    string   `json:"keys"`
	Sockets []Socket `json:"sockets"`
	Steps   []Step   `json:"steps"`

	dialect layers.Dialect
	items   []item // what the steps were made of
	watched bool   // see lives
	state   [stateTables]Step
}

// Socket is a socket of the target, which stands for that of a recorded process.
type Socket struct {
	PID     uint32 `json:"pid"`
	Process string `json:"process,omitempty"`
	First   uint64 `json:"first"` // number of the first record it sends

	registered map[uint8]bool
	last       int // the last step
}

// Action is what a step does.
type Action string

// The actions.
const (
	Send   Action = "send"   // a request is sent and its answers are compared
	Expect Action = "expect" // the recorded kernel said it, but no request brings it about
	Ignore Action = "ignore" // no part of the replay and of its counts
)

// Step is one recorded message that is not an answer, in the recorded order.
type Step struct {
	Record  uint64    `json:"record"`
	Time    time.Time `json:"time,omitzero"`
	Action  Action    `json:"action"`
	Message string    `json:"message"`           // what it is, on one line, without secrets
	Socket  int       `json:"socket"`            // index of Plan.Sockets, of what is sent
	Answers []uint64  `json:"answers,omitempty"` // numbers of the recorded answers
	// Rewrites is what is known before to be sent otherwise than it was recorded.
	Rewrites []Rewrite `json:"rewrites,omitempty"`
	// Reason says why a step is not to be sent, or why what the target answers
	// cannot be held against it; it is empty if the answers count.
	Reason string `json:"reason,omitempty"`
	// Destroys says that the request removes or changes what the replay did not make: a
	// FLUSH, or a DELETE or an UPDATE of something that was there before.
	Destroys bool `json:"destroys,omitempty"`

	codec    layers.Codec
	typ      uint8
	id       saID // the SA that it is about
	hasID    bool
	msg      []byte // what is sent, in codec
	original []byte // of a GETSPI that was narrowed: what to send if that fails
	answers  []answer
	refs     []ref
	needs    int // the last step whose answers may give a value for refs, or -1
	forecast forecast
	silent   bool // no kernel answers such a request
	refused  bool // the recorded kernel has refused it: write(2) failed
	errno    int  // of that write(2), 0 if it is not known or there is none
	last     bool
	larval   saID   // of an expected ACQUIRE
	seq      uint32 // likewise
}

// answer is one recorded answer.
type answer struct {
	heard
	full []byte // with its true keys, nil if they are not at hand or were put in place
	cut  bool   // bytes are missing at its end
}

// Rewrite is one field that is sent otherwise than it was recorded.
type Rewrite struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
	Why   string `json:"why"`
}

// String shows the rewrite on one line.
func (r Rewrite) String() string {
	return fmt.Sprintf("%s %s → %s (%s)", r.Field, r.From, r.To, r.Why)
}

// ref is a place in a message that holds a value the recorded kernel chose.
type ref struct {
	boundValue
	offset int
	net    bool // in network byte order
	field  string
}

// NewPlan makes a plan from all records of src.
//
// If src fails, the plan of the records before it is returned with the error. If
// no record is a request, the error matches ErrNoRequests; the plan then shows
// what there is instead. If two addresses of the capture become one by o.Addrs, the
// error matches ErrMap.
func NewPlan(src Source, o PlanOptions) (*Plan, error) {
	b := newPlanner(o)
	readErr := b.read(src)
	b.settleAll()
	if err := b.names.clash(); err != nil {
		return b.plan, err
	}
	b.build()
	if readErr != nil {
		return b.plan, fmt.Errorf("after %d records: %w", b.records, readErr)
	}
	if b.requests == 0 {
		return b.plan, b.noRequests()
	}
	return b.plan, nil
}

// item is a record that plays a part of its own.
type item struct {
	answer
	role     trace.Role
	dir      record.Direction
	process  string
	comments []string // of the record, for people
	errno    uint8    // of write(2)
	replies  []answer
	selected bool
	mapped   []Rewrite // of a request
}

type planner struct {
	opts     PlanOptions
	plan     *Plan
	lives    *lives
	tellings *tellings
	names    names
	items    []item
	byRecord map[uint64]int // item of a request
	byPID    map[uint32][]int
	givers   map[boundValue]int // step whose answers have a value; of 0, the last of its kind
	requests int                // to be sent
	order    layers.Order       // of the kernel, once it is known
	hidden   bool               // some record has stand-ins
	missing  bool               // and its true bytes are not at hand
	records  int
}

func newPlanner(o PlanOptions) *planner {
	return &planner{
		opts: o, plan: &Plan{Keys: "none"}, lives: newLives(), tellings: newTellings(), names: names{addrs: o.Addrs, reqids: o.ReqIDs},
		byRecord: map[uint64]int{}, byPID: map[uint32][]int{}, givers: map[boundValue]int{},
	}
}

// takes reports whether the options let a record take part.
func (o *PlanOptions) takes(r *record.Record) bool {
	return r.Number >= o.From && (o.To == 0 || r.Number <= o.To) && (o.Select == nil || o.Select(r))
}

// read collects the records that are not twins.
func (p *planner) read(src Source) error {
	for {
		r, err := src.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		p.records++
		role := src.Role()
		if r.Dir == record.FromKernel && p.order == layers.NoOrder {
			p.order = r.Codec.Order
		}
		switch {
		case role == trace.Twin:
			p.lives.watched = true
			continue
		case role == trace.Event:
			p.lives.watched = true
		}
		if r.StandIns && len(r.Codec.AppendSecrets(nil, r.Data)) > 0 {
			p.hidden = true
			p.missing = p.missing || r.True == nil
		}
		a := answer{
			heard: heard{number: r.Number, time: r.Time, codec: r.Codec, data: bytes.Clone(r.Data)},
			full:  bytes.Clone(r.True),
			cut:   r.OrigLen > len(r.Data),
		}
		if r.Dir == record.FromKernel && r.Codec.Dialect == layers.Linux {
			// Its messages are as long as they say, but a program may read less.
			a.cut = a.cut || int(p.lives.decode(&a.heard).Len)*layers.Word > len(a.data)
		}
		if role == trace.Reply {
			if i, ok := p.byRecord[r.ReplyTo]; ok {
				p.items[i].replies = append(p.items[i].replies, a)
				continue
			}
			role = trace.Unknown // its request is no longer there
		}
		if role == trace.Request {
			p.byRecord[r.Number] = len(p.items)
		}
		p.items = append(p.items, item{answer: a, role: role, dir: r.Dir, process: r.Process,
			comments: slices.Clone(r.Comments), errno: r.WriteErrno, selected: p.opts.takes(r)})
	}
}

// settleAll makes of what was read what is to be sent and compared.
func (p *planner) settleAll() {
	if p.hidden {
		p.plan.Keys = "true"
		if p.missing {
			p.plan.Keys = "stand-ins"
		}
	}
	p.machine()
	for i := range p.items {
		it := &p.items[i]
		p.settle(&it.answer)
		rewrites := p.names.change(it.codec, it.data)
		if it.role == trace.Request {
			it.mapped = rewrites
		}
		for k := range it.replies {
			a := &it.replies[k]
			p.settle(a)
			p.names.change(a.codec, a.data)
		}
	}
}

// build makes the steps.
func (p *planner) build() {
	for i := range p.items {
		p.step(&p.items[i])
	}
	p.plan.items, p.plan.watched = p.items, p.lives.watched
	for i := range p.plan.Sockets {
		if s := &p.plan.Sockets[i]; len(s.registered) == 0 {
			p.plan.Steps[s.last].last = true // others still listen
		}
	}
	p.plan.state = p.state()
}

// machine gives all records the byte order of the machine that the capture is
// from: that of its kernel's first message. A process may have used another one,
// which its kernel did not understand and the target is not to understand either.
func (p *planner) machine() {
	order := p.order
	for i := range p.items {
		it := &p.items[i]
		if order == layers.NoOrder && it.role == trace.Request {
			order = it.codec.Order
		}
	}
	for i := range p.items {
		p.items[i].codec.Order = order
		for k := range p.items[i].replies {
			p.items[i].replies[k].codec.Order = order
		}
	}
}

// settle puts the bytes into a that are to be sent or compared: with the true keys
// if all are at hand, and without the wrapper that some systems put around.
func (p *planner) settle(a *answer) {
	if a.full != nil && !p.missing {
		a.data = a.full
	}
	a.data = a.codec.Unwrap(a.data)
	a.full = nil
}

// sayable is a time that JSON can say, zero for one after the year 9999: a capture
// can hold those.
func sayable(t time.Time) time.Time {
	if t.UTC().Year() > 9999 {
		return time.Time{}
	}
	return t
}

func (p *planner) step(it *item) {
	if !it.time.IsZero() {
		p.tellings.last = it.time
	}
	m := p.lives.decode(&it.heard)
	s := Step{Record: it.number, Time: sayable(it.time), Message: summary(m), codec: it.codec, typ: m.Type, needs: -1}
	s.id, s.hasID = saIDOf(m)
	switch {
	case m.Type == layers.PROMISC && len(it.data) == layers.BaseLen && (m.SAType <= 1 || it.codec.Dialect != layers.Linux):
		s.Action, s.Reason = Ignore, "it switches copies of all messages on or off for whoever recorded"
	case it.role == trace.Request:
		p.request(&s, it)
	default:
		s.Action = Expect
		p.expect(&s, it, m)
		if !it.selected {
			s.Action, s.Reason = Ignore, "it was not selected"
		}
	}
	p.plan.Steps = append(p.plan.Steps, s)
}

// expect plans for a message that no request of the capture brings about.
func (p *planner) expect(s *Step, it *item, m *layers.Message) {
	switch {
	case it.role == trace.Event:
		s.Reason = "the kernel said it of its own accord"
		if m.Type == layers.ACQUIRE {
			s.larval, s.seq = larvalOf(m), m.Seq
		}
		p.lives.event(&it.heard)
	case it.role == trace.Foreign:
		s.Reason = "it tells of a change that no request in the capture made"
		p.lives.foreign(&it.heard, "without a request in the capture")
	case it.dir == record.FromKernel:
		s.Reason = "it answers a request that is not in the capture"
		p.lives.foreign(&it.heard, "without a request in the capture")
	default:
		s.Reason = "whether it is a request or an answer cannot be known"
		p.lives.foreign(&it.heard, "without a request in the capture")
	}
}

// request plans for a request and its answers.
func (p *planner) request(s *Step, it *item) {
	for i := range it.replies {
		s.Answers = append(s.Answers, it.replies[i].number)
	}
	s.answers = it.replies
	switch {
	case !it.selected:
		s.Action, s.Reason = Ignore, "the request was not selected"
	case it.cut:
		s.Action, s.Reason = Expect, "the request was cut short in the capture"
	}
	if s.Reason != "" {
		if len(it.replies) > 0 {
			p.lives.foreign(&it.replies[0].heard, "and "+s.Reason) // what it did will not be done
		}
		return
	}
	s.Action = Send
	p.requests++
	if p.plan.dialect == layers.NoDialect {
		p.plan.dialect = it.codec.Dialect
		p.plan.Dialect = it.codec.Dialect.String()
		p.plan.Order = it.codec.Order.String()
	}
	m := p.lives.decode(&it.heard)
	pid, typ, satype := m.PID, m.Type, m.SAType
	s.silent = it.codec.Dialect == layers.Linux && typ == layers.ACQUIRE && len(it.data) == layers.BaseLen
	s.errno = int(it.errno)
	s.refused = len(it.replies) == 0 && (s.errno != 0 || it.codec.Dialect == layers.Linux && refusedByLinux(it.data, m))
	heardAnswers := make([]heard, len(it.replies))
	for i := range it.replies {
		heardAnswers[i] = it.replies[i].heard
	}
	if !s.refused {
		x := p.lives.sas[s.id]
		larval := s.hasID && x != nil && x.larval
		s.forecast = p.lives.exchange(&it.heard, heardAnswers)
		p.tellings.request(it, larval)
	}
	s.Reason = s.forecast.hangs
	s.Destroys = s.forecast.destroys
	p.rewrite(s, it)
	p.refer(s)
	p.socket(s, it, pid, typ, satype)
	p.give(s, len(p.plan.Steps))
}

// refusedByLinux reports whether write(2) fails with a message (pfkey_get_base_msg
// in net/key/af_key.c). Only its sender knows of such a message.
func refusedByLinux(b []byte, m *layers.Message) bool {
	return m.Version != layers.Version || m.Reserved != 0 || m.Type == 0 || m.Type > layers.MIGRATE ||
		int(m.Len) != len(b)/layers.Word || m.Len < layers.BaseLen/layers.Word
}

// socket chooses the socket of a step. A recording shows processes, not sockets. A
// process gets a second one where the recording proves that it had two: where it
// registers again for an SA type and is not told that it has.
func (p *planner) socket(s *Step, it *item, pid uint32, typ, satype uint8) {
	list := p.byPID[pid]
	choice := -1
	if len(list) > 0 {
		choice = list[0]
	}
	registers := typ == layers.REGISTER && satype != 0 && len(it.replies) > 0
	if registers {
		errno := p.lives.decode(&it.replies[0].heard).Errno
		registers = errno == 0 || errno == errnoEEXIST
		fits := func(i int) bool { return p.plan.Sockets[i].registered[satype] == (errno == errnoEEXIST) }
		k := slices.IndexFunc(list, fits)
		switch {
		case k >= 0:
			choice = list[k]
		case errno == 0:
			choice = -1
		case errno == errnoEEXIST && s.Reason == "":
			s.Reason = "it tells that the socket was registered before, which the capture does not show"
		}
	}
	if choice < 0 {
		choice = len(p.plan.Sockets)
		p.plan.Sockets = append(p.plan.Sockets, Socket{PID: pid, First: it.number})
		p.byPID[pid] = append(list, choice)
	}
	sock := &p.plan.Sockets[choice]
	if registers {
		if sock.registered == nil {
			sock.registered = map[uint8]bool{}
		}
		sock.registered[satype] = true
	}
	if sock.Process == "" {
		sock.Process = it.process
	}
	sock.last = len(p.plan.Steps)
	s.Socket = choice
}

// noRequests says why there is nothing to send.
func (p *planner) noRequests() error {
	d := layers.NoDialect
	if len(p.items) > 0 {
		d = p.items[0].codec.Dialect
	}
	switch {
	case len(p.items) == 0:
		return fmt.Errorf("%w: it is empty", ErrNoRequests)
	case slices.ContainsFunc(p.items, func(it item) bool { return it.role == trace.Request && !it.selected }):
		return fmt.Errorf("%w that were selected", ErrNoRequests)
	case d == layers.Linux:
		return fmt.Errorf("%w to send: it was recorded without promiscuous mode, or nothing was asked (%d messages)", ErrNoRequests, len(p.items))
	case d == layers.OpenBSD:
		return fmt.Errorf("%w: on %v only a promiscuous socket is shown requests", ErrNoRequests, d)
	}
	return fmt.Errorf("%w: %v shows no socket what others send; a trace of the program's system calls would have them", ErrNoRequests, d)
}

// Counts counts steps by action.
func (p *Plan) Counts() (send, expect, ignore int) {
	for i := range p.Steps {
		switch p.Steps[i].Action {
		case Send:
			send++
		case Expect:
			expect++
		default:
			ignore++
		}
	}
	return
}

// Memory returns about how many bytes of memory it takes to run the plan once more
// elsewhere, its report included.
func (p *Plan) Memory() int {
	n := 0
	for i := range p.items {
		n += 4*len(p.items[i].data) + 4096
		for k := range p.items[i].replies {
			n += 4*len(p.items[i].replies[k].data) + 2048
		}
	}
	return n
}

// Destroys returns the number of the first record whose replay removes or changes what
// the replay did not make, or 0.
func (p *Plan) Destroys() uint64 {
	for i := range p.Steps {
		if p.Steps[i].Destroys {
			return p.Steps[i].Record
		}
	}
	return 0
}

// WriteText writes the plan, one line per step.
func (p *Plan) WriteText(w io.Writer) error {
	var b bytes.Buffer
	send, expect, ignore := p.Counts()
	fmt.Fprintf(&b, "plan: %d requests to send on %d sockets, %d messages that cannot be brought about, %d ignored; dialect=%s order=%s keys=%s\n",
		send, len(p.Sockets), expect, ignore, p.Dialect, p.Order, p.Keys)
	for i := range p.Sockets {
		s := &p.Sockets[i]
		fmt.Fprintf(&b, "socket %d pid=%d", i, s.PID)
		if s.Process != "" {
			fmt.Fprintf(&b, "(%s)", s.Process)
		}
		fmt.Fprintf(&b, " from #%d\n", s.First)
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		fmt.Fprintf(&b, "#%d %s", s.Record, s.Action)
		if s.Action == Send {
			fmt.Fprintf(&b, " socket=%d", s.Socket)
		}
		fmt.Fprintf(&b, " %s", s.Message)
		if s.Action == Send {
			switch {
			case len(s.Answers) > 0:
				b.WriteString(" answers=")
				for k, n := range s.Answers {
					if k > 0 {
						b.WriteByte(',')
					}
					fmt.Fprintf(&b, "#%d", n)
				}
			default:
				b.WriteString(" answers=none")
			}
			for _, r := range s.Rewrites {
				fmt.Fprintf(&b, "; %v", r)
			}
			if s.Reason != "" {
				fmt.Fprintf(&b, "; not-reproducible: %s", s.Reason)
			}
		} else {
			fmt.Fprintf(&b, "; %s", s.Reason)
		}
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}
