//go:build race

package sniff_test

// The race detector makes sync.Pool forget what is in it.
const race = true
