package law_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/fuzz/seed"
)

// TestBuildScript runs fuzz/build.sh, which OSS-Fuzz and ClusterFuzzLite run, with
// stands for what their image has, compiles the targets as go-118-fuzz-build does,
// with another type in the place of testing.F, and feeds each its seeds. With
// PFKEYCAP_FUZZ_ARCHIVE=1 it also builds an instrumented archive, which takes most of
// a minute the first time, and links and runs it with a C compiler.
func TestBuildScript(t *testing.T) {
	for _, tool := range []string{"bash", "zip", "find", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	builder, err := filepath.Abs("testdata/builder")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	realGo, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	out, work := t.TempDir(), t.TempDir()
	cmd := exec.Command("bash", filepath.Join(root, "fuzz/build.sh"))
	cmd.Dir = t.TempDir() // it must not matter
	cmd.Env = append(os.Environ(), "OUT="+out, "WORK="+work, "SANITIZER=address", "REAL_GO="+realGo, "PATH="+builder+":"+os.Getenv("PATH"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}

	// A main program of all targets, laid over the module.
	noted, err := os.ReadFile(filepath.Join(out, "targets"))
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	names := map[string]string{} // of functions: what their binary is called
	for line := range strings.Lines(string(noted)) {
		f := strings.Fields(line)
		names[strings.TrimPrefix(f[0], "Fuzz")] = f[1]
		fmt.Fprintf(&table, "\t%q: fuzz.%s,\n", f[0], f[0])
	}
	source, err := os.ReadFile(filepath.Join(root, "fuzz/fuzz_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]string{}
	lay := func(name string, text []byte) {
		from := filepath.Join(work, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(from, text, 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(root, "fuzz", name)] = from
	}
	lay("targets.go", bytes.Replace(source, []byte(`"testing"`), []byte(`"github.com/pfkeycap/pfkeycap/fuzz/stand/testing"`), 1))
	for name, file := range map[string]string{"stand/testing/testing.go": "testing.go.txt", "stand/main/main.go": "main.go.txt", "stand/main/archive.go": "archive.go.txt"} {
		text, err := os.ReadFile(filepath.Join(builder, file))
		if err != nil {
			t.Fatal(err)
		}
		lay(name, bytes.Replace(text, []byte("TARGETS"), []byte(table.String()), 1))
	}
	list := filepath.Join(work, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	build := func(dir, cgo string, args ...string) {
		t.Helper()
		cmd := exec.Command(realGo, append(append([]string{"build"}, args...), "./fuzz/stand/main")...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	program := filepath.Join(work, "program")
	build(root, "0", "-overlay="+list, "-tags=gofuzz,gofuzz_libfuzzer", "-o", program) // without archive.go, which needs a C compiler
	var decode []string
	for _, target := range seed.Targets() {
		name, ok := names[target.Name]
		if !ok {
			t.Errorf("build.sh does not build %s", target.Name)
			continue
		}
		if st, err := os.Stat(filepath.Join(out, name+".dict")); err != nil || st.Size() == 0 {
			t.Errorf("no dictionary for %s: %v", target.Name, err)
		}
		files := unzip(t, filepath.Join(out, name+"_seed_corpus.zip"), filepath.Join(work, name), 200)
		if target.Name == "Decode" {
			decode = files
		}
		got, err := exec.Command(program, append([]string{"Fuzz" + target.Name}, files...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(got), fmt.Sprintf("%d inputs", len(files))) {
			t.Errorf("%s: %v\n%.2000s", target.Name, err, got)
		}
	}

	if os.Getenv("PFKEYCAP_FUZZ_ARCHIVE") != "1" {
		return
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip(err)
	}
	archive, binary := filepath.Join(work, "decode.a"), filepath.Join(work, "decode")
	tree := filepath.Join(work, "tree") // cgo does not see an overlay
	if err := os.CopyFS(tree, os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	for to, from := range overlay {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, to)
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(tree, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build(tree, "1", "-tags=gofuzz,gofuzz_libfuzzer,libfuzzer", "-buildmode=c-archive", "-gcflags=all=-d=libfuzzer", "-o", archive)
	if text, err := exec.Command(cc, "-o", binary, filepath.Join(builder, "driver.c"), archive, "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got, err := exec.Command(binary, decode...).CombinedOutput()
	if err != nil || !strings.Contains(string(got), " counters\n") || !strings.Contains(string(got), fmt.Sprintf("%d inputs", len(decode))) {
		t.Errorf("%v\n%.2000s", err, got)
	}
	t.Logf("%s", got)
}

// unzip writes the first files of an archive into a directory.
func unzip(t *testing.T, path, dir string, most int) (files []string) {
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File[:min(len(z.File), most)] {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.Base(f.Name))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	if len(files) == 0 {
		t.Errorf("%s is empty", path)
	}
	return files
}
