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

// TestObjections holds that an objection has one code, and none is without a kernel
// that makes it.
func TestObjections(t *testing.T) {
	seen := map[string]code{}
	for _, d := range layers.Dialects() {
		kernelOf(d)
	}
	for id := code(1); id < numCodes; id++ {
		o := &objections[id]
		if o.code == "" || seen[o.code] != 0 {
			t.Errorf("objection %d has the code %q, as has %d", id, o.code, seen[o.code])
		}
		seen[o.code] = id
		used := portRules()[id] != nil
		for _, s := range kernels {
			used = used || s != nil && s.rule(id) != nil
		}
		if !used {
			t.Errorf("no kernel has a rule %q", o.code)
		}
	}
}
