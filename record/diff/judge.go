package diff

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
	"github.com/pfkeycap/pfkeycap/record"
)

// Side is one of the two.
type Side struct {
	Name   string
	Source record.Source // of annotated records; nil if there is a Listing
	// SaltID names the salt of the stand-ins in a capture (record.Meta), "" if there is
	// none.
	SaltID string
	// Listing is what ip-xfrm(8) has printed.
	Listing *Listing
}

// Options say how two sides are compared.
type Options struct {
	Match func(*record.Record) bool // what is compared; nil stands for everything
	All   bool                      // list all pairs, with what was set aside
	Max   int                       // messages of one side, or SAs and policies; 0 stands for 100,000

	// ID names a key for people without showing it. May be nil.
	ID func(secret []byte, key int) [4]byte
}

const maxMessages = 100_000

func (o *Options) max() int {
	if o.Max > 0 {
		return o.Max
	}
	return maxMessages
}

// TooMuch is the error about a side that holds more than Options.Max.
type TooMuch struct {
	Name string
	Max  int
}

func (e *TooMuch) Error() string {
	return fmt.Sprintf("%s holds more than the %d messages that can be compared", e.Name, e.Max)
}

// judge compares messages and says what their differences come to.
type judge struct {
	o      *Options
	report *Report
	salts  [2]string
	cmp    compare.Comparer

	fixed map[sa]bool // SAs that both sides call by the same SPI
	spis  pairing[sa]
	keys  pairing[string]

	// Of the pair being compared:
	entry   *Entry
	numbers func(ext string) (a, b uint64)
	anew    bool   // its SA is fresh: what its SPI was bound to before does not count
	known   bool   // it is an SA of fixed
	secrets string // why secrets cannot be compared, or ""
	excuse  func(d *Difference)
}

// sa is what an SA is known by.
type sa struct {
	satype string // canonical name
	spi    uint32
	dst    netip.Addr
}

func newJudge(o *Options, r *Report, a, b *Side) *judge {
	j := &judge{o: o, report: r, salts: [2]string{a.SaltID, b.SaltID}, fixed: map[sa]bool{}}
	j.cmp.Each = j.differ
	j.cmp.Secret = func(x, y *compare.Cell) bool { return false }
	return j
}

// saOf names the SA that a message is about.
func saOf(m *layers.Message) (s sa, ok bool) {
	x := m.SA()
	if x == nil || x.SPI == 0 {
		return s, false
	}
	s.spi = x.SPI
	s.satype = satypeOf(m)
	if a := m.AddressDst(); a != nil {
		s.dst = a.Addr().Unmap().WithZone("")
	}
	return s, true
}

// satypeOf is the canonical name of the SA type. OpenBSD leaves it out of what it lists;
// there what the SA does tells it.
func satypeOf(m *layers.Message) string {
	d := m.Codec.Dialect
	if x := m.SA(); d == layers.OpenBSD && m.SAType == layers.SATypeUnspec && x != nil {
		switch {
		case x.Encrypt != 0:
			return "ESP"
		case x.Auth != 0:
			return "AH"
		}
	}
	if name := d.EnumName(d.SATypeEnum(m.Type, m.SAType), uint64(m.SAType)); name != "" {
		return layers.CanonicalName(name)
	}
	return fmt.Sprint(m.SAType)
}

func decode(r *record.Record) *layers.Message {
	m := &layers.Message{}
	m.Codec = r.Codec
	_ = m.DecodeFromBytes(r.Codec.Unwrap(r.Data), nil) // what is malformed has what precedes the fault
	return m
}

// secret is how a side holds secrets: its message with the true ones, and with
// stand-ins. Either may be nil.
type secret struct {
	codec          layers.Codec
	true, standIns []byte
}

func secretsOf(r *record.Record) secret {
	s := secret{codec: r.Codec}
	if r.StandIns {
		s.standIns, s.true = r.Codec.Unwrap(r.Data), r.Codec.Unwrap(r.True)
	} else {
		s.true = r.Codec.Unwrap(r.Data)
	}
	return s
}

func (s *secret) any() []byte {
	if s.true != nil {
		return s.true
	}
	return s.standIns
}

// choose picks the form in which the secrets of both can be compared.
func (j *judge) choose(a, b *secret) (x, y []byte) {
	j.secrets = ""
	switch {
	case a.true != nil && b.true != nil:
		return a.true, b.true
	case a.standIns != nil && b.standIns != nil && j.salts[0] != "" && j.salts[0] == j.salts[1]:
		return a.standIns, b.standIns
	case a.true == nil && b.true == nil:
		j.secrets = "both hold stand-ins, under different salts"
	case a.true == nil:
		j.secrets = "A holds stand-ins, and B the true ones"
	default:
		j.secrets = "B holds stand-ins, and A the true ones"
	}
	return a.any(), b.any()
}

// compare compares two messages and adds what differs to an entry.
func (j *judge) compare(e *Entry, a, b *secret, numbers func(ext string) (a, b uint64)) {
	j.entry, j.numbers = e, numbers
	x, y := j.choose(a, b)
	var m, n layers.Message
	m.Codec, n.Codec = a.codec, b.codec
	_, _ = m.DecodeFromBytes(x, nil), n.DecodeFromBytes(y, nil)
	j.known = false
	if s, ok := saOf(&m); ok {
		j.known = j.fixed[s]
		j.anew = m.TypeName() == "GETSPI" || m.TypeName() == "ADD"
		if t, ok := saOf(&n); ok && !j.known {
			j.pairSPI(s, t)
		}
	}
	j.cmp.Compare(a.codec, x, b.codec, y)
}

// pairSPI notes that two SPIs stand for each other, and reports whether they do.
func (j *judge) pairSPI(s, t sa) bool {
	if j.anew {
		j.spis.forget(s, t)
	}
	return j.spis.same(s, t)
}

// differ judges a difference and adds it to the entry.
func (j *judge) differ(x *compare.Difference) {
	d := Difference{Ext: x.Ext, Field: x.Field, What: x.What, A: x.A, B: x.B, Verdict: Different, Reason: x.Reason}
	if strings.HasPrefix(x.Field, "algs[") && (x.X == nil || x.Y == nil) {
		// Of an algorithm that one side has not, its number is enough.
		name, ok := strings.CutSuffix(x.Field, "].id")
		if !ok {
			return
		}
		d.Field, d.What = name+"]", compare.Dropped
		if x.X == nil {
			d.What = compare.Added
		}
	}
	d.ARecord, d.BRecord = j.numbers(x.Ext)
	rule := j.cmp.Volatile(x)
	hidden := x.X != nil && x.Y != nil && x.X.Value.Kind == layers.Hidden
	switch {
	case x.What == compare.Absent:
		d.Verdict = Absent
	case rule != nil && rule.Chosen == 0:
		d.Verdict, d.Reason = Volatile, rule.Reason
	case rule != nil && x.X != nil && x.Y != nil:
		if j.chosen(rule.Chosen, uint32(x.X.Value.Uint), uint32(x.Y.Value.Uint)) {
			d.Verdict, d.Reason = Volatile, rule.Reason
		} else if rule.Chosen == compare.SPI {
			d.Reason = "one of them stands for another SA elsewhere"
		}
	case hidden && j.secrets != "":
		d.Verdict, d.Reason = NotComparable, "secrets: "+j.secrets
	case hidden:
		j.secret(&d, x)
	}
	if j.excuse != nil && d.Verdict == Different {
		j.excuse(&d)
	}
	if d.Verdict == NotComparable && d.A == "" && d.B == "" && slices.ContainsFunc(j.entry.Differences, func(o Difference) bool {
		return o.Ext == d.Ext && o.Field == d.Field && o.Verdict == NotComparable
	}) {
		return // said already, of another field of the extension
	}
	j.report.differ(j.entry, d)
}

// chosen reports whether two values that kernels have chosen stand for each other.
func (j *judge) chosen(kind compare.Chosen, a, b uint32) bool {
	switch kind {
	case compare.SPI:
		return !j.known && j.spis.same(j.saOfFields(&j.cmp.A, a), j.saOfFields(&j.cmp.B, b))
	case compare.ReqID:
		return a > compare.MaxManualReqID && b > compare.MaxManualReqID
	}
	return true
}

// saOfFields names the SA that the compared message is about.
func (j *judge) saOfFields(f *compare.Fields, spi uint32) sa {
	d := f.Codec.Dialect
	return sa{satype: layers.CanonicalName(d.EnumName(layers.EnumSAType, uint64(f.SAType))), spi: spi, dst: f.Dst.Unmap().WithZone("")}
}

// secret judges secrets that are not the same octets.
func (j *judge) secret(d *Difference, x *compare.Difference) {
	a, b := &x.X.Value, &x.Y.Value
	if a.Key == 0 || b.Key == 0 {
		return
	}
	if j.o.ID != nil {
		d.A, d.B = fmt.Sprintf("id %x", j.o.ID(a.Bytes, a.Key)), fmt.Sprintf("id %x", j.o.ID(b.Bytes, b.Key))
	}
	ka, kb := a.Bytes[:min(a.Key, len(a.Bytes))], b.Bytes[:min(b.Key, len(b.Bytes))]
	switch {
	case bytes.Equal(ka, kb): // what follows them differs
		d.Verdict, d.Reason = Volatile, "uninitialised padding"
	case j.known, len(ka) != len(kb):
		d.Reason = "another key"
	case j.keys.same(string(ka), string(kb)):
		d.Verdict, d.Reason = Volatile, "a key that was made anew"
	default:
		d.Reason = "one of the keys stands for another one elsewhere"
	}
}

// pairing knows which values of A stand for which of B, one for one.
type pairing[K comparable] struct{ to, from map[K]K }

// same reports whether two values stand for each other; those that are new do from then
// on.
func (p *pairing[K]) same(a, b K) bool {
	x, known := p.to[a]
	y, back := p.from[b]
	if known || back {
		return known && back && x == b && y == a
	}
	if p.to == nil {
		p.to, p.from = map[K]K{}, map[K]K{}
	}
	p.to[a], p.from[b] = b, a
	return true
}

// forget takes two values out of their pairs.
func (p *pairing[K]) forget(a, b K) {
	if x, ok := p.to[a]; ok && x != b {
		delete(p.from, x)
		delete(p.to, a)
	}
	if y, ok := p.from[b]; ok && y != a {
		delete(p.to, y)
		delete(p.from, b)
	}
}
