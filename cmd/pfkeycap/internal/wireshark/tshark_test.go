package wireshark_test

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/wireshark"
)

// tool finds a program that the test needs. Without it the test is skipped, or fails
// if PFKEYCAP_REQUIRE_TSHARK=1.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("PFKEYCAP_REQUIRE_TSHARK") == "1" {
			t.Fatalf("%v, and PFKEYCAP_REQUIRE_TSHARK=1", err)
		}
		t.Skipf("%v: install tshark to check the dissector", err)
	}
	return path
}

// script writes the dissector, once for all tests.
var script = sync.OnceValues(func() ([]byte, error) {
	var b bytes.Buffer
	err := wireshark.Generate(&b, "test")
	return b.Bytes(), err
})

// dissect runs tshark with the dissector over a capture and returns what it prints.
// Nothing may go wrong in the script.
func dissect(t testing.TB, capture string, args ...string) []byte {
	t.Helper()
	path := tool(t, "tshark")
	lua, err := script()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "pfkey.lua")
	if err := os.WriteFile(file, lua, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"-n", "-X", "lua_script:" + file, "-r", capture}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "LC_ALL=C.UTF-8", "TZ=UTC")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if told := errs.String(); strings.Contains(told, "Lua") || strings.Contains(told, "lua") || err != nil {
		t.Fatalf("tshark %q: %v\n%s", args, err, told)
	}
	if i := bytes.Index(out.Bytes(), []byte("Lua Error")); i >= 0 {
		line, _, _ := bytes.Cut(out.Bytes()[i:], []byte("\n"))
		t.Fatalf("tshark %q of %s: %s", args, capture, line)
	}
	return out.Bytes()
}

// field is one of a packet as -T pdml shows it.
type field struct{ name, show, showname string }

// packets reads -T pdml: the fields of each packet whose names begin with pfkey, in
// order.
func packets(t testing.TB, pdml []byte) (list [][]field) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(pdml))
	d.Strict = false
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := tok.(xml.StartElement)
		switch {
		case !ok:
		case e.Name.Local == "packet":
			list = append(list, nil)
		case e.Name.Local == "field" || e.Name.Local == "proto":
			f := field{}
			for _, a := range e.Attr {
				switch a.Name.Local {
				case "name":
					f.name = a.Value
				case "show":
					f.show = a.Value
				case "showname":
					f.showname = a.Value
				}
			}
			if name, ok := strings.CutPrefix(f.name, "pfkey."); ok {
				f.name = name
				i := len(list) - 1
				list[i] = append(list[i], f)
			}
		}
	}
}
