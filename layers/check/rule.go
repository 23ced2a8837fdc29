package check

import (
	"slices"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Rule describes one rule.
type Rule struct {
	Code     string         // the same on every system that has the rule
	Dialect  layers.Dialect // whose rule it is; RFC2367's hold in every dialect
	Severity Severity
	Errno    uint8   // the kernel's answer to a request that breaks the rule, an error number of the dialect; 0: it accepts it
	ByWrite  bool    // the answer is the errno of write(2)
	May      []uint8 // answers that some kernels give where Errno is 0
	State    bool    // it hangs on what a kernel has and holds: only a Model finds it
	Text     string  // what the rule objects to
	Instead  string  // what would work
	Source   string  // where the rule is from

	id code
}

// Rules lists every rule of every dialect, dialect by dialect in the order of
// [layers.Dialects], those of a kernel roughly in the order in which it applies
// them.
func Rules() []Rule {
	var list []Rule
	for _, d := range layers.Dialects() {
		if s := kernelOf(d); s != nil {
			list = append(list, s.rules...)
		}
	}
	for i := range list {
		list[i].May = slices.Clone(list[i].May)
	}
	return list
}
