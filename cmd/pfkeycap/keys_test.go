package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/xfrmname"
	"github.com/pfkeycap/pfkeycap/replay/sandbox/sandboxtest"
)

// notDecrypted are the algorithms that PF_KEY on Linux has and Wireshark 4.0 does not
// decrypt or check, with the reason.
var notDecrypted = map[string]string{
	"cbc(serpent)":  "packet-ipsec.c has no Serpent",
	"cbc(camellia)": "packet-ipsec.c has no Camellia",
	"cbc(sm4)":      "packet-ipsec.c has no SM4",
	"xcbc(aes)":     "packet-ipsec.c passes AES-XCBC-MAC over: decrypted, not checked",
	"hmac(sm3)":     "packet-ipsec.c passes HMAC-SM3 over: decrypted, not checked",

	// of some lengths, in bits
	"cbc(cast5) 40":     "packet-ipsec.c takes CAST-128 with 128 bits",
	"cbc(blowfish) 40":  "packet-ipsec.c takes Blowfish with 128 bits",
	"cbc(blowfish) 448": "packet-ipsec.c takes Blowfish with 128 bits",
}

// espCase is an SA in each direction between two namespaces.
type espCase struct {
	name      string
	encrypt   string // setkey's words
	auth      string
	decrypted bool
	checked   bool
	six       bool
	tunnel    bool
	udp       bool
}

// TestKeysForESP sends packets through SAs of every algorithm that the sandbox kernel has,
// catches them on the wire and has tshark decrypt them with the file of keys.
func TestKeysForESP(t *testing.T) {
	sandboxtest.Require(t)
	for _, tool := range []string{"tshark", "tcpdump", "ping", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv(sandboxtest.RequireVariable) == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "WIRESHARK_CONFIG_DIR="+dir, "TZ=UTC")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, stderr.Bytes())
		}
		return string(out)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0600); err != nil {
			t.Fatal(err)
		}
	}

	write("register.sh", "timeout 5 pfkeycap record -w register.pcapng -- pfkeycap send register.json\n")
	write("register.json", `{"schema":1,"dialect":"linux","order":"`+map[layers.Order]string{layers.LittleEndian: "little", layers.BigEndian: "big"}[hostCodec().Order]+`","msg":{"type_name":"REGISTER","satype_name":"ESP","seq":1},"ext":[]}`+"\n")
	run("pfkeycap", "sandbox", "--", "sh", "register.sh")
	cases := espCases(t, filepath.Join(dir, "register.pcapng"))

	var here, there, addrHere, addrThere, sh strings.Builder
	for i, c := range cases {
		a, b := fmt.Sprintf("10.9.%d.1", i), fmt.Sprintf("10.9.%d.2", i)
		if c.six {
			a, b = fmt.Sprintf("2001:db8:%x::1", i), fmt.Sprintf("2001:db8:%x::2", i)
			fmt.Fprintf(&addrHere, "addr add %s/64 dev va nodad\n", a)
			fmt.Fprintf(&addrThere, "addr add %s/64 dev vb nodad\n", b)
		} else {
			fmt.Fprintf(&addrHere, "addr add %s/24 dev va\n", a)
			fmt.Fprintf(&addrThere, "addr add %s/24 dev vb\n", b)
		}
		proto, mode, rule := "esp", "transport", "esp/transport//require"
		portA, portB := "", ""
		if c.udp {
			proto, portA, portB = "esp-udp", "[4500]", "[4500]"
		}
		for k, x := range [][2]string{{a, b}, {b, a}} {
			if c.tunnel {
				mode, rule = "tunnel", "esp/tunnel/"+x[0]+"-"+x[1]+"/require"
			}
			line := fmt.Sprintf("add %s%s %s%s %s 0x%x -m %s -E %s %s;\n", x[0], portA, x[1], portB, proto, 0x1000+2*i+k, mode, c.encrypt, c.auth)
			here.WriteString(line)
			there.WriteString(line)
			for n, to := range []*strings.Builder{&here, &there} {
				dir := "out"
				if k != n {
					dir = "in"
				}
				fmt.Fprintf(to, "spdadd %s %s any -P %s ipsec %s;\n", x[0], x[1], dir, rule)
			}
		}
		fmt.Fprintf(&sh, "ping -c 1 -W 1 -q %s >/dev/null || true\n", b)
	}
	write("here.conf", here.String())
	write("there.conf", there.String())
	write("addr.here", addrHere.String())
	write("addr.there", addrThere.String())
	write("ping.sh", sh.String())
	write("esp.sh", `set -e
ip link set lo up
ip netns add b
ip link add va type veth peer name vb
ip link set vb netns b
ip link set va up
ip netns exec b ip link set vb up
ip -batch addr.here
ip netns exec b ip -batch addr.there
pfkeycap record -w sa.pcapng -- pfkeycap send here.conf >sent.here 2>&1 || { cat sent.here; exit 1; }
ip netns exec b pfkeycap send there.conf >sent.there 2>&1 || { cat sent.there; exit 1; }
tcpdump -i va -U -w wire.pcap 'esp or udp port 4500 or ip6 proto 50' 2>tcpdump.log &
until grep -q listening tcpdump.log; do sleep 0.1; done
sh ping.sh
sleep 0.5
kill -INT $!
wait $! || true
`)
	run("pfkeycap", "sandbox", "--timeout", "5m", "--", "sh", "esp.sh")
	run("pfkeycap", "keys", "sa.pcapng", "--wireshark", "-o", "esp_sa")
	if st, err := os.Stat(filepath.Join(dir, "esp_sa")); err != nil || st.Mode().Perm() != 0600 {
		t.Errorf("esp_sa: %v, %v", st, err)
	}
	table := run("tshark", "-r", "wire.pcap", "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
		"-T", "fields", "-e", "esp.spi", "-e", "esp.icv_good", "-e", "icmp.type", "-e", "icmpv6.type", "-E", "occurrence=f")
	type seen struct{ packets, good, inner int }
	got := map[string]*seen{}
	for _, line := range strings.Split(strings.TrimRight(table, "\n"), "\n") {
		f := strings.Split(line, "\t")
		if len(f) < 4 || f[0] == "" {
			continue
		}
		s := got[f[0]]
		if s == nil {
			s = &seen{}
			got[f[0]] = s
		}
		s.packets++
		if f[1] == "1" || f[1] == "True" {
			s.good++
		}
		if f[2] == "8" || f[2] == "0" || f[3] != "" { // echo and its reply; of IPv6 also who has the address
			s.inner++
		}
	}
	for i, c := range cases {
		spis := []string{fmt.Sprintf("0x%08x", 0x1000+2*i), fmt.Sprintf("0x%08x", 0x1000+2*i+1)}
		if c.udp {
			spis = spis[:1] // nobody takes UDP on the other side, so there is no answer
		}
		for _, spi := range spis {
			s := got[spi]
			if s == nil {
				t.Errorf("%s: no packet with SPI %s on the wire", c.name, spi)
				continue
			}
			t.Logf("%-32s %s: %d packets, ICV good %d, decrypted %d", c.name, spi, s.packets, s.good, s.inner)
			if c.checked && s.good != s.packets {
				t.Errorf("%s: the ICV of %d of %d packets is good", c.name, s.good, s.packets)
			}
			if c.decrypted != (s.inner == s.packets) {
				t.Errorf("%s: %d of %d packets are decrypted", c.name, s.inner, s.packets)
			}
		}
	}
}

// espCases are SAs of all algorithms in the kernel's answer to REGISTER.
func espCases(t *testing.T, capture string) (cases []espCase) {
	r, err := record.Open(capture, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var auth, encrypt []layers.Alg
	for {
		x, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		m := decodedRecord(x)
		if s := m.SupportedAuth(); s != nil {
			auth = s.Algs()
		}
		if s := m.SupportedEncrypt(); s != nil {
			encrypt = s.Algs()
		}
	}
	// setkey's names, and the lengths of keys in bits that are tried besides the shortest.
	ciphers := map[string]struct {
		name string
		bits []uint16
	}{
		"ecb(cipher_null)": {"null", nil}, "cbc(des)": {"des-cbc", nil}, "cbc(des3_ede)": {"3des-cbc", nil}, "cbc(cast5)": {"cast128-cbc", []uint16{128}},
		"cbc(blowfish)": {"blowfish-cbc", []uint16{128, 448}}, "cbc(aes)": {"aes-cbc", []uint16{192, 256}}, "cbc(serpent)": {"", nil}, "cbc(camellia)": {"camellia-cbc", nil},
		"cbc(twofish)": {"twofish-cbc", []uint16{256}}, "rfc3686(ctr(aes))": {"aes-ctr", []uint16{224, 288}}, "cbc(sm4)": {"", nil},
	}
	hashes := map[string]string{
		"digest_null": "null", "hmac(md5)": "hmac-md5", "hmac(sha1)": "hmac-sha1", "hmac(sha256)": "hmac-sha2-256", "hmac(sha384)": "hmac-sha2-384",
		"hmac(sha512)": "hmac-sha2-512", "hmac(rmd160)": "hmac-ripemd160", "xcbc(aes)": "aes-xcbc-mac", "hmac(sm3)": "",
	}
	key := func(bits uint16) string {
		b := make([]byte, bits/8)
		for i := range b {
			b[i] = byte(17*i + int(bits))
		}
		return fmt.Sprintf("0x%x", b)
	}
	const sha1 = "-A hmac-sha1 0x0102030405060708090a0b0c0d0e0f1011121314"
	const aes = "aes-cbc 0x000102030405060708090a0b0c0d0e0f"
	tried := map[string]bool{}
	for _, alg := range encrypt {
		a, ok := xfrmname.OfNumber(layers.Linux, layers.EnumEncrypt, alg.ID)
		c, known := ciphers[a.Name]
		if !ok || !known && a.Kind != xfrmname.AEAD {
			t.Errorf("the kernel has encryption algorithm %d (%s), which this test does not know", alg.ID, a.Name)
			continue
		}
		if tried[a.Name] = true; c.name == "" {
			t.Logf("%s: not tried: %s", a.Name, notDecrypted[a.Name])
			continue
		}
		for _, bits := range append([]uint16{alg.MinBits}, c.bits...) {
			if bits < alg.MinBits || bits > alg.MaxBits || bits == alg.MinBits && slices.Contains(c.bits, bits) {
				continue
			}
			text := c.name
			if bits > 0 {
				text += " " + key(bits)
			}
			name := fmt.Sprintf("%s %d", a.Name, bits)
			both := notDecrypted[a.Name] == "" && notDecrypted[name] == ""
			cases = append(cases, espCase{name: name, encrypt: text, auth: sha1, decrypted: both, checked: both})
		}
	}
	for _, alg := range auth {
		a, ok := xfrmname.OfNumber(layers.Linux, layers.EnumAuth, alg.ID)
		name, known := hashes[a.Name]
		if !ok || !known {
			t.Errorf("the kernel has authentication algorithm %d (%s), which this test does not know", alg.ID, a.Name)
			continue
		}
		if tried[a.Name] = true; name == "" {
			t.Logf("%s: not tried: %s", a.Name, notDecrypted[a.Name])
			continue
		}
		text := "-A " + name
		if alg.MinBits > 0 {
			text += " " + key(alg.MinBits)
		}
		cases = append(cases, espCase{name: a.Name, encrypt: aes, auth: text, decrypted: true, checked: notDecrypted[a.Name] == "" && a.ICV > 0})
	}
	for name := range ciphers {
		if !tried[name] {
			t.Logf("%s: this kernel does not have it", name)
		}
	}
	for name := range hashes {
		if !tried[name] {
			t.Logf("%s: this kernel does not have it", name)
		}
	}
	if !tried["cbc(aes)"] || !tried["hmac(sha256)"] {
		t.Fatalf("the kernel lists %d and %d algorithms", len(encrypt), len(auth))
	}
	return append(cases,
		espCase{name: "IPv6", encrypt: aes, auth: sha1, decrypted: true, checked: true, six: true},
		espCase{name: "tunnel", encrypt: aes, auth: sha1, decrypted: true, checked: true, tunnel: true},
		espCase{name: "UDP", encrypt: aes, auth: sha1, decrypted: true, checked: true, udp: true},
	)
}
