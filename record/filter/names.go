package filter

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// nDialects is the number of dialects and of NoDialect, for arrays by dialect.
const nDialects = int(layers.NumDialects)

// dialectOf returns the dialect whose tables a record is decoded with.
func dialectOf(r *record.Record) layers.Dialect {
	if d := r.Codec.Dialect; d != layers.NoDialect && int(d) < nDialects {
		return d
	}
	return layers.RFC2367
}

// table is a table of names for numbers: a layers.Enum, or one of those below,
// which are no enumerations of a dialect.
type table uint8

const (
	noTable     table = 0
	firstOther  table = 128
	tErrno      table = firstOther + 0
	tFamily     table = firstOther + 1
	tDirection  table = firstOther + 2
	tDialect    table = firstOther + 3
	tOrder      table = firstOther + 4
	tMalformed  table = firstOther + 5
	maxErrno          = 255
	maxFamily         = 255
	lastReason        = layers.TooDeep
	firstReason       = layers.ShortHeader
)

// name returns the name of a number, or "".
func (t table) name(d layers.Dialect, u uint64) string {
	switch t {
	case tErrno:
		if u > maxErrno {
			return ""
		}
		return d.ErrnoName(uint8(u))
	case tFamily:
		if u > 0xffff {
			return ""
		}
		return d.FamilyName(uint16(u))
	case tDirection:
		return record.Direction(u).String()
	case tDialect:
		return layers.Dialect(u).String()
	case tOrder:
		return layers.Order(u).String()
	case tMalformed:
		if u < uint64(firstReason) || u > uint64(lastReason) {
			return ""
		}
		return layers.Reason(u).Code()
	}
	return d.EnumName(layers.Enum(t), u)
}

// numbers returns the numbers that have a name in a dialect. Case does not
// matter, nor does the header's prefix.
func (t table) numbers(d layers.Dialect, written string) []uint64 {
	switch t {
	case tDirection:
		if v, err := record.ParseDirection(strings.ToLower(written)); err == nil {
			return []uint64{uint64(v)}
		}
		return nil
	case tDialect:
		if v, err := layers.ParseDialect(written); err == nil {
			return []uint64{uint64(v)}
		}
		return nil
	case tOrder:
		if v, err := layers.ParseOrder(written); err == nil {
			return []uint64{uint64(v)}
		}
		return nil
	case tErrno, tFamily, tMalformed:
		var list []uint64
		for u := range uint64(maxErrno + 1) {
			if n := t.name(d, u); n != "" && strings.EqualFold(n, written) {
				list = append(list, u)
			}
		}
		return list
	}
	v, ok := d.EnumValue(layers.Enum(t), written)
	if !ok {
		return nil
	}
	var list []uint64
	names := d.EnumNames(layers.Enum(t))
	for u, n := range names { // a header may give one name to two numbers
		if n == names[v] {
			list = append(list, uint64(u))
		}
	}
	return list
}

// names lists the names in a table.
func (t table) names(d layers.Dialect) []string {
	switch t {
	case tDirection:
		return []string{record.ToKernel.String(), record.FromKernel.String(), record.Unknown.String()}
	case tDialect:
		var list []string
		for _, d := range layers.Dialects() {
			list = append(list, d.String())
		}
		return list
	case tOrder:
		return []string{layers.LittleEndian.String(), layers.BigEndian.String()}
	case tErrno, tFamily, tMalformed:
		var list []string
		for u := range uint64(maxErrno + 1) {
			if n := t.name(d, u); n != "" {
				list = append(list, n)
			}
		}
		return list
	}
	var list []string
	for _, n := range d.EnumNames(layers.Enum(t)) {
		if n != "" {
			list = append(list, n)
		}
	}
	return list
}

// flagTable holds the names of the 32 bits of a set of flags, "" for bits that have
// none. In every dialect one flag is one bit.
type flagTable [32]string

// flagTables are those of each dialect by table, nil for tables that are no flags.
var flagTables = sync.OnceValue(func() *[nDialects][firstOther]*flagTable {
	all := new([nDialects][firstOther]*flagTable)
	for _, d := range layers.Dialects() {
		for t := range firstOther {
			if n := d.FlagNames(layers.Enum(t), math.MaxUint32); strings.HasPrefix(n[0], "0x") {
				continue
			}
			list := new(flagTable)
			for bit := range list {
				if n := d.FlagNames(layers.Enum(t), 1<<bit); !strings.HasPrefix(n[0], "0x") {
					list[bit] = n[0]
				}
			}
			all[d][t] = list
		}
	}
	return all
})

// flags returns the names of a set of flags, which has none if t is no table of
// flags.
func (t table) flags(d layers.Dialect) *flagTable {
	if t < firstOther {
		if list := flagTables()[d][t]; list != nil {
			return list
		}
	}
	return &noFlags
}

var noFlags flagTable

// flagMask returns the bit that has a name in a dialect. Case does not matter, and
// neither does a prefix that begins with SADB_.
func flagMask(d layers.Dialect, t table, written string) (mask uint64, ok bool) {
	longest := 0
	for bit, n := range t.flags(d) {
		if n == "" || len(n) < longest {
			continue
		}
		at := len(written) - len(n)
		if at < 0 || !strings.EqualFold(written[at:], n) {
			continue
		}
		if p := written[:at]; p == "" || strings.HasPrefix(strings.ToUpper(p), "SADB_") && strings.HasSuffix(p, "_") {
			mask, longest, ok = 1<<bit, len(n), true
		}
	}
	return mask, ok
}

// appendFlags appends what a set of flags holds: names, lowest bit first, and the
// bits without a name together as hex.
func appendFlags(dst []string, names *flagTable, u uint64) []string {
	rest := u
	for bit, n := range names {
		if n != "" && u&(1<<bit) != 0 {
			dst = append(dst, n)
			rest &^= 1 << bit
		}
	}
	if rest != 0 {
		dst = append(dst, "0x"+strconv.FormatUint(rest, 16))
	}
	return dst
}

// addTable adds a table to a list without repeating it.
func addTable(list []table, t table) []table {
	if t == noTable || slices.Contains(list, t) {
		return list
	}
	return append(list, t)
}
