package ipseckey

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
)

// Options say what a Parser may do besides reading its text.
type Options struct {
	// Resolve returns the addresses of a host name. Without it a host name is an
	// error.
	Resolve func(host string) ([]netip.Addr, error)
}

// Error says where a text is wrong. It never quotes what may be a key.
type Error = statement.Error

// token is a word or a "string".
type token struct {
	text         string
	quoted       bool
	line, column int
}

func wrong(t token, format string, args ...any) error {
	return &Error{Line: t.line, Column: t.column, Err: fmt.Errorf(format, args...)}
}

// Parser reads statements.
type Parser struct {
	s    *bufio.Scanner
	opt  Options
	line int
	err  error
}

const (
	// maxLine is longer than any line with a key that fits a message. ipseckey takes
	// 2048 bytes.
	maxLine = 256 << 10
	// maxWords is more than a command can have.
	maxWords = 256
)

// NewParser reads statements from r.
func NewParser(r io.Reader, o Options) *Parser {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	return &Parser{s: s, opt: o}
}

// words reads the words of the next command, from all its lines.
func (p *Parser) words() (list []token, err error) {
	more := false
	for p.s.Scan() {
		p.line++
		b := bytes.TrimRight(p.s.Bytes(), "\r")
		if p.line == 1 {
			b = bytes.TrimPrefix(b, []byte("\ufeff"))
		}
		if text := bytes.TrimLeft(b, " \t"); len(text) > 0 && text[0] == '#' {
			continue
		}
		b, more = bytes.CutSuffix(b, []byte(`\`))
		for i := 0; i < len(b); {
			c := b[i]
			t := token{line: p.line, column: i + 1}
			switch {
			case c == ' ' || c == '\t' || c == '\f' || c == '\v' || c == '\r':
				i++
				continue
			case c == '"':
				end := bytes.IndexByte(b[i+1:], '"')
				if end < 0 {
					return nil, wrong(t, "the string that begins here does not end")
				}
				t.text, t.quoted = string(b[i+1:i+1+end]), true
				i += end + 2
			default:
				end := i
				for end < len(b) && !bytes.ContainsRune([]byte(" \t\f\v\r\""), rune(b[end])) {
					if b[end] < ' ' || b[end] >= 0x7f {
						t.column = end + 1
						return nil, wrong(t, "byte 0x%02x has no place here", b[end])
					}
					end++
				}
				t.text = string(b[i:end])
				i = end
			}
			if list = append(list, t); len(list) > maxWords {
				return nil, wrong(t, "a command of more than %d words", maxWords)
			}
		}
		if !more && len(list) > 0 {
			return list, nil
		}
	}
	if err := p.s.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, &Error{Line: p.line + 1, Column: 1, Err: fmt.Errorf("the line is longer than %d bytes", maxLine)}
		}
		return nil, err
	}
	if len(list) > 0 {
		return list, nil
	}
	return nil, io.EOF
}

// Next returns the next statement, or io.EOF after the last one and after exit or quit.
// Another error ends the text; it is a *Error unless reading failed.
func (p *Parser) Next() (*Statement, error) {
	if p.err != nil {
		return nil, p.err
	}
	s, err := p.next()
	p.err = err
	return s, err
}

func (p *Parser) next() (*Statement, error) {
	list, err := p.words()
	if err != nil {
		return nil, err
	}
	head := list[0]
	s := &Statement{Line: head.line, Column: head.column, Command: head.text}
	switch head.text {
	case "exit", "quit":
		return nil, io.EOF
	case "monitor", "passive_monitor", "pmonitor", "save", "help", "?":
		return nil, wrong(head, "%s is not for files", head.text)
	}
	if commands[head.text] == "" || head.quoted {
		return nil, wrong(head, "%q is not a command: use add, update, update-pair, delete, delete-pair, get, flush or dump", head.text)
	}
	list = list[1:]
	if len(list) > 0 {
		// A number is one of an SA type too.
		t, known := saTypes[strings.ToLower(list[0].text)]
		n, err := strconv.ParseUint(list[0].text, 0, 8)
		switch {
		case known:
			s.SAType = t
		case err == nil:
			s.SAType = uint8(n)
		default:
			return nil, wrong(list[0], "%q is not an SA type: use ah, esp or all", list[0].text)
		}
		list = list[1:]
	}
	if s.Command == "flush" || s.Command == "dump" {
		if len(list) > 0 {
			return nil, wrong(list[0], "%q is too much for %s", list[0].text, s.Command)
		}
		return s, nil
	}
	if s.SAType == 0 {
		return nil, wrong(head, "%s wants an SA type: ah or esp", s.Command)
	}
	a := args{p: p, s: s, list: list, end: head, said: map[string]bool{}}
	for len(a.list) > 0 {
		if err := a.next(); err != nil {
			return nil, err
		}
	}
	return s, a.check(head)
}

// args reads the arguments of a command.
type args struct {
	p    *Parser
	s    *Statement
	list []token
	end  token // the word read last
	said map[string]bool
}

func (a *args) word(what string) (token, error) {
	if len(a.list) == 0 {
		return token{}, wrong(a.end, "the command ends where %s is wanted", what)
	}
	a.end, a.list = a.list[0], a.list[1:]
	return a.end, nil
}

func (a *args) number(what string, most uint64) (uint64, error) {
	t, err := a.word(what)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(t.text, 0, 64)
	if err != nil || n > most || strings.Contains(t.text, "_") {
		return 0, wrong(t, "not %s: use a number up to %d", what, most)
	}
	return n, nil
}

// short are the words that delete and get take.
var short = []string{"spi", "src", "dst", "sport", "dport", "proto", "inbound", "outbound"}

func (a *args) next() error {
	t, _ := a.word("a word") // there is one
	arg, known := arguments[t.text]
	s := a.s
	making := s.Command == "add" || strings.HasPrefix(s.Command, "update")
	switch {
	case refused[t.text] != "":
		return wrong(t, "%s %s", t.text, refused[t.text])
	case !known || t.quoted:
		return wrong(t, "not an argument of %s", s.Command) // it may be a part of a key
	case !making && !slices.Contains(short, arg.name):
		return wrong(t, "%s is not for %s", t.text, s.Command)
	case a.said[arg.name]:
		return wrong(t, "%s stands once", t.text)
	}
	a.said[arg.name] = true
	var err error
	number := func(most uint64) uint64 {
		var n uint64
		n, err = a.number(arg.name, most)
		return n
	}
	limit := func(l **Limit) *Limit {
		if *l == nil {
			*l = &Limit{}
		}
		return *l
	}
	switch arg.name {
	case "spi":
		if s.SPI = uint32(number(math.MaxUint32)); s.SPI == 0 && err == nil {
			err = wrong(a.end, "0 is not an SPI")
		}
	case "pair-spi":
		if s.Command == "update-pair" {
			return wrong(t, "pair-spi is not for update-pair")
		}
		if s.PairSPI = uint32(number(math.MaxUint32)); s.PairSPI == 0 && err == nil {
			err = wrong(a.end, "0 is not an SPI")
		}
	case "replay":
		s.Replay = uint8(number(math.MaxUint8))
	case "replay_value":
		s.ReplayValue, s.ReplayCounter = uint32(number(math.MaxUint32)), true
	case "reserved_bits":
		if s.EncryptKey != nil {
			return wrong(t, "reserved_bits stands before encrkey")
		}
		s.Reserved = uint16(number(math.MaxUint16))
	case "state":
		var w token
		if w, err = a.word("a state"); err == nil {
			if s.State = w.text; !slices.Contains([]string{"mature", "dying", "dead"}, w.text) {
				err = wrong(w, "%q is not a state that can be set: use mature, dying or dead", w.text)
			}
		}
	case "auth_alg":
		s.Auth, err = a.algorithm(authentications, "authentication")
	case "encr_alg":
		if s.SAType == saTypes["ah"] {
			return wrong(t, "ah does not encrypt")
		}
		s.Encrypt, err = a.algorithm(encryptions, "encryption")
	case "encap":
		var w token
		if w, err = a.word("udp"); err == nil && !strings.HasPrefix(w.text, "udp") {
			err = wrong(w, "%q is not an encapsulation: use udp", w.text)
		}
		s.EncapUDP = true
	case "inbound":
		s.Inbound = true
	case "outbound":
		s.Outbound = true
	case "hard_alloc":
		limit(&s.Hard).Allocations = uint32(number(math.MaxUint32))
	case "hard_bytes":
		limit(&s.Hard).Bytes = number(math.MaxUint64)
	case "hard_addtime":
		limit(&s.Hard).AddTime = number(math.MaxUint64)
	case "hard_usetime":
		limit(&s.Hard).UseTime = number(math.MaxUint64)
	case "soft_alloc":
		limit(&s.Soft).Allocations = uint32(number(math.MaxUint32))
	case "soft_bytes":
		limit(&s.Soft).Bytes = number(math.MaxUint64)
	case "soft_addtime":
		limit(&s.Soft).AddTime = number(math.MaxUint64)
	case "soft_usetime":
		limit(&s.Soft).UseTime = number(math.MaxUint64)
	case "idle_addtime":
		limit(&s.Idle).AddTime = number(math.MaxUint32)
	case "idle_usetime":
		limit(&s.Idle).UseTime = number(math.MaxUint32)
	case "src":
		err = a.address(&s.Src, arg.next)
	case "dst":
		err = a.address(&s.Dst, arg.next)
	case "isrc":
		err = a.address(&s.InnerSrc, arg.next)
	case "idst":
		err = a.address(&s.InnerDst, arg.next)
	case "nat_loc":
		err = a.address(&s.NATLocal, arg.next)
	case "nat_rem":
		err = a.address(&s.NATRemote, arg.next)
	case "sport":
		s.Src.Port = uint16(number(math.MaxUint16))
	case "dport":
		s.Dst.Port = uint16(number(math.MaxUint16))
	case "isport":
		s.InnerSrc.Port = uint16(number(math.MaxUint16))
	case "idport":
		s.InnerDst.Port = uint16(number(math.MaxUint16))
	case "nat_lport":
		s.NATLocal.Port = uint16(number(math.MaxUint16))
	case "nat_rport":
		s.NATRemote.Port = uint16(number(math.MaxUint16))
	case "proto":
		s.Proto = uint8(number(math.MaxUint8))
	case "iproto":
		s.InnerProto = uint8(number(math.MaxUint8))
	case "authkey":
		s.AuthKey, err = a.key()
	case "encrkey":
		s.EncryptKey, err = a.key()
	case "srcidtype":
		s.SrcID, err = a.identity()
	case "dstidtype":
		s.DstID, err = a.identity()
	}
	return err
}

func (a *args) algorithm(list []algorithm, what string) (*Algorithm, error) {
	t, err := a.word("an algorithm")
	if err != nil {
		return nil, err
	}
	x := &Algorithm{line: t.line, column: t.column}
	if found := find(list, strings.ToLower(t.text)); found != nil {
		x.Name = found.names[0]
		return x, nil
	}
	n, err := strconv.ParseUint(t.text, 0, 8)
	if err != nil || n == 0 {
		var names []string
		for _, f := range list {
			names = append(names, f.names[0])
		}
		return nil, wrong(t, "%q is not an %s algorithm: use its number, or %s", t.text, what, strings.Join(names, " "))
	}
	x.Number = uint8(n)
	return x, nil
}

func (a *args) address(dst *Address, kind byte) error {
	t, err := a.word("an address")
	if err != nil {
		return err
	}
	text, port := t.text, dst.Port
	*dst = Address{Port: port}
	if kind == 'p' || kind == 'q' {
		dst.Prefix = -1
		host, prefix, ok := strings.Cut(text, "/")
		if ok {
			n, err := strconv.ParseUint(prefix, 10, 8)
			if err != nil || n > 128 {
				return wrong(t, "%q is not a prefix length", prefix)
			}
			text, dst.Prefix = host, int(n)
		}
	}
	six := kind == '6' || kind == 'q'
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		dst.Addrs = []netip.Addr{addr.Unmap()}
	} else if a.p.opt.Resolve == nil || text == "" {
		return wrong(t, "%q is not an IPv4 or IPv6 address, and names are not looked up here", text)
	} else {
		list, err := a.p.opt.Resolve(text)
		if err != nil {
			return wrong(t, "%w", err)
		}
		for _, x := range list {
			if x = x.Unmap().WithZone(""); !six || x.Is6() {
				dst.Addrs = append(dst.Addrs, x)
			}
		}
		if len(dst.Addrs) == 0 {
			return wrong(t, "%q has no address that will do", text)
		}
	}
	for _, x := range dst.Addrs {
		if six && x.Is4() {
			return wrong(t, "%q is not an IPv6 address", text)
		}
		if dst.Prefix > x.BitLen() {
			return wrong(t, "a prefix of %d bits is longer than the address", dst.Prefix)
		}
	}
	return nil
}

// key reads hex digits, whose odd last one is the high half of an octet, with 0x or not,
// and maybe a slash and the number of bits. Its errors never quote the word.
func (a *args) key() (*Key, error) {
	t, err := a.word("a key")
	if err != nil {
		return nil, err
	}
	text, bits, sized := strings.Cut(t.text, "/")
	if len(text) > 2 && (strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X")) {
		text = text[2:]
	}
	k := &Key{Bits: 4 * (len(text) + len(text)%2)}
	if sized {
		n, err := strconv.ParseUint(bits, 10, 16)
		if err != nil || n == 0 || int(n+3)/4 > len(text) {
			return nil, wrong(t, "not a key: the number of bits behind the slash is not one that the digits before it have")
		}
		k.Bits = int(n)
		text = text[:(n+3)/4]
	}
	if len(text)%2 == 1 {
		text += "0"
	}
	if k.Octets, err = hex.DecodeString(text); err != nil || len(text) == 0 {
		return nil, wrong(t, "not a key: use hex digits, and maybe a slash and the number of bits")
	}
	const most = math.MaxUint16 // of the field that counts bits
	if k.Bits > most {
		return nil, wrong(t, "a key of %d bits: a message holds %d at most", k.Bits, most)
	}
	if rest := k.Bits % 8; rest != 0 {
		k.Octets[len(k.Octets)-1] &= 0xff << (8 - rest)
	}
	return k, nil
}

func (a *args) identity() (*Identity, error) {
	t, err := a.word("a type of identity")
	if err != nil {
		return nil, err
	}
	id := &Identity{}
	n, err := strconv.ParseUint(t.text, 0, 16)
	if err == nil {
		id.Number = uint16(n)
	}
	for _, x := range identities {
		if strings.EqualFold(x.name, t.text) {
			id.Type = x.name
		}
	}
	if err != nil && id.Type == "" {
		return nil, wrong(t, "%q is not a type of identity: use prefix, fqdn, user_fqdn, der_dn, der_gn or a number", t.text)
	}
	if t, err = a.word("an identity"); err != nil {
		return nil, err
	}
	const most = 4096
	if len(t.text) > most || strings.ContainsRune(t.text, 0) {
		return nil, wrong(t, "not an identity of up to %d bytes", most)
	}
	id.Text = t.text
	return id, nil
}

// check says what a command lacks.
func (a *args) check(head token) error {
	s := a.s
	making := s.Command == "add" || strings.HasPrefix(s.Command, "update")
	switch {
	case s.SPI == 0:
		return wrong(head, "%s wants an spi", s.Command)
	case making && !s.Dst.said():
		return wrong(head, "%s wants a dst", s.Command)
	case s.Command == "add" && s.Auth == nil && s.Encrypt == nil:
		return wrong(head, "add wants an auth_alg or an encr_alg")
	case s.Command == "add" && s.AuthKey == nil && s.EncryptKey == nil:
		return wrong(head, "add wants an authkey or an encrkey")
	case s.EncryptKey != nil && s.Encrypt != nil && s.Encrypt.Name == "null":
		return wrong(head, "null encryption has no key")
	case !s.EncapUDP && (s.NATLocal.said() || s.NATRemote.said() || s.NATLocal.Port != 0 || s.NATRemote.Port != 0):
		return wrong(head, "nat_loc, nat_rem and their ports go with encap udp")
	case s.EncapUDP && !s.NATLocal.said() && !s.NATRemote.said() && s.NATLocal.Port == 0 && s.NATRemote.Port == 0:
		return wrong(head, "encap udp wants a nat_loc or a nat_rem")
	}
	return nil
}

// Looks reports whether a text that begins with head may be a file of commands: its
// first line that is no comment is a command that ends with its line, or goes on with
// words that ipseckey knows. (setkey(8) has commands of the same names, which end with
// a semicolon.)
func Looks(head []byte) bool {
	cut := bytes.LastIndexByte(head, '\n')
	if cut < 0 {
		cut = len(head)
	}
	p := NewParser(bytes.NewReader(head[:cut]), Options{})
	list, err := p.words()
	if err != nil || commands[list[0].text] == "" {
		return false
	}
	if len(list) == 1 {
		return list[0].text == "flush" || list[0].text == "dump"
	}
	_, ok := saTypes[strings.ToLower(list[1].text)]
	if !ok {
		return false
	}
	if len(list) == 2 {
		return true
	}
	_, ok = arguments[list[2].text]
	return ok
}
