package law_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/fuzz/engine"
	"github.com/pfkeycap/pfkeycap/fuzz/law"
	"github.com/pfkeycap/pfkeycap/fuzz/seed"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

const fixtures = "../../fixtures"

// TestBugs holds what once broke something to every law that can be asked: see
// fixtures/bugs/README.md.
func TestBugs(t *testing.T) {
	dir := filepath.Join(fixtures, "bugs")
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name, isTarget := strings.CutPrefix(filepath.Dir(rel), "Fuzz")
		switch {
		case isTarget:
			n++
			t.Run(rel, func(t *testing.T) { holdInput(t, name, path) })
		case strings.HasSuffix(path, ".pcapng"):
			n++
			t.Run(rel, func(t *testing.T) { holdCapture(t, path) })
		case strings.HasSuffix(path, ".md"), strings.HasSuffix(path, ".keys"), strings.HasSuffix(path, ".txt"), strings.HasSuffix(path, ".json"):
		default:
			t.Errorf("%s is neither a capture nor the input of a target", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < len(seed.Targets()) {
		t.Errorf("only %d inputs", n)
	}
	t.Logf("%d bugs stay fixed", n)
}

// holdInput holds an input to the law of its target, and to all others that take
// the same arguments.
func holdInput(t *testing.T, name, path string) {
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	args, err := seed.ParseGo(file)
	if err != nil {
		t.Fatal(err)
	}
	first, ok := seed.Of(name)
	if !ok {
		t.Fatalf("no target %s", name)
	}
	for _, target := range seed.Targets() {
		if slices.Equal(target.Args, first.Args) {
			if err := law.Hold(t, target.Name, args...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// holdCapture holds the messages of a capture to the laws of messages, in every
// dialect and byte order, and its bytes to those of captures.
func holdCapture(t *testing.T, path string) {
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range seed.Targets() {
		if slices.Equal(target.Args, seed.Args{"[]byte"}) {
			if err := law.Hold(t, target.Name, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := record.Open(path, record.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if err != nil {
			break
		}
		data := slices.Clone(rec.Bytes())
		for _, target := range seed.Targets() {
			if !slices.Equal(target.Args, seed.Args{"uint8", "[]byte"}) {
				continue
			}
			for n := range uint8(2 * len(layers.Dialects())) {
				if target.Name == "Beside" && engine.Codec(n) != rec.Codec {
					continue // it writes files
				}
				if err := law.Hold(t, target.Name, n, data); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestTable holds the table of targets to the functions that there are, by their
// source: names, the types of their arguments, and the laws they call.
func TestTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../fuzz_test.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]seed.Args{}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := strings.TrimPrefix(f.Name.Name, "Fuzz")
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.FuncLit)
			if !ok {
				return true
			}
			for _, p := range lit.Type.Params.List[1:] {
				for range p.Names {
					found[name] = append(found[name], types.ExprString(p.Type))
				}
			}
			return false
		})
	}
	var names []string
	for _, target := range seed.Targets() {
		names = append(names, target.Name)
		if !slices.Equal(found[target.Name], target.Args) {
			t.Errorf("%s takes %v, the table says %v", target.Name, found[target.Name], target.Args)
		}
		args, ok := law.Args(target.Name)
		if !ok || !slices.Equal(args, target.Args) {
			t.Errorf("law %s takes %v, the table says %v", target.Name, args, target.Args)
		}
		delete(found, target.Name)
		if target.Law == "" {
			t.Errorf("%s has no law", target.Name)
		}
	}
	for name := range found {
		t.Errorf("%s is not in the table", name)
	}
	// OSS-Fuzz finds a target by searching for its name.
	for _, a := range names {
		for _, z := range names {
			if a != z && strings.HasPrefix(z, a) {
				t.Errorf("%s is the beginning of %s", a, z)
			}
		}
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(readme), "| "+name+" |") {
			t.Errorf("README.md does not list %s", name)
		}
	}
}
