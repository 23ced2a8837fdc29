package setkey

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement"
)

// ErrNoStatement is the error for a message that no statement stands for.
var ErrNoStatement = errors.New("no setkey statement for it")

// FromMessage makes the statement that asks for what a message asks for, or, of a
// kernel's answer that describes an SA or policy (GET, DUMP, SPDGET, SPDDUMP), the
// one that makes it again. lost names what the statement cannot say; LIFETIME_CURRENT
// is not counted, since it is a state and no wish. The statement's keys alias msg.
//
// The error wraps ErrNoStatement, or says what the message lacks.
func FromMessage(c layers.Codec, msg []byte) (s *Statement, lost []string, err error) {
	m := layers.Message{}
	m.Codec = c
	if err := m.DecodeFromBytes(msg, gopacket.NilDecodeFeedback); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNoStatement, err)
	}
	name := c.Dialect.EnumName(layers.EnumMsgType, uint64(m.Type))
	w := fromMessage{c: c, m: &m, s: &Statement{Command: strings.ToLower(name)}}
	s = w.s
	switch name {
	case "ADD", "UPDATE", "GETSPI", "GET", "DELETE", "DUMP":
		if (name == "GET" || name == "DUMP") && m.KeyAuth() == nil && m.KeyEncrypt() == nil && m.LifetimeCurrent() == nil {
			if name == "GET" {
				break
			}
			s.Protocol, err = w.protocol()
			return s, w.rest(), err
		}
		if name == "GET" || name == "DUMP" {
			s.Command = "add"
		}
	case "FLUSH":
		s.Protocol, err = w.protocol()
		return s, w.rest(), err
	case "SPDFLUSH", "SPDDUMP", "SPDGET", "SPDADD", "SPDUPDATE", "SPDDELETE", "SPDDELETE2":
		if m.Policy() == nil && name != "SPDFLUSH" && name != "SPDDUMP" {
			return nil, nil, fmt.Errorf("%w: %s without POLICY", ErrNoStatement, name)
		}
		if m.Policy() == nil {
			return s, w.rest(), nil
		}
		switch name {
		case "SPDGET", "SPDDUMP":
			s.Command = "spdadd"
		case "SPDDELETE2":
			s.Command = "spddelete"
		}
		err = w.policy()
		return s, w.rest(), err
	default:
		if name == "" {
			name = fmt.Sprintf("message type %d", m.Type)
		}
		return nil, nil, fmt.Errorf("%w: %s", ErrNoStatement, name)
	}
	err = w.sa()
	return s, w.rest(), err
}

type fromMessage struct {
	c layers.Codec
	m *layers.Message
	s *Statement
	statement.Account
}

// rest returns what is lost, with the extensions that nothing was made of.
func (w *fromMessage) rest() []string { return w.Lost(w.m) }

// old are names that a statement is not written with: others stand for the same.
var old = map[string]bool{"simple": true, "des-deriv": true, "des-32iv": true, "rijndael-cbc": true, "hmac-sha256": true, "hmac-sha384": true, "hmac-sha512": true}

// word returns the key of the table whose names include that of a number; of several
// the first by name that is not an old one.
func word(d layers.Dialect, e layers.Enum, v uint64, table map[string][]string) (string, bool) {
	name := d.EnumName(e, v)
	if name == "" {
		return "", false
	}
	var found []string
	for k, list := range table {
		for _, n := range list {
			if n == name {
				found = append(found, k)
			}
		}
	}
	slices.SortFunc(found, func(a, b string) int {
		switch {
		case old[a] == old[b]:
			return strings.Compare(a, b)
		case old[a]:
			return 1
		}
		return -1
	})
	if len(found) == 0 {
		return "", false
	}
	return found[0], true
}

func (w *fromMessage) protocol() (string, error) {
	p, ok := word(w.c.Dialect, layers.EnumSAType, uint64(w.m.SAType), saTypes)
	if !ok {
		return "", fmt.Errorf("%w: SA type %d", ErrNoStatement, w.m.SAType)
	}
	return p, nil
}

func (w *fromMessage) ends() error {
	m, s := w.m, w.s
	w.Say(layers.LayerTypeAddressSrc, layers.LayerTypeAddressDst)
	for _, x := range []struct {
		what string
		a    *layers.Address
		sel  *Selector
	}{{"ADDRESS_SRC", m.AddressSrc(), &s.Src}, {"ADDRESS_DST", m.AddressDst(), &s.Dst}} {
		if x.a == nil || !x.a.Addr().IsValid() {
			return fmt.Errorf("%w: no address in %s", ErrNoStatement, x.what)
		}
		*x.sel = Selector{Addrs: []netip.Addr{x.a.Addr().WithZone("")}, Port: x.a.Port(), Prefix: int(x.a.PrefixLen)}
	}
	return nil
}

func (w *fromMessage) sa() error {
	m, s, d := w.m, w.s, w.c.Dialect
	var err error
	if s.Protocol, err = w.protocol(); err != nil {
		return err
	}
	if s.Protocol == "" {
		return fmt.Errorf("%w: SA type 0", ErrNoStatement)
	}
	if err := w.ends(); err != nil {
		return err
	}
	s.Src.Prefix, s.Dst.Prefix = -1, -1
	sa := m.SA()
	switch {
	case sa != nil:
		w.Say(layers.LayerTypeSA)
		s.SPI = sa.SPI
	case s.Command == "delete" && d != layers.Linux:
		s.Command = "deleteall"
		return nil
	case s.Command != "getspi":
		return fmt.Errorf("%w: no SA", ErrNoStatement)
	}
	if s.Command == "get" || s.Command == "delete" {
		return nil
	}
	if r := m.SPIRange(); r != nil && s.Command == "getspi" {
		w.Say(layers.LayerTypeSPIRange)
		switch {
		case r.Min == r.Max:
			s.SPI = r.Min
		case r.Min != 0x100 || r.Max != 0x0fffffff:
			w.Lose("SPIRANGE 0x%08x-0x%08x", r.Min, r.Max)
		}
	}
	if x := m.SA2(); x != nil {
		w.Say(layers.LayerTypeSA2)
		s.ReqID = x.ReqID
		switch mode := strings.ToLower(d.EnumName(layers.EnumMode, uint64(x.Mode))); mode {
		case "transport", "tunnel":
			s.Mode = mode
		case "any":
		default:
			w.Lose("mode %d", x.Mode)
		}
	}
	w.limits()
	w.context()
	if s.Command == "getspi" {
		return nil
	}
	w.natt()
	return w.algorithms(sa)
}

func (w *fromMessage) limits() {
	for _, x := range []struct {
		t     gopacket.LayerType
		name  string
		l     *layers.Lifetime
		limit *Limit
	}{
		{layers.LayerTypeLifetimeHard, "HARD", w.m.LifetimeHard(), &w.s.Hard},
		{layers.LayerTypeLifetimeSoft, "SOFT", w.m.LifetimeSoft(), &w.s.Soft},
	} {
		if x.l == nil {
			continue
		}
		w.Say(x.t)
		// Linux answers with the largest number where nothing was asked for.
		value := func(v uint64) uint64 {
			if v == 1<<64-1 {
				return 0
			}
			return v
		}
		*x.limit = Limit{Time: value(x.l.AddTime), Bytes: value(x.l.Bytes)}
		if n := x.l.Allocations; n != 0 && n != 1<<32-1 {
			w.Lose("LIFETIME_%s allocations=%d", x.name, n)
		}
		if n := value(x.l.UseTime); n != 0 {
			w.Lose("LIFETIME_%s usetime=%d", x.name, n)
		}
	}
}

func (w *fromMessage) context() {
	x := w.m.SecCtx()
	if x == nil {
		return
	}
	w.Say(layers.LayerTypeSecCtx)
	text := string(x.Context[:min(int(x.CtxLen), len(x.Context))])
	text, ok := strings.CutSuffix(text, "\x00")
	if !ok || strings.ContainsAny(text, "\"\x00") {
		w.Lose("SEC_CTX, which is no text that can be quoted")
		return
	}
	w.s.Context = &Context{DOI: x.CtxDOI, Alg: x.CtxAlg, Text: text}
}

func (w *fromMessage) natt() {
	m, s := w.m, w.s
	if u := m.UDPEncap(); u != nil {
		w.Say(layers.LayerTypeUDPEncap)
		s.Protocol, s.NATT = "esp-udp", &NATT{}
		s.Dst.Port = u.Port
		return
	}
	t := m.NATTType()
	if t == nil {
		return
	}
	w.Say(layers.LayerTypeNATTType)
	if t.Type != 2 || s.Protocol != "esp" {
		w.Lose("NAT_T_TYPE %d", t.Type)
		return
	}
	s.Protocol, s.NATT = "esp-udp", &NATT{}
	s.Src.Port, s.Dst.Port = 0, 0
	if p := m.NATTSrcPort(); p != nil {
		w.Say(layers.LayerTypeNATTSrcPort)
		s.Src.Port = p.Port
	}
	if p := m.NATTDstPort(); p != nil {
		w.Say(layers.LayerTypeNATTDstPort)
		s.Dst.Port = p.Port
	}
	if a := m.NATTOA(); a != nil && a.Addr().IsValid() {
		w.Say(layers.LayerTypeNATTOA)
		s.NATT.OriginalSrc = a.Addr().WithZone("")
	}
	if a := m.NATTOAR(); a != nil && a.Addr().IsValid() && s.NATT.OriginalSrc.IsValid() {
		w.Say(layers.LayerTypeNATTOAR)
		s.Protocol = "esp" // -natt says all of it
		s.NATT.OriginalDst = a.Addr().WithZone("")
		s.NATT.SrcPort, s.NATT.DstPort = s.Src.Port, s.Dst.Port
		s.Src.Port, s.Dst.Port = 0, 0
	}
	if f := m.NATTFrag(); f != nil {
		w.Say(layers.LayerTypeNATTFrag)
		s.NATTFrag = f.FragLen
	}
}

func (w *fromMessage) algorithms(sa *layers.SA) error {
	m, s, d := w.m, w.s, w.c.Dialect
	s.Replay = uint32(sa.Replay)
	if r := m.SAReplay(); r != nil {
		w.Say(layers.LayerTypeSAReplay)
		s.Replay = r.Replay >> 3
	}
	flags := sa.Flags
	take := func(name string) bool {
		v, ok := d.FlagValue(layers.EnumSAFlags, name)
		if !ok || flags&v != v {
			return false
		}
		flags &^= v
		return true
	}
	if _, known := d.FlagValue(layers.EnumSAFlags, "CYCSEQ"); known && !take("CYCSEQ") {
		s.Flags = append(s.Flags, "nocyclic-seq")
	}
	for _, f := range []string{"zero-pad", "random-pad", "esn"} {
		if take(saFlags[f]) {
			s.Flags = append(s.Flags, f)
		}
	}
	if take("OLD") {
		s.Protocol += "-old"
	}
	deriv, iv32 := take("DERIV"), take("IV4B")
	s.RawCPI = take("RAWCPI")
	if flags != 0 {
		w.Lose("flags %s", strings.Join(d.FlagNames(layers.EnumSAFlags, flags), ","))
	}
	if s.Protocol == "ipcomp" {
		name := strings.ToLower(d.EnumName(layers.EnumComp, uint64(sa.Encrypt)))
		if !compressions[name] {
			return fmt.Errorf("%w: compression algorithm %d", ErrNoStatement, sa.Encrypt)
		}
		s.Compress = name
		return nil
	}
	for _, x := range []struct {
		t     gopacket.LayerType
		e     layers.Enum
		what  string
		v     uint8
		table map[string][]string
		key   *layers.Key
		a     **Algorithm
	}{
		{layers.LayerTypeKeyEncrypt, layers.EnumEncrypt, "encryption", sa.Encrypt, encryptions, m.KeyEncrypt(), &s.Encrypt},
		{layers.LayerTypeKeyAuth, layers.EnumAuth, "authentication", sa.Auth, authentications, m.KeyAuth(), &s.Auth},
	} {
		if x.v == 0 && !(s.Protocol == "tcp" && x.e == layers.EnumAuth) {
			continue
		}
		name, ok := word(d, x.e, uint64(x.v), x.table)
		if s.Protocol == "tcp" {
			name, ok = "tcp-md5", true
		}
		if !ok {
			return fmt.Errorf("%w: %s algorithm %d%s", ErrNoStatement, x.what, x.v, parenthesis(d.EnumName(x.e, uint64(x.v))))
		}
		a := &Algorithm{Name: name}
		if x.key != nil {
			w.Say(x.t)
			a.Key = x.key.Key()
			if x.key.Bits%8 != 0 {
				w.Lose("the last %d bits of a key of %d bits", x.key.Bits%8, x.key.Bits)
			}
		}
		*x.a = a
	}
	if s.Encrypt != nil && s.Encrypt.Name == "des-cbc" {
		switch {
		case deriv:
			s.Encrypt.Name = "des-deriv"
		case iv32:
			s.Encrypt.Name = "des-32iv"
		}
	}
	if s.Encrypt == nil && s.Auth == nil {
		return fmt.Errorf("%w: no algorithm", ErrNoStatement)
	}
	return nil
}

func parenthesis(name string) string {
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

func (w *fromMessage) policy() error {
	m, s, d := w.m, w.s, w.c.Dialect
	w.Say(layers.LayerTypePolicy)
	x := m.Policy()
	p := &Policy{}
	s.Policy = p
	name := d.EnumName(layers.EnumDir, uint64(x.Dir))
	for k, v := range directions {
		if v == name {
			p.Direction = k
		}
	}
	if p.Direction == "" {
		return fmt.Errorf("%w: a policy of direction %d%s", ErrNoStatement, x.Dir, parenthesis(name))
	}
	p.Type = strings.ToLower(d.EnumName(layers.EnumPolicyType, uint64(x.Type)))
	if !slices.Contains(policyTypes, p.Type) {
		return fmt.Errorf("%w: a policy of type %d", ErrNoStatement, x.Type)
	}
	if d == layers.Linux && x.Priority != priorityMiddle {
		p.Priority = x.Priority
		if x.Priority == 0 {
			w.Lose("priority 0, which comes before all that can be said")
		}
	}
	if t := m.Tag(); t != nil {
		w.Say(layers.LayerTypeTag)
		s.Tag = strings.TrimRight(string(t.Data[:min(int(t.TagLen), len(t.Data))]), "\x00")
	} else {
		if err := w.ends(); err != nil {
			return err
		}
		s.Upper = m.AddressSrc().Proto
		if s.Upper == 0 {
			s.Upper = anyProtocol
		}
	}
	w.context()
	if p.Type != "ipsec" {
		return nil
	}
	for _, q := range x.Requests() {
		r := Request{ReqID: q.ReqID}
		for name, proto := range requestProtocols {
			if proto == q.Proto {
				r.Protocol = name
			}
		}
		r.Mode = strings.ToLower(d.EnumName(layers.EnumMode, uint64(q.Mode)))
		r.Level = strings.ToLower(d.EnumName(layers.EnumLevel, uint64(q.Level)))
		if r.Protocol == "" || !slices.Contains([]string{"transport", "tunnel", "any"}, r.Mode) || r.Level == "" {
			return fmt.Errorf("%w: a policy that requires protocol %d, mode %d, level %d", ErrNoStatement, q.Proto, q.Mode, q.Level)
		}
		if r.ReqID != 0 && r.Level != "unique" {
			w.Lose("request id %d of level %s", r.ReqID, r.Level)
			r.ReqID = 0
		}
		if src, dst, ok := q.Addrs(w.c); ok {
			r.Src, r.Dst = netip.AddrPortFrom(src.Addr.WithZone(""), src.Port), netip.AddrPortFrom(dst.Addr.WithZone(""), dst.Port)
		} else if r.Mode == "tunnel" {
			return fmt.Errorf("%w: a tunnel without ends", ErrNoStatement)
		}
		p.Requests = append(p.Requests, r)
	}
	if len(p.Requests) == 0 {
		return fmt.Errorf("%w: an ipsec policy that requires nothing", ErrNoStatement)
	}
	return nil
}

// Append appends the statement as text, on one line with its ";". Without showKeys
// the keys are left out, and what is written cannot be read again.
func (s *Statement) Append(dst []byte, showKeys bool) []byte {
	add := func(words ...string) {
		for _, w := range words {
			if len(dst) > 0 && dst[len(dst)-1] != '\n' {
				dst = append(dst, ' ')
			}
			dst = append(dst, w...)
		}
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	add(s.Command)
	switch s.Command {
	case "spdadd", "spdupdate", "spddelete":
		if s.Tag != "" {
			add("tagged", `"`+s.Tag+`"`)
		} else {
			add(s.Src.text(true), s.Dst.text(true), upperText(s.Upper))
		}
		if c := s.Context; c != nil {
			add("-ctx", number(uint64(c.DOI)), number(uint64(c.Alg)), `"`+c.Text+`"`)
		}
		add("-P", s.Policy.Direction)
		if p := s.Policy; p.Priority != 0 {
			add("prio", strconv.FormatInt(priorityMiddle-int64(p.Priority), 10))
		}
		if s.Policy.Type != "" {
			add(s.Policy.Type)
		}
		for _, r := range s.Policy.Requests {
			add(r.text())
		}
		return append(dst, " ;"...)
	}
	if len(s.Src.Addrs) > 0 {
		add(s.Src.text(false), s.Dst.text(false))
	}
	if s.Protocol != "" {
		add(s.Protocol)
	}
	if s.Protocol == "esp-udp" && s.NATT != nil && s.NATT.OriginalSrc.IsValid() {
		add(s.NATT.OriginalSrc.String())
	}
	if len(s.Src.Addrs) == 0 || s.Command == "deleteall" {
		return append(dst, " ;"...)
	}
	add(fmt.Sprintf("0x%08x", s.SPI))
	if s.Mode != "" {
		add("-m", s.Mode)
	}
	if s.ReqID != 0 {
		add("-u", number(uint64(s.ReqID)))
	}
	if s.Replay != 0 {
		add("-r", number(uint64(s.Replay)))
	}
	for _, f := range s.Flags {
		if f == "esn" {
			add("-esn")
		} else {
			add("-f", f)
		}
	}
	for _, l := range []struct {
		flag string
		n    uint64
	}{{"-lh", s.Hard.Time}, {"-ls", s.Soft.Time}, {"-bh", s.Hard.Bytes}, {"-bs", s.Soft.Bytes}} {
		if l.n != 0 {
			add(l.flag, number(l.n))
		}
	}
	if c := s.Context; c != nil {
		add("-ctx", number(uint64(c.DOI)), number(uint64(c.Alg)), `"`+c.Text+`"`)
	}
	if n := s.NATT; n != nil && n.OriginalDst.IsValid() {
		add("-natt",
			Selector{Addrs: []netip.Addr{n.OriginalSrc}, Port: n.SrcPort, Prefix: -1}.text(true),
			Selector{Addrs: []netip.Addr{n.OriginalDst}, Port: n.DstPort, Prefix: -1}.text(true))
	}
	if s.NATTFrag != 0 {
		add("-natt_mtu", number(uint64(s.NATTFrag)))
	}
	if s.Interface != "" {
		add("-hwif", s.Interface)
	}
	for _, x := range []struct {
		flag string
		a    *Algorithm
	}{{"-E", s.Encrypt}, {"-A", s.Auth}} {
		if x.a == nil {
			continue
		}
		add(x.flag, x.a.Name)
		switch {
		case len(x.a.Key) == 0:
		case showKeys:
			add("0x" + hex.EncodeToString(x.a.Key))
		default:
			add("··")
		}
	}
	if s.Compress != "" {
		add("-C", s.Compress)
		if s.RawCPI {
			add("-R")
		}
	}
	return append(dst, " ;"...)
}

func (s Selector) text(ports bool) string {
	var b strings.Builder
	b.WriteString(s.Addrs[0].String())
	if s.Prefix >= 0 && ports {
		fmt.Fprintf(&b, "/%d", s.Prefix)
	}
	if s.Port != 0 {
		fmt.Fprintf(&b, "[%d]", s.Port)
	} else if ports {
		b.WriteString("[any]")
	}
	return b.String()
}

func upperText(n uint8) string {
	if n == anyProtocol {
		return "any"
	}
	return strconv.Itoa(int(n))
}

func (r Request) text() string {
	ends := ""
	if r.Src.IsValid() {
		end := func(ap netip.AddrPort) string {
			if ap.Port() == 0 {
				return ap.Addr().String()
			}
			return fmt.Sprintf("%s[%d]", ap.Addr(), ap.Port())
		}
		ends = end(r.Src) + "-" + end(r.Dst)
	}
	level := r.Level
	if r.Level == "unique" && r.ReqID != 0 {
		level = fmt.Sprintf("unique:%d", r.ReqID)
	}
	return strings.Join([]string{r.Protocol, r.Mode, ends, level}, "/")
}
