//go:build !unix || aix

package record

// noFollow does not exist here. O_EXCL, which always goes with it, refuses links
// too.
const noFollow = 0
