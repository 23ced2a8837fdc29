package check_test

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
)

// step is a request to a modelled kernel, what the Model must say of it, and what the
// kernel then answers: what was predicted, unless it is said otherwise.
type step struct {
	what     string
	msg      func(*maker) []byte
	code     string  // of the rule, "" if it is accepted
	possible []uint8 // what may come instead
	answer   func(*maker) []byte
	errno    int // the kernel's answer if it is not the predicted one; -1 is a success
	after    time.Duration
}

// theTraits are those of the sandbox's kernel.
func theTraits() check.Traits {
	t := check.Traits{
		Auth: map[uint8]bool{}, Encrypt: map[uint8]bool{}, Comp: map[uint8]bool{2: true}, Encap: map[uint8]bool{1: true, 2: true},
		Contexts: check.ContextsUnlabeled, ZeroSPI: check.No, Migrate: check.Yes, SendBuffer: 212992,
	}
	for _, id := range []uint8{2, 3, 5, 6, 7, 9, 251} {
		t.Auth[id] = true
	}
	for _, id := range []uint8{3, 11, 12, 13} {
		t.Encrypt[id] = true
	}
	return t
}

// getspi, and the answer that chooses an SPI.
func getspi(exts ...extFunc) func(*maker) []byte {
	return with(newMessage(layers.GETSPI, layers.SATypeESP).add(src4(), dst4()).add(exts...))
}

func chose(spi uint32) func(*maker) []byte {
	return with(newMessage(layers.GETSPI, layers.SATypeESP).add(sa(spi, 0, 0), src4(), dst4()))
}

func esps(t uint8, spi uint32, exts ...extFunc) func(*maker) []byte {
	return with(newMessage(t, layers.SATypeESP).add(sa(spi, 7, 12), src4(), dst4(), authKey(512), encKey(128)).add(exts...))
}

func named(t uint8, spi uint32) func(*maker) []byte {
	return with(newMessage(t, layers.SATypeESP).add(sa(spi, 0, 0), src4(), dst4()))
}

// spd is a policy message, and the answer that names the policy.
func spd(t uint8, p extFunc, exts ...extFunc) func(*maker) []byte {
	return with(newMessage(t, 0).add(src4(), dst4(), p).add(exts...))
}

func policyID(t uint8, id uint32) func(*maker) []byte {
	return with(newMessage(t, 0).add(policy(layers.Policy{ID: id})))
}

func gave(id uint32, rs ...layers.Request) func(*maker) []byte {
	p := ipsec
	p.ID = id
	return spd(layers.SPDADD, policy(p, rs...))
}

// tunnelPolicy has one tunnel between 192.0.2.1 and 192.0.2.2.
func tunnelPolicy(id uint32) extFunc {
	return requestsOf(layers.Policy{Type: 2, Dir: 2, Priority: 1, ID: id}, func(c layers.Codec) []layers.Request {
		return []layers.Request{tunnel(c, "192.0.2.1", "192.0.2.2")}
	})
}

func tunnelSA(t uint8, spi uint32) func(*maker) []byte {
	return with(newMessage(t, layers.SATypeESP).add(sa(spi, 7, 12),
		addr(layers.LayerTypeAddressSrc, "192.0.2.1", 0, 32, 0), addr(layers.LayerTypeAddressDst, "192.0.2.2", 0, 32, 0),
		authKey(512), encKey(128), sa2(2)))
}

// moveTunnel moves that tunnel's and SA's destination to 192.0.2.3.
func moveTunnel(mode uint8) func(*maker) []byte {
	return migrate(moves(func(c layers.Codec, r []layers.Request) []layers.Request {
		r[0].Mode, r[1].Mode = mode, mode
		return r
	}))
}

func prefixFilter(family uint16, src string, bits uint8) extFunc {
	return func(layers.Codec) layers.Extension {
		x := &layers.Filter{Family: family, SrcPrefixLen: bits}
		copy(x.SrcAddr[:], netip.MustParseAddr(src).AsSlice())
		return x
	}
}

func dump(t, satype uint8, exts ...extFunc) func(*maker) []byte {
	return with(newMessage(t, satype).add(exts...))
}

const (
	enoent = 2
	esrch  = 3
	eexist = 17
	einval = 22
)

var modelCases = map[string][]step{
	"SA": {
		{"GET of none", named(layers.GET, 0x1000), "sa-unknown", nil, nil, 0, 0},
		{"UPDATE of none", esps(layers.UPDATE, 0x1000), "sa-unknown", nil, nil, 0, 0},
		{"ADD", esps(layers.ADD, 0x1000), "", nil, nil, 0, 0},
		{"ADD again", esps(layers.ADD, 0x1000), "sa-exists", nil, nil, 0, 0},
		{"ADD of another SPI", esps(layers.ADD, 0x1001), "", nil, nil, 0, 0},
		{"GET", named(layers.GET, 0x1000), "", nil, nil, 0, 0},
		{"UPDATE", esps(layers.UPDATE, 0x1000), "", nil, nil, 0, 0},
		{"UPDATE with encapsulation", esps(layers.UPDATE, 0x1000, natt(2)), "encapsulation-changed", nil, nil, 0, 0},
		{"DELETE", named(layers.DELETE, 0x1000), "", nil, nil, 0, 0},
		{"DELETE again", named(layers.DELETE, 0x1000), "sa-unknown", nil, nil, 0, 0},
		{"DUMP of what is left", dump(layers.DUMP, layers.SATypeESP), "", nil, nil, 0, 0},
		{"DUMP of another type", dump(layers.DUMP, layers.SATypeAH), "dump-empty", nil, nil, 0, 0},
		{"FLUSH of another type", bare(layers.FLUSH, layers.SATypeAH), "", nil, nil, 0, 0},
		{"GET after it", named(layers.GET, 0x1001), "", nil, nil, 0, 0},
		{"FLUSH", bare(layers.FLUSH, 0), "", nil, nil, 0, 0},
		{"GET after FLUSH", named(layers.GET, 0x1001), "sa-unknown", nil, nil, 0, 0},
		{"DUMP of none", dump(layers.DUMP, 0), "dump-empty", nil, nil, 0, 0},
	},
	"SPI 0 is never found": {
		{"ADD", esps(layers.ADD, 0), "", nil, nil, 0, 0},
		{"ADD again", esps(layers.ADD, 0), "", nil, nil, 0, 0},
		{"GET", named(layers.GET, 0), "sa-unknown", nil, nil, 0, 0},
		{"DUMP", dump(layers.DUMP, 0), "", nil, nil, 0, 0},
	},
	"encapsulation": {
		{"ADD", esps(layers.ADD, 0x1000, natt(2)), "", nil, nil, 0, 0},
		{"UPDATE without", esps(layers.UPDATE, 0x1000), "encapsulation-changed", nil, nil, 0, 0},
		{"UPDATE with", esps(layers.UPDATE, 0x1000, natt(2)), "", nil, nil, 0, 0},
		{"UPDATE with another", esps(layers.UPDATE, 0x1000, natt(1)), "encapsulation-changed", nil, nil, 0, 0},
		{"a type this kernel has not", esps(layers.ADD, 0x1001, natt(7)), "encapsulation-type", nil, nil, 0, 0},
	},
	"larval SA": {
		{"GETSPI", getspi(spiRange(0x200, 0x200)), "", nil, chose(0x200), 0, 0},
		{"GETSPI of the same", getspi(spiRange(0x200, 0x200)), "spi-exhausted", nil, nil, 0, 0},
		{"GETSPI of one of two", getspi(spiRange(0x200, 0x201)), "", []uint8{enoent}, chose(0x201), 0, 0},
		{"GETSPI when both are taken", getspi(spiRange(0x200, 0x201)), "spi-exhausted", nil, nil, 0, 0},
		{"GETSPI of a wide range", getspi(), "", nil, chose(0x300), 0, 0},
		{"GET", named(layers.GET, 0x200), "", nil, nil, 0, 0},
		{"ADD", esps(layers.ADD, 0x200), "sa-exists", nil, nil, 0, 0},
		{"UPDATE fills it, with encapsulation", esps(layers.UPDATE, 0x200, natt(2)), "", nil, nil, 0, 0},
		{"UPDATE again without", esps(layers.UPDATE, 0x200), "encapsulation-changed", nil, nil, 0, 0},
	},
	"a GETSPI that fails leaves a larval SA without SPI": {
		{"GETSPI", getspi(spiRange(2, 1)), "spirange", nil, nil, 0, 0},
		{"DUMP", dump(layers.DUMP, 0), "", nil, nil, 0, 0},
		{"ADD takes its place", esps(layers.ADD, 0x1000), "", nil, nil, 0, 0},
		{"DELETE", named(layers.DELETE, 0x1000), "", nil, nil, 0, 0},
		{"DUMP of none", dump(layers.DUMP, 0), "dump-empty", nil, nil, 0, 0},
		{"GETSPI of SA type 0", with(newMessage(layers.GETSPI, 0).add(src4(), dst4())), "satype", nil, nil, 0, 0},
		{"it is in a DUMP of all", dump(layers.DUMP, 0), "", nil, nil, 0, 0},
		{"and of none", dump(layers.DUMP, layers.SATypeESP), "dump-empty", nil, nil, 0, 0},
		{"FLUSH", bare(layers.FLUSH, 0), "", nil, nil, 0, 0},
		{"GETSPI of SA type 4", with(newMessage(layers.GETSPI, 4).add(src4(), dst4())), "satype", nil, nil, 0, 0},
		{"leaves none", dump(layers.DUMP, 0), "dump-empty", nil, nil, 0, 0},
	},
	"SPI ranges with 0": {
		{"0 to 0", getspi(spiRange(0, 0)), "spi-exhausted", nil, nil, 0, 0},
		{"0 to 1", getspi(spiRange(0, 1)), "", []uint8{enoent}, chose(1), 0, 0},
		{"all", getspi(spiRange(0, math.MaxUint32)), "spirange-all", nil, nil, 0, 0},
		{"nearly all", getspi(spiRange(0, math.MaxUint32-1)), "", nil, chose(77), 0, 0},
	},
	"filters": {
		{"ADD", esps(layers.ADD, 0x1000), "", nil, nil, 0, 0}, // from 192.0.2.1
		{"its source", dump(layers.DUMP, 0, prefixFilter(2, "192.0.2.1", 32)), "", nil, nil, 0, 0},
		{"its net", dump(layers.DUMP, 0, prefixFilter(2, "192.0.3.1", 23)), "", nil, nil, 0, 0},
		{"another net", dump(layers.DUMP, 0, prefixFilter(2, "192.0.3.1", 24)), "dump-empty", nil, nil, 0, 0},
		{"another family", dump(layers.DUMP, 0, prefixFilter(10, "::", 0)), "dump-empty", nil, nil, 0, 0},
		{"no family", dump(layers.DUMP, 0, prefixFilter(77, "::", 0)), "", nil, nil, 0, 0},
		{"more bits than the family has", dump(layers.DUMP, 0, prefixFilter(2, "192.0.2.1", 128)), "", nil, nil, 0, 0},
	},
	"policies": {
		{"SPDDUMP of none", dump(layers.SPDDUMP, 0), "dump-empty", nil, nil, 0, 0},
		{"SPDDELETE of none", spd(layers.SPDDELETE, policy(ipsec)), "policy-unknown", nil, nil, 0, 0},
		{"SPDADD", spd(layers.SPDADD, policy(ipsec, esp)), "", nil, gave(8, esp), 0, 0},
		{"SPDADD again", spd(layers.SPDADD, policy(ipsec)), "policy-exists", nil, nil, 0, 0},
		{"SPDSETIDX again", spd(layers.SPDSETIDX, policy(ipsec)), "policy-exists", nil, nil, 0, 0},
		{"SPDUPDATE", spd(layers.SPDUPDATE, policy(ipsec, esp)), "", nil, gave(8, esp), 0, 0},
		{"SPDADD of another direction", spd(layers.SPDADD, policy(layers.Policy{Type: 1, Dir: 1})), "", nil, gave(17), 0, 0},
		{"SPDGET", policyID(layers.SPDGET, 8), "", nil, nil, 0, 0},
		{"SPDGET of another", policyID(layers.SPDGET, 16), "policy-unknown", nil, nil, 0, 0},
		{"SPDDELETE2", policyID(layers.SPDDELETE2, 8), "", nil, nil, 0, 0},
		{"SPDDELETE2 again", policyID(layers.SPDDELETE2, 8), "policy-unknown", nil, nil, 0, 0},
		{"SPDDELETE of the other", spd(layers.SPDDELETE, policy(layers.Policy{Dir: 1})), "", nil, nil, 0, 0},
		{"SPDADD", spd(layers.SPDADD, policy(ipsec)), "", nil, gave(24), 0, 0},
		{"SPDFLUSH", bare(layers.SPDFLUSH, 0), "", nil, nil, 0, 0},
		{"SPDDUMP after it", dump(layers.SPDDUMP, 0), "dump-empty", nil, nil, 0, 0},
	},
	"labels": {
		{"of another kind", spd(layers.SPDADD, policy(ipsec), context(2, 1, "a")), "context-refused", nil, nil, 0, 0},
		{"empty", spd(layers.SPDADD, policy(ipsec), context(1, 1, "")), "context-refused", nil, nil, 0, 0},
		{"a page", spd(layers.SPDADD, policy(ipsec), context(1, 1, string(make([]byte, 4096)))), "context-long", nil, nil, 0, 0},
		{"SPDADD", spd(layers.SPDADD, policy(ipsec)), "", nil, gave(8), 0, 0},
		{"SPDADD with a label", spd(layers.SPDADD, policy(ipsec), context(1, 1, "some")), "", nil, gave(16), 0, 0},
		{"all labels are one", spd(layers.SPDADD, policy(ipsec), context(1, 1, "other")), "policy-exists", nil, nil, 0, 0},
		{"but the initial ones", spd(layers.SPDADD, policy(ipsec), context(1, 1, "unlabeled")), "", nil, gave(24), 0, 0},
	},
	"REGISTER": {
		{"none", bare(layers.REGISTER, 0), "", nil, nil, 0, 0},
		{"none again", bare(layers.REGISTER, 0), "", nil, nil, 0, 0},
		{"ESP", bare(layers.REGISTER, 3), "", nil, nil, 0, 0},
		{"ESP again", bare(layers.REGISTER, 3), "registered", nil, nil, 0, 0},
		{"AH", bare(layers.REGISTER, 2), "", nil, nil, 0, 0},
	},
	"MIGRATE": {
		{"without a policy", moveTunnel(2), "policy-unknown", nil, nil, 0, 0},
		{"SPDADD", spd(layers.SPDADD, tunnelPolicy(0)), "", nil, spd(layers.SPDADD, tunnelPolicy(8)), 0, 0},
		// Any protocol is no wildcard: ports are compared all the same.
		{"of another port", with(newMessage(layers.MIGRATE, 0).add(addr(layers.LayerTypeAddressSrc, "192.0.2.1", 7, 32, 0), dst4(), moves(nil))), "policy-unknown", nil, nil, 0, 0},
		{"of another mode", moveTunnel(1), "migrate-nothing", nil, nil, 0, 0},
		{"ADD", tunnelSA(layers.ADD, 0x1000), "", nil, nil, 0, 0},
		{"MIGRATE", moveTunnel(2), "", nil, nil, 0, 0},
		{"again: the policy was moved", moveTunnel(2), "migrate-nothing", nil, nil, 0, 0},
		{"the SA was moved", tunnelSA(layers.UPDATE, 0x1000), "sa-unknown", nil, nil, 0, 0},
	},
	"MIGRATE of a larval SA": {
		{"SPDADD", spd(layers.SPDADD, tunnelPolicy(0)), "", nil, spd(layers.SPDADD, tunnelPolicy(8)), 0, 0},
		{"GETSPI", with(newMessage(layers.GETSPI, layers.SATypeESP).add(
			addr(layers.LayerTypeAddressSrc, "192.0.2.1", 0, 32, 0), addr(layers.LayerTypeAddressDst, "192.0.2.2", 0, 32, 0), sa2(2))), "", nil, chose(0x400), 0, 0},
		{"MIGRATE", moveTunnel(2), "migrate-nothing", nil, nil, 0, 0},
	},
	"algorithms this kernel has not": {
		{"cipher", with(add(3, sa(0x1000, 7, 22), src4(), dst4(), authKey(512), encKey(128))), "algorithm-unknown", nil, nil, 0, 0},
		{"authentication", with(add(3, sa(0x1000, 8, 12), src4(), dst4(), authKey(160), encKey(128))), "algorithm-unknown", nil, nil, 0, 0},
	},
	"what expires": {
		{"ADD for 1 s", esps(layers.ADD, 0x1000, lifetimes1(1)...), "", nil, nil, 0, 0},
		{"ADD for ever", esps(layers.ADD, 0x1001), "", nil, nil, 0, 0},
		{"GET at once", named(layers.GET, 0x1000), "", nil, nil, 0, 0},
		{"GET later", named(layers.GET, 0x1000), "", []uint8{esrch}, nil, 0, 2 * time.Second},
		{"GET of the other", named(layers.GET, 0x1001), "", nil, nil, 0, 0},
		{"ADD again", esps(layers.ADD, 0x1000), "", []uint8{eexist}, nil, -1, 0},
		{"GET of the new one", named(layers.GET, 0x1000), "", nil, nil, 0, 0},
		{"UPDATE of what may be gone", esps(layers.UPDATE, 0x1002), "sa-unknown", nil, nil, 0, 0},
	},
	"what has expired is not there any more": {
		{"ADD", esps(layers.ADD, 0x1000, lifetimes1(1)...), "", nil, nil, 0, 0},
		{"GET finds nothing", named(layers.GET, 0x1000), "", []uint8{esrch}, nil, esrch, 2 * time.Second},
		{"GET again", named(layers.GET, 0x1000), "sa-unknown", nil, nil, 0, 0},
	},
	"the send buffer": {
		{"too long", with(newMessage(layers.REGISTER, 0).add(raw(99, make([]byte, 213_004)...))), "send-buffer-exceeded", nil, nil, 0, 0},
		{"just right", with(newMessage(layers.REGISTER, 0).add(raw(99, make([]byte, 212_940)...))), "", nil, nil, 0, 0},
	},
}

func context(doi, alg uint8, s string) extFunc {
	return func(layers.Codec) layers.Extension {
		return &layers.SecCtx{CtxDOI: doi, CtxAlg: alg, CtxLen: uint16(len(s)), Context: []byte(s)}
	}
}

// lifetimes1 are a hard limit of some seconds, and no soft one.
func lifetimes1(seconds uint64) []extFunc {
	return []extFunc{
		func(layers.Codec) layers.Extension {
			return &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), AddTime: seconds}
		},
		lifetime(layers.LayerTypeLifetimeSoft, 0),
	}
}

func TestModel(t *testing.T) {
	tried := map[string]bool{}
	for name, steps := range modelCases {
		for _, c := range codecs {
			t.Run(name+"/"+c.Order.Abbrev(), func(t *testing.T) {
				mk := &maker{t, c}
				m := check.NewModel(c.Order, theTraits())
				now := time.Duration(0)
				for _, s := range steps {
					now += s.after
					m.At(now, now)
					msg := s.msg(mk)
					v := m.Predict(0, msg)
					if v.Problem.Code != s.code || !sameErrnos(v.Possible, s.possible) {
						t.Fatalf("%s: %d (%s: %s), possible %v; want %q, possible %v", s.what, v.Errno, v.Problem.Code, v.Problem.String(), v.Possible, s.code, s.possible)
					}
					tried[v.Problem.Code] = true
					errno := v.Errno
					switch {
					case s.errno < 0:
						errno = 0
					case s.errno > 0:
						errno = uint8(s.errno)
					}
					var answers [][]byte
					if s.answer != nil {
						answers = append(answers, s.answer(mk))
					}
					m.Learn(0, msg, errno, v.ByWrite, answers)
					if m.Lost() {
						t.Fatalf("%s: the model is lost", s.what)
					}
				}
			})
		}
	}
	without := theTraits()
	without.Migrate = check.No
	mk := &maker{t, codecs[0]}
	if v := check.NewModel(layers.LittleEndian, without).Predict(0, goodMigrate(mk)); v.Problem.Code != "migrate-absent" {
		t.Errorf("a kernel without MIGRATE: %+v", v)
	}
	tried["migrate-absent"] = true
	for _, r := range check.Rules() {
		if r.State && !tried[r.Code] {
			t.Errorf("rule %s is not tried", r.Code)
		}
	}
}

func sameErrnos(a, b []uint8) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestModelLost holds that a Model says so when a kernel does what it cannot follow,
// and begins anew after Reset.
func TestModelLost(t *testing.T) {
	mk := &maker{t, codecs[0]}
	for name, s := range map[string]struct {
		msg    func(*maker) []byte
		answer func(*maker) []byte
	}{
		"GET of an SA it does not know":         {named(layers.GET, 0x1000), nil},
		"UPDATE of an SA it does not know":      {esps(layers.UPDATE, 0x1000), nil},
		"SPDGET of a policy it does not know":   {policyID(layers.SPDGET, 8), nil},
		"GETSPI without an SPI in the answer":   {goodGETSPI, nil},
		"SPDADD without a policy in the answer": {goodPolicy, nil},
		"a message that cannot be":              {edited(goodADD, func(b []byte, _ func(int, uint16)) { b[17] = 200 }), nil},
		"MIGRATE of nothing":                    {goodMigrate, nil},
	} {
		m := check.NewModel(layers.LittleEndian, theTraits())
		m.Learn(0, s.msg(mk), 0, false, nil)
		if !m.Lost() {
			t.Errorf("%s: the model goes on", name)
		}
		if m.Reset(); m.Lost() {
			t.Errorf("%s: lost after Reset", name)
		}
	}
}

// TestModelSockets holds what belongs to a socket to that socket.
func TestModelSockets(t *testing.T) {
	mk := &maker{t, codecs[0]}
	m := check.NewModel(layers.LittleEndian, theTraits())
	register, on := bare(layers.REGISTER, 3)(mk), bare(layers.PROMISC, 1)(mk)
	m.Learn(1, register, 0, false, nil)
	m.Learn(1, on, 0, false, nil)
	if v := m.Predict(1, register); v.Errno != eexist {
		t.Errorf("REGISTER again: %d", v.Errno)
	}
	if v := m.Predict(2, register); v.Errno != 0 {
		t.Errorf("REGISTER on another socket: %d", v.Errno)
	}
	if !m.Promiscuous(1) || m.Promiscuous(2) {
		t.Errorf("promiscuous: %v and %v, want true and false", m.Promiscuous(1), m.Promiscuous(2))
	}
	m.CloseSocket(1)
	if v := m.Predict(1, register); v.Errno != 0 || m.Promiscuous(1) {
		t.Errorf("after closing: %d, promiscuous %v", v.Errno, m.Promiscuous(1))
	}
}

// TestBigWrites holds the answers to writes that are too long to stand among the
// other requests: a socket with its default buffer, and one with a buffer of 64 MB.
func TestBigWrites(t *testing.T) {
	mk := &maker{t, codecs[0]}
	big := newMessage(layers.REGISTER, 3).add(raw(99, make([]byte, 300_152-20)...)).bytes(t, mk.c)
	if v := check.Predict(layers.Linux, mk.c, big); !v.Allows(90) {
		t.Errorf("300 kB: %+v does not allow EMSGSIZE", v)
	}
	if v := check.NewModel(layers.LittleEndian, theTraits()).Predict(0, big); v.Errno != 90 || !v.ByWrite || v.Possible != nil {
		t.Errorf("300 kB to a socket whose buffer is known: %+v, want EMSGSIZE by write", v)
	}
	if v := check.Predict(layers.Linux, mk.c, make([]byte, 32<<20)); !v.Allows(105) {
		t.Errorf("32 MB: %+v does not allow ENOBUFS", v)
	}
}

// TestModelTotal holds a Model to any bytes: every prefix of every observed request.
func TestModelTotal(t *testing.T) {
	m := check.NewModel(layers.LittleEndian, theTraits())
	for _, o := range requests(t) {
		for n := range o.msg {
			v := m.Predict(0, o.msg[:n])
			m.Learn(0, o.msg[:n], v.Errno, v.ByWrite, [][]byte{o.msg})
		}
		if m.Lost() {
			m.Reset()
		}
	}
}
