//go:build !linux

package record

import "os"

// dataSync waits until f is on the disk.
func dataSync(f *os.File) error { return f.Sync() }
