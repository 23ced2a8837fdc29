package trace_test

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// message is one of a recording, with what it really was.
type message struct {
	data  []byte
	own   bool // written by the recording program
	dir   record.Direction
	role  trace.Role // Unknown: not checked
	about int        // index of the request or of the first copy, for Reply and Twin
	gap   bool       // messages before it are known to be lost
}

// model acts as af_key does towards one promiscuous listener.
type model struct {
	rng        *rand.Rand
	registered bool
	out        []message
	sas        []sa
	sps        []uint32 // ids of policies
	clock      uint32
	waiting    []late // error answers that come after their request's lock was released
}

type late struct {
	pid uint32
	say func()
}

type sa struct {
	spi  uint32
	hard bool // it has a hard lifetime
}

// client is a program that speaks to the model's kernel.
type client struct {
	pid  uint32
	seq  uint32
	step uint32 // 0: it uses one number for all
}

func (c *client) next() uint32 {
	c.seq += c.step
	return c.seq
}

func header(typ, errno, satype uint8, seq, pid uint32) []byte {
	b := make([]byte, layers.BaseLen)
	b[0], b[1], b[2], b[3] = layers.Version, typ, errno, satype
	binary.LittleEndian.PutUint32(b[8:], seq)
	binary.LittleEndian.PutUint32(b[12:], pid)
	return b
}

// The extension numbers of Linux that the model uses, and their lengths in bytes.
const (
	extSA, extCurrent, extHard, extSoft, extSrc, extDst = 1, 2, 3, 4, 5, 6
	extProposal, extSuppAuth, extSuppEnc, extRange      = 13, 14, 15, 16
	extPolicy, extSA2                                   = 18, 19
)

var extLen = map[int]int{extSA: 16, extCurrent: 32, extHard: 32, extSoft: 32, extSrc: 24, extDst: 24,
	extProposal: 8, extSuppAuth: 16, extSuppEnc: 16, extRange: 16, extPolicy: 16, extSA2: 16}

// with appends extensions and sets the length. stamp goes into the last four
// bytes of each lifetime, so that messages made at different times differ.
func with(b []byte, stamp uint32, exts ...int) []byte {
	for _, e := range exts {
		n := extLen[e]
		x := make([]byte, n)
		binary.LittleEndian.PutUint16(x, uint16(n/8))
		binary.LittleEndian.PutUint16(x[2:], uint16(e))
		switch e {
		case extSrc, extDst:
			x[7], x[8] = 32, 2
		case extCurrent:
			binary.LittleEndian.PutUint32(x[16:], stamp)
		}
		b = append(b, x...)
	}
	binary.LittleEndian.PutUint16(b[4:], uint16(len(b)/8))
	return b
}

func (m *model) state(typ, satype uint8, seq, pid uint32, x sa) []byte {
	b := with(header(typ, 0, satype, seq, pid), m.clock, extSA, extHard, extSoft, extCurrent, extSrc, extDst, extSA2)
	binary.BigEndian.PutUint32(b[20:], x.spi)
	if x.hard {
		b[48] = 9 // seconds
	}
	return b
}

func (m *model) policy(typ uint8, seq, pid, id uint32) []byte {
	b := with(header(typ, 0, 0, seq, pid), m.clock, extSrc, extDst, extHard, extSoft, extCurrent, extPolicy)
	b[6] = 2 // a reference count
	binary.LittleEndian.PutUint32(b[len(b)-8:], id)
	return b
}

// take removes a random element.
func take[T any](m *model, list *[]T) T {
	i := m.rng.IntN(len(*list))
	x := (*list)[i]
	*list = append((*list)[:i:i], (*list)[i+1:]...)
	return x
}

func (m *model) newSA() sa {
	x := sa{spi: 0x1000 + m.clock, hard: m.rng.IntN(3) == 0}
	m.sas = append(m.sas, x)
	return x
}

func (m *model) newPolicy() uint32 {
	id := 8*m.clock + 1
	m.sps = append(m.sps, id)
	return id
}

func (m *model) put(data []byte, dir record.Direction, role trace.Role, about int) int {
	m.out = append(m.out, message{data: data, dir: dir, role: role, about: about})
	return len(m.out) - 1
}

// request is the raw copy of what a client writes. Late errors of others may
// come before it.
func (m *model) request(data []byte) int {
	if len(m.waiting) > 0 && m.rng.IntN(2) == 0 {
		m.waiting[0].say()
		m.waiting = m.waiting[1:]
	}
	return m.put(data, record.ToKernel, trace.Request, 0)
}

// interrupt sometimes lets an event come in between.
func (m *model) interrupt() {
	if m.rng.IntN(25) == 0 {
		m.acquire()
	}
}

// answer is what only the sender gets, and a promiscuous listener with it.
func (m *model) answer(data []byte, to int) {
	m.interrupt()
	m.put(data, record.FromKernel, trace.Reply, to)
}

// tell is what everybody gets.
func (m *model) tell(data []byte, role trace.Role, about int) {
	m.interrupt()
	first := m.put(data, record.FromKernel, role, about)
	m.interrupt()
	m.put(data, record.FromKernel, trace.Twin, first)
}

// refuse answers with an error, sometimes only after what others do next.
func (m *model) refuse(q int, errno uint8) {
	data := with(append([]byte(nil), m.out[q].data[:layers.BaseLen]...), 0)
	data[2] = errno
	say := func() { m.answer(data, q) }
	if m.rng.IntN(3) > 0 {
		say()
	} else {
		m.waiting = append(m.waiting, late{binary.LittleEndian.Uint32(data[12:]), say})
	}
}

// alert is an event for registered sockets.
func (m *model) alert(data []byte) {
	first := m.put(data, record.FromKernel, trace.Event, 0)
	if m.registered {
		m.put(data, record.FromKernel, trace.Twin, first)
	}
}

// finish gives the error answers to a process, which cannot go on without, or to
// all.
func (m *model) finish(pid uint32, all bool) {
	rest := m.waiting[:0]
	for _, l := range m.waiting {
		if all || l.pid == pid {
			l.say()
		} else {
			rest = append(rest, l)
		}
	}
	m.waiting = rest
}

// act lets a client make a request of a random kind.
func (m *model) act(c *client) {
	m.clock++
	m.finish(c.pid, false)
	seq, pid := c.next(), c.pid
	switch m.rng.IntN(18) {
	case 0, 1:
		q := m.request(with(header(layers.ADD, 0, 3, seq, pid), 0, extSA, extSA2, extSrc, extDst))
		if m.rng.IntN(4) == 0 {
			m.refuse(q, 17)
			return
		}
		m.tell(m.state(layers.ADD, 3, seq, pid, m.newSA()), trace.Reply, q)
	case 2:
		if len(m.sas) == 0 {
			m.refuse(m.request(with(header(layers.DELETE, 0, 3, seq, pid), 0, extSA, extSrc, extDst)), 3)
			return
		}
		x := take(m, &m.sas)
		b := with(header(layers.DELETE, 0, 3, seq, pid), 0, extSA, extSrc, extDst)
		binary.BigEndian.PutUint32(b[20:], x.spi)
		q := m.request(b)
		m.tell(m.state(layers.DELETE, 3, seq, pid, x), trace.Reply, q)
	case 3, 4:
		q := m.request(with(header(layers.GET, 0, 3, seq, pid), 0, extSA, extSrc, extDst))
		if len(m.sas) == 0 {
			m.refuse(q, 3)
			return
		}
		m.answer(m.state(layers.GET, 3, seq, pid, m.sas[0]), q)
	case 5:
		q := m.request(with(header(layers.GETSPI, 0, 3, seq, pid), 0, extRange, extSrc, extDst))
		m.answer(m.state(layers.GETSPI, 3, seq, pid, m.newSA()), q)
	case 6:
		m.dump(layers.DUMP, seq, pid, len(m.sas))
	case 7:
		m.dump(layers.SPDDUMP, seq, pid, len(m.sps))
	case 8, 9:
		m.flush(layers.FLUSH, 0, seq, pid, len(m.sas))
		m.sas = nil
	case 10:
		m.flush(layers.SPDFLUSH, uint8(m.rng.IntN(2)*3), seq, pid, len(m.sps))
		m.sps = nil
	case 11:
		q := m.request(with(header(layers.SPDADD, 0, 0, seq, pid), 0, extPolicy, extSrc, extDst))
		m.tell(m.policy(layers.SPDADD, seq, pid, m.newPolicy()), trace.Reply, q)
	case 12:
		q := m.request(with(header(layers.SPDSETIDX, 0, 0, seq, pid), 0, extPolicy, extSrc, extDst))
		m.tell(m.policy(layers.SPDADD, seq, pid, m.newPolicy()), trace.Reply, q)
	case 17:
		q := m.request(with(header(layers.SPDDELETE, 0, 0, seq, pid), 0, extPolicy, extSrc, extDst))
		if len(m.sps) == 0 {
			m.refuse(q, 2)
			return
		}
		m.tell(m.policy(layers.SPDDELETE, seq, pid, take(m, &m.sps)), trace.Reply, q)
	case 13:
		q := m.request(with(header(layers.REGISTER, 0, 3, seq, pid), 0))
		answer := with(header(layers.REGISTER, 0, 3, seq, pid), 0, extSuppAuth, extSuppEnc)
		if m.registered {
			m.tell(answer, trace.Reply, q)
		} else {
			m.answer(answer, q)
		}
	case 14:
		data := with(header(layers.PROMISC, 0, 1, seq, pid), 0)
		q := m.request(data)
		m.tell(data, trace.Reply, q)
	case 15:
		q := m.request(with(header(layers.MIGRATE, 0, 3, seq, pid), 0, extPolicy, extSrc, extDst))
		m.tell(with(header(layers.MIGRATE, 0, 3, 0, 0), 0, extSrc, extDst, extPolicy), trace.Reply, q)
	case 16:
		// A key manager reports a failure, or a program sends nonsense.
		switch m.rng.IntN(3) {
		case 0:
			m.request(with(header(layers.ACQUIRE, 110, 3, seq, pid), 0))
		case 1:
			m.refuse(m.request(with(header(layers.EXPIRE, 0, 3, seq, pid), 0, extSA)), 95)
		case 2:
			b := with(header(layers.ADD, 0, 3, seq, pid), 0, extSA)
			b[16] = 9 // runs past the end
			m.refuse(m.request(b), 22)
		}
	}
}

func (m *model) dump(typ uint8, seq, pid uint32, n int) {
	q := m.request(with(header(typ, 0, 0, seq, pid), 0))
	if n == 0 {
		m.refuse(q, 2)
		return
	}
	for i := 1; i <= n; i++ {
		s := uint32(i)
		if i == n {
			s = 0
		}
		m.clock++
		if typ == layers.DUMP {
			m.answer(m.state(typ, 3, s, pid, m.sas[i-1]), q)
		} else {
			m.answer(m.policy(typ, s, pid, m.sps[i-1]), q)
		}
	}
}

func (m *model) flush(typ, satype uint8, seq, pid uint32, n int) {
	data := with(header(typ, 0, satype, seq, pid), 0)
	q := m.request(data)
	m.answer(data, q)
	if n > 0 {
		told := data
		if typ == layers.SPDFLUSH {
			told = with(header(typ, 0, 0, seq, pid), 0)
		}
		m.tell(told, trace.Reply, q)
	}
}

// netlink lets a program change something without a PF_KEY socket.
func (m *model) netlink(c *client) {
	m.clock++
	seq, pid := c.next(), c.pid
	switch m.rng.IntN(6) {
	case 0, 1:
		m.tell(m.state(layers.ADD, 3, seq, pid, m.newSA()), trace.Foreign, 0)
	case 2:
		m.tell(m.policy(layers.SPDADD, seq, pid, m.newPolicy()), trace.Foreign, 0)
	case 3:
		if len(m.sas) > 0 {
			m.tell(with(header(layers.FLUSH, 0, 0, seq, pid), 0), trace.Unknown, 0)
			m.sas = nil
		}
	case 4:
		if len(m.sps) > 0 {
			m.tell(with(header(layers.SPDFLUSH, 0, 0, seq, pid), 0), trace.Unknown, 0)
			m.sps = nil
		}
	case 5:
		m.tell(with(header(layers.MIGRATE, 0, 3, 0, 0), m.clock, extSrc, extDst, extPolicy, extCurrent), trace.Foreign, 0)
	}
}

// acquire makes the kernel ask for an SA.
func (m *model) acquire() {
	m.clock++
	m.alert(with(header(layers.ACQUIRE, 0, 3, m.clock, 0), 0, extSrc, extDst, extPolicy, extProposal))
}

// expire ends an SA.
func (m *model) expire() {
	m.clock++
	for i, x := range m.sas {
		if x.hard {
			m.sas = append(m.sas[:i:i], m.sas[i+1:]...)
			b := with(header(layers.EXPIRE, 0, 3, 0, 0), m.clock, extSA, extHard, extCurrent, extSrc, extDst, extSA2)
			binary.BigEndian.PutUint32(b[20:], x.spi)
			m.alert(b)
			return
		}
	}
}

// recording makes a random one. If counting is true, every client numbers its
// requests, else some use one number for all, as setkey does.
func recording(seed uint64, n int, counting bool) []message {
	m := &model{rng: rand.New(rand.NewPCG(seed, 17))}
	m.registered = m.rng.IntN(2) == 0
	var clients []*client
	for i := range 1 + m.rng.IntN(3) {
		c := &client{pid: uint32(100 + i), step: 1}
		switch k := m.rng.IntN(4); {
		case counting:
		case k == 0:
			c.step = 0
		case k == 1:
			c.seq, c.step = 7, 0
		}
		clients = append(clients, c)
	}
	strongswan := &client{pid: 900, seq: 200, step: 1}
	ip := &client{pid: 0, seq: 1700000000}
	// The recorder switches its socket on.
	on := with(header(layers.PROMISC, 0, 1, 1, 50), 0)
	m.out = append(m.out, message{data: on, own: true, dir: record.ToKernel, role: trace.Request})
	m.tell(on, trace.Reply, 0)
	for range n {
		switch m.rng.IntN(14) {
		case 0:
			m.acquire()
		case 1:
			m.expire()
		case 2:
			m.netlink([]*client{strongswan, ip}[m.rng.IntN(2)])
		default:
			m.act(clients[m.rng.IntN(len(clients))])
		}
	}
	m.finish(0, true)
	return m.out
}
