//go:build libfuzzer || gofuzz_libfuzzer

package engine

// Native is false: go-118-fuzz-build sets the tags.
const Native = false
