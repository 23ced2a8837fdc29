package ipseckey_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/check"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/internal/statement/statementtest"
	"github.com/pfkeycap/pfkeycap/record/convert/ipseckey"
)

var (
	illumos   = layers.Codec{Dialect: layers.Illumos, Order: layers.LittleEndian}
	illumosBE = layers.Codec{Dialect: layers.Illumos, Order: layers.BigEndian}
	linux     = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	freebsd   = layers.Codec{Dialect: layers.FreeBSD, Order: layers.LittleEndian}
	openbsd   = layers.Codec{Dialect: layers.OpenBSD, Order: layers.BigEndian}
)

func parse(text string, o ipseckey.Options) ([]*ipseckey.Statement, error) {
	return statementtest.All(ipseckey.NewParser(strings.NewReader(text), o).Next)
}

func encode(t *testing.T, c layers.Codec, text string) (msgs [][]byte, notes []string) {
	t.Helper()
	list, err := parse(text, ipseckey.Options{})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return statementtest.Encode(t, c, list)
}

const (
	key128 = "00112233445566778899aabbccddeeff"
	key160 = "3031323334353637383930313233343536373839"
)

// Commands, and how they are written when they come back from the messages made of them.
var statements = []struct{ name, text, back string }{
	{"esp", "add esp spi 0x1234 src 10.0.0.1 dst 10.0.0.2 encralg aes authalg sha1 encrkey " + key128 + " authkey " + key160,
		"add esp|spi 0x1234 encr_alg aes-cbc auth_alg hmac-sha1|encrkey " + key128 + "/128|authkey " + key160 + "/160|src 10.0.0.1|dst 10.0.0.2"},
	{"ah", "add ah spi 256 saddr ::1 daddr 2001:db8::2 auth_alg 2 authkey 0x" + key128,
		"add ah|spi 0x100 auth_alg hmac-md5|authkey " + key128 + "/128|src ::1|dst 2001:db8::2"},
	{"ports and limits", "add esp spi 0x1 dst 10.0.0.2 dport 53 sport 1024 proto 17 encr_alg null auth_alg sha256 authkey " + key128 + key128 + " hard_bytes 18446744073709551615 hard_alloc 3 soft_addtime 0 idle_usetime 5 replay 32 state dying inbound",
		"add esp|spi 0x1 encr_alg null auth_alg hmac-sha256 replay 32 state dying inbound|hard_alloc 3 hard_bytes 18446744073709551615|soft_addtime 0|idle_usetime 5|authkey " + key128 + key128 + "/256|proto 17|src 0.0.0.0 sport 1024|dst 10.0.0.2 dport 53"},
	{"tunnel", "add esp spi 0x2 src 10.0.0.1 dst 10.0.0.2 isrc 192.168.1.0/24 idst 2001:db8::1 iproto 6 isport 80 proto 4 encr_alg 3des encrkey " + key128 + "0011223344556677 outbound pair-spi 0x99",
		"add esp|spi 0x2 encr_alg 3des-cbc outbound pair-spi 0x99|encrkey " + key128 + "0011223344556677/192|proto 4|iproto 6|src 10.0.0.1|dst 10.0.0.2|isrc 192.168.1.0/24 isport 80|idst 2001:db8::1"},
	{"one inner address", "add esp spi 0x2 dst 10.0.0.2 idst 0.0.0.0/0 auth_alg md5 authkey " + key128,
		"add esp|spi 0x2 encr_alg null auth_alg hmac-md5|authkey " + key128 + "/128|src 0.0.0.0|dst 10.0.0.2|isrc ::/0|idst 0.0.0.0/0"},
	{"nat-t", "add esp spi 0x3 src 10.0.0.1 dst 10.0.0.2 encap udp nat_loc 10.0.0.1 nat_rem 192.0.2.1 nat_rport 4501 nat_lport 4500 proto 17 auth_alg md5 authkey " + key128,
		"add esp|spi 0x3 encr_alg null auth_alg hmac-md5 encap udp|authkey " + key128 + "/128|proto 17|src 10.0.0.1|dst 10.0.0.2|nat_loc 10.0.0.1 nat_lport 4500|nat_rem 192.0.2.1 nat_rport 4501"},
	{"identities", `add esp spi 0x4 dst 10.0.0.2 auth_alg md5 authkey ` + key128 + ` srcidtype domain a.example.com dstidtype 6 "key id"`, ""},
	{"identities that can be said", `add esp spi 0x4 dst 10.0.0.2 auth_alg md5 authkey ` + key128 + ` srcidtype domain a.example.com dstidtype MAILBOX u@example.com`,
		"add esp|spi 0x4 encr_alg null auth_alg hmac-md5|authkey " + key128 + `/128|srcidtype fqdn "a.example.com"|dstidtype user_fqdn "u@example.com"|src 0.0.0.0|dst 10.0.0.2`},
	{"bits of a key", "add esp spi 0x5 dst 10.0.0.2 encr_alg des encrkey 1fffffffffffffff/57 auth_alg md5 authkey 123",
		"add esp|spi 0x5 encr_alg des-cbc auth_alg hmac-md5|encrkey 1fffffffffffff80/57|authkey 1230/16|src 0.0.0.0|dst 10.0.0.2"},
	{"salt", "add esp spi 0x6 dst 10.0.0.2 encr_alg 20 reserved_bits 32 encrkey " + key128 + "01020304/128 replay_value 77",
		"add esp|spi 0x6 encr_alg aes-gcm16|reserved_bits 32 encrkey " + key128 + "/128|replay_value 77|src 0.0.0.0|dst 10.0.0.2"},
	{"update", "update esp spi 0x7 dst 10.0.0.2 hard_addtime 5", "update esp|spi 0x7 encr_alg null|hard_addtime 5|src 0.0.0.0|dst 10.0.0.2"},
	{"update-pair", "update-pair ah spi 0x7 dst ::1 hard_addtime 5", "update-pair ah|spi 0x7|hard_addtime 5|src ::|dst ::1"},
	{"delete", "delete esp spi 0x8 dst 10.0.0.2", "delete esp|spi 0x8|dst 10.0.0.2"},
	{"delete by source", "delete 3 spi 0x8 src 10.0.0.1 sport 5 inbound", "delete esp|spi 0x8 inbound|src 10.0.0.1 sport 5"},
	{"delete-pair", "delete-pair ah spi 0x8 dst6 ::2 outbound", "delete-pair ah|spi 0x8 outbound|dst ::2"},
	{"get", "get ah spi 0x8 dst 10.0.0.2", "get ah|spi 0x8|dst 10.0.0.2"},
	{"flush", "flush", "flush all"},
	{"flush one", "flush ESP", "flush esp"},
	{"dump", "dump ah", "dump ah"},
	{"another type", "flush 5", "flush 5"},
}

func TestStatements(t *testing.T) {
	for _, tt := range statements {
		for _, c := range []layers.Codec{illumos, illumosBE} {
			t.Run(fmt.Sprint(tt.name, c), func(t *testing.T) {
				msgs, notes := encode(t, c, "# comment\n\n"+tt.text)
				if len(msgs) != 1 || len(notes) > 0 {
					t.Fatalf("%d messages, notes %q", len(msgs), notes)
				}
				s, lost, err := ipseckey.FromMessage(c, msgs[0])
				if tt.back == "" {
					if len(lost) == 0 {
						t.Error("nothing is lost")
					}
					return
				}
				if err != nil || len(lost) > 0 {
					t.Fatalf("lost %q, error %v", lost, err)
				}
				got := string(s.Append(nil, true))
				if want := strings.ReplaceAll(tt.back, "|", " \\\n    ") + "\n"; got != want {
					t.Errorf("came back as\n%s\nwant\n%s", got, want)
				}
				again, _ := encode(t, c, got)
				if len(again) != 1 || !bytes.Equal(again[0], msgs[0]) {
					t.Errorf("%s makes another message: % x, want % x", got, again, msgs[0])
				}
				hidden := string(s.Append(nil, false))
				for _, k := range []*ipseckey.Key{s.EncryptKey, s.AuthKey} {
					if k != nil && strings.Contains(hidden, fmt.Sprintf("%x", []byte(k.Octets))) {
						t.Error("the key is shown")
					}
				}
			})
		}
	}
}

// The file that ipseckey's save writes (cmd/cmd-inet/usr.sbin/ipsecutils/ipseckey.c
// dodump, lib/libipsecutil/common/ipsec_util.c save_assoc).
const saved = `# This key file was generated by the ipseckey(1m) command's 'save' feature.

# begin assoc
add esp  \
    spi 0x2112 encr_alg aes-cbc auth_alg hmac-sha1 replay 0  \
	hard_bytes 1073741824 hard_addtime 28800  \
	encrkey ` + key128 + `/128 \
	authkey ` + key160 + `/160 \
    src 10.0.0.1 \
    dst 10.0.0.2 \

# end assoc

# begin assoc
add ah  \
# WARNING: SA was dying or dead.
    spi 0x2113 auth_alg hmac-md5 replay 0  \
	authkey ` + key128 + `/128 \
    proto 17 \
    src 2001:db8::1 sport 500 \
    dst 2001:db8::2 \

# end assoc
`

func TestSaved(t *testing.T) {
	if !ipseckey.Looks([]byte(saved)) {
		t.Error("it does not look like one")
	}
	list, err := parse(saved, ipseckey.Options{})
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if s := list[1]; s.Line != 15 || s.Column != 1 || s.SPI != 0x2113 || s.Src.Port != 500 || s.Proto != 17 {
		t.Errorf("%+v", s)
	}
	// What it makes is what an illumos kernel takes.
	msgs, _ := encode(t, illumos, saved)
	for i, m := range msgs {
		for _, p := range check.Judge(layers.Illumos, illumos, m, check.ToKernel) {
			t.Errorf("message %d: %v", i+1, p)
		}
	}
}

// Golden octets of a message.
func TestOctets(t *testing.T) {
	msgs, _ := encode(t, illumos, "delete esp spi 0x1234 dst 10.0.0.2 inbound")
	const want = "020400030700000000000000" + "00000000" +
		"0200010000001234" + "0000000000400000" +
		"0300060000000000" + "020000000a0000020000000000000000"
	if got := fmt.Sprintf("%x", msgs[0]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOtherDialects(t *testing.T) {
	const esp = "add esp spi 0x1234 src 10.0.0.1 dst 10.0.0.2 encr_alg aes encrkey " + key128 + " auth_alg sha256 authkey " + key128 + key128
	for _, tt := range []struct {
		codec       layers.Codec
		text, notes string
	}{
		{linux, esp, ""},
		{freebsd, esp, ""},
		{openbsd, esp, ""},
		{linux, esp + " inbound pair-spi 5", "linux has no inbound: left out; linux has no pair-spi: left out"},
		{linux, esp + " isrc 10.1.0.0/16 idst 10.2.0.0/16", "linux has no selectors in an SA: left out"},
		{linux, esp + " encap udp nat_rem 1.2.3.4", "linux has no NAT-T addresses of illumos' kind: left out"},
		{freebsd, esp + " encap udp nat_rport 4501", ""},
		{linux, esp + " idle_addtime 5 replay_value 7", "linux has no idle limit: left out; linux has no replay_value: left out"},
	} {
		msgs, notes := encode(t, tt.codec, tt.text)
		if got := strings.Join(notes, "; "); got != tt.notes {
			t.Errorf("%s: notes %q, want %q", tt.text, got, tt.notes)
		}
		var m layers.Message
		m.Codec = tt.codec
		if err := m.DecodeFromBytes(msgs[0], nil); err != nil || m.AddressSrc().Addr() != netip.MustParseAddr("10.0.0.1") || m.SA().SPI != 0x1234 {
			t.Errorf("%s: %v", tt.text, err)
		}
		if p := m.AddressSrc().PrefixLen; tt.codec.Dialect != layers.OpenBSD && p != 32 {
			t.Errorf("prefix length %d", p)
		}
		if strings.Contains(tt.text, "isrc") && m.SA2().Mode != 2 {
			t.Errorf("mode %d", m.SA2().Mode)
		}
	}
	for _, tt := range []struct {
		codec      layers.Codec
		text, want string
	}{
		{linux, "delete-pair esp spi 1 dst 10.0.0.1", "line 1, column 1: linux has no message for delete-pair"},
		{openbsd, "\nadd esp spi 1 dst 10.0.0.1 encr_alg 77 encrkey 00", "line 2, column 37: openbsd has no algorithm that is number 77 on illumos"},
	} {
		list, err := parse(tt.text, ipseckey.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = list[0].Messages(tt.codec); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.text, err, tt.want)
		}
	}
}

// What setkey(8) could say, ipseckey can: commands of messages of other systems.
func TestFromOtherDialects(t *testing.T) {
	r, err := record.Open("../../../fixtures/linux/uml-x86_64/sa-lifecycle-v4/A.pcapng", record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	for {
		x, err := r.Next()
		if err != nil {
			break
		}
		s, _, err := ipseckey.FromMessage(x.Codec, x.Bytes())
		if err != nil {
			continue
		}
		n++
		if _, err := parse(string(s.Append(nil, true)), ipseckey.Options{}); err != nil {
			t.Errorf("%s: %v", s.Append(nil, true), err)
		}
	}
	if n == 0 {
		t.Error("no command came of any message")
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
		text, want string // sources and destinations, or the error
	}{
		{"get esp spi 1 dst peer.example.com", " 10.0.0.2, 2001:db8::2, 10.0.0.3"},
		{"get esp spi 1 dst6 peer.example.com", " 2001:db8::2"},
		{"get esp spi 1 src 10.0.0.1 dst peer.example.com", "10.0.0.1 10.0.0.2,10.0.0.1 10.0.0.3"},
		{"get esp spi 1 src peer.example.com dst 10.0.0.9", "0.0.0.0 10.0.0.9"},
		{"get esp spi 1 src peer.example.com dst ::9", "2001:db8::2 ::9"},
		{"get esp spi 1 src 10.0.0.1 dst ::9", "different address families"},
		{"get esp spi 1 dst other", "no such host"},
		{"get esp spi 1 dst6 10.0.0.1", "is not an IPv6 address"},
	} {
		list, err := parse(tt.text, ipseckey.Options{Resolve: resolve})
		var got []string
		if err == nil {
			var ms []ipseckey.Message
			ms, err = list[0].Messages(illumos)
			for _, x := range ms {
				ends := map[bool]string{}
				for _, e := range x.Exts {
					if a, ok := e.(*layers.Address); ok {
						s, _ := illumos.ParseSockaddr(a.Sockaddr)
						ends[a.LayerType() == layers.LayerTypeAddressSrc] = s.Addr.String()
					}
				}
				got = append(got, ends[true]+" "+ends[false])
			}
		}
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.text, err)
			}
			continue
		}
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: %q", tt.text, got)
		}
	}
}

func TestWrong(t *testing.T) {
	const secret = "736563726574"
	const head = "add esp spi 1 dst 10.0.0.1 "
	for _, tt := range []struct{ text, want string }{
		{"addd esp", `line 1, column 1: "addd" is not a command`},
		{"flush\n  foo", `line 2, column 3: "foo" is not a command`},
		{"monitor", "monitor is not for files"},
		{"flush tcp", `column 7: "tcp" is not an SA type`},
		{"flush esp spi", `"spi" is too much for flush`},
		{"add all spi 1", "add wants an SA type"},
		{"delete esp", "delete wants an spi"},
		{"delete esp spi", `column 12: the command ends where spi is wanted`},
		{"delete esp spi 0", "0 is not an SPI"},
		{"delete esp spi 0x1ffffffff", "column 16: not spi: use a number up to 4294967295"},
		{"delete esp spi 1 spi 2", "column 18: spi stands once"},
		{"delete esp spi 1 encr_alg aes", "encr_alg is not for delete"},
		{"delete esp spi 1 dst host", `"host" is not an IPv4 or IPv6 address`},
		{"delete esp spi 1 dst fe80::1%eth0", "is not an IPv4 or IPv6 address"},
		{"add esp spi 1 auth_alg md5 authkey 00", "add wants a dst"},
		{head, "add wants an auth_alg or an encr_alg"},
		{head + "auth_alg md5", "add wants an authkey or an encrkey"},
		{head + "auth_alg md6", `"md6" is not an authentication algorithm: use its number, or hmac-md5`},
		{head + "encr_alg null encrkey 00", "null encryption has no key"},
		{"add ah spi 1 encr_alg aes", "ah does not encrypt"},
		{head + "auth_alg md5 authkey " + secret + "zz", "column 49: not a key: use hex digits"},
		{head + "auth_alg md5 authkey " + secret + "/99", "column 49: not a key: the number of bits"},
		{head + "auth_alg md5 authkey 0x", "not a key"},
		{head + secret, "column 28: not an argument of add"},
		{head + "auth_alg md5 authkey " + secret + " " + secret, "not an argument of add"},
		{head + "encr_alg aes encrkey " + secret + " reserved_bits 4", "reserved_bits stands before encrkey"},
		{head + "state larval", `"larval" is not a state that can be set`},
		{head + "encap tcp", `"tcp" is not an encapsulation`},
		{head + "encap udp auth_alg md5 authkey 00", "encap udp wants a nat_loc or a nat_rem"},
		{head + "nat_loc 10.0.0.1 auth_alg md5 authkey 00", "go with encap udp"},
		{head + "isrc 10.0.0.0/33", "a prefix of 33 bits is longer than the address"},
		{head + "isrc 10.0.0.0/x", `"x" is not a prefix length`},
		{head + "srcidtype foo bar", `"foo" is not a type of identity`},
		{head + "srcidtype fqdn", "the command ends where an identity is wanted"},
		{head + "label secret", "needs the label encodings"},
		{head + "dpd 1", "dpd is taken by no command"},
		{"update-pair esp spi 1 dst ::1 pair-spi 5", "pair-spi is not for update-pair"},
		{head + `srcidtype fqdn "abc`, "the string that begins here does not end"},
		{"flush\x01", "byte 0x01 has no place here"},
		{"delete esp \\\n  spi \\\n x", "line 3, column 2: not spi"},
		{"add " + strings.Repeat("x", 300<<10), "line 1, column 1: the line is longer than 262144 bytes"},
		{"add " + strings.Repeat("x ", 300), "more than 256 words"},
	} {
		_, err := parse(tt.text, ipseckey.Options{})
		var e *ipseckey.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.80s\ngot  %v\nwant %s", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%.80s: the error quotes the key", tt.text)
		}
	}
}

func TestExit(t *testing.T) {
	if list, err := parse("flush\nexit\nnonsense", ipseckey.Options{}); err != nil || len(list) != 1 {
		t.Errorf("%d commands, %v", len(list), err)
	}
}

func TestLooks(t *testing.T) {
	for text, want := range map[string]bool{
		"# x\n\nflush\n":                  true,
		"flush esp\n":                     true,
		"add esp spi 0x1 src 1.1.1.1\nfl": true,
		"add esp \\\n  spi 1 \\\n":        true,
		"get ah spi 1\n":                  true,
		"add 10.0.0.1 10.0.0.2 esp 0x1\n": false,
		"flush;\n":                        false,
		"get me out of here\n":            false,
		"dump something\n":                false,
		"":                                false,
		"add\n":                           false,
	} {
		if got := ipseckey.Looks([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Any text is commands or an error that says where; what they make comes back.
func FuzzParse(f *testing.F) {
	for _, tt := range statements {
		f.Add(tt.text)
	}
	f.Add(saved)
	f.Fuzz(func(t *testing.T, text string) {
		statementtest.ThereAndBack(t, text, []layers.Codec{illumos, illumosBE, linux, freebsd, openbsd}, func(text string) ([]*ipseckey.Statement, error) {
			return parse(text, ipseckey.Options{})
		}, ipseckey.FromMessage)
	})
}
