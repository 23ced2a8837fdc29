//go:build freebsd || netbsd || openbsd || dragonfly || darwin || solaris

package keysock

import (
	"errors"
	"io/fs"
	"os"
)

// probe looks for a trace of PF_KEY and at the user, which is all there is to
// see on these systems.
func probe(f *Facts) {
	place, err := trace()
	switch {
	case err == nil:
		f.Present = Yes
		f.note(place, "exists")
	case errors.Is(err, fs.ErrNotExist):
		f.Present = No
		f.note(place, "does not exist")
	default:
		f.note(place, "%v", err)
	}
	uid := os.Geteuid()
	f.note("effective user", "%d", uid)
	if uid == 0 {
		f.Permitted = Yes
	} else if rootOnly {
		f.Permitted = No
	}
}
