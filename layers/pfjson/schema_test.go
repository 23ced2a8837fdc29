package pfjson_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/layers/internal/shape"
	"github.com/pfkeycap/pfkeycap/layers/pfjson"
)

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(pfjson.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, line []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// TestSchema holds the golden lines and many others to the schema.
func TestSchema(t *testing.T) {
	s := compileSchema(t)
	for _, name := range []string{"records.json", "records.keys.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(bytes.TrimSpace(b), []byte("\n")) {
			if err := validate(s, line); err != nil {
				t.Errorf("%s:%d: %v\n%s", name, i+1, err, line)
			}
		}
	}
	for _, c := range codecs() {
		if c.Order == layers.NoOrder {
			continue
		}
		_, list := everyExtension(c)
		for i, m := range list {
			if i%20 != 0 {
				continue
			}
			for _, opts := range []pfjson.Options{{ID: hashID}, {ID: hashID, ShowKeys: true}} {
				line := pfjson.Append(nil, &pfjson.Record{Number: 1 << 63, Codec: c, Data: m, Length: len(m) + 8,
					TwinOf: 2, ReplyTo: 1, Process: "iked", WriteErrno: 22, Comments: []string{"a"}, Problems: []pfjson.Problem{
						{Code: "x", Text: "y"},
						{Code: "sa-missing", Offset: 16, Text: "no", Severity: "error", Ext: "SA", Len: 2, Errno: 22, ErrnoName: "EINVAL",
							ByWrite: true, Diagnostic: "MISSING_SA", Instead: "do", Source: "RFC"}}}, opts)
				if err := validate(s, line); err != nil {
					t.Fatalf("%v\n%s", err, line)
				}
			}
		}
	}
}

// TestSchemaRefuses makes sure that the schema says something.
func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t)
	r := benchRecord()
	good := string(pfjson.Append(nil, &r, pfjson.Options{ID: hashID}))
	if err := validate(s, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"schema":1`, `"schema":2`},
		{`"number":7,`, ``},
		{`"number":7`, `"nubmer":7`},
		{`.123456789Z`, `Z`},
		{`"to-kernel"`, `"up"`},
		{`"linux"`, `"plan9"`},
		{`"errno":0,`, ``},
		{`"errno":0`, `"errno":256`},
		{`"pid":412`, `"pid":412,"sek":1`},
		{`"spi":"0x00001234"`, `"spi":4660`},
		{`"flags_names":["PFS"]`, `"flags_names":"PFS"`},
		{`"family":"inet"`, `"family":"ipv4"`},
		{`"addr":"10.0.0.1"`, `"address":"10.0.0.1"`},
		{`"bits":160`, `"bits":-1`},
		{`"offset":16,`, ``},
		{`"name":"SA"`, `"name":"UNKNOWN"`},
		{`"problems":[]`, `"problems":[{"code":"x"}]`},
		{`"problems":[]`, `"problems":[{"code":"x","offset":0,"text":"","severity":"bad"}]`},
		{`"problems":[]`, `"problems":[],"inner":{"ext":[],"problems":[]}`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Errorf("no %s in %s", change[0], good)
		} else if validate(s, []byte(bad)) == nil {
			t.Errorf("the schema accepts %s", change[1])
		}
	}
}

// TestSchemaIsComplete finds every member of every structure in the schema.
func TestSchemaIsComplete(t *testing.T) {
	var doc struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(pfjson.Schema()), &doc); err != nil {
		t.Fatal(err)
	}
	defs := map[string]string{
		"sadb_comb": "comb", "sadb_alg": "alg", "sadb_alg@illumos": "alg", "sadb_x_ecomb": "ecomb", "sadb_x_algdesc": "algdesc",
		"sastat": "sastat", "sadb_x_ipsecrequest": "request", "sadb_x_ipsecrequest@kame": "request",
	}
	known := map[string]bool{"schema": true}
	for _, d := range doc.Defs {
		for name := range d.Properties {
			known[name] = true
		}
	}
	for _, s := range shape.Table {
		def := "ext"
		if s.Element {
			def = defs[s.Name]
		}
		properties := doc.Defs[def].Properties
		if len(properties) == 0 {
			t.Errorf("no definition for %s", s.Name)
		}
		for _, f := range s.Fields {
			names := []string{f.Name}
			switch {
			case strings.HasPrefix(s.Name, "sadb_session_id") && f.Order != shape.Bytes:
				names = []string{"v"}
			case f.Sem == shape.Enum:
				names = append(names, f.Name+"_name")
			case f.Sem == shape.Flags:
				names = append(names, f.Name+"_names")
			case f.Sem == shape.Name || f.Sem == shape.Address:
				names = append(names, f.Name+"_hex")
			}
			for _, name := range names {
				if properties[name] == nil {
					t.Errorf("%s: no %s in $defs/%s", s.Name, name, def)
				}
			}
		}
	}
	for _, n := range pfjson.Names() {
		if !known[n.JSON] {
			t.Errorf("Names has %s, the schema has not", n.JSON)
		}
		if sh := shape.ByName(n.Struct); sh != nil && n.Member != "" && n.JSON != "len" && n.JSON != "exttype" {
			field := strings.TrimSuffix(n.JSON, "_hex")
			found := n.JSON == "v" || n.JSON == "cookie64"
			for _, f := range sh.Fields {
				found = found || f.Name == field
			}
			for _, other := range shape.Table { // a layout of one system
				for _, f := range other.Fields {
					found = found || strings.HasPrefix(other.Name, n.Struct+"@") && f.Name == field
				}
			}
			if !found {
				t.Errorf("Names has %s of %s, the tables have not", n.JSON, n.Struct)
			}
		}
	}
}
