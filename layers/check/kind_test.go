package check

import (
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
)

// TestKinds holds that no two extensions of a dialect are of one kind, and that a
// kind leads back to its extension.
func TestKinds(t *testing.T) {
	for _, d := range layers.Dialects() {
		seen := map[kinds]string{}
		for _, n := range d.ExtNumbers() {
			kind := kindOfType(d.ExtType(n))
			if kind == 0 || seen[kind] != "" {
				t.Errorf("%v: %s has the kind %#x, as has %q", d, d.ExtName(n), kind, seen[kind])
			}
			seen[kind] = d.ExtName(n)
			for bit := range kindBits {
				if kind == 1<<bit && numberOf(d, bit) != n {
					t.Errorf("%v: bit %d leads to %d, not to %d", d, bit, numberOf(d, bit), n)
				}
			}
		}
	}
	for kind, want := range map[kinds]struct {
		d    layers.Dialect
		name string
	}{
		kFilter: {layers.Linux, "FILTER"}, kIface: {layers.OpenBSD, "IFACE"}, kRangeDstStart: {layers.MacOS, "ADDR_RANGE_DST_START"},
		kMigrateIPsecIf: {layers.MacOS, "MIGRATE_IPSECIF"}, kEReg: {layers.Illumos, "EREG"}, kStrAuth: {layers.Illumos, "STR_AUTH"},
	} {
		number, ok := want.d.ExtNumber(want.name)
		if !ok || kindOfType(want.d.ExtType(number)) != kind {
			t.Errorf("%v %s: kind %#x, want %#x", want.d, want.name, kindOfType(want.d.ExtType(number)), kind)
		}
	}
}
