package render_test

import (
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pfkeycap/pfkeycap/cmd/pfkeycap/internal/render"
	"github.com/pfkeycap/pfkeycap/layers"
	"github.com/pfkeycap/pfkeycap/record"
)

var sequence = regexp.MustCompile("\x1b\\[[0-9]*m")

// TestColor: colours change nothing but the colours, and none goes on beyond its
// line.
func TestColor(t *testing.T) {
	var captures []string
	err := filepath.WalkDir("../../../../fixtures", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcapng") {
			captures = append(captures, path)
		}
		return err
	})
	if err != nil || len(captures) < 10 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	why := func(layers.Codec, []byte, []byte, uint8) string { return "because" }
	seen := map[string]bool{}
	for _, name := range captures {
		r, err := record.Open(name, record.ReaderOptions{NoKeys: true})
		if err != nil {
			t.Fatal(err)
		}
		plain := render.New(render.Options{Verbose: 2, Hex: true, Why: why})
		colored := render.New(render.Options{Verbose: 2, Hex: true, Why: why, Color: true})
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want, got := string(plain.Append(nil, rec)), string(colored.Append(nil, rec))
			if sequence.ReplaceAllString(got, "") != want {
				t.Fatalf("%s: record %d: got\n%s\nwant, with colours,\n%s", name, rec.Number, got, want)
			}
			if strings.Contains(want, "\x1b") {
				t.Fatalf("%s: record %d: an escape sequence without colours", name, rec.Number)
			}
			for line := range strings.SplitSeq(got, "\n") {
				all := sequence.FindAllString(line, -1)
				for i, s := range all {
					seen[s] = true
					if (i%2 == 1) != (s == "\x1b[0m") {
						t.Fatalf("%s: record %d: sequences %q", name, rec.Number, all)
					}
				}
				if len(all)%2 != 0 {
					t.Fatalf("%s: record %d: colours go on after %q", name, rec.Number, line)
				}
			}
		}
		r.Close()
	}
	for _, s := range []string{"\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[31m"} {
		if !seen[s] {
			t.Errorf("no %q in any capture", s)
		}
	}
}
