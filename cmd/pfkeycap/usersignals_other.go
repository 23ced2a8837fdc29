//go:build !unix

package main

import "os"

// There are no such signals here.
var countSignals, syncSignals, writeSignals []os.Signal
