//go:build !unix

package main

import "runtime"

// osName is the system.
func osName() string { return runtime.GOOS }
