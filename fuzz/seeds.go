package fuzz

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pfkeycap/pfkeycap/fuzz/seed"
)

// fixtures is where the captures are, seen from this directory.
const fixtures = "../fixtures"

// set is made once for all targets.
var set = sync.OnceValues(func() (*seed.Set, error) {
	set := seed.NewSet(false)
	err := filepath.WalkDir(fixtures, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pcapng") {
			return err
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return set.Capture(path, file)
	})
	return set, err
})

// seeds calls add, f.Add of a target, with the seeds of a target. It panics if they
// cannot be read: a target without its seeds would find less and not say so.
func seeds(name string, add func(args ...any)) {
	s, err := set()
	if err != nil {
		panic(fmt.Sprintf("seeds of %s: %v", name, err))
	}
	t, ok := seed.Of(name)
	if !ok {
		panic("no target " + name)
	}
	t.Each(s, add)
}
