package wireshark_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/gen"
	"github.com/pfkeycap/pfkeycap/record"
)

// write makes a capture of records.
func write(t *testing.T, name string, o record.WriterOptions, rs ...*record.Record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	w, err := record.Create(path, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rs {
		r.Time = time.Unix(1795348930, int64(i)*1000)
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// generated are messages that package gen makes for a codec, most of them broken.
func generated(c layers.Codec, n int) (rs []*record.Record) {
	g := gen.New(c, 10, gen.Options{Mutants: 8})
	for range n {
		msg, _ := g.Next(nil)
		rs = append(rs, &record.Record{Codec: c, Data: msg, OrigLen: len(msg), Dir: record.FromKernel})
	}
	return rs
}

// codecs are all that there are.
func codecs() (list []layers.Codec) {
	for _, d := range layers.Dialects() {
		for _, o := range []layers.Order{layers.LittleEndian, layers.BigEndian} {
			list = append(list, layers.Codec{Dialect: d, Order: o})
		}
	}
	return list
}

// TestGenerated: broken messages give the fields of our JSON form too, and no error
// in the script.
func TestGenerated(t *testing.T) {
	tool(t, "tshark")
	var list []string
	for _, c := range codecs() {
		o := record.WriterOptions{Meta: record.Meta{Dialect: c.Dialect, Order: c.Order, Keys: record.KeysNone}, Salt: record.Salt{1}}
		list = append(list, write(t, fmt.Sprintf("%v-%v.pcapng", c.Dialect, c.Order), o, generated(c, 150)...))
	}
	all := filepath.Join(t.TempDir(), "all.pcapng")
	if out, err := exec.Command(tool(t, "mergecap"), append([]string{"-a", "-w", all}, list...)...).CombinedOutput(); err != nil {
		t.Fatalf("mergecap: %v\n%s", err, out)
	}
	got := packets(t, dissect(t, all, "-T", "pdml"))
	var c comparison
	for _, path := range list {
		n := len(fromJSON(t, path))
		if n > len(got) {
			t.Fatalf("%s: %d packets left for %d records", path, len(got), n)
		}
		c.compare(t, path, got[:n])
		got = got[n:]
	}
	t.Logf("%d values of %d paths compared", c.values, len(c.paths))
	if !c.paths["malformed.code"] || !c.paths["unknown.data.bytes"] {
		t.Error("nothing is malformed or unknown")
	}
}

// TestLua: the script runs with the Lua of newer Wiresharks, which tells integers
// from other numbers, as well as with that of older ones.
func TestLua(t *testing.T) {
	tool(t, "lua5.4")
	lua, err := script()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pfkey.lua")
	if err := os.WriteFile(file, lua, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range codecs() {
		var in bytes.Buffer
		rs := generated(c, 150)
		for i, r := range rs {
			fmt.Fprintf(&in, "%d %d %x\n", i%3, len(r.Data), r.Data)
		}
		outputs := map[string]string{}
		for _, version := range []string{"lua5.2", "lua5.3", "lua5.4"} {
			path, err := exec.LookPath(version)
			if err != nil {
				continue
			}
			cmd := exec.Command(path, "testdata/mock.lua", file)
			cmd.Env = append(os.Environ(), "TZ=UTC", "DESCRIPTION="+record.Meta{Dialect: c.Dialect, Keys: record.KeysNone}.String())
			cmd.Stdin = bytes.NewReader(in.Bytes())
			out, err := cmd.CombinedOutput()
			if n := bytes.Count(out, []byte("\nend\n")); err != nil || n != len(rs) {
				t.Fatalf("%s, %v: %v, %d of %d messages\n%s", version, c, err, n, len(rs), out[max(0, len(out)-600):])
			}
			outputs[version] = string(out)
		}
		for version, out := range outputs {
			if out != outputs["lua5.4"] {
				t.Errorf("%v: %s and lua5.4 differ", c, version)
			}
		}
	}
}

// message encodes one.
func message(t *testing.T, c layers.Codec, b layers.Base, exts ...layers.Extension) []byte {
	t.Helper()
	msg, err := c.Encode(&b, exts...)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

var linux = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}

var secretOctets = []byte("\x5e\xc2\xe7\x0c\x7e\x75\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a")

func withKey(t *testing.T, c layers.Codec) []byte {
	return message(t, c, layers.Base{Type: layers.ADD, SAType: layers.SATypeESP, Seq: 7, PID: 9},
		&layers.SA{SPI: 0x1234, State: 1, Encrypt: 12},
		&layers.Key{Header: layers.For(layers.LayerTypeKeyEncrypt), Bits: 128, Octets: secretOctets})
}

// TestSecrets: octets of keys are shown only if they are asked for, and that they
// stand in the capture is said.
func TestSecrets(t *testing.T) {
	tool(t, "tshark")
	msg := withKey(t, linux)
	for _, tt := range []struct {
		name   string
		o      record.WriterOptions
		clear  bool
		expert string
	}{
		{"inside.pcapng", record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Keys: record.KeysInside}}, true, "16 secret octets in clear"},
		{"none.pcapng", record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Keys: record.KeysNone}}, false, ""},
		{"plain.pcap", record.WriterOptions{Format: record.PcapMicro, Meta: record.Meta{Keys: record.KeysInside}}, true, "16 secret octets which the capture does not say are stand-ins"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.name, tt.o, &record.Record{Codec: linux, Data: slices.Clone(msg), OrigLen: len(msg), Dir: record.ToKernel})
			text := string(dissect(t, path, "-V"))
			if got := strings.Contains(text, "secret octets"); got != tt.clear || !strings.Contains(text, tt.expert) {
				t.Errorf("want %q in\n%s", tt.expert, text)
			}
			for _, form := range [][]string{{"-V"}, {"-T", "json"}, {"-T", "ek"}, {"-T", "pdml"}, {"-T", "fields", "-e", "pfkey.key_encrypt.key", "-e", "pfkey.key_encrypt"}} {
				out := strings.ReplaceAll(string(dissect(t, path, form...)), ":", "")
				if strings.Contains(out, hex.EncodeToString(secretOctets[:4])) || bytes.Contains([]byte(out), secretOctets[:4]) {
					t.Errorf("%q shows the key", form)
				}
			}
			shown := string(dissect(t, path, "-o", "pfkey.show_keys:TRUE", "-T", "fields", "-e", "pfkey.key_encrypt.key"))
			if got := strings.TrimSpace(shown) == hex.EncodeToString(secretOctets); got != tt.clear {
				t.Errorf("with pfkey.show_keys: %q", shown)
			}
		})
	}
}

// TestExperts: what an operator looks for is among the expert infos.
func TestExperts(t *testing.T) {
	tool(t, "tshark")
	c := linux
	cut := withKey(t, c)
	wrong := message(t, c, layers.Base{Type: layers.DUMP})
	wrong[4] = 3
	unknown := message(t, c, layers.Base{Type: layers.GET}, &layers.Unknown{Type: 4711, Data: make([]byte, 4)})
	short := append(message(t, c, layers.Base{Type: layers.GET}), 1, 0, 1, 0, 0, 0, 0, 0) // an SA of 8 bytes
	short[4]++
	overrun := append(message(t, c, layers.Base{Type: layers.GET}), 9, 0, 1, 0, 0, 0, 0, 0)
	overrun[4]++
	rs := []*record.Record{
		{Data: message(t, c, layers.Base{Type: layers.GET, Seq: 4, PID: 2}), Dir: record.ToKernel, WriteErrno: 105},
		{Data: message(t, c, layers.Base{Type: layers.GET, Errno: 3, Seq: 4, PID: 2}), Dir: record.FromKernel},
		{Data: wrong}, {Data: unknown}, {Data: short}, {Data: overrun}, {Data: cut[:40]},
	}
	for _, r := range rs {
		r.Codec, r.OrigLen = c, len(r.Data)
	}
	rs[6].OrigLen = len(cut)
	path := write(t, "experts.pcapng", record.WriterOptions{Meta: record.Meta{Dialect: layers.Linux, Keys: record.KeysNone}}, rs...)
	out := string(dissect(t, path, "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i, want := range []string{
		"write(2) of this message failed with errno 105 (ENOBUFS)",
		"GET was refused with errno 3 (ESRCH)",
		"sadb_msg_len says 24 bytes\\, the message has 16",
		"dialect linux has no extension 4711",
		"SA of 8 bytes\\, whose structure has 16",
		"at byte 16: an extension that runs past the end of the message (8 bytes not decoded)",
		"40 of the message's 56 bytes are in the capture",
	} {
		if i >= len(lines) || !strings.Contains(strings.ReplaceAll(lines[i], `\,`, `,`), strings.ReplaceAll(want, `\,`, `,`)) {
			t.Errorf("packet %d: want %q in\n%s", i+1, want, out)
		}
	}
}

// TestNotOurs: what has the link type and is not PF_KEY goes where it went before,
// and a capture that says nothing is looked at.
func TestNotOurs(t *testing.T) {
	tool(t, "tshark")
	udp := []byte{0, 53, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	raw := func(t *testing.T, linkType uint16, data ...[]byte) string {
		var rs []*record.Record
		for _, d := range data {
			rs = append(rs, &record.Record{Codec: linux, Data: d, OrigLen: len(d)})
		}
		return write(t, "raw.pcap", record.WriterOptions{Format: record.PcapMicro, LinkType: linkType, Meta: record.Meta{Keys: record.KeysInside}}, rs...)
	}
	// Who is asked first is named first, whatever it says.
	protocols := func(t *testing.T, path string, args ...string) string {
		return string(dissect(t, path, append(args, "-T", "fields", "-e", "frame.protocols")...))
	}
	msg := message(t, linux, layers.Base{Type: layers.DUMP})
	if got := protocols(t, raw(t, 147, udp, msg)); got != "pfkey:user_dlt:data\npfkey\n" {
		t.Errorf("USER0: %q", got)
	}
	asked := []string{"-o", `uat:user_dlts:"User 0 (DLT=147)","udp","0","","0",""`}
	if got := protocols(t, raw(t, 147, udp, msg), asked...); !strings.HasPrefix(got, "pfkey:user_dlt:udp") || !strings.HasSuffix(got, "\npfkey\n") {
		t.Errorf("USER0 of somebody who uses it for UDP: %q", got)
	}
	if got := protocols(t, raw(t, 150, msg)); got != "pfkey:user_dlt:data\n" {
		t.Errorf("USER3: %q", got)
	}
	asked[1] = `uat:user_dlts:"User 3 (DLT=150)","pfkey","0","","0",""`
	if got := protocols(t, raw(t, 150, msg, udp), asked...); got != "pfkey:user_dlt:pfkey\npfkey:user_dlt:data\n" {
		t.Errorf("USER3 of somebody who uses it for PF_KEY: %q", got)
	}
	ours := write(t, "user5.pcapng", record.WriterOptions{LinkType: 152, Meta: record.Meta{Dialect: layers.Linux}},
		&record.Record{Codec: linux, Data: msg, OrigLen: len(msg)})
	if got := protocols(t, ours); got != "pfkey\n" {
		t.Errorf("USER5 in a capture of ours: %q", got)
	}
}

// TestDialectOf: a capture that does not say its dialect is read as what its
// messages look like, until a preference says otherwise.
func TestDialectOf(t *testing.T) {
	tool(t, "tshark")
	var list, wants []string
	for _, c := range codecs()[2:] { // RFC 2367 is no system's
		var rs []*record.Record
		for i := range 3 {
			msg := message(t, c, layers.Base{Type: layers.ADD, SAType: layers.SATypeESP, Seq: uint32(i)},
				&layers.SA{SPI: 0x1234, State: 1},
				c.NewAddress(layers.LayerTypeAddressSrc, netip.MustParseAddrPort("[2001:db8::1]:0"), 128, 0),
				c.NewAddress(layers.LayerTypeAddressDst, netip.MustParseAddrPort("[2001:db8::2]:0"), 128, 0))
			rs = append(rs, &record.Record{Codec: c, Data: msg, OrigLen: len(msg)})
		}
		o := record.WriterOptions{Format: record.PcapMicro, Meta: record.Meta{Keys: record.KeysInside, Order: layers.LittleEndian}}
		path := write(t, "some.pcap", o, rs...)
		like, how := c.Dialect, ""
		switch c.Dialect { // addresses have the same form there
		case layers.OpenBSD, layers.NetBSD:
			like, how = layers.NetBSD, ", though others look alike"
		case layers.FreeBSD, layers.DragonFly:
			like, how = layers.FreeBSD, ", though others look alike"
		}
		list = append(list, path)
		wants = append(wants, fmt.Sprintf("%v\t%v\twhat the messages look like%s\t2001:db8::1", like, c.Order, how))
		if c.Order == layers.BigEndian {
			continue
		}
		got := string(dissect(t, path, "-o", "pfkey.dialect:"+c.Dialect.String(), "-T", "fields", "-e", "pfkey.dialect", "-e", "pfkey.src"))
		if want := strings.Repeat(c.Dialect.String()+"\t2001:db8::1\n", 3); got != want {
			t.Errorf("%v by preference: %q", c, got)
		}
	}
	all := filepath.Join(t.TempDir(), "all.pcapng")
	if out, err := exec.Command(tool(t, "mergecap"), append([]string{"-a", "-I", "none", "-w", all}, list...)...).CombinedOutput(); err != nil {
		t.Fatalf("mergecap: %v\n%s", err, out)
	}
	got := strings.Split(string(dissect(t, all, "-T", "fields", "-e", "pfkey.dialect", "-e", "pfkey.order", "-e", "pfkey.dialect_from", "-e", "pfkey.src")), "\n")
	for i, want := range wants {
		if last := 3*i + 2; last >= len(got) || got[last] != want {
			t.Errorf("%q, want %q", got[min(last, len(got)-1)], want)
		}
	}
}
