package replay

import (
	"fmt"
	"net/netip"

	"github.com/pfkeycap/pfkeycap/layers/compare"
)

// bindingKind is a kind of value that a kernel chooses and later messages name.
type bindingKind = compare.Chosen

const (
	bindSPI      = compare.SPI
	bindPolicyID = compare.PolicyID
	bindSeq      = compare.AcquireSeq
	bindReqID    = compare.ReqID

	maxManualReqID = compare.MaxManualReqID
)

// boundValue is a value that the recorded kernel chose. An SPI belongs to an SA
// type and a destination, other values to the kernel.
type boundValue struct {
	kind   bindingKind
	satype uint8
	dst    netip.Addr
	value  uint32
}

// Binding says which value of the target stands for one of the recorded kernel's
// from then on. It is made when an answer has another value than the recorded one.
type Binding struct {
	Kind     string `json:"kind"` // spi, policy-id, acquire-seq or reqid
	Recorded uint32 `json:"recorded"`
	Target   uint32 `json:"target"`
	Record   uint64 `json:"record"` // number of the recorded message that has the value
}

// String shows the binding on one line.
func (b Binding) String() string {
	if b.Kind == bindSPI.String() {
		return fmt.Sprintf("%s 0x%08x is 0x%08x on the target (#%d)", b.Kind, b.Recorded, b.Target, b.Record)
	}
	return fmt.Sprintf("%s %d is %d on the target (#%d)", b.Kind, b.Recorded, b.Target, b.Record)
}

// bindings translates values of the recorded kernel into the target's. The other
// way round no value stands for two.
type bindings struct {
	to   map[boundValue]uint32
	from map[boundValue]uint32 // with the target's value
	list []Binding
}

// target returns the target's value for one of the recorded kernel's. One that the
// recorded kernel does not have either must not be taken for another one that the
// target has: then the value that was replaced by that stands for it.
func (b *bindings) target(v boundValue) uint32 {
	if t, ok := b.to[v]; ok {
		return t
	}
	for range len(b.from) {
		r, ok := b.from[v]
		if !ok {
			break
		}
		v.value = r
	}
	return v.value
}

// holds reports whether the target's value is the one that v is bound to.
func (b *bindings) holds(v boundValue, target uint32) bool {
	t, ok := b.to[v]
	return ok && t == target
}

// bind notes that target stands for v, and reports whether it does: a value that
// stands for another one already cannot.
func (b *bindings) bind(v boundValue, target uint32, record uint64) bool {
	if t, ok := b.to[v]; ok {
		return t == target
	}
	back := v
	back.value = target
	if r, ok := b.from[back]; ok {
		return r == v.value
	}
	b.rebind(v, target, record)
	return true
}

// rebind notes that target stands for v, whatever both were before: the kernels have
// just chosen them.
func (b *bindings) rebind(v boundValue, target uint32, record uint64) {
	back := v
	back.value = target
	before, known := b.to[v]
	if known && before == target || v.value == target && len(b.to) == 0 {
		return
	}
	if known {
		old := v
		old.value = before
		delete(b.from, old)
	}
	if r, ok := b.from[back]; ok {
		old := v
		old.value = r
		delete(b.to, old)
	}
	if b.to == nil {
		b.to, b.from = map[boundValue]uint32{}, map[boundValue]uint32{}
	}
	b.to[v], b.from[back] = target, v.value
	if v.value != target || known {
		b.list = append(b.list, Binding{v.kind.String(), v.value, target, record})
	}
}
