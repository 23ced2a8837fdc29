package check

import "github.com/pfkeycap/pfkeycap/layers"

// Unset finds what a kernel has not set in the messages that it makes: reserved fields,
// padding and tails that are not zero hold what it had in that place of its memory. The
// zero Unset is ready. It is for one goroutine.
type Unset struct {
	codec   layers.Codec
	msgType string
	ext     string
	found   []string
}

// In returns where a good answer or an event from a kernel has such octets, each place
// once, as EXTENSION.field or msg.field; it is valid until the next call. c is the
// codec of the message, whose dialect is that of the kernel: on Linux everything that
// means nothing counts; on FreeBSD and NetBSD, which send back most of a request as it
// was, only what the request does not have.
func (u *Unset) In(c layers.Codec, message []byte) []string {
	u.codec, u.msgType, u.ext, u.found = c, "", "", u.found[:0]
	switch c.Dialect {
	case layers.Linux, layers.FreeBSD, layers.NetBSD:
		c.Walk(message, u)
	}
	return u.found
}

func (u *Unset) add(name string) {
	for _, s := range u.found {
		if s == name {
			return
		}
	}
	u.found = append(u.found, name)
}

// Base is part of layers.Visitor.
func (u *Unset) Base(b *layers.Base, _, depth int) {
	if depth > 0 {
		return
	}
	u.msgType = u.codec.Dialect.EnumName(layers.EnumMsgType, uint64(b.Type))
	if u.codec.Dialect == layers.Linux && b.Reserved != 0 && !isPolicy(b.Type) && b.Type != layers.PROMISC {
		u.add("msg.reserved")
	}
}

// isPolicy tells the messages of Linux that carry a policy, whose reserved field is the
// policy's reference count (pfkey_xfrm_policy2msg in net/key/af_key.c).
func isPolicy(t uint8) bool {
	switch t {
	case layers.SPDADD, layers.SPDUPDATE, layers.SPDDELETE, layers.SPDDELETE2, layers.SPDGET, layers.SPDDUMP:
		return true
	}
	return false
}

// Extension is part of layers.Visitor.
func (u *Unset) Extension(_ *layers.Header, _ uint16, name string, _ int, _ bool) { u.ext = name }

// Field is part of layers.Visitor.
func (u *Unset) Field(f *layers.Field, x *layers.Value) {
	if x.Kind == layers.Addr || x.Zero() || u.msgType == "PROMISC" { // which says what its sender wrote
		return
	}
	nothing := f.Sem == layers.SemReserved
	switch u.codec.Dialect {
	case layers.Linux:
		// MIGRATE gives the KMADDRESS back as it was sent (pfkey_migrate).
		if !nothing && f.Name != "tail" && f.Name != "flowinfo" && f.Name != "scope_id" || u.ext == "KMADDRESS" && f.Name == "reserved" {
			return
		}
	default:
		supported := u.msgType == "REGISTER" && (u.ext == "SUPPORTED_AUTH" || u.ext == "SUPPORTED_ENCRYPT")
		// key_getspi of FreeBSD sets length, type and SPI of the SA only.
		number := u.codec.Dialect == layers.FreeBSD && u.msgType == "GETSPI" && u.ext == "SA" && f.Name != "spi"
		if !number && !(supported && nothing) {
			return
		}
	}
	u.add(u.ext + "." + f.Name)
}

// Open is part of layers.Visitor.
func (*Unset) Open(layers.NodeKind, string) {}

// Close is part of layers.Visitor.
func (*Unset) Close(layers.NodeKind) {}

// EndExtension is part of layers.Visitor.
func (*Unset) EndExtension() {}

// Malformed is part of layers.Visitor.
func (*Unset) Malformed([]byte, int, layers.Reason) {}

// End is part of layers.Visitor.
func (*Unset) End() {}
