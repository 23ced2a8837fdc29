package judge

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// finding is something about an answer that should not be.
type finding struct {
	kind Kind
	name string
}

// inspector looks at what a kernel sends.
type inspector struct {
	codec   layers.Codec
	buffer  gopacket.SerializeBuffer
	request layers.Message
	message layers.Message
	unset   check.Unset
	layers  []gopacket.SerializableLayer
	list    []finding
}

func newInspector(c layers.Codec) *inspector {
	x := &inspector{codec: c, buffer: gopacket.NewSerializeBuffer()}
	x.request.Codec, x.message.Codec = c, c
	return x
}

func (x *inspector) add(k Kind, format string, a ...any) {
	f := finding{k, fmt.Sprintf(format, a...)}
	if !slices.Contains(x.list, f) {
		x.list = append(x.list, f)
	}
}

// look returns what is wrong with what came upon a request. The result is valid until
// the next call.
func (x *inspector) look(request []byte, o *outcome) []finding {
	x.list = x.list[:0]
	name := typeName(x.codec, request)
	if o.odd != "" {
		x.add(Reply, "%s: %s", name, o.odd)
	}
	for _, list := range [2][][]byte{o.replies, o.events} {
		for _, b := range list {
			x.decode(b)
			x.padding(request, b)
		}
	}
	for _, b := range o.events {
		if !isEvent(b) {
			x.add(Reply, "%s: answered by %s", name, typeName(x.codec, b))
		}
	}
	if o.errno == 0 && !o.byWrite {
		for _, b := range o.replies {
			x.content(request, b)
		}
	}
	return x.list
}

// isEvent tells the messages that a kernel sends unasked.
func isEvent(b []byte) bool {
	return len(b) >= layers.BaseLen && (b[1] == layers.ACQUIRE || b[1] == layers.EXPIRE || b[1] == layers.NEWMAPPING)
}

func typeName(c layers.Codec, b []byte) string {
	if len(b) < 2 {
		return "short"
	}
	if n := c.Dialect.EnumName(layers.EnumMsgType, uint64(b[1])); n != "" {
		return n
	}
	return fmt.Sprintf("type %d", b[1])
}

// decode holds the decoder to a message, and the message to what this kernel says: it
// decodes to its end, encodes to the same bytes and breaks no rule.
func (x *inspector) decode(b []byte) {
	name := typeName(x.codec, b)
	x.layers = x.layers[:0]
	for _, l := range gopacket.NewPacket(b, x.codec, gopacket.DecodeOptions{NoCopy: true}).Layers() {
		switch l := l.(type) {
		case *layers.Malformed:
			x.add(Decoder, "%s: %s", name, l.Reason.Code())
		case *layers.Unknown:
			if !isRelayed(b) { // of a type that the kernel does not send
				x.add(Decoder, "%s: unknown extension %d", name, l.Number())
			}
		}
		x.layers = append(x.layers, l.(gopacket.SerializableLayer))
	}
	if err := x.codec.Serialize(x.buffer, gopacket.SerializeOptions{}, x.layers...); err != nil {
		x.add(Decoder, "%s: cannot be encoded again", name)
	} else if !bytes.Equal(x.buffer.Bytes(), b) {
		x.add(Decoder, "%s: encodes to other bytes", name)
	}
	if isRelayed(b) {
		return // it says whatever its sender wrote
	}
	for _, p := range check.Judge(layers.Linux, x.codec, b, check.FromKernel) {
		x.add(Reply, "%s: %s", name, p.Code)
	}
}

// isRelayed reports whether a message is passed on by the kernel as it was sent.
func isRelayed(b []byte) bool { return len(b) > layers.BaseLen && b[1] == layers.PROMISC }

// padding searches a message for octets that mean nothing and are not zero: what the
// kernel has not set is what it had in that place of its memory.
func (x *inspector) padding(request, b []byte) {
	if isRelayed(b) || bytes.Equal(request, b) {
		return
	}
	for _, f := range x.unset.In(x.codec, b) {
		x.add(Leak, "%s: %s", typeName(x.codec, b), f)
	}
}

// flags that Linux keeps of sadb_sa_flags (include/uapi/linux/pfkeyv2.h).
const keptFlags = 0x80000000 | 0x40000000 | 0x20000000

// content compares an answer with its request, decoded: what the request sets must
// stand in the answer, and what nobody set must not.
func (x *inspector) content(request, b []byte) {
	q, r := &x.request, &x.message
	if q.DecodeFromBytes(request, nil) != nil || r.DecodeFromBytes(b, nil) != nil {
		return
	}
	name := typeName(x.codec, b)
	differ := func(same bool, field string) {
		if !same {
			x.add(Content, "%s: %s", name, field)
		}
	}
	switch q.Type {
	case layers.DUMP, layers.SPDDUMP: // of what is there, whatever made it
		return
	case layers.MIGRATE:
		differ(r.Seq == 0 && r.PID == 0, "seq or pid")
	default:
		differ(r.Seq == q.Seq && r.PID == q.PID && r.Version == q.Version, "seq, pid or version")
	}
	switch q.Type {
	case layers.ADD, layers.UPDATE:
		x.sa(q, r, differ)
		x.ports(q, r, name)
	case layers.GETSPI:
		low, high := uint32(0x100), uint32(0x0fffffff)
		if s := q.SPIRange(); s != nil {
			low, high = s.Min, s.Max
		}
		if s := r.SA(); s != nil {
			// A larval SA that seq names keeps the SPI it has.
			differ(s.SPI >= low && s.SPI <= high, "sa.spi")
			differ(s.State == 0, "sa.state")
		}
		x.endpoints(q, r, differ)
	case layers.GET, layers.DELETE:
		if s := r.SA(); s != nil {
			differ(s.SPI == q.SA().SPI, "sa.spi")
		}
		differ(r.SAType == q.SAType, "satype")
		if d := r.AddressDst(); d != nil {
			differ(d.Addr() == q.AddressDst().Addr(), "address_dst.addr")
		}
	case layers.SPDADD, layers.SPDUPDATE, layers.SPDSETIDX:
		x.policy(q, r, differ)
	case layers.SPDDELETE:
		x.selectors(q, r, differ)
		if p := r.Policy(); p != nil {
			differ(p.Dir == q.Policy().Dir, "policy.dir")
		}
	case layers.SPDGET, layers.SPDDELETE2:
		if p := r.Policy(); p != nil {
			differ(p.ID == q.Policy().ID, "policy.id")
		}
	case layers.FLUSH, layers.SPDFLUSH:
		differ(len(b) == layers.BaseLen, "length")
	case layers.PROMISC:
		differ(isRelayed(b) == (len(request) > layers.BaseLen), "length")
	}
}

type differFunc func(same bool, field string)

// endpoints compares the addresses of an SA.
func (x *inspector) endpoints(q, r *layers.Message, differ differFunc) {
	for _, p := range [2]struct {
		name string
		q, r *layers.Address
	}{{"address_src", q.AddressSrc(), r.AddressSrc()}, {"address_dst", q.AddressDst(), r.AddressDst()}} {
		if p.q == nil || p.r == nil {
			continue
		}
		differ(p.q.Addr() == p.r.Addr(), p.name+".addr")
		differ(int(p.r.PrefixLen) == p.r.Addr().BitLen(), p.name+".prefixlen")
		differ(p.r.Port() == 0 && p.r.Proto == 0, p.name+".port")
	}
}

// sa compares an SA with the request that made it: pfkey_msg2xfrm_state and
// __pfkey_xfrm_state2msg.
func (x *inspector) sa(q, r *layers.Message, differ differFunc) {
	differ(q.SAType == r.SAType, "satype")
	x.endpoints(q, r, differ)
	if a, z := q.SA(), r.SA(); a != nil && z != nil {
		differ(a.SPI == z.SPI, "sa.spi")
		differ(min(a.Replay, 32) == z.Replay, "sa.replay")
		differ(a.Auth == z.Auth, "sa.auth")
		differ(a.Encrypt == z.Encrypt, "sa.encrypt")
		differ(a.Flags&keptFlags == z.Flags, "sa.flags")
		differ(q.Type != layers.ADD || z.State == 1, "sa.state")
	}
	for _, p := range [2]struct {
		name string
		q, r *layers.Lifetime
	}{{"lifetime_hard", q.LifetimeHard(), r.LifetimeHard()}, {"lifetime_soft", q.LifetimeSoft(), r.LifetimeSoft()}} {
		differ(sameLifetime(p.q, p.r), p.name)
	}
	auth, encrypt := q.SA() != nil && q.SA().Auth != 0, q.SA() != nil && q.SA().Encrypt != 0 && q.SAType != layers.SATypeIPComp
	differ(sameKey(q.KeyAuth(), r.KeyAuth(), auth), "key_auth")
	differ(sameKey(q.KeyEncrypt(), r.KeyEncrypt(), encrypt), "key_encrypt")
	if z := r.SA2(); z != nil {
		mode, reqid := uint8(1), uint32(0)
		if a := q.SA2(); a != nil {
			mode, reqid = max(a.Mode, 1), a.ReqID
		}
		differ(z.Mode == mode, "sa2.mode")
		differ(z.ReqID == reqid, "sa2.reqid")
		differ(z.Sequence == 0, "sa2.sequence")
	}
	if a, z := q.AddressProxy(), r.AddressProxy(); a != nil && z != nil && a.Addr().BitLen() == z.Addr().BitLen() {
		differ(a.Addr() == z.Addr() && a.PrefixLen == z.PrefixLen, "address_proxy")
	}
	if a, z := q.NATTType(), r.NATTType(); a != nil || z != nil {
		differ(a != nil && z != nil && a.Type == z.Type, "nat_t_type")
	}
}

func sameLifetime(q, r *layers.Lifetime) bool {
	if r == nil {
		return false
	}
	if q == nil {
		return r.Allocations == 0 && r.Bytes == 0 && r.AddTime == 0 && r.UseTime == 0
	}
	bytes := q.Bytes
	if bytes == math.MaxUint64 { // XFRM_INF
		bytes = 0
	}
	return q.Allocations == r.Allocations && bytes == r.Bytes && q.AddTime == r.AddTime && q.UseTime == r.UseTime
}

func sameKey(q, r *layers.Key, used bool) bool {
	if q == nil || q.Bits == 0 || !used {
		return r == nil
	}
	n := (int(q.Bits) + 7) / 8
	return r != nil && q.Bits == r.Bits && len(q.Key()) == n && bytes.Equal(q.Key(), r.Key())
}

// ports looks for encapsulation ports that nobody gave.
func (x *inspector) ports(q, r *layers.Message, name string) {
	for _, p := range [2]struct {
		name string
		q, r *layers.NATTPort
	}{{"NAT_T_SPORT", q.NATTSrcPort(), r.NATTSrcPort()}, {"NAT_T_DPORT", q.NATTDstPort(), r.NATTDstPort()}} {
		switch {
		case p.r == nil:
		case p.q == nil && p.r.Port != 0:
			x.add(Leak, "%s: %s.port, which the request does not have", name, p.name)
		case p.q != nil && p.q.Port != p.r.Port:
			x.add(Content, "%s: %s.port", name, p.name)
		}
	}
}

// selectors compares the selector of a policy.
func (x *inspector) selectors(q, r *layers.Message, differ differFunc) {
	proto := q.AddressDst().Proto
	if proto == 0 {
		proto = 255
	}
	for _, p := range [2]struct {
		name string
		q, r *layers.Address
	}{{"address_src", q.AddressSrc(), r.AddressSrc()}, {"address_dst", q.AddressDst(), r.AddressDst()}} {
		if p.r == nil {
			continue
		}
		differ(p.q.Addr() == p.r.Addr(), p.name+".addr")
		differ(p.q.PrefixLen == p.r.PrefixLen, p.name+".prefixlen")
		differ(p.q.Port() == p.r.Port(), p.name+".port")
		differ(p.r.Proto == proto, p.name+".proto")
	}
}

// policy compares a policy with the request that made it: pfkey_spdadd and
// pfkey_xfrm_policy2msg.
func (x *inspector) policy(q, r *layers.Message, differ differFunc) {
	x.selectors(q, r, differ)
	differ(sameLifetime(q.LifetimeHard(), r.LifetimeHard()), "lifetime_hard")
	differ(sameLifetime(q.LifetimeSoft(), r.LifetimeSoft()), "lifetime_soft")
	a, z := q.Policy(), r.Policy()
	if z == nil {
		return
	}
	const none, ipsec = 1, 2
	want := a.Requests()
	if a.Type != ipsec {
		want = nil
	}
	kind := a.Type
	if kind == ipsec && len(want) == 0 {
		kind = none
	}
	differ(z.Type == kind, "policy.type")
	differ(z.Dir == a.Dir, "policy.dir")
	differ(z.Priority == a.Priority, "policy.priority")
	got := z.Requests()
	if differ(len(got) == len(want), "policy.requests"); len(got) != len(want) {
		return
	}
	for i := range want {
		w, g := &want[i], &got[i]
		differ(uint8(w.Proto) == uint8(g.Proto) && w.Mode == g.Mode, "policy.requests.proto or mode")
		if w.Mode == 2 {
			ws, wd, _ := w.Addrs(x.codec)
			gs, gd, ok := g.Addrs(x.codec)
			differ(ok && ws.Addr == gs.Addr && wd.Addr == gd.Addr, "policy.requests.src or dst")
		}
	}
}
