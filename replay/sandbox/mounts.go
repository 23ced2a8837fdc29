package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// mount is a directory that the guest sees otherwise than read-only.
type mount struct {
	// Path is absolute and free of symbolic links.
	Path string
	// Scratch says that what is written goes with the guest, and not to the host.
	Scratch bool
}

// planMounts returns the mounts that make writable shared with the host and
// scratch throwaway, in the order to make them: a directory comes after those
// above it. Directories that need no mount of their own are left out: scratch
// below anything that can be written, writable below writable.
func planMounts(writable, scratch []string) ([]mount, error) {
	var all []mount
	for _, p := range writable {
		if p == "/" {
			return nil, fmt.Errorf("sandbox: %s cannot be made writable as a whole: name the directories", p)
		}
		all = append(all, mount{Path: p})
	}
	for _, p := range scratch {
		all = append(all, mount{Path: p, Scratch: true})
	}
	slices.SortStableFunc(all, func(a, b mount) int { return strings.Compare(a.Path, b.Path) })

	var plan []mount
	for _, m := range all {
		// plan is sorted: the last one that is m or above it is the nearest.
		above := -1
		for i, p := range plan {
			if p.Path == m.Path || strings.HasPrefix(m.Path, strings.TrimSuffix(p.Path, "/")+"/") {
				above = i
			}
		}
		if above < 0 || !m.Scratch && plan[above].Scratch {
			plan = append(plan, m)
		}
	}
	return plan, nil
}

// overlayOptions returns the options of an overlay mount, in which colons,
// commas and backslashes of a path are escaped.
func overlayOptions(lower, upper, work string) string {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace
	return "lowerdir=" + escape(lower) + ",upperdir=" + escape(upper) + ",workdir=" + escape(work)
}

// realDirectories returns the directories that the paths name, without symbolic
// links. Relative paths are relative to dir.
func realDirectories(dir string, paths []string) ([]string, error) {
	var real []string
	for _, p := range paths {
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		p, err := filepath.EvalSymlinks(p)
		if err != nil {
			return nil, fmt.Errorf("sandbox: writable directory: %w", err)
		}
		real = append(real, p)
	}
	return real, nil
}
