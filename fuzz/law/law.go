// Package law holds what must be true of any bytes: the bodies of the fuzz targets
// in package fuzz, one law each. They are functions of their own so that every
// engine can call them, and so that inputs that once broke a law are held to all of
// them (see fixtures/bugs).
//
// No law recovers from a panic: a panic is a broken law.
package law

// T is what a law says with that it is broken: a *testing.T, or what a fuzzing
// engine puts into its place.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
