package sniff

import (
	"encoding/binary"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Extension numbers that mean the same in every dialect, or that rules compare.
const (
	extSA              = 1
	extLifetimeCurrent = 2
	extKeyAuth         = 8
	extKeyEncrypt      = 9
	extSupportedAuth   = 14
	extSupportedCrypt  = 15
	extCommon          = 16 // up to here the numbers mean the same in every dialect
	extPolicy          = 18 // Linux and the KAME family
	extSA2             = 19 // Linux and the KAME family; KM_COOKIE on illumos
	extNATTType        = 20 // Linux, FreeBSD and NetBSD
)

// reading is one message read with one codec: a layers.Visitor that notes what a
// system of the codec would not have written.
type reading struct {
	msg    []byte
	length int

	codec layers.Codec
	kame  bool
	found [numRules]fact // of each rule the first fact, or none

	base  layers.Base // of the message being read, the innermost at last
	depth int         // of it in wrappers
	at    int         // offset of it in the record

	// Of the extension being read.
	ext       uint16
	extLen    uint32
	extAt     int
	policy    bool
	request   uint32 // length of the request being read
	requestAt int

	order     [64]uint16 // extension numbers of the message, as many as fit
	orderAt   [64]int
	extsRead  int
	auth      algorithm
	encrypt   algorithm
	bitsAuth  keySize
	bitsCrypt keySize
	element   algorithm // of the list being read
	minbits   uint64
}

// algorithm is a number with the name it has in the dialect.
type algorithm struct {
	number uint32
	name   string
	at     int
}

type keySize struct {
	bits  uint32
	at    int
	known bool
}

// read notes what speaks against c. order is the message's byte order and why the
// rule that found it; a candidate of the other order is not looked at further.
func (r *reading) read(c layers.Codec, order layers.Order, why rule, s step) {
	*r = reading{msg: r.msg, length: r.length, codec: c}
	if order != c.Order {
		switch why {
		case ruleLength:
			r.note(why, 4, uint32(order), 0)
		case ruleFraming:
			r.note(why, layers.BaseLen, uint32(order), 0)
		}
		return
	}
	switch c.Dialect {
	case layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly:
		r.kame = true
	}
	r.sequence(s)
	c.Walk(r.msg, r)
}

// note remembers the first fact of a rule.
func (r *reading) note(k rule, offset int, a, b uint32) {
	if r.found[k].rule == noRule {
		r.found[k] = fact{k, offset, a, b}
	}
}

// sequence holds the numbering of dumps against the dialect's.
func (r *reading) sequence(s step) {
	ok := true
	switch s.kind {
	case stepUp:
		ok = r.codec.Dialect == layers.Linux || r.codec.Dialect == layers.Illumos
	case stepDown:
		ok = r.kame || r.codec.Dialect == layers.Illumos
	case stepSame:
		ok = r.codec.Dialect == layers.OpenBSD || r.codec.Dialect == layers.Illumos
	case stepEnd:
		ok = r.codec.Dialect == layers.Illumos
	}
	if !ok {
		r.note(ruleSequence, 8, s.to, s.from)
	}
}

// errors that PF_KEY kernels are known to answer with.
var errnoNames = names(`EPERM ENOENT ESRCH EINTR EIO E2BIG EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST ENODEV EINVAL
	ENOSPC ERANGE EDOM EMSGSIZE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP ENOTSUP EPFNOSUPPORT
	EAFNOSUPPORT EADDRNOTAVAIL ENETDOWN ENETUNREACH EHOSTUNREACH ENOBUFS ENOTCONN ETIMEDOUT ELOOP ENOSYS EOVERFLOW`)

// saTypes are the names of those for which kernels keep SAs. The others are in the
// headers only.
var saTypes = names("UNSPEC AH ESP IPCOMP IPIP TCPSIGNATURE TCPSIG POLICY")

func names(s string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(s) {
		m[n] = true
	}
	return m
}

// Base implements layers.Visitor.
func (r *reading) Base(b *layers.Base, offset, depth int) {
	if depth > 0 {
		r.wrapper(&r.base, r.at)
	}
	r.base, r.at, r.depth = *b, offset, depth
	r.extsRead = 0
	r.auth, r.encrypt, r.bitsAuth, r.bitsCrypt = algorithm{}, algorithm{}, keySize{}, keySize{}
	bare := len(b.Payload) == 0
	typ, sat, errno := uint32(b.Type), uint32(b.SAType), uint32(b.Errno)
	d := r.codec.Dialect
	switch {
	case errno != 0:
		r.failure(bare)
	case d.EnumName(layers.EnumMsgType, uint64(typ)) == "":
		if bare {
			r.note(ruleBareType, offset+1, typ, 0)
			break
		}
		r.note(ruleType, offset+1, typ, 0)
	case typ == layers.PROMISC, typ == layers.SPDDUMP: // there it says on or off, or FreeBSD's scopes
	case typ == layers.REGISTER && d == layers.Linux: // which takes any number up to 9
		if sat > layers.SATypeIPComp {
			r.note(ruleSAType, offset+3, sat, 0)
		}
	default:
		name := d.EnumName(layers.EnumSAType, uint64(sat))
		if name == "" {
			r.note(ruleSAType, offset+3, sat, 0)
		} else if !saTypes[name] && typ <= layers.DUMP && typ != layers.FLUSH {
			r.note(ruleSATypeUse, offset+3, sat, typ)
		}
	}
	if b.Reserved != 0 && errno == 0 {
		// Reference counts of SAs and policies on the KAME family, of policies on
		// Linux. OpenBSD refuses anything, and illumos keeps diagnostics there.
		if !r.kame && (d != layers.Linux || typ <= layers.PROMISC) {
			r.note(ruleReserved, offset+6, uint32(b.Reserved), typ)
		}
	}
}

// failure looks at a message with an errno. KAME sends the whole request back, the
// others its header.
func (r *reading) failure(bare bool) {
	b, d := &r.base, r.codec.Dialect
	errno, typ := uint32(b.Errno), uint32(b.Type)
	if !errnoNames[d.ErrnoName(b.Errno)] {
		r.note(ruleErrno, r.at+2, errno, 0)
	}
	switch {
	case !bare:
		// The last message of a Linux dump has one, and what follows an X_PROMISC
		// header need not be the kernel's.
		if !r.kame && typ != layers.DUMP && typ != layers.SPDDUMP && typ != layers.PROMISC {
			r.note(ruleEcho, r.at+2, errno, uint32(layers.BaseLen+len(b.Payload)))
		}
	case b.Reserved != 0 && b.Reserved < 128:
		if d != layers.Illumos {
			r.note(ruleDiagnostic, r.at+6, uint32(b.Reserved), errno)
		}
	}
	if bare && r.kame {
		switch typ {
		case layers.GETSPI, layers.UPDATE, layers.ADD, layers.DELETE, layers.GET:
			r.note(ruleBareError, r.at+2, errno, typ) // requests that had extensions
		}
	}
}

// wrapper looks at an X_PROMISC header around a message.
func (r *reading) wrapper(o *layers.Base, at int) {
	d := r.codec.Dialect
	if !r.kame && d != layers.OpenBSD {
		r.note(ruleWrapped, at+1, 0, 0)
		return
	}
	if o.Seq != 0 && d != layers.OpenBSD { // who sent the request
		r.note(ruleWrapperSeq, at+8, o.Seq, 0)
	}
	if at != 0 {
		return // a wrapper inside
	}
	said := int(o.Len) * layers.Word
	excessive := d == layers.NetBSD || d == layers.MacOS || d == layers.DragonFly
	if said == r.length && excessive || said == r.length+wrapperExcess && !excessive {
		r.note(ruleWrapperLength, at+4, uint32(r.length), uint32(said))
	}
}

// Extension implements layers.Visitor.
func (r *reading) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	r.ext, r.extLen, r.extAt, r.policy = number, uint32(len(h.Contents)), offset, false
	if r.extsRead < len(r.order) {
		r.order[r.extsRead], r.orderAt[r.extsRead] = number, offset
		r.extsRead++
	}
	b := h.Contents
	size := uint32(len(b))
	switch {
	case name == "":
		r.note(ruleExtension, offset, uint32(number), size)
		return
	case short:
		r.note(ruleSize, offset, uint32(number), size)
		return
	}
	sh := r.codec.Dialect.LayoutOf(number)
	want := len(b)
	switch sh.Go {
	case "Address":
		want = r.sockaddr(b, offset, sh)
	case "Sensitivity":
		want = sh.Size + layers.Word*(int(b[9])+int(b[11]))
	case "Proposal":
		want -= (len(b) - sh.Size) % 72
	case "Policy":
		r.policy = true
	default:
		long := number == extSA && r.codec.Dialect == layers.MacOS && len(b) == 24
		if nothing := (layers.Layout{}); sh.Trailer == nothing.Trailer && !long {
			want = sh.Size
		}
	}
	if want != len(b) {
		r.note(ruleSize, offset, uint32(number), size)
	}
	if number == extSA2 {
		r.word19(b, offset)
	}
	if sh.Go == "Key" {
		key := keySize{uint32(r.host16(b[4:])), offset + 4, true}
		switch number {
		case extKeyAuth:
			r.bitsAuth = key
		case extKeyEncrypt:
			r.bitsCrypt = key
		}
		if r.depth > 0 && r.kame && r.base.Errno == 0 {
			switch r.base.Type {
			case layers.ADD, layers.UPDATE:
				r.note(ruleWrappedKeys, r.at+1, uint32(r.base.Type), 0)
			}
		}
	}
}

// sockaddr looks at the address in an address extension and returns how long the
// extension should be.
func (r *reading) sockaddr(b []byte, offset int, sh *layers.Layout) int {
	if len(b) < sh.Size+2 {
		return len(b)
	}
	a := b[sh.Size:]
	s, ok := r.codec.ParseSockaddr(a)
	lengthless := r.codec.Dialect == layers.Linux || r.codec.Dialect == layers.Illumos
	if r.codec.Dialect == layers.RFC2367 {
		return len(b)
	}
	if !ok || !lengthless && int(s.Len) != s.Size {
		r.note(ruleFamily, offset+sh.Size, formOf(a), uint32(r.ext))
		return len(b)
	}
	if r.ext > extCommon {
		return sh.Size + (s.Size+layers.Word-1)&^(layers.Word-1)
	}
	proto, prefix := uint32(b[4]), uint32(b[5])
	width := uint32(s.Addr.BitLen())
	none := b[6] == 0 && b[7] == 0
	if r.codec.Dialect == layers.OpenBSD {
		if none && proto|prefix != 0 && prefix <= width {
			r.note(ruleWithPrefix, offset+4, proto, prefix)
		}
	} else {
		if prefix > width {
			r.note(rulePrefix, offset+4, proto, prefix)
		}
		// A KAME kernel fills both in; only errors are the requester's bytes.
		if r.kame && none && proto|prefix == 0 && r.base.Errno == 0 {
			r.note(ruleNoPrefix, offset+4, 0, 0)
		}
	}
	return sh.Size + (s.Size+layers.Word-1)&^(layers.Word-1)
}

// word19 looks at extension 19, which is SA2 or, on illumos, the cookie of a key
// manager. Both have 16 bytes.
func (r *reading) word19(b []byte, offset int) {
	if len(b) != 16 {
		return
	}
	first, second, third := r.host32(b[4:]), r.host32(b[8:]), r.host32(b[12:])
	switch r.codec.Dialect {
	case layers.Illumos: // protocol, cookie, nothing unless the protocol is IKEv2
		if first == 0 || first > 3 || second == 0 || first != 3 && third != 0 {
			r.note(ruleCookie, offset+4, first, second)
		}
	case layers.Linux: // mode, nothing, sequence (always 0), request id
		if b[4] > 4 || b[5]|b[6]|b[7] != 0 || second != 0 {
			r.note(ruleCookie, offset+4, first, second)
		}
	}
}

func (r *reading) host16(b []byte) uint16 {
	if r.codec.Order == layers.BigEndian {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (r *reading) host32(b []byte) uint32 { return word(b, r.codec.Order) }

// Field implements layers.Visitor.
func (r *reading) Field(f *layers.Field, v *layers.Value) {
	switch {
	case v.Kind == layers.Hidden:
		if f.Name == "tail" {
			r.note(ruleSize, r.extAt, uint32(r.ext), r.extLen)
		}
	case v.Kind != layers.Number:
	case f.Sem == layers.SemFamily:
		if r.policy && v.Name == "" {
			r.note(ruleRequest, r.requestAt, r.request, 0)
		}
	case r.policy && f.Name == "len":
		r.policyRequest(uint32(v.Uint), v.Offset)
	case r.ext > extCommon && (r.ext < extPolicy || r.ext > extNATTType):
		// The octets may be what another dialect keeps secret: private data,
		// credentials, extensions that it does not have.
	case f.Sem == layers.SemEnum:
		r.number(f, v)
	case f.Sem == layers.SemFlags && r.ext != extSA2: // where only macOS has some
		if unnamed := uint32(v.Uint) &^ r.codec.Dialect.NamedFlags(f.Enum); unnamed != 0 && r.base.Errno == 0 && r.base.Type != layers.GETSPI {
			r.note(ruleFlags, v.Offset, uint32(v.Uint), 0)
		}
	case f.Sem == layers.SemReserved:
		if r.policy && v.Uint != 0 && r.base.Errno == 0 {
			r.note(ruleEnum, v.Offset, uint32(v.Uint), uint32(r.ext))
		}
	case r.ext == extSupportedAuth || r.ext == extSupportedCrypt:
		r.supported(f, v)
	}
}

// policyRequest looks at the length of a request, which has two addresses of one
// family or none. Its header has 16 bytes on Linux and 8 on the KAME family.
func (r *reading) policyRequest(size uint32, offset int) {
	r.request, r.requestAt = size, offset
	header := uint32(8)
	if !r.kame {
		header = 16
	}
	switch size - header {
	case 0, 2 * 16, 2 * 28:
	default:
		r.note(ruleRequest, offset, size, 0)
	}
}

// number looks at an enumerated number.
func (r *reading) number(f *layers.Field, v *layers.Value) {
	is := algorithm{uint32(v.Uint), v.Name, v.Offset}
	switch {
	case r.ext == extSA && f.Name == "auth":
		r.auth = is
	case r.ext == extSA && f.Name == "encrypt":
		r.encrypt = is
	case f.Name == "id":
		r.element = is
	}
	// Of the SA in an answer to GETSPI FreeBSD sets only the SPI, and what is wrong
	// in a request comes back with an errno.
	if v.Name != "" || v.Uint == 0 || r.base.Errno != 0 || r.base.Type == layers.GETSPI {
		return
	}
	if len(r.codec.Dialect.EnumNames(v.Enum)) > 0 {
		r.note(ruleEnum, v.Offset, uint32(v.Uint), uint32(r.ext))
	}
}

// supported looks at a number of a supported algorithm.
func (r *reading) supported(f *layers.Field, v *layers.Value) {
	switch f.Name {
	case "ivlen": // octets, or bits on OpenBSD and illumos
		inBits := r.codec.Dialect == layers.OpenBSD || r.codec.Dialect == layers.Illumos
		switch v.Uint {
		case 8, 16:
			if inBits {
				r.note(ruleIVLen, v.Offset, uint32(v.Uint), 0)
			}
		case 64, 128:
			if !inBits {
				r.note(ruleIVLen, v.Offset, uint32(v.Uint), 0)
			}
		}
	case "minbits":
		r.minbits = v.Uint
	case "maxbits":
		if bits := r.keyBits(r.element.name); bits != 0 && (bits < uint32(r.minbits) || bits > uint32(v.Uint)) {
			r.note(ruleKeyBits, r.element.at, r.element.number, uint32(v.Uint))
		}
	}
}

// keyBits are the sizes of keys that can have only one.
var keyBits = map[string]uint32{
	"MD5HMAC": 128, "SHA1HMAC": 160, "RIPEMD160HMAC": 160, "AES_XCBC_MAC": 128,
	"SHA2_256": 256, "SHA2_256HMAC": 256, "SHA256HMAC": 256,
	"SHA2_384": 384, "SHA2_384HMAC": 384, "SHA384HMAC": 384,
	"SHA2_512": 512, "SHA2_512HMAC": 512, "SHA512HMAC": 512,
	"DESCBC": 64, "3DESCBC": 192,
}

// keyBits returns the size of the key of an algorithm, 0 if it may have several.
func (r *reading) keyBits(name string) uint32 {
	if d := r.codec.Dialect; d == layers.MacOS || d == layers.DragonFly {
		switch name { // the keyed hashes of old, which others took any key for
		case "MD5":
			return 128
		case "SHA":
			return 160
		}
	}
	return keyBits[name]
}

// Open implements layers.Visitor.
func (r *reading) Open(layers.NodeKind, string) {}

// Close implements layers.Visitor.
func (r *reading) Close(layers.NodeKind) {}

// EndExtension implements layers.Visitor.
func (r *reading) EndExtension() {}

// Malformed implements layers.Visitor.
func (r *reading) Malformed([]byte, int, layers.Reason) {}

// End implements layers.Visitor: the message that is being read is whole.
func (r *reading) End() {
	if r.extsRead == 0 {
		return
	}
	if r.base.Errno == 0 {
		r.algorithms()
	}
	r.extensionOrder()
	r.extsRead = 0 // the wrapper ends after the message in it
}

// algorithms holds keys against their algorithms, and those against the SA type.
func (r *reading) algorithms() {
	for _, k := range [2]struct {
		alg  *algorithm
		size *keySize
	}{{&r.auth, &r.bitsAuth}, {&r.encrypt, &r.bitsCrypt}} {
		want := r.keyBits(k.alg.name)
		// Linux takes keys of other sizes for its HMACs.
		if want != 0 && k.size.known && k.size.bits != want && r.codec.Dialect != layers.Linux {
			r.note(ruleKeyBits, k.size.at, k.alg.number, k.size.bits)
		}
	}
	if r.base.Type == layers.GETSPI {
		return
	}
	sat := r.codec.Dialect.EnumName(layers.EnumSAType, uint64(r.base.SAType))
	cipher := r.encrypt.number != 0 || r.bitsCrypt.known
	if sat == "AH" && cipher || sat == "ESP" && !cipher && r.auth.number != 0 {
		r.note(ruleCipher, r.at+3, uint32(r.base.SAType), r.encrypt.number)
	}
}

// extensionOrder looks at the order in which a kernel put the extensions. A message
// with the CURRENT lifetime is from a kernel.
func (r *reading) extensionOrder() {
	list := r.order[:r.extsRead]
	place := func(n uint16) int {
		for i, x := range list {
			if x == n {
				return i
			}
		}
		return -1
	}
	current := place(extLifetimeCurrent)
	if current < 0 || r.base.Errno != 0 {
		return
	}
	linux := r.codec.Dialect == layers.Linux
	against := func(rule rule, i int) {
		if i > 0 {
			r.note(rule, r.orderAt[i], uint32(list[i]), uint32(list[i-1]))
		}
	}
	if d := r.codec.Dialect; d == layers.OpenBSD || d == layers.Illumos {
		for i := 1; i < len(list); i++ {
			if list[i] < list[i-1] {
				against(ruleAscending, i)
				break
			}
		}
	}
	// SA2 follows the SA on the KAME family and the addresses and keys on Linux.
	if sa2 := place(extSA2); sa2 > 0 {
		after := list[sa2-1]
		if linux && after == extSA || r.kame && after != extSA {
			against(ruleOrder, sa2)
		}
	}
	// CURRENT comes before the policy on Linux and after it on the KAME family.
	if policy := place(extPolicy); policy >= 0 {
		if linux && policy < current {
			against(ruleOrder, current)
		} else if r.kame && policy > current {
			against(ruleOrder, policy)
		}
	}
	if (linux || r.kame) && current > 0 && list[current-1] == extSA {
		against(ruleOrder, current)
	}
}
