//go:build race

package main

// racing says that everything takes ten times as long, and that allocations cannot
// be counted: under the race detector a sync.Pool loses things on purpose.
const racing = true
