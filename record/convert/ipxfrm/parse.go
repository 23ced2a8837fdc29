package ipxfrm

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/xfrmname"
)

// Parser reads entries one after the other. It holds no more than one of them, and one
// line of the text.
type Parser struct {
	s     *bufio.Scanner
	c     layers.Codec
	line  int
	parts []string // of the line, in the output of -o several
	d     *draft
	where string // in which part of an entry the next lines are: "config", "current", "stats", "esn", "tmpl"
	err   error
}

// maxLine is more than a line has, of -o a whole entry with the longest keys and as many
// templates as there can be.
const maxLine = 1 << 20

// NewParser reads a text as the listing of a Linux of that byte order.
func NewParser(r io.Reader, o layers.Order) *Parser {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return &Parser{s: s, c: layers.Codec{Dialect: layers.Linux, Order: o}}
}

// Looks reports whether a text that begins with head is such a listing.
func Looks(head []byte) bool {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		head = rest
		line = bytes.TrimRight(line, " \r")
		if len(line) == 0 {
			continue
		}
		f := strings.Fields(string(line[:min(len(line), 200)]))
		return len(f) >= 4 && (f[0] == "src" && f[2] == "dst" && isAddr(f[1]) && isAddr(strings.TrimSuffix(f[3], `\`)))
	}
	return false
}

func isAddr(s string) bool {
	s, _, _ = strings.Cut(s, `\`)
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

// Next returns the next entry, or io.EOF after the last one. Errors are *Error where
// the text is wrong, else those of the reader.
func (p *Parser) Next() (*Entry, error) {
	if p.err != nil {
		return nil, p.err
	}
	for {
		line, n, err := p.next()
		if err != nil {
			p.err = err
			if err == io.EOF && p.d != nil {
				e, err := p.whole()
				if err != nil {
					p.err = err
				}
				return e, err
			}
			return nil, err
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if p.d == nil {
				return nil, p.fail(n, "an entry begins with src, not with %s", word(line))
			}
			if err := p.inside(n, strings.Fields(line)); err != nil {
				return nil, p.fail(n, "%v", err)
			}
			continue
		}
		var done *Entry
		if p.d != nil {
			if done, err = p.whole(); err != nil {
				p.err = err
				return nil, err
			}
		}
		if err := p.begin(n, strings.Fields(line)); err != nil {
			return nil, p.fail(n, "%v", err)
		}
		if done != nil {
			return done, nil
		}
	}
}

// whole ends the entry that was read.
func (p *Parser) whole() (*Entry, error) {
	d := p.d
	p.d = nil
	if !d.protocol {
		err := fmt.Errorf("the entry has no protocol: the text was cut")
		if d.Policy {
			err = fmt.Errorf("the policy has no direction: the text was cut")
		}
		return nil, &Error{Line: d.Line, Err: err}
	}
	return d.finish(), nil
}

func (p *Parser) fail(line int, format string, args ...any) error {
	p.err = &Error{Line: line, Err: fmt.Errorf(format, args...)}
	return p.err
}

// next returns the next line; -o puts several into one, with backslashes between.
func (p *Parser) next() (string, int, error) {
	for len(p.parts) == 0 {
		if !p.s.Scan() {
			err := p.s.Err()
			if err == nil {
				err = io.EOF
			} else if errors.Is(err, bufio.ErrTooLong) {
				err = &Error{Line: p.line + 1, Err: fmt.Errorf("a line of more than %d bytes", maxLine)}
			}
			return "", 0, err
		}
		p.line++
		text := strings.TrimRight(p.s.Text(), " \r")
		if p.line == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		p.parts = strings.Split(text, `\`)
	}
	s := p.parts[0]
	p.parts = p.parts[1:]
	return s, p.line, nil
}

// word is the first word of a line if it may be shown.
func word(line string) string {
	f := strings.Fields(line)
	if len(f) == 0 {
		return "nothing"
	}
	return plain(f[0])
}

// plain is a word as it is if it is one of the tool's own, and not perhaps a key.
func plain(w string) string {
	w = strings.TrimSuffix(w, ":")
	if len(w) > 16 || hexadecimal(w) || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz_-") != "" {
		return "something else"
	}
	return fmt.Sprintf("%q", w)
}

// hexadecimal reports whether a word could be part of a key.
func hexadecimal(w string) bool {
	return strings.Trim(strings.TrimPrefix(w, "0x"), "0123456789abcdefABCDEF") == ""
}

// begin reads the first line of an entry: the ends of an SA or the selector of a
// policy.
func (p *Parser) begin(line int, f []string) error {
	switch f[0] {
	case "Deleted", "Updated", "Expired", "acquire", "Flushed", "Async", "Migrate":
		return fmt.Errorf("this is the output of ip xfrm monitor: want that of ip xfrm state or policy")
	}
	if len(f) < 4 || f[0] != "src" || f[2] != "dst" {
		return fmt.Errorf("an entry begins with src … dst …, not with %s", plain(f[0]))
	}
	d := &draft{Entry: Entry{Line: line, c: p.c}}
	p.where = ""
	if strings.Contains(f[1], "/") {
		d.Policy = true
		if err := d.selector(&d.sel, f); err != nil {
			return err
		}
		d.base.Type = layers.SPDDUMP
		p.d = d
		return nil
	}
	var err error
	if d.src, err = addr(f[1]); err != nil {
		return err
	}
	if d.dst, err = addr(f[3]); err != nil {
		return err
	}
	if d.src.Is4() != d.dst.Is4() {
		return errors.New("the two ends are of different address families")
	}
	d.base.Type = layers.DUMP
	p.d = d
	return nil
}

func addr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return a, errors.New("src and dst want addresses")
	}
	return a, nil
}

func prefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, errors.New("src and dst of a selector want prefixes")
	}
	return p, nil
}

// selector reads src PREFIX dst PREFIX and what may follow.
func (d *draft) selector(s *selector, f []string) (err error) {
	if len(f) < 4 || f[0] != "src" || f[2] != "dst" {
		return errors.New("a selector is src PREFIX dst PREFIX")
	}
	if s.src, err = prefix(f[1]); err != nil {
		return err
	}
	if s.dst, err = prefix(f[3]); err != nil {
		return err
	}
	if s.src.Addr().Is4() != s.dst.Addr().Is4() {
		return errors.New("source and destination are of different address families")
	}
	for f = f[4:]; len(f) >= 2; f = f[2:] {
		switch f[0] {
		case "proto":
			if s.proto, err = protocol(f[1]); err != nil {
				return err
			}
		case "sport", "type":
			s.sport, err = port(f[1])
		case "dport", "code":
			s.dport, err = port(f[1])
		case "key":
			var k uint64
			k, err = strconv.ParseUint(f[1], 10, 32)
			s.sport, s.dport = uint16(k>>16), uint16(k)
		case "(dport)":
			var k uint64
			k, err = strconv.ParseUint(f[1], 0, 16)
			s.dport = uint16(k)
		case "dev":
			d.beyond("dev", f[1])
		case "uid":
			if f[1] != "0" {
				d.beyond("uid", f[1])
			}
		default:
			d.other(f[0])
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s wants a number", f[0])
		}
	}
	return nil
}

// other notes something of a version of ip that this package does not know.
func (d *draft) other(w string) {
	d.beyond(strings.Trim(plain(w), `"`), "not understood")
}

func port(s string) (uint16, error) {
	v, err := strconv.ParseUint(s, 10, 16)
	return uint16(v), err
}

// protocols are names of /etc/protocols.
var protocols = map[string]uint8{
	"icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "egp": 8, "igp": 9, "udp": 17, "dccp": 33, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44,
	"rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "skip": 57, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89,
	"ipip": 94, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "sctp": 132,
	"mobility-header": 135, "udplite": 136, "mpls-in-ip": 137, "hip": 139,
}

func protocol(s string) (uint8, error) {
	if v, ok := protocols[s]; ok {
		return v, nil
	}
	v, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return 0, fmt.Errorf("proto wants a protocol, by number if its name is not common")
	}
	return uint8(v), nil
}

// number is N, N(0x…) or (INF), which stands for no limit.
func number(s string, bits int) (uint64, error) {
	if s == "(INF)" {
		return 0, nil
	}
	s, _, _ = strings.Cut(s, "(")
	return strconv.ParseUint(s, 0, bits)
}

// inside reads a line of an entry.
func (p *Parser) inside(line int, f []string) error {
	d := p.d
	// Parts of several lines.
	switch p.where {
	case "stats":
		if f[0] == "replay-window" {
			return nil
		}
	case "esn":
		switch f[0] {
		case "seq-hi":
			return nil
		case "replay_window":
			if len(f) > 1 {
				d.beyond("replay-window of the extended sequence numbers", strings.TrimSuffix(f[1], ","))
			}
			return nil
		}
		if len(f[0]) == 8 && strings.Trim(f[0], "0123456789abcdef") == "" {
			return nil // the bitmap
		}
	case "config":
		if done, err := d.limit(f); done || err != nil {
			return err
		}
	case "current":
		if done, err := d.usage(f); done || err != nil {
			return err
		}
	case "tmpl":
		if done, err := d.template(f); done || err != nil {
			return err
		}
	}
	p.where = ""
	switch f[0] {
	case "lifetime":
		if len(f) > 1 {
			p.where = strings.TrimSuffix(f[1], ":")
		}
		return nil
	case "stats:":
		p.where = "stats"
		return nil
	case "tmpl":
		if len(f) < 5 || f[1] != "src" || f[3] != "dst" {
			return errors.New("a template is tmpl src ADDR dst ADDR")
		}
		p.where = "tmpl"
		var t template
		var err error
		if t.src, err = addr(f[2]); err != nil {
			return err
		}
		if t.dst, err = addr(f[4]); err != nil {
			return err
		}
		if t.src.Is4() != t.dst.Is4() {
			return errors.New("the ends of a template are of different address families")
		}
		if len(d.templates) >= maxTemplates {
			return fmt.Errorf("a policy has %d templates at most", maxTemplates)
		}
		d.templates = append(d.templates, t)
		return nil
	case "dir", "socket":
		if d.Policy {
			return d.direction(f)
		}
		if len(f) > 1 {
			d.beyond("dir", f[1])
		}
		return nil
	case "proto":
		return d.id(f)
	case "replay-window":
		return d.window(f)
	case "auth", "auth-trunc", "enc", "aead", "comp":
		return d.algorithm(f)
	case "encap":
		return d.encapsulation(f)
	case "sel":
		d.hasSel = true
		return d.selector(&d.sel, f[1:])
	case "mark":
		if len(f) > 1 && !strings.HasPrefix(f[1], "0/0") {
			d.beyond("mark", f[1])
		}
		if len(f) > 3 && f[2] == "output-mark" {
			d.beyond("output-mark", f[3])
		}
		return nil
	case "output-mark", "if_id", "tfcpad", "pcpu-num", "coa":
		if len(f) > 1 && f[1] != "0" && f[1] != "0x0" {
			d.beyond(f[0], f[1])
		}
		return nil
	case "crypto":
		d.beyond("offload", strings.Join(f[min(3, len(f)):], " "))
		return nil
	case "lastused":
		return nil
	case "anti-replay":
		if len(f) > 1 && f[1] == "esn" {
			p.where = "esn"
		}
		return nil
	case "security":
		d.beyond("security context", strings.Join(f[min(2, len(f)):], " "))
		return nil
	}
	d.other(f[0])
	return nil
}

// maxTemplates is XFRM_MAX_DEPTH.
const maxTemplates = 6

// id reads proto P spi S reqid R mode M, of an SA or a template.
func (d *draft) id(f []string) error {
	var proto, mode string
	var spi, reqid uint64
	var err error
	for ; len(f) >= 2; f = f[2:] {
		switch f[0] {
		case "proto":
			proto = f[1]
		case "spi":
			spi, err = number(f[1], 32)
		case "reqid":
			reqid, err = number(f[1], 32)
		case "mode":
			mode = f[1]
		default:
			d.other(f[0])
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s wants a number", f[0])
		}
	}
	satype := xfrmname.ProtocolOf(proto)
	if satype == "" {
		return fmt.Errorf("protocol %s is none that PF_KEY has SAs of", plain(proto))
	}
	m, ok := d.c.Dialect.EnumValue(layers.EnumMode, xfrmname.ModeOf(mode))
	if !ok {
		return fmt.Errorf("mode %s is none that PF_KEY has", plain(mode))
	}
	if n := len(d.templates); d.Policy && n > 0 {
		r := &d.templates[n-1].request
		// Of ESP, AH and IPComp the number is the same as the IP protocol's.
		r.Proto = map[string]uint16{"esp": 50, "ah": 51, "comp": 108}[proto]
		r.Mode, r.ReqID = uint8(m), uint32(reqid)
		if spi != 0 {
			d.beyond("spi of a template", fmt.Sprintf("0x%08x", spi))
		}
		return nil
	}
	if d.Policy {
		return errors.New("proto stands before the template it belongs to")
	}
	v, _ := d.c.Dialect.EnumValue(layers.EnumSAType, satype)
	d.base.SAType = uint8(v)
	d.sa.SPI, d.sa2.Mode, d.sa2.ReqID = uint32(spi), uint8(m), uint32(reqid)
	d.protocol = true
	return nil
}

// window reads replay-window N [seq 0x…] [flag …] [extra_flag …].
func (d *draft) window(f []string) error {
	if len(f) < 2 {
		return errors.New("replay-window wants a number")
	}
	n, err := strconv.ParseUint(f[1], 10, 32)
	if err != nil {
		return errors.New("replay-window wants a number")
	}
	if n > 255 {
		d.beyond("replay-window", f[1])
		n = 0
	}
	d.sa.Replay = uint8(n)
	what := ""
	for _, w := range f[2:] {
		// The last flag and extra_flag have no space between them.
		if last, ok := strings.CutSuffix(w, "extra_flag"); ok && last != "" {
			d.flag(what, last)
			w = "extra_flag"
		}
		switch {
		case w == "flag", w == "extra_flag", w == "seq":
			what = w
		case strings.HasPrefix(w, "("), what == "seq":
		case what == "":
			d.other(w)
			return nil
		default:
			d.flag(what, w)
		}
	}
	return nil
}

// flag notes a flag, or one of those that what calls extra_flag.
func (d *draft) flag(what, w string) {
	if name := xfrmname.FlagOf(w); name != "" && what == "flag" {
		bits, _ := d.c.Dialect.FlagValue(layers.EnumSAFlags, name)
		d.sa.Flags |= bits
		return
	}
	d.beyond(what, w)
}

// algorithm reads KIND NAME [0xKEY [(N bits)]] [ICV].
func (d *draft) algorithm(f []string) error {
	if d.Policy {
		return fmt.Errorf("a policy has no algorithm")
	}
	if len(f) < 2 {
		return fmt.Errorf("%s wants an algorithm", f[0])
	}
	if hexadecimal(f[1]) {
		return fmt.Errorf("%s: the name of the algorithm is missing", f[0])
	}
	var octets []byte
	hidden, icv := false, 0
	for i := 2; i < len(f); i++ {
		w := f[i]
		switch {
		case strings.HasPrefix(w, "0x"):
			b, err := hex.DecodeString(w[2:])
			if err != nil || len(b) > maxKey {
				return errors.New("the key is no hexadecimal number, or too long")
			}
			octets = b
		case w == "<<Keys", strings.HasPrefix(w, "(ERROR"):
			hidden = true
			i++ // hidden>> or truncated)
		case strings.HasPrefix(w, "("):
			i++ // N bits
		default:
			n, err := strconv.ParseUint(w, 10, 16)
			if err != nil {
				return fmt.Errorf("after the key of an algorithm comes a number of bits")
			}
			icv = int(n)
		}
	}
	kind, encryption := xfrmname.Encrypt, true
	switch f[0] {
	case "auth", "auth-trunc":
		kind, encryption = xfrmname.Auth, false
	case "aead":
		kind = xfrmname.AEAD
	case "comp":
		kind = xfrmname.Compress
	}
	a, ok := xfrmname.ByName(kind, f[1], icv)
	if id, known := a.Number(d.c.Dialect); ok && known && kind != xfrmname.AEAD {
		if encryption {
			d.sa.Encrypt = id
		} else {
			d.sa.Auth = id
		}
	} else if kind != xfrmname.AEAD {
		d.beyond(f[0], f[1])
	}
	if kind == xfrmname.Auth {
		d.Auth, d.ICV = a, icv
	}
	path := "key_auth"
	if encryption {
		path = "key_encrypt"
	}
	switch {
	case kind == xfrmname.AEAD:
		d.AEAD, d.aead = true, a
		if len(octets) > 0 {
			d.key = d.c.NewKey(layers.LayerTypeKeyEncrypt, octets)
		}
		d.beyond("aead", fmt.Sprintf("%s with a value of %d bits", f[1], icv))
		const why = "an AEAD, of which PF_KEY shows nothing"
		d.unsaid("sa.encrypt", why)
		d.unsaid("key_encrypt", why)
	case hidden:
		d.unsaid(path, hiddenKeys)
	case len(octets) > 0:
		t := layers.LayerTypeKeyAuth
		if encryption {
			t = layers.LayerTypeKeyEncrypt
		}
		k := d.c.NewKey(t, octets)
		if encryption {
			d.encrypt = k
		} else {
			d.auth = k
		}
	}
	return nil
}

// maxKey is how many octets a key has at most: its number of bits has 16 bits.
const maxKey = 8191

// encapsulation reads encap type T sport N dport N addr A.
func (d *draft) encapsulation(f []string) error {
	var err error
	for f = f[1:]; len(f) >= 2; f = f[2:] {
		switch f[0] {
		case "type":
			if xfrmname.EncapOf(f[1]) == "" {
				return fmt.Errorf("encapsulation %s is none that PF_KEY has", plain(f[1]))
			}
			d.encap = f[1]
		case "sport":
			d.sport, err = port(f[1])
		case "dport":
			d.dport, err = port(f[1])
		case "addr":
			if d.original, err = addr(f[1]); err == nil && !d.original.IsUnspecified() {
				d.beyond("encap addr", f[1])
			}
		}
		if err != nil {
			return fmt.Errorf("encap: %s is wrong", f[0])
		}
	}
	return nil
}

// direction reads the second line of a policy: dir D [action A] [index N] priority N ….
func (d *draft) direction(f []string) error {
	if len(f) < 2 {
		return errors.New("dir wants in, out or fwd")
	}
	name := xfrmname.DirectionOf(f[1])
	if f[0] == "socket" {
		name = map[string]string{"in": "SOCKET_IN", "out": "SOCKET_OUT"}[f[1]]
	}
	v, ok := d.c.Dialect.EnumValue(layers.EnumDir, name)
	if !ok {
		return fmt.Errorf("direction %s is none that PF_KEY has", plain(f[1]))
	}
	d.policy.Dir = uint8(v)
	d.protocol = true
	indexed := false
	for f = f[2:]; len(f) > 0; f = f[1:] {
		next := ""
		if len(f) > 1 {
			next = f[1]
		}
		switch f[0] {
		case "action":
			if next == "block" {
				d.policy.Type = blocked
			} else if next != "allow" {
				d.beyond("action", next)
			}
		case "index", "priority":
			n, err := strconv.ParseUint(next, 10, 32)
			if err != nil {
				return fmt.Errorf("%s wants a number", f[0])
			}
			if f[0] == "index" {
				d.policy.ID, indexed = uint32(n), true
			} else {
				d.policy.Priority = uint32(n)
			}
		case "ptype":
			if next != "main" {
				d.beyond("ptype", next)
			}
		case "share":
			if next != "any" {
				d.beyond("share", next)
			}
		case "flag":
			if next != "" && !strings.HasPrefix(next, "(") {
				d.beyond("flag", next)
			}
			return d.index(indexed)
		default:
			d.other(f[0])
			return d.index(indexed)
		}
		if next != "" {
			f = f[1:]
		}
	}
	return d.index(indexed)
}

func (d *draft) index(indexed bool) error {
	if !indexed {
		d.unsaid("policy.id", "the index is printed with -s only")
	}
	return nil
}

// limit reads a line after "lifetime config:".
func (d *draft) limit(f []string) (bool, error) {
	amount := func(i int) (uint64, string, error) {
		if i >= len(f) {
			return 0, "", errors.New("a limit is missing")
		}
		// (INF)(bytes), 1000(bytes), 3600(sec)
		w := strings.TrimSuffix(f[i], ",")
		k := strings.LastIndexByte(w, '(')
		if k < 0 {
			return 0, "", errors.New("a limit has no unit")
		}
		n, err := number(w[:k], 64)
		if err != nil {
			err = errors.New("a limit is no number")
		}
		return n, strings.Trim(w[k:], "()"), err
	}
	switch {
	case f[0] == "limit:" && len(f) == 5:
		soft, unit, err := amount(2)
		if err != nil {
			return true, err
		}
		hard, _, err := amount(4)
		if err != nil {
			return true, err
		}
		d.limits = true
		if unit == "packets" {
			// PF_KEY has 32 bits, and takes what is more for none.
			if soft > 1<<32-1 || hard > 1<<32-1 {
				d.beyond("limit", "more packets than 32 bits hold")
			}
			d.soft.Allocations, d.hard.Allocations = uint32(soft), uint32(hard)
		} else {
			d.soft.Bytes, d.hard.Bytes = soft, hard
		}
		return true, nil
	case f[0] == "expire" && len(f) == 6:
		soft, _, err := amount(3)
		if err != nil {
			return true, err
		}
		hard, _, err := amount(5)
		if err != nil {
			return true, err
		}
		d.limits = true
		if f[1] == "use:" {
			d.soft.UseTime, d.hard.UseTime = soft, hard
		} else {
			d.soft.AddTime, d.hard.AddTime = soft, hard
		}
		return true, nil
	}
	return false, nil
}

// usage reads a line after "lifetime current:".
func (d *draft) usage(f []string) (bool, error) {
	switch {
	case len(f) == 2 && strings.Contains(f[0], "(bytes)") && strings.Contains(f[1], "(packets)"):
		n, err := number(f[0], 64)
		if err != nil {
			return true, errors.New("a counter is no number")
		}
		k, err := number(f[1], 64)
		if err != nil {
			return true, errors.New("a counter is no number")
		}
		d.used = true
		d.current.Bytes, d.current.Allocations = n, uint32(k)
		return true, nil
	case f[0] == "add":
		d.current.AddTime, f = clock(f[1:])
		if len(f) > 0 && f[0] == "use" {
			d.current.UseTime, _ = clock(f[1:])
		}
		return true, nil
	}
	return false, nil
}

// clock reads DATE TIME, which are in local time, or -; what cannot be read is no time.
func clock(f []string) (uint64, []string) {
	if len(f) >= 2 && len(f[0]) == 10 {
		t, err := time.ParseInLocation("2006-01-02 15:04:05", f[0]+" "+f[1], time.Local)
		if err != nil || t.Unix() < 0 {
			return 0, f[2:]
		}
		return uint64(t.Unix()), f[2:]
	}
	return 0, f[min(1, len(f)):]
}

// template reads a line after "tmpl …".
func (d *draft) template(f []string) (bool, error) {
	t := &d.templates[len(d.templates)-1]
	switch f[0] {
	case "proto":
		return true, d.id(f)
	case "level":
		if len(f) > 1 && f[1] != "required" {
			t.optional = true
			if xfrmname.LevelOf(f[1]) == "" {
				d.beyond("level", f[1])
			}
		}
		if len(f) > 3 && f[2] == "share" && f[3] != "any" {
			d.beyond("share", f[3])
		}
		return true, nil
	case "enc-mask":
		for i := 0; i+1 < len(f); i += 2 {
			// 0, and all bits, say that any algorithm will do.
			if m := f[i+1]; strings.Trim(m, "0") != "" && strings.Trim(m, "f") != "" {
				d.beyond(f[i], m)
			}
		}
		return true, nil
	}
	return false, nil
}
