package trace

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// maxObjects is how many SAs and policies are remembered.
const maxObjects = 64

// contents are SAs and policies that are in the kernel for certain: they were
// seen to be made, nothing was seen to remove them, and they have no hard lifetime
// to end them unseen. Where there are some, a FLUSH removes something.
type contents struct {
	all [maxObjects]object
	n   int
}

type object struct {
	id     uint64
	satype uint8
	policy bool
}

// identify sets what tells the SA or policy of a message from others.
func (t *Tracer) identify(f *fact, m *layers.Message) {
	var b [48]byte
	n := 0
	switch f.typ {
	case layers.UPDATE, layers.ADD, layers.DELETE, layers.EXPIRE:
		sa, dst := m.SA(), m.AddressDst()
		if sa == nil || dst == nil {
			return
		}
		b[0] = f.satype
		binary.LittleEndian.PutUint32(b[1:], sa.SPI)
		to := dst.Addr().As16()
		n = 5 + copy(b[5:], to[:])
	case layers.SPDUPDATE, layers.SPDADD, layers.SPDDELETE, layers.SPDDELETE2:
		p := m.Policy()
		if p == nil || f.shape != fromKernel {
			return
		}
		binary.LittleEndian.PutUint32(b[:], p.ID)
		n = 4
	default:
		return
	}
	f.object = maphash.Bytes(t.seed, b[:n])
	hard := m.LifetimeHard()
	f.lasting = hard != nil && hard.Allocations == 0 && hard.Bytes == 0 && hard.AddTime == 0 && hard.UseTime == 0
}

// note follows a message whose direction is decided or not.
func (c *contents) note(f *fact) {
	switch f.typ {
	case layers.UPDATE, layers.ADD, layers.SPDUPDATE, layers.SPDADD:
		if f.dir == record.FromKernel && f.object != 0 {
			policy := f.typ == layers.SPDUPDATE || f.typ == layers.SPDADD
			c.remove(f.object)
			if f.lasting {
				c.add(object{f.object, f.satype, policy})
			}
		}
	case layers.DELETE, layers.EXPIRE:
		c.remove(f.object)
	case layers.SPDDELETE, layers.SPDDELETE2:
		if f.object == 0 {
			c.clear(true) // a request, which names it in other ways
		}
		c.remove(f.object)
	case layers.FLUSH:
		c.clear(false)
	case layers.SPDFLUSH:
		c.clear(true)
	case layers.MIGRATE:
		// It replaces SAs without a word.
		c.clear(false)
		c.clear(true)
	}
}

func (c *contents) add(o object) {
	if c.n < maxObjects {
		c.n++
	}
	c.all[c.n-1] = o
}

func (c *contents) remove(id uint64) {
	c.keep(func(o *object) bool { return o.id != id })
}

func (c *contents) clear(policies bool) {
	c.keep(func(o *object) bool { return o.policy != policies })
}

func (c *contents) keep(is func(*object) bool) {
	n := 0
	for i := range c.all[:c.n] {
		if is(&c.all[i]) {
			c.all[n] = c.all[i]
			n++
		}
	}
	c.n = n
}

// concern reports whether there is something for a FLUSH or SPDFLUSH to remove.
func (c *contents) concern(f *fact) bool {
	for i := range c.all[:c.n] {
		o := &c.all[i]
		if o.policy != (f.typ == layers.SPDFLUSH) {
			continue
		}
		if o.policy || f.satype == layers.SATypeUnspec || f.satype == o.satype {
			return true
		}
	}
	return false
}
