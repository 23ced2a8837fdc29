package filter_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
	"github.com/pfkeycap/pfkeycap/record/filter"
)

// fieldsRecord has everything that is hard to show.
func fieldsRecord(t *testing.T, o layers.Order) *record.Record {
	c := layers.Codec{Dialect: layers.Linux, Order: o}
	combs := c.AppendComb(nil, layers.Comb{Auth: 3})
	combs = c.AppendComb(combs, layers.Comb{Auth: 5})
	r := rec(t, c, &layers.Base{Type: layers.ACQUIRE, SAType: 3, Errno: 22},
		&layers.SA{SPI: 0x1234, Flags: 0x40000003},
		&layers.Lifetime{Header: layers.For(layers.LayerTypeLifetimeHard), Bytes: 1<<64 - 1},
		addr(c, layers.LayerTypeAddressSrc, "10.0.0.1:0"),
		addr(c, layers.LayerTypeAddressDst, "[2001:db8::2]:0"),
		c.NewKey(layers.LayerTypeKeyAuth, []byte("sixteen byte key")),
		&layers.Identity{Header: layers.For(layers.LayerTypeIdentitySrc), Type: 2, Data: append([]byte("a,b;\"c\"\t'd'\\\x1b[31m\u0085é"), 0)},
		&layers.Proposal{List: combs})
	r.Number, r.Dir = 43, record.FromKernel
	r.Time = time.Date(2026, 5, 1, 12, 0, 0, 5000, time.FixedZone("", 7200))
	r.Comments = []string{"one", "", "three"}
	return r
}

func TestFields(t *testing.T) {
	paths := []string{"number", "time", "direction", "type", "msg.type_name", "spi", "src", "dst", "sa.flags", "sa.flags_names", "lifetime_hard.bytes", "lifetime_soft.bytes", "address_src.family", "proposal.combs.auth", "proposal.combs.auth_name", "key_auth.key", "key_auth.key_id", "dialect"}
	for _, o := range orders {
		r := fieldsRecord(t, o)
		for _, tc := range []struct {
			name    string
			options []string
			show    bool
			want    string
		}{
			{"as tshark", nil, false,
				"43\t2026-05-01T10:00:00.000005000Z\tfrom-kernel\t6\tACQUIRE\t0x00001234\t10.0.0.1\t2001:db8::2\t1073741827\tPFS,DECAP_DSCP,0x2\t18446744073709551615\t\tinet\t3,5\tSHA1HMAC,SHA2_256HMAC\t··\t10000010\tlinux\n"},
			{"header", []string{"header=y", "separator=;", "occurrence=f"}, false,
				strings.Join(paths, ";") + "\n43;2026-05-01T10:00:00.000005000Z;from-kernel;6;ACQUIRE;0x00001234;10.0.0.1;2001:db8::2;1073741827;PFS;18446744073709551615;;inet;3;SHA1HMAC;··;10000010;linux\n"},
			{"quotes", []string{"quote=d", "separator=/s", "aggregator=/s", "occurrence=a"}, true,
				`"43" "2026-05-01T10:00:00.000005000Z" "from-kernel" "6" "ACQUIRE" "0x00001234" "10.0.0.1" "2001:db8::2" "1073741827" "PFS DECAP_DSCP 0x2" "18446744073709551615"  "inet" "3 5" "SHA1HMAC SHA2_256HMAC" "7369787465656e2062797465206b6579" "10000010" "linux"` + "\n"},
			{"last", []string{"bom=y", "quote=s", "occurrence=l", "separator=,"}, false,
				"\ufeff'43','2026-05-01T10:00:00.000005000Z','from-kernel','6','ACQUIRE','0x00001234','10.0.0.1','2001:db8::2','1073741827','0x2','18446744073709551615',,'inet','5','SHA2_256HMAC','··','10000010','linux'\n"},
		} {
			opts := filter.FieldsOptions{ID: id, ShowKeys: tc.show}
			for _, s := range tc.options {
				if err := opts.Set(s); err != nil {
					t.Fatal(err)
				}
			}
			f, err := filter.NewFields(paths, opts)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second row is like the first
				if got := string(f.AppendRow(f.AppendHeader(nil), r)); got != tc.want {
					t.Errorf("%v, %s:\n got %q\nwant %q", o, tc.name, got, tc.want)
				}
			}
		}
	}
}

func TestFieldsText(t *testing.T) {
	r := fieldsRecord(t, layers.LittleEndian)
	for want, o := range map[string]filter.FieldsOptions{
		`a,b;"c"\t'd'\\\x1b[31m\u0085é` + "\tone,,three\n":         {},
		`"a,b;""c""\t'd'\\\x1b[31m\u0085é"` + "\t\"one,,three\"\n": {Quote: '"'},
		`'a,b;"c"\t''d''\\\x1b[31m\u0085é'` + "\t'one,,three'\n":   {Quote: '\''},
		"a,b;\"c\"\t'd'\\\x1b[31m\u0085é\tone,,three\n":            {NoEscape: true},
		`a,b;"c"\t'd'\\\x1b[31m\u0085é` + "\tone|,||,|three\n":     {Aggregator: "|,|"},
		`a,b;"c"\t'd'\\\x1b[31m\u0085é` + "\tthree\n":              {Occurrence: filter.Last},
		"\"a,b;\"\"c\"\"\t'd'\\\x1b[31m\u0085é\"\t\"one\"\n":       {Quote: '"', NoEscape: true, Occurrence: filter.First},
		`"a,b;""c""\t'd'\\\x1b[31m\u0085é","one;;three"` + "\n":    filter.CSV(),
		`a,b;"c"\t'd'\\\x1b[31m\u0085é` + "✂one,,three\n":          {Separator: "✂"},
	} {
		f, err := filter.NewFields([]string{"identity_src.identity", "comment"}, o)
		if err != nil {
			t.Fatal(err)
		}
		got := string(f.AppendRow(nil, r))
		if got != want {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
	}
}

// TestCSV: another reader finds the same columns.
func TestCSV(t *testing.T) {
	paths := []string{"number", "identity_src.identity", "lifetime_soft.bytes", "src"}
	opts := filter.CSV()
	opts.NoEscape = true
	opts.More = []filter.Column{
		{Name: "mine", Values: func(r *record.Record) []string { return []string{fmt.Sprint(r.Number), `"x"`} }},
		{Name: "none", Values: func(*record.Record) []string { return nil }},
	}
	f, err := filter.NewFields(paths, opts)
	if err != nil {
		t.Fatal(err)
	}
	text := f.AppendHeader(nil)
	r := fieldsRecord(t, layers.BigEndian)
	text = f.AppendRow(text, r)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{append(paths, "mine", "none"), {"43", "a,b;\"c\"\t'd'\\\x1b[31m\u0085é", "", "10.0.0.1", `43;"x"`, ""}}
	if fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("\n got %q\nwant %q", rows, want)
	}
}

// TestFieldsErrors: options and columns that make no sense.
func TestFieldsErrors(t *testing.T) {
	for _, s := range []string{"", "header", "header=", "header=x", "header=yy", "separator=", "separator=ab", "aggregator=", "occurrence=x", "occurrence=fl", "quote=x", "escape=1", "bom=", "colour=y", "=y"} {
		var o filter.FieldsOptions
		if err := o.Set(s); err == nil {
			t.Errorf("%q: no error", s)
		} else if !strings.Contains(err.Error(), s) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for path, want := range map[string]string{
		"sa":      "group",
		"sa.spy":  "similar: spi",
		"":        "unknown field",
		"tpye":    "similar: type",
		"SA.spi":  "similar: sa",
		"sa.spi.": "no fields",
	} {
		if _, err := filter.NewFields([]string{"spi", path}, filter.FieldsOptions{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", path)) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestValues(t *testing.T) {
	for _, o := range orders {
		r := fieldsRecord(t, o)
		for path, want := range map[string][]string{
			"spi":                 {"0x00001234"},
			"comment":             {"one", "", "three"},
			"proposal.combs.auth": {"3", "5"},
			"sa.flags_names":      {"PFS", "DECAP_DSCP", "0x2"},
			"direction":           {"from-kernel"},
			"key_auth.key":        {"··"},
			"key_auth.key_id":     nil,
			"twin_of":             nil,
			"identity_src.identity": {
				"a,b;\"c\"\t'd'\\\x1b[31m\u0085é"},
		} {
			got, err := filter.Values(r, path)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %q, %v; want %q", path, got, err, want)
			}
		}
	}
	if _, err := filter.Values(&record.Record{}, "nothing"); err == nil {
		t.Error("no error")
	}
}

// TestSecrets: nothing here shows a secret that it was not asked for, and true
// bytes are shown only where they are at hand.
func TestSecrets(t *testing.T) {
	c := layers.Codec{Dialect: layers.Linux, Order: layers.LittleEndian}
	secret := []byte("sixteen byte key")
	r := rec(t, c, &layers.Base{Type: layers.ADD}, c.NewKey(layers.LayerTypeKeyAuth, secret), &layers.Unknown{Type: 77, Data: layers.Secret(secret)[:12]})
	r.Data = append(r.Data, secret[:7]...)
	var all []string
	for _, p := range filter.Paths() {
		if p.Kind != filter.Group {
			all = append(all, p.Name)
		}
	}
	for _, show := range []bool{false, true} {
		f, err := filter.NewFields(all, filter.FieldsOptions{ShowKeys: show})
		if err != nil {
			t.Fatal(err)
		}
		row := f.AppendRow(nil, r)
		for n := 4; n <= len(secret); n++ {
			if bytes.Contains(row, secret[:n]) || bytes.Contains(row, fmt.Appendf(nil, "%x", secret[:n])) != (show && n <= len(secret)) {
				t.Fatalf("ShowKeys %v, %d bytes of the secret: %s", show, n, row)
			}
		}
	}
	// Stand-ins are shown in place of what is not at hand.
	hidden := r.Clone()
	hider := record.NewHider(record.Salt{1})
	hider.Hide(hidden.Data, c)
	hidden.StandIns = true
	f, err := filter.NewFields([]string{"key_auth.key", "key_auth.key_id"}, filter.FieldsOptions{ShowKeys: true, ID: hider.ID})
	if err != nil {
		t.Fatal(err)
	}
	standIn := hider.StandIn(secret, len(secret))
	if got, want := string(f.AppendRow(nil, hidden)), fmt.Sprintf("%x\t%x\n", standIn, standIn[:4]); got != want {
		t.Errorf("stand-in: %q, want %q", got, want)
	}
	hidden.True = r.Data
	if got, want := string(f.AppendRow(nil, hidden)), fmt.Sprintf("%x\t%x\n", secret, standIn[:4]); got != want {
		t.Errorf("true bytes: %q, want %q", got, want)
	}
	x, err := filter.Compile(fmt.Sprintf("key_auth.key_id == \"%x\"", standIn[:4]), filter.Options{ID: hider.ID})
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*record.Record{"as on the socket": r, "with stand-ins": {Codec: c, Data: hidden.Data, StandIns: true}, "with both": hidden} {
		if !x.Match(r) {
			t.Errorf("%s: another id", name)
		}
	}
}
