package filter_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"

	"github.com/pfkeycap/pfkeycap/fixtures/benchtest"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

var orders = []layers.Order{layers.LittleEndian, layers.BigEndian}

// codecs returns every dialect in both byte orders.
func codecs() (list []layers.Codec) {
	for _, d := range layers.Dialects() {
		for _, o := range orders {
			list = append(list, layers.Codec{Dialect: d, Order: o})
		}
	}
	return list
}

func compile(t testing.TB, expr string) *filter.Filter {
	t.Helper()
	f, err := filter.Compile(expr, filter.Options{ID: id})
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	return f
}

// id is a name for secrets that a test can foretell.
func id(_ *record.Record, secret []byte, key int) (name [4]byte) {
	name[0], name[3] = byte(key), byte(len(secret))
	return name
}

// check matches records with expressions that are true of them and others that
// are not.
func check(t *testing.T, r *record.Record, yes, no []string) {
	t.Helper()
	for _, expr := range yes {
		if !compile(t, expr).Match(r) {
			t.Errorf("%v: false: %s", r, expr)
		}
	}
	for _, expr := range no {
		if compile(t, expr).Match(r) {
			t.Errorf("%v: true: %s", r, expr)
		}
	}
}

func addr(c layers.Codec, t gopacket.LayerType, s string) *layers.Address {
	return c.NewAddress(t, netip.MustParseAddrPort(s), 24, 17)
}

func mustValue(t testing.TB, d layers.Dialect, e layers.Enum, name string) uint8 {
	t.Helper()
	v, ok := d.EnumValue(e, name)
	if !ok {
		t.Fatalf("%v: no %s", d, name)
	}
	return uint8(v)
}

// TestDialects: the same questions to the same message of every dialect.
func TestDialects(t *testing.T) {
	for _, c := range codecs() {
		t.Run(c.String(), func(t *testing.T) {
			esp := mustValue(t, c.Dialect, layers.EnumSAType, "ESP")
			r := rec(t, c, &layers.Base{Type: layers.ADD, SAType: esp, Errno: 17, Seq: 9, PID: 70000},
				&layers.SA{SPI: 0x00001234, Replay: 32, State: 1, Auth: 3, Encrypt: 12, Flags: 1},
				&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), AddTime: 1<<63 + 1, Bytes: 1 << 30},
				addr(c, layers.LayerTypeAddressSrc, "10.0.0.1:500"),
				addr(c, layers.LayerTypeAddressDst, "[2001:db8::2]:0"),
				c.NewKey(layers.LayerTypeKeyAuth, []byte("0123456789abcdefghij")),
				&layers.Identity{Header: layers.For(layers.LayerTypeIdentitySrc), Type: 2, ID: 5, Data: []byte("gw.example.org\x00\x00")},
			)
			r.Number, r.Dir, r.Process = 43, record.ToKernel, "iked"
			r.Time = time.Date(2026, 5, 1, 10, 0, 0, 123456789, time.UTC)
			r.Comments = []string{"first", "second one"}
			yes := []string{
				`type == "ADD"`, `type == "add"`, `type == "SADB_ADD"`, `type == 3`, `type == "3"`, `"add" == type`, `3 == type`,
				`msg.type == 3`, `msg.type_name == "add"`, `type in ["GET", "ADD"]`, `type in [1, 3]`, `type in 2..4`, `type in [1..2, "ADD"]`,
				`type != 4`, `type != "DELETE"`, `type not in ["DELETE", 9]`,
				`msg.type_name startsWith "AD"`, `msg.type_name contains "D"`, `msg.type_name matches "(?i)^add$"`, `msg.type_name endsWith "DD"`,
				`satype == "esp"`, `satype == "SADB_SATYPE_ESP"`, `msg.satype_name == "ESP"`, `satype != "ah"`,
				`errno != 0`, `errno > 16`, `errno >= 17`, `errno < 18`, `errno <= 17`, `errno == 17`,
				`seq < pid`, `pid > seq`, `seq <= seq`, `pid >= seq`, `pid != seq`, `identity_src.identity == identity_src.identity`, `direction == direction`, `time <= time`, `seq == 9`, `pid == 70000`, `pid > 0xffff`, `1 < seq < 10`,
				`spi == 0x1234`, `spi == 0x00001234`, `spi == 4660`, `spi == "0x00001234"`, `sa.spi == "0x1234"`, `sa.spi in 0x1000..0x1fff`, `spi == 0x1000 + 2 * 0x11a`,
				`sa.state == "mature"`, `sa.replay == 32`, `flag(sa.flags, 1)`, `sa.flags == 1`, `sa.flags == "0x1"`,
				`src == "10.0.0.1"`, `dst == "2001:0db8:0:0::2"`, `dst == "2001:DB8::2"`, `src != dst`, `src in ["10.0.0.2", "10.0.0.1"]`,
				`cidr(src, "10.0.0.0/8")`, `cidr(src, "10.9.9.9/8")`, `cidr(src, "192.168.0.0/16", "10.0.0.1")`, `cidr(dst, "2001:db8::/32")`, `cidr(dst, "2001:db8::2")`,
				`address_src.port == 500`, `address_src.family == "inet"`, `address_dst.family == "INET6"`, `address_dst.family != 2`,
				`lifetime_hard.addtime == 9223372036854775809`, `lifetime_hard.addtime > 9_223_372_036_854_775_808`, `lifetime_hard.addtime > 0x8000000000000000`, `lifetime_hard.addtime < 0xffffffffffffffff`, `lifetime_hard.bytes == 1024 * 1024 * 1024`,
				`lifetime_hard.addtime > -1`, `lifetime_hard.addtime != -1`, `lifetime_hard.bytes < lifetime_hard.addtime`,
				`key_auth.bits == 160`, `key_auth.key_id == "14000014"`, `key_auth.key_id in ["00:00:00:00", "14:00:00:14"]`, `has("key_auth.key")`, `has(key_auth)`,
				`identity_src.identity == "gw.example.org"`, `identity_src.identity contains "example"`, `identity_src.identity matches "^gw[.].*org$"`, `identity_src.identity startsWith 'gw.'`, `identity_src.type == "fqdn"`, `identity_src.id == 5`,
				`has("sa")`, `has("SA")`, `has("SADB_EXT_ADDRESS_SRC")`, `has("spi")`, `has(spi)`, `has("msg")`, `has("address_dst.addr")`, `!has("policy.requests")`, `!has("nat_t_type")`, `!has("unknown")`, `!has("malformed")`,
				`number == 43`, `direction == "to-kernel"`, `direction == "To-Kernel"`, `direction != "unknown"`, `direction in ["from-kernel", "to-kernel"]`, `direction contains "kernel"`,
				fmt.Sprintf("dialect == %q", c.Dialect), fmt.Sprintf("order == %q", c.Order), fmt.Sprintf("order == %q", c.Order.Abbrev()),
				fmt.Sprintf("length == %d && caplen == length", len(r.Data)), fmt.Sprintf("msg.len == %d", len(r.Data)/8),
				`process == "iked"`, `process matches "^ike"`, `comment == "first"`, `comment contains "one"`, `comment endsWith "t"`,
				`time == "2026-05-01T10:00:00.123456789Z"`, `time > "2026-05-01T10:00:00"`, `time == "2026-05-01"`, `time >= "2026-05-01" && time <= "2026-05-01"`, `time < "2026-05-02"`, `time > "2026-05-01T12:00:00.1+02:00"`, `time > 1777629600`, `time < 1777629600.2`, `time in 1777629600..1777629601`, `time != "2026-04-30"`,
				`true`, `!false`, `not (spi == 1) and (type == 3 or type == 4)`, `sa.offset == 16 && sa.exttype == 1`, `sa.len >= 2`, "spi == 0x1234 // comment", "spi\n==\n0x1234",
			}
			if c.Dialect != layers.RFC2367 { // which leaves error numbers to the system
				yes = append(yes, `errno == "EEXIST"`, `errno == "eexist"`, `msg.errno_name == "EEXIST"`, `has("msg.errno_name")`)
			}
			no := []string{
				`seq > pid`, `pid < seq`, `pid <= seq`, `seq >= pid`, `seq == pid`, `direction != direction`, `type == 4`, `type != "ADD"`, `type != 3`, `type in ["GET", 5]`, `type not in [3]`, `type in 4..9`, `msg.type_name contains "x"`,
				`satype == "ah"`, `errno == 0`, `errno == "EINVAL"`, `errno > 17`, `errno < 17`, `errno < -1`,
				`spi == 1`, `spi in [1, 2]`, `spi > 0xffffffff`, `lifetime_hard.addtime == 9223372036854775808`, `lifetime_hard.addtime > 18446744073709551615`, `lifetime_hard.addtime < 0`,
				`dst == "10.0.0.1"`, `src == dst`, `cidr(src, "2001:db8::/32")`, `cidr(dst, "0.0.0.0/0")`, `src == "::ffff:10.0.0.1"`,
				`has("lifetime_soft")`, `lifetime_soft.addtime == 0`, `lifetime_soft.addtime != 0`, `lifetime_soft.addtime < 5`, `lifetime_soft.addtime in [0]`, `lifetime_soft.addtime == lifetime_hard.addtime`, `lifetime_soft.addtime != lifetime_hard.addtime`,
				`has("twin_of")`, `twin_of == 0`, `twin_of != 0`, `reply_to == 0`, `has("identity_src.identity_hex")`, `identity_dst.identity != "x"`, `has("address_src.sockaddr")`,
				`process == "IKED"`, `comment == "third"`, `comment != "first"`, `direction == "unknown"`, `time < "2026-05-01"`, `time > "2026-05-01"`, `time != "2026-05-01"`,
				`key_auth.key_id == "00000000"`, `false`, `!(spi == 0x1234)`, `has("key_auth.pad")`,
			}
			check(t, r, yes, no)
		})
	}
}

// TestAnyOfSeveral: a comparison is true if it is for any of the values, != if it
// is for none of them.
func TestAnyOfSeveral(t *testing.T) {
	for _, o := range orders {
		c := layers.Codec{Dialect: layers.Linux, Order: o}
		combs := c.AppendComb(nil, layers.Comb{Auth: 3, Encrypt: 12, HardAddTime: 100})
		combs = c.AppendComb(combs, layers.Comb{Auth: 5, Encrypt: 13, HardAddTime: 200, Flags: 1})
		var requests []byte
		for i, dst := range []string{"192.0.2.1:0", "[2001:db8::1]:4500"} {
			requests = c.AppendRequest(requests, layers.Request{Proto: 50, Mode: 2, Level: uint8(i + 1), ReqID: 7,
				Sockaddrs: c.AppendPair(nil, netip.MustParseAddrPort(dst), netip.MustParseAddrPort(dst))})
		}
		r := rec(t, c, &layers.Base{Type: layers.ACQUIRE, SAType: 3},
			addr(c, layers.LayerTypeAddressSrc, "10.0.0.1:0"),
			addr(c, layers.LayerTypeAddressSrc, "10.0.0.2:0"),
			&layers.Policy{Type: 2, Dir: 2, List: requests},
			&layers.Proposal{Replay: 32, List: combs})
		check(t, r,
			[]string{
				`src == "10.0.0.1"`, `src == "10.0.0.2"`, `src in ["10.0.0.2"]`, `cidr(src, "10.0.0.2/32")`, `src != "10.0.0.3"`,
				`proposal.combs.auth == "SHA1HMAC" && proposal.combs.auth == "sha2_256hmac"`, `proposal.combs.encrypt in ["AESCTR"]`,
				`proposal.combs.hard_addtime > 150`, `proposal.combs.hard_addtime < 150`, `flag(proposal.combs.flags, "PFS")`, `proposal.combs.flags_names == "pfs"`, `"PFS" in proposal.combs.flags_names`,
				`policy.requests.mode == "tunnel"`, `policy.requests.mode == "IPSEC_MODE_TUNNEL"`, `policy.requests.level == "use" and policy.requests.level == "REQUIRE"`,
				`policy.requests.dst.addr == "2001:db8::1"`, `policy.requests.src.port == 4500`, `policy.requests.src.addr == policy.requests.dst.addr`, `cidr(policy.requests.dst.addr, "192.0.2.0/24")`,
				`policy.dir == "outbound"`, `has("policy.requests")`, `has("policy.requests.src")`, `has("proposal.combs")`, `!has("supported_auth.algs")`,
			},
			[]string{
				`src != "10.0.0.1"`, `src not in ["10.0.0.1"]`, `src != src`, `proposal.combs.auth != 3`, `proposal.combs.hard_addtime > 200`,
				`flag(proposal.combs.flags, 2)`, `policy.requests.level == "unique"`, `policy.requests.src.addr != policy.requests.dst.addr`,
			})
		// A policy without requests has none.
		r = rec(t, c, &layers.Base{Type: layers.SPDGET}, &layers.Policy{Type: 2})
		check(t, r, []string{`has("policy")`}, []string{`has("policy.requests")`, `has("policy.requests.src")`, `policy.requests.mode != "any"`})
	}
}

// TestWrapped: a message in an X_PROMISC wrapper counts with its wrapper.
func TestWrapped(t *testing.T) {
	for _, d := range []layers.Dialect{layers.FreeBSD, layers.NetBSD, layers.OpenBSD, layers.Illumos} {
		for _, o := range orders {
			c := layers.Codec{Dialect: d, Order: o}
			esp := mustValue(t, d, layers.EnumSAType, "ESP")
			inner := rec(t, c, &layers.Base{Type: layers.ADD, SAType: esp, Seq: 7, PID: 5, Errno: 3}, &layers.SA{SPI: 0x99})
			outer := rec(t, c, &layers.Base{Type: layers.PROMISC, SAType: 1, Seq: 8, PID: 6})
			data := append(outer.Data, inner.Data...)
			r := &record.Record{Number: 1, Codec: c, Data: data, OrigLen: len(data)}
			check(t, r,
				[]string{`type == "PROMISC"`, `type == "SADB_X_PROMISC"`, `type == "ADD"`, `satype == "esp"`, `seq == 7 && seq == 8`, `pid == 5`, `pid == 6`, `errno == "ESRCH"`, `errno != 0`, `errno != 0 && seq != 8 && pid != 6`, `spi == 0x99`, `sa.offset == 32`, `has("sa")`},
				// The SA type of a wrapper says on or off; 1 is AH on OpenBSD.
				[]string{`satype == "AH"`, `type != "ADD"`, `type != "PROMISC"`, `type == "GET"`, `spi == 0x98`, `seq != 7`})
			check(t, outer, []string{`type == "PROMISC"`, `satype == 1`, `satype != 3`}, []string{`satype == "AH"`, `has("msg.satype_name")`, `type == "ADD"`})
		}
	}
}

// TestContext: what a number means may depend on the message around it.
func TestContext(t *testing.T) {
	for _, o := range orders {
		linux := layers.Codec{Dialect: layers.Linux, Order: o}
		sa := &layers.SA{SPI: 0x99, Encrypt: 2}
		ipcomp := rec(t, linux, &layers.Base{Type: layers.ADD, SAType: layers.SATypeIPComp}, sa)
		check(t, ipcomp, []string{`sa.encrypt == "DEFLATE"`, `sa.encrypt == 2`, `sa.encrypt_name contains "FLATE"`}, []string{`sa.encrypt == "DESCBC"`})
		esp := rec(t, linux, &layers.Base{Type: layers.ADD, SAType: layers.SATypeESP}, &layers.SA{SPI: 0x99, Encrypt: 2})
		check(t, esp, []string{`sa.encrypt == "DESCBC"`, `sa.encrypt == 2`}, []string{`sa.encrypt == "DEFLATE"`})

		// One name, two extensions: SA2 is a second SA on OpenBSD.
		open := layers.Codec{Dialect: layers.OpenBSD, Order: o}
		r := rec(t, open, &layers.Base{Type: 14, SAType: 2}, &layers.SA{SPI: 1},
			&layers.SA{Header: layers.For(layers.LayerTypeSecondSA), SPI: 2, State: 1, Flags: 0x400},
			&layers.Protocol{Header: layers.For(layers.LayerTypeFlowType), Proto: 3, Direction: 2},
			&layers.Tag{TagLen: 4, Data: []byte("pf1\x00")})
		check(t, r,
			[]string{`type == "GRPSPIS"`, `sa2.spi == 2`, `sa2.state == "mature"`, `flag(sa2.flags, "ESN")`, `flag(sa2.flags, "SADB_X_SAFLAGS_ESN")`, `sa2.flags_names contains "ES"`, `spi == 1`, `satype == "ESP"`, `flow_type.proto == "REQUIRE"`, `flow_type.direction == "out"`, `tag.tag == "pf1"`},
			[]string{`sa2.mode == 0`, `sa2.reqid != 5`, `spi == 2`, `flag(sa2.flags, "PFS")`, `type == "SPDADD"`})
		r = rec(t, linux, &layers.Base{Type: 14}, &layers.SA2{Mode: 2, ReqID: 5})
		check(t, r, []string{`type == "SPDADD"`, `type == "X_SPDADD"`, `sa2.mode == "tunnel"`, `sa2.reqid == 5`}, []string{`has("sa2.spi")`, `type == "GRPSPIS"`, `sa2.flags != 0`, `flag(sa2.flags, "PFS")`})

		// A number of its own on every system.
		for d, n := range map[layers.Dialect]uint8{layers.Linux: 95, layers.FreeBSD: 45, layers.OpenBSD: 45, layers.Illumos: 122} {
			r := rec(t, layers.Codec{Dialect: d, Order: o}, &layers.Base{Type: 3, Errno: n})
			check(t, r, []string{`errno == "EOPNOTSUPP"`, `errno != "EINVAL"`}, []string{`errno != "EOPNOTSUPP"`, `errno == "EINVAL"`})
		}

		// illumos: a diagnosis in the reserved field, SPI ranges in network order.
		illumos := layers.Codec{Dialect: layers.Illumos, Order: o}
		r = rec(t, illumos, &layers.Base{Type: 3, Reserved: 18}, &layers.SPIRange{Min: 0x100, Max: 0x2ff}, &layers.Pair{SPI: 5})
		check(t, r,
			[]string{`msg.reserved == "MISSING_SRC"`, `msg.reserved_name contains "SRC"`, `msg.reserved == 18`, `spirange.min == 0x100`, `spirange.max < 0x300`, `pair.spi == 5`},
			[]string{`msg.reserved == "NONE"`})
		r = rec(t, linux, &layers.Base{Type: 3, Reserved: 18}, &layers.SPIRange{Min: 0x100, Max: 0x2ff})
		check(t, r, []string{`msg.reserved == 18`, `spirange.min == 0x100`}, []string{`msg.reserved == "MISSING_SRC"`, `has("msg.reserved_name")`})

		// macOS: an SA with four fields more, or without them.
		mac := layers.Codec{Dialect: layers.MacOS, Order: o}
		r = rec(t, mac, &layers.Base{Type: 3}, &layers.SA{SPI: 5, NATTPort: 4500})
		check(t, r, []string{`sa.natt_port == 4500`, `spi == 5`}, []string{`sa.natt_port == 0`})
		r = rec(t, mac, &layers.Base{Type: 3}, &layers.SA{SPI: 5})
		check(t, r, []string{`!has("sa.natt_port")`, `spi == 5`}, []string{`sa.natt_port == 0`})
	}
}

// TestBroken: records that are not as they should be.
func TestBroken(t *testing.T) {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	whole := rec(t, c, &layers.Base{Type: layers.ADD, SAType: 3}, &layers.SA{SPI: 0x99}, addr(c, layers.LayerTypeAddressSrc, "10.0.0.1:0")).Data
	cut := func(n int) *record.Record {
		return &record.Record{Codec: c, Data: whole[:n], OrigLen: len(whole)}
	}
	check(t, cut(len(whole)), []string{`caplen == length`, `!has("malformed")`}, []string{`has("number")`, `has("time")`})
	check(t, cut(40), []string{`caplen < length`, `spi == 0x99`, `malformed.code == "extension-overrun"`, `malformed.offset == 32`, `malformed.rest.bytes == 8`, `has("malformed.rest")`, `malformed.code contains "over"`},
		[]string{`has("address_src")`, `has("src")`, `malformed.code == "short-header"`})
	check(t, cut(15), []string{`malformed.code == "short-header"`, `caplen == 15`, `has("malformed")`}, []string{`has("msg")`, `type == 0`, `type != 0`, `errno == 0`, `has("sa")`})
	check(t, cut(0), []string{`malformed.code == "short-header"`, `length == 56`}, []string{`has("msg")`, `type == 3`})
	r := &record.Record{Codec: c, Data: whole}
	check(t, r, []string{`length == 56`}, nil)

	// Too short for its structure, and unknown.
	data := append(slices.Clone(whole[:16]), 1, 0, 1, 0, 1, 2, 3, 4, 1, 0, 77, 0, 5, 6, 7, 8)
	r = &record.Record{Codec: c, Data: data}
	check(t, r, []string{`has("sa")`, `has("sa.data")`, `sa.data.bytes == 4`, `sa.len == 1`, `has("unknown")`, `unknown.exttype == 77`, `unknown.offset == 24`, `unknown.data.id == "00 00 00 04"`},
		[]string{`has("sa.spi")`, `spi != 0`, `has("malformed")`, `unknown.exttype == 1`})

	// A record of no dialect is read as RFC 2367 has it.
	r = &record.Record{Data: whole}
	check(t, r, []string{`type == "ADD"`, `satype == "ESP"`, `spi == 0x99`, `src == "10.0.0.1"`}, []string{`dialect == "rfc2367"`})
}

// TestAllocations: once it has met a few records, a filter allocates nothing.
func TestAllocations(t *testing.T) {
	records := append(benchRecords(), madeRecords()...)
	for _, expr := range []string{
		`errno != 0 || satype == "esp" && direction == "to-kernel"`,
		`type == "ADD" && spi == 0x1 && cidr(src, "10.0.0.0/8")`,
		`policy.requests.src.addr == "10.0.0.1" || proposal.combs.auth != "md5hmac" || identity_src.identity contains "x"`,
		`has("malformed") || has("unknown.data") || process == "x" || comment matches "^a" || flag(sa.flags, "PFS") && false || msg.type_name startsWith "SPD"`,
	} {
		f := compile(t, expr)
		run := func() {
			for _, r := range records {
				f.Match(r)
			}
		}
		run()
		// The pool of walkers may be emptied at any time.
		if n := testing.AllocsPerRun(3, run) / float64(len(records)); n > 0.01 && !benchtest.Racing {
			t.Errorf("%s: %v allocations a record", expr, n)
		}
	}
}

// TestBounds: expressions that are large in one way or another.
func TestBounds(t *testing.T) {
	for name, expr := range map[string]string{
		"nots":          strings.Repeat("!", 32000) + "true",
		"minus":         "spi == " + strings.Repeat("-", 32000) + "1",
		"brackets":      strings.Repeat("(", 16000) + "true" + strings.Repeat(")", 16000),
		"path":          strings.Repeat("sa.", 10000) + "spi == 1",
		"members":       "sa" + strings.Repeat(".spi", 7000) + " == 1",
		"long name":     strings.Repeat("a", 32000) + " == 1",
		"chain":         "1" + strings.Repeat(" < spi", 5000),
		"sum":           "spi == 1" + strings.Repeat("+1", 9000),
		"product":       "spi == 2" + strings.Repeat("*2", 9000),
		"too long":      "spi == 1" + strings.Repeat(" ", 33000),
		"pattern":       `process matches "` + strings.Repeat("a", 2000) + `"`,
		"repetition":    `process matches "((a{900}){900}){900}"`,
		"many patterns": "true" + strings.Repeat(` || process matches "(ab?c{1000})"`, 900),
	} {
		if _, err := filter.Compile(expr, filter.Options{}); err == nil && name != "many patterns" {
			t.Errorf("%s: no error", name)
		} else if err != nil && len(err.Error()) > 64<<10 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
	for name, expr := range map[string]string{
		"ors":   "spi == 1" + strings.Repeat(" || spi == 2", 2400),
		"list":  "spi in [1" + strings.Repeat(", 0xffffffff", 2400) + "]",
		"nots":  strings.Repeat("!", 9000) + "true",
		"words": strings.Repeat("not ", 8000) + "true",
	} {
		f, err := filter.Compile(expr, filter.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f.Match(benchRecords()[0])
	}
}

// TestPaths: the table is complete, has everything once, and is all one can name.
func TestPaths(t *testing.T) {
	paths := map[string]filter.Path{}
	for _, p := range filter.Paths() {
		if _, twice := paths[p.Name]; twice {
			t.Errorf("%s is there twice", p.Name)
		}
		paths[p.Name] = p
		if _, err := filter.Compile("has("+p.Name+")", filter.Options{ID: id}); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		if len(p.Dialects) == 0 {
			t.Errorf("%s: no dialect has it", p.Name)
		}
		if p.Name != strings.ToLower(p.Name) {
			t.Errorf("%s is not in lower case", p.Name)
		}
	}
	for name, want := range map[string]filter.Path{
		"sa.spi":                     {Kind: filter.Number, Sem: layers.SemSPI, Size: 4, Dialects: layers.Dialects()},
		"spi":                        {Alias: "sa.spi", Kind: filter.Number, Sem: layers.SemSPI, Size: 4, Dialects: layers.Dialects()},
		"src":                        {Alias: "address_src.addr", Kind: filter.Address, Doc: "address", Dialects: layers.Dialects()},
		"msg.type_name":              {Names: "msg.type", Kind: filter.Text, Sem: layers.SemEnum, Enums: []layers.Enum{layers.EnumMsgType}, Doc: "name of msg.type", Dialects: layers.Dialects()},
		"sa.natt_port":               {Kind: filter.Number, Sem: layers.SemPort, Size: 2, Dialects: []layers.Dialect{layers.MacOS}},
		"nat_t_sport.port":           {Kind: filter.Number, Sem: layers.SemPort, Size: 2, Dialects: []layers.Dialect{layers.Linux, layers.FreeBSD, layers.NetBSD}},
		"sa2.spi":                    {Kind: filter.Number, Sem: layers.SemSPI, Size: 4, Dialects: []layers.Dialect{layers.OpenBSD}},
		"sa.encrypt":                 {Kind: filter.Number, Sem: layers.SemEnum, Size: 1, Enums: []layers.Enum{layers.EnumEncrypt, layers.EnumComp}, Dialects: layers.Dialects()},
		"key_auth.key":               {Kind: filter.Secret, Doc: "key octets", Dialects: layers.Dialects()},
		"if_hw_offl.if":              {Kind: filter.Text, Dialects: []layers.Dialect{layers.FreeBSD}},
		"eprop.ecombs.algs.alg":      {Kind: filter.Number, Sem: layers.SemEnum, Size: 1, Enums: []layers.Enum{layers.EnumAuth, layers.EnumEncrypt, layers.EnumComp}, Dialects: []layers.Dialect{layers.Illumos}},
		"policy.requests.dst.addr":   {Kind: filter.Address, Doc: "address"},
		"policy.requests":            {Kind: filter.Group},
		"direction":                  {Kind: filter.Text, Doc: "which way it went", Dialects: layers.Dialects()},
		"time":                       {Kind: filter.Time, Doc: "when the message passed the socket", Dialects: layers.Dialects()},
		"supported_auth.algs.id":     {Kind: filter.Number, Sem: layers.SemEnum, Size: 1, Enums: []layers.Enum{layers.EnumAuth}, Dialects: layers.Dialects()},
		"lifetime_hard.addtime":      {Kind: filter.Number, Sem: layers.SemSeconds, Size: 8, Doc: "seconds", Dialects: layers.Dialects()},
		"proposal.combs.auth":        {Kind: filter.Number, Size: 1, Sem: layers.SemEnum, Enums: []layers.Enum{layers.EnumAuth}, Dialects: layers.Dialects()},
		"address_dst.prefixlen":      {Kind: filter.Number, Sem: layers.SemBits, Size: 1, Doc: "bits"},
		"ereg.satypes_names":         {Names: "ereg.satypes", Kind: filter.Text, Enums: []layers.Enum{layers.EnumSAType}, Doc: "name of ereg.satypes", Dialects: []layers.Dialect{layers.Illumos}},
		"sa.flags_names":             {Names: "sa.flags", Kind: filter.Text, Sem: layers.SemFlags, Doc: "names of the bits of sa.flags", Dialects: layers.Dialects()},
		"unknown.data":               {Kind: filter.Secret, Doc: "data of an unknown extension", Dialects: layers.Dialects()},
		"malformed.code":             {Kind: filter.Text, Doc: "why, such as extension-overrun", Dialects: layers.Dialects()},
		"sensitivity.sens_bitmap":    {Kind: filter.Number, Size: 8, Dialects: layers.Dialects()},
		"identity_dst.identity":      {Kind: filter.Text, Doc: "identity as text", Dialects: layers.Dialects()},
		"kmaddress.remote.addr":      {Kind: filter.Address, Doc: "address", Dialects: []layers.Dialect{layers.Linux}},
		"sastat.list.lft_c.addtime":  {Kind: filter.Number, Sem: layers.SemSeconds, Size: 8, Doc: "seconds", Dialects: []layers.Dialect{layers.MacOS}},
		"address_inner_dst.src_id":   {Kind: filter.Number, Size: 4, Doc: "source id", Dialects: []layers.Dialect{layers.Illumos}},
		"outer_sens.integ_bitmap":    {Kind: filter.Number, Size: 8, Dialects: []layers.Dialect{layers.Illumos}},
		"local_credentials.data":     {Kind: filter.Secret, Doc: "data of an unknown extension", Dialects: []layers.Dialect{layers.OpenBSD}},
		"policy.requests.src.sa_len": {Kind: filter.Number, Size: 1, Doc: "sockaddr length field", Dialects: []layers.Dialect{layers.FreeBSD, layers.NetBSD, layers.MacOS, layers.DragonFly}},
	} {
		got, ok := paths[name]
		if !ok {
			t.Errorf("no path %s", name)
			continue
		}
		if want.Name = name; want.Dialects == nil {
			want.Dialects = got.Dialects
		}
		if want.Kind == filter.Number && want.Doc == "" || want.Enums == nil && strings.Contains(name, "flags") {
			want.Doc, want.Enums = got.Doc, append(want.Enums, got.Enums[len(want.Enums):]...)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
	}
}
