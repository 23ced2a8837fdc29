package ipxfrm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/compare"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/convert/ipxfrm"
)

func parse(t testing.TB, text string) []*ipxfrm.Entry {
	t.Helper()
	list, err := parseAll(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func parseAll(text string) (list []*ipxfrm.Entry, err error) {
	p := ipxfrm.NewParser(strings.NewReader(text), layers.LittleEndian)
	for {
		e, err := p.Next()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return list, err
		}
		list = append(list, e)
	}
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What the text says is what the kernel listed over PF_KEY at the same moment, field by
// field, but for what the entry accounts for.
func TestKernelListedTheSame(t *testing.T) {
	for _, test := range []struct {
		capture string
		texts   []string
	}{
		{"snap.pcapng", []string{"s-state.txt", "s-policy.txt"}},
		{"snap.pcapng", []string{"state.txt", "policy.txt"}},
		{"snap.pcapng", []string{"o-state.txt", "policy.txt"}},
		{"snap.pcapng", []string{"nokeys.txt", "s-policy.txt"}},
		{"alt.pcapng", []string{"alt-state.txt", "alt-policy.txt"}},
	} {
		t.Run(strings.Join(test.texts, "+"), func(t *testing.T) {
			listed := map[string][]byte{}
			r, err := record.Open(filepath.Join("testdata", test.capture), record.ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var codec layers.Codec
			for {
				rec, err := r.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if id := identity(rec.Codec, rec.Bytes()); id != "" {
					listed[id], codec = bytes.Clone(rec.Bytes()), rec.Codec
				}
			}
			var text string
			for _, name := range test.texts {
				text += read(t, name)
			}
			entries := parse(t, text)
			if len(entries) != len(listed) || len(listed) < 11 {
				t.Fatalf("%d entries, %d listed", len(entries), len(listed))
			}
			for _, e := range entries {
				msg, err := e.Message()
				if err != nil {
					t.Fatal(err)
				}
				want := listed[identity(codec, msg)]
				if want == nil {
					t.Fatalf("line %d: %s was not listed", e.Line, identity(codec, msg))
				}
				var c compare.Comparer
				c.Each = func(d *compare.Difference) {
					if d.X != nil && c.Volatile(d) != nil || d.Ext == "lifetime_current" ||
						slices.ContainsFunc(e.Unsaid, func(u ipxfrm.Unsaid) bool { return u.Path == d.Ext || u.Path == d.String() }) {
						return
					}
					t.Errorf("line %d: %s: %s %v: listed %s, text %s %s", e.Line, identity(codec, msg), d.What, d.Path, d.A, d.B, d.Reason)
				}
				c.Compare(codec, want, codec, msg)
			}
		})
	}
}

// identity names what a listing tells of, "" if it is none.
func identity(c layers.Codec, b []byte) string {
	var m layers.Message
	m.Codec = c
	if m.DecodeFromBytes(b, nil) != nil || m.Errno != 0 {
		return ""
	}
	switch {
	case m.Type == layers.DUMP && m.SA() != nil:
		return fmt.Sprintf("SA 0x%08x", m.SA().SPI)
	case m.Type == layers.SPDDUMP && m.Policy() != nil:
		return fmt.Sprint("policy ", m.Policy().Dir, m.AddressSrc().Addr(), m.AddressDst().Addr())
	}
	return ""
}

func TestBeyond(t *testing.T) {
	var got []string
	for _, e := range parse(t, read(t, "alt-state.txt")+read(t, "alt-policy.txt")) {
		if e.ICV != 0 && e.ICV != e.Auth.ICV {
			got = append(got, fmt.Sprintf("%s %d, not %d bits", e.Auth.Name, e.ICV, e.Auth.ICV))
		}
		for _, a := range e.Beyond {
			got = append(got, a.Name+" "+a.Value)
		}
	}
	want := []string{
		"hmac(sha256) 128, not 96 bits",
		"flag esn", "extra_flag dont-encap-dscp", "mark 0x2a/0xff", "output-mark 0x7/0xffffffff",
		"aead rfc4106(gcm(aes)) with a value of 128 bits", "replay-window of the extended sequence numbers 64", "if_id 0x5",
		"sel dst 10.1.0.0/16", "mark 0x7/0x7", "if_id 0x9",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A line that is none of ip's is noted, but not shown where it could be part of a key.
func TestStrangeLines(t *testing.T) {
	list := parse(t, "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0x1 reqid 0 mode tunnel\n\tdeadbeef\n\tcafe 12\n\tfresh thing\n\t0x1234\n")
	var got []string
	for _, a := range list[0].Beyond {
		got = append(got, a.Name+": "+a.Value)
	}
	if want := []string{"something else: not understood", "something else: not understood", "fresh: not understood", "something else: not understood"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLooks(t *testing.T) {
	for _, name := range []string{"s-state.txt", "state.txt", "policy.txt", "s-policy.txt", "o-state.txt"} {
		if !ipxfrm.Looks([]byte(read(t, name))[:200]) {
			t.Errorf("%s does not look like it", name)
		}
	}
	for _, text := range []string{"", "\n", "add 10.0.0.1 10.0.0.2 esp 0x100;", "src a dst b\n", `{"schema":1}`, "src 10.0.0.1", "00 02"} {
		if ipxfrm.Looks([]byte(text)) {
			t.Errorf("%q looks like it", text)
		}
	}
}

func TestErrors(t *testing.T) {
	const head = "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0x1 reqid 0 mode tunnel\n"
	for _, test := range []struct{ text, want string }{
		{"src 10.0.0.1 dst 10.0.0.2\n", "line 1: the entry has no protocol: the text was cut"},
		{"src 10.0.0.0/8 dst 10.0.0.0/8\n", "line 1: the policy has no direction: the text was cut"},
		{"Deleted src 10.0.0.1 dst 10.0.0.2\n", "line 1: this is the output of ip xfrm monitor"},
		{"\tproto esp\n", `line 1: an entry begins with src, not with "proto"`},
		{"src 10.0.0.1 dst ::1\n", "line 1: the two ends are of different address families"},
		{"src 10.0.0.1 dst 10.0.0.2\n\tproto hao spi 0x1 reqid 0 mode ro\n", `line 2: protocol "hao" is none that PF_KEY has SAs of`},
		{"src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0x1 reqid 0 mode ro\n", `line 2: mode "ro" is none that PF_KEY has`},
		{head + "\tenc cbc(aes) 0xdeadbeefcafebab\n", "line 3: the key is no hexadecimal number"},
		{head + "\tauth-trunc hmac(sha1) deadbeefcafebabe 96\n", "line 3: after the key of an algorithm comes a number of bits"},
		{head + "\tenc 0xdeadbeefcafebabe\n", "line 3: enc: the name of the algorithm is missing"},
		{head + "\tauth-trunc deadbeefcafebabe 96\n", "line 3: auth-trunc: the name of the algorithm is missing"},
		{head + "\tdeadbeefcafebabe 96\nsrc 1", "line 4: an entry begins with src … dst …, not with "},
		{head + "\treplay-window x\n", "line 3: replay-window wants a number"},
		{head + "\tencap type gre sport 1\n", `line 3: encapsulation "gre" is none that PF_KEY has`},
		{"src 10.0.0.0/8 dst 10.0.0.0/8\n\tdir out priority 0\n\ttmpl src 10.0.0.1 dst ::1\n", "line 3: the ends of a template are of different address families"},
		{"src 10.0.0.0/8 dst 10.0.0.0/8\n\tdir out priority 0\n" + strings.Repeat("\ttmpl src 10.0.0.1 dst 10.0.0.1\n", 7), "line 9: a policy has 6 templates at most"},
		{"src 10.0.0.1 dst 10.0.0.2\\" + strings.Repeat("x", 1<<20), "line 1: a line of more than 1048576 bytes"},
	} {
		_, err := parseAll(test.text)
		var where *ipxfrm.Error
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || !errors.As(err, &where) {
			t.Errorf("%.60q: %v, want %s", test.text, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "dead") {
			t.Errorf("the error shows a key: %v", err)
		}
	}
}

// Every prefix of a listing gives entries or an error, and its entries make messages.
func TestPrefixes(t *testing.T) {
	state, policy := read(t, "alt-state.txt"), read(t, "alt-policy.txt")
	text := state[:1800] + policy[:900]
	for n := range text {
		list, err := parseAll(text[:n])
		var where *ipxfrm.Error
		if err != nil && !errors.As(err, &where) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		for _, e := range list {
			if _, err := e.Message(); err != nil {
				t.Fatalf("%d bytes, line %d: %v", n, e.Line, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"s-state.txt", "alt-state.txt", "alt-policy.txt", "o-state.txt", "nokeys.txt", "policy.txt"} {
		f.Add([]byte(read(f, name)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseAll(string(text))
		var where *ipxfrm.Error
		if err != nil && !errors.As(err, &where) {
			t.Fatal(err)
		}
		for _, e := range list {
			msg, err := e.Message()
			if err != nil {
				t.Fatalf("line %d: %v", e.Line, err)
			}
			var m layers.Message
			m.Codec = layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
			if err := m.DecodeFromBytes(msg, nil); err != nil || m.Rest != nil {
				t.Fatalf("line %d: its message is malformed: %v", e.Line, err)
			}
		}
	})
}
