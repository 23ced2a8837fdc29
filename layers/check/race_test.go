//go:build race

package check_test

// Under the race detector sync.Pool drops what it holds at random.
func init() { raceEnabled = true }
