package pfjson_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

// line puts a record around a message.
func line(dialect, order, members string) []byte {
	return fmt.Appendf(nil, `{"dialect":%q,"order":%q,%s}`, dialect, order, members)
}

// TestParseWritten reads what a person would write.
func TestParseWritten(t *testing.T) {
	const add = `"msg":{"type_name":"ADD","satype_name":"ESP","seq":9,"pid":412},"ext":[`
	head := func(words byte) string {
		return "02030003" + hex.EncodeToString([]byte{words}) + "000000" + "090000009c010000"
	}
	for _, test := range []struct {
		name, dialect, order string
		members              string
		want                 string // hex, spaces allowed
	}{
		{"header only", "linux", "little", `"msg":{"type":3,"satype":3,"seq":9,"pid":412}`, head(2)},
		{"names with prefixes, in small letters", "Linux", "LE",
			`"msg":{"type_name":"sadb_add","satype_name":"SADB_SATYPE_esp","seq":"9","pid":"0x19c"},"ext":[]`, head(2)},
		{"name and number", "linux", "little", `"msg":{"type":3,"type_name":"Add","satype":3,"seq":9,"pid":412}`, head(2)},
		{"errno by name", "linux", "little", `"msg":{"type":3,"satype":3,"errno_name":"einval","seq":9,"pid":412}`, "02031603 02000000 090000009c010000"},
		{"errno by name elsewhere", "freebsd", "big", `"msg":{"type":3,"satype":3,"errno_name":"EOPNOTSUPP","seq":9,"pid":412}`, "02032d03 00020000 000000090000019c"},
		{"diagnostic of illumos", "illumos", "little", `"msg":{"type":3,"reserved_name":"BAD_EALG"}`, "02030000 02002900 0000000000000000"},
		{"wrong len stays", "linux", "little", `"msg":{"type":3,"satype":3,"len":7,"seq":9,"pid":412}`, head(7)},
		{"SA", "linux", "little", add + `{"name":"SA","spi":"0x1234","replay":32,"state_name":"MATURE","auth_name":"SHA1HMAC","encrypt_name":"SADB_X_EALG_AESCBC","flags_names":["pfs","SADB_SAFLAGS_NOECN","0x10"]}]`,
			head(4) + "02000100 00001234 20 01 03 0c 11000080"},
		{"SA by number, SPI as a number", "linux", "little", add + `{"exttype":1,"spi":4660,"flags":5}]`, head(4) + "02000100 00001234 00000000 05000000"},
		{"SA of IPCOMP: encrypt is a compression", "linux", "little",
			`"msg":{"type":3,"satype":9},"ext":[{"name":"SADB_EXT_SA","encrypt_name":"DEFLATE"}]`, "02030009 04000000 0000000000000000 02000100 00000000 00 00 00 02 00000000"},
		{"SA of macOS, short", "macos", "little", add + `{"name":"SA","spi":1}]`, head(4) + "02000100 00000001 00000000 00000000"},
		{"SA of macOS, long", "macos", "little", add + `{"name":"SA","spi":1,"natt_port":4500}]`, head(5) + "03000100 00000001 00000000 00000000 9411000000000000"},
		{"SA of macOS, long by len", "macos", "little", add + `{"name":"SA","spi":1,"len":3}]`, head(5) + "03000100 00000001 00000000 00000000 0000000000000000"},
		{"zeros are said by len", "linux", "little", add + `{"name":"SA","spi":1,"len":3}]`, head(5) + "03000100 00000001 00000000 00000000 0000000000000000"},
		{"tail", "linux", "little", add + `{"name":"SA","spi":1,"tail":"0A"}]`, head(5) + "03000100 00000001 00000000 00000000 0a00000000000000"},
		{"address", "linux", "little", add + `{"name":"ADDRESS_SRC","proto":17,"prefixlen":32,"addr":"10.0.0.1","port":500}]`,
			head(5) + "03000500 11 20 0000 0200 01f4 0a000001 0000000000000000"},
		{"IPv6 address on a big-endian illumos", "illumos", "big", `"msg":{"type":5},"ext":[{"name":"ADDRESS_DST","family":"inet6","addr":"fe80::1","scope_id":3,"src_id":4,"flowinfo":5}]`,
			"02050000 0007 0000 0000000000000000 0005 0006 00 00 0000 001a 0000 00000005 fe800000000000000000000000000001 00000003 00000004"},
		{"address with sa_len", "openbsd", "little", `"msg":{"type":5},"ext":[{"name":"ADDRESS_SRC","addr":"10.0.0.1","sa_len":0,"zero":"0102030405060708"}]`,
			"02050000 05000000 0000000000000000 03000500 00000000 00 02 0000 0a000001 0102030405060708"},
		{"address of another family", "linux", "little", add + `{"name":"ADDRESS_SRC","sockaddr":"070001"}]`, head(4) + "02000500 00000000 0700010000000000"},
		{"address padding", "linux", "little", add + `{"name":"ADDRESS_SRC","addr":"::","pad":"01020304"}]`,
			head(7) + "05000500 00000000 0a00 0000 00000000 00000000000000000000000000000000 00000000 01020304"},
		{"no address", "linux", "little", add + `{"name":"ADDRESS_SRC"}]`, head(3) + "01000500 00000000"},
		{"key: bits and len follow", "linux", "little", add + `{"name":"KEY_AUTH","key":"0102030405060708090a"}]`, head(5) + "03000800 5000 0000 0102030405060708 090a000000000000"},
		{"key of odd bits", "linux", "little", add + `{"name":"KEY_AUTH","bits":9,"key":"0102"}]`, head(4) + "02000800 0900 0000 0102000000000000"},
		{"key without room", "linux", "little", add + `{"name":"KEY_AUTH","len":1,"bits":9}]`, head(3) + "01000800 0900 0000"},
		{"identity", "linux", "little", add + `{"name":"IDENTITY_SRC","type_name":"FQDN","id":"18446744073709551615","identity":"left.test"}]`,
			head(6) + "04000a00 0200 0000 ffffffffffffffff 6c6566742e746573 7400000000000000"},
		{"identity as octets", "linux", "little", add + `{"name":"IDENTITY_SRC","identity_hex":"ff"}]`, head(5) + "03000a00 00000000 0000000000000000 ff00000000000000"},
		{"context", "linux", "little", add + `{"name":"SEC_CTX","ctx_alg":1,"ctx_doi":1,"ctx":"u:r"}]`, head(4) + "02001800 01 01 0400 753a7200 00000000"},
		{"tag", "openbsd", "little", `"msg":{"type":5},"ext":[{"name":"TAG","tag":"vpn"}]`, "02050000 04000000 0000000000000000 02002100 04000000 76706e00 00000000"},
		{"bitmaps", "linux", "big", `"msg":{"type":5},"ext":[{"name":"SENSITIVITY","dpd":1,"sens_level":2,"integ_level":3,"sens_bitmap":[1,"0xffffffffffffffff"],"integ_bitmap":[2]}]`,
			"02050000 0007 0000 0000000000000000 0005 000c 00000001 02 02 03 01 00000000 0000000000000001 ffffffffffffffff 0000000000000002"},
		{"supported: the extension says which table", "linux", "little",
			add + `{"name":"SUPPORTED_AUTH","algs":[{"id_name":"SHA1HMAC","minbits":160,"maxbits":160}]},{"name":"SUPPORTED_ENCRYPT","algs":[{"id_name":"AESCBC","ivlen":16}]}]`,
			head(6) + "02000e00 00000000 03 00 a000 a000 0000  02000f00 00000000 0c 10 0000 0000 0000"},
		{"proposal", "openbsd", "little", `"msg":{"type":6},"ext":[{"name":"PROPOSAL","replay":64,"combs":[{"auth_name":"SHA1HMAC","encrypt_name":"AES","soft_bytes":1}]}]`,
			"02060000 0c000000 0000000000000000 0a000d00 01 40 0000 03 0c 0000 0000000000000000 00000000 0000000000000000 0100000000000000" + strings.Repeat("00", 40)},
		{"extended proposal: what stands before an algorithm says which table", "illumos", "little",
			`"msg":{"type":6},"ext":[{"name":"EPROP","ecombs":[{"algs":[{"satype_name":"ESP","algtype_name":"CRYPT","alg_name":"AES"},{"satype_name":"AH","algtype":1,"alg_name":"SHA256HMAC"}]}]}]`,
			"02060000 0d000000 0000000000000000 0b001200 00 00 0100 02" + strings.Repeat("00", 63) + "03 02 0c 00 00000000 02 01 05 00 00000000"},
		{"policy with a tunnel", "linux", "little",
			add + `{"name":"POLICY","type_name":"IPSEC","dir_name":"OUTBOUND","requests":[{"proto":50,"mode_name":"TUNNEL","level_name":"UNIQUE","reqid":7,"src":{"addr":"10.0.0.1"},"dst":{"addr":"10.0.0.2"}},{"proto":51,"mode":1}]}]`,
			head(12) + "0a001200 0200 02 00 00000000 00000000" +
				"3000 3200 02 03 0000 07000000 00000000 0200 0000 0a000001 0000000000000000 0200 0000 0a000002 0000000000000000" +
				"1000 3300 01 00 0000 00000000 00000000"},
		{"policy of the KAME family", "netbsd", "little",
			add + `{"name":"X_POLICY","type":2,"dir":2,"flags_names":["ORIGIN_KERNEL"],"requests":[{"len":8,"proto":50,"mode":1,"level":2,"reqid":7}]}]`,
			head(5) + "03001200 0200 02 80 00000000 00000000 0800 3200 01 02 0700"},
		{"key managers' addresses", "linux", "little", add + `{"name":"KMADDRESS","local":{"addr":"10.0.0.1"},"remote":{"addr":"10.0.0.2"}}]`,
			head(7) + "05001900 00000000 0200 0000 0a000001 0000000000000000 0200 0000 0a000002 0000000000000000"},
		{"filter", "linux", "little", add + `{"name":"FILTER","saddr":"10.0.0.0","splen":8}]`,
			head(7) + "05001a00 0a000000" + strings.Repeat("00", 28) + "0200 08 00"},
		{"session", "macos", "little", `"msg":{"type":5},"ext":[{"name":"SESSION_ID","v":[1,2]}]`, "02050000 05000000 0000000000000000 03001400 00000000 0100000000000000 0200000000000000"},
		{"session of a 32-bit process", "macos", "little", `"msg":{"type":5},"ext":[{"name":"SESSION_ID","v_offset":4,"v":[1,2]}]`, "02050000 05000000 0000000000000000 03001400 0100000000000000 0200000000000000 00000000"},
		{"hole of a session", "macos", "little", `"msg":{"type":5},"ext":[{"name":"SESSION_ID","v_offset":8,"pad":"01020304","v":[1,2]}]`, "02050000 05000000 0000000000000000 03001400 01020304 0100000000000000 0200000000000000"},
		{"cookie of IKEv2", "illumos", "big", `"msg":{"type":5},"ext":[{"name":"KM_COOKIE","proto_name":"IKEV2","cookie64":"0x1122334455667788"}]`, "02050000 00040000 0000000000000000 00020013 00000003 1122334455667788"},
		{"statistics", "macos", "little", `"msg":{"type":23},"ext":[{"name":"SASTAT","dir_name":"INBOUND","list":[{"spi":"0x00000007","created":8,"lft_c":{"bytes":9}}]}]`,
			"02170000 09000000 0000000000000000 07001500 01000000 00000000 01000000 00000007 08000000 04000200 00000000 0900000000000000 0000000000000000 0000000000000000"},
		{"interfaces", "macos", "little", `"msg":{"type":5},"ext":[{"name":"IPSECIF","internal_if":"en0","outgoing_if_hex":"` + strings.Repeat("ab", 24) + `"}]`,
			"02050000 0c000000 0000000000000000 0a001600 656e30" + strings.Repeat("00", 21) + strings.Repeat("ab", 24) + strings.Repeat("00", 28)},
		{"extended register", "illumos", "little", `"msg":{"type":7},"ext":[{"name":"EREG","satypes_names":["ESP","AH"]}]`, "02070000 03000000 0000000000000000 01001100 03020000"},
		{"private", "linux", "little", add + `{"name":"KMPRIVATE","reserved":"01020304","data":"05"}]`, head(4) + "02001100 01020304 0500000000000000"},
		{"credentials", "openbsd", "little", `"msg":{"type":5},"ext":[{"name":"LOCAL_AUTH","type":1,"reserved":"0102","data":"05"}]`, "02050000 04000000 0000000000000000 02001c00 0100 0102 0500000000000000"},
		{"unknown extension", "linux", "little", add + `{"exttype":77,"data":"0102030405"}]`, head(4) + "02004d00 01020304 0500000000000000"},
		{"unknown extension with its name", "linux", "little", add + `{"name":"UNKNOWN","exttype":77,"len":1}]`, head(3) + "01004d00 00000000"},
		{"known extension as octets", "linux", "little", add + `{"name":"SA","data":"01020304"}]`, head(3) + "01000100 01020304"},
		{"rest", "linux", "little", `"msg":{"type":3,"satype":3,"len":2,"seq":9,"pid":412},"rest":"0102"`, head(2) + "0102"},
		{"only rest", "linux", "little", `"rest":"0102"`, "0102"},
		{"nothing", "linux", "little", `"number":1`, ""},
		{"wrapped", "netbsd", "little", `"msg":{"type_name":"PROMISC"},"inner":{"msg":{"type":3,"satype":3,"seq":9,"pid":412},"ext":[],"problems":[]}`,
			"020b0000 04000000 0000000000000000" + head(2)},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(test.want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			got, err := pfjson.Parse(line(test.dialect, test.order, test.members), pfjson.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Data, want) {
				t.Errorf("got  %x\nwant %x", got.Data, want)
			}
			if got.Length != len(want) || got.Direction != pfjson.UnknownDirection || !got.Time.IsZero() {
				t.Errorf("length %d, direction %q, time %v", got.Length, got.Direction, got.Time)
			}
			checkLaw(t, got)
		})
	}
}

func TestParseFix(t *testing.T) {
	for _, test := range []struct{ name, dialect, members, want string }{
		{"lengths", "linux", `"length":999,"caplen":5,"msg":{"type":3,"len":99},"ext":[{"name":"SA","len":9,"spi":1},{"name":"KEY_AUTH","len":9,"bits":8,"key":"0102"}]`,
			"02030000 06000000 0000000000000000 02000100 00000001 0000000000000000 02000800 1000 0000 0102000000000000"},
		{"counts", "linux", `"msg":{"type":3},"ext":[{"name":"SEC_CTX","ctx_len":77,"ctx":"a"},{"name":"SENSITIVITY","sens_len":7,"sens_bitmap":[1]}]`,
			"02030000 07000000 0000000000000000 02001800 00 00 0200 6100000000000000 03000c00 00000000 00 01 00 00 00000000 0100000000000000"},
		{"requests", "dragonfly", `"msg":{"type":14},"ext":[{"name":"POLICY","len":1,"requests":[{"len":400,"proto":50},{"len":0,"proto":51}]}]`,
			"020e0000 06000000 0000000000000000 04001200 0000 00 00 0000000000000000 0800 3200 00 00 0000 0800 3300 00 00 0000"},
		{"bits that agree stay", "linux", `"msg":{"type":3},"ext":[{"name":"KEY_ENCRYPT","len":1,"bits":15,"key":"0102"}]`,
			"02030000 04000000 0000000000000000 02000900 0f00 0000 0102000000000000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(test.want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			got, err := pfjson.Parse(line(test.dialect, "little", test.members), pfjson.ParseOptions{Fix: true})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Data, want) || got.Length != len(want) {
				t.Errorf("got  %x\nwant %x, length %d", got.Data, want, got.Length)
			}
		})
	}
}

// TestParseCodec turns a message of one system into that of another.
func TestParseCodec(t *testing.T) {
	l := line("linux", "little", `"msg":{"type_name":"ADD","satype_name":"ESP"},"ext":[{"name":"SA","spi":"0x00000007","auth_name":"SHA1HMAC"},{"name":"ADDRESS_SRC","family":"inet6","addr":"::1"}]`)
	got, err := pfjson.Parse(l, pfjson.ParseOptions{Codec: layers.Codec{Dialect: layers.OpenBSD, Order: layers.BigEndian}})
	if err != nil {
		t.Fatal(err)
	}
	want := "02030002" + "00090000" + "0000000000000000" + "00020001" + "00000007" + "00000300" + "00000000" +
		"00050005" + "00000000" + "1c18" + "0000" + "00000000" + "00000000000000000000000000000001" + "00000000" + "00000000"
	if hex.EncodeToString(got.Data) != want || got.Codec.String() != "openbsd/be" {
		t.Errorf("%v:\n got %x\nwant %s", got.Codec, got.Data, want)
	}
}

func manyMembers(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"m%d":0`, i))
	}
	return strings.Join(list, ",")
}

func TestParseErrors(t *testing.T) {
	in := func(ext string) string { return `"number":7,"msg":{"type":3},"ext":[` + ext + `]` }
	for _, test := range []struct {
		name, members string
		path          string
		want          string // in the error's text
	}{
		{"contradicting type", `"msg":{"type":3,"type_name":"GET"}`, "msg.type_name", `"GET" is not the name of 3`},
		{"unknown type", `"msg":{"type_name":"GRAB"}`, "msg.type_name", "want one of RESERVED GETSPI"},
		{"contradicting errno", `"msg":{"type":3,"errno":1,"errno_name":"EINVAL"}`, "msg.errno_name", "not the name of errno 1"},
		{"unknown errno", `"msg":{"type":3,"errno_name":"EMUCH"}`, "msg.errno_name", "no errno"},
		{"no type", `"msg":{"satype":3}`, "msg", "no member type"},
		{"no message before the extensions", `"ext":[{"name":"SA"}]`, "", "no member msg"},
		{"typo in the record", `"nubmer":3`, "nubmer", "want some of caplen comment"},
		{"typo in the header", `"msg":{"type":3,"sek":1}`, "msg.sek", "want some of errno errno_name len pid"},
		{"typo in an extension", in(`{"name":"SA","sip":"0x1"}`), "ext[0](SA).sip", `no member "sip" belongs here: want some of auth auth_name encrypt`},
		{"member of another extension", in(`{"name":"SA","addr":"10.0.0.1"}`), "ext[0](SA).addr", "no member"},
		{"typo in a sockaddr", in(`{"name":"KMADDRESS","local":{"addr":"10.0.0.1","prot":1}}`), "ext[0](KMADDRESS).local.prot", "want some of addr family port"},
		{"typo in an item", in(`{"name":"SUPPORTED_AUTH","algs":[{"id":1},{"idd":2}]}`), "ext[0](SUPPORTED_AUTH).algs[1].idd", "want some of id id_name ivlen"},
		{"member for IPv6", in(`{"name":"ADDRESS_SRC","addr":"10.0.0.1","scope_id":1}`), "ext[0](ADDRESS_SRC).scope_id", "no member"},
		{"sa_len on Linux", in(`{"name":"ADDRESS_SRC","addr":"10.0.0.1","sa_len":1}`), "ext[0](ADDRESS_SRC).sa_len", "no member"},
		{"second member", `"number":1,"msg":{"type":3,"type":4}`, "msg.type", "second member"},
		{"contradicting extension", in(`{"name":"SA","exttype":2}`), "ext[0](SA).name", "not the name of exttype 2"},
		{"extension that is not unknown", in(`{"name":"UNKNOWN","exttype":2}`), "ext[0](UNKNOWN).name", "linux has LIFETIME_CURRENT there"},
		{"extension of another system", in(`{"name":"TAG"}`), "ext[0](TAG).name", `no extension "TAG": want one of SA`},
		{"nameless extension", in(`{"len":2}`), "ext[0]", "no member name or exttype"},
		{"contradicting enum", in(`{"name":"SA","auth":2,"auth_name":"SHA1HMAC"}`), "ext[0](SA).auth_name", "not the name of 2"},
		{"unknown enum", in(`{"name":"SA","auth_name":"ROT13"}`), "ext[0](SA).auth_name", "want one of NONE MD5HMAC"},
		{"name where there are none", in(`{"name":"SA2","sequence_name":"x"}`), "ext[0](SA2).sequence_name", "no member"},
		{"contradicting flags", in(`{"name":"SA","flags":1,"flags_names":[]}`), "ext[0](SA).flags_names", "they make 0x0, not flags 0x1"},
		{"unknown flag", in(`{"name":"SA","flags_names":["PFS","NOPE"]}`), "ext[0](SA).flags_names[1]", "want one of PFS"},
		{"flags that are too many", in(`{"name":"PROPOSAL","combs":[{"flags_names":["NOECN"]}]}`), "ext[0](PROPOSAL).combs[0].flags_names", "more than 2 bytes hold"},
		{"contradicting family", in(`{"name":"ADDRESS_SRC","family":"inet6","addr":"10.0.0.1"}`), "ext[0](ADDRESS_SRC).family", "10.0.0.1 is inet"},
		{"contradicting families", in(`{"name":"FILTER","saddr":"10.0.0.1","daddr":"::1"}`), "ext[0](FILTER).saddr", "::1 is inet6"},
		{"family alone", in(`{"name":"ADDRESS_SRC","family":"inet"}`), "ext[0](ADDRESS_SRC).family", "without addr"},
		{"no address", in(`{"name":"ADDRESS_SRC","addr":"10.0.0"}`), "ext[0](ADDRESS_SRC).addr", `"10.0.0" is no IP address`},
		{"zone", in(`{"name":"ADDRESS_SRC","addr":"fe80::1%eth0"}`), "ext[0](ADDRESS_SRC).addr", "no IP address"},
		{"second address alone", in(`{"name":"KMADDRESS","remote":{"addr":"10.0.0.1"}}`), "ext[0](KMADDRESS).remote", "without local"},
		{"number too large", in(`{"name":"SA","state":256}`), "ext[0](SA).state", "more than 255"},
		{"negative number", in(`{"name":"SA","state":-1}`), "ext[0](SA).state", "no whole number from 0 to 255"},
		{"fraction", in(`{"name":"SA","state":1.0}`), "ext[0](SA).state", "no whole number"},
		{"boolean", in(`{"name":"SA","state":true}`), "ext[0](SA).state", "where a number should be"},
		{"64 bits and more", `"number":18446744073709551616`, "number", "more than 18446744073709551615"},
		{"len too small", in(`{"name":"IDENTITY_SRC","len":2,"identity":"a"}`), "ext[0](IDENTITY_SRC).len", "too small for 24 bytes"},
		{"len too small for the structure", in(`{"name":"SA","len":1,"spi":1}`), "ext[0](SA).len", "its structure has 16 bytes"},
		{"len 0", in(`{"name":"SA","len":0}`), "ext[0](SA).len", "at least one word"},
		{"request's len too small", in(`{"name":"POLICY","requests":[{"len":16,"src":{"addr":"10.0.0.1"}}]}`), "ext[0](POLICY).requests[0].len", "too small for 32 bytes"},
		{"count that misleads", `"msg":{"type":6},"ext":[{"name":"EPROP","ecombs":[{"numalgs":0,"algs":[{"satype_name":"ESP"}]}]}]`, "ext[0](EPROP).ecombs[0].algs[0].satype_name", "is a count wrong?"},
		{"key and bits", in(`{"name":"KEY_AUTH","bits":8,"key":"0102"}`), "ext[0](KEY_AUTH).key", "2 octets where bits and len make 1"},
		{"octets that are none", in(`{"name":"SA","tail":"0g"}`), "ext[0](SA).tail", "no string of hex digits"},
		{"odd octets", in(`{"name":"SA","tail":"012"}`), "ext[0](SA).tail", "no string of hex digits"},
		{"two identities", in(`{"name":"IDENTITY_SRC","identity":"a","identity_hex":"61"}`), "ext[0](IDENTITY_SRC).identity_hex", "want one of them"},
		{"NUL in a text", in(`{"name":"IDENTITY_SRC","identity":"a\u0000b"}`), "ext[0](IDENTITY_SRC).identity", "identity_hex"},
		{"half a surrogate pair", `"msg":{"type":3},"ext":[{"name":"IDENTITY_SRC","identity":"\ud800"}]`, "ext[0](IDENTITY_SRC).identity", "surrogate"},
		{"inner in no wrapper", `"msg":{"type":3},"inner":{"msg":{"type":3}}`, "inner", "no X_PROMISC"},
		{"inner and ext", `"msg":{"type":11},"ext":[{"name":"SA"}],"inner":{"msg":{"type":3}}`, "ext", "beside inner"},
		{"no right len", `"msg":{"type":3},"rest":"01"`, "msg", "17 bytes has no right len"},
		{"values elsewhere", `"msg":{"type":5},"ext":[{"name":"SESSION_ID","v_offset":6,"v":[1,2]}]`, "ext[0](SESSION_ID).v_offset", "want 4"},
		{"two cookies", `"msg":{"type":5},"ext":[{"name":"KM_COOKIE","cookie":1,"cookie64":1}]`, "ext[0](KM_COOKIE).cookie64", "want one of them"},
		{"too few numbers", `"msg":{"type":5},"ext":[{"name":"SESSION_ID","v":[1]}]`, "ext[0](SESSION_ID).v", "1 numbers where there are 2"},
		{"names and numbers", `"msg":{"type":7},"ext":[{"name":"EREG","satypes":[2,3],"satypes_names":["AH"]}]`, "ext[0](EREG).satypes_names", "1 names of 2"},
		{"contradicting names", `"msg":{"type":7},"ext":[{"name":"EREG","satypes":[2,3],"satypes_names":["AH","AH"]}]`, "ext[0](EREG).satypes_names[1]", "not the name of 3"},
		{"names that are none", `"msg":{"type":7},"ext":[{"name":"EREG","satypes_names":[2]}]`, "ext[0](EREG).satypes_names[0]", "where a string should be"},
		{"long interface", `"msg":{"type":5},"ext":[{"name":"IPSECIF","internal_if":"` + strings.Repeat("x", 24) + `"}]`, "ext[0](IPSECIF).internal_if", "there is room for 24"},
		{"two interfaces", `"msg":{"type":5},"ext":[{"name":"IPSECIF","ipsec_if":"x","ipsec_if_hex":"00"}]`, "ext[0](IPSECIF).ipsec_if_hex", "want one of them"},
		{"octets that are too few", in(`{"name":"ADDRESS_SRC","addr":"::1","pad":"00"}`), "ext[0](ADDRESS_SRC).pad", "1 octets where there are 4"},
		{"two contexts", in(`{"name":"SEC_CTX","ctx":"a","ctx_hex":"61"}`), "ext[0](SEC_CTX).ctx_hex", "want one of them"},
		{"two addresses", in(`{"name":"FILTER","saddr":"10.0.0.1","saddr_hex":"61"}`), "ext[0](FILTER).saddr", "want one of them"},
		{"empty address", in(`{"name":"KMADDRESS","local":{}}`), "ext[0](KMADDRESS).local", "no member addr"},
		{"count that cannot", in(`{"name":"SENSITIVITY","sens_bitmap":[` + strings.Repeat("0,", 256) + `0]}`), "ext[0](SENSITIVITY)", "cannot count more than 255"},
		{"long request", in(`{"name":"POLICY","requests":[{"tail":"` + strings.Repeat("00", 65535) + `"}]}`), "ext[0](POLICY).requests[0]", "at most 65535"},
		{"long extension", in(`{"name":"IDENTITY_SRC","identity":"` + strings.Repeat("x", 65536*8) + `"}`), "ext[0](IDENTITY_SRC)", "at most 524280"},
		{"long key", in(`{"name":"KEY_AUTH","key":"` + strings.Repeat("00", 8192) + `"}`), "ext[0](KEY_AUTH).key", "at most 8191"},
		{"string for an array", `"comment":"x"`, "comment", "where an array should be"},
		{"comment", `"comment":["x",1]`, "comment[1]", "where a string should be"},
		{"number for a string", `"process":1`, "process", "where a string should be"},
		{"number for an extension", `"msg":{"type":3},"ext":[1]`, "ext[0]", "where an object should be"},
		{"number for octets", in(`{"name":"SA","tail":1}`), "ext[0](SA).tail", "hex digits"},
		{"many members, one twice", in(`{` + manyMembers(40) + `,"m7":1}`), "ext[0].m7", "second member"},
		{"inner and rest", `"msg":{"type":11},"inner":{"msg":{"type":3}},"rest":"00"`, "rest", "beside inner"},
		{"long name", `"msg":{"type_name":"` + strings.Repeat("x", 100) + `"}`, "msg.type_name", "x…"},
		{"direction", `"direction":"up"`, "direction", "want to-kernel"},
		{"time", `"time":"yesterday"`, "time", "RFC 3339"},
		{"time of no year", `"time":"0000-01-01T00:00:00+12:00"`, "time", "RFC 3339"},
		{"schema", `"schema":2`, "schema", "knows 1"},
		{"deep", `"msg":` + strings.Repeat("[", 80) + strings.Repeat("]", 80), "", "inside each other"},
		{"zeros without end", in(strings.Repeat(`{"exttype":1,"len":65535},`, 40) + `{"exttype":1}`), "ext[32]", "longer than 16777216 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dialect := "linux"
			switch {
			case strings.Contains(test.members, `"EPROP"`), strings.Contains(test.members, `"EREG"`), strings.Contains(test.members, `"KM_COOKIE"`):
				dialect = "illumos"
			case strings.Contains(test.members, `"SESSION_ID"`), strings.Contains(test.members, `"IPSECIF"`):
				dialect = "macos"
			}
			l := line(dialect, "little", test.members)
			_, err := pfjson.Parse(l, pfjson.ParseOptions{})
			var e *pfjson.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want a *pfjson.Error", err)
			}
			if test.path != "" && e.Path != test.path || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, %v\nwant %q, … %s …", e.Path, err, test.path, test.want)
			}
			if strings.Contains(test.members, `"number":7`) && !strings.Contains(test.want, "second member") && !strings.HasPrefix(err.Error(), "record 7, ") {
				t.Errorf("%v: no record number", err)
			}
			if e.Offset < 0 || e.Offset > len(l) {
				t.Errorf("offset %d of %d", e.Offset, len(l))
			}
		})
	}
	for _, test := range []struct {
		name, line string
		offset     int
		want       string
	}{
		{"empty", ``, 0, "unexpected end"},
		{"array", ` []`, 1, "no object"},
		{"two objects", `{} {}`, 4, "after top-level value"},
		{"not UTF-8", "{\"dialect\":\"\xff\"}", 11, "not UTF-8"},
		{"no dialect", `{"order":"big"}`, 0, "--dialect"},
		{"no order", `{"dialect":"linux"}`, 0, "--order"},
		{"unknown dialect", `{"dialect":"plan9","order":"big"}`, 11, "want one of rfc2367"},
		{"the value's place", `{"dialect":"linux","order":"big", "number" : "x"}`, 45, "no whole number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := pfjson.Parse([]byte(test.line), pfjson.ParseOptions{})
			var e *pfjson.Error
			if !errors.As(err, &e) || e.Offset != test.offset || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want offset %d and %s", err, test.offset, test.want)
			}
		})
	}
}

// TestParsePrefixes cuts a line at every byte.
func TestParsePrefixes(t *testing.T) {
	r := benchRecord()
	whole := pfjson.Append(nil, &r, pfjson.Options{ShowKeys: true})
	for i := range whole {
		if _, err := pfjson.Parse(whole[:i], pfjson.ParseOptions{}); err == nil {
			t.Fatalf("no error for %s", whole[:i])
		}
	}
}

// FuzzParse holds that any line gives a record or an error, and that a record that
// it gives is one that can be written and read.
func FuzzParse(f *testing.F) {
	for _, r := range readRecords(f) {
		f.Add(pfjson.Append(nil, &r, pfjson.Options{ShowKeys: true}), false)
		f.Add(pfjson.Append(nil, &r, pfjson.Options{}), true)
	}
	f.Add(line("linux", "little", `"msg":{"type_name":"ADD"},"ext":[{"name":"SA","auth_name":"SHA1HMAC","flags_names":["PFS"]}]`), false)
	f.Fuzz(func(t *testing.T, line []byte, fix bool) {
		r, err := pfjson.Parse(line, pfjson.ParseOptions{Fix: fix})
		var e *pfjson.Error
		switch {
		case err == nil:
			checkLaw(t, r)
		case !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(line):
			t.Fatalf("error %v of %d bytes", err, len(line))
		}
	})
}
