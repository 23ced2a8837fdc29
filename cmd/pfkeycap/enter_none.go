//go:build !linux

package main

import (
	"runtime"

	"github.com/urfave/cli/v2"
)

// runInNetNS is for Linux.
func runInNetNS(_ *cli.Context, name string, _ []string) error {
	return machinef("--target %s%s: %s has no network namespaces", inNetNS, name, runtime.GOOS)
}
