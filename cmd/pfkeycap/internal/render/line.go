// Package render writes records for people: one line each, a tree, a hex dump.
// Nothing here shows a secret unless Options.ShowKeys is set.
package render

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

// TimeFormat says how -t shows time, as tcpdump's option does.
type TimeFormat uint8

// The time formats.
const (
	Clock      TimeFormat = iota // 10:00:00.123501
	NoTime                       // -t
	Epoch                        // -tt: seconds since 1970
	SincePrev                    // -ttt: since the record before
	DateClock                    // -tttt
	SinceFirst                   // -ttttt
)

// Options says what is shown.
type Options struct {
	Time     TimeFormat
	UTC      bool
	ShowKeys bool
	Verbose  int // 0 lines, 1 tree, 2 with reserved fields and padding
	Hex      bool
	Color    bool
	// ID names a secret without showing it (see record.Reader). May be nil.
	ID func(r *record.Record, secret []byte, key int) [4]byte
	// Why explains an errno of the dialect's system, given the request and the message
	// that answers it; request is nil if it is not known, reply if it is the errno of
	// write(2). May be nil.
	Why func(c layers.Codec, request, reply []byte, errno uint8) string
}

// Printer appends records as text to a buffer. It remembers recent requests, for
// latencies and explanations.
type Printer struct {
	opt         Options
	msg         layers.Message
	tree        tree
	spans       []layers.Span
	first, prev time.Time
	clock       clock
	requests    ring
}

// New makes a Printer.
func New(opt Options) *Printer { return &Printer{opt: opt} }

// ring remembers the last requests by record number.
type ring struct {
	at [256]struct {
		number uint64
		time   time.Time
		data   []byte
	}
}

func (r *ring) put(rec *record.Record, keepData bool) {
	e := &r.at[rec.Number%uint64(len(r.at))]
	e.number, e.time = rec.Number, rec.Time
	e.data = e.data[:0]
	if keepData {
		e.data = append(e.data, rec.Bytes()...)
	}
}

func (r *ring) get(number uint64) (t time.Time, data []byte, ok bool) {
	e := &r.at[number%uint64(len(r.at))]
	if number == 0 || e.number != number {
		return t, nil, false
	}
	return e.time, e.data, true
}

// Past is what the text of a record takes from the records before it.
type Past struct {
	since   time.Duration // for SincePrev and SinceFirst
	latency time.Duration // since the request that it answers
	known   bool          // the request is remembered

	// Request is the message that the record answers, if the answer has an errno to be
	// explained by it. It belongs to the Printer until its next Remember or Append.
	Request []byte
}

// Past looks up what r takes from the records before it. It is for text that another
// Printer makes (AppendAfter), maybe in another goroutine: this one must see all records
// in their order, by Past and then Remember.
func (p *Printer) Past(r *record.Record) (x Past) {
	x.since = p.elapsed(r.Time)
	if r.ReplyTo == 0 {
		return x
	}
	asked, request, ok := p.requests.get(r.ReplyTo)
	if !ok {
		return x
	}
	x.known, x.latency = true, r.Time.Sub(asked)
	if msg := r.Codec.Unwrap(r.Data); len(msg) >= layers.BaseLen && (msg[2] != 0 || r.Data[2] != 0) { // sadb_msg_errno
		x.Request = request
	}
	return x
}

// Append appends one record with everything that the options ask for.
func (p *Printer) Append(dst []byte, r *record.Record) []byte {
	past := p.Past(r)
	dst = p.AppendAfter(dst, r, &past)
	p.Remember(r)
	return dst
}

// AppendAfter is Append for a record whose Past has been looked up. It goes by nothing
// that this Printer has seen, and remembers nothing.
func (p *Printer) AppendAfter(dst []byte, r *record.Record, past *Past) []byte {
	dst = p.appendLine(dst, r, past)
	if p.opt.Verbose > 0 {
		dst = p.appendTree(dst, r)
	}
	if p.opt.Hex {
		dst = p.appendHex(dst, r)
	}
	return dst
}

// Remember notes a request for the sake of its answers. Append does it too; it is
// for records that are not to be shown.
func (p *Printer) Remember(r *record.Record) {
	if r.Dir == record.ToKernel {
		p.requests.put(r, p.opt.Why != nil)
	}
}

func (p *Printer) data(r *record.Record) []byte {
	if p.opt.ShowKeys {
		return r.Bytes()
	}
	return r.Data
}

func (p *Printer) appendLine(dst []byte, r *record.Record, past *Past) []byte {
	dst = append(p.in(dst, styleMargin), '#')
	dst = strconv.AppendUint(dst, r.Number, 10)
	dst = append(dst, ' ')
	dst = p.in(p.appendTime(dst, r.Time, past.since), stylePlain)
	dst = append(dst, "?<>"[r.Dir%3], ' ')

	m := &p.msg
	m.Codec = r.Codec
	err := m.DecodeFromBytes(p.data(r), nil)
	if len(m.Contents) == layers.BaseLen {
		dst = p.appendMessage(dst, r, m, 0)
	}
	if err != nil && (r.OrigLen <= len(r.Data)) {
		dst = append(p.in(dst, styleProblem), " malformed=\""...)
		dst = append(dst, err.Error()...)
		dst = p.in(append(dst, '"'), stylePlain)
	}
	if r.OrigLen > len(r.Data) {
		dst = append(p.in(dst, styleProblem), " cut="...)
		dst = strconv.AppendInt(dst, int64(len(r.Data)), 10)
		dst = append(dst, '/')
		dst = p.in(strconv.AppendInt(dst, int64(r.OrigLen), 10), stylePlain)
	}
	if r.TwinOf != 0 {
		dst = append(p.in(dst, styleMargin), " twin-of=#"...)
		dst = p.in(strconv.AppendUint(dst, r.TwinOf, 10), stylePlain)
	}
	switch {
	case r.ReplyTo != 0:
		dst = p.appendReply(dst, r, m, past)
	case r.Dir == record.FromKernel && r.TwinOf == 0: // the request was another socket's
		if msg := r.Codec.Unwrap(r.Data); len(msg) >= layers.BaseLen {
			dst = p.appendWhy(dst, r.Codec, nil, r.Data, msg[2])
		}
	}
	if r.WriteErrno != 0 {
		dst = p.in(appendErrno(append(p.in(dst, styleProblem), " write-errno="...), r.Codec.Dialect, r.WriteErrno), stylePlain)
		dst = p.appendWhy(dst, r.Codec, r.Bytes(), nil, r.WriteErrno)
	}
	if r.Dropped != 0 {
		dst = append(p.in(dst, styleProblem), " lost-before="...)
		dst = p.in(strconv.AppendUint(dst, r.Dropped, 10), stylePlain)
	}
	for _, c := range r.Comments {
		dst = append(p.in(dst, styleRemark), " comment="...)
		dst = p.in(strconv.AppendQuote(dst, c), stylePlain)
	}
	return append(dst, '\n')
}

func (p *Printer) appendReply(dst []byte, r *record.Record, m *layers.Message, past *Past) []byte {
	dst = append(dst, " re=#"...)
	dst = strconv.AppendUint(dst, r.ReplyTo, 10)
	if !past.known {
		return p.appendWhy(dst, r.Codec, nil, r.Data, m.Errno)
	}
	// Messages that one read brought have one time, which says nothing of how long
	// the answer took.
	if past.latency > 0 {
		dst = append(dst, " +"...)
		dst = AppendShort(dst, past.latency)
	}
	req := r.Codec.Unwrap(past.Request)
	if m.Inner != nil {
		reply := r.Codec.Unwrap(r.Data)
		return p.appendWhy(dst, r.Codec, req, reply, reply[2]) // sadb_msg_errno
	}
	return p.appendWhy(dst, r.Codec, req, r.Data, m.Errno)
}

func appendErrno(dst []byte, d layers.Dialect, errno uint8) []byte {
	dst = strconv.AppendUint(dst, uint64(errno), 10)
	if n := d.ErrnoName(errno); n != "" {
		dst = append(dst, '(')
		dst = append(dst, n...)
		dst = append(dst, ')')
	}
	return dst
}

func (p *Printer) appendWhy(dst []byte, c layers.Codec, request, reply []byte, errno uint8) []byte {
	if errno == 0 || p.opt.Why == nil {
		return dst
	}
	if why := p.opt.Why(c, request, reply, errno); why != "" {
		dst = append(p.in(dst, styleRemark), " why="...)
		dst = p.in(strconv.AppendQuote(dst, why), stylePlain)
	}
	return dst
}

// AppendShort appends a duration as tcpdump users read it: 45us, 1.204ms, 3.1s.
func AppendShort(dst []byte, d time.Duration) []byte {
	switch {
	case d < time.Millisecond:
		dst = strconv.AppendInt(dst, d.Microseconds(), 10)
		return append(dst, "us"...)
	case d < time.Second:
		dst = strconv.AppendFloat(dst, float64(d.Microseconds())/1e3, 'f', -1, 64)
		return append(dst, "ms"...)
	}
	dst = strconv.AppendFloat(dst, float64(d.Milliseconds())/1e3, 'f', -1, 64)
	return append(dst, 's')
}

// elapsed is the time since the first record or the one before, whichever is shown.
func (p *Printer) elapsed(t time.Time) (d time.Duration) {
	if t.IsZero() { // hex has no times
		return 0
	}
	if p.first.IsZero() {
		p.first, p.prev = t, t
	}
	switch p.opt.Time {
	case SincePrev:
		d = t.Sub(p.prev)
	case SinceFirst:
		d = t.Sub(p.first)
	}
	p.prev = t
	return d
}

func (p *Printer) appendTime(dst []byte, t time.Time, since time.Duration) []byte {
	if t.IsZero() {
		return dst
	}
	switch p.opt.Time {
	case NoTime:
		return dst
	case Epoch:
		dst = strconv.AppendInt(dst, t.Unix(), 10)
		dst = appendMicros(append(dst, '.'), t.Nanosecond()/1000)
	case SincePrev, SinceFirst:
		if since < 0 {
			dst = append(dst, '-')
			since = -since
		}
		dst = strconv.AppendInt(dst, int64(since/time.Second), 10)
		dst = appendMicros(append(dst, '.'), int(since%time.Second)/1000)
	case DateClock:
		dst = append(dst, p.clock.of(t, p.opt.UTC)...)
		dst = appendMicros(append(dst, '.'), t.Nanosecond()/1000)
	default:
		text := p.clock.of(t, p.opt.UTC)
		dst = append(dst, text[len(text)-len("15:04:05"):]...)
		dst = appendMicros(append(dst, '.'), t.Nanosecond()/1000)
	}
	return append(dst, ' ')
}

// clock makes texts of times. It keeps that of the last second, which the next time
// is often in.
type clock struct {
	second int64
	text   []byte
}

// of returns t as 2006-01-02 15:04:05. It is valid until the next call.
func (c *clock) of(t time.Time, utc bool) []byte {
	if s := t.Unix(); s != c.second || c.text == nil {
		c.second = s
		if utc {
			t = t.UTC()
		} else {
			t = t.Local()
		}
		c.text = t.AppendFormat(c.text[:0], time.DateTime)
	}
	return c.text
}

func appendMicros(dst []byte, us int) []byte {
	dst = append(dst, "000000"...)
	for i, u := len(dst)-1, uint(us); u > 0; i-- {
		dst[i] = byte('0' + u%10)
		u /= 10
	}
	return dst
}

// appendName appends a name in lower case, or the number if there is none.
func appendName(dst []byte, name string, v uint64) []byte {
	if name == "" {
		return strconv.AppendUint(dst, v, 10)
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendMessage appends what a message says, in the order that tcpdump's users
// expect: what, who, to whom, then the details; then the message in it. depth is how
// many wrappers it is in.
func (p *Printer) appendMessage(dst []byte, r *record.Record, m *layers.Message, depth int) []byte {
	d := m.Codec.Dialect
	dst = p.in(dst, styleName)
	if n := d.EnumName(layers.EnumMsgType, uint64(m.Type)); n != "" {
		dst = append(dst, n...)
	} else {
		dst = append(dst, "type="...)
		dst = strconv.AppendUint(dst, uint64(m.Type), 10)
	}
	dst = p.in(dst, stylePlain)
	switch {
	case m.Type == layers.PROMISC && m.Inner == nil:
		if m.SAType == 0 {
			dst = append(dst, " off"...)
		} else {
			dst = append(dst, " on"...)
		}
	case m.Type == layers.PROMISC:
		if m.SAType != 0 {
			dst = append(dst, " satype="...)
			dst = strconv.AppendUint(dst, uint64(m.SAType), 10)
		}
	case m.SAType != 0:
		dst = appendName(append(dst, ' '), d.EnumName(d.SATypeEnum(m.Type, m.SAType), uint64(m.SAType)), uint64(m.SAType))
	}
	if m.Version != layers.Version {
		dst = append(dst, " version="...)
		dst = strconv.AppendUint(dst, uint64(m.Version), 10)
	}
	if x := m.Policy(); x != nil {
		dst = p.appendPolicyHead(dst, d, x)
	}
	dst = p.appendEnds(dst, m)
	if sa := m.SA(); sa != nil {
		dst = append(dst, " spi=0x"...)
		dst = appendHex32(dst, sa.SPI)
		dst = p.appendAlgorithms(dst, m, sa)
	}
	if x := m.SPIRange(); x != nil {
		dst = append(dst, " range=0x"...)
		dst = appendHex32(dst, x.Min)
		dst = append(dst, "-0x"...)
		dst = appendHex32(dst, x.Max)
	}
	if x := m.SA2(); x != nil {
		if x.Mode != 0 {
			dst = append(dst, " mode="...)
			dst = appendName(dst, d.EnumName(layers.EnumMode, uint64(x.Mode)), uint64(x.Mode))
		}
		if x.ReqID != 0 {
			dst = append(dst, " reqid="...)
			dst = strconv.AppendUint(dst, uint64(x.ReqID), 10)
		}
	}
	if s, t := m.NATTSrcPort(), m.NATTDstPort(); s != nil && t != nil {
		dst = append(dst, " nat-t="...)
		dst = strconv.AppendUint(dst, uint64(s.Port), 10)
		dst = append(dst, '>')
		dst = strconv.AppendUint(dst, uint64(t.Port), 10)
	}
	dst = appendLifetimes(dst, m, r.Time)
	if x := m.Policy(); x != nil {
		dst = p.appendPolicyTail(dst, x)
	}
	dst = p.appendOthers(dst, m)
	if x := m.Proposal(); x != nil {
		dst = append(dst, " combs="...)
		dst = strconv.AppendInt(dst, int64(len(x.List)/72), 10)
	}
	if x := m.SupportedAuth(); x != nil {
		dst = append(dst, " auth-algs="...)
		dst = strconv.AppendInt(dst, int64(len(x.List)/8), 10)
	}
	if x := m.SupportedEncrypt(); x != nil {
		dst = append(dst, " encrypt-algs="...)
		dst = strconv.AppendInt(dst, int64(len(x.List)/8), 10)
	}
	dst = append(dst, " seq="...)
	dst = strconv.AppendUint(dst, uint64(m.Seq), 10)
	dst = append(dst, " pid="...)
	dst = strconv.AppendUint(dst, uint64(m.PID), 10)
	if r.Process != "" {
		dst = append(dst, '(')
		dst = appendPlain(dst, r.Process)
		dst = append(dst, ')')
	}
	if m.Errno != 0 {
		dst = p.in(appendErrno(append(p.in(dst, styleProblem), " errno="...), d, m.Errno), stylePlain)
	}
	if n := d.EnumName(layers.EnumDiagnostic, uint64(m.Reserved)); n != "" && m.Reserved != 0 {
		dst = append(dst, " diagnostic="...)
		dst = strconv.AppendUint(dst, uint64(m.Reserved), 10)
		dst = append(dst, '(')
		dst = append(dst, n...)
		dst = append(dst, ')')
	}
	// NetBSD and others count the header of each wrapper twice.
	if n := int(m.Len) * layers.Word; n != r.OrigLen && (m.Inner == nil || n != r.OrigLen+layers.BaseLen) {
		dst = append(dst, " len="...)
		dst = strconv.AppendUint(dst, uint64(m.Len), 10)
		dst = append(dst, "(says "...)
		dst = strconv.AppendInt(dst, int64(m.Len)*layers.Word, 10)
		dst = append(dst, " bytes, has "...)
		dst = strconv.AppendInt(dst, int64(r.OrigLen), 10)
		dst = append(dst, ')')
	}
	if m.Inner != nil {
		dst = append(dst, " holds "...)
		if depth == layers.MaxNesting {
			return append(dst, layers.TooDeep.String()...)
		}
		inner := layers.Message{Base: layers.Base{Codec: m.Codec}}
		_ = inner.DecodeFromBytes(m.Inner, nil) // its fault is shown in the tree
		rec := record.Record{OrigLen: r.OrigLen - layers.BaseLen, Time: r.Time}
		dst = p.appendMessage(dst, &rec, &inner, depth+1)
	}
	for i := range m.Extensions {
		h := &m.Extensions[i]
		if h.LayerType() == layers.LayerTypeUnknown {
			dst = append(dst, " unknown="...)
			dst = strconv.AppendUint(dst, uint64(h.Number()), 10)
			dst = append(dst, '@')
			dst = strconv.AppendUint(dst, uint64(h.Offset), 10)
		}
	}
	if m.Duplicate {
		dst = append(dst, " duplicate-extension"...)
	}
	return dst
}

// appendPlain appends s without bytes that could play tricks on a terminal.
func appendPlain(dst []byte, s string) []byte {
	q := strconv.Quote(s)
	return append(dst, q[1:len(q)-1]...)
}

const digits = "0123456789abcdef"

func appendHex32(dst []byte, v uint32) []byte {
	for s := 28; s >= 0; s -= 4 {
		dst = append(dst, digits[v>>s&15])
	}
	return dst
}

// appendEnds appends "src > dst".
func (p *Printer) appendEnds(dst []byte, m *layers.Message) []byte {
	src, to := m.AddressSrc(), m.AddressDst()
	policy := m.Policy() != nil
	if src != nil {
		dst = appendAddress(append(dst, ' '), src, policy)
	}
	if to != nil {
		if src == nil {
			dst = append(dst, " *"...)
		}
		dst = append(dst, " > "...)
		dst = appendAddress(dst, to, policy)
	}
	if x := src; policy && x != nil && x.Proto != 0 && x.Proto != 255 {
		dst = append(dst, " proto="...)
		dst = AppendProto(dst, x.Proto)
	}
	return dst
}

// appendAddress appends 10.0.0.1, 10.0.0.0/8, 10.0.0.1[500] as setkey writes them.
func appendAddress(dst []byte, x *layers.Address, policy bool) []byte {
	s, ok := x.Parse()
	if !ok {
		if len(x.Sockaddr) < 2 {
			return append(dst, "none"...)
		}
		dst = append(dst, "family-"...)
		return strconv.AppendUint(dst, uint64(s.Family), 10)
	}
	dst = s.Addr.AppendTo(dst)
	if n := int(x.PrefixLen); x.Codec().Dialect != layers.OpenBSD && n != s.Addr.BitLen() && (policy || n != 0) {
		dst = append(dst, '/')
		dst = strconv.AppendInt(dst, int64(n), 10)
	}
	if s.Port != 0 {
		dst = append(dst, '[')
		dst = strconv.AppendUint(dst, uint64(s.Port), 10)
		dst = append(dst, ']')
	}
	return dst
}

func (p *Printer) appendAlgorithms(dst []byte, m *layers.Message, sa *layers.SA) []byte {
	d := m.Codec.Dialect
	// Of the SA in a GET or DELETE request only the SPI means something.
	if says := m.LifetimeCurrent() != nil || m.Type == layers.ADD || m.Type == layers.UPDATE; says && sa.State != 1 {
		dst = append(dst, " state="...)
		dst = appendName(dst, d.EnumName(layers.EnumState, uint64(sa.State)), uint64(sa.State))
	}
	if sa.Encrypt != 0 {
		e := layers.EnumEncrypt
		if m.SAType == layers.SATypeIPComp && d != layers.Illumos {
			e = layers.EnumComp
		}
		dst = append(dst, " encrypt="...)
		dst = appendName(dst, d.EnumName(e, uint64(sa.Encrypt)), uint64(sa.Encrypt))
	}
	if sa.Auth != 0 {
		dst = append(dst, " auth="...)
		dst = appendName(dst, d.EnumName(layers.EnumAuth, uint64(sa.Auth)), uint64(sa.Auth))
	}
	return dst
}

func (p *Printer) appendPolicyHead(dst []byte, d layers.Dialect, x *layers.Policy) []byte {
	switch x.Dir {
	case 1:
		dst = append(dst, " in"...)
	case 2:
		dst = append(dst, " out"...)
	default:
		dst = appendName(append(dst, ' '), d.EnumName(layers.EnumDir, uint64(x.Dir)), uint64(x.Dir))
	}
	dst = append(dst, ' ')
	return appendName(dst, d.EnumName(layers.EnumPolicyType, uint64(x.Type)), uint64(x.Type))
}

// appendPolicyTail appends the id and the requests in setkey's form:
// esp/tunnel/10.0.0.1-10.0.0.2/unique:5.
func (p *Printer) appendPolicyTail(dst []byte, x *layers.Policy) []byte {
	c := x.Codec()
	if x.ID != 0 {
		dst = append(dst, " id="...)
		dst = strconv.AppendUint(dst, uint64(x.ID), 10)
	}
	if x.Priority != 0 {
		dst = append(dst, " priority="...)
		dst = strconv.AppendUint(dst, uint64(x.Priority), 10)
	}
	var requests [4]layers.Request // most have no more
	for _, q := range x.AppendRequests(requests[:0]) {
		dst = append(dst, ' ')
		if q.Proto < 256 {
			dst = AppendProto(dst, uint8(q.Proto))
		} else {
			dst = strconv.AppendUint(dst, uint64(q.Proto), 10)
		}
		dst = append(dst, '/')
		dst = appendName(dst, c.Dialect.EnumName(layers.EnumMode, uint64(q.Mode)), uint64(q.Mode))
		dst = append(dst, '/')
		if a, z, ok := q.Addrs(c); ok {
			dst = appendAddrPort(dst, a.Addr, a.Port)
			dst = append(dst, '-')
			dst = appendAddrPort(dst, z.Addr, z.Port)
		}
		dst = append(dst, '/')
		dst = appendName(dst, c.Dialect.EnumName(layers.EnumLevel, uint64(q.Level)), uint64(q.Level))
		if q.ReqID != 0 {
			dst = append(dst, ':')
			dst = strconv.AppendUint(dst, uint64(q.ReqID), 10)
		}
	}
	return dst
}

func appendAddrPort(dst []byte, a netip.Addr, port uint16) []byte {
	dst = a.AppendTo(dst)
	if port != 0 {
		dst = append(dst, '[')
		dst = strconv.AppendUint(dst, uint64(port), 10)
		dst = append(dst, ']')
	}
	return dst
}

// protocols are the names of IP protocol numbers that IPsec policies use (IANA).
var protocols = [256]string{
	1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah",
	58: "ipv6-icmp", 89: "ospf", 108: "ipcomp", 112: "vrrp", 132: "sctp", 255: "any",
}

// AppendProto appends the name of an IP protocol, or its number.
func AppendProto(dst []byte, proto uint8) []byte {
	if n := protocols[proto]; n != "" {
		return append(dst, n...)
	}
	return strconv.AppendUint(dst, uint64(proto), 10)
}

// ParseTimeFormat maps the number of -t options to a format.
func ParseTimeFormat(n int) TimeFormat { return TimeFormat(min(n, int(SinceFirst))) }

// indent is as many spaces as the deepest line of a tree begins with.
const indent = "                                "
