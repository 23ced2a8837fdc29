//go:build !race

package sniff_test

const race = false
