//go:build !(linux && amd64)

package sandbox

import (
	"context"
	"fmt"
	"os"
	"runtime"
)

// guestRun does not exist here.
type guestRun struct{}

func errElsewhere() error {
	return fmt.Errorf("sandbox: %w: User-Mode Linux runs on linux/amd64 only, and this is %s/%s; copy the capture to such a machine", ErrNoKernel, runtime.GOOS, runtime.GOARCH)
}

// InitIfGuest does nothing: this system cannot be a guest.
func InitIfGuest() {}

// Inside reports false: this system cannot be a guest.
func Inside() bool { return false }

// Find returns an error that wraps [ErrNoKernel].
func Find() (Kernel, error) { return Kernel{}, errElsewhere() }

// KernelAt is for linux/amd64; here the error wraps [ErrNoKernel].
func KernelAt(string) (Kernel, error) { return Kernel{}, errElsewhere() }

// Run returns an error that wraps [ErrNoKernel].
func (c *Cmd) Run(context.Context) (exitStatus int, err error) { return -1, errElsewhere() }

// Start returns an error that wraps [ErrNoKernel].
func (c *Cmd) Start(context.Context) error { return errElsewhere() }

// Wait returns an error that wraps [ErrNoKernel].
func (c *Cmd) Wait() (exitStatus int, err error) { return -1, errElsewhere() }

// Signal returns an error that wraps [ErrNoKernel].
func (c *Cmd) Signal(os.Signal) error { return errElsewhere() }
