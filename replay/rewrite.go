package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers"
)

// rewrite decides what of a request is sent otherwise than it was recorded.
func (p *planner) rewrite(s *Step, it *item) {
	s.msg = bytes.Clone(it.data)
	s.Rewrites = append(s.Rewrites, it.mapped...)
	m := p.lives.decode(&it.heard)
	if m.Reserved != 0 && !s.refused {
		s.Rewrites = append(s.Rewrites, Rewrite{"msg.reserved", fmt.Sprint(m.Reserved), "0", "kernels refuse any other value"})
		s.codec.Order.Binary().PutUint16(s.msg[6:], 0)
	}
	if s.typ == layers.GETSPI && len(s.answers) > 0 && !s.answers[0].cut {
		p.narrow(s)
	}
}

const fieldRange = "spirange"

// narrow makes a GETSPI ask for the one SPI that the recorded kernel chose.
func (p *planner) narrow(s *Step) {
	a := p.lives.decode(&s.answers[0].heard)
	sa := a.SA()
	if a.Errno != 0 || sa == nil {
		return
	}
	spi, why := sa.SPI, fmt.Sprintf("the SPI that the recorded kernel chose, #%d", s.answers[0].number)
	h := s.answers[0].heard
	h.codec, h.data = s.codec, s.msg
	m := p.lives.decode(&h)
	if m.Rest != nil {
		return // there is no telling what the kernel makes of it
	}
	asked := m.SPIRange()
	one, err := s.codec.Encode(&layers.Base{}, &layers.SPIRange{Min: spi, Max: spi})
	if err != nil {
		return // the dialect has no ranges
	}
	one = one[layers.BaseLen:]
	switch {
	case asked == nil:
		s.original = bytes.Clone(s.msg)
		s.msg = append(s.msg, one...)
		s.codec.Order.Binary().PutUint16(s.msg[4:], uint16(len(s.msg)/layers.Word))
		s.Rewrites = append(s.Rewrites, Rewrite{fieldRange, "", fmt.Sprintf("0x%08x", spi), why})
	case asked.Min != spi || asked.Max != spi:
		s.original = bytes.Clone(s.msg)
		s.Rewrites = append(s.Rewrites,
			Rewrite{fieldRange, fmt.Sprintf("0x%08x-0x%08x", asked.Min, asked.Max), fmt.Sprintf("0x%08x", spi), why})
		at := int(asked.Offset)
		copy(s.msg[at+layers.ExtLen:], one[layers.ExtLen:layers.ExtLen+8])
	}
}

// refer finds the places of a request that hold a value the recorded kernel chose
// before, and the step that may find another value for it.
func (p *planner) refer(s *Step) {
	f := refFinder{acquires: p.lives.acquires}
	s.codec.Walk(s.msg, &f)
	for i := range f.refs {
		if r := &f.refs[i]; r.kind == bindSPI {
			r.satype, r.dst = f.satype, f.dst
		}
	}
	s.refs = f.refs
	for _, r := range s.refs {
		g, ok := p.givers[r.boundValue]
		if !ok { // then it must not be one that the target chose meanwhile
			g, ok = p.givers[boundValue{kind: r.kind}]
		}
		if ok {
			s.needs = max(s.needs, g)
		}
	}
}

// give notes which values the answers to a step have that later steps may name.
func (p *planner) give(s *Step, index int) {
	for i := range s.answers {
		a := &s.answers[i]
		m := p.lives.decode(&a.heard)
		if m.Errno != 0 {
			continue
		}
		if sa, dst := m.SA(), m.AddressDst(); s.typ == layers.GETSPI && sa != nil && dst != nil {
			p.givers[boundValue{kind: bindSPI, satype: m.SAType, dst: dst.Addr(), value: sa.SPI}] = index
			p.givers[boundValue{kind: bindSPI}] = index
		}
		if pol := m.Policy(); pol != nil {
			p.givers[boundValue{kind: bindPolicyID, value: pol.ID}] = index
			p.givers[boundValue{kind: bindPolicyID}] = index
			for _, r := range pol.Requests() {
				if r.ReqID > maxManualReqID {
					p.givers[boundValue{kind: bindReqID, value: r.ReqID}] = index
				}
			}
		}
	}
}

// refFinder is a Visitor that finds the values that kernels choose.
type refFinder struct {
	acquires map[uint32]acquire
	refs     []ref
	satype   uint8
	dst      netip.Addr
	ext      string
	depth    int
}

func (f *refFinder) Base(b *layers.Base, offset, depth int) {
	f.satype, f.depth = b.SAType, depth
	if _, ok := f.acquires[b.Seq]; ok && depth == 0 && b.Seq != 0 {
		f.refs = append(f.refs, ref{boundValue{kind: bindSeq, value: b.Seq}, offset + 8, false, "msg.seq"})
	}
}

func (f *refFinder) Extension(_ *layers.Header, _ uint16, name string, _ int, _ bool) { f.ext = name }

func (f *refFinder) Field(field *layers.Field, v *layers.Value) {
	if f.depth != 0 {
		return
	}
	add := func(kind bindingKind, path string) {
		f.refs = append(f.refs, ref{boundValue{kind: kind, value: uint32(v.Uint)}, v.Offset, field.Sem == layers.SemSPI, path})
	}
	switch {
	case v.Kind == layers.Addr && f.ext == "ADDRESS_DST":
		f.dst = v.Addr
	case v.Kind != layers.Number || v.Size != 4:
	case f.ext == "SA" && field.Name == "spi" && v.Uint != 0:
		add(bindSPI, "sa.spi")
	case f.ext == "POLICY" && field.Name == "id" && v.Uint != 0:
		add(bindPolicyID, "policy.id")
	case f.ext == "SA2" && field.Name == "reqid" && v.Uint > maxManualReqID:
		add(bindReqID, "sa2.reqid")
	case f.ext == "POLICY" && field.Name == "reqid" && v.Uint > maxManualReqID:
		add(bindReqID, "policy.requests.reqid")
	}
}

func (f *refFinder) Open(layers.NodeKind, string)         {}
func (f *refFinder) Close(layers.NodeKind)                {}
func (f *refFinder) EndExtension()                        {}
func (f *refFinder) Malformed([]byte, int, layers.Reason) {}
func (f *refFinder) End()                                 {}

// binds reports whether the target has another value for something that the request
// names.
func (s *Step) binds(b *bindings) bool {
	if len(b.list) == 0 {
		return false
	}
	for i := range s.refs {
		if b.target(s.refs[i].boundValue) != s.refs[i].value {
			return true
		}
	}
	return false
}

// bindInto writes the target's values into a request, and lists what changed.
func (s *Step) bindInto(msg []byte, o layers.Order, b *bindings) (done []Rewrite) {
	for _, r := range s.refs {
		t := b.target(r.boundValue)
		if t == r.value || r.offset+4 > len(msg) {
			continue
		}
		if r.net {
			binary.BigEndian.PutUint32(msg[r.offset:], t)
		} else {
			o.Binary().PutUint32(msg[r.offset:], t)
		}
		format := "%d"
		if r.kind == bindSPI {
			format = "0x%08x"
		}
		done = append(done, Rewrite{r.field, fmt.Sprintf(format, r.value), fmt.Sprintf(format, t), "the target's value for it"})
	}
	return done
}
