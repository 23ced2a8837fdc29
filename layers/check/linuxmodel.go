package check

import (
	"math"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Traits are what one Linux kernel has that others of its version may not have. The
// zero value knows nothing; a judge finds them out by asking (package replay/judge).
type Traits struct {
	// Auth, Encrypt and Comp are the algorithms that the kernel takes, by number; nil
	// is not known.
	Auth, Encrypt, Comp map[uint8]bool
	// Encap are the encapsulation types that the kernel takes for ESP; nil is not
	// known.
	Encap map[uint8]bool
	// Contexts says what becomes of security contexts.
	Contexts Contexts
	// ZeroSPI says that GETSPI chooses SPI 0 where the range begins with it, instead
	// of failing.
	ZeroSPI Answer
	// Migrate says whether there is MIGRATE.
	Migrate Answer
	// SendBuffer is SO_SNDBUF of the sockets, in bytes as getsockopt gives it; 0 is not
	// known.
	SendBuffer int
}

// The sets of numbers, nil where they are not known.
func (t *Traits) auth() map[uint8]bool    { return t.orNone().Auth }
func (t *Traits) encrypt() map[uint8]bool { return t.orNone().Encrypt }
func (t *Traits) comp() map[uint8]bool    { return t.orNone().Comp }
func (t *Traits) encap() map[uint8]bool   { return t.orNone().Encap }

var noTraits Traits

func (t *Traits) orNone() *Traits {
	if t == nil {
		return &noTraits
	}
	return t
}

// Answer is a yes or no that may be unknown.
type Answer uint8

// The answers.
const (
	NotKnown Answer = iota
	No
	Yes
)

// Contexts says what a kernel does with SEC_CTX.
type Contexts uint8

// The ways to treat security contexts.
const (
	ContextsNotKnown  Contexts = iota
	ContextsIgnored            // no security module reads them
	ContextsUnlabeled          // SELinux without a policy: any context of its kind is taken
)

// Model is a model of one network namespace of a Linux 6.1 kernel: of its SAs, its
// policies and the registrations of its sockets, as they follow from requests and
// answers. With it the answers are known that only the kernel's state tells: EEXIST,
// ESRCH, ENOENT. A new Model has no SAs and no policies. It is right as long as it is
// told of every request to the namespace and no packets use IPsec there.
//
// A Model is for one goroutine.
type Model struct {
	order  layers.Order
	traits Traits
	sas    []*modelSA
	byKey  map[saKey]*modelSA
	spd    []*modelPolicy
	socks  map[int]*modelSocket
	lost   bool

	from, to time.Duration // when the current request is handled
}

type modelSocket struct {
	registered uint16 // bit per SA type
	promisc    bool
}

// NewModel returns a Model of a kernel with a byte order and traits.
func NewModel(order layers.Order, t Traits) *Model {
	m := &Model{order: order, traits: t}
	m.Reset()
	return m
}

// Reset forgets all SAs, policies and sockets.
func (m *Model) Reset() {
	m.sas, m.byKey = nil, map[saKey]*modelSA{}
	m.spd = nil
	m.socks = map[int]*modelSocket{}
	m.lost = false
	m.from, m.to = 0, 0
}

// At says when the requests to come are handled: not before from and not after to,
// counted from any beginning and never going back. SAs and policies expire; whether
// one is there that may have expired is not predicted.
func (m *Model) At(from, to time.Duration) { m.from, m.to = from, to }

// Lost reports whether something happened that the Model cannot follow, so that it
// knows the state no more: time for FLUSH, SPDFLUSH and Reset.
func (m *Model) Lost() bool { return m.lost }

// Promiscuous reports whether a socket gets a copy of everything, so that a request
// comes back to it before its answer, and its answer twice.
func (m *Model) Promiscuous(socket int) bool {
	s := m.socks[socket]
	return s != nil && s.promisc
}

// CloseSocket says that a socket was closed.
func (m *Model) CloseSocket(socket int) { delete(m.socks, socket) }

// Size returns the number of SAs, larval ones included, and of policies.
func (m *Model) Size() (sas, policies int) { return len(m.sas), len(m.spd) }

func (m *Model) codec() layers.Codec { return layers.Codec{Dialect: layers.Linux, Order: m.order} }

// Predict says what the kernel will answer to a message that is written to a socket.
// Possible is empty where the outcome is certain, lack of memory aside. The Model
// stays as it is: see Learn.
func (m *Model) Predict(socket int, msg []byte) Verdict {
	k := newChecker(kernelOf(layers.Linux), m.codec(), msg, ToKernel)
	k.traits = &m.traits
	k.linux(ToKernel)
	v := Verdict{Silent: k.by.silent(k)}
	refused := false
	for i := range k.found {
		p := &k.found[i]
		if p.Errno != 0 {
			refused = true
			v.Errno, v.ByWrite, v.Silent, v.Problem = p.Errno, p.ByWrite, false, *p
			break
		}
		if p.rule.id != cSPIRangeLow { // where the state tells more
			v.Possible = append(v.Possible, p.rule.May...)
		}
	}
	if !refused {
		k.found = k.found[:0]
		possible := m.predict(k, socket)
		if len(k.found) > 0 {
			p := &k.found[0]
			v.Errno, v.Silent, v.Problem = p.Errno, false, *p
		}
		v.Possible = append(v.Possible, possible...)
	}
	k.free()
	return v
}

// outcomeOf is a rule's errno as something that may come instead.
func outcomeOf(id code) []uint8 { return []uint8{kernelOf(layers.Linux).rule(id).Errno} }

// predict reports what the state has against a message that is sound. possible is
// what may come instead: 0 is a success.
func (m *Model) predict(k *checker, socket int) (possible []uint8) {
	switch k.m.Type {
	case layers.GETSPI:
		return m.predictGetSPI(k)
	case layers.ADD:
		return m.predictAdd(k)
	case layers.UPDATE:
		return m.predictUpdate(k)
	case layers.DELETE, layers.GET:
		_, possible = m.find(k)
		return possible
	case layers.REGISTER:
		if s := m.socks[socket]; k.m.SAType != layers.SATypeUnspec && s != nil && s.registered>>k.m.SAType&1 != 0 {
			k.header(cRegistered, 3, 1, registered)
		}
	case layers.DUMP:
		return m.predictDump(k)
	case layers.SPDDUMP:
		return m.predictEmpty(k, len(m.spd), m.policiesAlive(nil))
	case layers.SPDADD, layers.SPDSETIDX:
		return m.predictSPDAdd(k)
	case layers.SPDDELETE, layers.SPDGET, layers.SPDDELETE2:
		_, possible = m.findPolicy(k)
		return possible
	case layers.MIGRATE:
		if m.traits.Migrate == No {
			k.header(cMigrateAbsent, 1, 1, "this kernel has no MIGRATE")
			return nil
		}
		_, possible = m.migrate(k)
		return possible
	}
	return nil
}

// predictEmpty judges a dump of n entries, of which some are certain.
func (m *Model) predictEmpty(k *checker, n, certain int) []uint8 {
	switch {
	case certain > 0:
	case n > 0:
		return outcomeOf(cDumpEmpty)
	default:
		k.header(cDumpEmpty, 1, 1, "there is nothing to dump")
	}
	return nil
}

// Learn tells the Model what the kernel answered to a message: the errno of write(2),
// the errno of the answer, or success. answers are the messages that came to the
// socket upon a success, from which the SPIs and policy ids are taken that the kernel
// chose.
func (m *Model) Learn(socket int, msg []byte, errno uint8, byWrite bool, answers [][]byte) {
	if byWrite && errno != 0 {
		return
	}
	k := newChecker(kernelOf(layers.Linux), m.codec(), msg, ToKernel)
	defer k.free()
	k.traits = &m.traits
	if k.linux(ToKernel); errno == 0 && len(k.found) > 0 {
		for i := range k.found {
			if k.found[i].Errno != 0 { // it was taken though it could not be
				m.lost = true
				return
			}
		}
	}
	switch k.m.Type {
	case layers.GETSPI:
		m.learnGetSPI(k, errno, answers)
	case layers.ADD, layers.UPDATE:
		m.learnSA(k, errno)
	case layers.DELETE, layers.GET:
		if x, _ := m.find(k); x != nil && (errno == eSRCH || errno == 0 && k.m.Type == layers.DELETE) {
			m.remove(x)
		} else if x == nil && errno == 0 && k.m.Type == layers.GET {
			m.lost = true // there is an SA that the Model does not know
		}
	case layers.FLUSH:
		if errno == 0 {
			m.flush(protoOf(k.m.SAType))
		}
	case layers.DUMP:
		if errno == eNOENT {
			m.dumpedNothing(k)
		}
	case layers.REGISTER:
		if errno == 0 || errno == eEXIST {
			m.socket(socket).registered |= 1 << k.m.SAType &^ 1
		}
	case layers.PROMISC:
		if errno == 0 && len(msg) == layers.BaseLen {
			m.socket(socket).promisc = k.m.SAType == 1
		}
	case layers.SPDADD, layers.SPDSETIDX, layers.SPDUPDATE:
		m.learnPolicy(k, errno, answers)
	case layers.SPDDELETE, layers.SPDGET, layers.SPDDELETE2:
		p, _ := m.findPolicy(k)
		switch {
		case p != nil && (errno == eNOENT || errno == 0 && k.m.Type != layers.SPDGET):
			m.removePolicy(p)
		case p == nil && errno == 0:
			m.lost = true
		}
	case layers.SPDFLUSH:
		if errno == 0 {
			m.spd = nil
		}
	case layers.SPDDUMP:
		if errno == eNOENT {
			m.spd = nil
		}
	case layers.MIGRATE:
		if errno == 0 {
			m.learnMigrate(k)
		}
	}
}

func (m *Model) socket(n int) *modelSocket {
	s := m.socks[n]
	if s == nil {
		s = new(modelSocket)
		m.socks[n] = s
	}
	return s
}

// Timers of SAs and policies run for the first time after a second
// (__xfrm_state_insert, xfrm_policy_insert); the clock they go by may differ a bit
// from the one of At.
const (
	firstTimer = 900 * time.Millisecond
	acquireTTL = 29 * time.Second // net.core.xfrm_acq_expires is 30
	forever    = time.Duration(math.MaxInt64)
)

// endOf returns when something with a hard lifetime may be gone at the earliest.
func (m *Model) endOf(x *layers.Lifetime) time.Duration {
	end := forever
	if x == nil {
		return end
	}
	for _, seconds := range [2]uint64{x.AddTime, x.UseTime} {
		switch {
		case seconds == 0:
		case seconds <= 1 || seconds > math.MaxInt64: // the kernel counts with signed numbers
			end = min(end, m.from+firstTimer)
		case seconds < uint64(forever/time.Second)/2:
			end = min(end, m.from+time.Duration(seconds-1)*time.Second)
		}
	}
	return end
}

// protoOf is pfkey_satype2proto.
func protoOf(satype uint8) uint8 {
	switch satype {
	case layers.SATypeUnspec:
		return protoAny
	case layers.SATypeAH:
		return protoAH
	case layers.SATypeESP:
		return protoESP
	case layers.SATypeIPComp:
		return protoIPComp
	}
	return 0
}

// IP protocols (include/uapi/linux/in.h); 255 stands for any SA.
const (
	protoESP    = 50
	protoAH     = 51
	protoIPComp = 108
	protoAny    = 255
)
