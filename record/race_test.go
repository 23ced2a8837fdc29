//go:build race

package record_test

// racing says that allocations cannot be counted: under the race detector a
// sync.Pool loses things on purpose.
const racing = true
