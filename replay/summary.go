package replay

import (
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
)

// summary describes a message on one line.
func summary(m *layers.Message) string { return compare.Summary(m) }
