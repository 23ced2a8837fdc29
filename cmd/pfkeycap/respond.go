package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
)

// saRule says how an ACQUIRE is answered.
type saRule struct {
	Src        string        `yaml:"src"`
	Dst        string        `yaml:"dst"`
	Mode       string        `yaml:"mode"`
	ReqID      uint32        `yaml:"reqid"`
	Encrypt    string        `yaml:"encrypt"`
	EncryptKey string        `yaml:"encrypt_key"`
	Auth       string        `yaml:"auth"`
	AuthKey    string        `yaml:"auth_key"`
	Window     uint8         `yaml:"window"`
	Soft       time.Duration `yaml:"soft"`
	Hard       time.Duration `yaml:"hard"`

	src, dst netip.Prefix // invalid: any
	add      setkey.Statement
}

// readRules reads a policy file and the keys that it names.
func readRules(name string, d layers.Dialect, protocol string) ([]saRule, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var file struct {
		SAs []saRule `yaml:"sas"`
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", name, yaml.FormatError(err, false, false))
	}
	if len(file.SAs) == 0 {
		return nil, fmt.Errorf("%s: no sas: nothing would be answered", name)
	}
	for i := range file.SAs {
		if err := file.SAs[i].prepare(filepath.Dir(name), d, protocol); err != nil {
			return nil, fmt.Errorf("%s: sas[%d]: %w", name, i, err)
		}
	}
	return file.SAs, nil
}

func (r *saRule) prepare(dir string, d layers.Dialect, protocol string) error {
	prefix := func(s string) (netip.Prefix, error) {
		if s == "" || s == "any" {
			return netip.Prefix{}, nil
		}
		if a, err := netip.ParseAddr(s); err == nil {
			return a.Prefix(a.BitLen())
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			err = fmt.Errorf("%q is not an address or a prefix", s)
		}
		return p, err
	}
	var err error
	if r.src, err = prefix(r.Src); err != nil {
		return fmt.Errorf("src: %w", err)
	}
	if r.dst, err = prefix(r.Dst); err != nil {
		return fmt.Errorf("dst: %w", err)
	}
	switch r.Mode {
	case "", "any", "transport", "tunnel":
	default:
		return fmt.Errorf("mode: %q is not transport, tunnel or any", r.Mode)
	}
	if r.Hard > 0 && r.Soft >= r.Hard || r.Soft < 0 || r.Hard < 0 || r.Soft%time.Second != 0 || r.Hard%time.Second != 0 {
		return fmt.Errorf("soft %v and hard %v: want whole seconds, soft before hard", r.Soft, r.Hard)
	}
	if r.Encrypt == "" && r.Auth == "" {
		return errors.New("neither encrypt nor auth: which algorithms?")
	}
	// The statement of setkey that such an SA is made by; only its ends and SPI are
	// still missing.
	args := []string{"add", "0.0.0.0", "0.0.0.0", protocol, "0"}
	keys, files := &keySource{}, map[string]string{}
	for _, x := range []struct{ flag, alg, key string }{{"-E", r.Encrypt, r.EncryptKey}, {"-A", r.Auth, r.AuthKey}} {
		if x.alg == "" {
			continue
		}
		args = append(args, x.flag, x.alg)
		if x.key != "" {
			if !filepath.IsAbs(x.key) {
				x.key = filepath.Join(dir, x.key)
			}
			files["@"+x.flag] = "@" + x.key // whose name may have spaces
			args = append(args, "@"+x.flag)
		}
	}
	s, err := setkey.ParseArgs(args, setkey.Options{
		Key: func(name string) ([]byte, error) { return keys.key(files[name]) }, NoLiteralKeys: true,
	})
	if err != nil {
		var e *setkey.Error
		if errors.As(err, &e) {
			err = e.Err // the arguments are of our making
		}
		return err
	}
	r.add = *s
	r.add.Mode, r.add.ReqID, r.add.Replay = r.Mode, r.ReqID, uint32(r.Window)
	if r.Mode == "any" {
		r.add.Mode = ""
	}
	r.add.Soft.Time, r.add.Hard.Time = uint64(r.Soft/time.Second), uint64(r.Hard/time.Second)
	_, err = r.add.Messages(layers.Codec{Dialect: d, Order: layers.NativeEndian})
	return err
}

func (r *saRule) matches(src, dst netip.Addr) bool {
	return (!r.src.IsValid() || r.src.Contains(src)) && (!r.dst.IsValid() || r.dst.Contains(dst))
}

// responder keeps SAs as chapter 19 of UNP describes: made when the kernel asks,
// replaced when they begin to expire.
type responder struct {
	rules  []saRule
	ends   []*end
	satype uint8
	live   map[saKey]*saPair

	acquires, pairs, rekeys, expired, unmatched, failed int
}

// saKey is what a kernel tells SAs apart by, within one SA type.
type saKey struct {
	dst netip.Addr
	spi uint32
}

// saPair is an SA for each direction between two ends.
type saPair struct {
	rule     *saRule
	src, dst netip.Addr // of the ACQUIRE
	end      *end       // the kernel that src belongs to
	replaced bool
}

func newResponder(rules []saRule, ends []*end, satype uint8) *responder {
	return &responder{rules: rules, ends: ends, satype: satype, live: map[saKey]*saPair{}}
}

func (r *responder) summary(w io.Writer) {
	if r.rules == nil {
		return
	}
	reportf(w, "%d ACQUIREs, %d pairs of SAs, %d of them rekeyed, %d SAs expired", r.acquires, r.pairs, r.rekeys, r.expired)
	if r.failed > 0 {
		reportf(w, "%d times the kernel refused", r.failed)
	}
	if r.unmatched > 0 {
		reportf(w, "%d ACQUIREs that no rule is for were left unanswered", r.unmatched)
	}
}

// handle answers an event.
func (r *responder) handle(ev event) error {
	m := &layers.Message{}
	m.Codec = ev.rec.Codec
	if m.DecodeFromBytes(ev.rec.Data, nil) != nil || m.SAType != r.satype {
		return nil
	}
	src, dst := m.AddressSrc(), m.AddressDst()
	if src == nil || dst == nil || !src.Addr().IsValid() || !dst.Addr().IsValid() {
		return nil
	}
	switch m.TypeName() {
	case "ACQUIRE":
		r.acquires++
		for i := range r.rules {
			if rule := &r.rules[i]; rule.matches(src.Addr(), dst.Addr()) {
				return r.establish(&saPair{rule: rule, src: src.Addr(), dst: dst.Addr(), end: ev.end}, m.Seq)
			}
		}
		r.unmatched++
	case "EXPIRE":
		sa := m.SA()
		if sa == nil {
			return nil
		}
		key := saKey{dst.Addr(), sa.SPI}
		p := r.live[key]
		if m.LifetimeHard() != nil {
			if p != nil {
				r.expired++
				delete(r.live, key)
			}
			return nil
		}
		if p == nil || p.replaced {
			return nil // not ours, or the other direction was told of before
		}
		p.replaced = true
		r.rekeys++
		return r.establish(&saPair{rule: p.rule, src: p.src, dst: p.dst, end: p.end}, 0)
	}
	return nil
}

// establish makes an SA for each direction. Who receives on it gets it first, so that
// no packet comes before its SA. seq is that of the ACQUIRE, or 0.
func (r *responder) establish(p *saPair, seq uint32) error {
	near, far := p.end, p.end
	for _, e := range r.ends {
		if e != near {
			far = e
		}
	}
	spiSeq := uint32(0)
	if far == near {
		spiSeq = seq // the SA that is waited for and the one that is received on are one
	}
	out, err := r.getSPI(far, p.src, p.dst, spiSeq)
	if err != nil {
		return err
	}
	in, err := r.getSPI(near, p.dst, p.src, 0)
	if err != nil {
		return err
	}
	steps := []struct {
		e        *end
		command  string
		src, dst netip.Addr
		spi, seq uint32
	}{
		{far, "update", p.src, p.dst, out, spiSeq},
		{near, "update", p.dst, p.src, in, 0},
		{near, "add", p.src, p.dst, out, seq},
		{far, "add", p.dst, p.src, in, 0},
	}
	for _, s := range steps {
		if s.command == "add" && far == near {
			continue
		}
		st := p.rule.add
		st.Command, st.SPI = s.command, s.spi
		if err := r.request(s.e, &st, s.src, s.dst, s.seq, nil); err != nil {
			return err
		}
	}
	r.live[saKey{p.dst, out}], r.live[saKey{p.src, in}] = p, p
	r.pairs++
	return nil
}

// getSPI lets a kernel choose the SPI that it will receive on.
func (r *responder) getSPI(e *end, src, dst netip.Addr, seq uint32) (spi uint32, err error) {
	st := setkey.Statement{Command: "getspi", Protocol: r.rules[0].add.Protocol}
	err = r.request(e, &st, src, dst, seq, func(m *layers.Message) {
		if m.SA() != nil {
			spi = m.SA().SPI
		}
	})
	if err == nil && spi == 0 {
		err = errors.New("the answer to GETSPI has no SPI")
	}
	return spi, err
}

// request sends a statement between two addresses and hands its answer to got.
func (r *responder) request(e *end, s *setkey.Statement, src, dst netip.Addr, seq uint32, got func(*layers.Message)) error {
	t := e.ask
	s.Src = setkey.Selector{Addrs: []netip.Addr{src}, Prefix: -1}
	s.Dst = setkey.Selector{Addrs: []netip.Addr{dst}, Prefix: -1}
	msgs, err := s.Messages(t.codec)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		m.Base.Seq = seq
		b, err := m.Encode(t.codec)
		if err != nil {
			return err
		}
		t.own(b)
		if err := t.asked(b, got); err != nil {
			return fmt.Errorf("%v > %v: %w", src, dst, err)
		}
	}
	return nil
}
