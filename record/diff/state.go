package diff

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/ipxfrm"
	"github.com/pfkeycap/pfkeycap/record/convert/xfrmname"
	"github.com/pfkeycap/pfkeycap/record/trace"
)

// ErrNoState is the error about a side that holds requests only: what a kernel made of
// them is not in it.
var ErrNoState = errors.New("it holds requests only, so there is no state: record what a kernel answers")

// Listing is what ip-xfrm(8) has printed: Next returns io.EOF after the last entry.
type Listing struct {
	Next func() (*ipxfrm.Entry, error)
}

// object is an SA or policy as it was at the end.
type object struct {
	policy bool
	codec  layers.Codec
	number uint64 // the record that told of it last
	born   uint64
	parts  []part // by kind of extension
	satype uint8
	larval bool
	listed bool // as it is; else it was told when it was made or changed
	asked  bool // a request of the recording made it, or changed its keys

	about   string // what it is known by, but for the SPI
	mode    string // of an SA, "" if it is any
	reqid   uint32
	sa      sa
	message string
	beyond  *ipxfrm.Entry // of a text of ip-xfrm(8)
}

// part is an extension of the message that last told of it.
type part struct {
	kind           gopacket.LayerType
	number         uint16 // of a kind without a name
	true, standIns []byte // either may be nil
	record         uint64
}

// States compares the SAs and policies that were there at the end of two recordings:
// those whose end is not told. What is known of each is what the kernel said of it, the
// last message counting for each extension. Damage is treated as by Messages.
func States(a, b *Side, o Options) (*Report, error) {
	r := &Report{Schema: 1, Of: "state", Entries: []Entry{}, Aside: []Aside{}}
	x, err := state(a, &o, &r.A)
	y, berr := state(b, &o, &r.B)
	if err = errors.Join(err, berr); err != nil && !damage(err) {
		return nil, err
	}
	if a.Listing != nil {
		if err := showAEADs(x, &r.B); err != nil {
			return nil, err
		}
		y = r.unlisted(x, y, "A")
	}
	if b.Listing != nil {
		if err := showAEADs(y, &r.A); err != nil {
			return nil, err
		}
		x = r.unlisted(y, x, "B")
	}
	j := newJudge(&o, r, a, b)
	seen := map[sa]bool{}
	for _, s := range x {
		seen[s.sa] = !s.policy && s.sa.spi != 0
	}
	for _, s := range y {
		if !s.policy && seen[s.sa] {
			j.fixed[s.sa] = true
		}
	}
	j.states(x, y)
	return r, err
}

// unlisted sets aside what a text of ip-xfrm(8) does not list because it is of SAs only,
// or of policies only, and returns the rest of the other side.
func (r *Report) unlisted(text, other []*object, name string) []*object {
	if len(text) == 0 {
		return other
	}
	for _, policies := range []bool{false, true} {
		of := func(x *object) bool { return x.policy == policies }
		if slices.ContainsFunc(text, of) {
			continue
		}
		path, command := "SAs", "ip -s xfrm state"
		if policies {
			path, command = "policies", "ip -s xfrm policy"
		}
		other = slices.DeleteFunc(other, func(x *object) bool {
			if !of(x) {
				return false
			}
			d := Difference{Ext: path, Verdict: NotComparable, Reason: fmt.Sprintf("%s lists none: is the output of %s in it?", name, command), ARecord: x.number}
			if name == "A" {
				d.ARecord, d.BRecord = 0, x.number
			}
			r.setAside(&d)
			r.NotComparable++
			return true
		})
	}
	return other
}

func state(s *Side, o *Options, t *Total) ([]*object, error) {
	t.Name = s.Name
	var list []*object
	var err error
	if s.Listing != nil {
		list, err = listed(s, o, t)
	} else {
		list, err = lived(s, o, t)
	}
	if err != nil && !damage(err) {
		return nil, err
	}
	kept := list[:0]
	for _, x := range list {
		x.describe()
		if o.Match != nil && !o.Match(x.record()) {
			continue
		}
		if x.policy {
			t.Policies++
		} else {
			t.SAs++
		}
		kept = append(kept, x)
	}
	slices.SortStableFunc(kept, func(a, b *object) int { return cmp.Compare(a.born, b.born) })
	return kept, err
}

// listed reads a text of ip-xfrm(8).
func listed(s *Side, o *Options, t *Total) (list []*object, err error) {
	t.Dialect = layers.Linux.String()
	for {
		e, err := s.Listing.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		if len(list) == o.max() {
			return nil, &TooMuch{s.Name, o.max()}
		}
		t.Records++
		x, err := ofEntry(e)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
}

func ofEntry(e *ipxfrm.Entry) (*object, error) {
	msg, err := e.Message()
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", e.Line, err)
	}
	line := uint64(e.Line)
	x := &object{policy: e.Policy, codec: e.Codec(), born: line, listed: true, beyond: e}
	x.told(&record.Record{Number: line, Codec: e.Codec(), Data: msg}, nil)
	return x, nil
}

// showAEADs makes what a text says of AEADs comparable with a system that, unlike Linux,
// shows them over PF_KEY.
func showAEADs(list []*object, other *Total) error {
	if other.Dialect == "" || other.Dialect == layers.Linux.String() {
		return nil
	}
	for i, x := range list {
		e, ok := x.beyond.WithAEAD()
		if !ok {
			continue
		}
		y, err := ofEntry(e)
		if err != nil {
			return err
		}
		y.describe()
		list[i] = y
	}
	return nil
}

// recent is how many requests are remembered, for what their answers leave out.
const recent = 256

// lived follows a recording.
func lived(s *Side, o *Options, t *Total) (list []*object, err error) {
	source, ok := s.Source.(trace.Annotated)
	if !ok {
		source = trace.NewReader(s.Source, trace.Options{})
	}
	sas, policies := map[*trace.Life]*object{}, map[*trace.PolicyLife]*object{}
	var requests [recent]*record.Record
	request := func(r *record.Record) *record.Record {
		if q := requests[r.ReplyTo%recent]; r.ReplyTo != 0 && q != nil && q.Number == r.ReplyTo {
			return q
		}
		return nil
	}
	dropped, told := false, false
	var failed error
	// What was given away early is not there at the end.
	lives := trace.NewLives(trace.LifeOptions{
		Max: o.max(),
		SATold: func(l *trace.Life, r *record.Record) {
			x := sas[l]
			if x == nil {
				x = &object{codec: r.Codec, born: r.Number}
				sas[l] = x
			}
			x.told(r, request(r))
			x.larval = l.Larval
		},
		PolicyTold: func(l *trace.PolicyLife, r *record.Record) {
			x := policies[l]
			if x == nil {
				x = &object{policy: true, codec: r.Codec, born: r.Number}
				policies[l] = x
			}
			x.told(r, request(r))
		},
		SA: func(l *trace.Life) {
			dropped = dropped || l.Ended == trace.Dropped
			if x := sas[l]; x != nil && l.Ended == trace.Alive {
				list = append(list, x)
			}
			delete(sas, l)
		},
		Policy: func(l *trace.PolicyLife) {
			dropped = dropped || l.Ended == trace.Dropped
			if x := policies[l]; x != nil && l.Ended == trace.Alive {
				list = append(list, x)
			}
			delete(policies, l)
		},
	})
	for {
		r, err := source.Next()
		if err != nil {
			failed = err
			break
		}
		told = told || r.Dir != record.ToKernel
		if t.Records++; t.Dialect == "" {
			t.Dialect = r.Codec.Dialect.String()
		}
		if r.Dir == record.ToKernel && r.TwinOf == 0 {
			requests[r.Number%recent] = r.Clone()
		}
		lives.Add(r, source.Role())
	}
	lives.Finish()
	switch {
	case dropped:
		return nil, &TooMuch{s.Name, o.max()}
	case t.Records > 0 && !told && failed == io.EOF:
		return nil, fmt.Errorf("%s: %w", s.Name, ErrNoState)
	case failed == io.EOF:
		failed = nil
	}
	return list, failed
}

// told takes over what a message says of it, and from the request what it leaves out.
func (x *object) told(r, request *record.Record) {
	m := decode(r)
	x.number = r.Number
	if m.SAType != layers.SATypeUnspec {
		x.satype = m.SAType
	}
	typ := m.TypeName()
	listing := typ == "DUMP" || typ == "GET" || typ == "SPDDUMP" || typ == "SPDGET"
	x.listed = x.listed || listing
	again := typ == "UPDATE" && !x.larval && len(x.parts) > 0
	x.asked = x.asked && (listing || again) || request != nil && !listing && !again
	if request != nil {
		for _, p := range partsOf(request) {
			switch p.kind {
			case layers.LayerTypeKeyAuth, layers.LayerTypeKeyEncrypt, layers.LayerTypeLifetimeHard, layers.LayerTypeLifetimeSoft:
				if !again {
					x.take(p)
				}
			}
		}
	}
	for _, p := range partsOf(r) {
		if !again || !trace.KeptByUpdate(r.Codec.Dialect, p.kind) {
			x.take(p)
		}
	}
}

func (x *object) take(p part) {
	i := slices.IndexFunc(x.parts, func(q part) bool { return q.kind == p.kind && q.number == p.number })
	if i < 0 {
		x.parts = append(x.parts, p)
		return
	}
	x.parts[i] = p
}

// partsOf divides a record's message into copies of its extensions.
func partsOf(r *record.Record) (list []part) {
	s := secretsOf(r)
	whole := s.any()
	offset := layers.BaseLen
	base, exts, _ := r.Codec.Extensions(whole)
	if base == nil {
		return nil
	}
	for _, e := range exts {
		n := len(e.Head().Contents)
		p := part{kind: e.LayerType(), record: r.Number}
		if p.kind == layers.LayerTypeUnknown {
			p.number = e.Head().Number()
		}
		if s.true != nil {
			p.true = slices.Clone(s.true[offset : offset+n])
		}
		if s.standIns != nil {
			p.standIns = slices.Clone(s.standIns[offset : offset+n])
		}
		offset += n
		list = append(list, p)
	}
	return list
}

// octets puts it together as a listing would, with the true secrets or stand-ins.
// Extensions that say nothing are left out if those of other, which may be nil, say
// nothing either; a limit that other has and this one has not is a limit of 0.
func (x *object) octets(standIns bool, other *object) []byte {
	typ := uint8(layers.DUMP)
	if x.policy {
		typ = layers.SPDDUMP
	}
	msg := make([]byte, layers.BaseLen)
	msg[0], msg[1], msg[3] = 2, typ, x.satype
	order := x.codec.Order.Binary()
	parts := x.parts
	for _, kind := range []gopacket.LayerType{layers.LayerTypeLifetimeHard, layers.LayerTypeLifetimeSoft} {
		if n := x.codec.Dialect.ExtNumberOf(kind); n != 0 && other.says(kind) && !x.has(kind) {
			limit := make([]byte, lifetimeLen)
			order.PutUint16(limit, lifetimeLen/layers.Word)
			order.PutUint16(limit[2:], n)
			parts = append(slices.Clone(parts), part{kind: kind, true: limit, standIns: limit})
			slices.SortStableFunc(parts, byKind)
		}
	}
	for i := range parts {
		p := &parts[i]
		switch {
		case compare.Counters(p.kind) || x.idle(p) && !other.says(p.kind):
		case standIns && p.standIns != nil, p.true == nil:
			msg = append(msg, p.standIns...)
		default:
			msg = append(msg, p.true...)
		}
	}
	order.PutUint16(msg[4:], uint16(len(msg)/layers.Word))
	return msg
}

func byKind(a, b part) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.number, b.number))
}

// lifetimeLen is the length of sadb_lifetime, which is the same everywhere.
const lifetimeLen = 32

func (x *object) has(kind gopacket.LayerType) bool {
	return slices.ContainsFunc(x.parts, func(p part) bool { return p.kind == kind })
}

// says reports whether there is an extension of that kind that says something.
func (x *object) says(kind gopacket.LayerType) bool {
	return x != nil && slices.ContainsFunc(x.parts, func(p part) bool { return p.kind == kind && !x.idle(&p) })
}

// idle reports whether an extension says nothing that its absence would not say: no
// limits, no encapsulation, no key, no proxied address.
func (x *object) idle(p *part) bool {
	b := p.true
	if b == nil {
		b = p.standIns
	}
	switch p.kind {
	case layers.LayerTypeLifetimeHard, layers.LayerTypeLifetimeSoft, layers.LayerTypeLifetimeIdle,
		layers.LayerTypeNATTType, layers.LayerTypeNATTSrcPort, layers.LayerTypeNATTDstPort, layers.LayerTypeUDPEncap:
		return allZero(b[layers.ExtLen:])
	case layers.LayerTypeKeyAuth, layers.LayerTypeKeyEncrypt: // of null encryption
		return allZero(b[layers.ExtLen : layers.ExtLen+2])
	case layers.LayerTypeAddressProxy:
		if _, exts, _ := x.codec.Extensions(append(make([]byte, layers.BaseLen), b...)); len(exts) == 1 {
			a, ok := exts[0].(*layers.Address)
			return ok && a.Addr().IsUnspecified() && a.Port() == 0 && a.PrefixLen == 0 && (a.Proto == 0 || a.Proto == anyProtocol)
		}
	}
	return false
}

func allZero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// record is what a filter is asked about.
func (x *object) record() *record.Record {
	return &record.Record{Number: x.number, Dir: record.FromKernel, Codec: x.codec, Data: x.octets(true, nil)}
}

func (x *object) secret(other *object) secret {
	s := secret{codec: x.codec}
	isTrue, isStandIn := true, true
	for _, p := range x.parts {
		isTrue = isTrue && p.true != nil
		isStandIn = isStandIn && p.standIns != nil
	}
	if isTrue {
		s.true = x.octets(false, other)
	}
	if isStandIn {
		s.standIns = x.octets(true, other)
	}
	if !isTrue && !isStandIn { // some of it from a cut record
		s.true = x.octets(false, other)
	}
	return s
}

// describe finds out what it is known by.
func (x *object) describe() {
	slices.SortStableFunc(x.parts, byKind)
	var m layers.Message
	m.Codec = x.codec
	_ = m.DecodeFromBytes(x.octets(true, nil), nil)
	var none judge
	if !x.policy {
		x.sa, _ = saOf(&m)
	}
	x.about = strings.TrimPrefix(none.about(&m), m.TypeName()+" ")
	x.message = strings.TrimPrefix(compare.About(&m), m.TypeName()+" ")
	if x.policy {
		x.message = "policy " + x.message
		return
	}
	d := x.codec.Dialect
	switch bits, flag := d.FlagValue(layers.EnumSAFlags, "TUNNEL"); {
	case m.SA2() != nil:
		a := m.SA2()
		x.reqid = a.ReqID
		if a.Mode != 0 {
			x.mode = d.EnumName(layers.EnumMode, uint64(a.Mode))
		}
	case flag && m.SA() != nil && m.SA().Flags&bits != 0: // OpenBSD, illumos
		x.mode = "TUNNEL"
	case flag:
		x.mode = "TRANSPORT"
	}
	if name := strings.ToLower(satypeOf(&m)); m.SAType == layers.SATypeUnspec && name != "unspec" {
		x.message = name + " " + x.message
	}
	x.message = "SA " + x.message
	if x.larval {
		x.about, x.message = x.about+" larval", x.message+" larval"
	}
}

// states compares lists of SAs and policies: by SPI where both sides have it, else in
// the order in which they were made.
func (j *judge) states(x, y []*object) {
	key := func(s *object) string {
		if j.fixed[s.sa] {
			return fmt.Sprint(s.sa)
		}
		if j.report.A.Dialect == j.report.B.Dialect {
			return fmt.Sprint(s.about, " ", s.mode, " ", s.reqid)
		}
		return s.about
	}
	places := map[string][]int{}
	for k, s := range y {
		places[key(s)] = append(places[key(s)], k)
	}
	used := make([]bool, len(y))
	var last string
	for _, s := range x {
		k := compare.FirstUnused(places, key(s), used)
		if k < 0 {
			j.report.only("only-a", []uint64{s.number}, s.message, s.about, &last)
			continue
		}
		used[k] = true
		j.state(s, y[k])
	}
	for k, s := range y {
		if !used[k] {
			j.report.only("only-b", []uint64{s.number}, s.message, s.about, &last)
		}
	}
}

// state compares what both sides say of one SA or policy.
func (j *judge) state(x, y *object) {
	e := Entry{What: "pair", A: []uint64{x.number}, B: []uint64{y.number}, Message: x.message}
	e.Message += otherSPI(x.sa, y.sa)
	j.excuse = func(d *Difference) { excuse(d, x, y) }
	a, b := x.secret(y), y.secret(x)
	j.compare(&e, &a, &b, func(ext string) (uint64, uint64) { return x.told1(ext), y.told1(ext) })
	j.excuse = nil
	if x.has(layers.LayerTypeSA2) != y.has(layers.LayerTypeSA2) && x.mode != y.mode && x.mode != "" && y.mode != "" {
		j.report.differ(&e, Difference{Ext: "mode", What: compare.Value, ARecord: x.number, BRecord: y.number, A: x.mode, B: y.mode, Verdict: Different})
	}
	for _, s := range [][2]*object{{x, y}, {y, x}} {
		if s[0].beyond != nil {
			j.unsaid(&e, s[0], x, y)
			j.beyond(&e, s[0], s[1], s[0] == y)
		}
	}
	j.report.count(&e, j.o.All)
}

// otherSPI says by which SPI B calls an SA, if it is not that of A.
func otherSPI(a, b sa) string {
	if a.spi == b.spi || a.spi == 0 || b.spi == 0 {
		return ""
	}
	return fmt.Sprintf(" (in B 0x%08x)", b.spi)
}

// told1 is the record that told of an extension.
func (x *object) told1(ext string) uint64 {
	for _, p := range x.parts {
		if n := x.codec.Dialect.ExtNumberOf(p.kind); n != 0 && strings.EqualFold(x.codec.Dialect.ExtName(n), ext) {
			return p.record
		}
	}
	return x.number
}

// excuse finds reasons for which a difference between two states is none.
func excuse(d *Difference, x, y *object) {
	path := d.Path().Plain()
	for _, s := range []*object{x, y} {
		if s.beyond == nil {
			continue
		}
		for _, u := range s.beyond.Unsaid {
			if u.Path == path || u.Path == d.Ext {
				d.Verdict, d.Reason = NotComparable, u.Why
				d.Ext, d.Field, _ = strings.Cut(u.Path, ".")
				d.A, d.B = "", ""
				return
			}
		}
	}
	lacks := x // which side does not have it
	if d.B == "" {
		lacks = y
	}
	switch {
	case path == "sa.auth" && (x.beyond != nil || y.beyond != nil) && (strings.HasSuffix(d.A, "GMAC)") || strings.HasSuffix(d.B, "GMAC)")):
		d.Verdict, d.Reason = Absent, "what an AEAD implies"
	case d.Ext == "msg" && d.Field == "satype" && x.codec.Dialect != y.codec.Dialect && x.sa.satype == y.sa.satype:
		d.Verdict, d.Reason = Absent, "openbsd leaves it out of what it lists"
	case path == "sa.state" && x.larval == y.larval:
		d.Verdict, d.Reason = Volatile, "whether its soft limit has passed"
	case (d.A == "" || d.B == "") && !lacks.listed && lacks.codec.Dialect != layers.Linux:
		d.Verdict, d.Reason = NotComparable, fmt.Sprintf("%v says less of it when it is made than when it lists it", lacks.codec.Dialect)
	}
}

// unsaid notes what a text of ip-xfrm(8) does not say, where that made no difference.
func (j *judge) unsaid(e *Entry, text, x, y *object) {
	for _, u := range text.beyond.Unsaid {
		// Nobody goes by the former; the latter is the kernel's affair.
		if u.Path == "sa.state" || u.Path == "policy.id" || slices.ContainsFunc(e.Differences, func(d Difference) bool { return d.Ext == u.Path || d.Path().Plain() == u.Path }) {
			continue
		}
		ext, field, _ := strings.Cut(u.Path, ".")
		j.report.differ(e, Difference{Ext: ext, Field: field, What: compare.Value, ARecord: x.number, BRecord: y.number, Verdict: NotComparable, Reason: u.Why})
	}
}

// beyond notes what a text of ip-xfrm(8) says, and PF_KEY cannot.
func (j *judge) beyond(e *Entry, x, other *object, isB bool) {
	add := func(path, value string, v Verdict, there, why string) {
		d := Difference{Ext: path, What: compare.Value, Verdict: v, A: value, B: there, ARecord: x.number, BRecord: other.number, Reason: why}
		if isB {
			d.A, d.B, d.ARecord, d.BRecord = d.B, d.A, d.BRecord, d.ARecord
		}
		j.report.differ(e, d)
	}
	if other.beyond != nil { // both are such texts
		for _, a := range x.beyond.Beyond {
			if !slices.Contains(other.beyond.Beyond, a) {
				add(a.Name, a.Value, Different, "", "")
			}
		}
		if isB && x.beyond.ICV != other.beyond.ICV && x.beyond.ICV != 0 && other.beyond.ICV != 0 {
			add("auth-trunc", fmt.Sprint(x.beyond.ICV), Different, fmt.Sprint(other.beyond.ICV), "")
		}
		return
	}
	for _, a := range x.beyond.Beyond {
		add(a.Name, a.Value, NotComparable, "", "PF_KEY cannot say it")
	}
	if x.beyond.ICV == 0 {
		return
	}
	bits, known := icv(x.beyond.Auth, other)
	switch {
	case !known:
		if x.beyond.ICV != x.beyond.Auth.ICV {
			add("auth-trunc", fmt.Sprint(x.beyond.ICV), NotComparable, "", fmt.Sprintf("PF_KEY does not say it; what it makes on Linux has %d", x.beyond.Auth.ICV))
		}
	case bits != x.beyond.ICV:
		add("auth-trunc", fmt.Sprint(x.beyond.ICV), Different, fmt.Sprint(bits), fmt.Sprintf("PF_KEY does not say it; this is what %v takes for %s", other.codec.Dialect, x.beyond.Auth.PFKEY))
	}
}

// icv is how many bits of the authentication's value an SA sends that PF_KEY has made.
func icv(a xfrmname.Algorithm, x *object) (bits int, known bool) {
	switch x.codec.Dialect {
	case layers.Linux:
		return a.ICV, x.asked // another one could have been made over netlink
	case layers.FreeBSD, layers.OpenBSD:
		// RFC 4868: half of it (AH_HMAC_SHA2HALF in FreeBSD's sys/netipsec/ah_var.h,
		// authsize in OpenBSD's sys/crypto/xform.c).
		switch a.PFKEY {
		case "SHA2_256HMAC", "SHA2_384HMAC", "SHA2_512HMAC":
			return a.FullICV / 2, true
		case "MD5HMAC", "SHA1HMAC", "RIPEMD160HMAC":
			return 96, true
		}
	}
	return 0, false
}
