package layers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/gopacket"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// Dialect is one operating system's version of PF_KEYv2: its numbers, layouts
// and names.
type Dialect uint8

// The dialects. RFC2367 has only what the RFC has.
const (
	NoDialect Dialect = iota
	RFC2367
	Linux
	FreeBSD
	NetBSD
	OpenBSD
	MacOS
	Illumos
	DragonFly

	// NumDialects is the length of an array that has a place for each dialect.
	NumDialects
)

var dialects = [NumDialects]*dialect{
	NoDialect: &rfc2367,
	RFC2367:   &rfc2367,
	Linux:     &linux,
	FreeBSD:   &freeBSD,
	NetBSD:    &netBSD,
	OpenBSD:   &openBSD,
	MacOS:     &macOS,
	Illumos:   &illumos,
	DragonFly: &dragonFly,
}

// Dialects lists all dialects.
func Dialects() []Dialect {
	return []Dialect{RFC2367, Linux, FreeBSD, NetBSD, OpenBSD, MacOS, Illumos, DragonFly}
}

// String returns the dialect's name as used in captures and on the command
// line: rfc2367, linux, freebsd, netbsd, openbsd, macos, illumos or dragonfly.
func (d Dialect) String() string {
	if d == NoDialect || d >= NumDialects {
		return "unknown"
	}
	return dialects[d].name
}

// Source names the header the dialect's numbers come from.
func (d Dialect) Source() string { return d.table().source }

// ParseDialect reads a dialect's name; darwin and solaris are accepted for
// macos and illumos.
func ParseDialect(s string) (Dialect, error) {
	s = strings.ToLower(s)
	switch s {
	case "darwin":
		return MacOS, nil
	case "solaris":
		return Illumos, nil
	}
	for _, d := range Dialects() {
		if d.String() == s {
			return d, nil
		}
	}
	var names []string
	for _, d := range Dialects() {
		names = append(names, d.String())
	}
	return NoDialect, fmt.Errorf("unknown dialect %q: want one of %s", s, strings.Join(names, ", "))
}

func (d Dialect) table() *dialect {
	if d >= NumDialects {
		return &rfc2367
	}
	return dialects[d]
}

// dialect is the data of one system. It is filled in once at start and never
// written again.
type dialect struct {
	name, source string
	inet, inet6  uint16 // address families
	saLen        bool   // sockaddrs begin with their length, and the family is one octet
	srcID        bool   // a sockaddr_in6 ends with a u32 source id: 32 bytes
	exts         []extDef
	enums        [shape.NumEnums][]string
	flags        [shape.NumEnums][]flagName
	errno        []string
	aliases      []alias

	byNumber  [maxNumber + 1]numbered // by extension number
	byMeaning [shape.NumMeanings]ext  // number 0: the dialect has no such extension
	request   layout                  // of a policy's requests
	alg       layout                  // of a supported algorithm
}

// extDef is an extension as written down in a dialect's file.
type extDef struct {
	number  uint16
	name    string // as in the header, without SADB_EXT_ or SADB_X_EXT_
	meaning shape.Meaning
	layout  string // C name in package shape
}

// alias is a second name that a header gives to a number. It is understood, not
// written.
type alias struct {
	enum   Enum // NoEnum: an extension
	number uint16
	name   string
}

// numbered is what framing needs to know of an extension number.
type numbered struct {
	size uint32 // bytes of the fixed part
	kind kind   // of its meaning, without a codec; 0 if the dialect has no such extension
	key  bool   // its layout is sadb_key
}

// maxNumber is no less than any dialect's extension numbers.
const maxNumber = 63

// ext is an extension as looked up while decoding.
type ext struct {
	number   uint16
	longMin  uint16 // 0: there is no long form
	layout   layout
	long     layout // of an extension with at least longMin bytes, where there are two
	twoForms bool   // the bytes say which layout it is, see layoutFor
	slot     uint8  // see slotOf
	size     uint32 // bytes of the fixed part
	name     string
}

type flagName struct {
	mask uint32
	name string
}

// layout is an index into shape.Table.
type layout uint8

func (l layout) shape() *shape.Shape { return &shape.Table[l] }

func layoutOf(name string) layout {
	for i := range shape.Table {
		if shape.Table[i].Name == name {
			return layout(i)
		}
	}
	panic("layers: no layout " + name)
}

func init() {
	for _, d := range dialects[1:] {
		for _, e := range d.exts {
			l := layoutOf(e.layout)
			x := ext{number: e.number, layout: l, slot: slotOf[e.meaning], size: uint32(l.shape().Size), name: e.name}
			if l == layoutSadbSa2 { // the short form came first and is still used
				x.long, x.longMin = layoutSadbSa2, uint16(l.shape().Size)
				x.layout, x.size = layoutSadbSa, uint32(layoutSadbSa.shape().Size)
			}
			x.twoForms = x.longMin != 0 || l == layoutSadbSessionId
			d.byNumber[e.number] = numbered{x.size, newKind(e.meaning, 0), l == layoutSadbKey}
			d.byMeaning[e.meaning] = x
		}
		d.request, d.alg = layoutSadbXIpsecrequestKame, layoutSadbAlg
		switch d {
		case &linux, &rfc2367:
			d.request = layoutSadbXIpsecrequest
		case &illumos:
			d.alg = layoutSadbAlgIllumos
		}
	}
	for m := shape.NoMeaning + 1; m < shape.NumMeanings; m++ {
		gopacket.RegisterLayerType(int(layerTypeOf(m)), gopacket.LayerTypeMetadata{Name: "PFKey" + shape.Meanings[m].Go})
	}
}

// lookup returns what the dialect knows of an extension number, or nil.
func (d *dialect) lookup(number uint16) *ext {
	if int(number) >= len(d.byNumber) {
		return nil
	}
	return d.known(d.byNumber[number].kind.meaning())
}

// known returns what the dialect knows of the extension with a meaning, or nil if it
// has none.
func (d *dialect) known(m shape.Meaning) *ext {
	if e := &d.byMeaning[m]; e.number != 0 {
		return e
	}
	return nil
}

// Enum names one of a dialect's tables of numbers.
type Enum = shape.EnumID

// The tables that callers ask for by name; the others are reached through the
// fields that use them.
const (
	EnumMsgType     = shape.MsgType
	EnumSAType      = shape.SAType
	EnumAuth        = shape.Auth
	EnumEncrypt     = shape.Encrypt
	EnumComp        = shape.Comp
	EnumState       = shape.State
	EnumMode        = shape.Mode
	EnumDir         = shape.PolicyDir
	EnumLevel       = shape.PolicyLevel
	EnumPolicyType  = shape.PolicyType
	EnumPolicyScope = shape.PolicyScope
	EnumIdentType   = shape.IdentType
	EnumNATTType    = shape.NATTType
	EnumFlowType    = shape.FlowType   // OpenBSD
	EnumFlowDir     = shape.FlowDir    // OpenBSD
	EnumCredType    = shape.CredType   // OpenBSD
	EnumAuthType    = shape.AuthType   // of OpenBSD's credentials
	EnumKMProto     = shape.KMProto    // illumos
	EnumAlgType     = shape.AlgType    // illumos
	EnumDiagnostic  = shape.Diagnostic // in sadb_msg_reserved, on illumos

	// Flags.
	EnumSAFlags     = shape.SAFlags
	EnumPolicyFlags = shape.PolicyFlags
	EnumSA2Flags    = shape.SA2Flags  // macOS
	EnumSensFlags   = shape.SensFlags // illumos

	// Not tables of their own: which one a Field means depends on what stands around
	// it. A Value of a walk has the one that it is.
	EnumAlgID      = shape.AlgID      // by the SUPPORTED extension
	EnumProtoField = shape.ProtoField // by the extension
	EnumDescAlg    = shape.DescAlg    // by the algtype before it
	EnumCredField  = shape.CredField  // by the extension
)

// EnumName returns the name of a number, as in the dialect's header without its
// prefix, or "" if the dialect has none.
func (d Dialect) EnumName(e Enum, v uint64) string {
	if e >= shape.NumEnums {
		return ""
	}
	t := d.table().enums[e]
	if v < uint64(len(t)) {
		return t[v]
	}
	return ""
}

// SATypeEnum returns the table that sadb_msg_satype of a message type is from. In
// X_PROMISC the field says on or off: NoEnum, which names nothing. FreeBSD's
// SPDDUMP may ask for scopes there (key_spddump in netipsec/key.c).
func (d Dialect) SATypeEnum(msgType, satype uint8) Enum {
	switch {
	case msgType == PROMISC:
		return shape.NoEnum
	case msgType == SPDDUMP && d == FreeBSD && satype != 0:
		return shape.PolicyScope
	}
	return shape.SAType
}

// prefixes that people write before a name, in the headers or from memory.
var prefixes = []string{
	"SADB_X_SATYPE_", "SADB_SATYPE_", "SADB_X_AALG_", "SADB_AALG_", "SADB_X_EALG_", "SADB_EALG_",
	"SADB_X_CALG_", "SADB_SASTATE_", "SADB_X_SASTATE_", "SADB_X_IDENTTYPE_", "SADB_IDENTTYPE_",
	"IPSEC_POLICY_", "IPSEC_DIR_", "IPSEC_LEVEL_", "IPSEC_MODE_", "IPSEC_POLICYSCOPE_",
	"UDP_ENCAP_", "TCP_ENCAP_", "SADB_X_FLOW_TYPE_", "IPSP_DIRECTION_",
	"SADB_X_CREDTYPE_", "SADB_X_AUTHTYPE_", "SADB_X_EXT_SA2_", "SADB_X_SENS_", "SADB_X_SAFLAGS_", "SADB_SAFLAGS_",
	"SADB_X_EXT_", "SADB_EXT_", "SADB_X_", "SADB_", "X_",
}

// sameName compares a name with one a person wrote: case does not matter, nor
// does the header's prefix.
func sameName(name, written string) bool {
	if strings.EqualFold(name, written) {
		return true
	}
	for _, p := range prefixes {
		if len(written) > len(p) && strings.EqualFold(written[:len(p)], p) && strings.EqualFold(name, written[len(p):]) {
			return true
		}
	}
	return false
}

// EnumValue is the inverse of EnumName. Case does not matter, the header's prefix
// may stand before the name, and a second name that the header has will do.
func (d Dialect) EnumValue(e Enum, name string) (uint64, bool) {
	if e >= shape.NumEnums || name == "" {
		return 0, false
	}
	for v, n := range d.table().enums[e] {
		if n != "" && sameName(n, name) {
			return uint64(v), true
		}
	}
	v, ok := d.table().alias(e, name)
	return uint64(v), ok
}

func (d *dialect) alias(e Enum, name string) (uint16, bool) {
	for _, a := range d.aliases {
		if a.enum == e && sameName(a.name, name) {
			return a.number, true
		}
	}
	return 0, false
}

// EnumNames lists the names of a table by number; numbers without a name are "".
// The caller must not change it.
func (d Dialect) EnumNames(e Enum) []string {
	if e >= shape.NumEnums {
		return nil
	}
	return d.table().enums[e]
}

// flagNames gives the names of the bits set in v to add, lowest first, and returns
// the bits that have no name.
func (d Dialect) flagNames(e Enum, v uint32, add func(string)) (rest uint32) {
	if e >= shape.NumEnums {
		return v
	}
	for _, f := range d.table().flags[e] {
		if v&f.mask == f.mask {
			add(f.name)
			v &^= f.mask
		}
	}
	return v
}

// FlagNames returns the names of the bits set in v, lowest first. Bits without
// a name come last, together, as hex.
func (d Dialect) FlagNames(e Enum, v uint32) []string {
	names := []string{}
	if rest := d.flagNames(e, v, func(s string) { names = append(names, s) }); rest != 0 {
		names = append(names, fmt.Sprintf("%#x", rest))
	}
	return names
}

// NamedFlags returns the bits that FlagNames has names for.
func (d Dialect) NamedFlags(e Enum) (bits uint32) {
	if e < shape.NumEnums {
		for _, f := range d.table().flags[e] {
			bits |= f.mask
		}
	}
	return bits
}

// FlagValue returns the bits of a flag by name, as EnumValue does for numbers.
func (d Dialect) FlagValue(e Enum, name string) (uint32, bool) {
	if e >= shape.NumEnums || name == "" {
		return 0, false
	}
	for _, f := range d.table().flags[e] {
		if sameName(f.name, name) {
			return f.mask, true
		}
	}
	return 0, false
}

// ErrnoName returns the name of an error number on the dialect's system, such
// as "EOPNOTSUPP" for 95 on Linux and 45 on the BSDs, or "".
func (d Dialect) ErrnoName(errno uint8) string {
	t := d.table().errno
	if int(errno) < len(t) {
		return t[errno]
	}
	return ""
}

// ExtName returns the name of an extension number, or "" if the dialect does
// not have it.
func (d Dialect) ExtName(number uint16) string {
	if e := d.table().lookup(number); e != nil {
		return e.name
	}
	return ""
}

// ExtNumber returns the number of an extension by name. Case and the header's
// prefix do not matter, and a second name that the header has will do.
func (d Dialect) ExtNumber(name string) (uint16, bool) {
	for i := range d.table().exts {
		if e := &d.table().exts[i]; sameName(e.name, name) {
			return e.number, true
		}
	}
	return d.table().alias(shape.NoEnum, name)
}

// ExtNumberOf returns the number a dialect gives to a meaning, 0 if it has none.
func (d Dialect) ExtNumberOf(t gopacket.LayerType) uint16 {
	if m := meaningOf(t); m != shape.NoMeaning {
		return d.table().byMeaning[m].number
	}
	return 0
}

// ExtType returns the layer type of an extension number, LayerTypeUnknown if the
// dialect does not have it.
func (d Dialect) ExtType(number uint16) gopacket.LayerType {
	if t := d.table(); int(number) < len(t.byNumber) {
		return layerTypeOf(t.byNumber[number].kind.meaning())
	}
	return LayerTypeUnknown
}

// FamilyName returns "inet" or "inet6" for the dialect's address families, else
// "".
func (d Dialect) FamilyName(family uint16) string {
	switch t := d.table(); family {
	case t.inet:
		return "inet"
	case t.inet6:
		return "inet6"
	}
	return ""
}

// Family is the inverse of FamilyName.
func (d Dialect) Family(name string) (uint16, bool) {
	switch t := d.table(); name {
	case "inet":
		return t.inet, true
	case "inet6":
		return t.inet6, true
	}
	return 0, false
}

// Layout describes a structure of a dialect, for those who generate code or
// documents from the tables.
type Layout = shape.Shape

// LayoutOf returns the layout of an extension number, or nil.
func (d Dialect) LayoutOf(number uint16) *Layout {
	if e := d.table().lookup(number); e != nil {
		return e.layout.shape()
	}
	return nil
}

// Layouts returns the layout of every structure of every dialect, those that stand
// in lists inside extensions too. The caller must not change their Fields.
func Layouts() []Layout { return slices.Clone(shape.Table) }

// RequestLayout returns the layout of a policy's requests.
func (d Dialect) RequestLayout() *Layout { return d.table().request.shape() }

// AlgLayout returns the layout of a supported algorithm.
func (d Dialect) AlgLayout() *Layout { return d.table().alg.shape() }

// ExtNumbers lists the extension numbers of a dialect, in order.
func (d Dialect) ExtNumbers() []uint16 {
	var list []uint16
	for _, e := range d.table().exts {
		list = append(list, e.number)
	}
	return list
}
