package replay

import "github.com/pfkeycap/pfkeycap/layers/compare"

// VolatileField is a field that may differ between two runs of one conversation
// although both kernels did the same.
type VolatileField = compare.VolatileField

// VolatileFields returns the closed list of fields whose differences are volatile.
func VolatileFields() []VolatileField { return compare.VolatileFields() }
