package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/replay/sandbox"
)

var updateDocs = flag.Bool("update-docs", false, "write the output in the documents anew")

// TestDocs runs what the documents show: in a block marked console each line that
// begins with "$ " is given to a shell, and what it prints, errors too, has to be what
// stands below it. "…" alone in a line stands for any lines, within a line for anything.
// A comment such as
//
//	<!-- files: gw.pcapng=fixtures/demo/demo.pcapng -->
//
// puts copies of fixtures, with their keys, where the commands run.
func TestDocs(t *testing.T) {
	for _, name := range []string{"README.md", "COOKBOOK.md"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("../..", name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := runDocument(t, string(text))
			if *updateDocs && !t.Failed() {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

var filesComment = regexp.MustCompile(`^<!-- files: (.*) -->$`)

// runDocument runs a document's commands and returns it with what they print.
func runDocument(t *testing.T, text string) string {
	dir := t.TempDir()
	var out strings.Builder
	lines := strings.SplitAfter(text, "\n")
	commands := 0
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSuffix(lines[i], "\n")
		out.WriteString(lines[i])
		if m := filesComment.FindStringSubmatch(line); m != nil {
			for _, f := range strings.Fields(m[1]) {
				to, from, _ := strings.Cut(f, "=")
				copyFixture(t, filepath.Join(dir, to), filepath.Join("../..", from))
			}
		}
		if line != "```console" {
			continue
		}
		for i++; i < len(lines) && lines[i] != "```\n"; {
			command, ok := strings.CutPrefix(lines[i], "$ ")
			if !ok {
				t.Fatalf("line %d: a block begins with a command", i+1)
			}
			at := i + 1
			out.WriteString(lines[i])
			var want []string
			for i++; i < len(lines) && lines[i] != "```\n" && !strings.HasPrefix(lines[i], "$ "); i++ {
				want = append(want, strings.TrimSuffix(lines[i], "\n"))
			}
			commands++
			got, ran := runDocumented(t, dir, command)
			if ran && !matchElided(want, got) {
				if !*updateDocs {
					t.Errorf("line %d: $ %sprints\n%s\nnot\n%s", at, command, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				want = got
			}
			for _, w := range want {
				out.WriteString(w + "\n")
			}
		}
		if i < len(lines) {
			out.WriteString(lines[i])
		}
	}
	if commands == 0 {
		t.Error("no commands in it")
	}
	return out.String()
}

// runDocumented runs a command, unless it wants a kernel that is not there.
func runDocumented(t *testing.T, dir, command string) (lines []string, ran bool) {
	if strings.Contains(command, "sandbox") || strings.Contains(command, "replay") {
		if _, err := sandbox.Find(); err != nil {
			if os.Getenv("PFKEYCAP_REQUIRE_KERNEL") == "1" {
				t.Fatal(err)
			}
			return nil, false
		}
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TZ=UTC", "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(string(out), "\n")
	if text == "" {
		return nil, true
	}
	return strings.Split(text, "\n"), true
}

// matchElided compares lines with those of a document.
func matchElided(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if want[0] == "…" {
		for i := range len(got) + 1 {
			if matchElided(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	if len(got) == 0 {
		return false
	}
	parts := strings.Split(want[0], "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	ok, err := regexp.MatchString("^"+strings.Join(parts, ".*")+"$", got[0])
	return err == nil && ok && matchElided(want[1:], got[1:])
}

func copyFixture(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(from + ".keys"); err == nil {
		if err := os.WriteFile(to+".keys", b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestElided(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a\nb", false}, {"a\n…", "a\nb\nc", true}, {"…\nc", "a\nb\nc", true},
		{"…\nc", "a\nb", false}, {"a…c", "abc", true}, {"a…c", "abd", false}, {"a.c", "abc", false}, {"…", "", true},
	} {
		if got := matchElided(strings.Split(c.want, "\n"), strings.Split(c.got, "\n")); got != c.ok {
			t.Errorf("%q %q: %v", c.want, c.got, got)
		}
	}
}
