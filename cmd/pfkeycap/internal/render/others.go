package render

import (
	"bytes"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/pfkeycap/pfkeycap/layers"
)

// appendOthers appends what only systems other than Linux say: OpenBSD's flows and
// bundles, illumos' pairs and extended forms, new addresses, interfaces.
func (p *Printer) appendOthers(dst []byte, m *layers.Message) []byte {
	if m.Codec.Dialect == layers.Linux {
		return dst
	}
	d := m.Codec.Dialect
	if src, to := m.SrcFlow(), m.DstFlow(); src != nil || to != nil {
		dst = append(dst, " flow="...)
		dst = appendMasked(dst, src, m.SrcMask())
		dst = append(dst, '>')
		dst = appendMasked(dst, to, m.DstMask())
		if x := m.Protocol(); x != nil && x.Proto != 0 {
			dst = append(dst, " proto="...)
			dst = AppendProto(dst, x.Proto)
		}
	}
	if x := m.FlowType(); x != nil {
		dst = appendName(append(dst, ' '), d.EnumName(layers.EnumFlowDir, uint64(x.Direction)), uint64(x.Direction))
		dst = appendName(append(dst, ' '), d.EnumName(layers.EnumFlowType, uint64(x.Proto)), uint64(x.Proto))
	}
	if x := m.SAType2(); x != nil {
		dst = append(dst, " satype2="...)
		dst = appendName(dst, d.EnumName(layers.EnumSAType, uint64(x.Proto)), uint64(x.Proto))
	}
	if x := m.Dst2(); x != nil {
		dst = appendAddress(append(dst, " dst2="...), x, false)
	}
	if x := m.SecondSA(); x != nil {
		dst = appendHex32(append(dst, " spi2=0x"...), x.SPI)
	}
	if x := m.Pair(); x != nil {
		dst = appendHex32(append(dst, " pair=0x"...), x.SPI)
	}
	if x := m.UDPEncap(); x != nil {
		dst = strconv.AppendUint(append(dst, " udpencap="...), uint64(x.Port), 10)
	}
	for _, pair := range [...]struct {
		name    string
		src, to *layers.Address
	}{
		{" inner=", m.AddressProxy(), m.AddressInnerDst()},
		{" nat-t=", m.AddressNATTLocal(), m.AddressNATTRemote()},
		{" new=", m.NewAddressSrc(), m.NewAddressDst()},
		{" new=", m.MigrateAddressSrc(), m.MigrateAddressDst()},
	} {
		if pair.to != nil {
			dst = append(dst, pair.name...)
			if pair.src != nil {
				dst = appendAddress(dst, pair.src, false)
			}
			dst = appendAddress(append(dst, '>'), pair.to, false)
		}
	}
	if x := m.Tag(); x != nil {
		if s := text(x.Data[:min(uint32(len(x.Data)), x.TagLen, maxTag)]); s != "" {
			dst = appendPlain(append(dst, " tag="...), s)
		}
	}
	if x := m.IPsecIf(); x != nil {
		if s := text(x.IPsecIf[:]); s != "" {
			dst = appendPlain(append(dst, " if="...), s)
		}
	}
	if x := m.ExtendedRegister(); x != nil {
		dst = append(dst, " for="...)
		for i, t := range x.SATypes {
			if t == 0 {
				break
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendName(dst, d.EnumName(layers.EnumSAType, uint64(t)), uint64(t))
		}
	}
	if x := m.ExtendedProposal(); x != nil {
		dst = strconv.AppendUint(append(dst, " ecombs="...), uint64(x.NumCombs), 10)
	}
	if x := m.SAStats(); x != nil {
		dst = strconv.AppendUint(append(dst, " stats="...), uint64(x.ListLen), 10)
	}
	return dst
}

// appendMasked appends 10.0.0.0/8, or address and mask if the mask's ones do not
// stand together.
func appendMasked(dst []byte, x, mask *layers.Address) []byte {
	if x == nil {
		return append(dst, "any"...)
	}
	dst = appendAddress(dst, x, false)
	if mask == nil {
		return dst
	}
	s, ok := mask.Parse()
	ones, whole := 0, true
	for _, b := range s.Addr.AsSlice() {
		n := bits.LeadingZeros8(^b)
		whole = whole && b<<n == 0 && (b == 0 || ones%8 == 0)
		if whole {
			ones += n
		}
	}
	dst = append(dst, '/')
	if !ok || !whole {
		return appendAddress(dst, mask, false)
	}
	return strconv.AppendInt(dst, int64(ones), 10)
}

// maxTag is how long the tag of a packet can be, its NUL included
// (PF_TAG_NAME_SIZE in OpenBSD's net/pfvar.h).
const maxTag = 64

// text is what comes before the first NUL, or "" if that is no text.
func text(b []byte) string {
	s, _, ends := bytes.Cut(b, []byte{0})
	if !ends || !utf8.Valid(s) {
		return ""
	}
	return string(s)
}
