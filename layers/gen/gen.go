// Package gen makes PF_KEY messages from a seed: valid ones of every type with
// every extension of a dialect, and cunningly broken ones.
//
// A Generator gives a message for every index, the same ones for the same seed,
// codec and options on every machine, and any of them without those before it: a
// run can be resumed at an index or divided among machines.
//
// Messages come in stories: an SA is asked for, filled in, looked at and deleted,
// a policy likewise, so that a kernel accepts many of them and has the state that
// makes the others interesting. Before each message of a story stand a few broken
// variants of it. What was done to a message is in its Info, by names that
// Mutations lists.
package gen

import (
	"encoding/binary"

	"github.com/pfkeycap/pfkeycap/layers"
)

// Options says which messages a Generator makes. The zero value is a mixture of
// valid and broken messages of both directions.
type Options struct {
	// Valid leaves the broken messages out.
	Valid bool
	// Requests leaves out what only kernels send: answers and events. A bare ACQUIRE
	// is a request.
	Requests bool
	// Mutants is how many broken messages stand before each valid one; 0 is 3.
	Mutants int
	// PID is sadb_msg_pid of every message that no mutation changes it in. 0 stands
	// for one that the story has.
	PID uint32
}

// Info says what a message is.
type Info struct {
	Index uint64
	Type  uint8  // message type as it was meant; a mutation may have changed it
	Story string // what the messages around it are about, such as "sa" or "policy"
	// FromKernel says that the message looks like one that a kernel sends.
	FromKernel bool
	// Mutations are the names of what was done to the message, in that order; empty
	// for a valid one. The slice belongs to the Generator until its next message.
	Mutations []string
}

// defaultMutants is the number of broken messages before each valid one.
const defaultMutants = 3

// storyLen is the number of valid messages in a story.
const storyLen = 8

// Generator makes messages. It keeps the buffers it works with, so it allocates
// nothing once they have grown; it is for one goroutine. Make one with New.
type Generator struct {
	codec   layers.Codec
	order   binary.AppendByteOrder
	put     binary.ByteOrder
	seed    uint64
	options Options
	next    uint64

	dialect *dialect
	tale    tale // the story that was told last
	rng     rng  // of the message that is being made

	buf  []byte // the message that is being made, without what stood before it
	exts []int  // offsets of the extensions in buf, as they were made
	tmp  []byte
	tmp2 []byte
	done []string

	small [32]byte

	// Of the message that is being made.
	form     *form
	items    [32]item
	withAuth bool // the SA has authentication
	requests item // what a POLICY is for
	limits   int  // which limits a lifetime has, a bit for each field
	innerAt  int  // where the message inside X_PROMISC begins, or 0
}

// New returns a Generator for a codec. An order that is NoOrder is little-endian.
func New(c layers.Codec, seed uint64, o Options) *Generator {
	if c.Order == layers.NoOrder {
		c.Order = layers.LittleEndian
	}
	if c.Dialect == layers.NoDialect {
		c.Dialect = layers.RFC2367
	}
	if o.Mutants <= 0 {
		o.Mutants = defaultMutants
	}
	g := &Generator{codec: c, seed: seed, options: o, dialect: dialectOf(c.Dialect)}
	g.order, g.put = binary.LittleEndian, binary.LittleEndian
	if c.Order == layers.BigEndian {
		g.order, g.put = binary.BigEndian, binary.BigEndian
	}
	return g
}

// Codec returns the codec of the messages.
func (g *Generator) Codec() layers.Codec { return g.codec }

// Next appends the next message to dst and returns the longer slice and what the
// message is. It begins with index 0.
func (g *Generator) Next(dst []byte) ([]byte, Info) {
	dst, info := g.At(g.next, dst)
	g.next++
	return dst, info
}

// Seek makes Next go on with index i.
func (g *Generator) Seek(i uint64) { g.next = i }

// At appends message i to dst and returns the longer slice and what the message
// is. Next is not affected.
func (g *Generator) At(i uint64, dst []byte) ([]byte, Info) {
	group := uint64(1) // messages for each step of the story
	if !g.options.Valid {
		group += uint64(g.options.Mutants)
	}
	number, step, variant := i/(storyLen*group), int(i/group%storyLen), i%group
	if !g.tale.told || g.tale.number != number {
		g.tell(number)
	}
	g.rng = newRNG(g.seed, domainMessage, i)
	f := g.tale.steps[step]
	info := Info{Index: i, Story: g.tale.name, FromKernel: f.fromKernel}
	g.buf, g.exts, g.done = g.buf[:0], g.exts[:0], g.done[:0]
	g.tale.seq = g.tale.firstSeq + uint32(step)
	g.limits = g.rng.n(16)
	g.build(f)
	info.Type = g.buf[1]
	if variant+1 != group {
		g.mutate()
	}
	info.Mutations = g.done
	return append(dst, g.buf...), info
}
