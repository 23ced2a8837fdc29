package compare

import (
	"fmt"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
)

// About describes what a message is about on one line: type, SA type, addresses, SPI,
// and of a policy the direction.
func About(m *layers.Message) string {
	if m.Contents == nil {
		return fmt.Sprintf("%d bytes", len(m.Rest))
	}
	var b strings.Builder
	b.WriteString(m.TypeName())
	if m.Type == layers.PROMISC && m.Inner == nil {
		switch m.SAType { // says on or off there
		case 0:
			b.WriteString(" off")
		case 1:
			b.WriteString(" on")
		}
		return b.String()
	}
	if m.SAType != layers.SATypeUnspec {
		b.WriteByte(' ')
		b.WriteString(strings.ToLower(m.SATypeName()))
	}
	src, dst := m.AddressSrc(), m.AddressDst()
	if m.DstFlow() != nil { // OpenBSD's policies
		src, dst = m.SrcFlow(), m.DstFlow()
	}
	if src != nil && dst != nil {
		fmt.Fprintf(&b, " %v > %v", Address(src), Address(dst))
	}
	if sa := m.SA(); sa != nil {
		fmt.Fprintf(&b, " spi=0x%08x", sa.SPI)
	}
	if p := m.Policy(); p != nil {
		if n := m.Codec.Dialect.EnumName(layers.EnumDir, uint64(p.Dir)); n != "" {
			fmt.Fprintf(&b, " dir=%s", strings.ToLower(n))
		}
	}
	return b.String()
}

// Summary is About with what is worth knowing of the header.
func Summary(m *layers.Message) string {
	if m.Contents == nil {
		return About(m)
	}
	var b strings.Builder
	b.WriteString(About(m))
	if p := m.Policy(); p != nil && p.ID != 0 {
		fmt.Fprintf(&b, " id=%d", p.ID)
	}
	fmt.Fprintf(&b, " seq=%d pid=%d", m.Seq, m.PID)
	if m.Errno != 0 {
		fmt.Fprintf(&b, " errno=%d", m.Errno)
		if n := m.Codec.Dialect.ErrnoName(m.Errno); n != "" {
			fmt.Fprintf(&b, "(%s)", n)
		}
	}
	return b.String()
}

// Address is an address with the length of its prefix and its port, where they say anything.
func Address(a *layers.Address) string {
	addr := a.Addr()
	if !addr.IsValid() {
		return "?"
	}
	s := addr.String()
	if int(a.PrefixLen) != addr.BitLen() && a.PrefixLen != 0 {
		s += fmt.Sprintf("/%d", a.PrefixLen)
	}
	if p := a.Port(); p != 0 {
		if addr.Is6() {
			s = "[" + s + "]"
		}
		s += fmt.Sprintf(":%d", p)
	}
	return s
}
