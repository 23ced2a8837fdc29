package check

import (
	"fmt"
	"math/bits"
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
)

// portRules are what Differences says. They are of no kernel: another system does not
// refuse such a message for them, it takes it for something else.
var portRules = sync.OnceValue(func() map[code]*Rule {
	rules := map[code]*Rule{}
	for _, id := range [...]code{pNumber, pUnknown, pLayout, pOrder, pSockaddr, pUnit} {
		o := &objections[id]
		r := &Rule{id: id, Code: o.code, Text: o.text, Instead: o.instead, Severity: Error, Source: "the header of the other system"}
		if id == pUnknown || id == pUnit {
			r.Severity = Warning
		}
		rules[id] = r
	}
	return rules
})

// Differences returns what in a message of c's dialect means something else on another
// system, or nothing: types, numbers of extensions and algorithms, address families,
// flags, structures that are laid out otherwise, integers in another byte order. Each
// problem names both meanings; none has an Errno. Fields that are zero and what is
// secret are not looked at. It returns nil if the message means the same there.
//
// The problems do not alias msg.
func Differences(there layers.Dialect, c layers.Codec, msg []byte) []Problem {
	if there == c.Dialect || there == layers.NoDialect || c.Dialect == layers.NoDialect {
		return nil
	}
	d := differs.Get().(*differ)
	*d = differ{here: c, there: layers.Codec{Dialect: there, Order: c.Order}, msg: msg}
	c.Walk(msg, d)
	found := d.found
	*d = differ{} // the pool must not keep the message
	differs.Put(d)
	return found
}

var differs = sync.Pool{New: func() any { return new(differ) }}

// differ is a layers.Visitor that compares what two systems read.
type differ struct {
	here, there layers.Codec
	msg         []byte
	found       []Problem

	ext      string
	offset   int            // of the extension
	length   int            // bytes of it
	meant    *layers.Layout // the extension's structure here and there
	read     *layers.Layout
	depth    int // groups that are open
	skip     bool
	skipFrom int // the depth that a skipped group has; 0: none
}

func (d *differ) report(id code, off, length int, format string, args ...any) {
	r := portRules()[id]
	d.found = append(d.found, Problem{
		Code: r.Code, Severity: r.Severity, Offset: off, Len: length, Ext: d.ext,
		Text: fmt.Sprintf(format, args...), Instead: r.Instead, Source: d.there.Dialect.Source(), rule: r,
	})
}

// compare reports a number that has another name there, or none. what names it; names
// are what the other system calls its numbers, to find the one that means the same.
func (d *differ) compare(what string, v uint64, here, there string, names []string, off, length int) {
	switch {
	case here == there, here != "" && there != "" && layers.CanonicalName(here) == layers.CanonicalName(there):
	case here == "":
		d.report(pNumber, off, length, "%s %d has no name on %v, on %v it is %s", what, v, d.here.Dialect, d.there.Dialect, there)
	case there == "":
		d.report(pUnknown, off, length, "%s %d is %s on %v, %v has none such%s", what, v, here, d.here.Dialect, d.there.Dialect, numberOfName(here, names))
	default:
		d.report(pNumber, off, length, "%s %d is %s on %v, on %v it is %s%s", what, v, here, d.here.Dialect, d.there.Dialect, there, numberOfName(here, names))
	}
}

// numberOfName says which number means the same on the other system, if one does.
func numberOfName(name string, names []string) string {
	for n, other := range names {
		if other != "" && layers.CanonicalName(other) == layers.CanonicalName(name) {
			return fmt.Sprintf("; %s is %d there", name, n)
		}
	}
	return ""
}

func (d *differ) enum(what string, e layers.Enum, v uint64, off, length int) {
	d.compare(what, v, d.here.Dialect.EnumName(e, v), d.there.Dialect.EnumName(e, v), d.there.Dialect.EnumNames(e), off, length)
}

// Base implements layers.Visitor.
func (d *differ) Base(b *layers.Base, offset, _ int) {
	d.ext = ""
	d.enum("message type", layers.EnumMsgType, uint64(b.Type), offset+1, 1)
	if b.Errno != 0 {
		d.compare("errno", uint64(b.Errno), d.here.Dialect.ErrnoName(b.Errno), d.there.Dialect.ErrnoName(b.Errno), nil, offset+2, 1)
	}
	if b.Type != layers.PROMISC && b.SAType != 0 {
		d.enum("SA type", layers.EnumSAType, uint64(b.SAType), offset+3, 1)
	}
	if b.Reserved == 0 {
		return
	}
	switch layers.Illumos {
	case d.here.Dialect:
		if name := d.here.Dialect.EnumName(layers.EnumDiagnostic, uint64(b.Reserved)); name != "" {
			d.report(pUnknown, offset+6, 2, "sadb_msg_reserved %d is the diagnostic %s on illumos, %v has none", b.Reserved, name, d.there.Dialect)
		}
	case d.there.Dialect:
		if name := d.there.Dialect.EnumName(layers.EnumDiagnostic, uint64(b.Reserved)); name != "" {
			d.report(pNumber, offset+6, 2, "sadb_msg_reserved %d is no diagnostic on %v, on illumos it is %s", b.Reserved, d.here.Dialect, name)
		}
	}
}

// Extension implements layers.Visitor.
func (d *differ) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	d.ext, d.offset, d.length = name, offset, len(h.Contents)
	d.depth, d.skipFrom = 0, 0
	here, there := d.here.Dialect, d.there.Dialect
	other := there.ExtName(number)
	d.skip = true
	switch {
	case name == "" || name == "UNKNOWN":
		d.ext = "UNKNOWN"
		if other != "" {
			d.report(pNumber, offset, d.length, "%v has no extension %d, on %v it is %s", here, number, there, other)
		}
	case other == "":
		if n := there.ExtNumberOf(here.ExtType(number)); n != 0 {
			d.report(pUnknown, offset, d.length, "it is extension %d on %v, on %v it is %d", number, here, there, n)
		} else {
			d.report(pUnknown, offset, d.length, "it is extension %d on %v, %v has none such", number, here, there)
		}
	case here.ExtType(number) != there.ExtType(number):
		d.report(pNumber, offset, d.length, "it is extension %d on %v, on %v that is %s", number, here, there, other)
	case !short:
		d.skip = false
		d.meant, d.read = here.LayoutOf(number), there.LayoutOf(number)
	}
}

// Field implements layers.Visitor.
func (d *differ) Field(f *layers.Field, v *layers.Value) {
	if d.skip || d.skipFrom != 0 || v.Kind != layers.Number && f.Sem != layers.SemReserved {
		return
	}
	member := d.depth == 0 && isMember(d.meant, f)
	if member && d.meant != d.read && !d.sameMember(f, v) {
		return
	}
	switch {
	case v.Zero():
	case f.Sem == layers.SemFamily && !member:
		d.sockaddr(v)
	case f.Sem == layers.SemFamily:
		family := uint16(v.Uint)
		d.compare(f.Name, v.Uint, d.here.Dialect.FamilyName(family), d.there.Dialect.FamilyName(family), nil, v.Offset, v.Size)
	case f.Sem == layers.SemEnum:
		d.enum(f.Name, v.Enum, v.Uint, v.Offset, v.Size)
	case f.Sem == layers.SemFlags:
		d.flags(f, v)
	case f.Name == "replay" && member && (d.ext == "SA" || d.ext == "SA2"):
		d.replay(v)
	}
}

func isMember(s *layers.Layout, f *layers.Field) bool {
	for i := range s.Fields {
		if &s.Fields[i] == f {
			return true
		}
	}
	return false
}

// sameMember compares a member of a structure with what the other system has in its
// place. ok is false if it is something else.
func (d *differ) sameMember(f *layers.Field, v *layers.Value) (ok bool) {
	var g *layers.Field
	for i := range d.read.Fields {
		x := &d.read.Fields[i]
		if x.Off < f.Off+f.Size && f.Off < x.Off+x.Size {
			g = x
			break
		}
	}
	switch {
	case v.Zero():
		return true
	case g == nil:
		d.report(pLayout, v.Offset, v.Size, "%s is %s on %v, the structure of %v has nothing there", f.Name, describe(v), d.here.Dialect, d.there.Dialect)
		return false
	case g.Off != f.Off || g.Size != f.Size || g.Name != f.Name && (g.Sem != layers.SemReserved || f.Sem != layers.SemReserved):
		d.report(pLayout, v.Offset, v.Size, "%s is %s on %v, %v has %s there", f.Name, describe(v), d.here.Dialect, d.there.Dialect, g.Name)
		return false
	case g.Order != f.Order && d.here.Order == layers.LittleEndian && v.Size > 1:
		if turned := bits.ReverseBytes64(v.Uint) >> (64 - 8*v.Size); turned != v.Uint {
			d.report(pOrder, v.Offset, v.Size, "%s is 0x%0*x on %v, on %v it is read as 0x%0*x: one of the two has it in network byte order",
				f.Name, 2*v.Size, v.Uint, d.here.Dialect, d.there.Dialect, 2*v.Size, turned)
		}
	}
	return true
}

// describe writes a value.
func describe(v *layers.Value) string {
	switch {
	case v.Kind != layers.Number:
		return "set"
	case v.Name != "":
		return fmt.Sprintf("%d(%s)", v.Uint, v.Name)
	}
	return fmt.Sprint(v.Uint)
}

// flags compares flags bit by bit.
func (d *differ) flags(f *layers.Field, v *layers.Value) {
	for rest := uint32(v.Uint); rest != 0; rest &= rest - 1 {
		bit := rest & -rest
		d.compare(fmt.Sprintf("%s 0x%x:", f.Name, bit), uint64(bit), d.flag(d.here.Dialect, f.Enum, bit), d.flag(d.there.Dialect, f.Enum, bit), nil, v.Offset, v.Size)
	}
}

// flag is the name of one flag, or "".
func (d *differ) flag(of layers.Dialect, e layers.Enum, bit uint32) string {
	name := of.FlagNames(e, bit)[0]
	if strings.HasPrefix(name, "0x") {
		return ""
	}
	return name
}

// sockaddr compares how the two systems read the sockaddr that a family was found in.
func (d *differ) sockaddr(v *layers.Value) {
	start := v.Offset
	if v.Size == 1 { // after the octet of the length
		start--
	}
	b := d.msg[start : d.offset+d.length]
	meant, ok := d.here.ParseSockaddr(b)
	if !ok {
		return
	}
	read, ok := d.there.ParseSockaddr(b)
	length := d.hasLength()
	if ok && read.Addr == meant.Addr && read.Port == meant.Port && length == (v.Size == 1) {
		return
	}
	name, other := d.here.Dialect.FamilyName(meant.Family), ""
	if n, found := d.there.Dialect.Family(name); found && n != meant.Family {
		other = fmt.Sprintf("; %s is %d there", name, n)
	}
	d.report(pSockaddr, start, 2, "an address of %s on %v, with %s; on %v with %s%s",
		name, d.here.Dialect, familyOctets(v.Size == 1, &meant), d.there.Dialect, familyOctets(length, &read), other)
}

// hasLength tells whether sockaddrs there begin with their length.
func (d *differ) hasLength() bool {
	s, _ := d.there.ParseSockaddr([]byte{0xff, 0})
	return s.Len == 0xff
}

func familyOctets(length bool, s *layers.Sockaddr) string {
	if length {
		return fmt.Sprintf("sa_len %d and family %d", s.Len, s.Family)
	}
	return fmt.Sprintf("family %d", s.Family)
}

// inOctets are the systems on which sadb_sa_replay is the size of the window's bitmap,
// in octets (KAME's sys/netipsec/key.c, netkey/key.c); the others count packets.
var inOctets = [...]layers.Dialect{layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly}

func (d *differ) replay(v *layers.Value) {
	octets := func(x layers.Dialect) bool {
		for _, o := range inOctets {
			if x == o {
				return true
			}
		}
		return false
	}
	switch here, there := octets(d.here.Dialect), octets(d.there.Dialect); {
	case here && !there:
		d.report(pUnit, v.Offset, v.Size, "a replay window of %d octets, %d packets, on %v; %d packets on %v", v.Uint, 8*v.Uint, d.here.Dialect, v.Uint, d.there.Dialect)
	case !here && there:
		d.report(pUnit, v.Offset, v.Size, "a replay window of %d packets on %v; %d octets, %d packets, on %v", v.Uint, d.here.Dialect, v.Uint, 8*v.Uint, d.there.Dialect)
	}
}

// Open implements layers.Visitor.
func (d *differ) Open(k layers.NodeKind, name string) {
	d.depth++
	if d.skip || d.skipFrom != 0 || k != layers.List || name != "requests" {
		return
	}
	here, there := d.here.Dialect.RequestLayout(), d.there.Dialect.RequestLayout()
	if at := d.meant.Size; here != there && d.length > at {
		d.report(pLayout, d.offset+at, d.length-at, "a request begins with %d bytes on %v, with %d on %v", here.Size, d.here.Dialect, there.Size, d.there.Dialect)
		d.skipFrom = d.depth
	}
}

// Close implements layers.Visitor.
func (d *differ) Close(layers.NodeKind) {
	if d.depth == d.skipFrom {
		d.skipFrom = 0
	}
	d.depth--
}

// EndExtension implements layers.Visitor.
func (d *differ) EndExtension() { d.ext = "" }

// Malformed implements layers.Visitor.
func (d *differ) Malformed([]byte, int, layers.Reason) {}

// End implements layers.Visitor.
func (d *differ) End() {}
