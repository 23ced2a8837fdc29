package trace

import (
	"hash/maphash"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// shape is what the build of a message says about its direction.
type shape uint8

const (
	unclear    shape = iota // nothing: no header, or cut off too early
	toKernel                // only a process builds it like that
	fromKernel              // only the kernel builds it like that
	event                   // from the kernel, and not because of a request
	failure                 // 16 bytes with an errno: the kernel's error, or a process that set the field
	echo                    // request and answer are the same bytes
)

// fact is what is remembered of a message: everything but its bytes.
type fact struct {
	num  uint64 // Record.Number
	hash uint64 // of the message, without a wrapper
	size int    // bytes on the socket, without a wrapper

	pid, seq           uint32
	typ, satype, errno uint8

	codec   layers.Codec
	rules   ruleSet
	shape   shape
	wrapped bool             // it came inside an SADB_X_PROMISC
	dir     record.Direction // as far as it is known
	given   bool             // the direction came with the record
	gap     bool             // messages before this one are known or suspected to be lost
	suspect bool             // the request to this one may have been lost
	hazy    bool             // what came before in its run is not known
	full    bool             // of a message of a run: there was something to flush for certain
	object  uint64           // what tells its SA or policy from others, or 0
	lasting bool             // it has no hard lifetime
	before  record.Answer    // of an own X_PROMISC: was the socket promiscuous before
	role    Role
	twinOf  uint64 // Record.Number
	replyTo uint64 // Record.Number
}

// ruleSet says what the direction of a received message can be known by.
type ruleSet uint8

const (
	noRules      ruleSet = iota // RFC 2367 alone: the wrapper does not tell
	linuxRules                  // build and order
	openbsdRules                // the outer sadb_msg_seq
	kameRules                   // requests are not shown, what a promiscuous socket gets besides its own is wrapped
	illumosRules                // requests are not shown, nothing is wrapped
)

func rulesOf(d layers.Dialect) ruleSet {
	switch d {
	case layers.Linux:
		return linuxRules
	case layers.OpenBSD:
		return openbsdRules
	case layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly:
		return kameRules
	case layers.Illumos:
		return illumosRules
	}
	return noRules
}

// own reports whether the message was written by the recording program, as far
// as can be said: its direction came with it.
func (f *fact) own() bool { return f.given && f.dir == record.ToKernel && !f.wrapped }

// failed reports whether f is a kernel's answer that says no.
func (f *fact) failed() bool {
	switch f.rules {
	case linuxRules:
		return f.errno != 0 && f.size == layers.BaseLen
	case illumosRules:
		// The header that ends a dump has the result of the walk, whatever it is.
		return f.errno != 0 && f.typ != layers.DUMP
	}
	return f.errno != 0
}

// dumps reports whether the message is of a type that lists a database.
func (f *fact) dumps() bool {
	return f.typ == layers.DUMP || f.typ == layers.SPDDUMP && (f.rules == linuxRules || f.rules == kameRules)
}

// waits reports whether the answers to f, a request, may come much later: Linux goes on
// with a dump only while the queue of the socket has room, and that may be filled by
// answers to earlier requests (pfkey_can_dump in net/key/af_key.c).
func (f *fact) waits() bool { return f.rules == linuxRules && f.dumps() }

// ends reports whether f is the last message of a dump that was asked for with the
// sequence number asked.
func (f *fact) ends(asked uint32) bool {
	switch f.rules {
	case illumosRules: // a header of its own; sequence numbers are the sender's
		return f.size == layers.BaseLen
	case openbsdRules: // the last has 0, all others the request's number
		return f.seq == 0 && asked != 0
	}
	return f.seq == 0
}

// unheard reports whether the kernel does not answer f, a request: without
// extensions an ACQUIRE tells it that key management has failed.
func (f *fact) unheard() bool {
	return f.typ == layers.ACQUIRE && f.size == layers.BaseLen && (f.rules == linuxRules || f.rules == kameRules)
}

// answers reports whether f has the type with which the kernel answers a request of
// type asked: the same, but Linux says SPDADD for SPDSETIDX (pfkey_spdadd serves
// both), and illumos makes a type that it does not know 0.
func (f *fact) answers(asked uint8) bool {
	if f.typ == asked {
		return true
	}
	switch f.rules {
	case linuxRules:
		return asked == layers.SPDSETIDX && f.typ == layers.SPDADD && !f.failed()
	case illumosRules:
		return f.typ == 0 && f.errno != 0
	}
	return false
}

// migrated reports whether f is what Linux tells everyone of a MIGRATE, its sender
// too: nothing of the request's header is in it.
func (f *fact) migrated() bool {
	return f.rules == linuxRules && f.typ == layers.MIGRATE && f.pid == 0 && f.seq == 0 && f.errno == 0
}

// Answers reports whether m can be an answer to request, if it came from the kernel
// on the socket that the request was written to. Kernels copy the process of a
// request into their answers, most copy the type and all but dumps the sequence
// number, which is not looked at. Both messages are of one dialect and were decoded;
// of several requests that m can answer, the Tracer says which.
func Answers(request, m *layers.Message) bool {
	if m.Contents == nil {
		return false
	}
	f := messageFact(m)
	if f.migrated() {
		return request.Type == layers.MIGRATE
	}
	return m.PID == request.PID && f.answers(request.Type)
}

// messageFact is what a message has in its header.
func messageFact(m *layers.Message) fact {
	return fact{typ: m.Type, errno: m.Errno, pid: m.PID, seq: m.Seq, size: layers.BaseLen + len(m.Payload), rules: rulesOf(m.Codec.Dialect)}
}

// unicast reports whether a message from the kernel is of a kind that Linux gives
// to the sender of the request only.
func (f *fact) unicast() bool {
	switch f.typ {
	case layers.GETSPI, layers.GET, layers.SPDGET:
		return true
	}
	return f.dumps() || f.failed()
}

// flushes reports whether the message is of a type that empties a database.
func (f *fact) flushes() bool { return f.typ == layers.FLUSH || f.typ == layers.SPDFLUSH }

// switches reports whether the message turns copies for its sender on or off.
func (f *fact) switches() bool {
	return f.typ == layers.PROMISC && f.size == layers.BaseLen && (f.rules != linuxRules || f.shape == echo)
}

// copies is how many times a promiscuous socket gets what is also meant for it.
func (f *fact) copies() uint8 {
	if f.rules == illumosRules {
		return 1
	}
	return 2
}

// copyOf reports whether f may be a second copy of a message with the same bytes.
// Of those that Linux makes nothing tells the one from the other; elsewhere one is
// wrapped and one is not.
func (f *fact) copyOf(wrapped bool) bool { return f.rules == linuxRules || f.wrapped != wrapped }

// sameKey reports whether two messages have what Linux copies from a request
// into most answers.
func (f *fact) sameKey(g *fact) bool { return f.typ == g.typ && f.pid == g.pid && f.seq == g.seq }

// later reports whether a message may come between a request and its answer
// without belonging to them. Linux handles a request and gives its good answer
// under one lock (xfrm_cfg_mutex), but timers and packets make events, error
// answers come after the lock, and long dumps go on whenever their reader reads.
func (f *fact) later() bool {
	return f.own() || f.shape == event || f.shape == failure || f.shape == fromKernel && f.dumps()
}

// examine fills in what can be said of a message by itself.
func (t *Tracer) examine(f *fact, r *record.Record) {
	*f = fact{} // and then field by field: a literal would be made elsewhere and copied
	f.num, f.dir, f.given, f.codec, f.rules = r.Number, r.Dir, r.Dir != record.Unknown, r.Codec, rulesOf(r.Codec.Dialect)
	data, size := r.Data, max(r.OrigLen, len(r.Data))
	if len(data) < layers.BaseLen {
		return
	}
	if f.rules == linuxRules {
		f.hash = maphash.Bytes(t.seed, data)
		if g := t.copied(f.hash, size, r.Codec); g != nil {
			f.size, f.typ, f.satype, f.errno, f.seq, f.pid = size, g.typ, g.satype, g.errno, g.seq, g.pid
			f.shape, f.object, f.lasting = g.shape, g.object, g.lasting
			return
		}
	}
	m := &t.msg
	m.Codec = r.Codec
	m.DecodeFromBytes(data, nil) // what cannot be decoded is in m.Rest
	if f.rules != linuxRules && m.Inner != nil {
		// The wrapper is the kernel's, what it holds is what counts.
		f.wrapped = true
		f.dir = record.FromKernel
		if f.rules == openbsdRules && m.Seq != 0 {
			f.dir = record.ToKernel
		}
		f.shape = fromKernel
		if f.dir == record.ToKernel {
			f.shape = toKernel
		}
		data, size = m.Inner, size-layers.BaseLen
		t.inner.Codec = r.Codec
		m = &t.inner
		m.DecodeFromBytes(data, nil)
	}
	f.size = size
	if f.rules != linuxRules {
		f.hash = maphash.Bytes(t.seed, data)
	}
	f.typ, f.satype, f.errno, f.seq, f.pid = m.Type, m.SAType, m.Errno, m.Seq, m.PID
	switch f.rules {
	case linuxRules:
		f.shape = linuxShape(m, size, len(data) < size)
		t.identify(f, m)
	case openbsdRules, kameRules, illumosRules:
		if f.shape == unclear {
			f.shape = fromKernel
		}
		if f.shape == fromKernel && f.pid == 0 && f.errno == 0 && announces(f) {
			f.shape = event
		}
	}
	if r.Dir != record.Unknown {
		f.dir = r.Dir
	} else if f.rules == noRules {
		f.dir = record.Unknown
	}
}

// copied finds a message with the same bytes among the two before the one that has
// arrived: a promiscuous socket gets most things twice, one after the other.
func (t *Tracer) copied(hash uint64, size int, c layers.Codec) *fact {
	for i := t.head - 1; i > 0 && i+2 >= t.head; i-- {
		if g := t.fact(i); g.hash == hash && g.size == size && g.codec == c {
			return g
		}
	}
	return nil
}

// announces reports whether kernels other than Linux send the type by themselves.
func announces(f *fact) bool {
	switch f.typ {
	case layers.ACQUIRE, layers.EXPIRE:
		return true
	case layers.SPDACQUIRE, layers.SPDEXPIRE, layers.NEWMAPPING:
		return f.rules == kameRules
	}
	return false
}

// linuxShape judges a message by its build (net/key/af_key.c: which checks come
// before the copy to promiscuous sockets, and how pfkey_xfrm_state2msg,
// pfkey_xfrm_policy2msg, compose_sadb_supported, pfkey_send_acquire,
// pfkey_send_new_mapping, pfkey_send_migrate and pfkey_error lay out theirs).
// cut says that bytes are missing at the end.
func linuxShape(m *layers.Message, size int, cut bool) shape {
	if m.Version != layers.Version || m.Type == 0 || m.Type > layers.MIGRATE {
		return unclear // neither accepted nor made
	}
	if m.Reserved != 0 {
		return fromKernel // a policy's reference count; requests with it are refused unseen
	}
	bare := size == layers.BaseLen
	if m.Errno != 0 {
		switch {
		case bare:
			return failure
		case m.Type == layers.PROMISC:
			return promiscShape(m, cut)
		case m.Type == layers.DUMP || m.Type == layers.SPDDUMP:
			// The last message of a dump has the result of the walk.
			return built(m, cut, fromKernel, stateBuild)
		}
		return toKernel
	}
	switch m.Type {
	case layers.GETSPI, layers.UPDATE, layers.ADD, layers.DELETE, layers.GET, layers.DUMP:
		return built(m, cut, fromKernel, stateBuild)
	case layers.ACQUIRE:
		if m.PID != 0 {
			return toKernel
		}
		return built(m, cut, event, acquireBuild)
	case layers.REGISTER:
		if bare {
			return toKernel
		}
		return built(m, cut, fromKernel, authBuild, encryptBuild)
	case layers.EXPIRE:
		if m.PID != 0 || m.Seq != 0 {
			return toKernel
		}
		return built(m, cut, event, hardBuild, softBuild)
	case layers.NEWMAPPING:
		if m.PID != 0 {
			return toKernel
		}
		return built(m, cut, event, mappingBuild)
	case layers.MIGRATE:
		if m.PID != 0 || m.Seq != 0 {
			return toKernel
		}
		return built(m, cut, fromKernel, migrateBuild, kmAddressBuild)
	case layers.FLUSH:
		if !bare || !flushable(m.SAType) {
			return toKernel
		}
		return echo
	case layers.SPDFLUSH:
		if !bare {
			return toKernel
		}
		return echo
	case layers.PROMISC:
		return promiscShape(m, cut)
	}
	// Policies come from the kernel with a reference count only; the types that
	// are left (PCHANGE, SPDACQUIRE, SPDEXPIRE, SPDSETIDX) not at all.
	return toKernel
}

// flushable reports whether pfkey_flush knows the SA type.
func flushable(satype uint8) bool {
	switch satype {
	case layers.SATypeUnspec, layers.SATypeAH, layers.SATypeESP, layers.SATypeIPComp:
		return true
	}
	return false
}

// promiscShape judges an X_PROMISC: 16 bytes switch copies on or off and are
// sent on to everyone, and so is any longer one whose extensions are sound.
func promiscShape(m *layers.Message, cut bool) shape {
	switch {
	case len(m.Payload) == 0:
		if m.SAType > 1 {
			return toKernel // refused
		}
		return echo
	case cut:
		return unclear
	case m.Inner != nil || m.Rest != nil:
		return toKernel // a message where extensions should be is refused
	}
	return echo
}

// The first extensions of what the kernel builds, in its order. What follows
// them depends on the SA or policy and on the kernel's version.
var (
	stateBuild = []gopacket.LayerType{layers.LayerTypeSA, layers.LayerTypeLifetimeHard, layers.LayerTypeLifetimeSoft,
		layers.LayerTypeLifetimeCurrent, layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst}
	hardBuild      = []gopacket.LayerType{layers.LayerTypeSA, layers.LayerTypeLifetimeHard, layers.LayerTypeLifetimeCurrent}
	softBuild      = []gopacket.LayerType{layers.LayerTypeSA, layers.LayerTypeLifetimeSoft, layers.LayerTypeLifetimeCurrent}
	acquireBuild   = []gopacket.LayerType{layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst, layers.LayerTypePolicy}
	authBuild      = []gopacket.LayerType{layers.LayerTypeSupportedAuth}
	encryptBuild   = []gopacket.LayerType{layers.LayerTypeSupportedEncrypt}
	migrateBuild   = []gopacket.LayerType{layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst, layers.LayerTypePolicy}
	kmAddressBuild = []gopacket.LayerType{layers.LayerTypeKMAddress, layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst, layers.LayerTypePolicy}
	mappingBuild   = []gopacket.LayerType{layers.LayerTypeSA, layers.LayerTypeAddressSrc, layers.LayerTypeNATTSrcPort,
		layers.LayerTypeAddressDst, layers.LayerTypeNATTDstPort}
)

// built returns s if the message begins with one of the builds and can be
// decoded to its end, else toKernel, or unclear if what would tell was cut off.
func built(m *layers.Message, cut bool, s shape, builds ...[]gopacket.LayerType) shape {
	if m.Rest != nil && !cut {
		return toKernel
	}
	open := false
	for _, b := range builds {
		i := 0
		for i < len(b) && i < len(m.Extensions) && m.Extensions[i].LayerType() == b[i] {
			i++
		}
		switch {
		case i == len(b):
			return s
		case cut && i == len(m.Extensions):
			open = true
		}
	}
	if open {
		return unclear
	}
	return toKernel
}
