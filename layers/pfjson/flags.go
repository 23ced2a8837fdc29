package pfjson

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// flagTable holds the names of the 32 bits of a set of flags, "" for those that
// have none. In every dialect one flag is one bit.
type flagTable [32]string

// flagTables holds the tables of a dialect by layers.Enum; of those that are no
// flags it has none.
type flagTables [shape.NumEnums]*flagTable

// flagsOf returns the table of a dialect, nil if the numbers are no flags.
func flagsOf(d layers.Dialect, e layers.Enum) *flagTable { return tablesOf(d).flags[e] }

func flagTableOf(d layers.Dialect, e layers.Enum) *flagTable {
	t := new(flagTable)
	for bit := range t {
		if n := d.FlagNames(e, 1<<bit); !strings.HasPrefix(n[0], "0x") {
			t[bit] = n[0]
		}
	}
	return t
}

// appendNames appends the names of the bits set in v as a JSON array, lowest
// first; the bits without a name come last, together, as hex.
func (t *flagTable) appendNames(dst []byte, v uint32) []byte {
	dst = append(dst, '[')
	if v != 0 {
		var rest uint32
		for ; v != 0; v &= v - 1 {
			name := t[bits.TrailingZeros32(v)]
			if name == "" {
				rest |= v & -v
				continue
			}
			dst = append(dst, '"')
			dst = append(dst, name...)
			dst = append(dst, `",`...)
		}
		if rest != 0 {
			dst = append(dst, `"0x`...)
			dst = strconv.AppendUint(dst, uint64(rest), 16)
			dst = append(dst, `",`...)
		}
		dst = dst[:len(dst)-1]
	}
	return append(dst, ']')
}

// flagPrefixes are what the headers write before the names of flags.
var flagPrefixes = [...]string{"", "SADB_SAFLAGS_", "SADB_X_SAFLAGS_", "SADB_X_EXT_"}

// flagValue is the inverse of one element of what appendNames writes. Case
// does not matter and the header's prefix may stand before the name.
func flagValue(d layers.Dialect, e layers.Enum, name string) (uint32, bool) {
	if digits, ok := strings.CutPrefix(name, "0x"); ok {
		v, err := strconv.ParseUint(digits, 16, 32)
		return uint32(v), err == nil
	}
	for bit, n := range flagsOf(d, e) {
		for _, prefix := range flagPrefixes {
			if n != "" && strings.EqualFold(prefix+n, name) {
				return 1 << bit, true
			}
		}
	}
	return 0, false
}
