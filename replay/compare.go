package replay

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
)

// What says in which way two messages differ.
type What = compare.What

// The ways.
const (
	Value   = compare.Value   // a field has another value, or only one of the two has it
	Added   = compare.Added   // an extension or message that only the target has
	Dropped = compare.Dropped // an extension or message that only the recording has
	Order   = compare.Order   // the same parts in another order
	Octets  = compare.Octets  // no field differs, but octets do that no field shows
	Errno   = What("errno")   // write(2) failed on the target
)

// Difference is one way in which the target's answer is not the recorded one.
// Secret octets never stand in it, only how many they are.
type Difference struct {
	Record   uint64  `json:"record,omitempty"`   // number of the recorded message, 0 if there is none
	Ext      string  `json:"ext,omitempty"`      // extension, lower case; "msg" for the header
	Field    string  `json:"field,omitempty"`    // its member, with indices of lists
	What     What    `json:"what"`               //
	Recorded string  `json:"recorded,omitempty"` // the value, empty if there is none
	Target   string  `json:"target,omitempty"`   // likewise
	Verdict  Verdict `json:"verdict"`            // Volatile, NotReproducible or Different
	Reason   string  `json:"reason,omitempty"`   // why it is volatile or not reproducible
	Why      string  `json:"why,omitempty"`      // of an errno of the target: what most likely brings it, see RunOptions.Why
}

// extMsg is Difference.Ext of the header, and fieldErrno its member with the errno.
const (
	extMsg     = "msg"
	fieldErrno = "errno"
)

// ofErrno reports whether what the target refuses is the difference, or how.
func (d *Difference) ofErrno() bool {
	return d.What == Errno || d.Ext == extMsg && d.Field == fieldErrno
}

// Path returns the field as filters name it, such as "sa.spi".
func (d *Difference) Path() string { return compare.Path{Ext: d.Ext, Field: d.Field}.String() }

// String describes the difference on one line.
func (d *Difference) String() string {
	var b strings.Builder
	if d.Record != 0 {
		fmt.Fprintf(&b, "#%d ", d.Record)
	}
	if p := d.Path(); p != "" {
		b.WriteString(p)
		b.WriteByte(' ')
	}
	switch d.What {
	case Added, Dropped:
		fmt.Fprintf(&b, "%s: ", d.What)
		if d.What == Added {
			b.WriteString(d.Target)
		} else {
			b.WriteString(d.Recorded)
		}
	default:
		if d.Recorded == "" && d.Target == "" {
			b.WriteString("not compared")
			break
		}
		if d.What != Value {
			fmt.Fprintf(&b, "%s ", d.What)
		}
		fmt.Fprintf(&b, "recorded %s, target %s", orNone(d.Recorded), orNone(d.Target))
	}
	if d.Reason != "" {
		fmt.Fprintf(&b, " (%s)", d.Reason)
	}
	if d.Why != "" {
		fmt.Fprintf(&b, " why=%q", d.Why)
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// Compare lists how the target's message is not the recorded one, in the order of
// the wire; an empty list means that they are the same byte for byte. Each
// difference is Volatile or Different; of values a kernel chose, which only a whole
// replay can match, it is Different. Both messages are read with c: see
// layers.Transcode for another byte order. If errno or type differ, the rest is
// not compared.
func Compare(c layers.Codec, recorded, target []byte) []Difference {
	if bytes.Equal(recorded, target) {
		return nil
	}
	var m comparer
	return slices.Clone(m.compare(c, recorded, target, nil))
}

// Worst returns the greatest verdict of a list of differences.
func Worst(list []Difference) Verdict {
	v := Equal
	for i := range list {
		v = max(v, list[i].Verdict)
	}
	return v
}

// comparer compares messages and judges their differences. Its memory is used again.
type comparer struct {
	fields compare.Comparer
	out    []Difference

	bound *bindings // or nil
	rec   uint64

	more  int     // differences that are not in out
	worst Verdict // of those in out
}

// maxDifferences is how many differences of one message are listed; further ones
// only if they are worse.
const maxDifferences = 200

func (m *comparer) add(d Difference) {
	if len(m.out) >= maxDifferences && d.Verdict <= m.worst {
		m.more++
		return
	}
	m.worst = max(m.worst, d.Verdict)
	m.out = append(m.out, d)
}

// compare returns the differences of two messages, valid until the next call.
func (m *comparer) compare(c layers.Codec, recorded, target []byte, bound *bindings) []Difference {
	m.out, m.more, m.worst = m.out[:0], 0, Equal
	m.bound = bound
	if m.fields.Each == nil {
		m.fields.Each = func(x *compare.Difference) {
			d := Difference{Ext: x.Ext, Field: x.Field, What: x.What, Recorded: x.A, Target: x.B, Verdict: Different, Reason: x.Reason}
			m.judge(&d, x)
			m.add(d)
		}
	}
	m.fields.Compare(c, recorded, c, target)
	if m.more > 0 {
		m.out[len(m.out)-1].Reason += fmt.Sprintf(" … and %d more differences of this message", m.more)
	}
	return m.out
}

// judge decides whether a difference is volatile.
func (m *comparer) judge(d *Difference, x *compare.Difference) {
	if x.X == nil && x.Y == nil {
		return
	}
	rule := m.fields.Volatile(x)
	if rule == nil {
		return
	}
	if rule.Chosen != 0 {
		if x.X == nil || x.Y == nil || m.bound == nil {
			return
		}
		v := m.boundValue(rule.Chosen, uint32(x.X.Value.Uint))
		t := uint32(x.Y.Value.Uint)
		switch {
		case m.bound.holds(v, t):
		case rule.Chosen == bindSPI:
			return // GETSPI binds it, nothing else does
		case rule.Chosen == bindReqID && (v.value <= maxManualReqID || t <= maxManualReqID):
			return
		case !m.bound.bind(v, t, m.rec):
			return
		}
	}
	d.Verdict, d.Reason = Volatile, rule.Reason
}

// boundValue is a value of the kind in the recorded message.
func (m *comparer) boundValue(kind bindingKind, value uint32) boundValue {
	v := boundValue{kind: kind, value: value}
	if kind == bindSPI {
		v.satype, v.dst = m.fields.A.SAType, m.fields.A.Dst
	}
	return v
}
