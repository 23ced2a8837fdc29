package check

import (
	"fmt"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// kame is what one kernel of the KAME family does its own way. What it objects to,
// and with which errno, is in kameRules; what is here is read by the functions that
// they share.
type kame struct {
	dialect layers.Dialect
	name    string // for texts
	release string // what the rules and the tables are of
	key     string // directory of key.c and keysock.c
	alg     string // directory of the algorithms' sources
	set     kameSet

	maxType   uint8    // SADB_MAX
	handled   [27]bool // key_typesw: message types that have a handler
	satypes   uint16   // a bit for each SA type there are SAs of
	exts      kinds    // extensions that key_align takes
	newer     kinds    // extensions that it takes in later releases
	exact     kinds    // of them, those that may not be longer than their structure either
	sockaddrs kinds    // of them, those whose sa_len must fit their length
	forms     map[uint8]kameForm
	replies   map[uint8]kinds // what every answer of a type has

	ciphers, auths map[uint8]cipher // what it has, by algorithm number; key sizes in octets
	keyBits        bool             // key sizes are compared in bits; else in octets, partial ones rounded up
	null, nullAuth uint8            // the numbers of NULL
	maxSA          int              // bytes of the longest SA extension
	maxRequests    int              // IPSEC_MAXREQ, 0: no limit
	maxSockaddr    int              // bytes the kernel has for an address of a request
	generate       bool             // policies may be of type 5, GENERATE
	wrapperExcess  int              // bytes that an X_PROMISC wrapper counts too many

	// sa are the steps in which an SA is made of ADD and of UPDATE, in order.
	sa []func(kameCheck)
	// immature: UPDATE answers what the last of these steps, from here on, refuse
	// with errno 0. 0: it does not.
	immature int
}

// kameForm is what a message to the kernel is made of.
type kameForm struct{ must, may kinds }

// kameSet is a set of systems, for rules.
type kameSet uint8

// The systems. FreeBSD and NetBSD have netipsec, macOS and DragonFly BSD KAME's own
// netkey.
const (
	onFreeBSD kameSet = 1 << iota
	onNetBSD
	onMacOS
	onDragonFly

	onAll      = onNetIPsec | onNetKey
	onNetIPsec = onFreeBSD | onNetBSD
	onNetKey   = onMacOS | onDragonFly
)

// Limits of all of them (sys/param.h, net/raw_cb.h).
const (
	mclBytes = 2048 // MCLBYTES: a message must fit an mbuf cluster
	rawSendQ = 8192 // RAWSNDQ: default SO_SNDBUF
)

// SA types and message types besides those of package layers (net/pfkeyv2.h).
const (
	satypeTCP = 11 // TCPSIGNATURE

	macGetSAStat  = 23
	macSPDEnable  = 24
	macSPDDisable = 25
	macMigrate    = 26
)

// What messages are made of, on all systems.
const (
	kameSAs    = kSA | kAddresses
	kamePolicy = kAddresses | kPolicy
	kameStored = kSA2 | kHard | kSoft | kKeys
	kameNATT   = kNATTType | kNATTSrcPort | kNATTDstPort
)

var (
	// freeBSDKame is the netipsec of FreeBSD 13.0. Later releases differ in what is
	// noted at the rules and tables.
	freeBSDKame = kame{
		dialect: layers.FreeBSD, name: "FreeBSD", release: "FreeBSD 13.0",
		key: "sys/netipsec/", alg: "sys/netipsec/", set: onFreeBSD,
		maxType: 22, handled: kameHandled(),
		satypes: 1<<layers.SATypeAH | 1<<layers.SATypeESP | 1<<layers.SATypeIPComp | 1<<satypeTCP,
		exts:    kameExts | kameNATT | kNATTOA | kNATTOAR | kNATTFrag | kSAReplay | kNewSrc | kNewDst,
		newer:   kSWOffload | kHWOffload | kIfOffload,
		exact:   kameExact | kameNATT | kNATTFrag | kSAReplay,

		sockaddrs: kAddresses | kProxy | kNATTOA | kNATTOAR | kNewSrc | kNewDst,
		forms: kameForms(map[uint8]kameForm{
			layers.UPDATE:  {kameSAs, kameStored | kIdentities | kSAReplay | kameNATT | kNATTOA | kNATTOAR | kNewSrc | kNewDst},
			layers.ADD:     {kameSAs, kameStored | kIdentities | kSAReplay | kameNATT | kNATTOA | kNATTOAR},
			layers.ACQUIRE: {kAddresses | kProposal, kSA2},
		}),
		replies: kameReplies(kSA2|kCurrent, kPolicy, nil),
		ciphers: freeBSDCiphers, auths: freeBSDAuths, null: 11, nullAuth: 251,
		maxSA: 16, maxRequests: 4, maxSockaddr: 28,
		sa: []func(kameCheck){
			kameCheck.spi, kameCheck.identities, kameCheck.flags, kameCheck.replay,
			kameCheck.authKey, kameCheck.encryptKey, kameCheck.algorithms, kameCheck.netIPsec, kameCheck.natt,
		},
	}

	// netBSDKame is the netipsec of NetBSD 7.99.34.
	netBSDKame = kame{
		dialect: layers.NetBSD, name: "NetBSD", release: "NetBSD 7.99.34",
		key: "sys/netipsec/", alg: "sys/netipsec/", set: onNetBSD,
		maxType: 23, handled: kameHandled(layers.NEWMAPPING),
		satypes: 1<<layers.SATypeAH | 1<<layers.SATypeESP | 1<<layers.SATypeIPComp | 1<<satypeTCP,
		exts:    kameExts | kameNATT | kNATTOA | kNATTOAR | kNATTFrag,
		exact:   kameExact | kameNATT | kNATTFrag,

		sockaddrs: kAddresses | kProxy,
		forms: kameForms(map[uint8]kameForm{
			layers.GETSPI:     {kAddresses, kSPIRange | kSA2 | kameNATT},
			layers.UPDATE:     {kameSAs, kameStored | kIdentities | kameNATT | kNATTFrag},
			layers.ADD:        {kameSAs, kameStored | kIdentities | kameNATT | kNATTFrag},
			layers.DELETE:     {kAddresses, kSA | kameNATT},
			layers.GET:        {kameSAs, kameNATT},
			layers.ACQUIRE:    {kAddresses | kProposal, kameNATT},
			layers.NEWMAPPING: {kameNATT, 0},
		}),
		replies: kameReplies(kSA2, kPolicy, nil),
		ciphers: netBSDCiphers, auths: netBSDAuths, null: 11, nullAuth: 251,
		maxSA: 16, maxSockaddr: 28, wrapperExcess: layers.BaseLen,
		sa: []func(kameCheck){
			kameCheck.identities, kameCheck.authKey, kameCheck.encryptKey, kameCheck.netIPsec, kameCheck.natt,
			kameCheck.spi, kameCheck.flags, kameCheck.algorithms,
		},
		immature: 5,
	}

	// macOSKame is the netkey of XNU 11417.101.15, which is macOS 15.4.
	macOSKame = kame{
		dialect: layers.MacOS, name: "macOS", release: "XNU 11417.101.15 (macOS 15.4)",
		key: "bsd/netkey/", alg: "bsd/netinet6/", set: onMacOS,
		maxType: macMigrate, handled: kameHandled(macGetSAStat, macSPDEnable, macSPDDisable, macMigrate),
		satypes: 1<<layers.SATypeAH | 1<<layers.SATypeESP,
		exts: kameExts | kSessionID | kSAStats | kIPsecIf | kRangeSrcStart | kRangeSrcEnd | kRangeDstStart | kRangeDstEnd |
			kMigrateSrc | kMigrateDst | kMigrateIPsecIf,
		exact: kameExact | kIPsecIf | kMigrateIPsecIf,

		sockaddrs: kAddresses | kProxy | kRangeSrcStart | kRangeSrcEnd | kRangeDstStart | kRangeDstEnd | kMigrateSrc | kMigrateDst,
		forms: kameForms(map[uint8]kameForm{
			layers.GETSPI:    {kAddresses, kSPIRange | kSA2 | kHard | kIPsecIf},
			layers.UPDATE:    {kameSAs, kameStored | kIPsecIf},
			layers.ADD:       {kameSAs, kameStored | kIPsecIf},
			layers.DELETE:    {kAddresses, kSA | kIPsecIf},
			layers.GET:       {kameSAs, kIPsecIf},
			layers.ACQUIRE:   {kAddresses | kProposal, kIPsecIf},
			layers.SPDUPDATE: {kPolicy, macSelector | kHard},
			layers.SPDADD:    {kPolicy, macSelector | kHard},
			layers.SPDSETIDX: {kPolicy, macSelector | kHard},
			layers.SPDDELETE: {kPolicy, macSelector},
			macGetSAStat:     {kSessionID | kSAStats, 0},
			macSPDEnable:     {kPolicy, 0},
			macSPDDisable:    {kPolicy, 0},
			macMigrate:       {kameSAs | kMigrateSrc | kMigrateDst, kIPsecIf | kMigrateIPsecIf},
		}),
		replies: kameReplies(kSA2, 0, map[uint8]kinds{
			macGetSAStat: kSessionID | kSAStats, macSPDEnable: kPolicy, macSPDDisable: kPolicy,
			macMigrate: kameSAs | kMigrateSrc | kMigrateDst,
		}),
		ciphers: macOSCiphers, auths: macOSAuths, keyBits: true, null: 3, nullAuth: 5,
		maxSA: 24, maxSockaddr: 128, generate: true, wrapperExcess: layers.BaseLen,
		sa: []func(kameCheck){
			kameCheck.macNATT, kameCheck.authKey, kameCheck.encryptKey, kameCheck.lifetimeRange,
			kameCheck.spi, kameCheck.flags, kameCheck.algorithms, kameCheck.netKey,
		},
	}

	// dragonFlyKame is the netkey of DragonFly BSD 2.4, the last release with the
	// private algorithm numbers of KAME, which package layers has. From 2.6 to 5.2,
	// the last release with IPsec, the numbers are those of the other systems.
	dragonFlyKame = kame{
		dialect: layers.DragonFly, name: "DragonFly BSD", release: "DragonFly BSD 2.4",
		key: "sys/netproto/key/", alg: "sys/netinet6/", set: onDragonFly,
		maxType: 22, handled: kameHandled(),
		satypes: 1<<layers.SATypeAH | 1<<layers.SATypeESP | 1<<layers.SATypeIPComp,
		exts:    kameExts, exact: kameExact,
		sockaddrs: kAddresses | kProxy,
		forms:     kameForms(nil),
		replies:   kameReplies(kSA2, kPolicy, nil),
		ciphers:   dragonFlyCiphers, auths: dragonFlyAuths, keyBits: true, null: 3, nullAuth: 5,
		maxSA: 16, maxSockaddr: 128, wrapperExcess: layers.BaseLen,
		sa: []func(kameCheck){
			kameCheck.identities, kameCheck.authKey, kameCheck.encryptKey,
			kameCheck.spi, kameCheck.flags, kameCheck.algorithms, kameCheck.netKey,
		},
		immature: 3,
	}
)

// macSelector is what may say which traffic a policy is for: a range stands for an
// address.
const macSelector = kAddresses | kIPsecIf | kRangeSrcStart | kRangeSrcEnd | kRangeDstStart | kRangeDstEnd

// kameExts are the extensions that every kernel takes: those of RFC 2367 without
// KMPRIVATE, and KAME's first two. kameExact are those of them that have one size.
const (
	kameExts  = kRFC&^kKMPrivate | kPolicy | kSA2
	kameExact = kSA | kLifetimes | kSPIRange | kSA2
)

// kameHandled are the message types of key_typesw: the kernel's own EXPIRE, PCHANGE,
// SPDACQUIRE and SPDEXPIRE have no handler.
func kameHandled(more ...uint8) (handled [27]bool) {
	for t := layers.GETSPI; t <= layers.SPDDELETE2; t++ {
		handled[t] = t != layers.EXPIRE && t != layers.PCHANGE && t != layers.SPDACQUIRE && t != layers.SPDEXPIRE
	}
	for _, t := range more {
		handled[t] = true
	}
	return handled
}

// kameForms are the messages to all kernels, with what one has besides.
func kameForms(own map[uint8]kameForm) map[uint8]kameForm {
	forms := map[uint8]kameForm{
		layers.GETSPI:     {kAddresses, kSPIRange | kSA2},
		layers.UPDATE:     {kameSAs, kameStored | kIdentities},
		layers.ADD:        {kameSAs, kameStored | kIdentities},
		layers.DELETE:     {kAddresses, kSA},
		layers.GET:        {kameSAs, 0},
		layers.ACQUIRE:    {kAddresses | kProposal, 0},
		layers.REGISTER:   {},
		layers.FLUSH:      {},
		layers.DUMP:       {},
		layers.SPDUPDATE:  {kamePolicy, kHard},
		layers.SPDADD:     {kamePolicy, kHard},
		layers.SPDSETIDX:  {kamePolicy, kHard},
		layers.SPDDELETE:  {kamePolicy, 0},
		layers.SPDDELETE2: {kPolicy, 0},
		layers.SPDGET:     {kPolicy, 0},
		layers.SPDDUMP:    {},
	}
	for t, f := range own {
		forms[t] = f
	}
	return forms
}

// kameReplies are what every kernel puts into its messages, with what one puts into
// those about a whole SA, into those about a policy, and what it has besides.
func kameReplies(sa, policy kinds, own map[uint8]kinds) map[uint8]kinds {
	replies := map[uint8]kinds{
		layers.GETSPI:     kameSAs,
		layers.UPDATE:     kameSAs,
		layers.ADD:        kameSAs,
		layers.DELETE:     kAddresses,
		layers.GET:        kameSAs | sa,
		layers.ACQUIRE:    kAddresses,
		layers.EXPIRE:     kameSAs | kSA2 | kCurrent,
		layers.DUMP:       kameSAs | sa,
		layers.SPDUPDATE:  kPolicy,
		layers.SPDADD:     kPolicy,
		layers.SPDSETIDX:  kPolicy,
		layers.SPDDELETE:  kPolicy,
		layers.SPDDELETE2: kPolicy,
		layers.SPDGET:     kPolicy,
		layers.SPDDUMP:    kPolicy,
		layers.SPDEXPIRE:  kPolicy | kCurrent,
	}
	if policy != 0 { // no address ranges
		for t, set := range replies {
			if set&kPolicy != 0 && t != layers.SPDDELETE2 {
				replies[t] |= kAddresses
			}
		}
	}
	for t, set := range own {
		replies[t] = set
	}
	return replies
}

var (
	freeBSDKernel   = freeBSDKame.kernel()
	netBSDKernel    = netBSDKame.kernel()
	macOSKernel     = macOSKame.kernel()
	dragonFlyKernel = dragonFlyKame.kernel()
)

// kernel makes the kernel's rules and answers of the family's.
func (s *kame) kernel() *kernel {
	return &kernel{
		dialect: s.dialect,
		family:  s,
		judge:   s.judge,
		inner:   func(*layers.Message) Direction { return FromKernel }, // only answers are wrapped
		echoes:  true,                                                  // key_senderror
		silent: func(k *checker) bool {
			x := kameCheck{k, s}
			return x.silent()
		},
		always: []outcome{{bsdNOBUFS, noMemory + ", or the socket's receive buffer is full"}},
	}
}

// rules picks the family's rules that the system has.
func (s *kame) rules() []Rule {
	fill := strings.NewReplacer("{os}", s.name, "{max}", fmt.Sprint(s.maxType))
	where := strings.NewReplacer("{key}", s.release+" "+s.key, "{alg}", s.release+" "+s.alg)
	var list []Rule
	for _, r := range kameRules {
		if r.on&s.set == 0 {
			continue
		}
		rule := r.Rule
		rule.Text, rule.Instead, rule.Source = fill.Replace(r.Text), fill.Replace(r.Instead), where.Replace(r.Source)
		if s.dialect == layers.MacOS && rule.Errno == bsdOPNOTSUPP {
			rule.Errno = macOPNOTSUPP
		}
		list = append(list, rule)
	}
	return list
}

// kameCheck is a message that is held to a system's rules.
type kameCheck struct {
	*checker
	*kame
}

func (s *kame) judge(k *checker, dir Direction) {
	x := kameCheck{k, s}
	if dir != ToKernel {
		x.reply(dir)
		return
	}
	if !x.start() {
		return
	}
	hidden := x.whole()
	n := len(x.found)
	if x.extensions() {
		x.satype()
		x.addresses()
		x.ignored()
		x.message()
	}
	if hidden > 0 {
		x.hide(n, hidden)
	}
}

// silent reports whether the kernel sends nothing in answer.
func (x kameCheck) silent() bool {
	switch m := &x.m; m.Type {
	case layers.ACQUIRE:
		// FreeBSD answers none: it sends an ACQUIRE of its own to those registered.
		return len(x.msg) == layers.BaseLen || x.set == onFreeBSD
	case layers.NEWMAPPING:
		return x.set == onNetBSD
	case layers.SPDADD, layers.SPDUPDATE, layers.SPDSETIDX:
		p := m.Policy()
		return x.set&(onNetBSD|onDragonFly) != 0 && p != nil && p.Dir != dirInbound && p.Dir != dirOutbound
	}
	return false
}

// start is key_output and the beginning of key_parse.
func (x kameCheck) start() (ok bool) {
	n := len(x.msg)
	if n > rawSendQ {
		x.header(cSendBuffer, 0, n, fmt.Sprintf("%d bytes exceed the %d that a socket's default send buffer has", n, rawSendQ))
	}
	if n < layers.BaseLen {
		x.shortHeader()
		return false
	}
	m, ok := &x.m, true
	if int(m.Len)*layers.Word != n {
		x.messageLength()
		ok = false
	}
	if m.Version != layers.Version {
		x.header(cVersion, 0, 1, fmt.Sprintf("sadb_msg_version is %d, not 2", m.Version))
		ok = false
	}
	if m.Type > x.maxType {
		x.header(cType, 1, 1, fmt.Sprintf("sadb_msg_type is %d, not one of 1 to %d", m.Type, x.maxType))
		ok = false
	}
	if n > mclBytes {
		x.header(cMessageSize, 0, n, fmt.Sprintf("%d bytes, a message has at most %d", n, mclBytes))
		ok = false
	}
	return ok
}

// whole makes the decoder go on after a key whose bits exceed its extension, as the
// kernel does: it has no use for them until it knows the algorithm. What the message
// says of the bits is read with bitsOf. It returns from where on the message may be
// octets of that key, or 0.
func (x kameCheck) whole() (hidden int) {
	if x.m.RestReason != layers.KeyOverrun || x.by.rule(cKeyOverrun).Errno != 0 {
		return 0
	}
	hidden = len(x.msg) - len(x.m.Rest)
	b := append([]byte(nil), x.msg...)
	order := x.m.Codec.Order.Binary()
	for off := layers.BaseLen; len(b)-off >= layers.ExtLen; {
		n := layers.Word * int(order.Uint16(b[off:]))
		if n == 0 || n > len(b)-off {
			break
		}
		if kind := x.kindOf(order.Uint16(b[off+2:])); kind&kKeys != 0 {
			order.PutUint16(b[off+4:], uint16(min(int(order.Uint16(b[off+4:])), 8*(n-8))))
		}
		off += n
	}
	t := x.m.Type
	if t == layers.PROMISC { // here it is no wrapper
		b[1] = 0
	}
	_ = x.m.DecodeFromBytes(b, nil)
	x.m.Type = t
	return hidden
}

// hide takes what the message says out of the problems from the n-th on that come, or
// may come, of octets after the offset.
func (x kameCheck) hide(n, after int) {
	for i := n; i < len(x.found); i++ {
		p := &x.found[i]
		if at := p.Offset - x.base; p.Ext == "" && at < after || p.rule.id == cKeyOverrun && at < after {
			continue // of the header
		}
		p.Text = p.rule.Text
		if p.Offset-x.base >= after {
			p.Ext = ""
		}
	}
}

// bitsOf returns sadb_key_bits as the message has it.
func (x kameCheck) bitsOf(key *layers.Key) int {
	return int(x.m.Codec.Order.Binary().Uint16(x.msg[key.Offset+4:]))
}

// extensions is key_align and key_validate_ext. ok is false if they stop before the
// end.
func (x kameCheck) extensions() (ok bool) {
	for i := range x.m.Extensions {
		h := &x.m.Extensions[i]
		number := h.Number()
		kind := x.kindOf(number)
		switch {
		case number == 0:
			x.extension(cExtType, h, "an extension of the reserved type 0")
			continue
		case kind&x.newer != 0:
			x.extension(cRelease, h, x.release+" refuses it")
			continue
		case kind&x.exts == 0:
			x.extension(cUnknownExt, h, fmt.Sprintf("%s takes no extension of type %d", x.name, number))
			continue
		}
		twice := x.seen&kind != 0
		x.seen |= kind
		size := x.m.Codec.Dialect.LayoutOf(number).Size
		if len(h.Contents) < size {
			x.extension(cExtShort, h, fmt.Sprintf("%d bytes, its structure has %d", len(h.Contents), size))
			continue
		}
		if twice {
			x.extension(cDuplicate, h, "it occurs a second time")
			continue
		}
		if kind == kSA {
			size = x.maxSA
		}
		if kind&x.exact != 0 && len(h.Contents) > size {
			x.extension(cExtLong, h, fmt.Sprintf("%d bytes, its structure has %d", len(h.Contents), size))
			continue
		}
		switch {
		case kind&x.sockaddrs != 0:
			x.sockaddr(h, cAddressShort, cAddressLength, 8)
		case kind&kIdentities != 0:
			if e, ok := x.m.Extension(h.LayerType()).(*layers.Identity); ok && e.Type == identityAddr {
				x.sockaddr(h, cIdentityAddress, cIdentityAddress, 16)
			}
		case kind&kKeys != 0:
			if e, ok := x.m.Extension(h.LayerType()).(*layers.Key); ok {
				if need := 8 + (x.bitsOf(e)+7)/8; need > len(h.Contents) {
					x.extension(cKeyOverrun, h, fmt.Sprintf("%d bits need %d bytes, the extension has %d", x.bitsOf(e), need, len(h.Contents)))
				}
			}
		}
	}
	if x.m.RestReason == layers.Overrun {
		x.overrun()
	}
	return x.framing()
}

const identityAddr = 4 // SADB_X_IDENTTYPE_ADDR

// sockaddr reports an extension whose length is not that of what comes before the
// sockaddr and of sa_len, rounded up.
func (x kameCheck) sockaddr(h *layers.Header, short, wrong code, at int) {
	b := h.Contents
	if len(b) <= at {
		x.extension(short, h, fmt.Sprintf("%d bytes have no room for a sockaddr", len(b)))
		return
	}
	if need := at + roundUp(int(b[at])); need != len(b) {
		x.extension(wrong, h, fmt.Sprintf("a sockaddr of %d bytes needs %d in all, the extension has %d", b[at], need, len(b)))
	}
}

func roundUp(n int) int { return (n + layers.Word - 1) &^ (layers.Word - 1) }

// overrun reports what else is wrong with an extension that is longer than what is
// left. Its type is looked at first; all but macOS find out that it is too long only
// in the end. What it holds is not said: it may be anything.
func (x kameCheck) overrun() {
	rest := x.m.Rest
	at := len(x.msg) - len(rest)
	kind := x.kindOf(x.m.Codec.Order.Binary().Uint16(rest[2:]))
	late := x.by.rule(cOverrun).Errno != eINVAL
	switch {
	case kind&(x.exts|x.newer) == 0:
		x.header(cUnknownExt, at, len(rest), fmt.Sprintf("the extension at byte %d is of a type that %s does not take", at, x.name))
	case x.seen&kind != 0:
		x.header(cDuplicate, at, len(rest), fmt.Sprintf("the extension at byte %d is one that was there before", at))
	case late && kind&x.exact != 0:
		x.header(cExtLong, at, len(rest), fmt.Sprintf("the extension at byte %d is longer than its structure", at))
	case late && kind&x.sockaddrs != 0 && len(rest) > 8 && 8+roundUp(int(rest[8])) != layers.Word*int(x.m.Codec.Order.Binary().Uint16(rest)):
		x.header(cAddressLength, at, len(rest), fmt.Sprintf("the extension at byte %d is longer than its sockaddr", at))
	}
}

// satype is key_parse's check of the SA type.
func (x kameCheck) satype() {
	m := &x.m
	name := func() string { return x.number(layers.EnumSAType, uint64(m.SAType)) }
	if m.Type == layers.SPDDUMP && x.by.rule(cDumpScope) != nil {
		switch m.SAType {
		case 0, 1, 2, 4:
		default:
			x.header(cDumpScope, 3, 1, fmt.Sprintf("scope %d is none of 0, 1, 2, 4", m.SAType))
		}
		return
	}
	switch {
	case m.SAType == layers.SATypeUnspec:
		switch m.Type {
		case layers.GETSPI, layers.UPDATE, layers.ADD, layers.DELETE, layers.GET, layers.ACQUIRE, layers.EXPIRE:
			x.header(cSATypeUnspec, 3, 1, "SA type 0(UNSPEC) in "+m.TypeName())
		}
	case x.hasSAs():
		if x.ofPolicy() {
			x.header(cSATypePolicy, 3, 1, "SA type "+name()+" in "+m.TypeName())
		}
	case m.SAType >= 5 && m.SAType <= 8:
		x.header(cSATypeUnsupported, 3, 1, "SA type "+name())
	case m.SAType == 1 && m.Type == layers.PROMISC:
	default:
		x.header(cSAType, 3, 1, "SA type "+name()+" is none that "+x.name+" has")
	}
}

// hasSAs reports whether there are SAs of the message's SA type.
func (x kameCheck) hasSAs() bool { return x.m.SAType < 16 && x.satypes>>x.m.SAType&1 != 0 }

// ofPolicy reports whether the message is one of those about policies, which have no
// SA type.
func (x kameCheck) ofPolicy() bool {
	switch x.m.Type {
	case layers.SPDADD, layers.SPDDELETE, layers.SPDGET, layers.SPDDUMP, layers.SPDFLUSH,
		layers.SPDSETIDX, layers.SPDUPDATE, layers.SPDDELETE2:
		return true
	case macSPDEnable, macSPDDisable:
		return x.set == onMacOS
	}
	return false
}

// addresses is key_parse's check of pairs of addresses.
func (x kameCheck) addresses() {
	m := &x.m
	if x.set != onMacOS {
		x.pair(m.AddressSrc(), m.AddressDst())
		return
	}
	src, dst := m.AddressSrc(), m.AddressDst()
	from, to := m.AddrRangeSrcStart(), m.AddrRangeDstStart()
	x.pair(from, m.AddrRangeSrcEnd())
	x.pair(to, m.AddrRangeDstEnd())
	switch {
	case src != nil && dst != nil:
		x.pair(src, dst)
	case m.AddrRangeSrcEnd() != nil && m.AddrRangeDstEnd() != nil:
		x.pair(from, to)
	}
	x.pair(m.MigrateAddressSrc(), m.MigrateAddressDst())
}

// pair compares two addresses, if both are there.
func (x kameCheck) pair(src, dst *layers.Address) {
	if src == nil || dst == nil || len(src.Sockaddr) < 2 || len(dst.Sockaddr) < 2 {
		return
	}
	if src.Proto != dst.Proto {
		x.extension(cAddressProto, &dst.Header, fmt.Sprintf("protocol %d, the other address has %d", dst.Proto, src.Proto))
	}
	if !x.sockaddrPair(src, dst) {
		return
	}
	bits := 32
	if x.m.Codec.Dialect.FamilyName(uint16(src.Sockaddr[1])) == "inet6" {
		bits = 128
	}
	for _, a := range []*layers.Address{src, dst} {
		if int(a.PrefixLen) > bits {
			x.extension(cAddressPrefix, &a.Header, fmt.Sprintf("a prefix of %d bits, the address has %d", a.PrefixLen, bits))
		}
	}
}

// sockaddrPair reports two addresses that are not of one family and size, on FreeBSD
// key_checksockaddrs.
func (x kameCheck) sockaddrPair(src, dst *layers.Address) (ok bool) {
	a, z := src.Sockaddr, dst.Sockaddr
	if a[1] != z[1] {
		x.extension(cFamilies, &dst.Header, fmt.Sprintf("address family %d, the other address has %d", z[1], a[1]))
		return false
	}
	size := uint8(16)
	switch x.m.Codec.Dialect.FamilyName(uint16(a[1])) {
	case "inet":
	case "inet6":
		size = 28
	default:
		if a[0] == z[0] {
			x.extension(cAddressFamily, &dst.Header, fmt.Sprintf("address family %d is neither AF_INET nor AF_INET6", a[1]))
			return false
		}
		size = a[0]
	}
	for _, y := range []*layers.Address{src, dst} {
		if n := y.Sockaddr[0]; n != size {
			x.extension(cSockaddrLength, &y.Header, fmt.Sprintf("sa_len is %d, not %d", n, size))
			ok = true
		}
	}
	return !ok
}

// ignored reports what is there and not read.
func (x kameCheck) ignored() {
	m := &x.m
	if f, ok := x.forms[m.Type]; ok && x.seen&^(f.must|f.may) != 0 && !x.bareAcquire() {
		for i := range m.Extensions {
			h := &m.Extensions[i]
			if kind := x.kindOf(h.Number()); kind&x.exts != 0 && kind&(f.must|f.may) == 0 {
				x.extension(cExtIgnored, h, x.name+" does not read it in "+m.TypeName())
			}
		}
	}
	if m.Errno != 0 && m.Type != layers.ACQUIRE {
		x.header(cErrnoSet, 2, 1, fmt.Sprintf("sadb_msg_errno is %d in a request", m.Errno))
	}
}

func (x kameCheck) bareAcquire() bool {
	return x.m.Type == layers.ACQUIRE && int(x.m.Len) == layers.BaseLen/layers.Word
}

// message is the handlers in key_typesw.
func (x kameCheck) message() {
	m := &x.m
	switch {
	case m.Type == 0:
		x.header(cType, 1, 1, fmt.Sprintf("sadb_msg_type is 0, not one of 1 to %d", x.maxType))
		return
	case !x.handled[m.Type]:
		x.header(cKernelOnly, 1, 1, m.TypeName()+" comes from the kernel: "+x.name+" takes none")
		return
	case x.bareAcquire():
		if m.Seq == 0 || m.Errno == 0 {
			x.header(cAcquireEmpty, 0, layers.BaseLen, fmt.Sprintf("a bare ACQUIRE with seq %d and errno %d", m.Seq, m.Errno))
		}
		return
	}
	x.require(x.forms[m.Type].must, "missing")
	switch m.Type {
	case layers.GETSPI:
		x.getSPI()
	case layers.UPDATE, layers.ADD:
		x.store()
	case layers.DELETE:
		if !x.has(kSA) {
			x.missing(cDeleteAll, kSA, "missing: all SAs between the two addresses are deleted")
		}
	case layers.PROMISC:
		if n := len(x.msg) - layers.BaseLen; n > 0 {
			x.header(cPromiscData, layers.BaseLen, n, fmt.Sprintf("%d bytes after the header are read as extensions", n))
		} else if m.SAType > 1 {
			x.header(cPromisc, 3, 1, fmt.Sprintf("SA type %d is neither 1 (on) nor 0 (off)", m.SAType))
		}
	case layers.SPDFLUSH:
		if n := len(x.msg) - layers.BaseLen; n > 0 {
			x.header(cNotBare, layers.BaseLen, n, fmt.Sprintf("%d bytes after the header", n))
		}
	case layers.SPDUPDATE, layers.SPDADD, layers.SPDSETIDX:
		x.selector()
		x.spdAdd()
	case layers.SPDDELETE:
		x.selector()
		x.spdDelete()
	case layers.NEWMAPPING: // on macOS GETSASTAT
		if x.set == onMacOS {
			x.saStat()
		} else {
			x.header(cMappingIgnored, 1, 1, "NAT_T_NEW_MAPPING has no effect and no answer")
		}
	case macMigrate:
		if sa := m.SA(); sa != nil && len(sa.Contents) < 24 {
			x.extension(cSAShort, &sa.Header, fmt.Sprintf("%d bytes, MIGRATE needs the 24 of sadb_sa_2", len(sa.Contents)))
		}
	}
}

// saStat is key_getsastat of macOS.
func (x kameCheck) saStat() {
	s := x.m.SAStats()
	if s == nil {
		return
	}
	switch {
	case s.ListLen == 0:
		x.extension(cSAStatEmpty, &s.Header, "no SA is asked for")
	case uint64(s.ListLen)*saStatSize > uint64(len(s.List)):
		x.extension(cSAStatLength, &s.Header, fmt.Sprintf("%d SAs need %d bytes each, there are %d bytes", s.ListLen, saStatSize, len(s.List)))
	}
}

const saStatSize = 40 // struct sastat (XNU bsd/net/pfkeyv2.h)
