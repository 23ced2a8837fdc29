//go:build !unix

package main

// onUSR1 does nothing: there is no such signal here.
func onUSR1(func()) (stop func()) { return func() {} }
