package pfjson

import (
	"slices"
	"strconv"
	"sync"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
)

// tables holds texts of a dialect that are the same in every message.
type tables struct {
	dialect string   // `,"dialect":"linux","order":"`
	types   []string // of messages, by number: `3,"type_name":"ADD"`; "" if it has no name
	satypes []string
	exts    []string   // by number: an extension up to its offset; "" if it is unknown
	members [][]member // by layout
	flags   flagTables
}

// tablesOf returns the tables of a dialect. They are made when first asked for, so
// that programs that never do start without them.
func tablesOf(d layers.Dialect) *tables {
	if d >= layers.NumDialects {
		d = layers.NoDialect
	}
	return allTables[d]()
}

var allTables = func() (list [layers.NumDialects]func() *tables) {
	for i := range list {
		d := layers.Dialect(i)
		list[i] = sync.OnceValue(func() *tables { return newTables(d) })
	}
	return list
}()

func newTables(d layers.Dialect) *tables {
	t := &tables{
		dialect: `,"dialect":"` + d.String() + `","order":"`,
		types:   namedNumbers(d, layers.EnumMsgType, "type"),
		satypes: namedNumbers(d, layers.EnumSAType, "satype"),
		members: make([][]member, len(shape.Table)),
	}
	numbers := d.ExtNumbers()
	t.exts = make([]string, numbers[len(numbers)-1]+1)
	for _, n := range numbers {
		t.exts[n] = `{"name":"` + d.ExtName(n) + `","exttype":` + strconv.Itoa(int(n)) + `,"offset":`
	}
	for i := range shape.Table {
		fields := shape.Table[i].Fields
		t.members[i] = make([]member, len(fields))
		for k := range fields {
			f := &fields[k]
			t.members[i][k] = newMember(d, f)
			if f.Sem == shape.Flags && t.flags[f.Enum] == nil {
				t.flags[f.Enum] = flagTableOf(d, f.Enum)
			}
		}
	}
	return t
}

// member is how a member of a structure is written.
type member struct {
	field  *shape.Field
	place  shape.Place
	form   form
	key    [maxKey]byte // `,"name":`, of one size so that it is copied without a call
	keyLen uint8
	names  []string                  // of an enum
	algs   *[shape.NumEnums][]string // of an algorithm, by table
}

// maxKey is the room for a key.
const maxKey = 32

// form is what is to be done for a member.
type form uint8

const (
	walked    form = iota // it is left to Field
	number                // a number
	optional              // a number that is left out if it is 0
	named                 // a number with its name
	algorithm             // one whose table is that of the extension
	spi
	flags
)

func newMember(d layers.Dialect, f *shape.Field) member {
	m := member{field: f, place: f.Place(), form: number}
	m.keyLen = uint8(copy(m.key[:], `,"`+f.Name+`":`))
	switch {
	case f.Enum == shape.AlgID:
		m.form, m.algs = algorithm, new([shape.NumEnums][]string)
		for _, e := range [...]shape.EnumID{shape.Auth, shape.Encrypt, shape.Comp} {
			m.algs[e] = namedNumbers(d, e, f.Name)
		}
	case f.Order == shape.Bytes, f.Sem == shape.Family, f.Enum >= shape.NumEnums:
		m.form = walked
	case f.Sem == shape.Reserved:
		m.form = optional
	case f.Sem == shape.SPI:
		m.form = spi
	case f.Sem == shape.Flags:
		m.form = flags
	case f.Sem == shape.Enum:
		m.form = named
		m.names = namedNumbers(d, f.Enum, f.Name)
	}
	return m
}

// namedNumbers makes the texts of the numbers of a table that have names.
func namedNumbers(d layers.Dialect, e layers.Enum, field string) []string {
	names := d.EnumNames(e)
	list := make([]string, len(names))
	for v, name := range names {
		if name != "" {
			list[v] = strconv.Itoa(v) + `,"` + field + `_name":"` + name + `"`
		}
	}
	return list
}

// Members implements shape.MemberVisitor.
func (w *writer) Members(layout int, b []byte, alg shape.EnumID, from, to int) int {
	members := w.tables.members[layout][:to]
	dst := w.dst
	at := len(dst)
	if dst[at-1] == '{' {
		at-- // for the comma of what comes first
		dst = dst[:at]
	}
	i := from
	for ; i < len(members); i++ {
		m := &members[i]
		if m.form == walked {
			break
		}
		u := m.place.Load(b, w.big)
		if u == 0 && m.form == optional {
			continue
		}
		n := len(dst)
		if cap(dst)-n < maxKey {
			dst = slices.Grow(dst, maxKey)
		}
		dst = dst[:n+maxKey]
		*(*[maxKey]byte)(dst[n:]) = m.key
		dst = dst[:n+int(m.keyLen)]
		switch m.form {
		default:
			dst = appendUint(dst, u)
		case named:
			dst = appendNamed(dst, m.names, u)
		case algorithm:
			dst = appendNamed(dst, m.algs[alg], u)
		case spi:
			dst = appendSPI(dst, uint32(u))
		case flags:
			dst = w.appendFlags(dst, m.field, u)
		}
	}
	if n := len(w.dst); at < n {
		dst = dst[:max(n, len(dst))]
		dst[at] = '{'
	}
	w.dst = dst
	return i
}

// appendNamed appends a number and its name, if it has one.
func appendNamed(dst []byte, names []string, u uint64) []byte {
	if u < uint64(len(names)) && names[u] != "" {
		return append(dst, names[u]...)
	}
	return appendUint(dst, u)
}

var _ shape.MemberVisitor = (*writer)(nil)
