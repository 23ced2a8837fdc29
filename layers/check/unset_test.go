package check_test

import (
	"slices"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// TestUnset: which octets that are not zero are the kernel's memory, by kernel and
// message.
func TestUnset(t *testing.T) {
	six := func(end byte) extFunc {
		return func(c layers.Codec) layers.Extension {
			a := addr(layers.LayerTypeAddressSrc, "2001:db8::1", 0, 128, 0)(c).(*layers.Address)
			a.Sockaddr = append(a.Sockaddr[:28:28], 0, end, 0, 0)
			return a
		}
	}
	sa2 := func(layers.Codec) layers.Extension { return &layers.SA2{Mode: 1, Reserved2: 7} }
	kmaddress := func(layers.Codec) layers.Extension { return &layers.KMAddress{Reserved: 7} }
	supported := func(c layers.Codec) layers.Extension {
		return &layers.Supported{Header: layers.For(layers.LayerTypeSupportedAuth), Reserved: 3, List: c.AppendAlg(c.AppendAlg(nil, layers.Alg{ID: 2, Reserved: 9}), layers.Alg{ID: 3, Reserved: 9})}
	}
	reserved := func(m *message) *message { m.base.Reserved = 5; return m }
	for _, tc := range []struct {
		name    string
		dialect layers.Dialect
		m       *message
		want    []string
	}{
		{"nothing", layers.Linux, newMessage(layers.ADD, layers.SATypeESP).add(sa(1, 3, 12), src4(), dst4()), nil},
		{"after a sockaddr_in6", layers.Linux, newMessage(layers.ACQUIRE, layers.SATypeESP).add(six(7)), []string{"ADDRESS_SRC.pad"}},
		{"a sound sockaddr_in6", layers.Linux, newMessage(layers.ACQUIRE, layers.SATypeESP).add(six(0)), nil},
		{"reserved", layers.Linux, newMessage(layers.ADD, layers.SATypeESP).add(sa(1, 3, 12), sa2), []string{"SA2.reserved2"}},
		{"each place once", layers.Linux, newMessage(layers.REGISTER, layers.SATypeESP).add(supported), []string{"SUPPORTED_AUTH.reserved"}},
		{"the header", layers.Linux, reserved(newMessage(layers.REGISTER, layers.SATypeESP)), []string{"msg.reserved"}},
		{"a reference count", layers.Linux, reserved(newMessage(layers.SPDGET, 0)), nil},
		{"given back", layers.Linux, newMessage(layers.MIGRATE, 0).add(kmaddress), nil},
		{"relayed", layers.Linux, newMessage(layers.PROMISC, 0).add(sa2), nil},
		{"FreeBSD sends it back", layers.FreeBSD, newMessage(layers.ADD, layers.SATypeESP).add(sa(1, 3, 12), sa2), nil},
		{"FreeBSD sets the SPI only", layers.FreeBSD, newMessage(layers.GETSPI, layers.SATypeESP).add(saWith(layers.SA{SPI: 1, Replay: 9, Flags: 3})), []string{"SA.replay", "SA.flags"}},
		{"NetBSD sets all", layers.NetBSD, newMessage(layers.GETSPI, layers.SATypeESP).add(saWith(layers.SA{SPI: 1, State: 1})), nil},
		{"NetBSD, no request has it", layers.NetBSD, newMessage(layers.REGISTER, layers.SATypeESP).add(supported), []string{"SUPPORTED_AUTH.reserved"}},
		{"not known of OpenBSD", layers.OpenBSD, newMessage(layers.REGISTER, layers.SATypeESP).add(supported), nil},
	} {
		for _, order := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			t.Run(tc.name+"/"+order.String(), func(t *testing.T) {
				var u check.Unset
				c := layers.Codec{Dialect: tc.dialect, Order: order}
				b := tc.m.bytes(t, c)
				for range 2 { // nothing is left of the call before
					if got := u.In(c, b); !slices.Equal(got, tc.want) {
						t.Errorf("%q, want %q", got, tc.want)
					}
				}
				for n := range b {
					u.In(c, b[:n])
				}
			})
		}
	}
}
