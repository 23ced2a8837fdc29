package main

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/pfkeycap/pfkeycap/"

// allowed are the packages of this module that each package may import. An
// import that is not listed here is a change of the architecture: make it on
// purpose.
var allowed = map[string]string{
	"layers":                            "layers/internal/shape",
	"layers/internal/shape":             "",
	"layers/internal/genshapes":         "layers/internal/shape",
	"layers/gen":                        "layers layers/internal/shape",
	"layers/pfjson":                     "layers layers/internal/shape",
	"layers/check":                      "layers layers/internal/shape",
	"layers/compare":                    "layers",
	"record":                            "layers",
	"record/filter":                     "record layers",
	"record/convert":                    "record layers layers/pfjson record/convert/ipseckey record/convert/setkey record/convert/internal/statement record/convert/ipxfrm",
	"record/convert/ipbatch":            "layers record/convert/internal/statement record/convert/xfrmname",
	"record/convert/espsa":              "layers record/convert/internal/statement record/convert/xfrmname",
	"record/convert/setkey":             "layers record/convert/internal/statement",
	"record/convert/ipseckey":           "layers record/convert/internal/statement",
	"record/convert/internal/statement": "layers",
	"record/convert/xfrmname":           "layers",
	"record/convert/ipxfrm":             "layers record/convert/xfrmname record/convert/internal/statement",
	"record/convert/internal/statement/statementtest": "layers record/convert/internal/statement",
	"record/scrub":                    "record layers",
	"record/diff":                     "record record/trace record/convert/ipxfrm record/convert/xfrmname layers layers/compare",
	"layers/sniff":                    "layers",
	"record/keysock":                  "",
	"record/trace":                    "record layers layers/check",
	"replay":                          "record/trace record layers layers/compare replay/internal/ddmin",
	"replay/internal/ddmin":           "",
	"replay/judge":                    "replay replay/internal/ddmin record layers layers/check layers/gen",
	"replay/kernel":                   "replay record/keysock layers",
	"replay/replaytest":               "replay record/trace record layers",
	"replay/sandbox":                  "",
	"replay/sandbox/sandboxtest":      "replay/sandbox",
	"cmd/pfkeycap":                    "*",
	"cmd/pfkeycap/internal/render":    "record layers",
	"cmd/pfkeycap/internal/report":    "",
	"cmd/pfkeycap/internal/wireshark": "cmd/pfkeycap/internal/render record/filter layers",
	"fixtures":                        "record layers",
	"fixtures/internal/fromcorpus":    "record layers",
	"fuzz":                            "*",
	"fuzz/engine":                     "layers",
	"fuzz/law":                        "*",
	"fuzz/seed":                       "fuzz/engine layers layers/gen layers/pfjson record record/convert",

	"cmd/pfkeycap/internal/bench": "fixtures/benchtest record layers",
	"fixtures/benchtest":          "layers",
}

// forbidden are imports that no package outside of tests may have, with the
// reason.
var forbidden = map[string]string{
	"github.com/google/gopacket/layers": "costs 7.8 ms and 466 kB at every start",
	"github.com/google/gopacket/pcapgo": "imports gopacket/layers, and its pcapng has no directions",
}

func TestImportArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}:{{join .Imports " "}}`, module+"...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		pkg, imports, _ := strings.Cut(line, ":")
		pkg = strings.TrimPrefix(pkg, module)
		ok, known := allowed[pkg]
		if !known {
			t.Errorf("package %s is not in the table of import arrows", pkg)
			continue
		}
		seen++
		may := map[string]bool{}
		for _, p := range strings.Fields(ok) {
			may[p] = true
		}
		for _, imp := range strings.Fields(imports) {
			if why := forbidden[imp]; why != "" {
				t.Errorf("%s imports %s: %s", pkg, imp, why)
			}
			ours, is := strings.CutPrefix(imp, module)
			if is && !may[ours] && !may["*"] {
				t.Errorf("%s must not import %s", pkg, ours)
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d packages seen: the list is not what it should be", seen)
	}
}
