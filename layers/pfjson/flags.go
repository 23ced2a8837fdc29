package pfjson

import (
	"math/bits"
	"strconv"
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// flagTable holds the names of the 32 bits of a set of flags, "" for those that
// have none. In every dialect one flag is one bit.
type flagTable [32]string

// flagTables holds the tables of a dialect by layers.Enum; of those that are no
// flags it has none.
type flagTables [shape.NumEnums]*flagTable

// flagsOf returns the table of a dialect. Tables are made when first asked for, so
// that programs that never do start without them.
func flagsOf(d layers.Dialect, e layers.Enum) *flagTable {
	if int(d) >= len(allFlags) {
		d = layers.NoDialect
	}
	return allFlags[d]()[e]
}

var allFlags = func() []func() *flagTables {
	list := []func() *flagTables{}
	for d := range layers.Dialect(len(layers.Dialects()) + 1) { // and NoDialect
		list = append(list, sync.OnceValue(func() *flagTables {
			t := new(flagTables)
			for i := range shape.Table {
				for _, f := range shape.Table[i].Fields {
					if f.Sem == shape.Flags && t[f.Enum] == nil {
						t[f.Enum] = flagTableOf(d, f.Enum)
					}
				}
			}
			return t
		}))
	}
	return list
}()

func flagTableOf(d layers.Dialect, e layers.Enum) *flagTable {
	t := new(flagTable)
	for bit := range t {
		if n := d.FlagNames(e, 1<<bit); !strings.HasPrefix(n[0], "0x") {
			t[bit] = n[0]
		}
	}
	return t
}

// appendFlagNames appends the names of the bits set in v as a JSON array, lowest
// first; the bits without a name come last, together, as hex.
func appendFlagNames(dst []byte, d layers.Dialect, e layers.Enum, v uint32) []byte {
	dst = append(dst, '[')
	if v != 0 {
		t := flagsOf(d, e)
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

// flagValue is the inverse of one element of what appendFlagNames writes. Case
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
