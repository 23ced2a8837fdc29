package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	app := wholeApp(strings.NewReader(""), io.Discard, io.Discard)
	for _, c := range []struct{ line, want string }{
		{"deco", "decode"},
		{"fuzz ", "kernel"},
		{"fuzz ke", "kernel"},
		{"decode --form", "--format"},
		{"decode -T js", "json"},
		{"decode --format=cs", "--format=csv"},
		{"decode -d free", "freebsd"},
		{"decode --dialect open", "openbsd"},
		{"decode --order b", "be"},
		{"decode -T fields -e sa.sp", "sa.spi"},
		{"decode gw.pcapng --lint=net", "--lint=netbsd"},
		{"dump -t es", "esp"},
		{"replay --target sand", "sandbox"},
		{"decode --read-format set", "setkey"},
		{"decode gw", ""},
		{"gw.pcapng -T js", ""},
		{"record -- setkey -", ""},
	} {
		var got []string
		for _, x := range complete(app, strings.Split(c.line, " ")) {
			got = append(got, x.word)
		}
		if c.want == "" && len(got) > 0 || c.want != "" && !strings.Contains(" "+strings.Join(got, " ")+" ", " "+c.want+" ") {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
	if got := complete(app, []string{""}); len(got) < 15 {
		t.Errorf("%d commands", len(got))
	}
}

// TestCompletionShells has each shell that is here complete a line with its script.
func TestCompletionShells(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gateway.pcapng"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lines := []struct{ line, want string }{
		{"pfkeycap expl", "explain"},
		{"pfkeycap decode -T js", "json"},
		{"pfkeycap decode --format=js", "json"},
		{"pfkeycap decode gat", "gateway.pcapng"},
	}
	for shell, script := range map[string]string{
		"bash": `source <(pfkeycap completion bash); COMP_LINE=$1; COMP_POINT=${#1}; _pfkeycap; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `pfkeycap completion fish | source; complete -C $argv[1]`,
		// The functions that show candidates want an editor: they print them instead.
		"zsh": `compdef() { :; }; _describe() { print -l -- ${list%%:*}; }; _files() { print -l -- gateway.pcapng; }
source <(pfkeycap completion zsh); words=(${=1}); CURRENT=$#words; _pfkeycap`,
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				if os.Getenv("PFKEYCAP_REQUIRE_SHELLS") == "1" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			for _, l := range lines {
				args := []string{"-c", script, shell, l.line}
				if shell == "fish" {
					args = []string{"-c", script, l.line}
				}
				cmd := exec.Command(path, args...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), l.want) {
					t.Errorf("%s: %q %v, want %s", l.line, out, err, l.want)
				}
			}
		})
	}
}
