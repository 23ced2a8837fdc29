//go:build race

package pfjson_test

// The race detector makes sync.Pool forget at random.
func init() { raceEnabled = true }
