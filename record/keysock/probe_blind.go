//go:build openbsd

package keysock

import "errors"

// rootOnly: the kernel asks for root.
const rootOnly = true

// trace has nothing to look at: OpenBSD's variables are numbers compiled into
// the program, and none stands for PF_KEY.
func trace() (place string, err error) {
	return "kernel", errors.New("shows nothing of PF_KEY short of opening it; GENERIC kernels have it")
}
