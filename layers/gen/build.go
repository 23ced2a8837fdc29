package gen

import (
	"encoding/binary"
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// maybe is how often, in percent, an extension that may be left out is there.
const maybe = 30

// build makes a valid message of a form.
func (g *Generator) build(f *form) {
	g.innerAt = 0
	g.message(f)
}

// message appends a message to buf.
func (g *Generator) message(f *form) {
	at := len(g.buf)
	typ := f.number
	if f == &whatever {
		typ = pick(&g.rng, g.dialect.types)
	}
	g.form, g.requests = f, policy
	g.withAuth = g.tale.satype.kind != kindESP || g.rng.percent(85)
	g.header(f, typ)
	n := copy(g.items[:], f.exts)
	items := g.items[:n]
	if n > 1 && g.rng.percent(10) { // no order is prescribed
		for i := n - 1; i > 0; i-- {
			j := g.rng.n(i + 1)
			items[i], items[j] = items[j], items[i]
		}
	}
	for _, it := range items {
		g.item(it)
	}
	g.fixLength(at)
}

// fixLength makes sadb_msg_len of the message at an offset say that it goes to the
// end of buf.
func (g *Generator) fixLength(at int) {
	g.put.PutUint16(g.buf[at+4:], uint16((len(g.buf)-at)/layers.Word))
}

func (g *Generator) header(f *form, typ uint8) {
	t := &g.tale
	satype := t.satype.number
	switch f.satype {
	case ofNone:
		satype = 0
	case ofAll:
		if g.rng.percent(40) {
			satype = 0
		}
	case ofBoth:
		satype = uint8(g.rng.n(2))
	}
	errno := uint8(0)
	if f.failure {
		errno = uint8(g.rng.between(1, 40))
	}
	pid := t.pid
	switch f.name {
	case "ACQUIRE", "EXPIRE", "NAT_T_NEW_MAPPING":
		if f.fromKernel {
			pid = 0
		}
	}
	g.buf = append(g.buf, layers.Version, typ, errno, satype, 0, 0, 0, 0)
	g.buf = g.order.AppendUint32(g.buf, t.seq)
	g.buf = g.order.AppendUint32(g.buf, pid)
}

// item appends an extension or a group of them.
func (g *Generator) item(it item) {
	t, r := &g.tale, &g.rng
	if it < 0 {
		it = -it
		p := maybe
		switch it {
		case natt:
			if p = 0; t.natt {
				p = 100
			}
		case natOA, natOAR, natFrag:
			if !t.natt {
				p = 0
			}
		case secCtx:
			p = 10 // without a security module the kernel refuses it
		case sa2:
			p = 70
		case newAddresses:
			p = 50
		}
		if !r.percent(p) {
			return
		}
	}
	switch it {
	case limits:
		g.group(hard, soft)
	case limit:
		g.group([]item{hard, soft}[r.n(2)])
	case keys:
		// Linux wants the key of ESP even if it is empty, for NULL; others want none.
		empty := g.codec.Dialect == layers.Linux
		if g.withAuth && t.satype.kind != kindIPComp && (empty || t.auth.bits > 0) {
			g.group(keyAuth)
		}
		if t.satype.kind == kindESP && (empty || t.cipher.bits > 0) {
			g.group(keyEncrypt)
		}
	case identities:
		g.group(item(shape.MIdentitySrc), item(shape.MIdentityDst))
	case natt:
		g.group(natType, natSport, natDport)
	case newAddresses:
		g.group(newSrc, newDst)
	case ranges:
		g.group(item(shape.MAddrRangeSrcStart), item(shape.MAddrRangeSrcEnd), item(shape.MAddrRangeDstStart), item(shape.MAddrRangeDstEnd))
	case flow:
		g.group(srcMask, dstMask, protocol, flowType, srcFlow, dstFlow)
	case policyID, policyBare, policyPairs:
		g.requests = it
		g.ext(policy)
	case inner:
		g.wrapped()
	case anything:
		for range r.between(1, 6) {
			g.ext(pick(r, g.dialect.items))
		}
	default:
		g.ext(it)
	}
}

func (g *Generator) group(list ...item) {
	for _, it := range list {
		g.ext(it)
	}
}

// wrapped appends the message inside an X_PROMISC.
func (g *Generator) wrapped() {
	g.innerAt = len(g.buf)
	f := &g.dialect.forms[g.rng.n(len(g.dialect.forms))]
	for f.name == "PROMISC" {
		f = &g.dialect.forms[g.rng.n(len(g.dialect.forms))]
	}
	g.message(f)
}

// ext appends an extension, if the dialect has it.
func (g *Generator) ext(it item) {
	m := shape.Meaning(it)
	lay := g.dialect.layout[m]
	if lay == nil {
		return
	}
	at := len(g.buf)
	g.exts = append(g.exts, at)
	size := lay.Size
	if lay.Name == "sadb_sa_2" && g.rng.percent(50) {
		size = 16 // macOS sends both
	}
	g.structure(lay, size)
	g.put.PutUint16(g.buf[at+2:], g.dialect.number[m])
	g.content(it, lay, at)
	g.trailer(it, lay, at)
	for len(g.buf)%layers.Word != 0 {
		g.buf = append(g.buf, 0)
	}
	g.put.PutUint16(g.buf[at:], uint16((len(g.buf)-at)/layers.Word))
}

// zeros are as many as a structure or bitmap can have.
var zeros [512]byte

var network = binary.BigEndian

// structure appends the first size bytes of a structure, each field with a value
// that makes sense by what kind of field it is.
func (g *Generator) structure(lay *layers.Layout, size int) {
	at := len(g.buf)
	g.buf = append(g.buf, zeros[:size]...)
	for i := range lay.Fields {
		f := &lay.Fields[i]
		if int(f.Off+f.Size) > size {
			continue
		}
		if f.Order == shape.Bytes {
			g.octets(g.buf[at+int(f.Off):][:f.Size], f)
			continue
		}
		g.putField(at, f, g.value(f))
	}
}

func (g *Generator) octets(b []byte, f *layers.Field) {
	switch f.Sem {
	case shape.Reserved:
	case shape.Name:
		copy(b, pick(&g.rng, names))
	case shape.Embedded: // a CURRENT lifetime
		g.put.PutUint16(b, uint16(len(b)/layers.Word))
		g.put.PutUint16(b[2:], g.dialect.number[current])
		b[4], b[15], b[23] = byte(g.rng.next()), byte(g.rng.next()), byte(g.rng.next())
	default:
		g.rng.fill(b)
	}
}

var names = []string{"eth0", "en0", "ipsec0", "utun3", "em1"}

// value is what a field holds if nothing else is known of it.
func (g *Generator) value(f *layers.Field) uint64 {
	r := &g.rng
	switch f.Sem {
	case shape.Reserved:
		return 0
	case shape.SPI:
		return uint64(g.tale.spi)
	case shape.Enum:
		if int(f.Enum) < len(g.dialect.enums) {
			if list := g.dialect.enums[f.Enum]; len(list) > 0 {
				return pick(r, list)
			}
		}
		return uint64(r.between(1, 3))
	case shape.Flags:
		if r.percent(80) {
			return 0
		}
		return 1 << r.n(3)
	case shape.IPProto:
		return uint64(g.tale.satype.proto)
	case shape.Family:
		return uint64(g.family())
	case shape.Seconds:
		return uint64(r.n(1 << 12))
	case shape.Bits:
		return 128
	case shape.Port:
		return uint64(r.between(1, 65535))
	}
	if f.Size == 1 {
		return uint64(r.n(64))
	}
	return uint64(r.n(1 << 12))
}

// family is the number of the story's address family.
func (g *Generator) family() uint16 {
	name := "inet"
	if g.tale.v6 {
		name = "inet6"
	}
	n, _ := g.codec.Dialect.Family(name)
	return n
}

func (g *Generator) putField(at int, f *layers.Field, v uint64) {
	o := g.put
	if f.Order == shape.Net {
		o = network
	}
	b := g.buf[at+int(f.Off):]
	switch f.Size {
	case 1:
		b[0] = byte(v)
	case 2:
		o.PutUint16(b, uint16(v))
	case 4:
		o.PutUint32(b, uint32(v))
	case 8:
		o.PutUint64(b, v)
	}
}

// set sets the field of a structure that has this Go name, if the layout has it and
// the structure is long enough.
func (g *Generator) set(lay *layers.Layout, at int, name string, v uint64) {
	for i := range lay.Fields {
		if f := &lay.Fields[i]; f.Go == name {
			if at+int(f.Off+f.Size) <= len(g.buf) {
				g.putField(at, f, v)
			}
			return
		}
	}
}

// content gives the fields of an extension that hang together with others their
// values.
func (g *Generator) content(it item, lay *layers.Layout, at int) {
	t, r := &g.tale, &g.rng
	set := func(name string, v uint64) { g.set(lay, at, name, v) }
	switch lay.Go {
	case "SA":
		auth, cipher := uint8(0), uint8(0)
		if g.withAuth && t.satype.kind != kindIPComp {
			auth = t.auth.id
		}
		switch t.satype.kind {
		case kindESP:
			cipher = t.cipher.id
		case kindIPComp:
			cipher = compDeflate
		}
		set("Auth", uint64(auth))
		set("Encrypt", uint64(cipher))
		set("Replay", uint64(r.n(33)))
		set("State", stateMature)
		if it == secondSA {
			set("SPI", uint64(t.spi2))
		}
	case "Lifetime":
		g.lifetime(it, lay, at)
	case "Address":
		set("PrefixLen", 32)
		if t.v6 {
			set("PrefixLen", 128)
		}
		set("Proto", 0)
		if g.codec.Dialect != layers.Linux && r.percent(50) {
			set("Proto", 255)
		}
		if g.form.selector && (it == src || it == dst) {
			set("Proto", uint64(t.ulproto))
			set("PrefixLen", uint64(t.srcPrefix))
			if it == dst {
				set("PrefixLen", uint64(t.dstPrefix))
			}
		}
	case "Key":
		set("Bits", uint64(g.keyOf(it).bits))
	case "Identity":
		set("Type", uint64(r.between(1, 3)))
		if r.percent(80) {
			set("ID", 0)
		}
	case "Sensitivity":
		set("SensLen", uint64(r.n(4)))
		set("IntegLen", uint64(r.n(4)))
	case "SPIRange":
		lo, hi := t.spi, t.spi
		if r.percent(20) {
			lo, hi = t.spi&^0xff|1, t.spi|0xff
		}
		set("Min", uint64(lo))
		set("Max", uint64(hi))
	case "SA2":
		set("Mode", uint64(t.mode))
		set("Sequence", 0)
		set("ReqID", uint64(t.reqid))
	case "Policy":
		set("Type", uint64(t.policyType))
		set("Dir", uint64(t.dir))
		set("Priority", 0)
		set("ID", 0)
		if g.requests == policyID || g.form.fromKernel {
			set("ID", uint64(t.policyID))
		} else if r.percent(20) {
			set("Priority", uint64(r.n(1<<16)))
		}
	case "NATTType":
		set("Type", 2) // UDP_ENCAP_ESPINUDP on every system
	case "NATTPort", "UDPEncap":
		set("Port", 4500)
	case "SecCtx":
		set("CtxAlg", 1) // XFRM_SC_ALG_SELINUX
		set("CtxDOI", 1) // XFRM_SC_DOI_LSM
		set("CtxLen", uint64(len(context)))
	case "Filter":
		g.filter(lay, at)
	case "PolicySeq":
		set("Seq", uint64(t.seq))
	case "Pair":
		set("SPI", uint64(t.spi2))
	case "Protocol":
		switch it {
		case protocol:
			set("Proto", uint64(t.ulproto))
		case saType2:
			set("Proto", uint64(pick(r, g.dialect.satypes).number))
		default:
			set("Proto", pick(r, g.dialect.enums[shape.FlowType]))
		}
		set("Direction", uint64(r.between(1, 2)))
		set("Flags", 0)
	case "IPsecIf":
		set("InitDisabled", uint64(r.n(2)))
	case "Tag":
		set("TagLen", uint64(len(pfTag)))
	case "ExtendedRegister":
		n := copy(g.buf[at+4:at+8], []byte{layers.SATypeAH, layers.SATypeESP})
		clear(g.buf[at+4+n : at+8])
	}
}

// Numbers that mean the same on every system.
const (
	compDeflate = 2 // SADB_X_CALG_DEFLATE
	stateMature = 1 // SADB_SASTATE_MATURE
)

const (
	context = "system_u:object_r:ipsec_spd_t:s0\x00"
	pfTag   = "vpn\x00"
)

func (g *Generator) lifetime(it item, lay *layers.Layout, at int) {
	r := &g.rng
	// A hard limit is 1.25 times the soft one; 0 is none.
	var v [4]uint64
	switch it {
	case hard, soft, idle:
		for i, top := range [4]int{0, 1 << 30, 1 << 16, 1 << 16} {
			if top > 0 && g.limits&(1<<i) != 0 {
				v[i] = uint64(top)
				if it == hard {
					v[i] += v[i] / 4
				}
			}
		}
	default:
		v = [4]uint64{0, uint64(r.n(1 << 20)), epoch + g.tale.number%(1<<24), 0}
		if r.percent(50) {
			v[0], v[3] = uint64(r.n(100)), v[2]+uint64(r.n(1000))
		}
	}
	for i, name := range [4]string{"Allocations", "Bytes", "AddTime", "UseTime"} {
		g.set(lay, at, name, v[i])
	}
}

// epoch is the time at which the first SA came into being: 2026-01-01.
const epoch = 1767225600

// keyOf returns the algorithm that a key extension is for.
func (g *Generator) keyOf(it item) algorithm {
	switch it {
	case keyAuth:
		return g.tale.auth
	case keyEncrypt:
		return g.tale.cipher
	}
	return algorithm{bits: 128}
}

func (g *Generator) filter(lay *layers.Layout, at int) {
	t := &g.tale
	clear(g.buf[at+4 : at+36])
	if t.v6 {
		a, z := t.src.As16(), t.dst.As16()
		copy(g.buf[at+4:], a[:])
		copy(g.buf[at+20:], z[:])
	} else {
		a, z := t.src.As4(), t.dst.As4()
		copy(g.buf[at+4:], a[:])
		copy(g.buf[at+20:], z[:])
	}
	g.set(lay, at, "SrcPrefixLen", uint64(g.rng.n(33)))
	g.set(lay, at, "DstPrefixLen", uint64(g.rng.n(33)))
}

// trailer appends what follows the fixed part of an extension.
func (g *Generator) trailer(it item, lay *layers.Layout, at int) {
	r, t := &g.rng, &g.tale
	switch lay.Trailer {
	case shape.Sockaddr:
		a, port := g.addressOf(it)
		g.sockaddr(a, port)
	case shape.SockaddrPair:
		g.buf = g.codec.AppendPair(g.buf, netip.AddrPortFrom(t.src, 0), netip.AddrPortFrom(t.dst, 0))
	case shape.Key:
		n := (int(g.keyOf(it).bits) + 7) / 8
		key := &t.otherKey
		switch it {
		case keyAuth:
			key = &t.authKey
		case keyEncrypt:
			key = &t.cipherKey
		}
		g.buf = append(g.buf, key[:min(n, len(key))]...)
	case shape.Secret:
		n := r.between(1, 40)
		g.buf = append(g.buf, zeros[:n]...)
		r.fill(g.buf[len(g.buf)-n:])
	case shape.Ident:
		g.buf = append(g.buf, identity(g.put.Uint16(g.buf[at+4:]))...)
		g.buf = append(g.buf, 0)
	case shape.Bitmaps:
		n := (int(g.buf[at+9]) + int(g.buf[at+11])) * layers.Word
		g.buf = append(g.buf, zeros[:n]...)
		r.fill(g.buf[len(g.buf)-n:])
	case shape.Combs:
		g.combs(lay, at)
	case shape.EComb:
		g.extendedCombs(lay, at)
	case shape.Algs:
		g.algorithms(it)
	case shape.Requests:
		g.policyRequests()
	case shape.Context:
		g.buf = append(g.buf, context...)
	case shape.Tag:
		g.buf = append(g.buf, pfTag...)
	case shape.SATypes:
		if r.percent(30) {
			g.buf = append(g.buf, g.dialect.satypes[0].number, 0)
		}
	case shape.Stats:
		n := r.between(1, 3)
		g.set(lay, at, "ListLen", uint64(n))
		for range n {
			g.structure(saStat, saStat.Size)
		}
	}
}

// Elements of lists.
var (
	comb         = shape.ByName("sadb_comb")
	extendedComb = shape.ByName("sadb_x_ecomb")
	algDesc      = shape.ByName("sadb_x_algdesc")
	saStat       = shape.ByName("sastat")
)

// identity is the text of an identity type (RFC 2367 2.3.5).
func identity(typ uint16) string {
	switch typ {
	case 1:
		return "10.0.0.0/8"
	case 2:
		return "gw.example.net"
	}
	return "joe@example.net"
}

// addressOf returns the address of an extension by its meaning.
func (g *Generator) addressOf(it item) (netip.Addr, uint16) {
	t := &g.tale
	switch it {
	case src, srcFlow, natLocal:
		if g.form.selector || it == srcFlow {
			return t.selSrc, t.port
		}
		return t.src, 0
	case dst, dstFlow, natRemote:
		if g.form.selector || it == dstFlow {
			return t.selDst, t.port
		}
		return t.dst, 0
	case srcMask, dstMask:
		if t.v6 {
			return netip.AddrFrom16([16]byte{255, 255, 255, 255, 255, 255, 255, 255}), 0
		}
		return netip.AddrFrom4([4]byte{255, 255, 255, 0}), 0
	case newSrc, migrateSrc:
		return t.newSrc, 0
	case newDst, migrateDst:
		return t.newDst, 0
	case dst2:
		return t.newDst, 0
	}
	return t.proxy, 0
}

func (g *Generator) sockaddr(a netip.Addr, port uint16) {
	g.buf = g.codec.AppendSockaddr(g.buf, layers.Sockaddr{Addr: a, Port: port})
}

func (g *Generator) combs(lay *layers.Layout, at int) {
	n := g.rng.between(1, 6)
	g.set(lay, at, "Num", uint64(n))
	for range n {
		k := len(g.buf)
		g.structure(comb, comb.Size)
		set := func(name string, v uint64) { g.set(comb, k, name, v) }
		if len(g.dialect.auths) > 0 {
			a := pick(&g.rng, g.dialect.auths)
			set("Auth", uint64(a.id))
			set("AuthMinBits", uint64(a.bits))
			set("AuthMaxBits", uint64(a.bits))
		}
		c := pick(&g.rng, g.dialect.ciphers)
		set("Encrypt", uint64(c.id))
		set("EncryptMinBits", uint64(c.bits))
		set("EncryptMaxBits", uint64(c.bits))
		set("SoftAddTime", 80000)
		set("HardAddTime", 86400)
		set("SoftUseTime", 25200)
		set("HardUseTime", 28800)
	}
}

func (g *Generator) extendedCombs(lay *layers.Layout, at int) {
	n := g.rng.between(1, 3)
	g.set(lay, at, "NumCombs", uint64(n))
	for range n {
		k, algs := len(g.buf), g.rng.between(1, 3)
		g.structure(extendedComb, extendedComb.Size)
		g.set(extendedComb, k, "NumAlgs", uint64(algs))
		for range algs {
			a := len(g.buf)
			g.structure(algDesc, algDesc.Size)
			c := pick(&g.rng, g.dialect.ciphers)
			g.set(algDesc, a, "SAType", layers.SATypeESP)
			g.set(algDesc, a, "AlgType", algTypeCrypt)
			g.set(algDesc, a, "Alg", uint64(c.id))
			g.set(algDesc, a, "MinBits", uint64(c.bits))
			g.set(algDesc, a, "MaxBits", uint64(c.bits))
		}
	}
}

const algTypeCrypt = 2 // SADB_X_ALGTYPE_CRYPT (illumos)

func (g *Generator) algorithms(it item) {
	list := g.dialect.ciphers
	switch it {
	case supAuth:
		list = g.dialect.auths
	case supComp:
		list = g.dialect.comps
	}
	last := -1
	for _, a := range list {
		if int(a.id) == last {
			continue // another key size of the same
		}
		last = int(a.id)
		iv := uint8(0)
		if it == supEncrypt {
			iv = 8
		}
		g.buf = g.codec.AppendAlg(g.buf, layers.Alg{ID: a.id, IVLen: iv, MinBits: a.bits, MaxBits: a.bits})
	}
}

// policyRequests appends the requests of a policy, by what the policy is for.
func (g *Generator) policyRequests() {
	t, r := &g.tale, &g.rng
	switch g.requests {
	case policyID, policyBare:
		return
	case policyPairs:
		for i := range r.between(1, 2) {
			q := layers.Request{Proto: t.satype.proto, Mode: modeTunnel, Level: levelUnique, ReqID: uint32(t.reqid) + uint32(i)}
			g.request(q, t.src, t.dst)
			g.request(q, t.newSrc, t.newDst)
		}
		return
	}
	if t.policyType != policyIPsec {
		return
	}
	for i := range t.requests {
		q := layers.Request{Proto: t.satype.proto, Mode: modeTransport, Level: pick(r, []uint8{levelRequire, levelRequire, levelUnique, levelDefault})}
		if t.satype.kind == kindTCP {
			q.Proto = 50
		}
		if q.Level == levelUnique {
			q.ReqID = uint32(t.reqid)
		}
		if i == 0 && t.tunnel {
			q.Mode = modeTunnel
		} else if r.percent(20) {
			q.Level, q.ReqID = levelUse, 0
		}
		g.request(q, t.src, t.dst)
	}
}

// request appends a request, with addresses if it is for a tunnel.
func (g *Generator) request(q layers.Request, a, z netip.Addr) {
	if q.Mode == modeTunnel {
		g.tmp = g.codec.AppendPair(g.tmp[:0], netip.AddrPortFrom(a, 0), netip.AddrPortFrom(z, 0))
		q.Sockaddrs = g.tmp
	}
	g.buf = g.codec.AppendRequest(g.buf, q)
}
