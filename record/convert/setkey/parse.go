package setkey

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Options say what a Parser may do besides reading its text.
type Options struct {
	// Key returns the octets of a key that is named instead of written: "@FILE",
	// "-" for standard input or "?" for a prompt. Without it such a name is an
	// error. The octets belong to the statement.
	Key func(name string) ([]byte, error)

	// NoLiteralKeys refuses keys in the text: for arguments of a command, which
	// every user of a machine can see.
	NoLiteralKeys bool

	// Resolve returns the addresses of a host name. Without it a host name is an
	// error.
	Resolve func(host string) ([]netip.Addr, error)
}

// Parser reads statements.
type Parser struct {
	lex   *lexer
	opt   Options
	ahead token
	has   bool
	keys  bool // -E or -A was in the statement: words may be keys
	args  bool // arguments instead of a text
}

// NewParser reads statements from r.
func NewParser(r io.Reader, o Options) *Parser { return &Parser{lex: newLexer(r), opt: o} }

// ParseArgs reads one statement from the arguments of a command, whose last ";" may
// be left out.
func ParseArgs(args []string, o Options) (*Statement, error) {
	if len(args) == 0 {
		return nil, errors.New("no statement")
	}
	text := strings.Join(args, " ")
	s, err := parseArgs(text+" ;", o)
	var e *Error
	if errors.As(err, &e) {
		// Which argument is it in?
		n, rest := 0, e.Column-1
		if rest > len(text) { // in the ";" that nobody wrote
			return s, &Error{Argument: -1, Err: e.Err}
		}
		for n < len(args)-1 && rest > len(args[n]) {
			rest -= len(args[n]) + 1
			n++
		}
		err = &Error{Argument: n, Err: e.Err}
	}
	return s, err
}

func parseArgs(text string, o Options) (*Statement, error) {
	p := NewParser(strings.NewReader(text), o)
	p.args = true
	s, err := p.Next()
	if err == io.EOF {
		err = errors.New("no statement")
	}
	if err != nil {
		return nil, err
	}
	for {
		t, err := p.next()
		switch {
		case err != nil:
			return nil, err
		case t.kind == 0:
			return s, nil
		case t.kind != ';':
			return nil, wrong(t, "one statement at a time: %v is too much", t)
		}
	}
}

func wrong(t token, format string, args ...any) error {
	return &Error{Line: t.line, Column: t.column, Err: fmt.Errorf(format, args...)}
}

// within says that byte i of a word is wrong.
func within(t token, i int, format string, args ...any) error {
	t.column += i
	return wrong(t, format, args...)
}

func (p *Parser) next() (token, error) {
	if p.has {
		p.has = false
		return p.ahead, nil
	}
	t, err := p.lex.next()
	switch {
	case t.kind == ';':
		p.keys = false
	case t.kind == 'w' && (t.text == "-E" || t.text == "-A"):
		p.keys = true
	}
	t.keys = p.keys
	return t, err
}

func (p *Parser) peek() (token, error) {
	if !p.has {
		t, err := p.next()
		if err != nil {
			return t, err
		}
		p.ahead, p.has = t, true
	}
	return p.ahead, nil
}

// word returns the next token, which must be a word.
func (p *Parser) word(what string) (token, error) {
	t, err := p.next()
	if err == nil && t.kind != 'w' {
		err = wrong(t, "%s where %s is wanted", p.name(t), what)
	}
	return t, err
}

// name is a token as errors call it.
func (p *Parser) name(t token) string {
	if p.args && t.kind == ';' {
		return "the arguments end"
	}
	return t.String()
}

// commands are the statements and what follows their names.
var commands = map[string]func(*Parser, *Statement) error{
	"add":       (*Parser).addStatement,
	"update":    (*Parser).addStatement,
	"getspi":    (*Parser).saStatement,
	"get":       (*Parser).saStatement,
	"delete":    (*Parser).saStatement,
	"deleteall": (*Parser).deleteAllStatement,
	"flush":     (*Parser).allStatement,
	"dump":      (*Parser).allStatement,
	"exit":      (*Parser).bareStatement,
	"quit":      (*Parser).bareStatement,
	"bye":       (*Parser).bareStatement,
	"spdadd":    (*Parser).policyStatement,
	"spdupdate": (*Parser).policyStatement,
	"spddelete": (*Parser).policyStatement,
	"spddump":   (*Parser).bareStatement,
	"spdflush":  (*Parser).bareStatement,
}

// Looks reports whether a text that begins with head may be a script: its first word
// is a command, and a semicolon follows somewhere. (ipseckey(8) has commands of the
// same names, which end with their lines.)
func Looks(head []byte) bool {
	l := newLexer(bytes.NewReader(head))
	t, err := l.next()
	if err != nil || t.kind != 'w' || commands[t.text] == nil {
		return false
	}
	for err == nil && t.kind != 0 && t.kind != ';' {
		t, err = l.next()
	}
	return t.kind == ';'
}

func names[V any](m map[string]V) string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// Next returns the next statement, or io.EOF after the last one and after exit.
// Another error ends the text; it is a *Error unless reading failed.
func (p *Parser) Next() (*Statement, error) {
	t, err := p.next()
	for err == nil && t.kind == ';' {
		t, err = p.next()
	}
	if err != nil {
		return nil, err
	}
	if t.kind == 0 {
		return nil, io.EOF
	}
	parse := commands[t.text]
	if t.kind != 'w' || parse == nil {
		return nil, wrong(t, "%v is not a command: use %s", t, names(commands))
	}
	s := &Statement{Line: t.line, Column: t.column, Command: t.text}
	if err := parse(p, s); err != nil {
		return nil, err
	}
	end, err := p.next()
	if err != nil {
		return nil, err
	}
	if end.kind != ';' && p.args {
		return nil, wrong(end, "%v is too much for %s", end, s.Command)
	}
	if end.kind != ';' {
		return nil, wrong(end, "%v where the %s statement should end with \";\"", end, s.Command)
	}
	if s.Command == "exit" || s.Command == "quit" || s.Command == "bye" {
		return nil, io.EOF
	}
	return s, nil
}

func (p *Parser) bareStatement(*Statement) error { return nil }

func (p *Parser) allStatement(s *Statement) error {
	t, err := p.peek()
	if err != nil || t.kind != 'w' {
		return err
	}
	return p.protocol(s)
}

func (p *Parser) deleteAllStatement(s *Statement) error {
	if err := p.ends(s, false); err != nil {
		return err
	}
	return p.protocol(s)
}

func (p *Parser) saStatement(s *Statement) error {
	if err := p.ends(s, false); err != nil {
		return err
	}
	if err := p.protocol(s); err != nil {
		return err
	}
	t, err := p.word("an SPI")
	if err != nil {
		return err
	}
	spi, err := strconv.ParseUint(t.text, 0, 32)
	if err != nil || strings.HasPrefix(t.text, "0") && len(t.text) > 1 && t.text[1] != 'x' && t.text[1] != 'X' {
		return wrong(t, "%v is not an SPI: use a decimal number or 0x and hex digits, up to 0xffffffff", t)
	}
	s.SPI = uint32(spi)
	return p.extensions(s)
}

func (p *Parser) addStatement(s *Statement) error {
	if err := p.saStatement(s); err != nil {
		return err
	}
	if err := p.algorithms(s); err != nil {
		return err
	}
	return p.extensions(s) // which people put here, too
}

// ends reads -46n flags and the two ends of an SA, or with ranges what a policy
// selects.
func (p *Parser) ends(s *Statement, ranges bool) error {
	var only4, only6, numeric bool
	for {
		t, err := p.peek()
		if err != nil {
			return err
		}
		if t.kind != 'w' || len(t.text) < 2 || t.text[0] != '-' || strings.Trim(t.text[1:], "46n") != "" {
			break
		}
		p.next()
		only4 = only4 || strings.Contains(t.text, "4")
		only6 = only6 || strings.Contains(t.text, "6")
		numeric = numeric || strings.Contains(t.text, "n")
		if only4 && only6 {
			return wrong(t, "-4 and -6 leave no address")
		}
	}
	accept := func(a netip.Addr) bool { return !(only4 && !a.Is4() || only6 && a.Is4()) }
	var err error
	if s.Src, _, err = p.selector("a source address", ranges, numeric, accept); err != nil {
		return err
	}
	var at token
	if s.Dst, at, err = p.selector("a destination address", ranges, numeric, accept); err != nil {
		return err
	}
	for _, a := range s.Src.Addrs {
		for _, b := range s.Dst.Addrs {
			if a.Is4() == b.Is4() {
				if ranges && len(s.Src.Addrs)*len(s.Dst.Addrs) > 1 {
					return wrong(at, "a policy wants one source and one destination: these host names stand for %d and %d addresses", len(s.Src.Addrs), len(s.Dst.Addrs))
				}
				return nil
			}
		}
	}
	return wrong(at, "source and destination are of different address families")
}

// selector reads address[/prefix][[port]], whose parts may stand apart.
func (p *Parser) selector(what string, ranges, numeric bool, accept func(netip.Addr) bool) (Selector, token, error) {
	sel := Selector{Prefix: -1}
	t, err := p.word(what)
	if err != nil {
		return sel, t, err
	}
	text := t.text
	for {
		n, err := p.peek()
		if err != nil {
			return sel, t, err
		}
		open := strings.Count(text, "[") > strings.Count(text, "]")
		if n.kind != 'w' || !open && n.text[0] != '[' && n.text[0] != '/' {
			break
		}
		p.next()
		text += n.text
	}
	t.text = text
	host, rest := text, ""
	if i := strings.IndexAny(text, "/["); i >= 0 {
		host, rest = text[:i], text[i:]
	}
	if sel.Addrs, err = p.addrs(t, host, numeric, accept); err != nil {
		return sel, t, err
	}
	if strings.HasPrefix(rest, "/") {
		if !ranges {
			return sel, t, within(t, len(host), "an SA ends at an address, not at a prefix")
		}
		digits := rest[1:]
		if i := strings.IndexByte(digits, '['); i >= 0 {
			digits = digits[:i]
		}
		n, err := strconv.ParseUint(digits, 10, 8)
		if most := sel.Addrs[0].BitLen(); err != nil || int(n) > most {
			return sel, t, within(t, len(host)+1, "%q is not a prefix length of up to %d bits", digits, most)
		}
		sel.Prefix = int(n)
		rest = rest[1+len(digits):]
	}
	if rest != "" {
		at := len(text) - len(rest)
		port, ok := strings.CutSuffix(rest[1:], "]")
		if rest[0] != '[' || !ok {
			return sel, t, within(t, at, "%q is not a port in brackets, like [500] or [any]", rest)
		}
		if sel.Port, err = parsePort(port); err != nil {
			return sel, t, within(t, at+1, "%w", err)
		}
	}
	return sel, t, nil
}

func parsePort(s string) (uint16, error) {
	if s == "any" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port: use a number up to 65535, or any", s)
	}
	return uint16(n), nil
}

// addrs returns the addresses that a word stands for.
func (p *Parser) addrs(t token, host string, numeric bool, accept func(netip.Addr) bool) ([]netip.Addr, error) {
	var list []netip.Addr
	a, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		list = []netip.Addr{a.Unmap()}
	case numeric || p.opt.Resolve == nil || strings.Trim(host, "0123456789.:") == "":
		t.text = host
		return nil, wrong(t, "%v is not an IPv4 or IPv6 address", t)
	default:
		if list, err = p.opt.Resolve(host); err != nil {
			return nil, wrong(t, "%w", err)
		}
	}
	var kept []netip.Addr
	for _, a := range list {
		if a = a.Unmap(); accept == nil || accept(a) {
			kept = append(kept, a)
		}
	}
	if len(kept) == 0 {
		return nil, wrong(t, "%q has no address of the family that is asked for", host)
	}
	return kept, nil
}

// protocols are the words for what an SA does.
var protocols = []string{"esp", "esp-old", "esp-udp", "ah", "ah-old", "ipcomp", "tcp"}

func (p *Parser) protocol(s *Statement) error {
	t, err := p.word("a protocol")
	if err != nil {
		return err
	}
	if !slices.Contains(protocols, t.text) {
		return wrong(t, "%v is not a protocol: use %s", t, strings.Join(protocols, ", "))
	}
	s.Protocol = t.text
	if t.text != "esp-udp" {
		return nil
	}
	s.NATT = &NATT{}
	// The original address may follow. What follows else is an SPI, which is a
	// number, or the end.
	n, err := p.peek()
	if err != nil || n.kind != 'w' {
		return err
	}
	if a, err := netip.ParseAddr(n.text); err == nil {
		p.next()
		s.NATT.OriginalSrc = a.Unmap()
	}
	return nil
}

// number reads an unsigned decimal number.
func (p *Parser) number(what string, bits int) (uint64, error) {
	t, err := p.word(what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(t.text, 10, bits)
	if err != nil {
		return 0, wrong(t, "%v is not %s: use a decimal number up to %d", t, what, uint64(math.MaxUint64)>>(64-bits))
	}
	return n, nil
}

var flags = []string{"zero-pad", "random-pad", "seq-pad", "nocyclic-seq"}

// extensions reads the options of an SA that are no algorithms.
func (p *Parser) extensions(s *Statement) error {
	for {
		t, err := p.peek()
		if err != nil {
			return err
		}
		if t.kind != 'w' {
			return nil
		}
		switch t.text {
		case "-m", "-r", "-u", "-f", "-lh", "-ls", "-bh", "-bs", "-ctx", "-esn", "-natt", "-natt_mtu", "-hwif":
			p.next()
		default:
			return nil
		}
		var n uint64
		switch t.text {
		case "-m":
			var m token
			if m, err = p.word("a mode"); err != nil {
				return err
			}
			switch m.text {
			case "transport", "tunnel", "any":
				s.Mode = strings.TrimPrefix(m.text, "any")
			default:
				return wrong(m, "%v is not a mode: use transport, tunnel or any", m)
			}
		case "-f":
			var f token
			if f, err = p.word("a padding"); err != nil {
				return err
			}
			if !slices.Contains(flags, f.text) {
				return wrong(f, "%v is not known to -f: use %s", f, strings.Join(flags, ", "))
			}
			s.Flags = append(s.Flags, f.text)
		case "-esn":
			s.Flags = append(s.Flags, "esn")
		case "-r":
			if strings.HasSuffix(s.Protocol, "-old") {
				return wrong(t, "%s has no replay protection", s.Protocol)
			}
			n, err = p.number("a replay window", 32)
			s.Replay = uint32(n)
		case "-u":
			n, err = p.number("a request id", 32)
			s.ReqID = uint32(n)
		case "-lh":
			s.Hard.Time, err = p.number("a number of seconds", 64)
		case "-ls":
			s.Soft.Time, err = p.number("a number of seconds", 64)
		case "-bh":
			s.Hard.Bytes, err = p.number("a number of bytes", 64)
		case "-bs":
			s.Soft.Bytes, err = p.number("a number of bytes", 64)
		case "-ctx":
			s.Context, err = p.context()
		case "-natt":
			err = p.natt(s)
		case "-natt_mtu":
			n, err = p.number("a size of fragments", 16)
			s.NATTFrag = uint16(n)
		case "-hwif":
			var f token
			f, err = p.word("an interface")
			s.Interface = f.text
		}
		if err != nil {
			return err
		}
	}
}

func (p *Parser) context() (*Context, error) {
	doi, err := p.number("a domain of interpretation", 8)
	if err != nil {
		return nil, err
	}
	alg, err := p.number("an algorithm", 8)
	if err != nil {
		return nil, err
	}
	t, err := p.next()
	if err == nil && t.kind != '"' {
		err = wrong(t, "%v where a security context in quotes is wanted", t)
	}
	return &Context{DOI: uint8(doi), Alg: uint8(alg), Text: t.text}, err
}

// natt reads FreeBSD's address[port] address[port].
func (p *Parser) natt(s *Statement) error {
	src, _, err := p.selector("the original source", false, true, nil)
	if err != nil {
		return err
	}
	dst, _, err := p.selector("the original destination", false, true, nil)
	if err != nil {
		return err
	}
	s.NATT = &NATT{OriginalSrc: src.Addrs[0], SrcPort: src.Port, OriginalDst: dst.Addrs[0], DstPort: dst.Port}
	return nil
}

// algorithms reads -E, -A and -C.
func (p *Parser) algorithms(s *Statement) error {
	first := true
	for ; ; first = false {
		t, err := p.peek()
		if err != nil {
			return err
		}
		if t.kind != 'w' || t.text != "-E" && t.text != "-A" && t.text != "-C" {
			if !first {
				return nil
			}
			return wrong(t, "%s where -E, -A or -C is wanted", p.name(t))
		}
		p.next()
		if (t.text == "-C") != (s.Protocol == "ipcomp") {
			return wrong(t, "%s does not belong to %s", t.text, s.Protocol)
		}
		name, err := p.word("an algorithm")
		if err != nil {
			return err
		}
		switch {
		case t.text == "-C":
			if !compressions[name.text] {
				return wrong(name, "%v is not a compression algorithm: use %s", name, names(compressions))
			}
			s.Compress = name.text
			if r, err := p.peek(); err != nil {
				return err
			} else if r.kind == 'w' && r.text == "-R" {
				p.next()
				s.RawCPI = true
			}
		case t.text == "-E":
			if s.Encrypt != nil || s.Auth != nil {
				return wrong(t, "-E stands once, before -A")
			}
			if s.Protocol == "ah" || s.Protocol == "ah-old" || s.Protocol == "tcp" {
				return wrong(t, "%s does not encrypt", s.Protocol)
			}
			s.Encrypt, err = p.algorithm(name, encryptions, "encryption")
		default:
			if s.Auth != nil {
				return wrong(t, "-A stands once")
			}
			s.Auth, err = p.algorithm(name, authentications, "authentication")
		}
		if err != nil {
			return err
		}
	}
}

// algorithm reads the key that follows the name of an algorithm.
func (p *Parser) algorithm(name token, known map[string][]string, what string) (*Algorithm, error) {
	if known[name.text] == nil {
		return nil, wrong(name, "%v is not an %s algorithm: use %s", name, what, names(known))
	}
	a := &Algorithm{Name: name.text, line: name.line, column: name.column}
	t, err := p.peek()
	if err != nil {
		return nil, err
	}
	// simple is an old name of null; null takes a key of any length, normally none.
	if bare := t.kind == ';' || t.kind == 0 || t.kind == 'w' && strings.HasPrefix(t.text, "-") && t.text != "-"; bare {
		if a.Name == "null" || a.Name == "simple" {
			return a, nil
		}
		return nil, wrong(t, "%s where the key of %s is wanted", p.name(t), a.Name)
	}
	p.next()
	a.Key, err = p.key(t)
	return a, err
}

// key returns the octets of a key as written or named. Its errors never quote the
// word, which may be a mistyped key.
func (p *Parser) key(t token) ([]byte, error) {
	named := t.kind == 'w' && (t.text == "-" || t.text == "?" || t.text[0] == '@')
	switch {
	case named && p.opt.Key == nil:
		return nil, wrong(t, "a key that is named instead of written is not looked for here")
	case named:
		key, err := p.opt.Key(t.text)
		if err != nil {
			return nil, wrong(t, "%w", err)
		}
		return key, nil
	case p.opt.NoLiteralKeys:
		return nil, wrong(t, "a key on the command line is seen by every user of this machine: use @FILE, - for standard input, or ? to be asked")
	case t.kind == '"':
		return []byte(t.text), nil
	}
	key, err := hexKey(t.text)
	if err != nil {
		return nil, wrong(t, "%w", err)
	}
	return key, nil
}

// hexKey reads 0x and hex digits. Of an odd number the first makes an octet alone,
// as in setkey.
func hexKey(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		digits, ok = strings.CutPrefix(text, "0X")
	}
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	key, err := hex.DecodeString(digits)
	if err != nil || !ok || len(digits) == 0 {
		return nil, errors.New(`not a key: use 0x and hex digits, or a "string"`)
	}
	return key, nil
}

// KeyOfFile returns the key that a file holds: hex digits with or without 0x, or a
// string in quotes, each with white space around it; else the file's octets as they
// are.
func KeyOfFile(b []byte) []byte {
	text := strings.TrimSpace(string(b))
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' && !strings.Contains(text[1:len(text)-1], `"`) {
		return []byte(text[1 : len(text)-1])
	}
	if key, err := hexKey(text); err == nil {
		return key
	}
	if key, err := hex.DecodeString(text); err == nil && len(key) > 0 {
		return key
	}
	return b
}

func (p *Parser) policyStatement(s *Statement) error {
	if t, err := p.peek(); err != nil {
		return err
	} else if t.kind == 'w' && t.text == "tagged" && s.Command != "spddelete" {
		p.next()
		tag, err := p.next()
		if err != nil {
			return err
		}
		if tag.kind != '"' {
			return wrong(tag, "%v where a tag in quotes is wanted", tag)
		}
		s.Tag = tag.text
		return p.policy(s)
	}
	if err := p.ends(s, true); err != nil {
		return err
	}
	upper, err := p.word("an upper-layer protocol")
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(upper.text, 10, 8)
	number, known := upperProtocols[upper.text]
	switch {
	case known:
		s.Upper = number
	case err == nil:
		s.Upper = uint8(n)
	default:
		return wrong(upper, "%v is not an upper-layer protocol: use a number up to 255, or %s", upper, names(upperProtocols))
	}
	if t, err := p.peek(); err != nil {
		return err
	} else if t.kind == 'w' && t.text[0] != '-' {
		p.next()
		if err := s.upperDetail(t); err != nil {
			return err
		}
	}
	if t, err := p.peek(); err != nil {
		return err
	} else if t.kind == 'w' && t.text == "-ctx" {
		p.next()
		if s.Context, err = p.context(); err != nil {
			return err
		}
	}
	return p.policy(s)
}

// upperDetail reads what is put where other protocols have ports: type and code of
// ICMP, the key of GRE.
func (s *Statement) upperDetail(t token) error {
	var src, dst uint64
	var err, err2 error
	switch a, b, two := strings.Cut(t.text, ","); s.Upper {
	case 1, 58, 135: // ICMP, ICMPv6, mobility header
		src, err = strconv.ParseUint(a, 10, 8)
		if two {
			dst, err2 = strconv.ParseUint(b, 10, 8)
		}
		if err != nil || err2 != nil {
			return wrong(t, "%v is not a type, or a type and a code like 135,0", t)
		}
	case 47: // GRE
		key, err := strconv.ParseUint(t.text, 10, 32)
		if a, err2 := netip.ParseAddr(t.text); err2 == nil && a.Is4() {
			b := a.As4()
			key, err = uint64(b[0])<<24|uint64(b[1])<<16|uint64(b[2])<<8|uint64(b[3]), nil
		}
		if err != nil {
			return wrong(t, "%v is not a GRE key: use a number or four octets with dots", t)
		}
		src, dst = key>>16, key&0xffff
	default:
		return wrong(t, "%v where -P is wanted: only icmp, icmp6, mh and gre have details", t)
	}
	s.Src.Port, s.Dst.Port = uint16(src), uint16(dst)
	return nil
}

var policyTypes = []string{"discard", "none", "ipsec", "entrust", "bypass"}

var priority = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(prio|priority)(low|def|high)?([+-]?[0-9]{1,10})?$`)
})

// Priorities as signed numbers (setkey(8) of ipsec-tools); higher comes first. The
// kernel counts the other way, from the middle of 32 bits.
var priorityBases = map[string]int64{"": 0, "def": 0, "low": -1 << 30, "high": 1 << 30}

const priorityMiddle = 1 << 31

// policy reads -P and what follows it up to the end of the statement.
func (p *Parser) policy(s *Statement) error {
	t, err := p.word("-P")
	if err == nil && t.text != "-P" {
		err = wrong(t, "%v where -P is wanted", t)
	}
	if err != nil {
		return err
	}
	pol := &Policy{}
	s.Policy = pol
	dir, err := p.word("a direction")
	if err != nil {
		return err
	}
	switch dir.text {
	case "in", "out", "fwd":
		pol.Direction = dir.text
	default:
		return wrong(dir, "%v is not a direction: use in, out or fwd", dir)
	}
	if t, err = p.peek(); err != nil {
		return err
	}
	if s.Command == "spddelete" && t.kind == ';' {
		return nil // the direction is enough
	}
	prio := token{line: t.line, column: t.column}
	for t.kind == 'w' && !slices.Contains(policyTypes, t.text) {
		prio.text += t.text
		p.next()
		if t, err = p.peek(); err != nil {
			return err
		}
	}
	if prio.text != "" {
		m := priority().FindStringSubmatch(prio.text)
		if m == nil || m[2] == "" && m[3] == "" {
			return wrong(prio, "%q is neither a priority, like prio -5 or prio high + 5, nor one of %s", prio.text, strings.Join(policyTypes, ", "))
		}
		n := priorityBases[m[2]]
		if m[3] != "" {
			offset, _ := strconv.ParseInt(m[3], 10, 64) // at most ten digits
			n += offset
		}
		k := priorityMiddle - n
		if k <= 0 || k > math.MaxUint32 {
			return wrong(prio, "priority %d is out of range: use -2147483647 to 2147483647", n)
		}
		pol.Priority = uint32(k)
	}
	typ, err := p.word("a policy")
	if err != nil {
		return err
	}
	if !slices.Contains(policyTypes, typ.text) {
		return wrong(typ, "%v is not a policy: use %s", typ, strings.Join(policyTypes, ", "))
	}
	pol.Type = typ.text
	for {
		t, err := p.peek()
		if err != nil {
			return err
		}
		if t.kind != 'w' {
			break
		}
		p.next()
		if pol.Type != "ipsec" {
			return wrong(t, "%v after %s, which requires nothing", t, pol.Type)
		}
		r, err := p.request(t)
		if err != nil {
			return err
		}
		pol.Requests = append(pol.Requests, r)
	}
	if pol.Type == "ipsec" && len(pol.Requests) == 0 {
		return wrong(typ, "ipsec wants at least one protocol/mode/src-dst/level, like esp/transport//require")
	}
	return nil
}

// request reads protocol/mode/src-dst/level.
func (p *Parser) request(t token) (Request, error) {
	r := Request{Level: "default"}
	parts := strings.Split(t.text, "/")
	if len(parts) < 2 || len(parts) > 4 {
		return r, wrong(t, "%v is not protocol/mode/src-dst/level", t)
	}
	at := 0
	for i, part := range parts {
		switch i {
		case 0:
			if !slices.Contains([]string{"esp", "ah", "ipcomp"}, part) {
				return r, within(t, at, "%q is not a protocol of a policy: use esp, ah or ipcomp", part)
			}
			r.Protocol = part
		case 1:
			if !slices.Contains([]string{"transport", "tunnel", "any"}, part) {
				return r, within(t, at, "%q is not a mode: use transport, tunnel or any", part)
			}
			r.Mode = part
		case 2:
			if part == "" {
				break
			}
			src, dst, ok := strings.Cut(part, "-")
			if !ok {
				return r, within(t, at, "%q is not src-dst", part)
			}
			var err error
			if r.Src, err = p.endpoint(t, at, src); err != nil {
				return r, err
			}
			if r.Dst, err = p.endpoint(t, at+len(src)+1, dst); err != nil {
				return r, err
			}
			if r.Src.Addr().Is4() != r.Dst.Addr().Is4() {
				return r, within(t, at, "the ends of %q are of different address families", part)
			}
		case 3:
			level, id, unique := strings.Cut(part, ":")
			if !slices.Contains([]string{"default", "use", "require", "unique"}, level) || unique && level != "unique" {
				return r, within(t, at, "%q is not a level: use default, use, require, unique or unique:N", part)
			}
			r.Level = level
			if unique {
				n, err := strconv.ParseUint(id, 10, 32)
				if err != nil {
					return r, within(t, at+len(level)+1, "%q is not a request id", id)
				}
				r.ReqID = uint32(n)
			}
		}
		at += len(part) + 1
	}
	if r.Mode == "tunnel" && !r.Src.IsValid() {
		return r, wrong(t, "a tunnel needs its ends: %s/tunnel/src-dst/level", r.Protocol)
	}
	return r, nil
}

// endpoint reads address or address[port].
func (p *Parser) endpoint(t token, at int, text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, "[")
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, within(t, at, "%q is not an IPv4 or IPv6 address", host)
	}
	var n uint16
	if ok {
		if port, ok = strings.CutSuffix(port, "]"); !ok {
			return netip.AddrPort{}, within(t, at+len(host), "a port ends with ]")
		}
		if n, err = parsePort(port); err != nil {
			return netip.AddrPort{}, within(t, at+len(host)+1, "%w", err)
		}
	}
	return netip.AddrPortFrom(a.Unmap(), n), nil
}
