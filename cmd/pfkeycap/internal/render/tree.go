package render

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// tree is the Visitor behind -v.
type tree struct {
	p      *Printer
	r      *record.Record
	out    []byte
	depth  int
	number uint16
	index  []int // of the item in each open list
	sums   lifetimes
}

// lifetimes remembers the CURRENT lifetime of a message to say what remains of
// its limits, which may come before it.
type lifetimes struct {
	added, used uint64
	known       bool
	now         time.Time
}

func (p *Printer) appendTree(dst []byte, r *record.Record) []byte {
	t := &p.tree
	t.p, t.r, t.out, t.depth = p, r, dst, 1
	t.index = t.index[:0]
	t.sums = lifetimes{now: r.Time}
	if x := p.msg.LifetimeCurrent(); x != nil {
		t.sums.added, t.sums.used, t.sums.known = x.AddTime, x.UseTime, true
	}
	r.Codec.Walk(p.data(r), t)
	return t.out
}

func (t *tree) line() {
	t.out = append(t.out, indent[:2*min(t.depth, 16)]...)
}

func (t *tree) str(s string) { t.out = append(t.out, s...) }

func (t *tree) in(s style) { t.out = t.p.in(t.out, s) }

func (t *tree) kv(name string, v uint64) {
	t.out = append(t.out, ' ')
	t.str(name)
	t.out = append(t.out, '=')
	t.out = strconv.AppendUint(t.out, v, 10)
}

func (t *tree) named(name string, v uint64, text string) {
	t.kv(name, v)
	if text != "" {
		t.out = append(t.out, '(')
		t.str(text)
		t.out = append(t.out, ')')
	}
}

func (t *tree) words(v uint16) {
	t.kv("len", uint64(v))
	t.out = append(t.out, '(')
	t.out = strconv.AppendUint(t.out, uint64(v)*layers.Word, 10)
	t.str(" bytes)")
}

func (t *tree) Base(b *layers.Base, offset, depth int) {
	d := b.Codec.Dialect
	t.line()
	t.in(stylePart)
	t.str("sadb_msg")
	t.in(stylePlain)
	t.str(" @")
	t.out = strconv.AppendInt(t.out, int64(offset), 10)
	t.kv("version", uint64(b.Version))
	t.named("type", uint64(b.Type), d.EnumName(layers.EnumMsgType, uint64(b.Type)))
	t.named("errno", uint64(b.Errno), d.ErrnoName(b.Errno))
	t.named("satype", uint64(b.SAType), d.EnumName(d.SATypeEnum(b.Type, b.SAType), uint64(b.SAType)))
	t.words(b.Len)
	if b.Reserved != 0 || t.p.opt.Verbose > 1 {
		t.named("reserved", uint64(b.Reserved), d.EnumName(layers.EnumDiagnostic, uint64(b.Reserved)))
	}
	t.kv("seq", uint64(b.Seq))
	t.kv("pid", uint64(b.PID))
	t.out = append(t.out, '\n')
	t.depth++
}

func (t *tree) End() { t.depth-- }

func (t *tree) Extension(h *layers.Header, number uint16, name string, offset int, short bool) {
	t.line()
	if name == "" {
		name = "UNKNOWN"
	}
	t.in(stylePart)
	t.str(name)
	t.in(stylePlain)
	t.str(" @")
	t.out = strconv.AppendInt(t.out, int64(offset), 10)
	t.kv("exttype", uint64(number))
	t.words(h.Len)
	if short {
		t.in(styleProblem)
		t.str(" too short for its structure:")
		t.in(stylePlain)
	}
	t.number = number
	t.depth++
}

func (t *tree) EndExtension() {
	t.depth--
	t.out = append(t.out, '\n')
}

func (t *tree) Open(k layers.NodeKind, name string) {
	switch k {
	case layers.List:
		t.index = append(t.index, 0)
		t.out = append(t.out, ' ')
		t.str(name)
		t.out = append(t.out, ':')
	case layers.Item:
		i := len(t.index) - 1
		t.out = append(t.out, '\n')
		t.line()
		t.out = append(t.out, '[')
		t.out = strconv.AppendInt(t.out, int64(t.index[i]), 10)
		t.out = append(t.out, ']')
		t.index[i]++
		t.depth++
	case layers.Object:
		t.out = append(t.out, ' ')
		t.str(name)
		t.out = append(t.out, '{')
	}
}

func (t *tree) Close(k layers.NodeKind) {
	switch k {
	case layers.List:
		t.index = t.index[:len(t.index)-1]
	case layers.Item:
		t.depth--
	case layers.Object:
		t.out = append(t.out, " }"...)
	}
}

func (t *tree) Field(f *layers.Field, v *layers.Value) {
	if f.Sem == layers.SemReserved && v.Zero() && t.p.opt.Verbose < 2 {
		return
	}
	t.out = append(t.out, ' ')
	if f.Name != "" {
		t.str(f.Name)
		t.out = append(t.out, '=')
	}
	switch {
	case v.Kind == layers.Hidden:
		t.hidden(v.Bytes, v.Key)
	case f.Sem == layers.SemIPProto && v.Uint < 256:
		t.out = strconv.AppendUint(t.out, v.Uint, 10)
		if n := protocols[uint8(v.Uint)]; n != "" && v.Uint != 0 {
			t.out = append(t.out, '(')
			t.str(n)
			t.out = append(t.out, ')')
		}
	case f.Sem == layers.SemSeconds:
		t.seconds(f, v.Uint)
	case f.Sem == layers.SemOctets:
		t.out = strconv.AppendUint(t.out, v.Uint, 10)
		t.octets(v.Uint)
	default:
		t.out = layers.AppendValue(t.out, t.r.Codec.Dialect, f, v)
	}
}

// hidden shows a secret if it may, else its length and name.
func (t *tree) hidden(b []byte, key int) {
	if t.p.opt.ShowKeys {
		t.out = hex.AppendEncode(t.out, b)
		return
	}
	t.str("··(")
	t.out = strconv.AppendInt(t.out, int64(len(b)), 10)
	t.str(" bytes")
	if t.p.opt.ID != nil {
		id := t.p.opt.ID(t.r, b, key)
		t.str(", id ")
		t.out = hex.AppendEncode(t.out, id[:])
	}
	t.out = append(t.out, ')')
}

// octets adds a unit to a number of bytes that is hard to read without one.
func (t *tree) octets(v uint64) {
	const units = "KMGTPE"
	if v < 10240 {
		return
	}
	f, i := float64(v)/1024, 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	t.out = append(t.out, '(')
	t.out = strconv.AppendFloat(t.out, f, 'f', 1, 64)
	t.out = append(t.out, ' ', units[i])
	t.str("iB)")
}

// seconds shows a duration with units and, for a limit whose SA has a CURRENT
// lifetime in the same message, what remains of it; a moment as a date.
func (t *tree) seconds(f *layers.Field, v uint64) {
	t.out = strconv.AppendUint(t.out, v, 10)
	if v == 0 {
		return
	}
	since := uint64(0)
	switch typ := t.r.Codec.Dialect.ExtType(t.number); typ {
	case layers.LayerTypeLifetimeCurrent, layers.LayerTypeLifetimeLastUse, layers.LayerTypeSAStats:
		if v < maxSeconds {
			t.out = append(t.out, '(')
			t.out = time.Unix(int64(v), 0).UTC().AppendFormat(t.out, time.RFC3339)
			t.out = append(t.out, ')')
		}
		return
	case layers.LayerTypeLifetimeHard, layers.LayerTypeLifetimeSoft:
		if f.Name == "addtime" {
			since = t.sums.added
		} else {
			since = t.sums.used
		}
	}
	if v >= maxSeconds {
		return
	}
	t.out = append(t.out, '(')
	t.out = appendDuration(t.out, int64(v))
	if t.sums.known && since != 0 && since < maxSeconds {
		left := int64(since+v) - t.sums.now.Unix()
		if left >= 0 {
			t.str(", ")
			t.out = appendDuration(t.out, left)
			t.str(" left")
		} else {
			t.str(", over since ")
			t.out = appendDuration(t.out, -left)
		}
	}
	t.out = append(t.out, ')')
}

// appendDuration appends seconds, of which there are 0 or more, as 1d2h, 8h, 3m20s:
// the two largest units.
func appendDuration(dst []byte, s int64) []byte {
	switch {
	case s < 60:
		return append(strconv.AppendInt(dst, s, 10), 's')
	case s < 3600:
		return appendUnits(dst, s/60, 'm', s%60, 's')
	case s < 86400:
		return appendUnits(dst, s/3600, 'h', s/60%60, 'm')
	}
	return appendUnits(dst, s/86400, 'd', s/3600%24, 'h')
}

// appendUnits appends two numbers with their units, the second unless it is 0.
func appendUnits(dst []byte, n int64, unit byte, rest int64, smaller byte) []byte {
	dst = append(strconv.AppendInt(dst, n, 10), unit)
	if rest != 0 {
		dst = append(strconv.AppendInt(dst, rest, 10), smaller)
	}
	return dst
}

func (t *tree) Malformed(rest []byte, offset int, r layers.Reason) {
	t.line()
	t.in(styleProblem)
	t.str("malformed")
	t.in(stylePlain)
	t.str(" @")
	t.out = strconv.AppendInt(t.out, int64(offset), 10)
	t.out = append(t.out, ' ')
	t.str(r.String())
	t.str(" rest=")
	t.hidden(rest, 0)
	t.out = append(t.out, '\n')
}

// appendHex appends the bytes of the record in hex, secret ones as dots.
func (p *Printer) appendHex(dst []byte, r *record.Record) []byte {
	b := p.data(r)
	p.spans = p.spans[:0]
	if !p.opt.ShowKeys {
		p.spans = r.Codec.AppendSecrets(p.spans, b)
	}
	next := 0
	for at := 0; at < len(b); at += 16 {
		dst = append(dst, "\t0x"...)
		dst = appendHex16(dst, at)
		dst = append(dst, ':', ' ')
		end := min(at+16, len(b))
		for i := at; i < end; i++ {
			if (i-at)%2 == 0 {
				dst = append(dst, ' ')
			}
			for next < len(p.spans) && i >= p.spans[next].Offset+p.spans[next].Len {
				next++
			}
			if next < len(p.spans) && i >= p.spans[next].Offset {
				dst = append(dst, "··"...)
			} else {
				dst = append(dst, digits[b[i]>>4], digits[b[i]&15])
			}
		}
		dst = append(dst, '\n')
	}
	return dst
}

func appendHex16(dst []byte, v int) []byte {
	if v > 0xffff {
		dst = append(dst, digits[v>>16&15])
	}
	for s := 12; s >= 0; s -= 4 {
		dst = append(dst, digits[v>>s&15])
	}
	return dst
}
