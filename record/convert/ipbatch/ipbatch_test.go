package ipbatch

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
)

var (
	linux     = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	linuxBE   = layers.Codec{Dialect: layers.Linux, Order: layers.BigEndian}
	freebsd   = layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
	netbsd    = layers.Codec{Dialect: layers.NetBSD, Order: layers.BigEndian}
	openbsd   = layers.Codec{Dialect: layers.OpenBSD, Order: layers.LittleEndian}
	dragonfly = layers.Codec{Dialect: layers.DragonFly, Order: layers.LittleEndian}
)

const key128 = "0x00112233445566778899aabbccddeeff"

// say makes the messages of setkey's statements and gives the lines that come of them:
// commands, "note: …", "lost: …" and errors.
func say(t *testing.T, c layers.Codec, showKeys bool, text string) (lines []string) {
	t.Helper()
	p := setkey.NewParser(strings.NewReader(text), setkey.Options{})
	x := &Converter{}
	for {
		s, err := p.Next()
		if err != nil {
			if !strings.Contains(err.Error(), "EOF") {
				t.Fatal(err)
			}
			return lines
		}
		ms, err := s.Messages(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			b, err := m.Encode(c)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, convert(x, c, showKeys, b, nil)...)
		}
	}
}

func convert(x *Converter, c layers.Codec, showKeys bool, msg, answer []byte) (lines []string) {
	list, lost, notes, err := x.FromMessage(c, msg, answer)
	for _, cmd := range list {
		lines = append(lines, string(cmd.Append(nil, showKeys)))
	}
	for _, n := range notes {
		lines = append(lines, "note: "+n)
	}
	for _, l := range lost {
		lines = append(lines, "lost: "+l)
	}
	if err != nil {
		lines = append(lines, err.Error())
	}
	return lines
}

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		name  string
		codec layers.Codec
		text  string
		want  string // lines
	}{
		{"esp", linux, "add 10.0.0.1 10.0.0.2 esp 0x1000 -m tunnel -u 7 -r 32 -lh 3600 -ls 3000 -bh 9 -E aes-cbc " + key128 + " -A hmac-sha1 " + key128 + ";",
			`xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x00001000 reqid 7 mode tunnel replay-window 32 auth-trunc "hmac(sha1)" ` + key128 + ` 96 enc "cbc(aes)" ` + key128 + ` limit time-soft 3000 limit time-hard 3600 limit byte-hard 9`},
		{"big-endian", linuxBE, "delete 2001:db8::1 2001:db8::2 ah 0x1000;", "xfrm state delete src 2001:db8::1 dst 2001:db8::2 proto ah spi 0x00001000"},
		{"window", linux, "add 10.0.0.1 10.0.0.2 esp 0x1000 -r 64 -E null;",
			"xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x00001000 mode transport replay-window 32 enc \"ecb(cipher_null)\" \"\"\n" +
				"note: PF_KEY on Linux cuts a replay window of 64 to 32"},
		{"sha-256 of Linux", linux, "add 10.0.0.1 10.0.0.2 ah 0x1000 -A hmac-sha2-256 " + key128 + ";",
			`xfrm state add src 10.0.0.1 dst 10.0.0.2 proto ah spi 0x00001000 mode transport auth-trunc "hmac(sha256)" ` + key128 + " 96\n" +
				"note: cut to 96 bits as linux does, not to the 128 of RFC 4868: both ends must do the same"},
		{"sha-256 of FreeBSD", freebsd, "add 10.0.0.1 10.0.0.2 ah 0x1000 -m any -r 4 -A hmac-sha2-256 " + key128 + ";",
			`xfrm state add src 10.0.0.1 dst 10.0.0.2 proto ah spi 0x00001000 mode transport replay-window 32 auth-trunc "hmac(sha256)" ` + key128 + " 128\n" +
				"note: mode ANY, which fits transport and tunnel, is transport on Linux"},
		{"sha-512 of DragonFly", dragonfly, "add 10.0.0.1 10.0.0.2 ah 0x1000 -m transport -A hmac-sha2-512 " + key128 + ";",
			`xfrm state add src 10.0.0.1 dst 10.0.0.2 proto ah spi 0x00001000 mode transport auth-trunc "hmac(sha512)" ` + key128 + " 96"},
		{"gcm of FreeBSD", freebsd, "add 10.0.0.1 10.0.0.2 esp 0x1000 -m tunnel -E aes-gcm-16 " + key128 + "01020304;",
			`xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x00001000 mode tunnel aead "rfc4106(gcm(aes))" ` + key128 + "01020304 128"},
		{"nat-t", linux, `add 10.0.0.1[4500] 10.0.0.2[4501] esp-udp 0x1000 -E null;`,
			`xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x00001000 mode transport enc "ecb(cipher_null)" "" encap espinudp 4500 4501 0.0.0.0`},
		{"context", linux, `add 10.0.0.1 10.0.0.2 esp 0x1000 -ctx 1 1 "system_u:object_r:a" -E null;`,
			`xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x00001000 mode transport enc "ecb(cipher_null)" "" ctx system_u:object_r:a`},
		{"context that ip does not take", linux, `add 10.0.0.1 10.0.0.2 esp 0x1000 -ctx 2 1 "a # b" -E null;`,
			"xfrm state add src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x00001000 mode transport enc \"ecb(cipher_null)\" \"\"\nlost: SEC_CTX, which is no word that ip takes"},
		{"ipcomp", netbsd, "add 10.0.0.1 10.0.0.2 ipcomp 0x30 -m tunnel -C deflate -R;", "xfrm state add src 10.0.0.1 dst 10.0.0.2 proto comp spi 0x00000030 mode tunnel comp deflate"},
		{"wide cpi", linux, "add 10.0.0.1 10.0.0.2 ipcomp 0x10000 -C deflate;", "no ip-xfrm command for it: a CPI of 0x00010000: ip takes 16 bits"},
		{"tcp-md5", freebsd, "add 10.0.0.1 10.0.0.2 tcp 0x1000 -A tcp-md5 0x00;", "no ip-xfrm command for it: SA type 11 (TCPSIGNATURE)"},
		{"keyed md5", freebsd, "add 10.0.0.1 10.0.0.2 ah 0x1000 -A keyed-md5 " + key128 + ";", "no ip-xfrm command for it: authentication algorithm 249 (MD5)"},
		{"all of a pair", freebsd, "deleteall 10.0.0.1 10.0.0.2 esp;", "xfrm state deleteall src 10.0.0.1 dst 10.0.0.2 proto esp"},
		{"getspi", linux, "getspi 10.0.0.1 10.0.0.2 esp 0x1000 -m tunnel -u 9;", "xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp reqid 9 mode tunnel min 0x00001000 max 0x00001000"},
		{"flushes", linux, "flush; flush ah; spdflush;", "xfrm state flush\nxfrm state flush proto ah\nxfrm policy flush"},
		{"questions", linux, "get 10.0.0.1 10.0.0.2 esp 1; dump; spddump;",
			"changes no SA and no policy: ip xfrm state get shows an SA\nchanges no SA and no policy: ip xfrm state list shows the SAs\nchanges no SA and no policy: ip xfrm policy list shows the policies"},
		{"policy out", linux, "spdadd 192.168.1.0/24 192.168.2.0/24[53] udp -P out prio 7 ipsec ipcomp/transport//use esp/tunnel/10.0.0.1-10.0.0.2/unique:7;",
			"xfrm policy add src 192.168.1.0/24 dst 192.168.2.0/24 proto 17 dport 53 dir out action allow priority 2147483641 " +
				"tmpl src 0.0.0.0 dst 0.0.0.0 proto comp reqid 0 mode transport level use tmpl src 10.0.0.1 dst 10.0.0.2 proto esp reqid 7 mode tunnel"},
		{"policy of FreeBSD", freebsd, "spdadd ::/0 2001:db8::/32 any -P in ipsec esp/tunnel/2001:db8::1-2001:db8::2/default; spddelete ::/0 2001:db8::/32 any -P in;",
			"xfrm policy add src ::/0 dst 2001:db8::/32 dir in action allow tmpl src 2001:db8::1 dst 2001:db8::2 proto esp reqid 0 mode tunnel\n" +
				"xfrm policy add src ::/0 dst 2001:db8::/32 dir fwd action allow tmpl src 2001:db8::1 dst 2001:db8::2 proto esp reqid 0 mode tunnel\n" +
				"note: freebsd judges what is forwarded by the policy for what comes in\nnote: level default, which the system's settings decide, is required on Linux\n" +
				"xfrm policy delete src ::/0 dst 2001:db8::/32 dir in\nxfrm policy delete src ::/0 dst 2001:db8::/32 dir fwd\nnote: freebsd judges what is forwarded by the policy for what comes in"},
		{"icmp", freebsd, "spdadd 1.1.1.1 2.2.2.2 icmp 8,0 -P out discard;", "xfrm policy add src 1.1.1.1/32 dst 2.2.2.2/32 proto 1 type 8 dir out action block"},
		{"gre", freebsd, "spdadd 1.1.1.1 2.2.2.2 gre 0.1.0.2 -P out none;", "xfrm policy add src 1.1.1.1/32 dst 2.2.2.2/32 proto 47 key 0x00010002 dir out action allow"},
		{"ports of esp", freebsd, "spdadd 1.1.1.1[5] 2.2.2.2 50 -P out none;", "xfrm policy add src 1.1.1.1/32 dst 2.2.2.2/32 proto 50 dir out action allow\nlost: ports 5 and 0: ip has none for protocol 50"},
		{"optional tunnel", freebsd, "spdadd 1.1.1.1 2.2.2.2 any -P out ipsec esp/tunnel/3.3.3.3-4.4.4.4/use;",
			"xfrm policy add src 1.1.1.1/32 dst 2.2.2.2/32 dir out action allow tmpl src 3.3.3.3 dst 4.4.4.4 proto esp reqid 0 mode tunnel\nlost: level use of a tunnel going out, which Linux does not have: required here"},
		{"for a socket", freebsd, "spdadd 1.1.1.1 2.2.2.2 any -P out bypass;", "no ip-xfrm command for it: a policy of type 4 (BYPASS), which is for sockets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(say(t, tt.codec, true, tt.text), "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if hidden := strings.Join(say(t, tt.codec, false, tt.text), "\n"); strings.Contains(hidden, "0011223344") {
				t.Errorf("a key is shown: %s", hidden)
			}
		})
	}
}

// encode makes a message.
func encode(t *testing.T, c layers.Codec, base layers.Base, exts ...layers.Extension) []byte {
	t.Helper()
	b, err := c.Encode(&base, exts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func address(c layers.Codec, src bool, text string) *layers.Address {
	p := netip.MustParsePrefix(text)
	kind := layers.LayerTypeAddressDst
	if src {
		kind = layers.LayerTypeAddressSrc
	}
	return c.NewAddress(kind, netip.AddrPortFrom(p.Addr(), 0), uint8(p.Bits()), 0)
}

// What the kernel chose is in its answer.
func TestAnswers(t *testing.T) {
	src, dst := address(linux, true, "10.0.0.1/32"), address(linux, false, "10.0.0.2/32")
	policy := func(id, reqid uint32) *layers.Policy {
		return &layers.Policy{Type: 2, Dir: 2, ID: id, List: linux.AppendRequest(nil, layers.Request{Proto: 50, Mode: 1, Level: 3, ReqID: reqid})}
	}
	getspi := layers.Base{Type: layers.GETSPI, SAType: layers.SATypeESP}
	add := layers.Base{Type: layers.SPDADD}
	x := &Converter{}
	for _, tt := range []struct {
		name        string
		msg, answer []byte
		want        string
	}{
		{"an SPI", encode(t, linux, getspi, src, dst, &layers.SPIRange{Min: 0x100, Max: 0x1ff}), encode(t, linux, getspi, &layers.SA{SPI: 0x123}, src, dst),
			"xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp mode transport min 0x00000123 max 0x00000123|note: the SPI that the kernel chose"},
		{"no answer", encode(t, linux, getspi, src, dst), nil,
			"xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp mode transport min 0x00000100 max 0x0fffffff|note: which SPI the kernel chose is not in the recording: what follows may not fit"},
		{"a request id", encode(t, linux, add, src, dst, policy(0, 0)), encode(t, linux, add, src, dst, policy(17, 16400)),
			"xfrm policy add src 10.0.0.1/32 dst 10.0.0.2/32 dir out action allow tmpl src 0.0.0.0 dst 0.0.0.0 proto esp reqid 16400 mode transport|note: reqid 16400 is what the kernel chose"},
		{"no request id", encode(t, linux, add, src, dst, policy(0, 0)), nil,
			"xfrm policy add src 10.0.0.1/32 dst 10.0.0.2/32 dir out action allow tmpl src 0.0.0.0 dst 0.0.0.0 proto esp reqid 0 mode transport|lost: level unique: which request id the kernel chose is not in the recording, so an SA of any is taken"},
		{"by number", encode(t, linux, layers.Base{Type: layers.SPDDELETE2}, &layers.Policy{ID: 17}), nil,
			"xfrm policy delete src 10.0.0.1/32 dst 10.0.0.2/32 dir out|note: policy 17 by what it is for, since numbers differ from kernel to kernel"},
		{"by an unknown number", encode(t, linux, layers.Base{Type: layers.SPDDELETE2}, &layers.Policy{ID: 17}), nil,
			"no ip-xfrm command for it: SPDDELETE2 of policy 17, of which the recording does not tell what it is for"},
		{"an AEAD that PF_KEY does not show", encode(t, linux, layers.Base{Type: layers.DUMP, SAType: layers.SATypeESP}, &layers.SA{SPI: 5, State: 1}, &layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeCurrent)}, src, dst), nil,
			"no ip-xfrm command for it: an SA whose algorithms PF_KEY does not show: an AEAD made over netlink"},
		{"a key of odd bits", encode(t, linux, layers.Base{Type: layers.ADD, SAType: layers.SATypeAH}, &layers.SA{SPI: 5, Auth: 3}, src, dst, &layers.Key{Header: layers.For(layers.LayerTypeKeyAuth), Bits: 159, Octets: make([]byte, 24)}), nil,
			"xfrm state add src 10.0.0.1 dst 10.0.0.2 proto ah spi 0x00000005 mode transport auth-trunc \"hmac(sha1)\" ·· 96|lost: the bits of a key of 159 bits behind the last whole octet: ip counts octets"},
		{"register", encode(t, linux, layers.Base{Type: layers.REGISTER, SAType: 3}), nil,
			"changes no SA and no policy: XFRM has no registering: a key manager joins the netlink group XFRMNLGRP_ACQUIRE (ip xfrm monitor acquire)"},
	} {
		if got := strings.Join(convert(x, linux, false, tt.msg, tt.answer), "|"); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// Flows are the policies of OpenBSD.
func TestFlow(t *testing.T) {
	flow := func(kind, dir uint8, mask string) []byte {
		a := func(h layers.Header, text string) *layers.Address {
			x := openbsd.NewAddress(layers.LayerTypeAddressDst, netip.AddrPortFrom(netip.MustParseAddr(text), 0), 0, 0)
			x.Header = h
			return x
		}
		return encode(t, openbsd, layers.Base{Type: 12, SAType: 2},
			a(layers.For(layers.LayerTypeAddressSrc), "192.0.2.1"), a(layers.For(layers.LayerTypeAddressDst), "192.0.2.2"),
			&layers.Protocol{Header: layers.For(layers.LayerTypeFlowType), Proto: kind, Direction: dir},
			a(layers.For(layers.LayerTypeSrcMask), "255.255.0.0"), a(layers.For(layers.LayerTypeDstMask), mask),
			a(layers.For(layers.LayerTypeSrcFlow), "10.1.0.0"), a(layers.For(layers.LayerTypeDstFlow), "10.2.0.0"))
	}
	for _, tt := range []struct{ name, got, want string }{
		{"out", strings.Join(convert(&Converter{}, openbsd, false, flow(3, 2, "255.255.255.0"), nil), "|"),
			"xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/24 dir out action allow tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel"},
		{"in", strings.Join(convert(&Converter{}, openbsd, false, flow(1, 1, "255.255.255.0"), nil), "|"),
			"xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/24 dir in action allow tmpl src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel|" +
				"xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/24 dir fwd action allow tmpl src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel|lost: flow type use: required here"},
		{"deny", strings.Join(convert(&Converter{}, openbsd, false, flow(5, 2, "255.255.255.0"), nil), "|"), "xfrm policy add src 10.1.0.0/16 dst 10.2.0.0/24 dir out action block"},
		{"odd mask", strings.Join(convert(&Converter{}, openbsd, false, flow(5, 2, "255.0.255.0"), nil), "|"), "no ip-xfrm command for it: a flow whose masks are no prefixes"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, tt.got, tt.want)
		}
	}
}

// Whatever the message, there is a command or an error, no key is shown unasked, and no
// command could be two.
func TestAnyMessage(t *testing.T) {
	x := &Converter{}
	for seed := range uint64(4000) {
		c := layers.Codec{Dialect: layers.Dialects()[seed%uint64(len(layers.Dialects()))], Order: layers.LittleEndian}
		msg, _ := gen.New(c, 1, gen.Options{}).At(seed, nil)
		list, _, _, err := x.FromMessage(c, msg, nil)
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("seed %d: %d commands, %v", seed, len(list), err)
		}
		if err != nil && !errors.Is(err, ErrNoCommand) && !errors.Is(err, ErrAsksOnly) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, cmd := range list {
			line := string(cmd.Append(nil, true))
			if strings.ContainsAny(line, "\n\r#\\") || !strings.HasPrefix(line, "xfrm ") {
				t.Errorf("seed %d: %q", seed, line)
			}
			if cmd.HasKeys() == !strings.Contains(string(cmd.Append(nil, false)), "··") {
				t.Errorf("seed %d: keys are hidden: %q", seed, cmd.Append(nil, false))
			}
		}
	}
}
