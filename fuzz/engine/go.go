//go:build !libfuzzer && !gofuzz_libfuzzer

package engine

// Native is true under "go test", which reads the seeds of a target once. Under
// libFuzzer and AFL++ the whole of a target's function is called for every input,
// so it must not make seeds there; its corpus holds them.
const Native = true
