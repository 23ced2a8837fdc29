package scrub

import (
	"net/netip"
	"testing"
)

// The key and some pairs of the sample trace of the authors' Crypto-PAn 1.0.
func TestCryptoPAn(t *testing.T) {
	a := newAnonymizer([32]byte{21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
		216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2})
	for in, want := range map[string]string{
		"128.11.68.132":   "135.242.180.132",
		"129.118.74.4":    "134.136.186.123",
		"130.132.252.244": "133.68.164.234",
		"141.223.7.43":    "141.167.8.160",
		"141.233.145.108": "141.129.237.235",
	} {
		if got := a.addr(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestPrefixesSurvive(t *testing.T) {
	a := newAnonymizer([32]byte{1})
	for _, p := range []struct{ x, y string }{{"10.1.2.3", "10.1.2.200"}, {"2001:db8::1", "2001:db8::2"}, {"2001:db8:0:1::1", "2001:db9::1"}, {"0.0.0.1", "128.0.0.1"}} {
		x, y := netip.MustParseAddr(p.x), netip.MustParseAddr(p.y)
		if got, want := common(a.addr(x), a.addr(y)), common(x, y); got != want {
			t.Errorf("%v and %v share %d bits, afterwards %d", x, y, want, got)
		}
	}
}

func common(x, y netip.Addr) int {
	for n := x.BitLen(); ; n-- {
		if p, _ := x.Prefix(n); p.Contains(y) {
			return n
		}
	}
}
