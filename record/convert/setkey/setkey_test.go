package setkey_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement/statementtest"
	"github.com/pfkeycap/pfkeycap/record/convert/setkey"
)

var (
	linux   = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	freebsd = layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
	openbsd = layers.Codec{Dialect: layers.OpenBSD, Order: layers.BigEndian}
)

func parse(text string, o setkey.Options) ([]*setkey.Statement, error) {
	return statementtest.All(setkey.NewParser(strings.NewReader(text), o).Next)
}

func encode(t *testing.T, c layers.Codec, text string) (msgs [][]byte, notes []string) {
	t.Helper()
	list, err := parse(text, setkey.Options{})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return statementtest.Encode(t, c, list)
}

// Statements, and how they are written when they come back from the messages made
// of them; "" is the same text.
var statements = []struct {
	name, text, back string
	codec            layers.Codec
}{
	{"esp", `add 10.0.0.1 10.0.0.2 esp 0x00001234 -m tunnel -u 7 -r 32 -lh 3600 -ls 3000 -bh 5 -bs 4 -E aes-cbc 0x00112233445566778899aabbccddeeff -A hmac-sha1 0x3031323334353637383930313233343536373839 ;`, "", linux},
	{"strings are keys", `add 10.0.0.1 10.0.0.2 esp 4660 -E 3des-cbc "012345678901234567890123" ;`, `add 10.0.0.1 10.0.0.2 esp 0x00001234 -E 3des-cbc 0x303132333435363738393031323334353637383930313233 ;`, linux},
	{"odd digits", `add ::1 ::2 ah 0x100 -A hmac-md5 0x1ff ;`, `add ::1 ::2 ah 0x00000100 -A hmac-md5 0x01ff ;`, linux},
	{"null needs no key", "add 10.0.0.1 10.0.0.2 esp 0x00000100 -E null -A null ;", "", linux},
	{"old names", `add 10.0.0.1 10.0.0.2 esp 256 -E rijndael-cbc 0x00112233445566778899aabbccddeeff -A hmac-sha256 0x01 ;`, `add 10.0.0.1 10.0.0.2 esp 0x00000100 -E aes-cbc 0x00112233445566778899aabbccddeeff -A hmac-sha2-256 0x01 ;`, linux},
	{"ipcomp", "add 10.0.0.1 10.0.0.2 ipcomp 0x00000030 -C deflate ;", "", linux},
	{"raw cpi", "add 10.0.0.1 10.0.0.2 ipcomp 0x00000030 -C lzs -R ;", "", freebsd},
	{"nat-t", "add 10.0.0.1[4500] 10.0.0.2[4501] esp-udp 192.168.0.9 0x00000100 -E null ;", "", linux},
	{"nat-t without ports", "add 10.0.0.1 10.0.0.2 esp-udp 0x100 -E null ;", "add 10.0.0.1[4500] 10.0.0.2[4500] esp-udp 0x00000100 -E null ;", linux},
	{"nat-t of FreeBSD", "add 10.0.0.1 10.0.0.2 esp 0x00000100 -natt 192.168.0.9[4500] 192.168.0.8[4501] -natt_mtu 1400 -E null ;", "", freebsd},
	{"context", `add 10.0.0.1 10.0.0.2 ah 0x00000100 -ctx 1 1 "system_u:object_r:ipsec_t:s0" -A null ;`, "", linux},
	{"flags", "add 10.0.0.1 10.0.0.2 esp 0x00000100 -f nocyclic-seq -f random-pad -esn -E null ;", "", freebsd},
	{"old esp", "add 10.0.0.1 10.0.0.2 esp-old 0x00000100 -E des-32iv 0x0102030405060708 ;", "", freebsd},
	{"wide window", "add 10.0.0.1 10.0.0.2 esp 0x00000100 -r 1024 -E null ;", "", freebsd},
	{"tcp-md5", "add 10.0.0.1 10.0.0.2 tcp 0x00001000 -A tcp-md5 0x736563726574 ;", "", freebsd},
	{"tcp-md5 of OpenBSD", "add 10.0.0.1 10.0.0.2 tcp 0x00001000 -A tcp-md5 0x736563726574 ;", "", openbsd},
	{"tcp-md5 of NetBSD", "add 10.0.0.1 10.0.0.2 tcp 0x00001000 -A tcp-md5 0x736563726574 ;", "", layers.Codec{Dialect: layers.NetBSD, Order: layers.BigEndian}},
	{"tcp-md5 of illumos", "add 10.0.0.1 10.0.0.2 tcp 0x00001000 -A tcp-md5 0x736563726574 ;", "", layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian}},
	{"aead", "add 10.0.0.1 10.0.0.2 esp 0x00000100 -E aes-gcm-16 0x0102030405060708090a0b0c0d0e0f1011121314 ;", "", freebsd},
	{"lifetimes last", "add 10.0.0.1 10.0.0.2 esp 256 -E null -lh 9 -u 3;", "add 10.0.0.1 10.0.0.2 esp 0x00000100 -u 3 -lh 9 -E null ;", linux},
	{"update", "update 10.0.0.1 10.0.0.2 esp 0x00000100 -E null ;", "", linux},
	{"get", "get 10.0.0.1 10.0.0.2 esp 0x00000100 ;", "", linux},
	{"delete", "delete 2001:db8::1 2001:db8::2 ah 0x00000100 ;", "", linux},
	{"deleteall", "deleteall 10.0.0.1 10.0.0.2 esp ;", "", freebsd},
	{"getspi", "getspi 10.0.0.1 10.0.0.2 esp 0x00000100 -m tunnel -u 9 ;", "", linux},
	{"getspi of any", "getspi 10.0.0.1 10.0.0.2 esp 0 ;", "getspi 10.0.0.1 10.0.0.2 esp 0x00000000 ;", linux},
	{"flush", "flush ;", "", linux},
	{"flush of one protocol", "flush ah ;", "", linux},
	{"dump", "dump esp ;", "", linux},
	{"spdflush", "spdflush ;", "", linux},
	{"spddump", "spddump ;", "", freebsd},
	{"discard", "spdadd 10.1.0.0/16[any] 10.2.0.0/16[53] 17 -P out discard ;", "", linux},
	{"priority", "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out priority low - 2 none;", "spdadd 10.1.0.0/16[any] 10.2.0.0/16[any] any -P out prio -1073741826 none ;", linux},
	{"signed priority", "spdadd 10.1.0.0/16 10.2.0.0/16 any -P out prio +7 none;", "spdadd 10.1.0.0/16[any] 10.2.0.0/16[any] any -P out prio 7 none ;", linux},
	{"requests", "spdadd ::/0[any] 2001:db8::/32[any] 6 -P out ipsec esp/tunnel/2001:db8::1-2001:db8::2/unique:7 ipcomp/transport//use ah/transport//default ;", "", linux},
	{"requests of FreeBSD", "spdadd 10.1.0.0/16[any] 10.2.0.0/16[any] any -P in ipsec esp/tunnel/10.0.0.1-10.0.0.2/require ;", "", freebsd},
	{"request without level", "spdadd 1.1.1.1 2.2.2.2 icmp 8,0 -P out ipsec esp/transport;", "spdadd 1.1.1.1/32[8] 2.2.2.2/32[any] 1 -P out ipsec esp/transport//default ;", freebsd},
	{"ports of a tunnel", "spdadd 1.1.1.1/32[any] 2.2.2.2/32[any] any -P out ipsec esp/tunnel/10.0.0.1[4500]-10.0.0.2[4501]/require ;", "", linux},
	{"gre key", "spdadd 1.1.1.1 2.2.2.2 gre 0.1.0.2 -P out none ;", "spdadd 1.1.1.1/32[1] 2.2.2.2/32[2] 47 -P out none ;", freebsd},
	{"context of a policy", `spdadd 1.1.1.1/32[any] 2.2.2.2/32[any] any -ctx 1 2 "a" -P out none ;`, "", linux},
	{"spddelete by direction", "spddelete 1.1.1.1 2.2.2.2 any -P out ;", "spddelete 1.1.1.1/32[any] 2.2.2.2/32[any] any -P out none ;", linux},
	{"parts apart", "spdadd 10.1.0.0 /16 [ 53 ] 10.2.0.0/16 any -P out none ;", "spdadd 10.1.0.0/16[53] 10.2.0.0/16[any] any -P out none ;", linux},
}

func TestStatements(t *testing.T) {
	for _, tt := range statements {
		t.Run(tt.name, func(t *testing.T) {
			msgs, notes := encode(t, tt.codec, "# comment\n"+tt.text)
			if len(msgs) != 1 || len(notes) > 0 {
				t.Fatalf("%d messages, notes %q", len(msgs), notes)
			}
			want := tt.back
			if want == "" {
				want = tt.text
			}
			s, lost, err := setkey.FromMessage(tt.codec, msgs[0])
			if err != nil || len(lost) > 0 {
				t.Fatalf("lost %q, error %v", lost, err)
			}
			got := string(s.Append(nil, true))
			if got != want {
				t.Errorf("came back as\n%s\nwant\n%s", got, want)
			}
			again, _ := encode(t, tt.codec, got)
			if len(again) != 1 || !bytes.Equal(again[0], msgs[0]) {
				t.Errorf("the text makes another message: % x, want % x", again, msgs[0])
			}
			for _, a := range []*setkey.Algorithm{s.Encrypt, s.Auth} {
				if a != nil && len(a.Key) > 2 && strings.Contains(string(s.Append(nil, false)), fmt.Sprintf("%x", []byte(a.Key))) {
					t.Error("the key is shown")
				}
			}
		})
	}
}

// Golden octets of two messages, one of each byte order.
func TestOctets(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
		codec            layers.Codec
	}{
		{"delete", "delete 10.0.0.1 10.0.0.2 esp 0x1234;", "020400030a000000 0000000000000000" +
			"0200010000001234 0000000000000000" + // state and algorithms are 0: nothing is asked of them
			"03000500ff200000 020000000a000001 0000000000000000" +
			"03000600ff200000 020000000a000002 0000000000000000", linux},
		{"flush esp on OpenBSD", "flush esp;", "0209000200020000 0000000000000000", openbsd},
	} {
		t.Run(tt.name, func(t *testing.T) {
			msgs, _ := encode(t, tt.codec, tt.text)
			if got := fmt.Sprintf("%x", msgs[0]); got != strings.ReplaceAll(tt.want, " ", "") {
				t.Errorf("got  %s\nwant %s", got, strings.ReplaceAll(tt.want, " ", ""))
			}
		})
	}
}

func TestForward(t *testing.T) {
	const text = "spdadd 10.1.0.0/16[any] 10.2.0.0/16[any] any -P in ipsec esp/tunnel/10.0.0.1-10.0.0.2/unique:7 ;"
	msgs, _ := encode(t, linux, text)
	var got []string
	for _, m := range msgs {
		s, _, err := setkey.FromMessage(linux, m)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(s.Append(nil, false)))
	}
	want := text + "\n" + strings.NewReplacer("-P in", "-P fwd", "unique:7", "require").Replace(text)
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if msgs, _ := encode(t, freebsd, text); len(msgs) != 1 {
		t.Errorf("%d messages for FreeBSD, which has no forwarding policies", len(msgs))
	}
}

func TestHostNames(t *testing.T) {
	resolve := func(host string) ([]netip.Addr, error) {
		if host != "peer.example.com" {
			return nil, errors.New("no such host")
		}
		return []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("10.0.0.3")}, nil
	}
	for _, tt := range []struct {
		text string
		n    int // messages; 0 is an error
	}{
		{"get 10.0.0.1 peer.example.com esp 256;", 2},
		{"get 2001:db8::1 peer.example.com esp 256;", 1},
		{"get peer.example.com peer.example.com esp 256;", 5},
		{"get -4 peer.example.com peer.example.com esp 256;", 4},
		{"get -6 peer.example.com peer.example.com esp 256;", 1},
		{"get -n 10.0.0.1 peer.example.com esp 256;", 0},
		{"get 10.0.0.1 other.example.com esp 256;", 0},
		{"get -6 10.0.0.1 peer.example.com esp 256;", 0},
		{"spdadd 10.0.0.1 peer.example.com any -P out none;", 0},
		{"spdadd -6 2001:db8::1 peer.example.com any -P out none;", 1},
	} {
		list, err := parse(tt.text, setkey.Options{Resolve: resolve})
		if tt.n == 0 {
			if err == nil {
				t.Errorf("%s: no error", tt.text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if ms, err := list[0].Messages(linux); err != nil || len(ms) != tt.n {
			t.Errorf("%s: %d messages, want %d (%v)", tt.text, len(ms), tt.n, err)
		}
	}
}

func TestWrong(t *testing.T) {
	const secret = "736563726574"
	for _, tt := range []struct{ text, want string }{
		{"addd 10.0.0.1;", `line 1, column 1: "addd" is not a command`},
		{"flush;\n  foo;", `line 2, column 3: "foo" is not a command`},
		{"flush", `line 1, column 6: the end of the text where the flush statement should end`},
		{"flush tcpx;", `line 1, column 7: "tcpx" is not a protocol`},
		{"get 10.0.0.1 10.0.0.2 esp;", `line 1, column 26: ";" where an SPI is wanted`},
		{"get 10.0.0.1 10.0.0.2 esp 0x1ffffffff;", `column 27: "0x1ffffffff" is not an SPI`},
		{"get 10.0.0.1 10.0.0.2 esp 010;", `column 27: "010" is not an SPI`},
		{"get 10.0.0.256 10.0.0.2 esp 1;", `column 5: "10.0.0.256" is not an IPv4 or IPv6 address`},
		{"get host 10.0.0.2 esp 1;", `column 5: "host" is not an IPv4 or IPv6 address`},
		{"get 10.0.0.1 ::1 esp 1;", "column 14: source and destination are of different address families"},
		{"get 10.0.0.1/24 ::1 esp 1;", "column 13: an SA ends at an address"},
		{"get -46 10.0.0.1 ::1 esp 1;", "column 5: -4 and -6 leave no address"},
		{"add 10.0.0.1[x] 10.0.0.2 esp 1 -E null;", `column 14: "x" is not a port`},
		{"add 10.0.0.1 10.0.0.2 esp 1;", `";" where -E, -A or -C is wanted`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc;", `";" where the key of aes-cbc is wanted`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -E aes-xyz 0x" + secret + ";", `"aes-xyz" is not an encryption algorithm`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc 0x" + secret + "zz;", `column 40: not a key`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc " + secret + ";", `column 40: not a key`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc @" + secret + ";", `column 40: a key that is named`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc \"" + secret, `column 40: the string that begins here does not end`},
		{"add 10.0.0.1 10.0.0.2 ah 1 -E aes-cbc 0x" + secret + ";", "ah does not encrypt"},
		{"add 10.0.0.1 10.0.0.2 esp 1 -C deflate;", "-C does not belong to esp"},
		{"add 10.0.0.1 10.0.0.2 ipcomp 1 -C zip;", `"zip" is not a compression algorithm: use deflate lzs oui`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -m beet -E null;", `"beet" is not a mode`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -lh x -E null;", `"x" is not a number of seconds: use a decimal number up to 18446744073709551615`},
		{"add 10.0.0.1 10.0.0.2 esp 1 -u 4294967296 -E null;", `up to 4294967295`},
		{"add 10.0.0.1 10.0.0.2 esp-old 1 -r 4 -E null;", "esp-old has no replay protection"},
		{"add 10.0.0.1 10.0.0.2 esp 1 -A null -A null;", "-A stands once"},
		{"spdadd 10.0.0.0/33 10.0.0.2 any -P out none;", `column 17: "33" is not a prefix length of up to 32 bits`},
		{"spdadd 10.0.0.0/24 10.0.0.2 foo -P out none;", `column 29: "foo" is not an upper-layer protocol`},
		{"spdadd 10.0.0.0/24 10.0.0.2 tcp 4 -P out none;", "only icmp, icmp6, mh and gre have details"},
		{"spdadd 10.0.0.0/24 10.0.0.2 icmp 8,x -P out none;", "is not a type, or a type and a code"},
		{"spdadd 10.0.0.0/24 10.0.0.2 any out none;", `"out" where -P is wanted`},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P up none;", `"up" is not a direction`},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out;", `";" where a policy is wanted`},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out maybe none;", `"maybe" is neither a priority`},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out prio high + 9999999999 none;", "is out of range"},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out ipsec;", "ipsec wants at least one"},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out none esp/transport//use;", "after none, which requires nothing"},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out ipsec esp/tunnel//use;", "a tunnel needs its ends"},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out ipsec esp/tunnel/10.0.0.1-x/use;", `column 66: "x" is not an IPv4 or IPv6 address`},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out ipsec esp/tunnel/1.1.1.1-::1/use;", "are of different address families"},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out ipsec tcp/transport//use;", `"tcp" is not a protocol of a policy`},
		{"spdadd 10.0.0.0/24 10.0.0.2 any -P out ipsec esp/transport//uniq;", `column 61: "uniq" is not a level`},
		{"spdadd tagged a -P out none;", `"a" where a tag in quotes is wanted`},
		{"flush\x01;", "byte 0x01 has no place here"},
		{"add " + strings.Repeat("x", 300<<10) + ";", "longer than 262144 bytes"},
	} {
		_, err := parse(tt.text, setkey.Options{})
		var e *setkey.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.80s\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%.80s: the error quotes the key", tt.text)
		}
	}
}

// What a dialect has no number for is an error at the word, or a note where the
// message means much the same without it.
func TestDialect(t *testing.T) {
	for _, tt := range []struct {
		codec      layers.Codec
		text, want string
	}{
		{linux, "add 10.0.0.1 10.0.0.2 tcp 1 -A tcp-md5 0x01;", "linux has no SA type for tcp (freebsd, netbsd, openbsd"},
		{linux, "deleteall 10.0.0.1 10.0.0.2 esp;", "needs a kernel to ask"},
		{openbsd, "spdadd 10.0.0.1 10.0.0.2 any -P out none;", "openbsd has no policies in PF_KEY"},
		{freebsd, "spdadd 10.0.0.1 10.0.0.2 any -P fwd none;", "freebsd has no direction fwd"},
		{freebsd, "\n add 10.0.0.1 10.0.0.2 esp 1 -E twofish-cbc 0x01;", "line 2, column 33: freebsd has no twofish-cbc"},
	} {
		list, err := parse(tt.text, setkey.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = list[0].Messages(tt.codec)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
	for _, tt := range []struct {
		codec      layers.Codec
		text, want string
	}{
		{linux, "add 10.0.0.1 10.0.0.2 esp 1 -f zero-pad -E null;", "linux has no zero-pad: left out"},
		{linux, "add 10.0.0.1 10.0.0.2 esp 1 -hwif em0 -E null;", "linux has no interface to offload to: left out"},
		{openbsd, "add 10.0.0.1 10.0.0.2 esp 1 -m tunnel -E aes-cbc 0x00;", "openbsd has no mode and request id: left out"},
		{freebsd, "spdadd 10.0.0.1 10.0.0.2 any -P out prio 3 none;", "freebsd has no priorities: left out"},
		{linux, "add fe80::1%eth0 fe80::2 esp 1 -E null;", "the zone of fe80::1%eth0 is left out"},
		{linux, "spdadd fe80::1%eth0/64 fe80::2 any -P out none;", "the zone of fe80::1%eth0 is left out"},
	} {
		if _, notes := encode(t, tt.codec, tt.text); len(notes) != 1 || notes[0] != tt.want {
			t.Errorf("%s: notes %q, want %q", tt.text, notes, tt.want)
		}
	}
}

// Keys are written in the wrong place, too: no error quotes them.
func TestMisplacedKeys(t *testing.T) {
	const a, b = "deadbeef00112233", "445566778899aabb"
	for _, tt := range []struct{ name, text, want string }{
		{"a second key", "add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc 0x" + a + " 0x" + b + ";", `a word that may be a key where the add statement should end`},
		{"in pieces", "add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc 0xdead beef " + a + ";", `a word that may be a key where`},
		{"before its algorithm", "add 10.0.0.1 10.0.0.2 esp 1 -A 0x" + a + b + " hmac-md5;", `a word that may be a key is not an authentication algorithm`},
		{"instead of the SPI", "add 10.0.0.1 10.0.0.2 esp 0x" + a + b + " -E aes-cbc;", `a word that may be a key is not an SPI`},
		{"mistyped", "add 10.0.0.1 10.0.0.2 esp 1 -E 0x" + a + "zz" + b + " aes-cbc;", `a word that may be a key is not an encryption`},
		{"without 0x", "add 10.0.0.1 10.0.0.2 esp 1 -E " + a + b + " aes-cbc;", `a word that may be a key is not`},
		{"as an address", "add " + a + b + " 10.0.0.2 esp 1;", `a word that may be a key is not an IPv4 or IPv6 address`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.text, setkey.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			for _, key := range []string{a, b, "beef"} {
				if err != nil && strings.Contains(err.Error(), key) {
					t.Errorf("the error quotes the key: %v", err)
				}
			}
			if _, err := setkey.ParseArgs(strings.Fields(strings.TrimSuffix(tt.text, ";")), setkey.Options{}); err == nil || strings.Contains(err.Error(), b) {
				t.Errorf("as arguments: %v", err)
			}
		})
	}
	// The next statement shows its words again.
	if _, err := parse("add 10.0.0.1 10.0.0.2 esp 1 -E aes-cbc 0x"+a+b+"; flush 1234;", setkey.Options{}); err == nil || !strings.Contains(err.Error(), `"1234" is not a protocol`) {
		t.Error(err)
	}
}

func TestArguments(t *testing.T) {
	keys := func(name string) ([]byte, error) {
		if name != "@enc.key" {
			return nil, errors.New("no such key")
		}
		return []byte{1, 2, 3}, nil
	}
	o := setkey.Options{Key: keys, NoLiteralKeys: true}
	s, err := setkey.ParseArgs(strings.Fields("add 10.0.0.1 10.0.0.2 esp 0x1234 -E aes-cbc @enc.key"), o)
	if err != nil || string(s.Encrypt.Key) != "\x01\x02\x03" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, tt := range []struct{ text, want string }{
		{"add 10.0.0.1 10.0.0.2 esp 0x1234 -E aes-cbc 0x00", "argument 7: a key on the command line is seen by every user"},
		{"add 10.0.0.1 10.0.0.2 esp 0x1234 -E aes-cbc -", "no such key"},
		{"flush ; flush", `argument 2: one statement at a time: "flush" is too much`},
		{"get 10.0.0.1", `the arguments end where a destination address is wanted`},
		{"", "no statement"},
	} {
		if _, err := setkey.ParseArgs(strings.Fields(tt.text), o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestKeyOfFile(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"hex", "0x6162\n", "ab"},
		{"bare hex", "6162\n", "ab"},
		{"odd hex", "0x161", "\x01a"},
		{"string", " \"ab\"\n", "ab"},
		{"octets", "\x00\xffab\n", "\x00\xffab\n"},
		{"text", "secret\n", "secret\n"},
	} {
		if got := string(setkey.KeyOfFile([]byte(tt.file))); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestLooks(t *testing.T) {
	for text, want := range map[string]bool{
		"# x\n\nflush;\n":                      true,
		"spdadd a b any\n -P out none;":        true,
		"flush":                                false,
		"add esp spi 0x1 src 1.1.1.1\nflush\n": false,
		"nonsense;":                            false,
		"":                                     false,
	} {
		if got := setkey.Looks([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Every beginning of a script is a script or an error, and errors say where.
func FuzzParse(f *testing.F) {
	for _, tt := range statements {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		statementtest.ThereAndBack(t, text, []layers.Codec{linux, freebsd, openbsd}, func(text string) ([]*setkey.Statement, error) {
			return parse(text, setkey.Options{})
		}, setkey.FromMessage)
	})
}
